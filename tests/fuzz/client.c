/*
 * client.c - fuzzing a child's side: client() against a server that says what
 * the input says, running commands that write, linger and end as it says.
 * Processes, pipes, the clock and signals.c are imitated.
 *
 * What has to be true: everything that is sent can be read by somebody who
 * knows nothing but the wire; a client proves itself, differently each time,
 * and only to a server that has done so before; the bytes of an item are those
 * that its command wrote, all of them if it ended by itself and its pipe was
 * at its end; the end says how it ended; nothing is sent behind it, or after a
 * reply that is none, or when the server has said something in between; a
 * command that has not ended is ended, gently first, and one whose time is up
 * not before that; once its group is empty, that gets no signal; it does not
 * look again and again for what comes later; it asks for its server again, at
 * all addresses that this has, but seldom, and if it is no child for half a
 * minute; a signal ends it; no descriptor and no memory is left.
 */
#include "fuzz.h"

#include "../../lib/command.h"
#include "../../lib/gather.h"
#include "../../lib/text.h"
#include "second.h"

#define ROOM 8192  /* bytes of input at most */
#define CONTROL 16 /* before what the server says */
#define CONNECTION 7
#define SIGNALS 3
#define OUT 20 /* the pipe of the command's output: OUT, OUT + 1 */
#define BAD 22 /* that of the error */
#define COMMAND 4711
#define NOBODY 4713    /* somebody else's process that was left to us */
#define POUR (9 << 14) /* bytes of a command that pours */
#define PATIENCE 30.0  /* seconds that a server may take to appear */
#define HELLO (MAGIC_SIZE + NONCE_SIZE)
#define ANSWER (HELLO + PROOF_SIZE)
#define OPENING_SIZE (HEADER_SIZE + PROOF_SIZE)
#define DIALS 400 /* at most */

static uint8_t input[ROOM], wrote[2 * POUR];
static size_t bytes_said, said; /* by the server: there are, and were read */
static unsigned step_number;
static const uint8_t secret[] = "the secret token";
static struct command command;
static struct identity me;
static jmp_buf given_up;

/* The connection. */
static bool connected, pending; /* there is one; it is under way */
static int dials;               /* attempts to connect */
static bool refused;            /* the last attempt was */
static bool is_other;           /* it was made at the second address */
static bool was_there[2];       /* our server has proved itself there */
static bool broken;             /* no more can be written */
static bool signalled;          /* a signal came that ends the client */
static uint8_t nonces[DIALS][NONCE_SIZE]; /* of the client, so far */
static int meetings;                      /* so many of them */
static uint8_t hello[HELLO];              /* what it says first, */
static size_t greeted;                    /* bytes of it */
static uint8_t answer[ANSWER];            /* the answer to that, */
static size_t answered, answer_size;      /* bytes of it read; there are */
static bool is_right;                     /* it proves that it is ours */
static uint8_t opening[OPENING_SIZE];     /* what it says then, */
static size_t opened;                     /* bytes of it */

/* The item. */
static uint8_t sent[2 * POUR]; /* what the server got of it */
static size_t n_sent;
static uint8_t m[HEADER_SIZE + END_SIZE + REASON_MAX]; /* on its way */
static size_t have, left; /* bytes of it there are; to come, of data */
static bool over;         /* nothing may be sent any more */
static bool goodbye;      /* it was said */
static int items;         /* that were handed out */
static uint32_t item_now;

/* The command. */
static int opened_pipes; /* a bit for each descriptor */
static int forks;
static bool is_alive, collected, reported, drained;
static int ended;          /* the signal that it got last */
static int verdict_status; /* as waitpid() tells it */
static int budget;         /* bytes it will still write */
static int error_of_exec;  /* or 0 */
static size_t n_wrote;
static double noise;   /* when it wrote, or was collected, */
static double forked;  /* was forked, */
static double held_up; /* has been waiting for the server, seconds in all, */
static double termed;  /* and was told to end */
static int probe;      /* what the last look at its group has said */
static int forbidden;  /* programs that were found, and may not be executed */
static int glances;    /* polls for it that did not wait */

