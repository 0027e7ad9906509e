/* teach.h - what a worker's exchanges tell the learner (learner.h). */
#ifndef HEDGEROW_APPLIANCE_RACE_TEACH_H
#define HEDGEROW_APPLIANCE_RACE_TEACH_H

#include "appliance/race/exchange.h"

/* An attempt gave its first content; it ended without any, cut off by us: "longer than that". */
void teach_content(const struct exchange *, const struct attempt *, uint64_t ttft_ns);
void teach_cut(const struct exchange *, const struct attempt *, uint64_t age_ns);
/* A request is over: what it has cost, and its hedges. */
void teach_cost(const struct exchange *, uint64_t won_pico, uint64_t wasted_pico, unsigned hedges);
/* The statistics tick: hands over what was gathered, with the ages of the attempts that wait for their
 * first token, and takes the new advice. */
void teach_tick(struct upstreams *);

#endif
