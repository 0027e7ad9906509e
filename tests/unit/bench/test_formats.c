/* test_formats.c - the wire formats of the simulated clouds (bench/format_*.c), read back by yyjson and by
 * a frame reader of its own: streams are well formed, and say the same as the whole body. */
#include "tests/test.h"

#include "bench/eventstream.h"
#include "bench/format.h"

#include <yyjson.h>
#include <zlib.h>

static struct ask ask;
static struct answer answer;

/* What a client gathers from an answer, whatever its format. */
struct gathered {
    struct bytes text, thinking, arguments, signature;
    char finish[40], last[64];
    unsigned events, calls, errors;
    int output_tokens;
};

static void gathered_free(struct gathered *g) {
    bytes_free(&g->text);
    bytes_free(&g->thinking);
    bytes_free(&g->arguments);
    bytes_free(&g->signature);
}

static void take(struct bytes *out, yyjson_val *v) { ask_take_text(out, v); }

static void take_json(struct bytes *out, yyjson_val *v) {
    char *text = yyjson_val_write(v, 0, NULL);
    bytes_str(out, text ? text : "");
    free(text);
}

static yyjson_val *at(yyjson_val *v, const char *pointer) { return yyjson_ptr_get(v, pointer); }

static void take_finish(struct gathered *g, yyjson_val *v) {
    if (yyjson_is_str(v))
        snprintf(g->finish, sizeof g->finish, "%s", yyjson_get_str(v));
}

/* ---- one event, or one whole body, of each format ---- */

static void on_anthropic(struct gathered *g, yyjson_val *v) {
    yyjson_val *block;
    size_t i, max;
    take(&g->text, at(v, "/delta/text"));
    take(&g->thinking, at(v, "/delta/thinking"));
    take(&g->signature, at(v, "/delta/signature"));
    take(&g->arguments, at(v, "/delta/partial_json"));
    take_finish(g, at(v, "/delta/stop_reason"));
    take_finish(g, at(v, "/stop_reason"));
    g->calls += yyjson_equals_str(at(v, "/content_block/type"), "tool_use");
    g->errors += yyjson_equals_str(at(v, "/type"), "error");
    if (at(v, "/usage/output_tokens"))
        g->output_tokens = yyjson_get_int(at(v, "/usage/output_tokens"));
    yyjson_arr_foreach(at(v, "/content"), i, max, block) {
        take(&g->text, at(block, "/text"));
        take(&g->thinking, at(block, "/thinking"));
        take(&g->signature, at(block, "/signature"));
        g->calls += at(block, "/input") != NULL;
        if (at(block, "/input"))
            take_json(&g->arguments, at(block, "/input"));
    }
}

static void on_gemini(struct gathered *g, yyjson_val *v) {
    yyjson_val *part;
    size_t i, max;
    take_finish(g, at(v, "/candidates/0/finishReason"));
    g->errors += at(v, "/error") != NULL;
    if (at(v, "/usageMetadata/candidatesTokenCount"))
        g->output_tokens = yyjson_get_int(at(v, "/usageMetadata/candidatesTokenCount")) +
                           yyjson_get_int(at(v, "/usageMetadata/thoughtsTokenCount"));
    yyjson_arr_foreach(at(v, "/candidates/0/content/parts"), i, max, part) {
        take(yyjson_is_true(at(part, "/thought")) ? &g->thinking : &g->text, at(part, "/text"));
        take(&g->signature, at(part, "/thoughtSignature"));
        g->calls += at(part, "/functionCall") != NULL;
        if (at(part, "/functionCall"))
            take_json(&g->arguments, at(part, "/functionCall/args"));
    }
}

static void on_converse(struct gathered *g, yyjson_val *v) {
    yyjson_val *block;
    size_t i, max;
    take(&g->text, at(v, "/delta/text"));
    take(&g->thinking, at(v, "/delta/reasoningContent/text"));
    take(&g->signature, at(v, "/delta/reasoningContent/signature"));
    take(&g->arguments, at(v, "/delta/toolUse/input"));
    take_finish(g, at(v, "/stopReason"));
    g->calls += at(v, "/start/toolUse/toolUseId") != NULL;
    if (at(v, "/usage/outputTokens"))
        g->output_tokens = yyjson_get_int(at(v, "/usage/outputTokens"));
    yyjson_arr_foreach(at(v, "/output/message/content"), i, max, block) {
        take(&g->text, at(block, "/text"));
        take(&g->thinking, at(block, "/reasoningContent/reasoningText/text"));
        take(&g->signature, at(block, "/reasoningContent/reasoningText/signature"));
        g->calls += at(block, "/toolUse") != NULL;
        if (at(block, "/toolUse"))
            take_json(&g->arguments, at(block, "/toolUse/input"));
    }
}

