/* buf.c - bytes that wait. See buf.h. */
#include "core/buf.h"

#include "core/limits.h"

/* The first block of a queue is small: most hold one event or one head. Later ones are larger, so
 * that a burst of events or a body goes out in few sends. */
#define OUTQ_BLOCK_LARGE (64 * 1024)
/* Below this copying is cheaper than a send of its own. */
#define OUTQ_BORROW_MIN 4096

struct outq_block {
    struct outq_block *next;
    size_t size;       /* of this block's memory, for memory_put */
    const char *p;     /* own room, or borrowed bytes */
    size_t begin, end; /* bytes [begin, end) wait */
    size_t room;       /* bytes that p can hold; 0 for borrowed */
};

static bool carry_reserve(struct carry *carry, struct memory *memory, size_t n) {
    if (carry->size - carry->end >= n)
        return true;
    size_t kept = carry_bytes(carry);
    if (carry->size - kept >= n) {
        memmove(carry->p, carry->p + carry->begin, kept);
    } else {
        size_t size = kept + n;
        if (size < carry->size * 2)
            size = carry->size * 2; /* amortised: a long event comes in small pieces */
        char *p = memory_get(memory, &size);
        if (!p)
            return false;
        memcpy(p, carry->p ? carry->p + carry->begin : p, kept);
        void *old = carry->p;
        if (old)
            memory_put(memory, &old, carry->size);
        carry->p = p;
        carry->size = size;
    }
    carry->begin = 0;
    carry->end = kept;
    return true;
}

bool carry_join(struct carry *carry, struct memory *memory, struct span in, size_t max,
                struct span *out) {
    if (carry_bytes(carry) == 0) {
        *out = in;
        return true;
    }
    if (carry_bytes(carry) + in.n > max || !carry_reserve(carry, memory, in.n))
        return false;
    memcpy(carry->p + carry->end, in.p, in.n);
    carry->end += in.n;
    *out = span_of(carry->p + carry->begin, carry_bytes(carry));
    return true;
}

bool carry_keep(struct carry *carry, struct memory *memory, struct span joined, size_t consumed) {
    struct span rest = span_from(joined, consumed);
    if (rest.n == 0) {
        carry_drop(carry, memory);
        return true;
    }
    if (carry_bytes(carry) > 0) { /* joined lies in the carry already */
        carry->begin += consumed;
        return true;
    }
    if (!carry_reserve(carry, memory, rest.n))
        return false;
    memcpy(carry->p, rest.p, rest.n);
    carry->end = rest.n;
    return true;
}

void carry_drop(struct carry *carry, struct memory *memory) {
    void *p = carry->p;
    if (p)
        memory_put(memory, &p, carry->size);
    memset(carry, 0, sizeof *carry);
}

static struct outq_block *add_block_of(struct outq *queue, struct memory *memory, size_t size) {
    struct outq_block *block = memory_get(memory, &size);
    if (!block)
        return NULL;
    *block =
        (struct outq_block){.size = size, .p = (char *)(block + 1), .room = size - sizeof *block};
    if (queue->tail)
        queue->tail->next = block;
    else
        queue->head = block;
    queue->tail = block;
    return block;
}

/* A block with room for at least n bytes. */
static struct outq_block *add_block(struct outq *queue, struct memory *memory, size_t n) {
    size_t size = queue->head ? OUTQ_BLOCK_LARGE : OUT_BLOCK_SIZE;
    if (size < n + sizeof(struct outq_block))
        size = n + sizeof(struct outq_block);
    return add_block_of(queue, memory, size);
}

char *outq_room(struct outq *queue, struct memory *memory, size_t n) {
    struct outq_block *block = queue->tail;
    if (!block || block->room < block->end + n)
        block = add_block(queue, memory, n);
    return block ? (char *)block->p + block->end : NULL;
}

void outq_filled(struct outq *queue, size_t n) {
    CHECK(queue->tail && queue->tail->end + n <= queue->tail->room);
    queue->tail->end += n;
    queue->bytes += n;
}

bool outq_add(struct outq *queue, struct memory *memory, struct span bytes) {
    while (bytes.n > 0) {
        struct outq_block *block = queue->tail;
        size_t free = block && block->room > block->end ? block->room - block->end : 0;
        if (free == 0) {
            block = add_block(queue, memory, min_size(bytes.n, OUTQ_BLOCK_LARGE - sizeof *block));
            if (!block)
                return false;
            free = block->room;
        }
        size_t n = min_size(free, bytes.n);
        memcpy((char *)block->p + block->end, bytes.p, n);
        block->end += n;
        queue->bytes += n;
        bytes = span_from(bytes, n);
    }
    return true;
}

bool outq_borrow(struct outq *queue, struct memory *memory, struct span bytes) {
    if (bytes.n < OUTQ_BORROW_MIN)
        return outq_add(queue, memory, bytes);
    struct outq_block *block = add_block_of(queue, memory, sizeof *block); /* no room of its own */
    if (!block)
        return false;
    block->p = bytes.p;
    block->end = bytes.n;
    block->room = 0;
    queue->bytes += bytes.n;
    return true;
}

struct span outq_front(const struct outq *queue) {
    const struct outq_block *block = queue->head;
    return block ? span_of(block->p + block->begin, block->end - block->begin) : span_of("", 0);
}

static void drop_head(struct outq *queue, struct memory *memory) {
    struct outq_block *block = queue->head;
    queue->head = block->next;
    if (!queue->head)
        queue->tail = NULL;
    size_t size = block->size;
    void *p = block;
    memory_put(memory, &p, size);
}

void outq_sent(struct outq *queue, struct memory *memory, size_t n) {
    struct outq_block *block = queue->head;
    CHECK(block && n <= block->end - block->begin);
    block->begin += n;
    queue->bytes -= n;
    if (block->begin == block->end)
        drop_head(queue, memory);
}

void outq_drop(struct outq *queue, struct memory *memory) {
    while (queue->head)
        drop_head(queue, memory);
    queue->bytes = 0;
}
