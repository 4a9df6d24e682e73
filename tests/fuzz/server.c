/*
 * server.c - fuzzing the parent's side.  A whole run of server(), with all
 * that it stands on but signals.c: up to four clients say what the input says,
 * when it says so.  Threads are coroutines that change where a thread could
 * lose the processor: when it gives up the lock.  Of visitors, who have proved
 * nothing yet, and with whom the main thread talks, bytes come in pieces, or
 * at once, or not at all; poll() may tell of bytes that are not there; and an
 * answer may not be taken, or only in part.  Files, standard output, children
 * and the clock are imitated, and can fail once.
 *
 * What has to be true: items that are said to be complete are what a second,
 * simpler reader of the wire finds in the input, byte for byte; others ended
 * as it says; each ends once, in order if there is one; nobody waits for ever,
 * sleeps though it was called, or looks again and again; nothing waits with
 * the lock held; the server proves itself first, to everybody differently; no
 * thread is there for who has not proved that it knows the secret, and no item
 * goes to it, which nobody achieves who reflects or plays back what others
 * have said; an item goes to the one that it is promised to or that wants it;
 * a server of others waits for more of them only while there is something to
 * do that nobody who is there will do; after a good end no memory, descriptor
 * or part of a file is left; after another one server() returns, and what its
 * threads still do changes nothing.
 *
 * And of visitors: the main thread waits for each of them whenever it sleeps,
 * and for no longer than his time; it hears him before it sleeps again if
 * something has come; it answers a hello when it is whole, and not before; who
 * has proved himself has a thread then; nobody else is sent away without a
 * cause, and what is said of it is true; with them there are never more
 * connections than there may be; they are gone when the run has ended.  Nobody
 * is let in before the children are dead that there was no room for, or as
 * many others; who has come before that is turned away, unheard.
 *
 * The program is built with -DCHECK, so it looks at itself at every change of
 * threads as well: lib/check.h.
 */
#include "fuzz.h"

#include "../../lib/conn.h"
#include "second.h"
#include <sanitizer/asan_interface.h>
#include <ucontext.h>

#define STREAMS 4
#define ITEMS 8
#define CONTROL 28        /* bytes of input before what clients say */
#define SIGNALS 3         /* the descriptor of signals.c */
#define LISTENER 9        /* where server() listens */
#define PART 50           /* descriptors from here on are files of items, */
#define SOCKET 100        /* and from here on connections */
#define MINE 0xffffffu    /* `which` of whatever the client was given */
#define RIGHT 0xffffffffu /* a count that is right */
#define ROOM 8192         /* bytes of input at most */
#define HELLO (MAGIC_SIZE + NONCE_SIZE)
#define ANSWER (HELLO + PROOF_SIZE)
#define OPENED (HELLO + HEADER_SIZE + PROOF_SIZE)

/* Habits of a client; what is above them cuts what comes of it. */
enum habit {
    TALKS = 1,    /* it says something when it should not */
    RESETS = 2,   /* it ends with a reset */
    MUTE = 4,     /* it falls silent somewhere */
    TRICKLES = 8, /* it never pauses, and takes its time */
    CUTS = 4      /* bits below the length of a piece */
};
#define TRICKLE 0.53 /* seconds for a piece */
#define SILENT 1.0   /* seconds that a visitor has where means are short */

/* Whose turn it is, if not that of server() itself. */
struct thread {
    ucontext_t context;
    void *(*function)(void *);
    void *arg;
    const void *waits; /* for a condition, or `&stuck` */
    bool alive;
    struct stream *stream; /* what it serves */
    char stack[256 << 10];
};

struct stream {
    uint8_t *said;               /* by the client, */
    size_t bytes, pos;           /* so much; taken by server() */
    int habits;                  /* see above */
    bool open, shut;             /* accepted and not closed; shut down */
    bool unwanted;               /* to be turned away; it dials again */
    bool served;                 /* by a thread; until then: a visitor */
    size_t here;                 /* bytes of a visitor that have come, */
    bool over;                   /* and its end */
    double talks;                /* more of a visitor comes at this time */
    double came;                 /* when it was accepted, */
    double waited;               /* and first waited for; 0: it was not */
    int overdue;                 /* times that it was so after its time */
    bool ready;                  /* poll() has said so, it was not read yet */
    bool ended;                  /* server() knows that nothing will come, */
    bool deaf;                   /* or that it takes no more of an answer */
    bool late;                   /* waiting for it lasted too long */
    uint32_t item;               /* that it was given last */
    double reading;              /* seconds that this has trickled */
    uint8_t answer[ANSWER];      /* the server's half of the proofs */
    size_t answered;             /* bytes of it */
    uint8_t proof[PROOF_SIZE];   /* what it has said itself */
    uint8_t header[HEADER_SIZE]; /* of the reply that is being written */
    size_t have, text;           /* bytes of it; of its text, to come */
    bool goodbye;                /* it was said */
};

/* The last attempt at an item, as the second reader sees it. */
struct attempt {
    bool ended; /* with an end that makes sense, which said this */
    uint32_t kind, value;
    const struct stream *on; /* where it was made */
    uint8_t bytes[ROOM];
    size_t n;
};

enum fault {
    NO_FAULT,
    BROKEN_PIPE,
    FULL,
    NO_MEMORY,
    POOR, /* no memory for ever */
    BAD_CLOSE,
    NO_FILE,
    BAD_RENAME,
    TERMINATE,
    NO_DESCRIPTOR,
    BAD_REPLY,
    NO_THREAD,
    NO_CONDITION,
    BAD_LIST,
    STUCK_LIST,
    STUCK_READER, /* of standard output */
    STUCK_ERRORS, /* nobody reads the messages for a while */
    UNDEAD,       /* children take long to die */
    STALL,        /* only the main thread gets the processor, at the end */
    GAVE_UP,      /* a child was unable to do its work */
    NO_SPLICE,
    NOT_TUNED, /* a connection */
    BAD_ANSWER,
    FAULTS
};

static struct thread threads[STREAMS], *current;
static ucontext_t main_context;
static struct stream streams[STREAMS];
static struct attempt attempts[ITEMS];
static struct config config;
static struct callbacks callbacks;
static struct result *result;
static uint8_t secret[SECRET_SIZE], token[SECRET_SIZE];
static uint8_t input[ROOM], output[ITEMS][ROOM], part[ITEMS][ROOM];
static size_t outputs[ITEMS], parts[ITEMS];
static int writing;            /* the item that was written last, or -1 */
static bool is_written[ITEMS]; /* others were written behind it */
static bool part_open[ITEMS], part_there[ITEMS], named[ITEMS];
static bool part_old[ITEMS];    /* what is there was left by an earlier run */
static uint64_t ends[OUTCOMES]; /* items that ended so */
static bool finished[ITEMS], granted[ITEMS];
static bool was_short; /* so nothing is reserved any more */
static int list, last;
static bool listing, reporting; /* next() runs; another callback does */
static bool enough;             /* a signal has arrived */
static bool returned;           /* from server() */
static size_t mute_at;          /* who is mute has said so many bytes */
static int nstreams, accepted, reaped, dying, deaths;
static int surplus; /* children that there was no room for, beside the jobs; */
static int dead;    /* of these, who are dead, */
static int buried;  /* and reaped */
static bool early;  /* who is at the door has come before that */
static bool pending, locked, woken, spurious, is_terminal, is_slow;
static bool paused;      /* for lack of means, since the last poll() */
static bool began;       /* the main thread has slept, */
static bool was_over;    /* and was at the end of the run then */
static int knocks;       /* times that it slept with somebody at the door */
static double ended_at;  /* when all items were seen to have ended, or 0 */
static int idle, spins;  /* times that nothing could happen, or did */
static double killed_at; /* when the children were, or 0 */
static enum fault fault;
static int when;
static const char stuck; /* what a thread waits for that waits for ever */
static unsigned step_number;
int children;
unsigned short cport;

/* A number below n, of the input's choice; in a long run no longer, for in a
 * circle the same thread could fail to get on for ever. */
