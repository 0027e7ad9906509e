/* test_anthropic_fixtures.c - what Anthropic's API was recorded to say, decoded twice: by the product
 * and, written apart from it, with yyjson. Needs the shared fixtures.
 *
 * Each stream is read whole and in pieces of every small size; relayed; written again from its
 * canonical events, as a strict client would read it; collected; and merged to the Message that the
 * API would have given. Each request is read and written again. */
#include "tests/unit/providers/test_anthropic_bench.h"

/* Streams are read byte by byte up to this size, and in these pieces beyond. */
#define BYTEWISE_MAX 60000
static const size_t pieces[] = {1, 2, 3, 7, 64, 4096};

/* --- the merged message, apart from the product --- */

struct accumulation {
    yyjson_mut_doc *doc;
    yyjson_mut_val *message, *blocks[4000];
    char *input[4000]; /* partial_json so far */
    long long index[4000];
    size_t count;
};

static void put(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_val *key, yyjson_val *value) {
    yyjson_mut_obj_put(object, yyjson_val_mut_copy(doc, key), yyjson_val_mut_copy(doc, value));
}

static void append_text(struct accumulation *a, yyjson_mut_val *block, const char *member,
                        yyjson_val *more) {
    const char *have = yyjson_mut_get_str(yyjson_mut_obj_get(block, member));
    const char *piece = yyjson_get_str(more);
    char *joined = malloc(strlen(have ? have : "") + strlen(piece) + 1);
    strcpy(joined, have ? have : "");
    strcat(joined, piece);
    yyjson_mut_obj_put(block, yyjson_mut_strcpy(a->doc, member), yyjson_mut_strcpy(a->doc, joined));
    free(joined);
}

static void accumulate_delta(struct accumulation *a, yyjson_val *root) {
    yyjson_val *delta = yyjson_obj_get(root, "delta"), *key;
    long long index = yyjson_get_sint(yyjson_obj_get(root, "index"));
    const char *type = json_word(delta, "type");
    size_t at = a->count;
    while (at > 0 && a->index[at - 1] != index)
        at--;
    EXPECT(at > 0);
    if (!at--)
        return;
    yyjson_mut_val *block = a->blocks[at];
    if (strcmp(type, "text_delta") == 0) {
        append_text(a, block, "text", yyjson_obj_get(delta, "text"));
    } else if (strcmp(type, "thinking_delta") == 0) {
        append_text(a, block, "thinking", yyjson_obj_get(delta, "thinking"));
    } else if (strcmp(type, "input_json_delta") == 0) {
        const char *piece = json_word(delta, "partial_json");
        size_t have = a->input[at] ? strlen(a->input[at]) : 0;
        a->input[at] = realloc(a->input[at], have + strlen(piece) + 1);
        strcpy(a->input[at] + have, piece);
    } else if (strcmp(type, "citations_delta") == 0) {
        yyjson_mut_val *list = yyjson_mut_obj_get(block, "citations");
        if (!yyjson_mut_is_arr(list)) {
            list = yyjson_mut_arr(a->doc);
            yyjson_mut_obj_put(block, yyjson_mut_str(a->doc, "citations"), list);
        }
        yyjson_mut_arr_append(list, yyjson_val_mut_copy(a->doc, yyjson_obj_get(delta, "citation")));
    } else {
        yyjson_obj_iter iter = yyjson_obj_iter_with(delta);
        while ((key = yyjson_obj_iter_next(&iter)))
            if (!yyjson_equals_str(key, "type"))
                put(a->doc, block, key, yyjson_obj_iter_get_val(key));
    }
}

static void accumulate_message(struct accumulation *a, yyjson_val *root) {
    yyjson_obj_iter iter = yyjson_obj_iter_with(yyjson_obj_get(root, "delta"));
    yyjson_val *key;
    while ((key = yyjson_obj_iter_next(&iter)))
        put(a->doc, a->message, key, yyjson_obj_iter_get_val(key));
    yyjson_obj_iter_init(root, &iter);
    while ((key = yyjson_obj_iter_next(&iter)))
        if (!yyjson_equals_str(key, "type") && !yyjson_equals_str(key, "delta") &&
            !yyjson_equals_str(key, "usage"))
            put(a->doc, a->message, key, yyjson_obj_iter_get_val(key));
    yyjson_mut_val *usage = yyjson_mut_obj_get(a->message, "usage");
    yyjson_obj_iter_init(yyjson_obj_get(root, "usage"), &iter);
    while ((key = yyjson_obj_iter_next(&iter)))
        if (!yyjson_is_null(yyjson_obj_iter_get_val(key)))
            put(a->doc, usage, key, yyjson_obj_iter_get_val(key));
}

