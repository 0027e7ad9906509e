/* replay_bench.c - `hedgerow-bench replay`: the policies of `hedgerow replay` over generated and recorded
 * traces, one by one or as the table of the README. */
#include "bench/commands.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/control/replay_command.h"
#include "appliance/replay/replay_plot.h"
#include "appliance/replay/trace_read.h"
#include "bench/replay/fanout.h"
#include "bench/replay/generate.h"
#include "bench/replay/recorded.h"
#include "bench/replay/table.h"
#include "bench/units.h"

static const char USAGE[] =
    "usage: hedgerow-bench replay [OPTIONS]\n"
    "\n"
    "Runs the policies of `hedgerow replay` over generated and recorded traces.\n"
    "\n"
    "  --trace NAME|all    which (default all; bigtable: the fan-out of The Tail at Scale)\n"
    "  --list              names them\n"
    "  --requests N        of each trace at most (default 200000)\n"
    "  --rate R            arrivals per second of generated ones (default 100)\n"
    "  --seed N            of the trace and of the policies' coins (default 1)\n"
    "  --recorded FOLDER   of the recordings (default ../shared/traces; left out if not there)\n"
    "  --write FILE.csv    writes the one trace instead, for `hedgerow replay`\n"
    "  --table             instead: two Markdown tables over several seeds, with a verdict for\n"
    "                      each trace; exit status 1 when one misses a criterion\n"
    "  --seeds N           of the table (default 5), from --seed on\n"
    "  --plots FOLDER      of the table: NAME.svg for each trace, drawn from the first seed\n"
    "  --budget 5%  --cost-budget 5%  --target p99  --delay 400ms  --queue on|off\n"
    "  --policy LIST  --json  --plot FILE.svg      as of `hedgerow replay`\n"
    "\n"
    "Exit status: 0 ok, 1 failed, 2 wrong usage.\n";

static const char RECORDED_FOLDER[] = "../shared/traces";
static const char BIGTABLE[] = "bigtable";
enum { SEEDS_DEFAULT = 5 };

enum option_id {
    OPTION_TRACE = 256,
    OPTION_LIST,
    OPTION_REQUESTS,
    OPTION_RATE,
    OPTION_SEED,
    OPTION_RECORDED,
    OPTION_WRITE,
    OPTION_TABLE,
    OPTION_SEEDS,
    OPTION_PLOTS,
    OPTION_BUDGET,
    OPTION_COST_BUDGET,
    OPTION_TARGET,
    OPTION_DELAY,
    OPTION_QUEUE,
    OPTION_POLICY,
    OPTION_JSON,
    OPTION_PLOT,
    OPTION_HELP
};

static const struct option long_options[] = {
    {"trace", required_argument, NULL, OPTION_TRACE},
    {"list", no_argument, NULL, OPTION_LIST},
    {"requests", required_argument, NULL, OPTION_REQUESTS},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"recorded", required_argument, NULL, OPTION_RECORDED},
    {"write", required_argument, NULL, OPTION_WRITE},
    {"table", no_argument, NULL, OPTION_TABLE},
    {"seeds", required_argument, NULL, OPTION_SEEDS},
    {"plots", required_argument, NULL, OPTION_PLOTS},
    {"budget", required_argument, NULL, OPTION_BUDGET},
    {"cost-budget", required_argument, NULL, OPTION_COST_BUDGET},
    {"target", required_argument, NULL, OPTION_TARGET},
    {"delay", required_argument, NULL, OPTION_DELAY},
    {"queue", required_argument, NULL, OPTION_QUEUE},
    {"policy", required_argument, NULL, OPTION_POLICY},
    {"json", no_argument, NULL, OPTION_JSON},
    {"plot", required_argument, NULL, OPTION_PLOT},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

struct bench_options {
    struct replay_options replay; /* of it `trace` is a name here, NULL for all */
    const char *requests, *rate, *write, *recorded, *seeds, *plots;
    bool list, help, table;
    struct generate_options generate;
    struct replay_settings settings;
    unsigned policies, seed_count;
};

static int usage_error(const char *what, const char *which) {
    fprintf(stderr, "hedgerow-bench replay: %s%s\n\n%s", what, which, USAGE);
    return EXIT_USAGE;
}

static bool complain(const char *what) {
    fprintf(stderr, "hedgerow-bench replay: %s\n", what);
    return false;
}

static bool complain_file(const char *path) {
    fprintf(stderr, "hedgerow-bench replay: %s: %s\n", path, strerror(errno));
    return false;
}

/* ---- options ---- */

