/* main.c - the hedgerow command: finds the subcommand, reads its options, calls it.
 *
 * Promises: results on standard output, talk on standard error; exit 0 done, 1 failed, 2 wrongly
 *           called. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "appliance/control/check.h"
#include "appliance/control/config_setting.h"
#include "appliance/control/config_value.h"
#include "appliance/control/replay_command.h"
#include "appliance/control/report_command.h"
#include "appliance/control/serve.h"
#include "appliance/control/version.h"

enum exit_code { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

/* Every option of every command: one spelling means one thing everywhere. */
enum flag {
    FLAG_CONFIG,
    FLAG_WORKERS,
    FLAG_LISTEN,
    FLAG_TRACE,
    FLAG_BUDGET,
    FLAG_COST_BUDGET,
    FLAG_TARGET,
    FLAG_POLICY,
    FLAG_DELAY,
    FLAG_QUEUE,
    FLAG_SEED,
    FLAG_JSON,
    FLAG_PLOT,
    FLAG_ADMIN,
    FLAG_LOG,
    FLAG_MODEL,
    FLAG_TRACE_OUT,
    FLAG_BUILD,
    FLAG_HELP,
    FLAG_COUNT
};

static const struct {
    const char *name, *value; /* value NULL: takes none */
    const char *doc;
} flags[FLAG_COUNT] = {
    [FLAG_CONFIG] = {"config", "FILE", "the configuration, in YAML (`hedgerow help settings`)"},
    [FLAG_WORKERS] = {"workers", "N", "number of workers instead of the configured one"},
    [FLAG_LISTEN] = {"listen", "ADDR:PORT",
                     "listen here, in clear text, instead of on the configured listeners"},
    [FLAG_TRACE] =
        {"trace", "FILE.csv",
         "recorded times; - is standard input. One row for each time that is known,\n"
         "                        time_ms,request,backend,input_tokens,ttft_ms,output_tokens\n"
         "                        or one row a request,\n"
         "                        time_ms,backend,prompt_tokens,ttft_ms,output_tokens"},
    [FLAG_BUDGET] = {"budget", "5%", "extra requests per request (default 5%)"},
    [FLAG_COST_BUDGET] = {"cost-budget", "5%", "extra money per money (default: no limit)"},
    [FLAG_TARGET] = {"target", "p99", "the quantile to make small (default p99)"},
    [FLAG_POLICY] =
        {"policy", "LIST",
         "of none, fixed, race, p95-delay, adaptive, oracle-single, oracle-windowed and\n"
         "                        clairvoyant, separated by commas (default all)"},
    [FLAG_DELAY] = {"delay", "400ms",
                    "of fixed; and of adaptive until it has learnt (default 400ms)"},
    [FLAG_QUEUE] = {"queue", "on|off",
                    "adaptive: hedges that find the budget spent wait for it (default on)"},
    [FLAG_SEED] = {"seed", "N", "of all that is drawn (default 1)"},
    [FLAG_JSON] = {"json", NULL, "print JSON instead of a table"},
    [FLAG_PLOT] = {"plot", "FILE.svg", "also draw the share of requests that wait longer than t"},
    [FLAG_ADMIN] = {"admin", "ADDR:PORT",
                    "the admin listener of a running hedgerow (default 127.0.0.1:9901)"},
    [FLAG_LOG] = {"log", "FILE", "read an access log instead; - is standard input"},
    [FLAG_MODEL] = {"model", "NAME", "of the log, only what this model was asked"},
    /* Of `report`: the same form, but written. */
    [FLAG_TRACE_OUT] = {"trace", "OUT.csv", "also write what `hedgerow replay --trace` reads"},
    [FLAG_BUILD] = {"build", NULL, "also compiler, kernel features found and library versions"},
    [FLAG_HELP] = {"help", NULL, "this text"},
};

/* What was given, by flag; "" for one without value. */
struct given {
    const char *values[FLAG_COUNT];
    char *const *words; /* what is not an option */
    int word_count;
};

struct command {
    const char *name, *words, *summary;
    unsigned allowed, required; /* bits of enum flag */
    int words_max;
    enum exit_code (*run)(const struct given *);
};

#define BIT(flag) (1u << (flag))

static enum exit_code run_serve(const struct given *);
static enum exit_code run_check(const struct given *);
static enum exit_code run_replay(const struct given *);
static enum exit_code run_report(const struct given *);
static enum exit_code run_version(const struct given *);
static enum exit_code run_help(const struct given *);

