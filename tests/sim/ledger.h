/* ledger.h - what happened, as the clients and the clouds saw it, and the judgement on it. Knows nothing of the code under
 * test: a request is what a client sent, a reply is what a cloud made of what reached it. */
#ifndef TESTS_SIM_LEDGER_H
#define TESTS_SIM_LEDGER_H

#include "tests/sim/sim.h"

enum script {
#define SCRIPT(name, weight, content, whole) SCRIPT_##name,
#include "tests/sim/scripts.def"
#undef SCRIPT
    SCRIPT_COUNT
};

struct script_row {
    const char *name;
    unsigned weight;
    bool content, whole;
};
extern const struct script_row script_rows[SCRIPT_COUNT];

/* What a client asks for, and the statuses that answer it. */
enum ask {
#define ASK(name, weight, a, b) ASK_##name,
#include "tests/sim/asks.def"
#undef ASK
    ASK_COUNT
};

struct ask_row {
    const char *name;
    unsigned weight, status, other;
};
extern const struct ask_row ask_rows[ASK_COUNT];

enum outcome {
    OUT_PENDING,  /* not sent, or no whole answer yet */
    OUT_ANSWERED, /* a whole HTTP response */
    OUT_CUT,      /* the connection ended before it */
    OUT_LEFT,     /* the client went away itself */
    OUT_UNSENT,   /* the connection ended before the engine could take it up */
};

/* The wire formats: of clients all but the last, of clouds all. */
enum format {
    FORMAT_CHAT,      /* OpenAI chat completions */
    FORMAT_RESPONSES, /* OpenAI Responses */
    FORMAT_MESSAGES,  /* Anthropic messages */
    FORMAT_GEMINI,    /* Gemini generateContent */
    FORMAT_CONVERSE,  /* Bedrock ConverseStream */
    FORMAT_COUNT
};
#define FORMAT_CLIENTS FORMAT_CONVERSE
extern const char *const format_names[FORMAT_COUNT];

/* A call of a tool: what is compared. */
struct call {
    struct text name, arguments;
};
#define CALLS_MAX 2

struct cloud;
struct world_model;

/* One cloud's handling of one request. */
struct reply {
    unsigned n;
    struct request *request;
    struct cloud *cloud;
    enum script script;
    enum format format;
    bool content, whole; /* a token comes; the answer is finished: of the script in this format */
    struct text behind;  /* the unfinished turn that it was asked to go on with; empty: none */
    bool stalled;        /* it had won, and another one went on for it */
    struct text said;    /* the whole answer, decoded: text, reasoning before it, calls of tools */
    struct text thought;
    struct call calls[CALLS_MAX];
    unsigned call_count;
    bool parallel;      /* their pieces come mixed */
    const char *finish; /* in OpenAI's words */
    /* Its usage: all of the output, of which thinking; all of the input, of which cached. */
    unsigned tokens, thought_tokens, input_tokens, cached_tokens;
    bool usage_unsaid; /* the cloud does not tell it */
    /* What its head says of the cloud's limit on requests; limit 0: nothing. */
    unsigned limit, limit_left;
    uint64_t limit_reset_ns;
    bool hangs;           /* after its error nothing comes, not even an end */
    bool by_delay;        /* nothing but a delay explains it */
    bool reused;          /* not the connection's first request */
    uint64_t begin_ns;    /* its request was whole */
    uint64_t said_ns;     /* the latest byte was written */
    uint64_t content_ns;  /* the first token was written */
    uint64_t said_all_ns; /* all was written that its script has, which goes on */
    uint64_t whole_ns;    /* the last byte was written, or the connection ended by the cloud */
    uint64_t
        closed_ns;    /* the engine's end of the connection was seen, before the answer was whole */
    uint64_t gone_ns; /* ... at any time, also later */
};

#define REPLIES_MAX 24

struct request {
    unsigned n;
    enum ask ask;
    const struct world_model *model;
    enum format format;
    bool stream, usage, http10, close;
    bool mode_wished;
    unsigned mode;       /* enum hedge_mode in force, by wish or by model */
    uint64_t delay_ns;   /* wished for; 0: the model's */
    uint64_t total_ns;   /* wished for; 0: the model's */
    struct text content; /* of its only message, decoded */
    struct text system;  /* "": none */
    unsigned max_tokens; /* 0: not said */
    bool cooler, stops;  /* temperature 0.5, a stop sequence "END" */
    bool tool;           /* it offers the tool "g_R5" */
    bool hard;           /* it says what only OpenAI's chat can express: logit_bias */
    bool history;        /* a turn went before, in which that tool was called */
    struct text bytes;   /* head and body as sent */
    size_t head_n;
    enum outcome outcome;
    uint64_t begin_ns, sent_ns; /* first and last byte written; 0: not yet */
    uint64_t first_ns, done_ns; /* first and last byte of the answer */
    uint64_t turn_ns; /* the answer before it on its connection was whole; 0: there is none */
    uint64_t left_ns;
    uint64_t whole_ns, commit_ns; /* it was whole, an attempt had won: as the engine says */
    unsigned rescues;    /* attempts that were started for a winner that stalled: likewise */
    size_t behind_bytes; /* of the requests pipelined behind it */
    unsigned status;
    unsigned attempts_said;              /* x-hedgerow-attempts */
    const char *zone;                    /* the region that it asks for; NULL: any */
    unsigned attempts;                   /* that clouds have seen */
    unsigned attempts_made, hedges_made; /* as the engine says; of them by delay */
    uint64_t queued_ns;                  /* its hedge waits for a token since; 0: does not */
    bool named_field;                    /* the refusal names the member that cannot be expressed */
    bool broken;                         /* the stream ended with an error event */
    bool ended;                          /* the engine has logged it */
    uint64_t client_latency_ns;
    size_t pipe_bytes, answer_bytes; /* what the way to its client holds; what was answered */
    bool idle_before; /* it was sent after a pause, when the engine may have closed */
    bool slow;        /* its client reads slowly, or not at all */
    struct reply *winner;
    struct reply *replies[REPLIES_MAX];
    unsigned reply_count;
};

void ledger_begin(void);
struct request *ledger_request(enum ask);
/* By number, or NULL. */
struct request *ledger_find(unsigned n);
struct reply *ledger_reply(struct request *, struct cloud *, enum script);
struct reply *ledger_find_reply(unsigned n);
unsigned ledger_count(void);
/* A dial failed, or will: an attempt may have failed that no cloud has seen. */
void ledger_bad_dial(void);
/* Everything is over: judges the whole. */
void ledger_judge(void);

#endif
