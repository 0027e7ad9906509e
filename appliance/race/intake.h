/* intake.h - the client's request, from its head until it can be raced: who asks, for what, in which
 * dialect, and what the body says. For exchange.c.
 *
 * Each of these may refuse the request, which is then answered. */
#ifndef HEDGEROW_APPLIANCE_RACE_INTAKE_H
#define HEDGEROW_APPLIANCE_RACE_INTAKE_H

#include "net/http.h"

struct exchange;

/* The head has come; its spans are valid during the call. Answers at once what the configuration
 * alone can answer. */
void intake_head(struct exchange *, const struct http_head *head);
/* Body bytes, copied. */
void intake_body(struct exchange *, struct span bytes);
/* The body is whole: reads it and finds the model. False: it was refused. */
bool intake_read(struct exchange *);

#endif
