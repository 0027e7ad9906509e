/* gemini_json.c - proto3 JSON as Google's APIs take it: members in camelCase or snake_case, null as
 * good as absent, whole numbers perhaps in quotes. (pure)
 *
 * Promises: the functions walk valid JSON without a tree; on broken text they end early. */
#include "providers/gemini.h"

#include "core/limits.h"

/* Longer than any member's name that is asked for. */
#define NAME_BYTES_MAX 64

struct span gemini_skip_blanks(struct span text) {
    while (text.n &&
           (text.p[0] == ' ' || text.p[0] == '\t' || text.p[0] == '\r' || text.p[0] == '\n'))
        text = span_from(text, 1);
    return text;
}

/* snake_case has an underscore before each letter that camelCase writes large. */
static bool is_spelled(struct span raw, struct span camel) {
    size_t at = 0;
    for (size_t i = 0; i < camel.n; i++) {
        char want = camel.p[i];
        if (at < raw.n && raw.p[at] == want) {
            at++;
            continue;
        }
        if (want < 'A' || want > 'Z' || at + 1 >= raw.n || raw.p[at] != '_' ||
            raw.p[at + 1] != want - 'A' + 'a')
            return false;
        at += 2;
    }
    return at == raw.n;
}

bool gemini_is(const struct json_token *key, struct span name) {
    char text[NAME_BYTES_MAX];
    if (!key->escaped)
        return is_spelled(key->raw, name);
    long n = json_decode(key->raw, false, text, sizeof text);
    return n >= 0 && is_spelled(span_of(text, (size_t)n), name);
}

unsigned gemini_member(const struct json_token *key, const struct span *names, unsigned count) {
    unsigned i = 0;
    while (i < count && !gemini_is(key, names[i]))
        i++;
    return i;
}

bool gemini_open(struct json *json, struct span text) {
    struct json_token token;
    json_init(json, text);
    enum json_kind kind = json_next(json, &token);
    return kind == JSON_OBJECT || kind == JSON_ARRAY;
}

struct json_token gemini_token(struct span text) {
    struct json_token token = {.kind = JSON_ERROR, .raw = text};
    if (!text.n)
        return token;
    switch (text.p[0]) {
    case '{': token.kind = JSON_OBJECT; break;
    case '[': token.kind = JSON_ARRAY; break;
    case 't': token.kind = JSON_TRUE; break;
    case 'f': token.kind = JSON_FALSE; break;
    case 'n': token.kind = JSON_NULL; break;
    case '"':
        token.kind = JSON_STRING;
        token.raw = span_of(text.p + 1, text.n - 2);
        token.escaped = token.raw.n && memchr(token.raw.p, '\\', token.raw.n);
        break;
    default: token.kind = JSON_NUMBER;
    }
    return token;
}

struct span gemini_text(const struct json_token *token) {
    if (token->kind == JSON_STRING || token->kind == JSON_KEY)
        return span_of(token->raw.p - 1, token->raw.n + 2);
    return token->raw;
}

/* Stands the reader inside an object, in front of a key or its end? There is no element then, whoever
 * sent an object in place of an array. */
static bool is_before_key(const struct json *json) {
    unsigned innermost = json->depth - 1;
    return json->depth && json->state != JSON_AT_VALUE &&
           json->object[innermost / 64] >> innermost % 64 & 1;
}

bool gemini_item(struct json *json, struct json_token *value) {
    struct span text;
    if (is_before_key(json) || !json_value(json, &text))
        return false;
    *value = gemini_token(text);
    return true;
}

bool gemini_pair(struct json *json, struct json_token *key, struct json_token *value) {
    while (json_next(json, key) == JSON_KEY) {
        if (!gemini_item(json, value))
            return false;
        if (value->kind != JSON_NULL)
            return true;
    }
    return false;
}

bool gemini_find(struct span object, struct span name, struct json_token *value) {
    struct json json;
    struct json_token key;
    if (!object.n || object.p[0] != '{' || !gemini_open(&json, object))
        return false;
    while (gemini_pair(&json, &key, value))
        if (gemini_is(&key, name))
            return true;
    return false;
}

bool gemini_count(const struct json_token *value, uint64_t max, uint64_t *out) {
    struct span digits = value->raw;
    if (value->kind != JSON_NUMBER && value->kind != JSON_STRING)
        return false;
    size_t point = span_find(digits, '.', 0);
    for (size_t i = point + 1; i < digits.n; i++)
        if (digits.p[i] != '0')
            return false;
    return span_u64(span_of(digits.p, point), max, out);
}

struct span gemini_escape(struct span plain, struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, plain.n + plain.n / 8 + 2);
    json_out_string(&out, plain);
    struct span quoted = json_out_span(&out);
    return out.full ? span_of(NULL, 0) : span_of(quoted.p + 1, quoted.n - 2);
}

struct span gemini_decode(struct span raw, struct arena *arena) {
    if (!raw.n || !memchr(raw.p, '\\', raw.n))
        return raw.p ? raw : SPAN("");
    char *text = arena_alloc(arena, raw.n);
    long n = text ? json_decode(raw, true, text, raw.n) : -1;
    return n < 0 ? span_of(NULL, 0) : span_of(text, (size_t)n);
}

struct span gemini_object(struct span raw, struct arena *arena, bool *full) {
    struct span none = {NULL, 0};
    size_t at = 0;
    /* Looked at before it is decoded: most results are prose. */
    while (at < raw.n && (raw.p[at] == ' ' || raw.p[at] == '\\'))
        at += raw.p[at] == ' ' ? 1 : 2;
    if (at >= raw.n || raw.p[at] != '{')
        return none;
    struct span text = gemini_decode(raw, arena);
    if (!text.p) {
        *full = true;
        return none;
    }
    struct json json;
    struct span object;
    json_init(&json, text);
    struct json_token end;
    if (!json_value(&json, &object) || json_next(&json, &end) != JSON_END || object.p[0] != '{')
        return none;
    return object;
}
