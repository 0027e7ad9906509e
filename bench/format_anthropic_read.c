/* format_anthropic_read.c (pure) - reads a Messages request as strictly as Anthropic does: shapes by
 * table here, the rules between messages, tools and thinking in format_anthropic_check.c.
 *
 * Promises: refusals are invalid_request_error with a message like the real one.
 * Refuses:  what needs a beta header, and server tools' blocks in a history.
 */
#include "bench/format_anthropic.h"
#include "bench/shape.h"

#include <stdio.h>
#include <string.h>

enum {
    BUDGET_MIN = 1024,
    TOKENS_MAX = 1 << 20,
};

/* ---- shapes ---- */

static const struct shape_member cache_members[] = {
    {.name = "type", .types = SHAPE_STRING, .required = true},
    {.name = "ttl", .types = SHAPE_STRING},
    {.name = "scope", .types = SHAPE_STRING},
};
static const struct shape cache = {SHAPE_OF(cache_members)};

#define TYPE \
    { .name = "type", .types = SHAPE_STRING, .required = true }
#define CACHE \
    { .name = "cache_control", .types = SHAPE_OBJECT, .inside = &cache }
#define STRING(member) \
    { .name = member, .types = SHAPE_STRING, .required = true }

static const struct shape_member text_members[] = {
    TYPE, CACHE, STRING("text"), {.name = "citations", .types = SHAPE_ARRAY}};
static const struct shape text = {SHAPE_OF(text_members)};

static const struct shape_member base64_members[] = {TYPE, STRING("media_type"), STRING("data")};
static const struct shape base64 = {SHAPE_OF(base64_members)};
static const struct shape_member url_members[] = {TYPE, STRING("url")};
static const struct shape url = {SHAPE_OF(url_members)};
static const struct shape_member file_members[] = {TYPE, STRING("file_id")};
static const struct shape file = {SHAPE_OF(file_members)};
static const struct shape_member inner_members[] = {
    TYPE, {.name = "content", .types = SHAPE_STRING | SHAPE_ARRAY, .required = true}};
static const struct shape inner = {SHAPE_OF(inner_members)};
static const struct shape_kind source_kinds[] = {
    {"base64", &base64}, {"url", &url}, {"file", &file}, {"text", &base64}, {"content", &inner}};
static const struct shape source = {SHAPE_KINDS("type", source_kinds)};

static const struct shape_member image_members[] = {
    TYPE, CACHE, {.name = "source", .types = SHAPE_OBJECT, .inside = &source, .required = true}};
static const struct shape image = {SHAPE_OF(image_members)};

static const struct shape_member document_members[] = {
    TYPE,
    CACHE,
    {.name = "source", .types = SHAPE_OBJECT, .inside = &source, .required = true},
    {.name = "title", .types = SHAPE_STRING},
    {.name = "context", .types = SHAPE_STRING},
    {.name = "citations", .types = SHAPE_OBJECT}};
static const struct shape document = {SHAPE_OF(document_members)};

static const struct shape_member use_members[] = {
    TYPE,
    CACHE,
    STRING("id"),
    STRING("name"),
    {.name = "input", .types = SHAPE_OBJECT, .required = true},
    {.name = "caller", .types = SHAPE_OBJECT}};
static const struct shape use = {SHAPE_OF(use_members)};

static const struct shape_member thinking_members[] = {TYPE, STRING("thinking"),
                                                       STRING("signature")};
static const struct shape thinking_block = {SHAPE_OF(thinking_members)};
static const struct shape_member redacted_members[] = {TYPE, STRING("data")};
static const struct shape redacted = {SHAPE_OF(redacted_members)};

static const struct shape_kind result_kinds[] = {
    {"text", &text}, {"image", &image}, {"document", &document}};
static const struct shape result_content = {SHAPE_KINDS("type", result_kinds)};
static const struct shape_member result_members[] = {
    TYPE,
    CACHE,
    STRING("tool_use_id"),
    {.name = "content", .types = SHAPE_STRING | SHAPE_ARRAY, .inside = &result_content},
    {.name = "is_error", .types = SHAPE_BOOLEAN}};
