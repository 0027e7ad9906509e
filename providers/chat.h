/* chat.h - the canonical chat: what all dialects are translated to and from. (pure)
 *
 * Text in canonical events stays as it was written inside JSON: `text` is the raw content of a JSON
 * string, escapes and all, because every dialect is JSON and can take it over without decoding.
 * Spans are borrowed from the provider's bytes and valid during the call only. */
#ifndef HEDGEROW_PROVIDERS_CHAT_H
#define HEDGEROW_PROVIDERS_CHAT_H

#include "core/arena.h"
#include "core/fail.h"
#include "core/json.h"
#include "providers/prompt.h"

/* A place in the request body and what stands there instead: remove bytes [at, at + remove) and put
 * insert. */
struct chat_edit {
    size_t at, remove;
    struct span insert; /* lives as long as the request */
};
#define CHAT_EDITS_MAX 64

/* What the router needs to know of a request, read once from the client's body; spans point into
 * the body, which outlives it. */
struct chat_request {
    struct span body;
    /* Told by the path and set before read_request, which keeps them (Gemini); otherwise empty. */
    struct span path_model;
    bool path_stream;
    /* The client's anthropic-beta header; set by the owner, may be empty. */
    struct span betas;
    struct span model;  /* decoded */
    bool stream;        /* the client asked for SSE */
    bool include_usage; /* the client asked for the usage chunk */
    /* the client asked for usage on every chunk (vLLM's continuous_usage_stats) */
    bool continuous_usage;
    /* the answer cannot be streamed (audio in a container format): edit_request leaves `stream`
     * alone */
    bool whole_only;
    bool has_tools;
    unsigned choices;               /* n, 1 if absent */
    uint64_t max_output_tokens;     /* max_completion_tokens or max_tokens; 0 if absent */
    uint64_t input_tokens_estimate; /* bytes of all text / 4, at least 1 */
    struct span user;               /* `safety_identifier` or `user`, as written; may be empty */
    uint64_t prefix_hash;           /* of model and leading messages, for affinity */
    /* Where members stand in the body, for edits; {NULL,0} when absent. A value is its whole text,
     * a key its raw name between the quotes. */
    struct span model_value, stream_value, stream_options_value, max_tokens_key,
        max_completion_tokens_key;
    struct span stream_options_key, max_tokens_value, max_completion_tokens_value,
        include_usage_value;
    /* The raw role strings that say "developer"; in the arena. */
    struct span *developer_roles;
    unsigned developer_count, developer_max;
    size_t object_start; /* offset just behind the opening brace */
    bool object_empty;
    void *own; /* the dialect's own notes for edit_request; in the arena */
};

struct chat_usage {
    uint64_t input_tokens, output_tokens; /* input includes cached, output includes reasoning */
    uint64_t cached_tokens, cache_write_tokens, reasoning_tokens;
    /* the provider's usage object, whole, when it came in the client's own dialect */
    struct span raw;
    bool known;
};

/* Who is speaking: what every chunk of one answer repeats. Raw JSON string content, but for
 * `created` (digits) and `system_fingerprint` (a whole JSON value, for it may be null). Empty: the
 * provider did not say. */
struct chat_answer {
    struct span id, model, created, service_tier, system_fingerprint;
};

enum chat_finish {
    CHAT_FINISH_NONE,
    CHAT_FINISH_STOP,
    CHAT_FINISH_LENGTH,
    CHAT_FINISH_TOOL_CALLS,
    CHAT_FINISH_CONTENT_FILTER,
    CHAT_FINISH_FUNCTION_CALL
};

