/* trace_read.c - CSV to rows, line by line; see the header for the forms. */
#include "appliance/replay/trace_read.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "appliance/replay/trace_rows.h"
#include "core/base.h"
#include "core/heap.h"
#include "core/span.h"

enum {
    LINE_BYTES_MAX = 65536,
    REQUEST_BYTES_MAX = 256,
    SHOWN_BYTES_MAX = 40, /* of a field, in a message */
    SEEN_FIRST = 4096
};
#define TIME_MS_MAX UINT64_C(10000000000000) /* as milliseconds since 1970: the year 2286 */
#define TTFT_MS_MAX UINT64_C(86400000)       /* a day */

enum column { COL_TIME, COL_REQUEST, COL_BACKEND, COL_INPUT, COL_TTFT, COL_OUTPUT, COLS };

struct form {
    const char *header;
    unsigned count;
    enum column columns[COLS];
};
static const struct form forms[] = {
    {"time_ms,request,backend,input_tokens,ttft_ms,output_tokens",
     6,
     {COL_TIME, COL_REQUEST, COL_BACKEND, COL_INPUT, COL_TTFT, COL_OUTPUT}},
    {"time_ms,backend,prompt_tokens,ttft_ms,output_tokens",
     5,
     {COL_TIME, COL_BACKEND, COL_INPUT, COL_TTFT, COL_OUTPUT}},
};

struct reader {
    FILE *in;
    char *buf;       /* LINE_BYTES_MAX */
    size_t from, to; /* of it not read yet */
    unsigned long line;
    const char *name;
    char *why;
    size_t why_size;
    const struct form *form;
    struct trace_rows rows;
    char request[REQUEST_BYTES_MAX]; /* of the last row */
    unsigned given;                  /* bit b: the last row's request has a row of backend b */
    /* Hashes of all requests begun, open addressing, 0 is free: a request that comes back would
     * silently be two. */
    uint64_t *seen;
    size_t seen_max;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct reader *r, const char *format,
                                                         ...) {
    va_list args;
    int n = snprintf(r->why, r->why_size, "%s:%lu: ", r->name, r->line);
    va_start(args, format);
    if (n >= 0 && (size_t)n < r->why_size)
        vsnprintf(r->why + n, r->why_size - (size_t)n, format, args);
    va_end(args);
    return false;
}

/* A field as it may be shown: short, and without what a terminal would obey. */
struct shown {
    char text[SHOWN_BYTES_MAX + 1];
};
static struct shown show(struct span field) {
    struct shown s = {0};
    for (size_t i = 0; i < min_size(field.n, SHOWN_BYTES_MAX); i++)
        s.text[i] = (unsigned char)field.p[i] < ' ' || field.p[i] == 127 ? '?' : field.p[i];
    return s;
}

/* ---- lines ---- */

enum got { GOT_LINE, GOT_END, GOT_REFUSED };

/* The next line without its end, valid until the next call. */
static enum got next_line(struct reader *r, struct span *line) {
    r->line++;
    for (;;) {
        char *start = r->buf + r->from, *end = memchr(start, '\n', r->to - r->from);
        if (end) {
            *line = span_of(start, (size_t)(end - start));
            r->from += line->n + 1;
            return GOT_LINE;
        }
        memmove(r->buf, start, r->to - r->from);
        r->to -= r->from;
        r->from = 0;
        if (r->to == LINE_BYTES_MAX) {
            refuse(r, "the line is longer than %d bytes; this is not a trace", LINE_BYTES_MAX);
            return GOT_REFUSED;
        }
        size_t got = fread(r->buf + r->to, 1, LINE_BYTES_MAX - r->to, r->in);
        r->to += got;
        if (got > 0)
            continue;
        if (ferror(r->in)) {
            refuse(r, "the file cannot be read further");
            return GOT_REFUSED;
        }
        /* The last line may lack its end. */
        *line = span_of(r->buf, r->to);
        r->to = 0;
        return line->n ? GOT_LINE : GOT_END;
    }
}

static struct span without_cr(struct span line) {
    return span_ends(line, SPAN("\r")) ? span_of(line.p, line.n - 1) : line;
}

static bool header_is(struct span line, const char *header) {
    struct span want = span_str(header);
    while (line.p && want.p)
        if (!span_eq(span_trim(span_cut(&line, ',')), span_cut(&want, ',')))
            return false;
    return !line.p && !want.p;
}

static bool read_header(struct reader *r) {
    struct span line;
    enum got got = next_line(r, &line);
    if (got == GOT_REFUSED)
        return false;
    if (got == GOT_END)
        return refuse(r, "the file is empty; it wants the header %s", forms[0].header);
    if (span_starts(line, SPAN("\xef\xbb\xbf")))
        line = span_from(line, 3);
    for (size_t i = 0; i < countof(forms); i++)
        if (header_is(without_cr(line), forms[i].header))
            r->form = &forms[i];
    if (!r->form)
        return refuse(r, "the header is \"%s\"; it must be %s, or %s", show(line).text,
                      forms[0].header, forms[1].header);
    return true;
}

