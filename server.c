/*
 * server.c - the parent's side: server_open() binds and listens, server()
 * accepts, one detached thread per connection runs xserve().
 *
 * One lock.  All this runs with q.lock held, say() as well.  It is given up in
 * read(), write(), splice(), poll(), the caller's next(), and to wait for a
 * condition.  Only the bytes that an item holds change meanwhile: by its
 * connection's thread while it is `busy`, or by the one that set q.flushing.
 * After an abort the others sleep for ever in lock(): see there, lock_main().
 *
 * Order without deadlock.  q.turn is the first item that is open.  Its thread
 * writes straight through and never waits for memory.  If it has none yet, its
 * child will connect, or be reaped, and then the item is `waiting`: any thread
 * takes it before another, and until one has, nobody waits for memory.
 */
#include "protocol.h"
#include <pthread.h>
#include <sys/wait.h>

#define BLOCK (1u << 17) /* bytes moved at a time, at most */
#define STACK (1u << 17) /* bytes for a thread; the usual, if too few */
#define WARNINGS 8       /* so many strangers are worth one each */
#define TICK 0.1         /* seconds between looks at the progress, at most */
struct conn {
    int fd;                    /* closed by xserve() */
    uint32_t child, wanted;    /* who is there (see opening), for which item */
    double left;               /* seconds a client of others may still take */
    struct item *item;         /* what runs there, or NULL */
    struct conn **self, *next; /* in the list of all */
    struct conn *behind;       /* in the line for memory */
    pthread_cond_t wake;       /* there is memory, or its turn has come */
};

struct sockaddr_in sa;          /* where the server listens */
struct hostent *ha;             /* the same, as the resolver gave it */
struct servent *svs;            /* the service; NULL: the port is a number */
int s = -1, ds = -1;            /* listening; the connection just accepted */
char hname[2048] = "127.0.0.1"; /* the host; this asks no resolver */
unsigned short sport;           /* the server's port, host byte order */
static struct run *run;         /* the caller's */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t more;    /* an item to hand out, or none any more */
    struct conn *conns;     /* all connections, */
    int threads, strangers; /* so many, each with its thread; refused so far */
    struct item *items;     /* all that are open: from the list, not over */
    struct item **tail;     /* where the next one goes */
    uint32_t open;          /* how many there are */
    int waiting, promised;  /* how many wait for a client; for one only */
    int ordered;            /* turns go by the list, not by who is first */
    int told, over;    /* it was said that nobody is there; server() is over */
    struct item *turn; /* may write to stdout */
    int flushing;      /* a thread writes it for its owner */
    struct conn *line; /* waiting for memory, or for the turn */
    uint64_t held;     /* bytes of memory that items take */
} q = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

/* Waits for a condition, for ever once the run has been aborted. */
static void await(pthread_cond_t *cond) {
    do pthread_cond_wait(cond, &q.lock);
    while (run->aborted);
}

/* lock_main() is for the main thread, and for what has to be put in order. */
static void unlock(void) { pthread_mutex_unlock(&q.lock); }
static void lock_main(void) { pthread_mutex_lock(&q.lock); }
static void lock(void) {
    lock_main();
    if (run->aborted) await(&q.more);
}

/* The secret of a run, from the system.  Returns 0, or -1 with errno set. */
int make_token(unsigned char *token) {
    int fd = open("/dev/urandom", O_RDONLY);
    size_t n = fd < 0 ? 0 : readn(fd, token, TOKEN, 0);
    if (fd >= 0) close(fd);
    return n == TOKEN ? 0 : -1;
}

/* Makes s listen on a port, host byte order.  Returns 0, or -1 with errno set.
 * Two sockets may be bound to a port while neither of them listens yet. */
