/* test_anthropic_write.c - canonical events, in any order, as a Messages stream and as a Message. */
#include "tests/unit/providers/test_anthropic_bench.h"

#define EVENTS_MAX 16

struct said {
    enum chat_event_kind kind;
    const char *text, *id, *name;
    unsigned tool, choice;
    enum chat_signer signer;
    enum chat_finish finish;
    bool of_tool;
};

#define A CHAT_SIGNER_ANTHROPIC
#define G CHAT_SIGNER_GOOGLE

static void give(struct chat_writer *writer, const struct said *said, struct json_out *out) {
    static const struct chat_answer answer = {.id = SPAN_CONST("msg_9"),
                                              .model = SPAN_CONST("real")};
    struct chat_event event = {
        .kind = said->kind,
        .text = span_str(said->text),
        .id = span_str(said->id),
        .name = span_str(said->name),
        .tool = said->tool,
        .choice = said->choice,
        .signer = said->signer,
        .finish = said->finish,
        .of_tool = said->of_tool,
        .answer = &answer,
    };
    if (said->kind == CHAT_USAGE)
        event.usage = (struct chat_usage){.known = true,
                                          .input_tokens = 100,
                                          .cached_tokens = 30,
                                          .cache_write_tokens = 20,
                                          .output_tokens = 8,
                                          .reasoning_tokens = 5,
                                          .raw = SPAN("{\"prompt_tokens\":100}")};
    if (out)
        dialect_anthropic.write_event(writer, &event, out);
    else
        dialect_anthropic.collect(writer, &event);
}

/* The blocks and the end of a Message, one word each. */
static const char *words(struct span body) {
    static char text[4000];
    size_t n = 0, i, count;
    yyjson_doc *doc = yyjson_read(body.p, body.n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *block;
    yyjson_arr_foreach(yyjson_obj_get(root, "content"), i, count, block) {
        const char *type = json_word(block, "type");
        char *input = yyjson_val_write(yyjson_obj_get(block, "input"), 0, NULL);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s(%s%s%s%s%s%s%s) ", type,
                              json_word(block, "text"), json_word(block, "thinking"),
                              *json_word(block, "signature") ? "|" : "",
                              json_word(block, "signature"), json_word(block, "data"),
                              json_word(block, "name"), input ? input : "");
        free(input);
    }
    snprintf(text + n, sizeof text - n, "%s%s%s", json_word(root, "stop_reason"),
             *json_word(root, "stop_sequence") ? "," : "", json_word(root, "stop_sequence"));
    yyjson_doc_free(doc);
    return text;
}

/* The Message that a stream's events make up, by the merge of the product's own reader; legality is
 * checked apart. */
static struct span message_of(struct tape *t, struct span stream) {
    struct tape *client = tape_new();
    tape_stream(client, stream, stream.n);
    EXPECT_EQ(client->error, FAIL_NONE);
    struct span message = arena_copy(&t->bench.arena, tape_body(client, &client->merged));
    tape_free(client);
    return message;
}

