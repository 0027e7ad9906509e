/* embeddings.c - requests for embeddings, and whether an answer to one is whole. (pure)
 *
 * Owns:     nothing.
 * Promises: one pass over a request, one over an answer. What is accepted is valid JSON with one
 *           model and one input that is not empty, and no member twice that hedgerow reads.
 * Refuses:  the rest, with a sentence that says what to do. Limits on the number and length of
 *           inputs are the provider's to judge. */
#include "providers/embeddings.h"

#include "providers/chat_body.h"
#include "providers/openai_chat.h"
#include "providers/provider.h"

enum { MODEL, INPUT, ENCODING_FORMAT, DIMENSIONS, USER, TOP_COUNT };
static const struct span top_names[TOP_COUNT] = {
    [MODEL] = SPAN_CONST("model"),
    [INPUT] = SPAN_CONST("input"),
    [ENCODING_FORMAT] = SPAN_CONST("encoding_format"),
    [DIMENSIONS] = SPAN_CONST("dimensions"),
    [USER] = SPAN_CONST("user"),
};

struct reading {
    struct json json;
    struct arena *arena;
    struct embeddings_request *req;
    struct span *why, *param;
    unsigned seen; /* bit per member of top_names */
    uint64_t text_bytes, tokens;
};

static int refuse(struct reading *x, struct span param, struct span why) {
    *x->param = param;
    *x->why = why;
    return -FAIL_BAD_REQUEST;
}

static int refuse_json(struct reading *x) {
    return refuse(x, SPAN(""), chat_body_why_json(&x->json, x->arena));
}

static int refuse_input(struct reading *x) {
    return refuse(x, top_names[INPUT],
                  SPAN("Give `input` as a string, an array of strings, or tokens as an array of "
                       "whole numbers or an array of such arrays; none of them empty."));
}

/* --- the request --- */

static int read_model(struct reading *x) {
    struct json_token value;
    if (json_next(&x->json, &value) == JSON_ERROR)
        return refuse_json(x);
    if (!chat_body_name(&value, x->arena, &x->req->model))
        return -FAIL_OVERLOAD;
    if (!x->req->model.n)
        return refuse(x, top_names[MODEL],
                      SPAN("Give `model` as a string: the name of a model, see GET /v1/models."));
    x->req->model_value = span_of(value.raw.p - 1, value.raw.n + 2); /* with its quotes */
    return 0;
}

static bool is_token(const struct json_token *token) {
    uint64_t number;
    return token->kind == JSON_NUMBER && span_u64(token->raw, UINT32_MAX, &number);
}

/* A list of tokens, behind its bracket and first element `token`. */
static bool read_tokens(struct reading *x, struct json_token *token) {
    for (; is_token(token); json_next(&x->json, token))
        x->tokens++;
    return token->kind == JSON_ARRAY_END;
}

static bool read_texts(struct reading *x, struct json_token *token) {
    unsigned count = 0;
    for (; token->kind == JSON_STRING && token->raw.n; json_next(&x->json, token), count++)
        x->text_bytes += token->raw.n;
    x->req->inputs = count;
    return token->kind == JSON_ARRAY_END;
}

static bool read_token_lists(struct reading *x, struct json_token *token) {
    unsigned count = 0;
    for (; token->kind == JSON_ARRAY; json_next(&x->json, token), count++) {
        json_next(&x->json, token);
        if (!is_token(token) || !read_tokens(x, token))
            return false;
    }
    x->req->inputs = count;
    return token->kind == JSON_ARRAY_END;
}

/* The first element says what all of them have to be. */
static bool read_array(struct reading *x) {
    struct json_token token;
    json_next(&x->json, &token);
    switch (token.kind) {
    case JSON_STRING: x->req->input = EMBEDDINGS_TEXTS; return read_texts(x, &token);
    case JSON_NUMBER: x->req->input = EMBEDDINGS_TOKENS; return read_tokens(x, &token);
    case JSON_ARRAY: x->req->input = EMBEDDINGS_TOKEN_LISTS; return read_token_lists(x, &token);
    case JSON_ERROR:
    case JSON_END:
    case JSON_OBJECT:
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
    case JSON_KEY:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL: break;
    }
    return false;
}

