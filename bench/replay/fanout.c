/* fanout.c - see the header. */
#include "bench/replay/fanout.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "bench/dice.h"
#include "core/base.h"
#include "core/heap.h"

static const double TARGET = 0.999;
/* Of the shapes that are not fitted to the 2 %: a BigTable read that waits for nothing. */
static const double BODY_MS = 4, BODY_SIGMA = 0.25;
/* Bisection halves its interval so often: more than a double can tell apart. */
enum { HALVINGS = 200 };

enum family { PARETO, LOGNORMAL, WEIBULL, STALLS };

static const struct shape {
    const char *name, *what;
    enum family family;
    bool by_extra; /* fitted to the 2 % beside the 1800 ms; else the body above is assumed */
} shapes[] = {
    {"Pareto", "1800 ms and 2 %", PARETO, true},
    {"log-normal", "1800 ms and 2 %", LOGNORMAL, true},
    {"Weibull", "1800 ms and 2 %", WEIBULL, true},
    {"log-normal, median 4 ms", "1800 ms", LOGNORMAL, false},
    {"4 ms (log-normal, sigma 0.25), 2 % stall: 10 ms and an exponential time more", "1800 ms",
     STALLS, false},
};

/* The two parameters of a shape: scale and index, median's logarithm and sigma, scale and power, or share
 * and mean of the stalls. */
struct fit {
    enum family family;
    double a, b;
};

/* ---- the formulas ---- */

static double normal_longer(double z) { return erfc(z / M_SQRT2) / 2; }

