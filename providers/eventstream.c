/* eventstream.c - AWS event stream framing: lengths, checksums, headers. (pure)
 *
 * Owns:     nothing; what it gives points into the bytes it was given.
 * Promises: no byte of a message is given before both checksums were found right; a message that
 *           never comes whole costs one look at its prelude.
 * Refuses:  what its lengths or checksums contradict, and repeated headers, as botocore does. */
#include "providers/eventstream.h"

#include <zlib.h>

#include "core/base.h"
#include "core/limits.h"

#define PRELUDE_BYTES 12
#define CRC_BYTES     4
/* A message without headers and payload. */
#define FRAME_BYTES_MIN (PRELUDE_BYTES + CRC_BYTES)
/* The limit of AWS's own SDKs. */
#define HEADERS_BYTES_MAX (128 * 1024)
/* Bedrock sends three. Names are compared with all before them, hence a bound on their number. */
#define HEADERS_MAX 64

/* Types of header values (Smithy, "Header value types"). */
enum value_type {
    VALUE_TRUE,
    VALUE_FALSE,
    VALUE_BYTE,
    VALUE_INT16,
    VALUE_INT32,
    VALUE_INT64,
    VALUE_BYTES,  /* u16 length before it */
    VALUE_STRING, /* the same, in UTF-8 */
    VALUE_TIMESTAMP,
    VALUE_UUID,
    VALUE_TYPE_COUNT
};
static const uint8_t value_bytes[VALUE_TYPE_COUNT] = {
    [VALUE_BYTE] = 1,  [VALUE_INT16] = 2,     [VALUE_INT32] = 4,
    [VALUE_INT64] = 8, [VALUE_TIMESTAMP] = 8, [VALUE_UUID] = 16,
};

struct header {
    struct span name, value; /* value of BYTES and STRING without its length */
    enum value_type type;
};

static uint32_t read_u32(const char *p) {
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool crc_is_right(const char *p, size_t n) {
    return (uint32_t)crc32(0, (const Bytef *)p, (uInt)n) == read_u32(p + n);
}

/* Reads the lengths of the message that starts at `p`; 0 or -enum fail. */
static long read_prelude(struct eventstream *stream, const char *p) {
    /* Not before the checksum: a flipped bit in a length would have us wait for ever. */
    if (!crc_is_right(p, PRELUDE_BYTES - CRC_BYTES))
        return -FAIL_BAD_EVENT;
    size_t total_bytes = read_u32(p), headers_bytes = read_u32(p + 4);
    if (total_bytes > SSE_EVENT_MAX || headers_bytes > HEADERS_BYTES_MAX)
        return -FAIL_TOO_LARGE;
    if (total_bytes < FRAME_BYTES_MIN || headers_bytes > total_bytes - FRAME_BYTES_MIN)
        return -FAIL_BAD_EVENT;
    stream->total_bytes = total_bytes;
    stream->headers_bytes = headers_bytes;
    return 0;
}

/* Cuts one header off *rest, which is not empty; false when it is malformed. */
static bool read_header(struct span *rest, struct header *out) {
    size_t name_bytes = (unsigned char)rest->p[0], at = 1 + name_bytes + 1, n;
    if (name_bytes == 0 || at > rest->n)
        return false;
    unsigned type = (unsigned char)rest->p[at - 1];
    if (type >= VALUE_TYPE_COUNT)
        return false; /* of unknown length, so that nothing behind it can be found */
    n = value_bytes[type];
    if (type == VALUE_BYTES || type == VALUE_STRING) {
        if (rest->n - at < 2)
            return false;
        n = (size_t)(unsigned char)rest->p[at] << 8 | (unsigned char)rest->p[at + 1];
        at += 2;
    }
    if (rest->n - at < n)
        return false;
    *out = (struct header){span_of(rest->p + 1, name_bytes), span_of(rest->p + at, n),
                           (enum value_type)type};
    *rest = span_from(*rest, at + n);
    return true;
}

/* The place of a header that somebody reads; NULL for others. */
static struct span *known_header(struct eventstream_message *out, struct span name) {
    const struct {
        struct span name, *value;
    } rows[] = {
        {SPAN(":message-type"), &out->message_type},
        {SPAN(":event-type"), &out->event_type},
        {SPAN(":exception-type"), &out->exception_type},
        {SPAN(":content-type"), &out->content_type},
        {SPAN(":error-code"), &out->error_code},
        {SPAN(":error-message"), &out->error_message},
    };
    for (unsigned i = 0; i < countof(rows); i++)
        if (span_eq(name, rows[i].name))
            return rows[i].value;
    return NULL;
}

static long read_headers(struct span rest, struct eventstream_message *out) {
    struct span names[HEADERS_MAX];
    for (unsigned count = 0; rest.n > 0; count++) {
        struct header header;
        if (count == HEADERS_MAX)
            return -FAIL_TOO_LARGE;
        if (!read_header(&rest, &header))
            return -FAIL_BAD_EVENT;
        for (unsigned i = 0; i < count; i++)
            if (span_eq(header.name, names[i]))
                return -FAIL_BAD_EVENT;
        names[count] = header.name;
        struct span *known = known_header(out, header.name);
        if (known && header.type != VALUE_STRING)
            return -FAIL_BAD_EVENT;
        if (known)
            *known = header.value;
    }
    return 0;
}

long eventstream_next(struct eventstream *stream, struct span in, struct eventstream_message *out) {
    if (!stream->total_bytes) {
        if (in.n < PRELUDE_BYTES)
            return 0;
        long rc = read_prelude(stream, in.p);
        if (rc < 0)
            return rc;
    }
    if (in.n < stream->total_bytes)
        return 0;
    struct eventstream pending = *stream;
    *stream = (struct eventstream){0};
    if (!crc_is_right(in.p, pending.total_bytes - CRC_BYTES))
        return -FAIL_BAD_EVENT;
    *out = (struct eventstream_message){
        .payload = span_of(in.p + PRELUDE_BYTES + pending.headers_bytes,
                           pending.total_bytes - pending.headers_bytes - FRAME_BYTES_MIN),
        .raw = span_of(in.p, pending.total_bytes),
    };
    long rc = read_headers(span_of(in.p + PRELUDE_BYTES, pending.headers_bytes), out);
    return rc < 0 ? rc : (long)pending.total_bytes;
}
