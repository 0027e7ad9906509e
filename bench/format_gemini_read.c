/* format_gemini_read.c (pure) - reads a generateContent request as strictly as Google's front end:
 * protobuf's JSON form (camelCase or snake_case, no unknown names), then the rules of turns.
 *
 * Promises: refusals are INVALID_ARGUMENT with a message like the real one.
 * Differs:  between the Gemini API and Vertex AI where they do: functionCall.id, labels, roles.
 */
#include "bench/format_gemini.h"
#include "bench/shape.h"

#include <stdio.h>
#include <string.h>

enum { CANDIDATES_MAX = 8, TOKENS_MAX = 1 << 20, TOOL_NAME_MAX = 64, STOPS_MAX = 5 };

/* What a client may send where it has no signature: Google's documented constants. */
static const char *const SKIPS[] = {"skip_thought_signature_validator",
                                    "context_engineering_is_the_way_to_go"};

/* ---- shapes ---- */

#define ANY(member) \
    { .name = member, .types = SHAPE_OBJECT }
#define TEXT(member) \
    { .name = member, .types = SHAPE_STRING }
#define FLAG(member) \
    { .name = member, .types = SHAPE_BOOLEAN }
#define NUMBER(member) \
    { .name = member, .types = SHAPE_NUMBER }

static const struct shape_member blob_members[] = {
    {.name = "mimeType", .types = SHAPE_STRING, .required = true},
    {.name = "data", .types = SHAPE_STRING, .required = true},
    TEXT("displayName")};
static const struct shape blob = {SHAPE_OF(blob_members), .snake = true};
static const struct shape_member file_members[] = {
    TEXT("mimeType"),
    {.name = "fileUri", .types = SHAPE_STRING, .required = true},
    TEXT("displayName")};
static const struct shape file = {SHAPE_OF(file_members), .snake = true};
static const struct shape_member call_members[] = {
    TEXT("id"),
    {.name = "name", .types = SHAPE_STRING, .required = true},
    ANY("args"),
    {.name = "partialArgs", .types = SHAPE_ARRAY},
    FLAG("willContinue")};
static const struct shape call = {SHAPE_OF(call_members), .snake = true};
static const struct shape_member response_members[] = {
    TEXT("id"),
    {.name = "name", .types = SHAPE_STRING, .required = true},
    {.name = "response", .types = SHAPE_OBJECT, .required = true},
    FLAG("willContinue"),
    TEXT("scheduling"),
    {.name = "parts", .types = SHAPE_ARRAY}};
static const struct shape response = {SHAPE_OF(response_members), .snake = true};

static const struct shape_member part_members[] = {
    TEXT("text"),
    {.name = "inlineData", .types = SHAPE_OBJECT, .inside = &blob},
    {.name = "fileData", .types = SHAPE_OBJECT, .inside = &file},
    {.name = "functionCall", .types = SHAPE_OBJECT, .inside = &call},
    {.name = "functionResponse", .types = SHAPE_OBJECT, .inside = &response},
    ANY("executableCode"),
    ANY("codeExecutionResult"),
    FLAG("thought"),
    TEXT("thoughtSignature"),
    ANY("videoMetadata"),
    ANY("mediaResolution"),
    ANY("partMetadata")};
static const struct shape part = {SHAPE_OF(part_members), .snake = true};
static const struct shape_member content_members[] = {
    TEXT("role"), {.name = "parts", .types = SHAPE_ARRAY, .inside = &part}};
static const struct shape content = {SHAPE_OF(content_members), .snake = true};

/* The subset of OpenAPI 3.0's Schema. */
static const struct shape schema;
static const struct shape schema_map = {.values = &schema};
static const struct shape_member schema_members[] = {
    {.name = "type", .types = SHAPE_STRING},
    TEXT("format"),
    TEXT("title"),
    TEXT("description"),
    FLAG("nullable"),
    {.name = "enum", .types = SHAPE_ARRAY},
    {.name = "items", .types = SHAPE_OBJECT, .inside = &schema},
    {.name = "properties", .types = SHAPE_OBJECT, .inside = &schema_map},
    {.name = "required", .types = SHAPE_ARRAY},
    {.name = "propertyOrdering", .types = SHAPE_ARRAY},
    {.name = "anyOf", .types = SHAPE_ARRAY, .inside = &schema},
    {.name = "minItems", .types = SHAPE_NUMBER | SHAPE_STRING},
    {.name = "maxItems", .types = SHAPE_NUMBER | SHAPE_STRING},
    {.name = "minProperties", .types = SHAPE_NUMBER | SHAPE_STRING},
    {.name = "maxProperties", .types = SHAPE_NUMBER | SHAPE_STRING},
    {.name = "minLength", .types = SHAPE_NUMBER | SHAPE_STRING},
    {.name = "maxLength", .types = SHAPE_NUMBER | SHAPE_STRING},
    TEXT("pattern"),
    NUMBER("minimum"),
    NUMBER("maximum"),
    {.name = "example", .types = SHAPE_ANY},
    {.name = "default", .types = SHAPE_ANY}};
