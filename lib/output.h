/*
 * output.h - where the bytes of items go; output.c has the rules.  All of it
 * is called with the lock held, which it may give up on the way.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "gather.h"
#include "turn.h"

int output_init(void);
unsigned char *output_room(
    struct claim *claim, struct item *item, size_t *room);
bool output_received(struct item *item, size_t n);
size_t output_relay(struct item *item, int fd, size_t n);
void output_withdraw(struct item *item);
void output_end(struct item *item);
void output_advance(void);
void output_advance_once(void);
void output_tick(void);
void output_leave(void);
#ifdef CHECK
void output_check(void);
#endif

#endif
