/* anthropic.c - what the providers of the Messages API share: where to send, with which fields, and
 * what their answers mean. (pure)
 *
 * Owns:     nothing; a target's memory is the arena's. */
#include "providers/anthropic.h"

#include <errno.h>

#include "providers/openai_target.h"

/* --- target --- */

static struct span without(struct span text, struct span suffix) {
    return span_ends(text, suffix) ? span_of(text.p, text.n - suffix.n) : text;
}

/* anthropic-version, unless the operator's own fields have one. */
static int add_version(struct provider_target *out, struct span *why) {
    struct span name = SPAN("anthropic-version");
    for (unsigned i = 0; i < out->field_count; i++)
        if (span_eq_nocase(out->fields[i].name, name))
            return 0;
    if (out->field_count == countof(out->fields)) {
        *why = SPAN("there are too many headers");
        return -EINVAL;
    }
    out->fields[out->field_count++] =
        (struct http_field){.name = name, .value = SPAN(ANTHROPIC_VERSION)};
    return 0;
}

int anthropic_pass(const struct provider *provider, struct arena *arena,
                   struct provider_target *out, struct span *why) {
    struct span prefix = without(span_str(provider->path_prefix), SPAN("/v1"));
    *out =
        (struct provider_target){.path = arena_printf(arena, "%.*s/v1", (int)prefix.n, prefix.p)};
    int rc = openai_target_fields(provider, arena, out, why);
    return rc < 0 ? rc : add_version(out, why);
}

int anthropic_target(const struct provider *provider, enum provider_service service,
                     struct span model, struct arena *arena, struct provider_target *out,
                     struct span *why) {
    (void)model; /* stands in the body */
    CHECK(service == SERVICE_MESSAGES || service == SERVICE_COUNT_TOKENS);
    /* Anthropic's own SDKs add /v1 to the base URL, OpenAI's do not: operators write either. */
    struct span prefix = without(span_str(provider->path_prefix), SPAN("/v1"));
    *out = (struct provider_target){.field_count = 0};
    int rc =
        openai_target_path(out,
                           arena_printf(arena, "%.*s/v1/messages%s", (int)prefix.n, prefix.p,
                                        service == SERVICE_COUNT_TOKENS ? "/count_tokens" : ""),
                           why);
    if (rc == 0)
        rc = openai_target_fields(provider, arena, out, why);
    return rc < 0 ? rc : add_version(out, why);
}

/* --- what an answer means --- */

static const struct {
    struct span part;
    enum fail fail;
} message_rows[] = {
#define ANTHROPIC_MESSAGE(part, fail) {SPAN_CONST(part), FAIL_##fail},
#include "providers/anthropic_errors.def"
};

void anthropic_classify(const struct provider *provider, const struct http_head *head,
                        struct span body, struct provider_verdict *out) {
    provider_classify_openai(provider, head, body, out);
    anthropic_read_error(body, &out->error);
    if (out->why != FAIL_REFUSED)
        return;
    for (unsigned i = 0; i < countof(message_rows); i++)
        if (span_search(out->error.message, message_rows[i].part) < out->error.message.n) {
            out->why = message_rows[i].fail;
            return;
        }
}

/* --- betas --- */

static const struct span vertex_betas[] = {
#define ANTHROPIC_VERTEX_BETA(name) SPAN_CONST(name),
#include "providers/anthropic_betas.def"
#undef ANTHROPIC_VERTEX_BETA
};

bool anthropic_beta_any(struct span name) { return http_is_token(name); }

bool anthropic_beta_vertex(struct span name) {
    for (unsigned i = 0; i < countof(vertex_betas); i++)
        if (span_eq(name, vertex_betas[i]))
            return true;
    return false;
}
