/* pass.c - requests that are passed through, from their beginning to their end. See pass.h.
 *
 * Promises: a key that is bound to models or a region is not led around that; limits on requests in
 *           flight hold for these too; a body that was cut is never ended as if it were whole.
 * Refuses:  providers whose signature covers the body, which is not known when the head goes up. */
#include "appliance/race/pass.h"

#include "appliance/race/exchange.h"
#include "appliance/race/pass_parts.h"
#include "core/base.h"
#include "core/limits.h"

/* There is no model whose timeouts would hold. */
#define PASS_CONNECT_NS (5 * NS_PER_S)
static struct loop *loop_of(const struct pass *pass) { return pass->exchange->race->loop; }

static struct pool_origin *origin_of(const struct pass *pass) {
    return &pass->exchange->upstreams->pools[pass->provider->index];
}

static void progress(struct pass *pass) {
    uint64_t idle_ns = pass->exchange->upstreams->config->request_timeout_ns;
    loop_disarm(loop_of(pass), &pass->idle);
    loop_arm(loop_of(pass), &pass->idle, idle_ns);
}

/* --- its end --- */

/* Tells the client once: with an error while it has heard nothing, else by cutting it off. */
static void end(struct pass *pass, enum fail why) {
    struct exchange *exchange = pass->exchange;
    if (pass->over)
        return;
    pass->over = true;
    pass->why = why;
    loop_disarm(loop_of(pass), &pass->idle);
    pool_cancel(origin_of(pass), &pass->ask);
    if (why == FAIL_NONE) {
        exchange_answered(exchange);
        return;
    }
    if (pass->upstream)
        stream_reset(pass->upstream, why);
    if (!pass->answered) {
        struct span message =
            arena_printf(&exchange->arena, "%s: %s", pass->provider->provider.name, fail_text(why));
        exchange_refuse(exchange, why, message, span_of("", 0));
    } else if (exchange->client) {
        stream_reset(exchange->client, why);
    }
}

static void later(struct defer *defer) {
    struct pass *pass = container_of(defer, struct pass, later);
    end(pass, pass->why);
    if (!pass->upstream)
        exchange_pass_home(pass->exchange);
}

static void idle_fired(struct timer *timer) {
    end(container_of(timer, struct pass, idle), FAIL_IDLE);
}

void pass_gone(struct exchange *exchange) {
    struct pass *pass = exchange->pass;
    pass->over = true;
    loop_disarm(loop_of(pass), &pass->idle);
    pool_cancel(origin_of(pass), &pass->ask);
    if (pass->upstream)
        stream_reset(pass->upstream, FAIL_CANCELLED);
    else
        loop_defer(loop_of(pass), &pass->later);
}

void pass_fini(struct exchange *exchange) {
    loop_disarm(loop_of(exchange->pass), &exchange->pass->idle);
    loop_undefer(&exchange->pass->later);
}

/* --- upward --- */

void pass_body(struct exchange *exchange, struct span bytes) {
    struct pass *pass = exchange->pass;
    if (pass->over)
        return;
    progress(pass);
    if (!pass->sent) {
        json_out_raw(&pass->waiting, bytes);
        if (pass->waiting.full)
            end(pass, FAIL_OVERLOAD);
        else
            stream_more(exchange->client, false); /* until the connection is there */
        return;
    }
    if (!pass->upstream)
        return; /* it has answered already and wants no more */
    pass->streamed = true;
    stream_send_body(pass->upstream, bytes);
    if (pass->upstream && stream_room(pass->upstream) == 0)
        stream_more(exchange->client, false);
}

void pass_end(struct exchange *exchange) {
    struct pass *pass = exchange->pass;
    if (pass->body_whole)
        return; /* there was none to wait for: its end has been sent, or is with the head */
    pass->body_whole = true;
    if (pass->sent && pass->upstream && !pass->over)
        stream_send_end(pass->upstream);
}

static void upward_room(struct stream *upstream) {
    struct pass *pass = upstream->user;
    if (pass->exchange->client)
        stream_more(pass->exchange->client, true);
}

/* --- downward --- */

static void downward_head(struct stream *upstream, const struct http_head *response) {
    struct pass *pass = upstream->user;
    struct exchange *exchange = pass->exchange;
    if (pass->over)
        return;
    struct http_head head;
    if (!pass_downward(pass, response, &head)) {
        end(pass, FAIL_PROTOCOL);
        return;
    }
    pass->answered = true;
    pass->status = response->status;
    exchange->status = response->status;
    exchange->first_byte_ns = loop_of(pass)->now_ns;
    progress(pass);
    if (exchange->client)
        stream_send_head(exchange->client, &head);
}

