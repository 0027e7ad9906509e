/* ring_uring.c - core/ring.h on the kernel's io_uring. The only file that includes <liburing.h>.
 *
 * Set up as PERFORMANCE.md A.2 found best: one issuer, task work deferred to the wait, a registered
 * ring descriptor, one provided-buffer ring. Everything newer than 6.1 is asked for by
 * params.features, never by version number. */
#include <liburing.h>
#include <liburing/io_uring_version.h>

#include "core/ring.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "core/base.h"
#include "core/heap.h"

/* Once woken by a first completion, at most this many are waited for within the linger time. */
#define LINGER_COMPLETIONS 64
/* TCP keep-alive of dialled sockets (PROVIDERS.md 7: NAT gateways drop silent connections after 2
 * to 6 minutes). */
#define KEEPALIVE_IDLE_S 60
#define LISTEN_BACKLOG   4096

struct ring {
    struct io_uring uring;
    struct io_uring_buf_ring *buf_ring; /* owned by uring's registration */
    char *bufs;                         /* mmap of buf_count * buf_size_bytes */
    unsigned buf_count, buf_size_bytes;
    unsigned features; /* enum ring_feature bits in use */
};

/* IORING_FEAT_* of kernels newer than the build machine's headers. */
#ifndef IORING_FEAT_MIN_TIMEOUT
#define IORING_FEAT_MIN_TIMEOUT (1U << 15)
#endif

static unsigned features_found(const struct io_uring_params *params) {
    unsigned found = 0;
    if (params->features & IORING_FEAT_MIN_TIMEOUT)
        found |= RING_FEATURE_MIN_TIMEOUT;
    return found;
}

static int queue_open(struct io_uring *uring, const struct ring_options *options,
                      struct io_uring_params *params) {
    memset(params, 0, sizeof *params);
    params->flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    params->cq_entries = options->cq_entries;
    return io_uring_queue_init_params(options->sq_entries, uring, params);
}

static int bufs_open(struct ring *ring) {
    size_t bytes = (size_t)ring->buf_count * ring->buf_size_bytes;
    ring->bufs = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring->bufs == MAP_FAILED)
        return -ENOMEM;
    int error = 0;
    ring->buf_ring =
        io_uring_setup_buf_ring(&ring->uring, ring->buf_count, RING_BUF_GROUP, 0, &error);
    if (ring->buf_ring) {
        for (unsigned id = 0; id < ring->buf_count; id++)
            ring_buf_give(ring, id);
        return 0;
    }
    munmap(ring->bufs, bytes);
    return error;
}

int ring_open(struct ring **out, const struct ring_options *options) {
    struct io_uring_params params;
    struct ring *ring = heap_alloc(sizeof *ring);
    int error = queue_open(&ring->uring, options, &params);
    if (error < 0) {
        heap_free(&ring);
        return error;
    }
    ring->features = features_found(&params) & options->feature_mask;
    ring->buf_count = options->buf_count;
    ring->buf_size_bytes = options->buf_size_bytes;
    error = bufs_open(ring);
    if (error < 0) {
        io_uring_queue_exit(&ring->uring);
        heap_free(&ring);
        return error;
    }
    /* Saves a table look-up per enter; failure only costs that. */
    io_uring_register_ring_fd(&ring->uring);
    *out = ring;
    return 0;
}

void ring_close(struct ring **ring_pointer) {
    struct ring *ring = *ring_pointer;
    io_uring_free_buf_ring(&ring->uring, ring->buf_ring, ring->buf_count, RING_BUF_GROUP);
    io_uring_queue_exit(&ring->uring);
    munmap(ring->bufs, (size_t)ring->buf_count * ring->buf_size_bytes);
    heap_free(ring_pointer);
}

struct io_uring_sqe *ring_sqe(struct ring *ring) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (!sqe) {
        io_uring_submit(&ring->uring);
        sqe = io_uring_get_sqe(&ring->uring);
        CHECK(sqe);
    }
    /* All of it: io_uring_initialize_sqe leaves addr, off and len as the slot's last use had them,
     * and a connect, accept or close with a length is refused with EINVAL. */
    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

struct io_uring_sqe *ring_sqe_pair(struct ring *ring) {
    if (io_uring_sq_space_left(&ring->uring) < 2)
        io_uring_submit(&ring->uring);
    return ring_sqe(ring);
}

static int wait_result(int result) {
    /* ETIME: the timer is due. EINTR: a signal for the main thread. EBUSY: the completion queue
     * overflowed, reap first. */
    if (result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY)
        return 0;
    return result;
}

