/* trace_rows.c - rows of a file to a trace: order, and times that nobody measured. (pure)
 *
 * A log knows one backend's time per request, or two. What another would have taken is drawn from that
 * backend's own rows near in time, so that a slow minute stays one. What such a draw cannot know is
 * whether both would have been slow for this very request: a trace of single rows tells less than one of
 * pairs. */
#include "appliance/replay/trace_rows.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/heap.h"
#include "core/rand.h"

enum {
    ROWS_FIRST = 4096,
    NEAR_ROWS = 32 /* on each side of the request: at ten a second a few seconds of that backend */
};

void trace_rows_fini(struct trace_rows *r) {
    heap_free(&r->rows);
    r->count = r->max = 0;
}

struct trace_row *trace_rows_add(struct trace_rows *r) {
    if (r->count == r->max) {
        r->max = r->max ? 2 * r->max : ROWS_FIRST;
        r->rows = heap_realloc(r->rows, r->max * sizeof *r->rows);
    }
    struct trace_row *row = &r->rows[r->count++];
    memset(row, 0, sizeof *row);
    return row;
}

/* Where a request's rows begin. */
struct start {
    uint64_t time_ns;
    uint32_t row;
};

static int by_time(const void *a, const void *b) {
    const struct start *left = a, *right = b;
    if (left->time_ns != right->time_ns)
        return left->time_ns > right->time_ns ? 1 : -1;
    return (left->row > right->row) - (left->row < right->row);
}

/* The requests in order of time; the caller frees. */
static struct start *sort_requests(const struct trace_rows *r) {
    struct start *starts = heap_alloc(r->requests * sizeof *starts);
    bool sorted = true;
    for (size_t i = 0; i < r->count; i++) {
        const struct trace_row *row = &r->rows[i];
        if (i > 0 && row->request == row[-1].request)
            continue;
        starts[row->request] = (struct start){.time_ns = row->time_ns, .row = (uint32_t)i};
        sorted = sorted && (i == 0 || row[-1].time_ns <= row->time_ns);
    }
    if (!sorted)
        qsort(starts, r->requests, sizeof *starts, by_time);
    return starts;
}

/* The times of one backend, in the order of the requests. */
struct known {
    uint64_t *ttft_ns;
    size_t count;
    size_t at; /* of these before the request in work */
};

static void gather_known(const struct trace_rows *r, const struct start *starts,
                         struct known *known) {
    for (size_t i = 0; i < r->count; i++)
        known[r->rows[i].backend].count++;
    for (unsigned b = 0; b < r->backends; b++) {
        known[b].ttft_ns = heap_alloc(known[b].count * sizeof *known[b].ttft_ns);
        known[b].count = 0;
    }
    for (size_t i = 0; i < r->requests; i++)
        for (size_t k = starts[i].row;
             k < r->count && r->rows[k].request == r->rows[starts[i].row].request; k++) {
            struct known *of = &known[r->rows[k].backend];
            of->ttft_ns[of->count++] = r->rows[k].ttft_ns;
        }
}

static uint64_t draw_near(const struct known *k, struct rand *dice) {
    size_t from = k->at > NEAR_ROWS ? k->at - NEAR_ROWS : 0;
    size_t to = min_size(k->at + NEAR_ROWS, k->count);
    return k->ttft_ns[from + rand_below(dice, to - from)];
}

/* One request whose rows begin at `first`. */
static void build_request(const struct trace_rows *r, size_t first, uint64_t origin_ns,
                          struct known *known, struct rand *dice, struct trace *out) {
    uint64_t ttft_ns[TRACE_BACKENDS_MAX];
    const struct trace_row *row = &r->rows[first], *end = r->rows + r->count;
    uint32_t input_tokens = 0, output_tokens = 0;
    unsigned given = 0; /* bit b: there is a row of backend b */
    for (const struct trace_row *at = row; at < end && at->request == row->request; at++) {
        ttft_ns[at->backend] = at->ttft_ns;
        given |= 1u << at->backend;
        input_tokens = input_tokens ? input_tokens : at->input_tokens;
        output_tokens = output_tokens ? output_tokens : at->output_tokens;
    }
    for (unsigned b = 0; b < r->backends; b++) {
        if (given & 1u << b)
            known[b].at++;
        else
            ttft_ns[b] = draw_near(&known[b], dice);
    }
    trace_add(out, row->time_ns - origin_ns, row->backend, input_tokens, output_tokens, ttft_ns);
}

void trace_rows_build(const struct trace_rows *r, const char *name, uint64_t seed,
                      struct trace *out) {
    CHECK(r->requests > 0);
    struct known known[TRACE_BACKENDS_MAX] = {0};
    struct rand dice;
    rand_init(&dice, seed);
    struct start *starts = sort_requests(r);
    gather_known(r, starts, known);
    trace_init(out, name, r->backends, r->requests);
    memcpy(out->backend_names, r->names, sizeof out->backend_names);
    for (size_t i = 0; i < r->requests; i++)
        build_request(r, starts[i].row, starts[0].time_ns, known, &dice, out);
    for (unsigned b = 0; b < r->backends; b++)
        heap_free(&known[b].ttft_ns);
    heap_free(&starts);
}
