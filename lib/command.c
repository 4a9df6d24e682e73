/*
 * command.c - a cursor that runs a program: starts it, delivers what it
 * writes, and ends it with all of its process group if its time is up or the
 * server is gone.  It stands on client.c, through xclient(), signals.c, say.c
 * and plan.c.
 *
 * The program is found, and its arguments are made, before there is a process
 * for it.  That process then calls nothing but what may be called after
 * vfork(): it shares the memory of this one, which sleeps until the exec.
 */
#include "command.h"
#include "plan.h"
#include "say.h"
#include "system.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define PIECE ((size_t)1 << 17) /* bytes delivered at a time, at most */
/* Bytes of a pipe: all those of a user may have no more than 64 MiB. */
#define PIPE_SIZE (1 << 18)
#define FORK_PATIENCE 10.0 /* seconds to wait for a free process */
#define KILL_POLL 10       /* milliseconds between looks at a group */

enum process_state {
    PROCESS_RUNS,
    PROCESS_EXITED,       /* but something of its group may be there */
    PROCESS_OUT_OF_REACH, /* what there is of its group is another user's */
    PROCESS_GONE          /* with all of its group */
};

struct process {
    pid_t pid; /* also its session and its process group */
    int out;   /* reads its output, does not block; -1 after its end */
    enum process_state state;
    bool adopts;        /* orphans of its group are collected here, too */
    int status;         /* as waitpid() tells it, once it has exited */
    double deadline;    /* when (of now()) its time is up; 0: never */
    double exited_at;   /* when (of now()) its exit was noticed */
    double quiet_since; /* when (of now()) it last wrote, or exited */
};

/* Collects the process if it has ended; and orphans, which come here from its
 * group, or to process 1 of a container. */
static void collect(struct process *process) {
    pid_t pid;
    int status;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != process->pid || process->state != PROCESS_RUNS)
            continue;
        process->state = PROCESS_EXITED;
        process->status = status;
        process->exited_at = now();
        process->quiet_since = process->exited_at;
    }
    if (process->state == PROCESS_RUNS || process->state == PROCESS_GONE ||
        kill(-process->pid, 0) == 0)
        return;
    if (errno == EPERM) {
        process->state = PROCESS_OUT_OF_REACH;
        return;
    }
    process->state = PROCESS_GONE;
    command_over();
}

/* Waits until the process is in a state, or beyond it, for GRACE seconds at
 * most.  Nothing tells when a group is gone, so it looks again and again. */
static void wait_for_state(struct process *process, enum process_state state) {
    double deadline = now() + GRACE;
    collect(process);
    while (process->state < state && now() < deadline) {
        poll(NULL, 0, KILL_POLL);
        signals_next(); /* shows that we are not stuck */
        collect(process);
    }
}

/* In the new process: becomes the program, or returns with errno set. */
static void become(
    const struct plan *plan, bool input, int out, pid_t client_pid) {
    int nothing[2];
    if (dup2(out, 1) != 1)
        return;
    if (!input) {
        if (close(0) < 0)
            return;
        int fd = open("/dev/null", O_RDONLY);
        if (fd < 0 && (pipe(nothing) < 0 || close(nothing[1]) < 0))
            return; /* where there is no /dev, an empty pipe */
    }
    if (command_begin(client_pid) < 0)
        return;
    execve(plan->path, plan->argv, plan->environment);
    if (errno == ENOEXEC)
        execve("/bin/sh", plan->script_argv, plan->environment);
}

/* Makes a pipe that is closed at an exec, and whose reader does not block.
 * Returns 0, or -1 with errno set. */
static int make_pipe(int fds[2]) {
    if (pipe(fds) < 0)
        return -1;
    if (fcntl(fds[0], F_SETFD, FD_CLOEXEC) == 0 &&
        fcntl(fds[1], F_SETFD, FD_CLOEXEC) == 0 &&
        fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0)
        return 0;
    close(fds[0]);
    close(fds[1]);
    return -1;
}

/* Makes the process.  It tells through `failure`, which the exec closes, if it
 * does not become the program.  Returns 0, or an errno. */
