/*
 * fuzz.h - what the harnesses share.  Each includes a source file whose system
 * calls are functions of the harness: the rest of the world is made of the
 * input, one input always gives the same run, and the harness knows what has
 * to come of it.
 */
#ifndef FUZZ_H
#define FUZZ_H

/* All headers of the sources, before their functions get other names. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t max);

/* A finding: what must be true is not. */
#define MUST(condition)                                                       \
    do {                                                                      \
        if (condition) break;                                                 \
        fprintf(                                                              \
            stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);   \
        abort();                                                              \
    } while (0)

/* Words of the wire, as the harnesses read and write them. */
static uint32_t get32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
        p[3];
}
static inline void put32(uint8_t *p, uint32_t n) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(n >> (24 - 8 * i));
}

#define BLOCKS 4096
static void *blocks[BLOCKS]; /* what the program holds on the heap */
static int held_blocks;      /* how many there are, but for NULLs */
static int top_block;        /* none from here on */
static int allocations;      /* so far */
static int bad_allocation;   /* the one that fails, or 0 */

/* Notes that a block has become another; NULL is none. */
static void *track(void *old, void *new) {
    int i = 0;
    while (i < top_block && blocks[i] != old) i++;
    MUST(old == NULL || i < top_block);
    if (i == top_block) top_block++;
    MUST(top_block < BLOCKS);
    held_blocks += (new != NULL) - (old != NULL);
    return blocks[i] = new;
}
static int scarce(size_t n) {
    return ++allocations == bad_allocation || n > 1 << 20;
}
static void *fuzz_realloc(void *p, size_t n) {
    errno = ENOMEM;
    if (scarce(n)) return NULL;
    void *q = malloc(n);
    if (p != NULL) { /* always elsewhere, and its end is what was there */
        extern size_t malloc_usable_size(void *);
        size_t had = malloc_usable_size(p);
        memcpy(q, p, had < n ? had : n);
    }
    track(p, q);
    free(p);
    return q;
}
static void *fuzz_malloc(size_t n) {
    errno = ENOMEM;
    return scarce(n) ? NULL : track(NULL, malloc(n));
}
static void *fuzz_calloc(size_t n, size_t size_each) {
    errno = ENOMEM;
    return scarce(n * size_each) ? NULL : track(NULL, calloc(n, size_each));
}
static void fuzz_free(void *p) {
    if (p == NULL) return;
    track(p, NULL);
    free(p);
}
/* Frees what is left, before another run. */
static void free_blocks(void) {
    for (int i = 0; i < top_block; i++) free(blocks[i]);
    held_blocks = top_block = allocations = 0;
}

#define malloc fuzz_malloc
#define calloc fuzz_calloc
#define realloc fuzz_realloc
#define free fuzz_free
#define read fuzz_read
#define write fuzz_write
#define poll fuzz_poll
#define close fuzz_close
#define fcntl fuzz_fcntl
#define clock_gettime fuzz_clock
#define setsockopt(...) ((void)0)
#define isatty(fd) 0

static double fuzz_now = 1000; /* seconds on the clock */
static int fuzz_clock(clockid_t id, struct timespec *t) {
    (void)id;
    t->tv_sec = (time_t)fuzz_now;
    t->tv_nsec = (long)((fuzz_now - (double)t->tv_sec) * 1e9);
    return 0;
}
static int fuzz_fcntl(int fd, int what, ...) { return fd < 0 || what < 0; }

static ssize_t fuzz_read(int fd, void *buf, size_t n);
static ssize_t fuzz_write(int fd, const void *buf, size_t n);
static int fuzz_poll(struct pollfd *f, nfds_t n, int timeout);
static int fuzz_close(int fd);

#endif