static int listen_on(long port) {
    if ((s = socket(AF_INET, SOCK_STREAM, 0)) < 0) return -1;
    tune(s); /* must not block: who called may be gone at accept() */
#ifdef TCP_USER_TIMEOUT /* for replies, inherited; clients may wait longer */
    setsockopt(s, IPPROTO_TCP, TCP_USER_TIMEOUT, &(int){40000}, sizeof(int));
#endif
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    sa.sin_port = htons((uint16_t)port);
    if (!bind(s, (struct sockaddr *)&sa, sizeof(sa)) && !listen(s, SOMAXCONN))
        return 0;
    close(s);
    return -1;
}

/* Opens the listening socket s on host hname.  Port NULL is the well-known one
 * or, if that is not to be had, any.  Returns 0, or -1, which it has said. */
int server_open(const char *port) {
    const char *name = port != NULL ? port : "ingreslock", *why = NULL;
    long n = port_of(name, &svs);
    socklen_t length = sizeof(sa);
    sa.sin_family = AF_INET;
    if ((ha = gethostbyname(hname)) == NULL || ha->h_addrtype != AF_INET)
        why = "no such host";
    else memcpy(&sa.sin_addr, ha->h_addr_list[0], sizeof(sa.sin_addr));
    if (!why) snprintf(hname, sizeof(hname), "%s", inet_ntoa(sa.sin_addr));
    if (n < 0 && port != NULL) why = "no such service, and no number";
    if (!why && (n < 0 || listen_on(n) < 0) && (port || listen_on(0) < 0))
        why = strerror(errno);
    if (why)
        say("fatal: unable to listen on %s port %s: %s", hname, name, why);
    else if (getsockname(s, (struct sockaddr *)&sa, &length) == 0)
        sport = cport = ntohs(sa.sin_port); /* children inherit that */
    return why ? -1 : 0;
}

/* Ends the run early, by a signal or 0: hangs up, so the clients give up. */
static void abort_run(int sig) {
    if (run->signal == 0) run->signal = sig;
    if (run->aborted++ > 0) return;
    for (struct conn *cn = q.conns; cn != NULL; cn = cn->next)
        shutdown(cn->fd, SHUT_RDWR);
    signals_wake();
}

/* The same since gather itself failed to do something, for a reason. */
static void fail_run(const char *what, const char *name, const char *why) {
    if (!run->aborted) say("fatal: unable to %s%s: %s", what, name, why);
    run->failed = 1, abort_run(0);
}

/* Is every item over, or the run aborted? */
static int ended(void) { return run->aborted || (run->listed && !q.open); }

/* May items take n more bytes?  Any number if no client has the turn. */
static int room(uint64_t n) {
    return q.held + n <= run->memory ||
        (q.turn && q.turn->waiting && !q.turn->promised);
}

/* Makes room in an item for n bytes behind the first `from`: exactly so much
 * if it is kept in the end, else twice what it had if possible.  Exceeds the
 * limit only if told so.  Returns 0 if there is no memory. */
static int grow(struct item *item, size_t from, size_t n, int exceed) {
    size_t need = from + n;
    size_t want = need > 2 * item->room || run->keep ? need : 2 * item->room;
    if (need <= item->room) return need >= n;
    if (!room(want - item->room)) want = need;
    if (!exceed && !room(want - item->room)) return 0;
    unsigned char *data = realloc(item->data, want);
    if (data == NULL) return 0;
    q.held += want - item->room;
    item->data = data, item->room = want;
    return 1;
}

/* Frees what an item holds, and tells who waits for memory.  It is freed as
 * little: else glibc takes the size for usual, and keeps the like. */
static void release(struct item *item) {
    unsigned char *little = realloc(item->data, 1);
    free(little != NULL ? little : item->data);
    q.held -= item->room;
    item->data = NULL, item->room = item->held = 0;
    if (q.line != NULL) pthread_cond_signal(&q.line->wake);
    if (!run->listed) pthread_cond_signal(&q.more);
}

/* Waits for memory, or the turn; or for nothing, so the caller looks again. */
static void wait_in_line(struct conn *cn) {
    struct conn **p = &q.line;
    while (*p != NULL) p = &(*p)->behind;
    *p = cn, cn->behind = NULL;
    await(&cn->wake);
    for (p = &q.line; *p != cn;) p = &(*p)->behind;
    *p = cn->behind;
}

