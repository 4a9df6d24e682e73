/*
 * cursors.c - gather's parts under the same conditions as `bare -r` and mpi.c:
 * the children's arrays are filled before the clock starts.  It links
 * server.o, client.o and signals.o as they are.
 *
 *     cursors children bytes
 *
 * The clock runs from the moment in which all children stand ready until
 * server() returns: then all arrays are in the parent, the children have been
 * told so, have ended, and have been reaped.  Prints seconds and MB/s, if the
 * bytes are right.
 */
#include "../protocol.h"

static struct run run;      /* all zero: no option is in force */
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

/* A cursor: its rows lie in memory. */
static int deliver(uint32_t item, const char *text, void *arg) {
    (void)item, (void)text, (void)arg;
    return xclient(array, bytes);
}

/* A child's life: fills its array, waits for the start, connects. */
static void child(int k) {
    unsigned char byte = 0;
    if ((array = malloc((bytes / 8 + 1) * 8)) == NULL) die("hold an array");
    for (size_t i = 0; i < bytes / 8 + 1; i++) array[i] = word((uint64_t)k, i);
    close(s);
    close(go[1]);
    if (write(filled[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 0)
        die("get ready");
    cport = sport;
    _exit(client(run.token, (uint32_t)k, deliver, NULL) != 0);
}

static int next(struct item *item) {
    if (run.given == (uint32_t)cursors) return 0;
    item->text = calloc(1, 1);
    return item->text != NULL ? 1 : -1;
}

/* An array has arrived, or has not. */
static void done(struct item *item) {
    if (item->status != 0 || item->held != bytes) return;
    all[item->which] = item->data;
    item->data = NULL;
}

int main(int argc, char **argv) {
    unsigned char byte;
    if (argc != 3) {
        fputs("usage: cursors children bytes\n", stderr);
        return 2;
    }
    cursors = atoi(argv[1]);
    bytes = (size_t)strtoull(argv[2], NULL, 10);
    run.jobs = cursors;
    run.limit = cursors + 100;
    run.ready = run.keep = 1;
    run.next = next;
    run.done = done;
    all = calloc((size_t)cursors, sizeof(*all));
    if (all == NULL || pipe(filled) < 0 || pipe(go) < 0 ||
        signals_init() < 0 || make_token(run.token) < 0 ||
        server_open("0") < 0)
        die("begin");
    for (int k = 0; k < cursors; k++) {
        int pid = child_fork();
        if (pid < 0) die("fork");
        if (pid == 0) child(k);
    }
    for (int k = 0; k < cursors; k++)
        if (read(filled[0], &byte, 1) != 1) die("wait for the children");
    double start = now();
    close(go[1]);
    if (server(&run) < 0) return 1;
    double took = now() - start;
    for (int k = 0; k < cursors; k++)
        for (size_t i = 0; all[k] == NULL || i < bytes / 8; i++) {
            uint64_t w = word((uint64_t)k, i);
            if (all[k] != NULL && memcmp(&w, all[k] + 8 * i, 8) == 0) continue;
            fprintf(stderr, "cursors: array %d is missing or wrong\n", k);
            return 1;
        }
    printf("%.6f s, %.1f MB/s\n", took,
        (double)cursors * (double)bytes / 1e6 / took);
    return 0;
}
