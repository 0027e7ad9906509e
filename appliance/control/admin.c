/* admin.c - the admin listener. See admin.h.
 *
 *     READING --head is whole--> WRITING --all sent--> ENDING --the peer has closed--> FREE
 *        |                          |                    |
 *        +----- LIMIT_NS have passed, or an error -------+----> FREE
 *
 * One thread polls the listening socket and a few connections, so that a scraper which is slow or
 * silent keeps a place, for a while, but nobody waiting. One request a connection.
 *
 * Owns:     the thread, the sockets, the answers.
 * Refuses:  request bodies, anything but GET and HEAD, heads above HEAD_MAX_BYTES, and more than
 *           CONNECTIONS_MAX connections at a time: those wait in the listen queue. */
#include "appliance/control/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "appliance/control/admin_ready.h"
#include "appliance/control/metrics.h"
#include "appliance/control/report_view.h"
#include "core/heap.h"
#include "net/addr.h"
#include "net/h1_parse.h"

#define CONNECTIONS_MAX 32
#define HEAD_MAX_BYTES  8192
/* A whole connection, from its accept to the last byte of its answer. */
#define LIMIT_NS (2 * NS_PER_S)
/* Of connections without any: how often the clocks are looked at. */
#define LOOK_MS        100
#define HEAD_OUT_BYTES 512

enum admin_state {
    ADMIN_FREE,    /* no connection */
    ADMIN_READING, /* the head is arriving */
    ADMIN_WRITING, /* the answer is being sent */
    /* All is sent, and the end of it too. What the client still says is read over: closing with
     * unread bytes would reset the connection and could cost it the answer (RFC 9112 9.6). */
    ADMIN_ENDING,
};

struct admin_conn {
    enum admin_state state;
    int fd; /* -1: free */
    uint64_t begin_ns;
    char in[HEAD_MAX_BYTES];
    size_t in_n, scanned;
    char *out; /* head and body; from the heap */
    size_t out_n, out_at;
};

struct admin {
    struct crew *crew; /* borrowed, outlives */
    int listen_fd, wake_fd;
    pthread_t thread;
    unsigned count; /* of conns in use */
    struct admin_conn conns[CONNECTIONS_MAX];
};

/* --- answers --- */

struct answer {
    unsigned status;
    struct span type;
    char *body; /* from the heap, given away */
    size_t length;
};

static struct answer plain(unsigned status, const char *text) {
    size_t length = strlen(text);
    return (struct answer){status, SPAN("text/plain; charset=utf-8"), heap_text(text, length),
                           length};
}

static struct answer live(struct crew *crew, const struct http_head *head) {
    (void)crew;
    (void)head;
    return plain(200, "ok\n");
}

static struct answer ready(struct crew *crew, const struct http_head *head) {
    (void)head;
    char text[ADMIN_READY_TEXT_MAX];
    bool is_ready = admin_ready(crew, text);
    return plain(is_ready ? 200 : 503, text);
}

static struct answer metrics(struct crew *crew, const struct http_head *head) {
    (void)head;
    struct answer answer = {.status = 200,
                            .type = SPAN("text/plain; version=0.0.4; charset=utf-8")};
    answer.body = metrics_text(crew, &answer.length);
    return answer;
}

/* `format` of the query decides; without it, what the client would rather have. */
static bool wants_text(const struct http_head *head) {
    struct span query = span_from(head->target, http_path(head->target).n + 1);
    while (query.p) {
        struct span part = span_cut(&query, '&');
        if (span_starts(part, SPAN("format=")))
            return span_eq(part, SPAN("format=text"));
    }
    return http_list_has(http_field(head, SPAN("accept")), SPAN("text/plain"));
}

static struct answer report(struct crew *crew, const struct http_head *head) {
    struct answer answer = {.status = 200, .type = SPAN("application/json")};
    struct report whole = report_view(crew);
    if (wants_text(head)) {
        answer.type = SPAN("text/plain; charset=utf-8");
        answer.body = report_text_new(&whole, &answer.length);
    } else {
        answer.body = report_json(&whole, &answer.length);
    }
    report_free(&whole);
    return answer;
}

