/* test_format_refusals.c - what the simulated clouds refuse in each wire format
 * (bench/format_*_read.c), by rows. */
#include "tests/test.h"

#include "bench/format.h"

static struct ask ask;

struct row {
    const char *body, *message; /* its beginning; NULL: accepted */
};

static void run(const struct format *format, enum sim_kind kind, const char *model,
                const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct ask_error e = {.message = ""};
        struct format_request request = {.body = rows[i].body,
                                         .size = strlen(rows[i].body),
                                         .kind = kind,
                                         .model_in_path =
                                             kind != SIM_ANTHROPIC && kind != SIM_OPENAI,
                                         .model = model};
        ROW("%.120s", rows[i].body);
        bool ok = format->read(&ask, &request, &e);
        EXPECT_EQ(ok, !rows[i].message);
        if (!ok && rows[i].message && strncmp(e.message, rows[i].message, strlen(rows[i].message)))
            FAIL_TEST("%s", e.message);
        if (!ok)
            EXPECT(e.status >= 400 && e.type && *e.type);
    }
}

#define RUN(format, kind, model, rows) \
    run(&(format), kind, model, rows, sizeof rows / sizeof rows[0])

#define A(rest) "{\"model\":\"m\",\"max_tokens\":2000," rest "}"
#define AU      "{\"role\":\"user\",\"content\":\"hi\"}"
#define AUSE(id)                                                               \
    "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"" id \
    "\",\"name\":\"f\",\"input\":{}}]}"
#define ARES(id) \
    "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\"}]}"
#define ATOOL "\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}]"