static const struct shape schema = {SHAPE_OF(schema_members), .snake = true};

static const struct shape_member function_members[] = {
    {.name = "name", .types = SHAPE_STRING, .required = true},
    TEXT("description"),
    TEXT("behavior"),
    {.name = "parameters", .types = SHAPE_OBJECT, .inside = &schema},
    {.name = "parametersJsonSchema", .types = SHAPE_OBJECT},
    {.name = "response", .types = SHAPE_OBJECT, .inside = &schema},
    {.name = "responseJsonSchema", .types = SHAPE_OBJECT}};
static const struct shape function = {SHAPE_OF(function_members), .snake = true};
static const struct shape_member tool_members[] = {
    {.name = "functionDeclarations", .types = SHAPE_ARRAY, .inside = &function},
    ANY("googleSearch"),
    ANY("googleSearchRetrieval"),
    ANY("googleMaps"),
    ANY("codeExecution"),
    ANY("urlContext"),
    ANY("computerUse"),
    ANY("fileSearch"),
    ANY("retrieval"),
    ANY("enterpriseWebSearch")};
static const struct shape tool = {SHAPE_OF(tool_members), .snake = true};

static const struct shape_member calling_members[] = {
    TEXT("mode"),
    {.name = "allowedFunctionNames", .types = SHAPE_ARRAY},
    FLAG("streamFunctionCallArguments")};
static const struct shape calling = {SHAPE_OF(calling_members), .snake = true};
static const struct shape_member tool_config_members[] = {
    {.name = "functionCallingConfig", .types = SHAPE_OBJECT, .inside = &calling},
    ANY("retrievalConfig"),
    FLAG("includeServerSideToolInvocations")};
static const struct shape tool_config = {SHAPE_OF(tool_config_members), .snake = true};

static const struct shape_member safety_members[] = {TEXT("category"), TEXT("threshold"),
                                                     TEXT("method")};
static const struct shape safety = {SHAPE_OF(safety_members), .snake = true};

static const struct shape_member thinking_members[] = {
    FLAG("includeThoughts"),
    {.name = "thinkingBudget", .types = SHAPE_INTEGER, .lowest = -1, .highest = 65536},
    TEXT("thinkingLevel")};
static const struct shape thinking = {SHAPE_OF(thinking_members), .snake = true};

static const struct shape_member generation_members[] = {
    {.name = "temperature", .types = SHAPE_NUMBER, .lowest = 0, .highest = 2},
    {.name = "topP", .types = SHAPE_NUMBER, .lowest = 0, .highest = 1},
    NUMBER("topK"),
    {.name = "candidateCount", .types = SHAPE_INTEGER, .lowest = 1, .highest = CANDIDATES_MAX},
    {.name = "maxOutputTokens", .types = SHAPE_INTEGER, .lowest = 1, .highest = TOKENS_MAX},
    {.name = "stopSequences", .types = SHAPE_ARRAY},
    FLAG("responseLogprobs"),
    {.name = "logprobs", .types = SHAPE_INTEGER},
    NUMBER("presencePenalty"),
    NUMBER("frequencyPenalty"),
    {.name = "seed", .types = SHAPE_INTEGER},
    TEXT("responseMimeType"),
    {.name = "responseSchema", .types = SHAPE_OBJECT, .inside = &schema},
    {.name = "responseJsonSchema", .types = SHAPE_OBJECT},
    {.name = "responseModalities", .types = SHAPE_ARRAY},
    {.name = "thinkingConfig", .types = SHAPE_OBJECT, .inside = &thinking},
    TEXT("mediaResolution"),
    ANY("speechConfig"),
    ANY("imageConfig"),
    FLAG("audioTimestamp"),
    ANY("routingConfig"),
    ANY("modelConfig"),
    FLAG("enableAffectiveDialog"),
    FLAG("enableEnhancedCivicAnswers")};
