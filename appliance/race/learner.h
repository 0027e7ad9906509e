/* learner.h - what all workers learn together: samples from each go to one place, advice comes back.
 *
 *     worker --learner_give--> inbox            every tick (250 ms), under a lock held for a copy
 *                                |
 *              learner_compute: struct learn of each model (one thread, or the only worker's tick)
 *                                |
 *     worker <--learner_give-- boards           the next tick
 *
 * So what one worker saw is known to all within three ticks, and the request path reads only its own
 * worker's copy of the boards. One learner for each configuration; a reload's takes over what was
 * learnt. */
#ifndef HEDGEROW_APPLIANCE_RACE_LEARNER_H
#define HEDGEROW_APPLIANCE_RACE_LEARNER_H

#include "appliance/race/config.h"
#include "appliance/race/learn.h"

/* Of one worker between two ticks: 16,000 attempts a second. More are counted and forgotten: those that
 * are kept are as good a draw. */
#define LEARNER_BATCH 4096
/* Attempts of one worker that wait for their first token, as samples; of more, the oldest. */
#define LEARNER_AGES 1024

struct learner;

struct learner_sample {
    uint32_t model; /* config_model.index */
    struct learn_sample sample;
};

struct learner_money { /* of a model, since the last tick */
    double won_pico, wasted_pico;
    unsigned requests, hedges;
};

/* A worker's end. */
struct learner_batch {
    struct learner *learner; /* borrowed */
    unsigned worker;         /* its number among the learner's */
    unsigned count, age_count;
    uint64_t dropped;
    struct learner_sample *samples, *ages;
    struct learner_money *money; /* [model] */
    struct learn_board *boards;  /* [model]: what requests read */
    uint64_t *seen;              /* [model]: generation of the board */
};

/* For a configuration and so many workers. Never NULL; freed by who made it, when every batch is closed. */
struct learner *learner_new(const struct config *, unsigned workers, uint64_t now_ns);
void learner_free(struct learner **);
/* What `from` knows of backends that are in both (by model, provider, address and the provider's name of
 * the model) is known to `to`. Any thread; before `to` is computed for the first time. */
void learner_inherit(struct learner *to, struct learner *from);

/* Takes the next free end; at most `workers` are open at a time. */
void learner_open(struct learner *, struct learner_batch *);
void learner_close(struct learner_batch *);
/* One attempt's sample, and one age; one request's money. */
void learner_add(struct learner_batch *, unsigned model, const struct learn_sample *);
void learner_add_age(struct learner_batch *, unsigned model, const struct learn_sample *);
void learner_add_money(struct learner_batch *, unsigned model, uint64_t won_pico,
                       uint64_t wasted_pico, unsigned hedges);
/* Hands over what was gathered, its ages in place of those of the last time, and takes the boards that
 * are new. When another thread has the lock nothing happens: the next tick does it. */
void learner_give(struct learner_batch *);

/* Makes the boards anew. One thread at a time. */
void learner_compute(struct learner *, uint64_t now_ns);
/* A copy of what is known of a model, for reports: `into` was made by learn_init with learner_settings
 * and the model's count of backends. Any thread. */
void learner_copy(struct learner *, unsigned model, struct learn *into);
struct learn_settings learner_settings(const struct config_model *);

#endif
