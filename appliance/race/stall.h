/* stall.h - an answer that stopped in its middle: what has been said of it, and whether another
 * backend may go on. Decides, never acts (rescue.h does). (pure)
 *
 *     the client        whitespace or    text                 tool call, media,    finish,
 *     has been sent:    reasoning only                        what has no equal    refusal
 *     restart           from the start   -                    -                    -
 *     continue          from the start   behind that text     -                    -
 *     a whole body:     from the start at any time, for nothing was sent; with `continue` behind the
 *                       text where that is possible                                no
 *
 * A continuation is asked for by a prefilled turn, which is text and nothing else: not behind
 * reasoning, which its model's own turn would rest on, and not where the answer has to have a
 * structure, which a text that goes on in the middle of it may break. */
#ifndef HEDGEROW_APPLIANCE_RACE_STALL_H
#define HEDGEROW_APPLIANCE_RACE_STALL_H

#include "appliance/race/config.h"
#include "providers/chat.h"

enum stall_why {
#define STALL(name, text) STALL_##name,
#include "appliance/race/stall.def"
#undef STALL
    STALL_WHY_COUNT
};

/* What an answer has said so far. Zero it to begin. */
struct stall_said {
    struct chat_text text, reasoning; /* raw JSON string content, in the arena */
    bool spoke;                       /* text that is not blank */
    bool thought;                     /* reasoning, or a proof of it */
    bool tool, media, refused, finished;
    bool others;     /* a second choice spoke */
    bool full;       /* memory ran out, or it is longer than ANSWER_MAX_BYTES */
    uint64_t pieces; /* events with content: an estimate of its tokens */
};

/* The answer has said this. Texts are copied to the arena. */
void stall_hear(struct stall_said *, const struct chat_event *, struct arena *);

/* A winner that ended before its answer was whole. */
struct stall_case {
    enum config_on_stall on_stall;
    enum fail why;
    bool chat;        /* of an API that is raced with chat events */
    bool stateful;    /* the request refers to what one provider keeps */
    bool streaming;   /* the client has been sent what was said */
    bool own;         /* it held what no canonical event tells (chat_reader.opaque) */
    unsigned choices; /* asked for */
    const struct stall_said *said;
};

struct stall_verdict {
    bool restart;       /* another backend may answer from the start */
    bool go_on;         /* another backend may go on behind the text, if stall_prompt allows it */
    enum stall_why why; /* neither; or `restart` alone: why it cannot be gone on with */
};

struct stall_verdict stall_judge(const struct stall_case *);
/* May an answer to this request be gone on with by a prefilled turn? STALL_NOTHING: yes. */
enum stall_why stall_prompt(const struct chat_prompt *);
/* What the client is told of an answer that was gone on with: its usage is one. `first`: of what was
 * said before, as counted, if `known`, else estimated by `pieces`; `rest`: of the attempt that went on,
 * whose input holds what was said before. Input counts once, output is the sum. */
struct chat_usage stall_usage(const struct chat_usage *first, uint64_t pieces,
                              const struct chat_usage *rest);
const char *stall_why_text(enum stall_why); /* A clause of stall.def, or "". Static. */

#endif
