/* credential_read.c - the JSON that sources of credentials answer, dates, and the choice among
 * AWS's sources. (pure)
 *
 * Owns:     nothing; what is read is copied into the arena, so that the answer can be wiped.
 * Promises: no byte of a secret in a reason; no text that could end a field of a request.
 * Refuses:  broken JSON, tokens that are not Bearer, URLs in the clear. */
#include "providers/credential_read.h"

#include <errno.h>
#include <time.h>

#include "core/base.h"
#include "core/json.h"
#include "net/http.h"

/* Names of errors are shown up to here. */
#define CODE_MAX_BYTES 64
/* Tokens live for hours; ten years are no expiry, but a mistake or an attack on arithmetic. */
#define LIFE_MAX_S (UINT64_C(3650) * 86400)
/* 9999-12-31, in seconds and in the milliseconds that nobody sends. */
#define UNIX_MAX_S UINT64_C(253402300799)

static const struct span no_memory = SPAN_CONST("there is no memory for it");

static int refuse(struct span *why, struct span reason) {
    *why = reason;
    return -EINVAL;
}

/* --- members of an answer --- */

/* One reading of one JSON text. `why` is set once, by the first thing that is wrong. */
struct answer {
    struct span json;
    struct arena *arena;
    struct span why; /* empty: all is well */
};

static void blame(struct answer *answer, struct span why) {
    if (!answer->why.n)
        answer->why = why.p ? why : no_memory;
}

/* Sets `why` when it is not JSON. The text is never quoted: it may be a secret in the wrong place.
 */
static void answer_init(struct answer *answer, struct span json, struct arena *arena) {
    struct json_token token;
    *answer = (struct answer){.json = json, .arena = arena};
    if (json_check(json, NULL, NULL) < 0 || !json_find(json, NULL, 0, &token) ||
        token.kind != JSON_OBJECT)
        blame(answer, SPAN("the answer is not a JSON object"));
}

/* The decoded string at a member, or at a member of a member (`inner` not empty); {NULL, 0} when it
 * is not there or no string. */
static struct span text_at(struct answer *answer, struct span name, struct span inner) {
    struct span path[] = {name, inner};
    struct json_token token;
    if (!json_find(answer->json, path, inner.n ? 2 : 1, &token) || token.kind != JSON_STRING)
        return span_of(NULL, 0);
    char *out = arena_alloc(answer->arena, token.raw.n + 1);
    long n = out ? json_decode(token.raw, false, out, token.raw.n) : 0;
    if (!out || n < 0) {
        blame(answer, arena_printf(answer->arena, "%.*s cannot be read", (int)name.n, name.p));
        return span_of(NULL, 0);
    }
    return span_of(out, (size_t)n);
}

static bool is_visible(struct span text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~')
            return false;
    return true;
}

/* As text_at for what goes into a request's field: nothing else than visible ASCII. */
static struct span word_at(struct answer *answer, struct span name) {
    struct span text = text_at(answer, name, SPAN(""));
    if (is_visible(text))
        return text;
    blame(answer, arena_printf(answer->arena, "%.*s holds blanks or control characters",
                               (int)name.n, name.p));
    return span_of(NULL, 0);
}

/* As word_at for what must be there. */
static struct span needed_at(struct answer *answer, struct span name) {
    struct span text = word_at(answer, name);
    if (!text.n)
        blame(answer, arena_printf(answer->arena, "%.*s is missing", (int)name.n, name.p));
    return text;
}

/* A whole number of seconds, also with a fraction or in a string; false when it is not there. */
static bool seconds_at(struct answer *answer, struct span name, uint64_t max_s, uint64_t *out) {
    struct json_token token;
    double seconds;
    if (!json_find(answer->json, &name, 1, &token) || token.kind == JSON_NULL ||
        (token.kind == JSON_STRING && token.raw.n == 0))
        return false;
    if ((token.kind != JSON_NUMBER && token.kind != JSON_STRING) ||
        !span_double(token.raw, &seconds) || seconds < 0 || seconds > (double)max_s) {
        blame(answer,
              arena_printf(answer->arena, "%.*s is not a number of seconds", (int)name.n, name.p));
        return false;
    }
    *out = (uint64_t)seconds;
    return true;
}

