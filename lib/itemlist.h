/*
 * itemlist.h - the lists that an item may be in, and the lines of takers.
 */
#ifndef ITEMLIST_H
#define ITEMLIST_H

#include "items.h"

struct item_list {
    struct item *first, *last;
};

void open_list_add(struct item_list *list, struct item *item);
void open_list_remove(struct item_list *list, struct item *item);
void queue_add(struct item_list *list, struct item *item);
void queue_remove(struct item_list *list, struct item *item);
struct item *queue_find(const struct item_list *list, uint32_t number);

struct line {
    struct taker *first, *last;
};

void line_add(struct line *line, struct taker *taker);
void line_remove(struct line *line, struct taker *before);

#endif
