/* test_anthropic_prompt.c - a client's Messages body as a canonical prompt, and canonical prompts as
 * bodies for a backend. */
#include <assert.h>

#include "tests/unit/providers/test_anthropic_bench.h"

#define OLD    (MODEL_CLAUDE | MODEL_THINKS | MODEL_ONE_SAMPLER)
#define EFFORT (OLD | MODEL_EFFORT | MODEL_SCHEMA)
#define NEW                                                                                 \
    (MODEL_CLAUDE | MODEL_THINKS | MODEL_NO_SAMPLING | MODEL_ADAPTIVE_ONLY | MODEL_SCHEMA | \
     MODEL_EFFORT | MODEL_NO_PREFILL)

struct written {
    struct bench bench;
    struct chat_prompt prompt;
    struct chat_losses losses;
    struct json_out out;
    int rc;
};

static void write_it(struct written *w, unsigned facts, unsigned quirks, bool stream) {
    struct model_facts model = {.max_output_tokens = 4096, .facts = facts};
    struct chat_spell spell = {.model = SPAN("claude"),
                               .quirks = quirks,
                               .facts = &model,
                               .stream = stream,
                               .losses = &w->losses};
    json_out_arena(&w->out, &w->bench.arena, 0);
    w->rc = dialect_anthropic.write_prompt(&w->prompt, &spell, &w->bench.arena, &w->out);
    if (w->rc == 0)
        EXPECT_EQ(json_check(json_out_span(&w->out), NULL, NULL), 0);
}

/* A Messages body with these members, read and written again. */
static struct written *again(const char *members, unsigned facts, unsigned quirks, bool lenient) {
    struct written *w = calloc(1, sizeof *w);
    struct chat_request req = {0};
    char body[8000];
    bench_init(&w->bench);
    w->losses.lenient = lenient;
    snprintf(body, sizeof body, "{\"model\":\"m\",%s%s}",
             strstr(members, "max_tokens") ? "" : "\"max_tokens\":2000,", members);
    struct span text = arena_copy(&w->bench.arena, span_str(body));
    w->rc =
        dialect_anthropic.read_request(text, &w->bench.arena, &req, &w->bench.why, &w->bench.param);
    EXPECT_EQ(w->rc, 0);
    if (w->rc == 0)
        w->rc = dialect_anthropic.read_prompt(&req, &w->bench.arena, &w->prompt, &w->bench.why,
                                              &w->bench.param);
    if (w->rc == 0)
        write_it(w, facts, quirks, req.stream);
    return w;
}

static void written_free(struct written *w) {
    bench_fini(&w->bench);
    free(w);
}

