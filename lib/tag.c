/*
 * tag.c - lines that begin with their item (-T).  It stands on text.c.
 */
#include "tag.h"
#include "text.h"
#include <stdlib.h>

#define BUFFER_SIZE ((size_t)1 << 15) /* bytes; lines are short, writes dear */

struct buffer {
    size_t length;
    unsigned char bytes[BUFFER_SIZE];
};

/* Passes the buffer to the sink. */
static bool flush(struct buffer *buffer, struct item *item, sink *sink) {
    size_t n = buffer->length;
    buffer->length = 0;
    return n == 0 || sink(item, buffer->bytes, n);
}

/* Adds n bytes to the buffer, which is flushed when it is full. */
static bool add(struct buffer *buffer, const void *bytes, size_t n,
    struct item *item, sink *sink) {
    const unsigned char *from = bytes;
    while (n > 0) {
        size_t room = BUFFER_SIZE - buffer->length;
        size_t part = n < room ? n : room;
        memcpy(buffer->bytes + buffer->length, from, part);
        buffer->length += part;
        from += part;
        n -= part;
        if (part == room && !flush(buffer, item, sink))
            return false;
    }
    return true;
}

/* Passes n bytes of an item's output, which follow those of the last call, to
 * the sink: every line begins with the item's text, made printable, and a TAB;
 * all that with what is to be there `first`.  Returns false, with errno set,
 * if the sink does, or there is no memory. */
bool tag_lines(struct item *item, const char *first,
    const unsigned char *bytes, size_t n, sink *sink) {
    char *tag = printable_copy(item->text, item->length);
    struct buffer *buffer = malloc(sizeof(*buffer));
    bool ok = buffer != NULL && (tag != NULL || item->length == 0);
    if (ok) {
        buffer->length = 0;
        ok = add(buffer, first, strlen(first), item, sink);
    }
    while (ok && n > 0) {
        const unsigned char *newline = memchr(bytes, '\n', n);
        size_t part = newline != NULL ? (size_t)(newline - bytes) + 1 : n;
        if (!item->in_line && tag != NULL)
            ok = add(buffer, tag, strlen(tag), item, sink);
        if (!item->in_line)
            ok = ok && add(buffer, "\t", 1, item, sink);
        ok = ok && add(buffer, bytes, part, item, sink);
        item->in_line = newline == NULL;
        bytes += part;
        n -= part;
    }
    ok = ok && flush(buffer, item, sink);
    free(buffer);
    free(tag);
    return ok;
}
