/* test_openai_responses_read.c - canonical events and relay verdicts of Responses streams, by rows;
 * each stream is also translated back and held to the rules of openai_responses_check.h. */
#include "tests/unit/providers/openai_responses_check.h"
#include "tests/unit/providers/openai_responses_tape.h"

#define CREATED                                                                             \
    "{\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\"," \
    "\"object\":\"response\",\"created_at\":7,\"status\":\"in_progress\",\"error\":null,"   \
    "\"model\":\"m\",\"output\":[]}}\n"
#define ADDED(index, item) \
    "{\"type\":\"response.output_item.added\",\"output_index\":" index ",\"item\":{" item "}}\n"
#define ITEM(index, item) \
    "{\"type\":\"response.output_item.done\",\"output_index\":" index ",\"item\":{" item "}}\n"
#define MESSAGE ADDED("0", "\"type\":\"message\",\"id\":\"msg_1\",\"content\":[]")
#define DELTA(what, index, text) \
    "{\"type\":\"response." what ".delta\",\"output_index\":" index ",\"delta\":\"" text "\"}\n"
#define TEXT(text) DELTA("output_text", "0", text)
#define CALL(index, id, name)                                                   \
    ADDED(index, "\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"" id \
                 "\",\"name\":\"" name "\",\"arguments\":\"\"")
#define ARGS(index, text) DELTA("function_call_arguments", index, text)
#define ENDED(type, more) \
    "{\"type\":\"response." type "\",\"response\":{\"id\":\"resp_1\",\"model\":\"m\"" more "}}\n"
#define USAGE                                                                       \
    ",\"usage\":{\"input_tokens\":9,\"input_tokens_details\":{\"cached_tokens\":2," \
    "\"cache_write_tokens\":3},\"output_tokens\":5,\"output_tokens_details\":{"     \
    "\"reasoning_tokens\":4},\"total_tokens\":14}"
#define COMPLETED ENDED("completed", ",\"status\":\"completed\",\"error\":null" USAGE)
#define OVER      "usage(9,5,2,3,4) done"
/* Ids long enough to be believed. */
#define ID_A "call_aaaaaaaaaa"
#define ID_B "call_bbbbbbbbbb"

struct row {
    const char *name;
    const char *lines; /* data of the events, one a line; "!" before it: event name error */
    const char *log;
    const char *verdicts;
};

static void run(const struct row *row) {
    struct tape *t = tape_new(SPAN(""));
    char *copy = strdup(row->lines);
    ROW("%s", row->name);
    for (char *line = copy, *end; (end = strchr(line, '\n')); line = end + 1) {
        bool named = *line == '!';
        line += named;
        /* A private copy without a byte to spare. */
        size_t n = (size_t)(end - line);
        char *data = malloc(n ? n : 1);
        memcpy(data, line, n);
        tape_data(t, named ? SPAN("error") : SPAN(""), span_of(data, n));
        free(data);
    }
    tape_end(t);
    EXPECT_STR(tape_text(&t->log), row->log);
    EXPECT_STR(t->verdicts, row->verdicts);
    EXPECT_EQ(t->reader.end_relayed, t->error == FAIL_NONE);
    struct check *check = check_stream(json_out_span(&t->written));
    EXPECT_EQ(check->error, t->error != FAIL_NONE);
    check_free(check);
    free(copy);
    tape_free(t);
}

#define RUN_ALL(rows)                                         \
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) \
    run(&rows[i])

