/* plan.c - see plan.h. */
#include "bench/yard/plan.h"

#include "bench/yard/scrape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum measure_kind { REQUESTS, RACES, EVENTS };

/* `ready`: streams that get an event in a round. `full` and `brief`: requests or rounds in a run. The
 * limit is the "first version" column of the targets, for hedgerow over the raw relay. */
static const struct measure {
    const char *name;
    enum measure_kind kind;
    bool tls;
    unsigned ready, full, brief;
    double limit;
} measures[PLAN_MEASURES] = {
    {"request", REQUESTS, false, 0, 6000, 3000, 1.60},
    {"event_64", EVENTS, false, 64, 150, 60, 1.20},
    {"event_8", EVENTS, false, 8, 600, 250, 1.20},
    {"event_1", EVENTS, false, 1, 2500, 1000, 1.20},
    {"hedged", RACES, false, 0, 3000, 1500, 0},
    {"request_tls", REQUESTS, true, 0, 4000, 2000, 0},
    {"event_64_tls", EVENTS, true, 64, 100, 40, 0},
};

enum { REQUEST, EVENT_64, EVENT_8, EVENT_1, HEDGED, REQUEST_TLS, EVENT_64_TLS };

static const double HEDGED_LIMIT = 2.2;
static const double RACED_AT_LEAST = 0.8;
/* Of the runs of the latency scene: the lower quartile. */
static const double LATENCY_SHARE = 0.25;
static const char NGINX[] = "nginx", RELAY[] = "relay", HEDGEROW[] = "hedgerow";

enum {
    REPETITIONS = 15,
    REPETITIONS_BRIEF = 7,
    LOST_ATTEMPTS = 2000,
    LOST_ATTEMPTS_BRIEF = 1000,
    /* Many short ones: a virtual machine is stopped for milliseconds a few times a second, and half of
     * the runs shall not see that. */
    LATENCY_RUNS = 63,
    LATENCY_RUNS_BRIEF = 25,
    LATENCY_NS = 60 * 1000 * 1000,
    LATENCIES_MAX = 1 << 17,
    MEMORY_CONNECTIONS = 10000,
    MEMORY_CONNECTIONS_BRIEF = 2000,
    MEMORY_DESCRIPTORS = 2000,        /* for all else */
    SLOW_SETTLE_NS = 50 * 1000 * 1000 /* longer than the slow cloud takes */
};

static const struct {
    const char *name;
    double share;
} latency_quantiles[] = {
    {"ttft_added_p50", 0.5}, {"ttft_added_p99", 0.99}, {"ttft_added_p999", 0.999}};
enum { LATENCY_QUANTILES = sizeof latency_quantiles / sizeof latency_quantiles[0] };

static struct subject *subject_of(struct plan *p, const char *name, bool tls) {
    for (unsigned i = 0; i < p->count; i++)
        if (!strcmp(p->subjects[i].name, name) && p->subjects[i].tls == tls)
            return &p->subjects[i];
    return NULL;
}

static unsigned index_of(const struct plan *p, const struct subject *subject) {
    return (unsigned)(subject - p->subjects);
}

static bool takes_part(const struct subject *subject, const struct measure *m) {
    return subject->tls == m->tls && !subject->direct && (m->kind != RACES || subject->races);
}

/* ---- processor time ---- */

/* Races have to be what they are called: most of them have asked both clouds (a connection that is
 * still being opened when the first cloud answers has cost what it costs, too), and the second one was
 * left before it answered. */
static struct scene_result races_run(struct plan *p, struct subject *subject, unsigned count) {
    const struct cloud *slow = &p->stage->clouds[CLOUD_SLOW];
    uint64_t asked = slow->requests, left = slow->left_early;
    struct scene_result result = scene_requests(p->stage, subject, &p->race, count);
    for (uint64_t until_ns = yard_clock_ns() + SLOW_SETTLE_NS; yard_clock_ns() < until_ns;)
        stage_turn(p->stage);
    asked = slow->requests - asked;
    left = slow->left_early - left;
    if (asked < count * RACED_AT_LEAST || left < asked * RACED_AT_LEAST)
        yard_die("%u raced requests asked the second cloud %llu times and left it early %llu times",
                 count, (unsigned long long)asked, (unsigned long long)left);
    return result;
}

