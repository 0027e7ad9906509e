/* format_anthropic.c (pure) - answers in Anthropic's Messages format. Facts: the recordings of
 * api.anthropic.com and anthropic-sdk-python's types.
 *
 *     message_start, ping
 *     content_block_start, content_block_delta ..., content_block_stop      for each block
 *     message_delta (stop_reason, usage), message_stop
 */
#include "bench/format_anthropic.h"

#include <string.h>

static void event(struct bytes *out, const char *name) {
    bytes_fmt(out, "event: %s\ndata: {\"type\":\"%s\"", name, name);
}

static void event_end(struct bytes *out) { bytes_str(out, "}\n\n"); }

static const char *stop_reason(const struct answer *a) {
    static const char *const reasons[] = {
        [ANSWER_STOPPED] = "end_turn", [ANSWER_CUT] = "max_tokens", [ANSWER_CALLED] = "tool_use"};
    return reasons[a->end];
}

static void write_usage(struct answer *a, struct bytes *out, unsigned output_tokens) {
    bytes_fmt(
        out,
        "{\"input_tokens\":%u,\"cache_creation_input_tokens\":0,"
        "\"cache_read_input_tokens\":0,\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,"
        "\"ephemeral_1h_input_tokens\":0},\"output_tokens\":%u,\"service_tier\":\"standard\"}",
        a->prompt_tokens, output_tokens);
}

static void write_message_head(struct answer *a, struct bytes *out) {
    bytes_str(out, "\"model\":\"");
    bytes_json(out, bytes_at(&a->model), bytes_len(&a->model));
    bytes_fmt(out, "\",\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[",
              a->id);
}

