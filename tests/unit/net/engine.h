/* engine.h - a test bed around the real engine: real loop, real loopback sockets, one thread.
 *
 *   raw client (blocking calls never made) --> server + a user that answers by target
 *   pool + h1_client                       --> scripted upstream, a raw socket again
 *
 * Owns:     one loop with its resolver and mailbox, one server, the raw sockets until bed_close.
 * Promises: nothing sleeps: UNTIL turns the loop, which waits in the kernel for at most a
 *           millisecond (bed->turn_ns), reads what came for the raw sockets, and gives up after some
 *           seconds.
 */
#ifndef TESTS_UNIT_NET_ENGINE_H
#define TESTS_UNIT_NET_ENGINE_H

#include "tests/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "core/mailbox.h"
#include "net/addr.h"
#include "net/h1.h"
#include "net/pool.h"
#include "net/resolve.h"
#include "net/server.h"
#include "net/tls.h"

#define BED_RAWS_MAX    16
#define BED_USERS_MAX   64
#define BED_PATIENCE_NS (10 * NS_PER_S)
#define BED_TURN_NS     (1 * NS_PER_MS)
#define BED_MEMORY      ((size_t)512 << 20)

/* ---- a raw socket: says what it is told, keeps what it hears ---- */

struct raw {
    int fd; /* -1: closed, or none */
    char *got;
    size_t got_n, got_room;
    bool muted; /* does not read: its receive buffer fills up */
    bool ended; /* the peer's end was read */
    int error;  /* errno of a read or write that failed */
};

/* ---- what the server's user has seen of one request ---- */

struct user {
    struct bed *bed;
    struct stream *stream; /* NULL once gone */
    char target[64];
    size_t body_n, left;
    uint32_t body_sum;
    unsigned heads, ends, gones, rooms;
    enum fail why;
};

struct bed {
    struct loop loop;
    struct mailbox mailbox;
    struct resolver *resolver;
    struct resolve resolve;
    struct server server;
    struct server_settings settings;
    uint16_t port;
    bool serving;
    struct raw *raws[BED_RAWS_MAX];
    struct user users[BED_USERS_MAX]; /* the last ones, round and round */
    unsigned user_count;
    size_t stream_bytes; /* how much /stream gives */
    size_t memory_peak;
    uint64_t turn_ns; /* the longest sleep of a turn */
};

static inline uint32_t sum_of(uint32_t sum, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        sum = sum * 31 + (unsigned char)p[i];
    return sum;
}

/* ---- raw sockets ---- */

