/* test_metrics.c - the metrics page: every line read back as the Prometheus text format has it,
 * histograms checked, sums over workers, and workers that count on meanwhile. */
#include "tests/test.h"

#include "appliance/control/metrics.h"
#include "appliance/control/metrics_out.h"
#include "appliance/race/hedge.h"
#include "tests/unit/control/crew_fixture.h"

/* ---- reading a page ---- */

#define LINES_MAX 4000

struct sample {
    char name[120];   /* with suffix */
    char labels[400]; /* between the braces, without le */
    char le[40];      /* empty: none */
    double value;
};

static struct {
    struct sample samples[LINES_MAX];
    unsigned count;
    char metric[120], type[20], help_for[120];
} page;

/* One character of a label's value, escapes undone; false at the closing quote or the end. */
static bool label_char(const char **at) {
    if (**at == '\\')
        (*at)++;
    else if (**at == '"')
        return false;
    if (!**at || **at == '\n')
        return false;
    (*at)++;
    return true;
}

/* name="value" at *at; NULL, or the first character behind it. */
static const char *read_label(const char *at, struct span *name, struct span *value) {
    size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
    *name = span_of(at, n);
    if (n == 0 || strncmp(at + n, "=\"", 2) != 0)
        return NULL;
    const char *begin = at + n + 2;
    at = begin;
    while (label_char(&at)) {
    }
    *value = span_of(begin, (size_t)(at - begin));
    return *at == '"' ? at + 1 : NULL;
}

static const char *read_labels(const char *at, struct sample *sample) {
    size_t n = 0;
    while (*at != '}') {
        struct span name, value;
        const char *begin = at;
        at = read_label(at, &name, &value);
        if (!at || (*at != ',' && *at != '}'))
            return NULL;
        if (span_eq(name, SPAN("le")))
            span_text(value, sample->le, sizeof sample->le);
        else
            n += (size_t)snprintf(sample->labels + n, sizeof sample->labels - n, "%s%.*s",
                                  n ? "," : "", (int)(at - begin), begin);
        if (*at == ',')
            at++;
    }
    return at + 1;
}

/* name{labels} value: false when it is not that. */
static bool read_sample(const char *line) {
    struct sample *sample = &page.samples[page.count];
    size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
    *sample = (struct sample){.value = 0};
    snprintf(sample->name, sizeof sample->name, "%.*s", (int)n, line);
    const char *at = line + n;
    if (*at == '{')
        at = read_labels(at + 1, sample);
    if (n == 0 || !at || *at != ' ')
        return false;
    char *end;
    sample->value = strtod(at + 1, &end);
    page.count++;
    return end > at + 1 && *end == 0 && page.count < LINES_MAX;
}

/* Is the sample one of the metric that HELP and TYPE have just named? */
static bool belongs(const struct sample *sample) {
    size_t n = strlen(page.metric);
    if (strncmp(sample->name, page.metric, n) != 0)
        return false;
    const char *suffix = sample->name + n;
    if (strcmp(page.type, "histogram") != 0)
        return *suffix == 0;
    return strcmp(suffix, "_bucket") == 0 || strcmp(suffix, "_sum") == 0 ||
           strcmp(suffix, "_count") == 0;
}

static void read_line(const char *line) {
    char name[120], word[20];
    if (sscanf(line, "# HELP %119s", name) == 1) {
        EXPECT(strlen(line) > strlen("# HELP ") + strlen(name) + 10);
        snprintf(page.help_for, sizeof page.help_for, "%s", name);
    } else if (sscanf(line, "# TYPE %119s %19s", name, word) == 2) {
        EXPECT_STR(name, page.help_for);
        EXPECT(strcmp(word, "counter") == 0 || strcmp(word, "gauge") == 0 ||
               strcmp(word, "histogram") == 0);
        bool total = strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
        EXPECT_EQ(total, strcmp(word, "counter") == 0);
        snprintf(page.metric, sizeof page.metric, "%s", name);
        snprintf(page.type, sizeof page.type, "%s", word);
    } else if (!read_sample(line)) {
        FAIL_TEST("not a sample: %s", line);
    } else {
        EXPECT(belongs(&page.samples[page.count - 1]));
    }
}