static const struct {
    struct span path;
    struct answer (*answer)(struct crew *, const struct http_head *);
} pages[] = {
    {SPAN_CONST("/livez"), live},
    {SPAN_CONST("/readyz"), ready},
    {SPAN_CONST("/metrics"), metrics},
    {SPAN_CONST("/admin/report"), report},
};

static struct answer answer_to(struct crew *crew, const struct http_head *head) {
    struct span path = http_path(head->target);
    for (unsigned i = 0; i < countof(pages); i++) {
        if (!span_eq(path, pages[i].path))
            continue;
        if (head->method != HTTP_GET && head->method != HTTP_HEAD)
            return plain(405, "use GET\n");
        return pages[i].answer(crew, head);
    }
    return plain(404, "there are /livez, /readyz, /metrics and /admin/report\n");
}

/* --- one connection --- */

static void close_conn(struct admin *admin, struct admin_conn *conn) {
    close(conn->fd);
    conn->fd = -1;
    conn->state = ADMIN_FREE;
    heap_free(&conn->out);
    admin->count--;
}

/* Queues the answer; its body is taken over. */
static void reply(struct admin_conn *conn, struct answer *answer, bool body_too) {
    conn->out = heap_alloc(HEAD_OUT_BYTES + answer->length);
    int n = snprintf(conn->out, HEAD_OUT_BYTES,
                     "HTTP/1.1 %u %s\r\ncontent-type: %.*s\r\ncontent-length: %zu\r\n%s"
                     "cache-control: no-store\r\nconnection: close\r\n\r\n",
                     answer->status, http_status_text(answer->status), (int)answer->type.n,
                     answer->type.p, answer->length,
                     answer->status == 405 ? "allow: GET, HEAD\r\n" : "");
    CHECK(n > 0 && n < HEAD_OUT_BYTES);
    conn->out_n = (size_t)n;
    if (body_too) {
        memcpy(conn->out + n, answer->body, answer->length);
        conn->out_n += answer->length;
    }
    conn->state = ADMIN_WRITING;
    heap_free(&answer->body);
}

static void read_head(struct admin *admin, struct admin_conn *conn) {
    struct http_head head;
    long n =
        h1_parse_request(span_of(conn->in, conn->in_n), sizeof conn->in, &conn->scanned, &head);
    if (n == 0)
        return;
    struct answer answer;
    if (n < 0) {
        enum fail why = (enum fail) - n;
        answer = plain((unsigned)fail_status(why), fail_text(why));
    } else {
        answer = answer_to(admin->crew, &head);
    }
    reply(conn, &answer, n < 0 || head.method != HTTP_HEAD);
}

static void receive(struct admin *admin, struct admin_conn *conn) {
    ssize_t n = recv(conn->fd, conn->in + conn->in_n, sizeof conn->in - conn->in_n, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_conn(admin, conn);
        return;
    }
    conn->in_n += (size_t)n;
    read_head(admin, conn);
}

static void send_out(struct admin *admin, struct admin_conn *conn) {
    ssize_t n = send(conn->fd, conn->out + conn->out_at, conn->out_n - conn->out_at,
                     MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        close_conn(admin, conn);
        return;
    }
    conn->out_at += (size_t)n;
    if (conn->out_at < conn->out_n)
        return;
    shutdown(conn->fd, SHUT_WR);
    conn->state = ADMIN_ENDING;
}

