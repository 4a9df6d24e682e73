/*
 * signals.c - handlers, the self-pipe, signal masks, and who is alive.
 *
 * A handler writes the signal's number into the self-pipe and does nothing
 * else; a poll() loop reads it.  The parent has one such pipe, and every child
 * makes its own.
 *
 * The table of children says whom to signal.  A command leads a session of
 * its own, which the parent has to know in case the child that would have
 * ended it is killed.  So commands announce themselves on the roll, a pipe
 * from all children to the parent: {child, group} before the exec, {child, 0}
 * when it is over.  The writing end is close-on-exec and the parent closes
 * its own: end of file on the roll proves that no child is left and that no
 * command can start any more.
 *
 * Main threads only, except for signals_wake() and child_pid().
 */
#include "protocol.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#define SIGNALS 64 /* no system tried has one with a larger number */

struct kid {
    pid_t pid;   /* never changes, so any thread may read it */
    int alive;   /* not reaped yet */
    pid_t group; /* of its running command, 0 if there is none */
};

int children; /* forked and not reaped yet */

static const int caught[] = {SIGCHLD, SIGUSR1, SIGHUP,
                             SIGINT,  SIGQUIT, SIGTERM};
enum { CAUGHT = sizeof(caught) / sizeof(caught[0]) };
static int self[2] = {-1, -1}, roll[2] = {-1, -1};
static struct kid *kids; /* by number */
static int forked;       /* how many there are */
static int number;       /* in a child: its own */

static void handler(int sig) {
    unsigned char byte = (unsigned char)sig;
    int error = errno;
    ssize_t r = write(self[1], &byte, 1);
    (void)r; /* a full pipe wakes its reader just as well */
    errno = error;
}

static void dispose(int sig, void (*how)(int)) {
    struct sigaction act;
    memset(&act, 0, sizeof(act));
    act.sa_handler = how;
    sigfillset(&act.sa_mask);
    sigaction(sig, &act, NULL);
}

/* A close-on-exec pipe that is not waited for at its reading end, nor, if it
 * is a self-pipe, at the other.  Returns 0, or -1 with errno set. */
static int open_pipe(int fds[2]) {
    if (pipe(fds) < 0) return -1;
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        if (i == 0 || fds == self) fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

/*
 * Puts this process in a known state, whatever it inherited: nothing blocked,
 * SIGPIPE ignored (a write says EPIPE), the rest of `caught` handled.  HUP,
 * INT, QUIT and TERM stay ignored if they came so, as nohup and shells without
 * job control expect.  Returns 0, or -1 with errno set.
 */
int signals_init(void) {
    struct sigaction old;
    sigset_t none;
    if (open_pipe(self) < 0 || open_pipe(roll) < 0) return -1;
    for (int i = 0; i < CAUGHT; i++) {
        sigaction(caught[i], NULL, &old);
        if (i < 2 || old.sa_handler != SIG_IGN) dispose(caught[i], handler);
    }
    dispose(SIGPIPE, SIG_IGN);
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The descriptor to poll for signals, and for signals_wake(). */
int signals_fd(void) { return self[0]; }

/* The next signal that arrived, 0 for a mere wake-up, -1 if there is none. */
int signals_next(void) {
    unsigned char byte;
    return read(self[0], &byte, 1) == 1 ? byte : -1;
}

/* Makes the main thread's poll() return; for any thread. */
void signals_wake(void) { handler(0); }

/* Ends this process by the signal, as if it had never been handled. */
void signals_die(int sig) {
    dispose(sig, SIG_DFL);
    raise(sig);
    _exit(128 + sig);
}

/*
 * Forks the next child by number.  Returns in both like fork().  The child
 * leads a process group: a signal from the terminal, or to gather's group,
 * reaches the parent alone, which decides.  Signals wait until the child has
 * a self-pipe of its own, so that none of its own goes to the parent.
 */
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
        number = forked;
        close(self[0]);
        close(self[1]);
        close(roll[0]);
        for (int i = 1; i < CAUGHT; i++) dispose(caught[i], SIG_DFL);
        if (open_pipe(self) < 0) _exit(1);
    } else if (pid > 0) {
        kids[forked++] = (struct kid){pid, 1, 0};
        children++;
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    return (int)pid;
}

/* The process that is child k, 0 if it is none of ours; for any thread. */
pid_t child_pid(uint32_t k) { return k < (uint32_t)forked ? kids[k].pid : 0; }

/* Kills the command of a child that is dead: nobody else knows of it. */
static void orphan(struct kid *kid) {
    if (!kid->alive && kid->group != 0) {
        kill(-kid->group, SIGKILL);
        kid->group = 0;
    }
}

/*
 * Collects a child that ended.  Returns its number, with *status as waitpid()
 * sets it; -1 if there is none for now.  One that was stopped is continued:
 * it would keep its item for ever, and no terminal can have meant it.  The
 * search begins where the last one ended, as they die in about that order.
 */
int child_reap(int *status) {
    static int k;
    pid_t pid;
    while ((pid = waitpid(-1, status, WNOHANG | WUNTRACED)) > 0) {
        int n = forked;
        while (n > 0 && kids[k = (k + 1) % forked].pid != pid) n--;
        if (n == 0) continue; /* it is older than this program */
        if (WIFSTOPPED(*status)) {
            say("warning: child %d (%ld) was stopped: continuing it", k,
                (long)pid);
            kill(pid, SIGCONT);
            continue;
        }
        kids[k].alive = 0;
        children--;
        command_heed();
        orphan(&kids[k]);
        return k;
    }
    return -1;
}

/* Kills every child that is left. */
void child_kill(void) {
    for (int k = 0; k < forked; k++)
        if (kids[k].alive) kill(kids[k].pid, SIGKILL);
}

/* The parent's end of the roll, to be polled; -1 when the roll is over.  The
 * first call ends the time of forking. */
int command_fd(void) {
    if (roll[1] >= 0) close(roll[1]);
    roll[1] = -1;
    return roll[0];
}

/* Reads what commands have announced. */
void command_heed(void) {
    int r[128]; /* pairs, never cut, since a pair is far below PIPE_BUF */
    ssize_t n = -1;
    while (roll[0] >= 0 && (n = read(roll[0], r, sizeof(r))) > 0)
        for (size_t i = 0; i < (size_t)n / sizeof(*r); i += 2) {
            kids[r[i]].group = (pid_t)r[i + 1];
            orphan(&kids[r[i]]);
        }
    if (n == 0) {
        close(roll[0]);
        roll[0] = -1;
    }
}

/* Announces a command's group, 0 at its end.  Returns 0, or -1 when the
 * parent is gone. */
static int announce(pid_t group) {
    int r[2] = {number, (int)group};
    return writen(roll[1], r, sizeof(r)) == sizeof(r) ? 0 : -1;
}

/* In a process that is about to become a command: its own session, announced;
 * all signals default, none blocked.  Returns 0, or -1 if the parent is gone.
 */
int command_start(void) {
    sigset_t none;
    setsid();
    if (announce(getpid()) < 0) return -1;
    for (int sig = 1; sig <= SIGNALS; sig++) dispose(sig, SIG_DFL);
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In a child: its command has been collected. */
void command_over(void) { announce(0); }
