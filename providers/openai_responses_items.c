/* openai_responses_items.c - the output items of an answer being read: what of them was given, and
 * what is still to give. (pure)
 *
 * A stream says the same up to five times: deltas, x.done, content_part.done, output_item.done,
 * response.completed. Some backends leave out all but one of them, another one each. So the first
 * that says a thing gives it, and what was given is remembered by place: item, part.
 *
 * Owns:     nothing; the state of an item is the reader's, its memory the arena's.
 * Promises: nothing twice; a call starts once its name is known; ids of calls are unique within the
 *           answer and, where the backend counts them from 0, beyond it.
 * Refuses:  more than RESPONSE_ITEMS_MAX items or TOOL_CALLS_MAX calls. */
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"

/* Ids of calls shorter than this are counters ("call_0"), the same in every answer (Mantle): in the
 * history of a conversation they would meet. */
#define CALL_ID_UNIQUE_MIN 12

enum { TYPE, ID, CALL_ID, NAME, ARGUMENTS, INPUT, CONTENT, SUMMARY, SEALED, ITEM_COUNT };
static const struct span item_names[ITEM_COUNT] = {
    [TYPE] = SPAN_CONST("type"),
    [ID] = SPAN_CONST("id"),
    [CALL_ID] = SPAN_CONST("call_id"),
    [NAME] = SPAN_CONST("name"),
    [ARGUMENTS] = SPAN_CONST("arguments"),
    [INPUT] = SPAN_CONST("input"),
    [CONTENT] = SPAN_CONST("content"),
    [SUMMARY] = SPAN_CONST("summary"),
    [SEALED] = SPAN_CONST("encrypted_content"),
};

static const struct {
    struct span type;
    enum openai_responses_kind kind;
} kind_rows[] = {
#define RESPONSES_ITEM(type, kind) {SPAN_CONST(type), RESPONSES_##kind},
#include "providers/openai_responses_items.def"
#undef RESPONSES_ITEM
};

static enum openai_responses_kind kind_of(const struct json_token *type) {
    for (unsigned i = 0; type->kind == JSON_STRING && i < countof(kind_rows); i++)
        if (json_is(type, kind_rows[i].type))
            return kind_rows[i].kind;
    return RESPONSES_UNKNOWN;
}

void openai_responses_give(struct openai_responses_read *x, struct chat_event *event) {
    struct chat_reader *reader = x->reader;
    if (reader->ended)
        return;
    if (!reader->started && chat_event_is_content(event)) {
        /* Content without response.created: nobody has introduced himself. */
        reader->started = true;
        openai_responses_give(x, &(struct chat_event){.kind = CHAT_START,
                                                      .id = reader->answer.id,
                                                      .name = reader->answer.model});
    }
    event->answer = &reader->answer;
    x->said = true;
    if (chat_event_is_content(event)) {
        reader->content = true;
        x->own->in_reasoning = event->kind == CHAT_REASONING;
    }
    if (event->kind == CHAT_REDACTED)
        x->own->in_reasoning = false; /* what follows is reasoning of its own */
    if (event->kind == CHAT_DONE || event->kind == CHAT_ERROR)
        reader->ended = true;
    x->sink.event(x->sink.owner, event);
}

struct openai_responses_item *openai_responses_item_at(struct openai_responses_read *x,
                                                       uint64_t index) {
    struct openai_responses_reading *own = x->own;
    if (own->current && own->current->index == index)
        return own->current;
    struct openai_responses_item *item = own->items;
    while (item && item->index != index)
        item = item->next;
    if (!item) {
        bool room = own->item_count < RESPONSE_ITEMS_MAX;
        item = room ? arena_zalloc(x->reader->arena, sizeof *item) : NULL;
        if (!item) {
            x->failed = room ? FAIL_OVERLOAD : FAIL_TOO_LARGE;
            return NULL;
        }
        item->index = index;
        *own->last = item;
        own->last = &item->next;
        own->item_count++;
    }
    return own->current = item;
}

/* --- pieces --- */

/* Marks a part as given; false when it was, and this is the whole of it again. */
static bool mark(uint64_t *given, uint64_t part, bool whole) {
    uint64_t bit = UINT64_C(1) << (part < 63 ? part : 63);
    if (whole && *given & bit)
        return false;
    *given |= bit;
    return true;
}

void openai_responses_text(struct openai_responses_read *x, struct openai_responses_item *item,
                           enum chat_event_kind kind, uint64_t part, struct span text, bool whole) {
    if (!text.n || !mark(&item->said, part, whole))
        return;
    x->own->text = true;
    openai_responses_give(x, &(struct chat_event){.kind = kind, .text = text});
}