/* --- errors that a source answers --- */

/* A name of an error is a word; anything else is not shown. */
static bool is_code(struct span code) {
    if (code.n == 0 || code.n > CODE_MAX_BYTES)
        return false;
    for (size_t i = 0; i < code.n; i++) {
        char c = code.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.'))
            return false;
    }
    return true;
}

static void blame_code(struct answer *answer, struct span code, struct span detail) {
    if (!is_code(code))
        code = SPAN("an error without a readable name");
    if (is_code(detail))
        blame(answer, arena_printf(answer->arena, "the source answered %.*s (%.*s)", (int)code.n,
                                   code.p, (int)detail.n, detail.p));
    else
        blame(answer, arena_printf(answer->arena, "the source answered %.*s", (int)code.n, code.p));
}

/* Entra's own number of an error, with which its description begins: "AADSTS7000215: Invalid ...".
 * The rest of a description may quote what was sent. */
static struct span entra_number(struct span description) {
    size_t n = sizeof "AADSTS" - 1;
    if (!span_starts(description, SPAN("AADSTS")))
        return SPAN("");
    while (n < description.n && description.p[n] >= '0' && description.p[n] <= '9')
        n++;
    return span_of(description.p, n);
}

/* RFC 6749 5.2, or the errors of Google's APIs: {"error": {"code": 403, "status": "..."}}. */
static void look_for_oauth_error(struct answer *answer) {
    struct json_token token;
    struct span name = SPAN("error");
    if (!json_find(answer->json, &name, 1, &token) || token.kind == JSON_NULL)
        return;
    struct span code = token.kind == JSON_OBJECT ? text_at(answer, name, SPAN("status"))
                                                 : text_at(answer, name, SPAN(""));
    struct span description = text_at(answer, SPAN("error_description"), SPAN(""));
    blame_code(answer, code, entra_number(description));
}

/* IMDS: Code; containers: code, or an error without any key. */
static void look_for_aws_error(struct answer *answer) {
    struct span code = text_at(answer, SPAN("Code"), SPAN(""));
    if (!code.p)
        code = text_at(answer, SPAN("code"), SPAN(""));
    if (code.p && !span_eq(code, SPAN("Success")))
        blame_code(answer, code, SPAN(""));
}

/* --- tokens --- */

/* The time of expiry as iamcredentials and AWS say it; 0 when it is not there. */
static int64_t date_at(struct answer *answer, struct span name) {
    struct span text = text_at(answer, name, SPAN(""));
    int64_t at_s = 0;
    if (text.n && !credential_iso8601(text, &at_s))
        blame(answer, arena_printf(answer->arena, "%.*s is not a date", (int)name.n, name.p));
    return at_s;
}

static int64_t oauth_expiry(struct answer *answer, int64_t now_s) {
    uint64_t seconds;
    /* Azure's metadata server caches tokens: there only expires_on is sure to be about this one. */
    if (seconds_at(answer, SPAN("expires_on"), UNIX_MAX_S, &seconds))
        return (int64_t)seconds;
    if (seconds_at(answer, SPAN("expires_in"), LIFE_MAX_S, &seconds))
        return now_s + (int64_t)seconds;
    return date_at(answer, SPAN("expireTime"));
}

int credential_read_oauth(struct span json, int64_t now_s, struct arena *arena,
                          struct credential *out, struct span *why) {
    struct answer answer;
    answer_init(&answer, json, arena);
    look_for_oauth_error(&answer);
    struct span type = text_at(&answer, SPAN("token_type"), SPAN(""));
    if (type.n && !span_eq_nocase(type, SPAN("Bearer")))
        blame(&answer, SPAN("token_type is not Bearer"));
    struct span token = word_at(&answer, SPAN("access_token"));
    if (!token.n)
        token = word_at(&answer, SPAN("accessToken"));
    if (!token.n)
        blame(&answer, SPAN("access_token is missing"));
    int64_t expires_s = oauth_expiry(&answer, now_s);
    if (answer.why.n)
        return refuse(why, answer.why);
    *out = (struct credential){.kind = CREDENTIAL_BEARER, .expires_s = expires_s, .token = token};
    return 0;
}

