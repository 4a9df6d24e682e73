/*
 * server.c - fuzzing the parent's side.  A whole run of server(): up to four
 * clients say what the input says, when it says so.  Threads are coroutines
 * that change where a thread could lose the processor: when it gives up the
 * lock.  Files, standard output, children and the clock are imitated, and can
 * fail once.
 *
 * What has to be true: items that are said to be complete are what a second,
 * simpler reader of the wire finds in the input, byte for byte; others ended
 * as it says; each ends once, in order if there is one; nobody waits for ever;
 * nothing waits with the lock held; an item goes only to who knows the token,
 * and to the one that it is promised to or that wants it; a server of others
 * waits for more of them only while there is something to do that nobody who
 * is there will do; after a good end no memory, descriptor or part of a file
 * is left.
 */
#include "fuzz.h"
#include <ucontext.h>

#define open fuzz_open
#define rename fuzz_rename
#define unlink fuzz_unlink
#define accept fuzz_accept
#define shutdown fuzz_shutdown
#define sysconf(what) 16384
#define getpeername fuzz_peer
#define pthread_create fuzz_thread
#define pthread_sigmask(...) 0
#define pthread_mutex_lock fuzz_lock
#define pthread_mutex_unlock fuzz_unlock
#define pthread_cond_init(...) 0
#define pthread_cond_destroy(...) 0
#define pthread_cond_wait fuzz_wait
#define pthread_cond_signal fuzz_signal
#define pthread_cond_broadcast fuzz_broadcast

static int fuzz_open(const char *name, int flags, ...);
static int fuzz_rename(const char *from, const char *to);
static int fuzz_unlink(const char *name);
static int fuzz_accept(int fd, struct sockaddr *from, socklen_t *length);
static int fuzz_shutdown(int fd, int how);
static int fuzz_peer(int fd, struct sockaddr *to, socklen_t *length);
static int fuzz_thread(pthread_t *id, const pthread_attr_t *attr,
    void *(*function)(void *), void *arg);
static int fuzz_lock(pthread_mutex_t *m);
static int fuzz_unlock(pthread_mutex_t *m);
static int fuzz_wait(pthread_cond_t *cond, pthread_mutex_t *m);
static int fuzz_signal(pthread_cond_t *cond);
static int fuzz_broadcast(pthread_cond_t *cond);

#include "../../server.c"

#define STREAMS 4
#define ITEMS 8
#define CONTROL 24        /* bytes of input before what clients say */
#define SOCKET 100        /* descriptors from here on are connections, */
#define PART 50           /* and from here on files of items */
#define MINE 0xffffff     /* `which` of whatever the client was given */
#define RIGHT 0xffffffffu /* a count that is right */
#define ROOM 8192         /* bytes of input at most */

/* Whose turn it is, if not that of server() itself. */
struct thread {
    ucontext_t context;
    void *(*function)(void *);
    void *arg;
    void *waits; /* for a condition */
    int alive;
    char stack[256 << 10];
};
struct stream {
    uint8_t *said;     /* by the client, */
    size_t bytes, pos; /* so much; taken by server() */
    int habits;        /* see below */
    int open, shut;    /* accepted and not closed; shut down */
    int late;          /* waiting for it lasted too long */
    uint8_t m[HEADER]; /* of the reply that is being written */
    size_t have, text; /* so many bytes of it; of its text, to come */
};
enum { TALKS = 1, RESETS = 2, MUTE = 4 }; /* habits; the rest cuts reads */

/* The last attempt at an item, as the second reader sees it. */
struct attempt_at {
    int status;
    struct stream *on; /* where it was made */
    uint8_t bytes[ROOM];
    size_t n;
};
enum fault {
    NO_FAULT,
    BROKEN_PIPE,
    FULL,
    NO_MEMORY,
    BAD_CLOSE,
    NO_FILE,
    BAD_RENAME,
    TERMINATE,
    NO_DESCRIPTOR,
    BAD_REPLY,
    NO_THREAD,
    BAD_LIST,
    STUCK_LIST
};

