/* format_converse_read.c (pure) - reads a Converse request as strictly as Bedrock does: the members of
 * the service model, then what its models' front end checks.
 *
 * Promises: refusals are ValidationException with a message like the real one.
 */
#include "bench/format_converse.h"
#include "bench/shape.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MAX_LETTERS = 64, DOCUMENT_NAME_MAX = 200, TOKENS_MAX = 1 << 20, CALLS_MAX = 64 };

static const char NAME_LETTERS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
static const char ID_LETTERS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";

/* ---- shapes: botocore's bedrock-runtime 2023-09-30 ---- */

#define ANY(member) \
    { .name = member, .types = SHAPE_OBJECT }
#define TEXT(member) \
    { .name = member, .types = SHAPE_STRING }
#define NEEDED(member) \
    { .name = member, .types = SHAPE_STRING, .required = true }

static const struct shape_member s3_members[] = {NEEDED("uri"), TEXT("bucketOwner")};
static const struct shape s3 = {SHAPE_OF(s3_members)};
static const struct shape_member source_members[] = {
    TEXT("bytes"),
    {.name = "s3Location", .types = SHAPE_OBJECT, .inside = &s3},
    TEXT("text"),
    {.name = "content", .types = SHAPE_ARRAY}};
static const struct shape source = {SHAPE_OF(source_members), .one = true};
static const struct shape_member image_members[] = {
    NEEDED("format"),
    {.name = "source", .types = SHAPE_OBJECT, .inside = &source, .required = true}};
static const struct shape image = {SHAPE_OF(image_members)};
static const struct shape_member document_members[] = {
    TEXT("format"),
    NEEDED("name"),
    {.name = "source", .types = SHAPE_OBJECT, .inside = &source, .required = true},
    TEXT("context"),
    ANY("citations")};
static const struct shape document = {SHAPE_OF(document_members)};
static const struct shape_member use_members[] = {
    NEEDED("toolUseId"),
    NEEDED("name"),
    {.name = "input", .types = SHAPE_ANY, .required = true},
    TEXT("type")};
static const struct shape use = {SHAPE_OF(use_members)};
static const struct shape_member result_content_members[] = {
    {.name = "json", .types = SHAPE_ANY},
    TEXT("text"),
    {.name = "image", .types = SHAPE_OBJECT, .inside = &image},
    {.name = "document", .types = SHAPE_OBJECT, .inside = &document},
    ANY("video"),
    ANY("searchResult")};
static const struct shape result_content = {SHAPE_OF(result_content_members), .one = true};
static const struct shape_member result_members[] = {
    NEEDED("toolUseId"),
    {.name = "content", .types = SHAPE_ARRAY, .inside = &result_content, .required = true},
    TEXT("status"),
    TEXT("type")};
static const struct shape result = {SHAPE_OF(result_members)};
static const struct shape_member cache_members[] = {NEEDED("type"), TEXT("ttl")};
static const struct shape cache = {SHAPE_OF(cache_members)};
static const struct shape_member reasoning_text_members[] = {NEEDED("text"), TEXT("signature")};
static const struct shape reasoning_text = {SHAPE_OF(reasoning_text_members)};
static const struct shape_member reasoning_members[] = {
    {.name = "reasoningText", .types = SHAPE_OBJECT, .inside = &reasoning_text},
    TEXT("redactedContent")};
static const struct shape reasoning = {SHAPE_OF(reasoning_members), .one = true};

#define CACHE \
    { .name = "cachePoint", .types = SHAPE_OBJECT, .inside = &cache }

static const struct shape_member block_members[] = {
    TEXT("text"),
    {.name = "image", .types = SHAPE_OBJECT, .inside = &image},
    {.name = "document", .types = SHAPE_OBJECT, .inside = &document},
    ANY("video"),
    ANY("audio"),
    {.name = "toolUse", .types = SHAPE_OBJECT, .inside = &use},
    {.name = "toolResult", .types = SHAPE_OBJECT, .inside = &result},
    ANY("guardContent"),
    CACHE,
    {.name = "reasoningContent", .types = SHAPE_OBJECT, .inside = &reasoning},
    ANY("citationsContent"),
    ANY("searchResult")};
static const struct shape block = {SHAPE_OF(block_members), .one = true};
static const struct shape_member message_members[] = {
    NEEDED("role"), {.name = "content", .types = SHAPE_ARRAY, .inside = &block, .required = true}};
