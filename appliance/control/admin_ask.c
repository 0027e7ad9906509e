/* admin_ask.c - see the header.
 *
 * Promises: ends within LIMIT_S, whoever answers, and takes no more than ANSWER_BYTES_MAX. */
#include "appliance/control/admin_ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "appliance/control/config_value.h"
#include "core/base.h"
#include "core/heap.h"
#include "core/ring.h"
#include "net/addr.h"
#include "net/h1_parse.h"

#define LIMIT_S          5
#define HEAD_BYTES_MAX   8192
#define ANSWER_BYTES_MAX (16u << 20)
#define ANSWER_FIRST     65536

/* A connected socket, or -errno. */
static int dial(const struct addr *addr) {
    struct timeval limit = {.tv_sec = LIMIT_S};
    int fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, &addr->any, addr->length) == 0)
        return fd;
    int error = errno == EINPROGRESS ? ETIMEDOUT : errno; /* so connect(2) tells of SO_SNDTIMEO */
    close(fd);
    return -error;
}

static int say(int fd, const char *text, size_t n) {
    for (size_t at = 0; at < n;) {
        ssize_t sent = send(fd, text + at, n - at, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return -errno;
        at += sent > 0 ? (size_t)sent : 0;
    }
    return 0;
}

/* Everything until the other side's end, in *text; its length, or -errno. */
static ssize_t hear(int fd, char **text) {
    size_t n = 0, max = ANSWER_FIRST;
    uint64_t until_ns = ring_now(NULL) + LIMIT_S * NS_PER_S;
    *text = heap_alloc(max + 1);
    for (;;) {
        if (n == max) {
            if (max >= ANSWER_BYTES_MAX)
                return -EFBIG;
            max *= 2;
            *text = heap_realloc(*text, max + 1);
        }
        ssize_t got = recv(fd, *text + n, max - n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if (got == 0)
            return (ssize_t)n;
        n += (size_t)got;
        if (ring_now(NULL) > until_ns)
            return -ETIMEDOUT;
    }
}

static ssize_t exchange(const struct addr *addr, const char *address, const char *target,
                        char **text) {
    char request[512];
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n", target, address);
    if (n < 0 || (size_t)n >= sizeof request)
        return -EINVAL;
    int fd = dial(addr);
    if (fd < 0)
        return fd;
    ssize_t got = say(fd, request, (size_t)n);
    if (got == 0)
        got = hear(fd, text);
    close(fd);
    return got;
}

/* Moves the body of a whole 200 to the front of *text. */
static bool take_body(char *text, size_t n, size_t *length, const char *address, char *why,
                      size_t why_size) {
    struct http_head head;
    size_t scanned = 0;
    long at = h1_parse_response(span_of(text, n), HEAD_BYTES_MAX, &scanned, false, &head);
    if (at <= 0 || head.body != HTTP_BODY_LENGTH || head.body_length != n - (size_t)at) {
        snprintf(why, why_size,
                 "what answers at %s is not the admin listener of hedgerow, or it broke off",
                 address);
        return false;
    }
    if (head.status != 200) {
        snprintf(why, why_size,
                 "%s answered %u: %.*s - is it the admin listener of a hedgerow as new as this?",
                 address, head.status, (int)min_size(n - (size_t)at, 200), text + at);
        return false;
    }
    *length = n - (size_t)at;
    memmove(text, text + at, *length);
    text[*length] = 0;
    return true;
}

bool admin_ask(const char *address, const char *target, char **body, size_t *length, char *why,
               size_t why_size) {
    struct config_address parsed;
    struct addr addr;
    const char *reason;
    if (!config_value_address(span_str(address), &parsed, &reason) ||
        !addr_parse(parsed.host, parsed.port, &addr)) {
        snprintf(why, why_size, "%s is not an address such as " ADMIN_ASK_DEFAULT, address);
        return false;
    }
    char *text = NULL;
    ssize_t n = exchange(&addr, address, target, &text);
    CHECK(n < 0 || text);
    if (n < 0)
        snprintf(
            why, why_size,
            "nobody answers at %s (%s): is hedgerow running, and is this the admin address of "
            "its configuration? `--admin ADDR` names another, `--log FILE` reads an access log",
            address, strerror((int)-n));
    else if (take_body(text, (size_t)n, length, address, why, why_size)) {
        *body = text;
        return true;
    }
    heap_free(&text);
    return false;
}
