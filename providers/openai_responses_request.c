/* openai_responses_request.c - reads a client's Responses request: what the router needs, where it
 * stands, and whether it stands on what one backend remembers; and edits it for a backend of the
 * same dialect. (pure)
 *
 * Owns:     nothing; spans point into the body, decoded things lie in the arena.
 * Promises: one pass over the body, a second over an `input` that holds reasoning of other makers.
 *           What is accepted is valid JSON with one model, something to answer, and no member twice
 *           that hedgerow reads or edits.
 * Refuses:  the rest, with a sentence that says what to do; and background responses, whose polling
 *           is not relayed. Members that hedgerow has no use for are the provider's to judge. */
#include "providers/chat_body.h"
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"
#include "providers/provider.h"

enum {
    MODEL,
    INPUT,
    INSTRUCTIONS,
    STREAM,
    STREAM_OPTIONS,
    MAX_OUTPUT_TOKENS,
    TOOLS,
    USER,
    SAFETY_IDENTIFIER,
    PROMPT_CACHE_KEY,
    PREVIOUS_RESPONSE_ID,
    CONVERSATION,
    BACKGROUND,
    PROMPT,
    TOP_COUNT
};
static const struct span top_names[TOP_COUNT] = {
    [MODEL] = SPAN_CONST("model"),
    [INPUT] = SPAN_CONST("input"),
    [INSTRUCTIONS] = SPAN_CONST("instructions"),
    [STREAM] = SPAN_CONST("stream"),
    [STREAM_OPTIONS] = SPAN_CONST("stream_options"),
    [MAX_OUTPUT_TOKENS] = SPAN_CONST("max_output_tokens"),
    [TOOLS] = SPAN_CONST("tools"),
    [USER] = SPAN_CONST("user"),
    [SAFETY_IDENTIFIER] = SPAN_CONST("safety_identifier"),
    [PROMPT_CACHE_KEY] = SPAN_CONST("prompt_cache_key"),
    [PREVIOUS_RESPONSE_ID] = SPAN_CONST("previous_response_id"),
    [CONVERSATION] = SPAN_CONST("conversation"),
    [BACKGROUND] = SPAN_CONST("background"),
    [PROMPT] = SPAN_CONST("prompt"),
};

/* chat_request.own. */
struct notes {
    bool stateful;
    struct span id;
    bool carried;      /* input holds reasoning of other makers, marked by us */
    struct span input; /* the array's text */
};

struct reading {
    struct json json;
    struct arena *arena;
    struct chat_request *req;
    struct notes *notes;
    struct span *why, *param;
    unsigned seen;       /* bit per member of top_names */
    uint64_t text_bytes; /* of all that the model will read */
    uint64_t prefix;     /* hash of the leading items */
    bool prefix_done;    /* the first user item was hashed: what follows changes with every turn */
    bool input;          /* there is something to answer */
    struct span cache_key, instructions, stream_options;
};

static int refuse(struct reading *x, struct span param, struct span why) {
    *x->param = param;
    *x->why = why;
    return -FAIL_BAD_REQUEST;
}

static int refuse_json(struct reading *x) {
    return refuse(x, SPAN(""), chat_body_why_json(&x->json, x->arena));
}

static int refuse_memory(struct reading *x) {
    refuse(x, SPAN(""), chat_body_why_memory());
    return -FAIL_OVERLOAD;
}

/* A string without escapes; one that is no string, or nothing after decoding, is {NULL,0}. */
static struct span decoded(struct reading *x, const struct json_token *value) {
    struct span name;
    return chat_body_name(value, x->arena, &name) && name.n ? name : span_of(NULL, 0);
}

static int read_model(struct reading *x) {
    struct json_token value;
    if (json_next(&x->json, &value) == JSON_ERROR)
        return refuse_json(x);
    x->req->model = decoded(x, &value);
    if (!x->req->model.n)
        return refuse(x, top_names[MODEL],
                      SPAN("Give `model` as a string: the name of a model, see GET /v1/models."));
    x->req->model_value = span_of(value.raw.p - 1, value.raw.n + 2); /* with its quotes */
    return 0;
}

/* --- input --- */

/* Whether strings under this key are read by the model as text; files and sealed reasoning are not.
 */
static bool is_text_key(const struct json_token *key) {
    static const struct span others[] = {SPAN_CONST("image_url"), SPAN_CONST("file_url"),
                                         SPAN_CONST("file_data"), SPAN_CONST("data"),
                                         SPAN_CONST("encrypted_content")};
    for (unsigned i = 0; i < countof(others); i++)
        if (json_is(key, others[i]))
            return false;
    return true;
}

