/* limit.c - requests a minute of a simulated cloud; see limit.h. */
#include "bench/limit.h"

#include <math.h>

static const double MINUTE_NS = 60e9;

bool limit_take(struct limit *limit, uint64_t rpm, uint64_t now_ns) {
    if (rpm == 0)
        return true;
    double back = (double)rpm * (double)(now_ns - limit->at_ns) / MINUTE_NS;
    limit->missing = fmax(0, limit->missing - back);
    limit->at_ns = now_ns;
    if (limit->missing + 1 > (double)rpm)
        return false;
    limit->missing += 1;
    return true;
}

struct limit_told limit_tell(const struct limit *limit, uint64_t rpm, uint64_t usual) {
    uint64_t whole = rpm ? rpm : usual;
    double missing = rpm ? limit->missing : 1;
    return (struct limit_told){.limit = whole,
                               .left = whole - (uint64_t)ceil(missing),
                               .reset_ms = (uint64_t)ceil(missing / (double)whole * 60e3)};
}
