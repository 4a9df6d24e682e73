/*
 * options.h - the command line.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "gather.h"

/* What the program is to do. */
enum mode {
    MODE_DEMONSTRATION, /* no command: cursors of its own */
    MODE_SERVER,        /* run a command for each item, or have it run */
    MODE_CLIENT         /* -c: run a command for a server elsewhere */
};

struct options {
    enum mode mode;
    const char *argument[128]; /* of options, by letter: NULL, if not given;
                                * "" if it takes none */
    char **command; /* its words, {} for the item; ends with NULL.  NULL if
                     * there is none */
    char **items;   /* those after :::, ending with NULL; or NULL */
    uint64_t item_count;              /* of these */
    uint64_t cursors;                 /* -n */
    uint64_t cursor_bytes;            /* -s */
    uint32_t wanted;                  /* -w */
    unsigned char token[SECRET_SIZE]; /* of GATHER_TOKEN, if it is needed */
    bool serves_elsewhere;            /* clients from elsewhere may come */
};

/* Reads the command line: *options, and of *config what it says of a run.
 * Ends the process if it makes no sense, with a message; or if all that was
 * wanted is -h or -V. */
void options_read(
    struct options *options, struct config *config, int argc, char **argv);

#endif
