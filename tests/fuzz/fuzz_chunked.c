/* fuzz_chunked.c - chunked bodies: the same data and the same end however the input is cut, and the same as llhttp's for every
 * body that we accept. */
#include <stdlib.h>

#include "net/h1_parse.h"
#include "tests/fuzz/peer_llhttp.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Splits are tried at every offset: this keeps an input under a millisecond. */
#define INPUT_MAX 4096

struct result {
    long verdict; /* bytes consumed, or -enum fail */
    bool done;
    size_t size;
    char data[INPUT_MAX];
};

/* Feeds one piece after what came before. */
static void feed(struct h1_chunked *chunked, struct span in, struct result *result) {
    while (!result->done && result->verdict >= 0) {
        struct span data;
        long n = h1_chunked_next(chunked, in, &data, &result->done);
        if (n < 0)
            result->verdict = n;
        if (n <= 0) {
            CHECK(n < 0 || in.n == 0);
            return;
        }
        CHECK((size_t)n <= in.n && result->size + data.n <= INPUT_MAX);
        CHECK(data.n == 0 || (data.p >= in.p && data.p + data.n <= in.p + n));
        if (data.n)
            memcpy(result->data + result->size, data.p, data.n);
        result->size += data.n;
        result->verdict += n;
        in = span_from(in, (size_t)n);
    }
}

static void run(struct span in, size_t cut, struct result *result) {
    struct h1_chunked chunked = {0};
    *result = (struct result){0};
    feed(&chunked, span_of(in.p, cut), result);
    feed(&chunked, span_from(in, cut), result);
}

static void check_same(const struct result *a, const struct result *b) {
    CHECK(a->verdict == b->verdict && a->done == b->done);
    CHECK(a->size == b->size && memcmp(a->data, b->data, a->size) == 0);
}

static void check_bytes(struct span in, const struct result *want) {
    static struct result result;
    struct h1_chunked chunked = {0};
    result = (struct result){0};
    for (size_t i = 0; i < in.n; i++)
        feed(&chunked, span_of(in.p + i, 1), &result);
    check_same(&result, want);
}

/* llhttp reads trailers as fields and refuses some names there; we drop them all unread. */
static bool peer_minds_trailers(struct span in) {
    static const struct span names[] = {SPAN_CONST("content-length"),
                                        SPAN_CONST("transfer-encoding")};
    for (size_t i = 0; i < in.n; i++)
        for (size_t j = 0; j < countof(names); j++)
            if (span_starts_nocase(span_from(in, i), names[j]))
                return true;
    return false;
}

static void check_peer(struct span in, const struct result *want) {
    static const char head[] = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    static char message[sizeof head + INPUT_MAX], body[INPUT_MAX];
    static struct peer peer;
    size_t head_size = sizeof head - 1;
    memcpy(message, head, head_size);
    memcpy(message + head_size, in.p, in.n);
    peer = (struct peer){.body = body};
    llhttp_errno_t verdict = peer_run(&peer, HTTP_REQUEST, span_of(message, head_size + in.n));
    CHECK(verdict == (want->done ? HPE_PAUSED : HPE_OK));
    CHECK(peer.message_done == want->done);
    CHECK(!want->done || peer.size == head_size + (size_t)want->verdict);
    CHECK(peer.body_size == want->size && memcmp(body, want->data, want->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct result whole, cut;
    if (size > INPUT_MAX)
        return 0;
    struct span in = span_of((const char *)bytes, size);
    run(in, size, &whole);
    check_bytes(in, &whole);
    for (size_t at = 0; at < size; at++) {
        run(in, at, &cut);
        check_same(&cut, &whole);
    }
    if (whole.verdict >= 0 && !peer_minds_trailers(in))
        check_peer(in, &whole);
    return 0;
}
