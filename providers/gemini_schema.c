/* gemini_schema.c - JSON schema as the OpenAPI 3.0 subset that older Gemini models take. (pure)
 *
 *     {"type":["string","null"],"const":"a"}   -> {"type":"STRING","nullable":true,"enum":["a"]}
 *     {"$ref":"#/$defs/A"}                     -> what stands there
 *     {"allOf":[{..},{..}]}                    -> one object of both
 *
 * Only schemas are walked: what stands under `enum`, `example` or `default` is data.
 *
 * Refuses:  references nested deeper than REFS_MAX (a recursive schema): there the rest is any
 *           object; a result beyond CLEAN_BYTES_MAX, for references to references grow without
 *           bounds; and more than READ_BYTES_MAX read for one request, looking for references too. */
#include "providers/gemini_schema.h"

#include "core/limits.h"

#define REFS_MAX        6
#define CLEAN_BYTES_MAX (256 * 1024)
/* Bytes read on the way, for all schemas of a request: each level reads its text again, and so does
 * each reference, which is looked for from the root. Some tenths of a second's work. */
#define READ_BYTES_MAX (32 * 1024 * 1024)
/* Schemas that are put together to one by allOf, references and single alternatives. */
#define SOURCES_MAX 16

const struct span gemini_schema_keys[KEY_COUNT] = {
    [TYPE] = SPAN_CONST("type"),
    [FORMAT] = SPAN_CONST("format"),
    [DESCRIPTION] = SPAN_CONST("description"),
    [NULLABLE] = SPAN_CONST("nullable"),
    [ENUM] = SPAN_CONST("enum"),
    [CONST] = SPAN_CONST("const"),
    [ITEMS] = SPAN_CONST("items"),
    [ANY_OF] = SPAN_CONST("anyOf"),
    [ONE_OF] = SPAN_CONST("oneOf"),
    [PATTERN] = SPAN_CONST("pattern"),
    [MINIMUM] = SPAN_CONST("minimum"),
    [MAXIMUM] = SPAN_CONST("maximum"),
    [MIN_ITEMS] = SPAN_CONST("minItems"),
    [MAX_ITEMS] = SPAN_CONST("maxItems"),
    [MIN_LENGTH] = SPAN_CONST("minLength"),
    [MAX_LENGTH] = SPAN_CONST("maxLength"),
    [MIN_PROPERTIES] = SPAN_CONST("minProperties"),
    [MAX_PROPERTIES] = SPAN_CONST("maxProperties"),
};

struct cleaning {
    struct span root;
    struct json_out *out;
    size_t start, *read_bytes;
    bool too_large;
};

/* One schema, put together of its sources. */
struct node {
    struct span member[KEY_COUNT]; /* whole values; the first source that says it */
    struct span properties[SOURCES_MAX], required[SOURCES_MAX];
    unsigned properties_count, required_count;
    unsigned refs;      /* deepest nesting of references on the way */
    bool nullable, cut; /* cut: the way ended here */
};

struct span gemini_schema_type(struct span type) {
    static const struct {
        struct span json, openapi;
    } words[] = {
        {SPAN_CONST("string"), SPAN_CONST("STRING")},
        {SPAN_CONST("number"), SPAN_CONST("NUMBER")},
        {SPAN_CONST("integer"), SPAN_CONST("INTEGER")},
        {SPAN_CONST("boolean"), SPAN_CONST("BOOLEAN")},
        {SPAN_CONST("array"), SPAN_CONST("ARRAY")},
        {SPAN_CONST("object"), SPAN_CONST("OBJECT")},
        {SPAN_CONST("null"), SPAN_CONST("NULL")},
    };
    for (unsigned i = 0; i < countof(words); i++)
        if (span_eq_nocase(type, words[i].json))
            return words[i].openapi;
    return SPAN("");
}

/* --- references --- */

/* Counts what is about to be read; false when it is too much. */
static bool spend(struct cleaning *x, size_t bytes) {
    *x->read_bytes += bytes;
    x->too_large |= *x->read_bytes > READ_BYTES_MAX;
    return !x->too_large;
}

/* What a local reference ("#/$defs/A") points to; empty: nothing. */
static struct span resolve(struct cleaning *x, struct span pointer) {
    struct span at = x->root;
    if (!span_starts(pointer, SPAN("#")))
        return SPAN("");
    pointer = span_from(pointer, 1);
    if (pointer.n && pointer.p[0] == '/')
        pointer = span_from(pointer, 1);
    else if (pointer.n)
        return SPAN("");
    while (pointer.n) {
        struct span step = span_cut(&pointer, '/');
        struct json_token value;
        if (!spend(x, at.n) || !json_find(at, &step, 1, &value) || value.kind != JSON_OBJECT)
            return SPAN("");
        at = value.raw;
    }
    return at;
}

