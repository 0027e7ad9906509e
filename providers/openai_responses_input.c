/* openai_responses_input.c - the items of a request's `input`, as turns of the canonical prompt.
 * (pure)
 *
 *     message user/system/developer     a turn each
 *     reasoning, message assistant,     one assistant turn: what one answer said is sent back as
 *     function_call, custom_tool_call   several items, and other APIs want it in one message
 *     function_call_output, ...         one tool turn for neighbours
 *
 * Owns:     nothing; parts are in the arena, their texts in the client's body.
 * Promises: every item becomes a part, or an extra that the target must answer for, or is refused.
 * Refuses:  items that only their maker can read: references, file ids, compacted conversations. */
#include <limits.h>

#include "net/http.h"
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"

enum {
    TYPE,
    ROLE,
    CONTENT,
    ID,
    CALL_ID,
    NAME,
    ARGUMENTS,
    INPUT,
    OUTPUT,
    SUMMARY,
    SEALED,
    ITEM_COUNT
};
static const struct span item_names[ITEM_COUNT] = {
    [TYPE] = SPAN_CONST("type"),
    [ROLE] = SPAN_CONST("role"),
    [CONTENT] = SPAN_CONST("content"),
    [ID] = SPAN_CONST("id"),
    [CALL_ID] = SPAN_CONST("call_id"),
    [NAME] = SPAN_CONST("name"),
    [ARGUMENTS] = SPAN_CONST("arguments"),
    [INPUT] = SPAN_CONST("input"),
    [OUTPUT] = SPAN_CONST("output"),
    [SUMMARY] = SPAN_CONST("summary"),
    [SEALED] = SPAN_CONST("encrypted_content"),
};

enum {
    PART_TYPE,
    TEXT,
    REFUSAL,
    IMAGE_URL,
    DETAIL,
    FILE_ID,
    FILE_DATA,
    FILE_URL,
    FILENAME,
    AUDIO,
    BREAKPOINT,
    PART_COUNT
};
static const struct span part_names[PART_COUNT] = {
    [PART_TYPE] = SPAN_CONST("type"),
    [TEXT] = SPAN_CONST("text"),
    [REFUSAL] = SPAN_CONST("refusal"),
    [IMAGE_URL] = SPAN_CONST("image_url"),
    [DETAIL] = SPAN_CONST("detail"),
    [FILE_ID] = SPAN_CONST("file_id"),
    [FILE_DATA] = SPAN_CONST("file_data"),
    [FILE_URL] = SPAN_CONST("file_url"),
    [FILENAME] = SPAN_CONST("filename"),
    [AUDIO] = SPAN_CONST("input_audio"),
    [BREAKPOINT] = SPAN_CONST("prompt_cache_breakpoint"),
};

/* An item or one of its parts, for messages: "input[3].content[1]". */
struct place {
    unsigned item;
    const char *member; /* "" for the item */
    int part;           /* -1: the member itself */
};

static int refuse_at(struct openai_responses_prompting *x, struct place at, const char *what) {
    struct span param =
        at.part < 0 ? arena_printf(x->arena, "input[%u]%s", at.item, at.member)
                    : arena_printf(x->arena, "input[%u]%s[%d]", at.item, at.member, at.part);
    return openai_responses_refuse(x, param,
                                   arena_printf(x->arena, "%.*s: %s", (int)param.n, param.p, what));
}

/* --- content parts --- */

static int read_image(struct openai_responses_prompting *x, struct chat_part *part,
                      const struct json_token *members, struct place at) {
    if (openai_responses_string(&members[FILE_ID]).n)
        return refuse_at(x, at,
                         "`file_id` is known to the provider that keeps the file only; give "
                         "`image_url` with the image as a data: URL.");
    struct span url = chat_plain(&members[IMAGE_URL], x->arena);
    if (members[IMAGE_URL].kind != JSON_STRING || !url.n)
        return refuse_at(x, at, "give `image_url` as a string: a URL, or a data: URL.");
    if (!chat_take_url(part, url))
        return refuse_at(x, at, "give a data: URL in `image_url` as \"data:TYPE;base64,DATA\".");
    part->detail = openai_responses_string(&members[DETAIL]);
    return 0;
}

