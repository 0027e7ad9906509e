/* test_judge.c - the criteria (bench/replay/judge.c) and the table that shows them (bench/replay/table.c). */
#include "tests/test.h"

#include <math.h>

#include "bench/replay/generate.h"
#include "bench/replay/table.h"
#include "core/base.h"

/* A run that just keeps all limits: ours is 1.15 x and 1.25 x of both oracles, and 1.02 x of none, as
 * nearly as a quotient of doubles allows. */
static struct judge_seed good(void) {
    struct judge_seed s = {0};
    s.of[JUDGE_ADAPTIVE] = (struct replay_figures){.p50_ns = 1019,
                                                   .p99_ns = 11500,
                                                   .p999_ns = 125000,
                                                   .hedges = 50,
                                                   .extra_requests = 0.02,
                                                   .worst_10s_extra = 0.2};
    s.of[JUDGE_ORACLE] = (struct replay_figures){.p99_ns = 10000, .p999_ns = 100200, .hedges = 50};
    s.of[JUDGE_ORACLE_P999] = (struct replay_figures){.p999_ns = 100000};
    s.of[JUDGE_NONE] = (struct replay_figures){.p50_ns = 1000, .p99_ns = 11275, .p999_ns = 1};
    return s;
}

TEST(judge_asks_of_each_trace_what_the_goal_says) {
    static const struct {
        const char *trace, *asked;
        unsigned figures; /* bits */
    } rows[] = {
        {"stationary", "tail, hedges, burst", 0x1f},
        {"drift", "tail, hedges, burst", 0x1f},
        {"bimodal", "tail, hedges, burst", 0x1f},
        {"light", "no harm, burst", 0xf0},
        {"correlated", "no harm, burst", 0xf0},
        {"shared-tail", "no harm, burst", 0xf0},
        {"pareto", "burst", 0x10},
        {"rec-light", "burst", 0x10},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        unsigned bits = 0;
        for (unsigned k = 0; k < JUDGE_FIGURES; k++)
            bits |= (unsigned)judge_asks(rows[i].trace, (enum judge_figure)k) << k;
        ROW("%s", rows[i].trace);
        EXPECT_EQ(bits, rows[i].figures);
        EXPECT_STR(judge_asked(rows[i].trace), rows[i].asked);
    }
}

/* Each limit is met by the good run and missed by one step beyond. */
TEST(judge_limits) {
    static const struct {
        enum judge_figure figure;
        const char *name;
        size_t worse; /* offset of the figure of adaptive that is made worse */
    } rows[] = {
        {JUDGE_P99_RATIO, "p99 / oracle", offsetof(struct replay_figures, p99_ns)},
        {JUDGE_P999_RATIO, "p99.9 / oracle", offsetof(struct replay_figures, p999_ns)},
        {JUDGE_P999_OWN_RATIO, "p99.9 / p99.9-oracle", offsetof(struct replay_figures, p999_ns)},
        {JUDGE_P50_WORSE, "p50 over none", offsetof(struct replay_figures, p50_ns)},
        {JUDGE_P99_WORSE, "p99 over none", offsetof(struct replay_figures, p99_ns)},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct judge_seed s[3] = {good(), good(), good()};
        ROW("%s", rows[i].name);
        EXPECT_STR(judge_figure_name(rows[i].figure), rows[i].name);
        /* The good run's p99 is 1.15 x the oracle's and less than 1.02 x none's. */
        EXPECT(judge_misses(rows[i].figure, s, 3, 0.05) == 0);
        uint64_t *value = (uint64_t *)((char *)&s[1].of[JUDGE_ADAPTIVE] + rows[i].worse);
        *value += *value / 200;
        EXPECT_EQ(judge_misses(rows[i].figure, s, 3, 0.05), 1);
        *value = UINT64_MAX;
        EXPECT(isnan(judge_figure(rows[i].figure, &s[1], 0.05)));
        EXPECT_EQ(judge_misses(rows[i].figure, s, 3, 0.05), 1);
    }
    struct judge_seed s = good();
    EXPECT_NEAR(judge_figure(JUDGE_P999_RATIO, &s, 0.05), 1250.0 / 1002, 1e-12);
    EXPECT_NEAR(judge_figure(JUDGE_P999_OWN_RATIO, &s, 0.05), 1.25, 1e-12);
    EXPECT_EQ(judge_misses(JUDGE_HEDGES_RATIO, &s, 1, 0.05), 0);
    EXPECT_EQ(judge_misses(JUDGE_BURST, &s, 1, 0.05), 0);
    EXPECT_EQ(judge_misses(JUDGE_LOAD, &s, 1, 0.05), 0);
    s.of[JUDGE_ADAPTIVE].hedges++;
    s.of[JUDGE_ADAPTIVE].worst_10s_extra += 0.001;
    s.of[JUDGE_ADAPTIVE].extra_requests += 0.001;
    EXPECT_EQ(judge_misses(JUDGE_HEDGES_RATIO, &s, 1, 0.05), 1);
    EXPECT_EQ(judge_misses(JUDGE_BURST, &s, 1, 0.05), 1);
    EXPECT_EQ(judge_misses(JUDGE_LOAD, &s, 1, 0.05), 1);
}

