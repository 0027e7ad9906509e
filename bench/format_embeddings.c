/* format_embeddings.c (pure) - OpenAI's embeddings. A vector depends on its text alone, so that all
 * simulated clouds agree about it; its length is 1. Facts: OpenAI API specification 2.3.0. */
#include "bench/ask_check.h"
#include "bench/format_openai.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIMENSIONS = 1536, INPUTS_MAX = 2048 };

static const struct ask_param params[] = {
#define PARAM(name, types, lowest, highest) {#name, types, lowest, highest},
#include "bench/embeddings_param.def"
#undef PARAM
};

/* ---- reading ---- */

static uint64_t mix(uint64_t h, const void *data, size_t len) {
    const unsigned char *at = data;
    for (size_t i = 0; i < len; i++)
        h = (h ^ at[i]) * 0x100000001b3;
    return h;
}

/* A text, or a row of token numbers. */
static bool take_input(struct ask *ask, yyjson_val *v, size_t index, struct ask_error *e) {
    uint64_t h = 0xcbf29ce484222325;
    yyjson_val *token;
    size_t i, max;
    char param[40];
    snprintf(param, sizeof param, "input[%zu]", index);
    if (yyjson_is_str(v) && yyjson_get_len(v)) {
        h = mix(h, yyjson_get_str(v), yyjson_get_len(v));
    } else if (yyjson_arr_size(v)) {
        yyjson_arr_foreach(v, i, max, token) {
            int64_t number = yyjson_get_sint(token);
            if (!yyjson_is_int(token))
                return ask_refuse_type(e, param, ASK_INTEGER, token);
            h = mix(h, &number, sizeof number);
        }
    } else {
        return ask_refuse(e, "", "input", "Invalid '%s': input cannot be an empty string.", param);
    }
    bytes_add(&ask->inputs, &h, sizeof h);
    return true;
}

static bool take_inputs(struct ask *ask, yyjson_val *input, struct ask_error *e) {
    yyjson_val *item;
    size_t i, max;
    if (!input)
        return ask_refuse_missing(e, "input");
    if (yyjson_is_str(input) || yyjson_is_int(yyjson_arr_get_first(input)))
        return take_input(ask, input, 0, e);
    if (!yyjson_arr_size(input) || yyjson_arr_size(input) > INPUTS_MAX)
        return ask_refuse(e, "", "input", "Invalid 'input': 1 to %d inputs are possible.",
                          INPUTS_MAX);
    yyjson_arr_foreach(input, i, max, item) if (!take_input(ask, item, i, e)) return false;
    return true;
}

static bool read_root(struct ask *ask, yyjson_val *root, bool model_in_path, struct ask_error *e) {
    yyjson_val *v;
    if (!ask_check_params(root, params, sizeof params / sizeof params[0], e))
        return false;
    if (!ask_given(root, "model") && !model_in_path)
        return ask_refuse(e, "", "", "you must provide a model parameter");
    v = ask_given(root, "encoding_format");
    ask->base64 = yyjson_equals_str(v, "base64");
    if (v && !ask->base64 && !yyjson_equals_str(v, "float"))
        return ask_refuse(e, "invalid_value", "encoding_format",
                          "Invalid value: '%.40s'. Supported values are: 'float' and 'base64'.",
                          yyjson_get_str(v));
    v = ask_given(root, "dimensions");
    ask->dimensions = v ? (unsigned)yyjson_get_uint(v) : DIMENSIONS;
    ask_take_text(&ask->model, ask_given(root, "model"));
    return take_inputs(ask, ask_given(root, "input"), e);
}

static bool embeddings_read(struct ask *ask, const struct format_request *request,
                            struct ask_error *e) {
    ask_clear(ask);
    yyjson_doc *doc = yyjson_read(request->body, request->size, YYJSON_READ_NOFLAG);
    bool ok = yyjson_is_obj(yyjson_doc_get_root(doc))
                  ? read_root(ask, yyjson_doc_get_root(doc), request->model_in_path, e)
                  : ask_refuse_json(e);
    ask->prompt_tokens = (unsigned)(request->size / ASK_BYTES_PER_TOKEN + 1);
    yyjson_doc_free(doc);
    return ok;
}

/* ---- writing ---- */

static void make_vector(uint64_t seed, unsigned dimensions, float *out) {
    struct dice dice;
    double square = 0;
    dice_init(&dice, seed, 0);
    for (unsigned i = 0; i < dimensions; i++) {
        out[i] = (float)dice_normal(&dice);
        square += (double)out[i] * out[i];
    }
    for (unsigned i = 0; i < dimensions; i++)
        out[i] = (float)(out[i] / sqrt(square));
}

static void write_vector(const struct answer *a, const float *vector, struct bytes *out) {
    if (a->base64) {
        /* Little-endian floats, as this machine holds them. */
        size_t size = a->dimensions * sizeof *vector, text_size = (size + 2) / 3 * 4;
        char *text = bytes_room(out, text_size + 3);
        *text = '"';
        EVP_EncodeBlock((uint8_t *)text + 1, (const uint8_t *)vector, size);
        text[text_size + 1] = '"';
        out->end += text_size + 2;
        return;
    }
    for (unsigned i = 0; i < a->dimensions; i++)
        bytes_fmt(out, "%s%.9g", i ? "," : "[", (double)vector[i]);
    bytes_str(out, "]");
}

static void embeddings_whole(struct answer *a, struct bytes *out) {
    float *vector = bytes_alloc(a->dimensions, sizeof *vector);
    size_t count = bytes_len(&a->inputs) / sizeof(uint64_t);
    bytes_str(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < count; i++) {
        uint64_t seed;
        memcpy(&seed, bytes_at(&a->inputs) + i * sizeof seed, sizeof seed);
        make_vector(seed, a->dimensions, vector);
        bytes_fmt(out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i ? "," : "", i);
        write_vector(a, vector, out);
        bytes_str(out, "}");
    }
    bytes_str(out, "],\"model\":\"");
    bytes_json(out, bytes_at(&a->model), bytes_len(&a->model));
    bytes_fmt(out, "\",\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u}}", a->prompt_tokens,
              a->prompt_tokens);
    free(vector);
}

const struct format format_embeddings = {
    .name = "embeddings",
    .id_prefix = "",
    .id_letters = 8,
    .tool_prefix = "",
    .read = embeddings_read,
    .whole = embeddings_whole,
    .error_body = format_openai_error,
};