int credential_read_aws(struct span json, struct arena *arena, struct credential *out,
                        struct span *why) {
    struct answer answer;
    answer_init(&answer, json, arena);
    look_for_aws_error(&answer);
    struct span key_id = needed_at(&answer, SPAN("AccessKeyId"));
    struct span secret = needed_at(&answer, SPAN("SecretAccessKey"));
    struct span token = word_at(&answer, SPAN("Token"));
    int64_t expires_s = date_at(&answer, SPAN("Expiration"));
    if (answer.why.n)
        return refuse(why, answer.why);
    *out = (struct credential){.kind = CREDENTIAL_AWS,
                               .expires_s = expires_s,
                               .token = token,
                               .key_id = key_id,
                               .secret = secret};
    return 0;
}

/* --- dates --- */

/* `n` digits at *at, which is moved behind them. */
static bool digits(struct span text, size_t *at, size_t n, int max, int *out) {
    uint64_t number;
    if (text.n - *at < n || !span_u64(span_of(text.p + *at, n), (uint64_t)max, &number))
        return false;
    *out = (int)number;
    *at += n;
    return true;
}

static bool skip(struct span text, size_t *at, char c) {
    if (*at >= text.n || text.p[*at] != c)
        return false;
    ++*at;
    return true;
}

/* "Z", "+01:00" or "+0100", to the text's end. */
static bool offset(struct span text, size_t at, int *out_s) {
    int hours, minutes, sign = 1;
    *out_s = 0;
    if (skip(text, &at, 'Z') || skip(text, &at, 'z'))
        return at == text.n;
    if (skip(text, &at, '-'))
        sign = -1;
    else if (!skip(text, &at, '+'))
        return false;
    if (!digits(text, &at, 2, 23, &hours))
        return false;
    skip(text, &at, ':');
    if (!digits(text, &at, 2, 59, &minutes))
        return false;
    *out_s = sign * (hours * 3600 + minutes * 60);
    return at == text.n;
}

bool credential_iso8601(struct span text, int64_t *unix_s) {
    struct tm when = {0};
    size_t at = 0;
    int year, month, offset_s;
    if (!digits(text, &at, 4, 9999, &year) || !skip(text, &at, '-') ||
        !digits(text, &at, 2, 12, &month) || month == 0 || !skip(text, &at, '-') ||
        !digits(text, &at, 2, 31, &when.tm_mday) || when.tm_mday == 0)
        return false;
    if (!skip(text, &at, 'T') && !skip(text, &at, 't'))
        return false;
    if (!digits(text, &at, 2, 23, &when.tm_hour) || !skip(text, &at, ':') ||
        !digits(text, &at, 2, 59, &when.tm_min) || !skip(text, &at, ':') ||
        !digits(text, &at, 2, 60, &when.tm_sec))
        return false;
    if (skip(text, &at, '.')) {
        size_t first = at;
        while (at < text.n && text.p[at] >= '0' && text.p[at] <= '9')
            at++;
        if (at == first)
            return false;
    }
    if (!offset(text, at, &offset_s))
        return false;
    when.tm_year = year - 1900;
    when.tm_mon = month - 1;
    /* Apart, as a leap second runs over into the next day. */
    int day = when.tm_mday, second = when.tm_sec;
    when.tm_sec = 0;
    int64_t at_s = timegm(&when);
    /* timegm takes 30 February for 1 March. */
    if (when.tm_mday != day)
        return false;
    *unix_s = at_s + second - offset_s;
    return true;
}

/* --- URLs --- */

struct url {
    bool tls;
    struct span host; /* without the port */
};

/* Scheme and host of a URL that has no user name: "http://127.0.0.1@elsewhere/" is not what it
 * looks like. False for anything else. */
