/* test_ask.c - chat completion requests as the simulated clouds read them (bench/format_openai_read.c), by rows.
 */
#include "tests/test.h"

#include "bench/format_openai.h"

#define USER "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define TOOL "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"

static struct ask ask;

static bool read_chat(const char *body, size_t size, bool model_in_path, struct ask_error *e) {
    struct format_request request = {
        .body = body, .size = size, .model_in_path = model_in_path, .model = ""};
    return format_openai_read(&ask, &request, e);
}

TEST(bench_ask_refusals) {
    static const struct {
        const char *body, *param, *code, *message; /* message: its beginning */
    } rows[] = {
        {"{", "", "", "We could not parse the JSON body"},
        {"{\"model\":\"m\"," USER ",}", "", "", "We could not parse the JSON body"},
        {"[]", "", "", "We could not parse the JSON body"},
        {"{" USER "}", "", "", "you must provide a model parameter"},
        {"{\"model\":\"m\"}", "messages", "missing_required_parameter",
         "Missing required parameter: 'messages'."},
        {"{\"model\":\"m\",\"messages\":[]}", "messages", "empty_array",
         "Invalid 'messages': empty array."},
        {"{\"model\":\"m\",\"messages\":\"x\"}", "messages", "invalid_type",
         "Invalid type for 'messages': expected an array, but got a string instead."},
        {"{\"model\":1," USER "}", "model", "invalid_type",
         "Invalid type for 'model': expected a string, but got an integer instead."},
        {"{\"model\":\"m\"," USER ",\"stream\":\"yes\"}", "stream", "invalid_type",
         "Invalid type for 'stream': expected a boolean"},
        {"{\"model\":\"m\"," USER ",\"frequency\":1}", "frequency", "unknown_parameter",
         "Unknown parameter: 'frequency'."},
        {"{\"model\":\"m\"," USER ",\"temperature\":2.5}", "temperature", "decimal_above_max_value",
         "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 "
         "instead."},
        {"{\"model\":\"m\"," USER ",\"max_tokens\":-1}", "max_tokens", "integer_below_min_value",
         "Invalid 'max_tokens': integer below minimum value."},
        {"{\"model\":\"m\"," USER ",\"n\":1.5}", "n", "invalid_type", "Invalid type for 'n'"},
        {"{\"model\":\"m\"," USER ",\"n\":129}", "n", "integer_above_max_value", "Invalid 'n'"},
        {"{\"model\":\"m\"," USER ",\"stream_options\":{\"include_usage\":true}}", "stream_options",
         "", "The 'stream_options' parameter is only allowed when 'stream' is enabled."},
        {"{\"model\":\"m\"," USER ",\"stream\":true,\"stream_options\":{\"usage\":true}}",
         "stream_options.usage", "unknown_parameter", "Unknown parameter"},
        {"{\"model\":\"m\"," USER ",\"stream\":true,\"stream_options\":{\"include_usage\":1}}",
         "stream_options.include_usage", "invalid_type", "Invalid type"},
        {"{\"model\":\"m\",\"messages\":[{\"content\":\"x\"}]}", "messages[0].role",
         "missing_required_parameter", "Missing"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"bot\",\"content\":\"x\"}]}",
         "messages[0].role", "invalid_value", "Invalid value: 'bot'."},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}", "messages[0].content", "",
         "Invalid value for 'content': expected a string, got null."},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":5}]}",
         "messages[0].content", "invalid_type", "Invalid type for 'messages[0].content'"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"smell\"}]}]}",
         "messages[0].content[0].type", "invalid_value", "Invalid value: 'smell'."},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]}",
         "messages[0].content[0].text", "missing_required_parameter", "Missing"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}",
         "messages[0].tool_call_id", "missing_required_parameter", "Missing"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\"}]}]"
         "}",
         "messages[0].tool_calls[0].type", "missing_required_parameter", "Missing"},
        {"{\"model\":\"m\"," USER ",\"tools\":[]}", "tools", "empty_array", "Invalid 'tools'"},
        {"{\"model\":\"m\"," USER ",\"tools\":[{\"type\":\"function\"}]}", "tools[0].function.name",
         "missing_required_parameter", "Missing"},
        {"{\"model\":\"m\"," USER
         ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]}",
         "tools[0].function.name", "invalid_value", "Invalid 'tools[0].function.name'"},
        {"{\"model\":\"m\"," USER ",\"tool_choice\":\"auto\"}", "tool_choice", "",
         "Invalid value for 'tool_choice'"},
        {"{\"model\":\"m\"," USER ",\"tools\":[" TOOL "],\"tool_choice\":\"any\"}", "tool_choice",
         "invalid_value", "Invalid value: 'any'."},
        {"{\"model\":\"m\"," USER ",\"tools\":[" TOOL
         "],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}}}",
         "tool_choice", "", "Invalid value for 'tool_choice': no function named 'g'"},
        {"{\"model\":\"m\"," USER ",\"parallel_tool_calls\":true}", "parallel_tool_calls", "",
         "Invalid"},
        {"{\"model\":\"m\"," USER ",\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}", "stop",
         "array_above_max_length", "Invalid 'stop'"},
        {"{\"model\":\"m\"," USER ",\"stop\":[1]}", "stop[0]", "invalid_type", "Invalid type"},
        {"{\"model\":\"m\"," USER ",\"max_tokens\":1,\"max_completion_tokens\":1}", "max_tokens",
         "invalid_parameter_combination", "Setting 'max_tokens'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ask_error e = {0};
        ROW("%s", rows[i].body);
        EXPECT(!read_chat(rows[i].body, strlen(rows[i].body), false, &e));
        EXPECT_EQ(e.status, 400);
        EXPECT_STR(e.param, rows[i].param);
        EXPECT_STR(e.code ? e.code : "(none)", rows[i].code);
        EXPECT(!strncmp(e.message, rows[i].message, strlen(rows[i].message)));
    }
    ask_free(&ask);
}

