/* google.c - Google's clouds: URLs, and what errors mean. (pure)
 *
 * Owns:     nothing; a target's memory is the arena's.
 * Promises: a model's name stays one segment of the path, whatever is in it; so do project and
 *           location, which make the host too. */
#include "providers/google.h"

#include <errno.h>

#include "core/base.h"
#include "providers/gemini.h"
#include "providers/openai_target.h"

/* Longer than any, so that a URL of it is a URL. */
#define LOCATION_BYTES_MAX 40

/* --- where --- */

static int no_memory(struct span *why) {
    *why = SPAN("there is no memory for it");
    return -EINVAL;
}

/* The model as one segment; {NULL,0} with a sentence when it can be none. */
static struct span model_segment(struct span model, struct span own_prefix, struct arena *arena,
                                 struct span *why) {
    model = gemini_plain_model(model);
    if (span_starts(model, own_prefix))
        model = span_from(model, own_prefix.n);
    /* A segment "." or ".." would be folded away on the road, encoded or not. */
    if (!model.n || span_eq(model, SPAN(".")) || span_eq(model, SPAN(".."))) {
        *why = SPAN("the model must be the name of a model, such as gemini-3-pro-preview");
        return span_of(NULL, 0);
    }
    struct span segment = provider_encode_segment(model, arena);
    if (!segment.p)
        no_memory(why);
    return segment;
}

/* Sets both paths: STEM:VERB with the stream's and with the whole answer's verb. */
static int set_paths(struct provider_target *out, struct span stem, const char *stream_verb,
                     const char *whole_verb, struct arena *arena, struct span *why) {
    if (!stem.p)
        return no_memory(why);
    struct span path = arena_printf(arena, "%.*s:%s", (int)stem.n, stem.p, stream_verb);
    struct span whole = arena_printf(arena, "%.*s:%s", (int)stem.n, stem.p, whole_verb);
    if (!path.p || !whole.p)
        return no_memory(why);
    out->whole_path = whole;
    return openai_target_path(out, path, why);
}

/* Google's OpenAI endpoint takes the key as a bearer token only. */
static int set_bearer(const struct provider *provider, struct arena *arena,
                      struct provider_target *out, struct span *why) {
    for (unsigned i = 0; i < out->field_count; i++) {
        struct http_field *field = &out->fields[i];
        if (!span_eq_nocase(field->name, SPAN("x-goog-api-key")))
            continue;
        field->name = SPAN("authorization");
        field->value = arena_printf(arena, "Bearer %s", provider->api_key);
        return field->value.p ? 0 : no_memory(why);
    }
    return 0;
}

int gemini_target(const struct provider *provider, enum provider_service service, struct span model,
                  struct arena *arena, struct provider_target *out, struct span *why) {
    *out = (struct provider_target){.field_count = 0};
    if (service == SERVICE_GENERATE) {
        struct span name = model_segment(model, SPAN(""), arena, why);
        if (!name.p)
            return -EINVAL;
        struct span stem =
            arena_printf(arena, "%s/models/%.*s", provider->path_prefix, (int)name.n, name.p);
        int rc =
            set_paths(out, stem, "streamGenerateContent?alt=sse", "generateContent", arena, why);
        return rc < 0 ? rc : openai_target_fields(provider, arena, out, why);
    }
    CHECK(service == SERVICE_CHAT || service == SERVICE_EMBEDDINGS);
    const char *what = service == SERVICE_CHAT ? "chat/completions" : "embeddings";
    struct span path = arena_printf(arena, "%s/openai/%s", provider->path_prefix, what);
    int rc = path.p ? openai_target_path(out, path, why) : no_memory(why);
    if (rc == 0)
        rc = openai_target_fields(provider, arena, out, why);
    return rc < 0 ? rc : set_bearer(provider, arena, out, why);
}

