/* endpoint.c - the paths that clients ask for. See endpoint.h. (pure) */
#include "appliance/race/endpoint.h"

#include "core/base.h"

/* Behind /v1 or at the root (INTERFACE.md "Endpoints"). */
static const struct {
    struct span path;
    enum endpoint_kind kind;
    enum provider_service service;
    const struct dialect *dialect;
} rows[] = {
    {SPAN_CONST("/chat/completions"), ENDPOINT_CHAT, SERVICE_CHAT, &dialect_openai_chat},
    {SPAN_CONST("/responses"), ENDPOINT_CHAT, SERVICE_RESPONSES, &dialect_openai_responses},
    {SPAN_CONST("/completions"), ENDPOINT_CHAT, SERVICE_COMPLETIONS, &dialect_openai_completions},
    {SPAN_CONST("/messages"), ENDPOINT_CHAT, SERVICE_MESSAGES, &dialect_anthropic},
    {SPAN_CONST("/messages/count_tokens"), ENDPOINT_COUNT_TOKENS, SERVICE_COUNT_TOKENS,
     &dialect_anthropic},
    {SPAN_CONST("/embeddings"), ENDPOINT_EMBEDDINGS, SERVICE_EMBEDDINGS, &dialect_openai_chat},
};

/* Google's versions; its SDK in the mode for Vertex puts project and location between them and the
 * model. */
static const struct span google_versions[] = {SPAN_CONST("/v1beta/"), SPAN_CONST("/v1beta1/"),
                                              SPAN_CONST("/v1/"), SPAN_CONST("/")};

static bool read_generate(struct span path, struct endpoint *out) {
    static const struct {
        struct span suffix;
        bool stream;
    } methods[] = {{SPAN_CONST(":generateContent"), false},
                   {SPAN_CONST(":streamGenerateContent"), true}};
    struct span marker = SPAN("models/");
    for (unsigned i = 0; i < countof(methods); i++) {
        size_t at = span_search(path, marker);
        if (!span_ends(path, methods[i].suffix) || at == path.n || path.p[at - 1] != '/')
            continue;
        bool known = false;
        for (unsigned v = 0; v < countof(google_versions); v++) {
            bool direct = at == google_versions[v].n;
            known |=
                span_starts(path, google_versions[v]) &&
                (direct || span_starts(span_from(path, google_versions[v].n), SPAN("projects/")));
        }
        struct span model = span_from(path, at + marker.n);
        model.n -= min_size(model.n, methods[i].suffix.n);
        if (!known || model.n == 0)
            continue;
        *out = (struct endpoint){.kind = ENDPOINT_CHAT,
                                 .dialect = &dialect_gemini,
                                 .service = SERVICE_GENERATE,
                                 .model = model,
                                 .stream = methods[i].stream};
        return true;
    }
    return false;
}

static bool read_models(struct span path, struct endpoint *out) {
    static const struct {
        struct span path;
        const struct dialect *dialect;
    } lists[] = {{SPAN_CONST("/v1/models"), &dialect_openai_chat},
                 {SPAN_CONST("/models"), &dialect_openai_chat},
                 {SPAN_CONST("/v1beta/models"), &dialect_gemini}};
    for (unsigned i = 0; i < countof(lists); i++) {
        struct span rest = span_from(path, lists[i].path.n);
        if (!span_starts(path, lists[i].path) || (rest.n && rest.p[0] != '/'))
            continue;
        *out = (struct endpoint){.kind = ENDPOINT_MODELS,
                                 .dialect = lists[i].dialect,
                                 .get = true,
                                 .model = span_from(rest, 1)};
        return true;
    }
    return false;
}

struct endpoint endpoint_of(struct span path) {
    struct endpoint out = {.kind = ENDPOINT_NONE, .dialect = &dialect_openai_chat};
    bool versioned = span_starts(path, SPAN("/v1/"));
    struct span rest = versioned ? span_from(path, 3) : path;
    if (span_eq(path, SPAN("/health"))) {
        out.kind = ENDPOINT_HEALTH;
        out.get = true;
        return out;
    }
    for (unsigned i = 0; i < countof(rows); i++)
        if (span_eq(rest, rows[i].path))
            return (struct endpoint){
                .kind = rows[i].kind, .dialect = rows[i].dialect, .service = rows[i].service};
    if (read_generate(path, &out) || read_models(path, &out))
        return out;
    if (versioned && rest.n > 1)
        out.kind = ENDPOINT_PASS;
    return out;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

struct span endpoint_decode(struct span text, struct arena *arena) {
    char *out = arena_alloc(arena, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < text.n; i++) {
        if (text.p[i] != '%') {
            out[n++] = text.p[i];
            continue;
        }
        if (i + 2 >= text.n)
            return span_of(NULL, 0);
        int a = hex_digit(text.p[i + 1]), b = hex_digit(text.p[i + 2]);
        if (a < 0 || b < 0)
            return span_of(NULL, 0);
        out[n++] = (char)(a << 4 | b);
        i += 2;
    }
    return out ? span_of(out, n) : span_of(NULL, 0);
}
