/* test_report.c - the report: its text word for word, its JSON read back with yyjson, lines of the access
 * log good and broken, logs as streams, and logs as traces. */
#include "tests/test.h"

#include <math.h>
#include <yyjson.h>

#include "appliance/control/access_log_line.h"
#include "appliance/control/report_command.h"
#include "appliance/control/report_log.h"
#include "appliance/control/report_units.h"
#include "appliance/replay/trace_read.h"
#include "core/base.h"
#include "core/heap.h"

#define MS(n) ((uint64_t)(n)*NS_PER_MS)

TEST(units) {
    static const struct {
        uint64_t ns;
        const char *want;
    } times[] = {{400000, "0.4 ms"},   {9940000, "9.9 ms"},    {9960000, "10 ms"},
                 {MS(198), "198 ms"},  {MS(999), "999 ms"},    {999600000, "1.00 s"},
                 {MS(2070), "2.07 s"}, {MS(99990), "99.99 s"}, {MS(125000), "125 s"},
                 {REPORT_FEW, "-"},    {REPORT_BEYOND, "?"}};
    static const struct {
        double share;
        const char *want;
    } shares[] = {{0, "no"},    {0.0004, "under 0.1 %"}, {0.047, "4.7 %"}, {0.9949, "99.5 %"},
                  {1, "100 %"}, {2.5, "250 %"}};
    static const struct {
        uint64_t pico;
        const char *want;
    } money[] = {{0, "$0.00"},
                 {UINT64_C(12340000000000), "$12.34"},
                 {UINT64_C(12345600000), "$0.0123"},
                 {UINT64_C(123000000), "$0.000123"},
                 {UINT64_C(12000), "$0.000000012"}};
    char text[REPORT_UNIT_MAX];
    for (unsigned i = 0; i < countof(times); i++)
        EXPECT_STR(report_time_text(times[i].ns, text), times[i].want);
    for (unsigned i = 0; i < countof(shares); i++)
        EXPECT_STR(report_share_text(shares[i].share, text), shares[i].want);
    for (unsigned i = 0; i < countof(money); i++)
        EXPECT_STR(report_usd_text(money[i].pico, text), money[i].want);
}

/* ---- a report made by hand ---- */

static void add_times(struct hist *hist, unsigned count, uint64_t ms) {
    for (unsigned i = 0; i < count; i++)
        hist_add(hist, MS(ms));
}

/* 1000 requests, 30 of them 2 s late but for a hedge; the delay's hedges answer 40 and lose 7. */
static void add_hedged(struct report *report) {
    struct report_model *m = report_add(report, SPAN("gpt-5.5"));
    m->mode = "adaptive";
    m->requests = 1005;
    m->raced = 1000;
    m->target = 0.99;
    add_times(&m->with, 1000, 64);
    add_times(&m->without, 960, 64);
    add_times(&m->without, 20, 2048);
    add_times(&m->without_cut, 20, 160);
    m->started[HEDGE_DELAY] = 47;
    m->won[HEDGE_DELAY] = 40;
    m->started[HEDGE_FAILURE] = 3;
    m->won[HEDGE_FAILURE] = 3;
    m->suppressed_known = true;
    m->suppressed[SUPPRESS_BUDGET] = 12;
    m->suppressed[SUPPRESS_SLOWDOWN] = 1;
    m->priced = true;
    m->won_pico = UINT64_C(1000000000000);
    m->wasted_pico = UINT64_C(19000000000);
    m->wasted_tokens = 1234;
    m->advice = heap_alloc(2 * sizeof *m->advice);
    m->advice_count = 2;
    m->advice[0] = (struct report_advice){.first = heap_text("openai", 6),
                                          .second = heap_text("azure-eu", 8),
                                          .delay_ns = MS(180),
                                          .probability = 0.8,
                                          .extra = 0.046,
                                          .without_ns = MS(2000),
                                          .with_ns = MS(260)};
    m->advice[1] = (struct report_advice){.first = heap_text("azure-eu", 8),
                                          .second = heap_text("openai", 6),
                                          .delay_ns = UINT64_MAX};
}

static void add_off(struct report *report) {
    struct report_model *m = report_add(report, SPAN("off"));
    m->mode = "off";
    m->requests = m->raced = 400;
    m->target = 0.99;
    add_times(&m->with, 390, 64);
    add_times(&m->with, 10, 2048);
    m->without = m->with;
    m->suppressed_known = true;
    m->would = (struct report_would){.state = REPORT_WOULD_KNOWN,
                                     .without_ns = {MS(64), MS(66), MS(2000), REPORT_FEW},
                                     .with_ns = {MS(64), MS(66), MS(200), REPORT_FEW},
                                     .extra_requests = 0.031,
                                     .extra_cost = NAN};
}

/* Every stall was cut off. */
static void add_beyond(struct report *report) {
    struct report_model *m = report_add(report, SPAN("beyond"));
    m->mode = "fixed";
    m->requests = m->raced = 400;
    m->target = 0.99;
    add_times(&m->with, 400, 64);
    add_times(&m->without, 390, 64);
    add_times(&m->without_cut, 10, 128);
    m->started[HEDGE_DELAY] = 10;
    m->won[HEDGE_DELAY] = 10;
    m->would.state = REPORT_WOULD_UNSEEN;
}

