/*
 * clock.c - what running a command takes.
 *
 *     clock file command [argument ...]
 *
 * Appends to the file: elapsed seconds, seconds of CPU, the largest resident
 * set of the command or of any descendant it has waited for in KiB, and its
 * exit status.  ru_maxrss is not in POSIX, but in most systems.
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv) {
    struct rusage r;
    int status;
    if (argc < 3) {
        fputs("usage: clock file command [argument ...]\n", stderr);
        return 2;
    }
    FILE *f = fopen(argv[1], "a");
    double start = now();
    pid_t pid = fork();
    if (pid == 0) {
        if (f != NULL) close(fileno(f));
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (f == NULL || pid < 0 || waitpid(pid, &status, 0) < 0 ||
        getrusage(RUSAGE_CHILDREN, &r) < 0) { /* there is no other child */
        perror("clock");
        return 1;
    }
    double took = now() - start;
    if (WIFSIGNALED(status)) status = 128 + WTERMSIG(status);
    else status = WEXITSTATUS(status);
    fprintf(f, "%.6f %.6f %ld %d\n", took,
        seconds(r.ru_utime) + seconds(r.ru_stime), r.ru_maxrss, status);
    return fclose(f) == 0 ? status : 1;
}
