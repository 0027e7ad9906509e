/* permit.c - what an attempt needs before it starts. See permit.h.
 *
 * Owns:     the order of the questions: what costs nothing is asked first, what is taken is given back
 *           when a later answer is no.
 * Promises: a hedge by delay is within the model's budgets of requests and money; a retry is paid for by
 *           an answer; no backend's limit is exceeded.
 * Refuses:  hedges while all clouds are slow at once, while too many attempts fail, and while this worker
 *           is near its own limits. */
#include "appliance/race/permit.h"

/* So many of those who wait are asked in vain in one turn: each may be refused by backends of its own. */
#define QUEUE_REFUSALS_MAX 4

/* A reload hands the budget on: what requests of the next configuration bring is for those of the
 * last as well. */
static struct budget *budget_at(struct upstreams *upstreams, const struct config_model *model) {
    struct upstreams *current = upstreams->race->current;
    const struct config_model *now = NULL;
    if (current && current != upstreams)
        now = config_model_same(current->config, model);
    return now ? &current->budgets[now->index] : &upstreams->budgets[model->index];
}

static struct budget *budget_of(const struct exchange *exchange) {
    return budget_at(exchange->upstreams, exchange->model);
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

static bool is_hedge(enum hedge_trigger trigger) {
    return trigger == HEDGE_DELAY || trigger == HEDGE_STALL;
}

/* Do the budgets bind it? FIXED's do when the operator wrote one down; a race is its own decision. */
static bool budgeted(const struct exchange *exchange, enum hedge_trigger trigger) {
    if (!is_hedge(trigger) || exchange->plan.mode == HEDGE_MODE_RACE)
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

/* Of requests: what is left is for first attempts. */
static bool is_crowded(const struct race *race) {
    return race->exchange_count > PERMIT_ROOM_SHARE * race->exchange_max;
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

/* Is there a token and the money, and nothing that would refuse whoever is asked? */
static bool may_serve(struct upstreams *upstreams, const struct config_model *model) {
    const struct race *race = upstreams->race;
    const struct budget *budget = budget_at(upstreams, model);
    uint64_t now_ns = race->loop->now_ns;
    return budget_ready(budget, now_ns) && budget_can_pay(budget) && !race->busy &&
           !is_crowded(race) && !upstreams->batch.boards[model->index].slowdown &&
           !budget_failing(budget, now_ns);
}

/* Those who are refused once more keep their places. */
static void serve_queue(struct upstreams *upstreams, const struct config_model *model) {
    struct list *queue = &upstreams->waiting[model->index], *oldest, asked;
    unsigned refusals = 0;
    list_init(&asked);
    while (refusals < QUEUE_REFUSALS_MAX && !list_empty(queue) && may_serve(upstreams, model)) {
        oldest = list_pop(queue);
        list_push_back(&asked, oldest);
        exchange_hedge_again(container_of(oldest, struct exchange, waiting));
        refusals += asked.prev == oldest;
    }
    while (!list_empty(&asked)) {
        oldest = asked.prev;
        list_remove(oldest);
        list_push_front(queue, oldest);
    }
}

/* Whoever waits for the same tokens and came before: the oldest configuration first. */
static void serve_model(struct exchange *exchange) {
    struct race *race = exchange->race;
    list_each (node, &race->retired) {
        struct upstreams *upstreams = container_of(node, struct upstreams, link);
        const struct config_model *was = config_model_same(upstreams->config, exchange->model);
        if (was)
            serve_queue(upstreams, was);
    }
    if (exchange->upstreams == race->current)
        serve_queue(exchange->upstreams, exchange->model);
}

void permit_request(struct exchange *exchange) {
    budget_on_request(budget_of(exchange), exchange->model->hedge.request_budget,
                      exchange->race->loop->now_ns);
    serve_model(exchange);
}

static void serve_all(struct upstreams *upstreams) {
    for (unsigned i = 0; i < upstreams->config->model_count; i++)
        serve_queue(upstreams, &upstreams->config->models[i]);
}

void permit_tick(struct race *race) {
    list_each (node, &race->retired)
        serve_all(container_of(node, struct upstreams, link));
    if (race->current)
        serve_all(race->current);
}

/* --- asking --- */

/* Since the plan was made it may have been ejected, or have asked for a rest. */
static bool is_well(struct exchange *exchange, const struct config_backend *backend,
                    enum suppress *elsewhere) {
    struct upstreams *upstreams = exchange->upstreams;
    uint64_t now_ns = exchange->race->loop->now_ns;
    if (health_usable(&upstreams->health, backend->id, now_ns))
        return true;
    bool cooling = upstreams->health.backends[backend->id].cool_until_ns > now_ns;
    if (cooling)
        quota_deny(&upstreams->quota, backend->provider, QUOTA_RETRY_AFTER);
    *elsewhere = cooling ? SUPPRESS_QUOTA : SUPPRESS_ERRORS;
    return false;
}

/* What can be known without taking anything. */
static bool is_bearable(struct exchange *exchange) {
    const struct race *race = exchange->race;
    const struct upstreams *upstreams = exchange->upstreams;
    uint64_t now_ns = race->loop->now_ns;
    /* Who races has chosen to pay for it. */
    bool busy = race->busy && exchange->plan.mode != HEDGE_MODE_RACE;
    if (busy || is_crowded(race))
        return refuse(exchange, SUPPRESS_OVERLOAD);
    if (!budgeted(exchange, HEDGE_DELAY))
        return true;
    if (upstreams->batch.boards[exchange->model->index].slowdown)
        return refuse(exchange, SUPPRESS_SLOWDOWN);
    if (budget_failing(budget_of(exchange), now_ns))
        return refuse(exchange, SUPPRESS_ERRORS);
    return true;
}

/* Where hedges have no budget a rescue is a retry: something has to pay for it. */
static bool is_retry(const struct exchange *exchange, enum hedge_trigger trigger) {
    return trigger == HEDGE_FAILURE || (trigger == HEDGE_STALL && !budgeted(exchange, trigger));
}

static bool take_budget(struct exchange *exchange, enum hedge_trigger trigger) {
    double reserved = 0;
    bool money = false;
    if (is_retry(exchange, trigger))
        return budget_take_retry(budget_of(exchange)) || refuse_retry(exchange);
    if (!budgeted(exchange, trigger))
        return true;
    /* Also a token that was there all the time, and held back by haste, is for who came first. */
    if (may_wait(exchange, trigger) && !list_linked(&exchange->waiting))
        serve_model(exchange);
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
    if (is_retry(exchange, trigger))
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
                     enum hedge_trigger trigger, struct quota_ticket *ticket,
                     enum suppress *elsewhere) {
    bool spare = trigger == HEDGE_DELAY;
    uint64_t wait_ns, *least_ns = &exchange->room_wait_ns;
    enum quota_verdict verdict =
        quota_take(&exchange->upstreams->quota, backend, permit_need(exchange), spare,
                   exchange->race->loop->now_ns, ticket, &wait_ns);
    if (verdict == QUOTA_ROOM)
        return true;
    enum suppress reason = verdict == QUOTA_CONCURRENCY ? SUPPRESS_OVERLOAD : SUPPRESS_QUOTA;
    if (spare) {
        *elsewhere = reason;
        return false;
    }
    *least_ns = *least_ns ? min_u64(*least_ns, wait_ns) : wait_ns;
    return refuse(exchange, reason);
}

bool permit_take(struct exchange *exchange, const struct config_backend *backend,
                 enum hedge_trigger trigger, struct quota_ticket *ticket,
                 enum suppress *elsewhere) {
    if (trigger == HEDGE_DELAY &&
        (!is_bearable(exchange) || !is_well(exchange, backend, elsewhere)))
        return false;
    if (!take_budget(exchange, trigger)) {
        if (trigger == HEDGE_STALL)
            exchange->stall.why = STALL_BUDGET; /* what the client is told */
        return false;
    }
    if (!has_room(exchange, backend, trigger, ticket, elsewhere)) {
        put_budget(exchange, trigger);
        return false;
    }
    if (trigger == HEDGE_DELAY)
        permit_leave(exchange);
    return true;
}

void permit_refused(struct exchange *exchange, enum suppress reason) { refuse(exchange, reason); }

void permit_give_back(struct exchange *exchange, enum hedge_trigger trigger,
                      struct quota_ticket *ticket) {
    quota_put(ticket, exchange->race->loop->now_ns);
    put_budget(exchange, trigger);
}

unsigned permit_hedges(const struct exchange *exchange) {
    unsigned count = 0;
    for (unsigned i = 0; i < exchange->attempt_count; i++)
        count += is_hedge(exchange->attempts[i]->trigger);
    return count;
}

void permit_end(struct exchange *exchange, uint64_t won_pico, uint64_t wasted_pico) {
    const struct attempt *winner = exchange->winner;
    /* An empty answer, or one that broke off, pays for no retry: every backend might give those. */
    bool answered = winner && winner->content && !fail_sick(winner->why);
    budget_on_end(budget_of(exchange), answered, exchange->model->hedge.cost_budget, won_pico,
                  wasted_pico, exchange->reserved_pico);
    exchange->reserved_pico = 0;
}
