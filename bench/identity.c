/* identity.c - the token endpoints of all vendors in one cloud (kind identity), each on its own path;
 * see cloud.h. What it gives out is random, remembered with its life, and good at the clouds that name
 * this one with `identity:`.
 *
 *     POST /token, /v1/token                 Google: JWT bearer, refresh_token, token exchange
 *     POST /{tenant}/oauth2/v2.0/token       Entra: client credentials
 *     GET  /metadata/identity/oauth2/token   Azure's instance metadata
 *     GET  /computeMetadata/v1/instance/service-accounts/default/token     Google's
 *     PUT  /latest/api/token, GET /latest/meta-data/iam/security-credentials/[ROLE]   AWS IMDSv2
 *     GET  /ecs-credentials                  AWS's container endpoint
 *     POST /                                 AWS STS AssumeRoleWithWebIdentity
 *
 * Facts: the vendors' documentation, botocore's IMDSFetcher, RFC 7523, RFC 8693, RFC 6749 (5.2).
 */
#include "bench/fields.h"
#include "bench/vendor.h"

#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TOKEN_LETTERS = 48,
    KEY_ID_LETTERS = 16,
    SECRET_LETTERS = 40,
    METADATA_TOKEN_S_MAX = 21600,
    ASSERTION_S_MAX = 3600 /* Google: exp is at most this long after iat */
};

static const struct sim_credentials *own(const struct peer *p) {
    return &p->cloud->config->credentials;
}

/* ---- giving out ---- */

/* Not from the dice: two runs must not give the same secret. */
static void random_name(char *out, size_t letters) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* 32: no bias */
    uint8_t random[TOKEN_LETTERS];
    RAND_bytes(random, sizeof random);
    for (size_t i = 0; i < letters; i++)
        out[i] = alphabet[random[i] % 32];
    out[letters] = 0;
}

static int64_t life_s(const struct peer *p) {
    return (int64_t)(p->cloud->config->expires_in_ns / UNITS_NS_PER_S);
}

static void remember(struct peer *p, struct token *t, int64_t lives_s) {
    t->expires_s = cloud_now_s(p->cloud) + lives_s;
    tokens_add(&p->cloud->issued, t);
    p->cloud->stats.tokens_issued++;
}

static void issue_bearer(struct peer *p, const char *prefix, struct token *t) {
    char name[TOKEN_LETTERS + 1];
    random_name(name, TOKEN_LETTERS);
    *t = (struct token){0};
    snprintf(t->id, sizeof t->id, "%s%s", prefix, name);
    remember(p, t, life_s(p));
}

static void issue_key(struct peer *p, struct token *t) {
    char name[TOKEN_LETTERS + 1];
    *t = (struct token){0};
    random_name(name, KEY_ID_LETTERS);
    snprintf(t->id, sizeof t->id, "ASIA%s", name);
    random_name(t->secret, SECRET_LETTERS);
    random_name(name, TOKEN_LETTERS);
    snprintf(t->session, sizeof t->session, "IQoJb3JpZ2luX2VjE%s/+=", name);
    remember(p, t, life_s(p));
}

static void iso_date(int64_t at_s, char out[32]) {
    time_t at = (time_t)at_s;
    struct tm tm;
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
}

/* ---- refusing ---- */

static void identity_refuse(struct peer *p, const struct ask_error *e, const char *extra) {
    struct bytes body = {0};
    bytes_fmt(&body, "{\"error\":\"%s\",\"error_description\":\"", e->type);
    bytes_json(&body, e->message, strlen(e->message));
    bytes_str(&body, "\"}");
    serving_refuse(p, e->status, &body, extra);
}

__attribute__((format(printf, 4, 5))) static void
refuse(struct peer *p, int status, const char *type, const char *format, ...) {
    struct ask_error e = {.status = status, .type = type, .code = ""};
    va_list args;
    va_start(args, format);
    vsnprintf(e.message, sizeof e.message, format, args);
    va_end(args);
    p->cloud->stats.tokens_refused++;
    identity_refuse(p, &e, "");
}

