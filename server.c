/*
 * server.c - the parent's side: server_open() binds and listens, server()
 * accepts, one detached thread per client runs xserve().
 *
 * lib/monitor.h has the rules of the lock, and who waits for whom; lib/items.c
 * the life of an item; lib/output.c what becomes of its bytes.
 */
#include "protocol.h"
#include "lib/door.h"
#include "lib/exchange.h"
#include "lib/gather.h"
#include "lib/items.h"
#include "lib/monitor.h"
#include "lib/output.h"
#include "lib/resolve.h"
#include "lib/say.h"
#include "lib/system.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define STACK ((size_t)96 << 10) /* bytes; the usual, if that is too few */
#define TICK 0.1                 /* seconds between looks at the progress */
#define LATE (2.5 * GRACE) /* seconds: then what is still there is cut off */
#define UNWINDING (GRACE / 5) /* seconds for threads to end after an abort */

struct sockaddr_in sa;          /* where the server listens */
struct hostent *ha;             /* the same, as the resolver gave it */
struct servent *svs;            /* the service; NULL: the port is a number */
int s = -1, ds = -1;            /* listening; the connection just accepted */
char hname[2048] = "127.0.0.1"; /* the host; this asks no resolver */
unsigned short sport;           /* the server's port, host byte order */

/* --- Listening */

/* Makes s listen on a port, in host byte order, at the first address of ha
 * that this machine has.  Returns 0, or -1 with errno set.  bind() alone does
 * not tell: two sockets may be bound to one port while neither of them
 * listens. */
