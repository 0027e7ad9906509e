/* config_models.c - the names that clients ask for, and who can answer.
 *
 * Owns:     nothing; arrays are the snapshot's.
 * Promises: each backend has its provider, its target and an id of its own, counted over all models
 *           without a hole; no name or alias means two models; no model falls back on itself. */
#include "appliance/control/config_names.h"
#include "appliance/control/config_parts.h"

/* A model whose backends and references are still to be read. */
struct draft {
    struct config_model_draft d;
    const struct config_node *map;
    const char *where;
};

static const struct config_provider *find_provider(struct config_reader *r, const char *name) {
    for (unsigned i = 0; i < r->config->provider_count; i++)
        if (strcmp(r->config->providers[i].provider.name, name) == 0)
            return &r->config->providers[i];
    return NULL;
}

static void unknown_provider(struct config_reader *r, const struct config_node *node,
                             const char *where, const char *name) {
    struct config_nearest nearest = {.wanted = span_str(name)};
    char hint[CONFIG_NEAREST_TEXT];
    for (unsigned i = 0; i < r->config->provider_count; i++)
        config_nearest_offer(&nearest, span_str(r->config->providers[i].provider.name));
    config_setting_error(r, node, "%s.provider: there is no \"%.*s\" under providers%s", where,
                         CONFIG_SHOWN(node), config_nearest_text(&nearest, hint, sizeof hint));
}

static void read_price(struct config_reader *r, const struct config_node *map, const char *where,
                       struct config_price *price) {
    where = config_setting_where(r, where, SPAN("price"));
    if (!config_setting_read(r, CONFIG_SECTION_price, map, where, price))
        return;
    if (!config_node_find(map, SPAN("cached_input")))
        price->cached_input_pico = price->input_pico;
    price->known = true;
}

/* What the price file says of it, if anything. */
static void find_price(struct config_reader *r, struct config_backend *backend) {
    const struct provider_kind *kind = backend->provider->provider.kind;
    const struct price *price =
        kind ? prices_find(&r->prices, span_str(kind->name), span_str(backend->base_model)) : NULL;
    if (!price)
        return;
    backend->price = (struct config_price){.known = true,
                                           .input_pico = price->input_pico,
                                           .cached_input_pico = price->cached_input_pico,
                                           .output_pico = price->output_pico};
}

static void read_target(struct config_reader *r, const struct config_node *map, const char *where,
                        struct config_backend *backend) {
    const struct provider *provider = &backend->provider->provider;
    struct span why = {NULL, 0};
    /* A provider with an error of its own has no address to make a path for. */
    if (!provider->kind || !provider->host)
        return;
    backend->targets = config_setting_alloc(r, SERVICE_COUNT * sizeof *backend->targets);
    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        if (!(provider->kind->services & 1u << i))
            continue;
        if (provider->kind->target(provider, (enum provider_service)i, span_str(backend->model),
                                   r->keep, &backend->targets[i], &why) == 0)
            continue;
        config_setting_error(r, map, "%s: %.*s", where, (int)min_size(why.n, 256),
                             why.p ? why.p : "");
        return;
    }
}

static void read_backend(struct config_reader *r, const struct config_node *map, const char *where,
                         struct config_model *model, struct config_backend *backend) {
    struct config_backend_draft draft = {.provider = NULL};
    config_setting_defaults(r, CONFIG_SECTION_backend, &draft);
    if (!config_setting_read(r, CONFIG_SECTION_backend, map, where, &draft))
        return;
    backend->model = draft.model;
    backend->base_model = draft.base_model ? draft.base_model : draft.model;
    backend->weight = draft.weight;
    if (draft.price)
        read_price(r, draft.price, where, &backend->price);
    backend->provider = find_provider(r, draft.provider);
    if (!backend->provider) {
        unknown_provider(r, config_node_find(map, SPAN("provider")), where, draft.provider);
        return;
    }
    for (const struct config_backend *other = model->backends; other < backend; other++)
        if (other->provider == backend->provider && strcmp(other->model, backend->model) == 0)
            config_setting_error(
                r, map,
                "%s: backends[%u] is the same provider and model; hedging against oneself "
                "gains nothing, remove one",
                where, other->index);
    if (!draft.price)
        find_price(r, backend);
    read_target(r, map, where, backend);
}

static void read_backends(struct config_reader *r, const struct draft *draft,
                          struct config_model *model) {
    const char *where = config_setting_where(r, draft->where, SPAN("backends"));
    unsigned count = config_count(r, draft->d.backends, where, BACKENDS_MAX), at = 0;
    model->backends = config_setting_alloc(r, count * sizeof *model->backends);
    model->backend_count = count;
    for (const struct config_entry *e = draft->d.backends->first; e && at < count;
         e = e->next, at++) {
        struct config_backend *backend = &model->backends[at];
        backend->index = at;
        backend->model_index = model->index;
        backend->id = r->config->backend_count++;
        read_backend(r, e->value, config_setting_item(r, where, at), model, backend);
    }
    if (model->strategy != STRATEGY_CHEAPEST)
        return;
    for (at = 0; at < count; at++)
        if (!model->backends[at].price.known)
            config_setting_error(
                r, config_node_find(draft->map, SPAN("strategy")),
                "%s.strategy: cheapest needs the price of every backend; backends[%u] has none",
                draft->where, at);
}

