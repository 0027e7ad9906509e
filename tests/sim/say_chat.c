/* say_chat.c - answers as OpenAI chat completion chunks (API specification 2.3.0). See say.h. */
#include "tests/sim/say.h"

static void add_usage(struct text *json, const struct reply *reply) {
    text_printf(json,
                "\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u,"
                "\"prompt_tokens_details\":{\"cached_tokens\":%u},"
                "\"completion_tokens_details\":{\"reasoning_tokens\":%u}}",
                reply->input_tokens, reply->tokens, reply->tokens + reply->input_tokens,
                reply->cached_tokens, reply->thought_tokens);
}

static void open_chunk(struct text *json, const struct saying *w) {
    text_printf(json,
                "{\"id\":\"chatcmpl-A%u\",\"object\":\"chat.completion.chunk\","
                "\"created\":1700000000,\"model\":\"up\",",
                w->reply->n);
}

static void chunk(struct saying *w, uint64_t delay_ns, const struct text *delta, const char *finish,
                  bool content) {
    struct text json = {0};
    open_chunk(&json, w);
    text_str(&json, "\"choices\":[{\"index\":0,\"delta\":{");
    text_add(&json, delta->p, delta->n);
    text_printf(&json, finish ? "},\"finish_reason\":\"%s\"}]}" : "},\"finish_reason\":null}]}",
                finish);
    say_event(w, delay_ns, NULL, text_span(&json), content);
}

static void begin(struct saying *w) {
    struct text delta = {0};
    text_str(&delta, "\"role\":\"assistant\",\"content\":\"\"");
    chunk(w, say_gap(w), &delta, NULL, false);
}

static void think(struct saying *w, uint64_t delay_ns, struct span piece, bool last) {
    struct text delta = {0};
    (void)last;
    text_str(&delta, "\"reasoning_content\":");
    say_string(&delta, piece);
    chunk(w, delay_ns, &delta, NULL, true);
}

static void say_text(struct saying *w, uint64_t delay_ns, struct span piece, bool last) {
    struct text delta = {0};
    (void)last;
    text_str(&delta, "\"content\":");
    say_string(&delta, piece);
    chunk(w, delay_ns, &delta, NULL, true);
}

static void open_call(struct saying *w, uint64_t delay_ns, unsigned index) {
    struct text delta = {0};
    text_printf(&delta,
                "\"tool_calls\":[{\"index\":%u,\"id\":\"call_A%u_%u\",\"type\":\"function\","
                "\"function\":{\"name\":\"%s\",\"arguments\":\"\"}}]",
                index, w->reply->n, index, w->reply->calls[index].name.p);
    chunk(w, delay_ns, &delta, NULL, true);
}

static void add_arguments(struct saying *w, unsigned index, struct span *rest) {
    struct text delta = {0};
    text_printf(&delta, "\"tool_calls\":[{\"index\":%u,\"function\":{\"arguments\":", index);
    say_string(&delta, say_piece(rest));
    text_str(&delta, "}}]");
    chunk(w, say_gap(w), &delta, NULL, true);
}

/* Calls in parallel, whose pieces come as they are ready: the first call says all of them. */
static void say_parallel(struct saying *w, uint64_t delay_ns) {
    struct span rests[CALLS_MAX];
    size_t left = 0;
    for (unsigned i = 0; i < w->reply->call_count; i++) {
        rests[i] = text_span(&w->reply->calls[i].arguments);
        left += rests[i].n;
        open_call(w, i ? 0 : delay_ns, i);
    }
    while (left) {
        unsigned i = (unsigned)world_below(w->reply->call_count);
        if (rests[i].n == 0)
            continue;
        left -= rests[i].n;
        add_arguments(w, i, &rests[i]);
        left += rests[i].n;
    }
}

static void tool(struct saying *w, uint64_t delay_ns, unsigned index, const struct call *call) {
    if (index == 0)
        w->reply->parallel = w->reply->call_count > 1 && world_chance(0.5);
    if (w->reply->parallel) {
        if (index == 0)
            say_parallel(w, delay_ns);
        return;
    }
    open_call(w, delay_ns, index);
    for (struct span rest = text_span(&call->arguments); rest.n;)
        add_arguments(w, index, &rest);
}

static void finish(struct saying *w) {
    struct text json = {0}, nothing = {0};
    chunk(w, say_gap(w), &nothing, w->reply->finish, false);
    open_chunk(&json, w);
    text_str(&json, "\"choices\":[],");
    add_usage(&json, w->reply);
    text_str(&json, "}");
    say_event(w, 0, NULL, text_span(&json), false);
}

static void end_mark(struct saying *w) {
    say_event(w, world_chance(0.8) ? 0 : say_gap(w), NULL, SPAN("[DONE]"), false);
}

static void add_error(struct text *json, const char *words, unsigned n, const char *type) {
    text_printf(json,
                "{\"error\":{\"message\":\"%s A%u\",\"type\":\"%s\",\"param\":null,\"code\":null}}",
                words, n, type);
}

static void error(struct saying *w) {
    struct text json = {0};
    add_error(&json, "overloaded", w->reply->n, "server_error");
    say_event(w, w->first_ns, NULL, text_span(&json), false);
}

static void garbage(struct saying *w) {
    say_event(w, w->first_ns, NULL, SPAN("{\"choices\":[{\"delta\":{\"content\":"), false);
}

static void whole(const struct saying *w, struct text *json) {
    text_printf(json,
                "{\"id\":\"chatcmpl-A%u\",\"object\":\"chat.completion\",\"created\":1700000000,"
                "\"model\":\"up\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",",
                w->reply->n);
    if (w->reply->thought.n) {
        text_str(json, "\"reasoning_content\":");
        say_string(json, text_span(&w->reply->thought));
        text_str(json, ",");
    }
    text_str(json, "\"content\":");
    say_string(json, text_span(&w->reply->said));
    text_printf(json, "},\"finish_reason\":\"%s\"}],", w->reply->finish);
    add_usage(json, w->reply);
    text_str(json, "}");
}

static struct say_error refuse(const struct saying *w, enum script script, struct text *json) {
    struct say_error out = {.fields = ""};
    switch (script) {
    case SCRIPT_STATUS_429: out = (struct say_error){429, "rate_limit_error", ""}; break;
    case SCRIPT_STATUS_529: out = (struct say_error){529, "rate_limit_error", ""}; break;
    case SCRIPT_STATUS_401: out = (struct say_error){401, "invalid_request_error", ""}; break;
    case SCRIPT_STATUS_400: out = (struct say_error){400, "invalid_request_error", ""}; break;
    case SCRIPT_EARLY_503: out = (struct say_error){503, "server_error", ""}; break;
    default: out = (struct say_error){500, "server_error", ""}; break;
    }
    add_error(json, "refused", w->reply->n, out.type);
    return out;
}

const struct say say_chat = {
    .type = "text/event-stream",
    .begin = begin,
    .think = think,
    .text = say_text,
    .tool = tool,
    .finish = finish,
    .end_mark = end_mark,
    .noise = say_comment,
    .error = error,
    .garbage = garbage,
    .whole = whole,
    .refuse = refuse,
};
