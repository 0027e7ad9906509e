/* test_openai_chat_read.c - canonical events and relay verdicts of provider streams, by rows. */
#include "tests/unit/providers/tape.h"

/* One chunk as OpenAI writes it; choices given whole. */
#define CHUNK(choices)                                                                   \
    "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\"," \
    "\"choices\":[" choices "]}\n"
#define CHUNK_AND(choices, more)                                                         \
    "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\"," \
    "\"choices\":[" choices "]," more "}\n"
#define DELTA(delta)   CHUNK("{\"index\":0,\"delta\":{" delta "},\"finish_reason\":null}")
#define FINISH(reason) CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}")
#define ROLE           DELTA("\"role\":\"assistant\",\"content\":\"\"")
#define TEXT(text)     DELTA("\"content\":\"" text "\"")
#define CALL(calls)    DELTA("\"tool_calls\":[" calls "]")
#define DONE           "[DONE]\n"
/* the tail of what the relay writes */
#define HEAD                                                                             \
    "data: "                                                                             \
    "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\"," \
    "\"choices\":[{\"index\":0,\"delta\":"
#define TAIL ",\"logprobs\":null,\"finish_reason\":null}]}\n\n"
#define OVER "data: [DONE]\n\n"

struct row {
    const char *name;
    const char *lines; /* data of the events, one a line; "!" before it: event name error */
    const char *log;
    const char *verdicts;
    const char *relayed; /* NULL: every A line as it is, then the end */
    bool usage;
};

static void run(const struct row *row) {
    struct tape *t = tape_new(row->usage);
    char *copy = strdup(row->lines);
    ROW("%s", row->name);
    for (char *line = copy, *end; (end = strchr(line, '\n')); line = end + 1) {
        bool named = *line == '!';
        line += named;
        /* A private copy without a byte to spare. */
        size_t n = (size_t)(end - line);
        char *data = malloc(n ? n : 1);
        for (size_t i = 0; i < n; i++)
            data[i] = line[i] == '\v' ? '\n' : line[i];
        tape_data(t, named ? SPAN("error") : SPAN(""), span_of(data, n));
        free(data);
    }
    tape_end(t);
    EXPECT_STR(tape_text(&t->log), row->log);
    EXPECT_STR(t->verdicts, row->verdicts);
    if (row->relayed)
        EXPECT_STR(tape_text(&t->relayed), row->relayed);
    free(copy);
    tape_free(t);
}

