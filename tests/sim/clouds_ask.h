/* clouds_ask.h - a request as it reached a cloud: is it what the client asked, in the cloud's own format? */
#ifndef TESTS_SIM_CLOUDS_ASK_H
#define TESTS_SIM_CLOUDS_ASK_H

#include "tests/sim/world.h"

/* The format that this request is to reach this cloud in: the client's own where the cloud has it, unless
 * it asks for the rest of an answer (`head` says where it was sent), which is a chat. */
enum format clouds_ask_format(const struct cloud *, const struct request *, struct span head);
/* Method and target, as they stand in the request line; in a buffer that is used again. */
const char *clouds_ask_line(const struct cloud *, const struct request *, enum format);
/* The field that carries the key; *value: what stands in it, in a buffer that is used again. */
const char *clouds_ask_key_field(const struct cloud *, const char **value);
/* Ends the seed when the body says anything but what the client said, and behind it at most the beginning
 * of an answer that another cloud has given to it: that is returned, decoded; empty: there is none. */
struct text clouds_ask_check(const struct cloud *, const struct request *, enum format,
                             struct span body);

#endif
