/*
 * gather - runs many cursors or commands at once and gathers what they have
 * to say in one place: whole, in order, and with proof that nothing is
 * missing.
 *
 * Processes and threads, and what holds at any time:
 *
 *  1. The parent binds and listens on the loopback interface, then forks
 *     `jobs` children, then starts threads.  Nothing forks after the first
 *     thread, and a child never has a second one.
 *  2. A child is a client: it connects, asks for an item, delivers its bytes
 *     and their count, and asks again with that, until the server says
 *     goodbye.  Child k starts with item k if the list is known beforehand.
 *     A million items cost as many connections as there are jobs.
 *  3. The main thread of the parent sleeps in poll(): signals (through the
 *     self-pipe), connections, announcements of commands.  It alone accepts,
 *     reaps and waits for the end.
 *  4. Each connection has one detached thread, with all signals blocked,
 *     which owns the descriptor, and the item while it runs.  server.c says
 *     what threads share.
 *  5. One thread at a time writes standard output: that of the item whose
 *     turn it is.  Nobody else does.
 *  6. An item is complete when its end arrived with status 0, the counts
 *     agree, and its bytes are where they belong.  The number of items that
 *     are over, not that of connections or children, ends the run.
 *  7. A command leads a session of its own, below its child.  Its child ends
 *     it when time is up or the connection is lost, the parent when that
 *     child has died.  A parent that dies loses all connections.
 *
 * protocol.h has the wire; signals.c knows who is alive; client.c runs in the
 * children, server.c in the parent.  This file: options, the list of items,
 * forking, the report, the exit status.
 */
#include "protocol.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#define MANY ((uint64_t)1 << 50) /* the largest number of bytes we take */
#define DESCRIPTORS 24           /* used beside those of connections */
#define STRANGERS 1000           /* connections to spare, if there may be */

static const char letters[] = ":0a:j:kl:m:n:o:p:qr:s:t:uv";

/* How an item can end.  The words are those of the ledger. */
enum state { COMPLETE, FAILED, KILLED, TIMEOUT, INCOMPLETE, UNSTARTED };
static const char *const words[] = {"complete", "failed",     "killed",
                                    "timeout",  "incomplete", "unstarted"};

static struct {
    char given[128];     /* the options that were given, by letter */
    uint64_t cursors;    /* -n, or how many items the command line has */
    uint64_t bytes;      /* -s: of each synthetic cursor */
    int separator;       /* of items in a list: newline, with -0 NUL */
    const char *port;    /* -p, or NULL */
    const char *list;    /* -a, or NULL */
    const char *ledger;  /* -l, or NULL */
    char **items;        /* those after :::, or NULL */
    struct command cmd;  /* argv is NULL for the demonstration */
    char *line;          /* the command, its words with a blank between */
    int list_fd;         /* where items are read, */
    char *text;          /* the latest of them, */
    size_t room;         /* in so many bytes */
    uint32_t taken;      /* items taken from the list */
    int over;            /* take what is left without waiting for anybody */
    int ledger_fd;       /* or -1 */
    struct item *rows;   /* the demonstration's items, with their data */
    uint32_t count[6];   /* items, by state */
    int status;          /* gather's own, so far */
    double epoch;        /* time of day minus now(), seconds */
    struct rlimit files; /* RLIMIT_NOFILE as it came, for the children */
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
    say("usage: gather [-qv] [-j jobs] [-n cursors] [-p port] [-s bytes]");
    say("usage: gather [-0kquv] [-a file] [-j jobs] [-l log] [-m bytes] "
        "[-n cursors] [-o template] [-p port] [-r retries] [-t seconds] "
        "command [argument ...] [::: item ...]");
    exit(1);
}

