/* anthropic_blocks.c - reads the system prompt and the messages of a Messages body: their content
 * blocks become parts. (pure)
 *
 * A user message with tool results becomes two turns, the results first (PROVIDERS.md 2.7); results
 * of neighbouring messages are one turn. A block without a canonical meaning (hosted tools and what
 * they found, files by id, search results ...) becomes an extra named by its place.
 *
 * Promises: parts in the client's order, but for the results.
 * Refuses:  blocks that lack what their type needs. */
#include <limits.h>

#include "providers/anthropic.h"

/* What a block can say, whatever its type: collected in one pass over its members. */
enum {
    TYPE,
    TEXT,
    SOURCE,
    ID,
    NAME,
    INPUT,
    TOOL_USE_ID,
    CONTENT,
    IS_ERROR,
    THINKING,
    SIGNATURE,
    DATA,
    TITLE,
    CACHE_CONTROL,
    CITATIONS,
    CALLER,
    MEMBER_COUNT
};
static const struct span member_names[MEMBER_COUNT] = {
    [TYPE] = SPAN_CONST("type"),
    [TEXT] = SPAN_CONST("text"),
    [SOURCE] = SPAN_CONST("source"),
    [ID] = SPAN_CONST("id"),
    [NAME] = SPAN_CONST("name"),
    [INPUT] = SPAN_CONST("input"),
    [TOOL_USE_ID] = SPAN_CONST("tool_use_id"),
    [CONTENT] = SPAN_CONST("content"),
    [IS_ERROR] = SPAN_CONST("is_error"),
    [THINKING] = SPAN_CONST("thinking"),
    [SIGNATURE] = SPAN_CONST("signature"),
    [DATA] = SPAN_CONST("data"),
    [TITLE] = SPAN_CONST("title"),
    [CACHE_CONTROL] = SPAN_CONST("cache_control"),
    [CITATIONS] = SPAN_CONST("citations"),
    [CALLER] = SPAN_CONST("caller"),
};

struct block {
    struct json_token values[MEMBER_COUNT]; /* kind JSON_ERROR: not there; containers: raw = all */
    struct span text;                       /* the block's JSON */
    struct span where;                      /* "messages[1].content[0]" */
    bool others;                            /* it has members that we do not know */
};

static struct span member_of(const struct block *block, const char *member, struct arena *arena) {
    return arena_printf(arena, "%.*s.%s", (int)block->where.n, block->where.p, member);
}

static int refuse(struct anthropic_prompting *x, const struct block *block, const char *member,
                  const char *what) {
    return anthropic_refuse(x, member_of(block, member, x->arena), what);
}

static int add_extra(struct anthropic_prompting *x, struct span name, struct span value) {
    if (!name.p || !chat_add_extra(x->prompt, x->arena, name, value, false))
        return anthropic_refuse_memory(x);
    return 0;
}

/* Collects the members of a block; false when it is no object with a type. */
static bool collect(struct block *block, struct span text) {
    struct json json;
    struct json_token key, value;
    struct span whole;
    block->text = text;
    json_init(&json, text);
    if (json_next(&json, &key) != JSON_OBJECT)
        return false;
    while (json_next(&json, &key) == JSON_KEY && anthropic_value(&json, &value, &whole)) {
        unsigned member = anthropic_member(&key, member_names, MEMBER_COUNT);
        bool container = value.kind == JSON_OBJECT || value.kind == JSON_ARRAY;
        if (container)
            value.raw = whole;
        if (member < MEMBER_COUNT && value.kind != JSON_NULL)
            block->values[member] = value;
        block->others |= member == MEMBER_COUNT;
    }
    return block->values[TYPE].kind == JSON_STRING;
}

static bool has(const struct block *block, unsigned member, enum json_kind kind) {
    return block->values[member].kind == kind;
}

static struct span string_of(const struct block *block, unsigned member) {
    return anthropic_string(&block->values[member]);
}

