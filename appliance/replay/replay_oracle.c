/* replay_oracle.c - the yardsticks: what could have been done, knowing all times beforehand. (pure)
 *
 * oracle-single: one delay for the whole trace. Of one request min(X, d + Y) never falls as d grows, so
 * the best delay is the smallest one that the budget allows.
 *
 * oracle-windowed: each 30 s for themselves, budget included, nothing is carried over. A window is
 * hedged by the SingleR policy (Kaler, He, Elnikety, SPAA 2017): after d, with probability q. Tried is
 * every distinct time of the primary as d (between two of them nothing changes but that a smaller d is
 * better), 0, and no hedge at all; q is as large as the budget allows. So that the budget is kept
 * to the request, the coins of a window are drawn first and the hedged are those of the candidates
 * (X > d) with the smallest coins, as many as the budget pays for: that is one threshold for all coins,
 * and so SingleR with q = the threshold.
 *
 *     X, longest first   9.1 8.8 7.0 | 4.2 3.9 3.1 2.2 ...    d = 4.2: three candidates
 *     coins              .91 .12 .40 | .33 .75 .02 .66 ...    budget 2: .12 and .40 hedge, q = .40
 *
 * As d falls from one candidate set to the next, one request joins and the one with the largest
 * coin may leave: a heap. Whether d beats the best so far is told by counting who would wait longer
 * than it: a walk down the longest times that ends with the first which were too many. */
#include <assert.h>
#include <stdlib.h>

#include "appliance/replay/replay_parts.h"
#include "core/heap.h"
#include "core/rand.h"

/* Besides the target: what decides between equal targets. */
static const double TIE_QUANTILE = 0.999;

struct keyed {
    uint64_t key;
    uint32_t request; /* of the trace */
};

static int by_key_falling(const void *a, const void *b) {
    const struct keyed *left = a, *right = b;
    if (left->key != right->key)
        return left->key < right->key ? 1 : -1;
    return (left->request > right->request) - (left->request < right->request);
}

/* The requests [from, from + count), the longest time of the primary first. */
static void sort_by_primary(const struct trace *t, size_t from, size_t count, struct keyed *out) {
    for (size_t i = 0; i < count; i++)
        out[i] =
            (struct keyed){.key = replay_primary_ns(t, from + i), .request = (uint32_t)(from + i)};
    qsort(out, count, sizeof *out, by_key_falling);
}

/* ---- oracle-single ---- */

/* The smallest delay whose hedges stay within both budgets. */
static uint64_t smallest_delay(const struct trace *t, const struct replay_settings *s,
                               const struct keyed *sorted) {
    size_t allowed = replay_allowance(s->request_budget, t->count), k = 0;
    double money = 0, spent = 0;
    for (size_t i = 0; i < t->count; i++)
        money += replay_winner_cost(t, s, i);
    while (k < t->count && k < allowed) {
        spent += replay_loser_cost(t, s, sorted[k].request);
        if (s->cost_budget < 1 && spent > money * s->cost_budget)
            break;
        k++;
    }
    return k < t->count ? sorted[k].key : 0;
}

static void hedge_all_after(const struct trace *t, unsigned shift, uint64_t delay_ns,
                            struct replay_result *out) {
    for (size_t i = 0; i < t->count; i++)
        if (replay_primary_ns(t, i) > delay_ns)
            replay_hedge(t, out, i, replay_second(t, i, shift), delay_ns);
}

