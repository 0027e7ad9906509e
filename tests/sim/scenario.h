/* scenario.h - worlds that are not drawn: what must hold of them is known beforehand. */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include <stdbool.h>

/* Runs all worlds of the scenario "across"; returns how many. Ends the program at a failure. `verbose`: tells their
 * story. */
unsigned scenario_across(bool verbose);
/* The same for "stall". */
unsigned scenario_stall(bool verbose);
/* ... and for "storm" (storm.c). */
unsigned scenario_storm(bool verbose);

#endif
