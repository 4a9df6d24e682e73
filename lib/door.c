/*
 * door.c - those who have connected and have not proved yet who they are: the
 * server's half of the proofs that protocol.h draws.  It stands on conn.c,
 * monitor.c, secret.c and text.c.
 *
 * Anybody may come, and say nothing.  So a visitor has no thread: he costs a
 * descriptor, and a struct visitor, which keeps what he has said so far.  The
 * main thread talks to all of them, and waits for none.  Who has proved who he
 * is gets a connection, and a thread.
 */
#include "door.h"
#include "secret.h"
#include "system.h"
#include "text.h"
#include <stdio.h>

/* Visitors at a time, beside the children that are still to come.  The oldest
 * has to go if there are more.  So whoever is to keep a client out has to come
 * as often while that one proves itself, which takes 1.5 round trips. */
#define STRANGERS_MAX 1024
#define ENTRIES_MAX 20     /* at a time, lest signals and children wait */
#define SILENT 1.0         /* seconds; a child proves itself in less */
#define SHORTAGE_PAUSE 100 /* milliseconds */
#define SHORTAGES_MAX 100  /* of these in which nobody is served */
#define WARNINGS_MAX 8 /* lines about strangers, and about a lack of means */

/* What a visitor has to say next; protocol.h draws it. */
enum step { AWAITS_HELLO, AWAITS_OPENING };

#define HELLO_SIZE (MAGIC_SIZE + NONCE_SIZE)
#define OPENING_SIZE (HEADER_SIZE + PROOF_SIZE)

/* Somebody who has connected: a child, a client from elsewhere, or a stranger,
 * who will not be able to prove that he is one of these. */
struct visitor {
    int fd;
    struct in_addr from; /* where the other end is */
    double came;         /* when (of now()) */
    enum step step;
    bool is_ready; /* there is something to hear, or his time is over */
    size_t got;    /* bytes that have come of what he has to say, */
    unsigned char said[HELLO_SIZE]; /* which are these; an opening is less */
    enum client_kind kind; /* what he says that he is: see struct identity; */
    uint32_t number;
    const unsigned char *secret; /* what he has to know then; NULL: nobody is
                                  * expected */
    struct challenge challenge;
};

static struct {
    struct visitor *visitors; /* in the order in which they came */
    struct pollfd *poll_fds;  /* two of the main thread, then theirs */
    int count;
    int next;     /* the first that door_next() has not looked at */
    int warnings; /* about strangers, so far */
    int unable;   /* warnings about the lack of means, so far */
    int in_vain;  /* shortages, one after the other, with nobody served */
} door;

/* How many connections there may be, visitors included. */
static int limit(void) {
    int max = run.config->connections_max;
    return max > 0 ? max : run.config->jobs + 100;
}

/* Before the first thread.  Returns 0, or -1 with errno set: door_close() is
 * to follow in either case. */
int door_open(void) {
    size_t places = (size_t)run.config->jobs + STRANGERS_MAX;
    memset(&door, 0, sizeof(door));
    door.visitors = calloc(places, sizeof(*door.visitors));
    door.poll_fds = calloc(2 + places, sizeof(*door.poll_fds));
    return door.visitors != NULL && door.poll_fds != NULL ? 0 : -1;
}

/* How many visitors there may be now. */
static int places(void) {
    int most = run.config->jobs - conn_count_children() + STRANGERS_MAX;
    int room = limit() - conn_count();
    return most < room ? most : room;
}

/* How many may be let in at a time.  As that is no more than half of the
 * places, everybody is heard once before he has to go for others. */
int door_entries(void) {
    int half = (places() + 1) / 2;
    return half < ENTRIES_MAX ? half : ENTRIES_MAX;
}

int door_count(void) {
    return door.count;
}

/* Ends a conversation.  A client learns from the end of it that it is over; to
 * close it alone may be a reset, which a queue that is full sends as well. */
static void hang_up(int fd) {
    shutdown(fd, SHUT_RDWR); /* fails if it is over already */
    close(fd);
}

/* Forgets a visitor. */
static void remove_visitor(int k) {
    door.count--;
    memmove(door.visitors + k, door.visitors + k + 1,
        (size_t)(door.count - k) * sizeof(*door.visitors));
}

/* Why a visitor is sent away.  A child comes again, if it is not dead, which
 * is told when it is reaped; all others are strangers. */
static const char closed_early[] = "closed before its opening";
static const char too_many[] = "too many have proved nothing yet";

/* Sends a visitor away.  If he is a stranger that is said, but not if one had
 * to wait for it, as standard error takes nothing now. */
static void refuse(int k, const char *reason) {
    struct visitor *visitor = &door.visitors[k];
    bool is_child = visitor->kind == CLIENT_CHILD &&
        (reason == closed_early || reason == too_many);
    char address[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &visitor->from, address, sizeof(address));
    hang_up(visitor->fd);
    remove_visitor(k);
    if (is_child || !run_goes_on() || items_finished() ||
        door.warnings >= WARNINGS_MAX || wait_ready(2, POLLOUT, now()) == 0)
        return;
    door.warnings++;
    say_unlocked("warning: refused a stranger at %s: %s", address, reason);
}

