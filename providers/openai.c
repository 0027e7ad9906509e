/* openai.c - what all OpenAI-shaped providers share: where to send, with which fields, and what
 * their answers mean. (pure)
 *
 * Owns:     nothing; a target's memory is the arena's, which lives as long as the configuration.
 * Promises: a target holds only valid field names and values; the operator's own fields replace
 *           ours of the same name.
 * Refuses:  fields that frame the message or belong to one connection: with them one request could
 *           be made two. */
#include <errno.h>

#include "core/base.h"
#include "providers/openai_chat.h"
#include "providers/openai_target.h"
#include "providers/provider.h"

/* Longer waits than this are not a matter of one request. */
#define RETRY_AFTER_MAX_MS UINT64_C(3600000)

/* --- target --- */

/* Fields of the connection or of the framing (RFC 9110 7.6.1, RFC 9112 6), and those that pool and
 * race must be able to rely on. */
static const struct span reserved[] = {
    SPAN_CONST("host"),       SPAN_CONST("content-length"),  SPAN_CONST("transfer-encoding"),
    SPAN_CONST("connection"), SPAN_CONST("keep-alive"),      SPAN_CONST("proxy-connection"),
    SPAN_CONST("te"),         SPAN_CONST("trailer"),         SPAN_CONST("upgrade"),
    SPAN_CONST("expect"),     SPAN_CONST("accept-encoding"), SPAN_CONST("content-type"),
};

static bool is_reserved(struct span name) {
    for (unsigned i = 0; i < countof(reserved); i++)
        if (span_eq_nocase(name, reserved[i]))
            return true;
    return false;
}

static bool has_field(const struct provider_target *target, struct span name) {
    for (unsigned i = 0; i < target->field_count; i++)
        if (span_eq_nocase(target->fields[i].name, name))
            return true;
    return false;
}

static void add_field(struct provider_target *target, struct span name, struct span value) {
    if (has_field(target, name))
        return;
    CHECK(target->field_count < countof(target->fields));
    target->fields[target->field_count++] = (struct http_field){.name = name, .value = value};
}

static int add_own_fields(const struct provider *provider, struct arena *arena,
                          struct provider_target *out, struct span *why) {
    /* Room is left for ours. */
    if (provider->header_count > countof(out->fields) - OPENAI_FIELDS_MAX) {
        *why = SPAN("there are too many headers");
        return -EINVAL;
    }
    for (unsigned i = 0; i < provider->header_count; i++) {
        struct http_field field = provider->headers[i];
        const char *fault = !http_is_token(field.name)    ? "is not a field name"
                            : !http_is_value(field.value) ? "has a value with control characters"
                            : is_reserved(field.name)     ? "is set by hedgerow itself"
                            : has_field(out, field.name)  ? "is there twice"
                                                          : NULL;
        if (fault) {
            *why =
                arena_printf(arena, "header \"%.*s\" %s", (int)field.name.n, field.name.p, fault);
            return -EINVAL;
        }
        add_field(out, field.name, field.value);
    }
    return 0;
}

static int add_credential(const struct provider *provider, struct arena *arena,
                          struct provider_target *out, struct span *why) {
    struct span key = span_str(provider->api_key);
    if (!key.n)
        return 0;
    /* http_is_value lets blanks and tabs pass, of which no key has any: one at the end is a slip of
     * copying. */
    if (!http_is_value(key) || memchr(key.p, ' ', key.n) || memchr(key.p, '\t', key.n)) {
        *why = SPAN("api_key holds blanks or control characters");
        return -EINVAL;
    }
    switch (provider->kind->auth) {
    case PROVIDER_AUTH_NONE: break;
    case PROVIDER_AUTH_BEARER:
        add_field(out, SPAN("authorization"), arena_printf(arena, "Bearer %s", provider->api_key));
        break;
    case PROVIDER_AUTH_API_KEY: add_field(out, SPAN("api-key"), arena_copy(arena, key)); break;
    case PROVIDER_AUTH_X_API_KEY: add_field(out, SPAN("x-api-key"), arena_copy(arena, key)); break;
    case PROVIDER_AUTH_X_GOOG_KEY:
        add_field(out, SPAN("x-goog-api-key"), arena_copy(arena, key));
        break;
    }
    return 0;
}