enum chat_event_kind {
    CHAT_START,     /* the answer's identity: id, model; no content */
    CHAT_TEXT,      /* text */
    CHAT_REASONING, /* text; name = the member it came in, "reasoning" or "reasoning_content" */
    CHAT_REFUSAL,   /* text */
    /* text = what proves the reasoning before it (Anthropic, Bedrock: a reasoning block's; Gemini:
     * of the reasoning, or with of_tool of tool call `tool`; OpenAI: encrypted_content); signer. Not
     * content. */
    CHAT_SIGNATURE,
    CHAT_REDACTED,   /* text = reasoning that only its maker can read; signer. Not content. */
    CHAT_TOOL_START, /* tool index, id, name; text = first piece of arguments, often empty */
    CHAT_TOOL_ARGS,  /* tool index; text */
    /* audio, image or function_call delta: name = the member, text = the raw JSON value */
    CHAT_MEDIA,
    /* a member without a canonical meaning (logprobs, annotations ...): place, name, text = the raw
     * JSON value */
    CHAT_EXTRA,
    CHAT_FINISH, /* finish; text = the stop sequence that was met, when the provider says */
    CHAT_USAGE,  /* usage */
    /* the stream is whole: explicit end after a finish, or end of bytes after a finish */
    CHAT_DONE,
    CHAT_ERROR, /* error, message; nothing follows */
    CHAT_OTHER, /* understood and without meaning: ping, filter results, comment */
};

/* Whose member a CHAT_EXTRA is. */
enum chat_place { CHAT_OF_MESSAGE, CHAT_OF_CHOICE, CHAT_OF_TOOL, CHAT_OF_ANSWER };

struct chat_event {
    enum chat_event_kind kind;
    unsigned choice;  /* 0 .. n-1 */
    unsigned tool;    /* position of the tool call within its choice */
    struct span text; /* raw JSON string content */
    /* raw JSON string content: response id + model (START), call id + function name (TOOL_START),
     * member name */
    struct span id, name;
    enum chat_place place; /* EXTRA */
    enum chat_finish finish;
    /* TOOL_*: a custom tool, whose input is any text, not a function with JSON arguments */
    bool custom;
    enum chat_signer signer; /* SIGNATURE, REDACTED */
    bool of_tool;            /* SIGNATURE: it belongs to tool call `tool` */
    /* the client was already told the choice's role, by chunks relayed as they came */
    bool continued;
    struct chat_usage usage;
    /* ERROR: FAIL_ERROR_EVENT, FAIL_INCOMPLETE, FAIL_EMPTY, FAIL_RATE_LIMITED, ... */
    enum fail error;
    /* ERROR: raw JSON string content of the provider's message; may be empty */
    struct span message;
    /* the reader's, lives as long as it; NULL: the dialect has no such thing */
    const struct chat_answer *answer;
};

/* Is it an answer: real content that may win the race (HEDGING.md "What wins")? Text, reasoning,
 * refusal or arguments that are not empty, a tool call with a name, audio, an image. */
bool chat_event_is_content(const struct chat_event *);
/* An id for a tool call whose provider gave none: "call_" and hex digits made of the answer's id, the
 * choice and the tool, so the same whenever it is asked for. Fits [A-Za-z0-9_-], 29 bytes. */
#define CHAT_CALL_ID_BYTES 29
struct span chat_call_id(struct span answer_id, unsigned choice, unsigned tool,
                         char text[CHAT_CALL_ID_BYTES]);
/* "text", "tool_start" ... for logs. Static. */
const char *chat_event_name(enum chat_event_kind);
/* "stop", "length" ... as the OpenAI chat dialect spells them; "" for NONE. Static. */
const char *chat_finish_name(enum chat_finish);

/* Text collected piece by piece in an arena; zero it to begin. Doubling, so that n pieces cost
 * O(n). */
struct chat_text {
    char *p;
    size_t n, max;
};
/* Appends; false when memory is used up. */
bool chat_text_add(struct chat_text *, struct arena *, struct span piece);
/* Says something else instead: reuses the memory where it is large enough. False when memory is
 * used up. */
bool chat_text_set(struct chat_text *, struct arena *, struct span text);
static inline struct span chat_text_span(const struct chat_text *text) {
    return span_of(text->p, text->n);
}

#endif
