/* trace.c - the arrays of a trace. (pure) */
#include "appliance/replay/trace.h"

#include <string.h>

#include "core/base.h"
#include "core/heap.h"

void trace_init(struct trace *t, const char *name, unsigned backends, size_t max) {
    CHECK(backends >= 1 && backends <= TRACE_BACKENDS_MAX);
    CHECK(max <= TRACE_REQUESTS_MAX);
    memset(t, 0, sizeof *t);
    t->name = name;
    t->backends = backends;
    t->max = max;
    t->time_ns = heap_alloc(max * sizeof *t->time_ns);
    t->input_tokens = heap_alloc(max * sizeof *t->input_tokens);
    t->output_tokens = heap_alloc(max * sizeof *t->output_tokens);
    t->primary = heap_alloc(max * sizeof *t->primary);
    t->ttft_ns = heap_alloc(max * backends * sizeof *t->ttft_ns);
}

void trace_fini(struct trace *t) {
    heap_free(&t->time_ns);
    heap_free(&t->input_tokens);
    heap_free(&t->output_tokens);
    heap_free(&t->primary);
    heap_free(&t->ttft_ns);
    t->count = t->max = 0;
}

void trace_add(struct trace *t, uint64_t time_ns, unsigned primary, uint32_t input_tokens,
               uint32_t output_tokens, const uint64_t *ttft_ns) {
    CHECK(t->count < t->max && primary < t->backends);
    CHECK(t->count == 0 || time_ns >= t->time_ns[t->count - 1]);
    size_t i = t->count++;
    t->time_ns[i] = time_ns;
    t->primary[i] = (uint8_t)primary;
    t->input_tokens[i] = input_tokens;
    t->output_tokens[i] = output_tokens;
    memcpy(&t->ttft_ns[i * t->backends], ttft_ns, t->backends * sizeof *ttft_ns);
}
