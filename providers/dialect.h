/* dialect.h - a dialect: how one API spells requests, streamed answers, whole answers and errors.
 * (pure)
 *
 * Reading an answer yields canonical events through a sink; writing takes them. When client and
 * provider speak the same dialect the relay sends the provider's bytes on as they came, wherever
 * the reader says CHAT_AS_IS. */
#ifndef HEDGEROW_PROVIDERS_DIALECT_H
#define HEDGEROW_PROVIDERS_DIALECT_H

#include "net/sse.h"
#include "providers/chat.h"

struct chat_sink {
    void (*event)(void *owner, const struct chat_event *event);
    void *owner;
};

/* What to do with the bytes of one SSE event when client and provider share the dialect. */
enum chat_relay {
    CHAT_AS_IS, /* relay its data as received */
    /* say nothing: comment, ping, usage the client did not ask for, repeated finish, [DONE] (the
     * writer ends the stream) */
    CHAT_DROP,
    /* relay what the writer makes of this event's canonical events: something needed mending */
    CHAT_REWRITE,
};
/* A stream may mix the three: each canonical event carries what the writer needs to go on behind
 * chunks that were relayed as they came (chat_event.answer, .continued), so that write_event needs
 * the events of a CHAT_REWRITE only (given the others too, it does no harm if what it writes for
 * them is thrown away). */

/* State of reading one answer; zeroed by reader_init. Choice states come from the arena. */
struct chat_choice;
struct chat_reader {
    struct arena *arena;         /* borrowed; outlives the reader */
    struct chat_choice *choices; /* the dialect's own, choice_count of choice_max in use */
    unsigned choice_count, choice_max;
    /* the client did not ask for the usage chunk: in, set by the owner after init */
    bool strip_usage;
    bool want_usage; /* the client asked for it: in */
    /* the client asked for usage on every chunk (chat_request.continuous_usage): in */
    bool keep_usage;
    /* what a writer needs to go on behind what was relayed is kept (dialect.resume): in */
    bool keep;
    bool started;                /* CHAT_START was given */
    bool content;                /* real content was seen */
    bool finished;               /* every choice seen so far has its finish */
    bool ended;                  /* DONE or ERROR was given */
    bool usage_chunk;            /* a usage-only chunk was relayed */
    struct chat_usage usage;     /* the last one seen; usage.raw is copied to the arena */
    struct chat_text usage_text; /* what usage.raw points to */
    struct chat_answer answer;   /* of CHAT_START, in the arena */
    void *own;                   /* the dialect's own, in the arena */
    bool end_relayed; /* same dialect: the end mark went to the client as it came (CHAT_AS_IS) */
    /* something was read that has a meaning and no canonical event: what a hosted tool did, a
     * citation. Whoever does not speak as this provider cannot go on behind it. */
    bool opaque;
};

/* State of writing one answer to a client. */
struct chat_said;
struct chat_member;
struct chat_writer {
    struct arena *arena;
    /* raw JSON string content: said where the provider has none of its own; the owner may set them
     * after init */
    struct span id, model;
    int64_t created_s; /* the same; set by the owner */
    bool include_usage;
    bool started;              /* answer was taken over from the provider */
    struct chat_answer answer; /* the provider's, copied to the arena */
    /* what was said so far: role sent, open tools; and in whole-body form the answer being
     * collected */
    struct chat_said *choices;
    unsigned choice_count, choice_max;
    struct chat_usage usage;
    struct chat_text usage_text; /* what usage.raw points to */
    /* members of the answer itself (CHAT_OF_ANSWER), for the whole body */
    struct chat_member *extras;
    size_t collected_bytes; /* of the whole body so far, at most ANSWER_MAX_BYTES */
    bool done;              /* CHAT_DONE was collected */
    void *own;              /* dialect's own, in the arena */
    bool full;              /* memory ran out, or the answer is too large: it cannot be given */
};

struct chat_error {
    /* raw JSON string content, or digits, or empty */
    struct span message, type, code, param, status;
};

struct dialect {
    const char *name;  /* "openai-chat" */
    bool named_events; /* its SSE events have `event:` lines, which clients look at */
    bool comments;     /* its clients read over SSE comments (": ...") */

