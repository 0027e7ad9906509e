/* test_openai_responses_request.c - what is read of a Responses request, what is refused, and the
 * edits for a backend of the same dialect, by rows. */
#include "providers/openai_responses.h"
#include "tests/unit/providers/openai_responses_tape.h"

static int read_request(struct tape *t, const char *body, struct chat_request *req,
                        struct span *why, struct span *param) {
    /* A private copy without a byte to spare. */
    size_t n = strlen(body);
    char *copy = arena_alloc(&t->arena, n);
    memcpy(copy, body, n);
    return RESPONSES->read_request(span_of(copy, n), &t->arena, req, why, param);
}

TEST(accepted) {
    static const struct {
        const char *name, *body, *model, *user;
        bool stream, tools;
        unsigned long long max;
    } rows[] = {
        {"text", "{\"model\":\"m\",\"input\":\"hi\"}", "m", "", false, false, 0},
        {"items",
         "{\"input\":[{\"role\":\"user\",\"content\":\"hi\"}],\"model\":\"m\",\"stream\":true}",
         "m", "", true, false, 0},
        {"escaped model", "{\"model\":\"a\\u002fb\",\"input\":\"\"}", "a/b", "", false, false, 0},
        {"all of it",
         "{\"model\":\"m\",\"input\":\"x\",\"stream\":null,\"tools\":[{\"type\":\"function\"}],"
         "\"max_output_tokens\":77,\"user\":\"u\",\"safety_identifier\":\"s\",\"background\":false,"
         "\"previous_response_id\":null,\"conversation\":null,\"prompt\":null,\"x\":[1,{}]}",
         "m", "s", false, true, 77},
        {"identifier before user",
         "{\"safety_identifier\":\"s\",\"user\":\"u\",\"model\":\"m\","
         "\"input\":\"x\",\"max_output_tokens\":null}",
         "m", "s", false, false, 0},
        {"empty tools", "{\"model\":\"m\",\"input\":\"x\",\"tools\":[],\"stream_options\":null}",
         "m", "", false, false, 0},
        {"stream options",
         "{\"model\":\"m\",\"input\":\"x\",\"stream\":true,\"stream_options\":{"
         "\"include_obfuscation\":false}}",
         "m", "", true, false, 0},
        {"a template instead of input", "{\"model\":\"m\",\"prompt\":{\"id\":\"pmpt_1\"}}", "m", "",
         false, false, 0},
        {"what is remembered instead of input",
         "{\"model\":\"m\",\"input\":[],\"previous_response_id\":\"resp_1\"}", "m", "", false,
         false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = tape_new(SPAN(""));
        struct chat_request req;
        struct span why, param;
        ROW("%s", rows[i].name);
        EXPECT_EQ(read_request(t, rows[i].body, &req, &why, &param), 0);
        EXPECT_BYTES(req.model.p, req.model.n, rows[i].model);
        EXPECT_BYTES(req.user.p, req.user.n, rows[i].user);
        EXPECT_EQ(req.stream, rows[i].stream);
        EXPECT_EQ(req.has_tools, rows[i].tools);
        EXPECT_EQ(req.max_output_tokens, rows[i].max);
        EXPECT(req.include_usage && req.choices == 1 && req.input_tokens_estimate >= 1);
        tape_free(t);
    }
}

TEST(refused) {
    static const struct {
        const char *name, *body, *param, *why; /* why: a part of it */
    } rows[] = {
        {"no JSON", "{\"model\":", "", "not valid JSON"},
        {"no object", "[]", "", "not a JSON object"},
        {"behind the end", "{\"model\":\"m\",\"input\":\"x\"}}", "", "not valid JSON"},
        {"no model", "{\"input\":\"x\"}", "model", "missing"},
        {"model of another kind", "{\"model\":5,\"input\":\"x\"}", "model", "as a string"},
        {"empty model", "{\"model\":\"\",\"input\":\"x\"}", "model", "as a string"},
        {"no input", "{\"model\":\"m\"}", "input", "missing"},
        {"null input", "{\"model\":\"m\",\"input\":null}", "input", "missing"},
        {"empty input", "{\"model\":\"m\",\"input\":[]}", "input", "at least one"},
        {"input of another kind", "{\"model\":\"m\",\"input\":{}}", "input", "string or an array"},
        {"item of another kind", "{\"model\":\"m\",\"input\":[{\"role\":\"user\"},\"x\"]}",
         "input[1]", "object"},
        {"stream", "{\"model\":\"m\",\"input\":\"x\",\"stream\":1}", "stream", "true or false"},
        {"stream options", "{\"model\":\"m\",\"input\":\"x\",\"stream_options\":{\"a\":1}}",
         "stream_options", "\"stream\": true"},
        {"limit", "{\"model\":\"m\",\"input\":\"x\",\"max_output_tokens\":0}", "max_output_tokens",
         "whole number"},
        {"limit as text", "{\"model\":\"m\",\"input\":\"x\",\"max_output_tokens\":\"9\"}",
         "max_output_tokens", "whole number"},
        {"background", "{\"model\":\"m\",\"input\":\"x\",\"background\":true}", "background",
         "polled"},
        {"pair", "{\"model\":\"m\",\"input\":\"x\",\"model\":\"n\"}", "model", "twice"},
        {"pair, escaped", "{\"model\":\"m\",\"input\":\"x\",\"inpu\\u0074\":\"y\"}", "input",
         "twice"},
        {"response id", "{\"model\":\"m\",\"previous_response_id\":7}", "previous_response_id",
         "the id"},
        {"conversation", "{\"model\":\"m\",\"conversation\":{\"x\":1}}", "conversation", "the id"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = tape_new(SPAN(""));
        struct chat_request req;
        struct span why, param;
        ROW("%s", rows[i].name);
        EXPECT_EQ(read_request(t, rows[i].body, &req, &why, &param), -FAIL_BAD_REQUEST);
        EXPECT_BYTES(param.p, param.n, rows[i].param);
        EXPECT(span_search(why, span_str(rows[i].why)) < why.n);
        tape_free(t);
    }
}

TEST(stands_on_what_one_backend_knows) {
    static const struct {
        const char *members, *id;
        bool stateful;
    } rows[] = {
        {"\"input\":\"x\"", "", false},
        {"\"previous_response_id\":\"resp_1\",\"input\":\"x\"", "resp_1", true},
        {"\"previous_response_id\":\"re\\u0073p_1\"", "resp_1", true},
        {"\"input\":\"x\",\"previous_response_id\":\"\"", "", false},
        {"\"conversation\":\"conv_1\",\"input\":\"x\"", "conv_1", true},
        {"\"conversation\":{\"id\":\"conv_1\"}", "conv_1", true},
        {"\"conversation\":\"conv_1\",\"previous_response_id\":\"resp_1\"", "resp_1", true},
        {"\"previous_response_id\":\"resp_1\",\"conversation\":\"conv_1\"", "resp_1", true},
        {"\"prompt\":{\"id\":\"pmpt_1\"}", "", true},
        {"\"input\":[{\"type\":\"item_reference\",\"id\":\"msg_1\"}]", "", true},
        {"\"input\":[{\"role\":\"user\",\"content\":\"x\"},{\"id\":\"msg_1\"}]", "", true},
        {"\"input\":[{\"id\":\"msg_1\",\"type\":null}]", "", true},
        {"\"input\":[{\"id\":\"msg_1\",\"role\":\"user\",\"content\":\"x\"}]", "", false},
        {"\"input\":[{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[]}]", "", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = tape_new(SPAN(""));
        struct chat_request req;
        struct span why, param, id;
        char body[300];
        snprintf(body, sizeof body, "{\"model\":\"m\",%s}", rows[i].members);
        ROW("%s", rows[i].members);
        EXPECT_EQ(read_request(t, body, &req, &why, &param), 0);
        EXPECT_EQ(openai_responses_stateful(&req, &id), rows[i].stateful);
        EXPECT_BYTES(id.p, id.n, rows[i].id);
        tape_free(t);
    }
}

TEST(edits) {
    static const struct {
        const char *name, *body, *model;
        unsigned quirks;
        const char *edited;
    } rows[] = {
        {"streamed already, same model", "{\"model\":\"m\",\"stream\":true,\"input\":\"x\"}", "m",
         0, "{\"model\":\"m\",\"stream\":true,\"input\":\"x\"}"},
        {"not said", "{ \"model\" : \"m\" ,\"input\":\"x\",\"n\":1.50}", "b\"q", 0,
         "{\"stream\":true, \"model\" : \"b\\\"q\" ,\"input\":\"x\",\"n\":1.50}"},
        {"false, before the model", "{\"stream\":false,\"input\":\"x\",\"model\":\"m\"}", "b", 0,
         "{\"stream\":true,\"input\":\"x\",\"model\":\"b\"}"},
        {"null, behind the model", "{\"model\":\"m\",\"input\":\"x\",\"stream\":null}", "b", 0,
         "{\"model\":\"b\",\"input\":\"x\",\"stream\":true}"},
        {"reasoning of other makers is left out",
         "{\"model\":\"m\",\"input\":[{\"role\":\"user\", \"content\":\"q\"},{\"type\":"
         "\"reasoning\",\"encrypted_content\":\"hedgerow.none.\"} , {\"type\":\"reasoning\","
         "\"encrypted_content\":\"gAAA\"},{\"type\":\"reasoning\",\"encrypted_content\":"
         "\"hedgerow.anthropic.S\"}],\"stream\":false}",
         "b", 0,
         "{\"model\":\"b\",\"input\":[{\"role\":\"user\", \"content\":\"q\"},{\"type\":"
         "\"reasoning\",\"encrypted_content\":\"gAAA\"}],\"stream\":true}"},
        {"what only looks like it stays",
         "{\"model\":\"m\",\"stream\":true,\"input\":[{\"id\":\"x\",\"encrypted_content\":"
         "\"hedgerow.none.\"}]}",
         "m", 0,
         "{\"model\":\"m\",\"stream\":true,\"input\":[{\"id\":\"x\",\"encrypted_content\":"
         "\"hedgerow.none.\"}]}"},
        {"model in the path", "{\"model\":\"m\",\"input\":\"x\"}", "b", QUIRK_MODEL_IN_PATH,
         "{\"stream\":true,\"model\":\"m\",\"input\":\"x\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = tape_new(SPAN(""));
        struct chat_request req;
        struct chat_edit edits[CHAT_EDITS_MAX];
        struct span why, param;
        struct json_out out;
        size_t at = 0;
        ROW("%s", rows[i].name);
        REQUIRE(read_request(t, rows[i].body, &req, &why, &param) == 0);
        int count = RESPONSES->edit_request(&req, span_str(rows[i].model), rows[i].quirks,
                                            &t->arena, edits);
        json_out_arena(&out, &t->arena, 0);
        for (int e = 0; e < count; e++) {
            EXPECT(edits[e].at >= at);
            json_out_raw(&out, span_of(req.body.p + at, edits[e].at - at));
            json_out_raw(&out, edits[e].insert);
            at = edits[e].at + edits[e].remove;
        }
        json_out_raw(&out, span_from(req.body, at));
        EXPECT_STR(tape_text(&out), rows[i].edited);
        tape_free(t);
    }
}

static uint64_t prefix_of(const char *body) {
    struct tape *t = tape_new(SPAN(""));
    struct chat_request req;
    struct span why, param;
    EXPECT_EQ(read_request(t, body, &req, &why, &param), 0);
    uint64_t hash = req.prefix_hash;
    tape_free(t);
    return hash;
}

TEST(affinity) {
    uint64_t base =
        prefix_of("{\"model\":\"m\",\"instructions\":\"i\",\"input\":[{\"role\":\"user\","
                  "\"content\":\"a\"}]}");
    EXPECT_EQ(prefix_of("{\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\","
                        "\"content\":\"later\"}],\"instructions\":\"i\",\"model\":\"m\"}"),
              base);
    EXPECT(prefix_of("{\"model\":\"n\",\"instructions\":\"i\",\"input\":[{\"role\":\"user\","
                     "\"content\":\"a\"}]}") != base);
    EXPECT(prefix_of("{\"model\":\"m\",\"instructions\":\"j\",\"input\":[{\"role\":\"user\","
                     "\"content\":\"a\"}]}") != base);
    EXPECT(prefix_of("{\"model\":\"m\",\"instructions\":\"i\",\"input\":[{\"role\":\"user\","
                     "\"content\":\"b\"}]}") != base);
    EXPECT(
        prefix_of("{\"model\":\"m\",\"instructions\":\"i\",\"prompt_cache_key\":\"k\",\"input\":[{"
                  "\"role\":\"user\",\"content\":\"a\"}]}") != base);
}

TEST(estimate) {
    struct tape *t = tape_new(SPAN(""));
    struct chat_request req;
    struct span why, param;
    EXPECT_EQ(
        read_request(t,
                     "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":"
                     "\"input_text\",\"text\":\"0123456789012345678901234567890123456789\"},{"
                     "\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,"
                     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]"
                     "}]}",
                     &req, &why, &param),
        0);
    EXPECT_EQ(req.input_tokens_estimate, (40 + 10 + 11) / 4);
    tape_free(t);
}
