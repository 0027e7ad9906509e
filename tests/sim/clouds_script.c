/* clouds_script.c - writes a cloud's answer. Every token carries the number of the reply ("A17.3 "), so that a byte of one
 * reply in another's place is seen. See clouds_script.h. */
#include "tests/sim/clouds_script.h"

#include <stdio.h>

const struct script_row script_rows[SCRIPT_COUNT] = {
#define CONTENT                              true
#define NOTHING                              false
#define WHOLE                                true
#define PARTIAL                              false
#define SCRIPT(name, weight, content, whole) [SCRIPT_##name] = {#name, weight, content, whole},
#include "tests/sim/scripts.def"
#undef SCRIPT
#undef CONTENT
#undef NOTHING
#undef WHOLE
#undef PARTIAL
};

struct writing {
    struct play *play;
    struct reply *reply;
    bool chunked;
    const char *eol;                    /* of SSE lines */
    uint64_t head_ns, first_ns, gap_ns; /* delays */
    unsigned tokens, token_bytes;
};

/* ---- steps ---- */

static void step(struct writing *w, enum step_what what, uint64_t delay_ns, struct span bytes,
                 bool content) {
    CHECK(w->play->count < STEPS_MAX);
    struct text copy = {0};
    text_add(&copy, bytes.p, bytes.n);
    w->play->steps[w->play->count++] = (struct step){
        .what = what, .delay_ns = delay_ns, .p = copy.p, .n = copy.n, .content = content};
}

/* The end of a message that is whole is known at once: the next request may be on its way already. */
static void step_end(struct writing *w, enum step_what what) {
    step(w, what, what == STEP_DONE ? 0 : world_below(w->gap_ns + 1), span_of("", 0), false);
}

static void step_head(struct writing *w, unsigned status, const char *type, const char *extra) {
    struct text head = {0};
    text_printf(&head, "HTTP/1.1 %u %s\r\ncontent-type: %s\r\nx-request-id: up-A%u\r\n%s", status,
                status == 200 ? "OK" : "Not So", type, w->reply->n, extra);
    if (w->chunked)
        text_str(&head, world_chance(0.5) ? "transfer-encoding: chunked\r\n"
                                          : "Transfer-Encoding:  Chunked \r\n");
    text_str(&head, "\r\n");
    step(w, STEP_SEND, w->head_ns, text_span(&head), false);
}

static void add_chunk(struct text *out, struct span bytes) {
    text_printf(out, world_chance(0.5) ? "%zx" : "%zX", bytes.n);
    text_str(out, world_chance(0.05) ? ";name=\"value\"\r\n" : "\r\n");
    text_add(out, bytes.p, bytes.n);
    text_str(out, "\r\n");
}

/* A piece of the body, as one chunk or cut into two. */
static void step_body(struct writing *w, uint64_t delay_ns, struct span bytes, bool content) {
    struct text out = {0};
    if (!w->chunked) {
        text_add(&out, bytes.p, bytes.n);
    } else if (bytes.n > 1 && world_chance(0.2)) {
        size_t cut = 1 + world_below(bytes.n - 1);
        add_chunk(&out, span_of(bytes.p, cut));
        add_chunk(&out, span_from(bytes, cut));
    } else {
        add_chunk(&out, bytes);
    }
    step(w, STEP_SEND, delay_ns, text_span(&out), content);
}

static void last_chunk(struct writing *w) {
    if (w->chunked)
        step(w, STEP_SEND, world_below(w->gap_ns + 1), SPAN("0\r\n\r\n"), false);
}

/* ---- events ---- */

static void event(struct writing *w, uint64_t delay_ns, const struct text *json, bool content) {
    struct text out = {0};
    text_str(&out, "data: ");
    text_add(&out, json->p, json->n);
    text_str(&out, w->eol);
    text_str(&out, w->eol);
    step_body(w, delay_ns, text_span(&out), content);
}

static void chunk_event(struct writing *w, uint64_t delay_ns, const char *delta, const char *finish,
                        bool content) {
    struct text json = {0};
    text_printf(
        &json,
        "{\"id\":\"chatcmpl-A%u\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
        "\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{%s},\"finish_reason\":",
        w->reply->n, delta);
    text_printf(&json, finish ? "\"%s\"}]}" : "null}]}", finish);
    event(w, delay_ns, &json, content);
}

