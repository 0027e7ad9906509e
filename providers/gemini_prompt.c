/* gemini_prompt.c - a client's generateContent request as any dialect can write it: turns and parts.
 * (pure)
 *
 *     contents: user [text, inlineData]            -> USER   text, image
 *               model [text, functionCall]         -> ASSISTANT text, tool call
 *               user or function [functionResponse]-> TOOL   result of that call
 *
 * Calls need no id in this dialect; others want one. What the client left out is made of the call's
 * place, the same in call and result: a result answers the first open call of its name.
 *
 * Owns:     nothing; texts are in the body or the arena.
 * Refuses:  roles other than user, model and function; parts that are no objects. */
#include "providers/gemini.h"

#include <limits.h>

#include "core/limits.h"
#include "providers/chat_body.h"

/* So many open calls are looked at for a result: four times what a model may make in one turn. */
#define LOOK_AHEAD (4 * TOOL_CALLS_MAX)

/* --- shared with gemini_config.c --- */

void gemini_refuse(struct gemini_prompt *x, struct span param, struct span why) {
    if (x->rc < 0)
        return;
    *x->param = param;
    *x->why = why;
    x->rc = -FAIL_BAD_REQUEST;
}

void gemini_no_memory(struct gemini_prompt *x) {
    if (x->rc == 0)
        *x->why = chat_body_why_memory();
    x->rc = -FAIL_OVERLOAD;
}

void gemini_extra(struct gemini_prompt *x, struct span name, struct span value, bool hint) {
    if (!name.p || !chat_add_extra(x->prompt, x->arena, name, value, hint))
        gemini_no_memory(x);
}

struct span gemini_plain(struct gemini_prompt *x, const struct json_token *value,
                         struct span param) {
    struct span text = value->kind == JSON_STRING ? chat_plain(value, x->arena) : SPAN("");
    if (value->kind != JSON_STRING || (!text.p && value->raw.n))
        gemini_refuse(x, param,
                      SPAN("Give a string without quotes, backslashes and control "
                           "characters."));
    return text;
}

/* --- places --- */

static struct span where(struct gemini_prompt *x, unsigned part, const char *member) {
    return arena_printf(x->arena, "contents[%u].parts[%u]%s", x->at, part, member);
}

static struct chat_message *message_of(struct gemini_prompt *x, enum chat_role role) {
    /* Results that answer one model turn stand in one message. */
    if (x->last && x->last->role == role && (role == CHAT_TOOL || x->last->at == x->at))
        return x->last;
    struct chat_message *message = chat_add_message(x->prompt, x->arena, role);
    if (!message) {
        gemini_no_memory(x);
        return NULL;
    }
    message->at = x->at;
    return x->last = message;
}

static struct chat_part *part_of(struct gemini_prompt *x, enum chat_role role,
                                 enum chat_part_kind kind) {
    struct chat_message *message = message_of(x, role);
    struct chat_part *part = message ? chat_add_part(&message->parts, x->arena, kind) : NULL;
    if (!part)
        gemini_no_memory(x);
    return part;
}

/* --- calls and results --- */

static struct gemini_call *new_call(struct gemini_prompt *x) {
    if (x->call_count == x->call_max) {
        unsigned max = x->call_max ? x->call_max * 2 : 8;
        struct gemini_call *calls = arena_alloc(x->arena, max * sizeof *calls);
        if (!calls) {
            gemini_no_memory(x);
            return NULL;
        }
        if (x->call_count)
            memcpy(calls, x->calls, x->call_count * sizeof *calls);
        x->calls = calls;
        x->call_max = max;
    }
    struct gemini_call *call = &x->calls[x->call_count++];
    *call = (struct gemini_call){.made = false};
    return call;
}

static struct span made_id(struct gemini_prompt *x, unsigned number) {
    char text[CHAT_CALL_ID_BYTES];
    struct span id = arena_copy(x->arena, chat_call_id(SPAN("contents"), x->at, number, text));
    if (!id.p)
        gemini_no_memory(x);
    return id;
}

