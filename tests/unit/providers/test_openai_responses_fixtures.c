/* test_openai_responses_fixtures.c - the recorded answers and requests of real backends and clients,
 * decoded twice: by the product and, written apart from it, with yyjson. Needs the shared fixtures.
 *
 * Answers: read whole, byte by byte and cut in two; translated back into a Responses stream, which
 * is held to openai_responses_check.h; collected and merged into one body. Requests: edited, read as
 * a prompt, written again, and read once more, which must say the same. */
#include <glob.h>

#include "providers/openai_responses.h"
#include "tests/unit/providers/openai_responses_check.h"
#include "tests/unit/providers/openai_responses_dump.h"
#include "tests/unit/providers/openai_responses_tape.h"

#define CALLS_MAX 16
/* Streams up to this size are also cut in two at every byte: a whole reading for each cut. */
#define CUT_EVERY_MAX 4000

/* --- the decoding that knows nothing of the product --- */

struct call {
    int index;
    char id[200], name[200];
    struct check_text arguments;
};

struct answer {
    struct check_text text, thoughts, refusals, sealed;
    struct call calls[CALLS_MAX];
    unsigned call_count;
    char status[40], reason[40];
    long long input, output, cached, reasoning;
    bool error, ended;
    yyjson_doc *last; /* of the terminal event */
};

static struct call *call_of(struct answer *a, yyjson_val *event) {
    int index = yyjson_get_int(yyjson_obj_get(event, "output_index"));
    for (unsigned i = 0; i < a->call_count; i++)
        if (a->calls[i].index == index)
            return &a->calls[i];
    EXPECT(a->call_count < CALLS_MAX);
    struct call *call = &a->calls[a->call_count < CALLS_MAX ? a->call_count++ : 0];
    call->index = index;
    return call;
}

static void decode_item(struct answer *a, yyjson_val *event, yyjson_val *item) {
    const char *type = check_str(item, "type");
    if (!is_call_type(type))
        return;
    struct call *call = call_of(a, event);
    snprintf(call->id, sizeof call->id, "%s", check_str(item, "call_id"));
    snprintf(call->name, sizeof call->name, "%s", check_str(item, "name"));
}

static void decode_response(struct answer *a, yyjson_val *response) {
    yyjson_val *usage = yyjson_obj_get(response, "usage");
    snprintf(a->status, sizeof a->status, "%s", check_str(response, "status"));
    yyjson_val *details = yyjson_obj_get(response, "incomplete_details");
    if (yyjson_is_obj(details))
        snprintf(a->reason, sizeof a->reason, "%s", check_str(details, "reason"));
    a->input = yyjson_get_sint(yyjson_obj_get(usage, "input_tokens"));
    a->output = yyjson_get_sint(yyjson_obj_get(usage, "output_tokens"));
    a->cached = yyjson_get_sint(
        yyjson_obj_get(yyjson_obj_get(usage, "input_tokens_details"), "cached_tokens"));
    a->reasoning = yyjson_get_sint(
        yyjson_obj_get(yyjson_obj_get(usage, "output_tokens_details"), "reasoning_tokens"));
}

static void decode_event(struct answer *a, const char *json, size_t n) {
    yyjson_doc *doc = yyjson_read(json, n, 0);
    yyjson_val *event = yyjson_doc_get_root(doc);
    const char *type = check_str(event, "type"), *delta = check_str(event, "delta");
    bool keep = false;
    EXPECT(doc != NULL);
    if (a->error || a->ended) {
        yyjson_doc_free(doc);
        return;
    }
    if (strcmp(type, "response.output_text.delta") == 0)
        check_add(&a->text, delta);
    else if (strcmp(type, "response.refusal.delta") == 0)
        check_add(&a->refusals, delta);
    else if (strcmp(type, "response.reasoning_summary_text.delta") == 0 ||
             strcmp(type, "response.reasoning_text.delta") == 0)
        check_add(&a->thoughts, delta);
    else if (strcmp(type, "response.function_call_arguments.delta") == 0 ||
             strcmp(type, "response.custom_tool_call_input.delta") == 0)
        check_add(&call_of(a, event)->arguments, delta);
    else if (strcmp(type, "response.output_item.added") == 0)
        decode_item(a, event, yyjson_obj_get(event, "item"));
    else if (strcmp(type, "response.output_item.done") == 0 &&
             strcmp(check_str(yyjson_obj_get(event, "item"), "type"), "reasoning") == 0 &&
             yyjson_is_str(yyjson_obj_get(yyjson_obj_get(event, "item"), "encrypted_content")))
        check_add(&a->sealed, check_str(yyjson_obj_get(event, "item"), "encrypted_content"));
    else if (strcmp(type, "error") == 0 || strcmp(type, "response.failed") == 0)
        a->error = true;
    else if (strcmp(type, "response.completed") == 0 || strcmp(type, "response.incomplete") == 0) {
        decode_response(a, yyjson_obj_get(event, "response"));
        a->ended = keep = true;
        a->last = doc;
    }
    if (!keep)
        yyjson_doc_free(doc);
}

