/* io.c - fills submission entries for ops and hands completions back to them. See io.h for the
 * rules it keeps. */
#include "core/io.h"

#include <errno.h>
#include <sys/socket.h>

#include "core/loop.h"

static struct io_uring_sqe *submit(struct loop *loop, struct op *op, int opcode, int fd) {
    CHECK(!op->armed);
    struct io_uring_sqe *sqe = ring_sqe(loop->ring);
    sqe->opcode = (uint8_t)opcode;
    sqe->fd = fd;
    sqe->user_data = (uint64_t)(uintptr_t)op;
    op->armed = true;
    op->receive = op->cancelled = false;
    loop->armed++;
    return sqe;
}

void io_accept(struct loop *loop, struct op *op, int fd) {
    struct io_uring_sqe *sqe = submit(loop, op, IORING_OP_ACCEPT, fd);
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    sqe->accept_flags = SOCK_CLOEXEC;
}

void io_connect(struct loop *loop, struct op *op, int fd, const struct sockaddr *address,
                socklen_t length) {
    struct io_uring_sqe *sqe = submit(loop, op, IORING_OP_CONNECT, fd);
    sqe->addr = (uint64_t)(uintptr_t)address;
    sqe->off = length;
}

static void recv_arm(struct loop *loop, struct op *op, int fd) {
    struct io_uring_sqe *sqe = submit(loop, op, IORING_OP_RECV, fd);
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = RING_BUF_GROUP;
    op->receive = true;
}

void io_recv(struct loop *loop, struct op *op, int fd) {
    op->length = fd; /* kept for arming again after -ENOBUFS */
    recv_arm(loop, op, fd);
}

char *io_bytes(struct loop *loop, unsigned flags) {
    CHECK(flags & IORING_CQE_F_BUFFER);
    return ring_buf(loop->ring, flags >> IORING_CQE_BUFFER_SHIFT);
}

void io_bytes_give(struct loop *loop, unsigned flags) {
    ring_buf_give(loop->ring, flags >> IORING_CQE_BUFFER_SHIFT);
}

static struct io_uring_sqe *send_arm(struct loop *loop, struct op *op, int fd, const char *data,
                                     size_t length) {
    struct io_uring_sqe *sqe = submit(loop, op, IORING_OP_SEND, fd);
    sqe->addr = (uint64_t)(uintptr_t)data;
    sqe->len = (uint32_t)length;
    return sqe;
}

void io_send(struct loop *loop, struct op *op, int fd, const char *data, size_t length) {
    CHECK(length > 0 && length <= INT32_MAX);
    struct io_uring_sqe *sqe = send_arm(loop, op, fd, data, length);
    /* Success makes no completion and no wake-up of its own (PERFORMANCE.md A.3); the loop says so
     * after the wait. */
    sqe->msg_flags = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL;
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    op->eager = true;
    op->length = (int)length;
    op->send_fd = fd;
    op->send_data = data;
    list_push_back(&loop->eager, &op->link);
}

/* The socket's buffer is full: the same bytes again, this time waiting for room. */
static void send_waiting(struct loop *loop, struct op *op) {
    loop->stats.sends_waiting++;
    struct io_uring_sqe *sqe = send_arm(loop, op, op->send_fd, op->send_data, (size_t)op->length);
    sqe->msg_flags = MSG_NOSIGNAL;
    sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
}

void io_send_last(struct op *op) { op->send_fd = -1; }

void io_close(struct loop *loop, struct op *op, int fd) {
    /* Closing alone leaves a multishot receive running and sends no FIN (PERFORMANCE.md A.3):
     * cancel first, linked hard so that the close comes after it whatever its result. */
    struct io_uring_sqe *cancel = ring_sqe_pair(loop->ring);
    cancel->opcode = IORING_OP_ASYNC_CANCEL;
    cancel->fd = fd;
    cancel->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
    cancel->flags = IOSQE_IO_HARDLINK;
    cancel->user_data = 0;
    submit(loop, op, IORING_OP_CLOSE, fd);
}

static void disarm(struct loop *loop, struct op *op) {
    op->armed = false;
    CHECK(loop->armed > 0);
    loop->armed--;
}

void io_recv_last(struct loop *loop, struct op *op) {
    op->cancelled = true;
    if (!op->armed || !list_linked(&op->link))
        return;
    list_remove(&op->link); /* of loop->starved */
    disarm(loop, op);
}

void io_cancel(struct loop *loop, struct op *target) {
    if (target->receive)
        io_recv_last(loop, target);
    if (!target->armed)
        return;
    target->cancelled = true;
    struct io_uring_sqe *sqe = ring_sqe(loop->ring);
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = (uint64_t)(uintptr_t)target;
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = 0;
}

void io_read(struct loop *loop, struct op *op, int fd, void *into, size_t length) {
    struct io_uring_sqe *sqe = submit(loop, op, IORING_OP_READ, fd);
    sqe->addr = (uint64_t)(uintptr_t)into;
    sqe->len = (uint32_t)length;
    sqe->off = UINT64_MAX; /* the descriptor's own position */
}

void io_dispatch(struct loop *loop, const struct io_uring_cqe *cqe) {
    struct op *op = (struct op *)(uintptr_t)cqe->user_data;
    if (!op)
        return; /* a cancel's own word */
    int res = cqe->res;
    unsigned flags = cqe->flags;
    CHECK(op->armed);
    if (!(flags & IORING_CQE_F_MORE))
        disarm(loop, op);
    if (op->eager) {
        list_remove(&op->link);
        op->eager = false;
        if (res == -EAGAIN && op->send_fd >= 0) {
            send_waiting(loop, op);
            return;
        }
    }
    if (res == -ENOBUFS && op->receive && op->cancelled)
        res = -ECANCELED; /* the cancel will find nothing: the end that it asked for is here */
    if (res == -ENOBUFS && op->receive && !op->armed) {
        /* No buffer was free when bytes came; they are given back within this turn, so try again at
         * its end. */
        loop->stats.starved++;
        op->armed = true;
        loop->armed++;
        list_push_back(&loop->starved, &op->link);
        return;
    }
    op->done(op, res, flags);
}

void io_finish_eager(struct loop *loop) {
    struct list *node;
    while ((node = list_pop(&loop->eager_sent))) {
        struct op *op = container_of(node, struct op, link);
        op->eager = false;
        disarm(loop, op);
        loop->stats.sends_eager++;
        op->done(op, op->length, 0);
    }
}

void io_rearm_starved(struct loop *loop) {
    struct list *node;
    while ((node = list_pop(&loop->starved))) {
        struct op *op = container_of(node, struct op, link);
        disarm(loop, op);
        recv_arm(loop, op, op->length);
    }
}