static void read_call(struct gemini_prompt *x, struct span object, struct span signature,
                      unsigned index) {
    struct json_token name, id, args;
    struct chat_part *part = part_of(x, CHAT_ASSISTANT, CHAT_PART_TOOL_CALL);
    struct gemini_call *call = part ? new_call(x) : NULL;
    if (!call)
        return;
    if (gemini_find(object, SPAN("name"), &name))
        part->name = gemini_plain(x, &name, where(x, index, ".functionCall.name"));
    if (!part->name.n) {
        gemini_refuse(x, where(x, index, ".functionCall.name"),
                      SPAN("A functionCall needs the name of its function."));
        return;
    }
    part->input = SPAN("{}");
    if (gemini_find(object, SPAN("args"), &args) && args.kind == JSON_OBJECT)
        part->input = args.raw;
    if (gemini_find(object, SPAN("id"), &id) && id.kind == JSON_STRING && id.raw.n)
        part->id = gemini_plain(x, &id, where(x, index, ".functionCall.id"));
    call->made = !part->id.n;
    if (call->made)
        part->id = made_id(x, index);
    call->name = part->name;
    call->id = part->id;
    if (signature.n) {
        part->signature = signature;
        part->signer = CHAT_SIGNER_GOOGLE;
    }
}

/* The id of the call that a result answers: that with its id, else the first open one of its name
 * whose id is ours. Results come in the order of the calls, so that what is looked at is short. */
static struct span answered_id(struct gemini_prompt *x, struct span id, struct span name,
                               unsigned index) {
    for (unsigned i = x->call_open; i < x->call_count && i < x->call_open + LOOK_AHEAD; i++) {
        struct gemini_call *call = &x->calls[i];
        bool hit = id.n ? span_eq(call->id, id) || (call->made && span_eq(call->name, name))
                        : span_eq(call->name, name);
        if (call->answered || !hit)
            continue;
        call->answered = true;
        while (x->call_open < x->call_count && x->calls[x->call_open].answered)
            x->call_open++;
        return call->id;
    }
    return id.n ? id : made_id(x, index);
}

/* {"output": ".."} and {"result": ".."} are how text is wrapped, {"error": ".."} how a failure is. */
static struct span result_text(struct gemini_prompt *x, const struct json_token *response,
                               bool *is_error) {
    struct json json;
    struct json_token key, value, more;
    struct span text;
    if (response->kind == JSON_OBJECT && gemini_open(&json, response->raw) &&
        gemini_pair(&json, &key, &value) && value.kind == JSON_STRING &&
        json_next(&json, &more) == JSON_OBJECT_END) {
        *is_error = json_is(&key, SPAN("error"));
        if (*is_error || json_is(&key, SPAN("output")) || json_is(&key, SPAN("result")))
            return value.raw;
    }
    text = gemini_escape(gemini_text(response), x->arena);
    if (!text.p)
        gemini_no_memory(x);
    return text;
}

static void read_media(struct gemini_prompt *x, struct chat_part **list, enum chat_role role,
                       struct span object, bool by_url, unsigned index);

static void read_response(struct gemini_prompt *x, struct span object, unsigned index) {
    struct json json;
    struct json_token name, id, response, parts, part, data;
    struct span wanted = SPAN(""), given = SPAN("");
    struct chat_part *result = part_of(x, CHAT_TOOL, CHAT_PART_TOOL_RESULT);
    if (!result)
        return;
    if (gemini_find(object, SPAN("name"), &name))
        given = gemini_plain(x, &name, where(x, index, ".functionResponse.name"));
    if (gemini_find(object, SPAN("id"), &id) && id.kind == JSON_STRING)
        wanted = gemini_plain(x, &id, where(x, index, ".functionResponse.id"));
    result->id = answered_id(x, wanted, given, index);
    if (gemini_find(object, SPAN("response"), &response)) {
        struct chat_part *text = chat_add_part(&result->parts, x->arena, CHAT_PART_TEXT);
        if (!text) {
            gemini_no_memory(x);
            return;
        }
        text->text = result_text(x, &response, &result->is_error);
    }
    if (!gemini_find(object, SPAN("parts"), &parts) || parts.kind != JSON_ARRAY)
        return;
    gemini_open(&json, parts.raw);
    while (gemini_item(&json, &part))
        if (gemini_find(part.raw, SPAN("inlineData"), &data))
            read_media(x, &result->parts, CHAT_TOOL, data.raw, false, index);
        else if (gemini_find(part.raw, SPAN("fileData"), &data))
            read_media(x, &result->parts, CHAT_TOOL, data.raw, true, index);
}

