/* hedge.c - the race of one request, as data. (pure)
 *
 * Owns:     nothing; the struct is the exchange's, the plan is borrowed.
 * Promises: at most one COMMIT, and one more for each stall; after a COMMIT no START but to rescue,
 *           after a decision none; attempts within the plan's limits; each started attempt is ended
 *           by report, or cancelled, once; FAIL once, unless the winner's answer is whole; wake_ns is
 *           in the future.
 * Refuses:  reports that cannot be (CHECK): of an attempt that was never started, of a whole answer
 *           without content, of a lost attempt that was not cancelled. */
#include "appliance/race/hedge.h"

#include <assert.h>

#include "core/base.h"

#define NEVER UINT64_MAX

static_assert(PLAN_BACKENDS_MAX <= 32, "struct hedge keeps backends in 32-bit sets");

static uint64_t add_ns(uint64_t at_ns, uint64_t ns) {
    return ns < NEVER - at_ns ? at_ns + ns : NEVER;
}

/* The end of a clock that began at from_ns; a limit of 0 is none. */
static uint64_t limit_ns(uint64_t from_ns, uint64_t limit) {
    return limit ? add_ns(from_ns, limit) : NEVER;
}

static uint64_t total_at_ns(const struct hedge *h) {
    return limit_ns(h->begin_ns, h->plan->timeouts.total_ns);
}

static struct hedge_attempt *attempt_at(struct hedge *h, unsigned attempt) {
    CHECK(attempt < h->started);
    return &h->attempts[attempt];
}

/* ---- states ---- */

static bool may_follow(enum hedge_attempt_state from, enum hedge_attempt_state to) {
    switch (from) {
    case HEDGE_UNSTARTED: return to == HEDGE_RUNNING;
    case HEDGE_RUNNING: return to == HEDGE_UNSTARTED || to == HEDGE_ANSWERED || to == HEDGE_ENDED;
    case HEDGE_ANSWERED: return to == HEDGE_WHOLE || to == HEDGE_COMMITTED || to == HEDGE_ENDED;
    case HEDGE_WHOLE: return to == HEDGE_ENDED;
    case HEDGE_COMMITTED: return to == HEDGE_ENDED;
    case HEDGE_ENDED: return false;
    }
    return false;
}

/* Does the attempt still cost anything upstream? Then it is cancelled when it is not wanted. */
static bool is_live(enum hedge_attempt_state state) {
    return state == HEDGE_RUNNING || state == HEDGE_ANSWERED || state == HEDGE_COMMITTED;
}

static void set_state(struct hedge *h, struct hedge_attempt *a, enum hedge_attempt_state to) {
    CHECK(may_follow(a->state, to));
    h->running -= is_live(a->state);
    h->running += is_live(to);
    a->state = to;
}

static void end_attempt(struct hedge *h, unsigned attempt, enum fail why) {
    struct hedge_attempt *a = attempt_at(h, attempt);
    set_state(h, a, HEDGE_ENDED);
    a->why = why;
}

static void decide(struct hedge *h, enum fail why, unsigned shown) {
    CHECK(!h->decided && h->leader == HEDGE_NOBODY);
    h->decided = true;
    h->why = why;
    h->shown = shown;
}

/* ---- which backend next ---- */

static bool has(uint32_t set, unsigned backend) { return set >> backend & 1; }

static unsigned own_started(const struct hedge *h) {
    unsigned count = 0;
    for (unsigned k = 0; k < h->started; k++)
        count += h->attempts[k].backend < h->plan->own_count;
    return count;
}

static unsigned first_unused(const struct hedge *h, unsigned from, unsigned to) {
    for (unsigned b = from; b < to; b++)
        if (!has(h->used, b))
            return b;
    return HEDGE_NOBODY;
}

static bool own_room(const struct hedge *h) { return own_started(h) < h->plan->attempts_max; }

static bool any_room(const struct hedge *h) {
    return h->started < h->plan->attempts_max + h->plan->fallback_attempts;
}