static const struct shape result = {SHAPE_OF(result_members)};

static const struct shape_kind block_kinds[] = {
    {"document", &document},
    {"image", &image},
    {"redacted_thinking", &redacted},
    {"text", &text},
    {"tool_use", &use},
    {"tool_result", &result},
    {"thinking", &thinking_block},
};
static const struct shape block = {SHAPE_KINDS("type", block_kinds)};

static const struct shape_member message_members[] = {
    STRING("role"),
    {.name = "content", .types = SHAPE_STRING | SHAPE_ARRAY, .inside = &block, .required = true}};
static const struct shape message = {SHAPE_OF(message_members)};

static const struct shape_kind system_kinds[] = {{"text", &text}};
static const struct shape system_block = {SHAPE_KINDS("type", system_kinds)};

static const struct shape_member enabled_members[] = {TYPE,
                                                      {.name = "budget_tokens",
                                                       .types = SHAPE_INTEGER,
                                                       .required = true,
                                                       .lowest = BUDGET_MIN,
                                                       .highest = TOKENS_MAX},
                                                      {.name = "display", .types = SHAPE_STRING}};
static const struct shape enabled = {SHAPE_OF(enabled_members)};
static const struct shape_member adaptive_members[] = {TYPE,
                                                       {.name = "display", .types = SHAPE_STRING}};
static const struct shape adaptive = {SHAPE_OF(adaptive_members)};
static const struct shape_member bare_members[] = {TYPE};
static const struct shape bare = {SHAPE_OF(bare_members)};
static const struct shape_kind thinking_kinds[] = {
    {"adaptive", &adaptive}, {"disabled", &bare}, {"enabled", &enabled}};
static const struct shape thinking = {SHAPE_KINDS("type", thinking_kinds)};

static const struct shape_member choice_members[] = {
    TYPE, {.name = "disable_parallel_tool_use", .types = SHAPE_BOOLEAN}};
static const struct shape choice = {SHAPE_OF(choice_members)};
static const struct shape_member named_members[] = {
    TYPE, STRING("name"), {.name = "disable_parallel_tool_use", .types = SHAPE_BOOLEAN}};
static const struct shape named = {SHAPE_OF(named_members)};
static const struct shape_kind choice_kinds[] = {
    {"auto", &choice}, {"any", &choice}, {"tool", &named}, {"none", &bare}};
static const struct shape tool_choice = {SHAPE_KINDS("type", choice_kinds)};

static const struct shape_member metadata_members[] = {{.name = "user_id", .types = SHAPE_STRING}};
static const struct shape metadata = {SHAPE_OF(metadata_members)};
static const struct shape_member json_schema_members[] = {
    TYPE, {.name = "schema", .types = SHAPE_OBJECT, .required = true}};
static const struct shape json_schema = {SHAPE_OF(json_schema_members)};
static const struct shape_kind output_kinds[] = {{"json_schema", &json_schema}};
static const struct shape output_format = {SHAPE_KINDS("type", output_kinds)};
static const struct shape_member output_members[] = {
    {.name = "effort", .types = SHAPE_STRING},
    {.name = "format", .types = SHAPE_OBJECT, .inside = &output_format}};
static const struct shape output_config = {SHAPE_OF(output_members)};

#define COMMON                                                                            \
    {.name = "messages", .types = SHAPE_ARRAY, .inside = &message, .required = true},     \
        {.name = "system", .types = SHAPE_STRING | SHAPE_ARRAY, .inside = &system_block}, \
        {.name = "thinking", .types = SHAPE_OBJECT, .inside = &thinking},                 \
        {.name = "tool_choice", .types = SHAPE_OBJECT, .inside = &tool_choice},           \
        {.name = "tools", .types = SHAPE_ARRAY},                                          \
        {.name = "output_config", .types = SHAPE_OBJECT, .inside = &output_config}, CACHE
