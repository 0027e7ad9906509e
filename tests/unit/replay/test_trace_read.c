/* test_trace_read.c - CSV to traces: both forms, what is passed over, what is drawn, every refusal. */
#include "tests/test.h"

#include "appliance/replay/trace_read.h"
#include "core/heap.h"
#include "tests/unit/replay/replay_fixture.h"

#define HEAD      "time_ms,request,backend,input_tokens,ttft_ms,output_tokens\n"
#define HEAD_ROWS "time_ms,backend,prompt_tokens,ttft_ms,output_tokens\n"

static bool read_text(const char *text, size_t size, uint64_t seed, struct trace *t, char *why,
                      size_t why_size) {
    FILE *in = fmemopen((void *)text, size, "r");
    if (!in)
        return false;
    bool ok = trace_read(in, "t.csv", seed, t, why, why_size);
    fclose(in);
    return ok;
}

TEST(trace_read_gives_each_request_its_times) {
    static const char text[] = HEAD "1000,x,first,700,40.5,9\n"
                                    "1000,x,second,,50,\n"
                                    "1002.25,y,second,,never,8\n"
                                    "1002.25,y,first,800,0.000001,\n";
    struct trace t;
    char why[300] = "";
    REQUIRE(read_text(text, sizeof text - 1, 1, &t, why, sizeof why));
    EXPECT_EQ(t.count, 2);
    EXPECT_EQ(t.backends, 2);
    EXPECT_STR(t.name, "t.csv");
    EXPECT_STR(t.backend_names[0], "first");
    EXPECT_STR(t.backend_names[1], "second");
    EXPECT_EQ(t.time_ns[0], 0);
    EXPECT_EQ(t.time_ns[1], 2250000);
    EXPECT_EQ(t.primary[0], 0);
    EXPECT_EQ(t.primary[1], 1);
    EXPECT_EQ(t.input_tokens[0], 700);
    EXPECT_EQ(t.output_tokens[0], 9);
    EXPECT_EQ(t.input_tokens[1], 800);
    EXPECT_EQ(t.output_tokens[1], 8);
    EXPECT_EQ(trace_ttft_ns(&t, 0, 0), 40500000);
    EXPECT_EQ(trace_ttft_ns(&t, 0, 1), MS(50));
    EXPECT_EQ(trace_ttft_ns(&t, 1, 0), 1);
    EXPECT(trace_ttft_ns(&t, 1, 1) == UINT64_MAX);
    trace_fini(&t);
}

/* The same two requests, however the file is written. */
TEST(trace_read_takes_what_programs_write) {
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"plain", HEAD "5,a,p,1,40,2\n5,a,q,1,50,2\n9,b,p,1,60,2\n9,b,q,1,70,2\n"},
        {"no end of the last line", HEAD "5,a,p,1,40,2\n5,a,q,1,50,2\n9,b,p,1,60,2\n9,b,q,1,70,2"},
        {"blanks", "time_ms, request, backend,input_tokens ,ttft_ms,\toutput_tokens\n"
                   " 5 ,a , p,1, 40,2 \n5, a,q ,1,50,\t2\n9,b,p,1,60,2\n9,b,q,1,70,2\n"},
        {"CRLF", "time_ms,request,backend,input_tokens,ttft_ms,output_tokens\r\n"
                 "5,a,p,1,40,2\r\n5,a,q,1,50,2\r\n9,b,p,1,60,2\r\n9,b,q,1,70,2\r\n"},
        {"byte order mark",
         "\xef\xbb\xbf" HEAD "5,a,p,1,40,2\n5,a,q,1,50,2\n9,b,p,1,60,2\n9,b,q,1,70,2\n"},
        {"empty lines", HEAD "\n5,a,p,1,40,2\n5,a,q,1,50,2\n  \n9,b,p,1,60,2\n9,b,q,1,70,2\n\n"},
        {"order of end", HEAD "9,b,p,1,60,2\n9,b,q,1,70,2\n5,a,p,1,40,2\n5,a,q,1,50,2\n"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct trace t;
        char why[300] = "";
        ROW("%s", rows[i].name);
        if (!read_text(rows[i].text, strlen(rows[i].text), 1, &t, why, sizeof why)) {
            FAIL_TEST("refused: %s", why);
            continue;
        }
        EXPECT_EQ(t.count, 2);
        EXPECT_EQ(t.time_ns[1], MS(4));
        EXPECT_EQ(trace_ttft_ns(&t, 0, 0), MS(40));
        EXPECT_EQ(trace_ttft_ns(&t, 0, 1), MS(50));
        EXPECT_EQ(trace_ttft_ns(&t, 1, 0), MS(60));
        EXPECT_EQ(trace_ttft_ns(&t, 1, 1), MS(70));
        trace_fini(&t);
    }
}

