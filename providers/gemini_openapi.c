/* gemini_openapi.c - the OpenAPI 3.0 subset of Gemini's tools and formats as JSON schema. (pure)
 *
 *     {"type":"STRING","nullable":true}   -> {"type":["string","null"]}
 *     {"minItems":"2"}                    -> {"minItems":2}
 *
 * Promises: members without an equal are kept as they are; only schemas are walked, not data.
 * Refuses:  nothing: what is no schema is copied. */
#include "providers/gemini_schema.h"

static void read_schemas(struct span container, struct json_out *out) {
    struct json json;
    struct json_token key, value;
    bool object = container.p[0] == '{';
    gemini_open(&json, container);
    if (object)
        json_out_object(out);
    else
        json_out_array(out);
    while (object ? gemini_pair(&json, &key, &value) : gemini_item(&json, &value)) {
        if (object)
            json_out_key(out, key.raw);
        if (value.kind == JSON_OBJECT)
            gemini_schema_read(value.raw, out);
        else
            json_out_value(out, gemini_text(&value));
    }
    if (object)
        json_out_object_end(out);
    else
        json_out_array_end(out);
}

static void read_type(const struct json_token *type, bool nullable, struct json_out *out) {
    char word[16];
    bool known =
        type->kind == JSON_STRING && gemini_schema_type(type->raw).n && type->raw.n < sizeof word;
    json_out_key(out, SPAN("type"));
    if (!known) {
        json_out_value(out, gemini_text(type));
        return;
    }
    for (size_t i = 0; i < type->raw.n; i++)
        word[i] = (char)(type->raw.p[i] | 0x20); /* letters only */
    if (nullable)
        json_out_array(out);
    json_out_escaped(out, span_of(word, type->raw.n));
    if (nullable) {
        json_out_escaped(out, SPAN("null"));
        json_out_array_end(out);
    }
}

/* Recursion is bounded by JSON_DEPTH_MAX: the text was checked. */
void gemini_schema_read(struct span schema, struct json_out *out) {
    struct json json;
    struct json_token key, value, nullable;
    bool may_be_null = gemini_find(schema, SPAN("nullable"), &nullable) && gemini_true(&nullable);
    uint64_t number;
    gemini_open(&json, schema);
    json_out_object(out);
    while (gemini_pair(&json, &key, &value)) {
        unsigned member = gemini_member(&key, gemini_schema_keys, KEY_COUNT);
        bool container = value.kind == JSON_OBJECT || value.kind == JSON_ARRAY;
        if (member == TYPE) {
            read_type(&value, may_be_null, out);
        } else if (member == NULLABLE || gemini_is(&key, SPAN("propertyOrdering")) ||
                   gemini_is(&key, SPAN("example"))) {
            continue;
        } else if (container && (member == ITEMS || gemini_is(&key, SPAN("not")))) {
            json_out_key(out, key.raw);
            gemini_schema_read(value.raw, out);
        } else if (container &&
                   (member == ANY_OF || member == ONE_OF || gemini_is(&key, SPAN("allOf")) ||
                    gemini_is(&key, SPAN("properties")) || gemini_is(&key, SPAN("defs")) ||
                    json_is(&key, SPAN("$defs")))) {
            json_out_key(out, member < KEY_COUNT ? gemini_schema_keys[member] : key.raw);
            read_schemas(value.raw, out);
        } else if (member >= MIN_ITEMS && member <= MAX_PROPERTIES &&
                   gemini_count(&value, UINT64_MAX / 2, &number)) {
            json_out_key(out,
                         gemini_schema_keys[member]); /* int64 stands in quotes in proto3 JSON */
            json_out_int(out, (int64_t)number);
        } else {
            json_out_key(out, key.raw);
            json_out_value(out, gemini_text(&value));
        }
    }
    json_out_object_end(out);
}
