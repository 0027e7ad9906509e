/* test_resume.c - another provider's answer goes on in a stream that was relayed as it came, or was
 * written: which blocks and items end, and which indexes, ids and numbers what follows has. */
#include "core/base.h"
#include "tests/unit/providers/tape.h"

/* What a client was relayed, and the events of it that a writer is told again. */
struct story {
    const struct dialect *dialect;
    const char *relayed; /* data of events, a line each */
    const char *reasoning, *text;
};

static struct chat_writer writer_of(struct tape *t, const struct story *story) {
    struct chat_request req = {.model = SPAN("asked"), .body = SPAN("{}")};
    struct chat_writer writer;
    struct json_out unheard;
    struct chat_event start = {.kind = CHAT_START, .answer = &t->reader.answer},
                      reasoning = {.kind = CHAT_REASONING, .text = span_str(story->reasoning)},
                      text = {.kind = CHAT_TEXT, .text = span_str(story->text)};
    json_out_arena(&unheard, &t->arena, 256);
    story->dialect->writer_init(&writer, &t->arena, &req);
    story->dialect->write_event(&writer, &start, &unheard);
    if (reasoning.text.n)
        story->dialect->write_event(&writer, &reasoning, &unheard);
    if (text.text.n)
        story->dialect->write_event(&writer, &text, &unheard);
    writer.started = true;
    return writer;
}

static struct tape *relay(const struct story *story) {
    struct tape *t = tape_of(story->dialect, true);
    t->reader.keep = true;
    for (const char *at = story->relayed; *at;) {
        size_t n = strcspn(at, "\n");
        struct span data = span_of(at, n);
        EXPECT_EQ(story->dialect->read_event(&t->reader, span_of("", 0), data, tape_sink(t)),
                  CHAT_AS_IS);
        t->event_count = 0;
        at += n + (at[n] == '\n');
    }
    return t;
}

/* The events in short: "TYPE INDEX|..." of each event's members. */
static void shorten(struct span sse, char *out, size_t max) {
    static const struct span type[] = {SPAN_CONST("type")}, index[] = {SPAN_CONST("index")},
                             output[] = {SPAN_CONST("output_index")},
                             number[] = {SPAN_CONST("sequence_number")},
                             id[] = {SPAN_CONST("item_id")},
                             item_id[] = {SPAN_CONST("item"), SPAN_CONST("id")};
    size_t used = 0;
    out[0] = 0;
    while (sse.n) {
        size_t line = min_size(span_find(sse, '\n', 0), sse.n);
        struct span data = span_of(sse.p, line);
        sse = span_from(sse, line < sse.n ? line + 1 : line);
        if (!span_starts(data, SPAN("data: ")))
            continue;
        data = span_from(data, 6);
        struct json_token token;
        const struct {
            const struct span *path;
            unsigned depth;
        } members[] = {{type, 1}, {number, 1}, {index, 1}, {output, 1}, {id, 1}, {item_id, 2}};
        used += (size_t)snprintf(out + used, max - used, "%s", used ? "|" : "");
        for (unsigned i = 0; i < countof(members); i++)
            if (json_find(data, members[i].path, members[i].depth, &token))
                used += (size_t)snprintf(out + used, max - used, "%s%.*s", i ? " " : "",
                                         (int)token.raw.n, token.raw.p);
    }
}

#define START                                                                               \
    "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"c\",\"usage\":{" \
    "\"input_tokens\":9,\"output_tokens\":1}}}\n"
#define BLOCK(n, kind, member)                                                               \
    "{\"type\":\"content_block_start\",\"index\":" #n ",\"content_block\":{\"type\":\"" kind \
    "\",\"" member "\":\"\"}}\n"
#define DELTA(n, kind, member, text)                                                 \
    "{\"type\":\"content_block_delta\",\"index\":" #n ",\"delta\":{\"type\":\"" kind \
    "\",\"" member "\":\"" text "\"}}\n"
#define STOP(n) "{\"type\":\"content_block_stop\",\"index\":" #n "}\n"

#define END "message_delta|message_stop"

