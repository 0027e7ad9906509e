/* clients.c - simulated clients: send in pieces, read fast, slowly or never, pipeline, wait, leave. Each byte that comes
 * back is read by answer.c. */
#include <errno.h>
#include <stdio.h>

#include "tests/sim/answer.h"
#include "tests/sim/asks.h"
#include "tests/sim/kernel.h"
#include "tests/sim/weather.h"
#include "tests/sim/world.h"

#define REQUESTS_MAX 6
/* A request goes out in so many pieces at most. */
#define PIECES_MAX 12
/* How long a client that asked for 100-continue waits for it (RFC 9110 10.1.1 leaves it open). */
#define CONTINUE_NS SIM_MS(400)
/* The engine must have closed by then, after an answer that said so, or after its idle limit. */
#define CLOSE_LIMIT_NS SIM_MS(4000)
/* A reader that never reads looks at last whether it was cut off. */
#define NEVER_NS (90 * NS_PER_S)

enum reading { READ_AT_ONCE, READ_SLOWLY, READ_NEVER };
enum leaving { LEAVE_NOT, LEAVE_CLOSE, LEAVE_RESET, LEAVE_HALF };

struct client {
    unsigned index;
    struct wire_end *end;
    uint64_t latency_ns;
    struct wire_shape shape;
    struct request *requests[REQUESTS_MAX];
    bool expects[REQUESTS_MAX], waits[REQUESTS_MAX], wholes[REQUESTS_MAX];
    unsigned count, sending,
        awaiting; /* requests; the one being written next; the one whose answer comes next */
    bool pipelined;
    size_t sent;    /* bytes of the one being written */
    size_t allowed; /* of them that may be written now: the head while 100-continue is awaited */
    struct text in;
    struct answer answer;
    unsigned interim;
    enum reading reading;
    bool never_read; /* until NEVER_NS had passed */
    enum leaving leaving;
    unsigned leave_at; /* request */
    bool leave_on_token, left, closing, done;
    bool told_close; /* an answer said "connection: close" */
    struct event start, write, read, leave, limit, patience;
};

static struct client *clients;

static struct request *awaited(const struct client *client) {
    return client->awaiting < client->sending + (client->sent > 0) &&
                   client->awaiting < client->count
               ? client->requests[client->awaiting]
               : NULL;
}

/* ---- the end ---- */

static void finish(struct client *client) {
    client->done = true;
    struct event *all[] = {&client->start, &client->write, &client->read,
                           &client->leave, &client->limit, &client->patience};
    for (unsigned i = 0; i < countof(all); i++)
        event_clear(all[i]);
    for (unsigned i = client->awaiting; i < client->count; i++) {
        struct request *request = client->requests[i];
        if (request->outcome == OUT_PENDING)
            request->outcome = client->left ? OUT_LEFT
                               : request->begin_ns && !client->told_close && i == client->awaiting
                                   ? OUT_CUT
                                   : OUT_UNSENT;
        if (!request->done_ns)
            request->done_ns = sim.now_ns;
    }
    if (client->end)
        wire_close(client->end);
}

static void leave(struct client *client) {
    struct request *request = awaited(client);
    if (client->left || client->done)
        return;
    sim_trace("client %u leaves%s", client->index,
              client->leaving == LEAVE_HALF    ? " with half"
              : client->leaving == LEAVE_RESET ? " by reset"
                                               : "");
    client->left = true;
    sim.counts.left++;
    if (request) {
        bool token = client->answer.body.n > 0;
        sim_mark(token ? MARK_LEFT_AFTER_TOKEN : MARK_LEFT_BEFORE_TOKEN);
        if (client->leaving == LEAVE_HALF)
            sim_mark(MARK_HALF_CLOSED);
    }
    for (unsigned i = client->awaiting; i < client->count; i++)
        client->requests[i]->left_ns = sim.now_ns;
    if (client->leaving == LEAVE_HALF) {
        event_clear(&client->write);
        wire_shutdown(client->end);
        event_set(&client->limit, sim.now_ns + CLOSE_LIMIT_NS + NEVER_NS);
        return;
    }
    if (client->leaving == LEAVE_RESET)
        wire_reset(client->end);
    finish(client);
}

static void leave_event(struct event *event) { leave(container_of(event, struct client, leave)); }

static void limit_event(struct event *event) {
    struct client *client = container_of(event, struct client, limit);
    sim_fail("liveness", "client %u: the engine does not close the connection (%s)", client->index,
             client->told_close ? "it said it would"
             : client->left     ? "half-closed"
                                : "idle");
}

