/* ring_sim.c - core/ring.h as a seeded kernel: interprets the submission entries that core/io.c writes, and posts the
 * completions that io_uring would, in any order it might. In place of core/ring_uring.c by the linker.
 *
 * The semantics are those measured on 6.18 (PERFORMANCE.md A.3, A.4): multishots end for many reasons; a receive without
 * a buffer is -ENOBUFS; an eager send that went out whole makes no completion; a close leaves armed ops alone and the
 * peer without a FIN; a cancel and its target complete in either order, or the target wins; an overflow ends multishots
 * and loses nothing. What no engine should ask of a kernel (two sends on one socket, a buffer given twice, a send to a
 * closed descriptor) ends the seed.
 *
 *     fd --> file --> wire_end        an armed op holds its file, as in Linux: closing the fd is not the end of it */
#include "core/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/kernel.h"
#include "tests/sim/ledger.h"
#include "tests/sim/world.h"

#define FDS_MAX     1024
#define FD_FIRST    3
#define OPS_MAX     1024
#define BACKLOG_MAX 256
/* What one turn of the engine costs, and how late a wake-up is. */
#define TURN_NS_MAX      (20 * NS_PER_US)
#define LATE_NS_MAX      (50 * NS_PER_US)
#define SLOW_TURN_NS_MAX (20 * NS_PER_MS)

enum file_kind { FILE_FRESH, FILE_DIALLING, FILE_STREAM, FILE_LISTEN };

struct kernel_op;

struct file {
    enum file_kind kind;
    unsigned holds; /* the descriptor, and each armed op */
    bool abort;     /* closing resets (SO_LINGER 0) */
    struct wire_end *end;
    struct kernel_op *recv, *send, *connect, *accept;
    struct wire_end *backlog[BACKLOG_MAX];
    unsigned backlog_count;
};

struct kernel_op {
    bool used;
    uint8_t opcode;
    uint64_t user_data;
    struct file *file;
    const char *data; /* send */
    size_t length;
    bool skip_success;
    struct event due; /* connect: its outcome; send: room at once */
    struct wire_end *dialled;
};

struct completion {
    struct io_uring_cqe cqe;
    uint8_t opcode;
};

struct ring {
    struct io_uring_sqe *sq;
    unsigned sq_size, sq_count;
    struct completion *cq; /* ring of cq_size, [head, tail) */
    unsigned cq_size, head, tail;
    struct completion *overflow;
    unsigned overflow_count, overflow_max;
    char *bufs;
    bool *lent; /* is buffer i in the engine's hands? */
    unsigned *free_bufs;
    unsigned buf_count, buf_size, free_head, free_count;
    unsigned feature_mask;
    struct file *fds[FDS_MAX];
    struct kernel_op ops[OPS_MAX];
    struct file *listener;
    uint64_t
        closed_at_submit[FDS_MAX]; /* number of the submission in which the descriptor was closed */
    uint64_t submissions;
};

static struct ring *kernel; /* the one of this seed */

struct kernel_dial (*kernel_dial)(uint32_t ip, uint16_t port);
void (*kernel_dial_dropped)(struct wire_end *end);

/* ---- completions ---- */

static bool cq_full(void) { return kernel->tail - kernel->head == kernel->cq_size; }

static void post(uint8_t opcode, uint64_t user_data, int res, unsigned flags) {
    struct completion done = {.cqe = {.user_data = user_data, .res = res, .flags = flags},
                              .opcode = opcode};
    if (!cq_full() && kernel->overflow_count == 0) {
        kernel->cq[kernel->tail++ % kernel->cq_size] = done;
        return;
    }
    sim_mark(MARK_CQ_OVERFLOW);
    if (kernel->overflow_count == kernel->overflow_max) {
        kernel->overflow_max = kernel->overflow_max ? kernel->overflow_max * 2 : 64;
        kernel->overflow =
            realloc(kernel->overflow, kernel->overflow_max * sizeof *kernel->overflow);
        CHECK(kernel->overflow);
    }
    kernel->overflow[kernel->overflow_count++] = done;
}

