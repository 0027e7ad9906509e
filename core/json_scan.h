/* json_scan.h - the inner loops of reader and writer: how far a string goes on without anything
 * special in it, and one UTF-8 sequence. (pure)
 *
 * Inline because both run once per word of every stream event. Both read only bytes of the span. */
#ifndef HEDGEROW_CORE_JSON_SCAN_H
#define HEDGEROW_CORE_JSON_SCAN_H

#include "core/span.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Is it a byte that a JSON string cannot hold just so: a quote, a backslash, a control character
 * (RFC 8259 7), or one that begins something which has to be checked as UTF-8? DEL is none. */
static inline bool json_scan_special(char c) {
    return (unsigned char)c < 0x20 || (unsigned char)c >= 0x80 || c == '"' || c == '\\';
}

/* For words of 8 bytes: bit 7 of each byte that is special. A byte that borrowed from its neighbour
 * may be marked too; only the lowest mark is used, and nothing below it can have borrowed. */
static inline uint64_t json_scan_marks(uint64_t word) {
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    return (((word - ones * 0x20) | (quote - ones) | (backslash - ones)) | word) & highs;
}

/* Index of the first special byte at or after `at` (<= in.n), or in.n. For processors without SSE2,
 * and what the other one is tested against. */
static inline size_t json_scan_portable(struct span in, size_t at) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; in.n - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, in.p + at, 8);
        uint64_t marks = json_scan_marks(word);
        if (marks)
            return at + (size_t)__builtin_ctzll(marks) / 8;
    }
#endif
    while (at < in.n && !json_scan_special(in.p[at]))
        at++;
    return at;
}

#ifdef __SSE2__
/* Bit i: byte i of the sixteen at `p` is special. */
static inline unsigned json_scan_mask(const char *p) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    /* Signed: bytes from 0x80 on are below 0x20 too. */
    __m128i outside = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), outside));
}

/* As json_scan_portable, sixteen bytes at a time. */
static inline size_t json_scan(struct span in, size_t at) {
    for (; in.n - at >= 16; at += 16) {
        unsigned mask = json_scan_mask(in.p + at);
        if (mask)
            return at + (size_t)__builtin_ctz(mask);
    }
    if (in.n < 16)
        return json_scan_portable(in, at);
    /* The last sixteen bytes of the span, of which those before `at` are shifted out. */
    unsigned mask = json_scan_mask(in.p + in.n - 16) >> (16 - (in.n - at));
    return mask ? at + (size_t)__builtin_ctz(mask) : in.n;
}
#else
static inline size_t json_scan(struct span in, size_t at) { return json_scan_portable(in, at); }
#endif

static inline bool json_scan_between(char c, unsigned char low, unsigned char high) {
    return (unsigned char)c >= low && (unsigned char)c <= high;
}

/* The length of the UTF-8 sequence (RFC 3629 4) at `at` (< in.n), 1 to 4. If it is not one, minus
 * the number of bytes that one U+FFFD stands for: the longest beginning of a valid sequence, at
 * least one byte (Unicode 16.0 3.9, "substitution of maximal subparts"). */
static inline int json_scan_utf8(struct span in, size_t at) {
    const char *p = in.p + at;
    size_t left = in.n - at;
    unsigned char first = (unsigned char)p[0];
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return -1; /* a continuation byte, an overlong form, or beyond U+10FFFF */
    if (first < 0xe0)
        return left >= 2 && json_scan_between(p[1], 0x80, 0xbf) ? 2 : -1;
    /* The second byte keeps out overlong forms (e0, f0), surrogates (ed) and what lies beyond
     * U+10FFFF (f4). */
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (left < 2 || !json_scan_between(p[1], low, high))
        return -1;
    if (left < 3 || !json_scan_between(p[2], 0x80, 0xbf))
        return -2;
    if (first < 0xf0)
        return 3;
    return left >= 4 && json_scan_between(p[3], 0x80, 0xbf) ? 4 : -3;
}

#endif
