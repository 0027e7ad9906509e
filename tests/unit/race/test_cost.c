/* test_cost.c - what attempts cost, by table. */
#include "tests/test.h"

#include "appliance/race/cost.h"

/* USD per million tokens 2, cached 0.5, output 10; the prompt is estimated at 100 tokens. */
static struct {
    struct exchange exchange;
    struct config_provider provider;
    struct config_backend backend;
    struct attempt attempt, winner;
} story;

static void begin(bool priced) {
    memset(&story, 0, sizeof story);
    story.exchange.req.input_tokens_estimate = 100;
    story.exchange.winner = &story.winner;
    story.backend.provider = &story.provider;
    if (priced)
        story.backend.price = (struct config_price){true, 2000000, 500000, 10000000};
    story.attempt.exchange = story.winner.exchange = &story.exchange;
    story.attempt.backend = story.winner.backend = &story.backend;
    story.winner.events = 7;
}

TEST(cost_by_how_it_ended) {
    static const struct {
        const char *what;
        bool sent;
        unsigned status;
        enum fail why;
        unsigned events;
        bool bills_on;
        unsigned winner_tokens; /* counted by its provider; 0: not */
        uint64_t tokens, pico;
    } rows[] = {
        {"no connection", false, 0, FAIL_CONNECT, 0, false, 0, 0, 0},
        {"lost before a connection", false, 0, FAIL_LOST, 0, true, 50, 0, 0},
        {"refused", true, 400, FAIL_REFUSED, 0, false, 0, 0, 0},
        {"rate limited", true, 429, FAIL_RATE_LIMITED, 0, false, 0, 0, 0},
        {"reset before an answer", true, 0, FAIL_RESET, 0, false, 0, 0, 0},
        {"lost before an answer", true, 0, FAIL_LOST, 0, false, 50, 0, 200000000},
        {"no first token in time", true, 0, FAIL_FIRST_TOKEN, 0, false, 50, 0, 200000000},
        {"lost after some tokens", true, 200, FAIL_LOST, 5, false, 50, 5, 250000000},
        {"lost, bills on", true, 200, FAIL_LOST, 5, true, 50, 50, 700000000},
        {"lost, bills on, winner not counted", true, 200, FAIL_LOST, 5, true, 0, 7, 270000000},
        {"lost, bills on, said more", true, 200, FAIL_LOST, 60, true, 50, 60, 800000000},
        {"broke off, bills on", true, 200, FAIL_INCOMPLETE, 5, true, 50, 5, 250000000},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        begin(true);
        story.attempt.connected_ns = rows[i].sent;
        story.attempt.status = rows[i].status;
        story.attempt.why = rows[i].why;
        story.attempt.events = rows[i].events;
        story.provider.cancel = rows[i].bills_on ? CANCEL_BILLS_ON : CANCEL_UNKNOWN;
        story.winner.reader.usage.known = rows[i].winner_tokens != 0;
        story.winner.reader.usage.output_tokens = rows[i].winner_tokens;
        struct cost cost = cost_of(&story.attempt);
        ROW("%s", rows[i].what);
        EXPECT(cost.priced);
        EXPECT_EQ(cost.output_tokens, rows[i].tokens);
        EXPECT_EQ(cost.pico, rows[i].pico);
    }
}

TEST(cost_by_what_the_provider_counted) {
    static const struct {
        struct chat_usage usage;
        uint64_t tokens, pico;
    } rows[] = {
        {{.known = true, .input_tokens = 10, .output_tokens = 20}, 20, 220000000},
        {{.known = true, .input_tokens = 10, .cached_tokens = 4, .output_tokens = 0}, 0, 14000000},
        /* More cached than there were: a provider's mistake must not become a negative price. */
        {{.known = true, .input_tokens = 10, .cached_tokens = 99, .output_tokens = 0}, 0, 5000000},
        /* What no model can have said is cut to COST_TOKENS_MAX. */
        {{.known = true, .input_tokens = UINT64_MAX, .output_tokens = UINT64_MAX},
         COST_TOKENS_MAX,
         COST_TOKENS_MAX * UINT64_C(12000000)},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        begin(true);
        story.attempt.reused = true;
        story.attempt.status = 200;
        story.attempt.events = 3;
        story.attempt.whole = true;
        story.attempt.reader.usage = rows[i].usage;
        struct cost cost = cost_of(&story.attempt);
        ROW("%u", i);
        EXPECT_EQ(cost.output_tokens, rows[i].tokens);
        EXPECT_EQ(cost.pico, rows[i].pico);
    }
}

/* Anthropic says "output_tokens":1 with the first event, Gemini 0: no count of an answer cut off. */
TEST(cost_of_a_count_that_was_a_beginning) {
    static const struct {
        enum fail why;
        bool bills_on;
        uint64_t counted, tokens;
    } rows[] = {
        {FAIL_IDLE, false, 1, 5},  {FAIL_IDLE, false, 9, 9}, {FAIL_LOST, false, 0, 5},
        {FAIL_IDLE, true, 1, 50},  {FAIL_LOST, true, 1, 50}, {FAIL_RESET, true, 1, 5},
        {FAIL_LOST, true, 60, 60},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        begin(true);
        story.provider.cancel = rows[i].bills_on ? CANCEL_BILLS_ON : CANCEL_UNKNOWN;
        story.winner.reader.usage = (struct chat_usage){.known = true, .output_tokens = 50};
        story.attempt.reused = true;
        story.attempt.status = 200;
        story.attempt.events = 5;
        story.attempt.why = rows[i].why;
        story.attempt.reader.usage = (struct chat_usage){
            .known = true, .input_tokens = 10, .output_tokens = rows[i].counted};
        ROW("%u", i);
        EXPECT_EQ(cost_of(&story.attempt).output_tokens, rows[i].tokens);
        EXPECT_EQ(cost_of(&story.attempt).pico, 20000000 + rows[i].tokens * 10000000);
    }
}

TEST(cost_that_was_wasted) {
    begin(true);
    EXPECT(cost_is_wasted(&story.attempt));
    EXPECT(!cost_is_wasted(&story.winner));
    story.attempt.delivered = true; /* it stalled, and another one went on behind it */
    EXPECT(!cost_is_wasted(&story.attempt));
}

TEST(cost_without_a_price) {
    begin(false);
    story.attempt.reused = true;
    story.attempt.status = 200;
    story.attempt.events = 3;
    struct cost cost = cost_of(&story.attempt);
    EXPECT(!cost.priced);
    EXPECT_EQ(cost.output_tokens, 3);
    EXPECT_EQ(cost.pico, 0);
}

TEST(cost_without_a_winner) {
    begin(true);
    story.exchange.winner = NULL;
    story.provider.cancel = CANCEL_BILLS_ON;
    story.attempt.reused = true;
    story.attempt.status = 200;
    story.attempt.why = FAIL_CANCELLED;
    story.attempt.events = 3;
    EXPECT_EQ(cost_of(&story.attempt).pico, 230000000);
}
