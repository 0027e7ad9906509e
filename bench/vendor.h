/* vendor.h - a provider's front end: its paths, who may call, its header lines and its errors. A vendor
 * is one file (vendor_X.c) and a row in vendor_of(); the wire formats behind the paths are format.h's.
 */
#ifndef BENCH_VENDOR_H
#define BENCH_VENDOR_H

#include "bench/auth.h"
#include "bench/cloud.h"

enum route {
    ROUTE_NONE,
    ROUTE_ANSWER, /* `format` reads the body and writes the answer */
    ROUTE_MODELS,
    ROUTE_MODEL,
    ROUTE_FILE_IN, /* any body, counted */
    ROUTE_FILE_OUT /* `size` bytes */
};

enum { PLACE_MODEL_BYTES = 256 };

/* Where a target leads. */
struct place {
    enum route route;
    const char *method; /* the right one */
    const struct format *format;
    bool model_in_path, stream, array; /* as in struct format_request */
    char model[PLACE_MODEL_BYTES];     /* decoded; "" if the path has none */
    uint64_t size;
};

/* What can be wrong before and after the body is read. `detail` is what the request said. */
enum trouble {
    TROUBLE_PATH,
    TROUBLE_METHOD,      /* detail: the right one */
    TROUBLE_KEY_MISSING, /* no detail */
    TROUBLE_KEY_WRONG,   /* detail: the key, or why it is wrong */
    TROUBLE_MODEL,
    TROUBLE_CONTENT_TYPE,
    TROUBLE_RATE,
    TROUBLE_FAILED,      /* 500 */
    TROUBLE_UNAVAILABLE, /* 503 */
    TROUBLE_OVERLOADED,  /* 529 */
    TROUBLES
};

struct vendor {
    void (*place)(struct peer *p, struct place *place);
    /* Whether the request proves who sends it; answers it if not. */
    bool (*allowed)(struct peer *p, const struct place *place);
    void (*headers)(struct peer *p, struct bytes *out);
    /* Answers with the error. */
    void (*trouble)(struct peer *p, enum trouble what, const char *detail);
    /* Answers with a reader's refusal; `extra` are further header lines. */
    void (*refuse)(struct peer *p, const struct ask_error *e, const char *extra);
    /* Answers everything; NULL: serving.c does, with the functions above. */
    void (*serve)(struct peer *p);
    const char *broken_type; /* of the error when HTTP itself is broken */
};

const struct vendor *vendor_of(enum sim_kind kind);
extern const struct vendor vendor_openai, vendor_anthropic, vendor_google, vendor_bedrock,
    vendor_identity;

/* ---- for the vendors' files ---- */

/* A trouble as data: `message` may hold one %s for the detail. */
struct trouble_row {
    int status;
    const char *type, *message;
};
/* Fills *e from rows[what]; counts what is about keys. */
void vendor_trouble(struct peer *p, const struct trouble_row rows[TROUBLES], enum trouble what,
                    const char *detail, struct ask_error *e);

/* The path without its query, and behind the prefix of the configuration; NULL when it has another. */
const char *vendor_path(struct peer *p, size_t *len);
/* Copies a path segment decoded into place->model; false when it is empty or too long. */
bool vendor_take_model(struct place *place, const char *at, size_t len);
/* Whether `token` is the configured key or was issued by the cloud's identity; true for all tokens when
 * neither is configured. */
bool vendor_token_good(const struct peer *p, const char *token);
/* The token of "Authorization: Bearer"; NULL if there is none. */
const char *vendor_bearer(const struct peer *p);
/* Whether nothing at all is to be proven. */
bool vendor_open_to_all(const struct peer *p);
struct auth_request vendor_auth_request(struct peer *p);
/* A name of the request for headers and bodies: the same for all calls of one request. */
void vendor_request_id(const struct peer *p, char *out, unsigned letters);

#endif