/* A number below n, of the input's choice; in a long run no longer, for in a
 * circle the same call could be interrupted for ever. */
static int choose(int n) {
    unsigned i = step_number++;
    if (i > 10000) {
        uint32_t mixed = (i ^ i >> 16) * 0x7feb352du;
        mixed = (mixed ^ mixed >> 15) * 0x846ca68bu;
        return (int)((mixed ^ mixed >> 16) % (unsigned)n);
    }
    return (input[i % CONTROL] + (int)(i / CONTROL)) % n;
}

/* --- What signals.c and server.c are to a client */

struct sockaddr_in sa;
char hname[2048];
int children;

int signals_fd(void) {
    return SIGNALS;
}

/* The mutex of lib/say.c, for which there is nobody else. */
int fuzz_lock(pthread_mutex_t *mutex) {
    (void)mutex;
    return 0;
}

int fuzz_unlock(pthread_mutex_t *mutex) {
    (void)mutex;
    return 0;
}

int signals_next(void) {
    return signalled ? SIGTERM : 0;
}

int command_begin(pid_t child) {
    (void)child;
    abort(); /* only a command calls it */
}

void command_over(void) {
    reported = true;
}

void child_give_up(void) {
    MUST(me.kind == CLIENT_CHILD);
    longjmp(given_up, 1);
}

bool child_is_orphan(void) {
    return choose(4) == 0 || dials > DIALS / 2;
}

/* --- Finding the server */

struct hostent *fuzz_host(const char *name) {
    static char address[] = {127, 0, 0, 1}, other[] = {127, 0, 0, 2};
    static char *list[] = {address, NULL, NULL};
    static struct hostent host;
    list[1] = input[2] & 64 ? other : NULL;
    host.h_addrtype = AF_INET;
    host.h_length = 4;
    host.h_addr_list = list;
    return strlen(name) > 0 ? &host : NULL;
}

int fuzz_getaddrinfo(const char *name, const char *service,
    const struct addrinfo *hints, struct addrinfo **found) {
    (void)name;
    (void)service;
    (void)hints;
    (void)found;
    abort(); /* the host is known already */
}

void fuzz_freeaddrinfo(struct addrinfo *found) {
    (void)found;
    abort();
}

struct servent *fuzz_service(const char *name, const char *protocol) {
    static struct servent service;
    MUST(strcmp(protocol, "tcp") == 0);
    service.s_port = htons(1524);
    return strcmp(name, "ingreslock") == 0 ? &service : NULL;
}

int fuzz_socket(void) {
    errno = EMFILE;
    if (choose(64) == 0)
        return -1;
    MUST(!connected);
    connected = true;
    greeted = answered = answer_size = opened = 0;
    is_right = false;
    broken = false;
    over = false;
    return CONNECTION;
}

/* Most servers are there; of some the input says when they are. */
int fuzz_connect(int fd, const struct sockaddr *to, socklen_t length) {
    static const int errors[] = {
        ECONNREFUSED, ECONNRESET, EINPROGRESS, ENETUNREACH, 0};
    const struct sockaddr_in *in = (const void *)to;
    MUST(fd == CONNECTION && length == sizeof(*in));
    is_other = in->sin_addr.s_addr == inet_addr("127.0.0.2");
    MUST(is_other || in->sin_addr.s_addr == inet_addr("127.0.0.1"));
    MUST(!is_other || (me.kind != CLIENT_CHILD && (input[2] & 64)));
    MUST(in->sin_port == htons(me.port != NULL ? 1524 : 1));
    MUST(connected && !pending && dials < DIALS);
    dials++;
    errno = input[3] < 128 ? 0 : errors[choose(5)];
    pending = errno == EINPROGRESS;
    refused = errno == ECONNREFUSED;
    return errno == 0 ? 0 : -1;
}

