/*
 * gather - runs many cursors or commands at once and gathers what they have to
 * say: whole, in order, and with proof that nothing is missing.
 *
 *  1. The parent binds and listens, then forks its children, no more than
 *     there may be items for, then starts threads.  Nothing is forked after
 *     the first thread; a child has one thread for ever.
 *  2. A child is a client.  It connects, proves that it belongs to the parent,
 *     asks for an item, delivers its bytes and, with their number, its end;
 *     the reply to that is the next item, until the server says goodbye.
 *     Child k begins with item k, if the list is known and nobody can come
 *     from elsewhere.
 *  3. The parent's main thread sleeps in poll(), for signals and connections.
 *     It alone accepts, reaps, and decides that a run is at its end; and it
 *     talks to whoever has not proved yet who he is, without waiting for him
 *     (lib/door.c).
 *  4. A client that has proved itself has one detached thread here, which owns
 *     the connection, and the item that runs there.  Signals are for the main
 *     thread only.
 *  5. An item has one state, which one function changes (lib/items.c).  Its
 *     bytes are in blocks, of which each byte belongs to the thread that reads
 *     or to the one that writes (lib/memory.h).  One thread at a time writes
 *     standard output: what the item has whose turn it is (lib/output.c).
 *  6. All that threads share is behind one lock, and nobody waits for somebody
 *     else with it.  Who waits for what, and who wakes, is a table in
 *     lib/monitor.h.
 *  7. An item is complete when its end has arrived with success, the number of
 *     its bytes is right, and they are where they belong.  The number of items
 *     that have come to their end, not that of connections or children, ends
 *     the run.
 *  8. A command leads a session of its own, below its child.  The child ends
 *     it when its time is up or the connection is lost; the parent does so if
 *     that child has died; and a parent that dies loses all connections.
 *  9. With -c this program is but a client, of a server elsewhere.
 *
 * Here: what the options mean for a run, forking, main().  server.c is the
 * parent's side, client.c the child's, lib/ what makes a tool of these two.
 */
#include "lib/command.h"
#include "lib/demo.h"
#include "lib/gather.h"
#include "lib/inuse.h"
#include "lib/items.h"
#include "lib/ledger.h"
#include "lib/list.h"
#include "lib/options.h"
#include "lib/report.h"
#include "lib/resolve.h"
#include "lib/say.h"
#include "lib/secret.h"
#include "lib/system.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* Children connect all at once: Linux lets 4096 wait, the rest dial again.
 * Each job also is three of Linux's 32,768 processes. */
#define JOBS_MOST 8192
#define PROCESSES_PLENTY 1000 /* of a user, beside those of this run */
#define SHARE 8 /* 1 in 8 is kept for what commands fork, if few are there */
#define SPARE_DESCRIPTORS 24 /* for all but connections and files */
#define DESCRIPTORS_MAX (1 << 20)
#define DESCRIPTORS_LOOKED_AT 1024 /* those inherited are expected below */

static struct options options;
static struct config config;
static struct command command;
static unsigned char secret[SECRET_SIZE]; /* of this run and its children */
static struct rlimit files_limit;         /* RLIMIT_NOFILE as it came */

/* Ends gather, which was unable to do something. */
static void fatal(const char *what, const char *reason) {
    say("fatal: unable to %s: %s", what, reason);
    exit(1);
}

/* --- Preparing */

/* Opens descriptors 0, 1 and 2 if they are closed, so that nothing else gets
 * these numbers.  They are opened the wrong way, so to use them fails. */
static void open_standard_descriptors(void) {
    for (int fd = 0; fd < 3; fd++) {
        int mode = fd == 0 ? O_WRONLY : O_RDONLY;
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", mode) < 0)
            fatal("start", strerror(errno));
    }
}

/* Adds to the configuration what the options do not say. */
static void complete_config(void) {
    config.secret = secret;
    config.jobs = list_expect(config.jobs); /* no children without items */
    config.list_speed = list_speed();
    config.list_length = list_length();
}

/* How many descriptors are open already, besides 0 to 2. */
static int count_inherited(void) {
    static struct pollfd poll_fds[DESCRIPTORS_LOOKED_AT];
    int count = 0;
    for (int fd = 3; fd < DESCRIPTORS_LOOKED_AT; fd++)
        poll_fds[fd].fd = fd;
    bool answered = poll(poll_fds + 3, DESCRIPTORS_LOOKED_AT - 3, 0) >= 0;
    for (int fd = 3; fd < DESCRIPTORS_LOOKED_AT; fd++) {
        bool open_now = answered ? (poll_fds[fd].revents & POLLNVAL) == 0
                                 : fcntl(fd, F_GETFD) >= 0;
        count += open_now;
    }
    return count;
}

/* Lowers the jobs to what can be connected. */
static void afford_connections(void) {
    if (config.jobs <= JOBS_MOST)
        return;
    config.jobs = JOBS_MOST;
    say("warning: only %d jobs: more might not be able to connect",
        config.jobs);
}