TEST(bench_refusals_anthropic) {
    static const struct row rows[] = {
        {A("\"messages\":[" AU "]"), NULL},
        {"{\"model\":\"m\",\"messages\":[" AU "]}", "max_tokens: Field required"},
        {"{\"max_tokens\":1,\"messages\":[" AU "]}", "model: Field required"},
        {A("\"messages\":[" AU "],\"n\":1"), "n: Extra inputs are not permitted"},
        {A("\"messages\":[]"), "messages: at least one message is required"},
        {A("\"messages\":[{\"role\":\"system\",\"content\":\"x\"}]"),
         "messages.0.role: Input should be"},
        {A("\"messages\":[{\"role\":\"assistant\",\"content\":\"x\"}]"), "messages: first message"},
        {A("\"messages\":[" AU "," AU "]"), NULL},
        {A("\"messages\":[{\"role\":\"user\",\"content\":\"\"}]"), "messages.0: all messages must"},
        {A("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\"}]}]"),
         "messages: text content blocks must be non-empty"},
        {A("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]"),
         "messages.0.content.0.text: Field required"},
        {A("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"smell\"}]}]"),
         "messages.0.content.0: Input tag 'smell'"},
        {A("\"messages\":[" AU ",{\"role\":\"assistant\",\"content\":\"x \"}]"),
         "messages: final assistant content cannot end"},
        {A("\"messages\":[" AU "," AUSE("t1") "," ARES("t1") "]," ATOOL), NULL},
        {A("\"messages\":[" AU "," AUSE("t1") "," AU "]," ATOOL),
         "messages.1: `tool_use` ids were found without `tool_result`"},
        {A("\"messages\":[" AU "," AUSE("t1") "]," ATOOL),
         "messages.1: `tool_use` ids were found without `tool_result`"},
        {A("\"messages\":[" AU "," AUSE("t1") "," ARES("t2") "]," ATOOL),
         "messages.2.content.0: unexpected `tool_use_id`"},
        {A("\"messages\":[" AU "," AUSE("t1") "," ARES("t1") "," ARES("t1") "]," ATOOL),
         "messages.3.content.0: each tool_use must have a single result"},
        {A("\"messages\":[" AU "," AUSE("functions.f:0") "," ARES("functions.f:0") "]," ATOOL),
         "messages.1.content.0.tool_use.id: String should match pattern"},
        {A("\"messages\":[" AU
           "],\"tools\":[{\"name\":\"f g\",\"input_schema\":{\"type\":\"object\"}}]"),
         "tools.0.custom.name: String should match pattern"},
        {A("\"messages\":[" AU "],\"tools\":[{\"name\":\"f\"}]"),
         "tools.0.custom.input_schema: Field"},
        {A("\"messages\":[" AU "],\"tool_choice\":{\"type\":\"auto\"}"), "tool_choice: "},
        {A("\"messages\":[" AU "],\"tool_choice\":{\"type\":\"tool\",\"name\":\"g\"}," ATOOL),
         "tool_choice: Tool 'g' not found"},
        {A("\"messages\":[" AU "],\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":100}"),
         "thinking.budget_tokens: Input should be greater than or equal to 1024"},
        {A("\"messages\":[" AU "],\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}"),
         "`max_tokens` must be greater than `thinking.budget_tokens`"},
        {A("\"messages\":[" AU
           "],\"temperature\":0.5,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}"),
         "`temperature` may only be set to 1"},
        {A("\"messages\":[" AU "," AUSE("t1") "," ARES(
             "t1") "]," ATOOL ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}"),
         "messages.1.content.0.type: Expected `thinking`"},
        {A("\"messages\":[" AU
           ",{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"x\","
           "\"signature\":\"" FORMAT_SIGNED_GEMINI "x\"},{\"type\":\"text\",\"text\":\"y\"}]}," AU
           "]"),
         "messages.1.content.0: Invalid `signature` in `thinking` block"},
        {A("\"messages\":[" AU "],\"temperature\":1.5"), "temperature: Input should be less than"},
        {A("\"messages\":[" AU "],\"stop_sequences\":[\" \"]"),
         "stop_sequences: each stop sequence"},
        {"{\"model\":\"claude-opus-4-8\",\"max_tokens\":9,\"temperature\":1,\"messages\":[" AU "]}",
         "`temperature` is not supported for this model."},
        {"{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":9,\"temperature\":1,\"top_p\":1,"
         "\"messages\":[" AU "]}",
         "`temperature` and `top_p` cannot both be specified"},
        {"[", "The request body is not valid JSON"},
    };
    static const struct row vertex[] = {
        {"{\"anthropic_version\":\"vertex-2023-10-16\",\"max_tokens\":9,\"messages\":[" AU "]}",
         NULL},
        {A("\"messages\":[" AU "],\"anthropic_version\":\"vertex-2023-10-16\""),
         "model: Extra inputs"},
        {"{\"max_tokens\":9,\"messages\":[" AU "]}", "anthropic_version: Field required"},
    };
    RUN(format_anthropic, SIM_ANTHROPIC, "", rows);
    RUN(format_anthropic, SIM_VERTEX, "claude-x", vertex);
}

#define G(rest) "{\"contents\":[" rest "]}"
#define GU      "{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}"
#define GCALL(more) \
    "{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{}" more "}]}"
#define GRES \
    "{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"response\":{}}}]}"
#define SKIP_SIGNATURE "},\"thoughtSignature\":\"skip_thought_signature_validator\""