/* A number from least to most, in full; bytes may have a k, M or G. */
static uint64_t number(int opt, const char *arg, uint64_t least,
                       uint64_t most) {
    static const char units[] = "kMG";
    size_t digits = strspn(arg, "0123456789");
    const char *end = arg + digits, *unit = units;
    int shift = 0;
    if (most == MANY && *end != '\0' && (unit = strchr(units, *end)) != NULL) {
        shift = 10 * (int)(unit - units + 1);
        end++;
    }
    uint64_t n = strtoull(arg, NULL, 10);
    if (digits == 0 || digits > 18 || *end != '\0' || n > most >> shift ||
        n < least) {
        say("fatal: unable to understand -%c %s: not a number from %llu to "
            "%llu", opt, arg, (unsigned long long)least,
            (unsigned long long)most);
        exit(1);
    }
    return n << shift;
}

/* Takes one option. */
static void option(int opt, const char *arg) {
    const char name[2] = {(char)(opt == '?' || opt == ':' ? optopt : opt), 0};
    switch (opt) {
    case '0': o.separator = '\0'; break;
    case 'a': o.list = arg; break;
    case 'j': run.jobs = (int)number(opt, arg, 1, 1000000); break;
    case 'k': run.keep_going = 1; break;
    case 'l': o.ledger = arg; break;
    case 'm': run.memory = number(opt, arg, 0, MANY); break;
    case 'n': o.cursors = number(opt, arg, 0, NONE); break;
    case 'o': run.files = arg; break;
    case 'p': o.port = arg; break;
    case 'r': run.retries = (int)number(opt, arg, 0, 1000000); break;
    case 's': o.bytes = number(opt, arg, 0, MANY); break;
    case 't':
        o.cmd.seconds = strtod(arg, NULL);
        if (strspn(arg, "0123456789.") < strlen(arg) || o.cmd.seconds <= 0 ||
            strchr(arg, '.') != strrchr(arg, '.'))
            fatal("understand -t ", arg, "not a number of seconds");
        break;
    case 'u': run.unordered = 1; break;
    case 'v': run.verbose = 1; break;
    case 'q': break;
    case ':': usage("no argument for -", name); break;
    default: usage("no option -", name);
    }
    o.given[opt & 127] = 1;
}

/* Refuses those of some options that were given. */
static void refuse(const char *these, const char *why) {
    for (; *these != '\0'; these++) {
        const char name[2] = {*these, '\0'};
        if (o.given[(int)*these])
            usage(why, name);
    }
}

/* Makes the command what it has to be: an item that is mentioned nowhere goes
 * last, unless items are but numbers.  And writes it in one line. */
static void complete_command(char **words_of_it, int n) {
    int mentioned = o.given['n'];
    size_t length = 1;
    o.cmd.argv = calloc((size_t)n + 2, sizeof(char *));
    for (int i = 0; o.cmd.argv != NULL && i < n; i++) {
        o.cmd.argv[i] = words_of_it[i];
        mentioned |= strstr(words_of_it[i], "{}") != NULL;
        length += strlen(words_of_it[i]) + 1;
    }
    o.line = calloc(length + 3, 1);
    if (o.cmd.argv == NULL || o.line == NULL)
        fatal("hold ", "the command", strerror(ENOMEM));
    if (!mentioned) {
        static char braces[] = "{}";
        o.cmd.argv[n] = braces;
    }
    for (char **word = o.cmd.argv; *word != NULL; word++)
        strcat(strcat(o.line, word == o.cmd.argv ? "" : " "), *word);
}

/* Reads the command line; ends gather if it makes no sense. */
static void command_line(int argc, char **argv) {
    int opt, n;
    while ((opt = getopt(argc, argv, letters)) != -1)
        option(opt, optarg);
    for (n = optind; n < argc && strcmp(argv[n], ":::") != 0; n++)
        continue;
    if (n < argc) {
        o.items = argv + n + 1;
        o.cursors = (uint64_t)(argc - n - 1);
        refuse("0an", "items after ::: beside -");
        for (char **item = o.items; *item != NULL; item++)
            if (strcmp(*item, ":::") == 0)
                usage("a second ", ":::");
    }
    if (o.given['n'])
        refuse("0a", "-n beside -");
    if (n > optind) {
        refuse("s", "a command beside -");
        complete_command(argv + optind, n - optind);
    } else {
        refuse("0aklmortu", "no command for -");
        if (o.items != NULL)
            usage("no command for ", "the items after :::");
    }
    if (run.files != NULL) {
        refuse("mu", "-o beside -");
        if (strstr(run.files, "{}") == NULL)
            usage("no {} in -o ", run.files);
    }
    run.keep = o.cmd.argv == NULL;
    run.ready = run.keep || o.given['n'] || o.items != NULL;
    if (run.ready && o.cursors < (uint64_t)run.jobs)
        run.jobs = (int)o.cursors;
}