static const char *text_of(struct report *report) {
    static char text[20000];
    size_t length;
    report->since_s = 750;
    report_settle(report);
    char *whole = report_text_new(report, &length);
    CHECK(length < sizeof text);
    memcpy(text, whole, length + 1);
    heap_free(&whole);
    return text;
}

TEST(text_word_for_word) {
    static const char want[] =
        "gpt-5.5  adaptive, 1005 requests in 12 min\n"
        "  time to first token        p50        p95        p99      p99.9\n"
        "  without hedging         64 ms      65 ms     2.04 s          -\n"
        "  with                    63 ms      64 ms      64 ms          -\n"
        "\n"
        "  gpt-5.5: hedging cut p99 from 2.04 s to 64 ms (-97 %) for 4.7 % more requests and 1.9 % "
        "more "
        "money.\n"
        "  gpt-5.5: of 47 hedges 40 answered first; 3 requests went elsewhere after a failure.\n"
        "  gpt-5.5: 13 attempts that were due were held back: 12 by the budget of requests, 1 "
        "because all "
        "backends were slow at once.\n"
        "  gpt-5.5: answers cost $1.00; attempts that did not win cost $0.0190 and wrote 1234 "
        "output "
        "tokens.\n"
        "  gpt-5.5: p99.9 is not told: it takes 2000 requests, and there are 1000.\n"
        "  now it asks azure-eu 180 ms behind openai, in 80.0 % of the cases\n"
        "  now it asks nobody behind azure-eu: it would not help\n"
        "\n"
        "off  off, 400 requests in 12 min\n";
    struct report report = {.count = 0};
    add_hedged(&report);
    add_off(&report);
    const char *text = text_of(&report);
    EXPECT_BYTES(text, min_size(strlen(text), sizeof want - 1), want);
    report_free(&report);
}

TEST(words) {
    static const struct {
        void (*add)(struct report *);
        const char *want;
    } rows[] = {
        {add_off, "off: hedging is off; p99 is 2.03 s.\n"},
        {add_off,
         "off: adaptive hedging would have cut p99 from 2.00 s to 200 ms (-90 %) for 3.1 % more "
         "requests, going by the last minutes and as long as the backends are not slow "
         "together.\n"},
        {add_off,
         "off: no price is configured, so money cannot be told; attempts that did not win wrote 0 "
         "output tokens.\n"},
        {add_beyond, "beyond: with hedging p99 is 64 ms; without it, it is longer than 128 ms, the "
                     "longest that was seen, for 2.5 % more requests.\n"},
        {add_beyond,
         "beyond: p99 without hedging is beyond what has been seen: the longest waits were "
         "cut off.\n"},
        {add_beyond, "beyond: only one backend was asked"},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        struct report report = {.count = 0};
        rows[i].add(&report);
        ROW("%.60s", rows[i].want);
        EXPECT(strstr(text_of(&report), rows[i].want) != NULL);
        report_free(&report);
    }
}

/* What adaptive would have given, in each state, and when it helps, does nothing, or harms. */
TEST(words_of_would) {
    static const struct {
        enum report_would_state state;
        uint64_t without_ms, with_ms;
        double extra;
        const char *want; /* NULL: nothing is said */
    } rows[] = {
        {REPORT_WOULD_NOT_ASKED, 0, 0, 0, NULL},
        {REPORT_WOULD_ALONE, 0, 0, 0, "off: it has one backend: there is nobody to hedge with.\n"},
        {REPORT_WOULD_FEW, 0, 0, 0, "off: there were too few answers"},
        {REPORT_WOULD_UNSEEN, 0, 0, 0, "off: only one backend was asked"},
        {REPORT_WOULD_MANY, 0, 0, 0, "off: there is more of it than a replay takes"},
        {REPORT_WOULD_KNOWN, 2000, 2000, 0, "off: adaptive hedging would not start any"},
        {REPORT_WOULD_KNOWN, 2000, 1990, 0.01,
         "would have made no difference to p99 (1.99 s with it, 2.00 s without) for 1.0 % more"},
        {REPORT_WOULD_KNOWN, 2000, 2100, 0.01,
         "would have made p99 worse (2.10 s with it, 2.00 s without) for 1.0 % more"},
        {REPORT_WOULD_KNOWN, 2000, 500, 0.01, "would have cut p99 from 2.00 s to 500 ms (-75 %)"},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        struct report report = {.count = 0};
        add_off(&report);
        struct report_would *would = &report.models[0].would;
        would->state = rows[i].state;
        would->without_ns[2] = MS(rows[i].without_ms);
        would->with_ns[2] = MS(rows[i].with_ms);
        would->extra_requests = rows[i].extra;
        const char *text = text_of(&report);
        ROW("row %u", i);
        if (rows[i].want)
            EXPECT(strstr(text, rows[i].want) != NULL);
        else
            EXPECT(strstr(text, "adaptive hedging") == NULL);
        report_free(&report);
    }
}