static void on_responses(struct gathered *g, yyjson_val *v) {
    const char *type = yyjson_get_str(at(v, "/type"));
    yyjson_val *response = type ? at(v, "/response") : v, *item;
    size_t i, max;
    if (type) {
        EXPECT_EQ(yyjson_get_int(at(v, "/sequence_number")), g->events);
        if (!strcmp(type, "response.output_text.delta"))
            take(&g->text, at(v, "/delta"));
        if (!strcmp(type, "response.reasoning_summary_text.delta"))
            take(&g->thinking, at(v, "/delta"));
        if (!strcmp(type, "response.function_call_arguments.delta"))
            take(&g->arguments, at(v, "/delta"));
        g->calls += !strcmp(type, "response.output_item.added") &&
                    yyjson_equals_str(at(v, "/item/type"), "function_call");
        g->errors += !strcmp(type, "error") || !strcmp(type, "response.failed");
    }
    if (response && at(response, "/usage/output_tokens")) {
        take_finish(g, at(response, "/status"));
        g->output_tokens = yyjson_get_int(at(response, "/usage/output_tokens"));
    }
    yyjson_arr_foreach(type ? NULL : at(v, "/output"), i, max, item) {
        take(&g->text, at(item, "/content/0/text"));
        take(&g->thinking, at(item, "/summary/0/text"));
        take(&g->arguments, at(item, "/arguments"));
        g->calls += yyjson_equals_str(at(item, "/type"), "function_call");
    }
}

typedef void (*on_value)(struct gathered *, yyjson_val *);

static void on_json(struct gathered *g, const char *json, size_t len, on_value on) {
    yyjson_doc *doc = yyjson_read(json, len, 0);
    if (!doc)
        FAIL_TEST("not JSON: %.60s", json);
    on(g, yyjson_doc_get_root(doc));
    g->events++;
    yyjson_doc_free(doc);
}

/* Server-sent events: an optional event line, one data line, a blank line. `end` is "\n" or "\r\n". */
static void gather_sse(struct gathered *g, struct bytes *stream, on_value on, const char *end) {
    const char *text = bytes_text(stream);
    while (*text) {
        if (!strncmp(text, "event: ", 7)) {
            size_t len = strcspn(text + 7, "\r\n");
            snprintf(g->last, sizeof g->last, "%.*s", (int)len, text + 7);
            text += 7 + len + strlen(end);
        }
        size_t len = strcspn(text, "\r\n");
        if (strncmp(text, "data: ", 6) || strncmp(text + len, end, strlen(end)) ||
            strncmp(text + len + strlen(end), end, strlen(end))) {
            FAIL_TEST("not an event: %.60s", text);
            return;
        }
        on_json(g, text + 6, len - 6, on);
        text += len + 2 * strlen(end);
    }
}