/* The next byte of the list; -1 at its end, or after the run where somebody
 * would have to be waited for; -2 on an error. */
static int list_byte(void) {
    static unsigned char buffer[1 << 16];
    static size_t at, have;
    struct stat st;
    if (at == have) {
        if (o.over && (fstat(o.list_fd, &st) < 0 || !S_ISREG(st.st_mode)))
            return -1;
        ssize_t n;
        while ((n = read(o.list_fd, buffer, sizeof(buffer))) < 0)
            if (errno != EINTR && (errno != EAGAIN ||
                                   !ready(o.list_fd, POLLIN, 0)))
                return -2;
        if (n == 0)
            return -1;
        at = 0;
        have = (size_t)n;
    }
    return buffer[at++];
}

/* Reads an item into o.text.  Returns its length; -1 at the end of the list,
 * -2 after an error, which it has said. */
static long read_text(void) {
    size_t n = 0;
    int byte;
    while ((byte = list_byte()) >= 0 && byte != o.separator) {
        if (n == o.room) {
            size_t room = o.room ? 2 * o.room : 128;
            char *more = realloc(o.text, room);
            if (more == NULL)
                break;
            o.text = more;
            o.room = room;
        }
        o.text[n++] = (char)byte;
        if (byte == '\0' || n > ITEM_MAX)
            break;
    }
    if (byte == o.separator || (byte == -1 && n > 0 && !o.over))
        return (long)n;
    if (byte != -1)
        say("fatal: unable to take item %lu: %s", (unsigned long)o.taken,
            byte == -2    ? strerror(errno)
            : byte == 0   ? "it contains a NUL byte"
            : n > ITEM_MAX ? "it is longer than 1 MiB"
                           : strerror(ENOMEM));
    return byte == -1 ? -1 : -2;
}

/* The list: see run.next. */
static int next(struct item *item) {
    char digits[16];
    const char *text = digits;
    long n = -1;
    if (o.items != NULL) {
        if ((text = *o.items) != NULL && o.items++)
            n = (long)strlen(text);
    } else if (run.ready) {
        if (o.taken < o.cursors)
            n = snprintf(digits, sizeof(digits), "%lu",
                         (unsigned long)o.taken);
    } else {
        n = read_text();
        text = o.text;
    }
    if (n < 0)
        return n == -1 ? 0 : -1;
    item->length = (size_t)n;
    if (o.taken == NONE || n > (long)ITEM_MAX ||
        (item->text = calloc(item->length + 1, 1)) == NULL) {
        say("fatal: unable to take item %lu", (unsigned long)o.taken);
        return -1;
    }
    if (n > 0)
        memcpy(item->text, text, item->length);
    o.taken++;
    return 1;
}

/* The i-th word of a synthetic cursor; the bytes lie as is natural here. */
static uint64_t word(uint32_t item, uint64_t i) {
    return (2 * (uint64_t)item + 1) * 0x9e3779b97f4a7c15u * (i + 1);
}

/* A cursor: makes its bytes in memory and delivers them at once. */
static int synthetic(uint32_t item, const char *text, void *arg) {
    uint64_t bytes = *(uint64_t *)arg;
    size_t n = (size_t)(bytes / 8 + 1);
    uint64_t *array = bytes < SIZE_MAX / 2 ? malloc(n * sizeof(*array)) : NULL;
    (void)text;
    if (array == NULL)
        return STATUS_ERRNO + ENOMEM;
    for (size_t i = 0; i < n; i++)
        array[i] = word(item, i);
    int r = xclient(array, (size_t)bytes);
    free(array);
    return r;
}

