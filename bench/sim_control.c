/* sim_control.c - what tests ask of a simulated cloud, and tell it; see cloud.h.
 *
 *     GET  /sim/stats    counters, faults by name, the last closes by the other side
 *     POST /sim/faults   changes ttft, tokens, faults, replay, head_delay, handshake_delay, next
 *     GET  /sim/last     the last request of the API: method, target, headers, body
 *     POST /sim/reset    counters and closes to zero
 */
#include "bench/cloud.h"

#include <stdio.h>
#include <string.h>

static void write_closes(struct bytes *out, const struct sim_stats *stats) {
    uint64_t first = stats->closes_count > SIM_CLOSES ? stats->closes_count - SIM_CLOSES : 0;
    bytes_str(out, "\"close_seen_ns\":[");
    for (uint64_t i = first; i < stats->closes_count; i++) {
        const struct sim_close *close = &stats->closes[i % SIM_CLOSES];
        bytes_fmt(out, "%s{\"ns\":%llu,\"request_id\":\"", i > first ? "," : "",
                  (unsigned long long)close->seen_ns);
        bytes_json(out, close->request_id, strlen(close->request_id));
        bytes_fmt(out, "\",\"phase\":\"%s\",\"cancelled\":%s,\"reset\":%s}", close->phase,
                  close->cancelled ? "true" : "false", close->reset ? "true" : "false");
    }
    bytes_str(out, "]");
}

static void write_stats(struct bytes *out, const struct cloud *c) {
    const struct sim_stats *stats = &c->stats;
    bytes_str(out, "{\"name\":\"");
    bytes_json(out, c->config->name, strlen(c->config->name));
    bytes_fmt(out, "\",\"now_ns\":%llu,", (unsigned long long)poller_clock_ns());
#define STAT(name, prose) bytes_fmt(out, "\"" #name "\":%llu,", (unsigned long long)stats->name);
#include "bench/sim_stat.def"
#undef STAT
    bytes_str(out, "\"faults\":{");
    for (int i = 0; i < SIM_FAULTS; i++)
        bytes_fmt(out, "%s\"%s\":%llu", i ? "," : "", sim_fault_info[i].name,
                  (unsigned long long)stats->faults[i]);
    bytes_fmt(out, "},\"closes\":%llu,", (unsigned long long)stats->closes_count);
    write_closes(out, stats);
    bytes_str(out, "}\n");
}

static void send_text(struct peer *p, int status, struct bytes *body) {
    peer_json(p, status, "", bytes_at(body), bytes_len(body));
    bytes_free(body);
}

static void send_verdict(struct peer *p, int status, const char *error) {
    struct bytes body = {0};
    if (!error) {
        bytes_str(&body, "{\"ok\":true}\n");
    } else {
        bytes_str(&body, "{\"ok\":false,\"error\":\"");
        bytes_json(&body, error, strlen(error));
        bytes_str(&body, "\"}\n");
    }
    send_text(p, status, &body);
}

static void change(struct peer *p) {
    char error[512];
    struct bytes *body = &p->request.body;
    bool ok = sim_tune_read(&p->cloud->config->tune, bytes_text(body), bytes_len(body), error,
                            sizeof error);
    send_verdict(p, ok ? 200 : 400, ok ? NULL : error);
}

static void reset(struct peer *p) {
    struct sim_stats *stats = &p->cloud->stats;
    uint64_t open = stats->connections_open; /* a state, not a count */
    *stats = (struct sim_stats){.connections_open = open};
    send_verdict(p, 200, NULL);
}

void sim_control_request(struct peer *p) {
    const char *target = bytes_text(&p->request.target);
    bool get = !strcmp(p->request.method, "GET"), post = !strcmp(p->request.method, "POST");
    struct bytes body = {0};
    p->wire.cut = 0;
    if (get && !strcmp(target, "/sim/stats")) {
        write_stats(&body, p->cloud);
        send_text(p, 200, &body);
    } else if (get && !strcmp(target, "/sim/last")) {
        struct bytes *last = &p->cloud->last;
        bytes_str(&body, bytes_len(last) ? bytes_text(last) : "null\n");
        send_text(p, 200, &body);
    } else if (post && !strcmp(target, "/sim/faults")) {
        change(p);
    } else if (post && !strcmp(target, "/sim/reset")) {
        reset(p);
    } else {
        send_verdict(p, 404, "GET /sim/stats, GET /sim/last, POST /sim/faults, POST /sim/reset");
    }
}
