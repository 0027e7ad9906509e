/* tls_memory.h - the memory of BoringSSL: per-thread lists of freed blocks, so that in steady state
 * sealing and opening records asks nothing of the general heap (PERFORMANCE.md A.7: the library
 * allocates for every record).
 *
 * BoringSSL looks for three functions by name when it is loaded (crypto/mem.c, weak references). A
 * shared library finds them only if the executable exports them: GNU ld and lld do that for a
 * symbol which a shared library on the link line refers to;
 * -Wl,--export-dynamic-symbol='OPENSSL_memory_*' says it outright. With a static library nothing is
 * needed. tls_memory_hooked() tells whether it worked. */
#ifndef HEDGEROW_NET_TLS_MEMORY_H
#define HEDGEROW_NET_TLS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Freed bytes that a thread keeps at most: the two record buffers (32 KiB blocks) and the state
 * (about 20 KiB) of a hundred connections that come and go between two turns of the loop; a larger
 * wave goes back to the heap. */
#define TLS_MEMORY_CACHED_MAX ((size_t)8 * 1024 * 1024)

/* Blocks that this thread took from the general heap since it began. Steady state adds none. */
uint64_t tls_memory_misses(void);
/* Freed bytes that this thread keeps, headers included. At most TLS_MEMORY_CACHED_MAX. */
size_t tls_memory_cached_bytes(void);
/* Does the loaded library use the functions below? Asks it for a block and sees who is called. */
bool tls_memory_hooked(void);

/* What BoringSSL calls. Any thread; a block freed on another thread than it was made on stays with
 * the one that freed it. NULL when the heap has none left. */
void *OPENSSL_memory_alloc(size_t n);
/* Wipes the block (the library leaves that to whoever replaces its allocator) and keeps or frees
 * it. NULL is fine. */
void OPENSSL_memory_free(void *p);
/* The `n` it was asked for; 0 for NULL. */
size_t OPENSSL_memory_get_size(void *p);

#endif
