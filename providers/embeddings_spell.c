/* embeddings_spell.c - embeddings of the clouds whose API is their own: OpenAI's request in their
 * words, their answer in OpenAI's. (pure)
 *
 * Owns:     nothing.
 * Promises: texts and numbers go over as they were written, undecoded. What an API cannot say is
 *           refused by the member's name. An answer that is accepted has one embedding for each
 *           input, none of them empty, all of numbers.
 * Refuses:  to send several requests in place of one: they would race, fail and cost on their
 *           own. */
#include <float.h>
#include <math.h>

#include "core/base.h"
#include "providers/embeddings.h"
#include "providers/openai_chat.h"

/* The most texts that Cohere takes in a request (model parameters of Cohere Embed at Bedrock). */
#define COHERE_TEXTS_MAX 96

static const struct {
    const char *kind, *pattern;
    enum embeddings_api api;
} apis[] = {
#define EMBEDDINGS_API(kind_name, glob, name) {kind_name, glob, EMBEDDINGS_##name},
#include "providers/embeddings_apis.def"
#undef EMBEDDINGS_API
};

/* How an API spells what OpenAI's has, or what its own clients add. Empty: it has no such thing. */
static const struct {
    struct span name;       /* for sentences */
    struct span dimensions; /* the length of a vector */
    struct span purpose;    /* what the vectors are for: a member that a client may send along */
} words[] = {
    [EMBEDDINGS_TITAN_V1] = {.name = SPAN_CONST("Titan")},
    [EMBEDDINGS_TITAN] = {.name = SPAN_CONST("Titan"), .dimensions = SPAN_CONST("dimensions")},
    [EMBEDDINGS_COHERE_V3] = {.name = SPAN_CONST("Cohere"), .purpose = SPAN_CONST("input_type")},
    [EMBEDDINGS_COHERE] = {.name = SPAN_CONST("Cohere"),
                           .dimensions = SPAN_CONST("output_dimension"),
                           .purpose = SPAN_CONST("input_type")},
    [EMBEDDINGS_VERTEX] = {.name = SPAN_CONST("Vertex"),
                           .dimensions = SPAN_CONST("outputDimensionality"),
                           .purpose = SPAN_CONST("task_type")},
};

enum embeddings_api embeddings_api_of(struct span kind, struct span base_model) {
    for (unsigned i = 0; i < countof(apis); i++)
        if (span_eq(kind, span_str(apis[i].kind)) &&
            span_glob(span_str(apis[i].pattern), base_model))
            return apis[i].api;
    return EMBEDDINGS_OPENAI;
}

static bool is_titan(enum embeddings_api api) {
    return api == EMBEDDINGS_TITAN || api == EMBEDDINGS_TITAN_V1;
}

static bool is_cohere(enum embeddings_api api) {
    return api == EMBEDDINGS_COHERE || api == EMBEDDINGS_COHERE_V3;
}

/* --- the request --- */

/* What nobody may leave out, lenient or not. */
static int refuse(struct chat_losses *losses, int why_not, struct span field, struct span why) {
    losses->field = field;
    losses->why = why;
    return why_not;
}

static int check_input(const struct embeddings_request *req, enum embeddings_api api,
                       struct chat_losses *losses) {
    if (req->input == EMBEDDINGS_TOKENS || req->input == EMBEDDINGS_TOKEN_LISTS)
        return refuse(losses, -FAIL_UNSUPPORTED, SPAN("input"),
                      SPAN("tokens are known to OpenAI's API only; give texts"));
    if (is_titan(api) && req->inputs > 1)
        return refuse(losses, -FAIL_UNSUPPORTED, SPAN("input"),
                      SPAN("Titan takes one text a request"));
    if (is_cohere(api) && req->inputs > COHERE_TEXTS_MAX)
        return refuse(losses, -FAIL_UNSUPPORTED, SPAN("input"),
                      SPAN("Cohere takes at most 96 texts a request"));
    return 0;
}

static int check_format(const struct embeddings_request *req, struct chat_losses *losses) {
    struct span format = req->encoding_format;
    if (!format.n || span_eq(format, SPAN("float")) || span_eq(format, SPAN("base64")))
        return 0;
    return refuse(losses, -FAIL_BAD_REQUEST, SPAN("encoding_format"), SPAN("give float or base64"));
}

/* The members that embeddings_read_request passes over: the API's own word for the purpose goes
 * into *purpose (raw), the others are lost. Nulls say nothing. */
