/* anthropic_turns.c - writes the turns of a canonical prompt as messages of content blocks. (pure)
 *
 * The API wants user and assistant to take turns, and the results of an assistant's calls at the head
 * of the one user message behind it (PROVIDERS.md 2.2, 2.3). The assistant may well begin: a greeting
 * does, and was recorded to be answered.
 *
 *     canonical     system  user  user  assistant  tool  system  user  assistant
 *     written       system        user  assistant        user          assistant
 *
 * Promises: what is planned as said is written, so that no message is without content; ids fit the
 *           API's alphabet, the same for a call and its result.
 * Refuses:  through chat_lose, before anything is written, parts that have no block. */
#include "providers/anthropic.h"

enum fate {
    SAY,
    SKIP, /* it says nothing, or only its own maker understands it */
    LOSE,
};

/* --- what becomes of a part --- */

static bool is_one_of(struct span text, const struct span *words, unsigned count) {
    unsigned i = 0;
    while (i < count && !span_eq_nocase(text, words[i]))
        i++;
    return i < count;
}

static enum fate fate_of_source(const struct anthropic_spelling *x, const struct chat_part *part,
                                const char **why) {
    static const struct span images[] = {SPAN_CONST("image/jpeg"), SPAN_CONST("image/png"),
                                         SPAN_CONST("image/gif"), SPAN_CONST("image/webp")};
    static const struct span documents[] = {SPAN_CONST("application/pdf")};
    bool image = part->kind == CHAT_PART_IMAGE;
    if (!image && part->text.p)
        return chat_is_blank(part->text) ? SKIP : SAY;
    if (part->data.n) {
        *why = image ? "only JPEG, PNG, GIF and WebP images are understood there"
                     : "only PDF and plain text documents are understood there";
        return is_one_of(part->media_type, image ? images : documents,
                         image ? countof(images) : countof(documents))
                   ? SAY
                   : LOSE;
    }
    *why = "this backend does not fetch URLs: send the data itself";
    return x->spell->quirks & QUIRK_NO_REMOTE_IMAGES || !part->url.n ? LOSE : SAY;
}

static enum fate fate_of(const struct anthropic_spelling *x, enum chat_role role,
                         const struct chat_part *part, const char **why) {
    *why = "it has no place in such a turn there";
    switch (part->kind) {
    case CHAT_PART_TEXT:
    case CHAT_PART_REFUSAL: return chat_is_blank(part->text) ? SKIP : SAY;
    case CHAT_PART_IMAGE:
    case CHAT_PART_DOCUMENT:
        return role == CHAT_USER || role == CHAT_TOOL ? fate_of_source(x, part, why) : LOSE;
    case CHAT_PART_AUDIO: *why = "audio is not understood there"; return LOSE;
    /* Without a signature of its own the API refuses reasoning. */
    case CHAT_PART_REASONING:
        return part->signer == CHAT_SIGNER_ANTHROPIC && part->signature.n ? SAY : SKIP;
    case CHAT_PART_REDACTED: return part->signer == CHAT_SIGNER_ANTHROPIC ? SAY : SKIP;
    case CHAT_PART_TOOL_CALL: return role == CHAT_ASSISTANT ? SAY : LOSE;
    case CHAT_PART_TOOL_RESULT: return role == CHAT_TOOL ? SAY : LOSE;
    }
    return SKIP;
}

static bool is_said(const struct anthropic_spelling *x, const struct chat_message *message,
                    const struct chat_part *part) {
    const char *why;
    return fate_of(x, message->role, part, &why) == SAY;
}

static bool says_something(const struct anthropic_spelling *x, const struct chat_message *message) {
    const struct chat_part *part = message->parts;
    if (message->role == CHAT_SYSTEM)
        return false; /* they stand apart */
    while (part && !is_said(x, message, part))
        part = part->next;
    return part != NULL;
}

static bool is_assistant(const struct chat_message *message) {
    return message->role == CHAT_ASSISTANT;
}

/* --- plan --- */

static bool lose_parts(struct anthropic_spelling *x, const struct chat_message *message,
                       const struct chat_part *list, const struct chat_part *top) {
    for (const struct chat_part *part = list; part; part = part->next) {
        const char *why;
        if (fate_of(x, message->role, part, &why) == LOSE &&
            !chat_lose_part(x->spell->losses, x->arena, message, top ? top : part, span_str(why)))
            return false;
        if (part->parts && !lose_parts(x, message, part->parts, part))
            return false;
    }
    return true;
}

/* What stands in a turn besides text. */
static void look_at(const struct anthropic_spelling *x, const struct chat_message *message,
                    bool *calls, bool *thinks) {
    for (const struct chat_part *part = message->parts; part; part = part->next) {
        *calls |= part->kind == CHAT_PART_TOOL_CALL;
        *thinks |= (part->kind == CHAT_PART_REASONING || part->kind == CHAT_PART_REDACTED) &&
                   is_said(x, message, part);
    }
}