static struct answer *answer_new(void) {
    struct answer *a = calloc(1, sizeof *a);
    check_add(&a->text, "");
    check_add(&a->thoughts, "");
    check_add(&a->refusals, "");
    check_add(&a->sealed, "");
    for (int i = 0; i < CALLS_MAX; i++)
        check_add(&a->calls[i].arguments, "");
    return a;
}

static void answer_free(struct answer *a) {
    free(a->text.p);
    free(a->thoughts.p);
    free(a->refusals.p);
    free(a->sealed.p);
    for (int i = 0; i < CALLS_MAX; i++)
        free(a->calls[i].arguments.p);
    yyjson_doc_free(a->last);
    free(a);
}

/* Recorded streams have plain lines: nothing of SSE is needed but this. */
static struct answer *decode_stream(struct span bytes) {
    struct answer *a = answer_new();
    char *copy = malloc(bytes.n + 1), *line = copy;
    memcpy(copy, bytes.p, bytes.n);
    copy[bytes.n] = 0;
    while (line) {
        char *end = strchr(line, '\n');
        if (end)
            *end = 0;
        if (strncmp(line, "data: {", 7) == 0)
            decode_event(a, line + 6, strcspn(line + 6, "\r"));
        line = end ? end + 1 : NULL;
    }
    free(copy);
    return a;
}

/* --- what the product makes of it --- */

/* Blank lines between parts of a summary are ours. */
static void expect_same_but_lines(const char *got, const char *want) {
    char *a = strdup(got), *b = strdup(want);
    char *texts[] = {a, b};
    for (int i = 0; i < 2; i++) {
        char *to = texts[i];
        for (char *p = texts[i]; *p; p++)
            if (*p != '\n')
                *to++ = *p;
        *to = 0;
    }
    EXPECT_STR(a, b);
    free(a);
    free(b);
}

static void expect_calls(const struct check *c, const struct answer *want) {
    unsigned n = 0;
    for (int i = 0; i < c->count; i++) {
        if (!is_call_type(c->items[i].type))
            continue;
        EXPECT(n < want->call_count);
        if (n >= want->call_count)
            return;
        const struct call *call = &want->calls[n++];
        EXPECT_STR(c->items[i].name, call->name);
        EXPECT_STR(c->items[i].arguments.p, call->arguments.n ? call->arguments.p : "{}");
        /* Mantle's "call_0" comes again in each answer. */
        if (strlen(call->id) >= 12)
            EXPECT_STR(c->items[i].call_id, call->id);
        else
            EXPECT(strlen(c->items[i].call_id) >= 12);
    }
    EXPECT_EQ(n, want->call_count);
}

static void expect_stream(const struct check *c, const struct answer *want) {
    EXPECT_EQ(c->error, want->error || !want->ended);
    EXPECT_STR(c->text.p, want->text.p);
    EXPECT_STR(c->refusals.p, want->refusals.p);
    expect_same_but_lines(c->thoughts.p, want->thoughts.p);
    if (c->error)
        return;
    struct check_text sealed = {NULL, 0};
    check_add(&sealed, "");
    for (int i = 0; i < c->count; i++)
        /* Reasoning that nobody sealed is marked by us. */
        if (!c->items[i].sealed || strcmp(c->items[i].sealed, "hedgerow.none.") != 0)
            check_add(&sealed, c->items[i].sealed);
    EXPECT_STR(sealed.p, want->sealed.p);
    free(sealed.p);
    expect_calls(c, want);
    EXPECT_STR(c->status, want->status);
    EXPECT_STR(c->reason, want->reason);
    EXPECT_EQ(c->input, want->input);
    EXPECT_EQ(c->output, want->output);
    EXPECT_EQ(c->cached, want->cached);
    EXPECT_EQ(c->reasoning, want->reasoning);
    EXPECT_EQ(c->total, want->input + want->output);
}

