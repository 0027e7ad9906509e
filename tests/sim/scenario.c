/* scenario.c - a race across formats, in all its permutations: the first cloud is silent, the second sends an error before
 * any content, the third answers; a client of each format sees one clean answer, the third's. See scenario.h. */
#include "tests/sim/scenario.h"

#include <stdio.h>

#include "tests/sim/world.h"

#define RUNNERS 3
#define KINDS   (CLOUD_BEDROCK + 1)

/* What the third may do: with text, with calls, or as one JSON body. */
static const enum script answers[] = {SCRIPT_HEALTHY, SCRIPT_TOOLS, SCRIPT_WHOLE_JSON};

static void check(const struct scenario *scenario) {
    const struct request *request = ledger_find(1);
    if (ledger_count() != 1 || request->outcome != OUT_ANSWERED || request->status != 200 ||
        request->broken)
        sim_fail("scenario", "the client was answered with %u", request->status);
    if (request->reply_count != RUNNERS)
        sim_fail("scenario", "%u clouds were asked", request->reply_count);
    if (!request->winner || request->winner->cloud->index != RUNNERS - 1)
        sim_fail("scenario", "the answer is not the last cloud's");
    if (request->winner->cloud->kind != scenario->kinds[RUNNERS - 1])
        sim_fail("scenario", "the answer is of another kind of cloud");
}

/* One order of clouds, for all clients. */
static unsigned run_order(const enum cloud_kind *kinds, bool verbose) {
    unsigned count = 0;
    for (unsigned i = 0; i < FORMAT_CLIENTS * 2 * countof(answers); i++) {
        struct scenario scenario = {.cloud_count = RUNNERS,
                                    .format = (enum format)(i / 2 % FORMAT_CLIENTS),
                                    .stream = i % 2 == 0};
        memcpy(scenario.kinds, kinds, RUNNERS * sizeof kinds[0]);
        scenario.scripts[0] = SCRIPT_STALL_HEAD;
        scenario.scripts[1] = SCRIPT_ERROR_FIRST;
        scenario.scripts[2] = answers[i / 2 / FORMAT_CLIENTS];
        /* The number of the world is its seed, and says which it is. */
        uint64_t seed = ((kinds[0] * 10 + kinds[1]) * 10 + kinds[2]) * 100 + i;
        world_run(seed, &scenario, verbose);
        check(&scenario);
        count++;
    }
    return count;
}

unsigned scenario_across(bool verbose) {
    unsigned count = 0;
    sim.what = "scenario across, world";
    for (unsigned order = 0; order < KINDS * KINDS * KINDS; order++) {
        enum cloud_kind kinds[RUNNERS] = {(enum cloud_kind)(order / KINDS / KINDS),
                                          (enum cloud_kind)(order / KINDS % KINDS),
                                          (enum cloud_kind)(order % KINDS)};
        if (kinds[0] != kinds[1] && kinds[1] != kinds[2] && kinds[0] != kinds[2])
            count += run_order(kinds, verbose);
    }
    sim.what = NULL;
    return count;
}
