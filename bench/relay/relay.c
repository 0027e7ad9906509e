/* relay.c - raw-relay LISTEN_PORT UPSTREAM_PORT: the yardstick of `make bench`.
 *
 * A single-thread io_uring TCP relay between loopback ports that parses nothing: multishot accept,
 * multishot receive into one provided-buffer ring, one send in flight per socket. What a user-space
 * proxy on this kernel cannot go below (PERFORMANCE.md). It uses liburing directly and nothing of
 * the product, so that it cannot become faster or slower with it. Runs until killed. */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SQ_ENTRIES 1024
#define CQ_ENTRIES 8192
#define BUFS       2048
#define BUF_SIZE   4096
#define QUEUE_SIZE (256 * 1024)

enum kind { ACCEPT, CONNECT, RECV, SEND };

struct side {
    struct pair *pair;
    int fd;
    bool receiving, sending, ended; /* ended: its peer has no more to say to it */
    char *queue;                    /* bytes on their way to this side */
    size_t begin, end;
};

struct pair {
    struct side client, upstream;
};

/* What a completion belongs to: the side's address with the kind in its low bits. */
static uint64_t tag(struct side *side, enum kind kind) { return (uint64_t)(uintptr_t)side | kind; }

static struct io_uring ring;
static struct io_uring_buf_ring *buf_ring;
static char bufs[BUFS * BUF_SIZE];
static struct sockaddr_in upstream_address;

static struct io_uring_sqe *sqe_get(void) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (!sqe) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    if (!sqe)
        abort();
    return sqe;
}

static void buf_give(unsigned id) {
    io_uring_buf_ring_add(buf_ring, bufs + (size_t)id * BUF_SIZE, BUF_SIZE, (unsigned short)id,
                          io_uring_buf_ring_mask(BUFS), 0);
    io_uring_buf_ring_advance(buf_ring, 1);
}

static void recv_arm(struct side *side) {
    struct io_uring_sqe *sqe = sqe_get();
    io_uring_prep_recv_multishot(sqe, side->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 1;
    sqe->user_data = tag(side, RECV);
    side->receiving = true;
}

static void send_arm(struct side *side) {
    if (side->sending || side->begin == side->end)
        return;
    struct io_uring_sqe *sqe = sqe_get();
    io_uring_prep_send(sqe, side->fd, side->queue + side->begin, side->end - side->begin,
                       MSG_NOSIGNAL);
    sqe->user_data = tag(side, SEND);
    side->sending = true;
}

static struct side *other(struct side *side) {
    return side == &side->pair->client ? &side->pair->upstream : &side->pair->client;
}

static void side_init(struct side *side, struct pair *pair, int fd) {
    int one = 1;
    side->pair = pair;
    side->fd = fd;
    side->queue = malloc(QUEUE_SIZE);
    if (!side->queue)
        abort();
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void accepted(int fd) {
    struct pair *pair = calloc(1, sizeof *pair);
    int upstream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!pair || upstream < 0)
        abort();
    side_init(&pair->client, pair, fd);
    side_init(&pair->upstream, pair, upstream);
    struct io_uring_sqe *sqe = sqe_get();
    io_uring_prep_connect(sqe, upstream, (struct sockaddr *)&upstream_address,
                          sizeof upstream_address);
    sqe->user_data = tag(&pair->upstream, CONNECT);
}

/* Nothing is in flight and both sides have ended: the pair is over. */
static void join(struct pair *pair) {
    struct side *a = &pair->client, *b = &pair->upstream;
    if (a->receiving || a->sending || b->receiving || b->sending)
        return;
    close(a->fd);
    close(b->fd);
    free(a->queue);
    free(b->queue);
    free(pair);
}

static void received(struct side *side, const struct io_uring_cqe *cqe) {
    struct side *to = other(side);
    side->receiving = cqe->flags & IORING_CQE_F_MORE;
    if (cqe->res > 0) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        size_t n = (size_t)cqe->res;
        if (to->begin == to->end && !to->sending)
            to->begin = to->end = 0;
        if (to->end + n > QUEUE_SIZE)
            abort(); /* the benchmark's peers always read */
        memcpy(to->queue + to->end, bufs + (size_t)id * BUF_SIZE, n);
        to->end += n;
        buf_give(id);
        send_arm(to);
    }
    if (side->receiving)
        return;
    if (cqe->res > 0 || cqe->res == -ENOBUFS) {
        recv_arm(side);
        return;
    }
    shutdown(to->fd, SHUT_RDWR); /* rare: the end of a connection */
    join(side->pair);
}

static void sent(struct side *side, int res) {
    side->sending = false;
    if (res > 0) {
        side->begin += (size_t)res;
        send_arm(side);
    }
    if (!side->receiving)
        join(side->pair);
}

static void accept_arm(int listen_fd) {
    struct io_uring_sqe *sqe = sqe_get();
    io_uring_prep_multishot_accept(sqe, listen_fd, NULL, NULL, 0);
    sqe->user_data = ACCEPT;
}

static void dispatch(const struct io_uring_cqe *cqe, int listen_fd) {
    struct side *side = (struct side *)(uintptr_t)(cqe->user_data & ~UINT64_C(3));
    switch ((enum kind)(cqe->user_data & 3)) {
    case ACCEPT:
        if (cqe->res >= 0)
            accepted(cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE))
            accept_arm(listen_fd);
        break;
    case CONNECT:
        if (cqe->res < 0)
            abort();
        recv_arm(&side->pair->client);
        recv_arm(&side->pair->upstream);
        break;
    case RECV: received(side, cqe); break;
    case SEND: sent(side, cqe->res); break;
    }
}

static int listen_on(unsigned short port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(fd, 1024) < 0) {
        perror("raw-relay: listen");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: raw-relay LISTEN_PORT UPSTREAM_PORT\n");
        return 2;
    }
    upstream_address = (struct sockaddr_in){.sin_family = AF_INET,
                                            .sin_port = htons((unsigned short)atoi(argv[2])),
                                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listen_fd = listen_on((unsigned short)atoi(argv[1])), error;
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                                              IORING_SETUP_CQSIZE,
                                     .cq_entries = CQ_ENTRIES};
    if (io_uring_queue_init_params(SQ_ENTRIES, &ring, &params) < 0 ||
        !(buf_ring = io_uring_setup_buf_ring(&ring, BUFS, 1, 0, &error))) {
        fprintf(stderr, "raw-relay: io_uring is not usable here\n");
        return 1;
    }
    io_uring_register_ring_fd(&ring);
    for (unsigned id = 0; id < BUFS; id++)
        buf_give(id);
    accept_arm(listen_fd);
    fprintf(stderr, "raw-relay: ready\n");
    for (;;) {
        struct io_uring_cqe *cqes[256];
        if (io_uring_submit_and_wait(&ring, 1) < 0)
            continue;
        unsigned count = io_uring_peek_batch_cqe(&ring, cqes, 256);
        for (unsigned i = 0; i < count; i++)
            dispatch(cqes[i], listen_fd);
        io_uring_cq_advance(&ring, count);
    }
}
