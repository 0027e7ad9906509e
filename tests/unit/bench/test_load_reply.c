/* test_load_reply.c - verdicts of the load generator on responses (bench/load_reply.c): each row
 * whole, and again byte by byte; both must say the same. And URLs of bench/load_options.c. */
#include "tests/test.h"

#include "bench/load.h"

#define STREAM            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
#define CHUNK(size, text) size "\r\n" text "\r\n"
#define ROLE \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
#define WORD   "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n"
#define FINISH "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define DONE   "data: [DONE]\n\n"
#define JSON(length) \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " length "\r\n\r\n"

struct verdict_row {
    const char *name, *bytes;
    bool eof; /* the connection closes behind the bytes */
    enum load_error verdict;
    bool content, keep_alive;
};

static const struct verdict_row rows[] = {
    {"stream to the close", STREAM "\r\n" ROLE WORD WORD FINISH DONE, true, LOAD_ERROR_NONE, true,
     false},
    {"CRLF and no blank",
     STREAM "\r\ndata:{\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}"
            "\r\n\r\ndata: [DONE]\r\n\r\n",
     true, LOAD_ERROR_NONE, true, false},
    {"comments", STREAM "\r\n: ping\n\n" WORD FINISH DONE, true, LOAD_ERROR_NONE, true, false},
    {"chunked",
     STREAM "Transfer-Encoding: chunked\r\n\r\n" CHUNK("3f", WORD "data: ")
         CHUNK("4b", "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
                     "\n\n" DONE) "0\r\n\r\n",
     false, LOAD_ERROR_NONE, true, true},
    {"no finish", STREAM "\r\n" WORD DONE, true, LOAD_ERROR_truncated, true, false},
    {"no DONE", STREAM "\r\n" WORD FINISH, true, LOAD_ERROR_truncated, true, false},
    {"role only", STREAM "\r\n" ROLE DONE, true, LOAD_ERROR_empty, false, false},
    {"empty stream", STREAM "\r\n" DONE, true, LOAD_ERROR_empty, false, false},
    {"tool call",
     STREAM
     "\r\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n" FINISH DONE,
     true, LOAD_ERROR_NONE, true, false},
    {"reasoning",
     STREAM "\r\ndata: {\"choices\":[{\"delta\":{\"reasoning_content\":\"r\"}}]}\n\n" FINISH DONE,
     true, LOAD_ERROR_NONE, true, false},
    {"error event", STREAM "\r\ndata: {\"error\":{\"message\":\"m\"}}\n\n", true,
     LOAD_ERROR_error_event, false, false},
    {"error after content", STREAM "\r\n" WORD "data: {\"error\":{\"message\":\"m\"}}\n\n", true,
     LOAD_ERROR_error_event, true, false},
    {"null error",
     STREAM
     "\r\ndata: {\"error\":null,\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n" FINISH DONE,
     true, LOAD_ERROR_NONE, true, false},
    {"not JSON", STREAM "\r\ndata: {\"choices\n\n", true, LOAD_ERROR_malformed, false, false},
    {"broken chunk", STREAM "Transfer-Encoding: chunked\r\n\r\n" CHUNK("39", WORD) "3", true,
     LOAD_ERROR_truncated, true, false},
    {"whole body",
     JSON("65") "{\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}",
     false, LOAD_ERROR_NONE, true, true},
    {"half a body", JSON("65") "{\"choices\":[{\"message\":", true, LOAD_ERROR_truncated, false,
     false},
    {"no body", JSON("0"), false, LOAD_ERROR_empty, false, true},
    {"error in 200", JSON("16") "{\"error\":{\"a\":1}", false, LOAD_ERROR_malformed, false, true},
    {"error body in 200", JSON("17") "{\"error\":{\"a\":1}}", false, LOAD_ERROR_error_event, false,
     true},
    {"429", "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}", false, LOAD_ERROR_http,
     false, true},
    {"100 first", "HTTP/1.1 100 Continue\r\n\r\n" STREAM "\r\n" WORD FINISH DONE, true,
     LOAD_ERROR_NONE, true, false},
    {"not HTTP", "SSH-2.0-OpenSSH\r\n", true, LOAD_ERROR_malformed, false, false},
    {"nothing", "", true, LOAD_ERROR_closed, false, false},
    {"half a head", "HTTP/1.1 200 OK\r\nContent-", true, LOAD_ERROR_closed, false, false},
};

