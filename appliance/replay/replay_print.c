/* replay_print.c - see the header. */
#include "appliance/replay/replay_print.h"

#include <math.h>
#include <string.h>

#include "appliance/replay/replay_parts.h"
#include "core/json.h"

/* ---- text ---- */

/* Milliseconds, with as many digits as say something. */
static void put_ms(uint64_t ns, FILE *out) {
    double ms = (double)ns / (double)NS_PER_MS;
    if (ns == REPLAY_NEVER)
        fprintf(out, " %9s", "never");
    else
        fprintf(out, " %9.*f", ms < 10 ? 2 : ms < 100 ? 1 : 0, ms);
}

static void put_share(double share, FILE *out) {
    if (isnan(share))
        fprintf(out, " %8s", "-");
    else
        fprintf(out, " %7.2f%%", 100 * share);
}

/* ns against the windowed oracle's. */
static void put_ratio(uint64_t ns, uint64_t oracle_ns, FILE *out) {
    if (ns == REPLAY_NEVER || oracle_ns == REPLAY_NEVER || oracle_ns == 0)
        fprintf(out, " %6s", "-");
    else
        fprintf(out, " %6.2f", (double)ns / (double)oracle_ns);
}

static void put_row(const struct replay_figures *f, const struct replay_figures *oracle,
                    FILE *out) {
    fprintf(out, "%-15s", replay_policy_name(f->policy));
    put_ms(f->p50_ns, out);
    put_ms(f->p95_ns, out);
    put_ms(f->p99_ns, out);
    put_ms(f->p999_ns, out);
    put_share(f->extra_requests, out);
    put_share(f->extra_cost, out);
    put_share(f->worst_10s_extra, out);
    if (oracle) {
        put_ratio(f->p99_ns, oracle->p99_ns, out);
        put_ratio(f->p999_ns, oracle->p999_ns, out);
    }
    fputc('\n', out);
}

static void put_heading(const struct trace *t, const struct replay_settings *s, FILE *out) {
    double seconds = t->count ? (double)t->time_ns[t->count - 1] / (double)NS_PER_S : 0;
    fprintf(out, "%s: %zu requests in %.0f s, backends", t->name, t->count, seconds);
    for (unsigned b = 0; b < t->backends; b++)
        fprintf(out, "%s %s", b ? "," : "", t->backend_names[b]);
    fprintf(out, "; request budget %g %%, ", 100 * s->request_budget);
    if (s->cost_budget < 1)
        fprintf(out, "cost budget %g %%, ", 100 * s->cost_budget);
    fprintf(out, "target p%g\n\n", 100 * s->target);
}

void replay_print_text(const struct trace *t, const struct replay_settings *s,
                       const struct replay_figures *f, unsigned count, FILE *out) {
    const struct replay_figures *oracle = replay_figures_find(f, count, REPLAY_ORACLE_WINDOWED);
    put_heading(t, s, out);
    fprintf(out, "%-15s %9s %9s %9s %9s %8s %8s %8s%s\n", "TTFT, ms", "p50", "p95", "p99", "p99.9",
            "requests", "cost", "10 s", oracle ? "    p99  p99.9" : "");
    for (unsigned i = 0; i < count; i++)
        put_row(&f[i], oracle, out);
    fputs("\nrequests, cost: extra ones, in % of those without hedging; 10 s: extra requests of "
          "the worst "
          "10 s\n",
          out);
    if (oracle)
        fputs("p99, p99.9 at the right: against oracle-windowed\n", out);
}

/* ---- JSON ---- */

/* A path of PATH_MAX bytes, each escaped, and the policies. */
enum { MS_DECIMALS = 6, SHARE_DECIMALS = 9, JSON_BYTES_MAX = 65536 };

static void json_ms(struct json_out *j, struct span name, uint64_t ns) {
    json_out_key(j, name);
    json_out_double(j, ns == REPLAY_NEVER ? (double)NAN : (double)ns / (double)NS_PER_MS,
                    MS_DECIMALS);
}

static void json_share(struct json_out *j, struct span name, double share) {
    json_out_key(j, name);
    json_out_double(j, share, SHARE_DECIMALS);
}

static void json_policy(struct json_out *j, const struct replay_figures *f) {
    json_out_object(j);
    json_out_key(j, SPAN("name"));
    json_out_string(j, span_str(replay_policy_name(f->policy)));
    json_ms(j, SPAN("p50_ms"), f->p50_ns);
    json_ms(j, SPAN("p95_ms"), f->p95_ns);
    json_ms(j, SPAN("p99_ms"), f->p99_ns);
    json_ms(j, SPAN("p999_ms"), f->p999_ns);
    json_share(j, SPAN("extra_requests"), f->extra_requests);
    json_share(j, SPAN("extra_cost"), f->extra_cost);
    json_share(j, SPAN("worst_10s_extra"), f->worst_10s_extra);
    json_out_object_end(j);
}

void replay_print_json(const struct trace *t, const struct replay_settings *s,
                       const struct replay_figures *f, unsigned count, FILE *out) {
    static char memory[JSON_BYTES_MAX];
    struct json_out j;
    json_out_init(&j, memory, sizeof memory);
    json_out_object(&j);
    json_out_key(&j, SPAN("trace"));
    json_out_string(&j, span_str(t->name));
    json_out_key(&j, SPAN("requests"));
    json_out_int(&j, (int64_t)t->count);
    json_share(&j, SPAN("budget"), s->request_budget);
    json_share(&j, SPAN("target"), s->target);
    json_out_key(&j, SPAN("policies"));
    json_out_array(&j);
    for (unsigned i = 0; i < count; i++)
        json_policy(&j, &f[i]);
    json_out_array_end(&j);
    json_out_object_end(&j);
    CHECK(!j.full);
    struct span text = json_out_span(&j);
    fwrite(text.p, 1, text.n, out);
    fputc('\n', out);
}
