/* openai_error.c - error bodies of the OpenAI shape and its relatives: read, understood, written.
 * (pure)
 *
 *     {"error":{"message","type","param","code"}}  OpenAI, DeepSeek, Groq, Kimi, Azure; Google and
 *                                                  OpenRouter with a number for a code
 *     {"error":"text"}  {"code","message"}         xAI; DashScope
 *     {"object":"error","message","type","code"}   old vLLM; Mistral, whose message can be a list
 *     {"statusCode","message"}  {"detail"}         Azure API management; FastAPI
 *     [{"error":{}}]                               Google, on array endpoints
 *
 * Anything else (HTML of a front end) reads as no fields at all.
 *
 * Promises: a client is never told an upstream 401 or 403 as its own. */
#include "providers/openai_chat.h"

#include "core/base.h"

static const struct {
    struct span text;
    enum fail fail;
} error_rows[] = {
#define OPENAI_ERROR(text, fail) {SPAN_CONST(text), FAIL_##fail},
#include "providers/openai_errors.def"
#undef OPENAI_ERROR
};

/* --- reading --- */

/* A string's content, or the digits of a number; else empty. */
static struct span scalar(const struct json_token *token) {
    return token->kind == JSON_STRING || token->kind == JSON_NUMBER ? token->raw : SPAN("");
}

/* The first text under a `msg` or `message` at any depth: pydantic's lists of what is wrong, as
 * Mistral and vLLM send them. */
static struct span nested_message(struct span json_text) {
    struct json json;
    struct json_token token;
    bool message = false;
    json_init(&json, json_text);
    while (json_next(&json, &token) != JSON_ERROR && token.kind != JSON_END) {
        if (message && token.kind == JSON_STRING)
            return token.raw;
        message = token.kind == JSON_KEY &&
                  (json_is(&token, SPAN("msg")) || json_is(&token, SPAN("message")));
    }
    return SPAN("");
}

static void read_fields(struct span object, struct chat_error *error) {
    const struct {
        struct span name, *out;
        bool text; /* may be nested */
    } fields[] = {
        {SPAN("message"), &error->message, true},    {SPAN("detail"), &error->message, true},
        {SPAN("Message"), &error->message, true},    {SPAN("type"), &error->type, false},
        {SPAN("code"), &error->code, false},         {SPAN("param"), &error->param, false},
        {SPAN("status"), &error->status, false},     {SPAN("status_code"), &error->status, false},
        {SPAN("statusCode"), &error->status, false},
    };
    for (unsigned i = 0; i < countof(fields); i++) {
        struct json_token token;
        if (fields[i].out->n || !json_find(object, &fields[i].name, 1, &token))
            continue;
        if (fields[i].text && (token.kind == JSON_OBJECT || token.kind == JSON_ARRAY))
            *fields[i].out = nested_message(token.raw);
        else
            *fields[i].out = scalar(&token);
    }
}

/* The first element of an array, or the text itself. */
static struct span first_element(struct span body) {
    struct json json;
    struct json_token token;
    struct span element;
    json_init(&json, body);
    if (json_next(&json, &token) == JSON_ARRAY && json_value(&json, &element))
        return element;
    return body;
}

void openai_read_error(struct span body, struct chat_error *error) {
    static const struct span path[] = {SPAN_CONST("error")};
    struct json_token token;
    *error = (struct chat_error){.message = {NULL, 0}};
    body = first_element(body);
    if (json_find(body, path, countof(path), &token)) {
        if (token.kind == JSON_OBJECT)
            read_fields(token.raw, error);
        else
            error->message = scalar(&token);
    }
    read_fields(body, error);
}

/* --- understanding --- */

static enum fail fail_of_text(struct span text) {
    for (unsigned i = 0; i < countof(error_rows); i++)
        if (span_eq(text, error_rows[i].text))
            return error_rows[i].fail;
    return FAIL_NONE;
}

enum fail openai_status_fail(unsigned status) {
    switch (status) {
    case 401:
    case 403: return FAIL_UPSTREAM_AUTH;
    case 402: return FAIL_QUOTA;
    case 404:
    case 405: /* a wrong base_url, as a wrong model is the operator's to mend */
    case 410: return FAIL_UPSTREAM_MODEL;
    case 408: return FAIL_UPSTREAM_TIMEOUT;
    case 409:
    case 425: return FAIL_UPSTREAM_CONFLICT;
    case 424: return FAIL_UPSTREAM_5XX; /* Bedrock's ModelErrorException */
    case 429:
    case 498: return FAIL_RATE_LIMITED; /* 498: Groq's flex capacity */
    case 499: return FAIL_UPSTREAM_5XX; /* Google's CANCELLED; when we cancelled nobody asks */
    case 503:
    case 529: return FAIL_OVERLOADED;
    }
    if (status >= 200 && status < 300)
        return FAIL_NONE;
    return status >= 400 && status < 500 ? FAIL_REFUSED : FAIL_UPSTREAM_5XX;
}

/* A field that holds an HTTP status: OpenRouter's and Google's code, Azure's "401", Groq's
 * status_code. */
