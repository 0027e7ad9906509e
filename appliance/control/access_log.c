/* access_log.c - the access log's rings and the thread that writes them out. See access_log.h.
 *
 *     worker 0: access_log_finished --> [ ring 1 MiB ] --\
 *     worker 1: access_log_finished --> [ ring 1 MiB ] ---+--> one thread: write(2) --> file, pipe
 *     worker n: ...                                      --/
 *
 * Owns:     the rings, the thread, the descriptor of the file.
 * Promises: a worker never makes a system call and never waits: it copies its line and stores one
 *           atomic. Lines are written whole and in the order of their worker; a line is lost only
 *           where access_log_dropped counts it.
 * Refuses:  to wait for a reader: what does not fit a ring is dropped. */
#include "appliance/control/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/control/access_log_line.h"
#include "core/heap.h"

/* Two thousand lines of ordinary length: 20 ms at a hundred thousand requests a second. */
#define RING_BYTES (1u << 20)
/* The workers wake nobody, so this is how old a line may be before it is written. */
#define LOOK_MS 20
/* How long a reader that has stopped reading may hold up the end of the process. */
#define CLOSE_WAIT_MS 1000
#define CACHE_LINE    64

/* A ring of whole lines. Offsets count all bytes ever put; the place of one is its remainder. The
 * two sides are kept off each other's cache lines. */
struct access_log_writer {
    char *bytes; /* RING_BYTES; NULL: nothing is logged */
    char pad_a[CACHE_LINE];
    atomic_ullong put;     /* stored by the worker: all before it may be read */
    uint64_t taken_seen;   /* the worker's copy of `taken`, refreshed when the ring seems full */
    atomic_ullong dropped; /* lines; stored by the worker only */
    char pad_b[CACHE_LINE];
    atomic_ullong taken; /* stored by the writing thread: all before it may be overwritten */
    char pad_c[CACHE_LINE];
};

struct access_log {
    char *path; /* NULL: none, and then there is no thread either */
    struct access_log_writer *writers;
    unsigned count;
    pthread_t thread;
    int wake_fd; /* eventfd: look at once, for one of these two */
    atomic_bool reopening, closing;
    atomic_ullong unwritten; /* lines lost because the file could not be written */
    /* The writing thread's own. */
    int fd;
    bool regular;    /* a file: a write does not wait for a reader */
    bool torn;       /* the last byte written does not end a line */
    bool failing;    /* the last write failed, and that was said */
    int patience_ms; /* while closing: what is left of CLOSE_WAIT_MS */
};

/* --- the worker's side --- */

static void copy_in(struct access_log_writer *writer, uint64_t at, struct span line) {
    size_t place = at % RING_BYTES, first = min_size(line.n, RING_BYTES - place);
    memcpy(writer->bytes + place, line.p, first);
    memcpy(writer->bytes, line.p + first, line.n - first);
}

bool access_log_put(struct access_log_writer *writer, struct span line) {
    if (!writer->bytes)
        return true;
    uint64_t put = atomic_load_explicit(&writer->put, memory_order_relaxed);
    if (put + line.n - writer->taken_seen > RING_BYTES)
        writer->taken_seen = atomic_load_explicit(&writer->taken, memory_order_acquire);
    if (put + line.n - writer->taken_seen > RING_BYTES) {
        uint64_t dropped = atomic_load_explicit(&writer->dropped, memory_order_relaxed);
        atomic_store_explicit(&writer->dropped, dropped + 1, memory_order_relaxed);
        return false;
    }
    copy_in(writer, put, line);
    atomic_store_explicit(&writer->put, put + line.n, memory_order_release);
    return true;
}

void access_log_finished(struct race *race, const struct exchange *exchange) {
    struct access_log_writer *writer = race->owner;
    char line[ACCESS_LOG_LINE_MAX];
    if (writer->bytes)
        access_log_put(writer, span_of(line, access_log_line(exchange, line)));
}

/* --- the writing thread --- */

static void say(const char *path, const char *what, int error) {
    fprintf(stderr, "hedgerow: access log %s: %s: %s\n", path, what, strerror(error));
}

