/* bytes.c - a growing run of bytes; see bytes.h. */
#include "bench/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_FIRST = 512 }; /* a response head fits: most buffers never grow twice */

static void die_of_memory(void) {
    fputs("hedgerow-bench: out of memory\n", stderr);
    exit(1);
}

void *bytes_alloc(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        die_of_memory();
    return memory;
}

char *bytes_dup(const char *text, size_t len) {
    char *copy = bytes_alloc(len + 1, 1);
    if (len)
        memcpy(copy, text, len);
    return copy;
}

char *bytes_room(struct bytes *b, size_t len) {
    if (b->capacity - b->end >= len && b->data)
        return b->data + b->end;
    /* Sliding down first: a buffer that is filled and drained all day must not creep upwards. */
    if (b->start) {
        memmove(b->data, b->data + b->start, b->end - b->start);
        b->end -= b->start;
        b->start = 0;
    }
    if (!b->data || b->capacity - b->end < len) {
        size_t capacity = b->capacity ? b->capacity : BYTES_FIRST;
        while (capacity - b->end < len)
            capacity *= 2;
        char *data = realloc(b->data, capacity);
        if (!data)
            die_of_memory();
        b->data = data;
        b->capacity = capacity;
    }
    return b->data + b->end;
}

void bytes_add(struct bytes *b, const void *data, size_t len) {
    if (!len)
        return;
    memcpy(bytes_room(b, len), data, len);
    b->end += len;
}

void bytes_str(struct bytes *b, const char *text) { bytes_add(b, text, strlen(text)); }

void bytes_fmt(struct bytes *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    /* Most texts are short: the first try is the only one. */
    int len = vsnprintf(bytes_room(b, BYTES_FIRST), BYTES_FIRST, format, args);
    if (len >= BYTES_FIRST)
        len = vsnprintf(bytes_room(b, (size_t)len + 1), (size_t)len + 1, format, again);
    if (len > 0)
        b->end += (size_t)len;
    va_end(again);
    va_end(args);
}

void bytes_json(struct bytes *b, const char *text, size_t len) {
    static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    size_t plain = 0; /* start of the run that needs no escape */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        bytes_add(b, text + plain, i - plain);
        plain = i + 1;
        const char *form = NULL;
        for (const char *s = short_forms; *s && !form; s += 2)
            form = (unsigned char)*s == c ? s : NULL;
        if (form)
            bytes_add(b, (char[]){'\\', form[1]}, 2);
        else
            bytes_fmt(b, "\\u%04x", c);
    }
    bytes_add(b, text + plain, len - plain);
}

void bytes_consume(struct bytes *b, size_t len) {
    b->start += len;
    if (b->start == b->end)
        b->start = b->end = 0;
}

const char *bytes_text(struct bytes *b) {
    *bytes_room(b, 1) = 0;
    return bytes_at(b);
}

void bytes_clear(struct bytes *b) { b->start = b->end = 0; }

void bytes_free(struct bytes *b) {
    free(b->data);
    *b = (struct bytes){0};
}
