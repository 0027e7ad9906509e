/* learning.h - the thread that turns what the workers saw into advice (race/learner.h), four times a
 * second, beside the request path.
 *
 * It holds the configuration whose learner it computes. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_LEARNING_H
#define HEDGEROW_APPLIANCE_CONTROL_LEARNING_H

#include "appliance/control/config_hold.h"

struct learning;

/* Not started yet, for so many workers. Never NULL. */
struct learning *learning_new(unsigned workers);
/* Gives the configuration a learner, which knows what that of the one before knew, and computes it from
 * now on. Before any worker sees the configuration. 0, or -errno of starting the thread. */
int learning_use(struct learning *, struct config *);
/* Ends the thread and lets go of its configuration. */
void learning_free(struct learning **);

#endif
