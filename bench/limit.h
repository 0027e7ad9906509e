/* limit.h - how many requests a minute a simulated cloud takes: a bucket as deep as a minute's worth,
 * which refills steadily, as the real ones' recorded answers show. Without a limit (rpm 0) everything
 * is taken, and what is told is a limit that nothing is missing of but the request itself. */
#ifndef BENCH_LIMIT_H
#define BENCH_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct limit {
    double missing; /* of the bucket, at at_ns */
    uint64_t at_ns;
};

/* Takes one; false: there is none. */
bool limit_take(struct limit *limit, uint64_t rpm, uint64_t now_ns);
/* What is told of it: the limit, what is left of it, and when it will be whole. `usual`: the limit
 * that is told where there is none. */
struct limit_told {
    uint64_t limit, left, reset_ms;
};
struct limit_told limit_tell(const struct limit *limit, uint64_t rpm, uint64_t usual);

#endif