/* ---- sending ---- */

static void arm_write(struct client *client) {
    if (!event_is_set(&client->write))
        event_set(&client->write,
                  sim.now_ns + (world_chance(0.5) ? 0 : world_below(world.piece_ns)));
}

static void begin_request(struct client *client) {
    unsigned i = client->sending;
    client->sent = 0;
    client->allowed = client->requests[i]->bytes.n;
    if (client->waits[i] && client->allowed > client->requests[i]->head_n)
        client->allowed = client->requests[i]->head_n;
    arm_write(client);
}

static void plan_leaving(struct client *client, unsigned i) {
    if (client->leaving != LEAVE_NOT && client->leave_at == i && !client->leave_on_token)
        event_set(&client->leave, sim.now_ns + NS_PER_US * world_below(1000000));
}

static void request_sent(struct client *client) {
    struct request *request = client->requests[client->sending];
    request->sent_ns = client->wholes[client->sending] ? sim.now_ns : 0;
    sim_trace("client %u: request %u sent (%s%s)", client->index, request->n,
              ask_rows[request->ask].name, request->stream ? ", stream" : "");
    plan_leaving(client, client->sending);
    client->sending++;
    client->sent = 0;
    if (client->pipelined && client->sending < client->count)
        begin_request(client);
}

/* May the engine have closed the connection for idleness? For the engine an answer is over when it is written, which may
 * be long before it is read; and never before the request was whole. */
static bool may_be_idle(const struct client *client) {
    if (client->sending == 0)
        return false;
    uint64_t since_ns = client->requests[client->sending - 1]->sent_ns;
    return sim.now_ns - since_ns + 2 * client->shape.latency_ns + SIM_MS(100) >= world.idle_ns;
}

static void write_event(struct event *event) {
    struct client *client = container_of(event, struct client, write);
    if (client->done || client->left || client->told_close || client->sending == client->count)
        return;
    if (!client->pipelined && client->sending > client->awaiting)
        return; /* woken by room that the request before had waited for */
    struct request *request = client->requests[client->sending];
    size_t left = client->allowed - client->sent;
    if (left == 0) { /* the body waits for 100-continue */
        if (client->sent == request->head_n && client->sent < request->bytes.n &&
            !event_is_set(&client->patience))
            event_set(&client->patience, sim.now_ns + CONTINUE_NS);
        return;
    }
    size_t piece = request->bytes.n / PIECES_MAX + 1;
    piece = world_chance(0.5) ? left : min_size(left, piece + world_below(left));
    if (!request->begin_ns) {
        request->begin_ns = sim.now_ns;
        request->idle_before = may_be_idle(client);
        sim.counts.requests++;
    }
    long n = wire_send(client->end, request->bytes.p + client->sent, piece);
    if (n <= 0)
        return; /* writable, or readable, tells the rest */
    client->sent += (size_t)n;
    if (client->sent == request->bytes.n)
        request_sent(client);
    else
        arm_write(client);
}

static void let_body_go(struct client *client) {
    event_clear(&client->patience);
    if (client->sending < client->count && client->sent > 0) {
        client->allowed = client->requests[client->sending]->bytes.n;
        arm_write(client);
    }
}

static void patience_event(struct event *event) {
    let_body_go(container_of(event, struct client, patience));
}

/* ---- reading ---- */

static void after_last(struct client *client) {
    client->closing = true;
    if (client->left)
        return;
    if (client->told_close && world_chance(0.5)) {
        event_set(&client->limit, sim.now_ns + CLOSE_LIMIT_NS);
    } else if (!client->told_close && world_chance(0.2)) {
        event_set(&client->limit, sim.now_ns + world.idle_ns + CLOSE_LIMIT_NS);
    } else {
        finish(client);
    }
}

