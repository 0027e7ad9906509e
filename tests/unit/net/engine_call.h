/* engine_call.h - the asking side of the bed: a pool, a request on it (struct call), and a scripted
 * upstream whose connections are raw sockets. */
#ifndef TESTS_UNIT_NET_ENGINE_CALL_H
#define TESTS_UNIT_NET_ENGINE_CALL_H

#include "tests/unit/net/engine.h"

struct call {
    struct bed *bed;
    struct pool_ask ask;
    struct stream *stream; /* NULL before a connection and once gone */
    const char *target, *body;
    size_t body_n;   /* to be sent, borrowed */
    bool stop_early; /* stream_more(false) at the head */
    unsigned readies, faileds, heads, ends, gones, status;
    size_t got_n;
    char got[64]; /* its beginning */
    enum fail why;
    bool reused, resumed;
};

static inline void call_on_head(struct stream *stream, const struct http_head *head) {
    struct call *call = stream->user;
    call->heads++;
    call->status = head->status;
    if (call->stop_early)
        stream_more(stream, false);
}

static inline void call_on_body(struct stream *stream, struct span bytes) {
    struct call *call = stream->user;
    for (size_t i = 0; i < bytes.n && call->got_n + i < sizeof call->got - 1; i++)
        call->got[call->got_n + i] = bytes.p[i];
    call->got_n += bytes.n;
}

static inline void call_on_end(struct stream *stream) {
    struct call *call = stream->user;
    call->ends++;
}

static inline void call_on_room(struct stream *stream) { (void)stream; }

static inline void call_on_gone(struct stream *stream, enum fail why) {
    struct call *call = stream->user;
    call->gones++;
    call->why = why;
    call->stream = NULL;
}

static const struct stream_on call_on = {.head = call_on_head,
                                         .body = call_on_body,
                                         .end = call_on_end,
                                         .room = call_on_room,
                                         .gone = call_on_gone};

static inline void call_begin(struct call *call, struct stream *stream) {
    call->readies++;
    call->stream = stream;
    call->reused = stream->times.reused;
    call->resumed = stream->times.resumed;
    stream_use(stream, &call_on, call);
    struct http_head head = {.method = HTTP_POST,
                             .method_name = SPAN("POST"),
                             .target = span_str(call->target),
                             .authority = SPAN("a.example"),
                             .minor = 1,
                             .body = HTTP_BODY_LENGTH,
                             .body_length = call->body_n,
                             .keep_alive = true};
    if (stream_send_head(stream, &head) == 0 &&
        stream_send_borrowed(stream, span_of(call->body, call->body_n)) == 0)
        stream_send_end(stream);
}

static inline void call_ready(struct pool_ask *ask, struct stream *stream) {
    call_begin(container_of(ask, struct call, ask), stream);
}

static inline void call_failed(struct pool_ask *ask, enum fail why) {
    struct call *call = container_of(ask, struct call, ask);
    call->faileds++;
    call->why = why;
}

/* Asks the pool for POST `target` with the body, which must live until gone. */
static inline void call_ask(struct call *call, struct bed *bed, struct pool_origin *origin,
                            const char *target, const char *body, size_t body_n) {
    bool stop_early = call->stop_early;
    *call = (struct call){
        .bed = bed, .target = target, .body = body, .body_n = body_n, .stop_early = stop_early};
    pool_ask_init(&call->ask);
    call->ask.ready = call_ready;
    call->ask.failed = call_failed;
    call->ask.connect_ns = call->ask.tls_ns = 5 * NS_PER_S;
    struct stream *stream = pool_get(origin, &call->ask, false);
    if (stream)
        call_begin(call, stream);
}

static inline bool call_over(const struct call *call) { return call->gones || call->faileds; }

/* ---- the scripted upstream ---- */

struct upstream {
    struct bed *bed;
    struct pool_origin origin;
    int listen_fd;
    uint16_t port;
};

static inline void upstream_pool(struct upstream *up, struct bed *bed, const char *host,
                                 struct cert_client *tls, unsigned min_idle, unsigned max) {
    struct pool_settings settings = {.host = host,
                                     .port = up->port,
                                     .tls_name = "a.example",
                                     .tls = tls,
                                     .min_idle = min_idle,
                                     .max_connections = max,
                                     .idle_ns = 20 * NS_PER_S};
    up->bed = bed;
    pool_init(&up->origin, &bed->loop, &bed->resolve, &settings);
}

static inline void upstream_open(struct upstream *up, struct bed *bed, unsigned min_idle,
                                 unsigned max) {
    up->listen_fd = listen_on(&up->port);
    CHECK(fcntl(up->listen_fd, F_SETFL, O_NONBLOCK) == 0);
    upstream_pool(up, bed, "127.0.0.1", NULL, min_idle, max);
}

/* A connection that has come, or NULL. */
static inline struct raw *upstream_try_accept(struct upstream *up) {
    int fd = accept4(up->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    return fd < 0 ? NULL : bed_raw(up->bed, fd);
}

static inline struct raw *upstream_accept(struct upstream *up) {
    struct raw *raw = NULL;
    UNTIL(up->bed, (raw = upstream_try_accept(up)) != NULL);
    CHECK(raw);
    return raw;
}

static inline void upstream_close(struct upstream *up) {
    pool_stop(&up->origin);
    UNTIL(up->bed, pool_done(&up->origin));
    pool_fini(&up->origin);
    if (up->listen_fd >= 0)
        close(up->listen_fd);
}

#endif
