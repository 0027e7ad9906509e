/* http.h - a message head without its version: method, target, status, fields. Shared by HTTP/1.1
 * and HTTP/2. (pure)
 *
 * Owns nothing: a head's spans borrow from what it was read from, until that is overwritten. What a
 * byte may be part of (token, target, value, host) is one table in http.c; every parser and writer
 * of heads asks it through the _run and _is functions below. */
#ifndef HEDGEROW_NET_HTTP_H
#define HEDGEROW_NET_HTTP_H

#include "core/limits.h"
#include "core/span.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_PATCH,
    HTTP_OTHER, /* any other valid token, TRACE and CONNECT among them */
};

struct http_field {
    struct span name, value; /* value without surrounding blanks */
};

/* How the end of a message body is found (RFC 9112 6.3). */
enum http_body { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_UNTIL_CLOSE };

struct http_head {
    enum http_method method; /* requests */
    struct span method_name; /* requests: as sent */
    struct span target; /* requests: origin-form, e.g. "/v1/chat/completions?x=1"; "*" of OPTIONS;
                           host:port of CONNECT */
    struct span authority; /* requests: Host or :authority, may be empty for HTTP/1.0 */
    unsigned status;       /* responses: 100..599 */
    unsigned minor;        /* HTTP/1.minor; 1 for HTTP/2 */
    enum http_body body;
    uint64_t body_length; /* HTTP_BODY_LENGTH only */
    bool keep_alive;      /* may the connection be used again after this message? */
    bool expect_continue; /* Expect: 100-continue, and a body is to follow it */
    bool upgrade;         /* an Upgrade field is there (it is ignored) */
    unsigned field_count;
    struct http_field fields[HTTP_FIELDS_MAX];
};

/* The value of the first field of that name (any case), or {NULL,0}. */
struct span http_field(const struct http_head *, struct span name);
/* Does a comma-separated list value hold `token` (any case, parameters cut)? RFC 9110 5.6.1. For
 * lists of tokens (Connection, Accept, TE): a comma inside a quoted string cuts there too. */
bool http_list_has(struct span value, struct span token);
/* The path of a target: up to '?'. */
struct span http_path(struct span target);
/* The media type of a Content-Type value, lower case not needed: "application/json" matches
 * "Application/JSON; charset=utf-8". */
bool http_media_type_is(struct span value, struct span type);
/* Methods are case-sensitive (RFC 9110 9.1): "get" is HTTP_OTHER. */
enum http_method http_method_of(struct span name);
/* "POST" for HTTP_POST; {NULL,0} for HTTP_OTHER. Static. */
struct span http_method_name(enum http_method);
/* "OK" for 200 ...; "Unknown" for what is not registered. RFC 9110 15 and the usual extensions
 * (429, 499, 529). Static. */
const char *http_status_text(unsigned status);
/* Is it a token of RFC 9110 5.6.2? Empty is not. */
bool http_is_token(struct span);
/* Is it a legal field value: no CR, LF, NUL or other control but HTAB (RFC 9110 5.5)? Empty is. */
bool http_is_value(struct span);
/* Is it a request target that is safe to write: visible ASCII without '#', not empty? */
bool http_is_target(struct span);
/* Is it host [":" port] of RFC 9110 7.2, without user information: a name, an IPv4 address or
 * "[IPv6]", and a port up to 65535 or an empty one? Empty is not. */
bool http_is_host(struct span);
/* How many of the first bytes may be in a token, a field value, a target; a.n when all of them. */
size_t http_token_run(struct span);
size_t http_value_run(struct span);
size_t http_target_run(struct span);

#endif
