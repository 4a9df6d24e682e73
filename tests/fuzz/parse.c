/*
 * parse.c - fuzzing what main.c makes of its arguments and of a list.  The
 * input is cut into words at NUL bytes, which are the command line; what is
 * behind the first empty one is the list.
 *
 * What has to be true: either the command line is refused, with a message and
 * status 1, or the numbers are those of a second, simpler reader, the command
 * is what was behind the options, and the items are the lines of the list.
 */
#include "fuzz.h"
#include <setjmp.h>

static _Noreturn void fuzz_exit(int status);
#define exit fuzz_exit
#define main gather_main
#define lseek(...) -1
#include "../../main.c"
#undef main
#undef exit

#define ROOM 4096
#define WORDS 32

static char input[ROOM + 1];
static char *words_of[WORDS + 2], *before[WORDS + 2];
static jmp_buf refused;
static int messages;

static _Noreturn void fuzz_exit(int status) {
    MUST(status == 1 && messages > 0);
    longjmp(refused, 1);
}
static ssize_t fuzz_read(int fd, void *buf, size_t n) {
    MUST(fd < 0 && buf != NULL && n == 0); /* nobody has to */
    return 0;
}
static ssize_t fuzz_write(int fd, const void *buf, size_t n) {
    MUST(fd == 2 && n > 9 && memcmp(buf, "gather: ", 8) == 0);
    MUST(((const char *)buf)[n - 1] == '\n');
    messages++;
    return (ssize_t)n;
}
static int fuzz_poll(struct pollfd *f, nfds_t n, int timeout) {
    MUST(f != NULL && n == 0 && timeout == 0); /* nor here */
    return 0;
}
static int fuzz_close(int fd) { return -(fd < 0); }

/* A second reader of numbers: 0 if it is none from min to max. */
static int is_number(
    const char *p, uint64_t min, uint64_t max, int units, uint64_t *value) {
    static const char letters[] = "kMG";
    unsigned long long n = 0, factor = 1;
    int digits = 0;
    for (; *p >= '0' && *p <= '9'; p++, digits++) {
        if (digits == 18) return 0;
        n = n * 10 + (unsigned)(*p - '0');
    }
    const char *letter = *p != '\0' ? strchr(letters, *p) : NULL;
    for (int i = 0; units && letter && i <= letter - letters; i++)
        factor *= 1024;
    if (units && letter) p++;
    if (digits == 0 || *p != '\0' || n < min) return 0;
    if (n > max / factor) return 0;
    *value = n * factor;
    return 1;
}
static void check_number(
    int opt, uint64_t min, uint64_t max, int units, uint64_t is) {
    uint64_t n = 0;
    if (o.arg[opt] == NULL) return;
    MUST(is_number(o.arg[opt], min, max, units, &n) && n == is);
}

/* The command line made sense; `n` words. */
static void check_options(int n) {
    char *ends = NULL;
    uint64_t jobs = 20;
    MUST(!o.arg['j'] || is_number(o.arg['j'], 1, 1000000, 0, &jobs));
    if (run.ready && jobs > o.cursors) jobs = o.cursors;
    MUST((uint64_t)run.jobs == jobs);
    check_number('m', 0, MANY, 1, run.memory);
    check_number('r', 0, 1000000, 0, (uint64_t)run.retries);
    check_number('s', 0, MANY, 1, o.bytes);
    if (o.items == NULL) check_number('n', 0, NONE, 0, o.cursors);
    MUST(o.arg['t'] == NULL ||
        (strtod(o.arg['t'], &ends) == o.cmd.seconds && *ends == '\0'));
    MUST(o.cmd.seconds >= 0);
    MUST(run.files == NULL || strstr(run.files, "{}") != NULL);
    MUST(run.keep == (o.cmd.argv == NULL));
    if (o.items != NULL) {
        int items = 0;
        while (o.items[items] != NULL) items++;
        MUST((uint64_t)items == o.cursors && items < n);
        for (int i = 0; i < items; i++)
            MUST(o.items[i] == before[n - items + i]);
        n -= items + 1; /* and the ::: */
        MUST(strcmp(before[n], ":::") == 0);
    }
    if (o.cmd.argv == NULL) return;
    int length = 0, mentioned = 0;
    while (o.cmd.argv[length] != NULL) length++;
    char **last = o.cmd.argv + length - 1, **was = before + n - 1;
    if (length > 1 && *last != *was) { /* {} was added */
        MUST(strcmp(*last, "{}") == 0);
        for (last--; last >= o.cmd.argv; last--) MUST(!strstr(*last, "{}"));
        last = o.cmd.argv + length - 2;
        mentioned = 1;
    }
    for (; last >= o.cmd.argv; last--) MUST(*last == *was--);
    MUST(was >= before && (mentioned || length > 0));
}

/* The items of a list against its lines. */
static void check_list(char *list, size_t n) {
    int separator = o.arg['0'] != NULL ? '\0' : '\n';
    const char *p = list, *end = list + n;
    int r = 0;
    if (n == 0 || (o.file = fmemopen(list, n, "r")) == NULL) return;
    for (;;) {
        struct item item = {0};
        int was = messages;
        if ((r = next(&item)) <= 0) {
            MUST(messages - was == -r);
            break;
        }
        const char *to = memchr(p, separator, (size_t)(end - p));
        if (to == NULL) to = end;
        MUST(p < end && item.length == (size_t)(to - p));
        MUST(memcmp(item.text, p, item.length) == 0);
        MUST(strlen(item.text) == item.length);
        free(item.text);
        p = to + 1;
    }
    MUST(r == 0 ? p >= end : memchr(p, '\0', (size_t)(end - p)) != NULL);
    fclose(o.file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static char name[] = "gather";
    int n = 1;
    size_t at = 0;
    if (bytes > ROOM) return -1;
    memcpy(input, data, bytes);
    input[bytes] = '\0';
    words_of[0] = name;
    for (; at < bytes && input[at] != '\0' && n < WORDS; n++) {
        words_of[n] = input + at;
        at += strlen(input + at) + 1;
    }
    words_of[n] = NULL;
    memcpy(before, words_of, sizeof(before));
    at += at < bytes && input[at] == '\0';
    memset(o.arg, 0, sizeof(o.arg));
    memset(o.count, 0, sizeof(o.count));
    o.cmd.argv = o.items = NULL;
    o.line = NULL;
    o.taken = 0;
    memset(&run, 0, sizeof(run));
    messages = 0;
    optind = 0; /* glibc: afresh, whatever was left of a word */
    if (setjmp(refused) == 0) {
        command_line(n, words_of);
        MUST(messages == 0);
        check_options(n);
        run.ready = 0;
        check_list(input + at, at < bytes ? bytes - at : 0);
    }
    free(o.line);
    o.line = NULL;
    MUST(held_blocks == 0);
    free_blocks();
    return 0;
}
