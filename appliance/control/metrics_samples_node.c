/* metrics_samples_node.c - the samples about this node: connections, workers, memory, what runs.
 * See metrics_samples.h. */
#include <stdio.h>

#include "appliance/control/metrics_samples.h"
#include "appliance/control/version.h"
#include "core/ring.h"
#include "net/cert.h"

#define L           METRICS_LABELS
#define NS_DECIMALS 9

/* --- clients --- */

METRICS_SAMPLES(in_flight) { metrics_out_count(out, METRICS_NO_LABELS, view->in_flight); }

METRICS_SAMPLES(bad_requests) {
    metrics_out_count(out, METRICS_NO_LABELS, view->server.bad_requests);
}

METRICS_SAMPLES(connections) {
    metrics_out_count(out, L({"side", "client"}, {"state", "open"}), view->client_open);
    metrics_out_count(out, L({"side", "upstream"}, {"state", "busy"}), view->upstream_busy);
    metrics_out_count(out, L({"side", "upstream"}, {"state", "idle"}), view->upstream_idle);
    metrics_out_count(out, L({"side", "upstream"}, {"state", "opening"}), view->upstream_opening);
}

METRICS_SAMPLES(client_connections) {
    metrics_out_count(out, L({"result", "accepted"}), view->server.accepted);
    metrics_out_count(out, L({"result", "refused"}), view->server.refused);
}

/* The counter behind it counts all handshakes, those resumed among them. */
static void put_handshakes(struct metrics_out *out, const char *provider, uint64_t all,
                           uint64_t resumed) {
    uint64_t full = all > resumed ? all - resumed : 0;
    metrics_out_count(out, L({"provider", provider}, {"resumed", "false"}), full);
    metrics_out_count(out, L({"provider", provider}, {"resumed", "true"}), resumed);
}

METRICS_SAMPLES(client_handshakes) {
    put_handshakes(out, NULL, view->server.handshakes, view->server.handshakes_resumed);
}

METRICS_SAMPLES(client_handshakes_failed) {
    metrics_out_count(out, METRICS_NO_LABELS, view->server.handshakes_failed);
}

/* --- providers --- */

METRICS_SAMPLES(upstream_handshakes) {
    for (unsigned i = 0; i < view->provider_count; i++) {
        const struct metrics_provider *row = &view->providers[i];
        put_handshakes(out, row->name, row->stats.handshakes, row->stats.handshakes_resumed);
    }
}

METRICS_SAMPLES(upstream_dials) {
    for (unsigned i = 0; i < view->provider_count; i++)
        metrics_out_count(out, L({"provider", view->providers[i].name}),
                          view->providers[i].stats.dials);
}

METRICS_SAMPLES(upstream_dials_failed) {
    for (unsigned i = 0; i < view->provider_count; i++)
        metrics_out_count(out, L({"provider", view->providers[i].name}),
                          view->providers[i].stats.dial_failures);
}

METRICS_SAMPLES(upstream_reused) {
    for (unsigned i = 0; i < view->provider_count; i++)
        metrics_out_count(out, L({"provider", view->providers[i].name}),
                          view->providers[i].stats.reused);
}

METRICS_SAMPLES(upstream_waiting) {
    for (unsigned i = 0; i < view->provider_count; i++)
        metrics_out_count(out, L({"provider", view->providers[i].name}),
                          view->providers[i].waiting);
}

/* --- credentials --- */

METRICS_SAMPLES(credential_state) {
    for (unsigned i = 0; i < view->credential_count; i++)
        metrics_out_count(out, L({"provider", view->credentials[i].provider}),
                          view->credentials[i].state);
}

METRICS_SAMPLES(credential_expires) {
    for (unsigned i = 0; i < view->credential_count; i++)
        if (view->credentials[i].expires_s > 0)
            metrics_out_count(out, L({"provider", view->credentials[i].provider}),
                              (uint64_t)view->credentials[i].expires_s);
}

METRICS_SAMPLES(credential_refreshes) {
    for (unsigned i = 0; i < view->credential_count; i++) {
        const struct credentials_row *row = &view->credentials[i];
        metrics_out_count(out, L({"provider", row->provider}, {"outcome", "good"}), row->got);
        metrics_out_count(out, L({"provider", row->provider}, {"outcome", "failed"}), row->failed);
    }
}

/* --- workers --- */

static void put_worker(struct metrics_out *out, unsigned worker, uint64_t value) {
    char text[12];
    snprintf(text, sizeof text, "%u", worker);
    metrics_out_count(out, L({"worker", text}), value);
}

/* One for each counter of struct loop_stats. */
#define RING_SAMPLES(counter)                                  \
    METRICS_SAMPLES(ring_##counter) {                          \
        for (unsigned i = 0; i < view->worker_count; i++)      \
            put_worker(out, i, view->workers[i].loop.counter); \
    }
RING_SAMPLES(turns)
RING_SAMPLES(completions)
RING_SAMPLES(sends_eager)
RING_SAMPLES(sends_waiting)
RING_SAMPLES(starved)
RING_SAMPLES(overflows)
RING_SAMPLES(timers)

METRICS_SAMPLES(heap) {
    for (unsigned i = 0; i < view->worker_count; i++)
        put_worker(out, i, view->workers[i].heap_bytes);
}

METRICS_SAMPLES(heap_calls) {
    for (unsigned i = 0; i < view->worker_count; i++)
        put_worker(out, i, view->workers[i].heap_calls);
}

METRICS_SAMPLES(memory) {
    for (unsigned i = 0; i < view->memory_count; i++)
        metrics_out_count(out, L({"kind", view->memory[i].kind}), view->memory[i].bytes);
}

/* --- what runs --- */

METRICS_SAMPLES(samples_dropped) {
    metrics_out_count(out, METRICS_NO_LABELS, view->samples_dropped);
}
METRICS_SAMPLES(log_dropped) { metrics_out_count(out, METRICS_NO_LABELS, view->log_dropped); }

METRICS_SAMPLES(generation) { metrics_out_count(out, METRICS_NO_LABELS, view->generation); }

METRICS_SAMPLES(start_time) {
    metrics_out_decimal(out, METRICS_NO_LABELS, view->start_wall_ns, NS_DECIMALS);
}

METRICS_SAMPLES(build_info) {
    (void)view;
    metrics_out_count(
        out,
        L({"version", HEDGEROW_VERSION}, {"tls", cert_library()}, {"ring", ring_features_text()}),
        1);
}
