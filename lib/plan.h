/*
 * plan.h - what is to be executed for an item.
 */
#ifndef PLAN_H
#define PLAN_H

struct plan {
    char *path;         /* of the program */
    char **argv;        /* its arguments */
    char **script_argv; /* those of a shell, if it is a script without #! */
    char **environment; /* ours, and */
    char *variables[2]; /* these, which say what the item is */
};

int plan_make(struct plan *plan, char *const *words, const char *text);
void plan_free(struct plan *plan);

#endif
