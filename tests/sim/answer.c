/* answer.c - reads and judges answers. See answer.h. */
#include "tests/sim/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <yyjson.h>

#include "tests/sim/world.h"

#define HEAD_MAX 8192

/* ---- HTTP ---- */

static bool is_tchar(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

struct span answer_field(const struct answer *answer, const char *name) {
    struct span found = {NULL, 0}, rest = text_span(&answer->head);
    size_t name_n = strlen(name);
    while (rest.p) {
        struct span line = span_cut(&rest, '\n');
        if (line.n <= name_n || line.p[name_n] != ':' || strncasecmp(line.p, name, name_n) != 0)
            continue;
        if (found.p)
            sim_fail("http", "the field %s stands twice in an answer", name);
        found = span_trim(span_of(line.p + name_n + 1, line.n - name_n - 2));
    }
    return found;
}

static bool is(struct span span, const char *text) { return span_eq(span, span_str(text)); }

static void check_lines(struct span head) {
    struct span rest = head;
    span_cut(&rest, '\n');
    while (rest.n > 2) {
        struct span line = span_cut(&rest, '\n');
        size_t name_n = 0;
        while (name_n < line.n && is_tchar(line.p[name_n]))
            name_n++;
        if (name_n == 0 || name_n == line.n || line.p[name_n] != ':' || line.p[line.n - 1] != '\r')
            sim_fail("http", "not a field line: %.*s", (int)line.n, line.p);
        for (size_t i = name_n; i + 1 < line.n; i++)
            if ((unsigned char)line.p[i] < ' ' || line.p[i] == 127)
                sim_fail("http", "a control byte in the field %.*s", (int)name_n, line.p);
    }
}

static void check_secrets(struct span bytes) {
    for (unsigned i = 0; i < world.cloud_count; i++)
        if (bytes.n && memmem(bytes.p, bytes.n, clouds[i].key, strlen(clouds[i].key)))
            sim_fail("credentials", "a client was sent the key of cloud %u", i);
}

static void begin_body(struct answer *answer, bool to_head) {
    struct span length = answer_field(answer, "content-length"),
                coding = answer_field(answer, "transfer-encoding");
    struct span connection = answer_field(answer, "connection");
    uint64_t n = 0;
    answer->keep_alive = answer->minor == 1 && !is(connection, "close");
    if (connection.p && !is(connection, "close"))
        sim_fail("http", "connection: %.*s", (int)connection.n, connection.p);
    if (length.p && coding.p)
        sim_fail("http", "an answer with content-length and transfer-encoding");
    if (length.p && !span_u64(length, 1u << 30, &n))
        sim_fail("http", "content-length: %.*s", (int)length.n, length.p);
    if (coding.p && (!is(coding, "chunked") || answer->minor == 0))
        sim_fail("http", "transfer-encoding: %.*s in HTTP/1.%u", (int)coding.n, coding.p,
                 answer->minor);
    if (!answer_field(answer, "date").n)
        sim_fail("http", "an answer without a date");
    answer->left = (size_t)n;
    answer->chunked = coding.p != NULL;
    if (to_head)
        answer->state = ANSWER_DONE;
    else if (coding.p)
        answer->state = ANSWER_CHUNK_SIZE;
    else if (length.p)
        answer->state = n ? ANSWER_LENGTH : ANSWER_DONE;
    else if (!answer->keep_alive)
        answer->state = ANSWER_UNTIL_CLOSE;
    else
        sim_fail("http", "an answer that is kept alive and has no length");
}

static size_t read_head(struct answer *answer, struct span in, bool to_head, unsigned *interim) {
    const char *end = in.n ? memmem(in.p, in.n, "\r\n\r\n", 4) : NULL;
    if (!end) {
        if (in.n > HEAD_MAX)
            sim_fail("http", "a head without an end");
        return 0;
    }
    struct span head = span_of(in.p, (size_t)(end - in.p) + 4);
    char line[16] = "";
    snprintf(line, sizeof line, "%.*s", 12, head.p);
    if (sscanf(line, "HTTP/1.%1u %3u", &answer->minor, &answer->status) != 2 || answer->minor > 1 ||
        head.p[12] != ' ')
        sim_fail("http", "not a status line: %.40s", head.p);
    check_lines(head);
    check_secrets(head);
    if (answer->status < 200) {
        ++*interim;
        return head.n;
    }
    answer->head = (struct text){0};
    text_add(&answer->head, head.p, head.n);
    begin_body(answer, to_head);
    return head.n;
}

static size_t read_chunk_size(struct answer *answer, struct span in) {
    size_t line = span_find(in, '\n', 0);
    if (line == in.n) {
        if (in.n > 18)
            sim_fail("http", "a chunk size without an end");
        return 0;
    }
    if (line < 2 || in.p[line - 1] != '\r')
        sim_fail("http", "a chunk size line that is none");
    answer->left = 0;
    for (size_t i = 0; i < line - 1; i++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, in.p[i]);
        if (!digit || !in.p[i])
            sim_fail("http", "a chunk size with the byte %02x", (unsigned char)in.p[i]);
        answer->left = answer->left * 16 + (size_t)(digit - digits);
    }
    answer->state = answer->left ? ANSWER_CHUNK : ANSWER_CHUNK_END;
    return line + 1;
}