static void flush_overflow(void) {
    unsigned n = 0;
    if (kernel->overflow_count == 0)
        return;
    while (n < kernel->overflow_count && !cq_full())
        kernel->cq[kernel->tail++ % kernel->cq_size] = kernel->overflow[n++];
    kernel->overflow_count -= n;
    memmove(kernel->overflow, kernel->overflow + n,
            kernel->overflow_count * sizeof *kernel->overflow);
}

static struct completion *cq_at(unsigned i) { return &kernel->cq[i % kernel->cq_size]; }

/* Completions of one op stay in order; a descriptor is not handed out again before its close is told. */
static bool may_swap(const struct completion *a, const struct completion *b) {
    if (a->cqe.user_data == b->cqe.user_data)
        return false;
    return !(a->opcode == IORING_OP_CLOSE && b->opcode == IORING_OP_ACCEPT);
}

static void shuffle(void) {
    unsigned count = kernel->tail - kernel->head;
    if (count < 2 || kernel->overflow_count)
        return;
    for (unsigned swaps = 2 * count; swaps > 0; swaps--) {
        unsigned i = kernel->head + (unsigned)rand_below(&sim.kernel, count - 1);
        struct completion *a = cq_at(i), *b = cq_at(i + 1), moved = *a;
        if (!may_swap(a, b))
            continue;
        if (b->opcode == IORING_OP_ASYNC_CANCEL && a->cqe.res == -ECANCELED)
            sim_mark(MARK_CANCEL_FIRST);
        *a = *b;
        *b = moved;
    }
}

/* ---- descriptors and files ---- */

static struct file *file_new(enum file_kind kind) {
    struct file *file = sim_alloc(sizeof *file);
    file->kind = kind;
    return file;
}

/* The lowest free number, as POSIX has it, or -EMFILE. */
static int fd_open(struct file *file) {
    for (int fd = FD_FIRST; fd < FDS_MAX; fd++) {
        if (kernel->fds[fd])
            continue;
        kernel->fds[fd] = file;
        file->holds++;
        if (kernel->closed_at_submit[fd] == kernel->submissions && kernel->submissions)
            sim_mark(MARK_FD_REUSED);
        return fd;
    }
    return -EMFILE;
}

static struct file *file_of(int fd) { return fd >= 0 && fd < FDS_MAX ? kernel->fds[fd] : NULL; }

static void file_drop(struct file *file) {
    CHECK(file->holds > 0);
    if (--file->holds > 0)
        return;
    if (file->end) {
        if (file->end->arrived > 0)
            sim_mark(MARK_CLOSE_UNREAD);
        if (file->abort)
            wire_reset(file->end);
        else
            wire_close(file->end);
    }
    for (unsigned i = 0; i < file->backlog_count; i++)
        wire_reset(file->backlog[i]);
    if (kernel->listener == file)
        kernel->listener = NULL;
}

static void fd_close(int fd) {
    struct file *file = kernel->fds[fd];
    kernel->fds[fd] = NULL;
    kernel->closed_at_submit[fd] = kernel->submissions;
    file_drop(file);
}

/* ---- ops ---- */

static void op_due(struct event *event);

static struct kernel_op *op_new(const struct io_uring_sqe *sqe, struct file *file) {
    for (unsigned i = 0; i < OPS_MAX; i++) {
        struct kernel_op *op = &kernel->ops[i];
        if (op->used)
            continue;
        *op = (struct kernel_op){
            .used = true, .opcode = sqe->opcode, .user_data = sqe->user_data, .file = file};
        op->skip_success = sqe->flags & IOSQE_CQE_SKIP_SUCCESS;
        event_init(&op->due, op_due);
        file->holds++;
        return op;
    }
    sim_fail("kernel", "more than %d ops in flight", OPS_MAX);
}

static struct kernel_op **slot_of(struct kernel_op *op) {
    switch (op->opcode) {
    case IORING_OP_RECV: return &op->file->recv;
    case IORING_OP_SEND: return &op->file->send;
    case IORING_OP_CONNECT: return &op->file->connect;
    default: return &op->file->accept;
    }
}

/* The kernel's last word on an op. */
static void op_end(struct kernel_op *op, int res, unsigned flags) {
    *slot_of(op) = NULL;
    event_clear(&op->due);
    op->used = false;
    post(op->opcode, op->user_data, res, flags);
    file_drop(op->file);
}

