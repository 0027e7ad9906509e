/* ring.h - the seam to the kernel: an io_uring with one provided-buffer ring, a clock, and the few
 * socket calls that are not worth an op. Two implementations, chosen by the linker:
 * core/ring_uring.c (the kernel) and tests/sim/ring_sim.c (a seeded kernel with virtual time and
 * faults). Nothing above this file asks the kernel for anything else on the data path, nor any
 * other clock.
 *
 * A ring belongs to the thread that opened it (SINGLE_ISSUER | DEFER_TASKRUN). Kernel 6.1 is the
 * floor. */
#ifndef HEDGEROW_CORE_RING_H
#define HEDGEROW_CORE_RING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct ring;

/* Kernel features newer than 6.1 that are used where found; a mask hides them so that tests run the
 * old paths. */
enum ring_feature {
    RING_FEATURE_MIN_TIMEOUT = 1 << 0, /* 6.12: wait a little for more completions */
};

struct ring_options {
    unsigned sq_entries, cq_entries; /* powers of two */
    unsigned buf_count;              /* provided buffers, a power of two up to 32768 */
    unsigned buf_size_bytes;
    unsigned feature_mask; /* enum ring_feature bits that may be used; ~0u for all */
};

#define RING_BUF_GROUP 1 /* buf_group of every receive */

/* Opens a ring. 0, or -errno: -ENOSYS/-EPERM when the kernel or a seccomp profile has no io_uring.
 * Freed by ring_close. */
int ring_open(struct ring **out, const struct ring_options *options);
/* No op may be armed any more. Nulls *ring. */
void ring_close(struct ring **ring);
/* A zeroed submission entry, to be filled at once; submits what is queued when the queue is full.
 * Never NULL. */
struct io_uring_sqe *ring_sqe(struct ring *);
/* As ring_sqe, with room for one more behind it in the same submission: the first of two linked
 * entries. */
struct io_uring_sqe *ring_sqe_pair(struct ring *);
/* Submits all entries and waits until a completion is there or until_ns (ring_now clock) has come;
 * until_ns == 0: does not wait. `linger_ns`: once woken, wait so long for more completions (0: not;
 * ignored where the kernel cannot). 0 or -errno. */
int ring_wait(struct ring *, uint64_t until_ns, uint64_t linger_ns);
/* Up to max completions, oldest first, valid until ring_advance. */
unsigned ring_peek(struct ring *, struct io_uring_cqe **cqes, unsigned max);
void ring_advance(struct ring *, unsigned count);
/* Are there completions that did not fit the queue (IORING_SQ_CQ_OVERFLOW)? They follow at the next
 * ring_wait. */
bool ring_overflowed(const struct ring *);
/* CLOCK_MONOTONIC and CLOCK_REALTIME, ns. */
uint64_t ring_now(struct ring *);
uint64_t ring_wall(struct ring *);
/* CLOCK_THREAD_CPUTIME_ID of the calling thread, ns; 0 in a simulation, whose cores are never busy. */
uint64_t ring_cpu(struct ring *);
/* A seed for core/rand: from the kernel, or from the simulation's seed. */
uint64_t ring_seed(struct ring *);
/* Provided buffer `id` (cqe->flags >> IORING_CQE_BUFFER_SHIFT), buf_size_bytes long; given back
 * with ring_buf_give. */
char *ring_buf(struct ring *, unsigned id);
void ring_buf_give(struct ring *, unsigned id);

/* A TCP socket for dialling, with TCP_NODELAY and keep-alive probes. Descriptor or -errno. */
int ring_socket(struct ring *, int family);
/* A listening socket; SO_REUSEPORT lets each worker have its own. Descriptor or -errno. */
int ring_listen(struct ring *, const struct sockaddr *address, socklen_t length, bool reuse_port);
/* The address a socket is bound to (peer == false) or connected to. 0 or -errno. */
int ring_name(struct ring *, int fd, bool peer, struct sockaddr_storage *out);
/* Sends what the socket takes at once, for an alert before closing: best effort, the result does
 * not matter. */
void ring_send_now(struct ring *, int fd, const char *data, size_t length);
/* Half-close for writing, for a lingering close: rare, hence a plain call (IORING_OP_SHUTDOWN costs
 * a thread). */
void ring_shutdown(struct ring *, int fd);
/* Closing the descriptor will reset the connection (SO_LINGER, 0 s) instead of ending it: for what is
 * cut off, so that the peer notices at once and no port of ours stays in TIME_WAIT for it. */
void ring_abort(struct ring *, int fd);
/* Closes a descriptor that has no op armed. */
void ring_close_fd(struct ring *, int fd);

/* "kernel 6.18.44, liburing 2.9: min_timeout" for `hedgerow version`. Static. */
const char *ring_features_text(void);

#endif
