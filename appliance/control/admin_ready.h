/* admin_ready.h - may a load balancer send requests here? */
#ifndef HEDGEROW_APPLIANCE_CONTROL_ADMIN_READY_H
#define HEDGEROW_APPLIANCE_CONTROL_ADMIN_READY_H

#include "appliance/control/crew.h"

#define ADMIN_READY_TEXT_MAX 4096

/* True when all workers run, nothing drains, and some model has a backend whose credential is there.
 * The text, a line for each thing worth knowing, says why not. It also names the models that have no
 * usable backend left and the providers without a good credential, which is no reason to be taken out
 * of service: the other models are served, and other instances would hardly fare better. Without any
 * model to serve there is nothing to lose, and what is missing (a role, a file) may be this
 * instance's own. Any thread. */
bool admin_ready(struct crew *, char text[ADMIN_READY_TEXT_MAX]);

#endif
