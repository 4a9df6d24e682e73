/*
 * itemlist.c - the lists that an item may be in: of all that are open, and of
 * those that wait for a client, or until they may do that; and the lines of
 * takers, who wait for an item.  It stands on nothing.
 */
#include "itemlist.h"

/* All open items, in the order in which they came from the list. */
void open_list_add(struct item_list *list, struct item *item) {
    item->previous = list->last;
    item->next = NULL;
    if (list->last != NULL)
        list->last->next = item;
    else
        list->first = item;
    list->last = item;
}

void open_list_remove(struct item_list *list, struct item *item) {
    if (item->previous != NULL)
        item->previous->next = item->next;
    else
        list->first = item->next;
    if (item->next != NULL)
        item->next->previous = item->previous;
    else
        list->last = item->previous;
}

/* Does an item come behind another one?  As it is due, and in the order of the
 * list: what is needed first runs first. */
static bool comes_behind(const struct item *a, const struct item *b) {
    if (a->due < b->due || a->due > b->due)
        return a->due > b->due;
    return a->which > b->which;
}

/* Adds an item to the queue, or to those that are DELAYED, in that order. */
void queue_add(struct item_list *list, struct item *item) {
    struct item *before = list->last;
    while (before != NULL && comes_behind(before, item))
        before = before->queue_previous;
    item->queue_previous = before;
    item->queue_next = before != NULL ? before->queue_next : list->first;
    if (before != NULL)
        before->queue_next = item;
    else
        list->first = item;
    if (item->queue_next != NULL)
        item->queue_next->queue_previous = item;
    else
        list->last = item;
}

void queue_remove(struct item_list *list, struct item *item) {
    if (item->queue_previous != NULL)
        item->queue_previous->queue_next = item->queue_next;
    else
        list->first = item->queue_next;
    if (item->queue_next != NULL)
        item->queue_next->queue_previous = item->queue_previous;
    else
        list->last = item->queue_previous;
}

struct item *queue_find(const struct item_list *list, uint32_t number) {
    struct item *item = list->first;
    while (item != NULL && item->which != number)
        item = item->queue_next;
    return item;
}

/* Whoever wants an item goes to the end of the line. */
void line_add(struct line *line, struct taker *taker) {
    taker->next = NULL;
    if (line->last != NULL)
        line->last->next = taker;
    else
        line->first = taker;
    line->last = taker;
}

/* Takes the taker out that stands behind `before`, or the first one if that is
 * NULL. */
void line_remove(struct line *line, struct taker *before) {
    struct taker *taker = before != NULL ? before->next : line->first;
    if (before != NULL)
        before->next = taker->next;
    else
        line->first = taker->next;
    if (line->last == taker)
        line->last = before;
}
