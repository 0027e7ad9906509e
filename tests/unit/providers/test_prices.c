/* test_prices.c - prices from a file in LiteLLM's format. */
#include "providers/prices.h"

#include <errno.h>

#include "core/base.h"
#include "core/slab.h"
#include "tests/test.h"

TEST(money_is_exact) {
    static const struct {
        const char *number;
        bool good;
        uint64_t pico;
    } rows[] = {
        {"1.25e-06", true, 1250000},
        {"1.25E-6", true, 1250000},
        {"0.00000125", true, 1250000},
        {"0", true, 0},
        {"0.0", true, 0},
        {"3e-07", true, 300000},
        {"1.5e-08", true, 15000},
        {"2.5e-13", true, 0},
        {"5e-13", true, 1},
        {"1", true, 1000000000000},
        {"1.0000001", false, 0},
        {"0.1", true, 100000000000},
        {"1e-99", true, 0},
        {"1e2", false, 0},
        {"0.000000299999999999999999999999999", true, 300000},
        {"-1e-06", false, 0},
        {"", false, 0},
        {"1e", false, 0},
        {"1.2.3", false, 0},
        {"abc", false, 0},
        {"1e-100", false, 0},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        uint64_t pico = 0;
        ROW("%s", rows[i].number);
        EXPECT_EQ(prices_pico(span_str(rows[i].number), &pico), rows[i].good);
        if (rows[i].good)
            EXPECT_EQ(pico, rows[i].pico);
    }
}

static const char file[] =
    "{\"sample_spec\":{\"input_cost_per_token\":0.0,\"notes\":[1,{}]},"
    "\"gpt-5.5\":{\"input_cost_per_token\":1.25e-06,\"output_cost_per_token\":1e-05,"
    "\"cache_read_input_token_cost\":1.25e-07,\"litellm_provider\":\"openai\"},"
    "\"azure/gpt-5.5\":{\"input_cost_per_token\":1.3e-06,\"output_cost_per_token\":1.1e-05},"
    "\"dall-e\":{\"input_cost_per_image\":0.04},"
    "\"gemini/gemini-3-pro\":{\"output_cost_per_token\":1.2e-05,\"input_cost_per_token\":2e-06},"
    "\"twice\":{\"input_cost_per_token\":1e-06,\"output_cost_per_token\":1e-06},"
    "\"twice\":{\"input_cost_per_token\":2e-06,\"output_cost_per_token\":2e-06},"
    "\"odd\":7}";

TEST(models_are_found_under_the_names_of_their_kind) {
    static const struct {
        const char *kind, *model;
        uint64_t input, cached, output; /* 0: not found */
    } rows[] = {
        {"openai", "gpt-5.5", 1250000, 125000, 10000000},
        {"azure", "gpt-5.5", 1300000, 1300000, 11000000},
        {"gemini", "gemini-3-pro", 2000000, 2000000, 12000000},
        {"vertex", "gemini-3-pro", 0, 0, 0},
        {"openai", "twice", 2000000, 2000000, 2000000},
        {"openai", "dall-e", 0, 0, 0},
        {"openai", "odd", 0, 0, 0},
        {"openai", "gpt-5", 0, 0, 0},
        {"vllm", "gpt-5.5", 0, 0, 0},
    };
    struct memory memory;
    struct arena arena;
    struct prices prices;
    size_t at;
    const char *why;
    memory_init(&memory, (size_t)1 << 20, 0);
    arena_init(&arena, &memory);
    REQUIRE(prices_read(span_str(file), &arena, &prices, &at, &why) == 0);
    EXPECT_EQ(prices.count, 5);
    EXPECT_EQ(prices.skipped, 3);
    for (unsigned i = 0; i < countof(rows); i++) {
        ROW("%s %s", rows[i].kind, rows[i].model);
        const struct price *price =
            prices_find(&prices, span_str(rows[i].kind), span_str(rows[i].model));
        EXPECT_EQ(price != NULL, rows[i].input != 0);
        if (!price)
            continue;
        EXPECT_EQ(price->input_pico, rows[i].input);
        EXPECT_EQ(price->cached_input_pico, rows[i].cached);
        EXPECT_EQ(price->output_pico, rows[i].output);
    }
    arena_fini(&arena);
    memory_fini(&memory);
}

TEST(broken_files_are_refused) {
    static const char *const rows[] = {"",
                                       "[]",
                                       "{",
                                       "{\"a\":{}",
                                       "{\"a\":{},}",
                                       "{\"a\":{}} x",
                                       "{\"a\":{\"input_cost_per_token\":}}"};
    for (unsigned i = 0; i < countof(rows); i++) {
        struct memory memory;
        struct arena arena;
        struct prices prices;
        size_t at;
        const char *why;
        memory_init(&memory, (size_t)1 << 20, 0);
        arena_init(&arena, &memory);
        ROW("%s", rows[i]);
        EXPECT_EQ(prices_read(span_str(rows[i]), &arena, &prices, &at, &why), -EINVAL);
        EXPECT(*why);
        arena_fini(&arena);
        memory_fini(&memory);
    }
}
