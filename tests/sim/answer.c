/* answer.c - reads and judges answers. See answer.h. */
#include "tests/sim/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <yyjson.h>

#include "tests/sim/hear.h"
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

static bool starts(const struct text *whole, const struct text *part) {
    return part->n <= whole->n && (part->n == 0 || memcmp(whole->p, part->p, part->n) == 0);
}
static bool same(const struct text *a, const struct text *b) {
    return a->n == b->n && starts(a, b);
}

static bool same_calls(const struct heard *heard, const struct reply *reply) {
    bool right = heard->call_count == reply->call_count;
    for (unsigned i = 0; right && i < heard->call_count; i++)
        right = same(&heard->calls[i].name, &reply->calls[i].name) &&
                same(&heard->calls[i].arguments, &reply->calls[i].arguments);
    return right;
}

/* All calls but the last are whole, where they come one after the other. */
static bool start_calls(const struct heard *heard, const struct reply *reply) {
    bool right = heard->call_count <= reply->call_count;
    for (unsigned i = 0; right && i < heard->call_count; i++) {
        const struct call *said = &heard->calls[i], *call = &reply->calls[i];
        right = same(&said->name, &call->name) && starts(&call->arguments, &said->arguments) &&
                (i + 1 == heard->call_count || reply->parallel ||
                 said->arguments.n == call->arguments.n);
    }
    return right;
}

/* ---- answers that another cloud has finished ---- */

/* The number behind the last `mark` of the text; 0: there is none. Each token, thought and call has its
 * maker's. */
static unsigned last_number(const struct text *text, const char *mark, char end) {
    unsigned found = 0;
    for (const char *at = text->p; at && (at = strstr(at, mark)) != NULL; at++) {
        unsigned n;
        int used = 0;
        if (sscanf(at + strlen(mark), "%u%n", &n, &used) == 1 &&
            (end == 0 || at[strlen(mark) + (size_t)used] == end))
            found = n;
    }
    return found;
}

/* Who spoke last; `first`, whom the head names, when nothing says that it was another. */
static struct reply *last_speaker(const struct request *request, const struct heard *heard,
                                  struct reply *first) {
    unsigned n = heard->call_count ? last_number(&heard->calls[0].name, "_A", 0)
                 : heard->said.n   ? last_number(&heard->said, "A", '.')
                                   : last_number(&heard->thought, "A", '.');
    struct reply *reply = n ? ledger_find_reply(n) : NULL;
    if (!reply)
        return first;
    if (reply->request != request)
        sim_fail("answer", "request %u was given words of A%u, the answer to request %u",
                 request->n, n, reply->request->n);
    return reply;
}

/* Where in the text the words of this reply begin. */
static size_t own_words(const struct text *said, const struct reply *reply) {
    char mark[16];
    snprintf(mark, sizeof mark, "A%u.", reply->n);
    const char *at = said->p ? strstr(said->p, mark) : NULL;
    return at ? (size_t)(at - said->p) : said->n;
}

/* A view, without a copy. */
static struct text cut_text(const struct text *text, size_t from, size_t to) {
    return (struct text){.p = text->p ? text->p + from : NULL, .n = to - from};
}

static bool same_sans_white(const struct text *a, const struct text *b) {
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a->n && strchr(" \n\t\r", a->p[i]))
            i++;
        while (k < b->n && strchr(" \n\t\r", b->p[k]))
            k++;
        if (i == a->n || k == b->n)
            return i == a->n && k == b->n;
        if (a->p[i++] != b->p[k++])
            return false;
    }
}

/* What was told before the last speaker's words, to the byte: what the first cloud said, as far as it was
 * handed on. Of a longer chain the white space between its parts is not known here. */
static void judge_head(const struct request *request, const struct text *head,
                       const struct reply *first) {
    const struct reply *last = request->winner;
    bool right = last->behind.n ? same_sans_white(head, &last->behind) : head->n == 0;
    if (right && last->behind.n && own_words(head, first) == 0 &&
        last_number(head, "A", '.') == first->n)
        right = starts(&first->said, head);
    if (!right)
        sim_fail("answer", "request %u: A%u (%s) goes on behind %.*s, and was asked to behind %.*s",
                 request->n, last->n, format_names[last->format], (int)min_size(head->n, 200),
                 head->p ? head->p : "", (int)min_size(last->behind.n, 200),
                 last->behind.p ? last->behind.p : "");
}

