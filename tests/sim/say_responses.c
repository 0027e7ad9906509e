/* say_responses.c - answers as events of OpenAI's Responses API (PROVIDERS.md 3.6). See say.h. */
#include "tests/sim/say.h"

static void open_event(struct text *json, struct saying *w, const char *type) {
    text_printf(json, "{\"type\":\"%s\",\"sequence_number\":%u", type, w->events++);
}

static void say_json(struct saying *w, uint64_t delay_ns, const char *type, const char *rest,
                     bool content) {
    struct text json = {0};
    open_event(&json, w, type);
    text_str(&json, rest);
    text_str(&json, "}");
    say_event(w, delay_ns, type, text_span(&json), content);
}

static void add_response(struct text *json, const struct saying *w, const char *status,
                         struct span output, bool usage) {
    const struct reply *reply = w->reply;
    bool cut = strcmp(status, "incomplete") == 0;
    text_printf(json,
                "{\"id\":\"resp_A%u\",\"object\":\"response\",\"created_at\":1700000000,"
                "\"status\":\"%s\",\"error\":null,\"incomplete_details\":%s,\"model\":\"up\","
                "\"output\":[",
                reply->n, status, cut ? "{\"reason\":\"max_output_tokens\"}" : "null");
    text_add(json, output.p, output.n);
    text_str(json, "],\"parallel_tool_calls\":true,\"tools\":[],\"usage\":");
    if (usage)
        text_printf(json,
                    "{\"input_tokens\":%u,\"input_tokens_details\":{\"cached_tokens\":%u},"
                    "\"output_tokens\":%u,\"output_tokens_details\":{\"reasoning_tokens\":%u},"
                    "\"total_tokens\":%u}}",
                    reply->input_tokens, reply->cached_tokens, reply->tokens, reply->thought_tokens,
                    reply->input_tokens + reply->tokens);
    else
        text_str(json, "null}");
}

static void say_response(struct saying *w, uint64_t delay_ns, const char *type, const char *status,
                         bool end) {
    struct text rest = {0};
    text_str(&rest, ",\"response\":");
    add_response(&rest, w, status, end ? text_span(&w->items) : span_of("", 0), end);
    say_json(w, delay_ns, type, rest.p, false);
}

