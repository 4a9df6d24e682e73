/*
 * fuzz.h - what the harnesses share, and what the program sees of the world.
 *
 * The sources of the program are compiled as they are, with -DPROGRAM and this
 * file before them: what they call of the system are functions of the harness
 * then.  The rest of the world is made of the input, one input always gives
 * the same run, and the harness knows what has to come of it.  Their variables
 * go into sections of their own, so that each run begins with those of a new
 * process.
 */
#ifndef FUZZ_H
#define FUZZ_H

/* All headers of the sources, before their functions get other names. */
#include "../../lib/memory.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Blocks so small that a few bytes of input fill all memory. */
#undef BLOCK_SIZE
#define BLOCK_SIZE ((size_t)16)

/* --- The world, as each harness makes what its part of the program needs */

void *fuzz_malloc(size_t n);
void *fuzz_calloc(size_t n, size_t size_each);
void *fuzz_realloc(void *p, size_t n);
void fuzz_free(void *p);
int fuzz_clock(clockid_t id, struct timespec *t);
int fuzz_fcntl(int fd, int what, ...);
char *fuzz_getenv(const char *name);
ssize_t fuzz_read(int fd, void *to, size_t n);
ssize_t fuzz_recv(int fd, void *to, size_t n, int flags);
ssize_t fuzz_write(int fd, const void *from, size_t n);
ssize_t fuzz_writev(int fd, const struct iovec *piece, int pieces);
int fuzz_poll(struct pollfd *fds, nfds_t n, int timeout);
int fuzz_close(int fd);
int fuzz_isatty(int fd);

int fuzz_open(const char *name, int flags, ...);
int fuzz_rename(const char *from, const char *to);
int fuzz_unlink(const char *name);
int fuzz_accept(int fd, struct sockaddr *from, socklen_t *length);
int fuzz_shutdown(int fd, int how);
ssize_t fuzz_splice(int from, int64_t *from_offset, int to, int64_t *to_offset,
    size_t n, unsigned flags);

int fuzz_thread(pthread_t *id, const pthread_attr_t *attributes,
    void *(*function)(void *), void *arg);
int fuzz_lock(pthread_mutex_t *mutex);
int fuzz_unlock(pthread_mutex_t *mutex);
int fuzz_cond_init(pthread_cond_t *condition);
int fuzz_cond_destroy(pthread_cond_t *condition);
int fuzz_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int fuzz_signal(pthread_cond_t *condition);

int fuzz_pipe(int fds[2]);
pid_t fuzz_vfork(void);
pid_t fuzz_waitpid(pid_t pid, int *status, int flags);
int fuzz_kill(pid_t pid, int sig);
int fuzz_nap(const struct timespec *nap, struct timespec *left);
int fuzz_stat(const char *path, struct stat *status);
int fuzz_access(const char *path, int mode);
int fuzz_setenv(const char *name, const char *value, int overwrite);
int fuzz_socket(void);
int fuzz_connect(int fd, const struct sockaddr *to, socklen_t length);
int fuzz_getsockopt(int fd, int level, int name, int *value, socklen_t *n);
struct hostent *fuzz_host(const char *name);
int fuzz_getaddrinfo(const char *name, const char *service,
    const struct addrinfo *hints, struct addrinfo **found);
void fuzz_freeaddrinfo(struct addrinfo *found);
struct servent *fuzz_service(const char *name, const char *protocol);

_Noreturn void fuzz_exit(int status);
int fuzz_printf(const char *format, ...);

#ifdef PROGRAM

#define malloc fuzz_malloc
#define calloc fuzz_calloc
#define realloc fuzz_realloc
#define free fuzz_free
#define clock_gettime fuzz_clock
#define fcntl fuzz_fcntl
#define getenv fuzz_getenv
#define read fuzz_read
#define recv fuzz_recv
#define write fuzz_write
#define writev fuzz_writev
#define poll(fds, n, timeout) fuzz_poll(fds, n, timeout)
#define close fuzz_close
#define isatty fuzz_isatty
#define setsockopt(...) 0
#define open fuzz_open
#define rename fuzz_rename
#define unlink fuzz_unlink
#define accept fuzz_accept
#define shutdown fuzz_shutdown
#define splice fuzz_splice
#define pthread_create fuzz_thread
#define pthread_detach(...) 0
#define pthread_sigmask(...) 0
#define pthread_mutex_lock fuzz_lock
#define pthread_mutex_unlock fuzz_unlock
#define pthread_cond_init(condition, attributes) fuzz_cond_init(condition)
#define pthread_cond_destroy fuzz_cond_destroy
#define pthread_cond_wait fuzz_wait
#define pthread_cond_signal fuzz_signal
#define pipe fuzz_pipe
#define vfork fuzz_vfork
#define waitpid fuzz_waitpid
#define kill fuzz_kill
#define nanosleep fuzz_nap
#define stat(path, status) fuzz_stat(path, status)
#define access fuzz_access
#define setenv fuzz_setenv
#define sigprocmask(...) 0
#define socket(...) fuzz_socket()
#define connect fuzz_connect
#define getsockopt fuzz_getsockopt
#define gethostbyname fuzz_host
#define getservbyname fuzz_service
#define getaddrinfo fuzz_getaddrinfo
#define freeaddrinfo fuzz_freeaddrinfo
#define exit fuzz_exit
#define printf fuzz_printf
#define prctl(...) 0
#pragma clang section bss = "gather_bss" data = "gather_data"

