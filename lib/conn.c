/*
 * conn.c - the connections of the server, and the proofs at their beginning.
 * It stands on items.c, monitor.c, secret.c, signals.c and text.c.
 */
#include "conn.h"
#include "secret.h"
#include "system.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>

#define STRANGERS_MAX 64   /* see struct config */
#define SILENT 1.0         /* seconds; a child proves itself in less */
#define SHORTAGE_PAUSE 100 /* milliseconds */
#define SHORTAGES_MAX 100  /* of these in which nobody is served */
#define WARNINGS_MAX 8 /* lines about strangers, and about a lack of means */

static struct {
    struct conn *first, *last; /* all, in the order in which they came */
    int count;
    int unknown;       /* whose peer is PEER_UNKNOWN, */
    int dropped;       /* PEER_DROPPED: their threads are about to end, */
    int children;      /* and PEER_CHILD */
    int warnings;      /* about strangers, so far */
    int unable;        /* warnings about the lack of means, so far */
    int in_vain;       /* shortages, one after the other, with nobody served */
    int strangers_max; /* as in struct config, lowered by shortages; 0: not */
} conns;

/* Initializes the parts of a connection that may fail.  Returns 0, or an
 * error. */
static int prepare(struct conn *conn, int fd) {
    if (system_tune_connection(fd) < 0)
        return errno;
    int error = waiter_init(&conn->taker.waiter);
    if (error != 0)
        return error;
    error = waiter_init(&conn->claim.waiter);
    if (error != 0)
        waiter_destroy(&conn->taker.waiter);
    return error;
}

/* How many have proved who they are. */
int conn_count_known(void) {
    return conns.count - conns.unknown - conns.dropped;
}

/* Hangs up on so many of those that have had no proof for longest, if they
 * came before a time (of now()). */
static void drop_unknown(int count, double before) {
    for (struct conn *conn = conns.first; conn != NULL && count > 0;
         conn = conn->next) {
        if (conn->peer != PEER_UNKNOWN || conn->came > before)
            continue;
        conn_hang_up(conn); /* its thread will end */
        conn->peer = PEER_DROPPED;
        conns.unknown--;
        conns.dropped++;
        count--;
    }
}

/* There are no means to serve a connection.  Says so, and waits a moment, as
 * somebody may end; half of those who say nothing have to.  Others may end no
 * sooner than the run, so who waits for a connection keeps no item from those
 * who have one.  If for ten seconds nobody is there who may end, nobody
 * will. */
static void shortage(int error) {
    if (conns.unable < WARNINGS_MAX) {
        conns.unable++;
        say_unlocked("warning: unable to serve a client: %s", strerror(error));
    }
    bool strangers = conns.unknown + conns.dropped > 0;
    drop_unknown((conns.unknown + 1) / 2, now() - SILENT);
    unlock();
    poll(NULL, 0, SHORTAGE_PAUSE);
    lock();
    for (int k = 0; k < run.config->jobs; k++)
        items_child_died((uint32_t)k); /* or might as well have */
    bool may_end = conn_count_known() > 0 || strangers;
    conns.in_vain = may_end ? 0 : conns.in_vain + 1;
    if (conns.in_vain >= SHORTAGES_MAX)
        fail_run("serve any client: %s", strerror(error));
}

/* conn_new() has returned NULL.  Waits a moment if that is for lack of means,
 * and not since there was nothing to accept. */
void conn_rest(int error) {
    if (error != EAGAIN && error != EWOULDBLOCK && error != EINTR &&
        error != ECONNABORTED)
        shortage(error);
}

/* Makes what a connection needs, of the result of accept(); it owns fd from
 * then on.  Returns NULL, with errno set, if fd is -1; or if there are no
 * means, or the run was aborted: then fd is closed. */
struct conn *conn_new(int fd, struct in_addr from) {
    if (fd < 0)
        return NULL;
    if (!run_goes_on()) {
        /* Its client learns from this that it is over.  To close it alone may
         * be a reset, which a queue that is full sends as well. */
        shutdown(fd, SHUT_RDWR);
        close(fd);
        errno = ECONNABORTED;
        return NULL;
    }
    struct conn *conn = calloc(1, sizeof(*conn));
    int error = conn != NULL ? prepare(conn, fd) : ENOMEM;
    if (error != 0) {
        free(conn);
        close(fd); /* nothing was sent */
        errno = error;
        return NULL;
    }
    secret_nonce(conn->nonce); /* here, where only one thread makes them */
    conn->fd = fd;
    conn->from = from;
    conn->came = now();
    conn->previous = conns.last;
    if (conns.last != NULL)
        conns.last->next = conn;
    else
        conns.first = conn;
    conns.last = conn;
    conns.count++;
    conns.unknown++;
    return conn;
}