TEST(headline_by_what_is_known) {
    static const struct {
        double target;
        uint64_t without[REPORT_QUANTILES], with[REPORT_QUANTILES];
        unsigned want;
    } rows[] = {
        {0.99, {1, 1, 1, 1}, {1, 1, 1, 1}, 2},  {0.999, {1, 1, 1, 1}, {1, 1, 1, 1}, 3},
        {0.97, {1, 1, 1, 1}, {1, 1, 1, 1}, 1},  {0.5, {1, 1, 1, 1}, {1, 1, 1, 1}, 0},
        {0.999, {1, 1, 1, 0}, {1, 1, 1, 1}, 2}, {0.99, {1, 1, REPORT_BEYOND, 0}, {1, 1, 1, 0}, 2},
        {0.99, {1, 0, 0, 0}, {1, 0, 0, 0}, 0},  {0.99, {0, 0, 0, 0}, {0, 0, 0, 0}, 2},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        ROW("row %u", i);
        EXPECT_EQ(report_headline(rows[i].target, rows[i].without, rows[i].with), rows[i].want);
    }
}

static yyjson_val *at(yyjson_val *from, const char *pointer) {
    return yyjson_ptr_get(from, pointer);
}

TEST(json_read_back) {
    struct report report = {.count = 0, .of_log = true, .lost_lines = 2, .since_s = 1.5};
    size_t length;
    add_hedged(&report);
    add_off(&report);
    add_beyond(&report);
    report.models[2].name[0] = '"'; /* names are anybody's */
    report_settle(&report);
    char *text = report_json(&report, &length);
    yyjson_doc *doc = yyjson_read(text, length, 0);
    REQUIRE(doc != NULL);
    yyjson_val *root = yyjson_doc_get_root(doc), *one = at(root, "/models/0");
    static const struct {
        const char *at;
        double want; /* NAN: null */
    } rows[] = {
        {"/requests", 1005},
        {"/raced", 1000},
        {"/since_s", 1.5},
        {"/target", 0.99},
        {"/without/p999_ms", NAN},
        {"/saved/p999_ms", NAN},
        {"/hedges/started/delay", 47},
        {"/hedges/started/failure", 3},
        {"/hedges/started/stall", 0},
        {"/hedges/won", 43},
        {"/hedges/lost", 7},
        {"/hedges/won_by/delay", 40},
        {"/hedges/extra_requests", 0.047},
        {"/suppressed/budget", 12},
        {"/suppressed/slowdown", 1},
        {"/suppressed/quota", 0},
        {"/cost_usd", 1},
        {"/wasted_usd", 0.019},
        {"/extra_cost", 0.019},
        {"/wasted_tokens", 1234},
        {"/advice/0/delay_ms", 180},
        {"/advice/0/probability", 0.8},
        {"/advice/0/with_ms", 260},
        {"/advice/0/extra", 0.046},
        {"/advice/1/delay_ms", NAN},
        {"/would", NAN},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].at);
        yyjson_val *value = at(one, rows[i].at);
        EXPECT(value != NULL);
        if (isnan(rows[i].want))
            EXPECT(yyjson_is_null(value));
        else
            EXPECT_NEAR(yyjson_get_num(value), rows[i].want, 1e-12);
    }
    ROW("%s", "");
    double without = yyjson_get_num(at(one, "/without/p99_ms")),
           with = yyjson_get_num(at(one, "/with/p99_ms"));
    EXPECT_NEAR(without, 2048, 2048 * 0.0625);
    EXPECT_NEAR(yyjson_get_num(at(one, "/saved/p99_ms")), without - with, 0.0011);
    EXPECT(yyjson_is_null(at(root, "/models/1/cost_usd")) &&
           yyjson_is_null(at(root, "/models/1/extra_cost")));
    EXPECT_NEAR(yyjson_get_num(at(root, "/models/1/would/with/p99_ms")), 200, 0);
    EXPECT(yyjson_is_null(at(root, "/models/1/would/extra_cost")));
    EXPECT(yyjson_is_null(at(root, "/models/2/suppressed")) &&
           yyjson_is_null(at(root, "/models/2/without/p99_ms")));
    EXPECT_STR(yyjson_get_str(at(root, "/models/2/model")), "\"eyond");
    EXPECT_EQ(yyjson_get_uint(at(root, "/lines_not_read")), 2);
    EXPECT(yyjson_arr_size(at(root, "/words")) >= 9);
    yyjson_doc_free(doc);
    heap_free(&text);
    report_free(&report);
}

/* Longer than the first room for it. */
TEST(json_of_many_models) {
    struct report report = {.count = 0};
    size_t length;
    for (unsigned i = 0; i < 300; i++)
        report_add(&report, SPAN("a model of some length"));
    report_settle(&report);
    char *text = report_json(&report, &length);
    yyjson_doc *doc = yyjson_read(text, length, 0);
    REQUIRE(doc != NULL);
    EXPECT_EQ(yyjson_arr_size(at(yyjson_doc_get_root(doc), "/models")), 300);
    yyjson_doc_free(doc);
    heap_free(&text);
    report_free(&report);
}

/* ---- lines ---- */

