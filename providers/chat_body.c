/* chat_body.c - shared by the readers of clients' bodies. See chat_body.h. (pure) */
#include "providers/chat_body.h"

#include "core/base.h"

struct span chat_body_why_json(const struct json *json, struct arena *arena) {
    return arena_printf(arena, "The body is not valid JSON (%s at byte %zu): send one JSON object.",
                        json->error ? json->error : "it ends too early", json_at(json));
}

struct span chat_body_why_memory(void) {
    return SPAN("There is no memory for this request; try again later.");
}

bool chat_body_name(const struct json_token *value, struct arena *arena, struct span *name) {
    *name = value->kind == JSON_STRING ? value->raw : SPAN("");
    if (value->kind != JSON_STRING || !value->escaped)
        return true;
    char *text = arena_alloc(arena, value->raw.n);
    /* A lone surrogate is in no name. */
    long n = text ? json_decode(value->raw, false, text, value->raw.n) : -1;
    *name = span_of(text, n > 0 ? (size_t)n : 0);
    return text != NULL;
}

bool chat_body_count(struct json *json, bool text, bool (*is_text)(const struct json_token *key),
                     uint64_t *bytes) {
    struct json_token token;
    unsigned depth = json->depth;
    do {
        switch (json_next(json, &token)) {
        case JSON_KEY: text = is_text(&token); break;
        case JSON_STRING: *bytes += text ? token.raw.n : 0; break;
        case JSON_ERROR:
        case JSON_END: return false;
        case JSON_OBJECT:
        case JSON_OBJECT_END:
        case JSON_ARRAY:
        case JSON_ARRAY_END:
        case JSON_NUMBER:
        case JSON_TRUE:
        case JSON_FALSE:
        case JSON_NULL: break;
        }
        /* A key's value is still to come. */
    } while (json->depth > depth || token.kind == JSON_KEY);
    return true;
}

uint64_t chat_body_mix(uint64_t hash, uint64_t more) {
    /* The odd constant of splitmix64: order matters, so that "ab","c" is not "a","bc". */
    return (hash ^ more) * UINT64_C(0xbf58476d1ce4e5b9) + (hash >> 29);
}

uint64_t chat_body_hash(struct span text) {
    return chat_body_mix(span_hash(span_of(text.p, min_size(text.n, CHAT_PREFIX_BYTES))), text.n);
}
