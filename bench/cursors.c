/*
 * cursors.c - gather's parts under the same conditions as `bare -r` and mpi.c:
 * the children's arrays are filled before the clock starts.  It links gather's
 * parts as they are.
 *
 *     cursors children bytes
 *
 * The clock runs from the moment in which all children stand ready until
 * server() returns: then all arrays are in the parent, the children have been
 * told so, have ended, and have been reaped.  Prints seconds and MB/s, if the
 * bytes are right.
 */
#include "../lib/gather.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char **all; /* what arrived, by cursor */
static uint64_t *array;     /* a child's own */
static size_t bytes;
static int cursors;
static int filled[2], go[2]; /* as in bare.c */

static uint64_t word(uint64_t child, uint64_t i) {
    return (2 * child + 1) * 0x9e3779b97f4a7c15u * (i + 1);
}

static void die(const char *what) {
    fprintf(stderr, "cursors: unable to %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- In the children */

/* A cursor: its rows lie in memory. */
static int deliver(
    uint32_t item, const char *text, struct ending *ending, void *arg) {
    (void)item;
    (void)text;
    (void)ending;
    (void)arg;
    return xclient(array, bytes);
}

/* A child's life: fills its array, waits for the start, connects. */
static void be_child(int k, const unsigned char *secret) {
    struct identity me = {
        .kind = CLIENT_CHILD,
        .number = (uint32_t)k,
        .secret = secret,
    };
    unsigned char byte = 0;
    size_t words = bytes / 8 + 1;
    array = malloc(words * 8);
    if (array == NULL)
        die("hold an array");
    for (size_t i = 0; i < words; i++)
        array[i] = word((uint64_t)k, i);
    close(s);
    close(go[1]);
    if (write(filled[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 0)
        die("get ready");
    _exit(client(&me, deliver, NULL) == CLIENT_LOST ? 1 : 0);
}

/* --- In the parent */

static int next(struct item *item) {
    return item->which < (uint32_t)cursors;
}

/* An array has arrived, or has not. */
static void done(struct item *item) {
    if (item->outcome != COMPLETE || item->bytes != bytes)
        return;
    all[item->which] = item->array;
    item->array = NULL;
}

/* Ends the program if array k is missing or wrong. */
static void check(int k) {
    bool right = all[k] != NULL;
    for (size_t i = 0; right && i < bytes / 8; i++) {
        uint64_t expected = word((uint64_t)k, i);
        right = memcmp(&expected, all[k] + 8 * i, 8) == 0;
    }
    if (right)
        return;
    fprintf(stderr, "cursors: array %d is missing or wrong\n", k);
    exit(1);
}

/* Forks the children, and waits until all stand ready. */
static void fork_children(const unsigned char *secret) {
    unsigned char byte;
    for (int k = 0; k < cursors; k++) {
        int pid = child_fork();
        if (pid < 0)
            die("fork");
        if (pid == 0)
            be_child(k, secret);
    }
    for (int k = 0; k < cursors; k++)
        if (read(filled[0], &byte, 1) != 1)
            die("wait for the children");
}

int main(int argc, char **argv) {
    static const struct callbacks callbacks = {.next = next, .done = done};
    unsigned char secret[SECRET_SIZE];
    struct result result;
    if (argc != 3) {
        fputs("usage: cursors children bytes\n", stderr);
        return 2;
    }
    cursors = atoi(argv[1]);
    bytes = (size_t)strtoull(argv[2], NULL, 10);
    struct config config = {
        .secret = secret,
        .jobs = cursors,
        .list_speed = LIST_KNOWN,
        .list_length = (uint64_t)cursors,
        .destination = TO_ARRAYS,
    };
    all = calloc((size_t)cursors, sizeof(*all));
    if (all == NULL || pipe(filled) < 0 || pipe(go) < 0 ||
        signals_init() < 0 || secret_make(secret) < 0 || server_open("0") < 0)
        die("begin");
    fork_children(secret);
    double start = now();
    close(go[1]);
    if (server(&config, &callbacks, &result) < 0)
        return 1;
    double took = now() - start;
    for (int k = 0; k < cursors; k++)
        check(k);
    printf("%.6f s, %.1f MB/s\n", took,
        (double)cursors * (double)bytes / 1e6 / took);
    return 0;
}
