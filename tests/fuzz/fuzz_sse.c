/* fuzz_sse.c - event streams: the same events however the input is cut, and those of a reader written line for line after the
 * WHATWG text (HTML, 9.2.6 "Interpreting an event stream"), one byte at a time. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base.h"
#include "net/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Splits are tried at every offset. */
#define INPUT_MAX  2048
#define EVENTS_MAX (INPUT_MAX + 1)

struct event {
    size_t name_size, data_size;
    char *name, *data; /* in the list's text */
    unsigned data_lines;
    bool foreign, plain;
    size_t raw_size; /* without line ends at its end */
};

struct events {
    unsigned count;
    uint64_t foreign;
    struct event list[EVENTS_MAX];
    char text[4 * INPUT_MAX];
    size_t text_size;
};

static char *keep(struct events *events, struct span bytes) {
    CHECK(events->text_size + bytes.n <= sizeof events->text);
    char *at = events->text + events->text_size;
    if (bytes.n)
        memcpy(at, bytes.p, bytes.n);
    events->text_size += bytes.n;
    return at;
}

/* ---- the standard, word for word ---- */

struct reference {
    char line[INPUT_MAX], data[2 * INPUT_MAX], type[INPUT_MAX];
    size_t line_size, data_size, type_size;
    unsigned data_lines;
    bool after_cr;
};

static void reference_dispatch(struct reference *r, struct events *events) {
    /* "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string and return." */
    if (r->data_size > 0) {
        struct event *event = &events->list[events->count++];
        /* "If the data buffer's last character is a U+000A, then remove it." */
        event->data_size = r->data_size - 1;
        event->data = keep(events, span_of(r->data, event->data_size));
        event->name_size = r->type_size;
        event->name = keep(events, span_of(r->type, r->type_size));
        event->data_lines = r->data_lines;
    }
    r->data_size = r->type_size = 0;
    r->data_lines = 0;
}

static void reference_field(struct reference *r, struct events *events, struct span field,
                            struct span value) {
    if (span_eq(field, SPAN("event"))) {
        memcpy(r->type, value.p, value.n);
        r->type_size = value.n;
    } else if (span_eq(field, SPAN("data"))) {
        memcpy(r->data + r->data_size, value.p, value.n);
        r->data_size += value.n;
        r->data[r->data_size++] = '\n';
        r->data_lines++;
    } else if (!span_eq(field, SPAN("id")) && !span_eq(field, SPAN("retry"))) {
        events->foreign++;
    }
}

static void reference_line(struct reference *r, struct events *events) {
    struct span line = span_of(r->line, r->line_size);
    r->line_size = 0;
    if (line.n == 0) {
        reference_dispatch(r, events);
        return;
    }
    if (line.p[0] == ':')
        return;
    size_t colon = 0;
    while (colon < line.n && line.p[colon] != ':')
        colon++;
    struct span value = span_from(line, colon + 1);
    if (value.n > 0 && value.p[0] == ' ')
        value = span_from(value, 1);
    reference_field(r, events, span_of(line.p, colon), value);
}

static void reference_run(struct span in, struct events *events) {
    static struct reference r;
    r = (struct reference){0};
    if (in.n >= 3 && memcmp(in.p, "\xef\xbb\xbf", 3) == 0)
        in = span_from(in, 3);
    for (size_t i = 0; i < in.n; i++) {
        bool pair = r.after_cr && in.p[i] == '\n';
        r.after_cr = in.p[i] == '\r';
        if (pair)
            continue;
        if (in.p[i] == '\n' || in.p[i] == '\r')
            reference_line(&r, events);
        else
            r.line[r.line_size++] = in.p[i];
    }
    /* Not the standard, but sse_last: the end of the stream ends the last line and event. */
    if (r.line_size > 0)
        reference_line(&r, events);
    reference_dispatch(&r, events);
}

/* ---- ours ---- */

static void check_plain(const struct sse_event *event) {
    char text[INPUT_MAX + 16];
    static const char *const ends[] = {"\n\n", "\r\n\r\n"};
    bool plain = false;
    for (size_t i = 0; i < countof(ends) && event->data_lines == 1; i++) {
        int n = snprintf(text, sizeof text, "data: ");
        memcpy(text + n, event->data.p, event->data.n);
        n += (int)event->data.n;
        n += snprintf(text + n, sizeof text - (size_t)n, "%s", ends[i]);
        plain |= span_eq(event->raw, span_of(text, (size_t)n));
    }
    CHECK(plain == event->plain);
}