TEST(text_and_its_ends) {
    static const struct row rows[] = {
        {"text",
         CREATED "{\"type\":\"response.in_progress\",\"response\":{\"id\":\"resp_1\"}}\n" MESSAGE
                 "{\"type\":\"response.content_part.added\",\"output_index\":0,\"content_index\":0,"
                 "\"part\":{\"type\":\"output_text\",\"text\":\"\"}}\n" TEXT("Hel") TEXT(
                     "lo \\u00e9\\n") "{\"type\":\"response.output_text.done\",\"output_index\":0,"
                                      "\"text\":\"Hello \\u00e9\\n\"}\n" ITEM(
                                          "0", "\"type\":\"message\",\"content\":[{\"type\":"
                                               "\"output_text\",\"text\":"
                                               "\"Hello \\u00e9\\n\"}]")
                                          ENDED("completed", ",\"status\":\"completed\",\"output\":"
                                                             "[{\"type\":\"message\",\"content\":[{"
                                                             "\"type\":\"output_text\",\"text\":"
                                                             "\"Hello \\u00e9\\n\"}]}]" USAGE),
         "start(resp_1,m) other other other text(Hel) text(lo \\u00e9\\n) other other finish(stop) "
         "" OVER,
         "AAAAAAAAA"},
        {"cut off by the limit",
         CREATED MESSAGE TEXT("a")
             ENDED("incomplete", ",\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":"
                                 "\"max_output_tokens\"}" USAGE),
         "start(resp_1,m) other text(a) finish(length) " OVER, "AAAA"},
        {"cut off by the filter",
         CREATED MESSAGE TEXT("a")
             ENDED("incomplete", ",\"incomplete_details\":{\"reason\":\"content_filter\"}"),
         "start(resp_1,m) other text(a) finish(content_filter) done", "AAAA"},
        {"incomplete by its status only, for a reason that is not known",
         CREATED MESSAGE TEXT("a") ENDED("completed", ",\"status\":\"incomplete\","
                                                      "\"incomplete_details\":{\"reason\":\"x\"}"),
         "start(resp_1,m) other text(a) finish(length) done", "AAAA"},
        {"refusal",
         CREATED MESSAGE DELTA("refusal", "0", "No")
             DELTA("refusal", "0", ".") "{\"type\":\"response.refusal.done\",\"output_index\":0,"
                                        "\"refusal\":\"No.\"}\n" COMPLETED,
         "start(resp_1,m) other refusal(No) refusal(.) other finish(stop) " OVER, "AAAAAA"},
        {"nothing at all", CREATED COMPLETED, "start(resp_1,m) finish(stop) " OVER, "AA"},
        {"nobody introduced himself", TEXT("a") COMPLETED, "start(,) text(a) finish(stop) " OVER,
         "AA"},
        {"empty deltas say nothing", CREATED MESSAGE TEXT("") COMPLETED,
         "start(resp_1,m) other other finish(stop) " OVER, "AAAA"},
        {"two messages",
         CREATED MESSAGE TEXT("a") ADDED("1", "\"type\":\"message\"") DELTA("output_text", "1", "b")
             COMPLETED,
         "start(resp_1,m) other text(a) other text(b) finish(stop) " OVER, "AAAAAA"},
        {"events without a place are the item's of the moment",
         CREATED ADDED(
             "3",
             "\"type\":\"message\"") "{\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n"
                                     "{\"type\":\"response.output_text.done\",\"text\":\"a\"}"
                                     "\n" COMPLETED,
         "start(resp_1,m) other text(a) other finish(stop) " OVER, "AAAAA"},
        {"unknown events, members and kinds",
         CREATED "{\"type\":\"response.new_thing.delta\",\"delta\":\"x\",\"output_index\":0}\n"
                 "{\"type\":\"keepalive\"}\n{}\n"
                 "{\"type\":7,\"delta\":[1]}\n" MESSAGE
                 "{\"type\":\"response.output_text.annotation.added\",\"annotation\":{}}\n"
                 "{\"delta\":\"a\",\"x\":{\"type\":\"y\"},\"type\":\"response.output_text.delta\"}"
                 "\n" COMPLETED "{\"type\":\"response.output_text.delta\",\"delta\":\"late\"}\n",
         "start(resp_1,m) other other other other other other text(a) finish(stop) " OVER,
         "AAAAAAAAAD"},
        {"comments in data", ": ping\n" CREATED "\n" MESSAGE TEXT("a") COMPLETED,
         "other start(resp_1,m) other other text(a) finish(stop) " OVER, "DADAAA"},
    };
    RUN_ALL(rows);
}

