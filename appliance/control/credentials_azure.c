/* credentials_azure.c - the ways to Entra's access tokens. See credentials_try.h; what is sent and
 * answered is in PROVIDERS.md 1.3. */
#include "appliance/control/credentials_try.h"
#include "core/base.h"
#include "providers/credential_read.h"
#include "providers/provider.h"

enum credentials_do credentials_azure_secret(struct credentials_try *try) {
    if (try->step > 0)
        return credentials_try_oauth(try);
    struct credential_form_entra form = {.client_id = credentials_try_text(try, CREDENTIALS_ID),
                                         .scope = credentials_try_text(try, CREDENTIALS_SCOPE),
                                         .client_secret =
                                             credentials_try_text(try, CREDENTIALS_SECRET)};
    return credentials_try_post(try, credentials_try_text(try, CREDENTIALS_URL),
                                credential_form_entra(&form, try->arena));
}

/* AKS: the projected token of the pod's service account; kubelet changes the file. */
enum credentials_do credentials_azure_workload(struct credentials_try *try) {
    if (try->step > 0)
        return credentials_try_oauth(try);
    struct credential_form_entra form = {.client_id = credentials_try_text(try, CREDENTIALS_ID),
                                         .scope = credentials_try_text(try, CREDENTIALS_SCOPE),
                                         .client_assertion = credentials_try_file(try)};
    if (!form.client_assertion.p)
        return CREDENTIALS_FAIL;
    return credentials_try_post(try, credentials_try_text(try, CREDENTIALS_URL),
                                credential_form_entra(&form, try->arena));
}

/* BASE?api-version=VERSION&resource=RESOURCE[&client_id=ID]. The endpoint of an app service may have
 * a query of its own. */
static enum credentials_do ask_identity(struct credentials_try *try, struct span base,
                                        struct span version) {
    struct span id = credentials_try_text(try, CREDENTIALS_ID);
    struct span resource =
        provider_encode_segment(credentials_try_text(try, CREDENTIALS_SCOPE), try->arena);
    struct span encoded = provider_encode_segment(id, try->arena);
    char mark = span_find(base, '?', 0) < base.n ? '&' : '?';
    if (!resource.p || (id.n && !encoded.p))
        return credentials_try_fail(try, "memory is used up");
    struct span url =
        arena_printf(try->arena, "%.*s%capi-version=%.*s&resource=%.*s%s%.*s", (int)base.n, base.p,
                     mark, (int)version.n, version.p, (int)resource.n, resource.p,
                     id.n ? "&client_id=" : "", id.n ? (int)encoded.n : 0, id.n ? encoded.p : "");
    return credentials_try_get(try, url);
}

enum credentials_do credentials_azure_instance(struct credentials_try *try) {
    if (try->step > 0)
        return credentials_try_oauth(try);
    struct span base = credentials_try_text(try, CREDENTIALS_URL);
    base = arena_printf(try->arena, "%.*s/metadata/identity/oauth2/token", (int)base.n, base.p);
    enum credentials_do what = ask_identity(try, base, SPAN("2018-02-01"));
    if (what == CREDENTIALS_ASK)
        credentials_try_field(try, SPAN("metadata"), SPAN("true"));
    return what;
}

/* App Service, Container Apps, Functions. */
enum credentials_do credentials_azure_service(struct credentials_try *try) {
    if (try->step > 0)
        return credentials_try_oauth(try);
    enum credentials_do what =
        ask_identity(try, credentials_try_text(try, CREDENTIALS_URL), SPAN("2019-08-01"));
    if (what == CREDENTIALS_ASK)
        credentials_try_field(try, SPAN("x-identity-header"),
                              credentials_try_text(try, CREDENTIALS_SECRET));
    return what;
}