static const char **place_of(struct bench_options *o, int id) {
    switch (id) {
    case OPTION_TRACE: return &o->replay.trace;
    case OPTION_REQUESTS: return &o->requests;
    case OPTION_RATE: return &o->rate;
    case OPTION_SEED: return &o->replay.seed;
    case OPTION_RECORDED: return &o->recorded;
    case OPTION_WRITE: return &o->write;
    case OPTION_SEEDS: return &o->seeds;
    case OPTION_PLOTS: return &o->plots;
    case OPTION_BUDGET: return &o->replay.budget;
    case OPTION_COST_BUDGET: return &o->replay.cost_budget;
    case OPTION_TARGET: return &o->replay.target;
    case OPTION_DELAY: return &o->replay.delay;
    case OPTION_QUEUE: return &o->replay.queue;
    case OPTION_POLICY: return &o->replay.policy;
    case OPTION_PLOT: return &o->replay.plot;
    }
    return NULL;
}

static bool *switch_of(struct bench_options *o, int id) {
    switch (id) {
    case OPTION_JSON: return &o->replay.json;
    case OPTION_LIST: return &o->list;
    case OPTION_TABLE: return &o->table;
    case OPTION_HELP: return &o->help;
    }
    return NULL;
}

static int read_options(int argc, char **argv, struct bench_options *o) {
    char why[300];
    opterr = 0;
    for (int id; (id = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        const char **place = place_of(o, id);
        bool *on = switch_of(o, id);
        if (place)
            *place = optarg;
        else if (on)
            *on = true;
        else
            return usage_error("unknown option, or one without its value: ", argv[optind - 1]);
    }
    if (optind < argc)
        return usage_error("unexpected argument ", argv[optind]);
    if (!replay_command_settings(&o->replay, &o->settings, &o->policies, why, sizeof why))
        return usage_error(why, "");
    return EXIT_OK;
}

static bool is_known(const char *name) {
    return generate_find(name) >= 0 || recorded_find(name) >= 0 || strcmp(name, BIGTABLE) == 0;
}

/* What goes with what. */
static int check_options(const struct bench_options *o) {
    const char *trace = o->replay.trace;
    if (trace && !is_known(trace))
        return usage_error("--list tells the names of the traces; none is ", trace);
    if ((!trace || o->table) && (o->write || o->replay.plot))
        return usage_error("--write and --plot want one --trace, and no --table", "");
    if (trace && strcmp(trace, BIGTABLE) == 0 && (o->write || o->replay.plot || o->table))
        return usage_error("bigtable is a table of its own: no --write, --plot or --table", "");
    if (!o->table && (o->seeds || o->plots))
        return usage_error("--seeds and --plots belong to --table", "");
    return EXIT_OK;
}

static int read_numbers(struct bench_options *o) {
    uint64_t number;
    o->generate = generate_defaults();
    o->generate.seed = o->settings.seed;
    o->seed_count = SEEDS_DEFAULT;
    if (o->requests) {
        if (!units_count(o->requests, &number) || number == 0 || number > TRACE_REQUESTS_MAX)
            return usage_error("--requests wants a number from 1 to 10000000, not ", o->requests);
        o->generate.requests = (size_t)number;
    }
    if (o->seeds) {
        if (!units_count(o->seeds, &number) || number == 0 || number > TABLE_SEEDS_MAX)
            return usage_error("--seeds wants a number from 1 to 32, not ", o->seeds);
        o->seed_count = (unsigned)number;
    }
    if (o->rate && (!units_number(o->rate, &o->generate.rate_per_s) ||
                    !(o->generate.rate_per_s > 0 && o->generate.rate_per_s <= 1e6)))
        return usage_error("--rate wants arrivals per second, up to a million, not ", o->rate);
    if (o->replay.trace && strcmp(o->replay.trace, "all") == 0)
        o->replay.trace = NULL;
    return check_options(o);
}

/* ---- the traces ---- */

/* Generated ones first, then the recorded ones where there are recordings. */
struct set {
    struct recorded *recorded; /* NULL: none */
    unsigned generated;
};

static const char *name_of(const struct set *set, unsigned k) {
    return k < set->generated ? generate_name(k) : recorded_name(k - set->generated);
}

static const char *what_of(const struct set *set, unsigned k) {
    return k < set->generated ? generate_what(k) : recorded_what(k - set->generated);
}

static bool is_wanted(const struct set *set, unsigned k, const char *trace) {
    if (k >= set->generated && !set->recorded)
        return false;
    return !trace || strcmp(trace, name_of(set, k)) == 0;
}

/* Reads the recordings if a trace may need them. False: they were asked for and cannot be read. */
static bool open_set(const struct bench_options *o, struct set *set) {
    char why[PATH_MAX + 200];
    const char *trace = o->replay.trace;
    *set = (struct set){.recorded = NULL};
    while (generate_name(set->generated))
        set->generated++;
    if (trace && recorded_find(trace) < 0)
        return true;
    set->recorded = recorded_open(o->recorded ? o->recorded : RECORDED_FOLDER, why, sizeof why);
    if (set->recorded)
        return true;
    complain(why);
    if (o->recorded || trace)
        return false;
    fputs("hedgerow-bench replay: no recordings (--recorded FOLDER); only generated traces\n",
          stderr);
    return true;
}

static bool make_trace(const struct set *set, unsigned k, const struct generate_options *options,
                       struct trace *out) {
    char why[200];
    if (k < set->generated) {
        generate_make(k, options, out);
        return true;
    }
    return recorded_make(set->recorded, k - set->generated, options, out, why, sizeof why) ||
           complain(why);
}

/* ---- one by one ---- */

static bool write_trace(const struct trace *t, const char *path) {
    FILE *out = fopen(path, "w");
    if (!out)
        return complain_file(path);
    trace_write(t, out);
    bool failed = ferror(out);
    return fclose(out) == 0 && !failed ? true : complain_file(path);
}

static bool run_each(const struct set *set, const struct bench_options *o) {
    bool ok = true;
    for (unsigned k = 0; ok && name_of(set, k); k++) {
        struct trace trace;
        if (!is_wanted(set, k, o->replay.trace))
            continue;
        if (!make_trace(set, k, &o->generate, &trace))
            return false;
        ok = o->write ? write_trace(&trace, o->write)
                      : replay_command_run(&trace, &o->settings, o->policies, &o->replay);
        trace_fini(&trace);
        if (!o->replay.trace && !o->replay.json)
            puts("");
    }
    return ok;
}

/* ---- the table ---- */

static bool plot(const struct trace *t, const struct replay_figures *figures, const char *folder) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.svg", folder, t->name);
    FILE *out = fopen(path, "w");
    if (!out)
        return complain_file(path);
    replay_plot_svg(t, figures, JUDGE_ORACLE + 1, out);
    bool failed = ferror(out);
    return fclose(out) == 0 && !failed ? true : complain_file(path);
}

