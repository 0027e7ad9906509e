/* test_openai_chat_prompt.c - a chat request as a canonical prompt, a prompt as a chat request, and
 * recorded requests there and back. */
#include <ctype.h>
#include <glob.h>
#include <limits.h>
#include <time.h>

#include <yyjson.h>

#include "core/slab.h"
#include "providers/provider.h"
#include "tests/test.h"

#define MEMORY ((size_t)64 << 20)

struct desk {
    struct memory memory;
    struct arena arena;
    struct chat_request req;
    struct chat_prompt prompt;
    struct span why, param;
    struct json_out out;
};

static void desk_init(struct desk *d, size_t memory_max) {
    memset(d, 0, sizeof *d);
    memory_init(&d->memory, memory_max, 0);
    arena_init(&d->arena, &d->memory);
    json_out_arena(&d->out, &d->arena, 0);
}

static void desk_fini(struct desk *d) {
    arena_fini(&d->arena);
    memory_fini(&d->memory);
}

static const char *text_of(struct json_out *out) {
    json_out_raw(out, span_of("", 1));
    out->n--;
    return out->full ? "(full)" : out->p;
}

static int read_prompt(struct desk *d, struct span body) {
    int rc = dialect_openai_chat.read_request(body, &d->arena, &d->req, &d->why, &d->param);
    EXPECT_EQ(rc, 0);
    return rc < 0 ? rc
                  : dialect_openai_chat.read_prompt(&d->req, &d->arena, &d->prompt, &d->why,
                                                    &d->param);
}

/* --- a prompt written down --- */

static void say(struct json_out *out, const char *before, struct span text, const char *after) {
    json_out_raw(out, span_str(before));
    json_out_raw(out, text);
    json_out_raw(out, span_str(after));
}

static void say_if(struct json_out *out, const char *before, struct span text) {
    if (text.n)
        say(out, before, text, "");
}

static const char *const signers[] = {"", "anthropic", "google", "openai"};

static void dump_parts(struct json_out *out, const struct chat_part *parts) {
    for (const struct chat_part *p = parts; p; p = p->next) {
        static const char *const kinds[] = {
            [CHAT_PART_TEXT] = "text",          [CHAT_PART_IMAGE] = "image",
            [CHAT_PART_DOCUMENT] = "document",  [CHAT_PART_AUDIO] = "audio",
            [CHAT_PART_REASONING] = "reason",   [CHAT_PART_REDACTED] = "redacted",
            [CHAT_PART_REFUSAL] = "refusal",    [CHAT_PART_TOOL_CALL] = "call",
            [CHAT_PART_TOOL_RESULT] = "result",
        };
        say(out, p == parts ? "" : " ", span_str(kinds[p->kind]), p->custom ? "*(" : "(");
        say(out, "", p->text, "");
        say_if(out, " type=", p->media_type);
        say_if(out, " data=", p->data);
        say_if(out, " url=", p->url);
        say_if(out, " name=", p->name);
        say_if(out, " id=", p->id);
        say_if(out, " input=", p->input);
        say_if(out, " detail=", p->detail);
        say_if(out, " sig=", p->signature);
        say_if(out, " by=", span_str(signers[p->signer]));
        if (p->cache)
            say(out, " cache=", p->cache_ttl, "");
        if (p->parts)
            say(out, " [", SPAN(""), "");
        dump_parts(out, p->parts);
        say(out, p->parts ? "])" : ")", SPAN(""), "");
    }
}

static const char *dump_messages(struct desk *d) {
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    for (const struct chat_message *m = d->prompt.messages; m; m = m->next) {
        char at[40];
        snprintf(at, sizeof at, "%s%u", roles[m->role], m->at);
        say(&d->out, d->out.n ? " " : "", span_str(at), "");
        say_if(&d->out, " name=", m->name);
        say(&d->out, "{", SPAN(""), "");
        dump_parts(&d->out, m->parts);
        say(&d->out, "}", SPAN(""), "");
    }
    return text_of(&d->out);
}

static void say_knob(struct json_out *out, const struct chat_knob *knob) {
    if (!knob->value.n)
        return;
    say(out, " ", span_str(knob->name), "=");
    say(out, "", knob->value, "");
}

static const char *dump_rest(struct desk *d) {
    static const char *const flags[] = {"", "no", "yes"};
    const struct chat_prompt *p = &d->prompt;
    struct json_out *out = &d->out;
    for (const struct chat_tool *t = p->tools; t; t = t->next) {
        say(out, t->custom ? " custom(" : t->hosted.n ? " hosted(" : " tool(", t->name, "");
        say_if(out, " hosted=", t->hosted);
        say_if(out, " about=", t->description);
        say_if(out, " schema=", t->schema);
        say_if(out, " strict=", span_str(flags[t->strict]));
        if (t->cache)
            say(out, " cache=", t->cache_ttl, "");
        say(out, ")", SPAN(""), "");
    }
    static const char *const chooses[] = {"", "auto", "none", "any", "named"};
    say_if(out, " choose=", span_str(chooses[p->choose]));
    say_if(out, ":", p->choose_name);
    for (const struct chat_word *w = p->allowed; w; w = w->next)
        say(out, " allowed=", w->text, "");
    say_if(out, " parallel=", span_str(flags[p->parallel_tools]));
    if (p->max_output_tokens) {
        say(out, " ", span_str(p->max_output_name), "=");
        json_out_raw(out,
                     arena_printf(&d->arena, "%llu", (unsigned long long)p->max_output_tokens));
    }
    const struct chat_knob *knobs[] = {&p->temperature,
                                       &p->top_p,
                                       &p->top_k,
                                       &p->min_p,
                                       &p->seed,
                                       &p->frequency_penalty,
                                       &p->presence_penalty,
                                       &p->logprobs,
                                       &p->top_logprobs,
                                       &p->verbosity};
    for (unsigned i = 0; i < sizeof knobs / sizeof knobs[0]; i++)
        say_knob(out, knobs[i]);
    for (const struct chat_word *w = p->stop; w; w = w->next)
        say(out, " stop=", w->text, "");
    if (p->choices != 1)
        json_out_raw(out, arena_printf(&d->arena, " n=%u", p->choices));
    static const char *const formats[] = {"", "text", "object", "schema"};
    say_if(out, " format=", span_str(formats[p->format.kind]));
    say_if(out, ":", p->format.name);
    say_if(out, ":", p->format.description);
    say_if(out, ":", p->format.schema);
    say_if(out, ":", span_str(flags[p->format.strict]));
    say_if(out, " think=", span_str(flags[p->thinking.wanted]));
    say_if(out, ":", p->thinking.effort);
    if (p->thinking.budget_given)
        json_out_raw(
            out, arena_printf(&d->arena, ":%llu", (unsigned long long)p->thinking.budget_tokens));
    say_if(out, "", span_str(p->thinking.adaptive ? ":adaptive" : ""));
    say_if(out, ":shown=", span_str(flags[p->thinking.shown]));
    say_if(out, " user=", p->user);
    say_if(out, " metadata=", p->metadata);
    say_if(out, " tier=", p->service_tier);
    say_if(out, " key=", p->cache_key);
    say_if(out, " ", span_str(p->stream ? "stream" : ""));
    say_if(out, " ", span_str(p->include_usage ? "usage" : ""));
    for (const struct chat_extra *e = p->extras; e; e = e->next) {
        say(out, e->hint ? " hint:" : " extra:", e->name, "=");
        say(out, "", e->value, "");
    }
    return text_of(out);
}

/* --- reading --- */

