/* hedge.h - when to start another attempt, which one wins, when to give up: decides, never acts.
 * (pure)
 *
 * Report events as they come (hedge_on_x), then ask hedge_next until it says WAIT, and again at
 * wake_ns at the latest. Each answer but WAIT is one step to be taken, and is taken as done.
 *
 *                       START           content              COMMIT
 *     attempt: UNSTARTED ----> RUNNING ---------> ANSWERED -----------> COMMITTED
 *                  ^              |                  |  \                   |
 *                  +-- denied ----+                  |   \ whole            |
 *                                 |                  |    v                 |
 *                                 |    end, CANCEL   |  WHOLE --COMMIT--+   | end, CANCEL (total)
 *                                 v                  v                  v   v
 *                               ENDED <---------------------------------------
 *
 *     request: no attempt has answered ---> leader ---> winner -- whole -------> over
 *                        |                                | ^  \                  ^
 *                        |                        stalled | |   \ broke off       |
 *                        |                                v |    v                |
 *                        |                              rescue --+--> FAIL -------+
 *                        |                           nobody can  ^
 *                        +---> decided (nobody will) ------------+
 *
 * Start: the first at once. By delay the next usable own backend, one delay after the last start,
 * as long as nobody has answered. After a failure the next one at once: own backends in the plan's
 * order, then those of fallback models (only when no other attempt runs: another model's answer
 * is second best), then once again one that only its connection had failed. Never two attempts at
 * the same backend at a time.
 *
 * Rescue: a winner that stalls or breaks off behind its commit may be gone on for (hedge_on_stall,
 * when stall.h says that it can be): the next backend that was not asked yet is started at once, own
 * ones in the plan's order and then those of fallback models, one at a time and within the same
 * limits. Its first content is one more COMMIT, and it the winner from then on, who may stall in turn.
 * When it fails the next one is asked; when nobody is left the client is told why the winner failed.
 *
 * End: the first reported content wins, and the others are lost. A non-retryable answer
 * (fail_retry) ends the race at once and is shown. When nothing runs and nothing is left to start,
 * the reason is that of the first attempt which was not turned away with 429: "429" is said only
 * when all were. */
#ifndef HEDGEROW_APPLIANCE_RACE_HEDGE_H
#define HEDGEROW_APPLIANCE_RACE_HEDGE_H

#include "appliance/race/plan.h"

enum hedge_do {
    HEDGE_WAIT,   /* nothing to do before wake_ns (UINT64_MAX: until something is reported) */
    HEDGE_START,  /* start attempt number `attempt` at hedge_backend(); trigger says why; answer
                   * with hedge_on_denied or _passed, at once, if it must not be */
    HEDGE_CANCEL, /* cut attempt off; why = FAIL_LOST or the time limit it ran into */
    HEDGE_COMMIT, /* attempt wins: relay it; after a commit: behind what its predecessor has said */
    HEDGE_FAIL,   /* all is lost: tell the client why, once. attempt = the one whose answer is to be
                   * shown (HEDGE_NOBODY: none); after a commit the winner, which broke off */
};
enum hedge_trigger { HEDGE_FIRST, HEDGE_DELAY, HEDGE_FAILURE, HEDGE_STALL };
#define HEDGE_NOBODY UINT32_MAX

struct hedge_step {
    enum hedge_do what;
    unsigned attempt;
    enum hedge_trigger trigger;
    uint64_t wake_ns;
    enum fail why;
};

enum hedge_attempt_state {
    HEDGE_UNSTARTED, /* this number is free */
    HEDGE_RUNNING,   /* started, no content yet: its clocks tick */
    HEDGE_ANSWERED,  /* content seen, commit due, unless another one answered first */
    HEDGE_WHOLE,     /* as ANSWERED, and it ended well in the same turn: nothing to cancel */
    HEDGE_COMMITTED, /* the winner, still streaming */
    HEDGE_ENDED,     /* reported by on_end, or cancelled by us; further reports are ignored */
};

struct hedge_attempt {
    enum hedge_attempt_state state;
    enum hedge_trigger trigger;
    unsigned backend; /* index in plan->backends */
    uint64_t start_ns;
    bool head;     /* its response head has come */
    enum fail why; /* ENDED: why it did */
};

