/* report_units.h - times, shares and money as people say them. (pure) */
#ifndef HEDGEROW_APPLIANCE_CONTROL_REPORT_UNITS_H
#define HEDGEROW_APPLIANCE_CONTROL_REPORT_UNITS_H

#include <stdint.h>

#define REPORT_UNIT_MAX 32

/* Each writes into `text` and returns it. */
/* "0.4 ms", "198 ms", "2.07 s", "125 s"; "-" for REPORT_FEW, "?" for REPORT_BEYOND (report.h). */
char *report_time_text(uint64_t ns, char text[REPORT_UNIT_MAX]);
/* "4.7 %", "no" for 0, "under 0.1 %". */
char *report_share_text(double share, char text[REPORT_UNIT_MAX]);
/* "$12.34", "$0.0123". */
char *report_usd_text(uint64_t pico, char text[REPORT_UNIT_MAX]);

#endif
