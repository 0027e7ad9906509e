/* sse.c - finds lines and empty lines in an event stream, and reads the fields of SSE.
 *
 *   [BOM] event: delta LF            one event: name "delta", one data line; raw is all of it
 *         data: {"text":"Hi"} LF
 *         LF
 *
 * Nearly every event is whole when it is first looked at, and then its bytes are searched once: read_event reads fields while
 * it looks for the empty line. Only when that fails does `scanned` come into play: later calls look for the empty line alone,
 * from there on, and read the fields when they have found it. So an event that comes byte by byte is searched twice, not
 * once per byte.
 *
 * Owns: nothing. Promises: the same events however the input is cut, but for the last LF of one (see sse.h).
 * Refuses: events longer than SSE_EVENT_MAX. */
#include "net/sse.h"

#include <errno.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/base.h"

#define BOM "\xef\xbb\xbf"

static bool is_end(char c) { return c == '\n' || c == '\r'; }

/* Index of the first CR or LF at or after `at`, or in.n. */
static size_t find_end(struct span in, size_t at) {
#ifdef __SSE2__
    const __m128i lf = _mm_set1_epi8('\n');
    const __m128i cr = _mm_set1_epi8('\r');
    for (; at + sizeof(__m128i) <= in.n; at += sizeof(__m128i)) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(in.p + at));
        __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(bytes, lf), _mm_cmpeq_epi8(bytes, cr));
        unsigned mask = (unsigned)_mm_movemask_epi8(ends);
        if (mask)
            return at + (unsigned)__builtin_ctz(mask);
    }
#endif
    while (at < in.n && !is_end(in.p[at]))
        at++;
    return at;
}

/* Index behind the line end that begins at `end`: LF, CR, or CR with its LF if that is there. */
static size_t skip_end(struct span in, size_t end) {
    bool pair = in.p[end] == '\r' && end + 1 < in.n && in.p[end + 1] == '\n';
    return end + 1 + pair;
}

enum line_kind { LINE_COMMENT, LINE_DATA, LINE_EVENT, LINE_OTHER, LINE_FOREIGN };

static const struct {
    struct span name;
    enum line_kind kind;
} fields[] = {
    {SPAN_CONST("data"), LINE_DATA},
    {SPAN_CONST("event"), LINE_EVENT},
    {SPAN_CONST("id"), LINE_OTHER},
    {SPAN_CONST("retry"), LINE_OTHER},
};

/* What a line that is not empty says: name, then a colon, one blank that does not count, and the value; or the name alone. */
static enum line_kind read_line(struct span line, struct span *value) {
    if (line.p[0] == ':')
        return LINE_COMMENT;
    for (size_t i = 0; i < countof(fields); i++) {
        struct span name = fields[i].name;
        if (!span_starts(line, name))
            continue;
        if (line.n == name.n) {
            *value = span_of(line.p + line.n, 0);
            return fields[i].kind;
        }
        if (line.p[name.n] != ':')
            break;
        bool blank = line.n > name.n + 1 && line.p[name.n + 1] == ' ';
        *value = span_from(line, name.n + 1 + blank);
        return fields[i].kind;
    }
    return LINE_FOREIGN;
}

/* Adds a line to the event; returns 1 when it is a foreign one. */
static unsigned add_line(struct sse_event *event, struct span line) {
    struct span value;
    switch (read_line(line, &value)) {
    case LINE_DATA: event->data = event->data_lines++ == 0 ? value : span_of(NULL, 0); return 0;
    case LINE_EVENT: event->name = value; return 0;
    case LINE_FOREIGN: event->foreign = true; return 1;
    case LINE_COMMENT:
    case LINE_OTHER: return 0;
    }
    return 0;
}

/* Reads lines from `begin` up to and with an empty line. Returns the index behind that, or 0 when there is none; *event then
 * holds what all of the input says, a last line without end included. */
static size_t read_event(struct span in, size_t begin, struct sse_event *event, unsigned *foreign) {
    *event = (struct sse_event){0};
    *foreign = 0;
    size_t at = begin;
    while (at < in.n) {
        if (is_end(in.p[at])) {
            at = skip_end(in, at);
            event->raw = span_of(in.p + begin, at - begin);
            return at;
        }
        size_t end = find_end(in, at);
        *foreign += add_line(event, span_of(in.p + at, end - at));
        at = end < in.n ? skip_end(in, end) : end;
    }
    event->raw = span_from(in, begin);
    return 0;
}

