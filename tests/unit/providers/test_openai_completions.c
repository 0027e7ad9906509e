/* test_openai_completions.c - the old completions: requests, as edits and as prompts, answers of
 * providers, and answers to clients. */
#include <glob.h>

#include <yyjson.h>

#include "tests/unit/providers/tape.h"

#define D dialect_openai_completions

struct desk {
    struct memory memory;
    struct arena arena;
    struct chat_request req;
    struct chat_prompt prompt;
    struct span why, param;
};

static void desk_init(struct desk *d) {
    memset(d, 0, sizeof *d);
    memory_init(&d->memory, (size_t)16 << 20, 0);
    arena_init(&d->arena, &d->memory);
}

static void desk_fini(struct desk *d) {
    arena_fini(&d->arena);
    memory_fini(&d->memory);
}

static int read_request(struct desk *d, const char *body) {
    return D.read_request(span_str(body), &d->arena, &d->req, &d->why, &d->param);
}

/* --- requests --- */

TEST(refuses_with_a_sentence_and_the_member) {
    static const struct {
        const char *body, *param, *why;
    } rows[] = {
        {"{", "", "not valid JSON"},
        {"{\"prompt\":\"a\"}", "model", "missing"},
        {"{\"model\":\"m\"}", "prompt", "missing"},
        {"{\"model\":\"m\",\"messages\":[]}", "prompt", "missing"},
        {"{\"model\":\"m\",\"prompt\":\"a\",\"prompt\":\"b\"}", "prompt", "twice"},
        {"{\"model\":\"m\",\"prompt\":7}", "prompt", "as a string"},
        {"{\"model\":\"m\",\"prompt\":null}", "prompt", "as a string"},
        {"{\"model\":\"m\",\"prompt\":[]}", "prompt", "at least one"},
        {"{\"model\":\"m\",\"prompt\":[{}]}", "prompt", "as a string"},
        {"{\"model\":\"m\",\"prompt\":[[\"a\"]]}", "prompt", "as numbers"},
        {"{\"model\":\"m\",\"prompt\":[\"a\",\"b\"],\"n\":100}", "n", "128"},
        {"{\"model\":\"m\",\"prompt\":\"a\",\"best_of\":0}", "best_of", "whole number"},
        {"{\"model\":\"m\",\"prompt\":[\"a\"", "", "not valid JSON"},
        {"{\"model\":\"m\",\"prompt\":[1,2", "", "not valid JSON"},
        {"{\"model\":\"m\",\"prompt\":\"a\",\"stream_options\":{\"include_usage\":true}}",
         "stream_options", "\"stream\": true"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        ROW("%s", rows[i].body);
        desk_init(&d);
        EXPECT_EQ(read_request(&d, rows[i].body), -FAIL_BAD_REQUEST);
        EXPECT_BYTES(d.param.p, d.param.n, rows[i].param);
        EXPECT(span_search(d.why, span_str(rows[i].why)) < d.why.n);
        desk_fini(&d);
    }
}

TEST(more_prompts_than_choices) {
    char body[2000] = "{\"model\":\"m\",\"prompt\":[";
    struct desk d;
    desk_init(&d);
    for (int i = 0; i < 129; i++)
        strcat(body, i ? ",\"a\"" : "\"a\"");
    strcat(body, "]}");
    EXPECT_EQ(read_request(&d, body), -FAIL_BAD_REQUEST);
    EXPECT_BYTES(d.param.p, d.param.n, "prompt");
    desk_fini(&d);
}

TEST(reads_what_the_router_needs) {
    static const struct {
        const char *members;
        unsigned choices;
        uint64_t estimate, max;
        bool stream, whole_only;
    } rows[] = {
        {"\"prompt\":\"0123456789abcdef\"", 1, 4, 0, false, false},
        {"\"prompt\":[\"01234567\",\"89abcdef\"],\"n\":3", 6, 4, 0, false, false},
        {"\"prompt\":[1,2,3,4,5,6,7],\"max_tokens\":9", 1, 7, 9, false, false},
        {"\"prompt\":[[1,2],[3]],\"stream\":true", 2, 3, 0, true, false},
        {"\"prompt\":\"\"", 1, 1, 0, false, false},
        /* The best is known at the end only. */
        {"\"prompt\":\"a\",\"best_of\":2", 1, 1, 0, false, true},
        {"\"prompt\":\"a\",\"best_of\":1", 1, 1, 0, false, false},
        {"\"prompt\":\"a\",\"best_of\":2,\"stream\":true", 1, 1, 0, true, false},
        /* Members of chats are nobody's here. */
        {"\"prompt\":\"a\",\"tools\":3,\"messages\":3,\"max_completion_tokens\":\"x\"", 1, 1, 0,
         false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        char body[300];
        ROW("%s", rows[i].members);
        snprintf(body, sizeof body, "{\"model\":\"m\\u0031\",%s,\"user\":\"u\"}", rows[i].members);
        desk_init(&d);
        EXPECT_EQ(read_request(&d, body), 0);
        EXPECT_BYTES(d.req.model.p, d.req.model.n, "m1");
        EXPECT_BYTES(d.req.user.p, d.req.user.n, "u");
        EXPECT_EQ(d.req.choices, rows[i].choices);
        EXPECT_EQ(d.req.input_tokens_estimate, rows[i].estimate);
        EXPECT_EQ(d.req.max_output_tokens, rows[i].max);
        EXPECT_EQ(d.req.stream, rows[i].stream);
        EXPECT_EQ(d.req.whole_only, rows[i].whole_only);
        EXPECT_EQ(d.req.has_tools, false);
        desk_fini(&d);
    }
}

TEST(the_same_prompt_goes_the_same_way) {
    struct desk a, b, c;
    desk_init(&a);
    desk_init(&b);
    desk_init(&c);
    read_request(&a, "{\"model\":\"m\",\"prompt\":\"once upon\"}");
    read_request(&b, "{\"prompt\":\"once upon\",\"n\":2,\"model\":\"m\"}");
    read_request(&c, "{\"model\":\"m\",\"prompt\":\"once uqon\"}");
    EXPECT(a.req.prefix_hash == b.req.prefix_hash);
    EXPECT(a.req.prefix_hash != c.req.prefix_hash);
    desk_fini(&a);
    desk_fini(&b);
    desk_fini(&c);
}

TEST(the_body_for_a_backend) {
    static const struct {
        const char *body, *want;
        unsigned quirks;
    } rows[] = {
        {"{\"model\":\"m\",\"prompt\":[1,2],\"echo\":true}",
         "{\"stream\":true,\"stream_options\":{\"include_usage\":true},\"model\":\"b\",\"prompt\":["
         "1,2],\"echo\":true}",
         0},
        {"{\"model\":\"m\",\"prompt\":\"a\",\"stream\":false}",
         "{\"model\":\"b\",\"prompt\":\"a\",\"stream\":true}", QUIRK_NO_STREAM_OPTIONS},
        {"{\"model\":\"m\",\"prompt\":\"a\",\"best_of\":3}",
         "{\"model\":\"b\",\"prompt\":\"a\",\"best_of\":3}", 0},
        {"{\"model\":\"m\",\"prompt\":\"a\",\"stream\":true,\"max_tokens\":3}",
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"b\",\"prompt\":\"a\",\"stream\":"
         "true,\"max_tokens\":3}",
         QUIRK_MAX_TOKENS_ONLY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        struct chat_edit edits[CHAT_EDITS_MAX];
        struct json_out out;
        size_t at = 0;
        ROW("%s", rows[i].body);
        desk_init(&d);
        EXPECT_EQ(read_request(&d, rows[i].body), 0);
        int count = D.edit_request(&d.req, SPAN("b"), rows[i].quirks, &d.arena, edits);
        json_out_arena(&out, &d.arena, 0);
        for (int e = 0; e < count; e++) {
            json_out_raw(&out, span_of(rows[i].body + at, edits[e].at - at));
            json_out_raw(&out, edits[e].insert);
            at = edits[e].at + edits[e].remove;
        }
        json_out_raw(&out, span_str(rows[i].body + at));
        EXPECT_BYTES(out.p, out.n, rows[i].want);
        desk_fini(&d);
    }
}

TEST(a_prompt_becomes_a_chat) {
    static const struct {
        const char *members, *want;
    } rows[] = {
        {"\"prompt\":\"a\\n\"",
         "{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"a\\n\"}],"
         "\"max_completion_tokens\":16}"},
        {"\"prompt\":[\"a\"],\"max_tokens\":5,\"echo\":false,\"suffix\":\"\",\"best_of\":1,"
         "\"logprobs\":null,\"stop\":[\"s\"],\"n\":2,\"temperature\":0.5,\"user\":\"u\"",
         "{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
         "\"max_completion_tokens\":5,\"n\":2,\"stop\":[\"s\"],\"temperature\":0.5,\"user\":"
         "\"u\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        struct json_out out;
        struct chat_losses losses = {.lenient = false};
        struct chat_spell spell = {
            .model = SPAN("x"), .facts = model_facts_find(SPAN("x")), .losses = &losses};
        char body[400];
        ROW("%s", rows[i].members);
        snprintf(body, sizeof body, "{\"model\":\"m\",%s}", rows[i].members);
        desk_init(&d);
        EXPECT_EQ(read_request(&d, body), 0);
        EXPECT_EQ(D.read_prompt(&d.req, &d.arena, &d.prompt, &d.why, &d.param), 0);
        json_out_arena(&out, &d.arena, 0);
        EXPECT_EQ(dialect_openai_chat.write_prompt(&d.prompt, &spell, &d.arena, &out), 0);
        EXPECT_BYTES(out.p, out.n, rows[i].want);
        desk_fini(&d);
    }
    EXPECT(D.write_prompt == NULL);
}

TEST(what_only_completions_can_do) {
    static const struct {
        const char *members, *param;
    } rows[] = {
        {"\"prompt\":[\"a\",\"b\"]", "prompt"},
        {"\"prompt\":[1,2]", "prompt"},
        {"\"prompt\":[[1]]", "prompt"},
        {"\"prompt\":\"a\",\"echo\":true", "echo"},
        {"\"prompt\":\"a\",\"suffix\":\"b\"", "suffix"},
        {"\"prompt\":\"a\",\"best_of\":2", "best_of"},
        {"\"prompt\":\"a\",\"logprobs\":0", "logprobs"},
        {"\"prompt\":\"a\",\"stop\":7", "stop"},
        {"\"prompt\":\"a\",\"top_p\":\"1\"", "top_p"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        char body[200];
        ROW("%s", rows[i].members);
        snprintf(body, sizeof body, "{\"model\":\"m\",%s}", rows[i].members);
        desk_init(&d);
        EXPECT_EQ(read_request(&d, body), 0);
        EXPECT_EQ(D.read_prompt(&d.req, &d.arena, &d.prompt, &d.why, &d.param), -FAIL_BAD_REQUEST);
        EXPECT_BYTES(d.param.p, d.param.n, rows[i].param);
        EXPECT(span_ends(d.why, SPAN(".")));
        desk_fini(&d);
    }
    struct desk d;
    desk_init(&d);
    read_request(&d, "{\"model\":\"m\",\"prompt\":\"a\",\"logit_bias\":{\"1\":2},\"stream\":true,"
                     "\"stream_options\":{}}");
    EXPECT_EQ(D.read_prompt(&d.req, &d.arena, &d.prompt, &d.why, &d.param), 0);
    EXPECT(d.prompt.extras && !d.prompt.extras->hint && !d.prompt.extras->next);
    EXPECT(d.prompt.extras && span_eq(d.prompt.extras->name, SPAN("logit_bias")));
    desk_fini(&d);
}

/* --- answers of providers --- */

#define CHUNK(choice)                                                                      \
    "{\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":5,\"choices\":[" choice \
    "],\"model\":\"m\"}"
#define SAYS(text, finish) \
    "{\"text\":\"" text "\",\"index\":0,\"logprobs\":null,\"finish_reason\":" finish "}"

TEST(events) {
    static const struct {
        const char *stream, *log, *verdicts;
    } rows[] = {
        {"data: " CHUNK(SAYS("a", "null")) "\n\ndata: " CHUNK(
             SAYS("", "\"stop\"")) "\n\n"
                                   "data: [DONE]\n\n",
         "start(cmpl-1,m) text0(a) finish0(stop) done", "AAD"},
        {"data: " CHUNK(SAYS("a", "null")) "\n\ndata: [DONE]\n\n",
         "start(cmpl-1,m) text0(a) error(incomplete,)", "AD"},
        {"data: " CHUNK(SAYS("", "null")) "\n\n", "start(cmpl-1,m) error(empty,)", "A"},
        {"data: " CHUNK(SAYS("a", "\"abort\"")) "\n\n",
         "start(cmpl-1,m) text0(a) error(error_event,)", "R"},
        {"data: " CHUNK("{\"text\":\"a\",\"index\":1,\"logprobs\":{\"tokens\":[\"a\"]},"
                        "\"finish_reason\":\"length\"}") "\n\ndata: {\"id\":\"cmpl-1\",\"choices\":"
                                                         "[],\"usage\":{\"prompt_tokens\":3,"
                                                         "\"completion_tokens\":1}}\n\n",
         "start(cmpl-1,m) text1(a) extra1(logprobs={\"tokens\":[\"a\"]}) finish1(length) "
         "usage(3,1,0,0) done",
         "AD"},
        /* Usage beside text, for a client that did not ask: the chunk goes on as it is. */
        {"data: {\"id\":\"c\",\"choices\":[{\"text\":\"a\",\"index\":0,\"finish_reason\":\"stop\"}]"
         ",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n",
         "start(c,) text0(a) finish0(stop) usage(3,1,0,0) done", "A"},
        /* A chat's delta is no text. */
        {"data: " CHUNK(
             "{\"delta\":{\"content\":\"a\"},\"index\":0,\"finish_reason\":null}") "\n\n",
         "start(cmpl-1,m) error(empty,)", "D"},
        {"data: {\"error\":{\"message\":\"slow\",\"code\":\"rate_limit_exceeded\"}}\n\n",
         "error(rate_limited,slow)", "D"},
        {"data: {\"id\":\"c\",\"choices\":[{\"text\":\"a\",\"index\":0\n\n", "error(incomplete,)",
         "D"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ROW("%s", rows[i].stream);
        for (size_t cut = 0; cut <= strlen(rows[i].stream); cut += 7) {
            struct tape *t = tape_of(&D, false);
            tape_stream(t, span_str(rows[i].stream), cut);
            EXPECT_STR(tape_text(&t->log), rows[i].log);
            EXPECT_STR(t->verdicts, rows[i].verdicts);
            tape_free(t);
        }
    }
}

/* A chunk must be whole before its text may win. */
TEST(half_a_chunk_does_not_win) {
    static const char chunk[] = CHUNK(SAYS("a", "null"));
    for (size_t n = 0; n + 1 < sizeof chunk; n++) {
        struct tape *t = tape_of(&D, false);
        ROW("%zu bytes", n);
        tape_data(t, SPAN(""), span_of(chunk, n));
        EXPECT_EQ(t->contents, 0);
        tape_free(t);
    }
}

/* --- answers to clients --- */

#define E(k, ...) \
    { .kind = k, ##__VA_ARGS__ }
#define OUT(choice)                                                                           \
    "data: {\"id\":\"cmpl\",\"object\":\"text_completion\",\"created\":1700000000,\"model\":" \
    "\"asked\",\"choices\":[" choice "]}\n\n"

TEST(events_of_a_chat_as_a_completion) {
    static const struct chat_event events[] = {
        E(CHAT_REASONING, .text = SPAN_CONST("hm")),
        E(CHAT_SIGNATURE, .text = SPAN_CONST("s"), .signer = CHAT_SIGNER_ANTHROPIC),
        E(CHAT_TEXT, .text = SPAN_CONST("a\\n")),
        E(CHAT_REFUSAL, .text = SPAN_CONST("no")),
        E(CHAT_TOOL_START, .id = SPAN_CONST("t"), .name = SPAN_CONST("f")),
        E(CHAT_TOOL_ARGS, .text = SPAN_CONST("{}")),
        E(CHAT_EXTRA, .place = CHAT_OF_CHOICE, .name = SPAN_CONST("logprobs"),
          .text = SPAN_CONST("{\n\"tokens\":[\"a\"]}")),
        E(CHAT_EXTRA, .name = SPAN_CONST("annotations"), .text = SPAN_CONST("[1]")),
        E(CHAT_FINISH, .finish = CHAT_FINISH_TOOL_CALLS),
        E(CHAT_USAGE, .usage = {.known = true, .input_tokens = 3, .output_tokens = 2}),
        E(CHAT_DONE),
    };
    struct tape *t = tape_of(&D, false);
    struct json_out body;
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        D.write_event(&t->writer, &events[i], &t->relayed);
        D.collect(&t->body, &events[i]);
    }
    EXPECT_STR(tape_text(&t->relayed),
               OUT(SAYS("a\\n", "null")) OUT(SAYS("no", "null"))
                   OUT("{\"text\":\"\",\"index\":0,\"logprobs\":{ \"tokens\":[\"a\"]},"
                       "\"finish_reason\":null}") OUT(SAYS("", "\"stop\"")) "data: [DONE]\n\n");
    json_out_arena(&body, &t->arena, 0);
    D.write_body(&t->body, &body);
    EXPECT_STR(
        tape_text(&body),
        "{\"id\":\"cmpl\",\"object\":\"text_completion\",\"created\":1700000000,\"model\":"
        "\"asked\",\"choices\":[{\"text\":\"a\\nno\",\"index\":0,\"logprobs\":{\n\"tokens\":["
        "\"a\"]},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,"
        "\"completion_tokens\":2,\"total_tokens\":5,\"prompt_tokens_details\":{"
        "\"cached_tokens\":0,\"cache_write_tokens\":0},\"completion_tokens_details\":{"
        "\"reasoning_tokens\":0}}}");
    tape_free(t);
}

TEST(finish_reasons_and_usage) {
    static const struct {
        enum chat_finish finish;
        const char *want;
    } rows[] = {
        {CHAT_FINISH_STOP, "\"stop\""},
        {CHAT_FINISH_LENGTH, "\"length\""},
        {CHAT_FINISH_CONTENT_FILTER, "\"content_filter\""},
        {CHAT_FINISH_TOOL_CALLS, "\"stop\""},
        {CHAT_FINISH_FUNCTION_CALL, "\"stop\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = tape_of(&D, true);
        char want[100];
        ROW("%s", rows[i].want);
        snprintf(want, sizeof want, "\"finish_reason\":%s}],\"usage\":null}", rows[i].want);
        struct chat_answer answer = {.id = SPAN("msg_1"), .model = SPAN("m")};
        struct chat_event event = E(CHAT_FINISH, .finish = rows[i].finish, .answer = &answer);
        D.write_event(&t->writer, &event, &t->relayed);
        EXPECT(strstr(tape_text(&t->relayed), want) != NULL);
        EXPECT(strstr(t->relayed.p, "{\"id\":\"cmpl-msg_1\"") != NULL);
        t->relayed.n = 0;
        event = (struct chat_event)E(CHAT_USAGE, .usage = {.known = true, .input_tokens = 3});
        D.write_event(&t->writer, &event, &t->relayed);
        event = (struct chat_event)E(CHAT_DONE);
        D.write_event(&t->writer, &event, &t->relayed);
        EXPECT(strstr(tape_text(&t->relayed), "\"object\":\"text_completion\"") != NULL);
        EXPECT(strstr(t->relayed.p, "\"choices\":[],\"usage\":{\"prompt_tokens\":3,") != NULL);
        EXPECT(span_ends(json_out_span(&t->relayed), SPAN("}\n\ndata: [DONE]\n\n")));
        tape_free(t);
    }
}

/* --- recordings --- */

struct answer {
    char text[20000], finish[40];
    long long input, output;
};

static void decode(struct answer *answer, const char *json, size_t n) {
    yyjson_doc *doc = yyjson_read(json, n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *choice = yyjson_ptr_get(root, "/choices/0");
    const char *text = yyjson_get_str(yyjson_obj_get(choice, "text"));
    const char *finish = yyjson_get_str(yyjson_obj_get(choice, "finish_reason"));
    EXPECT(doc != NULL);
    EXPECT(strlen(answer->text) + strlen(text ? text : "") < sizeof answer->text);
    strncat(answer->text, text ? text : "", sizeof answer->text - strlen(answer->text) - 1);
    if (finish)
        snprintf(answer->finish, sizeof answer->finish, "%s", finish);
    if (yyjson_ptr_get(root, "/usage/prompt_tokens")) {
        answer->input = yyjson_get_sint(yyjson_ptr_get(root, "/usage/prompt_tokens"));
        answer->output = yyjson_get_sint(yyjson_ptr_get(root, "/usage/completion_tokens"));
    }
    yyjson_doc_free(doc);
}

static void decode_stream(struct answer *answer, struct span bytes) {
    while (bytes.p) {
        struct span line = span_cut(&bytes, '\n');
        if (span_starts(line, SPAN("data: {")))
            decode(answer, line.p + 6, line.n - 6);
    }
}

static void expect_same(const struct answer *got, const struct answer *want) {
    EXPECT_STR(got->text, want->text);
    EXPECT_STR(got->finish, want->finish);
    EXPECT_EQ(got->input, want->input);
    EXPECT_EQ(got->output, want->output);
}

/* The recording, what the relay makes of it, and the body collected from it say the same. */
static void expect_answer(struct span bytes, bool stream) {
    static struct answer want, relayed, whole;
    memset(&want, 0, sizeof want);
    memset(&relayed, 0, sizeof relayed);
    memset(&whole, 0, sizeof whole);
    struct tape *t = tape_of(&D, true);
    struct json_out out;
    if (stream) {
        decode_stream(&want, bytes);
        tape_stream(t, bytes, bytes.n / 3);
        decode_stream(&relayed, json_out_span(&t->relayed));
        expect_same(&relayed, &want);
    } else {
        decode(&want, bytes.p, bytes.n);
        tape_body(t, bytes);
    }
    EXPECT(t->ended && t->error == FAIL_NONE);
    json_out_arena(&out, &t->arena, 0);
    D.write_body(&t->body, &out);
    decode(&whole, out.p, out.n);
    expect_same(&whole, &want);
    EXPECT(want.text[0] && want.finish[0]);
    tape_free(t);
}

static unsigned expect_files(const char *folder, const char *pattern, bool stream) {
    char path[5000];
    glob_t found;
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/%s", folder, pattern);
    if (glob(path, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t size;
        char *bytes = test_file(found.gl_pathv[i], &size);
        ROW("%s", strrchr(found.gl_pathv[i], '/') + 1);
        EXPECT(bytes != NULL);
        if (bytes && strstr(bytes, "text_completion")) {
            expect_answer(span_of(bytes, size), stream);
            count++;
        }
        free(bytes);
    }
    globfree(&found);
    return count;
}

TEST(recorded_answers) {
    const char *folder = test_shared("fixtures/openai");
    if (!folder)
        SKIP("needs ../shared");
    EXPECT(expect_files(folder, "completions__*.resp.sse", true) >= 2);
    EXPECT(expect_files(folder, "completions__*.resp.json", false) >= 3);
    EXPECT(expect_files(folder, "vercel/completion__*.json", false) >= 1);
}

TEST(recorded_requests) {
    const char *folder = test_shared("fixtures/openai");
    char path[5000];
    glob_t found;
    unsigned count = 0;
    if (!folder)
        SKIP("needs ../shared");
    snprintf(path, sizeof path, "%s/completions__*.req.json", folder);
    EXPECT_EQ(glob(path, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct desk d;
        size_t size = 0;
        char *bytes = test_file(found.gl_pathv[i], &size);
        yyjson_doc *doc = yyjson_read(bytes, size, 0);
        yyjson_val *body = yyjson_obj_get(yyjson_doc_get_root(doc), "body");
        char *text = yyjson_val_write(body, 0, NULL);
        ROW("%s", strrchr(found.gl_pathv[i], '/') + 1);
        desk_init(&d);
        EXPECT_EQ(read_request(&d, text), 0);
        EXPECT_BYTES(d.req.model.p, d.req.model.n, yyjson_get_str(yyjson_obj_get(body, "model")));
        EXPECT_EQ(D.read_prompt(&d.req, &d.arena, &d.prompt, &d.why, &d.param), 0);
        EXPECT_BYTES(d.prompt.messages->parts->text.p, d.prompt.messages->parts->text.n,
                     yyjson_get_str(yyjson_obj_get(body, "prompt")));
        count++;
        desk_fini(&d);
        free(text);
        yyjson_doc_free(doc);
        free(bytes);
    }
    globfree(&found);
    EXPECT(count >= 5);
}