/* All seeds of one trace. */
static bool run_row(const struct set *set, unsigned k, const struct bench_options *o,
                    struct table *table) {
    /* The criteria are for a hundred requests a second. Recorded arrivals are 3 to 5, where the ten
     * tokens that a budget may keep are a fifth of the requests of 10 s. */
    unsigned row = table_add(table, name_of(set, k), what_of(set, k), k < set->generated);
    bool ok = true;
    fprintf(stderr, "replay: %s\n", name_of(set, k));
    for (unsigned i = 0; ok && i < o->seed_count; i++) {
        struct trace trace;
        struct generate_options options = o->generate;
        options.seed += i;
        if (!make_trace(set, k, &options, &trace))
            return false;
        const struct replay_figures *figures = table_run(table, row, &trace, options.seed);
        ok = i > 0 || !o->plots || plot(&trace, figures, o->plots);
        trace_fini(&trace);
    }
    return ok;
}

static bool run_table(const struct set *set, const struct bench_options *o) {
    struct table table;
    bool ok = true;
    table_init(&table, &o->settings);
    for (unsigned k = 0; ok && name_of(set, k); k++)
        if (is_wanted(set, k, o->replay.trace))
            ok = run_row(set, k, o, &table);
    if (ok)
        ok = table_print(&table, stdout) == 0 ||
             complain("a trace misses a criterion: see FAIL in the table");
    table_fini(&table);
    return ok;
}

/* ---- the command ---- */

static void list(void) {
    for (unsigned k = 0; generate_name(k); k++)
        printf("%-13s %s\n", generate_name(k), generate_what(k));
    for (unsigned k = 0; recorded_name(k); k++)
        printf("%-13s %s\n", recorded_name(k), recorded_what(k));
    printf("%-13s 100 reads in parallel, each hedged after 10 ms\n", BIGTABLE);
}

int replay_command(int argc, char **argv) {
    struct bench_options o = {0};
    struct set set;
    int status = read_options(argc, argv, &o);
    if (status == EXIT_OK)
        status = read_numbers(&o);
    if (status != EXIT_OK)
        return status;
    if (o.help) {
        fputs(USAGE, stdout);
        return EXIT_OK;
    }
    if (o.list) {
        list();
        return EXIT_OK;
    }
    if (o.replay.trace && strcmp(o.replay.trace, BIGTABLE) == 0) {
        fanout_print(o.generate.requests, o.generate.seed, stdout);
        return EXIT_OK;
    }
    if (!open_set(&o, &set))
        return EXIT_FAILED;
    bool ok = o.table ? run_table(&set, &o) : run_each(&set, &o);
    recorded_close(&set.recorded);
    return ok ? EXIT_OK : EXIT_FAILED;
}
