/* learn.c - samples in, advice out. See learn.h. (pure)
 *
 * Owns:     nothing; its memory is the caller's.
 * Promises: the same samples in the same order give the same board; a sample costs a few bins, whatever
 *           is known; nothing that is older than the backend's last change of speed counts for long.
 * Refuses:  nothing. */
#include "appliance/race/learn.h"

#include <math.h>
#include <string.h>

#include "appliance/race/optimum.h"

/* How sure one must be that two memories disagree: the Kolmogorov-Smirnov distance, in units of what
 * chance gives. Chance exceeds 2.2 once in ten thousand. */
#define CHANGE_DISTANCE 2.2
/* What is left of the long memory after each look that finds it out of date. */
#define CHANGE_FADE 0.5
/* Of a small budget no more than this goes into samples. */
#define SAMPLE_OF_BUDGET 0.1
/* So many times the quantile that one request in a thousand exceeds (for p99) is late for anything. */
#define LATE 3
/* Of the short memory, to be believed at all. */
#define RECENT_MIN 10.0

/* So long a backend counts as slow that was when it was last looked at. */
#define SLOW_SEEN_NS (10 * NS_PER_S)

/* --- memory --- */

unsigned learn_kind(uint64_t input_tokens, bool stream) {
    unsigned size = 0;
    for (uint64_t most = 64; size < LEARN_SIZES - 1 && input_tokens > most; most *= 4)
        size++;
    return size * 2 + stream;
}

static unsigned advice_count(unsigned count) { return count * (LEARN_KINDS + 1) * count; }

size_t learn_board_size(unsigned count) {
    return advice_count(count) * sizeof(struct learn_advice) +
           count * (LEARN_KINDS + 1) * sizeof(struct learn_speed);
}

size_t learn_size(unsigned count) {
    return count * sizeof(struct learn_backend) + count * count * sizeof(struct decay) +
           learn_board_size(count);
}

void learn_board_init(struct learn_board *board, const struct learn_settings *settings,
                      unsigned count, void *memory) {
    *board = (struct learn_board){
        .count = count,
        .advice = memory,
        .sample = fmin(settings->sample, settings->request_budget * SAMPLE_OF_BUDGET)};
    board->speeds = (void *)(board->advice + advice_count(count));
    memset(memory, 0, learn_board_size(count));
    for (unsigned i = 0; i < advice_count(count); i++)
        board->advice[i] = (struct learn_advice){.delay_ns = settings->delay_ns, .probability = 1};
}

void learn_board_copy(struct learn_board *into, const struct learn_board *from) {
    CHECK(into->count == from->count);
    memcpy(into->advice, from->advice, learn_board_size(from->count));
    into->slowdown = from->slowdown;
    memcpy(into->stale, from->stale, sizeof into->stale);
    memcpy(into->tried, from->tried, sizeof into->tried);
}

void learn_init(struct learn *learn, const struct learn_settings *settings, unsigned count,
                void *memory, uint64_t now_ns) {
    CHECK(count >= 1 && count <= BACKENDS_MAX);
    *learn = (struct learn){
        .settings = *settings, .count = count, .backends = memory, .computed_ns = now_ns};
    learn->pairs = (void *)(learn->backends + count);
    for (unsigned i = 0; i < count; i++) {
        struct learn_backend *b = &learn->backends[i];
        *b = (struct learn_backend){
            .clock_ns = now_ns, .recent_clock_ns = now_ns, .looked_ns = now_ns, .heard_ns = now_ns};
        decay_init(&b->all, LEARN_HALF_LIFE_NS, now_ns);
        decay_init(&b->recent, LEARN_RECENT_NS, now_ns);
        decay_init(&b->pace, LEARN_RECENT_NS, now_ns);
        for (unsigned k = 0; k < LEARN_KINDS; k++)
            decay_init(&b->kinds[k], LEARN_HALF_LIFE_NS, now_ns);
        for (unsigned j = 0; j < count; j++)
            decay_init(&learn->pairs[i * count + j], LEARN_HALF_LIFE_NS, now_ns);
    }
    for (unsigned i = 0; i < count * count; i++)
        learn->pair_clocks_ns[i] = now_ns;
    learn_board_init(&learn->board, settings, count, learn->pairs + count * count);
}

