/* format.h (pure) - a wire format: how requests in it are read and answers are written, as a table
 * of functions. A format is one or two files (format_X.c, format_X_read.c) and a row in format.def.
 *
 *     open      the events in front of the content
 *     piece     one piece of content (answer.h), for every choice
 *     close     everything behind it, with finish, usage and end marks
 *     whole     the answer to a request without stream: one JSON value
 *
 * Promises: open + all pieces + close is one well-formed answer of the provider.
 */
#ifndef BENCH_FORMAT_H
#define BENCH_FORMAT_H

#include "bench/answer.h"
#include "bench/ask.h"

/* What a reader gets besides the body. */
struct format_request {
    const char *body;
    size_t size;
    enum sim_kind kind;
    bool model_in_path; /* the body need not, in most formats may not, name a model */
    bool stream, array; /* the path says so, where it is the path that says it */
    const char *model;  /* of the path, "" if there is none there */
};

struct format {
    const char *name;
    const char *stream_type; /* Content-Type of a stream */
    const char *id_prefix, *tool_prefix;
    unsigned id_letters, tool_letters;
    /* What signatures of thoughts begin with: a cloud tells its own family's from others. */
    const char *signature_prefix;
    /* Reads and checks the body as strictly as the provider. Returns false with the provider's
     * refusal in *e; *ask then has no meaning. */
    bool (*read)(struct ask *ask, const struct format_request *request, struct ask_error *e);
    void (*open)(struct answer *a, struct bytes *out);
    void (*piece)(struct answer *a, size_t index, struct bytes *out);
    void (*close)(struct answer *a, struct bytes *out);
    /* What stands in a stream of nothing at all; NULL: not one byte. */
    void (*nothing)(struct bytes *out);
    /* An error inside a stream that began with 200; `late`: after content. */
    void (*error_event)(struct answer *a, bool late, struct bytes *out);
    /* Bytes that break the format: what a reader must not take for an answer. */
    void (*garbage)(struct answer *a, struct bytes *out);
    void (*whole)(struct answer *a, struct bytes *out);
    /* An error as JSON with status 200. */
    void (*error_body)(struct bytes *out);
};

#define FORMAT_SIGNED_CLAUDE "EqQBCkgI"
#define FORMAT_SIGNED_GEMINI "CiIBVKhc"

#define FORMAT(name) extern const struct format format_##name;
#include "bench/format.def"
#undef FORMAT

/* The garbage of all formats of server-sent events: JSON that breaks off inside an event. */
void format_broken_event(struct answer *a, struct bytes *out);

#endif
