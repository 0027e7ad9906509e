/* scene.c - see scene.h. */
#include "bench/yard/scene.h"

#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAITING_MAX = 65536 /* requests that are due and find no connection free */ };

static void ask(struct link *link, const struct text *request) {
    link->busy = true;
    if (!stage_send(link, request->bytes, request->n))
        yard_die("the program closed a client's connection");
}

/* Turns until *counter has reached a value. */
static void await(struct stage *s, const uint64_t *counter, uint64_t value,
                  const struct subject *subject) {
    uint64_t until_ns = yard_clock_ns() + STAGE_PATIENCE_NS;
    for (unsigned turns = 1; *counter < value; turns++) {
        stage_turn(s);
        if (turns % 1024 == 0 && yard_clock_ns() > until_ns)
            yard_die("%s%s is stuck: %llu of %llu answers or events", subject->name,
                     subject->tls ? " (TLS)" : "", (unsigned long long)*counter,
                     (unsigned long long)value);
    }
}

void scene_open(struct stage *s, struct subject *subject) {
    for (unsigned i = 0; i < SCENE_CONNECTIONS; i++)
        subject->clients[i] = stage_connect(s, subject->port, subject->tls);
}

/* ---- between two readings of the meter ---- */

struct reading {
    struct cost cost;
    uint64_t ns;
};

static struct reading reading_take(struct subject *subject) {
    struct reading reading = {.ns = 0};
    if (!subject->direct && !cost_read(&subject->meter, &reading.cost))
        yard_die("%s has ended", subject->name);
    reading.ns = yard_clock_ns();
    return reading;
}

/* `end_ns`: when the last thing had been done, for the meter waits until the program sleeps. */
static struct scene_result result_of(const struct reading *before, const struct reading *after,
                                     uint64_t end_ns, double done) {
    return (struct scene_result){.cpu_us = (after->cost.cpu_ns - before->cost.cpu_ns) / 1000 / done,
                                 .cycles = (after->cost.cycles - before->cost.cycles) / done,
                                 .instructions =
                                     (after->cost.instructions - before->cost.instructions) / done,
                                 .wakeups = (after->cost.wakeups - before->cost.wakeups) / done,
                                 .per_second = done * 1e9 / (double)(end_ns - before->ns)};
}

/* ---- requests ---- */

struct requests {
    const struct text *request;
    unsigned to_ask;
};

static void requests_next(struct stage *s, struct link *link) {
    struct requests *run = s->owner;
    if (run->to_ask) {
        run->to_ask--;
        ask(link, run->request);
    }
}

static void requests_run(struct stage *s, struct subject *subject, const struct text *request,
                         unsigned count) {
    struct requests run = {request, count};
    uint64_t replies = s->replies;
    s->answer = STAGE_WHOLE;
    s->owner = &run;
    s->replied = requests_next;
    for (unsigned i = 0; i < SCENE_CONNECTIONS; i++)
        requests_next(s, subject->clients[i]);
    await(s, &s->replies, replies + count, subject);
    s->replied = NULL;
}

struct scene_result scene_requests(struct stage *s, struct subject *subject,
                                   const struct text *request, unsigned count) {
    /* Connections that the scene before has lost are there again, caches are warm. */
    requests_run(s, subject, request, 4 * SCENE_CONNECTIONS);
    struct reading before = reading_take(subject);
    requests_run(s, subject, request, count);
    uint64_t end_ns = yard_clock_ns();
    struct reading after = reading_take(subject);
    return result_of(&before, &after, end_ns, count);
}

/* ---- events ---- */

static void streams_open(struct stage *s, struct subject *subject, struct link **clients,
                         unsigned count, const struct text *request) {
    uint64_t events = s->events;
    s->answer = STAGE_OPEN;
    for (unsigned i = 0; i < count; i++) {
        ask(clients[i], request);
        /* Not all at once: a program may open an upstream connection for each. */
        if (i % SCENE_CONNECTIONS == 0)
            await(s, &s->events, events + (uint64_t)i * text_open_events, subject);
    }
    await(s, &s->events, events + (uint64_t)count * text_open_events, subject);
}

static void streams_finish(struct stage *s, struct subject *subject, unsigned count) {
    uint64_t replies = s->replies;
    stage_finish(s);
    await(s, &s->replies, replies + count, subject);
}

static void rounds_run(struct stage *s, struct subject *subject, unsigned ready, unsigned rounds) {
    unsigned next = 0;
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t events = s->events;
        for (unsigned i = 0; i < ready; i++)
            stage_event(s, next++ % s->stream_count);
        await(s, &s->events, events + ready, subject);
    }
}

struct scene_result scene_events(struct stage *s, struct subject *subject,
                                 const struct text *request, unsigned ready, unsigned rounds) {
    streams_open(s, subject, subject->clients, SCENE_CONNECTIONS, request);
    rounds_run(s, subject, ready, 1 + rounds / 10);
    struct reading before = reading_take(subject);
    rounds_run(s, subject, ready, rounds);
    uint64_t end_ns = yard_clock_ns();
    struct reading after = reading_take(subject);
    streams_finish(s, subject, SCENE_CONNECTIONS);
    return result_of(&before, &after, end_ns, (double)ready * rounds);
}

/* ---- latency ---- */

