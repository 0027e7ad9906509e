/* http.c - what the parts of a message head may consist of, and the small questions asked of a head.
 *
 * Owns: the table of byte classes, the names of methods and statuses.
 * Promises: no state, no allocation; every function takes any bytes.
 * Refuses: to know how a head is framed; that is h1_parse.c and h2.c. */
#include "net/http.h"

#include <assert.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/base.h"

/* What a byte may be part of. Bits, because most bytes may be part of several. */
enum byte_class {
    IN_TOKEN = 1,  /* tchar, RFC 9110 5.6.2 */
    IN_TARGET = 2, /* visible ASCII but '#': a fragment never goes over the wire (RFC 9112 3.2) */
    IN_HOST = 4,   /* reg-name of RFC 3986 3.2.2; brackets are looked at apart */
    IN_VALUE = 8,  /* field-vchar, SP, HTAB and obs-text of RFC 9110 5.5 */
};

#define VIS (IN_VALUE | IN_TARGET)
#define ALL (VIS | IN_TOKEN | IN_HOST)

static const unsigned char classes[256] = {
    ['\t'] = IN_VALUE,
    [' '] = IN_VALUE,
    [0x80 ... 0xff] = IN_VALUE,
    ['0' ... '9'] = ALL,
    ['A' ... 'Z'] = ALL,
    ['a' ... 'z'] = ALL,
    ['!'] = ALL,
    ['"'] = VIS,
    ['#'] = IN_VALUE | IN_TOKEN,
    ['$'] = ALL,
    ['%'] = ALL,
    ['&'] = ALL,
    ['\''] = ALL,
    ['('] = VIS | IN_HOST,
    [')'] = VIS | IN_HOST,
    ['*'] = ALL,
    ['+'] = ALL,
    [','] = VIS | IN_HOST,
    ['-'] = ALL,
    ['.'] = ALL,
    ['/'] = VIS,
    [':'] = VIS,
    [';'] = VIS | IN_HOST,
    ['<'] = VIS,
    ['='] = VIS | IN_HOST,
    ['>'] = VIS,
    ['?'] = VIS,
    ['@'] = VIS,
    ['['] = VIS,
    ['\\'] = VIS,
    [']'] = VIS,
    ['^'] = VIS | IN_TOKEN,
    ['_'] = ALL,
    ['`'] = VIS | IN_TOKEN,
    ['{'] = VIS,
    ['|'] = VIS | IN_TOKEN,
    ['}'] = VIS,
    ['~'] = ALL,
};

static size_t run_of(struct span a, size_t at, enum byte_class class) {
    while (at < a.n && (classes[(unsigned char)a.p[at]] & class))
        at++;
    return at;
}

size_t http_token_run(struct span a) { return run_of(a, 0, IN_TOKEN); }

size_t http_target_run(struct span a) { return run_of(a, 0, IN_TARGET); }

/* Values are the bulk of a head, so that this one goes sixteen bytes at a time: a byte ends the run when it is
 * below 0x20 and no HTAB, or 0x7f. */
size_t http_value_run(struct span a) {
    size_t at = 0;
#ifdef __SSE2__
    const __m128i last_control = _mm_set1_epi8(0x1f);
    const __m128i tab = _mm_set1_epi8('\t');
    const __m128i del = _mm_set1_epi8(0x7f);
    for (; at + sizeof(__m128i) <= a.n; at += sizeof(__m128i)) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(a.p + at));
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
        __m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), control),
                                   _mm_cmpeq_epi8(bytes, del));
        unsigned mask = (unsigned)_mm_movemask_epi8(bad);
        if (mask)
            return at + (unsigned)__builtin_ctz(mask);
    }
#endif
    return run_of(a, at, IN_VALUE);
}

bool http_is_token(struct span a) { return a.n > 0 && http_token_run(a) == a.n; }

bool http_is_value(struct span a) { return http_value_run(a) == a.n; }