static void inherit_backend(struct learn *learn, unsigned to, const struct learn *from,
                            const uint16_t *was) {
    CHECK(was[to] < from->count);
    learn->backends[to] = from->backends[was[to]];
    learn->backends[to].asked = learn->backends[to].due = true;
    learn->backends[to].turns = 0; /* all of its kinds are told at the next computation */
    for (unsigned second = 0; second < learn->count; second++) {
        unsigned pair = to * learn->count + second, pair_was = was[to] * from->count + was[second];
        if (was[second] == LEARN_NOBODY)
            continue;
        CHECK(was[second] < from->count);
        learn->pairs[pair] = from->pairs[pair_was];
        learn->pair_clocks_ns[pair] = from->pair_clocks_ns[pair_was];
    }
}

void learn_inherit(struct learn *learn, const struct learn *from, const uint16_t *was) {
    unsigned stay = 0;
    for (unsigned to = 0; to < learn->count; to++) {
        if (was[to] == LEARN_NOBODY)
            continue;
        inherit_backend(learn, to, from, was);
        stay++;
    }
    if (stay == 0)
        return;
    learn->won = from->won;
    learn->requests = from->requests;
    learn->wasted = from->wasted;
    learn->hedges = from->hedges;
}

void learn_copy(struct learn *into, const struct learn *from) {
    struct learn copy = *from;
    CHECK(into->count == from->count);
    copy.backends = into->backends;
    copy.pairs = into->pairs;
    copy.board.speeds = into->board.speeds;
    copy.board.advice = into->board.advice;
    memcpy(into->backends, from->backends, learn_size(from->count));
    *into = copy;
}

/* --- samples --- */

/* One more answer. The first ones count alike, later ones by the time that has passed: a slowdown of
 * minutes is not to become what is usual, however many answers it has. */
static void note_usual(struct learn_usual *usual, uint64_t value_ns, uint64_t now_ns) {
    bool first_ones = usual->count < (unsigned)LEARN_FULL;
    double passed = (double)(now_ns - usual->at_ns) / (double)LEARN_KINDS_NS;
    usual->count += first_ones;
    usual->at_ns = now_ns;
    double part = 1.0 / usual->count;
    if (!first_ones)
        part = fmin(part, 1 - exp2(-passed));
    usual->log += (log((double)max_u64(value_ns, 1)) - usual->log) * part;
}

/* A time by what is usual for its kind; 0: that is not known. */
static uint64_t pace_of(const struct learn_backend *b, unsigned kind, uint64_t value_ns) {
    const struct learn_usual *usual = &b->usual[kind];
    if (usual->count == 0)
        return 0;
    double pace_ns = (double)value_ns * exp(-usual->log) * (double)LEARN_PACE_NS;
    return (uint64_t)fmin(pace_ns, (double)decay_edge(DECAY_BINS));
}

/* What was cut off before it was slow tells nothing. */
static void note_fresh(struct learn_backend *b, uint64_t pace_ns, bool was_cut) {
    bool slow = b->slow_pace_ns > 0 && pace_ns >= b->slow_pace_ns;
    b->fresh += slow || !was_cut;
    b->fresh_slow += slow;
}

/* The long memories weigh a sample by when it came, and what waits now by its being now: each request is
 * then counted while it waits and once more when it is answered, which makes a backend seem slower by the
 * part that its waiting is of the memory's length: a few percent of minutes, and half of a few seconds.
 * The short one therefore weighs both by when the request began: each is counted once. */
static void add(struct decay *decay, const struct learn_sample *sample, uint64_t now_ns) {
    if (sample->cut)
        decay_add_censored(decay, sample->value_ns, now_ns);
    else
        decay_add(decay, sample->value_ns, now_ns);
}

