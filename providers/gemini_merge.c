/* gemini_merge.c - puts a provider's own stream events together to the one body that generateContent
 * would have given, without going through canonical events. (pure)
 *
 *     {"text":"Hel"} {"text":"lo"} {"executableCode":{..}} -> {"text":"Hello"} {"executableCode":{..}}
 *
 * Promises: neighbouring text parts of one kind become one, and so do the pieces of a function call;
 *           every other part, and every member that is not known here, stays as it came; of what is said again (groundingMetadata,
 *           safetyRatings, usageMetadata) the last one counts.
 * Refuses:  answers larger than ANSWER_MAX_BYTES: `full` is set. */
#include "providers/gemini.h"

#include "core/limits.h"

/* Different members of one object: the API has about ten. */
#define KEPT_MAX 64

/* Keeps a member's last value. */
static void keep(struct chat_writer *writer, struct gemini_kept **list, struct span name,
                 const struct json_token *value) {
    unsigned count = 0;
    for (; *list && !span_eq((*list)->name, name); count++)
        list = &(*list)->next;
    if (!*list && count < KEPT_MAX) {
        struct gemini_kept *kept = arena_zalloc(writer->arena, sizeof *kept);
        if (!kept || !(kept->name = arena_copy(writer->arena, name)).p) {
            writer->full = true;
            return;
        }
        *list = kept;
    }
    if (*list && !chat_text_set(&(*list)->value, writer->arena, gemini_text(value)))
        writer->full = true;
}

/* Is the part text and nothing else but its marks? */
static bool is_text(struct span part, struct span *text, bool *thought, struct span *signature) {
    struct json json;
    struct json_token key, value;
    bool found = false;
    *text = *signature = SPAN("");
    *thought = false;
    gemini_open(&json, part);
    while (gemini_pair(&json, &key, &value)) {
        if (gemini_is(&key, SPAN("text")) && value.kind == JSON_STRING) {
            *text = value.raw;
            found = true;
        } else if (gemini_is(&key, SPAN("thought"))) {
            *thought = gemini_true(&value);
        } else if (gemini_is(&key, SPAN("thoughtSignature")) && value.kind == JSON_STRING) {
            *signature = value.raw;
        } else {
            return false;
        }
    }
    return found;
}

static void keep_part(struct chat_writer *writer, struct gemini_said *said, struct span part) {
    gemini_close_text(writer, said);
    if (said->parts.n)
        gemini_keep(writer, &said->parts, SPAN(","));
    gemini_keep(writer, &said->parts, part);
}

static void write_member(struct json_out *out, struct span name, struct span raw) {
    if (!raw.n)
        return;
    json_out_key(out, name);
    json_out_escaped(out, raw);
}

/* The call whose arguments came in pieces becomes the part that would have come whole. */
static void close_call(struct chat_writer *writer, struct gemini_said *said) {
    struct json_out out;
    if (!said->call.name.n)
        return;
    json_out_arena(&out, writer->arena, 256);
    json_out_object(&out);
    json_out_key(&out, SPAN("functionCall"));
    json_out_object(&out);
    write_member(&out, SPAN("id"), said->call.id);
    write_member(&out, SPAN("name"), said->call.name);
    json_out_key(&out, SPAN("args"));
    gemini_args_write(&said->call_args, &out);
    json_out_object_end(&out);
    write_member(&out, SPAN("thoughtSignature"), said->call.signature);
    json_out_object_end(&out);
    said->call = (struct gemini_said_tool){.tool = 0};
    said->call_args = (struct gemini_args){.root = NULL};
    writer->full |= out.full;
    if (!out.full)
        keep_part(writer, said, json_out_span(&out));
}

/* A member's string in the arena; empty when there is none. */
static struct span copied(struct chat_writer *writer, struct span object, struct span name) {
    struct json_token value;
    if (!gemini_find(object, name, &value) || value.kind != JSON_STRING || !value.raw.n)
        return SPAN("");
    struct span copy = arena_copy(writer->arena, value.raw);
    writer->full |= !copy.p;
    return copy;
}

/* A part of a call that comes in pieces (Vertex, partialArgs and willContinue): the first has the
 * name, the last may be missing. False: it is none, and stays as it came. */
