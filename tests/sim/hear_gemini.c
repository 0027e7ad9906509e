/* hear_gemini.c - Gemini's generateContent, as a client reads it (PROVIDERS.md 3.4): chunks, a finishReason once, usage
 * that grows. There is no end mark: a stream with a finishReason that ends is whole. See hear.h. */
#include "tests/sim/hear.h"

#include <stdlib.h>

static bool is_error(yyjson_val *root) {
    yyjson_val *error = hear_get(root, "error");
    return yyjson_is_uint(hear_get(error, "code")) && yyjson_is_str(hear_get(error, "message")) &&
           yyjson_is_str(hear_get(error, "status"));
}

static void hear_usage(struct heard *heard, const struct request *request, yyjson_val *usage) {
    if (!usage)
        return;
    unsigned total = hear_number(request, usage, "totalTokenCount");
    heard->usage = true;
    heard->input_tokens = hear_number(request, usage, "promptTokenCount");
    heard->cached_tokens = (unsigned)yyjson_get_uint(hear_get(usage, "cachedContentTokenCount"));
    heard->tokens = (unsigned)(yyjson_get_uint(hear_get(usage, "candidatesTokenCount")) +
                               yyjson_get_uint(hear_get(usage, "thoughtsTokenCount")));
    if (total != heard->tokens + heard->input_tokens)
        hear_wrong(request, "totalTokenCount is not the sum");
}

static void hear_part_of(struct heard *heard, const struct request *request, yyjson_val *part) {
    yyjson_val *call = hear_get(part, "functionCall"), *text = hear_get(part, "text");
    bool says = call || yyjson_get_len(text) > 0;
    if (says && heard->state == HEAR_FINISHED)
        hear_wrong(request, "content behind the finishReason");
    if (!call) {
        bool thought = yyjson_get_bool(hear_get(part, "thought"));
        hear_string(request, part, "text");
        if (thought && says && (heard->said.n || heard->call_count))
            hear_wrong(request, "a thought behind the answer");
        hear_add(thought ? &heard->thought : &heard->said, text);
        return;
    }
    struct call *heard_call = hear_call(heard, request);
    text_str(&heard_call->name, hear_string(request, call, "name"));
    if (!yyjson_is_obj(hear_get(call, "args")))
        hear_wrong(request, "a functionCall without args");
    char *args = yyjson_val_write(hear_get(call, "args"), 0, NULL);
    text_str(&heard_call->arguments, args);
    free(args);
}

static void hear_reason(struct heard *heard, const struct request *request, const char *reason) {
    if (strcmp(reason, "STOP") == 0)
        hear_finish(heard, request, heard->call_count ? "tool_calls" : "stop");
    else if (strcmp(reason, "MAX_TOKENS") == 0)
        hear_finish(heard, request, "length");
    else
        hear_wrong(request, "finishReason %s", reason);
    heard->state = HEAR_FINISHED;
}

static void body(struct heard *heard, const struct request *request, yyjson_val *root) {
    yyjson_val *candidates = hear_get(root, "candidates");
    yyjson_val *candidate = yyjson_arr_get(candidates, 0), *part;
    yyjson_val *content = hear_get(candidate, "content");
    size_t i, count;
    if (yyjson_arr_size(candidates) > 1)
        hear_wrong(request, "more than one candidate");
    if (hear_get(root, "responseId"))
        hear_id(heard, request, hear_string(request, root, "responseId"));
    if (content && !hear_is(content, "role", "model"))
        hear_wrong(request, "content of another role");
    yyjson_arr_foreach(hear_get(content, "parts"), i, count, part) {
        hear_part_of(heard, request, part);
    }
    yyjson_val *reason = hear_get(candidate, "finishReason");
    if (reason)
        hear_reason(heard, request, yyjson_get_str(reason) ? yyjson_get_str(reason) : "(none)");
    hear_usage(heard, request, hear_get(root, "usageMetadata"));
    heard->anything = true;
}

static void hear_event(struct heard *heard, const struct request *request, struct span name,
                       struct span data) {
    if (name.p)
        hear_wrong(request, "a chunk with a name");
    yyjson_doc *doc = hear_json(request, data);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (is_error(root))
        heard->error = true;
    else if (hear_get(root, "error"))
        hear_wrong(request, "an error that is none");
    else
        body(heard, request, root);
    yyjson_doc_free(doc);
}

const struct hear hear_gemini = {.event = hear_event, .body = body, .is_error = is_error};