int fuzz_getsockopt(int fd, int level, int name, int *value, socklen_t *n) {
    MUST(fd == CONNECTION && connected && *n == sizeof(*value));
    MUST(level == SOL_SOCKET && name == SO_ERROR);
    *value = pending && choose(2) ? ECONNREFUSED : 0;
    refused = *value == ECONNREFUSED;
    pending = false;
    return 0;
}

/* --- What is to be executed */

char *fuzz_getenv(const char *name) {
    static char path[] = "/a::/bin/c", nothing[] = "";
    if (strcmp(name, "PATH") != 0)
        return NULL;
    return input[5] & 1 ? path : input[5] & 2 ? nothing : NULL;
}

int fuzz_stat(const char *path, struct stat *status) {
    MUST(strchr(path, '/') != NULL);
    errno = ENOENT;
    if (choose(4) == 0)
        return -1;
    status->st_mode = choose(8) == 0 ? S_IFDIR : S_IFREG;
    forbidden += status->st_mode == S_IFDIR;
    return 0;
}

int fuzz_access(const char *path, int mode) {
    MUST(strchr(path, '/') != NULL && mode == X_OK);
    errno = EACCES;
    if (choose(8) != 0)
        return 0;
    forbidden++;
    return -1;
}

int fuzz_setenv(const char *name, const char *value, int overwrite) {
    MUST(strncmp(name, "GATHER_", 7) == 0 && overwrite);
    MUST(name[7] == 'I' || strtoul(value, NULL, 10) == item_now);
    errno = ENOMEM;
    return choose(64) == 0 ? -1 : 0;
}

int fuzz_open(const char *name, int flags, ...) {
    (void)name;
    (void)flags;
    abort(); /* only a command opens anything */
}

/* --- Processes */

int fuzz_pipe(int fds[2]) {
    errno = EMFILE;
    if (choose(32) == 0)
        return -1;
    fds[0] = opened_pipes & 1 ? BAD : OUT;
    fds[1] = fds[0] + 1;
    MUST(!(opened_pipes & 3 << (fds[0] - OUT)));
    opened_pipes |= 3 << (fds[0] - OUT);
    return 0;
}

pid_t fuzz_vfork(void) {
    errno = EAGAIN;
    if (choose(16) == 0)
        return -1;
    forks++;
    glances = 0;
    is_alive = true;
    collected = reported = drained = false;
    ended = 0;
    forked = fuzz_now;
    held_up = 0;
    termed = 0;
    probe = 0;
    n_wrote = 0;
    budget = choose(4) * 100;
    if (choose(32) == 0)
        budget = POUR;
    error_of_exec = choose(8) == 0 ? (choose(2) ? ENOENT : EACCES) : 0;
    verdict_status = choose(2) ? choose(256) << 8 : 1 + choose(64);
    if (error_of_exec)
        verdict_status = 127 << 8;
    return COMMAND;
}

pid_t fuzz_waitpid(pid_t pid, int *status, int flags) {
    MUST(forks > 0 && (pid == -1 || (pid == COMMAND && !collected)));
    if (pid == -1 && choose(8) == 7) {
        *status = choose(2);
        return collected ? COMMAND : NOBODY; /* or with an old number */
    }
    MUST(!collected || flags == WNOHANG);
    errno = collected ? ECHILD : EINTR;
    if (collected || choose(4) == 0)
        return -1;
    if (is_alive && choose(2) && (flags & WNOHANG))
        return 0;
    is_alive = false;
    noise = fuzz_now;
    collected = true;
    if (status != NULL)
        *status = verdict_status;
    return COMMAND;
}

int fuzz_kill(pid_t pid, int sig) {
    MUST(pid == -COMMAND && forks > 0);
    MUST(sig == 0 || sig == SIGTERM || termed > 0);
    MUST(sig == 0 || probe == 0); /* that number may be another's */
    if (sig == SIGTERM)
        termed = fuzz_now;
    MUST(sig != SIGKILL || fuzz_now - termed >= GRACE - 0.001);
    if (sig != 0)
        ended = sig;
    if (sig == SIGKILL)
        is_alive = false;
    if (sig != 0)
        return 0;
    errno = ESRCH;
    if (probe == 0 && !is_alive)
        probe = -choose(2); /* a group ends once */
    return probe;
}

