/* test_converse_read.c - canonical events of Bedrock Converse answers: by rows, and every recorded
 * stream and body against a reading of its own (yyjson, and a frame cutter of six lines). */
#include <dirent.h>
#include <yyjson.h>

#include "core/limits.h"
#include "core/slab.h"
#include "providers/eventstream.h"
#include "providers/dialect.h"
#include "tests/test.h"

struct log {
    struct memory memory;
    struct arena arena;
    struct chat_reader reader;
    struct json_out text;
    /* what the events add up to */
    struct json_out said, reasoned, calls;
    unsigned redacted, signatures, contents;
    int open_call; /* -1: none */
    const char *finish;
    struct chat_usage usage;
    bool ended;
    enum fail error;
};

static void add(struct log *log, const char *format, ...) {
    char text[200];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_out_raw(&log->text, span_of(text, (size_t)n));
}

static void add_span(struct log *log, struct span text, const char *then) {
    json_out_raw(&log->text, text);
    json_out_raw(&log->text, span_str(then));
}

static const char *const signers[] = {"none", "anthropic", "google", "openai"};

/* Calls are written down in the order of their positions when the answer is over: pieces of two may
 * come in turn. */
#define CALLS_MAX 8
static struct chat_text pieces[CALLS_MAX];

static void on_call(struct log *log, const struct chat_event *e) {
    bool start = e->kind == CHAT_TOOL_START;
    add(log, "%s%u(", start ? "call" : "args", e->tool);
    if (start) {
        add_span(log, e->id, ",");
        add_span(log, e->name, ",");
    }
    add_span(log, e->text, ")");
    if (e->tool >= CALLS_MAX)
        return;
    if (start) {
        pieces[e->tool] = (struct chat_text){0};
        EXPECT_EQ((int)e->tool, log->open_call + 1);
        log->open_call = (int)e->tool;
        chat_text_add(&pieces[e->tool], &log->arena, e->id);
        chat_text_add(&pieces[e->tool], &log->arena, SPAN(" "));
        chat_text_add(&pieces[e->tool], &log->arena, e->name);
        chat_text_add(&pieces[e->tool], &log->arena, SPAN(" "));
    }
    chat_text_add(&pieces[e->tool], &log->arena, e->text);
}

static void on_event(void *owner, const struct chat_event *e) {
    struct log *log = owner;
    EXPECT(!log->ended);
    EXPECT(e->answer != NULL);
    if (log->text.n)
        add(log, " ");
    log->contents += chat_event_is_content(e);
    log->ended = e->kind == CHAT_DONE || e->kind == CHAT_ERROR;
    switch (e->kind) {
    case CHAT_TEXT:
        json_out_raw(&log->said, e->text);
        add(log, "text(");
        add_span(log, e->text, ")");
        return;
    case CHAT_REASONING:
        json_out_raw(&log->reasoned, e->text);
        add(log, "reason(");
        add_span(log, e->text, ")");
        return;
    case CHAT_SIGNATURE:
    case CHAT_REDACTED:
        log->redacted += e->kind == CHAT_REDACTED;
        log->signatures += e->kind == CHAT_SIGNATURE;
        add(log, "%s(%s,", e->kind == CHAT_REDACTED ? "redacted" : "sign", signers[e->signer]);
        add_span(log, e->text, ")");
        return;
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS: on_call(log, e); return;
    case CHAT_FINISH:
        log->finish = chat_finish_name(e->finish);
        add(log, "finish(%s", log->finish);
        add_span(log, e->text.n ? SPAN(",") : SPAN(""), "");
        add_span(log, e->text, ")");
        return;
    case CHAT_USAGE:
        log->usage = e->usage;
        add(log, "usage(%llu,%llu,%llu,%llu)", (unsigned long long)e->usage.input_tokens,
            (unsigned long long)e->usage.output_tokens, (unsigned long long)e->usage.cached_tokens,
            (unsigned long long)e->usage.cache_write_tokens);
        return;
    case CHAT_ERROR:
        log->error = e->error;
        add(log, "error(%s,", fail_name(e->error));
        add_span(log, e->message, ")");
        return;
    case CHAT_START:
    case CHAT_DONE:
    case CHAT_OTHER:
    case CHAT_REFUSAL:
    case CHAT_MEDIA:
    case CHAT_EXTRA: add(log, "%s", chat_event_name(e->kind)); return;
    }
}

static struct chat_sink sink_of(struct log *log) {
    return (struct chat_sink){.event = on_event, .owner = log};
}

static struct log *log_new(void) {
    struct log *log = calloc(1, sizeof *log);
    memory_init(&log->memory, (size_t)64 << 20, 0);
    arena_init(&log->arena, &log->memory);
    dialect_converse.reader_init(&log->reader, &log->arena);
    json_out_arena(&log->text, &log->arena, 0);
    json_out_arena(&log->said, &log->arena, 0);
    json_out_arena(&log->reasoned, &log->arena, 0);
    json_out_arena(&log->calls, &log->arena, 0);
    log->open_call = -1;
    log->finish = "";
    return log;
}

static void log_free(struct log *log) {
    arena_fini(&log->arena);
    memory_fini(&log->memory);
    free(log);
}

static const char *text_of(struct json_out *out) {
    json_out_raw(out, span_of("", 1));
    out->n--;
    return out->p;
}

