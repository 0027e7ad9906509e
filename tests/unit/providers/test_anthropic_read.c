/* test_anthropic_read.c - the events of a Messages stream, and whole messages, read. */
#include "tests/unit/providers/test_anthropic_bench.h"

#define START                                                                                   \
    "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"model\":" \
    "\"claude\",\"content\":[],\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":4,"   \
    "\"cache_creation_input_tokens\":3,\"output_tokens\":1}}}"
#define STARTED     "start(msg_1,claude)"
#define BLOCK(n, b) "{\"type\":\"content_block_start\",\"index\":" #n ",\"content_block\":" b "}"
#define DELTA(n, d) "{\"type\":\"content_block_delta\",\"index\":" #n ",\"delta\":" d "}"
#define CLOSE(n)    "{\"type\":\"content_block_stop\",\"index\":" #n "}"
#define TEXT(n, t)  DELTA(n, "{\"type\":\"text_delta\",\"text\":\"" t "\"}")
#define INPUT(n, t) DELTA(n, "{\"type\":\"input_json_delta\",\"partial_json\":\"" t "\"}")
#define TOOL(n, id) \
    BLOCK(n, "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"f\",\"input\":{}}")
#define STOP(reason)                                                   \
    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" reason \
    "\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":7}}"
#define END   "{\"type\":\"message_stop\"}"
#define USAGE "usage(17,7,4,3,0)"

#define EVENTS_MAX 14

/* Each event under the name of its type; read_end behind the last. */
static void run(struct tape *t, const char *const *events) {
    for (int i = 0; i < EVENTS_MAX && events[i]; i++) {
        yyjson_doc *doc = yyjson_read(events[i], strlen(events[i]), 0);
        char name[80];
        snprintf(name, sizeof name, "%s", doc ? json_word(yyjson_doc_get_root(doc), "type") : "x");
        yyjson_doc_free(doc);
        tape_data(t, name, events[i]);
    }
    dialect_anthropic.read_end(&t->reader, tape_sink(t));
    tape_close(t);
}