static void check(const struct verdict_row *row, struct load_reply *r, size_t step) {
    size_t len = strlen(row->bytes);
    load_reply_start(r, NULL);
    for (size_t at = 0; at < len; at += step)
        if (!load_reply_feed(r, row->bytes + at, len - at < step ? len - at : step, at + 1))
            break;
    if (row->eof)
        load_reply_eof(r);
    EXPECT_EQ(load_reply_verdict(r), row->verdict);
    EXPECT_EQ(r->content, row->content);
    EXPECT_EQ(r->keep_alive, row->keep_alive);
}

TEST(bench_reply_verdicts) {
    struct load_reply r = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t step = 1; step < 5000; step = step == 1 ? 7 : step * 10) {
            ROW("%s by %zu", rows[i].name, step);
            check(&rows[i], &r, step);
        }
    load_reply_free(&r);
}

TEST(bench_reply_times_and_headers) {
    static struct histogram gaps;
    struct load_reply r = {0};
    static const char head[] = STREAM
        "X-Hedgerow-Hedge: won\r\nx-hedgerow-attempts: 2\r\nx-hedgerow-provider: azure-sim\r\n\r\n";
    load_reply_start(&r, &gaps);
    load_reply_feed(&r, head, sizeof head - 1, 10);
    load_reply_feed(&r, ROLE, sizeof ROLE - 1, 20);
    EXPECT_EQ(r.content, false);
    load_reply_feed(&r, WORD, sizeof WORD - 1, 30);
    load_reply_feed(&r, WORD, sizeof WORD - 1, 45);
    load_reply_feed(&r, FINISH DONE, sizeof FINISH DONE - 1, 60);
    load_reply_eof(&r);
    EXPECT_EQ(load_reply_verdict(&r), LOAD_ERROR_NONE);
    EXPECT_EQ(r.first_ns, 30);
    EXPECT_EQ(gaps.count, 1);
    EXPECT_EQ(gaps.max, 15);
    EXPECT_EQ(r.hedge, LOAD_HEDGE_WON);
    EXPECT_EQ(r.attempts, 2);
    EXPECT_STR(r.provider, "azure-sim");
    load_reply_free(&r);
}

TEST(bench_reply_extra_bytes_end_the_connection) {
    struct load_reply r = {0};
    static const char bytes[] = JSON("2") "{}HTTP/1.1 200 OK\r\n";
    load_reply_start(&r, NULL);
    EXPECT(!load_reply_feed(&r, bytes, sizeof bytes - 1, 1));
    EXPECT_EQ(r.complete, true);
    EXPECT_EQ(r.keep_alive, false);
    load_reply_free(&r);
}

TEST(bench_load_urls) {
    static const struct {
        const char *url;
        bool good, tls;
        const char *host, *port, *path, *header;
    } urls[] = {
        {"http://127.0.0.1:8080", true, false, "127.0.0.1", "8080", "/v1/chat/completions",
         "127.0.0.1:8080"},
        {"http://127.0.0.1:8080/", true, false, "127.0.0.1", "8080", "/v1/chat/completions",
         "127.0.0.1:8080"},
        {"https://h.test/openai/v1", true, true, "h.test", "443", "/openai/v1/chat/completions",
         "h.test"},
        {"https://h.test/v1/", true, true, "h.test", "443", "/v1/chat/completions", "h.test"},
        {"http://h/x/y?api-version=1", true, false, "h", "80", "/x/y?api-version=1", "h"},
        {"http://[::1]:81/a", true, false, "::1", "81", "/a", "[::1]:81"},
        {"ftp://h", false, false, "", "", "", ""},
        {"http://", false, false, "", "", "", ""},
        {"http://h:0", false, false, "", "", "", ""},
        {"http://h:x", false, false, "", "", "", ""},
        {"http://[::1", false, false, "", "", "", ""},
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct load_options o = {0};
        ROW("%s", urls[i].url);
        EXPECT_EQ(load_options_url(&o, urls[i].url), urls[i].good);
        if (!urls[i].good)
            continue;
        EXPECT_EQ(o.tls, urls[i].tls);
        EXPECT_STR(o.host, urls[i].host);
        EXPECT_STR(o.port, urls[i].port);
        EXPECT_STR(o.path, urls[i].path);
        EXPECT_STR(o.host_header, urls[i].header);
    }
}
