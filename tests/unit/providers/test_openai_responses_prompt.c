/* test_openai_responses_prompt.c - a Responses request as the canonical prompt, and a canonical
 * prompt as a Responses request, by rows. */
#include <time.h>

#include "tests/unit/providers/openai_responses_dump.h"
#include "tests/unit/providers/openai_responses_tape.h"

static int read_prompt(struct tape *t, const char *members, struct chat_prompt *prompt,
                       struct span *why, struct span *param) {
    /* A private copy without a byte to spare. */
    size_t n = strlen(members) + sizeof "{\"model\":\"m\",}";
    char *body = arena_alloc(&t->arena, n + 1);
    struct chat_request *req = arena_zalloc(&t->arena, sizeof *req);
    n = (size_t)snprintf(body, n + 1, "{\"model\":\"m\",%s}", members);
    EXPECT_EQ(RESPONSES->read_request(span_of(body, n), &t->arena, req, why, param), 0);
    return RESPONSES->read_prompt(req, &t->arena, prompt, why, param);
}

#define USER(content) "\"input\":[{\"role\":\"user\",\"content\":" content "}]"
#define PART(part)    USER("[" part "]")

struct read_row {
    const char *members, *dump;
};

static void expect_dumps(const struct read_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct tape *t = tape_new(SPAN(""));
        struct chat_prompt prompt;
        struct span why, param;
        ROW("%s", rows[i].members);
        int rc = read_prompt(t, rows[i].members, &prompt, &why, &param);
        EXPECT_EQ(rc, 0);
        if (rc == 0)
            EXPECT_STR(dump_prompt(&prompt, &t->arena), rows[i].dump);
        else
            fprintf(stderr, "# %.*s\n", (int)why.n, why.p);
        tape_free(t);
    }
}
#define EXPECT_DUMPS(rows) expect_dumps(rows, sizeof rows / sizeof rows[0])

TEST(turns) {
    static const struct read_row rows[] = {
        {"\"input\":\"h\\u00e9\\n\"", "user[text(h\\u00e9\\n)]"},
        {"\"input\":\"x\",\"instructions\":\"be \\\"brief\\\"\"",
         "system[text(be \\\"brief\\\")] user[text(x)]"},
        {"\"instructions\":null,\"input\":[{\"role\":\"system\",\"content\":\"s\"},{\"type\":"
         "\"message\",\"role\":\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":\"d\"}]"
         "},"
         "{\"role\":\"user\",\"content\":\"\"}]",
         "system@0[text(s)] system@1[text(d)] user@2[]"},
        {"\"input\":[{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"assistant\",\"id\":"
         "\"m\","
         "\"phase\":\"final_answer\",\"status\":\"completed\",\"content\":[{\"type\":"
         "\"output_text\",\"text\":\"b\",\"annotations\":[]},{\"type\":\"refusal\",\"refusal\":"
         "\"no\"}"
         "]}]",
         "assistant@0[text(a)] assistant@1[text(b) refusal(no)]"},
        {PART("{\"type\":\"input_text\",\"text\":\"a\",\"prompt_cache_breakpoint\":{\"mode\":"
              "\"explicit\"}},{\"type\":\"input_text\",\"text\":\"\"}"),
         "user@0[text(a)#]"},
        {PART("{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,AAAA\",\"detail\":"
              "\"low\"},{\"type\":\"input_image\",\"image_url\":\"https:\\/\\/x/"
              "y\",\"file_id\":null}"),
         "user@0[image(image/png,AAAA,low) image(,https://x/y)]"},
        {PART("{\"type\":\"input_file\",\"filename\":\"\\\"a\\\".pdf\",\"file_data\":"
              "\"data:application/"
              "pdf;base64,AAAA\"},{\"type\":\"input_file\",\"file_url\":\"http:x\"},{\"type\":"
              "\"input_file\",\"file_url\":\"data:text/csv;base64,QQ==\"}"),
         "user@0[file(\\\"a\\\".pdf,application/pdf,AAAA) file(,,http:x) file(,text/csv,QQ==)]"},
        {PART("{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAAA\",\"format\":\"wav\"}}"),
         "user@0[audio(audio/wav,AAAA)]"},
    };
    EXPECT_DUMPS(rows);
}

