/* converse_fields.c - takes what is wanted out of a JSON object, by name, in one pass. (pure)
 *
 *     {"delta":{"text":"a"},"p":"xyz"}  with the shape  delta -> text -> field 3  ->  fields[3] = "a"
 *
 * Owns:     nothing; what it finds points into the text.
 * Promises: the whole text was JSON, or nothing of it is to be used.
 * Refuses:  nothing: members that are new or of another kind are read over. */
#include "providers/converse.h"

static const struct converse_shape *shape_row(const struct converse_shape *shape,
                                              const struct json_token *key) {
    while (shape->name.p && !json_is(key, shape->name))
        shape++;
    return shape->name.p ? shape : NULL;
}

static bool read_shape(struct json *json, const struct converse_shape *shape,
                       struct json_token *fields);

static bool read_member(struct json *json, const struct converse_shape *row,
                        struct json_token *fields) {
    struct json_token value;
    json_next(json, &value);
    bool container = value.kind == JSON_OBJECT || value.kind == JSON_ARRAY;
    if (row->inside && value.kind == JSON_OBJECT)
        return read_shape(json, row->inside, fields);
    if (container && !json_leave(json))
        return false;
    if (value.kind == JSON_ERROR)
        return false;
    if (container)
        value.raw.n = json_at(json) - (size_t)(value.raw.p - json->in.p);
    if (!row->inside)
        fields[row->field] = value;
    return true;
}

/* The members of an object, behind its brace. */
static bool read_shape(struct json *json, const struct converse_shape *shape,
                       struct json_token *fields) {
    struct json_token key;
    struct span skipped;
    while (json_next(json, &key) == JSON_KEY) {
        const struct converse_shape *row = shape_row(shape, &key);
        if (row ? !read_member(json, row, fields) : !json_value(json, &skipped))
            return false;
    }
    return key.kind == JSON_OBJECT_END;
}

bool converse_fields(struct span text, const struct converse_shape *shape,
                     struct json_token *fields) {
    struct json json;
    struct json_token token;
    json_init(&json, text);
    return json_next(&json, &token) == JSON_OBJECT && read_shape(&json, shape, fields) &&
           json_next(&json, &token) == JSON_END;
}

struct span converse_text(const struct json_token *field) {
    return field->kind == JSON_STRING ? field->raw : span_of(NULL, 0);
}

bool converse_has_object(const struct json_token *field) { return field->kind == JSON_OBJECT; }

struct span converse_escape(struct arena *arena, struct span plain) {
    struct json_out out;
    json_out_arena(&out, arena, plain.n + 2);
    json_out_string(&out, plain);
    struct span whole = json_out_span(&out);
    return out.full ? span_of(NULL, 0) : span_of(whole.p + 1, whole.n - 2);
}
