/*
 * client.c - fuzzing a child's side: client() against a server that says what
 * the input says, running commands that write, linger and end as it says.
 * Processes, pipes and the clock are imitated.
 *
 * What has to be true: everything that is sent can be read by somebody who
 * knows nothing but the wire; the bytes of an item are those that its command
 * wrote, all of them if it ended by itself and its pipe was at its end; the
 * end says how it ended; nothing is sent behind it, or after a reply that is
 * none, or when the server has said something in between; a command that has
 * not ended is ended, gently first, and one whose time is up not before that;
 * once its group is empty, that gets no signal; a child asks for its server
 * once, others for half a minute; no descriptor and no memory is left.
 */
#include "fuzz.h"

#define open fuzz_open
#define pipe fuzz_pipe
#define fork() fuzz_fork()
#define waitpid fuzz_waitpid
#define kill fuzz_kill
#define socket(...) fuzz_socket()
#define connect(...) fuzz_connect()
#define getsockopt fuzz_getsockopt
#define nanosleep fuzz_nap
#define gethostbyname fuzz_host
#define getservbyname(...) NULL
static int fuzz_open(const char *name, int flags, ...);
static int fuzz_pipe(int *fd);
static pid_t fuzz_fork(void);
static pid_t fuzz_waitpid(pid_t pid, int *status, int flags);
static int fuzz_kill(pid_t pid, int sig);
static struct hostent *fuzz_host(const char *name);
static int fuzz_socket(void);
static int fuzz_connect(void);
static int fuzz_getsockopt(int fd, int level, int name, int *is, socklen_t *n);
static int fuzz_nap(const struct timespec *nap, struct timespec *left);

#include "../../client.c"

#define ROOM 8192  /* bytes of input at most */
#define CONTROL 16 /* before what the server says */
#define CONNECTION 7
#define SIGNALS 3
#define OUT 20 /* the pipe of the command's output: OUT, OUT + 1 */
#define BAD 22 /* that of the error */
#define COMMAND 4711

#define POUR (9 << 14) /* bytes of a command that pours */

static uint8_t input[ROOM], wrote[2 * POUR];
static size_t bytes_said, said; /* by the server: there are, and were read */
static unsigned step_number;
static int opened, connected, forks;
static int alive, collected, reported, ended, verdict_status;
static int budget;             /* bytes the command will still write */
static int error_of_exec;      /* or 0 */
static size_t n_wrote;         /* bytes the command has written */
static uint8_t sent[2 * POUR]; /* what the server got for this item */
static size_t n_sent;
static uint8_t m[HEADER + 12]; /* a message on its way */
static size_t have, left;      /* bytes of it there are; to come */
static int in_item, opened_up, over, drained;
static uint32_t item_now;
static double noise;   /* when the command wrote, or was collected, */
static double forked;  /* was forked, */
static double held_up; /* has been waiting for the server, seconds in all, */
static double termed;  /* and was told to end */
static int probe;      /* what the last look at its group has said */
static uint32_t who;   /* what the client says it is */
static int dials;      /* attempts to connect */
static int pending;    /* one of them is under way */
static int broken;     /* no more can be written */
static int signalled;  /* there was a signal while it waited to connect */
static int items;      /* that were handed out */
static int goodbye;    /* it was said */
static struct command cmd;
char hname[2048] = "127.0.0.1";

/* A number below n, of the input's choice; in a long run no longer, for in a
 * circle the same call could be interrupted for ever. */
static int choose(int n) {
    unsigned i = step_number++;
    if (i > 10000) return (int)((i * 2654435761u >> 16) % (unsigned)n);
    return (input[i % CONTROL] + (int)(i / CONTROL)) % n;
}

/* --- What signals.c is to a client */

int signals_fd(void) { return SIGNALS; }
int signals_next(void) { return 0; }
int command_start(pid_t child) { return (int)child; }
void command_over(void) { reported = 1; }

/* --- Processes */