/* An event whose data has no byte to spare behind it. */
static void read_event(struct log *log, struct span name, struct span data) {
    char *copy = malloc(data.n ? data.n : 1);
    memcpy(copy, data.p, data.n);
    dialect_converse.read_event(&log->reader, name, span_of(copy, data.n), sink_of(log));
    free(copy);
}

/* --- rows --- */

/* Lines of "NAME DATA". */
struct row {
    const char *name, *lines, *log;
};

static void run(const struct row *row) {
    struct log *log = log_new();
    struct span rest = span_str(row->lines);
    ROW("%s", row->name);
    while (rest.n) {
        struct span line = span_cut(&rest, '\n');
        struct span name = span_cut(&line, ' ');
        read_event(log, name, line);
    }
    dialect_converse.read_end(&log->reader, sink_of(log));
    EXPECT_STR(text_of(&log->text), row->log);
    log_free(log);
}

#define RUN(rows)                                           \
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) \
    run(&rows[i])

#define START "messageStart {\"role\":\"assistant\",\"p\":\"abc\"}\n"
#define DELTA(i, d) \
    "contentBlockDelta {\"contentBlockIndex\":" #i ",\"delta\":{" d "},\"p\":\"ab\"}\n"
#define TEXT(t)      DELTA(0, "\"text\":\"" t "\"")
#define REASON(m, t) DELTA(0, "\"reasoningContent\":{\"" m "\":\"" t "\"}")
#define CALL(i, id, name)                                                      \
    "contentBlockStart {\"contentBlockIndex\":" #i ",\"start\":{\"toolUse\":{" \
    "\"toolUseId\":\"" id "\",\"name\":\"" name "\"}}}\n"
#define INPUT(i, t) DELTA(i, "\"toolUse\":{\"input\":\"" t "\"}")
#define STOP(i)     "contentBlockStop {\"contentBlockIndex\":" #i "}\n"
#define END(reason) "messageStop {\"stopReason\":\"" reason "\",\"p\":\"x\"}\n"
#define USAGE                                                                         \
    "metadata {\"usage\":{\"inputTokens\":10,\"outputTokens\":2,\"totalTokens\":12}," \
    "\"metrics\":{\"latencyMs\":3}}\n"
#define USED " usage(10,2,0,0) done"

TEST(streams) {
    static const struct row rows[] = {
        {"text", START TEXT("Hel") TEXT("lo \\u00e9\\n") STOP(0) END("end_turn") USAGE,
         "start text(Hel) text(lo \\u00e9\\n) other finish(stop)" USED},
        {"no messageStart", TEXT("a") END("end_turn") USAGE, "start text(a) finish(stop)" USED},
        {"messageStart twice", START START TEXT("a") END("end_turn") USAGE,
         "start other text(a) finish(stop)" USED},
        {"empty text says nothing", START TEXT("") TEXT("a") END("end_turn") USAGE,
         "start other text(a) finish(stop)" USED},
        {"reasoning, its signature, text",
         START REASON("text", "hm") REASON("text", "") REASON("signature", "c2ln") STOP(0) TEXT("a")
             END("end_turn") USAGE,
         "start reason(hm) other sign(anthropic,c2ln) other text(a) finish(stop)" USED},
        {"redacted reasoning is Anthropic's data in base64",
         START REASON("redactedContent", "RXRrRUNrZ0k=") END("end_turn") USAGE,
         "start redacted(anthropic,EtkECkgI) finish(stop)" USED},
        {"with the slashes escaped",
         START REASON("redactedContent", "Ly8vLw\\u003d=") REASON("redactedContent", "QUIv\\/w==")
             END("end_turn") USAGE,
         "start redacted(anthropic,////) redacted(none,QUIv\\/w==) finish(stop)" USED},
        {"redacted by somebody else is passed on, and belongs to nobody",
         START REASON("redactedContent", "AAECAw==") END("end_turn") USAGE,
         "start redacted(none,AAECAw==) finish(stop)" USED},
        {"a call",
         START CALL(1, "t1", "f") INPUT(1, "{\\\"a\\\":") INPUT(1, "1}") STOP(1) END("tool_use")
             USAGE,
         "start call0(t1,f,) args0({\\\"a\\\":) args0(1}) other finish(tool_calls)" USED},
        {"a call without input",
         START CALL(0, "t1", "f") INPUT(0, "") STOP(0) END("tool_use") USAGE,
         "start call0(t1,f,) other args0({}) finish(tool_calls)" USED},
        {"a call that nobody stopped", START CALL(0, "t1", "f") END("tool_use") USAGE,
         "start call0(t1,f,) args0({}) finish(tool_calls)" USED},
        {"interleaved calls",
         START CALL(1, "a", "f") CALL(2, "b", "g") INPUT(2, "{") INPUT(1, "{}") INPUT(2, "}")
             STOP(1) STOP(2) END("tool_use") USAGE,
         "start call0(a,f,) call1(b,g,) args1({) args0({}) args1(}) other other "
         "finish(tool_calls)" USED},
        {"a block that begins anew ends the old one",
         START CALL(0, "a", "f") CALL(0, "b", "g") INPUT(0, "{}") STOP(0) END("tool_use") USAGE,
         "start call0(a,f,) args0({}) call1(b,g,) args1({}) other finish(tool_calls)" USED},
        {"nobody counts the blocks",
         START "contentBlockStart {\"start\":{\"toolUse\":{\"toolUseId\":\"a\",\"name\":\"f\"}}}\n"
               "contentBlockDelta {\"delta\":{\"toolUse\":{\"input\":\"{}\"}}}\n"
               "contentBlockStop {}\n" END("tool_use") USAGE,
         "start call0(a,f,) args0({}) other finish(tool_calls)" USED},
        {"a tool that Bedrock runs itself is not told",
         START "contentBlockStart {\"contentBlockIndex\":0,\"start\":{\"toolUse\":{\"toolUseId\":"
               "\"s\",\"name\":\"nova_grounding\",\"type\":\"server_tool_use\"}}}\n" INPUT(0, "{}")
                   STOP(0) CALL(1, "a", "f") INPUT(1, "{}") STOP(1) END("tool_use") USAGE,
         "start other other other call0(a,f,) args0({}) other finish(tool_calls)" USED},
        {"and nothing is left to answer",
         START "contentBlockStart {\"contentBlockIndex\":0,\"start\":{\"toolUse\":{\"toolUseId\":"
               "\"s\",\"name\":\"g\",\"type\":\"server_tool_use\"}}}\n" STOP(0) TEXT("a")
                   END("tool_use") USAGE,
         "start other other text(a) finish(stop)" USED},
        {"text after a call",
         START CALL(0, "a", "f") STOP(0) DELTA(1, "\"text\":\"x\"") END("end_turn") USAGE,
         "start call0(a,f,) args0({}) text(x) finish(tool_calls)" USED},
        {"members in another order, of other kinds, and new ones",
         START "contentBlockDelta {\"p\":{\"x\":[1,{}]},\"delta\":{\"new\":[],\"text\":\"a\"},"
               "\"contentBlockIndex\":\"x\"}\n"
               "contentBlockDelta {\"delta\":[1]}\ncontentBlockDelta {\"delta\":{\"text\":{}}}\n"
               "contentBlockDelta {\"delta\":{\"citation\":{\"title\":\"t\"}}}\n" END("end_turn")
                   USAGE,
         "start text(a) other other other finish(stop)" USED},
        {"a message type that is new",
         START "futureEvent {\"x\":1}\nother \n" TEXT("a") END("end_turn") USAGE,
         "start other other text(a) finish(stop)" USED},
        {"content behind the end is not content", START TEXT("a") END("end_turn") TEXT("b") USAGE,
         "start text(a) finish(stop) other" USED},
        {"nothing after done",
         START TEXT("a") END("end_turn") USAGE TEXT("b") USAGE "throttlingException {}\n",
         "start text(a) finish(stop)" USED},
    };
    RUN(rows);
}