/* Finds the speakers and the last assistant turn; *tail is where the last run of turns
 * of one role begins. */
static void survey(struct anthropic_spelling *x, const struct chat_message **tail) {
    const struct chat_message *last = NULL;
    bool calls = false, thinks = false;
    *tail = NULL;
    x->has_user = false;
    for (const struct chat_message *m = x->prompt->messages; m && m != x->end; m = m->next) {
        if (!says_something(x, m))
            continue;
        x->has_user |= !is_assistant(m);
        if (!last || is_assistant(m) != is_assistant(last))
            *tail = m;
        if (is_assistant(m)) {
            if (*tail == m)
                calls = thinks = false; /* a turn begins */
            look_at(x, m, &calls, &thinks);
        }
        last = m;
    }
    x->ends_with_assistant = last && is_assistant(last);
    x->calls_without_thinking = calls && !thinks;
}

bool anthropic_plan_turns(struct anthropic_spelling *x) {
    const struct chat_message *tail;
    for (const struct chat_message *m = x->prompt->messages; m; m = m->next)
        if (!lose_parts(x, m, m->parts, NULL))
            return false;
    survey(x, &tail);
    if (x->ends_with_assistant && x->spell->facts->facts & MODEL_NO_PREFILL) {
        if (!anthropic_lose(x, chat_where(x->arena, tail, NULL),
                            "this model does not go on with a turn of the assistant"))
            return false;
        x->end = tail;
        survey(x, &tail);
    }
    return x->has_user || anthropic_lose(x, SPAN("messages"),
                                         "there must be a turn of the user that says something");
}

/* --- blocks --- */

static void write_member(struct json_out *out, struct span key, struct span raw) {
    json_out_key(out, key);
    json_out_escaped(out, raw);
}

void anthropic_write_mark(struct json_out *out, bool cache, struct span ttl) {
    if (!cache)
        return;
    json_out_key(out, SPAN("cache_control"));
    json_out_object(out);
    write_member(out, SPAN("type"), SPAN("ephemeral"));
    if (ttl.n)
        write_member(out, SPAN("ttl"), ttl);
    json_out_object_end(out);
}

static void write_source(struct json_out *out, const struct chat_part *part) {
    bool text = part->kind == CHAT_PART_DOCUMENT && part->text.p;
    json_out_key(out, SPAN("source"));
    json_out_object(out);
    write_member(out, SPAN("type"),
                 text           ? SPAN("text")
                 : part->data.n ? SPAN("base64")
                                : SPAN("url"));
    if (text || part->data.n) {
        write_member(out, SPAN("media_type"), text ? SPAN("text/plain") : part->media_type);
        write_member(out, SPAN("data"), text ? part->text : part->data);
    } else {
        write_member(out, SPAN("url"), part->url);
    }
    json_out_object_end(out);
    if (part->kind == CHAT_PART_DOCUMENT && part->name.n)
        write_member(out, SPAN("title"), part->name);
}

static void write_call(const struct anthropic_spelling *x, const struct chat_part *part) {
    struct json_out *out = x->out;
    struct span id = chat_safe_id(part->id, ANTHROPIC_ID_MAX, x->arena);
    out->full |= !id.p;
    write_member(out, SPAN("type"), SPAN("tool_use"));
    write_member(out, SPAN("id"), id);
    write_member(out, SPAN("name"), part->name);
    json_out_key(out, SPAN("input"));
    if (part->custom) {
        /* A custom tool's input is any text; here it must be an object. */
        json_out_object(out);
        write_member(out, SPAN("input"), part->text);
        json_out_object_end(out);
    } else {
        json_out_value(out, part->input.n ? part->input : SPAN("{}"));
    }
}

static void write_part(const struct anthropic_spelling *x, const struct chat_message *message,
                       const struct chat_part *part, struct span text);

static void write_result(const struct anthropic_spelling *x, const struct chat_message *message,
                         const struct chat_part *part) {
    struct json_out *out = x->out;
    struct span id = chat_safe_id(part->id, ANTHROPIC_ID_MAX, x->arena);
    bool any = false;
    out->full |= !id.p;
    write_member(out, SPAN("type"), SPAN("tool_result"));
    write_member(out, SPAN("tool_use_id"), id);
    for (const struct chat_part *inner = part->parts; inner; inner = inner->next) {
        if (!is_said(x, message, inner))
            continue;
        if (!any) {
            json_out_key(out, SPAN("content"));
            json_out_array(out);
        }
        any = true;
        write_part(x, message, inner, inner->text);
    }
    if (any)
        json_out_array_end(out);
    if (part->is_error) {
        json_out_key(out, SPAN("is_error"));
        json_out_bool(out, true);
    }
}