/* Raises the limit of descriptors, and lowers the jobs to what it allows. */
static void afford_descriptors(void) {
    getrlimit(RLIMIT_NOFILE, &files_limit); /* fails for no known limit */
    struct rlimit limit = files_limit;
    limit.rlim_cur = limit.rlim_max;
    while (limit.rlim_cur > files_limit.rlim_cur &&
        setrlimit(RLIMIT_NOFILE, &limit) < 0)
        limit.rlim_cur /= 2; /* there may be another limit, unknown to us */
    getrlimit(RLIMIT_NOFILE, &limit); /* some grant less and do not say so */
    int most = DESCRIPTORS_MAX;
    if (limit.rlim_cur < DESCRIPTORS_MAX)
        most = (int)limit.rlim_cur;
    most -= count_inherited() + SPARE_DESCRIPTORS;
    if (config.destination == TO_FILES)
        most /= 2; /* each connection has a file */
    if (most < 2)
        fatal("run", "too few file descriptors");
    config.connections_max = most;
    int others = most > 4 ? most / 4 : 1; /* who is no child needs a place */
    if (config.jobs <= most - others)
        return;
    config.jobs = most - others;
    say("warning: file descriptors allow only %d jobs", config.jobs);
}

/* --- Children */

/* The life of a child: a client of the parent. */
static void be_child(uint32_t number) {
    struct identity me = {
        .kind = CLIENT_CHILD,
        .number = number,
        .secret = secret,
    };
    close(s);                               /* it is the parent's */
    setrlimit(RLIMIT_NOFILE, &files_limit); /* commands get it as it was */
    bool demonstration = options.mode == MODE_DEMONSTRATION;
    cursor *work = demonstration ? demo_cursor : command_run;
    enum client_end end = client(&me, work, &command);
    _exit(end == CLIENT_DONE || end == CLIENT_IDLE ? 0 : 1);
}

/* Ends the children, for which there will be no server. */
static void end_children(void) {
    double deadline = now() + GRACE;
    int status;
    child_kill(0);
    while (children > 0 && now() < deadline)
        if (child_reap(&status) >= 0)
            children--;
        else
            poll(NULL, 0, 10); /* or until one of them has ended */
}

/* So many processes were to be had, beside this one, and no more.  Lowers the
 * jobs to what these are enough for, as each job needs some; a few are kept,
 * since commands fork as well. */
static void afford_processes(int count, int needed) {
    int most = (count - count / SHARE) / needed;
    if (config.jobs > most)
        config.jobs = most;
}

/* Forks so many children for each job.  As the list may come to its end
 * meanwhile, the jobs are looked at again and again.  Returns how many were
 * forked; *error is 0, or says why these are not all. */
static int fork_for_jobs(int each, int *error) {
    int count = 0;
    *error = 0;
    while (count < each * config.jobs) {
        int pid = child_fork();
        if (pid == 0)
            be_child((uint32_t)count);
        if (pid < 0) {
            *error = errno;
            break;
        }
        count++;
        config.jobs = list_expect(config.jobs);
    }
    return count;
}

/* Forks the children: as many as there may be items for, or as there is room
 * for.  A job needs a thread and a command besides.  So where a user may have
 * few processes, room is sought for these, too, by forking as many; and
 * children beyond the jobs are killed. */
static void fork_children(void) {
    int needed = options.mode == MODE_DEMONSTRATION ? 2 : 3;
    unsigned long plenty =
        (unsigned long)needed * (unsigned long)config.jobs + PROCESSES_PLENTY;
    int each = system_process_limit() < plenty ? needed : 1;
    int error;
    int count = fork_for_jobs(each, &error);
    int wanted = config.jobs;
    if (error != 0)
        afford_processes(count, needed);
    if (config.jobs < wanted && config.jobs == 0) {
        end_children();
        fatal("fork", strerror(error));
    }
    child_kill(config.jobs); /* server() waits for their end */
    if (config.jobs < wanted)
        say("warning: only %d jobs: unable to fork more", config.jobs);
}

/* --- Serving */

/* Accounts for items that were not reached: those of a list that is known or
 * a regular file. */
static void account_for_rest(struct result *result) {
    if (result->listed || config.list_speed == LIST_SLOW ||
        items_list_is_read()) /* by a thread that was left behind */
        return;
    if (config.list_speed == LIST_KNOWN && options.argument['l'] == NULL) {
        result->count[UNSTARTED] += config.list_length - result->given;
        result->given = config.list_length;
        result->listed = true;
        return;
    }
    for (;;) {
        struct item item = {
            .which = (uint32_t)result->given,
            .outcome = UNSTARTED,
            .fd = -1,
        };
        int more = list_next(&item);
        if (more < 0)
            report_status(1);
        result->listed = more == 0;
        if (more <= 0)
            return;
        result->given++;
        result->count[UNSTARTED]++;
        if (!result->stuck)
            ledger_item(&item);
        free(item.text);
        signals_next(); /* shows that we are not stuck */
    }
}