TEST(one_answer_is_one_turn) {
    static const struct read_row rows[] = {
        {"\"input\":[{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_"
         "text\","
         "\"text\":\"r\"}],\"encrypted_content\":\"E\"},{\"type\":\"message\",\"role\":"
         "\"assistant\","
         "\"content\":[{\"type\":\"output_text\",\"text\":\"a\"}]},{\"type\":\"function_call\","
         "\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\\\"\\\\n\\\"}\"},{\"type\":"
         "\"function_call\",\"call_id\":\"c2\",\"name\":\"g\",\"arguments\":\"\"},{\"type\":"
         "\"function_call_output\",\"call_id\":\"c1\",\"output\":\"one\"},{\"type\":"
         "\"function_call_output\",\"call_id\":\"c2\",\"output\":[{\"type\":\"input_text\","
         "\"text\":"
         "\"two\"},{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,AAAA\"}]},{"
         "\"role\":\"user\",\"content\":\"next\"}]",
         "assistant@0[reason(r)!openai sealed(rs_1,E)!openai text(a) call(c1,f,{\"a\":\"\\n\"}) "
         "call(c2,g,{})] tool@4[result(c1)[text(one)] result(c2)[text(two) image(image/png,AAAA)]] "
         "user@6[text(next)]"},
        {"\"input\":[{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":"
         "\" {} "
         "\"},{\"role\":\"assistant\",\"content\":\"behind\"},{\"type\":\"function_call_output\","
         "\"call_id\":\"c1\",\"output\":\"\"},{\"type\":\"function_call\",\"call_id\":\"c2\","
         "\"name\":"
         "\"f\",\"arguments\":\"{}\"}]",
         "assistant@0[call(c1,f,{} ) text(behind)] tool@2[result(c1)[]] "
         "assistant@3[call(c2,f,{})]"},
        {"\"input\":[{\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"sql\",\"input\":"
         "\"SELECT \\\"x\\\"\"},{\"type\":\"custom_tool_call_output\",\"call_id\":\"c\",\"output\":"
         "\"1\"}]",
         "assistant@0[custom(c,sql,SELECT \\\"x\\\")] tool@1[customresult(c)[text(1)]]"},
        {"\"input\":[{\"role\":\"user\",\"content\":\"q\"},{\"type\":\"reasoning\",\"id\":\"rs\","
         "\"summary\":[]},{\"type\":\"reasoning\",\"id\":\"r2\",\"summary\":[],\"content\":[{"
         "\"type\":"
         "\"reasoning_text\",\"text\":\"long\"}]},{\"role\":\"assistant\",\"content\":\"a\"}]",
         "user@0[text(q)] assistant@2[reason(long) text(a)]"},
    };
    EXPECT_DUMPS(rows);
}

#define CARRIED(summary, sealed)                                                  \
    "\"input\":[{\"type\":\"reasoning\",\"id\":\"rs\",\"summary\":[" summary "]," \
    "\"encrypted_content\":\"" sealed "\"},{\"role\":\"assistant\",\"content\":\"a\"}]"

TEST(reasoning_of_other_makers_comes_back) {
    static const struct read_row rows[] = {
        {CARRIED("{\"text\":\"r\"}", "hedgerow.anthropic.S=="),
         "assistant@0[reason(r,S==)!anthropic text(a)]"},
        {CARRIED("", "hedgerow.anthropic.S"), "assistant@0[reason(,S)!anthropic text(a)]"},
        {CARRIED("", "hedgerow.anthropic-redacted.R"), "assistant@0[sealed(,R)!anthropic text(a)]"},
        {CARRIED("{\"text\":\"r\"}", "hedgerow.google.G"),
         "assistant@0[reason(r,G)!google text(a)]"},
        {CARRIED("{\"text\":\"r\"}", "hedgerow.none."), "assistant@0[reason(r) text(a)]"},
        {CARRIED("{\"text\":\"r\"}", "hedgerow.new.X"),
         "assistant@0[reason(r)!openai sealed(rs,hedgerow.new.X)!openai text(a)]"},
    };
    EXPECT_DUMPS(rows);
}

TEST(tools) {
    static const struct read_row rows[] = {
        {"\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{"
         "\"type\":"
         "\"object\"},\"strict\":true,\"description\":\"d\"},{\"type\":\"function\",\"name\":\"g\","
         "\"parameters\":null},{\"type\":\"custom\",\"name\":\"h\",\"format\":{\"type\":\"text\"}},"
         "{"
         "\"type\":\"web_search\",\"x\":1}],\"tool_choice\":\"required\",\"parallel_tool_calls\":"
         "false",
         "user[text(x)] | tool f(d,{\"type\":\"object\"},strict:yes) | tool g(,) | customtool "
         "h(,{\"type\":\"text\"}) | hosted web_search={\"type\":\"web_search\",\"x\":1} | choose "
         "any "
         "| parallel no"},
        {"\"input\":\"x\",\"tool_choice\":\"auto\"", "user[text(x)] | choose auto"},
        {"\"input\":\"x\",\"tool_choice\":\"none\"", "user[text(x)] | choose none"},
        {"\"input\":\"x\",\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"}",
         "user[text(x)] | choose named f"},
        {"\"input\":\"x\",\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"required\","
         "\"tools\":"
         "[{\"type\":\"function\",\"name\":\"f\"},{\"type\":\"custom\",\"name\":\"g\"}]}",
         "user[text(x)] | choose any allow:f allow:g"},
        {"\"input\":\"x\",\"tool_choice\":{\"type\":\"web_search\"}",
         "user[text(x)] | extra tool_choice={\"type\":\"web_search\"}"},
    };
    EXPECT_DUMPS(rows);
}

