/* clouds.c - `hedgerow-bench clouds`: reads the configuration, runs one thread per cloud, tells
 * the ports, ends on SIGTERM or SIGINT. */
#include "bench/bytes.h"
#include "bench/cloud.h"
#include "bench/commands.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: hedgerow-bench clouds --config FILE [--ready-fd N]\n"
    "\n"
    "Runs the clouds of FILE until SIGTERM or SIGINT. Prints one JSON line per cloud on standard\n"
    "output (name, kind, port, url, host, control, ca), then \"ready\" on standard error; with\n"
    "--ready-fd also into that descriptor, which is then closed.\n"
    "\n"
    "Each cloud answers GET /sim/stats, GET /sim/last, POST /sim/faults and POST /sim/reset, on "
    "its\n"
    "own port and, without TLS and faults, on its control port. FILE looks like this:\n"
    "\n"
    "  seed: 1\n"
    "  tls_dir: build/demo-ca\n"
    "  clouds:\n"
    "    - name: openai-sim\n"
    "      kind: openai                 # azure, oci, anthropic, gemini, vertex, "
    "vertex-anthropic,\n"
    "                                   # bedrock, identity\n"
    "      listen: 127.0.0.1:0\n"
    "      tls: true\n"
    "      host: api.openai.test\n"
    "      api_key: sk-sim-openai\n"
    "      ttft: {dist: lognormal, median: 200ms, sigma: 0.5}\n"
    "            # {dist: bimodal, fast: 100ms, slow: 5s, slow_share: 3%, sigma: 0.2}\n"
    "            # {dist: constant, value: 50ms}  {dist: csv, file: F.csv, column: ttft_ms, "
    "backend: B}\n"
    "      tokens: {count: 20, interval: 10ms}\n"
    "      faults: {rate_limit: 1%}\n"
    "      replay: {folder: recordings, cut: 1}\n"
    "      credentials: {access_key_id: AKIA, secret_access_key: S, region: us-east-1}\n"
    "      identity: NAME               # tokens of that cloud are good here\n"
    "      clock_skew: 10m\n"
    "\n"
    "A last user text \"echo: TEXT\" is answered with TEXT, \"replay:NAME\" with that recording\n"
    "of the folder. Keys of `credentials` (what is not given is not checked):\n"
    "\n",
                  USAGE_FAULTS[] =
                      "\nFaults (shares of requests, of connections for the first two):\n";

static void usage(FILE *to) {
    fputs(USAGE, to);
#define CREDENTIAL(name, prose) fprintf(to, "  %-19s %s\n", #name, prose);
#include "bench/sim_credential.def"
#undef CREDENTIAL
    fputs(USAGE_FAULTS, to);
    for (int i = 0; i < SIM_FAULTS; i++)
        fprintf(to, "  %-18s %s\n", sim_fault_info[i].name, sim_fault_info[i].prose);
}

struct clouds_options {
    const char *config;
    int ready_fd; /* -1: none */
};

/* Returns an exit status, or -1 to go on. */
static int read_options(int argc, char **argv, struct clouds_options *o) {
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"ready-fd", required_argument, NULL, 'r'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    uint64_t fd;
    for (int c; (c = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (c) {
        case 'c': o->config = optarg; break;
        case 'r':
            if (!units_count(optarg, &fd) || fd > INT16_MAX) {
                fprintf(stderr, "hedgerow-bench clouds: --ready-fd takes a descriptor's number\n");
                return EXIT_USAGE;
            }
            o->ready_fd = (int)fd;
            break;
        case 'h': usage(stdout); return EXIT_OK;
        default: usage(stderr); return EXIT_USAGE;
        }
    }
    if (o->config && optind == argc)
        return -1;
    usage(stderr);
    return EXIT_USAGE;
}

static void address_text(const struct units_address *a, char out[INET6_ADDRSTRLEN + 2]) {
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&a->sockaddr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->sockaddr;
    char text[INET6_ADDRSTRLEN];
    if (a->sockaddr.ss_family == AF_INET6)
        snprintf(out, INET6_ADDRSTRLEN + 2, "[%s]",
                 inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text));
    else
        inet_ntop(AF_INET, &in4->sin_addr, out, INET6_ADDRSTRLEN);
}