/* Reasoning of those who stalled stands before the last one's; each may have been cut. */
static bool thoughts_of(const struct request *request, const struct text *thought, bool whole) {
    struct text rest = *thought;
    for (unsigned i = 0; i < request->reply_count; i++) {
        const struct reply *reply = request->replies[i];
        size_t n = 0;
        if (reply == request->winner || own_words(&rest, reply) != 0)
            continue;
        while (n < rest.n && n < reply->thought.n && rest.p[n] == reply->thought.p[n])
            n++;
        rest = cut_text(&rest, n, rest.n);
    }
    return whole ? same(&rest, &request->winner->thought)
                 : starts(&request->winner->thought, &rest);
}

/* Another cloud has gone on: may it, and who stalled? */
static void judge_rescue(struct request *request, const struct heard *heard, struct reply *first) {
    const struct reply *last = request->winner;
    unsigned wished =
        last->behind.n ? 1u << ON_STALL_CONTINUE : 1u << ON_STALL_CONTINUE | 1u << ON_STALL_RESTART;
    if (!(request->model->stalls & wished))
        sim_fail("answer", "request %u: A%u goes on for A%u, which nobody wants", request->n,
                 last->n, first->n);
    if (request->stream && request->format != FORMAT_GEMINI && !heard->comments)
        sim_fail("answer", "request %u: A%u goes on for A%u in silence", request->n, last->n,
                 first->n);
    for (unsigned i = 0; i < request->reply_count; i++) {
        struct reply *reply = request->replies[i];
        reply->stalled =
            reply != last && (reply == first || own_words(&heard->said, reply) < heard->said.n ||
                              own_words(&heard->thought, reply) < heard->thought.n);
        if (reply->stalled && reply->whole && !world.tight_memory && sim.slow_turn == 0 &&
            request->model->idle_ns > SIM_MS(400))
            sim_fail("answer", "request %u: A%u goes on for A%u (%s), which did not stall",
                     request->n, last->n, reply->n, script_rows[reply->script].name);
    }
    sim_mark(last->behind.n ? MARK_STALL_CONTINUED : MARK_STALL_RESTARTED);
    if (last->format != request->format)
        sim_mark(MARK_STALL_TRANSLATED);
}

static bool translated(const struct request *request) {
    return request->winner->format != request->format;
}

/* Who won: by the header that names the cloud's own id. Without memory for that, by what was said. */
static struct reply *whose(const struct heard *heard, const struct request *request,
                           const struct answer *answer) {
    unsigned n = 0;
    char id[24] = "";
    struct span named = answer_field(answer, "x-upstream-request-id");
    bool known = sscanf(span_text(named, id, sizeof id), "up-A%u", &n) == 1 ||
                 (world.tight_memory && heard->said.n && sscanf(heard->said.p, "A%u.", &n) == 1) ||
                 (world.tight_memory && heard->call_count &&
                  sscanf(heard->calls[0].name.p, "f0_A%u", &n) == 1);
    struct reply *reply = known ? ledger_find_reply(n) : NULL;
    if (!reply)
        sim_fail("answer", "request %u: the winner's id is %s", request->n, id);
    if (reply->request != request)
        sim_fail("answer", "request %u was given A%u, the answer to request %u", request->n, n,
                 reply->request->n);
    return reply;
}

/* In the cloud's own format the client sees the cloud's own id. */
static void check_id(const struct request *request, const struct heard *heard) {
    static const char *const forms[FORMAT_COUNT] = {[FORMAT_CHAT] = "chatcmpl-A%u",
                                                    [FORMAT_RESPONSES] = "resp_A%u",
                                                    [FORMAT_MESSAGES] = "msg_A%u",
                                                    [FORMAT_GEMINI] = "A%u"};
    struct text id = {0};
    text_printf(&id, forms[request->format], request->winner->n);
    if (!translated(request) && strcmp(id.p, heard->id) != 0)
        sim_fail("answer", "request %u: the id %s in the answer of A%u", request->n, heard->id,
                 request->winner->n);
}

/* Of an answer that was gone on with the usage is one: what the client sent, and all that was said. */
static bool adds_up(const struct heard *heard, const struct reply *last) {
    return heard->tokens > last->tokens && heard->cached_tokens <= heard->input_tokens;
}

