/* shape.c (pure) - JSON requests against tables of members; see shape.h. */
#include "bench/shape.h"

#include <stdio.h>
#include <string.h>

/* The place in work; grown and cut back while the check descends. */
struct walk {
    char path[sizeof((struct shape_fault *)0)->path];
    size_t len;
    struct shape_fault *fault;
};

static bool check_object(struct walk *w, const struct shape *shape, yyjson_val *v);

static bool fail(struct walk *w, enum shape_wrong wrong, const char *name) {
    w->fault->wrong = wrong;
    snprintf(w->fault->path, sizeof w->fault->path, "%s", w->path);
    snprintf(w->fault->name, sizeof w->fault->name, "%s", name);
    return false;
}

/* Returns the length to cut back to. */
static size_t enter(struct walk *w, const char *name) {
    size_t before = w->len, room = sizeof w->path - w->len;
    int len = snprintf(w->path + w->len, room, "%s%s", w->len ? "." : "", name);
    w->len += (size_t)len < room ? (size_t)len : room - 1;
    return before;
}

static void leave(struct walk *w, size_t before) {
    w->len = before;
    w->path[before] = 0;
}

bool shape_has_type(yyjson_val *v, unsigned types) {
    return (types & SHAPE_STRING && yyjson_is_str(v)) ||
           (types & SHAPE_BOOLEAN && yyjson_is_bool(v)) ||
           (types & SHAPE_INTEGER && yyjson_is_int(v)) ||
           (types & SHAPE_NUMBER && yyjson_is_num(v)) ||
           (types & SHAPE_ARRAY && yyjson_is_arr(v)) || (types & SHAPE_OBJECT && yyjson_is_obj(v));
}

/* "inline_data" against "inlineData". */
static bool named_in_snake(const char *camel, const char *key) {
    for (; *camel; camel++, key++) {
        bool capital = *camel >= 'A' && *camel <= 'Z';
        if (capital && *key++ != '_')
            return false;
        if (*key != (capital ? (char)(*camel | 0x20) : *camel))
            return false;
    }
    return !*key;
}

yyjson_val *shape_get(yyjson_val *object, const char *name) {
    yyjson_val *key, *v;
    size_t i, max;
    yyjson_obj_foreach(object, i, max, key, v) {
        const char *text = yyjson_get_str(key);
        if (!yyjson_is_null(v) && (!strcmp(text, name) || named_in_snake(name, text)))
            return v;
    }
    return NULL;
}

static bool check_items(struct walk *w, const struct shape *shape, yyjson_val *array) {
    yyjson_val *item;
    size_t i, max;
    yyjson_arr_foreach(array, i, max, item) {
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        size_t before = enter(w, index);
        if (!yyjson_is_obj(item)) {
            w->fault->types = SHAPE_OBJECT;
            return fail(w, SHAPE_TYPE, "");
        }
        if (!check_object(w, shape, item))
            return false;
        leave(w, before);
    }
    return true;
}

static bool check_value(struct walk *w, const struct shape_member *m, yyjson_val *v) {
    if (!shape_has_type(v, m->types)) {
        w->fault->types = m->types;
        return fail(w, SHAPE_TYPE, m->name);
    }
    if (yyjson_is_num(v) && m->lowest != m->highest) {
        double value = yyjson_get_num(v);
        bool below = value < m->lowest;
        w->fault->limit = below ? m->lowest : m->highest;
        if (below || value > m->highest)
            return fail(w, below ? SHAPE_BELOW : SHAPE_ABOVE, m->name);
    }
    if (!m->inside)
        return true;
    size_t before = enter(w, m->name);
    bool ok = yyjson_is_obj(v)   ? check_object(w, m->inside, v)
              : yyjson_is_arr(v) ? check_items(w, m->inside, v)
                                 : true;
    if (ok)
        leave(w, before);
    return ok;
}

static const struct shape_member *member_of(const struct shape *shape, const char *key) {
    for (size_t i = 0; i < shape->members_count; i++)
        if (!strcmp(shape->members[i].name, key) ||
            (shape->snake && named_in_snake(shape->members[i].name, key)))
            return &shape->members[i];
    return NULL;
}

static bool check_members(struct walk *w, const struct shape *shape, yyjson_val *v) {
    yyjson_val *key, *value;
    size_t i, max, given = 0;
    yyjson_obj_foreach(v, i, max, key, value) {
        const struct shape_member *m = member_of(shape, yyjson_get_str(key));
        if (!m)
            return fail(w, SHAPE_UNKNOWN, yyjson_get_str(key));
        if (yyjson_is_null(value) && !m->required)
            continue;
        given++;
        if (!check_value(w, m, value))
            return false;
    }
    for (i = 0; i < shape->members_count; i++) {
        const struct shape_member *m = &shape->members[i];
        if (m->required && !(shape->snake ? shape_get(v, m->name) : yyjson_obj_get(v, m->name)))
            return fail(w, SHAPE_MISSING, m->name);
    }
    return !shape->one || given == 1 || fail(w, SHAPE_UNION, "");
}

static bool check_map(struct walk *w, const struct shape *shape, yyjson_val *v) {
    yyjson_val *key, *value;
    size_t i, max;
    yyjson_obj_foreach(v, i, max, key, value) {
        struct shape_member m = {yyjson_get_str(key), SHAPE_OBJECT, shape->values, true, 0, 0};
        if (!check_value(w, &m, value))
            return false;
    }
    return true;
}

static bool check_object(struct walk *w, const struct shape *shape, yyjson_val *v) {
    if (shape->values)
        return check_map(w, shape, v);
    if (!shape->tag)
        return check_members(w, shape, v);
    yyjson_val *tag = yyjson_obj_get(v, shape->tag);
    if (!tag)
        return fail(w, SHAPE_MISSING, shape->tag);
    for (size_t i = 0; i < shape->kinds_count; i++)
        if (yyjson_equals_str(tag, shape->kinds[i].name))
            return check_members(w, shape->kinds[i].shape, v);
    return fail(w, SHAPE_TAG, yyjson_is_str(tag) ? yyjson_get_str(tag) : "");
}

bool shape_check(const struct shape *shape, yyjson_val *v, struct shape_fault *out) {
    struct walk w = {.fault = out};
    *out = (struct shape_fault){.types = SHAPE_OBJECT};
    return yyjson_is_obj(v) ? check_object(&w, shape, v) : fail(&w, SHAPE_TYPE, "");
}
