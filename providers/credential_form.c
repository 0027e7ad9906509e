/* credential_form.c - bodies of requests for credentials. See credential_form.h. (pure) */
#include "providers/credential_form.h"

/* Most of a body is a JWT, with a key of 2048 bits about a kilobyte. */
#define FORM_EXPECT 2048

#define GRANT "urn:ietf:params:oauth:grant-type:"

static bool stays(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '*' ||
           c == '-' || c == '.' || c == '_';
}

void credential_form_add(struct json_out *out, struct span name, struct span value) {
    static const char digits[] = "0123456789ABCDEF";
    size_t from = 0;
    if (out->n)
        json_out_raw(out, SPAN("&"));
    json_out_raw(out, name);
    json_out_raw(out, SPAN("="));
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if (stays(value.p[i]))
            continue;
        char code[3] = {'%', digits[c >> 4], digits[c & 15]};
        json_out_raw(out, span_of(value.p + from, i - from));
        json_out_raw(out, c == ' ' ? SPAN("+") : span_of(code, sizeof code));
        from = i + 1;
    }
    json_out_raw(out, span_from(value, from));
}

static struct span result(const struct json_out *out) {
    return out->full ? span_of(NULL, 0) : json_out_span(out);
}

struct span credential_form_google_jwt(struct span jwt, struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, FORM_EXPECT);
    credential_form_add(&out, SPAN("grant_type"), SPAN(GRANT "jwt-bearer"));
    credential_form_add(&out, SPAN("assertion"), jwt);
    return result(&out);
}

struct span credential_form_refresh(const struct credential_form_refresh *form,
                                    struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, FORM_EXPECT);
    credential_form_add(&out, SPAN("grant_type"), SPAN("refresh_token"));
    credential_form_add(&out, SPAN("client_id"), form->client_id);
    credential_form_add(&out, SPAN("client_secret"), form->client_secret);
    credential_form_add(&out, SPAN("refresh_token"), form->refresh_token);
    return result(&out);
}

struct span credential_form_entra(const struct credential_form_entra *form, struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, FORM_EXPECT);
    credential_form_add(&out, SPAN("grant_type"), SPAN("client_credentials"));
    credential_form_add(&out, SPAN("client_id"), form->client_id);
    credential_form_add(&out, SPAN("scope"), form->scope);
    if (form->client_assertion.n) {
        credential_form_add(&out, SPAN("client_assertion_type"),
                            SPAN("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
        credential_form_add(&out, SPAN("client_assertion"), form->client_assertion);
    } else {
        credential_form_add(&out, SPAN("client_secret"), form->client_secret);
    }
    return result(&out);
}

struct span credential_form_sts(const struct credential_form_sts *form, struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, FORM_EXPECT);
    credential_form_add(&out, SPAN("Action"), SPAN("AssumeRoleWithWebIdentity"));
    credential_form_add(&out, SPAN("Version"), SPAN("2011-06-15"));
    credential_form_add(&out, SPAN("RoleArn"), form->role_arn);
    credential_form_add(&out, SPAN("RoleSessionName"), form->session_name);
    credential_form_add(&out, SPAN("WebIdentityToken"), form->token);
    return result(&out);
}

struct span credential_form_exchange(const struct credential_form_exchange *form,
                                     struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, FORM_EXPECT);
    credential_form_add(&out, SPAN("grant_type"), SPAN(GRANT "token-exchange"));
    credential_form_add(&out, SPAN("audience"), form->audience);
    credential_form_add(&out, SPAN("scope"), form->scope);
    credential_form_add(&out, SPAN("requested_token_type"),
                        SPAN("urn:ietf:params:oauth:token-type:access_token"));
    credential_form_add(&out, SPAN("subject_token"), form->subject_token);
    credential_form_add(&out, SPAN("subject_token_type"), form->subject_token_type);
    return result(&out);
}

struct span credential_form_impersonate(struct span scope, struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, FORM_EXPECT / 8);
    json_out_object(&out);
    json_out_key(&out, SPAN("scope"));
    json_out_array(&out);
    json_out_string(&out, scope);
    json_out_array_end(&out);
    json_out_key(&out, SPAN("lifetime"));
    json_out_string(&out, SPAN("3600s"));
    json_out_object_end(&out);
    return result(&out);
}
