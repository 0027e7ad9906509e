/* eventstream.h - AWS event stream framing (application/vnd.amazon.eventstream): cuts a byte stream
 * into messages, zero copy. (pure)
 *
 *     total_bytes u32 | headers_bytes u32 | crc u32 of these 8 | headers | payload | crc u32 of all
 *     header: name_bytes u8 | name | type u8 | value
 *
 * All numbers are big endian, the checksums are zlib's. Format: "Event stream encoding" of the Amazon
 * Transcribe and Smithy documents; where they are silent, aws-c-event-stream and botocore. */
#ifndef HEDGEROW_PROVIDERS_EVENTSTREAM_H
#define HEDGEROW_PROVIDERS_EVENTSTREAM_H

#include "core/fail.h"
#include "core/span.h"

/* Zero it to begin. */
struct eventstream {
    /* The pending message's, once its prelude was found to be right; 0: not yet. */
    size_t total_bytes, headers_bytes;
};

struct eventstream_message {
    struct span message_type;   /* "event", "exception", "error"; empty: the sender did not say */
    struct span event_type;     /* of an event: "contentBlockDelta" ... */
    struct span exception_type; /* of an exception: "throttlingException" ... */
    struct span content_type;   /* of the payload */
    struct span error_code, error_message; /* of an error, which has no payload; plain text */
    struct span payload;
    struct span raw; /* the whole frame */
};

/* Cuts the next message off the start of `in`. Returns the bytes consumed (at least 16), 0 when the
 * message is not whole yet, -FAIL_BAD_EVENT for wrong checksums, lengths that do not fit each other,
 * malformed or repeated headers, -FAIL_TOO_LARGE above SSE_EVENT_MAX, for more than 128 KiB of
 * headers or more headers than anybody sends. After a failure the stream is of no use any more, for
 * nothing tells where the next message begins.
 * Between calls that return 0, `in` must keep its start and only grow. The prelude's checksum is
 * looked at once, before its lengths are believed; the message's once, when all of it is there.
 * Spans point into `in`. Headers of names that are not in the struct are checked and read over. */
long eventstream_next(struct eventstream *, struct span in, struct eventstream_message *out);

#endif
