/*
 * client.c - the child's side: client() connects and asks for items, xclient()
 * delivers the bytes of one, command() is a cursor that runs a program.  A
 * child has one thread, so what it forks may call anything.
 */
#include "protocol.h"
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PIECE (1u << 17) /* bytes taken from a command at a time, at most */
struct sockaddr_in sb;   /* the server's address */
struct hostent *hb;      /* the same, as the resolver gave it */
struct servent *svc;  /* the service, when the port is not known otherwise */
int c = -1;           /* the connection */
unsigned short cport; /* the server's port, host byte order; 0: the service */
uint32_t which;       /* the item that runs */
uint64_t size;        /* bytes of it sent so far */

/* Connects c to port cport of host hname.  Returns 0, or -1 when that could
 * not be had, which it has said. */
static int dial(void) {
    int one = 1;
    if (cport == 0 && (svc = getservbyname("ingreslock", "tcp")) != NULL)
        cport = ntohs((uint16_t)svc->s_port);
    sb.sin_family = AF_INET;
    sb.sin_port = htons(cport);
    errno = EADDRNOTAVAIL;
    if ((hb = gethostbyname(hname)) != NULL && hb->h_addrtype == AF_INET)
        memcpy(&sb.sin_addr, hb->h_addr_list[0], sizeof(sb.sin_addr));
    if (hb == NULL || (c = socket(AF_INET, SOCK_STREAM, 0)) < 0 ||
        (connect(c, (struct sockaddr *)&sb, sizeof(sb)) < 0 &&
         (errno != EINTR || !ready(c, POLLOUT, 0)))) {
        say("fatal: unable to connect to %s port %d: %s", hname, (int)cport,
            strerror(errno));
        return -1;
    }
    fcntl(c, F_SETFD, FD_CLOEXEC);
    fcntl(c, F_SETFL, O_NONBLOCK); /* see sendn() */
    setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return 0;
}

/* Sends n bytes that ask for an item, and waits for the reply.  Returns 1,
 * with the number in `which` and the text, zero-terminated, in *text, which
 * the caller frees; 0 for goodbye; -1 when the server is gone or confused. */
static int ask(const void *request, size_t n, char **text) {
    unsigned char m[HEADER];
    *text = NULL;
    if (sendn(c, request, n) < n || readn(c, m, HEADER, 0) < HEADER) return -1;
    which = get32(m);
    uint32_t length = get32(m + 4);
    if (which == NONE && length == 0) return 0;
    if (which >= NONE || length > ITEM_MAX ||
        (*text = calloc(length + 1, 1)) == NULL)
        return -1;
    return readn(c, *text, length, 0) == length ? 1 : -1;
}

/* The life of a client: connects to the server (hname, cport) as number
 * `child`, gives items to the cursor until the server says goodbye.  Returns 0
 * then: the server has everything; 1 if the connection was lost; -1 if there
 * never was one, which it has said. */
int client(const unsigned char *token, uint32_t child, cursor *run,
           void *arg) {
    unsigned char m[4 + TOKEN + HEADER] = MAGIC;
    char *text;
    if (dial() < 0) return -1;
    memcpy(m + 4, token, TOKEN);
    header(m + 4 + TOKEN, child, 0);
    int more = ask(m, sizeof(m), &text);
    while (more > 0) {
        size = 0;
        int status = run(which, text, arg);
        free(text);
        header(m, which | END, 12);
        put32(m + 8, (uint32_t)status);
        put32(m + 12, (uint32_t)(size >> 32));
        put32(m + 16, (uint32_t)size);
        more = status < 0 ? -1 : ask(m, HEADER + 12, &text);
    }
    close(c);
    return more == 0 ? 0 : 1;
}

/* The client's half of the conversation about an item: sends these bytes, as
 * many as there are, behind those sent before.  The data stay the caller's.
 * Returns 0, or -1 when the server is gone. */
int xclient(const void *data, size_t bytes) {
    const unsigned char *p = data;
    unsigned char m[HEADER];
    while (bytes > 0) {
        uint32_t n = bytes < DATA_MAX ? (uint32_t)bytes : DATA_MAX;
        header(m, which, n);
        if (sendn(c, m, HEADER) < HEADER || sendn(c, p, n) < n) return -1;
        size += n;
        p += n;
        bytes -= n;
    }
    return 0;
}

/* A copy of the string with the text in place of every {}; the caller frees
 * it.  NULL when memory is short. */
char *substitute(const char *string, const char *text) {
    size_t n = 0, length = strlen(text);
    const char *from = string, *to;
    for (; (to = strstr(from, "{}")) != NULL; from = to + 2) n++;
    char *copy = malloc(strlen(string) + n * length + 1), *p = copy;
    if (copy == NULL) return NULL;
    for (from = string; (to = strstr(from, "{}")) != NULL; from = to + 2) {
        memcpy(p, from, (size_t)(to - from));
        memcpy(p + (to - from), text, length);
        p += (size_t)(to - from) + length;
    }
    strcpy(p, from);
    return copy;
}

/* A program that runs for an item. */
struct process {
    pid_t pid;     /* also its session and its process group */
    int out;       /* its output, not blocking; -1 after the end */
    int exited;    /* it has been collected, */
    int status;    /* with this status */
    double due;    /* when (of now()) its time is up, 0 for never */
    double silent; /* since when (of now()) nothing has happened */
};