void openai_responses_reasoning(struct openai_responses_read *x, struct openai_responses_item *item,
                                bool summary, uint64_t part, struct span text, bool whole) {
    struct openai_responses_reading *own = x->own;
    if (!text.n || !mark(summary ? &item->summed : &item->said, part, whole))
        return;
    uint64_t place = part * 2 + summary;
    bool same = own->reasoning_item == item->index && own->reasoning_part == place;
    if (own->in_reasoning && !same)
        openai_responses_give(x,
                              &(struct chat_event){.kind = CHAT_REASONING, .text = SPAN("\\n\\n")});
    own->reasoning = true;
    own->reasoning_item = item->index;
    own->reasoning_part = place;
    openai_responses_give(x, &(struct chat_event){.kind = CHAT_REASONING, .text = text});
}

void openai_responses_arguments(struct openai_responses_read *x, struct openai_responses_item *item,
                                struct span text, bool whole) {
    /* Without a start they wait for output_item.done, which has them all. */
    if (!text.n || !item->started || (whole && item->arguments))
        return;
    item->arguments = true;
    openai_responses_give(x, &(struct chat_event){.kind = CHAT_TOOL_ARGS,
                                                  .tool = item->tool,
                                                  .text = text,
                                                  .custom = item->kind == RESPONSES_CUSTOM});
}

/* --- calls --- */

static bool id_is_used(const struct openai_responses_reading *own,
                       const struct openai_responses_item *but, struct span id) {
    for (const struct openai_responses_item *item = own->items; item; item = item->next)
        if (item != but && item->started && span_eq(item->call_id, id))
            return true;
    return false;
}

static void start_call(struct openai_responses_read *x, struct openai_responses_item *item,
                       const struct json_token *members) {
    struct openai_responses_reading *own = x->own;
    struct span name = openai_responses_string(&members[NAME]);
    struct span id = openai_responses_string(&members[CALL_ID]);
    char made[CHAT_CALL_ID_BYTES];
    if (item->started || !name.n)
        return;
    if (own->call_count == TOOL_CALLS_MAX) {
        x->failed = FAIL_TOO_LARGE;
        return;
    }
    item->tool = own->call_count++;
    item->started = true;
    item->call_id = arena_copy(x->reader->arena, id);
    if (id.n && !item->call_id.p) {
        x->failed = FAIL_OVERLOAD;
        return;
    }
    struct span answer_id = x->reader->answer.id;
    /* Events outlive this call, if not the reading of this data. */
    if (!id.n || id_is_used(own, item, id) || (id.n < CALL_ID_UNIQUE_MIN && answer_id.n))
        id = arena_copy(x->reader->arena, chat_call_id(answer_id, 0, item->tool, made));
    openai_responses_give(x, &(struct chat_event){.kind = CHAT_TOOL_START,
                                                  .tool = item->tool,
                                                  .id = id,
                                                  .name = name,
                                                  .custom = item->kind == RESPONSES_CUSTOM});
}

/* --- items --- */

static bool read_item(struct openai_responses_item *item, struct span json,
                      struct json_token *members) {
    if (!openai_responses_members(json, item_names, ITEM_COUNT, members))
        return false;
    if (item->kind == RESPONSES_UNKNOWN)
        item->kind = kind_of(&members[TYPE]);
    return true;
}

static bool is_call(const struct openai_responses_item *item) {
    return item->kind == RESPONSES_CALL || item->kind == RESPONSES_CUSTOM;
}

static struct span arguments_of(const struct openai_responses_item *item,
                                const struct json_token *members) {
    return openai_responses_string(&members[item->kind == RESPONSES_CUSTOM ? INPUT : ARGUMENTS]);
}

void openai_responses_item_added(struct openai_responses_read *x,
                                 struct openai_responses_item *item, struct span json) {
    struct json_token members[ITEM_COUNT];
    if (!read_item(item, json, members))
        return;
    if (x->reader->keep)
        item->id = arena_copy(x->reader->arena, openai_responses_string(&members[ID]));
    x->reader->opaque |= item->kind == RESPONSES_WORK || item->kind == RESPONSES_UNKNOWN;
    if (!is_call(item))
        return;
    start_call(x, item, members);
    /* Mostly empty; where it is not, it is a beginning, and deltas follow or nothing does. */
    openai_responses_arguments(x, item, arguments_of(item, members), true);
}

