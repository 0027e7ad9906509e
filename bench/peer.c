/* peer.c - one connection of a simulated cloud: HTTP/1.1 (RFC 9112) read by llhttp, responses
 * written; see cloud.h.
 *
 * The functions that answer only append to the wire's output and set the state; peer_settle(), at
 * the end of every event, sends, closes and frees. So nothing is freed under a caller's feet.
 */
#include "bench/cloud.h"
#include "bench/fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PEER_PIPELINED_BYTES = 1 << 20 }; /* unread input while an answer runs; then reading stops */

const char *peer_state_name(enum peer_state state) {
    switch (state) {
    case PEER_ASLEEP: return "asleep";
    case PEER_SILENT: return "silent";
    case PEER_READING: return "reading";
    case PEER_ANSWERING: return "answering";
    case PEER_STALLED: return "stalled";
    case PEER_CLOSING: return "closing";
    case PEER_RESETTING: return "resetting";
    }
    return "?";
}

void peer_set_state(struct peer *p, enum peer_state state) {
    p->state = state;
    poller_unset(&p->cloud->poller, &p->alarm);
}

void peer_fault(struct peer *p, enum sim_fault fault) {
    p->play.fault = fault;
    if (fault != SIM_FAULT_NONE)
        p->cloud->stats.faults[fault]++;
}

/* ---- reading ---- */

static struct peer *peer_of(llhttp_t *parser) { return parser->data; }

static int refuse(struct peer *p, int status, const char *why) {
    p->request.refusal = why;
    p->request.refusal_status = status;
    return HPE_USER;
}

static int on_target(llhttp_t *parser, const char *at, size_t len) {
    struct peer *p = peer_of(parser);
    bytes_add(&p->request.target, at, len);
    return bytes_len(&p->request.target) > PEER_HEADER_BYTES ? refuse(p, 414, "URI too long") : 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len) {
    struct peer *p = peer_of(parser);
    for (size_t i = 0; i < len; i++) {
        char lower = at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] | 0x20) : at[i];
        bytes_add(&p->request.headers, &lower, 1);
    }
    return bytes_len(&p->request.headers) > PEER_HEADER_BYTES ? refuse(p, 431, "header too large")
                                                              : 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len) {
    struct peer *p = peer_of(parser);
    bytes_add(&p->request.headers, at, len);
    return bytes_len(&p->request.headers) > PEER_HEADER_BYTES ? refuse(p, 431, "header too large")
                                                              : 0;
}

/* Both halves of a field end with a NUL: see struct request. */
static int on_half_complete(llhttp_t *parser) {
    bytes_add(&peer_of(parser)->request.headers, "", 1);
    return 0;
}

static int on_headers_complete(llhttp_t *parser) {
    struct peer *p = peer_of(parser);
    const char *expect = peer_header(p, "expect");
    p->request.method = llhttp_method_name((llhttp_method_t)llhttp_get_method(parser));
    p->request.http10 = llhttp_get_http_major(parser) == 1 && llhttp_get_http_minor(parser) == 0;
    serving_head(p);
    if (expect && !p->request.http10 && !strcasecmp(expect, "100-continue"))
        bytes_str(&p->wire.out, "HTTP/1.1 100 Continue\r\n\r\n");
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    struct peer *p = peer_of(parser);
    if (p->request.counted) {
        p->request.counted_bytes += len;
        return 0;
    }
    bytes_add(&p->request.body, at, len);
    return bytes_len(&p->request.body) > PEER_BODY_BYTES ? refuse(p, 413, "body too large") : 0;
}

static int on_complete(llhttp_t *parser) {
    struct request *r = &peer_of(parser)->request;
    r->keep_alive = llhttp_should_keep_alive(parser);
    r->complete = true;
    return HPE_PAUSED; /* what follows belongs to the next request */
}

