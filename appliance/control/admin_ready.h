/* admin_ready.h - may a load balancer send requests here? */
#ifndef HEDGEROW_APPLIANCE_CONTROL_ADMIN_READY_H
#define HEDGEROW_APPLIANCE_CONTROL_ADMIN_READY_H

#include "appliance/control/crew.h"

#define ADMIN_READY_TEXT_MAX 4096

/* True when all workers run and nothing drains. The text, a line for each thing worth knowing,
 * says why not; and names the models that have no usable backend left, which is no reason to be
 * taken out of service: other instances reach the same providers. Any thread. */
bool admin_ready(struct crew *, char text[ADMIN_READY_TEXT_MAX]);

#endif