static void add_pace(struct learn *learn, const struct learn_sample *sample, uint64_t begin_ns) {
    struct learn_backend *b = &learn->backends[sample->backend];
    struct learn_sample pace = *sample;
    if (!sample->cut)
        note_usual(&b->usual[sample->kind], sample->value_ns, learn->computed_ns);
    pace.value_ns = pace_of(b, sample->kind, sample->value_ns);
    note_fresh(b, pace.value_ns, sample->cut);
    if (pace.value_ns > 0)
        add(&b->pace, &pace, begin_ns);
}

void learn_take(struct learn *learn, const struct learn_sample *sample) {
    CHECK(sample->backend < learn->count && sample->kind < LEARN_KINDS);
    struct learn_backend *b = &learn->backends[sample->backend];
    uint64_t begin_ns = b->recent_clock_ns - sample->value_ns;
    b->asked = b->heard = true;
    add(&b->recent, sample, begin_ns);
    add_pace(learn, sample, begin_ns);
    /* A hedge is asked when another one is late, which is no fair draw of this one's times. */
    if (sample->behind != LEARN_NOBODY) {
        CHECK(sample->behind < learn->count);
        learn->backends[sample->behind].asked = learn->backends[sample->behind].due = true;
        unsigned pair = sample->behind * learn->count + sample->backend;
        add(&learn->pairs[pair], sample, learn->pair_clocks_ns[pair]);
        return;
    }
    b->tried = true;
    b->due = true;
    b->settle_samples -= b->settle_samples > 0;
    add(&b->all, sample, b->clock_ns);
    add(&b->kinds[sample->kind], sample, b->clock_ns);
}

void learn_cost(struct learn *learn, double won, double wasted, unsigned requests,
                unsigned hedges) {
    learn->won += won;
    learn->requests += requests;
    learn->wasted += wasted;
    learn->hedges += hedges;
}

/* --- time --- */

/* Time goes on for a memory until only `keep` is left of it: the same after one long step as after many
 * short ones. */
static uint64_t clock_after(const struct decay *decay, double weight, uint64_t clock_ns,
                            uint64_t passed_ns, double keep) {
    double many = weight / keep;
    if (many <= 1)
        return clock_ns;
    if (many >= 2 && passed_ns <= decay->half_life_ns)
        return clock_ns + passed_ns;
    return clock_ns + min_u64(passed_ns, (uint64_t)(log2(many) * (double)decay->half_life_ns));
}

/* Only time in which it is asked: what does not come cannot take the place of what was. */
static void settle(struct learn_backend *b, uint64_t passed_ns) {
    if (!b->asked || (b->settle_ns == 0 && b->settle_samples == 0))
        return;
    b->settle_ns -= min_u64(passed_ns, b->settle_ns);
    uint64_t more_ns = min_u64(passed_ns, LEARN_SETTLE_NS) * LEARN_SETTLE_SPEED;
    b->clock_ns =
        clock_after(&b->all, decay_weight(&b->all, b->clock_ns), b->clock_ns, more_ns, LEARN_KEEP);
}

/* Attempts that were cut off tell of a second that never answers in time as much as answers do of a good
 * one. */
static double weight_of_all(const struct decay *decay, uint64_t clock_ns) {
    return decay_weight(decay, clock_ns) + decay_weight_censored(decay, clock_ns);
}

static void pass_time_of_pairs(struct learn *learn, uint64_t passed_ns) {
    for (unsigned i = 0; i < learn->count * learn->count; i++) {
        uint64_t *clock_ns = &learn->pair_clocks_ns[i];
        *clock_ns = clock_after(&learn->pairs[i], weight_of_all(&learn->pairs[i], *clock_ns),
                                *clock_ns, passed_ns, LEARN_KEEP);
    }
}

