/* authority.c - certificates for the simulated clouds; see authority.h. RFC 5280 for the
 * extensions. */
#include "bench/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    AUTHORITY_DAYS = 3650,
    LEAF_DAYS = 825, /* what Apple's verifiers accept at most from private authorities */
    DAY_S = 24 * 3600,
    PATH_BYTES = 1024
};

static const unsigned char ALPN_HTTP11[] = "\x08http/1.1";

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

static void identity_free(struct identity *i) {
    X509_free(i->certificate);
    EVP_PKEY_free(i->key);
    *i = (struct identity){0};
}

/* ---- making ---- */

static EVP_PKEY *key_make(void) {
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();
    if (ec && key && EC_KEY_generate_key(ec) && EVP_PKEY_assign_EC_KEY(key, ec))
        return key;
    EC_KEY_free(ec);
    EVP_PKEY_free(key);
    return NULL;
}

static bool add_constraints(X509 *x, bool authority) {
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    if (!constraints)
        return false;
    constraints->ca = authority ? 0xff : 0;
    bool ok = X509_add1_ext_i2d(x, NID_basic_constraints, constraints, 1, 0);
    BASIC_CONSTRAINTS_free(constraints);
    return ok;
}

static bool add_usage(X509 *x, bool authority) {
    /* Bits of KeyUsage: 0 digitalSignature, 5 keyCertSign, 6 cRLSign (RFC 5280, 4.2.1.3). */
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
    bool ok = usage && (authority ? ASN1_BIT_STRING_set_bit(usage, 5, 1) &&
                                        ASN1_BIT_STRING_set_bit(usage, 6, 1)
                                  : ASN1_BIT_STRING_set_bit(usage, 0, 1));
    ok = ok && X509_add1_ext_i2d(x, NID_key_usage, usage, 1, 0);
    ASN1_BIT_STRING_free(usage);
    return ok;
}

static bool add_server_purpose(X509 *x) {
    EXTENDED_KEY_USAGE *purposes = EXTENDED_KEY_USAGE_new();
    bool ok = purposes && sk_ASN1_OBJECT_push(purposes, OBJ_nid2obj(NID_server_auth)) &&
              X509_add1_ext_i2d(x, NID_ext_key_usage, purposes, 0, 0);
    EXTENDED_KEY_USAGE_free(purposes);
    return ok;
}

/* The hash of the public key names the key: chains are found by it, not by the subject alone, which
 * matters when an old authority of the same name is still around. */
static bool key_id(X509 *x, unsigned char id[SHA_DIGEST_LENGTH]) {
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(x);
    return bits && SHA1(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits), id);
}

static bool add_key_ids(X509 *x, X509 *issuer) {
    unsigned char own[SHA_DIGEST_LENGTH], above[SHA_DIGEST_LENGTH];
    if (!key_id(x, own) || !key_id(issuer, above))
        return false;
    ASN1_OCTET_STRING *subject = ASN1_OCTET_STRING_new();
    AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();
    bool ok = subject && authority && ASN1_OCTET_STRING_set(subject, own, sizeof own) &&
              (authority->keyid = ASN1_OCTET_STRING_new()) &&
              ASN1_OCTET_STRING_set(authority->keyid, above, sizeof above) &&
              X509_add1_ext_i2d(x, NID_subject_key_identifier, subject, 0, 0) &&
              X509_add1_ext_i2d(x, NID_authority_key_identifier, authority, 0, 0);
    ASN1_OCTET_STRING_free(subject);
    AUTHORITY_KEYID_free(authority);
    return ok;
}

static bool push_name(GENERAL_NAMES *names, int type, const void *data, int len) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = type == GEN_DNS ? ASN1_IA5STRING_new() : ASN1_OCTET_STRING_new();
    if (name && value && ASN1_STRING_set(value, data, len)) {
        GENERAL_NAME_set0_value(name, type, value);
        if (sk_GENERAL_NAME_push(names, name))
            return true;
        value = NULL; /* belongs to the name now */
    }
    ASN1_STRING_free(value);
    GENERAL_NAME_free(name);
    return false;
}

