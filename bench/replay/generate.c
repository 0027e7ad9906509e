/* generate.c - see the header. What each trace is like is a row of the table below; all numbers that
 * are not in a row are the constants above it. */
#include "bench/replay/generate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/dice.h"
#include "bench/replay/episodes.h"
#include "core/base.h"

enum { BACKENDS = 3 };

/* Sizes: log-normal, and a longer prompt takes a little longer to answer (prefill): a prompt of
 * 16,000 tokens a fourth more than one of 1,000. */
static const double INPUT_MEDIAN = 1000, INPUT_SIGMA = 1.2, INPUT_MAX = 128000;
static const double OUTPUT_MEDIAN = 250, OUTPUT_SIGMA = 0.8, OUTPUT_MAX = 16000;
static const double SIZE_POWER = 0.08;
/* Times outside of these are no first-token times: nothing answers sooner, and clients give up. */
static const double TTFT_MIN_MS = 1, TTFT_MAX_MS = 120000;

/* Pareto: from its 95th percentile (1.645 standard deviations) on a time has a tail of this index. */
static const double TAIL_SHARE = 0.05, TAIL_NORMAL = 1.6448536269514722, TAIL_INDEX = 1.5;
/* Stalls take this many times the median. */
static const double STALL_MIN = 10, STALL_MAX = 20;
/* Drift: the primary, between these shares of the run, within seconds. */
static const double DRIFT_FROM = 0.4, DRIFT_TO = 0.7, DRIFT_FACTOR = 3, DRIFT_RAMP_S = 10;
/* A day of ten minutes: load between 0.4 and 1.6 of the average, sigma grows by this to the peak. */
static const double DAY_S = 600, DAY_SWING = 0.6, DAY_SIGMA = 0.35;
/* First the primary, then the second stands still, at these shares of the run. */
static const double SILENT_AT[] = {0.4, 0.7}, SILENT_S = 20;

enum trait { PLAIN, PARETO, DRIFT, EPISODES, DAILY, SILENCE };

static const struct shape {
    const char *name, *what;
    unsigned backends;
    double median_ms[BACKENDS];
    double sigma;       /* of the log-normal times */
    double stall_share; /* of the answers of each backend, independently */
    double correlation; /* of the normal variates behind the times of one request */
    enum trait trait;
} shapes[] = {
    {"stationary", "log-normal, sigma 0.6", 2, {400, 450}, 0.6, 0, 0, PLAIN},
    {"light", "log-normal, sigma 0.25: a light tail", 2, {400, 450}, 0.25, 0, 0, PLAIN},
    {"pareto", "a Pareto tail of index 1.5 beyond p95", 2, {400, 450}, 0.3, 0, 0, PARETO},
    {"bimodal", "1 % stalls of 10-20 medians", 2, {400, 450}, 0.3, 0.01, 0, PLAIN},
    {"drift",
     "the primary 3x slower from 40 % to 70 % of the run",
     2,
     {400, 450},
     0.5,
     0,
     0,
     DRIFT},
    {"correlated",
     "light tails; all 3-5x slower for 10-30 s every 150 s",
     2,
     {400, 450},
     0.25,
     0,
     0,
     EPISODES},
    {"diurnal",
     "load by a daily sine, heavier tails at the peak",
     2,
     {400, 450},
     0.35,
     0,
     0,
     DAILY},
    {"silent", "each backend once stands still for 20 s", 2, {400, 450}, 0.3, 0.002, 0, SILENCE},
    {"shared-tail",
     "slow requests are slow at both (correlation 0.95)",
     2,
     {400, 450},
     0.6,
     0,
     0.95,
     PLAIN},
    {"three",
     "three backends, the next in line a slow one; 1 % stalls",
     3,
     {400, 800, 450},
     0.4,
     0.01,
     0,
     PLAIN},
};

struct generate_options generate_defaults(void) {
    return (struct generate_options){.requests = 200000, .rate_per_s = 100, .seed = 1};
}

const char *generate_name(unsigned trace) {
    return trace < countof(shapes) ? shapes[trace].name : NULL;
}

const char *generate_what(unsigned trace) {
    return trace < countof(shapes) ? shapes[trace].what : NULL;
}

int generate_find(const char *name) {
    for (unsigned i = 0; i < countof(shapes); i++)
        if (strcmp(shapes[i].name, name) == 0)
            return (int)i;
    return -1;
}

enum stream { STREAM_ARRIVALS, STREAM_SIZES, STREAM_TIMES, STREAM_EPISODES };

struct world {
    const struct shape *shape;
    double rate_per_s, length_s;
    double now_s;
    struct dice arrivals, sizes, times;
    struct episodes episodes;
};

/* ---- arrivals ---- */

/* -1 .. 1 of the load of the hour. */
static double day_wave(const struct world *w) { return sin(2 * M_PI * w->now_s / DAY_S); }

