/* conf.c - strict YAML by tables of keys; see conf.h. */
#include "bench/conf.h"
#include "bench/bytes.h"
#include "bench/units.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool conf_fail(struct conf *c, const yaml_node_t *at, const char *format, ...) {
    if (c->error[0])
        return false;
    int used = at ? snprintf(c->error, sizeof c->error, "%s:%zu:%zu: ", c->file,
                             at->start_mark.line + 1, at->start_mark.column + 1)
                  : snprintf(c->error, sizeof c->error, "%s: ", c->file);
    va_list args;
    va_start(args, format);
    if (used >= 0 && (size_t)used < sizeof c->error)
        vsnprintf(c->error + used, sizeof c->error - (size_t)used, format, args);
    va_end(args);
    return false;
}

/* libyaml reports where it stopped in the parser, not in a node. */
static bool parser_failed(struct conf *c, const yaml_parser_t *parser) {
    snprintf(c->error, sizeof c->error, "%s:%zu:%zu: %s", c->file, parser->problem_mark.line + 1,
             parser->problem_mark.column + 1, parser->problem ? parser->problem : "cannot be read");
    return false;
}

static bool only_document(struct conf *c, yaml_parser_t *parser) {
    yaml_document_t second;
    if (!yaml_parser_load(parser, &second))
        return parser_failed(c, parser);
    const yaml_node_t *root = yaml_document_get_root_node(&second);
    bool ok = !root || conf_fail(c, root, "a second document begins here; one is expected");
    yaml_document_delete(&second);
    return ok;
}

