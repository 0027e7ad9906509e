/* encode.c - requests for backends. See encode.h.
 *
 * Promises: what a backend cannot express is refused by name, or with `compat: lenient` left out and
 *           named in the answer's head; never silently changed. */
#include "appliance/race/encode.h"

#include "appliance/race/exchange.h"
#include "core/base.h"
#include "core/limits.h"
#include "providers/anthropic.h"
#include "providers/prefill.h"

/* Room that a translated body is given at first: most keep the size of the client's. */
#define BODY_SLACK_BYTES 512

static struct encoded *encoded_new(struct exchange *exchange, unsigned piece_count) {
    struct encoded *out =
        arena_zalloc(&exchange->arena, sizeof *out + piece_count * sizeof out->pieces[0]);
    if (out)
        out->piece_count = piece_count;
    return out;
}

/* The client's body between the edits, and what is put in. */
static struct encoded *apply(struct exchange *exchange, const struct chat_edit *edits,
                             unsigned count) {
    struct span body = exchange->req.body;
    struct encoded *out = encoded_new(exchange, 2 * count + 1);
    size_t at = 0;
    if (!out)
        return NULL;
    for (unsigned i = 0; i < count; i++) {
        out->pieces[2 * i] = span_of(body.p + at, edits[i].at - at);
        out->pieces[2 * i + 1] = edits[i].insert;
        at = edits[i].at + edits[i].remove;
    }
    out->pieces[2 * count] = span_from(body, at);
    return out;
}

static int edited(struct exchange *exchange, const struct config_backend *backend,
                  const struct dialect *dialect, const struct prefill *rest, struct encoded **out) {
    const struct provider *provider = &backend->provider->provider;
    struct span model = span_str(backend->model);
    struct chat_edit edits[CHAT_EDITS_MAX];
    unsigned quirks = provider_quirks(provider);
    struct arena *arena = &exchange->arena;
    int count;
    if (dialect)
        count = dialect->edit_request(&exchange->req, model, quirks, arena, edits);
    else if (exchange->endpoint.kind == ENDPOINT_COUNT_TOKENS)
        count = anthropic_edit_count(&exchange->req, model, quirks, arena, edits);
    else
        count = embeddings_edit(&exchange->embeddings, model, quirks, arena, edits);
    if (count >= 0 && rest)
        count = prefill_edit(&exchange->req, rest, arena, edits, (unsigned)count);
    if (count < 0)
        return count;
    *out = apply(exchange, edits, (unsigned)count);
    return *out ? 0 : -FAIL_OVERLOAD;
}

int encode_prompt(struct exchange *exchange, struct span *why, struct span *field) {
    if (exchange->prompt)
        return 0;
    const struct dialect *client = exchange->dialect;
    if (!client->read_prompt) {
        *why = SPAN("only backends that speak this API themselves can answer it");
        return -FAIL_UNSUPPORTED;
    }
    struct chat_prompt *prompt = arena_zalloc(&exchange->arena, sizeof *prompt);
    if (!prompt)
        return -FAIL_OVERLOAD;
    int rc = client->read_prompt(&exchange->req, &exchange->arena, prompt, why, field);
    if (rc < 0)
        return rc;
    exchange->prompt = prompt;
    return 0;
}

/* What a writer has written, as the one piece of a body; or what it says it cannot. */
static int keep_text(struct exchange *exchange, int rc, const struct json_out *text,
                     const struct chat_losses *losses, struct encoded **out, struct span *why,
                     struct span *field) {
    if (rc == -FAIL_UNSUPPORTED || rc == -FAIL_BAD_REQUEST) {
        *why = losses->why;
        *field = losses->field;
    }
    if (rc < 0 || text->full)
        return rc < 0 ? rc : -FAIL_OVERLOAD;
    *out = encoded_new(exchange, 1);
    if (!*out)
        return -FAIL_OVERLOAD;
    (*out)->pieces[0] = json_out_span(text);
    (*out)->losses = *losses;
    return 0;
}

/* Behind a head that was sent there is no place to name what was left out. */
static bool lenient(const struct exchange *exchange) {
    return exchange->model->lenient && !(exchange->winner && exchange->req.stream);
}