static const llhttp_settings_t parser_settings = {
    .on_url = on_target,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_field_complete = on_half_complete,
    .on_header_value_complete = on_half_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

const char *peer_header(const struct peer *p, const char *name) {
    return fields_find(&p->request.headers, name);
}

static void request_clear(struct request *r) {
    bytes_clear(&r->target);
    bytes_clear(&r->headers);
    bytes_clear(&r->body);
    r->complete = r->keep_alive = r->counted = false;
    r->counted_bytes = 0;
    r->refusal = NULL;
}

/* Feeds the parser; at the end of a request serves it. Returns false when nothing more can be done
 * now. */
static bool peer_parse(struct peer *p) {
    struct bytes *in = &p->wire.in;
    llhttp_errno_t result = llhttp_execute(&p->parser, bytes_at(in), bytes_len(in));
    if (result == HPE_OK) {
        bytes_consume(in, bytes_len(in));
        return false;
    }
    size_t used = (size_t)(llhttp_get_error_pos(&p->parser) - bytes_at(in));
    if (result == HPE_PAUSED_UPGRADE) {
        /* "Upgrade: h2c" is an offer that a server may ignore (RFC 9110, 7.8). */
        llhttp_resume_after_upgrade(&p->parser);
        bytes_consume(in, used);
        return true;
    }
    if (result == HPE_PAUSED && p->request.complete) {
        bytes_consume(in, used);
        llhttp_resume(&p->parser);
        serving_request(p);
        return true;
    }
    bool ours = p->request.refusal;
    p->request.keep_alive = false;
    serving_broken(p, ours ? p->request.refusal_status : 400,
                   ours ? p->request.refusal : llhttp_get_error_reason(&p->parser));
    return false;
}

static void peer_read(struct peer *p) {
    while (p->state == PEER_READING && bytes_len(&p->wire.in) && peer_parse(p))
        ;
    /* An answer in progress leaves the rest unread: back-pressure for those who pipeline. */
    wire_pause(&p->wire, p->state != PEER_READING && bytes_len(&p->wire.in) > PEER_PIPELINED_BYTES);
}

/* ---- writing ---- */

static const char *status_text(int status) {
    static const struct {
        int status;
        const char *text;
    } texts[] = {{200, "OK"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {415, "Unsupported Media Type"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {503, "Service Unavailable"},
                 {529, "Site Overloaded"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Unknown";
}

/* IMF-fixdate (RFC 9110, 5.6.7), made once a second. */
static const char *date_text(const struct cloud *c) {
    static __thread time_t made;
    static __thread char text[40];
    time_t now = (time_t)cloud_now_s(c);
    if (now != made) {
        struct tm tm;
        gmtime_r(&now, &tm);
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        made = now;
    }
    return text;
}

void peer_head(struct peer *p, int status, const char *type, long long length, const char *extra) {
    struct bytes *out = &p->wire.out;
    bool chunks = p->cloud->config->tune.replay.chunked && !p->request.http10;
    p->framed = length < 0 && chunks;
    p->close_after = !p->request.keep_alive || (length < 0 && !chunks);
    bytes_fmt(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, status_text(status),
              date_text(p->cloud));
    if (type)
        bytes_fmt(out, "Content-Type: %s\r\n", type);
    if (length >= 0)
        bytes_fmt(out, "Content-Length: %lld\r\n", length);
    else if (p->framed)
        bytes_str(out, "Transfer-Encoding: chunked\r\n");
    bytes_fmt(out, "Connection: %s\r\n%s\r\n", p->close_after ? "close" : "keep-alive", extra);
}

void peer_body(struct peer *p, const char *data, size_t len) {
    struct bytes *out = &p->wire.out;
    size_t most = p->wire.cut && p->framed ? p->wire.cut : len;
    if (!p->framed) {
        bytes_add(out, data, len);
        return;
    }
    /* With a cut the chunks are cut too: borders fall inside events, JSON and UTF-8. */
    for (size_t at = 0; at < len; at += most) {
        size_t piece = len - at < most ? len - at : most;
        bytes_fmt(out, "%zx\r\n", piece);
        bytes_add(out, data + at, piece);
        bytes_str(out, "\r\n");
    }
}

void peer_done(struct peer *p) {
    if (p->framed)
        bytes_str(&p->wire.out, "0\r\n\r\n");
    p->framed = false;
    p->answered++;
    peer_set_state(p, p->close_after ? PEER_CLOSING : PEER_READING);
    request_clear(&p->request);
}

void peer_json(struct peer *p, int status, const char *extra, const char *body, size_t len) {
    peer_head(p, status, "application/json", (long long)len, extra);
    peer_body(p, body, len);
    peer_done(p);
}

/* ---- the end ---- */

void peer_free(struct peer *p) {
    struct cloud *c = p->cloud;
    poller_unset(&c->poller, &p->alarm);
    if (p->state == PEER_RESETTING)
        wire_reset(&p->wire);
    else
        wire_close(&p->wire);
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
    c->stats.connections_open -= !p->control;
    bytes_free(&p->request.target);
    bytes_free(&p->request.headers);
    bytes_free(&p->request.body);
    play_free(&p->play);
    free(p);
}

static void note_close(struct peer *p, bool reset) {
    struct sim_stats *stats = &p->cloud->stats;
    struct sim_close *close = &stats->closes[stats->closes_count++ % SIM_CLOSES];
    bool cancelled = p->state == PEER_ANSWERING || p->state == PEER_STALLED;
    const char *id = p->request.complete ? peer_header(p, "x-request-id") : NULL;
    *close = (struct sim_close){poller_clock_ns(), peer_state_name(p->state), cancelled, reset, ""};
    snprintf(close->request_id, sizeof close->request_id, "%s", id ? id : "");
    stats->cancelled += cancelled;
}

/* The peer will not send any more. A client that only closed its sending half is treated as gone,
 * as nginx and the providers' front ends do it. */
static void peer_gone(struct peer *p) {
    struct wire *w = &p->wire;
    if (w->tls_failed || w->state == WIRE_GREETING)
        p->cloud->stats.tls_failed++;
    if (!p->control)
        note_close(p, w->error == ECONNRESET || w->error == EPIPE);
    peer_free(p);
}

/* Sends what the event produced, goes on with an answer that waited for room, and ends the
 * connection if it is to end. */
static void peer_settle(struct peer *p) {
    for (;;) {
        if (p->state == PEER_RESETTING) {
            peer_free(p);
            return;
        }
        unsigned sent = wire_flush(&p->wire);
        if (sent & WIRE_ON_FAIL) {
            peer_gone(p);
            return;
        }
        if (!(sent & WIRE_ON_SENT))
            return;
        if (p->state == PEER_CLOSING) {
            peer_free(p);
            return;
        }
        if (!p->play.blocked)
            return;
        play_step(p);
        peer_read(p);
    }
}

/* ---- events ---- */

static void peer_ready(struct watch *w, uint32_t events) {
    struct peer *p = (struct peer *)((char *)w - offsetof(struct peer, wire.watch));
    unsigned happened = wire_ready(&p->wire, events);
    if (happened & WIRE_ON_UP) {
        p->cloud->stats.tls_handshakes++;
        p->cloud->stats.tls_resumed += wire_resumed(&p->wire);
    }
    if (happened & (WIRE_ON_SHUT | WIRE_ON_FAIL)) {
        peer_gone(p);
        return;
    }
    if (happened & WIRE_ON_DATA)
        peer_read(p);
    peer_settle(p);
}

static void peer_rang(struct alarm *a) {
    struct peer *p = (struct peer *)((char *)a - offsetof(struct peer, alarm));
    if (p->state == PEER_ASLEEP)
        peer_set_state(p, PEER_READING);
    else
        play_step(p);
    peer_read(p);
    peer_settle(p);
}

/* The faults of connections are drawn before the first byte is read. */
static void peer_greet(struct peer *p) {
    struct cloud *c = p->cloud;
    struct dice dice;
    dice_init(&dice, c->seed ^ 0x636f6e6e, c->connections_seen++);
    const double *faults = c->config->tune.faults;
    bool silent = dice_chance(&dice, faults[SIM_FAULT_accept_silent]);
    bool slow = dice_chance(&dice, faults[SIM_FAULT_slow_handshake]);
    if (p->control || (!silent && !slow))
        return;
    wire_pause(&p->wire, true);
    peer_fault(p, silent ? SIM_FAULT_accept_silent : SIM_FAULT_slow_handshake);
    peer_set_state(p, silent ? PEER_SILENT : PEER_ASLEEP);
    if (!silent)
        poller_set(&c->poller, &p->alarm, poller_clock_ns() + c->config->tune.handshake_delay_ns);
}

void peer_open(struct cloud *c, int fd, bool control) {
    struct peer *p = bytes_alloc(1, sizeof *p);
    p->cloud = c;
    p->control = control;
    p->state = PEER_READING;
    p->next = c->peers;
    p->link = &c->peers;
    if (p->next)
        p->next->link = &p->next;
    c->peers = p;
    p->wire.watch.ready = peer_ready;
    p->alarm.rang = peer_rang;
    p->play.fault = SIM_FAULT_NONE;
    llhttp_init(&p->parser, HTTP_REQUEST, &parser_settings);
    p->parser.data = p;
    c->stats.connections_open += !control;
    c->stats.connections_total += !control;
    wire_accept(&p->wire, &c->poller, fd, control ? NULL : c->tls);
    peer_greet(p);
}
