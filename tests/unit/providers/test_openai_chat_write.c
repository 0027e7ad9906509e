/* test_openai_chat_write.c - streams, whole bodies and errors as the OpenAI SDKs read them. */
#include "core/slab.h"
#include "providers/provider.h"
#include "tests/test.h"

struct desk {
    struct memory memory;
    struct arena arena;
    struct chat_writer writer;
    struct json_out out;
};

static void desk_init(struct desk *d, bool usage, size_t memory_max) {
    struct chat_request req = {.model = SPAN("as\"ked"), .include_usage = usage};
    memory_init(&d->memory, memory_max, 0);
    arena_init(&d->arena, &d->memory);
    dialect_openai_chat.writer_init(&d->writer, &d->arena, &req);
    d->writer.created_s = 7;
    json_out_arena(&d->out, &d->arena, 0);
}

static void desk_fini(struct desk *d) {
    arena_fini(&d->arena);
    memory_fini(&d->memory);
}

static const char *text_of(struct json_out *out) {
    json_out_raw(out, span_of("", 1));
    return out->full ? "(full)" : out->p;
}

#define MEMORY ((size_t)16 << 20)
#define HEAD                                                                             \
    "data: "                                                                             \
    "{\"id\":\"chatcmpl\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":" \
    "\"as\\\"ked\",\"choices\":[{\"index\":0,\"delta\":"
#define TAIL ",\"logprobs\":null,\"finish_reason\":null}]}\n\n"

