/* config_node.c - a YAML file as a tree of nodes that know their places.
 *
 * Owns:     the libyaml parser while it reads; the tree is the arena's.
 * Promises: the depth of the recursion, the number of entries and of anchors are bounded
 *           (config_node.h).
 *
 * libyaml's events are used rather than its documents: they show anchors and tags where they stand,
 * and let the depth be bounded before the tree is there. */
#include "appliance/control/config_node.h"

#include <yaml.h>

#include "appliance/control/config_names.h"

struct anchor {
    struct span name;
    const struct config_node *node;
    bool open; /* its node is still being read */
};

struct builder {
    yaml_parser_t parser;
    struct span yaml;
    struct arena *arena; /* borrowed */
    struct config_report *report;
    struct anchor anchors[CONFIG_ANCHORS_MAX];
    unsigned anchor_count;
    bool stuck; /* an error after which nothing can be read */
};

static unsigned place(size_t zero_based) {
    return (unsigned)min_u64(zero_based, UINT32_MAX - 1) + 1;
}

#define node_error(b, mark, ...)                                                           \
    config_report_add((b)->report, CONFIG_ERROR, place((mark).line), place((mark).column), \
                      __VA_ARGS__)

/* As node_error, and the reading ends here. */
#define node_stuck(b, mark, ...) (node_error(b, mark, __VA_ARGS__), (b)->stuck = true)

static void *keep(struct builder *b, size_t n) {
    void *p = arena_zalloc(b->arena, n);
    CHECK(p);
    return p;
}

/* The two mistakes that libyaml's own words do not help with, guessed from the line they were found
 * in. */
static const char *line_hint(const struct builder *b, size_t line) {
    struct span rest = b->yaml, here = {NULL, 0};
    for (size_t i = 0; i <= line && rest.p; i++)
        here = span_cut(&rest, '\n');
    /* Braces are YAML's own inside {...}. */
    if (span_search(here, SPAN("${")) < here.n)
        return "; put quotes around values that hold ${...}";
    if (span_find(here, '\t', 0) < here.n)
        return "; indent with blanks, not with tabs";
    return "";
}

static void report_parser(struct builder *b) {
    const yaml_parser_t *p = &b->parser;
    const char *problem = p->problem ? p->problem : "not enough memory";
    b->stuck = true;
    if (p->error == YAML_READER_ERROR) {
        config_report_add(b->report, CONFIG_ERROR, 0, 0,
                          "byte %zu: %s; the file must be UTF-8 text", p->problem_offset, problem);
        return;
    }
    const char *hint = line_hint(b, p->problem_mark.line);
    /* libyaml says where a block began which then went wrong: the cause is often there, not
     * here. */
    if (p->context && p->context_mark.line != p->problem_mark.line)
        node_error(b, p->problem_mark, "not YAML: %s, %s that began in line %u%s", problem,
                   p->context, place(p->context_mark.line), hint);
    else
        node_error(b, p->problem_mark, "not YAML: %s%s", problem, hint);
}

static bool next_event(struct builder *b, yaml_event_t *event) {
    if (b->stuck)
        return false;
    if (yaml_parser_parse(&b->parser, event))
        return true;
    report_parser(b);
    return false;
}

static struct span text_of(struct builder *b, const unsigned char *bytes, size_t n) {
    struct span copy = arena_copy(b->arena, span_of((const char *)bytes, n));
    CHECK(copy.p);
    return copy;
}

/* Opens an anchor for a node that begins; NULL when it has none. */
static struct anchor *anchor_open(struct builder *b, const yaml_event_t *event,
                                  const unsigned char *name, const struct config_node *node) {
    if (!name)
        return NULL;
    if (b->anchor_count == CONFIG_ANCHORS_MAX) {
        node_stuck(b, event->start_mark, "too many anchors; there may be %d", CONFIG_ANCHORS_MAX);
        return NULL;
    }
    struct anchor *anchor = &b->anchors[b->anchor_count++];
    *anchor = (struct anchor){
        .name = text_of(b, name, strlen((const char *)name)), .node = node, .open = true};
    return anchor;
}