static int check_extras(const struct embeddings_request *req, enum embeddings_api api,
                        struct chat_losses *losses, struct span *purpose) {
    static const struct span known[] = {SPAN_CONST("model"), SPAN_CONST("input"),
                                        SPAN_CONST("encoding_format"), SPAN_CONST("dimensions"),
                                        SPAN_CONST("user")};
    struct json json;
    struct json_token key;
    struct span value;
    json_init(&json, req->body);
    json_next(&json, &key);
    while (json_next(&json, &key) == JSON_KEY && json_value(&json, &value)) {
        if (openai_member(&key, known, countof(known)) < countof(known) ||
            span_eq(value, SPAN("null")))
            continue;
        if (words[api].purpose.n && json_is(&key, words[api].purpose) && value.p[0] == '"')
            *purpose = value;
        else if (!chat_lose(losses, key.raw, SPAN("this backend's API has no such member")))
            return -FAIL_UNSUPPORTED;
    }
    CHECK(key.kind == JSON_OBJECT_END); /* it was read before */
    return 0;
}

/* The next text of the input; false after the last. */
static bool next_text(struct json *json, struct json_token *text) {
    do
        json_next(json, text);
    while (text->kind == JSON_ARRAY);
    return text->kind == JSON_STRING;
}

static void write_titan(const struct embeddings_request *req, enum embeddings_api api,
                        uint64_t dimensions, struct json_out *out) {
    struct json json;
    struct json_token text;
    json_init(&json, req->input_value);
    CHECK(next_text(&json, &text));
    json_out_object(out);
    json_out_key(out, SPAN("inputText"));
    json_out_escaped(out, text.raw);
    if (dimensions) {
        json_out_key(out, words[api].dimensions);
        json_out_int(out, (int64_t)dimensions);
    }
    /* Vectors of length 1, as OpenAI's are; the old model knows no member but the text. */
    if (api == EMBEDDINGS_TITAN) {
        json_out_key(out, SPAN("normalize"));
        json_out_bool(out, true);
    }
    json_out_object_end(out);
}

static void write_cohere(const struct embeddings_request *req, enum embeddings_api api,
                         uint64_t dimensions, struct span purpose, struct json_out *out) {
    struct json json;
    struct json_token text;
    json_init(&json, req->input_value);
    json_out_object(out);
    json_out_key(out, SPAN("texts"));
    json_out_array(out);
    while (next_text(&json, &text))
        json_out_escaped(out, text.raw);
    json_out_array_end(out);
    json_out_key(out, words[api].purpose); /* must be there */
    json_out_value(out, purpose.n ? purpose : SPAN("\"search_document\""));
    if (dimensions) {
        json_out_key(out, words[api].dimensions);
        json_out_int(out, (int64_t)dimensions);
    }
    json_out_object_end(out);
}

static void write_vertex(const struct embeddings_request *req, uint64_t dimensions,
                         struct span purpose, struct json_out *out) {
    struct json json;
    struct json_token text;
    json_init(&json, req->input_value);
    json_out_object(out);
    json_out_key(out, SPAN("instances"));
    json_out_array(out);
    while (next_text(&json, &text)) {
        json_out_object(out);
        json_out_key(out, SPAN("content"));
        json_out_escaped(out, text.raw);
        if (purpose.n) {
            json_out_key(out, words[EMBEDDINGS_VERTEX].purpose);
            json_out_value(out, purpose);
        }
        json_out_object_end(out);
    }
    json_out_array_end(out);
    json_out_key(out, SPAN("parameters"));
    json_out_object(out);
    /* Vertex would cut a text that is too long, and say so where OpenAI's answer has no place. */
    json_out_key(out, SPAN("autoTruncate"));
    json_out_bool(out, false);
    if (dimensions) {
        json_out_key(out, words[EMBEDDINGS_VERTEX].dimensions);
        json_out_int(out, (int64_t)dimensions);
    }
    json_out_object_end(out);
    json_out_object_end(out);
}

int embeddings_write(const struct embeddings_request *req, enum embeddings_api api,
                     struct chat_losses *losses, struct json_out *out) {
    uint64_t dimensions = req->dimensions;
    struct span purpose = {NULL, 0};
    CHECK(api > EMBEDDINGS_UNKNOWN);
    int rc = check_format(req, losses);
    if (rc == 0)
        rc = check_input(req, api, losses);
    if (rc == 0)
        rc = check_extras(req, api, losses, &purpose);
    if (rc < 0)
        return rc;
    if (dimensions && !words[api].dimensions.n) {
        if (!chat_lose(losses, SPAN("dimensions"), SPAN("this model's vectors have one length")))
            return -FAIL_UNSUPPORTED;
        dimensions = 0;
    }
    if (is_titan(api))
        write_titan(req, api, dimensions, out);
    else if (is_cohere(api))
        write_cohere(req, api, dimensions, purpose, out);
    else
        write_vertex(req, dimensions, purpose, out);
    return 0;
}