/* A string without escapes, as ids and media types are; empty when it is not one. */
static struct span plain_of(struct anthropic_prompting *x, const struct block *block,
                            unsigned member) {
    return has(block, member, JSON_STRING) ? chat_plain(&block->values[member], x->arena)
                                           : SPAN("");
}

/* --- blocks --- */

/* Where parts go. */
struct target {
    struct chat_message *message; /* NULL: the parts of a tool result */
    struct chat_part **parts;
    enum chat_role role;
    unsigned at;
};

static struct chat_part *add_part(struct anthropic_prompting *x, struct target *to,
                                  enum chat_part_kind kind) {
    if (!to->parts) {
        to->message = chat_add_message(x->prompt, x->arena, to->role);
        if (!to->message)
            return NULL;
        to->message->at = to->at;
        to->parts = &to->message->parts;
    }
    return chat_add_part(to->parts, x->arena, kind);
}

static struct span source_string(struct anthropic_prompting *x, struct span source,
                                 struct span name) {
    struct json_token token;
    if (!json_find(source, &name, 1, &token) || token.kind != JSON_STRING)
        return SPAN("");
    return chat_plain(&token, x->arena);
}

static int read_source_text(struct anthropic_prompting *x, const struct block *block,
                            struct chat_part *part) {
    static const struct span type_name = SPAN_CONST("media_type"), data_name = SPAN_CONST("data");
    struct span source = block->values[SOURCE].raw;
    struct json_token type, data;
    /* The one that there is may be left out. */
    if (json_find(source, &type_name, 1, &type) &&
        (type.kind != JSON_STRING || !json_is(&type, SPAN("text/plain"))))
        return refuse(x, block, "source.media_type", "a text is \"text/plain\"");
    part->media_type = SPAN("text/plain");
    if (!json_find(source, &data_name, 1, &data) || data.kind != JSON_STRING)
        return refuse(x, block, "source.data", "give the text as a string");
    part->text = data.raw;
    /* An empty one says nothing, which is known of texts: as a document it would be looked for. */
    if (!data.raw.n)
        part->kind = CHAT_PART_TEXT;
    return 0;
}

/* An image or a document: {type base64, media_type, data}, {type url, url}, {type text, data}. What
 * lies elsewhere (a file's id, nested blocks) has no canonical form. */
static int read_source(struct anthropic_prompting *x, const struct block *block, struct target *to,
                       enum chat_part_kind kind, struct chat_part **made) {
    struct span source = block->values[SOURCE].raw, type;
    struct chat_part *part;
    if (!has(block, SOURCE, JSON_OBJECT))
        return refuse(x, block, "source", "give an object");
    type = source_string(x, source, SPAN("type"));
    bool base64 = span_eq(type, SPAN("base64")), url = span_eq(type, SPAN("url"));
    bool text = kind == CHAT_PART_DOCUMENT && span_eq(type, SPAN("text"));
    if (!base64 && !url && !text)
        return add_extra(x, block->where, block->text);
    part = *made = add_part(x, to, kind);
    if (!part)
        return anthropic_refuse_memory(x);
    part->name = string_of(block, TITLE);
    if (url) {
        struct span given = source_string(x, source, SPAN("url"));
        return given.n && chat_take_url(part, given)
                   ? 0
                   : refuse(x, block, "source.url", "give a URL, or \"data:TYPE;base64,DATA\"");
    }
    if (text)
        return read_source_text(x, block, part);
    part->media_type = source_string(x, source, SPAN("media_type"));
    part->data = source_string(x, source, SPAN("data"));
    if (!chat_is_media_type(part->media_type))
        return refuse(x, block, "source.media_type", "give a type such as \"image/png\"");
    return part->data.n ? 0 : refuse(x, block, "source.data", "give the data in base64");
}