/* CRLF behind a chunk, or behind the last one's empty trailer. */
static size_t read_chunk_end(struct answer *answer, struct span in, bool last) {
    if (in.n < 2)
        return 0;
    if (in.p[0] != '\r' || in.p[1] != '\n')
        sim_fail("http", "a chunk that does not end where it said");
    answer->state = last ? ANSWER_DONE : ANSWER_CHUNK_SIZE;
    return 2;
}

static size_t read_data(struct answer *answer, struct span in, size_t n, enum answer_state next) {
    text_add(&answer->body, in.p, n);
    answer->left -= n;
    if (answer->left == 0)
        answer->state = next;
    return n;
}

size_t answer_read(struct answer *answer, struct span in, bool to_head, unsigned *interim) {
    switch (answer->state) {
    case ANSWER_HEAD: return read_head(answer, in, to_head, interim);
    case ANSWER_LENGTH: return read_data(answer, in, min_size(in.n, answer->left), ANSWER_DONE);
    case ANSWER_CHUNK_SIZE: return read_chunk_size(answer, in);
    case ANSWER_CHUNK:
        if (answer->left > 0)
            return read_data(answer, in, min_size(in.n, answer->left), ANSWER_CHUNK);
        return read_chunk_end(answer, in, false);
    case ANSWER_CHUNK_END: return read_chunk_end(answer, in, true);
    case ANSWER_UNTIL_CLOSE: text_add(&answer->body, in.p, in.n); return in.n;
    case ANSWER_DONE: break;
    }
    return 0;
}

bool answer_ends(struct answer *answer) {
    if (answer->state == ANSWER_UNTIL_CLOSE)
        answer->state = ANSWER_DONE;
    return answer->state == ANSWER_DONE;
}

/* ---- chats ---- */

/* What a client understood of an answer. */
struct heard {
    struct text said, tools;
    char id[40], finish[24];
    unsigned tokens;
    bool usage, error, done, anything;
};

static void hear_tools(struct heard *heard, yyjson_val *calls) {
    size_t i, count;
    yyjson_val *call;
    yyjson_arr_foreach(calls, i, count, call) {
        yyjson_val *arguments = yyjson_obj_get(yyjson_obj_get(call, "function"), "arguments");
        if (yyjson_is_str(arguments))
            text_add(&heard->tools, yyjson_get_str(arguments), yyjson_get_len(arguments));
    }
}

static void hear_id(struct heard *heard, yyjson_val *root, const struct request *request) {
    const char *id = yyjson_get_str(yyjson_obj_get(root, "id"));
    if (!id)
        sim_fail("answer", "request %u: a chunk without an id", request->n);
    if (heard->id[0] && strcmp(heard->id, id) != 0)
        sim_fail("answer", "request %u: chunks of %s and of %s", request->n, heard->id, id);
    snprintf(heard->id, sizeof heard->id, "%s", id);
}