int fuzz_close(int fd) {
    if (fd == CONNECTION) {
        MUST(connected);
        connected = pending = false;
        return 0;
    }
    MUST(fd >= OUT && (opened_pipes & 1 << (fd - OUT)));
    opened_pipes &= ~(1 << (fd - OUT));
    return 0;
}

int fuzz_nap(const struct timespec *nap, struct timespec *rest) {
    MUST(nap->tv_sec == 0 && rest == NULL);
    errno = EINTR;
    if (choose(8) == 0)
        return -1;
    fuzz_now += (double)nap->tv_nsec / 1e9;
    return 0;
}

int fuzz_isatty(int fd) {
    (void)fd;
    return 0;
}

/* --- Reading and waiting */

/* From the server: first its answer, then what the input says. */
static ssize_t hear(void *to, size_t n) {
    MUST(connected && greeted == HELLO);
    if (choose(8) == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (answered < ANSWER) {
        if (n > answer_size - answered)
            n = answer_size - answered;
        memcpy(to, answer + answered, n);
        answered += n;
        if (answered == ANSWER && is_right)
            was_there[is_other] = true;
        return (ssize_t)n;
    }
    MUST(is_right);
    if (n > bytes_said - said)
        n = bytes_said - said;
    memcpy(to, input + CONTROL + said, n);
    said += n;
    return (ssize_t)n;
}

ssize_t fuzz_read(int fd, void *to, size_t n) {
    MUST(n > 0);
    errno = EINTR;
    if (choose(16) == 0)
        return -1;
    if (n > 1 && choose(4) == 0)
        n = 1;
    if (fd == CONNECTION)
        return hear(to, n);
    MUST(fd >= OUT && (opened_pipes & 1 << (fd - OUT)));
    if (fd == BAD) {
        if (error_of_exec == 0)
            return 0;
        n = sizeof(int); /* PIPE_BUF: never cut */
        memcpy(to, &error_of_exec, n);
        return (ssize_t)n;
    }
    errno = EAGAIN;
    if (choose(2))
        return -1;
    if (budget == 0) {
        if (is_alive || !choose(3))
            return -1;
        drained = true;
        return 0;
    }
    if ((int)n > budget)
        n = (size_t)budget;
    if (n > 8192 && choose(2))
        n = 8192; /* as stdio does */
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)(i < 64 ? choose(256) : (int)i);
        ((uint8_t *)to)[i] = byte;
        wrote[n_wrote++] = byte;
    }
    budget -= (int)n;
    noise = fuzz_now;
    return (ssize_t)n;
}

/* Is there a reply to the opening?  If not, the server has hung up. */
ssize_t fuzz_recv(int fd, void *to, size_t n, int flags) {
    MUST(fd == CONNECTION && n == 1 && flags == MSG_PEEK && is_right);
    MUST(connected && answered == ANSWER);
    if (said == bytes_said)
        return 0;
    memcpy(to, input + CONTROL + said, 1);
    return 1;
}

/* Waits for the server: for a while, to read, or to write. */
static int poll_server(struct pollfd *fds, nfds_t n, int timeout) {
    MUST(n == 1 || fds[1].fd == SIGNALS);
    if (n == 2 && choose(256) == 0) {
        signalled = true;
        fds[1].revents = POLLIN;
        return 1;
    }
    if (fds[0].fd < 0) { /* the pause before another attempt */
        MUST(n == 2 && !connected && timeout >= 0);
        fuzz_now += timeout / 1e3;
        return 0;
    }
    MUST(fds[0].fd == CONNECTION && connected);
    if (pending) {
        MUST((fds[0].events & POLLOUT) && timeout >= 0);
        if (choose(8) == 0) {
            fuzz_now += timeout / 1e3;
            return 0;
        }
        fds[0].revents = POLLOUT;
        return 1;
    }
    bool writes = (fds[0].events & POLLOUT) != 0;
    bool gone = opened == OPENING_SIZE && choose(64) == 0;
    if (!writes && timeout > 0 && choose(16) == 0) {
        fuzz_now += timeout / 1e3; /* it is silent before its answer */
        return 0;
    }
    if (writes) { /* it may take its time */
        double wait = choose(8) == 0 ? 2.0 : 0;
        fuzz_now += wait;
        if (!ended)
            held_up += wait;
        fds[0].revents = POLLOUT;
    }
    if (!writes || (gone && n == 2))
        fds[0].revents |= POLLIN;
    if (gone && (n == 2 ? writes : !writes))
        over = true;
    return 1;
}

