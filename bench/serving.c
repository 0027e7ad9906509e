/* serving.c - which answer a request to a simulated cloud gets: the path and the key first, then
 * the body, as the providers' front ends check them; see cloud.h. Facts: OpenAI and Azure API
 * references, and the recorded error bodies of both. */
#include "bench/cloud.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RATE_LIMIT_REQUESTS = 10000,
    RATE_LIMIT_TOKENS = 2000000,
    REQUEST_ID_LETTERS = 32,
    LAST_BODY_BYTES = 1 << 20 /* of a request kept for /sim/last */
};

static const char AZURE_DENIED[] =
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
    "valid "
    "key for an active subscription and use a correct regional API endpoint for your resource.";
static const char AZURE_NO_DEPLOYMENT[] = "The API deployment for this resource does not exist. If "
                                          "you created the deployment within the last "
                                          "5 minutes, please wait a moment and try again.";

static bool is_azure(const struct peer *p) { return p->cloud->config->kind == SIM_AZURE; }

/* ---- headers and errors ---- */

void serving_headers(struct peer *p, struct bytes *out) {
    char id[REQUEST_ID_LETTERS + 1];
    struct dice dice;
    uint64_t now_ns = p->cloud->poller.now_ns, started_ns = p->play.started_ns;
    uint64_t took_ms = now_ns > started_ns ? (now_ns - started_ns) / UNITS_NS_PER_MS : 0;
    unsigned left = RATE_LIMIT_REQUESTS - (unsigned)(p->cloud->requests_seen % RATE_LIMIT_REQUESTS);
    dice_init(&dice, p->cloud->seed ^ 0x7265716964, p->cloud->requests_seen);
    dice_name(&dice, id, REQUEST_ID_LETTERS);
    if (is_azure(p)) {
        bytes_fmt(out,
                  "apim-request-id: %s\r\nx-request-id: %s\r\nx-ms-region: East US 2\r\n"
                  "x-ms-rai-invoked: true\r\nx-ratelimit-remaining-requests: %u\r\n"
                  "x-ratelimit-remaining-tokens: %d\r\n",
                  id, id, left, RATE_LIMIT_TOKENS);
        return;
    }
    bytes_fmt(out,
              "openai-organization: org-simulated\r\nopenai-processing-ms: %llu\r\n"
              "openai-version: 2020-10-01\r\nx-request-id: req_%s\r\n"
              "x-ratelimit-limit-requests: %d\r\nx-ratelimit-limit-tokens: %d\r\n"
              "x-ratelimit-remaining-requests: %u\r\nx-ratelimit-remaining-tokens: %d\r\n"
              "x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-reset-tokens: 0s\r\n",
              (unsigned long long)took_ms, id, RATE_LIMIT_REQUESTS, RATE_LIMIT_TOKENS, left,
              RATE_LIMIT_TOKENS);
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

static void send_error(struct peer *p, int status, struct bytes *body, const char *extra) {
    struct bytes headers = {0};
    serving_headers(p, &headers);
    bytes_str(&headers, extra);
    if (status < 500 && status != 429)
        p->cloud->stats.refused++;
    peer_json(p, status, bytes_text(&headers), bytes_at(body), bytes_len(body));
    bytes_free(&headers);
    bytes_free(body);
}

void serving_error(struct peer *p, int status, const char *type, const char *code,
                   const char *param, const char *message, const char *extra) {
    struct bytes body = {0};
    write_error(&body, type, code, param, message);
    send_error(p, status, &body, extra);
}

static void serving_azure_error(struct peer *p, int status, const char *code, const char *message,
                                const char *extra) {
    struct bytes body = {0};
    write_azure_error(&body, code, message);
    send_error(p, status, &body, extra);
}

void serving_error_event(struct bytes *out) {
    write_error(out, "server_error", "", "",
                "The server had an error while processing your request. Sorry about that!");
}

void serving_rate_limited(struct peer *p) {
    /* Both forms of the header: SDKs read retry-after-ms first. */
    static const char waits[] = "retry-after: 1\r\nretry-after-ms: 750\r\n";
    if (is_azure(p)) {
        serving_azure_error(
            p, 429, "429",
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API "
            "have exceeded call rate limit of your current OpenAI S0 pricing tier. "
            "Please retry after 1 second.",
            waits);
        return;
    }
    serving_error(p, 429, "requests", "rate_limit_exceeded", "",
                  "Rate limit reached for requests. Limit: 10000 / min. Please try again in 750ms.",
                  waits);
}

void serving_failed(struct peer *p) {
    if (is_azure(p)) {
        serving_azure_error(
            p, 500, "InternalServerError",
            "The server had an error while processing your request. Sorry about that!", "");
        return;
    }
    serving_error(p, 500, "server_error", "", "",
                  "The server had an error while processing your request. Sorry about that!", "");
}

/* ---- keys ---- */

static bool key_given(const struct peer *p, const char **key) {
    const char *bearer = peer_header(p, "authorization");
    *key = is_azure(p) ? peer_header(p, "api-key") : NULL;
    if (!*key && bearer && !strncasecmp(bearer, "bearer ", 7))
        *key = bearer + 7;
    return *key != NULL;
}

/* Answers 401 and returns false unless the request carries this cloud's key. */
static bool serving_allowed(struct peer *p) {
    const char *wanted = p->cloud->config->api_key, *key;
    bool given = key_given(p, &key);
    if (!*wanted || (given && !strcmp(key, wanted)))
        return true;
    if (is_azure(p)) {
        serving_azure_error(p, 401, "401", AZURE_DENIED, "");
    } else if (!given) {
        serving_error(
            p, 401, "invalid_request_error", "", "",
            "You didn't provide an API key. You need to provide your API key in an "
            "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            "");
    } else {
        char message[200];
        size_t len = strlen(key);
        /* As the provider does it: only the ends of the key are told. */
        snprintf(message, sizeof message,
                 "Incorrect API key provided: %.4s****%s. You can find your API key at your "
                 "provider's account page.",
                 key, len > 12 ? key + len - 4 : "");
        serving_error(p, 401, "invalid_request_error", "invalid_api_key", "", message, "");
    }
    return false;
}

/* ---- paths ---- */

enum route { ROUTE_NONE, ROUTE_CHAT, ROUTE_MODELS, ROUTE_MODEL };

/* Where a target leads. `name`: the deployment or model in the path, not yet decoded. */
struct place {
    enum route route;
    bool deployment; /* Azure's older style: the model is in the path */
    const char *name;
    size_t name_len;
};

static const char *after(const char *path, const char *prefix) {
    size_t len = strlen(prefix);
    return strncmp(path, prefix, len) ? NULL : path + len;
}

static struct place place_v1(const char *rest, size_t len) {
    static const char chat[] = "/chat/completions", models[] = "/models";
    if (len == sizeof chat - 1 && !memcmp(rest, chat, len))
        return (struct place){.route = ROUTE_CHAT};
    if (len == sizeof models - 1 && !memcmp(rest, models, len))
        return (struct place){.route = ROUTE_MODELS};
    if (len > sizeof models && !memcmp(rest, models, sizeof models - 1) &&
        rest[sizeof models - 1] == '/')
        return (struct place){ROUTE_MODEL, false, rest + sizeof models, len - sizeof models};
    return (struct place){.route = ROUTE_NONE};
}

static struct place place_azure(const char *path, size_t len, const char *query) {
    const char *rest = after(path, "/openai/deployments/");
    if (!rest)
        return (rest = after(path, "/openai/v1")) ? place_v1(rest, len - (size_t)(rest - path))
                                                  : (struct place){.route = ROUTE_NONE};
    const char *slash = memchr(rest, '/', len - (size_t)(rest - path));
    bool dated = strstr(query, "api-version=");
    if (!slash || slash == rest || !dated)
        return (struct place){.route = ROUTE_NONE};
    struct place place = place_v1(slash, len - (size_t)(slash - path));
    place.deployment = true;
    place.name = rest;
    place.name_len = (size_t)(slash - rest);
    return place.route == ROUTE_CHAT ? place : (struct place){.route = ROUTE_NONE};
}

static struct place place_of(struct peer *p) {
    const char *path = bytes_text(&p->request.target);
    size_t len = strcspn(path, "?");
    const char *prefix = p->cloud->config->prefix, *rest;
    if (is_azure(p))
        return place_azure(path, len, path + len);
    rest = after(path, prefix);
    return rest ? place_v1(rest, len - (size_t)(rest - path)) : (struct place){.route = ROUTE_NONE};
}

static void serving_unknown_path(struct peer *p) {
    char message[200];
    if (is_azure(p)) {
        serving_azure_error(p, 404, "404", "Resource not found", "");
        return;
    }
    snprintf(message, sizeof message, "Invalid URL (%s %.120s)", p->request.method,
             bytes_text(&p->request.target));
    serving_error(p, 404, "invalid_request_error", "", "", message, "");
}

static void serving_wrong_method(struct peer *p, const char *right) {
    char message[240], extra[40];
    snprintf(
        message, sizeof message,
        "Not allowed to %s on %.100s. (HINT: Perhaps you meant to use a different HTTP method?)",
        p->request.method, bytes_text(&p->request.target));
    snprintf(extra, sizeof extra, "Allow: %s\r\n", right);
    serving_error(p, 405, "invalid_request_error", "method_not_supported", "", message, extra);
}

/* ---- models ---- */

static void write_model(struct bytes *out, const char *name) {
    bytes_str(out, "{\"id\":\"");
    bytes_json(out, name, strlen(name));
    bytes_str(out, "\",\"object\":\"model\",\"created\":1715367049,\"owned_by\":\"system\"}");
}

static void serving_unknown_model(struct peer *p, const char *name) {
    char message[200];
    if (is_azure(p)) {
        serving_azure_error(p, 404, "DeploymentNotFound", AZURE_NO_DEPLOYMENT, "");
        return;
    }
    snprintf(message, sizeof message,
             "The model `%.100s` does not exist or you do not have access to it.", name);
    serving_error(p, 404, "invalid_request_error", "model_not_found", "", message, "");
}

static void serving_models(struct peer *p) {
    const struct sim_cloud *config = p->cloud->config;
    struct bytes body = {0}, headers = {0};
    bytes_str(&body, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < config->models_count; i++) {
        bytes_str(&body, i ? "," : "");
        write_model(&body, config->models[i].asked);
    }
    bytes_str(&body, "]}");
    serving_headers(p, &headers);
    peer_json(p, 200, bytes_text(&headers), bytes_at(&body), bytes_len(&body));
    bytes_free(&headers);
    bytes_free(&body);
}

static int hex_value(char c) {
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Percent-decodes a path segment; a malformed escape stays as it is. */
static char *segment_text(const char *at, size_t len) {
    char *text = bytes_dup(at, len), *to = text;
    for (char *from = text; *from; to++) {
        int high = *from == '%' ? hex_value(from[1]) : -1, low = high < 0 ? -1 : hex_value(from[2]);
        *to = low < 0 ? *from : (char)(high << 4 | low);
        from += low < 0 ? 1 : 3;
    }
    *to = 0;
    return text;
}

static void serving_model(struct peer *p, const struct place *place) {
    char *name = segment_text(place->name, place->name_len);
    if (!sim_model_answered(p->cloud->config, name)) {
        serving_unknown_model(p, name);
    } else {
        struct bytes body = {0}, headers = {0};
        write_model(&body, name);
        serving_headers(p, &headers);
        peer_json(p, 200, bytes_text(&headers), bytes_at(&body), bytes_len(&body));
        bytes_free(&headers);
        bytes_free(&body);
    }
    free(name);
}

/* ---- chat completions ---- */

static bool json_type(struct peer *p) {
    static const char json[] = "application/json";
    const char *type = peer_header(p, "content-type");
    if (type && !strncasecmp(type, json, sizeof json - 1) && strchr("; \t", type[sizeof json - 1]))
        return true;
    char message[240];
    snprintf(message, sizeof message,
             "Unsupported content type: '%.60s'. This API method only accepts 'application/json' "
             "requests. Please try again with a supported content type.",
             type ? type : "");
    serving_error(p, 415, "invalid_request_error", "unsupported_content_type", "", message, "");
    return false;
}

static void serving_chat(struct peer *p, const struct place *place) {
    struct ask_error e;
    struct bytes *body = &p->request.body;
    if (!json_type(p))
        return;
    if (!ask_read(&p->play.ask, bytes_text(body), bytes_len(body), place->deployment, &e)) {
        serving_error(p, e.status, e.type, e.code, e.param, e.message, "");
        return;
    }
    char *asked = place->deployment
                      ? segment_text(place->name, place->name_len)
                      : bytes_dup(bytes_text(&p->play.ask.model), bytes_len(&p->play.ask.model));
    const char *answered = sim_model_answered(p->cloud->config, asked);
    if (answered)
        play_start(p, answered);
    else
        serving_unknown_model(p, asked);
    free(asked);
}

/* ---- the request ---- */

/* Keeps the request for /sim/last: what a proxy really sent can then be looked at. */
static void keep_last(struct peer *p) {
    struct request *r = &p->request;
    struct bytes *out = &p->cloud->last;
    const char *at = r->headers.data + r->headers.start, *end = r->headers.data + r->headers.end;
    size_t body_len = bytes_len(&r->body) < LAST_BODY_BYTES ? bytes_len(&r->body) : LAST_BODY_BYTES;
    bytes_clear(out);
    bytes_fmt(out, "{\"method\":\"%s\",\"target\":\"", r->method);
    bytes_json(out, bytes_at(&r->target), bytes_len(&r->target));
    bytes_str(out, "\",\"headers\":[");
    for (bool first = true; at < end; first = false) {
        const char *value = at + strlen(at) + 1;
        bytes_str(out, first ? "[\"" : ",[\"");
        bytes_json(out, at, strlen(at));
        bytes_str(out, "\",\"");
        bytes_json(out, value, strlen(value));
        bytes_str(out, "\"]");
        at = value + strlen(value) + 1;
    }
    bytes_str(out, "],\"body\":\"");
    bytes_json(out, bytes_at(&r->body), body_len);
    bytes_str(out, "\"}\n");
}

void serving_request(struct peer *p) {
    struct cloud *c = p->cloud;
    p->play.started_ns = poller_clock_ns();
    if (after(bytes_text(&p->request.target), "/sim/")) {
        sim_control_request(p);
        return;
    }
    if (p->control) {
        serving_unknown_path(p);
        return;
    }
    c->requests_seen++;
    c->stats.requests++;
    c->stats.keepalive_reuse += p->answered > 0;
    keep_last(p);
    struct place place = place_of(p);
    const char *method = place.route == ROUTE_CHAT ? "POST" : "GET";
    if (!serving_allowed(p))
        return;
    if (place.route != ROUTE_NONE && strcmp(p->request.method, method)) {
        serving_wrong_method(p, method);
        return;
    }
    switch (place.route) {
    case ROUTE_NONE: serving_unknown_path(p); return;
    case ROUTE_CHAT: serving_chat(p, &place); return;
    case ROUTE_MODELS: serving_models(p); return;
    case ROUTE_MODEL: serving_model(p, &place); return;
    }
}