static int open_path(const char *path) {
    if (strcmp(path, "-") == 0)
        return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

static int use_path(struct access_log *log) {
    struct stat about;
    int fd = open_path(log->path);
    if (fd < 0)
        return -errno;
    log->regular = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    log->torn = false;
    if (log->fd >= 0)
        close(log->fd);
    log->fd = fd;
    return 0;
}

/* Waits until a pipe, socket or terminal takes something. False when the process ends and its
 * reader does not read. */
static bool wait_writable(struct access_log *log) {
    struct pollfd wanted = {.fd = log->fd, .events = POLLOUT};
    while (poll(&wanted, 1, LOOK_MS) == 0) {
        if (!atomic_load(&log->closing))
            continue;
        log->patience_ms -= LOOK_MS;
        if (log->patience_ms <= 0)
            return false;
    }
    return true;
}

/* Writes from the start of `bytes`; how many, or -errno. A writable pipe takes PIPE_BUF bytes
 * without waiting (pipe(7)); its descriptor is the parent's too and not ours to make non-blocking. */
static long write_some(struct access_log *log, struct span bytes) {
    size_t n = log->regular ? bytes.n : min_size(bytes.n, PIPE_BUF);
    if (!log->regular && !wait_writable(log))
        return -ETIMEDOUT;
    ssize_t written = write(log->fd, bytes.p, n);
    if (written > 0)
        log->torn = bytes.p[written - 1] != '\n';
    return written < 0 ? -errno : written;
}

/* 0, or -errno with how far it came in *done. */
static int write_all(struct access_log *log, struct span bytes, size_t *done) {
    *done = 0;
    while (*done < bytes.n) {
        long n = write_some(log, span_from(bytes, *done));
        if (n > 0)
            *done += (size_t)n;
        else if (n != -EINTR && n != -EAGAIN)
            return n < 0 ? (int)n : -EIO;
    }
    return 0;
}

static uint64_t count_lines(struct span bytes) {
    uint64_t lines = 0;
    for (size_t at = 0; (at = span_find(bytes, '\n', at)) < bytes.n; at++)
        lines++;
    return lines;
}

static void note_failure(struct access_log *log, int error) {
    /* Once, not once a line: standard error may lead to the same full disk. */
    if (error < 0 && !log->failing)
        say(log->path, "lines are lost", -error);
    log->failing = error < 0;
}

/* Writes out what a ring held when it was looked at: whole lines. What cannot be written is dropped
 * and counted, for a full disk must not keep the rings full when it has room again. */
static void drain(struct access_log *log, struct access_log_writer *writer) {
    uint64_t taken = atomic_load_explicit(&writer->taken, memory_order_relaxed);
    uint64_t put = atomic_load_explicit(&writer->put, memory_order_acquire);
    int error = 0;
    if (taken == put)
        return;
    /* A line that an error had cut off gets its end, so that it spoils no other. */
    if (log->torn)
        error = write_all(log, SPAN("\n"), &(size_t){0});
    while (taken < put) {
        size_t place = taken % RING_BYTES, n = min_size(put - taken, RING_BYTES - place), done = 0;
        struct span piece = span_of(writer->bytes + place, n);
        if (error == 0)
            error = write_all(log, piece, &done);
        if (error < 0)
            atomic_fetch_add(&log->unwritten, count_lines(span_from(piece, done)));
        taken += n;
        atomic_store_explicit(&writer->taken, taken, memory_order_release);
    }
    note_failure(log, error);
}

static void reopen(struct access_log *log) {
    int error = use_path(log);
    if (error < 0)
        say(log->path, "cannot be opened again, the old file stays in use", -error);
}

static void *write_out(void *argument) {
    struct access_log *log = argument;
    struct pollfd wake = {.fd = log->wake_fd, .events = POLLIN};
    uint64_t count;
    for (bool closing = false; !closing;) {
        if (poll(&wake, 1, LOOK_MS) > 0 && read(log->wake_fd, &count, sizeof count) < 0)
            note_failure(log, -errno);
        /* Looked at before the rings: what was put before the order is written before it. */
        bool reopening = atomic_exchange(&log->reopening, false);
        closing = atomic_load(&log->closing);
        for (unsigned i = 0; i < log->count; i++)
            drain(log, &log->writers[i]);
        if (reopening)
            reopen(log);
    }
    return NULL;
}

static void wake(struct access_log *log) {
    uint64_t one = 1;
    /* It cannot fail but when the count is at its end: then the thread is being woken anyway. */
    if (write(log->wake_fd, &one, sizeof one) < 0)
        return;
}

/* --- life --- */

static int start(struct access_log *log) {
    int error = use_path(log);
    if (error < 0)
        return error;
    log->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (log->wake_fd < 0)
        return -errno;
    for (unsigned i = 0; i < log->count; i++)
        log->writers[i].bytes = heap_alloc(RING_BYTES);
    error = pthread_create(&log->thread, NULL, write_out, log);
    if (error == 0)
        pthread_setname_np(log->thread, "hedgerow/log");
    return -error;
}

static void free_log(struct access_log **pointer) {
    struct access_log *log = *pointer;
    for (unsigned i = 0; i < log->count; i++)
        heap_free(&log->writers[i].bytes);
    if (log->fd >= 0)
        close(log->fd);
    if (log->wake_fd >= 0)
        close(log->wake_fd);
    heap_free(&log->writers);
    heap_free(&log->path);
    heap_free(pointer);
}

int access_log_open(struct access_log **out, const char *path, unsigned writers) {
    struct access_log *log = heap_alloc(sizeof *log);
    log->fd = log->wake_fd = -1;
    log->patience_ms = CLOSE_WAIT_MS;
    log->count = writers;
    log->writers = heap_alloc(writers * sizeof *log->writers);
    if (path) {
        log->path = heap_text(path, strlen(path));
        int error = start(log);
        if (error < 0) {
            free_log(&log);
            return error;
        }
    }
    *out = log;
    return 0;
}

struct access_log_writer *access_log_writer(struct access_log *log, unsigned index) {
    CHECK(index < log->count);
    return &log->writers[index];
}

void access_log_reopen(struct access_log *log) {
    if (!log->path)
        return;
    atomic_store(&log->reopening, true);
    wake(log);
}

uint64_t access_log_dropped(const struct access_log *log) {
    uint64_t dropped = atomic_load(&log->unwritten);
    for (unsigned i = 0; i < log->count; i++)
        dropped += atomic_load_explicit(&log->writers[i].dropped, memory_order_relaxed);
    return dropped;
}

void access_log_close(struct access_log **pointer) {
    struct access_log *log = *pointer;
    if (!log)
        return;
    if (log->path) {
        atomic_store(&log->closing, true);
        wake(log);
        pthread_join(log->thread, NULL);
    }
    free_log(pointer);
}