static int written(struct exchange *exchange, const struct config_backend *backend,
                   const struct dialect *dialect, const struct prefill *rest, struct encoded **out,
                   struct span *why, struct span *field) {
    int rc = encode_prompt(exchange, why, field);
    if (rc < 0)
        return rc;
    if (!dialect->write_prompt) {
        *why = SPAN("only requests of its own API can be sent to it");
        return -FAIL_UNSUPPORTED;
    }
    const struct chat_prompt *prompt =
        rest ? prefill_prompt(exchange->prompt, rest, &exchange->arena) : exchange->prompt;
    if (!prompt)
        return -FAIL_OVERLOAD;
    struct chat_losses losses = {.lenient = lenient(exchange)};
    struct chat_spell spell = {.model = span_str(backend->model),
                               .quirks = provider_quirks(&backend->provider->provider),
                               .facts = model_facts_find(span_str(backend->base_model)),
                               .stream = !exchange->req.whole_only,
                               .prefill = rest ? rest->how : CHAT_PREFILL_NONE,
                               .losses = &losses};
    struct json_out text;
    json_out_arena(&text, &exchange->arena, exchange->req.body.n + BODY_SLACK_BYTES);
    rc = dialect->write_prompt(prompt, &spell, &exchange->arena, &text);
    return keep_text(exchange, rc, &text, &losses, out, why, field);
}

/* Embeddings for a backend whose API for them is its own. */
static int respelt(struct exchange *exchange, enum embeddings_api api, struct encoded **out,
                   struct span *why, struct span *field) {
    struct chat_losses losses = {.lenient = exchange->model->lenient};
    struct json_out text;
    if (api == EMBEDDINGS_UNKNOWN) {
        *why = SPAN("no API for embeddings is known of its model");
        return -FAIL_UNSUPPORTED;
    }
    json_out_arena(&text, &exchange->arena, exchange->req.body.n + BODY_SLACK_BYTES);
    int rc = embeddings_write(&exchange->embeddings, api, &losses, &text);
    return keep_text(exchange, rc, &text, &losses, out, why, field);
}

static enum provider_service service_of(const struct exchange *exchange,
                                        const struct config_backend *backend) {
    return exchange->endpoint.kind == ENDPOINT_CHAT
               ? provider_service_for(backend->provider->provider.kind, exchange->dialect)
               : exchange->endpoint.service;
}

/* The whole request, or with `rest` for the rest of its answer. */
static int encode(struct exchange *exchange, const struct config_backend *backend,
                  enum provider_service service, const struct prefill *rest, struct encoded **out,
                  struct span *why, struct span *field) {
    const struct provider_kind *kind = backend->provider->provider.kind;
    bool chat = exchange->endpoint.kind == ENDPOINT_CHAT;
    const struct dialect *dialect = chat ? provider_service_dialect(service) : NULL;
    *why = *field = span_of("", 0);
    if (!(kind->services & 1u << service)) {
        *why = SPAN("its API has nothing of the kind");
        return -FAIL_UNSUPPORTED;
    }
    bool translated = chat && dialect != exchange->dialect;
    enum embeddings_api api = EMBEDDINGS_OPENAI;
    int rc;
    if (service == SERVICE_EMBEDDINGS)
        api = embeddings_api_of(span_str(kind->name), span_str(backend->base_model));
    if (translated)
        rc = written(exchange, backend, dialect, rest, out, why, field);
    else if (api != EMBEDDINGS_OPENAI)
        rc = respelt(exchange, api, out, why, field);
    else
        rc = edited(exchange, backend, dialect, rest, out);
    if (rc < 0)
        return rc;
    struct encoded *encoded = *out;
    encoded->service = service;
    encoded->dialect = dialect;
    encoded->translated = translated;
    encoded->embeddings = api;
    encoded->target = &backend->targets[service];
    bool whole = chat && exchange->req.whole_only && encoded->target->whole_path.n;
    encoded->path = whole ? encoded->target->whole_path : encoded->target->path;
    for (unsigned i = 0; i < encoded->piece_count; i++)
        encoded->length += encoded->pieces[i].n;
    return 0;
}

int encode_request(struct exchange *exchange, const struct config_backend *backend,
                   struct encoded **out, struct span *why, struct span *field) {
    return encode(exchange, backend, service_of(exchange, backend), NULL, out, why, field);
}

