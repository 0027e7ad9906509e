/* openai_responses_resume.c - another provider's answer goes on in a Responses stream. (pure)
 *
 *     relayed   created(0) .. item.added(2, index 0, rs_7) .. delta(9)
 *     then      item.done(10, index 0, rs_7)  item.added(11, index 1, ours) ..  completed
 *
 * Owns:     nothing.
 * Promises: sequence numbers and output indexes go on where the relayed stream left off; an item
 *           that is open keeps its id; items that were done stand in the last event as they came.
 * Refuses:  more than one item of reasoning and one message, parts of a message behind the first, and
 *           whatever else: what they said is kept as one text, which cannot be told apart again. */
#include "providers/openai_responses.h"

/* What the writer was given again: one item of each kind at most. */
struct places {
    struct openai_responses_said *reasoning, *message;
};

static struct openai_responses_said *said_of(struct chat_writer *writer, struct places *places,
                                             enum openai_responses_kind kind) {
    struct openai_responses_said **said =
        kind == RESPONSES_REASONING ? &places->reasoning : &places->message;
    struct openai_responses_said *item = *said;
    *said = NULL;
    /* Begun, and without a text so far; or its text is sealed. */
    if (!item)
        item = arena_zalloc(writer->arena, sizeof *item);
    return item;
}

static bool is_plain(const struct openai_responses_reading *read) {
    unsigned reasonings = 0, messages = 0;
    for (const struct openai_responses_item *item = read->items; item; item = item->next) {
        reasonings += item->kind == RESPONSES_REASONING;
        messages += item->kind == RESPONSES_MESSAGE;
        bool known = item->kind == RESPONSES_REASONING || item->kind == RESPONSES_MESSAGE;
        if (!known || item->index >= RESPONSE_ITEMS_MAX || !item->id.n ||
            (item->kind == RESPONSES_MESSAGE && item->said > 1))
            return false;
    }
    return reasonings <= 1 && messages <= 1;
}

static bool take_item(struct chat_writer *writer, struct places *places,
                      const struct openai_responses_item *item) {
    struct openai_responses_writing *own = writer->own;
    struct openai_responses_said *said = said_of(writer, places, item->kind);
    if (!said)
        return false;
    said->kind = item->kind;
    said->index = (unsigned)item->index;
    said->given_id = item->id;
    said->closed = item->done;
    said->json = item->json;
    said->next = NULL;
    /* Reasoning of several parts is kept as one: none of them can be ended by its text. */
    bool parts = item->kind == RESPONSES_REASONING && (item->summed != 1 || item->said);
    if (said->part)
        said->part->closed = item->done || item->part_done || parts;
    *own->last_item = said;
    own->last_item = &said->next;
    own->item_count = said->index + 1 > own->item_count ? said->index + 1 : own->item_count;
    if (!item->done)
        own->open = said;
    return true;
}

/* The last event says the answer's id once more, made of its name. */
static bool keeps_id(struct chat_writer *writer, struct span id) {
    return span_starts(id, SPAN("resp_")) &&
           span_eq(openai_responses_name(writer), span_from(id, SPAN("resp_").n));
}

static bool take_places(struct chat_writer *writer, const struct chat_reader *relayed) {
    struct openai_responses_writing *own = writer->own;
    const struct openai_responses_reading *read = relayed->own;
    struct places places = {.reasoning = NULL};
    if (!read || !is_plain(read) || !keeps_id(writer, relayed->answer.id))
        return false;
    for (struct openai_responses_said *item = own->items; item; item = item->next)
        *(item->kind == RESPONSES_REASONING ? &places.reasoning : &places.message) = item;
    own->items = NULL;
    own->last_item = &own->items;
    own->open = NULL;
    own->item_count = 0;
    own->created = true;
    own->sequence = read->sequence;
    for (const struct openai_responses_item *item = read->items; item; item = item->next)
        if (!take_item(writer, &places, item))
            return false;
    return true;
}

bool openai_responses_resume(struct chat_writer *writer, const struct chat_reader *relayed,
                             struct json_out *out) {
    struct openai_responses_writing *own = writer->own;
    if (!own || writer->full || (relayed && !take_places(writer, relayed)))
        return false;
    /* Reasoning to come is an item of its own: what seals it does not seal this. */
    if (own->open && own->open->kind == RESPONSES_REASONING)
        openai_responses_close_open(&(struct openai_responses_output){writer, own, out});
    return !writer->full && !out->full;
}
