/*
 * relay.c - the least that runs commands at once and joins what they write, in
 * order, over the two hops that gather has: from each command through a pipe
 * to a child, and from there over a connection to the parent.  A yardstick:
 * what gather takes beyond that is its own.
 *
 *     relay [-m bytes] number command [argument ...]
 *
 * Runs the command so many times, each below a child of its own.  A thread in
 * the parent for each connection waits for its turn, then moves all that comes
 * to standard output.
 *
 * -m     a thread that has not the turn yet reads into memory meanwhile, as
 *        long as all of them hold no more bytes than that; without it, what
 *        fits into neither the pipe nor the connection waits in the command
 *
 * No protocol but the number of the child, no list, no checks, no failures
 * provided for.  Where Linux has something for it, it is used: larger pipes,
 * splice() into a pipe.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK ((size_t)1 << 17) /* bytes read at a time, at most; */
#define MOST ((size_t)1 << 20)  /* and moved by splice(): more is faster */

/* Linux hides these from programs that ask for POSIX. */
#ifdef __linux__
#define SET_PIPE_SIZE 1031 /* F_SETPIPE_SZ */
ssize_t splice(int from, int64_t *from_offset, int to, int64_t *to_offset,
    size_t n, unsigned flags);
#endif
pid_t vfork(void);

struct block {
    struct block *next;
    size_t length;
    unsigned char bytes[BLOCK];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER; /* of these: */
static int turn;                                          /* whose it is */
static size_t limit, held;                                /* -m */
static struct block *pool; /* blocks that nobody has, to be used again */
static struct sockaddr_in address; /* where the parent listens */
static int *connections;           /* by child */

static void die(const char *what) {
    fprintf(stderr, "relay: unable to %s: %s\n", what, strerror(errno));
    exit(1);
}

static void write_all(int fd, const unsigned char *bytes, size_t n) {
    while (n > 0) {
        ssize_t put = write(fd, bytes, n);
        if (put <= 0)
            die("write");
        bytes += put;
        n -= (size_t)put;
    }
}

static void enlarge(int pipe_end, int bytes) {
#ifdef SET_PIPE_SIZE
    fcntl(pipe_end, SET_PIPE_SIZE, bytes); /* refused: it stays as it is */
#else
    (void)pipe_end;
    (void)bytes;
#endif
}

/* --- A child */

/* Starts the command.  Returns a descriptor that reads what it writes. */
static int start(char **command, int connection) {
    int ends[2];
    if (pipe(ends) < 0)
        die("make a pipe");
    enlarge(ends[0], 1 << 18);
    pid_t pid = vfork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        close(connection);
        execvp(command[0], command);
        _exit(127);
    }
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return ends[0];
}

/* Reads a piece of up to a block.  Who pours is left alone for a moment, so
 * that a piece carries more.  Returns 0 at the end. */
static size_t read_piece(int fd, unsigned char *piece) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    size_t n = 0;
    for (;;) {
        ssize_t got = read(fd, piece + n, BLOCK - n);
        if (got > 0)
            n += (size_t)got;
        else if (got == 0 || n > 0)
            return n;
        else
            poll(&poll_fd, 1, -1);
        if (got >= 0 && (got < 4096 || n > BLOCK / 2))
            return n;
        if (got > 0)
            nanosleep(&(struct timespec){.tv_nsec = 1}, NULL);
    }
}

static void be_child(int number, char **command) {
    static unsigned char piece[BLOCK];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t n;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
        die("connect");
    write_all(fd, (unsigned char *)&number, sizeof(number));
    int from = start(command, fd);
    while ((n = read_piece(from, piece)) > 0)
        write_all(fd, piece, n);
    close(fd);
    while (wait(NULL) > 0)
        continue;
    _exit(0);
}

/* --- The parent */

/* What a thread keeps until it has the turn. */
struct queue {
    struct block *first, *last;
};

/* Adds an empty block.  The caller has the lock. */
static void add_block(struct queue *queue) {
    struct block *block = pool;
    if (block != NULL)
        pool = block->next;
    else if ((block = malloc(sizeof(*block))) == NULL)
        die("hold a block");
    held += BLOCK;
    block->next = NULL;
    block->length = 0;
    if (queue->last != NULL)
        queue->last->next = block;
    else
        queue->first = block;
    queue->last = block;
}

