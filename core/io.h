/* io.h - arms one operation on the ring. The only file that writes op.armed.
 *
 * An op is embedded in its owner, one field per thing that can be in flight, named after it.
 * `armed` is true from submission until the kernel's last word on it (a completion without
 * IORING_CQE_F_MORE); until then its owner is not freed and the op is not submitted again. `done`
 * gets the result by value, because one batch can hold several completions of a multishot op;
 * `armed` is already false in the last one's call. */
#ifndef HEDGEROW_CORE_IO_H
#define HEDGEROW_CORE_IO_H

#include "core/list.h"
#include "core/ring.h"

struct loop;

struct op {
    void (*done)(struct op *op, int res, unsigned flags);
    bool armed;
    bool eager;     /* an eager send: its success makes no completion */
    bool receive;   /* armed by io_recv: without a buffer it waits for one */
    bool cancelled; /* io_cancel was called since it was armed */
    int length;     /* send: bytes; receive: the descriptor, to arm it again */
    int send_fd;    /* send: to try again waiting */
    const char *send_data;
    struct list link; /* in loop->eager, loop->eager_sent or loop->starved */
};

static inline void op_init(struct op *op, void (*done)(struct op *, int, unsigned)) {
    op->done = done;
    op->armed = op->eager = op->receive = op->cancelled = false;
    list_init(&op->link);
}

/* Multishot accept on a listening socket: res = descriptor (>= 0) or -errno; armed again by the
 * owner when the last came. Kernel 5.19. */
void io_accept(struct loop *, struct op *, int fd);
/* `address` must live until done. res = 0 or -errno. */
void io_connect(struct loop *, struct op *, int fd, const struct sockaddr *address,
                socklen_t length);
/* Multishot receive into provided buffers: res > 0 with a buffer (io_bytes), 0 at the peer's end of
 * data, or -errno. -ENOBUFS never reaches the owner: the op waits for buffers and is armed again by
 * the loop. Kernel 6.0. */
void io_recv(struct loop *, struct op *, int fd);
/* The bytes of a receive completion, and giving their buffer back (exactly once for each res > 0).
 */
char *io_bytes(struct loop *, unsigned flags);
void io_bytes_give(struct loop *, unsigned flags);
/* Sends data[length]; res = bytes sent (may be short) or -errno. At most one send in flight per
 * socket. Tried at once without waiting; only if the socket's buffer is full does a second,
 * waiting, send follow. data must live until done. The success of the first wakes nobody up: done
 * comes in the next turn, whenever that is (loop_hurry). */
void io_send(struct loop *, struct op *, int fd, const char *data, size_t length);
/* The send's descriptor is about to be closed: if the first try is refused, there is no second one, which could go to
 * whoever has the number by then; done comes with -EAGAIN. */
void io_send_last(struct op *);
/* Cancels every op on the descriptor and closes it: done when closed. The cancelled ops' own
 * completions come besides. */
void io_close(struct loop *, struct op *, int fd);
/* Asks for the end of one op; its completion (-ECANCELED or what it was about to be) tells when. No
 * completion of its own. A receive that waits for a buffer is not with the kernel: it is disarmed at
 * once, and done is not called. */
void io_cancel(struct loop *, struct op *target);
/* The receive's descriptor is about to be closed: if it waits for a buffer it is disarmed, without a
 * completion; armed again later, it would take bytes of whoever has the number by then. */
void io_recv_last(struct loop *, struct op *);
/* Reads from a descriptor that is not a socket (eventfd). */
void io_read(struct loop *, struct op *, int fd, void *into, size_t length);

/* For loop.c: dispatches one completion; and what is due after a batch. */
void io_dispatch(struct loop *, const struct io_uring_cqe *cqe);
void io_finish_eager(struct loop *);
void io_rearm_starved(struct loop *);

#endif
