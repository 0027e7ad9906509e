/* test_h1_write.c - heads as they are written: byte for byte, in memory that is just large enough, and never with a value that
 * breaks out of its line. */
#include "net/h1_parse.h"

#include <errno.h>

#include "core/base.h"
#include "tests/test.h"

#define FIELD(name, value) \
    { SPAN_CONST(name), SPAN_CONST(value) }

static const struct {
    const char *name;
    bool response;
    struct http_head head;
    const char *want;
} rows[] = {
    {"request without body",
     false,
     {.method = HTTP_GET,
      .target = SPAN_CONST("/"),
      .authority = SPAN_CONST("a"),
      .keep_alive = true},
     "GET / HTTP/1.1\r\nhost: a\r\n\r\n"},
    {"request with length",
     false,
     {.method = HTTP_POST,
      .target = SPAN_CONST("/v1?x"),
      .authority = SPAN_CONST("a:1"),
      .keep_alive = true,
      .body = HTTP_BODY_LENGTH,
      .body_length = UINT64_MAX,
      .field_count = 2,
      .fields = {FIELD("accept", "*/*"), FIELD("X", "")}},
     "POST /v1?x HTTP/1.1\r\nhost: a:1\r\naccept: */*\r\nX: \r\ncontent-length: "
     "18446744073709551615\r\n\r\n"},
    {"empty request body",
     false,
     {.method = HTTP_POST,
      .target = SPAN_CONST("/"),
      .authority = SPAN_CONST("a"),
      .keep_alive = true,
      .body = HTTP_BODY_LENGTH},
     "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"},
    {"chunked request, close",
     false,
     {.method = HTTP_PUT,
      .target = SPAN_CONST("/"),
      .authority = SPAN_CONST("a"),
      .body = HTTP_BODY_CHUNKED},
     "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"},
    {"a method's own name goes first",
     false,
     {.method = HTTP_OTHER,
      .method_name = SPAN_CONST("PURGE"),
      .target = SPAN_CONST("*"),
      .keep_alive = true},
     "PURGE * HTTP/1.1\r\n\r\n"},
    {"given framing is left out",
     false,
     {.method = HTTP_POST,
      .target = SPAN_CONST("/"),
      .authority = SPAN_CONST("a"),
      .keep_alive = true,
      .body = HTTP_BODY_LENGTH,
      .body_length = 3,
      .field_count = 5,
      .fields = {FIELD("Host", "evil"), FIELD("Content-Length", "4"),
                 FIELD("Transfer-Encoding", "chunked"), FIELD("Connection", "x"),
                 FIELD("Hosts", "y")}},
     "POST / HTTP/1.1\r\nhost: a\r\nConnection: x\r\nHosts: y\r\ncontent-length: 3\r\n\r\n"},
    {"given host without authority",
     false,
     {.method = HTTP_GET,
      .target = SPAN_CONST("/"),
      .keep_alive = true,
      .field_count = 1,
      .fields = {FIELD("Host", "b")}},
     "GET / HTTP/1.1\r\nHost: b\r\n\r\n"},
    {"response with length",
     true,
     {.status = 200,
      .keep_alive = true,
      .body = HTTP_BODY_LENGTH,
      .body_length = 10,
      .field_count = 1,
      .fields = {FIELD("content-type", "application/json")}},
     "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n"},
    {"chunked response",
     true,
     {.status = 529, .keep_alive = true, .body = HTTP_BODY_CHUNKED},
     "HTTP/1.1 529 Overloaded\r\ntransfer-encoding: chunked\r\n\r\n"},
    {"response until close",
     true,
     {.status = 200, .body = HTTP_BODY_UNTIL_CLOSE},
     "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"},
    {"empty response",
     true,
     {.status = 404, .keep_alive = true},
     "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"},
    {"204",
     true,
     {.status = 204, .keep_alive = true, .body = HTTP_BODY_LENGTH},
     "HTTP/1.1 204 No Content\r\n\r\n"},
    {"100", true, {.status = 100, .keep_alive = true}, "HTTP/1.1 100 Continue\r\n\r\n"},
    {"304",
     true,
     {.status = 304, .keep_alive = true, .body = HTTP_BODY_CHUNKED},
     "HTTP/1.1 304 Not Modified\r\n\r\n"},
    {"unregistered status",
     true,
     {.status = 299, .keep_alive = true},
     "HTTP/1.1 299 Unknown\r\ncontent-length: 0\r\n\r\n"},
    {"response keeps a field called host",
     true,
     {.status = 200, .keep_alive = true, .field_count = 1, .fields = {FIELD("host", "x")}},
     "HTTP/1.1 200 OK\r\nhost: x\r\ncontent-length: 0\r\n\r\n"},
};