static int listen_on(long port) {
    int error = EADDRNOTAVAIL;
    sa.sin_port = htons((uint16_t)port);
    for (char **address = ha->h_addr_list;
         *address != NULL && error == EADDRNOTAVAIL; address++) {
        memcpy(&sa.sin_addr, *address, sizeof(sa.sin_addr));
        s = socket(AF_INET, SOCK_STREAM, 0);
        if (s >= 0 && system_tune_listener(s) == 0 &&
            bind(s, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
            listen(s, SOMAXCONN) == 0)
            return 0;
        error = errno;
        if (s >= 0)
            close(s);
        s = -1;
    }
    errno = error;
    return -1;
}

/* Opens the listening socket s on host hname, as in the article; hname becomes
 * the address, as the system tells it: a jail may have another one.  A port of
 * NULL is the well-known one or, if that is not to be had, any.  Returns 0, or
 * -1, which it has said. */
int server_open(const char *port) {
    const char *name = port != NULL ? port : "ingreslock";
    socklen_t length = sizeof(sa);
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    ha = is_ipv6_address(hname) ? NULL : system_gethostbyname(hname);
    svs = is_port_number(name) ? NULL : getservbyname(name, "tcp");
    const char *reason = host_problem(hname, ha);
    long number = port_of(name, svs);
    if (reason == NULL && number < 0 && port != NULL)
        reason = "no such service, and no number";
    if (reason == NULL && (number < 0 || listen_on(number) < 0) &&
        (port != NULL || listen_on(0) < 0))
        reason = strerror(errno);
    if (reason == NULL && getsockname(s, (struct sockaddr *)&sa, &length) < 0)
        reason = strerror(errno);
    if (reason != NULL) {
        say("fatal: unable to listen on %s port %s: %s", hname, name, reason);
        return -1;
    }
    inet_ntop(AF_INET, &sa.sin_addr, hname, sizeof(hname));
    sport = ntohs(sa.sin_port);
    cport = sport; /* children inherit that */
    return 0;
}

/* --- The loop of the main thread */

static double deadline; /* of what is left after the end; 0: it has not come */
static bool was_announced; /* that there is nobody here but the server */
static bool is_late;       /* the deadline has passed */
static pthread_attr_t attributes; /* of the other threads */

/* Is the run at its end: are all items retired, or was it aborted? */
static bool has_ended(void) {
    return !run_goes_on() || items_finished();
}

/* May server() return?  After an abort one thread may be left: the one that
 * reads a list that somebody else writes; or all that are there at the
 * deadline.  Children that cannot be killed then are left in any case. */
static bool may_return(void) {
    bool aborted = !run_goes_on();
    bool is_over = is_late && now() >= deadline;
    bool is_slow = run.config->list_speed == LIST_SLOW;
    int may_stay = aborted && is_slow && items_list_is_read() ? 1 : 0;
    if (conn_count() > may_stay || door_count() > 0)
        return aborted && is_over;
    return has_ended() && (children == 0 || is_over);
}

/* Takes note of signals, and of children that gave up.  These have said
 * "fatal", so the run has failed, even if it was at its end already. */
static void handle_signals(void) {
    int sig = signals_next();
    if (sig != 0)
        abort_run(sig);
    bool gave_up = child_gave_up();
    if (gave_up && !has_ended())
        fail_run("go on: a child was unable to do its work");
    run.result->failed = run.result->failed || gave_up;
}

/* Collects a child that has ended; see child_reap(). */
static int reap(int *status) {
    unlock(); /* it may say something */
    int k = child_reap(status);
    lock();
    if (k >= 0)
        children--;
    return k;
}

/* A child has ended.  What became of the item that it ran, its connection
 * tells; what it was to begin with is for others. */
static void handle_dead_child(int k, int status) {
    if (k >= run.config->jobs) { /* there was no room for it: main.c */
        if (children <= run.config->jobs)
            door_turn_away(s);
        return;
    }
    items_unreserve((uint32_t)k);
    if (WIFSIGNALED(status) && !has_ended())
        say_unlocked(
            "warning: child %d ended early: signal %d", k, WTERMSIG(status));
}

/* If nobody is left who could run what there is to do: says so, once, if
 * others may come from elsewhere; or else the run is over. */
static void look_for_clients(void) {
    if (children == 0 && run.config->list_speed != LIST_SLOW)
        items_look_ahead(); /* perhaps there is nothing left to do */
    if (has_ended() || children > 0 || !items_want_client())
        return;
    if (run.config->token == NULL && !items_any_running()) {
        fail_run("go on: no child is left");
    } else if (run.config->token != NULL && conn_count() == 0 &&
        !was_announced) {
        was_announced = true;
        say_unlocked("waiting for clients on %s port %d", hname, (int)sport);
    }
}

/* Brings the deadline of what is left after the end nearer. */
static void hasten(double seconds) {
    if (deadline <= 0 || now() + seconds < deadline)
        deadline = now() + seconds;
}

/* After the end: hangs up on those who need not be waited for, and cuts off
 * whatever is still there when its time is over. */
static void end_stragglers(void) {
    if (!has_ended())
        return;
    hasten(LATE);
    if (!run_goes_on())
        child_kill_idle();
    if (!run_goes_on() && children == 0 && !is_late)
        hasten(UNWINDING);
    bool late = now() >= deadline;
    bool only_strangers = children == 0 && (late || run.config->token == NULL);
    if (!run_goes_on() || only_strangers) {
        door_clear(0);
        conn_hang_up_all();
    }
    if (late && !is_late) {
        is_late = true;
        child_kill(0);
        deadline = now() + (children > 0 ? UNWINDING : 0);
    }
}

/* May one more connection be accepted?  Not before the children that there was
 * no room for are dead, and not when only strangers can come. */
static bool may_accept(void) {
    if (children > run.config->jobs || door_entries() == 0)
        return false;
    return !has_ended() || children > 0;
}

/* Does what is due.  Then sleeps until a signal or a connection has come, a
 * visitor has said something, or something else is due. */
static void wait_for_events(void) {
    double until = deadline;
    double due = items_queue_due();
    output_advance_once(); /* perhaps the turn lacks a client now */
    if (run.callbacks->tick != NULL || run.result->signal != 0 || is_late)
        until = now() + TICK;
    if (due > 0 && (until <= 0 || due < until))
        until = due;
    if (signals_have_news())
        until = now();
    door_wait(signals_fd(), may_accept() ? s : -1, until);
    output_tick();
}

/* Prepares a run: before the first thread.  Returns 0, or an error. */
static int begin(const struct config *config,
    const struct callbacks *callbacks, struct result *result) {
    memset(result, 0, sizeof(*result));
    run.config = config;
    run.callbacks = callbacks;
    run.result = result;
    result->listed =
        config->list_speed == LIST_KNOWN && config->list_length == 0;
    if (door_open() < 0 || output_init() < 0)
        return errno;
    signals_wake(); /* the loop looks around before it first sleeps */
    int error = pthread_attr_init(&attributes);
    if (error == 0)
        pthread_attr_setstacksize(&attributes, STACK); /* or the usual one */
    return error;
}

/* A run cannot begin: the children have nothing to do. */
static int unable_to_begin(int error) {
    say("fatal: unable to serve: %s", strerror(error));
    door_close();
    child_kill(0);
    run.result->failed = true;
    run.result->aborted = true;
    return -1;
}

/* Ends a run.  From now on only the main thread calls a callback or touches an
 * item.  Gives up the lock.  Returns what server() does. */
static int leave(void) {
    int sig = signals_next(); /* also what dead children announced last */
    run.result->signal = run.result->signal != 0 ? run.result->signal : sig;
    run.result->failed = run.result->failed || child_gave_up();
    close(s); /* nothing depends on it any more */
    s = -1;
    door_close();
    output_leave();
    bool went_well =
        !run.result->aborted && !run.result->failed && run.result->signal == 0;
    unlock();
    pthread_attr_destroy(&attributes); /* cannot fail: it was initialized */
    return went_well ? 0 : -1;
}

static void *xserve(void *arg);

/* Starts the thread of a connection.  Signals are for the main thread, but for
 * those which stop who reads the list, or writes the output, at a terminal. */
static void start_thread(struct conn *conn) {
    pthread_t thread;
    sigset_t blocked, old;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGTTIN);
    sigdelset(&blocked, SIGTTOU);
    pthread_sigmask(SIG_SETMASK, &blocked, &old);
    int error = pthread_create(&thread, &attributes, xserve, conn);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error == 0) {
        pthread_detach(thread); /* it exists, and is not detached yet */
        return;
    }
    conn_free(conn);
    door_shortage(error);
}

