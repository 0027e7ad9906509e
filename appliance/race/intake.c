/* intake.c - the client's request. See intake.h.
 *
 * Promises: everything that can be known from the head is refused from the head, before the body
 *           comes; announcing a body costs nobody memory but who sends it. */
#include "appliance/race/intake.h"

#include "appliance/race/exchange.h"
#include "appliance/race/wish.h"
#include "core/base.h"
#include "core/limits.h"
#include "providers/anthropic.h"

/* Taken at once for a body that is announced; more only as it comes. */
#define BODY_RESERVE_BYTES ((size_t)256 * 1024)

static void refuse_text(struct exchange *exchange, enum fail why, const char *message) {
    exchange_refuse(exchange, why, span_str(message), span_of("", 0));
}

/* --- its head --- */

/* A client's id is taken over when it is harmless in a log and a header; otherwise one is made. */
static struct span request_id(struct exchange *exchange, const struct http_head *head) {
    struct span given = http_field(head, SPAN("x-request-id"));
    bool usable = given.n > 0 && given.n <= REQUEST_ID_MAX;
    for (size_t i = 0; i < given.n && usable; i++)
        usable = given.p[i] > ' ' && given.p[i] < 127 && given.p[i] != '"' && given.p[i] != '\\';
    if (usable)
        return arena_copy(&exchange->arena, given);
    char *id = arena_alloc(&exchange->arena, 32);
    if (!id)
        return span_of("", 0);
    rand_hex(&exchange->race->loop->rand, id, 32);
    return span_of(id, 32);
}

/* "?key=KEY", as Google's older clients send it. */
static struct span key_in_query(struct span target) {
    struct span query = span_from(target, http_path(target).n + 1);
    while (query.p) {
        struct span pair = span_cut(&query, '&');
        if (span_starts(pair, SPAN("key=")))
            return span_from(pair, 4);
    }
    return span_of("", 0);
}

/* "Authorization: Bearer KEY" (RFC 6750 2.1), or the key alone in the header that the dialects'
 * clients have for it. */
static struct span presented_key(const struct http_head *head) {
    static const struct span fields[] = {SPAN_CONST("x-api-key"), SPAN_CONST("api-key"),
                                         SPAN_CONST("x-goog-api-key")};
    struct span value = http_field(head, SPAN("authorization"));
    if (span_starts_nocase(value, SPAN("bearer ")))
        return span_trim(span_from(value, 7));
    for (unsigned i = 0; i < countof(fields); i++) {
        value = http_field(head, fields[i]);
        if (value.n)
            return value;
    }
    return key_in_query(head->target);
}

static bool authorised(struct exchange *exchange, const struct http_head *head) {
    const struct config *config = exchange->upstreams->config;
    if (config->key_count == 0)
        return true;
    exchange->key = exchange->race->key_find(config, presented_key(head));
    return exchange->key != NULL;
}

static const char no_key[] = "no valid API key was given: send it as \"Authorization: Bearer KEY\"";

/* Answers that come from the configuration alone. */
static bool answer_local(struct exchange *exchange, const struct http_head *head) {
    bool get = head->method == HTTP_GET || head->method == HTTP_HEAD;
    bool health = exchange->endpoint.kind == ENDPOINT_HEALTH;
    if (!health && exchange->endpoint.kind != ENDPOINT_MODELS)
        return false;
    if (!get) {
        refuse_text(exchange, FAIL_METHOD, "use GET for this path");
    } else if (health) {
        relay_json(exchange, 200, SPAN("{\"status\":\"ok\"}"));
        exchange_answered(exchange);
    } else if (!authorised(exchange, head)) {
        refuse_text(exchange, FAIL_KEY, no_key);
    } else {
        relay_models(exchange, http_field(head, SPAN("anthropic-version")).n > 0);
        exchange_answered(exchange);
    }
    return true;
}

/* Takes over what is needed after the head is gone. False: no memory; a header that is lost without a
 * word may be the one that keeps the request in its region. */
static bool keep(struct exchange *exchange, struct span given, struct span *kept) {
    *kept = arena_copy(&exchange->arena, given);
    return kept->n == given.n;
}

/* "00-" trace id "-" parent id "-" flags (W3C Trace Context 2.2); of a later version what stands behind
 * is not known to be harmless. Anything else is not passed on. */
