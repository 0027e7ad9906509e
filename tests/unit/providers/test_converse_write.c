/* test_converse_write.c - bodies for Bedrock Converse, by rows. */
#include <yyjson.h>

#include "core/slab.h"
#include "providers/dialect.h"
#include "providers/provider.h"
#include "tests/test.h"

/* --- prompts from lines ---
 *
 * One thing a line, in the order of the conversation:
 *     system TEXT   user TEXT   assistant TEXT   tool       a turn; with a text part when there is one
 *     text TEXT     refusal TEXT   think TEXT|SIGNATURE     more parts of the turn
 *     redacted DATA   other TEXT|SIGNATURE (of Google)
 *     image TYPE|DATA   url URL   doc TYPE|NAME|DATA   docurl URL   plain NAME|TEXT   audio DATA
 *     call ID|NAME|INPUT   custom ID|NAME|TEXT   result ID   failed ID
 *     shows TEXT   showsimage TYPE|DATA                     what the last result holds
 *     cache [TTL]                                           behind the last part or tool
 *     def NAME|DESCRIPTION|SCHEMA   strict   hosted TYPE   def custom   allow NAME
 * and the settings by their names, see set(). */
struct build {
    struct memory memory;
    struct arena arena;
    struct chat_prompt prompt;
    struct chat_message *message;
    struct chat_part *part;
    struct chat_tool *tool;
};

static struct span cut(struct span *rest) { return rest->p ? span_cut(rest, '|') : SPAN(""); }

static struct chat_part *add_part(struct build *b, enum chat_part_kind kind) {
    b->part = chat_add_part(&b->message->parts, &b->arena, kind);
    return b->part;
}

static void add_turn(struct build *b, enum chat_role role, struct span text) {
    unsigned at = b->message ? b->message->at + 1 : 0;
    b->message = chat_add_message(&b->prompt, &b->arena, role);
    b->message->at = at;
    b->part = NULL;
    if (text.n)
        add_part(b, CHAT_PART_TEXT)->text = text;
}

static bool add_to_turn(struct build *b, struct span word, struct span rest) {
    static const struct {
        const char *word;
        enum chat_part_kind kind;
    } rows[] = {
        {"text", CHAT_PART_TEXT},          {"refusal", CHAT_PART_REFUSAL},
        {"think", CHAT_PART_REASONING},    {"other", CHAT_PART_REASONING},
        {"redacted", CHAT_PART_REDACTED},  {"image", CHAT_PART_IMAGE},
        {"url", CHAT_PART_IMAGE},          {"doc", CHAT_PART_DOCUMENT},
        {"docurl", CHAT_PART_DOCUMENT},    {"plain", CHAT_PART_DOCUMENT},
        {"audio", CHAT_PART_AUDIO},        {"call", CHAT_PART_TOOL_CALL},
        {"custom", CHAT_PART_TOOL_CALL},   {"result", CHAT_PART_TOOL_RESULT},
        {"failed", CHAT_PART_TOOL_RESULT},
    };
    size_t i = 0;
    while (i < sizeof rows / sizeof rows[0] && !span_eq(word, span_str(rows[i].word)))
        i++;
    if (i == sizeof rows / sizeof rows[0])
        return false;
    struct chat_part *part = add_part(b, rows[i].kind);
    part->custom = span_eq(word, SPAN("custom"));
    part->is_error = span_eq(word, SPAN("failed"));
    switch (part->kind) {
    case CHAT_PART_TEXT:
    case CHAT_PART_REFUSAL: part->text = rest; break;
    case CHAT_PART_REASONING:
        part->text = cut(&rest);
        part->signature = rest;
        part->signer = span_eq(word, SPAN("think")) ? CHAT_SIGNER_ANTHROPIC : CHAT_SIGNER_GOOGLE;
        break;
    case CHAT_PART_REDACTED:
        part->data = rest;
        part->signer = CHAT_SIGNER_ANTHROPIC;
        break;
    case CHAT_PART_IMAGE:
    case CHAT_PART_DOCUMENT:
        if (span_ends(word, SPAN("url"))) {
            part->url = rest;
            break;
        }
        if (!span_eq(word, SPAN("plain")))
            part->media_type = cut(&rest);
        if (part->kind == CHAT_PART_DOCUMENT)
            part->name = cut(&rest);
        *(span_eq(word, SPAN("plain")) ? &part->text : &part->data) = rest;
        break;
    case CHAT_PART_AUDIO:
        part->media_type = SPAN("audio/wav");
        part->data = rest;
        break;
    case CHAT_PART_TOOL_CALL:
        part->id = cut(&rest);
        part->name = cut(&rest);
        *(part->custom ? &part->text : &part->input) = rest;
        break;
    case CHAT_PART_TOOL_RESULT: part->id = rest; break;
    }
    return true;
}

static bool add_tool(struct build *b, struct span word, struct span rest) {
    if (span_eq(word, SPAN("def")) || span_eq(word, SPAN("hosted"))) {
        b->tool = chat_add_tool(&b->prompt, &b->arena);
        b->part = NULL;
        if (span_eq(word, SPAN("hosted"))) {
            b->tool->hosted = rest;
            return true;
        }
        b->tool->name = cut(&rest);
        b->tool->description = cut(&rest);
        b->tool->schema = rest;
        return true;
    }
    if (span_eq(word, SPAN("strict")))
        b->tool->strict = CHAT_YES;
    else if (span_eq(word, SPAN("freetext")))
        b->tool->custom = true;
    else if (span_eq(word, SPAN("allow")))
        chat_add_word(&b->prompt.allowed, &b->arena, rest);
    else
        return false;
    return true;
}

static void knob(struct chat_knob *knob, const char *name, struct span value) {
    *knob = (struct chat_knob){.value = value, .name = name};
}

