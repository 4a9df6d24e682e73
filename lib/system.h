/*
 * system.h - everything that differs between systems: for each entry the
 * reason, and what a port without it loses.  PLAIN leaves all of it out.
 */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

/*
 * splice(): moves bytes from a connection to a pipe without a copy.  Linux
 * has it, and hides it from programs that ask for POSIX.  Returns how many
 * bytes were moved, or -1 with errno set; never waits for `to`.
 * Without it: 15 to 30 % of the rate into a pipe.
 */
#if defined(__linux__) && !defined(PLAIN)
#define SPLICE_NONBLOCK 2 /* SPLICE_F_NONBLOCK */
ssize_t splice(int from, int64_t *from_offset, int to, int64_t *to_offset,
    size_t n, unsigned flags);
static inline ssize_t system_splice(int from, int to, size_t n) {
    return splice(from, NULL, to, NULL, n, SPLICE_NONBLOCK);
}
#else
static inline ssize_t system_splice(int from, int to, size_t n) {
    (void)from;
    (void)to;
    (void)n;
    errno = EINVAL;
    return -1;
}
#endif

/*
 * Larger pipes: Linux lets one ask, by numbers that it hides as well.  It may
 * refuse, as a user has a limit for all of his pipes.
 * Without it: more and smaller pieces, a tenth of the rate.
 */
#if defined(__linux__) && !defined(PLAIN)
#define SET_PIPE_SIZE 1031 /* F_SETPIPE_SZ */
#define GET_PIPE_SIZE 1032 /* F_GETPIPE_SZ */
static inline void system_pipe_size(int fd, int bytes) {
    if (fcntl(fd, GET_PIPE_SIZE) < bytes)
        fcntl(fd, SET_PIPE_SIZE, bytes); /* refused: it stays as it is */
}
#else
static inline void system_pipe_size(int fd, int bytes) {
    (void)fd;
    (void)bytes;
}
#endif

/*
 * Keep-alive: after 20 seconds of silence and 4 probes a peer whose machine
 * has vanished is missed.  The options have names on most systems, some of
 * which hide them from programs that ask for POSIX.
 * Without it: such a peer is missed after two hours, or by -t.
 */
static inline void system_keep_alive(int fd) {
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
#if defined(TCP_KEEPIDLE) && defined(TCP_KEEPINTVL) &&                        \
    defined(TCP_KEEPCNT) && !defined(PLAIN)
    int idle = 20, interval = 5, count = 4;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
#endif
}

/*
 * A bound for what was sent and is not acknowledged, in milliseconds.  Linux
 * has it.
 * Without it: a server's reply to a machine that has vanished is given up
 * after a quarter of an hour.
 */
static inline void system_send_timeout(int fd, int milliseconds) {
#if defined(TCP_USER_TIMEOUT) && !defined(PLAIN)
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds,
        sizeof(milliseconds));
#else
    (void)fd;
    (void)milliseconds;
#endif
}

/*
 * No waiting for more to send: messages are short, and each is one write.
 * Without it: nothing.
 */
static inline void system_no_delay(int fd) {
#if defined(TCP_NODELAY) && !defined(PLAIN)
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
#else
    (void)fd;
#endif
}

/*
 * vfork(): the new process runs in the memory of its parent, which sleeps,
 * until it executes another program.  So no page is copied.  It has left
 * POSIX, but not the systems.
 * Without it: fork(), which takes 0.1 to 3 ms more for each command.
 */
#ifdef PLAIN
#define system_vfork() fork()
#else
pid_t vfork(void); /* some hide it from programs that ask for POSIX */
#define system_vfork() vfork()
#endif

/*
 * Who loses his parent below this process becomes its child, not that of
 * process 1, which may take its time to collect the dead, or never do so.
 * Linux has it.  Returns true if that is so from now on.
 * Without it: where process 1 is like that, a command that had children and is
 * ended takes a second, as its group is not seen to be gone.
 */
#if defined(PR_SET_CHILD_SUBREAPER) && !defined(PLAIN)
static inline bool system_adopt_orphans(void) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}
#else
static inline bool system_adopt_orphans(void) {
    return false;
}
#endif

/*
 * How many processes and threads a user may have; POSIX has no name for it.
 * Without it: when there is room for the children, but not for the threads and
 * commands beside them, commands wait for 10 seconds, and fail then.
 */
static inline unsigned long system_process_limit(void) {
#if defined(RLIMIT_NPROC) && !defined(PLAIN)
    struct rlimit limit;
    if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur < ULONG_MAX)
        return (unsigned long)limit.rlim_cur;
#endif
    return ULONG_MAX;
}

/*
 * The largest number of a signal.  POSIX has no name for it.
 * Without NSIG: signals above 64 that were ignored on entry stay ignored for
 * commands.
 */
#if defined(NSIG) && NSIG > 65 && !defined(PLAIN)
#define SIGNAL_MAX (NSIG - 1)
#else
#define SIGNAL_MAX 64
#endif

/*
 * Memory that other processes of the same user may not look into, and that the
 * system writes into no core file: it has the secrets of a run.  Linux has
 * this; a command that is executed gets the usual state back.
 * Without it: such processes can read a secret with a debugger.
 */
static inline void system_protect_memory(void) {
#if defined(__linux__) && !defined(PLAIN)
    prctl(PR_SET_DUMPABLE, 0); /* fails for no known reason */
#endif
}

/* What every connection gets. */
static inline int system_tune_connection(int fd) {
    system_no_delay(fd);
    system_keep_alive(fd);
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
            fcntl(fd, F_SETFL, O_NONBLOCK) < 0
        ? -1
        : 0;
}

#endif