static void pass_time(struct learn *learn, uint64_t now_ns) {
    uint64_t passed_ns = now_ns - learn->computed_ns;
    double left = exp2(-(double)passed_ns / (double)LEARN_HALF_LIFE_NS);
    learn->computed_ns = now_ns;
    learn->won *= left;
    learn->requests *= left;
    learn->wasted *= left;
    learn->hedges *= left;
    for (unsigned i = 0; i < learn->count; i++) {
        struct learn_backend *b = &learn->backends[i];
        b->clock_ns = clock_after(&b->all, decay_weight(&b->all, b->clock_ns), b->clock_ns,
                                  passed_ns, LEARN_KEEP);
        b->recent_clock_ns = clock_after(&b->recent, decay_weight(&b->recent, b->recent_clock_ns),
                                         b->recent_clock_ns, passed_ns, LEARN_KEEP_RECENT);
        settle(b, passed_ns);
    }
    pass_time_of_pairs(learn, passed_ns);
}

/* --- curves --- */

/* A copy of a memory, with the ages of what waits now. kind LEARN_ANY: of all kinds. */
static void with_ages(struct decay *out, const struct decay *decay, const struct learn_sample *ages,
                      size_t count, unsigned backend, unsigned kind, uint64_t clock_ns) {
    bool by_begin = decay->half_life_ns == LEARN_RECENT_NS;
    *out = *decay;
    for (size_t i = 0; i < count; i++)
        if (ages[i].backend == backend && ages[i].behind == LEARN_NOBODY &&
            (kind == LEARN_ANY || ages[i].kind == kind))
            decay_add_censored(out, ages[i].value_ns,
                               by_begin ? clock_ns - ages[i].value_ns : clock_ns);
}

/* --- changes of speed --- */

/* The largest distance of two curves. */
static double distance(const double *a, const double *b) {
    double most = 0;
    for (unsigned i = 1; i <= DECAY_BINS; i++) {
        double here = fabs(a[i] - b[i]);
        most = here > most ? here : most;
    }
    return most;
}

static void fade_pairs(struct learn *learn, unsigned backend) {
    for (unsigned other = 0; other < learn->count; other++) {
        decay_fade(&learn->pairs[backend * learn->count + other], CHANGE_FADE);
        decay_fade(&learn->pairs[other * learn->count + backend], CHANGE_FADE);
    }
}

/* Does the short memory tell of another backend than the long one? Then the long one has to go: for
 * minutes it would keep a delay that fits nothing any more. */
static bool is_change(const struct learn_backend *b, const double *recent_curve) {
    double long_curve[DECAY_BINS + 1];
    double many = decay_weight(&b->all, b->clock_ns);
    double few = decay_weight(&b->recent, b->recent_clock_ns);
    if (few < RECENT_MIN || many < LEARN_KNOWN)
        return false;
    decay_curve(&b->all, long_curve);
    return distance(long_curve, recent_curve) >= CHANGE_DISTANCE * sqrt(1 / few + 1 / many);
}

static void on_change(struct learn *learn, unsigned backend) {
    struct learn_backend *b = &learn->backends[backend];
    decay_fade(&b->all, CHANGE_FADE);
    for (unsigned k = 0; k < LEARN_KINDS; k++)
        decay_fade(&b->kinds[k], CHANGE_FADE);
    fade_pairs(learn, backend);
    b->settle_ns = LEARN_SETTLE_NS;
    b->settle_samples = LEARN_SETTLE_SAMPLES;
}

/* Is it much slower than it used to be? `pace` is its memory with the ages of what waits. */
static bool is_slow(struct learn_backend *b, const struct decay *pace, uint64_t passed_ns) {
    if (decay_weight(&b->pace, b->recent_clock_ns) < RECENT_MIN)
        return false;
    uint64_t median_ns = min_u64(decay_quantile(pace, 0.5), decay_edge(DECAY_BINS));
    double here = log((double)median_ns);
    if (b->usual_log == 0 && median_ns == decay_edge(DECAY_BINS))
        return false; /* nothing has answered yet: that is not what is usual */
    if (b->usual_log == 0)
        b->usual_log = here;
    b->usual_log += (here - b->usual_log) * (1 - exp2(-(double)passed_ns / (double)LEARN_USUAL_NS));
    b->slow_pace_ns = (uint64_t)(exp(b->usual_log) * LEARN_SLOW);
    return median_ns >= b->slow_pace_ns;
}

