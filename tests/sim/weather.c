/* weather.c - latencies, episodes, prices. See weather.h.
 *
 *   begin            from                until            span
 *     | enough to learn |  the episode     | as before      |
 */
#include "tests/sim/weather.h"

#include <math.h>

#define WEATHER_SHARE 0.04 /* of the seeds: such a world has as many requests as thirty others */
#define SPAN_MS       30000
#define USUAL_SIGMA   0.25 /* of the logarithm of first-token times around the usual */
#define SLOW_TIMES    8
/* Seen only where every cloud is asked often enough, before it and in it. */
#define ALL_SLOW_SHARE 0.3
#define TOKEN_PICO     1000000 /* a dollar per million */

void weather_draw(void) {
    world.zoned = world.cloud_count > 1 && world_chance(0.1);
    world.fallback = world.model_count > 1 && world_chance(0.1);
    world.priced = world_chance(0.3);
    world.busy_core = world_chance(0.02);
    if (!world_chance(WEATHER_SHARE))
        return;
    world.weather = true;
    world.cloud_count = (unsigned)world_between(2, CLOUDS_MAX);
    world.client_count = (unsigned)world_between(60, 140);
    for (unsigned m = 0; m < world.model_count; m++)
        world.models[m].backends = world.cloud_count;
    world.priced = world_chance(0.5);
    world.fault_share = world_chance(0.7) ? 0 : 0.1 * rand_double(&sim.world);
    world.tight_memory = world.few_exchanges = world.few_connections = world.limited = false;
    world.drain_ns = world.stop_ns = UINT64_MAX;
    world.reload_ns = UINT64_MAX;
    if (world_chance(0.15))
        world.reload_ns = sim.now_ns + SIM_MS(world_below(SPAN_MS));
    world.piece_ns = SIM_MS(1);
    world.idle_ns = SIM_MS(4000);
    world.episode =
        world_chance(ALL_SLOW_SHARE) ? EPISODE_ALL_SLOW : (enum episode)world_below(EPISODE_COUNT);
    world.episode_cloud = (unsigned)world_below(world.cloud_count);
    world.episode_from_ns = sim.now_ns + SIM_MS(world_between(8000, 14000));
    world.episode_until_ns = world.episode_from_ns + SIM_MS(world_between(4000, 12000));
    world.faults_until_ns = sim.now_ns + SIM_MS(SPAN_MS);
}

uint64_t weather_span_ns(void) { return SIM_MS(SPAN_MS); }

void weather_cloud(struct cloud *cloud) {
    if (world.priced) {
        uint64_t input_pico = TOKEN_PICO * world_between(1, 5);
        cloud->price = (struct config_price){.known = true,
                                             .input_pico = input_pico,
                                             .cached_input_pico = input_pico / 2,
                                             .output_pico = 4 * input_pico};
    }
    if (!world.weather)
        return;
    cloud->fault_share = world.fault_share;
    cloud->dial_fault_share = 0;
    cloud->limit = 0;
    cloud->usual_ns = SIM_MS(world_between(30, 200));
    cloud->tail_share = 0.02 + 0.1 * rand_double(&sim.world);
    cloud->tail_times = (double)world_between(5, 12);
}

void weather_model(struct config_model *model) {
    struct config_hedge *hedge = &model->hedge;
    if (world.episode == EPISODE_ALL_SLOW)
        model->strategy = STRATEGY_WEIGHTED;
    if (world_chance(0.8))
        hedge->mode = HEDGE_MODE_ADAPTIVE;
    hedge->delay_ns = SIM_MS(world_between(100, 800));
    hedge->request_budget = 0.02 + 0.3 * rand_double(&sim.world);
    hedge->cost_budget = world_chance(0.5) ? 0.02 : rand_double(&sim.world);
    hedge->max_delay_ns = world_chance(0.3) ? SIM_MS(world_between(200, 2000)) : 0;
    hedge->target = world_chance(0.5) ? 0.99 : 0.95;
    model->timeouts = (struct config_timeouts){.connect_ns = SIM_MS(1000),
                                               .tls_ns = SIM_MS(1000),
                                               .head_ns = SIM_MS(world_between(5000, 9000)),
                                               .first_token_ns = SIM_MS(world_between(5000, 9000)),
                                               .idle_ns = SIM_MS(2000),
                                               .total_ns = SIM_MS(world_between(12000, 30000))};
}

static bool in_episode(void) {
    return sim.now_ns >= world.episode_from_ns && sim.now_ns < world.episode_until_ns;
}

/* The normal distribution by Box and Muller. */
static double normal(void) {
    double radius = sqrt(-2 * log1p(-rand_double(&sim.world)));
    return radius * cos(2 * M_PI * rand_double(&sim.world));
}

uint64_t weather_first_ns(const struct cloud *cloud) {
    double ns = (double)cloud->usual_ns * exp(USUAL_SIGMA * normal());
    if (world_chance(cloud->tail_share))
        ns *= cloud->tail_times;
    bool slow = world.episode == EPISODE_ALL_SLOW ||
                (world.episode == EPISODE_ONE_SLOW && cloud->index == world.episode_cloud);
    return (uint64_t)(slow && in_episode() ? ns * SLOW_TIMES : ns);
}

bool weather_script(const struct cloud *cloud, enum script *script) {
    static const enum script silences[] = {SCRIPT_STALL_HEAD, SCRIPT_STALL_BODY, SCRIPT_STALL_ROLE};
    static const enum script failures[] = {SCRIPT_STATUS_500, SCRIPT_STATUS_429, SCRIPT_RESET_HEAD,
                                           SCRIPT_ERROR_FIRST, SCRIPT_EMPTY_DONE};
    if (!world.weather || !in_episode())
        return false;
    switch (world.episode) {
    case EPISODE_NONE:
    case EPISODE_ALL_SLOW:
    case EPISODE_ONE_SLOW:
    case EPISODE_COUNT: return false;
    case EPISODE_SILENT:
        *script = silences[world_below(countof(silences))];
        return cloud->index == world.episode_cloud;
    case EPISODE_ALL_FAIL: *script = failures[world_below(countof(failures))]; return true;
    }
    return false;
}
