/* answer.h (pure) - one simulated answer, composed from an ask and written event by event in the
 * provider's wire format: OpenAI's or Azure's chat completion chunks, or one whole JSON body.
 *
 *     preface   Azure: choices [] with prompt_filter_results; OpenAI: nothing
 *     role      delta {role, content ""} for each choice
 *     pieces    one content or tool call delta per event, for each choice
 *     finish    delta {} and finish_reason, for each choice
 *     usage     choices [] and the usage, if the ask wants it
 *     done      data: [DONE]
 *
 * Owns:     its texts.
 * Promises: the same ask, settings and dice give the same bytes, except `created`.
 */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include "bench/ask.h"
#include "bench/bytes.h"
#include "bench/dice.h"
#include "bench/sim_config.h"

#include <stdint.h>

enum answer_piece_kind { ANSWER_TEXT, ANSWER_TOOL_HEAD, ANSWER_TOOL_ARGUMENTS };

struct answer_piece {
    enum answer_piece_kind kind;
    unsigned tool;       /* index of the call */
    uint32_t start, len; /* in `text` */
};

/* Zero it before the first answer_compose(); composing again reuses the memory. */
struct answer {
    enum sim_kind kind;
    bool usage, obfuscation;
    unsigned choices;
    unsigned prompt_tokens, completion_tokens;
    long created_s; /* Unix time */
    const char *finish_reason;
    struct dice dice;
    char id[48], fingerprint[16], tool_id[ASK_TOOL_CALLS_MAX][32];
    struct bytes model, tool_name;
    struct bytes text;           /* the content of every choice, or the arguments of every call */
    struct answer_piece *pieces; /* owned; the same for every choice */
    size_t pieces_count, pieces_capacity;
};

struct answer_settings {
    enum sim_kind kind;
    bool obfuscation; /* the cloud adds the padding member, if the ask does not forbid it */
    uint64_t tokens;  /* content events of a made-up text */
    long created_s;
    const char *model; /* the name told back */
};

void answer_compose(struct answer *a, const struct ask *ask, const struct answer_settings *settings,
                    const struct dice *dice);

/* Each appends whole SSE events to `out`; answer_piece() all choices' events of piece `index`. */
void answer_preface(struct answer *a, struct bytes *out);
void answer_role(struct answer *a, struct bytes *out);
void answer_piece(struct answer *a, size_t index, struct bytes *out);
void answer_finish(struct answer *a, struct bytes *out);
void answer_usage(struct answer *a, struct bytes *out);
void answer_done(struct bytes *out);

/* The answer to a request without stream: one JSON object. */
void answer_whole(struct answer *a, struct bytes *out);
void answer_free(struct answer *a);

#endif
