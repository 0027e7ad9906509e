/* test_anthropic_request.c - reading a client's Messages request, and editing it for a backend. */
#include "tests/unit/providers/test_anthropic_bench.h"

#define M "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define T "\"max_tokens\":9"

TEST(refuses_with_a_sentence_and_the_member) {
    static const struct {
        const char *body, *param, *why;
    } rows[] = {
        {"", "", "not valid JSON"},
        {"[1]", "", "not a JSON object"},
        {"{\"model\":\"m\"," T "," M, "", "not valid JSON"},
        {"{\"model\":\"m\"," T "," M "} x", "", "not valid JSON"},
        {"{}", "model", "missing"},
        {"{" T "," M "}", "model", "missing"},
        {"{\"model\":\"\"," T "," M "}", "model", "as a string"},
        {"{\"model\":4," T "," M "}", "model", "as a string"},
        {"{\"model\":\"a\",\"model\":\"b\"," T "," M "}", "model", "twice"},
        {"{\"model\":\"a\",\"\\u006dodel\":\"b\"," T "," M "}", "model", "twice"},
        {"{\"model\":\"m\"," M "}", "max_tokens", "missing"},
        {"{\"model\":\"m\",\"max_tokens\":null," M "}", "max_tokens", "whole number"},
        {"{\"model\":\"m\",\"max_tokens\":0," M "}", "max_tokens", "whole number"},
        {"{\"model\":\"m\",\"max_tokens\":1.5," M "}", "max_tokens", "whole number"},
        {"{\"model\":\"m\",\"max_tokens\":-1," M "}", "max_tokens", "whole number"},
        {"{\"model\":\"m\",\"max_tokens\":\"9\"," M "}", "max_tokens", "whole number"},
        {"{\"model\":\"m\"," T "," T "," M "}", "max_tokens", "twice"},
        {"{\"model\":\"m\"," T "}", "messages", "missing"},
        {"{\"model\":\"m\"," T ",\"messages\":[]}", "messages", "at least one"},
        {"{\"model\":\"m\"," T ",\"messages\":{}}", "messages", "an array"},
        {"{\"model\":\"m\"," T ",\"messages\":[1]}", "messages[0]", "an object"},
        {"{\"model\":\"m\"," T ",\"messages\":[{\"content\":\"x\"}]}", "messages[0].role",
         "missing"},
        {"{\"model\":\"m\"," T ",\"messages\":[{\"role\":\"user\"}]}", "messages[0].content",
         "missing"},
        {"{\"model\":\"m\"," T ",\"messages\":[{\"role\":\"user\",\"role\":\"x\"}]}",
         "messages[0].role", "twice"},
        {"{\"model\":\"m\"," T "," M ",\"stream\":1}", "stream", "true or false"},
        {"{\"model\":\"m\"," T "," M ",\"tools\":{}}", "tools", "an array"},
        {"{\"model\":\"m\"," T "," M ",\"system\":\"a\",\"system\":\"b\"}", "system", "twice"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct chat_request req = {0};
        bench_init(&b);
        ROW("%s", rows[i].body);
        EXPECT_EQ(dialect_anthropic.read_request(span_str(rows[i].body), &b.arena, &req, &b.why,
                                                 &b.param),
                  -FAIL_BAD_REQUEST);
        EXPECT_BYTES(b.param.p, b.param.n, rows[i].param);
        EXPECT(span_search(b.why, span_str(rows[i].why)) < b.why.n);
        EXPECT(span_ends(b.why, SPAN(".")));
        bench_fini(&b);
    }
}

TEST(reads_what_the_router_needs) {
    static const struct {
        const char *body, *model, *user;
        bool stream, tools;
        uint64_t max, estimate;
    } rows[] = {
        {"{\"model\":\"claude\"," T "," M "}", "claude", "", false, false, 9, 1},
        {" {\"stream\" : true, \"model\":\"c\\u006c\", \"max_tokens\" : 64 ," M "} ", "cl", "",
         true, false, 64, 1},
        {"{\"model\":\"m\"," T "," M ",\"metadata\":{\"user_id\":\"u1\"},\"tools\":[]}", "m", "u1",
         false, false, 9, 1},
        {"{\"model\":\"m\"," T "," M ",\"metadata\":{\"user_id\":null},\"tools\":[{\"a\":11}]}",
         "m", "", false, true, 9, 3},
        {"{\"model\":\"m\"," T ",\"system\":\"12345678\",\"messages\":[{\"role\":\"user\","
         "\"content\":[{\"type\":\"text\",\"text\":\"1234\"},{\"type\":\"image\",\"source\":{"
         "\"type\":\"base64\",\"media_type\":\"\",\"data\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}]}]}",
         "m", "", false, false, 9, 3},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct chat_request req = {.betas = SPAN("kept")};
        bench_init(&b);
        ROW("%s", rows[i].body);
        EXPECT_EQ(dialect_anthropic.read_request(span_str(rows[i].body), &b.arena, &req, &b.why,
                                                 &b.param),
                  0);
        EXPECT_BYTES(req.model.p, req.model.n, rows[i].model);
        EXPECT_BYTES(req.user.p, req.user.n, rows[i].user);
        EXPECT_BYTES(req.betas.p, req.betas.n, "kept");
        EXPECT_EQ(req.stream, rows[i].stream);
        EXPECT_EQ(req.has_tools, rows[i].tools);
        EXPECT_EQ(req.max_output_tokens, rows[i].max);
        EXPECT_EQ(req.input_tokens_estimate, rows[i].estimate);
        EXPECT_EQ(req.choices, 1);
        EXPECT(req.include_usage);
        bench_fini(&b);
    }
}

static uint64_t prefix_of(const char *body) {
    struct bench b;
    struct chat_request req = {0};
    bench_init(&b);
    EXPECT_EQ(dialect_anthropic.read_request(span_str(body), &b.arena, &req, &b.why, &b.param), 0);
    bench_fini(&b);
    return req.prefix_hash;
}

TEST(the_prefix_is_model_system_and_first_turn) {
    uint64_t base = prefix_of("{\"model\":\"m\"," T ",\"system\":\"s\"," M "}");
    EXPECT_EQ(prefix_of("{" M ",\"system\":\"s\"," T ",\"model\":\"m\"}"), base);
    EXPECT_EQ(prefix_of("{\"model\":\"m\"," T ",\"system\":\"s\",\"temperature\":1,\"messages\":[{"
                        "\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\","
                        "\"content\":\"x\"}]}"),
              base);
    EXPECT(prefix_of("{\"model\":\"n\"," T ",\"system\":\"s\"," M "}") != base);
    EXPECT(prefix_of("{\"model\":\"m\"," T ",\"system\":\"t\"," M "}") != base);
    EXPECT(prefix_of("{\"model\":\"m\"," T "," M "}") != base);
}

TEST(edits) {
    static const struct {
        const char *body, *model, *want;
        unsigned quirks;
    } rows[] = {
        /* nothing to do */
        {"{\"model\":\"m\"," T ",\"stream\":true," M "}", "m",
         "{\"model\":\"m\"," T ",\"stream\":true," M "}", 0},
        {"{ \"model\" : \"m\" ," T "," M ",\"x\": 1.0e0}", "claude\"5",
         "{\"stream\":true, \"model\" : \"claude\\\"5\" ," T "," M ",\"x\": 1.0e0}", 0},
        {"{\"model\":\"m\"," T ",\"stream\":false," M "}", "n",
         "{\"model\":\"n\"," T ",\"stream\":true," M "}", 0},
        {"{\"model\":\"m\"," T ",\"stream\":null," M "}", "m",
         "{\"model\":\"m\"," T ",\"stream\":true," M "}", 0},
        /* Vertex: the model goes, first, last and in the middle */
        {"{\"model\":\"m\"," T "," M "}", "n",
         "{\"anthropic_version\":\"vertex-2023-10-16\",\"stream\":true," T "," M "}",
         QUIRK_CLAUDE_ON_VERTEX},
        {"{ \"model\" : \"m\" , " T "," M "}", "n",
         "{\"anthropic_version\":\"vertex-2023-10-16\",\"stream\":true,  " T "," M "}",
         QUIRK_CLAUDE_ON_VERTEX},
        {"{" M " , \"model\":\"m\" , " T "}", "n",
         "{\"anthropic_version\":\"vertex-2023-10-16\",\"stream\":true," M " ,  " T "}",
         QUIRK_CLAUDE_ON_VERTEX},
        {"{" T "," M " ,\n\"model\":\"m\" }", "n",
         "{\"anthropic_version\":\"vertex-2023-10-16\",\"stream\":true," T "," M "  }",
         QUIRK_CLAUDE_ON_VERTEX},
        {"{" T "," M ",\"stream\":false,\"model\":\"m\"}", "n",
         "{\"anthropic_version\":\"vertex-2023-10-16\"," T "," M ",\"stream\":true}",
         QUIRK_CLAUDE_ON_VERTEX},
        {"{\"anthropic_version\":\"x\",\"model\":\"m\"," T ",\"stream\":true," M "}", "n",
         "{\"anthropic_version\":\"vertex-2023-10-16\"," T ",\"stream\":true," M "}",
         QUIRK_CLAUDE_ON_VERTEX},
        /* ... and the scope of cache marks, but not in the user's data */
        {"{\"model\":\"m\"," T ",\"stream\":true,\"system\":[{\"cache_control\":{\"type\":"
         "\"ephemeral\",\"scope\":\"global\"}},{\"cache_control\":{\"scope\":{},\"ttl\":\"1h\"}},{"
         "\"cache_control\":{ \"scope\":1 }},{\"cache_control\":null}],\"messages\":[{\"role\":"
         "\"assistant\",\"content\":[{\"input\":{\"cache_control\":{\"scope\":1}}}]}]}",
         "n",
         "{\"anthropic_version\":\"vertex-2023-10-16\"," T ",\"stream\":true,\"system\":[{"
         "\"cache_control\":{\"type\":\"ephemeral\"}},{\"cache_control\":{\"ttl\":\"1h\"}},{"
         "\"cache_control\":{  }},{\"cache_control\":null}],\"messages\":[{\"role\":"
         "\"assistant\",\"content\":[{\"input\":{\"cache_control\":{\"scope\":1}}}]}]}",
         QUIRK_CLAUDE_ON_VERTEX},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct chat_request req = {0};
        struct chat_edit edits[CHAT_EDITS_MAX];
        bench_init(&b);
        ROW("%s", rows[i].body);
        EXPECT_EQ(dialect_anthropic.read_request(span_str(rows[i].body), &b.arena, &req, &b.why,
                                                 &b.param),
                  0);
        int count = dialect_anthropic.edit_request(&req, span_str(rows[i].model), rows[i].quirks,
                                                   &b.arena, edits);
        struct span got = bench_apply(&b, req.body, edits, count);
        EXPECT_STR(got.p, rows[i].want);
        EXPECT_EQ(json_check(got, NULL, NULL), 0);
        bench_fini(&b);
    }
}

TEST(too_many_scopes_are_refused) {
    struct bench b;
    struct chat_request req = {0};
    struct chat_edit edits[CHAT_EDITS_MAX];
    struct json_out out;
    bench_init(&b);
    json_out_arena(&out, &b.arena, 0);
    json_out_raw(&out, SPAN("{\"model\":\"m\"," T "," M ",\"system\":[0"));
    for (int i = 0; i <= CHAT_EDITS_MAX; i++)
        json_out_raw(&out, SPAN(",{\"cache_control\":{\"scope\":1}}"));
    json_out_raw(&out, SPAN("]}"));
    EXPECT_EQ(dialect_anthropic.read_request(json_out_span(&out), &b.arena, &req, &b.why, &b.param),
              0);
    EXPECT_EQ(
        dialect_anthropic.edit_request(&req, SPAN("m"), QUIRK_CLAUDE_ON_VERTEX, &b.arena, edits),
        -FAIL_BAD_REQUEST);
    EXPECT(dialect_anthropic.edit_request(&req, SPAN("m"), 0, &b.arena, edits) == 1);
    bench_fini(&b);
}

TEST(counting_needs_no_limit_and_streams_nothing) {
    static const struct {
        const char *body, *want;
        unsigned quirks;
    } rows[] = {
        {"{\"model\":\"m\"," M "}", "{\"model\":\"n\"," M "}", 0},
        {"{" M ",\"model\":\"m\",\"system\":[]}", "{" M ",\"model\":\"n\",\"system\":[]}", 0},
        {"{\"model\":\"m\"," M "}",
         "{\"anthropic_version\":\"vertex-2023-10-16\",\"model\":\"n\"," M "}",
         QUIRK_CLAUDE_ON_VERTEX},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench b;
        struct chat_request req = {0};
        struct chat_edit edits[CHAT_EDITS_MAX];
        bench_init(&b);
        ROW("%s", rows[i].body);
        EXPECT_EQ(
            anthropic_read_count_request(span_str(rows[i].body), &b.arena, &req, &b.why, &b.param),
            0);
        int count = anthropic_edit_count(&req, SPAN("n"), rows[i].quirks, &b.arena, edits);
        EXPECT_STR(bench_apply(&b, req.body, edits, count).p, rows[i].want);
        bench_fini(&b);
    }
    struct bench b;
    struct chat_request req = {0};
    bench_init(&b);
    ROW("no model");
    EXPECT_EQ(anthropic_read_count_request(SPAN("{" M "}"), &b.arena, &req, &b.why, &b.param),
              -FAIL_BAD_REQUEST);
    EXPECT_BYTES(b.param.p, b.param.n, "model");
    bench_fini(&b);
}
