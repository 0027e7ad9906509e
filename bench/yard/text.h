/* text.h - the request and the answers of the measurement, byte by byte as OpenAI's streams are on the
 * wire, in the sizes that PERFORMANCE's table names. */
#ifndef BENCH_YARD_TEXT_H
#define BENCH_YARD_TEXT_H

#include <stddef.h>

enum { TEXT_REQUEST_BODY = 600, TEXT_EVENT = 200, TEXT_SHORT_EVENT = 176 };

struct text {
    char *bytes; /* owned, for the whole run */
    size_t n;
};

extern struct text text_whole;  /* a whole answer: head, 500 B of events, the end of the stream */
extern struct text text_open;   /* the head, the role and the first token */
extern struct text text_event;  /* one more event */
extern struct text text_finish; /* the last event and the end of the stream */
/* Events in text_whole, with the one that says it is over; in text_open. */
extern const unsigned text_whole_events, text_open_events;

/* Makes them. */
void text_init(void);
/* A request with the fields given ("" or "NAME: VALUE\r\n"...). */
struct text text_request(const char *fields);

#endif
