/* account.c - the bounds on extra attempts. See account.h.
 *
 * For each model, over all its requests, however they ended and whatever failed, and from any moment to any other:
 *
 *     started by delay      <= BUDGET_BURST + request_budget x requests
 *     started by failure    <= BUDGET_RETRIES + answers
 *     by delay in ten s     <= BUDGET_WORST x request_budget x requests in ten s, or one
 *
 * so that what was saved up in good times is no more than a burst in bad ones. A reload takes over what is left, and what
 * is in flight goes on with the old: one burst more. */
#include "tests/sim/account.h"

#include <stdlib.h>

#include "appliance/race/budget.h"
#include "tests/sim/world.h"

/* Double sums of shares like 0.05, by another order than the engine's. */
#define ROUNDING 1e-6
/* An attempt may have been started so long before its cloud saw it: it had to dial, or waited for a connection. */
#define WAY_NS SIM_MS(1500)
/* The engine's end of a request may come so long behind its client's. */
#define HOME_NS  SIM_MS(1500)
#define HASTE_NS SIM_MS(7400)

/* Moments, in order. */
struct moments {
    uint64_t *at_ns;
    unsigned count;
};

struct account {
    struct moments requests;
    struct moments answered, over; /* earliest and latest that an answer may have been counted */
    struct moments by_delay;       /* attempts that nothing but a delay explains */
    struct moments by_failure;     /* ... nothing but a failure does */
    struct moments extra;          /* all, of requests that are bound in both */
};

static bool only_mode(const struct request *request, unsigned mode) {
    return request->mode_wished ? request->mode == mode : request->model->modes == 1u << mode;
}

static bool mode_may_be(const struct request *request, unsigned mode) {
    return request->mode_wished ? request->mode == mode : request->model->modes & 1u << mode;
}

/* May attempts that were started by delay be beyond the budget? */
static bool is_free(const struct request *request) {
    return mode_may_be(request, HEDGE_MODE_RACE) ||
           (mode_may_be(request, HEDGE_MODE_FIXED) && !request->model->fixed_is_bound);
}

/* ---- what happened when ---- */

