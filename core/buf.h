/* buf.h - bytes that wait: what was received and not yet consumed (carry), and what is to be sent
 * (outq).
 *
 * A received buffer is given back to the ring within the callback that got it. Bytes that could not
 * be consumed yet (half a head, half an event) are copied to a carry; an idle connection has none.
 * Output is collected in blocks so that one send takes all of a turn's bytes. */
#ifndef HEDGEROW_CORE_BUF_H
#define HEDGEROW_CORE_BUF_H

#include "core/slab.h"
#include "core/span.h"

struct carry {
    char *p;
    size_t begin, end, size; /* bytes [begin, end) are kept; size 0: no block is held */
};

/* What to parse next: `in` itself when nothing was kept (zero copy), else the kept bytes with `in`
 * behind them. False when memory is used up or the sum passes `max`. The span lives until the next
 * call of carry_keep / carry_drop. */
bool carry_join(struct carry *, struct memory *, struct span in, size_t max, struct span *out);
/* Keeps the part of `joined` (from carry_join) behind its first `consumed` bytes; gives the block
 * back when nothing is left. False: no memory. */
bool carry_keep(struct carry *, struct memory *, struct span joined, size_t consumed);
void carry_drop(struct carry *, struct memory *);
static inline size_t carry_bytes(const struct carry *carry) { return carry->end - carry->begin; }

struct outq_block;

struct outq {
    struct outq_block *head, *tail;
    size_t bytes; /* not yet sent, borrowed ones included */
};

/* Copies bytes to the end. False: no memory. */
bool outq_add(struct outq *, struct memory *, struct span bytes);
/* Refers to bytes that live until they are sent or the queue is dropped; short ones are copied all
 * the same. */
bool outq_borrow(struct outq *, struct memory *, struct span bytes);
/* Room for `n` contiguous bytes at the end, to be filled by the caller and then told with
 * outq_filled(<= n). n <= 16 KiB. NULL: no memory. */
char *outq_room(struct outq *, struct memory *, size_t n);
void outq_filled(struct outq *, size_t n);
/* The first contiguous run of bytes to send; empty when there is none. Stable until outq_sent or
 * outq_drop, also while bytes are added. */
struct span outq_front(const struct outq *);
/* The first n bytes were sent (n <= outq_front's length). */
void outq_sent(struct outq *, struct memory *, size_t n);
void outq_drop(struct outq *, struct memory *);

#endif
