/*
 * protocol.h - the wire format, the functions that move bytes, and what the
 * source files share.  Both directions speak one message: two unsigned 32-bit
 * integers, most significant byte first, then `size` bytes.
 *
 *     0               4               8
 *     +---------------+---------------+---------------- - -
 *     | which   (u32) | size    (u32) | size bytes
 *     +---------------+---------------+---------------- - -
 *
 * client -> server
 *   opening  "GAT1", the 16-byte token of this run, and a message of size 0
 *            that asks for an item: `which` is the child's own number; or NONE
 *            if the server did not fork it; or w | END if it is to be item w
 *            and no other.  Due in OPENING seconds.
 *   data     which = the item, size = 1 to DATA_MAX.  An item is any number
 *            of these: one from an array, in a stream one for each piece.
 *   end      which = the item | END, size = 12: three u32, namely the status
 *            (below) and the high and low half of the item's byte count.
 * server -> client
 *   reply    to the opening and to each end: which = the next item, with its
 *            text as payload (at most ITEM_MAX bytes); or which = NONE and
 *            size 0: everything has been received, goodbye.
 *
 * End of file or a reset makes an item incomplete before its end, and a client
 * fail before its goodbye.  A server is silent while an item runs.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAGIC "GAT1"
#define TOKEN 16            /* bytes of secret in an opening */
#define HEADER 8            /* bytes of which and size */
#define NONE 0x7fffffffu    /* no item: goodbye; no number: not our child */
#define END 0x80000000u     /* the top bit of `which` */
#define DATA_MAX (1u << 30) /* bytes in a data message, at most */
#define ITEM_MAX (1u << 20) /* bytes in an item's text, at most */
#define OPENING 5.0         /* seconds a new connection has for its opening */
#define GRACE 1.0           /* seconds: TERM to KILL, silence, full pipe */

/* The status in an end message: 0 success, 1 to 255 an exit status, or */
#define STATUS_SIGNAL 256  /* + n: killed by signal n */
#define STATUS_TIMEOUT 512 /* it ran out of its time */
#define STATUS_ERRNO 1024  /* + errno: it could not be executed */
#define STATUS_MAX 65535   /* nothing above is a status */
#define STATUS_LOST (-1)   /* not on the wire: no end arrived */

struct item {       /* one cursor: a call of a function, or a command */
    uint32_t which; /* its number, from 0 */
    char *text;     /* what the list says, malloc()ed by next(), */
    size_t length;  /* of so many bytes; or NULL and 0 */
    int status;     /* as in an end message, or STATUS_LOST */
    int tries;      /* how often it was handed out */
    pid_t pid;      /* the child that ran it, 0 if it was not ours */
    struct sockaddr_in peer; /* where that was */
    double began, took;      /* when (of now()) and how long, seconds */
    uint64_t bytes;          /* that arrived, in this try */
    unsigned char *data;     /* those in memory: done() may take them */
    size_t held, room;       /* how many these are, how many they may become */
    int written, done;       /* server.c's: some went to stdout; it has run, */
    int waiting, promised; /* it waits for a client; for child `which` only, */
    int busy;              /* its owner's thread is at work on the data */
    int fd;                /* its file, or -1 */
    char *name, *part;     /* its names, final and until then, malloc()ed */
    struct conn *owner;    /* the connection it runs on, or NULL */
    struct item **self, *next; /* in the list of all that are open */
};

/* One run: what the caller of server() wants, and what came of it.  No two
 * callbacks are called at a time, except next() beside the others. */
struct run {
    unsigned char token[TOKEN]; /* of make_token(), before the first fork */
    int jobs;                   /* children forked */
    int remote;                 /* clients of others may come, too, and may */
    double seconds;             /* take so long for an item, 0 for any time */
    int limit;                  /* connections at once; 0: jobs and a few */
    int ready, prompt;          /* next() takes no time; waits for nobody */
    int keep;                   /* items end in memory, in item->data */
    int unordered;              /* output as items complete */
    int keep_going;             /* a failed item does not end the run */
    int retries;                /* how often a failed item may run again */
    int verbose;                /* give a running commentary */
    uint64_t memory;            /* bytes held for items not yet written */
    const char *files;          /* a file for each item: name, {} = which */
    /* Fills in text and length; 1, 0 at the list's end, -1 after an error. */
    int (*next)(struct item *item);
    /* An item's last word; status 0: complete and where it belongs. */
    void (*done)(struct item *item);
    /* Called often; with midline, before a terminal gets output.  Or NULL. */
    void (*tick)(const struct run *run, const struct item *turn);
    int failed, signal;   /* results: it failed, and said so; by a signal */
    int aborted, listed;  /* the run was ended early; the list is at its end */
    int reading, midline; /* within next(); within a line of the output */
    uint32_t given;       /* items taken from the list */
    uint64_t bytes;       /* received */
};

struct command {    /* what the cursor command() wants as its arg */
    char **argv;    /* ends with NULL; {} stands for the item */
    double seconds; /* it may take, 0 for any time */
    int input;      /* it reads our standard input, not nothing */
};

/* A cursor runs one item in a child: sends what it finds like xclient(), and
 * returns a status for the end message, or -1 when the server is gone. */
typedef int cursor(uint32_t item, const char *text, void *arg);