int encode_rest(struct exchange *exchange, const struct config_backend *backend,
                const struct stall_said *said, struct encoded **out, struct span *why,
                struct span *field) {
    const struct provider *provider = &backend->provider->provider;
    const struct model_facts *facts = model_facts_find(span_str(backend->base_model));
    enum provider_service service = service_of(exchange, backend);
    /* Some that answer Responses go on with an unfinished turn in chat completions only. */
    if (provider_prefill(provider, service, facts) == CHAT_PREFILL_NONE &&
        provider->kind->services & SERVICE_BIT(CHAT))
        service = SERVICE_CHAT;
    struct prefill rest = {
        .how = provider_prefill(provider, service, facts),
        .text = chat_text_span(&said->text),
        .tokens = said->pieces,
    };
    *why = *field = span_of("", 0);
    if (rest.how == CHAT_PREFILL_NONE) {
        *why = SPAN("it does not go on with an answer that was begun");
        return -FAIL_UNSUPPORTED;
    }
    int rc = encode(exchange, backend, service, &rest, out, why, field);
    if (rc < 0)
        return rc;
    (*out)->goes_on = true;
    (*out)->lost = span_from(rest.text, prefill_text(&rest).n);
    return 0;
}

/* --- heads --- */

static bool has_field(const struct http_head *head, struct span name) {
    for (unsigned i = 0; i < head->field_count; i++)
        if (span_eq_nocase(head->fields[i].name, name))
            return true;
    return false;
}

static void add_field(struct http_head *head, struct span name, struct span value) {
    if (value.n == 0)
        return;
    CHECK(head->field_count < HTTP_FIELDS_MAX);
    head->fields[head->field_count++] = (struct http_field){name, value};
}

/* The client's anthropic-beta names, as far as this cloud knows them: others would be answered with
 * 400 there (PROVIDERS.md 10, 27). */
static int add_betas(struct exchange *exchange, const struct provider_kind *kind,
                     struct http_head *head) {
    struct span rest = exchange->req.betas;
    struct json_out names;
    if (!kind->beta || rest.n == 0 || has_field(head, SPAN("anthropic-beta")))
        return 0;
    json_out_arena(&names, &exchange->arena, rest.n);
    while (rest.p) {
        struct span name = span_trim(span_cut(&rest, ','));
        if (name.n == 0 || !kind->beta(name))
            continue;
        if (names.n)
            json_out_raw(&names, SPAN(","));
        json_out_raw(&names, name);
    }
    add_field(head, SPAN("anthropic-beta"), json_out_span(&names));
    return names.full ? -FAIL_OVERLOAD : 0;
}

static int add_bearer(struct exchange *exchange, const struct credential *credential,
                      struct http_head *head) {
    if (!credential)
        return 0;
    if (credential->kind != CREDENTIAL_BEARER)
        return -FAIL_CREDENTIAL;
    struct span value = arena_printf(&exchange->arena, "Bearer %.*s", (int)credential->token.n,
                                     credential->token.p);
    add_field(head, SPAN("authorization"), value);
    return value.n ? 0 : -FAIL_OVERLOAD;
}

/* Everything that depends on this request or on a credential that changes. */
static int authorise(struct exchange *exchange, const struct config_provider *provider,
                     const struct encoded *encoded, int64_t now_s, struct http_head *head) {
    const struct provider_kind *kind = provider->provider.kind;
    struct credential credential, *given = NULL;
    if (provider->provider.credential) {
        if (!credential_read(provider->provider.credential, &exchange->arena, &credential))
            return -FAIL_CREDENTIAL;
        given = &credential;
    }
    if (!kind->sign)
        return add_bearer(exchange, given, head);
    struct upstreams_provider *own = &exchange->upstreams->providers[provider->index];
    struct sign_call call = {.method = head->method_name,
                             .path = head->target,
                             .authority = head->authority,
                             .pieces = encoded->pieces,
                             .piece_count = encoded->piece_count,
                             .now_s = now_s + own->skew_s,
                             .cache = &own->cache,
                             .arena = &exchange->arena,
                             .head = head};
    return kind->sign(&provider->provider, given, &call);
}

int encode_head(struct exchange *exchange, const struct config_backend *backend,
                const struct encoded *encoded, int64_t now_s, struct http_head *head) {
    const struct config_provider *provider = backend->provider;
    const struct provider_target *target = encoded->target;
    head->method = HTTP_POST;
    head->method_name = SPAN("POST");
    head->target = encoded->path;
    head->authority = span_str(provider->provider.authority);
    head->minor = 1;
    head->body = HTTP_BODY_LENGTH;
    head->body_length = encoded->length;
    head->keep_alive = true;
    head->expect_continue = head->upgrade = false;
    head->field_count = target->field_count;
    memcpy(head->fields, target->fields, target->field_count * sizeof target->fields[0]);
    add_field(head, SPAN("x-request-id"), exchange->id);
    add_field(head, SPAN("traceparent"), exchange->traceparent);
    int rc = add_betas(exchange, provider->provider.kind, head);
    return rc < 0 ? rc : authorise(exchange, provider, encoded, now_s, head);
}
