/*
 * turn.h - whose turn it is to be written, and who may hold memory until then;
 * turn.c has the rules.  All of it is called with the lock held.
 */
#ifndef TURN_H
#define TURN_H

#include "gather.h"
#include "monitor.h"

/* What a connection needs to wait for memory, for the item that it runs. */
struct claim {
    struct waiter waiter;
    struct item *item;
    struct block *block; /* what was handed to it; NULL: there is none */
    struct claim *previous, *next; /* in the line for memory */
};

struct item *turn_item(void);
void turn_join(struct item *item);
void turn_leave(struct item *item);
bool is_held_back(const struct item *item);
void claim_block(struct claim *claim, struct item *item);
struct block *wait_for_block(struct claim *claim);
void give_back_first(struct item *item);
void turn_dispatch(void);
void turn_end_exemption(const struct item *item);
#ifdef CHECK
void turn_check(void);
#endif

#endif
