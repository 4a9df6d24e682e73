/*
 * inject.c - a library for LD_PRELOAD that makes system and library calls of
 * gather fail, or stops and kills its processes at chosen places.
 *
 *     cc -std=c99 -shared -fPIC -o inject.so tests/inject.c -ldl
 *     INJECT=parent:read:3 LD_PRELOAD=$PWD/inject.so ./gather ...
 *
 * INJECT       plans, with commas between: who:call:n[+][:how]
 *   who        parent; child, each of them; child0, child1, ..., one of them;
 *              fork, what a child has forked, before its exec
 *   call       a name of those in `names`.  recv and send are read() and
 *              write() or writev() of a socket, read and write those of
 *              anything else, but pipes and standard error, see below; splice
 *              is both, from a socket to standard output; fork is vfork(),
 *              too.  For got and sent, the bytes through sockets, and wrote,
 *              those to standard output, n counts bytes, from 0: exactly so
 *              many go before the signal.
 *   n          the n-th such call of the process; with + also all after it
 *   how        an error's number, else a fitting one is taken; or KILL, STOP,
 *              SEGV, TERM: the signal that the process sends to itself; or
 *              LATE: 30 ms pass before the call; or HANG: a minute does,
 *              whatever signals come; or CUT: a transfer moves one byte.
 *              Several plans for one call are carried out one after the
 *              other.
 * INJECT_NOISE seed:permille: so many calls in a thousand are interrupted
 *              (EINTR), transfer less than they might, wake up for nothing, or
 *              are late by up to 2 ms.  Nothing of that is an error.
 * INJECT_LOG   a file: gets a line for each plan that has come to pass
 *
 * What cannot happen does not happen here: pipes do not break, writes to them
 * up to PIPE_BUF and messages are not cut, and EINTR comes only where the call
 * may wait.
 * Commands run without all this, as LD_PRELOAD is taken from the environment.
 * It needs the GNU C library, whose allocator is called by its inner names.
 *
 * A process made by vfork() has the memory of its parent, which sleeps
 * meanwhile.  So what is known of such a process is kept beside what is known
 * of its parent: see self().
 */
#define _GNU_SOURCE /* for RTLD_NEXT: the function that is replaced */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LATE (-1) /* no signal: the call is made later, */
#define HANG (-2) /* much later, */
#define CUT (-3)  /* or moves one byte only */
#define PLANS 8   /* at most */

/* Plain calls, which return -1 or NULL with errno set: what they return, the
 * name, the error that fits, whether noise may interrupt it; parameters. */
#define CALLS                                                                 \
    X(int, socket, EMFILE, 0, (int a, int b, int p), (a, b, p))               \
    X(int, bind, EADDRINUSE, 0, (int a, __CONST_SOCKADDR_ARG b, socklen_t n), \
        (a, b, n))                                                            \
    X(int, listen, EADDRINUSE, 0, (int a, int b), (a, b))                     \
    X(int, getsockname, ENOBUFS, 0, (int a, __SOCKADDR_ARG b, socklen_t *n),  \
        (a, b, n))                                                            \
    X(int, setsockopt, ENOMEM, 0,                                             \
        (int a, int b, int p, const void *q, socklen_t n), (a, b, p, q, n))   \
    X(int, accept, EMFILE, 1, (int a, __SOCKADDR_ARG b, socklen_t *n),        \
        (a, b, n))                                                            \
    X(int, poll, ENOMEM, 1, (struct pollfd * a, nfds_t b, int p), (a, b, p))  \
    X(int, pipe, EMFILE, 0, (int a[2]), (a))                                  \
    X(int, dup2, EBUSY, 0, (int a, int b), (a, b))                            \
    X(int, rename, ENOSPC, 0, (const char *a, const char *b), (a, b))         \
    X(int, setrlimit, EPERM, 0,                                               \
        (__rlimit_resource_t a, const struct rlimit *b), (a, b))              \
    X(int, unlink, EACCES, 0, (const char *a), (a))                           \
    X(int, access, EACCES, 0, (const char *a, int b), (a, b))                 \
    X(pid_t, setsid, EPERM, 0, (void), ())                                    \
    X(int, execve, ENOMEM, 0,                                                 \
        (const char *a, char *const *b, char *const *p), (a, b, p))

