/* scan.h (pure) - finds where an HTTP/1.1 message ends and how many events it has brought.
 *
 * The yard reads both sides with it: requests as its cloud and answers as its client. It knows the
 * framings a proxy may choose for the same body (Content-Length, chunked), because raw bytes, nginx and
 * hedgerow cut the stream differently and must be counted alike.
 *
 *   HEAD -> LENGTH                                  -> DONE
 *        -> CHUNK_SIZE -> CHUNK_DATA -> CHUNK_END -> CHUNK_SIZE ... -> TRAILER -> DONE
 *
 * Refuses:  answers that end with the connection: nothing measured here sends them. */
#ifndef BENCH_YARD_SCAN_H
#define BENCH_YARD_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SCAN_HEAD_MAX = 2048, SCAN_TAIL = 14 };

enum scan_state {
    SCAN_HEAD,       /* the head is not whole */
    SCAN_LENGTH,     /* `left` bytes of the body are to come */
    SCAN_CHUNK_SIZE, /* a chunk's size line is not whole */
    SCAN_CHUNK_DATA, /* `left` bytes of the chunk are to come */
    SCAN_CHUNK_END,  /* the line end behind a chunk is to come */
    SCAN_TRAILER,    /* the lines behind the last chunk */
    SCAN_DONE        /* the message is whole; scan_reset before the next */
};

/* A zeroed one awaits its first message. */
struct scan {
    enum scan_state state;
    bool request;         /* set by the owner: the message may have no body */
    int status;           /* of an answer */
    uint64_t left;        /* bytes of the body or the chunk */
    uint64_t body;        /* bytes of the body so far */
    unsigned events;      /* blank lines in the body: ends of server-sent events */
    unsigned line;        /* bytes in the current line of a chunk size or trailer */
    bool line_ended;      /* the body's last byte was a line feed */
    char tail[SCAN_TAIL]; /* the last bytes of the body */
    size_t head_bytes;
    char head[SCAN_HEAD_MAX];
};

/* Reads up to n bytes and stops behind the end of a message. How many it read, or -1 for bytes that are
 * no HTTP or a head larger than SCAN_HEAD_MAX. */
ssize_t scan_feed(struct scan *, const char *bytes, size_t n);
/* Awaits the next message. */
void scan_reset(struct scan *);
/* The body ended as a whole OpenAI stream does: "data: [DONE]" and a blank line. */
bool scan_finished_stream(const struct scan *);

#endif