static int read_tool_use(struct anthropic_prompting *x, const struct block *block,
                         struct target *to, struct chat_part **made) {
    struct chat_part *part = *made = add_part(x, to, CHAT_PART_TOOL_CALL);
    if (!part)
        return anthropic_refuse_memory(x);
    part->id = plain_of(x, block, ID);
    part->name = plain_of(x, block, NAME);
    part->input = has(block, INPUT, JSON_OBJECT) ? block->values[INPUT].raw : SPAN("{}");
    if (!part->id.n)
        return refuse(x, block, "id", "give the id of the call");
    return part->name.n ? 0 : refuse(x, block, "name", "give the name of the tool");
}

static int read_content(struct anthropic_prompting *x, const struct json_token *content,
                        struct span where, struct target *to);

static int read_tool_result(struct anthropic_prompting *x, const struct block *block,
                            struct target *to, struct chat_part **made) {
    struct chat_part *part = *made = add_part(x, to, CHAT_PART_TOOL_RESULT);
    if (!part)
        return anthropic_refuse_memory(x);
    part->id = plain_of(x, block, TOOL_USE_ID);
    part->is_error = has(block, IS_ERROR, JSON_TRUE);
    if (!part->id.n)
        return refuse(x, block, "tool_use_id", "give the id of the call that it answers");
    if (has(block, CONTENT, JSON_ERROR))
        return 0;
    struct target inside = {.parts = &part->parts, .role = CHAT_TOOL};
    return read_content(x, &block->values[CONTENT], member_of(block, "content", x->arena), &inside);
}

static int read_thinking(struct anthropic_prompting *x, const struct block *block,
                         struct target *to, struct chat_part **made) {
    bool redacted = span_eq(string_of(block, TYPE), SPAN("redacted_thinking"));
    struct chat_part *part = *made =
        add_part(x, to, redacted ? CHAT_PART_REDACTED : CHAT_PART_REASONING);
    if (!part)
        return anthropic_refuse_memory(x);
    part->text = string_of(block, THINKING);
    part->signature = string_of(block, SIGNATURE);
    part->data = string_of(block, DATA);
    part->signer = CHAT_SIGNER_ANTHROPIC;
    return 0;
}

static int read_text(struct anthropic_prompting *x, const struct block *block, struct target *to,
                     struct chat_part **made) {
    if (!has(block, TEXT, JSON_STRING))
        return refuse(x, block, "text", "give a string");
    struct chat_part *part = *made = add_part(x, to, CHAT_PART_TEXT);
    if (!part)
        return anthropic_refuse_memory(x);
    part->text = string_of(block, TEXT);
    return 0;
}

static int read_typed(struct anthropic_prompting *x, const struct block *block, struct target *to,
                      struct chat_part **made) {
    struct span type = string_of(block, TYPE);
    if (span_eq(type, SPAN("text")))
        return read_text(x, block, to, made);
    if (span_eq(type, SPAN("image")))
        return read_source(x, block, to, CHAT_PART_IMAGE, made);
    if (span_eq(type, SPAN("document")))
        return read_source(x, block, to, CHAT_PART_DOCUMENT, made);
    /* Calls and reasoning are the assistant's, results the user's: an extra where they stand
     * elsewhere. */
    bool assistant = to->role == CHAT_ASSISTANT;
    if (assistant && span_eq(type, SPAN("tool_use")))
        return read_tool_use(x, block, to, made);
    if (assistant && (span_eq(type, SPAN("thinking")) || span_eq(type, SPAN("redacted_thinking"))))
        return read_thinking(x, block, to, made);
    if (to->role == CHAT_TOOL && to->message && span_eq(type, SPAN("tool_result")))
        return read_tool_result(x, block, to, made);
    return add_extra(x, block->where, block->text);
}