#define M     "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define M_OUT "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}]"
#define BEGIN "{\"model\":\"claude\",\"max_tokens\":2000,"
#define CALLS                                                                                    \
    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]},{"       \
    "\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\","    \
    "\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":" \
    "\"t\"}]}]"
#define F_TOOL "\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}]"

TEST(bodies_come_out_as_they_went_in) {
    static const struct {
        const char *in, *out; /* out NULL: the same */
        unsigned facts, quirks;
    } rows[] = {
        {M_OUT, NULL, OLD, 0},
        {M, M_OUT, OLD, 0},
        {M_OUT ",\"stream\":true", NULL, OLD, 0},
        {M_OUT ",\"system\":\"\\u00e9\\n\"",
         M_OUT ",\"system\":[{\"type\":\"text\",\"text\":\"\\u00e9\\n\"}]", OLD, 0},
        {M_OUT
         ",\"system\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":"
         "\"ephemeral\"}},{\"type\":\"text\",\"text\":\" \"},{\"type\":\"text\",\"text\":\"b\","
         "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]",
         M_OUT ",\"system\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":"
               "\"ephemeral\"}},{\"type\":\"text\",\"text\":\"b\","
               "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]",
         OLD, 0},
        {M_OUT ",\"system\":\" \\n\"", M_OUT, OLD, 0},
        /* images and documents */
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":"
         "\"base64\",\"media_type\":\"image/"
         "png\",\"data\":\"AA==\"}},{\"type\":\"image\",\"source\":"
         "{\"type\":\"url\",\"url\":\"https://x/y\"},\"cache_control\":{\"type\":\"ephemeral\"}},{"
         "\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\","
         "\"data\":\"AA==\"},\"title\":\"t\"},{\"type\":\"document\",\"source\":{\"type\":\"text\","
         "\"media_type\":\"text/plain\",\"data\":\"a\\nb\"}},{\"type\":\"document\",\"source\":{"
         "\"type\":\"url\",\"url\":\"https://x\"}}]}]",
         NULL, OLD, 0},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":"
         "\"url\",\"url\":\"data:image/gif;base64,R0lG\"}}]}]",
         "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":"
         "\"base64\",\"media_type\":\"image/gif\",\"data\":\"R0lG\"}}]}]",
         OLD, 0},
        /* tools, thinking, results with parts */
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]},{"
         "\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"h\\\"m\","
         "\"signature\":\"S=\"},{\"type\":\"redacted_thinking\",\"data\":\"R=\"},{\"type\":"
         "\"text\","
         "\"text\":\"b\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"x\":1.0}"
         "},"
         "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\","
         "\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":[{\"type\":"
         "\"text\",\"text\":\"r\"},{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
         "\"https://"
         "x\"}}],\"is_error\":true,\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":"
         "\"tool_result\",\"tool_use_id\":\"t2\"},{\"type\":\"text\",\"text\":\"c\"}]}],"
         "\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\"},"
         "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"5m\"}}],\"tool_choice\":{\"type\":"
         "\"auto\",\"disable_parallel_tool_use\":true}",
         NULL, OLD, 0},
        /* text before its results, results of two messages, an assistant in pieces */
        {"\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":["
         "{"
         "\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}]},{\"role\":"
         "\"assistant\","
         "\"content\":[{\"type\":\"tool_use\",\"id\":\"u\",\"name\":\"f\",\"input\":{}}]},{"
         "\"role\":"
         "\"user\",\"content\":[{\"type\":\"text\",\"text\":\"b\"},{\"type\":\"tool_result\","
         "\"tool_use_id\":\"t\",\"content\":\"r\"}]},{\"role\":\"user\",\"content\":[{\"type\":"
         "\"tool_result\",\"tool_use_id\":\"u\",\"content\":\"s\"}]}]",
         "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]},{"
         "\"role\":"
         "\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{"
         "}},{"
         "\"type\":\"tool_use\",\"id\":\"u\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\","
         "\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":"
         "\"text\","
         "\"text\":\"r\"}]},{\"type\":\"tool_result\",\"tool_use_id\":\"u\",\"content\":[{\"type\":"
         "\"text\",\"text\":\"s\"}]},{\"type\":\"text\",\"text\":\"b\"}]}]",
         OLD, 0},
        /* blank texts and turns go, and neighbours are joined */
        {"\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
         "\""
         " \\n\\t\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\"},{\"type\":"
         "\"text\",\"text\":\"b\"}]}]",
         "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{"
         "\"type\":"
         "\"text\",\"text\":\"b\"}]}]",
         OLD, 0},
        /* a prefill loses the blanks at its end, not its backslashes */
        {"\"messages\":[{\"role\":\"user\",\"content\":\"a \"},{\"role\":\"assistant\",\"content\":"
         "\"x\\\\n\\\\\\n \\u000A\\t\"}]",
         "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a \"}]},{"
         "\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"x\\\\n\\\\\"}]}]",
         OLD, 0},
        /* a prefill of nothing but white space is none, however it is written */
        {"\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
         "\"\\u0020\\u000d \"}]",
         "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}]", OLD,
         0},
        /* a system turn in mid-conversation */
        {"\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":"
         "\"system\","
         "\"content\":\"t\"},{\"role\":\"user\",\"content\":\"b\"}]",
         "\"system\":[{\"type\":\"text\",\"text\":\"s\"},{\"type\":\"text\",\"text\":\"t\"}],"
         "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{"
         "\"type\":"
         "\"text\",\"text\":\"b\"}]}]",
         OLD, 0},
        /* choices of tools */
        {M_OUT "," F_TOOL ",\"tool_choice\":{\"type\":\"any\"}", NULL, OLD, 0},
        {M_OUT "," F_TOOL ",\"tool_choice\":{\"type\":\"none\"}", NULL, OLD, 0},
        {M_OUT "," F_TOOL ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\","
               "\"disable_parallel_tool_use\":true}",
         NULL, OLD, 0},
        {M_OUT ",\"tool_choice\":{\"type\":\"auto\"}", M_OUT, OLD, 0},
        {M_OUT
         ",\"tools\":[{\"type\":\"custom\",\"name\":\"f\",\"input_schema\":{},\"strict\":true,"
         "\"defer_loading\":false}]",
         M_OUT ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"strict\":true}]", EFFORT, 0},
        {M_OUT
         ",\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\",\"max_uses\":1}]",
         NULL, OLD, 0},
        /* sampling */
        {M_OUT ",\"temperature\":0.50,\"top_k\":7,\"stop_sequences\":[\"a\\n\",\"b\"]", NULL, OLD,
         0},
        {M_OUT ",\"temperature\":1.0,\"top_p\":0.9", M_OUT ",\"top_p\":0.9", OLD, 0},
        {M_OUT ",\"temperature\":1,\"top_p\":1", M_OUT, NEW, 0},
        /* reasoning */
        {M_OUT ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1500}", NULL, OLD, 0},
        {M_OUT ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":9000}",
         M_OUT ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1999}", OLD, 0},
        {M_OUT ",\"thinking\":{\"type\":\"disabled\"}", NULL, OLD, 0},
        {M_OUT ",\"thinking\":{\"type\":\"disabled\"}", M_OUT, MODEL_CLAUDE, 0},
        {M_OUT
         ",\"thinking\":{\"type\":\"adaptive\",\"display\":\"summarized\"},\"output_config\":{"
         "\"effort\":\"xhigh\"}",
         NULL, NEW, 0},
        {M_OUT ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":4096}",
         M_OUT ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"high\"}", NEW,
         0},
        {M_OUT ",\"thinking\":{\"type\":\"adaptive\"}",
         M_OUT ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1999}", OLD, 0},
        {M_OUT ",\"output_config\":{\"effort\":\"low\"}",
         M_OUT ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},\"output_config\":{"
               "\"effort\":\"low\"}",
         EFFORT, 0},
        {M_OUT ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},\"top_p\":0.96", NULL,
         OLD, 0},
        /* the last calls came without signed reasoning */
        {CALLS ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}", CALLS, OLD, 0},
        {CALLS ",\"thinking\":{\"type\":\"adaptive\"}", NULL, NEW, 0},
        /* the form of the answer */
        {M_OUT ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"a\":1}}}",
         NULL, EFFORT, 0},
        /* hints */
        {M_OUT ",\"metadata\":{\"user_id\":\"u\"},\"service_tier\":\"standard_only\","
               "\"cache_control\":{\"type\":\"ephemeral\"}",
         M_OUT ",\"metadata\":{\"user_id\":\"u\"},\"service_tier\":\"standard_only\"", OLD, 0},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char want[8000];
        ROW("%zu: %s", i, rows[i].in);
        struct written *w = again(rows[i].in, rows[i].facts, rows[i].quirks, false);
        EXPECT_EQ(w->rc, 0);
        snprintf(want, sizeof want, BEGIN "%s}", rows[i].out ? rows[i].out : rows[i].in);
        if (w->rc == 0)
            EXPECT_JSON(json_out_span(&w->out), span_str(want));
        else
            FAIL_TEST("%.*s: %.*s", (int)w->losses.field.n, w->losses.field.p, (int)w->losses.why.n,
                      w->losses.why.p);
        EXPECT_EQ(w->losses.count, 0);
        written_free(w);
    }
}