static void answered(struct client *client, struct request *request) {
    request->outcome = OUT_ANSWERED;
    request->done_ns = sim.now_ns;
    answer_judge(request, &client->answer);
    sim_trace("client %u: request %u answered %u%s%s", client->index, request->n, request->status,
              request->broken ? ", broken off" : "", client->answer.keep_alive ? "" : ", close");
    bool unsent = client->sending == client->awaiting; /* not all of it was written */
    if (unsent || !client->wholes[client->awaiting]) {
        sim_mark(MARK_EARLY_REFUSAL);
        if (client->answer.keep_alive)
            sim_fail("http",
                     "request %u was answered before it was whole, and the connection is kept",
                     request->n);
    }
    if (request->http10 && client->answer.status == 200 && request->stream)
        sim_mark(MARK_HTTP10);
    if (client->pipelined && client->awaiting > 0)
        sim_mark(MARK_PIPELINED);
    if (request->close && client->answer.keep_alive)
        sim_fail("http", "request %u asked for close and is kept", request->n);
    client->told_close = !client->answer.keep_alive;
    client->awaiting++;
    client->answer = (struct answer){0};
    if (client->awaiting < client->count)
        client->requests[client->awaiting]->turn_ns = sim.now_ns;
    if (client->told_close)
        event_clear(&client->write);
    if (client->told_close || client->awaiting == client->count)
        after_last(client);
    else if (!client->pipelined) {
        begin_request(client);
        if (world_chance(0.3))
            event_set(&client->write,
                      sim.now_ns + SIM_MS(world_below(
                                       client->index % 5 ? 300 : world.idle_ns / NS_PER_MS + 500)));
    }
}

/* The client's own leaving, when a first token has come. */
static void note_token(struct client *client, const struct request *request) {
    if (client->leaving == LEAVE_NOT || !client->leave_on_token || client->answer.body.n == 0)
        return;
    if (client->leave_at == client->awaiting && !event_is_set(&client->leave) && !client->left &&
        request->stream)
        event_set(&client->leave, sim.now_ns + NS_PER_US * world_below(30000));
}

static void read_answers(struct client *client) {
    while (!client->done && client->in.n) {
        struct request *request = awaited(client);
        if (!request)
            sim_fail("http", "client %u is sent bytes that it did not ask for: %.60s",
                     client->index, client->in.p);
        unsigned interim = client->interim;
        if (!request->first_ns)
            request->first_ns = sim.now_ns;
        size_t n = answer_read(&client->answer, text_span(&client->in), request->ask == ASK_HEAD,
                               &client->interim);
        if (client->interim != interim) {
            if (!client->expects[client->awaiting])
                sim_fail("http", "request %u did not ask for 100 Continue", request->n);
            sim_mark(MARK_CONTINUED);
            request->first_ns = 0;
            if (client->sending == client->awaiting)
                let_body_go(client);
        }
        text_drop(&client->in, n);
        if (client->answer.state == ANSWER_DONE)
            answered(client, request);
        else if (n == 0)
            break;
        else
            note_token(client, request);
    }
}

/* The connection has ended. */
static void ended(struct client *client, bool reset) {
    struct request *request = awaited(client);
    sim_trace("client %u: connection %s", client->index, reset ? "reset" : "closed");
    if (request && client->answer.state != ANSWER_HEAD) {
        bool excused = world.stopped || request->slow || client->left || world.tight_memory;
        if (!reset && !(excused && client->answer.state == ANSWER_UNTIL_CLOSE) &&
            answer_ends(&client->answer)) {
            answered(client, request);
        } else {
            answer_judge_cut(request, &client->answer);
        }
    }
    if (client->closing && !client->told_close)
        sim_mark(MARK_IDLE_CLOSED);
    if (client->never_read && request)
        sim_mark(MARK_NEVER_READ);
    if (!client->done)
        finish(client);
}

static void read_some(struct client *client, size_t max) {
    char buf[4096];
    while (!client->done && max > 0) {
        long n = wire_recv(client->end, buf, min_size(sizeof buf, max));
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            ended(client, n < 0);
            return;
        }
        max -= (size_t)n;
        text_add(&client->in, buf, (size_t)n);
        read_answers(client);
    }
}

static void read_event(struct event *event) {
    struct client *client = container_of(event, struct client, read);
    if (client->done)
        return;
    if (client->never_read) {
        client->reading = READ_AT_ONCE;
        read_some(client, SIZE_MAX);
        return;
    }
    read_some(client, 64 + client->shape.a_size / 4);
    if (!client->done && wire_has(client->end))
        event_set(&client->read, sim.now_ns + SIM_MS(world_between(1, 40)));
}

static void readable(struct wire_end *end) {
    struct client *client = end->owner;
    if (client->reading == READ_NEVER && !end->reset)
        return;
    if (client->reading == READ_SLOWLY) {
        if (!event_is_set(&client->read))
            event_set(&client->read, sim.now_ns + SIM_MS(world_between(1, 40)));
        return;
    }
    read_some(client, SIZE_MAX);
}

static void writable(struct wire_end *end) { arm_write(end->owner); }

static const struct wire_on client_on = {.readable = readable, .writable = writable};

/* ---- beginning ---- */