int ring_wait(struct ring *ring, uint64_t until_ns, uint64_t linger_ns) {
    uint64_t now_ns = until_ns ? ring_now(ring) : 0;
    if (until_ns <= now_ns)
        return wait_result(io_uring_submit_and_get_events(&ring->uring));
    struct io_uring_cqe *cqe;
    struct __kernel_timespec left = {.tv_sec = (long long)((until_ns - now_ns) / NS_PER_S),
                                     .tv_nsec = (long long)((until_ns - now_ns) % NS_PER_S)};
    struct __kernel_timespec *limit = until_ns == UINT64_MAX ? NULL : &left;
    if (linger_ns && limit && (ring->features & RING_FEATURE_MIN_TIMEOUT))
        return wait_result(
            io_uring_submit_and_wait_min_timeout(&ring->uring, &cqe, LINGER_COMPLETIONS, limit,
                                                 (unsigned)(linger_ns / NS_PER_US), NULL));
    return wait_result(io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, limit, NULL));
}

unsigned ring_peek(struct ring *ring, struct io_uring_cqe **cqes, unsigned max) {
    return io_uring_peek_batch_cqe(&ring->uring, cqes, max);
}

void ring_advance(struct ring *ring, unsigned count) { io_uring_cq_advance(&ring->uring, count); }

bool ring_overflowed(const struct ring *ring) { return io_uring_cq_has_overflow(&ring->uring); }

static uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

uint64_t ring_now(struct ring *ring) {
    (void)ring;
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t ring_wall(struct ring *ring) {
    (void)ring;
    return clock_ns(CLOCK_REALTIME);
}

uint64_t ring_cpu(struct ring *ring) {
    (void)ring;
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t ring_seed(struct ring *ring) {
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = ring_now(ring);
    return seed;
}

char *ring_buf(struct ring *ring, unsigned id) {
    CHECK(id < ring->buf_count);
    return ring->bufs + (size_t)id * ring->buf_size_bytes;
}

void ring_buf_give(struct ring *ring, unsigned id) {
    io_uring_buf_ring_add(ring->buf_ring, ring_buf(ring, id), ring->buf_size_bytes,
                          (unsigned short)id, io_uring_buf_ring_mask(ring->buf_count), 0);
    io_uring_buf_ring_advance(ring->buf_ring, 1);
}

static void set_int(int fd, int level, int option, int value) {
    /* Best effort: each of these tunes, none is needed for correctness. */
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

int ring_socket(struct ring *ring, int family) {
    (void)ring;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    return fd;
}

int ring_listen(struct ring *ring, const struct sockaddr *address, socklen_t length,
                bool reuse_port) {
    (void)ring;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (reuse_port)
        set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    /* Accepted sockets inherit these. */
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    if (bind(fd, address, length) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int ring_name(struct ring *ring, int fd, bool peer, struct sockaddr_storage *out) {
    (void)ring;
    socklen_t length = sizeof *out;
    memset(out, 0, sizeof *out);
    int result = peer ? getpeername(fd, (struct sockaddr *)out, &length)
                      : getsockname(fd, (struct sockaddr *)out, &length);
    return result < 0 ? -errno : 0;
}

void ring_send_now(struct ring *ring, int fd, const char *data, size_t length) {
    (void)ring;
    if (send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return;
}

void ring_shutdown(struct ring *ring, int fd) {
    (void)ring;
    shutdown(fd, SHUT_WR);
}

void ring_abort(struct ring *ring, int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)ring;
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void ring_close_fd(struct ring *ring, int fd) {
    (void)ring;
    close(fd);
}

const char *ring_features_text(void) {
    static char text[256];
    struct ring_options small = {.sq_entries = 4, .cq_entries = 8, .feature_mask = ~0u};
    struct io_uring_params params;
    struct io_uring uring;
    struct utsname name;
    uname(&name);
    int error = queue_open(&uring, &small, &params);
    if (error < 0) {
        snprintf(text, sizeof text,
                 "kernel %s, io_uring not usable: %s (see kernel.io_uring_disabled and the "
                 "container's seccomp profile)",
                 name.release, strerror(-error));
        return text;
    }
    unsigned found = features_found(&params);
    io_uring_queue_exit(&uring);
    snprintf(text, sizeof text, "kernel %s, liburing %d.%d, io_uring:%s%s", name.release,
             io_uring_major_version(), io_uring_minor_version(),
             found & RING_FEATURE_MIN_TIMEOUT ? " min_timeout" : "", found ? "" : " base (6.1)");
    return text;
}