static int read_input(struct reading *x) {
    struct json before = x->json;
    struct json_token token;
    bool good = false;
    json_next(&x->json, &token);
    const char *start = token.raw.p;
    if (token.kind == JSON_STRING) {
        x->text_bytes = token.raw.n;
        good = token.raw.n > 0;
        start--; /* its quote */
    } else if (token.kind == JSON_ARRAY) {
        good = read_array(x);
    }
    if (x->json.error)
        return refuse_json(x);
    if (!good) {
        /* What is no JSON at all is told as such, wherever it breaks. */
        struct span value;
        if (!json_value(&before, &value)) {
            x->json = before;
            return refuse_json(x);
        }
        return refuse_input(x);
    }
    x->req->input_value = span_of(start, (size_t)(x->json.in.p + json_at(&x->json) - start));
    return 0;
}

static int read_string(struct reading *x, unsigned member, struct span *out) {
    struct json_token value;
    json_next(&x->json, &value);
    if (!openai_skip(&x->json, &value))
        return refuse_json(x);
    if (value.kind == JSON_NULL)
        return 0;
    if (value.kind != JSON_STRING)
        return refuse(x, top_names[member],
                      arena_printf(x->arena, "Give `%s` as a string.", top_names[member].p));
    *out = value.raw;
    return 0;
}

static int read_dimensions(struct reading *x) {
    struct json_token value;
    json_next(&x->json, &value);
    if (!openai_skip(&x->json, &value))
        return refuse_json(x);
    if (value.kind == JSON_NULL)
        return 0;
    if (value.kind != JSON_NUMBER || !span_u64(value.raw, UINT32_MAX, &x->req->dimensions) ||
        !x->req->dimensions)
        return refuse(x, top_names[DIMENSIONS],
                      SPAN("Give `dimensions` as a whole number of at least 1."));
    return 0;
}

static int read_member(struct reading *x, const struct json_token *key) {
    unsigned member = openai_member(key, top_names, TOP_COUNT);
    struct span unused;
    if (member == TOP_COUNT)
        return json_value(&x->json, &unused) ? 0 : refuse_json(x);
    if (x->seen & 1u << member)
        return refuse(
            x, top_names[member],
            arena_printf(x->arena, "`%s` is there twice; give it once.", top_names[member].p));
    x->seen |= 1u << member;
    switch (member) {
    case MODEL: return read_model(x);
    case INPUT: return read_input(x);
    case ENCODING_FORMAT: return read_string(x, member, &x->req->encoding_format);
    case DIMENSIONS: return read_dimensions(x);
    case USER: return read_string(x, member, &x->req->user);
    }
    return 0;
}

int embeddings_read_request(struct span body, struct arena *arena, struct embeddings_request *out,
                            struct span *why, struct span *param) {
    struct reading x = {.arena = arena, .req = out, .why = why, .param = param};
    struct json_token token;
    *out = (struct embeddings_request){.body = body, .inputs = 1};
    *why = *param = SPAN("");
    json_init(&x.json, body);
    if (json_next(&x.json, &token) != JSON_OBJECT)
        return token.kind == JSON_ERROR
                   ? refuse_json(&x)
                   : refuse(&x, SPAN(""), SPAN("The body is not a JSON object: send one."));
    while (json_next(&x.json, &token) == JSON_KEY) {
        int rc = read_member(&x, &token);
        if (rc < 0)
            return rc;
    }
    if (token.kind != JSON_OBJECT_END || json_next(&x.json, &token) != JSON_END)
        return refuse_json(&x);
    if (!(x.seen & 1u << MODEL))
        return refuse(&x, top_names[MODEL],
                      SPAN("`model` is missing; give the name of a model, see GET /v1/models."));
    if (!(x.seen & 1u << INPUT))
        return refuse(&x, top_names[INPUT],
                      SPAN("`input` is missing; give the text to embed, or an array of texts."));
    out->input_tokens_estimate = max_u64(x.tokens + x.text_bytes / CHAT_BYTES_PER_TOKEN, 1);
    return 0;
}

int embeddings_edit(const struct embeddings_request *req, struct span model, unsigned quirks,
                    struct arena *arena, struct chat_edit *edits) {
    struct json_out name;
    if (quirks & QUIRK_MODEL_IN_PATH || span_eq(model, req->model))
        return 0;
    json_out_arena(&name, arena, model.n + 2);
    json_out_string(&name, model);
    if (name.full)
        return -FAIL_OVERLOAD;
    edits[0] = (struct chat_edit){.at = (size_t)(req->model_value.p - req->body.p),
                                  .remove = req->model_value.n,
                                  .insert = json_out_span(&name)};
    return 1;
}

