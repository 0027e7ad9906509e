/* credentials_recipe.h - how one provider's changing credential is obtained: what the configuration,
 * the environment and the files it names come to. (pure)
 *
 * Providers with equal recipes share one source (credentials_source.h): an instance's role is asked
 * for once, however many providers use it; and after a reload an equal recipe goes on where it
 * was. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CREDENTIALS_RECIPE_H
#define HEDGEROW_APPLIANCE_CONTROL_CREDENTIALS_RECIPE_H

#include "providers/credential.h"

enum credentials_way {
    CREDENTIALS_FIXED, /* the cell was filled when the file was read and never changes */
#define WAY(name, function, text, early_s, connect_s, total_s) CREDENTIALS_##name,
#include "appliance/control/credentials_ways.def"
#undef WAY
    CREDENTIALS_WAY_COUNT
};

/* What a recipe consists of; each way uses some. URLs are whole, with query. */
enum credentials_text {
    CREDENTIALS_URL,        /* token endpoint, or base of a metadata server without final slash */
    CREDENTIALS_SECOND_URL, /* external: impersonation endpoint; may be absent */
    CREDENTIALS_FILE,       /* path of a token that is read anew for each try */
    CREDENTIALS_ID,         /* client id, client e-mail or role ARN; may be absent for identities */
    CREDENTIALS_SECRET,     /* client secret, private key, or secret header of the app service */
    CREDENTIALS_KEY_ID,     /* of the private key */
    CREDENTIALS_TOKEN,      /* refresh token; or container: what goes into Authorization */
    CREDENTIALS_SCOPE,      /* scope, or resource of a managed identity */
    CREDENTIALS_AUDIENCE,   /* external */
    CREDENTIALS_TOKEN_TYPE, /* external: of the subject token */
    CREDENTIALS_FIELD, /* external: member of the JSON that holds the subject token; absent: text */
    CREDENTIALS_SESSION, /* web identity: role session name */
    CREDENTIALS_ONLY_V2, /* AWS instance: present when IMDSv1 may not be used */
    CREDENTIALS_TEXT_COUNT
};

struct credentials_recipe {
    enum credentials_way way;
    const char *text[CREDENTIALS_TEXT_COUNT]; /* NULL: absent */
};

/* What provider.credential points into, for a snapshot made by config_load.c. In its arena. */
struct credentials_plan {
    struct credential_cell cell;
    struct credentials_recipe recipe; /* texts in the snapshot too */
};

static inline const struct credentials_plan *
credentials_plan_of(const struct credential_cell *cell) {
    return (const struct credentials_plan *)(const void *)((const char *)cell -
                                                           offsetof(struct credentials_plan, cell));
}
/* The same way with the same texts: one source serves both. */
bool credentials_recipe_equal(const struct credentials_recipe *, const struct credentials_recipe *);
/* A copy with texts of its own, in the arena. */
void credentials_recipe_copy(struct credentials_recipe *to, const struct credentials_recipe *from,
                             struct arena *arena);
/* "the instance metadata service". Static. */
const char *credentials_way_text(enum credentials_way);

/* A URL taken apart; spans point into its text. */
struct credentials_url {
    bool tls;
    bool loopback;    /* this machine itself */
    struct span host; /* without brackets */
    uint16_t port;
    struct span authority; /* as written */
    struct span target;    /* path and query, at least "/" */
};
/* False with *why, a static half sentence ("has no scheme..."), when it is no http or https URL. */
bool credentials_url_parse(struct span text, struct credentials_url *out, const char **why);

#endif