/* The calls by number, first those that CALLS does not define. */
/* clang-format off */
#define OTHERS                                                              \
    Y(fork) Y(thread) Y(memory) Y(open) Y(read) Y(write) Y(recv) Y(send)    \
    Y(connect) Y(close) Y(wait) Y(gethostbyname) Y(getservbyname) Y(stat)   \
    Y(fcntl) Y(condition) Y(splice) Y(got) Y(sent) Y(wrote)
/* clang-format on */
#define X(type, name, error, may_wait, params, args) Y(name)
#define Y(name) N_##name,
enum call { OTHERS CALLS NUMBER };
#undef Y
#define Y(name) #name,
static const char *const names[] = {OTHERS CALLS};
#undef Y
#undef X

static struct plan {
    char who[16]; /* as above */
    enum call call;
    long n;         /* the first call that is meant, */
    int on;         /* and all after it */
    int error, sig; /* one of these, or neither */
} plans[PLANS];
static int planned; /* how many there are */

/* A process. */
struct self {
    char name[16];               /* who it is; a child's: child0 */
    int depth;                   /* 0 parent, 1 child, 2 what that forks */
    volatile long count[NUMBER]; /* its calls, or bytes */
};
static struct self owner = {.name = "parent"}; /* of this memory */
static struct self guest;      /* that vfork() has made, in this memory */
static pid_t owner_pid;        /* of the owner */
static volatile int has_guest; /* perhaps: see self() */
static int forked;             /* children of this process so far */
static unsigned long seed;     /* of noise */
static unsigned noise;         /* permille */
static int resolving;          /* memory does not fail meanwhile */
static const struct timespec late = {0, 30000000}, later = {0, 45000000};
static int ready; /* the following are set */

static pid_t (*next_fork)(void);
static struct hostent *(*next_host)(const char *);
static struct servent *(*next_service)(const char *, const char *);
static pid_t (*next_waitpid)(pid_t, int *, int);
static int (*next_open)(const char *, int, ...);
static int (*next_close)(int), (*next_fcntl)(int, int, ...);
static int (*next_stat)(const char *, struct stat *);
static ssize_t (*next_read)(int, void *, size_t);
static ssize_t (*next_write)(int, const void *, size_t);
static ssize_t (*next_writev)(int, const struct iovec *, int);
static ssize_t (*next_splice)(
    int, off64_t *, int, off64_t *, size_t, unsigned);
