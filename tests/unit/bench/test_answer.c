/* test_answer.c - simulated answers (bench/answer.c, bench/format_openai.c) read back by the load generator's client
 * (bench/load_reply.c) and by yyjson: the stream must say the same as the whole body. */
#include "tests/test.h"

#include "bench/format_openai.h"

#include <yyjson.h>

static struct ask ask;
static struct answer answer;

static void compose(const char *body, enum sim_kind kind) {
    struct ask_error e = {0};
    struct dice dice;
    struct format_request request = {
        .body = body, .size = strlen(body), .model_in_path = true, .model = ""};
    struct answer_settings settings = {.format = &format_openai,
                                       .kind = kind,
                                       .obfuscation = true,
                                       .tokens = 5,
                                       .created_s = 1700000000,
                                       .model = "real \"m\""};
    dice_init(&dice, 3, 4);
    if (!format_openai_read(&ask, &request, &e))
        FAIL_TEST("%s", e.message);
    answer_compose(&answer, &ask, &settings, &dice);
}

static void write_stream(struct bytes *out) {
    format_openai.open(&answer, out);
    for (size_t i = 0; i < answer.pieces_count; i++)
        format_openai.piece(&answer, i, out);
    format_openai.close(&answer, out);
}

/* What a client gathers from a stream: texts and arguments, finish reasons, events. */
struct gathered {
    struct bytes text, arguments;
    char finish[32];
    unsigned events, usages, usage_nulls, done, tool_heads, roles, obfuscated;
    unsigned completion_tokens;
};

static void gather_choice(struct gathered *g, yyjson_val *choice) {
    yyjson_val *delta = yyjson_obj_get(choice, "delta"), *call;
    const char *text = yyjson_get_str(yyjson_obj_get(delta, "content"));
    const char *finish = yyjson_get_str(yyjson_obj_get(choice, "finish_reason"));
    size_t i, max;
    g->roles += yyjson_equals_str(yyjson_obj_get(delta, "role"), "assistant");
    if (yyjson_get_int(yyjson_obj_get(choice, "index")) == 0)
        bytes_str(&g->text, text ? text : "");
    if (finish)
        snprintf(g->finish, sizeof g->finish, "%s", finish);
    yyjson_arr_foreach(yyjson_obj_get(delta, "tool_calls"), i, max, call) {
        yyjson_val *function = yyjson_obj_get(call, "function");
        g->tool_heads += yyjson_obj_get(call, "id") != NULL;
        bytes_str(&g->arguments, yyjson_get_str(yyjson_obj_get(function, "arguments")));
    }
}

static void gather(struct gathered *g, struct bytes *stream) {
    const char *at = bytes_text(stream);
    while (*at) {
        const char *end = strstr(at, "\n\n");
        g->events++;
        if (strncmp(at, "data: ", 6) || !end) {
            FAIL_TEST("not an event: %.40s", at);
            return;
        }
        if (!strncmp(at, "data: [DONE]", 12)) {
            g->done++;
        } else {
            yyjson_doc *doc = yyjson_read(at + 6, (size_t)(end - at - 6), 0);
            yyjson_val *root = yyjson_doc_get_root(doc), *usage = yyjson_obj_get(root, "usage"),
                       *choice;
            size_t i, max;
            EXPECT(root != NULL);
            g->obfuscated += yyjson_obj_get(root, "obfuscation") != NULL;
            g->usage_nulls += yyjson_is_null(usage);
            g->usages += yyjson_is_obj(usage);
            if (yyjson_is_obj(usage))
                g->completion_tokens =
                    (unsigned)yyjson_get_uint(yyjson_obj_get(usage, "completion_tokens"));
            yyjson_arr_foreach(yyjson_obj_get(root, "choices"), i, max, choice)
                gather_choice(g, choice);
            yyjson_doc_free(doc);
        }
        at = end + 2;
    }
}

static void gathered_free(struct gathered *g) {
    bytes_free(&g->text);
    bytes_free(&g->arguments);
}

#define ECHO \
    "\"messages\":[{\"role\":\"user\",\"content\":\"echo: one  two \\\"three\\\"\\nf\\u00fcnf\"}]"