static int choose(int n) {
    unsigned i = step_number++;
    if (i > 10000) {
        uint32_t mixed = (i ^ i >> 16) * 0x7feb352du;
        mixed = (mixed ^ mixed >> 15) * 0x846ca68bu;
        return (int)((mixed ^ mixed >> 16) % (unsigned)n);
    }
    return (input[4 + i % 8] + (int)(i / 8)) % n;
}

/* Does the fault happen here?  It does once, after `when` occasions. */
static bool is_faulty(enum fault kind) {
    return fault == kind && when-- == 0;
}

/* --- What signals.c is to server() */

void signals_wake(void) {
    woken = true;
}

int signals_fd(void) {
    return SIGNALS;
}

int signals_next(void) {
    if (is_faulty(TERMINATE))
        enough = true;
    return enough ? SIGTERM : 0;
}

bool signals_pending(void) {
    return enough;
}

bool signals_have_news(void) {
    return false; /* the main thread looks at everything each time */
}

bool child_gave_up(void) {
    return is_faulty(GAVE_UP);
}

pid_t child_pid(uint32_t k) {
    return k < (uint32_t)(config.jobs + surplus) ? 1000 + (pid_t)k : 0;
}

int child_reap(int *status) {
    MUST(!locked);
    bool undead = fault == UNDEAD && killed_at > 0;
    if (buried < dead) {
        *status = SIGKILL;
        return config.jobs + buried++;
    }
    if (reaped == dying || (undead && fuzz_now < killed_at + 5))
        return -1;
    *status = 0;
    if (choose(2))
        *status = SIGKILL;
    else if (choose(16) == 0)
        *status = 2 << 8;
    return reaped++;
}

/* Only connected clients are played here, and these learn it from that. */
void child_kill_idle(void) {
}

void child_kill(int from) {
    MUST(from == 0);
    dying = config.jobs;
    deaths = config.jobs;
    dead = surplus;
    if (killed_at <= 0)
        killed_at = fuzz_now;
}

/* --- Visitors: who is there, and has not proved who he is */

/* The secret that the client means, or NULL. */
static const uint8_t *secret_of(const struct stream *stream) {
    if (memcmp(stream->said, "gat2", 4) == 0)
        return config.secret;
    return memcmp(stream->said, "GAT2", 4) == 0 ? config.token : NULL;
}

/* Is this the proof of somebody who knows the secret that he means? */
static bool is_proof_right(const struct stream *stream) {
    uint8_t right[PROOF_SIZE];
    const uint8_t *header = stream->said + HELLO;
    if (stream->answered < ANSWER || stream->bytes < OPENED ||
        stream->pos < OPENED || secret_of(stream) == NULL)
        return false;
    second_proof(right, secret_of(stream), "client", stream->said + 4,
        stream->answer + 4, header, HEADER_SIZE);
    return memcmp(header + HEADER_SIZE, right, PROOF_SIZE) == 0;
}

static bool is_child(const struct stream *stream) {
    return memcmp(stream->said, "gat2", 4) == 0;
}

/* Has the client proved who it is? */
static bool has_proved(const struct stream *stream) {
    uint32_t who = get_u32(stream->said + HELLO);
    bool sense = is_child(stream)
        ? who < (uint32_t)config.jobs
        : who == NONE || ((who & END) != 0 && (who & ~END) < NONE);
    return is_proof_right(stream) && sense &&
        get_u32(stream->said + HELLO + 4) == 0;
}

static bool is_visitor(const struct stream *stream) {
    return stream->open && !stream->served;
}

static int count_open(void) {
    int n = 0;
    for (int i = 0; i < nstreams; i++)
        n += streams[i].open;
    return n;
}

/* Has no other visitor come before? */
static bool is_oldest(const struct stream *stream) {
    for (const struct stream *other = streams; other < stream; other++)
        if (is_visitor(other))
            return false;
    return true;
}

/* Are there no means to serve who has proved himself, */
static bool is_thread_short(void) {
    return fault == NO_MEMORY || fault == POOR || fault == NO_THREAD ||
        fault == NO_CONDITION;
}

/* or anybody? */
static bool is_short(void) {
    return is_thread_short() || fault == NO_DESCRIPTOR || fault == NOT_TUNED;
}

/* Was it just accepted, in vain? */
static bool is_bad(const struct stream *stream) {
    return fault == NOT_TUNED && when < 0 && stream->waited <= 0;
}

/* Is the run at its end, so that nobody is needed who is not there? */
static bool is_over(void) {
    return !run_goes_on() ||
        (items_finished() && children == 0 && config.token == NULL);
}

/* Is it so, or are those who could say goodbye too late? */
static bool is_too_late(void) {
    bool late = ended_at > 0 && fuzz_now >= ended_at + 2.4 * GRACE;
    return is_over() || (items_finished() && children == 0 && late);
}

/* May server() send a visitor away? */
static bool may_go(const struct stream *stream) {
    bool is_open_to = config.token != NULL || stream->answered < ANSWER;
    bool is_foreign = memcmp(stream->said, "GAT2", 4) == 0;
    if (is_too_late())
        return true;
    if (has_proved(stream))
        return is_thread_short();
    if (stream->ended || stream->deaf || stream->pos >= OPENED)
        return true;
    if (stream->pos >= MAGIC_SIZE && !is_child(stream) &&
        !(is_foreign && is_open_to))
        return true;
    if (fuzz_now >= stream->came + (is_short() ? SILENT : OPENING))
        return true;
    return is_bad(stream) ||
        (count_open() > config.connections_max && is_oldest(stream));
}

/* A thread is about to serve a connection: to whom does it lead? */
static struct stream *check_served(const struct conn *conn) {
    struct stream *stream = &streams[conn->fd - SOCKET];
    const struct taker *taker = &conn->taker;
    MUST(current == NULL && is_visitor(stream) && has_proved(stream));
    MUST((int)conn->from.s_addr == conn->fd);
    uint32_t who = get_u32(stream->said + HELLO);
    if (is_child(stream))
        MUST(taker->kind == CLIENT_CHILD && taker->number == who);
    else if (who == NONE)
        MUST(taker->kind == CLIENT_ELSEWHERE);
    else
        MUST(taker->kind == CLIENT_WANTS_ONE && taker->number == (who & ~END));
    return stream;
}

/* What server() has done for a visitor before its main thread sleeps. */
static void check_visitor(struct stream *stream, int timeout) {
    MUST(is_visitor(stream));
    MUST(!stream->ready || paused);        /* it was heard, */
    MUST(!stream->ended && !stream->deaf); /* sent away, */
    MUST((stream->pos >= HELLO) == (stream->answered == ANSWER));
    MUST(stream->pos < MAGIC_SIZE || is_child(stream) ||
        memcmp(stream->said, "GAT2", 4) == 0);
    MUST(stream->pos < HELLO || secret_of(stream) != NULL);
    MUST(stream->pos < OPENED); /* or it is served */
    stream->ready = false;
    if (stream->waited <= 0)
        stream->waited = fuzz_now;
    double left = stream->waited + OPENING - fuzz_now;
    if (left <= 0) {
        left = 0;
        stream->overdue++; /* once more if its hello has come at last */
    }
    MUST(stream->overdue <= 2);
    MUST(timeout >= 0 && timeout / 1e3 <= left + 0.002);
}

/* The main thread is about to sleep: is it waiting for each visitor once? */
static void check_visitors(const struct pollfd *fds, nfds_t n, int timeout) {
    unsigned seen = 0;
    for (nfds_t k = 0; k < n; k++) {
        int i = fds[k].fd - SOCKET;
        MUST(i >= 0 && i < accepted && (seen >> i & 1) == 0);
        MUST(fds[k].events == POLLIN);
        seen |= 1u << i;
        check_visitor(&streams[i], timeout);
    }
    for (int i = 0; i < nstreams; i++)
        MUST((seen >> i & 1) == is_visitor(&streams[i]));
    MUST(count_open() <= config.connections_max);
    MUST(n == 0 || !was_over);
    was_over = is_over();
    paused = false;
}

/* Will more of it come, or its end?  Who does not talk out of turn waits for
 * an answer to its hello. */
