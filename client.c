/*
 * client.c - the client's side, be it a child or from elsewhere: client()
 * finds the server and connects to it, xclient() delivers the bytes of an
 * item.
 *
 * The article's client() ends where this conversation begins: prove, ask for
 * an item, have the cursor run it, send its end, which asks for the next one,
 * until the server says goodbye.
 */
#include "protocol.h"
#include "lib/gather.h"
#include "lib/resolve.h"
#include "lib/say.h"
#include "lib/secret.h"
#include "lib/system.h"
#include <stdlib.h>

#define PATIENCE 30.0    /* seconds that a server may take to appear */
#define ATTEMPT 4.0      /* for one connect(), in which TCP asks three times */
#define FIRST_PAUSE 0.05 /* seconds between attempts; doubled up to */
#define LAST_PAUSE 2.0   /* this */
#define CHILD_PAUSE 0.005    /* in place of the first: its server is there */
#define HELD_MAX 4096        /* bytes that are held back, see xclient() */
#define HUNG_UP ECONNABORTED /* the errno when the server has done that */

struct sockaddr_in sb; /* the server's address */
struct hostent *hb;    /* the same, as the resolver gave it */
struct servent *svc;   /* the service; NULL: the port is a number */
int c = -1;            /* the connection */
unsigned short cport;  /* the server's port, host byte order */
uint32_t which;        /* the item that runs */
uint64_t size;         /* bytes of it sent so far */

static int address; /* the one of hb that is tried: its index in the list */
static unsigned char held[HEADER_SIZE + HELD_MAX]; /* a message to be sent */
static size_t held_bytes;

/* Has a signal come that ends this process? */
static bool is_signalled(void) {
    return signals_next() != 0;
}

/* Waits like wait_ready(), but not beyond a signal that ends this process.
 * While it waits to write, input means that the server is gone: it is silent
 * during an item. */
static short wait_for_server(int fd, short events, double deadline) {
    struct pollfd poll_fds[2] = {
        {.fd = fd, .events = (short)(events | POLLIN)},
        {.fd = signals_fd(), .events = POLLIN},
    };
    for (;;) {
        int n = poll_until(poll_fds, 2, deadline);
        if (n == 0)
            errno = ETIMEDOUT;
        if (n <= 0)
            return 0;
        if (is_signalled()) {
            errno = EINTR;
            return 0;
        }
        if ((events & POLLOUT) && (poll_fds[0].revents & POLLIN)) {
            errno = ECONNRESET;
            return 0;
        }
        if (poll_fds[0].revents != 0)
            return poll_fds[0].revents;
    }
}

/* --- Finding the server, and connecting to it */

/* The server is at this address.  If that means all interfaces, it is the
 * loopback one. */
static void take_address(const void *bytes) {
    memcpy(&sb.sin_addr, bytes, sizeof(sb.sin_addr));
    if (sb.sin_addr.s_addr != 0)
        return;
    sb.sin_addr.s_addr = inet_addr("127.0.0.1");
    strcpy(hname, "127.0.0.1");
}

/* Finds the server, as in the article: its host, and its port.  Returns false
 * if it cannot, which it has said. */
static bool find_server(const char *port) {
    hb = is_ipv6_address(hname) ? NULL : system_gethostbyname(hname);
    svc = is_port_number(port) ? NULL : getservbyname(port, "tcp");
    const char *reason = host_problem(hname, hb);
    long number = port_of(port, svc);
    if (number <= 0) {
        say("fatal: unable to find the port of %s:%s: no such service", hname,
            port);
        return false;
    }
    if (reason != NULL) {
        say("fatal: unable to connect to %s port %s: %s", hname, port, reason);
        return false;
    }
    cport = (unsigned short)number;
    address = 0;
    take_address(hb->h_addr_list[address]);
    return true;
}

/* Goes on to the next address that the server's name has.  Returns false if
 * that is the first one again, as it always is for a child. */
static bool next_address(void) {
    if (hb == NULL)
        return false;
    address++;
    if (hb->h_addr_list[address] == NULL)
        address = 0;
    take_address(hb->h_addr_list[address]);
    return address > 0;
}

