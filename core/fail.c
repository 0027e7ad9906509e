/* fail.c - the columns of fail.def. (pure)
 *
 * Owns:     the lower-case names, made once before main() and only read from then on.
 * Promises: each enum fail has a row, in the enum's order: both are made from the same table.
 * Refuses:  a value that is no enum fail: our own mistake, hence a CHECK. */
#include "core/fail.h"

#include <assert.h>

#include "core/base.h"

/* Room for the longest name and its NUL. */
#define NAME_SIZE 24

enum retry { FINAL, RETRY };
enum sick { WELL, SICK };
enum rescue { LEAVE, RESCUE };

struct row {
    const char *text;
    int status;
    enum retry retry;
    enum sick sick;
    enum rescue rescue;
};

static const struct row rows[] = {
#define FAIL(name, text, status, retry, sick, rescue) {text, status, retry, sick, rescue},
#include "core/fail.def"
#undef FAIL
};
static_assert(countof(rows) == FAIL_COUNT, "fail.def makes the enum and the rows alike");

static char names[][NAME_SIZE] = {
#define FAIL(name, text, status, retry, sick, rescue) #name,
#include "core/fail.def"
#undef FAIL
};

#define FAIL(name, text, status, retry, sick, rescue) \
    static_assert(sizeof #name <= NAME_SIZE, "the name of a failure is too long");
#include "core/fail.def"
#undef FAIL

/* The preprocessor cannot lower-case a name, and a second spelling in every row would drift. */
__attribute__((constructor)) static void names_lower(void) {
    for (size_t i = 0; i < countof(names); i++)
        for (char *c = names[i]; *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c - 'A' + 'a');
}

static const struct row *row_of(enum fail fail) {
    CHECK((unsigned)fail < FAIL_COUNT);
    return &rows[fail];
}

const char *fail_name(enum fail fail) {
    CHECK((unsigned)fail < FAIL_COUNT);
    return names[fail];
}

const char *fail_text(enum fail fail) { return row_of(fail)->text; }

int fail_status(enum fail fail) { return row_of(fail)->status; }

bool fail_retry(enum fail fail) { return row_of(fail)->retry == RETRY; }

bool fail_sick(enum fail fail) { return row_of(fail)->sick == SICK; }

bool fail_rescue(enum fail fail) { return row_of(fail)->rescue == RESCUE; }
