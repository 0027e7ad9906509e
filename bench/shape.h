/* shape.h (pure) - the members that a JSON request may have, as tables, and the check against them.
 *
 * Promises: the first fault in document order, with its place: "messages.0.content.1".
 * Refuses:  to say it in a provider's words: the reader of each format does.
 */
#ifndef BENCH_SHAPE_H
#define BENCH_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

/* The types a member may have; several may be or-ed. */
enum shape_type {
    SHAPE_STRING = 1,
    SHAPE_BOOLEAN = 2,
    SHAPE_INTEGER = 4,
    SHAPE_NUMBER = 8, /* integers too */
    SHAPE_ARRAY = 16,
    SHAPE_OBJECT = 32,
    SHAPE_ANY = 63
};

struct shape;

struct shape_member {
    const char *name;
    unsigned types;
    const struct shape *inside; /* of the object, or of the array's objects; NULL: not looked at */
    bool required;
    double lowest, highest; /* of a number; equal: no limits */
};

/* What an object looks like. With `tag`, the member of that name selects one of `kinds`. */
struct shape {
    const struct shape_member *members;
    size_t members_count;
    const char *tag;
    const struct shape_kind *kinds;
    size_t kinds_count;
    bool snake; /* "inlineData" may also be spelled "inline_data" (protobuf's JSON form) */
    bool one;   /* exactly one member is given: a union */
    const struct shape *values; /* a map: any names, values of this shape; no members */
};

struct shape_kind {
    const char *name;
    const struct shape *shape;
};

enum shape_wrong {
    SHAPE_UNKNOWN, /* member `name` of the object at `path` */
    SHAPE_MISSING, /* the same */
    SHAPE_TYPE,    /* the value at `path`.`name` is none of `types` */
    SHAPE_BELOW,   /* ... is below `limit` */
    SHAPE_ABOVE,
    SHAPE_TAG,  /* the tag `name` of the object at `path` has no such kind */
    SHAPE_UNION /* the object at `path` has no member, or several */
};

struct shape_fault {
    enum shape_wrong wrong;
    char path[120]; /* "" is the top */
    char name[80];
    unsigned types;
    double limit;
};

/* Checks `v`, to be an object like `shape`. Returns false with *out. */
bool shape_check(const struct shape *shape, yyjson_val *v, struct shape_fault *out);

/* The member `name`, also in its snake_case spelling; NULL when absent or null. */
yyjson_val *shape_get(yyjson_val *object, const char *name);
/* Whether the value has one of the types. */
bool shape_has_type(yyjson_val *v, unsigned types);

#define SHAPE_OF(table) .members = table, .members_count = sizeof table / sizeof table[0]
#define SHAPE_KINDS(by, table) \
    .tag = by, .kinds = table, .kinds_count = sizeof table / sizeof table[0]

#endif
