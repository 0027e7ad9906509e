/* kernel.h - what the simulated kernel (ring_sim.c) shows to the world: connections from outside, where dials go, and
 * what must be true of it at the end of a seed. */
#ifndef TESTS_SIM_KERNEL_H
#define TESTS_SIM_KERNEL_H

#include <netinet/in.h>

#include "tests/sim/wire.h"

/* A client's SYN to the engine's listening socket: the client's end, or NULL when nobody listens (refused). The
 * connection waits in the backlog until the engine accepts it. */
struct wire_end *kernel_connect_to_engine(const struct wire_shape *);
/* Where the engine's dials go: set by the world. result_ns: when the outcome comes (UINT64_MAX: never); *end: the
 * engine's end of the new connection, or NULL: refused with -ECONNREFUSED. */
struct kernel_dial {
    uint64_t result_ns;
    struct wire_end *end;
};
extern struct kernel_dial (*kernel_dial)(uint32_t ip, uint16_t port);
/* The engine gave up before the dial's outcome: the other end hears of it. */
extern void (*kernel_dial_dropped)(struct wire_end *end);
/* Fails the seed when an op is armed, a descriptor is open or a provided buffer is missing. */
void kernel_check_quiet(void);
/* Dials under way. */
unsigned kernel_dials(void);

#endif
