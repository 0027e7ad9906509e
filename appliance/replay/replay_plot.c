/* replay_plot.c - see the header.
 *
 * The picture brings its own ground, a light one, or a dark one where the reader prefers that
 * (prefers-color-scheme), since the page that shows it may be either. Lines differ by dash as well as by
 * colour. */
#include "appliance/replay/replay_plot.h"

#include <math.h>
#include <string.h>

#include "appliance/replay/replay_parts.h"

/* The picture, and the plot in it, in SVG units. */
enum { WIDTH = 760, HEIGHT = 430, LEFT = 66, TOP = 40, RIGHT = 596, BOTTOM = 376 };
enum { LEGEND_X = 612, LEGEND_Y = 56, LEGEND_STEP = 24, LEGEND_LINE = 26 };
/* Points nearer than this to the last one drawn are left out: half of a pixel shows nobody anything. */
static const double STEP_MIN = 0.5;

static const struct {
    const char *light, *dark, *dash;
} looks[REPLAY_POLICIES] = {
    [REPLAY_NONE] = {"#555555", "#bbbbbb", ""},
    [REPLAY_FIXED] = {"#8c6d1f", "#d9b65c", "6 3"},
    [REPLAY_RACE] = {"#a03070", "#f08cc0", "2 3"},
    [REPLAY_P95_DELAY] = {"#b04a00", "#ff9d4d", "8 3 2 3"},
    [REPLAY_ADAPTIVE] = {"#0050c8", "#6cb0ff", ""},
    [REPLAY_ORACLE_SINGLE] = {"#4a7a00", "#a8d860", "6 3"},
    [REPLAY_ORACLE_WINDOWED] = {"#007a5a", "#4fd6ae", ""},
    [REPLAY_CLAIRVOYANT] = {"#7a4fc0", "#c0a4ff", "2 3"},
};

struct axes {
    double ms_low, ms_high; /* of t */
    double share_low;       /* of P; the highest is 1 */
};

static double x_of(const struct axes *a, double ms) {
    return LEFT + (RIGHT - LEFT) * log(ms / a->ms_low) / log(a->ms_high / a->ms_low);
}

static double y_of(const struct axes *a, double share) {
    return TOP + (BOTTOM - TOP) * log(share) / log(a->share_low);
}

static double ms_of(uint64_t ns) { return (double)ns / (double)NS_PER_MS; }

/* From the median of the fastest up: below it all curves are near one. */
static struct axes choose_axes(const struct replay_figures *f, unsigned count) {
    struct axes a = {.ms_low = INFINITY, .ms_high = 0, .share_low = 1};
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < f[i].curve_count; k++) {
            const struct replay_point *p = &f[i].curve[k];
            if (p->ttft_ns == REPLAY_NEVER || p->ttft_ns == 0)
                continue;
            a.ms_low = fmin(a.ms_low, p->share <= 0.9 ? ms_of(p->ttft_ns) : INFINITY);
            a.ms_high = fmax(a.ms_high, ms_of(p->ttft_ns));
            a.share_low = fmin(a.share_low, p->share);
        }
    if (!(a.ms_low < a.ms_high)) {
        a.ms_high = fmax(a.ms_high, 1) * 1.1;
        a.ms_low = a.ms_high / 2;
    }
    a.ms_low *= 0.95;
    a.ms_high *= 1.05;
    a.share_low = fmin(a.share_low, 0.1);
    return a;
}

static void put_style(FILE *out) {
    fputs("<style>\n"
          "text{font:12px system-ui,sans-serif;fill:#222}.ground{fill:#fff}.grid{stroke:#ddd}"
          ".frame{stroke:#888;fill:none}.line{fill:none;stroke-width:2}\n",
          out);
    for (unsigned p = 0; p < REPLAY_POLICIES; p++)
        fprintf(out, ".p%u{stroke:%s}", p, looks[p].light);
    fputs("\n@media(prefers-color-scheme:dark){text{fill:#ddd}.ground{fill:#16181c}.grid{stroke:#"
          "333}",
          out);
    for (unsigned p = 0; p < REPLAY_POLICIES; p++)
        fprintf(out, ".p%u{stroke:%s}", p, looks[p].dark);
    fputs("}\n</style>\n", out);
}

