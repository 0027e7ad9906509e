/* format_completions.c (pure) - OpenAI's legacy completions (text_completion). Facts: OpenAI API
 * specification 2.3.0. The prompt is the last user text of ask.h's conventions. */
#include "bench/ask_check.h"
#include "bench/format_openai.h"

#include <string.h>

enum { TOKENS_DEFAULT = 16 };

static const struct ask_param params[] = {
#define PARAM(name, types, lowest, highest) {#name, types, lowest, highest},
#include "bench/completions_param.def"
#undef PARAM
};

static bool read_root(struct ask *ask, yyjson_val *root, bool model_in_path, struct ask_error *e) {
    yyjson_val *prompt = ask_given(root, "prompt"), *v;
    struct bytes said = {0};
    if (!ask_check_params(root, params, sizeof params / sizeof params[0], e) ||
        !ask_check_stop(root, e))
        return false;
    if (!ask_given(root, "model") && !model_in_path)
        return ask_refuse(e, "", "", "you must provide a model parameter");
    ask->stream = yyjson_get_bool(ask_given(root, "stream"));
    v = ask_given(root, "stream_options");
    if (v && !ask->stream)
        return ask_refuse(
            e, "", "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
    ask->include_usage = yyjson_is_true(yyjson_obj_get(v, "include_usage"));
    v = ask_given(root, "max_tokens");
    ask->max_tokens = v ? (unsigned)yyjson_get_uint(v) : TOKENS_DEFAULT;
    v = ask_given(root, "n");
    ask->choices = v ? (unsigned)yyjson_get_uint(v) : 1;
    ask_take_text(&ask->model, ask_given(root, "model"));
    ask_take_text(&said, yyjson_is_arr(prompt) ? yyjson_arr_get_first(prompt) : prompt);
    ask_take_wish(ask, &(struct ask_wish){.said = &said});
    bytes_free(&said);
    return true;
}

static bool completions_read(struct ask *ask, const struct format_request *request,
                             struct ask_error *e) {
    ask_clear(ask);
    yyjson_doc *doc = yyjson_read(request->body, request->size, YYJSON_READ_NOFLAG);
    bool ok = yyjson_is_obj(yyjson_doc_get_root(doc))
                  ? read_root(ask, yyjson_doc_get_root(doc), request->model_in_path, e)
                  : ask_refuse_json(e);
    ask->prompt_tokens = (unsigned)(request->size / ASK_BYTES_PER_TOKEN + 1);
    yyjson_doc_free(doc);
    return ok;
}

/* ---- writing ---- */

static const char *finish_reason(const struct answer *a) {
    return a->end == ANSWER_CUT ? "length" : "stop";
}

static void write_head(struct answer *a, struct bytes *out) {
    bytes_fmt(out, "{\"id\":\"%s\",\"object\":\"text_completion\",\"created\":%ld,\"model\":\"",
              a->id, a->created_s);
    bytes_json(out, bytes_at(&a->model), bytes_len(&a->model));
    bytes_str(out, "\",\"choices\":[");
}

static void write_choice(unsigned index, const char *text, size_t len, const char *finish,
                         struct bytes *out) {
    const char *quote = finish ? "\"" : "";
    bytes_str(out, "{\"text\":\"");
    bytes_json(out, text, len);
    bytes_fmt(out, "\",\"index\":%u,\"logprobs\":null,\"finish_reason\":%s%s%s}", index, quote,
              finish ? finish : "null", quote);
}

static void write_usage(struct answer *a, struct bytes *out) {
    bytes_fmt(out, ",\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u}",
              a->prompt_tokens, a->completion_tokens, a->prompt_tokens + a->completion_tokens);
}

static void write_event(struct answer *a, unsigned choice, const char *text, size_t len,
                        const char *finish, struct bytes *out) {
    bytes_str(out, "data: ");
    write_head(a, out);
    write_choice(choice, text, len, finish, out);
    bytes_str(out, a->usage ? "],\"usage\":null}\n\n" : "]}\n\n");
}

static void completions_open(struct answer *a, struct bytes *out) {
    (void)a;
    (void)out;
}

static void completions_piece(struct answer *a, size_t index, struct bytes *out) {
    const struct answer_piece *p = &a->pieces[index];
    for (unsigned choice = 0; choice < a->choices; choice++)
        write_event(a, choice, answer_text(a, p), p->len, NULL, out);
}

static void completions_close(struct answer *a, struct bytes *out) {
    for (unsigned choice = 0; choice < a->choices; choice++)
        write_event(a, choice, "", 0, finish_reason(a), out);
    if (a->usage) {
        bytes_str(out, "data: ");
        write_head(a, out);
        bytes_str(out, "]");
        write_usage(a, out);
        bytes_str(out, "}\n\n");
    }
    format_openai_done(out);
}

static void completions_whole(struct answer *a, struct bytes *out) {
    write_head(a, out);
    for (unsigned choice = 0; choice < a->choices; choice++) {
        bytes_str(out, choice ? "," : "");
        write_choice(choice, a->text.data + a->text.start, bytes_len(&a->text), finish_reason(a),
                     out);
    }
    bytes_str(out, "]");
    write_usage(a, out);
    bytes_str(out, "}\n");
}

const struct format format_completions = {
    .name = "completions",
    .stream_type = "text/event-stream; charset=utf-8",
    .id_prefix = "cmpl-",
    .id_letters = 29,
    .tool_prefix = "",
    .read = completions_read,
    .open = completions_open,
    .piece = completions_piece,
    .close = completions_close,
    .nothing = format_openai_done,
    .error_event = format_openai_error_event,
    .garbage = format_broken_event,
    .whole = completions_whole,
    .error_body = format_openai_error,
};
