/* vendor_google.c - the front ends of the Gemini API and of Vertex AI (Gemini, embeddings, Claude); see
 * vendor.h. Facts: Google's error model (google.rpc.Status) and recorded bodies of both. */
#include "bench/vendor.h"

#include <stdio.h>
#include <string.h>

static const struct trouble_row rows[TROUBLES] = {
    [TROUBLE_PATH] = {404, "NOT_FOUND", "Requested entity was not found."},
    [TROUBLE_METHOD] = {405, "UNIMPLEMENTED", "Method not allowed."},
    [TROUBLE_KEY_MISSING] = {403, "PERMISSION_DENIED",
                             "Method doesn't allow unregistered callers (callers without "
                             "established identity). Please use API Key or other form of API "
                             "consumer identity to call this API."},
    [TROUBLE_KEY_WRONG] = {400, "INVALID_ARGUMENT",
                           "API key not valid. Please pass a valid API key."},
    [TROUBLE_MODEL] = {404, "NOT_FOUND",
                       "models/%s is not found for API version v1beta, or is not supported for "
                       "generateContent."},
    [TROUBLE_CONTENT_TYPE] = {400, "INVALID_ARGUMENT",
                              "Invalid JSON payload received. Content-Type '%s' is not JSON."},
    [TROUBLE_RATE] = {429, "RESOURCE_EXHAUSTED",
                      "You exceeded your current quota, please check your plan and billing "
                      "details. Please retry in 1.5s."},
    [TROUBLE_FAILED] = {500, "INTERNAL", "An internal error has occurred. Please retry or report."},
    [TROUBLE_UNAVAILABLE] = {503, "UNAVAILABLE",
                             "The model is overloaded. Please try again later."},
    [TROUBLE_OVERLOADED] = {529, "UNAVAILABLE", "The model is overloaded. Please try again later."},
};

/* Vertex's answer to a missing or wrong token; keys are the Gemini API's. */
static const struct trouble_row no_token = {401, "UNAUTHENTICATED",
                                            "Request had invalid authentication credentials. "
                                            "Expected OAuth 2 access token, login cookie or "
                                            "other valid authentication credential."};

static bool is_gemini(const struct peer *p) { return p->cloud->config->kind == SIM_GEMINI; }

static void google_headers(struct peer *p, struct bytes *out) {
    (void)p;
    bytes_str(out, "Vary: Origin, X-Origin, Referer\r\nServer: scaffolding on HTTPServer2\r\n"
                   "X-Content-Type-Options: nosniff\r\n");
}

/* A wait of its own stands in the body: Google sends no Retry-After. */
static void write_details(struct bytes *out, const struct ask_error *e) {
    if (e->status == 429)
        bytes_str(out, ",\r\n    \"details\": [\r\n      {\r\n        \"@type\": "
                       "\"type.googleapis.com/google.rpc.RetryInfo\",\r\n        \"retryDelay\": "
                       "\"1.5s\"\r\n      }\r\n    ]");
    if (e->status == 400 && !strncmp(e->message, "API key", 7))
        bytes_str(out, ",\r\n    \"details\": [\r\n      {\r\n        \"@type\": "
                       "\"type.googleapis.com/google.rpc.ErrorInfo\",\r\n        \"reason\": "
                       "\"API_KEY_INVALID\",\r\n        \"domain\": \"googleapis.com\"\r\n      }"
                       "\r\n    ]");
}

static void google_refuse(struct peer *p, const struct ask_error *e, const char *extra) {
    struct bytes body = {0};
    /* Claude at Vertex answers for itself once Google has let the request pass. */
    if (!strcmp(e->type, "invalid_request_error")) {
        bytes_str(&body, "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
                         "\"message\":\"");
        bytes_json(&body, e->message, strlen(e->message));
        bytes_str(&body, "\"}}");
        serving_refuse(p, e->status, &body, extra);
        return;
    }
    bytes_fmt(&body, "{\r\n  \"error\": {\r\n    \"code\": %d,\r\n    \"message\": \"", e->status);
    bytes_json(&body, e->message, strlen(e->message));
    bytes_fmt(&body, "\",\r\n    \"status\": \"%s\"", e->type);
    write_details(&body, e);
    bytes_str(&body, "\r\n  }\r\n}\r\n");
    serving_refuse(p, e->status, &body, extra);
}

static void google_trouble(struct peer *p, enum trouble what, const char *detail) {
    bool token = !is_gemini(p) && (what == TROUBLE_KEY_MISSING || what == TROUBLE_KEY_WRONG);
    struct ask_error e;
    vendor_trouble(p, rows, what, detail, &e);
    if (token)
        ask_error_set(&e, no_token.status, no_token.type, "%s", no_token.message);
    google_refuse(p, &e,
                  token ? "WWW-Authenticate: Bearer realm=\"https://accounts.google.com/\", "
                          "error=\"invalid_token\"\r\n"
                        : "");
}