static void downward_body(struct stream *upstream, struct span bytes) {
    struct pass *pass = upstream->user;
    struct exchange *exchange = pass->exchange;
    if (pass->over || !exchange->client)
        return;
    progress(pass);
    exchange->bytes_out += bytes.n;
    stream_send_body(exchange->client, bytes);
    if (exchange->client && stream_room(exchange->client) == 0)
        stream_more(upstream, false);
}

void pass_room(struct exchange *exchange) {
    if (exchange->pass->upstream)
        stream_more(exchange->pass->upstream, true);
}

static void downward_end(struct stream *upstream) {
    struct pass *pass = upstream->user;
    if (pass->over)
        return;
    if (pass->exchange->client)
        stream_send_end(pass->exchange->client);
    end(pass, FAIL_NONE);
    if (pass->body_whole)
        return;
    /* Answered before it had heard all: nothing more is sent there, and what the client still sends
     * is read and forgotten, lest it never comes to read the answer. */
    stream_reset(upstream, FAIL_CANCELLED);
    if (pass->exchange->client)
        stream_more(pass->exchange->client, true);
}

static void ask(struct pass *pass, bool fresh);

/* The pool's race: the server closed an idle connection just as it was used. Nothing was answered and
 * nothing is lost of the body, so it may be sent once more on a new one (RFC 9110 9.2.2). */
static bool again(struct pass *pass, const struct stream *upstream, enum fail why) {
    bool dead = why == FAIL_RESET || why == FAIL_CLOSED;
    if (!dead || !upstream->times.reused || pass->answered || pass->over || pass->streamed ||
        pass->asked_again || !quota_again(&pass->exchange->pass_quota, loop_of(pass)->now_ns))
        return false;
    pass->asked_again = true;
    pass->sent = false;
    ask(pass, true);
    return true;
}

static void upstream_gone(struct stream *upstream, enum fail why) {
    struct pass *pass = upstream->user;
    pass->upstream = NULL;
    if (again(pass, upstream, why))
        return;
    end(pass, why == FAIL_NONE ? FAIL_CLOSED : why);
    exchange_pass_home(pass->exchange);
}

static const struct stream_on upstream_on = {.head = downward_head,
                                             .body = downward_body,
                                             .end = downward_end,
                                             .room = upward_room,
                                             .gone = upstream_gone};

/* --- its beginning --- */

static void begin(struct pass *pass, struct stream *upstream) {
    struct exchange *exchange = pass->exchange;
    pass->upstream = upstream;
    stream_use(upstream, &upstream_on, pass);
    pass->sent = true;
    if (stream_send_head(upstream, &pass->head) != 0)
        return;
    if (pass->waiting.n)
        stream_send_borrowed(upstream, json_out_span(&pass->waiting));
    if (pass->body_whole)
        stream_send_end(upstream);
    else if (exchange->client)
        stream_more(exchange->client, true);
}

static void ready(struct pool_ask *ask, struct stream *upstream) {
    begin(container_of(ask, struct pass, ask), upstream);
}

static void failed(struct pool_ask *ask, enum fail why) {
    struct pass *pass = container_of(ask, struct pass, ask);
    pass->why = why;
    loop_defer(loop_of(pass), &pass->later);
}

static bool is_json(const struct http_head *head) {
    return head->body != HTTP_BODY_NONE &&
           http_media_type_is(http_field(head, SPAN("content-type")), SPAN("application/json"));
}

static void ask(struct pass *pass, bool fresh) {
    struct exchange *exchange = pass->exchange;
    struct stream *upstream = pool_get(origin_of(pass), &pass->ask, fresh);
    if (upstream)
        begin(pass, upstream);
    else if (exchange->client && !pass->body_whole)
        stream_more(exchange->client, false);
}

