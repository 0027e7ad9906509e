/* main.c - hedgerow-bench: simulated clouds and a load generator, to prove a set-up on one's own
 * machine. Nothing of the product is linked into these: they are written against the providers'
 * documents, so that they can disagree with the proxy. Only `replay` runs the product's own code:
 * its decisions are what is measured. */
#include "bench/commands.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static const char USAGE[] =
    "usage: hedgerow-bench COMMAND [OPTIONS]\n"
    "\n"
    "  clouds --config FILE   simulated clouds on loopback: real wire format, TLS, keys, faults\n"
    "  load --url URL         open-loop load: time to first token, inter-token, total\n"
    "  replay                 hedging policies over generated first-token times\n"
    "  COMMAND --help         the command's options\n"
    "\n"
    "Exit status: 0 ok, 1 failed, 2 wrong usage.\n";

/* Ten thousand connections are a normal test; the usual soft limit is 1024 descriptors. */
static void raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"clouds", clouds_command}, {"load", load_command}, {"replay", replay_command}};
    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    if (argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        fputs(USAGE, stdout);
        return EXIT_OK;
    }
    for (size_t i = 0; argc >= 2 && i < sizeof commands / sizeof commands[0]; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    if (argc >= 2)
        fprintf(stderr, "hedgerow-bench: unknown command \"%s\"\n\n", argv[1]);
    fputs(USAGE, stderr);
    return EXIT_USAGE;
}
