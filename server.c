/*
 * server.c - the parent's side: server_open() binds and listens, server()
 * accepts, one detached thread per connection runs xserve().
 *
 * One lock.  All this runs with q.lock held.  It is given up only to wait for
 * somebody else: in read(), write(), poll(), the caller's next(), or for a
 * condition.  Only the bytes that an item holds change meanwhile: by its
 * connection's thread while it is `busy`, or by the one that set q.flushing.
 * After an abort only the main thread gets it back: the others sleep for ever.
 *
 * Order without deadlock.  q.turn is the first item that is open.  Its thread
 * writes straight through and never waits for memory.  If it has no thread,
 * since its child has not connected yet, that child will, or will be reaped
 * and the item goes to q.waiting; from there any thread takes it first, and
 * none waits for memory before.
 */
#include "protocol.h"
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define BLOCK (1u << 17) /* bytes moved at a time, at most */
#define WARNINGS 8       /* so many strangers are worth one each */
#define TICK 0.1         /* seconds between looks at the progress, at most */
struct conn {
    int fd;                    /* closed by leave() */
    uint32_t child;            /* who is at the other end, or NONE */
    struct item *item;         /* what runs there, or NULL */
    struct conn **self, *next; /* in the list of all */
    struct conn *behind;       /* in the line for memory */
    pthread_cond_t wake;       /* there is memory, or its turn has come */
};

struct sockaddr_in sa;          /* where the server listens */
struct hostent *ha;             /* the same, as the resolver gave it */
struct servent *svs;            /* the service; NULL: the port is a number */
int s = -1, ds = -1;            /* listening; the connection just accepted */
char hname[2048] = "127.0.0.1"; /* the host: dotted, so nobody is asked */
unsigned short sport;           /* the server's port, host byte order */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t more;  /* an item to hand out, or none any more */
    struct run *run;      /* the caller's */
    struct conn *conns;   /* all connections, */
    int threads;          /* so many, each with its thread */
    int strangers;        /* refused so far */
    struct item *items;   /* all that are open: from the list, not over */
    struct item **tail;   /* where the next one goes */
    uint32_t open;        /* how many there are */
    struct item **first;  /* by child: the item it will run first, or NULL */
    int promised;         /* how many such items there are */
    struct item *waiting; /* those for any client */
    struct item *turn;    /* may be written to standard output; the first that
                           * is open or, without order, whoever took it */
    int flushing;         /* a thread writes it for its owner */
    struct conn *line;    /* waiting for memory, or for the turn */
    uint64_t held;        /* bytes of memory that items take */
} q = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

/* Waits for a condition, for ever once the run has been aborted. */
static void await(pthread_cond_t *cond) {
    do pthread_cond_wait(cond, &q.lock);
    while (q.run->aborted);
}

/* lock_main() is for the main thread, and for what has to be put in order. */
static void unlock(void) { pthread_mutex_unlock(&q.lock); }
static void lock_main(void) { pthread_mutex_lock(&q.lock); }
static void lock(void) {
    lock_main();
    if (q.run->aborted) await(&q.more);
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
static int listen_on(unsigned long port) {
    int one = 1;
    if ((s = socket(AF_INET, SOCK_STREAM, 0)) < 0) return -1;
    fcntl(s, F_SETFD, FD_CLOEXEC);
    fcntl(s, F_SETFL, O_NONBLOCK); /* who called may be gone at accept() */
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    sa.sin_port = htons((uint16_t)port);
    if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
        listen(s, SOMAXCONN) == 0)
        return 0;
    close(s);
    return -1;
}

/* Opens the listening socket s on host hname, and sets sport.  The port is a
 * service or a number; NULL is the well-known service or, if that is unknown
 * or taken, any port.  Returns 0, or -1 when it could not, which it has said.
 */
