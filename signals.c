/*
 * signals.c - handlers, the self-pipe, signal masks, and who is alive.  For
 * the main thread, except for signals_wake() and child_pid().
 *
 * A handler keeps the signal and writes a record {-1, 0} into the self-pipe;
 * every child makes one of its own.  A command leads a session of its own,
 * which the parent has to know in case the child that would have ended it is
 * killed.  So commands announce themselves in the parent's pipe: {child,
 * group} before the exec, {child, 0} when it is over.  One that finds its
 * child dead after that does not start: when all children have been reaped,
 * whoever has to be ended is in the pipe.
 */
#include "protocol.h"
#include <sys/wait.h>

struct kid {
    pid_t pid;   /* never changes, so any thread may read it */
    int alive;   /* not reaped yet */
    pid_t group; /* of its running command, 0 if there is none */
};

int children; /* forked and not reaped yet */
static const int caught[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, 0};
static volatile sig_atomic_t got;      /* the latest but SIGCHLD, or 0 */
static volatile sig_atomic_t news = 1; /* SIGCHLD came since child_reap() */
static int self[2];      /* this process's pipe; neither end blocks */
static int up = -1;      /* in a child: the writing end of the parent's */
static int number;       /* in a child: which one it is */
static struct kid *kids; /* by number */
static int forked;       /* how many there are */

/* Announces a command's group to the parent, if there is one; never cut. */
static int inform(pid_t group) {
    int record[2] = {number, (int)group};
    size_t n = up < 0 ? 0 : sizeof(record);
    return writen(up, record, n) == n ? 0 : -1;
}

/* Makes poll() return in the main thread; for any thread. */
void signals_wake(void) {
    int record[2] = {-1, 0};
    if (write(self[1], record, sizeof(record)) < 0) return; /* full: woken */
}

static void handler(int sig) {
    int error = errno;
    if (sig == SIGCHLD) news = 1;
    else got = sig, shutdown(c, SHUT_RDWR); /* a server has none */
    signals_wake();
    errno = error;
}

static int ignored(int sig) {
    struct sigaction now;
    return sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static void dispose(int sig, void (*how)(int)) {
    struct sigaction act = {.sa_handler = how};
    sigfillset(&act.sa_mask);
    sigaction(sig, &act, NULL);
}

/* Makes the self-pipe.  Returns 0, or -1 with errno set. */
static int open_self(void) {
    if (pipe(self) < 0) return -1;
    for (int i = 0; i < 2; i++) {
        fcntl(self[i], F_SETFD, FD_CLOEXEC);
        fcntl(self[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

/* Puts this process in a known state: nothing blocked, a broken pipe a mere
 * error, `caught` handled unless ignored.  Returns 0, or -1 with errno set. */
int signals_init(void) {
    sigset_t none;
    if (open_self() < 0) return -1;
    for (const int *sig = caught; *sig != 0; sig++)
        if (sig == caught || !ignored(*sig)) dispose(*sig, handler);
    dispose(SIGPIPE, SIG_IGN), dispose(SIGXFSZ, SIG_IGN);
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The descriptor to poll. */
int signals_fd(void) { return self[0]; }

/* Kills the command of a child that is dead: nobody else knows of it. */
static void orphan(struct kid *kid) {
    if (kid->alive || kid->group == 0) return;
    kill(-kid->group, SIGKILL), kid->group = 0;
}

/* Empties the pipe, and takes note of what commands have announced.  Returns
 * the signal that has arrived, other than SIGCHLD, or 0. */
int signals_next(void) {
    int record[2];
    while (read(self[0], record, sizeof(record)) == sizeof(record)) {
        if (record[0] < 0) continue;
        kids[record[0]].group = (pid_t)record[1];
        orphan(&kids[record[0]]);
    }
    return got; /* a later one finds the pipe empty, and wakes */
}

/* From here on a signal does what it does to any process. */
void signals_default(void) {
    for (const int *sig = caught; *sig != 0; sig++)
        if (!ignored(*sig)) dispose(*sig, SIG_DFL);
}

/* Ends this process by the signal, as if it had never been handled. */
void signals_die(int sig) {
    dispose(sig, SIG_DFL);
    raise(sig);
    _exit(128 + sig);
}

/* Forks the next child by number, like fork().  It leads a process group: what
 * a terminal signals reaches the parent alone. */
int child_fork(void) {
    struct kid *more = realloc(kids, (size_t)(forked + 1) * sizeof(*more));
    sigset_t all, old;
    if (more == NULL) return -1;
    kids = more;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        number = forked, up = self[1], close(self[0]);
        signals_default();
        dispose(SIGCHLD, handler);
        dispose(SIGTTOU, SIG_IGN); /* lest a message to a terminal stops it */
        if (open_self() < 0) _exit(2);
    } else if (pid > 0) {
        kids[forked++] = (struct kid){pid, 1, 0}, children++;
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    return (int)pid;
}

/* The process that is child k, 0 if it is none of ours; for any thread. */
pid_t child_pid(uint32_t k) { return k < (uint32_t)forked ? kids[k].pid : 0; }

/* Collects a child that ended.  Returns its number, and its *status; or -1.
 * One that was stopped is continued: it would keep its item for ever.  Asks
 * only with cause: the system looks at all children to say that none ended. */
int child_reap(int *status) {
    static int k; /* the last found: they die in about the same order */
    pid_t pid;
    while (news) {
        news = 0; /* first, lest one is missed that comes meanwhile */
        if ((pid = waitpid(-1, status, WNOHANG | WUNTRACED)) <= 0) break;
        news = 1;
        int n = forked;
        while (n > 0 && kids[k = (k + 1) % forked].pid != pid) n--;
        if (n == 0 || !kids[k].alive) continue; /* it was left to us */
        if (!WIFSTOPPED(*status)) {
            kids[k].alive = 0, children--, orphan(&kids[k]);
            return k;
        }
        say("warning: child %d was stopped: continuing it", k);
        kill(pid, SIGCONT);
    }
    return -1;
}

/* Kills the children from a number on. */
void child_kill(int from) {
    for (int k = from; k < forked; k++)
        if (kids[k].alive) kill(kids[k].pid, SIGKILL);
}

/* Makes a process fit to be a command: its own session, announced; all signals
 * default, none blocked.  Returns 0, or -1 if `child`, its parent, is gone. */
int command_start(pid_t child) {
    sigset_t none;
    if (setsid() < 0 || inform(getpid()) < 0 || getppid() != child) return -1;
    for (int sig = 1; sig <= 64; sig++) dispose(sig, SIG_DFL); /* all */
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In a child: its command has been collected. */
void command_over(void) { inform(0); }
