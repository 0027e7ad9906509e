/* engine_server.h - the server of the bed and its user, who answers by the request's target:
 *
 *   /now     200 "now" from on->head          /hello  200 "hello" at the request's end
 *   /echo    "COUNT SUM" of the body          /limit  413 from on->head when a body is announced
 *   /stream  bed->stream_bytes in chunks, as there is room
 *   /big     bed->stream_bytes as one body, all at once
 *   /wait    nothing: the test answers
 */
#ifndef TESTS_UNIT_NET_ENGINE_SERVER_H
#define TESTS_UNIT_NET_ENGINE_SERVER_H

#include "tests/unit/net/engine.h"

static inline void user_answer(struct user *user, unsigned status, enum http_body body,
                               uint64_t length) {
    struct http_head head = {.status = status,
                             .minor = 1,
                             .body = body,
                             .body_length = length,
                             .keep_alive = true,
                             .field_count = 1,
                             .fields = {{SPAN("x-target"), span_str(user->target)}}};
    stream_send_head(user->stream, &head);
}

static inline void user_text(struct user *user, unsigned status, const char *text) {
    user_answer(user, status, HTTP_BODY_LENGTH, strlen(text));
    stream_send_body(user->stream, span_str(text));
    stream_send_end(user->stream);
}

static inline bool user_is(const struct user *user, const char *target) {
    return strcmp(user->target, target) == 0;
}

static const char user_page[16384];

static inline void user_stream_on(struct user *user) {
    while (user->left > 0 && stream_room(user->stream) > 0) {
        size_t n = user->left < sizeof user_page ? user->left : sizeof user_page;
        if (stream_send_body(user->stream, span_of(user_page, n)) < 0)
            return;
        user->left -= n;
        if (user->left == 0)
            stream_send_end(user->stream);
    }
}

static inline void user_on_head(struct stream *stream, const struct http_head *head) {
    struct user *user = stream->user;
    user->heads++;
    span_text(head->target, user->target, sizeof user->target);
    bool body = head->body != HTTP_BODY_NONE;
    if (user_is(user, "/now"))
        user_text(user, 200, "now");
    else if (user_is(user, "/limit") && body)
        user_text(user, 413, "too large");
}

static inline void user_on_body(struct stream *stream, struct span bytes) {
    struct user *user = stream->user;
    user->body_n += bytes.n;
    user->body_sum = sum_of(user->body_sum, bytes.p, bytes.n);
}

static inline void user_on_end(struct stream *stream) {
    struct user *user = stream->user;
    char text[64];
    user->ends++;
    if (user_is(user, "/hello"))
        user_text(user, 200, "hello");
    if (user_is(user, "/echo")) {
        snprintf(text, sizeof text, "%zu %08x", user->body_n, user->body_sum);
        user_text(user, 200, text);
    }
    if (user_is(user, "/stream")) {
        user->left = user->bed->stream_bytes;
        user_answer(user, 200, HTTP_BODY_CHUNKED, 0);
        user_stream_on(user);
    }
    if (user_is(user, "/big")) {
        size_t left = user->bed->stream_bytes;
        user_answer(user, 200, HTTP_BODY_LENGTH, left);
        for (size_t n; left > 0; left -= n) {
            n = left < sizeof user_page ? left : sizeof user_page;
            stream_send_body(user->stream, span_of(user_page, n));
        }
        stream_send_end(user->stream);
    }
}

static inline void user_on_room(struct stream *stream) {
    struct user *user = stream->user;
    user->rooms++;
    user_stream_on(user);
}

static inline void user_on_gone(struct stream *stream, enum fail why) {
    struct user *user = stream->user;
    user->gones++;
    user->why = why;
    user->stream = NULL;
}

static const struct stream_on user_on = {.head = user_on_head,
                                         .body = user_on_body,
                                         .end = user_on_end,
                                         .room = user_on_room,
                                         .gone = user_on_gone};

static inline void bed_opened(struct server *server, struct stream *stream) {
    struct bed *bed = server->owner;
    struct user *user = &bed->users[bed->user_count++ % BED_USERS_MAX];
    CHECK(!user->stream); /* the one that had the place is long gone */
    *user = (struct user){.bed = bed, .stream = stream};
    stream_use(stream, &user_on, user);
}

static inline void bed_serve(struct bed *bed, struct cert_server *tls) {
    bed->server.opened = bed_opened;
    bed->server.owner = bed;
    int fd = listen_on(&bed->port);
    server_init(&bed->server, &bed->loop, &bed->settings, fd, tls);
    bed->serving = true;
}

static inline struct user *bed_user(struct bed *bed, unsigned index) {
    return &bed->users[index % BED_USERS_MAX];
}

/* The oldest session that the server has. */
static inline struct h1_server *bed_session(struct bed *bed) {
    CHECK(!list_empty(&bed->server.sessions));
    return container_of(bed->server.sessions.next, struct h1_server, h1.link);
}

#endif
