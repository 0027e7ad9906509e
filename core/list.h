/* list.h - intrusive doubly linked ring. The head is a node of its own; an unlinked node points to
 * itself. (pure) The list owns nothing: whoever embeds a node unlinks it before the struct is
 * freed. */
#ifndef HEDGEROW_CORE_LIST_H
#define HEDGEROW_CORE_LIST_H

#include "core/base.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *node) { node->next = node->prev = node; }
static inline bool list_empty(const struct list *head) { return head->next == head; }
static inline bool list_linked(const struct list *node) { return node->next != node; }
static inline void list_insert(struct list *prev, struct list *node) {
    CHECK(!list_linked(node));
    node->next = prev->next;
    node->prev = prev;
    prev->next->prev = node;
    prev->next = node;
}
static inline void list_push_back(struct list *head, struct list *node) {
    list_insert(head->prev, node);
}
static inline void list_push_front(struct list *head, struct list *node) {
    list_insert(head, node);
}
/* Does nothing to a node that is in no list. */
static inline void list_remove(struct list *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}
/* The first node, unlinked, or NULL. */
static inline struct list *list_pop(struct list *head) {
    struct list *node = head->next;
    if (node == head)
        return NULL;
    list_remove(node);
    return node;
}

#define list_each(node, head) \
    for (struct list *node = (head)->next; node != (head); node = node->next)
/* As list_each; the body may unlink or free `node`, but no other. */
#define list_each_safe(node, head)                                                    \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head); \
         node = node##_next, node##_next = node->next)

#endif
