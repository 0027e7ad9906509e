/* fuzz_h1_response.c - response heads, each as the answer to GET and to HEAD: what we accept, llhttp accepts with the same
 * meaning; byte by byte gives the same answer as whole. */
#include <stdlib.h>

#include "net/h1_parse.h"
#include "tests/fuzz/peer_llhttp.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_splits(struct span in, bool to_head, long whole, const struct http_head *want) {
    static struct http_head head;
    size_t scanned = 0;
    for (size_t n = 0; n <= in.n; n++) {
        long got = h1_parse_response(span_of(in.p, n), HTTP_HEAD_MAX, &scanned, to_head, &head);
        if (got == 0)
            continue;
        CHECK(got == whole);
        CHECK(got < 0 || (size_t)got == n);
        CHECK(got < 0 ||
              (head.status == want->status && head.body == want->body &&
               head.body_length == want->body_length && head.keep_alive == want->keep_alive &&
               head.field_count == want->field_count));
        return;
    }
    CHECK(whole == 0);
}

static void check_peer(struct span in, bool to_head, const struct http_head *head) {
    static char copy[HTTP_HEAD_MAX];
    static struct peer peer;
    memcpy(copy, in.p, in.n);
    /* llhttp knows no HTTP/1.2 to 1.9: "HTTP/1.x". */
    if (copy[strlen("HTTP/1.")] != '0')
        copy[strlen("HTTP/1.")] = '1';
    peer = (struct peer){.head_only = true, .to_head = to_head};
    CHECK(peer_run(&peer, HTTP_RESPONSE, span_of(copy, in.n)) == HPE_PAUSED && peer.head_done);
    CHECK(peer.size == in.n && peer.parser.status_code == head->status);
    CHECK(peer.parser.http_major == 1 && peer.parser.http_minor == head->minor);
    peer_check_fields(&peer, head);
    CHECK((head->body == HTTP_BODY_UNTIL_CLOSE) == (bool)llhttp_message_needs_eof(&peer.parser));
    bool chunked = peer.parser.flags & F_CHUNKED;
    bool length = peer.parser.flags & F_CONTENT_LENGTH;
    bool bodiless = to_head || head->status < 200 || head->status == 204 || head->status == 304;
    CHECK(bodiless == (head->body == HTTP_BODY_NONE));
    CHECK(bodiless || chunked == (head->body == HTTP_BODY_CHUNKED));
    CHECK(bodiless || length == (head->body == HTTP_BODY_LENGTH));
    CHECK(head->body != HTTP_BODY_LENGTH || peer.parser.content_length == head->body_length);
    if (!peer_reads_connection(head))
        return;
    /* For a HTTP/1.0 server that says both we close, llhttp does not. */
    bool keep_alive = llhttp_should_keep_alive(&peer.parser);
    bool both = head->minor == 0 && peer_connection_has(head, SPAN("close"));
    CHECK(keep_alive == head->keep_alive || (keep_alive && both));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct http_head head;
    if (size > HTTP_HEAD_MAX)
        return 0;
    struct span in = span_of((const char *)bytes, size);
    for (int to_head = 0; to_head < 2; to_head++) {
        size_t scanned = 0;
        long whole = h1_parse_response(in, HTTP_HEAD_MAX, &scanned, to_head, &head);
        CHECK(whole <= (long)size);
        check_splits(in, to_head, whole, &head);
        if (whole > 0)
            check_peer(span_of(in.p, (size_t)whole), to_head, &head);
    }
    return 0;
}