TEST(knobs) {
    static const struct read_row rows[] = {
        {"\"input\":\"x\",\"max_output_tokens\":9,\"temperature\":0.50,\"top_p\":1,\"top_"
         "logprobs\":2,"
         "\"include\":[\"message.output_text.logprobs\",\"reasoning.encrypted_content\"],"
         "\"metadata\":{\"a\":\"b\"},\"service_tier\":\"flex\",\"prompt_cache_key\":\"k\",\"user\":"
         "\"u\"",
         "user[text(x)] | max_output_tokens=9 | temperature=0.50 | top_p=1 | include=true | "
         "top_logprobs=2 | user=u | metadata={\"a\":\"b\"} | tier=flex | cache=k"},
        {"\"input\":\"x\",\"temperature\":null,\"text\":null,\"reasoning\":null,\"tools\":null,"
         "\"include\":null,\"truncation\":null,\"store\":null,\"x\":null,\"metadata\":null,"
         "\"tool_choice\":null,\"parallel_tool_calls\":null",
         "user[text(x)]"},
        {"\"input\":\"x\",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":"
         "{"
         "\"a\":1},\"strict\":true,\"description\":\"d\"},\"verbosity\":\"low\"}",
         "user[text(x)] | text.verbosity=\"low\" | format schema:n:{\"a\":1}:d:yes"},
        {"\"input\":\"x\",\"text\":{\"format\":{\"type\":\"json_object\"}}",
         "user[text(x)] | format object"},
        {"\"input\":\"x\",\"text\":{\"format\":{\"type\":\"text\"},\"new\":1}",
         "user[text(x)] | format text | extra text.new=1"},
        {"\"input\":\"x\",\"reasoning\":{\"effort\":\"high\",\"summary\":\"auto\"}",
         "user[text(x)] | think yes effort:high shown:yes"},
        {"\"input\":\"x\",\"reasoning\":{\"effort\":\"none\",\"summary\":null}",
         "user[text(x)] | think no effort:none"},
        {"\"input\":\"x\",\"reasoning\":{\"effort\":null,\"context\":\"all_turns\",\"mode\":"
         "\"auto\"}",
         "user[text(x)] | extra reasoning.context=\"all_turns\" | hint reasoning.mode=\"auto\""},
        {"\"input\":\"x\",\"truncation\":\"disabled\",\"store\":true,\"max_tool_calls\":3",
         "user[text(x)] | hint truncation=\"disabled\" | hint store=true | hint max_tool_calls=3"},
        {"\"input\":\"x\",\"truncation\":\"auto\",\"context_management\":[{}],\"top_k\":4",
         "user[text(x)] | extra truncation=\"auto\" | extra context_management=[{}] | extra "
         "top_k=4"},
        {"\"input\":\"x\",\"include\":[\"new.thing\"]",
         "user[text(x)] | extra include=[\"new.thing\"]"},
        {"\"input\":[{\"role\":\"user\",\"content\":\"q\"},{\"type\":\"web_search_call\",\"id\":"
         "\"w\"}]",
         "user@0[text(q)] | extra input[1]={\"type\":\"web_search_call\",\"id\":\"w\"}"},
    };
    EXPECT_DUMPS(rows);
}