/* The end of a connection, which is closed, and of what belongs to it. */
void conn_free(struct conn *conn) {
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        conns.first = conn->next;
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    else
        conns.last = conn->previous;
    conns.count--;
    conns.unknown -= conn->peer == PEER_UNKNOWN;
    conns.dropped -= conn->peer == PEER_DROPPED;
    conns.children -= conn->peer == PEER_CHILD;
    close(conn->fd); /* nothing that follows depends on it */
    waiter_destroy(&conn->taker.waiter);
    waiter_destroy(&conn->claim.waiter);
    free(conn);
}

/* The children that there was no room for are dead.  They may have connected,
 * and are no strangers: so whoever is at the door of a listening socket is
 * turned away, before anybody is let in.  Other children dial again. */
void conn_turn_away(int listening) {
    for (int n = 0; n <= SOMAXCONN; n++) { /* more come if strangers do */
        int fd = accept(listening, NULL, NULL);
        if (fd < 0)
            return;
        close(fd); /* nothing was sent */
    }
}

/* How many connections there may be. */
static int limit(void) {
    int max = run.config->connections_max;
    return max > 0 ? max : run.config->jobs + 100;
}

/* How many strangers there may be. */
static int strangers_most(void) {
    if (conns.strangers_max > 0)
        return conns.strangers_max;
    return run.config->strangers_max > 0 ? run.config->strangers_max
                                         : STRANGERS_MAX;
}

/* How many connections may be without a proof: those of children that are
 * still to come, and some strangers.  As long as there are two of them, there
 * is room for one more, so that strangers keep nobody out. */
static int unknown_most(void) {
    int room = limit() - conn_count_known() - 1;
    int most = run.config->jobs - conns.children + strangers_most();
    if (most <= room)
        return most;
    return room > 1 ? room : 1;
}

/* Is there room for one more?  If those without a proof become too many by it,
 * the oldest of them is dropped, and its thread has to end before the next one
 * comes. */
bool conn_has_room(void) {
    return conns.count < limit() &&
        conns.unknown + conns.dropped <= unknown_most();
}

int conn_count(void) {
    return conns.count;
}

/* Ends a conversation: the next read or write of either side fails. */
void conn_hang_up(struct conn *conn) {
    shutdown(conn->fd, SHUT_RDWR); /* fails if it is over already */
}

void conn_hang_up_all(void) {
    for (struct conn *conn = conns.first; conn != NULL; conn = conn->next)
        conn_hang_up(conn);
}

/* Sees to it that not too many connections are without a proof: those that
 * have been so for longest go. */
void conn_limit_unknown(void) {
    drop_unknown(conns.unknown - unknown_most(), now());
}

/* There is no thread for a connection.  Strangers who are there are in the way
 * of commands as well: from now on there may be a quarter of them. */
void conn_refuse(struct conn *conn, int error) {
    conn_free(conn);
    int quarter = (conns.unknown + conns.dropped + 3) / 4;
    if (quarter > 0 && quarter < strangers_most())
        conns.strangers_max = quarter;
    conn_limit_unknown();
    shortage(error);
}

/* --- The proofs */

static const char closed_early[] = "closed before its opening";

/* Why an opening could not be had. */
static const char *missing(int error) {
    return error == ETIMEDOUT ? "silent for 5 s" : closed_early;
}

/* Tells another version from what is something else altogether. */
static const char *wrong_magic(struct conn *conn, const unsigned char *magic) {
    char digit[4];
    if (memcmp(magic, MAGIC, MAGIC_SIZE - 1) != 0)
        return "this is not gather's protocol, " MAGIC;
    make_printable(
        digit, sizeof(digit), (const char *)magic + MAGIC_SIZE - 1, 1);
    snprintf(conn->reason, sizeof(conn->reason),
        "wrong version: %.*s%s, not " MAGIC, MAGIC_SIZE - 1, MAGIC, digit);
    return conn->reason;
}

/* Takes from the header which item the client asks for.  Returns false if that
 * makes no sense. */
