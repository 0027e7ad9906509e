/* test_recorded.c - traces from recordings (bench/replay/recorded.c): small files of our own, what is refused, and the
 * real ones where they are. */
#include "tests/test.h"

#include <math.h>
#include <stdint.h>

#include "bench/replay/recorded.h"
#include "core/base.h"

#define LLMPERF "backend,ttft_ms,total_ms,inter_token_ms,input_tokens,output_tokens\n"
#define AZURE   "TIMESTAMP,ContextTokens,GeneratedTokens\n"
#define MOON    "time_ms,input_tokens,output_tokens,prefix_hash_ids\n"

static const char *const names[] = {"llmperf_ttft.csv", "azure_llm_2023_conv.csv",
                                    "mooncake_conversation.csv"};
static const char *const good[] = {
    LLMPERF
    "anyscale_70b,100.5,1,1,550,150\nbedrock_70b,300,1,1,550,150\nanyscale_70b,200,1,1,550,150\n",
    AZURE "2023-11-16 23:59:59.5000000,374,44\r\n2023-11-17 00:00:00.2500000,396,109\r\n",
    MOON "0,6758,500,0 1 2\n3000,7322,490,\n",
};

/* The files in a folder of their own; NULL: that one is not there. */
static void write_folder(char folder[40], const char *const text[3]) {
    strcpy(folder, "/tmp/hedgerow-recorded-XXXXXX");
    REQUIRE(mkdtemp(folder) != NULL);
    for (size_t i = 0; i < 3; i++) {
        char path[120];
        if (!text[i])
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        FILE *out = fopen(path, "w");
        REQUIRE(out != NULL);
        fputs(text[i], out);
        fclose(out);
    }
}

static void remove_folder(const char *folder) {
    for (size_t i = 0; i < 3; i++) {
        char path[120];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

TEST(recorded_reads_arrivals_sizes_and_times) {
    char folder[40], why[300] = "";
    struct generate_options options = generate_defaults();
    struct trace t;
    write_folder(folder, good);
    struct recorded *r = recorded_open(folder, why, sizeof why);
    remove_folder(folder);
    if (!r)
        FAIL_TEST("refused: %s", why);
    REQUIRE(r != NULL);
    REQUIRE(recorded_make(r, (unsigned)recorded_find("rec-light"), &options, &t, why, sizeof why));
    EXPECT_EQ(t.count, 2);
    EXPECT_STR(t.backend_names[0], "anyscale_70b");
    EXPECT_STR(t.backend_names[1], "bedrock_70b");
    EXPECT_EQ(t.time_ns[0], 0);
    EXPECT_EQ(t.time_ns[1], 750 * NS_PER_MS); /* over midnight */
    EXPECT_EQ(t.input_tokens[1], 396);
    EXPECT_EQ(t.output_tokens[1], 109);
    for (size_t i = 0; i < 2; i++) {
        uint64_t ns = trace_ttft_ns(&t, i, 0);
        EXPECT(ns == 100500000 || ns == 200 * NS_PER_MS);
        EXPECT_EQ(trace_ttft_ns(&t, i, 1), 300 * NS_PER_MS);
    }
    trace_fini(&t);
    options.requests = 1;
    REQUIRE(recorded_make(r, (unsigned)recorded_find("rec-light"), &options, &t, why, sizeof why));
    EXPECT_EQ(t.count, 1);
    trace_fini(&t);
    EXPECT(
        !recorded_make(r, (unsigned)recorded_find("rec-outliers"), &options, &t, why, sizeof why));
    EXPECT_STR(why, "rec-outliers: there is no log of fireworks_7b");
    recorded_close(&r);
    EXPECT(r == NULL);
}

TEST(recorded_refuses_files_that_are_none) {
    static const struct {
        const char *name;
        unsigned file;
        const char *text, *why;
    } rows[] = {
        {"missing", 1, NULL, "azure_llm_2023_conv.csv: No such file"},
        {"empty", 0, "", "llmperf_ttft.csv:1: not a line"},
        {"header alone", 0, LLMPERF, "llmperf_ttft.csv:1: not a line"},
        {"another header", 2, "time,in,out\n0,1,1\n", "mooncake_conversation.csv:1: not a line"},
        {"no time", 0, LLMPERF "a,,1,1,550,150\n", "llmperf_ttft.csv:2:"},
        {"time below zero", 0, LLMPERF "a,-4,1,1,550,150\n", "llmperf_ttft.csv:2:"},
        {"no backend", 0, LLMPERF ",4,1,1,550,150\n", "llmperf_ttft.csv:2:"},
        {"a field too much", 0, LLMPERF "a,4,1,1,550,150,7\n", "llmperf_ttft.csv:2:"},
        {"a date that is none", 1, AZURE "2023-11-16T18:15:46,1,1\n", "azure_llm_2023_conv.csv:2:"},
        {"backwards", 1, AZURE "2023-11-16 18:15:46.5,1,1\n2023-11-16 18:15:46.4,1,1\n",
         "azure_llm_2023_conv.csv:3:"},
        {"tokens", 2, MOON "0,many,1,\n", "mooncake_conversation.csv:2:"},
        {"too few fields", 2, MOON "0,1\n", "mooncake_conversation.csv:2:"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char folder[40], why[300] = "";
        const char *text[3] = {good[0], good[1], good[2]};
        text[rows[i].file] = rows[i].text;
        write_folder(folder, text);
        ROW("%s", rows[i].name);
        EXPECT(recorded_open(folder, why, sizeof why) == NULL);
        remove_folder(folder);
        if (!strstr(why, rows[i].why))
            FAIL_TEST("says \"%s\"", why);
    }
}

TEST(recorded_traces_of_the_real_files) {
    const char *folder = test_shared("traces");
    if (!folder)
        SKIP("needs ../shared");
    char why[300] = "";
    struct generate_options options = generate_defaults();
    struct recorded *r = recorded_open(folder, why, sizeof why);
    if (!r)
        FAIL_TEST("refused: %s", why);
    REQUIRE(r != NULL);
    for (unsigned k = 0; recorded_name(k); k++) {
        struct trace a, b, c;
        ROW("%s", recorded_name(k));
        options.seed = 1;
        REQUIRE(recorded_make(r, k, &options, &a, why, sizeof why));
        REQUIRE(recorded_make(r, k, &options, &b, why, sizeof why));
        options.seed = 2;
        REQUIRE(recorded_make(r, k, &options, &c, why, sizeof why));
        size_t bytes = a.count * a.backends * sizeof *a.ttft_ns;
        EXPECT(a.count > 10000);
        EXPECT_NEAR((double)a.time_ns[a.count - 1] / 3.6e12, 1, 0.05);
        EXPECT(memcmp(a.ttft_ns, b.ttft_ns, bytes) == 0);
        EXPECT(memcmp(a.ttft_ns, c.ttft_ns, bytes) != 0);
        EXPECT(recorded_what(k) && recorded_find(recorded_name(k)) == (int)k);
        trace_fini(&a);
        trace_fini(&b);
        trace_fini(&c);
    }
    recorded_close(&r);
}
