/*
 * coverage.c - linked into the build that coverage.sh measures, and only
 * there: processes that end by _exit() or a signal of their own write their
 * counters first.  One that is killed by another takes its counters along; one
 * that was made by vfork() counts in the memory of its parent.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

extern void __gcov_dump(void), __gcov_reset(void);
extern pid_t __real_fork(void);
extern int __real_raise(int sig);
extern void __real__exit(int status);
pid_t __wrap_fork(void);
int __wrap_raise(int sig);
void __wrap__exit(int status);

/* A child counts from 0: what was before, its parent will write. */
pid_t __wrap_fork(void) {
    pid_t pid = __real_fork();
    if (pid == 0)
        __gcov_reset();
    return pid;
}

int __wrap_raise(int sig) {
    __gcov_dump();
    __gcov_reset();
    return __real_raise(sig);
}

/* After a vfork() somebody else goes on with these counters. */
void __wrap__exit(int status) {
    __gcov_dump();
    __gcov_reset();
    __real__exit(status);
    abort(); /* it does not return */
}
