/* config_node.h - a YAML file as a tree of nodes that know their places.
 *
 * One document of scalars, lists and maps. Plain aliases (`*name`) are supported: the node then has
 * several parents, and its place is where it was anchored. Refused, each with its place: merge keys
 * (`<<`), tags of one's own, keys that are not plain text, a key given twice in one map, aliases
 * inside their own anchor, a second document, and what passes the limits below. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CONFIG_NODE_H
#define HEDGEROW_APPLIANCE_CONTROL_CONFIG_NODE_H

#include "appliance/control/config_report.h"
#include "core/arena.h"

/* The settings nest six deep; a file much deeper is a mistake, and the tree is built by
 * recursion. */
#define CONFIG_DEPTH_MAX 32
/* A model with all its settings takes about 600 bytes: thousands of them fit. */
#define CONFIG_FILE_MAX_BYTES (4 * 1024 * 1024)
/* Anchors are looked up one by one. */
#define CONFIG_ANCHORS_MAX 256
/* Entries of one map or list. */
#define CONFIG_ENTRIES_MAX 65536

enum config_node_kind { CONFIG_SCALAR, CONFIG_LIST, CONFIG_MAP };

/* An entry of a list (key NULL) or of a map. */
struct config_entry {
    const struct config_node *key, *value;
    struct config_entry *next;
};

struct config_node {
    enum config_node_kind kind;
    unsigned line, column;      /* of its first character, from 1 */
    struct span text;           /* SCALAR: as written between the quotes, ${...} not yet replaced */
    struct config_entry *first; /* LIST, MAP: in the order of the file */
    unsigned count;             /* of entries */
    bool plain;                 /* SCALAR: without quotes */
};

/* Reads the YAML text. Returns the tree, which lives as long as the arena and borrows nothing, or
 * NULL when the text is not YAML. What is wrong is added to *report; a tree may come with errors in
 * the report too (duplicate keys), so that the others in the file are found as well. */
const struct config_node *config_node_read(struct span yaml, struct arena *arena,
                                           struct config_report *report);
/* The value of a key of a MAP, or NULL. */
const struct config_node *config_node_find(const struct config_node *map, struct span key);
/* Is it a scalar without quotes that YAML reads as null: nothing, ~ or null? */
bool config_node_null(const struct config_node *);

#endif
