/* cert.c - PEM files become TLS contexts: who we are, and whom we believe.
 *
 * Owns:     the contexts, chains, keys and the table of names; read-only once made, shared by all
 *           workers.
 * Promises: a file that would only fail in a handshake (wrong key, expired, no certificate in it)
 *           is refused here, with its path and what to do. What was loaded stays alive as long as
 *           one connection holds it.
 * Refuses:  to watch files or to write any: a reload makes new objects.
 */
#include "net/cert.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/x509v3.h>

#include "core/base.h"
#include "core/heap.h"
#include "net/tls_context.h"

/* Certificates in one chain file; the longest public chains have four. */
#define CERT_CHAIN_MAX 16
/* A DNS name and its NUL (RFC 1035 2.3.4); SNI can carry no longer one that could match. */
#define CERT_NAME_MAX 256

/* One chain as the handshake wants it. */
struct cert_chain {
    CRYPTO_BUFFER *der[CERT_CHAIN_MAX]; /* leaf first; owned */
    unsigned count;
    EVP_PKEY *key; /* owned */
};

/* A name that a pair's leaf is good for: lower case, a wildcard as "*.example.com". */
struct cert_name {
    char *text; /* owned */
    unsigned pair;
};

struct cert_server {
    atomic_uint holds;
    SSL_CTX *context; /* owned; holds the first pair */
    struct cert_chain *chains;
    unsigned chain_count;
    struct cert_name *names; /* sorted by text, each text once */
    unsigned name_count;
    int64_t not_after_s;
};

struct cert_client {
    atomic_uint holds;
    SSL_CTX *context; /* owned */
    uint64_t serial;
};

/* Where an explanation goes. */
struct why {
    char *p;
    size_t max;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct why why, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (why.max)
        vsnprintf(why.p, why.max, format, args);
    va_end(args);
    ERR_clear_error();
    return -EINVAL;
}

/* The library's newest reason, for files that are PEM outside and broken inside. */
static const char *library_reason(void) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason ? reason : "unknown reason";
}

static bool last_error_is(int library, int reason) {
    uint32_t e = ERR_peek_last_error();
    return ERR_GET_LIB(e) == library && ERR_GET_REASON(e) == reason;
}

/* ---- one chain and its key ---- */

/* "2025-03-01 12:00 UTC" */
static const char *date_text(const ASN1_TIME *date, char out[32]) {
    int64_t at_s;
    struct tm tm;
    time_t at;
    if (!ASN1_TIME_to_posix(date, &at_s))
        return "an unreadable date";
    at = (time_t)at_s;
    if (!gmtime_r(&at, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm))
        return "an unreadable date";
    return out;
}

static int leaf_check_dates(X509 *leaf, const char *path, int64_t *not_after_s, struct why why) {
    const ASN1_TIME *from = X509_get0_notBefore(leaf), *to = X509_get0_notAfter(leaf);
    char date[32];
    if (!ASN1_TIME_to_posix(to, not_after_s))
        return refuse(why, "certificate %s: its end date cannot be read", path);
    /* Negative: in the past. 0 is an error of the library and lets nothing through. */
    if (X509_cmp_current_time(to) <= 0)
        return refuse(why, "certificate %s expired on %s: renew it", path, date_text(to, date));
    if (X509_cmp_current_time(from) >= 0)
        return refuse(why, "certificate %s is valid only from %s: is this machine's clock right?",
                      path, date_text(from, date));
    return 0;
}

/* Reads the next certificate of the file. 1: *out is the caller's, 0: end of the file, -EINVAL: not
 * a certificate. */
static int chain_next(BIO *file, const char *path, unsigned index, X509 **out, struct why why) {
    *out = PEM_read_bio_X509(file, NULL, NULL, NULL);
    if (*out)
        return 1;
    if (!last_error_is(ERR_LIB_PEM, PEM_R_NO_START_LINE))
        return refuse(why, "certificate %s: number %u in it is damaged (%s)", path, index + 1,
                      library_reason());
    ERR_clear_error();
    if (index == 0)
        return refuse(why, "certificate %s holds no PEM block \"BEGIN CERTIFICATE\"", path);
    return 0;
}

