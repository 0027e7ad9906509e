/* anthropic.h - Anthropic's Messages API: what the provider kinds and the counting of tokens need,
 * and what the files of the dialect share among themselves. (pure)
 *
 *   anthropic_request.c      a client's body -> struct chat_request
 *   anthropic_edit.c         ... -> the edits that make a backend's body of it
 *   anthropic_prompt.c       a client's body -> the canonical prompt
 *   anthropic_blocks.c       ... the content blocks of its messages
 *   anthropic_spell.c        the canonical prompt -> a backend's body
 *   anthropic_turns.c        ... the turns and blocks of it
 *   anthropic_knobs.c        ... tools, sampling, reasoning
 *   anthropic_read.c         a provider's events and bodies -> canonical events
 *   anthropic_open.c         ... what stands in its content blocks
 *   anthropic_usage.c        ... why the answer ended, and what it cost
 *   anthropic_say.c          canonical events -> content blocks, for both writers
 *   anthropic_write.c        ... -> a client's stream
 *   anthropic_body.c         ... -> a client's whole body
 *   anthropic_merge.c        a provider's own events -> a client's whole body, nothing lost
 *   anthropic_error.c        error bodies, read and written
 *   anthropic.c              URL, fields and verdicts of providers that speak it
 *
 * Formats: the Messages API, anthropic-version 2023-06-01 (PROVIDERS.md 2.3, 3.3, 3.7, 5.4). */
#ifndef HEDGEROW_PROVIDERS_ANTHROPIC_H
#define HEDGEROW_PROVIDERS_ANTHROPIC_H

#include "core/base.h"
#include "providers/dialect.h"
#include "providers/provider.h"

#define ANTHROPIC_VERSION        "2023-06-01"
#define ANTHROPIC_VERTEX_VERSION "vertex-2023-10-16"
/* What tool ids may be as long as; their alphabet is [A-Za-z0-9_-]. */
#define ANTHROPIC_ID_MAX 64
/* Blocks and replaced members of one answer that are merged: searches of web pages reach some
 * hundreds, and each is looked for among the others. */
#define ANTHROPIC_BLOCKS_MAX  4096
#define ANTHROPIC_CHANGES_MAX 64
/* Thinking with a budget: the smallest one. */
#define ANTHROPIC_BUDGET_MIN 1024

/* --- for provider kinds --- */

/* provider_kind.target for SERVICE_MESSAGES and SERVICE_COUNT_TOKENS: PREFIX/v1/messages and
 * PREFIX/v1/messages/count_tokens, whether the operator's base_url ends in /v1 or not; the common
 * fields (openai_target_fields), and anthropic-version unless the operator gives another. 0, or
 * -EINVAL with a sentence in *why. */
int anthropic_target(const struct provider *, enum provider_service service, struct span model,
                     struct arena *arena, struct provider_target *out, struct span *why);
/* provider_kind.pass: behind PREFIX/v1, with or without /v1 in the prefix. */
int anthropic_pass(const struct provider *, struct arena *arena, struct provider_target *out,
                   struct span *why);
/* provider_kind.classify: statuses as everywhere, 529, and the 400s whose text says that it is money
 * or policy (anthropic_errors.def). */
void anthropic_classify(const struct provider *, const struct http_head *head, struct span body,
                        struct provider_verdict *out);
/* provider_kind.beta: may this name of the client's anthropic-beta header be sent along? At Anthropic
 * itself each that is a field's token; at Vertex those of anthropic_betas.def, for it answers 400 to
 * others. */
bool anthropic_beta_any(struct span name);
bool anthropic_beta_vertex(struct span name);

/* --- counting tokens: POST /v1/messages/count_tokens --- */

/* As dialect.read_request, for a body that needs model and messages, but no max_tokens. */
int anthropic_read_count_request(struct span body, struct arena *arena, struct chat_request *req,
                                 struct span *why, struct span *param);
/* As dialect.edit_request: the model; on Vertex, where the path has none here, also
 * anthropic_version. */