static void next_arrival(struct world *w) {
    double swing = w->shape->trait == DAILY ? DAY_SWING : 0;
    /* Thinning (Lewis and Shedler 1979): drawn at the peak's rate, kept by the rate of the moment. */
    do
        w->now_s += dice_exponential(&w->arrivals) / (w->rate_per_s * (1 + swing));
    while (swing > 0 && !dice_chance(&w->arrivals, (1 + swing * day_wave(w)) / (1 + swing)));
}

static double draw_size(struct world *w, double median, double sigma, double max) {
    return fmin(fmax(1, round(median * exp(sigma * dice_normal(&w->sizes)))), max);
}

/* ---- times ---- */

static double between(struct dice *d, double low, double high) {
    return low + (high - low) * dice_unit(d);
}

/* How many medians a time is that is `normal` standard deviations from it. */
static double spread(const struct world *w, double normal) {
    double sigma = w->shape->sigma;
    if (w->shape->trait == DAILY)
        sigma += DAY_SIGMA * (1 + day_wave(w)) / 2;
    if (w->shape->trait != PARETO || normal <= TAIL_NORMAL)
        return exp(sigma * normal);
    double longer = erfc(normal / sqrt(2)) / 2; /* share of the times beyond this one */
    return exp(sigma * TAIL_NORMAL) * pow(TAIL_SHARE / longer, 1 / TAIL_INDEX);
}

static double drift_factor(const struct world *w) {
    double since_s = w->now_s - DRIFT_FROM * w->length_s,
           until_s = DRIFT_TO * w->length_s - w->now_s;
    double ramp = fmin(since_s, until_s + DRIFT_RAMP_S) / DRIFT_RAMP_S;
    return 1 + (DRIFT_FACTOR - 1) * fmin(fmax(ramp, 0), 1);
}

/* The backend's work rests while it stands still, and then goes on. */
static double with_silence(const struct world *w, unsigned backend, double ms) {
    double from_s = SILENT_AT[backend] * w->length_s, to_s = from_s + SILENT_S;
    if (w->now_s >= to_s || w->now_s + ms / 1e3 <= from_s)
        return ms;
    return ms + 1e3 * (to_s - fmax(w->now_s, from_s));
}

/* `shared`: the normal variate that all backends' times of this request have a part of. */
static double draw_ttft_ms(struct world *w, unsigned backend, double shared) {
    const struct shape *s = w->shape;
    double own = dice_normal(&w->times);
    /* The correlation of two such sums is that of the shape. */
    double normal = sqrt(s->correlation) * shared + sqrt(1 - s->correlation) * own;
    double ms = s->median_ms[backend] * spread(w, normal);
    double stall = between(&w->times, STALL_MIN, STALL_MAX);
    if (dice_chance(&w->times, s->stall_share))
        ms = stall * s->median_ms[backend];
    return ms;
}

static uint64_t finish_ns(struct world *w, unsigned backend, double ms) {
    if (w->shape->trait == DRIFT && backend == 0)
        ms *= drift_factor(w);
    if (w->shape->trait == EPISODES)
        ms *= episodes_factor(&w->episodes, w->now_s);
    if (w->shape->trait == SILENCE)
        ms = with_silence(w, backend, ms);
    return (uint64_t)(fmin(fmax(ms, TTFT_MIN_MS), TTFT_MAX_MS) * (double)NS_PER_MS);
}

static void draw_request(struct world *w, struct trace *out) {
    uint64_t ttft_ns[BACKENDS];
    next_arrival(w);
    double input = draw_size(w, INPUT_MEDIAN, INPUT_SIGMA, INPUT_MAX);
    double output = draw_size(w, OUTPUT_MEDIAN, OUTPUT_SIGMA, OUTPUT_MAX);
    double size_factor = pow(input / INPUT_MEDIAN, SIZE_POWER);
    double shared = dice_normal(&w->times);
    for (unsigned b = 0; b < w->shape->backends; b++)
        ttft_ns[b] = finish_ns(w, b, size_factor * draw_ttft_ms(w, b, shared));
    trace_add(out, (uint64_t)(w->now_s * (double)NS_PER_S), 0, (uint32_t)input, (uint32_t)output,
              ttft_ns);
}

void generate_make(unsigned trace, const struct generate_options *options, struct trace *out) {
    CHECK(trace < countof(shapes));
    const struct shape *shape = &shapes[trace];
    struct world w = {.shape = shape,
                      .rate_per_s = options->rate_per_s,
                      .length_s = (double)options->requests / options->rate_per_s};
    dice_init(&w.arrivals, options->seed, STREAM_ARRIVALS);
    dice_init(&w.sizes, options->seed, STREAM_SIZES);
    dice_init(&w.times, options->seed, STREAM_TIMES);
    episodes_init(&w.episodes, options->seed, STREAM_EPISODES);
    trace_init(out, shape->name, shape->backends, options->requests);
    for (unsigned b = 0; b < shape->backends; b++)
        snprintf(out->backend_names[b], sizeof out->backend_names[b], "%c", 'a' + (char)b);
    for (size_t i = 0; i < options->requests; i++)
        draw_request(&w, out);
}
