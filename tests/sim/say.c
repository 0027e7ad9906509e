/* say.c - what the wire formats of clouds write with. See say.h. */
#include "tests/sim/say.h"

/* ---- the body ---- */

static void step(struct saying *w, uint64_t delay_ns, const struct text *bytes, bool content) {
    CHECK(w->play->count < STEPS_MAX);
    w->play->steps[w->play->count++] = (struct step){
        .what = STEP_SEND, .delay_ns = delay_ns, .p = bytes->p, .n = bytes->n, .content = content};
}

static void add_chunk(struct text *out, struct span bytes) {
    text_printf(out, world_chance(0.5) ? "%zx" : "%zX", bytes.n);
    text_str(out, world_chance(0.05) ? ";name=\"value\"\r\n" : "\r\n");
    text_add(out, bytes.p, bytes.n);
    text_str(out, "\r\n");
}

void say_bytes(struct saying *w, uint64_t delay_ns, struct span bytes, bool content) {
    struct text out = {0};
    if (!w->chunked) {
        text_add(&out, bytes.p, bytes.n);
    } else if (bytes.n > 1 && world_chance(0.2)) {
        size_t cut = 1 + world_below(bytes.n - 1);
        add_chunk(&out, span_of(bytes.p, cut));
        add_chunk(&out, span_from(bytes, cut));
    } else {
        add_chunk(&out, bytes);
    }
    step(w, delay_ns, &out, content);
}

void say_event(struct saying *w, uint64_t delay_ns, const char *name, struct span data,
               bool content) {
    struct text out = {0};
    if (name)
        text_printf(&out, "event: %s%s", name, w->eol);
    text_str(&out, "data: ");
    text_add(&out, data.p, data.n);
    text_str(&out, w->eol);
    text_str(&out, w->eol);
    say_bytes(w, delay_ns, text_span(&out), content);
}

void say_comment(struct saying *w) {
    struct text out = {0};
    text_printf(&out, ": keep-alive%s%s", w->eol, w->eol);
    say_bytes(w, say_gap(w), text_span(&out), false);
}

uint64_t say_gap(const struct saying *w) { return world_below(w->gap_ns + 1); }

/* ---- JSON ---- */

/* One character of UTF-8: its code point; *n: its bytes. */
static unsigned code_point(struct span text, size_t *n) {
    unsigned char c = (unsigned char)text.p[0];
    *n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    unsigned code = c & (*n == 1 ? 0x7fu : 0xffu >> (*n + 1));
    for (size_t i = 1; i < *n; i++)
        code = code << 6 | ((unsigned char)text.p[i] & 0x3f);
    return code;
}

static void add_unicode(struct text *out, unsigned code) {
    if (code >= 0x10000) {
        text_printf(out, "\\u%04x", 0xd800 + ((code - 0x10000) >> 10));
        code = 0xdc00 + ((code - 0x10000) & 0x3ff);
    }
    text_printf(out, "\\u%04x", code);
}

void say_escaped(struct text *out, struct span plain) {
    bool ascii = world_chance(0.5);
    size_t n, run = 0;
    for (size_t i = 0; i < plain.n; i += n) {
        unsigned code = code_point(span_from(plain, i), &n);
        bool raw = code >= ' ' && code != '"' && code != '\\' && (code < 0x7f || !ascii);
        if (raw)
            continue;
        text_add(out, plain.p + run, i - run);
        run = i + n;
        if (code == '"' || code == '\\')
            text_printf(out, "\\%c", (char)code);
        else if (code == '\n')
            text_str(out, "\\n");
        else
            add_unicode(out, code);
    }
    text_add(out, plain.p + run, plain.n - run);
}

void say_string(struct text *out, struct span plain) {
    text_str(out, "\"");
    say_escaped(out, plain);
    text_str(out, "\"");
}

struct span say_piece(struct span *rest) {
    size_t n = 1 + world_below(rest->n);
    while (n < rest->n && ((unsigned char)rest->p[n] & 0xc0) == 0x80)
        n++;
    struct span piece = span_of(rest->p, n);
    *rest = span_from(*rest, n);
    return piece;
}