static void accumulate(struct accumulation *a, yyjson_val *root) {
    const char *type = json_word(root, "type");
    if (strcmp(type, "message_start") == 0) {
        a->message = yyjson_val_mut_copy(a->doc, yyjson_obj_get(root, "message"));
        a->count = 0;
    } else if (strcmp(type, "content_block_start") == 0) {
        a->index[a->count] = yyjson_get_sint(yyjson_obj_get(root, "index"));
        free(a->input[a->count]);
        a->input[a->count] = NULL;
        a->blocks[a->count++] = yyjson_val_mut_copy(a->doc, yyjson_obj_get(root, "content_block"));
    } else if (strcmp(type, "content_block_delta") == 0) {
        accumulate_delta(a, root);
    } else if (strcmp(type, "message_delta") == 0) {
        accumulate_message(a, root);
    }
}

/* The whole as text. */
static char *accumulated(struct span stream) {
    struct accumulation *a = calloc(1, sizeof *a);
    struct sse sse = {0};
    struct sse_event event;
    long used;
    a->doc = yyjson_mut_doc_new(NULL);
    while ((used = sse_next(&sse, stream, &event)) > 0 ||
           (used = sse_last(&sse, stream, &event)) > 0) {
        stream = span_from(stream, (size_t)used);
        yyjson_doc *doc = yyjson_read(event.data.p, event.data.n, 0);
        if (doc)
            accumulate(a, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        if (!stream.n)
            break;
    }
    yyjson_mut_val *content = yyjson_mut_obj_get(a->message, "content");
    for (size_t i = 0; i < a->count; i++) {
        yyjson_doc *input = a->input[i] ? yyjson_read(a->input[i], strlen(a->input[i]), 0) : NULL;
        if (input)
            yyjson_mut_obj_put(a->blocks[i], yyjson_mut_str(a->doc, "input"),
                               yyjson_val_mut_copy(a->doc, yyjson_doc_get_root(input)));
        yyjson_doc_free(input);
        yyjson_mut_arr_append(content, a->blocks[i]);
    }
    yyjson_mut_doc_set_root(a->doc, a->message);
    char *text = yyjson_mut_write(a->doc, 0, NULL);
    for (size_t i = 0; i < countof(a->input); i++)
        free(a->input[i]);
    yyjson_mut_doc_free(a->doc);
    free(a);
    return text;
}

/* --- streams --- */

/* The reason as canonical events can tell it: a client acts on calls when it is tool_use, so that it
 * is said where there are some, also beside an end_turn (calls that a hosted program made). */
static void as_canonical(struct answer *a) {
    if (strcmp(a->stop, "pause_turn") == 0)
        strcpy(a->stop, "end_turn");
    if (strcmp(a->stop, "end_turn") == 0 && a->call_count)
        strcpy(a->stop, "tool_use");
}

static void expect_pieces(struct span stream, const char *log, const char *streamed) {
    for (size_t i = 0; i < countof(pieces); i++) {
        if (pieces[i] < 64 && stream.n > BYTEWISE_MAX)
            continue;
        struct tape *t = tape_new();
        tape_stream(t, stream, pieces[i]);
        EXPECT_STR(bench_text(&t->log), log);
        EXPECT_STR(bench_text(&t->streamed), streamed);
        tape_free(t);
    }
}

static void expect_rewritten(struct tape *t, const struct answer *want) {
    struct span streamed = json_out_span(&t->streamed);
    expect_legal_stream(streamed, false);
    struct answer *got = answer_of_stream(streamed.p, streamed.n);
    expect_same_answer(got, want);
    free(got);
    /* Read again it says the same. */
    struct tape *again = tape_new();
    tape_stream(again, streamed, streamed.n);
    EXPECT_EQ(again->error, FAIL_NONE);
    EXPECT(!strchr(again->verdicts, 'R'));
    struct span relayed = json_out_span(&again->relayed);
    EXPECT_MEM(relayed.p, relayed.n, streamed.p, streamed.n);
    tape_free(again);
}

static bool is_json(const char *text) { return same_json(text, strlen(text), text, strlen(text)); }

/* Did the message begin anew inside a tool call, half of which its reader knows already? */
static bool is_spliced(struct span stream, const struct answer *want) {
    struct span mark = SPAN("\"type\":\"message_start\"");
    size_t first = span_search(stream, mark);
    bool twice =
        first < stream.n && span_search(span_from(stream, first + 1), mark) < stream.n - first - 1;
    for (unsigned i = 0; i < want->call_count; i++)
        if (twice && !is_json(want->calls[i].input))
            return true;
    return false;
}

static void run_stream(struct span stream, bool named) {
    struct answer *want = answer_of_stream(stream.p, stream.n);
    struct tape *t = tape_new();
    tape_stream(t, stream, stream.n);
    if (is_spliced(stream, want)) {
        EXPECT_EQ(t->error, FAIL_BAD_EVENT);
        EXPECT(span_search(json_out_span(&t->relayed), SPAN("message_stop")) == t->relayed.n);
        free(want);
        tape_free(t);
        return;
    }
    EXPECT_EQ(t->error, FAIL_NONE);
    EXPECT(want->stopped);

    /* The relay: as it came, but for pings before the content, and its own end; or written anew. */
    struct answer *relayed = answer_of_stream(t->relayed.p, t->relayed.n);
    EXPECT(!strchr(t->verdicts, named ? 'R' : 'A'));
    EXPECT(span_ends(json_out_span(&t->relayed),
                     SPAN("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")));
    if (!named)
        as_canonical(want);
    expect_same_answer(relayed, want);
    EXPECT(relayed->stopped);

    char *merged = accumulated(stream);
    EXPECT_JSON(tape_body(t, &t->merged), span_str(merged));
    free(merged);

    as_canonical(want);
    expect_rewritten(t, want);
    struct span body = tape_body(t, &t->body);
    struct answer *collected = answer_of_body(body.p, body.n);
    for (unsigned i = 0; i < want->call_count; i++)
        if (!is_json(want->calls[i].input))
            strcpy(want->calls[i].input, "{}"); /* half an input has no whole form */
    expect_same_answer(collected, want);
    expect_pieces(stream, bench_text(&t->log), bench_text(&t->streamed));
    free(collected);
    free(relayed);
    free(want);
    tape_free(t);
}

/* vercel's files hold one JSON a line: a stream without its framing. */
static struct span framed(const char *lines, size_t n, bool named) {
    char *out = malloc(n * 3 + 100), *p = out;
    for (size_t at = 0; at < n;) {
        size_t end = at;
        while (end < n && lines[end] != '\n')
            end++;
        if (end > at) {
            yyjson_doc *doc = yyjson_read(lines + at, end - at, 0);
            if (named)
                p += sprintf(p, "event: %s\n", json_word(yyjson_doc_get_root(doc), "type"));
            p += sprintf(p, "data: %.*s\n\n", (int)(end - at), lines + at);
            yyjson_doc_free(doc);
        }
        at = end + 1;
    }
    return span_of(out, (size_t)(p - out));
}

static unsigned each_file(const char *pattern, void (*run)(const char *bytes, size_t n)) {
    char path[5000];
    glob_t found;
    unsigned count = 0;
    const char *shared = test_shared("fixtures");
    size_t prefix = shared ? strlen(shared) : 0;
    snprintf(path, sizeof path, "%s/%s", shared ? shared : ".", pattern);
    if (glob(path, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t n = 0;
        char *bytes = test_file(found.gl_pathv[i], &n);
        ROW("%s", found.gl_pathv[i] + prefix);
        EXPECT(bytes != NULL);
        if (bytes)
            run(bytes, n);
        free(bytes);
        count++;
    }
    globfree(&found);
    return count;
}

static void run_sse(const char *bytes, size_t n) {
    if (strstr(bytes, "message_start"))
        run_stream(span_of(bytes, n), true);
}

/* A file may hold the answers of several turns, one behind the other. */
static void run_lines(const char *bytes, size_t n) {
    struct span rest = span_of(bytes, n), mark = SPAN("\"message_stop\"");
    size_t at;
    while ((at = span_search(rest, mark)) < rest.n) {
        size_t end = span_find(rest, '\n', at);
        for (int named = 0; named < 2; named++) {
            struct span stream = framed(rest.p, end, named);
            run_stream(stream, named);
            free((char *)stream.p);
        }
        rest = span_from(rest, end + 1);
    }
}

TEST(recorded_streams) {
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    unsigned count = each_file("anthropic/*.sse", run_sse);
    count += each_file("anthropic/sdk-python/*.sse", run_sse);
    count += each_file("anthropic/sdk-python/*.txt", run_sse);
    ROW("streams");
    EXPECT(count >= 17);
}

TEST(recorded_chunks) {
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    unsigned count = each_file("anthropic/vercel/*.chunks.txt", run_lines);
    ROW("chunks");
    EXPECT(count >= 19);
}

/* --- whole bodies --- */

static unsigned bodies;

static void run_body(const char *bytes, size_t n) {
    yyjson_doc *doc = yyjson_read(bytes, n, 0);
    bool message = strcmp(json_word(yyjson_doc_get_root(doc), "type"), "message") == 0;
    yyjson_doc_free(doc);
    if (!message)
        return;
    struct answer *want = answer_of_body(bytes, n);
    struct tape *t = tape_new();
    dialect_anthropic.read_body(&t->reader, span_of(bytes, n), tape_sink(t));
    EXPECT_EQ(t->error, FAIL_NONE);
    tape_close(t);
    dialect_anthropic.merge(&t->merged, SPAN(""), span_of(bytes, n));
    EXPECT_JSON(tape_body(t, &t->merged), span_of(bytes, n));
    as_canonical(want);
    expect_rewritten(t, want);
    struct span body = tape_body(t, &t->body);
    struct answer *got = answer_of_body(body.p, body.n);
    expect_same_answer(got, want);
    bodies++;
    free(got);
    free(want);
    tape_free(t);
}

TEST(recorded_bodies) {
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    bodies = 0;
    each_file("anthropic/*.resp.json", run_body);
    each_file("anthropic/vercel/*.json", run_body);
    each_file("anthropic/helicone/*.json", run_body);
    ROW("bodies");
    EXPECT(bodies >= 100);
}

/* --- requests --- */

/* What the messages of a request say, in one line: written apart from the product's rules. */
struct saying {
    char text[400000];
    size_t n;
};

static void say(struct saying *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct saying *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    s->n += (size_t)vsnprintf(s->text + s->n, sizeof s->text - s->n, format, args);
    va_end(args);
    EXPECT(s->n < sizeof s->text);
}

static bool is_blank_text(const char *text) { return text[strspn(text, " \t\r\n\f")] == 0; }

static int by_name(const void *a, const void *b) {
    return strcmp(yyjson_get_str(*(yyjson_val *const *)a), yyjson_get_str(*(yyjson_val *const *)b));
}

/* JSON with sorted members. */
static void say_value(struct saying *s, yyjson_val *value) {
    yyjson_val *keys[100], *key, *element;
    size_t count = 0, i, n;
    if (yyjson_is_arr(value)) {
        say(s, "[");
        yyjson_arr_foreach(value, i, n, element) {
            say_value(s, element);
            say(s, ",");
        }
        say(s, "]");
        return;
    }
    if (!yyjson_is_obj(value)) {
        char *text = yyjson_val_write(value, 0, NULL);
        say(s, "%s", text ? text : "");
        free(text);
        return;
    }
    yyjson_obj_iter iter = yyjson_obj_iter_with(value);
    while ((key = yyjson_obj_iter_next(&iter)) && count < countof(keys))
        keys[count++] = key;
    qsort(keys, count, sizeof *keys, by_name);
    say(s, "{");
    for (i = 0; i < count; i++) {
        say(s, "%s:", yyjson_get_str(keys[i]));
        say_value(s, yyjson_obj_iter_get_val(keys[i]));
        say(s, ",");
    }
    say(s, "}");
}

static void say_mark(struct saying *s, yyjson_val *block) {
    yyjson_val *mark = yyjson_obj_get(block, "cache_control");
    if (yyjson_is_obj(mark))
        say(s, "*%s", json_word(mark, "ttl"));
}

static void say_content(struct saying *s, yyjson_val *content, int results);

/* results: 1 only tool results, 0 only others, -1 all. */
static void say_block(struct saying *s, yyjson_val *block, int results) {
    const char *type = json_word(block, "type");
    bool result = strcmp(type, "tool_result") == 0;
    if (results >= 0 && result != (results == 1))
        return;
    if (strcmp(type, "text") == 0 && !is_blank_text(json_word(block, "text")))
        say(s, "text(%s)", json_word(block, "text"));
    else if (strcmp(type, "image") == 0 || strcmp(type, "document") == 0) {
        say(s, "%s(", type);
        say_value(s, yyjson_obj_get(block, "source"));
        say(s, ")");
    } else if (strcmp(type, "tool_use") == 0) {
        say(s, "call(%s,%s,", json_word(block, "id"), json_word(block, "name"));
        say_value(s, yyjson_obj_get(block, "input"));
        say(s, ")");
    } else if (result) {
        say(s, "result(%s,%d,", json_word(block, "tool_use_id"),
            yyjson_is_true(yyjson_obj_get(block, "is_error")));
        say_content(s, yyjson_obj_get(block, "content"), -1);
        say(s, ")");
    } else if (strcmp(type, "thinking") == 0 && *json_word(block, "signature")) {
        say(s, "thinking(%s,%s)", json_word(block, "thinking"), json_word(block, "signature"));
    } else if (strcmp(type, "redacted_thinking") == 0) {
        say(s, "redacted(%s)", json_word(block, "data"));
    } else {
        return; /* it has no canonical form */
    }
    say_mark(s, block);
}

static void say_content(struct saying *s, yyjson_val *content, int results) {
    size_t i, n;
    yyjson_val *block;
    if (yyjson_is_str(content) && results != 1 && !is_blank_text(yyjson_get_str(content)))
        say(s, "text(%s)", yyjson_get_str(content));
    yyjson_arr_foreach(content, i, n, block) { say_block(s, block, results); }
}

static void say_turns(struct saying *s, yyjson_val *messages) {
    size_t i = 0, n = yyjson_arr_size(messages);
    char open = 0;
    while (i < n) {
        const char *role = json_word(yyjson_arr_get(messages, i), "role");
        size_t to = i;
        while (to < n && (strcmp(json_word(yyjson_arr_get(messages, to), "role"), role) == 0 ||
                          strcmp(json_word(yyjson_arr_get(messages, to), "role"), "system") == 0))
            to++;
        struct saying *run = calloc(1, sizeof *run);
        for (int results = 1; results >= 0; results--)
            for (size_t k = i; k < to; k++)
                if (strcmp(json_word(yyjson_arr_get(messages, k), "role"), "system") != 0)
                    say_content(run, yyjson_obj_get(yyjson_arr_get(messages, k), "content"),
                                results);
        if (run->n) {
            if (open != *role)
                say(s, " %c:", *role);
            open = *role;
            say(s, "%s", run->text);
        }
        free(run);
        i = to > i ? to : i + 1;
    }
}

static void say_system(struct saying *s, yyjson_val *root) {
    size_t i, n;
    yyjson_val *message;
    say(s, "system:");
    say_content(s, yyjson_obj_get(root, "system"), -1);
    yyjson_arr_foreach(yyjson_obj_get(root, "messages"), i, n, message) {
        if (strcmp(json_word(message, "role"), "system") == 0)
            say_content(s, yyjson_obj_get(message, "content"), -1);
    }
}

static void say_tools(struct saying *s, yyjson_val *tools) {
    size_t i, n;
    yyjson_val *tool;
    yyjson_arr_foreach(tools, i, n, tool) {
        const char *type = json_word(tool, "type");
        if (*type && strcmp(type, "custom") != 0) {
            say(s, " hosted ");
            say_value(s, tool);
            continue;
        }
        say(s, " tool(%s,%s,", json_word(tool, "name"), json_word(tool, "description"));
        say_value(s, yyjson_obj_get(tool, "input_schema"));
        say(s, ",%d)", yyjson_is_true(yyjson_obj_get(tool, "strict")));
        say_mark(s, tool);
    }
}

static void say_request(struct saying *s, struct span body) {
    yyjson_doc *doc = yyjson_read(body.p, body.n, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    EXPECT(doc != NULL);
    say_system(s, root);
    say_turns(s, yyjson_obj_get(root, "messages"));
    say_tools(s, yyjson_obj_get(root, "tools"));
    static const char *const members[] = {"max_tokens", "stop_sequences", "metadata", "top_p"};
    for (size_t i = 0; i < countof(members); i++) {
        say(s, " %s=", members[i]);
        say_value(s, yyjson_obj_get(root, members[i]));
    }
    say(s, " choice=%s,%s", json_word(yyjson_obj_get(root, "tool_choice"), "type"),
        json_word(yyjson_obj_get(root, "tool_choice"), "name"));
    say(s, " effort=%s format=", json_word(yyjson_obj_get(root, "output_config"), "effort"));
    yyjson_val *format = yyjson_obj_get(yyjson_obj_get(root, "output_config"), "format");
    say_value(s, format ? format : yyjson_obj_get(root, "output_format")); /* its older name */
    yyjson_doc_free(doc);
}

static unsigned requests;

static void run_request(const char *bytes, size_t n) {
    static const struct span url_path[] = {SPAN_CONST("url")}, body_path[] = {SPAN_CONST("body")};
    static const struct model_facts facts = {.max_output_tokens = 4096,
                                             .facts = MODEL_CLAUDE | MODEL_EFFORT | MODEL_SCHEMA |
                                                      MODEL_THINKS};
    static const struct model_facts adaptive = {
        .max_output_tokens = 4096,
        .facts = MODEL_CLAUDE | MODEL_EFFORT | MODEL_SCHEMA | MODEL_THINKS | MODEL_ADAPTIVE_ONLY};
    struct json_token url, body;
    if (!json_find(span_of(bytes, n), url_path, 1, &url) ||
        span_search(url.raw, SPAN("/v1/messages")) == url.raw.n ||
        !json_find(span_of(bytes, n), body_path, 1, &body) || body.kind != JSON_OBJECT)
        return;
    struct bench b;
    struct chat_request req = {0};
    struct chat_edit edits[CHAT_EDITS_MAX];
    struct chat_prompt prompt;
    struct json_out out;
    bool counts = span_search(url.raw, SPAN("count_tokens")) < url.raw.n;
    bench_init(&b);
    EXPECT_EQ((counts ? anthropic_read_count_request
                      : dialect_anthropic.read_request)(body.raw, &b.arena, &req, &b.why, &b.param),
              0);
    int count = counts ? anthropic_edit_count(&req, SPAN("n"), 0, &b.arena, edits)
                       : dialect_anthropic.edit_request(&req, SPAN("n"), 0, &b.arena, edits);
    EXPECT_EQ(json_check(bench_apply(&b, body.raw, edits, count), NULL, NULL), 0);
    EXPECT_EQ(dialect_anthropic.read_prompt(&req, &b.arena, &prompt, &b.why, &b.param), 0);
    struct chat_losses losses = {.lenient = true};
    struct chat_spell spell = {.model = SPAN("n"),
                               .facts = prompt.thinking.adaptive ||
                                                span_eq(prompt.thinking.effort, SPAN("xhigh"))
                                            ? &adaptive
                                            : &facts,
                               .losses = &losses};
    json_out_arena(&out, &b.arena, body.raw.n);
    EXPECT_EQ(dialect_anthropic.write_prompt(&prompt, &spell, &b.arena, &out), 0);
    struct saying *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    say_request(want, body.raw);
    say_request(got, json_out_span(&out));
    if (counts) /* has no limit to begin with */
        got->text[strstr(got->text, " max_tokens=") - got->text] =
            want->text[strstr(want->text, " max_tokens=") - want->text] = 0;
    EXPECT_STR(got->text, want->text);
    requests++;
    free(want);
    free(got);
    bench_fini(&b);
}

TEST(recorded_requests) {
    if (!test_shared("fixtures"))
        SKIP("needs ../shared");
    requests = 0;
    each_file("anthropic/*.req.json", run_request);
    ROW("requests");
    EXPECT(requests >= 100);
}
