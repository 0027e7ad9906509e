/* config_url.h - a provider's base URL, taken apart. (pure) RFC 3986, as far as a base needs it. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CONFIG_URL_H
#define HEDGEROW_APPLIANCE_CONTROL_CONFIG_URL_H

#include "core/base.h"
#include "core/span.h"

struct config_url {
    bool tls;           /* https */
    bool ipv6;          /* host is an IPv6 literal: it wants brackets in an authority */
    struct span host;   /* name or IP literal, without brackets; case as written */
    uint16_t port;      /* the scheme's own when the URL has none */
    struct span prefix; /* path without final slashes, "" or "/..." */
};

/* Takes "http[s]://HOST[:PORT][/PREFIX]" apart; spans point into text. Refused: other schemes,
 * credentials, a query, a fragment, blanks and what no host name may hold. False with *why, a
 * static half sentence ("has no scheme; ..."), which never holds the URL: it may carry a secret. */
bool config_url_parse(struct span text, struct config_url *url, const char **why);
/* Is it this machine itself: 127.0.0.0/8, ::1, localhost? */
bool config_url_loopback(const struct config_url *);

#endif
