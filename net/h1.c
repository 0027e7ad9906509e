/* h1.c - what the two halves of HTTP/1.1 share: body framing in both directions. (RFC 9112 6, 7) */
#include "net/h1.h"

#include <errno.h>

#include "core/limits.h"

/* Each call hands out one span; the user may end the session in it. */
static bool still_reading(const struct h1 *h1) {
    return conn_is_open(&h1->conn) && h1->in == H1_IN_BODY && h1->in_use;
}

void h1_begin_body(struct h1 *h1, const struct http_head *head) {
    h1->in = H1_IN_BODY;
    h1->in_body = head->body;
    h1->in_left = head->body_length;
    memset(&h1->chunked, 0, sizeof h1->chunked);
}

static void body_done(struct h1 *h1) {
    h1->in = H1_IN_DONE;
    h1->stream.on->end(&h1->stream);
}

static long read_chunked(struct h1 *h1, struct span in) {
    size_t consumed = 0;
    while (still_reading(h1)) {
        struct span data = {NULL, 0};
        bool done = false;
        long n = h1_chunked_next(&h1->chunked, span_from(in, consumed), &data, &done);
        if (n < 0)
            return n;
        consumed += (size_t)n;
        if (data.n)
            h1->stream.on->body(&h1->stream, data);
        if (done && still_reading(h1))
            body_done(h1);
        if (n == 0 || done)
            break;
    }
    return (long)consumed;
}

long h1_read_body(struct h1 *h1, struct span in) {
    switch (h1->in_body) {
    case HTTP_BODY_NONE: body_done(h1); return 0;
    case HTTP_BODY_CHUNKED: return read_chunked(h1, in);
    case HTTP_BODY_UNTIL_CLOSE:
        if (in.n)
            h1->stream.on->body(&h1->stream, in);
        return (long)in.n;
    case HTTP_BODY_LENGTH: break;
    }
    struct span data = span_of(in.p, (size_t)min_u64(in.n, h1->in_left));
    h1->in_left -= data.n;
    if (data.n)
        h1->stream.on->body(&h1->stream, data);
    if (h1->in_left == 0 && still_reading(h1))
        body_done(h1);
    return (long)data.n;
}

/* Size line and CRLF around a chunk, at most. */
#define CHUNK_FRAME_MAX 20
/* Chunks up to this are put together in the output block: one look at the queue instead of three. */
#define CHUNK_IN_PLACE_MAX 8192

static int send_large_chunk(struct h1 *h1, struct span bytes,
                            bool (*write)(struct conn *, struct span)) {
    char size[CHUNK_FRAME_MAX];
    unsigned n = h1_write_chunk_size(bytes.n, size);
    bool queued = conn_write(&h1->conn, span_of(size, n)) && write(&h1->conn, bytes) &&
                  conn_write(&h1->conn, SPAN("\r\n"));
    return queued ? 0 : -ENOBUFS;
}

static int send_framed(struct h1 *h1, struct span bytes,
                       bool (*write)(struct conn *, struct span)) {
    if (!h1->in_use || !conn_is_open(&h1->conn))
        return -EPIPE;
    CHECK(h1->out == H1_OUT_BODY);
    if (bytes.n == 0)
        return 0;
    switch (h1->out_body) {
    case HTTP_BODY_NONE: return 0; /* the answer to HEAD */
    case HTTP_BODY_UNTIL_CLOSE: return write(&h1->conn, bytes) ? 0 : -ENOBUFS;
    case HTTP_BODY_LENGTH:
        CHECK(bytes.n <= h1->out_left);
        h1->out_left -= bytes.n;
        return write(&h1->conn, bytes) ? 0 : -ENOBUFS;
    case HTTP_BODY_CHUNKED: break;
    }
    if (bytes.n > CHUNK_IN_PLACE_MAX)
        return send_large_chunk(h1, bytes, write);
    char *room = conn_reserve(&h1->conn, bytes.n + CHUNK_FRAME_MAX);
    if (!room)
        return -ENOBUFS;
    size_t n = h1_write_chunk_size(bytes.n, room);
    memcpy(room + n, bytes.p, bytes.n);
    memcpy(room + n + bytes.n, "\r\n", 2);
    conn_filled(&h1->conn, n + bytes.n + 2);
    return 0;
}

int h1_send_body(struct stream *stream, struct span bytes) {
    return send_framed(h1_of_stream(stream), bytes, conn_write);
}

int h1_send_borrowed(struct stream *stream, struct span bytes) {
    return send_framed(h1_of_stream(stream), bytes, conn_borrow);
}

bool h1_finish_body(struct h1 *h1) {
    CHECK(h1->out == H1_OUT_BODY);
    h1->out = H1_OUT_DONE;
    if (h1->out_body == HTTP_BODY_CHUNKED)
        return conn_write(&h1->conn, SPAN("0\r\n\r\n"));
    if (h1->out_body == HTTP_BODY_LENGTH && h1->out_left > 0) {
        conn_stop(&h1->conn, FAIL_INTERNAL);
        return false;
    }
    return true;
}

size_t h1_room(const struct stream *stream) {
    struct h1 *h1 = h1_of_stream((struct stream *)stream);
    return conn_room(&h1->conn);
}

void h1_more(struct stream *stream, bool wanted) { conn_more(&h1_of_stream(stream)->conn, wanted); }
