/*
 * files.h - a file for each item.  All of it is called with the lock held,
 * which it gives up while it waits for the file system.
 */
#ifndef FILES_H
#define FILES_H

#include "gather.h"

bool file_open(struct item *item);
bool file_write(struct item *item, const unsigned char *bytes, size_t n);
bool file_close(struct item *item);
void file_abandon(struct item *item);

#endif
