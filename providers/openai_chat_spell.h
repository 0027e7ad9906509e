/* openai_chat_spell.h - what the writers of a chat completion's body share; not for others. (pure)
 *
 *   openai_chat_spell.c   the request
 *   openai_chat_say.c     its messages */
#ifndef HEDGEROW_PROVIDERS_OPENAI_CHAT_SPELL_H
#define HEDGEROW_PROVIDERS_OPENAI_CHAT_SPELL_H

#include "providers/openai_chat.h"

/* A body being written. Functions return false when something was lost that must not be: the
 * losses say what. */
struct openai_spell {
    const struct chat_prompt *prompt;
    const struct chat_spell *spell;
    struct arena *arena;
    struct json_out *out;
    unsigned tools; /* written so far */
    bool memory;    /* ran out */
};

/* The member `messages`. */
bool openai_spell_messages(struct openai_spell *);
/* chat_lose with a static reason. */
bool openai_spell_lose(struct openai_spell *, struct span field, const char *why);

#endif