static void gather(struct cleaning *x, struct node *node, struct span schema, unsigned refs,
                   unsigned depth);

static void gather_all(struct cleaning *x, struct node *node, struct span list, unsigned refs,
                       unsigned depth) {
    struct json json;
    struct json_token item;
    if (list.p[0] != '[' || !gemini_open(&json, list))
        return;
    while (!x->too_large && gemini_item(&json, &item))
        if (item.kind == JSON_OBJECT)
            gather(x, node, item.raw, refs, depth + 1);
}

/* `depth` counts sources within one node, so that allOf in allOf ends too. */
static void gather(struct cleaning *x, struct node *node, struct span schema, unsigned refs,
                   unsigned depth) {
    struct json json;
    struct json_token key, value;
    if (depth >= SOURCES_MAX || schema.p[0] != '{' || !spend(x, schema.n + 1))
        return;
    gemini_open(&json, schema);
    node->refs = refs > node->refs ? refs : node->refs;
    while (gemini_pair(&json, &key, &value)) {
        unsigned member = 0;
        while (member < KEY_COUNT && !json_is(&key, gemini_schema_keys[member]))
            member++;
        if (member < KEY_COUNT) {
            if (!node->member[member].p)
                node->member[member] = gemini_text(&value);
        } else if (json_is(&key, SPAN("properties")) && value.kind == JSON_OBJECT) {
            if (node->properties_count < SOURCES_MAX)
                node->properties[node->properties_count++] = value.raw;
        } else if (json_is(&key, SPAN("required")) && value.kind == JSON_ARRAY) {
            if (node->required_count < SOURCES_MAX)
                node->required[node->required_count++] = value.raw;
        } else if (json_is(&key, SPAN("allOf"))) {
            gather_all(x, node, gemini_text(&value), refs, depth);
        } else if (json_is(&key, SPAN("$ref")) && value.kind == JSON_STRING) {
            struct span target = resolve(x, value.raw);
            if (refs >= REFS_MAX || !target.n)
                node->cut = true;
            else
                gather(x, node, target, refs + 1, depth + 1);
        }
    }
}

/* --- types --- */

/* The one type of a node, or empty; "null" among several makes it nullable. */
static struct span type_of(struct node *node) {
    struct json json;
    struct json_token item, type = gemini_token(node->member[TYPE]);
    struct span only = SPAN("");
    unsigned count = 0;
    if (type.kind == JSON_STRING)
        only = gemini_schema_type(type.raw);
    if (type.kind != JSON_ARRAY || !gemini_open(&json, type.raw))
        return only;
    while (gemini_item(&json, &item)) {
        struct span word = item.kind == JSON_STRING ? gemini_schema_type(item.raw) : SPAN("");
        if (span_eq(word, SPAN("NULL"))) {
            node->nullable = true;
        } else if (word.n) {
            only = word;
            count++;
        }
    }
    return count == 1 ? only : SPAN("");
}

static bool is_null_schema(struct span schema) {
    struct json_token type;
    return gemini_find(schema, SPAN("type"), &type) && type.kind == JSON_STRING &&
           span_eq(gemini_schema_type(type.raw), SPAN("NULL"));
}

/* anyOf or oneOf without its null; a single alternative becomes part of the node itself. */
static struct span alternatives_of(struct cleaning *x, struct node *node, unsigned refs) {
    struct span list = node->member[ANY_OF].p ? node->member[ANY_OF] : node->member[ONE_OF];
    struct json json;
    struct json_token item;
    struct span only = SPAN("");
    unsigned count = 0;
    if (!list.n || list.p[0] != '[')
        return SPAN("");
    gemini_open(&json, list);
    while (gemini_item(&json, &item)) {
        if (is_null_schema(gemini_text(&item))) {
            node->nullable = true;
            continue;
        }
        only = gemini_text(&item);
        count++;
    }
    if (count > 1)
        return list;
    node->member[ANY_OF] = node->member[ONE_OF] = span_of(NULL, 0);
    if (count == 1)
        gather(x, node, only, refs, 1);
    return SPAN("");
}

/* --- writing --- */

static void clean(struct cleaning *x, struct span schema, unsigned refs, unsigned depth);

