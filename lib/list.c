/*
 * list.c - where items come from: numbers, words of the command line, or the
 * lines of a file.  list_next() is the callback of server(); one thread at a
 * time calls it.
 */
#include "list.h"
#include "say.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum source {
    FROM_NUMBERS, /* 0 to length - 1 */
    FROM_WORDS,
    FROM_LINES /* of standard input */
};

static struct {
    enum source source;
    enum list_speed speed;
    uint64_t length; /* of numbers and words */
    char **words;
    int separator;   /* behind each line */
    bool has_failed; /* nothing more can be had of it */
    char line[TEXT_MAX + 1];
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

/* Reads a byte of standard input.  Returns EOF at the end; or with *reason
 * set, if it failed. */
static int read_byte(const char **reason) {
    for (;;) {
        int byte = getc_unlocked(stdin);
        if (byte != EOF || !ferror(stdin))
            return byte;
        if (errno == EAGAIN && wait_ready(0, POLLIN, 0) != 0) {
            clearerr(stdin); /* it does not block, and has something now */
            continue;
        }
        *reason = strerror(errno);
        return EOF;
    }
}

/* Reads a line into list.line.  Returns its length; or -1 at the end of the
 * list, or with *reason set. */
static long read_line(const char **reason) {
    size_t n = 0;
    for (;;) {
        int byte = read_byte(reason);
        if (byte == EOF)
            return n == 0 || *reason != NULL ? -1 : (long)n;
        if (byte == list.separator)
            return (long)n;
        if (byte == '\0')
            *reason = "it contains a NUL byte";
        else if (n == TEXT_MAX)
            *reason = "it is longer than 1 MiB";
        if (*reason != NULL)
            return -1;
        list.line[n] = (char)byte;
        n++;
    }
}

/* Finds the text of an item by its number.  Returns its length; or -1 at the
 * end of the list, or with *reason set. */
static long find_text(
    uint32_t number, const char **text, const char **reason) {
    *text = list.line;
    if (list.source == FROM_LINES)
        return read_line(reason);
    if (number >= list.length)
        return -1;
    if (list.source == FROM_NUMBERS)
        return snprintf(
            list.line, sizeof(list.line), "%lu", (unsigned long)number);
    *text = list.words[number];
    if (strlen(*text) > TEXT_MAX)
        *reason = "it is longer than 1 MiB";
    return (long)strlen(*text);
}

/* The next item, as server() wants it: see struct callbacks. */
int list_next(struct item *item) {
    const char *text = NULL, *reason = NULL;
    if (list.has_failed)
        return 0;
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
        list.has_failed = list.source == FROM_LINES || !no_memory;
        return -1;
    }
    item->length = (size_t)length;
    memcpy(item->text, text, item->length);
    item->text[item->length] = '\0';
    return 1;
}
