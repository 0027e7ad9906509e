/* clouds.c - simulated clouds of four kinds: read requests strictly, and follow a script. Written from RFC 9112, with none
 * of the product's own encoders or parsers, so that it can disagree; the formats of the kinds are in clouds_ask.c (what
 * they read) and say_*.c (what they say). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/clouds_ask.h"
#include "tests/sim/clouds_script.h"
#include "tests/sim/kernel.h"
#include "tests/sim/weather.h"
#include "tests/sim/world.h"

struct cloud clouds[CLOUDS_MAX];

/* One accepted connection. */
struct cloud_conn {
    struct cloud *cloud;
    struct wire_end *end;
    struct text in, out;
    unsigned requests;
    struct reply *reply;  /* being given; NULL: idle */
    struct reply *latest; /* given or being given */
    struct play play;
    unsigned step;
    bool content_due; /* the first token is in `out`, or was */
    struct event next, idle;
    bool deaf; /* what comes is thrown away: the connection is about to end */
    bool over;
};

/* ---- giving an answer ---- */

static void conn_over(struct cloud_conn *conn) {
    conn->over = true;
    event_clear(&conn->next);
    event_clear(&conn->idle);
}

static void flush(struct cloud_conn *conn) {
    if (conn->over || conn->out.n == 0)
        return;
    long n = wire_send(conn->end, conn->out.p, conn->out.n);
    if (n < 0)
        return; /* readable tells the rest */
    text_drop(&conn->out, (size_t)n);
    if (n > 0 && conn->reply)
        conn->reply->said_ns = sim.now_ns;
    if (conn->out.n == 0 && conn->content_due && conn->reply && !conn->reply->content_ns) {
        conn->reply->content_ns = sim.now_ns;
        sim_trace("cloud %u: A%u first token", conn->cloud->index, conn->reply->n);
    }
}

static void arm_next(struct cloud_conn *conn) {
    if (conn->step < conn->play.count)
        event_set(&conn->next, sim.now_ns + conn->play.steps[conn->step].delay_ns);
}

static void reply_done(struct cloud_conn *conn) {
    conn->reply->whole_ns = sim.now_ns;
    conn->reply = NULL;
    if (conn->cloud->closes_idle && world_chance(0.5))
        event_set(&conn->idle, sim.now_ns + SIM_MS(world_below(1500)));
}

static void end_by_cloud(struct cloud_conn *conn, bool reset) {
    sim_trace("cloud %u: A%u %s", conn->cloud->index, conn->reply->n, reset ? "resets" : "closes");
    conn->reply->whole_ns = sim.now_ns;
    conn->reply = NULL;
    conn_over(conn);
    if (reset)
        wire_reset(conn->end);
    else
        wire_close(conn->end);
}

/* Steps go on when what came before is in the wire. */
static void go_on(struct cloud_conn *conn) {
    while (!conn->over && conn->reply && conn->out.n == 0 && !event_is_set(&conn->next)) {
        const struct step *step = &conn->play.steps[conn->step];
        if (conn->step == conn->play.count) { /* stalls */
            conn->reply->said_all_ns =
                conn->reply->said_all_ns ? conn->reply->said_all_ns : sim.now_ns;
            return;
        }
        conn->step++;
        switch (step->what) {
        case STEP_SEND:
            conn->content_due |= step->content;
            text_add(&conn->out, step->p, step->n);
            flush(conn);
            break;
        case STEP_CLOSE: end_by_cloud(conn, false); return;
        case STEP_RESET: end_by_cloud(conn, true); return;
        case STEP_DONE:
            sim_trace("cloud %u: A%u whole", conn->cloud->index, conn->reply->n);
            reply_done(conn);
            return;
        }
        arm_next(conn);
    }
}

static void next_step(struct event *event) { go_on(container_of(event, struct cloud_conn, next)); }

