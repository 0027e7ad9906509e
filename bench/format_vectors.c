/* format_vectors.c (pure) - embeddings in the clouds' own words: Titan and Cohere behind Bedrock's
 * InvokeModel, text embeddings behind Vertex's :predict. The vectors are format_embeddings.c's, so that
 * a text has the same one everywhere. Facts: the vendors' pages of these models, recorded bodies. */
#include "bench/ask_check.h"
#include "bench/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COHERE_TEXTS_MAX = 96,
    VERTEX_INSTANCES_MAX = 250,
    VERTEX_DIMENSIONS_MAX = 3072,
    LENGTHS = 5 /* of the list of lengths that a model's vectors may have, and a 0 */
};

/* ---- reading ---- */

/* The members that a request may have, each with the types it may have; NULL after the last. */
struct member {
    const char *name;
    unsigned types;
};

static bool refuse(struct ask_error *e, const char *type, const char *what, const char *name) {
    return ask_error_set(e, 400, type,
                         "Malformed input request: %s [%.100s], please reformat "
                         "your input and try again.",
                         what, name);
}

static bool check_members(yyjson_val *object, const struct member *members, const char *type,
                          struct ask_error *e) {
    yyjson_val *key, *value;
    size_t i, max;
    if (!yyjson_is_obj(object))
        return refuse(e, type, "no object", "");
    yyjson_obj_foreach(object, i, max, key, value) {
        const struct member *m = members;
        while (m->name && !yyjson_equals_str(key, m->name))
            m++;
        if (!m->name)
            return refuse(e, type, "extraneous key", yyjson_get_str(key));
        if (!ask_has_type(value, m->types))
            return refuse(e, type, "wrong type of", m->name);
    }
    return true;
}

/* One of the lengths that there are; the first when nothing is said. 0: refused. */
static unsigned length_of(yyjson_val *v, const unsigned lengths[LENGTHS]) {
    if (!v)
        return lengths[0];
    for (unsigned i = 0; lengths[i]; i++)
        if (yyjson_get_uint(v) == lengths[i])
            return lengths[i];
    return 0;
}

static bool is_word(yyjson_val *v, const char *const *words) {
    for (; *words; words++)
        if (yyjson_equals_str(v, *words))
            return true;
    return false;
}

/* Reads texts as OpenAI's format does: from here on they are no different. */
static bool take_texts(struct ask *ask, yyjson_mut_doc *doc, yyjson_mut_val *texts,
                       unsigned dimensions, const char *type, struct ask_error *e) {
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    size_t size;
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_val(doc, root, "input", texts);
    yyjson_mut_obj_add_uint(doc, root, "dimensions", dimensions);
    char *text = yyjson_mut_write(doc, 0, &size);
    struct format_request request = {.body = text, .size = size, .model_in_path = true};
    bool ok = text && format_embeddings.read(ask, &request, e);
    if (!ok)
        e->type = type;
    free(text);
    return ok;
}

typedef bool root_reader(struct ask *ask, yyjson_val *root, const char *model, yyjson_mut_doc *doc,
                         struct ask_error *e);

static bool read_body(struct ask *ask, const struct format_request *request, const char *type,
                      root_reader *read, struct ask_error *e) {
    yyjson_doc *in = yyjson_read(request->body, request->size, YYJSON_READ_NOFLAG);
    yyjson_mut_doc *out = yyjson_mut_doc_new(NULL);
    bool ok = in ? read(ask, yyjson_doc_get_root(in), request->model, out, e)
                 : ask_error_set(e, 400, type, "The request body is not valid JSON.");
    yyjson_mut_doc_free(out);
    yyjson_doc_free(in);
    return ok;
}

/* ---- Bedrock: Titan ---- */

static const char bedrock_refusal[] = "ValidationException";

static bool read_titan(struct ask *ask, yyjson_val *root, const char *model, yyjson_mut_doc *doc,
                       struct ask_error *e) {
    static const struct member members[] = {{"inputText", ASK_STRING},
                                            {"dimensions", ASK_INTEGER},
                                            {"normalize", ASK_BOOLEAN},
                                            {NULL, 0}},
                               old_members[] = {{"inputText", ASK_STRING}, {NULL, 0}};
    static const unsigned lengths[LENGTHS] = {1024, 512, 256}, old_length[LENGTHS] = {1536};
    bool old = strstr(model, "titan-embed-text-v1") || strstr(model, "titan-embed-g1-text");
    if (!check_members(root, old ? old_members : members, bedrock_refusal, e))
        return false;
    yyjson_val *text = yyjson_obj_get(root, "inputText");
    unsigned length = length_of(yyjson_obj_get(root, "dimensions"), old ? old_length : lengths);
    if (!yyjson_get_len(text))
        return refuse(e, bedrock_refusal, "required key", "inputText");
    if (!length)
        return refuse(e, bedrock_refusal, "not a length", "dimensions");
    return take_texts(ask, doc, yyjson_val_mut_copy(doc, text), length, bedrock_refusal, e);
}

