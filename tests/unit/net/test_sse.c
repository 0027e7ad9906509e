/* test_sse.c - event streams: rows after the standard's text, cuts at every byte, bounds, and the recorded streams of the
 * providers, counted by a second reader. */
#include "net/sse.h"

#include <ftw.h>
#include <time.h>

#include "core/base.h"
#include "tests/test.h"

/* Events are told as text: "name|data lines|data" with '*' for plain, '#' for named and '!' for foreign, one a line. Events that say nothing
 * are left out unless they are foreign. */
struct told {
    char text[4096];
    size_t n;
    struct sse sse;
    unsigned events, with_data;
};

static void tell(struct told *told, const struct sse_event *event) {
    char data[1024];
    told->events++;
    told->with_data += event->data_lines > 0;
    if (event->data_lines == 0 && event->name.n == 0 && !event->foreign)
        return;
    long n = sse_join(event, data, sizeof data);
    EXPECT(n >= 0);
    if (event->data_lines == 1)
        EXPECT_MEM(event->data.p, event->data.n, data, (size_t)n);
    told->n +=
        (size_t)snprintf(told->text + told->n, sizeof told->text - told->n, "%.*s|%u|%.*s%s%s\n",
                         (int)event->name.n, event->name.p, event->data_lines, (int)n, data,
                         event->plain   ? "*"
                         : event->named ? "#"
                                        : "",
                         event->foreign ? "!" : "");
}

/* Takes what in[at..n] holds whole. */
static size_t take(struct told *told, struct span in, size_t at, size_t n, bool last) {
    for (;;) {
        struct sse_event event;
        struct span rest = span_of(in.p + at, n - at);
        long taken = last ? sse_last(&told->sse, rest, &event) : sse_next(&told->sse, rest, &event);
        EXPECT(taken >= 0 && (size_t)taken <= rest.n);
        if (taken <= 0)
            return at;
        tell(told, &event);
        at += (size_t)taken;
    }
}

static void read_cut(struct told *told, struct span in, size_t cut) {
    *told = (struct told){0};
    size_t at = take(told, in, 0, cut, false);
    at = take(told, in, at, in.n, false);
    take(told, in, at, in.n, true);
}

static void read_bytes(struct told *told, struct span in) {
    *told = (struct told){0};
    size_t at = 0;
    for (size_t n = 1; n <= in.n; n++)
        at = take(told, in, at, n, false);
    take(told, in, at, in.n, true);
}

