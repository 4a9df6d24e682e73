/*
 * signals.c - handlers, the self-pipe, signal masks, who is alive, reaping.
 * For the main thread, except for signals_wake(), signals_pending() and
 * child_pid().  Only that thread gets signals.
 *
 * The self-pipe.  poll() cannot wait for a signal, so a handler notes which
 * one has come and writes a record into a pipe of its own process, which
 * poll() can wait for.  (One that ends the run also sees to it that nothing
 * keeps the main thread for long.)  Neither end of the pipe blocks; when it is
 * full, somebody will read it, so nothing is lost.
 *
 * Commands.  A command leads a session of its own, which the parent has to
 * know, in case the child that would end it is killed.  So the parent's pipe
 * carries announcements, too: {child, group} before the command is executed,
 * {child, 0} when it has ended.  A command that finds that its child has died
 * before the announcement does not start.  So when all children have been
 * reaped, whoever has to be ended is in the pipe.
 *
 * Signals that end a run are for the parent alone.  Children ignore them: they
 * learn of the end from their connection, and then end their commands in
 * order, also if somebody signals all processes at once.
 */
#include "lib/gather.h"
#include "lib/say.h"
#include "lib/system.h"
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#define HURRY 1 /* seconds: see on_alarm() */

/* What goes through the self-pipe; never cut, as it is below PIPE_BUF. */
struct record {
    int child;   /* its number; -1: just wake up */
    pid_t group; /* of its command; 0: it has ended */
};

struct kid {
    pid_t pid;   /* never changes, so any thread may read it */
    bool alive;  /* not reaped yet */
    pid_t group; /* of its running command, 0 if there is none */
};

int children; /* forked and not reaped yet */

static const int ending_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, 0};
static volatile sig_atomic_t ending_signal; /* the latest of these, or 0 */
static int told_signal;                     /* that signals_next() has told */
static volatile sig_atomic_t child_changed = 1; /* since child_reap() looked */
static volatile sig_atomic_t gave_up;           /* SIGUSR1 has come */
static int self_pipe[2];
static int parent_pipe = -1; /* in a child: writes into the parent's pipe */
static pid_t parent;         /* who forks the children */
static int number;           /* in a child: which one it is */
static struct kid *kids;     /* by number */
static int kid_count;
static unsigned char to_default[SIGNAL_MAX + 1]; /* see command_begin() */

static void set_handler(int sig, void (*handler)(int)) {
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    sigfillset(&action.sa_mask);
    sigaction(sig, &action, NULL); /* fails for KILL, STOP and no signal */
}

