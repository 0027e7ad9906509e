/* converse_message.c - the turns of a conversation, as Bedrock wants them: user and assistant in
 * turn, the user first, all results of tools at the start of one user's turn. (pure)
 *
 *     user, user, assistant(call), tool(result), tool(result), user
 *     = user(2 texts), assistant(toolUse), user(2 toolResults, text)
 *
 * Promises: a turn is opened with its first block, so that what says nothing (blank texts, which
 *           Bedrock refuses) leaves no empty turn and its neighbours are joined; that a document
 *           has a text beside it, and that no prefill ends in white space.
 * Refuses:  nothing of its own; system turns are written elsewhere. */
#include "providers/converse.h"

/* What Bedrock's users send when nothing is to be said: a conversation must begin with a user's
 * turn, a document must have a text beside it, and a text must not be blank. */
#define NOTHING_SAID SPAN(".")

enum speaker { TURN_NONE, TURN_USER, TURN_ASSISTANT };

/* The turn being written, and what stands in it. */
struct turn {
    enum speaker of;
    bool text, document;
};

static void write_nothing(struct converse_write *w) {
    json_out_object(w->out);
    converse_write_text(w->out, SPAN("text"), NOTHING_SAID);
    json_out_object_end(w->out);
}

static void close_turn(struct converse_write *w, struct turn *turn) {
    if (turn->of == TURN_NONE)
        return;
    if (turn->document && !turn->text)
        write_nothing(w);
    json_out_array_end(w->out);
    json_out_object_end(w->out);
}

static void open_turn(struct converse_write *w, struct turn *turn, enum speaker wanted) {
    if (turn->of == wanted)
        return;
    if (turn->of == TURN_NONE && wanted == TURN_ASSISTANT) {
        open_turn(w, turn, TURN_USER);
        write_nothing(w);
    }
    close_turn(w, turn);
    json_out_object(w->out);
    converse_write_text(w->out, SPAN("role"),
                        wanted == TURN_USER ? SPAN("user") : SPAN("assistant"));
    json_out_key(w->out, SPAN("content"));
    json_out_array(w->out);
    *turn = (struct turn){.of = wanted};
}

/* The parts of a message that are results, or those that are not. */
static bool write_parts(struct converse_write *w, struct turn *turn, const struct chat_message *m,
                        bool results) {
    enum speaker wanted = m->role == CHAT_ASSISTANT ? TURN_ASSISTANT : TURN_USER;
    for (const struct chat_part *part = m->parts; part; part = part->next) {
        bool take;
        if ((part->kind == CHAT_PART_TOOL_RESULT) != results)
            continue;
        if (!converse_judge_part(w, m, part, &take))
            return false;
        if (take)
            open_turn(w, turn, wanted);
        if (take && !converse_write_part(w, m, part))
            return false;
        turn->text |= take && part->kind == CHAT_PART_TEXT;
        turn->document |= take && part->kind == CHAT_PART_DOCUMENT;
        /* Behind a block, never at the start of a turn. */
        if (part->cache && turn->of == wanted)
            converse_write_cache(w, part->cache_ttl);
    }
    return true;
}

/* The user's turns from `m` up to `end`: results first. */
static bool write_user_run(struct converse_write *w, struct turn *turn,
                           const struct chat_message *m, const struct chat_message *end) {
    const struct chat_message *first = m;
    for (; m != end; m = m->next)
        if (m->role != CHAT_SYSTEM && !write_parts(w, turn, m, true))
            return false;
    for (m = first; m != end; m = m->next)
        if (m->role != CHAT_SYSTEM && !write_parts(w, turn, m, false))
            return false;
    return true;
}

/* The last of the parts that become a block; NULL: none does. */
static const struct chat_part *last_block(const struct converse_write *w,
                                          const struct chat_message *message) {
    const struct chat_part *last = NULL;
    for (const struct chat_part *part = message->parts; part; part = part->next)
        if (converse_has_block(w, message, part))
            last = part;
    return last;
}

/* Is it more than blank text? What cannot be said counts: it is refused for what it is. */
static bool speaks(const struct chat_message *message) {
    for (const struct chat_part *part = message->parts; part; part = part->next)
        if (part->kind != CHAT_PART_TEXT || !chat_is_blank(part->text))
            return true;
    return false;
}

/* The first of the assistant's turns that the conversation ends with, and the last of their blocks;
 * NULL when it ends with the user's, as it should. */
static const struct chat_message *trailing(const struct converse_write *w,
                                           const struct chat_part **last) {
    const struct chat_message *first = NULL;
    *last = NULL;
    for (const struct chat_message *m = w->prompt->messages; m; m = m->next) {
        const struct chat_part *block = m->role == CHAT_ASSISTANT ? last_block(w, m) : NULL;
        if (block) {
            first = first ? first : m;
            *last = block;
        } else if ((m->role == CHAT_USER || m->role == CHAT_TOOL) && speaks(m)) {
            first = NULL;
            *last = NULL;
        }
    }
    return first;
}

/* Where to stop: newer models of Claude refuse to go on with a turn that was begun for them. */
static bool find_end(struct converse_write *w, const struct chat_message **end) {
    const struct chat_part *last;
    const struct chat_message *begun = trailing(w, &last);
    *end = NULL;
    if (!begun)
        return true;
    if (!(w->spell->facts->facts & MODEL_NO_PREFILL)) {
        w->prefill = last;
        return true;
    }
    *end = begun;
    return converse_lose(w, chat_where(w->arena, begun, NULL),
                         "this model refuses a conversation that ends with the assistant's turn; "
                         "end with the user's");
}

bool converse_write_messages(struct converse_write *w) {
    const struct chat_message *m = w->prompt->messages, *end, *next;
    struct turn turn = {.of = TURN_NONE};
    if (!find_end(w, &end))
        return false;
    json_out_key(w->out, SPAN("messages"));
    json_out_array(w->out);
    for (; m != end; m = next) {
        next = m->next;
        if (m->role == CHAT_ASSISTANT && !write_parts(w, &turn, m, false))
            return false;
        if (m->role == CHAT_ASSISTANT || m->role == CHAT_SYSTEM)
            continue;
        while (next != end && next->role != CHAT_ASSISTANT)
            next = next->next;
        if (!write_user_run(w, &turn, m, next))
            return false;
    }
    if (turn.of == TURN_NONE) {
        open_turn(w, &turn, TURN_USER);
        write_nothing(w);
    }
    close_turn(w, &turn);
    json_out_array_end(w->out);
    return true;
}
