/* h1_parse.c - reads request and response heads of HTTP/1.1.
 *
 *   request line  POST /v1/messages HTTP/1.1 CRLF        status line  HTTP/1.1 200 OK CRLF
 *   field lines   name: value CRLF                       0..HTTP_FIELDS_MAX times
 *   end           CRLF
 *
 * Two passes. head_end finds the empty line, resumes where it stopped, and refuses every control byte that is not a HTAB
 * or a CR with its LF; the second pass runs once, over a whole head, and may therefore take each CR for a line's end.
 * What a message means for the connection is decided last, from the few fields that were set aside in `struct facts`.
 *
 * Owns: nothing. Promises: the same answer however the input was cut. Refuses: see h1_parse.h. */
#include "net/h1_parse.h"

#include "core/base.h"

#define CRLF_SIZE     2
#define VERSION_SIZE  8 /* "HTTP/1.1" */
#define STATUS_DIGITS 3
/* Longer numbers are refused unread: 2^63-1 has 19 digits. */
#define LENGTH_DIGITS_MAX 19

/* The fields that decide about framing and the connection. */
enum known {
    KNOWN_HOST,
    KNOWN_LENGTH,
    KNOWN_CODING,
    KNOWN_CONNECTION,
    KNOWN_EXPECT,
    KNOWN_UPGRADE,
    KNOWN_COUNT
};

static const struct span known_names[KNOWN_COUNT] = {
    [KNOWN_HOST] = SPAN_CONST("host"),
    [KNOWN_LENGTH] = SPAN_CONST("content-length"),
    [KNOWN_CODING] = SPAN_CONST("transfer-encoding"),
    [KNOWN_CONNECTION] = SPAN_CONST("connection"),
    [KNOWN_EXPECT] = SPAN_CONST("expect"),
    [KNOWN_UPGRADE] = SPAN_CONST("upgrade"),
};

/* What was seen of them. */
struct facts {
    unsigned count[KNOWN_COUNT];
    struct span value[KNOWN_COUNT]; /* of the last one */
    bool close, keep_alive;         /* options of all Connection fields together */
    bool framing_tab;               /* a HTAB stands beside or in a framing field's value */
};

/* Finds the end of the head that begins at `begin`. Returns the bytes up to and with its empty line, 0 when it is not there
 * yet, -FAIL_BAD_HTTP, or -FAIL_HEAD_TOO_LARGE. All before
 * *scanned was searched: what is not a line's text there is a whole CRLF, so that a CR which was the last byte is looked at
 * again, with its LF. */
static long head_end(struct span in, size_t head_max, size_t begin, size_t *scanned) {
    size_t end = min_size(in.n, head_max);
    size_t at = *scanned > begin ? *scanned : begin;
    /* The input only grows until a head is whole. */
    CHECK(at <= end);
    for (;;) {
        at += http_value_run(span_of(in.p + at, end - at));
        if (at < end && in.p[at] != '\r')
            return -FAIL_BAD_HTTP;
        if (at + 1 >= end)
            break;
        if (in.p[at + 1] != '\n')
            return -FAIL_BAD_HTTP;
        /* The start line cannot be the empty one. */
        if (at == begin)
            return -FAIL_BAD_HTTP;
        if (in.p[at - 1] == '\n')
            return (long)(at + CRLF_SIZE);
        at += CRLF_SIZE;
    }
    *scanned = at;
    return end < head_max ? 0 : -FAIL_HEAD_TOO_LARGE;
}

