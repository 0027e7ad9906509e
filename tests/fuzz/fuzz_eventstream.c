/* fuzz_eventstream.c - AWS event stream framing. The first byte of the input says whether the
 * checksums are made right (so that what is behind them is reached) and where the stream is cut in
 * two. Held to:
 *   - the same messages and the same end however the stream is cut;
 *   - what is given lies inside its frame, the payload at its end, and frames lie one behind another;
 *   - of a stream whose checksums are as they came, what was given has the right ones. */
#include <stdlib.h>
#include <zlib.h>

#include "core/base.h"
#include "providers/eventstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define INPUT_MAX 4096
#define FRAME_MIN 16

static size_t u32_at(const char *p) {
    const unsigned char *b = (const unsigned char *)p;
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
}

static void put_u32(char *p, size_t value) {
    for (int i = 0; i < 4; i++)
        p[i] = (char)(value >> (24 - 8 * i));
}

static size_t crc(const char *p, size_t n) { return crc32(0, (const Bytef *)p, (uInt)n); }

/* Makes the checksums of all frames right, as long as their lengths make sense. */
static void mend(char *p, size_t n) {
    while (n >= FRAME_MIN) {
        put_u32(p + 8, crc(p, 8));
        size_t total = u32_at(p);
        if (total < FRAME_MIN || total > n)
            return;
        put_u32(p + total - 4, crc(p, total - 4));
        p += total;
        n -= total;
    }
}

struct reading {
    unsigned messages;
    long failed;
    size_t left;
    uint64_t hash;
};

static void inside(const struct eventstream_message *m, struct span part) {
    CHECK(!part.p || (part.p >= m->raw.p && part.p + part.n <= m->raw.p + m->raw.n));
}

static void take(struct reading *r, const struct eventstream_message *m, const char *at,
                 long used) {
    const struct span parts[] = {m->message_type, m->event_type, m->exception_type,
                                 m->content_type, m->error_code, m->error_message,
                                 m->payload};
    CHECK(m->raw.p == at && m->raw.n == (size_t)used && m->raw.n >= FRAME_MIN);
    CHECK(u32_at(at) == m->raw.n && u32_at(at + 8) == crc(at, 8));
    CHECK(u32_at(at + m->raw.n - 4) == crc(at, m->raw.n - 4));
    CHECK(m->payload.p + m->payload.n + 4 == at + m->raw.n);
    r->messages++;
    for (unsigned i = 0; i < countof(parts); i++) {
        inside(m, parts[i]);
        r->hash = r->hash * 31 + span_hash(parts[i]) + parts[i].n;
    }
}

static struct reading read_parts(struct span bytes, size_t cut) {
    struct eventstream stream = {0};
    struct eventstream_message m;
    struct reading r = {0};
    size_t at = 0;
    const size_t ends[] = {cut, bytes.n};
    for (int part = 0; part < 2 && r.failed == 0; part++) {
        size_t n = ends[part] - at, from = 0;
        long used;
        char *copy = malloc(n ? n : 1);
        memcpy(copy, bytes.p + at, n);
        while ((used = eventstream_next(&stream, span_of(copy + from, n - from), &m)) > 0) {
            take(&r, &m, copy + from, used);
            from += (size_t)used;
        }
        free(copy);
        at += from;
        r.failed = used;
    }
    CHECK(r.failed == 0 || r.failed == -FAIL_BAD_EVENT || r.failed == -FAIL_TOO_LARGE);
    r.left = bytes.n - at;
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < 2 || size > INPUT_MAX)
        return 0;
    size_t n = size - 1;
    char *copy = malloc(n);
    memcpy(copy, bytes + 1, n);
    if (bytes[0] & 1)
        mend(copy, n);
    struct span in = span_of(copy, n);
    struct reading whole = read_parts(in, n);
    for (size_t cut = bytes[0] % 7; cut < n; cut += 7) {
        struct reading parts = read_parts(in, cut);
        CHECK(parts.messages == whole.messages && parts.failed == whole.failed &&
              parts.left == whole.left && parts.hash == whole.hash);
    }
    free(copy);
    return 0;
}
