/* admin.h - the admin listener: /livez, /readyz, /metrics, /admin/report. A thread of its own with plain blocking
 * sockets: nothing here is on the data path, and a scrape must answer when the workers are busy. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_ADMIN_H
#define HEDGEROW_APPLIANCE_CONTROL_ADMIN_H

#include "appliance/control/crew.h"

struct admin;

/* Binds host:port (port 0: the kernel picks; *bound_port says which) and starts answering. The crew
 * outlives it. 0 or -errno. */
int admin_start(struct admin **out, const char *host, uint16_t port, struct crew *crew,
                uint16_t *bound_port);
/* Ends the thread. */
void admin_stop(struct admin **);

#endif