static struct hostent *fuzz_host(const char *name) {
    static char address[] = {127, 0, 0, 1};
    static char *list[] = {address, NULL};
    static struct hostent host;
    host.h_addrtype = AF_INET;
    host.h_length = 4;
    host.h_addr_list = list;
    return strlen(name) > 0 ? &host : NULL;
}
static int fuzz_socket(void) {
    errno = EMFILE;
    if (choose(64) == 0) return -1;
    MUST(!connected);
    connected = 1;
    return CONNECTION;
}
/* Most servers are there; of some the input says when they are. */
static int fuzz_connect(void) {
    static const int errors[] = {ECONNREFUSED, EINPROGRESS, ENETUNREACH, 0};
    MUST(connected && !pending);
    dials++;
    errno = input[3] < 128 ? 0 : errors[choose(4)];
    pending = errno == EINPROGRESS;
    return errno == 0 ? 0 : -1;
}
static int fuzz_getsockopt(
    int fd, int level, int name, int *is, socklen_t *n) {
    MUST(fd == CONNECTION && connected && *n == sizeof(*is));
    MUST(level == SOL_SOCKET && name == SO_ERROR);
    *is = pending && choose(2) ? ECONNREFUSED : 0;
    pending = 0;
    return 0;
}
static int fuzz_open(const char *name, int flags, ...) {
    (void)name, (void)flags;
    abort(); /* only a command opens anything */
}
static int fuzz_pipe(int *fd) {
    errno = EMFILE;
    if (choose(32) == 0) return -1;
    fd[0] = opened & 1 ? BAD : OUT;
    fd[1] = fd[0] + 1;
    MUST(!(opened & 3 << (fd[0] - OUT)));
    opened |= 3 << (fd[0] - OUT);
    return 0;
}
static pid_t fuzz_fork(void) {
    errno = EAGAIN;
    if (choose(16) == 0) return -1;
    forks++;
    alive = 1;
    collected = reported = ended = drained = 0;
    forked = fuzz_now;
    held_up = termed = probe = 0;
    budget = choose(4) * 100;
    if (choose(32) == 0) budget = POUR;
    n_wrote = 0;
    error_of_exec = choose(8) == 0 ? ENOENT : 0;
    verdict_status = choose(2) ? choose(256) << 8 : 1 + choose(64);
    if (error_of_exec) verdict_status = 127 << 8;
    return COMMAND;
}
static pid_t fuzz_waitpid(pid_t pid, int *status, int flags) {
    MUST(forks > 0 && (pid == -1 || (pid == COMMAND && !collected)));
    if (pid == -1 && choose(8) == 7) { /* somebody that was left to us */
        *status = choose(2);
        return COMMAND + (collected ? 0 : 1); /* or with an old number */
    }
    MUST(!collected || flags == WNOHANG);
    errno = collected ? ECHILD : EINTR;
    if (collected || choose(4) == 0) return -1;
    if (alive && choose(2) && (flags & WNOHANG)) return 0;
    alive = 0;
    noise = fuzz_now;
    collected = 1;
    if (status != NULL) *status = verdict_status;
    return COMMAND;
}
static int fuzz_kill(pid_t pid, int sig) {
    MUST(pid == -COMMAND && forks > 0);
    MUST(sig == 0 || sig == SIGTERM || termed > 0);
    MUST(sig == 0 || probe == 0); /* that number may be another's */
    if (sig == SIGTERM) termed = fuzz_now;
    MUST(sig != SIGKILL || fuzz_now - termed >= GRACE - 0.001);
    if (sig != 0) ended = sig;
    if (sig == SIGKILL) alive = 0;
    if (sig != 0) return 0;
    errno = ESRCH;
    if (probe == 0 && !alive) probe = -choose(2); /* a group ends once */
    return probe;
}
static int fuzz_close(int fd) {
    if (fd == CONNECTION) {
        MUST(connected);
        return connected = pending = 0;
    }
    if (fd < 0) return -1; /* of pipes that were not to be had */
    MUST(fd >= OUT && (opened & 1 << (fd - OUT)));
    return opened &= ~(1 << (fd - OUT)), 0;
}

/* --- Reading and waiting */