static const struct {
    const char *name;
    struct span in;
    const char *want;
    unsigned foreign;
} rows[] = {
    {"one", SPAN_CONST("data: x\n\n"), "|1|x*\n", 0},
    {"two", SPAN_CONST("data: x\n\ndata: y\n\n"), "|1|x*\n|1|y*\n", 0},
    {"CRLF", SPAN_CONST("data: x\r\n\r\ndata: y\r\n\r\n"), "|1|x*\n|1|y*\n", 0},
    {"CR", SPAN_CONST("data: x\r\rdata: y\r\r"), "|1|x\n|1|y\n", 0},
    {"LF CRLF", SPAN_CONST("data: x\n\r\ndata: y\r\n\n"), "|1|x\n|1|y\n", 0},
    {"LF CR", SPAN_CONST("data: x\n\rdata: y\n\n"), "|1|x\n|1|y*\n", 0},
    {"CRLF CR", SPAN_CONST("data: x\r\n\rdata: y\n\n"), "|1|x\n|1|y*\n", 0},
    {"CR CRLF", SPAN_CONST("data: x\r\r\ndata: y\n\n"), "|1|x\n|1|y*\n", 0},
    {"no blank", SPAN_CONST("data:x\n\n"), "|1|x\n", 0},
    {"two blanks", SPAN_CONST("data:  x\n\n"), "|1| x*\n", 0},
    {"tab", SPAN_CONST("data:\tx\n\n"), "|1|\tx\n", 0},
    {"blank behind", SPAN_CONST("data: x \n\n"), "|1|x *\n", 0},
    {"colon in data", SPAN_CONST("data: : keepalive\n\n"), "|1|: keepalive*\n", 0},
    {"empty data", SPAN_CONST("data:\n\n"), "|1|\n", 0},
    {"empty data, blank", SPAN_CONST("data: \n\n"), "|1|*\n", 0},
    {"data without colon", SPAN_CONST("data\n\n"), "|1|\n", 0},
    {"two lines", SPAN_CONST("data: a\ndata: b\n\n"), "|2|a\nb\n", 0},
    {"empty lines of data", SPAN_CONST("data\ndata\n\n"), "|2|\n\n", 0},
    {"lines apart", SPAN_CONST("data: a\nid: 1\n: c\ndata:b\n\n"), "|2|a\nb\n", 0},
    {"name", SPAN_CONST("event: ping\ndata: {}\n\n"), "ping|1|{}#\n", 0},
    {"name behind data", SPAN_CONST("data: {}\nevent: ping\n\n"), "ping|1|{}\n", 0},
    {"last name counts", SPAN_CONST("event: a\nevent:b\ndata: x\n\n"), "b|1|x\n", 0},
    {"name taken back", SPAN_CONST("event: a\nevent\ndata: x\n\n"), "|1|x\n", 0},
    {"names do not stay", SPAN_CONST("event: a\ndata: x\n\ndata: y\n\n"), "a|1|x#\n|1|y*\n", 0},
    {"name alone", SPAN_CONST("event: error\n\n"), "error|0|\n", 0},
    {"comment", SPAN_CONST(": OPENROUTER PROCESSING\n\ndata: x\n\n"), "|1|x*\n", 0},
    {"comment within", SPAN_CONST(":\ndata: x\n\n"), "|1|x\n", 0},
    {"blank lines", SPAN_CONST("\n\n\r\n\r\rdata: x\n\n\n"), "|1|x*\n", 0},
    {"id and retry", SPAN_CONST("retry: 3\nid\nid: 1\ndata: x\n\n"), "|1|x\n", 0},
    {"BOM",
     SPAN_CONST("\xef\xbb\xbf"
                "data: x\n\n"),
     "|1|x*\n", 0},
    {"BOM alone", SPAN_CONST("\xef\xbb\xbf"), "", 0},
    {"half a BOM", SPAN_CONST("\xef\xbb"), "|0|!\n", 1},
    {"BOM twice",
     SPAN_CONST("\xef\xbb\xbf\xef\xbb\xbf"
                "data: x\n\n"),
     "|0|!\n", 1},
    {"late BOM",
     SPAN_CONST("data: x\n\n\xef\xbb\xbf"
                "data: y\n\n"),
     "|1|x*\n|0|!\n", 1},
    {"not quite a BOM",
     SPAN_CONST("\xef\xbb"
                "data: x\n\n"),
     "|0|!\n", 1},
    {"U+2028, U+2029, U+0085",
     SPAN_CONST("data: a\xe2\x80\xa8"
                "b\xe2\x80\xa9\xc2\x85"
                "c\n\n"),
     "|1|a\xe2\x80\xa8"
     "b\xe2\x80\xa9\xc2\x85"
     "c*\n",
     0},
    {"form feed and VT", SPAN_CONST("data: a\f\vb\n\n"), "|1|a\f\vb*\n", 0},
    {"near names",
     SPAN_CONST("datax: 1\ndat: 2\nData: 3\n data: 4\ndata : 5\nevents\nids\nretry2\n\n"), "|0|!\n",
     8},
    {"HTML", SPAN_CONST("<html>\r\n<body>\r\n</html>\r\n"), "|0|!\n", 3},
    {"JSON", SPAN_CONST("{\"error\": {\n \"code\": 429}}"), "|0|!\n", 2},
    {"JSON and data", SPAN_CONST("{}\ndata: x\n\n"), "|1|x!\n", 1},
    {"no last blank line", SPAN_CONST("data: x\n\ndata: [DONE]\n"), "|1|x*\n|1|[DONE]\n", 0},
    {"no last line end", SPAN_CONST("data: x\n\ndata: [DONE]"), "|1|x*\n|1|[DONE]\n", 0},
    {"cut in the name", SPAN_CONST("data: x\n\ndat"), "|1|x*\n|0|!\n", 1},
    {"comment at the end", SPAN_CONST("data: x\n\n: bye"), "|1|x*\n", 0},
    {"nothing", SPAN_CONST(""), "", 0},
};

