/* gemini.h - what the files of the Gemini dialect share; not for others, who use dialect_gemini.
 * (pure)
 *
 *   gemini_json.c      members in both spellings, values whole
 *   gemini_request.c   a client's body -> struct chat_request, and the edits for Vertex
 *   gemini_prompt.c    ... -> the canonical request: turns and parts
 *   gemini_config.c    ... tools, toolConfig, generationConfig
 *   gemini_spell.c     the canonical request -> a body: turns and parts
 *   gemini_wish.c      ... tools, toolConfig, generationConfig
 *   gemini_schema.c    JSON schema -> the OpenAPI subset that older models take
 *   gemini_openapi.c   ... and the other way, see gemini_schema.h
 *   gemini_read.c      a provider's events and bodies -> canonical events
 *   gemini_part.c      ... the parts of a candidate's content
 *   gemini_args.c      ... a function call's arguments that come in pieces
 *   gemini_say.c       canonical events -> parts, for both
 *   gemini_write.c     ... -> a client's stream or whole body
 *   gemini_merge.c     a provider's own events -> one whole body, nothing lost
 *   gemini_error.c     error bodies, read, understood, written
 *
 * Format: generateContent and streamGenerateContent of the Gemini API (v1beta) and of Vertex AI,
 * in proto3 JSON: each member may be spelled in camelCase or snake_case, null is as good as absent,
 * and whole numbers may stand in quotes. */
#ifndef HEDGEROW_PROVIDERS_GEMINI_H
#define HEDGEROW_PROVIDERS_GEMINI_H

#include "core/base.h"
#include "providers/dialect.h"

/* Accepted in place of a signature for calls that another family's model made (PROVIDERS.md 2.5). */
#define GEMINI_NO_SIGNATURE SPAN("skip_thought_signature_validator")

/* --- JSON (gemini_json.c) --- */

/* Without the white space of JSON before it. */
struct span gemini_skip_blanks(struct span text);
/* Is KEY the member `name` (camelCase), in either spelling? */
bool gemini_is(const struct json_token *key, struct span name);
/* Position of KEY in `names` (camelCase), or `count`. */
unsigned gemini_member(const struct json_token *key, const struct span *names, unsigned count);
/* Enters the container `text`, which is valid JSON: true when it is an array or an object. */
bool gemini_open(struct json *, struct span text);
/* The next element, whole: containers have raw = their text. False at the end, or when broken. */
bool gemini_item(struct json *, struct json_token *value);
/* The next member of an object, whole, null ones left out. False at the end, or when broken. */
bool gemini_pair(struct json *, struct json_token *key, struct json_token *value);
/* The value of a member of an object; false when it is absent or null. */
bool gemini_find(struct span object, struct span name, struct json_token *value);
/* A JSON text as a token: STRING's raw without quotes, containers with their whole text. */
struct json_token gemini_token(struct span text);
/* The whole JSON text that a token of these functions was made of. */
struct span gemini_text(const struct json_token *);
/* A whole number, also in quotes or with a fraction of zeros ("40.0"). */
bool gemini_count(const struct json_token *, uint64_t max, uint64_t *out);
static inline bool gemini_true(const struct json_token *value) { return value->kind == JSON_TRUE; }
/* A JSON text as raw string content, escaped, in the arena; {NULL,0}: no memory. */
struct span gemini_escape(struct span plain, struct arena *);
/* Raw string content decoded, in the arena; {NULL,0}: no memory. A lone surrogate becomes U+FFFD. */
struct span gemini_decode(struct span raw, struct arena *);
/* Raw string content that is the text of a JSON object, decoded, in the arena; {NULL,0}: it is none.
 * *full is set when there was no memory. */
struct span gemini_object(struct span raw, struct arena *, bool *full);

/* --- requests --- */

/* Without "models/", "publishers/google/models/" or "google/" before it. */
struct span gemini_plain_model(struct span model);

struct gemini_call {
    struct span name, id;
    bool made, answered; /* the id is of our making; a result was found */
};

