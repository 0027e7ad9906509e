/* h1_parse.h - HTTP/1.1 heads and chunked bodies (RFC 9112), zero copy: outputs are spans into the input. (pure)
 *
 * Strict where it matters for safety: everything that RFC 9112 calls a smuggling risk is refused. Refused are:
 *  - both Transfer-Encoding and Content-Length; a Transfer-Encoding other than exactly "chunked" (any case), several of
 *    them, or one in HTTP/1.0; several or malformed Content-Length (equal repeats too), or one past 2^63-1;
 *    a HTAB beside the value of either
 *  - blanks before the colon, line folding, bare LF or CR as a line end, a NUL or other control in a line
 *  - missing, empty or repeated Host in HTTP/1.1 (repeated in HTTP/1.0 too), or one that is no host
 *  - an absolute- or authority-form target with another host than Host, an absolute one that is not http(s), has user
 *    information, or a query but no path; "*" with another method than OPTIONS; CONNECT with a body
 *  - a target with control or non-ASCII bytes or '#'; methods and field names that are not tokens
 *  - responses: 101 (nobody asked for it), 1xx and 204 with Transfer-Encoding or a Content-Length other than 0
 *    (RFC 9110 15.2, 8.6)
 * One empty line (CRLF) before a request line is read over (RFC 9112 2.2). HTTP/1.2 to 1.9 are read as 1.1
 * (RFC 9110 2.5). A status line may lack its reason with or without the blank before it: servers do both. */
#ifndef HEDGEROW_NET_H1_PARSE_H
#define HEDGEROW_NET_H1_PARSE_H

#include "core/fail.h"
#include "net/http.h"

/* Parse one whole head at the start of `in`.
 * Returns the bytes it takes (> 0), 0 when more is needed, or -enum fail: BAD_HTTP, HEAD_TOO_LARGE (also for > HTTP_FIELDS_MAX
 * fields), URI_TOO_LONG (the request line alone is longer than head_max), VERSION, EXPECTATION for requests; PROTOCOL, TOO_LARGE
 * for responses. `head_max` bounds the head's bytes, its empty line and one before it included.
 * `scanned` is where the search for the end of the head goes on: 0 for a new head; keep it between calls with the same, longer,
 * input, so that a head which comes byte by byte costs no more than one that comes whole. It is 0 again after success.
 * A control byte out of place is refused as soon as it is seen, all else when the head is whole.
 * *head means something only after success; its spans point into `in`. */
long h1_parse_request(struct span in, size_t head_max, size_t *scanned, struct http_head *head);
/* `to_head`: the request was HEAD, so that the response has no body. 1xx are returned as heads with HTTP_BODY_NONE (101 is
 * -PROTOCOL). With HTTP_BODY_UNTIL_CLOSE keep_alive is false. */
long h1_parse_response(struct span in, size_t head_max, size_t *scanned, bool to_head,
                       struct http_head *head);

/* Chunked body reader (RFC 9112 7.1). Zero it to begin. */
struct h1_chunked {
    uint64_t
        left; /* chunk size read so far; then bytes of the current chunk's data still to come */
    unsigned state; /* h1_chunked.c's own */
    unsigned line;  /* bytes of the current size line, or of all trailers, seen */
};
/* Reads from the start of `in`: consumes some bytes (returned, > 0) and, if *data is not empty, hands out a span of body bytes among
 * them. 0: more is needed, which happens only when `in` is empty: the caller has nothing to keep. -enum fail (BAD_HTTP): not a
 * chunked body, now and on every later call. *done: the last chunk and its trailers were consumed. Call again with what was not
 * consumed until it returns 0 or *done. Trailers are checked and dropped, chunk extensions too; both are bounded
 * (HTTP_TRAILER_MAX, HTTP_CHUNK_LINE_MAX). */
long h1_chunked_next(struct h1_chunked *, struct span in, struct span *data, bool *done);

/* Write the head of a message in HTTP/1.1 form to out[max]: start line, on requests "host" from head->authority when there is one,
 * the given fields as they are, the framing field for head->body (content-length or transfer-encoding; none for BODY_NONE on responses
 * 1xx/204/304 and requests, "content-length: 0" for BODY_NONE on other responses, none for BODY_UNTIL_CLOSE), "connection: close"
 * when !head->keep_alive, and the empty line. Given fields called content-length or transfer-encoding, and on requests host when
 * there is an authority, are left out: two that differ are how requests are smuggled. The method's name is head->method_name, or
 * that of head->method when it is empty.
 * Returns the length, or -ENOBUFS. Names, values, target and authority are CHECKed: callers pass only what was validated. */
long h1_write_request(const struct http_head *head, char *out, size_t max);
long h1_write_response(const struct http_head *head, char *out, size_t max);
/* Room that h1_write_chunk_size needs: 16 hex digits and CRLF. */
#define H1_CHUNK_SIZE_MAX 18
/* "1f4\r\n" into out[18]; returns its length. */
unsigned h1_write_chunk_size(uint64_t n, char *out);

#endif
