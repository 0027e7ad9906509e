/* config_names.h - a table of names, and the nearest of several names to a mistyped one. (pure)
 *
 * The table is open addressing over at least twice as many slots as names, made once and then only
 * read. Its names are the operator's; a hostile name can be looked up but not put in, so its probes
 * are bounded by the operator's own clusters. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CONFIG_NAMES_H
#define HEDGEROW_APPLIANCE_CONTROL_CONFIG_NAMES_H

#include "core/arena.h"
#include "core/base.h"

struct config_names {
    struct config_name {
        struct span name; /* borrowed */
        const void *value;
    } * slots;     /* in the arena */
    unsigned mask; /* number of slots - 1 */
    unsigned room; /* names that may still be put in */
};

/* Room for `count_max` names. The table lives as long as the arena. */
void config_names_init(struct config_names *, struct arena *, unsigned count_max);
/* Puts a name in with its value (not NULL) and returns NULL; or, when it is there already, changes
 * nothing and returns the value it has. The name's bytes must live as long as the table. */
const void *config_names_put(struct config_names *, struct span name, const void *value);
/* The name's value or NULL. */
const void *config_names_find(const struct config_names *, struct span name);

/* Finds among the names offered the one that `wanted` was probably meant to be: by edit distance (a
 * swap of neighbours counts as one), at most a third of the length. Start with {.wanted = ...}. */
struct config_nearest {
    struct span wanted;
    struct span best;  /* borrowed; empty: none is near */
    unsigned distance; /* of best */
};
void config_nearest_offer(struct config_nearest *, struct span name);
/* `; did you mean "best"?` in out[max], or "" when none is near. Returns out. */
char *config_nearest_text(const struct config_nearest *, char *out, size_t max);
/* Room for config_nearest_text. */
#define CONFIG_NEAREST_TEXT 96

#endif
