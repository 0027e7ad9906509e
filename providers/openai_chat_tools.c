/* openai_chat_tools.c - tool calls of the OpenAI chat dialect, put together from pieces that many
 * providers cut wrongly. (pure)
 *
 * As specified: the first piece of a call has its index, id, type and name, later ones have the
 *               index and more arguments.
 * As seen:      no index (Mistral, Gemini); index 0 for all parallel calls (Gemini's OpenAI
 *               endpoint); id "" and type on later pieces (Qwen); name "" on later pieces (Mistral,
 *               Z.ai); id and name repeated; calls without an id; `tool_calls: []` (vLLM);
 *               arguments as an object; no arguments at all where "{}" is meant.
 *
 * Promises: each call is started once, with its position in the choice, and ends with arguments
 *           that are not empty. */
#include "providers/openai_chat.h"

#include <limits.h>

#include "core/base.h"
#include "core/limits.h"

#define NO_INDEX UINT_MAX

enum { FUNCTION, INDEX, ID, TYPE, CUSTOM, PIECE_COUNT };
static const struct span piece_names[PIECE_COUNT] = {
    [FUNCTION] = SPAN_CONST("function"), [INDEX] = SPAN_CONST("index"),   [ID] = SPAN_CONST("id"),
    [TYPE] = SPAN_CONST("type"),         [CUSTOM] = SPAN_CONST("custom"),
};

/* One element of `tool_calls`. */
struct piece {
    unsigned index;
    struct span id, name, arguments; /* raw string contents; empty: absent or "" */
    bool id_said, name_said;         /* the member is there as a string, be it "" */
    bool type_said, custom;
    bool encoded; /* arguments came as an object and were made a string */
    /* a foreign member, such as the thought signature in Gemini's extra_content */
    struct span extra_name, extra;
};

/* --- reading a piece --- */

static void read_string(const struct json_token *value, struct span *out, bool *said) {
    if (value->kind != JSON_STRING)
        return;
    *out = value->raw;
    *said = true;
}

/* Arguments that are JSON themselves instead of a text of JSON: escaped into one. */
static bool encode_arguments(struct openai_read *x, struct span json_text, struct piece *piece) {
    struct json_out out;
    if (span_eq(json_text, SPAN("null")))
        return true;
    json_out_arena(&out, x->reader->arena, json_text.n + json_text.n / 8 + 2);
    json_out_string(&out, json_text);
    if (out.full) {
        x->failed = FAIL_OVERLOAD;
        return false;
    }
    struct span quoted = json_out_span(&out);
    piece->arguments = span_of(quoted.p + 1, quoted.n - 2);
    piece->encoded = true;
    return true;
}

/* function: {name, arguments}, or custom: {name, input}; behind its brace. */
static bool read_function(struct openai_read *x, struct json *json, struct piece *piece) {
    struct json_token key, value;
    bool said = false;
    while (json_next(json, &key) == JSON_KEY) {
        bool name = json_is(&key, SPAN("name"));
        bool arguments = json_is(&key, piece->custom ? SPAN("input") : SPAN("arguments"));
        struct json ahead = *json;
        struct span text;
        json_next(json, &value);
        if (!openai_skip(json, &value))
            return false;
        if (name)
            read_string(&value, &piece->name, &piece->name_said);
        if (arguments && value.kind == JSON_STRING)
            read_string(&value, &piece->arguments, &said);
        else if (arguments && (!json_value(&ahead, &text) || !encode_arguments(x, text, piece)))
            return false;
    }
    return key.kind == JSON_OBJECT_END;
}

static bool read_piece_member(struct openai_read *x, struct json *json,
                              const struct json_token *key, struct piece *piece) {
    struct json_token value;
    uint64_t number;
    unsigned member = openai_member(key, piece_names, PIECE_COUNT);
    if (member == PIECE_COUNT) {
        piece->extra_name = key->raw;
        return json_value(json, &piece->extra);
    }
    json_next(json, &value);
    switch (member) {
    case FUNCTION:
    case CUSTOM:
        if (value.kind != JSON_OBJECT)
            break;
        piece->custom = member == CUSTOM;
        return read_function(x, json, piece);
    case INDEX:
        if (value.kind == JSON_NUMBER && span_u64(value.raw, TOOL_CALLS_MAX - 1, &number))
            piece->index = (unsigned)number;
        break;
    case ID: read_string(&value, &piece->id, &piece->id_said); break;
    case TYPE: piece->type_said = value.kind == JSON_STRING; break;
    }
    return openai_skip(json, &value);
}

/* --- which call it belongs to --- */

static struct openai_tool *tool_by_index(struct chat_choice *choice, unsigned index) {
    /* The newest: where all claim index 0, that is the open one. */
    for (unsigned i = choice->tool_count; i-- > 0;)
        if (choice->tools[i].index == index)
            return &choice->tools[i];
    return NULL;
}

static struct openai_tool *tool_by_id(struct chat_choice *choice, const struct piece *piece) {
    for (unsigned i = choice->tool_count; i-- > 0;) {
        struct openai_tool *tool = &choice->tools[i];
        if (span_eq(tool->id, piece->id) &&
            (piece->index == NO_INDEX || piece->index == tool->index))
            return tool;
    }
    return NULL;
}

