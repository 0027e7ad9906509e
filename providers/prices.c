/* prices.c - the operator's table of prices. See prices.h. (pure) */
#include "providers/prices.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base.h"
#include "core/json.h"

/* 1 USD in pico-dollars. */
#define PICO_PER_USD UINT64_C(1000000000000)
#define PICO_DIGITS  12

static const struct {
    struct span kind, prefix;
} names[] = {
#define PRICES(kind, prefix) {SPAN_CONST(kind), SPAN_CONST(prefix)},
#include "providers/prices.def"
#undef PRICES
};

/* The exponent behind 'e', or 0; false when it is no number or absurd. */
static bool read_exponent(struct span text, long *exponent) {
    bool negative = text.n && text.p[0] == '-';
    uint64_t value;
    if (text.n && (text.p[0] == '-' || text.p[0] == '+'))
        text = span_from(text, 1);
    if (!span_u64(text, 99, &value))
        return false;
    *exponent = negative ? -(long)value : (long)value;
    return true;
}

bool prices_pico(struct span number, uint64_t *pico) {
    size_t e = span_find(number, 'e', 0);
    if (e == number.n)
        e = span_find(number, 'E', 0);
    struct span digits = span_of(number.p, e);
    long exponent = 0, after_point = -1;
    uint64_t value = 0;
    if (e < number.n && !read_exponent(span_from(number, e + 1), &exponent))
        return false;
    if (digits.n == 0 || digits.n > 40)
        return false;
    /* value * 10^shift is the number; digits beyond what fits are far below a pico-dollar. */
    long shift = exponent;
    for (size_t i = 0; i < digits.n; i++) {
        char c = digits.p[i];
        if (c == '.' && after_point < 0) {
            after_point = 0;
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        bool fits = value < UINT64_MAX / 10 - 1;
        if (fits)
            value = value * 10 + (uint64_t)(c - '0');
        shift += fits ? 0 : 1;
        shift -= after_point >= 0 ? 1 : 0;
    }
    for (shift += PICO_DIGITS; shift > 0 && value; shift--)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    for (; shift < 0 && value; shift++)
        value = shift == -1 ? (value + 5) / 10 : value / 10;
    *pico = value;
    return value <= PICO_PER_USD;
}

/* Reads one model's object; false when it has not both prices per token. *broken: it is no JSON. */
static bool read_row(struct json *json, struct price *row, bool *broken) {
    static const struct span members[] = {SPAN_CONST("input_cost_per_token"),
                                          SPAN_CONST("output_cost_per_token"),
                                          SPAN_CONST("cache_read_input_token_cost")};
    uint64_t *values[] = {&row->input_pico, &row->output_pico, &row->cached_input_pico};
    bool known[countof(members)] = {false};
    struct json_token token;
    struct span value;
    if (json_next(json, &token) != JSON_OBJECT) {
        *broken = token.kind == JSON_ERROR;
        if (token.kind == JSON_ARRAY)
            *broken = !json_leave(json);
        return false;
    }
    while (json_next(json, &token) == JSON_KEY) {
        unsigned i = 0;
        while (i < countof(members) && !json_is(&token, members[i]))
            i++;
        if (!json_value(json, &value)) {
            *broken = true;
            return false;
        }
        if (i < countof(members))
            known[i] = prices_pico(value, values[i]);
    }
    *broken = token.kind != JSON_OBJECT_END;
    if (!known[2])
        row->cached_input_pico = row->input_pico;
    return known[0] && known[1];
}

static int compare(struct span a, struct span b) {
    int order = memcmp(a.p, b.p, min_size(a.n, b.n));
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_key(const void *a, const void *b) {
    const struct price *left = a, *right = b;
    int order = compare(left->key, right->key);
    /* Of two with one key the later one in the file stands last. */
    return order ? order : (left->key.p > right->key.p) - (left->key.p < right->key.p);
}

static unsigned count_members(struct span text) {
    struct json json;
    struct json_token token;
    struct span value;
    unsigned count = 0;
    json_init(&json, text);
    if (json_next(&json, &token) != JSON_OBJECT)
        return 0;
    while (json_next(&json, &token) == JSON_KEY && json_value(&json, &value))
        count++;
    return count;
}

int prices_read(struct span text, struct arena *arena, struct prices *out, size_t *at,
                const char **why) {
    struct json json;
    struct json_token token;
    bool broken = false;
    *out = (struct prices){.count = 0};
    *why = "the file must hold one JSON object, as LiteLLM's price file does";
    *at = 0;
    out->rows = arena_zalloc(arena, (count_members(text) + 1) * sizeof *out->rows);
    json_init(&json, text);
    if (!out->rows || json_next(&json, &token) != JSON_OBJECT)
        return -EINVAL;
    while (!broken && json_next(&json, &token) == JSON_KEY) {
        struct price *row = &out->rows[out->count];
        *row = (struct price){.key = token.raw};
        bool usable = !token.escaped && read_row(&json, row, &broken);
        struct span skipped;
        if (token.escaped)
            broken = !json_value(&json, &skipped);
        if (usable && !broken)
            out->count++;
        else
            out->skipped++;
    }
    if (broken || token.kind != JSON_OBJECT_END || json_next(&json, &token) != JSON_END) {
        *at = json_at(&json);
        *why = json.error ? json.error : "this is not the end of one JSON object";
        return -EINVAL;
    }
    qsort(out->rows, out->count, sizeof *out->rows, by_key);
    return 0;
}

/* The last row of that key, by halving. */
static const struct price *find_key(const struct prices *prices, struct span key) {
    unsigned low = 0, high = prices->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (compare(prices->rows[middle].key, key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && span_eq(prices->rows[low - 1].key, key) ? &prices->rows[low - 1] : NULL;
}

const struct price *prices_find(const struct prices *prices, struct span kind, struct span model) {
    char key[512];
    for (unsigned i = 0; i < countof(names); i++) {
        if (!span_eq(names[i].kind, kind) || names[i].prefix.n + model.n > sizeof key)
            continue;
        memcpy(key, names[i].prefix.p, names[i].prefix.n);
        memcpy(key + names[i].prefix.n, model.p, model.n);
        const struct price *found = find_key(prices, span_of(key, names[i].prefix.n + model.n));
        if (found)
            return found;
    }
    return NULL;
}