static struct span trace_parent(struct span given) {
    static const char form[] = "00-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";
    if (given.n != sizeof form - 1)
        return span_of("", 0);
    for (size_t i = 0; i < given.n; i++) {
        char c = given.p[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (form[i] == '-' ? c != '-' : !hex)
            return span_of("", 0);
    }
    return given;
}

static bool keep_head(struct exchange *exchange, const struct http_head *head) {
    exchange->id = request_id(exchange, head);
    if (exchange->id.n == 0 || !keep(exchange, http_path(head->target), &exchange->path))
        return false;
    exchange->endpoint = endpoint_of(exchange->path);
    exchange->dialect = exchange->endpoint.dialect;
    return keep(exchange, http_field(head, SPAN("anthropic-beta")), &exchange->req.betas) &&
           keep(exchange, trace_parent(http_field(head, SPAN("traceparent"))),
                &exchange->traceparent) &&
           keep(exchange, http_field(head, SPAN("x-hedgerow-tags")), &exchange->tags);
}

static bool keep_wish(struct exchange *exchange) {
    struct plan_wish *wish = &exchange->wish;
    return keep(exchange, wish->backends, &wish->backends) &&
           keep(exchange, wish->residency, &wish->residency);
}

static void refuse_memory(struct exchange *exchange) {
    refuse_text(exchange, FAIL_OVERLOAD, "the server is short of memory; try again");
}

/* Who asks, and with which wishes: the same for requests that are raced and passed through. */
static bool check_client(struct exchange *exchange, const struct http_head *head) {
    const char *why, *field;
    if (exchange->race->draining)
        refuse_text(exchange, FAIL_DRAINING,
                    "this server is shutting down; try again, another one will answer");
    else if (!authorised(exchange, head))
        refuse_text(exchange, FAIL_KEY, no_key);
    else if (!wish_read(head, &exchange->wish, &why, &field))
        exchange_refuse(exchange, FAIL_BAD_REQUEST, span_str(why), span_str(field));
    else if (!keep_wish(exchange))
        refuse_memory(exchange);
    else
        return true;
    return false;
}

static bool check_path(struct exchange *exchange, const struct http_head *head) {
    enum endpoint_kind kind = exchange->endpoint.kind;
    if (kind == ENDPOINT_NONE)
        refuse_text(exchange, FAIL_NO_PATH,
                    "there is no such path; POST /v1/chat/completions, /v1/responses, "
                    "/v1/messages, /v1/embeddings, /v1beta/models/MODEL:generateContent and GET "
                    "/v1/models are served");
    else if (kind != ENDPOINT_PASS && head->method != HTTP_POST)
        refuse_text(exchange, FAIL_METHOD, "use POST for this path");
    else
        return true;
    return false;
}

/* A body that is read whole. */
static bool check_body(struct exchange *exchange, const struct http_head *head) {
    struct span type = http_field(head, SPAN("content-type"));
    if (type.n && !http_media_type_is(type, SPAN("application/json")))
        refuse_text(exchange, FAIL_MEDIA_TYPE, "send the body as Content-Type: application/json");
    else if (http_field(head, SPAN("content-encoding")).n)
        refuse_text(exchange, FAIL_MEDIA_TYPE, "send the body without Content-Encoding");
    else if (head->body == HTTP_BODY_NONE ||
             (head->body == HTTP_BODY_LENGTH && head->body_length == 0))
        refuse_text(exchange, FAIL_LENGTH_REQUIRED,
                    "the request has no body: send a JSON object with model and messages");
    else if (head->body == HTTP_BODY_LENGTH && head->body_length > exchange->body_max)
        exchange_refuse(exchange, FAIL_BODY_TOO_LARGE,
                        arena_printf(&exchange->arena,
                                     "the body has %llu bytes and the limit is %zu (limits.body)",
                                     (unsigned long long)head->body_length, exchange->body_max),
                        span_of("", 0));
    else
        return true;
    return false;
}

/* --- its body --- */

static bool reserve_body(struct exchange *exchange, size_t n) {
    if (n <= exchange->body_size)
        return true;
    size_t size = n < exchange->body_size * 2 ? exchange->body_size * 2 : n;
    char *body = memory_get(&exchange->race->loop->memory, &size);
    if (!body)
        return false;
    if (exchange->body_n)
        memcpy(body, exchange->body, exchange->body_n);
    void *old = exchange->body;
    if (old)
        memory_put(&exchange->race->loop->memory, &old, exchange->body_size);
    exchange->body = body;
    exchange->body_size = size;
    return true;
}

void intake_head(struct exchange *exchange, const struct http_head *head) {
    exchange->body_max = exchange->upstreams->config->body_max_bytes;
    if (!keep_head(exchange, head)) {
        refuse_memory(exchange);
        return;
    }
    if (answer_local(exchange, head) || !check_path(exchange, head) ||
        !check_client(exchange, head))
        return;
    if (exchange->endpoint.kind == ENDPOINT_PASS) {
        pass_open(exchange, head);
        return;
    }
    if (!check_body(exchange, head))
        return;
    exchange->raced = true;
    size_t expected = head->body == HTTP_BODY_LENGTH ? (size_t)head->body_length : RING_BUF_SIZE;
    if (!reserve_body(exchange, min_size(expected, BODY_RESERVE_BYTES)))
        refuse_memory(exchange);
}

void intake_body(struct exchange *exchange, struct span bytes) {
    if (exchange->state != EXCHANGE_REQUEST || (!exchange->raced && !exchange->pass))
        return;
    if (exchange->body_n + bytes.n > exchange->body_max) {
        refuse_text(exchange, FAIL_BODY_TOO_LARGE,
                    "the body is larger than the limit (limits.body)");
        return;
    }
    if (!reserve_body(exchange, exchange->body_n + bytes.n)) {
        refuse_memory(exchange);
        return;
    }
    memcpy(exchange->body + exchange->body_n, bytes.p, bytes.n);
    exchange->body_n += bytes.n;
}

static int read_embeddings(struct exchange *exchange, struct span body, struct span *why,
                           struct span *param) {
    struct embeddings_request *embeddings = &exchange->embeddings;
    int rc = embeddings_read_request(body, &exchange->arena, embeddings, why, param);
    exchange->req.body = body;
    exchange->req.model = embeddings->model;
    exchange->req.user = embeddings->user;
    exchange->req.input_tokens_estimate = embeddings->input_tokens_estimate;
    return rc;
}

/* Reads the body as the path says; as dialect.read_request. */
static int read_body(struct exchange *exchange, struct span *why, struct span *param) {
    struct span body = span_of(exchange->body, exchange->body_n);
    struct endpoint *endpoint = &exchange->endpoint;
    struct arena *arena = &exchange->arena;
    if (endpoint->kind == ENDPOINT_EMBEDDINGS)
        return read_embeddings(exchange, body, why, param);
    if (endpoint->kind == ENDPOINT_COUNT_TOKENS)
        return anthropic_read_count_request(body, arena, &exchange->req, why, param);
    if (endpoint->model.n) {
        exchange->req.path_model = endpoint_decode(endpoint->model, arena);
        exchange->req.path_stream = endpoint->stream;
        if (exchange->req.path_model.n == 0) {
            *why = SPAN("the model's name in the path is not percent-encoded correctly");
            return -FAIL_BAD_REQUEST;
        }
    }
    return exchange->dialect->read_request(body, arena, &exchange->req, why, param);
}

static bool find_model(struct exchange *exchange) {
    struct span name = exchange->req.model;
    exchange->model = config_model_find(exchange->upstreams->config, name);
    if (!exchange->model) {
        exchange_refuse(
            exchange, FAIL_NO_MODEL,
            arena_printf(&exchange->arena,
                         "the model '%.*s' is not configured; GET /v1/models lists those that are",
                         (int)min_size(name.n, 128), name.p),
            SPAN("model"));
        return false;
    }
    if (!config_key_allows(exchange->key, exchange->model)) {
        exchange_refuse(
            exchange, FAIL_FORBIDDEN,
            SPAN("this API key may not use this model; GET /v1/models lists those that it may"),
            SPAN("model"));
        return false;
    }
    return true;
}

bool intake_read(struct exchange *exchange) {
    struct span why = {NULL, 0}, param = {NULL, 0};
    int rc = read_body(exchange, &why, &param);
    if (rc < 0)
        exchange_refuse(exchange, (enum fail) - rc, why, param);
    return rc == 0 && find_model(exchange);
}
