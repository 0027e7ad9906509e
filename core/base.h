/* base.h - the few words that every file uses. Owns nothing, allocates nothing. */
#ifndef HEDGEROW_CORE_BASE_H
#define HEDGEROW_CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define countof(array) (sizeof(array) / sizeof((array)[0]))

/* The struct of `type` whose member `member` is at `pointer`. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* Prints the failed condition with its place and aborts: on in production, for our own mistakes
 * only. Hostile input never reaches a CHECK; it is refused with an enum fail. */
_Noreturn void base_check_failed(const char *file, int line, const char *condition);
#define CHECK(condition)                                       \
    do {                                                       \
        if (__builtin_expect(!(condition), 0))                 \
            base_check_failed(__FILE__, __LINE__, #condition); \
    } while (0)

static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }
static inline size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

#endif
