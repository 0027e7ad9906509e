/* format_converse.c (pure) - answers in Bedrock's Converse format. Facts: botocore's bedrock-runtime
 * model and recorded streams.
 *
 *     messageStart
 *     contentBlockStart (tools only), contentBlockDelta ..., contentBlockStop     for each block
 *     messageStop, metadata (usage)
 *
 * Every event has a padding member `p` of changing length, as recorded.
 */
#include "bench/eventstream.h"
#include "bench/format_converse.h"

#include <string.h>

enum { PADDING_MIN = 4 };

static const char PADDING[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static void event_end(struct answer *a, struct eventstream *m) {
    size_t most = sizeof PADDING - PADDING_MIN;
    bytes_fmt(m->out, ",\"p\":\"%.*s\"}", PADDING_MIN + (int)dice_below(&a->dice, most), PADDING);
    eventstream_end(m, false);
}

static const char *stop_reason(const struct answer *a) {
    static const char *const reasons[] = {
        [ANSWER_STOPPED] = "end_turn", [ANSWER_CUT] = "max_tokens", [ANSWER_CALLED] = "tool_use"};
    return reasons[a->end];
}

static void converse_open(struct answer *a, struct bytes *out) {
    struct eventstream m;
    eventstream_begin(&m, out, false, "messageStart");
    bytes_str(out, "{\"role\":\"assistant\"");
    event_end(a, &m);
}

static void write_delta(struct answer *a, const struct answer_piece *p, struct bytes *out) {
    static const struct {
        const char *before, *after;
    } frames[] = {[ANSWER_TEXT] = {"\"text\":\"", "\""},
                  [ANSWER_THINKING] = {"\"reasoningContent\":{\"text\":\"", "\"}"},
                  [ANSWER_SIGNATURE] = {"\"reasoningContent\":{\"signature\":\"", "\"}"},
                  [ANSWER_TOOL_HEAD] = {"\"toolUse\":{\"input\":\"", "\"}"},
                  [ANSWER_TOOL_ARGUMENTS] = {"\"toolUse\":{\"input\":\"", "\"}"}};
    struct eventstream m;
    eventstream_begin(&m, out, false, "contentBlockDelta");
    bytes_fmt(out, "{\"contentBlockIndex\":%u,\"delta\":{%s", p->block, frames[p->kind].before);
    bytes_json(out, answer_text(a, p), p->len);
    bytes_fmt(out, "%s}", frames[p->kind].after);
    event_end(a, &m);
}

static void converse_piece(struct answer *a, size_t index, struct bytes *out) {
    const struct answer_piece *p = &a->pieces[index];
    struct eventstream m;
    if (p->kind == ANSWER_TOOL_HEAD) {
        eventstream_begin(&m, out, false, "contentBlockStart");
        bytes_fmt(out,
                  "{\"contentBlockIndex\":%u,\"start\":{\"toolUse\":{\"name\":\"%.*s\","
                  "\"toolUseId\":\"%s\"}}",
                  p->block, (int)bytes_len(&a->tool_name), bytes_at(&a->tool_name),
                  a->tool_id[p->tool]);
        event_end(a, &m);
    } else {
        write_delta(a, p, out);
    }
    if (p->last) {
        eventstream_begin(&m, out, false, "contentBlockStop");
        bytes_fmt(out, "{\"contentBlockIndex\":%u", p->block);
        event_end(a, &m);
    }
}

static void write_usage(struct answer *a, struct bytes *out) {
    bytes_fmt(out, "\"usage\":{\"inputTokens\":%u,\"outputTokens\":%u,\"totalTokens\":%u}",
              a->prompt_tokens, a->completion_tokens, a->prompt_tokens + a->completion_tokens);
}

static void converse_close(struct answer *a, struct bytes *out) {
    struct eventstream m;
    eventstream_begin(&m, out, false, "messageStop");
    bytes_fmt(out, "{\"stopReason\":\"%s\"", stop_reason(a));
    event_end(a, &m);
    eventstream_begin(&m, out, false, "metadata");
    bytes_str(out, "{\"metrics\":{\"latencyMs\":417},");
    write_usage(a, out);
    event_end(a, &m);
}

/* ---- errors ---- */

static void converse_error_body(struct bytes *out) {
    bytes_str(out, "{\"message\":\"The system encountered an unexpected error during processing. "
                   "Try your request again.\"}");
}

static void converse_error_event(struct answer *a, bool late, struct bytes *out) {
    struct eventstream m;
    (void)a;
    eventstream_begin(&m, out, true, late ? "modelStreamErrorException" : "throttlingException");
    bytes_str(out, late ? "{\"message\":\"The model stopped in the middle of the answer.\","
                          "\"originalStatusCode\":500,\"originalMessage\":\"internal\"}"
                        : "{\"message\":\"Too many requests, please wait before trying again.\"}");
    eventstream_end(&m, false);
}

static void converse_garbage(struct answer *a, struct bytes *out) {
    struct eventstream m;
    (void)a;
    eventstream_begin(&m, out, false, "contentBlockDelta");
    bytes_str(out, "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"broken\"}}");
    eventstream_end(&m, true);
}

/* ---- the whole body ---- */

static void write_block(struct answer *a, size_t at, struct bytes *out) {
    const struct answer_piece *p = &a->pieces[at];
    const struct answer_piece *last = &a->pieces[answer_block_end(a, at) - 1];
    switch (p->kind) {
    case ANSWER_TOOL_HEAD:
    case ANSWER_TOOL_ARGUMENTS:
        bytes_str(out, "{\"toolUse\":{\"input\":");
        answer_block_raw(a, at, out);
        bytes_fmt(out, ",\"name\":\"%.*s\",\"toolUseId\":\"%s\"}}", (int)bytes_len(&a->tool_name),
                  bytes_at(&a->tool_name), a->tool_id[p->tool]);
        return;
    case ANSWER_THINKING:
    case ANSWER_SIGNATURE:
        bytes_fmt(out,
                  "{\"reasoningContent\":{\"reasoningText\":{\"signature\":\"%.*s\",\"text\":\"",
                  last->kind == ANSWER_SIGNATURE ? (int)last->len : 0, answer_text(a, last));
        answer_block_json(a, at, out);
        bytes_str(out, "\"}}}");
        return;
    case ANSWER_TEXT: break;
    }
    bytes_str(out, "{\"text\":\"");
    answer_block_json(a, at, out);
    bytes_str(out, "\"}");
}

static void converse_whole(struct answer *a, struct bytes *out) {
    bytes_str(out, "{\"metrics\":{\"latencyMs\":417},\"output\":{\"message\":{\"content\":[");
    for (size_t at = 0; at < a->pieces_count; at = answer_block_end(a, at)) {
        bytes_str(out, at ? "," : "");
        write_block(a, at, out);
    }
    bytes_fmt(out, "],\"role\":\"assistant\"}},\"stopReason\":\"%s\",", stop_reason(a));
    write_usage(a, out);
    bytes_str(out, "}");
}

const struct format format_converse = {
    .name = "converse",
    .stream_type = "application/vnd.amazon.eventstream",
    .id_prefix = "",
    .id_letters = 22,
    .tool_prefix = "tooluse_",
    .tool_letters = 22,
    .signature_prefix = FORMAT_SIGNED_CLAUDE,
    .read = format_converse_read,
    .open = converse_open,
    .piece = converse_piece,
    .close = converse_close,
    .error_event = converse_error_event,
    .garbage = converse_garbage,
    .whole = converse_whole,
    .error_body = converse_error_body,
};