static uint32_t load32(const char *p) {
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static void header_text(const char *from, size_t len, const char *name, char *out, size_t size) {
    const char *end = from + len;
    while (from < end) {
        size_t name_len = (unsigned char)*from, value_len;
        const char *value = from + 1 + name_len + 3;
        EXPECT_EQ(from[1 + name_len], 7);
        value_len = (size_t)(unsigned char)value[-2] << 8 | (unsigned char)value[-1];
        if (name_len == strlen(name) && !memcmp(from + 1, name, name_len))
            snprintf(out, size, "%.*s", (int)value_len, value);
        from = value + value_len;
    }
    EXPECT(from == end);
}

/* Returns the number of frames whose checksums are wrong. */
static unsigned gather_frames(struct gathered *g, struct bytes *stream, on_value on) {
    const char *p = bytes_at(stream), *end = p + bytes_len(stream);
    unsigned broken = 0;
    while (p + 16 <= end) {
        uint32_t total = load32(p), headers = load32(p + 4);
        char type[24] = "";
        EXPECT_EQ(load32(p + 8), crc32(0, (const Bytef *)p, 8));
        if (total > (size_t)(end - p) || headers + 16 > total)
            break;
        broken += load32(p + total - 4) != crc32(0, (const Bytef *)p, total - 4);
        header_text(p + 12, headers, ":event-type", g->last, sizeof g->last);
        header_text(p + 12, headers, ":message-type", type, sizeof type);
        g->errors += !strcmp(type, "exception");
        on_json(g, p + 12 + headers, total - headers - 16, on);
        p += total;
    }
    EXPECT(p == end);
    return broken;
}

/* ---- the formats ---- */

static const struct wire {
    const char *name;
    const struct format *format;
    enum sim_kind kind;
    on_value on;
    const char *echo, *cut, *thoughts, *calls; /* requests */
    const char *stopped, *was_cut, *called, *last_event;
} wires[] = {
    {"anthropic", &format_anthropic, SIM_ANTHROPIC, on_anthropic,
     "{\"model\":\"m\",\"max_tokens\":99,\"messages\":[{\"role\":\"user\",\"content\":\"echo: a "
     "\\\"b\\\" \xe6\x97\xa5\"}]}",
     "{\"model\":\"m\",\"max_tokens\":2,\"messages\":[{\"role\":\"user\",\"content\":\"echo: a b "
     "c\"}]}",
     "{\"model\":\"m\",\"max_tokens\":2000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":"
     "1024},\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
     "{\"model\":\"m\",\"max_tokens\":99,\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":"
     "\"object\",\"properties\":{\"n\":{\"type\":\"integer\"},\"s\":{\"type\":\"string\"}}}}],"
     "\"messages\":[{\"role\":\"user\",\"content\":\"use tools\"}]}",
     "end_turn", "max_tokens", "tool_use", "message_stop"},
    {"gemini", &format_gemini, SIM_GEMINI, on_gemini,
     "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"echo: a \\\"b\\\" \xe6\x97\xa5\"}]}]"
     "}",
     "{\"contents\":[{\"parts\":[{\"text\":\"echo: a b c\"}]}],\"generation_config\":{"
     "\"max_output_tokens\":2}}",
     "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],\"generationConfig\":{\"thinkingConfig\":{"
     "\"includeThoughts\":true}}}",
     "{\"contents\":[{\"parts\":[{\"text\":\"use "
     "tools\"}]}],\"tools\":[{\"functionDeclarations\":[{"
     "\"name\":\"f\",\"parameters\":{\"type\":\"OBJECT\",\"properties\":{\"n\":{\"type\":"
     "\"INTEGER\"},\"s\":{\"type\":\"STRING\"}}}}]}]}",
     "STOP", "MAX_TOKENS", "STOP", ""},
    {"converse", &format_converse, SIM_BEDROCK, on_converse,
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"echo: a \\\"b\\\" "
     "\xe6\x97\xa5\"}]}]}",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"echo: a b c\"}]}],"
     "\"inferenceConfig\":{\"maxTokens\":2}}",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],"
     "\"additionalModelRequestFields\":{\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}}"
     "}",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"use tools\"}]}],\"toolConfig\":{"
     "\"tools\":[{\"toolSpec\":{\"name\":\"f\",\"inputSchema\":{\"json\":{\"type\":\"object\","
     "\"properties\":{\"n\":{\"type\":\"integer\"},\"s\":{\"type\":\"string\"}}}}}}]}}",
     "end_turn", "max_tokens", "tool_use", "metadata"},
    {"responses", &format_responses, SIM_OPENAI, on_responses,
     "{\"model\":\"m\",\"input\":\"echo: a \\\"b\\\" \xe6\x97\xa5\"}",
     "{\"model\":\"m\",\"input\":\"echo: a b c\",\"max_output_tokens\":2}",
     "{\"model\":\"m\",\"input\":\"hi\",\"reasoning\":{\"summary\":\"auto\"}}",
     "{\"model\":\"m\",\"input\":\"use tools\",\"tools\":[{\"type\":\"function\",\"name\":\"f\","
     "\"parameters\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"},\"s\":{"
     "\"type\":\"string\"}}}}]}",
     "completed", "incomplete", "completed", "response.completed"},
};

enum { WIRES = sizeof wires / sizeof wires[0] };