TEST(on_vertex_the_model_is_in_the_path) {
    struct written *w =
        again(M ",\"service_tier\":\"auto\",\"stream\":true", OLD, QUIRK_CLAUDE_ON_VERTEX, false);
    EXPECT_EQ(w->rc, 0);
    EXPECT_JSON(json_out_span(&w->out),
                SPAN("{\"anthropic_version\":\"vertex-2023-10-16\",\"max_tokens\":2000," M_OUT
                     ",\"stream\":true}"));
    written_free(w);
}

/* What cannot be said is refused by name, and in lenient mode left out and named. */
TEST(what_is_lost_is_said) {
    static const struct {
        const char *in, *field, *out; /* out: in lenient mode */
        unsigned facts, quirks;
    } rows[] = {
        {M ",\"moon\":1", "moon", M_OUT, OLD, 0},
        {M ",\"container\":\"c\"", "container", M_OUT, OLD, 0},
        {M ",\"inference_geo\":\"us\"", "inference_geo", M_OUT, OLD, 0},
        {M ",\"mcp_servers\":[{}]", "mcp_servers", M_OUT, OLD, 0},
        {M ",\"output_config\":{\"task_budget\":{}}", "output_config.task_budget", M_OUT, OLD, 0},
        {M ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"defer_loading\":true}]",
         "tools[0].defer_loading", M_OUT ",\"tools\":[{\"name\":\"f\",\"input_schema\":{}}]", OLD,
         0},
        {M ",\"tools\":[{\"name\":\"f.g\",\"input_schema\":{}}]", "tools[0]", M_OUT, OLD, 0},
        {M ",\"tools\":[{\"type\":\"web_search_preview\"}]", "tools[0]", M_OUT, OLD, 0},
        {M ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"strict\":true}]", "tools[0].strict",
         M_OUT ",\"tools\":[{\"name\":\"f\",\"input_schema\":{}}]", OLD, 0},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"},{"
         "\"type\":"
         "\"container_upload\",\"file_id\":\"x\"}]}]",
         "messages[0].content[1]", M_OUT, OLD, 0},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"},{"
         "\"type\":"
         "\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x\"}}]}]",
         "messages[0].content[1]", M_OUT, OLD, QUIRK_NO_REMOTE_IMAGES},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"},{"
         "\"type\":"
         "\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
         "tiff\",\"data\":\"AA\"}}]}]",
         "messages[0].content[1]", M_OUT, OLD, 0},
        {"\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":"
         "\"So\"},{\"role\":\"assistant\",\"content\":\"...\"}]",
         "messages[1]", M_OUT, NEW, 0},
        {"\"messages\":[{\"role\":\"user\",\"content\":\" \"}]", "messages",
         "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\".\"}]}]", OLD,
         0},
        {M ",\"temperature\":1.5", "temperature", M_OUT, OLD, 0},
        {M ",\"temperature\":1.5,\"top_p\":0.5", "temperature", M_OUT ",\"top_p\":0.5", OLD, 0},
        {M ",\"temperature\":0.5", "temperature", M_OUT, NEW, 0},
        {M ",\"top_k\":1", "top_k", M_OUT, NEW, 0},
        {M ",\"temperature\":0.5,\"top_p\":0.5", "top_p", M_OUT ",\"temperature\":0.5", OLD, 0},
        {M ",\"stop_sequences\":[\"\\n\",\"a\"]", "stop_sequences",
         M_OUT ",\"stop_sequences\":[\"a\"]", OLD, 0},
        {M ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}",
         "output_config.format", M_OUT, OLD, 0},
        {M ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}",
         "output_config.format", M_OUT, NEW, QUIRK_NO_SCHEMA},
        {M ",\"thinking\":{\"type\":\"adaptive\"}", "thinking", M_OUT, MODEL_CLAUDE, 0},
        {M ",\"thinking\":{\"type\":\"disabled\"}", "thinking", M_OUT,
         MODEL_CLAUDE | MODEL_THINKS | MODEL_NO_THINK_OFF, 0},
        {M ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}," F_TOOL
           ",\"tool_choice\":{\"type\":\"any\"}",
         "thinking", M_OUT "," F_TOOL ",\"tool_choice\":{\"type\":\"any\"}", OLD, 0},
        {M ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},\"temperature\":0.1",
         "temperature", M_OUT ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}", OLD,
         0},
        {"\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":"
         "\"So\"}],\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}",
         "thinking",
         "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]},{"
         "\"role\":"
         "\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"So\"}]}]",
         OLD, 0},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char want[4000];
        ROW("%zu: %s", i, rows[i].in);
        struct written *w = again(rows[i].in, rows[i].facts, rows[i].quirks, false);
        EXPECT_EQ(w->rc, -FAIL_UNSUPPORTED);
        EXPECT_BYTES(w->losses.field.p, w->losses.field.n, rows[i].field);
        EXPECT(w->losses.why.n > 0);
        written_free(w);
        w = again(rows[i].in, rows[i].facts, rows[i].quirks, true);
        EXPECT_EQ(w->rc, 0);
        EXPECT_EQ(w->losses.count, 1);
        EXPECT_BYTES(w->losses.names[0].p, w->losses.names[0].n, rows[i].field);
        snprintf(want, sizeof want, BEGIN "%s}", rows[i].out);
        EXPECT_JSON(json_out_span(&w->out), span_str(want));
        written_free(w);
    }
}

