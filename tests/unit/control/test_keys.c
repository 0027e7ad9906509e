/* test_keys.c - from a presented key to its entry: found, not found, colliding slots, hostile bytes. */
#include "tests/test.h"

#include "appliance/control/keys.h"
#include "core/arena.h"
#include "core/base.h"
#include "core/slab.h"

/* Digests by sha256sum(1), not by the code under test. */
static const struct {
    const char *key;
    uint8_t sha256[32];
} known[] = {
    {"abc", {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
             0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
             0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad}},
    {"", {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
          0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
          0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}},
};

static struct memory memory;
static struct arena arena;

static void begin(void) {
    memory_init(&memory, SIZE_MAX, 0);
    arena_init(&arena, &memory);
}
static void end(void) {
    arena_fini(&arena);
    memory_fini(&memory);
}

TEST(finds_by_the_digest_of_what_is_presented) {
    struct config_key keys[countof(known)] = {{.name = "abc"}, {.name = "empty"}};
    struct keys_table table;
    begin();
    for (size_t i = 0; i < countof(known); i++)
        memcpy(keys[i].sha256, known[i].sha256, 32);
    keys_init(&table, keys, countof(known), &arena);
    EXPECT(keys_lookup(&table, SPAN("abc")) == &keys[0]);
    EXPECT(keys_lookup(&table, span_of(NULL, 0)) == &keys[1]);
    EXPECT(keys_lookup(&table, SPAN("abd")) == NULL);
    EXPECT(keys_lookup(&table, SPAN("ab")) == NULL);
    EXPECT(keys_lookup(&table, span_of("abc\0", 4)) == NULL);
    EXPECT(keys_lookup(&table, span_of((const char *)known[0].sha256, 32)) == NULL);
    end();
}

TEST(no_keys_find_nothing) {
    struct keys_table table;
    begin();
    keys_init(&table, NULL, 0, &arena);
    EXPECT(keys_lookup(&table, SPAN("abc")) == NULL);
    end();
}

/* Keys whose digests begin alike share slots: all are still found, and a stranger among them is not. */
TEST(digests_that_share_slots) {
    struct config_key keys[40] = {{.name = NULL}};
    struct keys_table table;
    begin();
    for (unsigned i = 0; i < countof(keys); i++) {
        memcpy(keys[i].sha256, known[0].sha256, 32);
        keys[i].sha256[31] = (uint8_t)(known[0].sha256[31] + i);
    }
    keys_init(&table, keys, countof(keys), &arena);
    EXPECT(keys_lookup(&table, SPAN("abc")) == &keys[0]);
    EXPECT(keys_lookup(&table, SPAN("")) == NULL);
    end();
    begin();
    /* The one that is presented stands last in the run of slots. */
    keys_init(&table, keys + 1, countof(keys) - 1, &arena);
    EXPECT(keys_lookup(&table, SPAN("abc")) == NULL);
    struct config_key last[countof(keys)];
    memcpy(last, keys + 1, (countof(keys) - 1) * sizeof *keys);
    last[countof(keys) - 1] = keys[0];
    keys_init(&table, last, countof(keys), &arena);
    EXPECT(keys_lookup(&table, SPAN("abc")) == &last[countof(keys) - 1]);
    end();
}
