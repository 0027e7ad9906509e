/* addr.h - socket addresses as values and text. (pure) */
#ifndef HEDGEROW_NET_ADDR_H
#define HEDGEROW_NET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "core/span.h"

#define ADDR_TEXT_MAX 64
/* Addresses of one name that are tried; more are ignored. */
#define ADDR_LIST_MAX 8

struct addr {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t length;
};

struct addr_list {
    struct addr addrs[ADDR_LIST_MAX];
    unsigned count;
};

/* An IPv4 or IPv6 literal without brackets; "" is the IPv6 wildcard that takes IPv4 too. False when
 * it is neither. */
bool addr_parse(struct span host, uint16_t port, struct addr *out);
uint16_t addr_port(const struct addr *);
void addr_set_port(struct addr *, uint16_t port);
/* "1.2.3.4:80" or "[::1]:80"; returns out. */
const char *addr_text(const struct addr *, char out[ADDR_TEXT_MAX]);
/* Orders for dialling (RFC 8305 4): families take turns, IPv6 first, order within a family kept. */
void addr_interleave(struct addr_list *);

#endif
