/* fuzz_h1_request.c - request heads: what we accept, llhttp accepts with the same meaning; byte by byte gives the same answer
 * as whole; and what we write of an accepted head we read back as the same head. */
#include <stdlib.h>

#include "net/h1_parse.h"
#include "tests/fuzz/peer_llhttp.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Only what the head says about a message, not where its spans lie. */
static void check_same(const struct http_head *a, const struct http_head *b) {
    CHECK(a->method == b->method && span_eq(a->method_name, b->method_name));
    CHECK(span_eq(a->target, b->target) && span_eq(a->authority, b->authority));
    CHECK(a->body == b->body && a->body_length == b->body_length);
    CHECK(a->keep_alive == b->keep_alive && a->upgrade == b->upgrade);
}

/* Every prefix asks for more, until the answer is that of the whole input. */
static void check_splits(struct span in, long whole, const struct http_head *want) {
    static struct http_head head;
    size_t scanned = 0;
    for (size_t n = 0; n <= in.n; n++) {
        long got = h1_parse_request(span_of(in.p, n), HTTP_HEAD_MAX, &scanned, &head);
        if (got == 0)
            continue;
        CHECK(got == whole);
        if (got > 0) {
            CHECK((size_t)got == n);
            check_same(&head, want);
        }
        return;
    }
    CHECK(whole == 0);
}

static void check_spans(struct span in, const struct http_head *head) {
    CHECK(http_is_token(head->method_name) && http_is_target(head->target));
    CHECK(head->authority.n == 0 || http_is_host(head->authority));
    CHECK(head->target.p >= in.p && head->target.p + head->target.n <= in.p + in.n);
    for (unsigned i = 0; i < head->field_count; i++) {
        CHECK(http_is_token(head->fields[i].name) && http_is_value(head->fields[i].value));
        CHECK(span_eq(head->fields[i].value, span_trim(head->fields[i].value)));
    }
}

/* A copy of the accepted head that llhttp can be asked about: it knows a fixed list of methods, and neither HTTP/1.2 to 1.9. */
static struct span copy_for_peer(struct span in, const struct http_head *head, char *out) {
    struct span method = head->method_name;
    bool known = head->method != HTTP_OTHER || span_eq(method, SPAN("CONNECT")) ||
                 span_eq(method, SPAN("TRACE"));
    size_t n = 0;
    struct span asked = known ? method : SPAN("GET");
    memcpy(out, asked.p, asked.n);
    n = asked.n;
    struct span rest = span_of(method.p + method.n, (size_t)(in.p + in.n - method.p) - method.n);
    memcpy(out + n, rest.p, rest.n);
    char *minor = (char *)memchr(out, '\r', n + rest.n) - 1;
    if (*minor != '0')
        *minor = '1';
    return span_of(out, n + rest.n);
}

static void check_peer(struct span in, const struct http_head *head) {
    static char copy[2 * HTTP_HEAD_MAX];
    static struct peer peer;
    struct span asked = copy_for_peer(in, head, copy);
    peer = (struct peer){.head_only = true};
    CHECK(peer_run(&peer, HTTP_REQUEST, asked) == HPE_PAUSED && peer.head_done);
    CHECK(peer.size == asked.n);
    if (head->method != HTTP_OTHER)
        CHECK(span_eq(span_str(llhttp_method_name((llhttp_method_t)peer.parser.method)),
                      head->method_name));
    CHECK(peer.parser.http_major == 1 && peer.parser.http_minor == head->minor);
    peer_check_fields(&peer, head);
    /* An absolute target ends in ours, or has no path. */
    CHECK(span_ends(peer.target, head->target) || span_eq(head->target, SPAN("/")));
    if (peer.target.p[0] == '/')
        CHECK(span_eq(peer.target, head->target));
    bool chunked = peer.parser.flags & F_CHUNKED;
    bool length = peer.parser.flags & F_CONTENT_LENGTH;
    CHECK(chunked == (head->body == HTTP_BODY_CHUNKED));
    CHECK(length == (head->body == HTTP_BODY_LENGTH));
    if (length)
        CHECK(peer.parser.content_length == head->body_length);
    if (!peer_reads_connection(head))
        return;
    /* We close where llhttp would not: behind CONNECT, and for a HTTP/1.0 client that says both. */
    bool keep_alive = llhttp_should_keep_alive(&peer.parser);
    bool both = head->minor == 0 && peer_connection_has(head, SPAN("close"));
    bool connect = span_eq(head->method_name, SPAN("CONNECT"));
    CHECK(keep_alive == head->keep_alive || (keep_alive && (both || connect)));
}

static bool is_framing(struct span name) {
    return span_eq_nocase(name, SPAN("host")) || span_eq_nocase(name, SPAN("content-length")) ||
           span_eq_nocase(name, SPAN("transfer-encoding"));
}

/* Writing adds at most host, framing and connection. */
#define FIELDS_ADDED 3

static void check_round_trip(const struct http_head *head) {
    static char out[2 * HTTP_HEAD_MAX];
    static struct http_head again;
    if (head->authority.n == 0 || head->field_count > HTTP_FIELDS_MAX - FIELDS_ADDED)
        return;
    long n = h1_write_request(head, out, sizeof out);
    CHECK(n > 0 && h1_write_request(head, out, (size_t)n - 1) < 0);
    CHECK(h1_write_request(head, out, (size_t)n) == n);
    size_t scanned = 0;
    CHECK(h1_parse_request(span_of(out, (size_t)n), sizeof out, &scanned, &again) == n);
    check_same(head, &again);
    unsigned at = 1; /* behind host */
    for (unsigned i = 0; i < head->field_count; i++) {
        if (is_framing(head->fields[i].name))
            continue;
        CHECK(span_eq(head->fields[i].name, again.fields[at].name));
        CHECK(span_eq(head->fields[i].value, again.fields[at].value));
        at++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct http_head head;
    if (size > HTTP_HEAD_MAX)
        return 0;
    struct span in = span_of((const char *)bytes, size);
    size_t scanned = 0;
    long whole = h1_parse_request(in, HTTP_HEAD_MAX, &scanned, &head);
    CHECK(whole <= (long)size);
    check_splits(in, whole, &head);
    if (whole <= 0)
        return 0;
    in.n = (size_t)whole;
    check_spans(in, &head);
    check_peer(in, &head);
    check_round_trip(&head);
    return 0;
}