/* --- media --- */

static enum chat_part_kind media_kind(struct span type, struct span url) {
    static const struct span endings[] = {SPAN_CONST(".png"), SPAN_CONST(".jpg"),
                                          SPAN_CONST(".jpeg"), SPAN_CONST(".gif"),
                                          SPAN_CONST(".webp")};
    if (span_starts(type, SPAN("image/")))
        return CHAT_PART_IMAGE;
    if (span_starts(type, SPAN("audio/")))
        return CHAT_PART_AUDIO;
    for (unsigned i = 0; !type.n && i < countof(endings); i++)
        if (span_ends(url, endings[i]))
            return CHAT_PART_IMAGE;
    return CHAT_PART_DOCUMENT;
}

/* Files that only Google can fetch. */
static bool is_googles(struct span url) {
    return span_starts(url, SPAN("gs://")) ||
           span_starts(url, SPAN("https://generativelanguage.googleapis.com/")) ||
           span_starts(url, SPAN("https://www.youtube.com/")) ||
           span_starts(url, SPAN("https://youtu.be/"));
}

/* Google takes both alphabets of base64 (RFC 4648 4 and 5), padded or not, and its SDKs send the second
 * one; others take the first, padded. */
static struct span standard_base64(struct gemini_prompt *x, struct span data) {
    static const char pads[] = "==";
    size_t pad = data.n % 4 ? 4 - data.n % 4 : 0;
    if (!data.n || (!pad && !memchr(data.p, '-', data.n) && !memchr(data.p, '_', data.n)))
        return data;
    char *text = arena_alloc(x->arena, data.n + pad);
    if (!text) {
        gemini_no_memory(x);
        return data;
    }
    for (size_t i = 0; i < data.n; i++)
        text[i] = data.p[i] == '-' ? '+' : data.p[i] == '_' ? '/' : data.p[i];
    if (pad > 2) /* no base64 has such a length: the provider may say so */
        pad = 0;
    memcpy(text + data.n, pads, pad);
    return span_of(text, data.n + pad);
}

/* What an inlineData or a fileData says, as a part of any kind; refuses what names no type or no data. */
static void read_blob(struct gemini_prompt *x, struct span object, bool by_url, struct span place,
                      struct chat_part *blob) {
    struct json_token token;
    struct span body = SPAN("");
    *blob = (struct chat_part){.kind = CHAT_PART_DOCUMENT};
    if (gemini_find(object, SPAN("mimeType"), &token))
        blob->media_type = gemini_plain(x, &token, place);
    if (gemini_find(object, by_url ? SPAN("fileUri") : SPAN("data"), &token))
        body = gemini_plain(x, &token, place);
    if (gemini_find(object, SPAN("displayName"), &token) && token.kind == JSON_STRING)
        blob->name = token.raw;
    if (!body.n || (!by_url && !blob->media_type.n))
        gemini_refuse(x, place,
                      by_url ? SPAN("A fileData needs a fileUri.")
                             : SPAN("An inlineData needs a mimeType and data."));
    if (blob->media_type.n && !chat_is_media_type(blob->media_type))
        gemini_refuse(x, arena_printf(x->arena, "%.*s.mimeType", (int)place.n, place.p),
                      SPAN("Give `mimeType` as a type such as \"image/png\"."));
    if (!by_url)
        blob->data = standard_base64(x, body);
    else if (!chat_take_url(blob, body))
        gemini_refuse(x, arena_printf(x->arena, "%.*s.fileUri", (int)place.n, place.p),
                      SPAN("Give `fileUri` as a URL, or as \"data:TYPE;base64,DATA\"."));
}

/* `list`: of a tool's result; NULL: the turn's own. */
static void read_media(struct gemini_prompt *x, struct chat_part **list, enum chat_role role,
                       struct span object, bool by_url, unsigned index) {
    struct span place = where(x, index, by_url ? ".fileData" : ".inlineData");
    struct chat_part blob;
    read_blob(x, object, by_url, place, &blob);
    if (x->rc < 0)
        return;
    if (span_starts(blob.media_type, SPAN("video/")) || is_googles(blob.url)) {
        gemini_extra(x, place, object, false);
        return;
    }
    blob.kind = media_kind(blob.media_type, blob.url);
    struct chat_part *part =
        list ? chat_add_part(list, x->arena, blob.kind) : part_of(x, role, blob.kind);
    if (!part) {
        gemini_no_memory(x);
        return;
    }
    part->media_type = blob.media_type;
    part->name = blob.name;
    part->data = blob.data;
    part->url = blob.url;
}