static int read_file(struct openai_responses_prompting *x, struct chat_part *part,
                     const struct json_token *members, struct place at) {
    if (openai_responses_string(&members[FILE_ID]).n)
        return refuse_at(x, at,
                         "`file_id` is known to the provider that keeps the file only; give "
                         "`file_data` as a data: URL, or `file_url`.");
    part->name = openai_responses_string(&members[FILENAME]);
    if (members[FILE_URL].kind == JSON_STRING && members[FILE_URL].raw.n) {
        struct span url = chat_plain(&members[FILE_URL], x->arena);
        return url.n && chat_take_url(part, url) ? 0 : refuse_at(x, at, "`file_url` is not a URL.");
    }
    struct span data = chat_plain(&members[FILE_DATA], x->arena);
    if (members[FILE_DATA].kind != JSON_STRING ||
        !chat_data_url(data, &part->media_type, &part->data) || !part->data.n)
        return refuse_at(x, at,
                         "give the file as `file_data`, a data: URL with base64, or as "
                         "`file_url`.");
    return 0;
}

static int read_audio(struct openai_responses_prompting *x, struct chat_part *part,
                      const struct json_token *members, struct place at) {
    static const struct span names[] = {SPAN_CONST("data"), SPAN_CONST("format")};
    struct json_token audio[countof(names)];
    if (members[AUDIO].kind != JSON_OBJECT ||
        !openai_responses_members(members[AUDIO].raw, names, countof(names), audio) ||
        !openai_responses_string(&audio[0]).n || !openai_responses_string(&audio[1]).n)
        return refuse_at(x, at, "give `input_audio` with `data` and `format`.");
    part->data = chat_plain(&audio[0], x->arena);
    struct span format = chat_plain(&audio[1], x->arena);
    if (!http_is_token(format))
        return refuse_at(x, at, "give `input_audio.format` as \"wav\" or \"mp3\".");
    part->media_type = arena_printf(x->arena, "audio/%.*s", (int)format.n, format.p);
    return part->data.n ? 0 : refuse_at(x, at, "`input_audio.data` is not base64.");
}

static bool type_is(const struct json_token *type, struct span name) {
    return type->kind == JSON_STRING && json_is(type, name);
}

static bool is_text_type(const struct json_token *type) {
    return type_is(type, SPAN("input_text")) || type_is(type, SPAN("output_text")) ||
           type_is(type, SPAN("text"));
}

/* What a part is by its type; -1: none that we know. */
static int part_kind(const struct json_token *type) {
    static const struct {
        struct span type;
        enum chat_part_kind kind;
    } rows[] = {
        {SPAN_CONST("refusal"), CHAT_PART_REFUSAL},
        {SPAN_CONST("input_image"), CHAT_PART_IMAGE},
        {SPAN_CONST("input_file"), CHAT_PART_DOCUMENT},
        {SPAN_CONST("input_audio"), CHAT_PART_AUDIO},
    };
    if (is_text_type(type))
        return CHAT_PART_TEXT;
    for (unsigned i = 0; i < countof(rows); i++)
        if (type_is(type, rows[i].type))
            return rows[i].kind;
    return -1;
}

static int read_part(struct openai_responses_prompting *x, struct chat_part **list,
                     struct span value, struct place at) {
    struct json_token members[PART_COUNT];
    if (!openai_responses_members(value, part_names, PART_COUNT, members))
        return refuse_at(x, at, "give an object with a `type`.");
    int kind = part_kind(&members[PART_TYPE]);
    if (kind < 0)
        return refuse_at(x, at,
                         "this `type` of content is not known here; use input_text, input_image, "
                         "input_file, output_text or refusal.");
    const struct json_token *text = &members[kind == CHAT_PART_REFUSAL ? REFUSAL : TEXT];
    bool textual = kind == CHAT_PART_TEXT || kind == CHAT_PART_REFUSAL;
    if (textual && text->kind != JSON_STRING)
        return refuse_at(x, at, "give its text as a string.");
    if (textual && !text->raw.n)
        return 0;
    struct chat_part *part = chat_add_part(list, x->arena, (enum chat_part_kind)kind);
    if (!part)
        return openai_responses_refuse_memory(x);
    part->cache = members[BREAKPOINT].kind == JSON_OBJECT;
    switch (part->kind) {
    case CHAT_PART_IMAGE: return read_image(x, part, members, at);
    case CHAT_PART_DOCUMENT: return read_file(x, part, members, at);
    case CHAT_PART_AUDIO: return read_audio(x, part, members, at);
    case CHAT_PART_TEXT:
    case CHAT_PART_REFUSAL:
    case CHAT_PART_REASONING:
    case CHAT_PART_REDACTED:
    case CHAT_PART_TOOL_CALL:
    case CHAT_PART_TOOL_RESULT: part->text = text->raw;
    }
    return 0;
}

