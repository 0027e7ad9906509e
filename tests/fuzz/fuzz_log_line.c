/* fuzz_log_line.c - logs as `hedgerow report --log` reads them. Held to:
 *   - a line that is taken is JSON to yyjson too, and has the status, the model and the times that it says;
 *   - the same report, however small the pieces that the log comes in, and never one without a request;
 *   - the report's JSON is JSON, whatever names the log has;
 *   - a trace of two backends or more that is made of the log is read by `hedgerow replay`. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "appliance/control/report_log.h"
#include "appliance/replay/trace_read.h"
#include "core/base.h"
#include "core/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { INPUT_MAX = 8192, PIECE_MAX = 7, WHY_MAX = 400 };

/* ---- one line against yyjson ---- */

static void check_ms(yyjson_val *root, const char *key, uint64_t got_ns) {
    yyjson_val *value = yyjson_obj_get(root, key);
    CHECK((!value || yyjson_is_null(value)) == (got_ns == LOG_NEVER));
    if (got_ns != LOG_NEVER)
        CHECK(fabs(yyjson_get_num(value) * 1e6 - (double)got_ns) <= 1 + 1e-9 * (double)got_ns);
}

/* A member that stands twice is read twice by us, and once by yyjson. */
static bool has_twins(yyjson_val *root) {
    size_t i, max, k, count;
    yyjson_val *key, *value, *other, *there;
    yyjson_obj_foreach(root, i, max, key, value) {
        yyjson_obj_foreach(root, k, count, other,
                           there) if (k < i &&
                                      yyjson_equals_str(key, yyjson_get_str(other))) return true;
    }
    return false;
}

static void check_line(struct span text) {
    struct log_line line;
    if (log_line_read(text, &line) != NULL)
        return;
    yyjson_doc *doc = yyjson_read(text.p, text.n, 0);
    CHECK(doc != NULL);
    yyjson_val *root = yyjson_doc_get_root(doc);
    CHECK(yyjson_is_obj(root));
    if (!has_twins(root)) {
        CHECK(yyjson_get_uint(yyjson_obj_get(root, "status")) == line.status);
        CHECK(yyjson_arr_size(yyjson_obj_get(root, "attempts")) == line.attempt_count);
        CHECK(yyjson_is_str(yyjson_obj_get(root, "model")) || line.model.n == 0);
        check_ms(root, "ttft_ms", line.ttft_ns);
        check_ms(root, "total_ms", line.total_ns);
    }
    for (unsigned i = 0; i < line.attempt_count; i++) {
        const struct log_attempt *attempt = &line.attempts[i];
        CHECK(attempt->end_ns >= attempt->start_ns && attempt->first_ns >= attempt->start_ns);
    }
    yyjson_doc_free(doc);
}

/* ---- a log that comes in pieces ---- */

struct source {
    const uint8_t *bytes;
    size_t size, at;
    size_t piece; /* at most so much at once */
};

static ssize_t source_read(void *cookie, char *out, size_t max) {
    struct source *s = cookie;
    size_t n = min_size(min_size(max, s->piece), s->size - s->at);
    memcpy(out, s->bytes + s->at, n);
    s->at += n;
    s->piece = s->piece % PIECE_MAX + 1; /* of different lengths */
    return (ssize_t)n;
}

static struct report_log read_pieces(const uint8_t *bytes, size_t size, size_t piece, FILE *talk) {
    struct source source = {.bytes = bytes, .size = size, .piece = piece};
    FILE *in = fopencookie(&source, "r", (cookie_io_functions_t){.read = source_read});
    CHECK(in);
    setvbuf(in, NULL, _IONBF, 0);
    struct report_log log = {.name = "x", .keep_rows = true, .talk = talk};
    CHECK(report_log_read(&log, in) == 0);
    fclose(in);
    return log;
}

static char *json_of(const struct report_log *log) {
    size_t length;
    char *text = report_json(&log->report, &length);
    yyjson_doc *doc = yyjson_read(text, length, 0);
    CHECK(doc != NULL);
    yyjson_doc_free(doc);
    return text;
}

static void check_trace(struct log_rows *rows) {
    char *csv = NULL, why[WHY_MAX];
    size_t n;
    struct trace trace;
    if (rows->many || rows->backend_count < 2)
        return;
    log_rows_settle(rows, 1);
    FILE *file = open_memstream(&csv, &n);
    CHECK(file);
    log_rows_write(rows, file);
    fclose(file);
    FILE *in = fmemopen(csv, n, "r");
    CHECK(in && trace_read(in, "x", 1, &trace, why, sizeof why));
    CHECK(trace.count == rows->rows.requests && trace.backends == rows->backend_count);
    trace_fini(&trace);
    fclose(in);
    heap_free(&csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static FILE *talk;
    if (size > INPUT_MAX)
        return 0;
    if (!talk)
        talk = fopen("/dev/null", "w");
    for (struct span rest = span_of((const char *)bytes, size); rest.p && size;)
        check_line(span_cut(&rest, '\n'));
    struct report_log whole = read_pieces(bytes, size, INPUT_MAX, talk);
    struct report_log pieces = read_pieces(bytes, size, 1, talk);
    char *one = json_of(&whole), *other = json_of(&pieces);
    CHECK(strcmp(one, other) == 0);
    for (unsigned i = 0; i < whole.report.count; i++) {
        CHECK(whole.report.models[i].raced > 0);
        check_trace(&whole.rows[i]);
    }
    heap_free(&one);
    heap_free(&other);
    report_log_free(&whole);
    report_log_free(&pieces);
    return 0;
}
