/* json.c - the reader. (pure)
 *
 * Promises: looks at each byte once and at none beyond the span; does not recurse, so that hostile
 *           nesting costs one bit a level; string bodies go by sixteen bytes at a time.
 * Refuses:  with a static sentence and an offset, whatever is not RFC 8259. */
#include "core/json.h"

#include <assert.h>
#include <errno.h>

#include "core/base.h"
#include "core/json_scan.h"

static_assert(JSON_DEPTH_MAX % 64 == 0, "one bit for each level, in whole words");

void json_init(struct json *json, struct span in) {
    json->in = in;
    memset(json->object, 0, sizeof json->object);
    json->at = 0;
    json->depth = 0;
    json->state = JSON_AT_VALUE;
    json->error = NULL;
}

size_t json_at(const struct json *json) { return json->at; }

/* ---- words ---- */

/* Each of these reads one token that begins at json->at, moves json->at behind it, and says whether
 * it was one; if not, the reader is broken. */

static bool broken(struct json *json, size_t at, const char *why) {
    json->at = at;
    json->state = JSON_BROKEN;
    json->error = why;
    return false;
}

static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

static inline void skip_space(struct json *json) {
    const char *p = json->in.p;
    size_t at = json->at, n = json->in.n;
    /* The first test alone decides in text that was written by a machine. */
    while (at < n && (unsigned char)p[at] <= ' ' &&
           (p[at] == ' ' || p[at] == '\n' || p[at] == '\r' || p[at] == '\t'))
        at++;
    json->at = at;
}

