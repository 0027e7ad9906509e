/* server.c - accepts connections and keeps their sessions. See server.h. */
#include "net/server.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "net/h1.h"

/* After running out of descriptors or connections, accepting is tried again this often. */
#define AGAIN_NS (100 * NS_PER_MS)

static void accept_done(struct op *op, int fd, unsigned flags);
static void close_done(struct op *op, int res, unsigned flags);
static void again_fired(struct timer *timer);

static bool is_full(const struct server *server) {
    return server->session_count >= server->settings->connections_max;
}

static void start_accepting(struct server *server) {
    if (server->accept.armed || server->draining || server->fd < 0)
        return;
    if (is_full(server))
        loop_arm(server->loop, &server->again, AGAIN_NS);
    else
        io_accept(server->loop, &server->accept, server->fd);
}

void server_init(struct server *server, struct loop *loop, const struct server_settings *settings,
                 int fd, struct cert_server *tls) {
    void (*opened)(struct server *, struct stream *) = server->opened;
    void *owner = server->owner;
    *server = (struct server){
        .loop = loop, .settings = settings, .fd = fd, .opened = opened, .owner = owner};
    server->tls = tls ? cert_server_hold(tls) : NULL;
    op_init(&server->accept, accept_done);
    op_init(&server->close, close_done);
    timer_init(&server->again, again_fired);
    list_init(&server->sessions);
    slab_init(&server->sessions_slab, "server_session", sizeof(struct h1_server),
              settings->connections_max);
    start_accepting(server);
}

static void accepted(struct server *server, int fd) {
    struct h1_server *session = server->draining ? NULL : slab_new(&server->sessions_slab);
    if (!session) {
        server->stats.refused++;
        ring_close_fd(server->loop->ring, fd); /* accepted before the accept was cancelled */
        return;
    }
    server->stats.accepted++;
    server->session_count++;
    h1_server_start(session, server, fd);
    list_push_back(&server->sessions, &session->h1.link);
    /* Full: what comes is left in the kernel's backlog until a connection ends. */
    if (is_full(server) && server->accept.armed)
        io_cancel(server->loop, &server->accept);
}

static void accept_done(struct op *op, int fd, unsigned flags) {
    struct server *server = container_of(op, struct server, accept);
    (void)flags;
    if (fd >= 0)
        accepted(server, fd);
    if (op->armed || server->draining)
        return;
    /* The multishot ended: overflow, out of descriptors, or cancelled because full. */
    if (fd >= 0)
        start_accepting(server);
    else
        loop_arm(server->loop, &server->again, AGAIN_NS);
}

static void again_fired(struct timer *timer) {
    struct server *server = container_of(timer, struct server, again);
    start_accepting(server);
}

void server_released(struct server *server) {
    if (timer_armed(&server->again))
        start_accepting(server);
}

static void close_done(struct op *op, int res, unsigned flags) {
    struct server *server = container_of(op, struct server, close);
    (void)res;
    (void)flags;
    server->fd = -1;
}

void server_drain(struct server *server) {
    if (server->draining)
        return;
    server->draining = true;
    loop_disarm(server->loop, &server->again);
    io_close(server->loop, &server->close, server->fd);
    list_each_safe (node, &server->sessions)
        h1_server_drain(container_of(node, struct h1_server, h1.link));
}

void server_set_tls(struct server *server, struct cert_server *tls) {
    if (server->tls)
        cert_server_drop(&server->tls);
    server->tls = tls ? cert_server_hold(tls) : NULL;
}

void server_stop(struct server *server) {
    server_drain(server);
    list_each_safe (node, &server->sessions) {
        struct h1_server *session = container_of(node, struct h1_server, h1.link);
        conn_stop(&session->h1.conn, FAIL_DRAINING);
    }
}

bool server_done(const struct server *server) {
    return server->session_count == 0 && !server->accept.armed && !server->close.armed &&
           server->fd < 0;
}

void server_fini(struct server *server) {
    CHECK(server_done(server));
    if (server->tls)
        cert_server_drop(&server->tls);
    slab_fini(&server->sessions_slab);
}

struct span server_date(struct server *server) {
    int64_t now_s = (int64_t)(ring_wall(server->loop->ring) / NS_PER_S);
    if (now_s != server->date_s) {
        static const char days[] = "SunMonTueWedThuFriSat";
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        struct tm tm;
        time_t seconds = (time_t)now_s;
        gmtime_r(&seconds, &tm);
        /* Not strftime: its names follow the locale. */
        char text[64];
        snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
        memcpy(server->date, text, sizeof server->date - 1);
        server->date_s = now_s;
    }
    return span_of(server->date, sizeof server->date - 1);
}