TEST(what_deltas_left_out_is_given_once) {
    static const struct row rows[] = {
        {"done event only",
         CREATED MESSAGE
         "{\"type\":\"response.output_text.done\",\"output_index\":0,\"text\":\"a\"}"
         "\n" ITEM("0", "\"type\":\"message\",\"content\":[{\"type\":"
                        "\"output_text\",\"text\":\"a\"}]") COMPLETED,
         "start(resp_1,m) other text(a) other finish(stop) " OVER, "AAAAA"},
        {"item only",
         CREATED ITEM("0", "\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":"
                           "\"a\"},{\"type\":\"refusal\",\"refusal\":\"b\"}]") COMPLETED,
         "start(resp_1,m) text(a) refusal(b) finish(stop) " OVER, "AAA"},
        {"terminal event only",
         CREATED ENDED(
             "completed",
             ",\"output\":[{\"type\":\"reasoning\",\"summary\":[{\"text\":\"r\"},{\"text\":"
             "\"s\"}],\"encrypted_content\":\"E\",\"id\":\"rs_1\"},{\"type\":\"message\","
             "\"content\":[{\"type\":\"output_text\",\"text\":\"a\"}]},{\"type\":"
             "\"function_call\",\"call_id\":\"" ID_A "\",\"name\":\"f\",\"arguments\":"
             "\"{}\"}]"),
         "start(resp_1,m) reason(r) reason(\\n\\n) reason(s) sealed(rs_1,E) text(a) call0(" ID_A
         ",f,) args0({}) finish(tool_calls) done",
         "AA"},
        {"the second part of two",
         CREATED MESSAGE TEXT("a") ITEM("0", "\"type\":\"message\",\"content\":[{\"type\":"
                                             "\"output_text\",\"text\":\"a\"},{\"type\":"
                                             "\"output_text\",\"text\":\"b\"}]") COMPLETED,
         "start(resp_1,m) other text(a) text(b) finish(stop) " OVER, "AAAAA"},
        {"items that the terminal event leaves out shift its places",
         CREATED ADDED("0", "\"type\":\"reasoning\",\"summary\":[]")
             DELTA("reasoning_summary_text", "0", "r") ADDED("1", "\"type\":\"message\"")
                 DELTA("output_text", "1", "a") CALL("2", ID_A, "f") ARGS("2", "{}")
                     ENDED("completed",
                           ",\"output\":[{\"type\":\"message\",\"content\":[{\"text\":\"a\"}]},{"
                           "\"type\":\"function_call\",\"call_id\":\"" ID_A
                           "\",\"name\":\"f\",\"arguments\":\"{}\"}]"),
         "start(resp_1,m) other reason(r) other text(a) call0(" ID_A
         ",f,) args0({}) finish(tool_calls) done",
         "AAAAAAAA"},
        {"arguments in the item",
         CREATED CALL("0", ID_A, "f") ITEM("0", "\"type\":\"function_call\",\"call_id\":\"" ID_A
                                                "\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"")
             COMPLETED,
         "start(resp_1,m) call0(" ID_A ",f,) args0({\\\"a\\\":1}) finish(tool_calls) " OVER,
         "AAAA"},
        {"arguments in the done event",
         CREATED CALL("0", ID_A, "f") "{\"type\":\"response.function_call_arguments.done\","
                                      "\"output_index\":0,\"arguments\":\"{1}\"}\n" COMPLETED,
         "start(resp_1,m) call0(" ID_A ",f,) args0({1}) finish(tool_calls) " OVER, "AAAA"},
        {"arguments nowhere", CREATED CALL("0", ID_A, "f") COMPLETED,
         "start(resp_1,m) call0(" ID_A ",f,) args0({}) finish(tool_calls) " OVER, "AAA"},
        {"name in the item only",
         CREATED ADDED("0", "\"type\":\"function_call\",\"call_id\":\"" ID_A "\"") ARGS("0", "{")
             ARGS("0", "}") ITEM("0", "\"type\":\"function_call\",\"call_id\":\"" ID_A
                                      "\",\"name\":\"f\",\"arguments\":\"{}\"") COMPLETED,
         "start(resp_1,m) other other other call0(" ID_A ",f,) args0({}) finish(tool_calls) " OVER,
         "AAAAAA"},
        {"deltas of calls that were never added",
         CREATED ARGS("0", "{}") MESSAGE TEXT("a") COMPLETED,
         "start(resp_1,m) other other text(a) finish(stop) " OVER, "AAAAA"},
    };
    RUN_ALL(rows);
}

TEST(calls) {
    static const struct row rows[] = {
        {"one", CREATED CALL("0", ID_A, "f") ARGS("0", "{\\\"a\\\":") ARGS("0", "1}") COMPLETED,
         "start(resp_1,m) call0(" ID_A ",f,) args0({\\\"a\\\":) args0(1}) finish(tool_calls) " OVER,
         "AAAAA"},
        {"interleaved",
         CREATED CALL("0", ID_A, "f") CALL("1", ID_B, "g") ARGS("1", "{") ARGS("0", "{")
             ARGS("1", "}") ARGS("0", "}") COMPLETED,
         "start(resp_1,m) call0(" ID_A ",f,) call1(" ID_B
         ",g,) args1({) args0({) args1(}) args0(}) finish(tool_calls) " OVER,
         "AAAAAAAA"},
        {"places with gaps",
         CREATED CALL("5", ID_A, "f") CALL("4000000000", ID_B, "g") ARGS("4000000000", "{}")
             COMPLETED,
         "start(resp_1,m) call0(" ID_A ",f,) call1(" ID_B
         ",g,) args1({}) args0({}) finish(tool_calls) " OVER,
         "AAAAA"},
        {"an id that counts is made unique",
         CREATED CALL("0", "call_0", "f") ARGS("0", "{}") COMPLETED,
         "start(resp_1,m) call0(CALLID0,f,) args0({}) finish(tool_calls) " OVER, "AAAA"},
        {"an id that is there twice",
         CREATED CALL("0", ID_A, "f") CALL("1", ID_A, "f")
             ENDED("completed", ",\"output\":[{\"type\":\"function_call\",\"call_id\":\"" ID_A
                                "\",\"name\":\"f\",\"arguments\":\"{1}\"},{\"type\":"
                                "\"function_call\",\"call_id\":\"" ID_A
                                "\",\"name\":\"f\",\"arguments\":\"{2}\"}]"),
         "start(resp_1,m) call0(" ID_A
         ",f,) call1(CALLID1,f,) args0({1}) args1({2}) finish(tool_calls) done",
         "AAAA"},
        {"no id", CREATED ADDED("0", "\"type\":\"function_call\",\"name\":\"f\"") COMPLETED,
         "start(resp_1,m) call0(CALLID0,f,) args0({}) finish(tool_calls) " OVER, "AAA"},
        {"custom",
         CREATED ADDED("0", "\"type\":\"custom_tool_call\",\"call_id\":\"" ID_A
                            "\",\"name\":\"sql\",\"input\":\"\"")
             DELTA("custom_tool_call_input", "0", "SELECT")
                 ITEM("0", "\"type\":\"custom_tool_call\",\"call_id\":\"" ID_A
                           "\",\"name\":\"sql\",\"input\":\"SELECT\"") COMPLETED,
         "start(resp_1,m) custom0(" ID_A ",sql,) args0(SELECT) other finish(tool_calls) " OVER,
         "AAAAA"},
        {"custom without input",
         CREATED ADDED("0", "\"type\":\"custom_tool_call\",\"call_id\":\"" ID_A
                            "\",\"name\":\"go\",\"input\":\"\"") COMPLETED,
         "start(resp_1,m) custom0(" ID_A ",go,) finish(tool_calls) " OVER, "AAA"},
        {"custom input in the done event",
         CREATED ADDED("0", "\"type\":\"custom_tool_call\",\"call_id\":\"" ID_A
                            "\",\"name\":\"sql\"") "{\"type\":\"response.custom_tool_call_input."
                                                   "done\",\"output_index\":0,\"input\":\"x\"}"
                                                   "\n" COMPLETED,
         "start(resp_1,m) custom0(" ID_A ",sql,) args0(x) finish(tool_calls) " OVER, "AAAA"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        /* Made ids are what chat_call_id makes. */
        char log[2000] = "", text[CHAT_CALL_ID_BYTES];
        for (const char *p = rows[i].log; *p; p++) {
            size_t n = strlen(log);
            if (strncmp(p, "CALLID", 6) == 0) {
                struct span id = chat_call_id(SPAN("resp_1"), 0, (unsigned)(p[6] - '0'), text);
                memcpy(log + n, id.p, id.n);
                log[n + id.n] = 0;
                p += 6;
            } else {
                log[n] = *p;
                log[n + 1] = 0;
            }
        }
        run(&(struct row){rows[i].name, rows[i].lines, log, rows[i].verdicts});
    }
}

TEST(reasoning) {
    static const struct row rows[] = {
        {"summary parts are kept apart",
         CREATED ADDED(
             "0",
             "\"type\":\"reasoning\",\"summary\":[]") "{\"type\":\"response.reasoning_summary_text."
                                                      "delta\",\"output_index\":0,"
                                                      "\"summary_index\":0,\"delta\":\"a\"}\n"
                                                      "{\"type\":\"response.reasoning_summary_text."
                                                      "delta\",\"output_index\":0,"
                                                      "\"summary_index\":0,\"delta\":\"b\"}\n"
                                                      "{\"type\":\"response.reasoning_summary_text."
                                                      "delta\",\"output_index\":0,"
                                                      "\"summary_index\":1,\"delta\":\"c\"}\n" ITEM(
                                                          "0", "\"type\":\"reasoning\",\"id\":\"rs_"
                                                               "9\",\"encrypted_content\":\"E\","
                                                               "\"summary\":[{\"type\":\"summary_"
                                                               "text\",\"text\":\"ab\"},{\"type\":"
                                                               "\"summary_text\",\"text\":\"c\"}]")
                                                          ADDED("1", "\"type\":\"message\"") DELTA(
                                                              "output_text", "1", "t") COMPLETED,
         "start(resp_1,m) other reason(a) reason(b) reason(\\n\\n) reason(c) sealed(rs_9,E) other "
         "text(t) finish(stop) " OVER,
         "AAAAAAAAA"},
        {"thoughts",
         CREATED ADDED("0", "\"type\":\"reasoning\"") DELTA("reasoning_text", "0", "a")
             DELTA("reasoning_text", "0", "b")
                 ITEM("0", "\"type\":\"reasoning\",\"summary\":[],\"content\":[{\"type\":"
                           "\"reasoning_text\",\"text\":\"ab\"}]") COMPLETED,
         "start(resp_1,m) other reason(a) reason(b) other finish(stop) " OVER, "AAAAAA"},
        {"thoughts and their summary, whole: one of them",
         CREATED ITEM("0", "\"type\":\"reasoning\",\"summary\":[{\"text\":\"s\"}],\"content\":[{"
                           "\"text\":\"long\"}]") COMPLETED,
         "start(resp_1,m) reason(s) finish(stop) " OVER, "AAA"},
        {"no blank line behind text",
         CREATED DELTA("reasoning_summary_text", "0", "a") DELTA("output_text", "1", "t")
             DELTA("reasoning_summary_text", "2", "b") COMPLETED,
         "start(resp_1,m) reason(a) text(t) reason(b) finish(stop) " OVER, "AAAAA"},
        {"sealed is given once",
         CREATED ITEM("0", "\"type\":\"reasoning\",\"id\":\"rs_1\",\"encrypted_content\":\"E\"")
             ITEM("0", "\"type\":\"reasoning\",\"id\":\"rs_1\",\"encrypted_content\":\"E\"")
                 ENDED("completed", ",\"output\":[{\"type\":\"reasoning\",\"id\":\"rs_1\","
                                    "\"encrypted_content\":\"E\"}]"),
         "start(resp_1,m) sealed(rs_1,E) other finish(stop) done", "AAAA"},
    };
    RUN_ALL(rows);
}

TEST(items_of_hosted_tools) {
    static const struct row rows[] = {
        {"work is no answer",
         CREATED ADDED(
             "0", "\"type\":\"web_search_call\",\"id\":\"ws\"") "{\"type\":\"response.web_search_"
                                                                "call.searching\",\"output_index\":"
                                                                "0}\n" ITEM("0",
                                                                            "\"type\":\"web_search_"
                                                                            "call\",\"id\":\"ws\"")
                                                                    COMPLETED,
         "start(resp_1,m) other other other finish(stop) " OVER, "AAAAA"},
        {"a demand on the client is one",
         CREATED ITEM("0", "\"type\":\"shell_call\",\"call_id\":\"c\"")
             ENDED("completed", ",\"output\":[{\"type\":\"shell_call\",\"call_id\":\"c\"}]"),
         "start(resp_1,m) media(shell_call={\"type\":\"shell_call\",\"call_id\":\"c\"}) "
         "finish(stop) done",
         "AAA"},
    };
    RUN_ALL(rows);
}

TEST(errors_and_broken_streams) {
    static const struct row rows[] = {
        {"error, as it is sent",
         CREATED "{\"type\":\"error\",\"sequence_number\":2,\"error\":{\"type\":"
                 "\"insufficient_quota\",\"code\":\"insufficient_quota\",\"message\":\"no "
                 "money\",\"param\":null}}\n" ENDED("failed", ",\"status\":\"failed\""),
         "start(resp_1,m) error(quota,no money)", "ADD"},
        {"error, as it is specified",
         CREATED "{\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"slow "
                 "down\",\"param\":null,\"sequence_number\":1}\n",
         "start(resp_1,m) error(rate_limited,slow down)", "AD"},
        {"failed",
         CREATED MESSAGE TEXT("a") ENDED(
             "failed", ",\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":"
                       "\"oops\"}"),
         "start(resp_1,m) other text(a) error(upstream_5xx,oops)", "AAAD"},
        {"failed without a word", CREATED ENDED("failed", ""),
         "start(resp_1,m) error(error_event,)", "AD"},
        {"completed, but with an error",
         CREATED ENDED("completed", ",\"error\":{\"code\":\"invalid_prompt\",\"message\":\"x\"}"),
         "start(resp_1,m) error(refused,x)", "AD"},
        {"cancelled", CREATED ENDED("completed", ",\"status\":\"cancelled\""),
         "start(resp_1,m) error(error_event,)", "AD"},
        {"completed in progress",
         CREATED MESSAGE TEXT("a") ENDED("completed", ",\"status\":\"in_progress\""),
         "start(resp_1,m) other text(a) error(incomplete,)", "AAAD"},
        {"named error that is no JSON", CREATED "!upstream died\n",
         "start(resp_1,m) error(error_event,)", "AD"},
        {"named error", CREATED "!{\"message\":\"x\",\"code\":\"overloaded\"}\n",
         "start(resp_1,m) error(overloaded,x)", "AD"},
        {"error of a gateway", "{\"message\":\"bad gateway\",\"code\":502}\n",
         "error(upstream_5xx,bad gateway)", "D"},
        {"an error member anywhere",
         CREATED "{\"type\":\"response.x\",\"error\":{\"message\":\"y\"}}\n",
         "start(resp_1,m) error(error_event,y)", "AD"},
        {"no terminal event", CREATED MESSAGE TEXT("a"),
         "start(resp_1,m) other text(a) error(incomplete,)", "AAA"},
        {"an end mark is no end", CREATED MESSAGE TEXT("a") "[DONE]\n",
         "start(resp_1,m) other text(a) error(incomplete,)", "AAAD"},
        {"nothing is read behind an end mark",
         CREATED MESSAGE TEXT("a") "[DONE]\n" TEXT("b") COMPLETED,
         "start(resp_1,m) other text(a) error(incomplete,)", "AAADDD"},
        {"an end mark behind the end", CREATED MESSAGE TEXT("a") COMPLETED "[DONE]\n",
         "start(resp_1,m) other text(a) finish(stop) " OVER, "AAAAD"},
        {"nothing but the beginning", CREATED MESSAGE, "start(resp_1,m) other error(empty,)", "AA"},
        {"nothing", "", "error(empty,)", ""},
        {"no JSON", CREATED "<html>\n", "start(resp_1,m) error(bad_event,)", "AD"},
        {"no object", CREATED "[1]\n", "start(resp_1,m) error(bad_event,)", "AD"},
        {"half an event",
         CREATED MESSAGE "{\"type\":\"response.output_text.delta\",\"delta\":\"a\n",
         "start(resp_1,m) other error(incomplete,)", "AAD"},
        {"garbage behind the object",
         CREATED MESSAGE "{\"type\":\"response.output_text.delta\","
                         "\"delta\":\"a\"}}\n",
         "start(resp_1,m) other error(bad_event,)", "AAD"},
        {"terminal event without a response", CREATED "{\"type\":\"response.completed\"}\n",
         "start(resp_1,m) error(bad_event,)", "AD"},
    };
    RUN_ALL(rows);
}

TEST(usage_and_identity) {
    static const struct row rows[] = {
        {"identity from the end",
         ENDED("completed", ",\"created_at\":1741476777.5,\"output\":[{\"type\":\"message\","
                            "\"content\":[{\"text\":\"a\"}]}]" USAGE),
         "start(resp_1,m) text(a) finish(stop) " OVER, "A"},
        {"usage without details",
         CREATED TEXT("a")
             ENDED("completed", ",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}"),
         "start(resp_1,m) text(a) finish(stop) usage(1,2,0,0,0) done", "AAA"},
        {"usage of the wrong kind", CREATED TEXT("a") ENDED("completed", ",\"usage\":[1]"),
         "start(resp_1,m) text(a) finish(stop) done", "AAA"},
    };
    RUN_ALL(rows);
    struct tape *t = tape_new(SPAN(""));
    tape_data(t, SPAN(""),
              SPAN("{\"type\":\"response.created\",\"response\":{\"id\":\"r\","
                   "\"created_at\":1741476777.5,\"service_tier\":\"flex\"}}"));
    EXPECT_BYTES(t->reader.answer.created.p, t->reader.answer.created.n, "1741476777");
    EXPECT_BYTES(t->reader.answer.service_tier.p, t->reader.answer.service_tier.n, "flex");
    tape_free(t);
}

TEST(bounds) {
    struct tape *t = tape_new(SPAN(""));
    char event[300];
    tape_data(t, SPAN(""), SPAN("{\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}"));
    for (int i = 0; i < 3000 && !t->ended; i++) {
        int n = snprintf(event, sizeof event,
                         "{\"type\":\"response.output_text.delta\",\"output_index\":%d,\"delta\":"
                         "\"a\"}",
                         i);
        tape_data(t, SPAN(""), span_of(event, (size_t)n));
    }
    EXPECT_EQ(t->error, FAIL_TOO_LARGE);
    EXPECT(t->contents > 500);
    tape_free(t);

    t = tape_new(SPAN(""));
    for (int i = 0; i < 3000 && !t->ended; i++) {
        int n =
            snprintf(event, sizeof event,
                     "{\"type\":\"response.output_item.added\",\"output_index\":%d,\"item\":{"
                     "\"type\":\"function_call\",\"name\":\"f\",\"call_id\":\"call_number_%d\"}}",
                     i, i);
        tape_data(t, SPAN(""), span_of(event, (size_t)n));
    }
    EXPECT_EQ(t->error, FAIL_TOO_LARGE);
    EXPECT_EQ(t->contents, 256);
    tape_free(t);
}

/* Memory that ends: the first event fails, and is not the end of the process. */
TEST(no_memory) {
    struct memory memory;
    struct arena arena;
    struct chat_reader reader;
    struct tape *t = tape_new(SPAN(""));
    memory_init(&memory, 0, 0);
    arena_init(&arena, &memory);
    RESPONSES->reader_init(&reader, &arena);
    t->reader = reader;
    EXPECT_EQ(RESPONSES->read_event(&t->reader, SPAN(""), SPAN("{\"type\":\"x\"}"), tape_sink(t)),
              CHAT_DROP);
    EXPECT_EQ(t->error, FAIL_OVERLOAD);
    RESPONSES->read_end(&t->reader, tape_sink(t));
    arena_fini(&arena);
    memory_fini(&memory);
    tape_free(t);
}

TEST(whole_bodies) {
    static const struct {
        const char *name, *body, *log;
    } rows[] = {
        {"answer",
         "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"error\":null,"
         "\"model\":\"m\",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\","
         "\"text\":\"a\"}]}]" USAGE "}",
         "start(resp_1,m) text(a) finish(stop) " OVER},
        {"no status",
         "{\"id\":\"r\",\"output\":[{\"type\":\"message\",\"content\":[{\"text\":"
         "\"a\"}]}]}",
         "start(r,) text(a) finish(stop) done"},
        {"incomplete", "{\"id\":\"r\",\"status\":\"incomplete\",\"output\":[]}",
         "start(r,) finish(length) done"},
        {"failed",
         "{\"id\":\"r\",\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\","
         "\"message\":\"x\"},\"output\":[]}",
         "error(rate_limited,x)"},
        {"failed without a word", "{\"id\":\"r\",\"status\":\"failed\",\"output\":[]}",
         "start(r,) error(error_event,)"},
        {"in the background", "{\"id\":\"r\",\"status\":\"queued\",\"output\":[]}",
         "start(r,) error(empty,)"},
        {"error", "{\"error\":{\"message\":\"x\",\"code\":\"invalid_api_key\"}}",
         "error(upstream_auth,x)"},
        {"error of a gateway", "{\"detail\":\"nope\"}", "error(error_event,nope)"},
        {"in an array", "[{\"error\":{\"message\":\"x\",\"code\":429}}]", "error(rate_limited,x)"},
        {"another dialect's", "{\"id\":\"c\",\"choices\":[]}", "error(bad_event,)"},
        {"nothing", " ", "error(empty,)"},
        {"html", "<html>", "error(bad_event,)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = tape_new(SPAN(""));
        ROW("%s", rows[i].name);
        tape_body(t, span_str(rows[i].body));
        EXPECT_STR(tape_text(&t->log), rows[i].log);
        EXPECT(t->ended && !t->reader.end_relayed);
        tape_end(t);
        tape_free(t);
    }
}
