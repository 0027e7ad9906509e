/* fields.h (pure) - header fields as the simulated clouds keep them: name, NUL, value, NUL, ... in the
 * order received, names in lower case. Also the members of a form and of a query.
 */
#ifndef BENCH_FIELDS_H
#define BENCH_FIELDS_H

#include "bench/bytes.h"

#include <stdbool.h>

/* The first value of the field; NULL if absent. Borrowed from `fields`. */
const char *fields_find(const struct bytes *fields, const char *name);
/* Steps through all: pass NULL first, then what came back. Returns the name, the value is behind its
 * NUL; NULL at the end. */
const char *fields_next(const struct bytes *fields, const char *at);
static inline const char *fields_value(const char *name) {
    while (*name++)
        ;
    return name;
}

/* The decoded value of a member of application/x-www-form-urlencoded text, malloc()ed with a NUL
 * behind it; NULL if absent. */
char *fields_form(const char *text, size_t len, const char *name);
/* Decodes %XX in place (and, with `form`, + as a blank); a malformed escape stays as it is. */
void fields_decode(char *text, bool form);
/* Appends text percent-encoded but for unreserved characters (RFC 3986, 2.3). */
void fields_encode(struct bytes *out, const char *text, size_t len);

#endif