static ssize_t fuzz_read(int fd, void *buf, size_t n) {
    errno = EINTR;
    if (choose(16) == 0) return -1;
    if (n > 1 && choose(4) == 0) n = 1;
    if (fd == CONNECTION) {
        if (n > bytes_said - said) n = bytes_said - said;
        memcpy(buf, input + CONTROL + said, n);
        said += n;
        return (ssize_t)n;
    }
    MUST(fd >= OUT && (opened & 1 << (fd - OUT)));
    if (fd == BAD) {
        if (error_of_exec == 0) return 0;
        MUST(n == sizeof(int) || n == 1);
        n = sizeof(int); /* PIPE_BUF: never cut */
        memcpy(buf, &error_of_exec, n);
        return (ssize_t)n;
    }
    errno = EAGAIN;
    if (choose(2)) return -1;
    if (budget == 0) return alive || !choose(3) ? -1 : (drained = 1, 0);
    if ((int)n > budget) n = (size_t)budget;
    if (n > 8192 && choose(2)) n = 8192; /* as stdio does */
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)buf)[i] = wrote[n_wrote++] =
            (uint8_t)(i < 64 ? choose(256) : (int)i);
    budget -= (int)n;
    noise = fuzz_now;
    return (ssize_t)n;
}

static int fuzz_nap(const struct timespec *nap, struct timespec *rest) {
    MUST(nap->tv_sec == 0 && rest == NULL);
    errno = EINTR;
    if (choose(8) == 0) return -1;
    fuzz_now += (double)nap->tv_nsec / 1e9;
    return 0;
}

static int fuzz_poll(struct pollfd *f, nfds_t n, int timeout) {
    int events = 0;
    errno = EINTR;
    if (choose(16) == 0) return -1;
    for (nfds_t i = 0; i < n; i++) f[i].revents = 0;
    if (n == 0) return fuzz_now += timeout / 1e3, 0;
    if (n == 1 && f[0].fd == SIGNALS) { /* the pause before another dial() */
        MUST(who >= NONE && !connected);
        if (choose(64) == 0) return signalled = f[0].revents = POLLIN;
        fuzz_now += timeout / 1e3;
        return 0;
    }
    if (n == 1 && pending) {
        MUST(f[0].events == POLLOUT && timeout > 0);
        if (choose(8) == 0) return fuzz_now += timeout / 1e3, 0;
        f[0].revents = POLLOUT;
        return 1;
    }
    if (n == 1) {
        int gone = f[0].fd == CONNECTION && choose(64) == 0;
        if ((f[0].events == POLLIN && timeout > 0) && !gone) {
            fuzz_now += timeout / 1e3; /* the pause before another fork */
            return 0;
        }
        if (f[0].events & POLLOUT) { /* it may take its time */
            double wait = choose(8) == 0 ? 2.0 : 0;
            fuzz_now += wait;
            if (!ended) held_up += wait;
            f[0].revents = POLLOUT;
        }
        if (gone || f[0].events == POLLIN) f[0].revents |= POLLIN;
        if (gone) over = 1;
        return 1;
    }
    MUST(n == 3 && f[1].fd == CONNECTION && f[2].fd == SIGNALS);
    if (f[0].fd >= 0 && choose(2)) events++, f[0].revents = POLLIN;
    if (choose(64) == 0) events++, f[1].revents = POLLIN, over = 1;
    if (choose(4) == 0) events++, f[2].revents = POLLIN, alive &= choose(2);
    if (events > 0) return fuzz_now += 0.1, events;
    if (timeout >= 0) return fuzz_now += (timeout + 1) / 1e3, 0;
    f[2].revents = POLLIN; /* it would sleep for ever: the command ends */
    alive = 0;
    return 1;
}

/* --- The other end of the connection */

/* The client has sent its request, so now comes the reply, if any. */
static void answer(void) {
    const uint8_t *reply = input + CONTROL + said;
    size_t n = bytes_said - said;
    in_item = 0;
    over = 1; /* unless it is an item, in full */
    goodbye = n >= HEADER && get32(reply) == NONE && get32(reply + 4) == 0;
    if (n < HEADER || get32(reply) >= NONE || get32(reply + 4) > ITEM_MAX ||
        n - HEADER < get32(reply + 4))
        return;
    over = 0;
    in_item = 1;
    items++;
    item_now = get32(reply);
    n_sent = 0;
    forks = error_of_exec = drained = ended = 0;
}