static void idle_end(struct event *event) {
    struct cloud_conn *conn = container_of(event, struct cloud_conn, idle);
    if (conn->over || conn->reply)
        return;
    sim_mark(MARK_SPARE_CLOSED);
    conn_over(conn);
    if (conn->end->count >
        0) /* the pool's race: a request is on its way, and nobody will read it */
        sim_mark(MARK_POOL_STALE);
    wire_close(conn->end);
}

/* ---- reading a request ---- */

static struct span field(struct span head, const char *name) {
    struct span found = {NULL, 0};
    size_t name_n = strlen(name);
    span_cut(&head, '\n');
    while (head.p) {
        struct span line = span_cut(&head, '\n');
        if (line.n <= name_n || line.p[name_n] != ':' || strncasecmp(line.p, name, name_n) != 0)
            continue;
        if (found.p)
            sim_fail("request", "the field %s stands twice in a request to a cloud", name);
        found = span_of(line.p + name_n + 1, line.n - name_n - 1);
        while (found.n && (*found.p == ' ' || *found.p == '\t'))
            found = span_from(found, 1);
        while (found.n && (found.p[found.n - 1] == '\r' || found.p[found.n - 1] == ' '))
            found.n--;
    }
    return found;
}

static bool is(struct span span, const char *text) { return span_eq(span, span_str(text)); }

static void check_secrets(const struct cloud_conn *conn, struct span bytes) {
    for (unsigned i = 0; i < world.cloud_count; i++)
        if (i != conn->cloud->index &&
            memmem(bytes.p, bytes.n, clouds[i].key, strlen(clouds[i].key)))
            sim_fail("credentials", "cloud %u was sent the key of cloud %u", conn->cloud->index, i);
    if (memmem(bytes.p, bytes.n, CLIENT_KEY, strlen(CLIENT_KEY)) ||
        memmem(bytes.p, bytes.n, CLIENT_KEY_NARROW, strlen(CLIENT_KEY_NARROW)))
        sim_fail("credentials", "cloud %u was sent a client's key", conn->cloud->index);
}

static void check_head(const struct cloud_conn *conn, const struct request *request,
                       struct span head) {
    const struct cloud *cloud = conn->cloud;
    const char *key, *key_field = clouds_ask_key_field(cloud, &key);
    char line[128];
    enum format format = clouds_ask_format(cloud, request, head);
    int n = snprintf(line, sizeof line, "%s HTTP/1.1\r\n", clouds_ask_line(cloud, request, format));
    if (head.n < (size_t)n || memcmp(head.p, line, (size_t)n) != 0)
        sim_fail("request", "cloud %u (%s) was sent the request line %.80s", cloud->index,
                 format_names[format], head.p);
    if (!is(field(head, "host"), cloud->authority))
        sim_fail("request", "cloud %u was sent another host", cloud->index);
    if (!is(field(head, key_field), key))
        sim_fail("credentials", "cloud %u was not sent its key in %s", cloud->index, key_field);
    if (strcmp(key_field, "authorization") != 0 && field(head, "authorization").p)
        sim_fail("credentials", "cloud %u was sent two keys", cloud->index);
    if (cloud->kind == CLOUD_ANTHROPIC && !is(field(head, "anthropic-version"), "2023-06-01"))
        sim_fail("request", "cloud %u was sent another anthropic-version", cloud->index);
    if (!is(field(head, "content-type"), "application/json"))
        sim_fail("request", "cloud %u was sent another content-type", cloud->index);
    if (field(head, "transfer-encoding").p)
        sim_fail("request", "cloud %u was sent a chunked request", cloud->index);
}