#else /* the harness */

#include "../../protocol.h"

#define NO_TAGS __attribute__((no_sanitize("address", "undefined")))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t max);
size_t LLVMFuzzerCustomMutator(
    uint8_t *data, size_t bytes, size_t max, unsigned seed);

/* A finding: what must be true is not. */
#define MUST(condition)                                                       \
    do {                                                                      \
        if (condition)                                                        \
            break;                                                            \
        fprintf(                                                              \
            stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);   \
        abort();                                                              \
    } while (0)

/* --- A new process for each run: the variables of the program as they were */

extern char __start_gather_data[], __stop_gather_data[];
extern char __start_gather_bss[], __stop_gather_bss[];

/* Word by word and volatile, so that this is not made a memcpy(), which would
 * look at what the sanitizer has put between the variables. */
NO_TAGS static inline void renew_variables(void) {
    static uint64_t *first;
    volatile uint64_t *data = (void *)__start_gather_data;
    volatile uint64_t *bss = (void *)__start_gather_bss;
    size_t n = (size_t)(__stop_gather_data - __start_gather_data) / 8;
    if (first == NULL) {
        first = calloc(n, 8);
        for (size_t i = 0; i < n; i++)
            first[i] = data[i];
    }
    for (size_t i = 0; i < n; i++)
        data[i] = first[i];
    while ((char *)(uintptr_t)bss < __stop_gather_bss) {
        *bss = 0;
        bss++;
    }
}

/* --- The heap */

#define BLOCKS 4096
static void *blocks[BLOCKS]; /* what the program holds on the heap */
static int held_blocks;      /* how many there are, but for NULLs */
static int top_block;        /* none from here on */
static int allocations;      /* so far */
static int bad_allocation;   /* the one that fails, or 0 */
static bool is_poor;         /* so do all that follow */

/* Is this the beginning of something on the heap? */
static inline bool is_held(const void *p) {
    for (int i = 0; i < top_block; i++)
        if (blocks[i] == p)
            return p != NULL;
    return false;
}

/* Notes that a block has become another; NULL is none. */
static void *track(void *old, void *new) {
    int i = 0;
    while (i < top_block && blocks[i] != old)
        i++;
    MUST(old == NULL || i < top_block);
    if (i == top_block)
        top_block++;
    MUST(top_block < BLOCKS);
    held_blocks += (new != NULL) - (old != NULL);
    blocks[i] = new;
    return new;
}

static bool is_scarce(size_t n) {
    allocations++;
    errno = ENOMEM;
    return n > 1 << 20 || allocations == bad_allocation ||
        (is_poor && allocations > bad_allocation);
}

void *fuzz_malloc(size_t n) {
    return is_scarce(n) ? NULL : track(NULL, malloc(n));
}

void *fuzz_calloc(size_t n, size_t size_each) {
    return is_scarce(n * size_each) ? NULL : track(NULL, calloc(n, size_each));
}

/* The result is always elsewhere. */
void *fuzz_realloc(void *p, size_t n) {
    extern size_t malloc_usable_size(void *);
    if (is_scarce(n))
        return NULL;
    void *q = malloc(n);
    if (p != NULL) {
        size_t had = malloc_usable_size(p);
        memcpy(q, p, had < n ? had : n);
    }
    track(p, q);
    free(p);
    return q;
}

void fuzz_free(void *p) {
    if (p == NULL)
        return;
    track(p, NULL);
    free(p);
}

/* Frees what is left, before another run. */
static void free_blocks(void) {
    for (int i = 0; i < top_block; i++)
        free(blocks[i]);
    held_blocks = 0;
    top_block = 0;
    allocations = 0;
}

/* --- The clock, and descriptors */

static double fuzz_now = 1000; /* seconds on the clock */

/* Never twice the same time. */
int fuzz_clock(clockid_t id, struct timespec *t) {
    (void)id;
    fuzz_now += 1e-7;
    t->tv_sec = (time_t)fuzz_now;
    t->tv_nsec = (long)((fuzz_now - (double)t->tv_sec) * 1e9);
    return 0;
}

#define FDS 128
static bool never_waits[FDS]; /* descriptors of which read() returns at once */
static bool bad_fcntl;        /* the next call fails */

/* A pipe that is large already, so that nobody makes it larger. */
int fuzz_fcntl(int fd, int what, ...) {
    va_list arguments;
    MUST(fd >= 0 && fd < FDS);
    errno = EINVAL;
    if (bad_fcntl) {
        bad_fcntl = false;
        return -1;
    }
    va_start(arguments, what);
    if (what == F_SETFL)
        never_waits[fd] = (va_arg(arguments, int) & O_NONBLOCK) != 0;
    va_end(arguments);
    return what == F_GETFD || what == F_SETFD || what == F_SETFL ? 0 : 1 << 30;
}

#endif
#endif