TEST(ends) {
    static const struct row rows[] = {
        {"stop_sequence", START TEXT("a") END("stop_sequence") USAGE,
         "start text(a) finish(stop)" USED},
        {"which one, as it is streamed",
         START TEXT("a") "messageStop {\"additionalModelResponseFields\":{\"delta\":{"
                         "\"stop_sequence\":\"END\\n\"}},\"stopReason\":\"stop_sequence\"}\n" USAGE,
         "start text(a) finish(stop,END\\n)" USED},
        {"which one, as it is whole",
         START TEXT("a") "messageStop {\"additionalModelResponseFields\":{\"stop_sequence\":\"E\"},"
                         "\"stopReason\":\"stop_sequence\"}\n" USAGE,
         "start text(a) finish(stop,E)" USED},
        {"none",
         START TEXT("a") "messageStop {\"additionalModelResponseFields\":{\"delta\":{"
                         "\"stop_sequence\":null}},\"stopReason\":\"end_turn\"}\n" USAGE,
         "start text(a) finish(stop)" USED},
        {"max_tokens", START TEXT("a") END("max_tokens") USAGE,
         "start text(a) finish(length)" USED},
        {"window", START TEXT("a") END("model_context_window_exceeded") USAGE,
         "start text(a) finish(length)" USED},
        {"guardrail", START TEXT("a") END("guardrail_intervened") USAGE,
         "start text(a) finish(content_filter)" USED},
        {"filter", START END("content_filtered") USAGE, "start finish(content_filter)" USED},
        {"new", START TEXT("a") END("tired") USAGE, "start text(a) finish(stop)" USED},
        {"malformed, before anything was said", START END("malformed_tool_use") USAGE,
         "start error(error_event,malformed_tool_use)"},
        {"malformed, after that", START TEXT("a") END("malformed_model_output") USAGE,
         "start text(a) finish(stop)" USED},
        {"a malformed call is not to be answered",
         START CALL(0, "a", "f") INPUT(0, "{") END("malformed_tool_use") USAGE,
         "start call0(a,f,) args0({) finish(stop)" USED},
        {"no metadata: usage is not known", START TEXT("a") END("end_turn"),
         "start text(a) finish(stop) done"},
        {"metadata without usage", START TEXT("a") END("end_turn") "metadata {\"metrics\":{}}\n",
         "start text(a) finish(stop) done"},
        {"metadata before the end", START TEXT("a") USAGE END("end_turn"),
         "start text(a) usage(10,2,0,0) finish(stop) done"},
        {"metadata and no end", START TEXT("a") USAGE,
         "start text(a) usage(10,2,0,0) error(incomplete,)"},
        {"cached tokens are input",
         START TEXT("a")
             END("end_turn") "metadata {\"usage\":{\"inputTokens\":10,\"cacheReadInputTokens\":100,"
                             "\"cacheWriteInputTokens\":1000,\"outputTokens\":2,\"totalTokens\":"
                             "1112}}\n",
         "start text(a) finish(stop) usage(1110,2,100,1000) done"},
        {"usage beyond all numbers",
         START TEXT("a") END("end_turn") "metadata "
                                         "{\"usage\":{\"inputTokens\":1e5,\"outputTokens\":"
                                         "99999999999999999999999}}\n",
         "start text(a) finish(stop) usage(0,0,0,0) done"},
        {"cut off", START TEXT("a"), "start text(a) error(incomplete,)"},
        {"cut off inside a call", START CALL(0, "a", "f"), "start call0(a,f,) error(incomplete,)"},
        {"nothing said", START STOP(0), "start other error(empty,)"},
        {"nothing at all", "", "error(empty,)"},
        {"a signature is no content", START REASON("signature", "c2ln"),
         "start sign(anthropic,c2ln) error(empty,)"},
    };
    RUN(rows);
}