#define TIME "\"time\":\"2026-11-21T10:48:23.007Z\""
#define FIRST                                                                                      \
    "{\"provider\":\"openai\",\"model\":\"m\",\"trigger\":\"first\",\"start_ms\":1,"               \
    "\"first_token_ms\":null,\"end_ms\":70.5,\"outcome\":\"lost\",\"reason\":\"lost\",\"tokens\":" \
    "3,"                                                                                           \
    "\"cost_usd\":0.000155}"
#define HEDGE                                                                                   \
    "{\"provider\":\"azure\",\"model\":\"m\",\"trigger\":\"delay\",\"start_ms\":40.25,"         \
    "\"first_token_ms\":70.123,\"end_ms\":99,\"outcome\":\"won\",\"reason\":null,\"tokens\":9," \
    "\"cost_usd\":0.001}"
#define LINE(attempts)                                                                     \
    "{" TIME ",\"model\":\"gpt\",\"status\":200,\"ttft_ms\":70.123,\"total_ms\":100,"      \
    "\"input_tokens\":120,\"output_tokens\":9,\"cost_usd\":0.001,\"wasted_usd\":0.000155," \
    "\"wasted_tokens\":3,\"attempts\":[" attempts "]}"

TEST(line_read_back) {
    struct log_line line;
    EXPECT_STR(log_line_read(SPAN(LINE(FIRST "," HEDGE)), &line), NULL);
    EXPECT_EQ(line.time_ms, UINT64_C(1795258103007));
    EXPECT_BYTES(line.model.p, line.model.n, "gpt");
    EXPECT_EQ(line.status, 200);
    EXPECT_EQ(line.ttft_ns, 70123000);
    EXPECT_EQ(line.total_ns, MS(100));
    EXPECT(line.input_tokens == 120 && line.output_tokens == 9 && line.wasted_tokens == 3);
    EXPECT(line.won_priced && line.wasted_priced && line.wasted_counted);
    EXPECT(line.won_pico == 1000000000 && line.wasted_pico == 155000000);
    REQUIRE(line.attempt_count == 2);
    const struct log_attempt *first = &line.attempts[0], *hedge = &line.attempts[1];
    EXPECT(first->trigger == HEDGE_FIRST && first->outcome == OUTCOME_LOST);
    EXPECT(first->first_ns == LOG_NEVER && first->start_ns == MS(1) && first->end_ns == 70500000);
    EXPECT(first->priced && first->pico == 155000000 && first->tokens == 3);
    EXPECT(hedge->trigger == HEDGE_DELAY && hedge->outcome == OUTCOME_WON);
    EXPECT(hedge->first_ns == 70123000 && hedge->reason.n == 0);
    EXPECT_BYTES(hedge->provider.p, hedge->provider.n, "azure");
}

