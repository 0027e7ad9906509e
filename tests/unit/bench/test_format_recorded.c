/* test_format_recorded.c - recorded requests which the real providers accepted are accepted by the
 * simulated ones (bench/format_*_read.c): what the readers refuse must be wrong. */
#include "tests/test.h"

#include "bench/fields.h"
#include "bench/format.h"

#include <dirent.h>
#include <yyjson.h>

/* What the simulated clouds refuse though a provider took it: betas, tools that run at the provider,
 * signatures made elsewhere. */
static const char *const BEYOND[] = {
    "mcp_servers",        "server_tool", "code_execution",   "web_search",
    "web_fetch",          "signature\"", "Signature\"",      "thought_signature",
    "container",          "tool_search", "compact",          "mcp_",
    "context_management", "fileSearch",  "inference_geo",    "betas",
    "reasoningContent",   "fallback",    "tool_reference",   "task_budget",
    "output_format",      "background",  "\"conversation\"", "item_reference"};

/* Where the simulated clouds follow the documentation though the provider was recorded to be kinder: a
 * proxy that keeps to the rules is right everywhere. */
static const char *const STRICTER[] = {
    "messages: first message must use the \"user\" role",
    "A conversation must start with a user message.",
    "A conversation must alternate between user and assistant roles.",
    "The text field in the ContentBlock object at messages.0.content.2 is blank."};

static bool stricter(const char *message) {
    for (size_t i = 0; i < sizeof STRICTER / sizeof STRICTER[0]; i++)
        if (!strncmp(message, STRICTER[i], strlen(STRICTER[i])))
            return true;
    return false;
}

static struct ask ask;

static bool beyond(const char *body) {
    for (size_t i = 0; i < sizeof BEYOND / sizeof BEYOND[0]; i++)
        if (strstr(body, BEYOND[i]))
            return true;
    return false;
}

static bool ends_with(const char *text, const char *end) {
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && !strcmp(text + len - end_len, end);
}

/* The status of the recorded answer: X.meta.json beside X.req.json; 200 when it is not there. */
static int recorded_status(const char *req_path) {
    char path[4096];
    size_t size;
    snprintf(path, sizeof path, "%.*s.meta.json", (int)(strlen(req_path) - strlen(".req.json")),
             req_path);
    char *text = test_file(path, &size);
    yyjson_doc *doc = text ? yyjson_read(text, size, 0) : NULL;
    yyjson_val *status = yyjson_obj_get(yyjson_doc_get_root(doc), "status");
    int value = status ? yyjson_get_int(status) : 200;
    yyjson_doc_free(doc);
    free(text);
    return value;
}

struct kept {
    const char *in_url; /* what a URL of this format holds */
    const struct format *format;
    enum sim_kind kind;
    bool model_in_path;
};

static void offer(const char *path, const struct kept *k, unsigned *offered) {
    size_t size;
    char *text = test_file(path, &size);
    yyjson_doc *doc = text ? yyjson_read(text, size, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *url = yyjson_get_str(yyjson_obj_get(root, "url"));
    char *body = yyjson_val_write(yyjson_obj_get(root, "body"), 0, NULL);
    if (url && body && *body == '{' && strstr(url, k->in_url) && !strstr(url, "count_tokens") &&
        !strstr(url, "/compact") && !beyond(body) && recorded_status(path) == 200) {
        struct ask_error e = {0};
        struct format_request request = {.body = body,
                                         .size = strlen(body),
                                         .kind = k->kind,
                                         .model_in_path = k->model_in_path,
                                         .model = ""};
        ROW("%s", strrchr(path, '/') + 1);
        ++*offered;
        if (!k->format->read(&ask, &request, &e) && !stricter(e.message))
            FAIL_TEST("%s", e.message);
    }
    free(body);
    yyjson_doc_free(doc);
    free(text);
}

static unsigned offer_folder(const char *folder, const struct kept *k) {
    char path[8192];
    unsigned offered = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *d; dir && (d = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
        if (ends_with(path, ".req.json"))
            offer(path, k, &offered);
    }
    if (dir)
        closedir(dir);
    return offered;
}

static void run(const char *folder, const struct kept *k, unsigned at_least) {
    const char *found = test_shared(folder);
    if (!found)
        SKIP("needs ../shared");
    char path[4096];
    snprintf(path, sizeof path, "%s", found);
    unsigned offered = offer_folder(path, k);
    EXPECT(offered >= at_least);
}

TEST(bench_recorded_anthropic) {
    run("fixtures/anthropic",
        &(struct kept){"/v1/messages", &format_anthropic, SIM_ANTHROPIC, false}, 20);
}

TEST(bench_recorded_gemini) {
    run("fixtures/gemini", &(struct kept){"enerateContent", &format_gemini, SIM_GEMINI, true}, 20);
}

TEST(bench_recorded_bedrock) {
    run("fixtures/bedrock", &(struct kept){"/converse", &format_converse, SIM_BEDROCK, true}, 5);
}

TEST(bench_recorded_responses) {
    run("fixtures/openai", &(struct kept){"/v1/responses", &format_responses, SIM_OPENAI, false},
        20);
}