static void read_fallback(struct config_reader *r, const struct draft *draft,
                          const struct config_names *names, struct config_model *model) {
    const struct config_node **nodes;
    const char *where = config_setting_where(r, draft->where, SPAN("fallback"));
    unsigned count, backends = model->backend_count;
    const char **texts = config_texts(r, draft->d.fallback, where, BACKENDS_MAX, &count, &nodes);
    model->fallback = config_setting_alloc(r, (count + 1) * sizeof *model->fallback);
    for (unsigned i = 0; i < count; i++) {
        const struct config_model *other = config_names_find(names, span_str(texts[i]));
        struct config_nearest nearest = {.wanted = span_str(texts[i])};
        char hint[CONFIG_NEAREST_TEXT];
        for (unsigned m = 0; !other && m < r->config->model_count; m++)
            config_nearest_offer(&nearest, span_str(r->config->models[m].name));
        if (!other)
            config_setting_error(r, nodes[i], "%s: there is no model \"%.*s\"%s", where,
                                 CONFIG_SHOWN(nodes[i]),
                                 config_nearest_text(&nearest, hint, sizeof hint));
        else if (other == model)
            config_setting_error(r, nodes[i], "%s: the model cannot be its own fallback", where);
        else
            model->fallback[model->fallback_count++] = other;
        backends += other && other != model ? other->backend_count : 0;
    }
    if (backends > BACKENDS_MAX * 2)
        config_setting_error(
            r, draft->d.fallback,
            "%s: the model and its fallbacks have %u backends together; there may be %d", where,
            backends, BACKENDS_MAX * 2);
}

void config_hedge_read(struct config_reader *r, const struct config_node *map, const char *where,
                       struct config_hedge *hedge) {
    config_setting_read(r, CONFIG_SECTION_hedge, map, where, hedge);
    /* The default budget is adaptive's; one that was written down binds every delayed start. */
    if (map->kind == CONFIG_MAP && config_node_find(map, SPAN("request_budget")))
        hedge->request_budget_given = true;
}

/* Everything but what refers to other models. */
static void read_model(struct config_reader *r, struct draft *draft, struct config_model *model) {
    config_setting_defaults(r, CONFIG_SECTION_model, &draft->d);
    model->hedge = r->hedge;
    model->timeouts = r->timeouts;
    bool good = config_setting_read(r, CONFIG_SECTION_model, draft->map, draft->where, &draft->d);
    if (draft->map->kind != CONFIG_MAP)
        return;
    model->strategy = draft->d.strategy;
    model->lenient = draft->d.lenient;
    model->affinity = draft->d.affinity;
    if (draft->d.hedge)
        config_hedge_read(r, draft->d.hedge, config_setting_where(r, draft->where, SPAN("hedge")),
                          &model->hedge);
    if (draft->d.timeouts)
        config_setting_read(r, CONFIG_SECTION_timeouts, draft->d.timeouts,
                            config_setting_where(r, draft->where, SPAN("timeouts")),
                            &model->timeouts);
    if (good)
        read_backends(r, draft, model);
}

static void enter_name(struct config_reader *r, struct config_names *names,
                       const struct config_node *node, const char *where, const char *name,
                       const struct config_model *model) {
    const struct config_model *other = config_names_put(names, span_str(name), model);
    /* A model's name given twice is reported where the file is read: keys of a map. */
    if (other && !(strcmp(other->name, name) == 0 && strcmp(model->name, name) == 0))
        config_setting_error(r, node, "%s: \"%.*s\" is a name of model %.64s already", where,
                             CONFIG_SHOWN(node), other->name);
}

static void read_aliases(struct config_reader *r, const struct draft *draft,
                         struct config_names *names, struct config_model *model) {
    const struct config_node **nodes;
    const char *where = config_setting_where(r, draft->where, SPAN("aliases"));
    model->aliases =
        config_texts(r, draft->d.aliases, where, CONFIG_ALIASES_MAX, &model->alias_count, &nodes);
    for (unsigned i = 0; i < model->alias_count; i++)
        enter_name(r, names, nodes[i], where, model->aliases[i], model);
}

void config_models_read(struct config_reader *r, const struct config_node *map) {
    unsigned count = config_count(r, map, "models", CONFIG_MODELS_MAX), at = 0;
    struct draft *drafts = arena_zalloc(r->scratch, (count + 1) * sizeof *drafts);
    struct config_model *models = config_setting_alloc(r, count * sizeof *models);
    struct config_names names;
    CHECK(drafts);
    config_names_init(&names, r->scratch, count * (1 + CONFIG_ALIASES_MAX));
    r->config->models = models;
    r->config->model_count = count;
    for (const struct config_entry *e = map->first; e && at < count; e = e->next, at++) {
        const char *name = config_setting_key(r, e->key, "models", false);
        models[at].name = name ? name : "";
        models[at].index = at;
        drafts[at] = (struct draft){.map = e->value,
                                    .where = config_setting_where(r, "models", e->key->text)};
        read_model(r, &drafts[at], &models[at]);
        enter_name(r, &names, e->key, "models", models[at].name, &models[at]);
    }
    /* Names before aliases before fallbacks: each may refer to what stands further down in the
     * file. */
    for (at = 0; at < count; at++)
        if (drafts[at].d.aliases)
            read_aliases(r, &drafts[at], &names, &models[at]);
    for (at = 0; at < count; at++)
        if (drafts[at].d.fallback)
            read_fallback(r, &drafts[at], &names, &models[at]);
}
