/*
 * list.c - where items come from: numbers, words of the command line, or the
 * lines of a file.  list_next() is the callback of server(); one thread at a
 * time calls it.
 *
 * Lines are found in a buffer that holds the longest of them.  Before there is
 * a thread, list_expect() fills it with what is at hand, to see how many items
 * there may be; list_next() begins with what that has left.
 */
#include "list.h"
#include "say.h"
#include "text.h"
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PIECE ((size_t)1 << 14) /* bytes that are read at a time, at most */

enum source {
    FROM_NUMBERS, /* 0 to length - 1 */
    FROM_WORDS,
    FROM_LINES /* of standard input */
};

/* How much more of standard input there is. */
enum rest {
    REST_UNKNOWN, /* nobody has seen its end */
    REST_NONE,    /* it has ended */
    REST_FAILED   /* it cannot be read; list.error says why */
};

static struct {
    enum source source;
    enum list_speed speed;
    uint64_t length; /* of numbers and words */
    char **words;
    int separator;   /* behind each line */
    bool has_failed; /* nothing more can be had of it */

    /* Lines. */
    enum rest rest; /* behind what is in the buffer */
    int error;
    size_t begin, end; /* of what is in the buffer and not taken */
    size_t searched;   /* bytes from `begin` that have no separator */
    size_t counted;    /* bytes that list_expect() has looked at, */
    int lines;         /* and the separators there */
    char buffer[TEXT_MAX + 1];
} list;

/* Prepares the list; opens its file, which becomes standard input.  Returns 0,
 * or -1, which it has said. */
int list_open(const struct options *options) {
    const char *file = options->argument['a'];
    struct stat status;
    list.speed = LIST_KNOWN;
    list.separator = options->argument['0'] != NULL ? '\0' : '\n';
    if (options->items != NULL) {
        list.source = FROM_WORDS;
        list.words = options->items;
        list.length = options->item_count;
        return 0;
    }
    if (options->argument['n'] != NULL ||
        options->mode == MODE_DEMONSTRATION) {
        list.source = FROM_NUMBERS;
        list.length = options->cursors;
        return 0;
    }
    list.source = FROM_LINES;
    if (file != NULL && strcmp(file, "-") != 0) {
        int fd = open(file, O_RDONLY);
        if (fd < 0 || dup2(fd, 0) < 0) {
            say("fatal: unable to open %s: %s", file, strerror(errno));
            return -1;
        }
        if (fd != 0)
            close(fd);
    }
    bool regular = fstat(0, &status) == 0 && S_ISREG(status.st_mode);
    list.speed = regular ? LIST_PROMPT : LIST_SLOW;
    return 0;
}

enum list_speed list_speed(void) {
    return list.speed;
}

/* How many items there are, of a list that is known. */
uint64_t list_length(void) {
    return list.length;
}

/* Reads a piece more into the buffer, which has room for it.  Returns false if
 * it does not block, and there is nothing now. */
static bool read_piece(void) {
    if (list.begin > 0) {
        list.end -= list.begin;
        memmove(list.buffer, list.buffer + list.begin, list.end);
        list.begin = 0;
    }
    size_t room = sizeof(list.buffer) - list.end;
    ssize_t got = read(0, list.buffer + list.end, room < PIECE ? room : PIECE);
    if (got < 0 && must_wait())
        return false;
    if (got > 0) {
        list.end += (size_t)got;
    } else if (got == 0) {
        list.rest = REST_NONE;
    } else if (errno != EINTR) {
        list.rest = REST_FAILED;
        list.error = errno;
    }
    return true;
}

/* Looks for the next separator in the buffer.  Returns the length of the line
 * before it; or -1 if there is none. */
static long find_line(void) {
    char *from = list.buffer + list.begin;
    size_t n = list.end - list.begin;
    char *to = memchr(from + list.searched, list.separator, n - list.searched);
    list.searched = to != NULL ? 0 : n;
    return to != NULL ? to - from : -1;
}

/* Finds a line, waiting for it, and takes it out of the buffer, where it stays
 * until the next one is taken.  Returns its length; or -1 at the end of the
 * list, or with *reason set. */
