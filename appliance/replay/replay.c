/* replay.c - the plain policies, and what is counted of all of them. (pure) */
#include "appliance/replay/replay.h"

#include <stdlib.h>
#include <string.h>

#include "appliance/replay/replay_parts.h"
#include "appliance/replay/replay_recent.h"
#include "core/heap.h"
#include "core/rand.h"

static void run_none(const struct trace *, const struct replay_settings *, struct replay_result *);
static void run_fixed(const struct trace *, const struct replay_settings *, struct replay_result *);
static void run_race(const struct trace *, const struct replay_settings *, struct replay_result *);
static void run_p95(const struct trace *, const struct replay_settings *, struct replay_result *);

static const struct {
    const char *name;
    void (*run)(const struct trace *, const struct replay_settings *, struct replay_result *);
} policies[REPLAY_POLICIES] = {
    [REPLAY_NONE] = {"none", run_none},
    [REPLAY_FIXED] = {"fixed", run_fixed},
    [REPLAY_RACE] = {"race", run_race},
    [REPLAY_P95_DELAY] = {"p95-delay", run_p95},
    [REPLAY_ADAPTIVE] = {"adaptive", replay_adaptive},
    [REPLAY_ORACLE_SINGLE] = {"oracle-single", replay_oracle_single},
    [REPLAY_ORACLE_WINDOWED] = {"oracle-windowed", replay_oracle_windowed},
    [REPLAY_CLAIRVOYANT] = {"clairvoyant", replay_clairvoyant},
};

const char *replay_policy_name(enum replay_policy policy) {
    CHECK(policy < REPLAY_POLICIES);
    return policies[policy].name;
}

enum replay_policy replay_policy_find(const char *name) {
    for (unsigned p = 0; p < REPLAY_POLICIES; p++)
        if (strcmp(policies[p].name, name) == 0)
            return (enum replay_policy)p;
    return REPLAY_POLICIES;
}

struct replay_settings replay_defaults(void) {
    return (struct replay_settings){
        .request_budget = 0.05,
        .cost_budget = 1,
        .target = 0.99,
        .fixed_delay_ns = 400 * NS_PER_MS,
        .input_price = 1.25,
        .output_price = 10,
        .seed = 1,
        .queue = true,
    };
}

void replay_result_init(struct replay_result *r, enum replay_policy policy, size_t count) {
    memset(r, 0, sizeof *r);
    r->policy = policy;
    r->count = count;
    r->ttft_ns = heap_alloc(count * sizeof *r->ttft_ns);
    r->delay_ns = heap_alloc(count * sizeof *r->delay_ns);
}

void replay_result_fini(struct replay_result *r) {
    heap_free(&r->ttft_ns);
    heap_free(&r->delay_ns);
    r->count = 0;
}

/* ---- the policies; each finds ttft_ns and delay_ns as run_none leaves them ---- */

static void run_none(const struct trace *t, const struct replay_settings *s,
                     struct replay_result *out) {
    (void)s;
    for (size_t i = 0; i < t->count; i++) {
        out->ttft_ns[i] = replay_primary_ns(t, i);
        out->delay_ns[i] = REPLAY_NEVER;
    }
}

static void run_fixed(const struct trace *t, const struct replay_settings *s,
                      struct replay_result *out) {
    for (size_t i = 0; i < t->count; i++)
        if (replay_primary_ns(t, i) > s->fixed_delay_ns)
            replay_hedge(t, out, i, replay_second(t, i, 1), s->fixed_delay_ns);
}

static void run_race(const struct trace *t, const struct replay_settings *s,
                     struct replay_result *out) {
    (void)s;
    for (size_t i = 0; i < t->count; i++) {
        for (unsigned b = 0; b < t->backends; b++)
            out->ttft_ns[i] = min_u64(out->ttft_ns[i], trace_ttft_ns(t, i, b));
        out->delay_ns[i] = 0;
    }
}

/* What is measured is what such practice measures: the answers that came. A loser was cancelled and
 * leaves no time behind, which pulls the percentile down where it matters. */
static void run_p95(const struct trace *t, const struct replay_settings *s,
                    struct replay_result *out) {
    (void)s;
    struct recent recent;
    recent_init(&recent, t->backends);
    for (size_t i = 0; i < t->count; i++) {
        unsigned first = t->primary[i], second = replay_second(t, i, 1);
        uint64_t first_ns = trace_ttft_ns(t, i, first), second_ns = trace_ttft_ns(t, i, second);
        recent_until(&recent, t->time_ns[i]);
        uint64_t delay_ns = recent_quantile(&recent, first, 0.95);
        if (first_ns > delay_ns)
            replay_hedge(t, out, i, second, delay_ns);
        uint64_t waited_ns = out->ttft_ns[i];
        if (waited_ns == REPLAY_NEVER)
            continue;
        bool first_won = waited_ns == first_ns;
        recent_expect(&recent, first_won ? first : second, t->time_ns[i] + waited_ns,
                      first_won ? first_ns : second_ns);
    }
    recent_fini(&recent);
}

/* ---- what came of it ---- */

/* Requests beyond the first that one hedged request costs. */
static unsigned extra_attempts(const struct trace *t, const struct replay_result *r) {
    return r->policy == REPLAY_RACE ? t->backends - 1 : 1;
}

