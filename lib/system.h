/*
 * system.h - everything that differs between systems: for each entry the
 * reason, and what a port without it loses.  PLAIN leaves all of it out.
 */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
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
 * which hide them from programs that ask for POSIX: FreeBSD, and macOS, whose
 * first one has another name.
 * Without it: such a peer is missed after two hours, or by -t.
 */
#if defined(TCP_KEEPIDLE)
#define KEEP_IDLE TCP_KEEPIDLE
#elif defined(__FreeBSD__)
#define KEEP_IDLE 256
#elif defined(__APPLE__)
#define KEEP_IDLE 0x10 /* TCP_KEEPALIVE */
#endif
#if defined(TCP_KEEPINTVL) && defined(TCP_KEEPCNT)
#define KEEP_INTERVAL TCP_KEEPINTVL
#define KEEP_COUNT TCP_KEEPCNT
#elif defined(__FreeBSD__)
#define KEEP_INTERVAL 512
#define KEEP_COUNT 1024
#elif defined(__APPLE__)
#define KEEP_INTERVAL 0x101
#define KEEP_COUNT 0x102
#endif
static inline void system_keep_alive(int fd) {
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
#if defined(KEEP_IDLE) && defined(KEEP_INTERVAL) && !defined(PLAIN)
    int idle = 20, interval = 5, count = 4;
    setsockopt(fd, IPPROTO_TCP, KEEP_IDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, KEEP_INTERVAL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, KEEP_COUNT, &count, sizeof(count));
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
 * Without it: what follows a piece of an item waits until this is known to
 * have arrived, 40 ms on Linux; but short ones go with the end: xclient().
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
    if (getrlimit(RLIMIT_NPROC, &limit) == 0 &&
        (uintmax_t)limit.rlim_cur < ULONG_MAX) /* some have a signed rlim_t */
        return (unsigned long)limit.rlim_cur;
#endif
    return ULONG_MAX;
}

/*
 * The largest number of a signal.  POSIX has no name for it, and NSIG does not
 * count those for real time everywhere.  To ask for one that there is not does
 * no harm.
 * Without NSIG: signals above 128 that were ignored on entry stay ignored for
 * commands.
 */
#if defined(NSIG) && NSIG > 129 && !defined(PLAIN)
#define SIGNAL_MAX (NSIG - 1)
#else
#define SIGNAL_MAX 128
#endif

/*
 * Bytes that a pipe takes at once when poll() says that it takes something.
 * A system where that is not the same for all pipes, as the Hurd, has no name
 * for it.
 * Without it: the least that POSIX allows; long messages are more writes.
 */
#if !defined(PIPE_BUF) || defined(PLAIN)
#undef PIPE_BUF
#define PIPE_BUF 512
#endif

/*
 * gethostbyname(), which the article calls, has left POSIX, and may leave a
 * system.
 * Without it: getaddrinfo(), of which the article's struct hostent is made;
 * of the addresses of a name the first 32.
 */
#ifdef PLAIN
#define ADDRESSES 32
static inline struct hostent *system_gethostbyname(const char *name) {
    static struct in_addr addresses[ADDRESSES];
    static char *list[ADDRESSES + 1];
    static struct hostent host;
    struct addrinfo hints, *found = NULL;
    int n = 0;
    memset(&hints, 0, sizeof(hints));
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM; /* each address once */
    if (getaddrinfo(name, NULL, &hints, &found) != 0)
        return NULL;
    for (struct addrinfo *a = found; a != NULL && n < ADDRESSES;
         a = a->ai_next) {
        struct sockaddr_in in;
        memcpy(&in, a->ai_addr, sizeof(in));
        addresses[n] = in.sin_addr;
        list[n] = (char *)&addresses[n];
        n++;
    }
    list[n] = NULL;
    freeaddrinfo(found);
    host.h_name = (char *)(uintptr_t)name;
    host.h_aliases = &list[n]; /* none */
    host.h_addrtype = AF_INET;
    host.h_length = (int)sizeof(addresses[0]);
    host.h_addr_list = list;
    return &host;
}
#else
#define system_gethostbyname(name) gethostbyname(name)
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

/* What the listening socket gets, and connections inherit. */
static inline int system_tune_listener(int fd) {
    int yes = 1;
    system_send_timeout(fd, 40000);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    return system_tune_connection(fd);
}

#endif