TEST(events) {
    static const struct {
        const char *name, *events[EVENTS_MAX], *log, *verdicts;
    } rows[] = {
        {"text",
         {START, "{\"type\": \"ping\"}", BLOCK(0, "{\"type\":\"text\",\"text\":\"\"}"),
          TEXT(0, "He\\n"), "{\"type\": \"ping\"}", TEXT(0, ""), CLOSE(0), STOP("end_turn"), END},
         STARTED " other text(He\\n) other finish(stop) " USAGE " done",
         "ADAAAAAAD"},
        {"text in the start",
         {START, BLOCK(0, "{\"type\":\"text\",\"text\":\"a\"}"), STOP("max_tokens"), END},
         STARTED " text(a) finish(length) " USAGE " done",
         "AAAD"},
        {"tools",
         {START, TOOL(0, "a"), INPUT(0, ""), INPUT(0, "{\\\"x\\\":"), INPUT(0, "1}"), CLOSE(0),
          TOOL(1, "b"), INPUT(1, ""), CLOSE(1), STOP("tool_use"), END},
         STARTED
         " call0(a,f) args0({\\\"x\\\":) args0(1}) call1(b,f) args1({}) finish(tool_calls) " USAGE
         " done",
         "AAAAAAAAAAD"},
        {"input in the start, deltas or not",
         {START,
          BLOCK(0,
                "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{\"x\": \"\\n\"}}"),
          CLOSE(0),
          BLOCK(1, "{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"f\",\"input\":{\"x\":1}}"),
          INPUT(1, "{}"), CLOSE(1), STOP("tool_use"), END},
         STARTED " call0(a,f) args0({\\\"x\\\": \\\"\\\\n\\\"}) call1(b,f) args1({}) "
                 "finish(tool_calls) " USAGE " done",
         "AAAAAAAD"},
        {"a tool that never stops",
         {START, TOOL(0, "a"), STOP("max_tokens"), END},
         STARTED " call0(a,f) args0({}) finish(length) " USAGE " done",
         "AAAD"},
        {"thinking",
         {START, BLOCK(0, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"),
          DELTA(0, "{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}"),
          DELTA(0, "{\"type\":\"signature_delta\",\"signature\":\"S=\"}"), CLOSE(0),
          BLOCK(1, "{\"type\":\"redacted_thinking\",\"data\":\"R=\"}"), CLOSE(1),
          BLOCK(2, "{\"type\":\"thinking\",\"thinking\":\"x\",\"signature\":\"Y\"}"),
          STOP("end_turn"), END},
         STARTED " reason(hm) sign(S=) redacted(R=) reason(x) sign(Y) finish(stop) " USAGE " done",
         "AAAAAAAAAD"},
        {"hosted tools are no calls",
         {START,
          BLOCK(0, "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web\",\"input\":{}}"),
          INPUT(0, "{}"), CLOSE(0),
          BLOCK(1, "{\"type\":\"web_search_tool_result\",\"content\":[]}"), CLOSE(1),
          BLOCK(2, "{\"type\":\"text\",\"text\":\"\"}"),
          DELTA(2, "{\"type\":\"citations_delta\",\"citation\":{}}"), TEXT(2, "a"),
          STOP("end_turn"), END},
         STARTED " text(a) finish(stop) " USAGE " done",
         "AAAAAAAAAAD"},
        {"what is new is passed on",
         {START, "{\"type\":\"news\",\"delta\":{}}", BLOCK(0, "{\"type\":\"poem\"}"),
          TEXT(0, "of a poem"), DELTA(0, "{\"type\":\"new_delta\",\"text\":\"x\"}"),
          BLOCK(1, "{\"type\":\"text\"}"), TEXT(1, "a"), STOP("new_reason"), END},
         STARTED " other text(a) finish(stop) " USAGE " done",
         "AAAAAAAAD"},
        {"a second message_start",
         {START, TOOL(0, "a"), INPUT(0, "{\\\"x"),
          "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_2\",\"model\":\"other\",\"usage\":"
          "{"
          "\"input_tokens\":20}}}",
          TOOL(0, "b"), INPUT(0, "{}"), CLOSE(0), STOP("tool_use"), END},
         STARTED " call0(a,f) args0({\\\"x) error(bad_event,the message began anew inside a tool "
                 "call)",
         "AAADDDDDD"},
        {"a second message_start behind a whole call",
         {START, TOOL(0, "a"), INPUT(0, "{}"), CLOSE(0),
          "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_2\",\"model\":\"other\",\"usage\":"
          "{"
          "\"input_tokens\":20}}}",
          TOOL(0, "b"), INPUT(0, "{}"), CLOSE(0), STOP("tool_use"), END},
         STARTED " call0(a,f) args0({}) call1(b,f) args1({}) finish(tool_calls) "
                 "usage(27,7,4,3,0) done",
         "AAAAAAAAAD"},
        {"its indexes are not those of the first",
         {START, TOOL(0, "a"), START, INPUT(0, "{}"), TEXT(1, "b"), STOP("end_turn"), END},
         STARTED " call0(a,f) args0({}) text(b) finish(stop) " USAGE " done",
         "AAAAAAD"},
        {"the last word on usage",
         {START, BLOCK(0, "{\"type\":\"text\",\"text\":\"a\"}"),
          "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"stop_sequence\",\"stop_"
          "sequence\":"
          "\"END\"},\"usage\":{\"input_tokens\":11,\"cache_read_input_tokens\":null,"
          "\"cache_creation_input_tokens\":0,\"output_tokens\":9,\"output_tokens_details\":{"
          "\"thinking_tokens\":5}}}",
          END},
         STARTED " text(a) finish(stop,END) usage(15,9,4,0,5) done",
         "AAAD"},
        {"pauses and refusals",
         {START, BLOCK(0, "{\"type\":\"text\",\"text\":\"a\"}"), STOP("refusal"), END},
         STARTED " text(a) finish(content_filter) " USAGE " done",
         "AAAD"},
        {"context window",
         {START, STOP("model_context_window_exceeded"), END},
         STARTED " finish(length) " USAGE " done",
         "AAD"},
        {"pause", {START, STOP("pause_turn"), END}, STARTED " finish(stop) " USAGE " done", "AAD"},
        /* ends */
        {"without its end mark",
         {START, TEXT(0, "a"), STOP("end_turn")},
         STARTED " text(a) finish(stop) " USAGE " done",
         "AAA"},
        {"an end mark without a reason",
         {START, TEXT(0, "a"), END},
         STARTED " text(a) error(incomplete,)",
         "AAD"},
        {"the same without content", {START, END}, STARTED " error(empty,)", "AD"},
        {"no end at all",
         {START, TEXT(0, "a"), CLOSE(0)},
         STARTED " text(a) error(incomplete,)",
         "AAA"},
        {"a reason of null is none",
         {START, TEXT(0, "a"), "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null}}"},
         STARTED " text(a) usage(17,1,4,3,0) error(incomplete,)",
         "AAA"},
        {"nothing", {NULL}, "error(empty,)", ""},
        {"nothing after the end",
         {START, TEXT(0, "a"), STOP("end_turn"), END, TEXT(0, "b")},
         STARTED " text(a) finish(stop) " USAGE " done",
         "AAADD"},
        /* errors */
        {"overloaded",
         {"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":"
          "\"Over\\\"loaded\"}}"},
         "error(overloaded,Over\\\"loaded)",
         "D"},
        {"rate limit",
         {START, TEXT(0, "a"), "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\"}}",
          END},
         STARTED " text(a) error(rate_limited,)",
         "AADD"},
        {"invalid",
         {"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
          "\"x\"}}"},
         "error(refused,x)",
         "D"},
        {"api",
         {"{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"x\"}}"},
         "error(error_event,x)",
         "D"},
        {"of a new type",
         {"{\"type\":\"error\",\"error\":{\"type\":\"moon_error\"}}"},
         "error(error_event,)",
         "D"},
        {"Google's",
         {"{\"error\":{\"code\":429,\"message\":\"q\",\"status\":\"RESOURCE_EXHAUSTED\"}}"},
         "error(rate_limited,q)",
         "D"},
        {"no JSON", {START, "<html>"}, STARTED " error(bad_event,)", "AD"},
        {"half of one", {START, "{\"type\":\"ping\""}, STARTED " error(incomplete,)", "AD"},
        {"no object", {START, "[1]"}, STARTED " error(bad_event,)", "AD"},
        {"two values", {START, "{} {}"}, STARTED " error(bad_event,)", "AD"},
        /* members in any order and of any kind */
        {"turned round",
         {"{\"message\":{\"model\":\"claude\",\"id\":\"msg_1\"},\"type\":\"message_start\"}",
          "{\"delta\":{\"text\":\"a\",\"type\":\"text_delta\"},\"index\":0,\"type\":"
          "\"content_block_delta\"}",
          "{\"delta\":7,\"type\":\"content_block_delta\",\"index\":-1}",
          "{\"delta\":{\"text\":{},\"type\":\"text_delta\"},\"type\":\"content_block_delta\"}",
          "{\"content_block\":[],\"type\":\"content_block_start\",\"index\":1e999}",
          "{\"type\":\"content_block_stop\"}", "{\"type\":[\"ping\"]}", STOP("end_turn"), END},
         STARTED " text(a) other finish(stop) usage(0,7,0,0,0) done",
         "AAAAAAAAD"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct tape *t = tape_new();
        ROW("%s", rows[i].name);
        run(t, rows[i].events);
        EXPECT_STR(bench_text(&t->log), rows[i].log);
        EXPECT_STR(t->verdicts, rows[i].verdicts);
        EXPECT_EQ(t->ends, 1);
        expect_legal_stream(json_out_span(&t->streamed), t->error != FAIL_NONE);
        tape_free(t);
    }
}

/* Clients go by the `event:` lines: a stream without them is written anew, whole. */
TEST(streams_without_names_are_written_anew) {
    static const char *const events[] = {START,
                                         BLOCK(0, "{\"type\":\"text\",\"text\":\"\"}"),
                                         TEXT(0, "a"),
                                         CLOSE(0),
                                         TOOL(1, "t:1"),
                                         CLOSE(1),
                                         STOP("tool_use"),
                                         END};
    struct tape *t = tape_new();
    for (size_t i = 0; i < countof(events); i++)
        tape_data(t, i == 2 ? "content_block_delta" : "", events[i]);
    EXPECT_STR(t->verdicts, "RRRRRRRD");
    expect_legal_stream(json_out_span(&t->relayed), false);
    struct answer *got = answer_of_stream(t->relayed.p, t->relayed.n);
    EXPECT_STR(got->text, "a");
    EXPECT_STR(got->stop, "tool_use");
    EXPECT_STR(got->calls[0].input, "{}");
    EXPECT_EQ(got->output, 7);
    free(got);
    tape_free(t);
}

TEST(keep_alives_of_gateways) {
    struct tape *t = tape_new();
    tape_data(t, "", ": keepalive");
    tape_data(t, "vertex_event", "{\"type\": \"ping\"}");
    tape_data(t, "message_start", START);
    tape_data(t, "", "[DONE]");
    tape_data(t, "message_delta", STOP("end_turn"));
    EXPECT_STR(t->verdicts, "DDADA");
    EXPECT_STR(bench_text(&t->log), "other other " STARTED " other finish(stop) " USAGE);
    tape_free(t);
}

/* Pages of JSON in what is read as text or number must do no harm. */
TEST(many_open_blocks_are_bounded) {
    struct tape *t = tape_new();
    tape_data(t, "message_start", START);
    for (int i = 0; i < 3000 && !t->ends; i++) {
        char data[200];
        snprintf(data, sizeof data, BLOCK(% d, "{\"type\":\"text\",\"text\":\"a\"}"), i);
        tape_data(t, "content_block_start", data);
    }
    EXPECT_EQ(t->error, FAIL_BAD_EVENT);
    tape_free(t);
    t = tape_new();
    tape_data(t, "message_start", START);
    for (int i = 0; i < 300 && !t->ends; i++) {
        char data[200];
        snprintf(data, sizeof data, "%s", TOOL(0, "x"));
        tape_data(t, "content_block_start", data);
    }
    EXPECT_EQ(t->error, FAIL_BAD_EVENT);
    tape_free(t);
}

TEST(whole_bodies) {
    static const struct {
        const char *body, *log;
    } rows[] = {
        {" {\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\","
         "\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"S\"},{\"type\":"
         "\"text\",\"text\":\"a\"},{\"type\":\"server_tool_use\",\"id\":\"s\",\"input\":{}},{"
         "\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"x\": 1}},{\"type\":"
         "\"tool_use\",\"id\":\"u\",\"name\":\"g\",\"input\":{}}],\"stop_reason\":\"tool_use\","
         "\"stop_sequence\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}",
         STARTED
         " reason(hm) sign(S) text(a) call0(t,f) args0({\\\"x\\\": 1}) call1(u,g) args1({}) "
         "finish(tool_calls) usage(3,4,0,0,0) done"},
        {"{\"type\":\"message\",\"id\":\"msg_1\",\"model\":\"claude\",\"content\":[{\"type\":"
         "\"text\",\"text\":\"a\"}]}",
         STARTED " text(a) done"},
        {"{\"type\":\"message\",\"id\":\"msg_1\",\"model\":\"claude\",\"content\":[]}",
         STARTED " error(empty,)"},
        {"{\"type\":\"message\",\"id\":\"msg_1\",\"model\":\"claude\",\"content\":[],"
         "\"stop_reason\":\"end_turn\"}",
         STARTED " finish(stop) done"},
        {"", "error(empty,)"},
        {"  ", "error(empty,)"},
        {"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}",
         "error(overloaded,x)"},
        {"[{\"error\":{\"code\":503,\"message\":\"x\",\"status\":\"UNAVAILABLE\"}}]",
         "error(overloaded,x)"},
        {"<html>502</html>", "error(bad_event,)"},
        {"{\"type\":\"message\",\"content\":[", "error(incomplete,)"},
        {"{\"choices\":[]}", "error(bad_event,)"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct tape *t = tape_new();
        ROW("%s", rows[i].body);
        dialect_anthropic.read_body(&t->reader, span_str(rows[i].body), tape_sink(t));
        EXPECT_STR(bench_text(&t->log), rows[i].log);
        EXPECT_EQ(t->ends, 1);
        tape_free(t);
    }
}

TEST(without_memory_it_is_an_overload) {
    struct tape *t = tape_new();
    t->reader.own = NULL; /* as when the arena gave none */
    tape_data(t, "message_start", START);
    EXPECT_STR(bench_text(&t->log), "error(overload,)");
    tape_free(t);
}
