/* test_fixtures.c - the recorded answers of real providers, decoded twice: by the product and,
 * written apart from it, with yyjson. Needs the shared fixtures. Text, reasoning, tool calls,
 * finish and usage must be the same: read whole, read byte by byte, and read again from what the
 * relay sent on, where nothing may be left to mend. */
#include <glob.h>

#include <yyjson.h>

#include "tests/unit/providers/tape.h"

#define CALLS_MAX        16
#define CHOICES_SEEN_MAX 4
#define TEXT_MAX         200000
/* Streams up to this size are also cut in two at every byte: a whole reading for each cut. */
#define CUT_EVERY_MAX 3000

/* --- the decoding that knows nothing of the product --- */

struct call {
    char id[200], name[200], arguments[20000];
};

struct choice {
    bool seen;
    char text[TEXT_MAX], reasoning[TEXT_MAX], finish[40];
    struct call calls[CALLS_MAX];
    unsigned call_count;
    int open[CALLS_MAX]; /* which call a provider's index means now, plus one */
};

struct answer {
    struct choice choices[CHOICES_SEEN_MAX];
    long long input, output;
    bool error;
};

static void add(char *to, size_t max, yyjson_val *value) {
    const char *text = yyjson_get_str(value);
    if (!text)
        return;
    EXPECT(strlen(to) + strlen(text) < max);
    strncat(to, text, max - strlen(to) - 1);
}

static void decode_call(struct choice *choice, yyjson_val *call, size_t position) {
    yyjson_val *function = yyjson_obj_get(call, "function"), *index = yyjson_obj_get(call, "index");
    const char *id = yyjson_get_str(yyjson_obj_get(call, "id"));
    size_t at = index ? (size_t)yyjson_get_uint(index) : position;
    EXPECT(at < CALLS_MAX && choice->call_count < CALLS_MAX);
    if (at >= CALLS_MAX || choice->call_count >= CALLS_MAX)
        return;
    /* An id that is new means a new call, whatever the index. */
    if (!choice->open[at] || (id && *id && strcmp(choice->calls[choice->open[at] - 1].id, id) != 0))
        choice->open[at] = (int)++choice->call_count;
    struct call *to = &choice->calls[choice->open[at] - 1];
    if (id && *id)
        snprintf(to->id, sizeof to->id, "%s", id);
    if (!*to->name)
        add(to->name, sizeof to->name, yyjson_obj_get(function, "name"));
    add(to->arguments, sizeof to->arguments, yyjson_obj_get(function, "arguments"));
}

static void decode_choice(struct answer *answer, yyjson_val *item, const char *member) {
    yyjson_val *delta = yyjson_obj_get(item, member), *call;
    size_t index = (size_t)yyjson_get_uint(yyjson_obj_get(item, "index")), i, n;
    const char *finish = yyjson_get_str(yyjson_obj_get(item, "finish_reason"));
    EXPECT(index < CHOICES_SEEN_MAX);
    if (index >= CHOICES_SEEN_MAX)
        return;
    struct choice *choice = &answer->choices[index];
    choice->seen = true;
    add(choice->text, TEXT_MAX, yyjson_obj_get(delta, "content"));
    add(choice->reasoning, TEXT_MAX, yyjson_obj_get(delta, "reasoning_content"));
    add(choice->reasoning, TEXT_MAX, yyjson_obj_get(delta, "reasoning"));
    yyjson_arr_foreach(yyjson_obj_get(delta, "tool_calls"), i, n, call) {
        decode_call(choice, call, i);
    }
    if (finish && !*choice->finish && strcmp(finish, "error") != 0)
        snprintf(choice->finish, sizeof choice->finish, "%s", finish);
}

static void decode_usage(struct answer *answer, yyjson_val *usage) {
    if (!yyjson_is_obj(usage) || !yyjson_obj_get(usage, "prompt_tokens"))
        return;
    answer->input = yyjson_get_sint(yyjson_obj_get(usage, "prompt_tokens"));
    answer->output = yyjson_get_sint(yyjson_obj_get(usage, "completion_tokens"));
    long long reasoning = yyjson_get_sint(
        yyjson_obj_get(yyjson_obj_get(usage, "completion_tokens_details"), "reasoning_tokens"));
    if (yyjson_get_sint(yyjson_obj_get(usage, "total_tokens")) ==
        answer->input + answer->output + reasoning)
        answer->output += reasoning;
}