static void measure_run(struct plan *p, unsigned index, struct subject *subject) {
    const struct measure *m = &measures[index];
    struct plan_series *series = &p->series[index][index_of(p, subject)];
    unsigned count = p->brief ? m->brief : m->full;
    struct scene_result result = {.cpu_us = 0};
    switch (m->kind) {
    case REQUESTS: result = scene_requests(p->stage, subject, &p->request, count); break;
    case RACES: result = races_run(p, subject, count); break;
    case EVENTS: result = scene_events(p->stage, subject, &p->request, m->ready, count); break;
    }
    tally_add(&series->cpu_us, result.cpu_us);
    tally_add(&series->cycles, result.cycles);
    tally_add(&series->instructions, result.instructions);
    tally_add(&series->wakeups, result.wakeups);
    tally_add(&series->per_second, result.per_second);
}

static void repetition_run(struct plan *p, unsigned repetition) {
    for (unsigned index = 0; index < PLAN_MEASURES; index++)
        for (unsigned i = 0; i < p->count; i++) {
            struct subject *subject = &p->subjects[(i + repetition) % p->count];
            if (takes_part(subject, &measures[index]))
                measure_run(p, index, subject);
        }
}

/* What stands behind the hedged row: over HTTP/1.1 a lost attempt is a lost connection. */
static void lost_attempt_run(struct plan *p) {
    const struct subject *relay = subject_of(p, RELAY, false);
    unsigned count = p->brief ? LOST_ATTEMPTS_BRIEF : LOST_ATTEMPTS;
    tally_add(&p->lost_attempt, scene_lost_attempt(p->stage, relay, &p->request, count));
}

/* Cycles where the kernel counts them, for the scheduler's time is blurred by what disturbs a
 * processor; else time. */
static const struct tally_series *cost_of(const struct plan *p, unsigned measure,
                                          const struct subject *subject) {
    const struct plan_series *series = &p->series[measure][index_of(p, subject)];
    return subject->meter.counting ? &series->cycles : &series->cpu_us;
}

static const char *cost_unit(const struct subject *subject) {
    return subject->meter.counting ? "cycles" : "us";
}

/* What hedgerow's rows are called begins with nothing. */
static const char *prefix_of(const struct subject *subject) {
    return strcmp(subject->name, HEDGEROW) ? subject->name : NULL;
}

/* `over`: the measure and the program that this one's cost is related to; NULL: none. */
static struct tally_row *cost_row(struct plan *p, const struct subject *subject, const char *name,
                                  unsigned measure, unsigned over_measure,
                                  const struct subject *over) {
    struct tally_row *row =
        tally_row(&p->tally, prefix_of(subject), name, cost_unit(subject),
                  cost_of(p, measure, subject), over ? cost_of(p, over_measure, over) : NULL);
    row->wakeups = tally_median(&p->series[measure][index_of(p, subject)].wakeups);
    return row;
}

static void cost_rows(struct plan *p, unsigned measure) {
    const struct measure *m = &measures[measure];
    const struct subject *relay = subject_of(p, RELAY, false);
    for (unsigned i = 0; i < p->count; i++) {
        const struct subject *subject = &p->subjects[i];
        if (!takes_part(subject, m))
            continue;
        struct tally_row *row = cost_row(p, subject, m->name, measure, measure, relay);
        if (!prefix_of(subject))
            tally_limit(row, m->limit, NULL);
        if (!subject->meter.counting)
            continue;
        char name[TALLY_NAME];
        snprintf(name, sizeof name, "%s_instructions", m->name);
        tally_row(&p->tally, prefix_of(subject), name, "instr", &p->series[measure][i].instructions,
                  &p->series[measure][index_of(p, relay)].instructions);
    }
}