static const struct shape message = {SHAPE_OF(message_members)};

static const struct shape_member system_members[] = {TEXT("text"), ANY("guardContent"), CACHE};
static const struct shape system_block = {SHAPE_OF(system_members), .one = true};

static const struct shape_member inference_members[] = {
    {.name = "maxTokens", .types = SHAPE_INTEGER, .lowest = 1, .highest = TOKENS_MAX},
    {.name = "temperature", .types = SHAPE_NUMBER, .lowest = 0, .highest = 1},
    {.name = "topP", .types = SHAPE_NUMBER, .lowest = 0, .highest = 1},
    {.name = "stopSequences", .types = SHAPE_ARRAY}};
static const struct shape inference = {SHAPE_OF(inference_members)};

static const struct shape_member schema_members[] = {
    {.name = "json", .types = SHAPE_OBJECT, .required = true}};
static const struct shape schema = {SHAPE_OF(schema_members)};
static const struct shape_member spec_members[] = {
    NEEDED("name"),
    TEXT("description"),
    {.name = "inputSchema", .types = SHAPE_OBJECT, .inside = &schema, .required = true},
    {.name = "strict", .types = SHAPE_BOOLEAN}};
static const struct shape spec = {SHAPE_OF(spec_members)};
static const struct shape_member tool_members[] = {
    {.name = "toolSpec", .types = SHAPE_OBJECT, .inside = &spec}, ANY("systemTool"), CACHE};
static const struct shape tool = {SHAPE_OF(tool_members), .one = true};
static const struct shape nothing = {0};
static const struct shape_member named_members[] = {NEEDED("name")};
static const struct shape named = {SHAPE_OF(named_members)};
static const struct shape_member choice_members[] = {
    {.name = "auto", .types = SHAPE_OBJECT, .inside = &nothing},
    {.name = "any", .types = SHAPE_OBJECT, .inside = &nothing},
    {.name = "tool", .types = SHAPE_OBJECT, .inside = &named}};
static const struct shape choice = {SHAPE_OF(choice_members), .one = true};
static const struct shape_member tool_config_members[] = {
    {.name = "tools", .types = SHAPE_ARRAY, .inside = &tool, .required = true},
    {.name = "toolChoice", .types = SHAPE_OBJECT, .inside = &choice}};
static const struct shape tool_config = {SHAPE_OF(tool_config_members)};

static const struct shape_member guardrail_members[] = {NEEDED("guardrailIdentifier"),
                                                        NEEDED("guardrailVersion"), TEXT("trace"),
                                                        TEXT("streamProcessingMode")};
static const struct shape guardrail = {SHAPE_OF(guardrail_members)};
static const struct shape_member tier_members[] = {NEEDED("type")};
static const struct shape tier = {SHAPE_OF(tier_members)};
static const struct shape_member latency_members[] = {TEXT("latency")};
static const struct shape latency = {SHAPE_OF(latency_members)};
static const struct shape_member output_members[] = {ANY("textFormat"), TEXT("effort")};
static const struct shape output = {SHAPE_OF(output_members)};

static const struct shape_member root_members[] = {
    {.name = "messages", .types = SHAPE_ARRAY, .inside = &message},
    {.name = "system", .types = SHAPE_ARRAY, .inside = &system_block},
    {.name = "inferenceConfig", .types = SHAPE_OBJECT, .inside = &inference},
    {.name = "toolConfig", .types = SHAPE_OBJECT, .inside = &tool_config},
    {.name = "guardrailConfig", .types = SHAPE_OBJECT, .inside = &guardrail},
    ANY("additionalModelRequestFields"),
    ANY("promptVariables"),
    {.name = "additionalModelResponseFieldPaths", .types = SHAPE_ARRAY},
    ANY("requestMetadata"),
    {.name = "performanceConfig", .types = SHAPE_OBJECT, .inside = &latency},
    {.name = "serviceTier", .types = SHAPE_OBJECT, .inside = &tier},
    {.name = "outputConfig", .types = SHAPE_OBJECT, .inside = &output}};
static const struct shape shape_of_root = {SHAPE_OF(root_members)};

/* ---- refusals ---- */

#define REFUSE(...) ask_error_set(e, 400, "ValidationException", __VA_ARGS__)