TEST(errors) {
    static const struct row rows[] = {
        {"throttled at once", "throttlingException {\"message\":\"Too many \\\"requests\\\"\"}\n",
         "error(rate_limited,Too many \\\"requests\\\")"},
        {"throttled after a start", START "throttlingException {\"message\":\"slow\"}\n" TEXT("a"),
         "start error(rate_limited,slow)"},
        {"throttled amid text", START TEXT("a") "throttlingException {\"message\":\"slow\"}\n",
         "start text(a) error(rate_limited,slow)"},
        {"throttled for the day", "throttlingException {\"message\":\"Too many tokens per day\"}\n",
         "error(quota,Too many tokens per day)"},
        {"unavailable", "serviceUnavailableException {\"message\":\"m\"}\n", "error(overloaded,m)"},
        {"internal", "internalServerException {\"Message\":\"m\"}\n", "error(upstream_5xx,m)"},
        {"validation", "validationException {\"message\":\"m\"}\n", "error(refused,m)"},
        {"validation of the model",
         "validationException {\"message\":\"Invocation of model ID a.b with on-demand throughput "
         "isn\\u2019t supported.\"}\n",
         "error(upstream_model,Invocation of model ID a.b with on-demand throughput isn\\u2019t "
         "supported.)"},
        {"timeout", "modelTimeoutException {\"message\":\"m\"}\n", "error(upstream_timeout,m)"},
        {"model", "modelStreamErrorException {\"message\":\"m\",\"originalStatusCode\":500}\n",
         "error(error_event,m)"},
        {"model, throttled",
         "modelStreamErrorException {\"message\":\"m\",\"originalStatusCode\":429}\n",
         "error(rate_limited,m)"},
        {"model, overloaded",
         "modelStreamErrorException {\"originalStatusCode\":529,\"message\":\"m\"}\n",
         "error(overloaded,m)"},
        {"new", "someNewException {\"message\":\"m\"}\n", "error(error_event,m)"},
        {"without a message", "someNewException {}\n", "error(error_event,)"},
        {"without data", "throttlingException \n", "error(rate_limited,)"},
        {"broken data", "throttlingException {\"mess\n", "error(rate_limited,{\\\"mess)"},
        {"an error is plain text", START "InternalError oops \"x\"\\\n",
         "start error(error_event,oops \\\"x\\\"\\\\)"},
        {"of any name", "code message\n", "error(error_event,message)"},
        {"of a known one", "ThrottlingException message\n", "error(rate_limited,message)"},
        {"with a namespace", "com.amazon#ThrottlingException:http://x message\n",
         "error(rate_limited,message)"},
        {"without a text", "InternalError \n", "error(error_event,)"},
        {"broken message", START "contentBlockDelta {\"delta\":{\"text\":\"a\"}\n",
         "start error(bad_event,)"},
        {"half an escape", START "contentBlockDelta {\"delta\":{\"text\":\"a\\\"}}\n",
         "start error(bad_event,)"},
        {"two values", START "contentBlockDelta {\"delta\":{\"text\":\"a\"}} {}\n",
         "start error(bad_event,)"},
        {"no object", START "contentBlockDelta [1]\n", "start error(bad_event,)"},
        {"no data", START "messageStop \n", "start error(bad_event,)"},
        {"input for a call that never began", START INPUT(0, "{}"), "start error(bad_event,)"},
        {"input for a call that is over", START CALL(0, "a", "f") STOP(0) INPUT(0, "{}"),
         "start call0(a,f,) args0({}) error(bad_event,)"},
    };
    RUN(rows);
}

TEST(calls_are_bounded) {
    struct log *log = log_new();
    for (int i = 0; i <= TOOL_CALLS_MAX; i++) {
        char data[200];
        int n = snprintf(data, sizeof data,
                         "{\"contentBlockIndex\":%d,\"start\":{\"toolUse\":{\"toolUseId\":\"t%d\","
                         "\"name\":\"f\"}}}",
                         i, i);
        EXPECT(!log->ended);
        read_event(log, SPAN("contentBlockStart"), span_of(data, (size_t)n));
    }
    EXPECT(log->ended);
    EXPECT_EQ(log->error, FAIL_TOO_LARGE);
    log_free(log);
}

/* --- whole bodies --- */

