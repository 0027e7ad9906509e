/* learner.c - the place where workers' samples meet. See learner.h.
 *
 * Owns:     the learns, the inbox, the published boards.
 * Promises: a worker never waits: it tries the lock, which is held for copies only. Samples are taken up
 *           in the order of their arrival.
 * Refuses:  samples beyond the inbox, which are counted. */
#include "appliance/race/learner.h"

#include <pthread.h>
#include <string.h>

#include "appliance/race/advise.h"
#include "core/heap.h"

struct shelf { /* what waits for the computing thread */
    struct learner_sample *samples;
    unsigned count;
    struct learner_money *money; /* [model] */
};

struct desk { /* one worker's ages */
    struct learner_sample *ages;
    unsigned count;
    bool taken;
};

struct learner {
    const struct config *config; /* outlives */
    unsigned workers, samples_max;
    /* Under `lock`: */
    pthread_mutex_t lock;
    struct shelf inbox;
    struct desk *desks;         /* [worker] */
    struct learn_board *boards; /* [model] */
    uint64_t *generations;      /* [model] */
    /* Under `computing`: */
    pthread_mutex_t computing;
    struct learn *learns; /* [model] */
    struct shelf work;
    struct learner_sample *ages;     /* of all workers */
    struct learn_sample *model_ages; /* of one model */
};

struct learn_settings learner_settings(const struct config_model *model) {
    const struct config_hedge *hedge = &model->hedge;
    /* The longest delay, less what may be added to spread it. */
    uint64_t most_ns = (uint64_t)((double)hedge->max_delay_ns / (1 + ADVISE_JITTER));
    uint64_t delay_ns = most_ns ? min_u64(hedge->delay_ns, most_ns) : hedge->delay_ns;
    return (struct learn_settings){.request_budget = hedge->request_budget,
                                   .cost_budget = hedge->cost_budget,
                                   .target = hedge->target,
                                   .delay_ns = delay_ns,
                                   .delay_max_ns = most_ns,
                                   .sample = hedge->sample};
}

/* heap_alloc gives zeros; none of nothing is still a pointer. */
static void *array(size_t count, size_t size) { return heap_alloc(count * size + 1); }

static void shelf_init(struct shelf *shelf, const struct learner *learner) {
    shelf->samples = array(learner->samples_max, sizeof *shelf->samples);
    shelf->money = array(learner->config->model_count, sizeof *shelf->money);
}

static void shelf_fini(struct shelf *shelf) {
    heap_free(&shelf->samples);
    heap_free(&shelf->money);
}

static struct learn_board *boards_new(const struct config *config) {
    struct learn_board *boards = array(config->model_count, sizeof *boards);
    for (unsigned m = 0; m < config->model_count; m++) {
        const struct config_model *model = &config->models[m];
        struct learn_settings settings = learner_settings(model);
        learn_board_init(&boards[m], &settings, model->backend_count,
                         array(learn_board_size(model->backend_count), 1));
    }
    return boards;
}

static void boards_free(const struct config *config, struct learn_board **boards) {
    for (unsigned m = 0; m < config->model_count; m++)
        heap_free(&(*boards)[m].advice); /* the start of its memory */
    heap_free(boards);
}

struct learner *learner_new(const struct config *config, unsigned workers, uint64_t now_ns) {
    struct learner *learner = heap_alloc(sizeof *learner);
    CHECK(workers > 0);
    learner->config = config;
    learner->workers = workers;
    learner->samples_max = workers * LEARNER_BATCH;
    pthread_mutex_init(&learner->lock, NULL);
    pthread_mutex_init(&learner->computing, NULL);
    shelf_init(&learner->inbox, learner);
    shelf_init(&learner->work, learner);
    learner->desks = array(workers, sizeof *learner->desks);
    for (unsigned w = 0; w < workers; w++)
        learner->desks[w].ages = array(LEARNER_AGES, sizeof *learner->desks[w].ages);
    learner->ages = array((size_t)workers * LEARNER_AGES, sizeof *learner->ages);
    learner->model_ages = array((size_t)workers * LEARNER_AGES, sizeof *learner->model_ages);
    learner->boards = boards_new(config);
    learner->generations = array(config->model_count, sizeof *learner->generations);
    learner->learns = array(config->model_count, sizeof *learner->learns);
    for (unsigned m = 0; m < config->model_count; m++) {
        const struct config_model *model = &config->models[m];
        struct learn_settings settings = learner_settings(model);
        learn_init(&learner->learns[m], &settings, model->backend_count,
                   array(learn_size(model->backend_count), 1), now_ns);
    }
    return learner;
}

