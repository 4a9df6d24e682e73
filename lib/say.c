/*
 * say.c - messages: each one line on standard error, in one write, so that
 * those of several processes and threads do not mix.  The lowest floor: it
 * stands on protocol.h alone.
 */
#include "say.h"
#include "../protocol.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_SIZE 1024
#define SLICE 0.1 /* seconds between looks at `hurried` */

static volatile sig_atomic_t hurried; /* see say_hurry() */

/* From now on nothing here waits for a reader that stands still.  A signal
 * handler may call it. */
void say_hurry(void) {
    hurried = 1;
}

/* Waits until fd takes bytes.  Returns false if it does not, and there is a
 * hurry. */
static bool wait_writable(int fd) {
    while (wait_ready(fd, POLLOUT, now() + SLICE) == 0) {
        if (errno == ETIMEDOUT && !hurried)
            continue;
        return false;
    }
    return true;
}

/* Writes n bytes to fd, whatever signals arrive.  Returns false, with errno
 * set, if it cannot; or if fd takes nothing after say_hurry(). */
bool write_unless_hurried(int fd, const char *bytes, size_t n) {
    size_t done = 0;
    while (done < n) {
        if (!wait_writable(fd))
            return false;
        ssize_t put = write(fd, bytes + done, n - done);
        if (put > 0)
            done += (size_t)put;
        else if (put == 0)
            errno = EIO;
        if (put == 0 || (put < 0 && errno != EINTR && errno != EAGAIN))
            return false;
    }
    return true;
}

/* Is standard error a terminal that knows escape sequences? */
bool terminal_has_escapes(void) {
    const char *term = getenv("TERM");
    return isatty(2) && term != NULL && strcmp(term, "dumb") != 0;
}

/* Says a line after "gather: "; wipes what a terminal may show of the progress
 * behind it.  Keeps errno. */
void say(const char *format, ...) {
    char line[LINE_SIZE] = "gather: ";
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + 8, sizeof(line) - 16, format, arguments);
    va_end(arguments);
    strcat(line, terminal_has_escapes() ? "\033[K\n" : "\n");
    write_unless_hurried(2, line, strlen(line));
    errno = error;
}

/* How many bytes the printable character at the beginning of a text has; 0 if
 * there is none: a control character, C1 included, or bytes that are no UTF-8
 * (RFC 3629).  n is the length of the text, not 0. */
size_t character_width(const char *text, size_t n) {
    const unsigned char *byte = (const unsigned char *)text;
    if (byte[0] < 0x80)
        return byte[0] >= ' ' && byte[0] != 0x7f;
    size_t width = 2;
    if (byte[0] >= 0xe0)
        width = byte[0] < 0xf0 ? 3 : 4;
    if (byte[0] < 0xc2 || byte[0] > 0xf4 || width > n)
        return 0;
    uint32_t code = byte[0] & (0xffu >> (width + 1));
    for (size_t i = 1; i < width; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (byte[i] & 0x3fu);
    }
    bool shortest = width == 2 || code >= (width == 3 ? 0x800u : 0x10000u);
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    bool control = code < 0xa0; /* C1 */
    return shortest && !surrogate && !control && code <= 0x10ffff ? width : 0;
}

/* Copies at most n - 1 bytes of a text so that it can be shown: what is not
 * printable ASCII or part of a well-formed UTF-8 character becomes '?'.  A
 * text that is longer ends in "...".  n is at least 4. */
void make_printable(char *to, size_t n, const char *text, size_t length) {
    size_t put = 0;
    for (size_t i = 0; i < length;) {
        size_t width = character_width(text + i, length - i);
        size_t bytes = width > 0 ? width : 1;
        size_t dots = i + bytes < length ? 3 : 0; /* that may have to follow */
        if (put + bytes + dots >= n) {
            memcpy(to + put, "...", 3);
            put += 3;
            break;
        }
        if (width > 0)
            memcpy(to + put, text + i, bytes);
        else
            to[put] = '?';
        put += bytes;
        i += bytes;
    }
    to[put] = '\0';
}