static bool google_allowed(struct peer *p, const struct place *place) {
    const char *key = peer_header(p, "x-goog-api-key"), *bearer = vendor_bearer(p);
    (void)place;
    if (vendor_open_to_all(p))
        return true;
    if (!key && !bearer) {
        google_trouble(p, TROUBLE_KEY_MISSING, "");
        return false;
    }
    if (vendor_token_good(p, key ? key : bearer))
        return true;
    google_trouble(p, TROUBLE_KEY_WRONG, "");
    return false;
}

/* ---- paths ---- */

static const struct verb {
    const char *name, *publisher;
    const struct format *format;
    bool stream, gemini; /* gemini: at the Gemini API too */
} verbs[] = {
    {"generateContent", "google", &format_gemini, false, true},
    {"streamGenerateContent", "google", &format_gemini, true, true},
    {"predict", "google", &format_predict, false, false},
    {"rawPredict", "anthropic", &format_anthropic, false, false},
    {"streamRawPredict", "anthropic", &format_anthropic, true, false},
};

/* Skips one segment of exactly `name` ("" any non-empty one). NULL when another stands there. */
static const char *skip_segment(const char *at, const char *end, const char *name) {
    if (!at || at >= end || *at != '/')
        return NULL;
    const char *stop = memchr(at + 1, '/', (size_t)(end - at - 1));
    stop = stop ? stop : end;
    size_t len = (size_t)(stop - at - 1);
    bool fits = *name ? len == strlen(name) && !memcmp(at + 1, name, len) : len > 0;
    return fits ? stop : NULL;
}

/* /v1, /v1beta and /v1beta1 may stand in front, unless the prefix has one already. */
static const char *skip_version(const char *at, const char *end) {
    static const char *const versions[] = {"v1", "v1beta", "v1beta1"};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        const char *behind = skip_segment(at, end, versions[i]);
        if (behind)
            return behind;
    }
    return at;
}

/* Behind prefix and version: /models/, or /projects/P/locations/L/publishers/PUBLISHER/models/. */
static const char *skip_to_model(const struct peer *p, const char *at, const char *end,
                                 const char *publisher) {
    at = skip_version(at, end);
    if (!is_gemini(p)) {
        at = skip_segment(skip_segment(at, end, "projects"), end, "");
        at = skip_segment(skip_segment(at, end, "locations"), end, "");
        at = skip_segment(skip_segment(at, end, "publishers"), end, publisher);
    }
    at = skip_segment(at, end, "models");
    return at && at < end ? at + 1 : NULL;
}

static bool has_alt_sse(const char *query) {
    return strstr(query, "?alt=sse") || strstr(query, "&alt=sse");
}

static void google_place(struct peer *p, struct place *place) {
    size_t len;
    const char *path = vendor_path(p, &len), *end = path + len;
    const char *colon = path ? memrchr(path, ':', len) : NULL;
    for (size_t i = 0; colon && i < sizeof verbs / sizeof verbs[0]; i++) {
        const struct verb *v = &verbs[i];
        const char *model = skip_to_model(p, path, colon, v->publisher);
        bool claude = v->format == &format_anthropic;
        if (!model || memchr(model, '/', (size_t)(colon - model)) ||
            (size_t)(end - colon - 1) != strlen(v->name) ||
            memcmp(colon + 1, v->name, strlen(v->name)) || (is_gemini(p) && !v->gemini) ||
            (!claude && p->cloud->config->kind == SIM_VERTEX_ANTHROPIC))
            continue;
        *place = (struct place){.method = "POST",
                                .format = v->format,
                                .model_in_path = true,
                                .stream = v->stream,
                                .array = v->stream && !claude && !has_alt_sse(end)};
        place->route =
            vendor_take_model(place, model, (size_t)(colon - model)) ? ROUTE_ANSWER : ROUTE_NONE;
        /* Counting has a name where models have theirs; the model is in the body then. */
        if (claude && !v->stream && !strcmp(place->model, "count-tokens"))
            *place = (struct place){
                .route = ROUTE_ANSWER, .method = "POST", .format = &format_anthropic_count};
    }
}

const struct vendor vendor_google = {
    .place = google_place,
    .allowed = google_allowed,
    .headers = google_headers,
    .trouble = google_trouble,
    .refuse = google_refuse,
    .broken_type = "INVALID_ARGUMENT",
};