TEST(every_unknown_member_of_a_block_is_said) {
    struct written *w = again(
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"moon\":1,\"text\":"
        "\"Hi\",\"sun\":2,\"dark\":false,\"void\":null}]}]",
        OLD, 0, true);
    EXPECT_EQ(w->rc, 0);
    EXPECT_EQ(w->losses.count, 2);
    EXPECT_BYTES(w->losses.names[0].p, w->losses.names[0].n, "messages[0].content[0].moon");
    EXPECT_BYTES(w->losses.names[1].p, w->losses.names[1].n, "messages[0].content[0].sun");
    EXPECT_JSON(json_out_span(&w->out), SPAN(BEGIN M_OUT "}"));
    written_free(w);
}

TEST(small_limits_leave_no_room_to_think) {
    struct written *w = again("\"max_tokens\":1024," M
                              ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}",
                              OLD, 0, false);
    EXPECT_EQ(w->rc, -FAIL_UNSUPPORTED);
    EXPECT_BYTES(w->losses.field.p, w->losses.field.n, "thinking");
    written_free(w);
}

TEST(what_read_request_let_pass_is_refused) {
    static const struct {
        const char *in, *param;
    } rows[] = {
        {"\"messages\":[{\"role\":\"moon\",\"content\":\"a\"}]", "messages[0].role"},
        {"\"messages\":[{\"role\":\"user\",\"content\":7}]", "messages[0].content"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[7]}]", "messages[0].content[0]"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{}]}]", "messages[0].content[0]"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]",
         "messages[0].content[0].text"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]",
         "messages[0].content[0].source"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":"
         "\"base64\",\"data\":\"A\"}}]}]",
         "messages[0].content[0].source.media_type"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":"
         "\"url\",\"url\":\"a\\\"b\"}}]}]",
         "messages[0].content[0].source.url"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":"
         "\"base64\",\"media_type\":\";base64,g\",\"data\":\"A\"}}]}]",
         "messages[0].content[0].source.media_type"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"source\":{"
         "\"type\":"
         "\"base64\",\"media_type\":\"pdf\",\"data\":\"A\"}}]}]",
         "messages[0].content[0].source.media_type"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"source\":{"
         "\"type\":"
         "\"text\",\"media_type\":\"text/html\",\"data\":\"A\"}}]}]",
         "messages[0].content[0].source.media_type"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"source\":{"
         "\"type\":"
         "\"text\",\"media_type\":\"text/plain\",\"data\":1}}]}]",
         "messages[0].content[0].source.data"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":"
         "\"url\",\"url\":\"data:image/png,A\"}}]}]",
         "messages[0].content[0].source.url"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\"}]}]",
         "messages[0].content[0].tool_use_id"},
        {"\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"a\"}]}"
         "]",
         "messages[0].content[0].name"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\","
         "\"cache_control\":1}]}]",
         "messages[0].content[0].cache_control"},
        {M ",\"system\":7", "system"},
        {M ",\"output_config\":{\"effort\":\"a\\\"b\"}", "output_config.effort"},
        {M ",\"temperature\":\"1\"", "temperature"},
        {M ",\"stop_sequences\":[1]", "stop_sequences"},
        {M ",\"tools\":[1]", "tools[0]"},
        {M ",\"tools\":[{\"input_schema\":{}}]", "tools[0].name"},
        {M ",\"tools\":[{\"name\":\"f\",\"input_schema\":1}]", "tools[0].input_schema"},
        {M ",\"tool_choice\":{\"type\":\"x\"}", "tool_choice"},
        {M ",\"tool_choice\":{\"type\":\"tool\"}", "tool_choice.name"},
        {M ",\"thinking\":{\"type\":\"enabled\"}", "thinking.budget_tokens"},
        {M ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1000}", "thinking.budget_tokens"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].in);
        struct written *w = again(rows[i].in, OLD, 0, true);
        EXPECT_EQ(w->rc, -FAIL_BAD_REQUEST);
        EXPECT_BYTES(w->bench.param.p, w->bench.param.n, rows[i].param);
        EXPECT(span_ends(w->bench.why, SPAN(".")));
        written_free(w);
    }
}

