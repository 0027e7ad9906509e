/* wish.h - what a request's own headers ask for: x-hedgerow-* (INTERFACE.md "Headers"). (pure) */
#ifndef HEDGEROW_APPLIANCE_RACE_WISH_H
#define HEDGEROW_APPLIANCE_RACE_WISH_H

#include "appliance/race/plan.h"
#include "net/http.h"

/* Reads them into *wish; spans point into the head. True, or false with *why: a sentence that says
 * what to write instead (static), and *field, its name. */
bool wish_read(const struct http_head *head, struct plan_wish *wish, const char **why,
               const char **field);
/* "250ms", "1.5s", "2m", "500us", "1h" in ns; false when it is not one or past a day. */
bool wish_duration(struct span text, uint64_t *ns);

#endif
