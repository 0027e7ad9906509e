/* hear.h - what a client understands of an answer, by the rules of its own format, as strictly as the vendors' SDKs and
 * more. Anything that is not legal there ends the seed. */
#ifndef TESTS_SIM_HEAR_H
#define TESTS_SIM_HEAR_H

#include <yyjson.h>

#include "tests/sim/ledger.h"

enum hear_state { HEAR_NOTHING, HEAR_BEGUN, HEAR_FINISHED };
enum hear_part_kind { HEAR_THOUGHT, HEAR_TEXT, HEAR_CALL };

/* A block, item or call that opens and closes. */
struct hear_part {
    enum hear_part_kind kind;
    bool open, done; /* done: its own content has been told to be whole */
    struct text said;
    struct call *call; /* of heard.calls */
    char id[64];
};
#define HEAR_PARTS_MAX 8

struct heard {
    struct text said, thought;
    struct call calls[HEAR_PARTS_MAX];
    unsigned call_count;
    char id[64];
    char finish[24]; /* in OpenAI's words */
    unsigned tokens, input_tokens, cached_tokens;
    bool usage, error, done, anything;
    unsigned comments; /* that another cloud has gone on */
    /* The format's own. */
    enum hear_state state;
    struct hear_part parts[HEAR_PARTS_MAX];
    unsigned part_count, events;
};

struct hear {
    /* One event; name.p is NULL when it has no `event:` line. */
    void (*event)(struct heard *, const struct request *, struct span name, struct span data);
    /* A whole body. */
    void (*body)(struct heard *, const struct request *, yyjson_val *root);
    /* Is it an error as this format spells them? */
    bool (*is_error)(yyjson_val *root);
};
extern const struct hear hear_chat, hear_responses, hear_messages, hear_gemini;
/* Of a client's format. */
const struct hear *hear_of(enum format);

/* Cuts a stream of events; `cut`: the last may be incomplete. */
void hear_events(struct heard *, const struct request *, struct span body, bool cut);
void hear_body(struct heard *, const struct request *, struct span body);

/* ---- what the formats hear with ---- */

/* Ends the seed. */
_Noreturn void hear_wrong(const struct request *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* JSON, or the end of the seed; to be freed. */
yyjson_doc *hear_json(const struct request *, struct span json);
static inline yyjson_val *hear_get(yyjson_val *object, const char *name) {
    return yyjson_obj_get(object, name);
}
/* A member that must be a string: its NUL-terminated text. */
const char *hear_string(const struct request *, yyjson_val *object, const char *name);
/* A member that must be a number of 0 and more. */
unsigned hear_number(const struct request *, yyjson_val *object, const char *name);
/* Is the member this string? */
bool hear_is(yyjson_val *object, const char *name, const char *text);
void hear_add(struct text *, yyjson_val *string);
/* Takes up the id of the answer, or compares it. */
void hear_id(struct heard *, const struct request *, const char *id);
/* Takes up the finish; a second one is wrong. */
void hear_finish(struct heard *, const struct request *, const char *finish);
/* A new part, or call; more than there can be is wrong. */
struct hear_part *hear_part(struct heard *, const struct request *, enum hear_part_kind);
struct call *hear_call(struct heard *, const struct request *);

#endif
