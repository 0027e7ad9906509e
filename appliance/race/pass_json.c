/* pass_json.c - JSON bodies that are passed through: the model that they name decides where to. (See
 * pass.h.) */
#include "appliance/race/exchange.h"
#include "appliance/race/pass_parts.h"

/* The model's first backend that can be passed to; NULL: none. */
static const struct config_backend *backend_for(const struct exchange *exchange,
                                                const struct config_model *model) {
    for (unsigned i = 0; i < model->backend_count; i++) {
        const struct config_provider *provider = model->backends[i].provider;
        if (provider->pass.path.p && pass_in_region(exchange, provider))
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
        provider = pass_provider(exchange);
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
    pass_start(pass, provider);
}