#define ANSWERED                                                                         \
    {.name = "max_tokens",                                                               \
     .types = SHAPE_INTEGER,                                                             \
     .required = true,                                                                   \
     .lowest = 1,                                                                        \
     .highest = TOKENS_MAX},                                                             \
        {.name = "metadata", .types = SHAPE_OBJECT, .inside = &metadata},                \
        {.name = "stop_sequences", .types = SHAPE_ARRAY},                                \
        {.name = "stream", .types = SHAPE_BOOLEAN},                                      \
        {.name = "temperature", .types = SHAPE_NUMBER, .lowest = 0, .highest = 1},       \
        {.name = "top_k", .types = SHAPE_INTEGER, .lowest = 0, .highest = TOKENS_MAX}, { \
        .name = "top_p", .types = SHAPE_NUMBER, .lowest = 0, .highest = 1                \
    }

static const struct shape_member own_members[] = {COMMON,
                                                  ANSWERED,
                                                  STRING("model"),
                                                  {.name = "container", .types = SHAPE_STRING},
                                                  {.name = "inference_geo", .types = SHAPE_STRING},
                                                  {.name = "service_tier", .types = SHAPE_STRING}};
static const struct shape own = {SHAPE_OF(own_members)};
static const struct shape_member vertex_members[] = {COMMON, ANSWERED, STRING("anthropic_version")};
static const struct shape vertex = {SHAPE_OF(vertex_members)};
static const struct shape_member count_members[] = {COMMON, STRING("model")};
static const struct shape count = {SHAPE_OF(count_members)};
static const struct shape_member vertex_count_members[] = {COMMON, STRING("model"),
                                                           STRING("anthropic_version")};
static const struct shape vertex_count = {SHAPE_OF(vertex_count_members)};

/* ---- refusals ---- */

static const char INVALID[] = "invalid_request_error";

#define REFUSE(...) ask_error_set(e, 400, INVALID, __VA_ARGS__)

static const char *type_name(unsigned types) {
    switch (types) {
    case SHAPE_STRING: return "string";
    case SHAPE_BOOLEAN: return "boolean";
    case SHAPE_INTEGER: return "integer";
    case SHAPE_NUMBER: return "number";
    case SHAPE_ARRAY:
    case SHAPE_STRING | SHAPE_ARRAY: return "list";
    case SHAPE_OBJECT: return "dictionary";
    }
    return "value";
}

static bool refuse_shape(const struct shape_fault *f, struct ask_error *e) {
    char at[sizeof f->path + sizeof f->name + 2];
    snprintf(at, sizeof at, "%s%s%s", f->path, *f->path && *f->name ? "." : "", f->name);
    switch (f->wrong) {
    case SHAPE_UNKNOWN: return REFUSE("%s: Extra inputs are not permitted", at);
    case SHAPE_MISSING: return REFUSE("%s: Field required", at);
    case SHAPE_TYPE: return REFUSE("%s: Input should be a valid %s", at, type_name(f->types));
    case SHAPE_BELOW:
        return REFUSE("%s: Input should be greater than or equal to %g", at, f->limit);
    case SHAPE_ABOVE: return REFUSE("%s: Input should be less than or equal to %g", at, f->limit);
    case SHAPE_TAG:
    case SHAPE_UNION: break;
    }
    return REFUSE("%s: Input tag '%s' found using 'type' does not match any of the expected tags",
                  f->path, f->name);
}

/* ---- what the answer depends on ---- */

static bool is_type(yyjson_val *v, const char *type) {
    return yyjson_equals_str(yyjson_obj_get(v, "type"), type);
}