static bool set_knob(struct chat_prompt *p, struct span word, struct span rest) {
    const struct {
        const char *name;
        struct chat_knob *knob;
    } rows[] = {{"temperature", &p->temperature},
                {"top_p", &p->top_p},
                {"top_k", &p->top_k},
                {"min_p", &p->min_p},
                {"seed", &p->seed},
                {"frequency_penalty", &p->frequency_penalty},
                {"presence_penalty", &p->presence_penalty},
                {"logprobs", &p->logprobs},
                {"top_logprobs", &p->top_logprobs},
                {"verbosity", &p->verbosity}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (span_eq(word, span_str(rows[i].name))) {
            knob(rows[i].knob, rows[i].name, rest);
            return true;
        }
    return false;
}

static uint64_t number(struct span text) {
    uint64_t n = 0;
    EXPECT(span_u64(text, UINT64_MAX, &n));
    return n;
}

static bool set(struct build *b, struct span word, struct span rest) {
    struct chat_prompt *p = &b->prompt;
    if (set_knob(p, word, rest))
        return true;
    if (span_eq(word, SPAN("max")))
        p->max_output_tokens = number(rest);
    else if (span_eq(word, SPAN("n")))
        p->choices = (unsigned)number(rest);
    else if (span_eq(word, SPAN("stop")))
        chat_add_word(&p->stop, &b->arena, rest);
    else if (span_eq(word, SPAN("choose")))
        p->choose = span_eq(rest, SPAN("auto"))   ? CHAT_CHOOSE_AUTO
                    : span_eq(rest, SPAN("none")) ? CHAT_CHOOSE_NONE
                                                  : CHAT_CHOOSE_ANY;
    else if (span_eq(word, SPAN("named"))) {
        p->choose = CHAT_CHOOSE_NAMED;
        p->choose_name = rest;
    } else if (span_eq(word, SPAN("serial")))
        p->parallel_tools = CHAT_NO;
    else if (span_eq(word, SPAN("parallel")))
        p->parallel_tools = CHAT_YES;
    else if (span_eq(word, SPAN("json")))
        p->format.kind = CHAT_FORMAT_OBJECT;
    else if (span_eq(word, SPAN("schema")))
        p->format =
            (struct chat_format){.kind = CHAT_FORMAT_SCHEMA, .name = cut(&rest), .schema = rest};
    else if (span_eq(word, SPAN("effort"))) {
        p->thinking.wanted = span_eq(rest, SPAN("none")) ? CHAT_NO : CHAT_YES;
        p->thinking.effort = rest;
    } else if (span_eq(word, SPAN("trying")))
        p->thinking.effort = rest;
    else if (span_eq(word, SPAN("budget"))) {
        p->thinking.budget_given = true;
        p->thinking.budget_tokens = number(rest);
        p->thinking.wanted = p->thinking.budget_tokens ? CHAT_YES : CHAT_NO;
    } else if (span_eq(word, SPAN("adaptive"))) {
        p->thinking.wanted = CHAT_YES;
        p->thinking.adaptive = true;
    } else if (span_eq(word, SPAN("off")))
        p->thinking.wanted = CHAT_NO;
    else if (span_eq(word, SPAN("on")))
        p->thinking.wanted = CHAT_YES;
    else if (span_eq(word, SPAN("shown")))
        p->thinking.shown = span_eq(rest, SPAN("no")) ? CHAT_NO : CHAT_YES;
    else if (span_eq(word, SPAN("for")))
        p->user = rest;
    else if (span_eq(word, SPAN("metadata")))
        p->metadata = rest;
    else if (span_eq(word, SPAN("tier")))
        p->service_tier = rest;
    else if (span_eq(word, SPAN("extra")) || span_eq(word, SPAN("hint")))
        chat_add_extra(p, &b->arena, rest, SPAN("1"), span_eq(word, SPAN("hint")));
    else
        return false;
    return true;
}

static bool add_to_result(struct build *b, struct span word, struct span rest) {
    struct chat_part *part;
    if (span_eq(word, SPAN("shows"))) {
        part = chat_add_part(&b->part->parts, &b->arena, CHAT_PART_TEXT);
        part->text = rest;
    } else if (span_eq(word, SPAN("showsimage"))) {
        part = chat_add_part(&b->part->parts, &b->arena, CHAT_PART_IMAGE);
        part->media_type = cut(&rest);
        part->data = rest;
    } else {
        return false;
    }
    return true;
}

static void read_line(struct build *b, struct span line) {
    struct span rest = line, word = span_cut(&rest, ' ');
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    for (int role = 0; role < 4; role++)
        if (span_eq(word, span_str(roles[role]))) {
            add_turn(b, (enum chat_role)role, rest);
            return;
        }
    if (span_eq(word, SPAN("cache"))) {
        *(b->part ? &b->part->cache : &b->tool->cache) = true;
        *(b->part ? &b->part->cache_ttl : &b->tool->cache_ttl) = rest;
        return;
    }
    if (!add_to_turn(b, word, rest) && !add_to_result(b, word, rest) && !add_tool(b, word, rest) &&
        !set(b, word, rest))
        FAIL_TEST("the test does not know \"%.*s\"", (int)word.n, word.p);
}

static struct build *build_new(const char *lines) {
    struct build *b = calloc(1, sizeof *b);
    struct span rest = span_str(lines);
    memory_init(&b->memory, (size_t)256 << 20, 0);
    arena_init(&b->arena, &b->memory);
    chat_prompt_init(&b->prompt);
    while (rest.n)
        read_line(b, span_cut(&rest, '\n'));
    return b;
}

static void build_free(struct build *b) {
    arena_fini(&b->arena);
    memory_fini(&b->memory);
    free(b);
}

/* --- rows --- */

#define CLAUDE   "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
#define ADAPTIVE "global.anthropic.claude-opus-4-7-v1:0"
#define OLD      "anthropic.claude-3-haiku-20240307-v1:0"
#define NOVA     "us.amazon.nova-pro-v1:0"
#define LLAMA    "us.meta.llama4-maverick-17b-instruct-v1:0"
#define OSS      "openai.gpt-oss-120b-1:0"
#define QWEN     "qwen.qwen3-32b-v1:0"

struct row {
    const char *name, *model, *lines;
    const char *want; /* the body */
    const char *lost; /* lenient: what was left out, in order, each with a blank behind it */
};

static struct chat_spell spell_for(const char *model, struct chat_losses *losses) {
    return (struct chat_spell){.model = span_str(model),
                               .facts = model_facts_find(span_str(model)),
                               .quirks = QUIRK_S3_LOCATIONS,
                               .stream = true,
                               .losses = losses};
}

/* Writes the prompt both ways: lenient gives the body and what was lost, strict refuses the first of
 * that. */
static void run(const struct row *row) {
    struct build *b = build_new(row->lines);
    struct chat_losses losses = {.lenient = true}, strict = {.lenient = false};
    struct chat_spell spell = spell_for(row->model, &losses);
    struct json_out out;
    char lost[1000] = "";
    ROW("%s", row->name);
    json_out_arena(&out, &b->arena, 0);
    EXPECT_EQ(dialect_converse.write_prompt(&b->prompt, &spell, &b->arena, &out), 0);
    EXPECT_BYTES(out.p, out.n, row->want);
    EXPECT_EQ(json_check(json_out_span(&out), NULL, NULL), 0);
    for (unsigned i = 0; i < losses.count && i < CHAT_LOSSES_MAX; i++)
        snprintf(lost + strlen(lost), sizeof lost - strlen(lost), "%.*s ", (int)losses.names[i].n,
                 losses.names[i].p);
    EXPECT_STR(lost, row->lost ? row->lost : "");

    spell.losses = &strict;
    json_out_arena(&out, &b->arena, 0);
    int rc = dialect_converse.write_prompt(&b->prompt, &spell, &b->arena, &out);
    EXPECT_EQ(rc, row->lost ? -FAIL_UNSUPPORTED : 0);
    if (row->lost) {
        char first[200];
        snprintf(first, sizeof first, "%.*s", (int)strcspn(row->lost, " "), row->lost);
        EXPECT_BYTES(strict.field.p, strict.field.n, first);
        EXPECT(strict.why.n > 0);
    }
    build_free(b);
}

#define RUN(rows)                                           \
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) \
    run(&rows[i])

