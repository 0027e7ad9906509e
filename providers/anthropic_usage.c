/* anthropic_usage.c - what an answer says of itself: why it ended, and what it cost. (pure)
 *
 * Owns:     nothing.
 * Promises: totals, however often they are said: a later one stands in for an earlier one.
 * Refuses:  nothing: what is new or of another kind is read over. */
#include "providers/anthropic.h"

enum chat_finish anthropic_finish(struct span stop_reason) {
    static const struct {
        struct span reason;
        enum chat_finish finish;
    } rows[] = {
        {SPAN_CONST("max_tokens"), CHAT_FINISH_LENGTH},
        {SPAN_CONST("model_context_window_exceeded"), CHAT_FINISH_LENGTH},
        {SPAN_CONST("tool_use"), CHAT_FINISH_TOOL_CALLS},
        {SPAN_CONST("refusal"), CHAT_FINISH_CONTENT_FILTER},
    };
    for (unsigned i = 0; i < countof(rows); i++)
        if (span_eq(stop_reason, rows[i].reason))
            return rows[i].finish;
    return CHAT_FINISH_STOP; /* end_turn, stop_sequence, pause_turn, and what may come */
}

void anthropic_take_usage(struct anthropic_usage *usage, struct span object) {
    static const struct span thinking[] = {SPAN_CONST("output_tokens_details"),
                                           SPAN_CONST("thinking_tokens")};
    const struct {
        struct span name;
        uint64_t *out;
    } rows[] = {
        {SPAN("input_tokens"), &usage->input},
        {SPAN("cache_read_input_tokens"), &usage->cache_read},
        {SPAN("cache_creation_input_tokens"), &usage->cache_write},
        {SPAN("output_tokens"), &usage->output},
    };
    struct json_token token;
    if (object.n == 0 || object.p[0] != '{')
        return;
    usage->known = true;
    /* Each message says totals: they are taken, not added. */
    for (unsigned i = 0; i < countof(rows); i++)
        if (json_find(object, &rows[i].name, 1, &token) && token.kind == JSON_NUMBER)
            span_u64(token.raw, UINT64_MAX / 8, rows[i].out);
    if (json_find(object, thinking, countof(thinking), &token) && token.kind == JSON_NUMBER)
        span_u64(token.raw, UINT64_MAX / 8, &usage->thinking);
}