static bool add_names(X509 *x, const char *host) {
    static const unsigned char loopback4[4] = {127, 0, 0, 1}, loopback6[16] = {[15] = 1};
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool ok = names && push_name(names, GEN_DNS, host, (int)strlen(host)) &&
              (!strcmp(host, "localhost") ||
               push_name(names, GEN_DNS, "localhost", (int)strlen("localhost"))) &&
              push_name(names, GEN_IPADD, loopback4, sizeof loopback4) &&
              push_name(names, GEN_IPADD, loopback6, sizeof loopback6) &&
              X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0);
    GENERAL_NAMES_free(names);
    return ok;
}

static bool set_frame(X509 *x, const char *common_name, EVP_PKEY *key, long days) {
    unsigned char serial[16];
    RAND_bytes(serial, sizeof serial);
    serial[0] &= 0x7f; /* a positive number */
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return ok && X509_set_version(x, 2) && X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) &&
           X509_gmtime_adj(X509_getm_notAfter(x), days * DAY_S) && X509_set_pubkey(x, key) &&
           X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "O", MBSTRING_ASC,
                                      (const unsigned char *)"hedgerow bench", -1, -1, 0) &&
           X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                      (const unsigned char *)common_name, -1, -1, 0);
}

/* `host` NULL makes an authority that signs itself. */
static bool identity_make(struct identity *out, const char *host, const struct identity *issuer) {
    struct identity made = {X509_new(), key_make()};
    bool authority = !host;
    X509 *x = made.certificate;
    if (authority)
        issuer = &made;
    bool ok = x && made.key &&
              set_frame(x, host ? host : "hedgerow bench CA", made.key,
                        authority ? AUTHORITY_DAYS : LEAF_DAYS) &&
              X509_set_issuer_name(x, X509_get_subject_name(issuer->certificate)) &&
              add_constraints(x, authority) && add_usage(x, authority) &&
              add_key_ids(x, issuer->certificate) &&
              (authority || (add_server_purpose(x) && add_names(x, host))) &&
              X509_sign(x, issuer->key, EVP_sha256());
    if (ok)
        *out = made;
    else
        identity_free(&made);
    return ok;
}

/* ---- files ---- */

static void file_path(char out[PATH_BYTES], const char *folder, const char *name, const char *end) {
    snprintf(out, PATH_BYTES, "%s/%s.%s", folder, name, end);
}

static bool identity_load(struct identity *out, const char *folder, const char *name) {
    char path[PATH_BYTES];
    struct identity found = {0};
    file_path(path, folder, name, "pem");
    FILE *f = fopen(path, "r");
    if (f) {
        found.certificate = PEM_read_X509(f, NULL, NULL, NULL);
        fclose(f);
    }
    file_path(path, folder, name, "key");
    f = fopen(path, "r");
    if (f) {
        found.key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
        fclose(f);
    }
    ERR_clear_error();
    if (found.certificate && found.key && X509_check_private_key(found.certificate, found.key)) {
        *out = found;
        return true;
    }
    ERR_clear_error();
    identity_free(&found);
    return false;
}

/* Writes beside the target and renames, so that a reader sees the old file or the new one. */
static bool file_write(const char *folder, const char *name, const char *end, mode_t mode,
                       const struct identity *from) {
    char path[PATH_BYTES], temporary[PATH_BYTES + 8];
    file_path(path, folder, name, end);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f)
        return false;
    bool ok = !strcmp(end, "key") ? PEM_write_PrivateKey(f, from->key, NULL, NULL, 0, NULL, NULL)
                                  : PEM_write_X509(f, from->certificate);
    ok = fclose(f) == 0 && ok;
    return ok && rename(temporary, path) == 0;
}

static bool identity_store(const struct identity *i, const char *folder, const char *name) {
    return file_write(folder, name, "key", 0600, i) && file_write(folder, name, "pem", 0644, i);
}