#define U(blocks)    "{\"role\":\"user\",\"content\":[" blocks "]}"
#define A(blocks)    "{\"role\":\"assistant\",\"content\":[" blocks "]}"
#define T(text)      "{\"text\":\"" text "\"}"
#define MESSAGES(m)  "\"messages\":[" m "]"
#define LIMIT(n)     ",\"inferenceConfig\":{\"maxTokens\":" #n "}"
#define BODY(m)      "{" MESSAGES(m) LIMIT(64000) "}"
#define TOOL(name)   "{\"toolSpec\":{\"name\":\"" name "\",\"inputSchema\":{\"json\":" EMPTY "}}}"
#define EMPTY        "{\"type\":\"object\",\"properties\":{}}"
#define TOOLS(tools) ",\"toolConfig\":{\"tools\":[" tools "]}"
#define UNUSED                                                                                \
    "{\"toolSpec\":{\"name\":\"unused_tool_placeholder\",\"description\":\"Stands for tools " \
    "of earlier turns, which are gone. Never call it.\",\"inputSchema\":{\"json\":" EMPTY "}}}"
#define CACHE "{\"cachePoint\":{\"type\":\"default\"}}"
#define USE(id, name, input) \
    "{\"toolUse\":{\"toolUseId\":\"" id "\",\"name\":\"" name "\",\"input\":" input "}}"
#define RESULT(id, content) "{\"toolResult\":{\"toolUseId\":\"" id "\",\"content\":[" content "]}}"
#define HI                  MESSAGES(U(T("hi")))

TEST(turns) {
    static const struct row rows[] = {
        {"one", CLAUDE, "user hi\\n\\u00e9", BODY(U(T("hi\\n\\u00e9"))), NULL},
        {"of one role are joined", CLAUDE, "user a\nuser b\nassistant c\nassistant d\nuser e",
         BODY(U(T("a") "," T("b")) "," A(T("c") "," T("d")) "," U(T("e"))), NULL},
        {"blank texts are left out, and their turns", CLAUDE,
         "user a\ntext  \ntext \\n\nassistant \nassistant \\t\nuser b", BODY(U(T("a") "," T("b"))),
         NULL},
        {"the assistant does not begin", CLAUDE, "assistant a\nuser b",
         BODY(U(T(".")) "," A(T("a")) "," U(T("b"))), NULL},
        {"nothing but a system turn", CLAUDE, "system s",
         "{\"system\":[" T("s") "]," MESSAGES(U(T("."))) LIMIT(64000) "}", NULL},
        {"nothing", CLAUDE, "", BODY(U(T("."))), NULL},
        {"system turns stand apart, wherever they were", CLAUDE,
         "system s1\ntext \ntext s2\nuser a\nsystem s3\nuser b\nassistant c\nsystem \nuser d",
         "{\"system\":[" T("s1") "," T("s2") "," T("s3") "]," MESSAGES(
             U(T("a") "," T("b")) "," A(T("c")) "," U(T("d"))) LIMIT(64000) "}",
         NULL},
        {"an image in the system turn", CLAUDE, "system s\nimage image/png|AA\nuser a",
         "{\"system\":[" T("s") "]," MESSAGES(U(T("a"))) LIMIT(64000) "}",
         "messages[0].content[1] "},
        {"a refusal is a text", CLAUDE, "user a\nassistant\nrefusal No.\nuser b",
         BODY(U(T("a")) "," A(T("No.")) "," U(T("b"))), NULL},
        {"a begun answer, where the model goes on with it", CLAUDE, "user a\nassistant {",
         BODY(U(T("a")) "," A(T("{"))), NULL},
        {"without the white space at its end, however it is written", CLAUDE,
         "user a \nassistant b \\u0020\ntext c\\\\n\\u000A\\t ",
         BODY(U(T("a ")) "," A(T("b \\u0020") "," T("c\\\\n"))), NULL},
        {"also before blank texts", CLAUDE, "user a\nassistant b \ntext \\u0020\nuser  ",
         BODY(U(T("a")) "," A(T("b"))), NULL},
        {"signed reasoning at the end stays", CLAUDE, "user a\nassistant b \nthink t |SIG",
         BODY(U(T("a")) "," A(T("b ") ",{\"reasoningContent\":{\"reasoningText\":{\"text\":\"t "
                                      "\",\"signature\":\"SIG\"}}}")),
         NULL},
        {"white space alone is none", CLAUDE, "user a\nassistant \\u0020\\u0009", BODY(U(T("a"))),
         NULL},
        {"an answer within the conversation stays", CLAUDE, "user a\nassistant b \nuser c",
         BODY(U(T("a")) "," A(T("b ")) "," U(T("c"))), NULL},
        {"and where it does not", ADAPTIVE, "user a\nassistant b\nassistant c\nsystem s",
         "{\"system\":[" T("s") "]," MESSAGES(U(T("a"))) LIMIT(64000) "}", "messages[1] "},
        {"a blank one is none", ADAPTIVE, "user a\nassistant  ", BODY(U(T("a"))), NULL},
        {"cache marks", CLAUDE,
         "system s\ncache\nuser a\ncache 1h\ntext b\nassistant c\ncache 5m\nuser d",
         "{\"system\":[" T("s") "," CACHE "]," MESSAGES(
             U(T("a") ",{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}," T("b")) "," A(
                 T("c") "," CACHE) "," U(T("d"))) LIMIT(64000) "}",
         NULL},
        {"a cache mark on nothing", CLAUDE, "system  \ncache\nuser  \ncache\nuser a\ntext  \ncache",
         BODY(U(T("a") "," CACHE)), NULL},
        {"where the model knows none", LLAMA, "system s\ncache\nuser a\ncache",
         "{\"system\":[" T("s") "]," MESSAGES(U(T("a"))) LIMIT(4096) "}", NULL},
    };
    RUN(rows);
}

#define DOCUMENT(bytes) \
    "{\"document\":{\"format\":\"txt\",\"name\":\"n\",\"source\":{\"bytes\":\"" bytes "\"}}}"

