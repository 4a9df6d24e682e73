/*
 * limits.c - what this machine charges for the things gather is made of.
 *
 *     limits
 *
 * Each is done for about a fifth of a second, five times; the least is
 * printed, in microseconds: what disturbs can only add to it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1048576)
#define LOT (64 * MIB) /* more than the caches hold */
#define PIECE (MIB / 8)

static unsigned char *from, *to; /* LOT bytes each, touched */
static int ends[2];              /* a stream; somebody reads it */
static int there[2], back[2];    /* pipes, somebody echoes */
static int s;                    /* listens at */
static struct sockaddr_in address;

static void die(const char *what) {
    fprintf(stderr, "limits: unable to %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Each of these does something once. */
static void copy_cold(void) {
    memcpy(to, from, LOT);
}
static void copy_warm(void) {
    memcpy(to, from, PIECE);
}
static void touch(void) {
    unsigned char *memory = malloc(LOT);
    volatile unsigned char *p = memory;
    if (memory == NULL)
        die("hold memory");
    for (size_t i = 0; i < LOT; i += 4096)
        p[i] = 1;
    free(memory);
}
static void send_piece(void) {
    if (write(ends[1], from, PIECE) != (ssize_t)PIECE)
        die("write");
}
static void call(void) {
    (void)getppid();
}
static void echo(void) {
    char byte = 0;
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
        die("echo");
}
static void *nothing(void *arg) {
    return arg;
}
static void thread(void) {
    pthread_t t;
    if (pthread_create(&t, NULL, nothing, NULL) != 0)
        die("start a thread");
    pthread_join(t, NULL);
}
static void process(void) {
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        die("fork");
}
static void program(void) {
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        die("fork");
}
static void connection(void) {
    int a = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(a, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("connect");
    int b = accept(s, NULL, NULL);
    if (b < 0)
        die("accept");
    close(a);
    close(b);
}

/* Reads ends[0] for ever. */
static void *drain(void *arg) {
    static unsigned char piece[PIECE];
    while (read(ends[0], piece, sizeof(piece)) > 0)
        continue;
    return arg;
}

/* Connects ends[1] to ends[0] through the loopback interface. */
static void stream(void) {
    pthread_t t;
    socklen_t length = sizeof(address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = inet_addr("127.0.0.1");
    if ((s = socket(AF_INET, SOCK_STREAM, 0)) < 0 ||
        bind(s, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(s, SOMAXCONN) < 0 ||
        getsockname(s, (struct sockaddr *)&address, &length) < 0 ||
        (ends[1] = socket(AF_INET, SOCK_STREAM, 0)) < 0 ||
        connect(ends[1], (struct sockaddr *)&address, sizeof(address)) < 0 ||
        (ends[0] = accept(s, NULL, NULL)) < 0 ||
        pthread_create(&t, NULL, drain, NULL) != 0)
        die("open a stream");
}

/* Prints the least time of `what`, by so many units of it. */
static void measure(const char *name, void (*what)(void), double units) {
    double least = 1e9;
    for (int i = 0; i < 5; i++) {
        double start = now();
        long n = 0;
        do {
            what();
            n++;
        } while (now() - start < 0.2);
        double each = (now() - start) / (double)n / units * 1e6;
        if (each < least)
            least = each;
    }
    printf("%10.2f us  %s\n", least, name);
}

int main(void) {
    if (pipe(there) < 0 || pipe(back) < 0)
        die("make a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(there[1]);
        while (read(there[0], &byte, 1) == 1)
            if (write(back[1], &byte, 1) != 1)
                break;
        _exit(0);
    }
    measure("a system call and a look at the clock", call, 1);
    measure("a byte through a pipe and another back", echo, 1);
    measure("a thread, started and joined", thread, 1);
    measure("a small process, forked and reaped", process, 1);
    measure("a process that executes /bin/true", program, 1);
    from = malloc(LOT);
    to = malloc(LOT);
    if (from == NULL || to == NULL)
        die("hold memory");
    memset(from, 1, LOT);
    memset(to, 1, LOT);
    measure("to copy a MiB within the caches", copy_warm, 1.0 / 8);
    measure("to copy a MiB of 64", copy_cold, 64);
    measure("to get a MiB of memory, touch it, and give it back", touch, 64);
    stream();
    measure("a MiB through the loopback interface, and forgotten", send_piece,
        1.0 / 8);
    measure("a connection, made, accepted and closed", connection, 1);
    kill(pid, SIGTERM);
    return 0;
}