TEST(trace_read_refuses_by_line_and_says_what_was_meant) {
    static const struct {
        const char *name, *text, *why;
    } rows[] = {
        {"empty", "", "t.csv:1: the file is empty; it wants the header time_ms,request,"},
        {"another header", "a,b\n1,2\n", "t.csv:1: the header is \"a,b\"; it must be time_ms,"},
        {"a column twice", "time_ms,backend,backend,ttft_ms,output_tokens\n",
         "t.csv:1: the header"},
        {"header alone", HEAD, "t.csv:2: there are no rows behind the header"},
        {"one backend", HEAD "1,a,p,,40,\n2,b,p,,40,\n",
         "all rows are of backend \"p\"; hedging needs times of a second one"},
        {"too few fields", HEAD "1,a,p,,40\n", "t.csv:2: fewer fields than the header has"},
        {"too many fields", HEAD "1,a,p,,40,,7\n", "t.csv:2: more fields than the header has"},
        {"time", HEAD "soon,a,p,,40,\n", "t.csv:2: time_ms is \"soon\"; write the time of arrival"},
        {"time below zero", HEAD "-1,a,p,,40,\n", "t.csv:2: time_ms is \"-1\""},
        {"a point too much", HEAD "1.5.0,a,p,,40,\n", "t.csv:2: time_ms is \"1.5.0\""},
        {"nothing behind the point", HEAD "1.,a,p,,40,\n", "t.csv:2: time_ms is \"1.\""},
        {"a time of the year 3000", HEAD "99999999999999,a,p,,40,\n", "t.csv:2: time_ms is"},
        {"no time to the first token", HEAD "1,a,p,,,\n",
         "t.csv:2: ttft_ms is \"\"; write the time"},
        {"seconds", HEAD "1,a,p,,0.4s,\n", "t.csv:2: ttft_ms is \"0.4s\""},
        {"more than a day", HEAD "1,a,p,,86400001,\n", "t.csv:2: ttft_ms is \"86400001\""},
        {"input tokens", HEAD "1,a,p,many,40,\n",
         "t.csv:2: the number of input tokens is \"many\""},
        {"output tokens", HEAD "1,a,p,,40,1.5\n", "t.csv:2: output_tokens is \"1.5\""},
        {"tokens beyond 32 bits", HEAD "1,a,p,4294967296,40,\n", "t.csv:2: the number of input"},
        {"backend without a name", HEAD "1,a,,,40,\n", "t.csv:2: backend is \"\"; write a name"},
        {"request without a name", HEAD "1,,p,,40,\n", "t.csv:2: request is \"\"; write a name"},
        {"two times of one request", HEAD "1,a,p,,40,\n2,a,q,,40,\n",
         "t.csv:3: time_ms is 2, but that of the request's first row is 1.000000"},
        {"a backend twice", HEAD "1,a,p,,40,\n1,a,p,,41,\n",
         "t.csv:3: request \"a\" has a second row of backend \"p\""},
        {"rows apart", HEAD "1,a,p,,40,\n2,b,q,,40,\n1,a,q,,50,\n",
         "t.csv:4: request \"a\" has rows further up; the rows of a request must stand together"},
        {"nine backends",
         HEAD_ROWS "1,a,,1,\n1,b,,1,\n1,c,,1,\n1,d,,1,\n1,e,,1,\n1,f,,1,\n1,g,,1,\n"
                   "1,h,,1,\n1,i,,1,\n",
         "t.csv:10: \"i\" is one backend too many; a trace has at most 8"},
        {"the short form with the long header's fields", HEAD_ROWS "1,a,p,,40,\n",
         "t.csv:2: more fields"},
        {"control characters are not shown", HEAD "\x1b[2J,a,p,,40,\n", "time_ms is \"?[2J\""},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct trace t = {.count = 77};
        char why[300] = "";
        ROW("%s", rows[i].name);
        size_t size = strlen(rows[i].text);
        /* fmemopen() knows no empty file; one line end is as empty. */
        const char *text = size ? rows[i].text : "";
        FILE *in = size ? fmemopen((void *)text, size, "r") : fopen("/dev/null", "r");
        REQUIRE(in != NULL);
        EXPECT(!trace_read(in, "t.csv", 1, &t, why, sizeof why));
        fclose(in);
        EXPECT_EQ(t.count, 77);
        if (!strstr(why, rows[i].why))
            FAIL_TEST("says \"%s\"", why);
    }
}