TEST(images_and_documents) {
    static const struct row rows[] = {
        {"image", CLAUDE, "user a\nimage image/png|iVBORw0=",
         BODY(U(T("a") ",{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"iVBORw0=\"}}}")),
         NULL},
        {"types", CLAUDE, "user\nimage image/jpg|A\nimage IMAGE/JPEG; q=1|B\nimage image/webp|C",
         BODY(U("{\"image\":{\"format\":\"jpeg\",\"source\":{\"bytes\":\"A\"}}},"
                "{\"image\":{\"format\":\"jpeg\",\"source\":{\"bytes\":\"B\"}}},"
                "{\"image\":{\"format\":\"webp\",\"source\":{\"bytes\":\"C\"}}}")),
         NULL},
        {"S3", NOVA, "user\nurl s3://bkt/k.d/x.JPG",
         "{" MESSAGES(U("{\"image\":{\"format\":\"jpeg\",\"source\":{\"s3Location\":{\"uri\":"
                        "\"s3://bkt/k.d/x.JPG\"}}}}")) LIMIT(5120) "}",
         NULL},
        {"S3 without an ending", NOVA, "user a\nurl s3://bkt/png",
         "{" MESSAGES(U(T("a"))) LIMIT(5120) "}", "messages[0].content[1] "},
        {"fetched by nobody", CLAUDE, "user a\nurl https://x/y.png", BODY(U(T("a"))),
         "messages[0].content[1] "},
        {"of another type", CLAUDE, "user a\nimage image/bmp|AA", BODY(U(T("a"))),
         "messages[0].content[1] "},
        {"of nothing", CLAUDE, "user a\nimage image/png|", BODY(U(T("a"))),
         "messages[0].content[1] "},
        {"in the assistant's turn", CLAUDE, "user a\nassistant b\nimage image/png|AA\nuser c",
         BODY(U(T("a")) "," A(T("b")) "," U(T("c"))), "messages[1].content[1] "},
        {"sound", CLAUDE, "user a\naudio AAAA", BODY(U(T("a"))), "messages[0].content[1] "},
        {"markdown", CLAUDE, "user\ndoc text/markdown||IyBB",
         BODY(U("{\"document\":{\"format\":\"md\",\"name\":\"document\",\"source\":{\"bytes\":"
                "\"IyBB\"}}}," T("."))),
         NULL},
        {"pdf", CLAUDE, "user a\ndoc application/pdf|My report (v1) [x].pdf|JVBERi0=",
         BODY(U(T("a") ",{\"document\":{\"format\":\"pdf\",\"name\":\"My report (v1) [x]-pdf\","
                       "\"source\":{\"bytes\":\"JVBERi0=\"}}}")),
         NULL},
        {"names are cleaned", CLAUDE,
         "user\ndoc text/csv|  a__b  c\xc3\xa9.d- |QQ==\ndoc text/csv|...|QQ==\ndoc text/csv||QQ==",
         BODY(U("{\"document\":{\"format\":\"csv\",\"name\":\"a-b c-d\",\"source\":{\"bytes\":"
                "\"QQ==\"}}},"
                "{\"document\":{\"format\":\"csv\",\"name\":\"document-2\",\"source\":{\"bytes\":"
                "\"QQ==\"}}},"
                "{\"document\":{\"format\":\"csv\",\"name\":\"document-3\",\"source\":{\"bytes\":"
                "\"QQ==\"}}}," T("."))),
         NULL},
        {"names are decoded first", CLAUDE, "user\ndoc text/csv|caf\\u00e9 \\\"x\\\".csv|QQ==",
         BODY(U("{\"document\":{\"format\":\"csv\",\"name\":\"caf-x-csv\",\"source\":{\"bytes\":"
                "\"QQ==\"}}}," T("."))),
         NULL},
        {"no two names are alike", CLAUDE, "user\ndoc text/html|a-2|QQ==\ndoc text/html|a|QQ==",
         BODY(U("{\"document\":{\"format\":\"html\",\"name\":\"a-2-1\",\"source\":{\"bytes\":"
                "\"QQ==\"}}},"
                "{\"document\":{\"format\":\"html\",\"name\":\"a-2\",\"source\":{\"bytes\":"
                "\"QQ==\"}}}," T("."))),
         NULL},
        {"plain text", CLAUDE, "user\nplain notes|a\\n\\u00e9",
         BODY(U("{\"document\":{\"format\":\"txt\",\"name\":\"notes\",\"source\":{\"bytes\":"
                "\"YQrDqQ==\"}}}," T("."))),
         NULL},
        {"S3 document", NOVA, "user\ndocurl s3://bkt/k.markdown",
         "{" MESSAGES(U("{\"document\":{\"format\":\"md\",\"name\":\"document\",\"source\":{"
                        "\"s3Location\":{\"uri\":\"s3://bkt/k.markdown\"}}}}," T(".")))
             LIMIT(5120) "}",
         NULL},
        /* Bedrock wants a text beside a document: the client's own where there is one */
        {"document, then words", CLAUDE, "user\nplain n|a\nuser b",
         BODY(U(DOCUMENT("YQ==") "," T("b"))), NULL},
        {"document, and blank words", CLAUDE, "user \\u0020\nplain n|a\ntext \\n",
         BODY(U(DOCUMENT("YQ==") "," T("."))), NULL},
        {"document, and words in another turn", CLAUDE, "user a\nassistant b\nuser\nplain n|a",
         BODY(U(T("a")) "," A(T("b")) "," U(DOCUMENT("YQ==") "," T("."))), NULL},
        {"document, and words of a tool", CLAUDE,
         "def f||\nuser a\nassistant\ncall t|f|{}\ntool\nresult t\nuser\nplain n|a",
         "{" MESSAGES(U(T("a")) "," A(USE("t", "f", "{}")) "," U(
             RESULT("t", "") "," DOCUMENT("YQ==") "," T("."))) LIMIT(64000) TOOLS(TOOL("f")) "}",
         NULL},
        {"document that is lost", CLAUDE, "user\ndocurl https://x/y.pdf\nuser a", BODY(U(T("a"))),
         "messages[0].content[0] "},
        {"document of another type", CLAUDE, "user a\ndoc application/zip|x|AA", BODY(U(T("a"))),
         "messages[0].content[1] "},
        {"document by URL", CLAUDE, "user a\ndocurl https://x/y.pdf", BODY(U(T("a"))),
         "messages[0].content[1] "},
    };
    RUN(rows);
}

TEST(long_names_are_cut) {
    char lines[1000], name[300];
    memset(name, 'n', sizeof name);
    name[299] = 0;
    snprintf(lines, sizeof lines, "user\ndoc text/csv|%s|QQ==\ndoc text/csv|%s|QQ==", name, name);
    struct build *b = build_new(lines);
    struct chat_losses losses = {.lenient = false};
    struct chat_spell spell = spell_for(CLAUDE, &losses);
    struct json_out out;
    json_out_arena(&out, &b->arena, 0);
    EXPECT_EQ(dialect_converse.write_prompt(&b->prompt, &spell, &b->arena, &out), 0);
    yyjson_doc *doc = yyjson_read(out.p, out.n, 0);
    yyjson_val *content = yyjson_doc_ptr_get(doc, "/messages/0/content");
    REQUIRE(yyjson_arr_size(content) == 3);
    yyjson_val *first = yyjson_ptr_get(yyjson_arr_get(content, 0), "/document/name");
    yyjson_val *second = yyjson_ptr_get(yyjson_arr_get(content, 1), "/document/name");
    EXPECT(yyjson_get_len(first) <= 200 && yyjson_get_len(second) <= 200);
    EXPECT(!yyjson_equals(first, second));
    yyjson_doc_free(doc);
    build_free(b);
}

TEST(s3_objects_are_the_operators_to_allow) {
    struct build *b = build_new("user\nurl s3://bkt/x.png");
    struct chat_losses losses = {.lenient = false};
    struct chat_spell spell = spell_for(CLAUDE, &losses);
    struct json_out out;
    spell.quirks = 0;
    json_out_arena(&out, &b->arena, 0);
    EXPECT_EQ(dialect_converse.write_prompt(&b->prompt, &spell, &b->arena, &out),
              -FAIL_UNSUPPORTED);
    EXPECT(losses.field.n);
    build_free(b);
}

