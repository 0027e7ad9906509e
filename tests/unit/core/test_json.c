/* test_json.c - core/json.c and core/json_out.c by rows: what is accepted and why not, what tokens
 * come out, at every alignment and cut, with the page behind the text forbidden. */
#include "core/json.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <sys/mman.h>

#include "core/arena.h"
#include "core/base.h"
#include "core/json_scan.h"
#include "core/rand.h"
#include "core/slab.h"
#include "tests/test.h"

/* A copy of the text that ends where a page begins which cannot be read: one byte too far is a
 * SIGSEGV, also without a sanitizer. Valid until the next call. */
static struct span at_the_edge(struct span text) {
    static char *pages;
    const size_t room = 1 << 16, page = 4096;
    CHECK(text.n <= room);
    if (!pages) {
        pages = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(pages != MAP_FAILED && mprotect(pages + room, page, PROT_NONE) == 0);
    }
    char *copy = pages + room - text.n;
    if (text.n)
        memcpy(copy, text.p, text.n);
    return span_of(copy, text.n);
}

/* ---- what is accepted ---- */

TEST(json_accepts) {
    static const struct span rows[] = {
        SPAN_CONST("0"),
        SPAN_CONST("-0"),
        SPAN_CONST("-0.0e-00"),
        SPAN_CONST("1E+400"),
        SPAN_CONST("123456789012345678901234567890.5"),
        SPAN_CONST("true"),
        SPAN_CONST(" \t\r\n null \t\r\n "),
        SPAN_CONST("\"\""),
        SPAN_CONST("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uABcd\""),
        SPAN_CONST("\"\x7f\""),
        SPAN_CONST("\"\\ud83d\\ude00\""),
        SPAN_CONST("\"\\ud83d\""), /* half a pair: json_decode's business */
        SPAN_CONST("[]"),
        SPAN_CONST("[ ]"),
        SPAN_CONST("{}"),
        SPAN_CONST("{ }"),
        SPAN_CONST("[[],{},[{}]]"),
        SPAN_CONST("{\"\":0,\"\":1}"),
        SPAN_CONST(" { \"a\" : [ 1 , \"b\" ] , \"c\" : { } } "),
        /* the corners of RFC 3629's table */
        SPAN_CONST("\"\xc2\x80\xdf\xbf\""),
        SPAN_CONST("\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\""),
        SPAN_CONST("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%.*s", (int)rows[i].n, rows[i].p);
        EXPECT_EQ(json_check(at_the_edge(rows[i]), NULL, NULL), 0);
    }
}

