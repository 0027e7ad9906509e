/* config_parts.h - the parts of a configuration file, each read into the snapshot that is being
 * made. For config_load.c, which calls them in the order below; each relies on what those before it
 * have made.
 *
 * All of them report what is wrong and go on as far as they can, so that one run finds every
 * mistake. After an error the snapshot may have holes (a backend without provider); config_load
 * never hands such a one out. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CONFIG_PARTS_H
#define HEDGEROW_APPLIANCE_CONTROL_CONFIG_PARTS_H

#include "appliance/control/config_setting.h"

/* Bounds on what one file may hold, far above what anyone runs; the statistics are sized by
 * providers and backends. */
#define CONFIG_LISTENERS_MAX    64
#define CONFIG_CERTIFICATES_MAX 1024
#define CONFIG_PROVIDERS_MAX    256
#define CONFIG_MODELS_MAX       4096
#define CONFIG_ALIASES_MAX      64
#define CONFIG_KEYS_MAX         50000
#define CONFIG_KEY_MODELS_MAX   256
/* The head sent upstream has these besides the fixed ones and those passed on (HTTP_FIELDS_MAX). */
#define CONFIG_HEADERS_MAX 16

/* listeners and admin, with their certificates. */
void config_listeners_read(struct config_reader *, const struct config_node *listeners);
void config_admin_read(struct config_reader *, const struct config_node *admin);
/* "auto", a number or a CPU list. */
void config_workers_read(struct config_reader *, const struct config_node *node, const char *text);
/* providers, with their trust stores. */
void config_providers_read(struct config_reader *, const struct config_node *providers);
/* The part of one provider that says how it is authorised, where a fixed api_key is not all (see
 * config_credentials.c): the cell or key, an api_key from elsewhere, and project, location, region and
 * compartment. Before its URL is chosen; the kind and the region's setting are known. `map`: the
 * provider's, `where`: its name in messages. */
void config_credentials_read(struct config_reader *, const struct config_node *map,
                             const char *where, const struct config_provider_draft *draft,
                             struct provider *provider);
/* models, with the request targets of their backends. Wants r->hedge and r->timeouts, and the
 * providers. */
void config_models_read(struct config_reader *, const struct config_node *models);
/* One hedge map, of `defaults` or of a model, over what *hedge holds already. */
void config_hedge_read(struct config_reader *, const struct config_node *map, const char *where,
                       struct config_hedge *hedge);
/* keys. Wants the models and providers that they speak of. */
void config_keys_read(struct config_reader *, const struct config_node *keys);

/* The number of entries; too many are reported and cut to `max`, none is reported too. */
unsigned config_count(struct config_reader *, const struct config_node *list, const char *where,
                      unsigned max);
/* Reads a LIST of texts into an array in the snapshot; *count is the number read. Empty lists and
 * texts given twice are errors. nodes, when not NULL, becomes the array of their nodes, in the
 * scratch arena. */
const char **config_texts(struct config_reader *, const struct config_node *list, const char *where,
                          unsigned max, unsigned *count, const struct config_node ***nodes);

#endif