static void write_member(struct bytes *out, const char *name, const char *value) {
    bytes_fmt(out, ",\"%s\":\"", name);
    bytes_json(out, value, strlen(value));
    bytes_str(out, "\"");
}

/* The line by which scripts find the cloud. */
static void announce(const struct cloud *c, const char *tls_dir) {
    struct bytes line = {0};
    char address[INET6_ADDRSTRLEN + 2];
    bytes_str(&line, "{\"name\":\"");
    bytes_json(&line, c->config->name, strlen(c->config->name));
    bytes_fmt(&line, "\",\"kind\":\"%s\",\"port\":%u", sim_kind_name[c->config->kind], c->port);
    address_text(&c->config->listen, address);
    bytes_fmt(&line, ",\"url\":\"http%s://%s:%u\"", c->tls ? "s" : "", address, c->port);
    write_member(&line, "host", c->config->host);
    address_text(&c->config->control, address);
    bytes_fmt(&line, ",\"control\":\"http://%s:%u\"", address, c->control_port);
    if (c->tls) {
        struct bytes ca = {0};
        bytes_fmt(&ca, "%s/ca.pem", tls_dir);
        write_member(&line, "ca", bytes_text(&ca));
        bytes_free(&ca);
    }
    bytes_str(&line, "}\n");
    fputs(bytes_text(&line), stdout);
    bytes_free(&line);
}

static void say_ready(const struct clouds_options *o) {
    fflush(stdout);
    fputs("ready\n", stderr);
    if (o->ready_fd < 0)
        return;
    if (write(o->ready_fd, "ready\n", 6) != 6)
        fprintf(stderr, "hedgerow-bench clouds: nobody reads --ready-fd %d\n", o->ready_fd);
    close(o->ready_fd);
}

/* One line a cloud, so that a run by hand shows what happened. */
static void sum_up(const struct cloud *c) {
    const struct sim_stats *s = &c->stats;
    fprintf(stderr,
            "%s: %llu requests, %llu streams completed, %llu cancelled, %llu connections "
            "(%llu TLS handshakes, %llu resumed)\n",
            c->config->name, (unsigned long long)s->requests,
            (unsigned long long)s->streams_completed, (unsigned long long)s->cancelled,
            (unsigned long long)s->connections_total, (unsigned long long)s->tls_handshakes,
            (unsigned long long)s->tls_resumed);
}

/* Runs opened clouds until a signal of `signals`, which is blocked in all threads. */
static int run(struct cloud *clouds, const struct sim_config *config, const sigset_t *signals,
               const struct clouds_options *o) {
    size_t started = 0;
    int number = 0;
    while (started < config->clouds_count && cloud_start(&clouds[started]))
        announce(&clouds[started++], config->tls_dir);
    bool all = started == config->clouds_count;
    if (all) {
        say_ready(o);
        sigwait(signals, &number);
    } else {
        fprintf(stderr, "hedgerow-bench clouds: a thread could not be started\n");
    }
    for (size_t i = 0; i < started; i++) {
        cloud_stop(&clouds[i]);
        sum_up(&clouds[i]);
    }
    return all ? EXIT_OK : EXIT_FAILED;
}

int clouds_command(int argc, char **argv) {
    struct clouds_options o = {.ready_fd = -1};
    struct sim_config config;
    char error[600];
    int status = read_options(argc, argv, &o);
    if (status >= 0)
        return status;
    if (!sim_config_load(&config, o.config, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        return EXIT_FAILED;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    struct cloud *clouds = bytes_alloc(config.clouds_count, sizeof *clouds);
    size_t opened = 0;
    bool ok = true;
    while (ok && opened < config.clouds_count) {
        ok = cloud_open(&clouds[opened], &config.clouds[opened], config.tls_dir, config.seed,
                        (unsigned)opened, error, sizeof error);
        opened++;
    }
    for (size_t i = 0; ok && i < opened; i++)
        if (*config.clouds[i].identity)
            clouds[i].issuer = &clouds[config.clouds[i].identity_at].issued;
    if (ok)
        status = run(clouds, &config, &signals, &o);
    else
        fprintf(stderr, "hedgerow-bench clouds: %s\n", error);
    for (size_t i = 0; i < opened; i++)
        cloud_close(&clouds[i]);
    free(clouds);
    sim_config_free(&config);
    return ok ? status : EXIT_FAILED;
}
