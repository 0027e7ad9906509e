/* log_rows.c - see the header. */
#include "appliance/control/log_rows.h"

#include <inttypes.h>
#include <string.h>

#include "appliance/replay/trace_read.h"
#include "core/base.h"
#include "core/hist.h"
#include "core/heap.h"
#include "core/json.h"
#include "core/rand.h"

/* On a row's time: no token had come by then. */
#define CUT (UINT64_C(1) << 63)

/* --- gathering --- */

static bool same_backend(const struct log_backend *b, const struct log_attempt *attempt) {
    return span_eq(span_str(b->provider), attempt->provider) &&
           span_eq(span_str(b->model), attempt->model);
}

/* Its number; TRACE_BACKENDS_MAX when there is no more room. */
static unsigned backend_of(struct log_rows *rows, const struct log_attempt *attempt) {
    unsigned i = 0;
    while (i < rows->backend_count && !same_backend(&rows->backends[i], attempt))
        i++;
    if (i < rows->backend_count || i == TRACE_BACKENDS_MAX)
        return i;
    rows->backends[i].provider = heap_text(attempt->provider.p, attempt->provider.n);
    rows->backends[i].model = heap_text(attempt->model.p, attempt->model.n);
    rows->backend_count++;
    return i;
}

/* Did we end it while it might still have answered? */
static bool was_cut_off(const struct log_attempt *attempt) {
    if (attempt->outcome == OUTCOME_LOST || attempt->outcome == OUTCOME_CANCELLED)
        return true;
    return span_eq(attempt->reason, span_str(fail_name(FAIL_FIRST_TOKEN))) ||
           span_eq(attempt->reason, span_str(fail_name(FAIL_HEAD_TIMEOUT))) ||
           span_eq(attempt->reason, span_str(fail_name(FAIL_TOTAL)));
}

/* What its row says; 0: it has none. A rescue asks for another answer, whose time is of another kind. */
static uint64_t time_of(const struct log_attempt *attempt) {
    if (attempt->trigger == HEDGE_STALL)
        return 0;
    if (attempt->first_ns != LOG_NEVER)
        return max_u64(attempt->first_ns - attempt->start_ns, 1);
    if (!was_cut_off(attempt))
        return 0;
    return max_u64(attempt->end_ns - attempt->start_ns, 1) | CUT;
}

static uint32_t tokens_of(uint64_t tokens) { return (uint32_t)min_u64(tokens, UINT32_MAX); }

void log_rows_add(struct log_rows *rows, const struct log_line *line) {
    unsigned given = 0; /* bit b: this request has a row of backend b */
    for (unsigned i = 0; i < line->attempt_count; i++) {
        const struct log_attempt *attempt = &line->attempts[i];
        uint64_t time_ns = time_of(attempt);
        if (time_ns == 0)
            continue;
        unsigned backend = backend_of(rows, attempt);
        if (backend == TRACE_BACKENDS_MAX || rows->rows.count == TRACE_ROWS_MAX) {
            rows->many = true;
            return;
        }
        if (given & 1u << backend)
            continue;
        struct trace_row *row = trace_rows_add(&rows->rows);
        row->time_ns = line->time_ms * NS_PER_MS;
        row->ttft_ns = time_ns;
        row->input_tokens = tokens_of(line->input_tokens);
        row->output_tokens = tokens_of(line->output_tokens);
        row->request = (uint32_t)rows->rows.requests;
        row->backend = (uint8_t)backend;
        rows->backends[backend].known += !(time_ns & CUT);
        given |= 1u << backend;
    }
    rows->rows.requests += given != 0;
}

/* --- names --- */

/* For a CSV that knows no quotes, and for terminals. */
static void clean(char *name) {
    for (; *name; name++)
        if ((unsigned char)*name <= ' ' || *name == ',' || *name == '"' || *name == 127)
            *name = '_';
}

