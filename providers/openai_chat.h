/* openai_chat.h - what the files of the OpenAI chat dialect share; not for others, who use
 * dialect_openai_chat. (pure)
 *
 *   openai_chat_request.c   a client's body -> struct chat_request
 *   openai_chat_edit.c      ... -> the edits that make a backend's body of it
 *   openai_chat_read.c      a provider's events and bodies -> canonical events
 *   openai_chat_choice.c    ... what stands inside a choice
 *   openai_chat_tools.c     ... the tool calls among them, the worst of it
 *   openai_chat_prompt.c    a client's body -> canonical request, see openai_chat_prompt.h
 *   openai_chat_spell.c     canonical request -> a backend's body, see openai_chat_spell.h
 *   openai_chat_write.c     canonical events -> a client's stream
 *   openai_chat_collect.c   canonical events -> a client's whole body
 *   openai_error.c          error bodies, read, classified and written
 *
 * Formats: OpenAI API specification 2.3.0: CreateChatCompletionRequest, its -Response and
 * -StreamResponse. */
#ifndef HEDGEROW_PROVIDERS_OPENAI_CHAT_H
#define HEDGEROW_PROVIDERS_OPENAI_CHAT_H

#include "core/base.h"
#include "providers/dialect.h"

/* --- names of members --- */

/* Position of a KEY in `names`, or `count` when it is none of them. The first
 * byte is looked at before memcmp is called: this runs for each member of each event. */
static inline unsigned openai_member(const struct json_token *key, const struct span *names,
                                     unsigned count) {
    struct span raw = key->raw;
    unsigned i = 0;
    if (key->escaped) {
        while (i < count && !json_is(key, names[i]))
            i++;
        return i;
    }
    while (i < count && (raw.n != names[i].n || raw.p[0] != names[i].p[0] ||
                         memcmp(raw.p, names[i].p, raw.n) != 0))
        i++;
    return i;
}
/* Reads over the rest of the value that json_next just began (a container) or gave whole (anything
 * else). */
static inline bool openai_skip(struct json *json, const struct json_token *value) {
    if (value->kind == JSON_OBJECT || value->kind == JSON_ARRAY)
        return json_leave(json);
    return value->kind != JSON_ERROR;
}
/* Is this JSON text anything at all: not null, not an empty array, object or string? */
bool openai_says_something(struct span json_text);

/* --- reading an answer --- */

/* One tool call of a choice being read. */
struct openai_tool {
    struct span id, name; /* in the arena; empty: not said yet */
    unsigned index;       /* as the provider counts, UINT_MAX: it does not */
    unsigned position;    /* as we count, from 0 within the choice; once started */
    bool started;         /* CHAT_TOOL_START was given */
    bool arguments;       /* arguments that are not empty were given */
    bool custom;
};

struct chat_choice {
    bool seen;
    bool role;      /* the client was told the role, by chunks relayed so far */
    bool role_here; /* this event says the role */
    bool said_here; /* this event says something of the choice */
    enum chat_finish finish;
    struct openai_tool *tools; /* in the arena */
    unsigned tool_count, tool_max;
    unsigned started_count;
};

/* The two that share requests and answers but for what is inside: a list of messages and deltas, or
 * a prompt and text. */
enum openai_form { OPENAI_CHAT, OPENAI_COMPLETION };

/* The reading of one event. */
struct openai_read {
    struct chat_reader *reader;
    struct chat_sink sink;
    enum openai_form form;
    struct chat_answer answer; /* as noted so far, in the event's bytes; until it is started */
    bool whole;                /* a whole body: choices have `message`, not `delta` */
    bool choices;              /* the event had choices that are not empty */
    bool mend;                 /* it cannot be relayed as it came */
    bool said;                 /* something that a stream's writer would say was given */
    bool usage_told;           /* usage stands where clients look for it */
    bool reasoned;             /* reasoning was given: a second spelling of the same is not */
    bool other;       /* the object has members that chunks do not have: message, code ... */
    enum fail failed; /* why the event cannot be read, or the error its finish reason stands for */
    struct span usage, error, choice_usage; /* JSON texts, or empty */
};

/* Gives an event to the sink, with the answer's identity. */
void openai_give(struct openai_read *, struct chat_event *event);
/* Reads the value of `choices`, which comes next; false when it is not one. */
bool openai_read_choices(struct openai_read *, struct json *);
/* Reads a `tool_calls` array (the token was read) of choice `index`; false when it is not one. */
bool openai_read_tool_calls(struct openai_read *, struct json *, unsigned index);
/* The choice ends: arguments that never came are "{}". */
void openai_finish_tools(struct openai_read *, unsigned index);

/* --- errors --- */

/* What an error means by its code, type or status text, or FAIL_NONE when they say nothing.
 * `in_stream`: there is no HTTP status, so that digits in them are taken for one. */
enum fail openai_error_fail(const struct chat_error *, bool in_stream);
/* What an HTTP status means by itself (PROVIDERS.md 5.2); FAIL_NONE for 2xx. */
enum fail openai_status_fail(unsigned status);
void openai_read_error(struct span body, struct chat_error *error);
void openai_write_error(enum fail why, struct span message, struct span param,
                        struct json_out *out);
void openai_write_error_event(enum fail why, struct span message, struct json_out *out);