/* One block; `text` is the part's, perhaps trimmed. */
static void write_part(const struct anthropic_spelling *x, const struct chat_message *message,
                       const struct chat_part *part, struct span text) {
    struct json_out *out = x->out;
    bool cacheable = true;
    json_out_object(out);
    switch (part->kind) {
    case CHAT_PART_TEXT:
    case CHAT_PART_REFUSAL:
        write_member(out, SPAN("type"), SPAN("text"));
        write_member(out, SPAN("text"), text);
        break;
    case CHAT_PART_IMAGE:
        write_member(out, SPAN("type"), SPAN("image"));
        write_source(out, part);
        break;
    case CHAT_PART_DOCUMENT:
        write_member(out, SPAN("type"), SPAN("document"));
        write_source(out, part);
        break;
    case CHAT_PART_REASONING:
        write_member(out, SPAN("type"), SPAN("thinking"));
        write_member(out, SPAN("thinking"), part->text);
        write_member(out, SPAN("signature"), part->signature);
        cacheable = false;
        break;
    case CHAT_PART_REDACTED:
        write_member(out, SPAN("type"), SPAN("redacted_thinking"));
        write_member(out, SPAN("data"), part->data);
        cacheable = false;
        break;
    case CHAT_PART_TOOL_CALL: write_call(x, part); break;
    case CHAT_PART_TOOL_RESULT: write_result(x, message, part); break;
    case CHAT_PART_AUDIO: break; /* never said */
    }
    anthropic_write_mark(out, cacheable && part->cache, part->cache_ttl);
    json_out_object_end(out);
}

/* --- turns --- */

void anthropic_write_system(const struct anthropic_spelling *x) {
    bool any = false;
    for (const struct chat_message *m = x->prompt->messages; m; m = m->next)
        for (const struct chat_part *part = m->parts; part && m->role == CHAT_SYSTEM;
             part = part->next) {
            if (!is_said(x, m, part))
                continue;
            if (!any) {
                json_out_key(x->out, SPAN("system"));
                json_out_array(x->out);
            }
            any = true;
            write_part(x, m, part, part->text);
        }
    if (any)
        json_out_array_end(x->out);
}

static void turn_begin(struct json_out *out, bool assistant) {
    json_out_object(out);
    write_member(out, SPAN("role"), assistant ? SPAN("assistant") : SPAN("user"));
    json_out_key(out, SPAN("content"));
    json_out_array(out);
}

static void turn_end(struct json_out *out) {
    json_out_array_end(out);
    json_out_object_end(out);
}

/* A turn that the API asks for and the client did not write: a full stop says nothing. */
static void write_placeholder(struct json_out *out) {
    turn_begin(out, false);
    json_out_object(out);
    write_member(out, SPAN("type"), SPAN("text"));
    write_member(out, SPAN("text"), SPAN("."));
    json_out_object_end(out);
    turn_end(out);
}

/* The first turn from `m` on that says something; x->end: none does. */
static const struct chat_message *next_said(const struct anthropic_spelling *x,
                                            const struct chat_message *m) {
    while (m && m != x->end && !says_something(x, m))
        m = m->next;
    return m;
}

/* The parts of the turns from `from` to before `to` whose results they are, or are not. `last` ends
 * the request as a prefill, which must not end in white space. */
static void write_run(const struct anthropic_spelling *x, const struct chat_message *from,
                      const struct chat_message *to, bool results, const struct chat_part *last) {
    for (const struct chat_message *m = from; m != to; m = m->next) {
        if (m->role == CHAT_SYSTEM || (m->role == CHAT_TOOL) != results)
            continue;
        for (const struct chat_part *part = m->parts; part; part = part->next)
            if (is_said(x, m, part))
                write_part(x, m, part, part == last ? chat_trim_end(part->text) : part->text);
    }
}

static const struct chat_part *last_text(const struct anthropic_spelling *x,
                                         const struct chat_message *from,
                                         const struct chat_message *to) {
    const struct chat_part *last = NULL;
    for (const struct chat_message *m = from; m != to; m = m->next)
        for (const struct chat_part *part = m->parts; part && m->role != CHAT_SYSTEM;
             part = part->next)
            if (is_said(x, m, part))
                last = part;
    /* Signed reasoning must stay as it is. */
    return last && (last->kind == CHAT_PART_TEXT || last->kind == CHAT_PART_REFUSAL) ? last : NULL;
}

void anthropic_write_turns(const struct anthropic_spelling *x) {
    struct json_out *out = x->out;
    json_out_key(out, SPAN("messages"));
    json_out_array(out);
    if (!x->has_user)
        write_placeholder(out);
    const struct chat_message *from = next_said(x, x->prompt->messages);
    while (from != x->end) {
        const struct chat_message *to = from;
        bool assistant = is_assistant(from);
        while (to != x->end && is_assistant(to) == assistant)
            to = next_said(x, to->next);
        turn_begin(out, assistant);
        write_run(x, from, to, true, NULL);
        write_run(x, from, to, false, assistant && to == x->end ? last_text(x, from, to) : NULL);
        turn_end(out);
        from = to;
    }
    json_out_array_end(out);
}