static const struct command commands[] = {
    {.name = "serve",
     .words = "",
     .summary = "run the proxy in the foreground",
     .allowed = BIT(FLAG_CONFIG) | BIT(FLAG_WORKERS) | BIT(FLAG_LISTEN) | BIT(FLAG_HELP),
     .required = BIT(FLAG_CONFIG),
     .run = run_serve},
    {.name = "check",
     .words = "",
     .summary = "validate a configuration and print what it comes to",
     .allowed = BIT(FLAG_CONFIG) | BIT(FLAG_HELP),
     .required = BIT(FLAG_CONFIG),
     .run = run_check},
    {.name = "replay",
     .words = "",
     .summary = "what hedging policies would have made of recorded first-token times",
     .allowed = BIT(FLAG_TRACE) | BIT(FLAG_BUDGET) | BIT(FLAG_COST_BUDGET) | BIT(FLAG_TARGET) |
                BIT(FLAG_POLICY) | BIT(FLAG_DELAY) | BIT(FLAG_QUEUE) | BIT(FLAG_SEED) |
                BIT(FLAG_JSON) | BIT(FLAG_PLOT) | BIT(FLAG_HELP),
     .required = BIT(FLAG_TRACE),
     .run = run_replay},
    {.name = "report",
     .words = "",
     .summary = "what hedging saved and cost; while it is off, what it would have saved",
     .allowed = BIT(FLAG_ADMIN) | BIT(FLAG_LOG) | BIT(FLAG_MODEL) | BIT(FLAG_TRACE_OUT) |
                BIT(FLAG_JSON) | BIT(FLAG_HELP),
     .run = run_report},
    {.name = "version",
     .words = "",
     .summary = "print the version",
     .allowed = BIT(FLAG_BUILD) | BIT(FLAG_HELP),
     .run = run_version},
    {.name = "help",
     .words = "[COMMAND | settings]",
     .summary = "print this, a command's options, or every setting of the configuration",
     .allowed = BIT(FLAG_HELP),
     .words_max = 1,
     .run = run_help},
};

