/* config_url.c - a provider's base URL, taken apart. (pure)
 *
 * Refuses: what could mean something else to the provider than to the operator: user:password@,
 *          ?query, #fragment, dot segments. */
#include "appliance/control/config_url.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define HTTP_PORT  80
#define HTTPS_PORT 443
/* RFC 1035 2.3.4 */
#define HOST_MAX 253

static bool no(const char **why, const char *reason) {
    *why = reason;
    return false;
}

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Underscores are no host names by the letter, but container networks are full of them. */
static bool host_good(struct span host) {
    if (host.n == 0 || host.n > HOST_MAX)
        return false;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (c == '.' && (i == 0 || host.p[i - 1] == '.'))
            return false;
        if (!is_alnum(c) && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

/* RFC 3986 3.3 segments; a percent must begin an escape. */
static bool prefix_good(struct span prefix) {
    static const char marks[] = "/-._~!$&'()*+,;=:@%";
    struct span rest = prefix;
    for (size_t i = 0; i < prefix.n; i++)
        if (!is_alnum(prefix.p[i]) && (prefix.p[i] == 0 || !strchr(marks, prefix.p[i])))
            return false;
    while (rest.p) {
        struct span segment = span_cut(&rest, '/');
        if (span_eq(segment, SPAN(".")) || span_eq(segment, SPAN("..")))
            return false;
    }
    return true;
}

static bool literal_is(int family, struct span host) {
    char text[INET6_ADDRSTRLEN];
    struct in6_addr scratch;
    if (host.n >= sizeof text)
        return false;
    return inet_pton(family, span_text(host, text, sizeof text), &scratch) == 1;
}

/* Takes "HOST[:PORT]" or "[HOST][:PORT]" apart. */
static bool take_authority(struct span authority, struct config_url *url, const char **why) {
    url->ipv6 = span_starts(authority, SPAN("["));
    size_t end = span_find(authority, url->ipv6 ? ']' : ':', 0);
    struct span port = span_from(authority, end + url->ipv6);
    url->host = span_of(authority.p + url->ipv6, end - url->ipv6);
    if (url->ipv6 && (end == authority.n || !literal_is(AF_INET6, url->host)))
        return no(why, "has no valid IPv6 address between its brackets");
    if (!url->ipv6 && !host_good(url->host))
        return no(why, "has no valid host name; write it like https://api.example.com/v1");
    if (port.n == 0)
        return true;
    uint64_t number;
    if (port.p[0] != ':' || !span_u64(span_from(port, 1), UINT16_MAX, &number) || number == 0)
        return no(why,
                  "has a port that is not a number from 1 to 65535 (IPv6 addresses want brackets)");
    url->port = (uint16_t)number;
    return true;
}

bool config_url_parse(struct span text, struct config_url *url, const char **why) {
    struct config_url found = {.tls = span_starts_nocase(text, SPAN("https://"))};
    if (!found.tls && !span_starts_nocase(text, SPAN("http://")))
        return no(why, "does not begin with https:// or http://");
    found.port = found.tls ? HTTPS_PORT : HTTP_PORT;
    struct span rest = span_from(text, found.tls ? strlen("https://") : strlen("http://"));
    if (span_find(rest, '?', 0) < rest.n || span_find(rest, '#', 0) < rest.n)
        return no(why, "has a query or a fragment; give scheme, host, port and path prefix only");
    struct span authority = span_of(rest.p, span_find(rest, '/', 0));
    found.prefix = span_from(rest, authority.n);
    if (span_find(authority, '@', 0) < authority.n)
        return no(why, "holds credentials; remove them and use api_key or headers");
    if (!take_authority(authority, &found, why))
        return false;
    while (span_ends(found.prefix, SPAN("/")))
        found.prefix.n--;
    if (!prefix_good(found.prefix))
        return no(why, "has a path that is not one: characters must be percent-encoded, and no . "
                       "or .. segments");
    *url = found;
    return true;
}

bool config_url_loopback(const struct config_url *url) {
    if (url->ipv6)
        return span_eq(url->host, SPAN("::1"));
    if (span_eq_nocase(url->host, SPAN("localhost")))
        return true;
    return span_starts(url->host, SPAN("127.")) && literal_is(AF_INET, url->host);
}
