/* answer.h (pure) - one simulated answer, composed from an ask and not yet in any wire format: a row
 * of pieces, each of which becomes one event (or one for each choice).
 *
 *     thinking thinking ... signature | text text text ...            blocks 0 and 1
 *     head arguments arguments ... | head arguments arguments ...     two tool calls
 *
 * Owns:     its texts.
 * Promises: the same ask, settings and dice give the same answer, except `created_s`. Pieces of one
 *           block are neighbours, in `pieces` and in `text`.
 */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include "bench/ask.h"
#include "bench/bytes.h"
#include "bench/dice.h"
#include "bench/sim_config.h"

#include <stdint.h>

struct format;

enum answer_piece_kind {
    ANSWER_TEXT,
    ANSWER_TOOL_HEAD,
    ANSWER_TOOL_ARGUMENTS,
    ANSWER_THINKING,
    ANSWER_SIGNATURE /* of the thoughts before it */
};

struct answer_piece {
    enum answer_piece_kind kind;
    unsigned tool;       /* index of the call */
    uint32_t start, len; /* in `text` */
    unsigned block;      /* number of the content block it belongs to */
    bool first, last;    /* of the block */
};

enum answer_end { ANSWER_STOPPED, ANSWER_CUT /* by max_tokens */, ANSWER_CALLED };

/* Zero it before the first answer_compose(); composing again reuses the memory. */
struct answer {
    const struct format *format; /* borrowed: a constant */
    enum sim_kind kind;
    bool usage, obfuscation, array, base64, store;
    unsigned choices, dimensions;
    unsigned prompt_tokens, completion_tokens, thinking_tokens;
    unsigned sequence; /* number of the next event, in formats that number them */
    long created_s;    /* Unix time */
    enum answer_end end;
    struct dice dice;
    char id[48], fingerprint[16], tool_id[ASK_TOOL_CALLS_MAX][40];
    struct bytes model, tool_name, previous, inputs;
    struct bytes text;           /* the content of every choice, or the arguments of every call */
    struct answer_piece *pieces; /* owned; the same for every choice */
    size_t pieces_count, pieces_capacity;
};

struct answer_settings {
    const struct format *format;
    enum sim_kind kind;
    bool obfuscation; /* the cloud adds the padding member, if the ask does not forbid it */
    bool empty;       /* a well-formed answer without content */
    uint64_t tokens;  /* content events of a made-up text */
    long created_s;
    const char *model; /* the name told back */
};

void answer_compose(struct answer *a, const struct ask *ask, const struct answer_settings *settings,
                    const struct dice *dice);

/* The text of a piece: `len` bytes, not terminated. */
static inline const char *answer_text(const struct answer *a, const struct answer_piece *p) {
    return a->text.data + p->start;
}

/* The index behind the last piece of the block that begins at piece `index`. */
size_t answer_block_end(const struct answer *a, size_t index);
/* Appends the block's text as the inside of a JSON string, or as it is. */
void answer_block_json(const struct answer *a, size_t index, struct bytes *out);
void answer_block_raw(const struct answer *a, size_t index, struct bytes *out);
/* Whether the answer calls tools. */
bool answer_calls(const struct answer *a);
/* Appends 1 to `most` letters and digits: padding that hides the length of the text beside it. */
void answer_padding(struct answer *a, unsigned most, struct bytes *out);

void answer_free(struct answer *a);

#endif