static bool titan_read(struct ask *ask, const struct format_request *request, struct ask_error *e) {
    return read_body(ask, request, bedrock_refusal, read_titan, e);
}

/* ---- Bedrock: Cohere ---- */

static bool check_texts(yyjson_val *texts, struct ask_error *e) {
    yyjson_val *text;
    size_t i, max;
    if (!yyjson_arr_size(texts) || yyjson_arr_size(texts) > COHERE_TEXTS_MAX)
        return refuse(e, bedrock_refusal, "1 to 96 items are possible", "texts");
    yyjson_arr_foreach(texts, i, max,
                       text) if (!yyjson_get_len(text) ||
                                 !yyjson_is_str(text)) return refuse(e, bedrock_refusal, "no text",
                                                                     "texts");
    return true;
}

static bool read_cohere(struct ask *ask, yyjson_val *root, const char *model, yyjson_mut_doc *doc,
                        struct ask_error *e) {
    static const struct member members[] = {{"texts", ASK_ARRAY},
                                            {"input_type", ASK_STRING},
                                            {"truncate", ASK_STRING},
                                            {"output_dimension", ASK_INTEGER},
                                            {NULL, 0}};
    static const unsigned lengths[LENGTHS] = {1536, 1024, 512, 256}, old_length[LENGTHS] = {1024};
    static const char *const types[] = {"search_document", "search_query", "classification",
                                        "clustering", NULL};
    bool old = strstr(model, "-v3");
    if (!check_members(root, members, bedrock_refusal, e) ||
        !check_texts(yyjson_obj_get(root, "texts"), e))
        return false;
    if (!is_word(yyjson_obj_get(root, "input_type"), types))
        return refuse(e, bedrock_refusal, "not a type of input", "input_type");
    yyjson_val *said = yyjson_obj_get(root, "output_dimension");
    unsigned length = old && said ? 0 : length_of(said, old ? old_length : lengths);
    if (!length)
        return refuse(e, bedrock_refusal, "not a length", "output_dimension");
    return take_texts(ask, doc, yyjson_val_mut_copy(doc, yyjson_obj_get(root, "texts")), length,
                      bedrock_refusal, e);
}

static bool cohere_read(struct ask *ask, const struct format_request *request,
                        struct ask_error *e) {
    return read_body(ask, request, bedrock_refusal, read_cohere, e);
}

/* ---- Vertex ---- */

static const char vertex_refusal[] = "INVALID_ARGUMENT";

static bool take_instances(yyjson_val *instances, yyjson_mut_doc *doc, yyjson_mut_val *texts,
                           struct ask_error *e) {
    static const struct member members[] = {
        {"content", ASK_STRING}, {"task_type", ASK_STRING}, {"title", ASK_STRING}, {NULL, 0}};
    static const char *const tasks[] = {
        "RETRIEVAL_QUERY",   "RETRIEVAL_DOCUMENT",   "SEMANTIC_SIMILARITY",
        "CLASSIFICATION",    "CLUSTERING",           "QUESTION_ANSWERING",
        "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY", NULL};
    yyjson_val *instance;
    size_t i, max;
    if (!yyjson_arr_size(instances) || yyjson_arr_size(instances) > VERTEX_INSTANCES_MAX)
        return refuse(e, vertex_refusal, "1 to 250 items are possible", "instances");
    yyjson_arr_foreach(instances, i, max, instance) {
        if (!check_members(instance, members, vertex_refusal, e))
            return false;
        yyjson_val *content = yyjson_obj_get(instance, "content"),
                   *task = yyjson_obj_get(instance, "task_type");
        if (!yyjson_get_len(content))
            return refuse(e, vertex_refusal, "required key", "content");
        if (task && !is_word(task, tasks))
            return refuse(e, vertex_refusal, "not a task", "task_type");
        yyjson_mut_arr_append(texts, yyjson_val_mut_copy(doc, content));
    }
    return true;
}

