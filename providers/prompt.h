/* prompt.h - the canonical request, whole: what a request says, whatever dialect it came in. (pure)
 *
 * Made only when a backend speaks another dialect than the client; between equals the client's own
 * bytes are edited (dialect.h, edit_request). Everything lives in the exchange's arena or in the
 * client's body, as long as the exchange.
 *
 * Texts are raw: the bytes between the quotes of a JSON string, escapes as written, for every
 * dialect is JSON and takes them over without decoding. `input`, `schema`, `value` are JSON texts.
 * Media types, base64 data, URLs, ids and names are raw too, but hold no escapes: their reader
 * decodes them once, and refuses what would need escapes again.
 *
 * Nothing is lost in silence. What a target cannot say is either a hint (it changes cost, routing or
 * bookkeeping, never the answer) and left out, or it has a meaning and chat_lose() decides. */
#ifndef HEDGEROW_PROVIDERS_PROMPT_H
#define HEDGEROW_PROVIDERS_PROMPT_H

#include "core/arena.h"
#include "core/json.h"

enum chat_role { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT, CHAT_TOOL };

enum chat_part_kind {
    CHAT_PART_TEXT,        /* text */
    CHAT_PART_IMAGE,       /* data + media_type, or url */
    CHAT_PART_DOCUMENT,    /* data + media_type, or url, or text (plain text); name = file name */
    CHAT_PART_AUDIO,       /* data + media_type ("audio/wav", "audio/mp3") */
    CHAT_PART_REASONING,   /* text, signature, signer; of assistant turns */
    CHAT_PART_REDACTED,    /* data = reasoning that only its maker can read; signer */
    CHAT_PART_REFUSAL,     /* text; of assistant turns */
    CHAT_PART_TOOL_CALL,   /* id, name, input (a JSON object), signature of Gemini */
    CHAT_PART_TOOL_RESULT, /* id of the call, parts (text, image, document), is_error */
};

/* Who can read a signature or redacted reasoning: it is sent back only to its own family. */
enum chat_signer {
    CHAT_SIGNER_NONE,
    CHAT_SIGNER_ANTHROPIC,
    CHAT_SIGNER_GOOGLE,
    CHAT_SIGNER_OPENAI
};

struct chat_part {
    struct chat_part *next;
    struct chat_part *last; /* of the list, in its first part: for chat_add_part alone */
    enum chat_part_kind kind;
    struct span text;
    struct span media_type, data, url; /* the url is never a data: URL (chat_take_url) */
    struct span name;      /* tool call: the function's; document: file name, raw, may be empty */
    struct span id;        /* tool call and its result */
    struct span input;     /* tool call: JSON text of an object; "{}" when the client gave none */
    struct span detail;    /* image: "low" "high" "auto", or empty */
    struct span signature; /* raw; empty: none */
    enum chat_signer signer;
    bool is_error;           /* tool result */
    bool custom;             /* tool call: of a custom tool, `text` is its input, not `input` */
    bool cache;              /* a cache mark stands behind this part (cache_control, cachePoint) */
    struct span cache_ttl;   /* "5m" "1h", or empty */
    struct chat_part *parts; /* tool result: its content, in order; may be NULL */
};

/* One turn. Tool results are CHAT_TOOL turns of TOOL_RESULT parts only, one turn for all results
 * that answer one assistant turn (readers merge neighbours); other neighbours are as the client
 * wrote them, so a writer joins turns of one role where its API asks for it. */
struct chat_message {
    struct chat_message *next;
    enum chat_role role;
    struct span name;        /* of the participant, or empty */
    struct chat_part *parts; /* in order; may be NULL */
    unsigned at;             /* index in the client's array; UINT_MAX: a member of its own */
};

enum chat_flag { CHAT_UNSAID, CHAT_NO, CHAT_YES };

struct chat_tool {
    struct chat_tool *next;
    struct span name, description; /* description may be empty */
    struct span schema;            /* JSON text of an object schema; empty: no parameters */
    enum chat_flag strict;
    bool custom; /* a custom tool (free text input); schema: its `format` member, or empty */
    bool cache;
    struct span cache_ttl;
    /* A tool that the provider itself runs (web search, code execution ...): its type; `schema` is
     * then the whole JSON object as the client wrote it, and only its own dialect can say it. */
    struct span hosted;
};

enum chat_choose {
    CHAT_CHOOSE_UNSAID,
    CHAT_CHOOSE_AUTO,
    CHAT_CHOOSE_NONE,
    CHAT_CHOOSE_ANY,
    CHAT_CHOOSE_NAMED
};

enum chat_format_kind {
    CHAT_FORMAT_UNSAID,
    CHAT_FORMAT_TEXT,
    CHAT_FORMAT_OBJECT,
    CHAT_FORMAT_SCHEMA
};

struct chat_format {
    enum chat_format_kind kind;
    struct span name, description; /* may be empty */
    struct span schema;            /* JSON text */
    enum chat_flag strict;
};

/* Reasoning. Dialects ask for it by a word of effort or by a budget of tokens; a writer converts by
 * the scale in prompt.c (chat_effort_of_budget, chat_budget_of_effort). */
