/* clouds_script.c - writes a cloud's answer: what a script says, in the format that it was asked in. Every token carries
 * the number of the reply ("A17.3 "), so that a byte of one reply in another's place is seen. See clouds_script.h. */
#include "tests/sim/clouds_script.h"

#include <stdio.h>
#include <time.h>

#include "tests/sim/say.h"
#include "tests/sim/weather.h"
#include "tests/sim/world.h"

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

static const struct say *const says[FORMAT_COUNT] = {
    [FORMAT_CHAT] = &say_chat,         [FORMAT_RESPONSES] = &say_responses,
    [FORMAT_MESSAGES] = &say_messages, [FORMAT_GEMINI] = &say_gemini,
    [FORMAT_CONVERSE] = &say_converse,
};

/* What tokens hold besides their number, now and then: what has to be escaped, and what need not be. */
static const char *const oddities[] = {
    "\"so\" ",           "a\\b ", "l1\nl2 ",   "\xc3\xa9t\xc3\xa9 ",
    "\xf0\x9f\x98\x80 ", "</x> ", "data: \n\n"};

#define THOUGHTS_MAX 4

/* ---- steps ---- */

static void step(struct saying *w, enum step_what what, uint64_t delay_ns, struct span bytes,
                 bool content) {
    CHECK(w->play->count < STEPS_MAX);
    struct text copy = {0};
    text_add(&copy, bytes.p, bytes.n);
    w->play->steps[w->play->count++] = (struct step){
        .what = what, .delay_ns = delay_ns, .p = copy.p, .n = copy.n, .content = content};
}

/* The end of a message that is whole is known at once: the next request may be on its way already. */
static void step_end(struct saying *w, enum step_what what) {
    step(w, what, what == STEP_DONE ? 0 : say_gap(w), span_of("", 0), false);
}

/* What is left of the cloud's limit, in the fields of its kind. */
static void add_limit(struct text *head, const struct reply *reply) {
    char date[32];
    if (reply->limit == 0)
        return;
    if (reply->cloud->kind == CLOUD_OPENAI)
        text_printf(head,
                    "x-ratelimit-limit-requests: %u\r\nx-ratelimit-remaining-requests: %u\r\n"
                    "x-ratelimit-reset-requests: %um%.3fs\r\n",
                    reply->limit, reply->limit_left,
                    (unsigned)(reply->limit_reset_ns / (60 * NS_PER_S)),
                    (double)(reply->limit_reset_ns % (60 * NS_PER_S)) / 1e9);
    if (reply->cloud->kind != CLOUD_ANTHROPIC)
        return;
    time_t reset_s = (time_t)((sim.wall_ns + sim.now_ns + reply->limit_reset_ns) / NS_PER_S);
    struct tm tm;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&reset_s, &tm));
    text_printf(head,
                "anthropic-ratelimit-requests-limit: %u\r\n"
                "anthropic-ratelimit-requests-remaining: %u\r\n"
                "anthropic-ratelimit-requests-reset: %s\r\n",
                reply->limit, reply->limit_left, date);
}

static void step_head(struct saying *w, unsigned status, const char *type, const char *extra) {
    struct text head = {0};
    text_printf(&head, "HTTP/1.1 %u %s\r\ncontent-type: %s\r\n%s: up-A%u\r\n%s", status,
                status == 200 ? "OK" : "Not So", type,
                w->reply->format == FORMAT_MESSAGES ? "request-id" : "x-request-id", w->reply->n,
                extra);
    add_limit(&head, w->reply);
    if (w->chunked)
        text_str(&head, world_chance(0.5) ? "transfer-encoding: chunked\r\n"
                                          : "Transfer-Encoding:  Chunked \r\n");
    text_str(&head, "\r\n");
    step(w, STEP_SEND, w->head_ns, text_span(&head), false);
}

static void last_chunk(struct saying *w) {
    if (w->chunked)
        step(w, STEP_SEND, say_gap(w), SPAN("0\r\n\r\n"), false);
}

/* ---- what is said ---- */

static void token_text(struct saying *w, unsigned i, struct text *token) {
    text_printf(token, "A%u.%u ", w->reply->n, i);
    if (world_chance(0.1))
        text_str(token, oddities[world_below(countof(oddities))]);
    while (token->n < w->token_bytes)
        text_str(token, "lorem ipsum ");
}

/* The first token has a delay of its own. */
static uint64_t token_delay(struct saying *w) {
    uint64_t delay_ns = w->begun ? say_gap(w) : w->first_ns;
    w->begun = true;
    return delay_ns;
}

static void draw_thought(struct saying *w, struct text *pieces, unsigned *count) {
    *count = world.mixed && world_chance(0.25) ? 1 + (unsigned)world_below(THOUGHTS_MAX) : 0;
    if (w->reply->script == SCRIPT_STALL_THOUGHT && *count == 0)
        *count = 1;
    if (w->reply->behind.n)
        *count = 0; /* who goes on with a text does not think first */
    for (unsigned i = 0; i < *count; i++) {
        text_printf(&pieces[i], "A%u.t%u ", w->reply->n, i);
        if (world_chance(0.1))
            text_str(&pieces[i], oddities[world_below(countof(oddities))]);
        text_add(&w->reply->thought, pieces[i].p, pieces[i].n);
    }
}