static const struct shape generation = {SHAPE_OF(generation_members), .snake = true};

#define COMMON                                                                                     \
    {.name = "contents", .types = SHAPE_ARRAY, .inside = &content},                                \
        {.name = "systemInstruction",                                                              \
         .types = SHAPE_OBJECT,                                                                    \
         .inside =                                                                                 \
             &content}, /* A single object where a list is meant is taken as well, as recorded. */ \
        {.name = "tools", .types = SHAPE_ARRAY | SHAPE_OBJECT, .inside = &tool},                   \
        {.name = "toolConfig", .types = SHAPE_OBJECT, .inside = &tool_config},                     \
        {.name = "safetySettings", .types = SHAPE_ARRAY, .inside = &safety},                       \
        {.name = "generationConfig", .types = SHAPE_OBJECT, .inside = &generation},                \
        TEXT("cachedContent"), TEXT("serviceTier")

static const struct shape_member gemini_members[] = {COMMON, TEXT("model"), FLAG("store")};
static const struct shape gemini = {SHAPE_OF(gemini_members), .snake = true};
static const struct shape_member vertex_members[] = {COMMON, ANY("labels"),
                                                     ANY("modelArmorConfig")};
static const struct shape vertex = {SHAPE_OF(vertex_members), .snake = true};

/* ---- refusals ---- */

static const char INVALID[] = "INVALID_ARGUMENT";

#define REFUSE(...) ask_error_set(e, 400, INVALID, __VA_ARGS__)

/* "contents.0.parts.1" in Google's spelling, "contents[0].parts[1]". */
static void spell_path(char *out, size_t size, const char *path) {
    size_t at = 0;
    while (*path && at + 2 < size) {
        size_t len = strcspn(path, ".");
        bool index = len && strspn(path, "0123456789") >= len;
        const char *mark = index ? "[" : at ? "." : "";
        int wrote =
            snprintf(out + at, size - at, "%s%.*s%s", mark, (int)len, path, index ? "]" : "");
        at += (size_t)wrote < size - at ? (size_t)wrote : size - at - 1;
        path += len + (path[len] == '.');
    }
    out[at] = 0;
}

static bool refuse_shape(const struct shape_fault *f, struct ask_error *e) {
    char at[sizeof f->path + 40];
    spell_path(at, sizeof at, f->path);
    switch (f->wrong) {
    case SHAPE_UNKNOWN:
        return REFUSE(
            "Invalid JSON payload received. Unknown name \"%s\"%s%s%s: Cannot find field.", f->name,
            *at ? " at '" : "", at, *at ? "'" : "");
    case SHAPE_TYPE:
        return REFUSE("Invalid value at '%s%s%s' (wrong JSON type)", at, *at ? "." : "", f->name);
    case SHAPE_BELOW:
    case SHAPE_ABOVE:
        return REFUSE("Unable to submit request because it has a %s value out of the supported "
                      "range (limit %g). Update the value and try again.",
                      f->name, f->limit);
    case SHAPE_MISSING:
    case SHAPE_TAG:
    case SHAPE_UNION: break;
    }
    return REFUSE("* GenerateContentRequest.%s.%s: must be specified and not empty", at, f->name);
}

/* ---- contents ---- */

static bool is_model(yyjson_val *c) {
    return yyjson_equals_str(yyjson_obj_get(c, "role"), "model");
}

