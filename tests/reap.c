/*
 * reap.c - runs a command and sees to it that it ends, with all it started.
 *
 *     cc -std=c99 -o reap tests/reap.c
 *     ./reap [-a after] [-l library] [-n 012] [-p file] [-s seconds] [-z]
 *         report command...
 *
 * The command has so many seconds (20).  Then whatever it has started, in
 * whichever session and below whichever parent, has some more to end (3).
 * What does not is killed, and named in the file `report`, which is else
 * empty.  Exits with the command's status, or 128 + n if signal n ended it.
 *
 *   -l  the command, not this program, has LD_PRELOAD=library
 *   -n  these of its descriptors do not block
 *   -p  the file gets the number of its process
 *   -z  before the command has ended nobody else is collected, as if this were
 *       a careless process 1; then the zombies are named in the report
 *
 * This process becomes the parent of orphans below it, and so waits for all of
 * them.  One that is stopped it continues, as the system does with those whose
 * parent is none of their session any more, which this one is.  prctl() and
 * the lists of children in /proc are Linux's.
 */
#define _GNU_SOURCE /* for prctl() */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Names a process in the report. */
static void name(FILE *report, const char *what, long pid) {
    char path[64], line[200];
    snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(line, 1, sizeof(line) - 1, f) : 0;
    if (f != NULL) fclose(f);
    for (size_t i = 0; i + 1 < n; i++)
        if (line[i] < ' ') line[i] = ' ';
    line[n] = '\0';
    fprintf(report, "%s: %ld %s\n", what, pid, line);
}

/* Kills all that is below a process, from the leaves, and names it. */
static void kill_below(FILE *report, const char *what, long pid) {
    char path[64];
    long child;
    snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", pid, pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fscanf(f, "%ld", &child) == 1) {
        kill((pid_t)child, SIGSTOP); /* lest it forks meanwhile */
        kill_below(report, what, child);
        name(report, what, child);
        kill((pid_t)child, SIGKILL);
    }
    if (f != NULL) fclose(f);
}

/* Writes a number into a file. */
static void put(const char *name, long number) {
    FILE *f = fopen(name, "we");
    if (f == NULL || fprintf(f, "%ld\n", number) < 0 || fclose(f) != 0) {
        perror(name);
        _exit(99);
    }
}

/* Becomes the command. */
static void become(char **argv, const char *library, const char *flags,
    const sigset_t *mask) {
    if (library != NULL) setenv("LD_PRELOAD", library, 1);
    for (; *flags != '\0'; flags++)
        fcntl(
            *flags - '0', F_SETFL, fcntl(*flags - '0', F_GETFL) | O_NONBLOCK);
    signal(SIGINT, SIG_DFL); /* a shell's background ignores these two */
    signal(SIGQUIT, SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

int main(int argc, char **argv) {
    const char *library = NULL, *flags = "", *what = "no end";
    const char *number = NULL;
    double by = 20, after = 3;
    int opt, status = 0, st, ended = 0, careless = 0;
    sigset_t chld, old;
    struct timespec t = {0, 100000000};
    while ((opt = getopt(argc, argv, "+a:l:n:p:s:z")) != -1)
        if (opt == 'l') library = optarg;
        else if (opt == 'n') flags = optarg;
        else if (opt == 'p') number = optarg;
        else if (opt == 's') by = atof(optarg);
        else if (opt == 'a') after = atof(optarg);
        else if (opt == 'z') careless = 1;
    FILE *report = argc - optind > 1 ? fopen(argv[optind], "we") : NULL;
    if (report == NULL || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return 99;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, &old);
    by += now();
    pid_t main_pid = fork(), pid;
    if (main_pid == 0) {
        if (number != NULL) put(number, (long)getpid());
        become(argv + optind + 1, library, flags, &old);
    }
    for (;;) {
        pid_t whom = careless ? main_pid : -1;
        while ((pid = waitpid(whom, &st, WNOHANG | WUNTRACED)) > 0)
            if (WIFSTOPPED(st)) {
                if (pid != main_pid) kill(pid, SIGCONT);
            } else if (pid != main_pid) {
                if (careless) fprintf(report, "zombie: %ld\n", (long)pid);
            } else {
                status = st;
                ended = 1;
                what = "left behind";
                by = now() + after;
                whom = -1;
            }
        if (ended) careless = 0; /* these were all the zombies */
        if (pid < 0 && errno == ECHILD) break;
        if (now() >= by) {
            kill_below(report, what, getpid());
            by = now() + after; /* they take a moment to die */
        }
        sigtimedwait(&chld, NULL, &t);
    }
    if (!ended || fclose(report) != 0) return 99;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