static void decode_object(struct answer *answer, const char *json, size_t n, const char *member) {
    yyjson_doc *doc = yyjson_read(json, n, 0);
    EXPECT(doc != NULL);
    if (!doc)
        return;
    yyjson_val *root = yyjson_doc_get_root(doc), *item, *error = yyjson_obj_get(root, "error");
    size_t i, count;
    yyjson_arr_foreach(yyjson_obj_get(root, "choices"), i, count, item) {
        decode_choice(answer, item, member);
        decode_usage(answer, yyjson_obj_get(item, "usage"));
    }
    decode_usage(answer, yyjson_obj_get(yyjson_obj_get(root, "x_groq"), "usage"));
    decode_usage(answer, yyjson_obj_get(root, "usage"));
    answer->error |= error && !yyjson_is_null(error);
    yyjson_doc_free(doc);
}

/* What clients are promised beyond what the provider wrote. */
static void normalise(struct answer *answer) {
    for (int i = 0; i < CHOICES_SEEN_MAX; i++) {
        struct choice *choice = &answer->choices[i];
        for (unsigned c = 0; c < choice->call_count; c++)
            if (!*choice->calls[c].arguments && *choice->finish)
                strcpy(choice->calls[c].arguments, "{}");
        if (choice->call_count && strcmp(choice->finish, "stop") == 0)
            strcpy(choice->finish, "tool_calls");
    }
}

/* Recorded streams have plain lines: nothing of SSE is needed but this. */
static struct answer *decode_stream(const char *bytes, size_t n) {
    struct answer *answer = calloc(1, sizeof *answer);
    char *copy = malloc(n + 1), *line = copy;
    memcpy(copy, bytes, n);
    copy[n] = 0;
    while (line) {
        char *end = strchr(line, '\n');
        if (end)
            *end = 0;
        if (strncmp(line, "data: {", 7) == 0)
            decode_object(answer, line + 6, strcspn(line + 6, "\r"), "delta");
        line = end ? end + 1 : NULL;
    }
    free(copy);
    normalise(answer);
    return answer;
}

static void expect_same(const struct answer *got, const struct answer *want, bool usage) {
    for (int i = 0; i < CHOICES_SEEN_MAX; i++) {
        const struct choice *g = &got->choices[i], *w = &want->choices[i];
        EXPECT_EQ(g->seen, w->seen);
        EXPECT_STR(g->text, w->text);
        EXPECT_STR(g->reasoning, w->reasoning);
        EXPECT_STR(g->finish, w->finish);
        EXPECT_EQ(g->call_count, w->call_count);
        for (unsigned c = 0; c < w->call_count && c < g->call_count; c++) {
            EXPECT_STR(g->calls[c].id, w->calls[c].id);
            EXPECT_STR(g->calls[c].name, w->calls[c].name);
            EXPECT_STR(g->calls[c].arguments, w->calls[c].arguments);
        }
    }
    if (usage) {
        EXPECT_EQ(got->input, want->input);
        EXPECT_EQ(got->output, want->output);
    }
}

/* --- the product's decoding --- */

/* The whole body that a client without `stream` would get. */
static struct answer *collected(struct tape *t) {
    struct json_out out;
    struct answer *answer = calloc(1, sizeof *answer);
    json_out_arena(&out, &t->arena, 0);
    dialect_openai_chat.write_body(&t->body, &out);
    EXPECT(!t->body.full);
    struct span body = json_out_span(&out);
    decode_object(answer, body.p, body.n, "message");
    normalise(answer);
    return answer;
}

static void stream_bytewise(struct tape *t, struct span bytes) {
    struct sse sse = {0};
    struct sse_event event;
    char *carry = malloc(bytes.n + 1);
    size_t n = 0;
    long used;
    for (size_t i = 0; i < bytes.n; i++) {
        carry[n++] = bytes.p[i];
        while (n && (used = sse_next(&sse, span_of(carry, n), &event)) > 0) {
            tape_sse_event(t, &event);
            n -= (size_t)used;
            memmove(carry, carry + used, n);
        }
    }
    while (n && (used = sse_last(&sse, span_of(carry, n), &event)) > 0) {
        tape_sse_event(t, &event);
        n -= (size_t)used;
        memmove(carry, carry + used, n);
    }
    free(carry);
    if (sse.foreign && !t->verdict_count)
        tape_body(t, bytes);
    else
        tape_end(t);
}

/* --- all of one recording --- */

static void expect_relay(struct tape *t, const struct answer *want, bool usage) {
    struct span relayed = json_out_span(&t->relayed);
    struct tape *again = tape_new(usage);
    /* What a client of ours decodes. */
    struct answer *client = decode_stream(relayed.p, relayed.n);
    expect_same(client, want, usage && !want->error);
    EXPECT_EQ(client->error, want->error);
    /* What a second hedgerow in front of this one would see: nothing left to mend. */
    tape_stream(again, relayed, relayed.n);
    EXPECT(!strchr(again->verdicts, 'R'));
    EXPECT(want->error || span_ends(relayed, SPAN("data: [DONE]\n\n")));
    EXPECT_EQ(again->error != FAIL_NONE, want->error);
    if (!want->error) {
        struct answer *second = collected(again);
        expect_same(second, want, usage);
        free(second);
    }
    free(client);
    tape_free(again);
}