/* --- shared by both forms, contracts in dialect.h --- */
int openai_read_request(enum openai_form form, struct span body, struct arena *arena,
                        struct chat_request *req, struct span *why, struct span *param);
enum chat_relay openai_read_event(struct chat_reader *, enum openai_form form, struct span name,
                                  struct span data, struct chat_sink sink);
void openai_read_body(struct chat_reader *, enum openai_form form, struct span body,
                      struct chat_sink sink);

/* --- the dialect's functions, contracts in dialect.h --- */
int openai_chat_read_request(struct span body, struct arena *arena, struct chat_request *req,
                             struct span *why, struct span *param);
int openai_chat_edit_request(const struct chat_request *req, struct span model, unsigned quirks,
                             struct arena *arena, struct chat_edit *edits);
int openai_chat_read_prompt(const struct chat_request *req, struct arena *arena,
                            struct chat_prompt *prompt, struct span *why, struct span *param);
int openai_chat_write_prompt(const struct chat_prompt *prompt, const struct chat_spell *spell,
                             struct arena *arena, struct json_out *out);
void openai_chat_reader_init(struct chat_reader *, struct arena *arena);
enum chat_relay openai_chat_read_event(struct chat_reader *, struct span name, struct span data,
                                       struct chat_sink sink);
void openai_chat_read_end(struct chat_reader *, struct chat_sink sink);
void openai_chat_read_body(struct chat_reader *, struct span body, struct chat_sink sink);
void openai_chat_writer_init(struct chat_writer *, struct arena *arena,
                             const struct chat_request *req);
void openai_chat_write_event(struct chat_writer *, const struct chat_event *event,
                             struct json_out *out);
void openai_chat_write_done(struct chat_writer *, const struct chat_reader *reader,
                            struct json_out *out);
void openai_chat_collect(struct chat_writer *, const struct chat_event *event);
void openai_chat_write_body(struct chat_writer *, struct json_out *out);

/* --- shared by both writers --- */

/* A member collected for the whole body: the pieces of it, merged when it is written. */
struct chat_member {
    struct chat_member *next;
    struct span name;
    struct openai_piece *pieces, **last; /* pieces to be merged, in order */
    struct chat_text text;               /* or the last value, where a later one replaces it */
};
struct openai_piece {
    struct openai_piece *next;
    struct span json;
};

struct openai_said_tool {
    struct span id, name;
    struct chat_text arguments;
    struct span signature; /* of Gemini, in the arena; empty: none */
    bool custom;
    struct chat_member *extras;
};

/* A block of Claude's reasoning that can be given back to it: bytes [from, to) of the choice's
 * reasoning with their signature, or what only its maker can read. */
struct openai_thought {
    struct openai_thought *next;
    size_t from, to;
    struct span proof; /* in the arena */
    bool redacted;
};

/* What was said of a choice. */
struct chat_said {
    bool seen;
    bool role; /* the client was told the role */
    enum chat_finish finish;
    struct chat_text text, reasoning, refusal;
    struct chat_text reasoning_name;
    struct openai_thought *thoughts, *last_thought;
    size_t thought_bytes; /* of the reasoning, already in a block */
    struct openai_said_tool *tools;
    unsigned tool_count, tool_max;
    struct chat_member *message_extras, *choice_extras;
};

/* The state of a choice, made when it is new; NULL when memory is used up (writer->full is then
 * set) or index is out of bounds. */
struct chat_said *openai_said(struct chat_writer *, unsigned index);
/* Takes over who is speaking from the first event that knows; the id of another dialect's answer
 * gets the prefix. */
void openai_take_answer(struct chat_writer *, const struct chat_event *event,
                        struct span id_prefix);
/* Keeps a copy of the usage; the last one wins. */
void openai_take_usage(struct chat_writer *, const struct chat_usage *usage);
/* Writes the members id, object, created, model of an answer, and after its choices service_tier
 * and system_fingerprint. */
void openai_write_head(const struct chat_writer *, struct span object, struct json_out *out);
void openai_write_tail(const struct chat_writer *, struct json_out *out);
void openai_write_usage(const struct chat_usage *usage, struct json_out *out);
/* The member id of a tool call; one made by chat_call_id when the provider left it without. */
void openai_write_call_id(const struct chat_writer *, struct span id, unsigned choice,
                          unsigned tool, struct json_out *out);
/* Does a SIGNATURE or REDACTED event have a place in this dialect? Claude's have, and those of
 * Gemini's tool calls. */
bool openai_keeps_proof(const struct chat_event *event);
/* An element of `thinking_blocks`, as LiteLLM spells it. */
void openai_write_thinking(const struct openai_thought *, struct span thinking,
                           struct json_out *out);
/* The member extra_content of a tool call, as Google's own OpenAI endpoint spells it. */
void openai_write_thought_signature(struct span signature, struct json_out *out);
/* The end of a stream: a usage chunk of type `object` if the client asked and it is known, then the
 * end mark. */
void openai_write_end(struct chat_writer *, const struct chat_usage *usage, struct span object,
                      struct json_out *out);
/* Members collected for the whole body, merged (openai_chat_collect.c). */
void openai_write_members(const struct chat_member *list, struct json_out *out);
bool openai_has_member(const struct chat_member *list, struct span name);

#endif
