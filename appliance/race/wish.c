/* wish.c - x-hedgerow-* request headers. See wish.h. */
#include "appliance/race/wish.h"

#include "core/base.h"

#define DURATION_MAX_NS (24 * 3600 * NS_PER_S)

bool wish_duration(struct span text, uint64_t *ns) {
    static const struct {
        struct span unit;
        uint64_t ns;
    } units[] = {{SPAN_CONST("us"), NS_PER_US},
                 {SPAN_CONST("ms"), NS_PER_MS},
                 {SPAN_CONST("s"), NS_PER_S},
                 {SPAN_CONST("m"), 60 * NS_PER_S},
                 {SPAN_CONST("h"), 3600 * NS_PER_S}};
    for (unsigned i = 0; i < countof(units); i++) {
        double value;
        if (!span_ends(text, units[i].unit))
            continue;
        if (!span_double(span_of(text.p, text.n - units[i].unit.n), &value))
            continue;
        if (value < 0 || value * (double)units[i].ns > (double)DURATION_MAX_NS)
            return false;
        *ns = (uint64_t)(value * (double)units[i].ns);
        return true;
    }
    return false;
}

static bool read_hedge(struct span value, struct plan_wish *wish) {
    struct span mode = span_cut(&value, '=');
    wish->mode_given = true;
    if (span_eq_nocase(mode, SPAN("fixed"))) {
        wish->mode = HEDGE_MODE_FIXED;
        return value.p == NULL || wish_duration(value, &wish->delay_ns);
    }
    if (value.p)
        return false;
    if (span_eq_nocase(mode, SPAN("off")))
        wish->mode = HEDGE_MODE_OFF;
    else if (span_eq_nocase(mode, SPAN("adaptive")))
        wish->mode = HEDGE_MODE_ADAPTIVE;
    else if (span_eq_nocase(mode, SPAN("race")))
        wish->mode = HEDGE_MODE_RACE;
    else
        return false;
    return true;
}

bool wish_read(const struct http_head *head, struct plan_wish *wish, const char **why,
               const char **field) {
    memset(wish, 0, sizeof *wish);
    struct span hedge = http_field(head, SPAN("x-hedgerow-hedge"));
    struct span timeout = http_field(head, SPAN("x-hedgerow-timeout"));
    wish->backends = http_field(head, SPAN("x-hedgerow-backends"));
    wish->residency = http_field(head, SPAN("x-hedgerow-residency"));
    if (hedge.n && !read_hedge(hedge, wish)) {
        *why =
            "x-hedgerow-hedge must be off, fixed=DURATION (such as fixed=300ms), adaptive or race";
        *field = "x-hedgerow-hedge";
        return false;
    }
    if (timeout.n && (!wish_duration(timeout, &wish->total_ns) || wish->total_ns == 0)) {
        *why = "x-hedgerow-timeout must be a duration such as 20s or 1500ms, at most a day";
        *field = "x-hedgerow-timeout";
        return false;
    }
    return true;
}
