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
#include "lib/say.h"
#include "lib/secret.h"
#include "lib/system.h"
#include <stdlib.h>

#define PATIENCE 30.0    /* seconds that a server may take to appear */
#define FIRST_PAUSE 0.05 /* seconds between attempts; doubled up to */
#define LAST_PAUSE 2.0   /* this */
#define DROPS_MAX 4      /* times that a client lets itself be dropped */

struct sockaddr_in sb; /* the server's address */
struct hostent *hb;    /* the same, as the resolver gave it */
struct servent *svc;   /* the service; NULL: the port is a number */
int c = -1;            /* the connection */
unsigned short cport;  /* the server's port, host byte order */
uint32_t which;        /* the item that runs */
uint64_t size;         /* bytes of it sent so far */

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

/* Connects, trying again for PATIENCE seconds unless this is a child, whose
 * server listens already.  Returns CLIENT_CONNECTED, or how it failed. */
static enum client_end dial(bool is_child) {
    double deadline = now() + PATIENCE;
    double pause = FIRST_PAUSE;
    int error = 0;
    for (;;) {
        error = try_connect(deadline);
        if (error == 0)
            return CLIENT_CONNECTED;
        hang_up();
        if (is_child || is_signalled() || now() + pause >= deadline)
            break;
        wait_for_server(-1, 0, now() + pause);
        if (is_signalled())
            return CLIENT_SIGNALLED;
        pause = pause < LAST_PAUSE ? 2 * pause : pause;
    }
    if (is_signalled())
        return CLIENT_SIGNALLED;
    if (is_child && child_is_orphan())
        return CLIENT_LOST; /* nobody is left who could do anything */
    say("fatal: unable to connect to %s port %d: %s", hname, (int)cport,
        strerror(error));
    return CLIENT_UNCONNECTED;
}

/* Finds the server, as in the article: its host, and its port.  Returns false
 * if it cannot, which it has said. */
static bool find_server(const char *port) {
    bool is_number = port[strspn(port, "0123456789")] == '\0';
    hb = gethostbyname(hname);
    svc = is_number ? NULL : getservbyname(port, "tcp");
    long number = port_of(port, svc);
    if (number <= 0) {
        say("fatal: unable to find the port of %s:%s: no such service", hname,
            port);
        return false;
    }
    if (hb == NULL || hb->h_addrtype != AF_INET) {
        say("fatal: unable to connect to %s port %s: no such host", hname,
            port);
        return false;
    }
    cport = (unsigned short)number;
    memcpy(&sb.sin_addr, hb->h_addr_list[0], sizeof(sb.sin_addr));
    return true;
}

/* --- The conversation */

static size_t read_server(void *buffer, size_t n, double deadline) {
    return readn_waiting(c, buffer, n, wait_for_server, deadline);
}

/* How the proofs at the beginning ended. */
enum proof_result {
    PROVED,
    DROPPED, /* the server hung up, or was silent, before it proved anything */
    REFUTED  /* it is not our server, which was said; or is gone now */
};

/* Receives the server's half of the proofs. */
static enum proof_result check_server(
    const struct identity *me, struct challenge *challenge) {
    unsigned char answer[MAGIC_SIZE + NONCE_SIZE + PROOF_SIZE];
    unsigned char proof[PROOF_SIZE];
    bool is_child = me->kind == CLIENT_CHILD; /* its server is just busy */
    double deadline = is_child ? 0 : now() + PATIENCE;
    if (read_server(answer, sizeof(answer), deadline) < sizeof(answer))
        return DROPPED;
    memcpy(challenge->server_nonce, answer + MAGIC_SIZE, NONCE_SIZE);
    secret_prove_server(proof, me->secret, challenge);
    if (memcmp(answer, MAGIC, MAGIC_SIZE) == 0 &&
        secret_equal(answer + MAGIC_SIZE + NONCE_SIZE, proof, PROOF_SIZE))
        return PROVED;
    say("fatal: %s port %d does not know our token: it is not our server",
        hname, (int)cport);
    return REFUTED;
}

/* Has the server prove that it is ours, then proves to it that this is a
 * client of it.  That opening asks for the first item. */
static enum proof_result authenticate(const struct identity *me) {
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
        return DROPPED;
    enum proof_result result = check_server(me, &challenge);
    if (result != PROVED)
        return result;
    put_header(opening, wanted, 0);
    secret_prove_client(
        opening + HEADER_SIZE, me->secret, &challenge, opening);
    bool sent = writen(c, opening, sizeof(opening)) == sizeof(opening);
    return sent ? PROVED : REFUTED;
}

/* Connects, and exchanges the proofs.  Who was dropped, since too many had
 * proved nothing yet, tries again a few times.  Returns
 * CLIENT_CONNECTED, or how it failed. */
static enum client_end meet_server(const struct identity *me) {
    bool is_child = me->kind == CLIENT_CHILD;
    double pause = FIRST_PAUSE / 2;
    for (int attempt = 0; attempt < DROPS_MAX; attempt++) {
        if (is_child && child_is_orphan())
            return CLIENT_LOST; /* who listens there now is somebody else */
        enum client_end end = dial(is_child);
        if (end == CLIENT_UNCONNECTED && is_child)
            child_give_up();
        if (end != CLIENT_CONNECTED)
            return end;
        enum proof_result result = authenticate(me);
        if (result == PROVED)
            return CLIENT_CONNECTED;
        hang_up();
        if (result == REFUTED || is_signalled())
            break;
        wait_for_server(-1, 0, now() + pause);
        pause *= 2;
    }
    return CLIENT_LOST;
}

/* Receives the reply to an opening or an end.  Returns 1, with the item's
 * number in `which` and its text in *text, which the caller frees; 0: goodbye;
 * -1: the server is gone, or makes no sense. */
static int receive_order(char **text) {
    unsigned char header[HEADER_SIZE];
    if (read_server(header, sizeof(header), 0) < sizeof(header))
        return -1;
    which = get_u32(header);
    size = 0;
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
    return send_message(
        c, which | END, payload, END_SIZE + length, wait_for_server);
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
    bool is_child = me->kind == CLIENT_CHILD;
    memset(&sb, 0, sizeof(sb));
    sb.sin_family = AF_INET;
    if (is_child)
        sb.sin_addr = sa.sin_addr;
    else if (!find_server(me->port))
        return CLIENT_UNCONNECTED;
    sb.sin_port = htons(cport);
    if (sb.sin_addr.s_addr == 0) { /* all interfaces: take the loopback one */
        sb.sin_addr.s_addr = inet_addr("127.0.0.1");
        strcpy(hname, "127.0.0.1");
    }
    enum client_end end = meet_server(me);
    if (end == CLIENT_CONNECTED)
        end = run_items(run, arg);
    hang_up();
    return is_signalled() ? CLIENT_SIGNALLED : end;
}

/* The client's half of the conversation about an item: sends these bytes
 * behind those sent before.  Returns 0, or -1 when the server is gone. */
int xclient(const void *data, size_t bytes) {
    const char *from = data;
    while (bytes > 0) {
        size_t n = bytes < DATA_MAX ? bytes : DATA_MAX;
        if (!send_message(c, which, from, n, wait_for_server))
            return -1;
        size += n;
        from += n;
        bytes -= n;
    }
    return 0;
}