/* The checksum of data, or of what they should be if they are NULL: the sum
 * of all words, and of these sums, which makes it depend on their order. */
static uint64_t checksum(uint32_t item, const unsigned char *data,
                         uint64_t bytes) {
    uint64_t sum = 0, sums = 0;
    for (uint64_t i = 0; i < bytes; i += 8) {
        uint64_t w = 0, full = word(item, i / 8);
        size_t n = bytes - i < 8 ? (size_t)(bytes - i) : 8;
        memcpy(&w, data != NULL ? data + i : (unsigned char *)&full, n);
        sum += w;
        sums += sum;
    }
    return sum ^ (sums << 32 | sums >> 32);
}

/* Lets an exit status count, if it matters more than what was so far. */
static void worse(int status) {
    static const char order[] = {0, 123, 125, 124, 127, 1};
    const char *p = order, *q = order;
    while (*p != (char)(status == 126 ? 127 : status))
        p++;
    while (*q != (char)(o.status == 126 ? 127 : o.status))
        q++;
    if (p > q)
        o.status = status;
}

/* Writes to the ledger.  A run goes on without it, since its data are good,
 * but it has failed. */
static void note(const char *line, size_t n) {
    if (o.ledger_fd < 0 || writen(o.ledger_fd, line, n) == n)
        return;
    say("fatal: unable to write %s: %s", o.ledger, strerror(errno));
    run.failed = 1;
    close(o.ledger_fd);
    o.ledger_fd = -1;
}

/* Writes the line of an item into the ledger. */
static void note_item(const struct item *item, int state, int value) {
    char *text = o.ledger_fd >= 0 ? substitute(o.line, item->text) : NULL;
    char *line = text != NULL ? malloc(strlen(text) + 200) : NULL;
    for (char *p = text; p != NULL && *p != '\0'; p++)
        if ((unsigned char)*p < ' ')
            *p = ' '; /* it would end the column, or the line */
    if (line != NULL) {
        int n = sprintf(line, "%lu\t:\t%.3f\t%.3f\t0\t%llu\t%d\t%d\t%s\t%s\n",
                        (unsigned long)item->which,
                        item->tries > 0 ? item->began + o.epoch : 0,
                        item->took, (unsigned long long)item->bytes, value,
                        state == KILLED ? item->status - STATUS_SIGNAL : 0,
                        text, words[state]);
        note(line, (size_t)n);
    }
    free(line);
    free(text);
}

/* An item's last word: see run.done. */
static void done(struct item *item) {
    int st = item->status, state = FAILED, value = st, status = 123;
    if (item->tries == 0)
        state = UNSTARTED, value = -1, status = 0;
    else if (st == STATUS_LOST)
        state = INCOMPLETE;
    else if (st >= STATUS_ERRNO)
        value = status = st == STATUS_ERRNO + ENOENT ? 127 : 126;
    else if (st == STATUS_TIMEOUT)
        state = TIMEOUT, value = -1, status = 124;
    else if (st > STATUS_SIGNAL)
        state = KILLED, value = -1, status = 125;
    else if (st == 0)
        state = COMPLETE, status = 0;
    worse(status);
    o.count[state]++;
    note_item(item, state, value);
    if (o.rows != NULL) {
        o.rows[item->which] = *item;
        item->data = NULL;
    }
}

/* How many columns the terminal on standard error has. */
static int columns(void) {
#ifdef TIOCGWINSZ /* not in POSIX, but wherever there are windows */
    struct winsize w;
    if (ioctl(2, TIOCGWINSZ, &w) == 0 && w.ws_col > 0) return w.ws_col;
#endif
    return 80;
}

