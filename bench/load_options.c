/* load_options.c - the command line of `hedgerow-bench load`; see load.h. */
#include "bench/load.h"
#include "bench/commands.h"
#include "bench/units.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPEN_CONNECTIONS = 1024, /* defaults */
    CLOSED_CONNECTIONS = 16,
    CONNECTIONS_MAX = 60000 /* one address has no more local ports */
};

static const double DEFAULT_RATE = 10;
static const uint64_t DEFAULT_DURATION_NS = 10ull * UNITS_NS_PER_S;
static const uint64_t DEFAULT_TIMEOUT_NS = 60ull * UNITS_NS_PER_S;

static const char USAGE[] =
    "usage: hedgerow-bench load --url URL [OPTIONS]\n"
    "\n"
    "Sends chat completions and reports time to first token, time between tokens and total time.\n"
    "Open loop unless --closed: requests are due at a rate, whatever the server does, and every\n"
    "latency counts from the time the request was due.\n"
    "\n"
    "  --url URL          http:// or https://; /v1/chat/completions is added to a bare host\n"
    "  --rate R           requests per second, Poisson arrivals (default 10)\n"
    "  --constant         equal gaps instead of Poisson\n"
    "  --closed           closed loop: every connection sends its next request after the last "
    "answer\n"
    "  --connections N    at most this many (default 1024); with --closed exactly (default 16)\n"
    "  --duration S       seconds, or with a unit: 90s, 5m (default 10s)\n"
    "  --requests N       end after so many requests\n"
    "  --warmup N         the first N requests are not reported\n"
    "  --timeout S        of one request (default 60s)\n"
    "  --stream           ask for a stream\n"
    "  --model M          (default gpt-5.5)\n"
    "  --key K            sent as Authorization: Bearer K\n"
    "  --header 'K: V'    a further header field; may be repeated\n"
    "  --prompt-bytes N   size of the user message (default 64)\n"
    "  --body FILE        the whole request body instead\n"
    "  --ca FILE          authorities to trust; --insecure: no verification\n"
    "  --json FILE        the report as JSON (\"-\": to standard output, instead of the table)\n"
    "  --seed N           of the arrivals (default 1)\n"
    "\n"
    "Exit status: 0 when at least one request succeeded, 1 when none did, 2 wrong usage.\n";

enum option_id {
    OPTION_URL = 256,
    OPTION_RATE,
    OPTION_CONSTANT,
    OPTION_CLOSED,
    OPTION_CONNECTIONS,
    OPTION_DURATION,
    OPTION_REQUESTS,
    OPTION_WARMUP,
    OPTION_TIMEOUT,
    OPTION_STREAM,
    OPTION_MODEL,
    OPTION_KEY,
    OPTION_HEADER,
    OPTION_PROMPT,
    OPTION_BODY,
    OPTION_CA,
    OPTION_INSECURE,
    OPTION_JSON,
    OPTION_SEED,
    OPTION_HELP
};

static const struct option options[] = {
    {"url", required_argument, NULL, OPTION_URL},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"constant", no_argument, NULL, OPTION_CONSTANT},
    {"closed", no_argument, NULL, OPTION_CLOSED},
    {"connections", required_argument, NULL, OPTION_CONNECTIONS},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"requests", required_argument, NULL, OPTION_REQUESTS},
    {"warmup", required_argument, NULL, OPTION_WARMUP},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"stream", no_argument, NULL, OPTION_STREAM},
    {"model", required_argument, NULL, OPTION_MODEL},
    {"key", required_argument, NULL, OPTION_KEY},
    {"header", required_argument, NULL, OPTION_HEADER},
    {"prompt-bytes", required_argument, NULL, OPTION_PROMPT},
    {"body", required_argument, NULL, OPTION_BODY},
    {"ca", required_argument, NULL, OPTION_CA},
    {"insecure", no_argument, NULL, OPTION_INSECURE},
    {"json", required_argument, NULL, OPTION_JSON},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