/* ---- the table ---- */

/* Runs a short generated trace over two seeds; `budget` is what the criteria go by. */
static unsigned print_one(const char *name, double budget, bool judged, char **text) {
    struct replay_settings settings = replay_defaults();
    struct generate_options options = generate_defaults();
    struct table table;
    size_t size;
    options.requests = 20000;
    settings.request_budget = budget;
    table_init(&table, &settings);
    unsigned row = table_add(&table, name, "what", judged);
    for (options.seed = 1; options.seed <= 2; options.seed++) {
        struct trace t;
        generate_make((unsigned)generate_find(name), &options, &t);
        const struct replay_figures *figures = table_run(&table, row, &t, options.seed);
        EXPECT_EQ(figures[JUDGE_ORACLE].policy, REPLAY_ORACLE_WINDOWED);
        EXPECT_EQ(figures[JUDGE_ORACLE_P999].policy, REPLAY_ORACLE_WINDOWED);
        EXPECT(figures[JUDGE_ORACLE_P999].p999_ns < figures[JUDGE_ORACLE].p999_ns);
        trace_fini(&t);
    }
    FILE *out = open_memstream(text, &size);
    unsigned missed = table_print(&table, out);
    fclose(out);
    table_fini(&table);
    return missed;
}

static unsigned count_of(const char *text, const char *what) {
    unsigned n = 0;
    while ((text = strstr(text, what)) != NULL) {
        text += strlen(what);
        n++;
    }
    return n;
}

TEST(table_is_markdown_of_equal_width) {
    char *text = NULL;
    unsigned bars = 0;
    EXPECT_EQ(print_one("bimodal", 0.05, true, &text), 0);
    EXPECT_EQ(count_of(text, "| bimodal"), 2);
    EXPECT_EQ(count_of(text, "| pass: tail, hedges, burst |"), 1);
    EXPECT_EQ(count_of(text, "FAIL"), 0);
    EXPECT_EQ(count_of(text, "2 x 20000"), 1);
    EXPECT(!strstr(text, "nan") && !strstr(text, "inf"));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        /* The second table begins with a line of its own. */
        if (strncmp(line, "| trace", 7) == 0)
            bars = count_of(line, "|");
        ROW("%s", line);
        EXPECT_EQ(count_of(line, "|"), bars);
    }
    free(text);
}

/* A shared tail leaves nothing to gain; one that is hedged without limit does harm, and must be found. */
TEST(table_fails_what_misses_and_only_shows_what_is_not_judged) {
    char *text = NULL;
    struct replay_settings settings = replay_defaults();
    struct table table;
    table_init(&table, &settings);
    unsigned row = table_add(&table, "light", "what", true);
    table.traces[row].seeds[0] = good();
    table.traces[row].seeds[1] = good();
    table.traces[row].seeds[1].of[JUDGE_ADAPTIVE].extra_requests = 0.03;
    table.traces[row].seed_count = 2;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    EXPECT_EQ(table_print(&table, out), 1);
    fclose(out);
    EXPECT(strstr(text, "**FAIL** extra requests 0.030, limit 0.02 (1 of 2 seeds)") != NULL);
    free(text);
    table.traces[row].judged = false;
    out = open_memstream(&text, &size);
    EXPECT_EQ(table_print(&table, out), 0);
    fclose(out);
    EXPECT(strstr(text, "| shown only |") != NULL);
    free(text);
    table_fini(&table);
}
