/* load_prepare.c - what a load run needs before it begins: the bytes of its request, and the
 * server's address; see load.h. */
#include "bench/load.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

static bool read_body(const char *file, struct bytes *out) {
    FILE *f = fopen(file, "rb");
    size_t got = 0;
    if (!f)
        return false;
    do {
        out->end += got;
        got = fread(bytes_room(out, BUFSIZ), 1, BUFSIZ, f);
    } while (got);
    bool ok = !ferror(f);
    fclose(f);
    return ok;
}

static void make_body(const struct load_options *o, struct bytes *out) {
    static const char words[] = "tell me about hedges and clouds ";
    bytes_str(out, "{\"model\":\"");
    bytes_json(out, o->model, strlen(o->model));
    bytes_fmt(out, "\",%s\"messages\":[{\"role\":\"user\",\"content\":\"",
              o->stream ? "\"stream\":true," : "");
    for (uint64_t left = o->prompt_bytes; left;) {
        size_t part = left < sizeof words - 1 ? (size_t)left : sizeof words - 1;
        bytes_add(out, words, part);
        left -= part;
    }
    bytes_str(out, "\"}]}");
}

bool load_prepare_request(const struct load_options *o, struct bytes *out) {
    struct bytes body = {0};
    if (o->body_file && !read_body(o->body_file, &body)) {
        fprintf(stderr, "hedgerow-bench load: %s: %s\n", o->body_file, strerror(errno));
        bytes_free(&body);
        return false;
    }
    if (!o->body_file)
        make_body(o, &body);
    bytes_fmt(out, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: hedgerow-bench\r\n", o->path,
              o->host_header);
    if (o->key)
        bytes_fmt(out, "Authorization: Bearer %s\r\n", o->key);
    bytes_add(out, o->headers.data, o->headers.end);
    bytes_fmt(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
              bytes_len(&body));
    bytes_add(out, bytes_at(&body), bytes_len(&body));
    bytes_free(&body);
    return true;
}

/* Resolves the host. Of several addresses the first that accepts a connection is taken. */
bool load_prepare_address(const struct load_options *o, struct sockaddr_storage *to,
                          socklen_t *to_len) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int failed = getaddrinfo(o->host, o->port, &hints, &found);
    if (failed) {
        fprintf(stderr, "hedgerow-bench load: %s: %s\n", o->host, gai_strerror(failed));
        return false;
    }
    const struct addrinfo *chosen = found;
    for (const struct addrinfo *a = found; a && found->ai_next; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool accepted = fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0;
        if (fd >= 0)
            close(fd);
        if (accepted) {
            chosen = a;
            break;
        }
    }
    memcpy(to, chosen->ai_addr, chosen->ai_addrlen);
    *to_len = chosen->ai_addrlen;
    freeaddrinfo(found);
    return true;
}
