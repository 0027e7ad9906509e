/* config_load.h - from a configuration file to the snapshot that the race works with
 * (appliance/race/config.h).
 *
 *   file --config_node--> tree --config_setting, config_settings.def--> struct config, or a report
 *
 * What the file means is in config_settings.def; `hedgerow help settings` prints it. Values may
 * refer to the environment and to files (config_expand.h); relative paths begin at the file's own
 * folder. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CONFIG_LOAD_H
#define HEDGEROW_APPLIANCE_CONTROL_CONFIG_LOAD_H

#include "appliance/control/config_report.h"
#include "appliance/race/config.h"

/* Reads the file, and the certificates and other files it names. Returns 0 and *out, owned by the
 * caller until config_free; or -EINVAL with *out NULL and what is wrong in *report. The report is
 * initialised here in both cases, may hold warnings after a success, and is freed by the caller
 * with config_report_fini. generation is 1: whoever reloads counts on. Blocks on files: for the
 * control plane only. */
int config_load(const char *path, struct config **out, struct config_report *report);
/* Replaces all listeners by one in clear text at ADDR:PORT, as `serve --listen` wants. Before the
 * snapshot is shared only. False, with *why as in config_value_address, when the text is none; then
 * nothing is changed. */
bool config_listen(struct config *, const char *address, const char **why);
/* Frees a snapshot and nulls *config; NULL is fine. Only when no worker can see it any more. */
void config_free(struct config **config);

#endif