/* By delay: the model's own in good health, each at most once. */
static unsigned pick_by_delay(const struct hedge *h) {
    if (h->delay_ns == NEVER || !own_room(h))
        return HEDGE_NOBODY;
    unsigned usable = h->plan->own_count - h->plan->ejected_count;
    for (unsigned b = 0; b < usable; b++)
        if (!has(h->used | h->passed, b))
            return b;
    return HEDGE_NOBODY;
}

/* Is the same backend worth a second try? When the connection broke, a new one may hold; when the
 * provider asks to try again (409, 425), or we had no connection free, nothing is wrong with it.
 * Not after a 429: asking again at once costs quota and is refused again. */
static bool worth_again(enum fail why) {
    return why == FAIL_CONNECT || why == FAIL_CONNECT_TIMEOUT || why == FAIL_RESET ||
           why == FAIL_CLOSED || why == FAIL_POOL || why == FAIL_UPSTREAM_CONFLICT;
}

static unsigned pick_again(const struct hedge *h) {
    for (unsigned k = 0; k < h->started; k++) {
        const struct hedge_attempt *a = &h->attempts[k];
        bool own = a->backend < h->plan->own_count;
        if (a->state != HEDGE_ENDED || !worth_again(a->why) || has(h->used_again, a->backend))
            continue;
        if (own ? own_room(h) : h->running == 0)
            return a->backend;
    }
    return HEDGE_NOBODY;
}

/* The first, and after a failure. */
static unsigned pick_at_once(const struct hedge *h) {
    const struct plan *plan = h->plan;
    if (!any_room(h))
        return HEDGE_NOBODY;
    unsigned own = own_room(h) ? first_unused(h, 0, plan->own_count) : HEDGE_NOBODY;
    if (own != HEDGE_NOBODY)
        return own;
    unsigned fallback = first_unused(h, plan->own_count, plan->backend_count);
    if (fallback != HEDGE_NOBODY)
        return h->running == 0 ? fallback : HEDGE_NOBODY;
    return pick_again(h);
}

/* To go on for a winner: whoever was not asked yet. One whose connection had failed is not tried
 * again, for the client waits in the middle of its answer. */
static unsigned pick_rescue(const struct hedge *h) {
    const struct plan *plan = h->plan;
    if (!any_room(h))
        return HEDGE_NOBODY;
    unsigned own = own_room(h) ? first_unused(h, 0, plan->own_count) : HEDGE_NOBODY;
    return own != HEDGE_NOBODY ? own : first_unused(h, plan->own_count, plan->backend_count);
}

/* ---- reports ---- */

void hedge_init(struct hedge *h, const struct plan *plan, uint64_t now_ns) {
    CHECK(plan->own_count >= 1 && plan->own_count <= plan->backend_count);
    CHECK(plan->backend_count <= PLAN_BACKENDS_MAX && plan->ejected_count <= plan->own_count);
    CHECK(plan->attempts_max >= 1);
    CHECK(plan->attempts_max + plan->fallback_attempts <= ATTEMPTS_MAX);
    *h = (struct hedge){
        .plan = plan,
        .begin_ns = now_ns,
        .starts_due = 1,
        .delay_ns = plan->delay_ns,
        .hedge_at_ns = NEVER,
        .leader = HEDGE_NOBODY,
        .winner = HEDGE_NOBODY,
        .shown = HEDGE_NOBODY,
    };
    if (plan->mode == HEDGE_MODE_OFF)
        h->delay_ns = NEVER;
    if (plan->mode == HEDGE_MODE_RACE)
        h->delay_ns = 0;
}

const struct config_backend *hedge_backend(const struct hedge *h, unsigned attempt) {
    CHECK(attempt < h->started);
    return h->plan->backends[h->attempts[attempt].backend];
}

void hedge_on_head(struct hedge *h, unsigned attempt, uint64_t now_ns) {
    (void)now_ns;
    attempt_at(h, attempt)->head = true;
}

void hedge_on_content(struct hedge *h, unsigned attempt, uint64_t now_ns) {
    (void)now_ns;
    struct hedge_attempt *a = attempt_at(h, attempt);
    if (a->state != HEDGE_RUNNING || h->decided)
        return;
    set_state(h, a, HEDGE_ANSWERED);
    if (h->leader == HEDGE_NOBODY)
        h->leader = attempt;
}

/* The leader broke off before its commit was asked for: nothing of it has reached the client, so
 * one that answered in the same turn may take its place. */