TEST(tool_turns) {
    static const struct row rows[] = {
        {"a call and its result", CLAUDE,
         "def f||\nuser a\nassistant b\ncall t1|f|{ \"x\": 1.0 }\ntool\nresult t1\nshows r\nuser c",
         "{" MESSAGES(U(T("a")) "," A(T("b") "," USE("t1", "f", "{ \"x\": 1.0 }")) "," U(
             RESULT("t1", T("r")) "," T("c"))) LIMIT(64000) TOOLS(TOOL("f")) "}",
         NULL},
        {"all results in one turn, before everything else", CLAUDE,
         "def f||\nuser a\nassistant\ncall t1|f|{}\ncall t2|f|{}\nuser b\ntool\nresult t1\nshows "
         "r\n"
         "system s\ntool\nresult t2\nuser c",
         "{\"system\":[" T("s") "]," MESSAGES(
             U(T("a")) "," A(USE("t1", "f", "{}") "," USE("t2", "f", "{}")) "," U(
                 RESULT("t1", T("r")) "," RESULT("t2", "") "," T("b") "," T("c"))) LIMIT(64000)
             TOOLS(TOOL("f")) "}",
         NULL},
        {"what failed", CLAUDE,
         "def f||\nuser a\nassistant\ncall t1|f|{}\ntool\nfailed t1\nshows r",
         "{" MESSAGES(U(T("a")) "," A(USE("t1", "f", "{}")) "," U(
             "{\"toolResult\":{\"toolUseId\":\"t1\",\"content\":[" T("r") "],\"status\":\"error\"}"
                                                                          "}")) LIMIT(64000)
             TOOLS(TOOL("f")) "}",
         NULL},
        {"where it cannot be said", LLAMA,
         "def f||\nuser a\nassistant\ncall t1|f|{}\ntool\nfailed t1\nshows r",
         "{" MESSAGES(U(T("a")) "," A(USE("t1", "f", "{}")) "," U(
             RESULT("t1", T("Error:") "," T("r")))) LIMIT(4096) TOOLS(TOOL("f")) "}",
         NULL},
        {"where its text says it", LLAMA,
         "def f||\nuser a\nassistant\ncall t1|f|{}\ntool\nfailed t1\nshows error 7",
         "{" MESSAGES(U(T("a")) "," A(USE("t1", "f", "{}")) "," U(RESULT("t1", T("error 7"))))
             LIMIT(4096) TOOLS(TOOL("f")) "}",
         NULL},
        {"an image in a result, blank texts", CLAUDE,
         "def f||\nuser a\nassistant\ncall t1|f|{}\ntool\nresult t1\nshows  \nshowsimage "
         "image/png|AA",
         "{" MESSAGES(U(T("a")) "," A(USE("t1", "f", "{}")) "," U(
             RESULT("t1", "{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"AA\"}}}")))
             LIMIT(64000) TOOLS(TOOL("f")) "}",
         NULL},
        {"an image that cannot be shown", CLAUDE,
         "def f||\nuser a\nassistant\ncall t1|f|{}\ntool\nresult t1\nshows r\nshowsimage "
         "image/tiff|AA",
         "{" MESSAGES(U(T("a")) "," A(USE("t1", "f", "{}")) "," U(RESULT("t1", T("r"))))
             LIMIT(64000) TOOLS(TOOL("f")) "}",
         "messages[2] "},
        {"ids as Bedrock itself allows them", "moonshot.kimi-k2-thinking",
         "def f||\nuser a\nassistant\ncall functions.f:0|f|\ntool\nresult functions.f:0",
         "{" MESSAGES(U(T("a")) "," A(USE("functions.f:0", "f", "{}")) "," U(
             RESULT("functions.f:0", ""))) LIMIT(4096) TOOLS(TOOL("f")) "}",
         NULL},
        {"tools that are gone", CLAUDE, "user a\nassistant\ncall t|f|{}\ntool\nresult t",
         "{" MESSAGES(U(T("a")) "," A(USE("t", "f", "{}")) "," U(RESULT("t", ""))) LIMIT(64000)
             TOOLS(UNUSED) "}",
         NULL},
        {"a custom tool's call", CLAUDE,
         "def f||\nuser a\nassistant\ncustom t|f|x\\n\ntool\nresult t",
         "{" MESSAGES(U(T("a")) "," A(USE("t", "f", "{\"input\":\"x\\n\"}")) "," U(RESULT("t", "")))
             LIMIT(64000) TOOLS(TOOL("f")) "}",
         "messages[1].content[0] "},
        {"a cache mark on a result", CLAUDE,
         "def f||\nuser a\nassistant\ncall t|f|{}\ntool\nresult t\ncache",
         "{" MESSAGES(U(T("a")) "," A(USE("t", "f", "{}")) "," U(RESULT("t", "") "," CACHE))
             LIMIT(64000) TOOLS(TOOL("f")) "}",
         NULL},
    };
    RUN(rows);
}

/* Ids and names of other providers, which Bedrock's alphabet does not hold. */
TEST(ids_are_made_to_fit) {
    struct build *b = build_new("def f||\nuser a\nassistant\ncall functions.f:0|a.b|{}\n"
                                "call functions.f:1|f|{}\ntool\nresult functions.f:0\n"
                                "result functions.f:1");
    struct chat_losses losses = {.lenient = true};
    struct chat_spell spell = spell_for(CLAUDE, &losses);
    struct json_out out;
    json_out_arena(&out, &b->arena, 0);
    EXPECT_EQ(dialect_converse.write_prompt(&b->prompt, &spell, &b->arena, &out), 0);
    yyjson_doc *doc = yyjson_read(out.p, out.n, 0);
    char ids[2][65] = {"", ""};
    for (int i = 0; i < 2; i++) {
        char call[100], result[100];
        snprintf(call, sizeof call, "/messages/1/content/%d/toolUse/toolUseId", i);
        snprintf(result, sizeof result, "/messages/2/content/%d/toolResult/toolUseId", i);
        const char *id = yyjson_get_str(yyjson_doc_ptr_get(doc, call));
        REQUIRE(id != NULL && strlen(id) <= 64);
        EXPECT_EQ(strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"),
                  strlen(id));
        EXPECT_STR(yyjson_get_str(yyjson_doc_ptr_get(doc, result)), id);
        strcpy(ids[i], id);
    }
    EXPECT(strcmp(ids[0], ids[1]) != 0);
    const char *name =
        yyjson_get_str(yyjson_doc_ptr_get(doc, "/messages/1/content/0/toolUse/name"));
    EXPECT(name && chat_is_tool_name(span_str(name)));
    EXPECT_EQ(losses.count, 1);
    EXPECT_BYTES(losses.names[0].p, losses.names[0].n, "messages[1].content[0]");
    yyjson_doc_free(doc);
    build_free(b);
}