/* --- prompts that only other dialects can make --- */

static struct written *prompt_new(bool lenient) {
    struct written *w = calloc(1, sizeof *w);
    bench_init(&w->bench);
    chat_prompt_init(&w->prompt);
    w->losses.lenient = lenient;
    return w;
}

static struct chat_part *add(struct written *w, enum chat_role role, enum chat_part_kind kind,
                             const char *text) {
    struct chat_message *message = chat_add_message(&w->prompt, &w->bench.arena, role);
    struct chat_part *part = chat_add_part(&message->parts, &w->bench.arena, kind);
    part->text = span_str(text);
    return part;
}

TEST(foreign_history) {
    struct written *w = prompt_new(false);
    struct chat_part *call, *part;
    add(w, CHAT_SYSTEM, CHAT_PART_TEXT, "s");
    add(w, CHAT_USER, CHAT_PART_TEXT, "a");
    part = add(w, CHAT_ASSISTANT, CHAT_PART_REASONING, "of another family");
    part->signature = SPAN("G");
    part->signer = CHAT_SIGNER_GOOGLE;
    add(w, CHAT_ASSISTANT, CHAT_PART_REASONING, "unsigned")->signer = CHAT_SIGNER_ANTHROPIC;
    part = add(w, CHAT_ASSISTANT, CHAT_PART_REDACTED, "");
    part->data = SPAN("O");
    part->signer = CHAT_SIGNER_OPENAI;
    add(w, CHAT_ASSISTANT, CHAT_PART_REFUSAL, "no");
    call = add(w, CHAT_ASSISTANT, CHAT_PART_TOOL_CALL, "");
    call->id = SPAN("functions.f:0");
    call->name = SPAN("f");
    call = add(w, CHAT_ASSISTANT, CHAT_PART_TOOL_CALL, "free \\n text");
    call->id = SPAN("c");
    call->name = SPAN("g");
    call->custom = true;
    part = add(w, CHAT_TOOL, CHAT_PART_TOOL_RESULT, "");
    part->id = SPAN("functions.f:0");
    chat_add_part(&part->parts, &w->bench.arena, CHAT_PART_TEXT)->text = SPAN("r");
    w->prompt.thinking.effort = SPAN("high");
    write_it(w, OLD, 0, true);
    struct span id = chat_safe_id(SPAN("functions.f:0"), 64, &w->bench.arena);
    char want[2000];
    snprintf(
        want, sizeof want,
        "{\"model\":\"claude\",\"max_tokens\":4096,\"system\":[{\"type\":\"text\",\"text\":\"s\"}],"
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]},{"
        "\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"no\"},{\"type\":"
        "\"tool_use\",\"id\":\"%.*s\",\"name\":\"f\",\"input\":{}},{\"type\":\"tool_use\",\"id\":"
        "\"c\",\"name\":\"g\",\"input\":{\"input\":\"free \\n text\"}}]},{\"role\":\"user\","
        "\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"%.*s\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"r\"}]}]}],\"stream\":true}",
        (int)id.n, id.p, (int)id.n, id.p);
    EXPECT_EQ(w->rc, 0);
    EXPECT_JSON(json_out_span(&w->out), span_str(want));
    written_free(w);
}

