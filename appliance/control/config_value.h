/* config_value.h - how the values of a configuration are spelled: durations, sizes, shares, money
 * and their kin. (pure)
 *
 * Each reader takes the whole text of one value. It returns true and fills *out, or returns false,
 * leaves *out alone and sets *why to a static half sentence that says what is wrong and what to
 * write ("has no unit; write 250ms, 10s, 5m or 1h"). It never holds the value itself, which may be
 * a secret. Numbers are read digit by digit into integers: no value passes through a binary
 * fraction unless its unit is one. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CONFIG_VALUE_H
#define HEDGEROW_APPLIANCE_CONTROL_CONFIG_VALUE_H

#include "core/base.h"
#include "core/limits.h"
#include "core/span.h"

/* "500us" "250ms" "10s" "1.5m" "1h" "30d", in nanoseconds. The unit must be there; the value must
 * be whole in nanoseconds. */
bool config_value_duration(struct span text, uint64_t *ns, const char **why);
/* "4096" "512B" "64KiB" "32MiB" "1GiB", in bytes. KB and MB are refused: half of the world reads
 * them as 1024s. */
bool config_value_size(struct span text, uint64_t *bytes, const char **why);
/* "600": decimal digits. */
bool config_value_count(struct span text, uint64_t *count, const char **why);
/* "5%" "0.5%", 0% to 100%, as 0..1. */
bool config_value_share(struct span text, double *share, const char **why);
/* "p99" "p99.9", above p0 and below p100, as a quantile 0..1. */
bool config_value_quantile(struct span text, double *quantile, const char **why);
/* "1.25": USD per million tokens, at most six decimals, as pico-dollars per token (1250000):
 * exact. */
bool config_value_price(struct span text, uint64_t *pico, const char **why);
/* "true" or "false", as YAML 1.2 has them. */
bool config_value_bool(struct span text, bool *out, const char **why);

/* A CPU list as the kernel writes it: "2-5,8". Bit n of bitmap (byte n / 8) is CPU n; *count is the
 * number of bits set. */
struct config_cpus {
    uint8_t bitmap[WORKERS_MAX / 8];
    unsigned count;
};
bool config_value_cpus(struct span text, struct config_cpus *cpus, const char **why);

/* "127.0.0.1:8080" "[::1]:8443" ":8080" (all addresses: host ""). Host is an IP literal without
 * brackets, as written. */
struct config_address {
    struct span host; /* into text */
    uint16_t port;
};
bool config_value_address(struct span text, struct config_address *address, const char **why);
/* 64 hex digits of either case. */
bool config_value_sha256(struct span text, uint8_t digest[32], const char **why);

#endif