/* Writes the demonstration's table, unless a signal has ended it. */
static void write_table(const struct result *result, double seconds) {
    if (config.destination != TO_ARRAYS || result->signal != 0)
        return;
    errno = demo_table(result->given, seconds);
    if (errno == EPIPE)
        signals_die(SIGPIPE);
    if (errno != 0)
        report_unwritable("standard output");
}

/* Says how it went. */
static void conclude(struct result *result, double seconds) {
    static const struct progress make_way = {.writing = true};
    report_progress(&make_way);
    if (result->failed)
        report_status(1);
    write_table(result, seconds);
    account_for_rest(result);
    report_closing(result, config.verbose);
    if (!result->stuck && !ledger_close())
        report_unwritable(options.argument['l']);
    if (result->signal == 0 && close(1) < 0)
        report_unwritable("standard output");
}

/* Notes what nothing that this run creates may replace. */
static void note_files_in_use(void) {
    if (list_speed() != LIST_KNOWN)
        inuse_note(0, "it is the list", true);
    if (options.argument['o'] == NULL)
        inuse_note(1, "it is the output", true);
    inuse_note(2, "it is standard error", false);
}

/* Creates the ledger, if one is wanted: see ledger_open(). */
static void begin_ledger(void) {
    const char *path = options.argument['l'];
    report_begin(options.command, path);
    if (path == NULL)
        return;
    if (!ledger_open(path, options.command)) {
        end_children();
        if (signals_pending())
            signals_die(signals_next());
        exit(1);
    }
}

/* Be the parent.  Returns the signal that ended it, or 0. */
static int serve(void) {
    bool demonstration = options.mode == MODE_DEMONSTRATION;
    bool shows_progress = options.argument['q'] == NULL && !config.verbose &&
        terminal_has_escapes();
    struct callbacks callbacks = {
        .next = list_next,
        .done = ledger_item,
        .tick = NULL,
    };
    struct result result;
    if (demonstration)
        callbacks.done = demo_done;
    if (shows_progress)
        callbacks.tick = report_progress;
    if (demonstration && demo_init(config.list_length, options.cursor_bytes))
        fatal("hold the table", strerror(errno));
    if (options.argument['b'] != NULL)
        snprintf(hname, sizeof(hname), "%s", options.argument['b']);
    note_files_in_use();
    afford_connections();
    afford_descriptors();
    if (server_open(options.argument['p']) < 0)
        exit(1);
    if (config.verbose)
        say("listening on %s port %d", hname, (int)sport);
    double start = now();
    fork_children();
    config.list_speed = list_speed(); /* it may be known to be empty by now */
    begin_ledger();
    server(&config, &callbacks, &result);
    signals_default();
    conclude(&result, now() - start);
    return result.signal;
}

/* Be a client of a server elsewhere.  Returns the signal that ended it, or
 * 0. */
static int be_client(void) {
    static char cat[] = "cat";
    static char *copy[] = {cat, NULL};
    bool wants_one = options.argument['w'] != NULL;
    struct identity me = {
        .kind = wants_one ? CLIENT_WANTS_ONE : CLIENT_ELSEWHERE,
        .number = options.wanted,
        .secret = options.token,
        .port = "ingreslock",
    };
    if (options.command == NULL) { /* deliver our input */
        command.argv = copy;
        command.input = true;
    }
    snprintf(hname, sizeof(hname), "%s", options.argument['c']);
    const char *port = split_address(hname);
    if (port != NULL)
        me.port = port;
    enum client_end end = client(&me, command_run, &command);
    int signal = signals_next();
    if (signal != 0)
        return signal;
    if (end == CLIENT_LOST)
        say("fatal: the connection is lost");
    if (end == CLIENT_IDLE && wants_one)
        say("fatal: item %s is not to be had", options.argument['w']);
    if (end != CLIENT_DONE && (end != CLIENT_IDLE || wants_one))
        report_status(1);
    return 0;
}

int main(int argc, char **argv) {
    signals_default();
    open_standard_descriptors();
    options_read(&options, &config, argc, argv);
    system_protect_memory(); /* there are secrets in it */
    if (options.mode != MODE_CLIENT && list_open(&options) < 0)
        exit(1);
    complete_config();
    command.argv = options.command;
    command.seconds = config.seconds;
    if (signals_init() < 0)
        fatal("start", strerror(errno));
    if (secret_make(secret) < 0)
        fatal("read /dev/urandom", strerror(errno));
    int signal = options.mode == MODE_CLIENT ? be_client() : serve();
    if (signal != 0)
        signals_die(signal);
    _exit(report_exit_status()); /* a thread may be stuck in some call */
}
