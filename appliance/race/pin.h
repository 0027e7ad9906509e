/* pin.h - requests that refer to what one provider keeps (previous_response_id, conversations, items
 * by reference of the Responses API): they go to who made it, are not hedged, and fall back on
 * nobody. */
#ifndef HEDGEROW_APPLIANCE_RACE_PIN_H
#define HEDGEROW_APPLIANCE_RACE_PIN_H

#include <stdbool.h>

#include "core/fail.h"

struct attempt;
struct exchange;

/* Narrows the exchange's plan where its request refers to such state: to the provider that is known
 * to have made it, else to those that may have, one after the other. FAIL_NONE, or FAIL_UNSUPPORTED
 * when no backend of the model keeps any. */
enum fail pin_plan(struct exchange *);
/* The winner's answer may be referred to later: remembers who made it. */
void pin_remember(struct exchange *, const struct attempt *winner);
/* Did this attempt fail because the provider knows nothing of the state? Then another may. */
bool pin_unknown_there(const struct exchange *, const struct attempt *);

#endif