/* --- the answer --- */

static uint64_t count_at(struct span object, struct span name) {
    struct json_token token;
    uint64_t number = 0;
    if (json_find(object, &name, 1, &token) && token.kind == JSON_NUMBER)
        span_u64(token.raw, UINT64_MAX / 4, &number);
    return number;
}

static void read_usage(struct span object, struct chat_usage *usage) {
    if (object.p[0] != '{' || !openai_says_something(object))
        return;
    usage->known = true;
    usage->raw = object;
    usage->input_tokens = count_at(object, SPAN("prompt_tokens"));
    if (!usage->input_tokens)
        usage->input_tokens = count_at(object, SPAN("total_tokens"));
}

/* An element of `data`, behind its brace: does it hold an embedding, numbers or base64? */
static bool read_embedding(struct json *json) {
    struct json_token key;
    bool holds = false;
    while (json_next(json, &key) == JSON_KEY) {
        struct json_token value;
        struct json ahead;
        json_next(json, &value);
        if (json_is(&key, SPAN("embedding"))) {
            ahead = *json;
            holds = value.kind == JSON_STRING
                        ? value.raw.n > 0
                        : value.kind == JSON_ARRAY && json_next(&ahead, &key) == JSON_NUMBER;
        }
        if (!openai_skip(json, &value))
            return false;
    }
    return holds && key.kind == JSON_OBJECT_END;
}

/* `data`, which comes next: how many embeddings; -1 when it is something else. */
static int read_data(struct json *json) {
    struct json_token token;
    int count = 0;
    if (json_next(json, &token) != JSON_ARRAY)
        return openai_skip(json, &token) && token.kind == JSON_NULL ? 0 : -1;
    while (json_next(json, &token) == JSON_OBJECT) {
        if (!read_embedding(json))
            return -1;
        count++;
    }
    return token.kind == JSON_ARRAY_END ? count : -1;
}

/* What an answer without embeddings is. */
static int fault_of(struct span body, bool wrong) {
    struct chat_error error;
    size_t at;
    bool broken = json_check(body, &at, NULL) < 0;
    if (broken && at == body.n && body.p[0] == '{')
        return -FAIL_INCOMPLETE;
    openai_read_error(body, &error);
    enum fail why = openai_error_fail(&error, true);
    if (why != FAIL_NONE)
        return -(int)why;
    if (error.message.n)
        return -FAIL_ERROR_EVENT;
    return broken || wrong ? -FAIL_BAD_EVENT : -FAIL_EMPTY;
}

int embeddings_check_body(struct span body, struct chat_usage *usage) {
    enum { DATA, USAGE, ERROR, COUNT };
    static const struct span names[COUNT] = {
        [DATA] = SPAN_CONST("data"),
        [USAGE] = SPAN_CONST("usage"),
        [ERROR] = SPAN_CONST("error"),
    };
    struct json json;
    struct json_token token;
    struct span value;
    int count = -1;
    *usage = (struct chat_usage){.known = false};
    while (body.n && strchr(" \t\r\n", body.p[0]) && body.p[0])
        body = span_from(body, 1);
    if (!body.n)
        return -FAIL_EMPTY;
    json_init(&json, body);
    if (json_next(&json, &token) != JSON_OBJECT)
        return fault_of(body, true);
    while (json_next(&json, &token) == JSON_KEY) {
        unsigned member = openai_member(&token, names, COUNT);
        if (member == DATA) {
            if ((count = read_data(&json)) < 0)
                return fault_of(body, true);
            continue;
        }
        if (!json_value(&json, &value))
            return fault_of(body, true);
        if (member == USAGE)
            read_usage(value, usage);
        if (member == ERROR && openai_says_something(value) && !span_eq(value, SPAN("false"))) {
            int why = fault_of(body, true);
            return why == -FAIL_BAD_EVENT ? -FAIL_ERROR_EVENT : why;
        }
    }
    if (token.kind != JSON_OBJECT_END || json_next(&json, &token) != JSON_END || count <= 0)
        return fault_of(body, count < 0);
    return 0;
}
