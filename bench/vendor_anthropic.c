/* vendor_anthropic.c - the front end of api.anthropic.com; see vendor.h. Facts: Anthropic's API
 * reference (errors, rate limit fields) and recorded bodies. */
#include "bench/vendor.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { REQUEST_ID_LETTERS = 22, REQUESTS_PER_MINUTE = 4000 };

static const struct trouble_row rows[TROUBLES] = {
    [TROUBLE_PATH] = {404, "not_found_error", "Not Found"},
    [TROUBLE_METHOD] = {405, "invalid_request_error", "Method Not Allowed"},
    [TROUBLE_KEY_MISSING] = {401, "authentication_error", "x-api-key header is required"},
    [TROUBLE_KEY_WRONG] = {401, "authentication_error", "invalid x-api-key"},
    [TROUBLE_MODEL] = {404, "not_found_error", "model: %s"},
    [TROUBLE_CONTENT_TYPE] = {415, "invalid_request_error",
                              "Content type must be application/json, not '%s'"},
    [TROUBLE_RATE] = {429, "rate_limit_error",
                      "This request would exceed your organization's rate limit of 4,000 requests "
                      "per minute. Please try again later."},
    [TROUBLE_FAILED] = {500, "api_error", "Internal server error"},
    [TROUBLE_UNAVAILABLE] = {503, "api_error", "Service temporarily unavailable"},
    [TROUBLE_OVERLOADED] = {529, "overloaded_error", "Overloaded"},
};

static void anthropic_headers(struct peer *p, struct bytes *out) {
    char id[REQUEST_ID_LETTERS + 1], reset[32];
    struct limit_told told =
        limit_tell(&p->cloud->limit, p->cloud->config->tune.rpm, REQUESTS_PER_MINUTE);
    time_t whole = (time_t)cloud_now_s(p->cloud) + (time_t)(told.reset_ms + 999) / 1000;
    struct tm tm;
    vendor_request_id(p, id, REQUEST_ID_LETTERS);
    strftime(reset, sizeof reset, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&whole, &tm));
    bytes_fmt(out,
              "request-id: req_01%s\r\nanthropic-organization-id: "
              "00000000-0000-4000-8000-000000000000\r\n"
              "anthropic-ratelimit-requests-limit: %llu\r\n"
              "anthropic-ratelimit-requests-remaining: %llu\r\n"
              "anthropic-ratelimit-requests-reset: %s\r\n",
              id, (unsigned long long)told.limit, (unsigned long long)told.left, reset);
}

static void anthropic_refuse(struct peer *p, const struct ask_error *e, const char *extra) {
    char id[REQUEST_ID_LETTERS + 1];
    struct bytes body = {0};
    vendor_request_id(p, id, REQUEST_ID_LETTERS);
    bytes_fmt(&body, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"", e->type);
    bytes_json(&body, e->message, strlen(e->message));
    bytes_fmt(&body, "\"},\"request_id\":\"req_01%s\"}", id);
    serving_refuse(p, e->status, &body, extra);
}

static void anthropic_trouble(struct peer *p, enum trouble what, const char *detail) {
    struct ask_error e;
    vendor_trouble(p, rows, what, detail, &e);
    anthropic_refuse(p, &e,
                     what == TROUBLE_RATE         ? "retry-after: 1\r\nx-should-retry: true\r\n"
                     : what == TROUBLE_OVERLOADED ? "x-should-retry: true\r\n"
                                                  : "");
}

static bool refuse(struct peer *p, int status, const char *type, const char *message) {
    struct ask_error e;
    ask_error_set(&e, status, type, "%s", message);
    anthropic_refuse(p, &e, "");
    return false;
}

/* The first version was 2023-01-01; the vendor's newest SDKs name later ones. */
static bool is_version(const char *text) {
    struct tm tm = {0};
    const char *end = strlen(text) == strlen("2023-01-01") ? strptime(text, "%Y-%m-%d", &tm) : NULL;
    return end && !*end && strcmp(text, "2023-01-01") >= 0;
}

static bool anthropic_allowed(struct peer *p, const struct place *place) {
    const char *key = peer_header(p, "x-api-key"), *bearer = vendor_bearer(p);
    const char *version = peer_header(p, "anthropic-version");
    if (key && bearer) {
        p->cloud->stats.unauthorized++;
        return refuse(p, 401, "authentication_error",
                      "Only one of x-api-key and Authorization may be sent");
    }
    if (!key && !bearer && !vendor_open_to_all(p)) {
        anthropic_trouble(p, TROUBLE_KEY_MISSING, "");
        return false;
    }
    if (!vendor_token_good(p, key ? key : bearer ? bearer : "")) {
        anthropic_trouble(p, TROUBLE_KEY_WRONG, "");
        return false;
    }
    if (place->route == ROUTE_ANSWER && !version)
        return refuse(p, 400, "invalid_request_error", "anthropic-version: header is required");
    if (place->route == ROUTE_ANSWER && !is_version(version))
        return refuse(p, 400, "invalid_request_error", "anthropic-version: is not a valid version");
    return true;
}

static void anthropic_place(struct peer *p, struct place *place) {
    static const struct {
        const char *path;
        const struct format *format;
    } paths[] = {{"/v1/messages", &format_anthropic},
                 {"/v1/messages/count_tokens", &format_anthropic_count}};
    size_t len;
    const char *path = vendor_path(p, &len);
    for (size_t i = 0; path && i < sizeof paths / sizeof paths[0]; i++)
        if (len == strlen(paths[i].path) && !memcmp(path, paths[i].path, len))
            *place =
                (struct place){.route = ROUTE_ANSWER, .method = "POST", .format = paths[i].format};
}

const struct vendor vendor_anthropic = {
    .place = anthropic_place,
    .allowed = anthropic_allowed,
    .headers = anthropic_headers,
    .trouble = anthropic_trouble,
    .refuse = anthropic_refuse,
    .broken_type = "invalid_request_error",
};
