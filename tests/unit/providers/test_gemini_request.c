/* test_gemini_request.c - a client's generateContent request: read, edited, turned into the canonical
 * request and back; and canonical requests of other dialects written as Gemini's. */
#include <time.h>

#include "core/limits.h"
#include "tests/unit/providers/test_gemini_bench.h"

#define U "{\"role\":\"user\",\"parts\":[{\"text\":\"Hi\"}]}"
#define C "\"contents\":[" U "]"

static int read_request(struct bench *b, struct span body, struct chat_request *req) {
    *req = (struct chat_request){.path_model = SPAN("models/gemini-3-pro"), .path_stream = true};
    return dialect_gemini.read_request(body, &b->arena, req, &b->why, &b->param);
}

/* --- read_request --- */

TEST(refuses_with_a_sentence_and_the_member) {
    static const struct {
        const char *body, *param, *why;
    } rows[] = {
        {"", "", "not valid JSON"},
        {"[]", "", "not a JSON object"},
        {"{" C "} x", "", "not valid JSON"},
        {"{" C ",}", "", "not valid JSON"},
        {"{}", "contents", "missing"},
        {"{\"contents\":null}", "contents", "missing"},
        {"{\"contents\":[]}", "contents", "at least one"},
        {"{\"contents\":{}}", "contents", "as an array"},
        {"{\"contents\":\"x\"}", "contents", "as an array"},
        {"{\"contents\":[" U ",3]}", "contents[1]", "give an object"},
        {"{" C "," C "}", "contents", "twice"},
        {"{" C ",\"generationConfig\":{},\"generation_config\":{}}", "generationConfig", "twice"},
        {"{" C ",\"generationConfig\":[]}", "generationConfig", "as an object"},
        {"{" C ",\"generationConfig\":{\"maxOutputTokens\":\"x\"}}",
         "generationConfig.maxOutputTokens", "whole number"},
        {"{" C ",\"generationConfig\":{\"candidateCount\":0}}", "generationConfig.candidateCount",
         "from 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        struct chat_request req;
        ROW("%s", rows[i].body);
        EXPECT_EQ(read_request(b, span_str(rows[i].body), &req), -FAIL_BAD_REQUEST);
        EXPECT_BYTES(b->param.p, b->param.n, rows[i].param);
        EXPECT(span_search(b->why, span_str(rows[i].why)) < b->why.n);
        EXPECT(span_ends(b->why, SPAN(".")));
        bench_free(b);
    }
}

TEST(reads_what_the_router_needs) {
    static const struct {
        const char *path, *model, *body;
        unsigned choices, max, estimate;
        bool tools;
    } rows[] = {
        {"gemini-3-pro", "gemini-3-pro", "{" C "}", 1, 0, 1, false},
        {"models/m", "m", " {" C "}", 1, 0, 1, false},
        {"publishers/google/models/m", "m", "{" C "}", 1, 0, 1, false},
        {"google/m", "m",
         "{" C ",\"generationConfig\":{\"candidateCount\":3,\"maxOutputTokens\":"
         "\"100\"}}",
         3, 100, 1, false},
        {"m", "m", "{" C ",\"generation_config\":{\"candidate_count\":2,\"max_output_tokens\":7}}",
         2, 7, 1, false},
        {"m", "m", "{" C ",\"tools\":[]}", 1, 0, 1, false},
        {"m", "m", "{" C ",\"tools\":[{\"googleSearch\":{}}]}", 1, 0, 6, true},
        {"m", "m",
         "{\"contents\":[{\"parts\":[{\"inlineData\":{\"data\":"
         "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}]}]}",
         1, 0, 1, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        for (int stream = 0; stream < 2; stream++) {
            struct chat_request req = {.path_model = span_str(rows[i].path), .path_stream = stream};
            ROW("%s %s", rows[i].path, rows[i].body);
            EXPECT_EQ(dialect_gemini.read_request(span_str(rows[i].body), &b->arena, &req, &b->why,
                                                  &b->param),
                      0);
            EXPECT_BYTES(req.model.p, req.model.n, rows[i].model);
            EXPECT_EQ(req.stream, stream);
            EXPECT(req.include_usage);
            EXPECT_EQ(req.choices, rows[i].choices);
            EXPECT_EQ(req.max_output_tokens, rows[i].max);
            EXPECT_EQ(req.input_tokens_estimate, rows[i].estimate);
            EXPECT_EQ(req.has_tools, rows[i].tools);
        }
        bench_free(b);
    }
}

static struct span applied(struct bench *b, const struct chat_request *req,
                           const struct chat_edit *edits, int count) {
    struct json_out out;
    size_t at = 0;
    json_out_arena(&out, &b->arena, req->body.n);
    for (int i = 0; i < count; i++) {
        EXPECT(edits[i].at >= at);
        json_out_raw(&out, span_of(req->body.p + at, edits[i].at - at));
        json_out_raw(&out, edits[i].insert);
        at = edits[i].at + edits[i].remove;
    }
    json_out_raw(&out, span_from(req->body, at));
    return json_out_span(&out);
}

#define CALL(members) "{\"contents\":[{\"parts\":[{\"functionCall\":{" members "}}]}]}"

TEST(ids_are_cut_out_for_vertex) {
    static const struct {
        const char *body, *want;
    } rows[] = {
        {"{" C ",\"id\":1}", "{" C ",\"id\":1}"},
        {CALL("\"id\":\"a\",\"name\":\"f\""), CALL("\"name\":\"f\"")},
        {CALL("\"name\":\"f\",\"id\":\"a\""), CALL("\"name\":\"f\"")},
        {CALL("\"name\":\"f\", \"id\" : \"a\" ,\"args\":{\"id\":\"stays\"}"),
         CALL("\"name\":\"f\",\"args\":{\"id\":\"stays\"}")},
        {CALL("\"id\":\"a\""), CALL("")},
        {CALL("\"id\":null,\"id\":\"b\",\"name\":\"f\""), CALL("\"name\":\"f\"")},
        {"\n{\"contents\":[{\"parts\":[{\"function_response\":{\"id\":\"a\",\"name\":\"f\","
         "\"response\":"
         "{\"id\":1}}}]}]}",
         "\n{\"contents\":[{\"parts\":[{\"function_response\":{\"name\":\"f\",\"response\":{\"id\":"
         "1}}}]}]"
         "}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        struct chat_request req;
        struct chat_edit edits[CHAT_EDITS_MAX];
        ROW("%s", rows[i].body);
        EXPECT_EQ(read_request(b, span_str(rows[i].body), &req), 0);
        EXPECT_EQ(dialect_gemini.edit_request(&req, SPAN("m"), 0, &b->arena, edits), 0);
        int n = dialect_gemini.edit_request(&req, SPAN("m"), QUIRK_NO_CALL_IDS, &b->arena, edits);
        struct span got = applied(b, &req, edits, n);
        EXPECT_JSON(got, span_str(rows[i].want));
        bench_free(b);
    }
}

TEST(ids_of_a_long_history_are_cut_out_in_one_edit) {
    struct bench *b = bench_new();
    struct json_out body, want;
    struct chat_request req;
    struct chat_edit edits[CHAT_EDITS_MAX];
    json_out_arena(&body, &b->arena, 0);
    json_out_arena(&want, &b->arena, 0);
    json_out_raw(&body, SPAN("{\"contents\":[{\"parts\":["));
    json_out_raw(&want, SPAN("{\"contents\":[{\"parts\":["));
    for (int i = 0; i < 200; i++) {
        json_out_raw(&body, i ? SPAN(",") : SPAN(""));
        json_out_raw(&want, i ? SPAN(",") : SPAN(""));
        json_out_raw(&body, SPAN("{\"functionCall\":{\"id\":\"a\",\"name\":\"f\"}}"));
        json_out_raw(&want, SPAN("{\"functionCall\":{\"name\":\"f\"}}"));
    }
    json_out_raw(&body, SPAN("]}]}"));
    json_out_raw(&want, SPAN("]}]}"));
    EXPECT_EQ(read_request(b, json_out_span(&body), &req), 0);
    int n = dialect_gemini.edit_request(&req, SPAN("m"), QUIRK_NO_CALL_IDS, &b->arena, edits);
    EXPECT_EQ(n, 1);
    EXPECT_JSON(applied(b, &req, edits, n), json_out_span(&want));
    bench_free(b);
}

/* --- there and back --- */

/* The body as it comes out of read_prompt and write_prompt; -FAIL_X in *rc. */
static struct span turned(struct bench *b, struct span body, const char *model, unsigned quirks,
                          struct chat_losses *losses, int *rc) {
    struct chat_request req;
    struct chat_prompt prompt;
    struct json_out out;
    struct chat_spell spell = {.model = span_str(model), .quirks = quirks, .losses = losses};
    spell.facts = model_facts_find(spell.model);
    json_out_arena(&out, &b->arena, 0);
    *rc = read_request(b, body, &req);
    if (*rc == 0)
        *rc = dialect_gemini.read_prompt(&req, &b->arena, &prompt, &b->why, &b->param);
    if (*rc == 0)
        *rc = dialect_gemini.write_prompt(&prompt, &spell, &b->arena, &out);
    return json_out_span(&out);
}

TEST(there_and_back) {
    static const struct {
        const char *model, *body, *want; /* want NULL: the same */
        unsigned quirks;
    } rows[] = {
        {"gemini-2.5-pro", "{" C "}", NULL, 0},
        {"gemini-2.5-pro", "{\"contents\":[{\"parts\":[{\"text\":\"Hi\"}]}]}", "{" C "}", 0},
        {"gemini-2.5-pro",
         "{\"system_instruction\":{\"parts\":[{\"text\":\"a\"},{\"text\":\"b\\n\"}]}," C "}",
         "{\"systemInstruction\":{\"parts\":[{\"text\":\"a\"},{\"text\":\"b\\n\"}]}," C "}", 0},
        {"gemini-2.5-pro",
         "{\"contents\":[" U "," U ",{\"role\":\"model\",\"parts\":[{\"text\":\"x\"}]}]}",
         "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Hi\"},{\"text\":\"Hi\"}]},{"
         "\"role\":"
         "\"model\",\"parts\":[{\"text\":\"x\"}]}]}",
         0},
        /* The user must begin; a turn without parts is left out. */
        {"gemini-2.5-pro",
         "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"x\"}]},{\"role\":"
         "\"user\",\"parts\":[{\"text\":\"\"}]}]}",
         "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\" "
         "\"}]},{\"role\":\"model\",\"parts\":"
         "[{\"text\":\"x\"}]}]}",
         0},
        {"gemini-2.5-pro",
         "{\"contents\":[" U ",{\"role\":\"model\",\"parts\":[{\"text\":\"hm\","
         "\"thought\":true,\"thoughtSignature\":\"S\"},{\"text\":\"x\",\"thoughtSignature\":\"T\"},"
         "{\"text\":\"\",\"thoughtSignature\":\"V\"}]}]}",
         NULL, 0},
        {"gemini-2.5-pro",
         "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"inlineData\":{\"mimeType\":"
         "\"image/png\",\"data\":\"AAAA\"}},{\"inline_data\":{\"mime_type\":\"application/"
         "pdf\",\"data\":"
         "\"BBBB\"}},{\"inlineData\":{\"mimeType\":\"audio/wav\",\"data\":\"CCCC\"}},{\"fileData\":"
         "{\"mimeType\":\"image/jpeg\",\"fileUri\":\"https://x/y.jpg\"}}]}]}",
         "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\","
         "\"data\":\"AAAA\"}},{\"inlineData\":{\"mimeType\":\"application/"
         "pdf\",\"data\":\"BBBB\"}},"
         "{\"inlineData\":{\"mimeType\":\"audio/"
         "wav\",\"data\":\"CCCC\"}},{\"fileData\":{\"mimeType\":"
         "\"image/jpeg\",\"fileUri\":\"https://x/y.jpg\"}}]}]}",
         0},
        {"gemini-2.5-pro",
         "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"inlineData\":{\"mimeType\":"
         "\"image/png\",\"data\":\"_9j-4AA\"}}]}]}",
         "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\","
         "\"data\":\"/9j+4AA=\"}}]}]}",
         0},
        /* A type's parameters stay; a data: URL is the data. */
        {"gemini-2.5-pro",
         "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"inlineData\":{\"mimeType\":"
         "\"audio/pcm;rate=16000\",\"data\":\"AAAA\"}},{\"fileData\":{\"fileUri\":"
         "\"data:image/gif;base64,R0lG\"}}]}]}",
         "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"inlineData\":{\"mimeType\":"
         "\"audio/pcm;rate=16000\",\"data\":\"AAAA\"}},{\"inlineData\":{\"mimeType\":"
         "\"image/gif\",\"data\":\"R0lG\"}}]}]}",
         0},
        /* Calls without ids get the same ones as their results, in the order of the calls. */
        {"gemini-3-pro-preview",
         "{\"contents\":[" U
         ",{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":"
         "{\"a\":1}},\"thoughtSignature\":\"S\"},{\"functionCall\":{\"id\":\"y\",\"name\":\"g\"}}]}"
         ","
         "{\"role\":\"function\",\"parts\":[{\"functionResponse\":{\"id\":\"y\",\"name\":\"g\","
         "\"response\":"
         "{\"error\":\"bad\"}}},{\"functionResponse\":{\"name\":\"f\",\"response\":{\"result\":"
         "\"r\"}}},"
         "{\"text\":\"and\"}]}]}",
         "{\"contents\":[" U ",{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"@0\","
         "\"name\":\"f\",\"args\":{\"a\":1}},\"thoughtSignature\":\"S\"},{\"functionCall\":{\"id\":"
         "\"y\","
         "\"name\":\"g\",\"args\":{}}}]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{"
         "\"id\":"
         "\"@0\",\"name\":\"f\",\"response\":{\"result\":\"r\"}}},{\"functionResponse\":{\"id\":"
         "\"y\",\"name\":\"g\",\"response\":{\"error\":\"bad\"}}}]},{\"role\":\"user\",\"parts\":[{"
         "\"text\":"
         "\"and\"}]}]}",
         0},
        /* Vertex wants no ids, 2.5 the user's words with the results. */
        {"gemini-2.5-pro",
         "{\"contents\":[" U
         ",{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"y\",\"name\":"
         "\"g\",\"args\":{}}}]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"y\","
         "\"name\":"
         "\"g\",\"response\":{\"a\":[1,2.50]}}},{\"text\":\"and\"}]}]}",
         "{\"contents\":[" U
         ",{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"g\",\"args\":"
         "{}}}]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"name\":\"g\",\"response\":{"
         "\"a\":"
         "[1,2.50]}}},{\"text\":\"and\"}]}]}",
         QUIRK_NO_CALL_IDS},
        {"gemini-3-flash",
         "{\"contents\":[" U
         ",{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"1\",\"name\":"
         "\"g\",\"args\":{}}},{\"functionCall\":{\"id\":\"2\",\"name\":\"g\",\"args\":{}}}]}]}",
         "{\"contents\":[" U
         ",{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"1\",\"name\":"
         "\"g\",\"args\":{}},\"thoughtSignature\":\"skip_thought_signature_validator\"},{"
         "\"functionCall\":"
         "{\"id\":\"2\",\"name\":\"g\",\"args\":{}}}]}]}",
         0},
        {"gemini-2.5-flash",
         "{" C ",\"generationConfig\":{\"maxOutputTokens\":10,\"temperature\":0.50,"
         "\"topP\":1,\"topK\":40,\"candidateCount\":2,\"stopSequences\":[\"a\\n\",\"b\"],\"seed\":"
         "7,"
         "\"presencePenalty\":0.1,\"frequencyPenalty\":-1,\"responseLogprobs\":true,\"logprobs\":3,"
         "\"responseMimeType\":\"application/"
         "json\",\"responseJsonSchema\":{\"type\":\"object\",\"x\":1},"
         "\"thinkingConfig\":{\"thinkingBudget\":1000,\"includeThoughts\":true}}}",
         NULL, 0},
        {"gemini-2.5-flash",
         "{" C ",\"generationConfig\":{\"responseModalities\":[\"TEXT\"],"
         "\"thinkingConfig\":{\"thinkingBudget\":0}}}",
         "{" C ",\"generationConfig\":{\"thinkingConfig\":{\"thinkingBudget\":0}}}", 0},
        {"gemini-3-flash",
         "{" C ",\"generationConfig\":{\"responseMimeType\":\"application/json\","
         "\"thinkingConfig\":{\"thinkingLevel\":\"MEDIUM\",\"includeThoughts\":false}}}",
         "{" C
         ",\"generationConfig\":{\"responseMimeType\":\"application/json\",\"thinkingConfig\":"
         "{\"thinkingLevel\":\"medium\",\"includeThoughts\":false}}}",
         0},
        {"gemini-3-flash",
         "{" C ",\"generationConfig\":{\"thinkingConfig\":{\"thinkingBudget\":4000}}}",
         "{" C ",\"generationConfig\":{\"thinkingConfig\":{\"thinkingLevel\":\"high\","
         "\"includeThoughts\":"
         "true}}}",
         0},
        {"gemini-2.5-flash",
         "{" C ",\"generationConfig\":{\"thinkingConfig\":{\"thinkingBudget\":-1}}}",
         "{" C ",\"generationConfig\":{\"thinkingConfig\":{\"thinkingBudget\":-1,"
         "\"includeThoughts\":true}"
         "}}",
         0},
        {"gemini-2.5-pro",
         "{" C ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"description\":"
         "\"d\",\"parameters\":{\"type\":\"OBJECT\",\"properties\":{\"type\":{\"type\":\"STRING\","
         "\"nullable\":true,\"minLength\":\"1\"},\"n\":{\"type\":\"ARRAY\",\"items\":{\"type\":"
         "\"INTEGER\"}"
         "}},\"required\":[\"type\"],\"propertyOrdering\":[\"n\"]}}]},{\"googleSearch\":{}}],"
         "\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\",\"allowedFunctionNames\":["
         "\"f\"]}}}",
         "{" C ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"description\":\"d\","
         "\"parametersJsonSchema\":{\"type\":\"object\",\"properties\":{\"type\":{\"type\":["
         "\"string\","
         "\"null\"],\"minLength\":1},\"n\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}},"
         "\"required\":[\"type\"]}}]},{\"googleSearch\":{}}],\"toolConfig\":{"
         "\"functionCallingConfig\":"
         "{\"mode\":\"ANY\",\"allowedFunctionNames\":[\"f\"]}}}",
         0},
        {"gemini-1.5-pro",
         "{" C ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\","
         "\"parametersJsonSchema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":["
         "\"string\","
         "\"null\"]}},\"additionalProperties\":false}},{\"name\":\"g\",\"parametersJsonSchema\":{"
         "\"type\":"
         "\"object\",\"properties\":{}}}]}]}",
         "{" C ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"parameters\":{\"type\":"
         "\"OBJECT\","
         "\"properties\":{\"a\":{\"type\":\"STRING\",\"nullable\":true}}}},{\"name\":\"g\"}]}]}",
         0},
        {"gemini-2.5-pro", "{" C ",\"labels\":{\"a\":\"b\"},\"model\":\"x\"}", "{" C "}", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        struct chat_losses losses = {.lenient = false};
        struct span want = span_str(rows[i].want ? rows[i].want : rows[i].body);
        char made[CHAT_CALL_ID_BYTES], text[4000];
        /* "@0" in a row: the id that is made for the first call of contents[1]. */
        struct span id = chat_call_id(SPAN("contents"), 1, 0, made);
        size_t n = 0;
        int rc;
        for (size_t k = 0; k < want.n; k++)
            if (want.p[k] == '@' && want.p[k + 1] == '0') {
                memcpy(text + n, id.p, id.n);
                n += id.n;
                k++;
            } else {
                text[n++] = want.p[k];
            }
        ROW("row %zu", i);
        struct span got =
            turned(b, span_str(rows[i].body), rows[i].model, rows[i].quirks, &losses, &rc);
        EXPECT_EQ(rc, 0);
        EXPECT_JSON(got, span_of(text, n));
        bench_free(b);
    }
}

TEST(what_cannot_be_said_is_said_so) {
    static const struct {
        const char *model, *members, *field;
        unsigned quirks;
    } rows[] = {
        {"gemini-2.5-pro", ",\"safetySettings\":[]", "safetySettings", 0},
        {"gemini-2.5-pro", ",\"cachedContent\":\"x\"", "cachedContent", 0},
        {"gemini-2.5-pro", ",\"generationConfig\":{\"speechConfig\":{}}",
         "generationConfig.speechConfig", 0},
        {"gemini-2.5-pro", ",\"generationConfig\":{\"responseModalities\":[\"AUDIO\"]}",
         "generationConfig.responseModalities", 0},
        {"gemini-2.5-pro",
         ",\"generationConfig\":{\"stopSequences\":[\"1\",\"2\",\"3\",\"4\",\"5\","
         "\"6\"]}",
         "generationConfig.stopSequences", 0},
        {"gemini-2.5-pro", ",\"generationConfig\":{\"thinkingConfig\":{\"thinkingBudget\":0}}",
         "generationConfig.thinkingConfig", 0},
        {"gemini-1.5-pro", ",\"generationConfig\":{\"thinkingConfig\":{\"thinkingBudget\":9}}",
         "generationConfig.thinkingConfig", 0},
        {"gemini-2.5-pro", ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"VALIDATED\"}}",
         "toolConfig.functionCallingConfig.mode", 0},
        {"gemini-2.5-pro", ",\"newThing\":1", "newThing", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        struct chat_losses strict = {.lenient = false}, lenient = {.lenient = true};
        char body[600];
        int rc;
        snprintf(body, sizeof body, "{" C "%s}", rows[i].members);
        ROW("%s", rows[i].members);
        turned(b, span_str(body), rows[i].model, rows[i].quirks, &strict, &rc);
        EXPECT_EQ(rc, -FAIL_UNSUPPORTED);
        EXPECT_BYTES(strict.field.p, strict.field.n, rows[i].field);
        struct span got = turned(b, span_str(body), rows[i].model, rows[i].quirks, &lenient, &rc);
        EXPECT_EQ(rc, 0);
        EXPECT_EQ(lenient.count, 1);
        EXPECT_EQ(json_check(got, NULL, NULL), 0);
        bench_free(b);
    }
}

TEST(parts_that_cannot_be_said) {
    static const struct {
        const char *parts;
        unsigned quirks;
        const char *field;
    } rows[] = {
        {"{\"fileData\":{\"fileUri\":\"https://x/y.png\"}}", QUIRK_NO_REMOTE_IMAGES,
         "messages[0].content[0]"},
        {"{\"fileData\":{\"fileUri\":\"gs://x/y.png\"}}", 0, "contents[0].parts[0].fileData"},
        {"{\"inlineData\":{\"mimeType\":\"video/mp4\",\"data\":\"AA\"}}", 0,
         "contents[0].parts[0].inlineData"},
        {"{\"text\":\"a\"},{\"executableCode\":{}}", 0, "contents[0].parts[1].executableCode"},
        {"{\"functionResponse\":{\"id\":\"nobody\",\"name\":\"f\",\"response\":{}}}", 0,
         "messages[0].content[0]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        struct chat_losses strict = {.lenient = false}, lenient = {.lenient = true};
        char body[600];
        int rc;
        snprintf(body, sizeof body, "{\"contents\":[{\"role\":\"user\",\"parts\":[%s]}]}",
                 rows[i].parts);
        ROW("%s", rows[i].parts);
        turned(b, span_str(body), "gemini-3-pro", rows[i].quirks, &strict, &rc);
        EXPECT_EQ(rc, -FAIL_UNSUPPORTED);
        EXPECT_BYTES(strict.field.p, strict.field.n, rows[i].field);
        turned(b, span_str(body), "gemini-3-pro", rows[i].quirks, &lenient, &rc);
        EXPECT_EQ(rc, 0);
        bench_free(b);
    }
}

TEST(bad_parts_are_the_clients_fault) {
    static const struct {
        const char *content, *param;
    } rows[] = {
        {"{\"role\":\"system\",\"parts\":[]}", "contents[0].role"},
        {"{\"parts\":{}}", "contents[0].parts"},
        {"{\"parts\":[3]}", "contents[0].parts[0]"},
        {"{\"parts\":[{\"inlineData\":{\"data\":\"A\"}}]}", "contents[0].parts[0].inlineData"},
        {"{\"parts\":[{\"fileData\":{}}]}", "contents[0].parts[0].fileData"},
        {"{\"parts\":[{\"inlineData\":{\"mimeType\":\";base64,g\",\"data\":\"AA__\"}}]}",
         "contents[0].parts[0].inlineData.mimeType"},
        {"{\"parts\":[{\"inlineData\":{\"mimeType\":\"video/\",\"data\":\"AA\"}}]}",
         "contents[0].parts[0].inlineData.mimeType"},
        {"{\"parts\":[{\"fileData\":{\"mimeType\":\"png\",\"fileUri\":\"https://x/y\"}}]}",
         "contents[0].parts[0].fileData.mimeType"},
        {"{\"parts\":[{\"fileData\":{\"fileUri\":\"data:image/png,AA\"}}]}",
         "contents[0].parts[0].fileData.fileUri"},
        {"{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"\"}}]}",
         "contents[0].parts[0].functionCall.name"},
        {"{\"role\":\"model\",\"parts\":[{\"functionCall\":{}}]}",
         "contents[0].parts[0].functionCall.name"},
        {"{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"a\\\"b\"}}]}",
         "contents[0].parts[0].functionCall.name"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        struct chat_losses losses = {.lenient = true};
        char body[600];
        int rc;
        snprintf(body, sizeof body, "{\"contents\":[%s]}", rows[i].content);
        ROW("%s", rows[i].content);
        turned(b, span_str(body), "gemini-3-pro", 0, &losses, &rc);
        EXPECT_EQ(rc, -FAIL_BAD_REQUEST);
        EXPECT_BYTES(b->param.p, b->param.n, rows[i].param);
        bench_free(b);
    }
}

TEST(settings_of_the_wrong_kind_are_the_clients_fault) {
    static const struct {
        const char *config, *param; /* param NULL: it is well */
    } rows[] = {
        {"\"topP\":0.5,\"seed\":\"7\",\"logprobs\":3,\"responseLogprobs\":false", NULL},
        {"\"temperature\":null", NULL},
        {"\"topP\":true", "generationConfig.topP"},
        {"\"topK\":\"many\"", "generationConfig.topK"},
        {"\"seed\":\"\"", "generationConfig.seed"},
        {"\"presence_penalty\":[1]", "generationConfig.presencePenalty"},
        {"\"frequencyPenalty\":{}", "generationConfig.frequencyPenalty"},
        {"\"responseLogprobs\":1", "generationConfig.responseLogprobs"},
        {"\"logprobs\":true", "generationConfig.logprobs"},
        {"\"thinkingConfig\":{\"thinkingLevel\":\"HIGH\"}", NULL},
        {"\"thinkingConfig\":{\"thinkingLevel\":\"a\\tb\"}",
         "generationConfig.thinkingConfig.thinkingLevel"},
        {"\"responseJsonSchema\":true", "generationConfig.responseJsonSchema"},
        {"\"x\":1},\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"parametersJsonSchema\":"
         "true}]}],"
         "\"y\":{",
         "tools.functionDeclarations.parametersJsonSchema"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        struct chat_losses losses = {.lenient = true};
        char body[600];
        int rc;
        snprintf(body, sizeof body, "{\"contents\":[" U "],\"generationConfig\":{%s}}",
                 rows[i].config);
        ROW("%s", rows[i].config);
        turned(b, span_str(body), "gemini-3-pro", 0, &losses, &rc);
        EXPECT_EQ(rc, rows[i].param ? -FAIL_BAD_REQUEST : 0);
        if (rows[i].param)
            EXPECT_BYTES(b->param.p, b->param.n, rows[i].param);
        bench_free(b);
    }
}

/* Any kind of value in any place: no more than a refusal. */
TEST(values_of_the_wrong_kind) {
    static const char *const values[] = {"{\"a\":1}", "[1]",  "[{\"a\":1}]", "\"x\"", "3",
                                         "true",      "null", "{}",          "[]",    "[[]]"};
    static const char *const places[] = {
        "{" C ",\"tools\":%s}",
        "{" C ",\"tools\":[%s]}",
        "{" C ",\"tools\":[{\"functionDeclarations\":%s}]}",
        "{" C ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"parameters\":%s}]}]}",
        "{" C ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"parameters\":{\"anyOf\":%s,"
        "\"properties\":%s}}]}]}",
        "{" C ",\"toolConfig\":%s}",
        "{" C ",\"toolConfig\":{\"functionCallingConfig\":%s}}",
        "{" C
        ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":%s,\"allowedFunctionNames\":%s}}}",
        "{" C ",\"generationConfig\":{\"stopSequences\":%s,\"thinkingConfig\":%s}}",
        "{" C ",\"generationConfig\":{\"responseSchema\":%s,\"responseModalities\":%s}}",
        "{" C ",\"generationConfig\":{\"temperature\":%s,\"responseMimeType\":%s}}",
        "{" C ",\"systemInstruction\":%s}",
        "{" C ",\"systemInstruction\":{\"parts\":%s}}",
        "{\"contents\":[{\"role\":%s,\"parts\":[]}]}",
        "{\"contents\":[{\"parts\":%s}]}",
        "{\"contents\":[{\"parts\":[{\"text\":%s,\"inlineData\":%s}]}]}",
        "{\"contents\":[{\"parts\":[{\"functionCall\":%s}]}]}",
        "{\"contents\":[{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":%s,\"id\":%s}}]}]}",
        "{\"contents\":[{\"parts\":[{\"functionResponse\":{\"response\":%s,\"parts\":%s}}]}]}",
        "{\"contents\":[{\"parts\":[{\"functionResponse\":{\"name\":%s,\"id\":%s}}]}]}",
    };
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++)
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            struct bench *b = bench_new();
            struct chat_losses losses = {.lenient = true};
            struct chat_request req;
            struct chat_edit edits[CHAT_EDITS_MAX];
            char body[600];
            int rc;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(body, sizeof body, places[p], values[v], values[v]);
#pragma GCC diagnostic pop
            ROW("%s", body);
            if (read_request(b, span_str(body), &req) == 0)
                EXPECT(dialect_gemini.edit_request(&req, SPAN("m"), QUIRK_NO_CALL_IDS, &b->arena,
                                                   edits) >= 0);
            for (int old = 0; old < 2; old++) {
                struct span got = turned(b, span_str(body), old ? "gemini-1.5" : "gemini-3-flash",
                                         0, &losses, &rc);
                EXPECT(rc == 0 || rc == -FAIL_BAD_REQUEST);
                if (rc == 0)
                    EXPECT_EQ(json_check(got, NULL, NULL), 0);
            }
            bench_free(b);
        }
}

/* --- requests of other dialects --- */

static struct span from(struct bench *b, const struct dialect *dialect, const char *body,
                        const char *model, unsigned quirks, struct chat_losses *losses, int *rc) {
    struct chat_request req = {.path_model = SPAN("")};
    struct chat_prompt prompt;
    struct json_out out;
    struct chat_spell spell = {.model = span_str(model), .quirks = quirks, .losses = losses};
    spell.facts = model_facts_find(spell.model);
    json_out_arena(&out, &b->arena, 0);
    *rc = dialect->read_request(span_str(body), &b->arena, &req, &b->why, &b->param);
    if (*rc == 0)
        *rc = dialect->read_prompt(&req, &b->arena, &prompt, &b->why, &b->param);
    if (*rc == 0)
        *rc = dialect_gemini.write_prompt(&prompt, &spell, &b->arena, &out);
    return json_out_span(&out);
}

TEST(chat_completions_as_gemini) {
    static const struct {
        const char *model, *body, *want;
    } rows[] = {
        {"gemini-2.5-pro",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":"
         "\"user\","
         "\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\",\"image_url\":{"
         "\"url\":"
         "\"data:image/"
         "png;base64,AAAA\"}}]}],\"max_completion_tokens\":5,\"reasoning_effort\":\"high\"}",
         "{\"systemInstruction\":{\"parts\":[{\"text\":\"S\"}]},\"contents\":[{\"role\":\"user\","
         "\"parts\":"
         "[{\"text\":\"a\"},{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AAAA\"}}]}],"
         "\"generationConfig\":{\"maxOutputTokens\":5,\"thinkingConfig\":{\"thinkingBudget\":4096,"
         "\"includeThoughts\":true}}}"},
        {"gemini-3-pro-preview",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":"
         "\"assistant\","
         "\"content\":null,\"tool_calls\":[{\"id\":\"x\",\"type\":\"function\",\"function\":{"
         "\"name\":\"f\","
         "\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"y\",\"type\":\"function\",\"function\":{"
         "\"name\":\"g\","
         "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"y\",\"content\":\"plain\"}"
         ","
         "{\"role\":\"tool\",\"tool_call_id\":\"x\",\"content\":\"{\\\"k\\\":[1]}\"},{\"role\":"
         "\"user\","
         "\"content\":\"b\"}]}",
         "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}]},{\"role\":\"model\","
         "\"parts\":["
         "{\"functionCall\":{\"id\":\"x\",\"name\":\"f\",\"args\":{\"a\":1}},\"thoughtSignature\":"
         "\"skip_thought_signature_validator\"},{\"functionCall\":{\"id\":\"y\",\"name\":\"g\","
         "\"args\":{}}}"
         "]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"x\",\"name\":\"f\","
         "\"response\":"
         "{\"k\":[1]}}},{\"functionResponse\":{\"id\":\"y\",\"name\":\"g\",\"response\":{"
         "\"result\":"
         "\"plain\"}}}]},{\"role\":\"user\",\"parts\":[{\"text\":\"b\"}]}]}"},
        {"gemini-2.5-flash",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":[{"
         "\"type\":"
         "\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\","
         "\"properties\":{\"a\":"
         "{\"type\":\"string\"}}}}},{\"type\":\"function\",\"function\":{\"name\":\"g\"}}],\"tool_"
         "choice\":"
         "\"required\",\"response_format\":{\"type\":\"json_object\"}}",
         "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}]}],\"tools\":[{"
         "\"functionDeclarations\":[{\"name\":\"f\",\"parametersJsonSchema\":{\"type\":\"object\","
         "\"properties\":{\"a\":{\"type\":\"string\"}}}},{\"name\":\"g\"}]}],\"toolConfig\":{"
         "\"functionCallingConfig\":{\"mode\":\"ANY\"}},\"generationConfig\":{\"responseMimeType\":"
         "\"application/json\"}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        struct chat_losses losses = {.lenient = false};
        int rc;
        ROW("row %zu", i);
        struct span got =
            from(b, &dialect_openai_chat, rows[i].body, rows[i].model, 0, &losses, &rc);
        EXPECT_EQ(rc, 0);
        EXPECT_JSON(got, span_str(rows[i].want));
        bench_free(b);
    }
}

/* --- schemas --- */

TEST(schemas_are_cleaned) {
    static const struct {
        const char *schema, *want;
    } rows[] = {
        {"{\"type\":\"string\"}", "{\"type\":\"STRING\"}"},
        {"{\"type\":\"object\",\"$schema\":\"x\",\"title\":\"t\",\"default\":{\"type\":\"x\"},"
         "\"additionalProperties\":false,\"properties\":{\"title\":{\"type\":\"integer\","
         "\"format\":\"int32\""
         ",\"minimum\":1}},\"required\":[\"title\",\"gone\"]}",
         "{\"type\":\"OBJECT\",\"properties\":{\"title\":{\"type\":\"INTEGER\",\"format\":"
         "\"int32\","
         "\"minimum\":1}},\"required\":[\"title\"]}"},
        {"{\"type\":[\"string\",\"null\"]}", "{\"type\":\"STRING\",\"nullable\":true}"},
        {"{\"type\":[\"string\",\"integer\"]}",
         "{\"anyOf\":[{\"type\":\"STRING\"},{\"type\":\"INTEGER\"}]}"},
        {"{\"const\":\"a\"}", "{\"type\":\"STRING\",\"enum\":[\"a\"]}"},
        {"{\"enum\":[\"a\",\"b\"]}", "{\"type\":\"STRING\",\"enum\":[\"a\",\"b\"]}"},
        {"{\"type\":\"integer\",\"enum\":[1,2]}", "{\"type\":\"INTEGER\"}"},
        {"{\"type\":\"string\",\"format\":\"uri\"}", "{\"type\":\"STRING\"}"},
        {"{\"type\":\"string\",\"format\":\"date-time\"}",
         "{\"type\":\"STRING\",\"format\":\"date-time\"}"},
        {"{\"type\":\"array\"}", "{\"type\":\"ARRAY\",\"items\":{\"type\":\"STRING\"}}"},
        {"{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/"
         "A\"},\"$defs\":{\"A\":{\"type\":\"number\"}}}",
         "{\"type\":\"ARRAY\",\"items\":{\"type\":\"NUMBER\"}}"},
        {"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}],\"description\":\"d\"}",
         "{\"type\":\"STRING\",\"nullable\":true,\"description\":\"d\"}"},
        {"{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"number\"},{\"type\":\"null\"}]}",
         "{\"nullable\":true,\"anyOf\":[{\"type\":\"STRING\"},{\"type\":\"NUMBER\"}]}"},
        {"{\"allOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
         "\"required\":[\"a\"]},"
         "{\"properties\":{\"b\":{\"type\":\"string\"}}}]}",
         "{\"type\":\"OBJECT\",\"properties\":{\"a\":{\"type\":\"STRING\"},\"b\":{\"type\":"
         "\"STRING\"}},"
         "\"required\":[\"a\"]}"},
        {"{\"$ref\":\"http://x\"}", "{\"type\":\"OBJECT\"}"},
        {"{\"properties\":{\"e\":{\"enum\":[{\"type\":\"object\"}]}}}",
         "{\"type\":\"OBJECT\",\"properties\":{\"e\":{\"type\":\"STRING\"}}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench *b = bench_new();
        struct json_out out;
        ROW("%s", rows[i].schema);
        size_t read_bytes = 0;
        json_out_arena(&out, &b->arena, 0);
        EXPECT(gemini_schema_clean(span_str(rows[i].schema), &read_bytes, &out));
        EXPECT_JSON(json_out_span(&out), span_str(rows[i].want));
        bench_free(b);
    }
}

TEST(recursive_schemas_end) {
    struct bench *b = bench_new();
    size_t read_bytes = 0;
    struct json_out out;
    json_out_arena(&out, &b->arena, 0);
    EXPECT(gemini_schema_clean(
        SPAN("{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#\"}}}"), &read_bytes,
        &out));
    EXPECT(json_out_span(&out).n < 2000);
    EXPECT_EQ(json_check(json_out_span(&out), NULL, NULL), 0);
    /* References to references: refused, and soon. */
    struct json_out bomb;
    json_out_arena(&bomb, &b->arena, 0);
    json_out_raw(&bomb, SPAN("{\"allOf\":["));
    for (int i = 0; i < 200; i++)
        json_out_raw(&bomb, SPAN("{\"$ref\":\"#\"},"));
    json_out_raw(&bomb, SPAN("{}]}"));
    read_bytes = 0;
    EXPECT(!gemini_schema_clean(json_out_span(&bomb), &read_bytes, &out));
    json_out_arena(&bomb, &b->arena, 0);
    json_out_raw(&bomb, SPAN("{\"properties\":{"));
    for (int i = 0; i < 50; i++) {
        char text[60];
        int n = snprintf(text, sizeof text, "\"p%d\":{\"$ref\":\"#\"},", i);
        json_out_raw(&bomb, span_of(text, (size_t)n));
    }
    json_out_raw(&bomb, SPAN("\"z\":{}}}"));
    read_bytes = 0;
    EXPECT(!gemini_schema_clean(json_out_span(&bomb), &read_bytes, &out));
    bench_free(b);
}

/* `count` times `piece` in an array or object behind `before`, and `after` it. */
static void many(struct json_out *out, const char *before, const char *piece, unsigned count,
                 const char *after) {
    json_out_raw(out, span_str(before));
    for (unsigned i = 0; i < count; i++) {
        json_out_raw(out, i ? SPAN(",") : SPAN(""));
        json_out_raw(out, span_str(piece));
    }
    json_out_raw(out, span_str(after));
}

#define HELLO \
    "{\"contents\":[{\"parts\":[{\"text\":\"a\"}]}],\"tools\":[{\"functionDeclarations\":["
#define REF "{\"$ref\":\"#\"}"

/* What has a million small pieces is read and written in time that grows with its length: the square
 * of 60000 would take a minute here, and a worker serves nobody else meanwhile. */
TEST(long_requests_take_time_of_their_length) {
    static const struct {
        const char *name, *before, *piece, *between, *other, *after;
        unsigned others;
    } rows[] = {
        {"calls, and results of other calls", "{\"contents\":[{\"role\":\"model\",\"parts\":[",
         "{\"functionCall\":{\"name\":\"f\"}}", "]},{\"parts\":[",
         "{\"functionResponse\":{\"name\":\"g\",\"response\":{}}}", "]}]}", 60000},
        {"calls and results of one id", "{\"contents\":[{\"role\":\"model\",\"parts\":[",
         "{\"functionCall\":{\"name\":\"f\",\"id\":\"i\"}}", "]},{\"parts\":[",
         "{\"functionResponse\":{\"name\":\"f\",\"id\":\"i\",\"response\":{}}}", "]}]}", 60000},
        {"tools, and names of others", HELLO, "{\"name\":\"f\"}",
         "]}],\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"AUTO\","
         "\"allowedFunctionNames\":[",
         "\"g\"", "]}}}", CHAT_ALLOWED_MAX},
        {"references to the end of a schema",
         HELLO "{\"name\":\"f\",\"parametersJsonSchema\":{\"properties\":{",
         "\"p\":{\"$ref\":\"#/$defs/A\"}", "},\"required\":[", "\"p\"",
         "],\"$defs\":{\"A\":{}}}}]}]}", 60000},
        {"tools that refer to themselves", HELLO,
         "{\"name\":\"f\",\"parametersJsonSchema\":{\"properties\":{\"a\":" REF ",\"b\":" REF
         ",\"c\":" REF "}}}",
         "]}],\"labels\":[", "1", "]}", 60000},
        {"images that are lost", "{\"contents\":[{\"parts\":[",
         "{\"fileData\":{\"fileUri\":\"https://x/y.png\"}}", "]},{\"parts\":[", "{\"text\":\"a\"}",
         "]}]}", 60000},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct bench *b = bench_new();
        struct chat_losses losses = {.lenient = true};
        struct json_out body;
        int rc;
        ROW("%s", rows[i].name);
        json_out_arena(&body, &b->arena, 0);
        many(&body, rows[i].before, rows[i].piece, 60000, rows[i].between);
        many(&body, "", rows[i].other, rows[i].others, rows[i].after);
        clock_t from = clock();
        struct span got =
            turned(b, json_out_span(&body), "gemini-1.5-pro", QUIRK_NO_REMOTE_IMAGES, &losses, &rc);
        EXPECT((clock() - from) / CLOCKS_PER_SEC < 5); /* the sanitizers take three times as long */
        EXPECT_EQ(rc, 0);
        EXPECT_EQ(json_check(got, NULL, NULL), 0);
        bench_free(b);
    }
}

/* --- requests of real clients --- */

/* Parts that both have: text, calls, results, data; compared in order. */
static void flatten(yyjson_val *body, struct json_out *out) {
    yyjson_val *content, *part;
    size_t i, n, j, m;
    yyjson_arr_foreach(yyjson_obj_get(body, "contents"), i, n, content) {
        yyjson_arr_foreach(yyjson_obj_get(content, "parts"), j, m, part) {
            static const char *const names[] = {"text", "functionCall", "functionResponse",
                                                "inlineData", "fileData"};
            for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
                yyjson_val *value = yyjson_obj_get(part, names[k]);
                const char *text = yyjson_get_str(value);
                if (!value || (text && strspn(text, " ") == strlen(text)))
                    continue;
                yyjson_val *data = yyjson_obj_get(value, "data");
                if (data) { /* in either alphabet of base64 */
                    char *plain = strdup(yyjson_get_str(data));
                    for (char *c = plain; *c; c++)
                        *c = (char)(*c == '-' ? '+' : *c == '_' ? '/' : *c);
                    json_out_raw(out, span_str(yyjson_get_str(yyjson_obj_get(value, "mimeType"))));
                    json_out_raw(out, span_of(plain, strcspn(plain, "=")));
                    free(plain);
                    continue;
                }
                yyjson_val *uri = yyjson_obj_get(value, "fileUri");
                uri = uri ? uri : yyjson_obj_get(value, "file_uri");
                if (uri) {
                    json_out_raw(out, span_str(yyjson_get_str(uri)));
                    continue;
                }
                yyjson_val *name = yyjson_obj_get(value, "name");
                yyjson_val *inner = yyjson_obj_get(value, k == 1 ? "args" : "response");
                char *json = yyjson_val_write(k == 1 || k == 2 ? inner : value, 0, NULL);
                json_out_raw(out, span_str(names[k]));
                json_out_raw(out, span_str(name ? yyjson_get_str(name) : ""));
                json_out_raw(out, span_str(json ? json : "{}"));
                json_out_raw(out, SPAN("\n"));
                free(json);
            }
        }
    }
}

TEST(recorded_requests) {
    static const char *const patterns[] = {"gemini/*.req.json", "vertex/*.req.json"};
    unsigned count = 0;
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        char path[5000];
        glob_t found;
        snprintf(path, sizeof path, "%s/%s", test_shared("fixtures"), patterns[p]);
        if (glob(path, 0, NULL, &found) != 0)
            continue;
        for (size_t i = 0; i < found.gl_pathc; i++) {
            static const struct span body_path[] = {SPAN_CONST("body")};
            size_t n = 0;
            char *bytes = test_file(found.gl_pathv[i], &n);
            struct json_token body;
            ROW("%s", strrchr(found.gl_pathv[i], '/'));
            /* Some were stored with an escape of a masked text in place of an array. */
            if ((strstr(bytes, ":generateContent") || strstr(bytes, ":streamGenerateContent")) &&
                json_find(span_of(bytes, n), body_path, 1, &body) && body.kind == JSON_OBJECT) {
                struct bench *b = bench_new();
                struct chat_losses losses = {.lenient = true};
                int rc;
                struct span got = turned(b, body.raw, "gemini-3-flash", 0, &losses, &rc);
                EXPECT_EQ(rc, 0);
                yyjson_doc *x = yyjson_read(body.raw.p, body.raw.n, 0);
                yyjson_doc *y = yyjson_read(got.p, got.n, 0);
                struct json_out a, z;
                json_out_arena(&a, &b->arena, 0);
                json_out_arena(&z, &b->arena, 0);
                flatten(yyjson_doc_get_root(x), &a);
                flatten(yyjson_doc_get_root(y), &z);
                if (!losses.count)
                    EXPECT_STR(bench_text(&z), bench_text(&a));
                count += !losses.count;
                yyjson_doc_free(x);
                yyjson_doc_free(y);
                bench_free(b);
            }
            free(bytes);
        }
        globfree(&found);
    }
    ROW("requests");
    EXPECT(count >= 60);
}
