/*
 * say.h - messages, and text that a terminal may see.
 */
#ifndef SAY_H
#define SAY_H

#include <stdbool.h>
#include <stddef.h>

void say(const char *format, ...);
void say_hurry(void);
bool write_unless_hurried(int fd, const char *bytes, size_t n);
bool terminal_has_escapes(void);
size_t character_width(const char *text, size_t n);
void make_printable(char *to, size_t n, const char *text, size_t length);

#endif
