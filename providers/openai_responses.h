/* openai_responses.h - what the files of the OpenAI Responses dialect (POST /v1/responses) share,
 * and what its owner asks of a request beyond dialect.h. (pure)
 *
 *   openai_responses_json.c      reading the members of an object
 *   openai_responses_request.c   a client's body -> struct chat_request, and its edits
 *   openai_responses_prompt.c    ... -> struct chat_prompt: the members of the request
 *   openai_responses_toolbox.c   ... its tools, and which of them may be called
 *   openai_responses_input.c     ... the items of its `input`
 *   openai_responses_send.c      struct chat_prompt -> a backend's body: its members
 *   openai_responses_turns.c     ... the items of its `input`
 *   openai_responses_read.c      a provider's events and bodies -> canonical events
 *   openai_responses_items.c     ... the output items among them
 *   openai_responses_say.c       canonical events -> output items and their events
 *   openai_responses_write.c     ... -> a client's stream
 *   openai_responses_object.c    ... the response object: for its first and last events, and whole
 *   openai_responses_merge.c     a provider's own events -> a client's whole body
 *   openai_responses_resume.c    another provider's events behind a stream that was relayed
 *   openai_responses_carry.c     reasoning of other makers, in encrypted_content
 *   openai_responses_error.c     an error inside a stream
 *
 * Other error bodies are those of the chat dialect (openai_error.c). Formats: OpenAI API
 * specification 2.3.0: CreateResponse, Response, ResponseStreamEvent, InputItem, OutputItem. */
#ifndef HEDGEROW_PROVIDERS_OPENAI_RESPONSES_H
#define HEDGEROW_PROVIDERS_OPENAI_RESPONSES_H

#include "core/base.h"
#include "core/limits.h"
#include "providers/dialect.h"

/* Output items of one answer: a turn of an agent with hosted tools has dozens. */
#define RESPONSE_ITEMS_MAX 1024

/* Does the request stand on what only one backend knows: a previous response, a conversation, items
 * by reference, a prompt template? *id: the response's or conversation's id, decoded, or empty. Such
 * a request is sent to that backend only. After openai_responses_read_request. */
bool openai_responses_stateful(const struct chat_request *, struct span *id);

/* --- members --- */

/* The values of an object's members by name, in one pass; out[count]. A container's raw is its whole
 * text; what is absent is JSON_NULL; the last of a pair counts, as with most readers of JSON. False
 * when `object` is not a whole, valid JSON object. */
bool openai_responses_members(struct span object, const struct span *names, unsigned count,
                              struct json_token *out);
/* The content of a string token, or empty. */
static inline struct span openai_responses_string(const struct json_token *token) {
    return token->kind == JSON_STRING ? token->raw : span_of(NULL, 0);
}
/* A whole number, or `otherwise`. */
uint64_t openai_responses_number(const struct json_token *token, uint64_t otherwise);

/* --- reasoning of other makers --- */

/* What goes before a signature (or redacted reasoning) of that maker in encrypted_content; empty:
 * such is not carried. Static. */
struct span openai_responses_mark(enum chat_signer signer, bool redacted);
/* Was this encrypted_content written by us? Then whose it is, and what was carried. */
bool openai_responses_carried(struct span sealed, enum chat_signer *signer, bool *redacted,
                              struct span *data);

/* --- reading a request as a prompt --- */

struct openai_responses_prompting {
    struct arena *arena;
    struct chat_prompt *prompt;
    struct span *why, *param;
    bool calls; /* the turn that was begun last holds calls */
};
/* Says what is wrong; returns -FAIL_BAD_REQUEST. */
int openai_responses_refuse(struct openai_responses_prompting *, struct span param,
                            struct span why);
int openai_responses_refuse_memory(struct openai_responses_prompting *);
/* The same, with "Give `name` as WHAT." */
int openai_responses_refuse_kind(struct openai_responses_prompting *, struct span name,
                                 const char *what);
/* What only this dialect can say. 0, or -FAIL_OVERLOAD. */
int openai_responses_add_extra(struct openai_responses_prompting *, struct span name,
                               const struct json_token *value, bool hint);
/* true, false, or null for what is not said. 0 or as read_prompt. */
int openai_responses_read_flag(struct openai_responses_prompting *, const struct json_token *value,
                               struct span name, enum chat_flag *flag);
/* The members `tools` and `tool_choice`. 0 or as read_prompt. */
int openai_responses_read_tools(struct openai_responses_prompting *,
                                const struct json_token *value);
int openai_responses_read_choice(struct openai_responses_prompting *,
                                 const struct json_token *value);
/* Appends the turns of `input`, a string or an array, to the prompt. 0 or as read_prompt. */
int openai_responses_read_input(struct openai_responses_prompting *,
                                const struct json_token *input);

/* --- writing a prompt --- */

/* Writes the members `instructions` and `input` into an open object. 0, -FAIL_UNSUPPORTED,
 * -FAIL_OVERLOAD. */