/* Each is refused, with a reason; none is taken for something else. */
TEST(broken_lines) {
    static const char *const rows[] = {
        "",
        " ",
        "null",
        "[]",
        "1",
        "\"time\"",
        "{}",
        "{",
        "not json",
        "{\"time\":1}",
        "\xff\xfe",
        LINE(FIRST) "x",
        LINE(FIRST) "{}",
        LINE("1"),
        LINE("null"),
        LINE("{}"),
        LINE("[" FIRST "]"),
        "{" TIME ",\"status\":200}",
        "{" TIME ",\"attempts\":[]}",
        "{\"status\":200,\"attempts\":[]}",
        "{" TIME ",\"status\":200,\"attempts\":{}}",
        "{" TIME ",\"status\":200,\"attempts\":null}",
        "{" TIME ",\"status\":\"200\",\"attempts\":[]}",
        "{" TIME ",\"status\":-1,\"attempts\":[]}",
        "{" TIME ",\"status\":600,\"attempts\":[]}",
        "{" TIME ",\"status\":2e2,\"attempts\":[]}",
        "{" TIME ",\"status\":null,\"attempts\":[]}",
        "{\"time\":null,\"status\":200,\"attempts\":[]}",
        "{\"time\":\"2026-11-21\",\"status\":200,\"attempts\":[]}",
        "{\"time\":\"2026-13-21T10:48:23.007Z\",\"status\":200,\"attempts\":[]}",
        "{\"time\":\"2026-11-21T24:48:23.007Z\",\"status\":200,\"attempts\":[]}",
        "{\"time\":\"2026-11-21 10:48:23.007Z\",\"status\":200,\"attempts\":[]}",
        "{\"time\":\"2026-11-21T10:48:23.00aZ\",\"status\":200,\"attempts\":[]}",
        "{" TIME ",\"status\":200,\"ttft_ms\":\"5\",\"attempts\":[]}",
        "{" TIME ",\"status\":200,\"ttft_ms\":-5,\"attempts\":[]}",
        "{" TIME ",\"status\":200,\"ttft_ms\":1e3,\"attempts\":[]}",
        "{" TIME ",\"status\":200,\"ttft_ms\":0.0000001,\"attempts\":[]}",
        "{" TIME ",\"status\":200,\"ttft_ms\":99999999999999,\"attempts\":[]}",
        "{" TIME ",\"status\":200,\"ttft_ms\":86400001,\"attempts\":[]}",
        "{" TIME ",\"status\":200,\"cost_usd\":18446744073709551615,\"attempts\":[]}",
        "{" TIME ",\"status\":200,\"model\":5,\"attempts\":[]}",
        "{" TIME ",\"status\":200,\"attempts\":[],\"attempts\":[]}",
        LINE(FIRST "," FIRST "," FIRST "," FIRST "," FIRST "," FIRST "," FIRST "," FIRST "," FIRST
                   "," FIRST "," FIRST "," FIRST "," FIRST "," FIRST "," FIRST "," FIRST "," FIRST),
        LINE("{\"provider\":\"a\",\"model\":\"m\",\"trigger\":\"whim\",\"start_ms\":1,\"outcome\":"
             "\"won\"}"),
        LINE("{\"provider\":\"a\",\"model\":\"m\",\"trigger\":\"first\",\"start_ms\":1,\"outcome\":"
             "\"tied\"}"),
        LINE("{\"provider\":\"a\",\"model\":\"m\",\"trigger\":\"first\",\"outcome\":\"won\"}"),
        LINE("{\"provider\":null,\"model\":\"m\",\"trigger\":\"first\",\"start_ms\":1,\"outcome\":"
             "\"won\"}"),
        LINE("{\"provider\":\"a\",\"model\":\"m\",\"trigger\":\"first\",\"start_ms\":5,\"end_ms\":"
             "4,\"outcome\":"
             "\"won\"}"),
        LINE("{\"provider\":\"a\",\"model\":\"m\",\"trigger\":\"first\",\"start_ms\":5,\"first_"
             "token_ms\":4,"
             "\"end_ms\":9,\"outcome\":\"won\"}"),
    };
    struct log_line line;
    static const char whole[] = LINE(FIRST "," HEDGE);
    for (unsigned i = 0; i < countof(rows); i++) {
        ROW("%.80s", rows[i]);
        const char *why = log_line_read(span_str(rows[i]), &line);
        EXPECT(why != NULL && strlen(why) > 5);
    }
    /* However it is cut. */
    for (size_t n = 0; n + 1 < sizeof whole; n++) {
        ROW("cut at %zu", n);
        EXPECT(log_line_read(span_of(whole, n), &line) != NULL);
    }
    /* What is new in a later version is passed over; what may be absent was not there in an earlier. */
    ROW("%s", "");
    EXPECT_STR(
        log_line_read(SPAN("{\"new\":{\"x\":[1]}," TIME ",\"status\":200,\"attempts\":[]}"), &line),
        NULL);
    EXPECT(line.ttft_ns == LOG_NEVER && !line.wasted_counted && line.model.n == 0);
}

/* What the proxy writes is read, by the very functions: any exchange that it can have had. */
TEST(lines_of_the_proxy) {
    static struct exchange exchange;
    static struct attempt attempts[2];
    static struct config_provider provider = {.provider = {.name = "open \"ai\""}};
    static struct config_backend backend = {
        .provider = &provider, .model = "m", .price = {true, 1250000, 125000, 10000000}};
    static struct config_model model = {.name = "gpt"};
    for (unsigned why = 0; why < FAIL_COUNT; why++) {
        char text[ACCESS_LOG_LINE_MAX];
        struct log_line line;
        exchange = (struct exchange){.model = &model,
                                     .begin_ns = MS(1000),
                                     .begin_wall_ns = UINT64_C(1709210096007) * NS_PER_MS,
                                     .end_ns = MS(1090),
                                     .commit_ns = why == FAIL_NONE ? MS(1070) : 0,
                                     .why = (enum fail)why,
                                     .attempts = {&attempts[0], &attempts[1]},
                                     .attempt_count = 2,
                                     .winner = why == FAIL_NONE ? &attempts[0] : NULL,
                                     .req = {.input_tokens_estimate = 100}};
        for (unsigned i = 0; i < 2; i++)
            attempts[i] = (struct attempt){.exchange = &exchange,
                                           .backend = &backend,
                                           .number = i,
                                           .trigger = i ? HEDGE_DELAY : HEDGE_FIRST,
                                           .reused = true,
                                           .status = 200,
                                           .start_ns = MS(1001 + i),
                                           .end_ns = MS(1089),
                                           .why = i ? FAIL_LOST : (enum fail)why,
                                           .events = 4};
        size_t n = access_log_line(&exchange, text);
        ROW("%s", fail_name((enum fail)why));
        EXPECT_STR(log_line_read(span_of(text, n - 1), &line), NULL);
        EXPECT_EQ(line.attempt_count, 2);
        EXPECT_EQ(line.time_ms, UINT64_C(1709210096007));
        EXPECT(line.won_pico + line.wasted_pico == line.attempts[0].pico + line.attempts[1].pico);
        EXPECT(line.attempts[0].pico > 0);
    }
}

/* ---- logs ---- */

static FILE *file_of(const char *text, size_t n) {
    FILE *file = tmpfile();
    CHECK(file && fwrite(text, 1, n, file) == n && fseek(file, 0, SEEK_SET) == 0);
    return file;
}

