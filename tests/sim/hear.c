/* hear.c - events and JSON, for all formats. See hear.h. */
#include "tests/sim/hear.h"

#include <stdarg.h>
#include <stdio.h>

const struct hear *hear_of(enum format format) {
    static const struct hear *const hears[FORMAT_CLIENTS] = {
        [FORMAT_CHAT] = &hear_chat,
        [FORMAT_RESPONSES] = &hear_responses,
        [FORMAT_MESSAGES] = &hear_messages,
        [FORMAT_GEMINI] = &hear_gemini,
    };
    return hears[format];
}

void hear_wrong(const struct request *request, const char *format, ...) {
    char what[400];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    sim_fail("answer", "request %u (%s): %s", request->n, format_names[request->format], what);
}

/* ---- events ---- */

/* A line without its end, which is LF or CRLF; false: it is not whole. */
static bool cut_line(struct span *rest, struct span *line) {
    size_t at = span_find(*rest, '\n', 0);
    if (at == rest->n)
        return false;
    *line = span_of(rest->p, at > 0 && rest->p[at - 1] == '\r' ? at - 1 : at);
    *rest = span_from(*rest, at + 1);
    return true;
}

struct sse {
    struct span name, data; /* .p NULL: no such line */
};

/* "event: NAME", if there is one, "data: ...", an empty line; nothing else. */
static bool cut_event(const struct request *request, struct span *rest, struct sse *event) {
    static const struct span name = SPAN_CONST("event: "), data = SPAN_CONST("data: ");
    struct span line, after = *rest;
    *event = (struct sse){.name = {NULL, 0}};
    while (cut_line(&after, &line)) {
        if (line.n == 0 && event->data.p) {
            *rest = after;
            return true;
        }
        if (span_starts(line, name) && !event->name.p && !event->data.p)
            event->name = span_from(line, name.n);
        else if (span_starts(line, data) && !event->data.p)
            event->data = span_from(line, data.n);
        else
            hear_wrong(request, "not a line of an event: %.*s", (int)min_size(line.n, 100), line.p);
    }
    return false;
}

/* ": hedgerow: ..." and an empty line, in a format whose clients read over comments. */
static bool cut_comment(const struct request *request, struct span *rest) {
    struct span after = *rest, line, empty;
    if (!cut_line(&after, &line) || !span_starts(line, SPAN(": hedgerow: ")) ||
        !cut_line(&after, &empty) || empty.n)
        return false;
    if (request->format == FORMAT_GEMINI)
        hear_wrong(request, "a comment: %.*s", (int)line.n, line.p);
    *rest = after;
    return true;
}

void hear_events(struct heard *heard, const struct request *request, struct span body, bool cut) {
    const struct hear *hear = hear_of(request->format);
    struct sse event;
    while (body.n) {
        if (cut_comment(request, &body)) {
            heard->comments++;
            continue;
        }
        if (!cut_event(request, &body, &event)) {
            if (!cut)
                hear_wrong(request, "half an event: %.*s", (int)min_size(body.n, 100), body.p);
            return;
        }
        if (heard->done || heard->error)
            hear_wrong(request, "something behind the end: %.*s", (int)min_size(event.data.n, 100),
                       event.data.p);
        hear->event(heard, request, event.name, event.data);
    }
}

void hear_body(struct heard *heard, const struct request *request, struct span body) {
    const struct hear *hear = hear_of(request->format);
    yyjson_doc *doc = hear_json(request, body);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (hear->is_error(root))
        heard->error = true;
    else
        hear->body(heard, request, root);
    yyjson_doc_free(doc);
}

/* ---- JSON ---- */

yyjson_doc *hear_json(const struct request *request, struct span json) {
    yyjson_doc *doc = yyjson_read(json.p, json.n, 0);
    if (!doc || !yyjson_is_obj(yyjson_doc_get_root(doc)))
        hear_wrong(request, "not a JSON object: %.*s", (int)min_size(json.n, 200), json.p);
    return doc;
}

const char *hear_string(const struct request *request, yyjson_val *object, const char *name) {
    const char *text = yyjson_get_str(yyjson_obj_get(object, name));
    if (!text)
        hear_wrong(request, "no string %s", name);
    return text;
}

unsigned hear_number(const struct request *request, yyjson_val *object, const char *name) {
    yyjson_val *value = yyjson_obj_get(object, name);
    if (!yyjson_is_uint(value))
        hear_wrong(request, "no number %s", name);
    return (unsigned)yyjson_get_uint(value);
}

bool hear_is(yyjson_val *object, const char *name, const char *text) {
    return yyjson_equals_str(yyjson_obj_get(object, name), text);
}

void hear_add(struct text *text, yyjson_val *string) {
    if (yyjson_is_str(string))
        text_add(text, yyjson_get_str(string), yyjson_get_len(string));
}

/* ---- the answer ---- */

void hear_id(struct heard *heard, const struct request *request, const char *id) {
    if (heard->id[0] && strcmp(heard->id, id) != 0)
        hear_wrong(request, "pieces of %s and of %s", heard->id, id);
    snprintf(heard->id, sizeof heard->id, "%s", id);
}

void hear_finish(struct heard *heard, const struct request *request, const char *finish) {
    if (heard->finish[0])
        hear_wrong(request, "finished twice");
    snprintf(heard->finish, sizeof heard->finish, "%s", finish);
}

struct hear_part *hear_part(struct heard *heard, const struct request *request,
                            enum hear_part_kind kind) {
    if (heard->part_count == HEAR_PARTS_MAX)
        hear_wrong(request, "more parts than any cloud says");
    struct hear_part *part = &heard->parts[heard->part_count++];
    part->kind = kind;
    part->open = true;
    return part;
}

struct call *hear_call(struct heard *heard, const struct request *request) {
    if (heard->call_count == HEAR_PARTS_MAX)
        hear_wrong(request, "more calls than any cloud makes");
    return &heard->calls[heard->call_count++];
}
