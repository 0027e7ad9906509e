/* say_gemini.c - answers as a stream of Gemini's GenerateContentResponse (PROVIDERS.md 3.4): each event is one, usage
 * grows, there is no end mark. See say.h. */
#include "tests/sim/say.h"

static const char *finish_reason(const struct reply *reply) {
    return strcmp(reply->finish, "length") == 0 ? "MAX_TOKENS" : "STOP";
}

/* In the first chunks Gemini does not say what came out yet. */
static void add_tail(struct text *json, const struct saying *w, bool final) {
    const struct reply *reply = w->reply;
    text_printf(json, "\"usageMetadata\":{\"promptTokenCount\":%u", reply->input_tokens);
    if (reply->cached_tokens)
        text_printf(json, ",\"cachedContentTokenCount\":%u", reply->cached_tokens);
    if (final)
        text_printf(json, ",\"candidatesTokenCount\":%u", reply->tokens - reply->thought_tokens);
    if (final && reply->thought_tokens)
        text_printf(json, ",\"thoughtsTokenCount\":%u", reply->thought_tokens);
    text_printf(json, ",\"totalTokenCount\":%u},\"modelVersion\":\"up\",\"responseId\":\"A%u\"}",
                reply->input_tokens + (final ? reply->tokens : 0), reply->n);
}

static void chunk(struct saying *w, uint64_t delay_ns, struct span parts, const char *finish,
                  bool content) {
    struct text json = {0};
    text_str(&json, "{\"candidates\": [{\"content\": {\"parts\": [");
    text_add(&json, parts.p, parts.n);
    text_str(&json, "],\"role\": \"model\"},");
    if (finish)
        text_printf(&json, "\"finishReason\": \"%s\",", finish);
    text_str(&json, "\"index\": 0}],");
    add_tail(&json, w, finish != NULL);
    say_event(w, delay_ns, NULL, text_span(&json), content);
}

static void begin(struct saying *w) {
    if (w->reply->script == SCRIPT_STALL_ROLE || world_chance(0.2))
        chunk(w, say_gap(w), SPAN("{\"text\": \"\"}"), NULL, false);
}

/* What comes last may ride on the chunk with the finish. */
static void say_parts(struct saying *w, uint64_t delay_ns, const struct text *parts, bool last) {
    if (last && w->finishes && world_chance(0.5)) {
        w->held = *parts;
        w->held_ns = delay_ns;
    } else {
        chunk(w, delay_ns, text_span(parts), NULL, true);
    }
}

static void think(struct saying *w, uint64_t delay_ns, struct span piece, bool last) {
    struct text parts = {0};
    (void)last;
    text_str(&parts, "{\"text\": ");
    say_string(&parts, piece);
    text_str(&parts, ",\"thought\": true}");
    chunk(w, delay_ns, text_span(&parts), NULL, true);
}

static void say_text(struct saying *w, uint64_t delay_ns, struct span piece, bool last) {
    struct text parts = {0};
    text_str(&parts, "{\"text\": ");
    say_string(&parts, piece);
    text_str(&parts, "}");
    say_parts(w, delay_ns, &parts, last && w->reply->call_count == 0);
}

/* A call comes whole, and without an id more often than not. */
static void tool(struct saying *w, uint64_t delay_ns, unsigned index, const struct call *call) {
    struct text parts = {0};
    text_printf(&parts, "{\"functionCall\": {\"name\": \"%s\",", call->name.p);
    if (world_chance(0.3))
        text_printf(&parts, "\"id\": \"fc-A%u-%u\",", w->reply->n, index);
    text_printf(&parts, "\"args\": %s}}", call->arguments.p);
    say_parts(w, delay_ns, &parts, index + 1 == w->reply->call_count);
}

static void finish(struct saying *w) {
    if (w->held.n)
        chunk(w, w->held_ns, text_span(&w->held), finish_reason(w->reply), true);
    else
        chunk(w, say_gap(w), SPAN("{\"text\": \"\"}"), finish_reason(w->reply), false);
}

static void add_error(struct text *json, const struct saying *w, const char *words, unsigned code,
                      const char *status) {
    text_printf(json, "{\"error\": {\"code\": %u,\"message\": \"%s A%u\",\"status\": \"%s\"}}",
                code, words, w->reply->n, status);
}

static void error(struct saying *w) {
    struct text json = {0};
    add_error(&json, w, "overloaded", 503, "UNAVAILABLE");
    say_event(w, w->first_ns, NULL, text_span(&json), false);
}

static void garbage(struct saying *w) {
    say_event(w, w->first_ns, NULL, SPAN("{\"candidates\": [{\"content\": {\"parts\": [{\"text\":"),
              false);
}

static void whole(const struct saying *w, struct text *json) {
    text_str(json, "{\"candidates\": [{\"content\": {\"parts\": [");
    if (w->reply->thought.n) {
        text_str(json, "{\"text\": ");
        say_string(json, text_span(&w->reply->thought));
        text_str(json, ",\"thought\": true},");
    }
    text_str(json, "{\"text\": ");
    say_string(json, text_span(&w->reply->said));
    text_printf(json, "}],\"role\": \"model\"},\"finishReason\": \"%s\",\"index\": 0}],",
                finish_reason(w->reply));
    add_tail(json, w, true);
}

static struct say_error refuse(const struct saying *w, enum script script, struct text *json) {
    struct say_error out;
    switch (script) {
    case SCRIPT_STATUS_429: out = (struct say_error){429, "RESOURCE_EXHAUSTED", ""}; break;
    case SCRIPT_STATUS_401: out = (struct say_error){401, "UNAUTHENTICATED", ""}; break;
    case SCRIPT_STATUS_400: out = (struct say_error){400, "INVALID_ARGUMENT", ""}; break;
    case SCRIPT_STATUS_529:
    case SCRIPT_EARLY_503: out = (struct say_error){503, "UNAVAILABLE", ""}; break;
    default: out = (struct say_error){500, "INTERNAL", ""}; break;
    }
    add_error(json, w, "refused", out.status, out.type);
    return out;
}

const struct say say_gemini = {
    .type = "text/event-stream",
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