struct arrivals {
    struct link *idle[SCENE_CONNECTIONS];
    unsigned idle_count;
    uint64_t waiting_due_ns[WAITING_MAX]; /* wraps */
    unsigned waiting_first, waiting_end;
    double *latencies;
    unsigned count, max;
};

static void arrivals_first_event(struct stage *s, struct link *link) {
    struct arrivals *run = s->owner;
    if (run->count < run->max)
        run->latencies[run->count++] = (double)(yard_clock_ns() - link->due_ns);
}

static void arrivals_replied(struct stage *s, struct link *link) {
    struct arrivals *run = s->owner;
    run->idle[run->idle_count++] = link;
}

/* Sends what is due as far as connections are free. */
static void arrivals_send(struct arrivals *run, const struct text *request) {
    while (run->idle_count && run->waiting_first != run->waiting_end) {
        struct link *link = run->idle[--run->idle_count];
        link->due_ns = run->waiting_due_ns[run->waiting_first++ % WAITING_MAX];
        ask(link, request);
    }
}

/* The gap until the next arrival of a Poisson process; the same gaps in every run. */
static double gap_ns(unsigned short dice[3], double rate) {
    return -log(1 - erand48(dice)) * 1e9 / rate;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

unsigned scene_latency(struct stage *s, struct subject *subject, const struct text *request,
                       double rate, uint64_t duration_ns, double *latencies, unsigned max) {
    static struct arrivals run; /* half a megabyte */
    unsigned short dice[3] = {1, 2, 3};
    run = (struct arrivals){.latencies = latencies, .max = max};
    for (unsigned i = 0; i < SCENE_CONNECTIONS; i++)
        run.idle[run.idle_count++] = subject->clients[i];
    s->answer = STAGE_WHOLE;
    s->owner = &run;
    s->first_event = arrivals_first_event;
    s->replied = arrivals_replied;
    uint64_t begin_ns = yard_clock_ns(), replies = s->replies, asked = 0;
    for (double due = gap_ns(dice, rate); due < (double)duration_ns; due += gap_ns(dice, rate)) {
        uint64_t due_ns = begin_ns + (uint64_t)due;
        while (yard_clock_ns() < due_ns) {
            stage_turn(s);
            arrivals_send(&run, request);
        }
        if (run.waiting_end - run.waiting_first == WAITING_MAX)
            yard_die("%s does not keep up with %.0f requests a second", subject->name, rate);
        run.waiting_due_ns[run.waiting_end++ % WAITING_MAX] = due_ns;
        asked++;
        arrivals_send(&run, request);
    }
    for (uint64_t until_ns = yard_clock_ns() + STAGE_PATIENCE_NS; s->replies < replies + asked;) {
        stage_turn(s);
        arrivals_send(&run, request);
        if (yard_clock_ns() > until_ns)
            yard_die("%s does not keep up with %.0f requests a second", subject->name, rate);
    }
    s->first_event = s->replied = NULL;
    qsort(latencies, run.count, sizeof *latencies, ascending);
    return run.count;
}

/* ---- a lost attempt ---- */

/* In a process of its own, which has no descriptor of the stage's. Never returns. */
static void attempts_lose(uint16_t port, const struct text *request, unsigned count) {
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    for (unsigned i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
            connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
            send(fd, request->bytes, request->n, MSG_NOSIGNAL) != (ssize_t)request->n)
            _exit(1);
        close(fd);
    }
    _exit(0);
}

double scene_lost_attempt(struct stage *s, const struct subject *subject,
                          const struct text *request, unsigned count) {
    cpu_set_t processors;
    struct rusage usage = {.ru_nvcsw = 0};
    int status = 0;
    if (sched_getaffinity(subject->meter.pids[0], sizeof processors, &processors) < 0)
        yard_die("%s has ended", subject->name);
    s->answer = STAGE_WHOLE;
    pid_t child = fork();
    if (child < 0)
        yard_die("no process for the lost attempts");
    if (child == 0) {
        sched_setaffinity(0, sizeof processors, &processors);
        attempts_lose(s->clouds[CLOUD_SLOW].port, request, count);
    }
    while (wait4(child, &status, WNOHANG, &usage) == 0)
        stage_turn(s);
    if (status)
        yard_die("the lost attempts failed");
    double cpu_us = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return cpu_us / count;
}

/* ---- memory ---- */

double scene_bytes(struct subject *subject) { return reading_take(subject).cost.bytes; }

struct scene_memory scene_memory(struct stage *s, struct subject *subject,
                                 const struct text *request, unsigned count) {
    struct scene_memory memory = {.before = scene_bytes(subject)};
    uint64_t accepted = s->accepted;
    struct link **clients = calloc(count, sizeof(struct link *));
    if (!clients)
        yard_die("no memory");
    s->answer = STAGE_WHOLE;
    for (unsigned i = 0; i < count; i++) {
        uint64_t replies = s->replies;
        clients[i] = stage_connect(s, subject->port, subject->tls);
        ask(clients[i], request);
        await(s, &s->replies, replies + 1, subject);
    }
    memory.idle = scene_bytes(subject);
    streams_open(s, subject, clients, count, request);
    memory.stream = scene_bytes(subject);
    streams_finish(s, subject, count);
    stage_disconnect(s, clients, count);
    /* The program would keep them, and the next one needs the descriptors. */
    stage_hang_up(s, accepted);
    free(clients);
    return memory;
}