bool http_is_target(struct span a) { return a.n > 0 && http_target_run(a) == a.n; }

/* Length of "[" address "]" at the start of `a`, 0 when it is not one. The address is not judged beyond its alphabet:
 * whoever dials it parses it; here it must only be unable to pass for anything else. */
static size_t bracket_run(struct span a) {
    size_t at = 1;
    while (at < a.n && a.p[at] && strchr("0123456789abcdefABCDEF:.", a.p[at]))
        at++;
    return at > 1 && at < a.n && a.p[at] == ']' ? at + 1 : 0;
}

bool http_is_host(struct span a) {
    size_t host = a.n && a.p[0] == '[' ? bracket_run(a) : run_of(a, 0, IN_HOST);
    if (host == 0)
        return false;
    if (host == a.n)
        return true;
    if (a.p[host] != ':')
        return false;
    struct span port = span_from(a, host + 1);
    uint64_t number;
    return port.n == 0 || span_u64(port, UINT16_MAX, &number);
}

struct span http_field(const struct http_head *head, struct span name) {
    for (unsigned i = 0; i < head->field_count; i++)
        if (head->fields[i].name.n == name.n && span_eq_nocase(head->fields[i].name, name))
            return head->fields[i].value;
    return span_of(NULL, 0);
}

bool http_list_has(struct span value, struct span token) {
    while (value.p) {
        struct span element = span_cut(&value, ',');
        struct span word = span_trim(span_cut(&element, ';'));
        if (span_eq_nocase(word, token))
            return true;
    }
    return false;
}

struct span http_path(struct span target) {
    return span_of(target.p, span_find(target, '?', 0));
}

bool http_media_type_is(struct span value, struct span type) {
    return span_eq_nocase(span_trim(span_cut(&value, ';')), type);
}

static const struct span methods[] = {
    [HTTP_GET] = SPAN_CONST("GET"),       [HTTP_HEAD] = SPAN_CONST("HEAD"),
    [HTTP_POST] = SPAN_CONST("POST"),     [HTTP_PUT] = SPAN_CONST("PUT"),
    [HTTP_DELETE] = SPAN_CONST("DELETE"), [HTTP_OPTIONS] = SPAN_CONST("OPTIONS"),
    [HTTP_PATCH] = SPAN_CONST("PATCH"),
};
static_assert(countof(methods) == HTTP_OTHER, "every named method has a row");

enum http_method http_method_of(struct span name) {
    for (unsigned i = 0; i < countof(methods); i++)
        if (span_eq(name, methods[i]))
            return (enum http_method)i;
    return HTTP_OTHER;
}

struct span http_method_name(enum http_method method) {
    return (unsigned)method < countof(methods) ? methods[method] : span_of(NULL, 0);
}

/* The IANA registry, and below it what nginx, Cloudflare and Anthropic send unregistered. */
static const char *const status_texts[] = {
    [100] = "Continue",
    [101] = "Switching Protocols",
    [102] = "Processing",
    [103] = "Early Hints",
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [207] = "Multi-Status",
    [208] = "Already Reported",
    [226] = "IM Used",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [305] = "Use Proxy",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [423] = "Locked",
    [424] = "Failed Dependency",
    [425] = "Too Early",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [451] = "Unavailable For Legal Reasons",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [506] = "Variant Also Negotiates",
    [507] = "Insufficient Storage",
    [508] = "Loop Detected",
    [510] = "Not Extended",
    [511] = "Network Authentication Required",
    [499] = "Client Closed Request",
    [520] = "Unknown Error",
    [521] = "Web Server Is Down",
    [522] = "Connection Timed Out",
    [523] = "Origin Is Unreachable",
    [524] = "A Timeout Occurred",
    [529] = "Overloaded",
};

const char *http_status_text(unsigned status) {
    const char *text = status < countof(status_texts) ? status_texts[status] : NULL;
    return text ? text : "Unknown";
}