static void judge_usage(const struct request *request, const struct heard *heard,
                        const struct reply *first) {
    const struct reply *reply = request->winner;
    bool wants = request->format != FORMAT_CHAT || !request->stream || request->usage;
    if (reply->usage_unsaid)
        return;
    if (heard->usage != wants)
        sim_fail("answer", "request %u: usage is %s", request->n,
                 wants ? "missing" : "there without being asked for");
    if (!heard->usage)
        return;
    if (reply != first && reply->behind.n) {
        if (!adds_up(heard, reply))
            sim_fail("answer", "request %u: %u tokens for %u (%u cached), and A%u alone said %u",
                     request->n, heard->tokens, heard->input_tokens, heard->cached_tokens, reply->n,
                     reply->tokens);
        return;
    }
    if (heard->tokens != reply->tokens || heard->input_tokens != reply->input_tokens ||
        heard->cached_tokens != reply->cached_tokens)
        sim_fail("answer",
                 "request %u: %u tokens for %u (%u cached), A%u (%s) said %u for %u (%u cached)",
                 request->n, heard->tokens, heard->input_tokens, heard->cached_tokens, reply->n,
                 format_names[reply->format], reply->tokens, reply->input_tokens,
                 reply->cached_tokens);
}

static void judge_whole(struct request *request, const struct heard *heard, struct reply *first) {
    const struct reply *reply = request->winner;
    if (!reply->whole)
        sim_fail("answer", "request %u: A%u (%s) looks finished and is not", request->n, reply->n,
                 script_rows[reply->script].name);
    size_t at = request->winner == first ? 0 : own_words(&heard->said, reply);
    struct text head = cut_text(&heard->said, 0, at),
                said = cut_text(&heard->said, at, heard->said.n);
    if (request->winner != first)
        judge_head(request, &head, first);
    if (!same(&said, &reply->said))
        sim_fail("answer", "request %u: the answer is not what A%u said: %.*s", request->n,
                 reply->n, (int)min_size(heard->said.n, 200), heard->said.p);
    if (request->winner == first ? !same(&heard->thought, &reply->thought)
                                 : !thoughts_of(request, &heard->thought, true))
        sim_fail("answer", "request %u: the reasoning is not that of A%u (%s): %.*s", request->n,
                 reply->n, format_names[reply->format], (int)min_size(heard->thought.n, 200),
                 heard->thought.p);
    if (!same_calls(heard, reply))
        sim_fail("answer", "request %u: the calls are not those of A%u: %u, %.200s", request->n,
                 reply->n, heard->call_count,
                 heard->call_count ? heard->calls[heard->call_count - 1].arguments.p : "");
    if (strcmp(heard->finish, reply->finish) != 0)
        sim_fail("answer", "request %u: finished by %s, A%u (%s) by %s", request->n, heard->finish,
                 reply->n, format_names[reply->format], reply->finish);
    judge_usage(request, heard, first);
    if (translated(request) && heard->call_count)
        sim_mark(MARK_TRANSLATED_TOOLS);
    if (translated(request) && heard->thought.n)
        sim_mark(MARK_TRANSLATED_THOUGHT);
}

static void judge_part(struct request *request, const struct heard *heard, struct reply *first) {
    const struct reply *reply = request->winner;
    if (reply != first) {
        size_t at = own_words(&heard->said, reply);
        struct text head = cut_text(&heard->said, 0, at),
                    said = cut_text(&heard->said, at, heard->said.n);
        judge_head(request, &head, first);
        if (!starts(&reply->said, &said) || !start_calls(heard, reply) ||
            !thoughts_of(request, &heard->thought, said.n > 0))
            sim_fail("answer", "request %u: what was answered is not of A%u and A%u: %.*s",
                     request->n, first->n, reply->n, (int)min_size(heard->said.n, 200),
                     heard->said.p);
        return;
    }
    if (!starts(&reply->thought, &heard->thought) ||
        (heard->said.n && heard->thought.n != reply->thought.n) ||
        !starts(&reply->said, &heard->said) || !start_calls(heard, reply))
        sim_fail("answer", "request %u: what was answered is not of A%u: %.*s", request->n,
                 reply->n, (int)min_size(heard->said.n, 200), heard->said.p);
}

static void mark_stream(const struct request *request) {
    static const enum sim_mark marks[FORMAT_COUNT] = {[FORMAT_CHAT] = MARK_CHAT_STREAM,
                                                      [FORMAT_RESPONSES] = MARK_RESPONSES_STREAM,
                                                      [FORMAT_MESSAGES] = MARK_MESSAGES_STREAM,
                                                      [FORMAT_GEMINI] = MARK_GEMINI_STREAM};
    if (translated(request))
        sim_mark(marks[request->format]);
}