void learner_free(struct learner **pointer) {
    struct learner *learner = *pointer;
    for (unsigned w = 0; w < learner->workers; w++) {
        CHECK(!learner->desks[w].taken);
        heap_free(&learner->desks[w].ages);
    }
    for (unsigned m = 0; m < learner->config->model_count; m++)
        heap_free(&learner->learns[m].backends); /* the start of its memory */
    boards_free(learner->config, &learner->boards);
    shelf_fini(&learner->inbox);
    shelf_fini(&learner->work);
    heap_free(&learner->desks);
    heap_free(&learner->ages);
    heap_free(&learner->model_ages);
    heap_free(&learner->generations);
    heap_free(&learner->learns);
    pthread_mutex_destroy(&learner->lock);
    pthread_mutex_destroy(&learner->computing);
    heap_free(pointer);
}

static void inherit_model(struct learner *to, const struct learner *from,
                          const struct config_model *model, const struct config_model *was) {
    uint16_t numbers[BACKENDS_MAX];
    for (unsigned b = 0; b < model->backend_count; b++) {
        const struct config_backend *backend = config_backend_same(was, &model->backends[b]);
        numbers[b] = backend ? (uint16_t)backend->index : LEARN_NOBODY;
    }
    learn_inherit(&to->learns[model->index], &from->learns[was->index], numbers);
}

void learner_inherit(struct learner *to, struct learner *from) {
    pthread_mutex_lock(&from->computing);
    for (unsigned m = 0; m < to->config->model_count; m++) {
        const struct config_model *model = &to->config->models[m];
        const struct config_model *was = config_model_same(from->config, model);
        if (was)
            inherit_model(to, from, model, was);
    }
    pthread_mutex_unlock(&from->computing);
}

/* --- a worker's end --- */

void learner_open(struct learner *learner, struct learner_batch *batch) {
    const struct config *config = learner->config;
    *batch = (struct learner_batch){.learner = learner};
    batch->samples = array(LEARNER_BATCH, sizeof *batch->samples);
    batch->ages = array(LEARNER_AGES, sizeof *batch->ages);
    batch->money = array(config->model_count, sizeof *batch->money);
    batch->boards = boards_new(config);
    batch->seen = array(config->model_count, sizeof *batch->seen);
    pthread_mutex_lock(&learner->lock);
    while (batch->worker < learner->workers && learner->desks[batch->worker].taken)
        batch->worker++;
    CHECK(batch->worker < learner->workers);
    learner->desks[batch->worker].taken = true;
    pthread_mutex_unlock(&learner->lock);
}

void learner_close(struct learner_batch *batch) {
    struct learner *learner = batch->learner;
    pthread_mutex_lock(&learner->lock);
    learner->desks[batch->worker].taken = false;
    learner->desks[batch->worker].count = 0;
    pthread_mutex_unlock(&learner->lock);
    boards_free(learner->config, &batch->boards);
    heap_free(&batch->samples);
    heap_free(&batch->ages);
    heap_free(&batch->money);
    heap_free(&batch->seen);
    batch->learner = NULL;
}

void learner_add(struct learner_batch *batch, unsigned model, const struct learn_sample *sample) {
    if (batch->count == LEARNER_BATCH) {
        batch->dropped++;
        return;
    }
    batch->samples[batch->count++] = (struct learner_sample){.model = model, .sample = *sample};
}

void learner_add_age(struct learner_batch *batch, unsigned model, const struct learn_sample *age) {
    if (batch->age_count < LEARNER_AGES)
        batch->ages[batch->age_count++] = (struct learner_sample){.model = model, .sample = *age};
}

void learner_add_money(struct learner_batch *batch, unsigned model, uint64_t won_pico,
                       uint64_t wasted_pico, unsigned hedges) {
    struct learner_money *money = &batch->money[model];
    money->won_pico += (double)won_pico;
    money->wasted_pico += (double)wasted_pico;
    money->hedges += hedges;
    money->requests++;
}

