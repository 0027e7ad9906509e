/* span.h - borrowed bytes: a pointer and a length, never owned, never NUL-terminated. (pure)
 *
 * A span is valid as long as what it was cut from; each function that returns one says until when.
 * {NULL, 0} is an empty span like any other, and what span_cut leaves when nothing is left. */
#ifndef HEDGEROW_CORE_SPAN_H
#define HEDGEROW_CORE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *p;
    size_t n;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})
/* As SPAN, where the language wants a constant expression (tables). */
#define SPAN_CONST(literal) \
    { (literal), sizeof(literal) - 1 }

static inline struct span span_of(const char *p, size_t n) { return (struct span){p, n}; }
static inline struct span span_str(const char *text) {
    return (struct span){text, text ? strlen(text) : 0};
}
static inline bool span_eq(struct span a, struct span b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
/* The rest of `a` from byte `at`; empty when `at` is past the end. */
static inline struct span span_from(struct span a, size_t at) {
    /* C knows no NULL + 0, hence the second test. */
    size_t skip = at < a.n ? at : a.n;
    return skip ? span_of(a.p + skip, a.n - skip) : a;
}

/* Equal without regard to ASCII case (RFC 9110 5.1 field names, 8.3.1 media types). */
bool span_eq_nocase(struct span a, struct span b);
bool span_starts(struct span a, struct span prefix);
bool span_starts_nocase(struct span a, struct span prefix);
bool span_ends(struct span a, struct span suffix);
/* Index of the first `byte` at or after `from`, or a.n. */
size_t span_find(struct span a, char byte, size_t from);
/* Index of the first occurrence of `needle`, or a.n; an empty needle is found at 0. */
size_t span_search(struct span a, struct span needle);
/* Without leading and trailing blanks and tabs (RFC 9110 5.6.3 OWS). Points into `a`. */
struct span span_trim(struct span a);
/* Cuts the part before the first `byte` off *rest and returns it; *rest becomes what follows the
 * byte, or {NULL, 0} after the last part, so that `while (rest.p)` visits "a,,b" as three parts. */
struct span span_cut(struct span *rest, char byte);
/* Decimal digits only, whole span, no sign, no blank; leading zeros are allowed. False, with *out
 * untouched, when empty, not a number or past `max`. */
bool span_u64(struct span a, uint64_t max, uint64_t *out);
/* A JSON (RFC 8259 6) or HTTP number: digits, with optional sign, fraction and exponent; leading
 * zeros and a '+' are allowed. Rounded to the nearest double whatever the number of digits. False,
 * with *out untouched, when it is not one, or not finite. */
bool span_double(struct span a, double *out);
/* Copies at most max-1 bytes and a NUL; returns `out`. max > 0. For messages and system calls
 * only: a NUL inside `a` ends the text early for whoever reads it. */
char *span_text(struct span a, char *out, size_t max);
/* Does `pattern`, in which '*' stands for any run of bytes, also none, match the whole of `a`?
 * Takes at most pattern.n * a.n steps. */
bool span_glob(struct span pattern, struct span a);
/* FNV-1a, 64 bits, for tables and affinity; not against hostile keys. */
uint64_t span_hash(struct span a);

#endif