static inline void raw_read(struct raw *raw) {
    while (raw->fd >= 0 && !raw->muted && !raw->ended) {
        if (raw->got_room - raw->got_n < 65536) {
            raw->got_room = 2 * raw->got_room + 131072;
            raw->got = realloc(raw->got, raw->got_room);
            CHECK(raw->got);
        }
        ssize_t n = recv(raw->fd, raw->got + raw->got_n, 65535, MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            raw->error = errno;
        if (n < 0)
            return;
        raw->ended = n == 0;
        raw->got_n += (size_t)n;
        raw->got[raw->got_n] = 0;
    }
}

/* Bytes taken by the socket, at once. */
static inline size_t raw_send_some(struct raw *raw, const char *p, size_t n) {
    ssize_t sent = send(raw->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        raw->error = errno;
    return sent > 0 ? (size_t)sent : 0;
}

static inline void raw_say(struct raw *raw, const char *text) {
    EXPECT_EQ(raw_send_some(raw, text, strlen(text)), strlen(text));
}

static inline void raw_close(struct raw *raw) {
    if (raw->fd >= 0)
        close(raw->fd);
    raw->fd = -1;
}

/* Closes with a reset instead of an end. */
static inline void raw_reset(struct raw *raw) {
    struct linger hard = {.l_onoff = 1};
    setsockopt(raw->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    raw_close(raw);
}

static inline void raw_forget(struct raw *raw) { raw->got_n = 0; }

static inline bool raw_has(const struct raw *raw, const char *text) {
    return raw->got_n && memmem(raw->got, raw->got_n, text, strlen(text));
}

static inline unsigned raw_count(const struct raw *raw, const char *text) {
    unsigned count = 0;
    size_t n = strlen(text);
    for (const char *p = raw->got, *end = raw->got + raw->got_n;
         raw->got_n && (p = memmem(p, (size_t)(end - p), text, n)); p += n)
        count++;
    return count;
}

static inline struct raw *bed_raw(struct bed *bed, int fd) {
    for (unsigned i = 0; i < BED_RAWS_MAX; i++) {
        if (bed->raws[i])
            continue;
        struct raw *raw = calloc(1, sizeof *raw);
        CHECK(raw && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
        raw->fd = fd;
        return bed->raws[i] = raw;
    }
    CHECK(!"too many raw sockets");
    return NULL;
}

/* Forgets it; all must be gone before their places are used up. */
static inline void bed_drop(struct bed *bed, struct raw *raw) {
    for (unsigned i = 0; i < BED_RAWS_MAX; i++)
        if (bed->raws[i] == raw)
            bed->raws[i] = NULL;
    raw_close(raw);
    free(raw->got);
    free(raw);
}

/* ---- time ---- */

static inline void bed_turn(struct bed *bed) {
    CHECK(loop_turn(&bed->loop, ring_now(bed->loop.ring) + bed->turn_ns) == 0);
    if (bed->loop.memory.used_bytes > bed->memory_peak)
        bed->memory_peak = bed->loop.memory.used_bytes;
    for (unsigned i = 0; i < BED_RAWS_MAX; i++)
        if (bed->raws[i])
            raw_read(bed->raws[i]);
}

/* Turns until the condition holds, or fails the test. */
#define UNTIL(bed, condition)                                                    \
    do {                                                                         \
        uint64_t until_ns_ = ring_now((bed)->loop.ring) + BED_PATIENCE_NS;       \
        bool held_;                                                              \
        while (!(held_ = (condition)) && ring_now((bed)->loop.ring) < until_ns_) \
            bed_turn(bed);                                                       \
        (void)test_expect(held_, __FILE__, __LINE__, "never: %s", #condition);   \
    } while (0)

static inline void bed_turns(struct bed *bed, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        bed_turn(bed);
}

static inline bool bed_open_with(struct bed *bed, unsigned bufs) {
    struct ring_options options = {.sq_entries = 256,
                                   .cq_entries = 1024,
                                   .buf_count = bufs,
                                   .buf_size_bytes = RING_BUF_SIZE,
                                   .feature_mask = ~0u};
    memset(bed, 0, sizeof *bed);
    bed->turn_ns = BED_TURN_NS;
    int error = loop_open(&bed->loop, &options, BED_MEMORY);
    if (error < 0) {
        test_skip("io_uring is not usable here: %s", strerror(-error));
        return false;
    }
    CHECK(mailbox_open(&bed->mailbox, &bed->loop, bed) == 0);
    CHECK(resolver_new(&bed->resolver) == 0);
    resolve_init(&bed->resolve, &bed->loop, bed->resolver, &bed->mailbox);
    bed->settings = (struct server_settings){.head_max_bytes = HTTP_HEAD_MAX,
                                             .head_ns = 5 * NS_PER_S,
                                             .body_ns = 5 * NS_PER_S,
                                             .idle_ns = 20 * NS_PER_S,
                                             .handshake_ns = 5 * NS_PER_S,
                                             .connections_max = 100};
    return true;
}

static inline bool bed_open(struct bed *bed) { return bed_open_with(bed, 256); }

/* Everything must be home: memory_fini and loop_close CHECK it. */
static inline void bed_close(struct bed *bed) {
    for (unsigned i = 0; i < BED_RAWS_MAX; i++)
        if (bed->raws[i])
            bed_drop(bed, bed->raws[i]);
    if (bed->serving) {
        server_stop(&bed->server);
        UNTIL(bed, server_done(&bed->server));
        server_fini(&bed->server);
    }
    resolver_free(&bed->resolver);
    mailbox_close(&bed->mailbox);
    UNTIL(bed, mailbox_closed(&bed->mailbox));
    mailbox_fini(&bed->mailbox);
    resolve_fini(&bed->resolve);
    EXPECT_EQ(bed->loop.memory.used_bytes, 0);
    loop_close(&bed->loop);
}

/* ---- listening sockets and clients ---- */

static inline int listen_on(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_storage name;
    int fd = ring_listen(NULL, (struct sockaddr *)&address, sizeof address, false);
    CHECK(fd >= 0 && ring_name(NULL, fd, false, &name) == 0);
    *port = ntohs(((struct sockaddr_in *)&name)->sin_port);
    return fd;
}

/* Connects to the loopback port; receive_bytes > 0: with so small a receive buffer. */
static inline struct raw *bed_connect(struct bed *bed, uint16_t port, int receive_bytes) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    CHECK(fd >= 0);
    if (receive_bytes)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return bed_raw(bed, fd);
}

#endif