bool conf_open(struct conf *c, const char *file, const char *text, size_t size) {
    *c = (struct conf){.file = file};
    if (size > CONF_TEXT_MAX)
        return conf_fail(c, NULL, "is larger than %d bytes", CONF_TEXT_MAX);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return conf_fail(c, NULL, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    c->loaded = yaml_parser_load(&parser, &c->document);
    bool ok = c->loaded ? only_document(c, &parser) : parser_failed(c, &parser);
    yaml_parser_delete(&parser);
    return ok;
}

bool conf_open_file(struct conf *c, const char *file) {
    *c = (struct conf){.file = file};
    FILE *f = fopen(file, "rb");
    if (!f)
        return conf_fail(c, NULL, "%s", strerror(errno));
    char *text = bytes_alloc(CONF_TEXT_MAX + 1, 1);
    size_t size = fread(text, 1, CONF_TEXT_MAX + 1, f);
    bool ok = ferror(f) ? conf_fail(c, NULL, "cannot be read") : conf_open(c, file, text, size);
    fclose(f);
    free(text);
    return ok;
}

void conf_close(struct conf *c) {
    if (c->loaded)
        yaml_document_delete(&c->document);
    c->loaded = false;
}

const yaml_node_t *conf_root(struct conf *c) {
    return c->loaded ? yaml_document_get_root_node(&c->document) : NULL;
}

static const yaml_node_t *node_of(struct conf *c, int index) {
    return yaml_document_get_node(&c->document, index);
}

static const char *kind_name(const yaml_node_t *node) {
    switch (node->type) {
    case YAML_SCALAR_NODE: return "a single value";
    case YAML_SEQUENCE_NODE: return "a list";
    case YAML_MAPPING_NODE: return "a mapping";
    case YAML_NO_NODE: break;
    }
    return "nothing";
}

const char *conf_text(struct conf *c, const yaml_node_t *node) {
    if (node->type == YAML_SCALAR_NODE)
        return (const char *)node->data.scalar.value;
    conf_fail(c, node, "a single value is expected here, not %s", kind_name(node));
    return NULL;
}

bool conf_each(struct conf *c, const yaml_node_t *node,
               bool (*each)(struct conf *, const yaml_node_t *, void *), void *context) {
    if (node->type != YAML_SEQUENCE_NODE)
        return conf_fail(c, node, "a list is expected here, not %s", kind_name(node));
    for (const int *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
        if (!each(c, node_of(c, *i), context))
            return false;
    return true;
}

bool conf_pairs(struct conf *c, const yaml_node_t *node,
                bool (*each)(struct conf *, const yaml_node_t *, const yaml_node_t *, void *),
                void *context) {
    if (node->type != YAML_MAPPING_NODE)
        return conf_fail(c, node, "a mapping is expected here, not %s", kind_name(node));
    const yaml_node_pair_t *first = node->data.mapping.pairs.start;
    for (const yaml_node_pair_t *p = first; p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = node_of(c, p->key);
        const char *name = conf_text(c, key);
        if (!name)
            return false;
        for (const yaml_node_pair_t *q = first; q < p; q++)
            if (!strcmp((const char *)node_of(c, q->key)->data.scalar.value, name))
                return conf_fail(c, key, "\"%s\" is given twice", name);
        if (!each(c, key, node_of(c, p->value), context))
            return false;
    }
    return true;
}

const yaml_node_t *conf_value(struct conf *c, const yaml_node_t *map, const char *key) {
    if (map->type != YAML_MAPPING_NODE)
        return NULL;
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *name = node_of(c, p->key);
        if (name->type == YAML_SCALAR_NODE && !strcmp((const char *)name->data.scalar.value, key))
            return node_of(c, p->value);
    }
    return NULL;
}

struct map_read {
    const struct conf_key *keys;
    size_t count;
    char *target;
};

static bool unknown_key(struct conf *c, const yaml_node_t *at, const char *name,
                        const struct map_read *m) {
    char known[CONF_ERROR_MAX / 4 * 3] = "";
    size_t used = 0;
    for (size_t i = 0; i < m->count && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                                 m->keys[i].name);
    return conf_fail(c, at, "unknown key \"%s\"; known here: %s", name, known);
}

static bool map_pair(struct conf *c, const yaml_node_t *key, const yaml_node_t *value,
                     void *context) {
    const struct map_read *m = context;
    const char *name = (const char *)key->data.scalar.value;
    for (size_t i = 0; i < m->count; i++)
        if (!strcmp(m->keys[i].name, name))
            return m->keys[i].read(c, value, m->target + m->keys[i].offset);
    return unknown_key(c, key, name, m);
}

bool conf_map(struct conf *c, const yaml_node_t *node, const struct conf_key *keys, size_t count,
              void *target) {
    struct map_read m = {keys, count, target};
    if (!conf_pairs(c, node, map_pair, &m))
        return false;
    for (size_t i = 0; i < count; i++)
        if (keys[i].required && !conf_value(c, node, keys[i].name))
            return conf_fail(c, node, "\"%s\" is missing", keys[i].name);
    return true;
}

bool conf_string(struct conf *c, const yaml_node_t *node, void *target) {
    char **out = target;
    const char *text = conf_text(c, node);
    if (!text)
        return false;
    free(*out);
    *out = bytes_dup(text, strlen(text));
    return true;
}

bool conf_bool(struct conf *c, const yaml_node_t *node, void *target) {
    const char *text = conf_text(c, node);
    if (!text)
        return false;
    if (strcmp(text, "true") && strcmp(text, "false"))
        return conf_fail(c, node, "true or false is expected, not \"%.40s\"", text);
    *(bool *)target = text[0] == 't';
    return true;
}

bool conf_duration(struct conf *c, const yaml_node_t *node, void *target) {
    const char *text = conf_text(c, node);
    return text && (units_duration_ns(text, target) ||
                    conf_fail(c, node,
                              "a duration such as 250ms or 1.5s is expected, not \"%.40s\"", text));
}

bool conf_share(struct conf *c, const yaml_node_t *node, void *target) {
    const char *text = conf_text(c, node);
    return text &&
           (units_share(text, target) ||
            conf_fail(c, node, "a share such as 3%% or 0.03 is expected, not \"%.40s\"", text));
}

bool conf_number(struct conf *c, const yaml_node_t *node, void *target) {
    const char *text = conf_text(c, node);
    return text && (units_number(text, target) ||
                    conf_fail(c, node, "a number is expected, not \"%.40s\"", text));
}

bool conf_count(struct conf *c, const yaml_node_t *node, void *target) {
    const char *text = conf_text(c, node);
    return text && (units_count(text, target) ||
                    conf_fail(c, node, "a whole number is expected, not \"%.40s\"", text));
}
