/* test_h1_chunked.c - chunked bodies: rows of good and hostile ones, each whole, byte by byte and cut at every offset. */
#include "net/h1_parse.h"

#include "core/base.h"
#include "tests/test.h"

#define BAD  (-FAIL_BAD_HTTP)
#define MORE (-1000) /* the body is not at its end, and nothing is wrong so far */

static const struct row {
    const char *name;
    struct span in;
    long want; /* bytes consumed up to the end of the body, BAD or MORE */
    const char *data;
} rows[] = {
    {"two chunks", SPAN_CONST("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), 26, "hello world"},
    {"nothing yet", SPAN_CONST(""), MORE, ""},
    {"empty body", SPAN_CONST("0\r\n\r\n"), 5, ""},
    {"what follows stays", SPAN_CONST("1\r\na\r\n0\r\n\r\nGET / HTTP/1.1"), 11, "a"},
    {"both cases", SPAN_CONST("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), 35,
     "01234567890123456789"},
    {"zeros first", SPAN_CONST("0000000000000000000003\r\nabc\r\n00\r\n\r\n"), 35, "abc"},
    {"data like framing", SPAN_CONST("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), 17, "\r\n0\r\n\r\n"},
    {"in the size", SPAN_CONST("5"), MORE, ""},
    {"in the data", SPAN_CONST("5\r\nhel"), MORE, "hel"},
    {"in the end", SPAN_CONST("5\r\nhello\r\n0\r\n\r"), MORE, "hello"},
    {"largest size", SPAN_CONST("ffffffffffffffff\r\nabc"), MORE, "abc"},
    {"size past 2^64", SPAN_CONST("10000000000000000\r\n"), BAD, ""},
    {"size far past", SPAN_CONST("fffffffffffffffffffff\r\n"), BAD, ""},

    {"no size", SPAN_CONST("\r\nhello"), BAD, ""},
    {"no size but extension", SPAN_CONST(";a\r\n"), BAD, ""},
    {"plus", SPAN_CONST("+5\r\nhello\r\n"), BAD, ""},
    {"minus", SPAN_CONST("-5\r\nhello\r\n"), BAD, ""},
    {"0x", SPAN_CONST("0x5\r\nhello\r\n"), BAD, ""},
    {"not hex", SPAN_CONST("g\r\n"), BAD, ""},
    {"next to hex", SPAN_CONST("@\r\n"), BAD, ""},
    {"blank first", SPAN_CONST(" 5\r\nhello\r\n"), BAD, ""},
    {"blank behind", SPAN_CONST("5 \r\nhello\r\n"), BAD, ""},
    {"tab behind", SPAN_CONST("5\t\r\nhello\r\n"), BAD, ""},
    {"blank before ;", SPAN_CONST("5 ;a\r\nhello\r\n"), BAD, ""},
    {"underscore", SPAN_CONST("1_0\r\n"), BAD, ""},
    {"NUL", SPAN_CONST("5\0\r\nhello\r\n"), BAD, ""},
    {"bare LF behind size", SPAN_CONST("5\nhello\r\n"), BAD, ""},
    {"bare CR behind size", SPAN_CONST("5\rhello\r\n"), BAD, ""},
    {"bare LF behind data", SPAN_CONST("5\r\nhello\n0\r\n\r\n"), BAD, "hello"},
    {"bare CR behind data", SPAN_CONST("5\r\nhello\r0\r\n\r\n"), BAD, "hello"},
    {"data too long", SPAN_CONST("5\r\nhello!\r\n0\r\n\r\n"), BAD, "hello"},
    {"data too short", SPAN_CONST("5\r\nhell\r\n0\r\n\r\n"), BAD, "hell\r"},
    {"bare LF at the end", SPAN_CONST("0\r\n\n"), BAD, ""},
    {"bare CR at the end", SPAN_CONST("0\r\n\rX"), BAD, ""},

    {"extension", SPAN_CONST("1;a\r\nx\r\n0;b\r\n\r\n"), 15, "x"},
    {"extension with value", SPAN_CONST("1;a=b;c=d\r\nx\r\n0\r\n\r\n"), 19, "x"},
    {"quoted value", SPAN_CONST("1;a=\"b; \\\"\t\xe4\";c\r\nx\r\n0\r\n\r\n"), 25, "x"},
    {"empty quoted value", SPAN_CONST("1;a=\"\"\r\nx\r\n0\r\n\r\n"), 16, "x"},
    {"empty extension", SPAN_CONST("1;\r\nx\r\n"), BAD, ""},
    {"two semicolons", SPAN_CONST("1;;a\r\nx\r\n"), BAD, ""},
    {"no value", SPAN_CONST("1;a=\r\nx\r\n"), BAD, ""},
    {"no name", SPAN_CONST("1;=b\r\nx\r\n"), BAD, ""},
    {"blank in extension", SPAN_CONST("1; a\r\nx\r\n"), BAD, ""},
    {"LF in extension", SPAN_CONST("1;a\nx\r\n"), BAD, ""},
    {"CR LF in quotes", SPAN_CONST("1;a=\"\r\n\"\r\nx\r\n"), BAD, ""},
    {"LF in quotes", SPAN_CONST("1;a=\"\n\"\r\nx\r\n"), BAD, ""},
    {"escaped CR in quotes", SPAN_CONST("1;a=\"\\\r\"\r\nx\r\n"), BAD, ""},
    {"behind the quotes", SPAN_CONST("1;a=\"b\"c\r\nx\r\n"), BAD, ""},

    {"trailers", SPAN_CONST("1\r\nx\r\n0\r\nA: b\r\nC-d:\t\xe4\r\n\r\n"), 25, "x"},
    {"trailer folded", SPAN_CONST("0\r\nA: b\r\n c\r\n\r\n"), BAD, ""},
    {"trailer without colon", SPAN_CONST("0\r\nA\r\n\r\n"), BAD, ""},
    {"trailer without name", SPAN_CONST("0\r\n: b\r\n\r\n"), BAD, ""},
    {"trailer blank before colon", SPAN_CONST("0\r\nA : b\r\n\r\n"), BAD, ""},
    {"trailer bare LF", SPAN_CONST("0\r\nA: b\n\r\n"), BAD, ""},
    {"trailer bare CR", SPAN_CONST("0\r\nA: b\rC: d\r\n\r\n"), BAD, ""},
    {"trailer NUL", SPAN_CONST("0\r\nA: \0\r\n\r\n"), BAD, ""},
};

struct reader {
    struct h1_chunked chunked;
    long consumed; /* or BAD */
    bool done;
    char data[20000];
    size_t size;
};

/* Gives one piece; a copy of it, so that a sanitizer sees what is read behind it. */
static void give(struct reader *reader, struct span piece) {
    char *copy = malloc(piece.n + !piece.n);
    if (piece.n)
        memcpy(copy, piece.p, piece.n);
    struct span in = span_of(copy, piece.n);
    while (!reader->done && reader->consumed >= 0) {
        struct span data;
        long n = h1_chunked_next(&reader->chunked, in, &data, &reader->done);
        if (n < 0)
            reader->consumed = n;
        if (n <= 0) {
            EXPECT(n < 0 || in.n == 0);
            break;
        }
        EXPECT(data.n <= (size_t)n);
        if (data.n)
            memcpy(reader->data + reader->size, data.p, data.n);
        reader->size += data.n;
        reader->consumed += n;
        in = span_from(in, (size_t)n);
    }
    free(copy);
}

static void expect_row(const struct row *row, const struct reader *reader) {
    long got = reader->consumed < 0 || reader->done ? reader->consumed : MORE;
    EXPECT_EQ(got, row->want);
    EXPECT_BYTES(reader->data, reader->size, row->data);
}

TEST(bodies_by_rows) {
    static struct reader reader;
    for (size_t i = 0; i < countof(rows); i++) {
        struct span in = rows[i].in;
        for (size_t cut = 0; cut <= in.n; cut++) {
            ROW("%s, cut at %zu", rows[i].name, cut);
            reader = (struct reader){0};
            give(&reader, span_of(in.p, cut));
            give(&reader, span_from(in, cut));
            expect_row(&rows[i], &reader);
        }
        ROW("%s, by bytes", rows[i].name);
        reader = (struct reader){0};
        for (size_t at = 0; at < in.n; at++)
            give(&reader, span_of(in.p + at, 1));
        expect_row(&rows[i], &reader);
    }
}

/* `before`, then `fill` times 'x', then `after`. */
static void expect_bound(const char *before, size_t fill, const char *after, bool good) {
    static struct reader reader;
    static char text[20000];
    reader = (struct reader){0};
    memset(text, 'x', fill);
    give(&reader, span_str(before));
    give(&reader, span_of(text, fill));
    give(&reader, span_str(after));
    EXPECT_EQ(reader.done, good);
    EXPECT_EQ(reader.consumed < 0, !good);
}

TEST(lines_and_trailers_are_bounded) {
    size_t line = HTTP_CHUNK_LINE_MAX - strlen("0;\r\n");
    expect_bound("0;", line, "\r\n\r\n", true);
    expect_bound("0;", line + 1, "\r\n\r\n", false);
    expect_bound("0;", 20000, "", false);
    size_t trailer = HTTP_TRAILER_MAX - strlen("a: b\r\nc: \r\n\r\n");
    expect_bound("0\r\na: b\r\nc: ", trailer, "\r\n\r\n", true);
    expect_bound("0\r\na: b\r\nc: ", trailer + 1, "\r\n\r\n", false);
    expect_bound("0\r\n", 20000, "", false);
}

/* The bound is per line: many chunks do not add up. */
TEST(many_chunks) {
    static struct reader reader;
    reader = (struct reader){0};
    for (unsigned i = 0; i < 2000; i++)
        give(&reader, SPAN("2;name=value\r\nxy\r\n"));
    EXPECT(!reader.done);
    give(&reader, SPAN("0\r\n\r\n"));
    EXPECT(reader.done);
    EXPECT_EQ(reader.size, 4000);
}

TEST(after_the_end_nothing_is_read) {
    struct h1_chunked chunked = {0};
    struct span data;
    bool done;
    EXPECT_EQ(h1_chunked_next(&chunked, SPAN("0\r\n\r\n1\r\n"), &data, &done), 5);
    EXPECT(done);
    EXPECT_EQ(h1_chunked_next(&chunked, SPAN("1\r\n"), &data, &done), 0);
    EXPECT(done);
    chunked = (struct h1_chunked){0};
    EXPECT_EQ(h1_chunked_next(&chunked, SPAN("x"), &data, &done), BAD);
    EXPECT_EQ(h1_chunked_next(&chunked, SPAN("0\r\n\r\n"), &data, &done), BAD);
    EXPECT(!done);
}
