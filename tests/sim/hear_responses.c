/* hear_responses.c - OpenAI Responses, as a client reads them (PROVIDERS.md 3.6): numbered events, items that open and
 * close, and an end that repeats them all. See hear.h. */
#include "tests/sim/hear.h"

#include <stdio.h>

/* As a body; in a stream an error stands for itself. */
static bool is_error(yyjson_val *root) {
    yyjson_val *error = hear_get(root, "error");
    return yyjson_is_str(hear_get(error, "message")) && yyjson_is_str(hear_get(error, "type"));
}

static void hear_usage(struct heard *heard, const struct request *request, yyjson_val *usage) {
    if (!yyjson_is_obj(usage))
        return;
    heard->usage = true;
    heard->tokens = hear_number(request, usage, "output_tokens");
    heard->input_tokens = hear_number(request, usage, "input_tokens");
    heard->cached_tokens =
        hear_number(request, hear_get(usage, "input_tokens_details"), "cached_tokens");
    hear_number(request, hear_get(usage, "output_tokens_details"), "reasoning_tokens");
    if (hear_number(request, usage, "total_tokens") != heard->tokens + heard->input_tokens)
        hear_wrong(request, "total_tokens is not the sum");
}

/* ---- items ---- */

/* The item that an event is about; it must be open. */
static struct hear_part *item_of(struct heard *heard, const struct request *request,
                                 yyjson_val *root, enum hear_part_kind kind) {
    unsigned index = hear_number(request, root, "output_index");
    struct hear_part *part = &heard->parts[index < HEAR_PARTS_MAX ? index : 0];
    if (index >= heard->part_count || !part->open || part->kind != kind)
        hear_wrong(request, "an event about item %u, which is not open", index);
    if (hear_get(root, "item_id") && !hear_is(root, "item_id", part->id))
        hear_wrong(request, "item %u has two ids", index);
    return part;
}

static enum hear_part_kind kind_of(const struct request *request, yyjson_val *item) {
    if (hear_is(item, "type", "function_call"))
        return HEAR_CALL;
    if (hear_is(item, "type", "reasoning"))
        return HEAR_THOUGHT;
    if (!hear_is(item, "type", "message"))
        hear_wrong(request, "an item of another type");
    return HEAR_TEXT;
}

static void item_added(struct heard *heard, const struct request *request, yyjson_val *root) {
    yyjson_val *item = hear_get(root, "item");
    enum hear_part_kind kind = kind_of(request, item);
    if (hear_number(request, root, "output_index") != heard->part_count)
        hear_wrong(request, "item %u has another index", heard->part_count);
    if (kind != HEAR_THOUGHT && !hear_is(item, "status", "in_progress"))
        hear_wrong(request, "an item that does not begin in progress");
    struct hear_part *part = hear_part(heard, request, kind);
    snprintf(part->id, sizeof part->id, "%s", hear_string(request, item, "id"));
    if (kind != HEAR_CALL)
        return;
    hear_string(request, item, "call_id");
    part->call = hear_call(heard, request);
    text_str(&part->call->name, hear_string(request, item, "name"));
    hear_add(&part->call->arguments, hear_get(item, "arguments"));
}

static bool same(const struct request *request, yyjson_val *object, const char *name,
                 const struct text *text) {
    hear_string(request, object, name);
    yyjson_val *value = hear_get(object, name);
    return span_eq(span_of(yyjson_get_str(value), yyjson_get_len(value)), text_span(text));
}