TEST(messages_become_turns) {
    static const struct {
        const char *messages, *want;
    } rows[] = {
        {"{\"role\":\"system\",\"content\":\"Be\\nterse\"},{\"role\":\"user\",\"content\":\"Hi\"}",
         "system0{text(Be\\nterse)} user1{text(Hi)}"},
        {"{\"role\":\"user\",\"content\":\"Hi\",\"name\":\"an\\u006ea\"},{\"role\":\"developer\","
         "\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"text\":\"b\",\"type\":\"text\"}]}",
         "user0 name=anna{text(Hi)} system1{text(a) text(b)}"},
        {"{\"role\":\"user\",\"content\":\"\"},{\"role\":\"user\",\"content\":null},"
         "{\"role\":\"user\"}",
         "user0{} user1{} user2{}"},
        /* images */
        {"{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
         "\"data:image/png;base64,AA\\/+\",\"detail\":\"low\"}},{\"type\":\"image_url\","
         "\"image_url\":{\"url\":\"https://h/i.png?a=\\u0026\"}},{\"image_url\":\"https://x/\","
         "\"type\":\"image_url\"}]}",
         "user0{image( type=image/png data=AA/+ detail=low) image( url=https://h/i.png?a=&) "
         "image( url=https://x/)}"},
        {"{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"cache_control\":null,\"file\":"
         "null,"
         "\"image_url\":{\"url\":\"https://x/\",\"detail\":null}}]}",
         "user0{image( url=https://x/)}"},
        {"{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":"
         "\"AAAA\",\"format\":\"mp3\"}}]}",
         "user0{audio( type=audio/mp3 data=AAAA)}"},
        /* files */
        {"{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\","
         "\"file_data\":\"data:application/pdf;base64,JVBE\"}},{\"type\":\"file\",\"file\":{"
         "\"file_data\":\"JVBE\"}},{\"type\":\"file\",\"file\":{\"file_data\":\"JVBE\","
         "\"filename\":\"\\\"b\\\".csv\",\"file_id\":null}},{\"type\":\"file\",\"file\":{\"file_"
         "data\":"
         "\"https://h/c.pdf\"}}]}",
         "user0{document( type=application/pdf data=JVBE name=a.pdf) document( "
         "type=application/pdf data=JVBE) document( type=text/csv data=JVBE name=\\\"b\\\".csv) "
         "document( url=https://h/c.pdf)}"},
        /* cache marks */
        {"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{"
         "\"type\":\"ephemeral\",\"ttl\":\"1h\"}},{\"type\":\"text\",\"text\":\"b\"}],"
         "\"cache_control\":{\"type\":\"ephemeral\"}}",
         "user0{text(a cache=1h) text(b cache=)}"},
        /* answers */
        {"{\"role\":\"assistant\",\"content\":\"a\",\"refusal\":\"no\",\"audio\":null,"
         "\"function_call\":null,\"tool_calls\":null}",
         "assistant0{text(a) refusal(no)}"},
        {"{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\","
         "\"function\":{\"name\":\"f\",\"arguments\":\" {\\\"a\\\": 1.50,\\n \\\"b\\\":\\\"\\\\"
         "u00e9\\\"} \"}},{\"type\":\"function\",\"function\":{\"arguments\":\"\",\"name\":\"g\"},"
         "\"id\":\"t2\"}],\"content\":\"ok\",\"reasoning_content\":\"hm\"}",
         "assistant0{reason(hm) text(ok) call( name=f id=t1 input={\"a\": 1.50,\n "
         "\"b\":\"\\u00e9\"}) call( name=g id=t2 input={})}"},
        {"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"t1\",\"type\":"
         "\"custom\",\"custom\":{\"name\":\"f\",\"input\":\"a\\nb\"}},{\"id\":\"t2\",\"type\":"
         "\"function\",\"function\":{\"name\":\"g\",\"arguments\":{\"x\":[]}}}]}",
         "assistant0{call*(a\\nb name=f id=t1 input={}) call( name=g id=t2 input={\"x\":[]})}"},
        /* results that follow each other are one turn */
        {"{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":\"1\"},{\"role\":\"tool\","
         "\"tool_call_id\":\"t2\",\"content\":[{\"type\":\"text\",\"text\":\"2\"},{\"type\":"
         "\"image_url\",\"image_url\":{\"url\":\"data:image/gif;base64,AA\"}}]},{\"role\":\"user\","
         "\"content\":\"a\"},{\"role\":\"tool\",\"tool_call_id\":\"t3\",\"name\":\"f\","
         "\"content\":\"\",\"cache_control\":{\"type\":\"ephemeral\"}}",
         "tool0{result( id=t1 [text(1)]) result( id=t2 [text(2) image( type=image/gif data=AA)])} "
         "user2{text(a)} tool3{result( name=f id=t3 cache=)}"},
        /* the deprecated ones */
        {"{\"role\":\"assistant\",\"content\":null,\"function_call\":{\"name\":\"f\",\"arguments\":"
         "\"{}\"}},{\"role\":\"function\",\"name\":\"f\",\"content\":\"1\"},{\"role\":"
         "\"assistant\",\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"role\":"
         "\"function\",\"name\":\"f\",\"content\":\"2\"}",
         "assistant0{call( name=f id=call_function_1 input={})} tool1{result( name=f "
         "id=call_function_1 [text(1)])} assistant2{call( name=f id=call_function_2 input={})} "
         "tool3{result( name=f id=call_function_2 [text(2)])}"},
        /* reasoning in all its spellings; the one with proofs is taken */
        {"{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\","
         "\"signature\":\"s\"},{\"type\":\"redacted_thinking\",\"data\":\"d\"},{\"type\":\"text\","
         "\"text\":\"a\"},{\"type\":\"refusal\",\"refusal\":\"no\"}]}",
         "assistant0{reason(t sig=s by=anthropic) redacted( data=d by=anthropic) text(a) "
         "refusal(no)}"},
        {"{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_content\":\"t\",\"thinking_"
         "blocks\":"
         "[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"},{\"type\":"
         "\"redacted_thinking\",\"data\":\"d\"},{\"type\":\"other\"},3]}",
         "assistant0{reason(t sig=s by=anthropic) redacted( data=d by=anthropic) text(a)}"},
        {"{\"role\":\"assistant\",\"content\":\"a\",\"reasoning\":\"t\",\"reasoning_details\":[{"
         "\"type\":\"reasoning.text\",\"text\":\"t\",\"signature\":\"s\",\"format\":"
         "\"anthropic-claude-v1\"},{\"type\":\"reasoning.encrypted\",\"data\":\"d\",\"format\":"
         "\"openai-responses-v1\",\"id\":\"rs_1\"},{\"type\":\"reasoning.summary\",\"summary\":"
         "\"u\"}]}",
         "assistant0{reason(t sig=s by=anthropic) redacted( data=d id=rs_1 by=openai) reason(u) "
         "text(a)}"},
        {"{\"role\":\"assistant\",\"content\":\"a\",\"reasoning\":\"t\",\"thinking_blocks\":[],"
         "\"reasoning_details\":null}",
         "assistant0{reason(t) text(a)}"},
        /* Gemini's signatures in their three places */
        {"{\"role\":\"assistant\",\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"id\":"
         "\"t3\",\"data\":\"g3\",\"format\":\"google-gemini-v1\"}],\"tool_calls\":[{\"id\":\"t1\","
         "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"},"
         "\"extra_content\":{\"google\":{\"thought_signature\":\"g1\"}}},{\"id\":\"t2\",\"type\":"
         "\"function\",\"function\":{\"name\":\"f\"},\"provider_specific_fields\":{"
         "\"thought_signature\":\"g2\"}},{\"id\":\"t3\",\"type\":\"function\",\"function\":{"
         "\"name\":\"f\"}}]}",
         "assistant0{redacted( data=g3 id=t3 by=google) call( name=f id=t1 input={} sig=g1 "
         "by=google) call( name=f id=t2 input={} sig=g2 by=google) call( name=f id=t3 input={} "
         "sig=g3 by=google)}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        ROW("%.120s", rows[i].messages);
        desk_init(&d, MEMORY);
        EXPECT_EQ(read_prompt(&d, arena_printf(&d.arena, "{\"model\":\"m\",\"messages\":[%s]}",
                                               rows[i].messages)),
                  0);
        EXPECT_STR(dump_messages(&d), rows[i].want);
        EXPECT(d.prompt.extras == NULL);
        desk_fini(&d);
    }
}

