/* sigv4.c - AWS Signature Version 4: who asks, for what, with which body, in fifteen minutes only.
 * (pure: the time is given)
 *
 *     canonical request = method, path, query, fields, names of the fields, hash of the body
 *     string to sign    = "AWS4-HMAC-SHA256", time, scope, hash of the canonical request
 *     key               = HMAC(HMAC(HMAC(HMAC("AWS4" secret, day), region), service), TYPE)
 *     signature         = HMAC(key, string to sign); TYPE is "aws4_request"
 *
 * Owns:     nothing; texts are in the arena of the request, the cache belongs to the worker.
 * Promises: memory from the arena alone; the body is hashed where it lies, piece by piece; no key
 *           material stays on the stack.
 * Refuses:  credentials with bytes that could end a field.
 *
 * Source: "Signature Version 4 signing process" of the AWS General Reference, where it is silent
 * aws-c-auth and botocore, whose test vectors are the tests. */
#include <openssl/mem.h>
#include <openssl/sha.h>

#include "core/base.h"
#include "core/fail.h"
#include "core/json.h"
#include "providers/provider.h"

#define HASH_SIZE  32
#define HASH_BLOCK 64 /* of SHA-256, for HMAC */
#define HEX_SIZE   (2 * HASH_SIZE)
#define DATE_SIZE  16 /* "20261121T010203Z" */
#define DAY_SIZE   8  /* "20261121" */
/* Room to begin with: a canonical request for Converse is about 500 bytes. */
#define TEXT_EXPECT 1024
/* Fields that signing adds: x-amz-date, x-amz-security-token, authorization. */
#define FIELDS_ADDED 3
/* Fields that are signed besides those of the head: host, date, token, hash. */
#define FIELDS_OWN 4
/* Query parameters that the query form adds. */
#define PARAMETERS_OWN 6

static const struct span algorithm = SPAN_CONST("AWS4-HMAC-SHA256");

/* One signature while it is made. */
struct signing {
    const struct sign_call *call;
    const struct credential *credential;
    struct span region, service;
    const struct sigv4_options *options;
    struct span scope; /* "20261121/us-east-1/bedrock/aws4_request" */
    struct sigv4_parts *parts;
};

/* Fields or query parameters, as they are signed. */
struct pair {
    struct span name, value;
};

/* --- hashes --- */

