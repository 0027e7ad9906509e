/* config_setting.c - reads one map of the configuration into one C struct by the rows of
 * config_settings.def.
 *
 * Owns:     the table made from the rows.
 * Promises: nothing of a value marked SECRET, and nothing that came from a variable or a file, is
 *           in any message: values are shown as they stand in the file, before anything is
 *           replaced. */
#include "appliance/control/config_setting.h"

#include <assert.h>

#include "appliance/control/config_expand.h"
#include "appliance/control/config_names.h"
#include "appliance/control/config_value.h"

/* Texts of the operator: names of models reach about 100 bytes, paths 4096 in theory. */
#define TEXT_MAX_BYTES 4096
/* Keys: each stands in log lines, metrics and URLs. */
#define KEY_MAX_BYTES 256

/* The order counts: up to BOOL they are numbers, up to WORD they are stored as one, from MAP on they
 * are nodes. */
enum type {
    TYPE_DURATION,
    TYPE_SIZE,
    TYPE_COUNT,
    TYPE_SHARE,
    TYPE_QUANTILE,
    TYPE_PRICE,
    TYPE_BOOL,
    TYPE_WORD,
    TYPE_NAME,
    TYPE_TEXT,
    TYPE_PATH,
    TYPE_SECRET,
    TYPE_MAP,
    TYPE_LIST,
};
enum support { OPTIONAL, REQUIRED, STANDARD, NOT_YET };

static const char *const type_names[] = {
    [TYPE_DURATION] = "duration", [TYPE_SIZE] = "size",         [TYPE_COUNT] = "number",
    [TYPE_SHARE] = "share",       [TYPE_QUANTILE] = "quantile", [TYPE_PRICE] = "price",
    [TYPE_BOOL] = "true|false",   [TYPE_WORD] = "one of",       [TYPE_NAME] = "name",
    [TYPE_TEXT] = "text",         [TYPE_PATH] = "path",         [TYPE_SECRET] = "secret",
    [TYPE_MAP] = "map",           [TYPE_LIST] = "list",
};

struct row {
    enum config_section section;
    enum type type;
    enum support support;
    const char *key, *standard, *range, *doc;
    size_t offset, size; /* of the member */
};

/* What each section is read into. */
#define SETTING_root            struct config_root
#define SETTING_listener        struct config_listener_draft
#define SETTING_listener_tls    struct config_listener_tls
#define SETTING_certificate     struct cert_pair
#define SETTING_admin           struct config_listener_draft
#define SETTING_provider        struct config_provider_draft
#define SETTING_provider_tls    struct config_provider_tls
#define SETTING_pool            struct config_pool
#define SETTING_provider_limits struct config_limits
#define SETTING_model           struct config_model_draft
#define SETTING_backend         struct config_backend_draft
#define SETTING_price           struct config_price
#define SETTING_hedge           struct config_hedge
#define SETTING_timeouts        struct config_timeouts
#define SETTING_defaults        struct config_defaults
#define SETTING_key             struct config_key_draft
#define SETTING_key_limits      struct config_limits
#define SETTING_limits          struct config
#define SETTING_telemetry       struct config_telemetry
#define SETTING_access_log      struct config_access_log
#define SETTING_state           struct config_state

