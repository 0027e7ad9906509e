/* converse.h - what the files of the Bedrock Converse dialect share; not for others, who use
 * dialect_converse. (pure)
 *
 *   converse_fields.c    values of JSON objects, by shape
 *   converse_read.c      a stream's messages -> canonical events
 *   converse_body.c      a whole body -> canonical events
 *   converse_error.c     what exceptions, error types and their texts mean
 *   converse_redacted.c  the wrapping of reasoning that only its maker can read
 *   converse_write.c     the canonical request -> a body, and its settings
 *   converse_message.c   ... the turns of the conversation
 *   converse_part.c      ... texts, images, documents, tool calls and reasoning inside them
 *   converse_tools.c     ... tools, and which of them may be called
 *   converse_reason.c    ... reasoning, which each family of models wants to be asked for otherwise
 *
 * Formats: service model of bedrock-runtime, 2023-09-30 (botocore 1.44.5): ConverseStream, Converse.
 * No client speaks it to us, so that there is nothing here to read requests or write answers. */
#ifndef HEDGEROW_PROVIDERS_CONVERSE_H
#define HEDGEROW_PROVIDERS_CONVERSE_H

#include "core/base.h"
#include "providers/dialect.h"

/* --- values by name --- */

/* What is looked for in an object: a row per member, {.name = {NULL,0}} ends them. With `inside` the
 * value is an object that is looked into, else it goes to field number `field`. */
struct converse_shape {
    struct span name;
    const struct converse_shape *inside;
    unsigned field;
};
/* Reads a whole JSON text, an object, in one pass, into fields; what has no row is read over, a
 * member that is not of its shape too. Fields of objects and arrays hold their whole text in `raw`.
 * Those that are not there are left as they were: zero them. False: it is no object, or broken. */
bool converse_fields(struct span text, const struct converse_shape *shape,
                     struct json_token *fields);
/* The raw text of a field that is a string; {NULL,0} of anything else. */
struct span converse_text(const struct json_token *field);
/* Does the field hold an object? */
bool converse_has_object(const struct json_token *field);

/* --- reading an answer --- */

/* A content block that makes a tool call. */
struct converse_block {
    unsigned index;    /* contentBlockIndex */
    unsigned position; /* of the call among the calls of the answer */
    bool hidden;       /* a tool that Bedrock runs itself: not ours to tell */
    bool arguments;    /* arguments that are not empty were given */
    bool stopped;
};

/* The reader's own state, in the arena. */
struct converse_own {
    struct converse_block *blocks;
    unsigned block_count, block_max;
    unsigned calls; /* tool calls given */
    bool stop_seen; /* messageStop came */
    bool usage_seen;
};

/* The reading of one event. */
struct converse_read {
    struct chat_reader *reader;
    struct converse_own *own;
    struct chat_sink sink;
    bool said; /* an event was given */
};

/* Gives an event, and CHAT_START before the first one. Nothing after the answer's end. */
void converse_give(struct converse_read *, struct chat_event *event);
void converse_give_error(struct converse_read *, enum fail why, struct span message);
void converse_give_text(struct converse_read *, enum chat_event_kind, struct span text);
/* A signature, or redacted content as it stands in `redacted` (which may be no string). */
void converse_give_signature(struct converse_read *, struct span signature);
void converse_give_redacted(struct converse_read *, const struct json_token *redacted);
/* A tool call begins; its position, or UINT_MAX when there are too many (ERROR was given). */
unsigned converse_give_call(struct converse_read *, struct span id, struct span name,
                            struct span arguments);
/* Plain text as the raw content of a JSON string, in the arena; {NULL,0}: memory. */
struct span converse_escape(struct arena *, struct span plain);

/* --- redacted reasoning --- */

/* Anthropic's `data` is base64 text; Converse, whose redactedContent is a blob, shows that text in
 * base64 once more. Takes the outer layer off, so that it means the same on every cloud; {NULL,0}
 * when what is inside is not base64 (another maker's), or memory is used up. */
struct span converse_unwrap(struct span redacted, struct arena *);
/* Writes the JSON string with the outer layer put on. */
void converse_write_wrapped(struct json_out *, struct span data);
/* Gives FINISH, or ERROR when the reason says that the model failed before it said anything.
 * `fields`: additionalModelResponseFields, which may hold the stop sequence that was met. */
