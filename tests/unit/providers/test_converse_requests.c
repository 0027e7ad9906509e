/* test_converse_requests.c - recorded requests to Bedrock Converse: read into the canonical request by
 * other means (yyjson), and written anew. They must say the same. */
#include <dirent.h>
#include <yyjson.h>

#include "core/slab.h"
#include "providers/dialect.h"
#include "tests/test.h"

struct build {
    struct memory memory;
    struct arena arena;
    struct chat_prompt prompt;
    struct chat_tool *tool;
};

static struct build *build_new(void) {
    struct build *b = calloc(1, sizeof *b);
    memory_init(&b->memory, (size_t)256 << 20, 0);
    arena_init(&b->arena, &b->memory);
    chat_prompt_init(&b->prompt);
    return b;
}

static void build_free(struct build *b) {
    arena_fini(&b->arena);
    memory_fini(&b->memory);
    free(b);
}

/* A value as its raw text, in the arena: of a string what is between the quotes. */
static struct span raw_of(struct build *b, yyjson_val *value) {
    size_t n = 0;
    char *text = value ? yyjson_val_write(value, 0, &n) : NULL;
    struct span raw = text ? arena_copy(&b->arena, span_of(text, n)) : SPAN("");
    free(text);
    if (yyjson_is_str(value))
        raw = span_of(raw.p + 1, raw.n - 2);
    return raw;
}

static struct span raw_at(struct build *b, yyjson_val *value, const char *pointer) {
    return raw_of(b, yyjson_ptr_get(value, pointer));
}

static void media_type(struct chat_part *part, const char *format) {
    static const char *const types[][2] = {
        {"png", "image/png"},  {"jpeg", "image/jpeg"}, {"pdf", "application/pdf"},
        {"txt", "text/plain"}, {"csv", "text/csv"},    {"md", "text/markdown"},
        {"html", "text/html"}, {"gif", "image/gif"},   {"webp", "image/webp"},
    };
    for (size_t i = 0; format && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(format, types[i][0]) == 0)
            part->media_type = span_str(types[i][1]);
}

/* A recorded block as a part; false when it is of a kind that no other dialect has. */
static bool recorded_block(struct build *b, struct chat_part **list, yyjson_val *block) {
    yyjson_val *use = yyjson_obj_get(block, "toolUse"),
               *result = yyjson_obj_get(block, "toolResult");
    yyjson_val *image = yyjson_obj_get(block, "image"), *doc = yyjson_obj_get(block, "document");
    yyjson_val *reasoning = yyjson_ptr_get(block, "/reasoningContent/reasoningText");
    struct chat_part *part;
    size_t i, max;
    yyjson_val *inner;
    if (yyjson_obj_get(block, "text")) {
        part = chat_add_part(list, &b->arena, CHAT_PART_TEXT);
        part->text = raw_at(b, block, "/text");
    } else if (yyjson_obj_get(block, "cachePoint") && *list) {
        for (part = *list; part->next; part = part->next)
            ;
        part->cache = true;
        part->cache_ttl = raw_at(b, block, "/cachePoint/ttl");
    } else if (use) {
        part = chat_add_part(list, &b->arena, CHAT_PART_TOOL_CALL);
        part->id = raw_at(b, use, "/toolUseId");
        part->name = raw_at(b, use, "/name");
        part->input = raw_at(b, use, "/input");
    } else if (result) {
        part = chat_add_part(list, &b->arena, CHAT_PART_TOOL_RESULT);
        part->id = raw_at(b, result, "/toolUseId");
        yyjson_arr_foreach(yyjson_obj_get(result, "content"), i, max, inner) {
            if (!recorded_block(b, &part->parts, inner))
                return false;
        }
    } else if (image || doc) {
        part = chat_add_part(list, &b->arena, image ? CHAT_PART_IMAGE : CHAT_PART_DOCUMENT);
        media_type(part, yyjson_get_str(yyjson_obj_get(image ? image : doc, "format")));
        part->data = raw_at(b, image ? image : doc, "/source/bytes");
        part->url = raw_at(b, image ? image : doc, "/source/s3Location/uri");
        part->name = raw_at(b, doc, "/name");
    } else if (reasoning) {
        part = chat_add_part(list, &b->arena, CHAT_PART_REASONING);
        part->text = raw_at(b, reasoning, "/text");
        part->signature = raw_at(b, reasoning, "/signature");
        part->signer = CHAT_SIGNER_ANTHROPIC;
    } else {
        return false;
    }
    return true;
}

