/* provider.h - a provider: a dialect, where its endpoint is, how a request is authorised, and what
 * its answers mean. (pure)
 *
 * A kind is a row of table.c; a provider is a kind with an operator's settings. */
#ifndef HEDGEROW_PROVIDERS_PROVIDER_H
#define HEDGEROW_PROVIDERS_PROVIDER_H

#include "net/http.h"
#include "providers/dialect.h"
#include "providers/sign.h"

enum provider_auth {
    PROVIDER_AUTH_NONE,
    PROVIDER_AUTH_BEARER,     /* authorization: Bearer KEY */
    PROVIDER_AUTH_API_KEY,    /* api-key: KEY */
    PROVIDER_AUTH_X_API_KEY,  /* x-api-key: KEY */
    PROVIDER_AUTH_X_GOOG_KEY, /* x-goog-api-key: KEY */
};

/* What a provider can be asked for. Each has its URL; each but the counting one its dialect. */
enum provider_service {
    SERVICE_CHAT,         /* OpenAI chat completions */
    SERVICE_RESPONSES,    /* OpenAI Responses */
    SERVICE_COMPLETIONS,  /* OpenAI completions, the old ones */
    SERVICE_MESSAGES,     /* Anthropic messages */
    SERVICE_GENERATE,     /* Gemini generateContent */
    SERVICE_CONVERSE,     /* Bedrock Converse */
    SERVICE_EMBEDDINGS,   /* embeddings: OpenAI's, or the model's own (embeddings_apis.def) */
    SERVICE_COUNT_TOKENS, /* Anthropic count_tokens */
    SERVICE_COUNT
};
#define SERVICE_BIT(service) (1u << SERVICE_##service)
/* The dialect of a service; NULL for EMBEDDINGS and COUNT_TOKENS, whose bodies are not chats. */
const struct dialect *provider_service_dialect(enum provider_service);
const char *provider_service_name(enum provider_service); /* "chat", "messages" ... */

/* Members that a kind wants spelled otherwise in an OpenAI chat request (PROVIDERS.md 2.6, 3.2). */
enum provider_quirk {
    QUIRK_MAX_TOKENS_ONLY = 1 << 0,   /* max_completion_tokens is unknown: say max_tokens */
    QUIRK_NO_DEVELOPER_ROLE = 1 << 1, /* developer messages are sent as system */
    QUIRK_NO_STREAM_OPTIONS = 1 << 2, /* stream_options is refused */
    QUIRK_USAGE_ON_FINISH = 1 << 3,   /* usage comes without being asked for */
    QUIRK_MODEL_IN_PATH = 1 << 4,     /* the body's model is not read, and stays the client's */
    /* Anthropic messages on Vertex: no model in the body, anthropic_version "vertex-2023-10-16" */
    QUIRK_CLAUDE_ON_VERTEX = 1 << 5,
    QUIRK_NO_SCHEMA = 1 << 6,      /* response_format json_schema is refused */
    QUIRK_NO_CALL_IDS = 1 << 7,    /* Gemini on Vertex: functionCall.id is refused */
    QUIRK_REASONING_BACK = 1 << 8, /* assistant turns with tool calls want reasoning_content back */
    QUIRK_NO_REMOTE_IMAGES = 1 << 9, /* images by URL are refused */
    QUIRK_S3_LOCATIONS = 1 << 10,    /* s3:// URLs may be named (a setting: s3_locations) */
    /* Mistral: tool call ids are exactly 9 of [A-Za-z0-9], and seed is called random_seed */
    QUIRK_CALL_IDS_9 = 1 << 11,
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
    const char *region;      /* kinds bedrock, oci: the cloud's own; or NULL */
    const char *residency;   /* data-residency tag; NULL: the region is */
    const char *project, *location;     /* kinds vertex*: NULL when not given */
    const char *compartment;            /* kind oci: OCID, or NULL */
    bool s3_locations;                  /* kind bedrock: clients may name S3 objects */
    struct credential_cell *credential; /* NULL: what authorises is in the target, or nothing is */
    struct oci_key *oci_key;            /* kind oci; owned by the snapshot */
    const struct http_field *headers;
    unsigned header_count;
};

/* The fixed part of the request head for one (provider, model, service): made once per
 * configuration, const afterwards. */
struct provider_target {
    struct span path;       /* with query; for chats: that streams */
    struct span whole_path; /* for chats that cannot be streamed; empty: the same path */
    struct http_field fields[HTTP_FIELDS_MAX / 4];
    unsigned field_count;
};