static bool compose(const struct wire *w, const char *body, bool empty) {
    struct ask_error e = {0};
    struct dice dice;
    struct format_request request = {.body = body,
                                     .size = strlen(body),
                                     .kind = w->kind,
                                     .model_in_path = w->format == &format_gemini ||
                                                      w->format == &format_converse,
                                     .model = ""};
    struct answer_settings settings = {.format = w->format,
                                       .kind = w->kind,
                                       .obfuscation = true,
                                       .empty = empty,
                                       .tokens = 5,
                                       .created_s = 1700000000,
                                       .model = "real \"m\""};
    dice_init(&dice, 3, 4);
    if (!w->format->read(&ask, &request, &e)) {
        FAIL_TEST("%s", e.message);
        return false;
    }
    answer_compose(&answer, &ask, &settings, &dice);
    return true;
}

static unsigned gather_stream(const struct wire *w, struct bytes *stream, struct gathered *g) {
    if (w->format == &format_converse)
        return gather_frames(g, stream, w->on);
    gather_sse(g, stream, w->on, w->format == &format_gemini ? "\r\n" : "\n");
    return 0;
}

/* The stream of a request, gathered; then its whole body, which has to say the same. */
static void run(const struct wire *w, const char *body, struct gathered *g) {
    struct bytes out = {0};
    struct gathered whole = {0};
    *g = (struct gathered){0};
    if (!compose(w, body, false))
        return;
    w->format->open(&answer, &out);
    for (size_t i = 0; i < answer.pieces_count; i++)
        w->format->piece(&answer, i, &out);
    w->format->close(&answer, &out);
    EXPECT_EQ(gather_stream(w, &out, g), 0);
    bytes_clear(&out);
    compose(w, body, false);
    w->format->whole(&answer, &out);
    on_json(&whole, bytes_text(&out), bytes_len(&out), w->on);
    EXPECT_STR(bytes_text(&whole.text), bytes_text(&g->text));
    EXPECT_STR(bytes_text(&whole.thinking), bytes_text(&g->thinking));
    EXPECT_STR(bytes_text(&whole.arguments), bytes_text(&g->arguments));
    EXPECT_STR(whole.finish, g->finish);
    EXPECT_EQ(whole.output_tokens, g->output_tokens);
    EXPECT_EQ(whole.calls, g->calls);
    gathered_free(&whole);
    bytes_free(&out);
}

TEST(bench_format_text) {
    for (size_t i = 0; i < WIRES; i++) {
        struct gathered g;
        ROW("%s", wires[i].name);
        run(&wires[i], wires[i].echo, &g);
        EXPECT_STR(bytes_text(&g.text), "a \"b\" \xe6\x97\xa5");
        EXPECT_STR(g.finish, wires[i].stopped);
        EXPECT_STR(g.last, wires[i].last_event);
        EXPECT_EQ(g.output_tokens, 3);
        EXPECT_EQ(g.calls + g.errors, 0);
        gathered_free(&g);
    }
}

TEST(bench_format_cut_by_max_tokens) {
    for (size_t i = 0; i < WIRES; i++) {
        struct gathered g;
        ROW("%s", wires[i].name);
        run(&wires[i], wires[i].cut, &g);
        EXPECT_STR(bytes_text(&g.text), "a b");
        EXPECT_STR(g.finish, wires[i].was_cut);
        gathered_free(&g);
    }
}

TEST(bench_format_thinking) {
    for (size_t i = 0; i < WIRES; i++) {
        struct gathered g;
        ROW("%s", wires[i].name);
        run(&wires[i], wires[i].thoughts, &g);
        EXPECT(bytes_len(&g.thinking) > 0);
        EXPECT(bytes_len(&g.text) > 0);
        bool is_signed = wires[i].format != &format_responses;
        EXPECT_EQ(bytes_len(&g.signature) > 0, is_signed);
        if (is_signed)
            EXPECT(!strncmp(bytes_text(&g.signature), wires[i].format->signature_prefix, 8));
        gathered_free(&g);
    }
}