static bool recorded_turn(struct build *b, enum chat_role role, yyjson_val *content) {
    size_t i, max;
    yyjson_val *block;
    struct chat_message *message = chat_add_message(&b->prompt, &b->arena, role);
    yyjson_arr_foreach(content, i, max, block) {
        if (!recorded_block(b, &message->parts, block))
            return false;
    }
    return true;
}

static bool recorded_tools(struct build *b, yyjson_val *config) {
    size_t i, max;
    yyjson_val *tool;
    yyjson_arr_foreach(yyjson_obj_get(config, "tools"), i, max, tool) {
        if (yyjson_obj_get(tool, "cachePoint") && b->tool) {
            b->tool->cache = true;
            continue;
        }
        b->tool = chat_add_tool(&b->prompt, &b->arena);
        b->tool->name = raw_at(b, tool, "/toolSpec/name");
        b->tool->description = raw_at(b, tool, "/toolSpec/description");
        b->tool->schema = raw_at(b, tool, "/toolSpec/inputSchema/json");
        if (yyjson_is_true(yyjson_ptr_get(tool, "/toolSpec/strict")))
            b->tool->strict = CHAT_YES;
    }
    yyjson_val *choice = yyjson_obj_get(config, "toolChoice");
    if (yyjson_obj_get(choice, "any"))
        b->prompt.choose = CHAT_CHOOSE_ANY;
    if (yyjson_obj_get(choice, "tool")) {
        b->prompt.choose = CHAT_CHOOSE_NAMED;
        b->prompt.choose_name = raw_at(b, choice, "/tool/name");
    }
    return true;
}

static void recorded_knob(struct build *b, yyjson_val *body, const char *pointer,
                          struct chat_knob *to, const char *name) {
    if (yyjson_ptr_get(body, pointer))
        *to = (struct chat_knob){.value = raw_at(b, body, pointer), .name = name};
}

static bool recorded_prompt(struct build *b, yyjson_val *body) {
    size_t i, max;
    yyjson_val *message;
    struct chat_prompt *p = &b->prompt;
    if (!recorded_turn(b, CHAT_SYSTEM, yyjson_obj_get(body, "system")))
        return false;
    yyjson_arr_foreach(yyjson_obj_get(body, "messages"), i, max, message) {
        if (!recorded_turn(b,
                           yyjson_equals_str(yyjson_obj_get(message, "role"), "user")
                               ? CHAT_USER
                               : CHAT_ASSISTANT,
                           yyjson_obj_get(message, "content")))
            return false;
    }
    p->max_output_tokens = yyjson_get_uint(yyjson_ptr_get(body, "/inferenceConfig/maxTokens"));
    recorded_knob(b, body, "/inferenceConfig/temperature", &p->temperature, "temperature");
    recorded_knob(b, body, "/inferenceConfig/topP", &p->top_p, "top_p");
    recorded_knob(b, body, "/additionalModelRequestFields/top_k", &p->top_k, "top_k");
    p->thinking.budget_tokens = yyjson_get_uint(
        yyjson_ptr_get(body, "/additionalModelRequestFields/thinking/budget_tokens"));
    p->thinking.effort = raw_at(b, body, "/additionalModelRequestFields/reasoning_effort");
    if (!p->thinking.effort.n)
        p->thinking.effort = raw_at(b, body, "/additionalModelRequestFields/reasoning_config");
    yyjson_val *schema = yyjson_ptr_get(body, "/outputConfig/textFormat/structure/jsonSchema");
    if (schema) {
        p->format.kind = CHAT_FORMAT_SCHEMA;
        p->format.name = raw_at(b, schema, "/name");
        p->format.description = raw_at(b, schema, "/description");
        p->format.schema =
            arena_copy(&b->arena, span_str(yyjson_get_str(yyjson_obj_get(schema, "schema"))));
    }
    return recorded_tools(b, yyjson_obj_get(body, "toolConfig"));
}

/* Equal, but for what says the same by not being there, and the status that results have anyway. */
static bool same(yyjson_val *a, yyjson_val *b) {
    static const char usual[] = ",\"status\":\"success\"";
    if (yyjson_equals(a, b))
        return true;
    char *text_a = a ? yyjson_val_write(a, 0, NULL) : NULL;
    char *text_b = b ? yyjson_val_write(b, 0, NULL) : NULL;
    for (char *at = text_a; at && (at = strstr(at, usual));)
        memmove(at, at + sizeof usual - 1, strlen(at + sizeof usual - 1) + 1);
    bool equal = text_a && text_b && strcmp(text_a, text_b) == 0;
    free(text_a);
    free(text_b);
    if (equal)
        return true;
    bool none_a = !a || (yyjson_is_ctn(a) && yyjson_get_len(a) == 0);
    bool none_b = !b || (yyjson_is_ctn(b) && yyjson_get_len(b) == 0);
    return none_a && none_b;
}