TEST(streams_and_bodies) {
    static const struct {
        const char *name;
        struct said events[EVENTS_MAX];
        const char *want;
        const char *body; /* where the whole body is in another order; NULL: the same */
    } rows[] = {
        {"text",
         {{CHAT_TEXT, .text = "He\\n"},
          {CHAT_TEXT, .text = "llo"},
          {CHAT_FINISH, .finish = CHAT_FINISH_STOP}},
         "text(He\nllo) end_turn",
         NULL},
        {"nothing",
         {{.kind = CHAT_START}, {CHAT_FINISH, .finish = CHAT_FINISH_STOP}},
         "end_turn",
         NULL},
        {"a stop sequence",
         {{CHAT_TEXT, .text = "a"}, {CHAT_FINISH, .text = "END", .finish = CHAT_FINISH_STOP}},
         "text(a) stop_sequence,END",
         NULL},
        {"cut off",
         {{CHAT_TEXT, .text = "a"}, {CHAT_FINISH, .finish = CHAT_FINISH_LENGTH}},
         "text(a) max_tokens",
         NULL},
        {"filtered",
         {{CHAT_TEXT, .text = "a"}, {CHAT_FINISH, .finish = CHAT_FINISH_CONTENT_FILTER}},
         "text(a) refusal",
         NULL},
        {"refused",
         {{CHAT_REFUSAL, .text = "no"},
          {CHAT_REFUSAL, .text = "."},
          {CHAT_FINISH, .finish = CHAT_FINISH_STOP}},
         "text(no.) refusal",
         NULL},
        {"thinking and text",
         {{CHAT_REASONING, .text = "h"},
          {CHAT_REASONING, .text = "m"},
          {CHAT_SIGNATURE, .text = "S", .signer = A},
          {CHAT_TEXT, .text = "a"},
          {CHAT_REASONING, .text = "x"},
          {CHAT_SIGNATURE, .text = "Q", .signer = G},
          {CHAT_SIGNATURE, .text = "Q", .signer = A, .of_tool = true},
          {CHAT_TEXT, .text = "b"}},
         "thinking(hm|S) text(a) thinking(x) text(b) end_turn",
         NULL},
        {"signed reasoning is whole",
         {{CHAT_REASONING, .text = "a"},
          {CHAT_SIGNATURE, .text = "S", .signer = A},
          {CHAT_REASONING, .text = "b"},
          {CHAT_SIGNATURE, .text = "T", .signer = A},
          {CHAT_SIGNATURE, .text = "U", .signer = A}},
         "thinking(a|S) thinking(b|T) thinking(|U) end_turn",
         NULL},
        {"a signature alone",
         {{CHAT_SIGNATURE, .text = "S", .signer = A}, {CHAT_TEXT, .text = "a"}},
         "thinking(|S) text(a) end_turn",
         NULL},
        {"redacted",
         {{CHAT_REDACTED, .text = "R", .signer = A},
          {CHAT_REDACTED, .text = "Q", .signer = CHAT_SIGNER_OPENAI},
          {CHAT_REDACTED, .text = "S", .signer = A},
          {CHAT_TEXT, .text = "a"}},
         "redacted_thinking(R) redacted_thinking(S) text(a) end_turn",
         NULL},
        {"a call",
         {{CHAT_TEXT, .text = "a"},
          {CHAT_TOOL_START, .text = "", .id = "t", .name = "f"},
          {CHAT_TOOL_ARGS, .text = "{\\\"x\\\":"},
          {CHAT_TOOL_ARGS, .text = "1}"},
          {CHAT_FINISH, .finish = CHAT_FINISH_TOOL_CALLS}},
         "text(a) tool_use(f{\"x\":1}) tool_use",
         NULL},
        {"a call with a first piece and a plain stop",
         {{CHAT_TOOL_START, .text = "{", .id = "t", .name = "f"},
          {CHAT_TOOL_ARGS, .text = "}"},
          {CHAT_FINISH, .finish = CHAT_FINISH_STOP}},
         "tool_use(f{}) tool_use",
         NULL},
        {"calls without any call",
         {{CHAT_TEXT, .text = "a"}, {CHAT_FINISH, .finish = CHAT_FINISH_TOOL_CALLS}},
         "text(a) end_turn",
         NULL},
        {"text after a call closes it",
         {{CHAT_TOOL_START, .text = "", .id = "t", .name = "f"},
          {CHAT_TOOL_ARGS, .text = "{}"},
          {CHAT_TEXT, .text = "a"}},
         "tool_use(f{}) text(a) tool_use",
         NULL},
        {"interleaved calls",
         {{CHAT_TOOL_START, .text = "", .id = "t", .name = "f"},
          {CHAT_TOOL_START, .text = "", .id = "u", .name = "g", .tool = 1},
          {CHAT_TOOL_ARGS, .text = "{\\\"a\\\":[\\\"}"},
          {CHAT_TOOL_ARGS, .text = "{\\\"b", .tool = 1},
          {CHAT_TEXT, .text = "so"},
          {CHAT_TOOL_ARGS, .text = "\\\"]"},
          {CHAT_TOOL_ARGS, .text = "\\\":2}", .tool = 1},
          {CHAT_TOOL_ARGS, .text = "}"},
          {CHAT_FINISH, .finish = CHAT_FINISH_TOOL_CALLS}},
         "tool_use(f{\"a\":[\"}\"]}) tool_use(g{\"b\":2}) text(so) tool_use",
         NULL},
        {"braces in strings and in hex",
         {{CHAT_TOOL_START, .text = "", .id = "t", .name = "f"},
          {CHAT_TOOL_ARGS, .text = "\\u007b\\\"a\\\":\\\"\\\\\\\"}\\\""},
          {CHAT_TEXT, .text = "so"},
          {CHAT_TOOL_ARGS, .text = "\\u007D"}},
         "tool_use(f{\"a\":\"\\\"}\"}) text(so) tool_use",
         NULL},
        {"a call that is cut off",
         {{CHAT_TOOL_START, .text = "", .id = "t", .name = "f"},
          {CHAT_TOOL_ARGS, .text = "{\\\"a"},
          {CHAT_TEXT, .text = "so"},
          {CHAT_FINISH, .finish = CHAT_FINISH_LENGTH}},
         "tool_use(f{}) text(so) max_tokens",
         NULL},
        {"no arguments at all",
         {{CHAT_TOOL_START, .text = "", .id = "t", .name = "f"},
          {CHAT_FINISH, .finish = CHAT_FINISH_TOOL_CALLS}},
         "tool_use(f{}) tool_use",
         NULL},
        {"another choice is not told",
         {{CHAT_TEXT, .text = "a"},
          {CHAT_TEXT, .text = "b", .choice = 1},
          {CHAT_FINISH, .choice = 1, .finish = CHAT_FINISH_LENGTH}},
         "text(a) end_turn",
         NULL},
        {"nor is what has no place",
         {{CHAT_MEDIA, .text = "{}", .id = NULL, .name = "audio"},
          {CHAT_EXTRA, .text = "{}", .id = NULL, .name = "logprobs"},
          {.kind = CHAT_OTHER},
          {CHAT_TEXT, .text = ""},
          {CHAT_TOOL_ARGS, .text = "x", .tool = 200},
          {CHAT_TEXT, .text = "a"}},
         "text(a) end_turn",
         NULL},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct tape *t = tape_new();
        ROW("%s", rows[i].name);
        for (int e = 0; e < EVENTS_MAX && (e == 0 || rows[i].events[e].kind != CHAT_START); e++) {
            give(&t->stream, &rows[i].events[e], &t->streamed);
            give(&t->body, &rows[i].events[e], NULL);
        }
        give(&t->stream, &(struct said){.kind = CHAT_USAGE}, &t->streamed);
        give(&t->body, &(struct said){.kind = CHAT_USAGE}, NULL);
        dialect_anthropic.write_done(&t->stream, &t->reader, &t->streamed);
        struct span stream = json_out_span(&t->streamed);
        expect_legal_stream(stream, false);
        struct span message = message_of(t, stream);
        EXPECT_STR(words(message), rows[i].want);
        EXPECT_STR(words(tape_body(t, &t->body)), rows[i].body ? rows[i].body : rows[i].want);
        struct answer *got = answer_of_body(message.p, message.n);
        EXPECT_STR(got->id, "msg_9");
        EXPECT_STR(got->model, "real");
        EXPECT_EQ(got->input, 50);
        EXPECT_EQ(got->cache_read, 30);
        EXPECT_EQ(got->cache_write, 20);
        EXPECT_EQ(got->output, 8);
        free(got);
        tape_free(t);
    }
}

