/* pass_head.c - what becomes of heads that are passed through, and of paths. (See pass.h.)
 *
 * Promises: no credential of the client goes up, and none of ours comes down; the operator's own
 *           fields replace all of the client's of that name; a path stays below the prefix that the
 *           operator gave. */
#include "appliance/race/exchange.h"
#include "appliance/race/pass_parts.h"
#include "core/base.h"

/* Fields of one connection (RFC 9110 7.6.1), of framing, and those that we answer for ourselves: all
 * others are passed on. */
static const struct span not_upward[] = {
    SPAN_CONST("host"),
    SPAN_CONST("connection"),
    SPAN_CONST("keep-alive"),
    SPAN_CONST("te"),
    SPAN_CONST("trailer"),
    SPAN_CONST("transfer-encoding"),
    SPAN_CONST("upgrade"),
    SPAN_CONST("content-length"),
    SPAN_CONST("expect"),
    SPAN_CONST("authorization"),
    SPAN_CONST("x-api-key"),
    SPAN_CONST("api-key"),
    SPAN_CONST("cookie"),
    SPAN_CONST("x-goog-api-key"),
    SPAN_CONST("proxy-authorization"),
    SPAN_CONST("x-request-id"),
    SPAN_CONST("traceparent"),
    SPAN_CONST("proxy-connection"),
};
static const struct span not_downward[] = {
    SPAN_CONST("connection"),
    SPAN_CONST("keep-alive"),
    SPAN_CONST("trailer"),
    SPAN_CONST("content-length"),
    SPAN_CONST("transfer-encoding"),
    SPAN_CONST("upgrade"),
    SPAN_CONST("x-request-id"),
    SPAN_CONST("set-cookie"),
    SPAN_CONST("alt-svc"),
    SPAN_CONST("server-timing"),
    SPAN_CONST("proxy-authenticate"),
    SPAN_CONST("date"),
    SPAN_CONST("x-upstream-request-id"),
};

static bool among(struct span name, const struct span *names, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (span_eq_nocase(name, names[i]))
            return true;
    return false;
}

/* Does a Connection field name it as one of this connection's own (RFC 9110 7.6.1)? */
static bool of_connection(const struct http_head *head, struct span name) {
    for (unsigned i = 0; i < head->field_count; i++) {
        struct span rest = head->fields[i].value;
        if (!span_eq_nocase(head->fields[i].name, SPAN("connection")))
            continue;
        while (rest.p)
            if (span_eq_nocase(span_trim(span_cut(&rest, ',')), name))
                return true;
    }
    return false;
}

static void add(struct http_head *head, struct span name, struct span value) {
    CHECK(head->field_count < HTTP_FIELDS_MAX);
    if (value.n)
        head->fields[head->field_count++] = (struct http_field){name, value};
}

/* --- paths --- */

/* A segment as servers may understand it, "%2e" being "."; false: it would be folded away. */
static bool segment_is_plain(struct span segment) {
    unsigned dots = 0;
    size_t at = 0;
    while (at < segment.n) {
        struct span rest = span_from(segment, at);
        if (rest.p[0] == '.')
            at++;
        else if (span_starts_nocase(rest, SPAN("%2e")))
            at += 3;
        else
            return true;
        dots++;
    }
    return dots > 2;
}

bool pass_path_is_plain(struct span path) {
    struct span rest = span_from(path, 1);
    for (size_t i = 0; i < path.n; i++) {
        struct span here = span_from(path, i);
        if (here.p[0] == '\\' || span_starts_nocase(here, SPAN("%2f")) ||
            span_starts_nocase(here, SPAN("%5c")))
            return false;
    }
    while (rest.p && rest.n) { /* a slash at the end may stay */
        struct span segment = span_cut(&rest, '/');
        if (!segment_is_plain(segment))
            return false;
    }
    return true;
}

/* What stands behind /v1, with its query but without "key=", in which Google's clients put the
 * client's key. Empty: no memory. */
struct span pass_rest(struct exchange *exchange, struct span target) {
    struct span behind = span_from(target, sizeof "/v1" - 1), path = http_path(behind);
    struct span query = span_from(behind, path.n + 1);
    struct json_out out;
    bool first = true;
    json_out_arena(&out, &exchange->arena, behind.n);
    json_out_raw(&out, path);
    while (path.n < behind.n && query.p) {
        struct span pair = span_cut(&query, '&');
        if (span_starts(pair, SPAN("key=")))
            continue;
        json_out_raw(&out, first ? SPAN("?") : SPAN("&"));
        json_out_raw(&out, pair);
        first = false;
    }
    return out.full ? span_of("", 0) : json_out_span(&out);
}

