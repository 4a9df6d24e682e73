/*
 * text.c - text: what may be shown, and templates.  It stands on nothing.
 */
#include "text.h"
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy of the template with the text for every {}; the caller frees it.
 * Returns NULL, with errno set, if there is no memory. */
char *substitute(const char *template, const char *text) {
    size_t length = strlen(text);
    size_t n = 0;
    const char *from = template;
    for (const char *to; (to = strstr(from, "{}")) != NULL; from = to + 2)
        n++;
    if (n > SIZE_MAX / 2 / (length + 1)) {
        errno = ENOMEM;
        return NULL;
    }
    char *copy = malloc(strlen(template) + n * length + 1);
    if (copy == NULL)
        return NULL;
    char *end = copy;
    from = template;
    for (const char *to; (to = strstr(from, "{}")) != NULL; from = to + 2) {
        memcpy(end, from, (size_t)(to - from));
        end += to - from;
        memcpy(end, text, length);
        end += length;
    }
    strcpy(end, from);
    return copy;
}

/* Can a character be shown?  Not if it is beyond Unicode, a surrogate, a
 * control character (C1), or one that turns the direction of what follows or
 * ends a line. */
static bool is_shown(uint32_t code) {
    static const struct {
        uint32_t from, to;
    } hidden[] = {{0, 0x9f}, {0x61c, 0x61c}, {0x200e, 0x200f},
        {0x2028, 0x202e}, {0x2066, 0x2069}, {0xd800, 0xdfff},
        {0x110000, UINT32_MAX}};
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if (code >= hidden[i].from && code <= hidden[i].to)
            return false;
    return true;
}

/* How many bytes the printable character at the beginning of a text has; 0 if
 * there is none: one that cannot be shown, or bytes that are no UTF-8
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
    return shortest && is_shown(code) ? width : 0;
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

/* Puts blanks in the place of what is not printable. */
static void blank_unprintable(char *text, size_t length) {
    size_t i = 0;
    while (i < length) {
        size_t width = character_width(text + i, length - i);
        if (width == 0)
            text[i] = ' ';
        i += width > 0 ? width : 1;
    }
}

/* A printable copy of n bytes; the caller frees it.  NULL if there are none,
 * or no memory. */
char *printable_copy(const char *text, size_t n) {
    size_t room = n + 4; /* what make_printable() may add */
    char *copy = n > 0 ? malloc(room) : NULL;
    if (copy != NULL)
        make_printable(copy, room, text, n);
    return copy;
}

/* Appends a word to a line of that length, both malloc()ed.  Returns the line,
 * which may have moved; or NULL, freed, if there is no memory, as there was
 * none before if one of the two is NULL. */
static char *append(char *line, size_t *length, const char *word) {
    size_t n = word != NULL ? strlen(word) : 0;
    char *longer = NULL;
    if (line != NULL && word != NULL)
        longer = realloc(line, *length + n + 1);
    if (longer == NULL) {
        free(line);
        return NULL;
    }
    memcpy(longer + *length, word, n + 1);
    *length += n;
    return longer;
}

/* The words of a command, a blank between them, with the item for every {}.
 * What is not printable becomes a blank, since it might end a line or a
 * column.  The caller frees it.  Returns NULL if there is no memory. */
char *command_text(char *const *words, const char *item) {
    size_t length = 0;
    char *line = calloc(1, 1);
    for (size_t i = 0; words[i] != NULL && line != NULL; i++) {
        char *word = substitute(words[i], item);
        if (i > 0)
            line = append(line, &length, " ");
        line = append(line, &length, word);
        free(word);
    }
    if (line != NULL)
        blank_unprintable(line, length);
    return line;
}

/* The system's words for an error, put into ERROR_SIZE bytes.  strerror() may
 * have one place for those of all threads; so it is for who holds the lock, or
 * is the only thread, and this for everybody else. */
const char *error_words(int error, char *words) {
    words[0] = '\0';
    if (strerror_r(error, words, ERROR_SIZE) != 0 && words[0] == '\0')
        snprintf(words, ERROR_SIZE, "error %d", error);
    return words;
}
