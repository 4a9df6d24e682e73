/*
 * client.c - the child's side: client() connects and asks for items, xclient()
 * delivers the bytes of one, command() is a cursor that runs a program.
 */
#include "protocol.h"
#include <sys/wait.h>

#define PIECE (1u << 17) /* bytes taken from a command at a time, at most */
#define PATIENCE 30.0    /* seconds that a server may take to appear */
struct sockaddr_in sb;   /* the server's address */
struct hostent *hb;      /* the same, as the resolver gave it */
struct servent *svc;     /* the service; NULL: the port is a number */
int c = -1;              /* the connection */
unsigned short cport;    /* the server's port, host byte order */
uint32_t which;          /* the item that runs */
uint64_t size;           /* bytes of it sent so far */

/* Connects c to port cport of host hname.  Only who is no child waits for it.
 * Returns 0, or -1 when it could not, as it has said, or when signalled. */
static int dial(uint32_t child) {
    double by = now() + PATIENCE;
    int error = 0;
    socklen_t n = sizeof(error);
    sb.sin_family = AF_INET, sb.sin_port = htons(cport);
    hb = gethostbyname(hname);
    int known = hb != NULL && hb->h_addrtype == AF_INET;
    if (known) memcpy(&sb.sin_addr, hb->h_addr_list[0], sizeof(sb.sin_addr));
    if (!sb.sin_addr.s_addr) sb.sin_addr.s_addr = inet_addr("127.0.0.1");
    for (int pause = 50; known; pause = pause < 2000 ? 2 * pause : pause) {
        if ((c = socket(AF_INET, SOCK_STREAM, 0)) >= 0) tune(c);
        int done = c >= 0 && !connect(c, (struct sockaddr *)&sb, sizeof(sb));
        error = done ? 0 : errno;
        if (error == EINPROGRESS) error = ready(c, POLLOUT, by) ? 0 : errno;
        if (error == 0) getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &n);
        if (error == 0) return 0;
        close(c), c = -1;
        double retry = now() + pause / 1e3;
        if (child < NONE || retry >= by) break;
        if (ready(signals_fd(), POLLIN, retry) && signals_next()) return -1;
    }
    say("fatal: unable to connect to %s port %d: %s", hname, (int)cport,
        known ? strerror(error) : "no such host");
    return -1;
}

/* Sends n bytes that ask for an item.  Returns 1, with the number in `which`
 * and its text in *text, the caller's; 0: goodbye; -1: the server is gone. */
static int ask(const void *request, size_t n, char **text) {
    uint32_t m[2];
    *text = NULL;
    if (sendn(c, request, n) < n || readn(c, m, HEADER, 0) < HEADER) return -1;
    which = ntohl(m[0]);
    uint32_t length = ntohl(m[1]);
    if (which == NONE && length == 0) return 0;
    if (which >= NONE || length > ITEM_MAX || !(*text = calloc(length + 1, 1)))
        return -1;
    if (readn(c, *text, length, 0) == length) return 1;
    free(*text);
    return -1;
}

/* The life of a client: connects to the server as `child` (see opening), gives
 * items to the cursor until goodbye.  Returns 0 then: the server has it all; 2
 * if there were none; 1 if the connection was lost; -1 as dial(). */
int client(const unsigned char *token, uint32_t child, cursor *f, void *arg) {
    uint32_t m[7]; /* magic, token, header; later an end */
    char *text;
    if (dial(child) < 0) return -1;
    memcpy(m, MAGIC, 4);
    memcpy(m + 1, token, TOKEN);
    header(m + 5, child, 0);
    int ran = 0, more = signals_next() ? -1 : ask(m, sizeof(m), &text);
    while (more > 0) {
        ran = 1, size = 0;
        int status = f(which, text, arg);
        free(text);
        header(m, which | END, 12);
        m[2] = htonl((uint32_t)status);
        m[3] = htonl((uint32_t)(size >> 32)), m[4] = htonl((uint32_t)size);
        more = status < 0 ? -1 : ask(m, HEADER + 12, &text);
    }
    close(c);
    return more < 0 ? 1 : ran ? 0 : 2;
}