static struct request *find_request(const struct cloud *cloud, struct span head) {
    unsigned n;
    struct span id = field(head, "x-request-id");
    char text[32];
    struct request *request =
        sscanf(span_text(id, text, sizeof text), "sim-%u", &n) == 1 ? ledger_find(n) : NULL;
    if (!request)
        sim_fail("request", "a cloud was sent a request that no client made: x-request-id %s",
                 text);
    if (request->ask != ASK_CHAT)
        sim_fail("request", "a cloud was sent request %u, which is %s", n,
                 ask_rows[request->ask].name);
    if (request->zone && strcmp(request->zone, cloud_zone(cloud)) != 0)
        sim_fail("residency", "request %u, which is to stay %s, was sent to cloud %u", n,
                 request->zone, cloud->index);
    return request;
}

static enum script draw_script(const struct cloud *cloud) {
    enum script script;
    bool stormy = !world.scenario || !world.scenario->clients || sim.now_ns < world.faults_until_ns;
    if (cloud->told && stormy)
        return cloud->script;
    if (weather_script(cloud, &script))
        return script;
    bool faulty = sim.now_ns < world.faults_until_ns && world_chance(cloud->fault_share);
    unsigned sum = 0, healthy = 0;
    for (unsigned s = 0; s < SCRIPT_COUNT; s++) {
        sum += script_rows[s].weight;
        healthy += script_rows[s].weight == 0;
    }
    if (!faulty)
        return world_chance(0.5) ? SCRIPT_HEALTHY : (enum script)world_below(healthy);
    uint64_t at = world_below(sum);
    for (unsigned s = 0;; s++) {
        if (at < script_rows[s].weight)
            return (enum script)s;
        at -= script_rows[s].weight;
    }
}

/* Counts a request against the configured limits, which the engine keeps to whatever it does: since
 * the beginning no more than the minutes' worth and the burst. */
static void check_rate(struct cloud *cloud) {
    uint64_t rpm = world.rpm_max[cloud->index];
    cloud->requests++;
    if (rpm == UINT64_MAX || world.scenario)
        return;
    double burst = rpm < 10 ? 1 : (double)(rpm / 10);
    double most = burst + (double)rpm * (double)(sim.now_ns - SIM_BEGIN_NS) / (60.0 * NS_PER_S);
    if ((double)cloud->requests > most)
        sim_fail("limits", "cloud %u was sent %llu requests, and %llu a minute are its limit",
                 cloud->index, (unsigned long long)cloud->requests, (unsigned long long)rpm);
}

/* Takes one of the cloud's own limit; false: it is spent. The reply's head will say what is left. */
static bool take_limit(struct cloud *cloud, struct reply *reply) {
    if (cloud->limit == 0)
        return true;
    double a_second = cloud->limit / 60.0;
    cloud->left += a_second * (double)(sim.now_ns - cloud->left_ns) / (double)NS_PER_S;
    cloud->left = cloud->left < cloud->limit ? cloud->left : cloud->limit;
    cloud->left_ns = sim.now_ns;
    bool taken = cloud->left >= 1;
    cloud->left -= taken;
    reply->limit = cloud->limit;
    reply->limit_left = (unsigned)cloud->left;
    reply->limit_reset_ns = (uint64_t)((cloud->limit - cloud->left) / a_second * (double)NS_PER_S);
    return taken;
}

/* `behind`: the unfinished turn that it goes on with, or empty. */
static void answer(struct cloud_conn *conn, struct request *request, enum script script,
                   enum format format, struct text behind) {
    conn->requests++;
    check_rate(conn->cloud);
    conn->reply = conn->latest = ledger_reply(request, conn->cloud, script);
    conn->reply->format = format;
    conn->reply->behind = behind;
    conn->reply->reused = conn->requests > 1;
    if (!take_limit(conn->cloud, conn->reply) && script != SCRIPT_EARLY_503) {
        sim_mark(MARK_LIMIT_OVERRUN);
        script = conn->reply->script = SCRIPT_STATUS_429;
        conn->reply->content = script_rows[script].content;
        conn->reply->whole = script_rows[script].whole;
    }
    if (conn->reply->reused)
        sim_mark(MARK_POOL_REUSED);
    if (script == SCRIPT_WHOLE_JSON)
        sim_mark(MARK_WHOLE_UPSTREAM);
    if (script == SCRIPT_EARLY_503)
        sim_mark(MARK_EARLY_ANSWER);
    conn->deaf = script == SCRIPT_EARLY_503 || script == SCRIPT_EXTRA_BYTES;
    if (conn->reply->format != request->format)
        sim_mark(MARK_TRANSLATED);
    sim_trace("cloud %u (%s): request %u is A%u, %s", conn->cloud->index,
              format_names[conn->reply->format], request->n, conn->reply->n,
              script_rows[script].name);
    conn->play = (struct play){0};
    conn->step = 0;
    conn->content_due = false;
    script_write(&conn->play, conn->reply);
    arm_next(conn);
    go_on(conn);
}

