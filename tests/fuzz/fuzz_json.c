/* fuzz_json.c - JSON: yyjson (strict, numbers kept as text) accepts the same texts and sees the
 * same values; a cut text gives the tokens of the whole one up to the cut; json_find and json_value
 * agree with the tokens; and what the writer writes, the reader reads back. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "core/base.h"
#include "core/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Cuts are tried at every offset. */
#define INPUT_MAX     4096
#define CUT_INPUT_MAX 600
/* An escape is six bytes at most, and a replacement three for one. */
#define OUT_MAX (6 * INPUT_MAX + 16)

/* Says what does not hold, and stops: the fuzzer keeps the input. */
#define HOLDS(condition)                                                                      \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "fuzz_json: line %d: does not hold: %s\n", __LINE__, #condition); \
            abort();                                                                          \
        }                                                                                     \
    } while (0)

/* A copy in memory of exactly that size, so that the sanitizer sees a read one byte too far. */
static struct span copy(struct span text) {
    char *p = malloc(text.n ? text.n : 1);
    HOLDS(p);
    if (text.n)
        memcpy(p, text.p, text.n);
    return span_of(p, text.n);
}

static void drop(struct span copied) { free((char *)(uintptr_t)copied.p); }

/* The decoded string, freshly allocated by its raw size: the promise is that it always fits. */
static struct span decode(struct span raw, bool lenient, long *length) {
    char *p = malloc(raw.n ? raw.n : 1);
    HOLDS(p);
    *length = json_decode(raw, lenient, p, raw.n);
    return span_of(p, *length < 0 ? 0 : (size_t)*length);
}

/* ---- against yyjson ---- */

/* Does a string of the text hold half a surrogate pair? yyjson refuses the whole text for that, we
 * leave it to who decodes (json.h). */
static bool has_lone_surrogate(struct span text) {
    struct json json;
    struct json_token token;
    bool lone = false;
    json_init(&json, text);
    for (enum json_kind kind; (kind = json_next(&json, &token)) > JSON_END;) {
        if (kind != JSON_STRING && kind != JSON_KEY)
            continue;
        long strict, lenient;
        drop(decode(token.raw, false, &strict));
        drop(decode(token.raw, true, &lenient));
        HOLDS(lenient >= 0 && (strict == lenient || strict == -EINVAL));
        lone |= strict < 0;
    }
    return lone;
}

static void compare_string(const struct json_token *token, yyjson_val *theirs) {
    struct span want = span_of(yyjson_get_str(theirs), yyjson_get_len(theirs));
    long length;
    struct span got = decode(token->raw, false, &length);
    HOLDS(length >= 0 && span_eq(got, want));
    HOLDS(token->escaped == (memchr(token->raw.p, '\\', token->raw.n) != NULL));
    HOLDS(json_is(token, want));
    if (want.n)
        HOLDS(!json_is(token, span_of(want.p, want.n - 1)));
    drop(got);
}

static void compare_number(struct span raw, yyjson_val *theirs) {
    char text[INPUT_MAX + 1];
    double value;
    HOLDS(yyjson_is_raw(theirs));
    HOLDS(span_eq(raw, span_of(yyjson_get_raw(theirs), yyjson_get_len(theirs))));
    double want = strtod(span_text(raw, text, sizeof text), NULL);
    HOLDS(span_double(raw, &value) == (isfinite(want) != 0));
    HOLDS(!isfinite(want) || value == want);
}

static void compare_value(struct json *json, yyjson_val *theirs);

static void compare_members(struct json *json, yyjson_val *theirs) {
    struct json_token token;
    yyjson_obj_iter members = yyjson_obj_iter_with(theirs);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&members));) {
        HOLDS(json_next(json, &token) == JSON_KEY);
        compare_string(&token, key);
        compare_value(json, yyjson_obj_iter_get_val(key));
    }
    HOLDS(json_next(json, &token) == JSON_OBJECT_END);
}

static void compare_items(struct json *json, yyjson_val *theirs) {
    struct json_token token;
    yyjson_arr_iter items = yyjson_arr_iter_with(theirs);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&items));)
        compare_value(json, item);
    HOLDS(json_next(json, &token) == JSON_ARRAY_END);
}

/* Recursion is bounded: the reader let no more than JSON_DEPTH_MAX levels through. */
static void compare_value(struct json *json, yyjson_val *theirs) {
    struct json_token token;
    switch (json_next(json, &token)) {
    case JSON_OBJECT:
        HOLDS(yyjson_is_obj(theirs));
        compare_members(json, theirs);
        return;
    case JSON_ARRAY:
        HOLDS(yyjson_is_arr(theirs));
        compare_items(json, theirs);
        return;
    case JSON_STRING:
        HOLDS(yyjson_is_str(theirs));
        compare_string(&token, theirs);
        return;
    case JSON_NUMBER: compare_number(token.raw, theirs); return;
    case JSON_TRUE: HOLDS(yyjson_is_true(theirs)); return;
    case JSON_FALSE: HOLDS(yyjson_is_false(theirs)); return;
    case JSON_NULL: HOLDS(yyjson_is_null(theirs)); return;
    case JSON_ERROR:
    case JSON_END:
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
    case JSON_KEY: break;
    }
    HOLDS(!"a value");
}