/* Is an item kept until it is complete, if memory allows? */
static int holding(const struct item *item) {
    return (run->unordered || run->retries > 0) && !item->written;
}

/* Finds a place in an item for its next n bytes.  Returns 1 if they, and what
 * is held, shall go out at once; 0 if they stay. */
static int place(struct conn *cn, size_t n) {
    struct item *item = cn->item;
    int out;
    for (;;) {
        while (q.turn == item && q.flushing) await(&cn->wake);
        out = item->fd >= 0 || (q.turn == item && !holding(item));
        if (!out && grow(item, item->held, n, run->keep)) break;
        if (run->unordered && q.turn == NULL) q.turn = item;
        out = out || q.turn == item;
        if (out && grow(item, 0, n, 1)) break;
        if (out || run->keep || room(run->memory + 1)) /* nobody frees any */
            fail_run("hold ", "an item", strerror(ENOMEM));
        wait_in_line(cn);
    }
    item->busy = 1;
    if (q.line != NULL && (room(1) || q.turn == NULL)) /* and the next? */
        pthread_cond_signal(&q.line->wake);
    return out;
}

/* Writes what an item holds where it belongs, or aborts the run. */
static void put(struct item *item) {
    int fd = item->fd >= 0 ? item->fd : 1;
    size_t n = item->held;
    if (n == 0) return;
    int shown = run->tick != NULL && fd == 1 && isatty(1);
    item->written = fd == 1;
    if (shown) run->midline = 1, run->tick(run, item);
    unlock();
    int error = writen(fd, item->data, n) < n ? errno : 0;
    lock();
    if (shown) run->midline = item->data[n - 1] != '\n';
    item->held = 0;
    if (error == 0) return;
    if (fd == 1 && (error == EPIPE || error == ECONNRESET)) abort_run(SIGPIPE);
    fail_run(
        "write ", fd == 1 ? "standard output" : item->name, strerror(error));
    await(&q.more);
}

/* An item is over: the caller of server() learns it, and it is freed. */
static void retire(struct item *item) {
    run->done(item);
    release(item);
    q.held -= sizeof(*item) + item->length;
    *item->self = item->next;
    *(item->next != NULL ? &item->next->self : &q.tail) = item->self;
    if (q.turn == item) q.turn = q.ordered ? q.items : NULL;
    free(item->name), free(item->part), free(item->text), free(item);
    if (--q.open > 0) return;
    signals_wake(); /* it is over, or there is no child left */
    if (run->listed) pthread_cond_signal(&q.more);
}

/* Moves the output on: writes what the turn's item holds, if its thread is
 * not about to; goes to the next one when it is done; wakes its thread. */
static void flush(void) {
    struct item *item;
    while (!run->aborted && !q.flushing && (item = q.turn) != NULL) {
        if ((item->done || (!item->busy && !holding(item))) && item->held) {
            q.flushing = 1;
            put(item);
            q.flushing = 0;
        } else if (item->done) retire(item);
        else break;
    }
    struct conn *cn = q.turn && q.turn->owner ? q.turn->owner : q.line;
    if (cn != NULL) pthread_cond_signal(&cn->wake);
}

