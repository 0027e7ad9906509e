/* say_messages.c - answers as events of Anthropic's Messages API (PROVIDERS.md 3.3). See say.h. */
#include "tests/sim/say.h"

static const char *stop_reason(const struct reply *reply) {
    if (strcmp(reply->finish, "length") == 0)
        return "max_tokens";
    return strcmp(reply->finish, "tool_calls") == 0 ? "tool_use" : "end_turn";
}

/* Input without what was cached; output with thinking. */
static void add_usage(struct text *json, const struct reply *reply, unsigned output) {
    text_printf(json,
                "\"usage\":{\"input_tokens\":%u,\"cache_creation_input_tokens\":0,"
                "\"cache_read_input_tokens\":%u,\"output_tokens\":%u}",
                reply->input_tokens - reply->cached_tokens, reply->cached_tokens, output);
}

static void say_json(struct saying *w, uint64_t delay_ns, const char *name, const char *rest,
                     bool content) {
    struct text json = {0};
    text_printf(&json, "{\"type\":\"%s\"%s}", name, rest);
    say_event(w, delay_ns, name, text_span(&json), content);
}

static void ping(struct saying *w) { say_json(w, say_gap(w), "ping", "", false); }

static void close_block(struct saying *w) {
    struct text rest = {0};
    if (w->part == SAY_NOTHING)
        return;
    if (w->part == SAY_THOUGHT) {
        text_printf(&rest,
                    ",\"index\":%u,\"delta\":{\"type\":\"signature_delta\",\"signature\":"
                    "\"EqQB%u\"}",
                    w->parts - 1, w->reply->n);
        say_json(w, 0, "content_block_delta", rest.p, false);
        rest = (struct text){0};
    }
    w->part = SAY_NOTHING;
    text_printf(&rest, ",\"index\":%u", w->parts - 1);
    say_json(w, say_gap(w), "content_block_stop", rest.p, false);
}

static void open_block(struct saying *w, uint64_t delay_ns, enum say_part part, const char *block) {
    struct text rest = {0};
    close_block(w);
    w->part = part;
    text_printf(&rest, ",\"index\":%u,\"content_block\":{%s}", w->parts++, block);
    say_json(w, delay_ns, "content_block_start", rest.p, part == SAY_TOOL);
}

static void delta(struct saying *w, uint64_t delay_ns, const char *type, const char *member,
                  struct span piece) {
    struct text rest = {0};
    text_printf(&rest, ",\"index\":%u,\"delta\":{\"type\":\"%s\",\"%s\":", w->parts - 1, type,
                member);
    say_string(&rest, piece);
    text_str(&rest, "}");
    say_json(w, delay_ns, "content_block_delta", rest.p, piece.n > 0);
}

static void begin(struct saying *w) {
    struct text rest = {0};
    text_printf(&rest,
                ",\"message\":{\"id\":\"msg_A%u\",\"type\":\"message\",\"role\":\"assistant\","
                "\"model\":\"up\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,",
                w->reply->n);
    add_usage(&rest, w->reply, 1);
    text_str(&rest, "}");
    say_json(w, say_gap(w), "message_start", rest.p, false);
    if (w->reply->script == SCRIPT_STALL_ROLE)
        open_block(w, 0, SAY_TEXT, "\"type\":\"text\",\"text\":\"\"");
    if (world_chance(0.3))
        ping(w);
}

static void think(struct saying *w, uint64_t delay_ns, struct span piece, bool last) {
    (void)last;
    if (w->part != SAY_THOUGHT)
        open_block(w, 0, SAY_THOUGHT, "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"");
    delta(w, delay_ns, "thinking_delta", "thinking", piece);
}

static void say_text(struct saying *w, uint64_t delay_ns, struct span piece, bool last) {
    (void)last;
    if (w->part != SAY_TEXT)
        open_block(w, 0, SAY_TEXT, "\"type\":\"text\",\"text\":\"\"");
    delta(w, delay_ns, "text_delta", "text", piece);
}

static void tool(struct saying *w, uint64_t delay_ns, unsigned index, const struct call *call) {
    struct text block = {0};
    text_printf(&block,
                "\"type\":\"tool_use\",\"id\":\"toolu_A%u_%u\",\"name\":\"%s\",\"input\":{}",
                w->reply->n, index, call->name.p);
    open_block(w, delay_ns, SAY_TOOL, block.p);
    delta(w, 0, "input_json_delta", "partial_json", span_of("", 0));
    for (struct span rest = text_span(&call->arguments); rest.n;)
        delta(w, say_gap(w), "input_json_delta", "partial_json", say_piece(&rest));
}

/* The final usage may repeat the input or not: it is cumulative. */
static void finish(struct saying *w) {
    struct text rest = {0};
    close_block(w);
    text_printf(&rest, ",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},",
                stop_reason(w->reply));
    if (world_chance(0.5))
        add_usage(&rest, w->reply, w->reply->tokens);
    else
        text_printf(&rest, "\"usage\":{\"output_tokens\":%u}", w->reply->tokens);
    say_json(w, say_gap(w), "message_delta", rest.p, false);
}

static void end_mark(struct saying *w) {
    say_json(w, world_chance(0.8) ? 0 : say_gap(w), "message_stop", "", false);
}

static void noise(struct saying *w) {
    if (world_chance(0.3))
        say_comment(w);
    else
        ping(w);
}

static void error(struct saying *w) {
    struct text rest = {0};
    text_printf(&rest, ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"overloaded A%u\"}",
                w->reply->n);
    say_json(w, w->first_ns, "error", rest.p, false);
}

static void garbage(struct saying *w) {
    say_event(w, w->first_ns, "content_block_delta",
              SPAN("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"), false);
}

static void whole(const struct saying *w, struct text *json) {
    text_printf(json,
                "{\"id\":\"msg_A%u\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"up\","
                "\"content\":[",
                w->reply->n);
    if (w->reply->thought.n) {
        text_str(json, "{\"type\":\"thinking\",\"thinking\":");
        say_string(json, text_span(&w->reply->thought));
        text_str(json, ",\"signature\":\"EqQB\"},");
    }
    text_str(json, "{\"type\":\"text\",\"text\":");
    say_string(json, text_span(&w->reply->said));
    text_printf(json, "}],\"stop_reason\":\"%s\",\"stop_sequence\":null,", stop_reason(w->reply));
    add_usage(json, w->reply, w->reply->tokens);
    text_str(json, "}");
}

static struct say_error refuse(const struct saying *w, enum script script, struct text *json) {
    struct say_error out;
    switch (script) {
    case SCRIPT_STATUS_429: out = (struct say_error){429, "rate_limit_error", ""}; break;
    case SCRIPT_STATUS_529: out = (struct say_error){529, "overloaded_error", ""}; break;
    case SCRIPT_STATUS_401: out = (struct say_error){401, "authentication_error", ""}; break;
    case SCRIPT_STATUS_400: out = (struct say_error){400, "invalid_request_error", ""}; break;
    case SCRIPT_EARLY_503: out = (struct say_error){503, "api_error", ""}; break;
    default: out = (struct say_error){500, "api_error", ""}; break;
    }
    text_printf(json,
                "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"refused A%u\"},"
                "\"request_id\":\"req_A%u\"}",
                out.type, w->reply->n, w->reply->n);
    return out;
}

const struct say say_messages = {
    .type = "text/event-stream; charset=utf-8",
    .begin = begin,
    .think = think,
    .text = say_text,
    .tool = tool,
    .finish = finish,
    .end_mark = end_mark,
    .noise = noise,
    .error = error,
    .garbage = garbage,
    .whole = whole,
    .refuse = refuse,
};