/* ---- receive ---- */

static void recv_progress(struct file *file) {
    while (file->recv && wire_has(file->end)) {
        struct kernel_op *op = file->recv;
        if (file->end->arrived == 0) {
            op_end(op, (int)wire_recv(file->end, NULL, 0), 0);
            return;
        }
        if (kernel->free_count == 0) {
            sim_mark(MARK_NO_BUFFER);
            op_end(op, -ENOBUFS, 0);
            return;
        }
        unsigned id = kernel->free_bufs[kernel->free_head++ % kernel->buf_count];
        kernel->free_count--;
        kernel->lent[id] = true;
        int n = (int)wire_recv(file->end, kernel->bufs + (size_t)id * kernel->buf_size,
                               kernel->buf_size);
        unsigned flags = IORING_CQE_F_BUFFER | id << IORING_CQE_BUFFER_SHIFT;
        if (cq_full() || kernel_chance(sim.early_end)) {
            sim_mark(MARK_RECV_ENDED_EARLY);
            op_end(op, n, flags);
            return;
        }
        post(op->opcode, op->user_data, n, flags | IORING_CQE_F_MORE);
    }
}

static void exec_recv(const struct io_uring_sqe *sqe) {
    struct file *file = file_of(sqe->fd);
    if (!file || file->kind != FILE_STREAM) {
        post(sqe->opcode, sqe->user_data, file ? -ENOTCONN : -EBADF, 0);
        return;
    }
    if (!(sqe->ioprio & IORING_RECV_MULTISHOT) || !(sqe->flags & IOSQE_BUFFER_SELECT) ||
        sqe->buf_group != RING_BUF_GROUP)
        sim_fail("kernel", "a receive that is not a multishot into provided buffers");
    if (file->recv)
        sim_fail("kernel", "two receives in flight on descriptor %d", sqe->fd);
    file->recv = op_new(sqe, file);
    recv_progress(file);
}

/* ---- send ---- */

static size_t cut_short(size_t n) {
    return n > 1 && kernel_chance(sim.short_send) ? 1 + rand_below(&sim.kernel, n - 1) : n;
}

static void send_progress(struct file *file) {
    struct kernel_op *op = file->send;
    if (!op || event_is_set(&op->due))
        return;
    long n = wire_send(file->end, op->data, cut_short(op->length));
    if (n == 0)
        return;
    if (n > 0 && (size_t)n < op->length)
        sim_mark(MARK_WAITING_SHORT);
    op_end(op, (int)n, 0);
}

/* MSG_DONTWAIT: all that fits at once. With MSG_WAITALL less than all is no success, so that it completes even when
 * successes are skipped. */
static void send_eager(const struct io_uring_sqe *sqe, struct file *file) {
    long n = wire_send(file->end, (const char *)(uintptr_t)sqe->addr, cut_short(sqe->len));
    bool skip = sqe->flags & IOSQE_CQE_SKIP_SUCCESS;
    if (n == 0)
        n = -EAGAIN;
    if (n == -EAGAIN)
        sim_mark(MARK_EAGER_AGAIN);
    bool success = n == (long)sqe->len || (n > 0 && !(sqe->msg_flags & MSG_WAITALL));
    if (n > 0 && n < (long)sqe->len)
        sim_mark(MARK_EAGER_SHORT);
    if (!skip || !success)
        post(sqe->opcode, sqe->user_data, (int)n, 0);
}

static void exec_send(const struct io_uring_sqe *sqe) {
    struct file *file = file_of(sqe->fd);
    if (!file || file->kind != FILE_STREAM)
        sim_fail("kernel", "a send to descriptor %d, which is %s", sqe->fd,
                 file ? "not connected" : "closed");
    if (file->send)
        sim_fail("kernel", "two sends in flight on descriptor %d", sqe->fd);
    if (sqe->msg_flags & MSG_DONTWAIT) {
        send_eager(sqe, file);
        return;
    }
    struct kernel_op *op = file->send = op_new(sqe, file);
    op->data = (const char *)(uintptr_t)sqe->addr;
    op->length = sqe->len;
    /* Polled first: even with room it completes a little later. */
    if (sqe->ioprio & IORING_RECVSEND_POLL_FIRST)
        event_set(&op->due, sim.now_ns + rand_below(&sim.kernel, LATE_NS_MAX));
    else
        send_progress(file);
}