static void put_text(FILE *out, double x, double y, const char *anchor, const char *text) {
    fprintf(out, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">", x, y, anchor);
    for (; *text; text++) {
        switch (*text) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        default: fputc(*text, out);
        }
    }
    fputs("</text>\n", out);
}

static void put_grid_x(const struct axes *a, FILE *out) {
    static const double marks[] = {1, 2, 5};
    char text[32];
    int first = (int)floor(log10(a->ms_low)), last = (int)floor(log10(a->ms_high));
    for (int decade = first; decade <= last; decade++)
        for (size_t i = 0; i < countof(marks); i++) {
            double ms = pow(10, decade) * marks[i], x = x_of(a, ms);
            if (ms < a->ms_low || ms > a->ms_high)
                continue;
            fprintf(out, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>\n", x, TOP, BOTTOM);
            if (ms < 1000)
                snprintf(text, sizeof text, "%g ms", ms);
            else
                snprintf(text, sizeof text, "%g s", ms / 1000);
            put_text(out, x, BOTTOM + 18, "middle", text);
        }
}

static void put_grid_y(const struct axes *a, FILE *out) {
    char text[32];
    int last = (int)floor(0.001 - log10(a->share_low));
    for (int decade = 0; decade <= last; decade++) {
        double share = pow(10, -decade), y = y_of(a, share);
        fprintf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", LEFT, y, RIGHT);
        snprintf(text, sizeof text, "%g %%", 100 * share);
        put_text(out, LEFT - 8, y + 4, "end", text);
    }
}

static void put_line(const struct axes *a, const struct replay_figures *f, FILE *out) {
    double last_x = -1, last_y = -1;
    fprintf(out, "<path class=\"line p%u\" stroke-dasharray=\"%s\" d=\"", f->policy,
            looks[f->policy].dash);
    for (unsigned k = 0; k < f->curve_count; k++) {
        const struct replay_point *p = &f->curve[k];
        if (p->ttft_ns == REPLAY_NEVER)
            break;
        double x = x_of(a, fmax(ms_of(p->ttft_ns), a->ms_low)), y = y_of(a, p->share);
        if (last_x >= 0 && fabs(x - last_x) < STEP_MIN && fabs(y - last_y) < STEP_MIN)
            continue;
        fprintf(out, "%s%.1f %.1f", last_x < 0 ? "M" : "L", x, y);
        last_x = x;
        last_y = y;
    }
    fputs("\"/>\n", out);
}

static void put_legend(const struct replay_figures *f, unsigned place, FILE *out) {
    int y = LEGEND_Y + (int)place * LEGEND_STEP;
    fprintf(out, "<path class=\"line p%u\" stroke-dasharray=\"%s\" d=\"M%d %dh%d\"/>\n", f->policy,
            looks[f->policy].dash, LEGEND_X, y, LEGEND_LINE);
    put_text(out, LEGEND_X + LEGEND_LINE + 6, y + 4, "start", replay_policy_name(f->policy));
}

void replay_plot_svg(const struct trace *t, const struct replay_figures *f, unsigned count,
                     FILE *out) {
    struct axes a = choose_axes(f, count);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" role=\"img\">\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    put_style(out);
    fprintf(out, "<rect class=\"ground\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", WIDTH, HEIGHT);
    put_text(out, LEFT, TOP - 16, "start", t->name);
    put_text(out, RIGHT, TOP - 16, "end", "share of requests that wait longer than t");
    put_grid_x(&a, out);
    put_grid_y(&a, out);
    fprintf(out, "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", LEFT,
            TOP, RIGHT - LEFT, BOTTOM - TOP);
    for (unsigned i = 0; i < count; i++) {
        put_line(&a, &f[i], out);
        put_legend(&f[i], i, out);
    }
    put_text(out, (LEFT + RIGHT) / 2.0, BOTTOM + 40, "middle", "time to first token, t");
    fputs("</svg>\n", out);
}
