/* test_replay_print.c - the table, the JSON as yyjson reads it, and the plot. */
#include "tests/test.h"

#include <math.h>
#include <yyjson.h>

#include "appliance/replay/replay_parts.h"
#include "appliance/replay/replay_plot.h"
#include "appliance/replay/replay_print.h"
#include "tests/unit/replay/replay_fixture.h"

enum { REQUESTS = 3000 };

/* A trace, all policies' figures over it, and what was printed of them. */
struct printed {
    struct trace trace;
    struct replay_settings settings;
    struct replay_figures figures[REPLAY_POLICIES];
    unsigned count;
    char *text;
    size_t size;
};

static void prepare(struct printed *p, const char *name, unsigned never_in) {
    struct rand dice;
    memset(p, 0, sizeof *p);
    rand_init(&dice, 1);
    trace_init(&p->trace, name, 2, REQUESTS);
    for (size_t i = 0; i < REQUESTS; i++) {
        uint64_t ns[2];
        for (unsigned b = 0; b < 2; b++)
            ns[b] = rand_below(&dice, never_in) ? (uint64_t)(4e8 * exp(0.6 * rand_normal(&dice)))
                                                : UINT64_MAX;
        trace_add(&p->trace, i * MS(20), 0, 100, 10, ns);
    }
    p->settings = replay_defaults();
    p->count = replay_figures_run(&p->trace, &p->settings, (1u << REPLAY_POLICIES) - 1, p->figures);
}

static void print(struct printed *p,
                  void (*put)(const struct trace *, const struct replay_settings *,
                              const struct replay_figures *, unsigned, FILE *)) {
    FILE *out = open_memstream(&p->text, &p->size);
    put(&p->trace, &p->settings, p->figures, p->count, out);
    fclose(out);
}

static void plot(struct printed *p) {
    FILE *out = open_memstream(&p->text, &p->size);
    replay_plot_svg(&p->trace, p->figures, p->count, out);
    fclose(out);
}

static void end(struct printed *p) {
    trace_fini(&p->trace);
    free(p->text);
}

static void expect_ms(yyjson_val *policy, const char *name, uint64_t ns) {
    yyjson_val *value = yyjson_obj_get(policy, name);
    ROW("%s", name);
    if (ns == UINT64_MAX)
        EXPECT(yyjson_is_null(value));
    else
        EXPECT_NEAR(yyjson_get_num(value), (double)ns / 1e6, 1e-6);
}

static void expect_json(const struct printed *p) {
    static const char *const members[] = {"name",       "p50_ms",         "p95_ms",
                                          "p99_ms",     "p999_ms",        "extra_requests",
                                          "extra_cost", "worst_10s_extra"};
    yyjson_doc *doc = yyjson_read(p->text, p->size, 0);
    REQUIRE(doc != NULL);
    yyjson_val *root = yyjson_doc_get_root(doc), *all = yyjson_obj_get(root, "policies");
    EXPECT_STR(yyjson_get_str(yyjson_obj_get(root, "trace")), p->trace.name);
    EXPECT_EQ(yyjson_get_sint(yyjson_obj_get(root, "requests")), REQUESTS);
    EXPECT_NEAR(yyjson_get_num(yyjson_obj_get(root, "budget")), 0.05, 1e-9);
    EXPECT_NEAR(yyjson_get_num(yyjson_obj_get(root, "target")), 0.99, 1e-9);
    EXPECT_EQ(yyjson_arr_size(all), p->count);
    for (unsigned i = 0; i < p->count; i++) {
        yyjson_val *policy = yyjson_arr_get(all, i);
        const struct replay_figures *f = &p->figures[i];
        EXPECT_EQ(yyjson_obj_size(policy), countof(members));
        for (size_t k = 0; k < countof(members); k++)
            EXPECT(yyjson_obj_get(policy, members[k]) != NULL);
        EXPECT_STR(yyjson_get_str(yyjson_obj_get(policy, "name")), replay_policy_name(f->policy));
        expect_ms(policy, "p50_ms", f->p50_ns);
        expect_ms(policy, "p95_ms", f->p95_ns);
        expect_ms(policy, "p99_ms", f->p99_ns);
        expect_ms(policy, "p999_ms", f->p999_ns);
        EXPECT_NEAR(yyjson_get_num(yyjson_obj_get(policy, "extra_requests")), f->extra_requests,
                    1e-9);
        EXPECT_NEAR(yyjson_get_num(yyjson_obj_get(policy, "extra_cost")), f->extra_cost, 1e-9);
        EXPECT_NEAR(yyjson_get_num(yyjson_obj_get(policy, "worst_10s_extra")), f->worst_10s_extra,
                    1e-9);
    }
    yyjson_doc_free(doc);
}

