/* test_tls_memory.c - the allocator under BoringSSL: sizes, wiping, bounds, threads. */
#include "tests/test.h"

#include <pthread.h>

#include <openssl/mem.h>

#include "core/heap.h"
#include "net/tls_memory.h"

TEST(the_library_uses_it) {
    EXPECT(tls_memory_hooked());
    char *p = OPENSSL_malloc(100);
    REQUIRE(p);
    EXPECT_EQ(OPENSSL_memory_get_size(p), 100);
    memset(p, 'x', 100);
    p = OPENSSL_realloc(p, 5000);
    REQUIRE(p);
    EXPECT_EQ(OPENSSL_memory_get_size(p), 5000);
    EXPECT(p[0] == 'x' && p[99] == 'x');
    OPENSSL_free(p);
}

TEST(all_sizes) {
    for (size_t n = 0; n < 70000; n = n < 200 ? n + 1 : n + n / 7) {
        ROW("%zu bytes", n);
        unsigned char *p = OPENSSL_memory_alloc(n);
        REQUIRE(p);
        EXPECT_EQ((uintptr_t)p % 16, 0);
        EXPECT_EQ(OPENSSL_memory_get_size(p), n);
        memset(p, 0xa5, n); /* the sanitizer sees a class that is too small */
        OPENSSL_memory_free(p);
    }
    for (int shift = -1; shift <= 1; shift++) /* around each class */
        for (size_t class = 32; class <= 65536; class *= 2) {
            size_t n = class - 16 + (size_t)shift;
            unsigned char *p = OPENSSL_memory_alloc(n);
            REQUIRE(p);
            memset(p, 0x5a, n);
            EXPECT_EQ(OPENSSL_memory_get_size(p), n);
            OPENSSL_memory_free(p);
        }
    EXPECT(OPENSSL_memory_alloc(SIZE_MAX) == NULL);
    EXPECT(OPENSSL_memory_alloc(SIZE_MAX - 15) == NULL);
    EXPECT_EQ(OPENSSL_memory_get_size(NULL), 0);
    OPENSSL_memory_free(NULL);
}

TEST(a_freed_block_is_wiped_and_used_again) {
    unsigned char *p = OPENSSL_memory_alloc(1000);
    REQUIRE(p);
    memset(p, 0xee, 1000);
    OPENSSL_memory_free(p);
    uint64_t misses = tls_memory_misses(), calls = heap_calls();
    unsigned char *again = OPENSSL_memory_alloc(900), all = 0;
    EXPECT(again == p);
    EXPECT_EQ(tls_memory_misses() - misses, 0);
    EXPECT_EQ(heap_calls() - calls, 0);
    for (unsigned i = 0; i < 900; i++)
        all |= again[i];
    EXPECT_EQ(all, 0);
    OPENSSL_memory_free(again);
}

TEST(what_it_keeps_is_bounded) {
    enum { COUNT = 600, SIZE = 30000 }; /* 18 MB, more than twice the bound */
    static void *blocks[COUNT];
    size_t before = tls_memory_cached_bytes();
    for (unsigned i = 0; i < COUNT; i++)
        blocks[i] = OPENSSL_memory_alloc(SIZE);
    for (unsigned i = 0; i < COUNT; i++) {
        OPENSSL_memory_free(blocks[i]);
        if (tls_memory_cached_bytes() > TLS_MEMORY_CACHED_MAX)
            FAIL_TEST("%zu bytes kept", tls_memory_cached_bytes());
    }
    EXPECT(tls_memory_cached_bytes() > TLS_MEMORY_CACHED_MAX - 32768);
    EXPECT(tls_memory_cached_bytes() >= before);
}

static void *free_elsewhere(void *block) {
    OPENSSL_memory_free(block);
    uint64_t misses = tls_memory_misses();
    void *again = OPENSSL_memory_alloc(500);
    bool same = again == block && tls_memory_misses() == misses;
    OPENSSL_memory_free(again);
    OPENSSL_memory_free(OPENSSL_memory_alloc(100000)); /* never kept */
    return same ? block : NULL; /* what the thread kept goes with it: the leak checker looks */
}

TEST(a_block_may_be_freed_on_another_thread) {
    pthread_t other;
    void *result = NULL, *block = OPENSSL_memory_alloc(500);
    size_t kept = tls_memory_cached_bytes();
    REQUIRE(block && pthread_create(&other, NULL, free_elsewhere, block) == 0);
    pthread_join(other, &result);
    EXPECT(result != NULL);
    EXPECT_EQ(tls_memory_cached_bytes(), kept);
}
