/* fields.c (pure) - header fields and forms; see fields.h. */
#include "bench/fields.h"

#include <stdlib.h>
#include <string.h>

const char *fields_next(const struct bytes *fields, const char *at) {
    const char *end = fields->data + fields->end;
    if (!at) {
        at = fields->data + fields->start;
    } else {
        at = fields_value(at);
        at += strlen(at) + 1;
    }
    return at && at < end ? at : NULL;
}

const char *fields_find(const struct bytes *fields, const char *name) {
    for (const char *at = NULL; (at = fields_next(fields, at));)
        if (!strcmp(at, name) && fields_value(at) < fields->data + fields->end)
            return fields_value(at);
    return NULL;
}

static int hex_value(char c) {
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

void fields_decode(char *text, bool form) {
    char *to = text;
    for (char *from = text; *from; to++) {
        int high = *from == '%' ? hex_value(from[1]) : -1, low = high < 0 ? -1 : hex_value(from[2]);
        *to = low >= 0 ? (char)(high << 4 | low) : form && *from == '+' ? ' ' : *from;
        from += low < 0 ? 1 : 3;
    }
    *to = 0;
}

char *fields_form(const char *text, size_t len, const char *name) {
    const char *end = text + len;
    while (text < end) {
        const char *stop = memchr(text, '&', (size_t)(end - text));
        stop = stop ? stop : end;
        const char *equals = memchr(text, '=', (size_t)(stop - text));
        size_t name_len = (size_t)((equals ? equals : stop) - text);
        char *found = bytes_dup(text, name_len);
        fields_decode(found, true);
        bool same = !strcmp(found, name);
        free(found);
        if (same) {
            char *value =
                equals ? bytes_dup(equals + 1, (size_t)(stop - equals - 1)) : bytes_dup("", 0);
            fields_decode(value, true);
            return value;
        }
        text = stop + 1;
    }
    return NULL;
}

void fields_encode(struct bytes *out, const char *text, size_t len) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < len; i++) {
        if (text[i] && strchr(plain, text[i]))
            bytes_add(out, &text[i], 1);
        else
            bytes_fmt(out, "%%%02X", (unsigned char)text[i]);
    }
}
