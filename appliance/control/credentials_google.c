/* credentials_google.c - the ways to Google's access tokens. See credentials_try.h; what is sent and
 * answered is in PROVIDERS.md 1.5. */
#include "appliance/control/credentials_try.h"
#include "core/base.h"
#include "core/json.h"
#include "providers/credential_read.h"
#include "providers/sign.h"

enum credentials_do credentials_google_account(struct credentials_try *try) {
    if (try->step > 0)
        return credentials_try_oauth(try);
    const char *why = "";
    struct span url = credentials_try_text(try, CREDENTIALS_URL);
    struct span jwt = gcp_jwt(
        credentials_try_text(try, CREDENTIALS_ID), credentials_try_text(try, CREDENTIALS_KEY_ID),
        credentials_try_text(try, CREDENTIALS_SECRET), credentials_try_text(try, CREDENTIALS_SCOPE),
        url, try->now_s, try->arena, &why);
    if (!jwt.p)
        return credentials_try_fail(try, "the service account's key cannot sign: %s", why);
    return credentials_try_post(try, url, credential_form_google_jwt(jwt, try->arena));
}

enum credentials_do credentials_google_user(struct credentials_try *try) {
    if (try->step > 0)
        return credentials_try_oauth(try);
    struct credential_form_refresh form = {
        .client_id = credentials_try_text(try, CREDENTIALS_ID),
        .client_secret = credentials_try_text(try, CREDENTIALS_SECRET),
        .refresh_token = credentials_try_text(try, CREDENTIALS_TOKEN)};
    return credentials_try_post(try, credentials_try_text(try, CREDENTIALS_URL),
                                credential_form_refresh(&form, try->arena));
}

/* The answer must carry the field too: a server that is not Google's, on a network that has another
 * machine at this address, does not send it. */
enum credentials_do credentials_google_instance(struct credentials_try *try) {
    if (try->step > 0) {
        if (try->fail == FAIL_NONE && !span_eq_nocase(try->field, SPAN("Google")))
            return credentials_try_refused(try, SPAN("it is not Google's metadata server"));
        return credentials_try_oauth(try);
    }
    struct span base = credentials_try_text(try, CREDENTIALS_URL);
    struct span path = SPAN("/computeMetadata/v1/instance/service-accounts/default/token");
    enum credentials_do what = credentials_try_get(
        try, arena_printf(try->arena, "%.*s%.*s", (int)base.n, base.p, (int)path.n, path.p));
    credentials_try_field(try, SPAN("metadata-flavor"), SPAN("Google"));
    try->wanted = SPAN("metadata-flavor");
    return what;
}

/* --- workload identity federation: a foreign token is exchanged, then a service account is acted
 * for, if one is named --- */

enum { EXTERNAL_EXCHANGE, EXTERNAL_EXCHANGED, EXTERNAL_READ };

/* The subject token: the file's text, or a member of the JSON in it. */
static struct span subject_token(struct credentials_try *try) {
    struct span text = credentials_try_file(try);
    struct span field = credentials_try_text(try, CREDENTIALS_FIELD);
    struct json_token token;
    if (!text.p || field.n == 0)
        return text;
    if (json_find(text, &field, 1, &token) && token.kind == JSON_STRING && token.raw.n) {
        char *out = arena_alloc(try->arena, token.raw.n);
        long n = out ? json_decode(token.raw, false, out, token.raw.n) : -1;
        if (n > 0)
            return span_of(out, (size_t)n);
    }
    credentials_try_fail(try, "%s has no member %.*s with a token",
                         try->recipe->text[CREDENTIALS_FILE], (int)min_size(field.n, 64), field.p);
    return span_of(NULL, 0);
}

static enum credentials_do exchange(struct credentials_try *try) {
    struct credential_form_exchange form = {
        .audience = credentials_try_text(try, CREDENTIALS_AUDIENCE),
        .scope = credentials_try_text(try, CREDENTIALS_SCOPE),
        .subject_token = subject_token(try),
        .subject_token_type = credentials_try_text(try, CREDENTIALS_TOKEN_TYPE)};
    if (!form.subject_token.p)
        return CREDENTIALS_FAIL;
    return credentials_try_post(try, credentials_try_text(try, CREDENTIALS_URL),
                                credential_form_exchange(&form, try->arena));
}

static enum credentials_do impersonate(struct credentials_try *try) {
    struct span token = try->got.token;
    enum credentials_do what = credentials_try_post(
        try, credentials_try_text(try, CREDENTIALS_SECOND_URL),
        credential_form_impersonate(credentials_try_text(try, CREDENTIALS_SCOPE), try->arena));
    if (what != CREDENTIALS_ASK)
        return what;
    struct span bearer = arena_printf(try->arena, "Bearer %.*s", (int)token.n, token.p);
    if (!bearer.p)
        return credentials_try_fail(try, "memory is used up");
    try->field_count = 0; /* the body is JSON here */
    credentials_try_field(try, SPAN("content-type"), SPAN("application/json"));
    credentials_try_field(try, SPAN("authorization"), bearer);
    return what;
}

enum credentials_do credentials_google_external(struct credentials_try *try) {
    if (try->step == EXTERNAL_EXCHANGE)
        return exchange(try);
    enum credentials_do what = credentials_try_oauth(try);
    if (try->step == EXTERNAL_EXCHANGED && what == CREDENTIALS_HAVE &&
        try->recipe->text[CREDENTIALS_SECOND_URL])
        return impersonate(try);
    return what;
}