/* The line of progress: see run.tick. */
static void tick(const struct run *r, const struct item *turn) {
    static double last;
    static uint64_t before;
    char line[200], total[24] = "", wait[40] = "";
    double t = now(), rate = (double)(r->bytes - before) / 1e6 / (t - last);
    if (t - last < r->interval) return;
    before = r->bytes;
    last = t;
    if (r->ready || r->listed)
        snprintf(total, sizeof(total), "/%lu",
                 (unsigned long)(r->ready ? o.cursors : r->given));
    if (!r->writing && turn != NULL)
        snprintf(wait, sizeof(wait), ", waiting for item %lu",
                 (unsigned long)turn->which);
    int n = snprintf(line, sizeof(line) - 8, "%lu%s items, %.1f MB, %.1f MB/s%s",
                     (unsigned long)o.count[COMPLETE], total,
                     (double)r->bytes / 1e6, rate,
                     r->writing ? ", standard output is slow" : wait);
    n = n < columns() ? n : columns() - 1;
    strcpy(line + n, "\033[K\r");
    writen(2, line, strlen(line));
}

/*
 * The demonstration's report.  A cursor is right if its size and the checksum
 * of its array are those that the parent computes for itself.
 */
static void table(double took) {
    uint64_t total = 0;
    unsigned long right = 0;
    printf("which      pid        bytes   seconds  checksum          status\n");
    for (uint32_t i = 0; i < run.given; i++) {
        struct item *row = &o.rows[i];
        uint64_t sum = checksum(i, row->data, row->bytes);
        int good = row->status == 0 && row->bytes == o.bytes &&
                   sum == checksum(i, NULL, o.bytes);
        printf("%5lu %8ld %12llu %9.6f  %016llx  %s\n", (unsigned long)i,
               (long)row->pid, (unsigned long long)row->bytes, row->took,
               (unsigned long long)sum,
               good ? "complete" : row->status == 0 ? "wrong" : "incomplete");
        total += row->bytes;
        right += (unsigned long)good;
        free(row->data);
    }
    printf("%lu of %llu cursors complete and right, %llu of %llu bytes, "
           "%.6f s, %.1f MB/s\n", right, (unsigned long long)o.cursors,
           (unsigned long long)total, (unsigned long long)(o.cursors * o.bytes),
           took, (double)total / 1e6 / took);
    if (right != o.cursors) worse(123);
}

/* Accounts for the items that the run did not reach, as far as that needs no
 * waiting, and says how it went if it did not go well. */
static void summary(void) {
    struct item item;
    memset(&item, 0, sizeof(item));
    o.over = 1;
    while (!run.reading && !run.listed && next(&item) > 0) {
        item.which = run.given++;
        done(&item);
        free(item.text);
    }
    if (o.count[COMPLETE] < run.given)
        say("%lu complete, %lu failed, %lu killed, %lu timed out, "
            "%lu incomplete, %lu unstarted", (unsigned long)o.count[COMPLETE],
            (unsigned long)o.count[FAILED], (unsigned long)o.count[KILLED],
            (unsigned long)o.count[TIMEOUT],
            (unsigned long)o.count[INCOMPLETE],
            (unsigned long)o.count[UNSTARTED]);
    else if (run.verbose)
        say("operation complete: %lu items, %llu bytes",
            (unsigned long)run.given, (unsigned long long)run.bytes);
}

/* Sees to it that 0, 1 and 2 are in use, so that nothing else ends up there.
 * What came in closed is opened the wrong way round: using it fails. */
static void occupy(void) {
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            (void)open("/", O_RDONLY); /* there may be no /dev */
}

/* Raises the limit of descriptors to what jobs need and some strangers take;
 * or lowers the jobs to what it allows. */
static void afford(void) {
    int each = run.files != NULL ? 2 : 1; /* descriptors of a job */
    rlim_t want = (rlim_t)(run.jobs * each + STRANGERS);
    struct rlimit r;
    run.limit = run.jobs + STRANGERS;
    if (getrlimit(RLIMIT_NOFILE, &o.files) < 0) return;
    r = o.files;
    if (r.rlim_cur < want) {
        r.rlim_cur = r.rlim_max < want ? r.rlim_max : want;
        if (setrlimit(RLIMIT_NOFILE, &r) < 0) r = o.files;
    }
    if (r.rlim_cur >= want) return;
    run.limit = ((int)r.rlim_cur - DESCRIPTORS) / each;
    if (run.limit < 2) fatal("run", "", "too few file descriptors");
    if (run.jobs > run.limit - run.limit / 4) {
        run.jobs = run.limit - run.limit / 4;
        say("warning: file descriptors allow only %d jobs", run.jobs);
    }
}

