/* saved.c - see the header. (pure) */
#include "appliance/race/saved.h"

#include "appliance/race/exchange.h"

struct saved_time saved_with(const struct saved_request *request) {
    bool cut = request->ttft_ns == SAVED_NEVER;
    return (struct saved_time){.value_ns = cut ? request->end_ns : request->ttft_ns, .cut = cut};
}

struct saved_time saved_without(const struct saved_request *request) {
    uint64_t first_ns = SAVED_NEVER, end_ns = 0;
    unsigned i = 0;
    for (; i < request->count && !request->tries[i].hedge; i++) {
        first_ns = min_u64(first_ns, request->tries[i].first_ns);
        end_ns = max_u64(end_ns, request->tries[i].end_ns);
    }
    if (i == request->count) /* no hedge */
        return saved_with(request);
    bool cut = first_ns == SAVED_NEVER;
    return (struct saved_time){.value_ns = cut ? end_ns : first_ns, .cut = cut};
}

static uint64_t since(uint64_t begin_ns, uint64_t at_ns) {
    return at_ns > begin_ns ? at_ns - begin_ns : 0;
}

void saved_count(const struct exchange *exchange, struct race_model_stats *stats) {
    struct saved_try tries[ATTEMPTS_MAX];
    uint64_t begin_ns = exchange->begin_ns;
    for (unsigned i = 0; i < exchange->attempt_count; i++) {
        const struct attempt *attempt = exchange->attempts[i];
        tries[i] = (struct saved_try){.hedge = attempt->trigger == HEDGE_DELAY,
                                      .first_ns = attempt->first_token_ns
                                                      ? since(begin_ns, attempt->first_token_ns)
                                                      : SAVED_NEVER,
                                      .end_ns = since(begin_ns, attempt->end_ns)};
    }
    struct saved_request request = {
        .tries = tries,
        .count = exchange->attempt_count,
        .ttft_ns = exchange->commit_ns ? since(begin_ns, exchange->commit_ns) : SAVED_NEVER,
        .end_ns = since(begin_ns, exchange->end_ns)};
    struct saved_time with = saved_with(&request), without = saved_without(&request);
    if (with.cut)
        hist_add(&stats->ttft_cut, with.value_ns);
    hist_add(without.cut ? &stats->without_cut : &stats->without, without.value_ns);
}
