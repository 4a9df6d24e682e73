/*
 * parse.c - fuzzing what main.c makes of its arguments and of a list.  The
 * input is cut into words at NUL bytes, which are the command line, behind
 * what GATHER_TOKEN is, if the first begins with T; what is behind the first
 * empty one is the list.
 *
 * What has to be true: either the command line is refused, with a message and
 * status 1, or the numbers, addresses and the token are those of a second,
 * simpler reader, which agrees if they are refused; the options go together,
 * the command is what was behind them, and the items are the lines of the
 * list.
 */
#include "fuzz.h"
#include <ctype.h>
#include <setjmp.h>
#include <strings.h>

static _Noreturn void fuzz_exit(int status);
#define exit fuzz_exit
#define main gather_main
#define lseek(...) -1
#define getenv fuzz_getenv
#define getservbyname fuzz_service
#undef stdin
#define stdin fuzz_stdin
static FILE *fuzz_stdin;
static char *fuzz_getenv(const char *name);
static struct servent *fuzz_service(const char *name, const char *protocol);
#include "../../main.c"
#undef main
#undef exit

#define ROOM 4096
#define WORDS 32

static char input[ROOM + 1];
static char *words_of[WORDS + 2], *before[WORDS + 2];
static jmp_buf refused;
static int messages;
static char message[2048]; /* the first of them */
static char *token;        /* what the environment says, or NULL */

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
    if (messages++ == 0)
        snprintf(message, n + 1, "%.*s", (int)n, (const char *)buf);
    return (ssize_t)n;
}
static int fuzz_poll(struct pollfd *f, nfds_t n, int timeout) {
    MUST(f != NULL && n == 0 && timeout == 0); /* nor here */
    return 0;
}
static int fuzz_close(int fd) { return -(fd < 0); }
static char *fuzz_getenv(const char *name) {
    MUST(strcmp(name, "GATHER_TOKEN") == 0);
    return token;
}
static struct servent *fuzz_service(const char *name, const char *protocol) {
    static struct servent service;
    MUST(strcmp(protocol, "tcp") == 0);
    service.s_port = htons(1524);
    return strcmp(name, "ingreslock") == 0 ? &service : NULL;
}

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

/* A second reader of seconds: digits with at most one point, and as much as -t
 * may have, save what rounding may put on the other side of a limit. */
static int is_seconds(const char *p) {
    const char *point = strchr(p, '.');
    double is = strtod(p, NULL);
    if (p[strspn(p, "0123456789.")] != '\0') return 0;
    if (point != NULL && strchr(point + 1, '.') != NULL) return 0;
    return is > 1e-300 && is < 1e6 * (1 - 1e-9);
}

/* Is it the port that -c may have? */
static int is_port(const char *p, uint64_t *value) {
    if (strcmp(p, "ingreslock") == 0) return (*value = 1524) > 0;
    while (*p == '0') p++; /* as many as one likes */
    return is_number(p, 1, 65535, 0, value);
}

/* The command line was refused: is there something wrong with it? */
static void check_refusal(void) {
    static const char number_is[] = ": not a number, or out of range\n";
    static const char line_is[] = "the command line: no ";
    static const struct {
        char letter, units;
        uint64_t max;
    } numbers[] = {{'j', 0, 1000000}, {'n', 0, NONE}, {'r', 0, 1000000},
        {'w', 0, NONE - 1}, {'m', 1, MANY}, {'s', 1, MANY}};
    const char *what = message + strlen("gather: fatal: unable to ");
    const char *colon = strchr(o.arg['c'] ? o.arg['c'] : "", ':');
    const char *t = token != NULL ? token : "";
    uint64_t n = 0;
    if (strncmp(what, "find the port of ", 17) == 0)
        MUST(colon != NULL && !is_port(colon + 1, &n));
    if (strncmp(what, "understand ", 11) != 0) return;
    what += 11;
    if (strncmp(what, line_is, sizeof(line_is) - 1) == 0) {
        if (strncmp(what + sizeof(line_is) - 1, "GATHER_TOKEN", 12) != 0)
            return;
        while (isxdigit((unsigned char)*t)) t++, n++;
        MUST(*t != '\0' || n != 2 * TOKEN);
    } else if (strcmp(what + strlen(what) - sizeof(number_is) + 1,
                   number_is) == 0) {
        int bad = o.arg['t'] != NULL && !is_seconds(o.arg['t']);
        for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
            const char *arg = o.arg[(int)numbers[i].letter];
            bad |= arg != NULL &&
                !is_number(arg, 0, numbers[i].max, numbers[i].units, &n);
        }
        MUST(bad);
    }
}