static struct span hex(const uint8_t hash[HASH_SIZE], struct arena *arena) {
    static const char digits[] = "0123456789abcdef";
    char *out = arena_alloc(arena, HEX_SIZE);
    if (!out)
        return span_of(NULL, 0);
    for (unsigned i = 0; i < HASH_SIZE; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    return span_of(out, HEX_SIZE);
}

static struct span hash_body(const struct sign_call *call) {
    SHA256_CTX sha;
    uint8_t hash[HASH_SIZE];
    SHA256_Init(&sha);
    for (unsigned i = 0; i < call->piece_count; i++)
        SHA256_Update(&sha, call->pieces[i].p, call->pieces[i].n);
    SHA256_Final(hash, &sha);
    return hex(hash, call->arena);
}

static void hash_text(struct span text, uint8_t out[HASH_SIZE]) {
    SHA256((const uint8_t *)text.p, text.n, out);
}

/* RFC 2104. By hand, as BoringSSL's own may take from the heap. */
static void hmac(struct span key, struct span text, uint8_t out[HASH_SIZE]) {
    uint8_t pad[HASH_BLOCK] = {0};
    SHA256_CTX sha;
    if (key.n > HASH_BLOCK)
        hash_text(key, pad);
    else if (key.n)
        memcpy(pad, key.p, key.n);
    for (unsigned i = 0; i < HASH_BLOCK; i++)
        pad[i] ^= 0x36;
    SHA256_Init(&sha);
    SHA256_Update(&sha, pad, sizeof pad);
    SHA256_Update(&sha, text.p, text.n);
    SHA256_Final(out, &sha);
    for (unsigned i = 0; i < HASH_BLOCK; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&sha);
    SHA256_Update(&sha, pad, sizeof pad);
    SHA256_Update(&sha, out, HASH_SIZE);
    SHA256_Final(out, &sha);
    OPENSSL_cleanse(pad, sizeof pad);
    OPENSSL_cleanse(&sha, sizeof sha);
}

static struct span hash_span(const uint8_t hash[HASH_SIZE]) {
    return span_of((const char *)hash, HASH_SIZE);
}

/* False: no memory. */
static bool derive(const struct signing *s, uint8_t key[HASH_SIZE]) {
    struct span secret = s->credential->secret;
    size_t n = sizeof "AWS4" - 1 + secret.n;
    char *first = arena_alloc(s->call->arena, n);
    if (!first)
        return false;
    memcpy(first, "AWS4", sizeof "AWS4" - 1);
    memcpy(first + sizeof "AWS4" - 1, secret.p, secret.n);
    hmac(span_of(first, n), span_of(s->parts->date.p, DAY_SIZE), key);
    OPENSSL_cleanse(first, n);
    hmac(hash_span(key), s->region, key);
    hmac(hash_span(key), s->service, key);
    hmac(hash_span(key), SPAN("aws4_request"), key);
    return true;
}

/* The key for this day, region, service and secret: from the cache, or derived and put there.
 * False: no memory. */
static bool signing_key(const struct signing *s, uint8_t key[HASH_SIZE]) {
    struct sigv4_cache *cache = s->call->cache;
    uint8_t secret_sha256[HASH_SIZE];
    if (!cache || s->scope.n >= sizeof cache->scope)
        return derive(s, key);
    hash_text(s->credential->secret, secret_sha256);
    if (cache->valid && span_eq(span_str(cache->scope), s->scope) &&
        CRYPTO_memcmp(cache->secret_sha256, secret_sha256, HASH_SIZE) == 0) {
        memcpy(key, cache->key, HASH_SIZE);
        return true;
    }
    if (!derive(s, key))
        return false;
    memcpy(cache->secret_sha256, secret_sha256, HASH_SIZE);
    memcpy(cache->key, key, HASH_SIZE);
    span_text(s->scope, cache->scope, sizeof cache->scope);
    cache->valid = true;
    return true;
}

/* --- writing --- */

enum encoding {
    ENCODE_SEGMENTS, /* all but the unreserved characters and '/' */
    ENCODE_ALL,      /* all but the unreserved characters (RFC 3986 2.3) */
    ENCODE_AGAIN,    /* as ENCODE_ALL, after decoding what is encoded */
};

static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* The value of a hexadecimal digit, or -1. */
static int digit_of(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at *at, decoded when it is "%XX"; *at is moved behind it. */
static char decoded(struct span text, size_t *at) {
    size_t i = *at;
    int high, low;
    if (text.p[i] == '%' && text.n - i > 2 && (high = digit_of(text.p[i + 1])) >= 0 &&
        (low = digit_of(text.p[i + 2])) >= 0) {
        *at += 3;
        return (char)(high << 4 | low);
    }
    *at += 1;
    return text.p[i];
}

static struct span encode(struct span text, enum encoding how, struct arena *arena) {
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, 3 * text.n), *p = out;
    if (!out)
        return span_of(NULL, 0);
    for (size_t at = 0; at < text.n;) {
        char c = how == ENCODE_AGAIN ? decoded(text, &at) : text.p[at++];
        if (is_unreserved(c) || (c == '/' && how == ENCODE_SEGMENTS)) {
            *p++ = c;
            continue;
        }
        *p++ = '%';
        *p++ = digits[(unsigned char)c >> 4];
        *p++ = digits[(unsigned char)c & 15];
    }
    return span_of(out, (size_t)(p - out));
}

static int compare(struct span a, struct span b) {
    int order = memcmp(a.p, b.p, min_size(a.n, b.n));
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* By name, then, when asked, by value; equal ones stay in their order. An insertion sort: there are
 * ten of them, or a hundred at worst. */
static void sort(struct pair *pairs, size_t count, bool values_too) {
    for (size_t i = 1; i < count; i++) {
        struct pair one = pairs[i];
        size_t at = i;
        for (; at > 0; at--) {
            int order = compare(pairs[at - 1].name, one.name);
            if (order == 0 && values_too)
                order = compare(pairs[at - 1].value, one.value);
            if (order <= 0)
                break;
            pairs[at] = pairs[at - 1];
        }
        pairs[at] = one;
    }
}

/* --- path and query --- */

/* Without empty segments, "." and ".." (as botocore does: the last slash stays, one behind ".."
 * does not come). */
static struct span normalise(struct span path, struct arena *arena) {
    char *out = arena_alloc(arena, path.n + 1);
    size_t n = 0;
    struct span rest = path;
    if (!out)
        return span_of(NULL, 0);
    while (rest.p) {
        struct span segment = span_cut(&rest, '/');
        if (segment.n == 0 || span_eq(segment, SPAN(".")))
            continue;
        if (span_eq(segment, SPAN(".."))) {
            while (n > 0 && out[--n] != '/')
                continue;
            continue;
        }
        out[n++] = '/';
        memcpy(out + n, segment.p, segment.n);
        n += segment.n;
    }
    if (n == 0 || path.p[path.n - 1] == '/')
        out[n++] = '/';
    return span_of(out, n);
}

/* {NULL, 0}: no memory. */
static struct span canonical_path(const struct signing *s) {
    struct span path = http_path(s->call->path);
    if (path.n == 0)
        path = SPAN("/");
    if (s->options->normalise)
        path = normalise(path, s->call->arena);
    if (path.p && s->options->double_encode)
        path = encode(path, ENCODE_SEGMENTS, s->call->arena);
    return path;
}

/* What the query form says in the query instead of in fields. */
static size_t own_parameters(const struct signing *s, struct pair *out) {
    struct arena *arena = s->call->arena;
    struct span key_id = s->credential->key_id;
    struct span credential =
        arena_printf(arena, "%.*s/%.*s", (int)key_id.n, key_id.p, (int)s->scope.n, s->scope.p);
    size_t n = 0;
    out[n++] = (struct pair){SPAN("X-Amz-Algorithm"), algorithm};
    out[n++] = (struct pair){SPAN("X-Amz-Credential"), encode(credential, ENCODE_ALL, arena)};
    out[n++] = (struct pair){SPAN("X-Amz-Date"), s->parts->date};
    out[n++] =
        (struct pair){SPAN("X-Amz-Expires"), arena_printf(arena, "%u", s->options->expires_s)};
    out[n++] = (struct pair){SPAN("X-Amz-SignedHeaders"),
                             encode(s->parts->signed_names, ENCODE_ALL, arena)};
    if (s->credential->token.n && !s->options->omit_token)
        out[n++] = (struct pair){SPAN("X-Amz-Security-Token"),
                                 encode(s->credential->token, ENCODE_ALL, arena)};
    return n;
}

/* Parameters encoded and sorted. What is encoded already stays so: `%41` and `A` are one thing, as
 * the provider's server decodes before it compares. */
static void put_query(const struct signing *s, struct json_out *out) {
    struct span path = http_path(s->call->path), rest = span_from(s->call->path, path.n);
    size_t count = 0, room = PARAMETERS_OWN + 1;
    for (size_t i = 0; i < rest.n; i++)
        room += rest.p[i] == '&';
    struct pair *pairs = arena_alloc(s->call->arena, room * sizeof *pairs);
    if (!pairs) {
        out->full = true;
        return;
    }
    rest = span_from(rest, 1);
    while (rest.n) {
        struct span value = span_cut(&rest, '&'), name = span_cut(&value, '=');
        if (name.n || value.n)
            pairs[count++] = (struct pair){encode(name, ENCODE_AGAIN, s->call->arena),
                                           encode(value, ENCODE_AGAIN, s->call->arena)};
    }
    if (s->options->query)
        count += own_parameters(s, pairs + count);
    for (size_t i = 0; i < count; i++)
        if (!pairs[i].name.p || !pairs[i].value.p) {
            out->full = true;
            return;
        }
    sort(pairs, count, true);
    for (size_t i = 0; i < count; i++) {
        json_out_raw(out, i ? SPAN("&") : SPAN(""));
        json_out_raw(out, pairs[i].name);
        json_out_raw(out, SPAN("="));
        json_out_raw(out, pairs[i].value);
    }
}

/* --- fields --- */

/* Fields that something on the way may change, that the query form has elsewhere, or that signing
 * itself sets; `host` is given apart. */
static bool is_left_out(struct span name) {
    static const struct span names[] = {
        SPAN_CONST("host"),
        SPAN_CONST("authorization"),
        SPAN_CONST("x-amz-date"),
        SPAN_CONST("x-amz-security-token"),
        SPAN_CONST("connection"),
        SPAN_CONST("transfer-encoding"),
        SPAN_CONST("te"),
        SPAN_CONST("upgrade"),
        SPAN_CONST("expect"),
        SPAN_CONST("user-agent"),
        SPAN_CONST("x-amzn-trace-id"),
    };
    for (unsigned i = 0; i < countof(names); i++)
        if (span_eq_nocase(name, names[i]))
            return true;
    return false;
}

static bool is_signed(const struct sigv4_options *options, struct span name) {
    if (is_left_out(name))
        return false;
    if (options->sign_body && span_eq_nocase(name, SPAN("x-amz-content-sha256")))
        return false;
    return options->sign_all || span_eq_nocase(name, SPAN("content-type")) ||
           span_starts_nocase(name, SPAN("x-amz-"));
}

static struct span lower(struct span name, struct arena *arena) {
    char *out = arena_alloc(arena, name.n);
    for (size_t i = 0; out && i < name.n; i++)
        out[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] | 0x20) : name.p[i];
    return span_of(out, out ? name.n : 0);
}

/* Without blanks around it, and with one blank for each run of them, inside of quotes too. */
static struct span fold(struct span value, struct arena *arena) {
    value = span_trim(value);
    char *out = arena_alloc(arena, value.n);
    size_t n = 0;
    for (size_t i = 0; out && i < value.n; i++) {
        char c = value.p[i] == '\t' ? ' ' : value.p[i];
        if (c != ' ' || out[n - 1] != ' ')
            out[n++] = c;
    }
    return span_of(out, n);
}

/* The fields that are signed, sorted; their number, or -FAIL_OVERLOAD. */
static int collect(const struct signing *s, struct pair out[HTTP_FIELDS_MAX + FIELDS_OWN]) {
    const struct http_head *head = s->call->head;
    int count = 0;
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (is_signed(s->options, field->name))
            out[count++] = (struct pair){lower(field->name, s->call->arena),
                                         fold(field->value, s->call->arena)};
    }
    out[count++] = (struct pair){SPAN("host"), s->call->authority};
    if (!s->options->query) {
        out[count++] = (struct pair){SPAN("x-amz-date"), s->parts->date};
        if (s->credential->token.n && !s->options->omit_token)
            out[count++] = (struct pair){SPAN("x-amz-security-token"), s->credential->token};
        if (s->options->sign_body)
            out[count++] = (struct pair){SPAN("x-amz-content-sha256"), s->parts->payload_hex};
    }
    for (int i = 0; i < count; i++)
        if (!out[i].name.p || !out[i].value.p)
            return -FAIL_OVERLOAD;
    sort(out, (size_t)count, false);
    return count;
}

