/* serve.h - `hedgerow serve`: loads the configuration, runs the workers until told to stop. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_SERVE_H
#define HEDGEROW_APPLIANCE_CONTROL_SERVE_H

#include <stdbool.h>
#include <stdint.h>

/* What the command line says. Texts are argv's. */
struct serve_options {
    const char *config_path;
    unsigned workers; /* 0: as the configuration says; else 1..WORKERS_MAX, pinned to no CPU list */
    /* NULL: as the configuration says; else ADDR:PORT, whose form has been checked: then the only
     * listener, in clear text (config_listen). */
    const char *listen;
};

/* Runs in the foreground. Returns the exit code: 0 after an ordered stop, 1 when it could not
 * start. */
int serve_main(const struct serve_options *);

#endif