/* Reading a request for another dialect. */
struct gemini_prompt {
    struct arena *arena;
    struct chat_prompt *prompt;
    struct span *why, *param;
    struct chat_message *last; /* the newest message, or NULL */
    struct gemini_call *calls; /* of the model turns since the last user's words; in the arena */
    unsigned call_count, call_max, call_open; /* calls before call_open are answered */
    unsigned at;                              /* index in contents */
    size_t schema_bytes;                      /* of all OpenAPI schemas that were turned so far */
    int rc;                                   /* 0, or why reading stopped */
};
/* Stops reading: -FAIL_BAD_REQUEST with a sentence, or -FAIL_OVERLOAD. */
void gemini_refuse(struct gemini_prompt *, struct span param, struct span why);
void gemini_no_memory(struct gemini_prompt *);
/* An extra: what only this dialect can say. */
void gemini_extra(struct gemini_prompt *, struct span name, struct span value, bool hint);
/* A token's text without escapes; refuses under the name `param` when it would need some. */
struct span gemini_plain(struct gemini_prompt *, const struct json_token *, struct span param);
void gemini_read_tools(struct gemini_prompt *, struct span tools);
void gemini_read_tool_config(struct gemini_prompt *, struct span config);
void gemini_read_generation(struct gemini_prompt *, struct span config);

/* Writing a request. */
struct gemini_spell {
    const struct chat_prompt *prompt;
    const struct chat_spell *spell;
    struct arena *arena;
    struct json_out *out;
    size_t schema_bytes; /* read so far to clean schemas, of all tools */
    int rc;              /* 0, or why writing stopped */
};
/* Gemini 3 and later: levels of thinking, signatures demanded, results in a turn of their own. */
bool gemini_is_3(const struct gemini_spell *);
/* chat_lose; false when the writing has stopped. */
bool gemini_lose(struct gemini_spell *, struct span field, struct span why);
/* The same of chat_lose_part. */
bool gemini_lose_part(struct gemini_spell *, const struct chat_message *, const struct chat_part *,
                      struct span why);
/* Writes the members tools, toolConfig and generationConfig. */
void gemini_write_wishes(struct gemini_spell *);

/* JSON schema -> OpenAPI subset, as a value in `out`. False when it grows beyond all bounds by its
 * references, or what was read of this request's schemas (*read_bytes, 0 at first) does. */
bool gemini_schema_clean(struct span schema, size_t *read_bytes, struct json_out *out);
/* The other way: type names in lower case, nullable as a type. */
void gemini_schema_read(struct span schema, struct json_out *out);
/* Has the schema no properties at all? Such a function takes no parameters. */
bool gemini_schema_is_empty(struct span schema);

/* --- answers --- */

/* A function call's arguments that come as paths and values (Vertex, partialArgs). */
struct gemini_node;
struct gemini_args {
    struct gemini_node *root; /* in the arena; NULL: nothing yet */
    unsigned node_count;
};
/* Takes one element of partialArgs; false when it is none, or memory or bounds are used up. */
bool gemini_args_add(struct gemini_args *, struct arena *, struct span partial);
void gemini_args_write(const struct gemini_args *, struct json_out *out);

/* What is known of a candidate. */
struct gemini_candidate {
    bool seen;
    enum chat_finish finish;
    unsigned tool_count;
    bool open; /* the last tool call's arguments are still to come */
    struct gemini_args args;
};
/* reader->own */
struct gemini_answer {
    struct gemini_candidate *candidates; /* in the arena */
    unsigned count, max;
};
/* The reading of one event or body. */
struct gemini_reading {
    struct chat_reader *reader;
    struct gemini_answer *answer;
    struct chat_sink sink;
    enum fail failed; /* why the event cannot be read further */
    struct span message;
    bool given; /* something of it was given */
};
/* Gives an event to the sink, with the answer's identity; nothing after the end or a failure. */
void gemini_give(struct gemini_reading *, struct chat_event *event);
/* Gives what the parts of the content of candidate `index` (which exists) say. */
void gemini_read_parts(struct gemini_reading *, unsigned index, struct span content);
/* The open call's arguments are whole: they are given. */
void gemini_close_call(struct gemini_reading *, unsigned index);

/* What an error means by its status word, code or text; FAIL_NONE when they say nothing. */
enum fail gemini_error_fail(const struct chat_error *, struct span body);
/* "INVALID_ARGUMENT" for 400 ...; static. */
struct span gemini_status_word(int status);

