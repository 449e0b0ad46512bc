/*
 * list.h -- intrusive doubly linked lists.
 *
 * A list is a ring through a head: an empty list is a head that points at itself, a node that is in
 * no list has both links NULL. The object carries the node, so that being listed costs no
 * allocation and leaving a list costs no search; CONTAINER_OF leads back from node to object.
 * A node is in at most one list at a time. A head must not be moved or copied.
 *
 * Bounds: none; whoever links objects bounds their number.
 * Threads: the owner of the list only.
 */
#ifndef SLUICE_LIST_H
#define SLUICE_LIST_H

#include "check.h"

struct list_node {
    struct list_node *next; /* [O] NULL while in no list */
    struct list_node *prev; /* [O] NULL while in no list */
};

/* Makes `head` an empty list. */
static inline void list_init(struct list_node *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool list_is_empty(const struct list_node *head)
{
    return head->next == head;
}

/* Whether `node` is in a list; its memory must have been zero before its first use. */
static inline bool list_is_linked(const struct list_node *node)
{
    return node->next != NULL;
}

static inline void list_insert_after(struct list_node *place, struct list_node *node)
{
    CHECK(!list_is_linked(node));
    node->prev = place;
    node->next = place->next;
    place->next->prev = node;
    place->next = node;
}

static inline void list_push_front(struct list_node *head, struct list_node *node)
{
    list_insert_after(head, node);
}

static inline void list_push_back(struct list_node *head, struct list_node *node)
{
    list_insert_after(head->prev, node);
}

/* Takes `node` out of the list that it is in. */
static inline void list_remove(struct list_node *node)
{
    CHECK(list_is_linked(node));
    CHECK_SLOW(node->next->prev == node && node->prev->next == node);
    node->next->prev = node->prev;
    node->prev->next = node->next;
    node->next = NULL;
    node->prev = NULL;
}

/* The first node, still linked; NULL if there is none. */
static inline struct list_node *list_first(const struct list_node *head)
{
    return list_is_empty(head) ? NULL : head->next;
}

/* The node after `node`; NULL at the end. Read it before removing `node`. */
static inline struct list_node *list_after(const struct list_node *head,
                                           const struct list_node *node)
{
    return node->next == head ? NULL : node->next;
}

/* Removes and returns the first node; NULL if there is none. */
static inline struct list_node *list_pop_front(struct list_node *head)
{
    struct list_node *node = list_first(head);
    if (node != NULL)
        list_remove(node);
    return node;
}

/* Moves all of `from` behind the last of `head`, in order; `from` is empty afterwards. */
static inline void list_splice_back(struct list_node *head, struct list_node *from)
{
    CHECK(head != from);
    if (list_is_empty(from))
        return;
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    list_init(from);
}

#endif
