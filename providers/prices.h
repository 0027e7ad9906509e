/* prices.h - what models cost, from a table that the operator brings: a file in the format of LiteLLM's
 * public model_prices_and_context_window.json (one object; a member's name is the model, with or
 * without its provider before it; USD per single token as JSON numbers). (pure)
 *
 * Money is read digit by digit into integers of pico-dollars per token, never through a double. What
 * the file says of tiers by length, batches, images and audio is not used. */
#ifndef HEDGEROW_PROVIDERS_PRICES_H
#define HEDGEROW_PROVIDERS_PRICES_H

#include "core/arena.h"

struct price {
    struct span key;                                     /* decoded */
    uint64_t input_pico, cached_input_pico, output_pico; /* cached: as input where not said */
};

struct prices {
    struct price *rows; /* in the arena, sorted by key */
    unsigned count;
    unsigned skipped; /* members without both prices per token: images, audio, descriptions */
};

/* Reads the file's text, which outlives the table. 0, or -EINVAL with *at (offset) and *why (static). A
 * key that stands twice: the last one counts. */
int prices_read(struct span text, struct arena *arena, struct prices *out, size_t *at,
                const char **why);
/* The price of a provider's model: under the names that the file uses for that kind ("azure/M",
 * "vertex_ai/M", "M" ...; prices.def), in their order. NULL: it has none. */
const struct price *prices_find(const struct prices *, struct span kind, struct span model);
/* "1.25e-06" USD as pico-dollars, rounded half up. False: no such number, negative, or past 1 USD a
 * token. */
bool prices_pico(struct span number, uint64_t *pico);

#endif