/* Reads over a value of an item and counts its text. */
static bool count_text(struct reading *x, bool text) {
    return chat_body_count(&x->json, text, is_text_key, &x->text_bytes);
}

/* Is an item with this type and encrypted_content reasoning that no backend of this dialect made? */
static bool is_carried(const struct json_token *type, const struct json_token *sealed) {
    enum chat_signer signer;
    struct span data;
    bool redacted;
    return type->kind == JSON_STRING && json_is(type, SPAN("reasoning")) &&
           sealed->kind == JSON_STRING &&
           openai_responses_carried(sealed->raw, &signer, &redacted, &data);
}

/* An item, behind its brace. `type` may be left out for messages, and for references too, which then
 * are known by having an id only. */
static int read_item(struct reading *x, const char *start) {
    struct json *json = &x->json;
    struct json_token key, value, type = {.kind = JSON_NULL}, role = {.kind = JSON_NULL};
    struct json_token sealed = {.kind = JSON_NULL};
    bool id = false, content = false;
    while (json_next(json, &key) == JSON_KEY) {
        bool is_type = json_is(&key, SPAN("type")), is_role = json_is(&key, SPAN("role"));
        bool is_sealed = json_is(&key, SPAN("encrypted_content"));
        id |= json_is(&key, SPAN("id"));
        content |= json_is(&key, SPAN("content"));
        if (!is_type && !is_role && !is_sealed) {
            if (!count_text(x, is_text_key(&key)))
                return refuse_json(x);
            continue;
        }
        json_next(json, &value);
        if (!openai_skip(json, &value))
            return refuse_json(x);
        if (is_type)
            type = value;
        else if (is_role)
            role = value;
        else
            sealed = value;
    }
    if (key.kind != JSON_OBJECT_END)
        return refuse_json(x);
    if (type.kind == JSON_STRING ? json_is(&type, SPAN("item_reference"))
                                 : id && role.kind != JSON_STRING && !content)
        x->notes->stateful = true;
    x->notes->carried |= is_carried(&type, &sealed);
    if (!x->prefix_done) {
        size_t n = (size_t)(json->in.p + json_at(json) - start);
        x->prefix = chat_body_mix(x->prefix, chat_body_hash(span_of(start, n)));
        x->prefix_done = role.kind == JSON_STRING && json_is(&role, SPAN("user"));
    }
    return 0;
}

/* Behind the bracket. */
static int read_items(struct reading *x) {
    struct json *json = &x->json;
    struct json_token token;
    const char *start = json->in.p + json_at(json) - 1;
    unsigned count = 0;
    while (json_next(json, &token) == JSON_OBJECT) {
        int rc = read_item(x, token.raw.p);
        if (rc < 0)
            return rc;
        count++;
    }
    if (token.kind == JSON_ERROR)
        return refuse_json(x);
    if (token.kind != JSON_ARRAY_END)
        return refuse(x, arena_printf(x->arena, "input[%u]", count),
                      arena_printf(x->arena,
                                   "input[%u]: give an object such as a message with `role` and "
                                   "`content`.",
                                   count));
    x->input = count > 0;
    x->notes->input = span_of(start, (size_t)(json->in.p + json_at(json) - start));
    return 0;
}

static int read_input(struct reading *x) {
    struct json_token token;
    switch (json_next(&x->json, &token)) {
    case JSON_ARRAY: return read_items(x);
    case JSON_STRING:
        x->text_bytes += token.raw.n;
        x->prefix = chat_body_mix(x->prefix, chat_body_hash(token.raw));
        x->input = true;
        return 0;
    case JSON_NULL: return 0;
    case JSON_ERROR: return refuse_json(x);
    case JSON_OBJECT:
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_END:
    case JSON_KEY:
    case JSON_OBJECT_END:
    case JSON_ARRAY_END: break;
    }
    return refuse(x, top_names[INPUT], SPAN("Give `input` as a string or an array of items."));
}

/* --- the other members --- */

static int read_stream(struct reading *x) {
    struct json_token value;
    if (json_next(&x->json, &value) == JSON_ERROR)
        return refuse_json(x);
    if (value.kind != JSON_TRUE && value.kind != JSON_FALSE && value.kind != JSON_NULL)
        return refuse(x, top_names[STREAM], SPAN("Give `stream` as true or false."));
    x->req->stream = value.kind == JSON_TRUE;
    x->req->stream_value = value.raw;
    return 0;
}

