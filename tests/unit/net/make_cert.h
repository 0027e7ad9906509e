/* make_cert.h - certificates for tests, made on the spot (ECDSA P-256), in a folder of their own
 * that is removed after.
 *
 * Owns:     the folder, and every key and certificate made through it, until pki_close.
 * Promises: PEM files; dates relative to now, so that no test breaks on a day to come.
 * Refuses:  to go on when the library fails: that aborts the test.
 */
#ifndef TESTS_UNIT_NET_MAKE_CERT_H
#define TESTS_UNIT_NET_MAKE_CERT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "core/base.h"

#define PKI_FILES_MAX  64
#define PKI_MADE_MAX   64
#define PKI_DAY_S      86400L
#define PKI_VALID_DAYS 30

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
};

struct pki {
    char folder[200];
    char paths[PKI_FILES_MAX][300]; /* files written, for pki_close */
    unsigned path_count;
    struct identity made[PKI_MADE_MAX];
    unsigned made_count;
};

struct recipe {
    const char *common_name; /* NULL: none */
    const char *names;       /* as "DNS:a.example,IP:127.0.0.1"; NULL: none */
    const char *usage;       /* extended key usage, as "clientAuth"; NULL: none */
    bool authority;
    long from_days, to_days;       /* relative to now; both 0: yesterday to PKI_VALID_DAYS */
    const struct identity *issuer; /* NULL: signs itself */
};

static inline void pki_open(struct pki *pki) {
    memset(pki, 0, sizeof *pki);
    const char *parent = getenv("TMPDIR");
    int n = snprintf(pki->folder, sizeof pki->folder, "%s/pki-XXXXXX", parent ? parent : "/tmp");
    CHECK(n > 0 && (size_t)n < sizeof pki->folder && mkdtemp(pki->folder));
}

static inline void pki_close(struct pki *pki) {
    for (unsigned i = 0; i < pki->path_count; i++)
        unlink(pki->paths[i]);
    rmdir(pki->folder);
    for (unsigned i = 0; i < pki->made_count; i++) {
        EVP_PKEY_free(pki->made[i].key);
        X509_free(pki->made[i].certificate);
    }
}

/* A path in the folder for a file of that name, valid until pki_close; the file is removed then. */
static inline const char *pki_path(struct pki *pki, const char *name) {
    CHECK(pki->path_count < PKI_FILES_MAX);
    size_t folder_n = strlen(pki->folder), n = strlen(name);
    char *path = pki->paths[pki->path_count++];
    CHECK(folder_n + 1 + n < sizeof pki->paths[0]);
    memcpy(path, pki->folder, folder_n);
    path[folder_n] = '/';
    memcpy(path + folder_n + 1, name, n + 1);
    return path;
}

static inline EVP_PKEY *pki_key(void) {
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();
    CHECK(ec && key && EC_KEY_generate_key(ec) && EVP_PKEY_assign_EC_KEY(key, ec));
    return key;
}

static inline void pki_extend(X509 *to, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, to, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    CHECK(extension && X509_add_ext(to, extension, -1));
    X509_EXTENSION_free(extension);
}

/* Makes a key and its certificate; the pki owns both. */
static inline const struct identity *pki_make(struct pki *pki, const struct recipe *recipe) {
    CHECK(pki->made_count < PKI_MADE_MAX);
    struct identity *made = &pki->made[pki->made_count++];
    const struct identity *issuer = recipe->issuer ? recipe->issuer : made;
    bool usual = recipe->from_days == 0 && recipe->to_days == 0;
    made->key = pki_key();
    X509 *x = made->certificate = X509_new();
    CHECK(x && X509_set_version(x, 2) && X509_set_pubkey(x, made->key));
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(x), (long)pki->made_count));
    X509_gmtime_adj(X509_getm_notBefore(x), (usual ? -1 : recipe->from_days) * PKI_DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(x), (usual ? PKI_VALID_DAYS : recipe->to_days) * PKI_DAY_S);
    X509_NAME *name = X509_NAME_new();
    CHECK(name);
    if (recipe->common_name)
        CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                         (const unsigned char *)recipe->common_name, -1, -1, 0));
    CHECK(X509_set_subject_name(x, name));
    X509_NAME_free(name);
    CHECK(X509_set_issuer_name(x, X509_get_subject_name(issuer->certificate)));
    pki_extend(x, issuer->certificate, NID_basic_constraints,
               recipe->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (recipe->names)
        pki_extend(x, issuer->certificate, NID_subject_alt_name, recipe->names);
    if (recipe->usage)
        pki_extend(x, issuer->certificate, NID_ext_key_usage, recipe->usage);
    CHECK(X509_sign(x, issuer->key, EVP_sha256()));
    return made;
}

/* Writes up to three certificates into one file, in this order; NULL ends them. The path. */
static inline const char *pki_write_chain(struct pki *pki, const char *name,
                                          const struct identity *a, const struct identity *b,
                                          const struct identity *c) {
    const struct identity *const all[] = {a, b, c};
    const char *path = pki_path(pki, name);
    FILE *f = fopen(path, "w");
    CHECK(f);
    for (unsigned i = 0; i < 3 && all[i]; i++)
        CHECK(PEM_write_X509(f, all[i]->certificate));
    CHECK(fclose(f) == 0);
    return path;
}

/* Writes the private key, encrypted when `passphrase` is not NULL. Returns its path. */
static inline const char *pki_write_key(struct pki *pki, const char *name,
                                        const struct identity *of, const char *passphrase) {
    const char *path = pki_path(pki, name);
    FILE *f = fopen(path, "w");
    CHECK(f);
    CHECK(PEM_write_PrivateKey(f, of->key, passphrase ? EVP_aes_128_cbc() : NULL,
                               (unsigned char *)(uintptr_t)passphrase,
                               passphrase ? (int)strlen(passphrase) : 0, NULL, NULL));
    CHECK(fclose(f) == 0);
    return path;
}

/* Writes any text. Returns its path. */
static inline const char *pki_write_text(struct pki *pki, const char *name, const char *text) {
    const char *path = pki_path(pki, name);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
    return path;
}

#endif
