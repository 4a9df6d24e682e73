/*
 * protocol.h - the wire: the format of what travels between server and
 * client, the functions that move it whole, and the globals that server.c and
 * client.c have in common with the article.
 *
 * Both directions speak one message: two unsigned 32-bit integers in network
 * byte order (most significant byte first), then `size` bytes.
 *
 *     0               4               8
 *     +---------------+---------------+---------------- - -
 *     | which   (u32) | size    (u32) | size bytes
 *     +---------------+---------------+---------------- - -
 *
 * Before the first message both sides prove that they know the same secret.
 * The secret itself never crosses the wire.  A proof is SipHash-2-4, its key
 * the secret, over a role ("server" or "client"), both nonces, client's first,
 * and, in the client's case, the header that goes with it (see lib/secret.c).
 * A server gives a client OPENING seconds for its two parts.
 *
 *     client -> server   magic (4)   nonce (16)
 *     server -> client   "GAT2"      nonce (16)    proof (8)
 *     client -> server   header: which, size = 0   proof (8)
 *
 * The magic says which secret the client means: "GAT2" the token of
 * GATHER_TOKEN, which clients from elsewhere have; "gat2" the secret of the
 * run, which only the children have that this server forked.
 *
 * client -> server
 *   opening  the header above asks for an item.  `which` is a child's own
 *            number; of a client from elsewhere it is NONE for any item, or
 *            w | END for item w and no other.
 *   data     which = the item, size = 1 to DATA_MAX.  An item is any number
 *            of these.
 *   end      which = the item | END, size = 16 to 16 + REASON_MAX.  Payload:
 *            kind (u32, enum ending_kind), value (u32), the high and the low
 *            half (u32 each) of the number of the item's bytes, then text
 *            without a NUL byte: the reason in the words of the client's
 *            system.  It asks for the next item as well.
 * server -> client
 *   reply    to the opening and to each end: which = the next item, with its
 *            text as payload (at most TEXT_MAX bytes); or which = NONE and
 *            size 0: goodbye, all that this client has sent was received,
 *            and there is nothing more for it.
 *
 * End of file or a reset before the end makes an item incomplete; before its
 * goodbye, it makes a client fail.  A server is silent while an item runs.
 * Numbers of `kind` are never used again for something else.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAGIC "GAT2"       /* a client from elsewhere, and every server */
#define MAGIC_CHILD "gat2" /* a child of this server */
#define MAGIC_SIZE 4
#define NONCE_SIZE 16
#define PROOF_SIZE 8
#define HEADER_SIZE 8
#define END_SIZE 16            /* bytes of an end's payload before its text */
#define NONE 0x7fffffffu       /* no item: goodbye; any item, of an opening */
#define END 0x80000000u        /* the top bit of `which` */
#define DATA_MAX (1u << 30)    /* bytes in a data message, at most */
#define TEXT_MAX (1u << 20)    /* bytes in an item's text, at most */
#define REASON_MAX 255         /* bytes of text in an end, at most */
#define EXIT_MAX 255u          /* the largest exit status, */
#define SIGNAL_VALUE_MAX 1023u /* and number of a signal, in an end */
#define OPENING 5.0            /* seconds that an opening may take */

/* How an item ended, as its client saw it: `kind` of an end message.  The
 * meaning of `value` is behind each. */
enum ending_kind {
    END_EXIT = 0,         /* the exit status, 0 to 255; 0 is success */
    END_SIGNAL = 1,       /* the signal, as the client's system counts */
    END_TIMEOUT = 2,      /* 0: it ran out of its time */
    END_NOT_EXECUTED = 3, /* 0: the command could not be executed */
    END_NOT_FOUND = 4,    /* 0: there is no such command */
    END_KINDS = 5
};

/* The globals of the article: s... and ...a are the server's, c... and ...b a
 * client's.  Ports are in host byte order. */
extern struct sockaddr_in sa, sb; /* where the server listens */
extern struct hostent *ha, *hb;   /* the same, as the resolver gave it */
extern struct servent *svs, *svc; /* the service; NULL: a number was given */
extern int c, s, ds;              /* connection, listener, accepted socket */
extern int children;              /* forked and not reaped yet */
extern char hname[2048];          /* the host's name, or its address */
extern unsigned short sport, cport;
extern uint32_t which; /* the item that a client runs */
extern uint64_t size;  /* the bytes of it that were sent so far */

/* Puts a 32-bit integer into 4 bytes, in network byte order, and takes it out
 * again. */
static inline void put_u32(unsigned char *bytes, uint32_t value) {
    uint32_t word = htonl(value);
    memcpy(bytes, &word, sizeof(word));
}

static inline uint32_t get_u32(const unsigned char *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof(word));
    return ntohl(word);
}

/* Packs the header of a message with `bytes` bytes of payload. */
static inline void put_header(
    unsigned char *header, uint32_t item, size_t bytes) {
    put_u32(header, item);
    put_u32(header + 4, (uint32_t)bytes);
}

/* Seconds on a clock that nobody sets; its zero is some fixed moment.  A
 * deadline is a time on this clock, or 0 for none. */
static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The timeout in milliseconds that makes poll() last until the deadline. */
static inline int poll_timeout(double deadline) {
    if (deadline <= 0)
        return -1;
    double left = deadline - now();
    if (left <= 0)
        return 0;
    return left > 1e6 ? 1000000000 : (int)(left * 1000) + 1;
}