struct chat_thinking {
    enum chat_flag wanted;  /* NO: switched off in so many words */
    bool adaptive;          /* the model decides how much */
    struct span effort;     /* none minimal low medium high xhigh max, or empty */
    uint64_t budget_tokens; /* 0: not said */
    bool budget_given;      /* said, also when 0 */
    enum chat_flag shown;   /* the client wants to see it (summary, includeThoughts, display) */
};

/* A number or word whose absence means the provider's default. */
struct chat_knob {
    struct span value; /* JSON text; empty: not said */
    const char *name;  /* as the client's dialect spells the member; static */
};

/* A member without canonical meaning: only its own dialect can say it. */
struct chat_extra {
    struct chat_extra *next;
    struct span name, value; /* raw member name (dotted for inner ones), JSON text */
    bool hint;               /* leaving it out does not change the answer */
};

struct chat_word {
    struct chat_word *next;
    struct chat_word *last; /* of the list, in its first word: for chat_add_word alone */
    struct span text;       /* raw */
};
/* Tools that one request may name as allowed: each tool is looked for among them. OpenAI takes 128
 * tools in all. */
#define CHAT_ALLOWED_MAX 256

struct chat_prompt {
    struct chat_message *messages; /* in order; CHAT_SYSTEM turns where the client wrote them */
    struct chat_tool *tools;
    enum chat_choose choose;
    struct span choose_name;
    struct chat_word *allowed; /* only these tools may be chosen (allowed_tools); NULL: all */
    unsigned allowed_count;    /* at most CHAT_ALLOWED_MAX */
    enum chat_flag parallel_tools;
    uint64_t max_output_tokens; /* 0: not said */
    const char *max_output_name;
    struct chat_knob temperature, top_p, top_k, min_p, seed, frequency_penalty, presence_penalty;
    struct chat_knob logprobs, top_logprobs, verbosity;
    struct chat_word *stop;
    const char *stop_name;
    unsigned choices; /* at least 1 */
    const char *choices_name;
    struct chat_format format;
    const char *format_name;
    struct chat_thinking thinking;
    const char *thinking_name;
    struct span user;         /* raw; empty: none. A hint */
    struct span metadata;     /* JSON object of strings; empty: none. A hint */
    struct span service_tier; /* raw; empty: none. A hint */
    struct span cache_key;    /* prompt_cache_key, raw; a hint */
    bool stream, include_usage;
    struct chat_extra *extras;
    /* Ends of the lists, for chat_add_* alone. */
    struct chat_message *last_message;
    struct chat_tool *last_tool;
    struct chat_extra *last_extra;
};

/* What a model can do that its API's description leaves open; from models.def (a table with a date)
 * by the name that the provider knows it by. */
enum model_fact {
    MODEL_NO_SAMPLING = 1 << 0,    /* refuses temperature, top_p, top_k */
    MODEL_ONE_SAMPLER = 1 << 1,    /* refuses temperature and top_p together */
    MODEL_ADAPTIVE_ONLY = 1 << 2,  /* thinking is adaptive; a budget is refused */
    MODEL_EFFORT = 1 << 3,         /* output_config.effort / thinkingLevel is understood */
    MODEL_SCHEMA = 1 << 4,         /* structured output by schema */
    MODEL_NO_PREFILL = 1 << 5,     /* refuses a trailing assistant turn */
    MODEL_THINKS = 1 << 6,         /* can reason at all */
    MODEL_NO_THINK_OFF = 1 << 7,   /* reasoning cannot be switched off */
    MODEL_MAX_COMPLETION = 1 << 8, /* OpenAI: refuses max_tokens, wants max_completion_tokens */
    MODEL_NO_TOOL_STREAM = 1 << 9, /* tools and streaming do not go together */
    MODEL_CLAUDE = 1 << 10,        /* of Anthropic's family, on whichever cloud */
};
struct model_facts {
    const char *pattern;        /* glob over the provider's model name */
    uint64_t max_output_tokens; /* sent where the API demands a limit and the client gave none */
    unsigned facts;             /* enum model_fact bits */
};
/* The facts of a model by the name its provider knows it by ("anthropic.claude-opus-4-7-v1:0",
 * "us.anthropic...", "claude-sonnet-5", "gemini-3-pro-preview"): the first row that matches; the
 * last row matches all. Never NULL. */
const struct model_facts *model_facts_find(struct span model);

/* What a target could not say. Zero it, set `lenient`. */
#define CHAT_LOSSES_MAX 8
struct chat_losses {
    bool lenient;
    struct span names[CHAT_LOSSES_MAX]; /* left out, for the warning header; the first of them */
    unsigned count;                     /* of all, may be more than the names kept */
    struct span field, why;             /* strict: what was refused, and a sentence */
};
/* The target cannot say `field` (as the client's dialect spells it; arena or static; "why": what to
 * do or why, a clause that follows "field: "). True: go on without it. False: give up, with
 * -FAIL_UNSUPPORTED. */