static bool refuse_shape(const struct shape_fault *f, struct ask_error *e) {
    const char *dot = *f->path && *f->name ? "." : "";
    switch (f->wrong) {
    case SHAPE_UNKNOWN:
        return REFUSE("The model returned the following errors: #%s%s: extraneous key [%s] is not "
                      "permitted",
                      *f->path ? "/" : "", f->path, f->name);
    case SHAPE_MISSING:
        return REFUSE("1 validation error detected: Value null at '%s%s%s' failed to satisfy "
                      "constraint: Member must not be null",
                      f->path, dot, f->name);
    case SHAPE_TYPE:
        return REFUSE("The value at %s%s%s in the request body has the wrong JSON type.", f->path,
                      dot, f->name);
    case SHAPE_BELOW:
        return REFUSE(
            "1 validation error detected: Value at '%s%s%s' failed to satisfy constraint: "
            "Member must have value greater than or equal to %g",
            f->path, dot, f->name, f->limit);
    case SHAPE_ABOVE:
        return REFUSE(
            "1 validation error detected: Value at '%s%s%s' failed to satisfy constraint: "
            "Member must have value less than or equal to %g",
            f->path, dot, f->name, f->limit);
    case SHAPE_UNION:
    case SHAPE_TAG: break;
    }
    return REFUSE("The union at %s must have exactly one member set.", f->path);
}

/* ---- messages ---- */

static bool is_role(yyjson_val *m, const char *role) {
    return yyjson_equals_str(yyjson_obj_get(m, "role"), role);
}

static bool blank(const char *s) { return !s[strspn(s, " \t\r\n")]; }

static bool check_name(const char *what, const char *value, const char *letters, size_t i, size_t j,
                       struct ask_error *e) {
    size_t len = strlen(value);
    if (len && len <= NAME_MAX_LETTERS && !value[strspn(value, letters)])
        return true;
    return REFUSE("1 validation error detected: Value '%.80s' at 'messages.%zu.member.content.%zu."
                  "member.%s' failed to satisfy constraint: Member must satisfy regular expression "
                  "pattern: [a-zA-Z0-9_-]+",
                  value, i + 1, j + 1, what);
}

/* Letters, digits, hyphens, brackets and single blanks. */
static bool document_named_well(const char *name) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -()[]";
    return *name && strlen(name) <= DOCUMENT_NAME_MAX && !name[strspn(name, letters)] &&
           !strstr(name, "  ");
}

static bool base64_good(const char *text) {
    size_t len = strlen(text);
    size_t plain = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    return len % 4 == 0 && len - plain <= 2 && strspn(text + plain, "=") == len - plain;
}

static bool check_media(yyjson_val *b, size_t i, size_t j, struct ask_error *e) {
    yyjson_val *picture = yyjson_obj_get(b, "image"), *paper = yyjson_obj_get(b, "document");
    yyjson_val *held = picture ? picture : paper;
    const char *data = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(held, "source"), "bytes"));
    const char *format = yyjson_get_str(yyjson_obj_get(picture, "format"));
    const char *name = yyjson_get_str(yyjson_obj_get(paper, "name"));
    if (data && !base64_good(data))
        return REFUSE("The bytes at messages.%zu.content.%zu are not base64.", i, j);
    if (format && strcmp(format, "png") && strcmp(format, "jpeg") && strcmp(format, "gif") &&
        strcmp(format, "webp"))
        return REFUSE("1 validation error detected: Value '%.20s' at 'messages.%zu.member.content."
                      "%zu.member.image.format' failed to satisfy constraint: Member must satisfy "
                      "enum value set: [gif, jpeg, png, webp]",
                      format, i + 1, j + 1);
    return !name || document_named_well(name) ||
           REFUSE("The provided document file name contains invalid characters. Please check and "
                  "update the document file name.");
}