TEST(bodies) {
    static const struct {
        const char *name, *body, *log;
    } rows[] = {
        {"text",
         "{\"metrics\":{},\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":"
         "\"a\\n\"},{\"text\":\"b\"}]}},\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":1,"
         "\"outputTokens\":2,\"cacheReadInputTokens\":4}}",
         "start text(a\\n) text(b) finish(stop) usage(5,2,4,0) done"},
        {"everything",
         "{\"output\":{\"message\":{\"content\":[{\"reasoningContent\":{\"reasoningText\":{"
         "\"signature\":\"c2ln\",\"text\":\"hm\"}}},{\"reasoningContent\":{\"redactedContent\":"
         "\"RXRrRUNrZ0k=\"}},{\"citationsContent\":{\"content\":[{\"text\":\"c1\"},{\"text\":"
         "\"c2\"}],\"citations\":[{\"title\":\"t\"}]}},{\"new\":{}},{\"toolUse\":{\"toolUseId\":"
         "\"t1\",\"name\":\"f\",\"input\":{ \"a\": \"x\\n\" }}},{\"toolUse\":{\"toolUseId\":\"t2\","
         "\"name\":\"g\",\"input\":{}}},{\"toolUse\":{\"toolUseId\":\"t3\",\"name\":\"h\"}},{"
         "\"toolUse\":{\"toolUseId\":\"t4\",\"name\":\"h\",\"input\":{},\"type\":"
         "\"server_tool_use\"}}]}},\"stopReason\":\"tool_use\"}",
         "start reason(hm) sign(anthropic,c2ln) redacted(anthropic,EtkECkgI) text(c1) text(c2) "
         "call0(t1,f,) args0({ \\\"a\\\": \\\"x\\\\n\\\" }) call1(t2,g,) args1({}) call2(t3,h,) "
         "args2({}) finish(tool_calls) done"},
        {"order, stop sequence, white space around",
         "\n "
         "{\"stopReason\":\"stop_sequence\",\"additionalModelResponseFields\":{\"stop_sequence\":"
         "\"E\"},\"output\":{\"message\":{\"content\":[{\"text\":\"a\"}]}}} \n",
         "start text(a) finish(stop,E) done"},
        {"filtered, and nothing said",
         "{\"output\":{\"message\":{\"content\":[]}},\"stopReason\":\"guardrail_intervened\"}",
         "start finish(content_filter) done"},
        {"malformed",
         "{\"output\":{\"message\":{\"content\":[]}},\"stopReason\":"
         "\"malformed_model_output\"}",
         "error(error_event,malformed_model_output)"},
        {"an error with status 200", "{\"message\":\"m\"}", "error(error_event,m)"},
        {"with a type", "{\"__type\":\"a.b#ThrottlingException\",\"Message\":\"m\"}",
         "error(rate_limited,m)"},
        {"an object of nothing", "{}", "error(bad_event,)"},
        {"nothing", " \n", "error(empty,)"},
        {"HTML", "<html>", "error(bad_event,)"},
        {"half", "{\"output\":{\"message\":{\"content\":[{\"text\":\"a\"}", "error(bad_event,)"},
        {"an array", "[]", "error(bad_event,)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct log *log = log_new();
        ROW("%s", rows[i].name);
        dialect_converse.read_body(&log->reader, span_str(rows[i].body), sink_of(log));
        EXPECT_STR(text_of(&log->text), rows[i].log);
        dialect_converse.read_end(&log->reader, sink_of(log));
        log_free(log);
    }
}

TEST(error_bodies) {
    static const struct {
        const char *body, *message, *type;
    } rows[] = {
        {"{\"message\":\"m\"}", "m", ""},
        {"{\"Message\":\"m\"}", "m", ""},
        {"{\"__type\":\"com.amazon.coral#ThrottlingException\",\"message\":\"m\"}", "m",
         "ThrottlingException"},
        {"{\"__type\":\"ThrottlingException:http://x/\",\"message\":null}", "",
         "ThrottlingException"},
        {"<html>", "", ""},
        {"", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct chat_error error;
        ROW("%s", rows[i].body);
        dialect_converse.read_error(span_str(rows[i].body), &error);
        EXPECT_BYTES(error.message.p, error.message.n, rows[i].message);
        EXPECT_BYTES(error.type.p, error.type.n, rows[i].type);
    }
}

/* --- recordings, read by other means --- */

/* What an answer says, by yyjson. */
struct other {
    char *text, *reasoning, *calls;
    size_t text_n, reasoning_n;
    char *call[CALLS_MAX];
    int call_index[CALLS_MAX];
    bool call_input[CALLS_MAX];
    int call_count;
    unsigned redacted;
    const char *stop;
    long long input, output, cached, written;
    bool usage;
};

static void append(char **to, size_t *n, const char *text) {
    size_t more = text ? strlen(text) : 0;
    *to = realloc(*to, *n + more + 1);
    memcpy(*to + *n, text ? text : "", more);
    *n += more;
    (*to)[*n] = 0;
}

static void append_call(struct other *o, int call, const char *text) {
    size_t n = o->call[call] ? strlen(o->call[call]) : 0;
    append(&o->call[call], &n, text);
}

static void other_call(struct other *o, int index, yyjson_val *use) {
    int call = o->call_count++;
    o->call_index[call] = index;
    append_call(o, call, yyjson_get_str(yyjson_obj_get(use, "toolUseId")));
    append_call(o, call, " ");
    append_call(o, call, yyjson_get_str(yyjson_obj_get(use, "name")));
    append_call(o, call, " ");
}

static void other_usage(struct other *o, yyjson_val *usage) {
    if (!usage)
        return;
    o->usage = true;
    o->cached = yyjson_get_sint(yyjson_obj_get(usage, "cacheReadInputTokens"));
    o->written = yyjson_get_sint(yyjson_obj_get(usage, "cacheWriteInputTokens"));
    o->output = yyjson_get_sint(yyjson_obj_get(usage, "outputTokens"));
    o->input = yyjson_get_sint(yyjson_obj_get(usage, "inputTokens")) + o->cached + o->written;
    if (yyjson_obj_get(usage, "totalTokens"))
        EXPECT_EQ(yyjson_get_sint(yyjson_obj_get(usage, "totalTokens")), o->input + o->output);
}

static void other_event(struct other *o, yyjson_val *root) {
    yyjson_val *delta = yyjson_obj_get(root, "delta");
    yyjson_val *reasoning = yyjson_obj_get(delta, "reasoningContent");
    yyjson_val *use = yyjson_obj_get(yyjson_obj_get(root, "start"), "toolUse");
    yyjson_val *stop = yyjson_obj_get(root, "stopReason");
    const char *input = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(delta, "toolUse"), "input"));
    int index = (int)yyjson_get_int(yyjson_obj_get(root, "contentBlockIndex"));
    append(&o->text, &o->text_n, yyjson_get_str(yyjson_obj_get(delta, "text")));
    append(&o->reasoning, &o->reasoning_n, yyjson_get_str(yyjson_obj_get(reasoning, "text")));
    o->redacted += yyjson_obj_get(reasoning, "redactedContent") != NULL;
    if (use)
        other_call(o, index, use);
    for (int i = 0; input && i < o->call_count; i++)
        if (o->call_index[i] == index) {
            append_call(o, i, input);
            o->call_input[i] |= *input != 0;
        }
    if (stop)
        o->stop = strdup(yyjson_get_str(stop));
    other_usage(o, yyjson_obj_get(root, "usage"));
}