static int read_limit(struct reading *x) {
    struct json_token value;
    if (json_next(&x->json, &value) == JSON_ERROR)
        return refuse_json(x);
    uint64_t *out = &x->req->max_output_tokens;
    if (value.kind == JSON_NULL)
        return 0;
    if (value.kind != JSON_NUMBER || !span_u64(value.raw, CHAT_OUTPUT_TOKENS_MAX, out) || !*out)
        return refuse(x, top_names[MAX_OUTPUT_TOKENS],
                      SPAN("Give `max_output_tokens` as a whole number from 1 on."));
    return 0;
}

/* A string that names something; other kinds of values are the provider's to judge. */
static int read_name(struct reading *x, struct span *out) {
    struct json_token value;
    json_next(&x->json, &value);
    if (!openai_skip(&x->json, &value))
        return refuse_json(x);
    if (value.kind == JSON_STRING)
        *out = value.raw;
    return 0;
}

static int read_counted(struct reading *x, bool tools) {
    struct span value;
    if (!json_value(&x->json, &value))
        return refuse_json(x);
    if (!openai_says_something(value))
        return 0;
    x->text_bytes += value.n;
    if (tools)
        x->req->has_tools = true;
    else
        x->instructions = value;
    return 0;
}

/* previous_response_id, or a conversation: an id, or an object with one. */
static int read_state(struct reading *x, unsigned member) {
    static const struct span path[] = {SPAN_CONST("id")};
    struct span value;
    struct json_token id;
    if (!json_value(&x->json, &value))
        return refuse_json(x);
    if (!openai_says_something(value))
        return 0;
    bool object = member == CONVERSATION && value.p[0] == '{';
    struct span text = {NULL, 0};
    if (json_find(value, path, object ? 1 : 0, &id) && id.kind == JSON_STRING)
        text = decoded(x, &id);
    if (!text.n)
        return refuse(x, top_names[member],
                      arena_printf(x->arena, "Give `%.*s` as a string: the id.",
                                   (int)top_names[member].n, top_names[member].p));
    x->notes->stateful = true;
    if (!x->notes->id.n || member == PREVIOUS_RESPONSE_ID)
        x->notes->id = text;
    return 0;
}

static int read_background(struct reading *x) {
    struct json_token value;
    json_next(&x->json, &value);
    if (!openai_skip(&x->json, &value))
        return refuse_json(x);
    if (value.kind == JSON_TRUE)
        return refuse(x, top_names[BACKGROUND],
                      SPAN("`background` responses are polled for, which is not relayed: leave it "
                           "out and use \"stream\": true for long answers."));
    return 0;
}

static int read_template(struct reading *x) {
    struct span value;
    if (!json_value(&x->json, &value))
        return refuse_json(x);
    if (openai_says_something(value))
        x->input = x->notes->stateful = true;
    return 0;
}

static int read_stream_options(struct reading *x) {
    return json_value(&x->json, &x->stream_options) ? 0 : refuse_json(x);
}

static int read_member(struct reading *x, const struct json_token *key) {
    struct chat_request *req = x->req;
    unsigned member = openai_member(key, top_names, TOP_COUNT);
    struct span unused;
    if (member == TOP_COUNT)
        return json_value(&x->json, &unused) ? 0 : refuse_json(x);
    if (x->seen & 1u << member)
        return refuse(x, top_names[member],
                      arena_printf(x->arena, "`%.*s` is there twice; give it once.",
                                   (int)top_names[member].n, top_names[member].p));
    x->seen |= 1u << member;
    switch (member) {
    case MODEL: return read_model(x);
    case INPUT: return read_input(x);
    case INSTRUCTIONS: return read_counted(x, false);
    case STREAM: return read_stream(x);
    case STREAM_OPTIONS: return read_stream_options(x);
    case MAX_OUTPUT_TOKENS: return read_limit(x);
    case TOOLS: return read_counted(x, true);
    case USER: return read_name(x, req->user.n ? &unused : &req->user);
    case SAFETY_IDENTIFIER: return read_name(x, &req->user);
    case PROMPT_CACHE_KEY: return read_name(x, &x->cache_key);
    case PREVIOUS_RESPONSE_ID:
    case CONVERSATION: return read_state(x, member);
    case BACKGROUND: return read_background(x);
    case PROMPT: return read_template(x);
    }
    return 0;
}