static void add(struct events *events, const struct sse_event *event) {
    static char joined[INPUT_MAX];
    long n = sse_join(event, joined, sizeof joined);
    CHECK(n >= 0 && (size_t)n <= event->raw.n);
    CHECK(n == 0 || sse_join(event, joined, (size_t)n - 1) < 0);
    CHECK(sse_join(event, joined, (size_t)n) == n);
    if (event->data_lines == 1)
        CHECK(span_eq(event->data, span_of(joined, (size_t)n)));
    else
        CHECK(event->data.n == 0);
    check_plain(event);
    CHECK(events->count < EVENTS_MAX);
    struct event *to = &events->list[events->count++];
    struct span raw = event->raw;
    while (raw.n > 0 && (raw.p[raw.n - 1] == '\n' || raw.p[raw.n - 1] == '\r'))
        raw.n--;
    *to = (struct event){.name = keep(events, event->name),
                         .name_size = event->name.n,
                         .data = keep(events, span_of(joined, (size_t)n)),
                         .data_size = (size_t)n,
                         .data_lines = event->data_lines,
                         .foreign = event->foreign,
                         .plain = event->plain,
                         .raw_size = raw.n};
}

/* Takes what is whole of in[at..n]; returns where the rest begins. */
static size_t take(struct sse *sse, struct span in, size_t at, size_t n, bool last,
                   struct events *events) {
    for (;;) {
        struct sse_event event;
        struct span rest = span_of(in.p + at, n - at);
        long taken = last ? sse_last(sse, rest, &event) : sse_next(sse, rest, &event);
        CHECK(taken >= 0 && (size_t)taken <= rest.n);
        if (taken == 0)
            return at;
        CHECK(event.raw.n > 0 && event.raw.p + event.raw.n == rest.p + taken);
        /* What is skipped before it is a BOM or the LF of a CR. */
        CHECK((size_t)taken - event.raw.n <= 3);
        add(events, &event);
        at += (size_t)taken;
    }
}

/* `step` 0: cut once, at `cut`; else into pieces of that size. */
static void run(struct span in, size_t cut, size_t step, struct events *events) {
    struct sse sse = {0};
    size_t at = 0;
    events->count = 0;
    events->text_size = 0;
    if (step == 0)
        at = take(&sse, in, at, cut, false, events);
    for (size_t n = step; step > 0 && n < in.n; n += step)
        at = take(&sse, in, at, n, false, events);
    at = take(&sse, in, at, in.n, false, events);
    at = take(&sse, in, at, in.n, true, events);
    /* At most a BOM or the LF of a CR is left unsaid. */
    CHECK(in.n - at <= 3);
    events->foreign = sse.foreign;
}

static bool same(const struct event *a, const struct event *b) {
    return a->data_lines == b->data_lines &&
           span_eq(span_of(a->name, a->name_size), span_of(b->name, b->name_size)) &&
           span_eq(span_of(a->data, a->data_size), span_of(b->data, b->data_size));
}

static void check_reference(const struct events *ours, const struct events *want) {
    unsigned at = 0;
    for (unsigned i = 0; i < ours->count; i++) {
        if (ours->list[i].data_lines == 0)
            continue;
        CHECK(at < want->count && same(&ours->list[i], &want->list[at]));
        at++;
    }
    CHECK(at == want->count && ours->foreign == want->foreign);
}

/* A cut between the CR and the LF of the empty line may cost that event its plainness, and nothing else. */
static void check_same(const struct events *got, const struct events *want) {
    unsigned rougher = 0;
    CHECK(got->count == want->count && got->foreign == want->foreign);
    for (unsigned i = 0; i < got->count; i++) {
        const struct event *a = &got->list[i], *b = &want->list[i];
        CHECK(same(a, b) && a->foreign == b->foreign && a->raw_size == b->raw_size);
        CHECK(a->plain == b->plain || b->plain);
        rougher += a->plain != b->plain;
    }
    CHECK(rougher <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct events whole, cut, want;
    if (size > INPUT_MAX)
        return 0;
    struct span in = span_of((const char *)bytes, size);
    run(in, size, 0, &whole);
    want.count = 0;
    want.foreign = 0;
    want.text_size = 0;
    reference_run(in, &want);
    check_reference(&whole, &want);
    for (size_t at = 0; at < size; at++) {
        run(in, at, 0, &cut);
        check_same(&cut, &whole);
    }
    run(in, 0, 1, &cut);
    check_reference(&cut, &want);
    return 0;
}