/* The collected body says what the translated stream's terminal event says. */
static void expect_body(struct tape *t) {
    struct json_out out;
    struct span stream = json_out_span(&t->written);
    size_t at = stream.n, from;
    json_out_arena(&out, &t->arena, 0);
    RESPONSES->write_body(&t->body, &out);
    EXPECT(!t->body.full);
    for (from = 0; from < stream.n;
         from = at + 1 + span_search(span_from(stream, at + 1), SPAN("\ndata: ")))
        at = from; /* the last event */
    stream = span_from(stream, at + sizeof "\ndata: " - 1);
    yyjson_doc *body = yyjson_read(out.p, out.n, 0), *last = yyjson_read(stream.p, stream.n, 0);
    EXPECT(body != NULL && last != NULL);
    EXPECT(yyjson_equals(yyjson_doc_get_root(body),
                         yyjson_obj_get(yyjson_doc_get_root(last), "response")));
    yyjson_doc_free(body);
    yyjson_doc_free(last);
}

static void expect_merged(struct tape *t, const struct answer *want) {
    struct json_out out;
    json_out_arena(&out, &t->arena, 0);
    RESPONSES->write_body(&t->merged, &out);
    EXPECT(!t->merged.full);
    yyjson_doc *body = yyjson_read(out.p, out.n, 0);
    EXPECT(yyjson_equals(yyjson_doc_get_root(body),
                         yyjson_obj_get(yyjson_doc_get_root(want->last), "response")));
    yyjson_doc_free(body);
}

static void expect_cut(struct span bytes, size_t cut, const char *log) {
    struct tape *t = tape_new(SPAN(""));
    tape_stream(t, bytes, cut);
    EXPECT_STR(tape_text(&t->log), log);
    tape_free(t);
}

/* Same dialect: every event goes on, and reads the same there. */
static void expect_relay(struct tape *t, const struct answer *want) {
    struct span relayed = json_out_span(&t->relayed);
    struct answer *client = decode_stream(relayed);
    EXPECT_STR(client->text.p, want->text.p);
    EXPECT_STR(client->thoughts.p, want->thoughts.p);
    EXPECT_EQ(client->error, want->error || !want->ended);
    EXPECT(!strchr(t->verdicts, 'R'));
    answer_free(client);
}

static void run_stream(struct span bytes) {
    struct answer *want = decode_stream(bytes);
    struct tape *t = tape_new(SPAN(""));
    tape_stream(t, bytes, bytes.n);
    const char *log = tape_text(&t->log);
    EXPECT_EQ(t->error != FAIL_NONE, want->error || !want->ended);
    EXPECT_EQ(t->contents > 0, want->text.n || want->thoughts.n || want->call_count ||
                                   want->refusals.n || strstr(log, "media(") != NULL);
    struct check *c = check_stream(json_out_span(&t->written));
    expect_stream(c, want);
    check_free(c);
    expect_relay(t, want);
    if (want->ended) {
        expect_body(t);
        expect_merged(t, want);
    }
    expect_cut(bytes, bytes.n / 2, log);
    for (size_t cut = 0; bytes.n <= CUT_EVERY_MAX && cut < bytes.n; cut++)
        expect_cut(bytes, cut, log);
    answer_free(want);
    tape_free(t);
}

/* vercel's files hold one JSON a line: an event stream without its framing. */
static struct span framed(const char *lines, size_t n) {
    char *out = malloc(n * 2 + 100), *p = out;
    for (size_t at = 0; at < n;) {
        size_t end = at;
        while (end < n && lines[end] != '\n')
            end++;
        if (end > at)
            p += sprintf(p, "data: %.*s\n\n", (int)(end - at), lines + at);
        at = end + 1;
    }
    return span_of(out, (size_t)(p - out));
}