static void judge_stream(struct request *request, const struct answer *answer, bool cut) {
    struct heard heard = {0};
    hear_events(&heard, request, text_span(&answer->body), cut);
    if (!heard.anything && cut)
        return;
    /* A call that is kept until it is whole may be all there was, and then an error. */
    if (!heard.anything && !heard.error)
        sim_fail("answer", "request %u: a stream without an event", request->n);
    struct reply *first = whose(&heard, request, answer);
    request->winner = first;
    if (heard.id[0])
        check_id(request, &heard);
    request->winner = last_speaker(request, &heard, first);
    if (request->winner != first)
        judge_rescue(request, &heard, first);
    /* Of this one the end of the message is the end mark. */
    if (request->format == FORMAT_GEMINI)
        heard.done = !cut && !heard.error && heard.finish[0];
    if (heard.done) {
        judge_whole(request, &heard, first);
        mark_stream(request);
        return;
    }
    judge_part(request, &heard, first);
    request->broken = heard.error;
    if (heard.error && translated(request))
        sim_mark(MARK_TRANSLATED_BREAK);
    if (!heard.error && !cut)
        sim_fail("answer", "request %u: the stream of A%u ends without an end mark or an error",
                 request->n, request->winner->n);
}

static void judge_body(struct request *request, const struct answer *answer) {
    struct heard heard = {0};
    hear_body(&heard, request, text_span(&answer->body));
    if (heard.error)
        sim_fail("answer", "request %u: an error with status 200", request->n);
    /* The head names who finished it; one that was gone on with has the id of who began. */
    struct reply *last = whose(&heard, request, answer), *first = last;
    unsigned n;
    if (last->behind.n && heard.said.n && sscanf(heard.said.p, "A%u.", &n) == 1)
        first = ledger_find_reply(n);
    if (!first || first->request != request)
        sim_fail("answer", "request %u: nobody began the answer of A%u", request->n, last->n);
    request->winner = first;
    if (heard.id[0])
        check_id(request, &heard);
    request->winner = last;
    if (first != last)
        judge_rescue(request, &heard, first);
    judge_whole(request, &heard, first);
    if (translated(request))
        sim_mark(MARK_TRANSLATED_BODY);
}

/* Errors are in the client's format, but for those of a server that has no room even to look at the path. */
static void check_error_shape(const struct request *request, const struct answer *answer) {
    bool no_room = world.tight_memory || (answer->status == 503 && world.few_exchanges);
    yyjson_doc *doc = yyjson_read(answer->body.p, answer->body.n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!hear_of(request->format)->is_error(root) && !(no_room && hear_chat.is_error(root)))
        sim_fail("answer", "request %u (%s): status %u and not an error of this format: %.*s",
                 request->n, format_names[request->format], answer->status,
                 (int)min_size(answer->body.n, 200), answer->body.p);
    yyjson_val *code = yyjson_obj_get(yyjson_obj_get(root, "error"), "code");
    if (request->format == FORMAT_GEMINI && yyjson_is_uint(code) &&
        yyjson_get_uint(code) != answer->status)
        sim_fail("answer", "request %u: status %u, and in the error another", request->n,
                 answer->status);
    yyjson_doc_free(doc);
}

/* A refusal by the provider is shown: as it came, or its words in the client's format. */
static void judge_error(struct request *request, const struct answer *answer) {
    unsigned n;
    check_error_shape(request, answer);
    request->named_field = memmem(answer->body.p, answer->body.n, "logit_bias", 10) != NULL;
    const char *refused = memmem(answer->body.p, answer->body.n, "refused A", 9);
    if (!refused)
        return;
    struct reply *reply = sscanf(refused, "refused A%u", &n) == 1 ? ledger_find_reply(n) : NULL;
    if (!reply || reply->request != request || reply->script != SCRIPT_STATUS_400 ||
        answer->status != 400)
        sim_fail("answer", "request %u: shows a provider's words that are not for it (status %u)",
                 request->n, answer->status);
    request->winner = reply;
    sim_mark(translated(request) ? MARK_TRANSLATED_REFUSAL : MARK_REFUSAL_SHOWN);
}

static void judge_local(struct request *request, const struct answer *answer) {
    if (request->ask == ASK_HEAD || request->ask == ASK_METHOD)
        return;
    yyjson_doc *doc = yyjson_read(answer->body.p, answer->body.n, 0);
    if (!doc)
        sim_fail("answer", "request %u (%s): not JSON", request->n, ask_rows[request->ask].name);
    bool error = yyjson_obj_get(yyjson_doc_get_root(doc), "error") != NULL;
    bool ours = request->ask != ASK_GARBAGE && request->ask != ASK_STUCK_HEAD &&
                request->ask != ASK_STUCK_BODY && request->ask != ASK_NO_PATH &&
                request->ask != ASK_MODELS && request->ask != ASK_MODEL &&
                request->ask != ASK_HEALTH;
    if (error && ours)
        check_error_shape(request, answer);
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
