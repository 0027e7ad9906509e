/* cost.h - what an attempt has cost, by its backend's price. (pure)
 *
 * Exact where the provider counted the tokens. An attempt that we cut off gave no count: then the
 * prompt is estimated from its bytes and the output from the content events that came, or from the
 * winner's answer where the provider bills on (`cancel: bills_on`). What never reached the provider,
 * and what it refused or failed at, costs nothing. Money is in pico-dollars, integers throughout;
 * 2^64 of them are 18 million dollars. */
#ifndef HEDGEROW_APPLIANCE_RACE_COST_H
#define HEDGEROW_APPLIANCE_RACE_COST_H

#include "appliance/race/exchange.h"

/* Tokens of one answer that are believed, for money: no context window is near it, and the product
 * with any price that the configuration takes stays far from overflowing. */
#define COST_TOKENS_MAX 1000000000u

struct cost {
    uint64_t output_tokens; /* counted or estimated as above */
    bool priced;            /* the backend's price is known */
    uint64_t pico;          /* 0 when it is not */
};

/* Of an attempt that has ended, of an exchange that is over (its winner is known or there is none). */
struct cost cost_of(const struct attempt *);
/* Is nothing of what it said part of the answer that the client got? Likewise of one that is over. */
bool cost_is_wasted(const struct attempt *);

#endif