/* An item as it is told when it is whole: must be what its pieces said. */
static void check_item(const struct request *request, const struct hear_part *part,
                       yyjson_val *item, bool cut) {
    bool status =
        hear_is(item, "status", "completed") || (cut && hear_is(item, "status", "incomplete"));
    bool right = hear_is(item, "id", part->id);
    if (part->kind == HEAR_CALL) {
        right &= hear_is(item, "type", "function_call") &&
                 same(request, item, "name", &part->call->name) &&
                 same(request, item, "arguments", &part->call->arguments);
    } else if (part->kind == HEAR_THOUGHT) {
        yyjson_val *summary = hear_get(item, "summary");
        status = true; /* may be left out */
        right &= hear_is(item, "type", "reasoning") && yyjson_is_arr(summary) &&
                 yyjson_arr_size(summary) == 1 &&
                 same(request, yyjson_arr_get(summary, 0), "text", &part->said);
    } else {
        yyjson_val *content = hear_get(item, "content"), *piece = yyjson_arr_get(content, 0);
        right &= hear_is(item, "type", "message") && hear_is(item, "role", "assistant") &&
                 yyjson_is_arr(content) && yyjson_arr_size(content) <= 1;
        if (piece)
            right &=
                hear_is(piece, "type", "output_text") && same(request, piece, "text", &part->said);
        else
            right &= part->said.n == 0;
    }
    if (!right || !status)
        hear_wrong(request, "the item %s ends as another than it was", part->id);
}

static void item_done(struct heard *heard, const struct request *request, yyjson_val *root) {
    yyjson_val *item = hear_get(root, "item");
    enum hear_part_kind kind = kind_of(request, item);
    struct hear_part *part = item_of(heard, request, root, kind);
    if (!part->done && (kind == HEAR_CALL || part->said.n))
        hear_wrong(request, "the item %s ends before its content", part->id);
    check_item(request, part, item, true);
    part->open = false;
}

/* ---- the text of a message, the arguments of a call ---- */

static void text_delta(struct heard *heard, const struct request *request, yyjson_val *root) {
    struct hear_part *part = item_of(heard, request, root, HEAR_TEXT);
    if (hear_number(request, root, "content_index") != 0 || part->done)
        hear_wrong(request, "text where there is no part for it");
    hear_string(request, root, "delta");
    hear_add(&part->said, hear_get(root, "delta"));
    hear_add(&heard->said, hear_get(root, "delta"));
}

static void text_done(struct heard *heard, const struct request *request, yyjson_val *root) {
    struct hear_part *part = item_of(heard, request, root, HEAR_TEXT);
    if (part->done || !same(request, root, "text", &part->said))
        hear_wrong(request, "output_text.done says another text");
    part->done = true;
}

static void part_added(struct heard *heard, const struct request *request, yyjson_val *root) {
    struct hear_part *part = item_of(heard, request, root, HEAR_TEXT);
    if (part->said.n || part->done || !hear_is(hear_get(root, "part"), "type", "output_text"))
        hear_wrong(request, "content_part.added where it may not be");
}

static void part_done(struct heard *heard, const struct request *request, yyjson_val *root) {
    struct hear_part *part = item_of(heard, request, root, HEAR_TEXT);
    if (!part->done || !same(request, hear_get(root, "part"), "text", &part->said))
        hear_wrong(request, "content_part.done says another text");
}

static void summary_delta(struct heard *heard, const struct request *request, yyjson_val *root) {
    struct hear_part *part = item_of(heard, request, root, HEAR_THOUGHT);
    if (hear_number(request, root, "summary_index") != 0 || part->done)
        hear_wrong(request, "a summary where there is no part for it");
    hear_string(request, root, "delta");
    hear_add(&part->said, hear_get(root, "delta"));
    hear_add(&heard->thought, hear_get(root, "delta"));
}

static void summary_done(struct heard *heard, const struct request *request, yyjson_val *root) {
    struct hear_part *part = item_of(heard, request, root, HEAR_THOUGHT);
    if (part->done || !same(request, root, "text", &part->said))
        hear_wrong(request, "reasoning_summary_text.done says another text");
    part->done = true;
}