/* "" accepts everything. */
static bool is(const char *wanted, const char *got) {
    return !*wanted || (got && auth_same(wanted, strlen(wanted), got, strlen(got)));
}

static char *form(struct peer *p, const char *name) {
    return fields_form(bytes_text(&p->request.body), bytes_len(&p->request.body), name);
}

/* A member of the form against what is configured; refuses when it differs. */
static bool form_is(struct peer *p, const char *name, const char *wanted, const char *error) {
    char *got = form(p, name);
    bool ok = got && is(wanted, got);
    free(got);
    if (!ok)
        refuse(p, 400, error, "%s is missing or wrong", name);
    return ok;
}

static bool query_has(struct peer *p, const char *name) {
    const char *query = strchr(bytes_text(&p->request.target), '?');
    char *value = query ? fields_form(query + 1, strlen(query + 1), name) : NULL;
    bool has = value && *value;
    free(value);
    return has;
}

static bool assertion_good(struct peer *p, const char *name, int64_t lifetime_max_s) {
    char *assertion = form(p, name);
    struct auth_refusal why = {.type = "invalid_grant", .message = "assertion is missing"};
    struct auth_jwt_rules rules = {.key = p->cloud->key,
                                   .issuer = own(p)->issuer,
                                   .audience = own(p)->audience,
                                   .now_s = cloud_now_s(p->cloud),
                                   .lifetime_max_s = lifetime_max_s};
    bool ok = assertion && auth_jwt_check(assertion, &rules, &why);
    free(assertion);
    if (!ok)
        refuse(p, 400, why.type, "%s", why.message);
    return ok;
}

/* ---- Google ---- */

static bool google_grant_good(struct peer *p, const char *grant, bool *exchange) {
    if (!strcmp(grant, "urn:ietf:params:oauth:grant-type:jwt-bearer"))
        return assertion_good(p, "assertion", ASSERTION_S_MAX);
    if (!strcmp(grant, "refresh_token"))
        return form_is(p, "client_id", own(p)->client_id, "invalid_client") &&
               form_is(p, "client_secret", own(p)->client_secret, "invalid_client") &&
               form_is(p, "refresh_token", own(p)->refresh_token, "invalid_grant");
    *exchange = !strcmp(grant, "urn:ietf:params:oauth:grant-type:token-exchange");
    if (*exchange)
        return form_is(p, "subject_token_type", "", "invalid_request") &&
               form_is(p, "subject_token", own(p)->subject_token, "invalid_grant");
    refuse(p, 400, "unsupported_grant_type", "Invalid grant_type: %.60s", grant);
    return false;
}

static void google_token(struct peer *p) {
    char *grant = form(p, "grant_type");
    bool exchange = false, good = google_grant_good(p, grant ? grant : "", &exchange);
    struct token t;
    free(grant);
    if (!good || !play_admit(p, NULL))
        return;
    issue_bearer(p, "ya29.c.", &t);
    bytes_fmt(&p->play.prepared,
              "{\"access_token\":\"%s\",\"expires_in\":%lld,\"token_type\":\"Bearer\"%s}", t.id,
              (long long)life_s(p),
              exchange ? ",\"issued_token_type\":\"urn:ietf:params:oauth:token-type:access_token\""
                       : "");
    play_prepared(p, 200, "application/json; charset=utf-8");
}

static void google_metadata(struct peer *p) {
    struct token t;
    if (!is("Google", peer_header(p, "metadata-flavor"))) {
        refuse(p, 403, "forbidden", "Missing required header \"Metadata-Flavor\": \"Google\"");
        return;
    }
    if (!play_admit(p, NULL))
        return;
    issue_bearer(p, "ya29.c.", &t);
    bytes_fmt(&p->play.prepared,
              "{\"access_token\":\"%s\",\"expires_in\":%lld,\"token_type\":\"Bearer\"}", t.id,
              (long long)life_s(p));
    bytes_str(&p->play.headers, "Metadata-Flavor: Google\r\nServer: Metadata Server for VM\r\n");
    play_prepared(p, 200, "application/json");
}

/* ---- Azure ---- */

