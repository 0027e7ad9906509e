/* credentials_try.h - one try at obtaining a credential: its requests and what came of them.
 *
 *     step 0 --ASK--> request, answer --> step 1 --ASK--> ... --> HAVE a credential, or FAIL
 *
 * The functions of the ways (credentials_aws.c, _google.c, _azure.c) decide what to ask and what the
 * answer means; credentials_source.c asks. They open no socket and see no clock; they do read the
 * token files that must be read anew for each try. All memory is the try's arena. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CREDENTIALS_TRY_H
#define HEDGEROW_APPLIANCE_CONTROL_CREDENTIALS_TRY_H

#include "appliance/control/credentials_recipe.h"
#include "core/fail.h"
#include "net/http.h"

#define CREDENTIALS_FIELDS_MAX 12
/* An answer: tokens reach 6 KiB; the largest seen, with id_token, 10 KiB. */
#define CREDENTIALS_ANSWER_MAX (64 * 1024)
/* Files with tokens and keys. */
#define CREDENTIALS_FILE_MAX (64 * 1024)
#define CREDENTIALS_WHY_MAX  256

enum credentials_do {
    CREDENTIALS_ASK,  /* method, url, fields and body say what; the answer is the next step's */
    CREDENTIALS_HAVE, /* got is the credential */
    CREDENTIALS_FAIL, /* why says why */
};

struct credentials_try {
    const struct credentials_recipe *recipe;
    struct arena *arena;
    int64_t now_s; /* Unix time of this step */
    unsigned step; /* answers so far */
    /* The last answer. */
    enum fail fail;  /* FAIL_NONE: there is one */
    unsigned status; /* 0: no head came */
    struct span body, field;
    /* The next request. */
    enum http_method method;
    struct span url;
    struct http_field fields[CREDENTIALS_FIELDS_MAX];
    unsigned field_count;
    struct span request_body;
    struct span wanted; /* field of the answer that is looked at */
    struct span kept;   /* the way's own, from one step to the next */
    struct span secret; /* what was read from FILE */
    /* The outcome. */
    struct credential got;
    char why[CREDENTIALS_WHY_MAX]; /* one line without a secret */
};

/* A step of each way. */
#define WAY(name, function, text, early_s, connect_s, total_s) \
    enum credentials_do credentials_##function(struct credentials_try *);
#include "appliance/control/credentials_ways.def"
#undef WAY

/* A text of the recipe, empty when absent. */
static inline struct span credentials_try_text(const struct credentials_try *try,
                                               enum credentials_text text) {
    return span_str(try->recipe->text[text]);
}
/* The next request: nothing of the last one stays. */
enum credentials_do credentials_try_get(struct credentials_try *, struct span url);
/* With content-type application/x-www-form-urlencoded. An empty form (no memory) fails. */
enum credentials_do credentials_try_post(struct credentials_try *, struct span url,
                                         struct span form);
/* Adds a field to the request that was just made. */
void credentials_try_field(struct credentials_try *, struct span name, struct span value);
/* FAIL with a reason (printf). */
enum credentials_do credentials_try_fail(struct credentials_try *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* FAIL that names the last request's URL, without query, and its answer's status, or what kept it from
 * having one; `why` as the readers of credential_read.h give it, may be empty. A server that repeats
 * a secret as the name of its error is not quoted. */
enum credentials_do credentials_try_refused(struct credentials_try *, struct span why);
/* The last answer, read: HAVE with got, or FAIL. Not for answers of intermediate steps. */
enum credentials_do credentials_try_oauth(struct credentials_try *);
enum credentials_do credentials_try_aws(struct credentials_try *);
enum credentials_do credentials_try_sts(struct credentials_try *);
/* The recipe's FILE without white space around it; {NULL,0} after the reason was recorded. */
struct span credentials_try_file(struct credentials_try *);

#endif