static char told[4000];

static struct report_log read_log(const char *text, size_t n, struct span only, bool keep_rows) {
    FILE *in = file_of(text, n), *talk = fmemopen(told, sizeof told, "w");
    struct report_log log = {.name = "x.log", .only = only, .keep_rows = keep_rows, .talk = talk};
    memset(told, 0, sizeof told);
    EXPECT_EQ(report_log_read(&log, in), 0);
    fclose(in);
    fclose(talk);
    return log;
}

TEST(log_is_counted) {
    static const char text[] = LINE(FIRST "," HEDGE) "\n" LINE(
        FIRST
        "," HEDGE) "\r\n\n"
                   "{" TIME ",\"model\":\"gpt\",\"status\":429,\"total_ms\":1,\"attempts\":[]}\n"
                   "{" TIME
                   ",\"model\":\"nobody's\",\"status\":404,\"total_ms\":1,\"attempts\":[]}\n"
                   "{" TIME
                   ",\"model\":\"refused\",\"status\":400,\"total_ms\":1,\"attempts\":[]}\n"
                   "{" TIME ",\"model\":null,\"status\":401,\"total_ms\":1,\"attempts\":[]}\n"
                   "broken\n"
                   "{" TIME
                   ",\"model\":\"b\\u001b[2J\",\"status\":502,\"total_ms\":50,\"attempts\":[" FIRST
                   "]}\n"
                   "{\"cut";
    struct report_log log = read_log(text, sizeof text - 1, span_of(NULL, 0), false);
    EXPECT_EQ(log.report.count, 2);
    EXPECT_EQ(log.report.lost_lines, 2);
    EXPECT_STR(told, "x.log:8: a value is expected\nx.log:10: the text ends inside a string\n");
    const struct report_model *gpt = &log.report.models[0], *b = &log.report.models[1];
    EXPECT_STR(gpt->name, "gpt");
    EXPECT_STR(b->name, "b?[2J"); /* nothing of a log talks to the terminal */
    EXPECT(gpt->requests == 3 && gpt->raced == 2 && b->requests == 1);
    EXPECT(gpt->started[HEDGE_DELAY] == 2 && gpt->won[HEDGE_DELAY] == 2);
    EXPECT(gpt->with.count == 2 && gpt->with_cut.count == 0);
    EXPECT(gpt->without.count == 0 && gpt->without_cut.count == 2);
    EXPECT_EQ(gpt->without_cut.max_ns, 70500000);
    EXPECT(gpt->priced && !gpt->part_priced);
    EXPECT(gpt->won_pico == 2000000000 && gpt->wasted_pico == 310000000 && gpt->wasted_tokens == 6);
    EXPECT(b->with_cut.count == 1 && b->with_cut.max_ns == MS(50) && b->without_cut.count == 1);
    report_log_free(&log);
    log = read_log(text, sizeof text - 1, SPAN("b?[2J"), false);
    EXPECT(log.report.count == 1 && log.report.models[0].requests == 1);
    report_log_free(&log);
}

/* Names that clients make up must not push the others out. */
TEST(log_of_unknown_models) {
    size_t n;
    char *text = NULL;
    FILE *out = open_memstream(&text, &n);
    for (unsigned i = 0; i < REPORT_LOG_MODELS_MAX + 10; i++)
        fprintf(out, "{" TIME ",\"model\":\"made-up-%u\",\"status\":404,\"attempts\":[]}\n", i);
    fputs(LINE(FIRST "," HEDGE) "\n", out);
    fclose(out);
    struct report_log log = read_log(text, n, span_of(NULL, 0), false);
    EXPECT(log.report.count == 1 && log.report.lost_lines == 0);
    EXPECT_STR(log.report.models[0].name, "gpt");
    report_log_free(&log);
    heap_free(&text);
}

/* Who stalled behind a part of the answer was no waste, though it failed: the line knows. */
TEST(log_of_a_rescue) {
    static const char text[] =
        "{" TIME
        ",\"model\":\"gpt\",\"status\":200,\"ttft_ms\":10,\"total_ms\":900,\"cost_usd\":0.003,"
        "\"wasted_usd\":0,\"wasted_tokens\":0,\"attempts\":[{\"provider\":\"a\",\"model\":\"m\","
        "\"trigger\":"
        "\"first\",\"start_ms\":1,\"first_token_ms\":10,\"end_ms\":500,\"outcome\":\"failed\","
        "\"reason\":"
        "\"idle\",\"tokens\":7,\"cost_usd\":0.001},{\"provider\":\"b\",\"model\":\"m\",\"trigger\":"
        "\"stall\","
        "\"start_ms\":500,\"first_token_ms\":600,\"end_ms\":900,\"outcome\":\"won\",\"tokens\":9,"
        "\"cost_usd\":0.002}]}\n";
    struct report_log log = read_log(text, sizeof text - 1, span_of(NULL, 0), true);
    REQUIRE(log.report.count == 1);
    const struct report_model *model = &log.report.models[0];
    EXPECT(model->wasted_tokens == 0 && model->wasted_pico == 0 && model->won_pico == 3000000000);
    EXPECT(model->started[HEDGE_STALL] == 1 && model->won[HEDGE_STALL] == 1);
    EXPECT(model->without.count == 1 && model->without.max_ns == MS(10));
    EXPECT_EQ(log.rows[0].rows.count,
              1); /* the rest of an answer is no first token of a request's */
    report_log_free(&log);
}