int openai_target_fields(const struct provider *provider, struct arena *arena,
                         struct provider_target *out, struct span *why) {
    int rc = add_own_fields(provider, arena, out, why);
    if (rc == 0)
        rc = add_credential(provider, arena, out, why);
    if (rc < 0)
        return rc;
    add_field(out, SPAN("content-type"), SPAN("application/json"));
    add_field(out, SPAN("accept"), SPAN("text/event-stream, application/json"));
    /* A compressed stream arrives in lumps: latency for bytes that nobody is short of (PROVIDERS.md
     * 7). */
    add_field(out, SPAN("accept-encoding"), SPAN("identity"));
    /* Some front ends refuse an empty one. */
    add_field(out, SPAN("user-agent"), SPAN("hedgerow"));
    for (unsigned i = 0; i < out->field_count; i++)
        if (!out->fields[i].value.p) {
            *why = SPAN("there is no memory for it");
            return -EINVAL;
        }
    return 0;
}

int openai_target_path(struct provider_target *out, struct span path, struct span *why) {
    if (!path.p || path.n == 0 || path.p[0] != '/') {
        *why = SPAN("base_url has no usable path");
        return -EINVAL;
    }
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] <= ' ' || path.p[i] >= 0x7f || path.p[i] == '#') {
            *why = SPAN("base_url holds characters that must be percent-encoded");
            return -EINVAL;
        }
    out->path = path;
    return 0;
}

const char *openai_service_path(enum provider_service service) {
    switch (service) {
    case SERVICE_CHAT: return "chat/completions";
    case SERVICE_RESPONSES: return "responses";
    case SERVICE_COMPLETIONS: return "completions";
    case SERVICE_EMBEDDINGS: return "embeddings";
    case SERVICE_MESSAGES:
    case SERVICE_GENERATE:
    case SERVICE_CONVERSE:
    case SERVICE_COUNT_TOKENS:
    case SERVICE_COUNT: break;
    }
    return NULL;
}

int provider_target_openai(const struct provider *provider, enum provider_service service,
                           struct span model, struct arena *arena, struct provider_target *out,
                           struct span *why) {
    (void)model; /* stands in the body */
    const char *path = openai_service_path(service);
    CHECK(path);
    *out = (struct provider_target){.field_count = 0};
    int rc =
        openai_target_path(out, arena_printf(arena, "%s/%s", provider->path_prefix, path), why);
    return rc < 0 ? rc : openai_target_fields(provider, arena, out, why);
}

int provider_pass_openai(const struct provider *provider, struct arena *arena,
                         struct provider_target *out, struct span *why) {
    *out = (struct provider_target){.path = span_str(provider->path_prefix)};
    return openai_target_fields(provider, arena, out, why);
}

static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

struct span provider_encode_segment(struct span text, struct arena *arena) {
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, text.n * 3), *p = out;
    if (!out)
        return span_of(NULL, 0);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (is_unreserved(text.p[i])) {
            *p++ = text.p[i];
            continue;
        }
        *p++ = '%';
        *p++ = hex[c >> 4];
        *p++ = hex[c & 15];
    }
    return span_of(out, (size_t)(p - out));
}

/* --- what an answer means --- */

uint64_t provider_retry_delay_ms(struct span body) {
    struct json json;
    struct json_token token;
    bool found = false;
    double seconds;
    json_init(&json, body);
    while (json_next(&json, &token) != JSON_ERROR && token.kind != JSON_END) {
        if (found && token.kind == JSON_STRING && span_ends(token.raw, SPAN("s")) &&
            span_double(span_of(token.raw.p, token.raw.n - 1), &seconds) && seconds > 0 &&
            seconds * 1000 <= (double)RETRY_AFTER_MAX_MS)
            return (uint64_t)(seconds * 1000);
        found = token.kind == JSON_KEY &&
                (json_is(&token, SPAN("retryDelay")) || json_is(&token, SPAN("retry_delay")));
    }
    return 0;
}

/* 400s that are not about the request: a refused prompt, an unknown model, or (xAI, Google) a wrong
 * key, which must not be told as the client's fault, nor shown, for the text quotes the key. */
