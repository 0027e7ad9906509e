/* text.c - see text.h. */
#include "bench/yard/text.h"

#include "bench/bytes.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct text text_whole, text_open, text_event, text_finish;
const unsigned text_whole_events = 4, text_open_events = 2;

/* The fields that OpenAI's answers have and a proxy has to read or carry. */
static const char HEAD[] = "HTTP/1.1 200 OK\r\n"
                           "date: Fri, 21 Nov 2025 10:00:00 GMT\r\n"
                           "content-type: text/event-stream; charset=utf-8\r\n"
                           "transfer-encoding: chunked\r\n"
                           "x-request-id: req_6f1e0c5d2b7a4938a1c0\r\n"
                           "\r\n";

static const char CHUNK[] =
    "data: {\"id\":\"chatcmpl-Bx81\",\"object\":\"chat.completion.chunk\",\"created\":1763719200,"
    "\"model\":\"bench-1\",\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%s}]}\n\n";

/* As one chunk of a body. */
static void add_chunk(struct bytes *to, const char *body, size_t n) {
    bytes_fmt(to, "%zx\r\n", n);
    bytes_add(to, body, n);
    bytes_str(to, "\r\n");
}

static void add_role(struct bytes *to) {
    bytes_fmt(to, CHUNK, "{\"role\":\"assistant\",\"content\":\"\"}", "null");
}

/* An event of `size` bytes in all. */
static void add_token(struct bytes *to, size_t size) {
    char words[TEXT_EVENT + 1], delta[TEXT_EVENT + 32];
    size_t fill = size - (size_t)snprintf(NULL, 0, CHUNK, "{\"content\":\"\"}", "null");
    for (size_t i = 0; i < fill; i++)
        words[i] = " token"[i % 6];
    words[fill] = '\0';
    snprintf(delta, sizeof delta, "{\"content\":\"%s\"}", words);
    bytes_fmt(to, CHUNK, delta, "null");
}

static void add_end(struct bytes *to) {
    bytes_fmt(to, CHUNK, "{}", "\"stop\"");
    bytes_str(to, "data: [DONE]\n\n");
}

static struct text taken(struct bytes *b) {
    struct text text = {b->data + b->start, bytes_len(b)};
    *b = (struct bytes){0};
    return text;
}

/* The body, in one chunk, behind a head if there is to be one. */
static struct text packed(const char *head, struct bytes *body, bool last) {
    struct bytes out = {0};
    bytes_str(&out, head);
    add_chunk(&out, bytes_at(body), bytes_len(body));
    if (last)
        bytes_str(&out, "0\r\n\r\n");
    bytes_clear(body);
    return taken(&out);
}

void text_init(void) {
    struct bytes body = {0};
    add_role(&body);
    add_token(&body, TEXT_SHORT_EVENT);
    add_end(&body);
    text_whole = packed(HEAD, &body, true);
    add_role(&body);
    add_token(&body, TEXT_EVENT);
    text_open = packed(HEAD, &body, false);
    add_token(&body, TEXT_EVENT);
    text_event = packed("", &body, false);
    add_end(&body);
    text_finish = packed("", &body, true);
    bytes_free(&body);
}

struct text text_request(const char *fields) {
    static const char BEGIN[] =
        "{\"model\":\"bench\",\"stream\":true,\"temperature\":0.7,\"max_tokens\":256,\"messages\":["
        "{\"role\":\"system\",\"content\":\"You are a helpful assistant.\"},"
        "{\"role\":\"user\",\"content\":\"";
    static const char END[] = "\"}]}";
    static const char WORDS[] = "Why is the sky blue, and why is it red in the evening? ";
    struct bytes out = {0};
    bytes_fmt(&out,
              "POST /v1/chat/completions HTTP/1.1\r\n"
              "Host: yard.test\r\n"
              "Accept: application/json\r\n"
              "Content-Type: application/json\r\n"
              "User-Agent: OpenAI/Python 2.8.0\r\n"
              "Authorization: Bearer sk-bench\r\n"
              "%sContent-Length: %d\r\n\r\n%s",
              fields, TEXT_REQUEST_BODY, BEGIN);
    for (size_t i = sizeof BEGIN - 1; i < TEXT_REQUEST_BODY - (sizeof END - 1); i++)
        bytes_add(&out, WORDS + i % (sizeof WORDS - 1), 1);
    bytes_str(&out, END);
    return taken(&out);
}
