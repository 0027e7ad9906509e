/* test_http.c - byte classes against the RFC's lists, and the small questions asked of a head. */
#include "net/http.h"

#include "core/base.h"
#include "tests/test.h"

TEST(byte_classes_are_those_of_the_rfcs) {
    /* RFC 9110 5.6.2 tchar, RFC 3986 reg-name, both with letters and digits. */
    static const char token[] = "!#$%&'*+-.^_`|~";
    static const char host[] = "-._~!$&'()*+,;=%";
    for (int c = 0; c < 256; c++) {
        ROW("byte 0x%02x", (unsigned)c);
        char byte = (char)c;
        struct span one = {&byte, 1};
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        EXPECT_EQ(http_is_token(one), alnum || (c && strchr(token, c)));
        EXPECT_EQ(http_is_host(one), alnum || (c && strchr(host, c)));
        EXPECT_EQ(http_is_target(one), c > ' ' && c < 0x7f && c != '#');
        EXPECT_EQ(http_is_value(one), (c >= ' ' && c != 0x7f) || c == '\t');
    }
}

/* The fast path of http_value_run takes sixteen bytes at a time: the byte that ends a run must be found at each place of
 * them, and none behind the span. */
TEST(value_runs_end_at_every_offset) {
    char bytes[70];
    memset(bytes, 'v', sizeof bytes);
    static const char ends[] = {0, '\r', '\n', 0x1f, 0x7f, 0x0b};
    for (size_t n = 0; n < sizeof bytes; n++) {
        EXPECT_EQ(http_value_run(span_of(bytes, n)), n);
        for (size_t i = 0; i < sizeof ends; i++) {
            ROW("0x%02x at %zu", (unsigned)ends[i], n);
            bytes[n] = ends[i];
            EXPECT_EQ(http_value_run(span_of(bytes, sizeof bytes)), n);
            EXPECT_EQ(http_value_run(span_of(bytes, n)), n);
        }
        bytes[n] = n % 2 ? '\t' : (char)0x80;
    }
}

TEST(empty_spans) {
    EXPECT(!http_is_token(span_of(NULL, 0)));
    EXPECT(!http_is_target(span_of(NULL, 0)));
    EXPECT(!http_is_host(span_of(NULL, 0)));
    EXPECT(http_is_value(span_of(NULL, 0)));
    EXPECT(!http_list_has(span_of(NULL, 0), SPAN("close")));
    EXPECT_EQ(http_path(span_of(NULL, 0)).n, 0);
}

TEST(hosts) {
    static const struct {
        struct span in;
        bool want;
    } rows[] = {
        {SPAN_CONST("api.example.com"), true},
        {SPAN_CONST("127.0.0.1:8080"), true},
        {SPAN_CONST("a:"), true},
        {SPAN_CONST("a:65535"), true},
        {SPAN_CONST("a:65536"), false},
        {SPAN_CONST("a:80:80"), false},
        {SPAN_CONST("a:x"), false},
        {SPAN_CONST("a:+80"), false},
        {SPAN_CONST(":80"), false},
        {SPAN_CONST("[::1]"), true},
        {SPAN_CONST("[2001:db8::1.2.3.4]:443"), true},
        {SPAN_CONST("[::1"), false},
        {SPAN_CONST("[]"), false},
        {SPAN_CONST("[::1]443"), false},
        {SPAN_CONST("[::1%eth0]"), false},
        {SPAN_CONST("[\0]"), false},
        {SPAN_CONST("user@a"), false},
        {SPAN_CONST("a/b"), false},
        {SPAN_CONST("a b"), false},
        {SPAN_CONST("a, b"), false},
        {SPAN_CONST("a?b"), false},
        {SPAN_CONST("b\xc3\xbc"), false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%.*s", (int)rows[i].in.n, rows[i].in.p);
        EXPECT_EQ(http_is_host(rows[i].in), rows[i].want);
    }
}

TEST(fields_are_found_by_name_of_any_case) {
    static struct http_head head;
    head.field_count = 3;
    head.fields[0] = (struct http_field){SPAN("Content-Type"), SPAN("a/b")};
    head.fields[1] = (struct http_field){SPAN("X"), SPAN("1")};
    head.fields[2] = (struct http_field){SPAN("x"), SPAN("2")};
    struct span type = http_field(&head, SPAN("content-type"));
    EXPECT_BYTES(type.p, type.n, "a/b");
    struct span first = http_field(&head, SPAN("x"));
    EXPECT_BYTES(first.p, first.n, "1");
    EXPECT(http_field(&head, SPAN("content-typ")).p == NULL);
    EXPECT(http_field(&head, SPAN("")).p == NULL);
}

TEST(lists) {
    static const struct {
        const char *list, *token;
        bool want;
    } rows[] = {
        {"close", "close", true},
        {"Close", "close", true},
        {"keep-alive, close", "close", true},
        {" ,,\tclose\t ,", "close", true},
        {"closed", "close", false},
        {"close d", "close", false},
        {"text/html;q=0.5, text/event-stream;q=1", "text/event-stream", true},
        {"gzip ; q=0", "gzip", true},
        {"x;close", "close", false},
        {"", "close", false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].list);
        EXPECT_EQ(http_list_has(span_str(rows[i].list), span_str(rows[i].token)), rows[i].want);
    }
}

TEST(paths) {
    static const char *const rows[][2] = {
        {"/v1/chat?x=1?y", "/v1/chat"}, {"/v1", "/v1"}, {"/?", "/"}, {"*", "*"}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i][0]);
        struct span path = http_path(span_str(rows[i][0]));
        EXPECT_BYTES(path.p, path.n, rows[i][1]);
    }
}

TEST(media_types) {
    static const struct {
        const char *value;
        bool want;
    } rows[] = {
        {"application/json", true},           {"Application/JSON; charset=utf-8", true},
        {"application/json;charset=x", true}, {" application/json ", true},
        {"application/jsonl", false},         {"application/json, text/html", false},
        {"application/problem+json", false},  {"", false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].value);
        EXPECT_EQ(http_media_type_is(span_str(rows[i].value), SPAN("application/json")),
                  rows[i].want);
    }
}

TEST(methods) {
    for (int m = HTTP_GET; m < HTTP_OTHER; m++) {
        struct span name = http_method_name((enum http_method)m);
        ROW("%.*s", (int)name.n, name.p);
        EXPECT(http_is_token(name));
        EXPECT_EQ(http_method_of(name), m);
    }
    static const char *const others[] = {"get", "GETS", "GE", "CONNECT", "TRACE", ""};
    for (size_t i = 0; i < countof(others); i++)
        EXPECT_EQ(http_method_of(span_str(others[i])), HTTP_OTHER);
    EXPECT(http_method_name(HTTP_OTHER).p == NULL);
}

TEST(status_texts) {
    static const struct {
        unsigned status;
        const char *want;
    } rows[] = {
        {100, "Continue"},
        {200, "OK"},
        {204, "No Content"},
        {304, "Not Modified"},
        {429, "Too Many Requests"},
        {499, "Client Closed Request"},
        {504, "Gateway Timeout"},
        {529, "Overloaded"},
        {0, "Unknown"},
        {299, "Unknown"},
        {530, "Unknown"},
        {599, "Unknown"},
        {60000, "Unknown"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%u", rows[i].status);
        EXPECT_STR(http_status_text(rows[i].status), rows[i].want);
    }
}