/* The call that the piece goes on with, or NULL when it begins a new one. */
static struct openai_tool *tool_of(struct chat_choice *choice, const struct piece *piece) {
    struct openai_tool *tool = NULL;
    if (piece->id.n) {
        tool = tool_by_id(choice, piece);
        if (tool || piece->index == NO_INDEX)
            return tool;
        /* Its id may come late, once. */
        tool = tool_by_index(choice, piece->index);
        return tool && !tool->id.n && !tool->started ? tool : NULL;
    }
    if (piece->index == NO_INDEX)
        return piece->name.n || !choice->tool_count ? NULL : &choice->tools[choice->tool_count - 1];
    tool = tool_by_index(choice, piece->index);
    /* Parallel calls without ids that all say index 0: told apart by their names. */
    if (tool && tool->started && piece->name.n && !span_eq(tool->name, piece->name))
        return NULL;
    return tool;
}

static struct openai_tool *tool_new(struct openai_read *x, struct chat_choice *choice,
                                    const struct piece *piece) {
    if (choice->tool_count == TOOL_CALLS_MAX) {
        x->failed = FAIL_BAD_EVENT;
        return NULL;
    }
    CHECK(choice->tools || choice->tool_max == 0);
    if (choice->tool_count == choice->tool_max) {
        unsigned max = choice->tool_max ? choice->tool_max * 2 : 2;
        struct openai_tool *tools = arena_zalloc(x->reader->arena, max * sizeof *tools);
        if (!tools) {
            x->failed = FAIL_OVERLOAD;
            return NULL;
        }
        if (choice->tool_count)
            memcpy(tools, choice->tools, choice->tool_count * sizeof *tools);
        choice->tools = tools;
        choice->tool_max = max;
    }
    CHECK(choice->tools);
    struct openai_tool *tool = &choice->tools[choice->tool_count++];
    *tool = (struct openai_tool){.index = piece->index, .custom = piece->custom};
    return tool;
}

/* --- giving it --- */

static void give_start(struct openai_read *x, unsigned index, struct openai_tool *tool,
                       struct span arguments) {
    tool->started = true;
    tool->position = x->reader->choices[index].started_count++;
    openai_give(x, &(struct chat_event){
                       .kind = CHAT_TOOL_START,
                       .choice = index,
                       .tool = tool->position,
                       .id = tool->id,
                       .name = tool->name,
                       .text = arguments,
                       .custom = tool->custom,
                   });
}

static void give_arguments(struct openai_read *x, unsigned index, const struct openai_tool *tool,
                           struct span arguments) {
    openai_give(x, &(struct chat_event){
                       .kind = CHAT_TOOL_ARGS,
                       .choice = index,
                       .tool = tool->position,
                       .text = arguments,
                       .custom = tool->custom,
                   });
}

/* The first piece, or one that comes before the name is known. */
static bool begin(struct openai_read *x, unsigned index, struct openai_tool *tool,
                  const struct piece *piece) {
    /* The name of a later event must be found again when this one's bytes are gone. */
    if (piece->id.n)
        tool->id = arena_copy(x->reader->arena, piece->id);
    if (piece->name.n)
        tool->name = arena_copy(x->reader->arena, piece->name);
    if ((piece->id.n && !tool->id.p) || (piece->name.n && !tool->name.p)) {
        x->failed = FAIL_OVERLOAD;
        return false;
    }
    /* Anything but a complete first piece has to be put together anew. */
    if (!piece->id.n || !piece->name.n || !piece->type_said)
        x->mend = true;
    if (tool->name.n || piece->arguments.n)
        give_start(x, index, tool, piece->arguments);
    return true;
}

static bool give_piece(struct openai_read *x, unsigned index, const struct piece *piece) {
    struct chat_choice *choice = &x->reader->choices[index];
    struct openai_tool *tool = tool_of(choice, piece);
    if (!tool && !(tool = tool_new(x, choice, piece)))
        return false;
    /* Calls are numbered as they are started: one that is held back has no place yet. */
    unsigned position = tool->started ? tool->position : choice->started_count;
    /* A whole message's calls have no index. */
    if (piece->encoded || (!x->whole && piece->index != position))
        x->mend = true;
    if (tool->started) {
        if (piece->id_said || piece->name_said)
            x->mend = true; /* clients add up what is said again, or take the "" for it */
        if (piece->arguments.n)
            give_arguments(x, index, tool, piece->arguments);
    } else if (!begin(x, index, tool, piece)) {
        return false;
    }
    tool->arguments |= piece->arguments.n > 0;
    if (tool->started && openai_says_something(piece->extra))
        openai_give(x, &(struct chat_event){.kind = CHAT_EXTRA,
                                            .place = CHAT_OF_TOOL,
                                            .choice = index,
                                            .tool = position,
                                            .name = piece->extra_name,
                                            .text = piece->extra});
    return true;
}

bool openai_read_tool_calls(struct openai_read *x, struct json *json, unsigned index) {
    struct json_token token;
    unsigned count = 0;
    while (json_next(json, &token) == JSON_OBJECT) {
        struct piece piece = {.index = NO_INDEX};
        while (json_next(json, &token) == JSON_KEY)
            if (!read_piece_member(x, json, &token, &piece))
                return false;
        if (token.kind != JSON_OBJECT_END || !give_piece(x, index, &piece))
            return false;
        count++;
    }
    if (!count)
        x->mend = true;
    return token.kind == JSON_ARRAY_END;
}

void openai_finish_tools(struct openai_read *x, unsigned index) {
    struct chat_choice *choice = &x->reader->choices[index];
    for (unsigned i = 0; i < choice->tool_count; i++) {
        struct openai_tool *tool = &choice->tools[i];
        /* Without a name and arguments it never was a call; a custom tool may well be given
         * nothing. */
        if (!tool->started || tool->arguments || tool->custom)
            continue;
        x->mend = true;
        give_arguments(x, index, tool, SPAN("{}"));
        tool->arguments = true;
    }
}