/* --- parts --- */

struct pieces {
    struct span text, call, response, data, file, signature;
    bool has_text, thought;
};

static void read_pieces(struct gemini_prompt *x, struct span object, unsigned index,
                        struct pieces *pieces) {
    struct json json;
    struct json_token key, value;
    const struct {
        struct span name;
        enum json_kind kind;
        struct span *to;
    } rows[] = {
        {SPAN("text"), JSON_STRING, &pieces->text},
        {SPAN("thoughtSignature"), JSON_STRING, &pieces->signature},
        {SPAN("functionCall"), JSON_OBJECT, &pieces->call},
        {SPAN("functionResponse"), JSON_OBJECT, &pieces->response},
        {SPAN("inlineData"), JSON_OBJECT, &pieces->data},
        {SPAN("fileData"), JSON_OBJECT, &pieces->file},
    };
    *pieces = (struct pieces){.has_text = false};
    gemini_open(&json, object);
    while (gemini_pair(&json, &key, &value)) {
        unsigned i = 0;
        while (i < countof(rows) && !gemini_is(&key, rows[i].name))
            i++;
        if (i < countof(rows) && value.kind == rows[i].kind) {
            *rows[i].to = value.raw;
            pieces->has_text |= i == 0;
        } else if (gemini_is(&key, SPAN("thought"))) {
            pieces->thought = gemini_true(&value);
        } else if (x->rc == 0) {
            /* executableCode, videoMetadata ...: only Google understands it. */
            gemini_extra(x,
                         arena_printf(x->arena, "contents[%u].parts[%u].%.*s", x->at, index,
                                      (int)min_size(key.raw.n, 64), key.raw.p),
                         gemini_text(&value), gemini_is(&key, SPAN("partMetadata")));
        }
    }
}

static void read_text(struct gemini_prompt *x, enum chat_role role, const struct pieces *pieces) {
    /* A signature behind nothing belongs to the thoughts before it. */
    bool reasoning = pieces->thought || (pieces->signature.n && !pieces->text.n);
    struct chat_part *part = part_of(
        x, role, reasoning && role == CHAT_ASSISTANT ? CHAT_PART_REASONING : CHAT_PART_TEXT);
    if (!part)
        return;
    part->text = pieces->text;
    if (pieces->signature.n) {
        part->signature = pieces->signature;
        part->signer = CHAT_SIGNER_GOOGLE;
    }
}

static void read_part(struct gemini_prompt *x, enum chat_role role, struct span object,
                      unsigned index, bool results) {
    struct pieces pieces;
    struct json_token response;
    if (results != gemini_find(object, SPAN("functionResponse"), &response))
        return;
    read_pieces(x, object, index, &pieces);
    if (x->rc < 0)
        return;
    if (pieces.response.n)
        read_response(x, pieces.response, index);
    else if (pieces.call.n)
        read_call(x, pieces.call, pieces.signature, index);
    else if (pieces.data.n)
        read_media(x, NULL, role, pieces.data, false, index);
    else if (pieces.file.n)
        read_media(x, NULL, role, pieces.file, true, index);
    else if (pieces.has_text || pieces.signature.n)
        read_text(x, role, &pieces);
}

/* Results first: whoever else is spoken to wants them next to their calls. */
static void read_parts(struct gemini_prompt *x, enum chat_role role, struct span parts) {
    struct json json;
    struct json_token part;
    for (int results = 1; results >= 0; results--) {
        gemini_open(&json, parts);
        for (unsigned i = 0; x->rc == 0 && gemini_item(&json, &part); i++) {
            if (part.kind == JSON_OBJECT)
                read_part(x, role, part.raw, i, results);
            else
                gemini_refuse(x, where(x, i, ""), SPAN("Give each part as an object."));
        }
    }
}

