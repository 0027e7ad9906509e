/* test_ratelimit.c - what is left of a rate limit, as recorded answers tell it and as hostile ones
 * might. */
#include "tests/test.h"

#include "core/base.h"
#include "providers/provider.h"
#include "providers/ratelimit.h"

#define MS(n)   ((uint64_t)(n)*NS_PER_MS)
#define S(n)    ((uint64_t)(n)*NS_PER_S)
#define UNTOLD  UINT64_MAX
#define NOW_MS  INT64_C(1760000000000) /* 2025-10-09T08:53:20Z */
#define NOTHING "-"

TEST(ratelimit_duration_rows) {
    static const struct {
        const char *text;
        uint64_t ns;
    } rows[] = {
        {"6m0s", S(360)},
        {"1s", S(1)},
        {"88ms", MS(88)},
        {"0s", 0},
        {"0", 0},
        {"7", S(7)},
        {"0.5", MS(500)},
        {"17.379s", MS(17379)},
        {"2m59.56s", MS(179560)},
        {"1h2m3s", S(3723)},
        {"1m2.5s", MS(62500)},
        {"8.64s", MS(8640)},
        {"12us", 12 * NS_PER_US},
        {"12\xc2\xb5s", 12 * NS_PER_US},
        {"999ns", 999},
        {"1.000000001s", NS_PER_S + 1},
        {"1.0000000009999s", NS_PER_S},
        {"1d", RATELIMIT_RESET_MAX_NS},
        {"2d", RATELIMIT_RESET_MAX_NS},
        {"99999999999999999999999999999h", RATELIMIT_RESET_MAX_NS},
        {"99999999999999999999999999999", RATELIMIT_RESET_MAX_NS},
        {"86400s1ms", RATELIMIT_RESET_MAX_NS},
    };
    static const char *const bad[] = {"",    "s",   "-1s",  "+1s", "1x",  "1 s",   " 1s",
                                      "1s ", "1s2", "1.",   "1.s", ".5s", "1,5s",  "1e3",
                                      "inf", "nan", "0x10", "1S",  "1mm", "1\xc2", "1\xc2\xb5"};
    for (size_t i = 0; i < countof(rows); i++) {
        uint64_t ns = 77;
        ROW("%s", rows[i].text);
        EXPECT(ratelimit_duration(span_str(rows[i].text), &ns));
        EXPECT_EQ(ns, rows[i].ns);
    }
    for (size_t i = 0; i < countof(bad); i++) {
        uint64_t ns = 77;
        ROW("not %s", bad[i]);
        EXPECT(!ratelimit_duration(span_str(bad[i]), &ns));
        EXPECT_EQ(ns, 77);
    }
}

TEST(ratelimit_dialects_of_kinds) {
    for (unsigned i = 0; provider_kinds[i]; i++) {
        const char *name = provider_kinds[i]->name;
        enum ratelimit_dialect want = RATELIMIT_PLAIN;
        if (strcmp(name, "azure") == 0)
            want = RATELIMIT_AZURE;
        else if (strstr(name, "anthropic"))
            want = RATELIMIT_ANTHROPIC;
        else if (strcmp(name, "openrouter") == 0)
            want = RATELIMIT_OPENROUTER;
        else if (strstr(name, "bedrock") || strcmp(name, "gemini") == 0 || strstr(name, "vertex"))
            want = RATELIMIT_NONE;
        ROW("%s", name);
        EXPECT_EQ(ratelimit_dialect_of(span_str(name)), want);
    }
}

/* Fields as "name: value\n..." */
static void head_of(const char *text, struct http_head *head) {
    struct span rest = span_str(text);
    memset(head, 0, sizeof *head);
    while (rest.n > 0) {
        struct span value = span_cut(&rest, '\n'), name = span_cut(&value, ':');
        head->fields[head->field_count++] = (struct http_field){name, span_trim(value)};
    }
}