static bool entra_client_good(struct peer *p) {
    char *type = form(p, "client_assertion_type");
    bool asserted = type != NULL;
    bool known =
        asserted && !strcmp(type, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    free(type);
    if (!asserted)
        return form_is(p, "client_secret", own(p)->client_secret, "invalid_client");
    if (!known) {
        refuse(p, 400, "invalid_request", "client_assertion_type is unknown");
        return false;
    }
    if (*own(p)->subject_token)
        return form_is(p, "client_assertion", own(p)->subject_token, "invalid_client");
    return assertion_good(p, "client_assertion", 0);
}

static void entra_token(struct peer *p, const char *tenant, size_t tenant_len) {
    struct token t;
    const char *wanted = own(p)->tenant;
    if (*wanted && (strlen(wanted) != tenant_len || memcmp(wanted, tenant, tenant_len))) {
        refuse(p, 400, "invalid_request", "AADSTS90002: Tenant '%.*s' not found.", (int)tenant_len,
               tenant);
        return;
    }
    if (!form_is(p, "grant_type", "client_credentials", "unsupported_grant_type") ||
        !form_is(p, "client_id", own(p)->client_id, "unauthorized_client") ||
        !form_is(p, "scope", "", "invalid_scope") || !entra_client_good(p) || !play_admit(p, NULL))
        return;
    issue_bearer(p, "eyJ0eXAiOiJKV1Qi.", &t);
    bytes_fmt(&p->play.prepared,
              "{\"token_type\":\"Bearer\",\"expires_in\":%lld,\"ext_expires_in\":%lld,"
              "\"access_token\":\"%s\"}",
              (long long)life_s(p), (long long)life_s(p), t.id);
    play_prepared(p, 200, "application/json; charset=utf-8");
}

/* Numbers come as texts here. */
static void azure_metadata(struct peer *p) {
    struct token t;
    if (!is("true", peer_header(p, "metadata"))) {
        refuse(p, 400, "invalid_request", "Required metadata header not specified");
        return;
    }
    if (!query_has(p, "api-version") || !query_has(p, "resource")) {
        refuse(p, 400, "invalid_request", "Required query variables api-version and resource");
        return;
    }
    if (!play_admit(p, NULL))
        return;
    issue_bearer(p, "eyJ0eXAiOiJKV1Qi.", &t);
    bytes_fmt(&p->play.prepared,
              "{\"access_token\":\"%s\",\"expires_in\":\"%lld\",\"expires_on\":\"%lld\","
              "\"resource\":\"https://cognitiveservices.azure.com\",\"token_type\":\"Bearer\"}",
              t.id, (long long)life_s(p), (long long)t.expires_s);
    play_prepared(p, 200, "application/json; charset=utf-8");
}

/* ---- AWS ---- */

static void metadata_session(struct peer *p) {
    const char *ttl = peer_header(p, "x-aws-ec2-metadata-token-ttl-seconds");
    char name[TOKEN_LETTERS + 1];
    struct token t = {0};
    uint64_t ttl_s = 0;
    if (!ttl || !units_count(ttl, &ttl_s) || !ttl_s || ttl_s > METADATA_TOKEN_S_MAX) {
        refuse(p, 400, "bad_request", "x-aws-ec2-metadata-token-ttl-seconds is missing or wrong");
        return;
    }
    if (!play_admit(p, NULL))
        return;
    random_name(name, TOKEN_LETTERS);
    snprintf(t.id, sizeof t.id, "imds:%s", name);
    remember(p, &t, (int64_t)ttl_s);
    bytes_str(&p->play.prepared, t.id);
    bytes_fmt(&p->play.headers, "x-aws-ec2-metadata-token-ttl-seconds: %llu\r\n",
              (unsigned long long)ttl_s);
    play_prepared(p, 200, "text/plain");
}

static void write_key(struct bytes *out, const struct token *t, const char *before) {
    char until[32];
    iso_date(t->expires_s, until);
    bytes_fmt(out,
              "{%s\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"%s\",\"Token\":\"%s\","
              "\"Expiration\":\"%s\"}",
              before, t->id, t->secret, t->session, until);
}

static void metadata_key(struct peer *p, const char *role) {
    const char *session = peer_header(p, "x-aws-ec2-metadata-token");
    const char *own_role = *own(p)->role ? own(p)->role : "simulated-role";
    struct token t;
    /* A token for language models opens nothing here. */
    if (!session || strncmp(session, "imds:", 5) ||
        !tokens_find(&p->cloud->issued, session, cloud_now_s(p->cloud), NULL)) {
        refuse(p, 401, "unauthorized", "the session token is missing or not valid");
        return;
    }
    if (*role && strcmp(role, own_role)) {
        refuse(p, 404, "not_found", "no such role");
        return;
    }
    if (!play_admit(p, NULL))
        return;
    if (*role) {
        issue_key(p, &t);
        write_key(&p->play.prepared, &t, "\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",");
    } else {
        bytes_str(&p->play.prepared, own_role);
    }
    play_prepared(p, 200, "text/plain");
}

static void container_key(struct peer *p) {
    struct token t;
    if (!is(own(p)->authorization, peer_header(p, "authorization"))) {
        refuse(p, 401, "unauthorized", "the Authorization header is missing or wrong");
        return;
    }
    if (!play_admit(p, NULL))
        return;
    issue_key(p, &t);
    write_key(&p->play.prepared, &t, "\"RoleArn\":\"arn:aws:iam::123456789012:role/simulated\",");
    play_prepared(p, 200, "application/json");
}

/* STS answers its refusals in XML too. */
static void sts_refuse(struct peer *p, const char *code, const char *message) {
    struct bytes body = {0};
    p->cloud->stats.tokens_refused++;
    p->cloud->stats.refused++;
    bytes_fmt(
        &body,
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n"
        "    <Type>Sender</Type>\n    <Code>%s</Code>\n    <Message>%s</Message>\n  </Error>\n"
        "  <RequestId>00000000-0000-4000-8000-000000000000</RequestId>\n</ErrorResponse>\n",
        code, message);
    peer_head(p, 400, "text/xml", (long long)bytes_len(&body), "");
    peer_body(p, bytes_at(&body), bytes_len(&body));
    peer_done(p);
    bytes_free(&body);
}

static bool sts_request_good(struct peer *p) {
    static const char *const names[] = {"Action", "Version", "RoleArn", "RoleSessionName",
                                        "WebIdentityToken"};
    const char *wanted[] = {"AssumeRoleWithWebIdentity", "2011-06-15", own(p)->role, "",
                            own(p)->web_identity_token};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *got = form(p, names[i]);
        bool ok = got && *got && is(wanted[i], got);
        free(got);
        if (ok)
            continue;
        sts_refuse(p,
                   i == 4   ? "InvalidIdentityToken"
                   : i == 2 ? "AccessDenied"
                            : "ValidationError",
                   names[i]);
        return false;
    }
    return true;
}

static void sts_key(struct peer *p) {
    struct token t;
    char until[32];
    if (!sts_request_good(p) || !play_admit(p, NULL))
        return;
    issue_key(p, &t);
    iso_date(t.expires_s, until);
    bytes_fmt(&p->play.prepared,
              "<AssumeRoleWithWebIdentityResponse "
              "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
              "  <AssumeRoleWithWebIdentityResult>\n"
              "    <Audience>sts.amazonaws.com</Audience>\n"
              "    <AssumedRoleUser>\n"
              "      <AssumedRoleId>AROASIMULATED:session</AssumedRoleId>\n"
              "      <Arn>arn:aws:sts::123456789012:assumed-role/simulated/session</Arn>\n"
              "    </AssumedRoleUser>\n"
              "    <Credentials>\n"
              "      <SessionToken>%s</SessionToken>\n"
              "      <SecretAccessKey>%s</SecretAccessKey>\n"
              "      <Expiration>%s</Expiration>\n"
              "      <AccessKeyId>%s</AccessKeyId>\n"
              "    </Credentials>\n"
              "  </AssumeRoleWithWebIdentityResult>\n"
              "  <ResponseMetadata>\n"
              "    <RequestId>00000000-0000-4000-8000-000000000000</RequestId>\n"
              "  </ResponseMetadata>\n"
              "</AssumeRoleWithWebIdentityResponse>\n",
              t.session, t.secret, until, t.id);
    play_prepared(p, 200, "text/xml");
}

/* ---- the paths ---- */

static void role_key(struct peer *p) {
    static const char path[] = "/latest/meta-data/iam/security-credentials/";
    metadata_key(p, bytes_text(&p->request.target) + sizeof path - 1);
}

static const struct {
    const char *method, *path;
    bool rest; /* the path goes on */
    void (*serve)(struct peer *);
} endpoints[] = {
    {"POST", "/token", false, google_token},
    {"POST", "/v1/token", false, google_token},
    {"POST", "/oauth/token", false, google_token},
    {"GET", "/computeMetadata/v1/instance/service-accounts/default/token", false, google_metadata},
    {"GET", "/metadata/identity/oauth2/token", false, azure_metadata},
    {"PUT", "/latest/api/token", false, metadata_session},
    {"GET", "/latest/meta-data/iam/security-credentials/", true, role_key},
    {"GET", "/ecs-credentials", false, container_key},
    {"POST", "/", false, sts_key},
};

/* "/{tenant}/oauth2/v2.0/token" */
static bool is_entra(const char *path, size_t len, size_t *tenant_len) {
    static const char end[] = "/oauth2/v2.0/token";
    size_t end_len = sizeof end - 1;
    if (len < end_len + 2 || memcmp(path + len - end_len, end, end_len))
        return false;
    *tenant_len = len - end_len - 1;
    return !memchr(path + 1, '/', *tenant_len);
}

static void identity_serve(struct peer *p) {
    const char *path = bytes_text(&p->request.target);
    size_t len = strcspn(path, "?"), tenant_len, count = sizeof endpoints / sizeof endpoints[0];
    bool path_known = false;
    for (size_t i = 0; i < count; i++) {
        size_t own_len = strlen(endpoints[i].path);
        if ((endpoints[i].rest ? len < own_len : len != own_len) ||
            memcmp(path, endpoints[i].path, own_len))
            continue;
        path_known = true;
        if (strcmp(p->request.method, endpoints[i].method))
            continue;
        endpoints[i].serve(p);
        return;
    }
    if (is_entra(path, len, &tenant_len) && !strcmp(p->request.method, "POST"))
        entra_token(p, path + 1, tenant_len);
    else
        refuse(p, path_known ? 405 : 404, "not_found", "%s %.100s is no token endpoint",
               p->request.method, path);
}

/* ---- the vendor ---- */

static void identity_headers(struct peer *p, struct bytes *out) {
    (void)p;
    bytes_str(out, "Cache-Control: no-store\r\n");
}

static void identity_trouble(struct peer *p, enum trouble what, const char *detail) {
    static const struct trouble_row rows[TROUBLES] = {
        [TROUBLE_PATH] = {404, "not_found", "not found"},
        [TROUBLE_METHOD] = {405, "invalid_request", "use %s"},
        [TROUBLE_KEY_MISSING] = {401, "invalid_client", "no credentials"},
        [TROUBLE_KEY_WRONG] = {401, "invalid_client", "wrong credentials"},
        [TROUBLE_MODEL] = {404, "not_found", "%s"},
        [TROUBLE_CONTENT_TYPE] = {415, "invalid_request", "not this type: %s"},
        [TROUBLE_RATE] = {429, "temporarily_unavailable", "too many requests"},
        [TROUBLE_FAILED] = {500, "server_error", "internal failure"},
        [TROUBLE_UNAVAILABLE] = {503, "temporarily_unavailable", "try again later"},
        [TROUBLE_OVERLOADED] = {529, "temporarily_unavailable", "try again later"},
    };
    struct ask_error e;
    vendor_trouble(p, rows, what, detail, &e);
    identity_refuse(p, &e, what == TROUBLE_RATE ? "Retry-After: 1\r\n" : "");
}

const struct vendor vendor_identity = {
    .headers = identity_headers,
    .trouble = identity_trouble,
    .refuse = identity_refuse,
    .serve = identity_serve,
    .broken_type = "invalid_request",
};