/* The very bytes, once. */
TEST(the_bytes_of_a_stream) {
    struct tape *t = tape_new();
    give(&t->stream, &(struct said){CHAT_TEXT, .text = "a"}, &t->streamed);
    give(&t->stream, &(struct said){CHAT_FINISH, .finish = CHAT_FINISH_STOP}, &t->streamed);
    give(&t->stream, &(struct said){.kind = CHAT_DONE}, &t->streamed);
    EXPECT_STR(
        bench_text(&t->streamed),
        "event: message_start\n"
        "data: "
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_9\",\"type\":\"message\",\"role\":"
        "\"assistant\",\"model\":\"real\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":"
        "null,"
        "\"usage\":{\"input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_read_input_"
        "tokens\":0,"
        "\"output_tokens\":0}}}\n\n"
        "event: content_block_start\n"
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","
        "\"text\":\"\"}}\n\n"
        "event: content_block_delta\n"
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
        "\"text\":\"a\"}}\n\n"
        "event: content_block_stop\n"
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
        "event: message_delta\n"
        "data: "
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":"
        "null},\"usage\":{\"input_tokens\":0,\"cache_creation_input_tokens\":0,"
        "\"cache_read_input_tokens\":0,\"output_tokens\":0}}\n\n"
        "event: message_stop\n"
        "data: {\"type\":\"message_stop\"}\n\n");
    tape_free(t);
}

