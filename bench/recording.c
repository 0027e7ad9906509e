/* recording.c - recorded provider streams; see recording.h. */
#include "bench/recording.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *text, const char *end) {
    size_t text_len = strlen(text), end_len = strlen(end);
    return text_len >= end_len && !strcmp(text + text_len - end_len, end);
}

static bool is_stream(const char *name) {
    return ends_with(name, ".sse") || ends_with(name, ".chunks.txt") || ends_with(name, ".bin");
}

static void wrap_lines(const struct bytes *lines, struct bytes *out) {
    const char *at = lines->data + lines->start, *end = lines->data + lines->end;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline ? newline : end) - at);
        if (len) {
            bytes_str(out, "data: ");
            bytes_add(out, at, len);
            bytes_str(out, "\n\n");
        }
        at += len + 1;
    }
    bytes_str(out, "data: [DONE]\n\n");
}

static bool file_read(const char *path, struct bytes *out, char *error, size_t error_size) {
    FILE *f = fopen(path, "rb");
    size_t got = 0;
    if (!f) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return false;
    }
    do {
        out->end += got;
        got = fread(bytes_room(out, BUFSIZ), 1, BUFSIZ, f);
    } while (got && out->end < RECORDING_MAX);
    bool ok = !ferror(f) && !got;
    if (!ok)
        snprintf(error, error_size, "%s: %s", path,
                 got ? "is larger than a recording may be" : "cannot be read");
    fclose(f);
    return ok;
}

const struct recording *recordings_file(struct recordings *all, const char *path, char *error,
                                        size_t error_size) {
    for (struct recording *r = all->first; r; r = r->next)
        if (!strcmp(r->path, path))
            return r;
    struct bytes raw = {0};
    if (!file_read(path, &raw, error, error_size)) {
        bytes_free(&raw);
        return NULL;
    }
    struct recording *r = bytes_alloc(1, sizeof *r);
    *r = (struct recording){.path = bytes_dup(path, strlen(path)),
                            .json = !is_stream(path),
                            .binary = ends_with(path, ".bin"),
                            .next = all->first};
    if (ends_with(path, ".chunks.txt")) {
        wrap_lines(&raw, &r->content);
        bytes_free(&raw);
    } else {
        r->content = raw;
    }
    all->first = r;
    return r;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_free(struct recordings *all) {
    for (size_t i = 0; i < all->names_count; i++)
        free(all->names[i]);
    free(all->names);
    free(all->listed);
    all->names = NULL;
    all->listed = NULL;
    all->names_count = 0;
}

static bool list_folder(struct recordings *all, const char *folder, char *error,
                        size_t error_size) {
    if (all->listed && !strcmp(all->listed, folder))
        return true;
    DIR *dir = opendir(folder);
    if (!dir) {
        snprintf(error, error_size, "%s: %s", folder, strerror(errno));
        return false;
    }
    size_t capacity = 0;
    names_free(all);
    all->listed = bytes_dup(folder, strlen(folder));
    for (struct dirent *e; (e = readdir(dir));) {
        if (!is_stream(e->d_name))
            continue;
        if (all->names_count == capacity) {
            capacity = capacity ? capacity * 2 : 64;
            char **grown = bytes_alloc(capacity, sizeof *grown);
            if (all->names_count)
                memcpy(grown, all->names, all->names_count * sizeof *grown);
            free(all->names);
            all->names = grown;
        }
        all->names[all->names_count++] = bytes_dup(e->d_name, strlen(e->d_name));
    }
    closedir(dir);
    /* readdir() has no order; the turns must have one. */
    if (all->names_count)
        qsort(all->names, all->names_count, sizeof *all->names, by_name);
    return true;
}

const struct recording *recordings_in(struct recordings *all, const char *folder, const char *name,
                                      uint64_t turn, char *error, size_t error_size) {
    if (!*name) {
        if (!list_folder(all, folder, error, error_size))
            return NULL;
        if (!all->names_count) {
            snprintf(error, error_size, "%s: there is no .sse, .bin or .chunks.txt file", folder);
            return NULL;
        }
        name = all->names[turn % all->names_count];
    } else if (*name == '/' || strstr(name, "..")) {
        snprintf(error, error_size, "the name of a recording may not lead out of its folder");
        return NULL;
    }
    struct bytes path = {0};
    bytes_fmt(&path, "%s/%s", folder, name);
    const struct recording *r = recordings_file(all, bytes_text(&path), error, error_size);
    bytes_free(&path);
    return r;
}

void recordings_free(struct recordings *all) {
    names_free(all);
    while (all->first) {
        struct recording *r = all->first;
        all->first = r->next;
        free(r->path);
        bytes_free(&r->content);
        free(r);
    }
}