void replay_oracle_single(const struct trace *t, const struct replay_settings *s,
                          struct replay_result *out) {
    struct keyed *sorted = heap_alloc(t->count * sizeof *sorted);
    uint64_t *scratch = heap_alloc(t->count * sizeof *scratch);
    sort_by_primary(t, 0, t->count, sorted);
    uint64_t delay_ns = smallest_delay(t, s, sorted);
    unsigned best_shift = 0; /* 0: no hedges, until one second does better */
    uint64_t best_ns = replay_quantile(out, s->target, scratch);
    uint64_t best_tie_ns = replay_quantile(out, TIE_QUANTILE, scratch);
    for (unsigned shift = 1; shift < t->backends; shift++) {
        hedge_all_after(t, shift, delay_ns, out);
        uint64_t target_ns = replay_quantile(out, s->target, scratch);
        uint64_t tie_ns = replay_quantile(out, TIE_QUANTILE, scratch);
        if (target_ns > best_ns || (target_ns == best_ns && tie_ns >= best_tie_ns))
            continue;
        best_shift = shift;
        best_ns = target_ns;
        best_tie_ns = tie_ns;
    }
    if (best_shift > 0)
        hedge_all_after(t, best_shift, delay_ns, out);
    /* The last one tried still stands in the result. */
    for (size_t i = 0; best_shift == 0 && i < t->count; i++) {
        out->ttft_ns[i] = replay_primary_ns(t, i);
        out->delay_ns[i] = REPLAY_NEVER;
    }
    heap_free(&sorted);
    heap_free(&scratch);
}

/* ---- oracle-windowed ---- */

/* Beyond so many distinct delays in a window every n-th is tried: a million requests in one window
 * would ask for a million walks, and their delays lie so close that nothing is lost. */
enum { DELAYS_TRIED_MAX = 4096 };

/* The low bits of a coin are the request's place in its window, so that no two are equal. */
enum { COIN_PLACE_BITS = 24 };
static_assert(TRACE_REQUESTS_MAX < 1 << COIN_PLACE_BITS, "a place fits below the coin");

struct choice {
    uint64_t target_ns, tie_ns; /* the two quantiles that it comes to */
    size_t hedges;
    unsigned shift;      /* of the second backend */
    uint64_t delay_ns;   /* REPLAY_NEVER: no hedges */
    uint64_t coin_limit; /* hedged is who has X > delay_ns and a coin up to this */
};

/* One window and one choice of second; arrays hold `count` requests, the primary's longest first. */
struct window {
    const struct trace *t;
    const struct replay_settings *s;
    size_t count, allowed; /* requests; hedges that they may have */
    double money_allowed;  /* for losers; INFINITY: no limit */
    struct keyed *sorted;
    uint64_t *second_ns, *coins;
    bool *hedged;
    uint32_t *heap; /* places of the hedged, the largest coin first */
    size_t heap_count;
    double spent;        /* on the losers of the heap */
    uint64_t coin_limit; /* larger coins are beyond the budget: falls as candidates join */
    uint64_t *scratch;
    size_t over_target, over_tie; /* requests that may be above each of the quantiles */
};

static void heap_push(struct window *w, uint32_t place) {
    size_t at = w->heap_count++;
    for (size_t parent; at > 0; at = parent) {
        parent = (at - 1) / 2;
        if (w->coins[w->heap[parent]] > w->coins[place])
            break;
        w->heap[at] = w->heap[parent];
    }
    w->heap[at] = place;
}

static uint32_t heap_pop(struct window *w) {
    uint32_t first = w->heap[0], last = w->heap[--w->heap_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < w->heap_count; at = child) {
        if (child + 1 < w->heap_count && w->coins[w->heap[child + 1]] > w->coins[w->heap[child]])
            child++;
        if (w->coins[last] > w->coins[w->heap[child]])
            break;
        w->heap[at] = w->heap[child];
    }
    w->heap[at] = last;
    return first;
}

/* One more candidate: it is hedged unless its coin is beyond the limit; the limit falls until the
 * budget pays for all below it. */
static void join(struct window *w, uint32_t place) {
    if (w->coins[place] > w->coin_limit)
        return;
    w->hedged[place] = true;
    w->spent += replay_loser_cost(w->t, w->s, w->sorted[place].request);
    heap_push(w, place);
    while (w->heap_count > w->allowed || (w->heap_count && w->spent > w->money_allowed)) {
        uint32_t gone = heap_pop(w);
        w->hedged[gone] = false;
        w->coin_limit = w->coins[gone] - 1;
        w->spent -= replay_loser_cost(w->t, w->s, w->sorted[gone].request);
    }
}

static uint64_t waited_ns(const struct window *w, size_t place, uint64_t delay_ns) {
    uint64_t first_ns = w->sorted[place].key;
    return w->hedged[place] ? replay_wait_ns(first_ns, delay_ns, w->second_ns[place]) : first_ns;
}

