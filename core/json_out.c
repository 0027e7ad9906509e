/* json_out.c - the writer of json.h. (pure)
 *
 * Promises: never writes past `max`; what it was given as text, key or string comes out as valid
 *           UTF-8 and valid JSON strings, whatever the bytes; once full it writes nothing more.
 * Refuses:  to know about nesting: who opens an object closes it. */
#include "core/json.h"

#include <math.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/base.h"
#include "core/json_scan.h"

/* The smallest room taken from an arena: a short error answer fits. */
#define ROOM_MIN 256
/* A double written out in full: 309 digits, the sign, the point and the decimals. */
#define DECIMALS_MAX    17
#define DOUBLE_TEXT_MAX (309 + 2 + DECIMALS_MAX + 1)

void json_out_init(struct json_out *out, char *memory, size_t max) {
    *out = (struct json_out){.p = memory, .max = max};
}

void json_out_arena(struct json_out *out, struct arena *arena, size_t expect) {
    *out = (struct json_out){.arena = arena, .max = expect < ROOM_MIN ? ROOM_MIN : expect};
    out->p = arena_alloc(arena, out->max);
    out->full = out->p == NULL;
}

void json_out_spill(struct json_out *out, char *memory, size_t max, struct arena *arena) {
    *out = (struct json_out){.p = memory, .max = max, .arena = arena};
}

struct span json_out_span(const struct json_out *out) {
    return span_of(out->p, out->n);
}

/* Makes room for n more bytes in the arena, at least doubling: a long text is copied a constant
 * number of times per byte. */
static bool grow(struct json_out *out, size_t n) {
    if (!out->arena || n > SIZE_MAX / 4 || out->max > SIZE_MAX / 4)
        return false;
    size_t max = out->max * 2 > out->n + n ? out->max * 2 : out->n + n;
    char *p = arena_grow(out->arena, out->p, out->max, max);
    if (!p)
        return false;
    out->p = p;
    out->max = max;
    return true;
}

static inline bool room(struct json_out *out, size_t n) {
    if (out->full)
        return false;
    if (n <= out->max - out->n)
        return true;
    out->full = !grow(out, n);
    return !out->full;
}

static inline void put(struct json_out *out, const char *bytes, size_t n) {
    if (n == 0 || !room(out, n))
        return;
    memcpy(out->p + out->n, bytes, n);
    out->n += n;
}

static inline void put_char(struct json_out *out, char c) {
    if (room(out, 1))
        out->p[out->n++] = c;
}

/* Begins a value or a key: the comma that is due. */
static inline void begin(struct json_out *out) {
    if (out->comma)
        put_char(out, ',');
    out->comma = false;
}

/* A whole value. */
static void put_value(struct json_out *out, const char *bytes, size_t n) {
    begin(out);
    put(out, bytes, n);
    out->comma = true;
}

void json_out_object(struct json_out *out) {
    begin(out);
    put_char(out, '{');
}

void json_out_object_end(struct json_out *out) {
    put_char(out, '}');
    out->comma = true;
}

void json_out_array(struct json_out *out) {
    begin(out);
    put_char(out, '[');
}

void json_out_array_end(struct json_out *out) {
    put_char(out, ']');
    out->comma = true;
}

void json_out_key(struct json_out *out, struct span name) {
    begin(out);
    put_char(out, '"');
    put(out, name.p, name.n);
    put(out, "\":", 2);
}

/* The escape of a quote, a backslash or a control character. */
static void put_escape(struct json_out *out, char c) {
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    unsigned char byte = (unsigned char)c;
    char letter = byte < sizeof letters ? letters[byte] : c;
    if (letter) {
        put(out, (char[]){'\\', letter}, 2);
        return;
    }
    const char *hex = "0123456789abcdef";
    put(out, (char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
}

static void put_text(struct json_out *out, struct span text) {
    /* Bytes from `from` to `at` go out as they are; a run is copied only where it is broken. */
    size_t from = 0, at = 0;
    for (;;) {
        at = json_scan(text, at);
        int length = at < text.n ? json_scan_utf8(text, at) : 0;
        if (length > 1) {
            at += (size_t)length;
            continue;
        }
        if (at > from)
            put(out, text.p + from, at - from);
        if (at == text.n)
            return;
        if (length == 1) {
            put_escape(out, text.p[at]);
            at++;
        } else {
            put(out, "\xef\xbf\xbd", 3); /* U+FFFD */
            at += (size_t)-length;
        }
        from = at;
    }
}

void json_out_string_begin(struct json_out *out) {
    begin(out);
    put_char(out, '"');
}

void json_out_string_part(struct json_out *out, struct span piece, bool escaped) {
    if (escaped)
        put(out, piece.p, piece.n);
    else
        put_text(out, piece);
}

void json_out_string_end(struct json_out *out) {
    put_char(out, '"');
    out->comma = true;
}

void json_out_string(struct json_out *out, struct span text) {
    json_out_string_begin(out);
    put_text(out, text);
    json_out_string_end(out);
}

void json_out_escaped(struct json_out *out, struct span raw) {
    json_out_string_begin(out);
    put(out, raw.p, raw.n);
    json_out_string_end(out);
}

void json_out_value(struct json_out *out, struct span json_text) {
    put_value(out, json_text.p, json_text.n);
}

void json_out_value_line(struct json_out *out, struct span json_text) {
    begin(out);
    size_t from = out->n;
    put(out, json_text.p, json_text.n);
    for (size_t i = from; i < out->n; i++)
        if (out->p[i] == '\n' || out->p[i] == '\r')
            out->p[i] = ' ';
    out->comma = true;
}

void json_out_int(struct json_out *out, int64_t value) {
    char digits[24], *end = digits + sizeof digits, *p = end;
    /* Of INT64_MIN there is no negative in int64_t. */
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        *--p = '-';
    put_value(out, p, (size_t)(end - p));
}

void json_out_double(struct json_out *out, double value, int decimals) {
    CHECK(decimals >= 0 && decimals <= DECIMALS_MAX);
    if (!isfinite(value)) {
        json_out_null(out);
        return;
    }
    char text[DOUBLE_TEXT_MAX + 1];
    int n = snprintf(text, sizeof text, "%.*f", decimals, value);
    CHECK(n > 0 && (size_t)n < sizeof text);
    put_value(out, text, (size_t)n);
}

void json_out_bool(struct json_out *out, bool value) {
    json_out_value(out, value ? SPAN("true") : SPAN("false"));
}

void json_out_null(struct json_out *out) { json_out_value(out, SPAN("null")); }

void json_out_raw(struct json_out *out, struct span bytes) {
    put(out, bytes.p, bytes.n);
    out->comma = false;
}