/* Lines that lie across the pieces in which a file is read, and one that is longer than any may be. */
TEST(log_is_a_stream) {
    enum { LINES = 20000, LONG = 3 << 20 };
    static const char line[] = LINE(FIRST "," HEDGE) "\n";
    size_t n = 0, max = LINES * sizeof line + LONG;
    char *text = heap_alloc(max);
    for (unsigned i = 0; i < LINES; i++) {
        memcpy(text + n, line, sizeof line - 1);
        n += sizeof line - 1;
        if (i != LINES / 2)
            continue;
        memset(text + n, 'x', LONG - 1);
        n += LONG - 1;
        text[n++] = '\n';
    }
    struct report_log log = read_log(text, n, span_of(NULL, 0), false);
    EXPECT_EQ(log.report.models[0].requests, LINES);
    EXPECT_EQ(log.report.lost_lines, 1);
    EXPECT_EQ(log.lines, LINES + 1);
    EXPECT_STR(told, "x.log:10002: the line is longer than the proxy writes any\n");
    EXPECT_EQ(log.rows[0].rows.count, 0); /* it was hedged: nothing is kept for a replay */
    report_log_free(&log);
    heap_free(&text);
}

/* A hundred requests a second at two backends in turn, `stall` of every hundred 1 s late. */
static char *make_log(unsigned count, unsigned backends, unsigned stall, size_t *n) {
    char *text = NULL;
    FILE *out = open_memstream(&text, n);
    for (unsigned i = 0; i < count; i++) {
        unsigned ms = i % 100 < stall ? 1000 : 50 + i * 7 % 20, b = i / 3 % backends;
        fprintf(out,
                "{\"time\":\"2026-11-21T10:%02u:%02u.%03uZ\",\"model\":\"gpt\",\"status\":200,"
                "\"ttft_ms\":%u,"
                "\"total_ms\":%u,\"input_tokens\":100,\"output_tokens\":20,\"attempts\":[{"
                "\"provider\":\"p%u\","
                "\"model\":\"m\",\"trigger\":\"first\",\"start_ms\":0,\"first_token_ms\":%u,\"end_"
                "ms\":%u,"
                "\"outcome\":\"won\"}]}\n",
                i / 6000, i / 100 % 60, i % 100 * 10, ms, ms + 100, b, ms, ms + 100);
    }
    CHECK(fclose(out) == 0);
    return text;
}

TEST(log_tells_what_adaptive_would_give) {
    static const struct {
        const char *what;
        unsigned count, backends, stall;
        enum report_would_state want;
        double least; /* of p99 that it takes away */
    } rows[] = {
        {"stalls", 6000, 2, 3, REPORT_WOULD_KNOWN, 0.5},
        {"no stalls", 6000, 2, 0, REPORT_WOULD_KNOWN, -0.02},
        {"too few", 80, 2, 3, REPORT_WOULD_FEW, 0},
        {"one backend", 6000, 1, 3, REPORT_WOULD_UNSEEN, 0},
        {"more than a replay takes", 6000, 9, 3, REPORT_WOULD_MANY, 0},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        size_t n;
        char *text = make_log(rows[i].count, rows[i].backends, rows[i].stall, &n);
        struct report_log log = read_log(text, n, span_of(NULL, 0), false);
        report_log_replay(&log);
        const struct report_would *would = &log.report.models[0].would;
        ROW("%s", rows[i].what);
        EXPECT_EQ(would->state, rows[i].want);
        if (would->state == REPORT_WOULD_KNOWN) {
            EXPECT(report_change(would->without_ns[2], would->with_ns[2]) >= rows[i].least);
            EXPECT(would->extra_requests <= 0.06);
            EXPECT_NEAR((double)would->without_ns[2], (double)log.report.models[0].without_ns[2],
                        7e7);
        }
        report_log_free(&log);
        heap_free(&text);
    }
}

/* ---- traces ---- */