TEST(tools) {
    static const struct row rows[] = {
        {"whole", CLAUDE,
         "def f|What it does|{\"type\":\"object\", \"x\":1}\nstrict\ncache\nuser hi",
         "{" HI LIMIT(64000) TOOLS(
             "{\"toolSpec\":{\"name\":\"f\",\"description\":\"What it does\",\"inputSchema\":{"
             "\"json\":{\"type\":\"object\", \"x\":1}},\"strict\":true}}," CACHE) "}",
         NULL},
        {"Nova caches no tools", NOVA, "def f||\ncache\nuser hi\ncache",
         "{" MESSAGES(U(T("hi") "," CACHE)) LIMIT(5120) TOOLS(TOOL("f")) "}", NULL},
        {"auto is not said", CLAUDE, "def f||\nchoose auto\nuser hi",
         "{" HI LIMIT(64000) TOOLS(TOOL("f")) "}", NULL},
        {"any", CLAUDE, "def f||\nchoose any\nuser hi",
         "{" HI LIMIT(64000) ",\"toolConfig\":{\"tools\":[" TOOL(
             "f") "],\"toolChoice\":{\"any\":{}}}}",
         NULL},
        {"one of them", CLAUDE, "def f||\ndef g||\nnamed g\nuser hi",
         "{" HI LIMIT(64000) ",\"toolConfig\":{\"tools\":[" TOOL("f") "," TOOL(
             "g") "],\"toolChoice\":{\"tool\":{\"name\":\"g\"}}}}",
         NULL},
        {"one that is not there", CLAUDE, "def f||\nnamed g\nuser hi",
         "{" HI LIMIT(64000) TOOLS(TOOL("f")) "}", "tool_choice "},
        {"none", CLAUDE, "def f||\nchoose none\nuser hi", "{" HI LIMIT(64000) "}", NULL},
        {"none, amid tool turns", CLAUDE,
         "def f||\nchoose none\nuser a\nassistant\ncall t|f|{}\ntool\nresult t",
         "{" MESSAGES(U(T("a")) "," A(USE("t", "f", "{}")) "," U(RESULT("t", ""))) LIMIT(64000)
             TOOLS(UNUSED) "}",
         "tool_choice "},
        {"none of none", CLAUDE, "choose none\nuser hi", "{" HI LIMIT(64000) "}", NULL},
        {"some allowed", CLAUDE, "def f||\ndef g||\ndef h||\nallow g\nallow h\nuser hi",
         "{" HI LIMIT(64000) TOOLS(TOOL("g") "," TOOL("h")) "}", NULL},
        {"hosted", CLAUDE, "hosted web_search\ndef f||\nuser hi",
         "{" HI LIMIT(64000) TOOLS(TOOL("f")) "}", "tools[0] "},
        {"custom", CLAUDE, "def f||\nfreetext\nuser hi", "{" HI LIMIT(64000) "}", "tools[0] "},
        {"bad name", CLAUDE, "def f||\ndef a.b||\nuser hi",
         "{" HI LIMIT(64000) TOOLS(TOOL("f")) "}", "tools[1] "},
        {"the one that must be called is lost", CLAUDE, "def f||\ndef a.b||\nnamed a.b\nuser hi",
         "{" HI LIMIT(64000) TOOLS(TOOL("f")) "}", "tools[1] tool_choice "},
        {"one at a time", CLAUDE, "def f||\nserial\nuser hi",
         "{" HI LIMIT(64000) TOOLS(
             TOOL("f")) ",\"additionalModelRequestFields\":{\"tool_choice\":{\"type\":\"auto\","
                        "\"disable_parallel_tool_use\":true}}}",
         NULL},
        {"and any", CLAUDE, "def f||\nserial\nchoose any\nuser hi",
         "{" HI LIMIT(64000) TOOLS(
             TOOL("f")) ",\"additionalModelRequestFields\":{\"tool_choice\":{\"type\":\"any\","
                        "\"disable_parallel_tool_use\":true}}}",
         NULL},
        {"and this one", CLAUDE, "def f||\nserial\nnamed f\nuser hi",
         "{" HI LIMIT(64000) TOOLS(TOOL(
             "f")) ",\"additionalModelRequestFields\":{\"tool_choice\":{\"type\":\"tool\",\"name\":"
                   "\"f\",\"disable_parallel_tool_use\":true}}}",
         NULL},
        {"where it cannot be said", NOVA, "def f||\nserial\nuser hi",
         "{" HI LIMIT(5120) TOOLS(TOOL("f")) "}", "parallel_tool_calls "},
        {"of no tools", NOVA, "serial\nuser hi", "{" HI LIMIT(5120) "}", NULL},
        {"many at a time", NOVA, "def f||\nparallel\nuser hi",
         "{" HI LIMIT(5120) TOOLS(TOOL("f")) "}", NULL},
    };
    RUN(rows);
}

#define CONFIG(c)     ",\"inferenceConfig\":{\"maxTokens\":64000," c "}"
#define ADDITIONAL(a) ",\"additionalModelRequestFields\":{" a "}"