static bool same_series(const struct sample *a, const struct sample *b) {
    return strcmp(a->name, b->name) == 0 && strcmp(a->labels, b->labels) == 0 &&
           strcmp(a->le, b->le) == 0;
}

static const struct sample *find(const char *name, const char *labels) {
    for (unsigned i = 0; i < page.count; i++)
        if (strcmp(page.samples[i].name, name) == 0 && strcmp(page.samples[i].labels, labels) == 0)
            return &page.samples[i];
    return NULL;
}

static void expect_sample(const char *name, const char *labels, double want) {
    const struct sample *sample = find(name, labels);
    ROW("%s{%s}", name, labels);
    EXPECT(sample != NULL);
    if (sample)
        EXPECT_NEAR(sample->value, want, 1e-12);
    ROW("%s", "");
}

static void expect_no_twins(void) {
    for (unsigned i = 0; i < page.count; i++)
        for (unsigned k = i + 1; k < page.count; k++)
            if (same_series(&page.samples[i], &page.samples[k]))
                FAIL_TEST("twice: %s{%s}", page.samples[i].name, page.samples[i].labels);
}

/* Buckets in order, cumulative, the last one +Inf and equal to _count. */
static void expect_histograms(void) {
    double bound = 0, below = 0;
    for (unsigned i = 0; i < page.count; i++) {
        const struct sample *sample = &page.samples[i];
        if (!sample->le[0])
            continue;
        bool first = i == 0 || !page.samples[i - 1].le[0];
        double le = strcmp(sample->le, "+Inf") == 0 ? 1e300 : strtod(sample->le, NULL);
        ROW("%s{%s} le %s", sample->name, sample->labels, sample->le);
        EXPECT(first || (le > bound && sample->value >= below));
        bound = le;
        below = sample->value;
        if (le < 1e300)
            continue;
        REQUIRE(i + 2 < page.count);
        EXPECT(strstr(page.samples[i + 1].name, "_sum") != NULL);
        EXPECT(strstr(page.samples[i + 2].name, "_count") != NULL);
        EXPECT_STR(page.samples[i + 2].labels, sample->labels);
        EXPECT(page.samples[i + 2].value == sample->value);
    }
    ROW("%s", "");
}

/* Takes the page apart; every line must be one of the format's. */
static void read_page(struct crew *crew) {
    size_t length;
    char *text = metrics_text(crew, &length);
    EXPECT_EQ(strlen(text), length);
    EXPECT(length > 0 && text[length - 1] == '\n');
    memset(&page, 0, sizeof page);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) && rest;)
        read_line(line);
    heap_free(&text);
}

/* ---- what is counted ---- */

/* Two models: gpt with two providers, claude with one of them again. */
static struct crew *begin(void) {
    world_init();
    struct config_model *gpt = world_model("gpt"), *claude = world_model("claude");
    world_backend(gpt, "openai", NULL)->price = (struct config_price){true, 1000000, 0, 2000000};
    world_backend(gpt, "azure", NULL);
    world_backend(claude, "openai", NULL);
    return crew_world_begin();
}

TEST(page_of_a_crew_without_any_request) {
    struct crew *crew = begin();
    read_page(crew);
    EXPECT(page.count > 100);
    expect_no_twins();
    expect_histograms();
    expect_sample("hedgerow_requests_total", "model=\"gpt\",status=\"200\"", 0);
    expect_sample("hedgerow_config_generation", "", 1);
    expect_sample("hedgerow_access_log_dropped_total", "", 0);
    expect_sample("hedgerow_samples_dropped_total", "", 0);
    crew_world_end();
}

