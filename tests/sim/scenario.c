/* scenario.c - a race across formats, in all its permutations: the first cloud is silent, the second sends an error before
 * any content, the third answers; a client of each format sees one clean answer, the third's. And an answer that stalls in
 * its middle, with a second cloud that may go on, in all pairs. See scenario.h. */
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

/* ---- an answer that stalls ---- */

#define STALLERS 2

/* Where it stalls, and what on_stall makes of that for a stream: who finishes it, if anybody does. */
static const enum script stalls[] = {SCRIPT_STALL_CONTENT, SCRIPT_STALL_THOUGHT, SCRIPT_STALL_CALL,
                                     SCRIPT_CUT_CHUNK};

/* Can the second be asked to go on behind a text? */
static bool goes_on(const struct scenario *scenario) {
    return scenario->on_stall == ON_STALL_CONTINUE && scenario->go_on &&
           scenario->kinds[1] != CLOUD_GEMINI;
}

static void check_stalled(const struct scenario *scenario) {
    const struct request *request = ledger_find(1);
    const struct reply *stalled = request->replies[0];
    bool text = stalled->said.n > 0 && stalled->call_count == 0;
    bool spoke = text || stalled->call_count > 0;
    bool rescued =
        !scenario->stream || !spoke || (text && stalled->thought.n == 0 && goes_on(scenario));
    if (request->reply_count != (rescued ? 2 : 1))
        sim_fail("scenario", "%u clouds were asked", request->reply_count);
    if (request->outcome != OUT_ANSWERED || (scenario->stream && request->broken == rescued) ||
        (rescued && request->status != 200))
        sim_fail("scenario", "the client was answered with %u%s", request->status,
                 request->broken ? ", broken off" : "");
    if (rescued && request->winner->cloud->index != 1)
        sim_fail("scenario", "the answer is not finished by the second cloud");
}

unsigned scenario_stall(bool verbose) {
    unsigned count = 0;
    sim.what = "scenario stall, world";
    for (unsigned i = 0; i < KINDS * KINDS * FORMAT_CLIENTS * 2 * 2 * 2 * countof(stalls); i++) {
        unsigned at = i;
        struct scenario scenario = {.cloud_count = STALLERS};
        scenario.kinds[0] = (enum cloud_kind)(at % KINDS);
        scenario.kinds[1] = (enum cloud_kind)((at /= KINDS) % KINDS);
        scenario.format = (enum format)((at /= KINDS) % FORMAT_CLIENTS);
        scenario.stream = (at /= FORMAT_CLIENTS) % 2;
        scenario.go_on = (at /= 2) % 2;
        scenario.on_stall = (at /= 2) % 2 ? ON_STALL_CONTINUE : ON_STALL_RESTART;
        scenario.scripts[0] = stalls[at / 2];
        scenario.scripts[1] = SCRIPT_HEALTHY;
        world_run(i, &scenario, verbose);
        check_stalled(&scenario);
        count++;
    }
    sim.what = NULL;
    return count;
}
