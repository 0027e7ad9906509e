/* test_hedge.c - the race as rows of scripts in virtual time, and as thousands of drawn requests
 * whose every step is checked against what hedge.h promises. */
#include "tests/test.h"

#include "appliance/race/hedge.h"
#include "core/rand.h"
#include "tests/unit/race/race_fixture.h"

/* ---- plans: backends are called a b c ... in the plan's order ---- */

struct setting {
    unsigned own, fallback, ejected;
    unsigned attempts_max, fallback_attempts;
    enum hedge_mode mode;
    unsigned delay_ms;                          /* NO_DELAY: never by delay */
    unsigned first_token_ms, head_ms, total_ms; /* 0: none */
};

#define NO_DELAY UINT32_MAX

static struct config_backend backends[PLAN_BACKENDS_MAX];

static struct plan plan_of(const struct setting *s) {
    struct plan plan = {
        .own_count = s->own,
        .backend_count = s->own + s->fallback,
        .ejected_count = s->ejected,
        .attempts_max = s->attempts_max,
        .fallback_attempts = s->fallback_attempts,
        .mode = s->mode,
        .delay_ns = s->delay_ms == NO_DELAY ? UINT64_MAX : MS(s->delay_ms),
        .timeouts = {.first_token_ns = MS(s->first_token_ms),
                     .head_ns = MS(s->head_ms),
                     .total_ns = MS(s->total_ms)},
    };
    for (unsigned b = 0; b < plan.backend_count; b++)
        plan.backends[b] = &backends[b];
    return plan;
}

/* ---- scripts ---- */

/* Statements "MS VERB ARGS" between semicolons, in the order of time. Reports: head K, content K,
 * end K WHY, stall K WHY, denied K, passed K, unable K, again -. What hedge_next must then say: start K BACKEND TRIGGER, cancel K WHY,
 * commit K, fail K|- WHY, wait MS|-. */
struct words {
    char word[5][24];
    int count;
};

static enum fail fail_of(const char *name) {
    for (int why = 0; why < FAIL_COUNT; why++)
        if (strcmp(fail_name((enum fail)why), name) == 0)
            return (enum fail)why;
    CHECK(!"a name of fail.def");
    return FAIL_NONE;
}

static void said(const struct hedge *h, const struct hedge_step *step, char *out, size_t max) {
    switch (step->what) {
    case HEDGE_START:
        snprintf(out, max, "start %u %c %s", step->attempt,
                 'a' + (int)(hedge_backend(h, step->attempt) - backends),
                 hedge_trigger_name(step->trigger));
        return;
    case HEDGE_CANCEL:
        snprintf(out, max, "cancel %u %s", step->attempt, fail_name(step->why));
        return;
    case HEDGE_COMMIT: snprintf(out, max, "commit %u", step->attempt); return;
    case HEDGE_FAIL:
        if (step->attempt == HEDGE_NOBODY)
            snprintf(out, max, "fail - %s", fail_name(step->why));
        else
            snprintf(out, max, "fail %u %s", step->attempt, fail_name(step->why));
        return;
    case HEDGE_WAIT:
        if (step->wake_ns == UINT64_MAX)
            snprintf(out, max, "wait -");
        else
            snprintf(out, max, "wait %llu", (unsigned long long)(step->wake_ns / NS_PER_MS));
        return;
    }
}

/* Reports it and returns true, or returns false: then it is something hedge_next must say. */
static bool report(struct hedge *h, const struct words *w, uint64_t now_ns) {
    const char *verb = w->word[1];
    unsigned attempt = (unsigned)atoi(w->word[2]);
    if (strcmp(verb, "head") == 0)
        hedge_on_head(h, attempt, now_ns);
    else if (strcmp(verb, "content") == 0)
        hedge_on_content(h, attempt, now_ns);
    else if (strcmp(verb, "end") == 0)
        hedge_on_end(h, attempt, fail_of(w->word[3]), now_ns);
    else if (strcmp(verb, "stall") == 0)
        hedge_on_stall(h, attempt, fail_of(w->word[3]), now_ns);
    else if (strcmp(verb, "denied") == 0)
        hedge_on_denied(h, attempt, now_ns);
    else if (strcmp(verb, "passed") == 0)
        (void)hedge_on_passed(h, attempt, now_ns);
    else if (strcmp(verb, "again") == 0)
        hedge_again(h, now_ns);
    else if (strcmp(verb, "unable") == 0)
        hedge_on_unable(h, attempt, now_ns);
    else
        return false;
    return true;
}

static void run_script(const struct setting *setting, const char *script, struct hedge *h) {
    struct plan plan = plan_of(setting);
    hedge_init(h, &plan, 0);
    for (const char *at = script; *at;) {
        struct words w = {0};
        int used = 0;
        char statement[100], got[100];
        REQUIRE(sscanf(at, " %99[^;]%n", statement, &used) == 1);
        w.count = sscanf(statement, "%23s %23s %23s %23s %23s", w.word[0], w.word[1], w.word[2],
                         w.word[3], w.word[4]);
        REQUIRE(w.count >= 3);
        uint64_t now_ns = MS(atoi(w.word[0]));
        at += used + strspn(at + used, "; ");
        if (!report(h, &w, now_ns)) {
            struct hedge_step step = hedge_next(h, now_ns);
            said(h, &step, got, sizeof got);
            const char *want = strchr(statement, ' ') + 1;
            if (strcmp(got, want) != 0)
                FAIL_TEST("%s: said '%s'", statement, got);
            else
                EXPECT(true);
        }
        hedge_check(h);
    }
    h->plan = NULL; /* it ends here */
}

struct script_row {
    const char *name;
    struct setting setting;
    const char *script;
};

static void run_rows(const struct script_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ROW("%s", rows[i].name);
        struct hedge h;
        run_script(&rows[i].setting, rows[i].script, &h);
    }
}

#define FIXED_100 .mode = HEDGE_MODE_FIXED, .delay_ms = 100