static void put_word(struct json_out *out, const char *key, struct span word) {
    json_out_key(out, span_str(key));
    json_out_escaped(out, word);
}

static bool has_property(struct cleaning *x, const struct node *node, struct span raw_name) {
    struct json_token value;
    for (unsigned i = 0; i < node->properties_count; i++)
        if (spend(x, node->properties[i].n) && json_find(node->properties[i], &raw_name, 1, &value))
            return true;
    return false;
}

static void put_properties(struct cleaning *x, const struct node *node, unsigned depth) {
    bool any = false;
    for (unsigned i = 0; i < node->properties_count; i++) {
        struct json json;
        struct json_token key, value;
        gemini_open(&json, node->properties[i]);
        while (!x->too_large && gemini_pair(&json, &key, &value)) {
            if (!any) {
                json_out_key(x->out, SPAN("properties"));
                json_out_object(x->out);
            }
            any = true;
            json_out_key(x->out, key.raw);
            clean(x, gemini_text(&value), node->refs, depth + 1);
        }
    }
    if (any)
        json_out_object_end(x->out);
}

/* Names without a property are refused by the API. */
static void put_required(struct cleaning *x, const struct node *node) {
    bool any = false;
    for (unsigned i = 0; i < node->required_count; i++) {
        struct json json;
        struct json_token name;
        gemini_open(&json, node->required[i]);
        while (gemini_item(&json, &name)) {
            if (name.kind != JSON_STRING || !has_property(x, node, name.raw))
                continue;
            if (!any) {
                json_out_key(x->out, SPAN("required"));
                json_out_array(x->out);
            }
            any = true;
            json_out_escaped(x->out, name.raw);
        }
    }
    if (any)
        json_out_array_end(x->out);
}

/* Enumerations are of strings only. */
static void put_enum(struct cleaning *x, const struct node *node) {
    struct json json;
    struct json_token item, only = gemini_token(node->member[CONST]);
    bool any = false;
    if (only.kind == JSON_STRING) {
        json_out_key(x->out, SPAN("enum"));
        json_out_array(x->out);
        json_out_escaped(x->out, only.raw);
        json_out_array_end(x->out);
        return;
    }
    if (!node->member[ENUM].n || node->member[ENUM].p[0] != '[')
        return;
    gemini_open(&json, node->member[ENUM]);
    while (gemini_item(&json, &item)) {
        if (item.kind != JSON_STRING)
            continue;
        if (!any) {
            json_out_key(x->out, SPAN("enum"));
            json_out_array(x->out);
        }
        any = true;
        json_out_escaped(x->out, item.raw);
    }
    if (any)
        json_out_array_end(x->out);
}

/* {"type":["string","integer"]}: an alternative for each. */
static void put_types(struct cleaning *x, struct span types) {
    struct json json;
    struct json_token item;
    json_out_key(x->out, SPAN("anyOf"));
    json_out_array(x->out);
    gemini_open(&json, types);
    while (gemini_item(&json, &item)) {
        struct span word = item.kind == JSON_STRING ? gemini_schema_type(item.raw) : SPAN("");
        if (!word.n || span_eq(word, SPAN("NULL")))
            continue;
        json_out_object(x->out);
        put_word(x->out, "type", word);
        json_out_object_end(x->out);
    }
    json_out_array_end(x->out);
}

static void put_alternatives(struct cleaning *x, const struct node *node, struct span list,
                             unsigned depth) {
    struct json json;
    struct json_token item;
    json_out_key(x->out, SPAN("anyOf"));
    json_out_array(x->out);
    gemini_open(&json, list);
    while (!x->too_large && gemini_item(&json, &item))
        if (!is_null_schema(gemini_text(&item)))
            clean(x, gemini_text(&item), node->refs, depth + 1);
    json_out_array_end(x->out);
}