static void role(struct writing *w) {
    chunk_event(w, world_below(w->gap_ns + 1), "\"role\":\"assistant\",\"content\":\"\"", NULL,
                false);
}

static void comment(struct writing *w) {
    struct text out = {0};
    text_printf(&out, ": keep-alive%s%s", w->eol, w->eol);
    step_body(w, world_below(w->gap_ns + 1), text_span(&out), false);
}

static void token_text(struct writing *w, unsigned i, struct text *token) {
    text_printf(token, "A%u.%u ", w->reply->n, i);
    while (token->n < w->token_bytes)
        text_str(token, "lorem ipsum ");
}

static void tokens(struct writing *w, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct text token = {0}, delta = {0};
        token_text(w, i, &token);
        text_add(&w->reply->said, token.p, token.n);
        text_printf(&delta, "\"content\":\"%.*s\"", (int)token.n, token.p);
        chunk_event(w, i ? world_below(w->gap_ns + 1) : w->first_ns, text_span(&delta).p, NULL,
                    true);
        if (w->reply->script == SCRIPT_COMMENTS && world_chance(0.3))
            comment(w);
    }
}

static void tool_call(struct writing *w) {
    struct text delta = {0};
    text_printf(&delta,
                "\"tool_calls\":[{\"index\":0,\"id\":\"call_A%u\",\"type\":\"function\","
                "\"function\":{\"name\":\"f_A%u\",\"arguments\":\"\"}}]",
                w->reply->n, w->reply->n);
    chunk_event(w, w->first_ns, delta.p, NULL, true);
    text_str(&w->reply->tools, "{\"t\":\"");
    for (unsigned i = 0; i <= w->tokens; i++) {
        struct text token = {0};
        delta = (struct text){0};
        text_str(&delta, "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"");
        if (i == 0)
            text_str(&delta, "{\\\"t\\\":\\\"");
        else
            token_text(w, i, &token);
        text_add(&delta, token.p, token.n);
        text_add(&w->reply->tools, token.p, token.n);
        if (i == w->tokens)
            text_str(&delta, "\\\"}");
        text_str(&delta, "\"}}]");
        chunk_event(w, world_below(w->gap_ns + 1), delta.p, NULL, false);
    }
    text_str(&w->reply->tools, "\"}");
}

static void finish(struct writing *w, const char *reason) {
    struct text json = {0};
    w->reply->finish = reason;
    w->reply->tokens = w->reply->n * 7 + w->tokens;
    chunk_event(w, world_below(w->gap_ns + 1), "", reason, false);
    text_printf(&json,
                "{\"id\":\"chatcmpl-A%u\",\"object\":\"chat.completion.chunk\",\"created\":"
                "1700000000,\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,"
                "\"completion_tokens\":%u,\"total_tokens\":%u}}",
                w->reply->n, w->reply->tokens, w->reply->tokens + 11);
    event(w, 0, &json, false);
}

static void end_mark(struct writing *w) {
    struct text done = {0};
    text_str(&done, "[DONE]");
    event(w, world_chance(0.8) ? 0 : world_below(w->gap_ns + 1), &done, false);
}

static void error_event(struct writing *w) {
    struct text json = {0};
    text_printf(
        &json,
        "{\"error\":{\"message\":\"overloaded A%u\",\"type\":\"server_error\",\"code\":500}}",
        w->reply->n);
    event(w, w->first_ns, &json, false);
}

/* ---- whole bodies ---- */

static void whole_body(struct writing *w, unsigned status, const char *extra,
                       const struct text *json) {
    struct text fields = {0};
    w->chunked = false;
    text_printf(&fields, "content-length: %zu\r\n%s", json->n, extra);
    step_head(w, status, "application/json", fields.p);
    step(w, STEP_SEND, world_below(w->gap_ns + 1), text_span(json), true);
    step_end(w, STEP_DONE);
}

static void error_body(struct writing *w, unsigned status, const char *type, const char *extra) {
    struct text json = {0};
    text_printf(
        &json,
        "{\"error\":{\"message\":\"refused A%u\",\"type\":\"%s\",\"param\":null,\"code\":null}}",
        w->reply->n, type);
    whole_body(w, status, extra, &json);
    w->play->steps[w->play->count - 2].content = false;
}

static void whole_answer(struct writing *w) {
    struct text json = {0};
    for (unsigned i = 0; i < w->tokens; i++) {
        struct text token = {0};
        token_text(w, i, &token);
        text_add(&w->reply->said, token.p, token.n);
    }
    w->reply->finish = "stop";
    w->reply->tokens = w->reply->n * 7 + w->tokens;
    text_printf(&json,
                "{\"id\":\"chatcmpl-A%u\",\"object\":\"chat.completion\",\"created\":1700000000,"
                "\"model\":\"up\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
                "\"content\":\"%.*s\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":"
                "11,\"completion_tokens\":%u,\"total_tokens\":%u}}",
                w->reply->n, (int)w->reply->said.n, w->reply->said.p, w->reply->tokens,
                w->reply->tokens + 11);
    whole_body(w, 200, "", &json);
}

/* ---- scripts ---- */

static void stream_head(struct writing *w, const char *extra) {
    step_head(w, 200, "text/event-stream", extra);
}

static void healthy(struct writing *w, const char *extra) {
    stream_head(w, extra);
    if (w->reply->script == SCRIPT_COMMENTS)
        comment(w);
    role(w);
    if (w->reply->script == SCRIPT_TOOLS)
        tool_call(w);
    else
        tokens(w, w->tokens);
    finish(w, w->reply->script == SCRIPT_TOOLS ? "tool_calls"
              : world_chance(0.1)              ? "length"
                                               : "stop");
    if (w->reply->script != SCRIPT_NO_END_MARK)
        end_mark(w);
}

static void healthy_to_end(struct writing *w, const char *extra, enum step_what end) {
    healthy(w, extra);
    last_chunk(w);
    step_end(w, end);
}

static void some_content(struct writing *w) {
    stream_head(w, "");
    role(w);
    tokens(w, 1 + w->tokens / 2);
}

static void interim(struct writing *w) {
    step(w, STEP_SEND, world_below(w->head_ns + 1), SPAN("HTTP/1.1 100 Continue\r\n\r\n"), false);
    step(w, STEP_SEND, 0, SPAN("HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n"),
         false);
    healthy_to_end(w, "", STEP_DONE);
}

static void extra_bytes(struct writing *w) {
    healthy(w, "");
    step(w, STEP_SEND, 0,
         SPAN("0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: "
              "29\r\n\r\ndata: {\"smuggled\": \"A0.0\"}\n\n\n"),
         false);
    step_end(w, STEP_CLOSE);
}

static void cut_chunk(struct writing *w) {
    step(w, STEP_SEND, world_below(w->gap_ns + 1), SPAN("1f4\r\ndata: {\"id\":\"cut"), false);
    step_end(w, STEP_CLOSE);
}

static void garbage_event(struct writing *w) {
    struct text json = {0};
    text_str(&json, "{\"choices\":[{\"delta\":{\"content\":");
    stream_head(w, "");
    event(w, w->first_ns, &json, false);
    last_chunk(w);
    step_end(w, STEP_DONE);
}

static void retry_later(struct writing *w, unsigned status) {
    char extra[64];
    snprintf(extra, sizeof extra, "retry-after: %u\r\n", (unsigned)world_below(3));
    error_body(w, status, "rate_limit_error", world_chance(0.5) ? extra : "");
}

static void write_script(struct writing *w) {
    switch (w->reply->script) {
    case SCRIPT_HEALTHY:
    case SCRIPT_TOOLS:
    case SCRIPT_COMMENTS:
    case SCRIPT_NO_END_MARK: healthy_to_end(w, "", STEP_DONE); break;
    case SCRIPT_WHOLE_JSON: whole_answer(w); break;
    case SCRIPT_UNTIL_CLOSE:
        w->chunked = false;
        healthy_to_end(w, "", STEP_CLOSE);
        break;
    case SCRIPT_THEN_CLOSE: healthy_to_end(w, "Connection: close\r\n", STEP_CLOSE); break;
    case SCRIPT_INTERIM: interim(w); break;
    case SCRIPT_NO_TAIL: healthy(w, ""); break;
    case SCRIPT_EXTRA_BYTES: extra_bytes(w); break;
    case SCRIPT_STATUS_429: retry_later(w, 429); break;
    case SCRIPT_STATUS_500: error_body(w, 500, "server_error", ""); break;
    case SCRIPT_STATUS_529: retry_later(w, 529); break;
    case SCRIPT_STATUS_401: error_body(w, 401, "invalid_request_error", ""); break;
    case SCRIPT_STATUS_400: error_body(w, 400, "invalid_request_error", ""); break;
    case SCRIPT_STALL_HEAD: break;
    case SCRIPT_STALL_BODY: stream_head(w, ""); break;
    case SCRIPT_STALL_ROLE:
        stream_head(w, "");
        role(w);
        break;
    case SCRIPT_STALL_CONTENT: some_content(w); break;
    case SCRIPT_RESET_HEAD:
        step(w, STEP_RESET, world_below(w->head_ns + 1), span_of("", 0), false);
        break;
    case SCRIPT_CLOSE_HEAD:
        step(w, STEP_CLOSE, world_below(w->head_ns + 1), span_of("", 0), false);
        break;
    case SCRIPT_RESET_BODY:
        stream_head(w, "");
        step_end(w, STEP_RESET);
        break;
    case SCRIPT_RESET_CONTENT:
        some_content(w);
        step_end(w, STEP_RESET);
        break;
    case SCRIPT_CUT_CHUNK:
        some_content(w);
        cut_chunk(w);
        break;
    case SCRIPT_CUT_EARLY:
        stream_head(w, "");
        cut_chunk(w);
        break;
    case SCRIPT_ERROR_FIRST:
        stream_head(w, "");
        error_event(w);
        last_chunk(w);
        step_end(w, STEP_DONE);
        break;
    case SCRIPT_ERROR_LATER:
        some_content(w);
        error_event(w);
        last_chunk(w);
        step_end(w, STEP_DONE);
        break;
    case SCRIPT_EMPTY_DONE:
        stream_head(w, "");
        end_mark(w);
        last_chunk(w);
        step_end(w, STEP_DONE);
        break;
    case SCRIPT_DONE_EARLY:
        some_content(w);
        end_mark(w);
        last_chunk(w);
        step_end(w, STEP_DONE);
        break;
    case SCRIPT_EMPTY_FINISH:
        stream_head(w, "");
        role(w);
        finish(w, "stop");
        end_mark(w);
        last_chunk(w);
        step_end(w, STEP_DONE);
        break;
    case SCRIPT_GARBAGE_EVENT: garbage_event(w); break;
    case SCRIPT_GARBAGE_HEAD:
        step(w, STEP_SEND, w->head_ns, SPAN("HTTP/1.1 2OO Fine\r\ncontent-length: 2\r\n\r\n{}"),
             false);
        break;
    case SCRIPT_EARLY_503: error_body(w, 503, "server_error", "connection: close\r\n"); break;
    case SCRIPT_COUNT: break;
    }
}

/* Most clouds are quick, some are slow; most answers are short, some are long. */
static uint64_t draw_ms(unsigned usual_ms, unsigned slow_ms) {
    return SIM_MS(1) * world_below(world_chance(0.1) ? slow_ms : usual_ms) + world_below(NS_PER_MS);
}

void script_write(struct play *play, struct reply *reply) {
    struct writing w = {
        .play = play,
        .reply = reply,
        .chunked = true,
        .eol = world_chance(0.1) ? "\r\n" : "\n",
        .head_ns = draw_ms(40, 800),
        .first_ns = draw_ms(60, 1500),
        .gap_ns = world_chance(0.2) ? 0 : draw_ms(10, 100),
        .tokens = (unsigned)world_between(1, world_chance(0.1) ? 100 : 12),
        .token_bytes = world_chance(0.1) ? (unsigned)world_below(4000) : 0,
    };
    write_script(&w);
    if (reply->script == SCRIPT_EARLY_503)
        play->steps[play->count - 1].what = STEP_CLOSE;
}
