/* prefill.h - a request that asks for the rest of an answer: the client's own, with what has been
 * said so far as its last, unfinished turn of the assistant. (pure)
 *
 *     {"messages":[{"role":"user",..}          ],"max_tokens":100}
 *                                    ^                        ^
 *                  ,{"role":"assistant","content":"So far",   88: twelve are used up
 *                    "prefix":true}
 *
 * Who understands it, and which of the spellings: provider_prefill. Anthropic and Converse are
 * written from the canonical prompt, which may end in such a turn; a chat body likewise, or edited. */
#ifndef HEDGEROW_PROVIDERS_PREFILL_H
#define HEDGEROW_PROVIDERS_PREFILL_H

#include "providers/dialect.h"

/* What has been said: raw JSON string content, not blank, and an estimate of its tokens. */
struct prefill {
    enum chat_prefill how; /* not NONE */
    struct span text;
    uint64_t tokens;
};

/* The text as the backend is given it: without the white space at its end where that is refused. The
 * model may say that again. */
struct span prefill_text(const struct prefill *);
/* Adds to the `count` edits that edit_request made of a chat or Messages body; `edits` has room for
 * CHAT_EDITS_MAX. Returns their new number, still in rising order; -FAIL_UNSUPPORTED when there is no
 * room or the body has members of its own for this, -FAIL_OVERLOAD. */
int prefill_edit(const struct chat_request *, const struct prefill *, struct arena *,
                 struct chat_edit *edits, unsigned count);
/* The prompt with that turn at its end: a copy, whose turns share their parts with it. NULL when
 * memory is used up. */
const struct chat_prompt *prefill_prompt(const struct chat_prompt *, const struct prefill *,
                                         struct arena *);
/* What the rest of the answer repeats of the white space that `text` lost at its end (`lost`): how
 * many bytes of the rest, raw, are to be left out. */
size_t prefill_repeated(struct span lost, struct span rest);

#endif