/* Sends those away who came before a time (of now()), or for 0 all, without a
 * word. */
void door_clear(double before) {
    while (door.count > 0 && (before <= 0 || door.visitors[0].came < before)) {
        hang_up(door.visitors[0].fd);
        remove_visitor(0);
    }
}

/* The end of a run, or of an attempt to begin one. */
void door_close(void) {
    door_clear(0);
    free(door.visitors);
    free(door.poll_fds);
}

/* The children that there was no room for are dead.  They may have connected,
 * and are no strangers: so whoever is at the listener is turned away, before
 * anybody is let in.  Other children dial again. */
void door_turn_away(int listener) {
    for (int n = 0; n <= SOMAXCONN; n++) { /* more come if strangers do */
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0)
            close(fd); /* nothing was sent */
        else if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

/* Lets somebody in, one of door_entries(); fd, the result of accept(), is
 * the door's from then on.  Returns 0; or -1, with errno set, if there was
 * nobody, or no means: then fd is closed. */
int door_admit(int fd, struct in_addr from) {
    if (fd < 0)
        return -1;
    if (system_tune_connection(fd) < 0) {
        int error = errno;
        close(fd); /* nothing was sent */
        errno = error;
        return -1;
    }
    while (door.count >= places())
        refuse(0, too_many);
    struct visitor *visitor = &door.visitors[door.count];
    memset(visitor, 0, sizeof(*visitor));
    visitor->fd = fd;
    visitor->from = from;
    visitor->came = now();
    visitor->step = AWAITS_HELLO;
    visitor->kind = CLIENT_ELSEWHERE;
    door.count++;
    return 0;
}

/* Sleeps, without the lock, until one of two descriptors has input (-1: no
 * such one), or a visitor says something or is late, or until a time (of
 * now(); 0: for ever). */
void door_wait(int signals, int listener, double until) {
    struct pollfd *theirs = door.poll_fds + 2;
    door.poll_fds[0] = (struct pollfd){.fd = signals, .events = POLLIN};
    door.poll_fds[1] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (int k = 0; k < door.count; k++)
        theirs[k] =
            (struct pollfd){.fd = door.visitors[k].fd, .events = POLLIN};
    if (door.count > 0 &&
        (until <= 0 || door.visitors[0].came + OPENING < until))
        until = door.visitors[0].came + OPENING;
    unlock();
    int n = poll(door.poll_fds, 2 + (nfds_t)door.count, poll_timeout(until));
    lock();
    double oldest = now() - OPENING;
    for (int k = 0; k < door.count; k++)
        door.visitors[k].is_ready = (n > 0 && theirs[k].revents != 0) ||
            door.visitors[k].came <= oldest;
    door.next = 0;
}

/* --- Shortages */

/* There are no means to serve somebody.  Says so, and waits a moment, as
 * somebody may end; visitors who prove nothing have to go.  Clients may end no
 * sooner than the run, so who waits for a connection keeps no item from those
 * who have one.  If for ten seconds there is no client that may end, nobody
 * will ever be served. */
void door_shortage(int error) {
    if (door.unable < WARNINGS_MAX) {
        door.unable++;
        say_unlocked("warning: unable to serve a client: %s", strerror(error));
    }
    door_clear(now() - SILENT);
    door.next = door.count; /* nobody else is served meanwhile */
    unlock();
    poll(NULL, 0, SHORTAGE_PAUSE);
    lock();
    for (int k = 0; k < run.config->jobs; k++)
        items_unreserve((uint32_t)k);
    door.in_vain = conn_count() > 0 ? 0 : door.in_vain + 1;
    if (door.in_vain >= SHORTAGES_MAX)
        fail_run("serve any client: %s", strerror(error));
}

/* door_admit() has failed.  Waits a moment if that is for lack of means, and
 * not since there was nobody. */
void door_pause(int error) {
    if (error != EAGAIN && error != EWOULDBLOCK && error != EINTR &&
        error != ECONNABORTED)
        door_shortage(error);
}

/* --- The proofs */

/* Reads what has come of the n bytes that the visitor has to say next.
 * Returns NULL, or why the rest will not come. */
static const char *hear(struct visitor *visitor, size_t n) {
    ssize_t got =
        read(visitor->fd, visitor->said + visitor->got, n - visitor->got);
    if (got > 0)
        visitor->got += (size_t)got;
    if (visitor->got == n)
        return NULL;
    if (got == 0 && visitor->got == 0 && visitor->step == AWAITS_OPENING &&
        visitor->kind != CLIENT_CHILD)
        return "wrong token"; /* so it has found, of our proof */
    if (got == 0 || (got < 0 && !must_wait() && errno != EINTR))
        return closed_early;
    return now() < visitor->came + OPENING ? NULL : "silent for 5 s";
}

/* Tells another version from what is something else altogether. */
static const char *wrong_magic(const unsigned char *magic) {
    static char reason[64];
    char digit[4];
    if (memcmp(magic, MAGIC, MAGIC_SIZE - 1) != 0)
        return "this is not gather's protocol, " MAGIC;
    make_printable(
        digit, sizeof(digit), (const char *)magic + MAGIC_SIZE - 1, 1);
    snprintf(reason, sizeof(reason), "wrong version: %.*s%s, not " MAGIC,
        MAGIC_SIZE - 1, MAGIC, digit);
    return reason;
}

/* Looks at the magic, which says what the visitor is and has to know.  Returns
 * NULL, or what is wrong with it. */
static const char *look_at_magic(struct visitor *visitor) {
    if (memcmp(visitor->said, MAGIC_CHILD, MAGIC_SIZE) == 0) {
        visitor->kind = CLIENT_CHILD;
        visitor->secret = run.config->secret;
        return NULL;
    }
    visitor->secret = run.config->token;
    return memcmp(visitor->said, MAGIC, MAGIC_SIZE) == 0
        ? NULL
        : wrong_magic(visitor->said);
}

/* Answers a hello with the proof that this is the server.  Returns NULL, or
 * what is wrong. */
static const char *answer_hello(struct visitor *visitor) {
    unsigned char answer[HELLO_SIZE + PROOF_SIZE];
    struct challenge *challenge = &visitor->challenge;
    struct iovec piece = {.iov_base = answer, .iov_len = sizeof(answer)};
    memcpy(challenge->client_nonce, visitor->said + MAGIC_SIZE, NONCE_SIZE);
    secret_nonce(challenge->server_nonce);
    memcpy(answer, MAGIC, MAGIC_SIZE);
    memcpy(answer + MAGIC_SIZE, challenge->server_nonce, NONCE_SIZE);
    memset(answer + HELLO_SIZE, 0, PROOF_SIZE); /* no proof */
    if (visitor->secret != NULL)
        secret_prove_server(answer + HELLO_SIZE, visitor->secret, challenge);
    /* The first bytes on a connection do not have to wait. */
    if (writen_pieces(visitor->fd, &piece, 1, wait_ready, now()) <
        sizeof(answer))
        return closed_early;
    if (visitor->secret == NULL)
        return "nobody is expected from elsewhere";
    visitor->step = AWAITS_OPENING;
    visitor->got = 0;
    return NULL;
}

/* Takes from the opening which item the client asks for.  Returns false if
 * that makes no sense. */
static bool read_wish(struct visitor *visitor) {
    uint32_t wanted = get_u32(visitor->said);
    if (get_u32(visitor->said + 4) != 0)
        return false;
    visitor->number = wanted & ~END;
    if (visitor->kind == CLIENT_CHILD)
        return wanted < (uint32_t)run.config->jobs && child_pid(wanted) != 0;
    if (wanted == NONE)
        return true;
    visitor->kind = CLIENT_WANTS_ONE;
    return (wanted & END) != 0 && visitor->number < NONE;
}

/* Looks at an opening.  Returns NULL if the visitor has proved who he is, or
 * else what is wrong. */
static const char *look_at_opening(struct visitor *visitor) {
    unsigned char proof[PROOF_SIZE];
    secret_prove_client(
        proof, visitor->secret, &visitor->challenge, visitor->said);
    if (!secret_equal(proof, visitor->said + HEADER_SIZE, PROOF_SIZE))
        return "wrong token";
    return read_wish(visitor) ? NULL : "no such child";
}

/* Goes on with a visitor who is ready.  Returns NULL, or why he is refused;
 * sets *has_proved if he has proved who he is. */
static const char *go_on_with(struct visitor *visitor, bool *has_proved) {
    bool is_hello = visitor->step == AWAITS_HELLO;
    size_t n = is_hello ? HELLO_SIZE : OPENING_SIZE;
    const char *reason = hear(visitor, n);
    if (is_hello && visitor->got >= MAGIC_SIZE) {
        const char *problem = look_at_magic(visitor);
        reason = problem != NULL ? problem : reason;
    }
    if (reason != NULL || visitor->got < n)
        return reason;
    if (is_hello)
        return answer_hello(visitor);
    reason = look_at_opening(visitor);
    *has_proved = reason == NULL;
    return reason;
}

/* Goes on with those who are ready, until one has proved who he is: then he is
 * no visitor any more, but has a connection, which is returned.  Returns NULL
 * when all were looked at. */
struct conn *door_next(void) {
    while (door.next < door.count) {
        struct visitor *visitor = &door.visitors[door.next];
        bool has_proved = false;
        const char *reason = NULL;
        if (visitor->is_ready)
            reason = go_on_with(visitor, &has_proved);
        if (has_proved) {
            struct conn *conn = conn_new(
                visitor->fd, visitor->from, visitor->kind, visitor->number);
            remove_visitor(door.next);
            if (conn != NULL)
                return conn;
            door_shortage(errno);
        } else if (reason != NULL) {
            refuse(door.next, reason);
        } else {
            door.next++;
        }
    }
    return NULL;
}