/* The whole life of a child. */
static void child(uint32_t k, pid_t parent) {
    int r;
    close(s);
    cport = sport;
    setrlimit(RLIMIT_NOFILE, &o.files);
    if (o.cmd.argv != NULL)
        r = client(run.token, k, command, &o.cmd);
    else
        r = client(run.token, k, synthetic, &o.bytes);
    if (r < 0 && getppid() == parent) kill(parent, SIGUSR1);
    _exit(r != 0);
}

/* Forks the children, or as many as there may be. */
static void fork_children(void) {
    pid_t parent = getpid();
    for (int k = 0; k < run.jobs; k++) {
        int pid = child_fork();
        if (pid == 0) child((uint32_t)k, parent);
        if (pid < 0) {
            if (k == 0) fatal("fork", "", strerror(errno));
            say("warning: only %d jobs: unable to fork: %s", k,
                strerror(errno));
            run.jobs = k;
        }
    }
}

/* Opens the files that options name, and makes the table. */
static void open_files(void) {
    static const char head[] = "Seq\tHost\tStarttime\tJobRuntime\tSend\t"
                               "Receive\tExitval\tSignal\tCommand\tState\n";
    if (o.list != NULL && strcmp(o.list, "-") != 0) {
        if ((o.list_fd = open(o.list, O_RDONLY)) < 0)
            fatal("open ", o.list, strerror(errno));
        fcntl(o.list_fd, F_SETFD, FD_CLOEXEC);
    }
    if (o.ledger != NULL) {
        o.ledger_fd = open(o.ledger, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        if (o.ledger_fd < 0) fatal("create ", o.ledger, strerror(errno));
        fcntl(o.ledger_fd, F_SETFD, FD_CLOEXEC);
        note(head, sizeof(head) - 1);
    }
    if (run.keep &&
        (o.rows = calloc((size_t)o.cursors + 1, sizeof(*o.rows))) == NULL)
        fatal("hold ", "the table", strerror(errno));
}

/* Closes what has been written, and ends gather as it deserves. */
static void conclude(void) {
    int bad = o.ledger_fd >= 0 && close(o.ledger_fd) < 0;
    if (bad) say("fatal: unable to write %s: %s", o.ledger, strerror(errno));
    if (run.signal == 0 && (fflush(stdout) != 0 || close(1) < 0)) {
        if (errno == EPIPE) signals_die(SIGPIPE);
        say("fatal: unable to write standard output: %s", strerror(errno));
        bad = 1;
    }
    if (run.signal != 0) signals_die(run.signal);
    if (bad || run.failed) worse(1);
    _exit(o.status); /* not exit(): a thread may be in the middle of a call */
}

int main(int argc, char **argv) {
    struct timeval t;
    occupy();
    o.cursors = 20;
    o.bytes = 1u << 20;
    o.separator = '\n';
    o.ledger_fd = -1;
    run.jobs = 20;
    run.memory = 64u << 20;
    run.next = next;
    run.done = done;
    run.tick = tick;
    command_line(argc, argv);
    if (signals_init() < 0 || make_token(run.token) < 0)
        fatal("start", "", strerror(errno));
    open_files();
    afford();
    if (server_open(o.port) < 0) return 1;
    if (run.verbose) say("listening on %s port %d", hname, (int)sport);
    double start = now();
    gettimeofday(&t, NULL);
    o.epoch = (double)t.tv_sec + (double)t.tv_usec / 1e6 - start;
    int shows = !o.given['q'] && !run.verbose && isatty(2);
    run.interval = shows ? 0.1 : 0;
    fork_children();
    server(&run);
    if (shows) writen(2, "\033[K", 3);
    if (run.keep && run.signal == 0) table(now() - start);
    summary();
    conclude();
}