/* The data-residency tag, or an empty span: nothing is promised. */
static inline struct span provider_residency(const struct provider *provider) {
    return span_str(provider->residency ? provider->residency : provider->region);
}

/* What an answer that is not a stream of events means. */
struct provider_verdict {
    enum fail why;           /* FAIL_NONE for 2xx */
    uint64_t retry_after_ms; /* 0: the answer did not say */
    struct chat_error error; /* spans into the body */
};

struct provider_kind {
    const char *name;      /* as in the configuration */
    const char *otel_name; /* gen_ai.provider.name of the OpenTelemetry conventions */
    unsigned services;     /* SERVICE_BIT()s: what it can be asked for */
    enum provider_service
        service;          /* a request of a dialect that is not among them is sent to this */
    const char *base_url; /* default, or NULL: the operator must give base_url or endpoint, or the
                           * kind makes it of other settings */
    enum provider_auth auth;
    unsigned quirks;           /* enum provider_quirk bits */
    bool key_optional;         /* may go without api_key (self-hosted) */
    enum chat_prefill prefill; /* how it goes on from an unfinished turn; see provider_prefill */
    /* Path and fixed fields. 0, or -EINVAL with a sentence in why (arena or static). Memory comes
     * from arena and lives as long as it. */
    int (*target)(const struct provider *, enum provider_service service, struct span model,
                  struct arena *arena, struct provider_target *out, struct span *why);
    /* For paths that are passed through: `path` is what stands before them in place of /v1, and the
     * fields as for target. NULL, or path {NULL,0}: there is nothing of the kind. 0 or -EINVAL. */
    int (*pass)(const struct provider *, struct arena *arena, struct provider_target *out,
                struct span *why);
    /* Base URL from other settings (region, location), when the operator gave none; in the arena.
     * NULL: there is none but base_url. {NULL,0} with a sentence in why when a setting is missing. */
    struct span (*url)(const struct provider *, struct arena *arena, struct span *why);
    /* Fields that depend on the request or on a changing credential: appended to call->head. NULL: a
     * credential of kind BEARER in the cell becomes "authorization: Bearer", otherwise nothing. 0,
     * -FAIL_CREDENTIAL, -FAIL_OVERLOAD. `credential` is NULL when the provider has no cell. */
    int (*sign)(const struct provider *, const struct credential *credential,
                struct sign_call *call);
    /* Which of the client's anthropic-beta names may be sent along; NULL: none. */
    bool (*beta)(struct span name);
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
/* How this provider goes on from an unfinished turn of the assistant, asked by that service for a
 * model with these facts: what its kind can, where its dialect, its URL and the model can too. BETA is
 * never returned: it is PREFIX or NONE. */
enum chat_prefill provider_prefill(const struct provider *, enum provider_service,
                                   const struct model_facts *);
/* Retry-After and retry-after-ms of a head (RFC 9110 10.2.3, delta seconds, fractions allowed as
 * SDKs do), in ms; 0 if absent, in the past or > 1 h. HTTP dates are measured from the head's own
 * Date, else from now_s (Unix time; 0: not known, a date is then ignored). */
uint64_t provider_retry_after_ms(const struct http_head *head, int64_t now_s);
/* Google says in an error's body how long to wait: "retryDelay": "34.4s" somewhere in error.details
 * (google.rpc.RetryInfo). In ms; 0 if absent or > 1 h. */
uint64_t provider_retry_delay_ms(struct span body);
/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7, the one form that is still sent) in seconds of
 * Unix time; false for anything else. */
bool provider_http_date(struct span text, int64_t *out_s);
/* The classification that all OpenAI-shaped providers share (PROVIDERS.md 5.2). */
void provider_classify_openai(const struct provider *, const struct http_head *head,
                              struct span body, struct provider_verdict *out);
int provider_target_openai(const struct provider *, enum provider_service, struct span model,
                           struct arena *arena, struct provider_target *out, struct span *why);
/* Passing through to an OpenAI-shaped provider: behind its prefix. */
int provider_pass_openai(const struct provider *, struct arena *arena, struct provider_target *out,
                         struct span *why);
/* Which service a client's request in that dialect uses at this kind: its own where the kind has it,
 * else the kind's. */
enum provider_service provider_service_for(const struct provider_kind *, const struct dialect *);
/* Percent-encodes everything but RFC 3986's unreserved characters, so that a name stays one segment;
 * {NULL,0}: no memory. */
struct span provider_encode_segment(struct span text, struct arena *arena);

#endif
