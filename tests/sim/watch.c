/* watch.c - invariants of hedging that only the engine's own state shows. See watch.h.
 *
 *   slowdown   while all clouds are known to be slow no adaptive hedge starts
 *   queue      who waits for a token is undecided, and of those who wait the oldest is served, unless backends refuse it
 *   books      tokens taken = hedges started; retries left = what they were, less those started, and answers
 *   racing     the list of those who race has them all, and nobody else
 *   samples    what is learnt as a first-token time was one; losers that were cut off are not
 *   money      a winner costs what its cloud has counted, at the cloud's price; when a hedge starts, all losers so far have
 *              cost no more than the budget's share of all winners so far, and what is set aside for hedges under way */
#include "tests/sim/watch.h"

#include "appliance/race/cost.h"
#include "tests/sim/world.h"

/* Sums of doubles in another order than the engine's. */
#define ROUNDING 1e-6

/* What the budget of a model was asked for, over exchanges that are over. */
struct book {
    uint64_t hedges, retries;
    double won_pico, wasted_pico, dearest_pico; /* of one request's losers */
};

static struct race *race;
static struct book books[MODELS_MAX], books_before[MODELS_MAX];
static bool slow_before[MODELS_MAX];
static uint64_t refused_before[MODELS_MAX]; /* hedges, by limits of their backends */
/* By backend: samples of whole times that were handed in, and attempts that gave content, of exchanges that are over. */
static unsigned told[MODELS_MAX][CLOUDS_MAX], gave[MODELS_MAX][CLOUDS_MAX];
static unsigned samples_before;

void watch_begin(struct race *of) {
    race = of;
    memset(books, 0, sizeof books);
    memset(books_before, 0, sizeof books_before);
    memset(told, 0, sizeof told);
    memset(gave, 0, sizeof gave);
    samples_before = 0;
}

static const struct config_model *model_of(const struct exchange *exchange) {
    return exchange->attempt_count > 0 ? exchange->model : NULL;
}

static bool is_budgeted(const struct exchange *exchange) {
    if (exchange->plan.mode == HEDGE_MODE_RACE)
        return false;
    return exchange->plan.mode == HEDGE_MODE_ADAPTIVE ||
           exchange->model->hedge.request_budget_given;
}

static unsigned count_trigger(const struct exchange *exchange, enum hedge_trigger trigger) {
    unsigned count = 0;
    for (unsigned i = 0; i < exchange->attempt_count; i++)
        count += exchange->attempts[i]->trigger == trigger;
    return count;
}

static void enter(struct book *book, const struct exchange *exchange) {
    unsigned rescues = count_trigger(exchange, HEDGE_STALL);
    book->retries += count_trigger(exchange, HEDGE_FAILURE);
    if (is_budgeted(exchange))
        book->hedges += count_trigger(exchange, HEDGE_DELAY) + rescues;
    else
        book->retries += rescues;
}

static void enter_money(struct book *book, const struct exchange *exchange) {
    double wasted_pico = 0;
    for (unsigned i = 0; i < exchange->attempt_count; i++) {
        const struct attempt *attempt = exchange->attempts[i];
        *(cost_is_wasted(attempt) ? &wasted_pico : &book->won_pico) +=
            (double)cost_of(attempt).pico;
    }
    /* Of requests without a hedge it was failures, and clients that left. */
    if (count_trigger(exchange, HEDGE_DELAY) + count_trigger(exchange, HEDGE_STALL) == 0)
        return;
    book->wasted_pico += wasted_pico;
    if (wasted_pico > book->dearest_pico)
        book->dearest_pico = wasted_pico;
}

/* ---- books ---- */

static void check_books(void) {
    struct book now[MODELS_MAX];
    memcpy(now, books, sizeof now);
    list_each (node, &race->exchanges) {
        const struct exchange *exchange = container_of(node, struct exchange, link);
        if (model_of(exchange))
            enter(&now[exchange->model->index], exchange);
    }
    for (unsigned m = 0; m < world.model_count; m++) {
        const struct budget *budget = &race->current->budgets[m];
        if (budget->taken != now[m].hedges)
            sim_fail("books", "model %u: %llu tokens were taken, and %llu hedges started", m,
                     (unsigned long long)budget->taken, (unsigned long long)now[m].hedges);
        if (budget->retries + (double)now[m].retries < BUDGET_RETRIES)
            sim_fail("books", "model %u: %.0f retries are left after %llu", m, budget->retries,
                     (unsigned long long)now[m].retries);
    }
}

/* ---- who races ---- */

static void check_racing(void) {
    unsigned racing = 0, listed = 0;
    list_each (node, &race->racing) {
        const struct exchange *exchange = container_of(node, struct exchange, racing);
        listed++;
        if (exchange->state != EXCHANGE_RACING || exchange->winner)
            sim_fail("racing", "an exchange is listed that does not race");
    }
    list_each (node, &race->exchanges)
        racing += container_of(node, struct exchange, link)->state == EXCHANGE_RACING;
    if (racing != listed)
        sim_fail("racing", "%u exchanges race, and %u are listed", racing, listed);
}

