/* account.h - what a model's requests have cost beyond their first attempts, counted at the clouds, against the bounds that
 * its operator was promised (appliance/race/budget.h). Knows the numbers of the promise, and nothing of how it is kept. */
#ifndef TESTS_SIM_ACCOUNT_H
#define TESTS_SIM_ACCOUNT_H

#include "tests/sim/ledger.h"

/* All requests of a world that is over, with their `attempts` and their replies' `by_delay`. */
void account_judge(struct request *const *requests, unsigned count);

#endif