/* ---- connect, accept ---- */

static void readable(struct wire_end *end) {
    struct file *file = end->owner;
    if (end->reset)
        send_progress(file); /* who waits for room hears of it too */
    recv_progress(file);
}

static void writable(struct wire_end *end) { send_progress(end->owner); }

static const struct wire_on kernel_on = {.readable = readable, .writable = writable};

static void attach(struct file *file, struct wire_end *end) {
    file->kind = FILE_STREAM;
    file->end = end;
    end->owner = file;
    end->on = &kernel_on;
}

static void op_due(struct event *event) {
    struct kernel_op *op = container_of(event, struct kernel_op, due);
    if (op->opcode == IORING_OP_SEND) {
        send_progress(op->file);
        return;
    }
    if (op->dialled) {
        attach(op->file, op->dialled);
        op_end(op, 0, 0);
    } else {
        sim_mark(MARK_CONNECT_REFUSED);
        op_end(op, -ECONNREFUSED, 0);
    }
}

static void exec_connect(const struct io_uring_sqe *sqe) {
    struct file *file = file_of(sqe->fd);
    if (!file || file->kind != FILE_FRESH)
        sim_fail("kernel", "a connect on descriptor %d, which is not a fresh socket", sqe->fd);
    const struct sockaddr_in *address = (const struct sockaddr_in *)(uintptr_t)sqe->addr;
    CHECK(address->sin_family == AF_INET && sqe->off == sizeof *address);
    struct kernel_op *op = file->connect = op_new(sqe, file);
    file->kind = FILE_DIALLING;
    struct kernel_dial dial =
        kernel_dial(ntohl(address->sin_addr.s_addr), ntohs(address->sin_port));
    op->dialled = dial.end;
    if (dial.result_ns == UINT64_MAX)
        sim_mark(MARK_CONNECT_NEVER);
    else
        event_set(&op->due, dial.result_ns);
}

static void accept_progress(struct file *file) {
    while (file->accept && file->backlog_count > 0) {
        struct kernel_op *op = file->accept;
        if (kernel_chance(sim.no_descriptor)) {
            sim_mark(MARK_NO_DESCRIPTOR);
            op_end(op, -EMFILE, 0);
            return;
        }
        struct file *accepted = file_new(FILE_STREAM);
        int fd = fd_open(accepted);
        CHECK(fd >= 0);
        attach(accepted, file->backlog[0]);
        memmove(file->backlog, file->backlog + 1, --file->backlog_count * sizeof file->backlog[0]);
        if (cq_full() || kernel_chance(sim.early_end)) {
            sim_mark(MARK_ACCEPT_ENDED_EARLY);
            op_end(op, fd, 0);
            return;
        }
        post(op->opcode, op->user_data, fd, IORING_CQE_F_MORE);
    }
}

static void exec_accept(const struct io_uring_sqe *sqe) {
    struct file *file = file_of(sqe->fd);
    if (!file || file->kind != FILE_LISTEN || file->accept)
        sim_fail("kernel", "an accept on descriptor %d, which is not a free listener", sqe->fd);
    if (!(sqe->ioprio & IORING_ACCEPT_MULTISHOT))
        sim_fail("kernel", "an accept that is not a multishot");
    file->accept = op_new(sqe, file);
    accept_progress(file);
}

struct wire_end *kernel_connect_to_engine(const struct wire_shape *shape) {
    struct file *file = kernel->listener;
    if (!file || file->backlog_count == BACKLOG_MAX)
        return NULL;
    struct wire_end *client, *engine;
    wire_pair(shape, &client, &engine);
    file->backlog[file->backlog_count++] = engine;
    accept_progress(file);
    return client;
}

/* ---- cancel, close ---- */