/* As "quantity=remaining/limit reset" of all that are known; times in ms. */
static const char *told(const struct ratelimit *ratelimit) {
    static char text[400];
    size_t n = 0;
    text[0] = 0;
    for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++) {
        const struct ratelimit_told *t = &ratelimit->of[q];
        if (!t->known)
            continue;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s=%llu/%llu", n ? " " : "",
                              ratelimit_quantity_name((enum ratelimit_quantity)q),
                              (unsigned long long)t->remaining, (unsigned long long)t->limit);
        if (t->reset_ns != UNTOLD)
            n += (size_t)snprintf(text + n, sizeof text - n, " %llums",
                                  (unsigned long long)(t->reset_ns / NS_PER_MS));
    }
    return n ? text : NOTHING;
}

static const struct {
    const char *name, *kind, *head, *want;
} rows[] = {
    {"openai, recorded", "openai",
     "x-ratelimit-limit-requests: 30000\nx-ratelimit-limit-tokens: 150000000\n"
     "x-ratelimit-remaining-requests: 29999\nx-ratelimit-remaining-tokens: 149999982\n"
     "x-ratelimit-reset-requests: 2ms\nx-ratelimit-reset-tokens: 0s\n",
     "requests=29999/30000 2ms tokens=149999982/150000000 0ms"},
    {"groq, recorded", "groq",
     "x-ratelimit-limit-requests: 14400\nx-ratelimit-limit-tokens: 30000\n"
     "x-ratelimit-remaining-requests: 14397\nx-ratelimit-remaining-tokens: 29987\n"
     "x-ratelimit-reset-requests: 17.379s\nx-ratelimit-reset-tokens: 26ms\n",
     "requests=14397/14400 17379ms tokens=29987/30000 26ms"},
    {"azure, recorded", "azure",
     "x-ratelimit-abusepenalty-active: False\nx-ratelimit-limit-requests: 120\n"
     "x-ratelimit-limit-tokens: 120000\nx-ratelimit-remaining-requests: 119\n"
     "x-ratelimit-remaining-tokens: 119986\nx-ratelimit-renewalperiod-requests: 60\n"
     "x-ratelimit-renewalperiod-tokens: 60\nx-ratelimit-reset-requests: 500\n"
     "x-ratelimit-reset-tokens: 7\n",
     "requests=119/120 500ms tokens=119986/120000 7ms"},
    {"azure's responses say 0 and -1", "azure",
     "x-ratelimit-remaining-requests: 0\nx-ratelimit-remaining-tokens: -1\n", NOTHING},
    {"azure's 0 of a limit counts", "azure",
     "x-ratelimit-remaining-requests: 0\nx-ratelimit-limit-requests: 6\n", "requests=0/6"},
    {"anthropic, recorded", "anthropic",
     "anthropic-ratelimit-input-tokens-limit: 2000000\n"
     "anthropic-ratelimit-input-tokens-remaining: 2000000\n"
     "anthropic-ratelimit-input-tokens-reset: 2025-10-09T08:53:24Z\n"
     "anthropic-ratelimit-output-tokens-limit: 80000\n"
     "anthropic-ratelimit-output-tokens-remaining: 66000\n"
     "anthropic-ratelimit-output-tokens-reset: 2025-10-09T08:53:25Z\n"
     "anthropic-ratelimit-requests-limit: 50\nanthropic-ratelimit-requests-remaining: 49\n"
     "anthropic-ratelimit-requests-reset: 2025-10-09T08:53:21Z\n"
     "anthropic-ratelimit-tokens-limit: 50000\nanthropic-ratelimit-tokens-remaining: 49000\n"
     "anthropic-ratelimit-tokens-reset: 2025-10-09T08:54:20Z\n",
     "requests=49/50 1000ms tokens=49000/50000 60000ms input_tokens=2000000/2000000 4000ms "
     "output_tokens=66000/80000 5000ms"},
    {"dates are measured by the head's own", "vertex-anthropic",
     "date: Thu, 09 Oct 2025 08:00:00 GMT\nanthropic-ratelimit-requests-remaining: 3\n"
     "anthropic-ratelimit-requests-reset: 2025-10-09T08:00:30Z\n",
     "requests=3/0 30000ms"},
    {"a date that has passed", "anthropic",
     "anthropic-ratelimit-requests-remaining: 3\n"
     "anthropic-ratelimit-requests-reset: 2024-04-07T07:31:00Z\n",
     "requests=3/0 0ms"},
    {"openrouter's milliseconds of Unix time", "openrouter",
     "X-RateLimit-Limit: 20\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1760000060000\n",
     "requests=0/20 60000ms"},
    {"the draft, with policies", "vllm",
     "RateLimit-Limit: 100, 100;w=60\nRateLimit-Remaining: 12\nRateLimit-Reset: 48\n",
     "requests=12/100 48000ms"},
    {"cerebras", "openai",
     "x-ratelimit-limit-requests-day: 14400\nx-ratelimit-limit-tokens-minute: 60000\n"
     "x-ratelimit-remaining-requests-day: 14399\nx-ratelimit-remaining-tokens-minute: 59990\n"
     "x-ratelimit-reset-requests-day: 33011.382867\nx-ratelimit-reset-tokens-minute: 11.38\n",
     "requests=14399/14400 33011382ms tokens=59990/60000 11380ms"},
    {"any case", "openai", "X-RateLimit-Remaining-Requests: 5\n", "requests=5/0"},
    {"another's fields", "anthropic", "x-ratelimit-remaining-requests: 5\n", NOTHING},
    {"another's fields, too", "openai", "anthropic-ratelimit-requests-remaining: 5\n", NOTHING},
    {"nobody's", "bedrock", "x-ratelimit-remaining-requests: 5\n", NOTHING},
    {"a limit alone", "openai", "x-ratelimit-limit-requests: 5\n", NOTHING},
    {"a limit of 0", "openai", "x-ratelimit-limit-requests: 0\nx-ratelimit-remaining-requests: 0\n",
     NOTHING},
    {"more than the limit", "openai",
     "x-ratelimit-limit-requests: 5\nx-ratelimit-remaining-requests: 9\n", "requests=9/9"},
    {"larger than 64 bits", "openai",
     "x-ratelimit-limit-tokens: 99999999999999999999999\n"
     "x-ratelimit-remaining-tokens: 18446744073709551616\n",
     "tokens=1000000000000000/1000000000000000"},
    {"the first of two", "openai",
     "x-ratelimit-remaining-requests: 5\nx-ratelimit-remaining-requests: 0\n", "requests=5/0"},
    {"the first that is one", "openai",
     "x-ratelimit-remaining-requests: many\nx-ratelimit-remaining-requests: 4\n", "requests=4/0"},
    {"no numbers", "openai",
     "x-ratelimit-remaining-requests: \nx-ratelimit-remaining-tokens: 5 apples\n"
     "ratelimit-remaining: 0x10\n",
     NOTHING},
    {"a reset that is none", "openai",
     "x-ratelimit-remaining-requests: 1\nx-ratelimit-reset-requests: soon\n", "requests=1/0"},
    {"a reset years ahead", "anthropic",
     "anthropic-ratelimit-requests-remaining: 0\n"
     "anthropic-ratelimit-requests-reset: 9999-12-31T23:59:59Z\n",
     "requests=0/0 86400000ms"},
    {"fields that begin alike", "openai",
     "x-ratelimit-: 1\nx-ratelimit-remaining-requestsx: 1\nratelimit-: 2\nx-rate: 1\n", NOTHING},
};

TEST(ratelimit_head_rows) {
    for (size_t i = 0; i < countof(rows); i++) {
        struct http_head head;
        struct ratelimit out;
        head_of(rows[i].head, &head);
        ROW("%s", rows[i].name);
        bool any =
            ratelimit_read(&head, ratelimit_dialect_of(span_str(rows[i].kind)), NOW_MS, &out);
        EXPECT_STR(told(&out), rows[i].want);
        EXPECT_EQ(any, strcmp(rows[i].want, NOTHING) != 0);
        for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++)
            EXPECT(out.of[q].known || (out.of[q].limit == 0 && out.of[q].remaining == 0 &&
                                       out.of[q].reset_ns == UNTOLD));
    }
}