/* Opens the file of an item; aborts the run if that fails. */
static void open_file(struct item *item) {
    char digits[16];
    snprintf(digits, sizeof(digits), "%u", (unsigned)item->which);
    if (item->name == NULL) item->name = substitute(run->files, digits);
    if (item->part == NULL && item->name != NULL)
        item->part = substitute("{}.part", item->name);
    if (item->part != NULL)
        item->fd = open(item->part, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (item->fd < 0) fail_run("create ", run->files, strerror(errno));
}

/* Closes an item's file, which gets its name if complete, or else goes. */
static void close_file(struct item *item) {
    int bad = close(item->fd) < 0;
    item->fd = -1;
    if (item->status == 0 && (bad || rename(item->part, item->name) < 0)) {
        fail_run("write ", item->name, strerror(errno));
        item->status = STATUS_LOST;
    }
    if (item->status != 0) unlink(item->part);
}

/* Reads n bytes from a client; who is not ours has limited time.  How many? */
static size_t hear(struct conn *cn, void *buf, size_t n) {
    int timed = cn->child >= NONE && run->seconds > 0;
    unlock();
    double t = now();
    size_t got = readn(cn->fd, buf, n, timed ? t + cn->left : 0);
    if (timed) cn->left -= now() - t;
    lock();
    return got;
}

/* Moves some of n bytes from a child to standard output, without a copy, if
 * that is a pipe, the system can, and it pays.  Returns how many.  It waits in
 * poll(): in splice() the pipe is locked, perhaps by its reader, too. */
static size_t pass(struct conn *cn, size_t n) {
    struct item *item = cn->item;
    if (cn->child >= NONE || item->fd >= 0 || n < BLOCK / 8) return 0;
    unlock();
    ready(cn->fd, POLLIN, 0), ready(1, POLLOUT, now() + GRACE);
    lock();
    item->bytes += n; /* before, lest more is out than the ledger says */
    unlock();
    ssize_t r = splice(cn->fd, NULL, 1, NULL, n, 2 /* SPLICE_F_NONBLOCK */);
    lock_main(); /* even after an abort, to count only what is out */
    item->bytes -= n, item->written |= r > 0;
    return r > 0 ? (size_t)r : 0;
}

/* Takes the n bytes of a data message.  Returns 0 if not all could be had. */
static int receive(struct conn *cn, size_t n) {
    struct item *item = cn->item;
    while (n > 0) {
        size_t got, k = n < BLOCK || run->keep ? n : BLOCK;
        int out = place(cn, k);
        if (out) put(item);
        if (out && (got = pass(cn, k)) > 0) k = got;
        else got = hear(cn, item->data + item->held, k), item->held += got;
        item->bytes += got, run->bytes += got;
        if (out) put(item);
        item->busy = 0;
        if (!out && q.turn == item) flush(); /* since just now */
        if (got < k) return 0;
        n -= got;
    }
    return 1;
}

/* Receives an item.  Returns its status. */
static int converse(struct conn *cn) {
    uint32_t m[5];
    struct item *item = cn->item;
    while (hear(cn, m, HEADER) == HEADER) {
        uint32_t w = ntohl(m[0]), n = ntohl(m[1]);
        if (w == item->which && n > 0 && n <= DATA_MAX && receive(cn, n))
            continue;
        if (w != (item->which | END) || n != 12 || hear(cn, m + 2, 12) < 12 ||
            ((uint64_t)ntohl(m[3]) << 32 | ntohl(m[4])) != item->bytes ||
            ntohl(m[2]) > STATUS_MAX)
            break;
        return (int)ntohl(m[2]);
    }
    return STATUS_LOST;
}

/* Has an item run, afresh, by the first client that is free. */
static void put_back(struct item *item) {
    item->waiting = 1, q.waiting++, item->owner = NULL;
    if (q.turn == item && !q.ordered) q.turn = NULL;
    release(item);
    pthread_cond_broadcast(&q.more); /* one of them may want no other */
}

/* Takes the item wanted or, if NONE, the first that waits for any; or NULL. */
static struct item *waiting(uint32_t wanted) {
    int others = wanted < NONE ? 0 : q.promised;
    struct item *item = q.waiting > others ? q.items : NULL;
    for (; item != NULL; item = item->next)
        if (item->waiting &&
            (wanted < NONE ? wanted == item->which : !item->promised))
            break;
    if (item == NULL) return NULL;
    q.promised -= item->promised, item->waiting = item->promised = 0;
    if (--q.waiting == 0 && run->listed) pthread_cond_signal(&q.more);
    return item;
}

/* Says how an item failed, and what follows from that. */
static void report(const struct item *item, const char *then) {
    unsigned w = item->which;
    int st = item->status;
    if (st == STATUS_LOST)
        say("item %u: incomplete: its client went away after %ju bytes%s", w,
            (uintmax_t)item->bytes, then);
    else if (st >= STATUS_ERRNO)
        say("item %u: unable to execute: %s%s", w, strerror(st - STATUS_ERRNO),
            then);
    else if (st >= STATUS_TIMEOUT) say("item %u: timed out%s", w, then);
    else
        say("item %u: %s %d%s", w, st < STATUS_SIGNAL ? "exit" : "signal",
            st & 255, then);
}

/* An item has run.  If it may run again it is put back, and 1 returned; else
 * it is done, and what this lets out goes out.  Without order it awaits its
 * turn. */
static int finish(struct conn *cn, int status) {
    struct item *item = cn->item;
    item->status = status;
    item->took = now() - item->began;
    if (item->fd >= 0) close_file(item);
    int failed = item->status != 0 && !run->aborted;
    int again = failed && !item->written && item->tries <= run->retries;
    if (failed) report(item, again ? ", trying again" : "");
    if (failed && !again && !run->keep_going) abort_run(0);
    if (again) return put_back(item), flush(), 1;
    item->owner = NULL, item->done = 1;
    if (!item->written && (status < 0 || (status && run->retries > 0)))
        release(item); /* what is not whole does not go out */
    while (run->unordered && q.turn && q.turn != item) wait_in_line(cn);
    if (run->unordered) q.turn = item;
    if (run->keep || run->files != NULL) retire(item);
    flush();
    return 0;
}

/* Takes an item from the list, alone and in order; or NULL, at its end. */
static struct item *list_item(void) {
    struct item *item = calloc(1, sizeof(*item));
    run->reading = 1;
    if (children == 0) signals_wake(); /* for heed(), which may give up */
    if (!run->ready) unlock();
    int got = item == NULL ? -1 : run->next(item);
    if (!run->ready) lock_main();
    while (q.over) await(&q.more);
    run->reading = 0;
    if (run->aborted) signals_wake(); /* for over() */
    if (got <= 0) {
        free(item);
        run->listed = got == 0 || !run->ready; /* may it be asked again? */
        if (item == NULL) fail_run("hold ", "an item", strerror(ENOMEM));
        if (got < 0) run->failed = 1, abort_run(0);
        pthread_cond_broadcast(&q.more);
        signals_wake();
        return NULL;
    }
    item->fd = -1, item->which = run->given++;
    *(item->self = q.tail) = item, q.tail = &item->next;
    if (q.ordered && q.turn == NULL) q.turn = item;
    q.open++, q.held += sizeof(*item) + item->length;
    pthread_cond_signal(&q.more);
    return item;
}

/* Finds the next item for a client: its own; one that waits; or one of the
 * list, if memory allows more than one a connection.  Returns 0 if none. */
static int next_item(struct conn *cn) {
    struct item *item = waiting(cn->wanted);
    if (cn->child < END) cn->wanted = NONE; /* no promise holds twice */
    while (item == NULL && (item = waiting(cn->wanted)) == NULL) {
        int more = cn->wanted < NONE || q.open < (uint32_t)q.threads ||
            room(sizeof(*item));
        int last = cn->wanted < NONE ||
            (q.waiting == 0 && (q.open == 0 || run->retries == 0));
        if (cn->wanted < run->given || (run->listed && last)) {
            pthread_cond_signal(&q.more); /* not for it, or for all */
            return 0;
        }
        if (run->listed || run->reading || run->aborted || !more)
            await(&q.more);
        else if ((item = list_item()) != NULL && cn->wanted < NONE)
            put_back(item), item = NULL; /* to be had from there */
    }
    item->status = STATUS_LOST, item->pid = child_pid(cn->child);
    getpeername(
        cn->fd, (struct sockaddr *)&item->peer, &(socklen_t){sizeof(sa)});
    item->began = now(), item->bytes = 0;
    cn->left = run->seconds;
    (cn->item = item)->owner = cn;
    return 1;
}

/* Sends an item, or goodbye if NULL.  Returns 0 if the client is gone. */
static int reply(struct conn *cn, const struct item *item) {
    size_t n = item != NULL ? item->length : 0;
    uint32_t m[2];
    header(m, item != NULL ? item->which : NONE, n);
    unlock();
    int ok = writen(cn->fd, m, HEADER) == HEADER &&
        (n == 0 || writen(cn->fd, item->text, n) == n);
    lock();
    return ok;
}

/* Has an item run.  Returns 0 if the client is gone, or may not try again. */
static int attempt(struct conn *cn) {
    struct item *item = cn->item;
    int status = STATUS_LOST;
    if (ready(cn->fd, POLLIN, now())) { /* it has nothing to say just now */
        put_back(item);
        return 0;
    }
    item->tries++;
    if (run->files != NULL) open_file(item);
    if (reply(cn, item)) status = converse(cn);
    int there = status != STATUS_LOST;
    if (!there && cn->left < 0) status = STATUS_TIMEOUT;
    return !(finish(cn, status) && cn->child >= END) && there;
}

/* Reads the opening.  Returns 0 for a stranger, who changes nothing here. */
static int opening(struct conn *cn) {
    uint32_t m[7] = {0}, right[5], differ = 0; /* magic, token, header */
    memcpy(right, MAGIC, 4);
    memcpy(right + 1, run->token, TOKEN);
    unlock();
    size_t got = readn(cn->fd, m, sizeof(m), now() + OPENING);
    lock();
    for (int i = 0; i < 5; i++) differ |= m[i] ^ right[i]; /* tells no time */
    cn->child = ntohl(m[5]);
    cn->wanted = cn->child & ~END;
    if (got == sizeof(m) && differ == 0 && m[6] == 0 &&
        (cn->child >= NONE || child_pid(cn->child) != 0))
        return 1;
    if (!ended() && q.strangers++ < WARNINGS)
        say("warning: refused a stranger: %s",
            got == sizeof(m) ? "wrong token" : "no opening");
    return 0;
}

/* The thread of a connection: the server's half of the conversation. */
static void *xserve(void *arg) {
    struct conn *cn = arg;
    int more = 1, known;
    lock();
    if ((known = opening(cn)) != 0)
        while ((more = next_item(cn)) && attempt(cn)) continue;
    if (!more) reply(cn, NULL);
    if (known && run->remote && !q.open && !ended() && !run->reading &&
        (cn->item = list_item()) != NULL)
        put_back(cn->item); /* nobody else may learn that the list has ended */
    if ((*cn->self = cn->next) != NULL) cn->next->self = cn->self;
    close(cn->fd), q.threads--;
    pthread_cond_destroy(&cn->wake);
    free(cn);
    signals_wake();
    unlock();
    return NULL;
}

/* Starts the thread of a connection, which owns fd from now on.  Signals are
 * for the main thread: they are blocked before the thread exists. */
static void serve(int fd) {
    struct conn *cn = calloc(1, sizeof(*cn));
    int error = cn != NULL ? 0 : ENOMEM;
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK);
    sigfillset(&all), sigdelset(&all, SIGTTIN); /* that may stop a reader */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (error == 0) error = pthread_create(&thread, &attr, xserve, cn);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (error != 0) {
        say("warning: unable to serve a client: %s", strerror(error));
        free(cn), close(fd);
        return;
    }
    cn->fd = fd; /* it waits for the lock, so there is time for this */
    pthread_cond_init(&cn->wake, NULL);
    if ((cn->next = q.conns) != NULL) q.conns->self = &cn->next;
    *(cn->self = &q.conns) = cn, q.threads++;
    if (run->verbose)
        say("connected; threads: %d, children: %d", q.threads, children);
}

