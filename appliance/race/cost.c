/* cost.c - what an attempt has cost. See cost.h. (pure) */
#include "appliance/race/cost.h"

/* Did we end it while the provider was at work? Then it has no usage, yet it is billed. */
static bool cut_off(enum fail why) {
    switch (why) {
    case FAIL_LOST:
    case FAIL_CANCELLED:
    case FAIL_HEAD_TIMEOUT:
    case FAIL_FIRST_TOKEN:
    case FAIL_IDLE:
    case FAIL_TOTAL: return true;
    default: return false;
    }
}

static bool was_sent(const struct attempt *attempt) {
    return attempt->reused || attempt->connected_ns;
}

static bool is_billed(const struct attempt *attempt) {
    if (!was_sent(attempt))
        return false;
    if (attempt->status == 0)
        return cut_off(attempt->why);
    return attempt->status >= 200 && attempt->status < 300;
}

static uint64_t output_of(const struct attempt *attempt) {
    const struct attempt *winner = attempt->exchange->winner;
    /* Of an answer that was not finished some providers have said a beginning, "output_tokens":1. */
    if (attempt->reader.usage.known && attempt->whole)
        return attempt->reader.usage.output_tokens;
    uint64_t seen = max_u64(attempt->events, attempt->reader.usage.output_tokens);
    bool bills_on = attempt->backend->provider->cancel == CANCEL_BILLS_ON && cut_off(attempt->why);
    if (!bills_on || !winner || winner == attempt)
        return seen;
    const struct chat_usage *usage = &winner->reader.usage;
    return max_u64(seen, usage->known ? usage->output_tokens : winner->events);
}

static uint64_t money(uint64_t tokens, uint64_t pico) {
    uint64_t product;
    bool over = __builtin_mul_overflow(min_u64(tokens, COST_TOKENS_MAX), pico, &product);
    return over ? UINT64_MAX / 4 : product;
}

struct cost cost_of(const struct attempt *attempt) {
    const struct config_price *price = &attempt->backend->price;
    const struct chat_usage *usage = &attempt->reader.usage;
    struct cost cost = {.priced = price->known};
    if (!is_billed(attempt))
        return cost;
    cost.output_tokens = min_u64(output_of(attempt), COST_TOKENS_MAX);
    if (!price->known)
        return cost;
    uint64_t input =
        usage->known ? usage->input_tokens : attempt->exchange->req.input_tokens_estimate;
    uint64_t cached = usage->known ? min_u64(usage->cached_tokens, input) : 0;
    cost.pico = money(input - cached, price->input_pico) + money(cached, price->cached_input_pico) +
                money(cost.output_tokens, price->output_pico);
    return cost;
}

bool cost_is_wasted(const struct attempt *attempt) {
    return attempt != attempt->exchange->winner && !attempt->delivered;
}
