/*
 * inuse.h - the files that this program has open, which nothing that it
 * creates may replace.
 */
#ifndef INUSE_H
#define INUSE_H

#include <stdbool.h>

void inuse_note(int fd, const char *what, bool also_pipe);
const char *inuse_as(const char *path);

#endif
