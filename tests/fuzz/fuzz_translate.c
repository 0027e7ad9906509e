/* fuzz_translate.c - translation between dialects, every client's against every provider's. The
 * first byte of the input says what the rest is, the second which two dialects:
 *   - a request body: read as the client's dialect, written for a backend of the other one, strict or
 *     lenient. Held to: a refusal has a sentence; what was written is valid JSON, and where a client
 *     can speak the target's dialect too, a request that its own reader takes;
 *   - a provider's answer, one event a line ("name {data}"): read, written as another dialect's events
 *     and as its whole body. Held to: one DONE or ERROR; every event and the body are valid JSON; and
 *     read again they say the text that the provider said, no more and no less (of a broken answer its
 *     beginning), and what was cut is not told as if it were whole. */
#include <stdlib.h>

#include "core/base.h"
#include "core/slab.h"
#include "providers/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Bits of the first byte. */
#define ANSWER  1
#define LENIENT 2
#define STREAM  4
#define USAGE   8

#define EVENTS_MAX 4096

static const struct dialect *const clients[] = {&dialect_openai_chat, &dialect_openai_responses,
                                                &dialect_anthropic, &dialect_gemini,
                                                &dialect_openai_completions};
static const struct dialect *const providers[] = {
    &dialect_openai_chat, &dialect_openai_responses, &dialect_anthropic,
    &dialect_gemini,      &dialect_converse,         &dialect_openai_completions};
/* What each backend's model can do differs; the name decides. */
static const char *const models[] = {"gpt-5.5", "claude-opus-4-7", "gemini-3-pro-preview",
                                     "anthropic.claude-sonnet-4-5-20250929-v1:0"};

/* --- requests --- */

static void read_again(const struct dialect *dialect, struct span written, struct arena *arena) {
    struct chat_request req = {.path_stream = true};
    struct chat_prompt prompt;
    struct span why = {NULL, 0}, param;
    if (!dialect->read_request)
        return;
    if (dialect == &dialect_gemini)
        req.path_model = SPAN("m");
    CHECK(dialect->read_request(written, arena, &req, &why, &param) == 0);
    CHECK(dialect->read_prompt(&req, arena, &prompt, &why, &param) == 0);
}

static void translate_request(const struct dialect *from, const struct dialect *to, unsigned flags,
                              struct span model, struct span body, struct arena *arena) {
    struct chat_request req = {.path_stream = flags & STREAM};
    struct chat_prompt prompt = {0};
    struct span why = {NULL, 0}, param;
    if (from == &dialect_gemini)
        req.path_model = SPAN("m");
    int rc = from->read_request(body, arena, &req, &why, &param);
    if (rc == 0)
        rc = from->read_prompt(&req, arena, &prompt, &why, &param);
    CHECK(rc == 0 || (rc == -FAIL_BAD_REQUEST && why.n > 0));
    if (rc < 0 || !to->write_prompt)
        return;
    struct chat_losses losses = {.lenient = flags & LENIENT};
    struct chat_spell spell = {.model = model,
                               .facts = model_facts_find(model),
                               .stream = flags & STREAM,
                               .losses = &losses};
    struct json_out out;
    json_out_arena(&out, arena, 0);
    rc = to->write_prompt(&prompt, &spell, arena, &out);
    if (rc < 0) {
        CHECK(rc == -FAIL_UNSUPPORTED || rc == -FAIL_BAD_REQUEST);
        CHECK(losses.why.n > 0);
        return;
    }
    CHECK(!out.full && json_check(json_out_span(&out), NULL, NULL) == 0);
    read_again(to, json_out_span(&out), arena);
}

/* --- answers --- */

/* What the first choice of an answer says, however it is cut into events. */
struct said {
    struct json_out text;    /* and refusals, in order */
    struct json_out refusal; /* alone */
    unsigned ends, events;
    enum fail error; /* FAIL_NONE: it is whole */
};

struct run {
    const struct dialect *from, *to;
    struct arena *arena;
    struct chat_reader reader;
    struct chat_writer writer, body;
    struct json_out written;
    struct said said;
};

static void said_init(struct said *said, struct arena *arena) {
    *said = (struct said){0};
    json_out_arena(&said->text, arena, 0);
    json_out_arena(&said->refusal, arena, 0);
}

static void said_add(struct said *said, const struct chat_event *event) {
    CHECK(said->ends == 0);
    said->events++;
    if ((event->kind == CHAT_TEXT || event->kind == CHAT_REFUSAL) && event->choice == 0)
        json_out_raw(&said->text, event->text);
    if (event->kind == CHAT_REFUSAL && event->choice == 0)
        json_out_raw(&said->refusal, event->text);
    if (event->kind != CHAT_DONE && event->kind != CHAT_ERROR)
        return;
    said->ends++;
    if (event->kind == CHAT_ERROR)
        said->error = event->error;
}

