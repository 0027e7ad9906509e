/* permit.c - what an attempt needs before it starts. See permit.h.
 *
 * Owns:     the order of the questions: what costs nothing is asked first, what is taken is given back
 *           when a later answer is no.
 * Promises: a hedge by delay is within the model's budgets of requests and money; a retry is paid for by
 *           an answer; no backend's limit is exceeded.
 * Refuses:  hedges while all clouds are slow at once, while too many attempts fail, and while this worker
 *           is near its own limits. */
#include "appliance/race/permit.h"

static struct budget *budget_of(const struct exchange *exchange) {
    return &exchange->upstreams->budgets[exchange->model->index];
}

static bool refuse(struct exchange *exchange, enum suppress reason) {
    exchange->upstreams->models[exchange->model->index].suppressed[reason]++;
    return false;
}

/* One failure makes one retry due, for which hedge proposes every backend that is left: counted once. */
static bool refuse_retry(struct exchange *exchange) {
    unsigned ended = 0;
    for (unsigned i = 0; i < exchange->attempt_count; i++)
        ended += exchange->attempts[i]->state == ATTEMPT_ENDED;
    if (ended == exchange->refused_at_failures)
        return false;
    exchange->refused_at_failures = ended;
    return refuse(exchange, SUPPRESS_RETRIES);
}

/* Do the budgets bind it? FIXED's do when the operator wrote one down; a race is its own decision. */
static bool budgeted(const struct exchange *exchange, enum hedge_trigger trigger) {
    bool hedge = trigger == HEDGE_DELAY || trigger == HEDGE_STALL;
    if (!hedge || exchange->plan.mode == HEDGE_MODE_RACE)
        return false;
    return exchange->plan.mode == HEDGE_MODE_ADAPTIVE ||
           exchange->model->hedge.request_budget_given;
}

struct quota_need permit_need(const struct exchange *exchange) {
    const struct chat_request *req = &exchange->req;
    struct quota_need need =
        quota_need_of(req->input_tokens_estimate, req->max_output_tokens, req->choices);
    if (exchange->endpoint.service == SERVICE_EMBEDDINGS ||
        exchange->endpoint.service == SERVICE_COUNT_TOKENS)
        need.output_tokens = 0;
    return need;
}

/* --- the queue --- */

void permit_leave(struct exchange *exchange) { list_remove(&exchange->waiting); }

static bool may_wait(const struct exchange *exchange, enum hedge_trigger trigger) {
    return trigger == HEDGE_DELAY && exchange->plan.mode == HEDGE_MODE_ADAPTIVE &&
           exchange->model->hedge.queue && !exchange->plan.fair;
}

static void wait_for_token(struct exchange *exchange) {
    struct list *queue = &exchange->upstreams->waiting[exchange->model->index];
    /* Requests come in the order of their hedges' delays, which is nearly that of their ages. */
    if (!list_linked(&exchange->waiting))
        list_push_back(queue, &exchange->waiting);
}

void permit_request(struct exchange *exchange) {
    struct budget *budget = budget_of(exchange);
    struct list *queue = &exchange->upstreams->waiting[exchange->model->index];
    struct list *oldest;
    budget_on_request(budget, exchange->model->hedge.request_budget, exchange->race->loop->now_ns);
    /* Each turn takes one request from the queue; one that is refused for another reason than the
     * token's stays out. */
    while (budget_ready(budget, exchange->race->loop->now_ns) && (oldest = list_pop(queue)))
        exchange_hedge_again(container_of(oldest, struct exchange, waiting));
}

/* --- asking --- */