static const struct row rows[] = {
#define ROW(s, k, t, m, d, r, u, text)   \
    {.section = CONFIG_SECTION_##s,      \
     .type = TYPE_##t,                   \
     .support = u,                       \
     .key = #k,                          \
     .standard = d,                      \
     .range = r,                         \
     .doc = text,                        \
     .offset = offsetof(SETTING_##s, m), \
     .size = sizeof(((SETTING_##s *)0)->m)},
#define LATER(s, k, text) \
    {.section = CONFIG_SECTION_##s, .type = TYPE_TEXT, .support = NOT_YET, .key = #k, .doc = text},
#include "appliance/control/config_settings.def"
};

static const char *const section_paths[CONFIG_SECTION_COUNT] = {
#define SECTION(s, path) [CONFIG_SECTION_##s] = path,
#include "appliance/control/config_settings.def"
};

/* number_store tells an enum from a flag and a 64-bit number by its size. */
static_assert(sizeof(enum hedge_mode) == sizeof(unsigned) && sizeof(bool) == 1, "sizes of members");

/* A number of any of the first types, in its member's unit. */
struct number {
    uint64_t integer;
    double real;
    bool is_real;
};

static bool number_read(enum type type, struct span text, struct number *out, const char **why) {
    bool flag = false;
    *out = (struct number){.is_real = type == TYPE_SHARE || type == TYPE_QUANTILE};
    switch (type) {
    case TYPE_DURATION: return config_value_duration(text, &out->integer, why);
    case TYPE_SIZE: return config_value_size(text, &out->integer, why);
    case TYPE_COUNT: return config_value_count(text, &out->integer, why);
    case TYPE_SHARE: return config_value_share(text, &out->real, why);
    case TYPE_QUANTILE: return config_value_quantile(text, &out->real, why);
    case TYPE_PRICE: return config_value_price(text, &out->integer, why);
    case TYPE_BOOL:
        if (!config_value_bool(text, &flag, why))
            return false;
        out->integer = flag;
        return true;
    case TYPE_WORD:
    case TYPE_NAME:
    case TYPE_TEXT:
    case TYPE_PATH:
    case TYPE_SECRET:
    case TYPE_MAP:
    case TYPE_LIST: break;
    }
    CHECK(!"a number's type");
    return false;
}

static bool number_less(const struct number *a, const struct number *b) {
    return a->is_real ? a->real < b->real : a->integer < b->integer;
}

static void number_store(const struct row *row, const struct number *number, void *target) {
    void *member = (char *)target + row->offset;
    if (number->is_real)
        memcpy(member, &number->real, sizeof(double));
    else if (row->size == sizeof(uint64_t))
        memcpy(member, &number->integer, sizeof(uint64_t));
    else if (row->size == sizeof(unsigned))
        memcpy(member, &(unsigned){(unsigned)number->integer}, sizeof(unsigned));
    else
        memcpy(member, &(bool){number->integer != 0}, sizeof(bool));
}

/* Is the number in "FROM..TO"? Both ends are written as the operator would write them. */
static bool in_range(const struct row *row, const struct number *number) {
    if (!row->range)
        return true;
    struct span range = span_str(row->range);
    size_t dots = span_search(range, SPAN(".."));
    struct number from, to;
    const char *why;
    CHECK(number_read(row->type, span_of(range.p, dots), &from, &why));
    CHECK(number_read(row->type, span_from(range, dots + 2), &to, &why));
    return !number_less(number, &from) && !number_less(&to, number);
}

/* The index of a word in "first|second|...", or -1. */
static int word_index(const struct row *row, struct span text) {
    struct span rest = span_str(row->range);
    for (int i = 0; rest.p; i++)
        if (span_eq(span_cut(&rest, '|'), text))
            return i;
    return -1;
}

/* Reads a value which is a number or a word. *why is set on false; "" asks for the list of
 * words. */
static bool value_read(const struct row *row, struct span text, struct number *out,
                       const char **why) {
    if (row->type != TYPE_WORD)
        return number_read(row->type, text, out, why);
    int index = word_index(row, text);
    *why = "";
    if (index < 0)
        return false;
    *out = (struct number){.integer = (uint64_t)index};
    return true;
}

void config_setting_defaults(struct config_reader *r, enum config_section section, void *target) {
    for (size_t i = 0; i < countof(rows); i++) {
        const struct row *row = &rows[i];
        if (row->section != section || !row->standard)
            continue;
        if (row->type >= TYPE_NAME) {
            const char *text = config_setting_keep(r, span_str(row->standard));
            memcpy((char *)target + row->offset, &text, sizeof text);
            continue;
        }
        struct number number;
        const char *why;
        CHECK(value_read(row, span_str(row->standard), &number, &why));
        number_store(row, &number, target);
    }
}

static const struct row *row_find(enum config_section section, struct span key) {
    for (size_t i = 0; i < countof(rows); i++)
        if (rows[i].section == section && span_eq(span_str(rows[i].key), key))
            return &rows[i];
    return NULL;
}

static void unknown_key(struct config_reader *r, enum config_section section,
                        const struct config_node *key, const char *where) {
    struct config_nearest nearest = {.wanted = key->text};
    char hint[CONFIG_NEAREST_TEXT];
    /* Reported already where the file was read. */
    if (span_eq(key->text, SPAN("<<")))
        return;
    for (size_t i = 0; i < countof(rows); i++)
        if (rows[i].section == section)
            config_nearest_offer(&nearest, span_str(rows[i].key));
    config_nearest_text(&nearest, hint, sizeof hint);
    config_setting_error(r, key, "%s%sunknown key \"%.*s\"%s%s", where, *where ? ": " : "",
                         CONFIG_SHOWN(key), hint,
                         *hint ? "" : "; `hedgerow help settings` lists all");
}

static const char *kind_name(enum config_node_kind kind) {
    static const char *const names[] = {"a value", "a list", "a map"};
    return names[kind];
}

static bool wrong_kind(struct config_reader *r, const struct config_node *node, const char *where,
                       enum config_node_kind wanted) {
    static const char *const how[] = {"one value", "a list (lines of - item, or [a, b])",
                                      "a map (lines of key: value, or {key: value})"};
    const char *has = config_node_null(node) ? "nothing" : kind_name(node->kind);
    config_setting_error(r, node, "%s is %s; it must be %s", *where ? where : "the file", has,
                         how[wanted]);
    return false;
}

/* The value of a scalar with everything in it replaced. */
static bool expand(struct config_reader *r, const struct config_node *node, const char *where,
                   struct span *out) {
    const char *why;
    if (node->kind != CONFIG_SCALAR)
        return wrong_kind(r, node, where, CONFIG_SCALAR);
    if (config_node_null(node)) {
        config_setting_error(r, node, "%s has no value; give it one or remove the line", where);
        return false;
    }
    /* Said once already; the rest of the file is not worth its memory. */
    if (r->text_bytes > CONFIG_TEXT_MAX_BYTES)
        return false;
    if (!config_expand(node->text, r->directory, r->scratch, out, &why)) {
        config_setting_error(r, node, "%s: %s", where, why);
        return false;
    }
    r->text_bytes += out->n;
    if (r->text_bytes > CONFIG_TEXT_MAX_BYTES) {
        config_setting_error(r, node, "%s: all values together are longer than 16 MiB", where);
        return false;
    }
    return true;
}

static const char *text_wrong(struct span text, bool name) {
    if (text.n == 0)
        return "is empty";
    if (text.n > TEXT_MAX_BYTES)
        return "is longer than 4096 bytes";
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
        if (c < ' ' || c == 0x7f)
            return "holds a control character";
        if (name && !word)
            return "may hold only letters, digits, '.', '_' and '-'";
    }
    return NULL;
}

const char *config_setting_text(struct config_reader *r, const struct config_node *node,
                                const char *where, bool secret) {
    struct span text = {NULL, 0};
    if (!expand(r, node, where, &text))
        return NULL;
    const char *wrong = text_wrong(text, false);
    if (wrong) {
        const char *hint = secret && text.n == 0 ? "; write none if there is no key" : "";
        config_setting_error(r, node, "%s %s%s", where, wrong, hint);
        return NULL;
    }
    return config_setting_keep(r, text);
}

static const char *text_name(struct config_reader *r, const struct config_node *node,
                             const char *where) {
    const char *text = config_setting_text(r, node, where, false);
    const char *wrong = text ? text_wrong(span_str(text), true) : NULL;
    if (wrong)
        config_setting_error(r, node, "%s %s", where, wrong);
    return wrong ? NULL : text;
}

const char *config_setting_key(struct config_reader *r, const struct config_node *key,
                               const char *where, bool name) {
    const char *wrong = text_wrong(key->text, name);
    if (!wrong && key->text.n > KEY_MAX_BYTES)
        wrong = "is longer than 256 bytes";
    if (!wrong)
        return config_setting_keep(r, key->text);
    config_setting_error(r, key, "%s: the name %s", where, wrong);
    return NULL;
}

static bool read_text(struct config_reader *r, const struct row *row,
                      const struct config_node *node, const char *where, void *target) {
    const char *text = row->type == TYPE_NAME
                           ? text_name(r, node, where)
                           : config_setting_text(r, node, where, row->type == TYPE_SECRET);
    if (!text)
        return false;
    if (row->type == TYPE_PATH)
        text = config_expand_path(span_str(text), r->directory, r->keep);
    memcpy((char *)target + row->offset, &text, sizeof text);
    return true;
}

static void wrong_word(struct config_reader *r, const struct row *row,
                       const struct config_node *node, const char *where) {
    char words[128], hint[CONFIG_NEAREST_TEXT];
    struct config_nearest nearest = {.wanted = node->text};
    struct span rest = span_str(row->range);
    size_t n = 0;
    while (rest.p) {
        struct span word = span_cut(&rest, '|');
        config_nearest_offer(&nearest, word);
        n += (size_t)snprintf(words + n, sizeof words - n, "%s%.*s", n ? ", " : "", (int)word.n,
                              word.p);
        CHECK(n < sizeof words);
    }
    config_setting_error(r, node, "%s: \"%.*s\" is not one of %s%s", where, CONFIG_SHOWN(node),
                         words, config_nearest_text(&nearest, hint, sizeof hint));
}

static void out_of_range(struct config_reader *r, const struct row *row,
                         const struct config_node *node, const char *where) {
    struct span range = span_str(row->range);
    size_t dots = span_search(range, SPAN(".."));
    struct span from = span_of(range.p, dots), to = span_from(range, dots + 2);
    if (span_eq(from, to))
        config_setting_error(r, node, "%s: %.*s is not supported; it must be %.*s", where,
                             CONFIG_SHOWN(node), (int)to.n, to.p);
    else
        config_setting_error(r, node, "%s: %.*s is out of range; it may be %.*s to %.*s", where,
                             CONFIG_SHOWN(node), (int)from.n, from.p, (int)to.n, to.p);
}

static bool read_value(struct config_reader *r, const struct row *row,
                       const struct config_node *node, const char *where, void *target) {
    struct span text = {NULL, 0};
    struct number number, standard;
    const char *why;
    if (!expand(r, node, where, &text))
        return false;
    if (!value_read(row, text, &number, &why)) {
        if (row->type == TYPE_WORD)
            wrong_word(r, row, node, where);
        else
            config_setting_error(r, node, "%s: \"%.*s\" %s", where, CONFIG_SHOWN(node), why);
        return false;
    }
    if (row->type != TYPE_WORD && !in_range(row, &number)) {
        out_of_range(r, row, node, where);
        return false;
    }
    if (row->support == STANDARD) {
        CHECK(value_read(row, span_str(row->standard), &standard, &why));
        if (number_less(&number, &standard) || number_less(&standard, &number)) {
            config_setting_error(r, node,
                                 "%s: only %s is supported by this version; remove the line", where,
                                 row->standard);
            return false;
        }
    }
    number_store(row, &number, target);
    return true;
}

static bool read_row(struct config_reader *r, const struct row *row,
                     const struct config_entry *entry, const char *where, void *target) {
    const struct config_node *node = entry->value;
    if (row->support == NOT_YET) {
        config_setting_error(r, entry->key, "%s is not supported by this version; remove it",
                             where);
        return false;
    }
    if (row->type <= TYPE_WORD)
        return read_value(r, row, node, where, target);
    if (row->type != TYPE_MAP && row->type != TYPE_LIST)
        return read_text(r, row, node, where, target);
    enum config_node_kind wanted = row->type == TYPE_MAP ? CONFIG_MAP : CONFIG_LIST;
    if (node->kind != wanted)
        return wrong_kind(r, node, where, wanted);
    memcpy((char *)target + row->offset, &node, sizeof node);
    return true;
}

/* Reports what is missing; false when something is. */
static bool check_required(struct config_reader *r, enum config_section section,
                           const struct config_node *map, const char *where) {
    bool complete = true;
    for (size_t i = 0; i < countof(rows); i++) {
        const struct row *row = &rows[i];
        if (row->section != section || row->support != REQUIRED)
            continue;
        if (config_node_find(map, span_str(row->key)))
            continue;
        config_setting_error(r, map, "%s%s%s is missing: %s", where, *where ? "." : "", row->key,
                             row->doc);
        complete = false;
    }
    return complete;
}

bool config_setting_read(struct config_reader *r, enum config_section section,
                         const struct config_node *map, const char *where, void *target) {
    if (map->kind != CONFIG_MAP)
        return wrong_kind(r, map, where, CONFIG_MAP);
    bool good = check_required(r, section, map, where);
    for (const struct config_entry *e = map->first; e; e = e->next) {
        const struct row *row = row_find(section, e->key->text);
        if (!row)
            unknown_key(r, section, e->key, where);
        else if (!read_row(r, row, e, config_setting_where(r, where, e->key->text), target) &&
                 row->support == REQUIRED)
            good = false;
    }
    return good;
}

const char *config_setting_keep(struct config_reader *r, struct span text) {
    char *p = config_setting_alloc(r, text.n + 1);
    if (text.n)
        memcpy(p, text.p, text.n);
    return p;
}

void *config_setting_alloc(struct config_reader *r, size_t n) {
    void *p = arena_zalloc(r->keep, n);
    /* The snapshot's memory has no limit of its own; what goes in is bounded by the file's. */
    CHECK(p);
    return p;
}

const char *config_setting_where(struct config_reader *r, const char *where, struct span key) {
    int shown = (int)min_size(key.n, KEY_MAX_BYTES);
    size_t max = strlen(where) + (size_t)shown + 2;
    char *text = arena_alloc(r->scratch, max);
    CHECK(text);
    snprintf(text, max, "%s%s%.*s", where, *where ? "." : "", shown, key.p);
    return text;
}

const char *config_setting_item(struct config_reader *r, const char *where, unsigned index) {
    size_t max = strlen(where) + sizeof "[4294967295]";
    char *text = arena_alloc(r->scratch, max);
    CHECK(text);
    snprintf(text, max, "%s[%u]", where, index);
    return text;
}

static void list_row(const struct row *row, FILE *out) {
    const char *path = section_paths[row->section];
    if (row->support == NOT_YET) {
        fprintf(out, "%s%s%s\n        not supported by this version; %s\n", path, *path ? "." : "",
                row->key, row->doc);
        return;
    }
    fprintf(out, "%s%s%s: %s", path, *path ? "." : "", row->key, type_names[row->type]);
    if (row->range)
        fprintf(out, " %s", row->range);
    if (row->standard)
        fprintf(out, ", default %s", row->standard);
    if (row->support == REQUIRED)
        fputs(", required", out);
    if (row->support == STANDARD)
        fputs(", nothing else is supported by this version", out);
    fprintf(out, "\n        %s\n", row->doc);
}

void config_setting_list(FILE *out) {
    for (size_t i = 0; i < countof(rows); i++)
        list_row(&rows[i], out);
}