static bool check_part(yyjson_val *p, size_t i, size_t j, enum sim_kind kind, struct ask_error *e) {
    static const char *const data[] = {
        "text",           "inlineData",         "fileData", "functionCall", "functionResponse",
        "executableCode", "codeExecutionResult"};
    unsigned given = 0;
    for (size_t d = 0; d < sizeof data / sizeof data[0]; d++)
        given += shape_get(p, data[d]) != NULL;
    if (given > 1)
        return REFUSE("Invalid value at 'contents[%zu].parts[%zu]' (oneof), oneof field 'data' is "
                      "already set.",
                      i, j);
    if (!given && !shape_get(p, "thoughtSignature"))
        return REFUSE("* GenerateContentRequest.contents[%zu].parts[%zu].data: required oneof "
                      "field 'data' must have one initialized field",
                      i, j);
    yyjson_val *text = yyjson_obj_get(p, "text");
    if (kind != SIM_GEMINI && text && !yyjson_get_len(text) && !shape_get(p, "thoughtSignature"))
        return REFUSE("Unable to submit request because it has an empty text parameter. Add a "
                      "value to the parameter and try again.");
    const char *const with_id[] = {"functionCall", "functionResponse"};
    for (size_t w = 0; w < 2; w++) {
        yyjson_val *holder = shape_get(p, with_id[w]);
        if (kind != SIM_GEMINI && holder && yyjson_obj_get(holder, "id"))
            return REFUSE("Invalid JSON payload received. Unknown name \"id\" at "
                          "'contents[%zu].parts[%zu].%s': Cannot find field.",
                          i, j, with_id[w]);
    }
    return true;
}

static bool check_contents(yyjson_val *contents, enum sim_kind kind, struct ask_error *e) {
    yyjson_val *c, *p;
    size_t i, j, max, parts_max;
    if (!yyjson_arr_size(contents))
        return REFUSE("* GenerateContentRequest.contents: contents is not specified");
    yyjson_arr_foreach(contents, i, max, c) {
        yyjson_val *role = yyjson_obj_get(c, "role"), *parts = yyjson_obj_get(c, "parts");
        bool known = yyjson_equals_str(role, "user") || yyjson_equals_str(role, "model");
        if (role ? !known : kind != SIM_GEMINI)
            return REFUSE("Please use a valid role: user, model.");
        if (i == 0 && is_model(c))
            return REFUSE("Please ensure that multiturn requests begin with a user turn.");
        if (!yyjson_arr_size(parts))
            return REFUSE("* GenerateContentRequest.contents[%zu].parts: contents.parts must not "
                          "be empty.",
                          i);
        yyjson_arr_foreach(parts, j, parts_max, p) if (!check_part(p, i, j, kind, e)) return false;
    }
    return true;
}

/* ---- function calls ---- */

static size_t parts_with(yyjson_val *c, const char *member) {
    yyjson_val *p;
    size_t i, max, count = 0;
    yyjson_arr_foreach(yyjson_obj_get(c, "parts"), i, max, p) count += shape_get(p, member) != NULL;
    return count;
}

/* The name in the n-th part that has `member`. */
static const char *nth_name(yyjson_val *c, const char *member, size_t n) {
    yyjson_val *p;
    size_t i, max;
    yyjson_arr_foreach(yyjson_obj_get(c, "parts"), i, max, p) {
        yyjson_val *v = shape_get(p, member);
        if (v && n-- == 0)
            return yyjson_get_str(yyjson_obj_get(v, "name"));
    }
    return NULL;
}

static bool check_turns(yyjson_val *contents, struct ask_error *e) {
    yyjson_val *c, *before = NULL;
    size_t i, max, owed = 0;
    yyjson_arr_foreach(contents, i, max, c) {
        size_t calls = parts_with(c, "functionCall"), results = parts_with(c, "functionResponse");
        if (calls && !is_model(c))
            return REFUSE("Please ensure that function call turns have the role model.");
        if (results && is_model(c))
            return REFUSE("Please ensure that function response turns have the role user.");
        if (calls && before && is_model(before))
            return REFUSE("Please ensure that function call turn comes immediately after a user "
                          "turn or after a function response turn.");
        if (results && !owed)
            return REFUSE("Please ensure that function response turn comes immediately after a "
                          "function call turn.");
        if (results != owed && owed)
            return REFUSE("Please ensure that the number of function response parts is equal to "
                          "the number of function call parts of the function call turn.");
        for (size_t n = 0; n < results; n++)
            if (strcmp(nth_name(c, "functionResponse", n), nth_name(before, "functionCall", n)))
                return REFUSE("Please ensure that function response names follow the names of the "
                              "function call turn.");
        owed = calls;
        before = c;
    }
    return !owed || REFUSE("Please ensure that a function call turn is followed by a function "
                           "response turn.");
}

static bool signature_good(const char *signature) {
    for (size_t i = 0; i < sizeof SKIPS / sizeof SKIPS[0]; i++)
        if (!strcmp(signature, SKIPS[i]))
            return true;
    return !strncmp(signature, FORMAT_SIGNED_GEMINI, strlen(FORMAT_SIGNED_GEMINI));
}