/* ---- fields ---- */

/* "412" "412.5" "0.000001": in ns; digits behind the sixth of a fraction are below that and fall
 * away. False for anything else and beyond max_ms. */
static bool read_ms(struct span text, uint64_t max_ms, uint64_t *ns) {
    struct span whole = span_cut(&text, '.');
    uint64_t ms, fraction = 0, unit = NS_PER_MS;
    if (!span_u64(whole, max_ms, &ms))
        return false;
    if (text.p && text.n == 0)
        return false;
    for (size_t i = 0; text.p && i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        unit /= 10;
        fraction += unit * (uint64_t)(text.p[i] - '0');
    }
    *ns = ms * NS_PER_MS + fraction;
    return true;
}

static bool read_time(struct reader *r, struct span field, uint64_t *ns) {
    if (read_ms(field, TIME_MS_MAX, ns))
        return true;
    return refuse(r,
                  "time_ms is \"%s\"; write the time of arrival in milliseconds, as 1500 or "
                  "1500.25",
                  show(field).text);
}

static bool read_ttft(struct reader *r, struct span field, uint64_t *ns) {
    if (read_ms(field, TTFT_MS_MAX, ns))
        return true;
    *ns = UINT64_MAX;
    if (span_eq(field, SPAN("never")))
        return true;
    return refuse(r,
                  "ttft_ms is \"%s\"; write the time to the first token in milliseconds, at most "
                  "%" PRIu64 ", or never",
                  show(field).text, TTFT_MS_MAX);
}

static bool read_tokens(struct reader *r, struct span field, const char *column, uint32_t *out) {
    uint64_t tokens = 0;
    if (field.n > 0 && !span_u64(field, UINT32_MAX, &tokens))
        return refuse(r, "%s is \"%s\"; write a number of tokens, or nothing if it is unknown",
                      column, show(field).text);
    *out = (uint32_t)tokens;
    return true;
}

static bool read_backend(struct reader *r, struct span field, uint8_t *out) {
    struct trace_rows *rows = &r->rows;
    if (field.n == 0 || field.n >= TRACE_NAME_MAX)
        return refuse(r, "backend is \"%s\"; write a name of 1 to %zu bytes", show(field).text,
                      TRACE_NAME_MAX - 1);
    for (size_t i = 0; i < field.n; i++)
        if ((unsigned char)field.p[i] < ' ' || field.p[i] == 127 || field.p[i] == '"')
            return refuse(r, "backend is \"%s\"; control characters and quotes belong in no name",
                          show(field).text);
    for (unsigned b = 0; b < rows->backends; b++)
        if (span_eq(field, span_str(rows->names[b]))) {
            *out = (uint8_t)b;
            return true;
        }
    if (rows->backends == TRACE_BACKENDS_MAX)
        return refuse(r, "\"%s\" is one backend too many; a trace has at most %d", show(field).text,
                      TRACE_BACKENDS_MAX);
    span_text(field, rows->names[rows->backends], TRACE_NAME_MAX);
    *out = (uint8_t)rows->backends++;
    return true;
}

/* ---- requests ---- */

static uint64_t *seen_place(const struct reader *r, uint64_t hash) {
    size_t at = (size_t)hash & (r->seen_max - 1);
    while (r->seen[at] && r->seen[at] != hash)
        at = (at + 1) & (r->seen_max - 1);
    return &r->seen[at];
}

static void seen_grow(struct reader *r) {
    uint64_t *old = r->seen;
    size_t old_max = r->seen_max;
    r->seen_max = old_max ? 2 * old_max : SEEN_FIRST;
    r->seen = heap_alloc(r->seen_max * sizeof *r->seen);
    for (size_t i = 0; i < old_max; i++)
        if (old[i])
            *seen_place(r, old[i]) = old[i];
    heap_free(&old);
}

/* Was the request there already? Two names of one hash among ten million have a chance of 1 in
 * 400,000. */
static bool seen_before(struct reader *r, struct span request) {
    if (2 * r->rows.requests >= r->seen_max)
        seen_grow(r);
    uint64_t hash = max_u64(span_hash(request), 1), *place = seen_place(r, hash);
    bool before = *place != 0;
    *place = hash;
    return before;
}

static bool begin_request(struct reader *r, struct span request) {
    if (r->form->count == COLS) {
        if (request.n == 0 || request.n >= REQUEST_BYTES_MAX)
            return refuse(r, "request is \"%s\"; write a name of 1 to %d bytes", show(request).text,
                          REQUEST_BYTES_MAX - 1);
        if (seen_before(r, request))
            return refuse(r,
                          "request \"%s\" has rows further up; the rows of a request must stand "
                          "together",
                          show(request).text);
    }
    span_text(request, r->request, sizeof r->request);
    r->given = 0;
    r->rows.requests++;
    return true;
}