static void thoughts(struct saying *w) {
    struct text pieces[THOUGHTS_MAX] = {0};
    unsigned count;
    draw_thought(w, pieces, &count);
    for (unsigned i = 0; i < count; i++)
        w->say->think(w, token_delay(w), text_span(&pieces[i]), i + 1 == count);
}

static void tokens(struct saying *w, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct text token = {0};
        token_text(w, i, &token);
        text_add(&w->reply->said, token.p, token.n);
        w->say->text(w, token_delay(w), text_span(&token), i + 1 == count);
        if (w->reply->script == SCRIPT_COMMENTS && world_chance(0.3))
            w->say->noise(w);
    }
}

/* JSON as short as it can be. */
static void add_plain_json(struct text *out, struct span plain) {
    text_str(out, "\"");
    for (size_t i = 0; i < plain.n; i++) {
        char c = plain.p[i];
        if (c == '"' || c == '\\')
            text_printf(out, "\\%c", c);
        else if (c == '\n')
            text_str(out, "\\n");
        else
            text_add(out, &c, 1);
    }
    text_str(out, "\"");
}

/* The arguments are JSON without a blank, so that all who write them anew write the same. */
static void draw_call(struct saying *w, unsigned index) {
    struct call *call = &w->reply->calls[index];
    struct text value = {0};
    text_printf(&call->name, "f%u_A%u", index, w->reply->n);
    for (unsigned i = 0; i < w->tokens; i++)
        token_text(w, i, &value);
    text_str(&call->arguments, "{\"t\":");
    add_plain_json(&call->arguments, text_span(&value));
    text_printf(&call->arguments, ",\"n\":%u}", w->reply->n);
}

static void tool_calls(struct saying *w) {
    w->reply->call_count = world_chance(0.3) ? CALLS_MAX : 1;
    if (world_chance(0.2))
        tokens(w, 1);
    for (unsigned i = 0; i < w->reply->call_count; i++)
        draw_call(w, i);
    for (unsigned i = 0; i < w->reply->call_count; i++)
        w->say->tool(w, token_delay(w), i, &w->reply->calls[i]);
}

static void draw_usage(struct saying *w) {
    struct reply *reply = w->reply;
    reply->thought_tokens = world_chance(0.2) ? (unsigned)world_between(1, 5) : 0;
    reply->tokens = reply->n * 7 + w->tokens + reply->thought_tokens;
    reply->input_tokens = 11 + (unsigned)world_below(100);
    reply->cached_tokens = world_chance(0.3) ? (unsigned)world_between(1, 10) : 0;
    if (reply->format == FORMAT_CONVERSE || reply->format == FORMAT_MESSAGES)
        reply->thought_tokens = 0; /* not told apart */
}

static void finish(struct saying *w, const char *reason) {
    w->reply->finish = reason;
    w->say->finish(w);
}

static void end_mark(struct saying *w) {
    if (w->say->end_mark)
        w->say->end_mark(w);
}

/* ---- whole bodies ---- */

static void whole_body(struct saying *w, unsigned status, const char *extra,
                       const struct text *json, bool content) {
    struct text fields = {0};
    w->chunked = false;
    text_printf(&fields, "content-length: %zu\r\n%s", json->n, extra);
    step_head(w, status, "application/json", fields.p);
    step(w, STEP_SEND, say_gap(w), text_span(json), content);
    step_end(w, STEP_DONE);
}

static void error_body(struct saying *w, const char *extra) {
    struct text json = {0}, fields = {0};
    struct say_error error = w->say->refuse(w, w->reply->script, &json);
    text_printf(&fields, "%s%s", error.fields, extra);
    whole_body(w, error.status, fields.p, &json, false);
}

static void retry_later(struct saying *w) {
    char extra[64] = "";
    if (world_chance(0.5))
        snprintf(extra, sizeof extra, "retry-after: %u\r\n", (unsigned)world_below(3));
    error_body(w, extra);
}

static void whole_answer(struct saying *w) {
    struct text json = {0}, pieces[THOUGHTS_MAX] = {0};
    unsigned thought_count;
    draw_thought(w, pieces, &thought_count);
    for (unsigned i = 0; i < w->tokens; i++)
        token_text(w, i, &w->reply->said);
    w->reply->finish = "stop";
    w->say->whole(w, &json);
    whole_body(w, 200, "", &json, true);
}

/* ---- scripts ---- */

static void stream_head(struct saying *w, const char *extra) {
    step_head(w, 200, w->say->type, extra);
}

