/* main.c - the simulation: runs seeds and prints what came of them.
 *
 *     sim [--from N] [--seeds N]        seeds N.., by default 1..2000; each mark must be reached
 *     sim --seed N [--verbose]          one seed; --verbose tells its story
 *     sim --scenario across|stall|storm the worlds of scenario.c or storm.c alone; otherwise they come before the seeds
 *     sim --seeds-only [...]            without them
 *
 * Prints `ok sim seeds A..B (...)`, or `not ok sim seed N: checker: what` and exits with 1. A seed that crashes or hangs
 * is named as well. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

#define SEEDS_DEFAULT 2000
/* Marks are asked for only of runs of at least so many seeds: fewer may miss them by chance. */
#define SEEDS_FOR_MARKS 2000
#define REPEATED_SEEDS  50
/* Real time that one seed may take. */
#define SEED_LIMIT_S 30

struct arguments {
    uint64_t from, count;
    bool verbose, single, seeds_only;
    const char *scenario; /* that one alone; NULL: all, and then the seeds */
};

static const char *const mark_texts[MARK_COUNT] = {
#define MARK(name, text) [MARK_##name] = text,
#include "tests/sim/marks.def"
#undef MARK
};

/* Async-signal-safe but for printf's buffer, which nobody else can be in: one thread, and it is here. */
static void died(const char *how) {
    printf("not ok sim %s %llu: crash: %s\n", sim.what ? sim.what : "seed",
           (unsigned long long)sim.seed, how);
    fflush(stdout);
}

static void on_signal(int number) {
    died(number == SIGALRM ? "hangs" : number == SIGABRT ? "a CHECK failed" : "signal");
    _exit(1);
}

/* Called by the sanitizers before they end the program. */
void __asan_on_error(void);
void __asan_on_error(void) { died("the address sanitizer"); }

static _Noreturn void usage(void) {
    fprintf(stderr, "usage: sim [--from N] [--seeds N] [--seeds-only] | --seed N [--verbose] | "
                    "--scenario across|stall|storm [--verbose]\n");
    exit(2);
}

static uint64_t number(const char *text) {
    uint64_t n;
    if (!text || !span_u64(span_str(text), UINT64_MAX, &n))
        usage();
    return n;
}

static struct arguments parse(int count, char **words) {
    struct arguments arguments = {.from = 1, .count = SEEDS_DEFAULT};
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--verbose") == 0) {
            arguments.verbose = true;
        } else if (strcmp(words[i], "--seeds-only") == 0) {
            arguments.seeds_only = true;
        } else if (strcmp(words[i], "--scenario") == 0 && i + 1 < count) {
            arguments.scenario = words[++i];
        } else if (strcmp(words[i], "--seed") == 0 && i + 1 < count) {
            arguments.from = number(words[++i]);
            arguments.count = 1;
            arguments.single = true;
        } else if (strcmp(words[i], "--seeds") == 0 && i + 1 < count) {
            arguments.count = number(words[++i]);
        } else if (strcmp(words[i], "--from") == 0 && i + 1 < count) {
            arguments.from = number(words[++i]);
        } else {
            usage();
        }
    }
    return arguments;
}

static bool check_marks(const struct arguments *arguments) {
    bool all = true;
    for (unsigned m = 0; m < MARK_COUNT; m++) {
        if (arguments->verbose && sim.marks[m])
            printf("# mark: %s: %llu\n", mark_texts[m], (unsigned long long)sim.marks[m]);
        if (sim.marks[m] || arguments->count < SEEDS_FOR_MARKS)
            continue;
        printf("not ok marks: %s never reached\n", mark_texts[m]);
        all = false;
    }
    return all;
}

/* The same seed, the same world: else a failure could not be looked at again. */
static void check_repeats(const struct arguments *arguments) {
    struct sim_counts counts = sim.counts;
    for (uint64_t i = 0; i < arguments->count && i < REPEATED_SEEDS; i++) {
        world_run(arguments->from + i, NULL, false);
        uint64_t digest = sim.digest;
        world_run(arguments->from + i, NULL, false);
        if (sim.digest != digest)
            sim_fail("repeat", "the same seed ran differently");
    }
    sim.counts = counts; /* these were counted before */
}

static void run_scenarios(const struct arguments *arguments) {
    static const struct {
        const char *name;
        unsigned (*run)(bool verbose);
    } scenarios[] = {
        {"across", scenario_across}, {"stall", scenario_stall}, {"storm", scenario_storm}};
    bool any = false;
    for (unsigned i = 0; i < countof(scenarios); i++) {
        if (arguments->scenario && strcmp(arguments->scenario, scenarios[i].name) != 0)
            continue;
        any = true;
        alarm(SEED_LIMIT_S);
        printf("ok sim scenario %s (%u worlds)\n", scenarios[i].name,
               scenarios[i].run(arguments->verbose));
        fflush(stdout);
    }
    if (!any)
        usage();
    sim.counts = (struct sim_counts){0};
}

int main(int count, char **words) {
    struct arguments arguments = parse(count, words);
    signal(SIGABRT, on_signal);
    signal(SIGSEGV, on_signal);
    signal(SIGALRM, on_signal);
    if (!arguments.single && !arguments.seeds_only)
        run_scenarios(&arguments);
    if (arguments.scenario)
        return 0;
    for (uint64_t i = 0; i < arguments.count; i++) {
        alarm(SEED_LIMIT_S);
        world_run(arguments.from + i, NULL, arguments.single && arguments.verbose);
    }
    alarm(SEED_LIMIT_S);
    check_repeats(&arguments);
    alarm(0);
    bool marks = check_marks(&arguments);
    const struct sim_counts *c = &sim.counts;
    printf("ok sim seeds %llu..%llu (%llu requests, %llu attempts, %llu hedges by delay, %llu "
           "answered, %llu errors, %llu broken off, %llu cancels, %llu left, %llu turns, %llu "
           "virtual s)\n",
           (unsigned long long)arguments.from,
           (unsigned long long)(arguments.from + arguments.count - 1),
           (unsigned long long)c->requests, (unsigned long long)c->attempts,
           (unsigned long long)c->hedges, (unsigned long long)c->answers,
           (unsigned long long)c->errors, (unsigned long long)c->broken,
           (unsigned long long)c->cancels, (unsigned long long)c->left,
           (unsigned long long)c->turns, (unsigned long long)c->virtual_s);
    return marks ? 0 : 1;
}
