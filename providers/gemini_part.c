/* gemini_part.c - reads the parts of a candidate's content: texts, thoughts, function calls, media.
 * (pure)
 *
 *     {"text":"Hi"}   {"text":"Hm","thought":true}   {"functionCall":{"name":..,"args":{..}}}
 *     {"inlineData":{"mimeType":..,"data":..}}       each perhaps with a "thoughtSignature"
 *
 * Promises: a function call comes with whole arguments, also when they come in pieces.
 * Refuses:  more than TOOL_CALLS_MAX calls. Unknown parts are read over. */
#include "providers/gemini.h"

#include "core/limits.h"

/* --- function calls --- */

static void give_args(struct gemini_reading *x, unsigned index, unsigned tool, struct span json) {
    struct span raw = gemini_escape(json, x->reader->arena);
    if (!raw.p)
        x->failed = FAIL_OVERLOAD;
    gemini_give(x, &(struct chat_event){
                       .kind = CHAT_TOOL_ARGS, .choice = index, .tool = tool, .text = raw});
}

void gemini_close_call(struct gemini_reading *x, unsigned index) {
    struct gemini_candidate *candidate = &x->answer->candidates[index];
    struct json_out out;
    if (!candidate->open)
        return;
    candidate->open = false;
    json_out_arena(&out, x->reader->arena, 256);
    gemini_args_write(&candidate->args, &out);
    candidate->args = (struct gemini_args){.root = NULL};
    if (out.full)
        x->failed = FAIL_OVERLOAD;
    else
        give_args(x, index, candidate->tool_count - 1, json_out_span(&out));
}

static void start_call(struct gemini_reading *x, unsigned index, struct span id, struct span name) {
    struct gemini_candidate *candidate = &x->answer->candidates[index];
    struct chat_reader *reader = x->reader;
    char made[CHAT_CALL_ID_BYTES];
    if (candidate->tool_count == TOOL_CALLS_MAX) {
        x->failed = FAIL_TOO_LARGE;
        return;
    }
    unsigned tool = candidate->tool_count++;
    if (!id.n) {
        id = arena_copy(reader->arena, chat_call_id(reader->answer.id, index, tool, made));
        if (!id.p)
            x->failed = FAIL_OVERLOAD;
    }
    gemini_give(
        x, &(struct chat_event){
               .kind = CHAT_TOOL_START, .choice = index, .tool = tool, .id = id, .name = name});
}

struct call {
    struct span id, name, args, partial;
    bool more; /* willContinue */
};

static void read_call_members(struct call *call, struct span object) {
    struct json json;
    struct json_token key, value;
    *call = (struct call){.more = false};
    gemini_open(&json, object);
    while (gemini_pair(&json, &key, &value)) {
        if (gemini_is(&key, SPAN("name")) && value.kind == JSON_STRING)
            call->name = value.raw;
        else if (gemini_is(&key, SPAN("id")) && value.kind == JSON_STRING)
            call->id = value.raw;
        else if (gemini_is(&key, SPAN("args")) && value.kind == JSON_OBJECT)
            call->args = value.raw;
        else if (gemini_is(&key, SPAN("partialArgs")) && value.kind == JSON_ARRAY)
            call->partial = value.raw;
        else if (gemini_is(&key, SPAN("willContinue")))
            call->more = gemini_true(&value);
    }
}

static void read_call(struct gemini_reading *x, unsigned index, struct span object) {
    struct gemini_candidate *candidate = &x->answer->candidates[index];
    struct json json;
    struct json_token piece;
    struct call call;
    read_call_members(&call, object);
    if (call.name.n) {
        gemini_close_call(x, index);
        start_call(x, index, call.id, call.name);
        if (x->failed != FAIL_NONE)
            return;
        candidate->open = true;
    }
    if (!candidate->open)
        return; /* the end of a call that has ended, or a call without a name */
    if (call.partial.n) {
        gemini_open(&json, call.partial);
        while (gemini_item(&json, &piece))
            if (!gemini_args_add(&candidate->args, x->reader->arena, gemini_text(&piece)))
                x->failed = FAIL_BAD_EVENT;
    }
    if (call.more)
        return;
    if (call.args.n && !candidate->args.root) {
        candidate->open = false;
        give_args(x, index, candidate->tool_count - 1, call.args);
        return;
    }
    gemini_close_call(x, index);
}

/* --- parts --- */