/* Returns whether the text was accepted. */
static bool compare_with_yyjson(struct span text) {
    size_t at = SIZE_MAX;
    const char *why = NULL;
    bool ours = json_check(text, &at, &why) == 0;
    HOLDS(ours || (at <= text.n && why));
    yyjson_doc *theirs = yyjson_read(text.p, text.n, YYJSON_READ_NUMBER_AS_RAW);
    if (!ours) {
        HOLDS(!theirs || strstr(why, "too deep"));
    } else if (!theirs) {
        HOLDS(has_lone_surrogate(text));
    } else {
        struct json json;
        struct json_token token;
        HOLDS(!has_lone_surrogate(text));
        json_init(&json, text);
        compare_value(&json, yyjson_doc_get_root(theirs));
        HOLDS(json_next(&json, &token) == JSON_END);
    }
    yyjson_doc_free(theirs);
    return ours;
}

/* ---- against itself ---- */

/* The tokens of a text that was cut after cut.n bytes, step by step beside those of the whole. */
static void compare_cut(struct span whole, struct span cut) {
    struct json json_whole, json_cut;
    struct json_token token_whole, token_cut;
    json_init(&json_whole, whole);
    json_init(&json_cut, cut);
    for (;;) {
        json_next(&json_whole, &token_whole);
        json_next(&json_cut, &token_cut);
        if (token_cut.kind <= JSON_END)
            break;
        size_t begin = (size_t)(token_cut.raw.p - cut.p);
        HOLDS(token_cut.kind == token_whole.kind || json_cut.at == cut.n);
        if (token_cut.kind != token_whole.kind)
            return; /* a number that is one only because the bad part was cut off */
        HOLDS(begin == (size_t)(token_whole.raw.p - whole.p));
        /* A part of a number is a number; only the cut can have made it shorter. */
        if (token_cut.raw.n != token_whole.raw.n)
            HOLDS(token_cut.kind == JSON_NUMBER && begin + token_cut.raw.n == cut.n);
    }
    /* Either the cut was felt, or the error was there anyway. */
    if (token_cut.kind == JSON_ERROR && json_cut.at < cut.n && json_whole.error)
        HOLDS(json_whole.at >= json_cut.at);
}

static void compare_cuts(struct span text) {
    for (size_t n = 0; text.n <= CUT_INPUT_MAX && n <= text.n; n++) {
        struct span cut = copy(span_of(text.p, n));
        compare_cut(text, cut);
        drop(cut);
    }
}

/* Each member of the top level object, found by its name, is the first one of that name; and
 * json_value reads over as much as the tokens do. */
static void compare_find(struct span text) {
    struct json json;
    struct json_token key, value, found;
    json_init(&json, text);
    if (json_next(&json, &key) != JSON_OBJECT)
        return;
    size_t end_of_last = 0;
    while (json_next(&json, &key) == JSON_KEY) {
        struct json skipper = json;
        struct span whole;
        long length;
        bool well = json_value(&skipper, &whole);
        enum json_kind kind = json_next(&json, &value);
        if (well && (kind == JSON_OBJECT || kind == JSON_ARRAY))
            HOLDS(json_leave(&json));
        HOLDS(well ? skipper.at == json.at : kind == JSON_ERROR || !json_leave(&json));
        if (!well)
            return;
        HOLDS(whole.p + whole.n == text.p + json.at);
        struct span name = decode(key.raw, false, &length);
        if (length >= 0) {
            HOLDS(json_find(text, &name, 1, &found));
            /* A duplicate of an earlier one finds the earlier one. */
            size_t at = (size_t)(found.raw.p - text.p);
            HOLDS(found.raw.p == value.raw.p || at < end_of_last);
        }
        drop(name);
        end_of_last = json.at;
    }
}

