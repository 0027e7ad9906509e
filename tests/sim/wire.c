/* wire.c - a simulated TCP connection. See wire.h. */
#include "tests/sim/wire.h"

#include <errno.h>

/* Segments of one send come so far apart at most. */
#define JITTER_NS (200 * NS_PER_US)
/* A write is cut into at most so many segments. */
#define PIECES_MAX 4

static void arrive(struct event *event);
static void have_room(struct event *event);

static void end_init(struct wire_end *end, size_t size, uint64_t latency_ns) {
    end->bytes = sim_alloc(size);
    end->size = size;
    end->latency_ns = latency_ns;
    event_init(&end->arrive, arrive);
    event_init(&end->room, have_room);
}

void wire_pair(const struct wire_shape *shape, struct wire_end **a, struct wire_end **b) {
    *a = sim_alloc(sizeof **a);
    *b = sim_alloc(sizeof **b);
    end_init(*a, shape->a_size, shape->latency_ns);
    end_init(*b, shape->b_size, shape->latency_ns);
    (*a)->peer = *b;
    (*b)->peer = *a;
}

/* ---- towards the other end ---- */

static void add_segment(struct wire_end *to, size_t n, enum wire_kind kind) {
    uint64_t at_ns = sim.now_ns + to->latency_ns + rand_below(&sim.kernel, JITTER_NS);
    struct wire_segment *last = to->segment_count ? &to->segments[to->segment_count - 1] : NULL;
    if (last && last->at_ns > at_ns)
        at_ns = last->at_ns;
    if (to->segment_count == WIRE_SEGMENTS_MAX && last->kind == WIRE_DATA && kind == WIRE_DATA) {
        last->n += n;
        return;
    }
    if (to->segment_count == WIRE_SEGMENTS_MAX) { /* an end may not be lost: room is made for it */
        if (last->kind == WIRE_DATA)
            (last - 1)->n += last->n; /* both data: nothing follows an end but a reset */
        to->segment_count--;
    }
    to->segments[to->segment_count++] = (struct wire_segment){.at_ns = at_ns, .n = n, .kind = kind};
    if (to->segment_count == 1)
        event_set(&to->arrive, at_ns);
}

static void drop_bytes(struct wire_end *end) {
    end->begin = end->count = end->arrived = 0;
    end->segment_count = 0;
    event_clear(&end->arrive);
}

/* The peer sees a reset, in its turn: bytes already under way come before it. */
static void send_reset(struct wire_end *from) {
    if (from->peer->closed || from->peer->reset)
        return;
    add_segment(from->peer, 0, WIRE_RST);
}

size_t wire_room(const struct wire_end *end) { return end->peer->size - end->peer->count; }

long wire_send(struct wire_end *end, const char *p, size_t n) {
    struct wire_end *to = end->peer;
    CHECK(!end->closed);
    if (end->reset || end->shut)
        return -EPIPE;
    if (to->closed) { /* as TCP: taken, and answered by a reset */
        if (!event_is_set(&end->arrive))
            send_reset(to);
        return (long)n;
    }
    size_t wanted = n;
    n = min_size(n, wire_room(end));
    if (n < wanted)
        end->wants_room = true;
    if (n == 0)
        return 0;
    for (size_t i = 0, at = (to->begin + to->count) % to->size; i < n;) {
        size_t run = min_size(n - i, to->size - at);
        memcpy(to->bytes + at, p + i, run);
        i += run;
        at = (at + run) % to->size;
    }
    to->count += n;
    size_t left = n;
    for (unsigned pieces = 1 + (unsigned)rand_below(&sim.kernel, PIECES_MAX);
         pieces > 1 && left > 1; pieces--) {
        size_t piece = 1 + rand_below(&sim.kernel, left - 1);
        add_segment(to, piece, WIRE_DATA);
        left -= piece;
    }
    add_segment(to, left, WIRE_DATA);
    return (long)n;
}

/* ---- arriving ---- */

static void take_reset(struct wire_end *end) {
    /* Some stacks throw away what was not read yet, others let it be read. */
    if (kernel_chance(0.5))
        end->begin = end->count = end->arrived = 0;
    end->reset = true;
    end->segment_count = 0;
}

static void arrive(struct event *event) {
    struct wire_end *end = container_of(event, struct wire_end, arrive);
    unsigned done = 0;
    while (done < end->segment_count && end->segments[done].at_ns <= sim.now_ns) {
        struct wire_segment segment = end->segments[done++];
        if (segment.kind == WIRE_RST) {
            take_reset(end);
            done = 0;
            break;
        }
        if (segment.kind == WIRE_FIN)
            end->fin = true;
        else
            end->arrived += segment.n;
    }
    end->segment_count -= done;
    memmove(end->segments, end->segments + done, end->segment_count * sizeof end->segments[0]);
    if (end->segment_count)
        event_set(&end->arrive, end->segments[0].at_ns);
    if (end->closed) {
        if (end->arrived > 0) { /* bytes for nobody */
            send_reset(end);
            drop_bytes(end);
        }
        return;
    }
    if (end->on)
        end->on->readable(end);
}

void wire_hurry(struct wire_end *end) {
    if (end->segment_count == 0 || end->segments[0].kind != WIRE_DATA)
        return;
    end->arrived += end->segments[0].n;
    end->segments[0].n = 0;
}

bool wire_has(const struct wire_end *end) { return end->arrived > 0 || end->fin || end->reset; }

long wire_recv(struct wire_end *end, char *p, size_t n) {
    CHECK(!end->closed);
    if (end->arrived == 0)
        return end->reset ? -ECONNRESET : end->fin ? 0 : -EAGAIN;
    n = min_size(n, end->arrived);
    for (size_t i = 0; i < n;) {
        size_t run = min_size(n - i, end->size - end->begin);
        memcpy(p + i, end->bytes + end->begin, run);
        i += run;
        end->begin = (end->begin + run) % end->size;
    }
    end->count -= n;
    end->arrived -= n;
    struct wire_end *from = end->peer;
    if (from->wants_room && !event_is_set(&from->room))
        event_set(&from->room, sim.now_ns + from->latency_ns);
    return (long)n;
}

static void have_room(struct event *event) {
    struct wire_end *end = container_of(event, struct wire_end, room);
    end->wants_room = false;
    if (!end->closed && end->on)
        end->on->writable(end);
}

/* ---- ending ---- */

void wire_shutdown(struct wire_end *end) {
    if (end->shut || end->closed || end->reset)
        return;
    end->shut = true;
    if (!end->peer->closed)
        add_segment(end->peer, 0, WIRE_FIN);
}

static void gone(struct wire_end *end) {
    end->closed = true;
    end->on = NULL;
    event_clear(&end->room);
    /* Who waits for room at the peer is woken by the reset or never: nobody will read. */
}

void wire_close(struct wire_end *end) {
    if (end->closed)
        return;
    if (end->arrived > 0 && !end->reset) {
        wire_reset(end);
        return;
    }
    wire_shutdown(end);
    gone(end);
}

void wire_reset(struct wire_end *end) {
    if (end->closed)
        return;
    send_reset(end);
    drop_bytes(end);
    gone(end);
}
