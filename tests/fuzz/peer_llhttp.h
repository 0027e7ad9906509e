/* peer_llhttp.h - runs llhttp (strict, as it comes) over an input and keeps what it said, for the fuzzers that compare our
 * parsers with it. Test code only. */
#ifndef TESTS_FUZZ_PEER_LLHTTP_H
#define TESTS_FUZZ_PEER_LLHTTP_H

/* Its enum of methods uses our names. */
#define HTTP_DELETE  PEER_DELETE
#define HTTP_GET     PEER_GET
#define HTTP_HEAD    PEER_HEAD
#define HTTP_OPTIONS PEER_OPTIONS
#define HTTP_PATCH   PEER_PATCH
#define HTTP_POST    PEER_POST
#define HTTP_PUT     PEER_PUT
#include <llhttp.h>
#undef HTTP_DELETE
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_OPTIONS
#undef HTTP_PATCH
#undef HTTP_POST
#undef HTTP_PUT

#include "core/base.h"
#include "net/http.h"

struct peer {
    llhttp_t parser;
    bool head_only; /* stop behind the head */
    bool to_head;   /* response: the request was HEAD */
    bool head_done, message_done;
    struct span target;
    unsigned field_count;
    struct http_field fields[HTTP_FIELDS_MAX];
    bool value_begun; /* of the newest field */
    size_t size;      /* bytes up to the end of the head or message */
    char *body;       /* room for all of the input; borrowed from the caller, NULL with head_only */
    size_t body_size;
};

/* llhttp may hand out one thing in several pieces; in one input they lie side by side. */
static void peer_append(struct span *to, const char *at, size_t n) {
    if (to->n == 0)
        to->p = at;
    CHECK(to->n == 0 || to->p + to->n == at);
    to->n += n;
}

static int peer_on_url(llhttp_t *parser, const char *at, size_t n) {
    struct peer *peer = parser->data;
    peer_append(&peer->target, at, n);
    return 0;
}

static int peer_on_name(llhttp_t *parser, const char *at, size_t n) {
    struct peer *peer = parser->data;
    if (peer->head_done)
        return 0; /* a trailer */
    if (peer->field_count == 0 || peer->value_begun) {
        if (peer->field_count == HTTP_FIELDS_MAX)
            return HPE_USER;
        peer->fields[peer->field_count++] = (struct http_field){0};
        peer->value_begun = false;
    }
    peer_append(&peer->fields[peer->field_count - 1].name, at, n);
    return 0;
}

static int peer_on_value(llhttp_t *parser, const char *at, size_t n) {
    struct peer *peer = parser->data;
    if (peer->head_done)
        return 0;
    peer->value_begun = true;
    peer_append(&peer->fields[peer->field_count - 1].value, at, n);
    return 0;
}

static int peer_on_head(llhttp_t *parser) {
    struct peer *peer = parser->data;
    peer->head_done = true;
    if (peer->to_head)
        parser->flags |= F_SKIPBODY;
    return peer->head_only ? HPE_PAUSED : 0;
}

static int peer_on_body(llhttp_t *parser, const char *at, size_t n) {
    struct peer *peer = parser->data;
    memcpy(peer->body + peer->body_size, at, n);
    peer->body_size += n;
    return 0;
}

static int peer_on_message(llhttp_t *parser) {
    struct peer *peer = parser->data;
    peer->message_done = true;
    return HPE_PAUSED;
}

/* Feeds all of `in`. Returns llhttp's verdict: HPE_OK when it wants more, HPE_PAUSED when the head or message is whole. */
static llhttp_errno_t peer_run(struct peer *peer, llhttp_type_t type, struct span in) {
    static llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_url = peer_on_url;
    settings.on_header_field = peer_on_name;
    settings.on_header_value = peer_on_value;
    settings.on_headers_complete = peer_on_head;
    settings.on_body = peer_on_body;
    settings.on_message_complete = peer_on_message;
    llhttp_init(&peer->parser, type, &settings);
    peer->parser.data = peer;
    llhttp_errno_t verdict = llhttp_execute(&peer->parser, in.p, in.n);
    if (verdict != HPE_OK)
        peer->size = (size_t)(llhttp_get_error_pos(&peer->parser) - in.p);
    return verdict;
}

/* llhttp takes no HTAB for a blank when it looks for options in Connection, RFC 9110 5.6.3 does: not compared then. */
static inline bool peer_reads_connection(const struct http_head *head) {
    for (unsigned i = 0; i < head->field_count; i++) {
        struct span name = head->fields[i].name;
        const char *end = rawmemchr(name.p, '\r');
        if (span_eq_nocase(name, SPAN("connection")) &&
            memchr(name.p, '\t', (size_t)(end - name.p)))
            return false;
    }
    return true;
}

/* Is `token` in one of the Connection fields? */
static inline bool peer_connection_has(const struct http_head *head, struct span token) {
    for (unsigned i = 0; i < head->field_count; i++)
        if (span_eq_nocase(head->fields[i].name, SPAN("connection")) &&
            http_list_has(head->fields[i].value, token))
            return true;
    return false;
}

/* The same fields in the same order; llhttp leaves blanks behind values. */
static inline void peer_check_fields(const struct peer *peer, const struct http_head *head) {
    CHECK(peer->field_count == head->field_count);
    for (unsigned i = 0; i < head->field_count; i++) {
        CHECK(span_eq(peer->fields[i].name, head->fields[i].name));
        CHECK(span_eq(span_trim(peer->fields[i].value), head->fields[i].value));
    }
}

#endif