static bool merge_call(struct chat_writer *writer, struct gemini_said *said, struct span part) {
    struct json json;
    struct json_token call, value, piece;
    if (!gemini_find(part, SPAN("functionCall"), &call) || call.kind != JSON_OBJECT)
        return false;
    bool named = gemini_find(call.raw, SPAN("name"), &value) && value.kind == JSON_STRING;
    bool more = gemini_find(call.raw, SPAN("willContinue"), &value) && gemini_true(&value);
    bool pieces = gemini_find(call.raw, SPAN("partialArgs"), &value) && value.kind == JSON_ARRAY;
    if (named)
        close_call(writer, said);
    if (named && !more && !pieces)
        return false;
    if (named)
        said->call = (struct gemini_said_tool){
            .id = copied(writer, call.raw, SPAN("id")),
            .name = copied(writer, call.raw, SPAN("name")),
            .signature = copied(writer, part, SPAN("thoughtSignature")),
        };
    if (!said->call.name.n)
        return true; /* the end of a call that has ended */
    if (pieces) {
        gemini_open(&json, value.raw);
        while (gemini_item(&json, &piece))
            if (!gemini_args_add(&said->call_args, writer->arena, gemini_text(&piece)))
                break; /* the reader has said what is wrong with it */
    }
    if (!more)
        close_call(writer, said);
    return true;
}

static void merge_part(struct chat_writer *writer, struct gemini_said *said, struct span part) {
    struct span text, signature;
    bool thought;
    if (!is_text(part, &text, &thought, &signature)) {
        if (!merge_call(writer, said, part))
            keep_part(writer, said, part);
        return;
    }
    /* A signature closes what it signs. */
    if (said->thought != thought || said->signature.n)
        gemini_close_text(writer, said);
    said->thought = thought;
    gemini_keep(writer, &said->text, text);
    if (signature.n) {
        said->signature = arena_copy(writer->arena, signature);
        writer->full |= !said->signature.p;
    }
}

static void merge_content(struct chat_writer *writer, struct gemini_said *said,
                          struct span content) {
    struct json json;
    struct json_token parts, part;
    if (!gemini_find(content, SPAN("parts"), &parts) || parts.kind != JSON_ARRAY)
        return;
    gemini_open(&json, parts.raw);
    while (gemini_item(&json, &part))
        if (part.kind == JSON_OBJECT)
            merge_part(writer, said, part.raw);
}

static void merge_candidate(struct chat_writer *writer, struct span candidate, unsigned position) {
    struct json json;
    struct json_token key, value;
    uint64_t index = position;
    if (gemini_find(candidate, SPAN("index"), &value))
        gemini_count(&value, CHOICES_MAX, &index);
    struct gemini_said *said = gemini_said(writer, (unsigned)index);
    if (!said)
        return;
    gemini_open(&json, candidate);
    while (gemini_pair(&json, &key, &value)) {
        if (gemini_is(&key, SPAN("content")) && value.kind == JSON_OBJECT)
            merge_content(writer, said, value.raw);
        else if (!gemini_is(&key, SPAN("index")))
            keep(writer, &said->kept, key.raw, &value);
    }
}

void gemini_merge(struct chat_writer *writer, struct span name, struct span data) {
    struct gemini_writer *own = writer->own;
    struct json json, items;
    struct json_token key, value, item;
    (void)name;
    if (!own || writer->full)
        return;
    own->merged = true;
    data = gemini_skip_blanks(data);
    if (!data.n || data.p[0] != '{' || json_check(data, NULL, NULL) < 0)
        return; /* the reader has said what is wrong with it */
    gemini_open(&json, data);
    while (gemini_pair(&json, &key, &value)) {
        if (!gemini_is(&key, SPAN("candidates")) || value.kind != JSON_ARRAY) {
            keep(writer, &own->kept, key.raw, &value);
            continue;
        }
        gemini_open(&items, value.raw);
        for (unsigned i = 0; gemini_item(&items, &item); i++)
            if (item.kind == JSON_OBJECT)
                merge_candidate(writer, item.raw, i);
    }
}

static void write_kept(const struct gemini_kept *kept, struct json_out *out) {
    for (; kept; kept = kept->next) {
        json_out_key(out, kept->name);
        json_out_value(out, chat_text_span(&kept->value));
    }
}

void gemini_write_merged(struct chat_writer *writer, struct json_out *out) {
    struct gemini_writer *own = writer->own;
    json_out_object(out);
    if (own->count) {
        json_out_key(out, SPAN("candidates"));
        json_out_array(out);
    }
    for (unsigned i = 0; i < own->count; i++) {
        struct gemini_said *said = &own->said[i];
        if (!said->seen)
            continue;
        close_call(writer, said);
        gemini_close_text(writer, said);
        json_out_object(out);
        json_out_key(out, SPAN("content"));
        json_out_object(out);
        if (said->parts.n) {
            json_out_key(out, SPAN("parts"));
            json_out_array(out);
            json_out_value(out, chat_text_span(&said->parts));
            json_out_array_end(out);
        }
        json_out_key(out, SPAN("role"));
        json_out_escaped(out, SPAN("model"));
        json_out_object_end(out);
        write_kept(said->kept, out);
        json_out_key(out, SPAN("index"));
        json_out_int(out, i);
        json_out_object_end(out);
    }
    if (own->count)
        json_out_array_end(out);
    write_kept(own->kept, out);
    json_out_object_end(out);
    writer->full |= out->full;
}