/* ---- samples ---- */

static void add_content(unsigned into[MODELS_MAX][CLOUDS_MAX], const struct exchange *exchange) {
    for (unsigned i = 0; i < exchange->attempt_count; i++) {
        const struct config_backend *backend = exchange->attempts[i]->backend;
        into[backend->model_index][backend->index] += exchange->attempts[i]->content;
    }
}

/* Those that a tick of the same turn has taken away are missed, which errs on the safe side. */
static void check_samples(void) {
    const struct learner_batch *batch = &race->current->batch;
    unsigned now[MODELS_MAX][CLOUDS_MAX];
    for (unsigned i = batch->count < samples_before ? 0 : samples_before; i < batch->count; i++)
        told[batch->samples[i].model][batch->samples[i].sample.backend] +=
            !batch->samples[i].sample.cut;
    samples_before = batch->count;
    memcpy(now, gave, sizeof now);
    list_each (node, &race->exchanges)
        add_content(now, container_of(node, struct exchange, link));
    for (unsigned m = 0; m < MODELS_MAX; m++)
        for (unsigned b = 0; b < CLOUDS_MAX; b++)
            if (told[m][b] > now[m][b])
                sim_fail("samples", "model %u, cloud %u: %u first-token times are learnt, of %u", m,
                         b, told[m][b], now[m][b]);
}

/* ---- what may start, and who is next ---- */

static void check_slowdown(const struct exchange *exchange, const struct request *request) {
    unsigned m = exchange->model->index;
    if (exchange->plan.mode == HEDGE_MODE_ADAPTIVE && slow_before[m] &&
        race->current->batch.boards[m].slowdown)
        sim_fail("slowdown", "request %u was hedged although all clouds are slow", request->n);
}

/* Hedges in flight at some moment of this turn, but for the one in question: those that are, and those that have ended in
 * it. */
static double set_aside(unsigned m) {
    uint64_t hedges = books[m].hedges - books_before[m].hedges;
    list_each (node, &race->exchanges) {
        const struct exchange *exchange = container_of(node, struct exchange, link);
        struct book book = {0};
        if (model_of(exchange) && exchange->model->index == m)
            enter(&book, exchange);
        hedges += book.hedges;
    }
    return (double)(hedges - 1) * books[m].dearest_pico;
}

static void check_money(const struct exchange *exchange, const struct request *request) {
    unsigned m = exchange->model->index;
    double share = exchange->model->hedge.cost_budget;
    if (!world.priced || world.reloaded_ns || !is_budgeted(exchange) || books[m].won_pico <= 0)
        return;
    double most = share * books[m].won_pico + set_aside(m);
    if (books_before[m].wasted_pico > most * (1 + ROUNDING))
        sim_fail(
            "money",
            "request %u was hedged when losers had cost %.0f, winners %.0f at %.3f; set aside %.0f",
            request->n, books_before[m].wasted_pico, books[m].won_pico, share, set_aside(m));
    if (books_before[m].wasted_pico > 0)
        sim_mark(MARK_HEDGE_COST);
}

static uint64_t refused_by_backends(const struct upstreams *upstreams, unsigned m) {
    const uint64_t *suppressed = upstreams->models[m].suppressed;
    return suppressed[SUPPRESS_QUOTA] + suppressed[SUPPRESS_OVERLOAD];
}

/* `request` was hedged, out of the queue or past it: nobody is left in it who had come before, and was not refused. */
static void check_oldest(const struct exchange *served, const struct request *request) {
    unsigned m = served->model->index;
    const struct list *queue = &served->upstreams->waiting[m];
    uint64_t since_ns = request->queued_ns ? request->queued_ns : sim.now_ns;
    if (request->queued_ns)
        sim_mark(MARK_QUEUE_SERVED);
    if (served->upstreams != race->current ||
        refused_by_backends(race->current, m) != refused_before[m])
        return;
    list_each (node, queue) {
        const struct request *other =
            world_request_of(container_of(node, struct exchange, waiting));
        if (other->queued_ns && other->queued_ns < since_ns)
            sim_fail("queue", "request %u was served before request %u, which waits longer",
                     request->n, other->n);
        if (request->queued_ns)
            sim_mark(MARK_QUEUE_OLDEST);
    }
}

static void check_started(const struct exchange *exchange, struct request *request) {
    unsigned hedges = count_trigger(exchange, HEDGE_DELAY);
    bool started = hedges > request->hedges_made;
    request->hedges_made = hedges;
    if (!started)
        return;
    if (exchange->upstreams == race->current)
        check_slowdown(exchange, request);
    check_money(exchange, request);
    bool in_turn = exchange->plan.mode == HEDGE_MODE_ADAPTIVE && !exchange->plan.fair;
    if (in_turn && !list_linked(&exchange->waiting))
        check_oldest(exchange, request);
}

static void note_queued(const struct exchange *exchange, struct request *request) {
    bool waits = list_linked(&exchange->waiting);
    if (waits && (exchange->state != EXCHANGE_RACING || exchange->winner))
        sim_fail("queue", "request %u waits for a hedge and is decided", request->n);
    if (!waits)
        request->queued_ns = 0;
    else if (!request->queued_ns)
        request->queued_ns = sim.now_ns;
}