static bool url_read(struct span text, struct url *out) {
    size_t skipped = span_starts(text, SPAN("https://"))  ? sizeof "https://" - 1
                     : span_starts(text, SPAN("http://")) ? sizeof "http://" - 1
                                                          : 0;
    struct span rest = span_from(text, skipped);
    size_t n = 0;
    if (!skipped || !is_visible(text))
        return false;
    while (n < rest.n && !strchr("/?#", rest.p[n]))
        n++;
    if (!http_is_host(span_of(rest.p, n)))
        return false;
    out->tls = text.p[4] == 's';
    out->host = span_of(rest.p, n);
    out->host.n =
        rest.p[0] == '[' ? span_find(out->host, ']', 0) + 1 : span_find(out->host, ':', 0);
    return true;
}

static bool is_among(struct span host, const struct span *hosts, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (span_eq_nocase(host, hosts[i]))
            return true;
    return false;
}

/* --- Google's files --- */

/* Where secrets are sent: encrypted, or to this machine. */
static bool is_safe_url(struct span text) {
    static const struct span local[] = {SPAN_CONST("127.0.0.1"), SPAN_CONST("localhost"),
                                        SPAN_CONST("[::1]")};
    struct url url;
    return url_read(text, &url) && (url.tls || is_among(url.host, local, countof(local)));
}

static struct span url_at(struct answer *answer, struct span name, struct span otherwise) {
    struct span url = word_at(answer, name);
    if (!url.n)
        return otherwise;
    if (!is_safe_url(url))
        blame(answer, arena_printf(answer->arena, "%.*s is not an https URL", (int)name.n, name.p));
    return url;
}

static void read_external(struct answer *answer, struct credential_google *out) {
    static const struct span format[] = {SPAN_CONST("credential_source"), SPAN_CONST("format"),
                                         SPAN_CONST("subject_token_field_name")};
    struct json_token token;
    out->kind = CREDENTIAL_GOOGLE_EXTERNAL;
    out->audience = needed_at(answer, SPAN("audience"));
    out->subject_token_type = needed_at(answer, SPAN("subject_token_type"));
    out->token_url = url_at(answer, SPAN("token_url"), SPAN("https://sts.googleapis.com/v1/token"));
    out->impersonation_url = url_at(answer, SPAN("service_account_impersonation_url"), SPAN(""));
    out->subject_file = text_at(answer, SPAN("credential_source"), SPAN("file"));
    if (!out->subject_file.n || memchr(out->subject_file.p, 0, out->subject_file.n))
        blame(answer, SPAN("credential_source has no file; only tokens in files are supported"));
    if (!json_find(answer->json, format, countof(format), &token) || token.kind != JSON_STRING)
        return;
    char *field = arena_alloc(answer->arena, token.raw.n + 1);
    long n = field ? json_decode(token.raw, false, field, token.raw.n) : -1;
    if (n < 0)
        blame(answer, SPAN("subject_token_field_name cannot be read"));
    else
        out->subject_field = span_of(field, (size_t)n);
}

static void read_service_account(struct answer *answer, struct credential_google *out) {
    out->kind = CREDENTIAL_GOOGLE_SERVICE_ACCOUNT;
    out->client_email = needed_at(answer, SPAN("client_email"));
    out->private_key_id = word_at(answer, SPAN("private_key_id"));
    out->private_key = text_at(answer, SPAN("private_key"), SPAN(""));
    if (!out->private_key.n)
        blame(answer, SPAN("private_key is missing"));
    out->project_id = word_at(answer, SPAN("project_id"));
    out->token_url = url_at(answer, SPAN("token_uri"), SPAN("https://oauth2.googleapis.com/token"));
}

static void read_user(struct answer *answer, struct credential_google *out) {
    out->kind = CREDENTIAL_GOOGLE_USER;
    out->client_id = needed_at(answer, SPAN("client_id"));
    out->client_secret = needed_at(answer, SPAN("client_secret"));
    out->refresh_token = needed_at(answer, SPAN("refresh_token"));
    out->token_url = url_at(answer, SPAN("token_uri"), SPAN("https://oauth2.googleapis.com/token"));
}

