/* eventstream.h (pure) - writes messages of application/vnd.amazon.eventstream.
 *
 *     total length u32 | headers length u32 | CRC-32 of these 8 bytes |
 *     headers | payload | CRC-32 of everything before                        all big-endian
 *
 * Promises: the layout of the AWS SDKs' own codecs; both checksums are right unless told otherwise.
 */
#ifndef BENCH_EVENTSTREAM_H
#define BENCH_EVENTSTREAM_H

#include "bench/bytes.h"

#include <stdbool.h>

/* One message under construction; its bytes go behind what `out` holds already. */
struct eventstream {
    struct bytes *out;
    size_t start, headers_end;
};

/* Begins a message with the headers :event-type or :exception-type (`type`), :content-type
 * application/json and :message-type event or exception. The caller appends the payload to `out`. */
void eventstream_begin(struct eventstream *m, struct bytes *out, bool exception, const char *type);
/* Ends it: lengths and checksums. `broken`: the second checksum is wrong. */
void eventstream_end(struct eventstream *m, bool broken);

#endif