static void summary_part_added(struct heard *heard, const struct request *request,
                               yyjson_val *root) {
    struct hear_part *part = item_of(heard, request, root, HEAR_THOUGHT);
    if (part->said.n || part->done || !hear_is(hear_get(root, "part"), "type", "summary_text"))
        hear_wrong(request, "reasoning_summary_part.added where it may not be");
}

static void summary_part_done(struct heard *heard, const struct request *request,
                              yyjson_val *root) {
    struct hear_part *part = item_of(heard, request, root, HEAR_THOUGHT);
    if (!part->done || !same(request, hear_get(root, "part"), "text", &part->said))
        hear_wrong(request, "reasoning_summary_part.done says another text");
}

static void arguments_delta(struct heard *heard, const struct request *request, yyjson_val *root) {
    struct hear_part *part = item_of(heard, request, root, HEAR_CALL);
    hear_string(request, root, "delta");
    if (part->done)
        hear_wrong(request, "arguments behind their end");
    hear_add(&part->call->arguments, hear_get(root, "delta"));
}

static void arguments_done(struct heard *heard, const struct request *request, yyjson_val *root) {
    struct hear_part *part = item_of(heard, request, root, HEAR_CALL);
    if (part->done || !same(request, root, "arguments", &part->call->arguments))
        hear_wrong(request, "function_call_arguments.done says others");
    part->done = true;
}

/* ---- the response ---- */

static void created(struct heard *heard, const struct request *request, yyjson_val *root) {
    yyjson_val *response = hear_get(root, "response");
    if (heard->events != 1)
        hear_wrong(request, "response.created is not the first event");
    hear_id(heard, request, hear_string(request, response, "id"));
    if (!hear_is(response, "status", "in_progress") || !hear_is(response, "object", "response") ||
        yyjson_arr_size(hear_get(response, "output")) != 0)
        hear_wrong(request, "a response that begins otherwise");
    heard->state = HEAR_BEGUN;
}

static void in_progress(struct heard *heard, const struct request *request, yyjson_val *root) {
    if (heard->events != 2)
        hear_wrong(request, "response.in_progress is not the second event");
    hear_id(heard, request, hear_string(request, hear_get(root, "response"), "id"));
}

static void hear_status(struct heard *heard, const struct request *request, yyjson_val *response,
                        bool calls) {
    const char *status = hear_string(request, response, "status");
    if (strcmp(status, "completed") == 0)
        hear_finish(heard, request, calls ? "tool_calls" : "stop");
    else if (strcmp(status, "incomplete") == 0 &&
             hear_is(hear_get(response, "incomplete_details"), "reason", "max_output_tokens"))
        hear_finish(heard, request, "length");
    else
        hear_wrong(request, "the status %s at the end", status);
}

static void ended(struct heard *heard, const struct request *request, yyjson_val *root) {
    yyjson_val *response = hear_get(root, "response"), *output = hear_get(response, "output");
    yyjson_val *item;
    size_t i, count;
    hear_id(heard, request, hear_string(request, response, "id"));
    if (!yyjson_is_arr(output) || yyjson_arr_size(output) != heard->part_count)
        hear_wrong(request, "the end repeats %zu of %u items", yyjson_arr_size(output),
                   heard->part_count);
    yyjson_arr_foreach(output, i, count, item) {
        if (heard->parts[i].open)
            hear_wrong(request, "the end comes before that of item %zu", i);
        check_item(request, &heard->parts[i], item, true);
    }
    hear_status(heard, request, response, heard->call_count > 0);
    hear_usage(heard, request, hear_get(response, "usage"));
    heard->done = true;
}

static void completed(struct heard *heard, const struct request *request, yyjson_val *root) {
    if (!hear_is(hear_get(root, "response"), "status", "completed"))
        hear_wrong(request, "response.completed with another status");
    ended(heard, request, root);
}

static void incomplete(struct heard *heard, const struct request *request, yyjson_val *root) {
    if (!hear_is(hear_get(root, "response"), "status", "incomplete"))
        hear_wrong(request, "response.incomplete with another status");
    ended(heard, request, root);
}

