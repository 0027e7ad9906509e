/* fuzz_openai_responses_event.c - Responses streams of providers, from their bytes to what clients
 * get. Held to:
 *   - the same events however the stream is cut in two;
 *   - exactly one DONE or ERROR, and nothing after it;
 *   - what is relayed is what came, and reads the same again;
 *   - the stream that a client of another backend would get keeps the sequence: numbers without
 *     gaps, each item added once and done once, one terminal event or none, all valid JSON; read
 *     again it says the same text;
 *   - bodies, collected and merged, are valid JSON. */
#include <stdlib.h>

#include "core/base.h"
#include "core/slab.h"
#include "providers/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define RESPONSES  (&dialect_openai_responses)
#define INPUT_MAX  4096
#define EVENTS_MAX (INPUT_MAX * 2)
#define ITEMS_MAX  INPUT_MAX

struct run {
    struct memory memory;
    struct arena arena;
    struct chat_reader reader;
    struct chat_writer stream, body, merged;
    struct chat_event events[EVENTS_MAX]; /* of the SSE event being read */
    unsigned event_count;
    struct json_out log, said, relayed, written;
    unsigned ends;
    bool failed;
};

static void on_event(void *owner, const struct chat_event *event) {
    struct run *r = owner;
    CHECK(r->ends == 0 && event->answer);
    r->ends += event->kind == CHAT_DONE || event->kind == CHAT_ERROR;
    r->failed |= event->kind == CHAT_ERROR;
    if (event->kind != CHAT_OTHER) {
        json_out_raw(&r->log, span_str(chat_event_name(event->kind)));
        json_out_int(&r->log, event->tool);
        json_out_raw(&r->log, event->text);
        json_out_raw(&r->log, event->name);
        json_out_raw(&r->log, span_str(chat_finish_name(event->finish)));
    }
    if (event->kind == CHAT_TEXT || event->kind == CHAT_REFUSAL || event->kind == CHAT_REASONING)
        json_out_raw(&r->said, event->text);
    CHECK(event->kind != CHAT_TOOL_START || (event->id.n && event->name.n));
    CHECK(r->event_count < EVENTS_MAX);
    r->events[r->event_count++] = *event;
}

static struct chat_sink sink_of(struct run *r) {
    return (struct chat_sink){.event = on_event, .owner = r};
}

static void run_init(struct run *r) {
    struct chat_request req = {.model = SPAN("m"),
                               .body = SPAN("{\"model\":\"m\",\"input\":\"x\",\"tools\":[{}]}")};
    memory_init(&r->memory, (size_t)1 << 30, 0);
    arena_init(&r->arena, &r->memory);
    RESPONSES->reader_init(&r->reader, &r->arena);
    RESPONSES->writer_init(&r->stream, &r->arena, &req);
    RESPONSES->writer_init(&r->body, &r->arena, &req);
    RESPONSES->writer_init(&r->merged, &r->arena, &req);
    json_out_arena(&r->log, &r->arena, 0);
    json_out_arena(&r->said, &r->arena, 0);
    json_out_arena(&r->relayed, &r->arena, 0);
    json_out_arena(&r->written, &r->arena, 0);
    r->event_count = r->ends = 0;
    r->failed = false;
}

static void run_fini(struct run *r) {
    arena_fini(&r->arena);
    memory_fini(&r->memory);
}

/* What the engine does with the events of one step. */
static void settle(struct run *r) {
    for (unsigned i = 0; i < r->event_count; i++) {
        const struct chat_event *e = &r->events[i];
        RESPONSES->collect(&r->body, e);
        if (e->kind == CHAT_ERROR)
            RESPONSES->write_error_event(e->error, SPAN(""), &r->written);
        else
            RESPONSES->write_event(&r->stream, e, &r->written);
    }
    r->event_count = 0;
}

static void read_one(struct run *r, const struct sse_event *event) {
    static char joined[INPUT_MAX * 4];
    if (event->data_lines == 0 && event->name.n == 0)
        return;
    long n = sse_join(event, joined, sizeof joined);
    CHECK(n >= 0);
    struct span data = span_of(joined, (size_t)n);
    bool ended = r->reader.ended;
    enum chat_relay relay = RESPONSES->read_event(&r->reader, event->name, data, sink_of(r));
    CHECK(relay != CHAT_REWRITE && (!ended || relay == CHAT_DROP));
    if (!ended)
        RESPONSES->merge(&r->merged, event->name, data);
    if (relay == CHAT_AS_IS) {
        CHECK(json_check(data, NULL, NULL) == 0);
        json_out_raw(&r->relayed, SPAN("event: "));
        json_out_raw(&r->relayed, event->name);
        json_out_raw(&r->relayed, SPAN("\ndata: "));
        /* Line ends in it are white space. */
        for (long i = 0; i < n; i++)
            joined[i] = joined[i] == '\n' || joined[i] == '\r' ? ' ' : joined[i];
        json_out_raw(&r->relayed, data);
        json_out_raw(&r->relayed, SPAN("\n\n"));
    }
    settle(r);
}

