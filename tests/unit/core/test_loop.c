/* test_loop.c - the loop on the real kernel: receive, send, cancel, close, starved buffers,
 * mailboxes. What the simulator pretends about io_uring is checked here against the kernel itself.
 */
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "core/loop.h"
#include "core/mailbox.h"

#define TURNS_MAX 200

struct peer {
    struct loop *loop;
    struct op recv, send, close;
    char got[1 << 16];
    size_t got_n;
    int last, sends, closes;
    bool ended;
};

static void peer_recv_done(struct op *op, int res, unsigned flags) {
    struct peer *peer = container_of(op, struct peer, recv);
    peer->last = res;
    if (res > 0) {
        memcpy(peer->got + peer->got_n, io_bytes(peer->loop, flags), (size_t)res);
        peer->got_n += (size_t)res;
        io_bytes_give(peer->loop, flags);
    }
    if (!op->armed)
        peer->ended = true;
}

static void peer_send_done(struct op *op, int res, unsigned flags) {
    struct peer *peer = container_of(op, struct peer, send);
    (void)flags;
    peer->last = res;
    peer->sends++;
}

static void peer_close_done(struct op *op, int res, unsigned flags) {
    struct peer *peer = container_of(op, struct peer, close);
    (void)flags;
    peer->last = res;
    peer->closes++;
}

static void peer_init(struct peer *peer, struct loop *loop) {
    memset(peer, 0, sizeof *peer);
    peer->loop = loop;
    op_init(&peer->recv, peer_recv_done);
    op_init(&peer->send, peer_send_done);
    op_init(&peer->close, peer_close_done);
}

static bool open_loop(struct loop *loop, unsigned bufs) {
    struct ring_options options = {.sq_entries = 64,
                                   .cq_entries = 256,
                                   .buf_count = bufs,
                                   .buf_size_bytes = 256,
                                   .feature_mask = ~0u};
    int error = loop_open(loop, &options, 1 << 20);
    if (error < 0)
        test_skip("io_uring is not usable here: %s", strerror(-error));
    return error == 0;
}

static uint64_t soon(struct loop *loop) { return ring_now(loop->ring) + 20 * NS_PER_MS; }

TEST(bytes_both_ways) {
    static struct loop loop;
    static struct peer peer;
    int fds[2];
    if (!open_loop(&loop, 16))
        return;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    peer_init(&peer, &loop);
    io_recv(&loop, &peer.recv, fds[0]);
    EXPECT_EQ(write(fds[1], "hello", 5), 5);
    for (int i = 0; i < TURNS_MAX && peer.got_n < 5; i++)
        loop_turn(&loop, soon(&loop));
    EXPECT_BYTES(peer.got, peer.got_n, "hello");
    EXPECT(peer.recv.armed);
    io_send(&loop, &peer.send, fds[0], "world", 5);
    for (int i = 0; i < TURNS_MAX && peer.send.armed; i++)
        loop_turn(&loop, soon(&loop));
    char back[8];
    EXPECT_EQ(peer.last, 5);
    EXPECT_EQ(read(fds[1], back, sizeof back), 5);
    EXPECT_EQ(loop.stats.sends_eager, 1); /* no completion was needed */
    io_close(&loop, &peer.close, fds[0]);
    for (int i = 0; i < TURNS_MAX && loop.armed; i++)
        loop_turn(&loop, soon(&loop));
    EXPECT_EQ(peer.closes, 1);
    EXPECT(peer.ended);
    EXPECT_EQ(read(fds[1], back, sizeof back), 0); /* the peer sees the end */
    close(fds[1]);
    loop_close(&loop);
}

TEST(a_full_socket_is_waited_for) {
    static struct loop loop;
    static struct peer peer;
    static char data[1 << 20];
    int fds[2];
    if (!open_loop(&loop, 16))
        return;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    peer_init(&peer, &loop);
    size_t sent = 0, got = 0;
    static char sink[65536];
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 20000 && got < sizeof data; i++) {
        if (!peer.send.armed && sent < sizeof data) {
            if (peer.sends)
                peer.sends = 0;
            io_send(&loop, &peer.send, fds[0], data + sent, sizeof data - sent);
        }
        loop_turn(&loop, i % 4 ? ring_now(loop.ring) + NS_PER_MS : 1);
        if (peer.sends && peer.last > 0)
            sent += (size_t)peer.last, peer.last = 0;
        long n = i % 3 == 0 ? read(fds[1], sink, sizeof sink) : 0;
        if (n > 0)
            got += (size_t)n;
    }
    EXPECT_EQ(got, sizeof data);
    EXPECT(loop.stats.sends_waiting > 0);
    close(fds[1]);
    io_close(&loop, &peer.close, fds[0]);
    for (int i = 0; i < TURNS_MAX && loop.armed; i++)
        loop_turn(&loop, soon(&loop));
    EXPECT_EQ(loop.armed, 0);
    loop_close(&loop);
}

