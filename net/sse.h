/* sse.h - server-sent events (WHATWG HTML, 9.2): cuts a byte stream into events, zero copy. (pure)
 *
 * Lines end in LF, CRLF or CR, mixed; U+2028, U+2029 and U+0085 are not line ends. A leading BOM is dropped. An event ends with an
 * empty line. The caller keeps what was not consumed and gives it again with more bytes behind it.
 *
 * Bytes are passed on as they are: whether data is UTF-8 is for its reader to say. `id` and `retry` lines are read over, they
 * steer reconnecting, which an answer of a model does not do. */
#ifndef HEDGEROW_NET_SSE_H
#define HEDGEROW_NET_SSE_H

#include "core/fail.h"
#include "core/limits.h"
#include "core/span.h"

/* Zero it to begin. */
struct sse {
    size_t scanned;   /* bytes of the pending event already searched for its end */
    bool begun;       /* the first bytes were seen (BOM) */
    bool after_cr;    /* the last consumed byte was CR: a LF that follows belongs to it */
    uint64_t foreign; /* lines so far that are neither field nor comment of SSE (HTML, bare JSON) */
};

struct sse_event {
    struct span
        raw; /* all bytes of the event with its final empty line, as received; without BOM */
    struct span name; /* value of the last `event:` line; empty = "message" */
    struct span data; /* value of the data line when data_lines == 1, else {NULL,0}: see sse_join */
    unsigned data_lines; /* 0: comments, blank lines or other fields only */
    bool
        plain; /* raw is exactly "data: " data "\n\n" or the same with CRLF: it can be relayed as it is */
    bool named;   /* as plain, with exactly one "event: NAME" line before the data */
    bool foreign; /* holds lines that are no SSE fields */
};

/* Cuts the next event off the start of `in`. Returns the bytes consumed (> 0; an event with data_lines == 0 and an empty name says nothing),
 * 0 when the event is not whole yet, -FAIL_TOO_LARGE when it is longer than SSE_EVENT_MAX. Spans point into `in`.
 * Between calls that return 0, `in` must keep its start and only grow; bytes already searched are not searched again.
 * When the input stops between the CR and the LF of the empty line, the event is given at once; raw then lacks the LF (so that it
 * is not plain), which is read over at the start of the next input. Otherwise the events are the same however the input is cut. */
long sse_next(struct sse *, struct span in, struct sse_event *event);
/* At the end of the stream: what sse_next left over is given as a last event, without its final empty line or line end, if it holds
 * any byte but the BOM and the LF of a CR. Returns as sse_next; 0: nothing is left to say. (The standard drops an unfinished last
 * event; providers forget the last blank line. Whether the data is whole is for its reader to find out.) */
long sse_last(struct sse *, struct span in, struct sse_event *event);
/* The data of an event with several data lines, joined by LF into out[max] (max >= raw.n is always enough). Returns the length or
 * -ENOBUFS. event->raw must still be there. */
long sse_join(const struct sse_event *event, char *out, size_t max);

#endif