TEST(json_refuses_and_says_where) {
    static const struct {
        struct span text;
        size_t at;
        const char *why; /* a part of the sentence */
    } rows[] = {
        {SPAN_CONST(""), 0, "ends where a value"},
        {SPAN_CONST("  "), 2, "ends where a value"},
        {SPAN_CONST("\xef\xbb\xbf{}"), 0, "a value is expected"}, /* no byte order mark */
        {SPAN_CONST("tru"), 0, "a value is expected"},
        {SPAN_CONST("True"), 0, "a value is expected"},
        {SPAN_CONST("nullx"), 4, "follows the value"},
        {SPAN_CONST("NaN"), 0, "a value is expected"},
        {SPAN_CONST("'a'"), 0, "a value is expected"},
        {SPAN_CONST("/**/1"), 0, "a value is expected"},
        {SPAN_CONST("1 2"), 2, "follows the value"},
        {SPAN_CONST("{}\0"), 2, "follows the value"},
        {SPAN_CONST("]"), 0, "a value is expected"},
        {SPAN_CONST("01"), 1, "follows the value"},
        {SPAN_CONST("-"), 1, "behind its sign"},
        {SPAN_CONST("-a"), 1, "behind its sign"},
        {SPAN_CONST("+1"), 0, "a value is expected"},
        {SPAN_CONST(".5"), 0, "a value is expected"},
        {SPAN_CONST("1."), 2, "behind its point"},
        {SPAN_CONST("1.e5"), 2, "behind its point"},
        {SPAN_CONST("1e"), 2, "exponent"},
        {SPAN_CONST("1e+"), 3, "exponent"},
        {SPAN_CONST("0x10"), 1, "follows the value"},
        {SPAN_CONST("\""), 1, "ends inside a string"},
        {SPAN_CONST("\"abc"), 4, "ends inside a string"},
        {SPAN_CONST("\"abc\\"), 4, "escape"},
        {SPAN_CONST("\"abc\\\""), 6, "ends inside a string"},
        {SPAN_CONST("\"\\x\""), 1, "escape"},
        {SPAN_CONST("\"\\u12\""), 1, "escape"},
        {SPAN_CONST("\"\\u12g4\""), 1, "escape"},
        {SPAN_CONST("\"\\U0041\""), 1, "escape"},
        {SPAN_CONST("\"a\nb\""), 2, "control character"},
        {SPAN_CONST("\"a\0b\""), 2, "control character"},
        {SPAN_CONST("\"\x1f\""), 1, "control character"},
        {SPAN_CONST("[1,]"), 3, "a value is expected"},
        {SPAN_CONST("[,1]"), 1, "a value is expected"},
        {SPAN_CONST("[1 2]"), 3, "end of the array"},
        {SPAN_CONST("[1}"), 2, "end of the array"},
        {SPAN_CONST("[1"), 2, "end of the array"},
        {SPAN_CONST("["), 1, "ends where a value"},
        {SPAN_CONST("{"), 1, "name is expected"},
        {SPAN_CONST("{1:2}"), 1, "name is expected"},
        {SPAN_CONST("{\"a\"}"), 4, "a colon"},
        {SPAN_CONST("{\"a\" 1}"), 5, "a colon"},
        {SPAN_CONST("{\"a\":}"), 5, "a value is expected"},
        {SPAN_CONST("{\"a\":1,}"), 7, "name is expected"},
        {SPAN_CONST("{\"a\":1]"), 6, "end of the object"},
        {SPAN_CONST("{\"a\":1 \"b\":2}"), 7, "end of the object"},
        {SPAN_CONST("{\"a\":[1}}"), 7, "end of the array"},
        /* not UTF-8: one row for each way (RFC 3629 3 and 4) */
        {SPAN_CONST("\"\x80\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xbf\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xc0\x80\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xc1\xbf\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xc2\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xc2\xc0\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xe0\x9f\xbf\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xe1\x80\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xed\xa0\x80\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xf0\x8f\xbf\xbf\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xf0\x90\x80\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xf4\x90\x80\x80\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xf5\x80\x80\x80\""), 1, "UTF-8"},
        {SPAN_CONST("\"\xff\""), 1, "UTF-8"},
        {SPAN_CONST("\"ok\xe2\x82\xac\xe2\x82\""), 6, "UTF-8"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        size_t at = SIZE_MAX;
        const char *why = "";
        ROW("%.*s", (int)rows[i].text.n, rows[i].text.p);
        EXPECT_EQ(json_check(at_the_edge(rows[i].text), &at, &why), -EINVAL);
        EXPECT_EQ(at, rows[i].at);
        if (!strstr(why, rows[i].why))
            FAIL_TEST("\"%s\" does not say \"%s\"", why, rows[i].why);
    }
}

TEST(json_depth_is_bounded) {
    static const struct {
        size_t depth;
        bool well;
    } rows[] = {
        {1, true},     {64, true}, {65, true}, {JSON_DEPTH_MAX, true}, {JSON_DEPTH_MAX + 1, false},
        {20000, false}};
    static char text[1 << 17];
    for (size_t i = 0; i < countof(rows); i++) {
        /* Objects and arrays in turn, so that both values of every bit are used. */
        for (unsigned first = 0; first < 2; first++) {
            size_t n = 0;
            for (size_t d = 0; d < rows[i].depth; d++) {
                bool object = (d + first) % 2 && d + 1 < rows[i].depth;
                memcpy(text + n, object ? "{\"\":" : "[", object ? 4 : 1);
                n += object ? 4 : 1;
            }
            for (size_t d = rows[i].depth; d-- > 0;)
                text[n++] = (d + first) % 2 && d + 1 < rows[i].depth ? '}' : ']';
            ROW("depth %zu", rows[i].depth);
            size_t at;
            const char *why = "";
            int result = json_check(span_of(text, n), &at, &why);
            EXPECT_EQ(result, rows[i].well ? 0 : -EINVAL);
            if (!rows[i].well)
                EXPECT(strstr(why, "too deep"));
        }
    }
}

/* ---- tokens ---- */

static const char *const kind_words[] = {
    [JSON_ERROR] = "!",  [JSON_END] = ".",       [JSON_OBJECT] = "{", [JSON_OBJECT_END] = "}",
    [JSON_ARRAY] = "[",  [JSON_ARRAY_END] = "]", [JSON_KEY] = "K",    [JSON_STRING] = "S",
    [JSON_NUMBER] = "N", [JSON_TRUE] = "T",      [JSON_FALSE] = "F",  [JSON_NULL] = "0",
};

/* All tokens of a text in one line: the kind, and for words their raw in brackets, '*' before it
 * when escaped. */
static void print_tokens(struct span text, char *out, size_t max) {
    struct json json;
    struct json_token token;
    enum json_kind kind;
    size_t n = 0;
    json_init(&json, text);
    do {
        kind = json_next(&json, &token);
        CHECK(kind == token.kind && n + token.raw.n + 8 < max);
        n += (size_t)sprintf(out + n, "%s", kind_words[kind]);
        if (kind == JSON_KEY || kind == JSON_STRING || kind == JSON_NUMBER)
            n += (size_t)sprintf(out + n, "%s<%.*s>",
                                 kind != JSON_NUMBER && token.escaped ? "*" : "", (int)token.raw.n,
                                 token.raw.p);
    } while (kind != JSON_ERROR && kind != JSON_END);
    /* The last word stays the last word. */
    EXPECT_EQ(json_next(&json, &token), kind);
    EXPECT_EQ(json_next(&json, &token), kind);
    EXPECT_EQ(json.error == NULL, kind == JSON_END);
}

TEST(json_next_gives_the_tokens) {
    static const struct {
        const char *text, *tokens;
    } rows[] = {
        {"7", "N<7>."},
        {" [ ] ", "[]."},
        {"{\"a\":[1,-2.5e3,\"x\"],\"b\\n\":{\"c\":null},\"d\":true,\"e\":false}",
         "{K<a>[N<1>N<-2.5e3>S<x>]K*<b\\n>{K<c>0}K<d>TK<e>F}."},
        {"[[[]],{},\"a\\\"b\\\\\"]", "[[[]]{}S*<a\\\"b\\\\>]."},
        {"\"\xe4\xb8\xad\xe6\x96\x87 and ascii that is longer than sixteen\"",
         "S<\xe4\xb8\xad\xe6\x96\x87 and ascii that is longer than sixteen>."},
        {"{\"a\":1 ", "{K<a>N<1>!"},
        {"[1,2", "[N<1>N<2>!"},
        {"[\"a\" \"b\"]", "[S<a>!"},
        {"1 x", "N<1>!"},
    };
    char tokens[400];
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].text);
        print_tokens(at_the_edge(span_str(rows[i].text)), tokens, sizeof tokens);
        EXPECT_STR(tokens, rows[i].tokens);
    }
}

