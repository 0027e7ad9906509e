/* config_expand.c - ${NAME} and ${file:PATH} inside values.
 *
 * Owns:     open files while it reads them.
 * Promises: no message holds anything that came from a variable or a file. */
#include "appliance/control/config_expand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base.h"

#define READ_PIECE_BYTES 16384
/* Names and paths are shown in messages up to this length. */
#define SHOWN_MAX 200

static const char *text_kept(struct arena *arena, struct span text) {
    char *p = arena_alloc(arena, text.n + 1);
    CHECK(p);
    memcpy(p, text.p, text.n);
    p[text.n] = 0;
    return p;
}

/* Says "${NAME} what detail" in *why; returns false. */
static bool refuse(struct arena *arena, const char **why, struct span name, const char *what,
                   const char *detail) {
    char text[SHOWN_MAX + 256];
    snprintf(text, sizeof text, "${%.*s} %s%s", (int)min_size(name.n, SHOWN_MAX), name.p, what,
             detail);
    *why = text_kept(arena, span_str(text));
    return false;
}

static bool read_all(int fd, size_t max, struct arena *arena, struct span *out, const char **why) {
    struct stat stat;
    size_t n = 0, room = 0, piece = READ_PIECE_BYTES;
    char *bytes = NULL;
    /* One more than a file's size shows its end without asking for more memory; pipes have none. */
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && (uint64_t)stat.st_size < max)
        piece = (size_t)stat.st_size + 1;
    for (;;) {
        if (n == room) {
            bytes = arena_grow(arena, bytes, room, room + piece);
            CHECK(bytes);
            room += piece;
            piece = READ_PIECE_BYTES;
        }
        ssize_t got = read(fd, bytes + n, room - n);
        if (got == 0)
            break;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            *why = strerror(errno);
            return false;
        }
        n += (size_t)got;
        if (n > max) {
            *why = "the file is too large";
            return false;
        }
    }
    *out = span_of(bytes, n);
    return true;
}

bool config_expand_file(const char *path, size_t max, struct arena *arena, struct span *out,
                        const char **why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        *why = strerror(errno);
        return false;
    }
    bool done = read_all(fd, max, arena, out, why);
    close(fd);
    return done;
}

const char *config_expand_path(struct span path, const char *directory, struct arena *arena) {
    if (span_starts(path, SPAN("/")))
        return text_kept(arena, path);
    size_t n = strlen(directory);
    char *p = arena_alloc(arena, n + 1 + path.n + 1);
    CHECK(p);
    memcpy(p, directory, n);
    p[n] = '/';
    memcpy(p + n + 1, path.p, path.n);
    p[n + 1 + path.n] = 0;
    return p;
}

static bool is_name(struct span name) {
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.n > 0;
}

/* What the reference between the braces stands for. */
static bool look_up(struct span name, const char *directory, struct arena *arena, struct span *out,
                    const char **why) {
    if (span_starts(name, SPAN("file:"))) {
        struct span path = span_from(name, strlen("file:"));
        if (path.n == 0 || memchr(path.p, 0, path.n))
            return refuse(arena, why, name, "names no file; write ${file:PATH}", "");
        const char *reason;
        if (!config_expand_file(config_expand_path(path, directory, arena), CONFIG_VALUE_MAX_BYTES,
                                arena, out, &reason))
            return refuse(arena, why, name, "cannot be read: ", reason);
        /* Editors end files with a line end, and some of them are from Windows. */
        if (span_ends(*out, SPAN("\n")))
            out->n -= span_ends(*out, SPAN("\r\n")) ? 2 : 1;
        return true;
    }
    /* Not shown: a key pasted between the braces would be. */
    if (!is_name(name))
        return refuse(arena, why, SPAN("..."),
                      "is neither ${NAME} nor ${file:PATH}; for a dollar sign "
                      "before a brace write $$",
                      "");
    const char *value = getenv(text_kept(arena, name));
    if (!value)
        return refuse(arena, why, name, "is not set in the environment", "");
    *out = span_str(value);
    return true;
}

/* Text that grows in the arena. */
struct pieces {
    struct arena *arena;
    char *p;
    size_t n, room;
};

static bool add(struct pieces *pieces, struct span piece) {
    if (piece.n > CONFIG_VALUE_MAX_BYTES - pieces->n)
        return false;
    if (pieces->room - pieces->n < piece.n) {
        size_t room = 2 * (pieces->n + piece.n);
        pieces->p = arena_grow(pieces->arena, pieces->p, pieces->room, room);
        CHECK(pieces->p);
        pieces->room = room;
    }
    if (piece.n)
        memcpy(pieces->p + pieces->n, piece.p, piece.n);
    pieces->n += piece.n;
    return true;
}

/* Takes one piece off the front of *rest: text up to the next '$', "$$", a lone '$' or a
 * reference. */
static bool take_piece(struct span *rest, const char *directory, struct arena *arena,
                       struct span *piece, const char **why) {
    size_t dollar = span_find(*rest, '$', 0);
    if (dollar > 0) {
        *piece = span_of(rest->p, dollar);
        *rest = span_from(*rest, dollar);
        return true;
    }
    bool reference = span_starts(*rest, SPAN("${"));
    if (!reference) {
        *piece = SPAN("$");
        *rest = span_from(*rest, span_starts(*rest, SPAN("$$")) ? 2 : 1);
        return true;
    }
    size_t end = span_find(*rest, '}', 2);
    if (end == rest->n)
        return refuse(arena, why, SPAN("..."), "is not closed; a } is missing", "");
    struct span name = span_of(rest->p + 2, end - 2);
    *rest = span_from(*rest, end + 1);
    return look_up(name, directory, arena, piece, why);
}

bool config_expand(struct span text, const char *directory, struct arena *arena, struct span *out,
                   const char **why) {
    struct pieces pieces = {.arena = arena};
    struct span rest = text;
    if (span_find(text, '$', 0) == text.n && text.n <= CONFIG_VALUE_MAX_BYTES) {
        *out = text;
        return true;
    }
    while (rest.n > 0) {
        struct span piece;
        if (!take_piece(&rest, directory, arena, &piece, why))
            return false;
        if (!add(&pieces, piece)) {
            *why = "the value is longer than 64 KiB";
            return false;
        }
    }
    *out = span_of(pieces.p, pieces.n);
    return true;
}
