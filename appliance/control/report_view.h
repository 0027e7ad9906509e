/* report_view.h - the report of the running process, from its workers' counters and its learner. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_REPORT_VIEW_H
#define HEDGEROW_APPLIANCE_CONTROL_REPORT_VIEW_H

#include "appliance/control/crew.h"
#include "appliance/control/report.h"

/* Adds up all workers; the caller frees it (report_free). Any thread. */
struct report report_view(struct crew *);

#endif
