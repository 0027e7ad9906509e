/* pass.c - requests that are passed through. See pass.h.
 *
 * Promises: no credential of the client goes up, and none of ours comes down; a key that is bound to
 *           models or a region is not led around that; a body that was cut is never ended as if it
 *           were whole.
 * Refuses:  providers whose signature covers the body, which is not known when the head goes up. */
#include "appliance/race/pass.h"

#include "appliance/race/exchange.h"
#include "core/base.h"
#include "core/limits.h"

/* There is no model whose timeouts would hold. */
#define PASS_CONNECT_NS (5 * NS_PER_S)
/* Room for fields of our own besides those passed on. */
#define OWN_FIELDS 16

/* Fields of one connection (RFC 9110 7.6.1), of framing, and those that we answer for ourselves: all
 * others are passed on. */
static const struct span not_upward[] = {
    SPAN_CONST("host"),
    SPAN_CONST("connection"),
    SPAN_CONST("keep-alive"),
    SPAN_CONST("te"),
    SPAN_CONST("trailer"),
    SPAN_CONST("transfer-encoding"),
    SPAN_CONST("upgrade"),
    SPAN_CONST("content-length"),
    SPAN_CONST("expect"),
    SPAN_CONST("authorization"),
    SPAN_CONST("x-api-key"),
    SPAN_CONST("api-key"),
    SPAN_CONST("cookie"),
    SPAN_CONST("x-goog-api-key"),
    SPAN_CONST("proxy-authorization"),
    SPAN_CONST("x-request-id"),
    SPAN_CONST("traceparent"),
    SPAN_CONST("proxy-connection"),
};
static const struct span not_downward[] = {
    SPAN_CONST("connection"),     SPAN_CONST("keep-alive"),         SPAN_CONST("trailer"),
    SPAN_CONST("content-length"), SPAN_CONST("transfer-encoding"),  SPAN_CONST("upgrade"),
    SPAN_CONST("x-request-id"),   SPAN_CONST("set-cookie"),         SPAN_CONST("alt-svc"),
    SPAN_CONST("server-timing"),  SPAN_CONST("proxy-authenticate"), SPAN_CONST("date"),
};

static bool among(struct span name, const struct span *names, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (span_eq_nocase(name, names[i]))
            return true;
    return false;
}

/* Does a Connection field name it as one of this connection's own (RFC 9110 7.6.1)? */
static bool of_connection(const struct http_head *head, struct span name) {
    for (unsigned i = 0; i < head->field_count; i++) {
        struct span rest = head->fields[i].value;
        if (!span_eq_nocase(head->fields[i].name, SPAN("connection")))
            continue;
        while (rest.p)
            if (span_eq_nocase(span_trim(span_cut(&rest, ',')), name))
                return true;
    }
    return false;
}

static void add(struct http_head *head, struct span name, struct span value) {
    CHECK(head->field_count < HTTP_FIELDS_MAX);
    if (value.n)
        head->fields[head->field_count++] = (struct http_field){name, value};
}

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

/* The answer to HEAD has no body but tells of one (RFC 9110 8.6). */
static void describe_body(const struct http_head *response, struct http_head *head) {
    if (span_u64(http_field(response, SPAN("content-length")), UINT64_MAX, &head->body_length))
        head->body = HTTP_BODY_LENGTH;
    else if (response->status != 204 && response->status != 304)
        head->body = HTTP_BODY_CHUNKED;
}