/* Cuts the first line off *lines, without its CRLF. Every CR is a line's end here, see head_end. */
static struct span cut_line(struct span *lines) {
    const char *cr = memchr(lines->p, '\r', lines->n);
    CHECK(cr);
    struct span line = span_of(lines->p, (size_t)(cr - lines->p));
    *lines = span_from(*lines, line.n + CRLF_SIZE);
    return line;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static enum fail read_version(struct span version, unsigned *minor) {
    if (version.n != VERSION_SIZE || !span_starts(version, SPAN("HTTP/")) ||
        !is_digit(version.p[5]) || version.p[6] != '.' || !is_digit(version.p[7]))
        return FAIL_BAD_HTTP;
    if (version.p[5] != '1')
        return FAIL_VERSION;
    *minor = version.p[7] == '0' ? 0 : 1;
    return FAIL_NONE;
}

static enum fail read_request_line(struct span line, struct http_head *head) {
    head->method_name = span_of(line.p, http_token_run(line));
    size_t at = head->method_name.n;
    if (at == 0 || at == line.n || line.p[at] != ' ')
        return FAIL_BAD_HTTP;
    struct span rest = span_from(line, at + 1);
    head->target = span_of(rest.p, http_target_run(rest));
    at = head->target.n;
    if (at == 0 || at == rest.n || rest.p[at] != ' ')
        return FAIL_BAD_HTTP;
    head->method = http_method_of(head->method_name);
    return read_version(span_from(rest, at + 1), &head->minor);
}

static enum fail read_status_line(struct span line, struct http_head *head) {
    enum fail fail = read_version(span_of(line.p, min_size(line.n, VERSION_SIZE)), &head->minor);
    if (fail)
        return fail;
    struct span rest = span_from(line, VERSION_SIZE);
    if (rest.n < 1 + STATUS_DIGITS || rest.p[0] != ' ')
        return FAIL_BAD_HTTP;
    uint64_t status;
    if (!span_u64(span_of(rest.p + 1, STATUS_DIGITS), 599, &status) || status < 100)
        return FAIL_BAD_HTTP;
    if (rest.n > 1 + STATUS_DIGITS && rest.p[1 + STATUS_DIGITS] != ' ')
        return FAIL_BAD_HTTP;
    head->status = (unsigned)status;
    return FAIL_NONE;
}

/* A connection option is a bare token (RFC 9110 7.6.1): one with a parameter is another option. */
static bool has_option(struct span value, struct span option) {
    while (value.p)
        if (span_eq_nocase(span_trim(span_cut(&value, ',')), option))
            return true;
    return false;
}

/* `untrimmed`: the field's value with the blanks around it. */
static void note_field(struct facts *facts, const struct http_field *field, struct span untrimmed) {
    for (unsigned i = 0; i < KNOWN_COUNT; i++) {
        if (known_names[i].n != field->name.n || !span_eq_nocase(known_names[i], field->name))
            continue;
        facts->count[i]++;
        facts->value[i] = field->value;
        if (i == KNOWN_CONNECTION) {
            facts->close |= has_option(field->value, SPAN("close"));
            facts->keep_alive |= has_option(field->value, SPAN("keep-alive"));
        }
        if (i == KNOWN_LENGTH || i == KNOWN_CODING)
            facts->framing_tab |= span_find(untrimmed, '\t', 0) < untrimmed.n;
        return;
    }
}

/* `lines`: all field lines, each with its CRLF. */
static enum fail read_fields(struct span lines, struct http_head *head, struct facts *facts) {
    while (lines.n > 0) {
        if (head->field_count == HTTP_FIELDS_MAX)
            return FAIL_HEAD_TOO_LARGE;
        struct span line = cut_line(&lines);
        /* A folded line begins with a blank, which is no token; so does a blank before the colon end one. */
        size_t name_size = http_token_run(line);
        if (name_size == 0 || name_size == line.n || line.p[name_size] != ':')
            return FAIL_BAD_HTTP;
        struct http_field *field = &head->fields[head->field_count++];
        field->name = span_of(line.p, name_size);
        struct span untrimmed = span_from(line, name_size + 1);
        field->value = span_trim(untrimmed);
        note_field(facts, field, untrimmed);
    }
    return FAIL_NONE;
}

/* RFC 9112 3.2: the Host field, and the four forms of a target. An absolute target becomes its path. */
static enum fail read_authority(const struct facts *facts, struct http_head *head) {
    if (facts->count[KNOWN_HOST] > 1 || (facts->count[KNOWN_HOST] == 0 && head->minor > 0))
        return FAIL_BAD_HTTP;
    struct span host = facts->count[KNOWN_HOST] ? facts->value[KNOWN_HOST] : span_of(NULL, 0);
    if (!http_is_host(host) && (host.n > 0 || head->minor > 0))
        return FAIL_BAD_HTTP;
    head->authority = host;

