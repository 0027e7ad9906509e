/* commands.h - the sub-commands of hedgerow-bench. Each gets its own arguments (argv[0] is its
 * name), prints results on standard output and talk on standard error, and returns the exit
 * status. */
#ifndef BENCH_COMMANDS_H
#define BENCH_COMMANDS_H

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Simulated clouds until SIGTERM or SIGINT. */
int clouds_command(int argc, char **argv);
/* A load run and its report. */
int load_command(int argc, char **argv);
/* Hedging policies over generated traces. */
int replay_command(int argc, char **argv);

#endif