/* Serves the children that were forked, and clients from elsewhere, until all
 * items are at their end, or the run was aborted, and they are gone.  Reaps
 * the children.  Returns 0; or -1 if something went wrong in the parent or a
 * signal came, and *result says what. */
int server(const struct config *config, const struct callbacks *callbacks,
    struct result *result) {
    struct conn *conn;
    struct sockaddr_in from = {.sin_family = AF_INET};
    socklen_t length;
    int k, status;
    int error = begin(config, callbacks, result);
    if (error != 0)
        return unable_to_begin(error);
    lock();
    items_reserve(); /* child k begins with item k */
    while (!may_return()) {
        wait_for_events();
        handle_signals();
        while ((k = reap(&status)) >= 0)
            handle_dead_child(k, status);
        while ((conn = door_next()) != NULL)
            start_thread(conn);
        for (int n = door_entries(); n > 0 && may_accept(); n--) {
            length = sizeof(from);
            ds = accept(s, (struct sockaddr *)&from, &length);
            if (door_admit(ds, from.sin_addr) < 0) {
                door_pause(errno);
                break;
            }
        }
        look_for_clients();
        end_stragglers();
    }
    return leave();
}

/* The thread of a connection: the server's half of the conversation, which it
 * owns, until the client has nothing more to do here or is gone. */
static void *xserve(void *arg) {
    struct conn *conn = arg;
    bool is_there = true;
    lock();
    if (run_goes_on()) {
        struct item *item;
        if (run.config->verbose)
            say_unlocked("connected; threads: %d, children: %d", conn_count(),
                children);
        items_client_came();
        while (is_there && (item = items_take(&conn->taker)) != NULL)
            is_there = exchange_item(conn, item);
        if (is_there && run_goes_on())
            exchange_goodbye(conn);
        conn_hang_up(conn);
        items_client_left();
        if (run_goes_on() && run.config->token != NULL)
            items_look_ahead();
    }
    conn_free(conn);
    signals_wake(); /* the main thread may have waited for this */
    unlock();
    return NULL;
}