TEST(replay_json_says_what_the_figures_say) {
    static struct printed p;
    prepare(&p, "\"a\"\\b\x01", 100000);
    print(&p, replay_print_json);
    EXPECT_EQ(p.count, REPLAY_POLICIES);
    expect_json(&p);
    end(&p);
}

/* One request in fifty is never answered: p99 and beyond are never reached without hedging. */
TEST(replay_json_says_null_for_never) {
    static struct printed p;
    prepare(&p, "never", 50);
    print(&p, replay_print_json);
    EXPECT(p.figures[0].p99_ns == UINT64_MAX);
    EXPECT(p.figures[0].p50_ns < UINT64_MAX);
    expect_json(&p);
    end(&p);
}

TEST(replay_text_has_a_row_for_each_policy) {
    static struct printed p;
    size_t width = 0, rows = 0;
    prepare(&p, "some trace", 50);
    print(&p, replay_print_text);
    EXPECT(strncmp(p.text, "some trace: 3000 requests in 60 s", 33) == 0);
    EXPECT(strstr(p.text, "request budget 5 %, target p99\n") != NULL);
    for (char *line = strtok(p.text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "TTFT, ms ", 9) == 0)
            width = strlen(line);
        if (rows >= REPLAY_POLICIES ||
            strncmp(line, replay_policy_name((enum replay_policy)rows),
                    strlen(replay_policy_name((enum replay_policy)rows))))
            continue;
        ROW("%s", replay_policy_name((enum replay_policy)rows));
        EXPECT_EQ(strlen(line), width);
        rows++;
    }
    EXPECT_EQ(rows, REPLAY_POLICIES);
    end(&p);
}

/* ---- the plot ---- */

/* The coordinates of a path: all within the frame, running right and down. Their number. */
static unsigned walk_path(const char *d) {
    unsigned points = 0;
    double last_x = 0, last_y = 0, x, y;
    int used;
    for (; (*d == 'M' || *d == 'L') && sscanf(d + 1, "%lf %lf%n", &x, &y, &used) == 2;
         d += used + 1) {
        EXPECT(x >= 66 && x <= 596 && y >= 40 && y <= 376);
        EXPECT(x >= last_x && y >= last_y);
        last_x = x;
        last_y = y;
        points++;
    }
    EXPECT_EQ(*d, '"');
    return points;
}

TEST(replay_plot_draws_a_line_and_a_legend_for_each_policy) {
    static struct printed p;
    prepare(&p, "a < b & c", 1000);
    plot(&p);
    EXPECT(p.size < 60000);
    EXPECT(strncmp(p.text, "<svg xmlns=\"http://www.w3.org/2000/svg\"", 39) == 0);
    EXPECT_STR(p.text + p.size - 7, "</svg>\n");
    EXPECT(strstr(p.text, ">a &lt; b &amp; c</text>") != NULL);
    EXPECT(strstr(p.text, "prefers-color-scheme:dark") != NULL);
    for (unsigned k = 0; k < REPLAY_POLICIES; k++) {
        char class[40], label[80];
        const char *name = replay_policy_name((enum replay_policy)k);
        snprintf(class, sizeof class, "class=\"line p%u\"", k);
        snprintf(label, sizeof label, ">%s</text>", name);
        ROW("%s", name);
        const char *line = strstr(p.text, class), *d = line ? strstr(line, " d=\"") : NULL;
        REQUIRE(d != NULL);
        unsigned points = walk_path(d + 4);
        EXPECT(points > 20 && points <= 200);
        EXPECT(strstr(d, class) != NULL);
        EXPECT(strstr(d, label) != NULL);
    }
    end(&p);
}

TEST(replay_plot_draws_what_is_hardly_a_curve) {
    static const struct {
        const char *name;
        uint64_t first_ms, second_ms;
        size_t count;
    } rows[] = {
        {"one request", 40, 50, 1}, {"all the same", 40, 40, 100}, {"no time at all", 0, 0, 100}};
    for (size_t i = 0; i < countof(rows); i++) {
        static struct printed p;
        memset(&p, 0, sizeof p);
        p.settings = replay_defaults();
        trace_init(&p.trace, rows[i].name, 2, rows[i].count);
        for (size_t k = 0; k < rows[i].count; k++)
            fixture_add(&p.trace, k, rows[i].first_ms, rows[i].second_ms);
        p.count = replay_figures_run(&p.trace, &p.settings, 1u << REPLAY_NONE, p.figures);
        plot(&p);
        ROW("%s", rows[i].name);
        EXPECT(strstr(p.text, "nan") == NULL && strstr(p.text, "inf") == NULL);
        EXPECT(p.size > 500);
        end(&p);
    }
}