static void op_cancel(struct kernel_op *op) {
    struct file *file = op->file;
    switch (op->opcode) {
    case IORING_OP_RECV:
        /* Bytes that come at the same moment: the target has its say before it is found. */
        if (kernel_chance(sim.late_cancel))
            wire_hurry(file->end);
        if (file->end->arrived > 0) {
            sim_mark(MARK_CANCEL_DATA);
            recv_progress(file);
            if (file->recv != op)
                return;
        }
        break;
    case IORING_OP_CONNECT:
        sim_mark(MARK_CONNECT_CANCELLED);
        if (op->dialled)
            kernel_dial_dropped(op->dialled);
        break;
    case IORING_OP_SEND: sim_mark(MARK_WAITING_CANCELLED); break;
    default: break;
    }
    op_end(op, -ECANCELED, 0);
}

static int cancel_all(struct file *file) {
    struct kernel_op *ops[] = {file->recv, file->send, file->connect, file->accept};
    int count = 0;
    file->holds++; /* the last op may not take the file with it */
    for (unsigned i = 0; i < countof(ops); i++) {
        if (!ops[i])
            continue;
        op_cancel(ops[i]);
        count++;
    }
    file_drop(file);
    return count ? count : -ENOENT;
}

static int cancel_one(uint64_t user_data) {
    for (unsigned i = 0; i < OPS_MAX; i++)
        if (kernel->ops[i].used && kernel->ops[i].user_data == user_data) {
            if (kernel->ops[i].opcode == IORING_OP_RECV)
                sim_mark(MARK_BACK_PRESSURE);
            op_cancel(&kernel->ops[i]);
            return 0;
        }
    sim_mark(MARK_CANCEL_LOST);
    return -ENOENT;
}

static void exec_cancel(const struct io_uring_sqe *sqe) {
    int res;
    if (sqe->cancel_flags & IORING_ASYNC_CANCEL_FD) {
        struct file *file = file_of(sqe->fd);
        struct kernel_op *first = file ? (file->recv      ? file->recv
                                          : file->send    ? file->send
                                          : file->connect ? file->connect
                                                          : file->accept)
                                       : NULL;
        if (!file) {
            res = -EBADF;
        } else if (sqe->cancel_flags & IORING_ASYNC_CANCEL_ALL) {
            res = cancel_all(file);
        } else if (first) {
            op_cancel(first);
            res = 0;
        } else {
            res = -ENOENT;
        }
    } else {
        res = cancel_one(sqe->addr);
    }
    if (res < 0 || !(sqe->flags & IOSQE_CQE_SKIP_SUCCESS))
        post(sqe->opcode, sqe->user_data, res, 0);
}

static void exec_close(const struct io_uring_sqe *sqe) {
    if (!file_of(sqe->fd))
        sim_fail("kernel", "a close of descriptor %d, which is closed", sqe->fd);
    fd_close(sqe->fd);
    post(sqe->opcode, sqe->user_data, 0, 0);
}

/* ---- submission ---- */

static void exec(const struct io_uring_sqe *sqe) {
    switch (sqe->opcode) {
    case IORING_OP_ACCEPT: exec_accept(sqe); break;
    case IORING_OP_CONNECT: exec_connect(sqe); break;
    case IORING_OP_RECV: exec_recv(sqe); break;
    case IORING_OP_SEND: exec_send(sqe); break;
    case IORING_OP_ASYNC_CANCEL: exec_cancel(sqe); break;
    case IORING_OP_CLOSE: exec_close(sqe); break;
    default: sim_fail("kernel", "opcode %u is not simulated", sqe->opcode);
    }
}

/* Without a hard link between a cancel and the entry behind it, nothing says which is done first. */
static void submit(void) {
    unsigned count = kernel->sq_count;
    kernel->sq_count = 0;
    kernel->submissions++;
    for (unsigned i = 0; i < count; i++) {
        const struct io_uring_sqe *sqe = &kernel->sq[i];
        bool loose = sqe->opcode == IORING_OP_ASYNC_CANCEL && i + 1 < count &&
                     !(sqe->flags & IOSQE_IO_HARDLINK);
        if (loose && kernel->sq[i + 1].opcode == IORING_OP_CLOSE && kernel_chance(0.5)) {
            exec(&kernel->sq[++i]);
            exec(&kernel->sq[i - 1]);
            continue;
        }
        exec(sqe);
    }
}

