/* race_stats.c - adding counters up: of several workers for metrics, of a configuration that is
 * gone for the one that follows it. See race.h. (pure) */
#include "appliance/race/race.h"

/* The writer of `from` may be another thread that goes on counting: whole numbers, no order. */
static void add(uint64_t *into, const uint64_t *from, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        into[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

#define ADD(member)     add(into->member, from->member, countof(into->member))
#define ADD_ONE(member) add(&into->member, &from->member, 1)

void race_stats_add_tokens(struct race_tokens *tokens, uint64_t count) {
    unsigned bucket = 0;
    while (bucket < RACE_TOKEN_BUCKETS - 1 && count > UINT64_C(1) << (2 * bucket))
        bucket++;
    tokens->buckets[bucket]++;
    tokens->count++;
    tokens->sum += count;
}

static void merge_tokens(struct race_tokens *into, const struct race_tokens *from) {
    ADD_ONE(count);
    ADD_ONE(sum);
    ADD(buckets);
}

void race_stats_merge_model(struct race_model_stats *into, const struct race_model_stats *from) {
    ADD(requests);
    ADD(hedges_started);
    ADD(hedges_won);
    ADD(suppressed);
    ADD_ONE(input_tokens);
    ADD_ONE(output_tokens);
    ADD_ONE(wasted_tokens);
    ADD_ONE(won_pico);
    ADD_ONE(wasted_pico);
    hist_merge(&into->ttft, &from->ttft);
    hist_merge(&into->ttft_cut, &from->ttft_cut);
    hist_merge(&into->without, &from->without);
    hist_merge(&into->without_cut, &from->without_cut);
    hist_merge(&into->duration, &from->duration);
    hist_merge(&into->duration_failed, &from->duration_failed);
    hist_merge(&into->per_token, &from->per_token);
    hist_merge(&into->overhead, &from->overhead);
}

void race_stats_merge_backend(struct race_backend_stats *into,
                              const struct race_backend_stats *from) {
    ADD(attempts);
    ADD(failures);
    ADD_ONE(cost_pico);
    merge_tokens(&into->input, &from->input);
    merge_tokens(&into->output, &from->output);
    hist_merge(&into->ttft, &from->ttft);
    for (unsigned i = 0; i < OUTCOME_COUNT; i++)
        hist_merge(&into->duration[i], &from->duration[i]);
}

void race_stats_merge_pool(struct pool_stats *into, const struct pool_stats *from) {
    ADD_ONE(dials);
    ADD_ONE(dial_failures);
    ADD_ONE(handshakes);
    ADD_ONE(handshakes_resumed);
    ADD_ONE(reused);
    ADD_ONE(lost);
}
