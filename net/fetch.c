/* fetch.c - one HTTP/1.1 request with its whole answer. See fetch.h.
 *
 * A pool of one connection, without spares, does the work: it knows how to dial, to secure and to
 * take down. Whatever ends the request is recorded once (settle); the pool is stopped from a timer,
 * never from inside one of its own calls, and looked at until it is home. */
#include "net/fetch.h"

#include <string.h>

/* How often a pool that is being stopped is looked at: it has no call for its end. */
#define HOME_NS (1 * NS_PER_MS)

static void set_state(struct fetch *fetch, enum fetch_state state) {
    static const unsigned from[] = {[FETCH_NONE] = 1u << FETCH_ENDING,
                                    [FETCH_OPENING] = 1u << FETCH_NONE,
                                    [FETCH_ASKING] = 1u << FETCH_OPENING,
                                    [FETCH_ENDING] = 1u << FETCH_OPENING | 1u << FETCH_ASKING};
    CHECK(from[state] >> fetch->state & 1);
    fetch->state = state;
}

/* The outcome. The first one stays. */
static void settle(struct fetch *fetch, enum fail why) {
    if (fetch->state == FETCH_ENDING)
        return;
    fetch->answer.why = why;
    set_state(fetch, FETCH_ENDING);
    pool_cancel(&fetch->origin, &fetch->ask); /* or a connection could still come for it */
    loop_disarm(fetch->loop, &fetch->limit);
    loop_arm(fetch->loop, &fetch->home, 0);
}

static void home_fired(struct timer *timer) {
    struct fetch *fetch = container_of(timer, struct fetch, home);
    pool_stop(&fetch->origin);
    if (!pool_done(&fetch->origin)) {
        loop_arm(fetch->loop, &fetch->home, HOME_NS);
        return;
    }
    CHECK(!fetch->stream);
    pool_fini(&fetch->origin);
    set_state(fetch, FETCH_NONE);
    struct fetch_answer answer = fetch->answer;
    fetch->done(fetch, &answer); /* may free it, or start it again */
}

static void limit_fired(struct timer *timer) {
    struct fetch *fetch = container_of(timer, struct fetch, limit);
    enum fail why = FAIL_TOTAL;
    if (fetch->state == FETCH_OPENING)
        why = FAIL_CONNECT_TIMEOUT;
    else if (fetch->answer.status == 0)
        why = FAIL_HEAD_TIMEOUT;
    settle(fetch, why);
}

/* --- the answer --- */

static void on_head(struct stream *stream, const struct http_head *head) {
    struct fetch *fetch = stream->user;
    if (fetch->state == FETCH_ENDING)
        return;
    fetch->answer.status = head->status;
    if (fetch->request.wanted.n == 0)
        return;
    struct span value = http_field(head, fetch->request.wanted);
    if (value.n == 0 || value.n > sizeof fetch->field)
        return;
    memcpy(fetch->field, value.p, value.n);
    fetch->answer.field = span_of(fetch->field, value.n);
}

static void on_body(struct stream *stream, struct span bytes) {
    struct fetch *fetch = stream->user;
    struct span *body = &fetch->answer.body;
    if (fetch->state == FETCH_ENDING)
        return;
    if (bytes.n > fetch->request.memory_bytes - body->n) {
        settle(fetch, FAIL_TOO_LARGE);
        return;
    }
    memcpy(fetch->request.memory + body->n, bytes.p, bytes.n);
    body->n += bytes.n;
}

static void on_end(struct stream *stream) {
    struct fetch *fetch = stream->user;
    fetch->whole = true;
}

static void on_room(struct stream *stream) { (void)stream; }

/* A whole answer is one, also when the connection broke behind it. */
static void on_gone(struct stream *stream, enum fail why) {
    struct fetch *fetch = stream->user;
    fetch->stream = NULL;
    if (!fetch->whole && why == FAIL_NONE)
        why = FAIL_CLOSED;
    settle(fetch, fetch->whole ? FAIL_NONE : why);
}

static const struct stream_on stream_on = {
    .head = on_head, .body = on_body, .end = on_end, .room = on_room, .gone = on_gone};

/* --- asking --- */

/* The body is lent, so that gone comes only when it has been sent or dropped. What fails in here is
 * told by gone. */
static void send_request(struct fetch *fetch) {
    const struct fetch_request *request = &fetch->request;
    bool body = request->method != HTTP_GET;
    struct http_head head = {.method = request->method,
                             .method_name = http_method_name(request->method),
                             .target = request->target,
                             .authority = request->authority,
                             .minor = 1,
                             .body = body ? HTTP_BODY_LENGTH : HTTP_BODY_NONE,
                             .body_length = body ? request->body.n : 0,
                             .keep_alive = true,
                             .field_count = request->field_count};
    for (unsigned i = 0; i < request->field_count; i++)
        head.fields[i] = request->fields[i];
    if (stream_send_head(fetch->stream, &head) != 0)
        return;
    if (body && request->body.n && stream_send_borrowed(fetch->stream, request->body) != 0)
        return;
    stream_send_end(fetch->stream);
}

static void ask_ready(struct pool_ask *ask, struct stream *stream) {
    struct fetch *fetch = container_of(ask, struct fetch, ask);
    set_state(fetch, FETCH_ASKING);
    fetch->stream = stream;
    stream_use(stream, &stream_on, fetch);
    send_request(fetch);
}

static void ask_failed(struct pool_ask *ask, enum fail why) {
    settle(container_of(ask, struct fetch, ask), why);
}

void fetch_start(struct fetch *fetch, struct loop *loop, struct resolve *resolve,
                 const struct fetch_request *request,
                 void (*done)(struct fetch *, const struct fetch_answer *answer)) {
    CHECK(fetch->state == FETCH_NONE && request->field_count < HTTP_FIELDS_MAX);
    *fetch = (struct fetch){.loop = loop, .done = done, .request = *request};
    fetch->answer.body = span_of(request->memory, 0);
    timer_init(&fetch->limit, limit_fired);
    timer_init(&fetch->home, home_fired);
    pool_ask_init(&fetch->ask);
    fetch->ask.ready = ask_ready;
    fetch->ask.failed = ask_failed;
    fetch->ask.connect_ns = fetch->ask.tls_ns = request->connect_ns;
    pool_init(&fetch->origin, loop, resolve,
              &(struct pool_settings){.host = request->host,
                                      .port = request->port,
                                      .tls_name = request->host,
                                      .tls = request->tls,
                                      .max_connections = 1,
                                      .idle_ns = request->total_ns});
    set_state(fetch, FETCH_OPENING);
    loop_arm(loop, &fetch->limit, request->total_ns);
    /* The pool is empty, so that a connection never comes at once. */
    struct stream *stream = pool_get(&fetch->origin, &fetch->ask, true);
    CHECK(!stream);
}

void fetch_cancel(struct fetch *fetch) {
    if (fetch->state != FETCH_NONE)
        settle(fetch, FAIL_CANCELLED);
}