TEST(bench_format_tool_calls) {
    static const char once[] = "{\"n\":42,\"s\":\"San Francisco, \xe2\x80\x9c"
                               "CA\xe2\x80\x9d\"}";
    for (size_t i = 0; i < WIRES; i++) {
        struct gathered g;
        char twice[2 * sizeof once];
        snprintf(twice, sizeof twice, "%s%s", once, once);
        ROW("%s", wires[i].name);
        run(&wires[i], wires[i].calls, &g);
        EXPECT_EQ(g.calls, 2);
        EXPECT_STR(bytes_text(&g.arguments), twice);
        EXPECT_STR(g.finish, wires[i].called);
        EXPECT_EQ(bytes_len(&g.text), 0);
        gathered_free(&g);
    }
}

TEST(bench_format_empty_answers) {
    for (size_t i = 0; i < WIRES; i++) {
        struct gathered g = {0};
        struct bytes out = {0};
        ROW("%s", wires[i].name);
        compose(&wires[i], wires[i].echo, true);
        wires[i].format->open(&answer, &out);
        wires[i].format->close(&answer, &out);
        gather_stream(&wires[i], &out, &g);
        EXPECT_EQ(bytes_len(&g.text) + g.calls + g.errors, 0);
        EXPECT_STR(g.finish, wires[i].stopped);
        gathered_free(&g);
        bytes_free(&out);
    }
}

TEST(bench_format_errors_in_streams) {
    for (size_t i = 0; i < WIRES; i++) {
        for (int late = 0; late < 2; late++) {
            struct gathered g = {0};
            struct bytes out = {0};
            ROW("%s, late %d", wires[i].name, late);
            compose(&wires[i], wires[i].echo, false);
            wires[i].format->error_event(&answer, late, &out);
            if (late && wires[i].format == &format_gemini)
                on_json(&g, bytes_text(&out), bytes_len(&out), on_gemini);
            else
                gather_stream(&wires[i], &out, &g);
            EXPECT_EQ(g.errors, 1);
            gathered_free(&g);
            bytes_free(&out);
        }
    }
}

TEST(bench_format_gemini_array) {
    struct bytes out = {0};
    compose(&wires[1], wires[1].echo, false);
    answer.array = true;
    for (size_t i = 0; i < answer.pieces_count; i++)
        format_gemini.piece(&answer, i, &out);
    format_gemini.close(&answer, &out);
    yyjson_doc *doc = yyjson_read(bytes_text(&out), bytes_len(&out), 0);
    EXPECT_EQ(yyjson_arr_size(yyjson_doc_get_root(doc)), answer.pieces_count + 1);
    yyjson_doc_free(doc);
    bytes_free(&out);
}

TEST(bench_eventstream_checksums) {
    /* botocore's vector PAYLOAD_ONE_STR_HEADER has the same layout; here the checksums are computed. */
    struct bytes out = {0};
    struct gathered g = {0};
    compose(&wires[2], wires[2].echo, false);
    format_converse.open(&answer, &out);
    EXPECT_EQ(gather_frames(&g, &out, on_converse), 0);
    format_converse.garbage(&answer, &out);
    EXPECT_EQ(gather_frames(&g, &out, on_converse), 1);
    bytes_at(&out)[30] ^= 1;
    EXPECT_EQ(gather_frames(&g, &out, on_converse), 2);
    gathered_free(&g);
    bytes_free(&out);
}

TEST(bench_format_embeddings) {
    struct wire w = {.format = &format_embeddings, .kind = SIM_OPENAI};
    struct bytes out = {0};
    double square = 0;
    size_t i, max;
    yyjson_val *v;
    compose(&w, "{\"model\":\"e\",\"input\":[\"x\",\"y\",\"x\"],\"dimensions\":8}", false);
    format_embeddings.whole(&answer, &out);
    yyjson_doc *doc = yyjson_read(bytes_text(&out), bytes_len(&out), 0);
    yyjson_val *data = at(yyjson_doc_get_root(doc), "/data");
    EXPECT_EQ(yyjson_arr_size(data), 3);
    EXPECT(yyjson_equals(at(data, "/0/embedding"), at(data, "/2/embedding")));
    EXPECT(!yyjson_equals(at(data, "/0/embedding"), at(data, "/1/embedding")));
    yyjson_arr_foreach(at(data, "/0/embedding"), i, max, v) square +=
        yyjson_get_num(v) * yyjson_get_num(v);
    EXPECT_EQ(max, 8);
    EXPECT_NEAR(square, 1, 1e-5);
    yyjson_doc_free(doc);
    bytes_free(&out);
}