static unsigned next_leader(const struct hedge *h) {
    for (unsigned k = 0; k < h->started; k++)
        if (h->attempts[k].state == HEDGE_ANSWERED || h->attempts[k].state == HEDGE_WHOLE)
            return k;
    return HEDGE_NOBODY;
}

/* A refusal as invalid may be one of the unfinished turn that it was asked to go on with, which not
 * every model takes: another one may. */
static bool worth_another(const struct hedge *h, enum fail why) {
    return fail_retry(why) || (h->rescuing && why == FAIL_REFUSED);
}

static void on_failure(struct hedge *h, unsigned attempt, enum fail why) {
    end_attempt(h, attempt, why);
    if (h->leader == attempt)
        h->leader = next_leader(h);
    if (h->leader != HEDGE_NOBODY || h->decided)
        return;
    if (h->rescuing) {
        h->starts_due = worth_another(h, why);
        return;
    }
    if (fail_retry(why))
        h->starts_due++;
    else
        decide(h, why, attempt);
}

void hedge_on_end(struct hedge *h, unsigned attempt, enum fail why, uint64_t now_ns) {
    (void)now_ns;
    struct hedge_attempt *a = attempt_at(h, attempt);
    if (a->state == HEDGE_ENDED)
        return; /* it was cancelled, and now it is home */
    CHECK(why != FAIL_LOST && a->state != HEDGE_WHOLE);
    if (a->state == HEDGE_COMMITTED) {
        end_attempt(h, attempt, why);
        h->why = why;
        h->over = why == FAIL_NONE; /* else FAIL is to be said first */
        return;
    }
    if (why != FAIL_NONE) {
        on_failure(h, attempt, why);
        return;
    }
    /* A short answer: its content and its end came in one turn, and its commit is still due. */
    set_state(h, a, HEDGE_WHOLE);
}

void hedge_on_stall(struct hedge *h, unsigned attempt, enum fail why, uint64_t now_ns) {
    (void)now_ns;
    CHECK(attempt == h->winner && !h->over && !h->rescuing && fail_rescue(why));
    if (attempt_at(h, attempt)->state == HEDGE_ENDED)
        return; /* it was cancelled (total), and now it is home */
    end_attempt(h, attempt, why);
    h->why = why;
    h->leader = HEDGE_NOBODY;
    h->rescuing = true;
    h->rescue_from = h->started;
    h->starts_due = 1;
}

/* The last start, by delay, was not to be. The backend was not at fault: after a failure it may be
 * asked. */
static void take_back_delay(struct hedge *h, unsigned attempt) {
    struct hedge_attempt *a = attempt_at(h, attempt);
    CHECK(attempt == h->started - 1 && a->trigger == HEDGE_DELAY);
    h->used &= ~(UINT32_C(1) << a->backend);
    set_state(h, a, HEDGE_UNSTARTED);
    h->started--;
}

bool hedge_on_passed(struct hedge *h, unsigned attempt, uint64_t now_ns) {
    h->passed |= UINT32_C(1) << attempt_at(h, attempt)->backend;
    take_back_delay(h, attempt);
    bool more = pick_by_delay(h) != HEDGE_NOBODY;
    h->hedge_at_ns = more ? now_ns : NEVER;
    if (!more)
        h->delay_ns = NEVER;
    return more;
}

void hedge_on_denied(struct hedge *h, unsigned attempt, uint64_t now_ns) {
    (void)now_ns;
    struct hedge_attempt *a = attempt_at(h, attempt);
    CHECK(attempt == h->started - 1);
    if (a->trigger == HEDGE_DELAY) {
        h->delay_ns = h->hedge_at_ns = NEVER;
        take_back_delay(h, attempt);
        return;
    }
    h->starts_due++;
    set_state(h, a, HEDGE_UNSTARTED);
    h->started--;
}

void hedge_again(struct hedge *h, uint64_t now_ns) {
    if (h->leader != HEDGE_NOBODY || h->decided || h->hedge_at_ns != NEVER)
        return;
    h->delay_ns = h->plan->delay_ns;
    h->passed = 0; /* who had no room then may have it now */
    h->hedge_at_ns = pick_by_delay(h) != HEDGE_NOBODY ? now_ns : NEVER;
}