static bool ends_soon(X509 *x) {
    time_t tomorrow = time(NULL) + DAY_S;
    return X509_cmp_time(X509_get0_notAfter(x), &tomorrow) <= 0;
}

static bool leaf_good(struct identity *leaf, const struct identity *authority, const char *host) {
    EVP_PKEY *above = X509_get_pubkey(authority->certificate);
    bool ok = above && X509_verify(leaf->certificate, above) == 1 &&
              !ends_soon(leaf->certificate) &&
              X509_check_host(leaf->certificate, host, strlen(host), 0, NULL) == 1;
    EVP_PKEY_free(above);
    ERR_clear_error();
    return ok;
}

static bool folder_make(const char *folder) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s", folder);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

static bool authority_ready(struct identity *authority, const char *folder) {
    if (identity_load(authority, folder, "ca") && !ends_soon(authority->certificate))
        return true;
    identity_free(authority);
    return identity_make(authority, NULL, NULL) && identity_store(authority, folder, "ca");
}

bool authority_provide(const char *folder, const char *host, char *error, size_t error_size) {
    struct identity authority = {0}, leaf = {0};
    int lock = folder_make(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (lock < 0 || flock(lock, LOCK_EX) < 0) {
        snprintf(error, error_size, "%s: %s", folder, strerror(errno));
        if (lock >= 0)
            close(lock);
        return false;
    }
    bool ok = authority_ready(&authority, folder);
    if (ok && !(identity_load(&leaf, folder, host) && leaf_good(&leaf, &authority, host))) {
        identity_free(&leaf);
        ok = identity_make(&leaf, host, &authority) && identity_store(&leaf, folder, host);
    }
    if (!ok)
        snprintf(error, error_size, "%s: certificates cannot be made or written: %s", folder,
                 errno ? strerror(errno) : "TLS library");
    identity_free(&leaf);
    identity_free(&authority);
    close(lock);
    return ok;
}

/* ---- TLS settings ---- */

static int choose_protocol(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                           unsigned in_len, void *arg) {
    (void)ssl;
    (void)arg;
    for (unsigned at = 0; at < in_len; at += in[at] + 1u) {
        if (in_len - at < sizeof ALPN_HTTP11 - 1 ||
            memcmp(in + at, ALPN_HTTP11, sizeof ALPN_HTTP11 - 1))
            continue;
        *out = in + at + 1;
        *out_len = in[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301, 3.2: nothing in common ends the handshake */
}

SSL_CTX *authority_server(const char *folder, const char *host, char *error, size_t error_size) {
    static const uint8_t context[] = "hedgerow-bench";
    char certificate[PATH_BYTES], key[PATH_BYTES];
    file_path(certificate, folder, host, "pem");
    file_path(key, folder, host, "key");
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    bool ok = ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
              SSL_CTX_use_certificate_chain_file(ctx, certificate) &&
              SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) &&
              SSL_CTX_set_session_id_context(ctx, context, sizeof context - 1);
    if (ok) {
        SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
        return ctx;
    }
    snprintf(error, error_size, "%s: the certificate of %s cannot be used", folder, host);
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return NULL;
}

SSL_CTX *authority_client(const char *ca_file, bool verify, char *error, size_t error_size) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    bool ok = ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
              SSL_CTX_set_alpn_protos(ctx, ALPN_HTTP11, sizeof ALPN_HTTP11 - 1) == 0;
    if (ok && verify)
        ok = ca_file
                 ? SSL_CTX_load_verify_locations(ctx, ca_file, NULL)
                 : SSL_CTX_load_verify_locations(ctx, "/etc/ssl/certs/ca-certificates.crt", NULL);
    if (ok) {
        SSL_CTX_set_verify(ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
        return ctx;
    }
    snprintf(error, error_size, "%s: cannot be used as certification authorities",
             ca_file ? ca_file : "the system's store");
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return NULL;
}