TEST(refused_as_a_prompt) {
    static const struct {
        const char *members, *param, *why; /* why: a part of it */
    } rows[] = {
        {"\"previous_response_id\":\"r\"", "previous_response_id", "the provider that made it"},
        {"\"conversation\":\"c\"", "conversation", "the provider that made it"},
        {"\"prompt\":{\"id\":\"p\"}", "prompt", "the provider that made it"},
        {"\"input\":[{\"type\":\"item_reference\",\"id\":\"m\"}]", "input[0]", "by reference"},
        {"\"input\":[{\"id\":\"m\"}]", "input[0]", "by reference"},
        {"\"input\":[{\"type\":\"compaction\",\"encrypted_content\":\"E\"}]", "input[0]",
         "compacted"},
        {"\"input\":[{\"role\":\"tool\",\"content\":\"x\"}]", "input[0]", "`role`"},
        {PART("{\"type\":\"input_image\",\"file_id\":\"f\"}"), "input[0].content[0]", "file_id"},
        {PART("{\"type\":\"input_image\"}"), "input[0].content[0]", "image_url"},
        {PART("{\"type\":\"input_image\",\"image_url\":\"data:;base64,AA\"}"),
         "input[0].content[0]", "image_url"},
        {PART("{\"type\":\"input_file\",\"file_url\":\"data:application/pdf;base64,\"}"),
         "input[0].content[0]", "file_url"},
        {PART("{\"type\":\"input_file\",\"file_data\":\"data:application/pdf;base64,\"}"),
         "input[0].content[0]", "data: URL"},
        {PART("{\"type\":\"input_file\",\"file_data\":\"data:pdf;base64,AA\"}"),
         "input[0].content[0]", "data: URL"},
        {PART("{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AA\",\"format\":\"a/b\"}}"),
         "input[0].content[0]", "format"},
        {PART("{\"type\":\"input_file\",\"file_id\":\"f\"}"), "input[0].content[0]", "file_id"},
        {PART("{\"type\":\"input_file\",\"file_data\":\"AAAA\"}"), "input[0].content[0]",
         "data: URL"},
        {PART("{\"type\":\"input_text\",\"text\":\"a\"},{\"type\":\"input_text\"}"),
         "input[0].content[1]", "as a string"},
        {PART("{\"type\":\"input_hologram\"}"), "input[0].content[0]", "not known"},
        {PART("7"), "input[0].content[0]", "object"},
        {USER("7"), "input[0].content", "string or an array"},
        {"\"input\":[{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}]", "input[0]",
         "call_id"},
        {"\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"arguments\":\"{}\"}]",
         "input[0]", "name"},
        {"\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":"
         "\"{\\\"a\\\":\"}]",
         "input[0].arguments", "JSON object"},
        {"\"input\":[{\"type\":\"function_call_output\",\"output\":\"x\"}]", "input[0]", "call_id"},
        {"\"input\":\"x\",\"temperature\":\"hot\"", "temperature", "a number"},
        {"\"input\":\"x\",\"instructions\":[\"a\"]", "instructions", "a string"},
        {"\"input\":\"x\",\"text\":{\"verbosity\":\"\"}", "text.verbosity", "a word"},
        {"\"input\":\"x\",\"text\":{\"verbosity\":1}", "text.verbosity", "a word"},
        {"\"input\":\"x\",\"reasoning\":{\"effort\":\"\\t\"}", "reasoning.effort", "a word"},
        {"\"input\":\"x\",\"tools\":[{\"type\":\"function\"}]", "tools[0]", "`name`"},
        {"\"input\":\"x\",\"tools\":[{\"name\":\"f\"}]", "tools[0]", "`type`"},
        {"\"input\":\"x\",\"tools\":[{\"type\":\"\",\"name\":\"f\"}]", "tools[0]", "`type`"},
        {"\"input\":\"x\",\"tools\":{}", "tools", "an array"},
        {"\"input\":\"x\",\"tool_choice\":\"maybe\"", "tool_choice", "auto"},
        /* which would else allow all of them */
        {"\"input\":\"x\",\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\",\"tools\":["
         "]}",
         "tool_choice", "at least one `name`"},
        {"\"input\":\"x\",\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\",\"tools\":["
         "{\"type\":\"image_generation\"},{\"type\":\"function\",\"name\":\"\"},7]}",
         "tool_choice", "at least one `name`"},
        {"\"input\":\"x\",\"text\":{\"format\":{\"type\":\"json_schema\"}}", "text.format.schema",
         "JSON schema"},
        {"\"input\":\"x\",\"reasoning\":\"high\"", "reasoning", "an object"},
        {"\"input\":\"x\",\"include\":\"all\"", "include", "an array"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = tape_new(SPAN(""));
        struct chat_prompt prompt;
        struct span why, param;
        ROW("%s", rows[i].members);
        EXPECT_EQ(read_prompt(t, rows[i].members, &prompt, &why, &param), -FAIL_BAD_REQUEST);
        EXPECT_BYTES(param.p, param.n, rows[i].param);
        EXPECT(span_search(why, span_str(rows[i].why)) < why.n);
        tape_free(t);
    }
}

/* --- writing --- */

struct write_row {
    const char *name, *members; /* of the Responses request that the prompt is read from */
    void (*change)(struct chat_prompt *, struct arena *); /* and what only others can say */
    const char *model;
    bool lenient;
    const char *body; /* NULL: refused */
    const char *lost; /* the first lost or refused field, or "" */
};

static void with_stop(struct chat_prompt *p, struct arena *a) {
    chat_add_word(&p->stop, a, SPAN("END"));
}
static void with_knobs(struct chat_prompt *p, struct arena *a) {
    (void)a;
    p->top_k = (struct chat_knob){.value = SPAN("4"), .name = "top_k"};
}
static void with_choices(struct chat_prompt *p, struct arena *a) {
    (void)a;
    p->choices = 2;
}
static void with_budget(struct chat_prompt *p, struct arena *a) {
    (void)a;
    p->thinking =
        (struct chat_thinking){.wanted = CHAT_YES, .budget_tokens = 4000, .budget_given = true};
}
static void with_adaptive(struct chat_prompt *p, struct arena *a) {
    (void)a;
    p->thinking = (struct chat_thinking){.wanted = CHAT_YES, .adaptive = true, .shown = CHAT_YES};
}
static void without_thinking(struct chat_prompt *p, struct arena *a) {
    (void)a;
    p->thinking = (struct chat_thinking){.wanted = CHAT_NO};
}
static void with_logit_bias(struct chat_prompt *p, struct arena *a) {
    chat_add_extra(p, a, SPAN("logit_bias"), SPAN("{}"), false);
}
static void with_long_user(struct chat_prompt *p, struct arena *a) {
    p->user = arena_printf(a, "%070d", 7);
    p->service_tier = SPAN("standard_only");
}
static void with_failed_tool(struct chat_prompt *p, struct arena *a) {
    (void)a;
    for (struct chat_message *m = p->messages; m; m = m->next)
        for (struct chat_part *part = m->parts; part; part = part->next)
            part->is_error = part->kind == CHAT_PART_TOOL_RESULT;
}
static void with_foreign_thoughts(struct chat_prompt *p, struct arena *a) {
    struct chat_message *turn = chat_add_message(p, a, CHAT_ASSISTANT);
    struct chat_part *part = chat_add_part(&turn->parts, a, CHAT_PART_REASONING);
    *part = (struct chat_part){.last = part,
                               .kind = CHAT_PART_REASONING,
                               .text = SPAN("hm"),
                               .signature = SPAN("S"),
                               .signer = CHAT_SIGNER_ANTHROPIC};
    part = chat_add_part(&turn->parts, a, CHAT_PART_REDACTED);
    part->data = SPAN("D");
    part->signer = CHAT_SIGNER_ANTHROPIC;
    part = chat_add_part(&turn->parts, a, CHAT_PART_TEXT);
    part->text = SPAN("said");
}
static void with_documents(struct chat_prompt *p, struct arena *a) {
    struct chat_part *part = chat_add_part(&p->messages->parts, a, CHAT_PART_DOCUMENT);
    part->text = SPAN("plain");
    part = chat_add_part(&p->messages->parts, a, CHAT_PART_DOCUMENT);
    part->media_type = SPAN("application/pdf");
    part->data = SPAN("AAAA");
}
static void with_wrapped_grammar(struct chat_prompt *p, struct arena *a) {
    struct chat_tool *tool = chat_add_tool(p, a);
    tool->name = SPAN("g");
    tool->custom = true;
    tool->schema =
        SPAN("{\"type\":\"grammar\",\"grammar\":{\"definition\":\"D\",\"syntax\":\"lark\"}}");
}
static void with_nameless_schema(struct chat_prompt *p, struct arena *a) {
    (void)a;
    p->format = (struct chat_format){.kind = CHAT_FORMAT_SCHEMA, .schema = SPAN("{\"a\":1}")};
}
static void with_foreign_ids(struct chat_prompt *p, struct arena *a) {
    struct chat_message *turn = chat_add_message(p, a, CHAT_ASSISTANT);
    struct chat_part *part = chat_add_part(&turn->parts, a, CHAT_PART_TOOL_CALL);
    part->id = SPAN("toolu_1");
    part->name = SPAN("f");
    part->input = SPAN("{ \"q\": \"\\\"\\u00e9\" }");
    turn = chat_add_message(p, a, CHAT_TOOL);
    part = chat_add_part(&turn->parts, a, CHAT_PART_TOOL_RESULT);
    part->id = SPAN("toolu_1");
}

static void with_picture_in_system(struct chat_prompt *p, struct arena *a) {
    p->messages->role = CHAT_SYSTEM;
    struct chat_part *part = chat_add_part(&p->messages->parts, a, CHAT_PART_IMAGE);
    part->url = SPAN("https://x/");
}
static void with_picture_of_assistant(struct chat_prompt *p, struct arena *a) {
    struct chat_message *turn = chat_add_message(p, a, CHAT_ASSISTANT);
    turn->at = 1;
    struct chat_part *part = chat_add_part(&turn->parts, a, CHAT_PART_IMAGE);
    part->url = SPAN("https://x/");
}

#define END_OF ",\"store\":false,\"stream\":true}"
#define ASKED \
    "\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"x\"}]}]"
#define SIMPLE "{\"model\":\"o\\\"m\"," ASKED

static void run_write(const struct write_row *row) {
    struct tape *t = tape_new(SPAN(""));
    struct chat_prompt prompt;
    struct chat_losses losses = {.lenient = row->lenient};
    struct span why, param;
    struct json_out out;
    ROW("%s", row->name);
    REQUIRE(read_prompt(t, row->members, &prompt, &why, &param) == 0);
    if (row->change)
        row->change(&prompt, &t->arena);
    struct span model = row->model ? span_str(row->model) : SPAN("o\"m");
    struct chat_spell spell = {
        .model = model, .facts = model_facts_find(model), .stream = true, .losses = &losses};
    json_out_arena(&out, &t->arena, 0);
    EXPECT_EQ(RESPONSES->write_prompt(&prompt, &spell, &t->arena, &out),
              row->body ? 0 : -FAIL_UNSUPPORTED);
    if (row->body)
        EXPECT_STR(tape_text(&out), row->body);
    if (row->body)
        EXPECT_EQ(losses.count > 0, row->lost[0] != 0);
    struct span lost = row->body ? losses.names[0] : losses.field;
    EXPECT_BYTES(lost.p, lost.n, row->lost);
    EXPECT(row->body || losses.why.n > 0);
    tape_free(t);
}

TEST(written) {
    static const struct write_row rows[] = {
        {"text", "\"input\":\"x\"", NULL, NULL, false, SIMPLE END_OF, ""},
        {"instructions lead, others stay where they are",
         "\"instructions\":\"a\",\"input\":[{\"role\":\"system\",\"content\":\"b\\n\"},{\"role\":"
         "\"user\",\"content\":\"x\"},{\"role\":\"developer\",\"content\":\"c\"}]",
         NULL, NULL, false,
         "{\"model\":\"o\\\"m\",\"instructions\":\"a\\n\\nb\\n\",\"input\":[{\"role\":\"user\","
         "\"content\":[{\"type\":\"input_text\",\"text\":\"x\"}]},{\"role\":\"developer\","
         "\"content\":"
         "[{\"type\":\"input_text\",\"text\":\"c\"}]}]" END_OF,
         ""},
        {"instructions alone", "\"input\":[{\"role\":\"system\",\"content\":\"s\"}]", NULL, NULL,
         false,
         "{\"model\":\"o\\\"m\",\"instructions\":\"s\",\"input\":[{\"role\":\"user\",\"content\":[]"
         "}]" END_OF,
         ""},
        {"turns that say nothing", "\"input\":[{\"role\":\"assistant\",\"content\":\"\"}]", NULL,
         NULL, false, "{\"model\":\"o\\\"m\",\"input\":[{\"role\":\"user\",\"content\":[]}]" END_OF,
         ""},
        {"an answer with everything",
         "\"input\":[{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"text\":\"r\"},{"
         "\"text\":"
         "\"s\"}],\"encrypted_content\":\"E\"},{\"role\":\"assistant\",\"content\":[{\"type\":"
         "\"output_text\",\"text\":\"a\"},{\"type\":\"refusal\",\"refusal\":\"n\"}]},{\"type\":"
         "\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"},{"
         "\"type\":\"custom_tool_call\",\"call_id\":\"c2\",\"name\":\"g\",\"input\":\"i\"},{"
         "\"type\":"
         "\"function_call_output\",\"call_id\":\"c1\",\"output\":\"1\"},{\"type\":"
         "\"custom_tool_call_output\",\"call_id\":\"c2\",\"output\":[{\"type\":\"input_text\","
         "\"text\":\"2\"},{\"type\":\"input_image\",\"image_url\":\"http:i\",\"detail\":\"low\"}]}"
         "]",
         NULL, NULL, false,
         "{\"model\":\"o\\\"m\",\"input\":[{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{"
         "\"type\":\"summary_text\",\"text\":\"r\"},{\"type\":\"summary_text\",\"text\":\"s\"}],"
         "\"encrypted_content\":\"E\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"output_"
         "text\","
         "\"text\":\"a\"},{\"type\":\"refusal\",\"refusal\":\"n\"}]},{\"type\":\"function_call\","
         "\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"},{\"type\":"
         "\"custom_tool_call\",\"call_id\":\"c2\",\"name\":\"g\",\"input\":\"i\"},{\"type\":"
         "\"function_call_output\",\"call_id\":\"c1\",\"output\":\"1\"},{\"type\":"
         "\"custom_tool_call_output\",\"call_id\":\"c2\",\"output\":[{\"type\":\"input_text\","
         "\"text\":\"2\"},{\"type\":\"input_image\",\"image_url\":\"http:i\",\"detail\":\"low\"}]}"
         "]" END_OF,
         ""},
        {"a tool that failed",
         "\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"boom\"}]",
         with_failed_tool, NULL, false,
         "{\"model\":\"o\\\"m\",\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"c\","
         "\"output\":\"Error: boom\"}]" END_OF,
         ""},
        {"thoughts of another maker", "\"input\":\"x\"", with_foreign_thoughts, NULL, false,
         "{\"model\":\"o\\\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_"
         "text\","
         "\"text\":\"x\"}]},{\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","
         "\"text\":"
         "\"said\"}]}]" END_OF,
         ""},
        {"calls of another dialect", "\"input\":\"x\"", with_foreign_ids, NULL, false,
         "{\"model\":\"o\\\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_"
         "text\","
         "\"text\":\"x\"}]},{\"type\":\"function_call\",\"call_id\":\"toolu_1\",\"name\":\"f\","
         "\"arguments\":\"{ \\\"q\\\": \\\"\\\\\\\"\\\\u00e9\\\" }\"},{\"type\":"
         "\"function_call_output\",\"call_id\":\"toolu_1\",\"output\":\"\"}]" END_OF,
         ""},
        {"documents", "\"input\":\"x\"", with_documents, NULL, false,
         "{\"model\":\"o\\\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_"
         "text\","
         "\"text\":\"x\"},{\"type\":\"input_text\",\"text\":\"plain\"},{\"type\":\"input_file\","
         "\"filename\":\"document.pdf\",\"file_data\":\"data:application/"
         "pdf;base64,AAAA\"}]}]" END_OF,
         ""},
        {"tools",
         "\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\","
         "\"parameters\":{\"a\":1},\"strict\":true},{\"type\":\"function\",\"name\":\"g\"},{"
         "\"type\":"
         "\"custom\",\"name\":\"h\",\"format\":{\"type\":\"text\"}}],\"tool_choice\":{\"type\":"
         "\"custom\",\"name\":\"h\"},\"parallel_tool_calls\":false",
         NULL, NULL, false,
         SIMPLE
         ",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\","
         "\"parameters\":{\"a\":1},\"strict\":true},{\"type\":\"function\",\"name\":\"g\","
         "\"parameters\":{\"type\":\"object\",\"properties\":{}},\"strict\":false},{\"type\":"
         "\"custom\",\"name\":\"h\",\"format\":{\"type\":\"text\"}}],\"tool_choice\":{\"type\":"
         "\"custom\",\"name\":\"h\"},\"parallel_tool_calls\":false" END_OF,
         ""},
        {"a grammar as chat wraps it", "\"input\":\"x\"", with_wrapped_grammar, NULL, false,
         SIMPLE ",\"tools\":[{\"type\":\"custom\",\"name\":\"g\",\"format\":{\"type\":\"grammar\","
                "\"syntax\":\"lark\",\"definition\":\"D\"}}]" END_OF,
         ""},
        {"allowed tools",
         "\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}],\"tool_choice\":{"
         "\"type\":"
         "\"allowed_tools\",\"mode\":\"auto\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]}",
         NULL, NULL, false,
         SIMPLE
         ",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"type\":"
         "\"object\",\"properties\":{}},\"strict\":false}],\"tool_choice\":{\"type\":"
         "\"allowed_tools\",\"mode\":\"auto\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}"
         "]}" END_OF,
         ""},
        {"a choice without tools", "\"input\":\"x\",\"tool_choice\":\"required\"", NULL, NULL,
         false, SIMPLE END_OF, ""},
        {"knobs",
         "\"input\":\"x\",\"max_output_tokens\":100,\"temperature\":0.50,\"top_p\":1,\"metadata\":{"
         "\"a\":\"b\"},\"service_tier\":\"flex\",\"prompt_cache_key\":\"k\",\"user\":\"u\","
         "\"text\":{"
         "\"verbosity\":\"low\",\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{"
         "\"a\":"
         "1},\"strict\":true}}",
         NULL, NULL, false,
         SIMPLE ",\"max_output_tokens\":100,\"temperature\":0.50,\"top_p\":1,\"text\":{\"format\":{"
                "\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{\"a\":1},\"strict\":true},"
                "\"verbosity\":\"low\"},\"safety_identifier\":\"u\",\"metadata\":{\"a\":\"b\"},"
                "\"service_tier\":\"flex\",\"prompt_cache_key\":\"k\"" END_OF,
         ""},
        {"a schema without a name", "\"input\":\"x\"", with_nameless_schema, NULL, false,
         SIMPLE ",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"response\",\"schema\":{"
                "\"a\":1}}}" END_OF,
         ""},
        {"hints that would be refused", "\"input\":\"x\"", with_long_user, NULL, false,
         SIMPLE END_OF, ""},
        {"hints of others", "\"input\":\"x\",\"store\":true,\"truncation\":\"disabled\"", NULL,
         NULL, false, SIMPLE END_OF, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run_write(&rows[i]);
}

#define GPT5   "{\"model\":\"gpt-5\"," ASKED
#define GPT4   "{\"model\":\"gpt-4.1\"," ASKED
#define SEALED ",\"include\":[\"reasoning.encrypted_content\"]"

TEST(thinking_written) {
    static const struct write_row rows[] = {
        {"effort", "\"input\":\"x\",\"reasoning\":{\"effort\":\"high\",\"summary\":\"auto\"}", NULL,
         "gpt-5", false,
         GPT5 ",\"reasoning\":{\"effort\":\"high\",\"summary\":\"auto\"}" SEALED END_OF, ""},
        {"budget", "\"input\":\"x\"", with_budget, "gpt-5", false,
         GPT5 ",\"reasoning\":{\"effort\":\"high\"}" SEALED END_OF, ""},
        {"adaptive, shown", "\"input\":\"x\"", with_adaptive, "gpt-5", false,
         GPT5 ",\"reasoning\":{\"summary\":\"auto\"}" SEALED END_OF, ""},
        {"off", "\"input\":\"x\"", without_thinking, "gpt-5", false,
         GPT5 ",\"reasoning\":{\"effort\":\"none\"}" END_OF, ""},
        {"off where there is none", "\"input\":\"x\"", without_thinking, "gpt-4.1", false,
         GPT4 END_OF, ""},
        {"not said", "\"input\":\"x\"", NULL, "gpt-5", false, GPT5 END_OF, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run_write(&rows[i]);
}

TEST(lost) {
    static const struct write_row rows[] = {
        {"stop", "\"input\":\"x\"", with_stop, NULL, true, SIMPLE END_OF, "stop"},
        {"stop", "\"input\":\"x\"", with_stop, NULL, false, NULL, "stop"},
        {"top_k", "\"input\":\"x\"", with_knobs, NULL, true, SIMPLE END_OF, "top_k"},
        {"top_k", "\"input\":\"x\"", with_knobs, NULL, false, NULL, "top_k"},
        {"n", "\"input\":\"x\"", with_choices, NULL, true, SIMPLE END_OF, "n"},
        {"n", "\"input\":\"x\"", with_choices, NULL, false, NULL, "n"},
        {"extras", "\"input\":\"x\"", with_logit_bias, NULL, true, SIMPLE END_OF, "logit_bias"},
        {"extras", "\"input\":\"x\"", with_logit_bias, NULL, false, NULL, "logit_bias"},
        {"logprobs", "\"input\":\"x\",\"include\":[\"message.output_text.logprobs\"]", NULL, NULL,
         false, NULL, "include"},
        {"hosted tools", "\"input\":\"x\",\"tools\":[{\"type\":\"web_search\"}]", NULL, NULL, true,
         SIMPLE END_OF, "tools[0]"},
        {"hosted tools", "\"input\":\"x\",\"tools\":[{\"type\":\"web_search\"}]", NULL, NULL, false,
         NULL, "tools[0]"},
        {"short limit", "\"input\":\"x\",\"max_output_tokens\":1", NULL, NULL, true,
         SIMPLE ",\"max_output_tokens\":16" END_OF, "max_output_tokens"},
        {"short limit", "\"input\":\"x\",\"max_output_tokens\":1", NULL, NULL, false, NULL,
         "max_output_tokens"},
        {"audio",
         PART("{\"type\":\"input_text\",\"text\":\"x\"},{\"type\":\"input_audio\",\"input_audio\":{"
              "\"data\":\"AAAA\",\"format\":\"wav\"}}"),
         NULL, NULL, true, SIMPLE END_OF, "messages[0].content[1]"},
        {"audio",
         PART("{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAAA\",\"format\":\"wav\"}}"),
         NULL, NULL, false, NULL, "messages[0].content[0]"},
        {"a picture in the instructions", "\"input\":[{\"role\":\"user\",\"content\":\"x\"}]",
         with_picture_in_system, NULL, true,
         "{\"model\":\"o\\\"m\",\"instructions\":\"x\",\"input\":[{\"role\":\"user\",\"content\":[]"
         "}]" END_OF,
         "messages[0].content[1]"},
        {"a picture in the instructions", "\"input\":[{\"role\":\"user\",\"content\":\"x\"}]",
         with_picture_in_system, NULL, false, NULL, "messages[0].content[1]"},
        {"a picture of the assistant's", "\"input\":\"x\"", with_picture_of_assistant, NULL, true,
         SIMPLE END_OF, "messages[1].content[0]"},
        {"a picture of the assistant's", "\"input\":\"x\"", with_picture_of_assistant, NULL, false,
         NULL, "messages[1].content[0]"},
        {"sampling", "\"input\":\"x\",\"temperature\":1", NULL, "claude-opus-4-7", false, NULL,
         "temperature"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run_write(&rows[i]);
}

/* `head`, 60000 of each of two items, and what closes the array. */
static char *long_input(const char *one, const char *two) {
    enum { COUNT = 60000 };
    size_t room = COUNT * (strlen(one) + strlen(two) + 2) + 100;
    char *text = malloc(room), *p = text;
    p += sprintf(p, "\"input\":[{\"role\":\"user\",\"content\":\"a\"}");
    for (unsigned i = 0; i < COUNT; i++)
        p += sprintf(p, ",%s", one);
    for (unsigned i = 0; i < COUNT && *two; i++)
        p += sprintf(p, ",%s", two);
    sprintf(p, "]");
    return text;
}

/* Read and written in time that grows with the length: see test_openai_chat_prompt.c. */
TEST(long_requests_take_time_of_their_length) {
    static const struct {
        const char *name, *one, *two;
    } rows[] = {
        {"answers behind reasoning",
         "{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"t\"}]},"
         "{\"role\":\"assistant\",\"content\":\"a\"}",
         ""},
        {"calls of custom tools and results that are of none",
         "{\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"f\",\"input\":\"x\"}",
         "{\"type\":\"function_call_output\",\"call_id\":\"d\",\"output\":\"x\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tape *t = tape_new(SPAN(""));
        struct chat_prompt prompt;
        struct chat_losses losses = {0};
        struct chat_spell spell = {
            .model = SPAN("m"), .facts = model_facts_find(SPAN("m")), .losses = &losses};
        struct span why, param;
        struct json_out out;
        char *text = long_input(rows[i].one, rows[i].two);
        ROW("%s", rows[i].name);
        json_out_arena(&out, &t->arena, 0);
        clock_t from = clock();
        EXPECT_EQ(read_prompt(t, text, &prompt, &why, &param), 0);
        EXPECT_EQ(RESPONSES->write_prompt(&prompt, &spell, &t->arena, &out), 0);
        EXPECT((clock() - from) / CLOCKS_PER_SEC < 2);
        free(text);
        tape_free(t);
    }
}

TEST(no_memory_to_write) {
    struct tape *t = tape_new(SPAN(""));
    struct chat_prompt prompt;
    struct chat_losses losses = {0};
    struct chat_spell spell = {.model = SPAN("m"), .losses = &losses};
    struct span why, param;
    struct json_out out;
    char little[20];
    EXPECT_EQ(read_prompt(t, "\"input\":\"x\"", &prompt, &why, &param), 0);
    json_out_init(&out, little, sizeof little);
    EXPECT_EQ(RESPONSES->write_prompt(&prompt, &spell, &t->arena, &out), -FAIL_OVERLOAD);
    tape_free(t);
}