static void expect_same(yyjson_val *want, yyjson_val *got, const char *pointer) {
    bool equal = same(yyjson_ptr_get(want, pointer), yyjson_ptr_get(got, pointer));
    if (!equal) {
        char *text = yyjson_val_write(yyjson_ptr_get(got, pointer), 0, NULL);
        FAIL_TEST("%s is %s", pointer, text ? text : "not there");
        free(text);
    }
}

/* "anthropic.claude-..:0" of "https://host/model/anthropic.claude-..%3A0/converse". */
static void model_of(const char *url, char *out) {
    const char *p = strstr(url, "/model/");
    size_t n = 0;
    for (p += 7; *p && *p != '/'; p++) {
        unsigned byte = 0;
        if (*p == '%' && sscanf(p + 1, "%2x", &byte) == 1)
            p += 2;
        out[n++] = byte ? (char)byte : *p;
    }
    out[n] = 0;
}

/* May the turns differ: names of documents are cleaned, a conversation that the assistant began gets
 * a turn before it, turns of one role are joined. */
static bool is_other(yyjson_val *body) {
    size_t i, max;
    yyjson_val *message;
    const char *before = "assistant";
    char *text = yyjson_val_write(body, 0, NULL);
    bool other = text && strstr(text, "\"document\"");
    free(text);
    yyjson_arr_foreach(yyjson_obj_get(body, "messages"), i, max, message) {
        const char *role = yyjson_get_str(yyjson_obj_get(message, "role"));
        other |= strcmp(role, before) == 0;
        before = role;
    }
    return other;
}

static bool check_recorded(yyjson_val *root) {
    static const char *const pointers[] = {
        "/system",
        "/inferenceConfig/temperature",
        "/inferenceConfig/topP",
        "/toolConfig/tools",
        "/toolConfig/toolChoice/any",
        "/toolConfig/toolChoice/tool",
        "/additionalModelRequestFields",
        "/outputConfig",
    };
    yyjson_val *body = yyjson_obj_get(root, "body");
    struct build *b = build_new();
    char model[300];
    const char *url = yyjson_get_str(yyjson_obj_get(root, "url"));
    bool known = url && strstr(url, "/converse") && yyjson_obj_get(body, "messages") &&
                 recorded_prompt(b, body);
    /* Asked as if nobody had said how much: here it is a number, of models that like both. */
    bool adaptive = yyjson_equals_str(
        yyjson_ptr_get(body, "/additionalModelRequestFields/thinking/type"), "adaptive");
    if (known && !adaptive) {
        struct chat_losses losses = {.lenient = false};
        model_of(url, model);
        struct chat_spell spell = {.model = span_str(model),
                                   .facts = model_facts_find(span_str(model)),
                                   .stream = true,
                                   .losses = &losses};
        /* Recorded thinking and schemas tell that the model can. */
        struct model_facts facts = *spell.facts;
        facts.facts |= b->prompt.format.kind == CHAT_FORMAT_SCHEMA ? MODEL_SCHEMA : 0;
        spell.facts = &facts;
        struct json_out out;
        json_out_arena(&out, &b->arena, 0);
        EXPECT_EQ(dialect_converse.write_prompt(&b->prompt, &spell, &b->arena, &out), 0);
        yyjson_doc *doc = yyjson_read(out.p, out.n, 0);
        yyjson_val *got = yyjson_doc_get_root(doc);
        for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++)
            expect_same(body, got, pointers[i]);
        if (!is_other(body))
            expect_same(body, got, "/messages");
        EXPECT(yyjson_get_uint(yyjson_ptr_get(got, "/inferenceConfig/maxTokens")) > 0);
        yyjson_doc_free(doc);
    }
    build_free(b);
    return known && !adaptive;
}

TEST(recorded_requests) {
    char path[4096], full[5000];
    struct dirent *entry;
    unsigned count = 0;
    const char *shared = test_shared("fixtures/bedrock");
    if (!shared)
        SKIP("needs ../shared");
    snprintf(path, sizeof path, "%s", shared);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        size_t n = 0;
        if (!strstr(entry->d_name, ".req.json"))
            continue;
        ROW("%s", entry->d_name);
        snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
        char *text = test_file(full, &n);
        yyjson_doc *doc = yyjson_read(text, n, 0);
        count += check_recorded(yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        free(text);
    }
    if (dir)
        closedir(dir);
    ROW("%s", "");
    EXPECT(count >= 60);
}
