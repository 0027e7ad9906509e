/* pass_parts.h - what the files of pass.h share; not for others. */
#ifndef HEDGEROW_APPLIANCE_RACE_PASS_PARTS_H
#define HEDGEROW_APPLIANCE_RACE_PASS_PARTS_H

#include "appliance/race/pass.h"

/* Fields that a head may have which is passed on: a quarter is for the operator's, and some for ours. */
#define PASS_FIELDS_MAX (HTTP_FIELDS_MAX - HTTP_FIELDS_MAX / 4 - 8)

/* --- pass.c --- */

/* The provider is known: begins, or refuses the request. */
void pass_start(struct pass *, const struct config_provider *provider);
/* Which provider a request goes to that names no model of ours; NULL after it was refused. */
const struct config_provider *pass_provider(struct exchange *);
/* May the request go there by what key and client require? Both must hold: a request cannot talk its
 * key out of its region. */
bool pass_in_region(const struct exchange *, const struct config_provider *);

/* --- pass_head.c --- */

/* No segment of it is empty, "." or "..", also encoded, and no slash is hidden: it cannot leave the
 * prefix that the operator gave. A slash at the end may stand. */
bool pass_path_is_plain(struct span path);
/* What stands behind /v1, with its query but without "key=", in which Google's clients put the
 * client's key. In the arena; empty: no memory. */
struct span pass_rest(struct exchange *, struct span target);
/* Copies what is passed on of the client's fields into pass->head. False: no memory. */
bool pass_keep_fields(struct pass *, const struct http_head *from);
/* Target, authority and the rest of the fields, once the provider is known. FAIL_NONE,
 * FAIL_CREDENTIAL, FAIL_OVERLOAD. */
enum fail pass_upward(struct pass *);
/* The provider's head as the client gets it. False: it has more fields than can be passed on. */
bool pass_downward(const struct pass *, const struct http_head *response, struct http_head *head);

#endif
