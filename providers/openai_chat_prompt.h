/* openai_chat_prompt.h - what the readers of OpenAI's prompts share; not for others. (pure)
 *
 *   openai_chat_prompt.c   the members of a chat request -> canonical request
 *   openai_chat_toolbox.c  ... its tools, and which of them may be chosen
 *   openai_chat_turns.c    ... its messages
 *   openai_chat_parts.c    ... what stands in them
 *   openai_completions.c   a completions request
 *
 * Bodies that get here were read by openai_read_request: they are valid JSON, whole, with a role in
 * each message. */
#ifndef HEDGEROW_PROVIDERS_OPENAI_CHAT_PROMPT_H
#define HEDGEROW_PROVIDERS_OPENAI_CHAT_PROMPT_H

#include "providers/openai_chat.h"

/* A reading under way. Functions return 0 or a negative enum fail; *why and *param are then set. */
struct openai_prompt {
    struct arena *arena;
    struct chat_prompt *prompt;
    struct span *why, *param;
    unsigned function_calls; /* deprecated ones so far, which have no ids of their own */
};

/* -FAIL_BAD_REQUEST: "`PARAM`: WHY". Why is a clause that says what to do, without a full stop. */
int openai_prompt_refuse(struct openai_prompt *, struct span param, const char *why);
/* -FAIL_OVERLOAD. */
int openai_prompt_memory(struct openai_prompt *);
/* "messages[3].content[1].text"; empty when memory is used up. */
struct span openai_prompt_at(struct openai_prompt *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A member without canonical meaning becomes an extra, unless it says nothing (null, "", [], {}). */
int openai_prompt_extra(struct openai_prompt *, struct span name, struct span value, bool hint);

/* --- values --- */

/* Reads the object `text` and stores the JSON texts of the members with these names; one that is
 * absent or null stays empty, of two the last counts. Other members go to `others` (may be NULL:
 * they are skipped), whose answer ends the reading when it is negative. 0, or what it said, or
 * -FAIL_BAD_REQUEST when `text` is no object (param is then `where`). */
struct openai_others {
    int (*take)(struct openai_prompt *, struct span where, struct span name, struct span value);
    struct span where;
};
int openai_prompt_members(struct openai_prompt *, struct span text, const struct span *names,
                          unsigned count, struct span *values, const struct openai_others *others);
/* The string token of a JSON text; false when it is no string. */
bool openai_string(struct span value, struct json_token *token);
/* A string without escapes: id, name, URL, base64. Refuses what is no string, is empty or needs
 * escapes. */
int openai_prompt_plain(struct openai_prompt *, struct span value, struct span where,
                        struct span *out);
/* Is it the string `word`? */
bool openai_is_word(struct span value, struct span word);
/* A cache mark (Anthropic's cache_control {type, ttl}). */
int openai_prompt_cache(struct openai_prompt *, struct span value, bool *cache, struct span *ttl);

/* --- a message (openai_chat_parts.c) --- */

struct openai_turn {
    struct openai_prompt *x;
    struct chat_message *message;
    unsigned number;     /* index in the client's array */
    struct span *values; /* of the message's members, as openai_chat_turns.c counts them */
};
/* "messages[3].MEMBER", and "messages[3].MEMBER[1]INNER"; for complaints. */
struct span openai_turn_at(struct openai_turn *, const char *member);
struct span openai_turn_at_element(struct openai_turn *, const char *member, unsigned index,
                                   const char *inner);
/* A member that is not known: a hint when it is what answers carry beside the answer. */
int openai_turn_other(struct openai_prompt *, struct span where, struct span name,
                      struct span value);
/* Appends a part of that kind with the string `value` as its text, unless it is empty. */
int openai_turn_text(struct openai_turn *, struct chat_part **list, enum chat_part_kind kind,
                     struct span value);
/* Appends the content's parts; none when it is empty. */
int openai_turn_content(struct openai_turn *, struct span content, struct chat_part **list);
/* Appends an element of `thinking_blocks` to the message; other types are skipped. */
int openai_turn_thought(struct openai_turn *, struct span element, unsigned index);

/* --- parts of the reading --- */

/* All return 0, or as read_prompt does. The array `messages` as turns. */
int openai_prompt_messages(struct openai_prompt *, struct span messages);
/* `tools` and the deprecated `functions`; then `tool_choice`, or the deprecated `function_call`. Empty
 * spans: the members were not there. */
int openai_prompt_tools(struct openai_prompt *, struct span tools, struct span functions);
int openai_prompt_choice(struct openai_prompt *, struct span tool_choice,
                         struct span function_call);
/* stop: a string or an array of strings. */
int openai_prompt_stop(struct openai_prompt *, struct span value);
/* Members that a prompt takes as numbers, or as a word or a truth value; the knob is left unsaid
 * when there is no value. */
enum openai_knob { OPENAI_NUMBER, OPENAI_TRUTH, OPENAI_WORD };
int openai_prompt_knob(struct openai_prompt *, struct span value, const char *name,
                       enum openai_knob kind, struct chat_knob *knob);

#endif