static void other_body(struct other *o, yyjson_val *root) {
    yyjson_val *content =
        yyjson_obj_get(yyjson_obj_get(yyjson_obj_get(root, "output"), "message"), "content");
    size_t i, max;
    yyjson_val *block;
    append(&o->text, &o->text_n, "");
    append(&o->reasoning, &o->reasoning_n, "");
    yyjson_arr_foreach(content, i, max, block) {
        yyjson_val *use = yyjson_obj_get(block, "toolUse");
        yyjson_val *reasoning = yyjson_obj_get(block, "reasoningContent");
        append(&o->text, &o->text_n, yyjson_get_str(yyjson_obj_get(block, "text")));
        append(&o->reasoning, &o->reasoning_n,
               yyjson_get_str(yyjson_obj_get(yyjson_obj_get(reasoning, "reasoningText"), "text")));
        o->redacted += yyjson_obj_get(reasoning, "redactedContent") != NULL;
        if (!use)
            continue;
        char *input = yyjson_val_write(yyjson_obj_get(use, "input"), 0, NULL);
        other_call(o, (int)i, use);
        append_call(o, o->call_count - 1, input);
        o->call_input[o->call_count - 1] = true;
        free(input);
    }
    const char *stop = yyjson_get_str(yyjson_obj_get(root, "stopReason"));
    o->stop = stop ? strdup(stop) : NULL;
    other_usage(o, yyjson_obj_get(root, "usage"));
}

static void other_free(struct other *o) {
    for (int i = 0; i < o->call_count; i++)
        free(o->call[i]);
    free(o->text);
    free(o->reasoning);
    free((char *)o->stop);
}

static const char *finish_of(const struct other *o) {
    static const char *const rows[][2] = {
        {"end_turn", "stop"},
        {"stop_sequence", "stop"},
        {"tool_use", "tool_calls"},
        {"max_tokens", "length"},
        {"guardrail_intervened", "content_filter"},
    };
    for (size_t i = 0; o->stop && i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(o->stop, rows[i][0]) == 0)
            return strcmp(rows[i][1], "stop") == 0 && o->call_count ? "tool_calls" : rows[i][1];
    return "?";
}

/* A collected raw text against a decoded one. */
static void expect_text(struct span raw, const char *want) {
    char *text = malloc(raw.n + 1);
    long n = json_decode(raw, true, text, raw.n);
    EXPECT(n >= 0);
    EXPECT_BYTES(text, (size_t)(n < 0 ? 0 : n), want);
    free(text);
}

/* JSON texts that say the same, whatever blanks are in them. */
static bool same_call(const char *a, const char *b) {
    const char *json_a = strchr(a, '{'), *json_b = strchr(b, '{');
    if (!json_a || !json_b || json_a - a != json_b - b || strncmp(a, b, (size_t)(json_a - a)))
        return false;
    yyjson_doc *doc_a = yyjson_read(json_a, strlen(json_a), 0);
    yyjson_doc *doc_b = yyjson_read(json_b, strlen(json_b), 0);
    bool same =
        doc_a && doc_b && yyjson_equals(yyjson_doc_get_root(doc_a), yyjson_doc_get_root(doc_b));
    yyjson_doc_free(doc_a);
    yyjson_doc_free(doc_b);
    return same;
}