TEST(a_greeting_may_begin) {
    struct written *w = prompt_new(false);
    add(w, CHAT_ASSISTANT, CHAT_PART_TEXT, "Hello");
    add(w, CHAT_USER, CHAT_PART_TEXT, "a");
    write_it(w, OLD, 0, false);
    EXPECT_EQ(w->rc, 0);
    EXPECT_JSON(
        json_out_span(&w->out),
        SPAN("{\"model\":\"claude\",\"max_tokens\":4096,\"messages\":[{\"role\":\"assistant\","
             "\"content\":[{\"type\":\"text\",\"text\":\"Hello\"}]},{\"role\":\"user\","
             "\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}]}"));
    written_free(w);
}

/* Settings of other dialects: each row sets one. */
enum setting {
    SEED,
    NO_PENALTY,
    PENALTY,
    LOGPROBS,
    NO_LOGPROBS,
    MIN_P,
    VERBOSE,
    CHOICES,
    CUSTOM,
    AUDIO,
    OBJECT,
    OBJECT_OLD,
    ALLOWED,
    EFFORT_NONE,
    EFFORT_MINIMAL,
    BUDGET_0,
    BUDGET_SMALL,
    SINGLE,
    TIER,
    LONG_USER,
    NO_PARAMETERS,
    SETTING_COUNT
};