static long write_row(size_t i, char *out, size_t max) {
    return rows[i].response ? h1_write_response(&rows[i].head, out, max)
                            : h1_write_request(&rows[i].head, out, max);
}

TEST(heads_byte_for_byte) {
    char out[300];
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        long n = write_row(i, out, sizeof out);
        EXPECT_BYTES(out, n < 0 ? 0 : (size_t)n, rows[i].want);
    }
}

TEST(memory_just_large_enough) {
    for (size_t i = 0; i < countof(rows); i++) {
        size_t n = strlen(rows[i].want);
        for (size_t max = 0; max <= n; max++) {
            ROW("%s in %zu", rows[i].name, max);
            /* Of its own, so that a sanitizer sees a byte too many. */
            char *out = malloc(max + !max);
            EXPECT_EQ(write_row(i, out, max), max < n ? -ENOBUFS : (long)n);
            free(out);
        }
    }
}

TEST(what_would_break_out_of_its_line_is_never_written) {
    static char out[300];
    static const struct http_head good = {.method = HTTP_GET,
                                          .target = SPAN_CONST("/"),
                                          .status = 200,
                                          .keep_alive = true,
                                          .field_count = 1,
                                          .authority = SPAN_CONST("a"),
                                          .fields = {FIELD("a", "b")}};
    static struct http_head bad;
    bad = good;
    bad.fields[0].value = SPAN("b\r\nContent-Length: 5");
    EXPECT_ABORT(h1_write_request(&bad, out, sizeof out));
    EXPECT_ABORT(h1_write_response(&bad, out, sizeof out));
    bad = good;
    bad.fields[0].name = SPAN("a: b\r\nc");
    EXPECT_ABORT(h1_write_request(&bad, out, sizeof out));
    bad = good;
    bad.target = SPAN("/ HTTP/1.1\r\nx: y");
    EXPECT_ABORT(h1_write_request(&bad, out, sizeof out));
    bad = good;
    bad.authority = SPAN("a\r\nx: y");
    EXPECT_ABORT(h1_write_request(&bad, out, sizeof out));
    bad = good;
    bad.method_name = SPAN("GET /x");
    EXPECT_ABORT(h1_write_request(&bad, out, sizeof out));
    /* Without an end that the peer can see. */
    bad = good;
    bad.body = HTTP_BODY_UNTIL_CLOSE;
    EXPECT_ABORT(h1_write_request(&bad, out, sizeof out));
    EXPECT_ABORT(h1_write_response(&bad, out, sizeof out));
    EXPECT(h1_write_request(&good, out, sizeof out) > 0);
}

TEST(chunk_sizes) {
    static const struct {
        uint64_t n;
        const char *want;
    } sizes[] = {{0, "0\r\n"},
                 {1, "1\r\n"},
                 {15, "f\r\n"},
                 {16, "10\r\n"},
                 {500, "1f4\r\n"},
                 {0x1000, "1000\r\n"},
                 {UINT64_MAX, "ffffffffffffffff\r\n"}};
    for (size_t i = 0; i < countof(sizes); i++) {
        char out[H1_CHUNK_SIZE_MAX];
        unsigned n = h1_write_chunk_size(sizes[i].n, out);
        EXPECT_BYTES(out, n, sizes[i].want);
    }
}