static void compare(struct log *log, const struct other *o) {
    expect_text(json_out_span(&log->said), o->text);
    expect_text(json_out_span(&log->reasoned), o->reasoning);
    EXPECT_EQ(log->open_call + 1, o->call_count);
    for (int i = 0; i < o->call_count && i <= log->open_call; i++) {
        char text[4000];
        struct span raw = chat_text_span(&pieces[i]);
        long n = json_decode(raw, true, text, sizeof text - 1);
        if (!o->call_input[i])
            append_call((struct other *)o, i, "{}");
        text[n < 0 ? 0 : n] = 0;
        EXPECT(same_call(text, o->call[i]));
    }
    EXPECT_EQ(log->redacted, o->redacted);
    EXPECT_STR(log->finish, finish_of(o));
    EXPECT_EQ(log->usage.known, o->usage);
    EXPECT_EQ(log->usage.input_tokens, o->input);
    EXPECT_EQ(log->usage.output_tokens, o->output);
    EXPECT_EQ(log->usage.cached_tokens, o->cached);
    EXPECT_EQ(log->usage.cache_write_tokens, o->written);
    EXPECT_EQ(log->error, FAIL_NONE);
    EXPECT(log->ended);
    EXPECT(log->contents > 0);
}

/* Our reading of a stream of frames, as the proxy does it. */
static void read_frames(struct log *log, struct span bytes) {
    struct eventstream stream = {0};
    struct eventstream_message m;
    long used;
    while ((used = eventstream_next(&stream, bytes, &m)) > 0) {
        bool error = span_eq(m.message_type, SPAN("error"));
        struct span name = error                ? m.error_code
                           : m.exception_type.n ? m.exception_type
                                                : m.event_type;
        if (!log->ended)
            read_event(log, name, error ? m.error_message : m.payload);
        bytes = span_from(bytes, (size_t)used);
    }
    if (used == 0 && !log->ended)
        dialect_converse.read_end(&log->reader, sink_of(log));
}

static size_t u32_at(const char *p) {
    const unsigned char *b = (const unsigned char *)p;
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
}

/* Another reading: frames by their lengths alone. False: it is no Converse stream. */
static bool other_frames(struct other *o, struct span bytes) {
    append(&o->text, &o->text_n, "");
    append(&o->reasoning, &o->reasoning_n, "");
    for (size_t at = 0, total; at + 16 <= bytes.n; at += total) {
        total = u32_at(bytes.p + at);
        size_t headers = u32_at(bytes.p + at + 4);
        struct span head = span_of(bytes.p + at + 12, headers);
        if (span_search(head, SPAN("chunk")) < head.n)
            return false;
        yyjson_doc *doc = yyjson_read(bytes.p + at + 12 + headers, total - headers - 16, 0);
        other_event(o, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
    }
    return true;
}

typedef bool visit_file(const char *name, struct span bytes);

/* How many files of a shared folder with that ending were visited and counted; -1: there is none. */
static int visit(const char *folder, const char *ending, visit_file *file) {
    char path[4096], full[5000];
    struct dirent *entry;
    int count = 0;
    const char *shared = test_shared(folder);
    if (!shared)
        return -1;
    snprintf(path, sizeof path, "%s", shared);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        size_t n = 0, length = strlen(entry->d_name), end = strlen(ending);
        if (length < end || strcmp(entry->d_name + length - end, ending) != 0)
            continue;
        ROW("%s", entry->d_name);
        snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
        char *bytes = test_file(full, &n);
        count += file(entry->d_name, span_of(bytes, n));
        free(bytes);
    }
    if (dir)
        closedir(dir);
    return count;
}

static bool check_stream(const char *name, struct span bytes) {
    struct other other = {.input = 0};
    struct log *log = log_new();
    (void)name;
    bool converse = other_frames(&other, bytes);
    if (converse) {
        read_frames(log, bytes);
        compare(log, &other);
    }
    log_free(log);
    other_free(&other);
    return converse;
}

TEST(recorded_streams) {
    int count = visit("fixtures/bedrock", ".resp.bin", check_stream);
    if (count < 0)
        SKIP("needs ../shared");
    /* The others are streams of InvokeModel. */
    EXPECT_EQ(count, 11);
}

