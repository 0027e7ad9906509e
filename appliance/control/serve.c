/* serve.c - the process: configuration, listeners, workers, signals. See serve.h.
 *
 *   SIGTERM, SIGINT  drain: no new connections, requests in flight finish within drain_timeout; a
 * second one stops at once SIGHUP           reload: a good file is used from then on, a bad one is
 * refused with its errors SIGUSR1          reopen the log file
 */
#include "appliance/control/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "appliance/control/access_log.h"
#include "appliance/control/admin.h"
#include "appliance/control/config_load.h"
#include "appliance/control/credentials.h"
#include "appliance/control/crew.h"
#include "appliance/control/learning.h"
#include "appliance/control/version.h"
#include "core/heap.h"
#include "net/addr.h"
#include "net/tls.h"

/* How often the main thread looks whether the workers have ended while it waits for signals. */
#define LOOK_NS (20 * NS_PER_MS)
/* How long a start, or a reload with new sources, waits for credentials. Longer would keep the other
 * providers from serving; requests that come before a credential fail over to them. */
#define CREDENTIALS_NS (5 * NS_PER_S)

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Talk goes to standard error, a line a time. */
static void say(const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "hedgerow: %s\n", line);
}

/* sd_notify(3) without its library: one datagram to $NOTIFY_SOCKET. */
static void notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || !*path || strlen(path) >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, strlen(path));
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, length) < 0)
        say("sd_notify: %s", strerror(errno));
    close(fd);
}

struct serving {
    const struct serve_options *options;
    struct config *config; /* the one in use; owned by the crew once it has started */
    struct crew crew;
    struct credentials *credentials;
    struct learning *learning;
    struct access_log *log;
    struct admin *admin;
    unsigned worker_count;
    int cpus[WORKERS_MAX];
    int listen_fds[WORKERS_MAX][CREW_LISTENERS_MAX];
    uint16_t ports[CREW_LISTENERS_MAX], admin_port;
};

/* --- configuration --- */

static struct config *load(const struct serve_options *options) {
    struct config_report report;
    struct config *config = NULL;
    const char *why;
    int error = config_load(options->config_path, &config, &report);
    config_report_write(&report, stderr);
    config_report_fini(&report);
    if (error < 0)
        return NULL;
    if (options->listen && !config_listen(config, options->listen, &why)) {
        say("--listen %s: %s", options->listen, why);
        config_free(&config);
    }
    return config;
}

static bool cpu_chosen(const struct config *config, int cpu) {
    return cpu >= 0 && cpu < WORKERS_MAX && (config->worker_cpus[cpu / 8] >> (cpu % 8) & 1);
}

/* One worker per core that the process may use, unless told otherwise; more workers than cores
 * share them in turn. */
static bool settle_workers(struct serving *serving) {
    const struct config *config = serving->config;
    int cpus[WORKERS_MAX];
    unsigned available = worker_cpus(cpus), count = 0;
    if (!serving->options->workers && config->worker_cpus_given) {
        for (unsigned i = 0; i < available; i++)
            if (cpu_chosen(config, cpus[i]))
                serving->cpus[count++] = cpus[i];
        if (count == 0)
            say("workers: none of the CPUs listed may be used by this process");
        serving->worker_count = count;
        return count > 0;
    }
    count = serving->options->workers ? serving->options->workers : config->worker_count;
    if (count == 0)
        count = available;
    for (unsigned i = 0; i < count; i++)
        serving->cpus[i] = count <= available ? cpus[i] : -1;
    serving->worker_count = count;
    return true;
}

/* --- listeners --- */

/* A second instance on the same port must fail, not take half of the connections: SO_REUSEPORT
 * alone would let it. */
static int probe(const struct addr *addr) {
    int fd = ring_listen(NULL, &addr->any, addr->length, false);
    if (fd < 0)
        return fd;
    ring_close_fd(NULL, fd);
    return 0;
}

static int bind_listener(struct serving *serving, unsigned index) {
    const struct config_listener *listener = &serving->config->listeners[index];
    struct addr addr;
    if (!addr_parse(span_str(listener->host), listener->port, &addr))
        return -EINVAL;
    int error = listener->port ? probe(&addr) : 0;
    if (error < 0)
        return error;
    for (unsigned worker = 0; worker < serving->worker_count; worker++) {
        int fd = ring_listen(NULL, &addr.any, addr.length, true);
        if (fd < 0)
            return fd;
        serving->listen_fds[worker][index] = fd;
        struct addr bound;
        struct sockaddr_storage name;
        if (ring_name(NULL, fd, false, &name) < 0)
            return -EIO;
        memcpy(&bound.any, &name, sizeof bound.v6);
        serving->ports[index] = addr_port(&bound);
        addr_set_port(&addr, serving->ports[index]); /* port 0: the others join the first */
    }
    return 0;
}

static bool bind_all(struct serving *serving) {
    for (unsigned i = 0; i < serving->config->listener_count; i++) {
        const struct config_listener *listener = &serving->config->listeners[i];
        int error = bind_listener(serving, i);
        if (error == 0)
            continue;
        say("cannot listen on %s:%u: %s%s", *listener->host ? listener->host : "[::]",
            listener->port, strerror(-error),
            error == -EADDRINUSE ? "; is another instance running?" : "");
        return false;
    }
    return true;
}

/* --- life --- */

