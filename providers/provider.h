/* provider.h - a provider: a dialect, where its endpoint is, how a request is authorised, and what
 * its answers mean. (pure)
 *
 * A kind is a row of table.c; a provider is a kind with an operator's settings. */
#ifndef HEDGEROW_PROVIDERS_PROVIDER_H
#define HEDGEROW_PROVIDERS_PROVIDER_H

#include "net/http.h"
#include "providers/dialect.h"

enum provider_auth {
    PROVIDER_AUTH_NONE,
    PROVIDER_AUTH_BEARER,  /* authorization: Bearer KEY */
    PROVIDER_AUTH_API_KEY, /* api-key: KEY */
};

/* Members that a kind wants spelled otherwise in an OpenAI chat request (PROVIDERS.md 2.6, 3.2). */
enum provider_quirk {
    QUIRK_MAX_TOKENS_ONLY = 1 << 0,   /* max_completion_tokens is unknown: say max_tokens */
    QUIRK_NO_DEVELOPER_ROLE = 1 << 1, /* developer messages are sent as system */
    QUIRK_NO_STREAM_OPTIONS = 1 << 2, /* stream_options is refused */
    QUIRK_USAGE_ON_FINISH = 1 << 3,   /* usage comes without being asked for */
    QUIRK_MODEL_IN_PATH = 1 << 4,     /* the body's model is not read, and stays the client's */
};

/* An operator's provider. Strings are owned by the configuration snapshot and NUL-terminated. */
struct provider {
    const char *name;
    const struct provider_kind *kind;
    bool tls;
    const char *host; /* name or IP literal, without brackets */
    uint16_t port;
    const char *authority;   /* as it stands in Host: host, and :port if not the scheme's default */
    const char *path_prefix; /* "/v1" or "" ; no final slash */
    const char *api_key;     /* NULL: none */
    const char *api_version; /* azure: deployment style when set; NULL: v1 style */
    const char *region;      /* data-residency tag or NULL */
    const struct http_field *headers;
    unsigned header_count;
};

/* The fixed part of the request head for one (provider, model): made once per configuration, const
 * afterwards. */
struct provider_target {
    struct span path; /* with query */
    struct http_field fields[HTTP_FIELDS_MAX / 4];
    unsigned field_count;
};

/* What an answer that is not a stream of events means. */
struct provider_verdict {
    enum fail why;           /* FAIL_NONE for 2xx */
    uint64_t retry_after_ms; /* 0: the answer did not say */
    struct chat_error error; /* spans into the body */
};

struct provider_kind {
    const char *name;      /* as in the configuration */
    const char *otel_name; /* gen_ai.provider.name of the OpenTelemetry conventions */
    const struct dialect *dialect;
    const char *base_url; /* default, or NULL: the operator must give base_url or endpoint */
    enum provider_auth auth;
    unsigned quirks;   /* enum provider_quirk bits */
    bool key_optional; /* may go without api_key (self-hosted) */
    /* Path and fixed fields. 0, or -EINVAL with a sentence in why (arena or static). Memory comes
     * from arena and lives as long as it. */
    int (*target)(const struct provider *, struct span model, struct arena *arena,
                  struct provider_target *out, struct span *why);
    /* Status and body (complete, or its first ERROR_BODY_MAX_BYTES) of a non-2xx answer. */
    void (*classify)(const struct provider *, const struct http_head *head, struct span body,
                     struct provider_verdict *out);
};

/* The kinds, in the order of the listing; NULL-terminated. */
extern const struct provider_kind *const provider_kinds[];
const struct provider_kind *provider_kind_find(struct span name);
/* The quirks of one provider: its kind's, and those of its settings (an old api_version at Azure).
 * For edit_request. */
unsigned provider_quirks(const struct provider *);
/* Retry-After and retry-after-ms of a head (RFC 9110 10.2.3, delta seconds, fractions allowed as
 * SDKs do), in ms; 0 if absent, in the past or > 1 h. HTTP dates are measured from the head's own
 * Date, else from now_s (Unix time; 0: not known, a date is then ignored). */
uint64_t provider_retry_after_ms(const struct http_head *head, int64_t now_s);
/* The classification that all OpenAI-shaped providers share (PROVIDERS.md 5.2). */
void provider_classify_openai(const struct provider *, const struct http_head *head,
                              struct span body, struct provider_verdict *out);
int provider_target_openai(const struct provider *, struct span model, struct arena *arena,
                           struct provider_target *out, struct span *why);

#endif