static void run_stream(struct run *r, struct span in, size_t cut) {
    struct sse sse = {0};
    struct sse_event event;
    size_t at = 0;
    long used;
    const size_t ends[] = {cut, in.n};
    for (int part = 0; part < 2; part++)
        while ((used = sse_next(&sse, span_of(in.p + at, ends[part] - at), &event)) > 0) {
            read_one(r, &event);
            at += (size_t)used;
        }
    while ((used = sse_last(&sse, span_of(in.p + at, in.n - at), &event)) > 0) {
        read_one(r, &event);
        at += (size_t)used;
    }
    RESPONSES->read_end(&r->reader, sink_of(r));
    settle(r);
    CHECK(r->ends == 1 && !r->stream.full && !r->body.full);
}

static uint64_t number_of(struct span data, struct span name) {
    struct json_token token;
    uint64_t number = UINT64_MAX;
    if (json_find(data, &name, 1, &token) && token.kind == JSON_NUMBER)
        span_u64(token.raw, UINT64_MAX, &number);
    return number;
}

static void check_written(struct span text, bool failed) {
    static unsigned char states[ITEMS_MAX]; /* 1: added, 2: done */
    static const struct span path[] = {SPAN_CONST("type")};
    struct sse sse = {0};
    struct sse_event event;
    struct json_token type;
    uint64_t sequence = 0, items = 0, terminal = 0, errors = 0;
    long used;
    for (; (used = sse_next(&sse, text, &event)) > 0; text = span_from(text, (size_t)used)) {
        CHECK(event.data_lines == 1 && !event.foreign);
        CHECK(json_check(event.data, NULL, NULL) == 0);
        CHECK(json_find(event.data, path, 1, &type) && span_eq(type.raw, event.name));
        CHECK(!terminal && !errors);
        if (span_eq(event.name, SPAN("error"))) {
            errors++;
            continue;
        }
        CHECK(number_of(event.data, SPAN("sequence_number")) == sequence);
        CHECK((sequence == 0) == span_eq(event.name, SPAN("response.created")));
        sequence++;
        uint64_t at = number_of(event.data, SPAN("output_index"));
        if (span_eq(event.name, SPAN("response.output_item.added"))) {
            CHECK(at == items && items < ITEMS_MAX);
            states[items++] = 1;
        } else if (span_eq(event.name, SPAN("response.output_item.done"))) {
            CHECK(at < items && states[at] == 1);
            states[at] = 2;
        } else if (at != UINT64_MAX) {
            CHECK(at < items && states[at] == 1);
        }
        terminal += span_eq(event.name, SPAN("response.completed")) ||
                    span_eq(event.name, SPAN("response.incomplete"));
    }
    CHECK(text.n == 0 && terminal == !failed && errors == failed);
    for (uint64_t i = 0; i < items && terminal; i++)
        CHECK(states[i] == 2);
}

static void check_body(struct chat_writer *writer, struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, 0);
    RESPONSES->write_body(writer, &out);
    CHECK(!writer->full && json_check(json_out_span(&out), NULL, NULL) == 0);
}

static void run_again(struct span stream, struct span said, bool failed) {
    static struct run again;
    run_init(&again);
    run_stream(&again, stream, stream.n);
    CHECK(again.failed == failed);
    CHECK(span_eq(json_out_span(&again.said), said));
    run_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct run whole, other;
    if (size > INPUT_MAX)
        return 0;
    struct span in = span_of((const char *)bytes, size);
    run_init(&whole);
    run_stream(&whole, in, in.n);
    check_written(json_out_span(&whole.written), whole.failed);
    check_body(&whole.body, &whole.arena);
    check_body(&whole.merged, &whole.arena);
    for (size_t cut = 0; cut < in.n; cut += 1 + in.n / 64) {
        run_init(&other);
        run_stream(&other, in, cut);
        CHECK(span_eq(json_out_span(&other.log), json_out_span(&whole.log)));
        CHECK(span_eq(json_out_span(&other.written), json_out_span(&whole.written)));
        run_fini(&other);
    }
    run_again(json_out_span(&whole.relayed), json_out_span(&whole.said), whole.failed);
    run_again(json_out_span(&whole.written), json_out_span(&whole.said), whole.failed);
    /* As one body it is some error or an answer, and that is all. */
    run_init(&other);
    RESPONSES->read_body(&other.reader, in, sink_of(&other));
    settle(&other);
    CHECK(other.ends == 1);
    check_written(json_out_span(&other.written), other.failed);
    check_body(&other.body, &other.arena);
    run_fini(&other);
    run_fini(&whole);
    return 0;
}