static int spawn(struct process *process, const struct plan *plan, bool input,
    int out, const int failure[2]) {
    sigset_t all, old;
    pid_t me = getpid();
    int error = 0;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old); /* no handler runs there */
    pid_t pid = system_vfork();
    if (pid == 0) {
        become(plan, input, out, me);
        int reason = errno;
        if (write(failure[1], &reason, sizeof(reason)) < 0)
            _exit(127);
        _exit(127);
    }
    if (pid < 0)
        error = errno;
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(failure[1]);
    if (pid < 0)
        return error;
    process->pid = pid;
    if (readn(failure[0], &error, sizeof(error), 0) == 0)
        return 0;
    wait_for_state(process, PROCESS_EXITED);
    if (process->state != PROCESS_GONE)
        command_over();
    return error;
}

/* Starts a command.  Returns 0, or an errno. */
static int start(
    struct process *process, const struct plan *plan, bool input) {
    int out[2], failure[2];
    memset(process, 0, sizeof(*process));
    process->out = -1;
    process->adopts = system_adopt_orphans();
    if (make_pipe(out) < 0)
        return errno;
    if (make_pipe(failure) < 0) {
        int error = errno;
        close(out[0]);
        close(out[1]);
        return error;
    }
    int error = spawn(process, plan, input, out[1], failure);
    close(failure[0]);
    close(out[1]);
    if (error != 0) {
        close(out[0]);
        return error;
    }
    process->out = out[0];
    process->quiet_since = now();
    system_pipe_size(out[0], PIPE_SIZE);
    return 0;
}

/* Ends the process and its group: TERM and, if that does not do it, KILL.
 * What cannot be killed is left behind. */
static void end_group(struct process *process, uint32_t item) {
    collect(process);
    if (process->state == PROCESS_GONE)
        return;
    kill(-process->pid, SIGTERM); /* these fail if it has just ended */
    kill(-process->pid, SIGCONT);
    wait_for_state(process, PROCESS_GONE);
    if (process->state == PROCESS_GONE)
        return;
    kill(-process->pid, SIGKILL);
    /* What others have to collect may be zombies, which nobody waits for. */
    wait_for_state(
        process, process->adopts ? PROCESS_OUT_OF_REACH : PROCESS_EXITED);
    bool zombies = process->state == PROCESS_EXITED && !process->adopts;
    if (process->state != PROCESS_GONE && !zombies)
        say("warning: item %lu: its command cannot be killed: it is left "
            "behind",
            (unsigned long)item);
}

/* --- Delivering what it writes */

enum verdict { GO_ON, ENDED, TIME_IS_UP, LOST };

/* Reads what the process has written, up to PIECE bytes.  A process that pours
 * is left alone for a moment, so that one delivery, which is dear, carries
 * more: for the shortest nap there is, some 50 us.  Where the first nine naps
 * all last a tick of the clock instead, there are no more of them.  Returns
 * the number of bytes; sets *at_end at the end of file. */
static size_t read_piece(struct process *process, char *piece, bool *at_end) {
    static int naps;      /* so many were looked at, up to 9 */
    static bool naps_pay; /* one of them was short */
    size_t n = 0;
    for (;;) {
        ssize_t got = read(process->out, piece + n, PIECE - n);
        *at_end = got == 0;
        if (got <= 0)
            return n;
        n += (size_t)got;
        if (got < 4096 || n > PIECE / 2 || (naps == 9 && !naps_pay))
            return n;
        double before = now();
        nanosleep(&(struct timespec){.tv_nsec = 1}, NULL);
        naps_pay = naps_pay || now() - before < 5e-3;
        naps += naps < 9;
    }
}

/* Delivers a piece.  The time in which the server takes none, since it is held
 * up or out of memory, does not count; two milliseconds are no such time. */
static enum verdict deliver(
    struct process *process, const char *piece, size_t n) {
    double before = now();
    if (xclient(piece, n) < 0)
        return LOST;
    double after = now();
    double waited = after - before;
    if (n > 0)
        process->quiet_since = after;
    if (process->deadline > 0 && waited > 2e-3)
        process->deadline += waited;
    return GO_ON;
}

/* Sleeps until the process, if there is one yet, has written or ended, the
 * server is gone, or the deadline. */
static enum verdict sleep_until_news(
    const struct process *process, double deadline) {
    struct pollfd poll_fds[3] = {
        {.fd = process->out, .events = POLLIN}, /* or negative */
        {.fd = c, .events = POLLIN},
        {.fd = signals_fd(), .events = POLLIN},
    };
    poll_until(poll_fds, 3, deadline);
    if (poll_fds[1].revents != 0)
        return LOST; /* it had nothing to say */
    return signals_next() != 0 ? LOST : GO_ON;
}

