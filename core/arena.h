/* arena.h - bump memory that is given back whole: one per exchange.
 *
 * Blocks come from a slab; an ask larger than a block comes from the size classes of core/pool_mem
 * (see slab.h slab_class). Nothing is freed singly. Spans into an arena live until arena_reset or
 * arena_fini. */
#ifndef HEDGEROW_CORE_ARENA_H
#define HEDGEROW_CORE_ARENA_H

#include "core/span.h"

struct memory;
struct arena_block;

struct arena {
    struct memory *memory;      /* borrowed from the worker */
    struct arena_block *blocks; /* newest first; owned */
    char *at, *end;             /* free room of the newest block */
    size_t used_bytes;
};

void arena_init(struct arena *, struct memory *);
/* `n` bytes aligned to 8, or NULL when memory is used up: an ordinary refusal, answer 503. */
void *arena_alloc(struct arena *, size_t n);
/* As arena_alloc, zeroed. */
void *arena_zalloc(struct arena *, size_t n);
/* Grows the newest allocation in place if it can, else copies. `old_n` is the size that `p` was
 * allocated with; its bytes are kept. */
void *arena_grow(struct arena *, void *p, size_t old_n, size_t n);
/* A copy that lives as long as the arena; {NULL,0} when memory is used up. */
struct span arena_copy(struct arena *, struct span);
/* A formatted text, without NUL. */
struct span arena_printf(struct arena *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Gives all blocks back. */
void arena_fini(struct arena *);

#endif
