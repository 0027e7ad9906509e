/* permit.h - may an attempt be started? Budgets, limits, and what the process and the clouds can bear; and
 * the queue of requests whose hedge waits for a token.
 *
 * Each refusal is counted by its reason (suppress.h). */
#ifndef HEDGEROW_APPLIANCE_RACE_PERMIT_H
#define HEDGEROW_APPLIANCE_RACE_PERMIT_H

#include "appliance/race/exchange.h"

/* Of the requests that this worker may have in flight, hedges stop at: the rest is for first attempts. */
#define PERMIT_ROOM_SHARE 0.9

/* What an attempt of this request takes of a backend's limits. */
struct quota_need permit_need(const struct exchange *);
/* The request is about to race: it brings its share of a token, and if that makes a whole one the
 * oldest request that waits for one is told so (exchange_hedge_again). */
void permit_request(struct exchange *);
/* The statistics tick: the same for whoever was held back by something else than a token, in every
 * configuration of this worker. */
void permit_tick(struct race *);
/* May an attempt of this trigger go to the backend now? Takes what it costs; *ticket is what it holds of
 * the backend's limits. False: counted, and a hedge that only found no token is put into the queue. One
 * that only this backend does not take (its limits, its health) is not counted: *elsewhere is why. */
bool permit_take(struct exchange *, const struct config_backend *, enum hedge_trigger,
                 struct quota_ticket *ticket, enum suppress *elsewhere);
/* A hedge was due, and no backend took it: counts what permit_take said of the last one. */
void permit_refused(struct exchange *, enum suppress reason);
/* The attempt was not started after all. */
void permit_give_back(struct exchange *, enum hedge_trigger, struct quota_ticket *ticket);
/* Nothing more is started by delay for this request. */
void permit_leave(struct exchange *);
/* How many of its attempts were hedges: by delay, or for a stall. */
unsigned permit_hedges(const struct exchange *);
/* It is over: what the answer has cost, and what its hedges have made losers cost. */
void permit_end(struct exchange *, uint64_t won_pico, uint64_t wasted_pico);

#endif