struct io_uring_sqe *ring_sqe(struct ring *ring) {
    if (ring->sq_count == ring->sq_size) {
        sim_mark(MARK_SQ_FULL);
        submit();
    }
    return memset(&ring->sq[ring->sq_count++], 0, sizeof ring->sq[0]);
}

struct io_uring_sqe *ring_sqe_pair(struct ring *ring) {
    if (ring->sq_size - ring->sq_count < 2) {
        sim_mark(MARK_SQ_FULL);
        submit();
    }
    return ring_sqe(ring);
}

static bool cq_empty(void) { return kernel->tail == kernel->head; }

int ring_wait(struct ring *ring, uint64_t until_ns, uint64_t linger_ns) {
    flush_overflow();
    submit();
    sim.now_ns += rand_below(&sim.kernel, TURN_NS_MAX);
    if (kernel_chance(sim.slow_turn)) /* the thread was not scheduled for a while */
        sim.now_ns += rand_below(&sim.kernel, SLOW_TURN_NS_MAX);
    event_run();
    while (cq_empty() && sim.now_ns < until_ns) {
        uint64_t next_ns = min_u64(event_next(), until_ns);
        if (next_ns == UINT64_MAX)
            sim_fail("liveness", "the engine waits for something that will never come");
        sim.now_ns = max_u64(sim.now_ns, next_ns) + rand_below(&sim.kernel, LATE_NS_MAX);
        event_run();
    }
    if (linger_ns && (ring->feature_mask & RING_FEATURE_MIN_TIMEOUT) && sim.now_ns < until_ns) {
        sim.now_ns = min_u64(sim.now_ns + linger_ns, until_ns);
        event_run();
    }
    shuffle();
    return 0;
}

unsigned ring_peek(struct ring *ring, struct io_uring_cqe **cqes, unsigned max) {
    unsigned count = ring->tail - ring->head;
    if (count > max)
        count = max;
    for (unsigned i = 0; i < count; i++)
        cqes[i] = &cq_at(ring->head + i)->cqe;
    return count;
}

void ring_advance(struct ring *ring, unsigned count) {
    CHECK(count <= ring->tail - ring->head);
    ring->head += count;
}

bool ring_overflowed(const struct ring *ring) { return ring->overflow_count > 0; }

uint64_t ring_now(struct ring *ring) {
    (void)ring;
    return sim.now_ns;
}

uint64_t ring_wall(struct ring *ring) {
    (void)ring;
    return sim.wall_ns + sim.now_ns;
}

uint64_t ring_cpu(struct ring *ring) {
    (void)ring;
    return world.busy_core ? sim.now_ns : 0;
}

uint64_t ring_seed(struct ring *ring) {
    (void)ring;
    return rand_u64(&sim.kernel);
}

/* ---- provided buffers ---- */

char *ring_buf(struct ring *ring, unsigned id) {
    if (id >= ring->buf_count || !ring->lent[id])
        sim_fail("kernel", "buffer %u is read, which is not lent", id);
    return ring->bufs + (size_t)id * ring->buf_size;
}

void ring_buf_give(struct ring *ring, unsigned id) {
    if (id >= ring->buf_count || !ring->lent[id])
        sim_fail("kernel", "buffer %u is given back, which is not lent", id);
    ring->lent[id] = false;
    memset(ring->bufs + (size_t)id * ring->buf_size, 0xdd,
           ring->buf_size); /* who still reads it reads this */
    ring->free_bufs[(ring->free_head + ring->free_count++) % ring->buf_count] = id;
}

/* ---- calls that are no ops ---- */

int ring_socket(struct ring *ring, int family) {
    (void)ring;
    CHECK(family == AF_INET);
    if (kernel_chance(sim.no_descriptor)) {
        sim_mark(MARK_NO_SOCKET);
        ledger_bad_dial();
        return -EMFILE;
    }
    return fd_open(file_new(FILE_FRESH));
}

