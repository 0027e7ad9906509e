/* sigv4_canonical.c - the canonical request of Signature Version 4: the form of a request that both
 * sides can make, whatever happened to it on the way. (pure)
 *
 *     method \n path \n query \n name:value \n .. \n \n names \n hash of the body
 *
 * Owns:     nothing; texts are in the arena of the request.
 * Promises: parameters and fields sorted and escaped as AWS does before it compares.
 * Refuses:  nothing: what it is given can be sent.
 *
 * Source: see sigv4.c. */
#include "providers/sigv4.h"

#include "core/base.h"
#include "core/fail.h"
#include "core/json.h"

/* Room to begin with: a canonical request for Converse is about 500 bytes. */
#define TEXT_EXPECT 1024
/* The same for the names of the fields that are signed. */
#define NAMES_EXPECT 64
/* Fields that are signed besides those of the head: host, date, token, hash. */
#define FIELDS_OWN 4
/* Query parameters that the query form adds. */
#define PARAMETERS_OWN 6

/* Fields or query parameters, as they are signed. */
struct pair {
    struct span name, value;
};

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
static struct span canonical_path(const struct sigv4_signing *s) {
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
static size_t own_parameters(const struct sigv4_signing *s, struct pair *out) {
    struct arena *arena = s->call->arena;
    struct span key_id = s->credential->key_id;
    struct span credential =
        arena_printf(arena, "%.*s/%.*s", (int)key_id.n, key_id.p, (int)s->scope.n, s->scope.p);
    size_t n = 0;
    out[n++] = (struct pair){SPAN("X-Amz-Algorithm"), SPAN(SIGV4_ALGORITHM)};
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
static void put_query(const struct sigv4_signing *s, struct json_out *out) {
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
static int collect(const struct sigv4_signing *s, struct pair out[HTTP_FIELDS_MAX + FIELDS_OWN]) {
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
    json_out_arena(&out, arena, NAMES_EXPECT);
    for (int i = 0; i < count; i++) {
        if (i > 0 && span_eq(fields[i].name, fields[i - 1].name))
            continue;
        json_out_raw(&out, i ? SPAN(";") : SPAN(""));
        json_out_raw(&out, fields[i].name);
    }
    return out.full ? span_of(NULL, 0) : json_out_span(&out);
}

/* --- all of it --- */

int sigv4_canonical(const struct sigv4_signing *s) {
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
