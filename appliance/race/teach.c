/* teach.c - exchanges' attempts as samples. See teach.h. */
#include "appliance/race/teach.h"

/* By whom an attempt was late, when it was started for that. */
static uint16_t behind(const struct exchange *exchange, const struct attempt *attempt) {
    const struct attempt *first = exchange->attempts[0];
    if (attempt->trigger != HEDGE_DELAY || exchange->plan.fair ||
        exchange->plan.mode == HEDGE_MODE_RACE)
        return LEARN_NOBODY;
    if (first->backend->model_index != attempt->backend->model_index)
        return LEARN_NOBODY;
    return (uint16_t)first->backend->index;
}

static struct learn_sample sample_of(const struct exchange *exchange, const struct attempt *attempt,
                                     uint64_t value_ns, bool cut) {
    return (struct learn_sample){.value_ns = value_ns,
                                 .backend = (uint16_t)attempt->backend->index,
                                 .behind = behind(exchange, attempt),
                                 .kind = (uint8_t)exchange->kind,
                                 .cut = cut};
}

static void add(const struct exchange *exchange, const struct attempt *attempt, uint64_t value_ns,
                bool cut) {
    struct learn_sample sample = sample_of(exchange, attempt, value_ns, cut);
    learner_add(&exchange->upstreams->batch, attempt->backend->model_index, &sample);
}

/* A rescue writes another request, of another length: its times say nothing of first ones. Counting tokens
 * takes a fraction of the time of an answer. (A model of embeddings has nothing but such.) */
static bool is_fair_game(const struct attempt *attempt) {
    return attempt->trigger != HEDGE_STALL &&
           attempt->exchange->endpoint.service != SERVICE_COUNT_TOKENS;
}

void teach_content(const struct exchange *exchange, const struct attempt *attempt,
                   uint64_t ttft_ns) {
    if (is_fair_game(attempt))
        add(exchange, attempt, ttft_ns, false);
}

void teach_cut(const struct exchange *exchange, const struct attempt *attempt, uint64_t age_ns) {
    if (is_fair_game(attempt))
        add(exchange, attempt, age_ns, true);
}

void teach_cost(const struct exchange *exchange, uint64_t won_pico, uint64_t wasted_pico,
                unsigned hedges) {
    learner_add_money(&exchange->upstreams->batch, exchange->model->index, won_pico, wasted_pico,
                      hedges);
}

static bool is_waiting(const struct attempt *attempt) {
    return attempt->state != ATTEMPT_ENDED && !attempt->content && is_fair_game(attempt);
}

static void add_ages(struct upstreams *upstreams) {
    uint64_t now_ns = upstreams->race->loop->now_ns;
    /* The oldest first: theirs tell the most when there is no place for all. */
    list_each (node, &upstreams->race->racing) {
        const struct exchange *exchange = container_of(node, struct exchange, racing);
        if (upstreams->batch.age_count == LEARNER_AGES)
            return;
        if (exchange->upstreams != upstreams)
            continue;
        for (unsigned i = 0; i < exchange->attempt_count; i++) {
            const struct attempt *attempt = exchange->attempts[i];
            if (!is_waiting(attempt))
                continue;
            struct learn_sample age =
                sample_of(exchange, attempt, now_ns - attempt->start_ns, true);
            learner_add_age(&upstreams->batch, attempt->backend->model_index, &age);
        }
    }
}

void teach_tick(struct upstreams *upstreams) {
    add_ages(upstreams);
    learner_give(&upstreams->batch);
    if (!upstreams->learner)
        return; /* another thread computes */
    learner_compute(upstreams->learner, upstreams->race->loop->now_ns);
    learner_give(&upstreams->batch);
}