int ring_listen(struct ring *ring, const struct sockaddr *address, socklen_t length,
                bool reuse_port) {
    (void)address;
    (void)length;
    (void)reuse_port;
    CHECK(!ring->listener);
    ring->listener = file_new(FILE_LISTEN);
    return fd_open(ring->listener);
}

int ring_name(struct ring *ring, int fd, bool peer, struct sockaddr_storage *out) {
    (void)ring;
    struct sockaddr_in *address = memset(out, 0, sizeof *out);
    if (!file_of(fd))
        return -EBADF;
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address->sin_port = htons((uint16_t)(peer ? 40000 + fd : 8080));
    return 0;
}

static struct file *stream_of(int fd, const char *call) {
    struct file *file = file_of(fd);
    if (!file || file->kind != FILE_STREAM)
        sim_fail("kernel", "%s on descriptor %d, which is no connection", call, fd);
    return file;
}

void ring_send_now(struct ring *ring, int fd, const char *data, size_t length) {
    (void)ring;
    struct file *file = stream_of(fd, "send");
    if (file->send)
        sim_fail("kernel", "a plain send beside one in flight on descriptor %d", fd);
    wire_send(file->end, data, length);
}

void ring_shutdown(struct ring *ring, int fd) {
    (void)ring;
    struct file *file = stream_of(fd, "shutdown");
    if (file->send)
        sim_fail("kernel", "a shutdown beside a send in flight on descriptor %d", fd);
    wire_shutdown(file->end);
}

void ring_abort(struct ring *ring, int fd) {
    (void)ring;
    stream_of(fd, "setsockopt")->abort = true;
}

void ring_close_fd(struct ring *ring, int fd) {
    (void)ring;
    struct file *file = file_of(fd);
    if (!file || file->holds != 1)
        sim_fail("kernel", "a plain close of descriptor %d, which %s", fd,
                 file ? "has an op armed" : "is closed");
    fd_close(fd);
}

const char *ring_features_text(void) { return "simulated"; }

/* ---- life ---- */

int ring_open(struct ring **out, const struct ring_options *options) {
    struct ring *ring = calloc(1, sizeof *ring);
    CHECK(ring);
    ring->sq_size = options->sq_entries;
    ring->cq_size = options->cq_entries;
    ring->sq = calloc(ring->sq_size, sizeof *ring->sq);
    ring->cq = calloc(ring->cq_size, sizeof *ring->cq);
    ring->buf_count = options->buf_count;
    ring->buf_size = options->buf_size_bytes;
    ring->bufs = calloc(ring->buf_count, ring->buf_size);
    ring->lent = calloc(ring->buf_count, sizeof *ring->lent);
    ring->free_bufs = calloc(ring->buf_count, sizeof *ring->free_bufs);
    CHECK(ring->sq && ring->cq && ring->bufs && ring->lent && ring->free_bufs);
    ring->feature_mask = options->feature_mask;
    for (unsigned id = 0; id < ring->buf_count; id++)
        ring->free_bufs[id] = id;
    ring->free_count = ring->buf_count;
    *out = kernel = ring;
    return 0;
}

unsigned kernel_dials(void) {
    unsigned count = 0;
    for (unsigned i = 0; i < OPS_MAX; i++)
        count += kernel->ops[i].used && kernel->ops[i].opcode == IORING_OP_CONNECT;
    return count;
}

void kernel_check_quiet(void) {
    for (unsigned i = 0; i < OPS_MAX; i++)
        if (kernel->ops[i].used)
            sim_fail("leak", "an op of opcode %u is still armed", kernel->ops[i].opcode);
    for (int fd = 0; fd < FDS_MAX; fd++)
        if (kernel->fds[fd])
            sim_fail("leak", "descriptor %d is still open", fd);
    if (kernel->free_count != kernel->buf_count)
        sim_fail("leak", "%u provided buffers are missing", kernel->buf_count - kernel->free_count);
}

void ring_close(struct ring **pointer) {
    struct ring *ring = *pointer;
    kernel_check_quiet();
    free(ring->sq);
    free(ring->cq);
    free(ring->overflow);
    free(ring->bufs);
    free(ring->lent);
    free(ring->free_bufs);
    free(ring);
    kernel = NULL;
    *pointer = NULL;
}