static void read_over(struct admin *admin, struct admin_conn *conn) {
    ssize_t n = recv(conn->fd, conn->in, sizeof conn->in, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_conn(admin, conn);
}

/* --- the thread --- */

static void accept_one(struct admin *admin, uint64_t now_ns) {
    int fd = accept4(admin->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct admin_conn *conn = admin->conns;
    while (conn->state != ADMIN_FREE)
        conn++;
    CHECK(conn < admin->conns + CONNECTIONS_MAX);
    *conn = (struct admin_conn){.state = ADMIN_READING, .fd = fd, .begin_ns = now_ns};
    admin->count++;
}

/* The listening socket, the wake descriptor and each connection. A full house leaves newcomers in
 * the listen queue; poll(2) passes over descriptors below 0. */
static void list_wanted(const struct admin *admin, struct pollfd wanted[CONNECTIONS_MAX + 2]) {
    bool full = admin->count == CONNECTIONS_MAX;
    wanted[0] = (struct pollfd){.fd = admin->wake_fd, .events = POLLIN};
    wanted[1] = (struct pollfd){.fd = full ? -1 : admin->listen_fd, .events = POLLIN};
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        wanted[i + 2] =
            (struct pollfd){.fd = admin->conns[i].fd,
                            .events = admin->conns[i].state == ADMIN_WRITING ? POLLOUT : POLLIN};
}

static void serve_conn(struct admin *admin, struct admin_conn *conn, short events,
                       uint64_t now_ns) {
    if (events) {
        switch (conn->state) {
        case ADMIN_FREE: return;
        case ADMIN_READING: receive(admin, conn); break;
        case ADMIN_WRITING: send_out(admin, conn); break;
        case ADMIN_ENDING: read_over(admin, conn); break;
        }
    }
    if (conn->state != ADMIN_FREE && now_ns - conn->begin_ns > LIMIT_NS)
        close_conn(admin, conn);
}

static void *run(void *argument) {
    struct admin *admin = argument;
    struct pollfd wanted[CONNECTIONS_MAX + 2];
    for (;;) {
        list_wanted(admin, wanted);
        if (poll(wanted, countof(wanted), admin->count ? LOOK_MS : -1) < 0)
            continue;
        if (wanted[0].revents)
            return NULL;
        uint64_t now_ns = ring_now(NULL);
        for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
            if (admin->conns[i].state != ADMIN_FREE)
                serve_conn(admin, &admin->conns[i], wanted[i + 2].revents, now_ns);
        if (wanted[1].revents)
            accept_one(admin, now_ns);
    }
}

/* --- life --- */

static int bind_to(struct admin *admin, const char *host, uint16_t port, uint16_t *bound_port) {
    struct addr addr;
    struct sockaddr_storage name;
    if (!addr_parse(span_str(host), port, &addr))
        return -EINVAL;
    admin->listen_fd = ring_listen(NULL, &addr.any, addr.length, false);
    if (admin->listen_fd < 0)
        return admin->listen_fd;
    int error = ring_name(NULL, admin->listen_fd, false, &name);
    if (error < 0)
        return error;
    memcpy(&addr.any, &name, sizeof addr.v6);
    *bound_port = addr_port(&addr);
    /* poll says that somebody is there; by the time of the accept he may have gone. */
    if (fcntl(admin->listen_fd, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    admin->wake_fd = eventfd(0, EFD_CLOEXEC);
    return admin->wake_fd < 0 ? -errno : 0;
}

static void free_admin(struct admin **pointer) {
    struct admin *admin = *pointer;
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        if (admin->conns[i].state != ADMIN_FREE)
            close_conn(admin, &admin->conns[i]);
    if (admin->listen_fd >= 0)
        close(admin->listen_fd);
    if (admin->wake_fd >= 0)
        close(admin->wake_fd);
    heap_free(pointer);
}

int admin_start(struct admin **out, const char *host, uint16_t port, struct crew *crew,
                uint16_t *bound_port) {
    struct admin *admin = heap_alloc(sizeof *admin);
    admin->crew = crew;
    admin->listen_fd = admin->wake_fd = -1;
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        admin->conns[i].fd = -1;
    int error = bind_to(admin, host, port, bound_port);
    if (error == 0)
        error = -pthread_create(&admin->thread, NULL, run, admin);
    if (error < 0) {
        free_admin(&admin);
        return error;
    }
    pthread_setname_np(admin->thread, "hedgerow/admin");
    *out = admin;
    return 0;
}

void admin_stop(struct admin **pointer) {
    uint64_t one = 1;
    ssize_t n = write((*pointer)->wake_fd, &one, sizeof one);
    CHECK(n == sizeof one);
    pthread_join((*pointer)->thread, NULL);
    free_admin(pointer);
}
