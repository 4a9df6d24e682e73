/*
 * tiny.c - the least that a program can do: writes its last argument, in a
 * line.  Linked statically, it starts about as fast as a program can, so what
 * running many of them takes is mostly the price of processes.
 *
 *     tiny item       writes the item
 *     tiny +seconds   sleeps, and writes nothing
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char *last = argv[argc - 1];
    size_t n = strlen(last);
    if (*last == '+')
        return sleep((unsigned)atoi(last)) == 0 ? 0 : 1;
    last[n] = '\n'; /* where its NUL was */
    return write(1, last, n + 1) == (ssize_t)n + 1 ? 0 : 1;
}