static bool read_predict(struct ask *ask, yyjson_val *root, const char *model, yyjson_mut_doc *doc,
                         struct ask_error *e) {
    static const struct member members[] = {{"instances", ASK_ARRAY},
                                            {"parameters", ASK_OBJECT},
                                            {NULL, 0}},
                               parameters[] = {{"outputDimensionality", ASK_INTEGER},
                                               {"autoTruncate", ASK_BOOLEAN},
                                               {NULL, 0}};
    yyjson_mut_val *texts = yyjson_mut_arr(doc);
    unsigned most = strstr(model, "gemini") ? VERTEX_DIMENSIONS_MAX : VERTEX_DIMENSIONS_MAX / 4;
    if (!check_members(root, members, vertex_refusal, e))
        return false;
    yyjson_val *knobs = yyjson_obj_get(root, "parameters"),
               *said = yyjson_obj_get(knobs, "outputDimensionality");
    if ((knobs && !check_members(knobs, parameters, vertex_refusal, e)) ||
        !take_instances(yyjson_obj_get(root, "instances"), doc, texts, e))
        return false;
    if (said && (!yyjson_get_uint(said) || yyjson_get_uint(said) > most))
        return refuse(e, vertex_refusal, "not a length", "outputDimensionality");
    return take_texts(ask, doc, texts, said ? (unsigned)yyjson_get_uint(said) : most,
                      vertex_refusal, e);
}

static bool predict_read(struct ask *ask, const struct format_request *request,
                         struct ask_error *e) {
    return read_body(ask, request, vertex_refusal, read_predict, e);
}

/* ---- writing ---- */

/* The answer as OpenAI's, whose numbers stay as they are written there. */
static yyjson_doc *vectors_of(struct answer *a) {
    struct bytes text = {0};
    format_embeddings.whole(a, &text);
    yyjson_doc *doc = yyjson_read(bytes_at(&text), bytes_len(&text), YYJSON_READ_NUMBER_AS_RAW);
    bytes_free(&text);
    return doc;
}

/* Vector after vector, between what a cloud puts around each; `behind` may hold one %u, its tokens. */
static void write_vectors(struct answer *a, const char *before, const char *behind,
                          struct bytes *out) {
    yyjson_doc *doc = vectors_of(a);
    yyjson_val *data = yyjson_obj_get(yyjson_doc_get_root(doc), "data"), *item;
    size_t i, max;
    yyjson_arr_foreach(data, i, max, item) {
        char *numbers = yyjson_val_write(yyjson_obj_get(item, "embedding"), 0, NULL);
        const char *hole = strstr(behind, "%u");
        bytes_str(out, i ? "," : "");
        bytes_str(out, before);
        bytes_str(out, numbers);
        bytes_add(out, behind, hole ? (size_t)(hole - behind) : strlen(behind));
        if (hole)
            bytes_fmt(out, "%u%s", a->prompt_tokens / (unsigned)max, hole + 2);
        free(numbers);
    }
    yyjson_doc_free(doc);
}

static void titan_whole(struct answer *a, struct bytes *out) {
    bytes_str(out, "{\"embedding\":");
    write_vectors(a, "", "", out);
    bytes_fmt(out, ",\"inputTextTokenCount\":%u}", a->prompt_tokens);
}

/* By type since version 4. */
static void cohere_whole(struct answer *a, struct bytes *out) {
    bool old = strstr(bytes_text(&a->model), "-v3");
    bytes_fmt(out, "{\"id\":\"%s\",\"embeddings\":%s", a->id, old ? "[" : "{\"float\":[");
    write_vectors(a, "", "", out);
    bytes_fmt(out, "%s,\"response_type\":\"%s\"}", old ? "]" : "]}",
              old ? "embeddings_floats" : "embeddings_by_type");
}

static void predict_whole(struct answer *a, struct bytes *out) {
    bytes_str(out, "{\"predictions\":[");
    write_vectors(a, "{\"embeddings\":{\"values\":",
                  ",\"statistics\":{\"truncated\":false,\"token_count\":%u}}}", out);
    bytes_str(out, "],\"metadata\":{\"billableCharacterCount\":12}}");
}

static void bedrock_error_body(struct bytes *out) {
    bytes_str(out, "{\"message\":\"The system encountered an unexpected error during processing. "
                   "Try your request again.\"}");
}

static void vertex_error_body(struct bytes *out) {
    bytes_str(out, "{\"error\":{\"code\":503,\"message\":\"The model is overloaded. Please try "
                   "again later.\",\"status\":\"UNAVAILABLE\"}}");
}

const struct format format_titan = {.name = "titan",
                                    .id_prefix = "",
                                    .id_letters = 8,
                                    .tool_prefix = "",
                                    .read = titan_read,
                                    .whole = titan_whole,
                                    .error_body = bedrock_error_body};

const struct format format_cohere = {.name = "cohere",
                                     .id_prefix = "",
                                     .id_letters = 32,
                                     .tool_prefix = "",
                                     .read = cohere_read,
                                     .whole = cohere_whole,
                                     .error_body = bedrock_error_body};

const struct format format_predict = {.name = "predict",
                                      .id_prefix = "",
                                      .id_letters = 8,
                                      .tool_prefix = "",
                                      .read = predict_read,
                                      .whole = predict_whole,
                                      .error_body = vertex_error_body};