/* --- advice --- */

/* What may be spent: of requests, and of money as far as it is known what a hedge costs. */
static double share_of(const struct learn *learn) {
    /* What is hedged by chance comes out of the same budget. */
    double share = learn->settings.request_budget - learn->board.sample;
    if (learn->hedges < 1 || learn->wasted <= 0 || learn->requests < 1)
        return share;
    double hedge = learn->wasted / learn->hedges, request = learn->won / learn->requests;
    return fmin(share, learn->settings.cost_budget * request / hedge);
}

struct view { /* of one computation */
    struct learn *learn;
    const struct learn_sample *ages;
    size_t age_count;
    double share;
};

struct subject { /* whose advice is made */
    unsigned backend, kind;
    struct decay memory;
    double samples; /* its weight */
    double curve[DECAY_BINS + 1];
};

/* All that is known of a backend for one kind of request: its own, and of the backend's other kinds as
 * much as is missing. Its weight in *samples. */
static void mix_kind(const struct view *view, unsigned backend, unsigned kind, struct decay *out,
                     double *samples) {
    const struct learn_backend *b = &view->learn->backends[backend];
    double own = kind == LEARN_ANY ? 0 : decay_weight(&b->kinds[kind], b->clock_ns);
    double all = decay_weight(&b->all, b->clock_ns);
    if (kind == LEARN_ANY || own < 1) {
        with_ages(out, &b->all, view->ages, view->age_count, backend, LEARN_ANY, b->clock_ns);
        *samples = all;
        return;
    }
    with_ages(out, &b->kinds[kind], view->ages, view->age_count, backend, kind, b->clock_ns);
    *samples = own;
    if (own < LEARN_FULL && all > own) {
        decay_mix(out, &b->all, fmin((LEARN_FULL - own) / all, 1));
        *samples = fmin(all, LEARN_FULL);
    }
}

/* decay_mix of memories whose clocks have stood still at different times, and may be hours apart: the
 * copy `into` changes over to the other's time, lest one of the two weigh nothing in a float. */
static void mix(struct decay *into, uint64_t *into_clock_ns, const struct decay *from,
                uint64_t from_clock_ns, double scale) {
    uint64_t by_ns = from_clock_ns - *into_clock_ns;
    into->origin_ns += by_ns;
    into->weight_ns += by_ns;
    *into_clock_ns = from_clock_ns;
    decay_mix(into, from, scale);
}

/* The second one's curve when the first is late: by what was seen of that, filled up with its own. While
 * little is known of it it counts for as good as the first, lest two unlucky hedges be the last; one that
 * never answers a hedge before the first does is known too, by those that were cut off. */
static void second_curve(const struct view *view, unsigned second, const struct subject *first,
                         double *curve) {
    unsigned pair = first->backend * view->learn->count + second;
    struct decay mixed = view->learn->pairs[pair], own;
    const struct learn_backend *b = &view->learn->backends[second];
    uint64_t clock_ns = view->learn->pair_clocks_ns[pair];
    double known = weight_of_all(&mixed, clock_ns), samples;
    mix_kind(view, second, first->kind, &own, &samples);
    if (known < LEARN_FULL && samples > 0)
        mix(&mixed, &clock_ns, &own, b->clock_ns, fmin((LEARN_FULL - known) / samples, 1));
    if (known + samples < LEARN_KNOWN)
        mix(&mixed, &clock_ns, &first->memory, view->learn->backends[first->backend].clock_ns,
            (LEARN_KNOWN - known - samples) / first->samples);
    decay_curve(&mixed, curve);
}