int openai_responses_write_turns(const struct chat_prompt *prompt, const struct chat_spell *spell,
                                 struct arena *arena, struct json_out *out);

/* --- reading an answer --- */

/* Kinds of output items, by openai_responses_items.def. */
enum openai_responses_kind {
    RESPONSES_UNKNOWN,
    RESPONSES_MESSAGE,
    RESPONSES_REASONING,
    RESPONSES_CALL,
    RESPONSES_CUSTOM,
    RESPONSES_WORK,   /* what a hosted tool did on the way to the answer */
    RESPONSES_DEMAND, /* an answer in itself: the client is asked to do it, or it is the product */
};

/* One output item of an answer being read. */
struct openai_responses_item {
    struct openai_responses_item *next;
    uint64_t index; /* output_index, the only name that lasts: ids rotate on some backends */
    enum openai_responses_kind kind;
    struct span call_id; /* as the provider says it; in the arena */
    bool started;        /* call: TOOL_START was given */
    bool arguments;      /* call: arguments that are not empty were given */
    bool given;          /* the item was given whole: its encrypted part or itself */
    bool met;            /* the whole response's item for it was seen */
    unsigned tool;       /* call: its position in the answer */
    uint64_t said;       /* bit per part (the last for all behind): its text was given */
    uint64_t summed;     /* the same for parts of a reasoning summary */
    /* For openai_responses_resume, in the arena. */
    struct span id;
    struct span json; /* the whole item, once it is done; if chat_reader.keep */
    bool part_done;   /* its last text, or part of a summary, is whole */
    bool done;        /* output_item.done was read */
};

/* chat_reader.own. */
struct openai_responses_reading {
    struct openai_responses_item *items, **last, *current;
    unsigned item_count, call_count;
    bool text, reasoning; /* such content was given */
    bool in_reasoning;    /* it was the last content given, of this part: */
    uint64_t reasoning_item;
    uint64_t reasoning_part; /* summary and text parts do not share numbers */
    uint64_t sequence;       /* the sequence_number to come */
};

/* The reading of one event or body. */
struct openai_responses_read {
    struct chat_reader *reader;
    struct openai_responses_reading *own;
    struct chat_sink sink;
    bool said;        /* a canonical event was given */
    enum fail failed; /* why it cannot be read: OVERLOAD, BAD_EVENT */
};

/* Gives an event to the sink, with the answer's identity; CHAT_START before the first content. */
void openai_responses_give(struct openai_responses_read *, struct chat_event *event);
/* The state of the item at `index`, made when it is new; NULL, with `failed` set, when there are too
 * many or memory is used up. */
struct openai_responses_item *openai_responses_item_at(struct openai_responses_read *,
                                                       uint64_t index);
/* A piece of text of a message's part (`kind` TEXT or REFUSAL), of reasoning, or of arguments.
 * `whole`: all of it at once, and nothing to say if a piece of it was given before. */
void openai_responses_text(struct openai_responses_read *, struct openai_responses_item *,
                           enum chat_event_kind kind, uint64_t part, struct span text, bool whole);
void openai_responses_reasoning(struct openai_responses_read *, struct openai_responses_item *,
                                bool summary, uint64_t part, struct span text, bool whole);
void openai_responses_arguments(struct openai_responses_read *, struct openai_responses_item *,
                                struct span text, bool whole);
/* An item as it is when added (begun) and when done (whole): gives what was not given yet. */
void openai_responses_item_added(struct openai_responses_read *, struct openai_responses_item *,
                                 struct span json);
void openai_responses_item_done(struct openai_responses_read *, struct openai_responses_item *,
                                struct span json);
/* The `output` array of a whole response: gives what no event gave. Its places are not trusted to
 * be the events' output_index: some backends leave items out. */
void openai_responses_output(struct openai_responses_read *, struct span json);

/* --- writing an answer --- */

/* A content part or a summary. */
struct openai_responses_part {
    struct openai_responses_part *next;
    unsigned index; /* among the item's */
    bool refusal;
    bool closed;
    struct chat_text text;
};

/* One output item of an answer being written. */
struct openai_responses_said {
    struct openai_responses_said *next;
    unsigned index;                  /* output_index */
    enum openai_responses_kind kind; /* MESSAGE, REASONING, CALL, CUSTOM */
    bool closed;
    bool cut;    /* the answer ended inside it */
    bool looked; /* call: another item was begun behind it, when it was not whole */
    struct openai_responses_part *parts, *part; /* first and last: message, reasoning */
    struct span id, name;                       /* call */
    struct chat_text arguments;                 /* call */
    struct chat_text sealed;                    /* reasoning: encrypted_content */
    struct span given_id;                       /* by a provider whose stream was relayed */
    struct span json;                           /* ... and the whole item, when it is closed */
};