static long read_line(const char **text, const char **reason) {
    static char words[ERROR_SIZE];
    long length;
    while ((length = find_line()) < 0 && list.rest == REST_UNKNOWN &&
        list.searched <= TEXT_MAX) {
        if (read_piece() || wait_ready(0, POLLIN, 0) != 0)
            continue;
        list.rest = REST_FAILED;
        list.error = errno;
    }
    *text = list.buffer + list.begin;
    if (length >= 0) {
        list.begin += (size_t)length + 1;
    } else if (list.searched > TEXT_MAX) {
        *reason = "it is longer than 1 MiB";
    } else if (list.rest == REST_FAILED) {
        *reason = error_words(list.error, words);
    } else if (list.searched > 0) {
        length = (long)list.searched; /* the last one has no separator */
        list.begin = list.end;
        list.searched = 0;
    }
    if (length > 0 && memchr(*text, '\0', (size_t)length) != NULL)
        *reason = "it contains a NUL byte";
    return *reason == NULL ? length : -1;
}

/* Counts the lines in the buffer, up to `most`; first reads into it what is at
 * hand, as far as it has room.  A regular file always is. */
static void count_lines(int most) {
    assert(list.begin == 0); /* nothing has been taken yet */
    while (list.lines < most) {
        char *from = list.buffer + list.counted;
        char *to = memchr(from, list.separator, list.end - list.counted);
        if (to != NULL) {
            list.lines++;
            list.counted = (size_t)(to + 1 - list.buffer);
        } else if (list.rest != REST_UNKNOWN ||
            list.end == sizeof(list.buffer) ||
            wait_ready(0, POLLIN, now()) == 0 || !read_piece()) {
            return;
        }
    }
}

/* How many items there may be, `most` at most, as far as can be known without
 * waiting.  Before the first of them has been taken. */
int list_expect(int most) {
    if (list.source != FROM_LINES)
        return list.length < (uint64_t)most ? (int)list.length : most;
    count_lines(most);
    if (list.lines >= most || list.rest == REST_UNKNOWN)
        return most;
    if (list.rest == REST_NONE && list.end == 0)
        list.speed = LIST_PROMPT; /* nobody has to wait to find it empty */
    bool one_more = list.rest == REST_FAILED || list.counted < list.end;
    return list.lines +
        one_more; /* it has no separator, or is not to be had */
}

/* Finds the text of an item by its number.  Returns its length; or -1 at the
 * end of the list, or with *reason set. */
static long find_text(
    uint32_t number, const char **text, const char **reason) {
    if (list.source == FROM_LINES)
        return read_line(text, reason);
    if (number >= list.length)
        return -1;
    *text = list.buffer;
    if (list.source == FROM_NUMBERS)
        return snprintf(
            list.buffer, sizeof(list.buffer), "%lu", (unsigned long)number);
    *text = list.words[number];
    if (strlen(*text) > TEXT_MAX)
        *reason = "it is longer than 1 MiB";
    return (long)strlen(*text);
}

/* The next item, as server() wants it: see struct callbacks. */
int list_next(struct item *item) {
    const char *text = NULL, *reason = NULL;
    if (list.has_failed)
        return -1; /* as it has said */
    long length = find_text(item->which, &text, &reason);
    bool no_memory = false;
    if (length >= 0 && reason == NULL && item->which >= NONE)
        reason = "there are too many";
    if (length < 0 && reason == NULL)
        return 0;
    if (reason == NULL) {
        item->text = malloc((size_t)length + 1);
        no_memory = item->text == NULL;
        if (no_memory)
            reason = "there is no memory for it";
    }
    if (reason != NULL) {
        say("fatal: unable to take item %lu: %s", (unsigned long)item->which,
            reason);
        /* a number or a word can be had again: account_for_rest() */
        list.has_failed = list.source == FROM_LINES || !no_memory;
        return -1;
    }
    item->length = (size_t)length;
    memcpy(item->text, text, item->length);
    item->text[item->length] = '\0';
    return 1;
}
