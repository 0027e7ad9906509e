/* load_reply.c (pure) - one chat completion response as a client sees it; see load.h. Events are
 * cut by the SSE rules (WHATWG HTML, 9.2.6) for LF and CRLF, contents judged by the OpenAI chunk
 * schema. */
#include "bench/load.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { REPLY_BODY_MAX = 8 << 20, REPLY_JSON_POOL = 64 << 10 };

/* ---- contents ---- */

static bool says(yyjson_val *delta, const char *member) {
    return yyjson_get_len(yyjson_obj_get(delta, member)) > 0 &&
           yyjson_is_str(yyjson_obj_get(delta, member));
}

/* Content is what a reader could see: text, tool calls, reasoning. A role or an empty string is
 * not. */
static bool delta_says(yyjson_val *delta) {
    return says(delta, "content") || says(delta, "reasoning_content") || says(delta, "reasoning") ||
           says(delta, "refusal") || yyjson_arr_size(yyjson_obj_get(delta, "tool_calls")) > 0;
}

static void on_content(struct load_reply *r) {
    if (!r->content)
        r->first_ns = r->now_ns;
    else if (r->gaps)
        histogram_add(r->gaps, r->now_ns - r->last_ns);
    r->last_ns = r->now_ns;
    r->content = true;
}

/* One chunk of a stream, or the whole body (`part` is then "message"). */
static void take_completion(struct load_reply *r, const char *data, size_t len, const char *part) {
    static __thread char pool[REPLY_JSON_POOL];
    yyjson_alc alc;
    bool fits = len < REPLY_JSON_POOL / 16 && yyjson_alc_pool_init(&alc, pool, sizeof pool);
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)data, len, 0, fits ? &alc : NULL, NULL);
    yyjson_val *root = yyjson_doc_get_root(doc), *choice, *error = yyjson_obj_get(root, "error");
    size_t i, max;
    bool any = false;
    r->malformed |= !yyjson_is_obj(root);
    r->error |= error && !yyjson_is_null(error);
    yyjson_arr_foreach(yyjson_obj_get(root, "choices"), i, max, choice) {
        any |= delta_says(yyjson_obj_get(choice, part));
        r->finish |= yyjson_is_str(yyjson_obj_get(choice, "finish_reason"));
    }
    yyjson_doc_free(doc);
    if (any)
        on_content(r);
}

/* ---- events ---- */

static void take_event(struct load_reply *r) {
    static const char done[] = "[DONE]";
    size_t len = bytes_len(&r->event);
    if (len == sizeof done - 1 && !memcmp(bytes_at(&r->event), done, len))
        r->done = true;
    else if (len)
        take_completion(r, bytes_at(&r->event), len, "delta");
    bytes_clear(&r->event);
}

static void take_line(struct load_reply *r, const char *line, size_t len) {
    static const char data[] = "data:";
    if (len && line[len - 1] == '\r')
        len--;
    if (!len) {
        take_event(r);
        return;
    }
    if (len < sizeof data - 1 || memcmp(line, data, sizeof data - 1))
        return; /* comments and other fields */
    line += sizeof data - 1;
    len -= sizeof data - 1;
    if (len && *line == ' ') {
        line++;
        len--;
    }
    if (bytes_len(&r->event))
        bytes_str(&r->event, "\n");
    bytes_add(&r->event, line, len);
}

static void take_stream(struct load_reply *r, const char *at, size_t len) {
    while (len) {
        const char *newline = memchr(at, '\n', len);
        size_t part = newline ? (size_t)(newline - at) : len;
        if (!newline || bytes_len(&r->line))
            bytes_add(&r->line, at, part);
        if (!newline)
            return;
        if (bytes_len(&r->line))
            take_line(r, bytes_at(&r->line), bytes_len(&r->line));
        else
            take_line(r, at, part);
        bytes_clear(&r->line);
        at += part + 1;
        len -= part + 1;
    }
}

/* ---- HTTP ---- */

static struct load_reply *reply_of(llhttp_t *parser) { return parser->data; }

