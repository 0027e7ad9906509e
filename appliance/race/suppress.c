/* suppress.c - the reasons by name. See suppress.h. (pure) */
#include "appliance/race/suppress.h"

#include "core/base.h"

const char *suppress_name(enum suppress reason) {
    static const char *const names[] = {
        [SUPPRESS_BUDGET] = "budget",       [SUPPRESS_COST] = "cost",
        [SUPPRESS_OVERLOAD] = "overload",   [SUPPRESS_QUOTA] = "quota",
        [SUPPRESS_RESIDENCY] = "residency", [SUPPRESS_SLOWDOWN] = "slowdown",
        [SUPPRESS_ERRORS] = "errors",       [SUPPRESS_RETRIES] = "retries"};
    CHECK((unsigned)reason < SUPPRESS_COUNT);
    return names[reason];
}
