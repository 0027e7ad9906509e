/* bytes.h - a growing run of bytes: appended at the end, consumed from the front.
 *
 * Owns:     its memory.
 * Promises: what was appended stays in order until consumed; data never holds a hole.
 * Refuses:  to fail: a bench program without memory has nothing left to measure, it ends with
 *           status 1.
 */
#ifndef BENCH_BYTES_H
#define BENCH_BYTES_H

#include <stdarg.h>
#include <stddef.h>

/* A zeroed one is empty and valid. */
struct bytes {
    char *data; /* owned; NULL until the first append */
    size_t start, end, capacity;
};

static inline size_t bytes_len(const struct bytes *b) { return b->end - b->start; }
static inline char *bytes_at(const struct bytes *b) { return b->data + b->start; }

/* Makes room for `len` more bytes and returns where they go; the caller adds what it wrote to
 * `end`. */
char *bytes_room(struct bytes *b, size_t len);
void bytes_add(struct bytes *b, const void *data, size_t len);
/* Appends a NUL-terminated string without its NUL. */
void bytes_str(struct bytes *b, const char *text);
/* Appends printf output without its NUL. */
void bytes_fmt(struct bytes *b, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));
/* Appends text as the inside of a JSON string (RFC 8259, section 7): quotes, backslashes and
 * control characters escaped, everything else as it is. */
void bytes_json(struct bytes *b, const char *text, size_t len);
/* Takes `len` bytes off the front; len is at most bytes_len(). */
void bytes_consume(struct bytes *b, size_t len);
/* Puts a NUL behind the content (not part of it) and returns its start: a C string until the next
 * append. */
const char *bytes_text(struct bytes *b);
/* Forgets the content, keeps the memory. */
void bytes_clear(struct bytes *b);
void bytes_free(struct bytes *b);

/* calloc(), and strdup() of `len` bytes with a NUL behind them, that end the program instead of
 * failing. */
void *bytes_alloc(size_t count, size_t size);
char *bytes_dup(const char *text, size_t len);

#endif
