/* keys.h - who is calling: from the key that a client sends to what the configuration says about
 * it.
 *
 * Only SHA-256 digests are kept, so neither the configuration nor a core dump holds a client's key.
 * The table is indexed by the digest: how long a lookup takes tells something about a digest, which
 * whoever guesses cannot choose, and nothing about the keys that exist; the comparison itself takes
 * the same time for all. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_KEYS_H
#define HEDGEROW_APPLIANCE_CONTROL_KEYS_H

#include "appliance/race/config.h"

struct arena;

struct keys_table {
    const struct config_key **slots; /* in the arena; NULL: empty */
    unsigned mask;                   /* number of slots - 1 */
};

/* Makes the table over keys[count], whose digests all differ; both it and they live as long as the
 * arena. */
void keys_init(struct keys_table *, const struct config_key *keys, unsigned count,
               struct arena *arena);
/* The entry of the key as the client sent it (without "Bearer "), or NULL: not known. Any bytes of
 * any length. */
const struct config_key *keys_lookup(const struct keys_table *, struct span presented);
/* The same in the table that config_load made with the snapshot. Only for a config of
 * config_load. */
const struct config_key *keys_find(const struct config *, struct span presented);

#endif
