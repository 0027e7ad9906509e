/* health.h - what one worker knows of each backend: recent outcomes, ejection, cool-down, concurrency.
 * (pure; how fast it is: learn.h)
 *
 * Indexed by config_backend.id. Single writer: the worker. Reports of attempts come in
 * (health_on_x), the statistics tick (health_tick) turns them into numbers, and the request path
 * only reads those.
 *
 *             5 failures in a row,                     its time is over
 *             or > 50 % of >= 20 recent
 *    CLOSED ------------------------> OPEN (ejected) ------------------> HALF_OPEN
 *       ^                              ^                                  |   |
 *       |                              |            the probe failed      |   |
 *       |                              +----------------------------------+   |
 *       +--------------------------------------------------------------------+
 *                                    the probe gave content, or was answered
 */
#ifndef HEDGEROW_APPLIANCE_RACE_HEALTH_H
#define HEDGEROW_APPLIANCE_RACE_HEALTH_H

#include "appliance/race/config.h"
#include "core/base.h"

/* Ejection, as Envoy's outlier detection has it: a row of failures, or a bad share among enough. */
#define HEALTH_ROW_MAX             5
#define HEALTH_SHARE_MAX           0.5
#define HEALTH_SHARE_RECENT_MIN    20.0
#define HEALTH_RECENT_HALF_LIFE_NS (30 * NS_PER_S)
/* How long: doubling from one to sixty seconds, 10 % apart between backends that fell together. */
#define HEALTH_OPEN_MIN_NS NS_PER_S
#define HEALTH_OPEN_MAX_NS (60 * NS_PER_S)
#define HEALTH_OPEN_JITTER 0.1
/* A provider may ask for a longer rest; by then its limits have turned over more than once. */
#define HEALTH_COOL_MAX_NS (120 * NS_PER_S)
enum health_state {
    HEALTH_CLOSED,    /* in use */
    HEALTH_OPEN,      /* ejected until open_until_ns */
    HEALTH_HALF_OPEN, /* one probe may go; its outcome decides */
};

struct health_backend {
    enum health_state state;
    uint64_t open_until_ns; /* end of the latest ejection; 0: there was none */
    uint64_t cool_until_ns; /* Retry-After of a 429/503 has not passed */
    unsigned failures_in_a_row;
    unsigned ejections;           /* one after the other: doubles the time out */
    bool probing;                 /* HALF_OPEN: the one probe is under way */
    double recent, recent_failed; /* decayed counts of answers and failures */
    uint64_t recent_at_ns;        /* the time they are decayed to */
    unsigned in_flight;
};

struct health {
    struct health_backend *backends; /* count = config->backend_count; memory is the owner's */
    unsigned count;
};

/* `memory` holds `count` backends and belongs to the caller; nothing is known of any. */
void health_init(struct health *, struct health_backend *memory, unsigned count, uint64_t now_ns);
/* An attempt goes to it: its probe, when its ejection is over and none is under way. */
void health_on_start(struct health *, unsigned id, uint64_t now_ns);
/* Its first content came. */
void health_on_content(struct health *, unsigned id);
/* The attempt ended; pairs with health_on_start. `why`:
 *   FAIL_NONE                   won and whole;
 *   FAIL_REFUSED, FAIL_POLICY   the backend answered well, it is the request that is not;
 *   others                      by fail_sick.
 * retry_after_ms from the provider's answer, 0 if none: until then it is used last. */
void health_on_end(struct health *, unsigned id, enum fail why, uint64_t retry_after_ms,
                   uint64_t now_ns);
/* May a request go to it now? An ejected one whose time is over, or a half-open one, takes one
 * probe at a time. */
bool health_usable(const struct health *, unsigned id, uint64_t now_ns);
/* When its ejection and its cool-down are over; in the past when it has neither. */
uint64_t health_back_ns(const struct health *, unsigned id);
/* The statistics tick (about every 250 ms): state changes by time. */
void health_tick(struct health *, uint64_t now_ns);
const char *health_state_name(enum health_state); /* "closed" "open" "half_open" */

#endif