TEST(streams_by_rows) {
    static struct told told;
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        read_cut(&told, rows[i].in, rows[i].in.n);
        EXPECT_STR(told.text, rows[i].want);
        EXPECT_EQ(told.sse.foreign, rows[i].foreign);
    }
}

/* Drops the marks of plainness: a cut before the last LF of an event takes that. */
static void drop_marks(char *text) {
    char *to = text;
    for (char *from = text; *from; from++)
        if (from[0] != '*' || from[1] != '\n')
            *to++ = *from;
    *to = 0;
}

static void expect_cuts(struct span in) {
    static struct told whole, cut;
    read_cut(&whole, in, in.n);
    drop_marks(whole.text);
    for (size_t at = 0; at < in.n; at++) {
        read_cut(&cut, in, at);
        drop_marks(cut.text);
        EXPECT_STR(cut.text, whole.text);
        EXPECT_EQ(cut.events, whole.events);
        EXPECT_EQ(cut.sse.foreign, whole.sse.foreign);
    }
    read_bytes(&cut, in);
    drop_marks(cut.text);
    EXPECT_STR(cut.text, whole.text);
    EXPECT_EQ(cut.events, whole.events);
    EXPECT_EQ(cut.sse.foreign, whole.sse.foreign);
}

TEST(cuts_at_every_byte) {
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        expect_cuts(rows[i].in);
    }
}

TEST(raw_is_what_was_received) {
    struct sse sse = {0};
    struct sse_event event;
    struct span in = SPAN("\xef\xbb\xbf: c\r\ndata: x\r\n\r\ndata: y\n\n");
    EXPECT_EQ(sse_next(&sse, in, &event), 19);
    EXPECT_BYTES(event.raw.p, event.raw.n, ": c\r\ndata: x\r\n\r\n");
    EXPECT(!event.plain);
    in = span_from(in, 19);
    EXPECT_EQ(sse_next(&sse, in, &event), 9);
    EXPECT_BYTES(event.raw.p, event.raw.n, "data: y\n\n");
    EXPECT(event.plain);
}

TEST(an_event_does_not_wait_for_the_LF_of_its_last_CR) {
    struct sse sse = {0};
    struct sse_event event;
    struct span in = SPAN("data: x\r\n\r\ndata: y\r\n\r\n");
    EXPECT_EQ(sse_next(&sse, span_of(in.p, 10), &event), 10);
    EXPECT_BYTES(event.data.p, event.data.n, "x");
    EXPECT(!event.plain && sse.after_cr);
    /* The LF alone is no empty line, and nothing to say. */
    EXPECT_EQ(sse_next(&sse, span_of(in.p + 10, 1), &event), 0);
    EXPECT_EQ(sse_last(&sse, span_of(in.p + 10, 1), &event), 0);
    EXPECT_EQ(sse_next(&sse, span_from(in, 10), &event), 12);
    EXPECT_BYTES(event.raw.p, event.raw.n, "data: y\r\n\r\n");
    EXPECT(event.plain);
}