static void count_things(void) {
    struct upstreams *one = &crew_world.upstreams[0], *two = &crew_world.upstreams[1];
    one->models[0].requests[200] = 5;
    two->models[0].requests[200] = 7;
    two->models[0].requests[502] = 1;
    one->models[0].hedges_started[HEDGE_DELAY] = 3;
    two->models[0].hedges_started[HEDGE_FAILURE] = 2;
    one->models[0].hedges_won[HEDGE_DELAY] = 1;
    one->models[0].suppressed[SUPPRESS_BUDGET] = 4;
    two->models[1].suppressed[SUPPRESS_BUDGET] = 5;
    one->models[0].wasted_tokens = 70;
    one->models[0].wasted_pico = 1500000;
    one->budgets[0].tokens = 2.5;
    two->budgets[0].tokens = 1.25;
    one->backends[0].attempts[OUTCOME_WON] = 9;
    two->backends[0].attempts[OUTCOME_LOST] = 2;
    two->backends[1].attempts[OUTCOME_FAILED] = 1;
    two->backends[1].failures[FAIL_FIRST_TOKEN] = 1;
    one->backends[0].failures[FAIL_NONE] = 9;
    one->backends[0].cost_pico = UINT64_C(1234567890123456);
    race_stats_add_tokens(&one->backends[0].input, 1);
    race_stats_add_tokens(&two->backends[0].input, 1000);
    one->health.backends[1].state = HEALTH_HALF_OPEN;
    two->health.backends[1].state = HEALTH_OPEN;
    one->quota.providers[0].denied[QUOTA_RPM] = 3;
    two->quota.providers[0].denied[QUOTA_RPM] = 4;
    two->quota.providers[1].denied[QUOTA_REMAINING] = 1;
    for (int i = 0; i < FIXTURE_WORKERS; i++)
        crew_world.upstreams[i].quota.backends[0].told[RATELIMIT_REQUESTS] =
            (struct quota_told){.known = true,
                                .remaining = 50 - 8 * (uint64_t)i,
                                .reset_ns = UINT64_MAX,
                                .forget_ns = UINT64_MAX};
    one->batch.dropped = 3;
    two->batch.dropped = 4;
    one->quota.backends[0].told[RATELIMIT_OUTPUT] = (struct quota_told){
        .known = true, .remaining = 7, .reset_ns = UINT64_MAX, .forget_ns = UINT64_MAX};
    one->pools[0].stats.handshakes = 10;
    one->pools[0].stats.handshakes_resumed = 4;
    one->pools[0].idle_count = 3;
    two->pools[1].busy_count = 2;
    crew_world.members[0].race.unmatched[404] = 6;
    crew_world.members[0].race.exchange_count = 2;
    crew_world.members[1].race.exchange_count = 1;
    crew_world.members[1].loop.stats.turns = 99;
    crew_world.servers[0].session_count = 11;
    atomic_store(&crew_world.members[0].heap_bytes, 4096);
    atomic_store(&crew_world.members[0].heap_calls, 17);
    hist_add(&one->models[0].ttft, 300 * NS_PER_MS);
    hist_add(&two->models[0].ttft, 700 * NS_PER_MS);
    hist_add(&two->models[0].duration_failed, NS_PER_S);
}

