/*
 * tag.c - lines that begin with their item (-T).  It stands on text.c.
 */
#include "tag.h"
#include "text.h"
#include <stdlib.h>

#define PASSED ((size_t)1 << 16) /* bytes that go to the sink at a time */

/* Passes n bytes of an item's output, which follow those of the last call, to
 * the sink: every line begins with the item's text, made printable, and a TAB.
 * Returns false, with errno set, if the sink fails, or there is no memory. */
bool tag_lines(
    struct item *item, const unsigned char *bytes, size_t n, line_sink *sink) {
    static char none[] = "";
    char *copy = printable_copy(item->text, item->length);
    const char *tag = item->length > 0 ? copy : none;
    size_t tag_length = tag != NULL ? strlen(tag) : 0;
    unsigned char *passed =
        tag != NULL ? malloc(PASSED + tag_length + 2) : NULL;
    size_t length = 0;
    bool ok = true;
    if (passed == NULL) {
        free(copy);
        return false;
    }
    for (size_t i = 0; ok && i < n; i++) {
        if (!item->in_line) {
            memcpy(passed + length, tag, tag_length);
            length += tag_length;
            passed[length] = '\t';
            length++;
        }
        passed[length] = bytes[i];
        length++;
        item->in_line = bytes[i] != '\n';
        if (length >= PASSED || i + 1 == n) {
            ok = sink(item, passed, length);
            length = 0;
        }
    }
    int error = errno; /* of the sink; free() may change it */
    free(passed);
    free(copy);
    errno = error;
    return ok;
}