static void expect_cut(struct span bytes, size_t cut, const char *log) {
    struct tape *t = tape_new(true);
    if (cut == SIZE_MAX)
        stream_bytewise(t, bytes);
    else
        tape_stream(t, bytes, cut);
    EXPECT_STR(tape_text(&t->log), log);
    tape_free(t);
}

static void run_stream(struct span bytes) {
    struct answer *want = decode_stream(bytes.p, bytes.n);
    for (int usage = 0; usage < 2; usage++) {
        struct tape *t = tape_new(usage);
        tape_stream(t, bytes, bytes.n);
        EXPECT_EQ(t->error != FAIL_NONE, want->error);
        EXPECT(t->contents > 0);
        struct answer *got = collected(t);
        expect_same(got, want, !want->error);
        expect_relay(t, want, usage);
        free(got);
        if (usage) {
            const char *log = tape_text(&t->log);
            expect_cut(bytes, SIZE_MAX, log);
            for (size_t cut = 0; bytes.n <= CUT_EVERY_MAX && cut < bytes.n; cut++)
                expect_cut(bytes, cut, log);
        }
        tape_free(t);
    }
    free(want);
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

static bool is_chat(const char *bytes) {
    const char *choices = strstr(bytes, "\"choices\"");
    return choices && (strstr(bytes, "chat.completion.chunk") || strstr(bytes, "\"delta\""));
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
        if (bytes && is_chat(bytes)) {
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
    } rows[] = {{"openai", 18}, {"azure", 9},      {"deepseek", 2},   {"groq", 4},
                {"qwen", 2},    {"moonshot", 1},   {"openrouter", 3}, {"xai", 2},
                {"mistral", 3}, {"huggingface", 1}};
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

TEST(recorded_bodies) {
    static const char *const patterns[] = {"*/*.resp.json", "*/vercel/*.json", "*/ferro/*.json",
                                           "*/envoy/*.json"};
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
            if (strstr(bytes, "chat.completion\"") && strstr(bytes, "\"choices\"") &&
                !strstr(bytes, "\"responses\"")) {
                struct tape *t = tape_new(true);
                struct answer *want = calloc(1, sizeof *want), *got;
                ROW("%s", found.gl_pathv[i]);
                decode_object(want, bytes, n, "message");
                normalise(want);
                tape_body(t, span_of(bytes, n));
                EXPECT_EQ(t->error, FAIL_NONE);
                got = collected(t);
                expect_same(got, want, true);
                count++;
                free(got);
                free(want);
                tape_free(t);
            }
            free(bytes);
        }
        globfree(&found);
    }
    ROW("bodies");
    EXPECT(count >= 50);
}

/* --- requests of real clients --- */

TEST(recorded_requests) {
    static const struct span url_path[] = {SPAN_CONST("url")}, body_path[] = {SPAN_CONST("body")};
    char pattern[5000];
    unsigned count = 0;
    glob_t found;
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    snprintf(pattern, sizeof pattern, "%s/*/*.req.json", test_shared("fixtures"));
    EXPECT_EQ(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t n = 0;
        char *bytes = test_file(found.gl_pathv[i], &n);
        struct json_token url, body;
        if (json_find(span_of(bytes, n), url_path, 1, &url) &&
            span_search(url.raw, SPAN("/chat/completions")) < url.raw.n &&
            json_find(span_of(bytes, n), body_path, 1, &body) && body.kind == JSON_OBJECT) {
            struct tape *t = tape_new(false);
            struct chat_request req;
            struct chat_edit edits[CHAT_EDITS_MAX];
            struct span why, param;
            struct json_out out;
            size_t at = 0;
            ROW("%s", found.gl_pathv[i]);
            EXPECT_EQ(dialect_openai_chat.read_request(body.raw, &t->arena, &req, &why, &param), 0);
            int edit_count = dialect_openai_chat.edit_request(
                &req, SPAN("other"), QUIRK_MAX_TOKENS_ONLY | QUIRK_NO_DEVELOPER_ROLE, &t->arena,
                edits);
            EXPECT(edit_count > 0);
            json_out_arena(&out, &t->arena, body.raw.n);
            for (int e = 0; e < edit_count; e++) {
                json_out_raw(&out, span_of(body.raw.p + at, edits[e].at - at));
                json_out_raw(&out, edits[e].insert);
                at = edits[e].at + edits[e].remove;
            }
            json_out_raw(&out, span_from(body.raw, at));
            struct span edited = json_out_span(&out);
            yyjson_doc *doc = yyjson_read(edited.p, edited.n, 0);
            yyjson_val *root = yyjson_doc_get_root(doc);
            EXPECT(doc != NULL);
            EXPECT_STR(yyjson_get_str(yyjson_obj_get(root, "model")), "other");
            EXPECT(yyjson_is_true(yyjson_obj_get(root, "stream")));
            EXPECT(yyjson_is_true(
                yyjson_obj_get(yyjson_obj_get(root, "stream_options"), "include_usage")));
            EXPECT(yyjson_obj_get(root, "max_completion_tokens") == NULL);
            yyjson_doc_free(doc);
            count++;
            tape_free(t);
        }
        free(bytes);
    }
    globfree(&found);
    ROW("requests");
    EXPECT(count >= 50);
}

