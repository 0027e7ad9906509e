/* prompt.c - building canonical requests, and what all dialects need for reading and writing them.
 * (pure)
 *
 * Owns:     nothing; lists are in the arena.
 * Promises: a part is never dropped here; ids that are made are the same for a call and its result. */
#include "providers/prompt.h"

#include <limits.h>

#include "core/base.h"
#include "net/http.h"

static const struct model_facts model_table[] = {
#define MODEL(glob, max_tokens, bits) \
    {.pattern = glob, .max_output_tokens = max_tokens, .facts = bits},
#include "providers/models.def"
#undef MODEL
};

const struct model_facts *model_facts_find(struct span model) {
    unsigned i = 0;
    while (i < countof(model_table) - 1 && !span_glob(span_str(model_table[i].pattern), model))
        i++;
    return &model_table[i];
}

/* --- what a target cannot say --- */

bool chat_lose(struct chat_losses *losses, struct span field, struct span why) {
    if (!losses->lenient) {
        if (!losses->field.n) {
            losses->field = field;
            losses->why = why;
        }
        return false;
    }
    if (losses->count < CHAT_LOSSES_MAX)
        losses->names[losses->count] = field;
    losses->count++;
    return true;
}

bool chat_lose_extras(struct chat_losses *losses, const struct chat_prompt *prompt) {
    for (const struct chat_extra *extra = prompt->extras; extra; extra = extra->next)
        if (!extra->hint &&
            !chat_lose(losses, extra->name, SPAN("this backend's API has no such member")))
            return false;
    return true;
}

struct span chat_where(struct arena *arena, const struct chat_message *message,
                       const struct chat_part *part) {
    unsigned index = 0;
    const struct chat_part *other = message->parts;
    if (message->at == UINT_MAX)
        return SPAN("system");
    for (; other && other != part; other = other->next)
        index++;
    return other ? arena_printf(arena, "messages[%u].content[%u]", message->at, index)
                 : arena_printf(arena, "messages[%u]", message->at);
}

bool chat_lose_part(struct chat_losses *losses, struct arena *arena,
                    const struct chat_message *message, const struct chat_part *part,
                    struct span why) {
    bool kept = !losses->lenient || losses->count < CHAT_LOSSES_MAX;
    return chat_lose(losses, kept ? chat_where(arena, message, part) : span_of(NULL, 0), why);
}

/* --- building --- */

void chat_prompt_init(struct chat_prompt *prompt) {
    *prompt = (struct chat_prompt){.choices = 1,
                                   .max_output_name = "max_tokens",
                                   .stop_name = "stop",
                                   .choices_name = "n",
                                   .format_name = "response_format",
                                   .thinking_name = "reasoning_effort"};
}

struct chat_message *chat_add_message(struct chat_prompt *prompt, struct arena *arena,
                                      enum chat_role role) {
    struct chat_message **end =
        prompt->last_message ? &prompt->last_message->next : &prompt->messages;
    struct chat_message *message = arena_zalloc(arena, sizeof *message);
    if (!message)
        return NULL;
    message->role = role;
    *end = prompt->last_message = message;
    return message;
}

struct chat_part *chat_add_part(struct chat_part **list, struct arena *arena,
                                enum chat_part_kind kind) {
    struct chat_part *part = arena_zalloc(arena, sizeof *part);
    if (!part)
        return NULL;
    part->kind = kind;
    /* The first part remembers the last one, so that a long turn is not walked for every part. */
    if (*list) {
        (*list)->last->next = part;
        (*list)->last = part;
    } else {
        *list = part;
        part->last = part;
    }
    return part;
}

struct chat_tool *chat_add_tool(struct chat_prompt *prompt, struct arena *arena) {
    struct chat_tool **end = prompt->last_tool ? &prompt->last_tool->next : &prompt->tools;
    struct chat_tool *tool = arena_zalloc(arena, sizeof *tool);
    if (!tool)
        return NULL;
    *end = prompt->last_tool = tool;
    return tool;
}