static unsigned run_files(const char *pattern) {
    char path[5000];
    unsigned count = 0;
    glob_t found;
    const char *shared = test_shared("fixtures");
    snprintf(path, sizeof path, "%s/%s", shared, pattern);
    if (glob(path, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t n = 0;
        char *bytes = test_file(found.gl_pathv[i], &n);
        EXPECT(bytes != NULL);
        /* Its first line lacks a brace: written by hand, and no answer. */
        bool broken = strstr(found.gl_pathv[i], "parallel-tool-call-wrapper") != NULL;
        if (bytes && !broken && strstr(bytes, "\"response.") &&
            !strstr(bytes, "chat.completion.chunk")) {
            bool lines = span_ends(span_str(found.gl_pathv[i]), SPAN(".chunks.txt"));
            struct span stream = lines ? framed(bytes, n) : span_of(bytes, n);
            ROW("%s", found.gl_pathv[i] + strlen(shared));
            run_stream(stream);
            count++;
            if (lines)
                free((char *)stream.p);
        }
        free(bytes);
    }
    globfree(&found);
    return count;
}

TEST(recorded_streams) {
    static const struct {
        const char *folder;
        unsigned at_least;
    } rows[] = {{"openai", 47}, {"azure", 6}, {"bedrock-mantle", 3}, {"openrouter", 1}, {"xai", 1}};
    static const char *const patterns[] = {"*.sse", "*/*.sse", "*/*.chunks.txt"};
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned count = 0;
        for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
            char pattern[100];
            snprintf(pattern, sizeof pattern, "%s/%s", rows[i].folder, patterns[p]);
            count += run_files(pattern);
        }
        ROW("%s", rows[i].folder);
        EXPECT(count >= rows[i].at_least);
    }
}

/* --- whole bodies --- */

static void add_texts(struct check_text *to, yyjson_val *list, const char *member) {
    yyjson_val *part;
    size_t i, n;
    yyjson_arr_foreach(list, i, n, part) {
        if (yyjson_is_str(yyjson_obj_get(part, member)))
            check_add(to, check_str(part, member));
    }
}

static struct answer *decode_body(yyjson_val *response) {
    struct answer *a = answer_new();
    yyjson_val *item;
    size_t i, n;
    decode_response(a, response);
    a->ended = true;
    yyjson_arr_foreach(yyjson_obj_get(response, "output"), i, n, item) {
        const char *type = check_str(item, "type");
        if (strcmp(type, "message") == 0) {
            add_texts(&a->text, yyjson_obj_get(item, "content"), "text");
            add_texts(&a->refusals, yyjson_obj_get(item, "content"), "refusal");
        } else if (strcmp(type, "reasoning") == 0) {
            yyjson_val *summary = yyjson_obj_get(item, "summary");
            bool some = yyjson_arr_size(summary) > 0;
            add_texts(&a->thoughts, some ? summary : yyjson_obj_get(item, "content"), "text");
            check_add(&a->sealed, yyjson_get_str(yyjson_obj_get(item, "encrypted_content")));
        } else if (is_call_type(type) && a->call_count < CALLS_MAX) {
            struct call *call = &a->calls[a->call_count++];
            snprintf(call->id, sizeof call->id, "%s", check_str(item, "call_id"));
            snprintf(call->name, sizeof call->name, "%s", check_str(item, "name"));
            check_add(&call->arguments,
                      check_str(item, strcmp(type, "function_call") == 0 ? "arguments" : "input"));
        }
    }
    return a;
}

TEST(recorded_bodies) {
    static const char *const patterns[] = {"*/*.resp.json", "*/vercel/*.json"};
    unsigned count = 0;
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        char path[5000];
        glob_t found;
        snprintf(path, sizeof path, "%s/%s", test_shared("fixtures"), patterns[p]);
        if (glob(path, 0, NULL, &found) != 0)
            continue;
        for (size_t i = 0; i < found.gl_pathc; i++) {
            size_t n = 0;
            char *bytes = test_file(found.gl_pathv[i], &n);
            yyjson_doc *doc = bytes ? yyjson_read(bytes, n, 0) : NULL;
            yyjson_val *root = yyjson_doc_get_root(doc);
            const char *status = check_str(root, "status");
            if (strcmp(check_str(root, "object"), "response") == 0 &&
                (strcmp(status, "completed") == 0 || strcmp(status, "incomplete") == 0)) {
                struct answer *want = decode_body(root);
                struct tape *t = tape_new(SPAN(""));
                ROW("%s", found.gl_pathv[i]);
                tape_body(t, span_of(bytes, n));
                EXPECT_EQ(t->error, FAIL_NONE);
                struct check *c = check_stream(json_out_span(&t->written));
                expect_stream(c, want);
                expect_body(t);
                check_free(c);
                answer_free(want);
                tape_free(t);
                count++;
            }
            yyjson_doc_free(doc);
            free(bytes);
        }
        globfree(&found);
    }
    ROW("bodies");
    EXPECT(count >= 120);
}

