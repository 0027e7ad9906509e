/* hear_messages.c - Anthropic messages, as a client reads them (PROVIDERS.md 3.7): one message, blocks with rising index
 * of which one is open at a time, message_delta, message_stop. See hear.h. */
#include "tests/sim/hear.h"

#include <stdlib.h>

static bool is_error(yyjson_val *root) {
    yyjson_val *error = hear_get(root, "error");
    return hear_is(root, "type", "error") && yyjson_is_str(hear_get(error, "type")) &&
           yyjson_is_str(hear_get(error, "message"));
}

static void hear_stop(struct heard *heard, const struct request *request, yyjson_val *holder) {
    static const struct {
        const char *reason, *finish;
    } rows[] = {{"end_turn", "stop"},
                {"stop_sequence", "stop"},
                {"max_tokens", "length"},
                {"tool_use", "tool_calls"},
                {"refusal", "content_filter"}};
    const char *reason = hear_string(request, holder, "stop_reason");
    for (unsigned i = 0; i < countof(rows); i++)
        if (strcmp(rows[i].reason, reason) == 0) {
            hear_finish(heard, request, rows[i].finish);
            return;
        }
    hear_wrong(request, "stop_reason %s", reason);
}

/* Numbers are cumulative: what is said later counts. Input is told without what was cached. */
static void hear_usage(struct heard *heard, const struct request *request, yyjson_val *usage) {
    heard->tokens = hear_number(request, usage, "output_tokens");
    if (hear_get(usage, "cache_read_input_tokens"))
        heard->cached_tokens = hear_number(request, usage, "cache_read_input_tokens");
    if (hear_get(usage, "input_tokens"))
        heard->input_tokens = hear_number(request, usage, "input_tokens") + heard->cached_tokens;
}

static void hear_start(struct heard *heard, const struct request *request, yyjson_val *root) {
    yyjson_val *message = hear_get(root, "message");
    if (heard->state != HEAR_NOTHING)
        hear_wrong(request, "a second message_start");
    heard->state = HEAR_BEGUN;
    hear_id(heard, request, hear_string(request, message, "id"));
    hear_string(request, message, "model");
    if (!hear_is(message, "type", "message") || !hear_is(message, "role", "assistant") ||
        !yyjson_is_arr(hear_get(message, "content")) ||
        yyjson_arr_size(hear_get(message, "content")) != 0 ||
        !yyjson_is_null(hear_get(message, "stop_reason")))
        hear_wrong(request, "a message_start that is none");
    hear_usage(heard, request, hear_get(message, "usage"));
}

static struct hear_part *open_part(struct heard *heard) {
    struct hear_part *last = heard->part_count ? &heard->parts[heard->part_count - 1] : NULL;
    return last && last->open ? last : NULL;
}

static void check_id(const struct request *request, const char *id) {
    if (!*id || strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
                    strlen(id))
        hear_wrong(request, "a tool_use with the id %s", id);
}

static void hear_block(struct heard *heard, const struct request *request, yyjson_val *root) {
    yyjson_val *block = hear_get(root, "content_block");
    if (heard->state != HEAR_BEGUN || open_part(heard))
        hear_wrong(request, "a block begins where none may");
    if (hear_number(request, root, "index") != heard->part_count)
        hear_wrong(request, "block %u has another index", heard->part_count);
    if (hear_is(block, "type", "text")) {
        struct hear_part *part = hear_part(heard, request, HEAR_TEXT);
        hear_string(request, block, "text");
        hear_add(&part->said, hear_get(block, "text"));
        hear_add(&heard->said, hear_get(block, "text"));
    } else if (hear_is(block, "type", "thinking")) {
        hear_part(heard, request, HEAR_THOUGHT);
        hear_string(request, block, "thinking");
        hear_string(request, block, "signature");
        hear_add(&heard->thought, hear_get(block, "thinking"));
    } else if (hear_is(block, "type", "tool_use")) {
        hear_part(heard, request, HEAR_CALL);
        check_id(request, hear_string(request, block, "id"));
        text_str(&hear_call(heard, request)->name, hear_string(request, block, "name"));
        if (!yyjson_is_obj(hear_get(block, "input")) ||
            yyjson_obj_size(hear_get(block, "input")) != 0)
            hear_wrong(request, "a tool_use that begins with input");
    } else {
        hear_wrong(request, "a block of another type");
    }
}