/* "name:value\n" for each name; several values of one name are joined by commas. */
static void put_fields(const struct pair *fields, int count, struct json_out *out) {
    for (int i = 0; i < count; i++) {
        bool again = i > 0 && span_eq(fields[i].name, fields[i - 1].name);
        if (again) {
            json_out_raw(out, SPAN(","));
        } else {
            json_out_raw(out, i ? SPAN("\n") : SPAN(""));
            json_out_raw(out, fields[i].name);
            json_out_raw(out, SPAN(":"));
        }
        json_out_raw(out, fields[i].value);
    }
    json_out_raw(out, SPAN("\n"));
}

static struct span names_of(const struct pair *fields, int count, struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, HEX_SIZE);
    for (int i = 0; i < count; i++) {
        if (i > 0 && span_eq(fields[i].name, fields[i - 1].name))
            continue;
        json_out_raw(&out, i ? SPAN(";") : SPAN(""));
        json_out_raw(&out, fields[i].name);
    }
    return out.full ? span_of(NULL, 0) : json_out_span(&out);
}

/* --- the signature --- */

/* 0 or -FAIL_OVERLOAD. Needs date, payload_hex and scope. */
static int make_canonical(const struct signing *s) {
    struct pair fields[HTTP_FIELDS_MAX + FIELDS_OWN];
    struct json_out out;
    int count = collect(s, fields);
    if (count < 0)
        return count;
    s->parts->signed_names = names_of(fields, count, s->call->arena);
    struct span path = canonical_path(s);
    if (!s->parts->signed_names.p || !path.p)
        return -FAIL_OVERLOAD;
    json_out_arena(&out, s->call->arena, TEXT_EXPECT);
    json_out_raw(&out, s->call->method);
    json_out_raw(&out, SPAN("\n"));
    json_out_raw(&out, path);
    json_out_raw(&out, SPAN("\n"));
    put_query(s, &out);
    json_out_raw(&out, SPAN("\n"));
    put_fields(fields, count, &out);
    json_out_raw(&out, SPAN("\n"));
    json_out_raw(&out, s->parts->signed_names);
    json_out_raw(&out, SPAN("\n"));
    json_out_raw(&out, s->parts->payload_hex);
    s->parts->canonical = json_out_span(&out);
    return out.full ? -FAIL_OVERLOAD : 0;
}

