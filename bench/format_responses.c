/* format_responses.c (pure) - answers in OpenAI's Responses format. Facts: OpenAI API specification
 * 2.3.0 and recorded streams.
 *
 *     response.created, response.in_progress
 *     message:    output_item.added, content_part.added, output_text.delta ..., output_text.done,
 *                 content_part.done, output_item.done
 *     call:       output_item.added, function_call_arguments.delta ... and .done, output_item.done
 *     reasoning:  output_item.added, reasoning_summary_part.added, reasoning_summary_text.delta ...,
 *                 reasoning_summary_text.done, reasoning_summary_part.done, output_item.done
 *     response.completed (or incomplete), with all of the output and the usage
 *
 * Every event has its number; no [DONE].
 */
#include "bench/format_responses.h"

#include <stdio.h>
#include <string.h>

enum { OBFUSCATION_MAX = 16 };

/* ---- the frame of an event ---- */

static void event(struct bytes *out, const char *type) {
    bytes_fmt(out, "event: response.%s\ndata: {\"type\":\"response.%s\",", type, type);
}

static void event_end(struct answer *a, struct bytes *out) {
    bytes_fmt(out, ",\"sequence_number\":%u}\n\n", a->sequence++);
}

/* Items have ids of their own, made from the answer's. */
static void write_item_id(const struct answer *a, const struct answer_piece *p, struct bytes *out) {
    static const char *const prefixes[] = {[ANSWER_TEXT] = "msg_",
                                           [ANSWER_TOOL_HEAD] = "fc_",
                                           [ANSWER_TOOL_ARGUMENTS] = "fc_",
                                           [ANSWER_THINKING] = "rs_",
                                           [ANSWER_SIGNATURE] = "rs_"};
    bytes_fmt(out, "\"%s%s%02u\"", prefixes[p->kind], a->id + strlen(a->format->id_prefix),
              p->block);
}

/* ---- items ---- */

