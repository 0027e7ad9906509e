/* h1_chunked.c - reads a chunked body (RFC 9112 7.1) as it comes.
 *
 *   c8 ;name=value CRLF  <200 bytes> CRLF   0 CRLF   trailer : value CRLF   CRLF
 *   SIZE EXT EXT_* SIZE_LF   DATA  DATA_CR DATA_LF   SIZE...   LINE NAME VALUE VALUE_LF   LAST_LF END
 *
 * Framing is read byte by byte and never kept; data is handed out as it lies. The machine is stricter than the grammar in
 * one place: the blanks that it allows around extensions (BWS) are refused, nobody sends them but attackers.
 *
 * Owns: nothing. Promises: the same bytes and the same end however the input is cut. */
#include "net/h1_parse.h"

#include "core/base.h"

enum state {
    CHUNK_SIZE,        /* at a chunk's first byte, or among the digits of its size */
    CHUNK_EXT,         /* behind ';': a token must begin */
    CHUNK_EXT_NAME,    /* in that token */
    CHUNK_EXT_VALUE,   /* behind '=': a token or a quoted string must begin */
    CHUNK_EXT_TOKEN,   /* in a value that is a token */
    CHUNK_EXT_QUOTED,  /* in a quoted string */
    CHUNK_EXT_ESCAPED, /* behind a backslash in it */
    CHUNK_EXT_END,     /* behind its closing quote */
    CHUNK_SIZE_LF,     /* behind the CR of the size line */
    CHUNK_DATA,        /* `left` > 0 bytes of data are to come */
    CHUNK_DATA_CR,     /* behind the data */
    CHUNK_DATA_LF,     /* behind the CR behind the data */
    CHUNK_LINE,  /* the last chunk was read; at the first byte of a trailer or of the empty line */
    CHUNK_NAME,  /* in a trailer's name */
    CHUNK_VALUE, /* behind its colon */
    CHUNK_VALUE_LF, /* behind the CR of a trailer */
    CHUNK_LAST_LF,  /* behind the CR of the empty line */
    CHUNK_END,      /* the body is whole; nothing more is read */
    CHUNK_BROKEN,   /* it was no chunked body; nothing more is read */
};

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool in_token(char c) { return http_token_run(span_of(&c, 1)) == 1; }

static bool in_value(char c) { return http_value_run(span_of(&c, 1)) == 1; }

/* Behind a size or a whole extension: another extension, or the line's end. */
static enum state size_line_goes_on(char c) {
    return c == ';' ? CHUNK_EXT : c == '\r' ? CHUNK_SIZE_LF : CHUNK_BROKEN;
}

static enum state read_size(struct h1_chunked *chunked, char c) {
    int digit = hex_digit(c);
    bool first = chunked->line == 1;
    if (digit < 0)
        return first ? CHUNK_BROKEN : size_line_goes_on(c);
    if (chunked->left > UINT64_MAX >> 4)
        return CHUNK_BROKEN;
    chunked->left = chunked->left << 4 | (unsigned)digit;
    return CHUNK_SIZE;
}

/* The line count begins anew: for the trailers, which share one, or for the next size line. */
static enum state end_size_line(struct h1_chunked *chunked, char c) {
    if (c != '\n')
        return CHUNK_BROKEN;
    chunked->line = 0;
    return chunked->left > 0 ? CHUNK_DATA : CHUNK_LINE;
}

/* The CR and LF behind the data were counted too, and belong to no line. */
static enum state end_data(struct h1_chunked *chunked, char c) {
    chunked->line = 0;
    return c == '\n' ? CHUNK_SIZE : CHUNK_BROKEN;
}

/* The state behind one byte of framing. */
static enum state read_byte(struct h1_chunked *chunked, char c) {
    switch ((enum state)chunked->state) {
    case CHUNK_SIZE: return read_size(chunked, c);
    case CHUNK_EXT: return in_token(c) ? CHUNK_EXT_NAME : CHUNK_BROKEN;
    case CHUNK_EXT_NAME:
        return in_token(c) ? CHUNK_EXT_NAME : c == '=' ? CHUNK_EXT_VALUE : size_line_goes_on(c);
    case CHUNK_EXT_VALUE:
        return in_token(c) ? CHUNK_EXT_TOKEN : c == '"' ? CHUNK_EXT_QUOTED : CHUNK_BROKEN;
    case CHUNK_EXT_TOKEN: return in_token(c) ? CHUNK_EXT_TOKEN : size_line_goes_on(c);
    case CHUNK_EXT_QUOTED:
        if (c == '"' || c == '\\')
            return c == '"' ? CHUNK_EXT_END : CHUNK_EXT_ESCAPED;
        return in_value(c) ? CHUNK_EXT_QUOTED : CHUNK_BROKEN;
    case CHUNK_EXT_ESCAPED: return in_value(c) ? CHUNK_EXT_QUOTED : CHUNK_BROKEN;
    case CHUNK_EXT_END: return size_line_goes_on(c);
    case CHUNK_SIZE_LF: return end_size_line(chunked, c);
    case CHUNK_DATA_CR: return c == '\r' ? CHUNK_DATA_LF : CHUNK_BROKEN;
    case CHUNK_DATA_LF: return end_data(chunked, c);
    case CHUNK_LINE: return in_token(c) ? CHUNK_NAME : c == '\r' ? CHUNK_LAST_LF : CHUNK_BROKEN;
    case CHUNK_NAME: return in_token(c) ? CHUNK_NAME : c == ':' ? CHUNK_VALUE : CHUNK_BROKEN;
    case CHUNK_VALUE: return in_value(c) ? CHUNK_VALUE : c == '\r' ? CHUNK_VALUE_LF : CHUNK_BROKEN;
    case CHUNK_VALUE_LF: return c == '\n' ? CHUNK_LINE : CHUNK_BROKEN;
    case CHUNK_LAST_LF: return c == '\n' ? CHUNK_END : CHUNK_BROKEN;
    case CHUNK_DATA:
    case CHUNK_END:
    case CHUNK_BROKEN: break;
    }
    CHECK(!"a state without framing");
    return CHUNK_BROKEN;
}

/* Up to the last chunk the count is of one size line, behind it of all trailers together. */
static unsigned line_max(enum state state) {
    return state >= CHUNK_LINE ? HTTP_TRAILER_MAX : HTTP_CHUNK_LINE_MAX;
}

long h1_chunked_next(struct h1_chunked *chunked, struct span in, struct span *data, bool *done) {
    CHECK(chunked->state <= CHUNK_BROKEN);
    *data = span_of(NULL, 0);
    *done = chunked->state == CHUNK_END;
    if (*done)
        return 0;
    size_t at = 0;
    while (at < in.n && chunked->state != CHUNK_BROKEN) {
        if (chunked->state == CHUNK_DATA) {
            CHECK(chunked->left > 0);
            *data = span_of(in.p + at, (size_t)min_u64(chunked->left, in.n - at));
            chunked->left -= data->n;
            if (chunked->left == 0)
                chunked->state = CHUNK_DATA_CR;
            return (long)(at + data->n);
        }
        chunked->line++;
        chunked->state =
            chunked->line > line_max(chunked->state) ? CHUNK_BROKEN : read_byte(chunked, in.p[at]);
        at++;
        if (chunked->state == CHUNK_END) {
            *done = true;
            return (long)at;
        }
    }
    return chunked->state == CHUNK_BROKEN ? -FAIL_BAD_HTTP : (long)at;
}