/* Waits for the command. */
static int poll_command(struct pollfd *fds, int timeout) {
    int events = 0;
    MUST(fds[1].fd == CONNECTION && fds[2].fd == SIGNALS);
    MUST(forks == 0 || n_sent == n_wrote); /* nothing is held back now */
    glances += timeout == 0;
    MUST(glances < 4);
    if (fds[0].fd >= 0 && choose(2)) {
        events++;
        fds[0].revents = POLLIN;
    }
    if (choose(64) == 0) {
        events++;
        fds[1].revents = POLLIN;
        over = true;
    }
    if (choose(4) == 0) {
        events++;
        fds[2].revents = POLLIN;
        is_alive = is_alive && choose(2);
        signalled = signalled || choose(16) == 0;
        over = over || signalled;
    }
    if (events > 0) {
        fuzz_now += 0.1;
        return events;
    }
    if (timeout >= 0) {
        fuzz_now += (timeout + 1) / 1e3;
        return 0;
    }
    fds[2].revents = POLLIN; /* it would sleep for ever: the command ends */
    is_alive = false;
    return 1;
}

int fuzz_poll(struct pollfd *fds, nfds_t n, int timeout) {
    errno = choose(2) ? EINTR : EAGAIN;
    if (choose(16) == 0)
        return -1;
    for (nfds_t i = 0; i < n; i++)
        fds[i].revents = 0;
    if (n == 0) {
        MUST(timeout > 0);
        fuzz_now += timeout / 1e3;
        return 0;
    }
    if (n == 1 && fds[0].fd == 2) {
        fds[0].revents = POLLOUT;
        return 1;
    }
    if (n < 3)
        return poll_server(fds, n, timeout);
    return poll_command(fds, timeout);
}

/* --- The other end of the connection */

/* The client's hello is here: is it one, and new?  Prepares the answer. */
static void check_hello(void) {
    static const char server[] = "server", client[] = "client";
    bool is_child = me.kind == CLIENT_CHILD;
    int kind = input[6] < 200 ? 0 : choose(8);
    uint8_t *proof = answer + HELLO;
    const uint8_t *its = hello + MAGIC_SIZE;
    MUST(memcmp(hello, is_child ? "gat2" : "GAT2", MAGIC_SIZE) == 0);
    for (int i = 0; i < meetings; i++)
        MUST(memcmp(nonces[i], its, NONCE_SIZE) != 0);
    memcpy(nonces[meetings], its, NONCE_SIZE);
    meetings++;
    memcpy(answer, "GAT2 a nonce of this", HELLO);
    answer[HELLO - 1] = (uint8_t)meetings;
    second_proof(proof, secret, kind == 1 ? client : server, its,
        answer + MAGIC_SIZE, NULL, 0);
    if (kind == 2) /* with another secret */
        second_proof(
            proof, secret + 1, server, its, answer + MAGIC_SIZE, NULL, 0);
    if (kind == 3) { /* reflected: its own nonce */
        memcpy(answer + MAGIC_SIZE, its, NONCE_SIZE);
        memset(proof, 0, PROOF_SIZE);
    }
    if (kind == 4)
        memcpy(answer, "GAT1", MAGIC_SIZE);
    if (kind == 5)
        proof[choose(PROOF_SIZE)] ^= 1;
    is_right = kind == 0 || kind > 5;
    answer_size = ANSWER;
    if (kind == 6) { /* it hangs up */
        answer_size = (size_t)choose(ANSWER);
        is_right = false;
    }
}

