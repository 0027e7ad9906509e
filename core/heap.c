/* heap.c - the only place that asks the general heap. See heap.h. */
#include "core/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"

static _Thread_local uint64_t calls; /* statistics only: no behaviour hangs on it */

void *heap_try(size_t n) {
    calls++;
    return malloc(n);
}

void *heap_alloc(size_t n) {
    calls++;
    void *p = calloc(1, n);
    CHECK(p);
    return p;
}

void *heap_realloc(void *p, size_t n) {
    calls++;
    p = realloc(p, n);
    CHECK(p);
    return p;
}

char *heap_text(const char *p, size_t n) {
    char *text = heap_alloc(n + 1);
    memcpy(text, p, n);
    return text;
}

void heap_free(void *pointer_to_pointer) {
    void *p; /* copied: a pointer of another type may not be read as a void pointer in place */
    memcpy(&p, pointer_to_pointer, sizeof p);
    free(p);
    memset(pointer_to_pointer, 0, sizeof p);
}

uint64_t heap_calls(void) { return calls; }
