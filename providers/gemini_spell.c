/* gemini_spell.c - a canonical request as a generateContent body: turns and parts. (pure)
 *
 *     SYSTEM text ..            -> systemInstruction
 *     USER, TOOL                -> role "user"; the results of one turn stand together, in the order
 *                                  of the calls, under the function's name
 *     ASSISTANT                 -> role "model"
 *
 * Promises: turns alternate and the first is the user's; no turn without parts. Gemini 3 gets the
 *           results in a turn of their own, and a signature with the first call of each turn.
 * Refuses:  by chat_lose what this API cannot say: results of unknown calls, images by URL where
 *           they are not fetched. */
#include "providers/gemini.h"

#include "core/limits.h"
#include "providers/provider.h"

enum turn { TURN_NONE, TURN_USER, TURN_RESULTS, TURN_MODEL };

struct call {
    const struct chat_part *part, *result;
};

struct turns {
    struct gemini_spell *x;
    enum turn turn;
    bool any;           /* a turn was written */
    bool called;        /* the open model turn has a call */
    struct call *calls; /* all calls so far, in order; in the arena */
    unsigned call_count;
    unsigned turn_first; /* the first call of the newest model turn */
    unsigned *slots;     /* by hash of the id: index in calls plus one; in the arena */
    unsigned slot_mask;
};

bool gemini_is_3(const struct gemini_spell *x) { return x->spell->facts->facts & MODEL_EFFORT; }

bool gemini_lose(struct gemini_spell *x, struct span field, struct span why) {
    if (x->rc == 0 && !chat_lose(x->spell->losses, field, why))
        x->rc = -FAIL_UNSUPPORTED;
    return x->rc == 0;
}

bool gemini_lose_part(struct gemini_spell *x, const struct chat_message *message,
                      const struct chat_part *part, struct span why) {
    if (x->rc == 0 && !chat_lose_part(x->spell->losses, x->arena, message, part, why))
        x->rc = -FAIL_UNSUPPORTED;
    return x->rc == 0;
}

/* --- turns --- */

static void close_turn(struct turns *t) {
    struct json_out *out = t->x->out;
    if (t->turn == TURN_NONE)
        return;
    json_out_array_end(out);
    json_out_object_end(out);
    t->turn = TURN_NONE;
}

static void open_turn(struct turns *t, enum turn turn) {
    struct json_out *out = t->x->out;
    /* Older models want the user's words with the results, if there are any. */
    bool joined = !gemini_is_3(t->x) && t->turn != TURN_MODEL && turn != TURN_MODEL;
    if (t->turn == turn || (t->turn != TURN_NONE && joined))
        return;
    close_turn(t);
    if (!t->any && turn == TURN_MODEL) {
        open_turn(t, TURN_USER); /* the API wants the user to begin; a blank is the least to say */
        json_out_object(out);
        json_out_key(out, SPAN("text"));
        json_out_escaped(out, SPAN(" "));
        json_out_object_end(out);
        close_turn(t);
    }
    json_out_object(out);
    json_out_key(out, SPAN("role"));
    json_out_escaped(out, turn == TURN_MODEL ? SPAN("model") : SPAN("user"));
    json_out_key(out, SPAN("parts"));
    json_out_array(out);
    t->turn = turn;
    t->any = true;
    t->called = false;
}

/* --- calls by id --- */

static unsigned *slot_of(struct turns *t, struct span id) {
    unsigned at = (unsigned)span_hash(id) & t->slot_mask;
    while (t->slots[at] && !span_eq(t->calls[t->slots[at] - 1].part->id, id))
        at = (at + 1) & t->slot_mask;
    return &t->slots[at];
}

static bool make_room(struct turns *t) {
    unsigned count = 0, slots = 4;
    const struct chat_message *message = t->x->prompt->messages;
    for (; message; message = message->next)
        for (const struct chat_part *part = message->parts; part; part = part->next)
            count += part->kind == CHAT_PART_TOOL_CALL;
    while (slots < count * 2)
        slots *= 2;
    t->slot_mask = slots - 1;
    t->calls = arena_zalloc(t->x->arena, (count + 1) * sizeof *t->calls);
    t->slots = arena_zalloc(t->x->arena, slots * sizeof *t->slots);
    return t->calls && t->slots;
}

/* --- parts --- */

static void write_signature(const struct chat_part *part, struct json_out *out) {
    if (part->signer != CHAT_SIGNER_GOOGLE || !part->signature.n)
        return;
    json_out_key(out, SPAN("thoughtSignature"));
    json_out_escaped(out, part->signature);
}

static void write_text(const struct chat_part *part, bool thought, struct json_out *out) {
    json_out_object(out);
    json_out_key(out, SPAN("text"));
    json_out_escaped(out, part->text);
    if (thought) {
        json_out_key(out, SPAN("thought"));
        json_out_bool(out, true);
    }
    write_signature(part, out);
    json_out_object_end(out);
}

static struct span default_type(const struct chat_part *part) {
    return part->kind == CHAT_PART_IMAGE   ? SPAN("image/jpeg")
           : part->kind == CHAT_PART_AUDIO ? SPAN("audio/wav")
                                           : SPAN("application/pdf");
}