static bool will_talk(const struct stream *stream) {
    if (!is_visitor(stream) || stream->over)
        return false;
    if ((stream->habits & MUTE) && stream->here >= mute_at)
        return false;
    return (stream->habits & TALKS) || stream->here < HELLO ||
        stream->here == stream->bytes || stream->answered == ANSWER;
}

static bool may_talk(const struct stream *stream) {
    return will_talk(stream) && fuzz_now >= stream->talks;
}

/* A piece of what a visitor says comes, or its end. */
static void talk(struct stream *stream) {
    size_t n = stream->bytes - stream->here;
    size_t cut = (size_t)stream->habits >> CUTS;
    /* It knows what the server has said to the one before it. */
    if (stream->here == 0 && stream > streams && stream->bytes > HELLO &&
        stream->said[4] == 'S' && stream[-1].answered == ANSWER)
        memcpy(stream->said + 4, stream[-1].answer + 4, NONCE_SIZE);
    if ((stream->habits & MUTE) && n > mute_at - stream->here)
        n = mute_at - stream->here;
    if (!(stream->habits & TALKS) && stream->here < HELLO &&
        n > HELLO - stream->here)
        n = HELLO - stream->here;
    if (cut > 0 && n > cut)
        n = cut;
    stream->over = stream->here == stream->bytes ||
        (stream->here + n == stream->bytes && choose(4) == 0);
    stream->here += n;
    if (stream->habits & TRICKLES)
        stream->talks = fuzz_now + TRICKLE;
}

/* Has it said something that server() does not know? */
static bool has_news(const struct stream *stream) {
    return stream->here > stream->pos || stream->over;
}

static bool has_anyone_news(void) {
    for (int i = 0; i < nstreams; i++)
        if (is_visitor(&streams[i]) && has_news(&streams[i]))
            return true;
    return false;
}

/* What poll() says of the visitors; returns for how many it says anything. */
static int look_at_visitors(struct pollfd *fds, nfds_t n) {
    int count = 0;
    for (nfds_t k = 0; k < n; k++) {
        struct stream *stream = &streams[fds[k].fd - SOCKET];
        bool is_reset = stream->over && (stream->habits & RESETS);
        if (!has_news(stream) && !(spurious && choose(16) == 0))
            continue;
        fds[k].revents = POLLIN;
        if (is_reset && choose(2))
            fds[k].revents = POLLHUP | POLLERR;
        stream->ready = true;
        count++;
    }
    return count;
}

/* The main thread reads from a visitor, and does not wait.  A reset may come
 * before what was said last. */
static ssize_t take_from_visitor(struct stream *stream, void *to, size_t n) {
    size_t cut = (size_t)stream->habits >> CUTS;
    MUST(is_visitor(stream) && current == NULL && n > 0);
    MUST(never_waits[stream - streams + SOCKET]);
    MUST(!stream->ended && !stream->deaf);
    stream->ready = false;
    if (may_talk(stream) && choose(4) == 0)
        talk(stream);
    errno = EINTR;
    if (cut == 1 && choose(2))
        return -1;
    size_t left = stream->here - stream->pos;
    errno = EAGAIN;
    if (left == 0 && !stream->over)
        return -1;
    bool is_reset = stream->over && (stream->habits & RESETS);
    errno = ECONNRESET;
    stream->ended = left == 0 || (is_reset && choose(2));
    if (stream->ended)
        return is_reset ? -1 : 0;
    if (cut > 0 && n > cut)
        n = cut;
    if (n > left)
        n = left;
    memcpy(to, stream->said + stream->pos, n);
    stream->pos += n;
    return (ssize_t)n;
}

/* --- Threads */

static void thread_begins(void) {
    struct thread *t = current;
    t->function(t->arg);
    MUST(!locked);
    t->alive = false;
    swapcontext(&t->context, &main_context);
}

int fuzz_thread(pthread_t *id, const pthread_attr_t *attributes,
    void *(*function)(void *), void *arg) {
    struct thread *t = threads;
    struct stream *stream = check_served(arg);
    (void)id;
    (void)attributes;
    if (is_faulty(NO_THREAD))
        return EAGAIN;
    stream->served = true;
    while (t->alive)
        t++;
    MUST(t < threads + STREAMS);
    t->function = function;
    t->arg = arg;
    t->stream = stream;
    t->waits = NULL;
    t->alive = true;
    getcontext(&t->context);
    t->context.uc_stack.ss_sp = t->stack;
    t->context.uc_stack.ss_size = sizeof(t->stack);
    t->context.uc_link = NULL;
    makecontext(&t->context, thread_begins, 0);
    return 0;
}

/* Nobody sleeps for whom something is there: all conditions are at the
 * beginning of a struct waiter. */
static void check_sleepers(void) {
    for (int i = 0; i < STREAMS; i++) {
        const struct waiter *waiter = threads[i].waits;
        if (!threads[i].alive || waiter == NULL ||
            (const void *)waiter == &stuck)
            continue;
        MUST(!waiter->called && run_goes_on());
    }
}

static void go_on_with(struct thread *t) {
    current = t;
    swapcontext(&main_context, &t->context);
    current = NULL;
    check_sleepers();
}

/* The main thread, which does not sleep, leaves them the processor. */
static void others_go_on(void) {
    bool stalls = fault == STALL && !run_goes_on();
    struct thread *t = &threads[choose(STREAMS)];
    if (t->alive && t->waits == NULL && !stalls && !returned)
        go_on_with(t);
}

/* Lets others go on; a thread that waits for nothing can be next again. */
static void yield(void) {
    struct thread *t = current;
    MUST(!locked);
    if (t == NULL) {
        others_go_on();
        return;
    }
    current = NULL;
    swapcontext(&t->context, &main_context);
    current = t;
}

static void perhaps_yield(void) {
    MUST(!locked);
    if (choose(2))
        yield();
}

/* The thread waits for something that never comes, but after the end. */
static void be_stuck(void) {
    if (current == NULL || returned)
        return;
    current->waits = &stuck;
    yield();
}

static bool is_anyone_stuck(void) {
    for (int i = 0; i < STREAMS; i++)
        if (threads[i].alive && threads[i].waits == &stuck)
            return true;
    return false;
}

static int count_threads(void) {
    int n = 0;
    for (int i = 0; i < STREAMS; i++)
        n += threads[i].alive;
    return n;
}

/* The lock is the mutex that is taken first; lib/say.c has one of its own,
 * which nobody holds for long. */
static bool is_the_lock(pthread_mutex_t *mutex) {
    static pthread_mutex_t *the_lock;
    if (the_lock == NULL)
        the_lock = mutex;
    return mutex == the_lock;
}

int fuzz_lock(pthread_mutex_t *mutex) {
    if (!is_the_lock(mutex))
        return 0;
    MUST(!locked);
    locked = true;
    return 0;
}

int fuzz_unlock(pthread_mutex_t *mutex) {
    if (!is_the_lock(mutex))
        return 0;
    MUST(locked);
    locked = false;
    return 0;
}

int fuzz_cond_init(pthread_cond_t *condition) {
    (void)condition;
    return is_faulty(NO_CONDITION) ? EAGAIN : 0;
}

int fuzz_cond_destroy(pthread_cond_t *condition) {
    for (int i = 0; i < STREAMS; i++)
        MUST(!threads[i].alive || threads[i].waits != condition);
    return 0;
}

int fuzz_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    MUST(current != NULL);
    current->waits = condition;
    fuzz_unlock(mutex);
    yield();
    return fuzz_lock(mutex);
}

int fuzz_signal(pthread_cond_t *condition) {
    MUST(locked);
    for (int i = 0; i < STREAMS; i++)
        if (threads[i].alive && threads[i].waits == condition)
            threads[i].waits = NULL;
    return 0;
}

/* A child dies, first those that are killed already; false if none is left. */
static bool die(void) {
    if (dead < surplus) {
        dead++;
    } else if (deaths < config.jobs) {
        deaths++;
        dying = deaths;
    } else {
        return false;
    }
    woken = true;
    return true;
}