TEST(joining_needs_room) {
    struct sse sse = {0};
    struct sse_event event;
    char out[8];
    EXPECT(sse_next(&sse, SPAN("data: ab\nx\ndata:c\ndata\n\n"), &event) > 0);
    EXPECT_EQ(event.data_lines, 3);
    EXPECT(event.data.p == NULL);
    for (size_t max = 0; max < 5; max++)
        EXPECT(sse_join(&event, out, max) < 0);
    EXPECT_EQ(sse_join(&event, out, 5), 5);
    EXPECT_MEM(out, 5, "ab\nc\n", 5);
}

/* An event of exactly `size` bytes. */
static struct span long_event(char *out, size_t size) {
    memset(out, 'x', size);
    memcpy(out, "data: ", 6);
    memcpy(out + size - 2, "\n\n", 2);
    return span_of(out, size);
}

TEST(events_are_bounded) {
    char *text = malloc(SSE_EVENT_MAX + 16);
    struct sse_event event;
    struct sse sse = {0};
    EXPECT_EQ(sse_next(&sse, long_event(text, SSE_EVENT_MAX), &event), SSE_EVENT_MAX);
    sse = (struct sse){0};
    struct span in = long_event(text, SSE_EVENT_MAX + 1);
    EXPECT_EQ(sse_next(&sse, in, &event), -FAIL_TOO_LARGE);
    /* In pieces: not before the bound, and not behind it. */
    sse = (struct sse){0};
    EXPECT_EQ(sse_next(&sse, span_of(text, SSE_EVENT_MAX), &event), 0);
    EXPECT_EQ(sse_next(&sse, in, &event), -FAIL_TOO_LARGE);
    sse = (struct sse){0};
    memset(text, ':', SSE_EVENT_MAX + 1);
    EXPECT_EQ(sse_next(&sse, span_of(text, SSE_EVENT_MAX), &event), 0);
    EXPECT_EQ(sse_next(&sse, span_of(text, SSE_EVENT_MAX + 1), &event), -FAIL_TOO_LARGE);
    EXPECT_EQ(sse_last(&sse, span_of(text, SSE_EVENT_MAX + 1), &event), -FAIL_TOO_LARGE);
    free(text);
}

/* One event of many lines, a byte more each time: were the whole of it searched again for each byte, these 256 KiB would be
 * 32 GiB of searching; `scanned` makes them two passes. Measured in the program's own time, and generously. */
TEST(feeding_by_bytes_is_linear) {
    enum { SIZE = 256 * 1024 };
    char *text = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = "data: x\n"[i % 8];
    text[SIZE - 2] = '\n'; /* an empty line for the last */
    struct sse sse = {0};
    struct sse_event event;
    clock_t begun = clock();
    for (size_t n = 1; n < SIZE; n++) {
        long taken = sse_next(&sse, span_of(text, n), &event);
        if (taken != 0 || sse.scanned != n) {
            FAIL_TEST("%ld at %zu, scanned %zu", taken, n, sse.scanned);
            break;
        }
    }
    EXPECT(clock() - begun < 2 * CLOCKS_PER_SEC);
    EXPECT_EQ(sse_next(&sse, span_of(text, SIZE), &event), SIZE);
    EXPECT_EQ(event.data_lines, SIZE / 8);
    free(text);
}

/* ---- recorded streams ---- */

/* Counts events with data without sse.c: line ends are made LF, blank lines cut blocks, and a block with a line that begins
 * with "data:" or is "data" counts. */
static unsigned count_blocks(char *text, size_t n) {
    size_t to = 0, at = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    for (; at < n; at++) {
        if (text[at] == '\r' && at + 1 < n && text[at + 1] == '\n')
            continue;
        text[to++] = text[at] == '\r' ? '\n' : text[at];
    }
    text[to] = 0;
    unsigned count = 0;
    for (char *block = text; block;) {
        char *end = strstr(block, "\n\n");
        if (end)
            *end = 0;
        bool data = false;
        for (char *line = strtok(block, "\n"); line; line = strtok(NULL, "\n"))
            data |= strncmp(line, "data:", 5) == 0 || strcmp(line, "data") == 0;
        count += data;
        block = end ? end + 2 : NULL;
    }
    return count;
}

