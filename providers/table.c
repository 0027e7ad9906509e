/* table.c - the kinds of providers, made from kinds.def. (pure)
 *
 * Promises: the order is that of the listing; names are unique
 *           (tests/unit/providers/test_provider.c holds it to that). */
#include "providers/azure.h"
#include "providers/provider.h"

#define KEY_NEEDED    false
#define KEY_OPTIONAL  true
#define TARGET_OPENAI provider_target_openai
#define TARGET_AZURE  azure_target

const struct provider_kind *const provider_kinds[] = {
#define KIND(kind_name, otel, url, target_kind, auth_kind, quirk_bits, key) \
    &(const struct provider_kind){                                          \
        .name = kind_name,                                                  \
        .otel_name = otel,                                                  \
        .dialect = &dialect_openai_chat,                                    \
        .base_url = url,                                                    \
        .auth = PROVIDER_AUTH_##auth_kind,                                  \
        .quirks = quirk_bits,                                               \
        .key_optional = key,                                                \
        .target = TARGET_##target_kind,                                     \
        .classify = provider_classify_openai,                               \
    },
#include "providers/kinds.def"
#undef KIND
    NULL,
};

const struct provider_kind *provider_kind_find(struct span name) {
    for (unsigned i = 0; provider_kinds[i]; i++)
        if (span_eq(name, span_str(provider_kinds[i]->name)))
            return provider_kinds[i];
    return NULL;
}

unsigned provider_quirks(const struct provider *provider) {
    unsigned quirks = provider->kind->quirks;
    if (provider->kind->target == azure_target &&
        !azure_knows_stream_options(span_str(provider->api_version)))
        quirks |= QUIRK_NO_STREAM_OPTIONS;
    return quirks;
}