static struct thread threads[STREAMS], *current;
static struct stream streams[STREAMS];
static struct attempt_at attempts[ITEMS];
static ucontext_t main_context;
static struct run whole;
static uint8_t input[ROOM], output[ROOM], part[ITEMS][ROOM];
static size_t outputs, parts[ITEMS];
static int part_open[ITEMS], part_there[ITEMS], named[ITEMS];
static int finished[ITEMS], list, last;
static int enough;     /* a signal has arrived */
static size_t mute_at; /* who is mute has said so many bytes */
static int nstreams, accepted, pending, locked, woken, reaped, dying, deaths;
static enum fault fault;
static int when, spurious;
static unsigned step_number;
int children;
unsigned short cport;

/* A number below n, of the input's choice; in a long run no longer, for in a
 * circle the same thread could fail to get on for ever. */
static int choose(int n) {
    unsigned i = step_number++;
    if (i > 10000) return (int)((i * 2654435761u >> 16) % (unsigned)n);
    return (input[4 + i % 8] + (int)(i / 8)) % n;
}

/* Does the fault happen here?  It does once, after `when` occasions. */
static int faulty(enum fault kind) { return fault == kind && when-- == 0; }

/* --- What signals.c and client.c are to server() */

void signals_wake(void) { woken = 1; }
int signals_fd(void) { return 3; }
int signals_next(void) {
    if (faulty(TERMINATE)) enough = 1;
    return enough ? SIGTERM : 0;
}
pid_t child_pid(uint32_t k) { return k < (uint32_t)whole.jobs ? 1000 : 0; }
int child_reap(int *status) {
    if (reaped == dying) return -1;
    *status = choose(2) ? SIGKILL : choose(16) == 0 ? 2 << 8 : 0;
    children--;
    return reaped++;
}
void child_kill(int from) {
    MUST(from == 0);
    deaths = dying = whole.jobs;
}
char *substitute(const char *string, const char *text) {
    const char *at = strstr(string, "{}");
    char *copy = calloc(strlen(string) + strlen(text), 1);
    MUST(at != NULL);
    if (copy == NULL) return NULL;
    memcpy(copy, string, (size_t)(at - string));
    strcat(strcat(copy, text), at + 2);
    return copy;
}

/* --- Threads */

static void begin(void) {
    struct thread *t = current;
    t->function(t->arg);
    MUST(!locked);
    t->alive = 0;
    swapcontext(&t->context, &main_context);
}
static int fuzz_thread(pthread_t *id, const pthread_attr_t *attr,
    void *(*function)(void *), void *arg) {
    struct thread *t = threads;
    (void)id, (void)attr;
    if (faulty(NO_THREAD)) return EAGAIN;
    while (t->alive) t++;
    MUST(t < threads + STREAMS);
    t->function = function;
    t->arg = arg;
    t->waits = NULL;
    t->alive = 1;
    getcontext(&t->context);
    t->context.uc_stack.ss_sp = t->stack;
    t->context.uc_stack.ss_size = sizeof(t->stack);
    t->context.uc_link = NULL;
    makecontext(&t->context, begin, 0);
    return 0;
}
/* Lets others go on; a thread that waits for nothing can be next again. */
static void yield(void) {
    struct thread *t = current;
    if (t == NULL) return;
    MUST(!locked);
    current = NULL;
    swapcontext(&t->context, &main_context);
    current = t;
}
static void perhaps_yield(void) {
    MUST(!locked);
    if (choose(2)) yield();
}
static int fuzz_lock(pthread_mutex_t *m) {
    (void)m;
    MUST(!locked);
    return !(locked = 1);
}
static int fuzz_unlock(pthread_mutex_t *m) {
    (void)m;
    MUST(locked);
    return locked = 0;
}
static int fuzz_wait(pthread_cond_t *cond, pthread_mutex_t *m) {
    MUST(current != NULL);
    current->waits = cond;
    fuzz_unlock(m);
    yield();
    return fuzz_lock(m);
}
static int fuzz_signal(pthread_cond_t *cond) {
    int from = choose(STREAMS);
    MUST(locked);
    for (int i = 0; i < STREAMS; i++) {
        struct thread *t = &threads[(i + from) % STREAMS];
        if (!t->alive || t->waits != cond) continue;
        t->waits = NULL;
        break;
    }
    return 0;
}
static int fuzz_broadcast(pthread_cond_t *cond) {
    MUST(locked);
    for (int i = 0; i < STREAMS; i++)
        if (threads[i].waits == cond) threads[i].waits = NULL;
    return 0;
}