/* `done`: with its content, else as it begins. */
static void write_item(struct answer *a, size_t index, bool done, struct bytes *out) {
    const struct answer_piece *p = &a->pieces[index];
    bytes_str(out, "{\"id\":");
    write_item_id(a, p, out);
    switch (p->kind) {
    case ANSWER_TOOL_HEAD:
    case ANSWER_TOOL_ARGUMENTS:
        bytes_fmt(out,
                  ",\"type\":\"function_call\",\"status\":\"%s\",\"call_id\":\"%s\",\"name\":"
                  "\"%.*s\",\"arguments\":\"",
                  done ? "completed" : "in_progress", a->tool_id[p->tool],
                  (int)bytes_len(&a->tool_name), bytes_at(&a->tool_name));
        if (done)
            answer_block_json(a, index, out);
        bytes_str(out, "\"}");
        return;
    case ANSWER_THINKING:
    case ANSWER_SIGNATURE:
        bytes_str(out, ",\"type\":\"reasoning\",\"summary\":[");
        if (done) {
            bytes_str(out, "{\"type\":\"summary_text\",\"text\":\"");
            answer_block_json(a, index, out);
            bytes_str(out, "\"}");
        }
        bytes_str(out, "]}");
        return;
    case ANSWER_TEXT: break;
    }
    bytes_fmt(out, ",\"type\":\"message\",\"status\":\"%s\",\"role\":\"assistant\",\"content\":[",
              done ? "completed" : "in_progress");
    if (done) {
        bytes_str(out, "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"");
        answer_block_json(a, index, out);
        bytes_str(out, "\"}");
    }
    bytes_str(out, "]}");
}

static void write_item_event(struct answer *a, size_t index, bool done, struct bytes *out) {
    event(out, done ? "output_item.done" : "output_item.added");
    bytes_fmt(out, "\"output_index\":%u,\"item\":", a->pieces[index].block);
    write_item(a, index, done, out);
    event_end(a, out);
}

/* Begins an event about the content of an item. */
static void content_event(struct answer *a, const struct answer_piece *p, const char *type,
                          struct bytes *out) {
    event(out, type);
    bytes_fmt(out, "\"output_index\":%u,\"item_id\":", p->block);
    write_item_id(a, p, out);
    if (p->kind == ANSWER_TEXT)
        bytes_str(out, ",\"content_index\":0");
    else if (p->kind == ANSWER_THINKING || p->kind == ANSWER_SIGNATURE)
        bytes_str(out, ",\"summary_index\":0");
}

/* ---- parts of an item, by what it holds ---- */

static const struct {
    const char *part, *delta, *before;
} words[] = {
    [ANSWER_TEXT] = {"content_part", "output_text",
                     "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\""},
    [ANSWER_THINKING] = {"reasoning_summary_part", "reasoning_summary_text",
                         "{\"type\":\"summary_text\",\"text\":\""},
    [ANSWER_SIGNATURE] = {"reasoning_summary_part", "reasoning_summary_text",
                          "{\"type\":\"summary_text\",\"text\":\""},
    [ANSWER_TOOL_HEAD] = {NULL, "function_call_arguments", NULL},
    [ANSWER_TOOL_ARGUMENTS] = {NULL, "function_call_arguments", NULL},
};

static void write_part_event(struct answer *a, size_t index, bool done, struct bytes *out) {
    const struct answer_piece *p = &a->pieces[index];
    char type[48];
    if (!words[p->kind].part)
        return;
    snprintf(type, sizeof type, "%s.%s", words[p->kind].part, done ? "done" : "added");
    content_event(a, p, type, out);
    bytes_fmt(out, ",\"part\":%s", words[p->kind].before);
    if (done)
        answer_block_json(a, index, out);
    bytes_str(out, "\"}");
    event_end(a, out);
}

static void write_delta(struct answer *a, const struct answer_piece *p, struct bytes *out) {
    char type[48];
    if (p->kind == ANSWER_TOOL_HEAD || p->kind == ANSWER_SIGNATURE)
        return;
    snprintf(type, sizeof type, "%s.delta", words[p->kind].delta);
    content_event(a, p, type, out);
    bytes_str(out, ",\"delta\":\"");
    bytes_json(out, answer_text(a, p), p->len);
    bytes_str(out, p->kind == ANSWER_TEXT ? "\",\"logprobs\":[]" : "\"");
    if (a->obfuscation) {
        bytes_str(out, ",\"obfuscation\":\"");
        answer_padding(a, OBFUSCATION_MAX, out);
        bytes_str(out, "\"");
    }
    event_end(a, out);
}

static void write_done(struct answer *a, size_t first, struct bytes *out) {
    const struct answer_piece *p = &a->pieces[first];
    bool call = p->kind == ANSWER_TOOL_HEAD;
    char type[48];
    snprintf(type, sizeof type, "%s.done", words[p->kind].delta);
    content_event(a, p, type, out);
    bytes_str(out, call ? ",\"arguments\":\"" : ",\"text\":\"");
    answer_block_json(a, first, out);
    bytes_str(out, p->kind == ANSWER_TEXT ? "\",\"logprobs\":[]" : "\"");
    event_end(a, out);
    write_part_event(a, first, true, out);
    write_item_event(a, first, true, out);
}

static void responses_piece(struct answer *a, size_t index, struct bytes *out) {
    const struct answer_piece *p = &a->pieces[index];
    size_t first = index;
    if (p->first) {
        write_item_event(a, index, false, out);
        write_part_event(a, index, false, out);
    }
    write_delta(a, p, out);
    if (!p->last)
        return;
    while (!a->pieces[first].first)
        first--;
    write_done(a, first, out);
}

/* ---- the response object ---- */

static void write_usage(struct answer *a, struct bytes *out) {
    bytes_fmt(out,
              "{\"input_tokens\":%u,\"input_tokens_details\":{\"cached_tokens\":0},"
              "\"output_tokens\":%u,\"output_tokens_details\":{\"reasoning_tokens\":%u},"
              "\"total_tokens\":%u}",
              a->prompt_tokens, a->completion_tokens, a->thinking_tokens,
              a->prompt_tokens + a->completion_tokens);
}

/* `done`: with the whole output and the usage. */
static void write_response(struct answer *a, bool done, struct bytes *out) {
    bool cut = a->end == ANSWER_CUT;
    bytes_fmt(out,
              "{\"id\":\"%s\",\"object\":\"response\",\"created_at\":%ld,\"status\":\"%s\","
              "\"background\":false,\"error\":null,\"incomplete_details\":%s,"
              "\"instructions\":null,\"max_output_tokens\":null,\"model\":\"",
              a->id, a->created_s,
              !done ? "in_progress"
              : cut ? "incomplete"
                    : "completed",
              done && cut ? "{\"reason\":\"max_output_tokens\"}" : "null");
    bytes_json(out, bytes_at(&a->model), bytes_len(&a->model));
    bytes_str(out, "\",\"output\":[");
    for (size_t at = 0; done && at < a->pieces_count; at = answer_block_end(a, at)) {
        bytes_str(out, at ? "," : "");
        write_item(a, at, true, out);
    }
    bytes_str(out, "],\"parallel_tool_calls\":true,\"previous_response_id\":");
    if (bytes_len(&a->previous)) {
        bytes_str(out, "\"");
        bytes_json(out, bytes_at(&a->previous), bytes_len(&a->previous));
        bytes_str(out, "\"");
    } else {
        bytes_str(out, "null");
    }
    bytes_fmt(out,
              ",\"reasoning\":{\"effort\":null,\"summary\":null},\"service_tier\":\"default\","
              "\"store\":%s,\"temperature\":1.0,\"text\":{\"format\":{\"type\":\"text\"},"
              "\"verbosity\":\"medium\"},\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":1.0,"
              "\"truncation\":\"disabled\",\"usage\":",
              a->store ? "true" : "false");
    if (done)
        write_usage(a, out);
    else
        bytes_str(out, "null");
    bytes_str(out, ",\"user\":null,\"metadata\":{}}");
}

static void write_response_event(struct answer *a, const char *type, bool done, struct bytes *out) {
    event(out, type);
    bytes_str(out, "\"response\":");
    write_response(a, done, out);
    event_end(a, out);
}

static void responses_open(struct answer *a, struct bytes *out) {
    write_response_event(a, "created", false, out);
    write_response_event(a, "in_progress", false, out);
}

static void responses_close(struct answer *a, struct bytes *out) {
    write_response_event(a, a->end == ANSWER_CUT ? "incomplete" : "completed", true, out);
}

/* ---- errors ---- */

/* Before any content an `error` event, later response.failed: both occur. */
static void responses_error_event(struct answer *a, bool late, struct bytes *out) {
    static const char message[] = "The server had an error while processing your request. Sorry "
                                  "about that!";
    if (!late) {
        bytes_fmt(out,
                  "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":"
                  "\"%s\",\"param\":null,\"sequence_number\":%u}\n\n",
                  message, a->sequence++);
        return;
    }
    event(out, "failed");
    bytes_fmt(out,
              "\"response\":{\"id\":\"%s\",\"object\":\"response\",\"created_at\":%ld,\"status\":"
              "\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"%s\"},"
              "\"incomplete_details\":null,\"output\":[],\"usage\":null,\"metadata\":{}}",
              a->id, a->created_s, message);
    event_end(a, out);
}

static void responses_garbage(struct answer *a, struct bytes *out) {
    bytes_str(out, "event: response.output_text.delta\n");
    format_broken_event(a, out);
}

static void responses_whole(struct answer *a, struct bytes *out) { write_response(a, true, out); }

const struct format format_responses = {
    .name = "responses",
    .stream_type = "text/event-stream; charset=utf-8",
    .id_prefix = "resp_",
    .id_letters = 32,
    .tool_prefix = "call_",
    .tool_letters = 24,
    .signature_prefix = FORMAT_SIGNED_CLAUDE,
    .read = format_responses_read,
    .open = responses_open,
    .piece = responses_piece,
    .close = responses_close,
    .error_event = responses_error_event,
    .garbage = responses_garbage,
    .whole = responses_whole,
    .error_body = format_openai_error,
};