/* Has somebody do something, or something happen; false if nothing can. */
static bool happen(struct pollfd *listener) {
    struct thread *can[STREAMS];
    struct stream *says[STREAMS];
    int n = 0, talkers = 0, visitors = 0;
    for (int i = 0; i < STREAMS; i++) {
        struct thread *t = &threads[i];
        if (t->alive && t->waits != NULL && t->waits != &stuck && spurious &&
            choose(8) == 0)
            t->waits = NULL;
        if (t->alive && t->waits == NULL)
            can[n++] = t;
        if (may_talk(&streams[i]))
            says[talkers++] = &streams[i];
        visitors += is_visitor(&streams[i]);
    }
    bool may_call = listener->fd >= 0 || children > config.jobs;
    int caller = may_call && accepted < nstreams && !pending;
    int ways = n + talkers + caller;
    if (ways == 0 && visitors > 0 && choose(4) != 0)
        return false; /* their time goes on */
    bool is_left = deaths < config.jobs || dead < surplus;
    if (ways == 0 || (is_left && choose(32) == 0))
        return die();
    int k = choose(ways);
    if (k < n) {
        go_on_with(can[k]);
    } else if (k < n + talkers) {
        talk(says[k - n]);
    } else {
        pending = true;
        early = children > config.jobs;
    }
    listener->revents = pending && listener->fd >= 0 ? POLLIN : 0;
    return true;
}

/* Nothing can happen.  May server() wait for clients to come? */
static bool may_wait(void) {
    if (!run_goes_on())
        return false;
    if (is_anyone_stuck())
        return true;
    return config.token != NULL && count_threads() == 0 && items_want_client();
}

/* --- Waiting */

/* Nothing can happen now.  Is a visitor going to say something before a time?
 * Then it is that time now. */
static bool pass_time(double until) {
    double next = until;
    for (int i = 0; i < nstreams; i++)
        if (will_talk(&streams[i]) && streams[i].talks < next)
            next = streams[i].talks;
    if (next >= until)
        return false;
    fuzz_now = next;
    return true;
}

/* The main thread sleeps, for so many seconds, or until somebody wants
 * something of it; it may be late then. */
static void sleep_main(struct pollfd *listener, double until) {
    bool stalls = fault == STALL && !run_goes_on() && when-- > 0;
    listener->revents = pending && listener->fd >= 0 ? POLLIN : 0;
    while (!stalls && !woken && listener->revents == 0 && !has_anyone_news()) {
        if (!happen(listener) && !pass_time(until))
            return;
        idle = 0;
        spins = 0;
    }
    while (!stalls && choose(4) == 0 && happen(listener))
        continue;
}

/* poll(), of the main thread. */
static int poll_main(struct pollfd *fds, nfds_t n, int timeout) {
    MUST(current == NULL && !locked && !returned && n >= 2);
    MUST(fds[0].fd == SIGNALS && (fds[1].fd == LISTENER || fds[1].fd < 0));
    MUST(fds[0].events == POLLIN && fds[1].events == POLLIN);
    MUST(fds[1].fd < 0 || children <= config.jobs);
    began = true;
    if (ended_at <= 0 && items_finished())
        ended_at = fuzz_now;
    knocks = pending && fds[1].fd >= 0 && !paused ? knocks + 1 : 0;
    MUST(knocks < 20);
    check_visitors(fds + 2, n - 2, timeout);
    if (spurious && choose(16) == 0)
        return -1;
    sleep_main(&fds[1], timeout < 0 ? 1e9 : fuzz_now + timeout / 1e3);
    int ready = look_at_visitors(fds + 2, n - 2);
    if (woken || fds[1].revents != 0 || ready > 0) {
        fds[0].revents = woken ? POLLIN : 0;
        ready += woken + (fds[1].revents != 0);
        woken = false;
        return ready;
    }
    idle += run_goes_on() && !items_finished();
    if (timeout < 0 || idle > 100) {
        MUST(may_wait());
        enough = true;
        idle = 0;
        fds[0].revents = POLLIN;
        return 1;
    }
    spins = timeout == 0 ? spins + 1 : 0;
    MUST(spins < 20);
    fuzz_now += (timeout + 1) / 1e3;
    return 0;
}

/* Somebody who has proved nothing takes an answer at once, or not. */
static int poll_visitor(
    struct stream *stream, struct pollfd *fd, int timeout) {
    MUST(is_visitor(stream) && current == NULL && timeout == 0);
    MUST(fd->events == POLLOUT && !stream->deaf);
    stream->deaf = choose(2) == 0;
    fd->revents = stream->deaf ? 0 : POLLOUT;
    return !stream->deaf;
}

static int poll_stream(struct stream *stream, struct pollfd *fd, int timeout) {
    MUST(stream->open && current != NULL && current->stream == stream);
    if (locked) { /* does it talk before it may? */
        MUST(timeout == 0);
        bool has = (stream->habits & TALKS) || stream->pos == stream->bytes ||
            stream->shut;
        stream->late |= !has;
        fd->revents = has ? fd->events : 0;
        return has;
    }
    perhaps_yield();
    bool is_mute = (stream->habits & MUTE) && stream->pos >= mute_at;
    if (is_mute && timeout >= 0 && !stream->shut) {
        fuzz_now += timeout / 1e3;
        stream->late = true;
        return 0;
    }
    fd->revents = fd->events;
    return 1;
}

/* Standard output or standard error. */
static int poll_output(struct pollfd *fd, int timeout) {
    MUST(fd->events == POLLOUT);
    MUST(timeout == 0 || !locked);
    bool is_stuck = fd->fd == 1 && fault == STUCK_READER && when <= 0;
    bool is_late =
        fd->fd == 2 && fault == STUCK_ERRORS && when <= 0 && fuzz_now < 1030;
    if (timeout != 0)
        perhaps_yield();
    if (is_stuck && timeout < 0)
        be_stuck();
    if (is_late && timeout > 0) {
        yield();
        fuzz_now += current == NULL ? timeout / 1e3 : 0;
    }
    if ((is_stuck && timeout >= 0 && !returned) || (is_late && timeout >= 0) ||
        (fd->fd == 1 && is_slow && timeout >= 0 && choose(2))) {
        fuzz_now += timeout / 1e3;
        return 0;
    }
    fd->revents = POLLOUT;
    return 1;
}

int fuzz_poll(struct pollfd *fds, nfds_t n, int timeout) {
    for (nfds_t i = 0; i < n; i++)
        fds[i].revents = 0;
    if (n == 0) {
        MUST(!locked && timeout > 0 && current == NULL);
        yield();
        fuzz_now += timeout / 1e3;
        paused = true;
        return 0;
    }
    errno = choose(2) ? EINTR : ENOMEM;
    if (fds[0].fd == SIGNALS)
        return poll_main(fds, n, timeout);
    MUST(n == 1);
    if (spurious && !locked && choose(16) == 0)
        return -1;
    if (fds[0].fd >= SOCKET) {
        struct stream *stream = &streams[fds[0].fd - SOCKET];
        return stream->served ? poll_stream(stream, &fds[0], timeout)
                              : poll_visitor(stream, &fds[0], timeout);
    }
    if (fds[0].fd == 1 || fds[0].fd == 2)
        return poll_output(&fds[0], timeout);
    fds[0].revents = fds[0].events; /* a file */
    return 1;
}

/* --- Connections */

int fuzz_accept(int fd, struct sockaddr *from, socklen_t *length) {
    struct sockaddr_in *in = (struct sockaddr_in *)from;
    MUST(fd == LISTENER && current == NULL && children <= config.jobs);
    MUST(in != NULL ? *length == sizeof(*in) : length == NULL && buried > 0);
    errno = spurious && choose(4) == 0 ? ECONNABORTED : EAGAIN;
    if (!pending && (accepted == nstreams || choose(4) != 0))
        return -1;
    errno = ECONNABORTED; /* somebody who is gone stood before it */
    if (spurious && choose(8) == 0)
        return -1;
    errno = ENFILE;
    if (is_faulty(NO_DESCRIPTOR))
        return -1;
    pending = false;
    struct stream *stream = &streams[accepted];
    stream->open = true;
    stream->came = fuzz_now;
    never_waits[SOCKET + accepted] = false;
    stream->unwanted = in == NULL;
    /* An accept() that fails may have kept it from being turned away. */
    MUST(stream->unwanted || !early || fault == NO_DESCRIPTOR);
    early = false;
    if (in != NULL) {
        bad_fcntl = is_faulty(NOT_TUNED);
        memset(in, 0, sizeof(*in));
        in->sin_addr.s_addr = (uint32_t)(SOCKET + accepted);
    }
    accepted++;
    return SOCKET + accepted - 1;
}