static int on_field(llhttp_t *parser, const char *at, size_t len) {
    bytes_add(&reply_of(parser)->field, at, len);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len) {
    bytes_add(&reply_of(parser)->value, at, len);
    return 0;
}

static int on_value_complete(llhttp_t *parser) {
    struct load_reply *r = reply_of(parser);
    const char *field = bytes_text(&r->field), *value = bytes_text(&r->value);
    if (!strcasecmp(field, "content-type"))
        r->stream = !strncasecmp(value, "text/event-stream", 17);
    else if (!strcasecmp(field, "x-hedgerow-hedge"))
        r->hedge = !strcmp(value, "won")    ? LOAD_HEDGE_WON
                   : !strcmp(value, "lost") ? LOAD_HEDGE_LOST
                                            : LOAD_HEDGE_NONE;
    else if (!strcasecmp(field, "x-hedgerow-attempts"))
        r->attempts = (unsigned)strtoul(value, NULL, 10);
    else if (!strcasecmp(field, "x-hedgerow-provider"))
        snprintf(r->provider, sizeof r->provider, "%s", value);
    bytes_clear(&r->field);
    bytes_clear(&r->value);
    return 0;
}

static int on_headers_complete(llhttp_t *parser) {
    struct load_reply *r = reply_of(parser);
    int status = llhttp_get_status_code(parser);
    /* 1xx answers come before the real one. */
    if (status >= 200)
        r->status = status;
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    struct load_reply *r = reply_of(parser);
    if (r->stream)
        take_stream(r, at, len);
    else if (bytes_len(&r->body) < REPLY_BODY_MAX)
        bytes_add(&r->body, at, len);
    return 0;
}

static int on_complete(llhttp_t *parser) {
    struct load_reply *r = reply_of(parser);
    if (!r->status)
        return 0;
    if (!r->stream && r->status / 100 == 2 && bytes_len(&r->body))
        take_completion(r, bytes_at(&r->body), bytes_len(&r->body), "message");
    r->keep_alive = llhttp_should_keep_alive(parser);
    r->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void load_reply_start(struct load_reply *r, struct histogram *gaps) {
    struct load_reply fresh = {.gaps = gaps,
                               .field = r->field,
                               .value = r->value,
                               .line = r->line,
                               .event = r->event,
                               .body = r->body};
    *r = fresh;
    bytes_clear(&r->field);
    bytes_clear(&r->value);
    bytes_clear(&r->line);
    bytes_clear(&r->event);
    bytes_clear(&r->body);
    llhttp_init(&r->parser, HTTP_RESPONSE, &settings);
    r->parser.data = r;
}

bool load_reply_feed(struct load_reply *r, const char *data, size_t len, uint64_t now_ns) {
    r->now_ns = now_ns;
    r->any |= len > 0;
    llhttp_errno_t result = llhttp_execute(&r->parser, data, len);
    if (result != HPE_OK && !r->complete)
        r->malformed = true;
    /* Bytes behind the response were never asked for: what would they answer? */
    if (r->complete && llhttp_get_error_pos(&r->parser) < data + len)
        r->keep_alive = false;
    return !r->complete && !r->malformed;
}

void load_reply_eof(struct load_reply *r) { llhttp_finish(&r->parser); }

enum load_error load_reply_verdict(const struct load_reply *r) {
    if (r->malformed)
        return LOAD_ERROR_malformed;
    if (!r->status)
        return LOAD_ERROR_closed;
    if (r->status / 100 != 2)
        return LOAD_ERROR_http;
    if (r->error)
        return LOAD_ERROR_error_event;
    if (!r->complete || (r->content && (!r->finish || (r->stream && !r->done))))
        return LOAD_ERROR_truncated;
    return r->content || r->finish ? LOAD_ERROR_NONE : LOAD_ERROR_empty;
}

void load_reply_free(struct load_reply *r) {
    bytes_free(&r->field);
    bytes_free(&r->value);
    bytes_free(&r->line);
    bytes_free(&r->event);
    bytes_free(&r->body);
}
