/* test_yard_scan.c - where messages end and how many events they brought (bench/yard/scan.c): what the
 * measurements count by. Every message is read whole and cut at every byte. */
#include "tests/test.h"

#include "bench/yard/scan.h"

#define HEAD "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
#define DONE "data: [DONE]\n\n"

static const struct {
    const char *name, *bytes;
    bool request;
    int status;
    unsigned events, body;
    bool finished; /* as a stream is */
} messages[] = {
    {"a length", HEAD "Content-Length: 23\r\n\r\ndata: a\n\n" DONE, false, 200, 2, 23, true},
    {"no body", "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", false, 503, 0, 0, false},
    {"one chunk", HEAD "transfer-encoding: chunked\r\n\r\n17\r\ndata: a\n\n" DONE "\r\n0\r\n\r\n",
     false, 200, 2, 23, true},
    {"an event in two chunks, an extension, a trailer",
     HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\ndat\r\n6;x=y\r\na: a\n\n\r\nE\r\n" DONE
          "\r\n0\r\nx: y\r\n\r\n",
     false, 200, 2, 23, true},
    {"a line end between the two of an event's end",
     HEAD "transfer-encoding: chunked\r\n\r\n8\r\ndata: a\n\r\n1\r\n\n\r\n0\r\n\r\n", false, 200, 1,
     9, false},
    {"carriage returns are no blank line", HEAD "content-length: 5\r\n\r\na\r\nb\n", false, 200, 0,
     5, false},
    {"a request", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}", true, 0, 0, 2,
     false},
    {"a request without a body", "GET / HTTP/1.1\r\nhost: x\r\n\r\n", true, 0, 0, 0, false},
};
enum { MESSAGES = sizeof messages / sizeof messages[0] };

static void expect_read(struct scan *s, size_t i) {
    EXPECT_EQ(s->state, SCAN_DONE);
    EXPECT_EQ(s->status, messages[i].status);
    EXPECT_EQ(s->events, messages[i].events);
    EXPECT_EQ(s->body, messages[i].body);
    EXPECT_EQ(scan_finished_stream(s), messages[i].finished);
}

TEST(bench_yard_scan_whole_with_the_next_message_behind_it) {
    static char bytes[1024];
    for (size_t i = 0; i < MESSAGES; i++) {
        struct scan s = {.request = messages[i].request};
        size_t n = strlen(messages[i].bytes);
        snprintf(bytes, sizeof bytes, "%s%s", messages[i].bytes, messages[i].bytes);
        ROW("%s", messages[i].name);
        EXPECT_EQ(scan_feed(&s, bytes, 2 * n), n);
        expect_read(&s, i);
        scan_reset(&s);
        EXPECT_EQ(scan_feed(&s, bytes + n, n), n);
        expect_read(&s, i);
    }
}

TEST(bench_yard_scan_cut_at_every_byte) {
    for (size_t i = 0; i < MESSAGES; i++) {
        size_t n = strlen(messages[i].bytes);
        for (size_t cut = 0; cut < n; cut++) {
            struct scan s = {.request = messages[i].request};
            ROW("%s, cut at %zu", messages[i].name, cut);
            EXPECT_EQ(scan_feed(&s, messages[i].bytes, cut), cut);
            EXPECT(s.state != SCAN_DONE);
            EXPECT_EQ(scan_feed(&s, messages[i].bytes + cut, n - cut), n - cut);
            expect_read(&s, i);
        }
    }
}

TEST(bench_yard_scan_refuses_what_it_cannot_measure) {
    static const struct {
        const char *name, *bytes;
    } rows[] = {
        {"an answer without an end", "HTTP/1.1 200 OK\r\n\r\n"},
        {"no status line", "nonsense\r\n\r\n"},
        {"a chunk size that is none", HEAD "transfer-encoding: chunked\r\n\r\nxyz\r\n"},
        {"a chunk longer than its size", HEAD "transfer-encoding: chunked\r\n\r\n1\r\nabc\r\n"},
        {"a size of nine digits", HEAD "transfer-encoding: chunked\r\n\r\n123456789\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scan s = {.request = false};
        ROW("%s", rows[i].name);
        EXPECT_EQ(scan_feed(&s, rows[i].bytes, strlen(rows[i].bytes)), -1);
    }
}

TEST(bench_yard_scan_refuses_a_head_that_does_not_end) {
    struct scan s = {.request = false};
    ssize_t got = 0;
    for (unsigned i = 0; i < SCAN_HEAD_MAX && got >= 0; i++)
        got = scan_feed(&s, "x", 1);
    EXPECT_EQ(got, -1);
}
