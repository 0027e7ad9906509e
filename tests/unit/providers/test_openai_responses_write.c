/* test_openai_responses_write.c - canonical events as a Responses stream and as a whole response; each
 * stream is held to openai_responses_check.h, and the collected body must equal its terminal event. */
#include "providers/openai_responses.h"
#include "tests/unit/providers/openai_responses_check.h"
#include "tests/unit/providers/openai_responses_tape.h"

#define EVENTS_MAX 16

static const struct chat_answer answer = {
    .id = SPAN_CONST("chatcmpl-Ab1"), .model = SPAN_CONST("m"), .created = SPAN_CONST("7")};

#define SAID(what, words) \
    { .kind = CHAT_##what, .text = SPAN_CONST(words) }
#define START \
    { .kind = CHAT_START }
#define TEXT(words)    SAID(TEXT, words)
#define REASON(words)  SAID(REASONING, words)
#define REFUSAL(words) SAID(REFUSAL, words)
#define CALL(at, call, func) \
    { .kind = CHAT_TOOL_START, .tool = (at), .id = SPAN_CONST(call), .name = SPAN_CONST(func) }
#define CUSTOM(at, call, func, words)                                                            \
    {                                                                                            \
        .kind = CHAT_TOOL_START, .tool = (at), .id = SPAN_CONST(call), .name = SPAN_CONST(func), \
        .text = SPAN_CONST(words), .custom = true                                                \
    }
#define ARGS(at, words) \
    { .kind = CHAT_TOOL_ARGS, .tool = (at), .text = SPAN_CONST(words) }
#define SEALED(words) \
    { .kind = CHAT_REDACTED, .text = SPAN_CONST(words), .signer = CHAT_SIGNER_OPENAI }
#define FINISH(how) \
    { .kind = CHAT_FINISH, .finish = CHAT_FINISH_##how }
#define USAGE                                          \
    {                                                  \
        .kind = CHAT_USAGE, .usage = {                 \
            .known = true,                             \
            .input_tokens = 9,                         \
            .output_tokens = 5,                        \
            .cached_tokens = 2,                        \
            .reasoning_tokens = 4,                     \
            .raw = SPAN_CONST("{\"prompt_tokens\":9}") \
        }                                              \
    }

/* What the checker saw, in one line; "~" behind an item that was cut off. */
static void sum_up(const struct check *c, char *out, size_t max) {
    size_t n = 0;
    out[0] = 0;
    for (int i = 0; i < c->count; i++) {
        const struct check_item *item = &c->items[i];
        n += (size_t)snprintf(out + n, max - n, "%s%s", n ? " " : "", item->type);
        if (is_call_type(item->type))
            n += (size_t)snprintf(out + n, max - n, "(%s,%s,%s)", item->call_id, item->name,
                                  item->arguments.p ? item->arguments.p : "");
        for (int p = 0; p < item->parts; p++)
            n += (size_t)snprintf(out + n, max - n, "[%s%s]", item->refusal[p] ? "!" : "",
                                  item->texts[p].p);
        if (item->cut)
            n += (size_t)snprintf(out + n, max - n, "~");
        if (item->sealed && strcmp(item->sealed, "hedgerow.none.") != 0)
            n += (size_t)snprintf(out + n, max - n, "{%s}", item->sealed);
    }
    n += (size_t)snprintf(out + n, max - n, "%s%s", n ? " " : "", c->status);
    if (c->reason[0])
        snprintf(out + n, max - n, ":%s", c->reason);
}

struct row {
    const char *name;
    struct chat_event events[EVENTS_MAX];
    const char *sum;
};

static void expect_body(struct tape *t, struct span stream) {
    struct json_out out;
    size_t at = 0, next;
    while ((next = span_search(span_from(stream, at), SPAN("\ndata: "))) < stream.n - at)
        at += next + sizeof "\ndata: " - 1;
    json_out_arena(&out, &t->arena, 0);
    RESPONSES->write_body(&t->body, &out);
    yyjson_doc *body = yyjson_read(out.p, out.n, 0);
    yyjson_doc *last = yyjson_read(stream.p + at, stream.n - at, 0);
    EXPECT(body && last);
    EXPECT(yyjson_equals(yyjson_doc_get_root(body),
                         yyjson_obj_get(yyjson_doc_get_root(last), "response")));
    yyjson_doc_free(body);
    yyjson_doc_free(last);
}

static void run(const struct row *row) {
    struct tape *t = tape_new(SPAN("{\"model\":\"asked\",\"input\":\"x\"}"));
    struct chat_reader reader = {.answer = answer};
    char sum[2000];
    ROW("%s", row->name);
    for (unsigned i = 0; i < EVENTS_MAX; i++) {
        struct chat_event event = row->events[i];
        if (event.kind == CHAT_START && i > 0)
            break; /* the end of the list */
        event.answer = &answer;
        RESPONSES->write_event(&t->stream, &event, &t->written);
        RESPONSES->collect(&t->body, &event);
    }
    RESPONSES->write_done(&t->stream, &reader, &t->written);
    RESPONSES->collect(&t->body, &(struct chat_event){.kind = CHAT_DONE, .answer = &answer});
    EXPECT(!t->stream.full && !t->body.full);
    struct check *c = check_stream(json_out_span(&t->written));
    sum_up(c, sum, sizeof sum);
    EXPECT_STR(sum, row->sum);
    EXPECT(c->ended);
    expect_body(t, json_out_span(&t->written));
    check_free(c);
    /* The end is written once. */
    size_t n = t->written.n;
    RESPONSES->write_done(&t->stream, &reader, &t->written);
    EXPECT_EQ(t->written.n, n);
    tape_free(t);
}

TEST(any_order) {
    static const struct row rows[] = {
        {"text", {START, TEXT("a"), TEXT("b"), FINISH(STOP), USAGE}, "message[ab] completed"},
        {"nothing", {START, FINISH(STOP)}, "completed"},
        {"not even a start", {FINISH(STOP)}, "completed"},
        {"empty pieces", {START, TEXT(""), REASON(""), FINISH(STOP)}, "completed"},
        {"limit", {START, TEXT("a"), FINISH(LENGTH)}, "message[a]~ incomplete:max_output_tokens"},
        {"limit behind a whole item",
         {START, REASON("r"), TEXT("a"), FINISH(LENGTH)},
         "reasoning[r] message[a]~ incomplete:max_output_tokens"},
        {"filter",
         {START, TEXT("a"), FINISH(CONTENT_FILTER)},
         "message[a]~ incomplete:content_filter"},
        {"refusal behind text",
         {START, TEXT("a"), REFUSAL("n"), REFUSAL("o"), FINISH(STOP)},
         "message[a][!no] completed"},
        {"text behind refusal",
         {START, REFUSAL("n"), TEXT("a"), FINISH(STOP)},
         "message[!n][a] completed"},
        {"reasoning, text",
         {START, REASON("r"), REASON("s"), TEXT("a"), FINISH(STOP)},
         "reasoning[rs] message[a] completed"},
        {"reasoning behind text",
         {START, TEXT("a"), REASON("r"), TEXT("b"), FINISH(STOP)},
         "message[a] reasoning[r] message[b] completed"},
        {"sealed reasoning",
         {START, REASON("r"), SEALED("E"), REASON("s"), SEALED("F"), TEXT("a")},
         "reasoning[r]{E} reasoning[s]{F} message[a] completed"},
        {"sealed, not shown", {START, SEALED("E"), TEXT("a")}, "reasoning{E} message[a] completed"},
        {"signatures of other makers",
         {START,
          REASON("r"),
          {.kind = CHAT_SIGNATURE, .text = SPAN_CONST("S"), .signer = CHAT_SIGNER_ANTHROPIC},
          {.kind = CHAT_REDACTED, .text = SPAN_CONST("R"), .signer = CHAT_SIGNER_ANTHROPIC},
          REASON("s"),
          {.kind = CHAT_SIGNATURE, .text = SPAN_CONST("G"), .signer = CHAT_SIGNER_GOOGLE},
          TEXT("a")},
         "reasoning[r]{hedgerow.anthropic.S} reasoning{hedgerow.anthropic-redacted.R} "
         "reasoning[s]{hedgerow.google.G} message[a] completed"},
        {"signatures that have no place",
         {START,
          REASON("r"),
          {.kind = CHAT_SIGNATURE, .signer = CHAT_SIGNER_ANTHROPIC},
          {.kind = CHAT_SIGNATURE,
           .text = SPAN_CONST("T"),
           .signer = CHAT_SIGNER_GOOGLE,
           .of_tool = true},
          TEXT("a")},
         "reasoning[r] message[a] completed"},
        {"call",
         {START, CALL(0, "c", "f"), ARGS(0, "{}"), FINISH(TOOL_CALLS)},
         "function_call(c,f,{}) completed"},
        {"call without arguments",
         {START, CALL(0, "c", "f"), FINISH(TOOL_CALLS)},
         "function_call(c,f,{}) completed"},
        {"call cut off",
         {START, CALL(0, "c", "f"), ARGS(0, "{\\\"a"), FINISH(LENGTH)},
         "function_call(c,f,{\"a)~ incomplete:max_output_tokens"},
        {"text, calls, text",
         {START, TEXT("a"), CALL(0, "c", "f"), ARGS(0, "{\\\"a\\\":"), ARGS(0, "1}"),
          CALL(1, "d", "g"), ARGS(1, "{}"), TEXT("b"), FINISH(TOOL_CALLS)},
         "message[a] function_call(c,f,{\"a\":1}) function_call(d,g,{}) message[b] completed"},
        {"interleaved calls",
         {START, CALL(0, "c", "f"), CALL(1, "d", "g"), ARGS(1, "{\\\"b\\\":"),
          ARGS(0, "{\\\"a\\\":"), ARGS(1, "2}"), ARGS(0, "1}"), FINISH(TOOL_CALLS)},
         "function_call(c,f,{\"a\":1}) function_call(d,g,{\"b\":2}) completed"},
        {"a call that looks whole, and is not",
         {START, CALL(0, "c", "f"), ARGS(0, "{\\\"a\\\":{}"), TEXT("a"), ARGS(0, "}"), TEXT("b"),
          FINISH(TOOL_CALLS)},
         "function_call(c,f,{\"a\":{}}) message[ab] completed"},
        {"text between the arguments",
         {START, CALL(0, "c", "f"), ARGS(0, "{"), TEXT("a"), ARGS(0, "}"), FINISH(TOOL_CALLS)},
         "function_call(c,f,{}) message[a] completed"},
        {"calls in no order",
         {START, CALL(3, "d", "g"), ARGS(3, "{}"), CALL(1, "c", "f"), ARGS(7, "x"),
          FINISH(TOOL_CALLS)},
         "function_call(d,g,{}) function_call(c,f,{}) completed"},
        {"custom",
         {START, CUSTOM(0, "c", "sql", "SELECT "), ARGS(0, "1"), TEXT("a"), ARGS(0, ";"),
          FINISH(TOOL_CALLS)},
         "custom_tool_call(c,sql,SELECT 1;) message[a] completed"},
        {"custom without input",
         {START, CUSTOM(0, "c", "go", ""), FINISH(TOOL_CALLS)},
         "custom_tool_call(c,go,) completed"},
        {"what has no place here",
         {START,
          {.kind = CHAT_EXTRA, .name = SPAN_CONST("logprobs"), .text = SPAN_CONST("{}")},
          {.kind = CHAT_MEDIA, .name = SPAN_CONST("audio"), .text = SPAN_CONST("{}")},
          {.kind = CHAT_OTHER},
          {.kind = CHAT_TEXT, .choice = 1, .text = SPAN_CONST("other")},
          TEXT("a"),
          FINISH(STOP)},
         "message[a] completed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run(&rows[i]);
}

static void write_all(struct tape *t, const struct chat_event *events, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct chat_event event = events[i];
        event.answer = &answer;
        RESPONSES->write_event(&t->stream, &event, &t->written);
    }
}

#define ECHO                                                                                     \
    "\"background\":false,\"instructions\":\"be\",\"max_output_tokens\":50,\"max_tool_calls\":"  \
    "null,\"metadata\":{ \"a\":  \"b\" "                                                         \
    "},\"parallel_tool_calls\":false,\"previous_response_id\":null,"                             \
    "\"prompt_cache_key\":null,\"reasoning\":{\"effort\":\"low\"},\"safety_identifier\":null,"   \
    "\"store\":false,\"temperature\":0.50,\"text\":{\"format\":{\"type\":\"text\"}},"            \
    "\"tool_choice\":\"none\",\"tools\":[],\"top_logprobs\":null,\"top_p\":null,\"truncation\":" \
    "\"disabled\",\"user\":\"u\",\"service_tier\":\"default\""
#define OBJECT(status, output, usage)                                                             \
    "\"response\":{\"id\":\"resp_Ab1\",\"object\":\"response\",\"created_at\":7,\"status\":"      \
    "\"" status                                                                                   \
    "\",\"error\":null,\"incomplete_details\":null,\"model\":\"m\",\"output\":[" output "]," ECHO \
    ",\"usage\":" usage "}"
#define EVENT(type, number, members)                                                              \
    "event: " type "\ndata: {\"type\":\"" type "\",\"sequence_number\":" number "," members "}\n" \
    "\n"
#define HERE "\"item_id\":\"msg_Ab1_0\",\"output_index\":0,\"content_index\":0,"
#define PART(text) \
    "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"" text "\"}"
#define ITEM(status, content)                                                        \
    "{\"id\":\"msg_Ab1_0\",\"type\":\"message\",\"status\":\"" status "\",\"role\":" \
    "\"assistant\",\"content\":[" content "]}"

/* Byte by byte, as a client gets it: each event on one line, on however many it asked. */
TEST(golden) {
    static const char want[] = EVENT(
        "response.created", "0",
        OBJECT("in_progress", "",
               "null")) EVENT("response.in_progress", "1",
                              OBJECT("in_progress", "",
                                     "null")) EVENT("response.output_item.added", "2",
                                                    "\"output_index\":0,\"item\":" ITEM(
                                                        "in_progress", ""))
        EVENT("response.content_part.added", "3", HERE "\"part\":" PART("")) EVENT(
            "response.output_text.delta", "4",
            HERE
            "\"delta\":\"h\\u00e9\",\"logprobs\":[]") EVENT("response.output_text.done", "5",
                                                            HERE
                                                            "\"text\":\"h\\u00e9\",\"logprobs\":[]")
            EVENT("response.content_part.done", "6", HERE "\"part\":" PART("h\\u00e9")) EVENT(
                "response.output_item.done", "7",
                "\"output_index\":0,\"item\":" ITEM("completed", PART("h\\u00e9")))
                EVENT(
                    "response.completed",
                    "8",
                    OBJECT(
                        "completed",
                        ITEM("completed", PART("h\\u00e9")),
                        "{\"input_tokens\":9,\"input_tokens_details\":{\"cached_tokens\":2,"
                        "\"cache_write_tokens\":0},\"output_tokens\":5,\"output_tokens_details\":{"
                        "\"reasoning_tokens\":4},\"total_tokens\":14}"));
    static const struct chat_event events[] = {START, TEXT("h\\u00e9"), FINISH(STOP), USAGE};
    struct tape *t = tape_new(
        SPAN("{\"model\":\"asked\",\"input\":\"x\",\"instructions\":\"be\",\"temperature\":0.50,"
             "\"tools\":null,\"tool_choice\":\"none\",\"max_output_tokens\":50,\"user\":\"u\","
             "\"parallel_tool_calls\":false,\"metadata\":{\n\"a\":\r\n\"b\"\r},\"store\":true,"
             "\"text\":\"no\","
             "\"reasoning\":{\"effort\":\"low\"},\"top_p\":\"x\"}"));
    struct chat_reader reader = {.answer = answer};
    write_all(t, events, 4);
    EXPECT(span_search(json_out_span(&t->written), SPAN("completed")) == t->written.n);
    RESPONSES->write_done(&t->stream, &reader, &t->written);
    EXPECT_STR(tape_text(&t->written), want);
    tape_free(t);
}

/* DONE given as an event ends the stream too, and only once. */
TEST(done_as_an_event) {
    static const struct chat_event events[] = {
        START, TEXT("a"), FINISH(STOP), {.kind = CHAT_DONE}, {.kind = CHAT_DONE}};
    struct tape *t = tape_new(SPAN(""));
    write_all(t, events, 5);
    struct check *c = check_stream(json_out_span(&t->written));
    EXPECT(c->ended);
    EXPECT_EQ(c->sequence, 9);
    check_free(c);
    tape_free(t);
}

/* A stream of the same dialect was relayed with its end: nothing is added. */
TEST(relayed_end) {
    struct tape *t = tape_new(SPAN(""));
    struct chat_reader reader = {.end_relayed = true, .finished = true, .ended = true};
    RESPONSES->write_done(&t->stream, &reader, &t->written);
    EXPECT_EQ(t->written.n, 0);
    tape_free(t);
}

/* Who does not say who he is, and usage that only the reader knows. */
TEST(nobody_said_who) {
    struct tape *t = tape_new(SPAN("{\"model\":\"a\\\"b\",\"input\":\"x\"}"));
    struct chat_reader reader = {.usage = {.known = true, .input_tokens = 1, .output_tokens = 2}};
    static const struct chat_answer nobody;
    t->stream.id = SPAN("req-1.x");
    RESPONSES->write_event(
        &t->stream,
        &(struct chat_event){.kind = CHAT_TOOL_START, .name = SPAN("f"), .answer = &nobody},
        &t->written);
    RESPONSES->write_done(&t->stream, &reader, &t->written);
    struct check *c = check_stream(json_out_span(&t->written));
    EXPECT_STR(c->response_id, "resp_req-1x");
    EXPECT_EQ(c->total, 3);
    EXPECT(strncmp(c->items[0].call_id, "call_", 5) == 0 && strlen(c->items[0].call_id) >= 12);
    EXPECT(span_search(json_out_span(&t->written), SPAN("\"model\":\"a\\\"b\"")) < t->written.n);
    EXPECT(span_search(json_out_span(&t->written), SPAN("\"created_at\":1700000000")) <
           t->written.n);
    check_free(c);
    tape_free(t);
}

/* An answer is kept for its terminal event, and memory has a bound. */
TEST(too_large) {
    struct tape *t = tape_new(SPAN(""));
    size_t n = (size_t)1 << 20;
    char *text = malloc(n);
    memset(text, 'a', n);
    for (int i = 0; i < 80 && !t->body.full; i++)
        RESPONSES->collect(
            &t->body,
            &(struct chat_event){.kind = CHAT_TEXT, .text = span_of(text, n), .answer = &answer});
    EXPECT(t->body.full);
    EXPECT(t->body.collected_bytes <= ANSWER_MAX_BYTES + n);
    free(text);
    for (unsigned i = 0; i < 2000 && !t->stream.full; i++)
        RESPONSES->collect(&t->stream,
                           &(struct chat_event){.kind = i % 2 ? CHAT_TEXT : CHAT_REASONING,
                                                .text = SPAN("a"),
                                                .answer = &answer});
    EXPECT(t->stream.full);
    tape_free(t);
}

/* --- one body of the provider's own events --- */

TEST(merged) {
    static const struct {
        const char *name, *lines, *body;
    } rows[] = {
        {"the terminal event's response, verbatim",
         "{\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"output\":[]}}\n"
         "{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":"
         "\"message\"}}\n"
         "{\"response\":{\"id\":\"r\", \"x\":1.50,\"output\":[{\"type\":\"web\"}]},\"type\":"
         "\"response.completed\"}\n",
         "{\"id\":\"r\", \"x\":1.50,\"output\":[{\"type\":\"web\"}]}"},
        {"an output that was forgotten",
         "{\"type\":\"response.output_item.done\",\"output_index\":2,\"item\":{\"type\":\"c\"}}\n"
         "{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"a\"}}\n"
         "{\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":{\"type\":\"b\"}}\n"
         "{\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"output\":[],\"z\":{}}}\n"
         "{\"type\":\"response.completed\",\"response\":{\"id\":\"s\"}}\n",
         "{\"id\":\"r\",\"z\":{},\"output\":[{\"type\":\"a\"},{\"type\":\"b\"},{\"type\":\"c\"}]}"},
        {"incomplete", "{\"type\":\"response.incomplete\",\"response\":{\"output\":[]}}\n",
         "{\"output\":[]}"},
        {"a whole body", "{\"id\":\"r\",\"object\":\"response\",\"output\":[1]}\n",
         "{\"id\":\"r\",\"object\":\"response\",\"output\":[1]}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = tape_new(SPAN(""));
        struct json_out out;
        char *copy = strdup(rows[i].lines);
        ROW("%s", rows[i].name);
        for (char *line = copy, *end; (end = strchr(line, '\n')); line = end + 1)
            RESPONSES->merge(&t->merged, SPAN(""), span_of(line, (size_t)(end - line)));
        memset(copy, 'x', strlen(copy)); /* events do not outlive their call */
        json_out_arena(&out, &t->arena, 0);
        RESPONSES->write_body(&t->merged, &out);
        EXPECT_STR(tape_text(&out), rows[i].body);
        EXPECT(!t->merged.full);
        free(copy);
        tape_free(t);
    }
}

/* --- errors --- */

TEST(error_event) {
    static const struct {
        enum fail why;
        const char *message, *text;
    } rows[] = {
        {FAIL_RATE_LIMITED, "slow \"down\"",
         "event: error\ndata: {\"error\":{\"message\":\"slow \\\"down\\\"\",\"type\":"
         "\"rate_limit_error\",\"param\":null,\"code\":\"rate_limit_exceeded\"},\"type\":\"error\","
         "\"code\":\"rate_limit_exceeded\",\"message\":\"slow \\\"down\\\"\",\"param\":null,"
         "\"sequence_number\":0}\n\n"},
        {FAIL_REFUSED, "x",
         "event: error\ndata: {\"error\":{\"message\":\"x\",\"type\":\"invalid_request_error\","
         "\"param\":null,\"code\":null},\"type\":\"error\",\"code\":null,\"message\":\"x\","
         "\"param\":"
         "null,\"sequence_number\":0}\n\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = tape_new(SPAN(""));
        RESPONSES->write_error_event(rows[i].why, span_str(rows[i].message), &t->written);
        EXPECT_STR(tape_text(&t->written), rows[i].text);
        struct check *c = check_stream(json_out_span(&t->written));
        EXPECT(c->error);
        check_free(c);
        tape_free(t);
    }
    /* Every failure can be said. */
    for (int why = FAIL_DNS; why < FAIL_COUNT; why++) {
        struct tape *t = tape_new(SPAN(""));
        ROW("%s", fail_name((enum fail)why));
        RESPONSES->write_error_event((enum fail)why, SPAN(""), &t->written);
        check_free(check_stream(json_out_span(&t->written)));
        tape_free(t);
    }
}

TEST(so_many_items_are_merged) {
    static const struct {
        unsigned count;
        bool full;
    } rows[] = {{RESPONSE_ITEMS_MAX, false}, {RESPONSE_ITEMS_MAX + 1, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = tape_new(SPAN(""));
        ROW("%u", rows[i].count);
        for (unsigned n = 0; n < rows[i].count; n++) {
            char text[160];
            int length = snprintf(text, sizeof text,
                                  "{\"type\":\"response.output_item.done\",\"output_index\":%u,"
                                  "\"item\":{\"type\":\"message\"}}",
                                  rows[i].count - n);
            RESPONSES->merge(&t->merged, SPAN(""), span_of(text, (size_t)length));
        }
        EXPECT_EQ(t->merged.full, rows[i].full);
        tape_free(t);
    }
}