/* The first piece goes out at once: nothing waits for what may follow. */
TEST(pieces_are_written_as_they_come) {
    struct tape *t = tape_new();
    static const struct said said[] = {{CHAT_TEXT, .text = "a"},
                                       {CHAT_TEXT, .text = "b"},
                                       {CHAT_TOOL_START, .text = "", .id = "t", .name = "f"},
                                       {CHAT_TOOL_ARGS, .text = "{"},
                                       {CHAT_TOOL_ARGS, .text = "}"},
                                       {CHAT_REASONING, .text = "c"}};
    static const char *const last[] = {"\"text\":\"a\"}}\n\n",
                                       "\"text\":\"b\"}}\n\n",
                                       "\"name\":\"f\",\"input\":{}}}\n\n",
                                       "\"partial_json\":\"{\"}}\n\n",
                                       "\"partial_json\":\"}\"}}\n\n",
                                       "\"thinking\":\"c\"}}\n\n"};
    for (size_t i = 0; i < countof(said); i++) {
        ROW("%zu", i);
        give(&t->stream, &said[i], &t->streamed);
        EXPECT(span_ends(json_out_span(&t->streamed), span_str(last[i])));
    }
    tape_free(t);
}

TEST(ids_fit_and_are_unique) {
    static const char *const ids[] = {"call_0", "call_0",        "call_0",
                                      "",       "functions.f:0", "functions.f:0"};
    for (int whole = 0; whole < 2; whole++) {
        struct tape *t = tape_new();
        struct answer *got;
        struct chat_writer *writer = whole ? &t->body : &t->stream;
        for (unsigned i = 0; i < countof(ids); i++) {
            give(writer,
                 &(struct said){CHAT_TOOL_START, .text = "", .id = ids[i], .name = "f", .tool = i},
                 whole ? NULL : &t->streamed);
            give(writer, &(struct said){CHAT_TOOL_ARGS, .text = "{}", .tool = i},
                 whole ? NULL : &t->streamed);
        }
        if (whole) {
            struct span body = tape_body(t, writer);
            got = answer_of_body(body.p, body.n);
        } else {
            dialect_anthropic.write_done(writer, &t->reader, &t->streamed);
            expect_legal_stream(json_out_span(&t->streamed), false);
            got = answer_of_stream(t->streamed.p, t->streamed.n);
        }
        EXPECT_EQ(got->call_count, countof(ids));
        EXPECT_STR(got->calls[0].id, "call_0");
        for (unsigned i = 0; i < got->call_count; i++) {
            EXPECT(*got->calls[i].id && strlen(got->calls[i].id) <= 64);
            EXPECT(chat_is_tool_name(span_str(got->calls[i].id)));
            for (unsigned k = 0; k < i; k++)
                EXPECT(strcmp(got->calls[i].id, got->calls[k].id) != 0);
        }
        free(got);
        tape_free(t);
    }
}