bool chat_add_word(struct chat_word **list, struct arena *arena, struct span raw) {
    struct chat_word *word = arena_zalloc(arena, sizeof *word);
    if (!word)
        return false;
    word->text = raw;
    if (*list) {
        (*list)->last->next = word;
        (*list)->last = word;
    } else {
        *list = word;
        word->last = word;
    }
    return true;
}

bool chat_allow(struct chat_prompt *prompt, struct arena *arena, struct span name) {
    CHECK(prompt->allowed_count < CHAT_ALLOWED_MAX);
    if (!chat_add_word(&prompt->allowed, arena, name))
        return false;
    prompt->allowed_count++;
    return true;
}

bool chat_needs_error_word(const struct chat_part *result) {
    const struct chat_part *part = result->parts;
    while (part && !part->text.n)
        part = part->next;
    return result->is_error && !(part && span_starts_nocase(part->text, SPAN("error")));
}

bool chat_is_allowed(const struct chat_prompt *prompt, struct span name) {
    const struct chat_word *word = prompt->allowed;
    while (word && !span_eq(word->text, name))
        word = word->next;
    return !prompt->allowed || word;
}

bool chat_add_extra(struct chat_prompt *prompt, struct arena *arena, struct span name,
                    struct span value, bool hint) {
    struct chat_extra **end = prompt->last_extra ? &prompt->last_extra->next : &prompt->extras;
    struct chat_extra *extra = arena_zalloc(arena, sizeof *extra);
    if (!extra)
        return false;
    *extra = (struct chat_extra){.name = name, .value = value, .hint = hint};
    *end = prompt->last_extra = extra;
    return true;
}

/* --- texts --- */

static bool needs_escape(struct span text) {
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == '"' || text.p[i] == '\\')
            return true;
    return false;
}

struct span chat_plain(const struct json_token *token, struct arena *arena) {
    if (!token->escaped)
        return token->raw;
    char *text = arena_alloc(arena, token->raw.n);
    long n = text ? json_decode(token->raw, false, text, token->raw.n) : -1;
    if (n < 0 || needs_escape(span_of(text, (size_t)n)))
        return span_of(NULL, 0);
    return span_of(text, (size_t)n);
}

/* --- media types --- */

/* "image/png", without parameters. */
static bool is_plain_type(struct span text) {
    size_t slash = span_find(text, '/', 0);
    return http_is_token(span_of(text.p, slash)) && http_is_token(span_from(text, slash + 1));
}

bool chat_is_media_type(struct span text) {
    struct span rest = text;
    if (!is_plain_type(span_trim(span_cut(&rest, ';'))))
        return false;
    /* Quoted values are refused: chat_plain leaves no quotes, and in a data: URL they could hold a comma. */
    while (rest.p) {
        struct span parameter = span_trim(span_cut(&rest, ';'));
        size_t equals = span_find(parameter, '=', 0);
        if (!http_is_token(span_of(parameter.p, equals)) ||
            !http_is_token(span_from(parameter, equals + 1)))
            return false;
    }
    return true;
}

bool chat_data_url(struct span url, struct span *media_type, struct span *data) {
    static const struct span marker = SPAN_CONST(";base64");
    if (!span_starts_nocase(url, SPAN("data:")))
        return false;
    struct span rest = span_from(url, sizeof "data:" - 1);
    /* The data begins at the first comma: "data:text/plain,a;base64,b" is no base64. */
    struct span head = span_of(rest.p, span_find(rest, ',', 0));
    if (head.n == rest.n || head.n < marker.n ||
        !span_eq_nocase(span_from(head, head.n - marker.n), marker))
        return false;
    /* Parameters between type and base64 (";charset=...") are no part of the type. */
    struct span type = span_of(head.p, span_find(head, ';', 0));
    if (!is_plain_type(type))
        return false;
    *media_type = type;
    *data = span_from(rest, head.n + 1);
    return true;
}