/* The client's half of the conversation about an item: sends these bytes
 * behind those sent before.  Returns 0, or -1 when the server is gone. */
int xclient(const void *data, size_t bytes) {
    const char *p = data;
    uint32_t m[2];
    while (bytes > 0) {
        uint32_t n = bytes < DATA_MAX ? (uint32_t)bytes : DATA_MAX;
        header(m, which, n);
        if (sendn(c, m, HEADER) < HEADER || sendn(c, p, n) < n) return -1;
        size += n, p += n, bytes -= n;
    }
    return 0;
}

/* A copy of the string, the caller's, with the text for every {}; or NULL. */
char *substitute(const char *string, const char *text) {
    size_t n = 0, length = strlen(text);
    const char *from = string, *to;
    for (; (to = strstr(from, "{}")) != NULL; from = to + 2) n++;
    if (n > SIZE_MAX / 2 / (length + 1)) return errno = ENOMEM, NULL;
    char *copy = malloc(strlen(string) + n * length + 1), *p = copy;
    if (copy == NULL) return NULL;
    for (from = string; (to = strstr(from, "{}")) != NULL; from = to + 2) {
        memcpy(p, from, (size_t)(to - from));
        memcpy(p + (to - from), text, length);
        p += (size_t)(to - from) + length;
    }
    return strcpy(p, from), copy;
}

/* A program that runs for an item. */
struct process {
    pid_t pid;                /* also its session and its process group */
    int out;                  /* its output, not blocking; -1 after the end */
    int exited, status, gone; /* it has ended, so; and all of its group */
    double due;               /* when (of now()) its time is up, 0 for never */
    double silent;            /* since when (of now()) nothing has happened */
};

/* Becomes the command, or returns with errno set. */
static void become(struct command *cmd, const char *text, int out, pid_t me) {
    char digits[16], **arg = cmd->argv;
    int in[2], ok = dup2(out, 1) == 1 && (cmd->input || close(0) == 0);
    if (ok && !cmd->input && open("/dev/null", O_RDONLY) < 0)
        ok = pipe(in) == 0 && close(in[1]) == 0; /* there may be no /dev */
    if (!ok) return;
    do
        if ((*arg = substitute(*arg, text)) == NULL) return;
    while (*++arg != NULL);
    snprintf(digits, sizeof(digits), "%lu", (unsigned long)which);
    if (setenv("GATHER_WHICH", digits, 1) == 0 &&
        setenv("GATHER_ITEM", text, 1) == 0 && command_start(me) == 0)
        execvp(cmd->argv[0], cmd->argv);
}

/* Forks the command.  Returns 0, or an errno, which may come from exec(). */
static int start(struct process *p, struct command *cmd, const char *text) {
    int fds[4] = {-1, -1, -1, -1}, error = 0;
    pid_t me = getpid();
    if (pipe(fds) < 0 || pipe(fds + 2) < 0 || (p->pid = fork()) < 0)
        error = errno;
    for (int i = 0; i < 4; i++) fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    if (error == 0 && p->pid == 0) {
        become(cmd, text, fds[1], me);
        error = errno;
        writen(fds[3], &error, sizeof(error));
        _exit(127);
    }
    close(fds[1]), close(fds[3]);
    if (error == 0 && readn(fds[2], &error, sizeof(error), 0) > 0) {
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) continue;
        command_over();
    }
    close(fds[2]);
    p->out = fds[0];
    fcntl(p->out, F_SETFL, O_NONBLOCK);
    widen(p->out, 1 << 18); /* not more: a user may have 64 MiB of pipes */
    if (error != 0) close(p->out);
    return error;
}

/* Collects the process: with WNOHANG if it has ended, with 0 when it has; and
 * orphans, should this be the first process of a container. */
static void collect(struct process *p, int flags) {
    int pid, status;
    while ((pid = waitpid(-1, &status, p->exited ? WNOHANG : flags)) > 0 ||
        (pid < 0 && errno == EINTR))
        if (pid == p->pid && !p->exited)
            p->exited = 1, p->status = status, p->silent = now();
}