static const struct config_node *read_alias(struct builder *b, const yaml_event_t *event) {
    struct span name = span_str((const char *)event->data.alias.anchor);
    /* The newest anchor of a name is the one meant (YAML 1.2.2, 7.1). */
    for (unsigned i = b->anchor_count; i-- > 0;) {
        if (!span_eq(b->anchors[i].name, name))
            continue;
        if (!b->anchors[i].open)
            return b->anchors[i].node;
        node_stuck(b, event->start_mark, "the alias *%.*s stands inside its own anchor",
                   (int)name.n, name.p);
        return NULL;
    }
    node_stuck(b, event->start_mark, "there is no anchor &%.*s above this alias", (int)name.n,
               name.p);
    return NULL;
}

/* Tags of the YAML core schema change nothing here, since settings know their types. */
static void check_tag(struct builder *b, const yaml_event_t *event, const unsigned char *tag) {
    if (tag && !span_starts(span_str((const char *)tag), SPAN("tag:yaml.org,2002:")))
        node_error(b, event->start_mark, "the tag %.64s is not known; remove it",
                   (const char *)tag);
}

static const struct config_node *read_node(struct builder *b, yaml_event_t *event, unsigned depth);

static void append(struct builder *b, struct config_node *parent, struct config_entry ***end,
                   const struct config_node *key, const struct config_node *value) {
    struct config_entry *entry = keep(b, sizeof *entry);
    *entry = (struct config_entry){.key = key, .value = value};
    **end = entry;
    *end = &entry->next;
    parent->count++;
}

/* Reads the key that `event` begins. NULL when it cannot be one. */
static const struct config_node *read_key(struct builder *b, yaml_event_t *event, unsigned depth) {
    yaml_mark_t mark = event->start_mark;
    const struct config_node *key = read_node(b, event, depth);
    if (!key)
        return NULL;
    if (key->kind != CONFIG_SCALAR)
        node_stuck(b, mark, "a key must be plain text, not a list or a map");
    else if (key->plain && span_eq(key->text, SPAN("<<")))
        node_error(b, mark,
                   "merge keys (<<) are not supported; use an alias for the whole value, or "
                   "`defaults`");
    return b->stuck ? NULL : key;
}

/* Reads entries up to the event that ends the container. */
static void read_entries(struct builder *b, struct config_node *parent, yaml_event_type_t last,
                         unsigned depth) {
    struct config_entry **end = &parent->first;
    yaml_event_t event;
    while (next_event(b, &event)) {
        if (event.type == last) {
            yaml_event_delete(&event);
            return;
        }
        const struct config_node *key = NULL;
        if (parent->count == CONFIG_ENTRIES_MAX)
            node_stuck(b, event.start_mark, "more than %d entries", CONFIG_ENTRIES_MAX);
        if (parent->kind == CONFIG_MAP) {
            key = b->stuck ? NULL : read_key(b, &event, depth);
            yaml_event_delete(&event);
            if (!key || !next_event(b, &event))
                return;
        }
        const struct config_node *value = b->stuck ? NULL : read_node(b, &event, depth);
        yaml_event_delete(&event);
        if (!value)
            return;
        append(b, parent, &end, key, value);
    }
}

static void check_duplicates(struct builder *b, const struct config_node *map) {
    struct config_names seen;
    config_names_init(&seen, b->arena, map->count);
    for (const struct config_entry *e = map->first; e; e = e->next) {
        const struct config_node *before = config_names_put(&seen, e->key->text, e->key);
        if (before)
            config_report_add(b->report, CONFIG_ERROR, e->key->line, e->key->column,
                              "\"%.*s\" is given twice; the first is in line %u",
                              (int)min_size(e->key->text.n, 64), e->key->text.p, before->line);
    }
}