static void apply(struct written *w, enum setting setting) {
    struct chat_prompt *p = &w->prompt;
    struct chat_tool *tool;
    switch (setting) {
    case SEED: p->seed = (struct chat_knob){SPAN("7"), "seed"}; break;
    case NO_PENALTY: p->frequency_penalty = (struct chat_knob){SPAN("0.0"), "fp"}; break;
    case PENALTY: p->presence_penalty = (struct chat_knob){SPAN("0.1"), "presence_penalty"}; break;
    case LOGPROBS: p->logprobs = (struct chat_knob){SPAN("true"), "logprobs"}; break;
    case NO_LOGPROBS: p->logprobs = (struct chat_knob){SPAN("false"), "logprobs"}; break;
    case MIN_P: p->min_p = (struct chat_knob){SPAN("0.1"), "min_p"}; break;
    case VERBOSE: p->verbosity = (struct chat_knob){SPAN("\"high\""), "verbosity"}; break;
    case CHOICES: p->choices = 2; break;
    case CUSTOM:
        tool = chat_add_tool(p, &w->bench.arena);
        tool->name = SPAN("f");
        tool->custom = true;
        break;
    case AUDIO: add(w, CHAT_USER, CHAT_PART_AUDIO, "")->data = SPAN("A"); break;
    case OBJECT:
    case OBJECT_OLD: p->format.kind = CHAT_FORMAT_OBJECT; break;
    case ALLOWED:
        chat_add_tool(p, &w->bench.arena)->name = SPAN("f");
        chat_add_tool(p, &w->bench.arena)->name = SPAN("g");
        chat_add_word(&p->allowed, &w->bench.arena, SPAN("g"));
        break;
    case EFFORT_NONE: p->thinking.effort = SPAN("none"); break;
    case EFFORT_MINIMAL: p->thinking.effort = SPAN("minimal"); break;
    case BUDGET_0: p->thinking.budget_given = true; break;
    case BUDGET_SMALL:
        p->thinking.budget_given = true;
        p->thinking.budget_tokens = 512;
        break;
    case SINGLE:
    case NO_PARAMETERS:
        chat_add_tool(p, &w->bench.arena)->name = SPAN("f");
        if (setting == SINGLE)
            p->parallel_tools = CHAT_NO;
        break;
    case TIER: p->service_tier = SPAN("default"); break;
    case LONG_USER:
        p->user = arena_printf(&w->bench.arena, "%0300d", 1);
        p->metadata = SPAN("{\"a\":\"b\"}");
        p->cache_key = SPAN("k");
        break;
    case SETTING_COUNT: break;
    }
}

