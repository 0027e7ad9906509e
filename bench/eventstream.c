/* eventstream.c (pure) - messages of application/vnd.amazon.eventstream; see eventstream.h. */
#include "bench/eventstream.h"

#include <stdint.h>
#include <string.h>
#include <zlib.h>

enum { PRELUDE_BYTES = 12, HEADER_STRING = 7 };

static void store32(char *at, uint32_t v) {
    for (int i = 0; i < 4; i++)
        at[i] = (char)(v >> (24 - 8 * i));
}

static uint32_t crc(const char *data, size_t len) {
    return (uint32_t)crc32(0, (const Bytef *)data, (uInt)len);
}

static void add_header(struct bytes *out, const char *name, const char *value) {
    size_t name_len = strlen(name), value_len = strlen(value);
    char before[1] = {(char)name_len};
    char between[3] = {HEADER_STRING, (char)(value_len >> 8), (char)value_len};
    bytes_add(out, before, sizeof before);
    bytes_add(out, name, name_len);
    bytes_add(out, between, sizeof between);
    bytes_add(out, value, value_len);
}

void eventstream_begin(struct eventstream *m, struct bytes *out, bool exception, const char *type) {
    static const char prelude[PRELUDE_BYTES];
    m->out = out;
    m->start = bytes_len(out);
    bytes_add(out, prelude, sizeof prelude);
    add_header(out, exception ? ":exception-type" : ":event-type", type);
    add_header(out, ":content-type", "application/json");
    add_header(out, ":message-type", exception ? "exception" : "event");
    m->headers_end = bytes_len(out);
}

void eventstream_end(struct eventstream *m, bool broken) {
    char checksum[4];
    size_t len = bytes_len(m->out) - m->start + sizeof checksum;
    char *at = bytes_at(m->out) + m->start;
    store32(at, (uint32_t)len);
    store32(at + 4, (uint32_t)(m->headers_end - m->start - PRELUDE_BYTES));
    store32(at + 8, crc(at, 8));
    store32(checksum, crc(at, len - sizeof checksum) ^ (broken ? 1 : 0));
    bytes_add(m->out, checksum, sizeof checksum);
}