TEST(counters_of_all_workers_are_added_up) {
    static const struct {
        const char *name, *labels;
        double want;
    } rows[] = {
        {"hedgerow_requests_total", "model=\"gpt\",status=\"200\"", 12},
        {"hedgerow_requests_total", "model=\"gpt\",status=\"502\"", 1},
        {"hedgerow_requests_total", "model=\"claude\",status=\"200\"", 0},
        {"hedgerow_requests_total", "status=\"404\"", 6},
        {"hedgerow_requests_in_flight", "", 3},
        {"hedgerow_hedges_started_total", "model=\"gpt\",trigger=\"delay\"", 3},
        {"hedgerow_hedges_started_total", "model=\"gpt\",trigger=\"failure\"", 2},
        {"hedgerow_hedges_won_total", "model=\"gpt\"", 1},
        {"hedgerow_hedges_suppressed_total", "reason=\"budget\"", 9},
        {"hedgerow_hedge_budget_tokens", "model=\"gpt\"", 3.75},
        {"hedgerow_ratelimit_remaining", "provider=\"openai\",model=\"gpt\",kind=\"requests\"", 42},
        {"hedgerow_ratelimit_remaining", "provider=\"openai\",model=\"gpt\",kind=\"output_tokens\"",
         7},
        {"hedgerow_samples_dropped_total", "", 7},
        {"hedgerow_quota_denied_total", "provider=\"openai\",reason=\"rpm\"", 7},
        {"hedgerow_quota_denied_total", "provider=\"openai\",reason=\"concurrency\"", 0},
        {"hedgerow_quota_denied_total", "provider=\"azure\",reason=\"remaining\"", 1},
        {"hedgerow_wasted_tokens_total", "model=\"gpt\"", 70},
        {"hedgerow_wasted_cost_usd_total", "model=\"gpt\"", 0.0000015},
        {"hedgerow_cost_usd_total", "provider=\"openai\",model=\"gpt\"", 1234.567890123456},
        {"hedgerow_attempts_total", "provider=\"openai\",model=\"gpt\",outcome=\"won\"", 9},
        {"hedgerow_attempts_total", "provider=\"openai\",model=\"gpt\",outcome=\"lost\"", 2},
        {"hedgerow_attempts_total", "provider=\"azure\",model=\"gpt\",outcome=\"failed\"", 1},
        {"hedgerow_attempt_failures_total",
         "provider=\"azure\",model=\"gpt\",reason=\"first_token\"", 1},
        {"hedgerow_hedge_delay_seconds", "model=\"gpt\",provider=\"openai\"", 0.1},
        {"hedgerow_backend_state", "provider=\"openai\",model=\"gpt\"", 0},
        {"hedgerow_backend_state", "provider=\"azure\",model=\"gpt\"", 2},
        {"hedgerow_upstream_handshakes_total", "provider=\"openai\",resumed=\"false\"", 6},
        {"hedgerow_upstream_handshakes_total", "provider=\"openai\",resumed=\"true\"", 4},
        {"hedgerow_connections", "side=\"client\",state=\"open\"", 11},
        {"hedgerow_connections", "side=\"upstream\",state=\"idle\"", 3},
        {"hedgerow_connections", "side=\"upstream\",state=\"busy\"", 2},
        {"hedgerow_ring_turns_total", "worker=\"0\"", 0},
        {"hedgerow_ring_turns_total", "worker=\"1\"", 99},
        {"hedgerow_heap_allocated_bytes_total", "worker=\"0\"", 4096},
        {"hedgerow_heap_calls_total", "worker=\"0\"", 17},
        {"gen_ai_server_time_to_first_token_seconds_count",
         "gen_ai_operation_name=\"chat\",gen_ai_request_model=\"gpt\"", 2},
        {"gen_ai_server_time_to_first_token_seconds_sum",
         "gen_ai_operation_name=\"chat\",gen_ai_request_model=\"gpt\"", 1},
        {"gen_ai_server_request_duration_seconds_count",
         "gen_ai_operation_name=\"chat\",gen_ai_request_model=\"gpt\",error_type=\"failed\"", 1},
        {"gen_ai_client_token_usage_sum",
         "gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"openai\","
         "gen_ai_request_model=\"gpt\",provider=\"openai\",gen_ai_token_type=\"input\"",
         1001},
    };
    struct crew *crew = begin();
    count_things();
    read_page(crew);
    for (unsigned i = 0; i < countof(rows); i++)
        expect_sample(rows[i].name, rows[i].labels, rows[i].want);
    EXPECT(find("hedgerow_cost_usd_total", "provider=\"azure\",model=\"gpt\"") == NULL);
    EXPECT(find("hedgerow_wasted_cost_usd_total", "model=\"claude\"") == NULL);
    EXPECT(find("hedgerow_attempt_failures_total",
                "provider=\"openai\",model=\"gpt\",reason=\"none\"") == NULL);
    expect_no_twins();
    expect_histograms();
    crew_world_end();
}

