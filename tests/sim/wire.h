/* wire.h - a simulated TCP connection: two ends, bounded buffers, latency, segments cut at random, FIN and RST.
 *
 * One end may belong to the simulated kernel, the other to a client or a cloud; the wire knows no difference. What is
 * sent arrives in order, in pieces, later. `readable` and `writable` are called from events only, never from inside a
 * call of this file. */
#ifndef TESTS_SIM_WIRE_H
#define TESTS_SIM_WIRE_H

#include "tests/sim/sim.h"

struct wire_end;

struct wire_on {
    void (*readable)(struct wire_end *); /* bytes, the peer's end or a reset have arrived */
    void (*writable)(
        struct wire_end *); /* there is room again, after wire_send took less than all */
};

enum wire_kind { WIRE_DATA, WIRE_FIN, WIRE_RST };
#define WIRE_SEGMENTS_MAX 64

struct wire_segment {
    uint64_t at_ns;
    size_t n;
    enum wire_kind kind;
};

struct wire_end {
    struct wire_end *peer;
    const struct wire_on *on;
    void *owner;
    /* Towards this end: a ring of bytes, the first `arrived` of which can be read. */
    char *bytes;
    size_t size, begin, count, arrived;
    struct wire_segment segments[WIRE_SEGMENTS_MAX]; /* not yet arrived, oldest first */
    unsigned segment_count;
    uint64_t latency_ns; /* of what comes to this end */
    struct event arrive, room;
    bool fin, reset; /* arrived */
    bool shut;       /* this end has sent its FIN */
    bool closed;     /* this end is gone */
    bool wants_room;
};

struct wire_shape {
    size_t a_size, b_size; /* bytes that may be on their way to each end, arrived ones included */
    uint64_t latency_ns;   /* one way */
};

/* A connected pair. */
void wire_pair(const struct wire_shape *, struct wire_end **a, struct wire_end **b);
/* Bytes taken, 0 when there is no room (writable follows), -EPIPE after a reset or an own FIN. */
long wire_send(struct wire_end *, const char *p, size_t n);
/* Bytes that wire_send would take now. */
size_t wire_room(const struct wire_end *);
/* What is on its way to this end and comes next, comes now; nobody is told. */
void wire_hurry(struct wire_end *);
/* Bytes read, 0 at the peer's end, -EAGAIN, or -ECONNRESET. */
long wire_recv(struct wire_end *, char *p, size_t n);
/* Is there anything for wire_recv but -EAGAIN? */
bool wire_has(const struct wire_end *);
/* Ends this side; the other may go on. */
void wire_shutdown(struct wire_end *);
/* Ends both: with a reset when bytes were left unread, as Linux does. */
void wire_close(struct wire_end *);
void wire_reset(struct wire_end *);

#endif