    struct span target = head->target;
    if (span_eq(head->method_name, SPAN("CONNECT"))) {
        if (!http_is_host(target) || !span_eq_nocase(target, host))
            return FAIL_BAD_HTTP;
        return FAIL_NONE;
    }
    if (target.p[0] == '/')
        return FAIL_NONE;
    if (span_eq(target, SPAN("*")))
        return head->method == HTTP_OPTIONS ? FAIL_NONE : FAIL_BAD_HTTP;

    size_t scheme = span_find(target, ':', 0);
    struct span name = span_of(target.p, scheme), rest = span_from(target, scheme);
    if (!span_eq_nocase(name, SPAN("http")) && !span_eq_nocase(name, SPAN("https")))
        return FAIL_BAD_HTTP;
    if (!span_starts(rest, SPAN("://")))
        return FAIL_BAD_HTTP;
    rest = span_from(rest, strlen("://"));
    size_t path = span_find(rest, '/', 0);
    struct span authority = span_of(rest.p, path);
    if (!http_is_host(authority) || (facts->count[KNOWN_HOST] && !span_eq_nocase(authority, host)))
        return FAIL_BAD_HTTP;
    head->authority = authority;
    /* "http://host" asks for "/": the slash before the host will do, it is one byte of the input. */
    head->target = path < rest.n ? span_from(rest, path) : span_of(rest.p - 1, 1);
    return FAIL_NONE;
}

/* RFC 9112 6.1 to 6.3 without the leniencies: at most one of the two fields, and each only in its plainest form; a HTAB is
 * legal around a value, but other parsers (llhttp) do not take it for a blank there. Without either field, head->body stays
 * HTTP_BODY_NONE. */
static enum fail read_framing(const struct facts *facts, struct http_head *head) {
    if (facts->count[KNOWN_CODING] + facts->count[KNOWN_LENGTH] > 1 || facts->framing_tab)
        return FAIL_BAD_HTTP;
    if (facts->count[KNOWN_CODING]) {
        if (head->minor == 0 || !span_eq_nocase(facts->value[KNOWN_CODING], SPAN("chunked")))
            return FAIL_BAD_HTTP;
        head->body = HTTP_BODY_CHUNKED;
    } else if (facts->count[KNOWN_LENGTH]) {
        struct span value = facts->value[KNOWN_LENGTH];
        if (value.n > LENGTH_DIGITS_MAX || !span_u64(value, INT64_MAX, &head->body_length))
            return FAIL_BAD_HTTP;
        head->body = HTTP_BODY_LENGTH;
    }
    return FAIL_NONE;
}

/* RFC 9112 9.3; `close` wins over `keep-alive`. */
static bool may_keep_alive(const struct facts *facts, const struct http_head *head) {
    return !facts->close && (head->minor > 0 || facts->keep_alive);
}

static enum fail finish_request(const struct facts *facts, struct http_head *head) {
    enum fail fail = read_authority(facts, head);
    if (!fail)
        fail = read_framing(facts, head);
    if (fail)
        return fail;
    head->keep_alive = may_keep_alive(facts, head);
    head->upgrade = facts->count[KNOWN_UPGRADE] > 0;
    bool has_body = head->body == HTTP_BODY_CHUNKED || head->body_length > 0;
    if (span_eq(head->method_name, SPAN("CONNECT"))) {
        if (has_body)
            return FAIL_BAD_HTTP;
        /* What follows was meant for the tunnel that we do not open: it must not be read as a request. */
        head->keep_alive = false;
    }
    if (facts->count[KNOWN_EXPECT]) {
        if (facts->count[KNOWN_EXPECT] > 1 ||
            !span_eq_nocase(facts->value[KNOWN_EXPECT], SPAN("100-continue")))
            return FAIL_EXPECTATION;
        /* RFC 9110 10.1.1: in HTTP/1.0 it is ignored. */
        head->expect_continue = head->minor > 0 && has_body;
    }
    return FAIL_NONE;
}

static enum fail finish_response(const struct facts *facts, bool to_head, struct http_head *head) {
    enum fail fail = read_framing(facts, head);
    if (fail)
        return fail;
    head->keep_alive = may_keep_alive(facts, head);
    head->upgrade = facts->count[KNOWN_UPGRADE] > 0;
    bool informs = head->status < 200;
    if (head->status == 101)
        return FAIL_PROTOCOL;
    if ((informs || head->status == 204) &&
        (head->body == HTTP_BODY_CHUNKED || head->body_length > 0))
        return FAIL_PROTOCOL;
    if (informs || head->status == 204 || head->status == 304 || to_head) {
        head->body = HTTP_BODY_NONE;
        head->body_length = 0;
    } else if (head->body == HTTP_BODY_NONE) {
        head->body = HTTP_BODY_UNTIL_CLOSE;
        head->keep_alive = false;
    }
    return FAIL_NONE;
}

/* Everything but the fields: those are 3 KiB, and field_count says how many of them mean something. */
static void head_clear(struct http_head *head) {
    memset(head, 0, offsetof(struct http_head, fields));
}

long h1_parse_request(struct span in, size_t head_max, size_t *scanned, struct http_head *head) {
    if (in.n == 0)
        return 0;
    /* Old clients send an empty line behind a body (RFC 9112 2.2). */
    size_t begin = span_starts(in, SPAN("\r\n")) ? CRLF_SIZE : 0;
    if (begin > head_max)
        return -FAIL_HEAD_TOO_LARGE;
    long size = head_end(in, head_max, begin, scanned);
    if (size == -FAIL_HEAD_TOO_LARGE && span_find(span_of(in.p, head_max), '\n', begin) == head_max)
        return -FAIL_URI_TOO_LONG;
    if (size <= 0)
        return size;
    head_clear(head);
    struct facts facts = {0};
    struct span lines = span_of(in.p + begin, (size_t)size - begin - CRLF_SIZE);
    enum fail fail = read_request_line(cut_line(&lines), head);
    if (!fail)
        fail = read_fields(lines, head, &facts);
    if (!fail)
        fail = finish_request(&facts, head);
    if (fail)
        return -(long)fail;
    *scanned = 0;
    return size;
}

/* The reasons of the shared parts are named from the client's side; towards a server there are two. */
static long response_fail(enum fail fail) {
    return fail == FAIL_HEAD_TOO_LARGE ? -FAIL_TOO_LARGE : -FAIL_PROTOCOL;
}

long h1_parse_response(struct span in, size_t head_max, size_t *scanned, bool to_head,
                       struct http_head *head) {
    if (in.n == 0)
        return 0;
    long size = head_end(in, head_max, 0, scanned);
    if (size < 0)
        return response_fail((enum fail) - size);
    if (size == 0)
        return 0;
    head_clear(head);
    struct facts facts = {0};
    struct span lines = span_of(in.p, (size_t)size - CRLF_SIZE);
    enum fail fail = read_status_line(cut_line(&lines), head);
    if (!fail)
        fail = read_fields(lines, head, &facts);
    if (!fail)
        fail = finish_response(&facts, to_head, head);
    if (fail)
        return response_fail(fail);
    *scanned = 0;
    return size;
}
