/* fuzz_credential.c - answers of credential sources, in JSON and XML, dates, forms and URLs:
 * whatever is taken may stand in a field of a request, and nothing is quoted in a reason. */
#include <errno.h>
#include <stdlib.h>

#include "core/base.h"
#include "core/json.h"
#include "core/slab.h"
#include "net/http.h"
#include "providers/credential_read.h"
#include "providers/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define HOLDS     CHECK
#define INPUT_MAX 65536
/* Reasons are sentences of ours with at most two short words of the source's. */
#define WHY_MAX 300

struct bench {
    struct memory memory;
    struct arena arena;
};

static bool is_visible(struct span text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~')
            return false;
    return true;
}

static void check_credential(int rc, const struct credential *out, struct span why) {
    if (rc < 0) {
        HOLDS(rc == -EINVAL && why.n > 0 && why.n < WHY_MAX && http_is_value(why));
        return;
    }
    HOLDS(is_visible(out->token) && is_visible(out->key_id) && is_visible(out->secret));
    if (out->kind == CREDENTIAL_BEARER)
        HOLDS(out->token.n && !out->secret.n);
    else
        HOLDS(out->kind == CREDENTIAL_AWS && out->key_id.n && out->secret.n);
}

/* What was read can be published, if it is not too long, and comes back as it was. */
static void check_cell(const struct credential *from, struct arena *arena) {
    static struct credential_cell cell;
    struct credential back;
    size_t n = from->token.n + from->key_id.n + from->secret.n;
    HOLDS(credential_publish(&cell, from) == (n <= CREDENTIAL_TEXT_MAX));
    if (n > CREDENTIAL_TEXT_MAX)
        return;
    HOLDS(credential_read(&cell, arena, &back));
    HOLDS(back.kind == from->kind && back.expires_s == from->expires_s);
    HOLDS(span_eq(back.token, from->token) && span_eq(back.key_id, from->key_id) &&
          span_eq(back.secret, from->secret));
}

/* And signs a request, whose added fields are legal. */
static void check_signature(const struct credential *credential, struct span text,
                            struct arena *arena) {
    struct http_head head = {.field_count = 0};
    struct sign_call call = {.method = SPAN("POST"),
                             .path = text,
                             .authority = SPAN("host"),
                             .pieces = &text,
                             .piece_count = 1,
                             .now_s = 1795225323,
                             .arena = arena,
                             .head = &head};
    if (sigv4_sign(&call, credential, SPAN("r"), SPAN("s")) < 0)
        return;
    for (unsigned i = 0; i < head.field_count; i++)
        HOLDS(http_is_token(head.fields[i].name) && http_is_value(head.fields[i].value));
}

static void check_answers(struct span text, struct arena *arena) {
    struct credential out;
    struct span why = SPAN("");
    int rc = credential_read_oauth(text, 1000, arena, &out, &why);
    check_credential(rc, &out, why);
    if (rc == 0)
        check_cell(&out, arena);
    rc = credential_read_aws(text, arena, &out, &why);
    check_credential(rc, &out, why);
    if (rc == 0)
        check_signature(&out, text, arena);
    rc = credential_read_sts(text, arena, &out, &why);
    check_credential(rc, &out, why);
    if (rc == 0)
        check_cell(&out, arena);
}

static void check_google(struct span text, struct arena *arena) {
    struct credential_google google;
    struct span why = SPAN("");
    if (credential_read_service_account(text, arena, &google, &why) < 0) {
        HOLDS(why.n > 0 && why.n < WHY_MAX && http_is_value(why));
        return;
    }
    HOLDS(span_starts(google.token_url, SPAN("http")) && is_visible(google.token_url));
    HOLDS(google.kind != CREDENTIAL_GOOGLE_SERVICE_ACCOUNT ||
          (google.client_email.n && google.private_key.n));
    HOLDS(google.kind != CREDENTIAL_GOOGLE_USER || (google.client_id.n && google.refresh_token.n));
    HOLDS(google.kind != CREDENTIAL_GOOGLE_EXTERNAL || google.subject_file.n);
}

/* A form's value decodes to what it was, and cannot begin another. */
static void check_form(struct span text, struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, 64);
    credential_form_add(&out, SPAN("a"), text);
    credential_form_add(&out, SPAN("b"), SPAN(""));
    struct span form = json_out_span(&out);
    HOLDS(!out.full && span_starts(form, SPAN("a=")) && span_ends(form, SPAN("&b=")));
    struct span value = span_of(form.p + 2, form.n - 5);
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++, n++) {
        char c = value.p[i];
        HOLDS(c > ' ' && c <= '~' && c != '&' && c != '=' && n < text.n);
        if (c == '%') {
            char code[3] = {value.p[i + 1], value.p[i + 2], 0};
            c = (char)strtol(code, NULL, 16);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        HOLDS(c == text.p[n]);
    }
    HOLDS(n == text.n);
}

static void check_rest(struct span text, struct arena *arena) {
    struct aws_settings relative = {.env_relative_uri = text}, full = {.env_full_uri = text};
    struct sign_calendar calendar;
    struct span why;
    int64_t at_s = INT64_MIN;
    if (credential_iso8601(text, &at_s))
        HOLDS(at_s < INT64_C(253402300800) + 86400 &&
              (at_s < 0 || sign_calendar(at_s, &calendar) || at_s >= INT64_C(253402300800)));
    else
        HOLDS(at_s == INT64_MIN);
    struct span url = credential_container_url(&relative, arena, &why);
    HOLDS(!url.n ||
          (is_visible(url) && (!text.n || span_starts(url, SPAN("http://169.254.170.2/")))));
    url = credential_container_url(&full, arena, &why);
    HOLDS(!url.n || (is_visible(url) && span_eq(url, text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct bench b;
    if (size > INPUT_MAX)
        return 0;
    /* Of its own size, so that the sanitizer sees a read past its end. */
    char *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    struct span text = span_of(copy, size);
    memory_init(&b.memory, (size_t)64 << 20, 0);
    arena_init(&b.arena, &b.memory);
    check_answers(text, &b.arena);
    check_google(text, &b.arena);
    check_form(text, &b.arena);
    check_rest(text, &b.arena);
    arena_fini(&b.arena);
    memory_fini(&b.memory);
    free(copy);
    return 0;
}