/* The x in [low, high] at which the falling function comes to `want`. */
static double solve(double (*falling)(const void *, double), const void *of, double want,
                    double low, double high) {
    for (int i = 0; i < HALVINGS; i++) {
        double middle = (low + high) / 2;
        if (falling(of, middle) > want)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

static double normal_at(const void *nothing, double z) {
    (void)nothing;
    return normal_longer(z);
}
static double normal_quantile(double longer) { return solve(normal_at, NULL, longer, -10, 10); }

/* Of the reads so many may take longer than the request's 99.9th percentile: all must be in time. */
static double share_of_reads(double q) { return -expm1(log(q) / FANOUT_SERVERS); }

static struct fit fit_of(const struct shape *s) {
    double far = share_of_reads(TARGET), near = FANOUT_PAPER_EXTRA;
    double apart = log(FANOUT_PAPER_MS / FANOUT_DELAY_MS);
    struct fit f = {.family = s->family};
    switch (s->family) {
    case PARETO:
        f.b = log(near / far) / apart;
        f.a = FANOUT_DELAY_MS * pow(near, 1 / f.b);
        break;
    case LOGNORMAL:
        if (s->by_extra) {
            f.b = apart / (normal_quantile(far) - normal_quantile(near));
            f.a = log(FANOUT_DELAY_MS) - f.b * normal_quantile(near);
        } else {
            f.a = log(BODY_MS);
            f.b = (log(FANOUT_PAPER_MS) - f.a) / normal_quantile(far);
        }
        break;
    case WEIBULL:
        f.b = log(log(far) / log(near)) / apart;
        f.a = FANOUT_DELAY_MS / pow(-log(near), 1 / f.b);
        break;
    case STALLS:
        f.a = near;
        f.b = (FANOUT_PAPER_MS - FANOUT_DELAY_MS) / log(near / far);
        break;
    }
    return f;
}

static double longer(const struct fit *f, double ms) {
    switch (f->family) {
    case PARETO: return ms <= f->a ? 1 : pow(f->a / ms, f->b);
    case LOGNORMAL: return normal_longer((log(ms) - f->a) / f->b);
    case WEIBULL: return exp(-pow(ms / f->a, f->b));
    case STALLS:
        return f->a * fmin(1, exp((FANOUT_DELAY_MS - ms) / f->b)) +
               (1 - f->a) * normal_longer(log(ms / BODY_MS) / BODY_SIGMA);
    }
    return NAN;
}

static double longer_alone(const void *fit, double ms) { return longer(fit, ms); }
static double longer_hedged(const void *fit, double ms) {
    double first = longer(fit, ms);
    return ms <= FANOUT_DELAY_MS ? first : first * longer(fit, ms - FANOUT_DELAY_MS);
}

double fanout_longer(unsigned shape, double ms) {
    CHECK(shape < countof(shapes));
    struct fit f = fit_of(&shapes[shape]);
    return longer(&f, ms);
}

double fanout_quantile_ms(unsigned shape, bool hedged, double q) {
    static const double LOW_MS = 1e-9, HIGH_MS = 1e9;
    CHECK(shape < countof(shapes));
    struct fit f = fit_of(&shapes[shape]);
    return solve(hedged ? longer_hedged : longer_alone, &f, share_of_reads(q), LOW_MS, HIGH_MS);
}

/* ---- the draw ---- */

static double draw_ms(const struct fit *f, struct dice *dice) {
    switch (f->family) {
    case PARETO: return f->a * exp(dice_exponential(dice) / f->b);
    case LOGNORMAL: return exp(f->a + f->b * dice_normal(dice));
    case WEIBULL: return f->a * pow(dice_exponential(dice), 1 / f->b);
    case STALLS:
        if (dice_chance(dice, f->a))
            return FANOUT_DELAY_MS + f->b * dice_exponential(dice);
        return BODY_MS * exp(BODY_SIGMA * dice_normal(dice));
    }
    return NAN;
}

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double quantile(const double *sorted, size_t count, double q) {
    size_t place = (size_t)ceil(q * (double)count);
    return sorted[place ? place - 1 : 0];
}

void fanout_run(unsigned shape, size_t requests, uint64_t seed, struct fanout_figures *out) {
    CHECK(shape < countof(shapes) && requests > 0);
    struct fit f = fit_of(&shapes[shape]);
    struct dice dice;
    dice_init(&dice, seed, shape);
    double *alone = heap_alloc(requests * sizeof *alone);
    double *hedged = heap_alloc(requests * sizeof *hedged);
    size_t twice = 0;
    for (size_t i = 0; i < requests; i++)
        for (unsigned read = 0; read < FANOUT_SERVERS; read++) {
            double first_ms = draw_ms(&f, &dice), best_ms = first_ms;
            if (first_ms > FANOUT_DELAY_MS) {
                best_ms = fmin(first_ms, FANOUT_DELAY_MS + draw_ms(&f, &dice));
                twice++;
            }
            alone[i] = fmax(alone[i], first_ms);
            hedged[i] = fmax(hedged[i], best_ms);
        }
    qsort(alone, requests, sizeof *alone, by_value);
    qsort(hedged, requests, sizeof *hedged, by_value);
    *out = (struct fanout_figures){
        .p50_ms = quantile(alone, requests, 0.5),
        .p999_ms = quantile(alone, requests, TARGET),
        .hedged_p50_ms = quantile(hedged, requests, 0.5),
        .hedged_p999_ms = quantile(hedged, requests, TARGET),
        .extra = (double)twice / ((double)requests * FANOUT_SERVERS),
    };
    heap_free(&alone);
    heap_free(&hedged);
}

const char *fanout_name(unsigned shape) {
    return shape < countof(shapes) ? shapes[shape].name : NULL;
}

const char *fanout_what(unsigned shape) {
    return shape < countof(shapes) ? shapes[shape].what : NULL;
}

void fanout_print(size_t requests, uint64_t seed, FILE *out) {
    fputs("| times of a read | fitted to | p99.9 alone | p99.9 hedged after 10 ms | the same by "
          "formula | "
          "more requests |\n|---|---|---:|---:|---:|---:|\n",
          out);
    fprintf(out, "| published | | %.0f | %.0f | | %.0f %% |\n", FANOUT_PAPER_MS,
            FANOUT_PAPER_HEDGE_MS, 100 * FANOUT_PAPER_EXTRA);
    for (unsigned k = 0; k < countof(shapes); k++) {
        struct fanout_figures f;
        fanout_run(k, requests, seed, &f);
        fprintf(out, "| %s | %s | %.0f | %.0f | %.0f | %.1f %% |\n", shapes[k].name, shapes[k].what,
                f.p999_ms, f.hedged_p999_ms, fanout_quantile_ms(k, true, TARGET), 100 * f.extra);
    }
}