/* Gemini 3 wants the signature of each turn's first call back; where one is given it must be real. */
static bool check_signatures(yyjson_val *contents, const char *model, struct ask_error *e) {
    bool wanted = !strncmp(model, "gemini-3", strlen("gemini-3"));
    yyjson_val *c, *p;
    size_t i, j, max, parts_max;
    yyjson_arr_foreach(contents, i, max, c) {
        bool first = true;
        yyjson_arr_foreach(yyjson_obj_get(c, "parts"), j, parts_max, p) {
            const char *signature = yyjson_get_str(shape_get(p, "thoughtSignature"));
            yyjson_val *called = shape_get(p, "functionCall");
            if (signature && !signature_good(signature))
                return REFUSE("Thought signature is not valid: contents[%zu].parts[%zu].", i, j);
            if (called && first && wanted && !signature)
                return REFUSE(
                    "Function call is missing a thought_signature in functionCall parts. "
                    "This is required for tools to work correctly, and missing "
                    "thought_signature may lead to degraded model performance. Additional "
                    "data, function call `default_api:%.64s`, position %zu.",
                    yyjson_get_str(yyjson_obj_get(called, "name")), i + 1);
            first &= !called;
        }
    }
    return true;
}

/* ---- tools and settings ---- */

/* The declaration of this name (NULL: the first one). */
static yyjson_val *function_named(yyjson_val *root, const char *name) {
    yyjson_val *t, *f;
    size_t i, j, max, functions_max;
    yyjson_arr_foreach(yyjson_obj_get(root, "tools"), i, max, t) {
        yyjson_arr_foreach(shape_get(t, "functionDeclarations"), j, functions_max, f) {
            if (!name || yyjson_equals_str(yyjson_obj_get(f, "name"), name))
                return f;
        }
    }
    return NULL;
}

static bool check_function(yyjson_val *f, size_t i, size_t j, struct ask_error *e) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:";
    const char *name = yyjson_get_str(yyjson_obj_get(f, "name"));
    bool digit = name[0] >= '0' && name[0] <= '9';
    if (!*name || digit || strlen(name) > TOOL_NAME_MAX || name[strspn(name, letters)])
        return REFUSE(
            "* GenerateContentRequest.tools[%zu].function_declarations[%zu].name: Invalid "
            "function name. Must start with a letter or an underscore. Must be "
            "alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or "
            "dashes (-), with a maximum length of 64.",
            i, j);
    return !shape_get(f, "parameters") || !shape_get(f, "parametersJsonSchema") ||
           REFUSE("parameters and parameters_json_schema cannot both be set for function %.64s.",
                  name);
}

static bool check_tools(yyjson_val *root, struct ask_error *e) {
    yyjson_val *t, *f, *name;
    size_t i, j, max, functions_max;
    yyjson_arr_foreach(yyjson_obj_get(root, "tools"), i, max, t) {
        yyjson_arr_foreach(shape_get(t, "functionDeclarations"), j, functions_max,
                           f) if (!check_function(f, i, j, e)) return false;
    }
    yyjson_val *config = shape_get(shape_get(root, "toolConfig"), "functionCallingConfig");
    const char *mode = yyjson_get_str(yyjson_obj_get(config, "mode"));
    if (mode && strcmp(mode, "AUTO") && strcmp(mode, "ANY") && strcmp(mode, "NONE") &&
        strcmp(mode, "VALIDATED") && strcmp(mode, "MODE_UNSPECIFIED"))
        return REFUSE("Invalid value at 'tool_config.function_calling_config.mode' "
                      "(type.googleapis.com/google.ai.generativelanguage.v1beta."
                      "FunctionCallingConfig.Mode), \"%.40s\"",
                      mode);
    yyjson_arr_foreach(shape_get(config, "allowedFunctionNames"), i, max, name) {
        if (!mode || strcmp(mode, "ANY"))
            return REFUSE("allowed_function_names should be set only when mode is ANY.");
        if (!yyjson_is_str(name) || !function_named(root, yyjson_get_str(name)))
            return REFUSE("allowed_function_names holds a name that is not declared.");
    }
    return true;
}