int server_open(const char *port) {
    const char *name = port != NULL ? port : "ingreslock", *why = NULL;
    unsigned long n = strtoul(name, NULL, 10);
    socklen_t length = sizeof(sa);
    sa.sin_family = AF_INET;
    if ((ha = gethostbyname(hname)) == NULL || ha->h_addrtype != AF_INET)
        why = "no such host";
    else
        memcpy(&sa.sin_addr, ha->h_addr_list[0], sizeof(sa.sin_addr));
    if ((svs = getservbyname(name, "tcp")) != NULL)
        n = ntohs((uint16_t)svs->s_port);
    else if (port && (!*port || port[strspn(port, "0123456789")] || n > 65535))
        why = "no such service, and no number";
    if (!why && listen_on(n) < 0 && (port != NULL || listen_on(0) < 0))
        why = strerror(errno);
    if (why)
        say("fatal: unable to listen on %s port %s: %s", hname, name, why);
    else if (getsockname(s, (struct sockaddr *)&sa, &length) == 0)
        sport = ntohs(sa.sin_port);
    return why ? -1 : 0;
}

/* Ends the run before its time, because of a signal or 0.  Clients lose their
 * connections, which makes them end their commands. */
static void abort_run(int sig) {
    if (q.run->aborted) return;
    q.run->aborted = 1;
    q.run->signal = sig;
    for (struct conn *cn = q.conns; cn != NULL; cn = cn->next)
        shutdown(cn->fd, SHUT_RDWR);
    signals_wake();
}

/* The same since gather itself failed to do something, for a reason. */
static void fail_run(const char *what, const char *name, const char *why) {
    if (!q.run->aborted) say("fatal: unable to %s%s: %s", what, name, why);
    q.run->failed = 1;
    abort_run(0);
}

/* Is every item over, or the run aborted? */
static int ended(void) {
    return q.run->aborted || (q.run->listed && q.open == 0);
}

/* Do items have turns in order?  Else as they come; or none, as in files. */
static int ordered(void) {
    return !q.run->unordered && !q.run->keep && q.run->files == NULL;
}

/* May items take n more bytes of memory?  Not beyond the limit, unless the one
 * whose turn it is waits for a client: who waits for memory may have it. */
static int room(uint64_t n) {
    return q.held + n <= q.run->memory || (q.turn && q.turn->waiting);
}

/* Makes room in an item for n bytes behind the first `from`: exactly so much
 * if it is kept in the end, else twice what it had if possible.  Exceeds the
 * limit only if told so.  Returns 0 if there is no memory. */
static int grow(struct item *item, size_t from, size_t n, int exceed) {
    size_t need = from + n;
    size_t want = need > 2 * item->room || q.run->keep ? need : 2 * item->room;
    if (need <= item->room) return need >= n;
    if (!room(want - item->room)) want = need;
    if (!exceed && !room(want - item->room)) return 0;
    unsigned char *data = realloc(item->data, want);
    if (data == NULL) return 0;
    q.held += want - item->room;
    item->data = data;
    item->room = want;
    return 1;
}

/* Frees what an item holds, and lets those know who wait for memory.  It is
 * freed as little: else glibc takes the size for usual, and keeps the like. */
static void release(struct item *item) {
    unsigned char *little = realloc(item->data, 1);
    free(little != NULL ? little : item->data);
    q.held -= item->room;
    item->data = NULL;
    item->room = item->held = 0;
    if (q.line != NULL) pthread_cond_signal(&q.line->wake);
    if (!q.run->listed) pthread_cond_signal(&q.more);
}

/* Waits for memory, or the turn; or for nothing, so the caller looks again. */
static void wait_in_line(struct conn *cn) {
    struct conn **p = &q.line;
    while (*p != NULL) p = &(*p)->behind;
    *p = cn;
    cn->behind = NULL;
    await(&cn->wake);
    for (p = &q.line; *p != cn;) p = &(*p)->behind;
    *p = cn->behind;
}

/* Is an item kept until it is complete, memory allowing?  It is if items take
 * turns by that, or if it may run again. */
static int holding(const struct item *item) {
    return (q.run->unordered || q.run->retries > 0) && !item->written;
}

/* Finds a place in an item for its next n bytes.  Returns 1 if they, and what
 * is held, shall go out at once; 0 if they stay. */
