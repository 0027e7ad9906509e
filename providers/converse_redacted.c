/* converse_redacted.c - base64 (RFC 4648 4) around reasoning that only its maker can read. (pure)
 *
 * Owns:     nothing; what is unwrapped is in the arena.
 * Promises: unwrap and wrap undo each other, so that a conversation may move between Bedrock and
 *           Anthropic's own API in the middle. */
#include "providers/converse.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_of(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Whole groups of four, padded at the end only. */
static bool is_base64(struct span text) {
    size_t n = text.n;
    if (n == 0 || n % 4 != 0)
        return false;
    for (unsigned pad = 0; pad < 2 && text.p[n - 1] == '='; pad++)
        n--;
    for (size_t i = 0; i < n; i++)
        if (digit_of(text.p[i]) < 0)
            return false;
    return true;
}

struct span converse_unwrap(struct span redacted, struct arena *arena) {
    if (!is_base64(redacted))
        return span_of(NULL, 0);
    char *out = arena_alloc(arena, redacted.n / 4 * 3), *to = out;
    if (!out)
        return span_of(NULL, 0);
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < redacted.n && redacted.p[i] != '='; i++) {
        bits = bits << 6 | (uint32_t)digit_of(redacted.p[i]);
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        *to++ = (char)(bits >> held & 0xff);
    }
    struct span inner = span_of(out, (size_t)(to - out));
    return is_base64(inner) ? inner : span_of(NULL, 0);
}

void converse_write_wrapped(struct json_out *out, struct span data) {
    const unsigned char *p = (const unsigned char *)data.p;
    json_out_string_begin(out);
    for (size_t i = 0; i < data.n; i += 3) {
        size_t have = min_size(3, data.n - i);
        uint32_t bits = (uint32_t)p[i] << 16;
        bits |= have > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        bits |= have > 2 ? p[i + 2] : 0;
        const char group[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63],
                               have > 1 ? alphabet[bits >> 6 & 63] : '=',
                               have > 2 ? alphabet[bits & 63] : '='};
        json_out_string_part(out, span_of(group, sizeof group), true);
    }
    json_out_string_end(out);
}