void watch_before(void) {
    for (unsigned m = 0; race->current && m < world.model_count; m++) {
        slow_before[m] = race->current->batch.boards[m].slowdown;
        refused_before[m] = refused_by_backends(race->current, m);
    }
    memcpy(books_before, books, sizeof books_before);
}

void watch_after(void) {
    if (!race->current)
        return;
    check_racing();
    list_each (node, &race->exchanges) {
        const struct exchange *exchange = container_of(node, struct exchange, link);
        struct request *request = world_request_of(exchange);
        if (request && model_of(exchange))
            check_started(exchange, request);
    }
    list_each (node, &race->exchanges) {
        const struct exchange *exchange = container_of(node, struct exchange, link);
        struct request *request = world_request_of(exchange);
        if (request && model_of(exchange))
            note_queued(exchange, request);
    }
    if (world.reloaded_ns)
        return;
    check_books();
    check_samples();
}

/* ---- an exchange that is over ---- */

/* Nothing is known to be gained, so that only one that hangs is asked elsewhere. */
static bool not_worth(const struct exchange *exchange) {
    const struct config_backend *const *backends = exchange->plan.backends;
    const struct learn_board *board = &exchange->upstreams->batch.boards[exchange->model->index];
    return learn_advice(board, backends[0]->index, exchange->kind, backends[1]->index)->delay_ns ==
           UINT64_MAX;
}

static void mark_plan(const struct exchange *exchange) {
    const struct plan *plan = &exchange->plan;
    uint64_t configured_ns = exchange->model->hedge.delay_ns;
    if (plan->mode != HEDGE_MODE_ADAPTIVE || plan->own_count - plan->ejected_count < 2)
        return;
    if (plan->fair)
        sim_mark(MARK_SAMPLE);
    else if (not_worth(exchange))
        sim_mark(MARK_NOT_WORTH);
    else if (plan->delay_ns > 2 * configured_ns || plan->delay_ns < configured_ns / 2)
        sim_mark(MARK_ADVISED);
}

static void mark_reasons(const struct exchange *exchange) {
    static const enum sim_mark marks[SUPPRESS_COUNT] = {
        [SUPPRESS_BUDGET] = MARK_BUDGET_EMPTY,
        [SUPPRESS_COST] = MARK_SUPPRESS_COST,
        [SUPPRESS_OVERLOAD] = MARK_SUPPRESS_OVERLOAD,
        [SUPPRESS_QUOTA] = MARK_SUPPRESS_QUOTA,
        [SUPPRESS_RESIDENCY] = MARK_SUPPRESS_RESIDENCY,
        [SUPPRESS_SLOWDOWN] = MARK_SUPPRESS_SLOWDOWN,
        [SUPPRESS_ERRORS] = MARK_SUPPRESS_ERRORS,
        [SUPPRESS_RETRIES] = MARK_SUPPRESS_RETRIES};
    const struct race_model_stats *stats = &exchange->upstreams->models[exchange->model->index];
    for (unsigned k = 0; k < SUPPRESS_COUNT; k++)
        if (stats->suppressed[k])
            sim_mark(marks[k]);
}

/* By the cloud's own count, where it was told, and by one answer. */
static void check_cost(const struct request *request, const struct exchange *exchange) {
    const struct attempt *attempt = exchange->winner;
    const struct reply *reply = NULL;
    if (!attempt || !attempt->whole || !attempt->reader.usage.known || request->rescues)
        return;
    for (unsigned i = 0; i < request->reply_count; i++) {
        if (request->replies[i]->cloud->index != attempt->backend->provider->index)
            continue;
        if (reply)
            return;
        reply = request->replies[i];
    }
    const struct config_price *price =
        reply && reply->whole && !reply->usage_unsaid ? &clouds[reply->cloud->index].price : NULL;
    if (!price || !price->known)
        return;
    uint64_t pico = (reply->input_tokens - reply->cached_tokens) * price->input_pico +
                    reply->cached_tokens * price->cached_input_pico +
                    reply->tokens * price->output_pico;
    if (cost_of(attempt).pico != pico)
        sim_fail("money", "request %u: A%u costs %llu pico-dollars, and is said to cost %llu",
                 request->n, reply->n, (unsigned long long)pico,
                 (unsigned long long)cost_of(attempt).pico);
    sim_mark(MARK_COST_CHECKED);
}

void watch_finished(struct request *request, const struct exchange *exchange) {
    if (exchange->model)
        mark_reasons(exchange);
    if (!model_of(exchange))
        return;
    enter(&books[exchange->model->index], exchange);
    enter_money(&books[exchange->model->index], exchange);
    add_content(gave, exchange);
    mark_plan(exchange);
    if (!request)
        return;
    request->attempts_made = exchange->attempt_count;
    request->hedges_made = count_trigger(exchange, HEDGE_DELAY);
    check_cost(request, exchange);
}