bool learn_second_curve(const struct learn *learn, unsigned first, unsigned second,
                        double curve[DECAY_BINS + 1]) {
    const struct view view = {.learn = (struct learn *)learn}; /* read only */
    unsigned pair = first * learn->count + second;
    double paired = weight_of_all(&learn->pairs[pair], learn->pair_clocks_ns[pair]);
    struct subject subject = {.backend = first, .kind = LEARN_ANY};
    struct decay own;
    double samples;
    mix_kind(&view, second, LEARN_ANY, &own, &samples);
    if (paired + samples < LEARN_KNOWN)
        return false;
    mix_kind(&view, first, LEARN_ANY, &subject.memory, &subject.samples);
    second_curve(&view, second, &subject, curve);
    return true;
}

/* Between what was configured and what was learnt, by how much has been learnt. */
static void lean(const struct view *view, const struct subject *first,
                 struct learn_advice *advice) {
    double learnt = (first->samples - LEARN_KNOWN) / (LEARN_FULL - LEARN_KNOWN);
    if (learnt >= 1)
        return;
    double configured = (double)max_u64(view->learn->settings.delay_ns, 1);
    double delay = advice->delay_ns == UINT64_MAX ? configured : (double)advice->delay_ns;
    advice->delay_ns = (uint64_t)(pow(configured, 1 - learnt) * pow(delay, learnt));
    advice->probability = (float)(1 - learnt + learnt * (double)advice->probability);
    double late = decay_curve_at(first->curve, advice->delay_ns);
    advice->extra = (float)fmin((double)advice->probability * late, view->share);
}

/* Where nothing is gained by hedging the tail, or the coin fell so, one that hangs is asked elsewhere all
 * the same: it costs nothing while none hangs, and no configured timeout is as well informed. */
static uint64_t late_after_ns(const struct learn *learn, uint64_t deep_ns) {
    uint64_t most_ns = learn->settings.delay_max_ns ? learn->settings.delay_max_ns : UINT64_MAX;
    return min_u64(deep_ns * LATE, most_ns);
}

/* A hedge before the median doubles the load and gains little, whatever the budget; but what the operator
 * has set holds. */
static uint64_t least_ns(const struct learn *learn, uint64_t median_ns) {
    uint64_t most_ns = learn->settings.delay_max_ns ? learn->settings.delay_max_ns : UINT64_MAX;
    return median_ns == UINT64_MAX ? 0 : min_u64(median_ns, most_ns);
}

static void advise(const struct view *view, const struct subject *first) {
    struct learn *learn = view->learn;
    uint64_t median_ns = decay_curve_quantile(first->curve, 0.5);
    for (unsigned second = 0; second < learn->count; second++) {
        double other[DECAY_BINS + 1];
        if (second == first->backend)
            continue;
        second_curve(view, second, first, other);
        struct optimum_ask ask = {.first = first->curve,
                                  .second = other,
                                  .share = view->share,
                                  .target = learn->settings.target,
                                  .min_ns = least_ns(learn, median_ns),
                                  .max_ns = learn->settings.delay_max_ns};
        struct optimum best = optimum_find(&ask);
        struct learn_advice *advice =
            (struct learn_advice *)learn_advice(&learn->board, first->backend, first->kind, second);
        *advice = (struct learn_advice){.delay_ns = best.delay_ns,
                                        .probability = (float)best.probability,
                                        .extra = (float)best.extra,
                                        .without_ns = best.without_ns,
                                        .with_ns = best.with_ns};
        advice->late_ns = late_after_ns(learn, best.deep_with_ns);
        lean(view, first, advice);
    }
}

static uint64_t quantile_or_end(const double *curve, double q) {
    return min_u64(decay_curve_quantile(curve, q), decay_edge(DECAY_BINS - 1));
}