static void take_wish(struct ask *ask, yyjson_val *root) {
    yyjson_val *messages = yyjson_obj_get(root, "messages"), *m, *b;
    yyjson_val *chosen = yyjson_obj_get(root, "tool_choice");
    const char *name = yyjson_get_str(yyjson_obj_get(chosen, "name"));
    yyjson_val *tool = format_anthropic_tool(yyjson_obj_get(root, "tools"), name);
    struct bytes said = {0};
    bool results = false;
    size_t i, j, max, blocks_max;
    yyjson_arr_foreach(messages, i, max, m) {
        yyjson_val *content = yyjson_obj_get(m, "content");
        results = false;
        if (!yyjson_equals_str(yyjson_obj_get(m, "role"), "user"))
            continue;
        bool text_seen = false;
        yyjson_arr_foreach(content, j, blocks_max, b) {
            results |= is_type(b, "tool_result");
            text_seen |= is_type(b, "text");
        }
        if (!yyjson_is_str(content) && !text_seen)
            continue;
        bytes_clear(&said);
        ask_take_text(&said, content);
        yyjson_arr_foreach(content, j, blocks_max, b)
            ask_take_text(&said, yyjson_obj_get(b, "text"));
    }
    yyjson_val *last = yyjson_arr_get_last(messages);
    struct ask_wish wish = {
        .said = &said,
        .begun = yyjson_equals_str(yyjson_obj_get(last, "role"), "assistant") ? last : NULL,
        .results = results,
        .called = !is_type(chosen, "none") && (is_type(chosen, "any") || is_type(chosen, "tool") ||
                                               strncmp(bytes_text(&said), "echo:", 5) != 0),
        .single = yyjson_is_true(yyjson_obj_get(chosen, "disable_parallel_tool_use")),
        .name = yyjson_obj_get(tool, "name"),
        .schema = yyjson_obj_get(tool, "input_schema")};
    ask_take_wish(ask, &wish);
    bytes_free(&said);
}

static bool read_root(struct ask *ask, yyjson_val *root, const struct shape *shape,
                      const char *model, struct ask_error *e) {
    struct shape_fault fault;
    if (!shape_check(shape, root, &fault))
        return refuse_shape(&fault, e);
    yyjson_val *wanted = yyjson_obj_get(root, "thinking");
    ask_take_text(&ask->model, yyjson_obj_get(root, "model"));
    if (!*model)
        model = bytes_text(&ask->model);
    if (!format_anthropic_check(root, model, e))
        return false;
    ask->stream = yyjson_get_bool(yyjson_obj_get(root, "stream"));
    ask->max_tokens = (unsigned)yyjson_get_uint(yyjson_obj_get(root, "max_tokens"));
    ask->thinking = wanted && !is_type(wanted, "disabled");
    /* The newest models keep their thoughts to themselves unless asked for a summary. */
    yyjson_val *display = yyjson_obj_get(wanted, "display");
    ask->thinking_hidden = yyjson_equals_str(display, "omitted") ||
                           (!display && format_anthropic_hides_thoughts(model));
    take_wish(ask, root);
    return true;
}

static bool read_body(struct ask *ask, const struct format_request *request,
                      const struct shape *shape, struct ask_error *e) {
    ask_clear(ask);
    yyjson_doc *doc = yyjson_read(request->body, request->size, YYJSON_READ_NOFLAG);
    if (!doc)
        return REFUSE("The request body is not valid JSON");
    bool ok = read_root(ask, yyjson_doc_get_root(doc), shape, request->model, e);
    ask->prompt_tokens = (unsigned)(request->size / ASK_BYTES_PER_TOKEN + 1);
    yyjson_doc_free(doc);
    return ok;
}

bool format_anthropic_read(struct ask *ask, const struct format_request *request,
                           struct ask_error *e) {
    if (!read_body(ask, request, request->model_in_path ? &vertex : &own, e))
        return false;
    /* At Vertex the verb decides, and a body that says otherwise is a client's mistake. */
    if (request->model_in_path && ask->stream && !request->stream)
        return REFUSE("stream: streaming needs the method :streamRawPredict");
    ask->stream |= request->stream;
    return true;
}

bool format_anthropic_read_count(struct ask *ask, const struct format_request *request,
                                 struct ask_error *e) {
    return read_body(ask, request, request->kind == SIM_ANTHROPIC ? &count : &vertex_count, e);
}
