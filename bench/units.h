/* units.h (pure) - the small notations of the configuration and the command line, read into
 * numbers: durations ("250ms", "1.5s", "10m"), shares ("0.5%", "0.005"), counts and addresses.
 *
 * Promises: the whole text is used up or the answer is false; nothing is guessed.
 * Refuses:  a duration without unit (except 0), a share outside 0..100 %, negative numbers.
 */
#ifndef BENCH_UNITS_H
#define BENCH_UNITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { UNITS_NS_PER_US = 1000, UNITS_NS_PER_MS = 1000000, UNITS_NS_PER_S = 1000000000 };

/* All take a NUL-terminated text and return false, leaving the target alone, when it is not one. */
bool units_duration_ns(const char *text, uint64_t *out_ns); /* ns us ms s m h; at most 1000 h */
bool units_share(const char *text, double *out);            /* "3%" or "0.03" -> 0.03 */
bool units_count(const char *text, uint64_t *out);          /* decimal digits only */
bool units_number(const char *text, double *out);           /* finite, not negative */

/* A socket address: "127.0.0.1:80", "[::1]:443", port 0 allowed. Numeric only: no name lookups. */
struct units_address {
    struct sockaddr_storage sockaddr;
    socklen_t len;
};
bool units_address(const char *text, struct units_address *out);

#endif