static enum fail fail_of_digits(struct span text) {
    uint64_t status;
    if (text.n != 3 || !span_u64(text, 599, &status) || status < 400)
        return FAIL_NONE;
    return openai_status_fail((unsigned)status);
}

enum fail openai_error_fail(const struct chat_error *error, bool in_stream) {
    const struct span fields[] = {error->code, error->type, error->status};
    enum fail fail = FAIL_NONE, vague = FAIL_NONE;
    for (unsigned i = 0; i < countof(fields) && fail == FAIL_NONE; i++) {
        fail = fail_of_text(fields[i]);
        /* "invalid request" is said of anything, also of an unknown key: a status beside it knows
         * better. */
        if (fail == FAIL_REFUSED && i > 0) {
            vague = fail;
            fail = FAIL_NONE;
        }
    }
    for (unsigned i = 0; in_stream && i < countof(fields) && fail == FAIL_NONE; i++)
        fail = fail_of_digits(fields[i]);
    return fail != FAIL_NONE ? fail : vague;
}

/* --- writing (PROVIDERS.md 5.4) --- */

/* What OpenAI's SDKs know the failure as. Failures without a row are the server's, with their own
 * name as the code. A NULL code is null. */
static const struct class {
    const char *type, *code;
} classes[FAIL_COUNT] = {
    [FAIL_KEY] = {"authentication_error", "invalid_api_key"},
    [FAIL_FORBIDDEN] = {"permission_error", "model_not_allowed"},
    [FAIL_RESIDENCY] = {"permission_error", "residency"},
    [FAIL_NO_MODEL] = {"invalid_request_error", "model_not_found"},
    [FAIL_NO_PATH] = {"invalid_request_error", "unknown_url"},
    [FAIL_METHOD] = {"invalid_request_error", "method_not_supported"},
    [FAIL_BAD_REQUEST] = {"invalid_request_error", NULL},
    [FAIL_BAD_HTTP] = {"invalid_request_error", "bad_http"},
    [FAIL_SLOW_REQUEST] = {"invalid_request_error", "slow_request"},
    [FAIL_LENGTH_REQUIRED] = {"invalid_request_error", "length_required"},
    [FAIL_BODY_TOO_LARGE] = {"invalid_request_error", "request_too_large"},
    [FAIL_URI_TOO_LONG] = {"invalid_request_error", "uri_too_long"},
    [FAIL_HEAD_TOO_LARGE] = {"invalid_request_error", "head_too_large"},
    [FAIL_MEDIA_TYPE] = {"invalid_request_error", "media_type"},
    [FAIL_EXPECTATION] = {"invalid_request_error", "expectation"},
    [FAIL_VERSION] = {"invalid_request_error", "version"},
    [FAIL_REFUSED] = {"invalid_request_error", NULL},
    [FAIL_POLICY] = {"invalid_request_error", "content_filter"},
    [FAIL_QUOTA] = {"insufficient_quota", "insufficient_quota"},
    [FAIL_RATE_LIMITED] = {"rate_limit_error", "rate_limit_exceeded"},
    [FAIL_KEY_LIMIT] = {"rate_limit_error", "rate_limit_exceeded"},
    [FAIL_NO_ROOM] = {"rate_limit_error", "rate_limit_exceeded"},
    [FAIL_OVERLOADED] = {"server_error", "overloaded"},
    [FAIL_OVERLOAD] = {"server_error", "overloaded"},
    [FAIL_DRAINING] = {"server_error", "overloaded"},
    [FAIL_POOL] = {"server_error", "overloaded"},
    [FAIL_CONNECT_TIMEOUT] = {"timeout", "timeout"},
    [FAIL_TLS_TIMEOUT] = {"timeout", "timeout"},
    [FAIL_HEAD_TIMEOUT] = {"timeout", "timeout"},
    [FAIL_FIRST_TOKEN] = {"timeout", "timeout"},
    [FAIL_IDLE] = {"timeout", "timeout"},
    [FAIL_TOTAL] = {"timeout", "timeout"},
    [FAIL_UPSTREAM_TIMEOUT] = {"timeout", "timeout"},
};

static void write_string_or_null(struct json_out *out, struct span key, struct span text) {
    json_out_key(out, key);
    if (text.n)
        json_out_string(out, text);
    else
        json_out_null(out);
}

void openai_write_error(enum fail why, struct span message, struct span param,
                        struct json_out *out) {
    CHECK((unsigned)why < FAIL_COUNT);
    struct class class = classes[why];
    if (!class.type)
        class = (struct class){"server_error", fail_name(why)};
    json_out_object(out);
    json_out_key(out, SPAN("error"));
    json_out_object(out);
    json_out_key(out, SPAN("message"));
    json_out_string(out, message.n ? message : span_str(fail_text(why)));
    write_string_or_null(out, SPAN("type"), span_str(class.type));
    write_string_or_null(out, SPAN("param"), param);
    write_string_or_null(out, SPAN("code"), span_str(class.code));
    json_out_object_end(out);
    json_out_object_end(out);
}

void openai_write_error_event(enum fail why, struct span message, struct json_out *out) {
    json_out_raw(out, SPAN("data: "));
    openai_write_error(why, message, SPAN(""), out);
    json_out_raw(out, SPAN("\n\n"));
}