/* An event cut anywhere: what was read before the cut is what was there, and nothing is made up.
 * The exception is a number, of which a part is a number too. */
TEST(json_cut_anywhere) {
    static const char text[] =
        "{\"id\":\"chatcmpl-123\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
        "\"\\u00e9t\\\"\xc3"
        "\xa9 \xf0\x9f\x98\x80 and more of it\"},\"logprobs\":null}],\"usage\":{\"n\":-12.5e+3},"
        "\"ok\":[true,false]}";
    char whole[400], tokens[400];
    print_tokens(SPAN(text), whole, sizeof whole);
    EXPECT_EQ(whole[strlen(whole) - 1], '.');
    for (size_t cut = 0; cut < sizeof text - 1; cut++) {
        ROW("cut at %zu", cut);
        print_tokens(at_the_edge(span_of(text, cut)), tokens, sizeof tokens);
        size_t n = strlen(tokens), same = 0;
        while (tokens[same] && tokens[same] == whole[same])
            same++;
        EXPECT(n > 0 && tokens[n - 1] == '!');
        /* "N<-12>!" of "N<-12.5e+3>" */
        bool part = n >= 2 && strcmp(tokens + n - 2, ">!") == 0 && isdigit(tokens[same - 1]);
        EXPECT(same + 1 == n || (part && same + 2 == n));
    }
}