TEST(bench_ask_taken) {
    static const struct {
        const char *body;
        enum ask_mode mode;
        bool stream, usage, obfuscation;
        unsigned choices, max_tokens, tool_calls;
        const char *echo, *tool, *arguments;
    } rows[] = {
        {"{" USER "}", ASK_TEXT, false, false, true, 1, 0, 0, "", "", ""},
        {"{" USER ",\"n\":null,\"stop\":null,\"temperature\":0}", ASK_TEXT, false, false, true, 1,
         0, 0, "", "", ""},
        {"{" USER ",\"stream\":true,\"n\":3,\"max_tokens\":9}", ASK_TEXT, true, false, true, 3, 9,
         0, "", "", ""},
        {"{" USER ",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"include_"
         "obfuscation\":false}}",
         ASK_TEXT, true, true, false, 1, 0, 0, "", "", ""},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"echo: a  b\\n\\u00e9\"}]}", ASK_ECHO,
         false, false, true, 1, 0, 0, "a  b\n\xc3\xa9", "", ""},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"echo:\"},"
         "{\"type\":\"text\",\"text\":\"x\"}]}]}",
         ASK_ECHO, false, false, true, 1, 0, 0, "x", "", ""},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"echo:old\"},{\"role\":\"assistant\","
         "\"content\":\"y\"},"
         "{\"role\":\"user\",\"content\":\"new\"}]}",
         ASK_TEXT, false, false, true, 1, 0, 0, "", "", ""},
        {"{" USER ",\"tools\":[" TOOL "]}", ASK_TEXT, false, false, true, 1, 0, 0, "", "", ""},
        {"{" USER ",\"tools\":[" TOOL "],\"tool_choice\":\"required\"}", ASK_TOOLS, false, false,
         true, 1, 0, 1, "", "f", "{}"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"please use "
         "tool\"}],\"tools\":[{\"type\":\"function\","
         "\"function\":{\"name\":\"g\",\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{"
         "\"type\":"
         "\"integer\"},\"b\":{\"enum\":[\"x\"]}}}}}]}",
         ASK_TOOLS, false, false, true, 1, 0, 1, "", "g", "{\"a\":42,\"b\":\"x\"}"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"use tools\"}],\"tools\":[" TOOL "]}",
         ASK_TOOLS, false, false, true, 1, 0, 2, "", "f", "{}"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"use "
         "tools\"}],\"parallel_tool_calls\":false,\"tools\":[" TOOL "]}",
         ASK_TOOLS, false, false, true, 1, 0, 1, "", "f", "{}"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"use "
         "tool\"}],\"tool_choice\":\"none\",\"tools\":[" TOOL "]}",
         ASK_TEXT, false, false, true, 1, 0, 0, "", "", ""},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"use "
         "tool\"},{\"role\":\"assistant\",\"tool_calls\":"
         "[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]"
         "},"
         "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"1\"}],\"tools\":[" TOOL "]}",
         ASK_TEXT, false, false, true, 1, 0, 0, "", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ask_error e = {0};
        ROW("%s", rows[i].body);
        EXPECT(read_chat(rows[i].body, strlen(rows[i].body), true, &e));
        EXPECT_STR(e.message, "");
        EXPECT_EQ(ask.mode, rows[i].mode);
        EXPECT_EQ(ask.stream, rows[i].stream);
        EXPECT_EQ(ask.include_usage, rows[i].usage);
        EXPECT_EQ(ask.include_obfuscation, rows[i].obfuscation);
        EXPECT_EQ(ask.choices, rows[i].choices);
        EXPECT_EQ(ask.max_tokens, rows[i].max_tokens);
        EXPECT_STR(bytes_text(&ask.echo), rows[i].echo);
        EXPECT_STR(bytes_text(&ask.tool_name), rows[i].tool);
        EXPECT_STR(bytes_text(&ask.tool_arguments), rows[i].arguments);
        if (ask.mode == ASK_TOOLS)
            EXPECT_EQ(ask.tool_calls, rows[i].tool_calls);
    }
    ask_free(&ask);
}

