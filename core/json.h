/* json.h - pull reader and writer over spans (RFC 8259); no tree, no allocation. (pure)
 *
 * The reader hands out spans of its input: strings undecoded (the bytes between the quotes),
 * numbers as written. It is strict: UTF-8 is checked inside strings, one value per text, no
 * trailing commas, depth up to JSON_DEPTH_MAX. Two things it leaves to the caller: duplicate keys
 * are passed on, and an escaped surrogate without its other half ("\ud83d") is no error of the text
 * (RFC 8259 8.2), since a stream may be cut between the halves; json_decode decides.
 *
 *     {"a": [1, "x\n"]} -> OBJECT, KEY a, ARRAY, NUMBER 1, STRING x\n, ARRAY_END, OBJECT_END, END
 */
#ifndef HEDGEROW_CORE_JSON_H
#define HEDGEROW_CORE_JSON_H

#include "core/limits.h"
#include "core/span.h"

struct arena;

enum json_kind {
    JSON_ERROR, /* json->error says what, json_at() where; every later call says it again */
    JSON_END,   /* the whole text was one value and only white space follows; said again too */
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_KEY, /* a member's name; its value is the next token */
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json_token {
    enum json_kind kind;
    struct span raw; /* KEY, STRING: between the quotes, escapes as written; else the token */
    bool escaped;    /* KEY, STRING: raw holds at least one backslash; else undefined */
};

/* What the reader stands in front of. */
enum json_state {
    JSON_AT_VALUE,      /* a value must come: at the start, behind a key, behind an array's comma */
    JSON_AT_FIRST_ITEM, /* behind '[': a value or ']' */
    JSON_AT_FIRST_KEY,  /* behind '{': a key or '}' */
    JSON_AT_COMMA,      /* behind a value in a container: a comma or the container's end */
    JSON_AT_END,        /* behind the text's value: only white space */
    JSON_BROKEN,        /* error is set; the rest of the text is never looked at */
};

struct json {
    struct span in; /* borrowed as long as the reader is used */
    size_t at;      /* offset of the next byte to read */
    unsigned depth; /* open containers */
    enum json_state state;
    const char *error;                    /* static text, NULL while all is well */
    uint64_t object[JSON_DEPTH_MAX / 64]; /* bit d: the container inside d others is an object */
};

/* Starts reading `in`, which must outlive the reader and every span it returns. */
void json_init(struct json *, struct span in);
/* Reads one token into *token and returns its kind. */
enum json_kind json_next(struct json *, struct json_token *token);
/* Reads over the value that comes next (after a KEY, inside an array or at the start), whole.
 * *value is its text, without white space around it. False on error; false too, with
 * json->error NULL and *value empty, when the array's end came instead, which is then read. */
bool json_value(struct json *, struct span *value);
/* After json_next returned OBJECT or ARRAY, or anywhere inside one: reads over the rest of the
 * innermost open container; false on error. */
bool json_leave(struct json *);
/* Offset of the reader in its input, for error messages. */
size_t json_at(const struct json *);
/* Is this KEY or STRING token equal to `text` once its escapes are decoded? */
bool json_is(const struct json_token *, struct span text);
/* Checks a whole text; 0, or -EINVAL with *at and *why (static text) filled in when not NULL. */
int json_check(struct span text, size_t *at, const char **why);
/* Finds the value at a path of member names from the top level object, e.g. {"error","message"};
 * names compare decoded; first match wins, at each level. False when it is absent or the text is
 * broken before the value's end; what follows the value is not read. *token is a STRING, NUMBER,
 * literal token, or for containers OBJECT/ARRAY with raw = the whole container; it is left
 * undefined when false is returned. An empty path finds the top level value. */
bool json_find(struct span text, const struct span *path, unsigned path_count,
               struct json_token *token);

/* Decodes the escapes of a string's raw bytes into `out`; the result is never longer than the
 * input, so that max = raw.n always does. Returns its length, or -ENOBUFS when max is too small,
 * -EINVAL for a lone surrogate (written as U+FFFD when `lenient`) and for what is no escape at all,
 * which a reader's raw never holds. */
long json_decode(struct span raw, bool lenient, char *out, size_t max);

/* The writer appends text to memory given by the caller, or to an arena that it grows in. Nothing
 * is checked for well-formedness but the commas, which it sets itself. When memory runs out `full`
 * is set and stays set; the text is then useless and the caller must look. */
struct json_out {
    char *p; /* of the caller or in the arena; moves as it grows */
    size_t n, max;
    struct arena *arena; /* borrowed; NULL: fixed memory */
    bool full;
    bool comma; /* a comma is due before the next value or key */
};

/* Writes to `memory`, max bytes, owned by the caller. */
void json_out_init(struct json_out *, char *memory, size_t max);
/* Grows in `arena`, starting with room for `expect` bytes. Other things may be taken from the arena
 * meanwhile, at the price of a copy at the next growth. */
void json_out_arena(struct json_out *, struct arena *arena, size_t expect);
/* Writes to `memory`, max bytes, as long as that does; then what was written moves to `arena` and
 * grows there. For texts that are nearly always short. */
void json_out_spill(struct json_out *, char *memory, size_t max, struct arena *arena);
/* What was written so far; until the next write. */
struct span json_out_span(const struct json_out *);
void json_out_object(struct json_out *);     /* { */
void json_out_object_end(struct json_out *); /* } */
void json_out_array(struct json_out *);      /* [ */
void json_out_array_end(struct json_out *);  /* ] */
/* A member's name that needs no escapes (one of ours, or a reader's raw), and its colon. */
void json_out_key(struct json_out *, struct span name);
/* A string from decoded text: escapes it; bytes that are not UTF-8 become U+FFFD. */
void json_out_string(struct json_out *, struct span text);
/* A string that is already escaped: as written by a reader's raw. */
void json_out_escaped(struct json_out *, struct span raw);
/* A whole JSON value, as it is. */
void json_out_value(struct json_out *, struct span json_text);
/* The same on one line, for data of SSE: line ends become blanks. They stand between tokens only, for
 * a string of JSON holds none (RFC 8259 7). */
void json_out_value_line(struct json_out *, struct span json_text);
void json_out_int(struct json_out *, int64_t);
/* With that many digits behind the point, 0 to 17, rounded to even in the decimal that the double
 * is; null when not finite, for JSON has no word for it. */
void json_out_double(struct json_out *, double value, int decimals);
void json_out_bool(struct json_out *, bool);
void json_out_null(struct json_out *);
/* Bytes as they are, outside the comma keeping: SSE framing around a value. Resets the comma. */
void json_out_raw(struct json_out *, struct span bytes);
/* Opens a string that is written in pieces, each already escaped (escaped=true) or plain;
 * json_out_string_end closes it. A plain piece holds whole UTF-8 sequences. */
void json_out_string_begin(struct json_out *);
void json_out_string_part(struct json_out *, struct span piece, bool escaped);
void json_out_string_end(struct json_out *);

#endif
