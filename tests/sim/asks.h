/* asks.h - writes a client's request. */
#ifndef TESTS_SIM_ASKS_H
#define TESTS_SIM_ASKS_H

#include "tests/sim/ledger.h"

/* Draws what is asked and writes it into request->bytes; *expect: the head asks for 100-continue, *whole: nothing is left
 * out on purpose. `last`: it may be one after which the connection cannot go on. */
struct request *asks_draw(bool last, bool *expect, bool *whole);

#endif