/* The token is known if there has to be one. */
static void check_token(void) {
    char hex[2 * TOKEN + 1];
    if (o.arg['b'] == NULL && o.arg['c'] == NULL && !run.remote) return;
    for (int i = 0; i < TOKEN; i++) sprintf(hex + 2 * i, "%02x", run.token[i]);
    MUST(token != NULL && strcasecmp(token, hex) == 0);
}

/* A client: nothing of what is for servers, and the right place to call.  Its
 * command, if there is none, is cat. */
static void check_client(int words_left) {
    uint64_t n = 0, p = 1524;
    const char *arg = o.arg['c'], *colon = strchr(arg, ':');
    size_t length = colon != NULL ? (size_t)(colon - arg) : strlen(arg);
    for (const char *opt = "0abjklmnopqrsuv"; *opt != '\0'; opt++)
        MUST(o.arg[(int)*opt] == NULL);
    MUST(o.items == NULL);
    MUST(length == strlen(hname) && memcmp(hname, arg, length) == 0);
    MUST(colon == NULL || is_port(colon + 1, &p));
    MUST(cport == p);
    if (o.arg['w'] == NULL) {
        MUST(words_left > 0 && o.client == NONE);
    } else {
        MUST(is_number(o.arg['w'], 0, NONE - 1, 0, &n));
        MUST(o.client == (END | (uint32_t)n));
    }
    MUST(o.cmd.input == (words_left == 0));
    if (words_left == 0)
        MUST(strcmp(o.cmd.argv[0], "cat") == 0 && o.cmd.argv[1] == NULL);
}

/* The command line made sense; `n` words. */
static void check_options(int n) {
    char *ends = NULL;
    uint64_t jobs = 20;
    MUST(!o.arg['j'] || is_number(o.arg['j'], 0, 1000000, 0, &jobs));
    MUST(run.remote == (o.arg['b'] != NULL || (jobs == 0 && !o.arg['c'])));
    check_token();
    if (run.ready && jobs > o.cursors) jobs = o.cursors;
    MUST((uint64_t)run.jobs == jobs);
    MUST(o.arg['b'] == NULL || strcmp(hname, o.arg['b']) == 0);
    MUST(o.arg['w'] == NULL || o.arg['c'] != NULL);
    MUST(o.arg['c'] != NULL || (o.client == 0 && o.cmd.input == 0));
    check_number('m', 0, MANY, 1, run.memory);
    check_number('r', 0, 1000000, 0, (uint64_t)run.retries);
    check_number('s', 0, MANY, 1, o.bytes);
    if (o.items == NULL) check_number('n', 0, NONE, 0, o.cursors);
    if (o.arg['t'] != NULL) { /* digits are added up in another order here */
        double is = strtod(o.arg['t'], &ends), off = is - o.cmd.seconds;
        MUST(*ends == '\0');
        MUST(is == o.cmd.seconds || (off < is * 1e-9 && off > -is * 1e-9));
    }
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
    if (o.arg['c'] != NULL) check_client(n - optind);
    if (o.cmd.argv == NULL || (o.arg['c'] && n == optind)) return;
    if (n == optind) { /* only others have commands */
        MUST(o.arg['j'] != NULL && jobs == 0);
        MUST(o.arg['n'] != NULL
                ? o.cmd.argv[0] == NULL
                : strcmp(o.cmd.argv[0], "{}") == 0 && o.cmd.argv[1] == NULL);
        return;
    }
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
    if (n == 0 || (fuzz_stdin = fmemopen(list, n, "r")) == NULL) return;
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
    fclose(fuzz_stdin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static char name[] = "gather";
    int n = 1;
    size_t at = 0;
    if (bytes > ROOM) return -1;
    memcpy(input, data, bytes);
    input[bytes] = '\0';
    words_of[0] = name;
    token = input[0] == 'T' ? input + 1 : NULL;
    if (token != NULL) at = strlen(input) + 1;
    for (; at < bytes && input[at] != '\0' && n < WORDS; n++) {
        words_of[n] = input + at;
        at += strlen(input + at) + 1;
    }
    words_of[n] = NULL;
    memcpy(before, words_of, sizeof(before));
    at += at < bytes && input[at] == '\0';
    memset(o.arg, 0, sizeof(o.arg));
    memset(o.count, 0, sizeof(o.count));
    memset(&o.cmd, 0, sizeof(o.cmd));
    o.items = NULL;
    o.client = 0;
    strcpy(hname, "127.0.0.1");
    memset(&run, 0, sizeof(run));
    messages = 0;
    optind = 0; /* glibc: afresh, whatever was left of a word */
    if (setjmp(refused) == 0) {
        command_line(n, words_of);
        MUST(messages == 0);
        check_options(n);
        run.ready = 0;
        check_list(input + at, at < bytes ? bytes - at : 0);
    } else {
        check_refusal();
    }
    MUST(held_blocks == 0);
    free_blocks();
    return 0;
}