TEST(bench_refusals_gemini) {
    static const struct row rows[] = {
        {G(GU), NULL},
        {"{\"contents\":[" GU "],\"generation_config\":{\"max_output_tokens\":5},\"system_"
         "instruction\":{\"parts\":[{\"text\":\"x\"}]}}",
         NULL},
        {"{\"contents\":[" GU "],\"foo\":1}",
         "Invalid JSON payload received. Unknown name \"foo\": Cannot find field."},
        {G("{\"role\":\"user\",\"parts\":[{\"text\":\"a\",\"foo\":1}]}"),
         "Invalid JSON payload received. Unknown name \"foo\" at 'contents[0].parts[0]': Cannot"},
        {G("{\"role\":\"assistant\",\"parts\":[{\"text\":\"a\"}]}"),
         "Please use a valid role: user, model."},
        {G("{\"role\":\"model\",\"parts\":[{\"text\":\"a\"}]}"),
         "Please ensure that multiturn requests begin"},
        {G("{\"role\":\"user\",\"parts\":[]}"),
         "* GenerateContentRequest.contents[0].parts: contents.parts"},
        {G("{\"role\":\"user\",\"parts\":[{\"thought\":true}]}"),
         "* GenerateContentRequest.contents[0].parts[0].data"},
        {G("{\"role\":\"user\",\"parts\":[{\"text\":\"a\",\"functionCall\":{\"name\":\"f\"}}]}"),
         "Invalid value at 'contents[0].parts[0]' (oneof)"},
        {G(GU "," GCALL(SKIP_SIGNATURE) "," GRES), NULL},
        {G(GU "," GCALL("}") "," GRES), "Function call is missing a thought_signature"},
        {G(GU "," GCALL("},\"thoughtSignature\":\"EqQB\"") "," GRES),
         "Thought signature is not valid"},
        {G(GU "," GCALL(SKIP_SIGNATURE) "," GU),
         "Please ensure that the number of function response parts"},
        {G(GU "," GCALL(SKIP_SIGNATURE)), "Please ensure that a function call turn is followed"},
        {G(GU "," GRES), "Please ensure that function response turn comes immediately after"},
        {"{\"contents\":[" GU
         "],\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"parameters\":{\"type\":"
         "\"OBJECT\",\"additionalProperties\":false}}]}]}",
         "Invalid JSON payload received. Unknown name \"additionalProperties\" at "
         "'tools[0].functionDeclarations[0].parameters'"},
        {"{\"contents\":[" GU
         "],\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"parameters\":{\"type\":"
         "\"OBJECT\",\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]}}}}]}]}",
         "Invalid value at 'tools[0].functionDeclarations[0].parameters.properties.a.type'"},
        {"{\"contents\":[" GU
         "],\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"parametersJsonSchema\":{"
         "\"type\":\"object\",\"additionalProperties\":false}}]}]}",
         NULL},
        {"{\"contents\":[" GU "],\"generationConfig\":{\"candidateCount\":9}}",
         "Unable to submit request because it has a candidateCount"},
        {"{\"contents\":[" GU "],\"generationConfig\":{\"responseSchema\":{\"type\":\"OBJECT\"}}}",
         "Unable to submit request because a response schema"},
        {"{\"contents\":[" GU "],\"labels\":{}}",
         "Invalid JSON payload received. Unknown name \"labels\""},
        {"{", "Invalid JSON payload received."},
    };
    static const struct row vertex[] = {
        {"{\"contents\":[" GU "],\"labels\":{}}", NULL},
        {G("{\"parts\":[{\"text\":\"a\"}]}"), "Please use a valid role: user, model."},
        {G(GU "," GCALL(",\"id\":\"x\"" SKIP_SIGNATURE) "," GRES),
         "Invalid JSON payload received. Unknown name \"id\""},
        {G("{\"role\":\"user\",\"parts\":[{\"text\":\"\"}]}"),
         "Unable to submit request because it has an empty text"},
    };
    RUN(format_gemini, SIM_GEMINI, "gemini-3-pro", rows);
    RUN(format_gemini, SIM_VERTEX, "gemini-2.5-pro", vertex);
}

#define C(rest) "{\"messages\":[" rest "]}"
#define CT(rest)                                                                         \
    "{\"messages\":[" rest "],\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"f\"," \
    "\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}]}}"
#define CU "{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}"
#define CA "{\"role\":\"assistant\",\"content\":[{\"text\":\"yo\"}]}"
#define CUSE(id)                                                             \
    "{\"role\":\"assistant\",\"content\":[{\"toolUse\":{\"toolUseId\":\"" id \
    "\",\"name\":\"f\",\"input\":{}}}]}"
#define CRES(id)                                                           \
    "{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"" id \
    "\",\"content\":[{\"text\":\"r\"}]}}]}"