int fuzz_shutdown(int fd, int how) {
    MUST(fd >= SOCKET && how == SHUT_RDWR && streams[fd - SOCKET].open);
    streams[fd - SOCKET].shut = true;
    return 0;
}

/* Takes from what a client that is served has said.  What it had said before
 * it was shut down may be there still. */
static ssize_t take(struct stream *stream, void *to, size_t n) {
    size_t cut = (size_t)stream->habits >> CUTS;
    size_t left = stream->bytes - stream->pos;
    MUST(stream->open && n > 0);
    if (stream->shut && choose(2))
        left = 0;
    errno = EINTR;
    if (cut == 1 && choose(2))
        return -1;
    if (cut > 0 && n > cut)
        n = cut;
    if (n > left)
        n = left;
    errno = ECONNRESET;
    if (left == 0)
        return stream->habits & RESETS ? -1 : 0;
    memcpy(to, stream->said + stream->pos, n);
    stream->pos += n;
    return (ssize_t)n;
}

ssize_t fuzz_read(int fd, void *to, size_t n) {
    struct stream *stream = &streams[fd - SOCKET];
    MUST(fd >= SOCKET);
    if (!stream->served)
        return take_from_visitor(stream, to, n);
    MUST(current != NULL && current->stream == stream);
    perhaps_yield();
    if (stream->habits & TRICKLES) {
        fuzz_now += TRICKLE;
        stream->reading += TRICKLE;
    }
    return take(stream, to, n);
}

/* The server has said all of its half of the proofs: is it right?  The client
 * finds its own now, of the kind that the input says. */
static void meet(struct stream *stream) {
    const uint8_t *key = secret_of(stream);
    uint8_t right[PROOF_SIZE] = {0}; /* it has none */
    MUST(stream->pos >= HELLO);
    uint8_t *mine = stream->said + 4, *its = stream->answer + 4;
    MUST(memcmp(stream->answer, "GAT2", 4) == 0);
    if (key != NULL)
        second_proof(right, key, "server", mine, its, NULL, 0);
    MUST(memcmp(stream->answer + HELLO, right, PROOF_SIZE) == 0);
    for (int i = 0; i < nstreams; i++)
        MUST(&streams[i] == stream || streams[i].answered < ANSWER ||
            memcmp(streams[i].answer + 4, its, NONCE_SIZE) != 0);
    if (stream->bytes < OPENED || key == NULL)
        return;
    uint8_t *header = stream->said + HELLO;
    uint8_t *proof = header + HEADER_SIZE;
    uint8_t other[HEADER_SIZE] = {0};
    switch (proof[0]) {
    case 'R': /* right */
        second_proof(proof, key, "client", mine, its, header, HEADER_SIZE);
        break;
    case 'O': /* with the other secret */
        second_proof(proof, key == secret ? token : secret, "client", mine,
            its, header, HEADER_SIZE);
        break;
    case 'H': /* for another item */
        other[3] = header[3] ^ 1;
        second_proof(proof, key, "client", mine, its, other, HEADER_SIZE);
        break;
    case 'X': /* reflected */
        memcpy(proof, right, PROOF_SIZE);
        break;
    case 'P': /* played back, with all that was said before it */
        if (stream > streams)
            memcpy(proof, stream[-1].proof, PROOF_SIZE);
        break;
    case 'Q': /* that of the server, to somebody else */
        if (stream > streams)
            memcpy(proof, stream[-1].answer + HELLO, PROOF_SIZE);
        break;
    }
    memcpy(stream->proof, proof, PROOF_SIZE);
}

/* Is this client to be given item w? */
static bool is_entitled(const struct stream *stream, uint32_t w) {
    uint32_t who = get_u32(stream->said + HELLO);
    bool is_reserved = config.list_speed == LIST_KNOWN &&
        config.token == NULL && w < (uint32_t)config.jobs && !granted[w] &&
        !was_short;
    granted[w] = true;
    if (!has_proved(stream))
        return false;
    for (int i = 0; i < nstreams; i++) /* it has asked, and did not take it */
        is_reserved = is_reserved &&
            !(has_proved(&streams[i]) &&
                get_u32(streams[i].said + HELLO) == w);
    if (is_reserved && (int)w >= reaped)
        return false;
    return is_child(stream) || who == NONE || w == (who & ~END);
}

/* The second reader: what the client is about to do with item w.  Fills in
 * what the input leaves open. */
static void foresee(struct stream *stream, uint32_t w) {
    struct attempt *a = &attempts[w];
    MUST(w < (uint32_t)list && is_entitled(stream, w));
    a->ended = false;
    a->on = stream;
    a->n = 0;
    stream->item = w;
    stream->late = false;
    stream->reading = 0;
    size_t at = stream->pos;
    while (at + HEADER_SIZE <= stream->bytes) {
        uint8_t *m = stream->said + at;
        if ((get_u32(m) & ~END) == MINE)
            put_u32(m, (get_u32(m) & END) | w);
        uint32_t item = get_u32(m), n = get_u32(m + 4);
        size_t left = stream->bytes - at - HEADER_SIZE;
        if (item == (w | END)) {
            if (n < 16 || n > 16 + 255 || left < n)
                return;
            if (get_u32(m + 20) == RIGHT) {
                put_u32(m + 16, 0);
                put_u32(m + 20, (uint32_t)a->n);
            }
            a->kind = get_u32(m + 8);
            a->value = get_u32(m + 12);
            a->ended = a->kind <= 4 && a->value < 1024 &&
                (a->kind != 0 || a->value < 256) && get_u32(m + 16) == 0 &&
                get_u32(m + 20) == a->n;
            return;
        }
        if (item != w || n == 0 || n > 1 << 30)
            return;
        size_t come = n < left ? n : left;
        memcpy(a->bytes + a->n, m + HEADER_SIZE, come);
        a->n += come;
        at += HEADER_SIZE + come;
    }
}

/* A byte for the client. */
static void hear(struct stream *stream, uint8_t byte) {
    MUST(!stream->goodbye);
    if (stream->answered < ANSWER) {
        MUST(stream->pos == HELLO);
        stream->answer[stream->answered++] = byte;
        if (stream->answered == ANSWER)
            meet(stream);
        return;
    }
    MUST(stream->served);
    if (stream->have < HEADER_SIZE) {
        stream->header[stream->have++] = byte;
        if (stream->have < HEADER_SIZE)
            return;
        MUST(has_proved(stream));
        stream->goodbye = get_u32(stream->header) == NONE;
        stream->text = get_u32(stream->header + 4);
        MUST(!stream->goodbye || stream->text == 0);
        if (stream->goodbye)
            return;
        MUST(stream->text == get_u32(stream->header) % 3);
    } else {
        stream->text--;
        MUST(byte ==
            "ba"[stream->text == 1 || get_u32(stream->header) % 3 == 1]);
    }
    if (stream->text == 0) {
        foresee(stream, get_u32(stream->header));
        stream->have = 0;
    }
}

/* Does a visitor take some of an answer?  Sets errno if not. */
static bool takes_answer(struct stream *stream) {
    MUST(is_visitor(stream) && current == NULL && !stream->deaf);
    MUST(never_waits[stream - streams + SOCKET] && !stream->shut);
    errno = spurious && choose(2) ? EINTR : EAGAIN;
    if (choose(8) == 0)
        return false;
    errno = choose(2) ? EPIPE : ECONNRESET;
    stream->deaf = is_faulty(BAD_ANSWER) || (stream->over && choose(4) == 0);
    return !stream->deaf;
}