/* Members that we do not know, but for those that say nothing. */
static int read_others(struct anthropic_prompting *x, const struct block *block) {
    struct json json;
    struct json_token key, value;
    struct span whole;
    json_init(&json, block->text);
    json_next(&json, &key);
    while (json_next(&json, &key) == JSON_KEY && anthropic_value(&json, &value, &whole)) {
        if (anthropic_member(&key, member_names, MEMBER_COUNT) < MEMBER_COUNT ||
            value.kind == JSON_NULL || value.kind == JSON_FALSE)
            continue;
        int rc = add_extra(x,
                           arena_printf(x->arena, "%.*s.%.*s", (int)block->where.n, block->where.p,
                                        (int)min_size(key.raw.n, 64), key.raw.p),
                           whole);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Citations in the history tell where a text came from; as a wish ({"enabled":true}, of documents)
 * they change the answer. */
static int read_rest(struct anthropic_prompting *x, const struct block *block,
                     const struct chat_part *part) {
    static const struct span enabled[] = {SPAN_CONST("enabled")};
    struct json_token token;
    if (part->kind == CHAT_PART_DOCUMENT && has(block, CITATIONS, JSON_OBJECT) &&
        json_find(block->values[CITATIONS].raw, enabled, countof(enabled), &token) &&
        token.kind == JSON_TRUE) {
        int rc =
            add_extra(x, member_of(block, "citations", x->arena), block->values[CITATIONS].raw);
        if (rc < 0)
            return rc;
    }
    return block->others ? read_others(x, block) : 0;
}

static int read_block(struct anthropic_prompting *x, struct block *block, struct target *to) {
    struct chat_part *part = NULL;
    int rc = read_typed(x, block, to, &part);
    if (rc < 0 || !part)
        return rc;
    struct json_token mark = block->values[CACHE_CONTROL];
    if (mark.kind != JSON_ERROR &&
        !anthropic_read_mark(x, mark.raw, &part->cache, &part->cache_ttl))
        return refuse(x, block, "cache_control", "give an object");
    return read_rest(x, block, part);
}

/* --- content --- */

static bool is_result(const struct block *block) {
    return span_eq(string_of(block, TYPE), SPAN("tool_result"));
}

/* One pass over an array of blocks. Of a user's message the results and the others are two passes.
 */
static int read_array(struct anthropic_prompting *x, struct span array, struct span where,
                      struct target *to, bool user, bool results) {
    struct json json;
    struct json_token token;
    unsigned count = 0;
    json_init(&json, array);
    json_next(&json, &token);
    for (;; count++) {
        struct json ahead = json;
        struct block block = {.others = false};
        struct span text;
        if (json_next(&ahead, &token) == JSON_ARRAY_END)
            return 0;
        json_value(&json, &text);
        block.where = arena_printf(x->arena, "%.*s[%u]", (int)where.n, where.p, count);
        if (!block.where.p)
            return anthropic_refuse_memory(x);
        if (!collect(&block, text))
            return anthropic_refuse(x, block.where, "give an object with a type");
        if (user && is_result(&block) != results)
            continue;
        int rc = read_block(x, &block, to);
        if (rc < 0)
            return rc;
    }
}

/* Content is a string or an array of blocks; `where` is its name. */
static int read_content(struct anthropic_prompting *x, const struct json_token *content,
                        struct span where, struct target *to) {
    if (!where.p)
        return anthropic_refuse_memory(x);
    if (content->kind == JSON_STRING) {
        struct chat_part *part = add_part(x, to, CHAT_PART_TEXT);
        if (!part)
            return anthropic_refuse_memory(x);
        part->text = content->raw;
        return 0;
    }
    if (content->kind != JSON_ARRAY)
        return anthropic_refuse(x, where, "give a string or an array of content blocks");
    return read_array(x, content->raw, where, to, false, false);
}

/* The turn that results of one assistant turn are gathered in. */
static bool results_turn(struct anthropic_prompting *x, struct target *to) {
    struct chat_message *last = x->prompt->last_message;
    if (!last || last->role != CHAT_TOOL) {
        last = chat_add_message(x->prompt, x->arena, CHAT_TOOL);
        if (!last)
            return false;
        last->at = to->at;
    }
    *to = (struct target){.message = last, .parts = &last->parts, .role = CHAT_TOOL, .at = to->at};
    return true;
}

static bool has_results(struct span array) {
    struct json json;
    struct json_token token;
    struct span path = SPAN("type"), block;
    json_init(&json, array);
    json_next(&json, &token);
    for (;;) {
        struct json ahead = json;
        if (json_next(&ahead, &token) == JSON_ARRAY_END || !json_value(&json, &block))
            return false;
        if (json_find(block, &path, 1, &token) && token.kind == JSON_STRING &&
            json_is(&token, SPAN("tool_result")))
            return true;
    }
}

static int read_user(struct anthropic_prompting *x, const struct json_token *content,
                     struct span where, struct target *to) {
    if (content->kind != JSON_ARRAY || !has_results(content->raw))
        return read_content(x, content, where, to);
    struct target results = *to;
    if (!results_turn(x, &results))
        return anthropic_refuse_memory(x);
    int rc = read_array(x, content->raw, where, &results, true, true);
    return rc < 0 ? rc : read_array(x, content->raw, where, to, true, false);
}

static bool role_of(const struct json_token *role, enum chat_role *out) {
    static const struct {
        struct span name;
        enum chat_role role;
    } rows[] = {
        {SPAN_CONST("user"), CHAT_USER},
        {SPAN_CONST("assistant"), CHAT_ASSISTANT},
        {SPAN_CONST("system"), CHAT_SYSTEM}, /* in mid-conversation, on newer models */
    };
    for (unsigned i = 0; i < countof(rows); i++)
        if (json_is(role, rows[i].name)) {
            *out = rows[i].role;
            return true;
        }
    return false;
}

static int read_message(struct anthropic_prompting *x, struct span text, unsigned number) {
    struct span where = arena_printf(x->arena, "messages[%u].content", number), whole;
    struct json_token key, value, role = {.kind = JSON_NULL}, content = {.kind = JSON_NULL};
    struct target to = {.at = number};
    struct json json;
    if (!where.p)
        return anthropic_refuse_memory(x);
    json_init(&json, text);
    json_next(&json, &key);
    while (json_next(&json, &key) == JSON_KEY && anthropic_value(&json, &value, &whole)) {
        if (value.kind == JSON_OBJECT || value.kind == JSON_ARRAY)
            value.raw = whole;
        if (json_is(&key, SPAN("role"))) {
            role = value;
        } else if (json_is(&key, SPAN("content"))) {
            content = value;
        } else {
            int rc = add_extra(
                x, arena_printf(x->arena, "messages[%u].%.*s", number, (int)key.raw.n, key.raw.p),
                whole);
            if (rc < 0)
                return rc;
        }
    }
    if (!role_of(&role, &to.role))
        return anthropic_refuse(x, arena_printf(x->arena, "messages[%u].role", number),
                                "give \"user\" or \"assistant\"");
    return to.role == CHAT_USER ? read_user(x, &content, where, &to)
                                : read_content(x, &content, where, &to);
}

int anthropic_read_messages(struct anthropic_prompting *x, struct span messages) {
    struct json json;
    struct json_token token;
    unsigned count = 0;
    json_init(&json, messages);
    json_next(&json, &token);
    for (;;) {
        struct json ahead = json;
        struct span text;
        if (json_next(&ahead, &token) == JSON_ARRAY_END)
            return 0;
        json_value(&json, &text);
        int rc = read_message(x, text, count++);
        if (rc < 0)
            return rc;
    }
}

int anthropic_read_system(struct anthropic_prompting *x, struct span system) {
    struct json json;
    struct json_token content;
    struct target to = {.role = CHAT_SYSTEM, .at = UINT_MAX};
    json_init(&json, system);
    json_next(&json, &content);
    if (content.kind == JSON_NULL)
        return 0;
    if (content.kind == JSON_STRING)
        return read_content(x, &content, SPAN("system"), &to);
    if (content.kind != JSON_ARRAY)
        return anthropic_refuse(x, SPAN("system"), "give a string or an array of text blocks");
    return read_array(x, system, SPAN("system"), &to, false, false);
}