TEST(settings_of_other_dialects) {
    static const struct {
        enum setting setting;
        const char *field, *out; /* field NULL: nothing is lost */
        unsigned facts;
    } rows[] = {
        {SEED, "seed", "", OLD},
        {NO_PENALTY, NULL, "", OLD},
        {PENALTY, "presence_penalty", "", OLD},
        {LOGPROBS, "logprobs", "", OLD},
        {NO_LOGPROBS, NULL, "", OLD},
        {MIN_P, "min_p", "", OLD},
        {VERBOSE, "verbosity", "", OLD},
        {CHOICES, "n", "", OLD},
        {CUSTOM, "tools[0]", "", OLD},
        {AUDIO, "messages[0].content[0]", "", OLD},
        {OBJECT, NULL,
         ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":"
         "\"object\"}}}",
         EFFORT},
        {OBJECT_OLD, "response_format", "", OLD},
        {ALLOWED, NULL,
         ",\"tools\":[{\"name\":\"g\",\"input_schema\":{\"type\":\"object\","
         "\"properties\":{}}}]",
         OLD},
        {EFFORT_NONE, NULL, ",\"thinking\":{\"type\":\"disabled\"}", NEW},
        {EFFORT_MINIMAL, NULL,
         ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":"
         "\"low\"}",
         NEW},
        {BUDGET_0, NULL, ",\"thinking\":{\"type\":\"disabled\"}", OLD},
        {BUDGET_SMALL, NULL, ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}", OLD},
        {SINGLE, NULL,
         ",\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\","
         "\"properties\":{}}}],\"tool_choice\":{\"type\":\"auto\","
         "\"disable_parallel_tool_use\":true}",
         OLD},
        {TIER, NULL, ",\"service_tier\":\"standard_only\"", OLD},
        {LONG_USER, NULL, "", OLD},
        {NO_PARAMETERS, NULL,
         ",\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\","
         "\"properties\":{}}}]",
         OLD},
    };
    static_assert(countof(rows) == SETTING_COUNT, "a row for each");
    for (size_t i = 0; i < countof(rows); i++)
        for (int lenient = 0; lenient < 2; lenient++) {
            char want[1000];
            struct written *w = prompt_new(lenient);
            ROW("%s %zu", rows[i].field ? rows[i].field : "", i);
            add(w, CHAT_USER, CHAT_PART_TEXT, "Hi");
            apply(w, rows[i].setting);
            write_it(w, rows[i].facts, 0, false);
            EXPECT_EQ(w->rc, rows[i].field && !lenient ? -FAIL_UNSUPPORTED : 0);
            if (rows[i].field && !lenient)
                EXPECT_BYTES(w->losses.field.p, w->losses.field.n, rows[i].field);
            EXPECT_EQ(w->losses.count, rows[i].field && lenient);
            snprintf(want, sizeof want, "{\"model\":\"claude\",\"max_tokens\":4096," M_OUT "%s}",
                     rows[i].out);
            if (w->rc == 0)
                EXPECT_JSON(json_out_span(&w->out), span_str(want));
            written_free(w);
        }
}

TEST(without_memory_it_is_an_overload) {
    struct written *w = prompt_new(false);
    char small[10];
    struct model_facts model = {.max_output_tokens = 4096};
    struct chat_spell spell = {.model = SPAN("claude"), .facts = &model, .losses = &w->losses};
    add(w, CHAT_USER, CHAT_PART_TEXT, "Hi");
    json_out_init(&w->out, small, sizeof small);
    EXPECT_EQ(dialect_anthropic.write_prompt(&w->prompt, &spell, &w->bench.arena, &w->out),
              -FAIL_OVERLOAD);
    written_free(w);
}