/* The parts of a message, a summary or a chain of thought. */
static void give_parts(struct openai_responses_read *x, struct openai_responses_item *item,
                       const struct json_token *list, bool summary) {
    enum { TEXT, REFUSAL };
    static const struct span names[] = {SPAN_CONST("text"), SPAN_CONST("refusal")};
    struct json_token token, members[countof(names)];
    struct json json;
    struct span value;
    if (list->kind != JSON_ARRAY)
        return;
    json_init(&json, list->raw);
    json_next(&json, &token);
    for (uint64_t part = 0; json_value(&json, &value); part++) {
        if (!openai_responses_members(value, names, countof(names), members))
            continue;
        struct span text = openai_responses_string(&members[TEXT]);
        if (item->kind == RESPONSES_REASONING) {
            openai_responses_reasoning(x, item, summary, part, text, true);
            continue;
        }
        openai_responses_text(x, item, CHAT_TEXT, part, text, true);
        openai_responses_text(x, item, CHAT_REFUSAL, part,
                              openai_responses_string(&members[REFUSAL]), true);
    }
}

static void give_sealed(struct openai_responses_read *x, struct openai_responses_item *item,
                        const struct json_token *members) {
    struct span sealed = openai_responses_string(&members[SEALED]);
    if (!sealed.n || item->given)
        return;
    item->given = true;
    openai_responses_give(x, &(struct chat_event){.kind = CHAT_REDACTED,
                                                  .text = sealed,
                                                  .id = openai_responses_string(&members[ID]),
                                                  .signer = CHAT_SIGNER_OPENAI});
}

void openai_responses_item_done(struct openai_responses_read *x, struct openai_responses_item *item,
                                struct span json) {
    struct json_token members[ITEM_COUNT];
    if (!read_item(item, json, members))
        return;
    switch (item->kind) {
    case RESPONSES_MESSAGE: give_parts(x, item, &members[CONTENT], false); break;
    case RESPONSES_REASONING:
        /* Thoughts and their summary are one thing said twice. */
        if (!item->said)
            give_parts(x, item, &members[SUMMARY], true);
        if (!item->summed)
            give_parts(x, item, &members[CONTENT], false);
        give_sealed(x, item, members);
        break;
    case RESPONSES_CALL:
    case RESPONSES_CUSTOM:
        start_call(x, item, members);
        openai_responses_arguments(x, item, arguments_of(item, members), true);
        if (item->kind == RESPONSES_CALL)
            openai_responses_arguments(x, item, SPAN("{}"), true);
        break;
    case RESPONSES_DEMAND:
        if (!item->given)
            openai_responses_give(
                x,
                &(struct chat_event){.kind = CHAT_MEDIA, .name = members[TYPE].raw, .text = json});
        item->given = true;
        break;
    case RESPONSES_UNKNOWN:
    case RESPONSES_WORK: x->reader->opaque = true; break;
    }
}

/* The next item of a whole response that events told of: of this kind and, for calls, with this id. */
static struct openai_responses_item *known_item(const struct openai_responses_reading *own,
                                                enum openai_responses_kind kind,
                                                struct span call_id) {
    struct openai_responses_item *item = own->items;
    while (item &&
           (item->met || item->kind != kind || (is_call(item) && !span_eq(item->call_id, call_id))))
        item = item->next;
    return item;
}

void openai_responses_output(struct openai_responses_read *x, struct span output) {
    struct openai_responses_reading *own = x->own;
    struct json_token token, members[ITEM_COUNT];
    struct json json;
    struct span value;
    /* Text that came in events is the text: it is not compared with this, piece by piece. */
    bool text = own->text, reasoning = own->reasoning;
    unsigned count = 0;
    json_init(&json, output);
    json_next(&json, &token);
    while (json_value(&json, &value) && x->failed == FAIL_NONE) {
        if (!openai_responses_members(value, item_names, ITEM_COUNT, members))
            continue;
        enum openai_responses_kind kind = kind_of(&members[TYPE]);
        if ((kind == RESPONSES_MESSAGE && text) || kind == RESPONSES_UNKNOWN ||
            kind == RESPONSES_WORK)
            continue;
        struct openai_responses_item *item =
            known_item(own, kind, openai_responses_string(&members[CALL_ID]));
        if (!item && kind == RESPONSES_REASONING && reasoning)
            continue;
        /* Else at a place that no event can have used. */
        if (!item)
            item = openai_responses_item_at(x, UINT64_MAX - count++);
        if (!item)
            return;
        item->met = true;
        openai_responses_item_done(x, item, value);
    }
}
