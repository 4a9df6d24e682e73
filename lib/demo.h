/*
 * demo.h - the demonstration: cursors whose arrays the parent can compute.
 */
#ifndef DEMO_H
#define DEMO_H

#include "gather.h"

int demo_init(uint64_t cursors, uint64_t bytes);
cursor demo_cursor;
void demo_done(struct item *item);
int demo_table(uint64_t given, double seconds);

#endif
