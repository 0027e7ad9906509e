/* sticky.h - which provider made a response: a request that refers to it by id (previous_response_id of
 * the Responses API) is only understood there.
 *
 * One table for all workers of the process, written and read without locks: a set of four places by
 * the id's hash, the oldest guess is overwritten. What is forgotten, or was made before a restart, is
 * looked for at one provider after the other. */
#ifndef HEDGEROW_APPLIANCE_RACE_STICKY_H
#define HEDGEROW_APPLIANCE_RACE_STICKY_H

#include "core/span.h"

/* 256 Ki responses, 2 MiB: an hour at 70 a second. */
#define STICKY_SETS 65536
#define STICKY_WAYS 4

/* Zero it to begin. Each place: 48 bits of the id's hash, 16 bits of the provider's name. */
struct sticky {
    uint64_t places[STICKY_SETS][STICKY_WAYS];
};

/* Remembers that `provider` (its name) made the response `id`. */
void sticky_put(struct sticky *, struct span id, struct span provider);
/* Did `provider` make it, as far as is known? */
enum sticky_says { STICKY_UNKNOWN, STICKY_YES, STICKY_NO };
enum sticky_says sticky_made(const struct sticky *, struct span id, struct span provider);

#endif
