/* test_teach.c - whose times are samples. */
#include "appliance/race/teach.h"

#include "tests/test.h"
#include "tests/unit/race/race_fixture.h"

TEST(teach_whose_times_are_samples) {
    static const struct {
        const char *name;
        enum provider_service service;
        enum hedge_trigger trigger;
        bool taught;
    } rows[] = {{"chat", SERVICE_CHAT, HEDGE_FIRST, true},
                {"messages", SERVICE_MESSAGES, HEDGE_FIRST, true},
                {"a hedge", SERVICE_CHAT, HEDGE_DELAY, true},
                {"embeddings", SERVICE_EMBEDDINGS, HEDGE_FIRST, true},
                {"a rescue", SERVICE_CHAT, HEDGE_STALL, false},
                {"a count of tokens", SERVICE_COUNT_TOKENS, HEDGE_FIRST, false}};
    world_init();
    world_backend(world_model("m"), "a", NULL);
    struct learner *learner = learner_new(&world.config, 1, 0);
    static struct upstreams upstreams;
    static struct exchange exchange;
    static struct attempt attempt;
    learner_open(learner, &upstreams.batch);
    exchange.upstreams = &upstreams;
    attempt.exchange = &exchange;
    attempt.backend = &world.models[0].backends[0];
    exchange.attempts[0] = &attempt;
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        exchange.endpoint.service = rows[i].service;
        attempt.trigger = rows[i].trigger;
        upstreams.batch.count = 0;
        teach_content(&exchange, &attempt, 300 * NS_PER_MS);
        teach_cut(&exchange, &attempt, 300 * NS_PER_MS);
        EXPECT_EQ(upstreams.batch.count, rows[i].taught ? 2 : 0);
    }
    learner_close(&upstreams.batch);
    learner_free(&learner);
}