/* --- quirks --- */

/* json-array-gemini is another dialect, fed here by mistake: whatever the manifest says of its
 * text, it must fail. */
static bool is_other_dialect(const char *file) {
    return strcmp(file, "json-array-gemini.sse") == 0;
}

static void run_quirk(yyjson_val *row, bool bytewise, size_t cut) {
    char path[200];
    const char *file = yyjson_get_str(yyjson_obj_get(row, "file"));
    const char *want_text = yyjson_get_str(yyjson_obj_get(row, "expect_text"));
    const char *want_finish = yyjson_get_str(yyjson_obj_get(row, "expect_finish"));
    bool want_error =
        !yyjson_is_null(yyjson_obj_get(row, "expect_error")) || is_other_dialect(file);
    size_t n = 0;
    snprintf(path, sizeof path, "fixtures/sse-quirks/%s", file);
    const char *found = test_shared(path);
    char *bytes = found ? test_file(found, &n) : NULL;
    EXPECT(bytes != NULL);
    if (!bytes)
        return;
    struct tape *t = tape_new(true);
    if (bytewise)
        stream_bytewise(t, span_of(bytes, n));
    else
        tape_stream(t, span_of(bytes, n), cut);
    EXPECT_EQ(t->error != FAIL_NONE, want_error);
    if (!is_other_dialect(file)) {
        struct answer *got = collected(t);
        EXPECT_STR(got->choices[0].text, want_text);
        if (want_error)
            EXPECT(want_finish == NULL || strcmp(want_finish, "error") == 0);
        else
            EXPECT_STR(got->choices[0].finish, want_finish);
        free(got);
    }
    free(bytes);
    tape_free(t);
}

TEST(quirks_of_the_manifest) {
    size_t n = 0, i, count;
    const char *path = test_shared("fixtures/sse-quirks/manifest.json");
    if (!path)
        SKIP("needs ../shared");
    char *bytes = test_file(path, &n);
    yyjson_doc *doc = yyjson_read(bytes, n, 0);
    yyjson_val *row;
    REQUIRE(doc != NULL);
    EXPECT(yyjson_arr_size(yyjson_doc_get_root(doc)) >= 35);
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, count, row) {
        ROW("%s", yyjson_get_str(yyjson_obj_get(row, "file")));
        run_quirk(row, false, SIZE_MAX);
        run_quirk(row, true, 0);
        for (size_t cut = 0; cut < 1200; cut++)
            run_quirk(row, false, cut);
    }
    yyjson_doc_free(doc);
    free(bytes);
}

/* What each quirk's failure is taken for: it decides on the next attempt. */
TEST(quirks_fail_by_class) {
    static const struct {
        const char *file;
        enum fail why;
    } rows[] = {
        {"eof-no-finish.sse", FAIL_INCOMPLETE},
        {"eof-mid-line.sse", FAIL_INCOMPLETE},
        {"error-first.sse", FAIL_OVERLOADED},
        {"error-mid.sse", FAIL_ERROR_EVENT},
        {"error-with-choices.sse", FAIL_UPSTREAM_5XX},
        {"event-error.sse", FAIL_ERROR_EVENT},
        {"gemini-error-pretty-json.sse", FAIL_RATE_LIMITED},
        {"html-502.sse", FAIL_BAD_EVENT},
        {"json-array-gemini.sse", FAIL_BAD_EVENT},
        {"empty.sse", FAIL_EMPTY},
        {"done-only.sse", FAIL_EMPTY},
    };
    if (!test_shared("fixtures/sse-quirks"))
        SKIP("needs ../shared");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[200];
        size_t n = 0;
        snprintf(path, sizeof path, "fixtures/sse-quirks/%s", rows[i].file);
        char *bytes = test_file(test_shared(path), &n);
        struct tape *t = tape_new(false);
        ROW("%s", rows[i].file);
        tape_stream(t, span_of(bytes, n), n);
        EXPECT_STR(fail_name(t->error), fail_name(rows[i].why));
        free(bytes);
        tape_free(t);
    }
}
