/* config_credentials.h - how one provider is authorised, while its settings are read: what the parts of
 * config_credentials*.c share. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CONFIG_CREDENTIALS_H
#define HEDGEROW_APPLIANCE_CONTROL_CONFIG_CREDENTIALS_H

#include "appliance/control/config_setting.h"
#include "appliance/control/credentials_recipe.h"

/* What is being read of one provider. */
struct config_credentials {
    struct config_reader *r;
    const struct config_node *map; /* the provider's */
    const char *where;             /* its name in messages */
    const struct config_provider_draft *d;
    struct provider *provider;     /* being made */
    struct credentials_plan *plan; /* made by config_credentials_plan */
};

/* One cloud's settings, the environment and the files they name, into provider and plan; errors to the
 * report. Its settings are known to be its own, and without api_key if they contradict it. */
void config_credentials_aws(struct config_credentials *);
void config_credentials_google(struct config_credentials *);
void config_credentials_azure(struct config_credentials *);
void config_credentials_oci(struct config_credentials *);

/* The node of a setting; the whole map when it is not given. */
const struct config_node *config_credentials_node(const struct config_credentials *,
                                                  const char *key);
/* An environment variable; NULL when it is unset or empty, which are the same, as the SDKs have it. */
const char *config_credentials_env(const char *name);
/* A copy in the snapshot. */
const char *config_credentials_keep(const struct config_credentials *, struct span text);
/* The provider has a cell from now on. Returns the recipe's texts, to be filled. */
const char **config_credentials_plan(struct config_credentials *, enum credentials_way way);
/* Reports a URL that is none, at `node`; and warns when a secret would be sent to it in clear text to
 * another machine. `from`: the setting or variable that it comes from. */
void config_credentials_url(const struct config_credentials *, const struct config_node *node,
                            const char *from, const char *url, bool secret);
/* Without final slashes. */
struct span config_credentials_base(const char *url);

#endif
