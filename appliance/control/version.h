/* version.h - which hedgerow this is, and what it was made of. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_VERSION_H
#define HEDGEROW_APPLIANCE_CONTROL_VERSION_H

#include <stdbool.h>

#define HEDGEROW_VERSION \
    "0.1.0" /* semver.org; also in the ready line, the metrics and the packages */

/* `hedgerow version`: one line on standard output; with `build` also compiler, kernel features
 * found, and the versions of the libraries. Returns the exit code. */
int version_main(bool build);

#endif
