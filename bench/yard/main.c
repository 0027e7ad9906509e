/* main.c - bench-yard: measures proxies against each other. bench/run.sh starts it and them.
 *
 *   bench-yard ports N                       prints N free loopback ports
 *   bench-yard --tls DIR --json FILE --machine TEXT [--short]
 *
 * The second form prints one line, "clouds CLEAR SLOW TLS", the ports of its upstreams; the certificates
 * are in DIR by then (ca.pem, yard.test.pem, yard.test.key). Then it reads from standard input
 *
 *   subject NAME clear|tls PORT ADMIN_PORT|0 races|plain PID[,PID]...
 *   run
 *
 * and measures the programs in this order, of which "relay" is the yardstick. The table goes to standard
 * output. It is closed in itself: nothing of the product is linked into it. Exit status: 0 when all
 * was measured, whether the targets were met or not. */
#include "bench/yard/plan.h"

#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, PORTS_MAX = 64 };

static const char HOST[] = "yard.test";
static const char FIELD_RACE[] = "x-hedgerow-hedge: race\r\n";
/* Later than the other cloud, and later than a queue of all connections is served. */
static const uint64_t SLOW_NS = 20 * 1000 * 1000;

static const char USAGE[] = "usage: bench-yard ports N\n"
                            "       bench-yard --tls DIR --json FILE --machine TEXT [--short]\n";

/* Prints ports nobody listens on. All are held until the last is known, so that they differ. */
static int ports_command(unsigned count) {
    uint16_t ports[PORTS_MAX];
    if (!count || count > PORTS_MAX)
        return EXIT_USAGE;
    for (unsigned i = 0; i < count; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof address;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 ||
            getsockname(fd, (struct sockaddr *)&address, &length) < 0)
            yard_die("no free port");
        ports[i] = ntohs(address.sin_port);
    }
    for (unsigned i = 0; i < count; i++)
        printf("%u\n", ports[i]);
    return 0;
}

/* Reads the programs. */
static void subjects_read(struct plan *plan) {
    char line[512], name[32], mode[8], races[8], pids[256];
    while (fgets(line, sizeof line, stdin)) {
        unsigned port, admin_port;
        if (!strcmp(line, "run\n"))
            return;
        if (sscanf(line, "subject %31s %7s %u %u %7s %255s", name, mode, &port, &admin_port, races,
                   pids) != 6 ||
            plan->count == PLAN_SUBJECTS_MAX)
            yard_die("cannot read: %s", line);
        struct subject *subject = &plan->subjects[plan->count++];
        *subject = (struct subject){.name = strdup(name),
                                    .port = (uint16_t)port,
                                    .admin_port = (uint16_t)admin_port,
                                    .tls = !strcmp(mode, "tls"),
                                    .races = !strcmp(races, "races")};
        if (!subject->name || !cost_open(&subject->meter, pids))
            yard_die("%s: process %s is not running", name, pids);
    }
    yard_die("standard input ended before \"run\"");
}

/* What the columns mean. */
static void explain(const struct plan *plan, const char *machine) {
    bool counting = plan->count && plan->subjects[0].meter.counting;
    printf("\n%s\n", machine);
    printf("Processors: one for the proxy, one for clients and clouds. %d connections.\n",
           SCENE_CONNECTIONS);
    printf("Cost: %s of the proxy's own threads, for each request or event;\n"
           "  medians of %u interleaved repetitions, +- half the interquartile range.\n",
           counting ? "cycles, user and kernel," : "scheduled time (no cycle counters here)",
           plan->repetitions);
    printf("Ratio: to the raw relay, unless the row or its target names something else.\n"
           "Wake-ups: how often the proxy was scheduled, for each request or event.\n");
    printf(
        "Hedged: every request asks two clouds, and the second one's connection is lost with its\n"
        "  attempt; a bare lost attempt is a process that connects, sends the request and "
        "closes.\n");
    printf("Time to first token: what it adds to going direct; open loop, %.0f requests a second,\n"
           "  which is half of what the slowest did in a closed loop; the lower quartile of many "
           "short\n"
           "  runs, for milliseconds that a busy machine takes away are not the proxy's.\n",
           plan->rate);
    printf("Memory: private and in RAM, with %u connections idle or streaming; each: its growth.\n",
           plan->memory_connections);
    printf(
        "Batch: completions that a turn of hedgerow's loop found. Heap: bytes taken from it for\n"
        "  each request or event.\n\n");
}

static void report(const struct plan *plan, const char *machine, const char *json) {
    const struct stage *stage = plan->stage;
    explain(plan, machine);
    unsigned misses = tally_print(&plan->tally, stdout);
    printf(
        "\n%u targets missed. Clouds answered %llu requests; the slow one was asked %llu times and "
        "left\nbefore its answer %llu times.\n",
        misses,
        (unsigned long long)(stage->clouds[CLOUD_CLEAR].requests +
                             stage->clouds[CLOUD_TLS].requests),
        (unsigned long long)stage->clouds[CLOUD_SLOW].requests,
        (unsigned long long)stage->clouds[CLOUD_SLOW].left_early);
    FILE *out = fopen(json, "we");
    if (!out)
        yard_die("cannot write %s", json);
    tally_json(&plan->tally, machine, out);
    if (fclose(out))
        yard_die("cannot write %s", json);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"tls", required_argument, NULL, 't'},
                                            {"json", required_argument, NULL, 'j'},
                                            {"machine", required_argument, NULL, 'm'},
                                            {"short", no_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    static struct stage stage;
    static struct plan plan;
    const char *tls = NULL, *json = NULL, *machine = NULL;
    if (argc == 3 && !strcmp(argv[1], "ports"))
        return ports_command((unsigned)atoi(argv[2]));
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 't': tls = optarg; break;
        case 'j': json = optarg; break;
        case 'm': machine = optarg; break;
        case 's': plan.brief = true; break;
        default:
            tls = NULL;
            optind = argc + 1;
            break;
        }
    }
    if (!tls || !json || !machine || optind != argc) {
        fputs(USAGE, stderr);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    text_init();
    stage_open(&stage, tls, HOST, SLOW_NS);
    plan.stage = &stage;
    plan.request = text_request("");
    plan.race = text_request(FIELD_RACE);
    printf("clouds %u %u %u\n", stage.clouds[CLOUD_CLEAR].port, stage.clouds[CLOUD_SLOW].port,
           stage.clouds[CLOUD_TLS].port);
    fflush(stdout);
    subjects_read(&plan);
    plan_run(&plan);
    report(&plan, machine, json);
    return 0;
}