static ssize_t say_to(struct stream *stream, const uint8_t *p, size_t n) {
    MUST(stream->open);
    if (!stream->served && !takes_answer(stream))
        return -1;
    MUST(!stream->served || (current != NULL && current->stream == stream));
    if (stream->served)
        perhaps_yield();
    errno = EPIPE;
    if (stream->shut)
        return -1;
    if (stream->served && is_faulty(BAD_REPLY))
        return -1;
    if (n > 3 && choose(2))
        n = 3;
    for (size_t i = 0; i < n; i++)
        hear(stream, p[i]);
    return (ssize_t)n;
}

/* --- Files and standard output */

static ssize_t keep_bytes(uint8_t *to, size_t *had, const void *p, size_t n) {
    if (n > 1 && choose(4) == 0)
        n /= 2;
    MUST(*had + n <= ROOM);
    memcpy(to + *had, p, n);
    *had += n;
    return (ssize_t)n;
}

/* Why a stranger was refused, as the messages say, and as it was. */
static bool is_true_of(const struct stream *stream, const char *reason) {
    bool is_foreign = memcmp(stream->said, "GAT2", 4) == 0;
    bool is_named = stream->pos >= MAGIC_SIZE;
    bool is_known_child = is_named && is_child(stream);
    if (strcmp(reason, "wrong token") == 0)
        return stream->pos >= OPENED
            ? !is_proof_right(stream)
            : stream->ended && is_foreign && stream->pos == HELLO;
    if (strcmp(reason, "no such child") == 0)
        return is_proof_right(stream) && !has_proved(stream);
    if (strcmp(reason, "closed before its opening") == 0)
        return (stream->ended || stream->deaf) && !is_known_child;
    if (strcmp(reason, "too many have proved nothing yet") == 0)
        return is_oldest(stream) && !is_known_child;
    if (strcmp(reason, "silent for 5 s") == 0)
        return fuzz_now >= stream->came + OPENING;
    if (strcmp(reason, "nobody is expected from elsewhere") == 0)
        return is_foreign && config.token == NULL &&
            stream->answered == ANSWER;
    if (!is_named || is_child(stream) || is_foreign)
        return false;
    return strncmp(reason, "wrong version: GAT", 18) == 0
        ? memcmp(stream->said, "GAT", 3) == 0
        : strcmp(reason, "this is not gather's protocol, GAT2") == 0 &&
            memcmp(stream->said, "GAT", 3) != 0;
}

/* Is a message about a stranger true? */
static void check_refusal(const char *line, size_t n) {
    static const char start[] = "gather: warning: refused a stranger at ";
    char text[1024];
    snprintf(text, sizeof(text), "%.*s", (int)n - 1, line);
    if (strncmp(text, start, strlen(start)) != 0)
        return;
    long k = strtol(text + strlen(start), NULL, 10) - SOCKET;
    const char *reason = strstr(text, ": ");
    for (int colons = 0; colons < 2 && reason != NULL; colons++)
        reason = strstr(reason + 1, ": ");
    MUST(k >= 0 && k < accepted && !streams[k].open && !streams[k].served);
    MUST(reason != NULL && is_true_of(&streams[k], reason + 2));
}

/* Says a line on standard error. */
static ssize_t say_line(const char *line, size_t n) {
    MUST(!locked);
    MUST(n > 8 && n < 1024 && memcmp(line, "gather: ", 8) == 0);
    for (size_t i = 0; i < n; i++)
        MUST(line[i] >= ' ' || (line[i] == '\n' && i == n - 1) ||
            (line[i] & 0x80) != 0);
    check_refusal(line, n);
    perhaps_yield();
    return (ssize_t)n;
}

/* The item whose bytes these are. */
static int item_of(const uint8_t *p) {
    for (const struct item *i = items_first(); i != NULL; i = i->next)
        for (const struct block *b = i->blocks; b != NULL; b = b->next)
            if (p >= b->bytes && p < b->bytes + b->capacity)
                return (int)i->which;
    return -1;
}

/* Some of an item goes to standard output: all of it in one piece, and in the
 * order of the list, if there is one. */
static void goes_out(int w) {
    if (returned)
        return; /* whoever was stuck in that call goes on with it */
    MUST(w >= 0 && !finished[w] && !is_written[w]);
    if (writing >= 0 && writing != w)
        is_written[writing] = true;
    writing = w;
    for (int i = 0; i < w; i++)
        MUST(config.destination != TO_OUTPUT || finished[i]);
}

ssize_t fuzz_writev(int fd, const struct iovec *piece, int pieces) {
    MUST(pieces > 0 && piece[0].iov_len > 0);
    const uint8_t *from = piece[0].iov_base;
    size_t n = piece[0].iov_len;
    if (fd >= SOCKET)
        return say_to(&streams[fd - SOCKET], from, n);
    perhaps_yield();
    errno = EPIPE;
    if (is_faulty(BROKEN_PIPE))
        return -1;
    errno = ENOSPC;
    if (is_faulty(FULL))
        return -1;
    errno = EAGAIN;
    if (fd == 1 && fault == STUCK_READER && when-- <= 0 && !returned)
        return -1;
    if (spurious && choose(4) == 0)
        return -1;
    if (fd == 1) {
        int w = item_of(from);
        goes_out(w);
        return keep_bytes(output[w], &outputs[w], from, n);
    }
    MUST(fd >= PART && fd < PART + ITEMS && part_open[fd - PART]);
    return keep_bytes(part[fd - PART], &parts[fd - PART], from, n);
}

ssize_t fuzz_write(int fd, const void *from, size_t n) {
    struct iovec piece = {.iov_base = (void *)(uintptr_t)from, .iov_len = n};
    static const char shortage[] = "gather: warning: unable to serve";
    size_t length = sizeof(shortage) - 1;
    if (fd == 2 && n > length && memcmp(from, shortage, length) == 0)
        was_short = true;
    return fd == 2 ? say_line(from, n) : fuzz_writev(fd, &piece, 1);
}

ssize_t fuzz_splice(int from, int64_t *from_offset, int to, int64_t *to_offset,
    size_t n, unsigned flags) {
    struct stream *stream = &streams[from - SOCKET];
    uint8_t bytes[64];
    MUST(from >= SOCKET && to == 1 && flags == 2);
    MUST(from_offset == NULL && to_offset == NULL);
    MUST(current != NULL && current->stream == stream);
    perhaps_yield();
    errno = EINVAL;
    if (is_faulty(NO_SPLICE))
        return -1;
    errno = EPIPE;
    if (is_faulty(BROKEN_PIPE))
        return -1;
    errno = EAGAIN;
    if ((fault == STUCK_READER && when <= 0) || choose(4) == 0)
        return -1;
    if (n > sizeof(bytes))
        n = sizeof(bytes);
    ssize_t got = take(stream, bytes, n);
    if (got <= 0)
        return got;
    int w = (int)stream->item;
    goes_out(w);
    MUST(outputs[w] + (size_t)got <= ROOM);
    memcpy(output[w] + outputs[w], bytes, (size_t)got);
    outputs[w] += (size_t)got;
    return got;
}

/* The item of a file's name. */
static int file_of(const char *name, const char *end) {
    int k = name[4] - '0';
    MUST(memcmp(name, "out.", 4) == 0 && k >= 0 && k < list);
    MUST(strcmp(name + 5, end) == 0);
    return k;
}

int fuzz_open(const char *name, int flags, ...) {
    int k = file_of(name, ".part");
    perhaps_yield();
    MUST(flags == (O_WRONLY | O_CREAT | O_EXCL) && !part_open[k]);
    errno = ENOENT;
    if (is_faulty(NO_FILE))
        return -1;
    MUST(!part_there[k]); /* it was removed, whoever has left it */
    part_open[k] = true;
    part_there[k] = true;
    part_old[k] = false;
    parts[k] = 0;
    return PART + k;
}

/* A thread closes what it has served; the main thread sends a visitor away,
 * who learns from the end of it that it is over. */
static void close_stream(struct stream *stream) {
    MUST(stream->open);
    if (stream->unwanted) {
        MUST(stream == &streams[accepted - 1] && stream->pos == 0);
        accepted--;
    } else if (stream->served) {
        MUST(current != NULL && current->stream == stream);
    } else {
        MUST(current == NULL && may_go(stream));
        MUST(stream->shut || has_proved(stream) || is_bad(stream));
    }
    stream->open = false;
}

