/* resolve.c - names to addresses by c-ares, cached per worker. See resolve.h.
 *
 *   worker: resolve_get -> cache hit, or a query
 *   c-ares' event thread: the query's callback posts the answer to the worker's mailbox
 *
 * One query per name and worker is under way at a time; whoever asks meanwhile waits for it. */
#include "net/resolve.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>

#include "core/heap.h"
#include "core/limits.h"

/* Names kept per worker: the configured providers' hosts, nothing a client chooses. */
#define NAMES_MAX  512
#define FAILURE_NS (1 * NS_PER_S)
#define TTL_MIN_S  5
#define TTL_MAX_S  300
/* With every refresh failing, old addresses are used for so long. */
#define STALE_NS (3600 * NS_PER_S)

struct resolver {
    ares_channel_t *channel;
};

struct resolve_name {
    struct list link;
    struct list waiting; /* struct resolve_ask */
    struct resolve *resolve;
    char *host;
    struct addr_list addrs; /* the last good answer */
    uint64_t fresh_until_ns, stale_until_ns, failed_until_ns;
    bool asking; /* a query is under way: its answer refers to this struct */
    bool orphan; /* the cache is gone; the answer frees it */
};

/* One answer on its way from c-ares' thread to the worker. */
struct answer {
    struct message message;
    struct resolve_name *name;
    struct mailbox *mailbox;
    struct addr_list addrs;
    unsigned ttl_s;
};

int resolver_new(struct resolver **out) {
    struct ares_options options = {.evsys = ARES_EVSYS_DEFAULT};
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return -EIO;
    struct resolver *resolver = heap_alloc(sizeof *resolver);
    int error = ares_init_options(&resolver->channel, &options, ARES_OPT_EVENT_THREAD);
    if (error != ARES_SUCCESS) {
        heap_free(&resolver);
        return error == ARES_ENOMEM ? -ENOMEM : -ENOSYS;
    }
    *out = resolver;
    return 0;
}

void resolver_free(struct resolver **pointer) {
    if (!*pointer)
        return;
    ares_destroy((*pointer)->channel); /* cancels queries: their callbacks run before it returns */
    ares_library_cleanup();
    heap_free(pointer);
}

void resolve_init(struct resolve *resolve, struct loop *loop, struct resolver *resolver,
                  struct mailbox *mailbox) {
    *resolve = (struct resolve){.loop = loop, .resolver = resolver, .mailbox = mailbox};
    list_init(&resolve->names);
}

static void name_free(struct resolve_name *name) {
    heap_free(&name->host);
    heap_free(&name);
}

void resolve_fini(struct resolve *resolve) {
    struct list *node;
    while ((node = list_pop(&resolve->names))) {
        struct resolve_name *name = container_of(node, struct resolve_name, link);
        CHECK(list_empty(&name->waiting));
        name->orphan = true;
        if (!name->asking)
            name_free(name);
    }
    resolve->name_count = 0;
}

static struct resolve_name *find(struct resolve *resolve, const char *host) {
    list_each (node, &resolve->names) {
        struct resolve_name *name = container_of(node, struct resolve_name, link);
        if (strcmp(name->host, host) == 0)
            return name;
    }
    if (resolve->name_count == NAMES_MAX)
        return NULL;
    struct resolve_name *name = heap_alloc(sizeof *name);
    name->host = heap_text(host, strlen(host));
    name->resolve = resolve;
    list_init(&name->waiting);
    list_init(&name->link);
    list_push_front(&resolve->names, &name->link);
    resolve->name_count++;
    return name;
}

static void tell_waiting(struct resolve_name *name, const struct addr_list *addrs) {
    struct list *node;
    while ((node = list_pop(&name->waiting))) {
        struct resolve_ask *ask = container_of(node, struct resolve_ask, link);
        ask->done(ask, addrs);
    }
}

/* On the worker's thread. */
static void answer_deliver(struct message *message, void *owner) {
    struct answer *answer = container_of(message, struct answer, message);
    struct resolve_name *name = answer->name;
    (void)owner;
    name->asking = false;
    if (name->orphan) {
        name_free(name);
    } else {
        struct resolve *resolve = name->resolve;
        uint64_t now_ns = resolve->loop->now_ns;
        if (answer->addrs.count > 0) {
            name->addrs = answer->addrs;
            name->fresh_until_ns = now_ns + answer->ttl_s * NS_PER_S;
            name->stale_until_ns = name->fresh_until_ns + STALE_NS;
        } else {
            resolve->failures++;
            name->failed_until_ns = now_ns + FAILURE_NS;
            if (now_ns >= name->stale_until_ns)
                name->addrs.count = 0;
        }
        struct addr_list addrs = name->addrs;
        tell_waiting(name, &addrs);
    }
    heap_free(&answer);
}

/* On c-ares' thread. */
static void ares_done(void *argument, int status, int timeouts, struct ares_addrinfo *result) {
    struct answer *answer = argument;
    (void)timeouts;
    answer->ttl_s = TTL_MAX_S;
    for (struct ares_addrinfo_node *node = status == ARES_SUCCESS && result ? result->nodes : NULL;
         node; node = node->ai_next) {
        if (answer->addrs.count == ADDR_LIST_MAX)
            break;
        if (node->ai_family != AF_INET && node->ai_family != AF_INET6)
            continue;
        struct addr *addr = &answer->addrs.addrs[answer->addrs.count++];
        memcpy(&addr->any, node->ai_addr, node->ai_addrlen);
        addr->length = node->ai_addrlen;
        if (node->ai_ttl > 0 && (unsigned)node->ai_ttl < answer->ttl_s)
            answer->ttl_s = (unsigned)node->ai_ttl;
    }
    if (answer->ttl_s < TTL_MIN_S)
        answer->ttl_s = TTL_MIN_S;
    if (result)
        ares_freeaddrinfo(result);
    mailbox_post(answer->mailbox, &answer->message);
}

static void query(struct resolve *resolve, struct resolve_name *name) {
    struct answer *answer = heap_alloc(sizeof *answer);
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    answer->message.deliver = answer_deliver;
    answer->name = name;
    answer->mailbox = resolve->mailbox;
    name->asking = true;
    resolve->misses++;
    ares_getaddrinfo(resolve->resolver->channel, name->host, NULL, &hints, ares_done, answer);
}

bool resolve_get(struct resolve *resolve, const char *host, uint16_t port, struct resolve_ask *ask,
                 struct addr_list *out) {
    out->count = 0;
    if (addr_parse(span_str(host), port, &out->addrs[0])) {
        out->count = 1;
        return true;
    }
    struct resolve_name *name = resolve->resolver ? find(resolve, host) : NULL;
    uint64_t now_ns = resolve->loop->now_ns;
    if (!name || now_ns < name->failed_until_ns) {
        if (name && now_ns < name->stale_until_ns)
            *out = name->addrs;
        return true;
    }
    bool fresh = now_ns < name->fresh_until_ns;
    if (!fresh && !name->asking)
        query(resolve, name);
    if (name->addrs.count > 0 && now_ns < name->stale_until_ns) {
        /* Fresh, or being refreshed behind the request's back: nobody waits for a name that is
         * known. */
        resolve->hits++;
        *out = name->addrs;
        return true;
    }
    list_push_back(&name->waiting, &ask->link);
    return false;
}

void resolve_cancel(struct resolve_ask *ask) { list_remove(&ask->link); }