static void downward_head(struct stream *upstream, const struct http_head *response) {
    struct pass *pass = upstream->user;
    struct exchange *exchange = pass->exchange;
    if (pass->over)
        return;
    struct http_head head = {.status = response->status,
                             .minor = 1,
                             .body = response->body,
                             .body_length = response->body_length,
                             .keep_alive = true};
    if (head.body == HTTP_BODY_UNTIL_CLOSE)
        head.body = HTTP_BODY_CHUNKED;
    if (pass->head.method == HTTP_HEAD)
        describe_body(response, &head);
    for (unsigned i = 0; i < response->field_count; i++)
        if (head.field_count < HTTP_FIELDS_MAX - OWN_FIELDS &&
            !among(response->fields[i].name, not_downward, countof(not_downward)) &&
            !of_connection(response, response->fields[i].name))
            head.fields[head.field_count++] = response->fields[i];
    add(&head, SPAN("x-request-id"), exchange->id);
    add(&head, SPAN("x-upstream-request-id"), http_field(response, SPAN("x-request-id")));
    add(&head, SPAN("x-hedgerow-provider"), span_str(pass->provider->provider.name));
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

static void upstream_gone(struct stream *upstream, enum fail why) {
    struct pass *pass = upstream->user;
    pass->upstream = NULL;
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

static bool keep_fields(struct pass *pass, const struct http_head *from) {
    struct arena *arena = &pass->exchange->arena;
    for (unsigned i = 0; i < from->field_count; i++) {
        struct http_field field = from->fields[i];
        if (among(field.name, not_upward, countof(not_upward)) ||
            span_starts_nocase(field.name, SPAN("x-hedgerow-")) ||
            of_connection(from, field.name) ||
            pass->head.field_count >= HTTP_FIELDS_MAX - OWN_FIELDS - HTTP_FIELDS_MAX / 4)
            continue;
        struct http_field kept = {arena_copy(arena, field.name), arena_copy(arena, field.value)};
        if (kept.name.n != field.name.n || kept.value.n != field.value.n)
            return false;
        add(&pass->head, kept.name, kept.value);
    }
    return true;
}

/* The operator's own fields and the fixed credential come after the client's and replace them. */
static void add_target(struct pass *pass) {
    const struct provider_target *target = &pass->provider->pass;
    struct http_head *head = &pass->head;
    for (unsigned i = 0; i < target->field_count; i++) {
        struct span name = target->fields[i].name;
        static const struct span clients_own[] = {SPAN_CONST("content-type"), SPAN_CONST("accept"),
                                                  SPAN_CONST("accept-encoding"),
                                                  SPAN_CONST("user-agent")};
        unsigned at = 0;
        if (among(name, clients_own, countof(clients_own)))
            continue;
        while (at < head->field_count && !span_eq_nocase(head->fields[at].name, name))
            at++;
        bool given = at < head->field_count;
        if (given && span_eq_nocase(name, SPAN("anthropic-version")))
            continue; /* which one it speaks is for the client to say */
        if (!given)
            head->field_count++;
        head->fields[at] = target->fields[i];
    }
}

static int authorise(struct pass *pass) {
    struct exchange *exchange = pass->exchange;
    struct credential credential;
    if (!pass->provider->provider.credential)
        return 0;
    if (!credential_read(pass->provider->provider.credential, &exchange->arena, &credential) ||
        credential.kind != CREDENTIAL_BEARER)
        return -FAIL_CREDENTIAL;
    add(&pass->head, SPAN("authorization"),
        arena_printf(&exchange->arena, "Bearer %.*s", (int)credential.token.n, credential.token.p));
    return 0;
}

static bool is_json(const struct http_head *head) {
    return head->body != HTTP_BODY_NONE &&
           http_media_type_is(http_field(head, SPAN("content-type")), SPAN("application/json"));
}

/* What stands behind /v1, with its query but without "key=", in which Google's clients put the
 * client's key. Empty: no memory. */
static struct span rest_of(struct exchange *exchange, struct span target) {
    struct span behind = span_from(target, sizeof "/v1" - 1), path = http_path(behind);
    struct span query = span_from(behind, path.n + 1);
    struct json_out out;
    bool first = true;
    json_out_arena(&out, &exchange->arena, behind.n);
    json_out_raw(&out, path);
    while (path.n < behind.n && query.p) {
        struct span pair = span_cut(&query, '&');
        if (span_starts(pair, SPAN("key=")))
            continue;
        json_out_raw(&out, first ? SPAN("?") : SPAN("&"));
        json_out_raw(&out, pair);
        first = false;
    }
    return out.full ? span_of("", 0) : json_out_span(&out);
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
    pass->rest = rest_of(exchange, from->target);
    head->minor = 1;
    head->body = from->body;
    head->body_length = from->body_length;
    head->keep_alive = true;
    pass->body_whole =
        from->body == HTTP_BODY_NONE || (from->body == HTTP_BODY_LENGTH && from->body_length == 0);
    bool kept = keep_fields(pass, from);
    return kept && pass->rest.n && head->method_name.n && !pass->waiting.full ? pass : NULL;
}

static void start(struct pass *pass, const struct config_provider *provider) {
    struct exchange *exchange = pass->exchange;
    struct http_head *head = &pass->head;
    pass->provider = provider;
    head->authority = span_str(provider->provider.authority);
    head->target = arena_printf(&exchange->arena, "%.*s%.*s", (int)provider->pass.path.n,
                                provider->pass.path.p, (int)pass->rest.n, pass->rest.p);
    add_target(pass);
    add(head, SPAN("x-request-id"), exchange->id);
    add(head, SPAN("traceparent"), exchange->traceparent);
    int rc = head->target.n ? authorise(pass) : -FAIL_OVERLOAD;
    if (rc < 0) {
        exchange_refuse(exchange, (enum fail) - rc, span_str(fail_text((enum fail) - rc)),
                        span_of("", 0));
        return;
    }
    if (!exchange_take_slot(exchange)) {
        exchange_refuse(exchange, FAIL_KEY_LIMIT,
                        SPAN("this API key has as many requests in flight as it may; try again "
                             "when one has ended"),
                        span_of("", 0));
        return;
    }
    exchange_passing(exchange);
    progress(pass);
    struct stream *upstream = pool_get(origin_of(pass), &pass->ask, false);
    if (upstream)
        begin(pass, upstream);
    else if (exchange->client && !pass->body_whole)
        stream_more(exchange->client, false);
}

/* Both must hold: a request cannot talk its key out of its region. */
static bool in_region(const struct exchange *exchange, const struct config_provider *provider) {
    struct span region = provider_residency(&provider->provider);
    struct span key = exchange->key ? span_str(exchange->key->residency) : span_of("", 0);
    struct span wish = exchange->wish.residency;
    return (!key.n || span_eq_nocase(key, region)) && (!wish.n || span_eq_nocase(wish, region));
}

/* Which provider a request goes to that names no model of ours; NULL after it was refused. */
static const struct config_provider *provider_for(struct exchange *exchange) {
    const struct config_provider *provider = exchange->upstreams->config->passthrough;
    const char *why = NULL;
    enum fail fail = FAIL_FORBIDDEN;
    if (!provider) {
        fail = FAIL_NO_PATH;
        why = "this path is not one that is raced, and no provider is configured to pass others "
              "through to (passthrough: NAME)";
    } else if (exchange->key && exchange->key->model_count) {
        why = "this API key is bound to models, and this request names none that is configured";
    } else if (!in_region(exchange, provider)) {
        fail = FAIL_RESIDENCY;
        why = "requests to this path leave the region that is required";
    }
    if (!why)
        return provider;
    exchange_refuse(exchange, fail, span_str(why), span_of("", 0));
    return NULL;
}

void pass_open(struct exchange *exchange, const struct http_head *head) {
    exchange->pass = pass_new(exchange, head);
    if (!exchange->pass) {
        exchange_refuse(exchange, FAIL_OVERLOAD, span_str(fail_text(FAIL_OVERLOAD)),
                        span_of("", 0));
        return;
    }
    if (is_json(head))
        return; /* its model decides */
    const struct config_provider *provider = provider_for(exchange);
    if (provider)
        start(exchange->pass, provider);
}

/* --- JSON bodies: the model that they name decides --- */

/* The model's first backend that can be passed to; NULL: none. */
static const struct config_backend *backend_for(const struct exchange *exchange,
                                                const struct config_model *model) {
    for (unsigned i = 0; i < model->backend_count; i++) {
        const struct config_provider *provider = model->backends[i].provider;
        if (provider->pass.path.p && in_region(exchange, provider))
            return &model->backends[i];
    }
    return NULL;
}

/* Counts the members of the top level that name a model, into *token the first; 0 too when the text
 * is broken. Two of them mean one thing to us and maybe another to the provider. */
static unsigned find_models(struct span body, struct json_token *token) {
    struct json json;
    struct json_token key;
    struct span value;
    unsigned count = 0;
    json_init(&json, body);
    if (json_next(&json, &key) != JSON_OBJECT)
        return 0;
    while (json_next(&json, &key) == JSON_KEY) {
        if (!json_is(&key, SPAN("model"))) {
            if (!json_value(&json, &value))
                return 0;
            continue;
        }
        struct json_token found;
        json_next(&json, &found);
        if (found.kind == JSON_OBJECT || found.kind == JSON_ARRAY)
            json_leave(&json);
        if (count++ == 0)
            *token = found;
    }
    return key.kind == JSON_OBJECT_END && json_next(&json, &key) == JSON_END ? count : 0;
}

/* The body with the backend's own name for the model. */
static void rename_model(struct pass *pass, struct span body, struct span value,
                         const char *model) {
    struct json_out *out = &pass->waiting;
    size_t at = (size_t)(value.p - body.p);
    json_out_raw(out, span_of(body.p, at));
    json_out_raw(out, SPAN("\""));
    json_out_raw(out, span_str(model));
    json_out_raw(out, SPAN("\""));
    json_out_raw(out, span_from(body, at + value.n));
}

void pass_begin_json(struct exchange *exchange) {
    struct span body = span_of(exchange->body, exchange->body_n);
    struct pass *pass = exchange->pass;
    const struct config_backend *backend = NULL;
    const struct config_provider *provider = NULL;
    struct json_token token = {.kind = JSON_NULL};
    pass->body_whole = true;
    unsigned names = find_models(body, &token);
    if (names > 1) {
        exchange_refuse(exchange, FAIL_BAD_REQUEST, SPAN("model stands there more than once"),
                        SPAN("model"));
        return;
    }
    bool named = names == 1 && token.kind == JSON_STRING;
    exchange->model = named ? config_model_find(exchange->upstreams->config, token.raw) : NULL;
    if (exchange->model && config_key_allows(exchange->key, exchange->model))
        backend = backend_for(exchange, exchange->model);
    if (backend) {
        provider = backend->provider;
        struct span quoted = span_of(token.raw.p - 1, token.raw.n + 2);
        rename_model(pass, body, quoted, backend->model);
    } else {
        provider = provider_for(exchange);
        json_out_raw(&pass->waiting, body);
    }
    if (!provider)
        return;
    if (pass->waiting.full) {
        exchange_refuse(exchange, FAIL_OVERLOAD, span_str(fail_text(FAIL_OVERLOAD)),
                        span_of("", 0));
        return;
    }
    pass->head.body = HTTP_BODY_LENGTH;
    pass->head.body_length = pass->waiting.n;
    start(pass, provider);
}