/* Nothing can happen.  May server() wait for clients to come? */
static int may_wait(void) {
    int idle = 0, undone = 0, stuck = 0, others = whole.remote;
    for (int i = 0; i < STREAMS; i++)
        if (threads[i].alive && threads[i].waits == &whole) stuck = 1;
    for (struct conn *cn = q.conns; cn != NULL; cn = cn->next) {
        idle |= cn->item == NULL && cn->wanted == NONE;
        others |= cn->child >= END; /* no child of ours says that */
    }
    for (struct item *item = q.items; item != NULL; item = item->next)
        undone |= item->waiting;
    if (stuck || enough || whole.aborted) return others;
    return whole.remote && deaths == whole.jobs &&
        (undone || (int)whole.given < list || list == 0) && !(undone && idle);
}

/* Has somebody do something, or something happen; 0 if nothing can. */
static int happen(struct pollfd *f) {
    struct thread *can[STREAMS];
    int n = 0;
    for (int i = 0; i < STREAMS; i++) {
        struct thread *t = &threads[i];
        if (t->alive && t->waits && spurious && choose(8) == 0)
            t->waits = NULL;
        if (t->alive && t->waits == NULL) can[n++] = t;
    }
    int caller = f[1].fd >= 0 && accepted < nstreams;
    if (n + caller == 0 || (deaths < whole.jobs && choose(32) == 0)) {
        if (deaths == whole.jobs) return 0;
        dying = ++deaths;
        woken = 1;
        return 1;
    }
    int k = choose(n + caller);
    if (k == n) {
        pending = 1;
        f[1].revents = POLLIN;
        return 1;
    }
    current = can[k];
    swapcontext(&main_context, &can[k]->context);
    current = NULL;
    return 1;
}

static int fuzz_poll(struct pollfd *f, nfds_t n, int timeout) {
    if (n == 0) {
        fuzz_now += timeout / 1e3;
        return 0;
    }
    f[0].revents = 0;
    if (n == 2) { /* server() itself */
        MUST(current == NULL && !locked);
        f[1].revents = 0;
        while (!woken && f[1].revents == 0 && happen(f)) continue;
        f[0].revents = woken ? POLLIN : 0;
        if (!woken && f[1].revents == 0) {
            MUST(timeout >= 0 || may_wait());
            if (timeout < 0) return enough = f[0].revents = POLLIN;
            fuzz_now += (timeout + 1) / 1e3;
            return 0;
        }
        woken = 0;
        return 1;
    }
    f[0].revents = f[0].events;
    if (f[0].fd < SOCKET) return 1;
    struct stream *st = &streams[f[0].fd - SOCKET];
    MUST(st->open);
    if (timeout == 0) {
        int has = (st->habits & TALKS) || st->pos == st->bytes;
        st->late |= !has;
        return has;
    }
    perhaps_yield();
    int mute = (st->habits & MUTE) && st->pos >= mute_at;
    if (!mute || timeout < 0 || st->shut) return 1;
    fuzz_now += timeout / 1e3;
    st->late = 1;
    return 0;
}

/* --- Connections */

static int fuzz_accept(int fd, struct sockaddr *from, socklen_t *length) {
    MUST(fd == 9 && from == NULL && length == NULL);
    errno = EAGAIN;
    if (!pending) return -1;
    errno = ENFILE;
    if (faulty(NO_DESCRIPTOR)) return -1;
    pending = 0;
    streams[accepted].open = 1;
    return SOCKET + accepted++;
}
static int fuzz_shutdown(int fd, int how) {
    MUST(how == SHUT_RDWR && streams[fd - SOCKET].open);
    streams[fd - SOCKET].shut = 1;
    return 0;
}
static int fuzz_peer(int fd, struct sockaddr *to, socklen_t *length) {
    struct sockaddr_in *in = (struct sockaddr_in *)to;
    MUST(streams[fd - SOCKET].open && *length == sizeof(*in));
    in->sin_addr.s_addr = (uint32_t)fd;
    return 0;
}
static ssize_t fuzz_read(int fd, void *buf, size_t n) {
    struct stream *st = &streams[fd - SOCKET];
    size_t cut = (size_t)st->habits >> 3, left = st->bytes - st->pos;
    MUST(fd >= SOCKET && st->open && n > 0);
    perhaps_yield();
    if (st->shut) return 0;
    errno = EINTR;
    if (cut == 1 && choose(2)) return -1;
    if (cut > 0 && n > cut) n = cut;
    if (n > left) n = left;
    errno = ECONNRESET;
    if (left == 0) return st->habits & RESETS ? -1 : 0;
    memcpy(buf, st->said + st->pos, n);
    st->pos += n;
    return (ssize_t)n;
}

