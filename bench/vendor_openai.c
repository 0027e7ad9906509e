/* vendor_openai.c - the front ends of OpenAI, Azure OpenAI and OCI's OpenAI-compatible endpoint; see
 * vendor.h. Facts: their API references and recorded error bodies. */
#include "bench/vendor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RATE_LIMIT_REQUESTS = 10000, RATE_LIMIT_TOKENS = 2000000, REQUEST_ID_LETTERS = 32 };

static const char AZURE_DENIED[] =
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
    "valid "
    "key for an active subscription and use a correct regional API endpoint for your resource.";
static const char AZURE_NO_DEPLOYMENT[] = "The API deployment for this resource does not exist. If "
                                          "you created the deployment within the last "
                                          "5 minutes, please wait a moment and try again.";

static bool is_azure(const struct peer *p) { return p->cloud->config->kind == SIM_AZURE; }

static bool is_oci(const struct peer *p) { return p->cloud->config->kind == SIM_OCI; }

/* ---- headers and errors ---- */

static void openai_headers(struct peer *p, struct bytes *out) {
    char id[REQUEST_ID_LETTERS + 1];
    uint64_t now_ns = p->cloud->poller.now_ns, started_ns = p->play.started_ns;
    uint64_t took_ms = now_ns > started_ns ? (now_ns - started_ns) / UNITS_NS_PER_MS : 0;
    struct limit_told told =
        limit_tell(&p->cloud->limit, p->cloud->config->tune.rpm, RATE_LIMIT_REQUESTS);
    vendor_request_id(p, id, REQUEST_ID_LETTERS);
    if (is_azure(p)) {
        bytes_fmt(out,
                  "apim-request-id: %s\r\nx-request-id: %s\r\nx-ms-region: East US 2\r\n"
                  "x-ms-rai-invoked: true\r\nx-ratelimit-limit-requests: %llu\r\n"
                  "x-ratelimit-remaining-requests: %llu\r\nx-ratelimit-reset-requests: %llu\r\n"
                  "x-ratelimit-remaining-tokens: %d\r\n",
                  id, id, (unsigned long long)told.limit, (unsigned long long)told.left,
                  (unsigned long long)told.reset_ms, RATE_LIMIT_TOKENS);
        return;
    }
    if (is_oci(p)) {
        bytes_fmt(out, "opc-request-id: %s\r\n", id);
        return;
    }
    bytes_fmt(out,
              "openai-organization: org-simulated\r\nopenai-processing-ms: %llu\r\n"
              "openai-version: 2020-10-01\r\nx-request-id: req_%s\r\n"
              "x-ratelimit-limit-requests: %llu\r\nx-ratelimit-limit-tokens: %d\r\n"
              "x-ratelimit-remaining-requests: %llu\r\nx-ratelimit-remaining-tokens: %d\r\n"
              "x-ratelimit-reset-requests: %llums\r\nx-ratelimit-reset-tokens: 0s\r\n",
              (unsigned long long)took_ms, id, (unsigned long long)told.limit, RATE_LIMIT_TOKENS,
              (unsigned long long)told.left, RATE_LIMIT_TOKENS, (unsigned long long)told.reset_ms);
}

static void write_nullable(struct bytes *out, const char *name, const char *value) {
    bytes_fmt(out, ",\"%s\":", name);
    if (!*value) {
        bytes_str(out, "null");
        return;
    }
    bytes_str(out, "\"");
    bytes_json(out, value, strlen(value));
    bytes_str(out, "\"");
}

static void write_error(struct bytes *out, const char *type, const char *code, const char *param,
                        const char *message) {
    bytes_str(out, "{\"error\":{\"message\":\"");
    bytes_json(out, message, strlen(message));
    bytes_str(out, "\"");
    write_nullable(out, "type", type);
    write_nullable(out, "param", param);
    write_nullable(out, "code", code);
    bytes_str(out, "}}");
}

/* Azure's own front end (keys, paths, limits) knows only code and message. */
static void write_azure_error(struct bytes *out, const char *code, const char *message) {
    bytes_fmt(out, "{\"error\":{\"code\":\"%s\",\"message\":\"", code);
    bytes_json(out, message, strlen(message));
    bytes_str(out, "\"}}");
}

static void send_openai_error(struct peer *p, int status, const char *type, const char *code,
                              const char *param, const char *message, const char *extra) {
    struct bytes body = {0};
    write_error(&body, type, code, param, message);
    serving_refuse(p, status, &body, extra);
}

static void send_azure_error(struct peer *p, int status, const char *code, const char *message,
                             const char *extra) {
    struct bytes body = {0};
    write_azure_error(&body, code, message);
    serving_refuse(p, status, &body, extra);
}