static void read_content(struct gemini_prompt *x, struct span content) {
    struct json_token role, parts;
    struct span place = arena_printf(x->arena, "contents[%u].role", x->at);
    enum chat_role as = CHAT_USER;
    if (gemini_find(content, SPAN("role"), &role)) {
        if (json_is(&role, SPAN("model")))
            as = CHAT_ASSISTANT;
        else if (!json_is(&role, SPAN("user")) && !json_is(&role, SPAN("function")) && role.raw.n)
            gemini_refuse(x, place, SPAN("Give \"user\" or \"model\" as a content's role."));
    }
    if (as == CHAT_ASSISTANT && x->last && x->last->role != CHAT_ASSISTANT)
        x->call_count = x->call_open = 0; /* older calls had their answers */
    if (!gemini_find(content, SPAN("parts"), &parts))
        return;
    if (parts.kind != JSON_ARRAY)
        gemini_refuse(x, arena_printf(x->arena, "contents[%u].parts", x->at),
                      SPAN("Give `parts` as an array of objects."));
    else
        read_parts(x, as, parts.raw);
}

static void read_system(struct gemini_prompt *x, const struct json_token *system) {
    struct json json;
    struct json_token parts, part, text;
    struct chat_message *message = chat_add_message(x->prompt, x->arena, CHAT_SYSTEM);
    if (!message) {
        gemini_no_memory(x);
        return;
    }
    x->last = message;
    message->at = UINT_MAX;
    if (!gemini_find(gemini_text(system), SPAN("parts"), &parts) || parts.kind != JSON_ARRAY) {
        gemini_refuse(x, SPAN("systemInstruction"),
                      SPAN("Give `systemInstruction` as an object with an array of `parts`."));
        return;
    }
    gemini_open(&json, parts.raw);
    while (gemini_item(&json, &part)) {
        if (!gemini_find(part.raw, SPAN("text"), &text) || text.kind != JSON_STRING) {
            gemini_extra(x, SPAN("systemInstruction.parts"), gemini_text(&part), false);
            continue;
        }
        struct chat_part *to = chat_add_part(&message->parts, x->arena, CHAT_PART_TEXT);
        if (!to) {
            gemini_no_memory(x);
            return;
        }
        to->text = text.raw;
    }
}

/* --- the body --- */

static void read_member(struct gemini_prompt *x, const struct json_token *key,
                        const struct json_token *value) {
    struct span text = gemini_text(value);
    if (gemini_is(key, SPAN("contents")) || gemini_is(key, SPAN("systemInstruction")) ||
        gemini_is(key, SPAN("model")))
        return;
    if (gemini_is(key, SPAN("tools")))
        gemini_read_tools(x, text);
    else if (gemini_is(key, SPAN("toolConfig")))
        gemini_read_tool_config(x, text);
    else if (gemini_is(key, SPAN("generationConfig")))
        gemini_read_generation(x, text);
    else if (gemini_is(key, SPAN("serviceTier")) && value->kind == JSON_STRING)
        x->prompt->service_tier = value->raw;
    else
        gemini_extra(x, key->raw, text, gemini_is(key, SPAN("labels")));
}

int gemini_read_prompt(const struct chat_request *req, struct arena *arena,
                       struct chat_prompt *prompt, struct span *why, struct span *param) {
    struct gemini_prompt x = {.arena = arena, .prompt = prompt, .why = why, .param = param};
    struct json json;
    struct json_token key, value, contents, content;
    struct span body = gemini_skip_blanks(req->body);
    *why = *param = SPAN("");
    chat_prompt_init(prompt);
    prompt->stream = req->stream;
    prompt->include_usage = req->include_usage;
    prompt->max_output_name = "generationConfig.maxOutputTokens";
    prompt->stop_name = "generationConfig.stopSequences";
    prompt->choices_name = "generationConfig.candidateCount";
    prompt->format_name = "generationConfig.responseSchema";
    prompt->thinking_name = "generationConfig.thinkingConfig";
    if (gemini_find(body, SPAN("systemInstruction"), &value))
        read_system(&x, &value);
    if (gemini_find(body, SPAN("contents"), &contents)) {
        gemini_open(&json, contents.raw);
        for (; x.rc == 0 && gemini_item(&json, &content); x.at++)
            read_content(&x, content.raw);
    }
    gemini_open(&json, body);
    while (x.rc == 0 && gemini_pair(&json, &key, &value))
        read_member(&x, &key, &value);
    return x.rc;
}
