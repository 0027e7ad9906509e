/* mailbox.c - a locked list and an eventfd that the loop reads. See mailbox.h. */
#include "core/mailbox.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void deliver_all(struct mailbox *box) {
    pthread_mutex_lock(&box->lock);
    struct message *message = box->first;
    box->first = NULL;
    box->last = &box->first;
    pthread_mutex_unlock(&box->lock);
    while (message) {
        struct message *next = message->next; /* deliver may free it */
        message->deliver(message, box->owner);
        message = next;
    }
}

static void mailbox_read_done(struct op *op, int res, unsigned flags) {
    struct mailbox *box = container_of(op, struct mailbox, read);
    (void)flags;
    deliver_all(box);
    if (box->closing || res == -ECANCELED)
        return;
    io_read(box->loop, &box->read, box->event_fd, &box->event_count, sizeof box->event_count);
}

int mailbox_open(struct mailbox *box, struct loop *loop, void *owner) {
    memset(box, 0, sizeof *box);
    box->event_fd = eventfd(0, EFD_CLOEXEC);
    if (box->event_fd < 0)
        return -errno;
    pthread_mutex_init(&box->lock, NULL);
    box->last = &box->first;
    box->loop = loop;
    box->owner = owner;
    op_init(&box->read, mailbox_read_done);
    io_read(loop, &box->read, box->event_fd, &box->event_count, sizeof box->event_count);
    return 0;
}

void mailbox_post(struct mailbox *box, struct message *message) {
    message->next = NULL;
    pthread_mutex_lock(&box->lock);
    bool was_empty = box->first == NULL;
    *box->last = message;
    box->last = &message->next;
    pthread_mutex_unlock(&box->lock);
    uint64_t one = 1;
    if (was_empty && write(box->event_fd, &one, sizeof one) < 0)
        CHECK(errno == EAGAIN);
}

void mailbox_close(struct mailbox *box) {
    box->closing = true;
    if (box->read.armed)
        io_cancel(box->loop, &box->read);
}

bool mailbox_closed(const struct mailbox *box) { return !box->read.armed; }

void mailbox_fini(struct mailbox *box) {
    CHECK(!box->read.armed);
    deliver_all(box);
    close(box->event_fd);
    pthread_mutex_destroy(&box->lock);
}
