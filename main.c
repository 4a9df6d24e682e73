/*
 * gather - runs many cursors or commands at once and gathers what they have to
 * say: whole, in order, and with proof that nothing is missing.
 *  1. The parent binds and listens, then forks `jobs` children, then starts
 *     threads.  Nothing forks after the first thread, and a child has one.
 *  2. A child is a client: it connects, asks for an item, delivers its bytes
 *     and their count, and asks again with that, until the server says
 *     goodbye.  Child k starts with item k if list and clients are known.
 *  3. The parent's main thread sleeps in poll() for signals and connections.
 *     It alone accepts, reaps and waits for the end.
 *  4. Each connection has one detached thread, all signals but TTIN blocked.
 *     It owns the descriptor, and the item while it runs.  One thread at a
 *     time writes standard output: what the item has whose turn it is.
 *  5. An item is complete when its end arrived with status 0, the counts
 *     agree, and its bytes are where they belong.  The number of items that
 *     are over, not that of connections or children, ends the run.
 *  6. A command leads a session of its own, below its child.  Its child ends
 *     it when time is up or the connection is lost, the parent when that
 *     child has died.  A parent that dies loses all connections.
 *  7. With -c gather is but a client, of a server elsewhere.
 * server.c: the parent; client.c: a child; here: options, list, fork, report.
 */
#include "protocol.h"
#include <sys/resource.h>
#include <sys/stat.h>

#define MANY ((uint64_t)1 << 50) /* the largest number of bytes we take */

/* How an item can end, and the ledger's words for it. */
enum state { COMPLETE, FAILED, KILLED, TIMEOUT, INCOMPLETE, UNSTARTED };
static const char *const words[] = {
    "complete", "failed", "killed", "timeout", "incomplete", "unstarted"};

static struct {
    const char *arg[128];    /* of options, by letter; "" if it has none */
    uint64_t cursors, bytes; /* -n, or how many items follow :::; -s */
    char **items;            /* those after :::, or NULL */
    struct command cmd;      /* argv is NULL if there is none */
    uint32_t client;         /* -c: as in an opening; 0: no -c */
    char text[ITEM_MAX + 1]; /* of the item read last */
    FILE *ledger;            /* or NULL */
    struct item *rows;       /* the demonstration's items, with their data */
    unsigned count[6];       /* items that ended so */
    int status;              /* gather's own, so far */
    struct rlimit files;     /* RLIMIT_NOFILE as it came, for the children */
} o;
static struct run run;

/* Ends gather, which could not do something, for a reason. */
static void fatal(const char *what, const char *name, const char *why) {
    say("fatal: unable to %s%s: %s", what, name, why);
    exit(1);
}

/* Says what is wrong with the command line, and how it should be. */
static void usage(const char *what, const char *name) {
    say("fatal: unable to understand the command line: %s%s", what, name);
    say("usage: gather [-0kquv] [-a file] [-b address] [-j jobs] [-l log] "
        "[-m bytes] [-n cursors] [-o template] [-p port] [-r retries] "
        "[-s bytes] [-t seconds] [command ... [::: item ...]], or gather -c "
        "host[:port] [-t seconds] [-w which] [command ...]");
    exit(1);
}

/* An option's number, or else def, from min to max; bytes may have k, M, G. */
static uint64_t number(int opt, const char *def, uint64_t min, uint64_t max) {
    const char *arg = o.arg[opt] != NULL ? o.arg[opt] : def;
    size_t digits = strspn(arg, "0123456789");
    int unit = max == MANY ? arg[digits] : '\0';
    int shift = unit == 'k' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
    uint64_t n = strtoull(arg, NULL, 10);
    if (digits == 0 || digits > 18 || arg[digits + (shift > 0)] != '\0' ||
        n < min || n > max >> shift)
        fatal("understand ", arg, "not a number, or out of range");
    return n << shift;
}

