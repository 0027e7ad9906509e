/* report_words.c - a report in sentences, for somebody who is tired. See report.h.
 *
 * Promises: every sentence holds by the figures; what cannot be known is said to be so. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "appliance/control/report.h"
#include "appliance/control/report_units.h"
#include "appliance/race/hedge.h"
#include "core/base.h"

#define LINE_MAX_BYTES 800
/* A change by less is none. */
#define CHANGE_MIN 0.02

struct words {
    const struct report *report;
    const struct report_model *model;
    void (*say)(const char *line, void *owner);
    void *owner;
    char line[LINE_MAX_BYTES];
    size_t n;
};

/* --- a line in work --- */

__attribute__((format(printf, 2, 3))) static void put(struct words *w, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(w->line + w->n, sizeof w->line - w->n, format, args);
    va_end(args);
    /* Only names are long, and those are cut. */
    w->n = min_size(w->n + (n > 0 ? (size_t)n : 0), sizeof w->line - 1);
}

static void begin(struct words *w) {
    w->n = 0;
    put(w, "%.200s: ", w->model->name);
}

static void end(struct words *w) {
    put(w, ".");
    w->say(w->line, w->owner);
}

static void put_time(struct words *w, uint64_t ns) {
    char text[REPORT_UNIT_MAX];
    put(w, "%s", report_time_text(ns, text));
}

static void put_share(struct words *w, double share) {
    char text[REPORT_UNIT_MAX];
    put(w, "%s", report_share_text(share, text));
}

static const char *name_of(unsigned quantile) {
    static const char *const names[REPORT_QUANTILES] = {"the median", "p95", "p99", "p99.9"};
    return names[quantile];
}

static const char *plural(uint64_t count) { return count == 1 ? "" : "s"; }

/* --- what it saved --- */

static bool is_hedged(const struct report_model *model) { return model->started[HEDGE_DELAY] > 0; }

static void put_price(struct words *w) {
    double cost = report_extra_cost(w->model);
    put(w, " for ");
    put_share(w, report_extra_requests(w->model));
    put(w, " more requests");
    if (isnan(cost))
        return;
    put(w, " and ");
    put_share(w, cost);
    put(w, " more money");
}

/* "cut p99 from 2.07 s to 198 ms (-90 %)", or what there is to say instead. */
static void put_change(struct words *w, const char *verb, const char *quantile, uint64_t without_ns,
                       uint64_t with_ns) {
    double change = report_change(without_ns, with_ns);
    if (change >= CHANGE_MIN) {
        put(w, "%s %s from ", verb, quantile);
        put_time(w, without_ns);
        put(w, " to ");
        put_time(w, with_ns);
        put(w, " (-%.0f %%)", change * 100);
        return;
    }
    put(w, change > -CHANGE_MIN ? "made no difference to %s (" : "made %s worse (", quantile);
    put_time(w, with_ns);
    put(w, " with it, ");
    put_time(w, without_ns);
    put(w, " without)");
}

static uint64_t longest_ns(const struct report_model *model) {
    return max_u64(model->without.max_ns, model->without_cut.max_ns);
}

static void say_hedged(struct words *w) {
    unsigned q = report_headline(w->model->target, w->model->without_ns, w->model->with_ns);
    uint64_t without_ns = w->model->without_ns[q], with_ns = w->model->with_ns[q];
    begin(w);
    if (with_ns == REPORT_FEW || without_ns == REPORT_FEW) {
        put(w, "%" PRIu64 " request%s are too few to say what hedging saved", w->model->raced,
            plural(w->model->raced));
        put_price(w);
    } else if (with_ns == REPORT_BEYOND) {
        put(w, "%s is unknown even with hedging: too many requests ended without an answer",
            name_of(q));
    } else if (without_ns == REPORT_BEYOND) {
        put(w, "with hedging %s is ", name_of(q));
        put_time(w, with_ns);
        put(w, "; without it, it is longer than ");
        put_time(w, longest_ns(w->model));
        put(w, ", the longest that was seen,");
        put_price(w);
    } else {
        put(w, "hedging ");
        put_change(w, "cut", name_of(q), without_ns, with_ns);
        put_price(w);
    }
    end(w);
}

