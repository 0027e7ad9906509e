/* asks_body.h - what a client asks, as a body in its format. */
#ifndef TESTS_SIM_ASKS_BODY_H
#define TESTS_SIM_ASKS_BODY_H

#include "tests/sim/ledger.h"

/* What went before, where request->history: a question, words and a call, what the call gave. */
struct asks_history {
    struct text asked, said, id, name, arguments, found;
};
struct asks_history asks_history(const struct request *);

/* Says all that `request` says (content, system, max_tokens ...), in one of the shapes that its format has for it. */
void asks_body(struct text *, const struct request *, const char *model);

#endif
