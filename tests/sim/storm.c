/* storm.c - every cloud fails in the same way, for all clients, and is well again: what reaches the clouds beyond the
 * requests is a constant, whatever the operator allows each request; and nobody is left behind. See scenario.h.
 *
 *   begin                        STORM_NS        recovered       BACK_NS
 *     | half of the clients come     |  the other half come ...     | the first in order is the first again
 */
#include <stdio.h>

#include "appliance/race/budget.h"
#include "appliance/race/health.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

#define CLIENTS  120
#define STORM_NS SIM_MS(5000)
/* Ejections of one, two and four seconds fit into the storm; nobody is out for longer than the last of them. */
#define BACK_NS (4 * HEALTH_OPEN_MIN_NS + SIM_MS(1000))

static const struct {
    bool refuses; /* connections; else: */
    enum script script;
} ways[] = {{true, SCRIPT_HEALTHY},      {false, SCRIPT_RESET_HEAD}, {false, SCRIPT_CLOSE_HEAD},
            {false, SCRIPT_STATUS_500},  {false, SCRIPT_STATUS_429}, {false, SCRIPT_STATUS_529},
            {false, SCRIPT_ERROR_FIRST}, {false, SCRIPT_EMPTY_DONE}, {false, SCRIPT_STALL_HEAD},
            {false, SCRIPT_STALL_ROLE}};
static const unsigned attempts[] = {1, 2, 3, 8}, counts[] = {1, 2, CLOUDS_MAX};
static const enum hedge_mode modes[] = {HEDGE_MODE_OFF, HEDGE_MODE_ADAPTIVE};

struct tally {
    unsigned storm, extra, at_clouds;
};

static void check_after(const struct request *request, uint64_t recovered_ns) {
    if (request->outcome != OUT_ANSWERED || request->status != 200 || request->broken)
        sim_fail("storm", "request %u came when all was well and was answered with %u", request->n,
                 request->status);
    if (request->sent_ns >= recovered_ns + BACK_NS && request->winner->cloud->index != 0)
        sim_fail("storm", "request %u went to cloud %u: the first one is still out", request->n,
                 request->winner->cloud->index);
}

static void count(struct tally *tally, const struct request *request) {
    tally->storm++;
    tally->extra += request->attempts_made - 1;
    tally->at_clouds += request->attempts;
}

/* Each request has so many attempts if nothing but its plan bounds it. */
static unsigned wanted(const struct scenario *scenario) {
    unsigned most = scenario->attempts_max < scenario->cloud_count ? scenario->attempts_max
                                                                   : scenario->cloud_count;
    return most + (scenario->fallback ? 1 : 0);
}

static void check(const struct scenario *scenario) {
    struct tally tally = {0};
    uint64_t recovered_ns = SIM_BEGIN_NS + scenario->recover_ns;
    for (unsigned n = 1; n <= ledger_count(); n++) {
        const struct request *request = ledger_find(n);
        if (request->sent_ns >= recovered_ns)
            check_after(request, recovered_ns);
        else
            count(&tally, request);
    }
    double hedges =
        scenario->mode == HEDGE_MODE_OFF ? 0 : BUDGET_BURST + SCENARIO_STORM_BUDGET * tally.storm;
    double most = BUDGET_RETRIES + hedges;
    if (tally.extra > most || tally.at_clouds > tally.storm + most)
        sim_fail("storm", "%u extra attempts of %u requests, %u at the clouds, at most %.0f",
                 tally.extra, tally.storm, tally.at_clouds, most);
    /* Less would be no proof: the bound is what stopped them. */
    if (wanted(scenario) > 1 && tally.extra < BUDGET_RETRIES)
        sim_fail("storm", "only %u extra attempts of %u requests", tally.extra, tally.storm);
}

static void run(struct scenario *scenario, unsigned number, bool verbose) {
    scenario->clients = CLIENTS;
    scenario->recover_ns = STORM_NS;
    scenario->format = (enum format)(number % FORMAT_CLIENTS);
    scenario->stream = number / FORMAT_CLIENTS % 2 == 0;
    for (unsigned i = 0; i < scenario->cloud_count; i++)
        scenario->kinds[i] = (enum cloud_kind)((number + i) % (CLOUD_BEDROCK + 1));
    world_run(number, scenario, verbose);
    check(scenario);
}

unsigned scenario_storm(bool verbose) {
    unsigned number = 0,
             total = countof(ways) * countof(attempts) * countof(counts) * countof(modes) * 2;
    sim.what = "scenario storm, world";
    for (; number < total; number++) {
        unsigned rest = number;
        struct scenario scenario = {.fallback = rest % 2 == 0};
        rest /= 2;
        scenario.mode = modes[rest % countof(modes)];
        rest /= countof(modes);
        scenario.cloud_count = counts[rest % countof(counts)];
        rest /= countof(counts);
        scenario.attempts_max = attempts[rest % countof(attempts)];
        rest /= countof(attempts);
        for (unsigned i = 0; i < CLOUDS_MAX; i++)
            scenario.scripts[i] = ways[rest].script;
        scenario.refuses = ways[rest].refuses;
        run(&scenario, number, verbose);
    }
    sim.what = NULL;
    return number;
}