static bool check_block(yyjson_val *b, size_t i, size_t j, bool user, struct ask_error *e) {
    const char *text = yyjson_get_str(yyjson_obj_get(b, "text"));
    yyjson_val *called = yyjson_obj_get(b, "toolUse"), *answered = yyjson_obj_get(b, "toolResult");
    yyjson_val *thoughts = yyjson_obj_get(yyjson_obj_get(b, "reasoningContent"), "reasoningText");
    const char *signature = yyjson_get_str(yyjson_obj_get(thoughts, "signature"));
    const char *id = yyjson_get_str(yyjson_obj_get(called ? called : answered, "toolUseId"));
    if (text && blank(text))
        return REFUSE("The text field in the ContentBlock object at messages.%zu.content.%zu is "
                      "blank. Add text to the text field, and try again.",
                      i, j);
    if ((called && user) || (answered && !user))
        return REFUSE("The %s block at messages.%zu.content.%zu is in a message of the wrong role.",
                      called ? "toolUse" : "toolResult", i, j);
    if (id && !check_name("toolUseId", id, ID_LETTERS, i, j, e))
        return false;
    if (called && !check_name("toolUse.name", yyjson_get_str(yyjson_obj_get(called, "name")),
                              NAME_LETTERS, i, j, e))
        return false;
    if (called && !yyjson_is_obj(yyjson_obj_get(called, "input")))
        return REFUSE("The format of the value at messages.%zu.content.%zu.toolUse.input is "
                      "invalid. Provide a json object for the field and try again.",
                      i, j);
    if (signature && strncmp(signature, FORMAT_SIGNED_CLAUDE, strlen(FORMAT_SIGNED_CLAUDE)))
        return REFUSE("The model returned the following errors: messages.%zu.content.%zu: Invalid "
                      "`signature` in `thinking` block",
                      i, j);
    return check_media(b, i, j, e);
}

static bool check_messages(yyjson_val *messages, struct ask_error *e) {
    yyjson_val *m, *b;
    size_t i, j, max, blocks_max;
    if (!yyjson_arr_size(messages))
        return REFUSE(
            "A conversation must have at least one message. Try again with a conversation "
            "that has a message.");
    yyjson_arr_foreach(messages, i, max, m) {
        bool user = is_role(m, "user");
        if (!user && !is_role(m, "assistant"))
            return REFUSE("1 validation error detected: Value at 'messages.%zu.member.role' failed "
                          "to satisfy constraint: Member must satisfy enum value set: [user, "
                          "assistant]",
                          i + 1);
        if (i == 0 && !user)
            return REFUSE("A conversation must start with a user message. Try again with a "
                          "conversation that starts with a user message.");
        if (user != (i % 2 == 0))
            return REFUSE("A conversation must alternate between user and assistant roles. Make "
                          "sure the conversation alternates between user and assistant roles and "
                          "try again.");
        yyjson_val *held = yyjson_obj_get(m, "content");
        if (!yyjson_arr_size(held))
            return REFUSE("The content field in the Message object at messages.%zu is empty. Add a "
                          "ContentBlock object to the content field and try again.",
                          i);
        yyjson_arr_foreach(held, j, blocks_max, b) if (!check_block(b, i, j, user, e)) return false;
    }
    return true;
}

/* ---- tool calls and their results ---- */

static bool has_id(yyjson_val *m, const char *member, const char *id) {
    yyjson_val *b;
    size_t i, max;
    yyjson_arr_foreach(
        yyjson_obj_get(m, "content"), i, max,
        b) if (yyjson_equals_str(yyjson_obj_get(yyjson_obj_get(b, member), "toolUseId"),
                                 id)) return true;
    return false;
}

/* Every `member` block of `m` has its counterpart in `other`; returns the id without, or NULL. */
static const char *id_without(yyjson_val *m, const char *member, yyjson_val *other,
                              const char *counterpart, size_t *count) {
    yyjson_val *b;
    size_t i, max;
    *count = 0;
    yyjson_arr_foreach(yyjson_obj_get(m, "content"), i, max, b) {
        const char *id = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(b, member), "toolUseId"));
        if (!id)
            continue;
        ++*count;
        if (!has_id(other, counterpart, id))
            return id;
    }
    return NULL;
}

