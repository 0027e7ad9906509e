/* gemini_error.c - Google's error bodies: read, understood, written. (pure)
 *
 *     {"error":{"code":429,"message":"..","status":"RESOURCE_EXHAUSTED","details":[..]}}
 *     [{"error":{..}}]    streams without alt=sse
 *
 * Anything else (the HTML of a wrong host or path) reads as no fields at all.
 *
 * Promises: a client is never told an upstream 401 or 403 as its own. */
#include "providers/gemini.h"

#include "core/limits.h"

static const struct {
    struct span word;
    int status;
    enum fail fail;
} rows[] = {
#define GEMINI_ERROR(word, status, fail) {SPAN_CONST(word), status, FAIL_##fail},
#include "providers/gemini_errors.def"
#undef GEMINI_ERROR
};

static struct span scalar(const struct json_token *value) {
    return value->kind == JSON_STRING || value->kind == JSON_NUMBER ? value->raw : SPAN("");
}

/* The object under `error`: of the body, or of the first element of an array that has one. */
static bool find_error(struct span body, struct json_token *error) {
    struct json json;
    struct json_token item;
    body = gemini_skip_blanks(body);
    if (!body.n || body.p[0] != '[')
        return gemini_find(body, SPAN("error"), error);
    gemini_open(&json, body);
    while (gemini_item(&json, &item))
        if (gemini_find(item.raw, SPAN("error"), error))
            return true;
    return false;
}

void gemini_read_error(struct span body, struct chat_error *error) {
    struct json json;
    struct json_token found, key, value;
    *error = (struct chat_error){.message = {NULL, 0}};
    if (!find_error(body, &found))
        return;
    if (found.kind != JSON_OBJECT) {
        error->message = scalar(&found);
        return;
    }
    gemini_open(&json, found.raw);
    while (gemini_pair(&json, &key, &value)) {
        if (gemini_is(&key, SPAN("message")))
            error->message = scalar(&value);
        else if (gemini_is(&key, SPAN("code")))
            error->code = scalar(&value);
        else if (gemini_is(&key, SPAN("status")))
            error->status = scalar(&value);
    }
}

static bool says(struct span text, struct span word) { return span_search(text, word) < text.n; }

enum fail gemini_error_fail(const struct chat_error *error, struct span body) {
    enum fail fail = FAIL_NONE;
    uint64_t code = 0;
    for (unsigned i = 0; i < countof(rows) && fail == FAIL_NONE; i++)
        if (span_eq(error->status, rows[i].word))
            fail = rows[i].fail;
    if (fail == FAIL_NONE && span_u64(error->code, 599, &code))
        for (unsigned i = 0; i < countof(rows) && fail == FAIL_NONE; i++)
            if (rows[i].status == (int)code)
                fail = rows[i].fail;
    if (fail == FAIL_NONE && code >= 400)
        fail = code < 500 ? FAIL_REFUSED : FAIL_UPSTREAM_5XX;
    /* A wrong key is an invalid argument to Google; it must not be told as the client's fault. */
    if (fail == FAIL_REFUSED &&
        (says(error->message, SPAN("API key")) || says(body, SPAN("\"API_KEY_INVALID\""))))
        return FAIL_UPSTREAM_AUTH;
    /* A quota of the day does not come back in the time of a request. */
    if (fail == FAIL_RATE_LIMITED && says(body, SPAN("PerDay")))
        return FAIL_QUOTA;
    return fail;
}

struct span gemini_status_word(int status) {
    for (unsigned i = 0; i < countof(rows); i++)
        if (rows[i].status == status)
            return rows[i].word;
    return status < 500    ? SPAN("INVALID_ARGUMENT")
           : status == 502 ? SPAN("UNAVAILABLE")
                           : SPAN("INTERNAL");
}

void gemini_write_error(enum fail why, struct span message, struct span param,
                        struct json_out *out) {
    int status = fail_status(why);
    json_out_object(out);
    json_out_key(out, SPAN("error"));
    json_out_object(out);
    json_out_key(out, SPAN("code"));
    json_out_int(out, status);
    json_out_key(out, SPAN("message"));
    json_out_string(out, message.n ? message : span_str(fail_text(why)));
    json_out_key(out, SPAN("status"));
    json_out_escaped(out, gemini_status_word(status));
    if (param.n) {
        json_out_key(out, SPAN("details"));
        json_out_array(out);
        json_out_object(out);
        json_out_key(out, SPAN("@type"));
        json_out_escaped(out, SPAN("type.googleapis.com/google.rpc.BadRequest"));
        json_out_key(out, SPAN("fieldViolations"));
        json_out_array(out);
        json_out_object(out);
        json_out_key(out, SPAN("field"));
        json_out_string(out, param);
        json_out_object_end(out);
        json_out_array_end(out);
        json_out_object_end(out);
        json_out_array_end(out);
    }
    json_out_object_end(out);
    json_out_object_end(out);
}

void gemini_write_error_event(enum fail why, struct span message, struct json_out *out) {
    json_out_raw(out, SPAN("data: "));
    gemini_write_error(why, message, SPAN(""), out);
    json_out_raw(out, SPAN("\r\n\r\n"));
}
