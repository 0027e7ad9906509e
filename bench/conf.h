/* conf.h - strict reading of a YAML file (libyaml) into structures by tables of keys.
 *
 * Owns:     the parsed document and the first error.
 * Promises: an unknown key, a key given twice, a wrong type and a missing required key are errors
 *           that say FILE:LINE:COL, what was found and what was meant. Only the first one is kept.
 *           JSON is read too, being YAML.
 * Refuses:  several documents in one file, and anything above CONF_TEXT_MAX bytes.
 */
#ifndef BENCH_CONF_H
#define BENCH_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

enum { CONF_TEXT_MAX = 1 << 20, CONF_ERROR_MAX = 512 };

struct conf {
    const char *file; /* for messages; borrowed for the life of the conf */
    yaml_document_t document;
    bool loaded;
    char error[CONF_ERROR_MAX]; /* "" while all is well */
};

struct conf_key {
    const char *name;
    /* Reads the value into *target; returns false after conf_fail(). */
    bool (*read)(struct conf *, const yaml_node_t *, void *target);
    size_t offset; /* of the member inside the target structure */
    bool required;
};

/* Parses `text`; returns false with `error` set. conf_close() is due either way. */
bool conf_open(struct conf *c, const char *file, const char *text, size_t size);
/* The same for a file's content. */
bool conf_open_file(struct conf *c, const char *file);
void conf_close(struct conf *c);
/* The top node; NULL for an empty document. */
const yaml_node_t *conf_root(struct conf *c);

/* Notes "FILE:LINE:COL: message" unless an error was noted before. Always returns false. */
bool conf_fail(struct conf *c, const yaml_node_t *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads a mapping: every pair by the key of its name, into target + offset. */
bool conf_map(struct conf *c, const yaml_node_t *node, const struct conf_key *keys, size_t count,
              void *target);
/* Calls `each` for the items of a sequence, in order, until one returns false. */
bool conf_each(struct conf *c, const yaml_node_t *node,
               bool (*each)(struct conf *, const yaml_node_t *, void *), void *context);
/* Calls `each` for the pairs of a mapping whose keys are scalars and all different. */
bool conf_pairs(struct conf *c, const yaml_node_t *node,
                bool (*each)(struct conf *, const yaml_node_t *key, const yaml_node_t *value,
                             void *),
                void *context);
/* The text of a scalar; NULL after conf_fail() for other nodes. Valid as long as the conf. */
const char *conf_text(struct conf *c, const yaml_node_t *node);
/* The value of a key of a mapping, NULL when it has none. */
const yaml_node_t *conf_value(struct conf *c, const yaml_node_t *map, const char *key);

/* Readers for the common types. Strings are malloc()ed; one read before into the same place is
 * freed. */
bool conf_string(struct conf *c, const yaml_node_t *node, void *target); /* char * */
bool conf_bool(struct conf *c, const yaml_node_t *node, void *target);   /* bool: true, false */
bool conf_duration(struct conf *c, const yaml_node_t *node,
                   void *target);                                        /* uint64_t, nanoseconds */
bool conf_share(struct conf *c, const yaml_node_t *node, void *target);  /* double, 0..1 */
bool conf_number(struct conf *c, const yaml_node_t *node, void *target); /* double, not negative */
bool conf_count(struct conf *c, const yaml_node_t *node, void *target);  /* uint64_t */

#endif
