/*
 * plan.c - what is to be executed for an item: the path of the program and its
 * arguments, made before there is a process for it.  It stands on text.c, and
 * on client.c for the number of the item.
 */
#include "plan.h"
#include "gather.h"
#include "text.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

extern char **environ;

/* Frees what plan_make() has made, as far as it got. */
void plan_free(struct plan *plan) {
    for (char **word = plan->argv; word != NULL && *word != NULL; word++)
        free(*word);
    free(plan->argv);
    free(plan->script_argv);
    free(plan->environment);
    free(plan->variables[0]);
    free(plan->variables[1]);
    free(plan->path);
}

/* May this file be executed?  If not, errno says why. */
static bool is_executable(const char *path) {
    struct stat status;
    if (stat(path, &status) < 0)
        return false;
    errno = EACCES;
    return S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* Finds a program as execvp() does: a name without a slash in the directories
 * of PATH.  Returns its path, which the caller frees; or NULL with errno
 * set. */
static char *find_program(const char *name) {
    const char *directory = getenv("PATH");
    int error = ENOENT;
    if (strchr(name, '/') != NULL || *name == '\0')
        return substitute(name, "{}"); /* that is a copy of it */
    if (directory == NULL)
        directory = "/bin:/usr/bin";
    char *path = malloc(strlen(directory) + strlen(name) + 3);
    if (path == NULL)
        return NULL;
    for (;;) {
        size_t n = strcspn(directory, ":");
        bool here = n == 0; /* an empty one is the working directory */
        sprintf(
            path, "%.*s/%s", here ? 1 : (int)n, here ? "." : directory, name);
        if (is_executable(path))
            return path;
        if (errno == EACCES)
            error = EACCES;
        if (directory[n] == '\0')
            break;
        directory += n + 1;
    }
    free(path);
    errno = error;
    return NULL;
}

/* A string NAME=VALUE; the caller frees it.  NULL if there is no memory. */
static char *make_variable(const char *name, const char *value) {
    char *variable = malloc(strlen(name) + strlen(value) + 2);
    if (variable != NULL)
        sprintf(variable, "%s=%s", name, value);
    return variable;
}

/* Makes the environment: ours, with the item and its number.  (setenv() would
 * do, but some systems never free what it has set.)  Returns 0, or -1. */
static int make_environment(struct plan *plan, const char *text) {
    char digits[16];
    size_t n = 0;
    while (environ[n] != NULL)
        n++;
    snprintf(digits, sizeof(digits), "%lu", (unsigned long)which);
    plan->variables[0] = make_variable("GATHER_WHICH", digits);
    plan->variables[1] = make_variable("GATHER_ITEM", text);
    plan->environment = calloc(n + 3, sizeof(*plan->environment));
    if (plan->variables[0] == NULL || plan->variables[1] == NULL ||
        plan->environment == NULL)
        return -1;
    plan->environment[0] = plan->variables[0];
    plan->environment[1] = plan->variables[1];
    size_t to = 2;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(environ[i], "GATHER_WHICH=", 13) == 0 ||
            strncmp(environ[i], "GATHER_ITEM=", 12) == 0)
            continue;
        plan->environment[to] = environ[i];
        to++;
    }
    return 0;
}

/* Makes what a command needs, the item in place of {}; the environment, too.
 * Returns 0, or an errno; plan_free() in any case. */
int plan_make(struct plan *plan, char *const *words, const char *text) {
    size_t n = 0;
    while (words[n] != NULL)
        n++;
    assert(n > 0); /* the name of the program */
    memset(plan, 0, sizeof(*plan));
    plan->argv = calloc(n + 1, sizeof(*plan->argv));
    plan->script_argv = calloc(n + 2, sizeof(*plan->script_argv));
    if (plan->argv == NULL || plan->script_argv == NULL)
        return ENOMEM;
    for (size_t i = 0; i < n; i++) {
        plan->argv[i] = substitute(words[i], text);
        if (plan->argv[i] == NULL)
            return ENOMEM;
        plan->script_argv[i + 1] = plan->argv[i];
    }
    if (make_environment(plan, text) < 0)
        return ENOMEM;
    plan->path = find_program(plan->argv[0]);
    if (plan->path == NULL)
        return errno;
    static char shell[] = "sh";
    plan->script_argv[0] = shell;
    plan->script_argv[1] = plan->path;
    return 0;
}