static void show_usage(FILE *out) {
    fprintf(out,
            "hedgerow %s - sends LLM requests to several clouds and relays the first answer\n\n"
            "usage: hedgerow COMMAND [OPTIONS]\n\n",
            HEDGEROW_VERSION);
    for (size_t i = 0; i < countof(commands); i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
    fputs("\n`hedgerow COMMAND --help` tells more.\n", out);
}

static void show_command(const struct command *command, FILE *out) {
    fprintf(out, "usage: hedgerow %s", command->name);
    for (unsigned f = 0; f < FLAG_COUNT; f++) {
        if (f == FLAG_HELP || !(command->allowed & BIT(f)))
            continue;
        bool required = command->required & BIT(f);
        fprintf(out, " %s--%s%s%s%s", required ? "" : "[", flags[f].name, flags[f].value ? " " : "",
                flags[f].value ? flags[f].value : "", required ? "" : "]");
    }
    fprintf(out, "%s%s\n\n%s\n\n", *command->words ? " " : "", command->words, command->summary);
    for (unsigned f = 0; f < FLAG_COUNT; f++)
        if (command->allowed & BIT(f))
            fprintf(out, "  --%s%s%-*s %s\n", flags[f].name, flags[f].value ? " " : "",
                    (int)(18 - strlen(flags[f].name)) + !flags[f].value,
                    flags[f].value ? flags[f].value : "", flags[f].doc);
}

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < countof(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static enum exit_code unknown_command(const char *name) {
    fprintf(stderr, "hedgerow: unknown command \"%s\"\n\n", name);
    show_usage(stderr);
    return EXIT_USAGE;
}

static enum exit_code usage_error(const struct command *command, const char *what,
                                  const char *which) {
    fprintf(stderr, "hedgerow %s: %s%s\n\n", command->name, what, which);
    show_command(command, stderr);
    return EXIT_USAGE;
}

static enum exit_code run_serve(const struct given *given) {
    const struct command *self = find_command("serve");
    struct serve_options options = {.config_path = given->values[FLAG_CONFIG],
                                    .listen = given->values[FLAG_LISTEN]};
    const char *workers = given->values[FLAG_WORKERS], *why;
    struct config_address address;
    uint64_t count = 0;
    if (workers && (!span_u64(span_str(workers), WORKERS_MAX, &count) || count == 0))
        return usage_error(self, "--workers wants a number from 1 to 256, not ", workers);
    if (options.listen && !config_value_address(span_str(options.listen), &address, &why))
        return usage_error(self, "--listen ", why);
    options.workers = (unsigned)count;
    return serve_main(&options) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static enum exit_code run_check(const struct given *given) {
    return check_main(given->values[FLAG_CONFIG]) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static enum exit_code run_replay(const struct given *given) {
    struct replay_options options = {
        .trace = given->values[FLAG_TRACE],
        .budget = given->values[FLAG_BUDGET],
        .cost_budget = given->values[FLAG_COST_BUDGET],
        .target = given->values[FLAG_TARGET],
        .policy = given->values[FLAG_POLICY],
        .delay = given->values[FLAG_DELAY],
        .queue = given->values[FLAG_QUEUE],
        .seed = given->values[FLAG_SEED],
        .plot = given->values[FLAG_PLOT],
        .json = given->values[FLAG_JSON] != NULL,
    };
    struct replay_settings settings;
    unsigned policies;
    char why[300];
    if (!replay_command_settings(&options, &settings, &policies, why, sizeof why))
        return usage_error(find_command("replay"), why, "");
    return replay_command_main(&options, &settings, policies) ? EXIT_DONE : EXIT_FAILED;
}

static enum exit_code run_report(const struct given *given) {
    struct report_options options = {
        .admin = given->values[FLAG_ADMIN],
        .log = given->values[FLAG_LOG],
        .model = given->values[FLAG_MODEL],
        .trace = given->values[FLAG_TRACE_OUT],
        .json = given->values[FLAG_JSON] != NULL,
    };
    char why[300];
    if (!report_command_check(&options, why, sizeof why))
        return usage_error(find_command("report"), why, "");
    switch (report_command_main(&options)) {
    case REPORT_DONE: return EXIT_DONE;
    case REPORT_FAILED: return EXIT_FAILED;
    case REPORT_USAGE: return EXIT_USAGE;
    }
    return EXIT_FAILED;
}

static enum exit_code run_version(const struct given *given) {
    return version_main(given->values[FLAG_BUILD] != NULL) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static enum exit_code run_help(const struct given *given) {
    if (given->word_count == 0) {
        show_usage(stdout);
        return EXIT_DONE;
    }
    if (strcmp(given->words[0], "settings") == 0) {
        config_setting_list(stdout);
        return EXIT_DONE;
    }
    const struct command *command = find_command(given->words[0]);
    if (!command)
        return unknown_command(given->words[0]);
    show_command(command, stdout);
    return EXIT_DONE;
}

/* Fills *given from argv behind the command's name. EXIT_USAGE when it cannot, having said why. */
static enum exit_code read_options(const struct command *command, int argc, char **argv,
                                   struct given *given) {
    struct option options[FLAG_COUNT + 1] = {0};
    unsigned count = 0;
    for (unsigned f = 0; f < FLAG_COUNT; f++)
        if (command->allowed & BIT(f))
            options[count++] =
                (struct option){.name = flags[f].name,
                                .has_arg = flags[f].value ? required_argument : no_argument,
                                .val = (int)f + 1};
    opterr = 0;
    /* The leading ':' tells a missing value from an unknown option. */
    for (int flag; (flag = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        if (flag == '?')
            return usage_error(command, "unknown option ", argv[optind - 1]);
        if (flag == ':')
            return usage_error(command, "a value is missing behind ", argv[optind - 1]);
        given->values[flag - 1] = flags[flag - 1].value ? optarg : "";
    }
    given->words = argv + optind;
    given->word_count = argc - optind;
    if (given->values[FLAG_HELP])
        return EXIT_DONE;
    for (unsigned f = 0; f < FLAG_COUNT; f++)
        if (command->required & BIT(f) && !given->values[f])
            return usage_error(command, "missing option --", flags[f].name);
    if (given->word_count > command->words_max)
        return usage_error(command, "unexpected argument ", given->words[command->words_max]);
    return EXIT_DONE;
}

static enum exit_code run(int argc, char **argv) {
    if (argc < 2) {
        show_usage(stderr);
        return EXIT_USAGE;
    }
    struct given given = {.word_count = 0};
    const char *name = argv[1];
    /* The two habits that every command-line tool answers to. */
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0)
        name = "version";
    const struct command *command = find_command(name);
    if (!command)
        return unknown_command(name);
    enum exit_code code = read_options(command, argc - 1, argv + 1, &given);
    if (code != EXIT_DONE)
        return code;
    if (given.values[FLAG_HELP]) {
        show_command(command, stdout);
        return EXIT_DONE;
    }
    return command->run(&given);
}

int main(int argc, char **argv) {
    enum exit_code code = run(argc, argv);
    /* A full disk or a closed pipe must not look like success. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("hedgerow: standard output");
        return code == EXIT_DONE ? EXIT_FAILED : (int)code;
    }
    return (int)code;
}