/* Fills chain->der; the leaf also as *leaf, the caller's. */
static int chain_read(struct cert_chain *chain, BIO *file, const char *path, X509 **leaf,
                      struct why why) {
    X509 *one;
    int more;
    while ((more = chain_next(file, path, chain->count, &one, why)) > 0) {
        unsigned char *der = NULL;
        int n = chain->count < CERT_CHAIN_MAX ? i2d_X509(one, &der) : 0;
        if (n > 0)
            chain->der[chain->count++] = CRYPTO_BUFFER_new(der, (size_t)n, NULL);
        OPENSSL_free(der);
        if (!*leaf)
            *leaf = one;
        else
            X509_free(one);
        if (n <= 0 || !chain->der[chain->count - 1])
            return refuse(why,
                          "certificate %s: more than %u certificates, or one that is too large",
                          path, CERT_CHAIN_MAX);
    }
    return more;
}

/* The library would ask the terminal or fail oddly; we never have a passphrase. */
static int no_passphrase(char *out, int max, int writing, void *unused) {
    (void)out, (void)max, (void)writing, (void)unused;
    return -1;
}

static int key_read(EVP_PKEY **out, const char *path, struct why why) {
    BIO *file = BIO_new_file(path, "r");
    if (!file)
        return refuse(why, "private key %s cannot be opened: %s", path, strerror(errno));
    *out = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
    BIO_free(file);
    if (*out)
        return 0;
    if (last_error_is(ERR_LIB_PEM, PEM_R_BAD_PASSWORD_READ))
        return refuse(why, "private key %s is encrypted: give it without a passphrase", path);
    if (last_error_is(ERR_LIB_PEM, PEM_R_NO_START_LINE))
        return refuse(why, "private key %s holds no PEM block \"BEGIN PRIVATE KEY\"", path);
    return refuse(why, "private key %s is damaged (%s)", path, library_reason());
}

/* Loads pair into chain; *leaf is the caller's, also on error. */
static int chain_load(struct cert_chain *chain, const struct cert_pair *pair, X509 **leaf,
                      int64_t *not_after_s, struct why why) {
    BIO *file = BIO_new_file(pair->certificate_path, "r");
    if (!file)
        return refuse(why, "certificate %s cannot be opened: %s", pair->certificate_path,
                      strerror(errno));
    int error = chain_read(chain, file, pair->certificate_path, leaf, why);
    BIO_free(file);
    if (error)
        return error;
    error = leaf_check_dates(*leaf, pair->certificate_path, not_after_s, why);
    if (error)
        return error;
    error = key_read(&chain->key, pair->private_key_path, why);
    if (error)
        return error;
    if (!X509_check_private_key(*leaf, chain->key))
        return refuse(why,
                      "private key %s does not belong to the first certificate in %s: the server's "
                      "own comes first",
                      pair->private_key_path, pair->certificate_path);
    return 0;
}

static void chain_free(struct cert_chain *chain) {
    for (unsigned i = 0; i < chain->count; i++)
        CRYPTO_BUFFER_free(chain->der[i]);
    EVP_PKEY_free(chain->key);
}

/* ---- names ---- */

/* Lower-cases n bytes into out[CERT_NAME_MAX] without a trailing dot. False: empty, too long or not
 * a name. */
static bool name_fold(const char *p, size_t n, char *out) {
    if (n && p[n - 1] == '.')
        n--;
    if (n == 0 || n >= CERT_NAME_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)p[i] <= ' ' || (unsigned char)p[i] >= 0x7f)
            return false;
        out[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] + ('a' - 'A')) : p[i];
    }
    out[n] = 0;
    return true;
}

static void names_add(struct cert_server *s, const ASN1_STRING *name, unsigned pair) {
    char folded[CERT_NAME_MAX];
    if (!name_fold((const char *)ASN1_STRING_get0_data(name), (size_t)ASN1_STRING_length(name),
                   folded))
        return;
    s->names = heap_realloc(s->names, (s->name_count + 1) * sizeof *s->names);
    s->names[s->name_count++] = (struct cert_name){heap_text(folded, strlen(folded)), pair};
}

/* Adds what clients may call this leaf: its DNS alternative names, or, of an old certificate
 * without any, the common name. (Clients of today refuse the latter, but choosing by it harms
 * nobody.) */
static void names_add_leaf(struct cert_server *s, X509 *leaf, unsigned pair) {
    unsigned before = s->name_count;
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            names_add(s, name->d.dNSName, pair);
    }
    bool has_alternatives = names != NULL;
    GENERAL_NAMES_free(names);
    const X509_NAME *subject = X509_get_subject_name(leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (s->name_count == before && !has_alternatives && at >= 0)
        names_add(s, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), pair);
    ERR_clear_error();
}

static int name_order(const void *a, const void *b) {
    const struct cert_name *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : (int)x->pair - (int)y->pair;
}

