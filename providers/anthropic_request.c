/* anthropic_request.c - reads a client's Messages request: what the router needs, and where it
 * stands. (pure)
 *
 * Owns:     nothing; spans point into the body, decoded or collected things lie in the arena.
 * Promises: one pass over the body. What is accepted is valid JSON with one model, a limit of tokens,
 *           one non-empty list of messages, and no member twice that hedgerow reads or edits.
 * Refuses:  the rest, with a sentence that says what to do. What else is in it is the provider's to
 *           judge, or read_prompt's when the provider speaks another dialect. */
#include "core/limits.h"
#include "providers/anthropic.h"
#include "providers/chat_body.h"

enum { MODEL, MESSAGES, MAX_TOKENS, SYSTEM, STREAM, TOOLS, METADATA, VERSION, TOP_COUNT };
static const struct span top_names[TOP_COUNT] = {
    [MODEL] = SPAN_CONST("model"),           [MESSAGES] = SPAN_CONST("messages"),
    [MAX_TOKENS] = SPAN_CONST("max_tokens"), [SYSTEM] = SPAN_CONST("system"),
    [STREAM] = SPAN_CONST("stream"),         [TOOLS] = SPAN_CONST("tools"),
    [METADATA] = SPAN_CONST("metadata"),     [VERSION] = SPAN_CONST("anthropic_version"),
};

/* Strings under these keys are not read by the model as text. */
static const struct span opaque_names[] = {
    SPAN_CONST("data"),
    SPAN_CONST("url"),
    SPAN_CONST("signature"),
    SPAN_CONST("type"),
    SPAN_CONST("encrypted_content"),
};

