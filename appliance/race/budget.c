/* budget.c - a token bucket that requests fill and hedges empty. (pure)
 *
 * Owns:     nothing.
 * Promises: hedges taken <= BUDGET_BURST + share x requests, at every moment.
 * Refuses:  a hedge without a whole token. */
#include "appliance/race/budget.h"

#include "core/base.h"

/* Twenty times 0.05 is not quite 1 in binary: without it the twentieth request would bring nothing
 * at some shares. Too small to be saved up to a token within the life of a process. */
#define TOKEN_ROUNDING 1e-9

void budget_init(struct budget *budget) { *budget = (struct budget){0}; }

void budget_on_request(struct budget *budget, double share) {
    CHECK(share >= 0 && share <= 1);
    bool first = budget->requests++ == 0;
    if (share == 0) {
        budget->tokens = 0; /* also after a reload that turned hedging off */
        return;
    }
    budget->tokens += first ? BUDGET_BURST : share;
    if (budget->tokens > BUDGET_BURST)
        budget->tokens = BUDGET_BURST;
}

bool budget_take(struct budget *budget) {
    if (budget->tokens < 1 - TOKEN_ROUNDING) {
        budget->refused++;
        return false;
    }
    budget->tokens = budget->tokens > 1 ? budget->tokens - 1 : 0;
    budget->taken++;
    return true;
}

void budget_put(struct budget *budget) {
    CHECK(budget->taken > 0);
    budget->taken--;
    budget->tokens += 1;
    if (budget->tokens > BUDGET_BURST)
        budget->tokens = BUDGET_BURST;
}
