/* recorded.h - traces from recordings: first-token times that LLMPerf measured at public APIs (December
 * 2023), under arrivals and sizes of Azure's conversation trace (November 2023) and Mooncake's.
 *
 * Reads llmperf_ttft.csv, azure_llm_2023_conv.csv and mooncake_conversation.csv of one folder.
 * Made up:  that the three belong together. A request draws each backend's time from that backend's log, with
 *           replacement and independently: the logs have no times of day, so that slow spells which they may have
 *           had are lost, but for the episodes which some of the traces put in. All logs are of prompts of
 *           550 tokens: times do not depend on the request's size. A log has 20 to 150 times, so that
 *           p99.9 is its longest or nearly so.
 * Promises: the same files, name, options and seed give the same trace. */
#ifndef BENCH_REPLAY_RECORDED_H
#define BENCH_REPLAY_RECORDED_H

#include <stdbool.h>

#include "bench/replay/generate.h"

struct recorded;

/* Reads the folder; recorded_close frees. NULL: `why` (why_size bytes) holds "FILE[:LINE]: what is wrong". */
struct recorded *recorded_open(const char *folder, char *why, size_t why_size);
void recorded_close(struct recorded **);

/* The traces, by number from 0; NULL past the last. What it is like: half a line. */
const char *recorded_name(unsigned trace);
const char *recorded_what(unsigned trace);
/* The number of the trace of that name, or -1. */
int recorded_find(const char *name);

/* Makes the trace of at most options->requests requests, as many as there are arrivals; the rate is the arrivals'
 * own. trace_fini frees it. False: a log that it needs is not in the folder; `why` says which. */
bool recorded_make(const struct recorded *, unsigned trace, const struct generate_options *,
                   struct trace *out, char *why, size_t why_size);

#endif