/* --- the answer --- */

struct respelling {
    struct json json;
    struct json_out *out;
    bool base64;
    unsigned count, max; /* embeddings: written, and asked for */
    bool listed;         /* the member that holds them was met */
    bool counted;        /* tokens were told */
    uint64_t tokens;
};

/* Reads the value behind a key; false when it is not what it has to be. */
typedef bool member_reader(struct respelling *, const struct json_token *key);

/* The members of an object, behind its brace. */
static bool read_members(struct respelling *x, member_reader *read) {
    struct json_token key;
    while (json_next(&x->json, &key) == JSON_KEY)
        if (!read(x, &key))
            return false;
    return key.kind == JSON_OBJECT_END;
}

static bool pass_over(struct respelling *x) {
    struct span value;
    return json_value(&x->json, &value);
}

/* Tokens that were billed: "4", at Vertex also "4.0"; of several inputs, together. */
static bool read_count(struct respelling *x) {
    struct json_token token;
    double count;
    if (json_next(&x->json, &token) != JSON_NUMBER)
        return openai_skip(&x->json, &token);
    if (span_double(token.raw, &count) && count >= 0 && count <= UINT32_MAX) {
        x->tokens += (uint64_t)count;
        x->counted = true;
    }
    return true;
}

/* Floats on their way to base64: three of them are four times four letters, without padding. */
struct floats {
    uint8_t bytes[3 * sizeof(float)];
    size_t n;
};

/* RFC 4648 4. */
static void flush_floats(struct respelling *x, struct floats *floats) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char letters[sizeof floats->bytes / 3 * 4];
    size_t n = 0;
    for (size_t at = 0; at < floats->n; at += 3) {
        size_t left = floats->n - at;
        uint32_t group = (uint32_t)floats->bytes[at] << 16;
        group |= left > 1 ? (uint32_t)floats->bytes[at + 1] << 8 : 0;
        group |= left > 2 ? floats->bytes[at + 2] : 0;
        letters[n++] = alphabet[group >> 18];
        letters[n++] = alphabet[group >> 12 & 63];
        letters[n++] = left > 1 ? alphabet[group >> 6 & 63] : '=';
        letters[n++] = left > 2 ? alphabet[group & 63] : '=';
    }
    json_out_string_part(x->out, span_of(letters, n), true);
    floats->n = 0;
}

static bool add_float(struct respelling *x, struct floats *floats, struct span digits) {
    double number;
    uint32_t bits;
    if (!span_double(digits, &number) || fabs(number) > (double)FLT_MAX)
        return false;
    float narrow = (float)number;
    memcpy(&bits, &narrow, sizeof bits);
    for (unsigned i = 0; i < sizeof bits; i++)
        floats->bytes[floats->n++] = (uint8_t)(bits >> 8 * i); /* the lowest first */
    if (floats->n == sizeof floats->bytes)
        flush_floats(x, floats);
    return true;
}

/* The numbers of a vector, behind its bracket; it must have one at least. */
static bool read_numbers(struct respelling *x) {
    struct floats floats = {.n = 0};
    struct json_token token;
    bool any = false;
    while (json_next(&x->json, &token) == JSON_NUMBER) {
        any = true;
        if (!x->base64)
            json_out_value(x->out, token.raw);
        else if (!add_float(x, &floats, token.raw))
            return false;
    }
    if (floats.n)
        flush_floats(x, &floats);
    return any && token.kind == JSON_ARRAY_END;
}

/* A vector, behind its bracket, as an element of `data`. */
static bool read_vector(struct respelling *x) {
    struct json_out *out = x->out;
    if (x->count == x->max)
        return false;
    json_out_object(out);
    json_out_key(out, SPAN("object"));
    json_out_escaped(out, SPAN("embedding"));
    json_out_key(out, SPAN("index"));
    json_out_int(out, x->count++);
    json_out_key(out, SPAN("embedding"));
    if (x->base64)
        json_out_string_begin(out);
    else
        json_out_array(out);
    if (!read_numbers(x))
        return false;
    if (x->base64)
        json_out_string_end(out);
    else
        json_out_array_end(out);
    json_out_object_end(out);
    return true;
}

/* Is this the first member that holds embeddings? A second one would be answers to nothing. */
static bool first_list(struct respelling *x) {
    bool first = !x->listed;
    x->listed = true;
    return first;
}

