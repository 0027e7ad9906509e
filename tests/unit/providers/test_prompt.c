/* test_prompt.c - what all dialects share: media types, data: URLs. */
#include "tests/test.h"

#include "core/base.h"
#include "core/slab.h"
#include "providers/provider.h"

TEST(media_types) {
    static const struct {
        const char *text;
        bool is;
    } rows[] = {
        {"image/png", true},
        {"IMAGE/Svg+xml", true},
        {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", true},
        {"audio/pcm;rate=16000", true},
        {"text/plain; charset=utf-8 ;x=y", true},
        {"", false},
        {"/", false},
        {"image", false},
        {"image/", false},
        {"/png", false},
        {"image/png/x", false},
        {"image/p ng", false},
        {"image/p,ng", false},
        {"image/p\xc3\xa9", false},
        {";base64,g", false},
        {"image/png;", false},
        {"image/png;base64", false},
        {"image/png;base64,g", false},
        {"image/png;a=", false},
        {"image/png;=a", false},
        {"image/png;a=b=c", false},
        {"image/png;a=\"b\"", false},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].text);
        EXPECT_EQ(chat_is_media_type(span_str(rows[i].text)), rows[i].is);
    }
    EXPECT(!chat_is_media_type(span_of(NULL, 0)));
}

TEST(data_urls) {
    static const struct {
        const char *url, *type, *data; /* type NULL: it is none */
    } rows[] = {
        {"data:image/png;base64,AAAA", "image/png", "AAAA"},
        {"DATA:image/png;BASE64,AAAA", "image/png", "AAAA"},
        {"data:text/plain;charset=utf-8;base64,QQ==", "text/plain", "QQ=="},
        {"data:application/pdf;name=a b.pdf;base64,QQ==", "application/pdf", "QQ=="},
        {"data:image/png;base64,", "image/png", ""},
        {"data:image/png;base64,A,;base64,B", "image/png", "A,;base64,B"},
        {"data:", NULL, NULL},
        {"data:,", NULL, NULL},
        {"data:image/png,AAAA", NULL, NULL},
        {"data:image/png;base64", NULL, NULL},
        {"data:image/png;base64;x=y,AAAA", NULL, NULL},
        {"data:image/pngbase64,AAAA", NULL, NULL},
        {"data:;base64,AAAA", NULL, NULL},
        {"data:;base64,g;base64,AAAA", NULL, NULL},
        {"data:image;base64,AAAA", NULL, NULL},
        {"data:image/;base64,AAAA", NULL, NULL},
        {"data: image/png;base64,AAAA", NULL, NULL},
        /* not base64: the data begins at the first comma */
        {"data:text/plain,a;base64,QQ==", NULL, NULL},
        {"data:text/plain;x=a,b;base64,QQ==", NULL, NULL},
        {"https://x/;base64,AAAA", NULL, NULL},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        struct span type = SPAN("untouched"), data = SPAN("untouched");
        ROW("%s", rows[i].url);
        EXPECT_EQ(chat_data_url(span_str(rows[i].url), &type, &data), rows[i].type != NULL);
        EXPECT_BYTES(type.p, type.n, rows[i].type ? rows[i].type : "untouched");
        EXPECT_BYTES(data.p, data.n, rows[i].data ? rows[i].data : "untouched");
    }
}

TEST(a_url_is_taken_as_what_it_is) {
    static const struct {
        const char *url, *media_type, *data, *left;
        bool taken;
    } rows[] = {
        {"https://x/y.png", "", "", "https://x/y.png", true},
        {"s3://bucket/key", "", "", "s3://bucket/key", true},
        {"data:image/gif;base64,R0lG", "image/gif", "R0lG", "", true},
        {"data:image/gif;base64,", "", "", "", false},
        {"Data:image/gif,R0lG", "", "", "", false},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        struct chat_part part = {.kind = CHAT_PART_IMAGE};
        ROW("%s", rows[i].url);
        EXPECT_EQ(chat_take_url(&part, span_str(rows[i].url)), rows[i].taken);
        EXPECT_BYTES(part.url.p, part.url.n, rows[i].left);
        if (!rows[i].taken)
            continue;
        EXPECT_BYTES(part.media_type.p, part.media_type.n, rows[i].media_type);
        EXPECT_BYTES(part.data.p, part.data.n, rows[i].data);
    }
}

TEST(what_is_written_as_a_data_url_is_read_back) {
    static const struct {
        const char *media_type, *url, *read;
    } rows[] = {
        {"image/png", "\"u\":\"data:image/png;base64,AA==\"", "image/png"},
        {"text/plain; charset=utf-8 ; a=b",
         "\"u\":\"data:text/plain;charset=utf-8;a=b;base64,AA==\"", "text/plain"},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        struct chat_part part = {.media_type = span_str(rows[i].media_type), .data = SPAN("AA==")};
        struct span type = SPAN(""), data = SPAN("");
        struct json_out out;
        char text[200];
        ROW("%s", rows[i].media_type);
        json_out_init(&out, text, sizeof text);
        chat_write_data_url(&out, SPAN("u"), &part);
        struct span got = json_out_span(&out);
        EXPECT_BYTES(got.p, got.n, rows[i].url);
        EXPECT(got.n > 6 && chat_data_url(span_of(got.p + 5, got.n - 6), &type, &data));
        EXPECT_BYTES(type.p, type.n, rows[i].read);
        EXPECT_BYTES(data.p, data.n, "AA==");
    }
}

/* An empty text document of Anthropic's: nowhere may it become a file without data. */
TEST(what_says_nothing_is_no_file) {
    static const struct span body = SPAN_CONST(
        "{\"model\":\"m\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":[{"
        "\"type\":"
        "\"document\",\"title\":\"t\",\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\","
        "\"data\":\"\"}},{\"type\":\"text\",\"text\":\"hello\"}]}]}");
    static const struct dialect *const targets[] = {&dialect_openai_chat, &dialect_openai_responses,
                                                    &dialect_anthropic, &dialect_gemini,
                                                    &dialect_converse};
    for (unsigned i = 0; i < countof(targets); i++) {
        struct memory memory;
        struct arena arena;
        struct chat_request req = {.model = SPAN("")};
        struct chat_prompt prompt;
        struct chat_losses losses = {.lenient = false};
        struct chat_spell spell = {
            .model = SPAN("m"), .facts = model_facts_find(SPAN("m")), .losses = &losses};
        struct span why, param;
        struct json_out out;
        ROW("%s", targets[i]->name);
        memory_init(&memory, (size_t)16 << 20, 0);
        arena_init(&arena, &memory);
        json_out_arena(&out, &arena, 0);
        EXPECT_EQ(dialect_anthropic.read_request(body, &arena, &req, &why, &param), 0);
        EXPECT_EQ(dialect_anthropic.read_prompt(&req, &arena, &prompt, &why, &param), 0);
        EXPECT_EQ(targets[i]->write_prompt(&prompt, &spell, &arena, &out), 0);
        struct span got = json_out_span(&out);
        EXPECT(span_search(got, SPAN("hello")) < got.n);
        EXPECT(span_search(got, SPAN("file")) == got.n);
        EXPECT(span_search(got, SPAN("document")) == got.n);
        arena_fini(&arena);
        memory_fini(&memory);
    }
}