/* Content: a string, or an array of parts. Nothing becomes no part. */
static int read_content(struct openai_responses_prompting *x, struct chat_part **list,
                        const struct json_token *content, struct place at) {
    struct json json;
    struct json_token token;
    struct span value;
    int rc = 0;
    if (content->kind == JSON_NULL)
        return 0;
    if (content->kind == JSON_STRING) {
        if (!content->raw.n)
            return 0;
        struct chat_part *part = chat_add_part(list, x->arena, CHAT_PART_TEXT);
        if (!part)
            return openai_responses_refuse_memory(x);
        part->text = content->raw;
        return 0;
    }
    if (content->kind != JSON_ARRAY)
        return refuse_at(x, at, "give a string or an array of parts.");
    json_init(&json, content->raw);
    json_next(&json, &token);
    for (at.part = 0; rc == 0 && json_value(&json, &value); at.part++)
        rc = read_part(x, list, value, at);
    return rc;
}

/* --- items --- */

/* The last turn, if it is of this role. */
static struct chat_message *last_turn(const struct openai_responses_prompting *x,
                                      enum chat_role role) {
    struct chat_message *last = x->prompt->last_message;
    return last && last->role == role && last->at != UINT_MAX ? last : NULL;
}

static struct chat_message *new_turn(struct openai_responses_prompting *x, enum chat_role role,
                                     unsigned at) {
    struct chat_message *turn = chat_add_message(x->prompt, x->arena, role);
    if (turn)
        turn->at = at;
    x->calls = false;
    return turn;
}

static struct chat_message *turn_of(struct openai_responses_prompting *x, enum chat_role role,
                                    unsigned at) {
    struct chat_message *turn = last_turn(x, role);
    return turn ? turn : new_turn(x, role, at);
}

static int read_message(struct openai_responses_prompting *x, const struct json_token *members,
                        struct place at) {
    static const struct {
        struct span name;
        enum chat_role role;
    } roles[] = {
        {SPAN_CONST("user"), CHAT_USER},
        {SPAN_CONST("assistant"), CHAT_ASSISTANT},
        {SPAN_CONST("system"), CHAT_SYSTEM},
        {SPAN_CONST("developer"), CHAT_SYSTEM},
    };
    unsigned i = 0;
    while (i < countof(roles) && !type_is(&members[ROLE], roles[i].name))
        i++;
    if (i == countof(roles))
        return refuse_at(x, at, "give `role` as user, assistant, system or developer.");
    /* A message behind reasoning or calls is of the same answer; two plain ones are two turns. */
    struct chat_message *turn = last_turn(x, roles[i].role);
    bool joins = turn && turn->role == CHAT_ASSISTANT && turn->parts &&
                 (x->calls || turn->parts->last->kind == CHAT_PART_REASONING ||
                  turn->parts->last->kind == CHAT_PART_REDACTED);
    if (!joins)
        turn = new_turn(x, roles[i].role, at.item);
    if (!turn)
        return openai_responses_refuse_memory(x);
    at.member = ".content";
    return read_content(x, &turn->parts, &members[CONTENT], at);
}