/* --- requests of real clients --- */

static bool has_item(yyjson_val *body, const char *type) {
    yyjson_val *item;
    size_t i, n;
    yyjson_arr_foreach(yyjson_obj_get(body, "input"), i, n, item) {
        if (strcmp(check_str(item, "type"), type) == 0)
            return true;
    }
    return false;
}

static bool says(yyjson_val *body, const char *member) {
    yyjson_val *value = yyjson_obj_get(body, member);
    return value && !yyjson_is_null(value);
}

static void expect_edited(const struct chat_request *req, yyjson_val *before, struct arena *arena) {
    struct chat_edit edits[CHAT_EDITS_MAX];
    struct json_out out;
    size_t at = 0;
    int count = RESPONSES->edit_request(req, SPAN("other"), 0, arena, edits);
    EXPECT(count > 0);
    json_out_arena(&out, arena, req->body.n);
    for (int e = 0; e < count; e++) {
        EXPECT(edits[e].at >= at);
        json_out_raw(&out, span_of(req->body.p + at, edits[e].at - at));
        json_out_raw(&out, edits[e].insert);
        at = edits[e].at + edits[e].remove;
    }
    json_out_raw(&out, span_from(req->body, at));
    yyjson_doc *doc = yyjson_read(out.p, out.n, 0);
    yyjson_val *after = yyjson_doc_get_root(doc), *key;
    yyjson_obj_iter iter;
    EXPECT(doc != NULL);
    EXPECT_STR(check_str(after, "model"), "other");
    EXPECT(yyjson_is_true(yyjson_obj_get(after, "stream")));
    yyjson_obj_iter_init(before, &iter);
    while ((key = yyjson_obj_iter_next(&iter)))
        if (!yyjson_equals_str(key, "model") && !yyjson_equals_str(key, "stream"))
            EXPECT(yyjson_equals(yyjson_obj_iter_get_val(key),
                                 yyjson_obj_get(after, yyjson_get_str(key))));
    EXPECT_EQ(yyjson_obj_size(after), yyjson_obj_size(before) + !yyjson_obj_get(before, "stream"));
    yyjson_doc_free(doc);
}

/* Ids beyond the API's alphabet are made anew. */
static void make_ids_safe(const struct chat_prompt *prompt, struct arena *arena) {
    for (struct chat_message *m = prompt->messages; m; m = m->next)
        for (struct chat_part *p = m->parts; p; p = p->next)
            if (p->kind == CHAT_PART_TOOL_CALL || p->kind == CHAT_PART_TOOL_RESULT)
                p->id = chat_safe_id(p->id, 64, arena);
}

static bool has_losses(const struct chat_prompt *prompt) {
    bool lost = prompt->max_output_tokens && prompt->max_output_tokens < 16;
    for (const struct chat_tool *tool = prompt->tools; tool; tool = tool->next)
        lost |= tool->hosted.n > 0;
    for (const struct chat_extra *extra = prompt->extras; extra; extra = extra->next)
        lost |= !extra->hint;
    return lost;
}