/* Do at most `most` requests wait at least (`or_equal`) or more than bound_ns? */
static bool few_above(const struct window *w, uint64_t delay_ns, uint64_t bound_ns, bool or_equal,
                      size_t most) {
    size_t above = 0;
    for (size_t i = 0; i < w->count; i++) {
        /* Nobody waits longer than for his primary. */
        uint64_t first_ns = w->sorted[i].key;
        if (first_ns < bound_ns || (first_ns == bound_ns && !or_equal))
            return true;
        uint64_t ns = waited_ns(w, i, delay_ns);
        above += ns > bound_ns || (or_equal && ns == bound_ns);
        if (above > most)
            return false;
    }
    return true;
}

/* Is hedging after delay_ns, with those now hedged, better than the best choice so far? */
static bool is_better(const struct window *w, uint64_t delay_ns, const struct choice *best) {
    if (!few_above(w, delay_ns, best->target_ns, false, w->over_target))
        return false;
    if (few_above(w, delay_ns, best->target_ns, true, w->over_target))
        return true;
    if (!few_above(w, delay_ns, best->tie_ns, false, w->over_tie))
        return false;
    return few_above(w, delay_ns, best->tie_ns, true, w->over_tie) || w->heap_count < best->hedges;
}

static uint64_t select_rank(struct window *w, size_t rank) {
    replay_select(w->scratch, w->count, &rank, 1);
    return w->scratch[rank];
}

static void measure(struct window *w, uint64_t delay_ns, struct choice *out) {
    for (size_t i = 0; i < w->count; i++)
        w->scratch[i] = waited_ns(w, i, delay_ns);
    out->target_ns = select_rank(w, w->count - 1 - w->over_target);
    out->tie_ns = select_rank(w, w->count - 1 - w->over_tie);
    out->delay_ns = delay_ns;
    out->hedges = w->heap_count;
    out->coin_limit = w->coin_limit;
}

static void draw_coins(struct window *w, uint64_t window_number) {
    struct rand dice;
    rand_init(&dice, w->s->seed + (window_number << 32));
    for (size_t i = 0; i < w->count; i++)
        w->coins[i] = rand_u64(&dice) >> COIN_PLACE_BITS << COIN_PLACE_BITS | i;
}

/* Nobody is hedged; the second is the one at `shift`. The coins stay: seconds are compared, not
 * coins. */
static void begin_second(struct window *w, unsigned shift) {
    w->heap_count = 0;
    w->spent = 0;
    w->coin_limit = UINT64_MAX;
    for (size_t i = 0; i < w->count; i++) {
        size_t request = w->sorted[i].request;
        w->second_ns[i] = trace_ttft_ns(w->t, request, replay_second(w->t, request, shift));
        w->hedged[i] = false;
    }
}

/* Tries all delays with the second at `shift`. */
static void try_second(struct window *w, unsigned shift, struct choice *best) {
    size_t step = w->count / DELAYS_TRIED_MAX + 1;
    begin_second(w, shift);
    for (size_t k = 0; k < w->count; k++) {
        join(w, (uint32_t)k);
        uint64_t delay_ns = k + 1 < w->count ? w->sorted[k + 1].key : 0;
        /* Of equal times all are candidates, or none. */
        if (delay_ns == w->sorted[k].key || (k % step && k + 1 != w->allowed))
            continue;
        if (!is_better(w, delay_ns, best))
            continue;
        measure(w, delay_ns, best);
        best->shift = shift;
    }
}

static void hedge_window(const struct window *w, const struct choice *c,
                         struct replay_result *out) {
    for (size_t i = 0; i < w->count; i++) {
        size_t request = w->sorted[i].request;
        if (w->sorted[i].key > c->delay_ns && w->coins[i] <= c->coin_limit)
            replay_hedge(w->t, out, request, replay_second(w->t, request, c->shift), c->delay_ns);
    }
}