static void hear_json(struct heard *heard, struct span json, const struct request *request,
                      bool whole) {
    yyjson_doc *doc = yyjson_read(json.p, json.n, 0);
    if (!doc)
        sim_fail("answer", "request %u: not JSON: %.*s", request->n, (int)min_size(json.n, 200),
                 json.p);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (yyjson_obj_get(root, "error")) {
        if (!yyjson_is_str(yyjson_obj_get(yyjson_obj_get(root, "error"), "message")))
            sim_fail("answer", "request %u: an error without a message", request->n);
        heard->error = true;
        yyjson_doc_free(doc);
        return;
    }
    hear_id(heard, root, request);
    heard->anything = true;
    yyjson_val *choice = yyjson_arr_get(yyjson_obj_get(root, "choices"), 0);
    yyjson_val *delta = yyjson_obj_get(choice, whole ? "message" : "delta");
    yyjson_val *content = yyjson_obj_get(delta, "content"),
               *reason = yyjson_obj_get(choice, "finish_reason");
    yyjson_val *usage = yyjson_obj_get(root, "usage");
    if (yyjson_is_str(content))
        text_add(&heard->said, yyjson_get_str(content), yyjson_get_len(content));
    hear_tools(heard, yyjson_obj_get(delta, "tool_calls"));
    if (yyjson_is_str(reason)) {
        if (heard->finish[0])
            sim_fail("answer", "request %u: finished twice", request->n);
        snprintf(heard->finish, sizeof heard->finish, "%s", yyjson_get_str(reason));
    }
    if (yyjson_is_obj(usage)) {
        if (heard->usage)
            sim_fail("answer", "request %u: usage is told twice", request->n);
        heard->usage = true;
        heard->tokens = (unsigned)yyjson_get_uint(yyjson_obj_get(usage, "completion_tokens"));
    }
    yyjson_doc_free(doc);
}

/* Events as the client's dialect has them: "data: " JSON, an empty line; nothing else. `cut`: the last may be incomplete. */
static void hear_events(struct heard *heard, struct span body, const struct request *request,
                        bool cut) {
    while (body.n) {
        const char *end = memmem(body.p, body.n, "\n\n", 2);
        const char *end_crlf = memmem(body.p, body.n, "\r\n\r\n", 4);
        size_t blank = 2;
        if (end_crlf && (!end || end_crlf < end)) {
            end = end_crlf;
            blank = 4;
        }
        if (!end && cut)
            return;
        if (heard->done || heard->error)
            sim_fail("answer", "request %u: something behind the end: %.*s", request->n,
                     (int)min_size(body.n, 100), body.p);
        if (!end || body.n < 6 || memcmp(body.p, "data: ", 6) != 0)
            sim_fail("answer", "request %u: not an event: %.*s", request->n,
                     (int)min_size(body.n, 100), body.p);
        struct span data = span_of(body.p + 6, (size_t)(end - body.p) - 6);
        if (is(data, "[DONE]"))
            heard->done = true;
        else
            hear_json(heard, data, request, false);
        body = span_from(body, (size_t)(end - body.p) + blank);
    }
}

static bool starts(const struct text *whole, const struct text *part) {
    return part->n <= whole->n && (part->n == 0 || memcmp(whole->p, part->p, part->n) == 0);
}
static bool same(const struct text *a, const struct text *b) {
    return a->n == b->n && starts(a, b);
}

static struct reply *whose(const struct heard *heard, const struct request *request) {
    unsigned n;
    struct reply *reply = sscanf(heard->id, "chatcmpl-A%u", &n) == 1 ? ledger_find_reply(n) : NULL;
    if (!reply)
        sim_fail("answer", "request %u: the answer's id is %s", request->n, heard->id);
    if (reply->request != request)
        sim_fail("answer", "request %u was given A%u, the answer to request %u", request->n, n,
                 reply->request->n);
    return reply;
}

static void judge_whole(struct request *request, const struct heard *heard) {
    const struct reply *reply = request->winner;
    if (!script_rows[reply->script].whole)
        sim_fail("answer", "request %u: A%u (%s) looks finished and is not", request->n, reply->n,
                 script_rows[reply->script].name);
    if (!same(&heard->said, &reply->said) || !same(&heard->tools, &reply->tools))
        sim_fail("answer", "request %u: the answer is not what A%u said: %.*s", request->n,
                 reply->n, (int)min_size(heard->said.n, 200), heard->said.p);
    if (strcmp(heard->finish, reply->finish) != 0)
        sim_fail("answer", "request %u: finish_reason %s, A%u said %s", request->n, heard->finish,
                 reply->n, reply->finish);
    if (heard->usage && heard->tokens != reply->tokens)
        sim_fail("answer", "request %u: %u tokens, A%u said %u", request->n, heard->tokens,
                 reply->n, reply->tokens);
    bool wants = !request->stream || request->usage;
    if (heard->usage != wants)
        sim_fail("answer", "request %u: usage is %s", request->n,
                 wants ? "missing" : "there without being asked for");
}

