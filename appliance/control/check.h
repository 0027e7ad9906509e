/* check.h - `hedgerow check`: is the configuration right, and what does it come to? */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CHECK_H
#define HEDGEROW_APPLIANCE_CONTROL_CHECK_H

#include <stdio.h>

struct config;

/* Loads the file as serve would, without opening a socket. Writes the resolved plan to standard
 * output and returns 0, or all mistakes to standard error and returns 1. Warnings go to standard
 * error in both cases. */
int check_main(const char *config_path);
/* The plan: every setting as it will be used, defaults filled in. Never a credential. */
void check_plan(const struct config *, FILE *);

#endif