TEST(json_value_and_leave) {
    struct json json;
    struct json_token token;
    struct span value;
    json_init(&json,
              SPAN("{\"a\": {\"x\":[1,{}]} , \"b\":\"q\\\"\" ,\"c\": [ 1, [2] ,\"z\"], \"d\":1}"));
    EXPECT_EQ(json_next(&json, &token), JSON_OBJECT);
    EXPECT_EQ(json_next(&json, &token), JSON_KEY);
    EXPECT(json_value(&json, &value));
    EXPECT_BYTES(value.p, value.n, "{\"x\":[1,{}]}");
    EXPECT_EQ(json_next(&json, &token), JSON_KEY);
    EXPECT(json_value(&json, &value));
    EXPECT_BYTES(value.p, value.n, "\"q\\\"\"");
    EXPECT_EQ(json_next(&json, &token), JSON_KEY);
    EXPECT_EQ(json_next(&json, &token), JSON_ARRAY);
    static const char *const items[] = {"1", "[2]", "\"z\""};
    for (size_t i = 0; i < countof(items); i++) {
        EXPECT(json_value(&json, &value));
        EXPECT_BYTES(value.p, value.n, items[i]);
    }
    /* The array's end is no value and no error. */
    EXPECT(!json_value(&json, &value));
    EXPECT(json.error == NULL && value.n == 0);
    EXPECT_EQ(json_next(&json, &token), JSON_KEY);
    EXPECT(json_is(&token, SPAN("d")));
    EXPECT(json_leave(&json));
    EXPECT_EQ(json_next(&json, &token), JSON_END);

    json_init(&json, SPAN("[[1,[2,3],{\"a\":4}],5]"));
    json_next(&json, &token);
    json_next(&json, &token);
    json_next(&json, &token);
    EXPECT(json_leave(&json));
    EXPECT_EQ(json_next(&json, &token), JSON_NUMBER);
    EXPECT_BYTES(token.raw.p, token.raw.n, "5");
    EXPECT(json_leave(&json));
    EXPECT_EQ(json_next(&json, &token), JSON_END);

    json_init(&json, SPAN("[[1,}"));
    json_next(&json, &token);
    EXPECT(!json_value(&json, &value));
    EXPECT(json.error != NULL && json_at(&json) == 4);
    EXPECT(!json_leave(&json));
    EXPECT(!json_value(&json, &value));
    json_init(&json, SPAN("{\"a\":1}"));
    json_next(&json, &token);
    EXPECT_ABORT(json_value(&json, &value));
    json_init(&json, SPAN("1"));
    EXPECT_ABORT(json_leave(&json));
}

TEST(json_find_follows_a_path) {
    static const struct {
        const char *text, *path; /* names with '/' between them */
        enum json_kind kind;     /* JSON_ERROR: not found */
        const char *raw;
    } rows[] = {
        {"{\"a\":1}", "a", JSON_NUMBER, "1"},
        {"{\"a\":1}", "b", JSON_ERROR, ""},
        {"{\"a\":1}", "", JSON_OBJECT, "{\"a\":1}"},
        {"{\"error\":{\"type\":\"x\",\"message\":\"no \\\"way\\\"\"}}", "error/message",
         JSON_STRING, "no \\\"way\\\""},
        {"{\"x\":{\"message\":1},\"error\":{\"message\":2}}", "error/message", JSON_NUMBER, "2"},
        {"{\"message\":1,\"error\":{\"m\":2}}", "error/message", JSON_ERROR, ""},
        {"{\"a\": {\"b\" : [1, {\"c\":2} ] } }", "a/b", JSON_ARRAY, "[1, {\"c\":2} ]"},
        {"{\"a\":{\"b\":{}}}", "a/b", JSON_OBJECT, "{}"},
        {"{\"a\":{\"b\":null,\"c\":true}}", "a/c", JSON_TRUE, "true"},
        {"{\"a\":{\"b\":null}}", "a/b", JSON_NULL, "null"},
        {"{\"\\u0061\\/\":1}", "a", JSON_ERROR, ""},
        {"{\"\\u0061b\":1}", "ab", JSON_NUMBER, "1"},
        /* first match wins, also when it leads nowhere */
        {"{\"a\":1,\"a\":2}", "a", JSON_NUMBER, "1"},
        {"{\"a\":1,\"a\":{\"b\":2}}", "a/b", JSON_ERROR, ""},
        {"{\"a\":{\"c\":1},\"a\":{\"b\":2}}", "a/b", JSON_ERROR, ""},
        {"[{\"a\":1}]", "a", JSON_ERROR, ""},
        {"\"a\"", "a", JSON_ERROR, ""},
        /* broken before, inside and behind what is looked for */
        {"{\"x\":tru,\"a\":1}", "a", JSON_ERROR, ""},
        {"{\"a\":[1,2", "a", JSON_ERROR, ""},
        {"{\"a\":\"x", "a", JSON_ERROR, ""},
        {"{\"a\":\"x\",,,", "a", JSON_STRING, "x"},
        {"", "a", JSON_ERROR, ""},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct span path[4];
        unsigned count = 0;
        ROW("%s in %s", rows[i].path, rows[i].text);
        for (struct span rest = SPAN(rows[i].path); *rows[i].path && rest.p && count < 4;) {
            rest.n = strlen(rest.p);
            path[count++] = span_cut(&rest, '/');
        }
        struct json_token token;
        bool found = json_find(at_the_edge(span_str(rows[i].text)), path, count, &token);
        EXPECT_EQ(found, rows[i].kind != JSON_ERROR);
        if (found) {
            EXPECT_EQ(token.kind, rows[i].kind);
            EXPECT_BYTES(token.raw.p, token.raw.n, rows[i].raw);
        }
    }
}