int fuzz_close(int fd) {
    if (fd == LISTENER)
        return 0;
    if (fd >= SOCKET) {
        close_stream(&streams[fd - SOCKET]);
        return 0;
    }
    MUST(fd >= PART && part_open[fd - PART]);
    perhaps_yield();
    part_open[fd - PART] = false;
    errno = ENOSPC;
    return is_faulty(BAD_CLOSE) ? -1 : 0;
}

int fuzz_rename(const char *from, const char *to) {
    int k = file_of(from, ".part");
    perhaps_yield();
    MUST(file_of(to, "") == k);
    MUST(part_there[k] && !part_open[k] && !named[k]);
    errno = EACCES;
    if (is_faulty(BAD_RENAME))
        return -1;
    part_there[k] = false;
    named[k] = true;
    return 0;
}

int fuzz_unlink(const char *name) {
    size_t n = strlen(name);
    bool is_part = n > 5 && strcmp(name + n - 5, ".part") == 0;
    int k = file_of(name, is_part ? ".part" : "");
    bool was = is_part ? part_there[k] : named[k];
    if (!locked)
        perhaps_yield();
    if (is_part)
        part_there[k] = false;
    else
        named[k] = false;
    errno = ENOENT;
    return was ? 0 : -1;
}

int fuzz_isatty(int fd) {
    return fd == 1 && is_terminal;
}

char *fuzz_getenv(const char *name) {
    (void)name;
    return NULL;
}

int fuzz_nap(const struct timespec *nap, struct timespec *left) {
    MUST(!locked && left == NULL && nap->tv_sec == 0);
    fuzz_now += (double)nap->tv_nsec / 1e9;
    return 0;
}

/* Nothing is there that is in use: see lib/inuse.c. */
int fuzz_stat(const char *path, struct stat *status) {
    (void)path;
    (void)status;
    errno = ENOENT;
    return -1;
}

/* What server_open() would need, which nobody calls. */
struct hostent *fuzz_host(const char *name) {
    (void)name;
    abort();
}

struct servent *fuzz_service(const char *name, const char *protocol) {
    (void)name;
    (void)protocol;
    abort();
}

int fuzz_getaddrinfo(const char *name, const char *service,
    const struct addrinfo *hints, struct addrinfo **found) {
    (void)name;
    (void)service;
    (void)hints;
    (void)found;
    abort();
}

void fuzz_freeaddrinfo(struct addrinfo *found) {
    (void)found;
    abort();
}

int fuzz_socket(void) {
    abort();
}

/* --- The caller of server() */

static int next(struct item *item) {
    MUST(!locked && !listing && !returned);
    listing = true;
    perhaps_yield();
    if (config.list_speed == LIST_SLOW && is_faulty(STUCK_LIST))
        be_stuck();
    while (config.list_speed == LIST_SLOW && choose(8) != 0)
        yield(); /* it takes its time */
    listing = false;
    MUST(returned || item->which == result->given);
    if ((int)item->which == list)
        return fault == BAD_LIST ? -1 : 0;
    item->text = fuzz_calloc(3, 1);
    if (item->text == NULL)
        return -1;
    item->length = item->which % 3;
    memcpy(item->text, "ab", item->length);
    return 1;
}

/* Did an item whose end was received end as it was said to? */
static bool is_told(const struct item *item, const struct attempt *a) {
    static const enum outcome outcomes[] = {
        FAILED, KILLED, TIMED_OUT, NOT_EXECUTED, NOT_FOUND};
    if (item->bytes != a->n)
        return false;
    if (!a->ended)
        return item->outcome == INCOMPLETE;
    bool success = a->kind == 0 && a->value == 0;
    return item->outcome == (success ? COMPLETE : outcomes[a->kind]) &&
        item->value == a->value;
}

/* Is what came of an item right, and where it belongs? */
static void check_bytes(const struct item *item, const struct attempt *a) {
    bool to_files = config.destination == TO_FILES;
    uint32_t w = item->which;
    const uint8_t *got = output[w];
    size_t n = outputs[w];
    if (config.destination == TO_ARRAYS) {
        got = item->array;
        n = got != NULL ? (size_t)item->bytes : 0;
    } else if (to_files) {
        got = part[w];
        n = parts[w];
    }
    bool aborted = result->aborted;
    bool whole = item->outcome == COMPLETE ||
        (!aborted && config.retries == 0 &&
            (item->outcome == FAILED || item->outcome == KILLED));
    MUST(!whole || n == a->n);
    MUST(n <= a->n || to_files || a->on == NULL);
    MUST(n == 0 || n > a->n || memcmp(got, a->bytes, n) == 0);
    MUST(!to_files || aborted || named[w] == (item->outcome == COMPLETE));
}

static void check_reason(const char *reason) {
    MUST(reason == NULL || (*reason != '\0' && strlen(reason) <= 255));
    for (; reason != NULL && *reason != '\0'; reason++)
        MUST(((unsigned char)*reason >= ' ' && *reason != 0x7f));
}

static void done(struct item *item) {
    uint32_t w = item->which;
    MUST(!locked && !reporting && !returned);
    MUST(w < (uint32_t)list && !finished[w]);
    reporting = true;
    perhaps_yield();
    reporting = false;
    const struct attempt *a = &attempts[w];
    bool limited = a->on != NULL && config.seconds > 0 &&
        memcmp(a->on->said, "gat2", 4) != 0;
    finished[w] = true;
    ends[item->outcome]++;
    if (config.destination == TO_OUTPUT && !result->aborted) {
        MUST((int)w == last + 1);
        last = (int)w;
    }
    MUST(item->tries <= config.retries + 1);
    MUST(item->state == ITEM_ENDED || result->aborted);
    MUST((item->outcome == UNSTARTED) == (item->tries == 0));
    MUST(item->outcome != UNSTARTED || result->aborted);
    MUST(result->aborted || item->outcome == COMPLETE ||
        (config.keep_going &&
            (item->tries == config.retries + 1 || item->written)));
    bool late =
        item->outcome == TIMED_OUT && limited && item->took >= config.seconds;
    MUST(late || result->aborted || fault == BAD_REPLY || is_told(item, a));
    if (item->outcome == COMPLETE) {
        MUST(is_told(item, a));
        MUST((int)item->peer.s_addr == a->on - streams + SOCKET);
        MUST(!limited || a->on->reading < config.seconds + 1);
    }
    check_reason(item->reason);
    check_bytes(item, a);
}

static void tick(const struct progress *progress) {
    MUST(!locked && !returned);
    MUST(!is_terminal || !reporting);
    if (progress->writing)
        return;
    MUST(progress->complete <= progress->total || config.list_speed == 0);
    MUST(progress->total <= (uint64_t)list);
}

/* --- A run */

static void set_up_streams(const uint8_t *control, size_t left) {
    uint8_t *p = input + CONTROL;
    memset(streams, 0, sizeof(streams));
    nstreams = 1 + (control[12] & 3);
    for (int i = 0; i < nstreams; i++) {
        size_t n = i < nstreams - 1 ? left * control[13 + i] / 256 : left;
        streams[i].said = p;
        streams[i].bytes = n;
        streams[i].habits = control[16 + i];
        p += n;
        left -= n;
    }
}

static void set_up_config(const uint8_t *control) {
    memset(&config, 0, sizeof(config));
    memset(&callbacks, 0, sizeof(callbacks));
    memcpy(secret, "the secret of it", SECRET_SIZE);
    memcpy(token, "the secret token", SECRET_SIZE);
    callbacks.next = next;
    callbacks.done = done;
    callbacks.tick = control[23] & 1 ? tick : NULL;
    is_terminal = (control[23] & 2) != 0;
    is_slow = (control[23] & 4) != 0;
    config.destination = (enum destination)(control[0] & 3);
    config.keep_going = (control[0] & 4) != 0;
    spurious = (control[0] & 8) != 0;
    int speed = control[0] >> 4 & 3;
    config.list_speed = (enum list_speed)(speed < 3 ? speed : LIST_SLOW);
    config.verbose = (control[0] & 64) != 0;
    config.token = control[0] & 128 ? token : NULL;
    config.retries = control[1] & 3;
    list = control[1] >> 2 & 7;
    config.list_length = config.list_speed == LIST_KNOWN ? (uint64_t)list : 0;
    config.jobs = (control[1] >> 5) + (config.token == NULL);
    config.secret = secret;
    config.files = config.destination == TO_FILES ? "out.{}" : NULL;
    config.memory_limit = (uint64_t)control[2] * 16;
    config.seconds = control[20] & 3;
    config.connections_max = 2 + (control[12] >> 2 & 3);
    mute_at = control[21];
    fault = (enum fault)(control[3] % FAULTS);
    when = control[22] & 31;
    is_poor = fault == POOR;
    bad_allocation = fault == NO_MEMORY || is_poor ? 1 + when : 0;
}