/* 0 or -FAIL_OVERLOAD. Needs the canonical request. */
static int make_signature(const struct signing *s) {
    struct sigv4_parts *parts = s->parts;
    struct arena *arena = s->call->arena;
    struct span key_id = s->credential->key_id;
    uint8_t hash[HASH_SIZE], key[HASH_SIZE];
    hash_text(parts->canonical, hash);
    struct span canonical_hex = hex(hash, arena);
    if (!canonical_hex.p)
        return -FAIL_OVERLOAD;
    parts->to_sign =
        arena_printf(arena, "%s\n%.*s\n%.*s\n%.*s", algorithm.p, (int)parts->date.n, parts->date.p,
                     (int)s->scope.n, s->scope.p, (int)canonical_hex.n, canonical_hex.p);
    if (!parts->to_sign.p || !signing_key(s, key))
        return -FAIL_OVERLOAD;
    hmac(hash_span(key), parts->to_sign, hash);
    OPENSSL_cleanse(key, sizeof key);
    parts->signature = hex(hash, arena);
    if (!parts->signature.p)
        return -FAIL_OVERLOAD;
    parts->authorization = arena_printf(
        arena, "%s Credential=%.*s/%.*s, SignedHeaders=%.*s, Signature=%.*s", algorithm.p,
        (int)key_id.n, key_id.p, (int)s->scope.n, s->scope.p, (int)parts->signed_names.n,
        parts->signed_names.p, (int)parts->signature.n, parts->signature.p);
    return parts->authorization.p ? 0 : -FAIL_OVERLOAD;
}