static bool check_body(const char *name, struct span bytes) {
    struct other other = {.input = 0};
    struct log *log = log_new();
    yyjson_doc *doc = yyjson_read(bytes.p, bytes.n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    bool converse = yyjson_obj_get(yyjson_obj_get(root, "output"), "message") != NULL;
    (void)name;
    if (converse) {
        other_body(&other, root);
        dialect_converse.read_body(&log->reader, bytes, sink_of(log));
        compare(log, &other);
    }
    yyjson_doc_free(doc);
    log_free(log);
    other_free(&other);
    return converse;
}

TEST(recorded_bodies) {
    int count = visit("fixtures/bedrock", ".resp.json", check_body);
    if (count < 0)
        SKIP("needs ../shared");
    EXPECT_EQ(count, 65);
    count = visit("fixtures/bedrock/vercel", ".json", check_body);
    EXPECT(count >= 9);
}

/* Lines of {"NAME":DATA}. */
static bool check_lines(const char *name, struct span bytes) {
    struct other other = {.input = 0};
    struct log *log = log_new();
    (void)name;
    append(&other.text, &other.text_n, "");
    append(&other.reasoning, &other.reasoning_n, "");
    while (bytes.n) {
        struct span line = span_trim(span_cut(&bytes, '\n'));
        struct json json;
        struct json_token key;
        struct span data;
        json_init(&json, line);
        if (!line.n || json_next(&json, &key) != JSON_OBJECT ||
            json_next(&json, &key) != JSON_KEY || !json_value(&json, &data))
            continue;
        yyjson_doc *doc = yyjson_read(data.p, data.n, 0);
        other_event(&other, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        if (!log->ended)
            read_event(log, key.raw, data);
    }
    if (!log->ended)
        dialect_converse.read_end(&log->reader, sink_of(log));
    compare(log, &other);
    log_free(log);
    other_free(&other);
    return true;
}

TEST(recorded_lines) {
    int count = visit("fixtures/bedrock/vercel", ".chunks.txt", check_lines);
    if (count < 0)
        SKIP("needs ../shared");
    EXPECT(count >= 9);
}

/* Streams that were made to be hard, by what must come of them. */
TEST(generated_streams) {
    static const struct {
        const char *file, *log;
    } rows[] = {
        {"ok-text", "start text(Hel) text(lo) other finish(stop) usage(10,2,0,0) done"},
        {"first-frame-throttlingException", "error(rate_limited,"},
        {"after-start-throttlingException", "start error(rate_limited,"},
        {"first-frame-internalServerException", "error(upstream_5xx,"},
        {"after-start-internalServerException", "start error(upstream_5xx,"},
        {"first-frame-modelStreamErrorException", "error(error_event,Model stream failed)"},
        {"after-start-modelStreamErrorException", "start error(error_event,"},
        {"first-frame-serviceUnavailableException", "error(overloaded,"},
        {"after-start-serviceUnavailableException", "start error(overloaded,"},
        {"first-frame-validationException", "error(refused,"},
        {"after-start-validationException", "start error(refused,"},
        {"first-frame-modelTimeoutException", "error(upstream_timeout,"},
        {"after-start-modelTimeoutException", "start error(upstream_timeout,"},
        {"mid-text-throttlingException", "start text(Hel) error(rate_limited,"},
        {"mid-text-internalServerException", "start text(Hel) error(upstream_5xx,"},
        {"mid-text-modelStreamErrorException", "start text(Hel) error(error_event,"},
        {"mid-text-serviceUnavailableException", "start text(Hel) error(overloaded,"},
        {"mid-text-validationException", "start text(Hel) error(refused,"},
        {"mid-text-modelTimeoutException", "start text(Hel) error(upstream_timeout,"},
        {"unmodelled-error", "start error(error_event,oops)"},
        {"eof-no-messagestop", "start text(Hel) text(lo) error(incomplete,)"},
        {"truncated-mid-frame", "start text(Hel) error(incomplete,)"},
        {"crc-flip-second-frame", "start"},
        {"no-metadata", "start text(Hi) other finish(stop) done"},
        {"unknown-event", "start other text(Hi) other finish(stop) usage(10,2,0,0) done"},
        {"tool-no-args",
         "start call0(tooluse_1,get_time,) args0({}) finish(tool_calls) usage(10,2,0,0) done"},
        {"two-tools-interleaved",
         "start call0(tooluse_a,a,) call1(tooluse_b,b,) args1({\\\"y\\\":) args0({\\\"x\\\":1}) "
         "args1(2}) other other finish(tool_calls) usage(10,2,0,0) done"},
        {"reasoning-redacted",
         "start reason(hm) sign(anthropic,c2ln) other redacted(none,cmVk) other "
         "text(ok) other finish(stop) usage(10,2,0,0) done"},
        {"empty-text-then-reasoning",
         "start other other reason(think) other text(answer) other finish(stop) usage(10,2,0,0) "
         "done"},
        /* InvokeModel is not spoken: nothing of it is an answer. */
        {"invoke-anthropic-error-inside", "other other error(empty,)"},
    };
    if (!test_shared("fixtures/bedrock-eventstream/generated"))
        SKIP("needs ../shared");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char relative[300];
        size_t n = 0;
        struct log *log = log_new();
        ROW("%s", rows[i].file);
        snprintf(relative, sizeof relative, "fixtures/bedrock-eventstream/generated/%s.bin",
                 rows[i].file);
        char *bytes = test_file(test_shared(relative), &n);
        REQUIRE(bytes != NULL);
        read_frames(log, span_of(bytes, n));
        size_t want = strlen(rows[i].log);
        const char *got = text_of(&log->text);
        bool open = rows[i].log[want - 1] == ',';
        EXPECT_BYTES(got, open && strlen(got) > want ? want : strlen(got), rows[i].log);
        free(bytes);
        log_free(log);
    }
}

/* Memory that is used up is an error of ours, and nothing worse, wherever it happens. */
TEST(out_of_memory) {
    unsigned overloads = 0, errors = 0;
    static const char *const lines =
        START REASON("redactedContent", "RXRrRUNrZ0k=") CALL(0, "a", "f") CALL(1, "a", "f")
            CALL(2, "a", "f") CALL(3, "a", "f") CALL(4, "a", "f") "oops x\n";
    for (size_t bytes = 0; bytes < (size_t)96 << 10; bytes += (size_t)4 << 10) {
        struct log *log = log_new();
        struct memory small;
        struct arena arena;
        struct span rest = span_str(lines);
        ROW("%zu", bytes);
        memory_init(&small, bytes, 0);
        arena_init(&arena, &small);
        dialect_converse.reader_init(&log->reader, &arena);
        while (rest.n && !log->ended) {
            struct span line = span_cut(&rest, '\n');
            struct span name = span_cut(&line, ' ');
            read_event(log, name, line);
        }
        EXPECT(log->ended);
        EXPECT(log->error == FAIL_OVERLOAD || log->error == FAIL_ERROR_EVENT);
        overloads += log->error == FAIL_OVERLOAD;
        errors += log->error == FAIL_ERROR_EVENT;
        arena_fini(&arena);
        memory_fini(&small);
        log_free(log);
    }
    EXPECT(overloads > 0 && errors > 0);
}
