/* h1_write.c - writes request and response heads of HTTP/1.1, and chunk sizes.
 *
 * Owns: nothing; writes into the caller's memory.
 * Promises: what it wrote, h1_parse.c reads back as the same head, and no other parser can read as two.
 * Refuses: a name, value or target that would break out of its line. That is a CHECK and always on: it costs less than
 * copying the bytes, and whoever gets here with such a value has forgotten to validate it. */
#include "net/h1_parse.h"

#include <errno.h>

#include "core/base.h"

/* Appends until the memory is used up; `full` then stays set. */
struct out {
    char *p;
    size_t n, max;
    bool full;
};

static void put(struct out *out, struct span bytes) {
    if (out->full || bytes.n > out->max - out->n) {
        out->full = true;
        return;
    }
    if (bytes.n > 0)
        memcpy(out->p + out->n, bytes.p, bytes.n);
    out->n += bytes.n;
}

static void put_field(struct out *out, struct span name, struct span value) {
    CHECK(http_is_token(name) && http_is_value(value));
    put(out, name);
    put(out, SPAN(": "));
    put(out, value);
    put(out, SPAN("\r\n"));
}

#define DECIMAL_DIGITS_MAX 20 /* of UINT64_MAX */

static void put_length(struct out *out, uint64_t length) {
    char digits[DECIMAL_DIGITS_MAX];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + length % 10);
        length /= 10;
    } while (length > 0);
    put_field(out, SPAN("content-length"), span_of(digits + at, sizeof digits - at));
}

/* `host`: is the Host field written from the authority? */
static bool is_ours(struct span name, bool host) {
    return span_eq_nocase(name, SPAN("content-length")) ||
           span_eq_nocase(name, SPAN("transfer-encoding")) ||
           (host && span_eq_nocase(name, SPAN("host")));
}

static void put_fields(struct out *out, const struct http_head *head, bool host) {
    CHECK(head->field_count <= HTTP_FIELDS_MAX);
    for (unsigned i = 0; i < head->field_count; i++)
        if (!is_ours(head->fields[i].name, host))
            put_field(out, head->fields[i].name, head->fields[i].value);
}

static void put_framing(struct out *out, const struct http_head *head) {
    switch (head->body) {
    case HTTP_BODY_LENGTH: put_length(out, head->body_length); break;
    case HTTP_BODY_CHUNKED: put_field(out, SPAN("transfer-encoding"), SPAN("chunked")); break;
    case HTTP_BODY_NONE:
    case HTTP_BODY_UNTIL_CLOSE: break;
    }
}

static long finish(struct out *out, bool keep_alive) {
    if (!keep_alive)
        put_field(out, SPAN("connection"), SPAN("close"));
    put(out, SPAN("\r\n"));
    return out->full ? -ENOBUFS : (long)out->n;
}

long h1_write_request(const struct http_head *head, char *memory, size_t max) {
    struct span method = head->method_name.n ? head->method_name : http_method_name(head->method);
    CHECK(http_is_token(method) && http_is_target(head->target));
    CHECK(head->body != HTTP_BODY_UNTIL_CLOSE);
    struct out out = {.p = memory, .max = max};
    put(&out, method);
    put(&out, SPAN(" "));
    put(&out, head->target);
    put(&out, SPAN(" HTTP/1.1\r\n"));
    /* First, as RFC 9110 7.2 recommends. */
    bool host = head->authority.n > 0;
    if (host) {
        CHECK(http_is_host(head->authority));
        put_field(&out, SPAN("host"), head->authority);
    }
    put_fields(&out, head, host);
    put_framing(&out, head);
    return finish(&out, head->keep_alive);
}

long h1_write_response(const struct http_head *head, char *memory, size_t max) {
    CHECK(head->status >= 100 && head->status <= 999);
    CHECK(head->body != HTTP_BODY_UNTIL_CLOSE || !head->keep_alive);
    char digits[] = {(char)('0' + head->status / 100), (char)('0' + head->status / 10 % 10),
                     (char)('0' + head->status % 10)};
    struct out out = {.p = memory, .max = max};
    put(&out, SPAN("HTTP/1.1 "));
    put(&out, span_of(digits, sizeof digits));
    put(&out, SPAN(" "));
    put(&out, span_str(http_status_text(head->status)));
    put(&out, SPAN("\r\n"));
    put_fields(&out, head, false);
    /* RFC 9112 6.3: these end with their head, whatever the fields say; RFC 9110 8.6 forbids the fields. */
    bool bodiless = head->status < 200 || head->status == 204 || head->status == 304;
    if (!bodiless && head->body == HTTP_BODY_NONE)
        put_length(&out, 0);
    else if (!bodiless)
        put_framing(&out, head);
    return finish(&out, head->keep_alive);
}

unsigned h1_write_chunk_size(uint64_t n, char *out) {
    unsigned digits = n ? (64 - (unsigned)__builtin_clzll(n) + 3) / 4 : 1;
    for (unsigned i = digits; i > 0; i--, n >>= 4)
        out[i - 1] = "0123456789abcdef"[n & 15];
    memcpy(out + digits, "\r\n", 2);
    return digits + 2;
}