static bool is_usable(const struct credential *credential) {
    return credential && credential->kind == CREDENTIAL_AWS && credential->key_id.n &&
           credential->secret.n && http_is_value(credential->key_id) &&
           http_is_value(credential->token);
}

int sigv4_parts(struct sign_call *call, const struct credential *credential, struct span region,
                struct span service, const struct sigv4_options *options, struct sigv4_parts *out) {
    struct sign_calendar now;
    struct signing s = {call, credential, region, service, options, .parts = out};
    *out = (struct sigv4_parts){.date = {NULL, 0}};
    if (!is_usable(credential) || !sign_calendar(call->now_s, &now))
        return -FAIL_CREDENTIAL;
    out->date = arena_printf(call->arena, "%04u%02u%02uT%02u%02u%02uZ", now.year, now.month,
                             now.day, now.hour, now.minute, now.second);
    out->payload_hex = hash_body(call);
    if (!out->date.p || !out->payload_hex.p)
        return -FAIL_OVERLOAD;
    s.scope = arena_printf(call->arena, "%.*s/%.*s/%.*s/aws4_request", DAY_SIZE, out->date.p,
                           (int)region.n, region.p, (int)service.n, service.p);
    if (!s.scope.p)
        return -FAIL_OVERLOAD;
    int rc = make_canonical(&s);
    return rc < 0 ? rc : make_signature(&s);
}

int sigv4_sign(struct sign_call *call, const struct credential *credential, struct span region,
               struct span service) {
    static const struct sigv4_options options = {.normalise = true, .double_encode = true};
    struct sigv4_parts parts;
    if (call->head->field_count + FIELDS_ADDED > HTTP_FIELDS_MAX)
        return -FAIL_OVERLOAD;
    int rc = sigv4_parts(call, credential, region, service, &options, &parts);
    if (rc < 0)
        return rc;
    sign_set_field(call->head, SPAN("x-amz-date"), parts.date);
    if (credential->token.n)
        sign_set_field(call->head, SPAN("x-amz-security-token"), credential->token);
    sign_set_field(call->head, SPAN("authorization"), parts.authorization);
    return 0;
}

bool sigv4_skew(const struct http_head *head, int64_t now_s, int64_t *skew_s) {
    int64_t date_s;
    if (!provider_http_date(http_field(head, SPAN("date")), &date_s))
        return false;
    int64_t skew = date_s - now_s, off = skew < 0 ? -skew : skew;
    if (off <= SIGV4_SKEW_MIN_S || off > SIGV4_SKEW_MAX_S)
        return false;
    *skew_s = skew;
    return true;
}