/* TLS on both sides over clear text on both, for whoever has both; the target is nginx's ratio. */
static void tls_rows(struct plan *p, unsigned measure, unsigned clear_measure) {
    char name[TALLY_NAME];
    snprintf(name, sizeof name, "%s_over_clear", measures[measure].name);
    const struct tally_row *nginx = NULL;
    for (unsigned i = 0; i < p->count; i++) {
        const struct subject *subject = &p->subjects[i];
        if (!subject->tls)
            continue;
        struct tally_row *row =
            cost_row(p, subject, name, measure, clear_measure, subject_of(p, subject->name, false));
        if (!strcmp(subject->name, NGINX))
            nginx = row;
        else if (nginx && !prefix_of(subject))
            tally_limit(row, nginx->ratio, "nginx's");
    }
}

/* ---- added time to first token ---- */

/* Half of what the slowest of them did with its requests in a closed loop. */
static double half_load(const struct plan *p) {
    double slowest = 0;
    for (unsigned i = 0; i < p->count; i++) {
        double rate = tally_median(&p->series[REQUEST][i].per_second);
        if (rate > 0 && (slowest == 0 || rate < slowest))
            slowest = rate;
    }
    return slowest / 2;
}

struct latencies {
    struct tally_series series[LATENCY_QUANTILES];
};

static void latency_run(struct plan *p, struct subject *subject, struct latencies *to) {
    static double latencies[LATENCIES_MAX];
    unsigned n = scene_latency(p->stage, subject, &p->request, p->rate, LATENCY_NS, latencies,
                               LATENCIES_MAX);
    for (unsigned q = 0; n && q < LATENCY_QUANTILES; q++)
        tally_add(&to->series[q],
                  latencies[(unsigned)(latency_quantiles[q].share * (n - 1))] / 1000);
}

/* What the undisturbed runs of both say: their lower quartile. */
static double latency_added(const struct tally_series *with, const struct tally_series *without,
                            double share) {
    return tally_quantile(with, share) - tally_quantile(without, share);
}

/* The row's minimum and spread are of the difference, too: up to that of the medians. */
static struct tally_row *latency_row(struct plan *p, const struct subject *subject, unsigned q,
                                     const struct tally_series *with,
                                     const struct tally_series *without, double yardstick) {
    struct tally_series added = {.count = 0}, over = {.count = 0};
    tally_add(&added, latency_added(with, without, LATENCY_SHARE));
    tally_add(&over, yardstick);
    struct tally_row *row = tally_row(&p->tally, prefix_of(subject), latency_quantiles[q].name,
                                      "us", &added, yardstick > 0 ? &over : NULL);
    row->min = latency_added(with, without, 0);
    row->ratio_min = 0;
    if (row->value > 0)
        row->spread = fabs(latency_added(with, without, 0.5) - row->value) / row->value;
    return row;
}

static void latency_rows(struct plan *p, const struct latencies *with,
                         const struct latencies *without) {
    const struct subject *nginx = subject_of(p, NGINX, false);
    for (unsigned q = 0; q < LATENCY_QUANTILES; q++) {
        double yardstick = 0;
        if (nginx)
            yardstick = latency_added(&with[index_of(p, nginx)].series[q], &without->series[q],
                                      LATENCY_SHARE);
        for (unsigned i = 0; i < p->count; i++) {
            if (p->subjects[i].tls)
                continue;
            struct tally_row *row = latency_row(p, &p->subjects[i], q, &with[i].series[q],
                                                &without->series[q], yardstick);
            if (!prefix_of(&p->subjects[i]) && yardstick > 0)
                tally_limit(row, 1, "of nginx");
        }
    }
}