/* The client has sent its request, so now comes the reply, if any. */
static void find_reply(void) {
    const uint8_t *reply = input + CONTROL + said;
    size_t n = bytes_said - said;
    over = true; /* unless it is an item, in full */
    goodbye =
        n >= HEADER_SIZE && get_u32(reply) == NONE && get_u32(reply + 4) == 0;
    if (n < HEADER_SIZE || get_u32(reply) >= NONE ||
        get_u32(reply + 4) > TEXT_MAX || n - HEADER_SIZE < get_u32(reply + 4))
        return;
    over = false;
    items++;
    item_now = get_u32(reply);
    n_sent = 0;
    forks = error_of_exec = ended = forbidden = 0;
    drained = false;
}

/* The client has opened the conversation: is it who it is? */
static void check_opening(void) {
    uint8_t right[OPENING_SIZE];
    uint32_t who = me.kind == CLIENT_ELSEWHERE ? NONE : me.number;
    if (me.kind == CLIENT_WANTS_ONE)
        who |= END;
    put_u32(right, who);
    put_u32(right + 4, 0);
    second_proof(right + HEADER_SIZE, secret, "client", hello + MAGIC_SIZE,
        answer + MAGIC_SIZE, right, HEADER_SIZE);
    MUST(memcmp(opening, right, OPENING_SIZE) == 0);
    find_reply();
}

/* The end of an item says that its time was up: was it, and not long ago? */
static void check_timeout(void) {
    double then = ended ? termed : fuzz_now;
    double late = then - forked - held_up - command.seconds;
    MUST(command.seconds > 0 && late > -0.001);
    MUST(late < (noise > forked ? GRACE + 0.6 : 0.6));
    MUST(ended == SIGKILL || (ended != SIGTERM && probe < 0));
}

/* A message has come in full: the end of an item. */
static void end_of_item(size_t text) {
    uint32_t kind = get_u32(m + 8), value = get_u32(m + 12);
    uint64_t n = (uint64_t)get_u32(m + 16) << 32 | get_u32(m + 20);
    bool is_executed = forks > 0 && error_of_exec == 0;
    MUST(n == n_sent && kind < END_KINDS);
    MUST(memchr(m + 24, '\0', text) == NULL);
    MUST((kind == END_NOT_EXECUTED || kind == END_NOT_FOUND) == (text > 0));
    if (text > 0) {
        MUST(!is_executed && n_sent == 0 && value == 0);
        MUST(error_of_exec == 0 ||
            (kind == END_NOT_FOUND) == (error_of_exec == ENOENT));
        MUST(forks > 0 || forbidden == 0 || kind == END_NOT_EXECUTED);
    } else if (kind == END_TIMEOUT) {
        MUST(is_executed && collected && reported && value == 0);
        check_timeout();
    } else {
        bool died = WIFSIGNALED(verdict_status);
        MUST(is_executed && collected && reported && !ended);
        MUST(kind == (died ? END_SIGNAL : END_EXIT));
        MUST((int)value ==
            (died ? WTERMSIG(verdict_status) : WEXITSTATUS(verdict_status)));
        MUST(n_sent == n_wrote && (drained || fuzz_now - noise > 0.99));
        MUST(!drained || budget == 0);
    }
    MUST(n_sent <= n_wrote && memcmp(sent, wrote, n_sent) == 0);
    find_reply();
}

static void take(uint8_t byte) {
    MUST(!over);
    if (left > 0) { /* of data */
        MUST(n_sent < sizeof(sent));
        sent[n_sent++] = byte;
        left--;
        return;
    }
    m[have++] = byte;
    if (have < HEADER_SIZE)
        return;
    uint32_t w = get_u32(m), n = get_u32(m + 4);
    MUST((w & ~END) == item_now && n > 0);
    if (!(w & END)) {
        left = n;
        have = 0;
        return;
    }
    MUST(n >= END_SIZE && n <= END_SIZE + REASON_MAX);
    if (have < HEADER_SIZE + n)
        return;
    have = 0;
    end_of_item(n - END_SIZE);
}