/* Is this client to be given item w? */
static int entitled(const struct stream *st, uint32_t w) {
    static const uint8_t right[] = MAGIC "the secret token";
    const uint8_t *p = st->said + 4 + TOKEN;
    if (st->bytes < 4 + TOKEN + HEADER || get32(p + 4) != 0 ||
        memcmp(st->said, right, 4 + TOKEN) != 0)
        return 0;
    uint32_t wants = get32(p) & ~END;
    return get32(p) & END ? wants == NONE || wants == w
                          : wants == NONE || wants < (uint32_t)whole.jobs;
}

/* The second reader: what the client is about to do with item w.  Fills in
 * what the input leaves open. */
static void foresee(struct stream *st, uint32_t w) {
    struct attempt_at *a = &attempts[w];
    MUST(w < (uint32_t)list && entitled(st, w));
    a->status = STATUS_LOST;
    a->on = st;
    a->n = 0;
    st->late = 0;
    size_t at = st->pos;
    while (at + HEADER <= st->bytes) {
        uint8_t *m = st->said + at;
        if ((get32(m) & ~END) == MINE) put32(m, (get32(m) & END) | w);
        uint32_t item = get32(m), n = get32(m + 4);
        size_t left = st->bytes - at - HEADER;
        if (item == (w | END)) {
            if (n != 12 || left < 12) return;
            if (get32(m + 16) == RIGHT) {
                put32(m + 12, 0);
                put32(m + 16, (uint32_t)a->n);
            }
            if (get32(m + 12) == 0 && get32(m + 16) == a->n &&
                get32(m + 8) <= STATUS_MAX)
                a->status = (int)get32(m + 8);
            return;
        }
        if (item != w || n == 0 || n > DATA_MAX) return;
        size_t come = n < left ? n : left;
        memcpy(a->bytes + a->n, m + HEADER, come);
        a->n += come;
        at += HEADER + come;
    }
}

static ssize_t say_to(struct stream *st, const uint8_t *p, size_t n) {
    MUST(st->open);
    perhaps_yield();
    errno = EPIPE;
    if (st->shut || faulty(BAD_REPLY)) return -1;
    if (n > 3 && choose(2)) n = 3;
    for (size_t i = 0; i < n; i++) {
        if (st->have < HEADER) st->m[st->have++] = p[i];
        else st->text--;
        if (st->have == HEADER && st->text == 0 && get32(st->m) < ITEMS)
            st->text = get32(st->m + 4) + 1;
        if (st->have == HEADER && st->text == 1) {
            foresee(st, get32(st->m));
            st->have = st->text = 0;
        }
    }
    return (ssize_t)n;
}

/* --- Files and standard output */

