/* scan.c - see scan.h. */
#include "bench/yard/scan.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    SIZE_DIGITS_MAX = 8, /* of a chunk: four gigabytes are not measured */
    IN_EXTENSION         /* value of `line` behind the digits */
};

void scan_reset(struct scan *s) {
    bool request = s->request;
    /* Not the text of the head: it is as large as the rest of the link. */
    memset(s, 0, offsetof(struct scan, head));
    s->request = request;
}

static void body(struct scan *s, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n') {
            s->events += s->line_ended;
            s->line_ended = !s->line_ended;
        } else {
            s->line_ended = false;
        }
    }
    s->body += n;
    if (n >= SCAN_TAIL) {
        memcpy(s->tail, p + n - SCAN_TAIL, SCAN_TAIL);
    } else {
        memmove(s->tail, s->tail + n, SCAN_TAIL - n);
        memcpy(s->tail + SCAN_TAIL - n, p, n);
    }
}

bool scan_finished_stream(const struct scan *s) {
    static const char END[] = "data: [DONE]\n\n";
    _Static_assert(sizeof END - 1 == SCAN_TAIL, "the tail holds the end of a stream");
    return !memcmp(s->tail, END, SCAN_TAIL);
}

/* The value of a field of the whole head, which is a string here; NULL if absent. */
static const char *field(const char *head, const char *name) {
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) || line[2 + length] != ':')
            continue;
        const char *value = line + 2 + length + 1;
        return value + strspn(value, " \t");
    }
    return NULL;
}

/* The head is whole: decides how the body is framed. False: it says nothing the yard knows. */
static bool head_read(struct scan *s) {
    s->head[s->head_bytes] = '\0';
    const char *space = strchr(s->head, ' ');
    if (!space)
        return false;
    s->status = s->request ? 0 : atoi(space);
    const char *coding = field(s->head, "transfer-encoding");
    const char *length = field(s->head, "content-length");
    if (coding && !strncasecmp(coding, "chunked", 7)) {
        s->state = SCAN_CHUNK_SIZE;
    } else if (length && isdigit((unsigned char)*length)) {
        s->left = strtoull(length, NULL, 10);
        s->state = s->left ? SCAN_LENGTH : SCAN_DONE;
    } else if (s->request) {
        s->state = SCAN_DONE;
    } else {
        return false;
    }
    return true;
}

/* One byte of the head. */
static bool head_byte(struct scan *s, char c) {
    if (s->head_bytes + 1 == SCAN_HEAD_MAX)
        return false;
    s->head[s->head_bytes++] = c;
    if (c != '\n' || s->head_bytes < 4 || memcmp(s->head + s->head_bytes - 4, "\r\n\r\n", 4))
        return true;
    return head_read(s);
}

/* One byte of a chunk's size line: digits, and perhaps an extension, which says nothing here. */
static bool size_byte(struct scan *s, char c) {
    if (c == '\n') {
        s->line = 0;
        s->state = s->left ? SCAN_CHUNK_DATA : SCAN_TRAILER;
        return true;
    }
    if (c == ';')
        s->line = IN_EXTENSION;
    if (c == '\r' || s->line == IN_EXTENSION)
        return true;
    if (!isxdigit((unsigned char)c) || ++s->line > SIZE_DIGITS_MAX)
        return false;
    s->left = s->left * 16 + (unsigned)(isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10);
    return true;
}

/* One byte behind the last chunk: an empty line ends the message. */
static void trailer_byte(struct scan *s, char c) {
    if (c == '\r')
        return;
    if (c != '\n')
        s->line++;
    else if (s->line)
        s->line = 0;
    else
        s->state = SCAN_DONE;
}

/* As much of the body as there is; how many bytes. */
static size_t body_run(struct scan *s, const char *p, size_t n) {
    size_t take = s->left < n ? (size_t)s->left : n;
    body(s, p, take);
    s->left -= take;
    if (!s->left)
        s->state = s->state == SCAN_LENGTH ? SCAN_DONE : SCAN_CHUNK_END;
    return take;
}

ssize_t scan_feed(struct scan *s, const char *p, size_t n) {
    size_t at = 0;
    while (at < n && s->state != SCAN_DONE) {
        bool good = true;
        switch (s->state) {
        case SCAN_HEAD: good = head_byte(s, p[at++]); break;
        case SCAN_CHUNK_SIZE: good = size_byte(s, p[at++]); break;
        case SCAN_LENGTH:
        case SCAN_CHUNK_DATA: at += body_run(s, p + at, n - at); break;
        case SCAN_CHUNK_END:
            good = p[at] == '\r' || p[at] == '\n';
            if (p[at++] == '\n')
                s->state = SCAN_CHUNK_SIZE;
            break;
        case SCAN_TRAILER: trailer_byte(s, p[at++]); break;
        case SCAN_DONE: break;
        }
        if (!good)
            return -1;
    }
    return (ssize_t)at;
}
