/* clouds_script.h - a cloud's answer as a list of steps: what is written when, and how it ends. */
#ifndef TESTS_SIM_CLOUDS_SCRIPT_H
#define TESTS_SIM_CLOUDS_SCRIPT_H

#include "tests/sim/ledger.h"

enum step_what { STEP_SEND, STEP_CLOSE, STEP_RESET, STEP_DONE };

struct step {
    enum step_what what;
    uint64_t delay_ns; /* before it, from the end of the step before */
    const char *p;
    size_t n;
    bool content; /* the first token is whole with it */
};

#define STEPS_MAX 512

struct play {
    struct step steps[STEPS_MAX];
    unsigned count; /* behind the last step: stalls */
};

/* Writes the steps of reply->script, and what the reply will have said into the reply. */
void script_write(struct play *, struct reply *);

#endif