static void failed(struct heard *heard, const struct request *request, yyjson_val *root) {
    yyjson_val *response = hear_get(root, "response");
    yyjson_val *holder = response ? hear_get(response, "error") : root;
    hear_string(request, holder, "message");
    if (response && !hear_is(response, "status", "failed"))
        hear_wrong(request, "response.failed with another status");
    heard->error = true;
}

static const struct {
    const char *type;
    void (*hear)(struct heard *, const struct request *, yyjson_val *root);
} rows[] = {
    {"response.created", created},
    {"response.in_progress", in_progress},
    {"response.output_item.added", item_added},
    {"response.content_part.added", part_added},
    {"response.output_text.delta", text_delta},
    {"response.output_text.done", text_done},
    {"response.content_part.done", part_done},
    {"response.reasoning_summary_part.added", summary_part_added},
    {"response.reasoning_summary_text.delta", summary_delta},
    {"response.reasoning_summary_text.done", summary_done},
    {"response.reasoning_summary_part.done", summary_part_done},
    {"response.function_call_arguments.delta", arguments_delta},
    {"response.function_call_arguments.done", arguments_done},
    {"response.output_item.done", item_done},
    {"response.completed", completed},
    {"response.incomplete", incomplete},
    {"response.failed", failed},
    {"error", failed},
};

static void hear_event(struct heard *heard, const struct request *request, struct span name,
                       struct span data) {
    yyjson_doc *doc = hear_json(request, data);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *type = hear_string(request, root, "type");
    bool error = strcmp(type, "error") == 0 || strcmp(type, "response.failed") == 0;
    unsigned row = 0;
    if (!span_eq(name, span_str(type)))
        hear_wrong(request, "the event %s is named %.*s", type, (int)name.n, name.p);
    /* An error may come from who does not know how far the answer was. */
    if (!error && hear_number(request, root, "sequence_number") != heard->events)
        hear_wrong(request, "%s is not event %u", type, heard->events);
    heard->events++;
    if (!error && heard->state == HEAR_NOTHING && strcmp(type, "response.created") != 0)
        hear_wrong(request, "%s before response.created", type);
    while (row < countof(rows) && strcmp(rows[row].type, type) != 0)
        row++;
    if (row == countof(rows))
        hear_wrong(request, "an event %s", type);
    rows[row].hear(heard, request, root);
    heard->anything |= heard->state != HEAR_NOTHING;
    yyjson_doc_free(doc);
}

static void body(struct heard *heard, const struct request *request, yyjson_val *root) {
    yyjson_val *output = hear_get(root, "output"), *item;
    size_t i, count;
    hear_id(heard, request, hear_string(request, root, "id"));
    if (!hear_is(root, "object", "response") || !yyjson_is_arr(output))
        hear_wrong(request, "not a response");
    yyjson_arr_foreach(output, i, count, item) {
        if (hear_is(item, "type", "function_call")) {
            struct call *call = hear_call(heard, request);
            hear_string(request, item, "call_id");
            text_str(&call->name, hear_string(request, item, "name"));
            text_str(&call->arguments, hear_string(request, item, "arguments"));
        } else if (hear_is(item, "type", "reasoning")) {
            hear_add(&heard->thought,
                     hear_get(yyjson_arr_get(hear_get(item, "summary"), 0), "text"));
        } else if (hear_is(item, "type", "message")) {
            yyjson_val *piece = yyjson_arr_get(hear_get(item, "content"), 0);
            hear_add(&heard->said, hear_get(piece, "text"));
        } else {
            hear_wrong(request, "an item of another type");
        }
    }
    hear_status(heard, request, root, heard->call_count > 0);
    hear_usage(heard, request, hear_get(root, "usage"));
    heard->anything = heard->done = true;
}

const struct hear hear_responses = {.event = hear_event, .body = body, .is_error = is_error};
