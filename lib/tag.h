/*
 * tag.h - lines that begin with their item.
 */
#ifndef TAG_H
#define TAG_H

#include "gather.h"

/* Writes n bytes; returns false, with errno set, if it cannot. */
typedef bool line_sink(
    struct item *item, const unsigned char *bytes, size_t n);

bool tag_lines(
    struct item *item, const unsigned char *bytes, size_t n, line_sink *sink);

#endif