/* --- upward --- */

bool pass_keep_fields(struct pass *pass, const struct http_head *from) {
    struct arena *arena = &pass->exchange->arena;
    for (unsigned i = 0; i < from->field_count; i++) {
        struct http_field field = from->fields[i];
        if (among(field.name, not_upward, countof(not_upward)) ||
            span_starts_nocase(field.name, SPAN("x-hedgerow-")) || of_connection(from, field.name))
            continue;
        struct http_field kept = {arena_copy(arena, field.name), arena_copy(arena, field.value)};
        if (kept.name.n != field.name.n || kept.value.n != field.value.n)
            return false;
        add(&pass->head, kept.name, kept.value);
    }
    return true;
}

static void remove_fields(struct http_head *head, struct span name) {
    unsigned kept = 0;
    for (unsigned i = 0; i < head->field_count; i++)
        if (!span_eq_nocase(head->fields[i].name, name))
            head->fields[kept++] = head->fields[i];
    head->field_count = kept;
}

/* The operator's own fields and the fixed credential replace the client's. */
static void add_target(struct pass *pass) {
    static const struct span clients_own[] = {SPAN_CONST("content-type"), SPAN_CONST("accept"),
                                              SPAN_CONST("accept-encoding"),
                                              SPAN_CONST("user-agent")};
    const struct provider_target *target = &pass->provider->pass;
    struct http_head *head = &pass->head;
    for (unsigned i = 0; i < target->field_count; i++) {
        struct span name = target->fields[i].name;
        if (among(name, clients_own, countof(clients_own)))
            continue;
        /* Which version it speaks is for the client to say. */
        if (span_eq_nocase(name, SPAN("anthropic-version")) && http_field(head, name).n)
            continue;
        remove_fields(head, name);
        add(head, name, target->fields[i].value);
    }
}

static enum fail authorise(struct pass *pass) {
    struct arena *arena = &pass->exchange->arena;
    struct credential credential;
    if (!pass->provider->provider.credential)
        return FAIL_NONE;
    if (!credential_read(pass->provider->provider.credential, arena, &credential) ||
        credential.kind != CREDENTIAL_BEARER)
        return FAIL_CREDENTIAL;
    struct span value =
        arena_printf(arena, "Bearer %.*s", (int)credential.token.n, credential.token.p);
    add(&pass->head, SPAN("authorization"), value);
    return value.n ? FAIL_NONE : FAIL_OVERLOAD;
}

enum fail pass_upward(struct pass *pass) {
    struct exchange *exchange = pass->exchange;
    const struct config_provider *provider = pass->provider;
    struct http_head *head = &pass->head;
    head->authority = span_str(provider->provider.authority);
    head->target = arena_printf(&exchange->arena, "%.*s%.*s", (int)provider->pass.path.n,
                                provider->pass.path.p, (int)pass->rest.n, pass->rest.p);
    add_target(pass);
    add(head, SPAN("x-request-id"), exchange->id);
    add(head, SPAN("traceparent"), exchange->traceparent);
    return head->target.n ? authorise(pass) : FAIL_OVERLOAD;
}

/* --- downward --- */

/* The answer to HEAD has no body but tells of one (RFC 9110 8.6). */
static void describe_body(const struct http_head *response, struct http_head *head) {
    if (span_u64(http_field(response, SPAN("content-length")), UINT64_MAX, &head->body_length))
        head->body = HTTP_BODY_LENGTH;
    else if (response->status != 204 && response->status != 304)
        head->body = HTTP_BODY_CHUNKED;
}

bool pass_downward(const struct pass *pass, const struct http_head *response,
                   struct http_head *head) {
    *head = (struct http_head){.status = response->status,
                               .minor = 1,
                               .body = response->body,
                               .body_length = response->body_length,
                               .keep_alive = true};
    if (head->body == HTTP_BODY_UNTIL_CLOSE)
        head->body = HTTP_BODY_CHUNKED;
    if (pass->head.method == HTTP_HEAD)
        describe_body(response, head);
    if (response->field_count > PASS_FIELDS_MAX)
        return false;
    for (unsigned i = 0; i < response->field_count; i++) {
        struct span name = response->fields[i].name;
        if (!among(name, not_downward, countof(not_downward)) &&
            !span_starts_nocase(name, SPAN("x-hedgerow-")) && !of_connection(response, name))
            head->fields[head->field_count++] = response->fields[i];
    }
    add(head, SPAN("x-request-id"), pass->exchange->id);
    add(head, SPAN("x-upstream-request-id"), http_field(response, SPAN("x-request-id")));
    add(head, SPAN("x-hedgerow-provider"), span_str(pass->provider->provider.name));
    return true;
}
