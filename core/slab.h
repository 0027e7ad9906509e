/* slab.h - memory of one worker: fixed pools of structs, and blocks in powers of two.
 * Single-threaded.
 *
 * Both take from the heap (core/heap.h) in slabs and keep what comes back, so that a worker in
 * steady state never asks the general heap. An empty pool at its limit returns NULL: an ordinary
 * refusal, never a crash. */
#ifndef HEDGEROW_CORE_SLAB_H
#define HEDGEROW_CORE_SLAB_H

#include "core/list.h"

struct slab {
    const char *name;   /* static, for metrics */
    size_t size;        /* bytes of one object, a multiple of 16 */
    unsigned count_max; /* objects at most; 0: no limit */
    unsigned count;     /* objects made so far */
    unsigned used;      /* objects handed out */
    void *free;         /* chain through the first word */
    void *chunks;       /* chain of heap chunks, freed by slab_fini */
};

/* A pool of objects of `size` bytes, at most `count_max` of them. */
void slab_init(struct slab *, const char *name, size_t size, unsigned count_max);
/* A zeroed object, or NULL at the limit. */
void *slab_new(struct slab *);
/* Gives *object back and nulls it. */
void slab_free(struct slab *, void **object);
/* CHECKs that nothing is out and frees the chunks. */
void slab_fini(struct slab *);

/* Blocks of 4 KiB .. 256 MiB in powers of two. Blocks of a class are kept for reuse, up to a total
 * of cached_max bytes. */
#define MEMORY_CLASS_MIN 4096u
#define MEMORY_CLASSES   17

struct memory {
    void *free[MEMORY_CLASSES];
    size_t used_bytes;   /* handed out */
    size_t cached_bytes; /* kept for reuse */
    size_t used_max, cached_max;
};

/* used_max: bytes handed out at most before memory_get refuses; cached_max: bytes kept at most. */
void memory_init(struct memory *, size_t used_max, size_t cached_max);
/* A block of at least *n bytes; *n becomes its true size, which memory_put wants back. NULL at the
 * limit. */
void *memory_get(struct memory *, size_t *n);
void memory_put(struct memory *, void **block, size_t n);
/* CHECKs that nothing is out and frees what is kept. */
void memory_fini(struct memory *);

#endif