static void say_not_hedged(struct words *w) {
    const struct report_model *model = w->model;
    unsigned q = report_headline(model->target, model->without_ns, model->with_ns);
    begin(w);
    if (model->raced == 0)
        put(w, "no request was sent to a backend");
    else if (model->mode && strcmp(model->mode, "off") == 0)
        put(w, "hedging is off");
    else
        put(w, "no hedge was started by delay");
    if (model->raced > 0 && model->with_ns[q] != REPORT_FEW && model->with_ns[q] != REPORT_BEYOND) {
        put(w, "; %s is ", name_of(q));
        put_time(w, model->with_ns[q]);
    }
    end(w);
}

/* --- what adaptive would give --- */

static const char *would_excuse(enum report_would_state state) {
    switch (state) {
    case REPORT_WOULD_NOT_ASKED:
    case REPORT_WOULD_KNOWN: return NULL;
    case REPORT_WOULD_ALONE: return "it has one backend: there is nobody to hedge with";
    case REPORT_WOULD_FEW:
        return "there were too few answers to say what adaptive hedging would save";
    case REPORT_WOULD_UNSEEN:
        return "only one backend was asked, so nothing is known of the others, nor of what "
               "adaptive "
               "hedging would save; `strategy: weighted` asks all";
    case REPORT_WOULD_MANY:
        return "there is more of it than a replay takes, so what adaptive hedging would save was "
               "not computed";
    }
    return NULL;
}

static void say_would(struct words *w) {
    const struct report_model *model = w->model;
    const struct report_would *would = &model->would;
    const char *excuse = would_excuse(would->state);
    unsigned q = report_headline(model->target, would->without_ns, would->with_ns);
    if (would->state == REPORT_WOULD_NOT_ASKED)
        return;
    begin(w);
    if (excuse) {
        put(w, "%s", excuse);
    } else if (would->extra_requests <= 0) {
        put(w, "adaptive hedging would not start any: no delay shortens the tail by a tenth");
    } else if (isnan(report_change(would->without_ns[q], would->with_ns[q]))) {
        put(w, "adaptive hedging would start hedges for ");
        put_share(w, would->extra_requests);
        put(w, " of the requests; what that does to %s is beyond what has been seen", name_of(q));
    } else {
        put(w, "adaptive hedging would have ");
        put_change(w, "cut", name_of(q), would->without_ns[q], would->with_ns[q]);
        put(w, " for ");
        put_share(w, would->extra_requests);
        put(w, " more requests");
        if (!isnan(would->extra_cost)) {
            put(w, " and ");
            put_share(w, would->extra_cost);
            put(w, " more money");
        }
        put(w, w->report->of_log
                   ? ", by a replay of the log"
                   : ", going by the last minutes and as long as the backends are not "
                     "slow together");
    }
    end(w);
}

/* --- hedges --- */

static void say_outcome(struct words *w) {
    const struct report_model *model = w->model;
    uint64_t hedges = model->started[HEDGE_DELAY], won = model->won[HEDGE_DELAY];
    uint64_t retries = model->started[HEDGE_FAILURE], rescues = model->started[HEDGE_STALL];
    if (hedges + retries + rescues == 0)
        return;
    begin(w);
    const char *comma = "";
    if (hedges) {
        put(w, "of %" PRIu64 " hedge%s %" PRIu64 " answered first", hedges, plural(hedges), won);
        comma = "; ";
    }
    if (retries) {
        put(w, "%s%" PRIu64 " request%s went elsewhere after a failure", comma, retries,
            plural(retries));
        comma = "; ";
    }
    if (rescues)
        put(w, "%s%" PRIu64 " answer%s that had stalled went on elsewhere", comma, rescues,
            plural(rescues));
    end(w);
}

