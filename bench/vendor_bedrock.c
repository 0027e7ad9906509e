/* vendor_bedrock.c - the front end of bedrock-runtime; see vendor.h. Facts: botocore's service model
 * (errors and their statuses), AWS's JSON error form (x-amzn-ErrorType), recorded bodies. */
#include "bench/vendor.h"

#include <stdio.h>
#include <string.h>

enum { REQUEST_ID_LETTERS = 32 };

static const struct trouble_row rows[TROUBLES] = {
    [TROUBLE_PATH] = {404, "UnknownOperationException", ""},
    [TROUBLE_METHOD] = {405, "UnsupportedOperationException", "Use %s."},
    [TROUBLE_KEY_MISSING] = {403, "MissingAuthenticationTokenException",
                             "Missing Authentication Token"},
    [TROUBLE_KEY_WRONG] = {403, "AccessDeniedException",
                           "Authentication failed: Please make sure your API Key is valid."},
    [TROUBLE_MODEL] = {400, "ValidationException", "The provided model identifier is invalid."},
    [TROUBLE_CONTENT_TYPE] = {415, "UnsupportedMediaTypeException",
                              "Content type '%s' is not application/json."},
    [TROUBLE_RATE] = {429, "ThrottlingException",
                      "Too many requests, please wait before trying again."},
    [TROUBLE_FAILED] = {500, "InternalServerException",
                        "The system encountered an unexpected error during processing. Try your "
                        "request again."},
    [TROUBLE_UNAVAILABLE] = {503, "ServiceUnavailableException",
                             "Bedrock is unable to process your request."},
    [TROUBLE_OVERLOADED] = {529, "ServiceUnavailableException",
                            "Bedrock is unable to process your request."},
};

static void bedrock_headers(struct peer *p, struct bytes *out) {
    char id[REQUEST_ID_LETTERS + 1];
    vendor_request_id(p, id, REQUEST_ID_LETTERS);
    bytes_fmt(out, "x-amzn-RequestId: %.8s-%.4s-%.4s-%.4s-%.12s\r\n", id, id + 8, id + 12, id + 16,
              id + 20);
}

static void bedrock_refuse(struct peer *p, const struct ask_error *e, const char *extra) {
    struct bytes body = {0}, headers = {0};
    bytes_fmt(&headers,
              "x-amzn-ErrorType: %s:http://internal.amazon.com/coral/com.amazon.bedrock/\r\n%s",
              e->type, extra);
    bytes_str(&body, "{\"message\":\"");
    bytes_json(&body, e->message, strlen(e->message));
    bytes_str(&body, "\"}");
    serving_refuse(p, e->status, &body, bytes_text(&headers));
    bytes_free(&headers);
}

static void bedrock_trouble(struct peer *p, enum trouble what, const char *detail) {
    struct ask_error e;
    vendor_trouble(p, rows, what, detail, &e);
    bedrock_refuse(p, &e, "");
}

/* ---- who calls ---- */

static bool deny(struct peer *p, const struct auth_refusal *why) {
    struct ask_error e;
    p->cloud->stats.unauthorized++;
    ask_error_set(&e, 403, why->type, "%s", why->message);
    bedrock_refuse(p, &e, "");
    return false;
}

/* The secret of an access key: the configured one, or one that the identity has issued. */
static bool find_secret(const struct peer *p, const char *access_key, struct token *out) {
    const struct sim_credentials *own = &p->cloud->config->credentials;
    if (*own->access_key_id && !strcmp(own->access_key_id, access_key)) {
        snprintf(out->secret, sizeof out->secret, "%s", own->secret_access_key);
        snprintf(out->session, sizeof out->session, "%s", own->session_token);
        return true;
    }
    return p->cloud->issuer &&
           tokens_find(p->cloud->issuer, access_key, cloud_now_s(p->cloud), out) && *out->secret;
}

static bool signed_well(struct peer *p) {
    const struct sim_credentials *own = &p->cloud->config->credentials;
    struct auth_request request = vendor_auth_request(p);
    struct auth_sigv4 claim = {0};
    struct auth_refusal why = {0};
    struct token found = {0};
    if (!auth_sigv4_read(&request, &claim, &why))
        return deny(p, &why);
    if (!find_secret(p, claim.access_key, &found)) {
        auth_refuse(&why, "UnrecognizedClientException",
                    "The security token included in the request is invalid.");
        return deny(p, &why);
    }
    struct auth_sigv4_keys keys = {.secret = found.secret,
                                   .session = found.session,
                                   .region = own->region,
                                   .service = *own->service ? own->service : "bedrock",
                                   .now_s = cloud_now_s(p->cloud)};
    return auth_sigv4_check(&request, &claim, &keys, &why) || deny(p, &why);
}

static bool bedrock_allowed(struct peer *p, const struct place *place) {
    const char *bearer = vendor_bearer(p);
    (void)place;
    if (vendor_open_to_all(p))
        return true;
    if (!bearer)
        return signed_well(p);
    /* An access key's id is no bearer token, though both are in one list. */
    struct token found = {0};
    if (vendor_token_good(p, bearer) &&
        !(p->cloud->issuer &&
          tokens_find(p->cloud->issuer, bearer, cloud_now_s(p->cloud), &found) && *found.secret))
        return true;
    bedrock_trouble(p, TROUBLE_KEY_WRONG, "");
    return false;
}

/* ---- paths ---- */

/* InvokeModel: a body in the model's own words, of which embeddings are known here. */
static const struct format *invoked(const char *model) {
    if (strstr(model, "titan-embed-text"))
        return &format_titan;
    return strstr(model, "cohere.embed") ? &format_cohere : NULL;
}

static void bedrock_place(struct peer *p, struct place *place) {
    static const struct {
        const char *end;
        const struct format *format; /* NULL: the model says */
        bool stream;
    } verbs[] = {{"/converse", &format_converse, false},
                 {"/converse-stream", &format_converse, true},
                 {"/invoke", NULL, false}};
    static const char start[] = "/model/";
    size_t len;
    const char *path = vendor_path(p, &len);
    if (!path || len < sizeof start || strncmp(path, start, sizeof start - 1))
        return;
    const char *model = path + sizeof start - 1,
               *slash = memchr(model, '/', len - sizeof start + 1);
    for (size_t i = 0; slash && i < sizeof verbs / sizeof verbs[0]; i++) {
        if ((size_t)(path + len - slash) != strlen(verbs[i].end) ||
            memcmp(slash, verbs[i].end, strlen(verbs[i].end)))
            continue;
        *place = (struct place){.method = "POST", .model_in_path = true, .stream = verbs[i].stream};
        bool named = vendor_take_model(place, model, (size_t)(slash - model));
        place->format = verbs[i].format ? verbs[i].format : invoked(place->model);
        place->route = named && place->format ? ROUTE_ANSWER : ROUTE_NONE;
    }
}

const struct vendor vendor_bedrock = {
    .place = bedrock_place,
    .allowed = bedrock_allowed,
    .headers = bedrock_headers,
    .trouble = bedrock_trouble,
    .refuse = bedrock_refuse,
    .broken_type = "SerializationException",
};
