/*
 * text.h - text: what may be shown, and templates.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

#define ERROR_SIZE 128 /* bytes for the words for an error */

char *substitute(const char *template, const char *text);
size_t character_width(const char *text, size_t n);
void make_printable(char *to, size_t n, const char *text, size_t length);
char *printable_copy(const char *text, size_t n);
char *command_text(char *const *words, const char *item);
const char *error_words(int error, char *words);

#endif