static inline int hex_digit(char c) {
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The 16 bits of the "uXXXX" at `at`; negative when it is not one. */
static int escape_unit(struct span in, size_t at) {
    if (in.n - at < 5 || in.p[at] != 'u')
        return -1;
    int unit = 0;
    for (size_t i = at + 1; i < at + 5; i++) {
        int digit = hex_digit(in.p[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* What a backslash and this letter stand for; 0 for those that are no short escape. */
static inline char escape_short(char c) {
    static const char meant[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    return meant[(unsigned char)c];
}

/* The length of the escape whose backslash is at `at`: 2, 6, or 0 when it is not one. */
static inline size_t escape_length(struct span in, size_t at) {
    if (in.n - at < 2)
        return 0;
    if (escape_short(in.p[at + 1]))
        return 2;
    return escape_unit(in, at + 1) < 0 ? 0 : 6;
}

/* The rest of a string from `at`, the first byte in it that is special. */
static bool read_string_slow(struct json *json, struct json_token *token, size_t at) {
    struct span in = json->in;
    size_t start = json->at + 1;
    for (;; at = json_scan(in, at)) {
        if (at == in.n)
            return broken(json, at, "the text ends inside a string");
        char c = in.p[at];
        if (c == '"')
            break;
        if (c == '\\') {
            size_t length = escape_length(in, at);
            if (length == 0)
                return broken(json, at, "a string holds an escape that does not exist");
            token->escaped = true;
            at += length;
            continue;
        }
        if (!(c & 0x80))
            return broken(json, at, "a string holds a bare control character");
        /* What is not ASCII comes in runs: going back to the scan for each would be slower. */
        do {
            int length = json_scan_utf8(in, at);
            if (length < 0)
                return broken(json, at, "a string holds bytes that are not UTF-8");
            at += (size_t)length;
        } while (at < in.n && (in.p[at] & 0x80));
    }
    token->raw = span_of(in.p + start, at - start);
    json->at = at + 1;
    return true;
}

/* Nearly all strings are short and plain: those stay in registers. */
static inline bool read_string(struct json *json, struct json_token *token) {
    struct span in = json->in;
    size_t start = json->at + 1, at = json_scan(in, start);
    token->escaped = false;
    if (at == in.n || in.p[at] != '"')
        return read_string_slow(json, token, at);
    token->raw = span_of(in.p + start, at - start);
    json->at = at + 1;
    return true;
}

/* Behind the digits at `at`; `at` itself when there are none. */
static inline size_t skip_digits(struct span in, size_t at) {
    while (at < in.n && is_digit(in.p[at]))
        at++;
    return at;
}

static bool read_number(struct json *json, struct json_token *token) {
    struct span in = json->in;
    size_t at = json->at, from;
    if (in.p[at] == '-')
        at++;
    /* A zero stands alone; a digit behind it is then no comma and refused as that. */
    from = at;
    at = at < in.n && in.p[at] == '0' ? at + 1 : skip_digits(in, at);
    if (at == from)
        return broken(json, at, "a number has no digit behind its sign");
    if (at < in.n && in.p[at] == '.') {
        from = at + 1;
        at = skip_digits(in, from);
        if (at == from)
            return broken(json, at, "a number has no digit behind its point");
    }
    if (at < in.n && (in.p[at] | 0x20) == 'e') {
        at++;
        if (at < in.n && (in.p[at] == '+' || in.p[at] == '-'))
            at++;
        from = at;
        at = skip_digits(in, from);
        if (at == from)
            return broken(json, at, "a number has no digit in its exponent");
    }
    token->raw = span_of(in.p + json->at, at - json->at);
    json->at = at;
    return true;
}

static bool read_literal(struct json *json, struct json_token *token, struct span word) {
    if (!span_starts(span_from(json->in, json->at), word))
        return broken(json, json->at, "a value is expected");
    token->raw = span_of(json->in.p + json->at, word.n);
    json->at += word.n;
    return true;
}

/* ---- sentences ---- */

static inline bool in_object(const struct json *json) {
    unsigned outer = json->depth - 1;
    return json->object[outer / 64] >> (outer % 64) & 1;
}

static bool open_container(struct json *json, struct json_token *token, bool object) {
    if (json->depth == JSON_DEPTH_MAX)
        return broken(json, json->at, "the text is nested too deep");
    uint64_t bit = UINT64_C(1) << (json->depth % 64), *word = &json->object[json->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    json->depth++;
    json->state = object ? JSON_AT_FIRST_KEY : JSON_AT_FIRST_ITEM;
    token->raw = span_of(json->in.p + json->at, 1);
    json->at++;
    return true;
}

static inline enum json_state behind_value(const struct json *json) {
    return json->depth ? JSON_AT_COMMA : JSON_AT_END;
}

static enum json_kind close_container(struct json *json, struct json_token *token) {
    bool object = in_object(json);
    token->raw = span_of(json->in.p + json->at, 1);
    json->at++;
    json->depth--;
    json->state = behind_value(json);
    return object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

/* A token that is a value by itself, or breaks the reader. */
static inline enum json_kind scalar(struct json *json, bool well, enum json_kind kind) {
    if (!well)
        return JSON_ERROR;
    json->state = behind_value(json);
    return kind;
}

static enum json_kind read_value(struct json *json, struct json_token *token) {
    if (json->at == json->in.n)
        return broken(json, json->at, "the text ends where a value is expected"), JSON_ERROR;
    switch (json->in.p[json->at]) {
    case '"': return scalar(json, read_string(json, token), JSON_STRING);
    case '{': return open_container(json, token, true) ? JSON_OBJECT : JSON_ERROR;
    case '[': return open_container(json, token, false) ? JSON_ARRAY : JSON_ERROR;
    case 't': return scalar(json, read_literal(json, token, SPAN("true")), JSON_TRUE);
    case 'f': return scalar(json, read_literal(json, token, SPAN("false")), JSON_FALSE);
    case 'n': return scalar(json, read_literal(json, token, SPAN("null")), JSON_NULL);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': return scalar(json, read_number(json, token), JSON_NUMBER);
    }
    return broken(json, json->at, "a value is expected"), JSON_ERROR;
}

/* The name and its colon. */
static enum json_kind read_key(struct json *json, struct json_token *token) {
    if (json->at == json->in.n || json->in.p[json->at] != '"')
        return broken(json, json->at, "a member's name is expected"), JSON_ERROR;
    if (!read_string(json, token))
        return JSON_ERROR;
    skip_space(json);
    if (json->at == json->in.n || json->in.p[json->at] != ':')
        return broken(json, json->at, "a colon is expected behind a member's name"), JSON_ERROR;
    json->at++;
    json->state = JSON_AT_VALUE;
    return JSON_KEY;
}

static enum json_kind read_next_member(struct json *json, struct json_token *token) {
    bool object = in_object(json);
    char c = json->at < json->in.n ? json->in.p[json->at] : 0;
    if (c == (object ? '}' : ']'))
        return close_container(json, token);
    if (c != ',') {
        broken(json, json->at,
               object ? "a comma or the end of the object is expected"
                      : "a comma or the end of the array is expected");
        return JSON_ERROR;
    }
    json->at++;
    skip_space(json);
    return object ? read_key(json, token) : read_value(json, token);
}

static inline bool comes(const struct json *json, char c) {
    return json->at < json->in.n && json->in.p[json->at] == c;
}

static enum json_kind read_token(struct json *json, struct json_token *token) {
    if (json->state == JSON_BROKEN)
        return JSON_ERROR;
    skip_space(json);
    switch (json->state) {
    case JSON_AT_COMMA: return read_next_member(json, token);
    case JSON_AT_VALUE: return read_value(json, token);
    case JSON_AT_FIRST_KEY:
        return comes(json, '}') ? close_container(json, token) : read_key(json, token);
    case JSON_AT_FIRST_ITEM:
        return comes(json, ']') ? close_container(json, token) : read_value(json, token);
    case JSON_AT_END:
        if (json->at < json->in.n)
            return broken(json, json->at, "something follows the value"), JSON_ERROR;
        return JSON_END;
    case JSON_BROKEN: break;
    }
    return JSON_ERROR;
}

enum json_kind json_next(struct json *json, struct json_token *token) {
    token->kind = read_token(json, token);
    if (token->kind == JSON_ERROR || token->kind == JSON_END)
        token->raw = span_from(json->in, json->at);
    return token->kind;
}

bool json_leave(struct json *json) {
    CHECK(json->state == JSON_BROKEN || json->depth > 0);
    struct json_token token;
    unsigned outer = json->depth - 1;
    while (json->state != JSON_BROKEN && json->depth > outer)
        read_token(json, &token);
    return json->state != JSON_BROKEN;
}

/* The rest of the value whose first token was just read; *whole becomes all of it. */
static inline bool finish_value(struct json *json, enum json_kind kind, struct span *whole) {
    if (kind != JSON_OBJECT && kind != JSON_ARRAY)
        return kind != JSON_ERROR;
    if (!json_leave(json))
        return false;
    whole->n = (size_t)(json->in.p + json->at - whole->p);
    return true;
}

bool json_value(struct json *json, struct span *value) {
    struct json_token token;
    enum json_kind kind = json_next(json, &token);
    /* In front of a key there is no value to read over: that is our mistake, not the text's. */
    CHECK(kind != JSON_KEY);
    *value = span_of(NULL, 0);
    if (kind == JSON_ARRAY_END || kind == JSON_OBJECT_END || kind == JSON_END)
        return false;
    if (!finish_value(json, kind, &token.raw))
        return false;
    /* A string's raw leaves its quotes out. */
    *value = kind == JSON_STRING ? span_of(token.raw.p - 1, token.raw.n + 2) : token.raw;
    return true;
}

int json_check(struct span text, size_t *at, const char **why) {
    struct json json;
    struct json_token token;
    json_init(&json, text);
    enum json_kind kind;
    do {
        kind = read_token(&json, &token);
    } while (kind != JSON_ERROR && kind != JSON_END);
    if (kind == JSON_END)
        return 0;
    if (at)
        *at = json.at;
    if (why)
        *why = json.error;
    return -EINVAL;
}

bool json_find(struct span text, const struct span *path, unsigned path_count,
               struct json_token *token) {
    struct json json;
    json_init(&json, text);
    enum json_kind kind = read_token(&json, token);
    unsigned level = 0;
    while (level < path_count) {
        if (kind != JSON_OBJECT)
            return false;
        for (;;) {
            if (read_token(&json, token) != JSON_KEY)
                return false;
            token->kind = JSON_KEY;
            bool match = json_is(token, path[level]);
            kind = read_token(&json, token);
            if (match)
                break;
            struct span whole = token->raw;
            if (!finish_value(&json, kind, &whole))
                return false;
        }
        level++;
    }
    token->kind = kind;
    return finish_value(&json, kind, &token->raw);
}

/* ---- decoding ---- */

#define SURROGATE_HIGH 0xd800u
#define SURROGATE_LOW  0xdc00u
#define SURROGATE_END  0xe000u
#define REPLACEMENT    0xfffdu

/* Reads the escape whose backslash is at `at`: a pair of surrogates is one. Returns its length in
 * the text or 0 when it is no escape; *code is its code point, a lone surrogate as itself. */
static size_t escape_read(struct span raw, size_t at, uint32_t *code) {
    if (raw.n - at < 2)
        return 0;
    char short_form = escape_short(raw.p[at + 1]);
    if (short_form) {
        *code = (unsigned char)short_form;
        return 2;
    }
    int unit = escape_unit(raw, at + 1);
    if (unit < 0)
        return 0;
    *code = (uint32_t)unit;
    bool high = *code >= SURROGATE_HIGH && *code < SURROGATE_LOW;
    if (!high || raw.n - at < 12 || raw.p[at + 6] != '\\')
        return 6;
    int next = escape_unit(raw, at + 7);
    if (next < (int)SURROGATE_LOW || next >= (int)SURROGATE_END)
        return 6;
    *code = 0x10000u + ((*code - SURROGATE_HIGH) << 10) + ((uint32_t)next - SURROGATE_LOW);
    return 12;
}

/* UTF-8 (RFC 3629 3) of a code point into out; returns the number of bytes. */
static size_t utf8_write(uint32_t code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* The bytes that the escape at *at stands for, and *at moved behind it. Returns their number, or 0
 * for what is no escape, and for a lone surrogate unless `lenient`. */
static size_t escape_decode(struct span raw, size_t *at, bool lenient, char bytes[4]) {
    uint32_t code;
    size_t length = escape_read(raw, *at, &code);
    if (length == 0)
        return 0;
    if (code >= SURROGATE_HIGH && code < SURROGATE_END) {
        if (!lenient)
            return 0;
        code = REPLACEMENT;
    }
    *at += length;
    return utf8_write(code, bytes);
}

long json_decode(struct span raw, bool lenient, char *out, size_t max) {
    size_t at = 0, n = 0;
    while (at < raw.n) {
        size_t run = span_find(raw, '\\', at) - at;
        if (run > max - n)
            return -ENOBUFS;
        if (run)
            memcpy(out + n, raw.p + at, run);
        n += run;
        at += run;
        if (at == raw.n)
            break;
        char bytes[4];
        size_t length = escape_decode(raw, &at, lenient, bytes);
        if (length == 0)
            return -EINVAL;
        if (length > max - n)
            return -ENOBUFS;
        memcpy(out + n, bytes, length);
        n += length;
    }
    return (long)n;
}

bool json_is(const struct json_token *token, struct span text) {
    struct span raw = token->raw;
    if (!token->escaped)
        return span_eq(raw, text);
    size_t at = 0, n = 0;
    while (at < raw.n) {
        char bytes[4] = {raw.p[at]};
        size_t length = 1;
        if (bytes[0] != '\\')
            at++;
        else if ((length = escape_decode(raw, &at, false, bytes)) == 0)
            return false; /* no text that is UTF-8 equals a lone surrogate */
        if (length > text.n - n || memcmp(text.p + n, bytes, length) != 0)
            return false;
        n += length;
    }
    return n == text.n;
}