static void compute_kind(const struct view *view, unsigned backend, unsigned kind) {
    struct learn *learn = view->learn;
    struct learn_speed *speed = (struct learn_speed *)learn_speed(&learn->board, backend, kind);
    struct subject subject; /* three kilobytes, all of them written: not zeroed first */
    subject.backend = backend;
    subject.kind = kind;
    mix_kind(view, backend, kind, &subject.memory, &subject.samples);
    speed->samples = subject.samples;
    speed->p50_ns = speed->p90_ns = 0; /* `slow` was set by look() */
    if (subject.samples < 1)
        return;
    decay_curve(&subject.memory, subject.curve);
    speed->p50_ns = quantile_or_end(subject.curve, 0.5);
    speed->p90_ns = quantile_or_end(subject.curve, 0.9);
    if (subject.samples >= LEARN_KNOWN)
        advise(view, &subject);
}

/* Nothing of its own is known of that kind: it reads what is known of any. */
static void copy_any(struct learn *learn, unsigned backend, unsigned kind) {
    struct learn_speed *speed = (struct learn_speed *)learn_speed(&learn->board, backend, kind);
    *speed = *learn_speed(&learn->board, backend, LEARN_ANY);
    for (unsigned second = 0; second < learn->count; second++)
        *(struct learn_advice *)learn_advice(&learn->board, backend, kind, second) =
            *learn_advice(&learn->board, backend, LEARN_ANY, second);
}

/* The kinds whose turn it is, or all. Those with nothing of their own go with LEARN_ANY. */
static void compute_backend(const struct view *view, unsigned backend, bool all) {
    struct learn *learn = view->learn;
    struct learn_backend *b = &learn->backends[backend];
    if (all || learn->turn == 0)
        compute_kind(view, backend, LEARN_ANY);
    for (unsigned kind = 0; kind < LEARN_KINDS; kind++) {
        bool own = decay_weight(&b->kinds[kind], b->clock_ns) >= 1;
        if (!all && learn->turn != (own ? kind / 2 % LEARN_TURNS : 0))
            continue;
        if (own)
            compute_kind(view, backend, kind);
        else
            copy_any(learn, backend, kind);
    }
}

/* The memory of paces with the ages of what waits. */
static void pace_with_ages(struct decay *out, const struct view *view, unsigned backend) {
    const struct learn_backend *b = &view->learn->backends[backend];
    *out = b->pace;
    for (size_t i = 0; i < view->age_count; i++) {
        const struct learn_sample *age = &view->ages[i];
        if (age->backend != backend || age->behind != LEARN_NOBODY ||
            b->usual[age->kind].count == 0)
            continue;
        decay_add_censored(out, pace_of(b, age->kind, age->value_ns),
                           b->recent_clock_ns - age->value_ns);
    }
}

/* How fast it is just now; true when that is another speed than before. */
static bool look(const struct view *view, unsigned backend, uint64_t now_ns) {
    struct learn *learn = view->learn;
    struct learn_backend *b = &learn->backends[backend];
    struct decay mixed;
    double recent[DECAY_BINS + 1];
    with_ages(&mixed, &b->recent, view->ages, view->age_count, backend, LEARN_ANY,
              b->recent_clock_ns);
    decay_curve(&mixed, recent);
    bool changed = is_change(b, recent);
    if (changed)
        on_change(learn, backend);
    pace_with_ages(&mixed, view, backend);
    bool slow = is_slow(b, &mixed, now_ns - b->looked_ns);
    for (unsigned kind = 0; kind <= LEARN_ANY; kind++)
        ((struct learn_speed *)learn_speed(&learn->board, backend, kind))->slow = slow;
    for (size_t i = 0; i < view->age_count; i++)
        if (view->ages[i].backend == backend)
            note_fresh(b, pace_of(b, view->ages[i].kind, view->ages[i].value_ns), true);
    if (b->fresh > 0)
        b->slow_lately = b->fresh_slow * 2 >= b->fresh;
    b->fresh = b->fresh_slow = 0;
    b->looked_ns = now_ns;
    return changed;
}