static double bucket(const char *name, const char *labels, const char *le) {
    for (unsigned i = 0; i < page.count; i++) {
        const struct sample *sample = &page.samples[i];
        if (strcmp(sample->name, name) == 0 && strcmp(sample->labels, labels) == 0 &&
            strcmp(sample->le, le) == 0)
            return sample->value;
    }
    return -1;
}

/* The bounds are those of OpenTelemetry's document; samples fall between the right ones. */
TEST(buckets) {
    static const char first[] = "gen_ai_server_time_to_first_token_seconds_bucket";
    static const char usage[] = "gen_ai_client_token_usage_bucket";
    static const char duration[] = "gen_ai_server_request_duration_seconds_bucket";
    static const char server[] = "gen_ai_operation_name=\"chat\",gen_ai_request_model=\"gpt\"";
    static const char input[] = "gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"openai\","
                                "gen_ai_request_model=\"gpt\",provider=\"openai\","
                                "gen_ai_token_type=\"input\"";
    static const struct {
        const char *name, *labels, *le;
        double want;
    } rows[] = {
        {first, server, "0.001", 0},   {first, server, "0.25", 0},
        {first, server, "0.5", 1},     {first, server, "0.75", 2},
        {first, server, "10", 2},      {first, server, "+Inf", 2},
        {usage, input, "1", 1},        {usage, input, "256", 1},
        {usage, input, "1024", 2},     {usage, input, "67108864", 2},
        {duration, server, "0.01", 0}, {duration, server, "81.92", 0},
    };
    struct crew *crew = begin();
    count_things();
    read_page(crew);
    for (unsigned i = 0; i < countof(rows); i++) {
        ROW("%s le %s", rows[i].name, rows[i].le);
        EXPECT_NEAR(bucket(rows[i].name, rows[i].labels, rows[i].le), rows[i].want, 0);
    }
    crew_world_end();
}

TEST(label_values_are_escaped) {
    world_init();
    world_backend(world_model("say \"hi\"\\\n"), "p", NULL);
    struct crew *crew = crew_world_begin();
    read_page(crew);
    expect_sample("hedgerow_requests_total", "model=\"say \\\"hi\\\"\\\\\\n\",status=\"200\"", 0);
    crew_world_end();
}

/* A backend that two of the client's models lead to, or that one lists twice, is one series. */
TEST(backends_of_the_same_name_are_one_series) {
    world_init();
    struct config_model *a = world_model("a"), *b = world_model("b");
    world_backend(a, "openai", NULL)->model = "m";
    world_backend(a, "openai", NULL)->model = "m";
    world_backend(b, "openai", NULL)->model = "m";
    struct crew *crew = crew_world_begin();
    for (unsigned id = 0; id < 3; id++)
        crew_world.upstreams[0].backends[id].attempts[OUTCOME_WON] = 1 + id;
    read_page(crew);
    expect_no_twins();
    expect_sample("hedgerow_attempts_total", "provider=\"openai\",model=\"m\",outcome=\"won\"", 6);
    crew_world_end();
}