static int (*next_connect)(int, __CONST_SOCKADDR_ARG, socklen_t);
static int (*next_create)(
    pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static int (*next_cond)(pthread_cond_t *, pthread_mutex_t *);
static int (*next_condition)(pthread_cond_t *, const pthread_condattr_t *);
static pid_t (*next_vfork)(void);
#define X(type, name, error, noisy, params, args)                             \
    static type(*next_##name) params;
CALLS
#undef X

/* Sets a pointer to a function; POSIX has it so. */
static void find(void *where, const char *name) {
    *(void **)where = dlsym(RTLD_NEXT, name);
}

/* Reads a plan.  A wrong one is an error of the test, and ends it. */
static void plan(const char *text) {
    struct plan *p = &plans[planned];
    char name[16] = "", how[8] = "", plus[2] = "";
    int n =
        sscanf(text, "%15[^:]:%15[^:]:%ld%1[+]", p->who, name, &p->n, plus);
    const char *colon = strrchr(text, ':');
    while (p->call < NUMBER && strcmp(names[p->call], name) != 0) p->call++;
    if (n < 3 || p->call == NUMBER) _exit(99);
    p->on = plus[0] == '+';
    if (colon[1] < '0' || colon > strchr(strchr(text, ':') + 1, ':'))
        snprintf(how, sizeof(how), "%s", colon + 1);
    p->sig = strcmp(how, "KILL") == 0 ? SIGKILL
        : strcmp(how, "STOP") == 0    ? SIGSTOP
        : strcmp(how, "SEGV") == 0    ? SIGSEGV
        : strcmp(how, "TERM") == 0    ? SIGTERM
        : strcmp(how, "LATE") == 0    ? LATE
        : strcmp(how, "HANG") == 0    ? HANG
        : strcmp(how, "CUT") == 0     ? CUT
                                      : 0;
    p->error = atoi(how);
    if (how[0] != '\0' && p->sig == 0 && p->error == 0) _exit(99);
    planned++;
}

__attribute__((constructor)) static void begin(void) {
    const char *env = getenv("INJECT_NOISE");
    char text[256];
    find(&next_fork, "fork");
    find(&next_host, "gethostbyname");
    find(&next_service, "getservbyname");
    find(&next_waitpid, "waitpid");
    find(&next_open, "open");
    find(&next_close, "close");
    find(&next_fcntl, "fcntl");
    find(&next_stat, "stat");
    find(&next_read, "read");
    find(&next_write, "write");
    find(&next_writev, "writev");
    find(&next_splice, "splice");
    find(&next_connect, "connect");
    find(&next_create, "pthread_create");
    find(&next_cond, "pthread_cond_wait");
    find(&next_condition, "pthread_cond_init");
    find(&next_vfork, "vfork");
#define X(type, name, error, noisy, params, args) find(&next_##name, #name);
    CALLS
#undef X
    if (env != NULL) sscanf(env, "%lu:%u", &seed, &noise);
    snprintf(text, sizeof(text), "%s",
        getenv("INJECT") != NULL ? getenv("INJECT") : "");
    for (char *p = strtok(text, ","); p && planned < PLANS;) {
        plan(p);
        p = strtok(NULL, ",");
    }
    unsetenv("LD_PRELOAD");
    owner_pid = getpid();
    ready = 1;
}

/* The process that calls.  The owner of the memory sleeps while it has a
 * guest, so it has none if it calls. */
static struct self *self(void) {
    if (has_guest && getpid() == owner_pid) has_guest = 0;
    return has_guest ? &guest : &owner;
}

/* Sleeps that long, whatever signals come. */
static void nap(struct timespec t) {
    while (nanosleep(&t, &t) < 0 && errno == EINTR) continue;
}

/* A random number below n; each process has numbers of its own. */
static unsigned dice(unsigned n) {
    unsigned long x = __sync_add_and_fetch(&seed, 0x9e3779b97f4a7c15u);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (unsigned)((x ^ x >> 31) >> 33) % n;
}

/* Is there noise now?  If so, it may be a delay. */
static int noisy(void) {
    struct timespec t = {0, 1000 * (long)(noise > 0 ? dice(2000) : 0)};
    if (!ready || noise == 0 || dice(1000) >= noise) return 0;
    if (dice(2) > 0) return 1;
    int error = errno;
    nanosleep(&t, NULL);
    errno = error;
    return 0;
}

/* Writes down that a plan has come to pass. */
static void note(const struct plan *p, long n) {
    const char *log = getenv("INJECT_LOG");
    int fd = log ? next_open(log, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
    char line[80];
    if (fd < 0) return;
    int length =
        snprintf(line, sizeof(line), "%s %s %ld\n", self()->name,
            names[p->call], n);
    if (next_write(fd, line, (size_t)length) < 0) _exit(99);
    next_close(fd);
}

static int meant(const struct plan *p) {
    return strcmp(p->who, self()->name) == 0 ||
        (self()->depth == 1 && strcmp(p->who, "child") == 0);
}

/* Sends a signal to this process; threads block all, but no real SEGV. */
static void suffer(int sig) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    if (sig == SIGSEGV) pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    kill(getpid(), sig);
}

/* A call is about to be made.  Returns 0 if it may, or else the error with
 * which it has to fail, the one that fits if the plan has no other. */
static int fails(enum call call, int fitting) {
    int error = errno, result = 0;
    if (!ready || (resolving && call == N_memory)) return 0;
    long n = __sync_add_and_fetch(&self()->count[call], 1);
    for (struct plan *p = plans; p < plans + planned; p++) {
        if (p->call != call || !meant(p) || n < p->n || (n > p->n && !p->on))
            continue;
        if (p->sig != CUT || n == p->n) note(p, n);
        if (p->sig == CUT) continue; /* transfer() does that */
        if (p->sig == LATE) nap(late);
        else if (p->sig == HANG) nap((struct timespec){60, 0});
        else if (p->sig != 0) suffer(p->sig);
        else result = p->error ? p->error : fitting;
    }
    errno = error;
    return result;
}

/* n bytes are about to be moved.  Returns how many may before a signal is due
 * and sends that when it is none. */
static size_t until_signal(enum call call, size_t n) {
    for (struct plan *p = plans; p < plans + planned; p++) {
        long moved = self()->count[call];
        if (p->call != call || !meant(p) || p->n < moved) continue;
        if (p->n > moved) {
            if ((size_t)(p->n - moved) < n) n = (size_t)(p->n - moved);
            continue;
        }
        note(p, p->n);
        p->n = -1;
        suffer(p->sig);
    }
    return n;
}

#define X(type, name, error, may_wait, params, args)                          \
    type name params {                                                        \
        int e = fails(N_##name, error);                                       \
        if (e == 0 && may_wait && noisy()) e = EINTR;                         \
        if (e == 0) return next_##name args;                                  \
        errno = e;                                                            \
        return (type)(intptr_t)(-!strchr(#type, '*'));                        \
    }
CALLS
#undef X

/* A program that is compiled for large files calls these in their stead.  They
 * are the same functions where long has 64 bits. */
int setrlimit64(__rlimit_resource_t a, const struct rlimit64 *b) {
    return setrlimit(a, (const struct rlimit *)b);
}
int open64(const char *, int, ...) __attribute__((alias("open")));
int fcntl64(int, int, ...) __attribute__((alias("fcntl")));
int stat64(const char *a, struct stat64 *b) {
    return stat(a, (struct stat *)b);
}

/* A process that was just made, by the one that *self was until now. */
static void become(struct self *self) {
    self->depth++;
    if (self->depth == 1)
        snprintf(self->name, sizeof(self->name), "child%d", forked);
    else strcpy(self->name, "fork");
    for (int i = 0; i < NUMBER; i++) self->count[i] = 0;
}

pid_t fork(void) {
    int e = fails(N_fork, EAGAIN);
    pid_t pid = e == 0 ? next_fork() : -1;
    if (e != 0) errno = e;
    if (pid > 0) forked++;
    if (pid != 0) return pid;
    seed += 7919u * (unsigned long)(forked + 1);
    owner_pid = getpid();
    become(&owner);
    return 0;
}

/* What calls vfork() returns there twice, the first time with a stack that the
 * new process is about to use.  So this goes on in the real one as if it had
 * been called in the first place, if prepare_vfork() has found it, and thinks
 * it should; where nobody has written that, a copy has to do. */
#ifdef __x86_64__
__attribute__((used)) static void *prepare_vfork(void) {
    int e = fails(N_fork, EAGAIN);
    if (e != 0) {
        errno = e;
        return NULL;
    }
    guest = owner;
    become(&guest);
    forked++;
    has_guest = 1;
    return *(void **)&next_vfork;
}
__asm__(".text\n"
        ".globl vfork\n"
        ".type vfork, @function\n"
        "vfork:\n"
        "    subq $8, %rsp\n" /* calls find the stack aligned */
        "    call prepare_vfork\n"
        "    addq $8, %rsp\n"
        "    testq %rax, %rax\n"
        "    je 1f\n"
        "    jmp *%rax\n"
        "1:  movl $-1, %eax\n"
        "    ret\n"
        ".size vfork, . - vfork\n");
#else
pid_t vfork(void) { return fork(); }
#endif

int pthread_create(
    pthread_t *a, const pthread_attr_t *b, void *(*f)(void *), void *p) {
    int e = fails(N_thread, EAGAIN);
    noisy();
    return e != 0 ? e : next_create(a, b, f, p);
}

/* Waking up for nothing is allowed. */
int pthread_cond_wait(pthread_cond_t *a, pthread_mutex_t *b) {
    if (!noisy()) return next_cond(a, b);
    pthread_mutex_unlock(b);
    noisy();
    pthread_mutex_lock(b);
    return 0;
}

int pthread_cond_init(pthread_cond_t *a, const pthread_condattr_t *b) {
    int e = fails(N_condition, ENOMEM);
    return e != 0 ? e : next_condition(a, b);
}

/* Memory: whatever asks for it, the library itself included. */
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t),
    *__libc_realloc(void *, size_t);
void *malloc(size_t n) {
    int e = fails(N_memory, ENOMEM);
    if (e == 0) return __libc_malloc(n);
    errno = e;
    return NULL;
}
void *calloc(size_t n, size_t m) {
    int e = fails(N_memory, ENOMEM);
    if (e == 0) return __libc_calloc(n, m);
    errno = e;
    return NULL;
}
void *realloc(void *p, size_t n) {
    int e = fails(N_memory, ENOMEM);
    if (e == 0) return __libc_realloc(p, n);
    errno = e;
    return NULL;
}

int open(const char *a, int b, ...) {
    va_list ap;
    va_start(ap, b);
    unsigned mode = b & O_CREAT ? va_arg(ap, unsigned) : 0;
    va_end(ap);
    int e = fails(N_open, EMFILE);
    if (e == 0) return next_open(a, b, mode);
    errno = e;
    return -1;
}

int fcntl(int a, int b, ...) {
    va_list ap;
    va_start(ap, b);
    long argument = va_arg(ap, long); /* or nothing, which does no harm */
    va_end(ap);
    int e = fails(N_fcntl, ENOMEM);
    if (e == 0) return next_fcntl(a, b, argument);
    errno = e;
    return -1;
}
int stat(const char *a, struct stat *b) {
    int e = fails(N_stat, EACCES);
    if (e == 0) return next_stat(a, b);
    errno = e;
    return -1;
}

/* The GNU resolver of 2.36 does not survive a lack of memory: an assertion, or
 * a null pointer.  So it gets what it asks for, and fails as a whole. */
struct hostent *gethostbyname(const char *a) {
    int e = fails(N_gethostbyname, ENOENT);
    resolving = 1;
    struct hostent *r = e == 0 ? next_host(a) : NULL;
    resolving = 0;
    return r;
}
struct servent *getservbyname(const char *a, const char *b) {
    int e = fails(N_getservbyname, ENOENT);
    resolving = 1;
    struct servent *r = e == 0 ? next_service(a, b) : NULL;
    resolving = 0;
    return r;
}

/* It is closed, and something has been lost. */
int close(int a) {
    int e = a >= 0 ? fails(N_close, EIO) : 0, r = next_close(a);
    if (e == 0) return r;
    errno = e;
    return -1;
}

/* An interrupted connect() goes on by itself. */
int connect(int a, __CONST_SOCKADDR_ARG b, socklen_t n) {
    int e = fails(N_connect, ECONNREFUSED);
    if (e == 0 && next_connect(a, b, n) < 0) return -1;
    if (e == 0 && !noisy()) return 0;
    errno = e != 0 ? e : EINTR;
    return -1;
}

/* One that does not wait cannot be interrupted: it returns 45 ms late. */
pid_t waitpid(pid_t a, int *b, int flags) {
    int e = fails(N_wait, EINTR);
    if (e == 0 && !(flags & WNOHANG) && noisy()) e = EINTR;
    pid_t pid = e && !(flags & WNOHANG) ? -1 : next_waitpid(a, b, flags);
    if (pid < 0 && e != 0) errno = e;
    int error = errno;
    if (e != 0 && (flags & WNOHANG)) nap(later);
    noisy(); /* another one may end meanwhile */
    errno = error;
    return pid;
}

/* Is this call of the process to be cut? */
static int is_cut(enum call call) {
    long n = self()->count[call];
    for (struct plan *p = plans; p < plans + planned; p++)
        if (p->sig == CUT && p->call == call && meant(p) &&
            (n == p->n || (n > p->n && p->on)))
            return 1;
    return 0;
}

/* A transfer of n bytes is about to be made.  Returns the error with which it
 * has to fail, or 0; then *m is how many bytes it may move, and *bytes counts
 * them. */
static int transfer(int fd, int in, size_t n, size_t *m, enum call *bytes) {
    struct stat st;
    int error = errno, e = 0;
    if (fstat(fd, &st) < 0) st.st_mode = 0;
    int wait = !(next_fcntl(fd, F_GETFL) & O_NONBLOCK);
    int tube = S_ISFIFO(st.st_mode), net = S_ISSOCK(st.st_mode);
    errno = error;
    *m = n;
    *bytes = net ? (in ? N_got : N_sent) : !in && fd == 1 ? N_wrote : NUMBER;
    enum call call = in ? N_read : N_write;
    if (net) call = in ? N_recv : N_send;
    int counts = net || (fd != 2 && (!tube || fd < 2));
    int whole = tube && !in && n <= PIPE_BUF;
    if (counts && net) e = fails(call, in ? ECONNRESET : EPIPE);
    if (counts && !net) e = fails(call, in ? EIO : ENOSPC);
    if (e != 0) return e;
    if (*bytes != NUMBER) *m = until_signal(*bytes, n);
    if (counts && *m > 1 && !whole && is_cut(call)) *m = 1;
    if (!noisy()) return 0;
    if ((wait || net) && dice(2) > 0) return wait ? EINTR : EAGAIN;
    if (*m > 1 && fd != 2 && (!tube || (in ? *m > 16 : *m > PIPE_BUF)))
        *m = 1 + dice((unsigned)(*m < 70000 ? *m : 70000));
    return 0;
}

/* After it: r is what it has returned, or e the error with which it failed. */
static ssize_t moved(ssize_t r, int e, enum call bytes) {
    if (e != 0) errno = e;
    if (r > 0 && bytes != NUMBER)
        __sync_add_and_fetch(&self()->count[bytes], r);
    return e != 0 ? -1 : r;
}

ssize_t read(int fd, void *b, size_t n) {
    size_t m;
    enum call bytes;
    int e = transfer(fd, 1, n, &m, &bytes);
    return moved(e == 0 ? next_read(fd, b, m) : 0, e, bytes);
}

ssize_t write(int fd, const void *b, size_t n) {
    size_t m;
    enum call bytes;
    int e = transfer(fd, 0, n, &m, &bytes);
    return moved(e == 0 ? next_write(fd, b, m) : 0, e, bytes);
}

/* The same of several pieces, of which the last ones may not go. */
ssize_t writev(int fd, const struct iovec *pieces, int number) {
    struct iovec those[8];
    size_t n = 0, m;
    enum call bytes;
    int some = 0;
    if (number > 8) _exit(99);
    for (int i = 0; i < number; i++) n += pieces[i].iov_len;
    int e = transfer(fd, 0, n, &m, &bytes);
    for (; some < number && m > 0; some++) {
        those[some] = pieces[some];
        if (those[some].iov_len > m) those[some].iov_len = m;
        m -= those[some].iov_len;
    }
    return moved(e == 0 ? next_writev(fd, those, some) : 0, e, bytes);
}

/* Noise is what this one has, too: it is not ready, or moves little. */
ssize_t splice(int in, off64_t *a, int out, off64_t *b, size_t n, unsigned c) {
    int e = fails(N_splice, EINVAL), little = noisy();
    if (e == 0 && little && dice(2) > 0) e = EAGAIN;
    n = until_signal(N_wrote, until_signal(N_got, n));
    if (little) n = 1 + dice((unsigned)n);
    ssize_t r = moved(e == 0 ? next_splice(in, a, out, b, n, c) : 0, e, N_got);
    if (r > 0) __sync_add_and_fetch(&self()->count[N_wrote], r);
    return r;
}