/* Ends the process and its group: TERM, and later KILL for what is left. */
static void end(struct process *p) {
    if (p->gone) return;
    kill(-p->pid, SIGTERM), kill(-p->pid, SIGCONT);
    for (double by = now() + GRACE; kill(-p->pid, 0) == 0 && now() < by;) {
        poll(NULL, 0, 10); /* nothing tells when a group is gone */
        collect(p, WNOHANG);
    }
    if (kill(-p->pid, 0) == 0) kill(-p->pid, SIGKILL);
    collect(p, 0);
}

enum verdict { GO_ON, OVER, LATE, LOST };

/* Moves what the process has written, or sleeps until something happens.  The
 * deadline moves along while the server, held up or out of memory, takes none.
 * A program that pours is left alone for a moment, as each wake-up is dear. */
static enum verdict step(struct process *p) {
    static uint32_t piece[2 + PIECE / 4]; /* a message, for one write */
    static int naps, quick; /* the first 9, counted; one was short */
    char *data = (char *)(piece + 2);
    double t = now(), by = p->due;
    size_t full = 0;
    if (p->exited && !p->gone && kill(-p->pid, 0) < 0)
        p->gone = 1, command_over();
    if (p->due > 0 && p->due <= t) return LATE;
    ssize_t n = p->out < 0 ? -1 : read(p->out, data, PIECE);
    while (n > 0) {
        full += (size_t)n;
        if (n < 4096 || full > PIECE / 2 || (naps == 9 && !quick)) break;
        t = now(), nanosleep(&(struct timespec){.tv_nsec = 1}, NULL);
        quick |= now() - t < 5e-3, naps += naps < 9; /* 50 us, or a tick */
        n = read(p->out, data + full, PIECE - full);
    }
    if (full > 0) {
        header(piece, which, full);
        t = now();
        if (sendn(c, piece, HEADER + full) < HEADER + full) return LOST;
        size += full, p->silent = now();
        if (p->due > 0 && p->silent - t > 2e-3) p->due += p->silent - t;
        return GO_ON;
    }
    if (n == 0) close(p->out), p->out = -1;
    if (p->exited && (p->out < 0 || p->silent + GRACE <= t)) return OVER;
    if (p->exited && (by <= 0 || p->silent + GRACE < by))
        by = p->silent + GRACE;
    struct pollfd f[3] = {{.fd = p->out, .events = POLLIN}, /* or negative */
        {.fd = c, .events = POLLIN}, {.fd = signals_fd(), .events = POLLIN}};
    poll(f, 3, until(by));
    if (f[1].revents != 0) return LOST; /* it had nothing to say */
    if (f[2].revents != 0) signals_next(), collect(p, WNOHANG);
    return GO_ON;
}

/* A cursor: runs a program and delivers what it writes, until both have ended;
 * or GRACE of silence, if some descendant keeps the output open. */
int command(uint32_t item, const char *text, void *arg) {
    struct command *cmd = arg;
    struct process p = {0};
    enum verdict v = GO_ON;
    double pause = 0.01; /* when the system is short of processes */
    int error;
    while ((error = start(&p, cmd, text)) == EAGAIN && pause < 5)
        if (ready(c, POLLIN, now() + (pause *= 2))) return -1;
    if (error != 0) return STATUS_ERRNO + error;
    if (cmd->seconds > 0) p.due = now() + cmd->seconds;
    while (v == GO_ON) v = step(&p);
    if (p.out >= 0) close(p.out);
    if (v == OVER && p.out >= 0)
        say("warning: item %u: ended; something it left holds its output open",
            (unsigned)item);
    if (v != OVER) end(&p);
    if (!p.gone) command_over();
    if (v != OVER) return v == LATE ? STATUS_TIMEOUT : -1;
    return WIFSIGNALED(p.status) ? STATUS_SIGNAL + WTERMSIG(p.status)
                                 : WEXITSTATUS(p.status);
}
