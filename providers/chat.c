/* chat.c - names of the canonical chat, and text that grows in an arena. (pure)
 *
 * Owns:     nothing; collected text belongs to the arena it was given.
 * Promises: what counts as an answer in the race is decided here and nowhere else. */
#include "providers/chat.h"

#include <assert.h>

#include "core/base.h"

/* The first room of a collected text: a short answer fits without growing. */
#define TEXT_ROOM_MIN 256

static const char *const event_names[] = {
    [CHAT_START] = "start",
    [CHAT_TEXT] = "text",
    [CHAT_REASONING] = "reasoning",
    [CHAT_REFUSAL] = "refusal",
    [CHAT_SIGNATURE] = "signature",
    [CHAT_REDACTED] = "redacted",
    [CHAT_TOOL_START] = "tool_start",
    [CHAT_TOOL_ARGS] = "tool_args",
    [CHAT_MEDIA] = "media",
    [CHAT_EXTRA] = "extra",
    [CHAT_FINISH] = "finish",
    [CHAT_USAGE] = "usage",
    [CHAT_DONE] = "done",
    [CHAT_ERROR] = "error",
    [CHAT_OTHER] = "other",
};
static_assert(countof(event_names) == CHAT_OTHER + 1, "each kind of event has a name");

static const char *const finish_names[] = {
    [CHAT_FINISH_NONE] = "",
    [CHAT_FINISH_STOP] = "stop",
    [CHAT_FINISH_LENGTH] = "length",
    [CHAT_FINISH_TOOL_CALLS] = "tool_calls",
    [CHAT_FINISH_CONTENT_FILTER] = "content_filter",
    [CHAT_FINISH_FUNCTION_CALL] = "function_call",
};

bool chat_event_is_content(const struct chat_event *event) {
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REASONING:
    case CHAT_REFUSAL:
    case CHAT_TOOL_ARGS: return event->text.n > 0;
    case CHAT_TOOL_START: return event->name.n > 0 || event->text.n > 0;
    case CHAT_MEDIA: return true;
    case CHAT_START:
    case CHAT_SIGNATURE:
    case CHAT_REDACTED:
    case CHAT_EXTRA:
    case CHAT_FINISH:
    case CHAT_USAGE:
    case CHAT_DONE:
    case CHAT_ERROR:
    case CHAT_OTHER: return false;
    }
    return false;
}

const char *chat_event_name(enum chat_event_kind kind) {
    CHECK((unsigned)kind < countof(event_names));
    return event_names[kind];
}

const char *chat_finish_name(enum chat_finish finish) {
    CHECK((unsigned)finish < countof(finish_names));
    return finish_names[finish];
}

struct span chat_call_id(struct span answer_id, unsigned choice, unsigned tool,
                         char text[CHAT_CALL_ID_BYTES]) {
    static const char hex[] = "0123456789abcdef";
    uint64_t hash = span_hash(answer_id);
    uint64_t place = (uint64_t)choice << 16 | (tool & 0xffff);
    char *p = text;
    memcpy(p, "call_", 5);
    p += 5;
    for (int shift = 60; shift >= 0; shift -= 4)
        *p++ = hex[hash >> shift & 15];
    for (int shift = 28; shift >= 0; shift -= 4)
        *p++ = hex[place >> shift & 15];
    return span_of(text, (size_t)(p - text));
}

/* Room for n bytes in all; what is there is kept. */
static bool text_room(struct chat_text *text, struct arena *arena, size_t n) {
    if (n <= text->max)
        return true;
    size_t max = text->max ? text->max * 2 : TEXT_ROOM_MIN;
    while (max < n)
        max *= 2;
    char *p = text->p ? arena_grow(arena, text->p, text->max, max) : arena_alloc(arena, max);
    if (!p)
        return false;
    text->p = p;
    text->max = max;
    return true;
}

bool chat_text_add(struct chat_text *text, struct arena *arena, struct span piece) {
    if (!piece.n)
        return true;
    if (!text_room(text, arena, text->n + piece.n))
        return false;
    memcpy(text->p + text->n, piece.p, piece.n);
    text->n += piece.n;
    return true;
}

bool chat_text_set(struct chat_text *text, struct arena *arena, struct span other) {
    /* Nothing of the old text is worth copying when the room must grow. */
    text->n = 0;
    return chat_text_add(text, arena, other);
}