void hedge_on_unable(struct hedge *h, unsigned attempt, uint64_t now_ns) {
    struct hedge_attempt *a = attempt_at(h, attempt);
    CHECK(attempt == h->started - 1);
    if (a->trigger != HEDGE_DELAY)
        h->starts_due++;
    set_state(h, a, HEDGE_UNSTARTED);
    h->started--;
    if (a->trigger == HEDGE_DELAY)
        h->hedge_at_ns = pick_by_delay(h) != HEDGE_NOBODY ? now_ns : NEVER;
}

/* ---- steps ---- */

static struct hedge_step step_wait(uint64_t wake_ns) {
    return (struct hedge_step){.what = HEDGE_WAIT, .attempt = HEDGE_NOBODY, .wake_ns = wake_ns};
}

static struct hedge_step step_cancel(struct hedge *h, unsigned attempt, enum fail why) {
    end_attempt(h, attempt, why);
    return (struct hedge_step){.what = HEDGE_CANCEL, .attempt = attempt, .why = why};
}

static struct hedge_step step_fail(struct hedge *h, unsigned shown) {
    CHECK(!h->over && h->running == 0 && h->why != FAIL_NONE);
    h->over = true;
    return (struct hedge_step){.what = HEDGE_FAIL, .attempt = shown, .why = h->why};
}

/* A live attempt other than the winner, or HEDGE_NOBODY. */
static unsigned find_live(const struct hedge *h) {
    for (unsigned k = 0; k < h->started; k++)
        if (k != h->winner && is_live(h->attempts[k].state))
            return k;
    return HEDGE_NOBODY;
}

static struct hedge_step commit(struct hedge *h) {
    struct hedge_attempt *a = attempt_at(h, h->leader);
    h->winner = h->leader;
    h->rescuing = false;
    h->why = FAIL_NONE;
    h->starts_due = 0;
    h->hedge_at_ns = NEVER;
    if (a->state == HEDGE_WHOLE) {
        end_attempt(h, h->winner, FAIL_NONE);
        h->over = true;
    } else {
        set_state(h, a, HEDGE_COMMITTED);
    }
    for (unsigned k = 0; k < h->started; k++)
        if (h->attempts[k].state == HEDGE_WHOLE)
            end_attempt(h, k, FAIL_LOST); /* has ended by itself: nothing to cancel */
    return (struct hedge_step){.what = HEDGE_COMMIT, .attempt = h->winner};
}

static struct hedge_step next_after_commit(struct hedge *h, uint64_t now_ns) {
    unsigned loser = find_live(h);
    if (loser != HEDGE_NOBODY)
        return step_cancel(h, loser, FAIL_LOST);
    if (h->over)
        return step_wait(NEVER);
    if (h->attempts[h->winner].state == HEDGE_ENDED)
        return step_fail(h, h->winner);
    if (now_ns < total_at_ns(h))
        return step_wait(total_at_ns(h));
    h->why = FAIL_TOTAL;
    return step_cancel(h, h->winner, FAIL_TOTAL);
}

static struct hedge_step next_after_decision(struct hedge *h) {
    unsigned live = find_live(h);
    if (live != HEDGE_NOBODY)
        return step_cancel(h, live, h->why == FAIL_TOTAL ? FAIL_TOTAL : FAIL_LOST);
    return h->over ? step_wait(NEVER) : step_fail(h, h->shown);
}

static struct hedge_step start(struct hedge *h, unsigned backend, enum hedge_trigger trigger,
                               uint64_t now_ns) {
    uint32_t bit = UINT32_C(1) << backend;
    unsigned attempt = h->started++;
    h->attempts[attempt] = (struct hedge_attempt){
        .trigger = trigger,
        .backend = backend,
        .start_ns = now_ns,
    };
    h->used_again |= h->used & bit;
    h->used |= bit;
    set_state(h, &h->attempts[attempt], HEDGE_RUNNING);
    bool hedged = h->winner == HEDGE_NOBODY && pick_by_delay(h) != HEDGE_NOBODY;
    h->hedge_at_ns = hedged ? add_ns(now_ns, h->delay_ns) : NEVER;
    return (struct hedge_step){.what = HEDGE_START, .attempt = attempt, .trigger = trigger};
}