/* Turns are numbered anew, and what one turn's neighbours share may move; the rest must not. */
static void expect_again(struct chat_prompt *prompt, struct arena *arena) {
    struct chat_losses losses = {.lenient = true};
    struct chat_spell spell = {.model = SPAN("m"),
                               .losses = &losses,
                               .stream = true,
                               .quirks = QUIRK_REASONING_BACK,
                               .facts = model_facts_find(SPAN("gpt-5"))};
    struct json_out out, first, second;
    struct chat_request req;
    struct chat_prompt again;
    struct span why, param;
    json_out_arena(&out, arena, 0);
    EXPECT_EQ(RESPONSES->write_prompt(prompt, &spell, arena, &out), 0);
    struct span body = json_out_span(&out);
    EXPECT(json_check(body, NULL, NULL) == 0);
    int rc = RESPONSES->read_request(body, arena, &req, &why, &param);
    EXPECT_EQ(rc, 0);
    if (rc == 0)
        rc = RESPONSES->read_prompt(&req, arena, &again, &why, &param);
    EXPECT_EQ(rc, 0);
    if (rc < 0)
        return;
    for (struct chat_message *m = again.messages, *n = prompt->messages; m && n;
         m = m->next, n = n->next)
        m->at = n->at;
    for (struct chat_tool *a = again.tools; a; a = a->next)
        if (a->strict == CHAT_NO)
            a->strict = CHAT_UNSAID;
    for (struct chat_tool *a = prompt->tools; a; a = a->next)
        if (a->strict == CHAT_NO)
            a->strict = CHAT_UNSAID;
    make_ids_safe(prompt, arena);
    EXPECT_EQ(losses.count > 0, prompt->logprobs.value.n > 0 || has_losses(prompt));
    prompt->logprobs = prompt->top_logprobs = (struct chat_knob){.name = ""};
    json_out_arena(&first, arena, 0);
    json_out_arena(&second, arena, 0);
    dump_turns(&first, prompt);
    dump_turns(&second, &again);
    bool hosted = false;
    for (const struct chat_tool *a = prompt->tools; a; a = a->next)
        hosted |= a->hosted.n > 0;
    if (!hosted) {
        dump_tools(&first, prompt);
        dump_tools(&second, &again);
        dump_rest(&first, prompt);
        dump_rest(&second, &again);
    }
    EXPECT_STR(tape_text(&second), tape_text(&first));
}

TEST(recorded_requests) {
    char pattern[5000];
    unsigned count = 0, prompts = 0;
    glob_t found;
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    snprintf(pattern, sizeof pattern, "%s/*/*.req.json", test_shared("fixtures"));
    EXPECT_EQ(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t n = 0;
        char *bytes = test_file(found.gl_pathv[i], &n);
        yyjson_doc *doc = bytes ? yyjson_read(bytes, n, 0) : NULL;
        yyjson_val *root = yyjson_doc_get_root(doc), *body = yyjson_obj_get(root, "body");
        if (!span_ends(span_str(check_str(root, "url")), SPAN("/responses")) ||
            !yyjson_is_obj(body)) {
            yyjson_doc_free(doc);
            free(bytes);
            continue;
        }
        struct tape *t = tape_new(SPAN(""));
        struct chat_request req;
        struct chat_prompt prompt;
        struct span why, param, id;
        char *text = yyjson_val_write(body, 0, NULL);
        bool background = yyjson_is_true(yyjson_obj_get(body, "background"));
        bool stateful = says(body, "previous_response_id") || says(body, "conversation") ||
                        says(body, "prompt") || has_item(body, "item_reference");
        ROW("%s", found.gl_pathv[i]);
        int rc = RESPONSES->read_request(span_str(text), &t->arena, &req, &why, &param);
        EXPECT_EQ(rc, background ? -FAIL_BAD_REQUEST : 0);
        if (rc == 0) {
            EXPECT_EQ(openai_responses_stateful(&req, &id), stateful);
            EXPECT_EQ(req.stream, yyjson_is_true(yyjson_obj_get(body, "stream")));
            EXPECT_EQ(req.has_tools, yyjson_arr_size(yyjson_obj_get(body, "tools")) > 0);
            expect_edited(&req, body, &t->arena);
            rc = RESPONSES->read_prompt(&req, &t->arena, &prompt, &why, &param);
            EXPECT_EQ(rc, stateful || has_item(body, "compaction") ? -FAIL_BAD_REQUEST : 0);
            EXPECT(rc == 0 || (why.n > 0 && param.n > 0));
            if (rc == 0)
                expect_again(&prompt, &t->arena);
            prompts += rc == 0;
            count++;
        }
        free(text);
        tape_free(t);
        yyjson_doc_free(doc);
        free(bytes);
    }
    globfree(&found);
    ROW("requests");
    EXPECT(count >= 115);
    EXPECT(prompts >= 105);
}