/* --- the dialect's functions, contracts in dialect.h --- */
int gemini_read_request(struct span body, struct arena *, struct chat_request *, struct span *why,
                        struct span *param);
int gemini_edit_request(const struct chat_request *, struct span model, unsigned quirks,
                        struct arena *, struct chat_edit *edits);
int gemini_read_prompt(const struct chat_request *, struct arena *, struct chat_prompt *,
                       struct span *why, struct span *param);
int gemini_write_prompt(const struct chat_prompt *, const struct chat_spell *, struct arena *,
                        struct json_out *out);
void gemini_reader_init(struct chat_reader *, struct arena *);
enum chat_relay gemini_read_event(struct chat_reader *, struct span name, struct span data,
                                  struct chat_sink);
void gemini_read_end(struct chat_reader *, struct chat_sink);
void gemini_read_body(struct chat_reader *, struct span body, struct chat_sink);
void gemini_read_error(struct span body, struct chat_error *);
void gemini_writer_init(struct chat_writer *, struct arena *, const struct chat_request *);
void gemini_write_event(struct chat_writer *, const struct chat_event *, struct json_out *out);
void gemini_write_done(struct chat_writer *, const struct chat_reader *, struct json_out *out);
void gemini_collect(struct chat_writer *, const struct chat_event *);
void gemini_merge(struct chat_writer *, struct span name, struct span data);
void gemini_write_body(struct chat_writer *, struct json_out *out);
void gemini_write_error(enum fail, struct span message, struct span param, struct json_out *out);
void gemini_write_error_event(enum fail, struct span message, struct json_out *out);

/* --- writing an answer --- */

struct gemini_said_tool {
    unsigned tool; /* as the event counts */
    struct span id, name, signature;
    struct chat_text args; /* raw */
    bool custom;
};
/* What was said of a candidate. */
struct gemini_said {
    bool seen;
    enum chat_finish finish;        /* held until the end */
    struct gemini_said_tool *tools; /* held until their arguments are whole */
    unsigned tool_count, tool_max;
    struct chat_text parts;   /* whole body: parts written so far, with commas */
    struct chat_text text;    /* whole body: the open text or thought part, raw */
    bool thought;             /* ... which of the two */
    struct span signature;    /* ... and its signature */
    struct gemini_kept *kept; /* merged members other than parts, the last of each */
    /* merging: the call whose arguments are coming in pieces; no name: there is none */
    struct gemini_said_tool call;
    struct gemini_args call_args;
};
struct gemini_kept {
    struct gemini_kept *next;
    struct span name;
    struct chat_text value;
};
struct gemini_writer {
    struct gemini_said *said;
    unsigned count, max;
    struct gemini_kept *kept; /* of the answer, when merging */
    bool merged;              /* merge() was used */
};
/* The state of a candidate, made when it is new; NULL when memory is used up (writer->full). */
struct gemini_said *gemini_said(struct chat_writer *, unsigned index);
/* Appends to a text of the whole body within its bound. */
void gemini_keep(struct chat_writer *, struct chat_text *, struct span piece);
/* Takes over the answer's identity, once. */
void gemini_take_answer(struct chat_writer *, const struct chat_event *event);
/* A copy in the arena that counts as kept; empty with writer->full. */
struct span gemini_keep_copy(struct chat_writer *, struct span text);
/* Keeps what an event says of a call: its start, arguments, signature. */
void gemini_take_tool(struct chat_writer *, const struct chat_event *event);
/* One part: a functionCall; a text, with `signature` if there is one. */
void gemini_say_call(struct chat_writer *, unsigned choice, const struct gemini_said_tool *,
                     struct json_out *out);
void gemini_say_text(struct span text, bool thought, struct span signature, struct json_out *out);
/* inlineData of each image of a CHAT_MEDIA "images"; returns how many. */
unsigned gemini_say_images(const struct chat_event *event, struct json_out *out);
/* The parts that an event is at once; false when it is none. */
bool gemini_say_part(const struct chat_event *event, struct json_out *out);
/* The open text part of a whole body becomes one of its parts. */
void gemini_close_text(struct chat_writer *, struct gemini_said *);
/* A whole body of what was merged. */
void gemini_write_merged(struct chat_writer *, struct json_out *out);

#endif