static bool check_pairs(yyjson_val *root, bool *any, struct ask_error *e) {
    yyjson_val *messages = yyjson_obj_get(root, "messages"), *m, *before = NULL;
    size_t i, max, called = 0, answered = 0;
    *any = false;
    yyjson_arr_foreach(messages, i, max, m) {
        const char *id = id_without(m, "toolResult", before, "toolUse", &answered);
        if (id)
            return REFUSE("The number of toolResult blocks at messages.%zu.content exceeds the "
                          "number of toolUse blocks of previous turn.",
                          i);
        id = id_without(before, "toolUse", m, "toolResult", &called);
        if (id)
            return REFUSE("Expected toolResult blocks at messages.%zu.content for the following "
                          "Ids: %.64s",
                          i, id);
        if (answered > called)
            return REFUSE("The number of toolResult blocks at messages.%zu.content exceeds the "
                          "number of toolUse blocks of previous turn.",
                          i);
        *any |= called || answered;
        before = m;
    }
    if (id_without(before, "toolUse", NULL, "toolResult", &called))
        return REFUSE("Expected toolResult blocks at messages.%zu.content for the following Ids",
                      yyjson_arr_size(messages));
    return true;
}

/* The toolSpec of this name (NULL: the first one). */
static yyjson_val *spec_named(yyjson_val *root, const char *name) {
    yyjson_val *t;
    size_t i, max;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_obj_get(root, "toolConfig"), "tools"), i, max, t) {
        yyjson_val *found = yyjson_obj_get(t, "toolSpec");
        if (found && (!name || yyjson_equals_str(yyjson_obj_get(found, "name"), name)))
            return found;
    }
    return NULL;
}

static bool check_tools(yyjson_val *root, struct ask_error *e) {
    yyjson_val *config = yyjson_obj_get(root, "toolConfig"), *t;
    yyjson_val *tools = yyjson_obj_get(config, "tools");
    size_t i, max;
    if (config && !yyjson_arr_size(tools))
        return REFUSE("1 validation error detected: Value '[]' at 'toolConfig.tools' failed to "
                      "satisfy constraint: Member must have length greater than or equal to 1");
    yyjson_arr_foreach(tools, i, max, t) {
        yyjson_val *s = yyjson_obj_get(t, "toolSpec");
        const char *name = yyjson_get_str(yyjson_obj_get(s, "name"));
        yyjson_val *description = yyjson_obj_get(s, "description");
        yyjson_val *json = yyjson_obj_get(yyjson_obj_get(s, "inputSchema"), "json");
        if (!s)
            continue;
        if (!*name || strlen(name) > NAME_MAX_LETTERS || name[strspn(name, NAME_LETTERS)])
            return REFUSE("1 validation error detected: Value '%.80s' at 'toolConfig.tools.%zu."
                          "member.toolSpec.name' failed to satisfy constraint: Member must satisfy "
                          "regular expression pattern: [a-zA-Z0-9_-]+",
                          name, i + 1);
        if (spec_named(root, name) != s)
            return REFUSE("The tool name %.64s is already defined at toolConfig.tools. Remove the "
                          "duplicate tool, and try again.",
                          name);
        if (description && !yyjson_get_len(description))
            return REFUSE("1 validation error detected: Value '' at 'toolConfig.tools.%zu.member."
                          "toolSpec.description' failed to satisfy constraint: Member must have "
                          "length greater than or equal to 1",
                          i + 1);
        if (!yyjson_equals_str(yyjson_obj_get(json, "type"), "object"))
            return REFUSE(
                "The value at toolConfig.tools.%zu.toolSpec.inputSchema.json.type must be "
                "one of the following: object.",
                i);
    }
    const char *name = yyjson_get_str(
        yyjson_obj_get(yyjson_obj_get(yyjson_obj_get(config, "toolChoice"), "tool"), "name"));
    return !name || spec_named(root, name) ||
           REFUSE("The tool name %.64s in toolChoice is not defined at toolConfig.tools.", name);
}

/* ---- thinking ---- */

/* Both spellings in use: Claude's and the other families'. */
static yyjson_val *thinking_of(yyjson_val *root) {
    yyjson_val *extra = yyjson_obj_get(root, "additionalModelRequestFields");
    yyjson_val *wanted = yyjson_obj_get(extra, "thinking");
    wanted = wanted ? wanted : yyjson_obj_get(extra, "reasoning_config");
    bool on =
        yyjson_is_obj(wanted) && !yyjson_equals_str(yyjson_obj_get(wanted, "type"), "disabled");
    return on ? wanted : NULL;
}