TEST(bench_answer_streams) {
    static const struct {
        const char *name, *body;
        enum sim_kind kind;
        const char *text, *finish;
        unsigned events, usages, roles, obfuscated;
    } rows[] = {
        {"echo", "{\"stream\":true," ECHO "}", SIM_OPENAI, "one  two \"three\"\nf\xc3\xbcnf",
         "stop", 7, 0, 1, 6},
        {"echo azure", "{\"stream\":true," ECHO "}", SIM_AZURE, "one  two \"three\"\nf\xc3\xbcnf",
         "stop", 8, 0, 1, 0},
        {"usage", "{\"stream\":true,\"stream_options\":{\"include_usage\":true}," ECHO "}",
         SIM_OPENAI, "one  two \"three\"\nf\xc3\xbcnf", "stop", 8, 1, 1, 7},
        {"no obfuscation",
         "{\"stream\":true,\"stream_options\":{\"include_obfuscation\":false}," ECHO "}",
         SIM_OPENAI, "one  two \"three\"\nf\xc3\xbcnf", "stop", 7, 0, 1, 0},
        {"length", "{\"stream\":true,\"max_tokens\":2," ECHO "}", SIM_OPENAI, "one  two", "length",
         5, 0, 1, 4},
        {"three choices", "{\"stream\":true,\"n\":3," ECHO "}", SIM_OPENAI,
         "one  two \"three\"\nf\xc3\xbcnf", "stop", 19, 0, 3, 18},
        {"empty echo", "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"echo:\"}]}",
         SIM_OPENAI, "", "stop", 3, 0, 1, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gathered g = {0};
        struct bytes stream = {0};
        ROW("%s", rows[i].name);
        compose(rows[i].body, rows[i].kind);
        write_stream(&stream);
        gather(&g, &stream);
        EXPECT_STR(bytes_text(&g.text), rows[i].text);
        EXPECT_STR(g.finish, rows[i].finish);
        EXPECT_EQ(g.events, rows[i].events);
        EXPECT_EQ(g.usages, rows[i].usages);
        EXPECT_EQ(g.usage_nulls, rows[i].usages ? rows[i].events - 2 : 0);
        EXPECT_EQ(g.roles, rows[i].roles);
        EXPECT_EQ(g.obfuscated, rows[i].obfuscated);
        EXPECT_EQ(g.done, 1);
        gathered_free(&g);
        bytes_free(&stream);
    }
}

TEST(bench_answer_tool_calls_in_pieces) {
    static const char body[] = "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
                               "\"use tools\"}],\"tools\":[{\"type\":\"function\","
                               "\"function\":{\"name\":\"weather\",\"parameters\":{\"properties\":{"
                               "\"city\":{\"type\":\"string\"}}}}}]}";
    static const char arguments[] = "{\"city\":\"San Francisco, \xe2\x80\x9c"
                                    "CA\xe2\x80\x9d\"}";
    struct gathered g = {0};
    struct bytes stream = {0}, twice = {0};
    compose(body, SIM_OPENAI);
    write_stream(&stream);
    gather(&g, &stream);
    bytes_fmt(&twice, "%s%s", arguments, arguments);
    EXPECT_STR(bytes_text(&g.arguments), bytes_text(&twice));
    EXPECT_STR(g.finish, "tool_calls");
    EXPECT_EQ(g.tool_heads, 2);
    EXPECT(g.events > 10);
    gathered_free(&g);
    bytes_free(&stream);
    bytes_free(&twice);
}

TEST(bench_answer_whole_says_the_same) {
    static const char *const bodies[] = {
        "{\"n\":2," ECHO "}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"use "
        "tool\"}],\"tools\":[{\"type\":\"function\",\"function\":"
        "{\"name\":\"f\",\"parameters\":{\"properties\":{\"q\":{}}}}}]}",
    };
    for (size_t i = 0; i < 2 * sizeof bodies / sizeof bodies[0]; i++) {
        struct gathered g = {0};
        struct bytes stream = {0}, whole = {0};
        ROW("%s", bodies[i / 2]);
        compose(bodies[i / 2], i % 2 ? SIM_AZURE : SIM_OPENAI);
        write_stream(&stream);
        gather(&g, &stream);
        format_openai.whole(&answer, &whole);
        yyjson_doc *doc = yyjson_read(bytes_text(&whole), bytes_len(&whole), 0);
        yyjson_val *root = yyjson_doc_get_root(doc), *message, *call;
        message = yyjson_obj_get(yyjson_arr_get_first(yyjson_obj_get(root, "choices")), "message");
        call = yyjson_arr_get_first(yyjson_obj_get(message, "tool_calls"));
        EXPECT(root != NULL);
        EXPECT_STR(yyjson_get_str(yyjson_obj_get(root, "model")), "real \"m\"");
        if (call)
            EXPECT_STR(
                yyjson_get_str(yyjson_obj_get(yyjson_obj_get(call, "function"), "arguments")),
                bytes_text(&g.arguments));
        else
            EXPECT_STR(yyjson_get_str(yyjson_obj_get(message, "content")), bytes_text(&g.text));
        EXPECT_EQ(yyjson_arr_size(yyjson_obj_get(root, "choices")), answer.choices);
        yyjson_doc_free(doc);
        gathered_free(&g);
        bytes_free(&stream);
        bytes_free(&whole);
    }
}

TEST(bench_answer_is_repeatable) {
    struct bytes first = {0}, second = {0};
    compose("{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", SIM_OPENAI);
    write_stream(&first);
    compose("{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", SIM_OPENAI);
    write_stream(&second);
    EXPECT_MEM(bytes_at(&first), bytes_len(&first), bytes_at(&second), bytes_len(&second));
    bytes_free(&first);
    bytes_free(&second);
    ask_free(&ask);
    answer_free(&answer);
}
