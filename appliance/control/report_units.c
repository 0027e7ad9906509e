/* report_units.c - see the header. (pure) */
#include "appliance/control/report_units.h"

#include <stdio.h>

#include "appliance/control/report.h"
#include "core/base.h"

#define PICO_PER_USD 1e12

char *report_time_text(uint64_t ns, char text[REPORT_UNIT_MAX]) {
    double ms = (double)ns / (double)NS_PER_MS;
    if (ns == REPORT_FEW || ns == REPORT_BEYOND)
        snprintf(text, REPORT_UNIT_MAX, "%s", ns == REPORT_FEW ? "-" : "?");
    else if (ms < 9.95)
        snprintf(text, REPORT_UNIT_MAX, "%.1f ms", ms);
    else if (ms < 999.5)
        snprintf(text, REPORT_UNIT_MAX, "%.0f ms", ms);
    else
        snprintf(text, REPORT_UNIT_MAX, ms < 99995 ? "%.2f s" : "%.0f s", ms / 1000);
    return text;
}

char *report_share_text(double share, char text[REPORT_UNIT_MAX]) {
    if (share <= 0)
        snprintf(text, REPORT_UNIT_MAX, "no");
    else if (share < 0.0005)
        snprintf(text, REPORT_UNIT_MAX, "under 0.1 %%");
    else
        snprintf(text, REPORT_UNIT_MAX, share < 0.995 ? "%.1f %%" : "%.0f %%", share * 100);
    return text;
}

char *report_usd_text(uint64_t pico, char text[REPORT_UNIT_MAX]) {
    double usd = (double)pico / PICO_PER_USD;
    int decimals = usd >= 1 || pico == 0 ? 2 : usd >= 0.01 ? 4 : usd >= 0.0001 ? 6 : 9;
    snprintf(text, REPORT_UNIT_MAX, "$%.*f", decimals, usd);
    return text;
}