static void set_up(const uint8_t *control, size_t left) {
    renew_variables();
    set_up_streams(control, left);
    set_up_config(control);
    for (int i = 0; i < STREAMS; i++)
        threads[i].alive = false;
    for (int i = 0; i < ITEMS; i++) {
        part_open[i] = false;
        part_there[i] = (control[24] >> i & 1) != 0 && i < list;
        part_old[i] = part_there[i];
        named[i] = false;
        finished[i] = false;
        granted[i] = false;
        parts[i] = 0;
        outputs[i] = 0;
        is_written[i] = false;
        attempts[i].n = 0;
        attempts[i].ended = false;
        attempts[i].on = NULL;
    }
    memset(ends, 0, sizeof(ends));
    surplus = control[25] & 3;
    children = config.jobs + surplus;
    dead = buried = 0;
    writing = -1;
    step_number = 0;
    enough = returned = listing = reporting = was_short = false;
    accepted = reaped = dying = deaths = idle = spins = knocks = 0;
    pending = locked = woken = paused = began = was_over = bad_fcntl = early =
        false;
    killed_at = 0;
    ended_at = 0;
    last = -1;
    current = NULL;
    s = LISTENER;
    fuzz_now = 1000;
}

/* After a good end the program holds the blocks of its pool, each of which is
 * free, and its array of what is reserved. */
static void check_heap(void) {
    int pool = 0;
    const struct block *block;
    MUST(memory_held() == 0);
    bad_allocation = allocations + 1;
    is_poor = true; /* it makes no more */
    while ((block = block_take(true)) != NULL)
        pool += is_held(block) + is_held(block->bytes);
    MUST(held_blocks == pool + 1);
}

/* What items are to whoever reads about them after the end. */
static uint64_t digest(void) {
    uint64_t sum = 0;
    for (const struct item *i = items_first(); i != NULL; i = i->next) {
        sum = sum * 31 + i->which;
        sum = sum * 31 + (uint64_t)i->outcome;
        sum = sum * 31 + i->value + (uint64_t)i->tries;
        sum = sum * 31 + (uintptr_t)i->array + (uintptr_t)i->reason;
    }
    return sum;
}

/* Runs the threads that were left behind to their end. */
static void run_leftovers(void) {
    uint64_t before = digest();
    ASAN_POISON_MEMORY_REGION(result, sizeof(*result));
    for (int i = 0; i < STREAMS; i++)
        if (threads[i].alive && threads[i].waits == &stuck)
            threads[i].waits = NULL;
    for (int turns = 0; count_threads() > 0; turns++) {
        MUST(turns < 100000);
        struct thread *t = &threads[choose(STREAMS)];
        MUST(!t->alive || t->waits == NULL);
        if (t->alive)
            go_on_with(t);
    }
    ASAN_UNPOISON_MEMORY_REGION(result, sizeof(*result));
    MUST(digest() == before);
}

static void check_end(int r) {
    bool good = r == 0;
    MUST(good == !(result->aborted || result->failed || result->signal));
    MUST(good || result->failed || result->signal || !config.keep_going);
    MUST(!result->signal || enough || fault == BROKEN_PIPE);
    MUST(!good || count_threads() == 0);
    MUST(!good || children == 0 || fault == UNDEAD);
    MUST(!good || ((int)result->given == list && result->listed));
    for (int i = 0; i < OUTCOMES; i++)
        MUST(result->count[i] == ends[i] || reporting);
    bool excused = fault == STALL ||
        (config.list_speed == LIST_SLOW && items_list_is_read()) ||
        fault == STUCK_LIST || fault == STUCK_READER || fault == STUCK_ERRORS;
    for (int i = 0; i < nstreams; i++)
        excused = excused || (streams[i].habits & (TRICKLES | MUTE));
    MUST(excused || count_threads() == 0);
    MUST(excused || children == 0 || fault == UNDEAD || !began);
    for (int i = 0; i < nstreams; i++)
        MUST(!is_visitor(&streams[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (bytes < CONTROL || bytes > ROOM)
        return -1;
    memcpy(input, data, bytes);
    set_up(input, bytes - CONTROL);
    result = malloc(sizeof(*result));
    int r = server(&config, &callbacks, result);
    check_end(r);
    uint64_t given = result->given;
    for (uint64_t w = 0; w < given; w++)
        MUST(finished[w] || reporting);
    returned = true;
    run_leftovers();
    for (int i = 0; i < nstreams; i++)
        MUST(!streams[i].open);
    for (uint64_t w = 0; w < given; w++)
        MUST((!part_there[w] || part_old[w]) && (!part_open[w] || r < 0));
    if (r == 0)
        check_heap();
    free(result);
    free_blocks();
    return 0;
}

/* --- Whole messages where plain mutation would hardly make any */

static size_t make_opening(uint8_t *m, unsigned seed) {
    static const char kinds[] = "RRRRRRRROHXPQz";
    bool is_child = seed >> 3 & 1;
    uint32_t who = seed >> 4 & 3;
    memset(m, 'a' + (int)(seed >> 10 & 7), OPENED);
    memcpy(m, is_child ? "gat2" : "GAT2", 4);
    if ((seed >> 13 & 7) == 0)
        m[4] = 'S';
    if (!is_child)
        who = seed >> 6 & 1 ? NONE : who | END;
    put_u32(m + HELLO, who);
    put_u32(m + HELLO + 4, 0);
    m[HELLO + HEADER_SIZE] = (uint8_t)kinds[seed % (sizeof(kinds) - 1)];
    return OPENED;
}

static size_t make_data(uint8_t *m, uint32_t w, unsigned seed) {
    uint32_t n = 1 + (seed & 31);
    put_u32(m, w);
    put_u32(m + 4, n);
    memset(m + HEADER_SIZE, (int)(seed >> 5), n);
    return HEADER_SIZE + n;
}

static size_t make_end(uint8_t *m, uint32_t w, unsigned seed) {
    uint32_t text = seed & 7;
    put_u32(m, w | END);
    put_u32(m + 4, 16 + text);
    put_u32(m + 8, seed >> 3 & 1 ? 0 : seed >> 4 & 7);
    put_u32(m + 12, seed >> 3 & 3 ? 0 : seed >> 7 & 31);
    put_u32(m + 16, RIGHT);
    put_u32(m + 20, RIGHT);
    memset(m + 24, (int)(seed >> 12), text);
    return HEADER_SIZE + 16 + text;
}

size_t LLVMFuzzerCustomMutator(
    uint8_t *data, size_t bytes, size_t max, unsigned seed) {
    uint8_t m[128];
    size_t n = 0;
    unsigned more = seed * 2654435761u >> 8;
    uint32_t w = seed >> 12 & 1 ? MINE : seed >> 13 & 3;
    if (bytes < CONTROL || seed % 4 != 0)
        return LLVMFuzzerMutate(data, bytes, max);
    switch (seed >> 4 & 3) {
    case 0:
        n = make_opening(m, more);
        break;
    case 1:
        n = make_data(m, w, more);
        break;
    default:
        n = make_end(m, w, more);
    }
    if (bytes + n > max)
        return LLVMFuzzerMutate(data, bytes, max);
    size_t at = CONTROL + (seed >> 6) % (bytes - CONTROL + 1);
    memmove(data + at + n, data + at, bytes - at);
    memcpy(data + at, m, n);
    return bytes + n;
}