static void anthropic_open(struct answer *a, struct bytes *out) {
    event(out, "message_start");
    bytes_str(out, ",\"message\":{");
    write_message_head(a, out);
    bytes_str(out, "],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
    write_usage(a, out, 1);
    bytes_str(out, "}");
    event_end(out);
    /* As recorded: with a blank behind the colon, unlike all other events. */
    bytes_str(out, "event: ping\ndata: {\"type\": \"ping\"}\n\n");
}

/* ---- blocks ---- */

static void write_block_start(struct answer *a, const struct answer_piece *p, struct bytes *out) {
    event(out, "content_block_start");
    bytes_fmt(out, ",\"index\":%u,\"content_block\":", p->block);
    switch (p->kind) {
    case ANSWER_TEXT: bytes_str(out, "{\"type\":\"text\",\"text\":\"\"}"); break;
    case ANSWER_THINKING:
    case ANSWER_SIGNATURE:
        bytes_str(out, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
        break;
    case ANSWER_TOOL_HEAD:
    case ANSWER_TOOL_ARGUMENTS:
        bytes_fmt(out, "{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":\"%.*s\",\"input\":{}}",
                  a->tool_id[p->tool], (int)bytes_len(&a->tool_name), bytes_at(&a->tool_name));
        break;
    }
    event_end(out);
}

static void anthropic_piece(struct answer *a, size_t index, struct bytes *out) {
    static const struct {
        const char *type, *member;
    } deltas[] = {[ANSWER_TEXT] = {"text_delta", "text"},
                  [ANSWER_THINKING] = {"thinking_delta", "thinking"},
                  [ANSWER_SIGNATURE] = {"signature_delta", "signature"},
                  /* A call's first delta is empty, as recorded. */
                  [ANSWER_TOOL_HEAD] = {"input_json_delta", "partial_json"},
                  [ANSWER_TOOL_ARGUMENTS] = {"input_json_delta", "partial_json"}};
    const struct answer_piece *p = &a->pieces[index];
    if (p->first)
        write_block_start(a, p, out);
    event(out, "content_block_delta");
    bytes_fmt(out, ",\"index\":%u,\"delta\":{\"type\":\"%s\",\"%s\":\"", p->block,
              deltas[p->kind].type, deltas[p->kind].member);
    bytes_json(out, answer_text(a, p), p->len);
    bytes_str(out, "\"}");
    event_end(out);
    if (p->last) {
        event(out, "content_block_stop");
        bytes_fmt(out, ",\"index\":%u", p->block);
        event_end(out);
    }
}

static void anthropic_close(struct answer *a, struct bytes *out) {
    event(out, "message_delta");
    bytes_fmt(out, ",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},\"usage\":",
              stop_reason(a));
    bytes_fmt(out,
              "{\"input_tokens\":%u,\"cache_creation_input_tokens\":0,"
              "\"cache_read_input_tokens\":0,\"output_tokens\":%u",
              a->prompt_tokens, a->completion_tokens);
    if (a->thinking_tokens)
        bytes_fmt(out, ",\"output_tokens_details\":{\"thinking_tokens\":%u}", a->thinking_tokens);
    bytes_str(out, "}");
    event_end(out);
    event(out, "message_stop");
    event_end(out);
}

/* ---- errors ---- */

static void write_error(struct bytes *out, const char *type, const char *message) {
    bytes_fmt(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"%s\"}", type,
              message);
}

static void anthropic_error_body(struct bytes *out) {
    write_error(out, "api_error", "Internal server error");
    bytes_str(out, ",\"request_id\":null}");
}

static void anthropic_error_event(struct answer *a, bool late, struct bytes *out) {
    (void)a;
    bytes_str(out, "event: error\ndata: ");
    if (late)
        write_error(out, "api_error", "Internal server error");
    else
        write_error(out, "overloaded_error", "Overloaded");
    bytes_str(out, ",\"request_id\":null}\n\n");
}

static void anthropic_garbage(struct answer *a, struct bytes *out) {
    bytes_str(out, "event: content_block_delta\n");
    format_broken_event(a, out);
}

/* ---- the whole body ---- */

static void write_block(struct answer *a, size_t index, struct bytes *out) {
    const struct answer_piece *p = &a->pieces[index],
                              *last = &a->pieces[answer_block_end(a, index) - 1];
    if (p->kind == ANSWER_TOOL_HEAD) {
        bytes_fmt(out, "{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":\"%.*s\",\"input\":",
                  a->tool_id[p->tool], (int)bytes_len(&a->tool_name), bytes_at(&a->tool_name));
        answer_block_raw(a, index, out);
        bytes_str(out, "}");
        return;
    }
    bool thinking = p->kind == ANSWER_THINKING || p->kind == ANSWER_SIGNATURE;
    bytes_fmt(out, "{\"type\":\"%s\",\"%s\":\"", thinking ? "thinking" : "text",
              thinking ? "thinking" : "text");
    answer_block_json(a, index, out);
    bytes_str(out, "\"");
    if (thinking)
        bytes_fmt(out, ",\"signature\":\"%.*s\"",
                  last->kind == ANSWER_SIGNATURE ? (int)last->len : 0, answer_text(a, last));
    bytes_str(out, "}");
}

static void anthropic_whole(struct answer *a, struct bytes *out) {
    bytes_str(out, "{");
    write_message_head(a, out);
    for (size_t at = 0; at < a->pieces_count; at = answer_block_end(a, at)) {
        bytes_str(out, at ? "," : "");
        write_block(a, at, out);
    }
    bytes_fmt(out, "],\"stop_reason\":\"%s\",\"stop_sequence\":null,\"usage\":", stop_reason(a));
    write_usage(a, out, a->completion_tokens);
    bytes_str(out, "}");
}

static void count_whole(struct answer *a, struct bytes *out) {
    bytes_fmt(out, "{\"input_tokens\":%u}", a->prompt_tokens);
}

#define ANTHROPIC                                                                               \
    .stream_type = "text/event-stream; charset=utf-8", .id_prefix = "msg_01", .id_letters = 22, \
    .tool_prefix = "toolu_01", .tool_letters = 22, .open = anthropic_open,                      \
    .piece = anthropic_piece, .close = anthropic_close, .error_event = anthropic_error_event,   \
    .garbage = anthropic_garbage, .signature_prefix = FORMAT_SIGNED_CLAUDE,                     \
    .error_body = anthropic_error_body

const struct format format_anthropic = {
    ANTHROPIC,
    .name = "anthropic",
    .read = format_anthropic_read,
    .whole = anthropic_whole,
};

const struct format format_anthropic_count = {
    ANTHROPIC,
    .name = "anthropic count_tokens",
    .read = format_anthropic_read_count,
    .whole = count_whole,
};
