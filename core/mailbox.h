/* mailbox.h - messages from other threads to a loop. Posting is thread-safe; delivery is on the
 * loop's thread, in order. */
#ifndef HEDGEROW_CORE_MAILBOX_H
#define HEDGEROW_CORE_MAILBOX_H

#include <pthread.h>

#include "core/loop.h"

/* Embedded in what is sent; owned by the receiver from delivery on. */
struct message {
    void (*deliver)(struct message *, void *owner);
    struct message *next;
};

struct mailbox {
    pthread_mutex_t lock;
    struct message *first, **last;
    int event_fd;
    uint64_t event_count;
    struct op read;
    struct loop *loop;
    void *owner; /* handed to deliver */
    bool closing;
};

/* On the loop's thread. 0 or -errno. */
int mailbox_open(struct mailbox *, struct loop *loop, void *owner);
/* From any thread. */
void mailbox_post(struct mailbox *, struct message *);
/* Starts closing: cancels the read; the box may be freed when mailbox_closed. Undelivered messages
 * are delivered first. */
void mailbox_close(struct mailbox *);
bool mailbox_closed(const struct mailbox *);
/* After mailbox_closed: closes the descriptor. */
void mailbox_fini(struct mailbox *);

#endif