/* A hostile stream is cut into many blocks: only those that wait take memory. */
TEST(closed_blocks_are_used_again) {
    static const struct {
        const char *name;
        struct said said[4]; /* over and over; kind CHAT_START: the end */
    } rows[] = {
        {"text and reasoning", {{CHAT_TEXT, .text = "a"}, {CHAT_REASONING, .text = "b"}}},
        {"signed reasoning",
         {{CHAT_REASONING, .text = "a"}, {CHAT_SIGNATURE, .text = "S", .signer = A}}},
        {"sealed reasoning and text",
         {{CHAT_REDACTED, .text = "D", .signer = A}, {CHAT_TEXT, .text = "a"}}},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct tape *t = tape_new();
        size_t starts = 0, before = 0;
        ROW("%s", rows[i].name);
        for (unsigned k = 0; k < 100000; k++) {
            for (const struct said *said = rows[i].said; said->kind != CHAT_START; said++) {
                t->streamed.n = 0;
                give(&t->stream, said, &t->streamed);
                struct span text = json_out_span(&t->streamed);
                starts += span_search(text, SPAN("content_block_start")) < text.n;
            }
            if (k == 100)
                before = t->bench.memory.used_bytes;
        }
        EXPECT(!t->stream.full);
        EXPECT(starts >= 100000);
        EXPECT_EQ(t->bench.memory.used_bytes, before);
        tape_free(t);
    }
}