/* Sorts; of two pairs with the same name the first in the configuration stays. */
static void names_seal(struct cert_server *s) {
    if (s->name_count == 0)
        return;
    qsort(s->names, s->name_count, sizeof *s->names, name_order);
    unsigned kept = 1;
    for (unsigned i = 1; i < s->name_count; i++) {
        if (strcmp(s->names[i].text, s->names[kept - 1].text) == 0)
            heap_free(&s->names[i].text);
        else
            s->names[kept++] = s->names[i];
    }
    s->name_count = kept;
}

static int name_compare(const void *text, const void *name) {
    return strcmp(text, ((const struct cert_name *)name)->text);
}

static const struct cert_name *names_find(const struct cert_server *s, const char *text) {
    if (s->name_count == 0)
        return NULL;
    return bsearch(text, s->names, s->name_count, sizeof *s->names, name_compare);
}

unsigned cert_server_choose(const struct cert_server *s, const char *name) {
    char folded[CERT_NAME_MAX];
    if (!name || !name_fold(name, strlen(name), folded))
        return 0;
    const struct cert_name *found = names_find(s, folded);
    /* A wildcard stands for exactly the first label (RFC 9525 6.3): put it in the label's place. */
    char *dot = strchr(folded, '.');
    if (!found && dot && dot > folded) {
        *--dot = '*';
        found = names_find(s, dot);
    }
    return found ? found->pair : 0;
}

/* ---- the server side ---- */

