/* watch.h - looks at the engine between its turns: what it knew, what it did, and whether its books balance. The numbers of
 * the promise are judged from outside (account.h); here is what nobody can see from there. */
#ifndef TESTS_SIM_WATCH_H
#define TESTS_SIM_WATCH_H

#include "appliance/race/exchange.h"
#include "tests/sim/ledger.h"

/* A world begins. */
void watch_begin(struct race *);
/* Around each turn. */
void watch_before(void);
void watch_after(void);
/* An exchange is over. request: the client's. */
void watch_finished(struct request *, const struct exchange *);
/* world.c: whose exchange it is; NULL: garbage has no number. */
struct request *world_request_of(const struct exchange *);

#endif