struct part {
    struct span text, call, media, signature;
    bool has_text, thought, other;
};

static void read_part_members(struct part *part, struct span object) {
    struct json json;
    struct json_token key, value;
    *part = (struct part){.has_text = false};
    gemini_open(&json, object);
    while (gemini_pair(&json, &key, &value)) {
        if (gemini_is(&key, SPAN("text")) && value.kind == JSON_STRING) {
            part->text = value.raw;
            part->has_text = true;
        } else if (gemini_is(&key, SPAN("thought"))) {
            part->thought = gemini_true(&value);
        } else if (gemini_is(&key, SPAN("functionCall")) && value.kind == JSON_OBJECT) {
            part->call = value.raw;
        } else if (gemini_is(&key, SPAN("inlineData")) && value.kind == JSON_OBJECT) {
            part->media = value.raw;
        } else if (gemini_is(&key, SPAN("thoughtSignature")) && value.kind == JSON_STRING) {
            part->signature = value.raw;
        } else {
            part->other = true;
        }
    }
}

/* Images in the form that OpenAI-shaped answers have them in; audio as a message's `audio`. */
static void give_media(struct gemini_reading *x, unsigned index, struct span object) {
    struct json_token given, data;
    struct json_out out;
    struct span type = SPAN("");
    if (gemini_find(object, SPAN("mimeType"), &given) && given.kind == JSON_STRING)
        type = chat_plain(&given, x->reader->arena);
    if (!chat_is_media_type(type) || !gemini_find(object, SPAN("data"), &data) ||
        data.kind != JSON_STRING) {
        gemini_give(x, &(struct chat_event){.kind = CHAT_OTHER, .choice = index});
        return;
    }
    bool audio = span_starts(type, SPAN("audio/"));
    json_out_arena(&out, x->reader->arena, data.raw.n + type.n + 80);
    if (audio) {
        json_out_raw(&out, SPAN("{\"data\":\""));
        json_out_raw(&out, data.raw);
        json_out_raw(&out, SPAN("\"}"));
    } else {
        struct chat_part image = {.media_type = type, .data = data.raw};
        json_out_raw(&out, SPAN("[{\"type\":\"image_url\",\"image_url\":{"));
        chat_write_data_url(&out, SPAN("url"), &image);
        json_out_raw(&out, SPAN("}}]"));
    }
    if (out.full)
        x->failed = FAIL_OVERLOAD;
    gemini_give(x, &(struct chat_event){.kind = CHAT_MEDIA,
                                        .choice = index,
                                        .name = audio ? SPAN("audio") : SPAN("images"),
                                        .text = json_out_span(&out)});
}

static void read_part(struct gemini_reading *x, unsigned index, struct span object) {
    struct part part;
    read_part_members(&part, object);
    struct gemini_candidate *candidate = &x->answer->candidates[index];
    bool call = part.call.n > 0;
    if (call)
        read_call(x, index, part.call);
    else if (part.has_text && part.text.n)
        gemini_give(
            x, &(struct chat_event){.kind = part.thought ? CHAT_REASONING : CHAT_TEXT,
                                    .choice = index,
                                    .name = part.thought ? SPAN("reasoning_content") : SPAN(""),
                                    .text = part.text});
    else if (part.media.n)
        give_media(x, index, part.media);
    else if (part.other) {
        /* executableCode, codeExecutionResult, and what comes after our time */
        x->reader->opaque = true;
        gemini_give(x, &(struct chat_event){.kind = CHAT_OTHER, .choice = index});
    }
    if (part.signature.n)
        gemini_give(x, &(struct chat_event){
                           .kind = CHAT_SIGNATURE,
                           .choice = index,
                           .tool = call && candidate->tool_count ? candidate->tool_count - 1 : 0,
                           .of_tool = call && candidate->tool_count,
                           .text = part.signature,
                           .signer = CHAT_SIGNER_GOOGLE});
}

void gemini_read_parts(struct gemini_reading *x, unsigned index, struct span content) {
    struct json json;
    struct json_token parts, part;
    if (!gemini_find(content, SPAN("parts"), &parts) || parts.kind != JSON_ARRAY)
        return;
    gemini_open(&json, parts.raw);
    while (gemini_item(&json, &part) && x->failed == FAIL_NONE)
        if (part.kind == JSON_OBJECT)
            read_part(x, index, part.raw);
}
