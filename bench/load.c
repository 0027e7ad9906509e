/* load.c - the load generator: when requests are due, over which connection they go, and how each
 * ends; see load.h.
 *
 *     due times --> waiting (ring) --> idle link, or a new one --> reply --> results
 *
 * One thread. A link is one connection to the server and carries one request at a time. */
#include "bench/load.h"
#include "bench/authority.h"
#include "bench/commands.h"
#include "bench/dice.h"
#include "bench/units.h"
#include "bench/wire.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum link_state {
    LINK_OPENING, /* connecting; its request waits */
    LINK_BUSY,    /* the request was sent */
    LINK_IDLE     /* kept alive, in load.idle */
};

/* A request: when it was due, and whether it is reported. */
struct call {
    uint64_t due_ns, sent_ns;
    bool reported, retried;
};

struct link {
    struct load *load;
    struct link *next, **place; /* all links */
    struct link *idle_next;     /* while LINK_IDLE: towards older ones */
    struct wire wire;
    struct alarm deadline;
    enum link_state state;
    bool reused; /* the request in work is not the first */
    struct call call;
    struct load_reply reply;
};

struct load {
    const struct load_options *options;
    struct load_results results;
    struct poller poller;
    struct alarm arrival;
    struct dice dice;
    struct bytes request; /* the same bytes for every request */
    struct sockaddr_storage to;
    socklen_t to_len;
    SSL_CTX *tls;         /* NULL: clear text */
    SSL_SESSION *session; /* the newest ticket */
    struct link *links, *idle;
    uint64_t links_count, begun, outstanding; /* begun: requests that fell due */
    uint64_t start_ns, next_due_ns, end_ns;
    struct call *waiting; /* a ring of calls for which no link was free */
    size_t waiting_capacity, waiting_first, waiting_count;
    bool arrivals_over;
    char first_failure[200]; /* of a connection, for the message when nothing worked */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

/* ---- results ---- */

static void count_provider(struct load_results *r, const char *name) {
    size_t i = 0;
    while (i < r->providers_count && strcmp(r->providers[i].name, name))
        i++;
    if (i == LOAD_PROVIDERS)
        return;
    if (i == r->providers_count)
        snprintf(r->providers[r->providers_count++].name, LOAD_PROVIDER_BYTES, "%s", name);
    r->providers[i].requests++;
}

static void count_reply(struct load_results *r, const struct load_reply *reply) {
    if (reply->status > 0 && reply->status < LOAD_STATUSES)
        r->statuses[reply->status]++;
    if (reply->attempts) {
        r->attempts_known++;
        r->attempts += reply->attempts;
    }
    r->hedged += reply->hedge == LOAD_HEDGE_WON || reply->hedge == LOAD_HEDGE_LOST;
    r->hedge_won += reply->hedge == LOAD_HEDGE_WON;
    r->hedge_lost += reply->hedge == LOAD_HEDGE_LOST;
    if (reply->provider[0])
        count_provider(r, reply->provider);
}

static void count_call(struct load *load, const struct call *call, const struct load_reply *reply,
                       enum load_error error) {
    struct load_results *r = &load->results;
    uint64_t now_ns = poller_clock_ns();
    load->outstanding--;
    if (!call->reported)
        return;
    r->requests++;
    r->ended_ns = now_ns;
    count_reply(r, reply);
    if (call->sent_ns)
        histogram_add(&r->lag, call->sent_ns - call->due_ns);
    if (error != LOAD_ERROR_NONE) {
        r->errors[error]++;
        return;
    }
    r->ok++;
    histogram_add(&r->total, now_ns - call->due_ns);
    if (reply->stream && reply->content)
        histogram_add(&r->ttft, reply->first_ns - call->due_ns);
}

/* ---- links ---- */

static void dispatch(struct load *load);

static void link_free(struct link *l) {
    struct load *load = l->load;
    if (l->state == LINK_IDLE) {
        struct link **at = &load->idle;
        while (*at != l)
            at = &(*at)->idle_next;
        *at = l->idle_next;
    }
    poller_unset(&load->poller, &l->deadline);
    wire_close(&l->wire);
    *l->place = l->next;
    if (l->next)
        l->next->place = l->place;
    load->links_count--;
    load_reply_free(&l->reply);
    free(l);
}

static void link_send(struct link *l) {
    struct load *load = l->load;
    l->state = LINK_BUSY;
    l->call.sent_ns = poller_clock_ns();
    load_reply_start(&l->reply, l->call.reported ? &load->results.gap : NULL);
    bytes_add(&l->wire.out, bytes_at(&load->request), bytes_len(&load->request));
    wire_flush(&l->wire);
}

static void link_take(struct link *l, const struct call *call) {
    struct load *load = l->load;
    l->call = *call;
    poller_set(&load->poller, &l->deadline, call->due_ns + load->options->timeout_ns);
    if (l->state == LINK_IDLE) {
        l->reused = true;
        link_send(l);
    }
}

static void link_ready(struct watch *w, uint32_t events);
static void link_late(struct alarm *a);

/* Opens a connection for the call. A failure on the spot counts as the call's. */
static void link_open(struct load *load, const struct call *call) {
    struct link *l = bytes_alloc(1, sizeof *l);
    l->load = load;
    l->state = LINK_OPENING;
    l->wire.watch.ready = link_ready;
    l->deadline.rang = link_late;
    l->next = load->links;
    l->place = &load->links;
    if (l->next)
        l->next->place = &l->next;
    load->links = l;
    load->links_count++;
    load->results.connections_opened++;
    int failed = wire_connect(&l->wire, &load->poller, (struct sockaddr *)&load->to, load->to_len,
                              load->tls, load->options->host);
    if (failed) {
        snprintf(load->first_failure, sizeof load->first_failure, "%s", strerror(-failed));
        count_call(load, call, &l->reply, LOAD_ERROR_connect);
        link_free(l);
        return;
    }
    if (load->session)
        SSL_set_session(l->wire.ssl, load->session);
    link_take(l, call);
}

/* The link's request has ended; the link is freed or goes back to the idle ones. */
static void link_done(struct link *l, enum load_error error) {
    struct load *load = l->load;
    count_call(load, &l->call, &l->reply, error);
    poller_unset(&load->poller, &l->deadline);
    if (l->state == LINK_BUSY && l->reply.complete && l->reply.keep_alive) {
        l->state = LINK_IDLE;
        l->idle_next = load->idle;
        load->idle = l;
    } else {
        l->state = LINK_BUSY;
        link_free(l);
    }
    dispatch(load);
}

static void note_failure(struct link *l) {
    struct load *load = l->load;
    if (load->first_failure[0])
        return;
    snprintf(load->first_failure, sizeof load->first_failure, "%s",
             l->wire.tls_failed ? l->wire.tls_error
             : l->wire.error    ? strerror(l->wire.error)
                                : "closed by the server");
}

/* The connection is over while a request depends on it. */
static void link_broken(struct link *l, bool failed) {
    struct call again = l->call;
    note_failure(l);
    if (l->state == LINK_OPENING) {
        link_done(l, l->wire.tls_failed || l->wire.state == WIRE_GREETING ? LOAD_ERROR_tls
                                                                          : LOAD_ERROR_connect);
        return;
    }
    /* A kept connection may have been closed by the server just as the request went out; that says
     * nothing about the server's answers, so the request gets one new connection (RFC 9112,
     * 9.3.1). */
    if (l->reused && !l->reply.any && !again.retried) {
        struct load *load = l->load;
        again.retried = true;
        load->results.retried++;
        link_free(l);
        link_open(load, &again);
        dispatch(load);
        return;
    }
    /* Only a clean close can be the end of a body without length. */
    if (!failed && !l->wire.error)
        load_reply_eof(&l->reply);
    l->reply.keep_alive = false;
    enum load_error error = load_reply_verdict(&l->reply);
    bool cut = error == LOAD_ERROR_truncated || error == LOAD_ERROR_closed;
    if (cut && l->wire.tls_failed)
        error = LOAD_ERROR_tls;
    else if (cut && (failed || l->wire.error))
        error = LOAD_ERROR_reset;
    link_done(l, error);
}

static void link_ready(struct watch *w, uint32_t events) {
    struct link *l = (struct link *)((char *)w - offsetof(struct link, wire.watch));
    unsigned happened = wire_ready(&l->wire, events);
    bool over = happened & (WIRE_ON_SHUT | WIRE_ON_FAIL);
    if (happened & WIRE_ON_UP) {
        l->load->results.connections_resumed += wire_resumed(&l->wire);
        link_send(l);
    }
    if (l->state == LINK_IDLE) {
        if (over || happened & WIRE_ON_DATA)
            link_free(l);
        return;
    }
    /* What came is looked at first: the answer may be complete although the connection ended. */
    if (l->state == LINK_BUSY && happened & WIRE_ON_DATA) {
        struct bytes *in = &l->wire.in;
        bool more = load_reply_feed(&l->reply, bytes_at(in), bytes_len(in), poller_clock_ns());
        bytes_clear(in);
        if (!more) {
            l->reply.keep_alive &= !over;
            link_done(l, load_reply_verdict(&l->reply));
            return;
        }
    }
    if (over)
        link_broken(l, happened & WIRE_ON_FAIL);
}

static void link_late(struct alarm *a) {
    struct link *l = (struct link *)((char *)a - offsetof(struct link, deadline));
    l->reply.keep_alive = false;
    link_done(l, LOAD_ERROR_timeout);
}

/* ---- arrivals ---- */

static void wait_in_line(struct load *load, const struct call *call) {
    if (load->waiting_count == load->waiting_capacity) {
        size_t capacity = load->waiting_capacity ? load->waiting_capacity * 2 : 1024;
        struct call *grown = bytes_alloc(capacity, sizeof *grown);
        for (size_t i = 0; i < load->waiting_count; i++)
            grown[i] = load->waiting[(load->waiting_first + i) % load->waiting_capacity];
        free(load->waiting);
        load->waiting = grown;
        load->waiting_capacity = capacity;
        load->waiting_first = 0;
    }
    load->waiting[(load->waiting_first + load->waiting_count++) % load->waiting_capacity] = *call;
}

static void call_begin(struct load *load, uint64_t due_ns) {
    struct call call = {.due_ns = due_ns, .reported = load->begun >= load->options->warmup};
    if (call.reported && !load->results.started_ns)
        load->results.started_ns = due_ns;
    load->begun++;
    load->outstanding++;
    wait_in_line(load, &call);
}

static bool more_wanted(const struct load *load, uint64_t at_ns) {
    const struct load_options *o = load->options;
    if (interrupted || (o->requests && load->begun >= o->requests + o->warmup))
        return false;
    return !o->duration_ns || at_ns < load->end_ns;
}

/* Gives waiting calls to links; in the closed loop it also makes the calls. */
static void dispatch(struct load *load) {
    for (;;) {
        uint64_t room = load->options->connections - load->links_count;
        if (!load->idle && !room)
            break;
        if (!load->waiting_count && load->options->closed && more_wanted(load, poller_clock_ns()))
            call_begin(load, poller_clock_ns());
        if (!load->waiting_count)
            break;
        struct call call = load->waiting[load->waiting_first];
        load->waiting_first = (load->waiting_first + 1) % load->waiting_capacity;
        load->waiting_count--;
        struct link *l = load->idle;
        if (l) {
            load->idle = l->idle_next;
            link_take(l, &call);
        } else {
            link_open(load, &call);
        }
    }
    load->arrivals_over =
        load->arrivals_over || (load->options->closed && !more_wanted(load, poller_clock_ns()));
}

static uint64_t gap_ns(struct load *load) {
    double mean_ns = UNITS_NS_PER_S / load->options->rate;
    return (uint64_t)(load->options->constant ? mean_ns : mean_ns * dice_exponential(&load->dice));
}

static void arrivals(struct alarm *a) {
    struct load *load = (struct load *)((char *)a - offsetof(struct load, arrival));
    uint64_t now_ns = poller_clock_ns();
    while (load->next_due_ns <= now_ns && more_wanted(load, load->next_due_ns)) {
        call_begin(load, load->next_due_ns);
        load->next_due_ns += gap_ns(load);
    }
    if (more_wanted(load, load->next_due_ns))
        poller_set(&load->poller, &load->arrival, load->next_due_ns);
    else
        load->arrivals_over = true;
    dispatch(load);
}

/* ---- preparation ---- */

static int keep_session(SSL *ssl, SSL_SESSION *session) {
    struct load *load = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(load->session);
    load->session = session;
    return 1; /* the reference is ours now */
}

static bool prepare_tls(struct load *load) {
    const struct load_options *o = load->options;
    char error[300];
    if (!o->tls)
        return true;
    load->tls = authority_client(o->ca, !o->insecure, error, sizeof error);
    if (!load->tls) {
        fprintf(stderr, "hedgerow-bench load: %s\n", error);
        return false;
    }
    SSL_CTX_set_app_data(load->tls, load);
    SSL_CTX_set_session_cache_mode(load->tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(load->tls, keep_session);
    return true;
}

/* ---- the run ---- */

static void run(struct load *load) {
    struct sigaction interrupt = {.sa_handler = on_interrupt}, before;
    sigaction(SIGINT, &interrupt, &before);
    load->start_ns = load->next_due_ns = poller_clock_ns();
    load->end_ns = load->start_ns + load->options->duration_ns;
    load->arrival.rang = arrivals;
    if (load->options->closed)
        dispatch(load);
    else
        poller_set(&load->poller, &load->arrival, load->start_ns);
    while (!interrupted && (load->outstanding || !load->arrivals_over))
        poller_turn(&load->poller);
    sigaction(SIGINT, &before, NULL);
}

static int report(const struct load *load) {
    const struct load_options *o = load->options;
    struct bytes json = {0};
    bool ok = true, instead = o->json_file && !strcmp(o->json_file, "-");
    load_report_json(&json, o, &load->results);
    if (instead)
        fputs(bytes_text(&json), stdout);
    else
        load_report_text(stdout, o, &load->results);
    if (o->json_file && !instead) {
        FILE *f = fopen(o->json_file, "w");
        ok = f && fputs(bytes_text(&json), f) >= 0;
        ok = f && fclose(f) == 0 && ok;
        if (!ok)
            fprintf(stderr, "hedgerow-bench load: %s: %s\n", o->json_file, strerror(errno));
    }
    bytes_free(&json);
    if (!load->results.ok && load->first_failure[0])
        fprintf(stderr, "hedgerow-bench load: no request succeeded: %s\n", load->first_failure);
    return ok && load->results.ok ? EXIT_OK : EXIT_FAILED;
}

static void load_free(struct load *load) {
    while (load->links)
        link_free(load->links);
    free(load->waiting);
    bytes_free(&load->request);
    SSL_SESSION_free(load->session);
    SSL_CTX_free(load->tls);
    poller_close(&load->poller);
    free(load);
}

int load_command(int argc, char **argv) {
    struct load_options o;
    int status = load_options_read(&o, argc, argv);
    if (status < 0) {
        struct load *load = bytes_alloc(1, sizeof *load);
        load->options = &o;
        load->poller.epoll_fd = -1;
        dice_init(&load->dice, o.seed, 0);
        status = EXIT_FAILED;
        if (load_prepare_request(&o, &load->request) &&
            load_prepare_address(&o, &load->to, &load->to_len) && prepare_tls(load) &&
            poller_open(&load->poller) == 0) {
            run(load);
            status = report(load);
        }
        load_free(load);
    }
    load_options_free(&o);
    return status;
}
