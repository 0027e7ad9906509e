/* test_h1_parse.c - heads of HTTP/1.1: what is refused and why, what is accepted and what it means, and both of them cut at
 * every byte. */
#include "net/h1_parse.h"

#include "core/base.h"
#include "tests/test.h"

/* Row verdict: all of the input is one head. Anything else is bytes consumed, 0 or -enum fail. */
#define WHOLE 1000000

#define LINE "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n"
#define HOST "Host: a.example\r\n"
#define END  "\r\n"

struct row {
    const char *name;
    struct span in;
    long want;
};

/* A row is a line. */
/* clang-format off */
static const struct row request_rows[] = {
    {"plain", SPAN_CONST(LINE HOST END), WHOLE},
    {"nothing", SPAN_CONST(""), 0},
    {"no end", SPAN_CONST(LINE HOST), 0},
    {"half an end", SPAN_CONST(LINE HOST "\r"), 0},
    {"body behind it", SPAN_CONST(POST HOST "Content-Length: 2\r\n" END "hi"), 55},
    {"pipelined", SPAN_CONST(LINE HOST END LINE), 35},

    /* two framings */
    {"CL.TE", SPAN_CONST(POST HOST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE.CL", SPAN_CONST(POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n" END), -FAIL_BAD_HTTP},
    {"TE.CL, zero", SPAN_CONST(POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n" END), -FAIL_BAD_HTTP},
    {"TE.TE", SPAN_CONST(POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE.TE, identity", SPAN_CONST(POST HOST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n" END), -FAIL_BAD_HTTP},
    {"CL.CL equal", SPAN_CONST(POST HOST "Content-Length: 5\r\nContent-Length: 5\r\n" END), -FAIL_BAD_HTTP},
    {"CL.CL different", SPAN_CONST(POST HOST "Content-Length: 5\r\nContent-Length: 6\r\n" END), -FAIL_BAD_HTTP},

    /* Transfer-Encoding that is not chunked, or hides it */
    {"TE chunked", SPAN_CONST(POST HOST "Transfer-Encoding: chunked\r\n" END), WHOLE},
    {"TE any case", SPAN_CONST(POST HOST "TRANSFER-encoding: ChunkeD\r\n" END), WHOLE},
    {"TE no blank", SPAN_CONST(POST HOST "Transfer-Encoding:chunked\r\n" END), WHOLE},
    {"TE blanks", SPAN_CONST(POST HOST "Transfer-Encoding:   chunked  \r\n" END), WHOLE},
    {"TE xchunked", SPAN_CONST(POST HOST "Transfer-Encoding: xchunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE chunkedx", SPAN_CONST(POST HOST "Transfer-Encoding: chunkedx\r\n" END), -FAIL_BAD_HTTP},
    {"TE identity", SPAN_CONST(POST HOST "Transfer-Encoding: identity\r\n" END), -FAIL_BAD_HTTP},
    {"TE chunked, identity", SPAN_CONST(POST HOST "Transfer-Encoding: chunked, identity\r\n" END), -FAIL_BAD_HTTP},
    {"TE identity, chunked", SPAN_CONST(POST HOST "Transfer-Encoding: identity, chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE gzip, chunked", SPAN_CONST(POST HOST "Transfer-Encoding: gzip, chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE chunked, chunked", SPAN_CONST(POST HOST "Transfer-Encoding: chunked, chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE comma first", SPAN_CONST(POST HOST "Transfer-Encoding: ,chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE comma last", SPAN_CONST(POST HOST "Transfer-Encoding: chunked,\r\n" END), -FAIL_BAD_HTTP},
    {"TE parameter", SPAN_CONST(POST HOST "Transfer-Encoding: chunked;q=1\r\n" END), -FAIL_BAD_HTTP},
    {"TE quoted", SPAN_CONST(POST HOST "Transfer-Encoding: \"chunked\"\r\n" END), -FAIL_BAD_HTTP},
    {"TE empty", SPAN_CONST(POST HOST "Transfer-Encoding:\r\n" END), -FAIL_BAD_HTTP},
    {"TE tab", SPAN_CONST(POST HOST "Transfer-Encoding:\tchunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE tab behind", SPAN_CONST(POST HOST "Transfer-Encoding: chunked \t\r\n" END), -FAIL_BAD_HTTP},
    {"TE vertical tab", SPAN_CONST(POST HOST "Transfer-Encoding: \x0b" "chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE blank before colon", SPAN_CONST(POST HOST "Transfer-Encoding : chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE tab before colon", SPAN_CONST(POST HOST "Transfer-Encoding\t: chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE blank before name", SPAN_CONST(POST HOST " Transfer-Encoding: chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE NUL in name", SPAN_CONST(POST HOST "Transfer-Encoding\0: chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE behind bare LF", SPAN_CONST(POST HOST "X: y\nTransfer-Encoding: chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE behind bare CR", SPAN_CONST(POST HOST "X: y\rTransfer-Encoding: chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE folded", SPAN_CONST(POST HOST "Transfer-Encoding:\r\n chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE in 1.0", SPAN_CONST("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n" END), -FAIL_BAD_HTTP},
    {"TE underscore is another field", SPAN_CONST(POST HOST "Transfer_Encoding: chunked\r\n" END), WHOLE},

    /* Content-Length that is not one number */
    {"CL 0", SPAN_CONST(POST HOST "Content-Length: 0\r\n" END), WHOLE},
    {"CL zeros first", SPAN_CONST(POST HOST "Content-Length: 0005\r\n" END), WHOLE},
    {"CL largest", SPAN_CONST(POST HOST "Content-Length: 9223372036854775807\r\n" END), WHOLE},
    {"CL past 2^63", SPAN_CONST(POST HOST "Content-Length: 9223372036854775808\r\n" END), -FAIL_BAD_HTTP},
    {"CL past 2^64", SPAN_CONST(POST HOST "Content-Length: 18446744073709551621\r\n" END), -FAIL_BAD_HTTP},
    {"CL endless", SPAN_CONST(POST HOST "Content-Length: 99999999999999999999999999999999\r\n" END), -FAIL_BAD_HTTP},
    {"CL endless zeros", SPAN_CONST(POST HOST "Content-Length: 00000000000000000000000000000005\r\n" END), -FAIL_BAD_HTTP},
    {"CL plus", SPAN_CONST(POST HOST "Content-Length: +5\r\n" END), -FAIL_BAD_HTTP},
    {"CL minus", SPAN_CONST(POST HOST "Content-Length: -5\r\n" END), -FAIL_BAD_HTTP},
    {"CL hex", SPAN_CONST(POST HOST "Content-Length: 0x5\r\n" END), -FAIL_BAD_HTTP},
    {"CL hex digits", SPAN_CONST(POST HOST "Content-Length: a\r\n" END), -FAIL_BAD_HTTP},
    {"CL two numbers", SPAN_CONST(POST HOST "Content-Length: 5 5\r\n" END), -FAIL_BAD_HTTP},
    {"CL list", SPAN_CONST(POST HOST "Content-Length: 5, 5\r\n" END), -FAIL_BAD_HTTP},
    {"CL fraction", SPAN_CONST(POST HOST "Content-Length: 5.0\r\n" END), -FAIL_BAD_HTTP},
    {"CL exponent", SPAN_CONST(POST HOST "Content-Length: 1e2\r\n" END), -FAIL_BAD_HTTP},
    {"CL empty", SPAN_CONST(POST HOST "Content-Length: \r\n" END), -FAIL_BAD_HTTP},
    {"CL tab behind", SPAN_CONST(POST HOST "Content-Length: 5\t\r\n" END), -FAIL_BAD_HTTP},
    {"CL quoted", SPAN_CONST(POST HOST "Content-Length: \"5\"\r\n" END), -FAIL_BAD_HTTP},
    {"CL blank before colon", SPAN_CONST(POST HOST "Content-Length : 5\r\n" END), -FAIL_BAD_HTTP},
    {"CL NUL", SPAN_CONST(POST HOST "Content-Length: 5\0\r\n" END), -FAIL_BAD_HTTP},

    /* line ends, controls, folding */
    {"bare LF everywhere", SPAN_CONST("GET / HTTP/1.1\nHost: a\n\n"), -FAIL_BAD_HTTP},
    {"bare LF at the end", SPAN_CONST(LINE HOST "\n"), -FAIL_BAD_HTTP},
    {"bare CR in a value", SPAN_CONST(LINE HOST "X: a\rb\r\n" END), -FAIL_BAD_HTTP},
    {"bare CR at the end", SPAN_CONST(LINE HOST "\rX"), -FAIL_BAD_HTTP},
    {"CR CR LF", SPAN_CONST(LINE "Host: a\r\r\n" END), -FAIL_BAD_HTTP},
    {"NUL in a value", SPAN_CONST(LINE HOST "X: a\0b\r\n" END), -FAIL_BAD_HTTP},
    {"DEL in a value", SPAN_CONST(LINE HOST "X: a\x7f\r\n" END), -FAIL_BAD_HTTP},
    {"ESC in a value", SPAN_CONST(LINE HOST "X: a\x1b[31m\r\n" END), -FAIL_BAD_HTTP},
    {"tab in a value", SPAN_CONST(LINE HOST "X:\ta\tb\t\r\n" END), WHOLE},
    {"latin-1 in a value", SPAN_CONST(LINE HOST "X: \xe4\xff\r\n" END), WHOLE},
    {"empty value", SPAN_CONST(LINE HOST "X:\r\nY: \r\n" END), WHOLE},
    {"obs-fold", SPAN_CONST(LINE HOST "X: a\r\n b\r\n" END), -FAIL_BAD_HTTP},
    {"obs-fold by tab", SPAN_CONST(LINE HOST "X: a\r\n\tb\r\n" END), -FAIL_BAD_HTTP},
    {"fold before the first field", SPAN_CONST(LINE " X: a\r\n" HOST END), -FAIL_BAD_HTTP},
    {"blank before colon", SPAN_CONST(LINE HOST "X : a\r\n" END), -FAIL_BAD_HTTP},
    {"no colon", SPAN_CONST(LINE HOST "X\r\n" END), -FAIL_BAD_HTTP},
    {"no name", SPAN_CONST(LINE HOST ": a\r\n" END), -FAIL_BAD_HTTP},
    {"name not a token", SPAN_CONST(LINE HOST "X(y): a\r\n" END), -FAIL_BAD_HTTP},
    {"name latin-1", SPAN_CONST(LINE HOST "X\xe4: a\r\n" END), -FAIL_BAD_HTTP},
    {"one empty line first", SPAN_CONST(END LINE HOST END), WHOLE},
    {"two empty lines first", SPAN_CONST(END END LINE HOST END), -FAIL_BAD_HTTP},
    {"LF first", SPAN_CONST("\n" LINE HOST END), -FAIL_BAD_HTTP},
    {"only empty lines", SPAN_CONST(END END), -FAIL_BAD_HTTP},
    {"TLS on a clear port", SPAN_CONST("\x16\x03\x01\x02\x00"), -FAIL_BAD_HTTP},

    /* Host */
    {"no Host", SPAN_CONST(LINE END), -FAIL_BAD_HTTP},
    {"two Hosts", SPAN_CONST(LINE HOST "Host: b.example\r\n" END), -FAIL_BAD_HTTP},
    {"two equal Hosts", SPAN_CONST(LINE HOST HOST END), -FAIL_BAD_HTTP},
    {"two Hosts in 1.0", SPAN_CONST("GET / HTTP/1.0\r\n" HOST HOST END), -FAIL_BAD_HTTP},
    {"empty Host", SPAN_CONST(LINE "Host:\r\n" END), -FAIL_BAD_HTTP},
    {"list of Hosts", SPAN_CONST(LINE "Host: a, b\r\n" END), -FAIL_BAD_HTTP},
    {"Host with user", SPAN_CONST(LINE "Host: u@a\r\n" END), -FAIL_BAD_HTTP},
    {"Host with path", SPAN_CONST(LINE "Host: a/b\r\n" END), -FAIL_BAD_HTTP},
    {"no Host in 1.0", SPAN_CONST("GET / HTTP/1.0\r\n" END), WHOLE},
    {"bad Host in 1.0", SPAN_CONST("GET / HTTP/1.0\r\nHost: a b\r\n" END), -FAIL_BAD_HTTP},

    /* targets */
    {"absolute", SPAN_CONST("GET http://a.example/x HTTP/1.1\r\n" HOST END), WHOLE},
    {"absolute, Host of other case", SPAN_CONST("GET http://A.Example/x HTTP/1.1\r\n" HOST END), WHOLE},
    {"absolute, other Host", SPAN_CONST("GET http://b.example/x HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"absolute, other port", SPAN_CONST("GET http://a.example:81/x HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"absolute, no Host", SPAN_CONST("GET http://a.example/x HTTP/1.1\r\n" END), -FAIL_BAD_HTTP},
    {"absolute, no Host in 1.0", SPAN_CONST("GET http://a.example/x HTTP/1.0\r\n" END), WHOLE},
    {"absolute, user", SPAN_CONST("GET http://u@a.example/x HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"absolute, no host", SPAN_CONST("GET http:///x HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"absolute, query only", SPAN_CONST("GET http://a.example?x HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"absolute, other scheme", SPAN_CONST("GET ftp://a.example/x HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"absolute, one slash", SPAN_CONST("GET http:/a.example/x HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"relative", SPAN_CONST("GET x HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"authority without CONNECT", SPAN_CONST("GET a.example:80 HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"CONNECT", SPAN_CONST("CONNECT a.example HTTP/1.1\r\n" HOST END), WHOLE},
    {"CONNECT elsewhere", SPAN_CONST("CONNECT b.example:443 HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"CONNECT to a path", SPAN_CONST("CONNECT / HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"CONNECT with a body", SPAN_CONST("CONNECT a.example HTTP/1.1\r\n" HOST "Content-Length: 5\r\n" END), -FAIL_BAD_HTTP},
    {"asterisk", SPAN_CONST("OPTIONS * HTTP/1.1\r\n" HOST END), WHOLE},
    {"asterisk with GET", SPAN_CONST("GET * HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"fragment", SPAN_CONST("GET /a#b HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"blank in the target", SPAN_CONST("GET /a b HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"tab in the target", SPAN_CONST("GET /a\tb HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"UTF-8 in the target", SPAN_CONST("GET /\xc3\xa4 HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"NUL in the target", SPAN_CONST("GET /\0 HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"no target", SPAN_CONST("GET HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"empty target", SPAN_CONST("GET  HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},

    /* the rest of the request line */
    {"lower-case method", SPAN_CONST("get / HTTP/1.1\r\n" HOST END), WHOLE},
    {"any token method", SPAN_CONST("M-SEARCH! / HTTP/1.1\r\n" HOST END), WHOLE},
    {"method not a token", SPAN_CONST("G(T / HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"blank first", SPAN_CONST(" GET / HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"two blanks", SPAN_CONST("GET  / HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"two blanks before the version", SPAN_CONST("GET /  HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"tab for blank", SPAN_CONST("GET\t/ HTTP/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"blank last", SPAN_CONST("GET / HTTP/1.1 \r\n" HOST END), -FAIL_BAD_HTTP},
    {"only a method", SPAN_CONST("GET\r\n" HOST END), -FAIL_BAD_HTTP},
    {"HTTP/0.9", SPAN_CONST("GET /\r\n" END), -FAIL_BAD_HTTP},
    {"HTTP/1.2", SPAN_CONST("GET / HTTP/1.2\r\n" HOST END), WHOLE},
    {"HTTP/1.9", SPAN_CONST("GET / HTTP/1.9\r\n" HOST END), WHOLE},
    {"HTTP/1.10", SPAN_CONST("GET / HTTP/1.10\r\n" HOST END), -FAIL_BAD_HTTP},
    {"HTTP/1", SPAN_CONST("GET / HTTP/1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"HTTP/1,1", SPAN_CONST("GET / HTTP/1,1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"http/1.1", SPAN_CONST("GET / http/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"HTTPS/1.1", SPAN_CONST("GET / HTTPS/1.1\r\n" HOST END), -FAIL_BAD_HTTP},
    {"HTTP/2.0", SPAN_CONST("GET / HTTP/2.0\r\n" HOST END), -FAIL_VERSION},
    {"HTTP/0.9 named", SPAN_CONST("GET / HTTP/0.9\r\n" HOST END), -FAIL_VERSION},
    {"HTTP/2 preface", SPAN_CONST("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), -FAIL_VERSION},

    /* Expect */
    {"100-continue", SPAN_CONST(POST HOST "Content-Length: 5\r\nExpect: 100-Continue\r\n" END), WHOLE},
    {"other expectation", SPAN_CONST(POST HOST "Expect: 200-ok\r\n" END), -FAIL_EXPECTATION},
    {"two expectations", SPAN_CONST(POST HOST "Expect: 100-continue\r\nExpect: 100-continue\r\n" END), -FAIL_EXPECTATION},
};

static const struct row response_rows[] = {
    {"plain", SPAN_CONST("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" END "hi"), 38},
    {"nothing", SPAN_CONST(""), 0},
    {"no end", SPAN_CONST("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"), 0},
    {"no fields", SPAN_CONST("HTTP/1.1 200 OK\r\n" END), WHOLE},
    {"no reason", SPAN_CONST("HTTP/1.1 529 \r\n" END), WHOLE},
    {"no blank", SPAN_CONST("HTTP/1.1 529\r\n" END), WHOLE},
    {"odd reason", SPAN_CONST("HTTP/1.1 500 \xc3\xa4\t b\r\n" END), WHOLE},
    {"control in the reason", SPAN_CONST("HTTP/1.1 500 a\x01\r\n" END), -FAIL_PROTOCOL},
    {"CL and TE", SPAN_CONST("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n" END), -FAIL_PROTOCOL},
    {"TE gzip, chunked", SPAN_CONST("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n" END), -FAIL_PROTOCOL},
    {"TE in 1.0", SPAN_CONST("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n" END), -FAIL_PROTOCOL},
    {"two CL", SPAN_CONST("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n" END), -FAIL_PROTOCOL},
    {"bad CL", SPAN_CONST("HTTP/1.1 200 OK\r\nContent-Length: 2a\r\n" END), -FAIL_PROTOCOL},
    {"bare LF", SPAN_CONST("HTTP/1.1 200 OK\nContent-Length: 2\n\n"), -FAIL_PROTOCOL},
    {"bare CR", SPAN_CONST("HTTP/1.1 200 OK\rX: y\r\n" END), -FAIL_PROTOCOL},
    {"fold", SPAN_CONST("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n" END), -FAIL_PROTOCOL},
    {"blank before colon", SPAN_CONST("HTTP/1.1 200 OK\r\nX : a\r\n" END), -FAIL_PROTOCOL},
    {"empty line first", SPAN_CONST(END "HTTP/1.1 200 OK\r\n" END), -FAIL_PROTOCOL},
    {"HTTP/2", SPAN_CONST("HTTP/2 200\r\n" END), -FAIL_PROTOCOL},
    {"HTTP/2.0", SPAN_CONST("HTTP/2.0 200 OK\r\n" END), -FAIL_PROTOCOL},
    {"ICY", SPAN_CONST("ICY 200 OK\r\n" END), -FAIL_PROTOCOL},
    {"not HTTP", SPAN_CONST("<html>\r\n" END), -FAIL_PROTOCOL},
    {"two digits", SPAN_CONST("HTTP/1.1 20\r\n" END), -FAIL_PROTOCOL},
    {"four digits", SPAN_CONST("HTTP/1.1 2000 OK\r\n" END), -FAIL_PROTOCOL},
    {"status 099", SPAN_CONST("HTTP/1.1 099 X\r\n" END), -FAIL_PROTOCOL},
    {"status 600", SPAN_CONST("HTTP/1.1 600 X\r\n" END), -FAIL_PROTOCOL},
    {"status +20", SPAN_CONST("HTTP/1.1 +20 X\r\n" END), -FAIL_PROTOCOL},
    {"no status", SPAN_CONST("HTTP/1.1\r\n" END), -FAIL_PROTOCOL},
    {"two blanks", SPAN_CONST("HTTP/1.1  200 OK\r\n" END), -FAIL_PROTOCOL},
    {"100", SPAN_CONST("HTTP/1.1 100 Continue\r\n" END), WHOLE},
    {"101", SPAN_CONST("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n" END), -FAIL_PROTOCOL},
    {"204 with CL 0", SPAN_CONST("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n" END), WHOLE},
    {"204 with CL", SPAN_CONST("HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n" END), -FAIL_PROTOCOL},
    {"204 with TE", SPAN_CONST("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n" END), -FAIL_PROTOCOL},
    {"103 with TE", SPAN_CONST("HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n" END), -FAIL_PROTOCOL},
    {"304 with CL", SPAN_CONST("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n" END), WHOLE},
};

/* clang-format on */

static long parse(bool response, struct span in, size_t *scanned, struct http_head *head) {
    return response ? h1_parse_response(in, HTTP_HEAD_MAX, scanned, false, head)
                    : h1_parse_request(in, HTTP_HEAD_MAX, scanned, head);
}

/* A copy of exactly these bytes, so that a sanitizer sees what is read behind them. */
static char *copy_of(struct span in) {
    char *copy = malloc(in.n ? in.n : 1);
    if (in.n)
        memcpy(copy, in.p, in.n);
    return copy;
}

/* Fed one byte more each time, the parser asks for more until it says what it says to all of the input. */
static void expect_by_bytes(bool response, struct span in, long want) {
    static struct http_head head;
    size_t scanned = 0;
    long got = 0;
    size_t n = 0;
    while (got == 0 && n < in.n) {
        n++;
        char *copy = copy_of(span_of(in.p, n));
        got = parse(response, span_of(copy, n), &scanned, &head);
        free(copy);
    }
    EXPECT_EQ(got, want);
    if (want > 0)
        EXPECT_EQ(n, want);
}

/* Cut once, at each place. */
static void expect_in_two(bool response, struct span in, long want) {
    static struct http_head head;
    for (size_t cut = 0; cut < in.n; cut++) {
        size_t scanned = 0;
        long got = parse(response, span_of(in.p, cut), &scanned, &head);
        if (want > 0 && cut < (size_t)want)
            EXPECT_EQ(got, 0);
        if (got == 0)
            got = parse(response, in, &scanned, &head);
        EXPECT_EQ(got, want);
    }
}

static void expect_rows(bool response, const struct row *rows, size_t count) {
    static struct http_head head;
    for (size_t i = 0; i < count; i++) {
        ROW("%s", rows[i].name);
        struct span in = rows[i].in;
        long want = rows[i].want == WHOLE ? (long)in.n : rows[i].want;
        char *copy = copy_of(in);
        size_t scanned = 0;
        EXPECT_EQ(parse(response, span_of(copy, in.n), &scanned, &head), want);
        free(copy);
        expect_by_bytes(response, in, want);
        expect_in_two(response, in, want);
    }
}

TEST(requests_by_rows) { expect_rows(false, request_rows, countof(request_rows)); }

TEST(responses_by_rows) { expect_rows(true, response_rows, countof(response_rows)); }

/* clang-format off */
TEST(a_request_means_what_it_says) {
    static const struct {
        struct span in;
        enum http_method method;
        const char *target, *authority;
        unsigned minor;
        enum http_body body;
        uint64_t length;
        bool keep_alive, expect, upgrade;
    } rows[] = {
        {SPAN_CONST(LINE HOST END), HTTP_GET, "/", "a.example", 1, HTTP_BODY_NONE, 0, true, false, false},
        {SPAN_CONST("get / HTTP/1.1\r\n" HOST END), HTTP_OTHER, "/", "a.example", 1, HTTP_BODY_NONE, 0, true, false, false},
        {SPAN_CONST("POST /v1/x?y=z HTTP/1.1\r\nhost:b:8080\r\ncontent-length:12\r\n" END), HTTP_POST, "/v1/x?y=z", "b:8080", 1, HTTP_BODY_LENGTH, 12, true, false, false},
        {SPAN_CONST(POST HOST "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n" END), HTTP_POST, "/", "a.example", 1, HTTP_BODY_CHUNKED, 0, true, true, false},
        {SPAN_CONST(POST HOST "Content-Length: 0\r\nExpect: 100-continue\r\n" END), HTTP_POST, "/", "a.example", 1, HTTP_BODY_LENGTH, 0, true, false, false},
        {SPAN_CONST("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n" END), HTTP_POST, "/", "", 0, HTTP_BODY_LENGTH, 1, false, false, false},
        {SPAN_CONST("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n" END), HTTP_GET, "/", "", 0, HTTP_BODY_NONE, 0, true, false, false},
        {SPAN_CONST("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n" END), HTTP_GET, "/", "", 0, HTTP_BODY_NONE, 0, false, false, false},
        {SPAN_CONST(LINE HOST "Connection: foo, CLOSE\r\n" END), HTTP_GET, "/", "a.example", 1, HTTP_BODY_NONE, 0, false, false, false},
        {SPAN_CONST(LINE HOST "Connection: close-not\r\n" END), HTTP_GET, "/", "a.example", 1, HTTP_BODY_NONE, 0, true, false, false},
        {SPAN_CONST(LINE HOST "Connection: upgrade\r\nUpgrade: h2c\r\n" END), HTTP_GET, "/", "a.example", 1, HTTP_BODY_NONE, 0, true, false, true},
        {SPAN_CONST("HEAD /x HTTP/1.7\r\n" HOST END), HTTP_HEAD, "/x", "a.example", 1, HTTP_BODY_NONE, 0, true, false, false},
        {SPAN_CONST("GET https://a.example/x?y HTTP/1.1\r\n" HOST END), HTTP_GET, "/x?y", "a.example", 1, HTTP_BODY_NONE, 0, true, false, false},
        {SPAN_CONST("GET http://a.example HTTP/1.1\r\n" HOST END), HTTP_GET, "/", "a.example", 1, HTTP_BODY_NONE, 0, true, false, false},
        {SPAN_CONST("GET http://b/x HTTP/1.0\r\n" END), HTTP_GET, "/x", "b", 0, HTTP_BODY_NONE, 0, false, false, false},
        {SPAN_CONST("OPTIONS * HTTP/1.1\r\n" HOST END), HTTP_OPTIONS, "*", "a.example", 1, HTTP_BODY_NONE, 0, true, false, false},
        {SPAN_CONST("CONNECT a.example HTTP/1.1\r\n" HOST END), HTTP_OTHER, "a.example", "a.example", 1, HTTP_BODY_NONE, 0, false, false, false},
    };
    /* clang-format on */
    static struct http_head head;
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%zu: %.*s", i, (int)span_find(rows[i].in, '\r', 0), rows[i].in.p);
        size_t scanned = 0;
        memset(&head, 0xa5, sizeof head);
        EXPECT_EQ(h1_parse_request(rows[i].in, HTTP_HEAD_MAX, &scanned, &head), rows[i].in.n);
        EXPECT_EQ(scanned, 0);
        EXPECT_EQ(head.method, rows[i].method);
        EXPECT_BYTES(head.target.p, head.target.n, rows[i].target);
        EXPECT_BYTES(head.authority.p, head.authority.n, rows[i].authority);
        EXPECT_EQ(head.minor, rows[i].minor);
        EXPECT_EQ(head.body, rows[i].body);
        EXPECT_EQ(head.body_length, rows[i].length);
        EXPECT_EQ(head.keep_alive, rows[i].keep_alive);
        EXPECT_EQ(head.expect_continue, rows[i].expect);
        EXPECT_EQ(head.upgrade, rows[i].upgrade);
        EXPECT_EQ(head.status, 0);
    }
}

TEST(fields_keep_order_names_and_trimmed_values) {
    static struct http_head head;
    struct span in = SPAN(LINE HOST "X-a:b\r\nY: \t c d\t \r\nx-A:\r\n" END);
    size_t scanned = 0;
    EXPECT_EQ(h1_parse_request(in, HTTP_HEAD_MAX, &scanned, &head), in.n);
    static const char *const want[][2] = {
        {"Host", "a.example"}, {"X-a", "b"}, {"Y", "c d"}, {"x-A", ""}};
    REQUIRE(head.field_count == countof(want));
    for (size_t i = 0; i < countof(want); i++) {
        EXPECT_BYTES(head.fields[i].name.p, head.fields[i].name.n, want[i][0]);
        EXPECT_BYTES(head.fields[i].value.p, head.fields[i].value.n, want[i][1]);
    }
}

/* clang-format off */
TEST(a_response_means_what_it_says) {
    static const struct {
        struct span in;
        bool to_head;
        unsigned status;
        enum http_body body;
        uint64_t length;
        bool keep_alive;
    } rows[] = {
        {SPAN_CONST("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n" END), false, 200, HTTP_BODY_LENGTH, 7, true},
        {SPAN_CONST("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n" END), true, 200, HTTP_BODY_NONE, 0, true},
        {SPAN_CONST("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" END), false, 200, HTTP_BODY_CHUNKED, 0, true},
        {SPAN_CONST("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" END), true, 200, HTTP_BODY_NONE, 0, true},
        {SPAN_CONST("HTTP/1.1 200 OK\r\n" END), false, 200, HTTP_BODY_UNTIL_CLOSE, 0, false},
        {SPAN_CONST("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n" END), false, 200, HTTP_BODY_UNTIL_CLOSE, 0, false},
        {SPAN_CONST("HTTP/1.1 200 OK\r\n" END), true, 200, HTTP_BODY_NONE, 0, true},
        {SPAN_CONST("HTTP/1.1 429 \r\nConnection: close\r\nContent-Length: 1\r\n" END), false, 429, HTTP_BODY_LENGTH, 1, false},
        {SPAN_CONST("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n" END), false, 200, HTTP_BODY_LENGTH, 1, false},
        {SPAN_CONST("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n" END), false, 200, HTTP_BODY_LENGTH, 1, true},
        {SPAN_CONST("HTTP/1.1 100 Continue\r\n" END), false, 100, HTTP_BODY_NONE, 0, true},
        {SPAN_CONST("HTTP/1.1 199 What\r\n" END), false, 199, HTTP_BODY_NONE, 0, true},
        {SPAN_CONST("HTTP/1.1 204 No Content\r\n" END), false, 204, HTTP_BODY_NONE, 0, true},
        {SPAN_CONST("HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n" END), false, 304, HTTP_BODY_NONE, 0, true},
        {SPAN_CONST("HTTP/1.1 599\r\nContent-Length: 0\r\n" END), false, 599, HTTP_BODY_LENGTH, 0, true},
    };
    /* clang-format on */
    static struct http_head head;
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%zu", i);
        size_t scanned = 0;
        memset(&head, 0xa5, sizeof head);
        EXPECT_EQ(h1_parse_response(rows[i].in, HTTP_HEAD_MAX, &scanned, rows[i].to_head, &head),
                  rows[i].in.n);
        EXPECT_EQ(head.status, rows[i].status);
        EXPECT_EQ(head.body, rows[i].body);
        EXPECT_EQ(head.body_length, rows[i].length);
        EXPECT_EQ(head.keep_alive, rows[i].keep_alive);
    }
}

/* One head of exactly `size` bytes: a long value, or a long target. */
static struct span long_head(char *out, size_t size, bool long_target) {
    const char *before = long_target ? "GET /" : LINE HOST "X: ";
    const char *after = long_target ? " HTTP/1.1\r\n" HOST END : "\r\n" END;
    size_t fill = size - strlen(before) - strlen(after);
    memcpy(out, before, strlen(before));
    memset(out + strlen(before), 'x', fill);
    memcpy(out + strlen(before) + fill, after, strlen(after));
    return span_of(out, size);
}

TEST(heads_are_bounded) {
    enum { LIMIT = 1000 };
    static struct http_head head;
    static char text[2 * LIMIT];
    for (int long_target = 0; long_target < 2; long_target++) {
        ROW("long_target %d", long_target);
        size_t scanned = 0;
        struct span in = long_head(text, LIMIT, long_target);
        EXPECT_EQ(h1_parse_request(in, LIMIT, &scanned, &head), LIMIT);
        scanned = 0;
        in = long_head(text, LIMIT + 1, long_target);
        EXPECT_EQ(h1_parse_request(in, LIMIT, &scanned, &head), -FAIL_HEAD_TOO_LARGE);
        scanned = 0;
        in = long_head(text, 2 * LIMIT, long_target);
        EXPECT_EQ(h1_parse_request(in, LIMIT, &scanned, &head),
                  long_target ? -FAIL_URI_TOO_LONG : -FAIL_HEAD_TOO_LARGE);
        /* Not before the limit is reached, and not later. */
        scanned = 0;
        EXPECT_EQ(h1_parse_request(span_of(in.p, LIMIT - 1), LIMIT, &scanned, &head), 0);
        EXPECT(h1_parse_request(span_of(in.p, LIMIT), LIMIT, &scanned, &head) < 0);
    }
    memset(text, 'x', sizeof text);
    memcpy(text, "HTTP/1.1 200 ", strlen("HTTP/1.1 200 "));
    size_t scanned = 0;
    EXPECT_EQ(h1_parse_response(span_of(text, LIMIT - 1), LIMIT, &scanned, false, &head), 0);
    EXPECT_EQ(h1_parse_response(span_of(text, LIMIT), LIMIT, &scanned, false, &head),
              -FAIL_TOO_LARGE);
}

/* Limits that no head fits in, the empty line before it included. */
TEST(tiny_limits) {
    static struct http_head head;
    struct span in = SPAN(END LINE HOST END);
    for (size_t limit = 0; limit < 4; limit++) {
        ROW("%zu", limit);
        size_t scanned = 0;
        EXPECT(h1_parse_request(in, limit, &scanned, &head) < 0);
        scanned = 0;
        EXPECT(h1_parse_request(span_from(in, 2), limit, &scanned, &head) < 0);
        scanned = 0;
        EXPECT(h1_parse_response(span_from(in, 2), limit, &scanned, false, &head) < 0);
    }
    size_t scanned = 0;
    EXPECT_EQ(h1_parse_request(in, 1, &scanned, &head), -FAIL_HEAD_TOO_LARGE);
}

TEST(fields_are_bounded) {
    static struct http_head head;
    static char text[HTTP_HEAD_MAX];
    for (unsigned extra = 0; extra < 2; extra++) {
        ROW("%u too many", extra);
        int n = snprintf(text, sizeof text, "%s", LINE HOST);
        for (unsigned i = 1; i < HTTP_FIELDS_MAX + extra; i++)
            n += snprintf(text + n, sizeof text - (size_t)n, "x%u: y\r\n", i);
        n += snprintf(text + n, sizeof text - (size_t)n, "\r\n");
        size_t scanned = 0;
        long want = extra ? -FAIL_HEAD_TOO_LARGE : n;
        EXPECT_EQ(h1_parse_request(span_of(text, (size_t)n), HTTP_HEAD_MAX, &scanned, &head), want);
        memcpy(text, "HTTP/1.1 200 O", strlen("HTTP/1.1 200 O"));
        scanned = 0;
        want = extra ? -FAIL_TOO_LARGE : n;
        EXPECT_EQ(
            h1_parse_response(span_of(text, (size_t)n), HTTP_HEAD_MAX, &scanned, false, &head),
            want);
    }
}

/* What was searched is not searched again: `scanned` moves to the end of what was given. */
TEST(scanning_goes_on_where_it_stopped) {
    static struct http_head head;
    struct span in = SPAN(LINE HOST "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" END);
    size_t scanned = 0;
    for (size_t n = 1; n < in.n; n++) {
        ROW("%zu bytes", n);
        EXPECT_EQ(h1_parse_request(span_of(in.p, n), HTTP_HEAD_MAX, &scanned, &head), 0);
        /* A CR at the end is looked at again, with its LF. */
        EXPECT(scanned == n || (scanned == n - 1 && in.p[n - 1] == '\r'));
    }
}