static void give_money(struct learner_money *to, struct learner_money *from, unsigned count) {
    for (unsigned m = 0; m < count; m++) {
        to[m].won_pico += from[m].won_pico;
        to[m].wasted_pico += from[m].wasted_pico;
        to[m].requests += from[m].requests;
        to[m].hedges += from[m].hedges;
    }
    memset(from, 0, count * sizeof *from);
}

void learner_give(struct learner_batch *batch) {
    struct learner *learner = batch->learner;
    struct shelf *inbox = &learner->inbox;
    struct desk *desk = &learner->desks[batch->worker];
    unsigned models = learner->config->model_count;
    if (pthread_mutex_trylock(&learner->lock) != 0) {
        batch->age_count = 0; /* the desk keeps those of the last tick; newer come at the next */
        return;
    }
    unsigned room = learner->samples_max - inbox->count;
    unsigned count = batch->count < room ? batch->count : room;
    memcpy(inbox->samples + inbox->count, batch->samples, count * sizeof *batch->samples);
    inbox->count += count;
    give_money(inbox->money, batch->money, models);
    memcpy(desk->ages, batch->ages, batch->age_count * sizeof *desk->ages);
    desk->count = batch->age_count;
    for (unsigned m = 0; m < models; m++) {
        if (batch->seen[m] == learner->generations[m])
            continue;
        learn_board_copy(&batch->boards[m], &learner->boards[m]);
        batch->seen[m] = learner->generations[m];
    }
    pthread_mutex_unlock(&learner->lock);
    batch->dropped += batch->count - count;
    batch->count = batch->age_count = 0;
}

/* --- the computing thread --- */

/* Takes what the workers have brought; returns how many ages there are. */
static unsigned collect(struct learner *learner) {
    unsigned ages = 0;
    pthread_mutex_lock(&learner->lock);
    struct shelf full = learner->inbox;
    learner->inbox = learner->work;
    learner->work = full;
    for (unsigned w = 0; w < learner->workers; w++) {
        const struct desk *desk = &learner->desks[w];
        memcpy(learner->ages + ages, desk->ages, desk->count * sizeof *desk->ages);
        ages += desk->count;
    }
    pthread_mutex_unlock(&learner->lock);
    return ages;
}

static void take_up(struct learner *learner) {
    struct shelf *work = &learner->work;
    for (unsigned i = 0; i < work->count; i++)
        learn_take(&learner->learns[work->samples[i].model], &work->samples[i].sample);
    work->count = 0;
    for (unsigned m = 0; m < learner->config->model_count; m++) {
        const struct learner_money *money = &work->money[m];
        if (money->requests > 0)
            learn_cost(&learner->learns[m], money->won_pico, money->wasted_pico, money->requests,
                       money->hedges);
        work->money[m] = (struct learner_money){0};
    }
}

static void compute_model(struct learner *learner, unsigned model, unsigned age_count,
                          uint64_t now_ns) {
    struct learn *learn = &learner->learns[model];
    size_t count = 0;
    for (unsigned i = 0; i < age_count; i++)
        if (learner->ages[i].model == model)
            learner->model_ages[count++] = learner->ages[i].sample;
    if (!learn_compute(learn, learner->model_ages, count, now_ns))
        return;
    pthread_mutex_lock(&learner->lock);
    learn_board_copy(&learner->boards[model], &learn->board);
    learner->generations[model]++;
    pthread_mutex_unlock(&learner->lock);
}

void learner_compute(struct learner *learner, uint64_t now_ns) {
    pthread_mutex_lock(&learner->computing);
    unsigned ages = collect(learner);
    take_up(learner);
    for (unsigned m = 0; m < learner->config->model_count; m++)
        compute_model(learner, m, ages, now_ns);
    pthread_mutex_unlock(&learner->computing);
}

void learner_copy(struct learner *learner, unsigned model, struct learn *into) {
    pthread_mutex_lock(&learner->computing);
    learn_copy(into, &learner->learns[model]);
    pthread_mutex_unlock(&learner->computing);
}