/* OCI's own front end. */
static void send_oci_error(struct peer *p, int status, const char *code, const char *message) {
    struct bytes body = {0};
    bytes_fmt(&body, "{\"code\":\"%s\",\"message\":\"", code);
    bytes_json(&body, message, strlen(message));
    bytes_str(&body, "\"}");
    serving_refuse(p, status, &body, "");
}

static void openai_refuse(struct peer *p, const struct ask_error *e, const char *extra) {
    send_openai_error(p, e->status, e->type, e->code, e->param, e->message, extra);
}

static void send_rate_limited(struct peer *p) {
    /* Both forms of the header: SDKs read retry-after-ms first. */
    static const char waits[] = "retry-after: 1\r\nretry-after-ms: 750\r\n";
    if (is_azure(p)) {
        send_azure_error(p, 429, "429",
                         "Requests to the ChatCompletions_Create Operation under Azure OpenAI API "
                         "have exceeded call rate limit of your current OpenAI S0 pricing tier. "
                         "Please retry after 1 second.",
                         waits);
        return;
    }
    send_openai_error(
        p, 429, "requests", "rate_limit_exceeded", "",
        "Rate limit reached for requests. Limit: 10000 / min. Please try again in 750ms.", waits);
}

static void send_failed(struct peer *p, int status) {
    if (is_azure(p)) {
        send_azure_error(p, status, "InternalServerError",
                         "The server had an error while processing your request. Sorry about that!",
                         "");
        return;
    }
    send_openai_error(p, status, "server_error", "", "",
                      "The server had an error while processing your request. Sorry about that!",
                      "");
}

/* ---- keys ---- */

static bool key_given(const struct peer *p, const char **key) {
    *key = is_azure(p) ? peer_header(p, "api-key") : NULL;
    if (!*key)
        *key = vendor_bearer(p);
    return *key != NULL;
}

static bool oci_signed(struct peer *p) {
    struct auth_refusal why = {0};
    struct auth_request request = vendor_auth_request(p);
    if (auth_oci_check(&request, p->cloud->key, p->cloud->config->credentials.key_id,
                       cloud_now_s(p->cloud), &why))
        return true;
    p->cloud->stats.unauthorized++;
    send_oci_error(p, 401, why.type, why.message);
    return false;
}

static bool openai_allowed(struct peer *p, const struct place *place) {
    const char *key;
    (void)place;
    if (is_oci(p) && p->cloud->key && !vendor_bearer(p))
        return oci_signed(p);
    bool given = key_given(p, &key);
    if (vendor_open_to_all(p) || (given && vendor_token_good(p, key)))
        return true;
    vendor_of(p->cloud->config->kind)
        ->trouble(p, given ? TROUBLE_KEY_WRONG : TROUBLE_KEY_MISSING, given ? key : "");
    return false;
}

