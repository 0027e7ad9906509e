/* admin_ask.h - one question to the admin listener of a running process, for the commands. Blocking. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_ADMIN_ASK_H
#define HEDGEROW_APPLIANCE_CONTROL_ADMIN_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/span.h"

#define ADMIN_ASK_DEFAULT "127.0.0.1:9901"

/* GETs `target` at `address` ("127.0.0.1:9901", "[::1]:9901"). 200: true, and the body with a NUL behind
 * it, from the heap, in *body. False: *why (why_size bytes) says what went wrong, and what to do. */
bool admin_ask(const char *address, const char *target, char **body, size_t *length, char *why,
               size_t why_size);

#endif
