/* weather.h - worlds from which something can be learnt: half a minute of many requests, clouds whose first-token times keep
 * to a distribution, and an episode in their midst. A few of the seeds are such worlds; all others only take what is
 * drawn here for any world: prices, regions, a fallback, a busy core. */
#ifndef TESTS_SIM_WEATHER_H
#define TESTS_SIM_WEATHER_H

#include "tests/sim/world.h"

/* Whether this world is one, and what is in store for it; behind all other draws of the world. */
void weather_draw(void);
/* ... and of one of its clouds. */
void weather_cloud(struct cloud *);
/* What an operator has configured in such a world instead of what was drawn. */
void weather_model(struct config_model *);
/* From a request to its first token, ns. */
uint64_t weather_first_ns(const struct cloud *);
/* Does the episode decide what the cloud does with a request? */
bool weather_script(const struct cloud *, enum script *);
/* How long clients go on to come, ns. */
uint64_t weather_span_ns(void);

#endif