static void add_message(struct text *out, const struct saying *w, const char *status,
                        const struct text *said) {
    text_printf(out,
                "{\"id\":\"msg_A%u_%u\",\"type\":\"message\",\"status\":\"%s\","
                "\"role\":\"assistant\",\"content\":[",
                w->reply->n, w->parts, status);
    if (said) {
        text_str(out, "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":");
        say_string(out, text_span(said));
        text_str(out, "}");
    }
    text_str(out, "]}");
}

static void keep_item(struct saying *w, const struct text *item) {
    if (w->items.n)
        text_str(&w->items, ",");
    text_add(&w->items, item->p, item->n);
}

static void item_event(struct saying *w, uint64_t delay_ns, const char *type,
                       const struct text *item, bool content) {
    struct text rest = {0};
    text_printf(&rest, ",\"output_index\":%u,\"item\":", w->parts);
    text_add(&rest, item->p, item->n);
    say_json(w, delay_ns, type, rest.p, content);
}

/* Where in the answer: of all events of a message's text. */
static void text_event(struct saying *w, uint64_t delay_ns, const char *type, const char *before,
                       struct span piece, const char *after, bool content) {
    struct text rest = {0};
    text_printf(&rest, ",\"item_id\":\"msg_A%u_%u\",\"output_index\":%u,\"content_index\":0,%s",
                w->reply->n, w->parts, w->parts, before);
    say_string(&rest, piece);
    text_str(&rest, after);
    say_json(w, delay_ns, type, rest.p, content);
}

#define PART_BEGIN "\"part\":{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":"

static void open_message(struct saying *w) {
    struct text item = {0};
    add_message(&item, w, "in_progress", NULL);
    item_event(w, 0, "response.output_item.added", &item, false);
    text_event(w, 0, "response.content_part.added", PART_BEGIN, span_of("", 0), "}", false);
    w->part = SAY_TEXT;
    w->part_text = (struct text){0};
}

static void close_message(struct saying *w) {
    struct text item = {0};
    struct span said = text_span(&w->part_text);
    if (w->part == SAY_NOTHING)
        return;
    w->part = SAY_NOTHING;
    text_event(w, say_gap(w), "response.output_text.done", "\"logprobs\":[],\"text\":", said, "",
               false);
    text_event(w, 0, "response.content_part.done", PART_BEGIN, said, "}", false);
    add_message(&item, w, "completed", &w->part_text);
    item_event(w, 0, "response.output_item.done", &item, false);
    keep_item(w, &item);
    w->parts++;
}

/* Reasoning is an item whose summary has parts. */
static void add_reasoning(struct text *out, const struct saying *w, const struct text *thought) {
    text_printf(out, "{\"id\":\"rs_A%u_%u\",\"type\":\"reasoning\",\"summary\":[", w->reply->n,
                w->parts);
    if (thought) {
        text_str(out, "{\"type\":\"summary_text\",\"text\":");
        say_string(out, text_span(thought));
        text_str(out, "}");
    }
    text_str(out, "]}");
}

static void summary_event(struct saying *w, uint64_t delay_ns, const char *type, const char *before,
                          struct span piece, const char *after, bool content) {
    struct text rest = {0};
    text_printf(&rest, ",\"item_id\":\"rs_A%u_%u\",\"output_index\":%u,\"summary_index\":0,%s",
                w->reply->n, w->parts, w->parts, before);
    say_string(&rest, piece);
    text_str(&rest, after);
    say_json(w, delay_ns, type, rest.p, content);
}

#define SUMMARY_BEGIN "\"part\":{\"type\":\"summary_text\",\"text\":"

static void think(struct saying *w, uint64_t delay_ns, struct span piece, bool last) {
    struct text item = {0};
    struct span whole = text_span(&w->reply->thought);
    if (w->part == SAY_NOTHING) {
        w->part = SAY_THOUGHT;
        add_reasoning(&item, w, NULL);
        item_event(w, 0, "response.output_item.added", &item, false);
        summary_event(w, 0, "response.reasoning_summary_part.added", SUMMARY_BEGIN, span_of("", 0),
                      "}", false);
    }
    summary_event(w, delay_ns, "response.reasoning_summary_text.delta", "\"delta\":", piece, "",
                  true);
    if (!last)
        return;
    w->part = SAY_NOTHING;
    summary_event(w, 0, "response.reasoning_summary_text.done", "\"text\":", whole, "", false);
    summary_event(w, 0, "response.reasoning_summary_part.done", SUMMARY_BEGIN, whole, "}", false);
    item = (struct text){0};
    add_reasoning(&item, w, &w->reply->thought);
    item_event(w, 0, "response.output_item.done", &item, false);
    keep_item(w, &item);
    w->parts++;
}

static void begin(struct saying *w) {
    say_response(w, say_gap(w), "response.created", "in_progress", false);
    say_response(w, 0, "response.in_progress", "in_progress", false);
    if (w->reply->script == SCRIPT_STALL_ROLE)
        open_message(w);
}

static void say_text(struct saying *w, uint64_t delay_ns, struct span piece, bool last) {
    (void)last;
    if (w->part == SAY_NOTHING)
        open_message(w);
    text_add(&w->part_text, piece.p, piece.n);
    text_event(w, delay_ns, "response.output_text.delta", "\"logprobs\":[],\"delta\":", piece, "",
               true);
}

static void add_call(struct text *out, const struct saying *w, const char *status, unsigned index,
                     const struct call *call, struct span arguments) {
    text_printf(out,
                "{\"id\":\"fc_A%u_%u\",\"type\":\"function_call\",\"status\":\"%s\","
                "\"call_id\":\"call_A%u_%u\",\"name\":\"%s\",\"arguments\":",
                w->reply->n, w->parts, status, w->reply->n, index, call->name.p);
    say_string(out, arguments);
    text_str(out, "}");
}

static void arguments_event(struct saying *w, const char *type, const char *member,
                            struct span piece) {
    struct text rest = {0};
    text_printf(&rest, ",\"item_id\":\"fc_A%u_%u\",\"output_index\":%u,\"%s\":", w->reply->n,
                w->parts, w->parts, member);
    say_string(&rest, piece);
    say_json(w, say_gap(w), type, rest.p, true);
}

static void tool(struct saying *w, uint64_t delay_ns, unsigned index, const struct call *call) {
    struct text item = {0};
    struct span arguments = text_span(&call->arguments);
    close_message(w);
    add_call(&item, w, "in_progress", index, call, span_of("", 0));
    item_event(w, delay_ns, "response.output_item.added", &item, true);
    for (struct span rest = arguments; rest.n;)
        arguments_event(w, "response.function_call_arguments.delta", "delta", say_piece(&rest));
    arguments_event(w, "response.function_call_arguments.done", "arguments", arguments);
    item = (struct text){0};
    add_call(&item, w, "completed", index, call, arguments);
    item_event(w, 0, "response.output_item.done", &item, false);
    keep_item(w, &item);
    w->parts++;
}

static const char *status(const struct reply *reply) {
    return strcmp(reply->finish, "length") == 0 ? "incomplete" : "completed";
}

static void finish(struct saying *w) {
    bool cut = strcmp(w->reply->finish, "length") == 0;
    close_message(w);
    say_response(w, say_gap(w), cut ? "response.incomplete" : "response.completed",
                 status(w->reply), true);
}

/* It has two forms. */
static void error(struct saying *w) {
    struct text rest = {0};
    if (world_chance(0.5)) {
        text_printf(&rest,
                    ",\"code\":\"server_error\",\"message\":\"overloaded A%u\",\"param\":null",
                    w->reply->n);
        say_json(w, w->first_ns, "error", rest.p, false);
        return;
    }
    text_printf(&rest,
                ",\"response\":{\"id\":\"resp_A%u\",\"object\":\"response\",\"created_at\":"
                "1700000000,\"status\":\"failed\",\"error\":{\"code\":\"server_error\","
                "\"message\":\"overloaded A%u\"},\"incomplete_details\":null,\"model\":\"up\","
                "\"output\":[],\"usage\":null}",
                w->reply->n, w->reply->n);
    say_json(w, w->first_ns, "response.failed", rest.p, false);
}

static void garbage(struct saying *w) {
    say_event(w, w->first_ns, "response.output_text.delta",
              SPAN("{\"type\":\"response.output_text.delta\",\"delta\":"), false);
}

static void whole(const struct saying *w, struct text *json) {
    struct text item = {0};
    if (w->reply->thought.n) {
        add_reasoning(&item, w, &w->reply->thought);
        text_str(&item, ",");
    }
    add_message(&item, w, "completed", &w->reply->said);
    add_response(json, w, status(w->reply), text_span(&item), true);
}

static struct say_error refuse(const struct saying *w, enum script script, struct text *json) {
    return say_chat.refuse(w, script, json); /* errors are those of all of OpenAI's APIs */
}

const struct say say_responses = {
    .type = "text/event-stream; charset=utf-8",
    .begin = begin,
    .think = think,
    .text = say_text,
    .tool = tool,
    .finish = finish,
    .noise = say_comment,
    .error = error,
    .garbage = garbage,
    .whole = whole,
    .refuse = refuse,
};