/* Is there an empty line in what comes behind `scanned`, which lies behind `begin`? The byte before tells whether a line
 * begins there; a LF behind a CR that was the last byte is still part of that line end. */
static bool find_empty_line(struct span in, size_t scanned) {
    size_t at = scanned;
    if (at < in.n && in.p[at] == '\n' && in.p[at - 1] == '\r')
        at++;
    bool line_begins = is_end(in.p[at - 1]);
    while (at < in.n) {
        if (line_begins && is_end(in.p[at]))
            return true;
        at = find_end(in, at);
        if (at == in.n)
            return false;
        at = skip_end(in, at);
        line_begins = true;
    }
    return false;
}

/* "data: " data and two equal line ends: what is neither of them is six bytes and two or four more. */
static bool is_plain(const struct sse_event *event) {
    if (event->data_lines != 1 || event->data.p != event->raw.p + strlen("data: ") ||
        !span_starts(event->raw, SPAN("data: ")))
        return false;
    struct span ends = span_from(event->raw, strlen("data: ") + event->data.n);
    return span_eq(ends, SPAN("\n\n")) || span_eq(ends, SPAN("\r\n\r\n"));
}

/* "event: " name, line end, and a plain event behind it with the same line ends. */
static bool is_named(const struct sse_event *event) {
    struct span raw = event->raw, label = SPAN("event: ");
    if (event->name.n == 0 || event->name.p != raw.p + label.n || !span_starts(raw, label))
        return false;
    struct sse_event rest = *event;
    struct span end = span_from(raw, label.n + event->name.n);
    bool crlf = span_starts(end, SPAN("\r\n"));
    rest.raw = span_from(end, crlf ? 2 : 1);
    return is_plain(&rest) && span_ends(raw, SPAN("\r\n")) == crlf;
}

/* Where the next event begins: behind a LF that belongs to the CR consumed last, and behind a BOM. in.n + 1 while that cannot be
 * told. */
static size_t find_begin(const struct sse *sse, struct span in) {
    if (sse->after_cr)
        return in.n > 0 && in.p[0] == '\n' ? 1 : 0;
    if (sse->begun)
        return 0;
    size_t seen = min_size(in.n, strlen(BOM));
    if (memcmp(in.p, BOM, seen) != 0)
        return 0;
    return seen == strlen(BOM) ? seen : in.n + 1;
}

static long consume(struct sse *sse, struct span in, size_t size, unsigned foreign) {
    sse->scanned = 0;
    sse->begun = true;
    sse->after_cr = in.p[size - 1] == '\r';
    sse->foreign += foreign;
    return (long)size;
}

long sse_next(struct sse *sse, struct span in, struct sse_event *event) {
    if (in.n == 0)
        return 0;
    CHECK(sse->scanned <= in.n);
    size_t begin = find_begin(sse, in);
    if (begin >= in.n)
        return 0;
    unsigned foreign;
    size_t size = 0;
    if (sse->scanned <= begin || find_empty_line(in, sse->scanned))
        size = read_event(in, begin, event, &foreign);
    if ((size ? size : in.n) - begin > SSE_EVENT_MAX)
        return -FAIL_TOO_LARGE;
    if (size == 0) {
        sse->scanned = in.n;
        return 0;
    }
    event->plain = is_plain(event);
    event->named = !event->plain && is_named(event);
    return consume(sse, in, size, foreign);
}

long sse_last(struct sse *sse, struct span in, struct sse_event *event) {
    long size = sse_next(sse, in, event);
    if (size != 0 || in.n == 0)
        return size;
    size_t begin = find_begin(sse, in);
    /* Half a BOM is no BOM. */
    if (begin > in.n)
        begin = 0;
    if (begin == in.n)
        return 0;
    unsigned foreign;
    read_event(in, begin, event, &foreign);
    return consume(sse, in, in.n, foreign);
}

long sse_join(const struct sse_event *event, char *out, size_t max) {
    struct span raw = event->raw;
    size_t at = 0, n = 0;
    unsigned lines = 0;
    while (at < raw.n && !is_end(raw.p[at])) {
        size_t end = find_end(raw, at);
        struct span value;
        if (read_line(span_of(raw.p + at, end - at), &value) == LINE_DATA) {
            bool joint = lines++ > 0;
            if (value.n + joint > max - n)
                return -ENOBUFS;
            if (joint)
                out[n++] = '\n';
            memcpy(out + n, value.p, value.n);
            n += value.n;
        }
        at = end < raw.n ? skip_end(raw, end) : end;
    }
    return (long)n;
}