bool chat_take_url(struct chat_part *part, struct span url) {
    if (!span_starts_nocase(url, SPAN("data:"))) {
        part->url = url;
        return true;
    }
    return chat_data_url(url, &part->media_type, &part->data) && part->data.n > 0;
}

struct span chat_trim_end(struct span raw) {
    static const struct span blanks[] = {
        SPAN_CONST(" "),       SPAN_CONST("\\n"),     SPAN_CONST("\\t"),     SPAN_CONST("\\r"),
        SPAN_CONST("\\f"),     SPAN_CONST("\\u0020"), SPAN_CONST("\\u000a"), SPAN_CONST("\\u000A"),
        SPAN_CONST("\\u0009"), SPAN_CONST("\\u000d"), SPAN_CONST("\\u000D"), SPAN_CONST("\\u000c"),
        SPAN_CONST("\\u000C"),
    };
    for (unsigned i = 0; i < countof(blanks); i++) {
        if (!span_ends(raw, blanks[i]))
            continue;
        size_t n = raw.n - blanks[i].n, slashes = 0;
        while (slashes < n && raw.p[n - 1 - slashes] == '\\')
            slashes++;
        /* Behind an odd number of backslashes it is no escape but a letter: "\\n". */
        if (blanks[i].p[0] == '\\' && slashes % 2)
            continue;
        raw.n = n;
        i = (unsigned)-1; /* from the first again */
    }
    return raw;
}

bool chat_is_blank(struct span raw) { return chat_trim_end(raw).n == 0; }

static bool is_id_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static bool is_id(struct span text, size_t max) {
    if (text.n == 0 || text.n > max)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (!is_id_char(text.p[i]))
            return false;
    return true;
}

struct span chat_safe_id(struct span id, size_t max, struct arena *arena) {
    if (is_id(id, max))
        return id;
    /* Two hashes of different texts: an accident of both would need 2^64 calls in one request. */
    struct span twice = arena_printf(arena, "%.*s#", (int)min_size(id.n, 4096), id.p);
    if (!twice.p)
        return span_of(NULL, 0);
    return arena_printf(arena, "call_%016llx%016llx", (unsigned long long)span_hash(id),
                        (unsigned long long)span_hash(twice));
}

bool chat_is_tool_name(struct span name) { return is_id(name, 64); }

/* --- reasoning --- */

static const struct {
    struct span word;
    uint64_t tokens;
} efforts[] = {
    {SPAN_CONST("minimal"), 1024}, {SPAN_CONST("low"), 1024},   {SPAN_CONST("medium"), 2048},
    {SPAN_CONST("high"), 4096},    {SPAN_CONST("xhigh"), 8192}, {SPAN_CONST("max"), 16384},
};

struct span chat_effort_of_budget(uint64_t tokens) {
    unsigned i = 1; /* "low": "minimal" is not known everywhere */
    while (i + 1 < countof(efforts) && tokens > efforts[i].tokens)
        i++;
    return efforts[i].word;
}

uint64_t chat_budget_of_effort(struct span effort) {
    for (unsigned i = 0; i < countof(efforts); i++)
        if (span_eq(effort, efforts[i].word))
            return efforts[i].tokens;
    return 0;
}

void chat_write_joined(struct json_out *out, struct span raw, bool more) {
    if (more)
        json_out_string_part(out, SPAN("\\n\\n"), true);
    json_out_string_part(out, raw, true);
}

void chat_write_data_url(struct json_out *out, struct span key, const struct chat_part *part) {
    json_out_key(out, key);
    json_out_string_begin(out);
    json_out_string_part(out, SPAN("data:"), true);
    /* "text/plain; charset=utf-8": a URL has no blanks. */
    for (struct span rest = part->media_type; rest.p;) {
        json_out_string_part(out, span_trim(span_cut(&rest, ';')), true);
        json_out_string_part(out, SPAN(";"), true);
    }
    json_out_string_part(out, SPAN("base64,"), true);
    json_out_string_part(out, part->data, true);
    json_out_string_end(out);
}