    /* --- requests --- */
    /* Reads a client's body. 0, or -FAIL_BAD_REQUEST with *why: a sentence that says what to do,
     * and *param: the member's name (may be empty), both in the arena or static. -FAIL_OVERLOAD
     * when memory is used up. */
    int (*read_request)(struct span body, struct arena *arena, struct chat_request *req,
                        struct span *why, struct span *param);
    /* The body for a backend that speaks this same dialect, as edits of the client's own: model,
     * stream true, usage asked for, and the quirks of the provider kind. Returns the number of
     * edits in rising order, or -FAIL_BAD_REQUEST when the quirks cannot be met, -FAIL_OVERLOAD
     * when memory is used up. `edits` has room for CHAT_EDITS_MAX. */
    int (*edit_request)(const struct chat_request *req, struct span model, unsigned quirks,
                        struct arena *arena, struct chat_edit *edits);
    /* The request as any dialect can write it. NULL: this dialect goes nowhere else. 0, or
     * -FAIL_BAD_REQUEST with *why and *param as read_request (what it let pass unread may be wrong
     * here), -FAIL_OVERLOAD. */
    int (*read_prompt)(const struct chat_request *req, struct arena *arena,
                       struct chat_prompt *prompt, struct span *why, struct span *param);
    /* The whole body for a backend of this dialect. NULL: no request of another dialect can be sent
     * to it. 0; -FAIL_UNSUPPORTED with spell->losses->field and why; -FAIL_OVERLOAD (out->full). */
    int (*write_prompt)(const struct chat_prompt *prompt, const struct chat_spell *spell,
                        struct arena *arena, struct json_out *out);

    /* --- answers, from a provider --- */
    void (*reader_init)(struct chat_reader *, struct arena *arena);
    /* One SSE event with data. `data` is its data (joined when it had several lines), valid during
     * the call. */
    enum chat_relay (*read_event)(struct chat_reader *, struct span name, struct span data,
                                  struct chat_sink sink);
    /* The stream's bytes have ended: gives DONE (after a finish) or ERROR (INCOMPLETE, EMPTY) if
     * none was given yet. An explicit end mark does not replace a finish: a stream cut off inside a
     * gateway is often closed with one. */
    void (*read_end)(struct chat_reader *, struct chat_sink sink);
    /* A whole-body answer (a backend that cannot stream, or an error with status 200). */
    void (*read_body)(struct chat_reader *, struct span body, struct chat_sink sink);
    /* An error body of any status; fields stay empty when it is not this dialect's. */
    void (*read_error)(struct span body, struct chat_error *error);

    /* --- answers, to a client --- */
    void (*writer_init)(struct chat_writer *, struct arena *arena, const struct chat_request *req);
    /* Appends the SSE text for one canonical event to `out` (possibly nothing). DONE writes the end
     * of the stream (usage chunk if asked and not yet sent, then the end mark). ERROR writes
     * nothing: whether the answer ends here is the owner's decision, said by write_error_event. */
    void (*write_event)(struct chat_writer *, const struct chat_event *event, struct json_out *out);
    /* The end mark of a stream that was relayed as received: usage chunk if the client asked and
     * none was relayed, and "data: [DONE]". */
    void (*write_done)(struct chat_writer *, const struct chat_reader *reader,
                       struct json_out *out);
    /* Another provider's answer is to go on in this stream, its events given to write_event from
     * here on (but for START: the stream has begun). Ends in `out` what those must not add to: an open
     * block of reasoning, which a signature to come would not be of. `relayed`: NULL when all of the
     * stream was written by this writer; else what came was relayed as it came, read by that reader, and
     * the writer is a new one that was given START and all reasoning and text of it again, its output
     * thrown away: it takes up the places (indexes, ids, numbers) of what the client saw. False when
     * that cannot be; nothing is written then. NULL: there is nothing to end and nothing to take up. */
    bool (*resume)(struct chat_writer *, const struct chat_reader *relayed, struct json_out *out);
    /* Collects an event for a client that wants one JSON body; text is copied to the arena. */
    void (*collect)(struct chat_writer *, const struct chat_event *event);
    /* Client and provider share the dialect and the client wants one JSON body: the provider's own
     * event (name and data as for read_event) is merged into it, so that what has no canonical form
     * (hosted tools, citations, safety ratings ...) is not lost. NULL: `collect` serves for that
     * too. When it is there, `collect` is not called for such an answer. */
    void (*merge)(struct chat_writer *, struct span name, struct span data);
    /* The whole body from what was collected or merged. */
    void (*write_body)(struct chat_writer *, struct json_out *out);
    /* An error body, and the same as an in-stream event. `message` is plain text; param may be
     * empty. */
    void (*write_error)(enum fail why, struct span message, struct span param,
                        struct json_out *out);
    void (*write_error_event)(enum fail why, struct span message, struct json_out *out);
};

/* The readers and writers of all dialects: a reader gives START, then content, FINISH for each
 * choice, USAGE, DONE or ERROR. A writer of SSE writes whole events with their names and blank lines;
 * it must cope with any order of events that a reader can give: text after a tool call, interleaved
 * tool calls, reasoning after text, an answer without content. */
extern const struct dialect dialect_openai_chat, dialect_openai_responses,
    dialect_openai_completions, dialect_anthropic, dialect_gemini, dialect_converse;

#endif