static void on_event(void *owner, const struct chat_event *event) {
    struct run *r = owner;
    said_add(&r->said, event);
    if (r->said.events > EVENTS_MAX)
        return;
    if (event->kind == CHAT_DONE)
        r->to->write_done(&r->writer, &r->reader, &r->written);
    else if (event->kind == CHAT_ERROR)
        r->to->write_error_event(event->error, SPAN("it broke"), &r->written);
    else
        r->to->write_event(&r->writer, event, &r->written);
    r->to->collect(&r->body, event);
}

static void on_reread(void *owner, const struct chat_event *event) { said_add(owner, event); }

/* "name {data}": what stands before the first brace is the event's name. */
static void read_lines(struct run *r, struct span in) {
    struct chat_sink sink = {.event = on_event, .owner = r};
    while (in.p) {
        struct span line = span_cut(&in, '\n');
        size_t brace = span_find(line, '{', 0);
        struct span name = span_trim(span_of(line.p, min_size(brace, line.n)));
        if (line.n > 0)
            r->from->read_event(&r->reader, name, span_from(line, name.n), sink);
    }
    r->from->read_end(&r->reader, sink);
    CHECK(r->said.ends == 1);
}

static void same_text(const struct run *r, const struct said *again) {
    CHECK(again->ends == 1);
    struct span said = json_out_span(&r->said.text), heard = json_out_span(&again->text);
    /* Text behind an open tool call may wait for its end, and for ever when the answer breaks off. */
    CHECK(r->said.error ? span_starts(said, heard) : span_eq(said, heard));
}

static void check_events(struct run *r) {
    struct sse sse = {0};
    struct sse_event event;
    struct chat_reader reader;
    struct said again;
    struct span rest = json_out_span(&r->written);
    said_init(&again, r->arena);
    r->to->reader_init(&reader, r->arena);
    struct chat_sink sink = {.event = on_reread, .owner = &again};
    for (long used; (used = sse_next(&sse, rest, &event)) > 0;
         rest = span_from(rest, (size_t)used)) {
        CHECK(event.data_lines == 1 && !event.foreign);
        CHECK((event.name.n > 0) == r->to->named_events);
        CHECK(span_eq(event.data, SPAN("[DONE]")) || json_check(event.data, NULL, NULL) == 0);
        r->to->read_event(&reader, event.name, event.data, sink);
    }
    CHECK(rest.n == 0);
    r->to->read_end(&reader, sink);
    same_text(r, &again);
    /* What was cut is not told as if it were whole. */
    CHECK(r->said.error == FAIL_NONE || again.error != FAIL_NONE);
}

static void check_body(struct run *r) {
    struct chat_reader reader;
    struct said again;
    struct json_out out;
    json_out_arena(&out, r->arena, 0);
    said_init(&again, r->arena);
    r->to->reader_init(&reader, r->arena);
    r->to->write_body(&r->body, &out);
    CHECK(!r->body.full && !out.full && json_check(json_out_span(&out), NULL, NULL) == 0);
    if (r->said.error)
        return; /* nobody is given it */
    r->to->read_body(&reader, json_out_span(&out),
                     (struct chat_sink){.event = on_reread, .owner = &again});
    /* Its message has one place for texts and one for refusals: which came first cannot be said. */
    if (r->to == &dialect_openai_chat && r->said.refusal.n && r->said.refusal.n < r->said.text.n) {
        CHECK(again.ends == 1 && again.text.n == r->said.text.n);
        CHECK(span_eq(json_out_span(&again.refusal), json_out_span(&r->said.refusal)));
        return;
    }
    same_text(r, &again);
}

static void translate_answer(const struct dialect *from, const struct dialect *to, unsigned flags,
                             struct span in, struct arena *arena) {
    /* What was asked is said back in some answers: here on several lines. */
    struct chat_request req = {.body = SPAN("{\"metadata\":{\n\"a\":\r\n\"b\"}}"),
                               .model = SPAN("m"),
                               .choices = 1,
                               .include_usage = flags & USAGE};
    struct run r = {.from = from, .to = to, .arena = arena};
    req.stream = true;
    from->reader_init(&r.reader, arena);
    r.reader.want_usage = true;
    to->writer_init(&r.writer, arena, &req);
    to->writer_init(&r.body, arena, &req);
    json_out_arena(&r.written, arena, 0);
    said_init(&r.said, arena);
    read_lines(&r, in);
    CHECK(!r.writer.full && !r.written.full);
    if (r.said.events > EVENTS_MAX)
        return;
    check_events(&r);
    check_body(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct memory memory;
    struct arena arena;
    if (size < 2)
        return 0;
    struct span in = span_of((const char *)bytes + 2, size - 2);
    const struct dialect *client = clients[(bytes[1] & 15) % countof(clients)];
    const struct dialect *provider = providers[(bytes[1] >> 4) % countof(providers)];
    memory_init(&memory, (size_t)1 << 30, 0);
    arena_init(&arena, &memory);
    if (bytes[0] & ANSWER)
        translate_answer(provider, client, bytes[0], in, &arena);
    else
        translate_request(client, provider, bytes[0],
                          span_str(models[(bytes[0] >> 4) % countof(models)]), in, &arena);
    arena_fini(&arena);
    memory_fini(&memory);
    return 0;
}
