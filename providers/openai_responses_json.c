/* openai_responses_json.c - reading the members of an object, in one pass. (pure)
 *
 * Owns:     nothing; tokens are spans of the object.
 * Promises: what is given was checked as JSON up to its end. */
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"

bool openai_responses_members(struct span object, const struct span *names, unsigned count,
                              struct json_token *out) {
    struct json json;
    struct json_token key, value;
    for (unsigned i = 0; i < count; i++)
        out[i] = (struct json_token){.kind = JSON_NULL};
    json_init(&json, object);
    if (json_next(&json, &key) != JSON_OBJECT)
        return false;
    while (json_next(&json, &key) == JSON_KEY) {
        unsigned member = openai_member(&key, names, count);
        json_next(&json, &value);
        const char *start = value.raw.p;
        if (!openai_skip(&json, &value))
            return false;
        if (value.kind == JSON_OBJECT || value.kind == JSON_ARRAY)
            value.raw = span_of(start, (size_t)(object.p + json_at(&json) - start));
        if (member < count)
            out[member] = value;
    }
    return key.kind == JSON_OBJECT_END && json_next(&json, &key) == JSON_END;
}

uint64_t openai_responses_number(const struct json_token *token, uint64_t otherwise) {
    uint64_t number = otherwise;
    if (token->kind == JSON_NUMBER)
        span_u64(token->raw, UINT64_MAX / 4, &number);
    return number;
}