static void start_event(struct event *event) {
    struct client *client = container_of(event, struct client, start);
    client->end = kernel_connect_to_engine(&client->shape);
    if (!client->end) {
        if (!world.draining)
            sim_fail("listen", "client %u: nobody listens", client->index);
        finish(client);
        return;
    }
    client->end->owner = client;
    client->end->on = &client_on;
    if (client->never_read)
        event_set(&client->read, sim.now_ns + NEVER_NS);
    begin_request(client);
}

static void draw_behaviour(struct client *client) {
    if (world.scenario) { /* it reads, and stays */
        client->shape = (struct wire_shape){
            .a_size = SCENARIO_PIPE_BYTES, .b_size = SCENARIO_PIPE_BYTES, .latency_ns = SIM_MS(1)};
        return;
    }
    if (world.weather) {
        client->shape = (struct wire_shape){.a_size = SCENARIO_PIPE_BYTES,
                                            .b_size = SCENARIO_PIPE_BYTES,
                                            .latency_ns = SIM_MS(world_between(1, 10))};
        return;
    }
    client->reading = world_chance(0.08)   ? READ_SLOWLY
                      : world_chance(0.02) ? READ_NEVER
                                           : READ_AT_ONCE;
    client->never_read = client->reading == READ_NEVER;
    if (world_chance(0.15)) {
        client->leaving = (enum leaving)world_between(LEAVE_CLOSE, LEAVE_HALF);
        client->leave_at = (unsigned)world_below(client->count);
        client->leave_on_token = world_chance(0.4);
    }
    bool small = client->reading != READ_AT_ONCE;
    client->shape = (struct wire_shape){.a_size = world_between(64, small ? 1024 : 32768),
                                        .b_size = world_between(64, 32768),
                                        .latency_ns = NS_PER_US * world_between(20, 30000)};
}

/* In a storm half of them come before its end, the others behind it. */
static uint64_t start_ns(const struct client *client, uint64_t span_ns) {
    const struct scenario *storm = world.scenario;
    if (!storm || !storm->clients)
        return world_below(span_ns);
    uint64_t half = storm->clients / 2, gap_ns = storm->recover_ns / half, i = client->index;
    return i < half ? i * gap_ns * 3 / 4 : storm->recover_ns + SIM_MS(1) + (i - half) * 3 * gap_ns;
}

static void client_begin(struct client *client, uint64_t span_ns) {
    client->count =
        (unsigned)(world.scenario || world_chance(0.5) ? 1 : world_between(1, REQUESTS_MAX));
    client->pipelined = client->count > 1 && world_chance(0.3);
    if (world.weather) {
        client->count = (unsigned)world_between(2, REQUESTS_MAX);
        client->pipelined = false;
    }
    draw_behaviour(client);
    for (unsigned i = 0; i < client->count; i++) {
        client->requests[i] =
            asks_draw(i + 1 == client->count, &client->expects[i], &client->wholes[i]);
        client->requests[i]->slow = client->reading != READ_AT_ONCE;
        client->requests[i]->pipe_bytes = client->shape.a_size;
        client->requests[i]->client_latency_ns = client->shape.latency_ns;
        for (unsigned k = 0; k < i && client->pipelined; k++)
            client->requests[k]->behind_bytes += client->requests[i]->bytes.n;
        client->waits[i] = client->expects[i] && !client->pipelined;
    }
    event_init(&client->start, start_event);
    event_init(&client->write, write_event);
    event_init(&client->read, read_event);
    event_init(&client->leave, leave_event);
    event_init(&client->limit, limit_event);
    event_init(&client->patience, patience_event);
    event_set(&client->start, sim.now_ns + start_ns(client, span_ns));
}

void clients_begin(void) {
    clients = sim_alloc(world.client_count * sizeof *clients);
    uint64_t span_ns = world.weather ? weather_span_ns() : SIM_MS(world_between(100, 8000));
    for (unsigned i = 0; i < world.client_count; i++) {
        clients[i].index = i;
        client_begin(&clients[i], span_ns);
    }
}

bool clients_done(void) {
    for (unsigned i = 0; i < world.client_count; i++)
        if (!clients[i].done)
            return false;
    return true;
}

void clients_dump(void) {
    for (unsigned i = 0; i < world.client_count; i++) {
        const struct client *client = &clients[i];
        const struct request *request = awaited(client);
        if (!client->done)
            printf("# client %u: %u of %u answered, sending %u, request %u, reading %d\n", i,
                   client->awaiting, client->count, client->sending, request ? request->n : 0,
                   (int)client->reading);
    }
}