/* One request off the start of conn->in, if it is whole. */
static void read_request(struct cloud_conn *conn) {
    struct span in = text_span(&conn->in);
    const char *end = in.n ? memmem(in.p, in.n, "\r\n\r\n", 4) : NULL;
    if (!end)
        return;
    if (conn->reply)
        sim_fail("request", "cloud %u was sent a request while A%u is being answered",
                 conn->cloud->index, conn->reply->n);
    struct span head = span_of(in.p, (size_t)(end - in.p) + 4);
    uint64_t length;
    if (!span_u64(field(head, "content-length"), 1u << 30, &length))
        sim_fail("request", "cloud %u was sent a request without a length", conn->cloud->index);
    struct request *request = find_request(conn->cloud, head);
    check_head(conn, request, head);
    enum format format = clouds_ask_format(conn->cloud, request, head);
    if (in.n < head.n + length) {
        if (conn->requests > 0 || !world_chance(0.01) || sim.now_ns >= world.faults_until_ns)
            return;
        check_secrets(conn, in);
        answer(conn, request, SCRIPT_EARLY_503, format, (struct text){0});
        return;
    }
    check_secrets(conn, in);
    struct text behind =
        clouds_ask_check(conn->cloud, request, format, span_of(in.p + head.n, (size_t)length));
    text_drop(&conn->in, head.n + (size_t)length);
    event_clear(&conn->idle);
    answer(conn, request, draw_script(conn->cloud), format, behind);
}

static void readable(struct wire_end *end) {
    struct cloud_conn *conn = end->owner;
    char buf[4096];
    while (!conn->over) {
        long n = wire_recv(end, buf, sizeof buf);
        if (n == -EAGAIN)
            break;
        if (n > 0) {
            if (conn->deaf)
                continue;
            text_add(&conn->in, buf, (size_t)n);
            read_request(conn);
            continue;
        }
        if (conn->reply) {
            sim_trace("cloud %u: A%u cut off by the engine", conn->cloud->index, conn->reply->n);
            conn->reply->closed_ns = sim.now_ns;
            if (conn->reply->script == SCRIPT_NO_TAIL)
                sim_mark(MARK_TAIL_MISSING);
            sim.counts.cancels++;
        }
        if (conn->latest)
            conn->latest->gone_ns = sim.now_ns;
        if (n == 0 && conn->in.n && !conn->reply)
            sim_trace("cloud %u: connection ended inside a request", conn->cloud->index);
        conn->reply = NULL;
        conn_over(conn);
        wire_close(end);
    }
}

static void writable(struct wire_end *end) {
    struct cloud_conn *conn = end->owner;
    if (conn->over)
        return;
    flush(conn);
    go_on(conn);
}

static const struct wire_on cloud_on = {.readable = readable, .writable = writable};

/* ---- being dialled ---- */

