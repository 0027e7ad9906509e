/* replay_plot.h - the survival curves of the policies as one SVG file. */
#ifndef HEDGEROW_APPLIANCE_REPLAY_REPLAY_PLOT_H
#define HEDGEROW_APPLIANCE_REPLAY_REPLAY_PLOT_H

#include <stdio.h>

#include "appliance/replay/replay_figures.h"

/* P(TTFT > t) over t, both axes logarithmic, a line for each policy, with a legend. Whole in itself, a few
 * kilobytes a line, readable on light and on dark ground. Errors are the stream's (ferror). */
void replay_plot_svg(const struct trace *, const struct replay_figures *, unsigned count,
                     FILE *out);

#endif