/* While a reload is under way the workers have different models in a different order. */
TEST(workers_with_different_configurations) {
    struct crew *crew = begin();
    static struct config other;
    static struct config_model models[2];
    other = world.config;
    other.generation = 2;
    other.models = models;
    models[0] = world.models[1];
    models[1] = world.models[0];
    models[0].index = 0;
    models[1].index = 1;
    crew_world.upstreams[1].config = &other;
    crew_world.upstreams[0].models[0].requests[200] = 10;
    crew_world.upstreams[1].models[1].requests[200] = 3;
    crew_world.upstreams[1].models[0].requests[200] = 4;
    read_page(crew);
    expect_no_twins();
    expect_sample("hedgerow_requests_total", "model=\"gpt\",status=\"200\"", 13);
    expect_sample("hedgerow_requests_total", "model=\"claude\",status=\"200\"", 4);
    expect_sample("hedgerow_config_generation", "", 1);
    crew_world_end();
}

TEST(workers_that_stop_are_left_out) {
    struct crew *crew = begin();
    crew_world.upstreams[1].models[0].requests[200] = 3;
    crew_world.members[0].race.current = NULL;
    atomic_store(&crew_world.members[1].ready, true);
    read_page(crew);
    expect_sample("hedgerow_requests_total", "model=\"gpt\",status=\"200\"", 3);
    atomic_store(&crew_world.members[1].ready, false);
    read_page(crew);
    EXPECT(find("hedgerow_requests_total", "model=\"gpt\",status=\"200\"") == NULL);
    expect_sample("hedgerow_config_generation", "", 0);
    crew_world_end();
}

/* ---- numbers ---- */

TEST(decimals_are_exact) {
    static const struct {
        uint64_t value;
        unsigned decimals;
        const char *want;
    } rows[] = {
        {0, 0, "m 0\n"},
        {0, 9, "m 0\n"},
        {1, 9, "m 0.000000001\n"},
        {1500000000, 9, "m 1.5\n"},
        {3000000000, 9, "m 3\n"},
        {UINT64_MAX, 0, "m 18446744073709551615\n"},
        {UINT64_MAX, 12, "m 18446744.073709551615\n"},
        {100, 0, "m 100\n"},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        struct metrics_out out;
        size_t length;
        metrics_out_init(&out);
        out.name = "m";
        metrics_out_decimal(&out, METRICS_NO_LABELS, rows[i].value, rows[i].decimals);
        char *text = metrics_out_take(&out, &length);
        EXPECT_BYTES(text, length, rows[i].want);
        EXPECT_EQ(text[length], 0);
        heap_free(&text);
    }
}

TEST(text_grows) {
    struct metrics_out out;
    size_t length, want = 0;
    metrics_out_init(&out);
    out.name = "some_metric";
    for (unsigned i = 0; i < 20000; i++, want += strlen("some_metric{model=\"gpt\"} 7\n"))
        metrics_out_count(&out, METRICS_LABELS({"model", "gpt"}, {"none", NULL}, {"empty", ""}), 7);
    char *text = metrics_out_take(&out, &length);
    EXPECT_EQ(length, want);
    heap_free(&text);
}

/* ---- while workers count ---- */

static atomic_bool counting;

static void *count_on(void *argument) {
    struct upstreams *upstreams = argument;
    for (uint64_t i = 0; atomic_load(&counting); i++) {
        hist_add(&upstreams->models[0].ttft, i % 100 * 100 * NS_PER_MS);
        race_stats_add_tokens(&upstreams->backends[0].output, i % 5000);
    }
    return NULL;
}

TEST(pages_hold_together_while_workers_count) {
    struct crew *crew = begin();
    pthread_t thread;
    double last = 0;
    atomic_store(&counting, true);
    REQUIRE(pthread_create(&thread, NULL, count_on, &crew_world.upstreams[0]) == 0);
    for (unsigned i = 0; i < 50; i++) {
        read_page(crew);
        expect_histograms();
        const struct sample *count =
            find("gen_ai_server_time_to_first_token_seconds_count",
                 "gen_ai_operation_name=\"chat\",gen_ai_request_model=\"gpt\"");
        EXPECT(count && count->value >= last);
        last = count ? count->value : 0;
    }
    atomic_store(&counting, false);
    pthread_join(thread, NULL);
    crew_world_end();
}
