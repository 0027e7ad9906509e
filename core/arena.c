/* arena.c - bump memory. See arena.h. */
#include "core/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/limits.h"
#include "core/slab.h"

struct arena_block {
    struct arena_block *next;
    size_t size;
};

void arena_init(struct arena *arena, struct memory *memory) {
    memset(arena, 0, sizeof *arena);
    arena->memory = memory;
}

static bool add_block(struct arena *arena, size_t n) {
    size_t size = n + sizeof(struct arena_block);
    if (size < ARENA_BLOCK_SIZE)
        size = ARENA_BLOCK_SIZE;
    struct arena_block *block = memory_get(arena->memory, &size);
    if (!block)
        return false;
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->at = (char *)(block + 1);
    arena->end = (char *)block + size;
    return true;
}

void *arena_alloc(struct arena *arena, size_t n) {
    if (n > SIZE_MAX / 2)
        return NULL;
    n = (n + 7) & ~(size_t)7;
    if ((size_t)(arena->end - arena->at) < n && !add_block(arena, n))
        return NULL;
    void *p = arena->at;
    arena->at += n;
    arena->used_bytes += n;
    return p;
}

void *arena_zalloc(struct arena *arena, size_t n) {
    void *p = arena_alloc(arena, n);
    return p ? memset(p, 0, n) : NULL;
}

void *arena_grow(struct arena *arena, void *old, size_t old_n, size_t n) {
    size_t rounded = (old_n + 7) & ~(size_t)7, wanted = (n + 7) & ~(size_t)7;
    if (old && (char *)old + rounded == arena->at && wanted <= (size_t)(arena->end - (char *)old)) {
        arena->at = (char *)old + wanted;
        arena->used_bytes += wanted - rounded;
        return old;
    }
    void *p = arena_alloc(arena, n);
    if (p && old && old_n)
        memcpy(p, old, min_size(old_n, n));
    return p;
}

struct span arena_copy(struct arena *arena, struct span bytes) {
    if (bytes.n == 0)
        return span_of("", 0);
    char *p = arena_alloc(arena, bytes.n);
    if (!p)
        return (struct span){NULL, 0};
    memcpy(p, bytes.p, bytes.n);
    return span_of(p, bytes.n);
}

struct span arena_printf(struct arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *p = n < 0 ? NULL : arena_alloc(arena, (size_t)n + 1);
    if (!p)
        return (struct span){NULL, 0};
    va_start(arguments, format);
    vsnprintf(p, (size_t)n + 1, format, arguments);
    va_end(arguments);
    return span_of(p, (size_t)n);
}

void arena_fini(struct arena *arena) {
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        size_t size = block->size;
        void *p = block;
        memory_put(arena->memory, &p, size);
    }
    arena->at = arena->end = NULL;
    arena->used_bytes = 0;
}
