/* azure.c - Azure OpenAI: the OpenAI dialect under other URLs. (pure)
 *
 * Owns:     nothing; a target's memory is the arena's.
 * Promises: a deployment's name stays one segment of the path, whatever is in it. */
#include "providers/azure.h"

#include <errno.h>

#include "core/base.h"
#include "providers/openai_target.h"

/* "YYYY-MM-DD", before "-preview" */
#define DATE_LEN 10

bool azure_knows_stream_options(struct span api_version) {
    struct span since = SPAN("2024-09-01");
    /* "preview" and "latest" are newer than any date. */
    if (api_version.n < DATE_LEN || api_version.p[0] < '0' || api_version.p[0] > '9')
        return true;
    return memcmp(api_version.p, since.p, DATE_LEN) >= 0;
}

static struct span without(struct span text, struct span suffix) {
    return span_ends(text, suffix) ? span_of(text.p, text.n - suffix.n) : text;
}

static struct span prefix_of(const struct provider *provider) {
    return without(without(span_str(provider->path_prefix), SPAN("/v1")), SPAN("/openai"));
}

int azure_pass(const struct provider *provider, struct arena *arena, struct provider_target *out,
               struct span *why) {
    struct span prefix = prefix_of(provider);
    *out = (struct provider_target){.field_count = 0};
    if (provider->api_version)
        return 0;
    out->path = arena_printf(arena, "%.*s/openai/v1", (int)prefix.n, prefix.p);
    return openai_target_fields(provider, arena, out, why);
}

int azure_target(const struct provider *provider, enum provider_service service, struct span model,
                 struct arena *arena, struct provider_target *out, struct span *why) {
    struct span prefix = prefix_of(provider);
    struct span version = span_str(provider->api_version);
    const char *name = openai_service_path(service);
    struct span path;
    CHECK(name);
    *out = (struct provider_target){.field_count = 0};
    /* A segment "." or ".." would be folded away on the road, encoded or not. */
    if (!model.n || span_eq(model, SPAN(".")) || span_eq(model, SPAN(".."))) {
        *why = SPAN("the model must be the name of an Azure deployment");
        return -EINVAL;
    }
    struct span query = provider_encode_segment(version, arena);
    if (version.n && service == SERVICE_RESPONSES) {
        /* The one that has no deployment in its path. */
        path = arena_printf(arena, "%.*s/openai/responses?api-version=%.*s", (int)prefix.n,
                            prefix.p, (int)query.n, query.p);
    } else if (version.n) {
        struct span deployment = provider_encode_segment(model, arena);
        path =
            arena_printf(arena, "%.*s/openai/deployments/%.*s/%s?api-version=%.*s", (int)prefix.n,
                         prefix.p, (int)deployment.n, deployment.p, name, (int)query.n, query.p);
    } else {
        path = arena_printf(arena, "%.*s/openai/v1/%s", (int)prefix.n, prefix.p, name);
    }
    int rc = openai_target_path(out, path, why);
    return rc < 0 ? rc : openai_target_fields(provider, arena, out, why);
}
