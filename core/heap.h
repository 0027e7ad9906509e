/* heap.h - the general heap, asked at start, by the control plane and when a pool grows; never per
 * request or event. Counts what it is asked, per thread, so that a test can hold the data path to
 * that. */
#ifndef HEDGEROW_CORE_HEAP_H
#define HEDGEROW_CORE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed memory; aborts with a message when the machine has none left (start and control plane have
 * no other answer). */
void *heap_alloc(size_t n);
/* As heap_alloc without zeroing, NULL when there is none: for pools, which refuse. */
void *heap_try(size_t n);
void *heap_realloc(void *p, size_t n);
/* A NUL-terminated copy of n bytes. */
char *heap_text(const char *p, size_t n);
/* Frees *p and nulls it; NULL is fine. Takes the address of any pointer. */
void heap_free(void *pointer_to_pointer);
/* Calls of the above by this thread since it began. */
uint64_t heap_calls(void);

#endif
