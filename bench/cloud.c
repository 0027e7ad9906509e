/* cloud.c - a simulated cloud's thread and listeners; see cloud.h. */
#include "bench/cloud.h"
#include "bench/auth.h"
#include "bench/authority.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 4096, ACCEPTS_PER_TURN = 64 };

static struct cloud *cloud_of(struct watch *w, size_t offset) {
    return (struct cloud *)((char *)w - offset);
}

static void accept_all(struct cloud *c, struct watch *w, bool control) {
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            peer_open(c, fd, control);
        else if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

static void listener_ready(struct watch *w, uint32_t events) {
    (void)events;
    accept_all(cloud_of(w, offsetof(struct cloud, listener)), w, false);
}

static void control_ready(struct watch *w, uint32_t events) {
    (void)events;
    accept_all(cloud_of(w, offsetof(struct cloud, control)), w, true);
}

static void stop_ready(struct watch *w, uint32_t events) {
    (void)events;
    poller_forget(&cloud_of(w, offsetof(struct cloud, stop))->poller, w);
}

static uint16_t port_of(int fd) {
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof bound;
    getsockname(fd, (struct sockaddr *)&bound, &len);
    return ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                             : ((struct sockaddr_in *)&bound)->sin_port);
}

static bool listen_on(struct cloud *c, struct watch *w, const struct units_address *at,
                      uint16_t *port) {
    int on = 1;
    w->fd = socket(at->sockaddr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (w->fd < 0 || setsockopt(w->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(w->fd, (const struct sockaddr *)&at->sockaddr, at->len) < 0 ||
        listen(w->fd, LISTEN_BACKLOG) < 0)
        return false;
    *port = port_of(w->fd);
    poller_watch(&c->poller, w, EPOLLIN);
    return true;
}

bool cloud_open(struct cloud *c, struct sim_cloud *config, const char *tls_dir, uint64_t seed,
                unsigned index, char *error, size_t error_size) {
    *c = (struct cloud){.config = config,
                        .seed = seed + (uint64_t)index * 0x100000001b3,
                        .listener = {.fd = -1, .ready = listener_ready},
                        .control = {.fd = -1, .ready = control_ready},
                        .stop = {.fd = -1, .ready = stop_ready}};
    tokens_open(&c->issued);
    if (poller_open(&c->poller) < 0 || (c->stop.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        snprintf(error, error_size, "%s", strerror(errno));
        return false;
    }
    poller_watch(&c->poller, &c->stop, EPOLLIN);
    if (*config->credentials.public_key) {
        c->key = auth_key_load(config->credentials.public_key, error, error_size);
        if (!c->key)
            return false;
    }
    if (config->tls) {
        if (!authority_provide(tls_dir, config->host, error, error_size))
            return false;
        c->tls = authority_server(tls_dir, config->host, error, error_size);
        if (!c->tls)
            return false;
    }
    if (listen_on(c, &c->listener, &config->listen, &c->port) &&
        listen_on(c, &c->control, &config->control, &c->control_port))
        return true;
    snprintf(error, error_size, "%s: cannot listen: %s", config->name, strerror(errno));
    return false;
}

int64_t cloud_now_s(const struct cloud *c) { return (int64_t)time(NULL) + c->config->clock_skew_s; }

static void *cloud_run(void *arg) {
    struct cloud *c = arg;
    while (c->stop.events)
        poller_turn(&c->poller);
    while (c->peers)
        peer_free(c->peers);
    return NULL;
}

bool cloud_start(struct cloud *c) { return pthread_create(&c->thread, NULL, cloud_run, c) == 0; }

void cloud_stop(struct cloud *c) {
    uint64_t one = 1;
    if (write(c->stop.fd, &one, sizeof one) == (ssize_t)sizeof one)
        pthread_join(c->thread, NULL);
}

void cloud_close(struct cloud *c) {
    for (int i = 0; i < 3; i++) {
        int fd = (i == 0 ? c->listener : i == 1 ? c->control : c->stop).fd;
        if (fd >= 0)
            close(fd);
    }
    SSL_CTX_free(c->tls);
    EVP_PKEY_free(c->key);
    tokens_close(&c->issued);
    poller_close(&c->poller);
    recordings_free(&c->recordings);
    bytes_free(&c->last);
}
