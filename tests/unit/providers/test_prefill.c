/* test_prefill.c - white space between the two parts of an answer, and edits that stand beside others. */
#include "providers/prefill.h"

#include "core/base.h"
#include "core/slab.h"
#include "providers/provider.h"
#include "tests/test.h"

TEST(prefill_says_blanks_once) {
    static const struct {
        const char *lost, *rest;
        size_t repeated;
    } rows[] = {
        {"", " world", 0},
        {" ", " world", 1},
        {" ", "world", 0},
        {"\\n\\n", "\\n\\nNext", 4},
        {"\\n\\n", "\\nNext", 2},
        {"\\n", "\\tNext", 0},
        {" \\n", " \\n  x", 3},
        {" \\n", " x", 1},
        {"  ", " ", 1},
        {"\\u000a", "\\u000ax", 6},
        {"\\u000a", "\\u000bx", 0},
        {"\\n", "\\", 0},
        {"\\u000a", "\\u00", 0},
        {" ", "", 0},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("'%s' '%s'", rows[i].lost, rows[i].rest);
        EXPECT_EQ(prefill_repeated(span_str(rows[i].lost), span_str(rows[i].rest)),
                  rows[i].repeated);
    }
}

TEST(prefill_text_by_how) {
    static const struct {
        enum chat_prefill how;
        const char *text, *sent;
    } rows[] = {
        {CHAT_PREFILL_PLAIN, "So far \\n", "So far"},
        {CHAT_PREFILL_PLAIN, "a\\\\n", "a\\\\n"},
        {CHAT_PREFILL_PREFIX, "So far ", "So far "},
        {CHAT_PREFILL_PARTIAL, "a\\n", "a\\n"},
        {CHAT_PREFILL_FINAL, "a ", "a "},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct prefill prefill = {.how = rows[i].how, .text = span_str(rows[i].text)};
        struct span sent = prefill_text(&prefill);
        ROW("%zu", i);
        EXPECT_BYTES(sent.p, sent.n, rows[i].sent);
    }
}

/* Applies edits as encode.c does. */
static struct span apply(struct span body, const struct chat_edit *edits, unsigned count,
                         struct arena *arena) {
    struct json_out out;
    size_t at = 0;
    json_out_arena(&out, arena, 256);
    for (unsigned i = 0; i < count; i++) {
        EXPECT(edits[i].at >= at);
        json_out_raw(&out, span_of(body.p + at, edits[i].at - at));
        json_out_raw(&out, edits[i].insert);
        at = edits[i].at + edits[i].remove;
    }
    json_out_raw(&out, span_from(body, at));
    return json_out_span(&out);
}

TEST(prefill_edits_stand_beside_others) {
    static const struct {
        const char *body;
        unsigned quirks;
        enum chat_prefill how;
        const char *wanted;
    } rows[] = {
        {"{\"messages\": [{\"role\":\"user\",\"content\":\"[]\"} ] , "
         "\"model\":\"a\",\"max_tokens\":9}",
         0, CHAT_PREFILL_PREFIX,
         "{\"stream\":true,\"stream_options\":{\"include_usage\":true},\"messages\": "
         "[{\"role\":\"user\",\"content\":\"[]\"} ,{\"role\":\"assistant\",\"content\":\"Hi\","
         "\"prefix\":true}] , \"model\":\"b\",\"max_tokens\":7}"},
        {"{\"model\":\"a\",\"max_completion_tokens\":9,\"messages\":[{\"role\":\"developer\","
         "\"content\":\"x\"}]}",
         QUIRK_MAX_TOKENS_ONLY | QUIRK_NO_DEVELOPER_ROLE, CHAT_PREFILL_FINAL,
         "{\"add_generation_prompt\":false,\"continue_final_message\":true,\"stream\":true,"
         "\"stream_options\":{\"include_usage\":true},\"model\":\"b\",\"max_tokens\":7,"
         "\"messages\":[{\"role\":\"system\",\"content\":\"x\"},{\"role\":\"assistant\","
         "\"content\":\"Hi\"}]}"},
        /* Both spellings: the one that is cut out cannot be lowered too. */
        {"{\"model\":\"b\",\"max_completion_tokens\":9,\"max_tokens\":9,\"messages\":[{\"role\":"
         "\"user\",\"content\":\"x\"}]}",
         QUIRK_MAX_TOKENS_ONLY, CHAT_PREFILL_PARTIAL,
         "{\"stream\":true,\"stream_options\":{\"include_usage\":true},\"model\":\"b\","
         "\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":"
         "\"assistant\",\"content\":\"Hi\",\"partial\":true}]}"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct memory memory;
        struct arena arena;
        struct chat_request req = {.stream = false};
        struct chat_edit edits[CHAT_EDITS_MAX];
        struct span why, param, body = span_str(rows[i].body);
        const struct prefill prefill = {.how = rows[i].how, .text = SPAN("Hi"), .tokens = 2};
        ROW("%zu", i);
        memory_init(&memory, 1 << 20, 0);
        arena_init(&arena, &memory);
        REQUIRE(dialect_openai_chat.read_request(body, &arena, &req, &why, &param) == 0);
        req.body = body;
        int count =
            dialect_openai_chat.edit_request(&req, SPAN("b"), rows[i].quirks, &arena, edits);
        REQUIRE(count >= 0);
        count = prefill_edit(&req, &prefill, &arena, edits, (unsigned)count);
        REQUIRE(count > 0);
        struct span got = apply(body, edits, (unsigned)count, &arena);
        EXPECT_EQ(json_check(got, NULL, NULL), 0);
        EXPECT_BYTES(got.p, got.n, rows[i].wanted);
        arena_fini(&arena);
        memory_fini(&memory);
    }
}

TEST(prefill_needs_room) {
    struct memory memory;
    struct arena arena;
    struct chat_edit edits[CHAT_EDITS_MAX] = {{0}};
    struct chat_request req = {.body = SPAN("{\"messages\":[{}]}")};
    const struct prefill prefill = {.how = CHAT_PREFILL_PREFIX, .text = SPAN("Hi"), .tokens = 2};
    memory_init(&memory, 1 << 20, 0);
    arena_init(&arena, &memory);
    EXPECT_EQ(prefill_edit(&req, &prefill, &arena, edits, CHAT_EDITS_MAX), -FAIL_UNSUPPORTED);
    EXPECT_EQ(prefill_edit(&req, &prefill, &arena, edits, CHAT_EDITS_MAX - 1), CHAT_EDITS_MAX);
    arena_fini(&arena);
    memory_fini(&memory);
}