/* chat_writer.own. */
struct openai_responses_writing {
    struct span request; /* the client's body: the response says it back */
    bool created;        /* response.created was written */
    bool ended;          /* the terminal event was written */
    uint64_t sequence;   /* of the next event */
    struct openai_responses_said *items, **last_item;
    struct openai_responses_said *open;   /* the message or reasoning item that is open */
    struct openai_responses_said **calls; /* by tool index, in the arena */
    unsigned item_count, call_max;
    enum chat_finish finish;
    struct span name;                               /* what all ids are made of */
    struct chat_text merged;                        /* the provider's own response object */
    struct openai_responses_kept *kept, *last_kept; /* the provider's own items */
    unsigned kept_count;                            /* at most RESPONSE_ITEMS_MAX */
};

/* A provider's output item, for a terminal event that forgets its output. */
struct openai_responses_kept {
    struct openai_responses_kept *next;
    uint64_t index;
    struct span json;
};

/* The name part of all ids of this answer: "resp_" NAME, "msg_" NAME "_" INDEX. */
struct span openai_responses_name(struct chat_writer *);
/* Writes a whole item; `begun`: as it is in output_item.added, empty and in progress. */
void openai_responses_write_item(struct chat_writer *, const struct openai_responses_said *,
                                 bool begun, struct json_out *out);
/* Writes the item's id. */
void openai_responses_write_id(struct chat_writer *, const struct openai_responses_said *,
                               struct json_out *out);
/* Writes a content part, or a part of a summary; `begun`: with an empty text. */
void openai_responses_write_part(const struct openai_responses_part *, bool reasoning, bool begun,
                                 struct json_out *out);
/* Writes the response object; `begun`: in progress, without output. */
void openai_responses_write_object(struct chat_writer *, bool begun, struct json_out *out);
/* Writes what was merged; false when nothing was. */
bool openai_responses_write_merged(struct chat_writer *, struct json_out *out);
/* Where the events of an answer go. */
struct openai_responses_output {
    struct chat_writer *writer;
    struct openai_responses_writing *own;
    struct json_out *out; /* NULL: nothing is written */
};
/* An event that says the response object: as it is begun, or at its end. */
void openai_responses_write_response(const struct openai_responses_output *, struct span type,
                                     bool begun);
/* The first two events, once. */
void openai_responses_write_created(const struct openai_responses_output *);
/* A piece of text, a refusal or reasoning; what belongs to a call. */
void openai_responses_say_text(const struct openai_responses_output *, const struct chat_event *);
void openai_responses_say_call(const struct openai_responses_output *, const struct chat_event *);
/* What is sealed belongs to the reasoning before it, or stands for reasoning that is not shown. Of
 * another maker it is carried with a mark. */
void openai_responses_say_sealed(const struct openai_responses_output *, const struct chat_event *);
/* Closes the message or reasoning item that is open. */
void openai_responses_close_open(const struct openai_responses_output *);
/* Closes what is open: nothing more will come. */
void openai_responses_close_all(const struct openai_responses_output *);
/* Counts what is about to be kept for the terminal event; false, with `full` set, when it is too
 * much. */
bool openai_responses_may_keep(struct chat_writer *, size_t n);

/* --- the dialect's functions, contracts in dialect.h --- */
int openai_responses_read_request(struct span body, struct arena *arena, struct chat_request *req,
                                  struct span *why, struct span *param);
int openai_responses_edit_request(const struct chat_request *req, struct span model,
                                  unsigned quirks, struct arena *arena, struct chat_edit *edits);
int openai_responses_read_prompt(const struct chat_request *req, struct arena *arena,
                                 struct chat_prompt *prompt, struct span *why, struct span *param);
int openai_responses_write_prompt(const struct chat_prompt *prompt, const struct chat_spell *spell,
                                  struct arena *arena, struct json_out *out);
void openai_responses_reader_init(struct chat_reader *, struct arena *arena);
enum chat_relay openai_responses_read_event(struct chat_reader *, struct span name,
                                            struct span data, struct chat_sink sink);
void openai_responses_read_end(struct chat_reader *, struct chat_sink sink);
void openai_responses_read_body(struct chat_reader *, struct span body, struct chat_sink sink);
void openai_responses_writer_init(struct chat_writer *, struct arena *arena,
                                  const struct chat_request *req);
void openai_responses_write_event(struct chat_writer *, const struct chat_event *event,
                                  struct json_out *out);
void openai_responses_write_done(struct chat_writer *, const struct chat_reader *reader,
                                 struct json_out *out);
bool openai_responses_resume(struct chat_writer *, const struct chat_reader *relayed,
                             struct json_out *out);
void openai_responses_collect(struct chat_writer *, const struct chat_event *event);
void openai_responses_merge(struct chat_writer *, struct span name, struct span data);
void openai_responses_write_body(struct chat_writer *, struct json_out *out);
void openai_responses_write_error_event(enum fail why, struct span message, struct json_out *out);

#endif
