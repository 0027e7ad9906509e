/* relay_models.c - GET /v1/models: the names that a key may use, as the client's dialect lists them
 * (PROVIDERS.md 4.4). */
#include "appliance/race/exchange.h"
#include "core/base.h"

/* One of the three forms of the listing. */
struct listing {
    void (*model)(struct json_out *out, const struct config_model *model);
    struct span list;                   /* the member that holds the array */
    void (*head)(struct json_out *out); /* what stands before it; or NULL */
    /* what stands behind it; or NULL */
    void (*tail)(struct json_out *out, const struct config_model *first,
                 const struct config_model *last);
};

static void member(struct json_out *out, struct span name, const char *text) {
    json_out_key(out, name);
    json_out_string(out, span_str(text));
}

static void openai_model(struct json_out *out, const struct config_model *model) {
    json_out_object(out);
    member(out, SPAN("id"), model->name);
    member(out, SPAN("object"), "model");
    json_out_key(out, SPAN("created"));
    json_out_int(out, 0);
    member(out, SPAN("owned_by"), "hedgerow");
    json_out_object_end(out);
}

static void openai_head(struct json_out *out) { member(out, SPAN("object"), "list"); }

static void anthropic_model(struct json_out *out, const struct config_model *model) {
    json_out_object(out);
    member(out, SPAN("type"), "model");
    member(out, SPAN("id"), model->name);
    member(out, SPAN("display_name"), model->name);
    member(out, SPAN("created_at"), "1970-01-01T00:00:00Z"); /* not known */
    json_out_object_end(out);
}

static void anthropic_tail(struct json_out *out, const struct config_model *first,
                           const struct config_model *last) {
    json_out_key(out, SPAN("has_more"));
    json_out_bool(out, false);
    json_out_key(out, SPAN("first_id"));
    if (first)
        json_out_string(out, span_str(first->name));
    else
        json_out_null(out);
    json_out_key(out, SPAN("last_id"));
    if (last)
        json_out_string(out, span_str(last->name));
    else
        json_out_null(out);
}

static void gemini_model(struct json_out *out, const struct config_model *model) {
    json_out_object(out);
    json_out_key(out, SPAN("name"));
    json_out_string_begin(out);
    json_out_string_part(out, SPAN("models/"), false);
    json_out_string_part(out, span_str(model->name), false);
    json_out_string_end(out);
    member(out, SPAN("displayName"), model->name);
    json_out_key(out, SPAN("supportedGenerationMethods"));
    json_out_array(out);
    json_out_string(out, SPAN("generateContent"));
    json_out_array_end(out);
    json_out_object_end(out);
}

static void write_all(struct exchange *exchange, const struct listing *listing,
                      struct json_out *out) {
    const struct config *config = exchange->upstreams->config;
    const struct config_model *first = NULL, *last = NULL;
    json_out_object(out);
    if (listing->head)
        listing->head(out);
    json_out_key(out, listing->list);
    json_out_array(out);
    for (unsigned i = 0; i < config->model_count; i++) {
        const struct config_model *model = &config->models[i];
        if (!config_key_allows(exchange->key, model))
            continue;
        listing->model(out, model);
        first = first ? first : model;
        last = model;
    }
    json_out_array_end(out);
    if (listing->tail)
        listing->tail(out, first, last);
    json_out_object_end(out);
}

void relay_models(struct exchange *exchange, bool anthropic) {
    static const struct listing openai = {openai_model, SPAN_CONST("data"), openai_head, NULL},
                                claude = {anthropic_model, SPAN_CONST("data"), NULL,
                                          anthropic_tail},
                                gemini = {gemini_model, SPAN_CONST("models"), NULL, NULL};
    const struct listing *listing = exchange->dialect == &dialect_gemini ? &gemini
                                    : anthropic                          ? &claude
                                                                         : &openai;
    struct json_out out;
    json_out_arena(&out, &exchange->arena, 1024);
    if (anthropic)
        exchange->dialect = &dialect_anthropic; /* an error is told in it too */
    if (exchange->endpoint.model.n) {
        struct span name = endpoint_decode(exchange->endpoint.model, &exchange->arena);
        const struct config_model *model = config_model_find(exchange->upstreams->config, name);
        if (!model || !config_key_allows(exchange->key, model)) {
            relay_refuse(exchange, FAIL_NO_MODEL,
                         SPAN("there is no such model; GET /v1/models lists those that there are"),
                         SPAN("model"));
            return;
        }
        listing->model(&out, model);
    } else {
        write_all(exchange, listing, &out);
    }
    if (out.full)
        relay_refuse(exchange, FAIL_OVERLOAD, span_of("", 0), span_of("", 0));
    else
        relay_json(exchange, 200, json_out_span(&out));
}
