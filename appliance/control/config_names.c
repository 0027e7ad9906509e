/* config_names.c - a table of names, and the nearest of several names. (pure)
 *
 * Owns: nothing; the slots are the arena's. */
#include "appliance/control/config_names.h"

#include <stdio.h>

/* Longer names are not compared: nobody mistypes them, they are pasted. */
#define NEAREST_NAME_MAX 64

void config_names_init(struct config_names *names, struct arena *arena, unsigned count_max) {
    unsigned slots = 4;
    while (slots / 2 < count_max)
        slots *= 2;
    names->slots = arena_zalloc(arena, slots * sizeof *names->slots);
    /* The arenas of the control plane have no limit of their own (config_load.c). */
    CHECK(names->slots);
    names->mask = slots - 1;
    names->room = count_max;
}

static struct config_name *slot_of(const struct config_names *names, struct span name) {
    unsigned at = (unsigned)span_hash(name) & names->mask;
    while (names->slots[at].value && !span_eq(names->slots[at].name, name))
        at = (at + 1) & names->mask;
    return &names->slots[at];
}

const void *config_names_put(struct config_names *names, struct span name, const void *value) {
    CHECK(value);
    struct config_name *slot = slot_of(names, name);
    if (slot->value)
        return slot->value;
    CHECK(names->room > 0);
    names->room--;
    *slot = (struct config_name){.name = name, .value = value};
    return NULL;
}

const void *config_names_find(const struct config_names *names, struct span name) {
    return slot_of(names, name)->value;
}

/* Optimal string alignment distance: insert, drop, change, or swap two neighbours. */
static unsigned distance(struct span a, struct span b) {
    unsigned rows[3][NEAREST_NAME_MAX + 1];
    for (unsigned j = 0; j <= b.n; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *higher = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned change = above[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            row[j] = (unsigned)min_u64(change, min_u64(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                row[j] = (unsigned)min_u64(row[j], higher[j - 2] + 1);
        }
    }
    return rows[a.n % 3][b.n];
}

void config_nearest_offer(struct config_nearest *nearest, struct span name) {
    if (nearest->wanted.n > NEAREST_NAME_MAX || name.n > NEAREST_NAME_MAX || name.n == 0)
        return;
    unsigned apart = distance(nearest->wanted, name);
    /* Of one or two letters everything is near. */
    unsigned apart_max = nearest->wanted.n < 3 ? 0 : (unsigned)max_u64(1, nearest->wanted.n / 3);
    if (apart > apart_max || (nearest->best.n && apart >= nearest->distance))
        return;
    nearest->best = name;
    nearest->distance = apart;
}

char *config_nearest_text(const struct config_nearest *nearest, char *out, size_t max) {
    CHECK(max > 0);
    out[0] = 0;
    if (nearest->best.n)
        snprintf(out, max, "; did you mean \"%.*s\"?", (int)nearest->best.n, nearest->best.p);
    return out;
}