static bool check_generation(yyjson_val *root, struct ask_error *e) {
    yyjson_val *config = shape_get(root, "generationConfig");
    yyjson_val *wanted = shape_get(config, "thinkingConfig");
    const char *mime = yyjson_get_str(shape_get(config, "responseMimeType"));
    bool schemas = shape_get(config, "responseSchema") || shape_get(config, "responseJsonSchema");
    if (yyjson_arr_size(shape_get(config, "stopSequences")) > STOPS_MAX)
        return REFUSE("* GenerateContentRequest.generation_config.stop_sequences: up to %d are "
                      "supported.",
                      STOPS_MAX);
    if (shape_get(wanted, "thinkingBudget") && shape_get(wanted, "thinkingLevel"))
        return REFUSE("You can only set only one of thinking budget and thinking level.");
    if (schemas && (!mime || (strcmp(mime, "application/json") && strcmp(mime, "text/x.enum"))))
        return REFUSE("Unable to submit request because a response schema needs the response mime "
                      "type application/json.");
    return true;
}

/* ---- what the answer depends on ---- */

static void take_said(yyjson_val *contents, struct bytes *said, bool *results) {
    yyjson_val *c, *p;
    size_t i, j, max, parts_max;
    yyjson_arr_foreach(contents, i, max, c) {
        *results = parts_with(c, "functionResponse") > 0;
        if (is_model(c) || !parts_with(c, "text"))
            continue;
        bytes_clear(said);
        yyjson_arr_foreach(yyjson_obj_get(c, "parts"), j, parts_max, p)
            ask_take_text(said, yyjson_obj_get(p, "text"));
    }
}

static void take_wish(struct ask *ask, yyjson_val *root) {
    yyjson_val *config = shape_get(shape_get(root, "toolConfig"), "functionCallingConfig");
    yyjson_val *mode = yyjson_obj_get(config, "mode");
    yyjson_val *allowed = yyjson_arr_get_first(shape_get(config, "allowedFunctionNames"));
    yyjson_val *f = function_named(root, yyjson_get_str(allowed));
    yyjson_val *parameters = shape_get(f, "parameters");
    struct bytes said = {0};
    bool results = false;
    take_said(yyjson_obj_get(root, "contents"), &said, &results);
    bool echo = !strncmp(bytes_text(&said), "echo:", 5);
    struct ask_wish wish = {
        .said = &said,
        .results = results,
        .called = !yyjson_equals_str(mode, "NONE") && (yyjson_equals_str(mode, "ANY") || !echo),
        .name = yyjson_obj_get(f, "name"),
        .schema = parameters ? parameters : shape_get(f, "parametersJsonSchema")};
    ask_take_wish(ask, &wish);
    bytes_free(&said);
}

static bool read_root(struct ask *ask, yyjson_val *root, const struct format_request *request,
                      struct ask_error *e) {
    struct shape_fault fault;
    if (!shape_check(request->kind == SIM_GEMINI ? &gemini : &vertex, root, &fault))
        return refuse_shape(&fault, e);
    yyjson_val *contents = yyjson_obj_get(root, "contents");
    yyjson_val *config = shape_get(root, "generationConfig"),
               *wanted = shape_get(config, "thinkingConfig"), *v;
    if (!check_contents(contents, request->kind, e) || !check_turns(contents, e) ||
        !check_signatures(contents, request->model, e) || !check_tools(root, e) ||
        !check_generation(root, e))
        return false;
    ask->max_tokens = (unsigned)yyjson_get_uint(shape_get(config, "maxOutputTokens"));
    v = shape_get(config, "candidateCount");
    ask->choices = v ? (unsigned)yyjson_get_uint(v) : 1;
    v = shape_get(wanted, "thinkingBudget");
    ask->thinking =
        yyjson_is_true(shape_get(wanted, "includeThoughts")) && !(v && yyjson_get_sint(v) == 0);
    take_wish(ask, root);
    return true;
}

bool format_gemini_read(struct ask *ask, const struct format_request *request,
                        struct ask_error *e) {
    ask_clear(ask);
    yyjson_doc *doc = yyjson_read(request->body, request->size, YYJSON_READ_NOFLAG);
    if (!doc)
        return REFUSE("Invalid JSON payload received. Unexpected token.");
    bool ok = read_root(ask, yyjson_doc_get_root(doc), request, e);
    ask->prompt_tokens = (unsigned)(request->size / ASK_BYTES_PER_TOKEN + 1);
    ask->stream = request->stream;
    ask->array = request->array;
    yyjson_doc_free(doc);
    return ok;
}