TEST(bench_ask_model_and_recording) {
    static const char body[] = "{\"model\":\"m\"," USER ",\"metadata\":{\"sim_file\":\"x.sse\"}}";
    struct ask_error e;
    EXPECT(read_chat(body, sizeof body - 1, false, &e));
    EXPECT_STR(bytes_text(&ask.model), "m");
    EXPECT_STR(bytes_text(&ask.sim_file), "x.sse");
    ask_free(&ask);
}

/* What is left of an echo behind an unfinished turn, which must be marked as one. */
TEST(bench_ask_goes_on) {
#define ECHO \
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"echo: one two three\"}"
    static const struct {
        const char *body, *rest;
    } rows[] = {
        {ECHO "]}", "one two three"},
        {ECHO ",{\"role\":\"assistant\",\"content\":\"one two\"}]}", "one two three"},
        {ECHO ",{\"role\":\"assistant\",\"content\":\"one two\",\"prefix\":true}]}", " three"},
        {ECHO ",{\"role\":\"assistant\",\"content\":\"one tw\",\"partial\":true}]}", "o three"},
        {ECHO ",{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"one\"}]}],"
              "\"add_generation_prompt\":false,\"continue_final_message\":true}",
         " two three"},
        {ECHO ",{\"role\":\"assistant\",\"content\":\"two\",\"prefix\":true}]}", "one two three"},
        {ECHO ",{\"role\":\"assistant\",\"content\":\"one two three four\",\"prefix\":true}]}",
         "one two three"},
    };
#undef ECHO
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ask_error error;
        ROW("%s", rows[i].body);
        EXPECT(read_chat(rows[i].body, strlen(rows[i].body), false, &error));
        EXPECT_EQ(ask.mode, ASK_ECHO);
        EXPECT_STR(bytes_text(&ask.echo), rows[i].rest);
    }
}