static void healthy(struct saying *w, const char *extra) {
    stream_head(w, extra);
    w->finishes = true;
    if (w->reply->script == SCRIPT_COMMENTS)
        w->say->noise(w);
    w->say->begin(w);
    thoughts(w);
    if (w->reply->script == SCRIPT_TOOLS)
        tool_calls(w);
    else
        tokens(w, w->tokens);
    finish(w, w->reply->script == SCRIPT_TOOLS ? "tool_calls"
              : world_chance(0.1)              ? "length"
                                               : "stop");
    if (w->reply->script != SCRIPT_NO_END_MARK)
        end_mark(w);
    else if (w->reply->format == FORMAT_CONVERSE)
        w->reply->usage_unsaid = true;
}

static void healthy_to_end(struct saying *w, const char *extra, enum step_what end) {
    healthy(w, extra);
    last_chunk(w);
    step_end(w, end);
}

static void some_content(struct saying *w) {
    stream_head(w, "");
    w->say->begin(w);
    thoughts(w);
    tokens(w, 1 + w->tokens / 2);
}

static void interim(struct saying *w) {
    step(w, STEP_SEND, world_below(w->head_ns + 1), SPAN("HTTP/1.1 100 Continue\r\n\r\n"), false);
    step(w, STEP_SEND, 0, SPAN("HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n"),
         false);
    healthy_to_end(w, "", STEP_DONE);
}

static void extra_bytes(struct saying *w) {
    healthy(w, "");
    step(w, STEP_SEND, 0,
         SPAN("0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: "
              "29\r\n\r\ndata: {\"smuggled\": \"A0.0\"}\n\n\n"),
         false);
    step_end(w, STEP_CLOSE);
}

static void cut_chunk(struct saying *w) {
    step(w, STEP_SEND, say_gap(w), SPAN("1f4\r\ndata: {\"id\":\"cut"), false);
    step_end(w, STEP_CLOSE);
}

/* Some clouds leave the connection open behind it. */
static void error(struct saying *w) {
    w->say->error(w);
    w->reply->hangs = world_chance(0.3);
    if (w->reply->hangs)
        return;
    last_chunk(w);
    step_end(w, STEP_DONE);
}

static void garbage_event(struct saying *w) {
    stream_head(w, "");
    w->say->garbage(w);
    last_chunk(w);
    step_end(w, STEP_DONE);
}

static void write_script(struct saying *w) {
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
    case SCRIPT_STATUS_429:
    case SCRIPT_STATUS_529: retry_later(w); break;
    case SCRIPT_STATUS_500:
    case SCRIPT_STATUS_401:
    case SCRIPT_STATUS_400: error_body(w, ""); break;
    case SCRIPT_STALL_HEAD: break;
    case SCRIPT_STALL_BODY: stream_head(w, ""); break;
    case SCRIPT_STALL_ROLE:
        stream_head(w, "");
        w->say->begin(w);
        break;
    case SCRIPT_STALL_CONTENT: some_content(w); break;
    case SCRIPT_STALL_THOUGHT:
        stream_head(w, "");
        w->say->begin(w);
        if (w->reply->behind.n)
            tokens(w, 1);
        else
            thoughts(w);
        break;
    case SCRIPT_STALL_CALL:
        stream_head(w, "");
        w->say->begin(w);
        tool_calls(w);
        break;
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
        error(w);
        break;
    case SCRIPT_ERROR_LATER:
        some_content(w);
        error(w);
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
        w->say->begin(w);
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
    case SCRIPT_EARLY_503: error_body(w, "connection: close\r\n"); break;
    case SCRIPT_COUNT: break;
    }
}

/* Most clouds are quick, some are slow; most answers are short, some are long. */
static uint64_t draw_ms(unsigned usual_ms, unsigned slow_ms) {
    return SIM_MS(1) * world_below(world_chance(0.1) ? slow_ms : usual_ms) + world_below(NS_PER_MS);
}

void script_write(struct play *play, struct reply *reply) {
    struct saying w = {
        .play = play,
        .reply = reply,
        .say = says[reply->format],
        .chunked = true,
        .eol = world_chance(0.1) ? "\r\n" : "\n",
        .head_ns = draw_ms(40, 800),
        .first_ns = draw_ms(60, 1500),
        .gap_ns = world_chance(0.2) ? 0 : draw_ms(10, 100),
        .tokens = (unsigned)world_between(1, world_chance(0.1) ? 100 : 12),
        .token_bytes = world_chance(0.1) ? (unsigned)world_below(4000) : 0,
    };
    if (world.scenario)
        w.head_ns = w.first_ns = w.gap_ns = SIM_MS(1);
    if (world.weather) {
        uint64_t first_ns = weather_first_ns(reply->cloud);
        w.head_ns = first_ns / 4;
        w.first_ns = first_ns - w.head_ns;
        w.gap_ns = SIM_MS(1);
        w.tokens = (unsigned)world_between(1, 6);
        w.token_bytes = 0;
    }
    draw_usage(&w);
    write_script(&w);
    /* Nothing but the end of the bytes says that it is whole. */
    if (reply->script == SCRIPT_NO_TAIL && reply->format == FORMAT_GEMINI)
        reply->whole = false;
    if (reply->script == SCRIPT_EARLY_503)
        play->steps[play->count - 1].what = STEP_CLOSE;
}