/* A message has come in full: the end of an item. */
static void end_of_item(void) {
    int st = (int)get32(m + 8);
    uint64_t n = (uint64_t)get32(m + 12) << 32 | get32(m + 16);
    MUST(n == n_sent && st <= STATUS_MAX);
    MUST(forks == 0 ? st > STATUS_ERRNO : reported);
    if (st >= STATUS_ERRNO) {
        MUST(n_sent == 0 && (error_of_exec || forks == 0));
    } else if (st == STATUS_TIMEOUT) {
        double then = ended ? termed : fuzz_now;
        double late = then - forked - held_up - cmd.seconds;
        MUST(collected && cmd.seconds > 0 && late > -0.001 &&
            late < (noise > forked ? GRACE + 0.3 : 0.3));
        MUST(ended == SIGKILL || (ended != SIGTERM && probe < 0));
    } else {
        MUST(collected && !error_of_exec && !ended);
        MUST(st ==
            (WIFSIGNALED(verdict_status)
                    ? STATUS_SIGNAL + WTERMSIG(verdict_status)
                    : WEXITSTATUS(verdict_status)));
        MUST(n_sent == n_wrote && (drained || fuzz_now - noise > 0.99));
        MUST(!drained || budget == 0);
    }
    MUST(n_sent <= n_wrote && memcmp(sent, wrote, n_sent) == 0);
    answer();
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
    if (have < HEADER) return;
    uint32_t w = get32(m), n = get32(m + 4);
    MUST((w & ~END) == item_now && n > 0);
    MUST(!(w & END) || n == 12);
    if (!(w & END)) left = n;
    if ((w & END) && have < HEADER + 12) return;
    have = 0;
    if (w & END) end_of_item();
}

static ssize_t fuzz_write(int fd, const void *buf, size_t n) {
    const uint8_t *p = buf;
    if (fd == 2) return (ssize_t)n;
    MUST(fd == CONNECTION && connected && n > 0);
    errno = EAGAIN;
    if (choose(8) == 0) return -1;
    errno = EPIPE;
    if (broken || choose(256) == 0) return broken = over = 1, -1;
    if (n > 1 && choose(4) == 0) n /= 2;
    if (n > HEADER && choose(8) == 0) n = 1 + (size_t)choose(HEADER);
    for (size_t i = 0; i < n; i++) {
        if (opened_up < 4 + TOKEN + HEADER) {
            uint8_t expected[4 + TOKEN + HEADER] = MAGIC "the secret token";
            put32(expected + 4 + TOKEN, who);
            MUST(p[i] == expected[opened_up]);
            if (++opened_up == sizeof(expected)) answer();
        } else {
            take(p[i]);
        }
    }
    return (ssize_t)n;
}

/* Every {} of a string is to be the text; compared with a simpler way. */
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
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static char word[] = "{}", *argv[] = {word, NULL};
    if (bytes < CONTROL || bytes > 2048) return -1;
    memcpy(input, data, bytes);
    input[bytes] = '\0';
    bytes_said = bytes - CONTROL;
    said = n_wrote = n_sent = have = left = 0;
    step_number = 0;
    opened = forks = opened_up = over = in_item = connected = 0;
    dials = pending = broken = signalled = items = goodbye = 0;
    allocations = 0;
    bad_allocation = data[0] > 250 ? data[1] % 8 : 0;
    fuzz_now = 1000;
    cport = 1;
    cmd.argv = argv;
    cmd.seconds = data[2] & 1 ? 1.0 : 0;
    who = data[2] & 2 ? NONE : data[2] & 4 ? END | 5 : 7;
    int r = client((const uint8_t *)"the secret token", who, command, &cmd);
    MUST(r >= -1 && r <= 2);
    MUST(!connected && opened == 0);
    MUST(forks == 0 || (collected && reported));
    MUST((r == 0) == (goodbye && over && items > 0 && !broken));
    MUST((r == 2) == (goodbye && items == 0 && !broken));
    double tried = fuzz_now - 1000; /* seconds */
    MUST(who >= NONE || dials <= 1);
    MUST(r >= 0 || tried < PATIENCE + 4);
    MUST(r >= 0 || who < NONE || signalled || tried > PATIENCE - 4);
    check_substitute((const char *)input + CONTROL, "x{}y");
    check_substitute((const char *)input + CONTROL, "");
    MUST(held_blocks == 0);
    free_blocks();
    return 0;
}