/* A byte from the client. */
static void receive(uint8_t byte) {
    if (greeted < HELLO) {
        hello[greeted++] = byte;
        if (greeted == HELLO)
            check_hello();
    } else if (opened < OPENING_SIZE) {
        MUST(is_right && answered == ANSWER);
        opening[opened++] = byte;
        if (opened == OPENING_SIZE)
            check_opening();
    } else {
        take(byte);
    }
}

ssize_t fuzz_writev(int fd, const struct iovec *piece, int pieces) {
    const uint8_t *from = piece[0].iov_base;
    size_t n = piece[0].iov_len;
    MUST(fd == CONNECTION && connected && !pending && pieces > 0 && n > 0);
    errno = EAGAIN;
    if (choose(8) == 0)
        return -1;
    if (broken || choose(256) == 0) {
        broken = true;
        over = true;
        errno = EPIPE;
        return -1;
    }
    if (n > 1 && choose(4) == 0)
        n /= 2;
    if (n > HEADER_SIZE && choose(8) == 0)
        n = 1 + (size_t)choose(HEADER_SIZE);
    for (size_t i = 0; i < n; i++)
        receive(from[i]);
    return (ssize_t)n;
}

ssize_t fuzz_write(int fd, const void *from, size_t n) {
    struct iovec piece = {.iov_base = (void *)(uintptr_t)from, .iov_len = n};
    if (fd != 2)
        return fuzz_writev(fd, &piece, 1);
    MUST(fd == 2 && n > 8 && memcmp(from, "gather: ", 8) == 0);
    return (ssize_t)n;
}

/* Every {} of a template is to be the text; compared with a simpler way. */
static void check_substitute(const char *string, const char *text) {
    static char simple[ROOM * 2];
    size_t n = 0;
    for (const char *p = string; *p != '\0'; p++) {
        if (p[0] == '{' && p[1] == '}') {
            n += (size_t)sprintf(simple + n, "%s", text);
            p++;
        } else {
            simple[n++] = *p;
        }
    }
    simple[n] = '\0';
    char *copy = substitute(string, text);
    MUST(copy == NULL || strcmp(copy, simple) == 0);
    fuzz_free(copy);
}

/* What people see of a text is printable, as long as it may be, and the text
 * itself if that is. */
static void check_printable(const char *text, size_t n, size_t room) {
    char *to = malloc(room);
    bool is_plain = true;
    make_printable(to, room, text, n);
    size_t length = strlen(to);
    MUST(length < room);
    for (size_t i = 0; i < length; i++)
        MUST((unsigned char)to[i] >= ' ' && to[i] != 0x7f);
    for (size_t i = 0; i < n; i++)
        is_plain = is_plain && text[i] >= ' ' && text[i] < 0x7f;
    bool fits = n + 3 <= room;
    MUST(!is_plain || !fits || (length == n && memcmp(to, text, n) == 0));
    MUST(!is_plain || fits ||
        (length == room - 1 && memcmp(to, text, room - 4) == 0 &&
            memcmp(to + room - 4, "...", 3) == 0));
    free(to);
}

/* --- A life */