/* Requests whose tokens are unknown are in neither sum; NAN when no tokens are known at all. */
static void count_extra(const struct trace *t, const struct replay_settings *s,
                        struct replay_result *r) {
    double winners = 0, losers = 0;
    unsigned each = extra_attempts(t, r);
    r->hedges = 0;
    for (size_t i = 0; i < t->count; i++) {
        winners += replay_winner_cost(t, s, i);
        if (r->delay_ns[i] == REPLAY_NEVER)
            continue;
        r->hedges += each;
        losers += each * replay_loser_cost(t, s, i);
    }
    r->extra_cost = winners > 0 ? losers / winners : NAN;
}

void replay_run(enum replay_policy policy, const struct trace *t, const struct replay_settings *s,
                struct replay_result *out) {
    CHECK(policy < REPLAY_POLICIES && out->policy == policy && out->count == t->count);
    run_none(t, s, out);
    /* With one backend there is nobody to hedge with. */
    if (t->backends > 1)
        policies[policy].run(t, s, out);
    count_extra(t, s, out);
}

/* Hoare's selection of one rank in values[from, to); leaves the place of the rank right. */
static void select_one(uint64_t *values, size_t from, size_t to, size_t rank, struct rand *dice) {
    while (to - from > 1) {
        uint64_t pivot = values[from + rand_below(dice, to - from)];
        size_t low = from, high = to - 1;
        for (;;) {
            while (values[low] < pivot)
                low++;
            while (values[high] > pivot)
                high--;
            if (low >= high)
                break;
            uint64_t value = values[low];
            values[low++] = values[high];
            values[high--] = value;
        }
        /* All before `low` are <= pivot, all from it on are >= pivot. */
        size_t cut = low > from ? low : from + 1;
        if (rank < cut)
            to = cut;
        else
            from = cut;
    }
}

static void select_range(uint64_t *values, size_t from, size_t to, const size_t *ranks,
                         size_t rank_count, struct rand *dice) {
    if (rank_count == 0 || to - from < 2)
        return;
    size_t middle = rank_count / 2, rank = ranks[middle];
    select_one(values, from, to, rank, dice);
    select_range(values, from, rank, ranks, middle, dice);
    select_range(values, rank, to, ranks + middle + 1, rank_count - middle - 1, dice);
}

void replay_select(uint64_t *values, size_t count, const size_t *ranks, size_t rank_count) {
    struct rand dice;
    rand_init(&dice, count);
    select_range(values, 0, count, ranks, rank_count, &dice);
}

uint64_t replay_quantile(const struct replay_result *r, double q, uint64_t *scratch) {
    if (r->count == 0)
        return 0;
    size_t rank = replay_rank(q, r->count);
    memcpy(scratch, r->ttft_ns, r->count * sizeof *scratch);
    replay_select(scratch, r->count, &rank, 1);
    return scratch[rank];
}

static int by_value(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The times at which hedges went, sorted, into `at_ns`; their number. */
static size_t hedge_times(const struct trace *t, const struct replay_result *r, uint64_t *at_ns) {
    size_t count = 0;
    for (size_t i = 0; i < r->count; i++)
        if (r->delay_ns[i] != REPLAY_NEVER)
            at_ns[count++] = t->time_ns[i] + r->delay_ns[i];
    qsort(at_ns, count, sizeof *at_ns, by_value);
    return count;
}

/* The first place in the sorted values at or after `from` that is not below `bound`. */
static size_t skip_below(const uint64_t *values, size_t count, size_t from, uint64_t bound) {
    while (from < count && values[from] < bound)
        from++;
    return from;
}

double replay_worst_10s(const struct trace *t, const struct replay_result *r) {
    enum { WINDOW_S = 10, REQUESTS_MIN = 20 };
    if (r->count == 0)
        return 0;
    uint64_t *hedged_ns = heap_alloc(r->count * sizeof *hedged_ns);
    size_t hedged = hedge_times(t, r, hedged_ns);
    size_t first = 0, last = 0, hedge_first = 0, hedge_last = 0; /* the window's, half open */
    /* Whole windows only: in the last second's wake are hedges of requests that came before it. */
    uint64_t end_s = t->time_ns[t->count - 1] / NS_PER_S + 1;
    double worst = 0;
    for (uint64_t from_s = 0; from_s == 0 || from_s + WINDOW_S <= end_s; from_s++) {
        uint64_t from_ns = from_s * NS_PER_S, to_ns = from_ns + WINDOW_S * NS_PER_S;
        first = skip_below(t->time_ns, t->count, first, from_ns);
        last = skip_below(t->time_ns, t->count, last, to_ns);
        hedge_first = skip_below(hedged_ns, hedged, hedge_first, from_ns);
        hedge_last = skip_below(hedged_ns, hedged, hedge_last, to_ns);
        if (last - first >= REQUESTS_MIN)
            worst = fmax(worst, (double)(hedge_last - hedge_first) / (double)(last - first));
        /* Over a gap without arrivals at once, however long it is. */
        if (first == last && first < t->count)
            from_s = max_u64(from_s, t->time_ns[first] / NS_PER_S - WINDOW_S);
    }
    heap_free(&hedged_ns);
    return worst * extra_attempts(t, r);
}
