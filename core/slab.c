/* slab.c - fixed pools and power-of-two blocks. See slab.h. */
#include "core/slab.h"

#include <string.h>

#include "core/heap.h"

/* Objects are made in chunks of about this size, so that a pool's first use costs one call of the
 * heap, not many. */
#define CHUNK_BYTES (64 * 1024)

struct link {
    struct link *next;
};

void slab_init(struct slab *slab, const char *name, size_t size, unsigned count_max) {
    memset(slab, 0, sizeof *slab);
    slab->name = name;
    slab->size = (size + 15) & ~(size_t)15;
    slab->count_max = count_max;
}

static bool grow(struct slab *slab) {
    unsigned count = (unsigned)(CHUNK_BYTES / slab->size);
    if (count == 0)
        count = 1;
    if (slab->count_max)
        count = (unsigned)min_size(count, slab->count_max - slab->count);
    if (count == 0)
        return false;
    char *chunk = heap_try(16 + count * slab->size);
    if (!chunk)
        return false;
    ((struct link *)chunk)->next = slab->chunks;
    slab->chunks = chunk;
    for (unsigned i = 0; i < count; i++) {
        struct link *object = (struct link *)(chunk + 16 + i * slab->size);
        object->next = slab->free;
        slab->free = object;
    }
    slab->count += count;
    return true;
}

void *slab_new(struct slab *slab) {
    if (!slab->free && !grow(slab))
        return NULL;
    struct link *object = slab->free;
    slab->free = object->next;
    slab->used++;
    return memset(object, 0, slab->size);
}

void slab_free(struct slab *slab, void **pointer) {
    struct link *object = *pointer;
    CHECK(slab->used > 0);
    slab->used--;
    object->next = slab->free;
    slab->free = object;
    *pointer = NULL;
}

void slab_fini(struct slab *slab) {
    CHECK(slab->used == 0);
    struct link *chunk = slab->chunks;
    while (chunk) {
        struct link *next = chunk->next;
        heap_free(&chunk);
        chunk = next;
    }
    slab->chunks = slab->free = NULL;
}

void memory_init(struct memory *memory, size_t used_max, size_t cached_max) {
    memset(memory, 0, sizeof *memory);
    memory->used_max = used_max;
    memory->cached_max = cached_max;
}

static unsigned class_of(size_t n) {
    unsigned class = 0;
    while (class < MEMORY_CLASSES && ((size_t)MEMORY_CLASS_MIN << class) < n)
        class ++;
    return class;
}

void *memory_get(struct memory *memory, size_t *n) {
    unsigned class = class_of(*n);
    if (class == MEMORY_CLASSES)
        return NULL;
    size_t size = (size_t)MEMORY_CLASS_MIN << class;
    if (memory->used_bytes + size > memory->used_max)
        return NULL;
    struct link *block = memory->free[class];
    if (block) {
        memory->free[class] = block->next;
        memory->cached_bytes -= size;
    } else {
        block = heap_try(size);
        if (!block)
            return NULL;
    }
    memory->used_bytes += size;
    *n = size;
    return block;
}

void memory_put(struct memory *memory, void **pointer, size_t n) {
    struct link *block = *pointer;
    unsigned class = class_of(n);
    CHECK(class < MEMORY_CLASSES && ((size_t)MEMORY_CLASS_MIN << class) == n);
    CHECK(memory->used_bytes >= n);
    *pointer = NULL;
    memory->used_bytes -= n;
    if (memory->cached_bytes + n > memory->cached_max) {
        heap_free(&block);
        return;
    }
    block->next = memory->free[class];
    memory->free[class] = block;
    memory->cached_bytes += n;
}

void memory_fini(struct memory *memory) {
    CHECK(memory->used_bytes == 0);
    for (unsigned class = 0; class < MEMORY_CLASSES; class ++) {
        struct link *block = memory->free[class];
        while (block) {
            struct link *next = block->next;
            heap_free(&block);
            block = next;
        }
        memory->free[class] = NULL;
    }
    memory->cached_bytes = 0;
}