static bool is_ignored(int sig) {
    struct sigaction action;
    return sigaction(sig, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* Makes poll() return in the main thread; for any thread. */
void signals_wake(void) {
    struct record record = {.child = -1};
    if (write(self_pipe[1], &record, sizeof(record)) < 0)
        return; /* full: it wakes up anyway */
}

/* SIGCHLD, and the fatal error of a child, which the article has. */
static void on_child(int sig) {
    int error = errno;
    if (sig == SIGUSR1)
        gave_up = 1;
    else
        child_changed = 1;
    signals_wake();
    errno = error;
}

/* A signal that ends the run.  From now on the main thread shall not be stuck
 * for long in any call: see on_alarm(). */
static void on_ending_signal(int sig) {
    int error = errno;
    ending_signal = sig;
    say_hurry();
    alarm(HURRY);
    signals_wake();
    errno = error;
}

/* The main thread has been stuck for HURRY seconds after a signal that was to
 * end the run: a file system hangs, or the like.  Whatever it waits for will
 * not be waited for any more; clients lose their connections, and end their
 * commands. */
static void on_alarm(int sig) {
    signals_die(ending_signal != 0 ? (int)ending_signal : sig);
}

/* Opens a pipe that no command inherits.  Returns 0, or -1 with errno set. */
static int open_self_pipe(void) {
    if (pipe(self_pipe) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (fcntl(self_pipe[i], F_SETFD, FD_CLOEXEC) < 0 ||
            fcntl(self_pipe[i], F_SETFL, O_NONBLOCK) < 0)
            return -1;
    return 0;
}

/* Notes which signals a command has to have set to their defaults: those that
 * this program handles or ignores, and those that came ignored. */
static void note_defaults(void) {
    int n = 0;
    for (int sig = 1; sig <= SIGNAL_MAX; sig++) {
        bool ours = sig == SIGCHLD || sig == SIGUSR1 || sig == SIGALRM ||
            sig == SIGPIPE || sig == SIGXFSZ || sig == SIGTTOU ||
            sig == SIGHUP || sig == SIGINT || sig == SIGQUIT || sig == SIGTERM;
        if (ours || is_ignored(sig)) {
            to_default[n] = (unsigned char)sig;
            n++;
        }
    }
    to_default[n] = 0;
}

/* Installs a handler for the signals that end a run, unless they came ignored;
 * then unblocks all signals.  Returns 0, or -1 with errno set. */
static int handle_ending_signals(void (*handler)(int)) {
    sigset_t none;
    for (const int *sig = ending_signals; *sig != 0; sig++)
        if (!is_ignored(*sig))
            set_handler(*sig, handler);
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts this process into a known state: the self-pipe, nothing blocked, a
 * broken pipe a mere error; signals that end a run are handled, unless they
 * came ignored.  Returns 0, or -1 with errno set. */
int signals_init(void) {
    if (open_self_pipe() < 0)
        return -1;
    note_defaults();
    set_handler(SIGCHLD, on_child);
    set_handler(SIGUSR1, on_child);
    set_handler(SIGALRM, on_alarm);
    set_handler(SIGPIPE, SIG_IGN);
    set_handler(SIGXFSZ, SIG_IGN);
    return handle_ending_signals(on_ending_signal);
}

/* The descriptor to poll for input: something has come. */
int signals_fd(void) {
    return self_pipe[0];
}

/* Kills the command of a child that is dead: nobody else knows of it.  Returns
 * 0, or -1 if that is not allowed, as it is another user's by now. */
static int end_orphan(struct kid *kid) {
    if (kid->alive || kid->group == 0)
        return 0;
    bool killed = kill(-kid->group, SIGKILL) == 0;
    bool is_foreign = !killed && errno == EPERM; /* or it has just ended */
    kid->group = 0;
    return is_foreign ? -1 : 0;
}

/* Empties the self-pipe, and takes note of what commands have announced. */
static void take_records(void) {
    struct record record;
    while (read(self_pipe[0], &record, sizeof(record)) == sizeof(record)) {
        if (record.child < 0)
            continue;
        kids[record.child].group = record.group;
        end_orphan(&kids[record.child]); /* it is not another program yet */
    }
}

/* Has a signal come that is to end the run? */
bool signals_pending(void) {
    return ending_signal != 0;
}

/* Looks what has come through the self-pipe.  Returns the signal that is to
 * end the run, or 0. */
int signals_next(void) {
    take_records();
    told_signal = (int)ending_signal; /* some have a long for it */
    if (told_signal != 0)
        alarm(HURRY); /* we are not stuck */
    return told_signal;
}

/* Has something come that was not looked at, though its record may have been
 * read already?  Whoever is about to sleep in poll() asks this first; what
 * comes later has a record in the pipe. */
bool signals_have_news(void) {
    return ending_signal != told_signal || gave_up != 0 || child_changed != 0;
}

/* From here on a signal that ends a run ends this process at once: before
 * there is a run, and after it.  The default action would not do, since
 * process 1 of a container has none. */
void signals_default(void) {
    handle_ending_signals(signals_die);
}

/* Ends this process by the signal, as if it had never been handled.  A signal
 * handler may call it. */
void signals_die(int sig) {
    sigset_t one;
    set_handler(sig, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, sig);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    raise(sig);
    _exit(128 + sig); /* process 1 of a container survives its signals */
}

/* Sets up a child that was just forked, with all signals blocked. */
static void become_child(void) {
    number = kid_count;
    parent_pipe = self_pipe[1];
    setpgid(0, 0); /* what a terminal signals reaches the parent alone */
    close(self_pipe[0]);
    for (const int *sig = ending_signals; *sig != 0; sig++)
        set_handler(*sig, SIG_IGN);
    set_handler(SIGUSR1, SIG_DFL);
    set_handler(SIGTTOU, SIG_IGN); /* lest a message to a terminal stops it */
    if (open_self_pipe() < 0) {
        say("fatal: unable to start a child: %s", strerror(errno));
        child_give_up();
    }
}

/* Forks the next child; they are numbered from 0.  Returns what fork() does.
 */
int child_fork(void) {
    struct kid *more = realloc(kids, (size_t)(kid_count + 1) * sizeof(*more));
    sigset_t all, old;
    if (more == NULL)
        return -1;
    kids = more;
    parent = getpid(); /* the child could only ask who it is left to */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    pid_t pid = fork();
    if (pid == 0) {
        become_child();
    } else if (pid > 0) {
        kids[kid_count] = (struct kid){.pid = pid, .alive = true};
        kid_count++;
        children++;
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    return (int)pid;
}

/* In a child: has its parent died? */
bool child_is_orphan(void) {
    return getppid() != parent;
}

/* In a child that cannot do its work, as it has said: tells the parent, if
 * that is still there, and ends. */
void child_give_up(void) {
    if (!child_is_orphan())
        kill(parent, SIGUSR1);
    _exit(2);
}

/* In the parent: has a child given up since the last call? */
bool child_gave_up(void) {
    if (gave_up == 0)
        return false;
    gave_up = 0; /* before it is acted on: one that comes later counts again */
    return true;
}

/* The process that is child k, 0 if there is no such child; any thread. */
pid_t child_pid(uint32_t k) {
    return k < (uint32_t)kid_count ? kids[k].pid : 0;
}

/* Finds a child by its process; they end in about the order of their numbers,
 * so the search begins behind the last one found.  Returns -1 if it is none:
 * an orphan that process 1 has to reap, or one that ran before an exec. */
static int find_child(pid_t pid) {
    static int k;
    for (int n = 0; n < kid_count; n++) {
        k = (k + 1) % kid_count;
        if (kids[k].pid == pid && kids[k].alive)
            return k;
    }
    return -1;
}

/* Collects a child that has ended.  Returns its number, and its *status; or -1
 * if there is none.  One that was stopped is continued, as it would keep its
 * item for ever.  Asks the system only if SIGCHLD has come, since that looks
 * at every child to find that none has ended. */
int child_reap(int *status) {
    while (child_changed) {
        child_changed = 0; /* first, so that none is missed that comes now */
        pid_t pid = waitpid(-1, status, WNOHANG | WUNTRACED);
        if (pid <= 0)
            break;
        child_changed = 1;
        int k = find_child(pid);
        if (k >= 0 && WIFSTOPPED(*status)) {
            say("warning: child %d was stopped: continuing it", k);
            kill(pid, SIGCONT);
        } else if (k >= 0) {
            take_records(); /* all that it has announced */
            kids[k].alive = false;
            if (end_orphan(&kids[k]) < 0)
                say("warning: child %d is gone, and its command cannot be "
                    "killed: it is left behind",
                    k);
            return k;
        }
    }
    return -1;
}

/* Kills the children that have no command, as far as is known: a run that is
 * ended early needs none of them.  Others end when their commands have. */
void child_kill_idle(void) {
    take_records();
    for (int k = 0; k < kid_count; k++)
        if (kids[k].alive && kids[k].group == 0)
            kill(kids[k].pid, SIGKILL);
}

/* Kills the children from a number on, and their commands. */
void child_kill(int from) {
    for (int k = from; k < kid_count; k++) {
        if (!kids[k].alive)
            continue;
        kill(kids[k].pid, SIGKILL);
        if (kids[k].group != 0)
            kill(-kids[k].group, SIGKILL); /* or it has just ended */
    }
}

/* Announces a command's group to the parent, if there is one.  Returns 0, or
 * -1 if the parent is gone. */
static int announce(pid_t group) {
    struct record record = {.child = number, .group = group};
    if (parent_pipe < 0)
        return 0;
    return writen(parent_pipe, &record, sizeof(record)) == sizeof(record) ? 0
                                                                          : -1;
}

/* In a process that is to become a command of `child`, and may share its
 * memory: a session of its own, announced; default dispositions, no signal
 * blocked.  Returns 0, or -1 if that child is gone. */
int command_begin(pid_t child) {
    sigset_t none;
    if (setsid() < 0 || announce(getpid()) < 0 || getppid() != child)
        return -1;
    for (const unsigned char *sig = to_default; *sig != 0; sig++)
        set_handler(*sig, SIG_DFL);
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In a client: nobody has to end its command any more. */
void command_over(void) {
    announce(0); /* who is gone need not know */
}