static void latency_measure(struct plan *p) {
    struct latencies with[PLAN_SUBJECTS_MAX] = {0}, without = {0};
    struct subject direct = {
        .name = "direct", .port = p->stage->clouds[CLOUD_CLEAR].port, .direct = true};
    scene_open(p->stage, &direct);
    p->rate = half_load(p);
    unsigned runs = p->brief ? LATENCY_RUNS_BRIEF : LATENCY_RUNS;
    fprintf(stderr, "bench: time to first token, %u runs\n", runs);
    for (unsigned run = 0; run < runs; run++) {
        latency_run(p, &direct, &without);
        for (unsigned k = 0; k < p->count; k++) {
            unsigned i = (k + run) % p->count;
            if (!p->subjects[i].tls)
                latency_run(p, &p->subjects[i], &with[i]);
        }
    }
    stage_disconnect(p->stage, direct.clients, SCENE_CONNECTIONS);
    latency_rows(p, with, &without);
}

/* ---- memory ---- */

static const struct {
    const char *base, *idle, *idle_each, *stream, *stream_each;
} memory_names[] = {
    {"memory_base", "memory_idle", "memory_idle_each", "memory_stream", "memory_stream_each"},
    {"memory_base_tls", "memory_idle_tls", "memory_idle_each_tls", "memory_stream_tls",
     "memory_stream_each_tls"},
};

/* A row of one value in bytes, related to nginx's row of that name if there is one already. */
static void memory_row(struct plan *p, const struct subject *subject, const char *measure,
                       double bytes, bool each) {
    struct tally_series series = {.count = 0}, yardstick = {.count = 0};
    char name[TALLY_NAME];
    double unit = each ? 1024 : 1024 * 1024;
    snprintf(name, sizeof name, "%s_%s", NGINX, measure);
    const struct tally_row *nginx = tally_find(&p->tally, name);
    tally_add(&series, bytes / unit);
    if (nginx)
        tally_add(&yardstick, nginx->value);
    struct tally_row *row = tally_row(&p->tally, prefix_of(subject), measure, each ? "KiB" : "MiB",
                                      &series, nginx ? &yardstick : NULL);
    /* The target is for ten thousand of them; a short run has too few to judge by. */
    if (nginx && !each && !p->brief && strcmp(measure, memory_names[subject->tls].base))
        tally_limit(row, 1, "of nginx");
}

static unsigned memory_connections(const struct plan *p) {
    struct rlimit limit;
    unsigned count = p->brief ? MEMORY_CONNECTIONS_BRIEF : MEMORY_CONNECTIONS;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= 2 * MEMORY_DESCRIPTORS)
        return 0;
    /* A stream takes two descriptors, here and in the program. */
    uint64_t room = (limit.rlim_cur - MEMORY_DESCRIPTORS) / 2;
    return room < count ? (unsigned)room : count;
}

/* The raw relay is left out: it keeps no memory worth the name and refuses slow readers. */
static void memory_measure(struct plan *p) {
    p->memory_connections = memory_connections(p);
    for (unsigned i = 0; i < p->count && p->memory_connections; i++) {
        struct subject *subject = &p->subjects[i];
        if (!strcmp(subject->name, RELAY))
            continue;
        fprintf(stderr, "bench: memory of %u connections, %s%s\n", p->memory_connections,
                subject->name, subject->tls ? " (TLS)" : "");
        struct scene_memory m = scene_memory(p->stage, subject, &p->request, p->memory_connections);
        memory_row(p, subject, memory_names[subject->tls].base, p->base_bytes[i], false);
        memory_row(p, subject, memory_names[subject->tls].idle, m.idle, false);
        memory_row(p, subject, memory_names[subject->tls].idle_each,
                   (m.idle - m.before) / p->memory_connections, true);
        memory_row(p, subject, memory_names[subject->tls].stream, m.stream, false);
        memory_row(p, subject, memory_names[subject->tls].stream_each,
                   (m.stream - m.before) / p->memory_connections, true);
    }
}

/* ---- what hedgerow counts of itself ---- */

struct counts {
    double heap_bytes, turns, completions;
};

