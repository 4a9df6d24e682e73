/*
 * say.h - messages.
 */
#ifndef SAY_H
#define SAY_H

#include <stdbool.h>
#include <stddef.h>

void say(const char *format, ...);
void say_hurry(void);
void say_hurry_all(void);
bool write_unless_hurried(int fd, const char *bytes, size_t n);
bool terminal_has_escapes(void);

#endif
