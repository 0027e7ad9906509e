/* fuzz_config.c - the readers of configuration text: the YAML tree, values, URLs. Bytes go in as a
 * file's contents and as one value; nothing may crash, and what is accepted must keep its bounds.
 * Environment and files are left out: the input would name them. */
#include <stdlib.h>

#include "appliance/control/config_node.h"
#include "appliance/control/config_url.h"
#include "appliance/control/config_value.h"
#include "core/slab.h"

#define VISITS_MAX 10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every node has a place, and its entries are counted. Aliases share nodes, so that a walk over all
 * paths has no end in practice: this one has. */
static void check_node(const struct config_node *node, unsigned *visits) {
    CHECK(node->line >= 1 && node->column >= 1);
    if (++*visits > VISITS_MAX)
        return;
    unsigned count = 0;
    for (const struct config_entry *e = node->first; e; e = e->next, count++) {
        CHECK((e->key != NULL) == (node->kind == CONFIG_MAP));
        check_node(e->value, visits);
    }
    CHECK(count == node->count && count <= CONFIG_ENTRIES_MAX);
}

static void read_tree(struct span text) {
    struct memory memory;
    struct arena arena;
    struct config_report report;
    unsigned visits = 0;
    memory_init(&memory, SIZE_MAX, 0);
    arena_init(&arena, &memory);
    config_report_init(&report, "fuzz");
    const struct config_node *root = config_node_read(text, &arena, &report);
    CHECK(root || report.counts[CONFIG_ERROR] > 0);
    if (root)
        check_node(root, &visits);
    config_report_fini(&report);
    arena_fini(&arena);
    memory_fini(&memory);
}

static void read_values(struct span text) {
    const char *why = NULL;
    uint64_t integer;
    double real;
    bool flag;
    uint8_t digest[32];
    struct config_cpus cpus;
    struct config_address address;
    struct config_url url;
    if (config_value_duration(text, &integer, &why))
        CHECK(integer <= INT64_MAX);
    if (config_value_size(text, &integer, &why))
        CHECK(integer <= INT64_MAX);
    (void)config_value_count(text, &integer, &why);
    (void)config_value_price(text, &integer, &why);
    if (config_value_share(text, &real, &why))
        CHECK(real >= 0 && real <= 1);
    if (config_value_quantile(text, &real, &why))
        CHECK(real > 0 && real < 1);
    (void)config_value_bool(text, &flag, &why);
    (void)config_value_sha256(text, digest, &why);
    if (config_value_cpus(text, &cpus, &why))
        CHECK(cpus.count >= 1 && cpus.count <= WORKERS_MAX);
    if (config_value_address(text, &address, &why))
        CHECK(address.host.n < text.n);
    if (config_url_parse(text, &url, &why)) {
        CHECK(url.host.n > 0 && url.port > 0);
        CHECK(url.prefix.n == 0 || url.prefix.p[0] == '/');
        CHECK(!span_ends(url.prefix, SPAN("/")));
        (void)config_url_loopback(&url);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* The exact size on the heap, so that a read past the end is seen. */
    char *copy = malloc(size ? size : 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    read_tree(span_of(copy, size));
    read_values(span_of(copy, size));
    free(copy);
    return 0;
}
