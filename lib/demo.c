/*
 * demo.c - the demonstration: cursors that make arrays in their memory, all
 * different, and the table of what has arrived.  The parent computes for
 * itself what each array should be.
 */
#include "demo.h"
#include "report.h"
#include "say.h"
#include <stdio.h>
#include <stdlib.h>

#define LINE_SIZE 100 /* bytes of a line of the table, at most */

struct row {
    pid_t pid;
    bool complete;
    double took;
    uint64_t bytes;
    unsigned char *array; /* freed by nobody: it lives as long as we do */
};

static struct {
    uint64_t cursors, bytes; /* how many, and how large */
    struct row *rows;
} demo;

/* Prepares the table.  Returns 0, or -1 with errno set. */
int demo_init(uint64_t cursors, uint64_t bytes) {
    demo.cursors = cursors;
    demo.bytes = bytes;
    demo.rows = calloc((size_t)cursors + 1, sizeof(*demo.rows));
    return demo.rows != NULL ? 0 : -1;
}

/* The i-th word of a cursor's array; its bytes are in host order. */
static uint64_t word(uint32_t item, uint64_t i) {
    return (2 * (uint64_t)item + 1) * 0x9e3779b97f4a7c15u * (i + 1);
}

/* A cursor: makes its array and delivers it at once. */
int demo_cursor(
    uint32_t item, const char *text, struct ending *ending, void *arg) {
    uint64_t words = demo.bytes / 8 + 1;
    uint64_t *array = NULL;
    (void)text;
    (void)arg;
    if (words < SIZE_MAX / 16)
        array = malloc((size_t)words * 8);
    if (array == NULL) {
        ending->kind = END_NOT_EXECUTED;
        snprintf(ending->reason, sizeof(ending->reason), "a cursor: %s",
            strerror(ENOMEM));
        return 0;
    }
    for (uint64_t i = 0; i < words; i++)
        array[i] = word(item, i);
    int result = xclient(array, (size_t)demo.bytes);
    free(array);
    return result;
}

/* Takes what has arrived of a cursor. */
void demo_done(struct item *item) {
    demo.rows[item->which] = (struct row){
        .pid = item->pid,
        .complete = item->outcome == COMPLETE,
        .took = item->took,
        .bytes = item->bytes,
        .array = item->array,
    };
    item->array = NULL;
}

/* Is a cursor's array right?  And a checksum, which depends on the order of
 * its words: a sum of them, and a sum of its values on the way. */
static bool verify(
    uint32_t which_cursor, const struct row *row, uint64_t *sum) {
    uint64_t sums = 0;
    bool right = row->complete && row->bytes == demo.bytes;
    *sum = 0;
    for (uint64_t i = 0; right && i < row->bytes; i += 8) {
        uint64_t got = 0, expected = word(which_cursor, i / 8);
        uint64_t left = row->bytes - i;
        if (left >= 8) {
            memcpy(&got, row->array + i, 8); /* a constant: no call */
            right = got == expected;
        } else {
            memcpy(&got, row->array + i, (size_t)left);
            right = memcmp(&got, &expected, (size_t)left) == 0;
        }
        *sum += got;
        sums += *sum;
    }
    *sum ^= sums << 32 | sums >> 32;
    return right;
}

/* Writes the table of `given` cursors, in one write, and its last line.
 * Returns 0, or an errno. */
int demo_table(uint64_t given, double seconds) {
    uint64_t total = 0, right = 0;
    size_t room = ((size_t)given + 3) * LINE_SIZE;
    char *text = malloc(room);
    if (text == NULL)
        return ENOMEM;
    size_t n = (size_t)snprintf(text, room,
        "which      pid        bytes   seconds  checksum          status\n");
    for (uint32_t i = 0; i < given; i++) {
        const struct row *row = &demo.rows[i];
        uint64_t sum;
        bool good = verify(i, row, &sum);
        n += (size_t)snprintf(text + n, room - n,
            "%5lu %8ld %12ju %9.6f  %016jx  %s\n", (unsigned long)i,
            (long)row->pid, (uintmax_t)row->bytes, row->took, (uintmax_t)sum,
            good ? "complete" : "incomplete or wrong");
        total += row->bytes;
        right += good;
    }
    n += (size_t)snprintf(text + n, room - n,
        "%ju of %ju cursors complete and right, %ju of %ju bytes, "
        "%.6f s, %.1f MB/s\n",
        (uintmax_t)right, (uintmax_t)demo.cursors, (uintmax_t)total,
        (uintmax_t)(demo.cursors * demo.bytes), seconds,
        (double)total / 1e6 / seconds);
    if (right != demo.cursors)
        report_status(123);
    int error = writen(1, text, n) < n ? errno : 0;
    free(text);
    return error;
}