/* More bytes at once than there are buffers: the receive ends with ENOBUFS and is armed again,
 * nothing is lost. */
TEST(starved_receives_are_armed_again) {
    static struct loop loop;
    static struct peer peer;
    static char data[16000];
    int fds[2];
    if (!open_loop(&loop, 2))
        return;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    peer_init(&peer, &loop);
    io_recv(&loop, &peer.recv, fds[0]);
    REQUIRE(write(fds[1], data, sizeof data) == (long)sizeof data);
    for (int i = 0; i < TURNS_MAX && peer.got_n < sizeof data; i++)
        loop_turn(&loop, soon(&loop));
    EXPECT_MEM(peer.got, peer.got_n, data, sizeof data);
    EXPECT(loop.stats.starved > 0);
    close(fds[1]);
    for (int i = 0; i < TURNS_MAX && !peer.ended; i++)
        loop_turn(&loop, soon(&loop));
    EXPECT_EQ(peer.last, 0);
    io_close(&loop, &peer.close, fds[0]);
    for (int i = 0; i < TURNS_MAX && loop.armed; i++)
        loop_turn(&loop, soon(&loop));
    loop_close(&loop);
}

TEST(cancelling_a_receive_brings_it_home) {
    static struct loop loop;
    static struct peer peer;
    int fds[2];
    if (!open_loop(&loop, 16))
        return;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    peer_init(&peer, &loop);
    io_recv(&loop, &peer.recv, fds[0]);
    loop_turn(&loop, 1);
    io_cancel(&loop, &peer.recv);
    for (int i = 0; i < TURNS_MAX && peer.recv.armed; i++)
        loop_turn(&loop, soon(&loop));
    EXPECT_EQ(peer.last, -ECANCELED);
    io_recv(&loop, &peer.recv, fds[0]); /* and it can be armed again */
    EXPECT_EQ(write(fds[1], "x", 1), 1);
    for (int i = 0; i < TURNS_MAX && !peer.got_n; i++)
        loop_turn(&loop, soon(&loop));
    EXPECT_EQ(peer.got_n, 1);
    io_close(&loop, &peer.close, fds[0]);
    for (int i = 0; i < TURNS_MAX && loop.armed; i++)
        loop_turn(&loop, soon(&loop));
    close(fds[1]);
    loop_close(&loop);
}

struct note {
    struct message message;
    int *count;
};

static void note_deliver(struct message *message, void *owner) {
    struct note *note = container_of(message, struct note, message);
    (void)owner;
    ++*note->count;
}

struct poster {
    struct mailbox *box;
    struct note notes[1000];
};

static void *post_all(void *argument) {
    struct poster *poster = argument;
    for (size_t i = 0; i < countof(poster->notes); i++)
        mailbox_post(poster->box, &poster->notes[i].message);
    return NULL;
}

TEST(mailbox_delivers_from_other_threads) {
    static struct loop loop;
    static struct mailbox box;
    static struct poster posters[3];
    pthread_t threads[3];
    int count = 0;
    if (!open_loop(&loop, 16))
        return;
    REQUIRE(mailbox_open(&box, &loop, NULL) == 0);
    for (int t = 0; t < 3; t++) {
        posters[t].box = &box;
        for (size_t i = 0; i < countof(posters[t].notes); i++)
            posters[t].notes[i] = (struct note){{note_deliver, NULL}, &count};
        pthread_create(&threads[t], NULL, post_all, &posters[t]);
    }
    for (int i = 0; i < 5000 && count < 3000; i++)
        loop_turn(&loop, soon(&loop));
    for (int t = 0; t < 3; t++)
        pthread_join(threads[t], NULL);
    EXPECT_EQ(count, 3000);
    mailbox_close(&box);
    for (int i = 0; i < TURNS_MAX && !mailbox_closed(&box); i++)
        loop_turn(&loop, soon(&loop));
    mailbox_fini(&box);
    loop_close(&loop);
}