/* The heap's number is up to a quarter of a second old (appliance/control/crew.c). */
static struct counts counts_read(const struct subject *subject) {
    const struct timespec stale = {.tv_nsec = 600 * 1000 * 1000};
    nanosleep(&stale, NULL);
    return (struct counts){
        .heap_bytes = scrape_sum(subject->admin_port, "hedgerow_heap_allocated_bytes_total"),
        .turns = scrape_sum(subject->admin_port, "hedgerow_ring_turns_total"),
        .completions = scrape_sum(subject->admin_port, "hedgerow_ring_completions_total")};
}

/* Bytes taken from the heap for each thing done, and completions that a turn of the loop found: what
 * one system call serves. */
static void counts_rows(struct plan *p, const struct subject *subject, const char *measure,
                        const struct counts *before, const struct counts *after, double done) {
    struct tally_series heap = {.count = 0}, batch = {.count = 0};
    char name[TALLY_NAME];
    if (before->heap_bytes >= 0) {
        tally_add(&heap, (after->heap_bytes - before->heap_bytes) / done);
        snprintf(name, sizeof name, "heap_%s%s", measure, subject->tls ? "_tls" : "");
        struct tally_row *row = tally_row(&p->tally, NULL, name, "B", &heap, NULL);
        /* BoringSSL allocates as it likes; the target is for what is ours. */
        if (!subject->tls)
            tally_limit(row, 0, NULL);
    }
    if (after->turns > before->turns) {
        tally_add(&batch,
                  (after->completions - before->completions) / (after->turns - before->turns));
        snprintf(name, sizeof name, "batch_%s%s", measure, subject->tls ? "_tls" : "");
        tally_row(&p->tally, NULL, name, "cqes", &batch, NULL);
    }
}

static void counts_measure(struct plan *p, struct subject *subject) {
    struct counts before, after;
    /* Steady state begins when as many streams have been open as will be. */
    scene_events(p->stage, subject, &p->request, SCENE_CONNECTIONS, 1);
    before = counts_read(subject);
    if (before.heap_bytes < 0)
        fprintf(stderr, "bench: hedgerow does not say what it takes from the heap\n");
    for (unsigned index = REQUEST; index <= EVENT_1; index++) {
        const struct measure *m = &measures[index];
        unsigned count = p->brief ? m->brief : m->full;
        if (m->kind == REQUESTS)
            scene_requests(p->stage, subject, &p->request, count);
        else
            scene_events(p->stage, subject, &p->request, m->ready, count);
        after = counts_read(subject);
        counts_rows(p, subject, m->name, &before, &after,
                    m->kind == REQUESTS ? count : (double)m->ready * count);
        before = after;
    }
}

/* ---- all of it ---- */

void plan_run(struct plan *p) {
    if (!subject_of(p, RELAY, false))
        yard_die("there is no yardstick: a subject named %s", RELAY);
    p->repetitions = p->brief ? REPETITIONS_BRIEF : REPETITIONS;
    for (unsigned i = 0; i < p->count; i++) {
        p->base_bytes[i] = scene_bytes(&p->subjects[i]);
        scene_open(p->stage, &p->subjects[i]);
    }
    for (unsigned repetition = 0; repetition < p->repetitions; repetition++) {
        fprintf(stderr, "bench: processor time, repetition %u of %u\n", repetition + 1,
                p->repetitions);
        repetition_run(p, repetition);
        lost_attempt_run(p);
    }
    for (unsigned measure = REQUEST; measure <= EVENT_1; measure++)
        cost_rows(p, measure);
    tls_rows(p, REQUEST_TLS, REQUEST);
    tls_rows(p, EVENT_64_TLS, EVENT_64);
    for (unsigned i = 0; i < p->count; i++)
        if (p->subjects[i].races)
            tally_limit(cost_row(p, &p->subjects[i], "hedged_over_unhedged", HEDGED, REQUEST,
                                 &p->subjects[i]),
                        HEDGED_LIMIT, NULL);
    tally_row(&p->tally, NULL, "bare_lost_attempt", "us", &p->lost_attempt, NULL);
    latency_measure(p);
    for (unsigned i = 0; i < p->count; i++)
        if (p->subjects[i].admin_port)
            counts_measure(p, &p->subjects[i]);
    memory_measure(p);
}