static void judge_part(struct request *request, const struct heard *heard) {
    const struct reply *reply = request->winner;
    if (!starts(&reply->said, &heard->said) || !starts(&reply->tools, &heard->tools))
        sim_fail("answer", "request %u: what was answered is not of A%u: %.*s", request->n,
                 reply->n, (int)min_size(heard->said.n, 200), heard->said.p);
}

static void judge_stream(struct request *request, const struct answer *answer, bool cut) {
    struct heard heard = {0};
    hear_events(&heard, text_span(&answer->body), request, cut);
    if (!heard.anything && cut)
        return;
    if (!heard.anything)
        sim_fail("answer", "request %u: a stream without an event", request->n);
    request->winner = whose(&heard, request);
    if (heard.done) {
        judge_whole(request, &heard);
        return;
    }
    judge_part(request, &heard);
    request->broken = heard.error;
    if (!heard.error && !cut)
        sim_fail("answer", "request %u: the stream of A%u ends without an end mark or an error",
                 request->n, request->winner->n);
}

static void judge_body(struct request *request, const struct answer *answer) {
    struct heard heard = {0};
    hear_json(&heard, text_span(&answer->body), request, true);
    if (heard.error)
        sim_fail("answer", "request %u: an error with status 200", request->n);
    request->winner = whose(&heard, request);
    judge_whole(request, &heard);
}

/* An error in the client's dialect; a refusal by the provider is shown as it came. */
static void judge_error(struct request *request, const struct answer *answer) {
    struct heard heard = {0};
    unsigned n;
    hear_json(&heard, text_span(&answer->body), request, true);
    if (!heard.error)
        sim_fail("answer", "request %u: status %u without an error", request->n, answer->status);
    const char *refused = memmem(answer->body.p, answer->body.n, "refused A", 9);
    if (!refused)
        return;
    struct reply *reply = sscanf(refused, "refused A%u", &n) == 1 ? ledger_find_reply(n) : NULL;
    if (!reply || reply->request != request || reply->script != SCRIPT_STATUS_400 ||
        answer->status != 400)
        sim_fail("answer", "request %u: shows a provider's words that are not for it (status %u)",
                 request->n, answer->status);
    request->winner = reply;
    sim_mark(MARK_REFUSAL_SHOWN);
}

static void judge_local(struct request *request, const struct answer *answer) {
    if (request->ask == ASK_HEAD || request->ask == ASK_METHOD)
        return;
    yyjson_doc *doc = yyjson_read(answer->body.p, answer->body.n, 0);
    if (!doc)
        sim_fail("answer", "request %u (%s): not JSON", request->n, ask_rows[request->ask].name);
    bool error = yyjson_obj_get(yyjson_doc_get_root(doc), "error") != NULL;
    if (error != (answer->status != 200))
        sim_fail("answer", "request %u (%s): status %u with%s an error", request->n,
                 ask_rows[request->ask].name, answer->status, error ? "" : "out");
    yyjson_doc_free(doc);
}

static void note_head(struct request *request, const struct answer *answer) {
    uint64_t attempts = 0;
    struct span said = answer_field(answer, "x-hedgerow-attempts");
    if (said.p && !span_u64(said, 8, &attempts))
        sim_fail("answer", "request %u: x-hedgerow-attempts %.*s", request->n, (int)said.n, said.p);
    request->attempts_said = (unsigned)attempts;
    request->status = answer->status;
    request->answer_bytes = answer->head.n + answer->body.n;
}

static bool is_stream(const struct answer *answer) {
    struct span type = answer_field(answer, "content-type");
    return span_starts(type, SPAN("text/event-stream"));
}

void answer_judge(struct request *request, const struct answer *answer) {
    note_head(request, answer);
    check_secrets(text_span(&answer->body));
    if (request->ask != ASK_CHAT) {
        judge_local(request, answer);
        return;
    }
    if (answer->status == 200 && is_stream(answer) != request->stream)
        sim_fail("answer", "request %u: asked for %s", request->n,
                 request->stream ? "a stream and got none" : "a body and got a stream");
    if (answer->status != 200)
        judge_error(request, answer);
    else if (request->stream)
        judge_stream(request, answer, false);
    else
        judge_body(request, answer);
}

void answer_judge_cut(struct request *request, const struct answer *answer) {
    if (answer->state == ANSWER_HEAD)
        return;
    note_head(request, answer);
    if (request->ask == ASK_CHAT && answer->status == 200 && request->stream)
        judge_stream(request, answer, true);
}