TEST(members_become_what_they_mean) {
    static const struct {
        const char *members, *want;
    } rows[] = {
        {"\"stream\":true,\"stream_options\":{\"include_usage\":true}",
         " stream usage hint:stream_options={\"include_usage\":true}"},
        {"\"max_tokens\":7", " max_tokens=7"},
        {"\"max_completion_tokens\":7,\"max_tokens\":7", " max_completion_tokens=7"},
        {"\"temperature\":0.70,\"top_p\":1e-1,\"top_k\":40,\"min_p\":0.1,\"seed\":-3,"
         "\"frequency_penalty\":-1,\"presence_penalty\":2,\"logprobs\":true,\"top_logprobs\":3,"
         "\"verbosity\":\"low\",\"n\":2",
         " temperature=0.70 top_p=1e-1 top_k=40 min_p=0.1 seed=-3 frequency_penalty=-1 "
         "presence_penalty=2 logprobs=true top_logprobs=3 verbosity=\"low\" n=2"},
        {"\"temperature\":null,\"logprobs\":false,\"n\":null,\"stop\":null,\"tools\":null,"
         "\"tool_choice\":null,\"response_format\":null,\"reasoning_effort\":null,\"thinking\":"
         "null,"
         "\"metadata\":null,\"user\":null,\"logit_bias\":null,\"unknown\":null",
         ""},
        {"\"stop\":\"\\n\"", " stop=\\n"},
        {"\"stop\":[\"a\",\"b\"]", " stop=a stop=b"},
        /* tools */
        {"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\\n\","
         "\"parameters\":{\"type\":\"object\"},\"strict\":true},\"cache_control\":{\"type\":"
         "\"ephemeral\"}},{\"type\":\"function\",\"function\":{\"name\":\"g\",\"strict\":false}}]",
         " tool(f about=d\\n schema={\"type\":\"object\"} strict=yes cache=) tool(g strict=no)"},
        {"\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"f\",\"format\":{\"type\":\"text\"}"
         "}},{\"type\":\"web_search\",\"search_context_size\":\"low\"}]",
         " custom(f schema={\"type\":\"text\"}) hosted( hosted=web_search schema={\"type\":"
         "\"web_search\",\"search_context_size\":\"low\"})"},
        {"\"tools\":[{\"type\":\"function\",\"eager_input_streaming\":true,\"function\":{\"name\":"
         "\"f\",\"returns\":{\"x\":1}},\"scope\":\"s\"}]",
         " tool(f) hint:tools[0].eager_input_streaming=true extra:tools[0].scope=\"s\" "
         "extra:tools[0].function.returns={\"x\":1}"},
        {"\"functions\":[{\"name\":\"f\",\"parameters\":{}}],\"function_call\":{\"name\":\"f\"}",
         " tool(f schema={}) choose=named:f"},
        {"\"functions\":[{\"name\":\"f\"}],\"function_call\":\"none\"", " tool(f) choose=none"},
        {"\"tool_choice\":\"auto\",\"parallel_tool_calls\":false", " choose=auto parallel=no"},
        {"\"tool_choice\":\"required\",\"parallel_tool_calls\":true", " choose=any parallel=yes"},
        {"\"tool_choice\":\"any\"", " choose=any"},
        {"\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}",
         " choose=named:f"},
        {"\"tool_choice\":{\"type\":\"custom\",\"custom\":{\"name\":\"f\"}}", " choose=named:f"},
        {"\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\","
         "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"custom\","
         "\"custom\":{\"name\":\"g\"}}]}}",
         " choose=any allowed=f allowed=g"},
        /* the answer's form */
        {"\"response_format\":{\"type\":\"text\"}", " format=text"},
        {"\"response_format\":{\"type\":\"json_object\"}", " format=object"},
        {"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
         "\"description\":\"d\",\"schema\":{\"a\":1},\"strict\":true}}",
         " format=schema:n:d:{\"a\":1}:yes"},
        {"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\"}}",
         " format=object:n"},
        {"\"response_format\":{\"type\":\"grammar\",\"grammar\":\"g\"}",
         " extra:response_format={\"type\":\"grammar\",\"grammar\":\"g\"}"},
        /* reasoning */
        {"\"reasoning_effort\":\"high\"", " think=yes:high"},
        {"\"reasoning_effort\":\"none\"", " think=no:none"},
        {"\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}", " think=yes:2000"},
        {"\"thinking\":{\"type\":\"enabled\"}", " think=yes"},
        {"\"thinking\":{\"type\":\"disabled\"}", " think=no"},
        {"\"thinking\":{\"type\":\"adaptive\"}", " think=yes:adaptive"},
        {"\"reasoning\":{\"max_tokens\":500,\"exclude\":true}", " think=yes:500:shown=no"},
        {"\"reasoning\":{\"effort\":\"low\",\"enabled\":true}", " think=yes:low"},
        {"\"reasoning\":{\"enabled\":false}", " think=no"},
        /* bookkeeping */
        {"\"user\":\"u\",\"metadata\":{\"a\":\"b\"},\"service_tier\":\"flex\",\"prompt_cache_key\":"
         "\"k\",\"store\":true,\"prediction\":{\"type\":\"content\"},\"modalities\":[\"text\"],"
         "\"prompt_cache_retention\":\"24h\"",
         " user=u metadata={\"a\":\"b\"} tier=flex key=k hint:store=true hint:prediction={\"type\":"
         "\"content\"} hint:prompt_cache_retention=\"24h\" hint:modalities=[\"text\"]"},
        {"\"safety_identifier\":\"s\",\"user\":\"u\"", " user=s"},
        {"\"modalities\":[\"text\",\"audio\"],\"audio\":{\"voice\":\"v\"},\"logit_bias\":{\"1\":2},"
         "\"web_search_options\":{},\"guided_json\":{\"a\":1},\"unknown\":0",
         " extra:audio={\"voice\":\"v\"} extra:logit_bias={\"1\":2} extra:guided_json={\"a\":1} "
         "extra:unknown=0 extra:modalities=[\"text\",\"audio\"]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        ROW("%.120s", rows[i].members);
        desk_init(&d, MEMORY);
        EXPECT_EQ(read_prompt(&d, arena_printf(&d.arena,
                                               "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                                               "\"content\":\"a\"}],%s}",
                                               rows[i].members)),
                  0);
        EXPECT_STR(dump_rest(&d), rows[i].want);
        desk_fini(&d);
    }
}

TEST(unknown_members_of_messages_are_told) {
    struct desk d;
    desk_init(&d, MEMORY);
    EXPECT_EQ(
        read_prompt(&d, SPAN("{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\","
                             "\"content\":[{\"type\":\"text\",\"text\":\"a\",\"x\":1}],"
                             "\"prefix\":true,\"annotations\":[1],\"y\":null,\"tool_calls\":[{"
                             "\"index\":0,\"id\":\"t\",\"function\":{\"name\":\"f\"},\"z\":2}]"
                             "}]}")),
        0);
    EXPECT_STR(dump_rest(&d),
               " extra:messages[0].prefix=true hint:messages[0].annotations=[1] "
               "extra:messages[0].content[0].x=1 hint:messages[0].tool_calls[0].index=0 "
               "extra:messages[0].tool_calls[0].z=2");
    desk_fini(&d);
}

#define USER "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]"

TEST(refuses_with_a_sentence_and_the_member) {
    static const struct {
        const char *members, *param, *why;
    } rows[] = {
        {"\"messages\":[{\"role\":\"judge\"}]", "messages[0].role", "give \"system\""},
        {"\"messages\":[{\"role\":\"user\",\"content\":7}]", "messages[0].content", "a string or"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[\"a\"]}]", "messages[0].content",
         "each part as an object"},
        {"\"messages\":[{\"role\":\"user\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\","
         "\"text\":\"a\"},{\"type\":\"text\"}]}]",
         "messages[1].content[1].text", "give a string"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"video_url\",\"video_url\":{}}]}"
         "]",
         "messages[0].content[0].type", "not known"},
        {"\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"image_url\",\"image_url\":"
         "{\"url\":\"https://x/\"}}]}]",
         "messages[0].content[0].type", "not known for its role"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\"}]"
         "}]",
         "messages[0].content[0].type", "not known for its role"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}"
         "]",
         "messages[0].content[0].image_url.url", "a string that is not empty"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{"
         "\"url\":\"data:image/png,AA\"}}]}]",
         "messages[0].content[0].image_url.url", "base64"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{"
         "\"url\":\"https://x/\\\"\"}}]}]",
         "messages[0].content[0].image_url.url", "leave out quotes"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{"
         "\"data\":\"AA\"}}]}]",
         "messages[0].content[0].input_audio.format", "a string"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{"
         "\"data\":\"AA\",\"format\":\"wav;base64,\"}}]}]",
         "messages[0].content[0].input_audio.format", "such as"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{"
         "\"url\":\"data:;base64,g;base64,AA\"}}]}]",
         "messages[0].content[0].image_url.url", "base64"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":"
         "\"data:pdf;base64,AA\"}}]}]",
         "messages[0].content[0].file.file_data", "base64"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_id\":"
         "\"file-1\"}}]}]",
         "messages[0].content[0].file.file_id", "stored at one provider"},
        {"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"file\"}]}]",
         "messages[0].content[0].file.file_data", "a string"},
        {"\"messages\":[{\"role\":\"assistant\",\"audio\":{\"id\":\"a\"}}]", "messages[0].audio",
         "transcript"},
        {"\"messages\":[{\"role\":\"tool\",\"content\":\"a\"}]", "messages[0].tool_call_id",
         "a string"},
        {"\"messages\":[{\"role\":\"function\",\"name\":\"f\",\"content\":\"a\"}]",
         "messages[0].role", "must follow"},
        {"\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}]",
         "messages[0].tool_calls[0].id", "a string"},
        {"\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"t\",\"function\":{}}]}]",
         "messages[0].tool_calls[0].function.name", "a string"},
        {"\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"t\"}]}]",
         "messages[0].tool_calls[0].function", "give an object"},
#define CALL(arguments)                                                                           \
    "\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"t\",\"function\":{\"name\":" \
    "\"f\",\"arguments\":" arguments "}}]}]",                                                     \
        "messages[0].tool_calls[0].function.arguments", "JSON object as text"
        {CALL("\"[1]\"")},
        {CALL("\"{\"")},
        {CALL("\"{} {}\"")},
        {CALL("\"null\"")},
        {CALL("\"{a:1}\"")},
        {CALL("3")},
        {CALL("[]")},
        {USER ",\"tools\":{}", "tools", "array"},
        {USER ",\"tools\":[3]", "tools[0]", "an object"},
        {USER ",\"tools\":[{\"type\":\"function\"}]", "tools[0].function", "an object"},
        {USER ",\"tools\":[{\"type\":\"function\",\"function\":{}}]", "tools[0].function.name",
         "a string"},
        {USER ",\"tools\":[{}]", "tools[0].type", "a string"},
        {USER ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":3}}]",
         "tools[0].function.parameters", "an object"},
        {USER ",\"tool_choice\":\"maybe\"", "tool_choice", "give \"auto\""},
        {USER ",\"tool_choice\":{\"type\":\"function\"}", "tool_choice", "a string"},
        {USER ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"tools\":[]}}",
         "tool_choice.allowed_tools", "mode"},
        {USER ",\"response_format\":\"json\"", "response_format", "an object"},
        {USER ",\"response_format\":{\"type\":\"json_schema\"}", "response_format.json_schema",
         "an object"},
        {USER ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":\"s\"}}",
         "response_format.json_schema.schema", "an object"},
        {USER ",\"stop\":7", "stop", "array of strings"},
        {USER ",\"stop\":[\"a\",7]", "stop", "array of strings"},
        {USER ",\"temperature\":\"0.5\"", "temperature", "a number"},
        {USER ",\"top_k\":true", "top_k", "a number"},
        {USER ",\"logprobs\":1", "logprobs", "true or false"},
        {USER ",\"reasoning_effort\":3", "reasoning_effort", "a string"},
        {USER ",\"reasoning_effort\":\"a/b\"", "reasoning_effort", "a word"},
        {USER ",\"thinking\":{\"type\":\"yes\"}", "thinking.type", "\"enabled\""},
        {USER ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":\"9\"}",
         "thinking.budget_tokens", "whole number"},
        {USER ",\"metadata\":\"x\"", "metadata", "an object"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        ROW("%.120s", rows[i].members);
        desk_init(&d, MEMORY);
        EXPECT_EQ(read_prompt(&d, arena_printf(&d.arena, "{\"model\":\"m\",%s}", rows[i].members)),
                  -FAIL_BAD_REQUEST);
        EXPECT_BYTES(d.param.p, d.param.n, rows[i].param);
        EXPECT(span_search(d.why, span_str(rows[i].why)) < d.why.n);
        EXPECT(span_ends(d.why, SPAN(".")));
        desk_fini(&d);
    }
}

/* --- writing --- */

struct spelling {
    const char *model;
    unsigned quirks;
    bool stream, strict;
};

static int write_prompt(struct desk *d, const struct spelling *s, struct chat_losses *losses) {
    struct chat_spell spell = {.model = span_str(s->model),
                               .quirks = s->quirks,
                               .facts = model_facts_find(span_str(s->model)),
                               .stream = s->stream,
                               .losses = losses};
    *losses = (struct chat_losses){.lenient = !s->strict};
    d->out.n = 0;
    d->out.comma = false;
    int rc = dialect_openai_chat.write_prompt(&d->prompt, &spell, &d->arena, &d->out);
    if (rc == 0)
        EXPECT_EQ(json_check(json_out_span(&d->out), NULL, NULL), 0);
    return rc;
}

/* A prompt in steps, for what no client of this dialect can say: a message, a part of it, a part in
 * the last part (a result's). */
struct step {
    enum { END, MESSAGE, PART, INNER } what;
    enum chat_role role;
    struct span name;
    unsigned at;
    struct chat_part part;
};
#define MSG(r, ...) \
    { .what = MESSAGE, .role = CHAT_##r, ##__VA_ARGS__ }
#define PART(k, ...)                                                  \
    {                                                                 \
        .what = PART, .part = {.kind = CHAT_PART_##k, ##__VA_ARGS__ } \
    }
#define INNER(k, ...)                                                  \
    {                                                                  \
        .what = INNER, .part = {.kind = CHAT_PART_##k, ##__VA_ARGS__ } \
    }
#define T(x) .text = SPAN_CONST(x)

static void take_step(struct desk *d, const struct step *step) {
    struct chat_message *message = d->prompt.last_message;
    if (step->what == MESSAGE) {
        message = chat_add_message(&d->prompt, &d->arena, step->role);
        message->name = step->name;
        message->at = step->at;
        return;
    }
    struct chat_part **list = step->what == PART ? &message->parts : &message->parts->last->parts;
    struct chat_part *part = chat_add_part(list, &d->arena, step->part.kind);
    struct chat_part *last = part->last;
    *part = step->part;
    part->last = last;
}

TEST(turns_become_messages) {
    static const struct {
        const char *name;
        struct spelling spelling;
        struct step steps[12];
        const char *want, *lost;
    } rows[] = {
        {"system texts are joined, in place",
         {.model = "x"},
         {MSG(USER), PART(TEXT, T("a")), MSG(SYSTEM), PART(TEXT, T("b")),
          PART(TEXT, T("c\\n"), .cache = true)},
         "{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"system\",\"content\":\"b\\n\\nc\\n\"}",
         NULL},
        {"OpenAI's own models have a developer",
         {.model = "gpt-5.5"},
         {MSG(SYSTEM), PART(TEXT, T("a"))},
         "{\"role\":\"developer\",\"content\":\"a\"}",
         NULL},
        {"but not everywhere",
         {.model = "gpt-5.5", .quirks = QUIRK_NO_DEVELOPER_ROLE},
         {MSG(SYSTEM), PART(TEXT, T("a"))},
         "{\"role\":\"system\",\"content\":\"a\"}",
         NULL},
        {"parts of users",
         {.model = "x"},
         {MSG(USER, .name = SPAN_CONST("anna")), PART(TEXT, T("a")),
          PART(IMAGE, .media_type = SPAN_CONST("image/png"), .data = SPAN_CONST("AA"),
               .detail = SPAN_CONST("low")),
          PART(IMAGE, .url = SPAN_CONST("https://x/")),
          PART(AUDIO, .media_type = SPAN_CONST("audio/wav"), .data = SPAN_CONST("BB")),
          PART(DOCUMENT, .media_type = SPAN_CONST("application/pdf"), .data = SPAN_CONST("CC")),
          PART(DOCUMENT, T("plain"), .name = SPAN_CONST("n"))},
         "{\"role\":\"user\",\"name\":\"anna\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{"
         "\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA\",\"detail\":"
         "\"low\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/\"}},{\"type\":"
         "\"input_audio\",\"input_audio\":{\"data\":\"BB\",\"format\":\"wav\"}},{\"type\":\"file\","
         "\"file\":{\"filename\":\"document.pdf\",\"file_data\":\"data:application/pdf;base64,CC\"}"
         "},{\"type\":\"text\",\"text\":\"plain\"}]}",
         NULL},
        {"a user who says nothing",
         {.model = "x"},
         {MSG(USER)},
         "{\"role\":\"user\",\"content\":\"\"}",
         NULL},
        {"images by URL are refused somewhere",
         {.model = "x", .quirks = QUIRK_NO_REMOTE_IMAGES},
         {MSG(USER), PART(IMAGE, .url = SPAN_CONST("https://x/"))},
         "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"(left out)\"}]}",
         "messages[0].content[0]"},
        {"documents by URL are refused everywhere",
         {.model = "x"},
         {MSG(USER), PART(TEXT, T("a")), PART(DOCUMENT, .url = SPAN_CONST("https://x/"))},
         "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}",
         "messages[0].content[1]"},
        {"sound of another kind",
         {.model = "x"},
         {MSG(USER, .at = 4),
          PART(AUDIO, .media_type = SPAN_CONST("audio/flac"), .data = SPAN_CONST("AA"))},
         "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"(left out)\"}]}",
         "messages[4].content[0]"},
        {"nothing at all", {.model = "x"}, {{0}}, "{\"role\":\"user\",\"content\":\".\"}", NULL},
        {"a picture in a system text",
         {.model = "x"},
         {MSG(SYSTEM), PART(TEXT, T("a")), PART(IMAGE, .url = SPAN_CONST("https://x/"))},
         "{\"role\":\"system\",\"content\":\"a\"}",
         "messages[0].content[1]"},
        {"what stood around a call is kept apart, what a citation cut is not",
         {.model = "x"},
         {MSG(ASSISTANT),
          PART(REASONING, T("hm"), .signature = SPAN_CONST("s"), .signer = CHAT_SIGNER_ANTHROPIC),
          PART(TEXT, T("a")), PART(TEXT, T("b")),
          PART(TOOL_CALL, .id = SPAN_CONST("t1"), .name = SPAN_CONST("f"),
               .input = SPAN_CONST("{\"q\": \"\\n\"}"), .signature = SPAN_CONST("g"),
               .signer = CHAT_SIGNER_GOOGLE),
          PART(TEXT, T("c")),
          PART(TOOL_CALL, .id = SPAN_CONST("t2"), .name = SPAN_CONST("g"), .custom = true, T("x"))},
         "{\"role\":\"assistant\",\"content\":\"ab\\n\\nc\",\"tool_calls\":[{\"id\":\"t1\","
         "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"q\\\": "
         "\\\"\\\\n\\\"}\"}},{\"id\":\"t2\",\"type\":\"custom\",\"custom\":{\"name\":\"g\","
         "\"input\":\"x\"}}]}",
         NULL},
        {"only calls",
         {.model = "x"},
         {MSG(ASSISTANT), PART(TOOL_CALL, .id = SPAN_CONST("t1"), .name = SPAN_CONST("f"))},
         "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"t1\",\"type\":"
         "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}",
         NULL},
        {"DeepSeek wants its reasoning back with calls",
         {.model = "deepseek-reasoner", .quirks = QUIRK_REASONING_BACK},
         {MSG(ASSISTANT), PART(REASONING, T("hm")), PART(REDACTED, .data = SPAN_CONST("d")),
          PART(TOOL_CALL, .id = SPAN_CONST("t1"), .name = SPAN_CONST("f")), MSG(ASSISTANT),
          PART(REASONING, T("hm")), PART(TEXT, T("a"))},
         "{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"hm\",\"tool_calls\":[{"
         "\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"
         ",{\"role\":\"assistant\",\"content\":\"a\"}",
         NULL},
        {"refusals, and turns of nothing but thought",
         {.model = "x"},
         {MSG(ASSISTANT), PART(REFUSAL, T("no")), MSG(ASSISTANT), PART(REASONING, T("hm"))},
         "{\"role\":\"assistant\",\"content\":null,\"refusal\":\"no\"},{\"role\":\"assistant\","
         "\"content\":\"\"}",
         NULL},
        {"a picture by the model",
         {.model = "x"},
         {MSG(ASSISTANT), PART(TEXT, T("a")), PART(IMAGE, .data = SPAN_CONST("AA"))},
         "{\"role\":\"assistant\",\"content\":\"a\"}",
         "messages[0].content[1]"},
        {"results: one message each, their pictures behind all of them",
         {.model = "x"},
         {MSG(TOOL), PART(TOOL_RESULT, .id = SPAN_CONST("t1")), INNER(TEXT, T("1")),
          INNER(IMAGE, .media_type = SPAN_CONST("image/png"), .data = SPAN_CONST("AA")),
          INNER(TEXT, T("2")), PART(TOOL_RESULT, .id = SPAN_CONST("t2")),
          INNER(IMAGE, .url = SPAN_CONST("https://x/")), PART(TOOL_RESULT, .id = SPAN_CONST("t3")),
          MSG(USER), PART(TEXT, T("b"))},
         "{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":\"1\\n\\n2\"},{\"role\":\"tool\","
         "\"tool_call_id\":\"t2\",\"content\":\"The result is in the next user message.\"},{"
         "\"role\":\"tool\",\"tool_call_id\":\"t3\",\"content\":\"\"},{\"role\":\"user\","
         "\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA\"}"
         "},{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/\"}}]},{\"role\":\"user\","
         "\"content\":\"b\"}",
         NULL},
        {"results that failed",
         {.model = "x"},
         {MSG(TOOL), PART(TOOL_RESULT, .id = SPAN_CONST("t1"), .is_error = true),
          INNER(TEXT, T("broken")), PART(TOOL_RESULT, .id = SPAN_CONST("t2"), .is_error = true),
          INNER(TEXT, T("error 7")), PART(TOOL_RESULT, .id = SPAN_CONST("t3"), .is_error = true)},
         "{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":\"Error: broken\"},{\"role\":"
         "\"tool\",\"tool_call_id\":\"t2\",\"content\":\"error 7\"},{\"role\":\"tool\","
         "\"tool_call_id\":\"t3\",\"content\":\"Error: \"}",
         NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        struct chat_losses losses;
        ROW("%s", rows[i].name);
        desk_init(&d, MEMORY);
        chat_prompt_init(&d.prompt);
        for (unsigned step = 0; rows[i].steps[step].what != END; step++)
            take_step(&d, &rows[i].steps[step]);
        EXPECT_EQ(write_prompt(&d, &rows[i].spelling, &losses), 0);
        struct span want = arena_printf(&d.arena, "{\"model\":\"%s\",\"messages\":[%s]}",
                                        rows[i].spelling.model, rows[i].want);
        EXPECT_MEM(d.out.p, d.out.n, want.p, want.n);
        EXPECT_EQ(losses.count, rows[i].lost != NULL);
        if (rows[i].lost && losses.count)
            EXPECT_BYTES(losses.names[0].p, losses.names[0].n, rows[i].lost);
        /* Who must not lose anything is refused, and told what. */
        struct spelling strict = rows[i].spelling;
        strict.strict = true;
        EXPECT_EQ(write_prompt(&d, &strict, &losses), rows[i].lost ? -FAIL_UNSUPPORTED : 0);
        if (rows[i].lost)
            EXPECT_BYTES(losses.field.p, losses.field.n, rows[i].lost);
        desk_fini(&d);
    }
}

/* Ids of other dialects: the same for a call and its result. */
TEST(ids_fit) {
    static const struct {
        const char *id;
        unsigned quirks;
        size_t min, max; /* of the id's bytes */
        bool kept;
    } rows[] = {
        {"functions.f:0", 0, 13, 13, true},
        {"toolu_0123456789012345678901234567890123456789", 0, 11, 40, false},
        {"D681PevKs", QUIRK_CALL_IDS_9, 9, 9, true},
        {"D681Pev-s", QUIRK_CALL_IDS_9, 9, 9, false},
        {"call_0", QUIRK_CALL_IDS_9, 9, 9, false},
        {"toolu_0123456789012345678901234567890123456789", QUIRK_CALL_IDS_9, 9, 9, false},
        {"", QUIRK_CALL_IDS_9, 9, 9, false},
    };
    char seen[countof(rows)][64] = {""};
    for (size_t i = 0; i < countof(rows); i++) {
        struct desk d;
        struct chat_losses losses;
        struct span id = span_str(rows[i].id);
        ROW("%s, quirks %u", rows[i].id, rows[i].quirks);
        desk_init(&d, MEMORY);
        chat_prompt_init(&d.prompt);
        struct chat_part call = {.kind = CHAT_PART_TOOL_CALL, .id = id, .name = SPAN("f")};
        struct chat_part result = {.kind = CHAT_PART_TOOL_RESULT, .id = id};
        struct chat_message second = {.role = CHAT_TOOL, .parts = &result};
        struct chat_message first = {.role = CHAT_ASSISTANT, .parts = &call, .next = &second};
        d.prompt.messages = &first;
        struct spelling spelling = {.model = "x", .quirks = rows[i].quirks};
        EXPECT_EQ(write_prompt(&d, &spelling, &losses), 0);
        yyjson_doc *doc = yyjson_read(d.out.p, d.out.n, 0);
        yyjson_val *root = yyjson_doc_get_root(doc);
        const char *of_call = yyjson_get_str(yyjson_ptr_get(root, "/messages/0/tool_calls/0/id"));
        EXPECT_STR(of_call, yyjson_get_str(yyjson_ptr_get(root, "/messages/1/tool_call_id")));
        size_t n = of_call ? strlen(of_call) : 0;
        EXPECT(n >= rows[i].min && n <= rows[i].max);
        EXPECT_EQ(of_call && strcmp(of_call, rows[i].id) == 0, rows[i].kept);
        for (size_t k = 0; rows[i].quirks & QUIRK_CALL_IDS_9 && k < n; k++)
            EXPECT(isalnum((unsigned char)of_call[k]));
        /* No two of these are alike. */
        snprintf(seen[i], sizeof seen[i], "%s", of_call ? of_call : "");
        for (size_t k = 0; k < i; k++)
            EXPECT(strcmp(seen[k], seen[i]) != 0);
        yyjson_doc_free(doc);
        desk_fini(&d);
    }
}

/* Members, as a client of this dialect says them, for the models and kinds of others. */
TEST(members_are_written_as_the_backend_takes_them) {
    static const struct {
        const char *members;
        struct spelling spelling;
        const char *want, *lost;
    } rows[] = {
        {"",
         {.model = "x", .stream = true},
         "\"stream\":true,\"stream_options\":{\"include_usage\":true}",
         NULL},
        {"",
         {.model = "x", .stream = true, .quirks = QUIRK_NO_STREAM_OPTIONS},
         "\"stream\":true",
         NULL},
        {",\"max_tokens\":9", {.model = "x"}, "\"max_completion_tokens\":9", NULL},
        {",\"max_completion_tokens\":9",
         {.model = "x", .quirks = QUIRK_MAX_TOKENS_ONLY},
         "\"max_tokens\":9",
         NULL},
        {",\"n\":3", {.model = "x"}, "\"n\":3", NULL},
        {",\"n\":1", {.model = "x"}, "", NULL},
        {",\"stop\":[\"a\",\"\\n\",\"c\",\"d\"]",
         {.model = "x"},
         "\"stop\":[\"a\",\"\\n\",\"c\",\"d\"]",
         NULL},
        {",\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]",
         {.model = "x"},
         "\"stop\":[\"a\",\"b\",\"c\",\"d\"]",
         "stop"},
        {",\"temperature\":0.50,\"top_p\":1,\"seed\":7,\"frequency_penalty\":0.1,"
         "\"presence_penalty\":-2",
         {.model = "x"},
         "\"temperature\":0.50,\"top_p\":1,\"seed\":7,\"frequency_penalty\":0.1,"
         "\"presence_penalty\":-2",
         NULL},
        {",\"seed\":7", {.model = "x", .quirks = QUIRK_CALL_IDS_9}, "\"random_seed\":7", NULL},
        {",\"top_k\":40", {.model = "x"}, "", "top_k"},
        {",\"min_p\":0.1", {.model = "x"}, "", "min_p"},
        {",\"temperature\":1,\"top_p\":1",
         {.model = "anthropic/claude-sonnet-4-5"},
         "\"temperature\":1",
         "top_p"},
        {",\"temperature\":1", {.model = "anthropic/claude-opus-4-7"}, "", "temperature"},
        {",\"logprobs\":true,\"top_logprobs\":2",
         {.model = "x"},
         "\"logprobs\":true,\"top_logprobs\":2",
         NULL},
        {",\"top_logprobs\":2", {.model = "x"}, "\"logprobs\":true,\"top_logprobs\":2", NULL},
        {",\"verbosity\":\"low\"", {.model = "gpt-5.5"}, "\"verbosity\":\"low\"", NULL},
        {",\"verbosity\":\"low\"", {.model = "x"}, "", "verbosity"},
        /* tools */
        {",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
         "\"parameters\":{\"a\":1},\"strict\":true}},{\"type\":\"custom\",\"custom\":{\"name\":"
         "\"g\",\"format\":{\"type\":\"text\"}}}],\"tool_choice\":\"required\","
         "\"parallel_tool_calls\":false",
         {.model = "x"},
         "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
         "\"parameters\":{\"a\":1},\"strict\":true}},{\"type\":\"custom\",\"custom\":{\"name\":"
         "\"g\",\"format\":{\"type\":\"text\"}}}],\"tool_choice\":\"required\","
         "\"parallel_tool_calls\":false",
         NULL},
#define TOOL(name) "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"
        {",\"tools\":[" TOOL("f") "],\"tool_choice\":" TOOL("f"),
         {.model = "x"},
         "\"tools\":[" TOOL("f") "],\"tool_choice\":" TOOL("f"),
         NULL},
        {",\"tools\":[" TOOL("f") "],\"tool_choice\":\"none\"",
         {.model = "x"},
         "\"tools\":[" TOOL("f") "],\"tool_choice\":\"none\"",
         NULL},
        {",\"tools\":[" TOOL("f") "," TOOL(
             "g") "],\"tool_choice\":{\"type\":\"allowed_tools\","
                  "\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[" TOOL("g") "]}}",
         {.model = "x"},
         "\"tools\":[" TOOL("g") "],\"tool_choice\":\"auto\"",
         NULL},
        {",\"tools\":[{\"type\":\"web_search\"}," TOOL("f") "],\"tool_choice\":\"auto\"",
         {.model = "x"},
         "\"tools\":[" TOOL("f") "],\"tool_choice\":\"auto\"",
         "tools[0]"},
        {",\"tools\":[{\"type\":\"web_search\"}],\"tool_choice\":\"required\","
         "\"parallel_tool_calls\":true",
         {.model = "x"},
         "",
         "tools[0]"},
        /* the answer's form */
        {",\"response_format\":{\"type\":\"text\"}", {.model = "x"}, "", NULL},
        {",\"response_format\":{\"type\":\"json_object\"}",
         {.model = "x", .quirks = QUIRK_NO_SCHEMA},
         "\"response_format\":{\"type\":\"json_object\"}",
         NULL},
        {",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"a\":1},"
         "\"strict\":false}}",
         {.model = "x"},
         "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"response\","
         "\"schema\":{\"a\":1},\"strict\":false}}",
         NULL},
        {",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
         "\"schema\":{\"a\":1}}}",
         {.model = "x", .quirks = QUIRK_NO_SCHEMA},
         "",
         "response_format"},
        /* reasoning */
        {",\"reasoning_effort\":\"high\"",
         {.model = "gpt-5.5"},
         "\"reasoning_effort\":\"high\"",
         NULL},
        {",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}",
         {.model = "gpt-5.5"},
         "\"reasoning_effort\":\"medium\"",
         NULL},
        {",\"thinking\":{\"type\":\"adaptive\"}", {.model = "gpt-5.5"}, "", NULL},
        {",\"thinking\":{\"type\":\"disabled\"}",
         {.model = "gpt-5.5"},
         "\"reasoning_effort\":\"none\"",
         NULL},
        {",\"thinking\":{\"type\":\"disabled\"}", {.model = "deepseek-reasoner"}, "", NULL},
        {",\"reasoning_effort\":\"none\"", {.model = "deepseek-reasoner"}, "", "reasoning_effort"},
        {",\"reasoning_effort\":\"none\"", {.model = "x"}, "\"reasoning_effort\":\"none\"", NULL},
        {",\"thinking\":{\"type\":\"disabled\"}", {.model = "x"}, "", NULL},
        {",\"thinking\":{\"type\":\"disabled\"}", {.model = "gpt-4o"}, "", NULL},
        {",\"reasoning_effort\":\"high\"", {.model = "deepseek-reasoner"}, "", NULL},
        {",\"reasoning_effort\":\"high\"", {.model = "gpt-4o"}, "", "reasoning_effort"},
        /* bookkeeping */
        {",\"user\":\"u\\n\",\"metadata\":{\"a\":\"b\"},\"store\":true,\"service_tier\":\"flex\","
         "\"prompt_cache_key\":\"k\"",
         {.model = "x"},
         "\"user\":\"u\\n\"",
         NULL},
        {",\"user\":\"u\"", {.model = "x", .quirks = QUIRK_NO_STREAM_OPTIONS}, "", NULL},
        {",\"logit_bias\":{\"1\":2}", {.model = "x"}, "", "logit_bias"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        struct chat_losses losses;
        ROW("%s to %s", rows[i].members, rows[i].spelling.model);
        desk_init(&d, MEMORY);
        EXPECT_EQ(read_prompt(
                      &d, arena_printf(&d.arena, "{\"model\":\"m\"," USER "%s}", rows[i].members)),
                  0);
        EXPECT_EQ(write_prompt(&d, &rows[i].spelling, &losses), 0);
        /* The model and what streams stand before the message, the rest behind. */
        struct span head = arena_printf(&d.arena, "{\"model\":\"%s\",", rows[i].spelling.model);
        struct span messages = SPAN(USER);
        EXPECT(span_starts(json_out_span(&d.out), head));
        struct span body = json_out_span(&d.out);
        size_t at = span_search(body, messages);
        EXPECT(at < body.n);
        struct span got = arena_printf(
            &d.arena, "%.*s%.*s", (int)(at > head.n ? at - 1 - head.n : 0), body.p + head.n,
            (int)(body.n - at - messages.n - 1), body.p + at + messages.n);
        if (got.n && got.p[0] == ',')
            got = span_from(got, 1);
        EXPECT_BYTES(got.p, got.n, rows[i].want);
        EXPECT_EQ(losses.count, rows[i].lost != NULL);
        if (rows[i].lost && losses.count)
            EXPECT_BYTES(losses.names[0].p, losses.names[0].n, rows[i].lost);
        struct spelling strict = rows[i].spelling;
        strict.strict = true;
        EXPECT_EQ(write_prompt(&d, &strict, &losses), rows[i].lost ? -FAIL_UNSUPPORTED : 0);
        desk_fini(&d);
    }
}

/* Running out of memory is told as such, wherever it happens, and never as a fault of the client. */
/* `count` times `piece` in an array behind `before`, and `after` it. */
static struct span many(struct arena *arena, const char *before, const char *piece, unsigned count,
                        const char *after) {
    struct json_out out;
    json_out_arena(&out, arena, 0);
    json_out_raw(&out, span_str(before));
    for (unsigned i = 0; i < count; i++) {
        json_out_raw(&out, i ? SPAN(",") : SPAN(""));
        json_out_raw(&out, span_str(piece));
    }
    json_out_raw(&out, span_str(after));
    EXPECT(!out.full);
    return json_out_span(&out);
}

TEST(so_many_tools_may_be_allowed) {
    static const struct {
        unsigned count;
        int rc;
    } rows[] = {{CHAT_ALLOWED_MAX, 0},
                {CHAT_ALLOWED_MAX + 1, -FAIL_BAD_REQUEST},
                {0, -FAIL_BAD_REQUEST}}; /* none would be all */
    for (size_t i = 0; i < countof(rows); i++) {
        struct desk d;
        ROW("%u", rows[i].count);
        desk_init(&d, MEMORY);
        struct span body =
            many(&d.arena,
                 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
                 "\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\","
                 "\"tools\":[",
                 "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", rows[i].count, "]}}}");
        EXPECT_EQ(read_prompt(&d, body), rows[i].rc);
        desk_fini(&d);
    }
}

/* What has a million small pieces is read and written in time that grows with its length: the square
 * of 60000 would take a minute here, and a worker serves nobody else meanwhile. */
TEST(long_requests_take_time_of_their_length) {
    static const struct {
        const char *name, *before, *piece, *after;
    } rows[] = {
        {"stop sequences",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"stop\":[",
         "\"s\"", "]}"},
        {"results", "{\"model\":\"m\",\"messages\":[", "{\"role\":\"tool\",\"tool_call_id\":\"t\"}",
         "]}"},
        {"calls and sealed reasoning",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"reasoning_details\":[{\"type\":"
         "\"reasoning.encrypted\",\"format\":\"google\",\"id\":\"s\",\"data\":\"D\"}],\"tool_"
         "calls\":"
         "[",
         "{\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "]}]}"},
        {"pictures that are lost",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[",
         "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/\"}}", "]}]}"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct desk d;
        ROW("%s", rows[i].name);
        desk_init(&d, 4 * MEMORY);
        struct chat_losses losses = {.lenient = true};
        struct chat_spell spell = {.model = SPAN("x"),
                                   .quirks = QUIRK_NO_REMOTE_IMAGES,
                                   .facts = model_facts_find(SPAN("x")),
                                   .losses = &losses};
        struct span body = many(&d.arena, rows[i].before, rows[i].piece, 60000, rows[i].after);
        clock_t from = clock();
        EXPECT_EQ(read_prompt(&d, body), 0);
        EXPECT_EQ(dialect_openai_chat.write_prompt(&d.prompt, &spell, &d.arena, &d.out), 0);
        EXPECT((clock() - from) / CLOCKS_PER_SEC < 2);
        desk_fini(&d);
    }
}

TEST(a_full_memory_is_told) {
    static const char body[] =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
        "\"image_url\":{\"url\":\"https:\\/\\/x\"}},{\"type\":\"text\",\"text\":\"a\"}]},{\"role\":"
        "\"assistant\",\"tool_calls\":[{\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":"
        "\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]}],\"tools\":[{\"type\":\"function\",\"function\":"
        "{\"name\":\"f\"}}],\"stop\":\"s\",\"x\":1}";
    unsigned told = 0, done = 0;
    for (size_t used = 0; used < 12000; used += 40) {
        struct desk d;
        struct chat_losses losses;
        ROW("%zu bytes taken", used);
        desk_init(&d, 2 * ARENA_BLOCK_SIZE - 1);
        if (used > 8000)
            arena_alloc(&d.arena, 4000);
        arena_alloc(&d.arena, used > 8000 ? used - 4000 : used);
        d.why = SPAN("");
        int rc = dialect_openai_chat.read_request(SPAN(body), &d.arena, &d.req, &d.why, &d.param);
        if (rc == 0)
            rc = dialect_openai_chat.read_prompt(&d.req, &d.arena, &d.prompt, &d.why, &d.param);
        if (rc == 0) {
            struct chat_spell spell = {
                .model = SPAN("x"), .facts = model_facts_find(SPAN("x")), .losses = &losses};
            losses = (struct chat_losses){.lenient = true};
            json_out_arena(&d.out, &d.arena, 0);
            rc = dialect_openai_chat.write_prompt(&d.prompt, &spell, &d.arena, &d.out);
        }
        EXPECT(rc == 0 || rc == -FAIL_OVERLOAD);
        told += rc < 0;
        done += rc == 0;
        desk_fini(&d);
    }
    EXPECT(told > 20 && done > 20);
}

/* --- recorded requests there and back --- */

/* Texts of a content array, joined as the product joins them. */
static yyjson_mut_val *joined(yyjson_mut_doc *doc, yyjson_mut_val *parts) {
    char text[60000] = "";
    size_t i, n;
    yyjson_mut_val *part;
    yyjson_mut_arr_foreach(parts, i, n, part) {
        const char *more = yyjson_mut_get_str(yyjson_mut_obj_get(part, "text"));
        EXPECT(more && strlen(text) + strlen(more) + 3 < sizeof text);
        if (more && strlen(text) + strlen(more) + 3 < sizeof text)
            sprintf(text + strlen(text), "%s%s", i ? "\n\n" : "", more);
    }
    return yyjson_mut_strcpy(doc, text);
}

/* OpenAI takes ids of up to 40 bytes: longer ones are made anew (prompt.c). */
static void fit_id(struct desk *d, yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key) {
    const char *id = yyjson_mut_get_str(yyjson_mut_obj_get(object, key));
    if (!id || strlen(id) <= 40)
        return;
    struct span fits = chat_safe_id(span_str(id), 40, &d->arena);
    yyjson_mut_obj_put(object, yyjson_mut_str(doc, key), yyjson_mut_strncpy(doc, fits.p, fits.n));
}

static void expect_message(struct desk *d, yyjson_mut_doc *doc, yyjson_mut_val *message,
                           bool developer) {
    const char *role = yyjson_mut_get_str(yyjson_mut_obj_get(message, "role"));
    yyjson_mut_val *content = yyjson_mut_obj_get(message, "content"), *part;
    bool system = strcmp(role, "system") == 0 || strcmp(role, "developer") == 0;
    size_t i, n;
    yyjson_mut_arr_foreach(content, i, n, part) {
        yyjson_mut_obj_remove_key(part, "cache_control");
    }
    fit_id(d, doc, message, "tool_call_id");
    yyjson_mut_arr_foreach(yyjson_mut_obj_get(message, "tool_calls"), i, n, part) {
        fit_id(d, doc, part, "id");
    }
    if (system)
        yyjson_mut_obj_put(message, yyjson_mut_str(doc, "role"),
                           yyjson_mut_str(doc, developer ? "developer" : "system"));
    if (yyjson_mut_is_arr(content) && (system || yyjson_mut_arr_size(content) == 1) &&
        yyjson_mut_obj_get(yyjson_mut_arr_get(content, 0), "text"))
        yyjson_mut_obj_put(message, yyjson_mut_str(doc, "content"), joined(doc, content));
    /* Only OpenRouter takes documents by URL. */
    yyjson_mut_val *last = yyjson_mut_is_arr(content) ? yyjson_mut_arr_get_last(content) : NULL;
    const char *data =
        yyjson_mut_get_str(yyjson_mut_obj_get(yyjson_mut_obj_get(last, "file"), "file_data"));
    if (data && strncmp(data, "https:", 6) == 0)
        yyjson_mut_arr_remove_last(content);
    yyjson_mut_obj_remove_key(message, "reasoning_content");
    yyjson_mut_obj_remove_key(message, "annotations");
    yyjson_mut_obj_remove_key(message, "refusal");
    if (!strcmp(role, "assistant") && !yyjson_mut_obj_get(message, "content"))
        yyjson_mut_obj_add_null(doc, message, "content");
}

/* What the body must become, made of the recorded one without the product's help. */
static yyjson_mut_doc *expected(struct desk *d, yyjson_val *body, const char *model) {
    static const char *const gone[] = {"stream",     "stream_options", "provider",  "reasoning",
                                       "moderation", "models",         "transforms"};
    const struct model_facts *facts = model_facts_find(span_str(model));
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_val_mut_copy(doc, body), *item, *limit;
    bool stream = yyjson_is_true(yyjson_obj_get(body, "stream"));
    size_t i, n;
    yyjson_mut_doc_set_root(doc, root);
    yyjson_val *effort = yyjson_ptr_get(body, "/reasoning/effort");
    for (i = 0; i < sizeof gone / sizeof gone[0]; i++)
        yyjson_mut_obj_remove_key(root, gone[i]);
    if (effort)
        yyjson_mut_obj_add_val(doc, root, "reasoning_effort", yyjson_val_mut_copy(doc, effort));
    if (!(facts->facts & MODEL_EFFORT))
        yyjson_mut_obj_remove_key(root, "reasoning_effort");
    if (yyjson_mut_get_uint(yyjson_mut_obj_get(root, "n")) == 1)
        yyjson_mut_obj_remove_key(root, "n");
    if ((limit = yyjson_mut_obj_remove_key(root, "max_tokens")))
        yyjson_mut_obj_add_val(doc, root, "max_completion_tokens", limit);
    if (stream) {
        yyjson_mut_obj_add_true(doc, root, "stream");
        yyjson_mut_val *options = yyjson_mut_obj_add_obj(doc, root, "stream_options");
        yyjson_mut_obj_add_true(doc, options, "include_usage");
    }
    yyjson_mut_arr_foreach(yyjson_mut_obj_get(root, "messages"), i, n, item) {
        expect_message(d, doc, item, (facts->facts & MODEL_MAX_COMPLETION) != 0);
    }
    yyjson_mut_arr_foreach(yyjson_mut_obj_get(root, "tools"), i, n, item) {
        yyjson_mut_obj_remove_key(item, "cache_control");
        yyjson_mut_obj_remove_key(item, "eager_input_streaming");
        yyjson_mut_val *function = yyjson_mut_obj_get(item, "function");
        if (yyjson_mut_equals_str(yyjson_mut_obj_get(function, "description"), ""))
            yyjson_mut_obj_remove_key(function, "description");
    }
    return doc;
}

static void there_and_back(yyjson_val *body) {
    struct desk d;
    struct chat_losses losses;
    size_t size;
    char *text = yyjson_val_write(body, YYJSON_WRITE_PRETTY, &size);
    const char *model = yyjson_get_str(yyjson_obj_get(body, "model"));
    desk_init(&d, MEMORY);
    EXPECT_EQ(read_prompt(&d, span_of(text, size)), 0);
    struct spelling spelling = {.model = model, .stream = d.req.stream};
    EXPECT_EQ(write_prompt(&d, &spelling, &losses), 0);
    yyjson_doc *got = yyjson_read(d.out.p, d.out.n, 0);
    yyjson_mut_doc *want = expected(&d, body, model);
    yyjson_mut_doc *same = yyjson_doc_mut_copy(got, NULL);
    bool equal = yyjson_mut_equals(yyjson_mut_doc_get_root(same), yyjson_mut_doc_get_root(want));
    if (!equal) {
        char *wanted = yyjson_mut_write(want, 0, NULL);
        FAIL_TEST("got  %.*s\nwant %s", (int)d.out.n, d.out.p, wanted);
        free(wanted);
    }
    yyjson_mut_doc_free(same);
    yyjson_mut_doc_free(want);
    yyjson_doc_free(got);
    free(text);
    desk_fini(&d);
}

TEST(recorded_requests_there_and_back) {
    static const char *const folders[] = {"openai",   "azure",   "groq",
                                          "deepseek", "mistral", "openrouter"};
    unsigned count = 0;
    for (size_t f = 0; f < sizeof folders / sizeof folders[0]; f++) {
        char place[100], pattern[5000];
        glob_t found;
        snprintf(place, sizeof place, "fixtures/%s", folders[f]);
        const char *folder = test_shared(place);
        if (!folder) {
            SKIP("needs ../shared");
        }
        snprintf(pattern, sizeof pattern, "%s/*.req.json", folder);
        if (glob(pattern, 0, NULL, &found) != 0)
            continue;
        for (size_t i = 0; i < found.gl_pathc; i++) {
            size_t size;
            char *bytes = test_file(found.gl_pathv[i], &size);
            yyjson_doc *doc = bytes ? yyjson_read(bytes, size, 0) : NULL;
            yyjson_val *body = yyjson_obj_get(yyjson_doc_get_root(doc), "body");
            ROW("%s", strrchr(found.gl_pathv[i], '/') + 1);
            EXPECT(doc != NULL);
            if (yyjson_obj_get(body, "messages")) {
                there_and_back(body);
                count++;
            }
            yyjson_doc_free(doc);
            free(bytes);
        }
        globfree(&found);
    }
    EXPECT(count > 100);
}
