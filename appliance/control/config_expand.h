/* config_expand.h - ${NAME} and ${file:PATH} inside values.
 *
 *   ${NAME}        the environment variable NAME ([A-Za-z_][A-Za-z0-9_]*); an unset one is an error
 *   ${file:PATH}   what the file holds, without one final line end; PATH is relative to the
 *                  configuration file
 *   $$             a dollar sign; needed only before a brace: any other $ stands for itself
 *
 * Also several in one value and inside longer text. What they bring in is not looked at again: a
 * secret may hold "${". */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CONFIG_EXPAND_H
#define HEDGEROW_APPLIANCE_CONTROL_CONFIG_EXPAND_H

#include "core/arena.h"

/* A value after replacement: the longest real one is a service account's key file of a few KiB. */
#define CONFIG_VALUE_MAX_BYTES (64 * 1024)

/* Replaces what `text` refers to. On success *out, in the arena or `text` itself, NUL-terminated in
 * no case. False on error, with *why in the arena: a sentence that names the variable or file,
 * never a value. `directory`: of the configuration file. */
bool config_expand(struct span text, const char *directory, struct arena *arena, struct span *out,
                   const char **why);
/* Reads a whole file of at most `max` bytes (also a pipe: `--config <(...)`) into the arena. False
 * with *why, a static text or strerror's, when it cannot. */
bool config_expand_file(const char *path, size_t max, struct arena *arena, struct span *out,
                        const char **why);
/* `path` seen from `directory`: itself when absolute. In the arena, NUL-terminated. */
const char *config_expand_path(struct span path, const char *directory, struct arena *arena);

#endif