TEST(trace_read_refuses_lines_without_end) {
    enum { SIZE = 100000 };
    char *text = heap_alloc(SIZE), why[300] = "";
    struct trace t;
    memset(text, 'x', SIZE);
    memcpy(text, HEAD, sizeof HEAD - 1);
    EXPECT(!read_text(text, SIZE, 1, &t, why, sizeof why));
    EXPECT(strstr(why, "t.csv:2: the line is longer than 65536 bytes") != NULL);
    heap_free(&text);
}

/* 300 requests in three minutes, the second backend three times as slow in the middle one. */
static size_t write_singles(char *text, size_t max) {
    int n = snprintf(text, max, HEAD_ROWS);
    for (int i = 0; i < 300; i++) {
        bool slow = i >= 100 && i < 200;
        n += snprintf(text + n, max - (size_t)n, "%d, %s, 100, %d, 10\n", i * 600,
                      i % 2 ? "b" : "a", i % 2 ? (slow ? 900 : 300) + i % 7 : 200 + i % 5);
    }
    return (size_t)n;
}

TEST(trace_read_draws_a_missing_time_from_rows_near_in_time) {
    static char text[20000];
    size_t size = write_singles(text, sizeof text);
    struct trace t;
    char why[300] = "";
    REQUIRE(read_text(text, size, 1, &t, why, sizeof why));
    EXPECT_EQ(t.count, 300);
    for (size_t i = 0; i < t.count; i++) {
        uint64_t a_ms = trace_ttft_ns(&t, i, 0) / NS_PER_MS,
                 b_ms = trace_ttft_ns(&t, i, 1) / NS_PER_MS;
        ROW("request %zu", i);
        EXPECT_EQ(t.primary[i], i % 2);
        EXPECT(a_ms >= 200 && a_ms < 205);
        /* Within 32 rows of the backend, that is 64 requests, of the slow minute's edges it is either. */
        if (i < 36 || i >= 264)
            EXPECT(b_ms < 400);
        else
            EXPECT(b_ms < 1000);
        if (i == 150)
            EXPECT(b_ms >= 300);
    }
    trace_fini(&t);
}

TEST(trace_read_draws_the_same_from_the_same_seed) {
    static char text[20000];
    size_t size = write_singles(text, sizeof text);
    struct trace t[3];
    char why[300];
    for (size_t i = 0; i < 3; i++)
        REQUIRE(read_text(text, size, i < 2 ? 7 : 8, &t[i], why, sizeof why));
    size_t bytes = t[0].count * t[0].backends * sizeof *t[0].ttft_ns;
    EXPECT(memcmp(t[0].ttft_ns, t[1].ttft_ns, bytes) == 0);
    EXPECT(memcmp(t[0].ttft_ns, t[2].ttft_ns, bytes) != 0);
    for (size_t i = 0; i < 3; i++)
        trace_fini(&t[i]);
}

TEST(trace_read_reads_what_trace_write_wrote) {
    struct rand dice;
    rand_init(&dice, 11);
    for (int round = 0; round < 50; round++) {
        struct trace drawn, back;
        char *text = NULL, why[300] = "";
        size_t size = 0;
        fixture_draw(&drawn, &dice, 60);
        for (unsigned b = 0; b < drawn.backends; b++)
            snprintf(drawn.backend_names[b], sizeof drawn.backend_names[b], "%u", b);
        FILE *out = open_memstream(&text, &size);
        trace_write(&drawn, out);
        fclose(out);
        REQUIRE(read_text(text, size, 1, &back, why, sizeof why));
        EXPECT_EQ(back.count, drawn.count);
        for (size_t i = 0; i < drawn.count; i++)
            for (unsigned b = 0; b < drawn.backends; b++) {
                unsigned was = (unsigned)atoi(back.backend_names[b]);
                EXPECT(trace_ttft_ns(&back, i, b) == trace_ttft_ns(&drawn, i, was));
            }
        EXPECT_STR(back.backend_names[back.primary[0]], drawn.backend_names[drawn.primary[0]]);
        EXPECT_EQ(back.time_ns[back.count - 1], drawn.time_ns[drawn.count - 1] - drawn.time_ns[0]);
        trace_fini(&drawn);
        trace_fini(&back);
        free(text);
    }
}