TEST(bench_refusals_converse) {
    static const struct row rows[] = {
        {C(CU), NULL},
        {C(CU "," CA "," CU), NULL},
        {"{\"messages\":[" CU "],\"foo\":1}",
         "The model returned the following errors: #: extraneous key [foo]"},
        {C(""), "A conversation must have at least one message"},
        {C(CA), "A conversation must start with a user message"},
        {C(CU "," CU), "A conversation must alternate between user and assistant roles"},
        {C("{\"role\":\"user\",\"content\":[{\"text\":\" \"}]}"),
         "The text field in the ContentBlock object at messages.0.content.0 is blank"},
        {C("{\"role\":\"user\",\"content\":[]}"),
         "The content field in the Message object at messages.0 is empty"},
        {C("{\"role\":\"user\",\"content\":[{\"text\":\"a\",\"cachePoint\":{\"type\":\"default\"}}]"
           "}"),
         "The union at messages.0.content.0 must have exactly one"},
        {CT(CU "," CUSE("t1") "," CRES("t1")), NULL},
        {C(CU "," CUSE("t1") "," CRES("t1")),
         "The toolConfig field must be defined when using toolUse"},
        {CT(CU "," CUSE("t1") "," CU),
         "Expected toolResult blocks at messages.2.content for the following Ids: t1"},
        {CT(CU "," CUSE("t1")), "Expected toolResult blocks at messages.2.content"},
        {CT(CRES("t1")), "The number of toolResult blocks at messages.0.content exceeds"},
        {CT(CU "," CUSE("t/1") "," CRES("t/1")),
         "1 validation error detected: Value 't/1' at 'messages.2.member"},
        {"{\"messages\":[" CU "],\"toolConfig\":{\"tools\":[]}}",
         "1 validation error detected: Value '[]' at 'toolConfig.tools'"},
        {"{\"messages\":[" CU "],\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"a.b\","
         "\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}]}}",
         "1 validation error detected: Value 'a.b'"},
        {"{\"messages\":[" CU "],\"inferenceConfig\":{\"maxTokens\":0}}",
         "1 validation error detected: Value at 'inferenceConfig.maxTokens'"},
        {"{\"messages\":[" CU "],\"inferenceConfig\":{\"topK\":1}}",
         "The model returned the following errors: #/inferenceConfig: extraneous key [topK]"},
        {C("{\"role\":\"user\",\"content\":[{\"document\":{\"name\":\"a.pdf\",\"format\":\"pdf\","
           "\"source\":{\"bytes\":\"AAAA\"}}},{\"text\":\"x\"}]}"),
         "The provided document file name contains invalid characters"},
        {C("{\"role\":\"user\",\"content\":[{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":"
           "\"!!\"}}}]}"),
         "The bytes at messages.0.content.0 are not base64"},
        {"x", "The request body is not JSON."},
    };
    RUN(format_converse, SIM_BEDROCK, "m", rows);
}

TEST(bench_refusals_responses) {
    static const struct row rows[] = {
        {"{\"model\":\"m\",\"input\":\"x\"}", NULL},
        {"{\"model\":\"m\",\"input\":\"x\",\"messages\":[]}", "Unknown parameter: 'messages'."},
        {"{\"model\":\"m\"}", "Missing required parameter: 'input'."},
        {"{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
         "\"x\"}]}]}",
         "Invalid value: 'text'."},
        {"{\"model\":\"m\",\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"c\","
         "\"output\":\"x\"}]}",
         "No tool call found for function call output with call_id c."},
        {"{\"model\":\"m\",\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\","
         "\"arguments\":\"{}\"}]}",
         "No tool output found for function call c."},
        {"{\"model\":\"m\",\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\","
         "\"arguments\":\"{}\"},{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":"
         "\"x\"}]}",
         NULL},
        {"{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"function\":{"
         "\"name\":\"f\"}}]}",
         "Missing required parameter: 'tools[0].name'."},
        {"{\"model\":\"m\",\"input\":\"x\",\"max_output_tokens\":0}",
         "Invalid 'max_output_tokens': integer below"},
        {"{", "We could not parse the JSON body"},
    };
    RUN(format_responses, SIM_OPENAI, "", rows);
}