TEST(clean_streams_are_relayed_as_they_came) {
    static const struct row rows[] = {
        {"openai", ROLE TEXT("Hel") TEXT("lo \\u00e9\\n") FINISH("stop") DONE,
         "start(c1,m) text0(Hel) text0(lo \\u00e9\\n) finish0(stop) done", "AAAAD", NULL, false},
        {"no end mark", ROLE TEXT("a") FINISH("length"),
         "start(c1,m) text0(a) finish0(length) done", "AAA", NULL, false},
        {"refusal", DELTA("\"role\":\"assistant\",\"refusal\":\"No\"") FINISH("stop") DONE,
         "start(c1,m) refusal0(No) finish0(stop) done", "AAD", NULL, false},
        {"reasoning names",
         DELTA("\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"hm\"")
             DELTA("\"reasoning\":\"m\"") TEXT("a") FINISH("stop") DONE,
         "start(c1,m) reason0(hm) reason0(m) text0(a) finish0(stop) done", "AAAAD", NULL, false},
        {"both reasoning names say it once",
         DELTA("\"role\":\"assistant\",\"reasoning\":\"x\",\"reasoning_content\":\"x\"")
             FINISH("stop") DONE,
         "start(c1,m) reason0(x) finish0(stop) done", "AAD", NULL, false},
        {"content and reasoning in one chunk",
         DELTA("\"role\":\"assistant\",\"reasoning_content\":\"r\",\"content\":\"c\"")
             FINISH("stop") DONE,
         "start(c1,m) reason0(r) text0(c) finish0(stop) done", "AAD", NULL, false},
        {"content on the finish chunk",
         ROLE CHUNK("{\"index\":0,\"delta\":{\"content\":\"!\"},\"finish_reason\":\"stop\"}") DONE,
         "start(c1,m) text0(!) finish0(stop) done", "AAD", NULL, false},
        {"tool call",
         DELTA("\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,\"id\":\"t1\","
               "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]")
             CALL("{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}}") CALL(
                 "{\"index\":0,\"function\":{\"arguments\":\"1}\"}}") FINISH("tool_calls") DONE,
         "start(c1,m) call0.0(t1,f,) args0.0({\\\"a\\\":) args0.0(1}) finish0(tool_calls) done",
         "AAAAD", NULL, false},
        {"custom tool",
         DELTA("\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"type\":"
               "\"custom\",\"custom\":{\"name\":\"f\",\"input\":\"\"}}]") FINISH("tool_calls") DONE,
         "start(c1,m) custom0.0(t1,f,) finish0(tool_calls) done", "AAD", NULL, false},
        {"nulls on later pieces",
         DELTA("\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"type\":"
               "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]")
             CALL("{\"index\":0,\"id\":null,\"type\":null,\"function\":{\"name\":null,"
                  "\"arguments\":\"}\"}}") FINISH("tool_calls") DONE,
         "start(c1,m) call0.0(t,f,{) args0.0(}) finish0(tool_calls) done", "AAAD", NULL, false},
        {"two choices",
         CHUNK("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":"
               "null}") CHUNK("{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                              "\"finish_reason\":null}")
             CHUNK("{\"index\":1,\"delta\":{\"content\":\"b\"},\"finish_reason\":null}") TEXT("a")
                 FINISH("stop") CHUNK("{\"index\":1,\"delta\":{},\"finish_reason\":\"length\"}")
                     DONE,
         "start(c1,m) text1(b) text0(a) finish0(stop) finish1(length) done", "AAAAAAD", NULL,
         false},
        {"index last, finish first (Azure, Qwen)",
         CHUNK("{\"delta\":{\"content\":\"x\",\"role\":\"assistant\"},\"finish_reason\":null,"
               "\"index\":1}")
             CHUNK("{\"finish_reason\":\"stop\",\"delta\":{\"content\":\"y\"},\"index\":1}") DONE,
         "start(c1,m) text1(x) text1(y) finish1(stop) done", "AAD", NULL, false},
        {"no finish_reason key (xAI)",
         CHUNK("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"x\"}}") FINISH("stop")
             DONE,
         "start(c1,m) text0(x) finish0(stop) done", "AAD", NULL, false},
        {"logprobs",
         CHUNK("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"x\"},\"logprobs\":{"
               "\"content\":[{\"token\":\"x\"}]},\"finish_reason\":null}") FINISH("stop") DONE,
         "start(c1,m) text0(x) extra0(logprobs={\"content\":[{\"token\":\"x\"}]}) finish0(stop) "
         "done",
         "AAD", NULL, false},
        {"audio",
         DELTA("\"role\":\"assistant\",\"audio\":{\"id\":\"a\",\"transcript\":\"\"}")
             DELTA("\"audio\":{\"data\":\"AA==\"}") FINISH("stop") DONE,
         "start(c1,m) extra0(audio={\"id\":\"a\",\"transcript\":\"\"}) "
         "media0(audio={\"data\":\"AA==\"}) finish0(stop) done",
         "AAAD", NULL, false},
        {"function_call",
         DELTA("\"role\":\"assistant\",\"content\":null,\"function_call\":{\"name\":\"f\","
               "\"arguments\":\"\"}") DELTA("\"function_call\":{\"arguments\":\"{}\"}")
             FINISH("function_call") DONE,
         "start(c1,m) media0(function_call={\"name\":\"f\",\"arguments\":\"\"}) "
         "media0(function_call={\"arguments\":\"{}\"}) finish0(function_call) done",
         "AAAD", NULL, false},
        {"a clean finish without content is an end", ROLE FINISH("content_filter") DONE,
         "start(c1,m) finish0(content_filter) done", "AAD", NULL, false},
        {"foreign scalars",
         DELTA("\"role\":\"assistant\",\"content\":\"x\",\"channel\":\"final\"") FINISH("stop")
             DONE,
         "start(c1,m) text0(x) finish0(stop) done", "AAD", NULL, false},
        {"keys with escapes",
         "{\"\\u0063hoices\":[{\"inde\\u0078\":0,\"delt\\u0061\":{\"rol\\u0065\":\"assistant\","
         "\"c\\u006fntent\":\"x\"}}],\"i\\u0064\":\"c1\",\"model\":\"m\"}\n" FINISH("stop") DONE,
         "start(c1,m) text0(x) finish0(stop) done", "AAD", NULL, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run(&rows[i]);
}

TEST(what_clients_must_not_see_is_dropped) {
    static const struct row rows[] = {
        {"keep-alives in data", ": keepalive\n\n   \n" ROLE ":\n" TEXT("a") FINISH("stop") DONE,
         "other other other start(c1,m) other text0(a) finish0(stop) done", "DDDADAAD", NULL,
         false},
        {"azure prompt filter",
         "{\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_"
         "results\":[{\"prompt_index\":0}]}\n" ROLE TEXT("a") FINISH("stop") DONE,
         "extra0(prompt_filter_results=[{\"prompt_index\":0}]) other start(c1,m) text0(a) "
         "finish0(stop) done",
         "DAAAD", NULL, false},
        {"azure asynchronous filter",
         ROLE TEXT("a") CHUNK(
             "{\"index\":0,\"finish_reason\":null,\"content_filter_offsets\":{\"check_offset\":1}}")
             FINISH("stop") DONE,
         "start(c1,m) text0(a) extra0(content_filter_offsets={\"check_offset\":1}) finish0(stop) "
         "done",
         "AADAD", NULL, false},
        {"usage nobody asked for",
         ROLE TEXT("a") FINISH("stop")
             CHUNK_AND("", "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}") DONE,
         "start(c1,m) text0(a) finish0(stop) usage(3,2,0,0) done", "AAADD", NULL, false},
        {"a repeated finish", ROLE TEXT("a") FINISH("stop") FINISH("stop") DONE,
         "start(c1,m) text0(a) finish0(stop) done", "AAADD", NULL, false},
        {"an object that says nothing",
         "{\"id\":\"c1\",\"object\":\"ping\"}\n" ROLE TEXT("a") FINISH("stop") DONE,
         "other start(c1,m) text0(a) finish0(stop) done", "DAAAD", NULL, false},
        {"what comes after the end",
         ROLE TEXT("a") FINISH("stop") DONE TEXT("b") DONE "{\"error\":{\"message\":\"x\"}}\n",
         "start(c1,m) text0(a) finish0(stop) done", "AAADDDD", NULL, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run(&rows[i]);
}

TEST(faults_are_mended) {
    static const struct row rows[] = {
        {"no tool index",
         ROLE CALL("{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                   "\"arguments\":\"{}\"}}") FINISH("tool_calls") DONE,
         "start(c1,m) call0.0(t1,f,{}) finish0(tool_calls) done", "ARAD",
         "data: "
         "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\","
         "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_"
         "reason\":null}]}\n\n" HEAD
         "{\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":"
         "\"f\",\"arguments\":\"{}\"}}]}" TAIL "data: "
         "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\","
         "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n" OVER,
         false},
        {"parallel calls that all say index 0",
         ROLE CALL("{\"index\":0,\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                   "\"arguments\":\"{}\"}},{\"index\":0,\"id\":\"t2\",\"type\":\"function\","
                   "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
             CALL("{\"index\":0,\"id\":\"t3\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                  "\"arguments\":\"\"}}") CALL("{\"index\":0,\"function\":{\"arguments\":\"{}\"}}")
                 FINISH("tool_calls") DONE,
         "start(c1,m) call0.0(t1,f,{}) call0.1(t2,f,{}) call0.2(t3,f,) args0.2({}) "
         "finish0(tool_calls) done",
         "ARRRAD", NULL, false},
        {"parallel calls without ids that all say index 0",
         ROLE CALL("{\"index\":0,\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
                   "\"{}\"}}") CALL("{\"index\":0,\"id\":\"\",\"type\":\"function\",\"function\":{"
                                    "\"name\":\"g\",\"arguments\":\"{}\"}}") FINISH("stop") DONE,
         "start(c1,m) call0.0(,f,{}) call0.1(,g,{}) finish0(tool_calls) done", "ARRRD", NULL,
         false},
        {"id and name again, and empty (Qwen, Mistral)",
         ROLE CALL("{\"index\":0,\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                   "\"arguments\":\"\"}}") CALL("{\"index\":0,\"id\":\"\",\"type\":\"function\","
                                                "\"function\":{\"arguments\":\"{\"}}")
             CALL("{\"index\":0,\"function\":{\"name\":\"\",\"arguments\":\"}\"}}") CALL(
                 "{\"index\":0,\"id\":\"t1\",\"function\":{\"name\":\"f\",\"arguments\":\" \"}}")
                 CALL("{\"index\":0,\"id\":\"\",\"function\":{\"arguments\":\"\"}}")
                     FINISH("tool_calls") DONE,
         "start(c1,m) call0.0(t1,f,) args0.0({) args0.0(}) args0.0( ) finish0(tool_calls) done",
         "AARRRDAD", NULL, false},
        {"finish stop after a call without arguments",
         ROLE CALL("{\"index\":0,\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                   "\"arguments\":\"\"}}") FINISH("stop") DONE,
         "start(c1,m) call0.0(t1,f,) args0.0({}) finish0(tool_calls) done", "AARD",
         "data: "
         "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\","
         "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_"
         "reason\":null}]}\n\n"
         "data: "
         "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\","
         "\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"type\":"
         "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]},\"finish_reason\":null}]"
         "}\n\n" HEAD
         "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}" TAIL HEAD
         "{},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}]}\n\n" OVER,
         false},
        {"id first, name later",
         ROLE CALL(
             "{\"index\":0,\"id\":\"t1\",\"type\":\"function\",\"function\":{\"arguments\":\"\"}}")
             CALL("{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
                 FINISH("tool_calls") DONE,
         "start(c1,m) call0.0(t1,f,{}) finish0(tool_calls) done", "ADRAD", NULL, false},
        {"no type",
         ROLE CALL("{\"index\":0,\"id\":\"t1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
             FINISH("tool_calls") DONE,
         "start(c1,m) call0.0(t1,f,{}) finish0(tool_calls) done", "ARAD", NULL, false},
        {"calls are numbered as they start",
         ROLE CALL("{\"index\":0,\"id\":\"t1\",\"x\":[1]}")
             CALL("{\"index\":1,\"id\":\"t2\",\"type\":\"function\",\"function\":{\"name\":\"g\","
                  "\"arguments\":\"{}\"}}")
                 CALL("{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
                     FINISH("tool_calls") DONE,
         "start(c1,m) call0.0(t2,g,{}) call0.1(t1,f,{}) finish0(tool_calls) done", "ADRRAD", NULL,
         false},
        {"a call that never gets a name is none",
         ROLE TEXT("a") CALL("{\"index\":0,\"id\":\"t1\",\"type\":\"function\"}") FINISH("stop")
             DONE,
         "start(c1,m) text0(a) finish0(stop) done", "AADAD", NULL, false},
        {"arguments as an object",
         ROLE CALL("{\"index\":0,\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                   "\"arguments\":{\"a\":\"\\n\"}}}") FINISH("tool_calls") DONE,
         "start(c1,m) call0.0(t1,f,{\\\"a\\\":\\\"\\\\n\\\"}) finish0(tool_calls) done", "ARAD",
         NULL, false},
        {"thought signature of a call",
         ROLE CALL("{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                   "\"arguments\":\"{}\"},\"extra_content\":{\"google\":{\"s\":1}}}")
             FINISH("tool_calls") DONE,
         "start(c1,m) call0.0(t1,f,{}) extra0(extra_content={\"google\":{\"s\":1}}) "
         "finish0(tool_calls) done",
         "ARAD", NULL, false},
        {"tool_calls [] with text",
         ROLE DELTA("\"content\":\"a\",\"tool_calls\":[]") DELTA("\"tool_calls\":[]") FINISH("stop")
             DONE,
         "start(c1,m) text0(a) finish0(stop) done", "ARDAD", NULL, false},
        {"unknown finish reason", ROLE TEXT("a") FINISH("eos") DONE,
         "start(c1,m) text0(a) finish0(stop) done", "AARD", NULL, false},
        {"foreign finish reason", ROLE TEXT("a") FINISH("model_length") DONE,
         "start(c1,m) text0(a) finish0(length) done", "AARD", NULL, false},
        {"empty finish reason",
         ROLE CHUNK("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"\"}")
             FINISH("stop") DONE,
         "start(c1,m) text0(a) finish0(stop) done", "ARAD", NULL, false},
        {"role on every chunk, finish twice (OpenRouter)",
         DELTA("\"role\":\"assistant\",\"content\":\"a\"")
             DELTA("\"role\":\"assistant\",\"content\":\"b\"") CHUNK(
                 "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_"
                 "reason\":\"stop\"}") CHUNK("{\"index\":0,\"delta\":{\"role\":\"assistant\","
                                             "\"content\":\"\"},\"finish_reason\":\"stop\"}") DONE,
         "start(c1,m) text0(a) text0(b) finish0(stop) done", "ARRDD",
         "data: "
         "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\","
         "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"},\"finish_"
         "reason\":null}]}\n\n" HEAD "{\"content\":\"b\"}" TAIL HEAD
         "{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n" OVER,
         false},
        {"no role at all (Mistral)", TEXT("a") TEXT("b") FINISH("stop") DONE,
         "start(c1,m) text0(a) text0(b) finish0(stop) done", "RAAD",
         HEAD
         "{\"role\":\"assistant\",\"content\":\"\"}" TAIL HEAD "{\"content\":\"a\"}" TAIL "data: "
         "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\","
         "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_reason\":null}]}\n\n"
         "data: "
         "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\","
         "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" OVER,
         false},
        {"role in a chunk that is dropped",
         DELTA("\"role\":\"assistant\",\"tool_calls\":[]") TEXT("a") FINISH("stop") DONE,
         "start(c1,m) text0(a) finish0(stop) done", "DRAD",
         HEAD "{\"role\":\"assistant\",\"content\":\"\"}" TAIL HEAD "{\"content\":\"a\"}" TAIL
              "data: "
              "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\","
              "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" OVER,
         false},
        {"content as parts (Mistral)",
         ROLE DELTA("\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":"
                    "\"hm\"}]},{\"type\":\"text\",\"text\":\"a\"}]") FINISH("stop") DONE,
         "start(c1,m) reason0(hm) text0(a) finish0(stop) done", "ARAD", NULL, false},
        {"data joined from several lines",
         ROLE "{\"id\":\"c1\",\v\"model\":\"m\",\"choices\":[{\"index\":0,\v\"delta\":{\"content\":"
              "\"a\"}}]}\n" FINISH("stop") DONE,
         "start(c1,m) text0(a) finish0(stop) done", "ARAD", NULL, false},
        {"no choice index",
         CHUNK("{\"delta\":{\"role\":\"assistant\",\"content\":\"a\"}},{\"delta\":{\"role\":"
               "\"assistant\",\"content\":\"b\"}}"),
         "start(c1,m) text0(a) text1(b) error(incomplete,)", "R", NULL, false},
        {"who speaks, in strange types",
         "{\"id\":{\"a\":1},\"created\":\"now\",\"model\":[],\"service_tier\":null,\"system_"
         "fingerprint\":7,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n" FINISH(
             "stop") DONE,
         "start(,) text0(a) finish0(stop) done", "RAD",
         "data: "
         "{\"id\":\"chatcmpl\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
         "\"model\":\"asked\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
         "\"content\":\"\"}" TAIL "data: "
         "{\"id\":\"chatcmpl\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
         "\"model\":\"asked\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}" TAIL "data: "
         "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\","
         "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" OVER,
         false},
        {"a finish without delta",
         ROLE TEXT("a") CHUNK("{\"index\":0,\"finish_reason\":\"stop\"}") DONE,
         "start(c1,m) text0(a) finish0(stop) done", "AARD", NULL, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run(&rows[i]);
}

TEST(usage_the_last_one_wins) {
#define USAGE(i, o)       "\"usage\":{\"prompt_tokens\":" #i ",\"completion_tokens\":" #o "}"
#define USAGE_CHUNK(i, o) CHUNK_AND("", USAGE(i, o))
#define TEXT_AND_USAGE(t, i, o) \
    CHUNK_AND("{\"index\":0,\"delta\":{\"content\":\"" t "\"},\"finish_reason\":null}", USAGE(i, o))
#define USAGE_WRITTEN(i, o)                                                              \
    "data: "                                                                             \
    "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\"," \
    "\"choices\":[],\"usage\":{\"prompt_tokens\":" #i ",\"completion_tokens\":" #o "}}\n\n"
    static const struct row rows[] = {
        {"a chunk of its own, asked for", ROLE TEXT("a") FINISH("stop") USAGE_CHUNK(3, 2) DONE,
         "start(c1,m) text0(a) finish0(stop) usage(3,2,0,0) done", "AAAAD", NULL, true},
        {"on the finish chunk, asked for",
         ROLE CHUNK_AND("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}",
                        USAGE(3, 2)) DONE,
         "start(c1,m) text0(a) finish0(stop) usage(3,2,0,0) done", "ARD",
         "data: "
         "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\","
         "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_"
         "reason\":null}]}\n\n" HEAD
         "{\"content\":\"a\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n" HEAD
         "{},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":null}\n\n" USAGE_WRITTEN(3, 2)
             OVER,
         true},
        {"on the finish chunk, not asked for",
         ROLE CHUNK_AND("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}",
                        USAGE(3, 2)) DONE,
         "start(c1,m) text0(a) finish0(stop) usage(3,2,0,0) done", "AAD", NULL, false},
        {"on every chunk",
         ROLE TEXT_AND_USAGE("a", 3, 1) TEXT_AND_USAGE("b", 3, 2) FINISH("stop") DONE,
         "start(c1,m) text0(a) usage(3,1,0,0) text0(b) usage(3,2,0,0) finish0(stop) done", "ARRAD",
         NULL, true},
        {"twice in chunks of its own",
         ROLE TEXT("a") USAGE_CHUNK(3, 1) FINISH("stop") USAGE_CHUNK(3, 2) USAGE_CHUNK(3, 2) DONE,
         "start(c1,m) text0(a) usage(3,1,0,0) finish0(stop) usage(3,2,0,0) usage(3,2,0,0) done",
         "AADAADD", NULL, true},
        {"in the choice (Kimi)",
         ROLE CHUNK("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\","
                    "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"cached_tokens\":1}}")
             DONE,
         "start(c1,m) text0(a) finish0(stop) usage(3,2,1,0) done", "AAD", NULL, false},
        {"in x_groq",
         ROLE TEXT("a") CHUNK_AND(
             "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}",
             "\"x_groq\":{\"id\":\"r\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}")
             DONE,
         "start(c1,m) text0(a) finish0(stop) usage(3,2,0,0) done", "AAAD", NULL, false},
        {"after a finish, with an empty delta (OpenRouter)",
         DELTA("\"role\":\"assistant\",\"content\":\"a\"") FINISH("stop")
             CHUNK_AND("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_"
                       "reason\":null}",
                       USAGE(3, 2)) DONE,
         "start(c1,m) text0(a) finish0(stop) usage(3,2,0,0) done", "AADD", NULL, false},
        {"details; null is no usage",
         CHUNK_AND("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"},\"finish_"
                   "reason\":\"stop\"}",
                   "\"usage\":null")
             CHUNK_AND("", "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":9,\"total_"
                           "tokens\":19,\"prompt_tokens_details\":{\"cached_tokens\":4},"
                           "\"completion_tokens_details\":{\"reasoning_tokens\":5}}") DONE,
         "start(c1,m) text0(a) finish0(stop) usage(10,9,4,5) done", "ADD", NULL, false},
        {"reasoning beside the completion (xAI)",
         DELTA("\"role\":\"assistant\",\"content\":\"a\"") FINISH("stop")
             CHUNK_AND("", "\"usage\":{\"prompt_tokens\":291,\"completion_tokens\":26,\"total_"
                           "tokens\":513,\"prompt_tokens_details\":{\"cached_tokens\":290},"
                           "\"completion_tokens_details\":{\"reasoning_tokens\":196}}") DONE,
         "start(c1,m) text0(a) finish0(stop) usage(291,222,290,196) done", "AADD", NULL, false},
        {"cache hits (DeepSeek)",
         DELTA("\"role\":\"assistant\",\"content\":\"a\"") FINISH("stop")
             CHUNK_AND("", "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1,\"prompt_cache_"
                           "hit_tokens\":8}") DONE,
         "start(c1,m) text0(a) finish0(stop) usage(9,1,8,0) done", "AADD", NULL, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run(&rows[i]);
}

TEST(a_client_that_wants_usage_on_every_chunk_gets_it) {
    struct tape *t = tape_new(true);
    const char *chunk = "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
                        "\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":1}}";
    t->reader.keep_usage = true;
    tape_data(t, SPAN(""), span_str(chunk));
    EXPECT_STR(t->verdicts, "A");
    tape_free(t);
}

TEST(errors) {
    static const struct row rows[] = {
        {"first",
         "{\"error\":{\"message\":\"Overloaded\",\"type\":\"server_error\",\"param\":null,\"code\":"
         "\"overloaded\"}}\n" DONE,
         "error(overloaded,Overloaded)", "DD",
         "data: {\"error\":{\"message\":\"the provider is "
         "overloaded\",\"type\":\"server_error\",\"param\":null,\"code\":\"overloaded\"}}\n\n",
         false},
        {"midway",
         ROLE TEXT("Hel") "{\"error\":{\"message\":\"boom\",\"type\":\"server_error\",\"code\":"
                          "null}}\n" DONE,
         "start(c1,m) text0(Hel) error(error_event,boom)", "AADD", NULL, false},
        {"a number for a code", "{\"error\":{\"code\":429,\"message\":\"slow down\"}}\n",
         "error(rate_limited,slow down)", "D", NULL, false},
        {"code 502", "{\"error\":{\"code\":502,\"message\":\"x\"}}\n", "error(upstream_5xx,x)", "D",
         NULL, false},
        {"digits in a string", "{\"error\":{\"code\":\"401\",\"message\":\"x\"}}\n",
         "error(upstream_auth,x)", "D", NULL, false},
        {"a status beside a vague type",
         "{\"error\":{\"type\":\"invalid_request_error\",\"status_code\":503}}\n",
         "error(overloaded,)", "D", NULL, false},
        {"quota", "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"pay\"}}\n",
         "error(quota,pay)", "D", NULL, false},
        {"policy", "{\"error\":{\"code\":\"content_filter\",\"message\":\"no\"}}\n",
         "error(policy,no)", "D", NULL, false},
        {"google", "{\"error\":{\"code\":503,\"message\":\"x\",\"status\":\"UNAVAILABLE\"}}\n",
         "error(overloaded,x)", "D", NULL, false},
        {"a text", "{\"error\":\"boom\"}\n", "error(error_event,boom)", "D", NULL, false},
        {"only the event's name tells", "!{\"code\":\"InternalError\",\"message\":\"boom\"}\n",
         "extra0(code=\"InternalError\") extra0(message=\"boom\") error(error_event,boom)", "D",
         NULL, false},
        {"only the event's name, and no JSON", "!boom\n", "error(error_event,)", "D", NULL, false},
        {"without a member error (old vLLM)",
         "{\"object\":\"error\",\"message\":\"bad\",\"type\":\"BadRequestError\",\"param\":null,"
         "\"code\":400}\n",
         "extra0(message=\"bad\") extra0(type=\"BadRequestError\") extra0(code=400) "
         "error(refused,bad)",
         "D", NULL, false},
        {"DashScope", "{\"code\":\"Throttling\",\"message\":\"slow\",\"request_id\":\"r\"}\n",
         "extra0(code=\"Throttling\") extra0(message=\"slow\") extra0(request_id=\"r\") "
         "error(rate_limited,slow)",
         "D", NULL, false},
        {"with choices: content is kept",
         CHUNK_AND("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"finish_"
                   "reason\":\"error\"}",
                   "\"error\":{\"code\":502,\"message\":\"gone\"}") DONE,
         "start(c1,m) text0(Hel) error(upstream_5xx,gone)", "RD", NULL, false},
        {"finish reason error alone", ROLE TEXT("a") FINISH("error") DONE,
         "start(c1,m) text0(a) error(error_event,)", "AADD", NULL, false},
        {"finish for want of resources (DeepSeek)", ROLE FINISH("insufficient_system_resource"),
         "start(c1,m) error(overloaded,)", "AD", NULL, false},
        {"error null and false are none",
         CHUNK_AND("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"},\"finish_"
                   "reason\":\"stop\"}",
                   "\"error\":null") DONE,
         "start(c1,m) text0(a) finish0(stop) done", "AD", NULL, false},
        {"end before finish", ROLE TEXT("a"), "start(c1,m) text0(a) error(incomplete,)", "AA", NULL,
         false},
        {"end mark before finish", ROLE TEXT("a") DONE, "start(c1,m) text0(a) error(incomplete,)",
         "AAD", NULL, false},
        {"one of two choices unfinished",
         ROLE CHUNK("{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"b\"}}")
             FINISH("stop") DONE,
         "start(c1,m) text1(b) finish0(stop) error(incomplete,)", "AAAD", NULL, false},
        {"nothing", "", "error(empty,)", "", NULL, false},
        {"only the end mark", DONE, "error(empty,)", "D", NULL, false},
        {"only a role", ROLE DONE, "start(c1,m) error(empty,)", "AD", NULL, false},
        {"not JSON", ROLE TEXT("a") "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\n",
         "start(c1,m) text0(a) error(incomplete,)", "AAD", NULL, false},
        {"not JSON either", ROLE TEXT("a") "{\"choices\":[{]}\n",
         "start(c1,m) text0(a) error(bad_event,)", "AAD", NULL, false},
        {"half an event does not win the race",
         "{\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":"
         "\"b\"},\n",
         "error(incomplete,)", "D", NULL, false},
        {"nor after a role",
         ROLE "{\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\n",
         "start(c1,m) error(incomplete,)", "AD", NULL, false},
        {"JSON, but no object", "[1,2]\n", "error(bad_event,)", "D", NULL, false},
        {"a choice that is none", "{\"choices\":[5]}\n", "start(,) error(bad_event,)", "D", NULL,
         false},
        {"index out of bounds", CHUNK("{\"index\":128,\"delta\":{\"content\":\"a\"}}"),
         "start(c1,m) error(bad_event,)", "D", NULL, false},
        {"index negative", CHUNK("{\"index\":-1,\"delta\":{\"content\":\"a\"}}"),
         "start(c1,m) error(bad_event,)", "D", NULL, false},
        {"html", "<html>\n", "error(bad_event,)", "D", NULL, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run(&rows[i]);
}

TEST(whole_bodies) {
    static const struct {
        const char *name, *body, *log;
    } rows[] = {
        {"text",
         "{\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":7,\"model\":\"m\",\"choices\":["
         "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\",\"refusal\":null,"
         "\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_"
         "tokens\":3,\"completion_tokens\":2}}",
         "start(c1,m) text0(Hello) finish0(stop) usage(3,2,0,0) done"},
        {"calls",
         "{\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
         "\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\","
         "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"id\":\"t2\",\"type\":\"function\","
         "\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]},\"finish_reason\":\"stop\"}]}",
         "start(c1,m) call0.0(t1,f,{}) call0.1(t2,g,) args0.1({}) finish0(tool_calls) done"},
        {"white space around",
         " \r\n\t{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":null}]}\n ",
         "start(,) text0(a) done"},
        {"filtered",
         "{\"choices\":[{\"message\":{\"role\":\"assistant\"},\"finish_reason\":\"content_filter\"}"
         "]}",
         "start(,) finish0(content_filter) done"},
        {"an error with status 200",
         "{\"error\":{\"message\":\"filtered\",\"code\":\"content_filter\",\"status\":400}}",
         "error(policy,filtered)"},
        {"pretty error",
         "{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"Resource exhausted.\",\n    "
         "\"status\": \"RESOURCE_EXHAUSTED\"\n  }\n}\n",
         "error(rate_limited,Resource exhausted.)"},
        {"error in an array",
         "[{\"error\":{\"code\":503,\"message\":\"x\",\"status\":\"UNAVAILABLE\"}}]",
         "error(overloaded,x)"},
        {"a list of faults",
         "{\"object\":\"error\",\"message\":{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"Extra "
         "inputs\"}]},\"type\":\"invalid_request_error\"}",
         "extra0(message={\"detail\":[{\"loc\":[\"body\"],\"msg\":\"Extra inputs\"}]}) "
         "extra0(type=\"invalid_request_error\") error(refused,Extra inputs)"},
        {"no error at all", "[{\"candidates\":[]}]", "error(bad_event,)"},
        {"html", "<html>502</html>", "error(bad_event,)"},
        {"empty", "", "error(empty,)"},
        {"blank", " \n", "error(empty,)"},
        {"no choices", "{\"id\":\"c\",\"choices\":[]}", "error(empty,)"},
        {"cut", "{\"id\":\"c\",\"choices\":[{\"message\":{\"content\":\"a\"}", "error(bad_event,)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = tape_new(false);
        size_t n = strlen(rows[i].body);
        char *copy = malloc(n ? n : 1);
        memcpy(copy, rows[i].body, n);
        ROW("%s", rows[i].name);
        tape_body(t, span_of(copy, n));
        EXPECT_STR(tape_text(&t->log), rows[i].log);
        EXPECT_EQ(t->reader.ended, true);
        free(copy);
        tape_free(t);
    }
}

static void ignore(void *owner, const struct chat_event *event) {
    (void)owner;
    (void)event;
}

/* A thousand clean events take no memory: what was taken for the first ones is enough for all. */
TEST(a_clean_event_takes_no_memory) {
    static const char *const chunks[] = {
        TEXT("Hello"), DELTA("\"reasoning_content\":\"hm\""),
        CALL("{\"index\":0,\"function\":{\"arguments\":\"x\"}}"),
        CHUNK_AND("{\"index\":0,\"delta\":{\"content\":\"a\"}}",
                  "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":7}")};
    struct tape *t = tape_new(false);
    struct chat_sink sink = {.event = ignore};
    tape_data(
        t, SPAN(""),
        span_str(DELTA("\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"type\":"
                       "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]")));
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++)
        dialect_openai_chat.read_event(&t->reader, SPAN(""),
                                       span_of(chunks[i], strlen(chunks[i]) - 1), sink);
    size_t before = t->arena.used_bytes;
    for (size_t i = 0; i < 1000; i++) {
        const char *chunk = chunks[i % (sizeof chunks / sizeof chunks[0])];
        EXPECT_EQ(dialect_openai_chat.read_event(&t->reader, SPAN(""),
                                                 span_of(chunk, strlen(chunk) - 1), sink),
                  CHAT_AS_IS);
    }
    EXPECT_EQ(t->arena.used_bytes, before);
    tape_free(t);
}

TEST(too_many_calls_end_the_answer) {
    struct tape *t = tape_new(false);
    char chunk[400];
    tape_data(t, SPAN(""), span_str(ROLE));
    for (unsigned i = 0; i <= TOOL_CALLS_MAX; i++) {
        int n = snprintf(chunk, sizeof chunk,
                         "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
                         "\"id\":\"t%u\",\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}}]}",
                         i);
        EXPECT_EQ(t->ended, false);
        tape_data(t, SPAN(""), span_of(chunk, (size_t)n));
    }
    EXPECT_EQ(t->ended, true);
    EXPECT_EQ(t->error, FAIL_BAD_EVENT);
    tape_free(t);
}
