/* budget.c - token buckets that requests and answers fill, and hedges and retries empty. (pure)
 *
 * Owns:     nothing.
 * Promises: hedges taken <= BUDGET_BURST + share x requests, and retries taken <= BUDGET_RETRIES +
 *           answers, at every moment.
 * Refuses:  a hedge without a whole token, or with no money left; a retry that no answer pays for. */
#include "appliance/race/budget.h"

#include <math.h>

#include "core/base.h"

/* Twenty times 0.05 is not quite 1 in binary: without it the twentieth request would bring nothing
 * at some shares. Too small to be saved up to a token within the life of a process. */
#define TOKEN_ROUNDING 1e-9
/* A mean over about so many of the last. */
#define MEAN_OF 100.0

void budget_init(struct budget *budget) { *budget = (struct budget){.retries = BUDGET_RETRIES}; }

/* --- the last ten seconds --- */

static struct budget_second *second_of(struct budget *budget, uint64_t now_ns) {
    uint64_t second = now_ns / NS_PER_S;
    struct budget_second *s = &budget->seconds[second % BUDGET_SECONDS];
    if (s->second != second)
        *s = (struct budget_second){.second = second};
    return s;
}

static struct budget_second recent(const struct budget *budget, uint64_t now_ns) {
    struct budget_second sum = {.second = now_ns / NS_PER_S};
    for (unsigned i = 0; i < BUDGET_SECONDS; i++) {
        const struct budget_second *s = &budget->seconds[i];
        if (s->second + BUDGET_SECONDS <= sum.second || s->second > sum.second)
            continue;
        sum.requests += s->requests;
        sum.hedges += s->hedges;
        sum.attempts += s->attempts;
        sum.failures += s->failures;
    }
    return sum;
}

static bool hasty(const struct budget *budget, double share, uint64_t now_ns) {
    struct budget_second sum = recent(budget, now_ns);
    return sum.hedges > BUDGET_HASTE * share * sum.requests && sum.hedges >= BUDGET_BURST;
}

bool budget_failing(const struct budget *budget, uint64_t now_ns) {
    struct budget_second sum = recent(budget, now_ns);
    return sum.attempts >= BUDGET_ERRORS_OF && sum.failures > BUDGET_ERRORS_MAX * sum.attempts;
}

/* --- what fills --- */

void budget_on_request(struct budget *budget, double share, uint64_t now_ns) {
    CHECK(share >= 0 && share <= 1);
    bool first = budget->requests++ == 0;
    budget->share = share;
    second_of(budget, now_ns)->requests++;
    if (share == 0) {
        budget->tokens = 0; /* also after a reload that turned hedging off */
        return;
    }
    double more = hasty(budget, share, now_ns) ? share / 2 : share;
    budget->tokens = fmin(budget->tokens + (first ? BUDGET_BURST : more), BUDGET_BURST);
}

void budget_on_attempt(struct budget *budget, bool failed, uint64_t now_ns) {
    struct budget_second *s = second_of(budget, now_ns);
    s->attempts++;
    s->failures += failed;
}

static void mean(double *of, double value) { *of += *of > 0 ? (value - *of) / MEAN_OF : value; }

void budget_on_end(struct budget *budget, bool answered, double cost_share, uint64_t won_pico,
                   uint64_t wasted_pico, double reserved) {
    if (answered)
        budget->retries = fmin(budget->retries + 1, BUDGET_RETRIES);
    if (won_pico > 0)
        mean(&budget->request_money, (double)won_pico);
    if (wasted_pico > 0)
        mean(&budget->waste_money, (double)wasted_pico);
    /* A burst of ten hedges' money, as of tokens. */
    double most = BUDGET_BURST * fmax(budget->waste_money, budget->request_money);
    budget->money += reserved - (double)wasted_pico + cost_share * (double)won_pico;
    budget->money = fmin(budget->money, most);
}

/* --- what empties --- */

/* Until a request has told what one costs, money binds nobody. */
bool budget_can_pay(const struct budget *budget) {
    return budget->request_money <= 0 || budget->waste_money <= 0 ||
           budget->money >= budget->waste_money;
}

bool budget_ready(const struct budget *budget, uint64_t now_ns) {
    struct budget_second sum = recent(budget, now_ns);
    double most = fmax(BUDGET_WORST * budget->share * sum.requests, 1);
    return budget->tokens >= 1 - TOKEN_ROUNDING && sum.hedges + 1 <= most + TOKEN_ROUNDING;
}

bool budget_take(struct budget *budget, double *reserved_pico, bool *money, uint64_t now_ns) {
    *reserved_pico = 0;
    *money = false;
    if (!budget_ready(budget, now_ns)) {
        budget->refused++;
        return false;
    }
    if (!budget_can_pay(budget)) {
        *money = true;
        budget->refused++;
        return false;
    }
    *reserved_pico = budget->waste_money;
    budget->money -= budget->waste_money;
    budget->tokens = fmax(budget->tokens - 1, 0);
    budget->taken++;
    second_of(budget, now_ns)->hedges++;
    return true;
}

void budget_put(struct budget *budget, double reserved_pico, uint64_t now_ns) {
    CHECK(budget->taken > 0);
    struct budget_second *s = second_of(budget, now_ns);
    budget->taken--;
    budget->money += reserved_pico;
    budget->tokens = fmin(budget->tokens + 1, BUDGET_BURST);
    if (s->hedges > 0)
        s->hedges--;
}

bool budget_take_retry(struct budget *budget) {
    if (budget->retries < 1)
        return false;
    budget->retries -= 1;
    return true;
}

void budget_put_retry(struct budget *budget) {
    budget->retries = fmin(budget->retries + 1, BUDGET_RETRIES);
}