/* poll() until the deadline.  It goes on after a signal, which the self-pipe
 * tells, and when the system is short of memory for a moment. */
static inline int poll_until(
    struct pollfd *poll_fds, nfds_t count, double deadline) {
    for (;;) {
        int n = poll(poll_fds, count, poll_timeout(deadline));
        if (n >= 0 || (errno != EINTR && errno != EAGAIN && errno != ENOMEM))
            return n;
        if (deadline > 0 && now() >= deadline)
            return 0;
        if (errno != EINTR)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* Waits until one of `events` has come for fd, or the deadline.  Returns the
 * events that came, or 0 with errno set: ETIMEDOUT, or what poll() said.  Some
 * systems' poll() knows no devices, and says POLLNVAL: whoever waits tries
 * again, a moment later. */
static inline short wait_ready(int fd, short events, double deadline) {
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int n = poll_until(&poll_fd, 1, deadline);
    if (n == 0)
        errno = ETIMEDOUT;
    if (n <= 0)
        return 0;
    if ((poll_fd.revents & POLLNVAL) && poll_timeout(deadline) != 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return poll_fd.revents;
}

/* How a transfer waits: like wait_ready(), or a stand-in for it that gives up
 * for more reasons, which it puts into errno. */
typedef short waiting(int fd, short events, double deadline);

/* Has the last call failed only since it would have had to wait? */
static inline bool must_wait(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* Is there time to read from fd, and something to read?  If not, errno says
 * why; also if there is more all the time. */
static inline bool in_time(int fd, waiting *wait, double deadline) {
    if (now() >= deadline) {
        errno = ETIMEDOUT;
        return false;
    }
    return wait(fd, POLLIN, deadline) != 0;
}

/* What read() has returned: is it to be called again? */
static inline bool read_on(
    int fd, ssize_t got, waiting *wait, double deadline) {
    if (got == 0)
        errno = 0;
    if (got < 0 && must_wait())
        return wait(fd, POLLIN, deadline) != 0;
    return got > 0 || (got < 0 && errno == EINTR);
}

/* Reads exactly n bytes, whatever signals arrive and however they are cut,
 * whether or not fd blocks; not after the deadline.  Returns how many there
 * were.  Fewer than n: errno says why, and is 0 at the end of file. */
static inline size_t readn_waiting(
    int fd, void *buffer, size_t n, waiting *wait, double deadline) {
    size_t done = 0;
    while (done < n) {
        if (deadline > 0 && !in_time(fd, wait, deadline))
            break;
        ssize_t got = read(fd, (char *)buffer + done, n - done);
        if (got > 0)
            done += (size_t)got;
        if (!read_on(fd, got, wait, deadline))
            break;
    }
    return done;
}

static inline size_t readn(int fd, void *buffer, size_t n, double deadline) {
    return readn_waiting(fd, buffer, n, wait_ready, deadline);
}

/* Takes n bytes off the front of the pieces, and pieces that have none. */
static inline void consume(struct iovec **piece, int *pieces, size_t n) {
    while (*pieces > 0 && n >= (*piece)->iov_len) {
        n -= (*piece)->iov_len;
        (*piece)++;
        (*pieces)--;
    }
    if (*pieces > 0) {
        (*piece)->iov_base = (char *)(*piece)->iov_base + n;
        (*piece)->iov_len -= n;
    }
}

/* Writes all that the pieces hold, in as few calls as the system allows; it
 * changes them on the way.  Returns how many bytes went out; if these are not
 * all, errno says why, ETIMEDOUT at the deadline. */
static inline size_t writen_pieces(
    int fd, struct iovec *piece, int pieces, waiting *wait, double deadline) {
    size_t done = 0;
    consume(&piece, &pieces, 0);
    while (pieces > 0) {
        ssize_t put = writev(fd, piece, pieces);
        if (put > 0) {
            done += (size_t)put;
            consume(&piece, &pieces, (size_t)put);
            continue;
        }
        if (put == 0)
            errno = EIO;
        if (put == 0 || (!must_wait() && errno != EINTR))
            break;
        if (must_wait() && wait(fd, POLLOUT, deadline) == 0)
            break;
    }
    return done;
}

/* Writes exactly n bytes.  Returns how many went out; fewer than n: errno says
 * why. */
static inline size_t writen(int fd, const void *buffer, size_t n) {
    struct iovec piece = {.iov_base = (void *)(uintptr_t)buffer, .iov_len = n};
    return writen_pieces(fd, &piece, 1, wait_ready, 0);
}

/* Sends one message: its header and its payload leave together.  Returns
 * false, with errno set, if not all could be sent before the deadline. */
static inline bool send_message(
    int fd, uint32_t item, const void *payload, size_t n, double deadline) {
    unsigned char header[HEADER_SIZE];
    struct iovec pieces[2] = {
        {.iov_base = header, .iov_len = sizeof(header)},
        {.iov_base = (void *)(uintptr_t)payload, .iov_len = n},
    };
    put_header(header, item, n);
    return writen_pieces(fd, pieces, 2, wait_ready, deadline) ==
        sizeof(header) + n;
}

#endif
