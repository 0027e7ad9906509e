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

static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* Percent-encoded (RFC 3986 2.1): nothing in it can end the segment or begin a query. */
static struct span encode(struct span text, struct arena *arena) {
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, text.n * 3), *p = out;
    if (!out)
        return span_of(NULL, 0);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (is_unreserved(text.p[i])) {
            *p++ = text.p[i];
            continue;
        }
        *p++ = '%';
        *p++ = hex[c >> 4];
        *p++ = hex[c & 15];
    }
    return span_of(out, (size_t)(p - out));
}

static struct span without(struct span text, struct span suffix) {
    return span_ends(text, suffix) ? span_of(text.p, text.n - suffix.n) : text;
}

int azure_target(const struct provider *provider, struct span model, struct arena *arena,
                 struct provider_target *out, struct span *why) {
    struct span prefix =
        without(without(span_str(provider->path_prefix), SPAN("/v1")), SPAN("/openai"));
    struct span version = span_str(provider->api_version);
    struct span path;
    *out = (struct provider_target){.field_count = 0};
    /* A segment "." or ".." would be folded away on the road, encoded or not. */
    if (!model.n || span_eq(model, SPAN(".")) || span_eq(model, SPAN(".."))) {
        *why = SPAN("the model must be the name of an Azure deployment");
        return -EINVAL;
    }
    if (version.n) {
        struct span name = encode(model, arena), query = encode(version, arena);
        path = arena_printf(arena, "%.*s/openai/deployments/%.*s/chat/completions?api-version=%.*s",
                            (int)prefix.n, prefix.p, (int)name.n, name.p, (int)query.n, query.p);
    } else {
        path = arena_printf(arena, "%.*s/openai/v1/chat/completions", (int)prefix.n, prefix.p);
    }
    int rc = openai_target_path(out, path, why);
    return rc < 0 ? rc : openai_target_fields(provider, arena, out, why);
}
