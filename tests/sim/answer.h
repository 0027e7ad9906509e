/* answer.h - reads HTTP/1.1 responses as strictly as RFC 9112 allows, and judges what was answered to a request. */
#ifndef TESTS_SIM_ANSWER_H
#define TESTS_SIM_ANSWER_H

#include "tests/sim/ledger.h"

enum answer_state {
    ANSWER_HEAD,
    ANSWER_LENGTH,
    ANSWER_CHUNK_SIZE,
    ANSWER_CHUNK,
    ANSWER_CHUNK_END,
    ANSWER_UNTIL_CLOSE,
    ANSWER_DONE
};

struct answer {
    enum answer_state state;
    unsigned status, minor;
    bool keep_alive, chunked;
    size_t left; /* of the body, or of a chunk */
    struct text head, body;
};

/* Reads from the start of `in`: bytes taken; 0: more is needed, or it is DONE. 1xx responses are read over, *interim
 * counts them. Anything not valid ends the seed. to_head: the request was HEAD. */
size_t answer_read(struct answer *, struct span in, bool to_head, unsigned *interim);
/* The connection has ended: is the response whole with that? */
bool answer_ends(struct answer *);
/* The value of a field, or an empty span; one that stands twice ends the seed. */
struct span answer_field(const struct answer *, const char *name);
/* A whole response to `request`: is it a right one? Sets the request's winner, status and so on. */
void answer_judge(struct request *, const struct answer *);
/* A response that was cut off: nothing of it may be wrong, and it may not look finished. */
void answer_judge_cut(struct request *, const struct answer *);

#endif
