/*
 * items.h - every item from the list to its last word; items.c draws its life.
 * All of it is called with the lock held, which is given up during next(); but
 * items_list_is_read() also when server() is through.
 */
#ifndef ITEMS_H
#define ITEMS_H

#include "gather.h"
#include "monitor.h"

/* What a client that asks for an item is told. */
enum answer {
    NO_ANSWER,  /* nothing yet: it waits */
    HAS_ITEM,   /* an item is its own, and HANDED */
    READS_LIST, /* it is the one that reads the list */
    HAS_NOTHING /* there is no item for it, and there will be none */
};

/* A client that asks. */
struct taker {
    struct waiter waiter;
    enum client_kind kind;
    uint32_t number; /* of the child, or of the item that it wants */
    enum answer answer;
    struct item *item;
    struct taker *next; /* in its line */
};

int items_init(void);
void items_reserve(void);
void items_client_came(void);
void items_client_left(void);
void items_look_ahead(void);
struct item *items_take(struct taker *taker);
void items_change(struct item *item, enum item_state state);
void items_try_again(struct item *item);
double items_queue_due(void);
void items_retire(struct item *item);
void items_unreserve(uint32_t child);
void items_dispatch(void);
bool items_finished(void);
bool items_want_client(void);
bool items_any_running(void);
bool items_list_is_read(void);
struct item *items_first(void);
#ifdef CHECK
void items_check(void);
#endif

#endif
