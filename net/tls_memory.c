/* tls_memory.c - BoringSSL's allocator: free lists in powers of two, one set per thread, no locks.
 *
 *   +----------------+------------------------------+----------+
 *   | size    next   | the n bytes the library sees | rounding |   2^k bytes in all, 32 B .. 32 KiB
 *   +----------------+------------------------------+----------+
 *
 * Owns:     the blocks in its lists until the thread ends.
 * Promises: 16-byte alignment; a freed block is wiped before anybody else can have it.
 * Refuses:  to keep more than TLS_MEMORY_CACHED_MAX bytes, or any block above the largest class:
 *           those are heap calls.
 */
#include "net/tls_memory.h"

#include <assert.h>
#include <pthread.h>

#include <openssl/mem.h>

#include "core/base.h"
#include "core/heap.h"

/* A use after free inside the library must be seen although the block never reaches the heap. */
#if defined(__SANITIZE_ADDRESS__)
#define TLS_MEMORY_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TLS_MEMORY_POISON 1
#endif
#endif
#ifdef TLS_MEMORY_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

struct block {
    size_t size;        /* bytes the library asked for */
    struct block *next; /* in a free list; of no meaning while the library has it */
};
static_assert(sizeof(struct block) == 16, "payload must keep the heap's alignment");

/* The smallest block carries 16 bytes. The largest holds a full record: 16384 + 256 of expansion
 * (RFC 8446 5.2), its header and what the library adds to align it, which is just over 16 KiB. */
enum { CLASS_BITS_MIN = 5, CLASS_BITS_MAX = 15, CLASSES = CLASS_BITS_MAX - CLASS_BITS_MIN + 1 };

enum cache_life {
    CACHE_NEW,  /* nothing kept yet; the thread's end is not watched */
    CACHE_LIVE, /* cache_end runs when the thread ends */
    CACHE_GONE, /* the thread is ending; the library's own clean-up still frees, nothing is kept */
};

struct cache {
    struct block *free[CLASSES];
    size_t kept_bytes;
    uint64_t misses;
    uint64_t allocs; /* calls, for tls_memory_hooked */
    enum cache_life life;
};

static __thread struct cache cache;
static pthread_key_t cache_key;
static pthread_once_t cache_once = PTHREAD_ONCE_INIT;
static bool cache_key_made;

/* Index of the class whose blocks hold n bytes; CLASSES: larger than any. */
static unsigned class_of(size_t n) {
    if (n > ((size_t)1 << CLASS_BITS_MAX) - sizeof(struct block))
        return CLASSES;
    size_t whole = n + sizeof(struct block);
    if (whole <= (size_t)1 << CLASS_BITS_MIN)
        return 0;
    return 64 - (unsigned)__builtin_clzl(whole - 1) - CLASS_BITS_MIN;
}

static size_t class_bytes(unsigned class) { return (size_t)1 << (class + CLASS_BITS_MIN); }

static void block_give_back(struct block *b) { heap_free(&b); }

/* Runs at the end of a thread that kept blocks. Other destructors may free more after it. */
static void cache_end(void *unused) {
    (void)unused;
    cache.life = CACHE_GONE;
    for (unsigned class = 0; class < CLASSES; class ++) {
        while (cache.free[class]) {
            struct block *b = cache.free[class];
            cache.free[class] = b->next;
            ASAN_UNPOISON_MEMORY_REGION(b, class_bytes(class));
            block_give_back(b);
        }
    }
    cache.kept_bytes = 0;
}

static void cache_make_key(void) {
    cache_key_made = pthread_key_create(&cache_key, cache_end) == 0;
}

/* Asks to be told of this thread's end. Where that cannot be had nothing is kept: slow, but no
 * leak. */
static bool cache_live(void) {
    if (__builtin_expect(cache.life == CACHE_LIVE, 1))
        return true;
    if (cache.life == CACHE_GONE)
        return false;
    pthread_once(&cache_once, cache_make_key);
    if (!cache_key_made || pthread_setspecific(cache_key, &cache) != 0)
        return false;
    cache.life = CACHE_LIVE;
    return true;
}

__attribute__((visibility("default"))) void *OPENSSL_memory_alloc(size_t n) {
    unsigned class = class_of(n);
    struct block *b = class < CLASSES ? cache.free[class] : NULL;
    cache.allocs++;
    if (b) {
        cache.free[class] = b->next;
        cache.kept_bytes -= class_bytes(class);
        ASAN_UNPOISON_MEMORY_REGION(b + 1, n);
    } else {
        if (n > SIZE_MAX - sizeof *b)
            return NULL;
        cache.misses++;
        b = heap_try(class < CLASSES ? class_bytes(class) : n + sizeof *b);
        if (!b)
            return NULL;
        if (class < CLASSES)
            ASAN_POISON_MEMORY_REGION((char *)(b + 1) + n, class_bytes(class) - sizeof *b - n);
    }
    b->size = n;
    return b + 1;
}

__attribute__((visibility("default"))) void OPENSSL_memory_free(void *p) {
    if (!p)
        return;
    struct block *b = (struct block *)p - 1;
    unsigned class = class_of(b->size);
    OPENSSL_cleanse(p, b->size);
    if (class < CLASSES && cache.kept_bytes + class_bytes(class) <= TLS_MEMORY_CACHED_MAX &&
        cache_live()) {
        b->next = cache.free[class];
        cache.free[class] = b;
        cache.kept_bytes += class_bytes(class);
        ASAN_POISON_MEMORY_REGION(p, class_bytes(class) - sizeof *b);
        return;
    }
    if (class < CLASSES)
        ASAN_UNPOISON_MEMORY_REGION(b, class_bytes(class));
    block_give_back(b);
}

__attribute__((visibility("default"))) size_t OPENSSL_memory_get_size(void *p) {
    return p ? ((struct block *)p - 1)->size : 0;
}

uint64_t tls_memory_misses(void) { return cache.misses; }

size_t tls_memory_cached_bytes(void) { return cache.kept_bytes; }

bool tls_memory_hooked(void) {
    uint64_t before = cache.allocs;
    void *probe = OPENSSL_malloc(1);
    OPENSSL_free(probe);
    return cache.allocs != before;
}