static const char *held_by(enum suppress reason) {
    switch (reason) {
    case SUPPRESS_BUDGET: return "by the budget of requests";
    case SUPPRESS_COST: return "by the budget of money";
    case SUPPRESS_OVERLOAD: return "because this process or the backend was near its limit";
    case SUPPRESS_QUOTA: return "because the backend's rate limit had no room";
    case SUPPRESS_RESIDENCY: return "because the request may not leave its region";
    case SUPPRESS_SLOWDOWN: return "because all backends were slow at once";
    case SUPPRESS_ERRORS: return "because too many attempts failed";
    case SUPPRESS_RETRIES: return "after failures, because answers had not paid for retries";
    case SUPPRESS_COUNT: break;
    }
    return "";
}

static void say_held_back(struct words *w) {
    const struct report_model *model = w->model;
    uint64_t sum = 0;
    const char *comma = " ";
    for (unsigned k = 0; k < SUPPRESS_COUNT; k++)
        sum += model->suppressed[k];
    if (!model->suppressed_known || sum == 0)
        return;
    begin(w);
    put(w, "%" PRIu64 " attempt%s that %s due %s held back:", sum, plural(sum),
        sum == 1 ? "was" : "were", sum == 1 ? "was" : "were");
    for (unsigned k = 0; k < SUPPRESS_COUNT; k++) {
        if (!model->suppressed[k])
            continue;
        put(w, "%s%" PRIu64 " %s", comma, model->suppressed[k], held_by((enum suppress)k));
        comma = ", ";
    }
    end(w);
}

/* --- money --- */

static void say_money(struct words *w) {
    const struct report_model *model = w->model;
    char won[REPORT_UNIT_MAX], wasted[REPORT_UNIT_MAX];
    if (model->raced == 0)
        return;
    begin(w);
    if (!model->priced) {
        put(w,
            "no price is configured, so money cannot be told; attempts that did not win wrote "
            "%" PRIu64 " output token%s",
            model->wasted_tokens, plural(model->wasted_tokens));
        end(w);
        return;
    }
    put(w,
        "answers cost %s; attempts that did not win cost %s and wrote %" PRIu64 " output token%s",
        report_usd_text(model->won_pico, won), report_usd_text(model->wasted_pico, wasted),
        model->wasted_tokens, plural(model->wasted_tokens));
    if (model->part_priced)
        put(w, ", leaving out the backends whose price is not known");
    end(w);
}

/* --- what is not known --- */

static void say_unknown(struct words *w) {
    const struct report_model *model = w->model;
    for (unsigned q = 0; q < REPORT_QUANTILES && model->raced > 0; q++) {
        if (model->with_ns[q] == REPORT_FEW) {
            begin(w);
            put(w, "%s is not told: it takes %.0f requests, and there are %" PRIu64, name_of(q),
                ceil(REPORT_BEYOND_MIN / (1 - report_quantiles[q]) - 1e-6),
                model->with.count + model->with_cut.count);
            end(w);
            return; /* the deeper ones take more */
        }
        bool with = model->with_ns[q] == REPORT_BEYOND;
        if (!with && model->without_ns[q] != REPORT_BEYOND)
            continue;
        begin(w);
        put(w, "%s%s is beyond what has been seen: the longest waits were cut off", name_of(q),
            with ? "" : " without hedging");
        end(w);
    }
}

void report_words(const struct report *report, const struct report_model *model,
                  void (*say)(const char *line, void *owner), void *owner) {
    struct words words = {.report = report, .model = model, .say = say, .owner = owner};
    if (is_hedged(model))
        say_hedged(&words);
    else
        say_not_hedged(&words);
    say_would(&words);
    say_outcome(&words);
    say_held_back(&words);
    say_money(&words);
    say_unknown(&words);
}
