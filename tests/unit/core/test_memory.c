/* test_memory.c - pools, blocks, arenas, carries and output queues. */
#include "tests/test.h"

#include "core/arena.h"
#include "core/buf.h"
#include "core/heap.h"
#include "core/limits.h"
#include "core/rand.h"

TEST(slab_gives_zeroed_objects_up_to_its_limit) {
    struct slab slab;
    void *objects[40];
    slab_init(&slab, "test", 24, 33);
    for (unsigned i = 0; i < 33; i++) {
        unsigned char *p = objects[i] = slab_new(&slab);
        REQUIRE(p != NULL);
        for (unsigned k = 0; k < 24; k++)
            EXPECT_EQ(p[k], 0);
        memset(p, 0xaa, 24);
    }
    EXPECT(slab_new(&slab) == NULL);
    for (unsigned i = 0; i < 33; i++) {
        slab_free(&slab, &objects[i]);
        EXPECT(objects[i] == NULL);
    }
    uint64_t before = heap_calls();
    for (unsigned i = 0; i < 33; i++)
        objects[i] = slab_new(&slab);
    EXPECT_EQ(heap_calls(), before); /* steady state asks the heap for nothing */
    EXPECT_EQ(((unsigned char *)objects[7])[3], 0);
    EXPECT_ABORT(slab_fini(&slab)); /* something is still out */
    for (unsigned i = 0; i < 33; i++)
        slab_free(&slab, &objects[i]);
    slab_fini(&slab);
}

TEST(memory_blocks_by_class) {
    struct memory memory;
    static const struct {
        size_t asked, got;
    } rows[] = {{1, 4096}, {4096, 4096}, {4097, 8192}, {100000, 131072}, {1 << 20, 1 << 20}};
    memory_init(&memory, 2 << 20, 1 << 20);
    for (size_t i = 0; i < countof(rows); i++) {
        size_t n = rows[i].asked;
        void *p = memory_get(&memory, &n);
        ROW("%zu", rows[i].asked);
        REQUIRE(p != NULL);
        EXPECT_EQ(n, rows[i].got);
        memset(p, 1, n);
        memory_put(&memory, &p, n);
        EXPECT(p == NULL);
    }
    size_t big = 3 << 20;
    EXPECT(memory_get(&memory, &big) == NULL); /* above used_max */
    EXPECT(memory.cached_bytes <= 1 << 20);
    size_t n = 4096;
    uint64_t before = heap_calls();
    void *p = memory_get(&memory, &n);
    EXPECT_EQ(heap_calls(), before);
    memory_put(&memory, &p, n);
    EXPECT_EQ(memory.used_bytes, 0);
    memory_fini(&memory);
}

TEST(arena_grows_and_gives_back) {
    struct memory memory;
    struct arena arena;
    memory_init(&memory, 1 << 20, 1 << 20);
    arena_init(&arena, &memory);
    char *first = arena_alloc(&arena, 5);
    EXPECT_EQ((uintptr_t)first % 8, 0);
    memcpy(first, "abcde", 5);
    char *same = arena_grow(&arena, first, 5, 100);
    EXPECT(same == first); /* the newest grows in place */
    char *other = arena_alloc(&arena, 8);
    char *moved = arena_grow(&arena, same, 100, 20000);
    EXPECT(moved != same && other != moved);
    EXPECT_MEM(moved, 5, "abcde", 5);
    struct span text = arena_printf(&arena, "%s-%d", "x", 7);
    EXPECT_BYTES(text.p, text.n, "x-7");
    EXPECT(arena_alloc(&arena, 2 << 20) == NULL);
    EXPECT(arena_copy(&arena, SPAN("")).n == 0);
    EXPECT(memory.used_bytes > 20000);
    arena_fini(&arena);
    EXPECT_EQ(memory.used_bytes, 0);
    memory_fini(&memory);
}

/* A consumer that takes words of 10 bytes out of pieces of any size sees the same bytes as the
 * sender wrote. */
TEST(carry_joins_pieces) {
    struct memory memory;
    memory_init(&memory, 1 << 20, 1 << 20);
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct rand rand;
        struct carry carry = {0};
        char sent[5000], got[5000];
        size_t at = 0, taken = 0;
        rand_init(&rand, seed);
        for (size_t i = 0; i < sizeof sent; i++)
            sent[i] = (char)rand_u64(&rand);
        while (at < sizeof sent) {
            size_t n = min_size(1 + rand_below(&rand, 40), sizeof sent - at);
            struct span joined;
            REQUIRE(carry_join(&carry, &memory, span_of(sent + at, n), 100, &joined));
            at += n;
            size_t whole = joined.n / 10 * 10;
            memcpy(got + taken, joined.p, whole);
            taken += whole;
            REQUIRE(carry_keep(&carry, &memory, joined, whole));
            EXPECT_EQ(carry_bytes(&carry), at - taken);
            if (at == taken)
                EXPECT_EQ(memory.used_bytes, 0); /* an idle carry holds nothing */
        }
        EXPECT_MEM(got, taken, sent, sizeof sent);
        carry_drop(&carry, &memory);
    }
    struct carry carry = {0};
    struct span joined;
    EXPECT(carry_join(&carry, &memory, SPAN("abc"), 5, &joined));
    EXPECT(carry_keep(&carry, &memory, joined, 0));
    EXPECT(!carry_join(&carry, &memory, SPAN("def"), 5, &joined)); /* past its bound */
    carry_drop(&carry, &memory);
    EXPECT_EQ(memory.used_bytes, 0);
    memory_fini(&memory);
}

TEST(outq_sends_what_was_added_in_order) {
    struct memory memory;
    static char borrowed[9000], expected[400000], got[400000];
    memset(borrowed, 'B', sizeof borrowed);
    memory_init(&memory, 4 << 20, 1 << 20);
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct rand rand;
        struct outq queue = {0};
        size_t added = 0, sent = 0;
        rand_init(&rand, seed);
        for (unsigned step = 0; step < 300; step++) {
            size_t n = 1 + rand_below(&rand, 900);
            switch (rand_below(&rand, 4)) {
            case 0: {
                char *room = outq_room(&queue, &memory, n);
                REQUIRE(room != NULL);
                memset(room, 'R', n);
                outq_filled(&queue, n);
                memset(expected + added, 'R', n);
                added += n;
                break;
            }
            case 1:
                n = rand_below(&rand, sizeof borrowed);
                REQUIRE(outq_borrow(&queue, &memory, span_of(borrowed, n)));
                memset(expected + added, 'B', n);
                added += n;
                break;
            default:
                memset(expected + added, 'A' + (int)(step % 26), n);
                REQUIRE(outq_add(&queue, &memory, span_of(expected + added, n)));
                added += n;
                break;
            }
            EXPECT_EQ(queue.bytes, added - sent);
            while (added - sent > 20000 || (added > sent && rand_below(&rand, 3) == 0)) {
                struct span front = outq_front(&queue);
                size_t part = 1 + rand_below(&rand, front.n);
                REQUIRE(front.n > 0 && sent + part <= sizeof got);
                memcpy(got + sent, front.p, part);
                outq_sent(&queue, &memory, part);
                sent += part;
            }
            if (added > sizeof expected - 20000)
                break;
        }
        EXPECT_MEM(got, sent, expected, sent);
        outq_drop(&queue, &memory);
        EXPECT_EQ(queue.bytes, 0);
        EXPECT_EQ(memory.used_bytes, 0);
    }
    memory_fini(&memory);
}
