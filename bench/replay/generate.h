/* generate.h - traces that are drawn: first-token times of two or three backends with one trait each
 * that hedging must cope with, under Poisson arrivals.
 *
 * Promises: the same name, options and seed give the same trace on every machine that computes
 *           exp, log and pow alike. Arrivals, sizes, times and slow episodes have dice of their own. */
#ifndef BENCH_REPLAY_GENERATE_H
#define BENCH_REPLAY_GENERATE_H

#include "appliance/replay/trace.h"

struct generate_options {
    size_t requests;   /* > 0 */
    double rate_per_s; /* on average, > 0 */
    uint64_t seed;
};
/* 200,000 requests at 100 a second, seed 1. */
struct generate_options generate_defaults(void);

/* The traces that there are, by number from 0; NULL past the last. What it is like: half a line. */
const char *generate_name(unsigned trace);
const char *generate_what(unsigned trace);
/* The number of the trace of that name, or -1. */
int generate_find(const char *name);

/* Draws the trace; trace_fini frees it. */
void generate_make(unsigned trace, const struct generate_options *, struct trace *out);

#endif
