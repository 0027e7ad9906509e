/* metrics_view.h - the workers' counters, added up: what one scrape shows.
 *
 * A model or backend is known by its names, not by its place: while a reload is under way the
 * workers have different configurations. Backends with the same provider and the same model there
 * are one row, also when several of the client's models lead to them. The view owns all that it
 * points to. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_METRICS_VIEW_H
#define HEDGEROW_APPLIANCE_CONTROL_METRICS_VIEW_H

#include "appliance/control/credentials.h"
#include "appliance/control/crew.h"

struct metrics_model {
    char *name; /* that clients ask for */
    struct race_model_stats stats;
    bool priced;          /* the price of a backend of it is known */
    double budget_tokens; /* hedges that may be started now, all workers */
};

struct metrics_backend {
    char *provider, *model; /* the provider's name for it */
    const char *otel_name;  /* static */
    bool priced;
    struct race_backend_stats stats;
    unsigned state; /* 0 in use, 1 being probed, 2 ejected: the worst of the workers */
    unsigned in_flight;
    uint64_t delay_sum_ns; /* of the hedge delay when it is asked first */
    unsigned delay_count;  /* workers that hedge it */
    /* of its provider's limits, the least that a worker knows of; UINT64_MAX: none does */
    uint64_t remaining[RATELIMIT_QUANTITIES];
};

struct metrics_provider {
    char *name;
    struct pool_stats stats;
    uint64_t waiting; /* attempts without a connection */
    uint64_t denied[QUOTA_VERDICTS];
};

struct metrics_worker {
    struct loop_stats loop;
    uint64_t heap_bytes, heap_calls;
};

/* Memory by what it is for; kinds are static texts. */
struct metrics_memory {
    const char *kind;
    uint64_t bytes;
};
#define METRICS_MEMORY_MAX 16

struct metrics_view {
    struct metrics_model *models;
    struct metrics_backend *backends;
    struct metrics_provider *providers;
    struct metrics_worker *workers;
    struct credentials_row *credentials; /* of providers whose credential changes */
    unsigned credential_count;
    unsigned model_count, backend_count, provider_count, worker_count;
    struct metrics_memory memory[METRICS_MEMORY_MAX];
    unsigned memory_count;
    uint64_t unmatched[RACE_STATUS_MAX];
    struct server_stats server;
    uint64_t client_open, upstream_idle, upstream_busy, upstream_opening, in_flight;
    uint64_t generation; /* of the oldest configuration in use */
    uint64_t log_dropped, samples_dropped, start_wall_ns;
};

/* Adds up all workers; each is held (crew_view) only for its own turn. */
struct metrics_view *metrics_view_new(struct crew *);
void metrics_view_free(struct metrics_view **);

#endif
