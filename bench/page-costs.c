/*
 * page-costs.c - what kind of machine this is: whether fresh memory and new
 * processes are cheap or dear, which no name of a processor tells.  limits.c
 * measures more, and takes longer.
 *
 *     page-costs
 *
 * Prints the least of five measurements of each, in microseconds: what
 * disturbs can only add to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define LOT ((size_t)32 << 20) /* bytes: more than the caches hold */
#define HUGE_PAGE ((size_t)2 << 20)
#define PIECE ((size_t)1 << 17) /* bytes of a read() */

/* Linux hides these from programs that ask for POSIX. */
#ifdef __linux__
int madvise(void *address, size_t length, int advice);
#define ADVICE_HUGE 14 /* MADV_HUGEPAGE */
#endif
pid_t vfork(void);

static int zero; /* /dev/zero */

static void die(const char *what) {
    fprintf(stderr, "page-costs: unable to %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* --- Memory: each returns the time for a page of 4 KiB */

/* Memory that nobody has touched. */
static unsigned char *fresh(void) {
    void *memory =
        mmap(NULL, LOT, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
    if (memory == MAP_FAILED)
        die("get memory");
    return memory;
}

/* Touches each page; unmaps the memory when the clock has stopped. */
static double touch(unsigned char *memory) {
    double start = now();
    for (size_t i = 0; i < LOT; i += PAGE)
        memory[i] = 1;
    double took = now() - start;
    munmap(memory, LOT);
    return took / (double)(LOT / PAGE);
}

static double page(void) {
    return touch(fresh());
}

/* Without huge pages it is what page() says. */
static double huge_page(void) {
    unsigned char *memory = fresh();
#ifdef ADVICE_HUGE
    size_t misplaced = (size_t)memory % HUGE_PAGE;
    size_t skipped = misplaced > 0 ? HUGE_PAGE - misplaced : 0;
    madvise(memory + skipped, LOT - skipped, ADVICE_HUGE);
#endif
    return touch(memory);
}

/* The kernel is the first to touch it, as when something is received. */
static double filled_page(void) {
    unsigned char *memory = fresh();
    double start = now();
    for (size_t i = 0; i < LOT; i += PIECE)
        if (read(zero, memory + i, PIECE) != (ssize_t)PIECE)
            die("read");
    double took = now() - start;
    munmap(memory, LOT);
    return took / (double)(LOT / PAGE);
}

/* --- Processes and calls: each returns the time for one */

static void wait_for(pid_t pid) {
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        die("fork");
}

static double forked(void) {
    double start = now();
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        wait_for(pid);
    }
    return (now() - start) / 20;
}

/* By a process that uses memory. */
static double forked_large(void) {
    unsigned char *memory = fresh();
    memset(memory, 1, LOT);
    double took = forked();
    munmap(memory, LOT);
    return took;
}

static double vforked(void) {
    double start = now();
    for (int i = 0; i < 20; i++) {
        pid_t pid = vfork();
        if (pid == 0)
            _exit(0);
        wait_for(pid);
    }
    return (now() - start) / 20;
}

static double executed(void) {
    double start = now();
    for (int i = 0; i < 20; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(127);
        }
        wait_for(pid);
    }
    return (now() - start) / 20;
}

static double called(void) {
    double start = now();
    for (int i = 0; i < 10000; i++)
        (void)getppid();
    return (now() - start) / 10000;
}

static double napped(void) {
    double start = now();
    for (int i = 0; i < 20; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1}, NULL);
    return (now() - start) / 20;
}

static void measure(const char *name, double (*what)(void)) {
    double least = what();
    for (int i = 1; i < 5; i++) {
        double took = what();
        if (took < least)
            least = took;
    }
    printf("    %-49s %10.2f us\n", name, least);
}

int main(void) {
    zero = open("/dev/zero", O_RDWR);
    if (zero < 0)
        die("open /dev/zero");
    measure("a fresh page of 4 KiB, touched", page);
    measure("the same, within a huge page if there are any", huge_page);
    measure("a fresh page, filled by read()", filled_page);
    measure("a process, forked and reaped", forked);
    measure("the same, by one that uses 32 MiB", forked_large);
    measure("a process by vfork(), and reaped", vforked);
    measure("/bin/true by vfork(), and reaped", executed);
    measure("a system call", called);
    measure("the shortest sleep there is", napped);
    return 0;
}
