/* say.h - what a simulated cloud says: an answer in one wire format, piece by piece.
 *
 * clouds_script.c decides what is said and when; a format (say_chat.c, say_responses.c, say_messages.c, say_gemini.c,
 * say_converse.c) how it is spelled. Written from PROVIDERS.md 3 and the vendors' descriptions, with none of the product's
 * encoders, so that the two can disagree. */
#ifndef TESTS_SIM_SAY_H
#define TESTS_SIM_SAY_H

#include "tests/sim/clouds_script.h"

/* Parts of an answer that open and close; formats without such parts do not look at it. */
enum say_part { SAY_NOTHING, SAY_THOUGHT, SAY_TEXT, SAY_TOOL };

/* One answer being written. */
struct saying {
    struct play *play;
    struct reply *reply;
    const struct say *say;
    bool chunked;
    const char *eol;                    /* of SSE lines */
    uint64_t head_ns, first_ns, gap_ns; /* delays */
    unsigned tokens, token_bytes;
    bool begun;    /* the first token was said */
    bool finishes; /* a finish follows the content */
    /* The format's own. */
    enum say_part part;
    unsigned parts, events; /* begun so far */
    struct text part_text;  /* of the open part */
    struct text items;      /* closed ones, for an end that repeats them */
    struct text held;       /* goes with the finish */
    uint64_t held_ns;
};

/* How an error is called. */
struct say_error {
    unsigned status;
    const char *type;   /* as this format names it */
    const char *fields; /* of the head, each with its CRLF */
};

struct say {
    const char *type; /* media type of the stream */
    /* What stands before content, and is none. */
    void (*begin)(struct saying *);
    /* A piece of reasoning; `last`: of it. */
    void (*think)(struct saying *, uint64_t delay_ns, struct span piece, bool last);
    /* A piece of text; `last`: of it. */
    void (*text)(struct saying *, uint64_t delay_ns, struct span piece, bool last);
    /* A whole call, in as many pieces as the format has. */
    void (*tool)(struct saying *, uint64_t delay_ns, unsigned index, const struct call *);
    /* The finish, as reply->finish says, and what belongs to it. */
    void (*finish)(struct saying *);
    /* What comes behind a finish, and also without one; NULL: nothing does. */
    void (*end_mark)(struct saying *);
    /* Says nothing: comments, pings, events that nobody knows. */
    void (*noise)(struct saying *);
    void (*error)(struct saying *);
    void (*garbage)(struct saying *);
    /* The whole answer, and an error, as one JSON body. */
    void (*whole)(const struct saying *, struct text *json);
    struct say_error (*refuse)(const struct saying *, enum script, struct text *json);
};

extern const struct say say_chat, say_responses, say_messages, say_gemini, say_converse;

/* ---- what the formats write with ---- */

/* A piece of the body; as one HTTP chunk or cut into two. content: the first token is whole with it. */
void say_bytes(struct saying *, uint64_t delay_ns, struct span bytes, bool content);
/* An event with that data, and an `event:` line where name is not NULL. */
void say_event(struct saying *, uint64_t delay_ns, const char *name, struct span data,
               bool content);
void say_comment(struct saying *);
/* A delay between two pieces. */
uint64_t say_gap(const struct saying *);
/* Text as a JSON string, with its quotes; what is not ASCII is escaped or not. */
void say_string(struct text *, struct span plain);
/* The same without the quotes. */
void say_escaped(struct text *, struct span plain);
/* Cuts a piece off *rest, not inside of a character. */
struct span say_piece(struct span *rest);

#endif
