/* openai_chat_parts.c - what stands in the content of a client's messages, as canonical parts.
 * (pure)
 *
 *     system, tool  text; tool also images and files, as some clients send them
 *     user          text, image_url, input_audio, file
 *     assistant     text, refusal, and Claude's thinking, redacted_thinking
 *
 * Owns:     nothing; texts and base64 stay in the body, what had to be decoded is in the arena.
 * Promises: a part is read in one pass over its bytes, for images are large.
 * Refuses:  files that are stored at a provider, and parts that their role cannot say. */
#include "providers/openai_chat_prompt.h"

#include "net/http.h"

/* --- shared with the turns --- */

/* What answers carry beside the answer: clients send whole messages back. */
static const struct span echo_names[] = {
    SPAN_CONST("annotations"), SPAN_CONST("provider_specific_fields"),
    SPAN_CONST("parsed"),      SPAN_CONST("id"),
    SPAN_CONST("index"),       SPAN_CONST("status"),
    SPAN_CONST("type"),        SPAN_CONST("extra_content"),
};

int openai_turn_other(struct openai_prompt *x, struct span where, struct span name,
                      struct span value) {
    bool hint = false;
    for (unsigned i = 0; i < countof(echo_names); i++)
        hint |= span_eq(name, echo_names[i]);
    struct span at =
        openai_prompt_at(x, "%.*s.%.*s", (int)where.n, where.p, (int)min_size(name.n, 64), name.p);
    return openai_prompt_extra(x, at, value, hint);
}

struct span openai_turn_at(struct openai_turn *t, const char *member) {
    return openai_prompt_at(t->x, "messages[%u].%s", t->number, member);
}

struct span openai_turn_at_element(struct openai_turn *t, const char *member, unsigned index,
                                   const char *inner) {
    return openai_prompt_at(t->x, "messages[%u].%s[%u]%s", t->number, member, index, inner);
}

static struct chat_part *add(struct openai_turn *t, struct chat_part **list,
                             enum chat_part_kind kind, struct span text) {
    struct chat_part *part = chat_add_part(list, t->x->arena, kind);
    if (part)
        part->text = text;
    return part;
}

int openai_turn_text(struct openai_turn *t, struct chat_part **list, enum chat_part_kind kind,
                     struct span value) {
    struct json_token token;
    if (!openai_string(value, &token) || !token.raw.n)
        return 0;
    return add(t, list, kind, token.raw) ? 0 : openai_prompt_memory(t->x);
}

/* --- content parts --- */

/* A part and the object inside it are read into one table, in one pass: their members do not share
 * names. */
enum {
    P_TYPE,
    P_TEXT,
    P_REFUSAL,
    P_THINKING,
    P_SIGNATURE,
    P_URL,
    P_DETAIL,
    P_DATA,
    P_FORMAT,
    P_FILE_DATA,
    P_FILE_NAME,
    P_FILE_ID,
    P_CACHE_CONTROL,
    /* the objects inside */
    P_IMAGE_URL,
    P_INPUT_AUDIO,
    P_FILE,
    P_COUNT
};
static const struct span part_names[P_COUNT] = {
    [P_TYPE] = SPAN_CONST("type"),
    [P_TEXT] = SPAN_CONST("text"),
    [P_REFUSAL] = SPAN_CONST("refusal"),
    [P_THINKING] = SPAN_CONST("thinking"),
    [P_SIGNATURE] = SPAN_CONST("signature"),
    [P_URL] = SPAN_CONST("url"),
    [P_DETAIL] = SPAN_CONST("detail"),
    [P_DATA] = SPAN_CONST("data"),
    [P_FORMAT] = SPAN_CONST("format"),
    [P_FILE_DATA] = SPAN_CONST("file_data"),
    [P_FILE_NAME] = SPAN_CONST("filename"),
    [P_FILE_ID] = SPAN_CONST("file_id"),
    [P_CACHE_CONTROL] = SPAN_CONST("cache_control"),
    [P_IMAGE_URL] = SPAN_CONST("image_url"),
    [P_INPUT_AUDIO] = SPAN_CONST("input_audio"),
    [P_FILE] = SPAN_CONST("file"),
};