/* Everything that does not depend on the provider. NULL when memory is used up. */
static struct pass *pass_new(struct exchange *exchange, const struct http_head *from) {
    struct pass *pass = arena_zalloc(&exchange->arena, sizeof *pass);
    if (!pass)
        return NULL;
    pass->exchange = exchange;
    pool_ask_init(&pass->ask);
    pass->ask.ready = ready;
    pass->ask.failed = failed;
    pass->ask.connect_ns = pass->ask.tls_ns = PASS_CONNECT_NS;
    defer_init(&pass->later, later);
    timer_init(&pass->idle, idle_fired);
    json_out_arena(&pass->waiting, &exchange->arena, 256);
    struct http_head *head = &pass->head;
    head->method = from->method;
    head->method_name = arena_copy(&exchange->arena, from->method_name);
    pass->rest = pass_rest(exchange, from->target);
    head->minor = 1;
    head->body = from->body;
    head->body_length = from->body_length;
    head->keep_alive = true;
    pass->body_whole =
        from->body == HTTP_BODY_NONE || (from->body == HTTP_BODY_LENGTH && from->body_length == 0);
    bool kept = pass_keep_fields(pass, from);
    return kept && pass->rest.n && head->method_name.n && !pass->waiting.full ? pass : NULL;
}

/* FAIL_NONE, or why it may not be passed on now. */
static enum fail admit(struct pass *pass) {
    struct exchange *exchange = pass->exchange;
    struct quota *quota = &exchange->upstreams->quota;
    uint64_t now_ns = loop_of(pass)->now_ns, wait_ns;
    enum fail why = pass_upward(pass);
    if (why != FAIL_NONE)
        return why;
    if (quota_take_pass(quota, pass->provider, now_ns, &exchange->pass_quota, &wait_ns) !=
        QUOTA_ROOM) {
        exchange->room_wait_ns = wait_ns;
        return FAIL_NO_ROOM;
    }
    if (exchange_take_slot(exchange))
        return FAIL_NONE;
    quota_put(&exchange->pass_quota, now_ns);
    return FAIL_KEY_LIMIT;
}

void pass_start(struct pass *pass, const struct config_provider *provider) {
    struct exchange *exchange = pass->exchange;
    pass->provider = provider;
    enum fail why = admit(pass);
    if (why != FAIL_NONE) {
        exchange_refuse(exchange, why, span_str(fail_text(why)), span_of("", 0));
        return;
    }
    exchange_passing(exchange);
    progress(pass);
    ask(pass, false);
}

bool pass_in_region(const struct exchange *exchange, const struct config_provider *provider) {
    struct span region = provider_residency(&provider->provider);
    struct span key = exchange->key ? span_str(exchange->key->residency) : span_of("", 0);
    struct span wish = exchange->wish.residency;
    return (!key.n || span_eq_nocase(key, region)) && (!wish.n || span_eq_nocase(wish, region));
}

const struct config_provider *pass_provider(struct exchange *exchange) {
    const struct config_provider *provider = exchange->upstreams->config->passthrough;
    const char *why = NULL;
    enum fail fail = FAIL_FORBIDDEN;
    if (!provider) {
        fail = FAIL_NO_PATH;
        why = "this path is not one that is raced, and no provider is configured to pass others "
              "through to (passthrough: NAME)";
    } else if (exchange->key && exchange->key->model_count) {
        why = "this API key is bound to models, and this request names none that is configured";
    } else if (!pass_in_region(exchange, provider)) {
        fail = FAIL_RESIDENCY;
        why = "requests to this path leave the region that is required";
    }
    if (!why)
        return provider;
    exchange_refuse(exchange, fail, span_str(why), span_of("", 0));
    return NULL;
}

void pass_open(struct exchange *exchange, const struct http_head *head) {
    if (!pass_path_is_plain(exchange->path)) {
        exchange_refuse(exchange, FAIL_NO_PATH,
                        SPAN("paths that are passed through have no empty, . or .. segments, no "
                             "backslash and no encoded slash"),
                        span_of("", 0));
        return;
    }
    if (head->field_count > PASS_FIELDS_MAX) {
        exchange_refuse(exchange, FAIL_HEAD_TOO_LARGE, SPAN("the request has too many fields"),
                        span_of("", 0));
        return;
    }
    exchange->pass = pass_new(exchange, head);
    if (!exchange->pass) {
        exchange_refuse(exchange, FAIL_OVERLOAD, span_str(fail_text(FAIL_OVERLOAD)),
                        span_of("", 0));
        return;
    }
    if (is_json(head))
        return; /* its model decides */
    const struct config_provider *provider = pass_provider(exchange);
    if (provider)
        pass_start(exchange->pass, provider);
}