void converse_finish(struct converse_read *, struct span reason, struct span fields);
/* `object`: the text of `usage`. */
void converse_give_usage(struct converse_read *, struct span object);

/* --- errors --- */

/* What an error means by its name ("ThrottlingException", in any case) and message; FAIL_NONE: the
 * name is not known. `status` is originalStatusCode, 0 when there is none. */
enum fail converse_error_fail(struct span type, struct span message, unsigned status);
/* What the text of a ValidationException says: mostly REFUSED, sometimes the model's name is wrong. */
enum fail converse_refusal_fail(struct span message);
/* A type without what AWS hangs on it: "ThrottlingException:http://..." and
 * "com.amazon.coral.service#ThrottlingException" are ThrottlingException. */
struct span converse_error_type(struct span);

/* --- writing a request --- */

/* The writing of one request. Functions that return bool return false to give up: out of memory
 * (out->full is set), or the target cannot say it (losses->field is set). */
struct converse_write {
    const struct chat_prompt *prompt;
    const struct chat_spell *spell;
    struct arena *arena;
    struct json_out *out;
    bool claude, nova;  /* the family of the model */
    bool tool_blocks;   /* some turn holds a tool call or a result */
    bool chosen;        /* the tool that must be called is among those written */
    bool own_choice;    /* tool_choice is written as Claude's own API has it */
    unsigned documents; /* written so far */
    /* the block that the conversation ends with, if it is the assistant's: a text there must not end
     * in white space, signed reasoning stays as it is. NULL: it is the user's */
    const struct chat_part *prefill;
    uint64_t limit_tokens; /* inferenceConfig.maxTokens; 0: none is known */
    struct converse_reason {
        bool on;                /* Claude: thinking is on */
        bool off;               /* Claude: switched off in so many words */
        uint64_t budget_tokens; /* Claude: of thinking; 0: adaptive */
        struct span effort;     /* Claude: outputConfig.effort; others: the word */
        struct span member;     /* others: the additional field that takes the word */
    } reason;
};

/* `field` cannot be said, with a static reason. True: go on without it; false: give up. */
bool converse_lose(struct converse_write *, struct span field, const char *why);
/* Memory is used up: says so, and returns false. */
bool converse_full(struct converse_write *);
/* A member whose value is an object, to be closed by json_out_object_end; and a block or another
 * object with such a member alone, to be closed by two of them. */
void converse_open(struct json_out *, struct span key);
void converse_open_block(struct json_out *, struct span key);
/* A member whose value is a raw string; nothing when it is empty. */
void converse_write_text(struct json_out *, struct span key, struct span raw);
/* A cachePoint behind what was written, where the model knows them. */
void converse_write_cache(struct converse_write *, struct span ttl);

/* `messages`, with the model's name settled and reasoning decided. */
bool converse_write_messages(struct converse_write *);
/* Does the part become a block? What has nothing to say, or cannot be said, does not. */
bool converse_has_block(const struct converse_write *, const struct chat_message *,
                        const struct chat_part *);
/* The same, and what cannot be said is lost. False: give up. */
bool converse_judge_part(struct converse_write *, const struct chat_message *,
                         const struct chat_part *, bool *take);
/* A part that was judged so, as a content block. */
bool converse_write_part(struct converse_write *, const struct chat_message *,
                         const struct chat_part *);
/* `toolConfig`, when there is any; sets own_choice. */
bool converse_write_tools(struct converse_write *);
/* The `tool_choice` of Claude's own API, as a member of additionalModelRequestFields. */
void converse_write_own_choice(struct converse_write *);
/* Decides about reasoning; before anything is written, for other settings hang on it. */
bool converse_decide_reason(struct converse_write *);
/* Members of additionalModelRequestFields, if any. */
bool converse_has_reason(const struct converse_write *);
void converse_write_reason(struct converse_write *);

/* --- the dialect's functions, contracts in dialect.h --- */
void converse_reader_init(struct chat_reader *, struct arena *arena);
enum chat_relay converse_read_event(struct chat_reader *, struct span name, struct span data,
                                    struct chat_sink sink);
void converse_read_end(struct chat_reader *, struct chat_sink sink);
void converse_read_body(struct chat_reader *, struct span body, struct chat_sink sink);
void converse_read_error(struct span body, struct chat_error *error);
int converse_write_prompt(const struct chat_prompt *prompt, const struct chat_spell *spell,
                          struct arena *arena, struct json_out *out);

#endif