static int check_whole(struct reading *x) {
    if (!x->req->model_value.p)
        return refuse(x, top_names[MODEL],
                      SPAN("`model` is missing; give the name of a model, see GET /v1/models."));
    /* What a backend remembers may be all there is to answer. */
    if (!x->input && !x->notes->stateful)
        return refuse(
            x, top_names[INPUT],
            SPAN("`input` is missing; give a string or an array with at least one item."));
    if (!x->req->stream && openai_says_something(x->stream_options))
        return refuse(
            x, top_names[STREAM_OPTIONS],
            SPAN("`stream_options` needs \"stream\": true; set it or leave the options out."));
    return 0;
}

int openai_responses_read_request(struct span body, struct arena *arena, struct chat_request *req,
                                  struct span *why, struct span *param) {
    struct reading x = {.arena = arena, .req = req, .why = why, .param = param};
    struct json_token token;
    *req = (struct chat_request){.body = body, .choices = 1, .include_usage = true};
    *why = *param = SPAN("");
    req->own = x.notes = arena_zalloc(arena, sizeof *x.notes);
    if (!x.notes)
        return refuse_memory(&x);
    json_init(&x.json, body);
    if (json_next(&x.json, &token) != JSON_OBJECT)
        return token.kind == JSON_ERROR
                   ? refuse_json(&x)
                   : refuse(&x, SPAN(""), SPAN("The body is not a JSON object: send one."));
    req->object_start = json_at(&x.json);
    while (json_next(&x.json, &token) == JSON_KEY) {
        int rc = read_member(&x, &token);
        if (rc < 0)
            return rc;
    }
    req->object_empty = !x.seen;
    if (token.kind != JSON_OBJECT_END || json_next(&x.json, &token) != JSON_END)
        return refuse_json(&x);
    int rc = check_whole(&x);
    if (rc < 0)
        return rc;
    req->input_tokens_estimate = max_u64(x.text_bytes / CHAT_BYTES_PER_TOKEN, 1);
    /* Members stand in any order; the hash does not depend on it. */
    uint64_t prefix = chat_body_mix(span_hash(req->model), chat_body_hash(x.instructions));
    req->prefix_hash = chat_body_mix(chat_body_mix(prefix, x.prefix), span_hash(x.cache_key));
    return 0;
}

bool openai_responses_stateful(const struct chat_request *req, struct span *id) {
    const struct notes *notes = req->own;
    *id = notes->id;
    return notes->stateful;
}

/* --- edits --- */

struct editing {
    const struct chat_request *req;
    struct chat_edit *edits;
    int count;
};

/* Keeps them in rising order. */
static void replace(struct editing *x, struct span old, struct span new) {
    struct chat_edit edit = {
        .at = (size_t)(old.p - x->req->body.p), .remove = old.n, .insert = new};
    int at = x->count++;
    for (; at > 0 && x->edits[at - 1].at > edit.at; at--)
        x->edits[at] = x->edits[at - 1];
    x->edits[at] = edit;
}

/* The items of `input` but the reasoning that other makers' answers brought: OpenAI's backends refuse
 * what they did not make, and would fail the whole conversation for it. */
static bool leave_out_carried(struct editing *x, struct arena *arena) {
    static const struct span names[] = {SPAN_CONST("type"), SPAN_CONST("encrypted_content")};
    const struct notes *notes = x->req->own;
    struct json json;
    struct json_out out;
    struct json_token token, members[countof(names)];
    struct span item;
    json_out_arena(&out, arena, notes->input.n);
    json_out_array(&out);
    json_init(&json, notes->input);
    json_next(&json, &token);
    while (json_value(&json, &item))
        if (!openai_responses_members(item, names, countof(names), members) ||
            !is_carried(&members[0], &members[1]))
            json_out_value(&out, item);
    json_out_array_end(&out);
    replace(x, notes->input, json_out_span(&out));
    return !out.full;
}

int openai_responses_edit_request(const struct chat_request *req, struct span model,
                                  unsigned quirks, struct arena *arena, struct chat_edit *edits) {
    struct editing x = {.req = req, .edits = edits};
    const struct notes *notes = req->own;
    if (!req->stream_value.p)
        replace(&x, span_of(req->body.p + req->object_start, 0), SPAN("\"stream\":true,"));
    else if (!req->stream)
        replace(&x, req->stream_value, SPAN("true"));
    if (!(quirks & QUIRK_MODEL_IN_PATH) && !span_eq(model, req->model)) {
        struct json_out name;
        json_out_arena(&name, arena, model.n + 2);
        json_out_string(&name, model);
        if (name.full)
            return -FAIL_OVERLOAD;
        replace(&x, req->model_value, json_out_span(&name));
    }
    if (notes->carried && !leave_out_carried(&x, arena))
        return -FAIL_OVERLOAD;
    return x.count;
}