/* Was it seen to be slow just now? While all seem slow nobody hedges, and who is only asked for hedges would
 * seem slow for ever by what was seen of it then: its last samples count, and not for long. */
static bool is_slow_now(const struct learn *learn, unsigned backend, uint64_t now_ns) {
    const struct learn_backend *b = &learn->backends[backend];
    return learn_speed(&learn->board, backend, LEARN_ANY)->slow && b->slow_lately &&
           now_ns - b->looked_ns < SLOW_SEEN_NS;
}

/* Of which backends nothing was heard for long. */
static void note_stale(struct learn *learn, uint64_t now_ns) {
    for (unsigned i = 0; i < learn->count; i++) {
        struct learn_backend *b = &learn->backends[i];
        if (b->heard)
            b->heard_ns = now_ns;
        b->heard = false;
        learn->board.stale[i] = now_ns - b->heard_ns >= LEARN_STALE_NS;
    }
}

/* Which of them were asked lately. One that waits counts at once: if it never answers, what is still to
 * be asked must not wait with it. */
static void note_tried(struct learn *learn, const struct learn_sample *ages, size_t age_count,
                       uint64_t now_ns) {
    for (size_t i = 0; i < age_count; i++)
        if (ages[i].behind == LEARN_NOBODY)
            learn->backends[ages[i].backend].tried = true;
    for (unsigned i = 0; i < learn->count; i++) {
        struct learn_backend *b = &learn->backends[i];
        if (b->tried)
            b->tried_until_ns = now_ns + LEARN_STALE_NS;
        b->tried = false;
        learn->board.tried[i] = now_ns < b->tried_until_ns;
    }
}

static bool same_flags(const struct learn_board *a, const struct learn_board *b) {
    return a->slowdown == b->slowdown && memcmp(a->stale, b->stale, sizeof a->stale) == 0 &&
           memcmp(a->tried, b->tried, sizeof a->tried) == 0;
}

/* Makes the advice anew whose turn it is; false: nobody's was. */
static bool compute_due(const struct view *view, bool changed) {
    struct learn *learn = view->learn;
    bool any = false;
    for (unsigned i = 0; i < learn->count; i++) {
        struct learn_backend *b = &learn->backends[i];
        bool due = b->due || (b->asked && changed);
        b->asked = b->due = false;
        /* One that was not asked for a while, or of which little is known, is asked rarely: at once. */
        bool few = b->turns == 0 || decay_weight(&b->all, b->clock_ns) < LEARN_FULL;
        /* One turn more than all: what was computed with ages that are gone is made anew. */
        b->turns = due ? LEARN_TURNS + 1 : b->turns;
        if (b->turns == 0)
            continue;
        compute_backend(view, i, due && (changed || few));
        b->turns--;
        any = true;
    }
    learn->turn = (learn->turn + 1) % LEARN_TURNS;
    return any;
}

bool learn_compute(struct learn *learn, const struct learn_sample *ages, size_t age_count,
                   uint64_t now_ns) {
    const struct learn_board before = learn->board; /* its flags */
    bool changed = false, looked = false;
    unsigned slow_count = 0;
    pass_time(learn, now_ns);
    note_stale(learn, now_ns);
    note_tried(learn, ages, age_count, now_ns);
    struct view view = {
        .learn = learn, .ages = ages, .age_count = age_count, .share = share_of(learn)};
    for (size_t i = 0; i < age_count; i++)
        learn->backends[ages[i].backend].asked = learn->backends[ages[i].backend].due = true;
    for (unsigned i = 0; i < learn->count; i++) {
        looked |= learn->backends[i].asked;
        if (learn->backends[i].asked && look(&view, i, now_ns))
            changed = true;
        slow_count += is_slow_now(learn, i, now_ns);
    }
    learn->board.slowdown = slow_count * 2 > learn->count;
    bool computed = compute_due(&view, changed);
    return computed || looked || !same_flags(&before, &learn->board);
}