/* Seconds, more than 0, perhaps with a fraction; 0 if there is no argument. */
static double seconds(const char *arg) {
    const char *p = arg != NULL ? arg : "";
    double t = 0, unit = 1;
    for (; *p >= '0' && *p <= '9'; p++) t = 10 * t + (*p - '0');
    if (*p == '.')
        while (*++p >= '0' && *p <= '9') t += (unit /= 10) * (*p - '0');
    if (arg != NULL && (*p != '\0' || t <= 0 || t > 1e6))
        fatal("understand ", arg, "not a number, or out of range");
    return t;
}

/* Takes the token that servers and clients of others share. */
static void take_token(void) {
    const char *hex = getenv("GATHER_TOKEN");
    size_t n = hex != NULL ? strspn(hex, "0123456789abcdefABCDEF") : 0;
    if (n != (size_t)2 * TOKEN || hex[n] != '\0')
        usage("no GATHER_TOKEN of 32 hex digits for ", "-b, -c or -j 0");
    for (size_t i = 0; i < TOKEN; i++) {
        const char byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        run.token[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
}

/* Refuses those of some options that were given. */
static void refuse(const char *these, const char *why) {
    for (; *these != '\0'; these++) {
        const char name[2] = {*these, '\0'};
        if (o.arg[(int)*these] != NULL) usage(why, name);
    }
}

/* Makes n words, which may move up by one, the command.  An item that is not
 * mentioned goes last, but not a mere number. */
static void set_command(char **argv, int n) {
    static char braces[] = "{}";
    int mentioned = o.arg['n'] != NULL;
    for (int i = 0; i < n; i++) {
        argv[i - 1] = argv[i];
        mentioned |= strstr(argv[i], braces) != NULL;
    }
    argv[n - 1] = mentioned ? NULL : braces;
    argv[n] = NULL, o.cmd.argv = argv - 1;
}

/* What -c means, with a command of n words; if none, cat, for our input. */
static void client_line(char **argv, int n) {
    static char name[] = "cat", *cat[] = {name, NULL};
    refuse("0abjklmnopqrsuv", "-c beside -");
    if (n == 0 && o.arg['w'] == NULL) usage("no command for ", "-c");
    o.client = NONE;
    if (o.arg['w']) o.client = END | (uint32_t)number('w', "", 0, NONE - 1);
    snprintf(hname, sizeof(hname), "%s", o.arg['c']);
    char *port = strchr(hname, ':');
    if (port != NULL) *port++ = '\0';
    long p = port_of(port != NULL ? port : "ingreslock", &svc);
    if (p <= 0) fatal("find the port of ", o.arg['c'], "no such service");
    cport = (unsigned short)p;
    if (n > 0) set_command(argv, n);
    if (n == 0) o.cmd = (struct command){cat, o.cmd.seconds, 1};
}

/* Reads the command line; ends gather if it makes no sense. */
static void command_line(int argc, char **argv) {
    int opt, n;
    while (
        (opt = getopt(argc, argv, ":0a:b:c:j:kl:m:n:o:p:qr:s:t:uvw:")) != -1) {
        const char name[2] = {(char)optopt, '\0'};
        if (opt == ':') usage("no argument for -", name);
        if (opt == '?') usage("no option -", name);
        o.arg[opt] = optarg != NULL ? optarg : "";
    }
    run.jobs = (int)number('j', "20", 0, 1000000);
    run.remote = o.arg['b'] != NULL || (run.jobs == 0 && !o.arg['c']);
    run.memory = number('m', "64M", 0, MANY);
    run.retries = (int)number('r', "0", 0, 1000000);
    run.keep_going = o.arg['k'] != NULL, run.unordered = o.arg['u'] != NULL;
    run.verbose = o.arg['v'] != NULL, run.files = o.arg['o'];
    o.cursors = number('n', "20", 0, NONE);
    o.bytes = number('s', "1M", 0, MANY);
    o.cmd.seconds = run.seconds = seconds(o.arg['t']);
    if (run.remote || o.arg['c'] != NULL) take_token();
    if (o.arg['b']) snprintf(hname, sizeof(hname), "%s", o.arg['b']);
    for (n = optind; n < argc && strcmp(argv[n], ":::") != 0;) n++;
    if (n < argc) {
        o.items = argv + n + 1;
        o.cursors = (uint64_t)(argc - n - 1);
        refuse("0anc", "items after ::: beside -");
        for (char **item = o.items; *item != NULL; item++)
            if (strcmp(*item, ":::") == 0) usage("a second ", ":::");
    }
    if (o.arg['n'] != NULL) refuse("0a", "-n beside -");
    if (o.arg['c'] == NULL) refuse("w", "no -c for -");
    if (run.files != NULL) refuse("mu", "-o beside -");
    if (o.arg['c'] != NULL) {
        client_line(argv + optind, n - optind);
    } else if (n > optind || run.jobs == 0) {
        refuse("s", "a command beside -");
        set_command(argv + optind, n - optind);
    } else {
        refuse("0abklmortu", "no command for -");
        if (o.items != NULL) usage("no command for ", "the items after :::");
    }
    if (run.files && !strstr(run.files, "{}")) usage("no {} for -", "o");
    run.keep = o.cmd.argv == NULL;
    run.prompt = run.ready = run.keep || o.arg['n'] != NULL || o.items != NULL;
    run.listed = run.ready && o.cursors == 0;
    if (run.ready && o.cursors < (uint64_t)run.jobs) run.jobs = (int)o.cursors;
}

/* Reads an item into o.text.  Returns its length, or -1: the end, or *bad. */
static long read_text(const char **bad) {
    int byte, separator = o.arg['0'] != NULL ? '\0' : '\n';
    long n = 0;
    while (*bad == NULL && (byte = getc_unlocked(stdin)) != separator) {
        int failed = byte == EOF && ferror(stdin) ? errno : 0;
        if (failed == EAGAIN && ready(0, POLLIN, 0)) clearerr(stdin);
        else if (failed != 0) *bad = strerror(failed);
        else if (byte == EOF) return n == 0 ? -1 : n;
        else if (byte == '\0') *bad = "it contains a NUL byte";
        else if (n == ITEM_MAX) *bad = "it is longer than 1 MiB";
        else o.text[n++] = (char)byte;
    }
    return *bad != NULL ? -1 : n;
}

/* The list: see run.next.  An item may have room for its text already. */
static int next(struct item *item) {
    const char *bad = NULL, *text = o.text;
    long n = -1;
    if (!run.ready) n = read_text(&bad);
    else if (run.given < o.cursors && o.items == NULL)
        n = snprintf(o.text, sizeof(o.text), "%u", (unsigned)run.given);
    else if (run.given < o.cursors)
        n = (long)strlen(text = o.items[run.given]);
    if (n > (long)ITEM_MAX) bad = "it is longer than 1 MiB";
    if (n >= 0 && run.given == NONE) bad = "there are too many";
    if (n >= 0 && !bad && !item->text) item->text = calloc((size_t)n + 1, 1);
    if (n >= 0 && !bad && !item->text) bad = strerror(errno);
    if (bad != NULL)
        say("fatal: unable to take item %u: %s", (unsigned)run.given, bad);
    if (n < 0 || bad != NULL) return bad != NULL ? -1 : 0;
    memmove(item->text, text, item->length = (size_t)n);
    item->text[n] = '\0';
    return 1;
}

/* The i-th word of a synthetic cursor; the bytes lie as is natural here. */
static uint64_t word(uint32_t item, uint64_t i) {
    return (2 * (uint64_t)item + 1) * 0x9e3779b97f4a7c15u * (i + 1);
}

/* A cursor: makes its bytes in memory and delivers them at once. */
static int synthetic(uint32_t item, const char *text, void *arg) {
    uint64_t bytes = *(uint64_t *)arg, n = bytes / 8 + 1;
    uint64_t *array = bytes < SIZE_MAX / 2 ? malloc((size_t)n * 8) : NULL;
    (void)text;
    if (array == NULL) return STATUS_ERRNO + ENOMEM;
    for (size_t i = 0; i < n; i++) array[i] = word(item, i);
    int r = xclient(array, (size_t)bytes);
    free(array);
    return r;
}

/* Is a cursor's array right?  And a checksum, which depends on the order. */
static int verify(const struct item *row, uint64_t *sum) {
    uint64_t sums = *sum = 0;
    int right = row->status == 0 && row->bytes == o.bytes;
    for (size_t i = 0; right && i < row->bytes; i += 8) {
        uint64_t w = 0, expected = word(row->which, i / 8);
        size_t n = row->bytes - i < 8 ? (size_t)(row->bytes - i) : 8;
        memcpy(&w, row->data + i, n);
        right = memcmp(&w, &expected, n) == 0;
        sums += *sum += w;
    }
    *sum ^= sums << 32 | sums >> 32;
    return right;
}

/* A file cannot be written.  The run goes on, but has failed. */
static void lose(const char *name) {
    say("fatal: unable to write %s: %s", name, strerror(errno));
    run.failed = 1;
    if (name == o.arg['l']) o.ledger = NULL;
}

/* Writes an item's line into the ledger. */
static void note(const struct item *item, enum state state, int value) {
    double epoch = seconds_of(CLOCK_REALTIME) - now();
    fprintf(o.ledger, "%u\t%s\t%.3f\t%.3f\t0\t%ju\t%d\t%d\t",
        (unsigned)item->which,
        item->tries > 0 && !item->pid ? inet_ntoa(item->peer.sin_addr) : ":",
        item->tries > 0 ? item->began + epoch : 0, item->took,
        (uintmax_t)item->bytes, value,
        state == KILLED ? item->status - STATUS_SIGNAL : 0);
    for (char **word = o.cmd.argv; *word != NULL; word++) {
        char *text = substitute(*word, item->text);
        for (char *p = text; p != NULL && *p != '\0'; p++)
            if ((unsigned char)*p < ' ') *p = ' '; /* it ends a column */
        if (text) fprintf(o.ledger, word > o.cmd.argv ? " %s" : "%s", text);
        free(text);
    }
    fprintf(o.ledger, "\t%s\n", words[state]);
    if (fflush(o.ledger) != 0 || ferror(o.ledger)) lose(o.arg['l']);
}

/* Lets an exit status count, if it matters more than what was so far. */
static void worse(int status) {
    static const char order[7] = {0, 123, 125, 124, 126, 127, 1};
    if (memchr(order, o.status, 7) < memchr(order, status, 7))
        o.status = status;
}

/* An item's last word: see run.done. */
static void done(struct item *item) {
    static const int statuses[] = {0, 123, 125, 124, 123, 0};
    int st = item->status, value = -1;
    enum state state = FAILED;
    if (item->tries == 0) state = UNSTARTED;
    else if (st == STATUS_LOST) state = INCOMPLETE;
    else if (st >= STATUS_ERRNO) value = 126 + (st == STATUS_ERRNO + ENOENT);
    else if (st >= STATUS_TIMEOUT) state = TIMEOUT;
    else if (st >= STATUS_SIGNAL) state = KILLED;
    else if ((value = st) == 0) state = COMPLETE;
    worse(st >= STATUS_ERRNO ? value : statuses[state]);
    o.count[state]++;
    if (o.ledger != NULL) note(item, state, value);
    if (o.rows) o.rows[item->which] = *item, item->data = NULL;
}

/* The line of progress: see run.tick.  The terminal is told not to wrap it. */
static void tick(const struct run *r, const struct item *turn) {
    static double last;
    static uint64_t before;
    static int shown;
    char line[256], wait[40] = "";
    double t = now(), rate = (double)(r->bytes - before) / 1e6 / (t - last);
    if ((t - last < 0.1 && !r->midline) || tcgetpgrp(2) != getpgrp()) return;
    if (r->midline && shown) writen(2, "\033[K", 3);
    if ((shown = !r->midline) == 0) return;
    before = r->bytes, last = t;
    unsigned w = turn != NULL ? turn->which : 0;
    if (turn) snprintf(wait, sizeof(wait), ", waiting for item %u", w);
    snprintf(line, sizeof(line),
        "\033[?7l%u/%u%s items, %.1f MB, %.1f MB/s%s\033[K\033[?7h\r",
        o.count[COMPLETE], (unsigned)(r->ready ? o.cursors : r->given),
        r->ready || r->listed ? "" : "+", (double)r->bytes / 1e6, rate,
        r->files || ready(1, POLLOUT, now()) ? wait : ", output is slow");
    writen(2, line, strlen(line));
}

/* The demonstration's report. */
static void table(double took) {
    uintmax_t total = 0, right = 0;
    size_t room = ((size_t)run.given + 3) * 100, n; /* enough */
    char *text = malloc(room);
    if (text == NULL) fatal("hold ", "the table", strerror(ENOMEM));
    n = (size_t)snprintf(text, room,
        "which      pid        bytes   seconds  checksum          status\n");
    for (uint32_t i = 0; i < run.given; i++) {
        struct item *row = &o.rows[i];
        uint64_t sum;
        int good = verify(row, &sum);
        n += (size_t)snprintf(text + n, room - n,
            "%5u %8ld %12ju %9.6f  %016jx  %s\n", (unsigned)i, (long)row->pid,
            (uintmax_t)row->bytes, row->took, (uintmax_t)sum,
            good ? "complete" : "incomplete or wrong");
        total += row->bytes, right += (unsigned)good;
    }
    n += (size_t)snprintf(text + n, room - n,
        "%ju of %ju cursors complete and right, %ju of %ju bytes, "
        "%.6f s, %.1f MB/s\n",
        right, (uintmax_t)o.cursors, total, (uintmax_t)(o.cursors * o.bytes),
        took, (double)total / 1e6 / took);
    if (right != o.cursors) worse(123);
    if (writen(1, text, n) == n) return;
    if (errno == EPIPE) signals_die(SIGPIPE);
    lose("standard output");
}

/* Accounts for items not reached, as far as known, and says how it went. */
static void summary(void) {
    struct item item = {.text = o.text}; /* memory may be short */
    if (run.ready && !run.listed && !o.ledger && !o.rows) {
        o.count[UNSTARTED] += (unsigned)o.cursors - run.given;
        run.given = (uint32_t)o.cursors;
    }
    int more = 0;
    while (!run.listed && run.prompt && (more = next(&item)) > 0)
        item.which = run.given++, done(&item);
    run.failed |= more < 0;
    char line[6 * 30];
    for (int i = 0, n = 0; i < 6; i++)
        n += snprintf(line + n, 30, ", %u %s", o.count[i], words[i]);
    if (o.count[COMPLETE] < run.given || run.verbose) say("%s", line + 2);
}

/* Raises the limit of descriptors, or lowers the jobs to what that allows. */
static void afford(void) {
    getrlimit(RLIMIT_NOFILE, &o.files);
    struct rlimit r = {o.files.rlim_max, o.files.rlim_max};
    while (setrlimit(RLIMIT_NOFILE, &r) < 0 && r.rlim_cur > o.files.rlim_cur)
        r.rlim_cur /= 2; /* there may be another limit, and no way to ask */
    run.limit = r.rlim_cur < 1 << 20 ? (int)r.rlim_cur : 1 << 20;
    for (int fd = 3; fd < 1024; fd++) run.limit -= fcntl(fd, F_GETFD) >= 0;
    run.limit = (run.limit - 24) / (run.files ? 2 : 1); /* 24: to come */
    if (run.limit < 2) fatal("run", "", "too few file descriptors");
    if (run.jobs <= run.limit - run.limit / 4) return;
    run.jobs = run.limit - run.limit / 4;
    say("warning: file descriptors allow only %d jobs", run.jobs);
}

/* Forks the children, or as many as there may be. */
static void fork_children(void) {
    for (int k = 0; k < run.jobs; k++) {
        int pid = child_fork();
        if (pid < 0) {
            if (k == 0) fatal("fork", "", strerror(errno));
            child_kill(run.jobs = (k + 2) / 3); /* child, thread, command */
            say("warning: only %d jobs: unable to fork more", run.jobs);
        }
        if (pid != 0) continue;
        close(s), setrlimit(RLIMIT_NOFILE, &o.files); /* a child's life */
        int r = run.keep ? client(run.token, (uint32_t)k, synthetic, &o.bytes)
                         : client(run.token, (uint32_t)k, command, &o.cmd);
        _exit(r < 0 ? 2 : r == 1);
    }
}

/* Opens the files that options name, and makes the table. */
static void open_files(void) {
    const char *list = o.arg['a'];
    struct stat st;
    if (list && strcmp(list, "-") != 0 && (close(0), open(list, O_RDONLY) < 0))
        fatal("open ", list, strerror(errno));
    run.prompt |= fstat(0, &st) == 0 && S_ISREG(st.st_mode);
    if (o.arg['l'] != NULL) {
        if ((o.ledger = fopen(o.arg['l'], "w")) == NULL)
            fatal("create ", o.arg['l'], strerror(errno));
        fcntl(fileno(o.ledger), F_SETFD, FD_CLOEXEC);
        fprintf(o.ledger,
            "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\t"
            "Exitval\tSignal\tCommand\tState\n");
    }
    if (run.keep) o.rows = calloc((size_t)o.cursors + 1, sizeof(*o.rows));
    if (run.keep && !o.rows) fatal("hold ", "the table", strerror(errno));
}

/* Serves, and says how it went. */
static void serve(void) {
    afford();
    if (server_open(o.arg['p']) < 0) exit(1);
    if (o.ledger != NULL && fflush(o.ledger) != 0) lose(o.arg['l']);
    if (run.verbose) say("listening on %s port %d", hname, (int)sport);
    double start = now();
    if (o.arg['q'] == NULL && !run.verbose && isatty(2)) run.tick = tick;
    fork_children();
    server(&run);
    signals_default();
    if (run.tick != NULL) run.midline = 1, tick(&run, NULL);
    if (run.keep && run.signal == 0) table(now() - start);
    summary();
    if (o.ledger != NULL && fclose(o.ledger) != 0) lose(o.arg['l']);
    if (run.signal == 0 && close(1) < 0) lose("standard output");
}

int main(int argc, char **argv) {
    for (int fd = 0, wrong = O_WRONLY; fd < 3; fd++, wrong = O_RDONLY)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", wrong) < 0)
            fatal("start", "", strerror(errno)); /* closed: to use it fails */
    run.next = next, run.done = done;
    command_line(argc, argv);
    unsetenv("GATHER_TOKEN"); /* commands shall not find it */
    open_files(); /* FIFOs may wait for ever: signals are not handled yet */
    if (signals_init() < 0 ||
        (!run.remote && o.client == 0 && make_token(run.token) < 0))
        fatal("start", "", strerror(errno));
    if (o.client == 0) serve();
    else {
        int r = client(run.token, o.client, command, &o.cmd);
        int none = r == 2 && o.client != NONE;
        run.signal = signals_next();
        if (none) say("fatal: item %s is not to be had", o.arg['w']);
        if (r == 1 && !run.signal) say("fatal: the connection is lost");
        run.failed = r < 0 || r == 1 || none;
    }
    if (run.signal != 0) signals_die(run.signal);
    if (run.failed) worse(1);
    _exit(o.status); /* not exit(): a thread may be in the middle of a call */
}
