/* replay_command.c - see the header. */
#include "appliance/control/replay_command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "appliance/control/config_value.h"
#include "appliance/replay/replay_plot.h"
#include "appliance/replay/replay_print.h"
#include "appliance/replay/trace_read.h"

/* ---- options ---- */

static bool refuse(const char *option, const char *value, const char *reason, char *why,
                   size_t why_size) {
    snprintf(why, why_size, "--%s \"%.60s\" %s", option, value, reason);
    return false;
}

static bool read_switch(struct span text, bool *out, const char **reason) {
    *reason = "is neither on nor off";
    *out = span_eq(text, SPAN("on"));
    return *out || span_eq(text, SPAN("off"));
}

static bool read_policies(struct span text, unsigned *policies, const char **reason) {
    *policies = 0;
    *reason =
        "names a policy that does not exist; there are none, fixed, race, p95-delay, adaptive, "
        "oracle-single, oracle-windowed and clairvoyant, separated by commas";
    while (text.p) {
        char name[sizeof "oracle-windowed"];
        struct span part = span_trim(span_cut(&text, ','));
        if (part.n >= sizeof name)
            return false;
        enum replay_policy policy = replay_policy_find(span_text(part, name, sizeof name));
        if (policy == REPLAY_POLICIES)
            return false;
        *policies |= 1u << policy;
    }
    return true;
}

bool replay_command_settings(const struct replay_options *o, struct replay_settings *settings,
                             unsigned *policies, char *why, size_t why_size) {
    const char *reason = NULL;
    struct replay_settings s = replay_defaults();
    *policies = (1u << REPLAY_POLICIES) - 1;
    if (o->budget && !config_value_share(span_str(o->budget), &s.request_budget, &reason))
        return refuse("budget", o->budget, reason, why, why_size);
    if (o->cost_budget && !config_value_share(span_str(o->cost_budget), &s.cost_budget, &reason))
        return refuse("cost-budget", o->cost_budget, reason, why, why_size);
    if (o->target && !config_value_quantile(span_str(o->target), &s.target, &reason))
        return refuse("target", o->target, reason, why, why_size);
    if (o->delay && !config_value_duration(span_str(o->delay), &s.fixed_delay_ns, &reason))
        return refuse("delay", o->delay, reason, why, why_size);
    if (o->seed && !config_value_count(span_str(o->seed), &s.seed, &reason))
        return refuse("seed", o->seed, reason, why, why_size);
    if (o->queue && !read_switch(span_str(o->queue), &s.queue, &reason))
        return refuse("queue", o->queue, reason, why, why_size);
    if (o->policy && !read_policies(span_str(o->policy), policies, &reason))
        return refuse("policy", o->policy, reason, why, why_size);
    *settings = s;
    return true;
}

/* ---- the run ---- */

static bool complain(const char *path) {
    fprintf(stderr, "hedgerow: %s: %s\n", path, strerror(errno));
    return false;
}

static bool write_plot(const struct trace *t, const struct replay_figures *figures, unsigned count,
                       const char *path) {
    FILE *out = fopen(path, "w");
    if (!out)
        return complain(path);
    replay_plot_svg(t, figures, count, out);
    bool failed = ferror(out);
    /* What the disk had no room for is told by fclose at the latest. */
    return fclose(out) == 0 && !failed ? true : complain(path);
}

bool replay_command_run(const struct trace *t, const struct replay_settings *settings,
                        unsigned policies, const struct replay_options *options) {
    struct replay_figures figures[REPLAY_POLICIES];
    unsigned count = replay_figures_run(t, settings, policies, figures);
    if (options->json)
        replay_print_json(t, settings, figures, count, stdout);
    else
        replay_print_text(t, settings, figures, count, stdout);
    return !options->plot || write_plot(t, figures, count, options->plot);
}

static bool read_trace(const char *path, uint64_t seed, struct trace *out) {
    char why[512];
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *in = is_stdin ? stdin : fopen(path, "r");
    if (!in)
        return complain(path);
    bool ok = trace_read(in, is_stdin ? "stdin" : path, seed, out, why, sizeof why);
    if (!ok)
        fprintf(stderr, "hedgerow: %s\n", why);
    if (!is_stdin)
        fclose(in);
    return ok;
}

bool replay_command_main(const struct replay_options *options,
                         const struct replay_settings *settings, unsigned policies) {
    struct trace trace;
    if (!read_trace(options->trace, settings->seed, &trace))
        return false;
    bool ok = replay_command_run(&trace, settings, policies, options);
    trace_fini(&trace);
    return ok;
}