/* {"inlineData":{..}} or {"fileData":{..}}. */
static void write_blob(const struct chat_part *part, struct json_out *out) {
    bool by_url = !part->data.n;
    json_out_object(out);
    json_out_key(out, by_url ? SPAN("fileData") : SPAN("inlineData"));
    json_out_object(out);
    if (part->media_type.n || !by_url) {
        json_out_key(out, SPAN("mimeType"));
        json_out_escaped(out, part->media_type.n ? part->media_type : default_type(part));
    }
    json_out_key(out, by_url ? SPAN("fileUri") : SPAN("data"));
    json_out_escaped(out, by_url ? part->url : part->data);
    json_out_object_end(out);
    json_out_object_end(out);
}

static void write_media(struct turns *t, const struct chat_message *message,
                        const struct chat_part *part, enum turn turn) {
    if (part->text.n && !part->data.n && !part->url.n) { /* a document of plain text */
        open_turn(t, turn);
        write_text(part, false, t->x->out);
        return;
    }
    if (!part->data.n && !part->url.n)
        return;
    if (!part->data.n && t->x->spell->quirks & QUIRK_NO_REMOTE_IMAGES) {
        gemini_lose_part(t->x, message, part,
                         SPAN("this API does not fetch URLs; send the data in the request"));
        return;
    }
    open_turn(t, turn);
    write_blob(part, t->x->out);
}

static void write_call(struct turns *t, const struct chat_part *part) {
    struct json_out *out = t->x->out;
    open_turn(t, TURN_MODEL);
    json_out_object(out);
    json_out_key(out, SPAN("functionCall"));
    json_out_object(out);
    if (part->id.n && !(t->x->spell->quirks & QUIRK_NO_CALL_IDS)) {
        json_out_key(out, SPAN("id"));
        json_out_escaped(out, part->id);
    }
    json_out_key(out, SPAN("name"));
    json_out_escaped(out, part->name);
    json_out_key(out, SPAN("args"));
    if (part->custom) {
        json_out_object(out);
        json_out_key(out, SPAN("input"));
        json_out_escaped(out, part->text);
        json_out_object_end(out);
    } else {
        json_out_value(out, part->input.n ? part->input : SPAN("{}"));
    }
    json_out_object_end(out);
    if (part->signer == CHAT_SIGNER_GOOGLE && part->signature.n) {
        write_signature(part, out);
    } else if (gemini_is_3(t->x) && !t->called) {
        /* Demanded of the first call of a turn; another family's model has made this one. */
        json_out_key(out, SPAN("thoughtSignature"));
        json_out_escaped(out, GEMINI_NO_SIGNATURE);
    }
    t->called = true;
    json_out_object_end(out);
    t->calls[t->call_count] = (struct call){.part = part};
    *slot_of(t, part->id) = t->call_count + 1;
    t->call_count++;
}

/* --- results --- */

static void write_result_text(struct turns *t, const struct chat_part *result) {
    struct json_out *out = t->x->out;
    const struct chat_part *part, *only = NULL;
    bool full = false;
    unsigned texts = 0;
    for (part = result->parts; part; part = part->next)
        if (part->text.n) {
            only = part;
            texts++;
        }
    struct span object = texts == 1 && !result->is_error
                             ? gemini_object(only->text, t->x->arena, &full)
                             : span_of(NULL, 0);
    out->full |= full;
    if (object.p) {
        json_out_value(out, object);
        return;
    }
    bool more = false;
    json_out_object(out);
    json_out_key(out, result->is_error ? SPAN("error") : SPAN("result"));
    json_out_string_begin(out);
    for (part = result->parts; part; part = part->next)
        if (part->text.n) {
            chat_write_joined(out, part->text, more);
            more = true;
        }
    json_out_string_end(out);
    json_out_object_end(out);
}

static bool is_blob(const struct chat_part *part) { return part->data.n || part->url.n; }

static void write_result(struct turns *t, const struct chat_message *message,
                         const struct chat_part *result, struct span name) {
    struct json_out *out = t->x->out;
    bool blobs = false;
    open_turn(t, TURN_RESULTS);
    json_out_object(out);
    json_out_key(out, SPAN("functionResponse"));
    json_out_object(out);
    if (!(t->x->spell->quirks & QUIRK_NO_CALL_IDS)) {
        json_out_key(out, SPAN("id"));
        json_out_escaped(out, result->id);
    }
    json_out_key(out, SPAN("name"));
    json_out_escaped(out, name);
    json_out_key(out, SPAN("response"));
    write_result_text(t, result);
    for (const struct chat_part *part = result->parts; part; part = part->next) {
        if (!is_blob(part) || !gemini_is_3(t->x))
            continue;
        if (!part->data.n && t->x->spell->quirks & QUIRK_NO_REMOTE_IMAGES) {
            gemini_lose_part(t->x, message, result,
                             SPAN("this API does not fetch URLs; send the data in the request"));
            continue;
        }
        if (!blobs) {
            json_out_key(out, SPAN("parts"));
            json_out_array(out);
        }
        blobs = true;
        write_blob(part, out);
    }
    if (blobs)
        json_out_array_end(out);
    json_out_object_end(out);
    json_out_object_end(out);
}