static void set_up(const uint8_t *data, size_t bytes) {
    static char word[] = "{}", plain[] = "plain", *argv[2];
    renew_variables();
    memcpy(input, data, bytes);
    memset(input + bytes, 0, 1);
    bytes_said = bytes - CONTROL;
    said = n_wrote = n_sent = have = left = 0;
    step_number = 0;
    opened_pipes = forks = dials = items = meetings = 0;
    refused = was_there[0] = was_there[1] = false;
    answered = 0;
    is_right = false;
    connected = pending = broken = signalled = over = goodbye = false;
    collected = reported = is_alive = drained = false;
    error_of_exec = ended = 0;
    bad_allocation = data[0] > 250 ? 1 + data[1] % 8 : 0;
    is_poor = false;
    fuzz_now = 1000;
    argv[0] = data[2] & 8 ? plain : word;
    command.argv = argv;
    command.seconds = data[2] & 1 ? 1.0 : 0;
    command.input = false;
    strcpy(hname, "127.0.0.1");
    memset(&sa, 0, sizeof(sa));
    if (data[2] & 16)
        sa.sin_addr.s_addr = inet_addr("127.0.0.1");
    cport = 1;
    me.kind = CLIENT_CHILD;
    me.number = 7;
    me.port = NULL;
    if (data[2] & 2)
        me.kind = data[2] & 4 ? CLIENT_WANTS_ONE : CLIENT_ELSEWHERE;
    if (me.kind != CLIENT_CHILD)
        me.port = data[2] & 32 ? "1524" : "ingreslock";
    me.secret = secret;
}

/* The server was not asked more often than has sense: with pauses that soon
 * are of 2 seconds, at two addresses before each of them. */
static void check_dials(void) {
    MUST(dials <= 16 + (fuzz_now - 1000));
    MUST(meetings <= dials);
}

/* How it ended has to be how it went. */
static void check_end(enum client_end end) {
    bool is_child = me.kind == CLIENT_CHILD;
    double tried = fuzz_now - 1000; /* seconds */
    MUST(!connected && opened_pipes == 0);
    MUST(forks == 0 || (collected && reported));
    MUST((end == CLIENT_SIGNALLED) == signalled);
    MUST(end != CLIENT_DONE || (goodbye && over && items > 0 && !broken));
    MUST(end != CLIENT_IDLE || (goodbye && items == 0 && !broken));
    MUST(!(goodbye && items == 0 && !broken && !signalled &&
             said == HEADER_SIZE) ||
        end == CLIENT_IDLE);
    MUST((end == CLIENT_REFUTED) ==
        (answered == ANSWER && !is_right && !signalled));
    bool has_ended = was_there[is_other] && refused;
    MUST(end != CLIENT_UNCONNECTED ||
        (!is_child && (has_ended || tried > PATIENCE - 4)));
    MUST(end != CLIENT_UNCONNECTED || tried < PATIENCE + 2 * OPENING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (bytes < CONTROL || bytes > 2048)
        return -1;
    set_up(data, bytes);
    if (setjmp(given_up) == 0)
        check_end(client(&me, command_run, &command));
    else
        MUST(!connected);
    check_dials();
    check_substitute((const char *)input + CONTROL, "x{}y");
    check_substitute((const char *)input + CONTROL, "");
    check_printable((const char *)input + CONTROL, bytes_said, 44);
    check_printable((const char *)input + CONTROL, bytes_said, 4 + data[7]);
    MUST(held_blocks == 0);
    free_blocks();
    return 0;
}

/* Whole replies where plain mutation would hardly make any. */
size_t LLVMFuzzerCustomMutator(
    uint8_t *data, size_t bytes, size_t max, unsigned seed) {
    uint8_t reply[32];
    size_t n = HEADER_SIZE;
    if (bytes < CONTROL || seed % 4 != 0 || bytes + sizeof(reply) > max)
        return LLVMFuzzerMutate(data, bytes, max);
    uint32_t text = seed >> 4 & 15;
    put_u32(reply, seed >> 8 & 7);
    put_u32(reply + 4, text);
    memset(reply + HEADER_SIZE, seed >> 11 & 1 ? '/' : 'x', text);
    n += text;
    if ((seed >> 12 & 3) == 0) {
        put_u32(reply, NONE);
        put_u32(reply + 4, 0);
        n = HEADER_SIZE;
    }
    size_t at = bytes;
    if (seed >> 14 & 1)
        at = CONTROL + (seed >> 15) % (bytes - CONTROL + 1);
    memmove(data + at + n, data + at, bytes - at);
    memcpy(data + at, reply, n);
    return bytes + n;
}