static void read_container(struct builder *b, yaml_event_t *event, struct config_node *node,
                           unsigned depth) {
    bool map = event->type == YAML_MAPPING_START_EVENT;
    const unsigned char *tag = map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    const unsigned char *name =
        map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    node->kind = map ? CONFIG_MAP : CONFIG_LIST;
    check_tag(b, event, tag);
    if (depth == CONFIG_DEPTH_MAX) {
        node_stuck(b, event->start_mark, "nested deeper than %d", CONFIG_DEPTH_MAX);
        return;
    }
    struct anchor *anchor = anchor_open(b, event, name, node);
    read_entries(b, node, map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT, depth + 1);
    if (anchor)
        anchor->open = false;
    if (map)
        check_duplicates(b, node);
}

/* Reads the node that `event` begins; the caller deletes the event. NULL when reading is stuck. */
static const struct config_node *read_node(struct builder *b, yaml_event_t *event, unsigned depth) {
    if (event->type == YAML_ALIAS_EVENT)
        return read_alias(b, event);
    struct config_node *node = keep(b, sizeof *node);
    node->line = place(event->start_mark.line);
    node->column = place(event->start_mark.column);
    if (event->type != YAML_SCALAR_EVENT) {
        read_container(b, event, node, depth);
        return b->stuck ? NULL : node;
    }
    node->kind = CONFIG_SCALAR;
    node->text = text_of(b, event->data.scalar.value, event->data.scalar.length);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    check_tag(b, event, event->data.scalar.tag);
    struct anchor *anchor = anchor_open(b, event, event->data.scalar.anchor, node);
    if (anchor)
        anchor->open = false;
    return b->stuck ? NULL : node;
}

/* Reads the next event, which must be of that type; false when it is not or the text is broken. */
static bool skip_event(struct builder *b, yaml_event_type_t type) {
    yaml_event_t event;
    if (!next_event(b, &event))
        return false;
    bool is = event.type == type;
    if (!is && event.type == YAML_DOCUMENT_START_EVENT)
        node_stuck(b, event.start_mark,
                   "a second document begins; a configuration is one document");
    yaml_event_delete(&event);
    return is;
}

static const struct config_node *read_document(struct builder *b) {
    yaml_event_t event;
    if (!skip_event(b, YAML_STREAM_START_EVENT) || !next_event(b, &event))
        return NULL;
    bool empty = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
    if (empty) {
        config_report_add(b->report, CONFIG_ERROR, 1, 1,
                          "the file is empty; it needs version, "
                          "listeners, providers and models");
        return NULL;
    }
    if (!next_event(b, &event))
        return NULL;
    const struct config_node *root = read_node(b, &event, 0);
    yaml_event_delete(&event);
    if (!root || !skip_event(b, YAML_DOCUMENT_END_EVENT) || !skip_event(b, YAML_STREAM_END_EVENT))
        return NULL;
    return root;
}

const struct config_node *config_node_read(struct span yaml, struct arena *arena,
                                           struct config_report *report) {
    struct builder *b = arena_zalloc(arena, sizeof *b);
    CHECK(b);
    b->yaml = yaml;
    b->arena = arena;
    b->report = report;
    /* libyaml fails to begin only when there is no memory. */
    CHECK(yaml_parser_initialize(&b->parser));
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)yaml.p, yaml.n);
    const struct config_node *root = read_document(b);
    yaml_parser_delete(&b->parser);
    return root;
}

const struct config_node *config_node_find(const struct config_node *map, struct span key) {
    for (const struct config_entry *e = map->first; e; e = e->next)
        if (span_eq(e->key->text, key))
            return e->value;
    return NULL;
}

bool config_node_null(const struct config_node *node) {
    if (node->kind != CONFIG_SCALAR || !node->plain)
        return false;
    return node->text.n == 0 || span_eq(node->text, SPAN("~")) || span_eq(node->text, SPAN("null"));
}
