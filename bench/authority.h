/* authority.h - the certification authority of the simulated clouds, and TLS settings for both
 * sides.
 *
 * Owns:     ca.pem, ca.key and one HOST.pem, HOST.key per host in its folder (ECDSA P-256).
 * Promises: files which are there and good are used again; a leaf is made anew when it was not
 *           signed by this authority, does not name the host, or ends within a day. Several
 *           processes may share the folder. Keys are readable by their owner only.
 * Refuses:  to be trusted by anything but tests: nobody guards this key.
 */
#ifndef BENCH_AUTHORITY_H
#define BENCH_AUTHORITY_H

#include <openssl/base.h>
#include <stdbool.h>
#include <stddef.h>

/* Sees to the folder, the authority and a certificate for `host` (also for localhost, 127.0.0.1,
 * ::1). Returns false with a reason in error[error_size]. */
bool authority_provide(const char *folder, const char *host, char *error, size_t error_size);

/* Server settings with the certificate of `host`: TLS 1.2 and 1.3, tickets, ALPN http/1.1 only.
 * The caller frees with SSL_CTX_free(). NULL with a reason in error. */
SSL_CTX *authority_server(const char *folder, const char *host, char *error, size_t error_size);

/* Client settings: trusts `ca_file`, or the system's store when it is NULL; `verify` false trusts
 * all. Offers ALPN http/1.1. NULL with a reason in error. */
SSL_CTX *authority_client(const char *ca_file, bool verify, char *error, size_t error_size);

#endif
