/* units.c (pure) - notations into numbers; see units.h. */
#include "bench/units.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads the number at the front; *rest is what follows. strtod() alone would also take "inf", "0x1"
 * and leading blanks, which no configuration means. */
static bool number_front(const char *text, double *out, const char **rest) {
    if (!isdigit((unsigned char)text[0]) || (text[0] == '0' && (text[1] | 0x20) == 'x'))
        return false;
    char *end;
    double value = strtod(text, &end);
    if (!isfinite(value))
        return false;
    *out = value;
    *rest = end;
    return true;
}

bool units_number(const char *text, double *out) {
    const char *rest;
    double value;
    if (!number_front(text, &value, &rest) || *rest)
        return false;
    *out = value;
    return true;
}

bool units_duration_ns(const char *text, uint64_t *out_ns) {
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    const double max_ns = 1000 * 3600e9;
    const char *rest;
    double value;
    if (!number_front(text, &value, &rest))
        return false;
    if (!*rest && value == 0) {
        *out_ns = 0;
        return true;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(rest, units[i].name) || value * units[i].ns > max_ns)
            continue;
        *out_ns = (uint64_t)llround(value * units[i].ns);
        return true;
    }
    return false;
}

bool units_share(const char *text, double *out) {
    const char *rest;
    double value;
    if (!number_front(text, &value, &rest))
        return false;
    if (!strcmp(rest, "%"))
        value /= 100;
    else if (*rest)
        return false;
    if (value > 1)
        return false;
    *out = value;
    return true;
}

bool units_count(const char *text, uint64_t *out) {
    uint64_t value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text) || value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = value;
    return true;
}

bool units_address(const char *text, struct units_address *out) {
    const char *colon = strrchr(text, ':');
    uint64_t port;
    char host[64];
    if (!colon || !units_count(colon + 1, &port) || port > UINT16_MAX)
        return false;
    bool six = text[0] == '[' && colon > text && colon[-1] == ']';
    int len = six ? (int)(colon - text - 2) : (int)(colon - text);
    if (len < 0 || len >= (int)sizeof host)
        return false;
    snprintf(host, sizeof host, "%.*s", len, text + six);
    struct units_address found = {0};
    struct sockaddr_in *in4 = (struct sockaddr_in *)&found.sockaddr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&found.sockaddr;
    if (six && inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        found.len = sizeof *in6;
    } else if (!six && inet_pton(AF_INET, host, &in4->sin_addr) == 1) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons((uint16_t)port);
        found.len = sizeof *in4;
    } else {
        return false;
    }
    *out = found;
    return true;
}