bool load_options_url(struct load_options *o, const char *url) {
    static const char chat[] = "/chat/completions";
    o->tls = !strncmp(url, "https://", 8);
    if (!o->tls && strncmp(url, "http://", 7))
        return false;
    const char *host = url + (o->tls ? 8 : 7), *end = host + strcspn(host, "/?#");
    bool six = *host == '[';
    const char *close = six ? memchr(host, ']', (size_t)(end - host)) : NULL;
    const char *colon = memchr(close ? close : host, ':', (size_t)(end - (close ? close : host)));
    size_t host_len = (size_t)((colon ? colon : end) - host);
    if (!host_len || (six && !close) || host_len >= sizeof o->host)
        return false;
    snprintf(o->host, sizeof o->host, "%.*s", (int)(host_len - 2 * six), host + six);
    snprintf(o->port, sizeof o->port, "%s", o->tls ? "443" : "80");
    if (colon)
        snprintf(o->port, sizeof o->port, "%.*s", (int)(end - colon - 1), colon + 1);
    uint64_t port;
    if (!units_count(o->port, &port) || port == 0 || port > UINT16_MAX)
        return false;
    snprintf(o->host_header, sizeof o->host_header, "%.*s", (int)(end - host), host);
    size_t path_len = strcspn(end, "#");
    while (path_len && end[path_len - 1] == '/')
        path_len--;
    bool v1 = path_len >= 3 && !strncmp(end + path_len - 3, "/v1", 3);
    int len = snprintf(o->path, sizeof o->path, "%s%.*s%s", path_len ? "" : "/v1", (int)path_len,
                       end, path_len && !v1 ? "" : chat);
    return len > 0 && (size_t)len < sizeof o->path;
}

/* Durations on the command line may leave out the unit: seconds. */
static bool seconds(const char *text, uint64_t *out_ns) {
    double value;
    if (units_number(text, &value) && value <= 1e6) {
        *out_ns = (uint64_t)(value * UNITS_NS_PER_S);
        return true;
    }
    return units_duration_ns(text, out_ns);
}

static bool add_header(struct load_options *o, const char *line) {
    const char *colon = strchr(line, ':');
    if (!colon || colon == line || strpbrk(line, "\r\n"))
        return false;
    bytes_fmt(&o->headers, "%s\r\n", line);
    return true;
}

static bool set_text(const char **out, const char *value) {
    *out = value;
    return true;
}

static bool read_option(struct load_options *o, int id, const char *value) {
    switch ((enum option_id)id) {
    case OPTION_URL: return load_options_url(o, value);
    case OPTION_RATE: return units_number(value, &o->rate) && o->rate > 0 && o->rate <= 1e6;
    case OPTION_CONSTANT: return o->constant = true;
    case OPTION_CLOSED: return o->closed = true;
    case OPTION_CONNECTIONS:
        return units_count(value, &o->connections) && o->connections &&
               o->connections <= CONNECTIONS_MAX;
    case OPTION_DURATION: return seconds(value, &o->duration_ns) && o->duration_ns;
    case OPTION_REQUESTS: return units_count(value, &o->requests) && o->requests;
    case OPTION_WARMUP: return units_count(value, &o->warmup);
    case OPTION_TIMEOUT: return seconds(value, &o->timeout_ns) && o->timeout_ns;
    case OPTION_STREAM: return o->stream = true;
    case OPTION_MODEL: return set_text(&o->model, value);
    case OPTION_KEY: return set_text(&o->key, value);
    case OPTION_HEADER: return add_header(o, value);
    case OPTION_PROMPT: return units_count(value, &o->prompt_bytes) && o->prompt_bytes <= 16 << 20;
    case OPTION_BODY: return set_text(&o->body_file, value);
    case OPTION_CA: return set_text(&o->ca, value);
    case OPTION_INSECURE: return o->insecure = true;
    case OPTION_JSON: return set_text(&o->json_file, value);
    case OPTION_SEED: return units_count(value, &o->seed);
    case OPTION_HELP: break;
    }
    return false;
}

int load_options_read(struct load_options *o, int argc, char **argv) {
    *o = (struct load_options){.rate = DEFAULT_RATE,
                               .timeout_ns = DEFAULT_TIMEOUT_NS,
                               .prompt_bytes = 64,
                               .seed = 1,
                               .model = "gpt-5.5"};
    int at;
    for (int id; (id = getopt_long(argc, argv, "h", options, &at)) != -1;) {
        if (id == OPTION_HELP || id == 'h') {
            fputs(USAGE, stdout);
            return EXIT_OK;
        }
        if (id == '?') {
            fputs(USAGE, stderr);
            return EXIT_USAGE;
        }
        if (!read_option(o, id, optarg)) {
            fprintf(stderr, "hedgerow-bench load: --%s does not take \"%s\"\n",
                    options[id - OPTION_URL].name, optarg ? optarg : "");
            return EXIT_USAGE;
        }
    }
    if (!o->host[0] || optind != argc) {
        fputs(USAGE, stderr);
        return EXIT_USAGE;
    }
    if (!o->duration_ns && !o->requests)
        o->duration_ns = DEFAULT_DURATION_NS;
    if (!o->connections)
        o->connections = o->closed ? CLOSED_CONNECTIONS : OPEN_CONNECTIONS;
    return -1;
}

void load_options_free(struct load_options *o) { bytes_free(&o->headers); }
