/* metrics.h - Prometheus text of everything that is counted (INTERFACE.md "Metrics"). */
#ifndef HEDGEROW_APPLIANCE_CONTROL_METRICS_H
#define HEDGEROW_APPLIANCE_CONTROL_METRICS_H

#include "appliance/control/crew.h"

/* Writes the whole page into a heap text of *length bytes, freed by the caller with heap_free.
 * Reads the workers' numbers where they are: each is written by one thread, a sum may be a moment
 * old. Any thread. */
char *metrics_text(struct crew *crew, size_t *length);

#endif
