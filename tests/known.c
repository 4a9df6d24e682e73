/*
 * known.c - items whose bytes are known beforehand; soak.sh runs it.
 *
 *     known run SEED MAX KINDS [TEXT]    is the command of item GATHER_WHICH
 *     known make SEED MAX WHICH          writes what that item consists of
 *     known list SEED ITEMS KINDS 0|n MS the list, MS milliseconds for a line,
 *                                        which end with NUL or a newline
 *     known expect SEED MAX KINDS ITEMS  a line for each: its number, size,
 *                                        bytes written, state, exit, signal;
 *                                        y: the exit status of its first time
 *     known check SEED MAX HOW FILE      compares an output, see check()
 *     known table ITEMS BYTES            checks the demonstration's report
 *
 * The first byte of an item is its number with the top bit set, all others
 * are pseudo-random and have it not: so any cut is seen, and where the next
 * item begins.  Sizes are 0 to MAX, 100 items at most.  What else an item may
 * do is one of the lower case letters in KINDS for half of the items, nothing
 * for the others:
 *
 *   b  burns processor time first           k  ends by a signal, in the middle
 *   d  leaves somebody who holds its output h  hangs, in the middle
 *   f  exits with a status, in the middle   s  is slow
 *   y  fails the first time, without a byte t  s, and ignores TERM
 *
 * E: when its parent, or gather, dies it ends.  Without that it stays,
 * whatever it is sent but KILL: to end orphans is gather's duty.  L: some
 * texts are long.  N: they are mere numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIECE 131072 /* bytes written at once, at most; a multiple of 8 */
#define STAY 900     /* seconds for which an orphan stays, at most */

static uint64_t seed;     /* of the round */
static uint64_t max;      /* bytes in an item, at most */
static const char *kinds; /* see above */
static pid_t gather;      /* the parent, from the file `pid`, or 0 */

/* A number that depends on the round, the item and what it is for. */
static uint64_t chance(uint64_t which, uint64_t what) {
    uint64_t x = seed * 0x9e3779b97f4a7c15u + which * 0xc2b2ae3d27d4eb4fu +
        what * 0x165667b19e3779f9u;
    x = (x ^ x >> 31) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 29) * 0x94d049bb133111ebu;
    return (x ^ x >> 32) >> 1;
}

/* How many bytes the item has: few have many. */
static uint64_t bytes_of(uint64_t which) {
    uint64_t kind = chance(which, 1) % 8, n = chance(which, 2) % 1001;
    if (kind == 0) return 0;
    if (kind == 1) n = 1;
    else if (kind == 2) n = PIECE - 1 + n % 3;
    else n = (uint64_t)((double)max * (double)(n * n * n) / 1e9);
    return n < max ? n : max;
}

/* What else it does. */
static int kind_of(uint64_t which) {
    char letters[32];
    size_t n = 0;
    for (const char *p = kinds; *p != '\0' && n < sizeof(letters); p++)
        if (*p >= 'a' && *p <= 'z') letters[n++] = *p;
    uint64_t k = n > 0 ? chance(which, 3) % (2 * n) : 0;
    return k < n ? letters[k] : ' ';
}

/* How many bytes it writes before it does that. */
static uint64_t part_of(uint64_t which) {
    uint64_t n = bytes_of(which), part = chance(which, 4) % 5;
    return strchr("fkh", kind_of(which)) != NULL ? n * part / 4 : n;
}

static int exit_of(uint64_t which) { return 1 + (int)(chance(which, 5) % 98); }
static int signal_of(uint64_t which) {
    static const int signals[] = {SIGKILL, SIGTERM, SIGSEGV, SIGUSR1};
    return signals[chance(which, 6) % 4];
}

/* Its text in a list, up to 6,000 bytes. */
static void text_of(uint64_t which, char *text) {
    int n = sprintf(text, "%u-", (unsigned)which);
    uint64_t more = chance(which, 7) % 40;
    if (strchr(kinds, 'L') != NULL && more == 0) more = 5000;
    for (uint64_t i = 0; i < more; i++)
        text[n++] = (char)('a' + chance(which, 100 + i) % 26);
    text[n] = '\0';
}

/* The bytes of the item from the one numbered `from`, a multiple of 8. */
static void fill(uint64_t which, uint64_t from, unsigned char *to, size_t n) {
    uint64_t salt = chance(which, 8);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t x = (from + i + 1) * 0x9e3779b97f4a7c15u ^ salt;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) & 0x7f7f7f7f7f7f7f7fu;
        memcpy(to + i, &x, 8);
    }
    if (from == 0) to[0] = (unsigned char)(0x80 | which);
}

static void nap(unsigned ms) {
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR) continue;
}

/* Somebody should end this process, and does not. */
static void stay(void) {
    if (strchr(kinds, 'E') != NULL) _exit(1);
    nap(STAY * 1000u);
    _exit(1);
}