int anthropic_edit_count(const struct chat_request *req, struct span model, unsigned quirks,
                         struct arena *arena, struct chat_edit *edits);

/* --- shared by the files of the dialect; not for others --- */

/* What edit_request needs besides chat_request: spans of the body, {NULL,0} when absent. */
struct anthropic_request {
    struct span model_key;     /* the raw name between its quotes */
    struct span version_value; /* of a member anthropic_version, whole */
};

/* Position of a KEY in `names`, or `count`. */
static inline unsigned anthropic_member(const struct json_token *key, const struct span *names,
                                        unsigned count) {
    unsigned i = 0;
    while (i < count && !(key->escaped ? json_is(key, names[i]) : span_eq(key->raw, names[i])))
        i++;
    return i;
}
/* Reads over the rest of the value that json_next just began or gave whole; false on error. */
static inline bool anthropic_skip(struct json *json, const struct json_token *value) {
    if (value->kind == JSON_OBJECT || value->kind == JSON_ARRAY)
        return json_leave(json);
    return value->kind != JSON_ERROR;
}
/* The value that comes next, whole: *text is its JSON text, *value its first token. */
static inline bool anthropic_value(struct json *json, struct json_token *value, struct span *text) {
    struct json ahead = *json;
    json_next(&ahead, value);
    return json_value(json, text);
}
/* A value that is a string: its raw content; otherwise empty. */
static inline struct span anthropic_string(const struct json_token *value) {
    return value->kind == JSON_STRING ? value->raw : span_of(NULL, 0);
}

/* --- reading a prompt --- */

struct anthropic_prompting {
    struct arena *arena;
    struct chat_prompt *prompt;
    struct span *why, *param;
};
/* -FAIL_BAD_REQUEST, with the member's name and what is wrong with it ("give a string"). A name
 * without memory is -FAIL_OVERLOAD. */
int anthropic_refuse(struct anthropic_prompting *, struct span param, const char *what);
int anthropic_refuse_memory(struct anthropic_prompting *);
/* Reads `system` and `messages` (JSON texts; system may be empty) into the prompt. 0 or as
 * read_prompt. */
int anthropic_read_system(struct anthropic_prompting *, struct span system);
int anthropic_read_messages(struct anthropic_prompting *, struct span messages);
/* Reads a cache_control value into a mark; false when it is no object. */
bool anthropic_read_mark(struct anthropic_prompting *, struct span value, bool *cache,
                         struct span *ttl);

/* --- writing a prompt --- */

struct anthropic_spelling {
    const struct chat_prompt *prompt;
    const struct chat_spell *spell;
    struct arena *arena;
    struct json_out *out;
    uint64_t max_tokens;            /* as it will be sent */
    const struct chat_message *end; /* turns from here on are left out; NULL: none is */
    bool has_user;                  /* some turn that says something is the user's */
    bool ends_with_assistant;       /* the last one is the assistant's: a prefill */
    /* The last assistant turn calls tools, and no signed reasoning stands in it. */
    bool calls_without_thinking;
    bool tools;    /* some tool is written */
    bool thinking; /* reasoning is asked for, so that sampling and forced tools are refused */
};
/* `field` cannot be said: false with *rc -FAIL_UNSUPPORTED when that ends it. */
bool anthropic_lose(struct anthropic_spelling *, struct span field, const char *why);
/* Looks through the turns for what cannot be said and how they begin and end. False: give up. */
bool anthropic_plan_turns(struct anthropic_spelling *);
/* The members `system` and `messages`, as planned. */
void anthropic_write_system(const struct anthropic_spelling *);
void anthropic_write_turns(const struct anthropic_spelling *);
/* "cache_control":{...} of a mark that is set. */
void anthropic_write_mark(struct json_out *, bool cache, struct span ttl);
/* The members behind the messages; false: give up. Tools come first, for they decide on the rest. */
bool anthropic_write_tools(struct anthropic_spelling *);
bool anthropic_write_thinking(struct anthropic_spelling *);
bool anthropic_write_sampling(struct anthropic_spelling *);