static void note(struct moments *moments, uint64_t at_ns) {
    moments->at_ns[moments->count++] = at_ns;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sort(struct moments *moments) {
    qsort(moments->at_ns, moments->count, sizeof *moments->at_ns, compare);
}

/* Of them before at_ns. */
static unsigned count_before(const struct moments *moments, uint64_t at_ns) {
    unsigned low = 0, high = moments->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (moments->at_ns[middle] < at_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* An answer, as a budget sees it: a cloud gave content. */
static void note_answer(struct account *account, const struct request *request) {
    uint64_t first_ns = UINT64_MAX;
    for (unsigned i = 0; i < request->reply_count; i++) {
        const struct reply *reply = request->replies[i];
        if (reply->content_ns)
            first_ns = min_u64(first_ns, reply->begin_ns);
    }
    if (first_ns == UINT64_MAX)
        return;
    note(&account->answered, first_ns);
    note(&account->over, max_u64(request->done_ns, request->left_ns) + HOME_NS);
}

/* Sent once more on a new connection, or gone on for a winner that stalled or broke off: no retry of the budget's. */
static unsigned not_counted(const struct request *request) {
    unsigned count = request->reply_count - request->attempts;
    if (request->model->stalls <= 1u << ON_STALL_FAIL)
        return count;
    for (unsigned i = 0; i < request->reply_count; i++)
        count += request->replies[i]->content && !request->replies[i]->whole;
    return count;
}

static void note_extra(struct account *account, const struct request *request) {
    unsigned skipped = not_counted(request);
    for (unsigned i = 1; i < request->reply_count; i++) {
        const struct reply *reply = request->replies[i];
        if (reply->by_delay && !is_free(request))
            note(&account->by_delay, reply->begin_ns);
        if (only_mode(request, HEDGE_MODE_OFF))
            note(&account->by_failure, reply->begin_ns); /* rescues too: they are retries there */
        if (i <= skipped)
            continue;
        if (!is_free(request))
            note(&account->extra, reply->begin_ns);
    }
}

static void note_request(struct account *account, const struct request *request) {
    if (request->sent_ns)
        note(&account->requests, request->sent_ns);
    note_answer(account, request);
    note_extra(account, request);
}

/* ---- the bounds ---- */

/* What the budgets may have been given between two moments of the clouds' clock. */
static double hedges_between(const struct world_model *model, const struct account *account,
                             uint64_t from_ns, uint64_t to_ns) {
    unsigned requests = count_before(&account->requests, to_ns + 1) -
                        count_before(&account->requests, from_ns - WAY_NS);
    return BUDGET_BURST + model->budget_max * requests + ROUNDING;
}

static double retries_between(const struct account *account, uint64_t from_ns, uint64_t to_ns) {
    unsigned before = count_before(&account->over, from_ns - WAY_NS);
    unsigned answers = count_before(&account->answered, to_ns + 1);
    return BUDGET_RETRIES + (answers > before ? answers - before : 0);
}

static void judge(const struct world_model *model, const struct account *account,
                  const struct moments *moments, bool hedges, bool retries) {
    double more = world.reloaded_ns ? BUDGET_BURST * hedges + BUDGET_RETRIES * retries : 0;
    for (unsigned i = 0; i < moments->count; i++)
        for (unsigned k = i; k < moments->count; k++) {
            uint64_t from_ns = moments->at_ns[i], to_ns = moments->at_ns[k];
            double most = more;
            most += hedges ? hedges_between(model, account, from_ns, to_ns) : 0;
            most += retries ? retries_between(account, from_ns, to_ns) : 0;
            if (k - i + 1 > most)
                sim_fail("budget", "model %s: %u attempts by %s%s%s within %.3f s, at most %.1f",
                         model->name, k - i + 1, hedges ? "delay" : "",
                         hedges && retries ? " and " : "", retries ? "failure" : "",
                         (double)(to_ns - from_ns) / 1e9, most);
        }
}

/* The budget's ten seconds are whole ones, so that they reach back nine at least: starts that lie within HASTE_NS and the
 * way to the clouds are in the same ten. */
static void judge_haste(const struct world_model *model, const struct account *account) {
    const struct moments *hedges = &account->by_delay;
    for (unsigned i = 0; i < hedges->count; i++)
        for (unsigned k = i; k < hedges->count; k++) {
            uint64_t from_ns = hedges->at_ns[i], to_ns = hedges->at_ns[k];
            if (to_ns - from_ns > HASTE_NS)
                break;
            unsigned requests =
                count_before(&account->requests, to_ns + 1) -
                count_before(&account->requests, to_ns - WAY_NS - BUDGET_SECONDS * NS_PER_S);
            double most = BUDGET_WORST * model->budget_max * requests;
            if (k - i + 1 > (most > 1 ? most : 1) + ROUNDING)
                sim_fail("budget", "model %s: %u attempts by delay within %.3f s, of %u requests",
                         model->name, k - i + 1, (double)(to_ns - from_ns) / 1e9, requests);
        }
}

static struct moments room(unsigned count) {
    return (struct moments){.at_ns = sim_alloc((count + 1) * sizeof(uint64_t))};
}

void account_judge(struct request *const *requests, unsigned count) {
    for (unsigned m = 0; m < world.model_count; m++) {
        const struct world_model *model = &world.models[m];
        struct account account = {.requests = room(count),
                                  .answered = room(count),
                                  .over = room(count),
                                  .by_delay = room(count * REPLIES_MAX),
                                  .by_failure = room(count * REPLIES_MAX),
                                  .extra = room(count * REPLIES_MAX)};
        for (unsigned i = 0; i < count; i++)
            if (requests[i]->ask == ASK_CHAT && requests[i]->model == model)
                note_request(&account, requests[i]);
        struct moments *all[] = {&account.requests, &account.answered,   &account.over,
                                 &account.by_delay, &account.by_failure, &account.extra};
        for (unsigned i = 0; i < countof(all); i++)
            sort(all[i]);
        judge(model, &account, &account.by_delay, true, false);
        if (!world.reloaded_ns)
            judge_haste(model, &account);
        judge(model, &account, &account.by_failure, false, true);
        judge(model, &account, &account.extra, true, true);
    }
}