/* Stays if the parent is no longer that one, or gather is gone. */
static void orphan(pid_t parent) {
    if (getppid() == parent && (gather == 0 || kill(gather, 0) == 0)) return;
    signal(SIGTERM, SIG_IGN);
    stay();
}

/* Writes the first n bytes; `ms` in all for naps. */
static void deliver(uint64_t which, uint64_t n, pid_t parent, unsigned ms) {
    static unsigned char buffer[PIECE + 8];
    static const size_t sizes[] = {8, 1000, 4096, PIECE};
    size_t most =
        sizes[n < 5000 ? chance(which, 9) % 4 : 2 + chance(which, 9) % 2];
    for (uint64_t at = 0; at < n;) {
        size_t k = n - at < most ? (size_t)(n - at) : most;
        fill(which, at, buffer, k);
        for (size_t done = 0; done < k;) {
            ssize_t r = write(1, buffer + done, k - done);
            if (r < 0 && errno == EPIPE) orphan(parent), stay();
            if (r < 0 && errno != EINTR) exit(98);
            if (r > 0) done += (size_t)r;
        }
        if (ms > 0 && (at * 10 / n != (at + k) * 10 / n)) nap(ms / 10);
        at += k;
        orphan(parent);
    }
}

/* The command of an item. */
static int run(const char *text) {
    const char *number = getenv("GATHER_WHICH");
    char want[8192] = "";
    pid_t parent = getppid();
    int old = strchr(kinds, 'E') == NULL ? open("pid", O_RDONLY) : -1;
    uint64_t which = number != NULL ? strtoul(number, NULL, 10) : 101;
    int kind = kind_of(which);
    signal(SIGPIPE, SIG_IGN);
    if (old >= 0 && read(old, want, 20) > 0)
        gather = (pid_t)strtol(want, NULL, 10);
    if (kind == 't' || (kind == 'h' && chance(which, 10) % 2 == 0))
        signal(SIGTERM, SIG_IGN);
    text_of(which, want);
    if (strchr(kinds, 'N') != NULL) sprintf(want, "%u", (unsigned)which);
    if (which > 100 || (text != NULL && strcmp(text, want) != 0)) {
        fprintf(stderr, "known: wrong item: %s\n", text);
        return 99;
    }
    if (kind == 'b')
        for (clock_t by = clock() + CLOCKS_PER_SEC / 20; clock() < by;)
            orphan(parent);
    if (kind == 'y') {
        char name[32];
        sprintf(name, "try.%u", (unsigned)which);
        if (open(name, O_CREAT | O_EXCL, 0666) >= 0) return exit_of(which);
    }
    unsigned ms =
        kind == 's' || kind == 't' ? (unsigned)(chance(which, 11) % 500) : 0;
    nap(ms), deliver(which, part_of(which), parent, ms);
    if (kind == 'd' && fork() == 0) {
        nap(2000); /* longer than gather waits */
        _exit(0);
    }
    if (kind == 'k') {
        signal(SIGTERM, SIG_DFL);
        raise(signal_of(which));
    }
    if (kind == 'h')
        for (;;) nap(100), orphan(parent);
    orphan(parent);
    return kind == 'f' ? exit_of(which) : 0;
}

static void expect(uint64_t which) {
    int kind = kind_of(which);
    printf("%u %ju %ju ", (unsigned)which, (uintmax_t)bytes_of(which),
        (uintmax_t)part_of(which));
    if (kind == 'f') printf("failed %d 0\n", exit_of(which));
    else if (kind == 'k') printf("killed -1 %d\n", signal_of(which));
    else if (kind == 'h') printf("timeout -1 0\n");
    else printf("complete %d 0\n", kind == 'y' ? exit_of(which) : 0);
}

static void list(uint64_t items, int end, unsigned ms) {
    char text[8192];
    for (uint64_t i = 0; i < items; i++) {
        if (ms > 0) nap(ms);
        text_of(i, text);
        printf("%s%c", text, end);
        fflush(stdout);
    }
}

/* How many bytes of item `which` come next in f; *wrong if one is another. */
static uint64_t follow(FILE *f, uint64_t which, uint64_t size, int *wrong) {
    static unsigned char buffer[PIECE];
    uint64_t n = 0;
    for (; n < size; n++) {
        int byte = getc_unlocked(f);
        if (n % PIECE == 0) fill(which, n, buffer, PIECE);
        if (byte == EOF) return n;
        if (byte == buffer[n % PIECE]) continue;
        ungetc(byte, f);
        *wrong = n > 0 && byte < 0x80;
        return n;
    }
    return n;
}

/* Complains of an item's bytes. */
static void bad(uint64_t which, uint64_t n, const char *what) {
    printf("item %u: %s at byte %ju of %ju\n", (unsigned)which, what,
        (uintmax_t)n, (uintmax_t)bytes_of(which));
}

/* Standard input has a line for each item in the order of the output: number,
 * state, bytes that the ledger has.  What HOW contains means:
 *   o  FILE.N is item N's file, and there if and only if that is complete
 *   a  the output of an item that failed is all there is of it
 *   c  the output's reader has left: there may be less
 *   d  gather has been killed: there may be more
 * Prints what is wrong, and then `# BYTES`, those that were right. */