TEST(trace_of_a_log) {
    static const char failed[] =
        LINE("{\"provider\":\"openai\",\"model\":\"m\",\"trigger\":\"first\",\"start_ms\":0,\"end_"
             "ms\":5,"
             "\"outcome\":\"failed\",\"reason\":\"connect\"},"
             "{\"provider\":\"azure\",\"model\":\"m\",\"trigger\":\"failure\",\"start_ms\":5,"
             "\"first_token_ms\":55,\"end_ms\":90,\"outcome\":\"won\"}") "\n";
    static const char answered[] =
        LINE("{\"provider\":\"openai\",\"model\":\"m\",\"trigger\":\"first\",\"start_ms\":1,"
             "\"first_token_ms\":901,\"end_ms\":990,\"outcome\":\"won\"}") "\n";
    static const char text_of_log[] = LINE(FIRST "," HEDGE) "\n";
    char text[sizeof failed + sizeof answered + sizeof text_of_log], csv[2000] = "", why[300];
    int n = snprintf(text, sizeof text, "%s%s%s", failed, answered, text_of_log);
    struct report_log log = read_log(text, (size_t)n, span_of(NULL, 0), true);
    struct log_rows *rows = report_log_rows(&log, SPAN("gpt"));
    REQUIRE(rows != NULL);
    log_rows_settle(rows, 1);
    FILE *out = fmemopen(csv, sizeof csv, "w");
    log_rows_write(rows, out);
    fclose(out);
    /* The first that failed has no row; the one that was cut off at 69.5 ms is given the only longer
     * time that its backend is known to have had, within its bin. */
    EXPECT_EQ(rows->drawn, 1);
    EXPECT_EQ(rows->rows.requests, 3);
    static const char want[] = "time_ms,request,backend,input_tokens,ttft_ms,output_tokens\n"
                               "1795258103007,0,azure,120,50.000000,9\n"
                               "1795258103007,1,openai,120,900.000000,9\n"
                               "1795258103007,2,openai,120,";
    EXPECT_BYTES(csv, min_size(strlen(csv), sizeof want - 1), want);
    EXPECT(strstr(csv, "\n1795258103007,2,azure,120,29.873000,9\n") != NULL);
    struct trace trace;
    FILE *in = file_of(csv, strlen(csv));
    REQUIRE(trace_read(in, "own.csv", 1, &trace, why, sizeof why));
    fclose(in);
    EXPECT_EQ(trace.count, 3);
    double drawn_ms = (double)trace_ttft_ns(&trace, 2, trace.primary[2]) / 1e6;
    EXPECT(drawn_ms >= 69.5 && drawn_ms <= 900);
    EXPECT(drawn_ms > 900 * (1 - 0.0625));
    trace_fini(&trace);
    report_log_free(&log);
}

/* A backend that was asked twice has one time for the request: that of the first try. */
TEST(rows_of_one_backend) {
    struct log_rows rows = {.backend_count = 0};
    struct log_line line = {.attempt_count = 2};
    for (unsigned i = 0; i < 2; i++)
        line.attempts[i] = (struct log_attempt){.provider = SPAN("p"),
                                                .model = SPAN("m"),
                                                .trigger = i ? HEDGE_FAILURE : HEDGE_FIRST,
                                                .outcome = i ? OUTCOME_WON : OUTCOME_FAILED,
                                                .reason = i ? SPAN("") : SPAN("first_token"),
                                                .start_ns = i ? MS(500) : 0,
                                                .first_ns = i ? MS(530) : LOG_NEVER,
                                                .end_ns = i ? MS(600) : MS(500)};
    log_rows_add(&rows, &line);
    EXPECT(rows.rows.count == 1 && rows.rows.requests == 1);
    log_rows_settle(&rows, 1);
    EXPECT(rows.drawn == 1 && rows.rows.rows[0].ttft_ns == MS(500));
    log_rows_fini(&rows);
}

/* Names are told apart, whatever they are, and none breaks the CSV. */
TEST(names_of_backends) {
    static const struct {
        const char *provider, *model, *want;
    } rows[] = {
        {"p", "m1", "p/m1"},
        {"p", "m,2 \\\"x", "p/m_2_\\_x"},
        {"q", "m1", "q"},
        {"p", "a-very-long-name-of-a-model-that-goes-on-1", "p/a-very-long-name-of-a-model-th"},
        {"p", "a-very-long-name-of-a-model-that-goes-on-2", "p/a-very-long-name-of-a-model-th#4"}};
    struct log_rows all = {.backend_count = 0};
    for (unsigned i = 0; i < countof(rows); i++) {
        struct log_line line = {.attempt_count = 1};
        line.attempts[0] = (struct log_attempt){.provider = span_str(rows[i].provider),
                                                .model = span_str(rows[i].model),
                                                .outcome = OUTCOME_WON,
                                                .first_ns = MS(5),
                                                .end_ns = MS(9)};
        log_rows_add(&all, &line);
    }
    log_rows_settle(&all, 1);
    for (unsigned i = 0; i < countof(rows); i++)
        EXPECT_STR(all.rows.names[i], rows[i].want);
    log_rows_fini(&all);
}

TEST(options_that_do_not_go_together) {
    static const struct {
        struct report_options options;
        const char *why; /* NULL: they do */
    } rows[] = {
        {{.json = true}, NULL},
        {{.admin = "127.0.0.1:9901"}, NULL},
        {{.log = "-", .trace = "x", .model = "m"}, NULL},
        {{.admin = "127.0.0.1:9901", .log = "x"}, "--admin asks"},
        {{.trace = "x"}, "--trace is made of"},
        {{.model = "x"}, "--model chooses"},
        {{.admin = "nonsense"}, "--admin \"nonsense\""},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        char why[300] = "";
        ROW("row %u", i);
        EXPECT_EQ(report_command_check(&rows[i].options, why, sizeof why), rows[i].why == NULL);
        if (rows[i].why)
            EXPECT_BYTES(why, min_size(strlen(why), strlen(rows[i].why)), rows[i].why);
    }
}