static ssize_t keep_bytes(uint8_t *to, size_t *had, const void *p, size_t n) {
    if (n > 1 && choose(4) == 0) n /= 2;
    MUST(*had + n <= ROOM);
    memcpy(to + *had, p, n);
    *had += n;
    return (ssize_t)n;
}
static ssize_t fuzz_write(int fd, const void *buf, size_t n) {
    if (fd == 2) return (ssize_t)n;
    if (fd >= SOCKET) return say_to(&streams[fd - SOCKET], buf, n);
    perhaps_yield();
    errno = EPIPE;
    if (faulty(BROKEN_PIPE)) return -1;
    errno = ENOSPC;
    if (faulty(FULL)) return -1;
    errno = EAGAIN;
    if (spurious && choose(4) == 0) return -1;
    if (fd == 1) return keep_bytes(output, &outputs, buf, n);
    MUST(fd >= PART && fd < PART + ITEMS && part_open[fd - PART]);
    return keep_bytes(part[fd - PART], &parts[fd - PART], buf, n);
}
static int fuzz_open(const char *name, int flags, ...) {
    int k = name[4] - '0';
    MUST(strcmp(name + 5, ".part") == 0 && k >= 0 && k < list);
    MUST((flags & O_TRUNC) && !part_open[k]);
    errno = ENOENT;
    if (faulty(NO_FILE)) return -1;
    part_open[k] = part_there[k] = 1;
    parts[k] = 0;
    return PART + k;
}
static int fuzz_close(int fd) {
    if (fd == 9) return 0; /* the listening socket */
    if (fd >= SOCKET) {
        MUST(streams[fd - SOCKET].open);
        streams[fd - SOCKET].open = 0;
        return 0;
    }
    MUST(fd >= PART && part_open[fd - PART]);
    part_open[fd - PART] = 0;
    errno = ENOSPC;
    return faulty(BAD_CLOSE) ? -1 : 0;
}
static int fuzz_rename(const char *from, const char *to) {
    int k = from[4] - '0';
    MUST(part_there[k] && !part_open[k] && !named[k]);
    MUST(strncmp(from, to, 5) == 0 && strlen(to) == 5);
    errno = EACCES;
    if (faulty(BAD_RENAME)) return -1;
    part_there[k] = 0;
    return !(named[k] = 1);
}
static int fuzz_unlink(const char *name) {
    MUST(part_there[name[4] - '0']);
    return part_there[name[4] - '0'] = 0;
}

/* --- The caller of server() */

static int next(struct item *item) {
    MUST(locked == whole.ready); /* then it waits for nobody */
    if (current != NULL && !locked) perhaps_yield();
    if (!whole.ready && faulty(STUCK_LIST) && current != NULL) {
        current->waits = &whole; /* for ever: whoever writes it is silent */
        yield();
    }
    if ((int)whole.given == list) return fault == BAD_LIST ? -1 : 0;
    if ((item->text = calloc(3, 1)) == NULL) return -1;
    memcpy(item->text, "ab", item->length = whole.given % 3);
    return 1;
}

static void done(struct item *item) {
    uint32_t w = item->which;
    struct attempt_at *a = &attempts[w];
    MUST(w < (uint32_t)list && !finished[w]);
    finished[w] = 1;
    if (!whole.unordered && !whole.keep && whole.files == NULL &&
        !whole.aborted) {
        MUST((int)w == last + 1);
        last = (int)w;
    }
    MUST(item->status != 0 || item->tries > 0);
    int told = item->status == a->status && item->bytes == a->n;
    int late = !told && item->status == STATUS_TIMEOUT && a->on &&
        (a->on->late || a->status == STATUS_LOST);
    MUST(!late || (whole.seconds > 0 && item->took >= whole.seconds));
    MUST(told || late || whole.aborted || fault == BAD_REPLY);
    MUST(told || item->status != 0);
    if (item->status == 0)
        MUST((int)item->peer.sin_addr.s_addr == a->on - streams + SOCKET);
    const uint8_t *got = whole.keep ? item->data
        : whole.files               ? part[w]
                                    : output;
    size_t n = whole.keep ? item->held : whole.files ? parts[w] : outputs;
    MUST(n <= a->n || item->status != 0);
    if (item->status == 0 ||
        (!whole.aborted && item->status > 0 && !late && whole.retries == 0))
        MUST(n == a->n);
    if (!whole.aborted || item->status == 0)
        MUST(n == 0 || memcmp(got, a->bytes, n) == 0);
    MUST(!whole.files || named[w] == (item->status == 0));
    outputs = 0;
}

