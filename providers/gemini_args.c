/* gemini_args.c - arguments of a function call that Vertex streams as paths and values
 * (streamFunctionCallArguments), put together to one JSON object. (pure)
 *
 *     {"jsonPath":"$.recipe.steps[0]","stringValue":"Preheat","willContinue":true}
 *     {"jsonPath":"$.recipe.steps[0]","stringValue":" the oven."}
 *
 * A tree, not text at once: nothing promises that the paths come in the order of the text.
 *
 * Promises: pieces of one string are joined; elements of an array stand in the order they came in.
 * Refuses:  more than NODES_MAX values, deeper than DEPTH_MAX: each step looks for its name among
 *           its siblings. */
#include "providers/gemini.h"

#include "core/limits.h"

#define NODES_MAX 4096
#define DEPTH_MAX 64

struct gemini_node {
    struct gemini_node *next, *children, *last;
    struct span key; /* raw; of an array's element: digits */
    bool element;    /* of an array */
    bool string;     /* `text` is raw string content, else a JSON text, or nothing yet */
    struct chat_text text;
};

static struct gemini_node *new_node(struct gemini_args *args, struct arena *arena) {
    if (args->node_count == NODES_MAX)
        return NULL;
    args->node_count++;
    return arena_zalloc(arena, sizeof(struct gemini_node));
}

static struct gemini_node *child_of(struct gemini_args *args, struct arena *arena,
                                    struct gemini_node *parent, struct span name, bool element) {
    struct span key = gemini_escape(name, arena);
    if (!key.p)
        return NULL;
    /* The last one is nearly always meant. */
    if (parent->last && parent->last->element == element && span_eq(parent->last->key, key))
        return parent->last;
    for (struct gemini_node *child = parent->children; child; child = child->next)
        if (child->element == element && span_eq(child->key, key))
            return child;
    struct gemini_node *child = new_node(args, arena);
    if (!child)
        return NULL;
    child->key = key;
    child->element = element;
    if (parent->last)
        parent->last->next = child;
    else
        parent->children = child;
    return parent->last = child;
}

/* Cuts the next step off a path behind its `$`: ".name", "[0]", "['name']". False: it is none. */
static bool next_step(struct span *path, struct span *name, bool *element) {
    size_t end;
    *element = false;
    if (path->p[0] == '.') {
        *path = span_from(*path, 1);
        for (end = 0; end < path->n && path->p[end] != '.' && path->p[end] != '['; end++)
            ;
        *name = span_of(path->p, end);
        *path = span_from(*path, end);
        return end > 0;
    }
    if (path->p[0] != '[' || path->n < 3)
        return false;
    char quote = path->p[1];
    if (quote == '\'' || quote == '"') {
        end = span_find(*path, quote, 2);
        if (end + 1 >= path->n || path->p[end + 1] != ']')
            return false;
        *name = span_of(path->p + 2, end - 2);
        *path = span_from(*path, end + 2);
        return true;
    }
    end = span_find(*path, ']', 1);
    if (end >= path->n)
        return false;
    uint64_t index;
    *name = span_of(path->p + 1, end - 1);
    *path = span_from(*path, end + 1);
    *element = true;
    return span_u64(*name, UINT32_MAX, &index);
}

static struct gemini_node *find(struct gemini_args *args, struct arena *arena, struct span path) {
    struct gemini_node *node = args->root;
    if (!path.n || path.p[0] != '$')
        return NULL;
    path = span_from(path, 1);
    for (unsigned depth = 0; path.n && node; depth++) {
        struct span name;
        bool element;
        if (depth == DEPTH_MAX || !next_step(&path, &name, &element))
            return NULL;
        node = child_of(args, arena, node, name, element);
    }
    return node;
}

bool gemini_args_add(struct gemini_args *args, struct arena *arena, struct span partial) {
    struct json json;
    struct json_token key, value, path, said = {.kind = JSON_ERROR};
    if (!args->root && !(args->root = new_node(args, arena)))
        return false;
    if (!gemini_find(partial, SPAN("jsonPath"), &path) || path.kind != JSON_STRING)
        return false;
    struct span plain = gemini_decode(path.raw, arena);
    struct gemini_node *node = plain.p ? find(args, arena, plain) : NULL;
    if (!node)
        return false;
    gemini_open(&json, partial);
    while (gemini_pair(&json, &key, &value)) {
        if (gemini_is(&key, SPAN("stringValue")) && value.kind == JSON_STRING) {
            if (!node->string)
                node->text.n = 0;
            node->string = true;
            return chat_text_add(&node->text, arena, value.raw);
        }
        if (gemini_is(&key, SPAN("numberValue")) || gemini_is(&key, SPAN("boolValue")))
            said = value;
        else if (gemini_is(&key, SPAN("nullValue")))
            said = gemini_token(SPAN("null"));
    }
    if (said.kind == JSON_ERROR)
        return true; /* its pieces are still to come */
    node->string = false;
    return chat_text_set(&node->text, arena, gemini_text(&said));
}

static void write_node(const struct gemini_node *node, bool root, struct json_out *out) {
    bool array = !root && node->children && node->children->element;
    if (!root && !node->children) {
        if (node->string)
            json_out_escaped(out, chat_text_span(&node->text));
        else if (node->text.n)
            json_out_value(out, chat_text_span(&node->text));
        else
            json_out_null(out);
        return;
    }
    if (array)
        json_out_array(out);
    else
        json_out_object(out);
    for (const struct gemini_node *child = node->children; child; child = child->next) {
        if (!array)
            json_out_key(out, child->key);
        write_node(child, false, out);
    }
    if (array)
        json_out_array_end(out);
    else
        json_out_object_end(out);
}

void gemini_args_write(const struct gemini_args *args, struct json_out *out) {
    static const struct gemini_node none;
    write_node(args->root ? args->root : &none, true, out);
}