/* "europe-west4": what can be the first label of a host. */
static bool is_location(struct span location) {
    if (!location.n || location.n > LOCATION_BYTES_MAX || location.p[0] == '-')
        return false;
    for (size_t i = 0; i < location.n; i++) {
        char c = location.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

static struct span location_of(const struct provider *provider) {
    struct span location = span_str(provider->location);
    return location.n ? location : SPAN("global");
}

struct span vertex_url(const struct provider *provider, struct arena *arena, struct span *why) {
    struct span location = location_of(provider), url;
    if (!is_location(location)) {
        *why = SPAN("location is not the name of a Google Cloud location, such as europe-west4, us "
                    "or global");
        return span_of(NULL, 0);
    }
    if (span_eq(location, SPAN("global")))
        url = SPAN("https://aiplatform.googleapis.com");
    else if (span_eq(location, SPAN("us")) || span_eq(location, SPAN("eu")))
        url = arena_printf(arena, "https://aiplatform.%.*s.rep.googleapis.com", (int)location.n,
                           location.p);
    else
        url = arena_printf(arena, "https://%.*s-aiplatform.googleapis.com", (int)location.n,
                           location.p);
    if (!url.p)
        no_memory(why);
    return url;
}

/* PREFIX/v1/projects/P/locations/L; {NULL,0} with a sentence. A prefix that was given up to the
 * version or the location is not said again. */
static struct span vertex_stem(const struct provider *provider, struct arena *arena,
                               struct span *why) {
    struct span prefix = span_str(provider->path_prefix), location = location_of(provider);
    struct span none = {NULL, 0};
    if (!provider->project || !*provider->project) {
        *why = SPAN("project is missing: name the Google Cloud project");
        return none;
    }
    if (!is_location(location)) {
        *why = SPAN("location is not the name of a Google Cloud location, such as europe-west4, us "
                    "or global");
        return none;
    }
    struct span project = provider_encode_segment(span_str(provider->project), arena);
    const char *version = "/v1";
    if (span_ends(prefix, SPAN("/v1")) || span_ends(prefix, SPAN("/v1beta1")))
        version = "";
    struct span stem = project.p ? arena_printf(arena, "%.*s%s/projects/%.*s/locations/%.*s",
                                                (int)prefix.n, prefix.p, version, (int)project.n,
                                                project.p, (int)location.n, location.p)
                                 : none;
    if (!stem.p)
        no_memory(why);
    return stem;
}

static int vertex_model_path(struct span stem, struct span model, enum provider_service service,
                             struct arena *arena, struct provider_target *out, struct span *why) {
    bool claude = service == SERVICE_MESSAGES;
    struct span own =
        claude ? SPAN("publishers/anthropic/models/") : SPAN("publishers/google/models/");
    struct span name = model_segment(model, own, arena, why);
    if (!name.p)
        return -EINVAL;
    struct span path = arena_printf(arena, "%.*s/%.*s%.*s", (int)stem.n, stem.p, (int)own.n, own.p,
                                    (int)name.n, name.p);
    if (service == SERVICE_EMBEDDINGS) {
        if (!path.p)
            return no_memory(why);
        struct span predict = arena_printf(arena, "%.*s:predict", (int)path.n, path.p);
        return predict.p ? openai_target_path(out, predict, why) : no_memory(why);
    }
    return claude ? set_paths(out, path, "streamRawPredict", "rawPredict", arena, why)
                  : set_paths(out, path, "streamGenerateContent?alt=sse", "generateContent", arena,
                              why);
}

int vertex_target(const struct provider *provider, enum provider_service service, struct span model,
                  struct arena *arena, struct provider_target *out, struct span *why) {
    *out = (struct provider_target){.field_count = 0};
    struct span stem = vertex_stem(provider, arena, why);
    struct span rest = SPAN("/endpoints/openapi/chat/completions");
    int rc;
    if (!stem.p)
        return -EINVAL;
    switch (service) {
    case SERVICE_GENERATE:
    case SERVICE_MESSAGES:
    case SERVICE_EMBEDDINGS:
        rc = vertex_model_path(stem, model, service, arena, out, why);
        return rc < 0 ? rc : openai_target_fields(provider, arena, out, why);
    case SERVICE_CHAT: break;
    case SERVICE_COUNT_TOKENS:
        rest = SPAN("/publishers/anthropic/models/count-tokens:rawPredict");
        break;
    case SERVICE_RESPONSES:
    case SERVICE_COMPLETIONS:
    case SERVICE_CONVERSE:
    case SERVICE_COUNT: CHECK(!"a service that no kind of Vertex has");
    }
    struct span path = arena_printf(arena, "%.*s%.*s", (int)stem.n, stem.p, (int)rest.n, rest.p);
    rc = path.p ? openai_target_path(out, path, why) : no_memory(why);
    return rc < 0 ? rc : openai_target_fields(provider, arena, out, why);
}

/* --- what an answer means --- */

static enum fail by_status(unsigned status) {
    if (status >= 200 && status < 300)
        return FAIL_NONE;
    switch (status) {
    case 401:
    case 403: return FAIL_UPSTREAM_AUTH;
    case 402: return FAIL_QUOTA;
    case 404:
    case 405: return FAIL_UPSTREAM_MODEL; /* also a wrong location: an HTML page */
    case 408:
    case 504: return FAIL_UPSTREAM_TIMEOUT;
    case 409:
    case 425: return FAIL_UPSTREAM_CONFLICT;
    case 429: return FAIL_RATE_LIMITED;
    case 499: return FAIL_UPSTREAM_5XX; /* when we cancelled nobody asks */
    case 503:
    case 529: return FAIL_OVERLOADED; /* 529: Anthropic's models on Vertex */
    }
    return status >= 400 && status < 500 ? FAIL_REFUSED : FAIL_UPSTREAM_5XX;
}

void google_classify(const struct provider *provider, const struct http_head *head,
                     struct span body, struct provider_verdict *out) {
    (void)provider;
    *out = (struct provider_verdict){.why = by_status(head->status)};
    gemini_read_error(body, &out->error);
    if (out->why == FAIL_NONE)
        return;
    enum fail by_text = gemini_error_fail(&out->error, body);
    /* The status line is the surer word but for what it leaves open: 400 is also said of keys and
     * accounts, 429 of quotas, 500 of overload. */
    if (by_text != FAIL_NONE &&
        (head->status == 400 || head->status == 413 || head->status == 429 || head->status == 500))
        out->why = by_text;
    out->retry_after_ms = provider_retry_after_ms(head, 0);
    if (!out->retry_after_ms)
        out->retry_after_ms = provider_retry_delay_ms(body);
}