TEST(settings) {
    static const struct row rows[] = {
        {"the limit", CLAUDE, "max 7\nuser hi", "{" HI LIMIT(7) "}", NULL},
        {"samplers", LLAMA, "temperature 0.50\ntop_p 1\nuser hi",
         "{" HI ",\"inferenceConfig\":{\"maxTokens\":4096,\"temperature\":0.50,\"topP\":1}}", NULL},
        {"too warm", LLAMA, "temperature 1.5\nuser hi",
         "{" HI ",\"inferenceConfig\":{\"maxTokens\":4096,\"temperature\":1}}", "temperature "},
        {"one sampler of two", CLAUDE, "temperature 0.5\ntop_p 0.9\nuser hi",
         "{" HI CONFIG("\"temperature\":0.5") "}", "top_p "},
        {"the other at its default", CLAUDE, "temperature 0.5\ntop_p 1.0\nuser hi",
         "{" HI CONFIG("\"temperature\":0.5") "}", NULL},
        {"no sampler at all", ADAPTIVE, "temperature 0.5\ntop_p 0.9\ntop_k 3\nuser hi",
         "{" HI LIMIT(64000) "}", "temperature top_p top_k "},
        {"but their defaults", ADAPTIVE, "temperature 1\ntop_p 1\nuser hi", "{" HI LIMIT(64000) "}",
         NULL},
        {"top_k of Claude", CLAUDE, "top_k 20\nuser hi",
         "{" HI LIMIT(64000) ADDITIONAL("\"top_k\":20") "}", NULL},
        {"top_k of Nova", NOVA, "top_k 20\nuser hi",
         "{" HI LIMIT(5120) ADDITIONAL("\"inferenceConfig\":{\"topK\":20}") "}", NULL},
        {"top_k of others", LLAMA, "top_k 20\nuser hi", "{" HI LIMIT(4096) "}", "top_k "},
        {"stop", LLAMA, "stop END\nstop \\n\nuser hi",
         "{" HI ",\"inferenceConfig\":{\"maxTokens\":4096,\"stopSequences\":[\"END\",\"\\n\"]}}",
         NULL},
        {"stop of Claude, and which one it was", CLAUDE, "stop END\nstop \\n\nuser hi",
         "{" HI CONFIG("\"stopSequences\":[\"END\"]") ",\"additionalModelResponseFieldPaths\":[\"/"
                                                      "stop_sequence\",\"/delta/stop_sequence\"]}",
         "stop "},
        {"an empty stop", LLAMA, "stop \nuser hi", "{" HI LIMIT(4096) "}", "stop "},
        {"what Bedrock has not", CLAUDE,
         "min_p 0.1\nseed 1\nfrequency_penalty 0.1\npresence_penalty -1\nlogprobs true\n"
         "verbosity \"low\"\nn 2\nextra logit_bias\nhint store\nuser hi",
         "{" HI LIMIT(64000) "}",
         "min_p frequency_penalty presence_penalty logprobs seed verbosity n logit_bias "},
        {"what says nothing", CLAUDE,
         "min_p 0\nfrequency_penalty 0\npresence_penalty 0.0\nlogprobs false\ntop_logprobs 0\nn 1\n"
         "hint store\nuser hi",
         "{" HI LIMIT(64000) "}", NULL},
        {"schema", CLAUDE, "schema City|{\"type\": \"object\"}\nuser hi",
         "{" HI LIMIT(
             64000) ",\"outputConfig\":{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{"
                    "\"jsonSchema\":{\"schema\":\"{\\\"type\\\": \\\"object\\\"}\",\"name\":"
                    "\"City\"}}}}}",
         NULL},
        {"schema where there is none", OLD, "schema City|{}\nuser hi", "{" HI LIMIT(4096) "}",
         "response_format "},
        {"JSON of any shape", CLAUDE, "json\nuser hi", "{" HI LIMIT(64000) "}", "response_format "},
        {"user", CLAUDE, "for user-1\nuser hi",
         "{" HI LIMIT(64000) ",\"requestMetadata\":{\"user\":\"user-1\"}}", NULL},
        {"metadata, what fits of it", CLAUDE,
         "for u\nmetadata {\"a\":\"b "
         "c\",\"d!\":\"e\",\"f\":\"g\\n\",\"h\":\"\",\"user\":\"v\"}\nuser "
         "hi",
         "{" HI LIMIT(64000) ",\"requestMetadata\":{\"a\":\"b c\",\"h\":\"\",\"user\":\"v\"}}",
         NULL},
        {"metadata that does not fit", CLAUDE, "for a{b}\nmetadata {\"!\":\"\"}\nuser hi",
         "{" HI LIMIT(64000) "}", NULL},
        {"tier", CLAUDE, "tier priority\nuser hi",
         "{" HI LIMIT(64000) ",\"serviceTier\":{\"type\":\"priority\"}}", NULL},
        {"tier of Anthropic", CLAUDE, "tier standard_only\nuser hi",
         "{" HI LIMIT(64000) ",\"serviceTier\":{\"type\":\"default\"}}", NULL},
        {"auto tier", CLAUDE, "tier auto\nuser hi", "{" HI LIMIT(64000) "}", NULL},
    };
    RUN(rows);
}

TEST(metadata_has_sixteen_pairs) {
    char lines[2000] = "for u\nmetadata {";
    for (int i = 0; i < 20; i++)
        snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "%s\"k%d\":\"v\"",
                 i ? "," : "", i);
    strcat(lines, "}\nuser hi");
    struct build *b = build_new(lines);
    struct chat_losses losses = {.lenient = false};
    struct chat_spell spell = spell_for(CLAUDE, &losses);
    struct json_out out;
    json_out_arena(&out, &b->arena, 0);
    EXPECT_EQ(dialect_converse.write_prompt(&b->prompt, &spell, &b->arena, &out), 0);
    yyjson_doc *doc = yyjson_read(out.p, out.n, 0);
    EXPECT_EQ(yyjson_obj_size(yyjson_doc_ptr_get(doc, "/requestMetadata")), 16);
    yyjson_doc_free(doc);
    build_free(b);
}

#define THINK(t) ADDITIONAL("\"thinking\":{" t "}")

