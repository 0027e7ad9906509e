/* trace.h - what is replayed: arrivals, sizes, and the first-token time that each backend had or would
 * have had for each request. (pure; reading is trace_read.c)
 *
 * A trace is made whole, then only read. Arrays hold `count` requests in order of arrival; ttft_ns holds
 * count x backends, request by request. */
#ifndef HEDGEROW_APPLIANCE_REPLAY_TRACE_H
#define HEDGEROW_APPLIANCE_REPLAY_TRACE_H

#include <stddef.h>
#include <stdint.h>

#define TRACE_BACKENDS_MAX 8
/* A replay of so many takes about a gigabyte and a minute; more are better split by the hour. */
#define TRACE_REQUESTS_MAX 10000000

struct trace {
    const char *name;
    unsigned backends; /* 1 .. TRACE_BACKENDS_MAX */
    char backend_names[TRACE_BACKENDS_MAX][64];
    size_t count, max;
    uint64_t *time_ns;                      /* of arrival, never falling, from 0 */
    uint32_t *input_tokens, *output_tokens; /* 0: unknown */
    uint8_t *primary;                       /* the backend that is asked first */
    uint64_t *ttft_ns;                      /* [request * backends + backend]; UINT64_MAX: never */
};

/* Room for `max` requests at `backends` backends, from core/heap; the name is borrowed. */
void trace_init(struct trace *, const char *name, unsigned backends, size_t max);
void trace_fini(struct trace *);
/* Appends one request; `ttft_ns` holds one time per backend. CHECKs the room and the order. */
void trace_add(struct trace *, uint64_t time_ns, unsigned primary, uint32_t input_tokens,
               uint32_t output_tokens, const uint64_t *ttft_ns);
static inline uint64_t trace_ttft_ns(const struct trace *t, size_t request, unsigned backend) {
    return t->ttft_ns[request * t->backends + backend];
}

#endif
