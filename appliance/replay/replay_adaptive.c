/* replay_adaptive.c - the live decision code over a trace: learn, its advice, the budget. (pure)
 *
 * Owns:     one request's state each, and a heap of what happens next.
 * Promises: decides with what was known at that moment, as a worker does: answers when they have come,
 *           losers as cut off, ages of what waits; advice from the last statistics tick. */
#include <string.h>

#include "appliance/race/advise.h"
#include "appliance/race/budget.h"
#include "appliance/race/suppress.h"
#include "appliance/replay/replay.h"
#include "core/heap.h"
#include "core/rand.h"

#define SAMPLE   0.005 /* the live default of hedge.sample */
#define TICK_NS  (250 * NS_PER_MS)
#define AGES_MAX 4096
#define NEVER    UINT64_MAX
/* After so long a request that is never answered is given up, as clients do: no longer an age that is
 * looked at, but an attempt that was cut off. */
#define GIVE_UP_NS (120 * NS_PER_S)

/* What is under way: a request whose hedge is due, or whose first token comes. */
struct pending {
    uint64_t at_ns;
    uint32_t request;
    uint8_t second; /* the hedge's backend */
    uint8_t kind;
    bool due; /* its hedge is due, then; else its first token comes */
    bool hedged, fair;
    uint64_t hedge_ns; /* when the hedge went */
    double reserved;   /* of the money budget */
};

struct run {
    const struct trace *trace;
    const struct replay_settings *settings;
    struct replay_result *out;
    struct learn learn;
    struct budget budget;
    struct rand rand;
    struct pending *heap; /* least at_ns first */
    size_t heap_count, heap_max;
    struct learn_sample *ages;
    struct pending *queue; /* requests whose hedge found no token, the oldest at queue_head */
    size_t queue_head, queue_count, queue_max;
    uint8_t *states; /* enum state of each request */
    double won, wasted;
};

/* --- the heap --- */

static void heap_push(struct run *run, const struct pending *pending) {
    if (run->heap_count == run->heap_max) {
        size_t max = run->heap_max * 2;
        struct pending *heap = heap_alloc(max * sizeof *heap);
        memcpy(heap, run->heap, run->heap_count * sizeof *heap);
        heap_free(&run->heap);
        run->heap = heap;
        run->heap_max = max;
    }
    size_t at = run->heap_count++;
    for (; at > 0 && run->heap[(at - 1) / 2].at_ns > pending->at_ns; at = (at - 1) / 2)
        run->heap[at] = run->heap[(at - 1) / 2];
    run->heap[at] = *pending;
}

static struct pending heap_pop(struct run *run) {
    struct pending top = run->heap[0], last = run->heap[--run->heap_count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < run->heap_count) {
        if (child + 1 < run->heap_count && run->heap[child + 1].at_ns < run->heap[child].at_ns)
            child++;
        if (run->heap[child].at_ns >= last.at_ns)
            break;
        run->heap[at] = run->heap[child];
        at = child;
    }
    run->heap[at] = last;
    return top;
}

/* --- the queue --- */

enum state { WAITING, HEDGED, ANSWERED };

static void queue_push(struct run *run, const struct pending *pending) {
    if (run->queue_count == run->queue_max)
        return; /* so many wait that the youngest has no prospect */
    run->queue[(run->queue_head + run->queue_count++) % run->queue_max] = *pending;
}

static void queue_drop(struct run *run) {
    run->queue_head = (run->queue_head + 1) % run->queue_max;
    run->queue_count--;
}

/* --- a request --- */

static uint64_t add_ns(uint64_t at_ns, uint64_t ns) {
    return ns < NEVER - at_ns ? at_ns + ns : NEVER;
}

/* When the answer comes to a request of the trace, or it is given up. */
static uint64_t end_ns(const struct run *run, uint32_t request, uint64_t answer_ns) {
    return answer_ns != NEVER ? answer_ns : add_ns(run->trace->time_ns[request], GIVE_UP_NS);
}

static uint64_t first_ns(const struct run *run, uint32_t request) {
    return trace_ttft_ns(run->trace, request, run->trace->primary[request]);
}

