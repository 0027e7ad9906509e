/* stage.c - see stage.h. */
#include "bench/yard/stage.h"

#include "bench/authority.h"
#include "bench/yard/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    READ_SIZE = 65536,
    EVENTS_MAX = 256,
    SETTLE_NS =
        50 * 1000 * 1000 /* until the other side has closed what belonged to a closed link */
};

void yard_die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("bench-yard: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

uint64_t yard_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- links ---- */

static void watch(struct stage *s, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        yard_die("epoll_ctl: %s", strerror(errno));
}

/* Takes over a connected descriptor. */
static struct link *link_new(struct stage *s, int fd, SSL_CTX *tls, bool client) {
    int one = 1;
    struct link *link = calloc(1, sizeof *link);
    if (!link || fd >= STAGE_LINKS_MAX)
        yard_die("too many connections");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    *link = (struct link){.fd = fd, .client = client, .up = !tls, .held = -1};
    link->scan.request = !client;
    if (tls) {
        link->ssl = SSL_new(tls);
        if (!link->ssl || !SSL_set_fd(link->ssl, fd))
            yard_die("no memory for TLS");
    }
    s->links[fd] = link;
    return link;
}

static void link_free(struct stage *s, struct link *link) {
    if (link->held >= 0)
        s->held[link->held].link = NULL;
    s->links[link->fd] = NULL;
    SSL_free(link->ssl);
    close(link->fd);
    free(link);
}

bool stage_send(struct link *link, const char *bytes, size_t n) {
    ssize_t sent = link->ssl ? SSL_write(link->ssl, bytes, (int)n)
                             : send(link->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == (ssize_t)n)
        return true;
    /* The loops are closed: a peer never has more than a few hundred bytes to read. */
    if (sent > 0 || (!link->ssl && errno == EAGAIN))
        yard_die("a peer does not read");
    return false;
}

/* As read(2): bytes, 0 at the end, -1 when there is nothing now. */
static ssize_t link_read(struct link *link, char *to, size_t n) {
    ssize_t got;
    if (!link->ssl) {
        got = recv(link->fd, to, n, MSG_DONTWAIT);
        return got >= 0 ? got : errno == EAGAIN ? -1 : 0;
    }
    ERR_clear_error();
    got = SSL_read(link->ssl, to, (int)n);
    if (got > 0)
        return got;
    return SSL_get_error(link->ssl, (int)got) == SSL_ERROR_WANT_READ ? -1 : 0;
}

/* ---- clouds ---- */

static void answer_send(struct stage *s, struct link *link) {
    const struct text *text = s->answer == STAGE_OPEN ? &text_open : &text_whole;
    link->busy = false;
    if (!stage_send(link, text->bytes, text->n))
        s->clouds[link->cloud].left_early++;
    else if (s->answer == STAGE_OPEN)
        s->streams[s->stream_count++] = link;
}

/* Later; nothing if the other side does not wait for it. */
static void answer_hold(struct stage *s, struct link *link) {
    unsigned end = (s->held_end + 1) % STAGE_HELD_MAX;
    if (end == s->held_first)
        yard_die("too many answers held back");
    link->held = (int)s->held_end;
    s->held[s->held_end].link = link;
    s->held[s->held_end].due_ns = yard_clock_ns() + s->clouds[link->cloud].delay_ns;
    s->held_end = end;
}

static void held_release(struct stage *s) {
    if (s->held_first == s->held_end)
        return;
    uint64_t now_ns = yard_clock_ns();
    while (s->held_first != s->held_end && s->held[s->held_first].due_ns <= now_ns) {
        struct link *link = s->held[s->held_first].link;
        s->held_first = (s->held_first + 1) % STAGE_HELD_MAX;
        if (link) {
            link->held = -1;
            answer_send(s, link);
        }
    }
}

static void asked(struct stage *s, struct link *link) {
    struct cloud *cloud = &s->clouds[link->cloud];
    cloud->requests++;
    link->busy = true;
    scan_reset(&link->scan);
    if (cloud->delay_ns)
        answer_hold(s, link);
    else
        answer_send(s, link);
}

void stage_event(struct stage *s, unsigned index) {
    if (!stage_send(s->streams[index], text_event.bytes, text_event.n))
        yard_die("a stream was closed before its end");
}

void stage_finish(struct stage *s) {
    for (unsigned i = 0; i < s->stream_count; i++)
        stage_send(s->streams[i], text_finish.bytes, text_finish.n);
    s->stream_count = 0;
}

/* ---- clients ---- */

static void answered(struct stage *s, struct link *link) {
    if (link->scan.status != 200 || !scan_finished_stream(&link->scan))
        yard_die("a client got a bad answer (status %d): %s", link->scan.status, link->scan.head);
    if (s->answer == STAGE_WHOLE && link->scan.events != text_whole_events)
        yard_die("a client got %u events of %u; its answer's head: %s", link->scan.events,
                 text_whole_events, link->scan.head);
    scan_reset(&link->scan);
    link->busy = link->counted = false;
    s->replies++;
    if (s->replied)
        s->replied(s, link);
}

static void client_counts(struct stage *s, struct link *link, unsigned events_before) {
    s->events += link->scan.events - events_before;
    if (!link->scan.events || link->counted)
        return;
    link->counted = true;
    if (s->first_event)
        s->first_event(s, link);
}

/* ---- what is ready ---- */

static void link_bytes(struct stage *s, struct link *link, const char *bytes, size_t n) {
    while (n) {
        unsigned events_before = link->scan.events;
        ssize_t took = scan_feed(&link->scan, bytes, n);
        if (took < 0 || (link->client && !link->busy))
            yard_die("a %s got bytes that do not belong there: %.*s",
                     link->client ? "client" : "cloud", (int)n, bytes);
        bytes += took;
        n -= (size_t)took;
        if (link->client)
            client_counts(s, link, events_before);
        if (link->scan.state != SCAN_DONE)
            continue;
        if (link->client)
            answered(s, link);
        else
            asked(s, link);
    }
}

static void link_ended(struct stage *s, struct link *link) {
    if (link->client)
        yard_die("the program on port %u closed a client's connection", link->port);
    if (link->busy)
        s->clouds[link->cloud].left_early++;
    for (unsigned i = 0; i < s->stream_count; i++)
        if (s->streams[i] == link)
            yard_die("the program closed an open stream");
    link_free(s, link);
}

static void link_greet(struct stage *s, struct link *link) {
    ERR_clear_error();
    int result = SSL_do_handshake(link->ssl);
    link->up = result == 1;
    if (link->up || SSL_get_error(link->ssl, result) == SSL_ERROR_WANT_READ)
        return;
    if (link->client)
        yard_die("the TLS handshake with the program failed");
    link_free(s, link);
}

static void link_ready(struct stage *s, struct link *link) {
    static char bytes[READ_SIZE];
    if (!link->up) {
        link_greet(s, link);
        return;
    }
    /* A short read has emptied the socket, most likely; TLS may hold another record. */
    for (ssize_t got = READ_SIZE; got == READ_SIZE || link->ssl;) {
        got = link_read(link, bytes, sizeof bytes);
        if (got < 0)
            return;
        if (got == 0) {
            link_ended(s, link);
            return;
        }
        link_bytes(s, link, bytes, (size_t)got);
    }
}

static void cloud_accept(struct stage *s, enum cloud_name name) {
    int fd;
    while ((fd = accept4(s->clouds[name].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct link *link = link_new(s, fd, s->clouds[name].tls, false);
        link->cloud = name;
        link->number = s->accepted++;
        if (link->ssl)
            SSL_set_accept_state(link->ssl);
        watch(s, fd);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        yard_die("accept: %s", strerror(errno));
}

void stage_turn(struct stage *s) {
    struct epoll_event events[EVENTS_MAX];
    int ready = epoll_wait(s->epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < ready; i++) {
        int fd = events[i].data.fd, cloud = 0;
        while (cloud < CLOUDS && s->clouds[cloud].fd != fd)
            cloud++;
        if (cloud < CLOUDS)
            cloud_accept(s, (enum cloud_name)cloud);
        else if (s->links[fd])
            link_ready(s, s->links[fd]);
    }
    held_release(s);
}

/* ---- beginning and end ---- */

static void cloud_open(struct stage *s, struct cloud *cloud) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    cloud->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (cloud->fd < 0 || bind(cloud->fd, (struct sockaddr *)&address, length) < 0 ||
        listen(cloud->fd, BACKLOG) < 0 ||
        getsockname(cloud->fd, (struct sockaddr *)&address, &length) < 0)
        yard_die("listen: %s", strerror(errno));
    cloud->port = ntohs(address.sin_port);
    watch(s, cloud->fd);
}

void stage_open(struct stage *s, const char *tls_folder, const char *host, uint64_t slow_ns) {
    char error[256], ca[512];
    memset(s, 0, sizeof *s);
    s->host = host;
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    snprintf(ca, sizeof ca, "%s/ca.pem", tls_folder);
    if (!authority_provide(tls_folder, host, error, sizeof error) ||
        !(s->clouds[CLOUD_TLS].tls = authority_server(tls_folder, host, error, sizeof error)) ||
        !(s->tls = authority_client(ca, true, error, sizeof error)))
        yard_die("%s", error);
    s->clouds[CLOUD_SLOW].delay_ns = slow_ns;
    for (int i = 0; i < CLOUDS; i++)
        cloud_open(s, &s->clouds[i]);
}

static void greet(struct stage *s, struct link *link) {
    uint64_t until_ns = yard_clock_ns() + STAGE_PATIENCE_NS;
    SSL_set_connect_state(link->ssl);
    if (!SSL_set_tlsext_host_name(link->ssl, s->host) || !SSL_set1_host(link->ssl, s->host))
        yard_die("no memory for TLS");
    link_greet(s, link);
    while (!link->up) {
        stage_turn(s);
        if (yard_clock_ns() > until_ns)
            yard_die("a TLS handshake does not end");
    }
}

struct link *stage_connect(struct stage *s, uint16_t port, bool tls) {
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        yard_die("connect to port %u: %s", port, strerror(errno));
    struct link *link = link_new(s, fd, tls ? s->tls : NULL, true);
    link->port = port;
    watch(s, fd);
    if (tls)
        greet(s, link);
    return link;
}

static void settle(struct stage *s) {
    for (uint64_t until_ns = yard_clock_ns() + SETTLE_NS; yard_clock_ns() < until_ns;)
        stage_turn(s);
}

void stage_disconnect(struct stage *s, struct link **clients, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        link_free(s, clients[i]);
    settle(s);
}

void stage_hang_up(struct stage *s, uint64_t after) {
    for (unsigned fd = 0; fd < STAGE_LINKS_MAX; fd++) {
        struct link *link = s->links[fd];
        if (link && !link->client && !link->busy && link->number >= after)
            link_free(s, link);
    }
    settle(s);
}