static enum fail client_error(const struct chat_error *error) {
    enum fail fail = openai_error_fail(error, false);
    if (fail != FAIL_NONE && fail != FAIL_REFUSED)
        return fail;
    if (span_search(error->message, SPAN("API key")) < error->message.n)
        return FAIL_UPSTREAM_AUTH;
    return FAIL_REFUSED;
}

/* OpenRouter says 403 for a prompt that its moderation flagged. */
static bool is_moderated(struct span body) {
    static const struct span path[] = {SPAN_CONST("error"), SPAN_CONST("metadata"),
                                       SPAN_CONST("flagged_input")};
    struct json_token token;
    return json_find(body, path, countof(path), &token);
}

static enum fail classify(unsigned status, const struct chat_error *error, struct span body) {
    enum fail by_status = openai_status_fail(status);
    enum fail by_text;
    switch (status) {
    case 400:
    case 413:
    case 422: return client_error(error);
    case 403:
        by_text = openai_error_fail(error, false);
        if (by_text == FAIL_POLICY || is_moderated(body))
            return FAIL_POLICY;
        return by_text == FAIL_QUOTA ? by_text : by_status;
    case 429:
    case 503:
        by_text = openai_error_fail(error, false);
        return by_text == FAIL_QUOTA || by_text == FAIL_OVERLOADED || by_text == FAIL_RATE_LIMITED
                   ? by_text
                   : by_status;
    case 500:
        return openai_error_fail(error, false) == FAIL_OVERLOADED ? FAIL_OVERLOADED : by_status;
    }
    return by_status;
}

void provider_classify_openai(const struct provider *provider, const struct http_head *head,
                              struct span body, struct provider_verdict *out) {
    (void)provider;
    *out = (struct provider_verdict){.why = FAIL_NONE};
    openai_read_error(body, &out->error);
    out->why = classify(head->status, &out->error, body);
    if (out->why == FAIL_NONE)
        return;
    out->retry_after_ms = provider_retry_after_ms(head, 0);
    if (!out->retry_after_ms)
        out->retry_after_ms = provider_retry_delay_ms(body);
}

/* --- Retry-After --- */

/* Days from 1970-01-01 to a date of the Gregorian calendar; months count from 1. */
static int64_t days_of(int64_t year, unsigned month, unsigned day) {
    /* Years begin in March, so that the leap day comes last. */
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (int64_t)(month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool number_in(struct span text, uint64_t max, unsigned *out) {
    uint64_t number;
    if (!span_u64(text, max, &number))
        return false;
    *out = (unsigned)number;
    return true;
}

bool provider_http_date(struct span text, int64_t *out) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    unsigned day, year, hour, minute, second, month = 0;
    if (text.n != 29 || text.p[3] != ',' || text.p[19] != ':' || text.p[22] != ':' ||
        !span_ends(text, SPAN(" GMT")))
        return false;
    while (month < 12 && memcmp(months + month * 3, text.p + 8, 3) != 0)
        month++;
    if (month == 12 || !number_in(span_of(text.p + 5, 2), 31, &day) ||
        !number_in(span_of(text.p + 12, 4), 9999, &year) ||
        !number_in(span_of(text.p + 17, 2), 23, &hour) ||
        !number_in(span_of(text.p + 20, 2), 59, &minute) ||
        !number_in(span_of(text.p + 23, 2), 60, &second))
        return false;
    *out = days_of(year, month + 1, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

static uint64_t bounded_ms(double ms) {
    return ms > 0 && ms <= (double)RETRY_AFTER_MAX_MS ? (uint64_t)ms : 0;
}

uint64_t provider_retry_after_ms(const struct http_head *head, int64_t now_s) {
    struct span after_ms = http_field(head, SPAN("retry-after-ms"));
    struct span after = http_field(head, SPAN("retry-after"));
    int64_t at_s, date_s;
    double number;
    if (after_ms.n && span_double(after_ms, &number) && number > 0)
        return bounded_ms(number);
    if (span_double(after, &number))
        return bounded_ms(number * 1000);
    /* A date means the server's clock; what it calls now is in the same head. */
    if (provider_http_date(http_field(head, SPAN("date")), &date_s))
        now_s = date_s;
    if (!now_s || !provider_http_date(after, &at_s))
        return 0;
    return bounded_ms((double)(at_s - now_s) * 1000);
}