static void check(const char *how, const char *name) {
    int files = strchr(how, 'o') != NULL, cut = strchr(how, 'c') != NULL;
    int dead = strchr(how, 'd') != NULL, byte, wrong = 0;
    char state[16], seen[128] = "", path[4096];
    unsigned which;
    uintmax_t received, right = 0;
    FILE *f = files ? NULL : fopen(name, "r");
    while (scanf("%u %15s %ju", &which, state, &received) == 3) {
        int complete = strcmp(state, "complete") == 0;
        if (files) {
            snprintf(path, sizeof(path), "%s.%u", name, which);
            f = fopen(path, "r");
            if (f != NULL && !complete && !dead)
                printf("item %u: it is %s and has a file\n", which, state);
            if (f == NULL && complete)
                printf("item %u: it is complete without a file\n", which);
            complete = 1;
        }
        if (f == NULL) continue;
        uint64_t n = follow(f, which, bytes_of(which), &wrong);
        right += n;
        seen[which & 127] = (char)(complete || n > 0);
        if (wrong || (files && getc(f) != EOF)) {
            bad(which, n, wrong ? "a wrong byte" : "more bytes");
            wrong = 1;
            break;
        }
        if (complete && n < bytes_of(which) && !(cut && feof(f)))
            bad(which, n, "it is complete and is cut");
        if (!complete && n > received) bad(which, n, "more than received");
        if (strchr(how, 'a') != NULL && !complete && n != received &&
            strcmp(state, "incomplete") != 0)
            bad(which, n, "not all that there was of it");
        if (files) fclose(f);
    }
    while (!files && f != NULL && !wrong && (byte = getc(f)) != EOF) {
        if (byte < 0x80 || !dead || seen[byte & 127]++) {
            printf("more bytes follow, the first is %d\n", byte);
            break;
        }
        ungetc(byte, f);
        which = (unsigned)byte & 127;
        right += follow(f, which, bytes_of(which), &wrong);
        if (wrong) bad(which, 0, "a wrong byte behind the ledger's");
    }
    printf("# %ju\n", right);
}

/* The sum that gather prints for a cursor of the demonstration. */
static uint64_t sum_of(uint32_t which, uint64_t bytes) {
    uint64_t sum = 0, sums = 0;
    for (uint64_t i = 0; i < bytes; i += 8) {
        uint64_t w = (2 * (uint64_t)which + 1) * 0x9e3779b97f4a7c15u *
            (i / 8 + 1),
                 part = 0;
        memcpy(&part, &w, bytes - i < 8 ? (size_t)(bytes - i) : 8);
        sum += part;
        sums += sum;
    }
    return sum ^ (sums << 32 | sums >> 32);
}

/* Prints what is wrong with the report, and then `# BYTES COMPLETE`. */
static void table(unsigned items, uintmax_t bytes) {
    char line[256] = "", state[32], last[128];
    unsigned which, complete = 0, rows = 0;
    uintmax_t got, sum;
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (sscanf(line, "%u %*d %ju %*f %jx %31[a-z ]", &which, &got, &sum,
                state) != 4)
            continue;
        if (which != rows++) printf("row %u is missing\n", rows - 1);
        if (strcmp(state, "complete") != 0) continue;
        complete++;
        if (got != bytes || sum != sum_of(which, bytes))
            printf("cursor %u: complete, but wrong\n", which);
    }
    snprintf(last, sizeof(last), "%u of %u cursors complete and right, ",
        complete, items);
    if (strncmp(line, last, strlen(last)) != 0) printf("total: %s", line);
    printf("# %ju %u\n", complete * bytes, complete);
}

int main(int argc, char **argv) {
    const char *what = argc > 3 ? argv[1] : "";
    uint64_t n = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    if (argc > 2) seed = strtoull(argv[2], NULL, 10);
    max = n;
    kinds = argc > 4 ? argv[4] : "";
    if (strcmp(what, "run") == 0) return run(argc > 5 ? argv[5] : NULL);
    if (strcmp(what, "make") == 0) {
        signal(SIGPIPE, SIG_IGN);
        kinds = "E";
        n = strtoull(argv[4], NULL, 10);
        deliver(n, bytes_of(n), getppid(), 0);
    } else if (strcmp(what, "expect") == 0) {
        for (uint64_t i = 0; i < strtoull(argv[5], NULL, 10); i++) expect(i);
    } else if (strcmp(what, "list") == 0)
        list(n, argv[5][0] == '0' ? '\0' : '\n',
            (unsigned)strtoul(argv[6], NULL, 10));
    else if (strcmp(what, "check") == 0) {
        kinds = "";
        check(argv[4], argv[5]);
    } else if (strcmp(what, "table") == 0)
        table((unsigned)strtoul(argv[2], NULL, 10), n);
    else return 2;
    return 0;
}