/* Called in each handshake once the client's hello is read, before resumption is decided. */
static int server_set_pair(SSL *ssl, void *server) {
    const struct cert_server *s = server;
    unsigned pair = cert_server_choose(s, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    if (pair == 0)
        return 1; /* the context's own */
    const struct cert_chain *chain = &s->chains[pair];
    return SSL_set_chain_and_key(ssl, chain->der, chain->count, chain->key, NULL);
}

static int server_load(struct cert_server *s, const struct cert_server_options *options,
                       struct why why) {
    s->chains = heap_alloc(options->pair_count * sizeof *s->chains);
    for (unsigned i = 0; i < options->pair_count; i++) {
        X509 *leaf = NULL;
        int64_t not_after_s = 0;
        s->chain_count++;
        int error = chain_load(&s->chains[i], &options->pairs[i], &leaf, &not_after_s, why);
        if (!error) {
            names_add_leaf(s, leaf, i);
            if (i == 0 || not_after_s < s->not_after_s)
                s->not_after_s = not_after_s;
        }
        X509_free(leaf);
        if (error)
            return error;
    }
    names_seal(s);
    return 0;
}

/* From now on a client without a certificate of these authorities is refused. */
static int server_ask_clients(struct cert_server *s, const char *path, struct why why) {
    if (access(path, R_OK) != 0)
        return refuse(why, "client_ca %s cannot be read: %s", path, strerror(errno));
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (!names || !SSL_CTX_load_verify_locations(s->context, path, NULL)) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return refuse(why, "client_ca %s holds no usable PEM certificate (%s)", path,
                      library_reason());
    }
    SSL_CTX_set_client_CA_list(s->context, names);
    SSL_CTX_set_verify(s->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

static int server_make_context(struct cert_server *s, const struct cert_server_options *options,
                               struct why why) {
    const struct cert_chain *first = &s->chains[0];
    s->context = tls_context_server(options->http2);
    CHECK(s->context);
    if (!SSL_CTX_set_chain_and_key(s->context, first->der, first->count, first->key, NULL))
        return refuse(why, "certificate %s cannot be used for TLS (%s)",
                      options->pairs[0].certificate_path, library_reason());
    if (s->chain_count > 1)
        SSL_CTX_set_cert_cb(s->context, server_set_pair, s);
    if (options->client_ca_path)
        return server_ask_clients(s, options->client_ca_path, why);
    return 0;
}

static void server_free(struct cert_server *s) {
    SSL_CTX_free(s->context);
    for (unsigned i = 0; i < s->chain_count; i++)
        chain_free(&s->chains[i]);
    for (unsigned i = 0; i < s->name_count; i++)
        heap_free(&s->names[i].text);
    heap_free(&s->names);
    heap_free(&s->chains);
    heap_free(&s);
}

int cert_server_new(struct cert_server **out, const struct cert_server_options *options, char *why,
                    size_t why_max) {
    struct why to = {why, why_max};
    *out = NULL;
    CHECK(options->pair_count >= 1);
    struct cert_server *s = heap_alloc(sizeof *s);
    atomic_init(&s->holds, 1);
    int error = server_load(s, options, to);
    if (!error)
        error = server_make_context(s, options, to);
    if (error) {
        server_free(s);
        return error;
    }
    ERR_clear_error();
    *out = s;
    return 0;
}

struct cert_server *cert_server_hold(struct cert_server *s) {
    CHECK(atomic_fetch_add_explicit(&s->holds, 1, memory_order_relaxed) > 0);
    return s;
}

void cert_server_drop(struct cert_server **s) {
    if (*s && atomic_fetch_sub_explicit(&(*s)->holds, 1, memory_order_acq_rel) == 1)
        server_free(*s);
    *s = NULL;
}

int64_t cert_server_not_after_s(const struct cert_server *s) { return s->not_after_s; }

SSL_CTX *cert_server_context(const struct cert_server *s) { return s->context; }

/* ---- the client side ---- */

/* Where distributions keep the public authorities in one file. */
static const char *const system_stores[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Arch, distroless images */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL, Amazon Linux */
    "/etc/ssl/ca-bundle.pem",             /* SUSE */
    "/etc/ssl/cert.pem",                  /* Alpine */
};

static int client_load(struct cert_client *c, const char *path, const char *what, struct why why) {
    if (access(path, R_OK) != 0)
        return refuse(why, "%s %s cannot be read: %s", what, path, strerror(errno));
    if (!SSL_CTX_load_verify_locations(c->context, path, NULL))
        return refuse(why, "%s %s holds no usable PEM certificate (%s)", what, path,
                      library_reason());
    return 0;
}

static int client_load_system(struct cert_client *c, struct why why) {
    const char *path = getenv("SSL_CERT_FILE"); /* as OpenSSL, Go and curl do */
    if (path && *path)
        return client_load(c, path, "SSL_CERT_FILE", why);
    for (size_t i = 0; i < countof(system_stores); i++)
        if (access(system_stores[i], R_OK) == 0)
            return client_load(c, system_stores[i], "the system's CA file", why);
    return refuse(why,
                  "no file of public certificate authorities found (looked at %s and others): "
                  "install ca-certificates, set SSL_CERT_FILE, or give tls.ca",
                  system_stores[0]);
}

static int client_trust(struct cert_client *c, const struct cert_client_options *options,
                        struct why why) {
    if (options->insecure)
        return 0; /* a context's mode is SSL_VERIFY_NONE until told otherwise */
    SSL_CTX_set_verify(c->context, SSL_VERIFY_PEER, NULL);
    if (!options->ca_path)
        return client_load_system(c, why);
    /* What the operator names is believed as it stands, also an intermediate or the server's own
     * certificate. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(c->context), X509_V_FLAG_PARTIAL_CHAIN);
    return client_load(c, options->ca_path, "tls.ca", why);
}

static void client_free(struct cert_client *c) {
    SSL_CTX_free(c->context);
    heap_free(&c);
}

int cert_client_new(struct cert_client **out, const struct cert_client_options *options, char *why,
                    size_t why_max) {
    static atomic_ullong serials;
    struct why to = {why, why_max};
    *out = NULL;
    struct cert_client *c = heap_alloc(sizeof *c);
    atomic_init(&c->holds, 1);
    c->serial = atomic_fetch_add(&serials, 1) + 1;
    c->context = tls_context_client(options->http2);
    CHECK(c->context);
    int error = client_trust(c, options, to);
    if (error) {
        client_free(c);
        return error;
    }
    ERR_clear_error();
    *out = c;
    return 0;
}

struct cert_client *cert_client_hold(struct cert_client *c) {
    CHECK(atomic_fetch_add_explicit(&c->holds, 1, memory_order_relaxed) > 0);
    return c;
}

void cert_client_drop(struct cert_client **c) {
    if (*c && atomic_fetch_sub_explicit(&(*c)->holds, 1, memory_order_acq_rel) == 1)
        client_free(*c);
    *c = NULL;
}

SSL_CTX *cert_client_context(const struct cert_client *c) { return c->context; }

uint64_t cert_client_serial(const struct cert_client *c) { return c->serial; }

/* ---- what is built in ---- */

#define TEXT_OF(macro)  TEXT_OF_(macro)
#define TEXT_OF_(value) #value

const char *cert_library(void) {
    return "BoringSSL (API version " TEXT_OF(BORINGSSL_API_VERSION) ")";
}

bool cert_post_quantum(void) { return TLS_POST_QUANTUM; }