/* ---- text ---- */

TEST(json_decode_and_is) {
    static const struct {
        struct span raw, text;
        bool lone; /* text is what `lenient` makes of it */
    } rows[] = {
        {SPAN_CONST(""), SPAN_CONST(""), false},
        {SPAN_CONST("plain"), SPAN_CONST("plain"), false},
        {SPAN_CONST("\\\"\\\\\\/\\b\\f\\n\\r\\t"), SPAN_CONST("\"\\/\b\f\n\r\t"), false},
        {SPAN_CONST("a\\u0000b"), SPAN_CONST("a\0b"), false},
        {SPAN_CONST("\\u007f\\u0080\\u07FF\\u0800\\uffff"),
         SPAN_CONST("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"), false},
        {SPAN_CONST("\\ud800\\udc00\\uDBFF\\uDFFF"), SPAN_CONST("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
         false},
        {SPAN_CONST("\\ud83d\\ude00!"), SPAN_CONST("\xf0\x9f\x98\x80!"), false},
        {SPAN_CONST("\xe4\xb8\xad\\n\xe6\x96\x87"), SPAN_CONST("\xe4\xb8\xad\n\xe6\x96\x87"),
         false},
        {SPAN_CONST("\\ud83d"), SPAN_CONST("\xef\xbf\xbd"), true},
        {SPAN_CONST("\\ude00x"), SPAN_CONST("\xef\xbf\xbdx"), true},
        {SPAN_CONST("\\ud83dxxxxxx"), SPAN_CONST("\xef\xbf\xbdxxxxxx"), true},
        {SPAN_CONST("\\ud83d\\n\\n\\n\\n"), SPAN_CONST("\xef\xbf\xbd\n\n\n\n"), true},
        {SPAN_CONST("\\ud83d\\u0041"),
         SPAN_CONST("\xef\xbf\xbd"
                    "A"),
         true},
        {SPAN_CONST("\\ud83d\\ud83d\\ude00"), SPAN_CONST("\xef\xbf\xbd\xf0\x9f\x98\x80"), true},
        {SPAN_CONST("\\ud83d\\udbff"), SPAN_CONST("\xef\xbf\xbd\xef\xbf\xbd"), true},
        {SPAN_CONST("\\ud83d\\ue000"), SPAN_CONST("\xef\xbf\xbd\xee\x80\x80"), true},
        {SPAN_CONST("\\ude00\\ud83d"), SPAN_CONST("\xef\xbf\xbd\xef\xbf\xbd"), true},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct span raw = at_the_edge(rows[i].raw), text = rows[i].text;
        char out[64];
        ROW("%.*s", (int)raw.n, raw.p);
        CHECK(text.n <= raw.n && raw.n <= sizeof out);
        EXPECT_EQ(json_decode(raw, true, out, raw.n), (long)text.n);
        EXPECT_MEM(out, text.n, text.p, text.n);
        long strict = json_decode(raw, false, out, sizeof out);
        EXPECT_EQ(strict, rows[i].lone ? -EINVAL : (long)text.n);
        /* Every smaller room is refused, not overrun. */
        for (size_t max = 0; max < text.n; max++) {
            memset(out, '#', sizeof out);
            EXPECT_EQ(json_decode(raw, true, out, max), -ENOBUFS);
            EXPECT_EQ(out[max], '#');
        }
        bool escaped = memchr(raw.p, '\\', raw.n) != NULL;
        struct json_token token = {.kind = JSON_STRING, .raw = raw, .escaped = escaped};
        EXPECT_EQ(json_is(&token, text), !rows[i].lone);
        EXPECT(!json_is(&token, SPAN("something else")));
        if (text.n) {
            EXPECT(!json_is(&token, span_of(text.p, text.n - 1)));
            memcpy(out, text.p, text.n);
            out[text.n] = 'x';
            EXPECT(!json_is(&token, span_of(out, text.n + 1)));
        }
    }
    /* What no reader gives out. */
    static const struct span broken[] = {SPAN_CONST("\\"), SPAN_CONST("a\\x"), SPAN_CONST("\\u12"),
                                         SPAN_CONST("\\u12g4")};
    char out[16];
    for (size_t i = 0; i < countof(broken); i++)
        EXPECT_EQ(json_decode(at_the_edge(broken[i]), true, out, sizeof out), -EINVAL);
}

/* Both scanners, at every length and alignment, with each kind of byte at each place. */
TEST(json_scan_agrees_with_the_portable_one) {
    static const unsigned char bytes[] = {'"',  '\\', 0,    1,    0x1f, 0x20, 0x21, 0x23,
                                          0x5b, 0x5d, 0x7f, 0x80, 0xa2, 0xdc, 0xff, 0x00};
    char text[70];
    for (size_t n = 0; n <= sizeof text; n += n < 40 ? 1 : 15) {
        for (size_t place = 0; place < n; place++) {
            for (size_t b = 0; b < sizeof bytes; b++) {
                memset(text, 'a', n);
                text[place] = (char)bytes[b];
                /* Behind it, where nothing may be found any more. */
                if (place + 1 < n)
                    text[place + 1] = '"';
                struct span in = at_the_edge(span_of(text, n));
                bool special = json_scan_special(text[place]);
                for (size_t at = 0; at <= place; at += 1 + place / 5) {
                    size_t want = special ? place : place + 1 < n ? place + 1 : n;
                    if (json_scan(in, at) != want || json_scan_portable(in, at) != want)
                        FAIL_TEST("byte %02x at %zu of %zu from %zu: %zu, %zu", bytes[b], place, n,
                                  at, json_scan(in, at), json_scan_portable(in, at));
                }
            }
        }
        struct span in = at_the_edge(span_of(text, n));
        EXPECT_EQ(json_scan(in, n), n);
        EXPECT_EQ(json_scan_portable(in, n), n);
    }
    for (int c = 0; c < 256; c++)
        EXPECT_EQ(json_scan_special((char)c), c < 0x20 || c >= 0x80 || c == '"' || c == '\\');
}

/* ---- writing ---- */

static struct span write_all(struct json_out *out) {
    json_out_object(out);
    json_out_key(out, SPAN("a"));
    json_out_array(out);
    json_out_int(out, 0);
    json_out_int(out, -42);
    json_out_int(out, INT64_MIN);
    json_out_int(out, INT64_MAX);
    json_out_double(out, 2.5, 0);
    json_out_double(out, -0.285, 2);
    json_out_double(out, 1e22, 1);
    json_out_double(out, NAN, 1);
    json_out_double(out, -INFINITY, 1);
    json_out_array_end(out);
    json_out_key(out, SPAN("b"));
    json_out_object(out);
    json_out_object_end(out);
    json_out_key(out, SPAN("c"));
    json_out_bool(out, true);
    json_out_key(out, SPAN("d"));
    json_out_bool(out, false);
    json_out_key(out, SPAN("e"));
    json_out_null(out);
    json_out_key(out, SPAN("f"));
    json_out_value(out, SPAN("[1,\n2]"));
    json_out_key(out, SPAN("f2"));
    json_out_value_line(out, SPAN("[1,\r\n\"\\n\"\n]"));
    json_out_key(out, SPAN("g"));
    json_out_string_begin(out);
    json_out_string_part(out, SPAN("x\\ny"), true);
    json_out_string_part(out, SPAN("\"z\""), false);
    json_out_string_part(out, span_of(NULL, 0), false);
    json_out_string_end(out);
    json_out_key(out, SPAN("h"));
    json_out_escaped(out, SPAN("\\u00e9"));
    json_out_key(out, SPAN("i"));
    json_out_string(out, span_of(NULL, 0));
    json_out_key(out, SPAN("j"));
    json_out_array(out);
    json_out_array(out);
    json_out_array_end(out);
    json_out_string(out, SPAN("k"));
    json_out_object(out);
    json_out_object_end(out);
    json_out_array_end(out);
    json_out_object_end(out);
    return json_out_span(out);
}

static const char written[] = "{\"a\":[0,-42,-9223372036854775808,9223372036854775807,2,-0.28,"
                              "10000000000000000000000.0,null,null],"
                              "\"b\":{},\"c\":true,\"d\":false,\"e\":null,\"f\":[1,\n2],"
                              "\"f2\":[1,  \"\\n\" ],\"g\":\"x\\ny\\\"z\\\"\",\"h\":\"\\u00e9\","
                              "\"i\":\"\",\"j\":[[],\"k\",{}]}";

TEST(json_out_writes) {
    char memory[1000];
    struct json_out out;
    json_out_init(&out, memory, sizeof memory);
    struct span text = write_all(&out);
    EXPECT(!out.full);
    EXPECT_BYTES(text.p, text.n, written);
    EXPECT_EQ(json_check(text, NULL, NULL), 0);
}

TEST(json_out_escapes) {
    static const struct {
        struct span text, raw;
    } rows[] = {
        {SPAN_CONST("plain, and longer than sixteen bytes"),
         SPAN_CONST("plain, and longer than sixteen bytes")},
        {SPAN_CONST("\"\\/\b\f\n\r\t"), SPAN_CONST("\\\"\\\\/\\b\\f\\n\\r\\t")},
        {SPAN_CONST("\0\x01\x1f\x7f"), SPAN_CONST("\\u0000\\u0001\\u001f\x7f")},
        {SPAN_CONST("\xe4\xb8\xad\"\xf0\x9f\x98\x80"),
         SPAN_CONST("\xe4\xb8\xad\\\"\xf0\x9f\x98\x80")},
        /* one U+FFFD for each longest beginning (Unicode 16.0, tables 3-8 to 3-11) */
        {SPAN_CONST("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
                    "A"),
         SPAN_CONST(
             "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
             "\xef\xbf\xbd"
             "A")},
        {SPAN_CONST("\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
                    "A"),
         SPAN_CONST(
             "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
             "\xef\xbf\xbd"
             "A")},
        {SPAN_CONST("\xf4\x91\x92\x93\xff"
                    "A\x80\xbf"
                    "B"),
         SPAN_CONST("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                    "A\xef\xbf\xbd\xef\xbf"
                    "\xbd"
                    "B")},
        {SPAN_CONST("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
                    "A"),
         SPAN_CONST("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                    "A")},
        {SPAN_CONST("ab\xe2\x82"), SPAN_CONST("ab\xef\xbf\xbd")},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char memory[200];
        struct json_out out;
        struct json_token token;
        ROW("row %zu", i);
        json_out_init(&out, memory, sizeof memory);
        json_out_string(&out, at_the_edge(rows[i].text));
        REQUIRE(json_find(json_out_span(&out), NULL, 0, &token));
        EXPECT_MEM(token.raw.p, token.raw.n, rows[i].raw.p, rows[i].raw.n);
    }
}

TEST(json_out_raw_stands_outside) {
    char memory[200];
    struct json_out out;
    json_out_init(&out, memory, sizeof memory);
    for (int i = 0; i < 2; i++) {
        json_out_raw(&out, SPAN("data: "));
        json_out_array(&out);
        json_out_int(&out, i);
        json_out_array_end(&out);
        json_out_raw(&out, SPAN("\n\n"));
    }
    EXPECT_BYTES(json_out_span(&out).p, json_out_span(&out).n, "data: [0]\n\ndata: [1]\n\n");
}

TEST(json_out_full_is_said_and_nothing_is_overrun) {
    char memory[sizeof written + 1];
    for (size_t max = 0; max <= strlen(written); max++) {
        struct json_out out;
        ROW("max %zu", max);
        memset(memory, '#', sizeof memory);
        json_out_init(&out, memory, max);
        write_all(&out);
        EXPECT_EQ(out.full, max < strlen(written));
        EXPECT(out.n <= max);
        EXPECT_EQ(memory[max], '#');
        /* What did fit was the beginning; later and shorter pieces did not slip in behind it. */
        EXPECT_MEM(memory, out.n, written, out.n);
    }
}

TEST(json_out_grows_in_an_arena) {
    struct memory memory;
    struct arena arena;
    struct json_out out;
    memory_init(&memory, 64 << 20, 64 << 20);
    arena_init(&arena, &memory);
    json_out_arena(&out, &arena, 0);
    json_out_array(&out);
    char piece[] = "0123456789\n";
    for (int i = 0; i < 100000; i++) {
        piece[0] = (char)('0' + i % 10);
        json_out_string(&out, span_str(piece));
        /* Something else of the same exchange takes memory in between. */
        if (i % 10007 == 0)
            EXPECT(arena_alloc(&arena, 100) != NULL);
    }
    json_out_array_end(&out);
    EXPECT(!out.full);
    struct span text = json_out_span(&out);
    EXPECT_EQ(text.n, 2 + 100000 * 14 + 99999);
    struct json json;
    struct json_token token;
    json_init(&json, text);
    json_next(&json, &token);
    for (int i = 0; i < 100000; i++) {
        piece[0] = (char)('0' + i % 10);
        if (json_next(&json, &token) != JSON_STRING || !json_is(&token, span_str(piece)))
            FAIL_TEST("string %d is not what was written", i);
    }
    EXPECT_EQ(json_next(&json, &token), JSON_ARRAY_END);
    EXPECT_EQ(json_next(&json, &token), JSON_END);
    arena_fini(&arena);
    memory_fini(&memory);

    /* An arena without memory is an ordinary refusal, at the start and on the way. */
    memory_init(&memory, 0, 0);
    arena_init(&arena, &memory);
    json_out_arena(&out, &arena, 100);
    json_out_string(&out, SPAN("x"));
    EXPECT(out.full && out.n == 0);
    arena_fini(&arena);
    memory_fini(&memory);
    memory_init(&memory, 64 << 10, 0);
    arena_init(&arena, &memory);
    json_out_arena(&out, &arena, 100);
    EXPECT(!out.full);
    for (int i = 0; i < 100000; i++)
        json_out_string(&out, SPAN("0123456789"));
    EXPECT(out.full && out.n < 64 << 10);
    arena_fini(&arena);
    memory_fini(&memory);
}

/* Strings of chance bytes: what is written is valid, and decodes to what went in, up to U+FFFD. */
TEST(json_out_round_trip_of_chance) {
    struct rand rand;
    rand_init(&rand, 8);
    for (int i = 0; i < 20000; i++) {
        char text[80], memory[600], back[300], again[600];
        size_t n = rand_below(&rand, sizeof text);
        for (size_t at = 0; at < n; at++)
            text[at] =
                (char)(rand_below(&rand, 3) ? 0x20 + rand_below(&rand, 0x60) : rand_u64(&rand));
        struct json_out out;
        struct json_token token;
        json_out_init(&out, memory, sizeof memory);
        json_out_string(&out, at_the_edge(span_of(text, n)));
        struct span value = json_out_span(&out);
        if (out.full || json_check(value, NULL, NULL) != 0 || !json_find(value, NULL, 0, &token)) {
            FAIL_TEST("string %d is not valid", i);
            continue;
        }
        long length = json_decode(token.raw, false, back, sizeof back);
        CHECK(length >= 0);
        /* Writing what was read is then the same text: replaced once, it stays. */
        json_out_init(&out, again, sizeof again);
        json_out_string(&out, span_of(back, (size_t)length));
        EXPECT(span_eq(json_out_span(&out), value));
        if (!memmem(back, (size_t)length, "\xef\xbf\xbd", 3))
            EXPECT_MEM(back, (size_t)length, text, n);
    }
}
