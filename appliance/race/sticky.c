/* sticky.c - who made which response. See sticky.h. */
#include "appliance/race/sticky.h"

/* FNV-1a's low bits are weak for short texts: mixed once more (the finaliser of MurmurHash3). */
static uint64_t mixed(struct span text) {
    uint64_t h = span_hash(text);
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    return h;
}

static uint64_t tag_of(uint64_t id) { return id & ~UINT64_C(0xffff); }

/* Never 0, which is an empty place. */
static uint64_t maker_of(struct span provider) { return (mixed(provider) & 0xffff) | 1; }

static unsigned set_of(uint64_t id) { return (unsigned)(id & (STICKY_SETS - 1)); }

void sticky_put(struct sticky *sticky, struct span id, struct span provider) {
    uint64_t hash = mixed(id), value = tag_of(hash) | maker_of(provider);
    uint64_t *set = sticky->places[set_of(hash)];
    unsigned way = 0;
    while (way < STICKY_WAYS) {
        uint64_t place = __atomic_load_n(&set[way], __ATOMIC_RELAXED);
        if (place == 0 || tag_of(place) == tag_of(hash))
            break;
        way++;
    }
    /* All taken: they move up, and the first place is the newest. Two workers at the same set may lose
     * one entry, which is then looked for. */
    if (way == STICKY_WAYS)
        for (way = STICKY_WAYS - 1; way > 0; way--)
            __atomic_store_n(&set[way], __atomic_load_n(&set[way - 1], __ATOMIC_RELAXED),
                             __ATOMIC_RELAXED);
    __atomic_store_n(&set[way], value, __ATOMIC_RELAXED);
}

enum sticky_says sticky_made(const struct sticky *sticky, struct span id, struct span provider) {
    uint64_t hash = mixed(id);
    const uint64_t *set = sticky->places[set_of(hash)];
    for (unsigned way = 0; way < STICKY_WAYS; way++) {
        uint64_t place = __atomic_load_n(&set[way], __ATOMIC_RELAXED);
        if (place && tag_of(place) == tag_of(hash))
            return place == (tag_of(hash) | maker_of(provider)) ? STICKY_YES : STICKY_NO;
    }
    return STICKY_UNKNOWN;
}