struct reading {
    struct json json;
    struct arena *arena;
    struct chat_request *req;
    struct anthropic_request *own;
    struct span *why, *param;
    unsigned seen;                  /* bit per member of top_names */
    uint64_t text_bytes;            /* of all that the model will read */
    uint64_t system_hash, messages; /* hashes of the system prompt and of the leading messages */
    bool prefix_done; /* the first user message was hashed: what follows changes with every turn */
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

static int read_model(struct reading *x, struct span raw_key) {
    struct json_token value;
    if (json_next(&x->json, &value) == JSON_ERROR)
        return refuse_json(x);
    if (!chat_body_name(&value, x->arena, &x->req->model))
        return refuse_memory(x);
    if (!x->req->model.n)
        return refuse(x, top_names[MODEL],
                      SPAN("model: give the name of a model as a string, see GET /v1/models."));
    x->own->model_key = raw_key;
    x->req->model_value = span_of(value.raw.p - 1, value.raw.n + 2); /* with its quotes */
    return 0;
}

static bool is_text_key(const struct json_token *key) {
    return anthropic_member(key, opaque_names, countof(opaque_names)) == countof(opaque_names);
}

/* Reads over a value and counts its text. */
static bool count_text(struct reading *x, bool text) {
    return chat_body_count(&x->json, text, is_text_key, &x->text_bytes);
}

static int refuse_message(struct reading *x, unsigned number, const char *member,
                          const char *what) {
    return refuse(x, arena_printf(x->arena, "messages[%u]%s", number, member),
                  arena_printf(x->arena, "messages[%u]%s: %s", number, member, what));
}

/* One message, behind its opening brace. */
static int read_message(struct reading *x, unsigned number) {
    struct json *json = &x->json;
    const char *start = json->in.p + json_at(json);
    struct json_token key, role = {.kind = JSON_NULL};
    bool content = false;
    while (json_next(json, &key) == JSON_KEY) {
        if (!json_is(&key, SPAN("role"))) {
            content |= json_is(&key, SPAN("content"));
            if (!count_text(x, is_text_key(&key)))
                return refuse_json(x);
            continue;
        }
        if (role.kind == JSON_STRING)
            return refuse_message(x, number, ".role", "is there twice; give it once.");
        if (json_next(json, &role) == JSON_ERROR)
            return refuse_json(x);
        if (role.kind != JSON_STRING || !role.raw.n)
            return refuse_message(x, number, ".role", "give \"user\" or \"assistant\".");
    }
    if (key.kind != JSON_OBJECT_END)
        return refuse_json(x);
    if (role.kind != JSON_STRING)
        return refuse_message(x, number, ".role", "is missing; give \"user\" or \"assistant\".");
    if (!content)
        return refuse_message(x, number, ".content",
                              "is missing; give a string or an array of content blocks.");
    if (!x->prefix_done) {
        size_t n = (size_t)(json->in.p + json_at(json) - start);
        x->messages = chat_body_mix(x->messages, chat_body_hash(span_of(start, n)));
        x->prefix_done = json_is(&role, SPAN("user"));
    }
    return 0;
}

static int read_messages(struct reading *x) {
    struct json *json = &x->json;
    struct json_token token;
    unsigned count = 0;
    if (json_next(json, &token) == JSON_ERROR)
        return refuse_json(x);
    if (token.kind != JSON_ARRAY)
        return refuse(
            x, top_names[MESSAGES],
            SPAN("messages: give an array of objects, each with a `role` and `content`."));
    while (json_next(json, &token) == JSON_OBJECT) {
        int rc = read_message(x, count++);
        if (rc < 0)
            return rc;
    }
    if (token.kind == JSON_ERROR)
        return refuse_json(x);
    if (token.kind != JSON_ARRAY_END)
        return refuse_message(x, count, "", "give an object with a `role` and `content`.");
    if (!count)
        return refuse(x, top_names[MESSAGES], SPAN("messages: give at least one message."));
    return 0;
}

static int read_max_tokens(struct reading *x) {
    struct json_token value;
    uint64_t number = 0;
    if (json_next(&x->json, &value) == JSON_ERROR)
        return refuse_json(x);
    if (value.kind != JSON_NUMBER || !span_u64(value.raw, CHAT_OUTPUT_TOKENS_MAX, &number) ||
        !number)
        return refuse(x, top_names[MAX_TOKENS],
                      SPAN("max_tokens: give a whole number that is at least 1."));
    x->req->max_output_tokens = number;
    x->req->max_tokens_value = value.raw;
    return 0;
}

static int read_system(struct reading *x) {
    const char *start = x->json.in.p + json_at(&x->json);
    if (!count_text(x, true))
        return refuse_json(x);
    x->system_hash =
        chat_body_hash(span_of(start, (size_t)(x->json.in.p + json_at(&x->json) - start)));
    return 0;
}

static int read_stream(struct reading *x) {
    struct json_token value;
    if (json_next(&x->json, &value) == JSON_ERROR)
        return refuse_json(x);
    if (value.kind != JSON_TRUE && value.kind != JSON_FALSE && value.kind != JSON_NULL)
        return refuse(x, top_names[STREAM], SPAN("stream: give true or false."));
    x->req->stream = value.kind == JSON_TRUE;
    x->req->stream_value = value.raw;
    return 0;
}

static int read_tools(struct reading *x) {
    struct json json;
    struct json_token token;
    struct span value;
    if (!json_value(&x->json, &value))
        return refuse_json(x);
    json_init(&json, value);
    if (json_next(&json, &token) == JSON_NULL)
        return 0;
    if (token.kind != JSON_ARRAY)
        return refuse(x, top_names[TOOLS], SPAN("tools: give an array of objects."));
    if (json_next(&json, &token) != JSON_ARRAY_END) {
        x->req->has_tools = true;
        x->text_bytes += value.n;
    }
    return 0;
}

static int read_metadata(struct reading *x) {
    static const struct span path[] = {SPAN_CONST("user_id")};
    struct json_token user;
    struct span value;
    if (!json_value(&x->json, &value))
        return refuse_json(x);
    if (json_find(value, path, countof(path), &user) && user.kind == JSON_STRING)
        x->req->user = user.raw;
    return 0;
}

static int read_member(struct reading *x, const struct json_token *key) {
    unsigned member = anthropic_member(key, top_names, TOP_COUNT);
    struct span unused;
    if (member == TOP_COUNT)
        return json_value(&x->json, &unused) ? 0 : refuse_json(x);
    if (x->seen & 1u << member)
        return refuse(x, top_names[member],
                      arena_printf(x->arena, "%.*s: is there twice; give it once.",
                                   (int)top_names[member].n, top_names[member].p));
    x->seen |= 1u << member;
    switch (member) {
    case MODEL: return read_model(x, key->raw);
    case MESSAGES: return read_messages(x);
    case MAX_TOKENS: return read_max_tokens(x);
    case SYSTEM: return read_system(x);
    case STREAM: return read_stream(x);
    case TOOLS: return read_tools(x);
    case METADATA: return read_metadata(x);
    case VERSION: return json_value(&x->json, &x->own->version_value) ? 0 : refuse_json(x);
    }
    return 0;
}

static int check_whole(struct reading *x, bool counts) {
    if (!x->req->model_value.p)
        return refuse(x, top_names[MODEL],
                      SPAN("model: is missing; give the name of a model, see GET /v1/models."));
    if (!(x->seen & 1u << MAX_TOKENS) && !counts)
        return refuse(x, top_names[MAX_TOKENS],
                      SPAN("max_tokens: is missing; say how long the answer may be, in tokens."));
    if (!(x->seen & 1u << MESSAGES))
        return refuse(x, top_names[MESSAGES],
                      SPAN("messages: is missing; give an array with at least one message."));
    return 0;
}

static int read(struct span body, struct arena *arena, struct chat_request *req, struct span *why,
                struct span *param, bool counts) {
    struct reading x = {.arena = arena, .req = req, .why = why, .param = param};
    struct json_token token;
    *req = (struct chat_request){
        .body = body,
        .choices = 1,
        .include_usage = true, /* these streams always have it */
        .path_model = req->path_model,
        .path_stream = req->path_stream,
        .betas = req->betas,
    };
    *why = *param = SPAN("");
    x.own = req->own = arena_zalloc(arena, sizeof *x.own);
    if (!x.own)
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
    if (token.kind != JSON_OBJECT_END || json_next(&x.json, &token) != JSON_END)
        return refuse_json(&x);
    int rc = check_whole(&x, counts);
    if (rc < 0)
        return rc;
    req->input_tokens_estimate = max_u64(x.text_bytes / CHAT_BYTES_PER_TOKEN, 1);
    req->prefix_hash =
        chat_body_mix(chat_body_mix(span_hash(req->model), x.system_hash), x.messages);
    return 0;
}

int anthropic_read_request(struct span body, struct arena *arena, struct chat_request *req,
                           struct span *why, struct span *param) {
    return read(body, arena, req, why, param, false);
}

int anthropic_read_count_request(struct span body, struct arena *arena, struct chat_request *req,
                                 struct span *why, struct span *param) {
    return read(body, arena, req, why, param, true);
}
