/* hear_chat.c - OpenAI chat completions, as a client reads them (PROVIDERS.md 3.1). See hear.h. */
#include "tests/sim/hear.h"

static bool is_error(yyjson_val *root) {
    yyjson_val *error = hear_get(root, "error");
    return yyjson_is_str(hear_get(error, "message")) && yyjson_is_str(hear_get(error, "type"));
}

/* The first piece of a call has its id and name, the others have neither. */
static void hear_delta_call(struct heard *heard, const struct request *request, yyjson_val *piece) {
    yyjson_val *function = hear_get(piece, "function");
    unsigned index = hear_number(request, piece, "index");
    if (index > heard->call_count)
        hear_wrong(request, "call %u comes before call %u", index, heard->call_count);
    bool fresh = index == heard->call_count;
    bool named = hear_get(piece, "id") || hear_get(function, "name");
    if (fresh) {
        hear_string(request, piece, "id");
        text_str(&hear_call(heard, request)->name, hear_string(request, function, "name"));
    } else if (named) {
        hear_wrong(request, "call %u is named twice", index);
    }
    hear_add(&heard->calls[index].arguments, hear_get(function, "arguments"));
}

static void hear_usage(struct heard *heard, const struct request *request, yyjson_val *usage) {
    if (!yyjson_is_obj(usage))
        return;
    if (heard->usage)
        hear_wrong(request, "usage is told twice");
    heard->usage = true;
    heard->tokens = hear_number(request, usage, "completion_tokens");
    heard->input_tokens = hear_number(request, usage, "prompt_tokens");
    heard->cached_tokens = (unsigned)yyjson_get_uint(
        hear_get(hear_get(usage, "prompt_tokens_details"), "cached_tokens"));
    if (hear_number(request, usage, "total_tokens") != heard->tokens + heard->input_tokens)
        hear_wrong(request, "total_tokens is not the sum");
}

static void hear_choice(struct heard *heard, const struct request *request, yyjson_val *choice,
                        yyjson_val *delta, bool whole) {
    yyjson_val *reason = hear_get(choice, "finish_reason"), *call;
    size_t i, count;
    hear_add(&heard->said, hear_get(delta, "content"));
    hear_add(&heard->thought, hear_get(delta, "reasoning_content"));
    yyjson_arr_foreach(hear_get(delta, "tool_calls"), i, count, call) {
        if (!whole) {
            hear_delta_call(heard, request, call);
            continue;
        }
        yyjson_val *function = hear_get(call, "function");
        struct call *heard_call = hear_call(heard, request);
        hear_string(request, call, "id");
        text_str(&heard_call->name, hear_string(request, function, "name"));
        text_str(&heard_call->arguments, hear_string(request, function, "arguments"));
    }
    if (yyjson_is_str(reason))
        hear_finish(heard, request, yyjson_get_str(reason));
}

static void hear_object(struct heard *heard, const struct request *request, yyjson_val *root,
                        bool whole) {
    hear_id(heard, request, hear_string(request, root, "id"));
    if (!hear_is(root, "object", whole ? "chat.completion" : "chat.completion.chunk"))
        hear_wrong(request, "another object");
    heard->anything = true;
    yyjson_val *choices = hear_get(root, "choices"), *choice = yyjson_arr_get(choices, 0);
    if (!yyjson_is_arr(choices) || yyjson_arr_size(choices) > 1)
        hear_wrong(request, "other choices");
    if (choice)
        hear_choice(heard, request, choice, hear_get(choice, whole ? "message" : "delta"), whole);
    hear_usage(heard, request, hear_get(root, "usage"));
}

static void hear_event(struct heard *heard, const struct request *request, struct span name,
                       struct span data) {
    if (name.p)
        hear_wrong(request, "a chunk with a name");
    if (span_eq(data, SPAN("[DONE]"))) {
        heard->done = true;
        return;
    }
    yyjson_doc *doc = hear_json(request, data);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (is_error(root))
        heard->error = true;
    else
        hear_object(heard, request, root, false);
    yyjson_doc_free(doc);
}

static void body(struct heard *heard, const struct request *request, yyjson_val *root) {
    hear_object(heard, request, root, true);
    heard->done = true;
}

const struct hear hear_chat = {.event = hear_event, .body = body, .is_error = is_error};