extern struct sockaddr_in sa, sb; /* s*: the server's, c* and *b: a client's */
extern struct hostent *ha, *hb;
extern struct servent *svs, *svc;
extern int c, s, ds, children;
extern char hname[2048];
extern unsigned short sport, cport;
extern uint32_t which;
extern uint64_t size;
int make_token(unsigned char *token), server_open(const char *port);
int server(struct run *run), xclient(const void *data, size_t bytes);
int client(const unsigned char *token, uint32_t child, cursor *f, void *arg);
cursor command;
char *substitute(const char *string, const char *text);
int signals_init(void), signals_fd(void), signals_next(void);
void signals_wake(void), signals_default(void), signals_die(int sig);
int child_fork(void), child_reap(int *status), command_start(pid_t child);
void child_kill(int from), command_over(void);
pid_t child_pid(uint32_t k);

/* Seconds that a clock shows; or since some fixed moment. */
static inline double seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static inline double now(void) { return seconds_of(CLOCK_MONOTONIC); }

/* Milliseconds for poll() to last until `by` (of now(); 0: for ever). */
static inline int until(double by) {
    double left = by - now();
    left = left > 1e6 ? 1e6 : left;
    return by <= 0 ? -1 : left <= 0 ? 0 : (int)(left * 1000) + 1;
}

/* Waits until fd is ready, or `by` (of now(), 0 for never); POLLIN | POLLOUT:
 * to be written, with nothing to read.  Returns 1, or 0 with errno set. */
static inline int ready(int fd, short events, double by) {
    struct pollfd p = {.fd = fd, .events = events};
    int n;
    do n = poll(&p, 1, until(by));
    while (n < 0 && errno == EINTR);
    if (n >= 0) errno = n > 0 ? ECONNRESET : ETIMEDOUT;
    return n > 0 && !((events & POLLOUT) && (p.revents & POLLIN));
}

/* Moves n bytes, into `in` or else from `out`, however they are cut, whatever
 * signals arrive, whether or not fd blocks; not after `by` (of now(), or 0).
 * Returns how many.  Fewer than n: errno says why, 0 means end of file. */
static inline size_t move(
    int fd, void *in, const void *out, size_t n, short events, double by) {
    size_t done = 0;
    while (done < n && (by <= 0 || ready(fd, events, by))) {
        size_t k = n - done < DATA_MAX ? n - done : DATA_MAX;
        ssize_t r = in != NULL ? read(fd, (char *)in + done, k)
                               : write(fd, (const char *)out + done, k);
        if (r == 0) errno = in != NULL ? 0 : EIO;
        if (r > 0) done += (size_t)r;
        else if (r == 0 ||
            (errno == EAGAIN ? !ready(fd, events, by) : errno != EINTR))
            break;
    }
    return done;
}

/* From anywhere; to anybody; to a server, who is gone if it has a say. */
#define readn(fd, buf, n, by) move(fd, buf, NULL, n, POLLIN, by)
#define writen(fd, buf, n) move(fd, NULL, buf, n, POLLOUT, 0)
#define sendn(fd, buf, n) move(fd, NULL, buf, n, POLLIN | POLLOUT, 0)

/* Makes a header.  Messages are words in network byte order, for ntohl(). */
static inline void header(uint32_t *m, uint32_t item, size_t n) {
    m[0] = htonl(item), m[1] = htonl((uint32_t)n);
}

/* What every connection gets.  Who vanished without a word is missed after 20
 * seconds of silence and 4 probes, where the system lets one say so. */
static inline void tune(int fd) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
#if defined(TCP_KEEPIDLE) && defined(TCP_KEEPINTVL) && defined(TCP_KEEPCNT)
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){20}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){5}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){4}, sizeof(int));
#endif
}

#ifdef __linux__ /* there is no standard way to larger pipes, fewer copies */
#define widen(pipe, bytes) /* F_GETPIPE_SZ, F_SETPIPE_SZ */                   \
    (void)(fcntl(pipe, 1032) < (bytes) ? fcntl(pipe, 1031, bytes) : 0)
ssize_t splice(int in, int64_t *, int out, int64_t *, size_t, unsigned flags);
#else
#define splice(in, a, out, b, n, flags) (-1)
#define widen(pipe, bytes) ((void)0)
#endif

/* The port, host byte order, of a service or a number; -1 if it is neither. */
static inline long port_of(const char *name, struct servent **service) {
    unsigned long n = strtoul(name, NULL, 10);
    if ((*service = getservbyname(name, "tcp")) != NULL)
        return ntohs((uint16_t)(*service)->s_port);
    int bad = !*name || name[strspn(name, "0123456789")] || n > 65535;
    return bad ? -1 : (long)n;
}

/* Says a line on standard error, in one write, lest processes and threads mix;
 * wipes what a terminal may show of the progress.  Keeps errno. */
static inline void say(const char *format, ...) {
    char line[1024] = "gather: ";
    int error = errno;
    va_list ap;
    va_start(ap, format);
    vsnprintf(line + 8, sizeof(line) - 16, format, ap);
    va_end(ap);
    strcat(line, isatty(2) ? "\033[K\n" : "\n");
    writen(2, line, strlen(line));
    errno = error;
}

#endif
