/* openai_responses_error.c - an error inside a Responses stream. (pure)
 *
 *     event: error
 *     data: {"type":"error","code","message","param","sequence_number","error":{..}}
 *
 * The specification's members are `code` and `message`; but OpenAI itself sends the inner `error`,
 * and it is on this member that the Python and JavaScript SDKs raise, whatever the event's name. The
 * flat form alone is handed to Python programs as an event like any other, and response.failed
 * raises nothing at all: programs that do not look for it would take the answer for whole.
 *
 * The sequence number is 0: who writes this does not know the stream, and typed clients want one. */
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"

/* The longest code that is said twice. */
#define CODE_MAX 64

void openai_responses_write_error_event(enum fail why, struct span message, struct json_out *out) {
    static const struct span path[] = {SPAN_CONST("error"), SPAN_CONST("code")};
    char text[CODE_MAX];
    struct json_token code;
    json_out_raw(out, SPAN("event: error\ndata: "));
    size_t start = out->n;
    openai_write_error(why, message, SPAN(""), out);
    if (out->full)
        return;
    struct span error = span_of(out->p + start, out->n - start);
    bool known = json_find(error, path, countof(path), &code) && code.kind == JSON_STRING &&
                 code.raw.n <= sizeof text;
    if (known)
        memcpy(text, code.raw.p, code.raw.n);
    out->n--; /* the object goes on; its closing brace comes again */
    json_out_key(out, SPAN("type"));
    json_out_escaped(out, SPAN("error"));
    json_out_key(out, SPAN("code"));
    if (known)
        json_out_escaped(out, span_of(text, code.raw.n));
    else
        json_out_null(out);
    json_out_key(out, SPAN("message"));
    json_out_string(out, message.n ? message : span_str(fail_text(why)));
    json_out_key(out, SPAN("param"));
    json_out_null(out);
    json_out_key(out, SPAN("sequence_number"));
    json_out_int(out, 0);
    json_out_object_end(out);
    json_out_raw(out, SPAN("\n\n"));
}