TEST(a_relayed_stream_gets_its_end_only) {
    struct tape *t = tape_new();
    dialect_anthropic.write_done(&t->relay, &t->reader, &t->relayed);
    EXPECT_STR(bench_text(&t->relayed),
               "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    t->relayed.n = 0;
    t->reader.end_relayed = true;
    dialect_anthropic.write_done(&t->relay, &t->reader, &t->relayed);
    EXPECT_EQ(t->relayed.n, 0);
    tape_free(t);
}

TEST(nobody_said_who_speaks) {
    struct tape *t = tape_new();
    struct chat_event event = {.kind = CHAT_TEXT, .text = SPAN("a")};
    dialect_anthropic.write_event(&t->stream, &event, &t->streamed);
    EXPECT(span_search(json_out_span(&t->streamed), SPAN("\"id\":\"msg\"")) < t->streamed.n);
    EXPECT(span_search(json_out_span(&t->streamed), SPAN("\"model\":\"asked\"")) < t->streamed.n);
    tape_free(t);
}

TEST(more_calls_than_anyone_makes) {
    for (int whole = 0; whole < 2; whole++) {
        struct tape *t = tape_new();
        struct chat_writer *writer = whole ? &t->body : &t->stream;
        for (unsigned i = 0; i < TOOL_CALLS_MAX + 1; i++) {
            EXPECT(!writer->full);
            give(writer,
                 &(struct said){CHAT_TOOL_START, .text = "", .id = "t", .name = "f", .tool = i},
                 whole ? NULL : &t->streamed);
        }
        EXPECT(writer->full);
        tape_free(t);
    }
}

/* --- merge: what the API itself would have given --- */

TEST(merges) {
    static const struct {
        const char *events[9], *want;
    } rows[] = {
        {{"{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"content\":[],\"stop_reason\":"
          "null,"
          "\"new\":1,\"usage\":{\"input_tokens\":1,\"x\":2,\"output_tokens\":1}}}",
          "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","
          "\"text\":\"a\",\"citations\":null}}",
          "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
          "\"text\":"
          "\"\\u0062\"}}",
          "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"citations_delta\","
          "\"citation\":{\"n\":1}}}",
          "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"citations_delta\","
          "\"citation\":{\"n\":2}}}",
          "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"container\":{"
          "\"id\":7}},"
          "\"usage\":{\"input_tokens\":null,\"output_tokens\":5,\"y\":{}},\"context_management\":[]"
          "}",
          "{\"type\":\"message_stop\"}"},
         "{\"id\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"ab\",\"citations\":[{\"n\":1},{"
         "\"n\":"
         "2}]}],\"stop_reason\":\"end_turn\",\"new\":1,\"usage\":{\"input_tokens\":1,\"x\":2,"
         "\"output_tokens\":5,\"y\":{}},\"container\":{\"id\":7},\"context_management\":[]}"},
        {{"{\"type\":\"message_start\",\"message\":{}}",
          "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"poem\","
          "\"a\":1}}",
          "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"poem_delta\",\"a\":"
          "2,"
          "\"b\":null}}",
          "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":"
          "\"server_tool_use\",\"input\":{}}}",
          "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\","
          "\"partial_json\":\"{\\\"q\\\":\"}}",
          "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\","
          "\"partial_json\":\"[\\\"\\\\n\\\"]}\"}}",
          "{\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\","
          "\"input\":{\"k\":1}}}",
          "{\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\","
          "\"partial_json\":\"{\\\"half\"}}",
          "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"poem_delta\",\"c\":"
          "3}}"},
         "{\"content\":[{\"type\":\"poem\",\"a\":2,\"b\":null,\"c\":3},{\"type\":\"server_tool_"
         "use\","
         "\"input\":{\"q\":[\"\\n\"]}},{\"type\":\"tool_use\",\"input\":{\"k\":1}}]}"},
        {{"{\"type\":\"message_start\",\"message\":{\"id\":\"a\",\"usage\":{\"i\":1}}}",
          "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\"}}",
          "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"x\"}}",
          "{\"type\":\"message_start\",\"message\":{\"id\":\"b\"}}",
          "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\"}"
          "}",
          "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\","
          "\"thinking\":\"h\"}}",
          "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\","
          "\"signature\":\"S\"}}",
          "{\"type\":\"message_delta\",\"usage\":{\"o\":2}}"},
         "{\"id\":\"b\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"h\",\"signature\":\"S\"}"
         "],"
         "\"usage\":{\"o\":2}}"},
        {{"x", "{\"type\":\"message_start\"}", "{\"type\":\"content_block_delta\",\"index\":0}",
          "{\"type\":\"content_block_start\"}", "[]"},
         "{\"content\":[]}"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct tape *t = tape_new();
        ROW("%zu", i);
        for (size_t e = 0; e < countof(rows[i].events) && rows[i].events[e]; e++)
            dialect_anthropic.merge(&t->merged, SPAN(""), span_str(rows[i].events[e]));
        EXPECT_JSON(tape_body(t, &t->merged), span_str(rows[i].want));
        tape_free(t);
    }
}

TEST(merging_is_bounded) {
    struct tape *t = tape_new();
    dialect_anthropic.merge(&t->merged, SPAN(""),
                            SPAN("{\"type\":\"message_start\",\"message\":{}}"));
    for (int i = 0; i < 100; i++) {
        char data[100];
        EXPECT_EQ(t->merged.full, i > ANTHROPIC_CHANGES_MAX);
        snprintf(data, sizeof data, "{\"type\":\"message_delta\",\"m%d\":1}", i);
        dialect_anthropic.merge(&t->merged, SPAN(""), span_str(data));
    }
    tape_free(t);
    t = tape_new();
    for (int i = 0; i < 5000; i++) {
        char data[100];
        snprintf(data, sizeof data,
                 "{\"type\":\"content_block_start\",\"index\":%d,\"content_block\":{}}", i);
        dialect_anthropic.merge(&t->merged, SPAN(""), span_str(data));
    }
    EXPECT(t->merged.full);
    tape_free(t);
}