/* ---- rows ---- */

static bool same_request(const struct reader *r, struct span request) {
    return r->form->count == COLS && r->rows.count > 0 && span_eq(request, span_str(r->request));
}

static bool read_row(struct reader *r, const struct span *fields) {
    struct trace_row row = {0};
    if (r->rows.count == TRACE_ROWS_MAX)
        return refuse(r, "more than %d rows; replay the file in parts", TRACE_ROWS_MAX);
    if (!read_time(r, fields[COL_TIME], &row.time_ns) ||
        !read_backend(r, fields[COL_BACKEND], &row.backend) ||
        !read_tokens(r, fields[COL_INPUT], "the number of input tokens", &row.input_tokens) ||
        !read_ttft(r, fields[COL_TTFT], &row.ttft_ns) ||
        !read_tokens(r, fields[COL_OUTPUT], "output_tokens", &row.output_tokens))
        return false;
    if (same_request(r, fields[COL_REQUEST])) {
        uint64_t first_ns = r->rows.rows[r->rows.count - 1].time_ns;
        if (first_ns != row.time_ns)
            return refuse(r,
                          "time_ms is %s, but that of the request's first row is %" PRIu64
                          ".%06" PRIu64 "; it is the time of the request's arrival",
                          show(fields[COL_TIME]).text, first_ns / NS_PER_MS, first_ns % NS_PER_MS);
        if (r->given & 1u << row.backend)
            return refuse(r, "request \"%s\" has a second row of backend \"%s\"", r->request,
                          r->rows.names[row.backend]);
    } else if (!begin_request(r, fields[COL_REQUEST])) {
        return false;
    }
    r->given |= 1u << row.backend;
    row.request = (uint32_t)(r->rows.requests - 1);
    *trace_rows_add(&r->rows) = row;
    return true;
}

static bool read_line(struct reader *r, struct span line) {
    struct span fields[COLS] = {{0}}, rest = line;
    unsigned count = 0;
    for (; rest.p && count < r->form->count; count++)
        fields[r->form->columns[count]] = span_trim(span_cut(&rest, ','));
    if (count < r->form->count || rest.p)
        return refuse(r, "%s fields than the header has; a line has %u, separated by commas",
                      rest.p ? "more" : "fewer", r->form->count);
    return read_row(r, fields);
}

static bool read_rows(struct reader *r) {
    struct span line;
    enum got got;
    while ((got = next_line(r, &line)) == GOT_LINE) {
        line = without_cr(line);
        if (span_trim(line).n > 0 && !read_line(r, line))
            return false;
    }
    if (got == GOT_REFUSED)
        return false;
    if (r->rows.count == 0)
        return refuse(r, "there are no rows behind the header");
    if (r->rows.backends == 1)
        return refuse(r, "all rows are of backend \"%s\"; hedging needs times of a second one",
                      r->rows.names[0]);
    return true;
}

bool trace_read(FILE *in, const char *name, uint64_t seed, struct trace *out, char *why,
                size_t why_size) {
    struct reader r = {.in = in, .name = name, .why = why, .why_size = why_size};
    r.buf = heap_alloc(LINE_BYTES_MAX);
    bool ok = read_header(&r) && read_rows(&r);
    if (ok)
        trace_rows_build(&r.rows, name, seed, out);
    trace_rows_fini(&r.rows);
    heap_free(&r.seen);
    heap_free(&r.buf);
    return ok;
}

/* ---- writing ---- */

static void write_tokens(uint32_t tokens, char end, FILE *out) {
    if (tokens)
        fprintf(out, "%" PRIu32, tokens);
    fputc(end, out);
}

static void write_row(const struct trace *t, size_t request, unsigned backend, FILE *out) {
    uint64_t time_ns = t->time_ns[request], ttft_ns = trace_ttft_ns(t, request, backend);
    fprintf(out, "%" PRIu64 ".%06" PRIu64 ",r%zu,%s,", time_ns / NS_PER_MS, time_ns % NS_PER_MS,
            request, t->backend_names[backend]);
    write_tokens(t->input_tokens[request], ',', out);
    if (ttft_ns == UINT64_MAX)
        fputs("never,", out);
    else
        fprintf(out, "%" PRIu64 ".%06" PRIu64 ",", ttft_ns / NS_PER_MS, ttft_ns % NS_PER_MS);
    write_tokens(t->output_tokens[request], '\n', out);
}

void trace_write(const struct trace *t, FILE *out) {
    fprintf(out, "%s\n", forms[0].header);
    for (size_t i = 0; i < t->count; i++)
        for (unsigned k = 0; k < t->backends; k++)
            write_row(t, i, (t->primary[i] + k) % t->backends, out);
}