/* The end of the clock that runs out first for a RUNNING attempt. */
static uint64_t clock_ns(const struct hedge *h, const struct hedge_attempt *a, enum fail *why) {
    uint64_t first_token = limit_ns(a->start_ns, h->plan->timeouts.first_token_ns);
    uint64_t head = a->head ? NEVER : limit_ns(a->start_ns, h->plan->timeouts.head_ns);
    *why = head < first_token ? FAIL_HEAD_TIMEOUT : FAIL_FIRST_TOKEN;
    return min_u64(head, first_token);
}

/* An attempt whose time is over has failed: the next one starts at once. */
static bool expire(struct hedge *h, uint64_t now_ns, struct hedge_step *step) {
    enum fail why;
    for (unsigned k = 0; k < h->started; k++) {
        const struct hedge_attempt *a = &h->attempts[k];
        if (a->state != HEDGE_RUNNING || now_ns < clock_ns(h, a, &why))
            continue;
        *step = step_cancel(h, k, why);
        h->starts_due++;
        return true;
    }
    return false;
}

static bool start_at_once(struct hedge *h, uint64_t now_ns, struct hedge_step *step) {
    unsigned backend = h->starts_due > 0 ? pick_at_once(h) : HEDGE_NOBODY;
    if (backend == HEDGE_NOBODY) {
        h->starts_due = 0; /* what may still come (a fallback) comes with the next failure */
        return false;
    }
    h->starts_due--;
    *step = start(h, backend, h->started == 0 ? HEDGE_FIRST : HEDGE_FAILURE, now_ns);
    return true;
}

static bool start_by_delay(struct hedge *h, uint64_t now_ns, struct hedge_step *step) {
    if (now_ns < h->hedge_at_ns)
        return false;
    /* hedge_at_ns was set because there is one; since then only starts, which set it anew, could
     * have used it up. */
    unsigned backend = pick_by_delay(h);
    CHECK(backend != HEDGE_NOBODY);
    *step = start(h, backend, HEDGE_DELAY, now_ns);
    return true;
}

/* Which of several failures the client is told: a 429 only if all were, and then rather the one
 * that passes by waiting. */
static unsigned rank_of(enum fail why) {
    if (fail_status(why) != fail_status(FAIL_RATE_LIMITED))
        return 0;
    return why == FAIL_RATE_LIMITED ? 1 : 2;
}

/* Nothing runs and nothing is left to start. */
static void give_up(struct hedge *h) {
    unsigned shown = HEDGE_NOBODY;
    for (unsigned k = 0; k < h->started; k++)
        if (shown == HEDGE_NOBODY || rank_of(h->attempts[k].why) < rank_of(h->attempts[shown].why))
            shown = k;
    /* Not one was allowed to start: it is our own limits that the client ran into. */
    decide(h, shown == HEDGE_NOBODY ? FAIL_OVERLOAD : h->attempts[shown].why, shown);
}

static uint64_t wake_at_ns(const struct hedge *h) {
    uint64_t wake_ns = min_u64(total_at_ns(h), h->hedge_at_ns);
    enum fail why;
    for (unsigned k = 0; k < h->started; k++)
        if (h->attempts[k].state == HEDGE_RUNNING)
            wake_ns = min_u64(wake_ns, clock_ns(h, &h->attempts[k], &why));
    return wake_ns;
}

/* The winner is gone and its client waits: somebody goes on for it, or it is told. */
static struct hedge_step next_rescue(struct hedge *h, uint64_t now_ns) {
    struct hedge_step step;
    unsigned live = find_live(h);
    if (h->over)
        return step_wait(NEVER);
    if (live < h->rescue_from)
        return step_cancel(h, live, FAIL_LOST);
    if (h->leader != HEDGE_NOBODY)
        return commit(h);
    if (now_ns >= total_at_ns(h)) {
        h->why = FAIL_TOTAL;
        return live != HEDGE_NOBODY ? step_cancel(h, live, FAIL_TOTAL) : step_fail(h, h->winner);
    }
    if (expire(h, now_ns, &step))
        return step;
    if (live != HEDGE_NOBODY)
        return step_wait(wake_at_ns(h));
    unsigned backend = h->starts_due > 0 ? pick_rescue(h) : HEDGE_NOBODY;
    h->starts_due = 0;
    return backend != HEDGE_NOBODY ? start(h, backend, HEDGE_STALL, now_ns)
                                   : step_fail(h, h->winner);
}