TEST(resume_behind_relayed_messages) {
    static const struct {
        const char *name, *relayed, *reasoning, *text;
        enum chat_event_kind next; /* what comes then */
        bool opaque;
        const char *wanted; /* events from the stall on; NULL: it cannot be */
    } rows[] = {
        {"in a text", START BLOCK(0, "text", "text") DELTA(0, "text_delta", "text", "Hel"), "",
         "Hel", CHAT_TEXT, false, "content_block_delta 0|content_block_stop 0|" END},
        {"between blocks",
         START BLOCK(0, "text", "text") DELTA(0, "text_delta", "text", "Hel") STOP(0), "", "Hel",
         CHAT_TEXT, false, "content_block_start 1|content_block_delta 1|content_block_stop 1|" END},
        {"in the second text",
         START BLOCK(0, "text", "text") DELTA(0, "text_delta", "text", "Hel") STOP(0)
             BLOCK(1, "text", "text") DELTA(1, "text_delta", "text", "lo"),
         "", "Hello", CHAT_TEXT, false, "content_block_delta 1|content_block_stop 1|" END},
        {"in reasoning",
         START BLOCK(0, "thinking", "thinking") DELTA(0, "thinking_delta", "thinking", "Hm"), "Hm",
         "", CHAT_TEXT, false,
         "content_block_stop 0|content_block_start 1|content_block_delta 1|content_block_stop "
         "1|" END},
        {"more reasoning is a block of its own",
         START BLOCK(0, "thinking", "thinking") DELTA(0, "thinking_delta", "thinking", "Hm"), "Hm",
         "", CHAT_REASONING, false,
         "content_block_stop 0|content_block_start 1|content_block_delta 1|content_block_stop "
         "1|" END},
        {"behind reasoning",
         START BLOCK(0, "thinking", "thinking") DELTA(0, "thinking_delta", "thinking", "Hm")
             STOP(0),
         "Hm", "", CHAT_REASONING, false,
         "content_block_start 1|content_block_delta 1|content_block_stop 1|" END},
        {"in a blank text, and reasoning comes",
         START BLOCK(0, "text", "text") DELTA(0, "text_delta", "text", " "), "", " ",
         CHAT_REASONING, false,
         "content_block_stop 0|content_block_start 1|content_block_delta 1|content_block_stop "
         "1|" END},
        {"in a call", START BLOCK(0, "tool_use", "id"), "", "", CHAT_TEXT, false, NULL},
        {"in a hosted tool's work", START BLOCK(0, "server_tool_use", "id"), "", "", CHAT_TEXT,
         true, NULL},
        {"behind a citation",
         START BLOCK(0, "text", "text") DELTA(0, "citations_delta", "citation", "x")
             DELTA(0, "text_delta", "text", "Hel"),
         "", "Hel", CHAT_TEXT, true, "content_block_delta 0|content_block_stop 0|" END},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct story story = {&dialect_anthropic, rows[i].relayed, rows[i].reasoning, rows[i].text};
        struct tape *t = tape_of(story.dialect, true);
        for (const char *at = story.relayed; *at; at += strcspn(at, "\n") + 1) {
            struct span data = span_of(at, strcspn(at, "\n"));
            struct json_token type;
            static const struct span path[] = {SPAN_CONST("type")};
            REQUIRE(json_find(data, path, 1, &type));
            EXPECT_EQ(story.dialect->read_event(&t->reader, type.raw, data, tape_sink(t)),
                      CHAT_AS_IS);
            t->event_count = 0;
        }
        EXPECT_EQ(t->reader.opaque, rows[i].opaque);
        struct chat_writer writer = writer_of(t, &story);
        struct json_out out;
        char got[1000];
        json_out_arena(&out, &t->arena, 256);
        bool can = story.dialect->resume(&writer, &t->reader, &out);
        EXPECT_EQ(can, rows[i].wanted != NULL);
        if (can && rows[i].wanted) {
            struct chat_event next = {.kind = rows[i].next, .text = SPAN("lo")},
                              finish = {.kind = CHAT_FINISH, .finish = CHAT_FINISH_STOP},
                              done = {.kind = CHAT_DONE};
            story.dialect->write_event(&writer, &next, &out);
            story.dialect->write_event(&writer, &finish, &out);
            story.dialect->write_event(&writer, &done, &out);
            EXPECT(!writer.full && !out.full);
            shorten(json_out_span(&out), got, sizeof got);
            EXPECT_STR(got, rows[i].wanted);
        }
        tape_free(t);
    }
}