/* Arguments are a text that holds JSON; in the prompt they are the JSON. */
static int read_arguments(struct openai_responses_prompting *x, const struct json_token *token,
                          struct place at, struct span *out) {
    struct span text = token->raw;
    at.member = ".arguments";
    if (token->kind == JSON_STRING && token->escaped) {
        char *decoded = arena_alloc(x->arena, token->raw.n);
        if (!decoded)
            return openai_responses_refuse_memory(x);
        long n = json_decode(token->raw, true, decoded, token->raw.n);
        text = span_of(decoded, n > 0 ? (size_t)n : 0);
    }
    while (text.n &&
           (text.p[0] == ' ' || text.p[0] == '\n' || text.p[0] == '\t' || text.p[0] == '\r'))
        text = span_from(text, 1);
    if (token->kind == JSON_NULL || !text.n) {
        *out = SPAN("{}");
        return 0;
    }
    if (text.p[0] != '{' || json_check(text, NULL, NULL) < 0)
        return refuse_at(x, at,
                         "other APIs take arguments that are a JSON object only; mend this call of "
                         "the history or leave it out.");
    *out = text;
    return 0;
}

static int read_call(struct openai_responses_prompting *x, const struct json_token *members,
                     bool custom, struct place at) {
    struct chat_message *turn = turn_of(x, CHAT_ASSISTANT, at.item);
    struct chat_part *part =
        turn ? chat_add_part(&turn->parts, x->arena, CHAT_PART_TOOL_CALL) : NULL;
    if (!part)
        return openai_responses_refuse_memory(x);
    x->calls = true;
    part->id = chat_plain(&members[CALL_ID], x->arena);
    part->name = chat_plain(&members[NAME], x->arena);
    part->custom = custom;
    if (members[CALL_ID].kind != JSON_STRING || !part->id.n)
        return refuse_at(x, at, "give its `call_id`.");
    if (members[NAME].kind != JSON_STRING || !part->name.n)
        return refuse_at(x, at, "give its `name`.");
    part->text = openai_responses_string(&members[INPUT]);
    if (!custom)
        return read_arguments(x, &members[ARGUMENTS], at, &part->input);
    part->input = SPAN("{}");
    return 0;
}

static int read_output(struct openai_responses_prompting *x, const struct json_token *members,
                       bool custom, struct place at) {
    struct chat_message *turn = turn_of(x, CHAT_TOOL, at.item);
    struct chat_part *part =
        turn ? chat_add_part(&turn->parts, x->arena, CHAT_PART_TOOL_RESULT) : NULL;
    if (!part)
        return openai_responses_refuse_memory(x);
    part->id = chat_plain(&members[CALL_ID], x->arena);
    part->custom = custom;
    if (members[CALL_ID].kind != JSON_STRING || !part->id.n)
        return refuse_at(x, at, "give the `call_id` of the call that it answers.");
    at.member = ".output";
    return read_content(x, &part->parts, &members[OUTPUT], at);
}

/* The texts of a summary, or of the reasoning itself where there is no summary. */
static bool read_thoughts(struct openai_responses_prompting *x, struct chat_message *turn,
                          const struct json_token *list, bool sealed) {
    static const struct span path[] = {SPAN_CONST("text")};
    struct json json;
    struct json_token token;
    struct span value;
    if (list->kind != JSON_ARRAY)
        return true;
    json_init(&json, list->raw);
    json_next(&json, &token);
    while (json_value(&json, &value)) {
        if (!json_find(value, path, countof(path), &token) || token.kind != JSON_STRING ||
            !token.raw.n)
            continue;
        struct chat_part *part = chat_add_part(&turn->parts, x->arena, CHAT_PART_REASONING);
        if (!part)
            return false;
        part->text = token.raw;
        part->signer = sealed ? CHAT_SIGNER_OPENAI : CHAT_SIGNER_NONE;
    }
    return true;
}

/* Reasoning that another maker's answer brought: back to him with what proves it. */
static int read_carried(struct openai_responses_prompting *x, struct chat_message *turn,
                        const struct json_token *texts, enum chat_signer signer, bool redacted,
                        struct span data) {
    const struct chat_part *before = turn->parts ? turn->parts->last : NULL;
    struct chat_part *part = NULL;
    if (!redacted && !read_thoughts(x, turn, texts, false))
        return openai_responses_refuse_memory(x);
    if (signer == CHAT_SIGNER_NONE)
        return 0;
    if (!redacted && turn->parts && turn->parts->last != before)
        part = turn->parts->last;
    if (!part)
        part = chat_add_part(&turn->parts, x->arena,
                             redacted ? CHAT_PART_REDACTED : CHAT_PART_REASONING);
    if (!part)
        return openai_responses_refuse_memory(x);
    part->signer = signer;
    if (redacted)
        part->data = data;
    else
        part->signature = data;
    return 0;
}

