/* version.c - which hedgerow this is, and what it was made of.
 *
 * The library versions are those of the libraries that run, not of the headers, wherever the
 * library can say. */
#include "appliance/control/version.h"

#include <stdio.h>

#include "core/base.h"
#include "core/ring.h"
#include "net/cert.h"

/* jemalloc's own question function (jemalloc(3)). Weak: the sanitizers' builds bring their own heap
 * instead. */
extern int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size)
    __attribute__((weak));

static const char *jemalloc_version(void) {
    const char *text = NULL;
    size_t size = sizeof text;
    if (!mallctl)
        return "not linked";
    return mallctl("version", &text, &size, NULL, 0) == 0 ? text : "unknown";
}

int version_main(bool build) {
    printf("hedgerow %s\n", HEDGEROW_VERSION);
    if (!build)
        return 0;
#ifdef __clang__
    printf("compiler   %s\n", __VERSION__);
#else
    printf("compiler   gcc %s\n", __VERSION__);
#endif
    printf("io_uring   %s\n", ring_features_text());
    printf("TLS        %s, X25519MLKEM768 %s\n", cert_library(),
           cert_post_quantum() ? "offered" : "not offered");
    printf("jemalloc   %s\n", jemalloc_version());
    return 0;
}