static int place(struct conn *cn, size_t n) {
    struct item *item = cn->item;
    int out;
    for (;;) {
        while (q.turn == item && q.flushing) await(&cn->wake);
        out = item->fd >= 0 || (q.turn == item && !holding(item));
        if (!out && grow(item, item->held, n, q.run->keep)) break;
        if (q.run->unordered && q.turn == NULL) q.turn = item;
        out = out || q.turn == item;
        if (out && grow(item, 0, n, 1)) break;
        if (out || q.run->keep) fail_run("hold ", "an item", strerror(ENOMEM));
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
    q.run->writing = item->written = fd == 1;
    unlock();
    int error = writen(fd, item->data, n) < n ? errno : 0;
    lock();
    q.run->writing = 0;
    item->held = 0;
    if (error == 0) return;
    if (error == EPIPE && fd == 1) abort_run(SIGPIPE);
    fail_run("write ", fd == 1 ? "standard output" : item->name,
             strerror(error));
    await(&q.more);
}

/* An item is over: the caller of server() learns it, and it is freed. */
static void retire(struct item *item) {
    q.run->done(item);
    release(item);
    q.held -= sizeof(*item) + item->length;
    *item->self = item->next;
    *(item->next != NULL ? &item->next->self : &q.tail) = item->self;
    if (q.turn == item) q.turn = ordered() ? q.items : NULL;
    free(item->name);
    free(item->part);
    free(item->text);
    free(item);
    if (--q.open > 0) return;
    signals_wake(); /* it is over, or there is no child left */
    if (q.run->listed) pthread_cond_broadcast(&q.more);
}

/* Moves the output on: writes what the turn's item holds, if its thread is
 * not about to; goes to the next one when it is done; wakes its thread. */
static void flush(void) {
    struct item *item;
    while (!q.run->aborted && !q.flushing && (item = q.turn) != NULL) {
        if ((item->done || (!item->busy && !holding(item))) && item->held) {
            q.flushing = 1;
            put(item);
            q.flushing = 0;
        } else if (item->done) {
            retire(item);
        } else {
            break;
        }
    }
    struct conn *cn = q.turn && q.turn->owner ? q.turn->owner : q.line;
    if (cn != NULL) pthread_cond_signal(&cn->wake);
}

/* Opens the file of an item; aborts the run if that fails. */
static void open_file(struct item *item) {
    char digits[16];
    snprintf(digits, sizeof(digits), "%u", (unsigned)item->which);
    if (item->name == NULL) item->name = substitute(q.run->files, digits);
    if (item->part == NULL && item->name != NULL)
        item->part = substitute("{}.part", item->name);
    if (item->part != NULL)
        item->fd = open(item->part, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (item->fd < 0) fail_run("create ", q.run->files, strerror(errno));
}

/* Closes the file of an item.  A complete one gets its name, any other goes;
 * one that cannot be had is lost and aborts the run. */
static void close_file(struct item *item) {
    int bad = close(item->fd) < 0;
    item->fd = -1;
    if (item->status == 0 && (bad || rename(item->part, item->name) < 0)) {
        fail_run("write ", item->name, strerror(errno));
        item->status = STATUS_LOST;
    }
    if (item->status != 0) unlink(item->part);
}

/* Reads n bytes from a client.  Returns how many came. */
static size_t hear(struct conn *cn, void *buf, size_t n) {
    unlock();
    size_t got = readn(cn->fd, buf, n, 0);
    lock();
    return got;
}

/* Takes the n bytes of a data message.  Returns 0 if not all could be had. */
static int receive(struct conn *cn, size_t n) {
    struct item *item = cn->item;
    while (n > 0) {
        size_t k = n < BLOCK || q.run->keep ? n : BLOCK;
        int out = place(cn, k);
        if (out) put(item);
        size_t got = hear(cn, item->data + item->held, k);
        item->held += got;
        item->bytes += got;
        q.run->bytes += got;
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
    unsigned char m[HEADER + 12];
    struct item *item = cn->item;
    while (hear(cn, m, HEADER) == HEADER) {
        uint32_t w = get32(m), n = get32(m + 4);
        if (w == item->which && n > 0 && n <= DATA_MAX && receive(cn, n))
            continue;
        if (w == (item->which | END) && n == 12 && hear(cn, m + 8, 12) == 12 &&
            ((uint64_t)get32(m + 12) << 32 | get32(m + 16)) == item->bytes &&
            get32(m + 8) <= STATUS_MAX)
            return (int)get32(m + 8);
        break;
    }
    return STATUS_LOST;
}

/* Has an item run, afresh, by the first client that is free. */
static void put_back(struct item *item) {
    item->later = q.waiting;
    q.waiting = item;
    item->waiting = 1;
    item->owner = NULL;
    if (q.turn == item && !ordered()) q.turn = NULL;
    release(item);
    pthread_cond_signal(&q.more);
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
    else if (st >= STATUS_TIMEOUT)
        say("item %u: timed out%s", w, then);
    else
        say("item %u: %s %d%s", w, st > STATUS_SIGNAL ? "signal" : "exit",
            st & 255, then);
}

/* An item has run.  It is put back if it may run again; else it is done, and
 * what this lets out goes out.  Without order, its turn is awaited here. */
static void finish(struct conn *cn, int status) {
    struct item *item = cn->item;
    item->status = status;
    item->took = now() - item->began;
    if (item->fd >= 0) close_file(item);
    int failed = item->status != 0 && !q.run->aborted;
    int again = failed && !item->written && item->tries <= q.run->retries;
    if (failed) report(item, again ? ", trying again" : "");
    if (failed && !again && !q.run->keep_going) abort_run(0);
    cn->item = NULL;
    item->owner = NULL;
    item->done = !again;
    if (again)
        put_back(item);
    else if (!item->written && (status < 0 || (status && q.run->retries > 0)))
        release(item); /* what is not whole does not go out */
    while (!again && q.run->unordered && q.turn && q.turn != item)
        wait_in_line(cn);
    if (!again && q.run->unordered && q.turn == NULL) q.turn = item;
    if (!again && (q.run->keep || q.run->files != NULL)) retire(item);
    flush();
}

/* Takes an item from the list; run->reading keeps the others out, and items in
 * order.  Returns NULL at the end. */
static struct item *list_item(void) {
    struct item *item = calloc(1, sizeof(*item));
    q.run->reading = 1;
    unlock();
    int got = item == NULL ? -1 : q.run->next(item);
    lock_main();
    if (q.first == NULL) await(&q.more); /* server() has returned */
    q.run->reading = 0;
    if (got <= 0) {
        free(item);
        q.run->listed = 1;
        if (item == NULL) fail_run("hold ", "an item", strerror(ENOMEM));
        if (got < 0) q.run->failed = 1;
        if (got < 0) abort_run(0);
        pthread_cond_broadcast(&q.more);
        signals_wake();
        return NULL;
    }
    item->fd = -1;
    item->which = q.run->given++;
    *(item->self = q.tail) = item;
    q.tail = &item->next;
    if (ordered() && q.turn == NULL) q.turn = item;
    q.open++;
    q.held += sizeof(*item) + item->length;
    pthread_cond_signal(&q.more);
    return item;
}

/* Finds the next item for a client: the one it was promised, one that waits,
 * or one of the list, if there is memory for more than one a connection.
 * Returns 1; 0 when there is none any more; -1 after an abort. */
static int next_item(struct conn *cn) {
    struct item *item = NULL;
    while (item == NULL && !q.run->aborted) {
        if (cn->child < (uint32_t)q.run->jobs &&
            (item = q.first[cn->child]) != NULL) {
            q.first[cn->child] = NULL;
            if (--q.promised == 0) pthread_cond_broadcast(&q.more);
        } else if ((item = q.waiting) != NULL) {
            q.waiting = item->later;
            item->waiting = 0;
        } else if (!q.run->listed && !q.run->reading &&
                   (q.open < (uint32_t)q.threads || room(sizeof(*item)))) {
            item = list_item();
        } else if (q.run->listed && q.promised == 0 &&
                   (q.open == 0 || q.run->retries == 0)) {
            return 0;
        } else {
            pthread_cond_wait(&q.more, &q.lock);
        }
    }
    if (item == NULL) return -1;
    item->tries++;
    item->status = STATUS_LOST;
    item->pid = child_pid(cn->child);
    item->began = now();
    item->bytes = 0;
    (cn->item = item)->owner = cn;
    return 1;
}

/* Sends an item to a client, or goodbye if it is NULL.  Returns 0 if the
 * client is gone. */
static int reply(struct conn *cn, const struct item *item) {
    size_t n = item != NULL ? item->length : 0;
    unsigned char m[HEADER];
    header(m, item != NULL ? item->which : NONE, n);
    unlock();
    int ok = writen(cn->fd, m, HEADER) == HEADER &&
             (n == 0 || writen(cn->fd, item->text, n) == n);
    lock();
    return ok;
}

/* Has an item run.  Returns 0 if the client is gone; if it was so before, the
 * item is for somebody else. */
static int attempt(struct conn *cn) {
    struct item *item = cn->item;
    int status = STATUS_LOST;
    if (ready(cn->fd, POLLIN, now())) { /* it has nothing to say just now */
        item->tries--;
        cn->item = NULL;
        put_back(item);
        return 0;
    }
    if (q.run->files != NULL) open_file(item);
    if (reply(cn, item)) status = converse(cn);
    finish(cn, status);
    return status != STATUS_LOST;
}

/* Reads the opening of a connection.  Returns 0 when whoever is there does not
 * belong here; the run goes on as if nobody had come. */
static int opening(struct conn *cn) {
    unsigned char m[4 + TOKEN + HEADER] = {0}, differ = 0;
    unlock();
    size_t got = readn(cn->fd, m, sizeof(m), now() + OPENING);
    lock();
    for (int i = 0; i < TOKEN; i++) /* in a time that tells nothing */
        differ |= (unsigned char)(m[4 + i] ^ q.run->token[i]);
    cn->child = get32(m + 4 + TOKEN);
    if (got == sizeof(m) && memcmp(m, MAGIC, 4) == 0 && differ == 0 &&
        (cn->child == NONE || child_pid(cn->child) != 0))
        return 1;
    if (!ended() && q.strangers++ < WARNINGS)
        say("warning: refused a stranger: %s",
            got == sizeof(m) ? "wrong token" : "no opening");
    return 0;
}

/* The thread of a connection: the server's half of the conversation. */
static void *xserve(void *arg) {
    struct conn *cn = arg;
    int more = -1;
    lock();
    if (opening(cn))
        while ((more = next_item(cn)) > 0 && attempt(cn)) continue;
    if (more == 0) reply(cn, NULL);
    if ((*cn->self = cn->next) != NULL) cn->next->self = cn->self;
    close(cn->fd);
    q.threads--;
    pthread_cond_destroy(&cn->wake);
    free(cn);
    signals_wake();
    unlock();
    return NULL;
}

/* Starts the thread of connection fd, which owns that from now on.  Signals
 * are for the main thread: they are blocked before the thread exists. */
static void serve(int fd) {
    size_t stack = 65536 + (size_t)sysconf(_SC_THREAD_STACK_MIN); /* bytes */
    struct conn *cn = calloc(1, sizeof(*cn));
    int error = cn != NULL ? 0 : ENOMEM;
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, stack);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (error == 0) error = pthread_create(&thread, &attr, xserve, cn);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (error != 0) {
        say("warning: unable to serve a client: %s", strerror(error));
        free(cn);
        close(fd);
        return;
    }
    cn->fd = fd; /* it waits for the lock, so there is time for this */
    pthread_cond_init(&cn->wake, NULL);
    if ((cn->next = q.conns) != NULL) q.conns->self = &cn->next;
    *(cn->self = &q.conns) = cn;
    q.threads++;
    if (q.run->verbose)
        say("connected; threads: %d, children: %d", q.threads, children);
}

/* Accepts the connections that wait, up to the limit.  If the system is short
 * of something, sleeps a little, lest the caller spin. */
static void admit(void) {
    int one = 1;
    while (q.threads < q.run->limit) {
        if ((ds = accept(s, NULL, NULL)) < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK) return;
            unlock();
            poll(NULL, 0, 100);
            lock_main();
            return;
        }
        fcntl(ds, F_SETFD, FD_CLOEXEC);
        fcntl(ds, F_SETFL, 0); /* some systems hand O_NONBLOCK down */
        setsockopt(ds, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        q.run->aborted ? (void)close(ds) : serve(ds);
    }
}

/* Deals with children that have ended, then with signals.  What ran there the
 * connection tells; what they were promised is for others. */
static void heed(void) {
    int k, st, sig;
    while ((k = child_reap(&st)) >= 0) {
        if (k >= q.run->jobs || q.first == NULL) continue;
        if (WIFEXITED(st) && WEXITSTATUS(st) > 1)
            fail_run("go on", "", "a child was unable to do its work");
        if (WIFSIGNALED(st) && !ended())
            say("warning: child %d ended early: signal %d", k, WTERMSIG(st));
        if (q.first[k] == NULL) continue;
        put_back(q.first[k]);
        q.first[k] = NULL;
        q.promised--;
    }
    if (children == 0 && !ended() &&
        (q.threads == q.run->reading || (q.run->reading && q.open == 0)))
        fail_run("go on", "", "no child is left");
    while ((sig = signals_next()) >= 0)
        if (sig != 0 && sig != SIGCHLD) abort_run(sig);
}

/* Is nothing left to wait for, after the end: no child, no command and, unless
 * others may hold them up, no thread?  Kills the children at the deadline. */
static int over(double *deadline) {
    if (!ended()) return 0;
    for (struct conn *cn = q.conns; children == 0 && cn; cn = cn->next)
        shutdown(cn->fd, SHUT_RDWR);
    if (*deadline <= 0) *deadline = now() + 2 * GRACE;
    if (now() >= *deadline) {
        child_kill(0);
        *deadline = now() + GRACE;
    }
    return children == 0 && (q.run->aborted || q.threads == 0);
}

/* Sleeps until a signal or a connection has come, or the time (of now(), 0
 * for never). */
static void watch(double by) {
    int full = q.threads >= q.run->limit;
    struct pollfd f[2] = {{signals_fd(), POLLIN, 0},
                          {full ? -1 : s, POLLIN, 0}};
    if (q.run->tick != NULL) by = now() + TICK;
    unlock();
    int n = poll(f, 2, until(by));
    lock_main();
    if (n > 0 && f[1].revents != 0) admit();
    if (q.run->tick != NULL) q.run->tick(q.run, q.turn);
}

/* Serves until every item is over, or the run has been aborted, and all
 * children are gone.  The caller has forked run->jobs of these, and no thread.
 * Returns 0 if the list was run to its end, -1 if not. */
int server(struct run *run) {
    struct item *item = NULL;
    double deadline = 0;
    q.run = run;
    q.tail = &q.items;
    lock();
    if ((q.first = calloc((size_t)run->jobs + 1, sizeof(item))) == NULL)
        fail_run("hold ", "the items", strerror(ENOMEM));
    for (int k = 0; run->ready && k < run->jobs && !ended(); k++)
        if ((q.first[k] = list_item()) != NULL) q.promised++;
    if (run->jobs == 0) run->listed = 1;
    for (heed(); !over(&deadline); heed()) watch(deadline);
    close(s);
    for (item = q.items; item != NULL; item = item->next) {
        if (item->fd >= 0) unlink(item->part);
        if (item->status == 0) item->status = STATUS_LOST; /* not written */
        run->done(item);
    }
    free(q.first);
    q.first = NULL;
    unlock();
    return run->aborted ? -1 : 0;
}
