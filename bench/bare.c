/*
 * bare.c - the least that brings the children's arrays to one parent, as a
 * yardstick for gather.  N forked children, each with so many bytes in its
 * memory; N threads in the parent, one for each, which read them.  No
 * protocol, no checks on the way, no failures provided for.
 *
 *     bare [-d] [-l] [-r] tcp|unix|pipe|shm children bytes
 *
 * tcp    a connection over the loopback interface for each child
 * unix   an AF_UNIX stream for each child
 * pipe   a pipe for each child
 * shm    each child copies its array into memory shared with the parent,
 *        which takes that for its own: no thread, no second copy
 *
 * -l     arrays are in large pages, if there are any, but not shared ones
 * -d     the parent reads into one block of 128 KiB per thread and forgets it
 * -r     the clock starts when all children have filled their arrays and
 *        stand ready; else before the first fork, as in gather's demonstration
 *
 * Bytes are those of the demonstration, and are compared after the clock has
 * stopped, when all children have been reaped.  Prints seconds and MB/s.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (1u << 17) /* bytes read at a time when they are forgotten */

/* Linux hides this from programs that ask for POSIX. */
#ifdef __linux__
int madvise(void *address, size_t length, int advice);
#define ADVICE_HUGE 14               /* MADV_HUGEPAGE */
#define LARGE_PAGE ((size_t)2 << 20) /* bytes */
#endif

struct reader {          /* a thread's own */
    int fd;              /* what it reads */
    unsigned char *data; /* where its bytes ended up, or NULL */
    size_t got;          /* how many there are */
};

static enum mode { TCP, UNIX, PIPE, SHM } mode;
static int discard, large, ready; /* -d, -l, -r */
static int children;
static size_t bytes;
static struct sockaddr_in address; /* tcp: where the parent listens */
static unsigned char *shared;      /* shm: the arrays, one after the other */
static int filled[2], go[2]; /* a byte for each child that is ready; closed by
                              * the parent when it may start */

