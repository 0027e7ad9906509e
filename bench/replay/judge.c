/* judge.c - see the header. (pure) */
#include "bench/replay/judge.h"

#include <math.h>
#include <string.h>

#include "core/base.h"

enum goal { EVERYWHERE, WHERE_IT_PAYS, WHERE_IT_CANNOT };
static const char *const goal_names[] = {
    [EVERYWHERE] = "burst",
    [WHERE_IT_PAYS] = "tail, hedges, burst",
    [WHERE_IT_CANNOT] = "no harm, burst",
};

static const struct {
    const char *name;
    enum goal goal;
    double limit;
} figures[JUDGE_FIGURES] = {
    [JUDGE_P99_RATIO] = {"p99 / oracle", WHERE_IT_PAYS, 1.15},
    [JUDGE_P999_RATIO] = {"p99.9 / oracle", WHERE_IT_PAYS, 1.25},
    [JUDGE_P999_OWN_RATIO] = {"p99.9 / p99.9-oracle", WHERE_IT_PAYS, 1.25},
    [JUDGE_HEDGES_RATIO] = {"hedges / oracle", WHERE_IT_PAYS, 1},
    [JUDGE_BURST] = {"worst 10 s / budget", EVERYWHERE, 4},
    [JUDGE_P50_WORSE] = {"p50 over none", WHERE_IT_CANNOT, 0.02},
    [JUDGE_P99_WORSE] = {"p99 over none", WHERE_IT_CANNOT, 0.02},
    [JUDGE_LOAD] = {"extra requests", WHERE_IT_CANNOT, 0.02},
};

static const struct {
    const char *trace;
    enum goal goal;
} goals[] = {
    {"stationary", WHERE_IT_PAYS},   {"drift", WHERE_IT_PAYS},
    {"bimodal", WHERE_IT_PAYS},      {"light", WHERE_IT_CANNOT},
    {"correlated", WHERE_IT_CANNOT}, {"shared-tail", WHERE_IT_CANNOT},
};

static double ratio(uint64_t ns, uint64_t to_ns) {
    return ns == UINT64_MAX || to_ns == UINT64_MAX || to_ns == 0 ? (double)NAN
                                                                 : (double)ns / (double)to_ns;
}

double judge_figure(enum judge_figure figure, const struct judge_seed *s, double budget) {
    const struct replay_figures *ours = &s->of[JUDGE_ADAPTIVE], *none = &s->of[JUDGE_NONE];
    const struct replay_figures *oracle = &s->of[JUDGE_ORACLE];
    switch (figure) {
    case JUDGE_P99_RATIO: return ratio(ours->p99_ns, oracle->p99_ns);
    case JUDGE_P999_RATIO: return ratio(ours->p999_ns, oracle->p999_ns);
    case JUDGE_P999_OWN_RATIO: return ratio(ours->p999_ns, s->of[JUDGE_ORACLE_P999].p999_ns);
    case JUDGE_HEDGES_RATIO: return ratio(ours->hedges, oracle->hedges);
    case JUDGE_BURST: return ours->worst_10s_extra / budget;
    case JUDGE_P50_WORSE: return ratio(ours->p50_ns, none->p50_ns) - 1;
    case JUDGE_P99_WORSE: return ratio(ours->p99_ns, none->p99_ns) - 1;
    case JUDGE_LOAD: return ours->extra_requests;
    case JUDGE_FIGURES: break;
    }
    CHECK(false);
}

const char *judge_figure_name(enum judge_figure figure) {
    CHECK(figure < JUDGE_FIGURES);
    return figures[figure].name;
}

double judge_limit(enum judge_figure figure) {
    CHECK(figure < JUDGE_FIGURES);
    return figures[figure].limit;
}

static enum goal goal_of(const char *trace) {
    for (size_t i = 0; i < countof(goals); i++)
        if (strcmp(goals[i].trace, trace) == 0)
            return goals[i].goal;
    return EVERYWHERE;
}

const char *judge_asked(const char *trace) { return goal_names[goal_of(trace)]; }

bool judge_asks(const char *trace, enum judge_figure figure) {
    CHECK(figure < JUDGE_FIGURES);
    return figures[figure].goal == EVERYWHERE || figures[figure].goal == goal_of(trace);
}

unsigned judge_misses(enum judge_figure figure, const struct judge_seed *s, unsigned seeds,
                      double budget) {
    unsigned misses = 0;
    for (unsigned i = 0; i < seeds; i++)
        /* Written so that a NAN misses. */
        misses += !(judge_figure(figure, &s[i], budget) <= judge_limit(figure));
    return misses;
}
