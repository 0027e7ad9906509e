/* scrape.h - reads one number from a program's Prometheus page. */
#ifndef BENCH_YARD_SCRAPE_H
#define BENCH_YARD_SCRAPE_H

#include <stdint.h>

/* The sum of all samples named `name` at http://127.0.0.1:port/metrics; -1 if there is none. Blocks. */
double scrape_sum(uint16_t port, const char *name);

#endif
