/* anthropic_error.c - errors as the Messages API spells them. (pure)
 *
 *     {"type":"error","error":{"type":"overloaded_error","message":".."},"request_id":".."}
 *
 * Vertex and gateways answer in Google's and OpenAI's shapes, so that reading takes those too.
 *
 * Promises: a client is never told an upstream 401 or 403 as its own. */
#include "providers/anthropic.h"
#include "providers/openai_chat.h"

static const struct {
    struct span type;
    enum fail fail;
} type_rows[] = {
#define ANTHROPIC_TYPE(type, fail) {SPAN_CONST(type), FAIL_##fail},
#include "providers/anthropic_errors.def"
};

static const char *const classes[FAIL_COUNT] = {
#define ANTHROPIC_CLASS(fail, type) [FAIL_##fail] = type,
#include "providers/anthropic_errors.def"
};

void anthropic_read_error(struct span body, struct chat_error *error) {
    openai_read_error(body, error);
    /* The type of the whole body says nothing of an error in it. */
    if (span_eq(error->type, SPAN("error")) || span_eq(error->type, SPAN("message")))
        error->type = span_of(NULL, 0);
}

enum fail anthropic_error_fail(const struct chat_error *error) {
    for (unsigned i = 0; i < countof(type_rows); i++)
        if (span_eq(error->type, type_rows[i].type))
            return type_rows[i].fail;
    enum fail fail = openai_error_fail(error, true);
    return fail != FAIL_NONE ? fail : FAIL_ERROR_EVENT;
}

void anthropic_write_error(enum fail why, struct span message, struct span param,
                           struct json_out *out) {
    (void)param; /* this API has no place for it; our messages begin with it */
    CHECK((unsigned)why < FAIL_COUNT);
    json_out_object(out);
    json_out_key(out, SPAN("type"));
    json_out_escaped(out, SPAN("error"));
    json_out_key(out, SPAN("error"));
    json_out_object(out);
    json_out_key(out, SPAN("type"));
    json_out_escaped(out, span_str(classes[why] ? classes[why] : "api_error"));
    json_out_key(out, SPAN("message"));
    json_out_string(out, message.n ? message : span_str(fail_text(why)));
    json_out_object_end(out);
    json_out_object_end(out);
}

void anthropic_write_error_event(enum fail why, struct span message, struct json_out *out) {
    json_out_raw(out, SPAN("event: error\ndata: "));
    anthropic_write_error(why, message, SPAN(""), out);
    json_out_raw(out, SPAN("\n\n"));
}
