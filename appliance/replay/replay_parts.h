/* replay_parts.h - what the policies of replay.c and replay_oracle.c share. (pure) Not for others. */
#ifndef HEDGEROW_APPLIANCE_REPLAY_REPLAY_PARTS_H
#define HEDGEROW_APPLIANCE_REPLAY_REPLAY_PARTS_H

#include <math.h>

#include "appliance/replay/replay.h"
#include "core/base.h"

#define REPLAY_NEVER UINT64_MAX

/* What the client waits when the second backend is asked delay_ns after the first. Any of the times
 * may be REPLAY_NEVER. */
static inline uint64_t replay_wait_ns(uint64_t primary_ns, uint64_t delay_ns, uint64_t second_ns) {
    uint64_t hedged_ns = second_ns > REPLAY_NEVER - delay_ns ? REPLAY_NEVER : delay_ns + second_ns;
    return min_u64(primary_ns, hedged_ns);
}

static inline uint64_t replay_primary_ns(const struct trace *t, size_t request) {
    return trace_ttft_ns(t, request, t->primary[request]);
}

/* The backend `shift` places behind the request's primary; shift 1 is the plain second. */
static inline unsigned replay_second(const struct trace *t, size_t request, unsigned shift) {
    return (t->primary[request] + shift) % t->backends;
}

/* Writes down that the request was hedged after delay_ns to `second`. */
static inline void replay_hedge(const struct trace *t, struct replay_result *out, size_t request,
                                unsigned second, uint64_t delay_ns) {
    out->delay_ns[request] = delay_ns;
    out->ttft_ns[request] =
        replay_wait_ns(replay_primary_ns(t, request), delay_ns, trace_ttft_ns(t, request, second));
}

/* Money of one loser, which is cut off when the winner's first token comes, and so before its own:
 * its whole input was read and billed, of output there is none. 0 where the tokens are unknown. */
static inline double replay_loser_cost(const struct trace *t, const struct replay_settings *s,
                                       size_t request) {
    return t->input_tokens[request] * s->input_price;
}
/* Money of the answer that the client gets; 0 where the tokens are unknown. */
static inline double replay_winner_cost(const struct trace *t, const struct replay_settings *s,
                                        size_t request) {
    if (t->input_tokens[request] == 0)
        return 0;
    return t->input_tokens[request] * s->input_price + t->output_tokens[request] * s->output_price;
}

/* 0.29 x 100 is 28.999... in binary: a product this near a whole number is that number. */
#define REPLAY_ROUNDING 1e-9
/* Whole hedges that a budget allows `requests` requests. */
static inline size_t replay_allowance(double budget, size_t requests) {
    return (size_t)floor(budget * (double)requests + REPLAY_ROUNDING);
}
/* The place of the q-quantile among `count` > 0 sorted values, from 0: the ceil(q x count)-th. */
static inline size_t replay_rank(double q, size_t count) {
    double place = ceil(q * (double)count - REPLAY_ROUNDING);
    return place < 1 ? 0 : min_size((size_t)place, count) - 1;
}

/* Puts the values that sorting would put at the places `ranks` (rising) there; the rest stays in
 * between. Expected time count x log(rank_count). */
void replay_select(uint64_t *values, size_t count, const size_t *ranks, size_t rank_count);

/* replay_oracle.c, for replay_run. */
void replay_oracle_single(const struct trace *, const struct replay_settings *,
                          struct replay_result *out);
void replay_oracle_windowed(const struct trace *, const struct replay_settings *,
                            struct replay_result *out);
void replay_clairvoyant(const struct trace *, const struct replay_settings *,
                        struct replay_result *out);

#endif
