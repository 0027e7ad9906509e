/* bedrock.c - Amazon Bedrock: URLs, authorisation, errors. (pure)
 *
 * Owns:     nothing; a target's memory is the arena's.
 * Promises: a model's id stays one segment of the path; a signature names the region and the service
 *           that the host belongs to. */
#include "providers/bedrock.h"

#include <errno.h>

#include "core/base.h"
#include "providers/converse.h"
#include "providers/openai_target.h"

/* Longer than any, so that a URL of it is a URL. */
#define REGION_BYTES_MAX 40

/* --- where --- */

/* Partitions by the beginning of the region's name (botocore, partitions.json); the last row is all
 * others. */
static const struct {
    struct span prefix;
    const char *suffix;
} partitions[] = {
    {SPAN_CONST("cn-"), "amazonaws.com.cn"},   {SPAN_CONST("eusc-"), "amazonaws.eu"},
    {SPAN_CONST("us-isob-"), "sc2s.sgov.gov"}, {SPAN_CONST("us-isof-"), "csp.hci.ic.gov"},
    {SPAN_CONST("us-iso-"), "c2s.ic.gov"},     {SPAN_CONST("eu-isoe-"), "cloud.adc-e.uk"},
    {SPAN_CONST(""), "amazonaws.com"},
};

static bool is_region(struct span region) {
    if (region.n == 0 || region.n > REGION_BYTES_MAX)
        return false;
    for (size_t i = 0; i < region.n; i++) {
        char c = region.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

static struct span runtime_url(const struct provider *provider, const char *path,
                               struct arena *arena, struct span *why) {
    struct span region = span_str(provider->region);
    unsigned i = 0;
    if (!is_region(region)) {
        *why = region.n ? SPAN("region is not the name of an AWS region, such as us-east-1")
                        : SPAN("region is missing: name the AWS region, such as us-east-1, or "
                               "give base_url");
        return span_of(NULL, 0);
    }
    while (!span_starts(region, partitions[i].prefix))
        i++;
    struct span url = arena_printf(arena, "https://bedrock-runtime.%.*s.%s%s", (int)region.n,
                                   region.p, partitions[i].suffix, path);
    if (!url.p)
        *why = SPAN("there is no memory for it");
    return url;
}

struct span bedrock_url(const struct provider *provider, struct arena *arena, struct span *why) {
    return runtime_url(provider, "", arena, why);
}

struct span bedrock_openai_url(const struct provider *provider, struct arena *arena,
                               struct span *why) {
    return runtime_url(provider, "/openai/v1", arena, why);
}

/* In the operator's words if there are any. */
static void set_accept(const struct provider *provider, struct span types,
                       struct provider_target *out) {
    for (unsigned i = 0; i < provider->header_count; i++)
        if (span_eq_nocase(provider->headers[i].name, SPAN("accept")))
            return;
    for (unsigned i = 0; i < out->field_count; i++)
        if (span_eq_nocase(out->fields[i].name, SPAN("accept")))
            out->fields[i].value = types;
}

/* The answer to Converse comes as an event stream from the one path and as JSON from the other; a
 * model's own API (InvokeModel) has one path. */
int bedrock_target(const struct provider *provider, enum provider_service service,
                   struct span model, struct arena *arena, struct provider_target *out,
                   struct span *why) {
    bool chat = service == SERVICE_CONVERSE;
    CHECK(chat || service == SERVICE_EMBEDDINGS);
    *out = (struct provider_target){.field_count = 0};
    /* A segment "." or ".." would be folded away on the road, encoded or not. */
    if (!model.n || span_eq(model, SPAN(".")) || span_eq(model, SPAN(".."))) {
        *why = SPAN("the model must be the id or ARN of a Bedrock model or inference profile");
        return -EINVAL;
    }
    struct span id = provider_encode_segment(model, arena);
    struct span path = arena_printf(arena, "%s/model/%.*s/%s", provider->path_prefix, (int)id.n,
                                    id.p, chat ? "converse-stream" : "invoke");
    int rc = id.p ? openai_target_path(out, path, why) : -EINVAL;
    if (!id.p || !path.p)
        *why = SPAN("there is no memory for it");
    if (rc < 0)
        return rc;
    if (chat)
        out->whole_path = span_of(path.p, path.n - (sizeof "-stream" - 1));
    rc = openai_target_fields(provider, arena, out, why);
    set_accept(provider,
               chat ? SPAN("application/vnd.amazon.eventstream, application/json")
                    : SPAN("application/json"),
               out);
    return rc;
}

/* --- who --- */

/* "us-east-1" of "bedrock-runtime.us-east-1.amazonaws.com", also behind the names of a VPC
 * endpoint; empty when the host is another's. */
static struct span region_of_host(struct span host) {
    while (host.p) {
        struct span label = span_cut(&host, '.');
        if (span_starts(label, SPAN("bedrock-")))
            return span_cut(&host, '.');
    }
    return span_of(NULL, 0);
}

static int add_bearer(const struct credential *credential, struct sign_call *call) {
    struct http_head *head = call->head;
    struct span value =
        arena_printf(call->arena, "Bearer %.*s", (int)credential->token.n, credential->token.p);
    if (!value.p || head->field_count == HTTP_FIELDS_MAX)
        return -FAIL_OVERLOAD;
    if (!credential->token.n || !http_is_value(credential->token))
        return -FAIL_CREDENTIAL;
    head->fields[head->field_count++] = (struct http_field){SPAN("authorization"), value};
    return 0;
}

int bedrock_sign(const struct provider *provider, const struct credential *credential,
                 struct sign_call *call) {
    struct span host = span_str(provider->host), region = span_str(provider->region);
    if (!credential)
        return 0;
    switch (credential->kind) {
    case CREDENTIAL_NONE: return -FAIL_CREDENTIAL;
    case CREDENTIAL_BEARER: return add_bearer(credential, call);
    case CREDENTIAL_AWS: break;
    }
    if (!is_region(region))
        region = region_of_host(host);
    if (!is_region(region))
        return -FAIL_CREDENTIAL;
    return sigv4_sign(call, credential, region,
                      span_starts(host, SPAN("bedrock-mantle.")) ? SPAN("bedrock-mantle")
                                                                 : SPAN("bedrock"));
}

/* --- what went wrong --- */

void bedrock_classify(const struct provider *provider, const struct http_head *head,
                      struct span body, struct provider_verdict *out) {
    struct chat_error error;
    converse_read_error(body, &error);
    struct span type = converse_error_type(http_field(head, SPAN("x-amzn-errortype")));
    if (type.n)
        error.type = type;
    enum fail why = converse_error_fail(error.type, error.message, 0);
    /* The service behind /openai/v1 answers in OpenAI's words, and some front ends leave the type
     * out: then the status must do. */
    provider_classify_openai(provider, head, body, out);
    if (out->why == FAIL_NONE)
        return;
    if (why == FAIL_NONE && out->why == FAIL_REFUSED)
        why = converse_refusal_fail(out->error.message);
    /* It is an answer with a status here, not a message of a stream. */
    if (why == FAIL_ERROR_EVENT)
        why = FAIL_UPSTREAM_5XX;
    if (why != FAIL_NONE)
        out->why = why;
    if (error.type.n)
        out->error = error;
}
