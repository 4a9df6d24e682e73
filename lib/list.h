/*
 * list.h - where items come from.
 */
#ifndef LIST_H
#define LIST_H

#include "options.h"

int list_open(const struct options *options);
enum list_speed list_speed(void);
uint64_t list_length(void);
int list_expect(int most);
int list_next(struct item *item);

#endif