TEST(hedge_delay_rows) {
    static const struct script_row rows[] = {
        {"the first one answers in time",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 0 wait 100; 50 content 0; 50 commit 0; 50 wait -; 100 wait -;"
         "900 end 0 none; 900 wait -"},
        {"the second one wins",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 0 wait 100; 99 wait 100; 100 start 1 b delay; 100 wait -;"
         "150 content 1; 150 commit 1; 150 cancel 0 lost; 150 wait -; 160 end 0 lost;"
         "300 end 1 none; 300 wait -"},
        {"the first one wins late",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 150 content 0; 150 commit 0; 150 cancel 1 lost;"
         "150 wait -"},
        {"one delay after the last start",
         {.own = 4, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 0 wait 100; 130 start 1 b delay; 130 wait 230; 230 start 2 c delay;"
         "230 wait -; 1000 wait -"},
        {"the same backend is not hedged with itself",
         {.own = 1, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 0 wait -; 500 wait -"},
        {"nor are fallbacks hedged with",
         {.own = 1, .fallback = 2, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 0 wait -; 500 wait -"},
        {"nor ejected ones",
         {.own = 3, .ejected = 1, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 0 wait 100; 100 start 1 b delay; 100 wait -; 500 wait -"},
        {"one attempt only",
         {.own = 2, .attempts_max = 1, FIXED_100},
         "0 start 0 a first; 0 wait -; 10 end 0 reset; 10 fail 0 reset; 10 wait -"},
        {"no delay",
         {.own = 2, .attempts_max = 2, .mode = HEDGE_MODE_ADAPTIVE, .delay_ms = NO_DELAY},
         "0 start 0 a first; 0 wait -; 5000 wait -"},
        {"off, whatever the delay",
         {.own = 2, .attempts_max = 2, .mode = HEDGE_MODE_OFF, .delay_ms = 100},
         "0 start 0 a first; 0 wait -; 5000 wait -"},
        {"off still fails over",
         {.own = 3, .attempts_max = 3, .mode = HEDGE_MODE_OFF, .delay_ms = NO_DELAY},
         "0 start 0 a first; 7 end 0 upstream_5xx; 7 start 1 b failure; 7 wait -;"
         "9 end 1 connect; 9 start 2 c failure; 20 content 2; 20 commit 2; 20 wait -"},
        {"race: all at once",
         {.own = 3, .attempts_max = 8, .mode = HEDGE_MODE_RACE},
         "0 start 0 a first; 0 start 1 b delay; 0 start 2 c delay; 0 wait -; 40 content 2;"
         "40 commit 2; 40 cancel 0 lost; 40 cancel 1 lost; 40 wait -"},
        {"race, whatever the delay",
         {.own = 2, .attempts_max = 2, .mode = HEDGE_MODE_RACE, .delay_ms = 100},
         "0 start 0 a first; 0 start 1 b delay; 0 wait -"},
        {"race within the attempts",
         {.own = 3, .attempts_max = 2, .mode = HEDGE_MODE_RACE},
         "0 start 0 a first; 0 start 1 b delay; 0 wait -; 9 end 0 reset; 9 wait -"},
        {"race leaves ejected ones out, until a failure",
         {.own = 3, .ejected = 1, .attempts_max = 3, .mode = HEDGE_MODE_RACE},
         "0 start 0 a first; 0 start 1 b delay; 0 wait -; 9 end 0 upstream_5xx;"
         "9 start 2 c failure; 9 wait -"},
    };
    run_rows(rows, countof(rows));
}

TEST(hedge_commit_rows) {
    static const struct script_row rows[] = {
        {"a head wins nothing",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 50 head 0; 50 wait 100; 100 start 1 b delay; 100 wait -"},
        {"two in one turn: the first reported",
         {.own = 3, .attempts_max = 3, .mode = HEDGE_MODE_RACE},
         "0 start 0 a first; 0 start 1 b delay; 0 start 2 c delay; 40 content 1; 40 content 0;"
         "40 commit 1; 40 cancel 0 lost; 40 cancel 2 lost; 40 wait -"},
        {"content again says nothing new",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 40 content 0; 40 content 0; 40 commit 0; 50 content 0; 50 wait -"},
        {"nothing starts after the commit",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 40 content 0; 40 commit 0; 40 wait -; 100 wait -; 200 end 0 reset;"
         "200 fail 0 reset; 200 wait -"},
        {"content and end in one turn",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 120 content 1; 120 end 1 none; 120 commit 1;"
         "120 cancel 0 lost; 120 wait -"},
        {"two whole answers in one turn: one is thrown away",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 120 content 1; 120 end 1 none; 120 content 0;"
         "120 end 0 none; 120 commit 1; 120 wait -"},
        {"the winner breaks off in the turn of its commit: losers first, then the failure",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 150 content 1; 150 commit 1; 150 end 1 reset;"
         "150 cancel 0 lost; 150 fail 1 reset; 150 wait -"},
        {"broken off before its commit: another one that answered",
         {.own = 3, .attempts_max = 3, .mode = HEDGE_MODE_RACE},
         "0 start 0 a first; 0 start 1 b delay; 0 start 2 c delay; 40 content 1; 40 content 2;"
         "40 end 1 reset; 40 commit 2; 40 cancel 0 lost; 40 wait -"},
        {"broken off before its commit: nobody else, so the next",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 40 content 0; 40 end 0 reset; 40 start 1 b failure; 40 wait -"},
        {"a failure in the turn of an answer starts nothing",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 150 content 1; 150 end 0 refused; 150 commit 1;"
         "150 wait -"},
        {"a failure before an answer in the same turn starts nothing either",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 150 end 0 reset; 150 content 1; 150 commit 1;"
         "150 wait -"},
        {"a loser that ends by itself is not cancelled",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 150 content 1; 150 commit 1; 150 end 0 closed;"
         "150 wait -"},
        {"what a cancelled one still says is ignored",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 150 content 1; 150 commit 1; 150 cancel 0 lost;"
         "150 content 0; 150 head 0; 150 end 0 refused; 150 wait -; 151 end 1 none; 151 wait -"},
    };
    run_rows(rows, countof(rows));
}

TEST(hedge_failure_rows) {
    static const struct script_row rows[] = {
        {"the next at once, and the delay begins again",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 30 end 0 overloaded; 30 start 1 b failure; 30 wait 130;"
         "130 start 2 c delay; 130 wait -"},
        {"also while another one runs",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 110 end 0 reset; 110 start 2 c failure;"
         "110 wait -"},
        {"two failures in one turn, two starts",
         {.own = 4, .attempts_max = 4, .mode = HEDGE_MODE_ADAPTIVE, .delay_ms = 100},
         "0 start 0 a first; 100 start 1 b delay; 110 end 0 reset; 110 end 1 reset;"
         "110 start 2 c failure; 110 start 3 d failure; 110 wait -"},
        {"within the attempts",
         {.own = 3, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 10 end 0 upstream_5xx; 10 start 1 b failure; 20 end 1 overloaded;"
         "20 fail 0 upstream_5xx; 20 wait -"},
        {"ejected ones too, when there is no other",
         {.own = 2,
          .ejected = 2,
          .attempts_max = 2,
          .mode = HEDGE_MODE_FIXED,
          .delay_ms = NO_DELAY},
         "0 start 0 a first; 10 end 0 upstream_5xx; 10 start 1 b failure; 10 wait -"},
        {"fallbacks come after the model's own, on attempts of their own",
         {.own = 2, .fallback = 2, .attempts_max = 2, .fallback_attempts = 1, FIXED_100},
         "0 start 0 a first; 10 end 0 upstream_5xx; 10 start 1 b failure; 10 wait -;"
         "20 end 1 upstream_5xx; 20 start 2 c failure; 20 wait -; 30 end 2 upstream_5xx;"
         "30 fail 0 upstream_5xx"},
        {"own attempts first used up, not all own backends",
         {.own = 3, .fallback = 1, .attempts_max = 2, .fallback_attempts = 1, FIXED_100},
         "0 start 0 a first; 10 end 0 upstream_5xx; 10 start 1 b failure; 10 wait -;"
         "20 end 1 upstream_5xx; 20 start 2 d failure; 20 wait -"},
        {"a fallback waits for the model's own",
         {.own = 2, .fallback = 1, .attempts_max = 2, .fallback_attempts = 1, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 110 end 0 upstream_5xx; 110 wait -; 500 wait -;"
         "600 end 1 upstream_5xx; 600 start 2 c failure; 600 wait -; 700 content 2; 700 commit 2"},
        {"fallbacks within the common limit",
         {.own = 1, .fallback = 1, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 10 end 0 upstream_5xx; 10 start 1 b failure; 10 wait -"},
        {"a second try after a broken connection, once",
         {.own = 1, .attempts_max = 4, FIXED_100},
         "0 start 0 a first; 10 end 0 reset; 10 start 1 a failure; 10 wait -; 20 end 1 reset;"
         "20 fail 0 reset"},
        {"a second try where it was asked for",
         {.own = 1, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 10 end 0 upstream_conflict; 10 start 1 a failure; 10 wait -"},
        {"no second try after a rate limit",
         {.own = 1, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 10 end 0 rate_limited; 10 fail 0 rate_limited"},
        {"no second try where the backend failed",
         {.own = 1, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 10 end 0 upstream_5xx; 10 fail 0 upstream_5xx"},
        {"unused ones come before second tries",
         {.own = 2, .attempts_max = 4, FIXED_100},
         "0 start 0 a first; 10 end 0 closed; 10 start 1 b failure; 10 wait -;"
         "20 end 1 upstream_5xx; 20 start 2 a failure; 20 wait -; 30 end 2 closed;"
         "30 fail 0 closed"},
        {"a second try is no delay start, but may be while another runs",
         {.own = 2, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 110 end 0 connect; 110 start 2 a failure;"
         "110 wait -; 300 wait -"},
        {"operator faults go on",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 10 end 0 upstream_auth; 10 start 1 b failure; 10 wait 110;"
         "20 end 1 upstream_model; 20 start 2 c failure; 20 wait -"},
    };
    run_rows(rows, countof(rows));
}

TEST(hedge_decision_rows) {
    static const struct script_row rows[] = {
        {"a refusal is the answer",
         {.own = 2, .fallback = 1, .attempts_max = 2, .fallback_attempts = 1, FIXED_100},
         "0 start 0 a first; 10 end 0 refused; 10 fail 0 refused; 10 wait -; 500 wait -"},
        {"and cuts the others off",
         {.own = 3, .attempts_max = 3, .mode = HEDGE_MODE_RACE},
         "0 start 0 a first; 0 start 1 b delay; 0 start 2 c delay; 10 end 1 policy;"
         "10 cancel 0 lost; 10 cancel 2 lost; 10 fail 1 policy; 10 wait -"},
        {"an answer reported behind it comes too late",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 110 end 0 refused; 110 content 1;"
         "110 cancel 1 lost; 110 fail 0 refused; 110 wait -"},
        {"of two the first",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 110 end 1 policy; 110 end 0 refused;"
         "110 fail 1 policy; 110 wait -"},
        {"a failure behind it starts nothing",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 110 end 1 policy; 110 end 0 reset;"
         "110 fail 1 policy; 110 wait -"},
        {"all rate limited",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 5 end 0 rate_limited; 5 start 1 b failure; 9 end 1 rate_limited;"
         "9 fail 0 rate_limited"},
        {"not all rate limited",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 5 end 0 rate_limited; 5 start 1 b failure; 9 end 1 overloaded;"
         "9 start 2 c failure; 11 end 2 connect; 11 fail 1 overloaded"},
        {"a limit that passes, rather than a quota",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 5 end 0 quota; 5 start 1 b failure; 9 end 1 rate_limited;"
         "9 fail 1 rate_limited"},
        {"anything rather than a quota",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 5 end 0 quota; 5 start 1 b failure; 9 end 1 empty; 9 fail 1 empty"},
    };
    run_rows(rows, countof(rows));
}

TEST(hedge_clock_rows) {
    static const struct script_row rows[] = {
        {"no first token: cut off, the next at once",
         {.own = 2, .attempts_max = 2, .mode = HEDGE_MODE_OFF, .first_token_ms = 500},
         "0 start 0 a first; 0 wait 500; 499 wait 500; 500 cancel 0 first_token;"
         "500 start 1 b failure; 500 wait 1000; 1000 cancel 1 first_token;"
         "1000 fail 0 first_token; 1000 wait -"},
        {"each attempt has its own",
         {.own = 2, .attempts_max = 2, .first_token_ms = 500, FIXED_100},
         "0 start 0 a first; 0 wait 100; 100 start 1 b delay; 100 wait 500;"
         "500 cancel 0 first_token; 500 wait 600; 600 cancel 1 first_token;"
         "600 fail 0 first_token"},
        {"a first token stops it",
         {.own = 1, .attempts_max = 1, .first_token_ms = 500, FIXED_100},
         "0 start 0 a first; 400 content 0; 400 commit 0; 400 wait -; 600 wait -"},
        {"content in the very turn of the limit counts",
         {.own = 1, .attempts_max = 1, .first_token_ms = 500, .total_ms = 500, FIXED_100},
         "0 start 0 a first; 500 content 0; 500 end 0 none; 500 commit 0; 500 wait -"},
        {"no head",
         {.own = 2,
          .attempts_max = 2,
          .mode = HEDGE_MODE_OFF,
          .first_token_ms = 500,
          .head_ms = 200},
         "0 start 0 a first; 0 wait 200; 200 cancel 0 head_timeout; 200 start 1 b failure;"
         "200 wait 400; 300 head 1; 300 wait 700; 700 cancel 1 first_token;"
         "700 fail 0 head_timeout"},
        {"a head limit beyond the first token's",
         {.own = 1, .attempts_max = 1, .first_token_ms = 100, .head_ms = 200, FIXED_100},
         "0 start 0 a first; 0 wait 100; 100 cancel 0 first_token; 100 fail 0 first_token"},
        {"a second try is not for those who were slow",
         {.own = 1, .attempts_max = 2, .first_token_ms = 100, FIXED_100},
         "0 start 0 a first; 100 cancel 0 first_token; 100 fail 0 first_token"},
        {"total before the commit",
         {.own = 3, .attempts_max = 3, .total_ms = 250, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 200 start 2 c delay; 200 wait 250;"
         "250 cancel 0 total; 250 cancel 1 total; 250 cancel 2 total; 250 fail - total;"
         "250 wait -"},
        {"total after the commit",
         {.own = 2, .attempts_max = 2, .total_ms = 250, FIXED_100},
         "0 start 0 a first; 50 content 0; 50 commit 0; 50 wait 250; 250 cancel 0 total;"
         "250 fail 0 total; 250 wait -; 260 end 0 cancelled; 260 wait -"},
        {"total outranks a start that is due",
         {.own = 2, .attempts_max = 2, .total_ms = 100, FIXED_100},
         "0 start 0 a first; 0 wait 100; 100 cancel 0 total; 100 fail - total"},
        {"total and the winner's end in one turn",
         {.own = 1, .attempts_max = 1, .total_ms = 250, FIXED_100},
         "0 start 0 a first; 50 content 0; 50 commit 0; 250 end 0 none; 250 wait -"},
        {"woken late: everything at once",
         {.own = 2, .attempts_max = 2, .first_token_ms = 300, FIXED_100},
         "0 start 0 a first; 5000 cancel 0 first_token; 5000 start 1 b failure; 5000 wait 5300"},
    };
    run_rows(rows, countof(rows));
}

TEST(hedge_unable_rows) {
    static const struct script_row rows[] = {
        {"the first goes on to the next at once, and counts once",
         {.own = 3, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 0 unable 0; 0 start 0 b first; 0 wait 100; 100 start 1 c delay;"
         "100 wait -"},
        {"so does a delay start, and that backend is not asked after a failure either",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 100 unable 1; 100 start 1 c delay; 100 wait -;"
         "200 end 0 upstream_5xx; 200 wait -; 300 end 1 upstream_5xx; 300 fail 0 upstream_5xx"},
        {"the last of them: the race goes on with who runs",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 100 unable 1; 100 wait -; 150 content 0;"
         "150 commit 0; 150 wait -"},
        {"no backend can",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 0 unable 0; 0 start 0 b first; 0 unable 0; 0 fail - overload; 0 wait "
         "-"},
        {"a race at once leaves out who cannot",
         {.own = 3, .attempts_max = 3, .mode = HEDGE_MODE_RACE},
         "0 start 0 a first; 0 start 1 b delay; 0 unable 1; 0 start 1 c delay; 0 wait -"},
    };
    run_rows(rows, countof(rows));
}

TEST(hedge_denied_rows) {
    static const struct script_row rows[] = {
        {"a delay start is not tried again, and its number is free",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 100 denied 1; 100 wait -; 300 wait -;"
         "400 end 0 reset; 400 start 1 b failure; 400 wait -; 600 wait -"},
        {"nor is the rest of a race",
         {.own = 3, .attempts_max = 3, .mode = HEDGE_MODE_RACE},
         "0 start 0 a first; 0 start 1 b delay; 0 denied 1; 0 wait -; 50 content 0; 50 commit 0;"
         "50 wait -"},
        {"the first goes on to the next backend, and counts once",
         {.own = 3, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 0 denied 0; 0 start 0 b first; 0 wait 100; 100 start 1 c delay;"
         "100 wait -"},
        {"so does one after a failure",
         {.own = 3, .attempts_max = 3, .mode = HEDGE_MODE_OFF},
         "0 start 0 a first; 10 end 0 upstream_5xx; 10 start 1 b failure; 10 denied 1;"
         "10 start 1 c failure; 10 wait -"},
        {"all denied: our own limits",
         {.own = 2, .fallback = 1, .attempts_max = 2, .fallback_attempts = 1, FIXED_100},
         "0 start 0 a first; 0 denied 0; 0 start 0 b first; 0 denied 0; 0 start 0 c first;"
         "0 denied 0; 0 fail - overload; 0 wait -"},
        {"denied after a failure: the failure is what is said",
         {.own = 2, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 10 end 0 upstream_5xx; 10 start 1 b failure; 10 denied 1;"
         "10 fail 0 upstream_5xx"},
        {"a denied second try is not tried again",
         {.own = 1, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 10 end 0 reset; 10 start 1 a failure; 10 denied 1; 10 fail 0 reset"},
        {"denied while another runs",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 110 end 0 upstream_5xx; 110 start 2 c failure;"
         "110 denied 2; 110 wait -; 200 content 1; 200 commit 1"},
    };
    run_rows(rows, countof(rows));
}

TEST(hedge_passed_rows) {
    static const struct script_row rows[] = {
        {"the next one at once",
         {.own = 3, .attempts_max = 2, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 100 passed 1; 100 start 1 c delay; 100 wait -;"
         "150 content 1; 150 commit 1; 150 cancel 0 lost; 150 wait -"},
        {"nobody is left: not again at this request, but after a failure",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 100 passed 1; 100 start 1 c delay; 100 passed 1;"
         "100 wait -; 300 wait -; 400 end 0 reset; 400 start 1 b failure; 400 wait -; 900 wait -"},
        {"nor one that is ejected, nor a fallback",
         {.own = 3, .ejected = 1, .fallback = 1, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 100 passed 1; 100 wait -; 300 wait -"},
        {"nor one delay later",
         {.own = 4, .attempts_max = 4, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 100 passed 1; 100 start 1 c delay; 100 wait 200;"
         "200 start 2 d delay; 200 wait -; 900 wait -"},
        {"the rest of a race goes on",
         {.own = 3, .attempts_max = 3, .mode = HEDGE_MODE_RACE},
         "0 start 0 a first; 0 start 1 b delay; 0 passed 1; 0 start 1 c delay; 0 wait -"},
        {"then a denial: what it waits for comes, and all are asked anew",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 100 passed 1; 100 start 1 c delay; 100 denied 1;"
         "100 wait -; 300 again -; 300 start 1 b delay; 300 passed 1; 300 start 1 c delay;"
         "300 wait -"},
        {"all were passed: so too",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 100 passed 1; 100 start 1 c delay; 100 passed 1;"
         "100 wait -; 300 again -; 300 start 1 b delay; 300 wait 400"},
        {"nothing is due once one has answered",
         {.own = 3, .attempts_max = 3, FIXED_100},
         "0 start 0 a first; 100 start 1 b delay; 100 passed 1; 100 content 0; 100 commit 0;"
         "100 wait -; 300 wait -"},
    };
    run_rows(rows, countof(rows));
}

/* What stands before it: a committed to, at 20 ms. */
#define FIXED(ms)   .mode = HEDGE_MODE_FIXED, .delay_ms = ms
#define COMMITTED_A "0 start 0 a first; 20 content 0; 20 commit 0; "

TEST(hedge_stall_rows) {
    static const struct script_row rows[] = {
        {"the next backend is asked at once, and its content is committed to",
         {.own = 3, .attempts_max = 3, FIXED(50), .total_ms = 1000},
         COMMITTED_A "20 wait 1000; 200 stall 0 idle; 200 start 1 b stall; 200 wait 1000;"
                     "230 head 1; 230 wait 1000; 250 content 1; 250 commit 1; 250 wait 1000;"
                     "400 end 1 none; 400 wait -"},
        {"whoever was asked before is not asked again, and a fallback model is the last resort",
         {.own = 2, .fallback = 1, .attempts_max = 2, .fallback_attempts = 1, FIXED(10)},
         "0 start 0 a first; 10 start 1 b delay; 20 content 1; 20 commit 1; 20 cancel 0 lost;"
         "20 wait -; 99 stall 1 reset; 99 start 2 c stall; 120 content 2; 120 commit 2; 120 wait "
         "-"},
        {"attempts_max holds: then the client is told why the winner failed",
         {.own = 3, .attempts_max = 2, FIXED(10)},
         "0 start 0 a first; 10 start 1 b delay; 20 content 0; 20 commit 0; 20 cancel 1 lost;"
         "20 wait -; 99 stall 0 idle; 99 fail 0 idle; 99 wait -"},
        {"nobody is left",
         {.own = 1, .attempts_max = 3, .delay_ms = NO_DELAY},
         COMMITTED_A "20 wait -; 99 stall 0 error_event; 99 fail 0 error_event; 99 wait -"},
        {"one that fails is followed by the next, and the client hears of the winner",
         {.own = 3, .attempts_max = 4, .delay_ms = NO_DELAY},
         COMMITTED_A "20 wait -; 99 stall 0 idle; 99 start 1 b stall; 99 wait -;"
                     "120 end 1 upstream_5xx; 120 start 2 c stall; 120 wait -;"
                     "130 end 2 connect; 130 fail 0 idle; 130 wait -"},
        {"a connection that failed is not tried again",
         {.own = 2, .attempts_max = 8, .delay_ms = NO_DELAY},
         COMMITTED_A "20 wait -; 99 stall 0 idle; 99 start 1 b stall; 120 end 1 reset;"
                     "120 fail 0 idle"},
        {"a refusal of the unfinished turn is not one of the request",
         {.own = 3, .attempts_max = 4, .delay_ms = NO_DELAY},
         COMMITTED_A "20 wait -; 99 stall 0 idle; 99 start 1 b stall; 120 end 1 refused;"
                     "120 start 2 c stall; 140 content 2; 140 commit 2; 140 wait -"},
        {"a refusal by policy is: nobody else is asked",
         {.own = 3, .attempts_max = 4, .delay_ms = NO_DELAY},
         COMMITTED_A "20 wait -; 99 stall 0 idle; 99 start 1 b stall; 120 end 1 policy;"
                     "120 fail 0 idle"},
        {"who cannot express it is passed over, and does not count",
         {.own = 3, .attempts_max = 2, .delay_ms = NO_DELAY},
         COMMITTED_A "20 wait -; 99 stall 0 idle; 99 start 1 b stall; 99 unable 1;"
                     "99 start 1 c stall; 120 content 1; 120 commit 1; 120 wait -"},
        {"who has no room is passed over",
         {.own = 3, .attempts_max = 2, .delay_ms = NO_DELAY},
         COMMITTED_A "20 wait -; 99 stall 0 idle; 99 start 1 b stall; 99 denied 1;"
                     "99 start 1 c stall; 99 denied 1; 99 fail 0 idle"},
        {"its clocks tick as before",
         {.own = 3, .attempts_max = 4, .delay_ms = NO_DELAY, .first_token_ms = 100, .head_ms = 30},
         COMMITTED_A "20 wait -; 200 stall 0 idle; 200 start 1 b stall; 200 wait 230;"
                     "230 cancel 1 head_timeout; 230 start 2 c stall; 240 head 2; 240 wait 330;"
                     "330 cancel 2 first_token; 330 fail 0 idle"},
        {"the total ends it",
         {.own = 3, .attempts_max = 4, .delay_ms = NO_DELAY, .total_ms = 300},
         COMMITTED_A "20 wait 300; 200 stall 0 idle; 200 start 1 b stall; 200 wait 300;"
                     "300 cancel 1 total; 300 fail 0 total; 300 wait -"},
        {"no start by delay while somebody is asked to go on",
         {.own = 4, .attempts_max = 4, FIXED(50)},
         COMMITTED_A "20 wait -; 99 stall 0 idle; 99 start 1 b stall; 200 wait -; 300 content 1;"
                     "300 commit 1; 400 wait -"},
        {"who goes on may stall in turn",
         {.own = 3, .attempts_max = 3, .delay_ms = NO_DELAY},
         COMMITTED_A "20 wait -; 99 stall 0 idle; 99 start 1 b stall; 120 content 1; 120 commit 1;"
                     "120 wait -; 300 stall 1 closed; 300 start 2 c stall; 320 content 2;"
                     "320 commit 2; 320 wait -; 500 stall 2 idle; 500 fail 2 idle; 500 wait -"},
        {"losers of the race are cut off before",
         {.own = 3, .attempts_max = 3, FIXED(10)},
         "0 start 0 a first; 10 start 1 b delay; 20 content 0; 20 commit 0; 20 stall 0 reset;"
         "20 cancel 1 lost; 20 start 2 c stall; 20 wait -"},
        {"a whole answer in one turn",
         {.own = 2, .attempts_max = 2, .delay_ms = NO_DELAY},
         COMMITTED_A "20 wait -; 99 stall 0 idle; 99 start 1 b stall; 120 content 1;"
                     "120 end 1 none; 120 commit 1; 120 wait -"},
        {"broken off before its commit",
         {.own = 3, .attempts_max = 3, .delay_ms = NO_DELAY},
         COMMITTED_A "20 wait -; 99 stall 0 idle; 99 start 1 b stall; 120 content 1;"
                     "120 end 1 reset; 120 start 2 c stall; 120 wait -"},
        {"late reports of who stalled are not heard",
         {.own = 2, .attempts_max = 2, .delay_ms = NO_DELAY},
         COMMITTED_A "20 wait -; 99 stall 0 idle; 99 start 1 b stall; 100 content 0;"
                     "100 end 0 closed; 100 wait -; 120 content 1; 120 commit 1"},
    };
    run_rows(rows, countof(rows));
}

TEST(hedge_over_rows) {
    static const struct {
        const char *name, *script;
        bool over;
        enum fail why;
        unsigned winner;
    } rows[] = {
        {"running", "0 start 0 a first", false, FAIL_NONE, HEDGE_NOBODY},
        {"committed", "0 start 0 a first; 9 content 0; 9 commit 0", false, FAIL_NONE, 0},
        {"whole", "0 start 0 a first; 9 content 0; 9 commit 0; 20 end 0 none", true, FAIL_NONE, 0},
        {"stalled, not said yet", "0 start 0 a first; 9 content 0; 9 commit 0; 20 end 0 idle",
         false, FAIL_IDLE, 0},
        {"stalled after the commit",
         "0 start 0 a first; 9 content 0; 9 commit 0; 20 end 0 idle; 20 fail 0 idle", true,
         FAIL_IDLE, 0},
        {"whole at once", "0 start 0 a first; 9 content 0; 9 end 0 none; 9 commit 0", true,
         FAIL_NONE, 0},
        {"refused, not said yet", "0 start 0 a first; 9 end 0 refused", false, FAIL_REFUSED,
         HEDGE_NOBODY},
        {"refused", "0 start 0 a first; 9 end 0 refused; 9 fail 0 refused", true, FAIL_REFUSED,
         HEDGE_NOBODY},
        {"out of time",
         "0 start 0 a first; 9 content 0; 9 commit 0; 500 cancel 0 total; 500 fail 0 total", true,
         FAIL_TOTAL, 0},
    };
    static const struct setting setting = {.own = 2, .attempts_max = 2, .total_ms = 500, FIXED_100};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct hedge h;
        run_script(&setting, rows[i].script, &h);
        EXPECT_EQ(h.over, rows[i].over);
        EXPECT_EQ(h.why, rows[i].why);
        EXPECT_EQ(h.winner, rows[i].winner);
    }
}

/* Every failure of the table, as the end of the only attempt: nothing is left unsaid. */
TEST(hedge_each_failure) {
    static const struct setting setting = {.own = 2, .attempts_max = 2, FIXED_100};
    for (int i = FAIL_NONE + 1; i < FAIL_COUNT; i++) {
        enum fail why = (enum fail)i;
        if (why == FAIL_LOST)
            continue;
        ROW("%s", fail_name(why));
        struct plan plan = plan_of(&setting);
        struct hedge h;
        hedge_init(&h, &plan, 0);
        EXPECT_EQ(hedge_next(&h, 0).what, HEDGE_START);
        hedge_on_end(&h, 0, why, MS(1));
        struct hedge_step step = hedge_next(&h, MS(1));
        EXPECT_EQ(step.what, fail_retry(why) ? HEDGE_START : HEDGE_FAIL);
        EXPECT_EQ(step.why, fail_retry(why) ? FAIL_NONE : why);
        hedge_check(&h);
    }
}

TEST(hedge_refuses_what_cannot_be) {
    static const struct setting setting = {.own = 2, .attempts_max = 2, FIXED_100};
    static const struct setting none = {.own = 0, .attempts_max = 2, FIXED_100};
    static const struct setting many = {.own = 2, .attempts_max = ATTEMPTS_MAX + 1, FIXED_100};
    struct plan plan = plan_of(&setting), empty = plan_of(&none), large = plan_of(&many);
    struct hedge h;
    EXPECT_ABORT(hedge_init(&h, &empty, 0));
    EXPECT_ABORT(hedge_init(&h, &large, 0));
    hedge_init(&h, &plan, 0);
    EXPECT_ABORT(hedge_on_content(&h, 0, 0)); /* not started */
    EXPECT_ABORT(hedge_on_end(&h, 0, FAIL_RESET, 0));
    EXPECT_EQ(hedge_next(&h, 0).what, HEDGE_START);
    EXPECT_ABORT(hedge_on_end(&h, 0, FAIL_NONE, 0)); /* whole, without content */
    EXPECT_ABORT(hedge_on_end(&h, 0, FAIL_LOST, 0)); /* to whom? */
    EXPECT_ABORT(hedge_on_head(&h, 1, 0));
    hedge_on_content(&h, 0, 0);
    EXPECT_ABORT(hedge_on_denied(&h, 0, 0));           /* it runs */
    EXPECT_ABORT(hedge_on_stall(&h, 0, FAIL_IDLE, 0)); /* it has not won */
    EXPECT_EQ(hedge_next(&h, 0).what, HEDGE_COMMIT);
    EXPECT_ABORT(hedge_on_stall(&h, 0, FAIL_POLICY, 0)); /* nobody may go on */
}

TEST(hedge_names) {
    EXPECT_STR(hedge_trigger_name(HEDGE_FIRST), "first");
    EXPECT_STR(hedge_trigger_name(HEDGE_DELAY), "delay");
    EXPECT_STR(hedge_trigger_name(HEDGE_FAILURE), "failure");
    EXPECT_STR(hedge_trigger_name(HEDGE_STALL), "stall");
    EXPECT_STR(hedge_do_name(HEDGE_COMMIT), "commit");
    EXPECT_STR(hedge_attempt_state_name(HEDGE_WHOLE), "whole");
}

/* ---- drawn requests: an exchange with scripted providers, and a bookkeeper beside it ---- */

enum { NEVER_HAPPENS = -1 };

/* What an attempt will do, drawn at its start; times in virtual ns. */
struct fate {
    int64_t head_ns, content_ns, end_ns; /* NEVER_HAPPENS: not */
    enum fail why;
};

struct sim {
    struct rand rand;
    struct plan plan;
    struct hedge hedge;
    uint64_t now_ns;
    unsigned denial_percent;
    struct fate fate[ATTEMPTS_MAX];
    const struct config_backend *backend[ATTEMPTS_MAX];
    bool live[ATTEMPTS_MAX], content[ATTEMPTS_MAX];
    unsigned starts, own_starts, ends, commits, fails;
    bool decided;      /* a final failure was reported while nobody had answered */
    unsigned expected; /* who must win if anybody does now; HEDGE_NOBODY */
    unsigned winner;
    bool winner_failed;      /* after its commit, and nobody has gone on for it */
    bool rescues;            /* winners that fail can be gone on for */
    bool rescuing, given_up; /* one has failed; and the next one's failure was final */
    unsigned stalls;
    uint32_t asked, denied, passed; /* bits of backends */
    bool no_more_delay;
};

static bool chance(struct sim *s, unsigned percent) { return rand_below(&s->rand, 100) < percent; }

/* Round numbers, so that many things happen in one turn. */
static int64_t soon(struct sim *s) {
    return (int64_t)(s->now_ns + MS(10 * rand_below(&s->rand, 40)));
}

static struct fate draw_fate(struct sim *s, bool may_hang) {
    static const enum fail ends[] = {
        FAIL_CONNECT, FAIL_RESET, FAIL_TLS,          FAIL_UPSTREAM_5XX, FAIL_RATE_LIMITED,
        FAIL_QUOTA,   FAIL_EMPTY, FAIL_OVERLOADED,   FAIL_CLOSED,       FAIL_REFUSED,
        FAIL_POLICY,  FAIL_POOL,  FAIL_UPSTREAM_AUTH};
    struct fate fate = {NEVER_HAPPENS, NEVER_HAPPENS, NEVER_HAPPENS, FAIL_NONE};
    if (chance(s, 80))
        fate.head_ns = soon(s);
    if (may_hang && chance(s, 20))
        return fate;
    if (chance(s, 50)) {
        fate.content_ns = soon(s);
        fate.end_ns = chance(s, 30) ? fate.content_ns : fate.content_ns + (int64_t)MS(100);
        fate.why = chance(s, 30) ? FAIL_RESET : FAIL_NONE;
    } else {
        fate.end_ns = soon(s);
        fate.why = ends[rand_below(&s->rand, countof(ends))];
    }
    return fate;
}

static void sim_init(struct sim *s, uint64_t seed) {
    memset(s, 0, sizeof *s);
    rand_init(&s->rand, seed);
    struct setting setting = {
        .own = 1 + (unsigned)rand_below(&s->rand, 5),
        .fallback = (unsigned)rand_below(&s->rand, 4),
        .attempts_max = 1 + (unsigned)rand_below(&s->rand, 5),
        .mode = (enum hedge_mode)rand_below(&s->rand, 4),
        .delay_ms = chance(s, 10) ? NO_DELAY : 10 * (unsigned)rand_below(&s->rand, 20),
        .first_token_ms = chance(s, 60) ? 100 + 10 * (unsigned)rand_below(&s->rand, 40) : 0,
        .head_ms = chance(s, 50) ? 10 * (unsigned)rand_below(&s->rand, 30) : 0,
        .total_ms = chance(s, 60) ? 10 * (unsigned)rand_below(&s->rand, 150) : 0,
    };
    setting.ejected = (unsigned)rand_below(&s->rand, setting.own + 1);
    setting.fallback_attempts = setting.fallback ? (unsigned)rand_below(&s->rand, 4) : 0;
    s->plan = plan_of(&setting);
    s->denial_percent = chance(s, 50) ? 0 : 40;
    s->rescues = chance(s, 50);
    s->expected = s->winner = HEDGE_NOBODY;
    s->now_ns = MS(rand_below(&s->rand, 1000));
    hedge_init(&s->hedge, &s->plan, s->now_ns);
}

/* ---- the bookkeeper: what hedge.h promises, told again from outside ---- */

static unsigned live_count(const struct sim *s) {
    unsigned count = 0;
    for (unsigned k = 0; k < ATTEMPTS_MAX; k++)
        count += s->live[k];
    return count;
}

static void book_start(struct sim *s, const struct hedge_step *step) {
    const struct config_backend *backend = hedge_backend(&s->hedge, step->attempt);
    unsigned b = (unsigned)(backend - backends);
    bool own = b < s->plan.own_count;
    EXPECT_EQ(step->attempt, s->starts);
    EXPECT((s->commits == 0 || s->rescuing) && s->fails == 0 && !s->decided);
    EXPECT(b < s->plan.backend_count);
    EXPECT((step->trigger == HEDGE_STALL) == s->rescuing);
    if (s->rescuing)
        EXPECT(live_count(s) == 0 && !(s->asked >> b & 1) && !s->given_up);
    for (unsigned k = 0; k < s->starts; k++)
        EXPECT(!(s->live[k] && s->backend[k] == backend)); /* never twice at a time */
    EXPECT((step->trigger == HEDGE_FIRST) == (s->starts == 0));
    if (step->trigger == HEDGE_DELAY) {
        EXPECT(b < s->plan.own_count - s->plan.ejected_count);
        EXPECT(!(s->asked >> b & 1));
        EXPECT(s->plan.mode != HEDGE_MODE_OFF && !s->no_more_delay && live_count(s) > 0);
    }
    EXPECT(own || live_count(s) == 0);
    s->backend[step->attempt] = backend;
    if (step->trigger == HEDGE_DELAY)
        EXPECT(!(s->passed >> b & 1));
    if (step->trigger == HEDGE_DELAY && chance(s, s->denial_percent)) {
        s->passed |= UINT32_C(1) << b;
        bool more = hedge_on_passed(&s->hedge, step->attempt, s->now_ns);
        uint32_t usable = (UINT32_C(1) << (s->plan.own_count - s->plan.ejected_count)) - 1;
        EXPECT_EQ(more, (usable & ~s->asked & ~s->denied & ~s->passed) != 0);
        return;
    }
    if (chance(s, s->denial_percent)) {
        hedge_on_denied(&s->hedge, step->attempt, s->now_ns);
        s->no_more_delay |= step->trigger == HEDGE_DELAY;
        s->denied |= step->trigger == HEDGE_DELAY ? 0 : UINT32_C(1) << b;
        return;
    }
    EXPECT(!(s->denied >> b & 1));
    s->asked |= UINT32_C(1) << b;
    s->starts++;
    s->own_starts += own;
    s->live[step->attempt] = true;
    EXPECT(s->own_starts <= s->plan.attempts_max);
    EXPECT(s->starts <= s->plan.attempts_max + s->plan.fallback_attempts);
    bool limited = s->plan.timeouts.first_token_ns || s->plan.timeouts.total_ns;
    s->fate[step->attempt] = draw_fate(s, limited);
}

static void book_cancel(struct sim *s, const struct hedge_step *step) {
    EXPECT(step->attempt < s->starts && s->live[step->attempt]);
    s->live[step->attempt] = false;
    s->ends++;
    switch ((int)step->why) {
    case FAIL_LOST: EXPECT(s->commits >= 1 || s->decided); break;
    case FAIL_TOTAL:
        EXPECT(s->now_ns >= s->hedge.begin_ns + s->plan.timeouts.total_ns);
        s->decided |= s->commits == 0;
        s->winner_failed |= s->commits >= 1 && step->attempt == s->winner;
        break;
    case FAIL_FIRST_TOKEN:
        EXPECT(s->plan.timeouts.first_token_ns && !s->content[step->attempt]);
        break;
    case FAIL_HEAD_TIMEOUT: EXPECT(s->plan.timeouts.head_ns && !s->content[step->attempt]); break;
    default: FAIL_TEST("cancelled for %s", fail_name(step->why));
    }
}

static void book_commit(struct sim *s, const struct hedge_step *step) {
    EXPECT_EQ(step->attempt, s->expected);
    EXPECT(s->content[step->attempt]);
    s->winner = step->attempt;
    s->commits++;
    s->rescuing = s->winner_failed = false;
}

static void book_fail(struct sim *s, const struct hedge_step *step) {
    s->fails++;
    EXPECT_EQ(live_count(s), 0);
    if (s->commits > 0) {
        EXPECT_EQ(step->attempt, s->winner);
        EXPECT(step->why == FAIL_TOTAL || step->why == s->fate[s->winner].why);
        return;
    }
    EXPECT(s->expected == HEDGE_NOBODY);
    EXPECT(step->why != FAIL_NONE && step->why != FAIL_LOST);
    EXPECT(step->attempt == HEDGE_NOBODY || step->attempt < s->starts);
    EXPECT(s->decided || step->why == FAIL_TOTAL || fail_retry(step->why) ||
           step->why == FAIL_OVERLOAD);
}

/* Asks until WAIT, taking every step. Returns when to ask again. */
static uint64_t take_steps(struct sim *s) {
    /* Denials are reports in between: each backend can be denied once, or twice. */
    for (unsigned i = 0; i < 2 * ATTEMPTS_MAX + 2 * PLAN_BACKENDS_MAX + 1; i++) {
        struct hedge_step step = hedge_next(&s->hedge, s->now_ns);
        switch (step.what) {
        case HEDGE_WAIT: EXPECT(step.wake_ns > s->now_ns); return step.wake_ns;
        case HEDGE_START: book_start(s, &step); break;
        case HEDGE_CANCEL: book_cancel(s, &step); break;
        case HEDGE_COMMIT: book_commit(s, &step); break;
        case HEDGE_FAIL: book_fail(s, &step); break;
        }
        hedge_check(&s->hedge);
    }
    FAIL_TEST("it never says WAIT");
    return UINT64_MAX;
}

static void report_content(struct sim *s, unsigned k) {
    hedge_on_content(&s->hedge, k, s->now_ns);
    if (s->decided)
        return;
    s->content[k] = true;
    if (s->expected == HEDGE_NOBODY)
        s->expected = k;
}

/* Before the commit, of one that was asked to go on. */
static void rescuer_ended(struct sim *s, unsigned k) {
    enum fail why = s->fate[k].why;
    s->content[k] = false;
    if (s->expected == k)
        s->expected = HEDGE_NOBODY;
    s->given_up = !fail_retry(why) && why != FAIL_REFUSED;
}

static void report_stall(struct sim *s, unsigned k) {
    hedge_on_stall(&s->hedge, k, s->fate[k].why, s->now_ns);
    s->rescuing = s->winner_failed = true;
    s->given_up = false;
    s->stalls++;
    s->expected = HEDGE_NOBODY;
}

static void report_end(struct sim *s, unsigned k) {
    /* After a decision content is not taken any more, so that a good end is none either. */
    if (s->fate[k].why == FAIL_NONE && !s->content[k])
        return;
    if (k == s->winner && s->rescues && fail_rescue(s->fate[k].why))
        report_stall(s, k);
    else
        hedge_on_end(&s->hedge, k, s->fate[k].why, s->now_ns);
    s->live[k] = false;
    s->ends++;
    s->winner_failed |= k == s->winner && s->fate[k].why != FAIL_NONE;
    if (s->rescuing && k != s->winner && s->fate[k].why != FAIL_NONE)
        rescuer_ended(s, k);
    if (s->fate[k].why == FAIL_NONE || s->winner != HEDGE_NOBODY)
        return;
    if (s->expected == k) { /* broke off before the commit */
        s->expected = HEDGE_NOBODY;
        for (unsigned i = ATTEMPTS_MAX; i-- > 0;)
            if (i != k && s->content[i] && !(s->fate[i].why != FAIL_NONE && !s->live[i]))
                s->expected = i;
    }
    s->content[k] = false;
    if (s->expected == HEDGE_NOBODY && !fail_retry(s->fate[k].why))
        s->decided = true;
}

static bool due(int64_t at_ns, uint64_t now_ns) { return at_ns >= 0 && (uint64_t)at_ns <= now_ns; }

/* Reports what is due now, of a random attempt first. */
static void report_due(struct sim *s) {
    unsigned from = (unsigned)rand_below(&s->rand, ATTEMPTS_MAX);
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
        unsigned k = (from + i) % ATTEMPTS_MAX;
        if (s->live[k] && due(s->fate[k].head_ns, s->now_ns)) {
            hedge_on_head(&s->hedge, k, s->now_ns);
            s->fate[k].head_ns = NEVER_HAPPENS;
        }
        if (s->live[k] && due(s->fate[k].content_ns, s->now_ns)) {
            report_content(s, k);
            s->fate[k].content_ns = NEVER_HAPPENS;
        }
        if (s->live[k] && due(s->fate[k].end_ns, s->now_ns)) {
            report_end(s, k);
            s->fate[k].end_ns = NEVER_HAPPENS;
        }
        hedge_check(&s->hedge);
    }
}

static uint64_t next_report_ns(const struct sim *s) {
    uint64_t next = UINT64_MAX;
    for (unsigned k = 0; k < ATTEMPTS_MAX; k++) {
        const int64_t at[] = {s->fate[k].head_ns, s->fate[k].content_ns, s->fate[k].end_ns};
        for (size_t i = 0; s->live[k] && i < countof(at); i++)
            if (at[i] >= 0)
                next = min_u64(next, (uint64_t)at[i]);
    }
    return next;
}

static void sim_run(struct sim *s) {
    unsigned turns = 0;
    for (;;) {
        uint64_t wake_ns = take_steps(s);
        uint64_t next = min_u64(wake_ns, next_report_ns(s));
        if (next == UINT64_MAX)
            break;
        if (++turns > 200) {
            FAIL_TEST("it never ends");
            return;
        }
        /* Now and then the loop is late, and more is due at once. */
        s->now_ns = max_u64(s->now_ns, next) + (chance(s, 10) ? MS(30) : 0);
        report_due(s);
    }
    EXPECT(s->hedge.over);
    EXPECT(s->commits <= 1 + s->stalls);
    EXPECT_EQ(s->fails, s->commits == 0 || s->winner_failed);
    for (unsigned k = 0; k < s->starts; k++)
        EXPECT_EQ(s->hedge.attempts[k].state, HEDGE_ENDED);
    EXPECT_EQ(live_count(s), 0);
    EXPECT_EQ(s->ends, s->starts); /* each ended or was cancelled, once */
    EXPECT_EQ(s->hedge.running, 0);
    EXPECT_EQ(hedge_next(&s->hedge, s->now_ns + MS(1000000)).what, HEDGE_WAIT);
}

TEST(hedge_any_request) {
    unsigned commits = 0, fails = 0, starts = 0, rescued = 0, stalls = 0, seeds = 40000;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        ROW("seed %llu", (unsigned long long)seed);
        struct sim s;
        sim_init(&s, seed);
        sim_run(&s);
        commits += s.commits;
        fails += s.fails;
        starts += s.starts;
        stalls += s.stalls;
        rescued += s.commits > 1;
        if (test_state.failures)
            return;
    }
    ROW("all seeds");
    /* The draw must reach both ends often, or it proves little. */
    EXPECT(commits > seeds / 4 && fails > seeds / 4 && starts > seeds);
    EXPECT(stalls > seeds / 40 && rescued > seeds / 100);
}