static void put_scalars(struct cleaning *x, const struct node *node, struct span type) {
    static const struct {
        unsigned member;
        enum json_kind kind;
    } rows[] = {
        {DESCRIPTION, JSON_STRING},    {PATTERN, JSON_STRING},    {MINIMUM, JSON_NUMBER},
        {MAXIMUM, JSON_NUMBER},        {MIN_ITEMS, JSON_NUMBER},  {MAX_ITEMS, JSON_NUMBER},
        {MIN_LENGTH, JSON_NUMBER},     {MAX_LENGTH, JSON_NUMBER}, {MIN_PROPERTIES, JSON_NUMBER},
        {MAX_PROPERTIES, JSON_NUMBER},
    };
    struct json_token format = gemini_token(node->member[FORMAT]);
    for (unsigned i = 0; i < countof(rows); i++) {
        struct json_token value = gemini_token(node->member[rows[i].member]);
        if (value.kind != rows[i].kind)
            continue;
        json_out_key(x->out, gemini_schema_keys[rows[i].member]);
        json_out_value(x->out, gemini_text(&value));
    }
    /* Of strings only these two are known; numbers have int32, int64, float, double. */
    bool string = span_eq(type, SPAN("STRING"));
    bool number = span_eq(type, SPAN("INTEGER")) || span_eq(type, SPAN("NUMBER"));
    if (format.kind == JSON_STRING &&
        ((string && (json_is(&format, SPAN("date-time")) || json_is(&format, SPAN("enum")))) ||
         (number && (json_is(&format, SPAN("int32")) || json_is(&format, SPAN("int64")) ||
                     json_is(&format, SPAN("float")) || json_is(&format, SPAN("double"))))))
        put_word(x->out, "format", format.raw);
}

/* A type that follows from the rest. */
static struct span implied_type(const struct node *node) {
    if (node->properties_count || node->cut)
        return SPAN("OBJECT");
    if (node->member[ITEMS].n)
        return SPAN("ARRAY");
    struct json_token only = gemini_token(node->member[CONST]);
    if (only.kind == JSON_STRING || node->member[ENUM].n)
        return SPAN("STRING");
    return SPAN("");
}

static void clean(struct cleaning *x, struct span schema, unsigned refs, unsigned depth) {
    struct node node = {.refs = refs};
    if (x->out->n - x->start > CLEAN_BYTES_MAX || depth > JSON_DEPTH_MAX)
        x->too_large = true;
    if (x->too_large) {
        json_out_null(x->out); /* the whole is thrown away */
        return;
    }
    gather(x, &node, schema, refs, 0);
    struct span alternatives = alternatives_of(x, &node, node.refs);
    struct span type = type_of(&node), types = node.member[TYPE];
    bool several = !type.n && !alternatives.n && types.n && types.p[0] == '[';
    if (!type.n && !alternatives.n && !several)
        type = implied_type(&node);
    struct json_token nullable = gemini_token(node.member[NULLABLE]);
    json_out_object(x->out);
    if (type.n)
        put_word(x->out, "type", type);
    if (node.nullable || gemini_true(&nullable)) {
        json_out_key(x->out, SPAN("nullable"));
        json_out_bool(x->out, true);
    }
    put_scalars(x, &node, type);
    if (several)
        put_types(x, types);
    if (alternatives.n)
        put_alternatives(x, &node, alternatives, depth);
    if (span_eq(type, SPAN("STRING")))
        put_enum(x, &node);
    if (span_eq(type, SPAN("ARRAY"))) {
        json_out_key(x->out, SPAN("items")); /* demanded */
        if (node.member[ITEMS].n && node.member[ITEMS].p[0] == '{')
            clean(x, node.member[ITEMS], node.refs, depth + 1);
        else
            json_out_value(x->out, SPAN("{\"type\":\"STRING\"}"));
    }
    if (!type.n || span_eq(type, SPAN("OBJECT"))) {
        put_properties(x, &node, depth);
        put_required(x, &node);
    }
    json_out_object_end(x->out);
}

bool gemini_schema_clean(struct span schema, size_t *read_bytes, struct json_out *out) {
    struct cleaning x = {.root = schema, .out = out, .start = out->n, .read_bytes = read_bytes};
    clean(&x, schema, 0, 0);
    return !x.too_large;
}

bool gemini_schema_is_empty(struct span schema) {
    struct json json;
    struct json_token key, value, member;
    if (!schema.n || schema.p[0] != '{')
        return true;
    gemini_open(&json, schema);
    while (gemini_pair(&json, &key, &value)) {
        bool says = json_is(&key, SPAN("$ref")) || json_is(&key, SPAN("anyOf")) ||
                    json_is(&key, SPAN("oneOf")) || json_is(&key, SPAN("allOf")) ||
                    json_is(&key, SPAN("patternProperties")) ||
                    (json_is(&key, SPAN("additionalProperties")) && value.kind != JSON_FALSE);
        struct json inner;
        if (json_is(&key, SPAN("properties")) && value.kind == JSON_OBJECT) {
            gemini_open(&inner, value.raw);
            says = json_next(&inner, &member) == JSON_KEY;
        }
        if (says)
            return false;
    }
    return true;
}