#define E(k, ...) \
    { .kind = k, ##__VA_ARGS__ }

/* Events of a dialect that says nothing of the answer's identity, as from another dialect. */
TEST(a_stream_from_events) {
    static const struct {
        const char *name;
        bool usage;
        struct chat_event events[6];
        unsigned count;
        const char *want;
    } rows[] = {
        {"text",
         false,
         {E(CHAT_TEXT, .text = SPAN_CONST("H\\u00e9")), E(CHAT_TEXT, .text = SPAN_CONST("llo")),
          E(CHAT_FINISH, .finish = CHAT_FINISH_LENGTH), E(CHAT_DONE)},
         4,
         HEAD "{\"role\":\"assistant\",\"content\":\"\"}" TAIL HEAD
              "{\"content\":\"H\\u00e9\"}" TAIL HEAD "{\"content\":\"llo\"}" TAIL HEAD
              "{},\"logprobs\":null,\"finish_reason\":\"length\"}]}\n\n"
              "data: [DONE]\n\n"},
        {"a call",
         false,
         {E(CHAT_TOOL_START, .id = SPAN_CONST("t1"), .name = SPAN_CONST("f")),
          E(CHAT_TOOL_ARGS, .text = SPAN_CONST("{}")),
          E(CHAT_TOOL_START, .tool = 1, .name = SPAN_CONST("g"), .text = SPAN_CONST("{}"))},
         3,
         HEAD "{\"role\":\"assistant\",\"content\":null}" TAIL HEAD
              "{\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"type\":\"function\",\"function\":{"
              "\"name\":\"f\",\"arguments\":\"\"}}]}" TAIL HEAD
              "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}" TAIL HEAD
              "{\"tool_calls\":[{\"index\":1,\"id\":\"call_f28a5b66daec55f300000001\",\"type\":"
              "\"function\","
              "\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}" TAIL},
        {"a custom call",
         false,
         {E(CHAT_TOOL_START, .id = SPAN_CONST("t1"), .name = SPAN_CONST("f"), .custom = true,
            .continued = true),
          E(CHAT_TOOL_ARGS, .text = SPAN_CONST("x"), .custom = true)},
         2,
         HEAD "{\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"type\":\"custom\",\"custom\":{"
              "\"name\":\"f\",\"input\":\"\"}}]}" TAIL HEAD
              "{\"tool_calls\":[{\"index\":0,\"custom\":{\"input\":\"x\"}}]}" TAIL},
        {"reasoning keeps its name",
         false,
         {E(CHAT_REASONING, .text = SPAN_CONST("a"), .continued = true),
          E(CHAT_REASONING, .text = SPAN_CONST("b"), .name = SPAN_CONST("reasoning"))},
         2,
         HEAD "{\"reasoning_content\":\"a\"}" TAIL HEAD "{\"reasoning\":\"b\"}" TAIL},
        {"what Claude wants back, and nobody else's proofs",
         false,
         {E(CHAT_SIGNATURE, .text = SPAN_CONST("S\\/1"), .signer = CHAT_SIGNER_ANTHROPIC,
            .continued = true),
          E(CHAT_REDACTED, .text = SPAN_CONST("R"), .signer = CHAT_SIGNER_ANTHROPIC),
          E(CHAT_SIGNATURE, .text = SPAN_CONST("x"), .signer = CHAT_SIGNER_OPENAI),
          E(CHAT_REDACTED, .text = SPAN_CONST("x"), .signer = CHAT_SIGNER_OPENAI),
          E(CHAT_SIGNATURE, .text = SPAN_CONST("x"), .signer = CHAT_SIGNER_GOOGLE),
          E(CHAT_SIGNATURE, .text = SPAN_CONST("x"))},
         6,
         HEAD
         "{\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"S\\/1\"}]"
         "}" TAIL HEAD
         "{\"thinking_blocks\":[{\"type\":\"redacted_thinking\",\"data\":\"R\"}]}" TAIL},
        {"what Gemini wants back",
         false,
         {E(CHAT_SIGNATURE, .text = SPAN_CONST("G"), .signer = CHAT_SIGNER_GOOGLE, .tool = 1,
            .of_tool = true)},
         1,
         HEAD "{\"role\":\"assistant\",\"content\":null}" TAIL HEAD
              "{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"\"},\"extra_content\":{"
              "\"google\":{\"thought_signature\":\"G\"}}}]}" TAIL},
        {"a stop sequence is nobody's business here",
         false,
         {E(CHAT_FINISH, .finish = CHAT_FINISH_STOP, .text = SPAN_CONST("END"), .continued = true)},
         1,
         HEAD "{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n"},
        {"refusal",
         false,
         {E(CHAT_REFUSAL, .text = SPAN_CONST("No"), .continued = true)},
         1,
         HEAD "{\"refusal\":\"No\"}" TAIL},
        {"a finish alone tells the role too",
         false,
         {E(CHAT_FINISH, .finish = CHAT_FINISH_CONTENT_FILTER)},
         1,
         HEAD "{\"role\":\"assistant\",\"content\":null}" TAIL HEAD
              "{},\"logprobs\":null,\"finish_reason\":\"content_filter\"}]}\n\n"},
        {"logprobs, audio, annotations, on several lines",
         false,
         {E(CHAT_EXTRA, .continued = true, .place = CHAT_OF_CHOICE, .name = SPAN_CONST("logprobs"),
            .text = SPAN_CONST("{\n\"content\":\r[]}")),
          E(CHAT_MEDIA, .name = SPAN_CONST("audio"), .text = SPAN_CONST("{\"data\":\n\"AA\"}")),
          E(CHAT_EXTRA, .name = SPAN_CONST("annotations"), .text = SPAN_CONST("[\r\n1]")),
          E(CHAT_EXTRA, .place = CHAT_OF_CHOICE, .name = SPAN_CONST("content_filter_results"),
            .text = SPAN_CONST("{}")),
          E(CHAT_EXTRA, .place = CHAT_OF_TOOL, .tool = 2, .name = SPAN_CONST("extra_content"),
            .text = SPAN_CONST("{}")),
          E(CHAT_EXTRA, .place = CHAT_OF_ANSWER, .name = SPAN_CONST("provider"),
            .text = SPAN_CONST("\"x\""))},
         6,
         HEAD "{},\"logprobs\":{ \"content\": []},\"finish_reason\":null}]}\n\n" HEAD
              "{\"audio\":{\"data\": \"AA\"}}" TAIL HEAD "{\"annotations\":[  1]}" TAIL HEAD
              "{\"tool_calls\":[{\"index\":2,\"extra_content\":{}}]}" TAIL},
        {"usage asked for",
         true,
         {E(CHAT_USAGE, .usage = {.known = true,
                                  .input_tokens = 5,
                                  .output_tokens = 4,
                                  .cached_tokens = 3,
                                  .cache_write_tokens = 2,
                                  .reasoning_tokens = 1}),
          E(CHAT_DONE)},
         2,
         "data: "
         "{\"id\":\"chatcmpl\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":"
         "\"as\\\"ked\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":4,"
         "\"total_tokens\":9,\"prompt_tokens_details\":{\"cached_tokens\":3,\"cache_write_tokens\":"
         "2},\"completion_tokens_details\":{\"reasoning_tokens\":1}}}\n\ndata: [DONE]\n\n"},
        {"usage in the client's dialect goes on as it is",
         true,
         {E(CHAT_USAGE, .usage = {.known = true,
                                  .raw = SPAN_CONST("{\n\"prompt_tokens\":1,\r\"cost\":1.0e-3}")}),
          E(CHAT_DONE)},
         2,
         "data: "
         "{\"id\":\"chatcmpl\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":"
         "\"as\\\"ked\",\"choices\":[],\"usage\":{ \"prompt_tokens\":1, \"cost\":1.0e-3}}\n\ndata: "
         "[DONE]\n\n"},
        {"usage asked for, none known", true, {E(CHAT_DONE)}, 1, "data: [DONE]\n\n"},
        {"usage not asked for",
         false,
         {E(CHAT_USAGE, .usage = {.known = true, .input_tokens = 5}), E(CHAT_DONE)},
         2,
         "data: [DONE]\n\n"},
        {"what is not said",
         false,
         {E(CHAT_START), E(CHAT_OTHER), E(CHAT_ERROR, .error = FAIL_EMPTY)},
         3,
         ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        ROW("%s", rows[i].name);
        desk_init(&d, rows[i].usage, MEMORY);
        for (unsigned e = 0; e < rows[i].count; e++)
            dialect_openai_chat.write_event(&d.writer, &rows[i].events[e], &d.out);
        EXPECT_STR(text_of(&d.out), rows[i].want);
        EXPECT_EQ(d.writer.full, false);
        desk_fini(&d);
    }
}

TEST(an_answer_is_one_speaker) {
    struct desk d;
    struct chat_answer answer = {.id = SPAN("c9"),
                                 .model = SPAN("real"),
                                 .created = SPAN("42"),
                                 .service_tier = SPAN("default"),
                                 .system_fingerprint = SPAN("null")};
    struct chat_answer other = {.id = SPAN("c10"), .model = SPAN("x")};
    desk_init(&d, true, MEMORY);
    dialect_openai_chat.write_event(
        &d.writer,
        &(struct chat_event){
            .kind = CHAT_TEXT, .text = SPAN("a"), .continued = true, .answer = &answer},
        &d.out);
    dialect_openai_chat.write_event(
        &d.writer, &(struct chat_event){.kind = CHAT_TEXT, .text = SPAN("b"), .answer = &other},
        &d.out);
#define OWN                                                                                  \
    "data: "                                                                                 \
    "{\"id\":\"c9\",\"object\":\"chat.completion.chunk\",\"created\":42,\"model\":\"real\"," \
    "\"service_tier\":\"default\",\"system_fingerprint\":null,\"choices\":[{\"index\":0,"    \
    "\"delta\":"
    EXPECT_STR(
        text_of(&d.out),
        OWN "{\"content\":\"a\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n" OWN
            "{\"content\":\"b\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n");
    desk_fini(&d);
}

TEST(the_end_of_a_relayed_stream) {
    static const struct {
        const char *name;
        bool usage, chunk, known;
        const char *want;
    } rows[] = {
        {"not asked for", false, false, true, "data: [DONE]\n\n"},
        {"asked for and relayed", true, true, true, "data: [DONE]\n\n"},
        {"asked for and not known", true, false, false, "data: [DONE]\n\n"},
        {"asked for", true, false, true,
         "data: "
         "{\"id\":\"c9\",\"object\":\"chat.completion.chunk\",\"created\":42,\"model\":\"real\","
         "\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        struct chat_reader reader = {
            .usage_chunk = rows[i].chunk,
            .usage = {.known = rows[i].known, .raw = SPAN("{\"prompt_tokens\":1}")},
            .answer = {.id = SPAN("c9"), .model = SPAN("real"), .created = SPAN("42")}};
        ROW("%s", rows[i].name);
        desk_init(&d, rows[i].usage, MEMORY);
        dialect_openai_chat.write_done(&d.writer, &reader, &d.out);
        EXPECT_STR(text_of(&d.out), rows[i].want);
        desk_fini(&d);
    }
}

#define BODY(choices, rest)                                                                      \
    "{\"id\":\"chatcmpl\",\"object\":\"chat.completion\",\"created\":7,\"model\":\"as\\\"ked\"," \
    "\"choices\":[" choices "]" rest "}"
#define MESSAGE(message)                                        \
    "{\"index\":0,\"message\":{\"role\":\"assistant\"," message \
    "},\"logprobs\":null,\"finish_reason\":\"stop\"}"

TEST(whole_bodies_from_events) {
    static const struct {
        const char *name;
        struct chat_event events[7];
        unsigned count;
        const char *want;
    } rows[] = {
        {"text in pieces, a character cut in two",
         {E(CHAT_TEXT, .text = SPAN_CONST("a\\ud83d")),
          E(CHAT_TEXT, .text = SPAN_CONST("\\ude00\\n")),
          E(CHAT_FINISH, .finish = CHAT_FINISH_STOP)},
         3,
         BODY(MESSAGE("\"content\":\"a\\ud83d\\ude00\\n\",\"refusal\":null"), "")},
        {"a whole body without a reason",
         {E(CHAT_TEXT, .text = SPAN_CONST("a")), E(CHAT_DONE)},
         2,
         BODY(MESSAGE("\"content\":\"a\",\"refusal\":null"), "")},
        {"what is not done has no reason",
         {E(CHAT_TEXT, .text = SPAN_CONST("a"))},
         1,
         BODY("{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"a\",\"refusal\":null}"
              ",\"logprobs\":null,\"finish_reason\":null}",
              "")},
        {"nothing said",
         {E(CHAT_FINISH, .finish = CHAT_FINISH_STOP)},
         1,
         BODY(MESSAGE("\"content\":\"\",\"refusal\":null"), "")},
        {"refusal",
         {E(CHAT_REFUSAL, .text = SPAN_CONST("N")), E(CHAT_REFUSAL, .text = SPAN_CONST("o")),
          E(CHAT_FINISH, .finish = CHAT_FINISH_STOP)},
         3,
         BODY(MESSAGE("\"content\":null,\"refusal\":\"No\""), "")},
        {"reasoning",
         {E(CHAT_REASONING, .text = SPAN_CONST("h"), .name = SPAN_CONST("reasoning")),
          E(CHAT_REASONING, .text = SPAN_CONST("m"), .name = SPAN_CONST("reasoning")),
          E(CHAT_TEXT, .text = SPAN_CONST("a")), E(CHAT_FINISH, .finish = CHAT_FINISH_STOP)},
         4,
         BODY(MESSAGE("\"content\":\"a\",\"refusal\":null,\"reasoning\":\"hm\""), "")},
        {"calls",
         {E(CHAT_TOOL_START, .id = SPAN_CONST("t1"), .name = SPAN_CONST("f")),
          E(CHAT_TOOL_START, .tool = 1, .name = SPAN_CONST("g"), .custom = true,
            .text = SPAN_CONST("x")),
          E(CHAT_TOOL_ARGS, .text = SPAN_CONST("{\\\"a\\\":")),
          E(CHAT_TOOL_ARGS, .text = SPAN_CONST("1}")),
          E(CHAT_EXTRA, .place = CHAT_OF_TOOL, .name = SPAN_CONST("extra_content"),
            .text = SPAN_CONST("{\"s\":1}")),
          E(CHAT_FINISH, .finish = CHAT_FINISH_TOOL_CALLS)},
         6,
         BODY("{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":null,"
              "\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
              "\"arguments\":\"{\\\"a\\\":1}\"},\"extra_content\":{\"s\":1}},{\"id\":\"call_"
              "f28a5b66daec55f300000001\",\"type\":\"custom\",\"custom\":{\"name\":\"g\",\"input\":"
              "\"x\"}}]},"
              "\"logprobs\":null,\"finish_reason\":\"tool_calls\"}",
              "")},
        {"each signature with its reasoning",
         {E(CHAT_REASONING, .text = SPAN_CONST("on")), E(CHAT_REASONING, .text = SPAN_CONST("e")),
          E(CHAT_SIGNATURE, .text = SPAN_CONST("S1"), .signer = CHAT_SIGNER_ANTHROPIC),
          E(CHAT_REDACTED, .text = SPAN_CONST("R"), .signer = CHAT_SIGNER_ANTHROPIC),
          E(CHAT_REASONING, .text = SPAN_CONST("two")),
          E(CHAT_SIGNATURE, .text = SPAN_CONST("S2"), .signer = CHAT_SIGNER_ANTHROPIC),
          E(CHAT_FINISH, .finish = CHAT_FINISH_STOP)},
         7,
         BODY(MESSAGE(
                  "\"content\":\"\",\"refusal\":null,\"reasoning_content\":\"onetwo\","
                  "\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"one\",\"signature\":"
                  "\"S1\"},{\"type\":\"redacted_thinking\",\"data\":\"R\"},{\"type\":\"thinking\","
                  "\"thinking\":\"two\",\"signature\":\"S2\"}]"),
              "")},
        {"a signature alone, as models give that hide their reasoning",
         {E(CHAT_SIGNATURE, .text = SPAN_CONST("S"), .signer = CHAT_SIGNER_ANTHROPIC),
          E(CHAT_TEXT, .text = SPAN_CONST("a")), E(CHAT_FINISH, .finish = CHAT_FINISH_STOP)},
         3,
         BODY(MESSAGE(
                  "\"content\":\"a\",\"refusal\":null,\"thinking_blocks\":[{\"type\":\"thinking\","
                  "\"thinking\":\"\",\"signature\":\"S\"}]"),
              "")},
        {"a call with Gemini's signature",
         {E(CHAT_TOOL_START, .id = SPAN_CONST("t1"), .name = SPAN_CONST("f"),
            .text = SPAN_CONST("{}")),
          E(CHAT_SIGNATURE, .text = SPAN_CONST("G"), .signer = CHAT_SIGNER_GOOGLE, .of_tool = true),
          E(CHAT_SIGNATURE, .text = SPAN_CONST("x"), .signer = CHAT_SIGNER_GOOGLE),
          E(CHAT_FINISH, .finish = CHAT_FINISH_TOOL_CALLS)},
         4,
         BODY("{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":null,"
              "\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
              "\"arguments\":\"{}\"},\"extra_content\":{\"google\":{\"thought_signature\":\"G\"}}}]"
              "},"
              "\"logprobs\":null,\"finish_reason\":\"tool_calls\"}",
              "")},
        {"choices in their order",
         {E(CHAT_TEXT, .choice = 2, .text = SPAN_CONST("c")),
          E(CHAT_TEXT, .choice = 0, .text = SPAN_CONST("a")),
          E(CHAT_FINISH, .choice = 2, .finish = CHAT_FINISH_LENGTH),
          E(CHAT_FINISH, .choice = 0, .finish = CHAT_FINISH_STOP)},
         4,
         BODY(MESSAGE("\"content\":\"a\",\"refusal\":null") ",{\"index\":2,\"message\":{\"role\":"
                                                            "\"assistant\",\"content\":\"c\","
                                                            "\"refusal\":null},\"logprobs\":null,"
                                                            "\"finish_reason\":\"length\"}",
              "")},
        {"audio in pieces",
         {E(CHAT_EXTRA, .name = SPAN_CONST("audio"),
            .text = SPAN_CONST("{\"id\":\"a1\",\"transcript\":\"\"}")),
          E(CHAT_MEDIA, .name = SPAN_CONST("audio"),
            .text = SPAN_CONST("{\"id\":\"a1\",\"data\":\"AA\"}")),
          E(CHAT_MEDIA, .name = SPAN_CONST("audio"),
            .text = SPAN_CONST("{\"data\":\"BB\",\"transcript\":\"Hi\"}")),
          E(CHAT_MEDIA, .name = SPAN_CONST("audio"),
            .text = SPAN_CONST("{\"transcript\":\"!\",\"expires_at\":9}")),
          E(CHAT_FINISH, .finish = CHAT_FINISH_STOP)},
         5,
         BODY(MESSAGE("\"content\":null,\"refusal\":null,\"audio\":{\"id\":\"a1\",\"transcript\":"
                      "\"Hi!\",\"data\":\"AABB\",\"expires_at\":9}"),
              "")},
        {"pieces of another type are left out of arrays",
         {E(CHAT_TEXT, .text = SPAN_CONST("a")),
          E(CHAT_EXTRA, .name = SPAN_CONST("x"), .text = SPAN_CONST("{\"l\":[1]}")),
          E(CHAT_EXTRA, .name = SPAN_CONST("x"), .text = SPAN_CONST("{\"l\":{\"a\":2}}")),
          E(CHAT_EXTRA, .name = SPAN_CONST("y"), .text = SPAN_CONST("[1]")),
          E(CHAT_EXTRA, .name = SPAN_CONST("y"), .text = SPAN_CONST("{\"a\":2}")),
          E(CHAT_FINISH, .finish = CHAT_FINISH_STOP)},
         6,
         BODY(MESSAGE("\"content\":\"a\",\"refusal\":null,\"x\":{\"l\":[1]},\"y\":[1]"), "")},
        {"function_call in pieces",
         {E(CHAT_MEDIA, .name = SPAN_CONST("function_call"),
            .text = SPAN_CONST("{\"name\":\"f\",\"arguments\":\"\"}")),
          E(CHAT_MEDIA, .name = SPAN_CONST("function_call"),
            .text = SPAN_CONST("{\"arguments\":\"{}\"}")),
          E(CHAT_FINISH, .finish = CHAT_FINISH_FUNCTION_CALL)},
         3,
         BODY("{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":null,"
              "\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},\"logprobs\":null,\"finish_"
              "reason\":\"function_call\"}",
              "")},
        {"arrays are joined",
         {E(CHAT_TEXT, .text = SPAN_CONST("a")),
          E(CHAT_EXTRA, .name = SPAN_CONST("annotations"), .text = SPAN_CONST("[{\"a\":1}, 2]")),
          E(CHAT_EXTRA, .name = SPAN_CONST("annotations"), .text = SPAN_CONST("[ [3] ]")),
          E(CHAT_FINISH, .finish = CHAT_FINISH_STOP)},
         4,
         BODY(MESSAGE("\"content\":\"a\",\"refusal\":null,\"annotations\":[{\"a\":1},2,[3]]"), "")},
        {"logprobs are joined, null is nothing",
         {E(CHAT_TEXT, .text = SPAN_CONST("ab")),
          E(CHAT_EXTRA, .place = CHAT_OF_CHOICE, .name = SPAN_CONST("logprobs"),
            .text = SPAN_CONST("{\"content\":[{\"token\":\"a\"}],\"refusal\":null}")),
          E(CHAT_EXTRA, .place = CHAT_OF_CHOICE, .name = SPAN_CONST("logprobs"),
            .text = SPAN_CONST("{\"content\":null}")),
          E(CHAT_EXTRA, .place = CHAT_OF_CHOICE, .name = SPAN_CONST("logprobs"),
            .text = SPAN_CONST("{\"content\":[{\"token\":\"b\"}]}")),
          E(CHAT_FINISH, .finish = CHAT_FINISH_STOP)},
         5,
         BODY("{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"ab\",\"refusal\":"
              "null},\"logprobs\":{\"content\":[{\"token\":\"a\"},{\"token\":\"b\"}],\"refusal\":"
              "null},\"finish_reason\":\"stop\"}",
              "")},
        {"the last of what is said again",
         {E(CHAT_TEXT, .text = SPAN_CONST("a")),
          E(CHAT_EXTRA, .place = CHAT_OF_ANSWER, .name = SPAN_CONST("citations"),
            .text = SPAN_CONST("[1,2,3]")),
          E(CHAT_EXTRA, .place = CHAT_OF_ANSWER, .name = SPAN_CONST("citations"),
            .text = SPAN_CONST("[4]")),
          E(CHAT_EXTRA, .place = CHAT_OF_CHOICE, .name = SPAN_CONST("content_filter_results"),
            .text = SPAN_CONST("{\"hate\":1}")),
          E(CHAT_USAGE, .usage = {.known = true, .raw = SPAN_CONST("{\"prompt_tokens\":1}")}),
          E(CHAT_USAGE, .usage = {.known = true, .raw = SPAN_CONST("{\"prompt_tokens\":2}")}),
          E(CHAT_FINISH, .finish = CHAT_FINISH_STOP)},
         7,
         BODY("{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"a\",\"refusal\":null}"
              ",\"logprobs\":null,\"content_filter_results\":{\"hate\":1},\"finish_reason\":"
              "\"stop\"}",
              ",\"usage\":{\"prompt_tokens\":2},\"citations\":[4]")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        ROW("%s", rows[i].name);
        desk_init(&d, true, MEMORY);
        for (unsigned e = 0; e < rows[i].count; e++)
            dialect_openai_chat.collect(&d.writer, &rows[i].events[e]);
        dialect_openai_chat.write_body(&d.writer, &d.out);
        EXPECT_EQ(json_check(json_out_span(&d.out), NULL, NULL), 0);
        EXPECT_STR(text_of(&d.out), rows[i].want);
        EXPECT_EQ(d.writer.full, false);
        desk_fini(&d);
    }
}

/* An answer of another dialect: the same in the stream and in the whole body. */
TEST(ids_of_other_dialects_get_the_prefix) {
    static const struct {
        const char *id, *created, *want;
    } rows[] = {
        {"msg_01", "", "chatcmpl-msg_01"},
        {"aXr4\\/", "", "chatcmpl-aXr4\\/"},
        {"chatcmpl-7", "", "chatcmpl-7"},
        {"gen-7", "1700000000", "gen-7"}, /* of this dialect: chunks with it were relayed */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        struct chat_answer answer = {
            .id = span_str(rows[i].id), .model = SPAN("m"), .created = span_str(rows[i].created)};
        char want[100];
        ROW("%s", rows[i].id);
        snprintf(want, sizeof want, "{\"id\":\"%s\",", rows[i].want);
        desk_init(&d, false, MEMORY);
        dialect_openai_chat.write_event(
            &d.writer,
            &(struct chat_event){.kind = CHAT_TEXT, .text = SPAN("x"), .answer = &answer}, &d.out);
        EXPECT(strstr(text_of(&d.out), want) != NULL);
        d.out.n = 0;
        dialect_openai_chat.write_body(&d.writer, &d.out);
        EXPECT(strstr(text_of(&d.out), want) == text_of(&d.out));
        desk_fini(&d);
    }
}

/* Running out of memory says so, at whichever allocation it happens. */
TEST(a_full_memory_is_told) {
    static char piece[3000];
    unsigned full = 0, whole = 0;
    memset(piece, 'x', sizeof piece);
    for (size_t limit = 8192; limit <= 262144; limit += 8192) {
        struct desk d;
        ROW("%zu", limit);
        desk_init(&d, true, limit);
        for (int i = 0; i < 10; i++) {
            dialect_openai_chat.collect(&d.writer,
                                        &(struct chat_event){.kind = CHAT_TEXT,
                                                             .choice = (unsigned)i,
                                                             .text = span_of(piece, sizeof piece)});
            dialect_openai_chat.collect(&d.writer,
                                        &(struct chat_event){.kind = CHAT_TOOL_START,
                                                             .tool = (unsigned)i,
                                                             .name = span_of(piece, 500)});
            dialect_openai_chat.collect(&d.writer, &(struct chat_event){.kind = CHAT_EXTRA,
                                                                        .name = span_of(piece, 10),
                                                                        .text = SPAN("[1]")});
        }
        dialect_openai_chat.write_body(&d.writer, &d.out);
        if (d.writer.full)
            full++;
        else
            whole += json_check(json_out_span(&d.out), NULL, NULL) == 0;
        desk_fini(&d);
    }
    EXPECT(full > 0);
    EXPECT_EQ(full + whole, 32);
    EXPECT(whole > 0);
}

TEST(an_answer_has_a_limit) {
    static char piece[1 << 20];
    struct desk d;
    memset(piece, 'x', sizeof piece);
    desk_init(&d, false, (size_t)1 << 30);
    for (size_t n = 0; n < ANSWER_MAX_BYTES; n += sizeof piece)
        dialect_openai_chat.collect(
            &d.writer,
            &(struct chat_event){.kind = CHAT_TEXT, .text = span_of(piece, sizeof piece)});
    EXPECT_EQ(d.writer.full, false);
    dialect_openai_chat.collect(&d.writer,
                                &(struct chat_event){.kind = CHAT_TEXT, .text = SPAN("x")});
    EXPECT_EQ(d.writer.full, true);
    desk_fini(&d);
}

TEST(errors_as_the_sdks_know_them) {
    static const struct {
        enum fail why;
        const char *message, *param, *want;
    } rows[] = {
        {FAIL_KEY, "Give a \"key\".", "",
         "{\"error\":{\"message\":\"Give a "
         "\\\"key\\\".\",\"type\":\"authentication_error\",\"param\":null,\"code\":\"invalid_api_"
         "key\"}}"},
        {FAIL_BAD_REQUEST, "x", "messages[0].role",
         "{\"error\":{\"message\":\"x\",\"type\":\"invalid_request_error\",\"param\":\"messages[0]."
         "role\",\"code\":null}}"},
        {FAIL_NO_MODEL, "", "model",
         "{\"error\":{\"message\":\"the model is not "
         "configured\",\"type\":\"invalid_request_error\",\"param\":\"model\",\"code\":\"model_not_"
         "found\"}}"},
        {FAIL_RATE_LIMITED, "x", "",
         "{\"error\":{\"message\":\"x\",\"type\":\"rate_limit_error\",\"param\":null,\"code\":"
         "\"rate_limit_exceeded\"}}"},
        {FAIL_QUOTA, "x", "",
         "{\"error\":{\"message\":\"x\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":"
         "\"insufficient_quota\"}}"},
        {FAIL_POLICY, "x", "",
         "{\"error\":{\"message\":\"x\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":"
         "\"content_filter\"}}"},
        {FAIL_FIRST_TOKEN, "x", "",
         "{\"error\":{\"message\":\"x\",\"type\":\"timeout\",\"param\":null,\"code\":\"timeout\"}"
         "}"},
        {FAIL_DRAINING, "x", "",
         "{\"error\":{\"message\":\"x\",\"type\":\"server_error\",\"param\":null,\"code\":"
         "\"overloaded\"}}"},
        {FAIL_UPSTREAM_AUTH, "x", "",
         "{\"error\":{\"message\":\"x\",\"type\":\"server_error\",\"param\":null,\"code\":"
         "\"upstream_auth\"}}"},
        {FAIL_INCOMPLETE, "x", "",
         "{\"error\":{\"message\":\"x\",\"type\":\"server_error\",\"param\":null,\"code\":"
         "\"incomplete\"}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        ROW("%s", fail_name(rows[i].why));
        desk_init(&d, false, MEMORY);
        dialect_openai_chat.write_error(rows[i].why, span_str(rows[i].message),
                                        span_str(rows[i].param), &d.out);
        EXPECT_STR(text_of(&d.out), rows[i].want);
        desk_fini(&d);
    }
}

/* 5.4: a client told 401 looks for the fault in its own key. Every failure has a body that is JSON
 * with a type. */
TEST(every_failure_has_an_error) {
    static const struct span type[] = {SPAN_CONST("error"), SPAN_CONST("type")};
    for (enum fail why = FAIL_DNS; why < FAIL_COUNT; why++) {
        struct desk d;
        struct json_token token;
        ROW("%s", fail_name(why));
        desk_init(&d, false, MEMORY);
        dialect_openai_chat.write_error_event(why, SPAN(""), &d.out);
        struct span text = json_out_span(&d.out);
        EXPECT(span_starts(text, SPAN("data: ")) && span_ends(text, SPAN("\n\n")));
        EXPECT(json_find(span_from(text, 6), type, 2, &token) && token.kind == JSON_STRING &&
               token.raw.n > 0);
        if (why != FAIL_KEY)
            EXPECT(!span_eq(token.raw, SPAN("authentication_error")));
        desk_fini(&d);
    }
}