/* Makes c a connection to the server.  Returns 0, or an errno. */
static int try_connect(double deadline) {
    int error = 0;
    socklen_t length = sizeof(error);
    c = socket(AF_INET, SOCK_STREAM, 0);
    if (c < 0 || system_tune_connection(c) < 0)
        return errno;
    if (connect(c, (struct sockaddr *)&sb, sizeof(sb)) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return errno;
    if (wait_for_server(c, POLLOUT, deadline) == 0 && errno != ECONNRESET)
        return errno;
    if (getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return errno;
    return error;
}

static void hang_up(void) {
    if (c >= 0)
        close(c); /* nothing that was sent depends on it */
    c = -1;
}

/* --- The conversation */

static size_t read_server(void *buffer, size_t n, double deadline) {
    return readn_waiting(c, buffer, n, wait_for_server, deadline);
}

/* How an attempt to connect and to exchange the proofs ended. */
enum meeting {
    MET,
    UNREACHED,  /* there was no connection; errno says why */
    UNANSWERED, /* there was one, but no answer; errno says why */
    DROPPED,    /* our server has hung up before it replied; errno says so */
    REFUTED     /* it is not our server, which was said */
};

/* Receives the server's half of the proofs. */
static enum meeting check_server(
    const struct identity *me, struct challenge *challenge, double deadline) {
    unsigned char answer[MAGIC_SIZE + NONCE_SIZE + PROOF_SIZE];
    unsigned char proof[PROOF_SIZE];
    if (read_server(answer, sizeof(answer), deadline) < sizeof(answer)) {
        errno = errno != 0 ? errno : HUNG_UP;
        return UNANSWERED;
    }
    memcpy(challenge->server_nonce, answer + MAGIC_SIZE, NONCE_SIZE);
    secret_prove_server(proof, me->secret, challenge);
    if (memcmp(answer, MAGIC, MAGIC_SIZE) == 0 &&
        secret_equal(answer + MAGIC_SIZE + NONCE_SIZE, proof, PROOF_SIZE))
        return MET;
    say("fatal: %s port %d does not know our token: it is not our server",
        hname, (int)cport);
    return REFUTED;
}

/* Has the server let this client in?  One that has dropped it meanwhile hangs
 * up; or else there is a reply, or the first item takes its time. */
static enum meeting await_reply(bool is_child) {
    char byte;
    ssize_t got = -1;
    if (wait_for_server(c, POLLIN, is_child ? 0 : now() + OPENING) != 0)
        got = recv(c, &byte, 1, MSG_PEEK);
    else if (errno == ETIMEDOUT)
        return MET;
    if (got == 0)
        errno = HUNG_UP;
    return got > 0 ? MET : DROPPED;
}

/* Has the server prove that it is ours, then proves to it that this is a
 * client of it.  That opening asks for the first item. */
static enum meeting authenticate(const struct identity *me, double deadline) {
    unsigned char hello[MAGIC_SIZE + NONCE_SIZE];
    unsigned char opening[HEADER_SIZE + PROOF_SIZE];
    struct challenge challenge;
    bool is_child = me->kind == CLIENT_CHILD;
    uint32_t wanted = me->kind == CLIENT_ELSEWHERE ? NONE : me->number;
    if (me->kind == CLIENT_WANTS_ONE)
        wanted |= END;
    secret_nonce(challenge.client_nonce);
    memcpy(hello, is_child ? MAGIC_CHILD : MAGIC, MAGIC_SIZE);
    memcpy(hello + MAGIC_SIZE, challenge.client_nonce, NONCE_SIZE);
    if (writen(c, hello, sizeof(hello)) < sizeof(hello))
        return UNANSWERED;
    enum meeting result = check_server(me, &challenge, deadline);
    if (result != MET)
        return result;
    put_header(opening, wanted, 0);
    secret_prove_client(
        opening + HEADER_SIZE, me->secret, &challenge, opening);
    if (writen(c, opening, sizeof(opening)) < sizeof(opening))
        return DROPPED;
    return await_reply(is_child);
}

/* How much longer a client tries to meet its server. */
struct patience {
    double deadline; /* no attempt begins after it; each connect() of a
                      * child renews it */
    double answer;   /* seconds that the server may take to prove itself */
    double pause;    /* seconds before the next attempt */
    int was_at;      /* the address at which our server has hung up; or -1 */
};

static double earlier(double a, double b) {
    return a < b ? a : b;
}

/* One attempt to meet the server. */
static enum meeting try_to_meet(
    const struct identity *me, struct patience *patience) {
    errno = try_connect(earlier(now() + ATTEMPT, patience->deadline));
    if (errno != 0)
        return UNREACHED;
    bool is_child = me->kind == CLIENT_CHILD;
    if (is_child)
        patience->deadline = now() + PATIENCE; /* the parent is there */
    double answered_by =
        earlier(now() + patience->answer, patience->deadline + OPENING);
    patience->answer *= 2;
    enum meeting result = authenticate(me, answered_by);
    int error = errno;
    if (is_child)
        patience->deadline = now() + PATIENCE; /* and was, all the time */
    if (result == DROPPED)
        patience->was_at = address;
    errno = error;
    return result;
}

/* May another attempt go better, after one that failed so?  A child's server
 * was listening before the child was there, so what refuses the child, resets
 * its connection or does not answer is a queue that is full; and if there is
 * no port to connect from, others have them for a while.  Whatever else fails,
 * on this machine, will not get better.  Elsewhere everything may: the
 * server, its host and the way to it may all have yet to come up; unless the
 * server was at this address, and has ended. */
static bool is_passing(
    const struct identity *me, const struct patience *patience, int error) {
    if (me->kind != CLIENT_CHILD)
        return error != ECONNREFUSED || address != patience->was_at;
    return error == ECONNREFUSED || error == ECONNRESET || error == EPIPE ||
        error == ETIMEDOUT || error == EADDRNOTAVAIL || error == HUNG_UP;
}

/* A child whose parent has died: who listens there now is somebody else. */
static bool is_orphan(const struct identity *me) {
    return me->kind == CLIENT_CHILD && child_is_orphan();
}

/* The server cannot be reached, for that reason: says so, and a child has the
 * parent end the run. */
static enum client_end give_up(const struct identity *me, int error) {
    if (is_signalled() || is_orphan(me))
        return CLIENT_LOST; /* nobody is left who could do anything */
    say("fatal: unable to connect to %s port %d: %s", hname, (int)cport,
        error == HUNG_UP ? "it hangs up" : strerror(error));
    if (me->kind == CLIENT_CHILD)
        child_give_up();
    return CLIENT_UNCONNECTED;
}

/* Waits a while, unless a signal comes; the next time longer. */
static void rest(struct patience *patience) {
    wait_for_server(-1, 0, now() + patience->pause);
    patience->pause = earlier(2 * patience->pause, LAST_PAUSE);
}

/* Connects to the server and exchanges the proofs, and tries again if need be:
 * at each of its addresses in turn, with a pause after the last one.  Returns
 * CLIENT_CONNECTED, or how it failed.
 *
 * A client from elsewhere has PATIENCE for that, in which the server may come.
 * A child's server is there, but all children may dial while the parent still
 * forks, and accepts nobody.  Its queue of connections holds so many; beyond
 * that systems reset a connection, at once or when it is used, or ignore it,
 * also when it looks established to the client, who would wait for ever.  So a
 * child dials again, with longer and longer pauses.  It gives up if no
 * connect() has succeeded for PATIENCE, or its parent has died; and a living
 * parent ends its children.
 *
 * A server that has too many clients without a proof drops some.  Strangers
 * shall not end a run, nor a client: so whoever is hung up on dials again.
 */
static enum client_end meet_server(const struct identity *me) {
    struct patience patience = {
        .deadline = now() + PATIENCE,
        .answer = OPENING,
        .pause = me->kind == CLIENT_CHILD ? CHILD_PAUSE : FIRST_PAUSE,
        .was_at = -1,
    };
    while (!is_signalled() && !is_orphan(me)) {
        enum meeting result = try_to_meet(me, &patience);
        int error = errno;
        if (result == MET)
            return CLIENT_CONNECTED;
        hang_up();
        if (result == REFUTED)
            return CLIENT_REFUTED;
        if (!is_passing(me, &patience, error) ||
            now() + patience.pause >= patience.deadline)
            return give_up(me, error);
        if (!next_address())
            rest(&patience);
    }
    return CLIENT_LOST;
}

/* Receives the reply to an opening or an end.  Returns 1, with the item's
 * number in `which` and its text in *text, which the caller frees; 0: goodbye;
 * -1: the server is gone, or makes no sense; or there is no memory. */
static int receive_order(char **text) {
    unsigned char header[HEADER_SIZE];
    if (read_server(header, sizeof(header), 0) < sizeof(header))
        return -1;
    which = get_u32(header);
    size = 0;
    held_bytes = 0;
    uint32_t length = get_u32(header + 4);
    if (which == NONE && length == 0)
        return 0;
    if (which >= NONE || length > TEXT_MAX)
        return -1;
    *text = calloc(length + 1, 1);
    if (*text == NULL)
        return -1;
    if (read_server(*text, length, 0) == length)
        return 1;
    free(*text);
    return -1;
}

/* Sends a message, and what was held back before it, in one write.  Returns
 * false if the server is gone. */
static bool send_all(uint32_t item, const void *payload, size_t n) {
    unsigned char header[HEADER_SIZE];
    struct iovec pieces[3] = {
        {.iov_base = held, .iov_len = held_bytes},
        {.iov_base = header, .iov_len = sizeof(header)},
        {.iov_base = (void *)(uintptr_t)payload, .iov_len = n},
    };
    size_t all = held_bytes + sizeof(header) + n;
    put_header(header, item, n);
    held_bytes = 0;
    return writen_pieces(c, pieces, 3, wait_for_server, 0) == all;
}

/* Sends the end of the item, which asks for the next one.  Returns false if
 * the server is gone. */
static bool send_end(const struct ending *ending) {
    unsigned char payload[END_SIZE + REASON_MAX];
    size_t length = strlen(ending->reason);
    put_u32(payload, (uint32_t)ending->kind);
    put_u32(payload + 4, ending->value);
    put_u32(payload + 8, (uint32_t)(size >> 32));
    put_u32(payload + 12, (uint32_t)size);
    memcpy(payload + END_SIZE, ending->reason, length);
    return send_all(which | END, payload, END_SIZE + length);
}

/* Runs items until there are no more.  Returns how that ended. */
static enum client_end run_items(cursor *run, void *arg) {
    enum client_end none = CLIENT_IDLE;
    char *text = NULL;
    int more;
    while ((more = receive_order(&text)) > 0) {
        struct ending ending = {.kind = END_EXIT};
        int result = run(which, text, &ending, arg);
        free(text);
        if (result < 0 || !send_end(&ending))
            return CLIENT_LOST;
        none = CLIENT_DONE;
    }
    return more == 0 ? none : CLIENT_LOST;
}

/* The life of a client: finds the server, connects, and gives items to the
 * cursor until the server says goodbye.  A child, which has the address from
 * its parent and asks no resolver, has the parent end the run if it cannot
 * connect, and does not return. */
enum client_end client(const struct identity *me, cursor *run, void *arg) {
    memset(&sb, 0, sizeof(sb));
    sb.sin_family = AF_INET;
    if (me->kind == CLIENT_CHILD)
        take_address(&sa.sin_addr);
    else if (!find_server(me->port))
        return CLIENT_UNCONNECTED;
    sb.sin_port = htons(cport);
    enum client_end end = meet_server(me);
    if (end == CLIENT_CONNECTED)
        end = run_items(run, arg);
    hang_up();
    return is_signalled() ? CLIENT_SIGNALLED : end;
}

/* Keeps a short message for later; there is none yet. */
static void hold_back(const void *data, size_t bytes) {
    put_header(held, which, bytes);
    memcpy(held + HEADER_SIZE, data, bytes);
    held_bytes = HEADER_SIZE + bytes;
}

static bool send_held(void) {
    struct iovec piece = {.iov_base = held, .iov_len = held_bytes};
    size_t all = held_bytes;
    held_bytes = 0;
    return writen_pieces(c, &piece, 1, wait_for_server, 0) == all;
}

/* The client's half of the conversation about an item: sends these bytes
 * behind those sent before.  A short piece is held back, to go out with the
 * next one or with the end: a second write would have to wait until the first
 * one is acknowledged, where there is no TCP_NODELAY.  No bytes: sends what is
 * held back.  Returns 0, or -1 when the server is gone. */
int xclient(const void *data, size_t bytes) {
    const char *from = data;
    size += bytes;
    if (bytes == 0)
        return send_held() ? 0 : -1;
    if (bytes <= HELD_MAX && held_bytes == 0) {
        hold_back(data, bytes);
        return 0;
    }
    while (bytes > 0) {
        size_t n = bytes < DATA_MAX ? bytes : DATA_MAX;
        if (!send_all(which, from, n))
            return -1;
        from += n;
        bytes -= n;
    }
    return 0;
}
