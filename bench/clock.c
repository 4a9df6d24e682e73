/*
 * clock.c - what running a command takes.
 *
 *     clock file command [argument ...]
 *
 * Appends a line of eight words to the file:
 *
 *     1  elapsed seconds
 *     2  seconds of processor time, of the user and of the system
 *     3  the largest resident set of a process, in KiB as Linux counts
 *     4  page faults
 *     5  context switches, of both kinds
 *     6  seconds of processor time that others took meanwhile
 *     7  seconds that the host of a virtual machine kept for itself
 *     8  the exit status; 128 and the signal if there was one
 *
 * 2 to 5 are of the command and of all its descendants that somebody has
 * waited for.  Where there is no /proc/stat, 6 and 7 are 0; its clock has
 * ticks of 10 ms or so, so they mean nothing for what is as short.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What all processors have done so far, in seconds. */
struct machine {
    double busy, stolen;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static struct machine look_at_machine(void) {
    double user, nice, system, idle, wait, hard, soft, stolen;
    double second = (double)sysconf(_SC_CLK_TCK);
    struct machine machine = {0, 0};
    FILE *f = fopen("/proc/stat", "r");
    if (f == NULL)
        return machine;
    if (fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &system,
            &idle, &wait, &hard, &soft, &stolen) == 8) {
        machine.busy = (user + nice + system + hard + soft) / second;
        machine.stolen = stolen / second;
    }
    fclose(f);
    return machine;
}

/* Runs a command.  Returns its exit status, or -1. */
static int run(char **argv) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    struct rusage used;
    if (argc < 3) {
        fputs("usage: clock file command [argument ...]\n", stderr);
        return 2;
    }
    struct machine before = look_at_machine();
    double start = now();
    int status = run(argv + 2);
    double took = now() - start;
    struct machine after = look_at_machine();
    FILE *f = fopen(argv[1], "a");
    if (f == NULL || status < 0 || getrusage(RUSAGE_CHILDREN, &used) < 0) {
        perror("clock");
        return 1;
    }
    double own = seconds(used.ru_utime) + seconds(used.ru_stime);
    double others = after.busy - before.busy - own;
    fprintf(f, "%.6f %.6f %ld %ld %ld %.2f %.2f %d\n", took, own,
        used.ru_maxrss, used.ru_minflt + used.ru_majflt,
        used.ru_nvcsw + used.ru_nivcsw, others > 0 ? others : 0,
        after.stolen - before.stolen, status);
    return fclose(f) == 0 ? status : 1;
}
