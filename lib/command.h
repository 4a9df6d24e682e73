/*
 * command.h - a cursor that runs a program.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include "gather.h"

struct command {
    char **argv;    /* ends with NULL; {} stands for the item */
    double seconds; /* that it may take; 0: any time */
    bool input;     /* it reads our standard input, not nothing */
};

cursor command_run; /* its arg is a struct command */

#endif