/* Becomes the command: nothing to read, the pipe to write to, arguments,
 * environment, and go.  Returns only if that failed, with errno set. */
static void become(char **argv, const char *text, int out, pid_t child) {
    char digits[16];
    int empty[2];
    if ((empty[0] = open("/dev/null", O_RDONLY)) < 0 &&
        (pipe(empty) < 0 || close(empty[1]) < 0)) /* there may be no /dev */
        return;
    if (dup2(empty[0], 0) < 0 || dup2(out, 1) < 0 || close(empty[0]) < 0)
        return;
    for (char **arg = argv; *arg != NULL; arg++)
        if ((*arg = substitute(*arg, text)) == NULL) return;
    snprintf(digits, sizeof(digits), "%lu", (unsigned long)which);
    if (setenv("GATHER_WHICH", digits, 1) == 0 &&
        setenv("GATHER_ITEM", text, 1) == 0 && command_start(child) == 0)
        execvp(argv[0], argv);
}

/* Forks the command.  A second pipe, closed by a successful exec, brings the
 * error of one that failed.  Returns 0, or an errno. */
static int start(struct process *p, char **argv, const char *text) {
    int fds[4] = {-1, -1, -1, -1}, error = 0;
    pid_t child = getpid();
    if (pipe(fds) < 0 || pipe(fds + 2) < 0 || (p->pid = fork()) < 0)
        error = errno;
    for (int i = 0; i < 4; i++) fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    if (error == 0 && p->pid == 0) {
        become(argv, text, fds[1], child);
        error = errno;
        writen(fds[3], &error, sizeof(error));
        _exit(127);
    }
    close(fds[1]);
    close(fds[3]);
    if (error == 0 && readn(fds[2], &error, sizeof(error), 0) > 0) {
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) continue;
        command_over();
    }
    close(fds[2]);
    if (error != 0) close(fds[0]);
    p->out = fds[0];
    fcntl(p->out, F_SETFL, O_NONBLOCK);
    return error;
}

/* Collects the process, if it has ended or else when it has. */
static void collect(struct process *p, int flags) {
    pid_t pid = 0;
    while (!p->exited && (pid = waitpid(p->pid, &p->status, flags)) < 0 &&
           errno == EINTR)
        continue;
    if (pid <= 0) return;
    p->exited = 1;
    p->silent = now();
}

/* Ends the process and its group: TERM, and KILL for what is left of them
 * after a time of grace. */
static void end(struct process *p) {
    kill(-p->pid, SIGTERM);
    kill(-p->pid, SIGCONT);
    for (double by = now() + GRACE; kill(-p->pid, 0) == 0 && now() < by;) {
        poll(NULL, 0, 10); /* nothing tells when a group is gone */
        collect(p, WNOHANG);
    }
    kill(-p->pid, SIGKILL);
    collect(p, 0);
}

enum verdict { GO_ON, OVER, LATE, LOST };

/* Moves what the process has written into the connection, or else sleeps until
 * something happens.  While the server does not read, since its memory is full
 * or its own output stands still, the deadline moves along. */
static enum verdict step(struct process *p) {
    static unsigned char piece[PIECE];
    double t = now(), by = p->due;
    if (p->due > 0 && p->due <= t) return LATE;
    ssize_t n = p->out < 0 ? -1 : read(p->out, piece, sizeof(piece));
    if (n > 0) {
        if (xclient(piece, (size_t)n) < 0) return LOST;
        p->silent = now();
        if (p->due > 0) p->due += p->silent - t;
        return GO_ON;
    }
    if (n == 0) {
        close(p->out);
        p->out = -1;
    }
    if (p->exited && (p->out < 0 || p->silent + GRACE <= t)) return OVER;
    if (p->exited) by = p->silent + GRACE;
    struct pollfd f[3] = {{p->out, POLLIN, 0}, /* poll() skips negative ones */
                          {c, POLLIN, 0},
                          {signals_fd(), POLLIN, 0}};
    poll(f, 3, until(by));
    if (f[1].revents != 0) return LOST; /* it had nothing to say */
    while (f[2].revents != 0 && signals_next() >= 0) continue;
    if (f[2].revents != 0) collect(p, WNOHANG);
    return GO_ON;
}

/* A cursor: runs a program, `arg` being a struct command, and delivers what it
 * writes.  That is over when it has ended and the pipe is at its end; if some
 * descendant keeps that open, when nothing has come for GRACE seconds. */
int command(uint32_t item, const char *text, void *arg) {
    const struct command *cmd = arg;
    struct process p = {0};
    enum verdict v = GO_ON;
    double pause = 0.01; /* when the system is short of processes */
    int error;
    while ((error = start(&p, cmd->argv, text)) == EAGAIN && pause < 5)
        if (ready(c, POLLIN, now() + (pause *= 2))) return -1;
    if (error != 0) return STATUS_ERRNO + error;
    if (cmd->seconds > 0) p.due = now() + cmd->seconds;
    while (v == GO_ON) v = step(&p);
    if (p.out >= 0) close(p.out);
    if (v == OVER && p.out >= 0)
        say("warning: item %u: something it left behind holds its output "
            "open: ending it there",
            (unsigned)item);
    if (v != OVER) end(&p);
    command_over();
    if (v != OVER) return v == LATE ? STATUS_TIMEOUT : -1;
    return WIFSIGNALED(p.status) ? STATUS_SIGNAL + WTERMSIG(p.status)
                                 : WEXITSTATUS(p.status);
}