/* Before Gemini 3 a response holds no media: they follow as the user's. */
static void write_result_media(struct turns *t, const struct chat_message *message) {
    if (gemini_is_3(t->x))
        return;
    for (const struct chat_part *result = message->parts; result; result = result->next)
        for (const struct chat_part *part = result->parts; part; part = part->next)
            if (is_blob(part))
                write_media(t, message, part, TURN_RESULTS);
}

static void write_results(struct turns *t, const struct chat_message *message) {
    for (const struct chat_part *part = message->parts; part && t->x->rc == 0; part = part->next) {
        unsigned *slot = slot_of(t, part->id);
        if (!*slot) {
            gemini_lose_part(t->x, message, part,
                             SPAN("it answers no tool call of this conversation"));
            continue;
        }
        struct call *call = &t->calls[*slot - 1];
        /* Those of the newest turn are put in the order of their calls below. */
        if (*slot - 1 >= t->turn_first && !call->result)
            call->result = part;
        else
            write_result(t, message, part, call->part->name);
    }
    for (unsigned i = t->turn_first; i < t->call_count; i++)
        if (t->calls[i].result) {
            write_result(t, message, t->calls[i].result, t->calls[i].part->name);
            t->calls[i].result = NULL;
        }
    write_result_media(t, message);
    t->turn_first = t->call_count;
}

/* --- messages --- */

static void write_part(struct turns *t, const struct chat_message *message,
                       const struct chat_part *part) {
    enum turn turn = message->role == CHAT_ASSISTANT ? TURN_MODEL : TURN_USER;
    bool signed_here = part->signer == CHAT_SIGNER_GOOGLE && part->signature.n;
    switch (part->kind) {
    case CHAT_PART_TEXT:
    case CHAT_PART_REFUSAL:
    case CHAT_PART_REASONING:
        if (!part->text.n && !signed_here)
            return; /* Vertex refuses empty text */
        open_turn(t, turn);
        write_text(part, part->kind == CHAT_PART_REASONING && part->text.n, t->x->out);
        return;
    case CHAT_PART_IMAGE:
    case CHAT_PART_DOCUMENT:
    case CHAT_PART_AUDIO: write_media(t, message, part, turn); return;
    case CHAT_PART_TOOL_CALL: write_call(t, part); return;
    case CHAT_PART_REDACTED: /* only its maker can read it */
    case CHAT_PART_TOOL_RESULT: return;
    }
}

static void write_message(struct turns *t, const struct chat_message *message) {
    if (message->role == CHAT_SYSTEM)
        return;
    if (message->role == CHAT_TOOL) {
        write_results(t, message);
        return;
    }
    for (const struct chat_part *part = message->parts; part && t->x->rc == 0; part = part->next)
        write_part(t, message, part);
}

static void write_contents(struct gemini_spell *x) {
    struct turns t = {.x = x};
    if (!make_room(&t)) {
        x->out->full = true;
        return;
    }
    json_out_key(x->out, SPAN("contents"));
    json_out_array(x->out);
    for (const struct chat_message *message = x->prompt->messages; message && x->rc == 0;
         message = message->next)
        write_message(&t, message);
    if (!t.any) { /* a system text alone */
        static const struct chat_part blank = {.kind = CHAT_PART_TEXT, .text = SPAN_CONST(" ")};
        open_turn(&t, TURN_USER);
        write_text(&blank, false, x->out);
    }
    close_turn(&t);
    json_out_array_end(x->out);
}

static void write_system(struct gemini_spell *x) {
    bool any = false;
    for (const struct chat_message *message = x->prompt->messages; message && x->rc == 0;
         message = message->next) {
        if (message->role != CHAT_SYSTEM)
            continue;
        for (const struct chat_part *part = message->parts; part; part = part->next) {
            if (part->kind != CHAT_PART_TEXT) {
                gemini_lose_part(x, message, part, SPAN("system instructions are text only"));
                continue;
            }
            if (!part->text.n)
                continue;
            if (!any) {
                json_out_key(x->out, SPAN("systemInstruction"));
                json_out_object(x->out);
                json_out_key(x->out, SPAN("parts"));
                json_out_array(x->out);
            }
            any = true;
            write_text(part, false, x->out);
        }
    }
    if (any) {
        json_out_array_end(x->out);
        json_out_object_end(x->out);
    }
}

int gemini_write_prompt(const struct chat_prompt *prompt, const struct chat_spell *spell,
                        struct arena *arena, struct json_out *out) {
    struct gemini_spell x = {.prompt = prompt, .spell = spell, .arena = arena, .out = out};
    json_out_object(out);
    write_system(&x);
    write_contents(&x);
    if (x.rc == 0)
        gemini_write_wishes(&x);
    json_out_object_end(out);
    if (x.rc == 0 && !chat_lose_extras(spell->losses, prompt))
        x.rc = -FAIL_UNSUPPORTED;
    if (out->full)
        return -FAIL_OVERLOAD;
    return x.rc;
}
