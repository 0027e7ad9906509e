/* fanout.h - the fan-out of "The Tail at Scale" (Dean and Barroso, CACM 56(2), 2013): a request that reads from
 * many servers in parallel is as slow as the slowest of them, unless late reads are sent twice.
 *
 * Published: a request reads 1,000 values of a BigTable from 100 servers; with a second request to
 * another replica after 10 ms its 99.9th percentile falls from 1800 ms to 74 ms, at 2 % more requests.
 * Not published, and so assumed: that it is one read a server (ten values each), that reads and
 * replicas are independent and alike, that what is sent twice slows nobody down; and the
 * distribution of the read times, of which several shapes are shown. Each is fitted to the 1800 ms;
 * the two-parameter ones to the 2 % as well, so that only their 74 ms is a prediction. */
#ifndef BENCH_REPLAY_FANOUT_H
#define BENCH_REPLAY_FANOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FANOUT_SERVERS        100
#define FANOUT_DELAY_MS       10.0
#define FANOUT_PAPER_MS       1800.0 /* p99.9 without second requests */
#define FANOUT_PAPER_HEDGE_MS 74.0   /* with them */
#define FANOUT_PAPER_EXTRA    0.02

struct fanout_figures {
    double p50_ms, p999_ms; /* of requests that send no read twice */
    double hedged_p50_ms, hedged_p999_ms;
    double extra; /* second reads per read */
};

/* The shapes, by number from 0; NULL past the last. What is assumed of it: a phrase. */
const char *fanout_name(unsigned shape);
const char *fanout_what(unsigned shape);

/* The share of the reads that take longer than `ms`, by the formula. */
double fanout_longer(unsigned shape, double ms);
/* The q-quantile of the request's time, by the formula; reads are sent twice after 10 ms, or never. */
double fanout_quantile_ms(unsigned shape, bool hedged, double q);
/* Draws so many requests, read by read, and measures. */
void fanout_run(unsigned shape, size_t requests, uint64_t seed, struct fanout_figures *out);

/* A Markdown table of all shapes beside the published figures. */
void fanout_print(size_t requests, uint64_t seed, FILE *out);

#endif