bool chat_lose(struct chat_losses *, struct span field, struct span why);
/* chat_lose for each extra that is no hint. */
bool chat_lose_extras(struct chat_losses *, const struct chat_prompt *);
/* "messages[3].content[1]": where a part stands, for chat_lose; in the arena. */
struct span chat_where(struct arena *, const struct chat_message *, const struct chat_part *);
/* chat_lose of a part, or of the whole message when `part` is not among its parts. The place is made
 * only while it would be kept: a message may be lost in a million pieces. */
bool chat_lose_part(struct chat_losses *, struct arena *, const struct chat_message *,
                    const struct chat_part *part, struct span why);

/* How a backend is asked to go on from an unfinished turn of the assistant, which is then the last
 * message. Its answer holds only what comes behind that turn. */
enum chat_prefill {
    CHAT_PREFILL_NONE,    /* it answers such a turn with one of its own, or refuses it */
    CHAT_PREFILL_PLAIN,   /* by ending with it, which must not end in white space */
    CHAT_PREFILL_PREFIX,  /* "prefix":true in the message */
    CHAT_PREFILL_BETA,    /* the same, at the beta endpoint only */
    CHAT_PREFILL_PARTIAL, /* "partial":true in the message */
    CHAT_PREFILL_FINAL,   /* "add_generation_prompt":false,"continue_final_message":true beside the
                           messages */
};

/* How a request is to be written for one backend. */
struct chat_spell {
    struct span model; /* the provider's name for it */
    unsigned quirks;   /* enum provider_quirk */
    const struct model_facts *facts;
    bool stream;
    enum chat_prefill prefill; /* the last message is to be gone on with */
    struct chat_losses *losses;
};

/* --- helpers for readers and writers --- */

/* Zeroes the prompt and sets what is not zero by default. */
void chat_prompt_init(struct chat_prompt *);
/* Appends at the end of the list; NULL when memory is used up. Zeroed. */
struct chat_message *chat_add_message(struct chat_prompt *, struct arena *, enum chat_role);
struct chat_part *chat_add_part(struct chat_part **list, struct arena *, enum chat_part_kind);
struct chat_tool *chat_add_tool(struct chat_prompt *, struct arena *);
bool chat_add_word(struct chat_word **list, struct arena *, struct span raw);
/* Adds a tool that may be chosen; not above CHAT_ALLOWED_MAX, which the reader refuses. */
bool chat_allow(struct chat_prompt *, struct arena *, struct span name);
/* A result of a call that failed, for APIs without a member that says so: must its text be told to be
 * an error? Not when its first text says it already. */
bool chat_needs_error_word(const struct chat_part *result);
/* May the tool of that name be chosen? Where others cannot be forbidden they are not offered. */
bool chat_is_allowed(const struct chat_prompt *, struct span name);
bool chat_add_extra(struct chat_prompt *, struct arena *, struct span name, struct span value,
                    bool hint);
/* A token's text without escapes, in place or in the arena. {NULL,0}: it would still need escapes
 * (holds quotes, backslashes or control characters) or memory is used up. */
struct span chat_plain(const struct json_token *, struct arena *);
/* Is it TYPE/SUBTYPE, perhaps with parameters ("audio/pcm;rate=16000"), all of them tokens (RFC 2045
 * 5.1)? Each reader asks this of what a client or a provider calls a media type. */
bool chat_is_media_type(struct span);
/* "data:image/png;base64,AAAA" (RFC 2397, base64 only) cut into its parts, which point into it, the
 * type without parameters; false, with nothing set: not such a URL. The data may be empty. */
bool chat_data_url(struct span url, struct span *media_type, struct span *data);
/* Gives a part the URL that a client named, which must outlive it: as `url`, or of a data: URL as
 * `media_type` and `data`. False: a data: URL that is none of base64, or empty; the part then says nothing. */
bool chat_take_url(struct chat_part *, struct span url);
/* Raw text without the white space at its end, as it may be written: " ", \n, \t, \r, \f, or in hex. */
struct span chat_trim_end(struct span raw);
/* Is the raw text blank (empty, or white space only, escaped or not)? Some APIs refuse such. */
bool chat_is_blank(struct span raw);
/* The id of a tool call as an API with the alphabet [A-Za-z0-9_-] and `max` bytes takes it: itself
 * if it fits, else one made from its hash, the same for the call and its result. {NULL,0}: memory. */
struct span chat_safe_id(struct span id, size_t max, struct arena *);
/* Is it a name that all APIs take for a tool: 1..64 of [A-Za-z0-9_-]? */
bool chat_is_tool_name(struct span);
/* The scale between budgets and words that gateways agree on (PROVIDERS.md 2.3): 1024 minimal/low,
 * 2048 medium, 4096 high, 8192 xhigh, 16384 max. Static spans; 0: the word is not known. */
struct span chat_effort_of_budget(uint64_t tokens);
uint64_t chat_budget_of_effort(struct span effort);
/* A piece of raw text for a JSON string: written between json_out_string_begin and _end; blank line
 * between pieces when `more`. For joined system texts. */
void chat_write_joined(struct json_out *, struct span raw, bool more);
/* A member whose value is the part's data as a data URL, what chat_data_url takes apart. */
void chat_write_data_url(struct json_out *, struct span key, const struct chat_part *part);

#endif