static void say_ready(const struct serving *serving) {
    char text[512];
    int n = snprintf(text, sizeof text, "ready: version %s, %u worker%s", HEDGEROW_VERSION,
                     serving->worker_count, serving->worker_count == 1 ? "" : "s");
    for (unsigned i = 0; i < serving->config->listener_count && n > 0 && (size_t)n < sizeof text;
         i++) {
        const struct config_listener *listener = &serving->config->listeners[i];
        bool v6 = strchr(listener->host, ':') || !*listener->host;
        n += snprintf(text + n, sizeof text - (size_t)n, v6 ? ", %s://[%s]:%u" : ", %s://%s:%u",
                      listener->tls ? "https" : "http",
                      *listener->host ? listener->host : "::", serving->ports[i]);
    }
    if (serving->admin && n > 0 && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, ", admin http://%s:%u",
                 serving->config->admin.host, serving->admin_port);
    say("%s", text);
}

static bool same_listeners(const struct config *a, const struct config *b) {
    if (a->listener_count != b->listener_count)
        return false;
    for (unsigned i = 0; i < a->listener_count; i++) {
        const struct config_listener *x = &a->listeners[i], *y = &b->listeners[i];
        if (strcmp(x->host, y->host) != 0 || x->port != y->port || !x->tls != !y->tls)
            return false;
    }
    return true;
}

static void reload(struct serving *serving) {
    notify("RELOADING=1");
    struct config *config = load(serving->options);
    if (config && !same_listeners(config, serving->config)) {
        say("reload: the listeners differ from those in use; they change only by a restart");
        config_free(&config);
    }
    /* Its cells are filled before a worker sees it. */
    int error = config ? credentials_use(serving->credentials, config, CREDENTIALS_NS) : 0;
    if (error < 0) {
        say("reload: the thread that obtains credentials cannot be started: %s", strerror(-error));
        config_free(&config);
    }
    error = config ? learning_use(serving->learning, config) : 0;
    CHECK(error == 0); /* its thread runs since the start */
    if (config) {
        config->generation = serving->config->generation + 1;
        serving->config = config;
        crew_reconfigure(&serving->crew, config);
        say("reload: configuration %llu is in use", (unsigned long long)config->generation);
    } else {
        say("reload: refused; the configuration in use stays");
    }
    notify("READY=1");
}

static void wait_for_signals(struct serving *serving, const sigset_t *signals) {
    struct timespec look = {.tv_nsec = (long)LOOK_NS};
    bool draining = false;
    while (!crew_ended(&serving->crew)) {
        int number = draining ? sigtimedwait(signals, NULL, &look) : sigwaitinfo(signals, NULL);
        switch (number) {
        case SIGHUP:
            if (!draining)
                reload(serving);
            break;
        case SIGUSR1: access_log_reopen(serving->log); break;
        case SIGTERM:
        case SIGINT:
            notify("STOPPING=1");
            say(draining ? "stopping at once" : "draining: requests in flight may finish");
            if (draining)
                crew_stop(&serving->crew);
            else
                crew_drain(&serving->crew);
            draining = true;
            break;
        default: break;
        }
    }
}

/* What the errors of io_uring mean to an operator. */
static const char *start_advice(int error) {
    switch (error) {
    case -EPERM:
    case -ENOSYS:
        return "; io_uring is not allowed here: see kernel.io_uring_disabled and the container's "
               "seccomp profile";
    case -ENOMEM:
        return "; the rings count against RLIMIT_MEMLOCK, about half a MiB a worker: raise "
               "it (ulimit -l, LimitMEMLOCK=) or use fewer workers";
    default: return "";
    }
}

static int run(struct serving *serving, const sigset_t *signals) {
    struct config *config = serving->config;
    int error = resolver_new(&serving->crew.resolver);
    if (error < 0) {
        say("the resolver cannot be started: %s", strerror(-error));
        return 1;
    }
    error = access_log_open(&serving->log, config->access_log_path, serving->worker_count);
    if (error < 0) {
        say("cannot write the access log %s: %s", config->access_log_path, strerror(-error));
        return 1;
    }
    serving->credentials = credentials_new();
    serving->crew.credentials = serving->credentials;
    error = credentials_use(serving->credentials, config, CREDENTIALS_NS);
    if (error < 0) {
        say("the thread that obtains credentials cannot be started: %s%s", strerror(-error),
            start_advice(error));
        return 1;
    }
    serving->learning = learning_new(serving->worker_count);
    error = learning_use(serving->learning, config);
    if (error < 0) {
        say("the thread that learns cannot be started: %s%s", strerror(-error),
            start_advice(error));
        return 1;
    }
    error = crew_start(&serving->crew, config, serving->worker_count, serving->cpus,
                       serving->listen_fds, serving->log);
    if (error == 0 && config->admin.host)
        error = admin_start(&serving->admin, config->admin.host, config->admin.port, &serving->crew,
                            &serving->admin_port);
    if (error < 0) {
        say("cannot start: %s%s", strerror(-error), start_advice(error));
        crew_stop(&serving->crew);
    } else {
        say_ready(serving);
        notify("READY=1");
        wait_for_signals(serving, signals);
    }
    if (serving->admin)
        admin_stop(&serving->admin);
    credentials_free(&serving->credentials);
    learning_free(&serving->learning);
    crew_join(&serving->crew);
    access_log_close(&serving->log);
    if (error == 0)
        say("stopped");
    return error == 0 ? 0 : 1;
}

int serve_main(const struct serve_options *options) {
    sigset_t signals;
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    sigemptyset(&signals);
    for (size_t i = 0; i < countof(wanted); i++)
        sigaddset(&signals, wanted[i]);
    /* Blocked before any thread exists, so that only sigwaitinfo takes them. */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    tls_init();
    struct serving *serving = heap_alloc(sizeof *serving);
    serving->options = options;
    serving->config = load(options);
    int code = 1;
    if (serving->config && settle_workers(serving) && bind_all(serving))
        code = run(serving, &signals);
    else
        config_free(&serving->config);
    heap_free(&serving);
    return code;
}