static bool check_thinking(yyjson_val *root, struct ask_error *e) {
    yyjson_val *wanted = thinking_of(root), *budget = yyjson_obj_get(wanted, "budget_tokens");
    yyjson_val *config = yyjson_obj_get(root, "inferenceConfig");
    yyjson_val *most = yyjson_obj_get(config, "maxTokens"),
               *temperature = yyjson_obj_get(config, "temperature");
    yyjson_val *forced = yyjson_obj_get(yyjson_obj_get(root, "toolConfig"), "toolChoice");
    if (!wanted)
        return true;
    if (budget && yyjson_get_sint(budget) < 1024)
        return REFUSE("The model returned the following errors: thinking.enabled.budget_tokens: "
                      "Input should be greater than or equal to 1024");
    if (budget && most && yyjson_get_sint(budget) >= yyjson_get_sint(most))
        return REFUSE("The model returned the following errors: `max_tokens` must be greater than "
                      "`thinking.budget_tokens`.");
    if (temperature && yyjson_get_num(temperature) < 1)
        return REFUSE("The model returned the following errors: `temperature` may only be set to 1 "
                      "when thinking is enabled.");
    if (yyjson_obj_get(forced, "any") || yyjson_obj_get(forced, "tool"))
        return REFUSE("The model returned the following errors: Thinking may not be enabled when "
                      "tool_choice forces tool use.");
    return true;
}

/* ---- what the answer depends on ---- */

static void take_wish(struct ask *ask, yyjson_val *root) {
    yyjson_val *forced = yyjson_obj_get(yyjson_obj_get(root, "toolConfig"), "toolChoice"), *m, *b;
    yyjson_val *named_tool = yyjson_obj_get(forced, "tool");
    yyjson_val *s = spec_named(root, yyjson_get_str(yyjson_obj_get(named_tool, "name")));
    struct bytes said = {0};
    bool results = false;
    size_t i, j, max, blocks_max;
    yyjson_arr_foreach(yyjson_obj_get(root, "messages"), i, max, m) {
        bool begun = false;
        results = false;
        if (!is_role(m, "user"))
            continue;
        yyjson_arr_foreach(yyjson_obj_get(m, "content"), j, blocks_max, b) {
            yyjson_val *text = yyjson_obj_get(b, "text");
            results |= yyjson_obj_get(b, "toolResult") != NULL;
            if (text && !begun)
                bytes_clear(&said);
            begun |= text != NULL;
            ask_take_text(&said, text);
        }
    }
    yyjson_val *last = yyjson_arr_get_last(yyjson_obj_get(root, "messages"));
    bool must = named_tool || yyjson_obj_get(forced, "any");
    struct ask_wish wish = {.said = &said,
                            .begun = is_role(last, "assistant") ? last : NULL,
                            .results = results,
                            .called = must || strncmp(bytes_text(&said), "echo:", 5) != 0,
                            .name = yyjson_obj_get(s, "name"),
                            .schema = yyjson_obj_get(yyjson_obj_get(s, "inputSchema"), "json")};
    ask_take_wish(ask, &wish);
    bytes_free(&said);
}

static bool read_root(struct ask *ask, yyjson_val *root, struct ask_error *e) {
    struct shape_fault fault;
    bool tool_blocks;
    if (!shape_check(&shape_of_root, root, &fault))
        return refuse_shape(&fault, e);
    if (!check_messages(yyjson_obj_get(root, "messages"), e) || !check_pairs(root, &tool_blocks, e))
        return false;
    if (tool_blocks && !yyjson_obj_get(root, "toolConfig"))
        return REFUSE("The toolConfig field must be defined when using toolUse and toolResult "
                      "content blocks.");
    if (!check_tools(root, e) || !check_thinking(root, e))
        return false;
    ask->max_tokens = (unsigned)yyjson_get_uint(
        yyjson_obj_get(yyjson_obj_get(root, "inferenceConfig"), "maxTokens"));
    ask->thinking = thinking_of(root) != NULL;
    take_wish(ask, root);
    return true;
}

bool format_converse_read(struct ask *ask, const struct format_request *request,
                          struct ask_error *e) {
    ask_clear(ask);
    yyjson_doc *doc = yyjson_read(request->body, request->size, YYJSON_READ_NOFLAG);
    if (!doc)
        return ask_error_set(e, 400, "SerializationException", "The request body is not JSON.");
    bool ok = read_root(ask, yyjson_doc_get_root(doc), e);
    ask->prompt_tokens = (unsigned)(request->size / ASK_BYTES_PER_TOKEN + 1);
    ask->stream = request->stream;
    yyjson_doc_free(doc);
    return ok;
}