/* Accepts who waits, a few at a time lest others do; naps if nobody can. */
static void admit(void) {
    for (int i = 0; i < 20 && q.threads < run->limit; i++) {
        if ((ds = accept(s, NULL, NULL)) < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK) return;
            unlock(), poll(NULL, 0, 100), lock_main();
            return;
        }
        tune(ds);
        fcntl(ds, F_SETFL, 0);
        run->aborted ? (void)close(ds) : serve(ds);
    }
}

/* Deals with signals, children that have ended, and the lack of any.  What ran
 * there the connection tells; what they were promised is for others. */
static void heed(void) {
    struct item *item;
    int k, st, found = 0, sig = signals_next();
    if (sig != 0) abort_run(sig);
    while ((k = child_reap(&st)) >= 0) {
        found = 1;
        if (k >= run->jobs) continue; /* there was no room for it */
        if (WIFEXITED(st) && WEXITSTATUS(st) > 1)
            fail_run("go on", "", "a child was unable to do its work");
        if (WIFSIGNALED(st) && !ended())
            say("warning: child %d ended early: signal %d", k, WTERMSIG(st));
        if ((item = waiting((uint32_t)k)) != NULL) put_back(item);
    }
    int nobody = q.threads == 0 ||
        (!run->remote && run->reading && (q.threads == 1 || q.open == 0));
    if (children == 0 && nobody && !ended() && !q.told++) {
        if (run->remote)
            say("waiting for clients on %s port %d", hname, (int)sport);
        else fail_run("go on", "", "no child is left");
    }
    if (found) heed(); /* what their commands announced, and who died since */
}