static void send_denied(struct peer *p, const char *key) {
    char message[200];
    size_t len = key ? strlen(key) : 0;
    p->cloud->stats.unauthorized++;
    if (is_azure(p)) {
        send_azure_error(p, 401, "401", AZURE_DENIED, "");
    } else if (is_oci(p)) {
        send_oci_error(
            p, 401, "NotAuthenticated",
            "The required information to complete authentication was not provided or was "
            "incorrect.");
    } else if (!key) {
        send_openai_error(
            p, 401, "invalid_request_error", "", "",
            "You didn't provide an API key. You need to provide your API key in an "
            "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            "");
    } else {
        /* As the provider does it: only the ends of the key are told. */
        snprintf(message, sizeof message,
                 "Incorrect API key provided: %.4s****%s. You can find your API key at your "
                 "provider's account page.",
                 key, len > 12 ? key + len - 4 : "");
        send_openai_error(p, 401, "invalid_request_error", "invalid_api_key", "", message, "");
    }
}

/* ---- paths ---- */

static bool place_file(const char *rest, size_t len, struct place *place) {
    static const char files[] = "/files/", content[] = "/content?bytes=";
    const char *tail = len > sizeof files ? strstr(rest + sizeof files, content) : NULL;
    if (len == sizeof files - 2 && !memcmp(rest, files, len)) {
        place->route = ROUTE_FILE_IN;
        place->method = "POST";
    } else if (tail && !memcmp(rest, files, sizeof files - 1) &&
               units_count(tail + sizeof content - 1, &place->size)) {
        place->route = ROUTE_FILE_OUT;
        place->method = "GET";
    }
    return place->route != ROUTE_NONE;
}

/* What stands behind /v1 (or what takes its place): `len` bytes, then the query. */
static void place_v1(const char *rest, size_t len, struct place *place) {
    static const struct {
        const char *path;
        const struct format *format;
    } formats[] = {{"/chat/completions", &format_openai},
                   {"/completions", &format_completions},
                   {"/embeddings", &format_embeddings},
                   {"/responses", &format_responses}};
    static const char models[] = "/models";
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (len == strlen(formats[i].path) && !memcmp(rest, formats[i].path, len)) {
            *place = (struct place){
                .route = ROUTE_ANSWER, .method = "POST", .format = formats[i].format};
            return;
        }
    if (place_file(rest, len, place))
        return;
    if (len < sizeof models - 1 || memcmp(rest, models, sizeof models - 1))
        return;
    place->method = "GET";
    if (len == sizeof models - 1)
        place->route = ROUTE_MODELS;
    else if (rest[sizeof models - 1] == '/' &&
             vendor_take_model(place, rest + sizeof models, len - sizeof models))
        place->route = ROUTE_MODEL;
}

static const char *after(const char *path, const char *prefix) {
    size_t len = strlen(prefix);
    return strncmp(path, prefix, len) ? NULL : path + len;
}

/* The older style: the deployment in the path, and a date in the query. */
static void place_deployment(const char *rest, size_t len, struct place *place) {
    const char *slash = memchr(rest, '/', len);
    if (!slash || slash == rest || !strstr(rest + len, "api-version="))
        return;
    place_v1(slash, len - (size_t)(slash - rest), place);
    place->model_in_path = true;
    if (place->route != ROUTE_ANSWER || place->format == &format_responses ||
        !vendor_take_model(place, rest, (size_t)(slash - rest)))
        place->route = ROUTE_NONE;
}

static void openai_place(struct peer *p, struct place *place) {
    size_t len;
    const char *path = vendor_path(p, &len), *rest;
    if (!is_azure(p)) {
        if (path)
            place_v1(path, len, place);
    } else if ((rest = after(path, "/openai/deployments/"))) {
        place_deployment(rest, len - (size_t)(rest - path), place);
    } else if ((rest = after(path, "/openai/v1"))) {
        place_v1(rest, len - (size_t)(rest - path), place);
    } else if ((rest = after(path, "/openai/responses?")) && strstr(rest, "api-version=")) {
        *place =
            (struct place){.route = ROUTE_ANSWER, .method = "POST", .format = &format_responses};
    }
}

/* ---- troubles ---- */

static void send_unknown_path(struct peer *p) {
    char message[200];
    if (is_azure(p)) {
        send_azure_error(p, 404, "404", "Resource not found", "");
        return;
    }
    snprintf(message, sizeof message, "Invalid URL (%s %.120s)", p->request.method,
             bytes_text(&p->request.target));
    send_openai_error(p, 404, "invalid_request_error", "", "", message, "");
}

static void send_wrong_method(struct peer *p, const char *right) {
    char message[240], extra[40];
    snprintf(
        message, sizeof message,
        "Not allowed to %s on %.100s. (HINT: Perhaps you meant to use a different HTTP method?)",
        p->request.method, bytes_text(&p->request.target));
    snprintf(extra, sizeof extra, "Allow: %s\r\n", right);
    send_openai_error(p, 405, "invalid_request_error", "method_not_supported", "", message, extra);
}

static void send_unknown_model(struct peer *p, const char *name) {
    char message[200];
    if (is_azure(p)) {
        send_azure_error(p, 404, "DeploymentNotFound", AZURE_NO_DEPLOYMENT, "");
        return;
    }
    snprintf(message, sizeof message,
             "The model `%.100s` does not exist or you do not have access to it.", name);
    send_openai_error(p, 404, "invalid_request_error", "model_not_found", "", message, "");
}

static void send_wrong_type(struct peer *p, const char *type) {
    char message[240];
    snprintf(message, sizeof message,
             "Unsupported content type: '%.60s'. This API method only accepts 'application/json' "
             "requests. Please try again with a supported content type.",
             type);
    send_openai_error(p, 415, "invalid_request_error", "unsupported_content_type", "", message, "");
}

static void openai_trouble(struct peer *p, enum trouble what, const char *detail) {
    switch (what) {
    case TROUBLE_PATH: send_unknown_path(p); return;
    case TROUBLE_METHOD: send_wrong_method(p, detail); return;
    case TROUBLE_KEY_MISSING: send_denied(p, NULL); return;
    case TROUBLE_KEY_WRONG: send_denied(p, detail); return;
    case TROUBLE_MODEL: send_unknown_model(p, detail); return;
    case TROUBLE_CONTENT_TYPE: send_wrong_type(p, detail); return;
    case TROUBLE_RATE: send_rate_limited(p); return;
    case TROUBLE_FAILED: send_failed(p, 500); return;
    case TROUBLE_UNAVAILABLE: send_failed(p, 503); return;
    case TROUBLE_OVERLOADED: send_failed(p, 529); return;
    case TROUBLES: return;
    }
}

const struct vendor vendor_openai = {
    .place = openai_place,
    .allowed = openai_allowed,
    .headers = openai_headers,
    .trouble = openai_trouble,
    .refuse = openai_refuse,
    .broken_type = "invalid_request_error",
};
