/* addr.c - socket addresses as values and text. (pure) See addr.h. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

bool addr_parse(struct span host, uint16_t port, struct addr *out) {
    char text[INET6_ADDRSTRLEN + 1];
    memset(out, 0, sizeof *out);
    if (host.n >= sizeof text)
        return false;
    span_text(host, text, sizeof text);
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        out->length = sizeof out->v4;
        return true;
    }
    if (host.n == 0 || inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        out->length = sizeof out->v6;
        return true;
    }
    return false;
}

uint16_t addr_port(const struct addr *addr) {
    return ntohs(addr->any.sa_family == AF_INET6 ? addr->v6.sin6_port : addr->v4.sin_port);
}

void addr_set_port(struct addr *addr, uint16_t port) {
    if (addr->any.sa_family == AF_INET6)
        addr->v6.sin6_port = htons(port);
    else
        addr->v4.sin_port = htons(port);
}

const char *addr_text(const struct addr *addr, char out[ADDR_TEXT_MAX]) {
    char host[INET6_ADDRSTRLEN] = "?";
    bool v6 = addr->any.sa_family == AF_INET6;
    inet_ntop(addr->any.sa_family,
              v6 ? (const void *)&addr->v6.sin6_addr : (const void *)&addr->v4.sin_addr, host,
              sizeof host);
    snprintf(out, ADDR_TEXT_MAX, v6 ? "[%s]:%u" : "%s:%u", host, addr_port(addr));
    return out;
}

void addr_interleave(struct addr_list *list) {
    struct addr_list sorted = {.count = 0};
    unsigned next[2] = {0, 0}; /* where the search for the next IPv6, IPv4 address goes on */
    static const int families[2] = {AF_INET6, AF_INET};
    for (unsigned turn = 0; sorted.count < list->count; turn ^= 1) {
        unsigned i = next[turn];
        while (i < list->count && list->addrs[i].any.sa_family != families[turn])
            i++;
        next[turn] = i + 1;
        if (i < list->count)
            sorted.addrs[sorted.count++] = list->addrs[i];
        else
            next[turn] = list->count;
    }
    *list = sorted;
}
