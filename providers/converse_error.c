/* converse_error.c - errors of Bedrock: their bodies, and what they mean. (pure)
 *
 *     {"message":".."}  {"Message":".."}        the type is in x-amzn-ErrorType
 *     {"__type":"..#ThrottlingException",..}    older front ends
 *     exception messages of a stream            the type is their name; Amazon's own HTTP status was
 *                                               200 by then
 *
 * Owns: nothing. Names are rows of converse_errors.def. */
#include "providers/converse.h"

static const struct {
    struct span name;
    enum fail fail;
} error_rows[] = {
#define CONVERSE_ERROR(text, why) {SPAN_CONST(text), FAIL_##why},
#include "providers/converse_errors.def"
#undef CONVERSE_ERROR
};

/* Texts of a ValidationException that say something of the configured model, not of the request:
 * pieces without the apostrophes, which AWS writes in more than one way. */
static const struct span model_texts[] = {
    SPAN_CONST("on-demand throughput isn"), /* the model is to be had by inference profile only */
    SPAN_CONST("model identifier is invalid"),
    SPAN_CONST("model ID is not supported"),
    SPAN_CONST("reached the end of its life"),
    SPAN_CONST("support the Converse API"), /* "This model doesn't ..." */
};

static bool holds(struct span text, struct span needle) {
    return span_search(text, needle) < text.n;
}

enum fail converse_refusal_fail(struct span message) {
    for (unsigned i = 0; i < countof(model_texts); i++)
        if (holds(message, model_texts[i]))
            return FAIL_UPSTREAM_MODEL;
    return FAIL_REFUSED;
}

enum fail converse_error_fail(struct span type, struct span message, unsigned status) {
    unsigned i = 0;
    while (i < countof(error_rows) && !span_eq_nocase(type, error_rows[i].name))
        i++;
    if (i == countof(error_rows))
        return FAIL_NONE;
    enum fail fail = error_rows[i].fail;
    if (fail == FAIL_REFUSED)
        return converse_refusal_fail(message);
    /* "Too many tokens per day": waiting some seconds does not help. */
    if (fail == FAIL_RATE_LIMITED && holds(message, SPAN("per day")))
        return FAIL_QUOTA;
    /* The model's own server behind Bedrock. */
    if (fail == FAIL_ERROR_EVENT && status == 429)
        return FAIL_RATE_LIMITED;
    if (fail == FAIL_ERROR_EVENT && (status == 503 || status == 529))
        return FAIL_OVERLOADED;
    return fail;
}

struct span converse_error_type(struct span type) {
    size_t hash = span_find(type, '#', 0);
    if (hash < type.n)
        type = span_from(type, hash + 1);
    type.n = span_find(type, ':', 0);
    return span_trim(type);
}

enum { MESSAGE, MESSAGE_CAPITAL, TYPE, CODE, FIELD_COUNT };

void converse_read_error(struct span body, struct chat_error *error) {
    static const struct converse_shape shape[] = {
        {SPAN_CONST("message"), NULL, MESSAGE},
        {SPAN_CONST("Message"), NULL, MESSAGE_CAPITAL},
        {SPAN_CONST("__type"), NULL, TYPE},
        {SPAN_CONST("code"), NULL, CODE},
        {{NULL, 0}, NULL, 0},
    };
    struct json_token fields[FIELD_COUNT] = {{.kind = JSON_ERROR}};
    *error = (struct chat_error){.message = {NULL, 0}};
    if (!converse_fields(body, shape, fields))
        return;
    error->message = converse_text(&fields[MESSAGE]);
    if (!error->message.n)
        error->message = converse_text(&fields[MESSAGE_CAPITAL]);
    error->type = converse_error_type(converse_text(&fields[TYPE]));
    error->code = converse_text(&fields[CODE]);
}
