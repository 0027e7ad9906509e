/* replay_figures.c - see the header. (pure) */
#include "appliance/replay/replay_figures.h"

#include <string.h>

#include "appliance/replay/replay_parts.h"
#include "core/heap.h"

/* Points to a factor of ten of the share. */
static const double POINTS_PER_DECADE = 40;

/* The places, among the sorted times, of the curve's points: of the first `count` - 1 - place requests
 * behind each the share is known. Rising, none twice. */
static unsigned curve_ranks(size_t count, size_t ranks[REPLAY_CURVE_MAX]) {
    unsigned n = 0;
    for (unsigned k = 0; k < REPLAY_CURVE_MAX; k++) {
        double longer = (double)count * pow(10, -(double)k / POINTS_PER_DECADE);
        if (longer < 1)
            break;
        size_t rank = count - (size_t)longer;
        if (n == 0 || rank > ranks[n - 1])
            ranks[n++] = rank;
    }
    return n;
}

static void take_curve(uint64_t *scratch, size_t count, struct replay_figures *f) {
    size_t ranks[REPLAY_CURVE_MAX];
    unsigned n = curve_ranks(count, ranks);
    replay_select(scratch, count, ranks, n);
    for (unsigned i = 0; i < n; i++)
        f->curve[i] = (struct replay_point){.share = (double)(count - ranks[i]) / (double)count,
                                            .ttft_ns = scratch[ranks[i]]};
    f->curve_count = n;
}

static double mean_answered(const struct replay_result *r) {
    double sum = 0;
    size_t answered = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (r->ttft_ns[i] == REPLAY_NEVER)
            continue;
        sum += (double)r->ttft_ns[i];
        answered++;
    }
    return answered ? sum / (double)answered : 0;
}

void replay_figures_take(const struct trace *t, const struct replay_result *r, uint64_t *scratch,
                         struct replay_figures *out) {
    memset(out, 0, sizeof *out);
    out->policy = r->policy;
    out->count = r->count;
    out->hedges = r->hedges;
    out->extra_cost = r->extra_cost;
    memcpy(out->suppressed, r->suppressed, sizeof out->suppressed);
    if (r->count == 0)
        return;
    out->p50_ns = replay_quantile(r, 0.5, scratch);
    out->p95_ns = replay_quantile(r, 0.95, scratch);
    out->p99_ns = replay_quantile(r, 0.99, scratch);
    out->p999_ns = replay_quantile(r, 0.999, scratch);
    out->mean_ns = mean_answered(r);
    out->extra_requests = (double)r->hedges / (double)r->count;
    out->worst_10s_extra = replay_worst_10s(t, r);
    take_curve(scratch, r->count, out);
}

unsigned replay_figures_run(const struct trace *t, const struct replay_settings *s,
                            unsigned policies, struct replay_figures *out) {
    uint64_t *scratch = heap_alloc((t->count + 1) * sizeof *scratch);
    unsigned n = 0;
    for (unsigned p = 0; p < REPLAY_POLICIES; p++) {
        if (!(policies & 1u << p))
            continue;
        struct replay_result result;
        replay_result_init(&result, (enum replay_policy)p, t->count);
        replay_run((enum replay_policy)p, t, s, &result);
        replay_figures_take(t, &result, scratch, &out[n++]);
        replay_result_fini(&result);
    }
    heap_free(&scratch);
    return n;
}

const struct replay_figures *replay_figures_find(const struct replay_figures *f, unsigned count,
                                                 enum replay_policy policy) {
    for (unsigned i = 0; i < count; i++)
        if (f[i].policy == policy)
            return &f[i];
    return NULL;
}