/* Writes the text again, token for token; strings decoded, or as they were, or in two parts. */
static struct span rewrite(struct span text, char *memory, size_t max, unsigned how, bool *full) {
    struct json json;
    struct json_token token;
    struct json_out out;
    json_init(&json, text);
    json_out_init(&out, memory, max);
    for (enum json_kind kind; (kind = json_next(&json, &token)) > JSON_END;) {
        long length;
        switch (kind) {
        case JSON_OBJECT: json_out_object(&out); break;
        case JSON_OBJECT_END: json_out_object_end(&out); break;
        case JSON_ARRAY: json_out_array(&out); break;
        case JSON_ARRAY_END: json_out_array_end(&out); break;
        case JSON_KEY: json_out_key(&out, token.raw); break;
        case JSON_TRUE: json_out_bool(&out, true); break;
        case JSON_FALSE: json_out_bool(&out, false); break;
        case JSON_NULL: json_out_null(&out); break;
        case JSON_NUMBER: json_out_value(&out, token.raw); break;
        case JSON_STRING: {
            struct span plain = decode(token.raw, true, &length);
            if (how == 0)
                json_out_string(&out, plain);
            else if (how == 1)
                json_out_escaped(&out, token.raw);
            else {
                json_out_string_begin(&out);
                json_out_string_part(&out, plain, false);
                json_out_string_part(&out, token.raw, true);
                json_out_string_end(&out);
            }
            drop(plain);
            break;
        }
        case JSON_ERROR:
        case JSON_END: break;
        }
    }
    *full = out.full;
    HOLDS(out.n <= max);
    return json_out_span(&out);
}

/* The decoded text of a written string, `how` as in rewrite, is that of the original. */
static void compare_rewritten_string(struct span raw, struct span again, unsigned how) {
    long length, length_again;
    struct span text = decode(raw, true, &length), text_again = decode(again, true, &length_again);
    HOLDS(length >= 0 && length_again >= 0);
    HOLDS(text_again.n == (how == 2 ? 2 : 1) * text.n);
    for (size_t at = 0; at < text_again.n; at += text.n)
        HOLDS(span_eq(text, span_of(text_again.p + at, text.n)));
    drop(text);
    drop(text_again);
}

static void compare_rewritten(struct span text) {
    static char memory[OUT_MAX];
    for (unsigned how = 0; how < 3; how++) {
        bool full;
        struct span again = rewrite(text, memory, sizeof memory, how, &full);
        struct json json, json_again;
        struct json_token token, token_again;
        HOLDS(!full);
        json_init(&json, text);
        json_init(&json_again, again);
        do {
            json_next(&json, &token);
            HOLDS(json_next(&json_again, &token_again) == token.kind);
            if (token.kind == JSON_STRING)
                compare_rewritten_string(token.raw, token_again.raw, how);
            else if (token.kind == JSON_KEY || token.kind == JSON_NUMBER)
                HOLDS(span_eq(token.raw, token_again.raw));
        } while (token.kind > JSON_END);
        /* In less room it says so, and stays in it. */
        for (size_t step = 1 + again.n / 8, max = 0; max < again.n; max += step) {
            char *small = malloc(max ? max : 1);
            HOLDS(small);
            rewrite(text, small, max, how, &full);
            HOLDS(full);
            free(small);
        }
    }
}

/* Length of the UTF-8 sequence at p, or 0: by decoding it and asking whether this is the form that
 * RFC 3629 gives to the code point. Another way than the table of core/json_scan.h. */
static size_t utf8_length(const unsigned char *p, size_t left) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = p[0] < 0x80             ? 1
                    : (p[0] & 0xe0) == 0xc0 ? 2
                    : (p[0] & 0xf0) == 0xe0 ? 3
                    : (p[0] & 0xf8) == 0xf0 ? 4
                                            : 0;
    if (length == 0 || length > left)
        return 0;
    uint32_t code = length == 1 ? p[0] : p[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[length] || surrogate || code > 0x10ffff ? 0 : length;
}

static bool is_utf8(struct span text) {
    for (size_t at = 0; at < text.n;) {
        size_t length = utf8_length((const unsigned char *)text.p + at, text.n - at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

/* The input as the text of a string: any bytes give a valid value, and UTF-8 comes back as it
 * was. */
static void compare_as_string(struct span bytes) {
    static char memory[OUT_MAX];
    struct json_out out;
    struct json_token token;
    long length;
    json_out_init(&out, memory, sizeof memory);
    json_out_string(&out, bytes);
    struct span value = copy(json_out_span(&out));
    HOLDS(!out.full && compare_with_yyjson(value));
    HOLDS(json_find(value, NULL, 0, &token) && token.kind == JSON_STRING);
    struct span back = decode(token.raw, false, &length);
    HOLDS(length >= 0 && is_utf8(back));
    if (is_utf8(bytes))
        HOLDS(span_eq(back, bytes));
    else
        HOLDS(memmem(back.p, back.n, "\xef\xbf\xbd", 3));
    drop(back);
    drop(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size > INPUT_MAX)
        return 0;
    struct span text = copy(span_of((const char *)bytes, size));
    bool accepted = compare_with_yyjson(text);
    compare_cuts(text);
    compare_find(text);
    if (accepted)
        compare_rewritten(text);
    compare_as_string(text);
    drop(text);
    return 0;
}