static bool is_shared(const struct log_rows *rows, unsigned backend) {
    for (unsigned i = 0; i < rows->backend_count; i++)
        if (i != backend &&
            strcmp(rows->backends[i].provider, rows->backends[backend].provider) == 0)
            return true;
    return false;
}

static void name_backends(struct log_rows *rows) {
    for (unsigned i = 0; i < rows->backend_count; i++) {
        const struct log_backend *b = &rows->backends[i];
        bool shared = is_shared(rows, i);
        char *name = rows->rows.names[i];
        /* Long names are cut before their number, which keeps them apart. */
        snprintf(name, TRACE_NAME_MAX, "%.24s%s%.30s", b->provider, shared ? "/" : "",
                 shared ? b->model : "");
        clean(name);
        for (unsigned k = 0; k < i; k++)
            if (strcmp(rows->rows.names[k], name) == 0) {
                snprintf(name + strlen(name), TRACE_NAME_MAX - strlen(name), "#%u", i);
                break;
            }
    }
    rows->rows.backends = rows->backend_count;
}

/* --- times that nobody measured --- */

struct known {
    struct hist seen, cut;
};

static uint64_t draw_longer(const struct known *known, uint64_t than_ns, struct rand *dice) {
    double above = hist_above_cut(&known->seen, &known->cut, than_ns);
    double share = above * (1 - rand_double(dice));
    uint64_t time_ns = hist_quantile_cut(&known->seen, &known->cut, 1 - share);
    /* Longer than all that answered: the least that it can have been. */
    if (time_ns == UINT64_MAX)
        time_ns = known->seen.max_ns;
    return max_u64(time_ns, than_ns);
}

void log_rows_settle(struct log_rows *rows, uint64_t seed) {
    struct known *known = heap_alloc(TRACE_BACKENDS_MAX * sizeof *known);
    struct rand dice;
    rand_init(&dice, seed);
    for (size_t i = 0; i < rows->rows.count; i++) {
        const struct trace_row *row = &rows->rows.rows[i];
        struct known *of = &known[row->backend];
        hist_add(row->ttft_ns & CUT ? &of->cut : &of->seen, row->ttft_ns & ~CUT);
    }
    for (size_t i = 0; i < rows->rows.count; i++) {
        struct trace_row *row = &rows->rows.rows[i];
        if (!(row->ttft_ns & CUT))
            continue;
        row->ttft_ns = draw_longer(&known[row->backend], row->ttft_ns & ~CUT, &dice);
        rows->drawn++;
    }
    heap_free(&known);
    name_backends(rows);
    rows->settled = true;
}

/* --- out --- */

static void write_tokens(uint32_t tokens, const char *end, FILE *out) {
    if (tokens)
        fprintf(out, "%" PRIu32, tokens);
    fputs(end, out);
}

void log_rows_write(const struct log_rows *rows, FILE *out) {
    CHECK(rows->settled);
    fputs("time_ms,request,backend,input_tokens,ttft_ms,output_tokens\n", out);
    for (size_t i = 0; i < rows->rows.count; i++) {
        const struct trace_row *row = &rows->rows.rows[i];
        fprintf(out, "%" PRIu64 ",%" PRIu32 ",%s,", row->time_ns / NS_PER_MS, row->request,
                rows->rows.names[row->backend]);
        write_tokens(row->input_tokens, ",", out);
        fprintf(out, "%" PRIu64 ".%06" PRIu64 ",", row->ttft_ns / NS_PER_MS,
                row->ttft_ns % NS_PER_MS);
        write_tokens(row->output_tokens, "\n", out);
    }
}

void log_rows_fini(struct log_rows *rows) {
    for (unsigned i = 0; i < rows->backend_count; i++) {
        heap_free(&rows->backends[i].provider);
        heap_free(&rows->backends[i].model);
    }
    trace_rows_fini(&rows->rows);
    *rows = (struct log_rows){.backend_count = 0};
}