static void set_up(const uint8_t *control, size_t left) {
    memset(&q, 0, sizeof(q));
    memset(&whole, 0, sizeof(whole));
    memset(streams, 0, sizeof(streams));
    for (int i = 0; i < STREAMS; i++) threads[i].alive = 0;
    for (int i = 0; i < ITEMS; i++) {
        part_open[i] = part_there[i] = named[i] = finished[i] = 0;
        parts[i] = attempts[i].n = 0;
        attempts[i].on = NULL;
    }
    outputs = step_number = 0;
    enough = 0;
    accepted = pending = locked = woken = reaped = dying = deaths = 0;
    last = -1;
    current = NULL;
    s = 9;
    fuzz_now = 1000;
    memcpy(whole.token, "the secret token", TOKEN);
    whole.next = next;
    whole.done = done;
    whole.keep = control[0] & 1;
    whole.files = !whole.keep && (control[0] & 8) ? "out.{}" : NULL;
    whole.unordered = !whole.keep && !whole.files && (control[0] & 2);
    whole.keep_going = (control[0] & 4) != 0;
    whole.ready = (control[0] & 16) != 0;
    whole.verbose = (control[0] & 32) != 0;
    spurious = (control[0] & 64) != 0;
    whole.retries = control[1] & 3;
    list = control[1] >> 2 & 7;
    whole.remote = control[0] >> 7;
    whole.jobs = children = (control[1] >> 5) + !whole.remote;
    whole.seconds = control[20] & 3;
    mute_at = control[21];
    whole.memory = (uint64_t)control[2] * 16;
    fault = control[3] & 15;
    when = control[3] >> 4;
    bad_allocation = fault == NO_MEMORY ? 2 + when : 0;
    whole.limit = 2 + (control[12] >> 2 & 3);
    nstreams = 1 + (control[12] & 3);
    uint8_t *p = input + CONTROL;
    for (int i = 0; i < nstreams; i++) {
        size_t n = i < nstreams - 1 ? left * control[13 + i] / 256 : left;
        streams[i].said = p;
        streams[i].bytes = n;
        streams[i].habits = control[16 + i];
        p += n;
        left -= n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (bytes < CONTROL || bytes > ROOM) return -1;
    memcpy(input, data, bytes);
    set_up(input, bytes - CONTROL);
    int r = server(&whole);
    MUST((r == 0) == !whole.aborted && children == 0);
    MUST(!whole.aborted || whole.failed || whole.signal || !whole.keep_going);
    MUST(!whole.signal || enough || fault == BROKEN_PIPE);
    for (uint32_t w = 0; w < whole.given; w++) MUST(finished[w]);
    for (int i = 0; i < ITEMS; i++) MUST(!part_there[i]);
    for (int i = 0; i < nstreams; i++) MUST(r < 0 || !streams[i].open);
    MUST(r < 0 || ((int)whole.given == list && held_blocks == 0 && !locked));
    free_blocks();
    return 0;
}

/* Puts whole messages where plain mutation would hardly make any. */
size_t LLVMFuzzerCustomMutator(
    uint8_t *data, size_t bytes, size_t max, unsigned seed) {
    uint8_t m[64];
    size_t n = 0;
    uint32_t payload = seed >> 8 & 15;
    uint32_t w = seed >> 12 & 1 ? MINE : seed >> 13 & 3;
    if (bytes < CONTROL || seed % 4 != 0)
        return LLVMFuzzerMutate(data, bytes, max);
    if (seed >> 16 & 1) {
        memcpy(m, MAGIC "the secret token", n = 4 + TOKEN);
        uint32_t who = seed >> 18 & 7;
        put32(m + n, seed >> 17 & 1 ? NONE : who & 4 ? END | (who & 3) : who);
        put32(m + n + 4, 0);
        n += HEADER;
    } else if (seed >> 17 & 1) {
        put32(m, w);
        put32(m + 4, payload);
        memset(m + HEADER, (int)(seed >> 20), payload);
        n = HEADER + payload;
    } else {
        put32(m, w | END);
        put32(m + 4, 12);
        put32(m + 8, seed >> 18 & 1 ? 0 : seed >> 20);
        put32(m + 12, RIGHT);
        put32(m + 16, RIGHT);
        n = HEADER + 12;
    }
    if (bytes + n > max) return LLVMFuzzerMutate(data, bytes, max);
    size_t at = CONTROL + (seed >> 4) % (bytes - CONTROL + 1);
    memmove(data + at + n, data + at, bytes - at);
    memcpy(data + at, m, n);
    return bytes + n;
}