struct hedge_step hedge_next(struct hedge *h, uint64_t now_ns) {
    struct hedge_step step;
    if (h->rescuing)
        return next_rescue(h, now_ns);
    if (h->winner != HEDGE_NOBODY)
        return next_after_commit(h, now_ns);
    if (h->leader != HEDGE_NOBODY)
        return commit(h);
    if (!h->decided && now_ns >= total_at_ns(h))
        decide(h, FAIL_TOTAL, HEDGE_NOBODY);
    if (h->decided)
        return next_after_decision(h);
    if (expire(h, now_ns, &step) || start_at_once(h, now_ns, &step) ||
        start_by_delay(h, now_ns, &step))
        return step;
    if (h->running > 0)
        return step_wait(wake_at_ns(h));
    give_up(h);
    return next_after_decision(h);
}

/* ---- what must hold, and names ---- */

void hedge_check(const struct hedge *h) {
    unsigned live = 0, committed = 0;
    for (unsigned k = 0; k < ATTEMPTS_MAX; k++) {
        const struct hedge_attempt *a = &h->attempts[k];
        CHECK((a->state == HEDGE_UNSTARTED) == (k >= h->started));
        CHECK(k >= h->started || (a->backend < h->plan->backend_count && has(h->used, a->backend)));
        live += is_live(a->state);
        committed += a->state == HEDGE_COMMITTED;
    }
    CHECK(live == h->running);
    CHECK(h->started <= h->plan->attempts_max + h->plan->fallback_attempts);
    CHECK(own_started(h) <= h->plan->attempts_max);
    CHECK((h->used & h->used_again) == h->used_again);
    CHECK(committed <= 1 && (committed == 0 || h->winner != HEDGE_NOBODY));
    CHECK(h->winner == HEDGE_NOBODY || h->rescuing || h->winner == h->leader);
    CHECK(!h->rescuing || (h->winner != HEDGE_NOBODY && h->why != FAIL_NONE));
    CHECK(!h->rescuing || h->attempts[h->winner].state == HEDGE_ENDED);
    CHECK(h->winner == HEDGE_NOBODY || h->attempts[h->winner].state == HEDGE_COMMITTED ||
          h->attempts[h->winner].state == HEDGE_ENDED);
    CHECK(h->hedge_at_ns == NEVER || pick_by_delay(h) != HEDGE_NOBODY);
    CHECK(!h->decided || (h->leader == HEDGE_NOBODY && h->why != FAIL_NONE));
    CHECK(!h->over || h->decided || h->winner != HEDGE_NOBODY);
}

const char *hedge_do_name(enum hedge_do what) {
    static const char *const names[] = {[HEDGE_WAIT] = "wait",
                                        [HEDGE_START] = "start",
                                        [HEDGE_CANCEL] = "cancel",
                                        [HEDGE_COMMIT] = "commit",
                                        [HEDGE_FAIL] = "fail"};
    CHECK((unsigned)what < countof(names));
    return names[what];
}

const char *hedge_trigger_name(enum hedge_trigger trigger) {
    static const char *const names[] = {[HEDGE_FIRST] = "first",
                                        [HEDGE_DELAY] = "delay",
                                        [HEDGE_FAILURE] = "failure",
                                        [HEDGE_STALL] = "stall"};
    CHECK((unsigned)trigger < countof(names));
    return names[trigger];
}

const char *hedge_attempt_state_name(enum hedge_attempt_state state) {
    static const char *const names[] = {
        [HEDGE_UNSTARTED] = "unstarted", [HEDGE_RUNNING] = "running",
        [HEDGE_ANSWERED] = "answered",   [HEDGE_WHOLE] = "whole",
        [HEDGE_COMMITTED] = "committed", [HEDGE_ENDED] = "ended"};
    CHECK((unsigned)state < countof(names));
    return names[state];
}
