/* chat_body.h - what the readers of clients' bodies share on their first pass: what every backend needs
 * to know before it is decided who is asked. (pure)
 *
 * Owns:     nothing.
 * Promises: the same estimates and hashes in every dialect, so that budgets and affinity mean one thing.
 * Refuses:  nothing itself; its sentences say what the reader refuses. */
#ifndef HEDGEROW_PROVIDERS_CHAT_BODY_H
#define HEDGEROW_PROVIDERS_CHAT_BODY_H

#include "core/arena.h"
#include "core/json.h"

/* A text of this many bytes counts as one token: the usual rule of thumb for English, and only a price
 * and size class depend on it. */
#define CHAT_BYTES_PER_TOKEN 4
/* Affinity looks at this much of each leading message, and at its length: enough to tell system prompts
 * apart without reading megabytes byte by byte. */
#define CHAT_PREFIX_BYTES 4096
/* No model answers with more; guards the arithmetic that follows. */
#define CHAT_OUTPUT_TOKENS_MAX (UINT64_C(1) << 40)

/* "The body is not valid JSON (..)": what broke the reading, and where; in the arena. */
struct span chat_body_why_json(const struct json *, struct arena *);
/* "There is no memory ..."; static. */
struct span chat_body_why_memory(void);

/* A string, decoded: in place, or in the arena. False: memory is used up. Empty when the value is no
 * string or, as no name is, one with a lone surrogate. */
bool chat_body_name(const struct json_token *value, struct arena *, struct span *name);
/* Reads over the value that comes next and adds the bytes of its strings to *bytes: of those under a
 * key for which `is_text` says so, and of the value itself when `text`. False when it is broken. */
bool chat_body_count(struct json *, bool text, bool (*is_text)(const struct json_token *key),
                     uint64_t *bytes);

/* Hashes of what a conversation begins with, for affinity to a backend whose cache holds it. The order
 * of what is mixed matters. */
uint64_t chat_body_mix(uint64_t hash, uint64_t more);
/* Of a text's first CHAT_PREFIX_BYTES and its length. */
uint64_t chat_body_hash(struct span text);

#endif