/* What can be known without taking anything. */
static bool is_bearable(struct exchange *exchange, const struct config_backend *backend) {
    const struct race *race = exchange->race;
    const struct upstreams *upstreams = exchange->upstreams;
    uint64_t now_ns = race->loop->now_ns;
    if (upstreams->health.backends[backend->id].cool_until_ns > now_ns) {
        quota_deny(&exchange->upstreams->quota, backend->provider, QUOTA_RETRY_AFTER);
        return refuse(exchange, SUPPRESS_QUOTA);
    }
    /* Who races has chosen to pay for it. */
    bool busy = race->busy && exchange->plan.mode != HEDGE_MODE_RACE;
    if (busy || race->exchange_count > PERMIT_ROOM_SHARE * race->exchange_max)
        return refuse(exchange, SUPPRESS_OVERLOAD);
    if (!budgeted(exchange, HEDGE_DELAY))
        return true;
    if (upstreams->batch.boards[exchange->model->index].slowdown)
        return refuse(exchange, SUPPRESS_SLOWDOWN);
    if (budget_failing(budget_of(exchange), now_ns))
        return refuse(exchange, SUPPRESS_ERRORS);
    return true;
}

static bool take_budget(struct exchange *exchange, enum hedge_trigger trigger) {
    double reserved = 0;
    bool money = false;
    if (trigger == HEDGE_FAILURE)
        return budget_take_retry(budget_of(exchange)) || refuse_retry(exchange);
    if (!budgeted(exchange, trigger))
        return true;
    if (budget_take(budget_of(exchange), &reserved, &money, exchange->race->loop->now_ns)) {
        exchange->reserved_pico += reserved;
        exchange->reserved_last_pico = reserved;
        return true;
    }
    if (!money && may_wait(exchange, trigger))
        wait_for_token(exchange);
    return refuse(exchange, money ? SUPPRESS_COST : SUPPRESS_BUDGET);
}

static void put_budget(struct exchange *exchange, enum hedge_trigger trigger) {
    if (trigger == HEDGE_FAILURE)
        budget_put_retry(budget_of(exchange));
    if (!budgeted(exchange, trigger))
        return;
    /* What is set aside for hedges that run stays so until they are settled. */
    exchange->reserved_pico -= exchange->reserved_last_pico;
    budget_put(budget_of(exchange), exchange->reserved_last_pico, exchange->race->loop->now_ns);
    exchange->reserved_last_pico = 0;
}

/* The limits of the provider, its own and the operator's (quota.h). */
static bool has_room(struct exchange *exchange, const struct config_backend *backend,
                     enum hedge_trigger trigger, struct quota_ticket *ticket) {
    bool spare = trigger == HEDGE_DELAY;
    uint64_t wait_ns, *least_ns = &exchange->room_wait_ns;
    enum quota_verdict verdict =
        quota_take(&exchange->upstreams->quota, backend, permit_need(exchange), spare,
                   exchange->race->loop->now_ns, ticket, &wait_ns);
    if (verdict == QUOTA_ROOM)
        return true;
    if (!spare)
        *least_ns = *least_ns ? min_u64(*least_ns, wait_ns) : wait_ns;
    return refuse(exchange, verdict == QUOTA_CONCURRENCY ? SUPPRESS_OVERLOAD : SUPPRESS_QUOTA);
}

bool permit_take(struct exchange *exchange, const struct config_backend *backend,
                 enum hedge_trigger trigger, struct quota_ticket *ticket) {
    if (trigger == HEDGE_DELAY && !is_bearable(exchange, backend))
        return false;
    if (!take_budget(exchange, trigger))
        return false;
    if (has_room(exchange, backend, trigger, ticket))
        return true;
    put_budget(exchange, trigger);
    return false;
}

void permit_give_back(struct exchange *exchange, enum hedge_trigger trigger,
                      struct quota_ticket *ticket) {
    quota_put(ticket, exchange->race->loop->now_ns);
    put_budget(exchange, trigger);
}

void permit_end(struct exchange *exchange, uint64_t won_pico, uint64_t wasted_pico) {
    budget_on_end(budget_of(exchange), exchange->winner != NULL, exchange->model->hedge.cost_budget,
                  won_pico, wasted_pico, exchange->reserved_pico);
    exchange->reserved_pico = 0;
}