/* The requests [from, from + w->count) are one window. */
static void solve_window(struct window *w, size_t from, struct replay_result *out) {
    w->allowed = replay_allowance(w->s->request_budget, w->count);
    if (w->allowed == 0)
        return;
    double money = 0;
    for (size_t i = 0; i < w->count; i++)
        money += replay_winner_cost(w->t, w->s, from + i);
    w->money_allowed = w->s->cost_budget < 1 ? money * w->s->cost_budget : INFINITY;
    w->over_target = w->count - 1 - replay_rank(w->s->target, w->count);
    w->over_tie = w->count - 1 - replay_rank(TIE_QUANTILE, w->count);
    sort_by_primary(w->t, from, w->count, w->sorted);
    draw_coins(w, w->t->time_ns[from] / REPLAY_WINDOW_NS);
    begin_second(w, 1);
    struct choice best = {.shift = 1};
    measure(w, REPLAY_NEVER, &best);
    for (unsigned shift = 1; shift < w->t->backends; shift++)
        try_second(w, shift, &best);
    if (best.delay_ns != REPLAY_NEVER)
        hedge_window(w, &best, out);
}

static size_t window_end(const struct trace *t, size_t from) {
    uint64_t number = t->time_ns[from] / REPLAY_WINDOW_NS;
    size_t to = from + 1;
    while (to < t->count && t->time_ns[to] / REPLAY_WINDOW_NS == number)
        to++;
    return to;
}

void replay_oracle_windowed(const struct trace *t, const struct replay_settings *s,
                            struct replay_result *out) {
    size_t most = 0;
    for (size_t from = 0, to; from < t->count; from = to) {
        to = window_end(t, from);
        most = to - from > most ? to - from : most;
    }
    struct window w = {
        .t = t,
        .s = s,
        .sorted = heap_alloc(most * sizeof *w.sorted),
        .second_ns = heap_alloc(most * sizeof *w.second_ns),
        .coins = heap_alloc(most * sizeof *w.coins),
        .hedged = heap_alloc(most * sizeof *w.hedged),
        .heap = heap_alloc((most + 1) * sizeof *w.heap),
        .scratch = heap_alloc(most * sizeof *w.scratch),
    };
    for (size_t from = 0, to; from < t->count; from = to) {
        to = window_end(t, from);
        w.count = to - from;
        solve_window(&w, from, out);
    }
    heap_free(&w.sorted);
    heap_free(&w.second_ns);
    heap_free(&w.coins);
    heap_free(&w.hedged);
    heap_free(&w.heap);
    heap_free(&w.scratch);
}

/* ---- clairvoyant ---- */

static unsigned fastest_second(const struct trace *t, size_t request) {
    unsigned best = replay_second(t, request, 1);
    for (unsigned shift = 2; shift < t->backends; shift++) {
        unsigned b = replay_second(t, request, shift);
        if (trace_ttft_ns(t, request, b) < trace_ttft_ns(t, request, best))
            best = b;
    }
    return best;
}

void replay_clairvoyant(const struct trace *t, const struct replay_settings *s,
                        struct replay_result *out) {
    struct keyed *gains = heap_alloc(t->count * sizeof *gains);
    double money = 0, spent = 0;
    for (size_t i = 0; i < t->count; i++) {
        uint64_t first_ns = replay_primary_ns(t, i);
        uint64_t second_ns = trace_ttft_ns(t, i, fastest_second(t, i));
        gains[i].key = first_ns > second_ns ? first_ns - second_ns : 0;
        gains[i].request = (uint32_t)i;
        money += replay_winner_cost(t, s, i);
    }
    qsort(gains, t->count, sizeof *gains, by_key_falling);
    size_t left = replay_allowance(s->request_budget, t->count);
    for (size_t k = 0; k < t->count && left > 0 && gains[k].key > 0; k++) {
        size_t request = gains[k].request;
        double cost = replay_loser_cost(t, s, request);
        /* One that is too dear leaves room for cheaper ones behind it. */
        if (s->cost_budget < 1 && spent + cost > money * s->cost_budget)
            continue;
        spent += cost;
        left--;
        replay_hedge(t, out, request, fastest_second(t, request), 0);
    }
    heap_free(&gains);
}