/* Until the turn has come: reads what the limit allows. */
static void keep(struct queue *queue, int number, int fd) {
    struct block *block;
    ssize_t got = 1;
    pthread_mutex_lock(&mutex);
    while (turn != number) {
        bool full = queue->last == NULL || queue->last->length == BLOCK;
        if (got == 0 || (full && held + BLOCK > limit)) {
            pthread_cond_wait(&changed, &mutex);
            continue;
        }
        if (full)
            add_block(queue);
        block = queue->last;
        pthread_mutex_unlock(&mutex);
        got = read(fd, block->bytes + block->length, BLOCK - block->length);
        if (got < 0)
            die("read");
        block->length += (size_t)got;
        pthread_mutex_lock(&mutex);
    }
    pthread_mutex_unlock(&mutex);
}

/* Writes what was kept.  Its blocks are for others. */
static void write_kept(struct queue *queue) {
    struct block *next;
    for (struct block *block = queue->first; block != NULL; block = next) {
        next = block->next;
        write_all(1, block->bytes, block->length);
        pthread_mutex_lock(&mutex);
        block->next = pool;
        pool = block;
        held -= BLOCK;
        pthread_cond_signal(&changed);
        pthread_mutex_unlock(&mutex);
    }
}

/* Moves bytes to standard output, without a copy if that is a pipe.  Returns
 * how many, 0 at the end. */
static size_t move(int fd, unsigned char *piece) {
#ifdef SET_PIPE_SIZE
    ssize_t moved = splice(fd, NULL, 1, NULL, MOST, 0);
    if (moved >= 0)
        return (size_t)moved;
    if (errno != EINVAL)
        die("splice");
#endif
    ssize_t got = read(fd, piece, BLOCK);
    if (got < 0)
        die("read");
    write_all(1, piece, (size_t)got);
    return (size_t)got;
}

/* A thread: serves one connection. */
static void *serve(void *arg) {
    struct queue queue = {NULL, NULL};
    int *connection = arg;
    int number = (int)(connection - connections);
    unsigned char *piece = malloc(BLOCK);
    if (piece == NULL)
        die("hold a block");
    keep(&queue, number, *connection);
    write_kept(&queue);
    while (move(*connection, piece) > 0)
        continue;
    pthread_mutex_lock(&mutex);
    turn++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    free(piece);
    return NULL;
}

static int listening(void) {
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
        listen(fd, SOMAXCONN) ||
        getsockname(fd, (struct sockaddr *)&address, &length))
        die("listen");
    return fd;
}

/* Accepts a connection, and starts a thread for it. */
static void take_in(int s, pthread_t *threads) {
    int number, fd = accept(s, NULL, NULL);
    if (fd < 0 || read(fd, &number, sizeof(number)) != sizeof(number))
        die("accept");
    connections[number] = fd;
    if (pthread_create(&threads[number], NULL, serve, &connections[number]) !=
        0)
        die("start a thread");
}

int main(int argc, char **argv) {
    int first = 1;
    if (argc > 3 && strcmp(argv[1], "-m") == 0) {
        limit = (size_t)strtoull(argv[2], NULL, 10);
        first = 3;
    }
    int number = argc > first + 1 ? atoi(argv[first]) : 0;
    if (number <= 0) {
        fputs(
            "usage: relay [-m bytes] number command [argument ...]\n", stderr);
        return 2;
    }
    connections = calloc((size_t)number, sizeof(*connections));
    pthread_t *threads = calloc((size_t)number, sizeof(*threads));
    if (connections == NULL || threads == NULL)
        die("begin");
    int s = listening();
    enlarge(1, (int)MOST);
    for (int k = 0; k < number; k++) {
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0) {
            close(s);
            be_child(k, argv + first + 1);
        }
    }
    for (int k = 0; k < number; k++)
        take_in(s, threads);
    for (int k = 0; k < number; k++)
        pthread_join(threads[k], NULL);
    while (wait(NULL) > 0)
        continue;
    return 0;
}