/* The members of a part, behind its brace. */
static int read_part_members(struct openai_turn *t, struct json *json, unsigned index, bool inner,
                             struct span *values) {
    struct json_token key;
    while (json_next(json, &key) == JSON_KEY) {
        unsigned member = openai_member(&key, part_names, P_COUNT);
        struct json ahead = *json;
        struct json_token token;
        struct span value;
        if (!inner && member >= P_IMAGE_URL && member < P_COUNT &&
            json_next(&ahead, &token) == JSON_OBJECT) {
            *json = ahead;
            int rc = read_part_members(t, json, index, true, values);
            if (rc < 0)
                return rc;
            continue;
        }
        if (!json_value(json, &value))
            return 0;
        /* "image_url": "https://..." is not in the specification, and common. */
        if (member == P_IMAGE_URL)
            member = P_URL;
        if (member < P_COUNT)
            values[member] = span_eq(value, SPAN("null")) ? SPAN("") : value;
        int rc = member == P_COUNT
                     ? openai_turn_other(t->x, openai_turn_at_element(t, "content", index, ""),
                                         key.raw, value)
                     : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A URL that may be the data itself. */
static int take_url(struct openai_turn *t, struct span value, struct span where,
                    struct chat_part *part) {
    struct span url;
    int rc = openai_prompt_plain(t->x, value, where, &url);
    if (rc < 0)
        return rc;
    return chat_take_url(part, url)
               ? 0
               : openai_prompt_refuse(t->x, where, "give a data URL as \"data:TYPE;base64,DATA\"");
}

static int read_image(struct openai_turn *t, const struct span *values, unsigned index,
                      struct chat_part *part) {
    part->kind = CHAT_PART_IMAGE;
    if (values[P_DETAIL].n) {
        int rc = openai_prompt_plain(
            t->x, values[P_DETAIL],
            openai_turn_at_element(t, "content", index, ".image_url.detail"), &part->detail);
        if (rc < 0)
            return rc;
    }
    return take_url(t, values[P_URL], openai_turn_at_element(t, "content", index, ".image_url.url"),
                    part);
}

static int read_audio(struct openai_turn *t, const struct span *values, unsigned index,
                      struct chat_part *part) {
    struct span format = SPAN("");
    struct span where = openai_turn_at_element(t, "content", index, ".input_audio.format");
    part->kind = CHAT_PART_AUDIO;
    int rc = openai_prompt_plain(t->x, values[P_DATA],
                                 openai_turn_at_element(t, "content", index, ".input_audio.data"),
                                 &part->data);
    if (rc == 0)
        rc = openai_prompt_plain(t->x, values[P_FORMAT], where, &format);
    if (rc < 0)
        return rc;
    if (!http_is_token(format))
        return openai_prompt_refuse(t->x, where, "give a format such as \"wav\" or \"mp3\"");
    part->media_type = arena_printf(t->x->arena, "audio/%.*s", (int)format.n, format.p);
    return part->media_type.p ? 0 : openai_prompt_memory(t->x);
}

/* What a file without a data URL is, by the end of its name. */
static struct span type_of_name(struct span name) {
    static const struct {
        struct span end, type;
    } rows[] = {
        {SPAN_CONST(".txt"), SPAN_CONST("text/plain")},
        {SPAN_CONST(".md"), SPAN_CONST("text/markdown")},
        {SPAN_CONST(".csv"), SPAN_CONST("text/csv")},
        {SPAN_CONST(".html"), SPAN_CONST("text/html")},
        {SPAN_CONST(".json"), SPAN_CONST("application/json")},
    };
    for (unsigned i = 0; i < countof(rows); i++)
        if (span_ends(name, rows[i].end))
            return rows[i].type;
    return SPAN("application/pdf");
}

static int read_file(struct openai_turn *t, const struct span *values, unsigned index,
                     struct chat_part *part) {
    part->kind = CHAT_PART_DOCUMENT;
    if (values[P_FILE_ID].n && !values[P_FILE_DATA].n)
        return openai_prompt_refuse(
            t->x, openai_turn_at_element(t, "content", index, ".file.file_id"),
            "the file is stored at one provider and this request goes to others; send it as "
            "`file_data`");
    struct json_token name;
    if (values[P_FILE_NAME].n) {
        if (!openai_string(values[P_FILE_NAME], &name) || !name.raw.n)
            return openai_prompt_refuse(
                t->x, openai_turn_at_element(t, "content", index, ".file.filename"),
                "give a string that is not empty");
        part->name = name.raw;
    }
    int rc = take_url(t, values[P_FILE_DATA],
                      openai_turn_at_element(t, "content", index, ".file.file_data"), part);
    /* Base64 has no colon. */
    if (rc == 0 && part->url.n && span_find(part->url, ':', 0) == part->url.n) {
        part->data = part->url;
        part->url = SPAN("");
        part->media_type = type_of_name(part->name);
    }
    return rc;
}

/* Claude's reasoning, as a part of content or an element of `thinking_blocks`. */
static void read_thought(const struct span *values, bool redacted, struct chat_part *part) {
    struct json_token token;
    part->kind = redacted ? CHAT_PART_REDACTED : CHAT_PART_REASONING;
    part->text = SPAN("");
    if (openai_string(values[P_THINKING], &token))
        part->text = token.raw;
    if (openai_string(values[P_DATA], &token))
        part->data = token.raw;
    if (openai_string(values[P_SIGNATURE], &token))
        part->signature = token.raw;
    part->signer = redacted || part->signature.n ? CHAT_SIGNER_ANTHROPIC : CHAT_SIGNER_NONE;
}

/* Which parts a role may say. */
#define OF(role) (1u << CHAT_##role)
enum part_type { T_TEXT, T_IMAGE, T_AUDIO, T_FILE, T_REFUSAL, T_THINKING, T_REDACTED, T_COUNT };
static const struct {
    struct span name;
    unsigned roles;
} part_types[T_COUNT] = {
    [T_TEXT] = {SPAN_CONST("text"), OF(SYSTEM) | OF(USER) | OF(ASSISTANT) | OF(TOOL)},
    [T_IMAGE] = {SPAN_CONST("image_url"), OF(USER) | OF(TOOL)},
    [T_AUDIO] = {SPAN_CONST("input_audio"), OF(USER)},
    [T_FILE] = {SPAN_CONST("file"), OF(USER) | OF(TOOL)},
    [T_REFUSAL] = {SPAN_CONST("refusal"), OF(ASSISTANT)},
    [T_THINKING] = {SPAN_CONST("thinking"), OF(ASSISTANT)},
    [T_REDACTED] = {SPAN_CONST("redacted_thinking"), OF(ASSISTANT)},
};

static enum part_type type_of(struct openai_turn *t, struct span value) {
    unsigned type = 0;
    while (type < T_COUNT && !openai_is_word(value, part_types[type].name))
        type++;
    return type < T_COUNT && part_types[type].roles & 1u << t->message->role ? type : T_COUNT;
}

static int read_typed(struct openai_turn *t, const struct span *values, unsigned index,
                      struct chat_part *part) {
    struct json_token token;
    switch (type_of(t, values[P_TYPE])) {
    case T_TEXT:
        if (!openai_string(values[P_TEXT], &token))
            return openai_prompt_refuse(t->x, openai_turn_at_element(t, "content", index, ".text"),
                                        "give a string");
        part->text = token.raw;
        return 0;
    case T_REFUSAL:
        if (openai_string(values[P_REFUSAL], &token))
            part->text = token.raw;
        part->kind = CHAT_PART_REFUSAL;
        return 0;
    case T_IMAGE: return read_image(t, values, index, part);
    case T_AUDIO: return read_audio(t, values, index, part);
    case T_FILE: return read_file(t, values, index, part);
    case T_THINKING: read_thought(values, false, part); return 0;
    case T_REDACTED: read_thought(values, true, part); return 0;
    case T_COUNT: break;
    }
    return openai_prompt_refuse(
        t->x, openai_turn_at_element(t, "content", index, ".type"),
        "this part is not known for its role; give \"text\", and in user messages \"image_url\", "
        "\"input_audio\" or \"file\"");
}

static int read_part(struct openai_turn *t, struct json *json, unsigned index,
                     struct chat_part **list) {
    struct span values[P_COUNT] = {{NULL, 0}};
    int rc = read_part_members(t, json, index, false, values);
    if (rc < 0)
        return rc;
    struct chat_part *part = chat_add_part(list, t->x->arena, CHAT_PART_TEXT);
    if (!part)
        return openai_prompt_memory(t->x);
    rc = openai_prompt_cache(t->x, values[P_CACHE_CONTROL], &part->cache, &part->cache_ttl);
    return rc < 0 ? rc : read_typed(t, values, index, part);
}

int openai_turn_content(struct openai_turn *t, struct span content, struct chat_part **list) {
    struct json json;
    struct json_token token;
    if (!content.n)
        return 0;
    json_init(&json, content);
    if (json_next(&json, &token) == JSON_STRING)
        return openai_turn_text(t, list, CHAT_PART_TEXT, content);
    if (token.kind != JSON_ARRAY)
        return openai_prompt_refuse(t->x, openai_turn_at(t, "content"),
                                    "give a string or an array of parts");
    for (unsigned index = 0; json_next(&json, &token) == JSON_OBJECT; index++) {
        int rc = read_part(t, &json, index, list);
        if (rc < 0)
            return rc;
    }
    return token.kind == JSON_ARRAY_END ? 0
                                        : openai_prompt_refuse(t->x, openai_turn_at(t, "content"),
                                                               "give each part as an object");
}

int openai_turn_thought(struct openai_turn *t, struct span element, unsigned index) {
    struct span values[P_COUNT];
    (void)index;
    int rc = openai_prompt_members(t->x, element, part_names, P_COUNT, values, NULL);
    bool redacted = openai_is_word(values[P_TYPE], SPAN("redacted_thinking"));
    if (rc < 0 || (!redacted && !openai_is_word(values[P_TYPE], SPAN("thinking"))))
        return rc;
    struct chat_part *part = chat_add_part(&t->message->parts, t->x->arena, CHAT_PART_REASONING);
    if (!part)
        return openai_prompt_memory(t->x);
    read_thought(values, redacted, part);
    return 0;
}
