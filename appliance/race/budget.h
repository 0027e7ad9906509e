/* budget.h - the hard limits on extra attempts of one model on one worker: in requests, in money, and for
 * retries. (pure)
 *
 * Hedges by delay:   one request adds `share` tokens, one hedge takes a whole one, a small burst is kept:
 *
 *                        hedges <= BUDGET_BURST + share x requests
 *
 *                    and one answer adds `cost_share` of what it has cost, one hedge takes what losers
 *                    have cost of late and is settled when its own cost is known. What an estimate was
 *                    short is paid back before the next hedge.
 * Retries (starts after a failure): an answer pays for one, a few are kept:
 *
 *                        retries <= BUDGET_RETRIES + answers
 *
 *                    so that with every backend failing the extra load is a constant, whatever
 *                    max_attempts allows, while one failing backend among healthy ones costs nobody an
 *                    answer.
 * Haste:             while the hedges of ten seconds exceed twice their share, a request adds half; at
 *                    four times their share (and one at least) no more are started.
 *
 * Worker-local: each worker sees its own share of the requests, so the sum over the workers holds to the
 * same shares, with one burst each. */
#ifndef HEDGEROW_APPLIANCE_RACE_BUDGET_H
#define HEDGEROW_APPLIANCE_RACE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* Tokens at most. Ten let a short stall of one provider be hedged in full, and let the first
 * requests after a start be hedged at all: at 5 % an empty bucket would take twenty for each. */
#define BUDGET_BURST 10.0
/* Retries at most without an answer in between: four rows of failures that eject a backend. */
#define BUDGET_RETRIES 20.0
/* The window of haste, of errors and of what a request and a loser have cost. */
#define BUDGET_SECONDS 10
/* Errors among this many attempts or more, and from which share on no hedge is started. */
#define BUDGET_HASTE      2.0
#define BUDGET_WORST      4.0
#define BUDGET_ERRORS_OF  20
#define BUDGET_ERRORS_MAX 0.10

struct budget_second {
    uint64_t second; /* since the clock's zero; others than the last ten are stale */
    unsigned requests, hedges, attempts, failures;
};

struct budget {
    double tokens;                     /* 0 .. BUDGET_BURST */
    double share;                      /* of the last request */
    double retries;                    /* 0 .. BUDGET_RETRIES */
    double money;                      /* pico-dollars; below 0: estimates were short */
    double request_money, waste_money; /* means of late, pico-dollars; 0: not known */
    struct budget_second seconds[BUDGET_SECONDS];
    uint64_t requests, taken, refused; /* since start, for metrics */
};

/* Nothing was seen yet: the first request brings the burst with it. */
void budget_init(struct budget *);
/* A request of the model has begun. share: 0..1 extra attempts per request; 0 allows none at all,
 * not even the burst. */
void budget_on_request(struct budget *, double share, uint64_t now_ns);
/* An attempt has ended: did it fail by the provider's fault? */
void budget_on_attempt(struct budget *, bool failed, uint64_t now_ns);
/* A request has ended. answered: a backend gave content. won, wasted: what the winner and the losers have
 * cost, pico-dollars; 0 where no price is known. reserved: what its budget_take calls have set aside. */
void budget_on_end(struct budget *, bool answered, double cost_share, uint64_t won_pico,
                   uint64_t wasted_pico, double reserved);
/* Takes one token for a hedge, and sets money aside, told in *reserved_pico; false, and counted, when
 * there is none of either. *money: it was money that was missing. */
bool budget_take(struct budget *, double *reserved_pico, bool *money, uint64_t now_ns);
/* Is there a whole token, and no haste? */
bool budget_ready(const struct budget *, uint64_t now_ns);
/* Is there money for one more hedge, by what losers have cost of late? */
bool budget_can_pay(const struct budget *);
/* Gives back what was taken for a hedge that was not started after all. */
void budget_put(struct budget *, double reserved_pico, uint64_t now_ns);
/* Takes what a retry costs; false when there is nothing left. And gives it back. */
bool budget_take_retry(struct budget *);
void budget_put_retry(struct budget *);
/* Of the attempts of late more than BUDGET_ERRORS_MAX have failed. */
bool budget_failing(const struct budget *, uint64_t now_ns);

#endif