static struct kernel_dial dialled(uint32_t ip, uint16_t port) {
    unsigned index = ip - CLOUD_IP(0);
    if (index >= world.cloud_count || port != CLOUD_PORT(index))
        sim_fail("dial", "the engine dials %08x:%u, where there is no cloud", ip, port);
    struct cloud *cloud = &clouds[index];
    if (sim.now_ns < world.faults_until_ns && world_chance(cloud->dial_fault_share)) {
        ledger_bad_dial();
        bool never = !world.scenario && world_chance(0.4);
        sim_trace("cloud %u: %s a dial", index, never ? "ignores" : "refuses");
        return (struct kernel_dial){.result_ns =
                                        never ? UINT64_MAX : sim.now_ns + 2 * cloud->latency_ns};
    }
    struct wire_shape shape = {.a_size = world_between(256, 32768),
                               .b_size = world_between(256, 32768),
                               .latency_ns = cloud->latency_ns};
    if (world.scenario)
        shape.a_size = shape.b_size = SCENARIO_PIPE_BYTES;
    struct cloud_conn *conn = sim_alloc(sizeof *conn);
    struct wire_end *engine;
    wire_pair(&shape, &engine, &conn->end);
    conn->cloud = cloud;
    conn->end->owner = conn;
    conn->end->on = &cloud_on;
    event_init(&conn->next, next_step);
    event_init(&conn->idle, idle_end);
    bool steady = world.scenario || world.weather;
    uint64_t slow_ns = !steady && world_chance(0.05) ? SIM_MS(world_below(400)) : 0;
    if (slow_ns)
        ledger_bad_dial();
    return (struct kernel_dial){.result_ns = sim.now_ns + 2 * cloud->latency_ns + slow_ns,
                                .end = engine};
}

static void dial_dropped(struct wire_end *engine) { wire_close(engine); }

static void follow_scenario(struct cloud *cloud) {
    cloud->kind = world.scenario->kinds[cloud->index];
    cloud->told = true;
    cloud->script = world.scenario->scripts[cloud->index];
    cloud->latency_ns = SIM_MS(1);
    cloud->fault_share = cloud->dial_fault_share = 0;
    cloud->closes_idle = false;
    cloud->goes_on = world.scenario->go_on;
    cloud->dial_fault_share = world.scenario->refuses;
    cloud->limit = 0;
}

void clouds_begin(void) {
    kernel_dial = dialled;
    kernel_dial_dropped = dial_dropped;
    bool sick_dials = world_chance(0.3), tight = world_chance(0.3);
    for (unsigned i = 0; i < world.cloud_count; i++) {
        struct cloud *cloud = &clouds[i];
        *cloud = (struct cloud){.index = i, .latency_ns = NS_PER_US * world_between(50, 40000)};
        snprintf(cloud->name, sizeof cloud->name, "cloud-%u", i);
        snprintf(cloud->authority, sizeof cloud->authority, "10.0.0.%u:%u", 1 + i, CLOUD_PORT(i));
        snprintf(cloud->key, sizeof cloud->key, "sk-%u-secret-%06x", i,
                 (unsigned)world_below(1 << 24));
        cloud->fault_share = world_chance(0.1) ? 1 : world.fault_share * rand_double(&sim.world);
        cloud->dial_fault_share = sick_dials ? 0.5 * rand_double(&sim.world) : 0;
        cloud->closes_idle = world_chance(0.5);
        cloud->goes_on = !world.scenario && world_chance(0.6);
        if (tight && world_chance(0.5))
            cloud->limit = (unsigned)world_between(3, 60);
        cloud->left = cloud->limit;
        cloud->left_ns = SIM_BEGIN_NS;
        if (world.mixed)
            cloud->kind = (enum cloud_kind)world_below(CLOUD_BEDROCK + 1);
        weather_cloud(cloud);
        if (world.scenario)
            follow_scenario(cloud);
    }
}

const char *cloud_model(const struct cloud *cloud, unsigned model) {
    static char name[24];
    snprintf(name, sizeof name, "up-%u-%u", cloud->index, world.fallback ? 0 : model);
    return name;
}

const char *cloud_zone(const struct cloud *cloud) {
    if (!world.zoned)
        return NULL;
    return cloud->index == 0 ? "near" : "far";
}
