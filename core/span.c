/* span.c - compare, find, cut and read numbers in borrowed bytes. (pure)
 *
 * Promises: reads only the bytes of its spans, whatever they hold; allocates nothing.
 * Refuses:  nothing; every input has an answer. */
#include "core/span.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base.h"

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool span_eq_nocase(struct span a, struct span b) {
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool span_starts(struct span a, struct span prefix) {
    return a.n >= prefix.n && span_eq(span_of(a.p, prefix.n), prefix);
}

bool span_starts_nocase(struct span a, struct span prefix) {
    return a.n >= prefix.n && span_eq_nocase(span_of(a.p, prefix.n), prefix);
}

bool span_ends(struct span a, struct span suffix) {
    return a.n >= suffix.n && span_eq(span_from(a, a.n - suffix.n), suffix);
}

size_t span_find(struct span a, char byte, size_t from) {
    if (from >= a.n)
        return a.n;
    const char *found = memchr(a.p + from, byte, a.n - from);
    return found ? (size_t)(found - a.p) : a.n;
}

size_t span_search(struct span a, struct span needle) {
    if (needle.n == 0)
        return 0;
    if (needle.n > a.n)
        return a.n;
    const char *found = memmem(a.p, a.n, needle.p, needle.n);
    return found ? (size_t)(found - a.p) : a.n;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

struct span span_trim(struct span a) {
    while (a.n && is_blank(a.p[0]))
        a = span_from(a, 1);
    while (a.n && is_blank(a.p[a.n - 1]))
        a.n--;
    return a;
}

struct span span_cut(struct span *rest, char byte) {
    struct span whole = *rest;
    size_t at = span_find(whole, byte, 0);
    *rest = at < whole.n ? span_of(whole.p + at + 1, whole.n - at - 1) : span_of(NULL, 0);
    return span_of(whole.p, at);
}

bool span_u64(struct span a, uint64_t max, uint64_t *out) {
    uint64_t value = 0;
    if (a.n == 0)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (!is_digit(a.p[i]))
            return false;
        uint64_t digit = (uint64_t)(a.p[i] - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* A double is decided by its first 767 significant digits and by whether anything but zeros follows
 * (the longest exact midpoint between two doubles has that many). */
#define DIGITS_MAX 768
/* What decimal_slow appends: "e-1000000000" and the NUL. */
#define EXPONENT_ROOM 32
/* Past this the value is 0 or infinite for any mantissa that fits in memory; also keeps the sums
 * below from overflowing. */
#define EXPONENT_MAX 1000000000L

/* A number taken apart: digits without leading zeros, times ten to the exponent. */
struct decimal {
    char digits[DIGITS_MAX + EXPONENT_ROOM];
    size_t n;
    long exponent;
};

/* Takes the digits at *at; `point` is true behind the decimal point. False when there are none. */
static bool decimal_digits(struct decimal *d, struct span a, size_t *at, bool point) {
    size_t start = *at;
    for (; *at < a.n && is_digit(a.p[*at]); ++*at) {
        char digit = a.p[*at];
        if (d->n == 0 && digit == '0') {
            d->exponent -= point;
            continue;
        }
        if (d->n < DIGITS_MAX) {
            d->digits[d->n++] = digit;
            d->exponent -= point;
            continue;
        }
        /* Digits beyond the room count only as "a little more than what stands here". */
        if (digit != '0' && d->digits[DIGITS_MAX - 1] == '0')
            d->digits[DIGITS_MAX - 1] = '1';
        d->exponent += !point;
    }
    return *at > start;
}

static bool decimal_exponent(struct decimal *d, struct span a, size_t *at) {
    bool negative = *at < a.n && a.p[*at] == '-';
    if (*at < a.n && (a.p[*at] == '-' || a.p[*at] == '+'))
        ++*at;
    size_t start = *at;
    long exponent = 0;
    for (; *at < a.n && is_digit(a.p[*at]); ++*at)
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + (a.p[*at] - '0');
    d->exponent += negative ? -exponent : exponent;
    return *at > start;
}

/* Up to 15 digits and 10^22 are exact doubles, so that one rounding remains and it is the right one
 * (Clinger 1990). This is every price, score and time limit; strtod sees the rest. */
static bool decimal_fast(const struct decimal *d, double *out) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const long exponent_max = (long)countof(powers) - 1;
    if (d->n > 15 || d->exponent > exponent_max || d->exponent < -exponent_max)
        return false;
    uint64_t mantissa = 0;
    for (size_t i = 0; i < d->n; i++)
        mantissa = mantissa * 10 + (uint64_t)(d->digits[i] - '0');
    *out = d->exponent < 0 ? (double)mantissa / powers[-d->exponent]
                           : (double)mantissa * powers[d->exponent];
    return true;
}

/* There is no '.' in the text, so that strtod's answer does not hang on the locale. */
static double decimal_slow(struct decimal *d) {
    if (d->exponent > EXPONENT_MAX)
        d->exponent = EXPONENT_MAX;
    if (d->exponent < -EXPONENT_MAX)
        d->exponent = -EXPONENT_MAX;
    snprintf(d->digits + d->n, sizeof d->digits - d->n, "e%ld", d->exponent);
    return strtod(d->digits, NULL);
}

bool span_double(struct span a, double *out) {
    struct decimal d;
    d.n = 0;
    d.exponent = 0;
    size_t at = 0;
    bool negative = a.n && a.p[0] == '-';
    if (a.n && (a.p[0] == '-' || a.p[0] == '+'))
        at++;
    if (!decimal_digits(&d, a, &at, false))
        return false;
    if (at < a.n && a.p[at] == '.' && (at++, !decimal_digits(&d, a, &at, true)))
        return false;
    if (at < a.n && (a.p[at] | 0x20) == 'e' && (at++, !decimal_exponent(&d, a, &at)))
        return false;
    if (at != a.n)
        return false;
    double value = 0;
    if (d.n && !decimal_fast(&d, &value))
        value = decimal_slow(&d);
    if (!isfinite(value))
        return false;
    *out = negative ? -value : value;
    return true;
}

char *span_text(struct span a, char *out, size_t max) {
    CHECK(max > 0);
    size_t n = min_size(a.n, max - 1);
    if (n)
        memcpy(out, a.p, n);
    out[n] = 0;
    return out;
}

bool span_glob(struct span pattern, struct span a) {
    size_t p = 0, i = 0;
    /* The last '*' met and where its run ends so far. Only the last one is ever extended: an
     * earlier one matched as little as it could, which leaves the most to the rest. */
    size_t star = SIZE_MAX, run_end = 0;
    while (i < a.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            run_end = i;
        } else if (p < pattern.n && pattern.p[p] == a.p[i]) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++run_end;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

uint64_t span_hash(struct span a) {
    /* Offset basis and prime of draft-eastlake-fnv, 64 bits. */
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < a.n; i++)
        hash = (hash ^ (unsigned char)a.p[i]) * UINT64_C(0x100000001b3);
    return hash;
}