static void take(struct run *run, uint64_t value_ns, unsigned backend, unsigned behind,
                 unsigned kind, bool cut) {
    struct learn_sample sample = {.value_ns = value_ns,
                                  .backend = (uint16_t)backend,
                                  .behind = (uint16_t)behind,
                                  .kind = (uint8_t)kind,
                                  .cut = cut};
    learn_take(&run->learn, &sample);
}

static void start_hedge(struct run *run, struct pending *pending, uint64_t now_ns) {
    uint64_t begin_ns = run->trace->time_ns[pending->request];
    uint64_t first = add_ns(begin_ns, first_ns(run, pending->request));
    uint64_t second = add_ns(now_ns, trace_ttft_ns(run->trace, pending->request, pending->second));
    pending->hedged = true;
    pending->hedge_ns = now_ns;
    pending->at_ns = end_ns(run, pending->request, min_u64(first, second));
    run->out->hedges++;
    run->out->delay_ns[pending->request] = now_ns - begin_ns;
    run->states[pending->request] = HEDGED;
}

/* Its own hedge is due. Where it finds no token it waits for one, if it may. */
static void hedge(struct run *run, struct pending *pending, uint64_t now_ns) {
    bool money = false;
    uint64_t first = first_ns(run, pending->request);
    pending->due = false;
    pending->at_ns =
        end_ns(run, pending->request, add_ns(run->trace->time_ns[pending->request], first));
    if (run->learn.board.slowdown) {
        run->out->suppressed[SUPPRESS_SLOWDOWN]++;
    } else if (budget_take(&run->budget, &pending->reserved, &money, now_ns)) {
        start_hedge(run, pending, now_ns);
    } else {
        run->out->suppressed[money ? SUPPRESS_COST : SUPPRESS_BUDGET]++;
        if (run->settings->queue)
            queue_push(run, pending);
    }
    heap_push(run, pending);
}

/* A token has come: it goes to the request that has waited longest. */
static void serve_queue(struct run *run, uint64_t now_ns) {
    bool money;
    while (run->queue_count > 0) {
        struct pending pending = run->queue[run->queue_head];
        if (run->states[pending.request] == ANSWERED) {
            queue_drop(run);
            continue;
        }
        if (run->learn.board.slowdown ||
            !budget_take(&run->budget, &pending.reserved, &money, now_ns))
            return;
        queue_drop(run);
        start_hedge(run, &pending, now_ns);
        heap_push(run, &pending);
    }
}

/* The second backend, and when: as plan.c does it. */
static void arrive(struct run *run, uint32_t request) {
    const struct trace *trace = run->trace;
    uint64_t begin_ns = trace->time_ns[request];
    unsigned primary = trace->primary[request];
    unsigned kind = learn_kind(trace->input_tokens[request], true);
    struct pending pending = {
        .request = request, .kind = (uint8_t)kind, .second = (uint8_t)primary};
    budget_on_request(&run->budget, run->settings->request_budget, begin_ns);
    struct advise advice =
        advise(&run->learn.board, primary, kind, UINT32_MAX, rand_u64(&run->rand));
    serve_queue(run, begin_ns);
    uint64_t answer_ns = first_ns(run, request);
    pending.second = (uint8_t)advice.second;
    pending.fair = advice.fair;
    pending.due = advice.delay_ns < answer_ns;
    pending.at_ns = pending.due ? add_ns(begin_ns, advice.delay_ns)
                                : end_ns(run, request, add_ns(begin_ns, answer_ns));
    heap_push(run, &pending);
}