static int read_reasoning(struct openai_responses_prompting *x, const struct json_token *members,
                          struct place at) {
    struct span sealed = openai_responses_string(&members[SEALED]), data;
    enum chat_signer signer;
    bool redacted;
    const struct json_token *texts =
        &members[members[SUMMARY].kind == JSON_ARRAY && openai_says_something(members[SUMMARY].raw)
                     ? SUMMARY
                     : CONTENT];
    if (!sealed.n && (texts->kind != JSON_ARRAY || !openai_says_something(texts->raw)))
        return 0; /* an id alone: its maker may remember it, nobody else can */
    struct chat_message *turn = turn_of(x, CHAT_ASSISTANT, at.item);
    if (!turn)
        return openai_responses_refuse_memory(x);
    if (openai_responses_carried(sealed, &signer, &redacted, &data))
        return read_carried(x, turn, texts, signer, redacted, data);
    if (!read_thoughts(x, turn, texts, sealed.n > 0))
        return openai_responses_refuse_memory(x);
    if (!sealed.n)
        return 0;
    struct chat_part *part = chat_add_part(&turn->parts, x->arena, CHAT_PART_REDACTED);
    if (!part)
        return openai_responses_refuse_memory(x);
    part->data = sealed;
    part->signer = CHAT_SIGNER_OPENAI;
    if (members[ID].kind == JSON_STRING)
        part->id = chat_plain(&members[ID], x->arena);
    return 0;
}

static int read_item(struct openai_responses_prompting *x, struct span value, unsigned index) {
    struct json_token members[ITEM_COUNT];
    struct place at = {.item = index, .member = "", .part = -1};
    if (!openai_responses_members(value, item_names, ITEM_COUNT, members))
        return refuse_at(x, at, "give an object such as a message with `role` and `content`.");
    const struct json_token *type = &members[TYPE];
    if (type_is(type, SPAN("message")) ||
        (type->kind != JSON_STRING && members[ROLE].kind == JSON_STRING))
        return read_message(x, members, at);
    if (type_is(type, SPAN("function_call")))
        return read_call(x, members, false, at);
    if (type_is(type, SPAN("custom_tool_call")))
        return read_call(x, members, true, at);
    if (type_is(type, SPAN("function_call_output")))
        return read_output(x, members, false, at);
    if (type_is(type, SPAN("custom_tool_call_output")))
        return read_output(x, members, true, at);
    if (type_is(type, SPAN("reasoning")))
        return read_reasoning(x, members, at);
    if (type->kind != JSON_STRING || type_is(type, SPAN("item_reference")))
        return refuse_at(x, at,
                         "an item by reference is known to the provider that keeps it only; send "
                         "the item itself.");
    if (type_is(type, SPAN("compaction")))
        return refuse_at(x, at,
                         "a compacted conversation can be read by the provider that made it only.");
    /* What a hosted tool did: without the tool it is a member that the target cannot say. */
    struct span name = arena_printf(x->arena, "input[%u]", index);
    return name.p && chat_add_extra(x->prompt, x->arena, name, value, false)
               ? 0
               : openai_responses_refuse_memory(x);
}

int openai_responses_read_input(struct openai_responses_prompting *x,
                                const struct json_token *input) {
    struct json json;
    struct json_token token;
    struct span value;
    int rc = 0;
    if (input->kind == JSON_STRING) {
        struct chat_message *turn = new_turn(x, CHAT_USER, UINT_MAX);
        if (!turn)
            return openai_responses_refuse_memory(x);
        return read_content(x, &turn->parts, input, (struct place){.member = "", .part = -1});
    }
    json_init(&json, input->raw);
    json_next(&json, &token);
    for (unsigned index = 0; rc == 0 && json_value(&json, &value); index++)
        rc = read_item(x, value, index);
    return rc;
}