struct hedge {
    const struct plan *plan; /* borrowed, outlives */
    uint64_t begin_ns;
    struct hedge_attempt attempts[ATTEMPTS_MAX];
    unsigned started;     /* attempts [0, started) are or were under way */
    unsigned running;     /* of these RUNNING, ANSWERED or COMMITTED */
    uint32_t used;        /* bit b: backends[b] was asked, or denied when it was its turn */
    uint32_t used_again;  /* bit b: it had its second try */
    uint32_t passed;      /* bit b: it took no hedge when one was due */
    unsigned starts_due;  /* the first attempt, and one for each failure, not started yet */
    uint64_t delay_ns;    /* the plan's; UINT64_MAX: no start by delay, or no more */
    uint64_t hedge_at_ns; /* next delay-triggered start; UINT64_MAX: none */
    unsigned leader;      /* the first that answered: commit due; HEDGE_NOBODY: none */
    unsigned winner;      /* HEDGE_NOBODY until the commit, then the leader; while rescuing the last
                           * one, and the leader is who goes on for it */
    bool decided;         /* nobody will win: nothing more is started, what runs is cut off */
    bool over;            /* HEDGE_FAIL was said, or the winner's answer was whole */
    bool rescuing; /* the winner has ended, for `why`, and somebody is asked to go on for it */
    unsigned rescue_from; /* ... by attempts from this number on: those before it have lost */
    enum fail why;        /* of the FAIL to come or said; FAIL_NONE: none yet, or whole */
    unsigned shown;       /* whose answer is shown on FAIL */
};

/* `plan` is borrowed as long as the hedge is used. */
void hedge_init(struct hedge *, const struct plan *plan, uint64_t now_ns);
/* The backend to which an attempt that was started goes or went. Attempt k is not always at
 * plan->backends[k]: denials skip backends, a second try goes back. */
const struct config_backend *hedge_backend(const struct hedge *, unsigned attempt);
/* The attempt's response head (status 200) has come: its head clock stops. */
void hedge_on_head(struct hedge *, unsigned attempt, uint64_t now_ns);
/* First real content of an attempt (HEDGING.md "What wins"). Later calls are ignored. */
void hedge_on_content(struct hedge *, unsigned attempt, uint64_t now_ns);
/* The attempt ended: FAIL_NONE only for one that gave content and is whole, FAIL_LOST only for one
 * that was cancelled. Of two reports in one turn the first counts. */
void hedge_on_end(struct hedge *, unsigned attempt, enum fail why, uint64_t now_ns);
/* The winner has ended, for a reason of which fail_rescue holds, and can be gone on for elsewhere.
 * Instead of hedge_on_end. */
void hedge_on_stall(struct hedge *, unsigned attempt, enum fail why, uint64_t now_ns);
/* The last HEDGE_START was not possible (budget, rate limit, overload): its number is free again. A
 * DELAY start is not tried again at this request, nor is another; a FIRST, FAILURE or STALL start
 * goes on to the next backend of the plan. */
void hedge_on_denied(struct hedge *, unsigned attempt, uint64_t now_ns);
/* The last HEDGE_START, a DELAY one, was not possible at this backend (its limits, its health): its number
 * is free again, the backend may be asked after a failure only, and the start is due at once at the next
 * one. False: there is none, and it is as if it had been denied. */
bool hedge_on_passed(struct hedge *, unsigned attempt, uint64_t now_ns);
/* What a DELAY start was denied for has come: it is due at once, if nobody has answered meanwhile. */
void hedge_again(struct hedge *, uint64_t now_ns);
/* The last HEDGE_START was not possible and never will be at this request: the backend cannot express
 * it. Its number is free again, the backend counts as asked, and the start is due at once at the next
 * one. */
void hedge_on_unable(struct hedge *, unsigned attempt, uint64_t now_ns);
/* The next step. Between two reports it says WAIT after at most 2 x ATTEMPTS_MAX + 1 steps. */
struct hedge_step hedge_next(struct hedge *, uint64_t now_ns);
/* CHECKs what must hold of a hedge at any time; for tests and the simulator. */
void hedge_check(const struct hedge *);
const char *hedge_do_name(enum hedge_do);           /* "wait" "start" "cancel" "commit" "fail" */
const char *hedge_trigger_name(enum hedge_trigger); /* "first" "delay" "failure" "stall" */
const char *hedge_attempt_state_name(enum hedge_attempt_state);

#endif
