/* table.c - the kinds of providers, made from kinds.def and the families below. (pure)
 *
 * Promises: the order is that of the listing; names are unique
 *           (tests/unit/providers/test_provider.c holds it to that). */
#include "core/base.h"
#include "providers/anthropic.h"
#include "providers/azure.h"
#include "providers/bedrock.h"
#include "providers/google.h"
#include "providers/oci.h"
#include "providers/provider.h"

#define KEY_NEEDED   false
#define KEY_OPTIONAL true

/* Providers of one family have the same way with URLs, errors and authorisation. */
#define FAMILY_OPENAI                                                       \
    .target = provider_target_openai, .classify = provider_classify_openai, \
    .pass = provider_pass_openai
#define FAMILY_AZURE \
    .target = azure_target, .classify = provider_classify_openai, .pass = azure_pass
#define FAMILY_ANTHROPIC                                                                    \
    .target = anthropic_target, .classify = anthropic_classify, .beta = anthropic_beta_any, \
    .pass = anthropic_pass
#define FAMILY_BEDROCK \
    .target = bedrock_target, .url = bedrock_url, .sign = bedrock_sign, .classify = bedrock_classify
#define FAMILY_BEDROCK_OPENAI                                                          \
    .target = provider_target_openai, .url = bedrock_openai_url, .sign = bedrock_sign, \
    .classify = bedrock_classify
#define FAMILY_GEMINI        .target = gemini_target, .classify = google_classify
#define FAMILY_VERTEX        .target = vertex_target, .url = vertex_url, .classify = google_classify
#define FAMILY_VERTEX_OPENAI .target = vertex_target, .url = vertex_url, .classify = google_classify
#define FAMILY_VERTEX_ANTHROPIC                                              \
    .target = vertex_target, .url = vertex_url, .classify = google_classify, \
    .beta = anthropic_beta_vertex
#define FAMILY_OCI \
    .target = oci_target, .url = oci_url, .sign = oci_provider_sign, .classify = oci_classify

/* (A, B, C) -> the bits of A, B and C, and A alone. */
#define BITS_1(a)                SERVICE_BIT(a)
#define BITS_2(a, b)             (SERVICE_BIT(a) | SERVICE_BIT(b))
#define BITS_3(a, b, c)          (BITS_2(a, b) | SERVICE_BIT(c))
#define BITS_4(a, b, c, d)       (BITS_3(a, b, c) | SERVICE_BIT(d))
#define PICK(a, b, c, d, n, ...) n
#define BITS(...)                PICK(__VA_ARGS__, BITS_4, BITS_3, BITS_2, BITS_1, )(__VA_ARGS__)
#define FIRST_(a, ...)           SERVICE_##a
#define FIRST(...)               FIRST_(__VA_ARGS__, )

const struct provider_kind *const provider_kinds[] = {
#define KIND(kind_name, otel, url_text, family, auth_kind, service_list, quirk_bits, key, fill) \
    &(const struct provider_kind){                                                              \
        .name = kind_name,                                                                      \
        .otel_name = otel,                                                                      \
        .base_url = url_text,                                                                   \
        .auth = PROVIDER_AUTH_##auth_kind,                                                      \
        .services = BITS service_list,                                                          \
        .service = FIRST service_list,                                                          \
        .quirks = quirk_bits,                                                                   \
        .key_optional = key,                                                                    \
        .prefill = CHAT_PREFILL_##fill,                                                         \
        FAMILY_##family,                                                                        \
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
    if (provider->s3_locations)
        quirks |= QUIRK_S3_LOCATIONS;
    return quirks;
}

/* DeepSeek's prefix works at its beta endpoint only, whose address the operator must have given. */
static bool is_beta(const struct provider *provider) {
    return span_starts(span_str(provider->path_prefix), SPAN("/beta"));
}

enum chat_prefill provider_prefill(const struct provider *provider, enum provider_service service,
                                   const struct model_facts *facts) {
    enum chat_prefill prefill = provider->kind->prefill;
    if (service == SERVICE_MESSAGES || service == SERVICE_CONVERSE) {
        bool takes = facts->facts & MODEL_CLAUDE && !(facts->facts & MODEL_NO_PREFILL);
        return takes ? prefill : CHAT_PREFILL_NONE;
    }
    if (service != SERVICE_CHAT)
        return CHAT_PREFILL_NONE;
    if (prefill == CHAT_PREFILL_BETA)
        return is_beta(provider) ? CHAT_PREFILL_PREFIX : CHAT_PREFILL_NONE;
    return prefill;
}

/* --- services --- */

static const struct {
    const char *name;
    const struct dialect *dialect;
} services[] = {
    [SERVICE_CHAT] = {"chat", &dialect_openai_chat},
    [SERVICE_RESPONSES] = {"responses", &dialect_openai_responses},
    [SERVICE_COMPLETIONS] = {"completions", &dialect_openai_completions},
    [SERVICE_MESSAGES] = {"messages", &dialect_anthropic},
    [SERVICE_GENERATE] = {"generate", &dialect_gemini},
    [SERVICE_CONVERSE] = {"converse", &dialect_converse},
    [SERVICE_EMBEDDINGS] = {"embeddings", NULL},
    [SERVICE_COUNT_TOKENS] = {"count_tokens", NULL},
};

const struct dialect *provider_service_dialect(enum provider_service service) {
    CHECK((unsigned)service < countof(services));
    return services[service].dialect;
}

const char *provider_service_name(enum provider_service service) {
    CHECK((unsigned)service < countof(services));
    return services[service].name;
}

enum provider_service provider_service_for(const struct provider_kind *kind,
                                           const struct dialect *dialect) {
    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        if (services[i].dialect == dialect && kind->services & 1u << i)
            return (enum provider_service)i;
    return kind->service;
}
