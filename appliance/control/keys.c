/* keys.c - who is calling.
 *
 * Owns:     nothing; the slots are the snapshot's.
 * Promises: no allocation; the presented key is neither kept nor copied. */
#include "appliance/control/keys.h"

#include <openssl/mem.h>
#include <openssl/sha.h>

#include "core/arena.h"
#include "core/base.h"

/* A digest is as good as random: its first bytes are the hash. */
static unsigned slot_of(const struct keys_table *table,
                        const uint8_t digest[SHA256_DIGEST_LENGTH]) {
    uint32_t hash;
    memcpy(&hash, digest, sizeof hash);
    return hash & table->mask;
}

void keys_init(struct keys_table *table, const struct config_key *keys, unsigned count,
               struct arena *arena) {
    unsigned slots = 4;
    while (slots < 2 * count)
        slots *= 2;
    table->slots = arena_zalloc(arena, slots * sizeof *table->slots);
    CHECK(table->slots);
    table->mask = slots - 1;
    for (unsigned i = 0; i < count; i++) {
        unsigned at = slot_of(table, keys[i].sha256);
        while (table->slots[at])
            at = (at + 1) & table->mask;
        table->slots[at] = &keys[i];
    }
}

const struct config_key *keys_lookup(const struct keys_table *table, struct span presented) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256((const uint8_t *)presented.p, presented.n, digest);
    for (unsigned at = slot_of(table, digest); table->slots[at]; at = (at + 1) & table->mask)
        if (CRYPTO_memcmp(table->slots[at]->sha256, digest, sizeof digest) == 0)
            return table->slots[at];
    return NULL;
}