/* When what an exited process has left has to be through with its output. */
static double last_moment(const struct process *process) {
    double from = process->deadline;
    if (from < process->exited_at)
        from = process->exited_at;
    return from + GRACE;
}

/* Is the time of the process up?  What has exited in time is not late, however
 * late that is noticed; but what it has left has no more than GRACE to write
 * the rest. */
static bool is_late(struct process *process) {
    if (process->deadline <= 0 || now() < process->deadline)
        return false;
    collect(process);
    return process->state == PROCESS_RUNS || now() >= last_moment(process);
}

/* Delivers what there is, or sleeps until something happens. */
static enum verdict step(struct process *process) {
    static char piece[PIECE];
    bool at_end = false;
    double deadline = process->deadline;
    size_t n = 0;
    if (is_late(process))
        return TIME_IS_UP;
    if (process->out >= 0)
        n = read_piece(process, piece, &at_end);
    if (at_end) {
        close(process->out);
        process->out = -1;
    }
    if (n > 0)
        return deliver(process, piece, n);
    collect(process); /* here, since who delivers takes signals as well */
    if (process->state != PROCESS_RUNS) {
        double quiet_until = process->quiet_since + GRACE;
        if (process->out < 0 || now() >= quiet_until)
            return ENDED;
        if (deadline <= 0 || quiet_until < last_moment(process))
            deadline = quiet_until;
        else
            deadline = last_moment(process);
    }
    enum process_state before = process->state;
    if (deliver(process, NULL, 0) == LOST) /* what was held back */
        return LOST;
    collect(process); /* again, for the same reason */
    return process->state == before ? sleep_until_news(process, deadline)
                                    : GO_ON;
}

/* --- The cursor */

/* Starts the command; waits if the system is short of processes.  Returns 0;
 * an errno; or -1 if the server is gone. */
static int start_patiently(
    struct process *process, const struct plan *plan, bool input) {
    double pause = 0.02;
    double give_up = now() + FORK_PATIENCE;
    for (;;) {
        int error = start(process, plan, input);
        if (error != EAGAIN || now() >= give_up)
            return error;
        if (sleep_until_news(process, now() + pause) == LOST)
            return -1;
        pause *= 2;
    }
}

/* Describes why a command was not executed. */
static void describe_failure(
    struct ending *ending, const struct plan *plan, int error) {
    const char *name = plan->argv != NULL ? plan->argv[0] : NULL;
    ending->kind = error == ENOENT ? END_NOT_FOUND : END_NOT_EXECUTED;
    snprintf(ending->reason, sizeof(ending->reason), "%.*s: %s",
        REASON_MAX / 2, name != NULL ? name : "a command", strerror(error));
}

/* Describes how the process ended. */
static void describe_end(
    struct ending *ending, const struct process *process) {
    int status = process->status; /* some take the address, as of an int */
    bool died = WIFSIGNALED(status);
    ending->kind = died ? END_SIGNAL : END_EXIT;
    ending->value = (uint32_t)(died ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* A cursor: runs a program and delivers what it writes, until it has ended and
 * its output is at its end; or has been quiet for GRACE, if some descendant
 * keeps it open. */
int command_run(
    uint32_t item, const char *text, struct ending *ending, void *arg) {
    const struct command *command = arg;
    struct process process;
    struct plan plan;
    enum verdict verdict = GO_ON;
    int error = plan_make(&plan, command->argv, text);
    if (error == 0)
        error = start_patiently(&process, &plan, command->input);
    if (error > 0)
        describe_failure(ending, &plan, error);
    plan_free(&plan);
    if (error != 0)
        return error > 0 ? 0 : -1;
    if (command->seconds > 0)
        process.deadline = now() + command->seconds;
    while (verdict == GO_ON)
        verdict = step(&process);
    if (verdict == ENDED && process.out >= 0)
        say("warning: item %lu: ended; something it left holds its output "
            "open",
            (unsigned long)item);
    if (process.out >= 0)
        close(process.out);
    if (verdict != ENDED)
        end_group(&process, item);
    if (process.state != PROCESS_GONE)
        command_over();
    describe_end(ending, &process);
    if (verdict == TIME_IS_UP) {
        ending->kind = END_TIMEOUT;
        ending->value = 0;
    }
    return verdict == LOST ? -1 : 0;
}