int credential_read_service_account(struct span json, struct arena *arena,
                                    struct credential_google *out, struct span *why) {
    struct answer answer;
    answer_init(&answer, json, arena);
    if (answer.why.n)
        return refuse(why, SPAN("the file is not a JSON object"));
    *out = (struct credential_google){.token_url = {NULL, 0}};
    struct span type = text_at(&answer, SPAN("type"), SPAN(""));
    if (span_eq(type, SPAN("service_account")))
        read_service_account(&answer, out);
    else if (span_eq(type, SPAN("authorized_user")))
        read_user(&answer, out);
    else if (span_eq(type, SPAN("external_account")))
        read_external(&answer, out);
    else
        blame(&answer,
              SPAN("type is none of service_account, authorized_user and external_account"));
    out->quota_project_id = word_at(&answer, SPAN("quota_project_id"));
    return answer.why.n ? refuse(why, answer.why) : 0;
}

/* --- which of AWS's sources --- */

enum aws_source credential_aws_source(const struct aws_settings *s) {
    bool keys = s->key_id.n || s->secret.n;
    if ((s->bearer.n > 0) + keys + (s->profile.n > 0) > 1)
        return AWS_SOURCE_CONFLICT;
    if (s->bearer.n)
        return AWS_SOURCE_CONFIG_BEARER;
    if (keys)
        return s->key_id.n && s->secret.n ? AWS_SOURCE_CONFIG_KEYS : AWS_SOURCE_INCOMPLETE;
    if (s->profile.n)
        return AWS_SOURCE_PROFILE;
    if (s->env_bearer.n)
        return AWS_SOURCE_ENV_BEARER;
    if (s->env_key_id.n || s->env_secret.n)
        return s->env_key_id.n && s->env_secret.n ? AWS_SOURCE_ENV_KEYS : AWS_SOURCE_INCOMPLETE;
    if (s->env_role_arn.n && s->env_identity_file.n)
        return AWS_SOURCE_WEB_IDENTITY;
    if (s->env_relative_uri.n || s->env_full_uri.n)
        return AWS_SOURCE_CONTAINER;
    return span_eq_nocase(s->env_metadata_disabled, SPAN("true")) ? AWS_SOURCE_NONE
                                                                  : AWS_SOURCE_IMDS;
}

const char *credential_aws_source_name(enum aws_source source) {
    switch (source) {
    case AWS_SOURCE_CONFLICT: return "conflicting settings";
    case AWS_SOURCE_INCOMPLETE: return "incomplete settings";
    case AWS_SOURCE_CONFIG_BEARER: return "the configuration's api_key";
    case AWS_SOURCE_CONFIG_KEYS: return "the configuration's keys";
    case AWS_SOURCE_PROFILE: return "a profile";
    case AWS_SOURCE_ENV_BEARER: return "AWS_BEARER_TOKEN_BEDROCK";
    case AWS_SOURCE_ENV_KEYS: return "AWS_ACCESS_KEY_ID";
    case AWS_SOURCE_WEB_IDENTITY: return "a web identity";
    case AWS_SOURCE_CONTAINER: return "the container's endpoint";
    case AWS_SOURCE_IMDS: return "the instance's metadata service";
    case AWS_SOURCE_NONE: return "none";
    }
    return "?";
}

struct span credential_container_url(const struct aws_settings *settings, struct arena *arena,
                                     struct span *why) {
    /* Where AWS says that plain http is allowed: this machine, ECS, EKS Pod Identity. */
    static const struct span hosts[] = {
        SPAN_CONST("127.0.0.1"),     SPAN_CONST("localhost"),      SPAN_CONST("[::1]"),
        SPAN_CONST("169.254.170.2"), SPAN_CONST("169.254.170.23"), SPAN_CONST("[fd00:ec2::23]"),
    };
    struct span relative = settings->env_relative_uri, full = settings->env_full_uri;
    struct url url;
    if (relative.n) {
        *why = SPAN("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path");
        if (relative.p[0] != '/' || !is_visible(relative))
            return span_of(NULL, 0);
        *why = no_memory;
        return arena_printf(arena, "http://169.254.170.2%.*s", (int)relative.n, relative.p);
    }
    *why = SPAN("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of AWS");
    if (!url_read(full, &url) || !(url.tls || is_among(url.host, hosts, countof(hosts))))
        return span_of(NULL, 0);
    *why = no_memory;
    return arena_copy(arena, full);
}