static bool read_titan(struct respelling *x, const struct json_token *key) {
    struct json_token token;
    if (json_is(key, SPAN("embedding")))
        return first_list(x) && json_next(&x->json, &token) == JSON_ARRAY && read_vector(x);
    return json_is(key, SPAN("inputTextTokenCount")) ? read_count(x) : pass_over(x);
}

/* Vectors, behind the bracket of their list. */
static bool read_vectors(struct respelling *x) {
    struct json_token token;
    while (json_next(&x->json, &token) == JSON_ARRAY)
        if (!read_vector(x))
            return false;
    return token.kind == JSON_ARRAY_END;
}

/* {"float":[[...]]}, with the bytes or bits of other types beside it. */
static bool read_by_type(struct respelling *x, const struct json_token *key) {
    struct json_token token;
    if (!json_is(key, SPAN("float")))
        return pass_over(x);
    return first_list(x) && json_next(&x->json, &token) == JSON_ARRAY && read_vectors(x);
}

static bool read_cohere(struct respelling *x, const struct json_token *key) {
    struct json_token token;
    if (!json_is(key, SPAN("embeddings")))
        return pass_over(x);
    if (json_next(&x->json, &token) == JSON_OBJECT)
        return read_members(x, read_by_type);
    return token.kind == JSON_ARRAY && first_list(x) && read_vectors(x);
}

static bool read_statistic(struct respelling *x, const struct json_token *key) {
    return json_is(key, SPAN("token_count")) ? read_count(x) : pass_over(x);
}

static bool read_values(struct respelling *x, const struct json_token *key) {
    struct json_token token;
    if (json_is(key, SPAN("values")))
        return json_next(&x->json, &token) == JSON_ARRAY && read_vector(x);
    if (!json_is(key, SPAN("statistics")))
        return pass_over(x);
    return json_next(&x->json, &token) == JSON_OBJECT ? read_members(x, read_statistic)
                                                      : openai_skip(&x->json, &token);
}

static bool read_prediction(struct respelling *x, const struct json_token *key) {
    struct json_token token;
    if (!json_is(key, SPAN("embeddings")))
        return pass_over(x);
    return json_next(&x->json, &token) == JSON_OBJECT && read_members(x, read_values);
}

static bool read_vertex(struct respelling *x, const struct json_token *key) {
    struct json_token token;
    if (!json_is(key, SPAN("predictions")))
        return pass_over(x);
    if (!first_list(x) || json_next(&x->json, &token) != JSON_ARRAY)
        return false;
    while (json_next(&x->json, &token) == JSON_OBJECT) {
        unsigned before = x->count;
        if (!read_members(x, read_prediction) || x->count != before + 1)
            return false;
    }
    return token.kind == JSON_ARRAY_END;
}

static void write_end(struct respelling *x, struct span model) {
    struct json_out *out = x->out;
    json_out_array_end(out);
    json_out_key(out, SPAN("model"));
    json_out_string(out, model);
    json_out_key(out, SPAN("usage"));
    json_out_object(out);
    json_out_key(out, SPAN("prompt_tokens"));
    json_out_int(out, (int64_t)x->tokens);
    json_out_key(out, SPAN("total_tokens"));
    json_out_int(out, (int64_t)x->tokens);
    json_out_object_end(out);
    json_out_object_end(out);
}

static member_reader *reader_of(enum embeddings_api api) {
    if (is_titan(api))
        return read_titan;
    return is_cohere(api) ? read_cohere : read_vertex;
}

int embeddings_read(struct span body, enum embeddings_api api, const struct embeddings_request *req,
                    struct span model, struct json_out *out, struct chat_usage *usage) {
    struct respelling x = {.out = out, .max = req->inputs};
    struct json_token token;
    CHECK(api > EMBEDDINGS_UNKNOWN);
    x.base64 = span_eq(req->encoding_format, SPAN("base64"));
    json_init(&x.json, body);
    json_out_object(out);
    json_out_key(out, SPAN("object"));
    json_out_escaped(out, SPAN("list"));
    json_out_key(out, SPAN("data"));
    json_out_array(out);
    bool good = json_next(&x.json, &token) == JSON_OBJECT && read_members(&x, reader_of(api)) &&
                json_next(&x.json, &token) == JSON_END;
    if (!good || !x.listed) {
        /* Why there is none is told alike: an error object, half a text, a page of HTML. */
        int rc = embeddings_check_body(body, usage);
        *usage = (struct chat_usage){.known = false};
        return rc < 0 ? rc : -FAIL_BAD_EVENT;
    }
    if (x.count != x.max)
        return x.count ? -FAIL_BAD_EVENT : -FAIL_EMPTY;
    write_end(&x, model);
    *usage = (struct chat_usage){.known = x.counted, .input_tokens = x.tokens};
    return 0;
}