static void die(const char *what) {
    fprintf(stderr, "bare: unable to %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t word(uint64_t child, uint64_t i) {
    return (2 * child + 1) * 0x9e3779b97f4a7c15u * (i + 1);
}

/* Memory for n bytes, which nobody frees. */
static void *hold(size_t n) {
#ifdef ADVICE_HUGE
    if (large) {
        char *memory = malloc(n + LARGE_PAGE);
        if (memory == NULL)
            die("hold an array");
        memory += LARGE_PAGE - (uintptr_t)memory % LARGE_PAGE;
        madvise(memory, n, ADVICE_HUGE);
        return memory;
    }
#endif
    void *memory = malloc(n);
    if (memory == NULL)
        die("hold an array");
    return memory;
}

/* A child: fills its array and delivers it through fd, or where it is to be.
 */
static void deliver(int child, int fd) {
    size_t n = bytes / 8 + 1;
    uint64_t *array = hold(n * 8);
    unsigned char byte = 0, *p = (unsigned char *)array;
    for (size_t i = 0; i < n; i++)
        array[i] = word((uint64_t)child, i);
    if (ready) {
        close(go[1]);
        if (write(filled[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 0)
            die("get ready");
    }
    if (mode == SHM) {
        memcpy(shared + (size_t)child * bytes, p, bytes);
        _exit(0);
    }
    if (mode == TCP) {
        fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
            die("connect");
    }
    for (size_t left = bytes; left > 0;) {
        ssize_t k = write(fd, p, left);
        if (k <= 0)
            die("write");
        p += k;
        left -= (size_t)k;
    }
    close(fd);
    _exit(0);
}

/* A thread: reads until the end of the file. */
static void *receive(void *arg) {
    struct reader *r = arg;
    size_t room = discard ? BLOCK : bytes;
    ssize_t k;
    r->data = hold(room);
    while ((k = read(r->fd, r->data + (discard ? 0 : r->got),
                discard ? room : room - r->got)) > 0)
        r->got += (size_t)k;
    if (k < 0)
        die("read");
    close(r->fd);
    return NULL;
}

/* Do these bytes belong to one of the children that has not been seen? */
static int check(const unsigned char *data, unsigned char *seen) {
    uint64_t first = 0, w = 0;
    int child = 0;
    memcpy(&first, data, bytes < 8 ? bytes : 8);
    while (child < children &&
        (w = word((uint64_t)child, 0),
            seen[child] || memcmp(&w, data, bytes < 8 ? bytes : 8) != 0))
        child++;
    if (child == children)
        return 0;
    seen[child] = 1;
    for (size_t i = 0; i < bytes / 8; i++) {
        w = word((uint64_t)child, i);
        if (memcmp(&w, data + 8 * i, 8) != 0)
            return 0;
    }
    return 1;
}

/* Prepares what the bytes will travel through, for child k: its descriptors
 * for reading and writing in ends. */
static void connection(int *ends) {
    ends[0] = ends[1] = -1;
    if (mode == PIPE && pipe(ends) < 0)
        die("make a pipe");
    if (mode == UNIX && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        die("make a pair of sockets");
}

static int listening(void) {
    socklen_t length = sizeof(address);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = inet_addr("127.0.0.1");
    if (s < 0 || bind(s, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(s, SOMAXCONN) < 0 ||
        getsockname(s, (struct sockaddr *)&address, &length) < 0)
        die("listen");
    return s;
}

static void share(void) {
    char name[64];
    size_t n = (size_t)children * bytes;
    snprintf(name, sizeof(name), "/bare.%ld", (long)getpid());
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || shm_unlink(name) < 0 || ftruncate(fd, (off_t)n) < 0 ||
        (shared = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) ==
            MAP_FAILED)
        die("share memory");
    close(fd);
}

static void options(int argc, char **argv) {
    static const char *const modes[] = {"tcp", "unix", "pipe", "shm"};
    int opt, i = 0;
    while ((opt = getopt(argc, argv, "dlr")) != -1)
        if (opt == 'd')
            discard = 1;
        else if (opt == 'l')
            large = 1;
        else if (opt == 'r')
            ready = 1;
        else
            exit(2);
    while (argc - optind == 3 && i < 4 && strcmp(argv[optind], modes[i]) != 0)
        i++;
    if (argc - optind != 3 || i == 4) {
        fputs("usage: bare [-dlr] tcp|unix|pipe|shm children bytes\n", stderr);
        exit(2);
    }
    mode = (enum mode)i;
    children = atoi(argv[optind + 1]);
    bytes = (size_t)strtoull(argv[optind + 2], NULL, 10);
}

int main(int argc, char **argv) {
    options(argc, argv);
    struct reader *readers = calloc((size_t)children, sizeof(*readers));
    pthread_t *threads = calloc((size_t)children, sizeof(*threads));
    unsigned char *seen = calloc((size_t)children, 1), byte;
    double start = now();
    int s = mode == TCP ? listening() : -1, right = 0;
    if (!readers || !threads || !seen || pipe(filled) < 0 || pipe(go) < 0)
        die("begin");
    if (mode == SHM)
        share();
    for (int k = 0; k < children; k++) {
        int ends[2];
        connection(ends);
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0) {
            if (ends[0] >= 0)
                close(ends[0]);
            deliver(k, ends[1]);
        }
        if (ends[1] >= 0)
            close(ends[1]);
        readers[k].fd = ends[0];
    }
    for (int k = 0; ready && k < children; k++)
        if (read(filled[0], &byte, 1) != 1)
            die("wait for the children");
    if (ready)
        start = now();
    close(go[1]);
    for (int k = 0; mode != SHM && k < children; k++) {
        if (mode == TCP && (readers[k].fd = accept(s, NULL, NULL)) < 0)
            die("accept");
        if (pthread_create(&threads[k], NULL, receive, &readers[k]) != 0)
            die("start a thread");
    }
    for (int k = 0; mode != SHM && k < children; k++)
        pthread_join(threads[k], NULL);
    while (wait(NULL) > 0)
        continue;
    double took = now() - start;
    for (int k = 0; k < children; k++)
        if (mode == SHM)
            right += check(shared + (size_t)k * bytes, seen);
        else
            right += readers[k].got == bytes &&
                (discard || check(readers[k].data, seen));
    if (right < children) {
        fprintf(stderr, "bare: %d of %d arrays are wrong\n", children - right,
            children);
        return 1;
    }
    printf("%.6f s, %.1f MB/s\n", took,
        (double)children * (double)bytes / 1e6 / took);
    return 0;
}