static void answer(struct run *run, const struct pending *pending) {
    const struct trace *trace = run->trace;
    uint32_t request = pending->request;
    if (run->states[request] == ANSWERED || (run->states[request] == HEDGED && !pending->hedged))
        return; /* it was hedged from the queue: another event tells its answer */
    run->states[request] = ANSWERED;
    unsigned primary = trace->primary[request];
    uint64_t age_ns = pending->at_ns - trace->time_ns[request];
    bool by_first = age_ns == first_ns(run, request);
    bool by_second =
        pending->hedged && !by_first &&
        pending->at_ns == add_ns(pending->hedge_ns, trace_ttft_ns(trace, request, pending->second));
    bool answered = by_first || by_second;
    double input = trace->input_tokens[request] * run->settings->input_price;
    double output = trace->output_tokens[request] * run->settings->output_price;
    double price = answered ? input + output : 0;
    run->out->ttft_ns[request] = answered ? age_ns : NEVER;
    take(run, age_ns, primary, LEARN_NOBODY, pending->kind, !by_first);
    if (pending->hedged)
        take(run, pending->at_ns - pending->hedge_ns, pending->second,
             pending->fair ? LEARN_NOBODY : primary, pending->kind, !by_second);
    run->won += price;
    run->wasted += pending->hedged ? input : 0;
    double wasted = pending->hedged ? input : 0;
    learn_cost(&run->learn, price, wasted, 1, pending->hedged);
    budget_on_end(&run->budget, answered, run->settings->cost_budget, (uint64_t)price,
                  (uint64_t)wasted, pending->reserved);
}

/* --- time --- */

static void tick(struct run *run, uint64_t now_ns) {
    size_t count = 0;
    for (size_t i = 0; i < run->heap_count && count < AGES_MAX; i++) {
        const struct pending *pending = &run->heap[i];
        run->ages[count++] = (struct learn_sample){
            .value_ns = now_ns - run->trace->time_ns[pending->request],
            .backend = run->trace->primary[pending->request],
            .behind = LEARN_NOBODY,
            .kind = pending->kind,
            .cut = true,
        };
    }
    learn_compute(&run->learn, run->ages, count, now_ns);
}

static void step(struct run *run) {
    struct pending next = heap_pop(run);
    if (next.due)
        hedge(run, &next, next.at_ns);
    else
        answer(run, &next);
}

void replay_adaptive(const struct trace *trace, const struct replay_settings *settings,
                     struct replay_result *out) {
    struct run run = {.trace = trace, .settings = settings, .out = out, .heap_max = 1024};
    struct learn_settings of_learn = {.request_budget = settings->request_budget,
                                      .cost_budget = settings->cost_budget,
                                      .target = settings->target,
                                      .delay_ns = settings->fixed_delay_ns,
                                      .sample = SAMPLE};
    void *memory = heap_alloc(learn_size(trace->backends));
    run.heap = heap_alloc(run.heap_max * sizeof *run.heap);
    run.ages = heap_alloc(AGES_MAX * sizeof *run.ages);
    run.queue_max = AGES_MAX;
    run.queue = heap_alloc(run.queue_max * sizeof *run.queue);
    run.states = heap_alloc(trace->count);
    learn_init(&run.learn, &of_learn, trace->backends, memory, 0);
    budget_init(&run.budget);
    rand_init(&run.rand, settings->seed);
    uint64_t tick_ns = TICK_NS;
    unsigned idle = 0; /* ticks with nothing under way */
    for (size_t i = 0; i < trace->count || run.heap_count > 0;) {
        uint64_t arrival_ns = i < trace->count ? trace->time_ns[i] : NEVER;
        uint64_t event_ns = run.heap_count > 0 ? run.heap[0].at_ns : NEVER;
        uint64_t now_ns = min_u64(arrival_ns, event_ns);
        if (now_ns == NEVER)
            break; /* what is left never answers */
        if (tick_ns <= now_ns) {
            tick(&run, tick_ns);
            tick_ns += TICK_NS;
            idle = run.heap_count > 0 ? 0 : idle + 1;
            /* After all kinds have had their turns nothing changes until the next arrival. */
            if (idle > LEARN_TURNS + 1 && now_ns > tick_ns)
                tick_ns += (now_ns - tick_ns) / TICK_NS * TICK_NS;
        } else if (event_ns <= arrival_ns) {
            step(&run);
        } else {
            arrive(&run, (uint32_t)i++);
        }
    }
    out->extra_cost = run.won > 0 ? run.wasted / run.won : 0;
    heap_free(&run.heap);
    heap_free(&run.queue);
    heap_free(&run.states);
    heap_free(&run.ages);
    heap_free(&memory);
}