/* --- reading an answer --- */

/* stop_reason -> finish; what is new counts as an ordinary end. */
enum chat_finish anthropic_finish(struct span stop_reason);
/* Merges a usage object into the one so far: what it does not say keeps its value. Counts as Anthropic
 * means them: input without what the cache gave or took. */
struct anthropic_usage {
    uint64_t input, cache_read, cache_write, output, thinking;
    bool known;
};
void anthropic_take_usage(struct anthropic_usage *, struct span object);

enum anthropic_open_kind { ANTHROPIC_OPEN_TEXT, ANTHROPIC_OPEN_TOOL, ANTHROPIC_OPEN_OTHER };

/* A block that is open. */
struct anthropic_open {
    uint64_t index; /* the provider's */
    enum anthropic_open_kind kind;
    unsigned tool;     /* TOOL: position among the answer's calls */
    bool thinks;       /* TEXT: of reasoning */
    bool arguments;    /* TOOL: some that are not empty were given */
    struct span input; /* TOOL: raw string content of the input that came with the start */
};

/* reader->own */
struct anthropic_reading {
    struct anthropic_open *open;
    unsigned open_count, open_max;
    uint64_t next_index; /* behind the highest that was used */
    unsigned tool_count;
    struct anthropic_usage usage;
    bool nameless; /* the `event:` lines, which clients go by, are missing: all is written anew */
};

/* The reading of one event. */
struct anthropic_event {
    struct chat_reader *reader;
    struct anthropic_reading *own;
    struct chat_sink sink;
    enum fail failed; /* why it cannot be read further */
    /* its members; an empty span: not there */
    struct span type, message, block, delta, usage, error;
    uint64_t index;
};
/* Gives an event to the sink, with the answer's identity; nothing after DONE or ERROR. */
void anthropic_give(struct anthropic_event *, struct chat_event *event);
void anthropic_give_error(struct anthropic_event *, enum fail why, struct span message);
/* The member's raw string content; {NULL,0}: it is none. */
struct span anthropic_member_string(struct span object, struct span name);
/* A block begins, and ends; `object` is its content_block. */
void anthropic_start_block(struct anthropic_event *, struct span object, uint64_t index);
void anthropic_stop_block(struct anthropic_event *, uint64_t index);
/* What the event's delta adds to its block. */
void anthropic_read_delta(struct anthropic_event *);
/* Blocks that come whole, in an array. */
void anthropic_read_content(struct anthropic_event *, struct span content);
/* The answer is finished: calls that were given no arguments get them. */
void anthropic_end_tools(struct anthropic_event *);
/* A message begins, perhaps once more. False: a client that was told half a call cannot be told to
 * forget it. */
bool anthropic_begin_blocks(struct anthropic_event *);

/* --- errors --- */

/* As dialect.read_error, write_error and write_error_event. */
void anthropic_read_error(struct span body, struct chat_error *error);
/* What an error inside an answer means; never FAIL_NONE. */
enum fail anthropic_error_fail(const struct chat_error *error);
void anthropic_write_error(enum fail why, struct span message, struct span param,
                           struct json_out *out);
void anthropic_write_error_event(enum fail why, struct span message, struct json_out *out);

/* --- writing an answer --- */

enum anthropic_block_kind {
    ANTHROPIC_TEXT,
    ANTHROPIC_THINKING,
    ANTHROPIC_REDACTED,
    ANTHROPIC_TOOL,
};

/* Whether the JSON text of a tool's input is whole, found out piece by piece. */
struct anthropic_scan {
    unsigned depth;
    bool string, escaped, begun;
};

/* One content block of the answer. In a stream the first of the list is the open one, and what is
 * said of the others waits in their text; in a whole body all wait. */
struct anthropic_block {
    struct anthropic_block *next;
    enum anthropic_block_kind kind;
    unsigned tool;         /* TOOL: the canonical index */
    struct span id, name;  /* TOOL */
    struct chat_text text; /* TOOL: the input, as raw string content; REDACTED: data */
    struct chat_text signature;
    struct anthropic_scan scan; /* TOOL */
};