/* Written by the same writer before: only what a signature could still come for is ended. */
TEST(resume_behind_written_messages) {
    static const struct {
        enum chat_event_kind said, next;
        const char *wanted;
    } rows[] = {
        {CHAT_TEXT, CHAT_TEXT, "content_block_delta 0"},
        {CHAT_REASONING, CHAT_REASONING,
         "content_block_stop 0|content_block_start 1|content_block_delta 1"},
        {CHAT_REASONING, CHAT_TEXT,
         "content_block_stop 0|content_block_start 1|content_block_delta 1"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%zu", i);
        struct tape *t = tape_of(&dialect_anthropic, true);
        struct chat_event said = {.kind = rows[i].said, .text = SPAN("a")},
                          next = {.kind = rows[i].next, .text = SPAN("b")};
        struct json_out out;
        char got[1000];
        json_out_arena(&out, &t->arena, 256);
        dialect_anthropic.write_event(&t->writer, &said, &out);
        out.n = 0;
        EXPECT(dialect_anthropic.resume(&t->writer, NULL, &out));
        dialect_anthropic.write_event(&t->writer, &next, &out);
        shorten(json_out_span(&out), got, sizeof got);
        EXPECT_STR(got, rows[i].wanted);
        tape_free(t);
    }
}

#define CREATED                                                                             \
    "{\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_9\"," \
    "\"model\":\"g\",\"status\":\"in_progress\"}}\n"
#define ADDED(seq, n, kind, id)                                                                  \
    "{\"type\":\"response.output_item.added\",\"sequence_number\":" #seq ",\"output_index\":" #n \
    ",\"item\":{\"id\":\"" id "\",\"type\":\"" kind "\"}}\n"
#define SAID(seq, n, text)                                                                       \
    "{\"type\":\"response.output_text.delta\",\"sequence_number\":" #seq ",\"output_index\":" #n \
    ",\"content_index\":0,\"delta\":\"" text "\"}\n"
#define THOUGHT(seq, n, text)                                                       \
    "{\"type\":\"response.reasoning_summary_text.delta\",\"sequence_number\":" #seq \
    ",\"output_index\":" #n ",\"summary_index\":0,\"delta\":\"" text "\"}\n"
#define DONE(seq, n, kind, id)                                                                  \
    "{\"type\":\"response.output_item.done\",\"sequence_number\":" #seq ",\"output_index\":" #n \
    ",\"item\":{\"id\":\"" id "\",\"type\":\"" kind                                             \
    "\",\"summary\":[],\"encrypted_content\":\"zzz\"}}\n"

TEST(resume_behind_relayed_responses) {
    static const struct {
        const char *name, *relayed, *reasoning, *text;
        enum chat_event_kind next;
        const char *wanted;  /* events from the stall on; NULL: it cannot be */
        const char *in_last; /* stands in the last event */
    } rows[] = {
        {"in a message", CREATED ADDED(4, 0, "message", "msg_7") SAID(7, 0, "Hel"), "", "Hel",
         CHAT_TEXT,
         "response.output_text.delta 8 0 msg_7|response.output_text.done 9 0 msg_7|"
         "response.content_part.done 10 0 msg_7|response.output_item.done 11 0 msg_7|"
         "response.completed 12",
         "\"text\":\"Hello\""},
        {"in reasoning", CREATED ADDED(4, 0, "reasoning", "rs_7") THOUGHT(7, 0, "Hm"), "Hm", "",
         CHAT_TEXT,
         "response.reasoning_summary_text.done 8 0 rs_7|"
         "response.reasoning_summary_part.done 9 0 rs_7|response.output_item.done 10 0 rs_7|"
         "response.output_item.added 11 1 msg_9_1|response.content_part.added 12 1 msg_9_1|"
         "response.output_text.delta 13 1 msg_9_1|response.output_text.done 14 1 msg_9_1|"
         "response.content_part.done 15 1 msg_9_1|response.output_item.done 16 1 msg_9_1|"
         "response.completed 17",
         "{\"id\":\"rs_7\",\"type\":\"reasoning\",\"status\":\"completed\",\"summary\":[{\"type\":"
         "\"summary_text\",\"text\":\"Hm\"}]"},
        {"behind sealed reasoning, in a message",
         CREATED ADDED(1, 0, "reasoning", "rs_7") DONE(2, 0, "reasoning", "rs_7")
             ADDED(3, 1, "message", "msg_8") SAID(5, 1, "Hel"),
         "", "Hel", CHAT_TEXT,
         "response.output_text.delta 6 1 msg_8|response.output_text.done 7 1 msg_8|"
         "response.content_part.done 8 1 msg_8|response.output_item.done 9 1 msg_8|"
         "response.completed 10",
         "{\"id\":\"rs_7\",\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"zzz\"},{"
         "\"id\":"
         "\"msg_8\""},
        {"two of a kind",
         CREATED ADDED(1, 0, "reasoning", "rs_7") DONE(2, 0, "reasoning", "rs_7")
             ADDED(3, 1, "reasoning", "rs_8") THOUGHT(4, 1, "Hm"),
         "Hm", "", CHAT_TEXT, NULL, NULL},
        {"a hosted tool",
         CREATED ADDED(1, 0, "web_search_call", "ws_1") ADDED(2, 1, "message", "msg_7")
             SAID(3, 1, "Hel"),
         "", "Hel", CHAT_TEXT, NULL, NULL},
        {"an item that was not introduced", CREATED SAID(3, 0, "Hel"), "", "Hel", CHAT_TEXT, NULL,
         NULL},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct story story = {&dialect_openai_responses, rows[i].relayed, rows[i].reasoning,
                              rows[i].text};
        struct tape *t = relay(&story);
        struct chat_writer writer = writer_of(t, &story);
        struct json_out out;
        char got[2000];
        json_out_arena(&out, &t->arena, 256);
        bool can = story.dialect->resume(&writer, &t->reader, &out);
        EXPECT_EQ(can, rows[i].wanted != NULL);
        EXPECT(can || out.n == 0);
        if (can && rows[i].wanted) {
            struct chat_event next = {.kind = rows[i].next, .text = SPAN("lo")};
            story.dialect->write_event(&writer, &next, &out);
            story.dialect->write_done(&writer, &t->reader, &out);
            EXPECT(!writer.full && !out.full);
            shorten(json_out_span(&out), got, sizeof got);
            EXPECT_STR(got, rows[i].wanted);
            EXPECT(span_search(json_out_span(&out), span_str(rows[i].in_last)) < out.n);
            EXPECT(span_search(json_out_span(&out), SPAN("\"id\":\"resp_9\"")) < out.n);
        }
        tape_free(t);
    }
}

TEST(resume_is_noted_where_it_cannot_be) {
    static const struct {
        const struct dialect *dialect;
        const char *event;
        bool opaque;
    } rows[] = {
        {&dialect_gemini,
         "{\"candidates\":[{\"content\":{\"parts\":[{\"executableCode\":{\"code\":\"1\"}}]}}]}",
         true},
        {&dialect_gemini, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}", false},
        {&dialect_openai_responses,
         "{\"type\":\"response.output_text.annotation.added\",\"annotation\":{}}", true},
        {&dialect_openai_responses, "{\"type\":\"response.content_part.added\",\"part\":{}}",
         false},
        {&dialect_openai_responses, ADDED(1, 0, "file_search_call", "fs_1"), true},
        {&dialect_openai_responses, ADDED(1, 0, "message", "msg_1"), false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%zu", i);
        struct tape *t = tape_of(rows[i].dialect, true);
        rows[i].dialect->read_event(&t->reader, span_of("", 0), span_str(rows[i].event),
                                    tape_sink(t));
        EXPECT_EQ(t->reader.opaque, rows[i].opaque);
        tape_free(t);
    }
}