static void hear_delta(struct heard *heard, const struct request *request, yyjson_val *root) {
    yyjson_val *delta = hear_get(root, "delta");
    struct hear_part *part = open_part(heard);
    if (!part || hear_number(request, root, "index") != heard->part_count - 1)
        hear_wrong(request, "a delta for a block that is not open");
    if (hear_is(delta, "type", "text_delta") && part->kind == HEAR_TEXT) {
        hear_string(request, delta, "text");
        hear_add(&heard->said, hear_get(delta, "text"));
    } else if (hear_is(delta, "type", "thinking_delta") && part->kind == HEAR_THOUGHT &&
               !part->done) {
        hear_string(request, delta, "thinking");
        hear_add(&heard->thought, hear_get(delta, "thinking"));
    } else if (hear_is(delta, "type", "signature_delta") && part->kind == HEAR_THOUGHT) {
        hear_string(request, delta, "signature");
        part->done = true; /* signed: nothing may come behind it */
    } else if (hear_is(delta, "type", "input_json_delta") && part->kind == HEAR_CALL) {
        hear_string(request, delta, "partial_json");
        hear_add(&heard->calls[heard->call_count - 1].arguments, hear_get(delta, "partial_json"));
    } else {
        hear_wrong(request, "a delta that is not of its block");
    }
}

static void hear_block_stop(struct heard *heard, const struct request *request, yyjson_val *root) {
    struct hear_part *part = open_part(heard);
    if (!part || hear_number(request, root, "index") != heard->part_count - 1)
        hear_wrong(request, "a block ends that is not open");
    part->open = false;
}

static void hear_message_delta(struct heard *heard, const struct request *request,
                               yyjson_val *root) {
    if (heard->state != HEAR_BEGUN || open_part(heard))
        hear_wrong(request, "message_delta where it may not be");
    heard->state = HEAR_FINISHED;
    hear_stop(heard, request, hear_get(root, "delta"));
    hear_usage(heard, request, hear_get(root, "usage"));
    heard->usage = true;
}

static void hear_typed(struct heard *heard, const struct request *request, const char *type,
                       yyjson_val *root) {
    if (strcmp(type, "message_start") == 0)
        hear_start(heard, request, root);
    else if (strcmp(type, "content_block_start") == 0)
        hear_block(heard, request, root);
    else if (strcmp(type, "content_block_delta") == 0)
        hear_delta(heard, request, root);
    else if (strcmp(type, "content_block_stop") == 0)
        hear_block_stop(heard, request, root);
    else if (strcmp(type, "message_delta") == 0)
        hear_message_delta(heard, request, root);
    else if (strcmp(type, "message_stop") == 0 && heard->state == HEAR_FINISHED)
        heard->done = true;
    else if (strcmp(type, "error") == 0 && is_error(root))
        heard->error = true;
    else if (strcmp(type, "ping") != 0)
        hear_wrong(request, "an event %s where it may not be", type);
}

static void hear_event(struct heard *heard, const struct request *request, struct span name,
                       struct span data) {
    yyjson_doc *doc = hear_json(request, data);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *type = hear_string(request, root, "type");
    if (!span_eq(name, span_str(type)))
        hear_wrong(request, "the event %s is named %.*s", type, (int)name.n, name.p);
    hear_typed(heard, request, type, root);
    heard->anything |= heard->state != HEAR_NOTHING;
    yyjson_doc_free(doc);
}

static void body(struct heard *heard, const struct request *request, yyjson_val *root) {
    yyjson_val *content = hear_get(root, "content"), *block;
    size_t i, count;
    hear_id(heard, request, hear_string(request, root, "id"));
    if (!hear_is(root, "type", "message") || !hear_is(root, "role", "assistant") ||
        !yyjson_is_arr(content))
        hear_wrong(request, "not a message");
    yyjson_arr_foreach(content, i, count, block) {
        if (hear_is(block, "type", "text")) {
            hear_string(request, block, "text");
            hear_add(&heard->said, hear_get(block, "text"));
        } else if (hear_is(block, "type", "thinking")) {
            hear_string(request, block, "thinking");
            hear_string(request, block, "signature");
            hear_add(&heard->thought, hear_get(block, "thinking"));
        } else if (hear_is(block, "type", "tool_use")) {
            struct call *call = hear_call(heard, request);
            check_id(request, hear_string(request, block, "id"));
            text_str(&call->name, hear_string(request, block, "name"));
            char *input = yyjson_val_write(hear_get(block, "input"), 0, NULL);
            text_str(&call->arguments, input ? input : "(none)");
            free(input);
        } else {
            hear_wrong(request, "a block of another type");
        }
    }
    hear_stop(heard, request, root);
    hear_usage(heard, request, hear_get(root, "usage"));
    heard->usage = heard->anything = heard->done = true;
}

const struct hear hear_messages = {.event = hear_event, .body = body, .is_error = is_error};
