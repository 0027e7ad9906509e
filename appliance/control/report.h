/* report.h - what hedging saved and cost, model by model: the figures, whoever counted them.
 *
 *     running process --report_view--> struct report --report_json--> /admin/report
 *     access log      --report_log---->               --report_text--> `hedgerow report`
 *
 * A report owns all that it points to. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_REPORT_H
#define HEDGEROW_APPLIANCE_CONTROL_REPORT_H

#include <stdio.h>

#include "appliance/race/race.h"
#include "appliance/race/would.h"

#define REPORT_QUANTILES 4
extern const double report_quantiles[REPORT_QUANTILES];           /* 0.5 0.95 0.99 0.999 */
extern const char *const report_quantile_names[REPORT_QUANTILES]; /* "p50" ... */

/* In the place of a time. No first token comes after 0 ns. */
#define REPORT_FEW    0          /* too few requests to say */
#define REPORT_BEYOND UINT64_MAX /* longer than what has been seen: those were all cut off */
/* A quantile is said when so many requests are expected beyond it: p99 from 200 requests on. */
#define REPORT_BEYOND_MIN 2

/* What adaptive hedging does, or would do, with requests that go to `first` first; NULL names are no
 * row's. */
struct report_advice {
    char *first, *second;
    uint64_t delay_ns; /* UINT64_MAX: it is not worth a hedge */
    double probability, extra;
    uint64_t without_ns, with_ns; /* of the target; 0: not known yet */
};

/* What adaptive would have given. */
enum report_would_state {
    REPORT_WOULD_NOT_ASKED, /* it is adaptive, or hedges were started and nobody knows by what rule */
    REPORT_WOULD_KNOWN,     /* the figures hold; extra_requests 0: no hedge is worth it */
    REPORT_WOULD_ALONE,     /* there is one backend: nobody to hedge with */
    REPORT_WOULD_FEW,       /* too few answers */
    REPORT_WOULD_UNSEEN,    /* only one backend was asked: nothing is known of the others */
    REPORT_WOULD_MANY,      /* more backends, or requests, than a replay takes */
};
struct report_would {
    enum report_would_state state;
    uint64_t without_ns[REPORT_QUANTILES], with_ns[REPORT_QUANTILES]; /* as the model's */
    double extra_requests, extra_cost;                                /* NAN: not known */
};

struct report_model {
    char *name;
    const char *mode;  /* static; NULL: not known */
    uint64_t requests; /* all of the model; and those for which a backend was asked */
    uint64_t raced;
    double request_budget, target;                    /* of adaptive, 0..1 */
    struct hist with, with_cut, without, without_cut; /* saved.h */
    uint64_t started[4], won[4];                      /* by enum hedge_trigger */
    bool suppressed_known;
    uint64_t suppressed[SUPPRESS_COUNT];
    bool priced, part_priced; /* the price of a backend is known; but not of all */
    uint64_t won_pico, wasted_pico, wasted_tokens;
    struct report_advice *advice;
    unsigned advice_count;
    struct report_would would;
    /* Made of the above by report_settle: */
    uint64_t without_ns[REPORT_QUANTILES], with_ns[REPORT_QUANTILES];
};

struct report {
    struct report_model *models;
    unsigned count, max;
    double since_s;      /* what it covers */
    uint64_t lost_lines; /* of a log: that could not be read */
    bool of_log;
};

/* A new model's row, all zeros but the name (a copy) and would (not asked). Valid until the next. */
struct report_model *report_add(struct report *, struct span name);
/* All rows are filled in: makes their quantiles. */
void report_settle(struct report *);
void report_free(struct report *);

/* The index of the quantile by which two sides are compared: the one nearest the target of which both
 * have enough requests, going down from there; the target's when there is none. */
unsigned report_headline(double target, const uint64_t without_ns[REPORT_QUANTILES],
                         const uint64_t with_ns[REPORT_QUANTILES]);
/* Extra requests by hedging, per request that was raced. */
double report_extra_requests(const struct report_model *);
/* Money of attempts that did not win per money of those that did; NAN: no price, or nothing spent. */
double report_extra_cost(const struct report_model *);
/* Did the winner after this time save so much? 1 - with / without; NAN when one of them is not known. */
double report_change(uint64_t without_ns, uint64_t with_ns);

/* The sentences on a model, one after another, to say(line, owner). The line is valid during the call. */
void report_words(const struct report *, const struct report_model *,
                  void (*say)(const char *line, void *owner), void *owner);

/* The JSON of /admin/report, and the text that people read; from the heap, for heap_free. */
char *report_json(const struct report *, size_t *length);
char *report_text_new(const struct report *, size_t *length);
void report_text(const struct report *, FILE *out);

#endif