/* One id given to a client: unique within the answer. */
struct anthropic_id {
    struct anthropic_id *next;
    struct span id;
};

struct anthropic_merge;
/* writer->own */
struct anthropic_saying {
    bool told;      /* write_event was called: the stream is written, not relayed */
    bool started;   /* message_start was written */
    bool open;      /* the first block of the list was started */
    unsigned index; /* of the open block, or of the next */
    struct anthropic_block *blocks, *last;
    struct anthropic_block *spare;  /* closed blocks of a stream, with the memory of their texts */
    struct anthropic_block **tools; /* TOOL_CALLS_MAX, by canonical index; NULL: none, or closed */
    struct anthropic_id *ids;
    unsigned tool_count;
    bool refused; /* refusal text was given */
    enum chat_finish finish;
    struct chat_text stop_sequence;
    struct anthropic_merge *merge; /* NULL: events were collected, not merged */
};

/* The block that an event adds to, new when it must be; NULL when it adds nothing to say (the tool is
 * already closed, the signature is another family's) or memory is used up (writer->full). */
struct anthropic_block *anthropic_block_for(struct chat_writer *, const struct chat_event *event);
/* Takes back a block that is off the list: a stream that is cut into many blocks needs the memory of
 * those that wait at a time. */
void anthropic_block_free(struct anthropic_saying *, struct anthropic_block *);
/* Keeps the event's text in the block; writer->full when that is too much. */
void anthropic_keep(struct chat_writer *, struct chat_text *text, struct span piece);
/* Reads a piece of input (raw string content); true when the input is now whole. */
bool anthropic_scan(struct anthropic_scan *, struct span raw);
bool anthropic_is_whole(const struct anthropic_scan *);
/* Takes over identity, finish and usage. */
void anthropic_take(struct chat_writer *, const struct chat_event *event);
/* The members id, type, role, model of a message; its stop_reason and stop_sequence; a usage
 * object's members. */
void anthropic_write_head(const struct chat_writer *, struct json_out *out);
void anthropic_write_stop(const struct chat_writer *, struct json_out *out);
void anthropic_write_usage(const struct chat_usage *usage, struct json_out *out);
/* The merged message. */
void anthropic_write_merged(struct chat_writer *, struct json_out *out);

/* --- the dialect's functions, contracts in dialect.h --- */
int anthropic_read_request(struct span body, struct arena *arena, struct chat_request *req,
                           struct span *why, struct span *param);
int anthropic_edit_request(const struct chat_request *req, struct span model, unsigned quirks,
                           struct arena *arena, struct chat_edit *edits);
int anthropic_read_prompt(const struct chat_request *req, struct arena *arena,
                          struct chat_prompt *prompt, struct span *why, struct span *param);
int anthropic_write_prompt(const struct chat_prompt *prompt, const struct chat_spell *spell,
                           struct arena *arena, struct json_out *out);
void anthropic_reader_init(struct chat_reader *, struct arena *arena);
enum chat_relay anthropic_read_event(struct chat_reader *, struct span name, struct span data,
                                     struct chat_sink sink);
void anthropic_read_end(struct chat_reader *, struct chat_sink sink);
void anthropic_read_body(struct chat_reader *, struct span body, struct chat_sink sink);
void anthropic_writer_init(struct chat_writer *, struct arena *arena,
                           const struct chat_request *req);
void anthropic_write_event(struct chat_writer *, const struct chat_event *event,
                           struct json_out *out);
void anthropic_write_done(struct chat_writer *, const struct chat_reader *reader,
                          struct json_out *out);
bool anthropic_resume(struct chat_writer *, const struct chat_reader *relayed,
                      struct json_out *out);
void anthropic_collect(struct chat_writer *, const struct chat_event *event);
void anthropic_merge(struct chat_writer *, struct span name, struct span data);
void anthropic_write_body(struct chat_writer *, struct json_out *out);

#endif