static bool read_wish(struct conn *conn, enum peer peer, uint32_t wanted) {
    struct taker *taker = &conn->taker;
    taker->number = wanted & ~END;
    if (peer == PEER_CHILD) {
        taker->kind = CLIENT_CHILD;
        return wanted < (uint32_t)run.config->jobs && child_pid(wanted) != 0;
    }
    taker->kind = wanted == NONE ? CLIENT_ELSEWHERE : CLIENT_WANTS_ONE;
    return wanted == NONE || ((wanted & END) != 0 && taker->number < NONE);
}

/* The hello of a client.  Sets *peer to what it says it is, and *secret to
 * what it has to know then.  Returns NULL, or what is wrong. */
static const char *receive_hello(struct conn *conn, double deadline,
    struct challenge *challenge, enum peer *peer,
    const unsigned char **secret) {
    unsigned char hello[MAGIC_SIZE + NONCE_SIZE];
    size_t got = readn(conn->fd, hello, sizeof(hello), deadline);
    int error = errno;
    if (got < MAGIC_SIZE)
        return missing(error);
    if (memcmp(hello, MAGIC_CHILD, MAGIC_SIZE) == 0) {
        *peer = PEER_CHILD;
        *secret = run.config->secret;
    } else if (memcmp(hello, MAGIC, MAGIC_SIZE) == 0) {
        *peer = PEER_ELSEWHERE;
        *secret = run.config->token;
    } else {
        return wrong_magic(conn, hello);
    }
    if (got < sizeof(hello))
        return missing(error);
    memcpy(challenge->client_nonce, hello + MAGIC_SIZE, NONCE_SIZE);
    memcpy(challenge->server_nonce, conn->nonce, NONCE_SIZE);
    return NULL;
}

/* The server's half of the proofs, which protocol.h draws.  Needs no lock.
 * Returns NULL if the client has proved who it is, or else the reason. */
static const char *prove(struct conn *conn, enum peer *peer) {
    double deadline = now() + OPENING;
    unsigned char answer[MAGIC_SIZE + NONCE_SIZE + PROOF_SIZE];
    unsigned char opening[HEADER_SIZE + PROOF_SIZE];
    unsigned char proof[PROOF_SIZE];
    struct challenge challenge;
    const unsigned char *secret = NULL;
    const char *reason =
        receive_hello(conn, deadline, &challenge, peer, &secret);
    if (reason != NULL)
        return reason;
    memcpy(answer, MAGIC, MAGIC_SIZE);
    memcpy(answer + MAGIC_SIZE, conn->nonce, NONCE_SIZE);
    memset(answer + MAGIC_SIZE + NONCE_SIZE, 0, PROOF_SIZE); /* no proof */
    if (secret != NULL)
        secret_prove_server(
            answer + MAGIC_SIZE + NONCE_SIZE, secret, &challenge);
    if (writen(conn->fd, answer, sizeof(answer)) < sizeof(answer))
        return closed_early;
    if (secret == NULL)
        return "nobody is expected from elsewhere";
    size_t got = readn(conn->fd, opening, sizeof(opening), deadline);
    if (got == 0 && errno == 0 && *peer == PEER_ELSEWHERE)
        return "wrong token"; /* so it has found, of our proof */
    if (got < sizeof(opening))
        return missing(errno);
    secret_prove_client(proof, secret, &challenge, opening);
    if (!secret_equal(proof, opening + HEADER_SIZE, PROOF_SIZE))
        return "wrong token";
    bool sense = read_wish(conn, *peer, get_u32(opening));
    return sense && get_u32(opening + 4) == 0 ? NULL : "no such child";
}

/* Finds out who is at the other end.  Returns false for a stranger, who
 * changes nothing here; for a child that died meanwhile, or dials again; or
 * after an abort. */
bool conn_authenticate(struct conn *conn) {
    enum peer peer = PEER_UNKNOWN;
    unlock();
    const char *reason = prove(conn, &peer);
    lock();
    bool was_child = peer == PEER_CHILD && reason == closed_early;
    if (conn->peer == PEER_DROPPED)
        reason = "too many have proved nothing yet";
    if (reason == NULL) {
        conn->peer = peer;
        conns.unknown--;
        conns.children += peer == PEER_CHILD;
        return run_goes_on();
    }
    if (was_child)
        return false; /* its death is told when it is reaped */
    if (run_goes_on() && !items_finished() && conns.warnings < WARNINGS_MAX) {
        conns.warnings++;
        char address[INET_ADDRSTRLEN] = "";
        inet_ntop(AF_INET, &conn->from, address, sizeof(address));
        say_unlocked("warning: refused a stranger at %s: %s", address, reason);
    }
    return false;
}