/* Is nothing left to wait for, after the end?  Ends what is, when late. */
static int over(double *deadline) {
    if (!ended()) return 0;
    int late = *deadline > 0 && now() >= *deadline;
    int alone = children == 0 && (late || !run->remote);
    for (struct conn *cn = alone ? q.conns : NULL; cn != NULL; cn = cn->next)
        shutdown(cn->fd, SHUT_RDWR);
    if (late) child_kill(0);
    if (late || *deadline <= 0) *deadline = now() + 2 * GRACE;
    if (children > 0 || (run->reading && run->prompt)) return 0;
    return run->aborted || q.threads == 0;
}

/* Sleeps until a signal or a connection has come, or the time (or 0).  First
 * of all, children that were too many have to make room for threads. */
static void watch(double by) {
    int fd = q.threads < run->limit && children <= run->jobs ? s : -1;
    struct pollfd f[2] = {
        {.fd = signals_fd(), .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    if (run->tick != NULL) by = now() + TICK;
    unlock();
    int n = poll(f, 2, until(by));
    lock_main();
    if (n > 0 && f[1].revents != 0) admit();
    if (run->tick != NULL) run->tick(run, q.turn);
}

/* Serves run->jobs forked children, and others, until every item is over or
 * the run aborted, and they are gone.  Returns 0 if nothing cut it short. */
int server(struct run *r) {
    struct item *item = NULL;
    double deadline = 0;
    run = r, q.tail = &q.items;
    widen(1, 1 << 18), widen(1, 1 << 20); /* this may be too much */
    q.ordered = !run->unordered && !run->keep && run->files == NULL;
    if (run->limit <= 0) run->limit = run->jobs + 100;
    lock();
    int promise = run->ready && !run->remote; /* others may keep a child out */
    for (int k = 0; promise && k < run->jobs && !ended(); k++)
        if ((item = list_item()) != NULL)
            put_back(item), q.promised += item->promised = 1;
    for (heed(); !over(&deadline); heed()) watch(deadline);
    close(s);
    for (item = q.items; item != NULL; item = item->next) {
        if (item->fd >= 0) unlink(item->part);
        if (item->status == 0) item->status = STATUS_LOST; /* not written */
        if (item->owner != NULL) item->took = now() - item->began;
        run->done(item);
    }
    q.over = 1;
    unlock();
    return run->aborted ? -1 : 0;
}