struct counts {
    unsigned with_data, events;
    uint64_t foreign;
};

static struct counts count_events(struct span in, size_t step) {
    struct sse sse = {0};
    struct sse_event event;
    struct counts counts = {0};
    size_t at = 0;
    for (size_t n = min_size(step, in.n);; n = min_size(n + step, in.n)) {
        long taken;
        while ((taken = n < in.n ? sse_next(&sse, span_of(in.p + at, n - at), &event)
                                 : sse_last(&sse, span_of(in.p + at, n - at), &event)) > 0) {
            counts.with_data += event.data_lines > 0;
            counts.events++;
            at += (size_t)taken;
        }
        EXPECT_EQ(taken, 0);
        if (n == in.n)
            break;
    }
    counts.foreign = sse.foreign;
    return counts;
}

static unsigned files_read, events_read;

static int check_file(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st;
    (void)at;
    size_t n = 0;
    if (kind != FTW_F || !span_ends(span_str(path), SPAN(".sse")))
        return 0;
    ROW("%s", path);
    char *text = test_file(path, &n);
    if (!test_expect(text != NULL, __FILE__, __LINE__, "cannot be read"))
        return 0;
    static const size_t steps[] = {1, 7, 100, 4096};
    struct counts whole = count_events(span_of(text, n), n ? n : 1);
    for (size_t i = 0; i < countof(steps); i++) {
        struct counts cut = count_events(span_of(text, n), steps[i]);
        EXPECT_EQ(cut.with_data, whole.with_data);
        EXPECT_EQ(cut.events, whole.events);
        EXPECT_EQ(cut.foreign, whole.foreign);
    }
    EXPECT_EQ(whole.with_data, count_blocks(text, n));
    files_read++;
    events_read += whole.with_data;
    free(text);
    return 0;
}

TEST(recorded_streams) {
    const char *root = test_shared("fixtures");
    if (!root)
        SKIP("needs ../shared");
    EXPECT_EQ(nftw(root, check_file, 16, FTW_PHYS), 0);
    EXPECT(files_read > 0 && events_read > files_read);
}

/* What each quirk file must come to: events with data, and lines that are no SSE. */
TEST(quirks) {
    static const struct {
        const char *file;
        unsigned with_data;
        unsigned foreign;
    } quirks[] = {
        {"lf.sse", 5, 0},
        {"crlf.sse", 5, 0},
        {"cr-only.sse", 5, 0},
        {"mixed-ends.sse", 5, 0},
        {"no-space.sse", 5, 0},
        {"bom.sse", 5, 0},
        {"empty.sse", 0, 0},
        {"done-only.sse", 1, 0},
        {"multi-data-lines.sse", 3, 0},
        {"html-502.sse", 0, 6},
        {"u2028.sse", 3, 0},
        {"no-final-blank-line.sse", 5, 0},
        {"event-error.sse", 1, 0},
        {"gemini-error-pretty-json.sse", 0, 7},
        {"json-array-gemini.sse", 0, 4},
    };
    if (!test_shared("fixtures/sse-quirks"))
        SKIP("needs ../shared");
    for (size_t i = 0; i < countof(quirks); i++) {
        char relative[100];
        ROW("%s", quirks[i].file);
        snprintf(relative, sizeof relative, "fixtures/sse-quirks/%s", quirks[i].file);
        size_t n = 0;
        const char *path = test_shared(relative);
        char *text = path ? test_file(path, &n) : NULL;
        if (!test_expect(text != NULL, __FILE__, __LINE__, "cannot be read"))
            continue;
        struct counts counts = count_events(span_of(text, n), n ? n : 1);
        EXPECT_EQ(counts.with_data, quirks[i].with_data);
        EXPECT_EQ(counts.foreign, quirks[i].foreign);
        free(text);
    }
}