TEST(reasoning) {
    static const struct row rows[] = {
        {"a budget", CLAUDE, "budget 2000\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"enabled\",\"budget_tokens\":2000") "}", NULL},
        {"a word", CLAUDE, "effort high\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"enabled\",\"budget_tokens\":4096") "}", NULL},
        {"nothing but the wish", CLAUDE, "on\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"enabled\",\"budget_tokens\":2048") "}", NULL},
        {"too little", CLAUDE, "budget 10\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"enabled\",\"budget_tokens\":1024") "}", NULL},
        {"more than the limit", CLAUDE, "budget 5000\nmax 3000\nuser hi",
         "{" HI LIMIT(3000) THINK("\"type\":\"enabled\",\"budget_tokens\":2999") "}", NULL},
        {"no room at all", CLAUDE, "budget 5000\nmax 1024\nuser hi", "{" HI LIMIT(1024) "}",
         "reasoning_effort "},
        {"as much as it likes, of a model that wants a number", CLAUDE, "adaptive\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"enabled\",\"budget_tokens\":2048") "}", NULL},
        {"adaptive", ADAPTIVE, "adaptive\nshown yes\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"adaptive\",\"display\":\"summarized\"") "}", NULL},
        {"adaptive, not to be shown", ADAPTIVE, "adaptive\nshown no\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"adaptive\",\"display\":\"omitted\"") "}", NULL},
        {"a word, of a model that is adaptive", ADAPTIVE, "effort xhigh\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"adaptive\"") ",\"outputConfig\":{\"effort\":"
                                                            "\"xhigh\"}}",
         NULL},
        {"minimal is low", ADAPTIVE, "effort minimal\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"adaptive\"") ",\"outputConfig\":{\"effort\":"
                                                            "\"low\"}}",
         NULL},
        {"a budget, of a model that is adaptive", ADAPTIVE, "budget 4000\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"adaptive\"") ",\"outputConfig\":{\"effort\":"
                                                            "\"high\"}}",
         NULL},
        {"a word without the wish", ADAPTIVE, "trying low\nuser hi",
         "{" HI LIMIT(64000) ",\"outputConfig\":{\"effort\":\"low\"}}", NULL},
        {"where it is not known", CLAUDE, "trying low\nuser hi", "{" HI LIMIT(64000) "}",
         "reasoning_effort "},
        {"effort and schema", ADAPTIVE, "trying low\nschema S|{}\nuser hi",
         "{" HI LIMIT(
             64000) ",\"outputConfig\":{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{"
                    "\"jsonSchema\":{\"schema\":\"{}\",\"name\":\"S\"}}},\"effort\":\"low\"}}",
         NULL},
        {"off", CLAUDE, "off\nuser hi", "{" HI LIMIT(64000) THINK("\"type\":\"disabled\"") "}",
         NULL},
        {"off by a word", ADAPTIVE, "effort none\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"disabled\"") "}", NULL},
        {"off by a budget of nothing", CLAUDE, "budget 0\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"disabled\"") "}", NULL},
        {"off where there is none", OLD, "off\nuser hi", "{" HI LIMIT(4096) "}", NULL},
        {"on where there is none", OLD, "on\nuser hi", "{" HI LIMIT(4096) "}", "reasoning_effort "},
        {"with samplers", CLAUDE, "on\ntemperature 0.5\ntop_k 3\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"enabled\",\"budget_tokens\":2048") "}",
         "temperature top_k "},
        {"with their defaults", CLAUDE, "on\ntemperature 1.0\ntop_p 1\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"enabled\",\"budget_tokens\":2048") "}", NULL},
        {"with a high top_p", CLAUDE, "on\ntop_p 0.96\nuser hi",
         "{" HI CONFIG("\"topP\":0.96") THINK("\"type\":\"enabled\",\"budget_tokens\":2048") "}",
         NULL},
        {"with a low top_p", CLAUDE, "on\ntop_p 0.9\nuser hi",
         "{" HI LIMIT(64000) THINK("\"type\":\"enabled\",\"budget_tokens\":2048") "}", "top_p "},
        {"with a forced tool", CLAUDE, "on\ndef f||\nchoose any\nuser hi",
         "{" HI LIMIT(64000) ",\"toolConfig\":{\"tools\":[" TOOL(
             "f") "],\"toolChoice\":{\"any\":{}}}}",
         "reasoning_effort "},
        {"with a forced tool, and more effort than goes without", ADAPTIVE,
         "effort max\ndef f||\nchoose any\nuser hi",
         "{" HI LIMIT(64000) ",\"toolConfig\":{\"tools\":[" TOOL(
             "f") "],\"toolChoice\":{\"any\":{}}},\"outputConfig\":{\"effort\":\"high\"}}",
         "reasoning_effort "},
        {"with one call at a time", CLAUDE, "on\ndef f||\nserial\nuser hi",
         "{" HI LIMIT(64000) TOOLS(TOOL("f")) ADDITIONAL(
             "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048},"
             "\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}") "}",
         NULL},
        {"sent back to its maker", CLAUDE,
         "on\ndef f||\nuser a\nassistant\nthink hm\\n|c2ln\nredacted EtkECkgI\ncall t|f|{}\ntool\n"
         "result t",
         "{" MESSAGES(U(T("a")) "," A(
             "{\"reasoningContent\":{\"reasoningText\":{\"text\":\"hm\\n\",\"signature\":"
             "\"c2ln\"}}},{\"reasoningContent\":{\"redactedContent\":\"RXRrRUNrZ0k=\"}}," USE(
                 "t", "f", "{}")) "," U(RESULT("t", ""))) LIMIT(64000) TOOLS(TOOL("f"))
             THINK("\"type\":\"enabled\",\"budget_tokens\":2048") "}",
         NULL},
        {"hidden, but signed", ADAPTIVE, "user a\nassistant\nthink |c2ln\ntext b\nuser c",
         BODY(U(T("a")) "," A("{\"reasoningContent\":{\"reasoningText\":{\"text\":\"\","
                              "\"signature\":\"c2ln\"}}}," T("b")) "," U(T("c"))),
         NULL},
        {"not to others, nor without a signature", CLAUDE,
         "user a\nassistant\nother hm|c2ln\nthink hm|\ntext b\nuser c",
         BODY(U(T("a")) "," A(T("b")) "," U(T("c"))), NULL},
        {"nor to other models", NOVA, "user a\nassistant\nthink hm|c2ln\ntext b\nuser c",
         "{" MESSAGES(U(T("a")) "," A(T("b")) "," U(T("c"))) LIMIT(5120) "}", NULL},
        {"amid a tool turn of another maker", CLAUDE,
         "on\ndef f||\nuser a\nassistant\ncall t|f|{}\ntool\nresult t",
         "{" MESSAGES(U(T("a")) "," A(USE("t", "f", "{}")) "," U(RESULT("t", ""))) LIMIT(64000)
             TOOLS(TOOL("f")) "}",
         NULL},
        {"behind it", CLAUDE,
         "on\ndef f||\nuser a\nassistant\ncall t|f|{}\ntool\nresult t\nassistant b\nuser c",
         "{" MESSAGES(U(T("a")) "," A(USE("t", "f", "{}")) "," U(RESULT("t", "")) "," A(
             T("b")) "," U(T("c"))) LIMIT(64000) TOOLS(TOOL("f"))
             THINK("\"type\":\"enabled\",\"budget_tokens\":2048") "}",
         NULL},
        {"gpt-oss", OSS, "effort xhigh\nuser hi",
         "{" HI LIMIT(65536) ADDITIONAL("\"reasoning_effort\":\"high\"") "}", NULL},
        {"gpt-oss by budget", OSS, "budget 1500\nuser hi",
         "{" HI LIMIT(65536) ADDITIONAL("\"reasoning_effort\":\"medium\"") "}", NULL},
        {"gpt-oss, off", OSS, "effort none\nuser hi", "{" HI LIMIT(65536) "}", "reasoning_effort "},
        {"Qwen", QWEN, "effort minimal\nuser hi",
         "{" HI LIMIT(4096) ADDITIONAL("\"reasoning_config\":\"low\"") "}", NULL},
        {"others", LLAMA, "effort low\nuser hi", "{" HI LIMIT(4096) "}", "reasoning_effort "},
        {"others, off", LLAMA, "effort none\nuser hi", "{" HI LIMIT(4096) "}", NULL},
    };
    RUN(rows);
}

/* Memory that is used up is an overload, wherever it happens. */
TEST(out_of_memory) {
    static const char lines[] =
        "system s\nuser a\nplain x|y\nassistant\nredacted EtkECkgI\ncall a.b|f|{}\ntool\n"
        "result a.b\nuser c\ndoc text/csv|a|AAAA\ndoc text/csv|a|AAAA\ndef f|d|{}";
    struct build *b = build_new(lines);
    unsigned full = 0, whole = 0;
    for (size_t max = 0; max < 1400; max++) {
        static char memory[1400];
        struct chat_losses losses = {.lenient = true};
        struct chat_spell spell = spell_for(CLAUDE, &losses);
        struct json_out out;
        json_out_init(&out, memory, max);
        int rc = dialect_converse.write_prompt(&b->prompt, &spell, &b->arena, &out);
        EXPECT_EQ(rc, out.full ? -FAIL_OVERLOAD : 0);
        full += out.full;
        whole += rc == 0;
    }
    EXPECT(full > 300 && whole > 0);
    build_free(b);
}

TEST(arena_is_used_up) {
    static const char lines[] = "user a\nplain x|y\nassistant\ncall a.b|f|{}\ntool\nresult a.b";
    struct build *b = build_new(lines);
    struct memory none;
    struct arena arena;
    struct chat_losses losses = {.lenient = true};
    struct chat_spell spell = spell_for(CLAUDE, &losses);
    struct json_out out;
    static char memory[4000];
    memory_init(&none, 0, 0);
    arena_init(&arena, &none);
    json_out_init(&out, memory, sizeof memory);
    EXPECT_EQ(dialect_converse.write_prompt(&b->prompt, &spell, &arena, &out), -FAIL_OVERLOAD);
    arena_fini(&arena);
    memory_fini(&none);
    build_free(b);
}
