/*
 * gather.h - the interface for programs that use the parts: what server() and
 * client() take and give, and the functions beside them.
 *
 * The parts are every source file but main.c and lib/options.c, list.c and
 * demo.c.  A program calls, in this order: signals_init(), secret_make(),
 * server_open(), child_fork() for each child, and server().  It starts no
 * thread before that.  server() can be called once in the life of a process.
 * doc/parts has a whole program.
 */
#ifndef GATHER_H
#define GATHER_H

#include "../protocol.h"
#include <netinet/in.h>
#include <sys/types.h>

#define VERSION "2.0"
/* Seconds from TERM to KILL; and of silence, until what an exited command has
 * left behind is given up. */
#define GRACE 1.0
#define SECRET_SIZE 16 /* bytes of a secret */
#define CHILDREN_MAX 1000000
#define RETRIES_MAX 1000000
#define PAUSE_MAX 60 /* seconds before an item runs again */

/* --- What server() is told: constant while it runs */

/* How long the list may take for an item. */
enum list_speed {
    LIST_KNOWN,  /* no time at all: it is in memory, and its length is known */
    LIST_PROMPT, /* little: it is a regular file */
    LIST_SLOW    /* any time: somebody else writes it */
};

/* Where the bytes of items end up. */
enum destination {
    TO_OUTPUT,              /* on standard output, in the order of the list */
    TO_OUTPUT_AS_COMPLETED, /* there, too, in the order of completion */
    TO_FILES,               /* in a file for each item */
    TO_ARRAYS               /* in memory, in item->array */
};

struct config {
    const unsigned char *secret; /* SECRET_SIZE bytes that children know;
                                  * NULL: there are none */
    const unsigned char *token;  /* the same for clients from elsewhere; NULL:
                                  * there are none */
    int jobs;                    /* children that were forked */
    int connections_max;         /* connections at a time, more than jobs;
                                  * 0: jobs + 100 */
    enum list_speed list_speed;
    uint64_t list_length; /* of a list that is known */
    enum destination destination;
    const char *files;     /* the name of an item's file, {} = its number */
    uint64_t memory_limit; /* bytes held for items that wait to be written */
    int retries;           /* how often an item that failed may run again */
    double pause;          /* seconds before that; doubled at each try */
    double seconds;        /* a client from elsewhere may take so long for an
                            * item; 0: any time.  Children see to it that
                            * their commands keep it: lib/command.c */
    bool tagged;           /* lines begin with the item's text and a TAB */
    bool keep_going;       /* an item that failed does not end the run */
    bool verbose;          /* say who connects */
};

/* --- Items */

/* The states of an item; lib/items.c draws the changes. */
enum item_state {
    ITEM_LISTED,   /* it has just come from the list */
    ITEM_RESERVED, /* child `which`, which has not asked yet, is to run it */
    ITEM_QUEUED,   /* it waits for any client, or for one that wants it */
    ITEM_HANDED,   /* a client's thread has it, but has not begun with it */
    ITEM_RUNNING,  /* the client has it */
    ITEM_DELAYED,  /* it has failed, and is not queued before it is due */
    ITEM_ENDED,    /* its end has arrived, or its client is gone for good */
    ITEM_RETIRED,  /* all that it leaves behind is where it belongs */
    ITEM_STATES
};

/* What became of an item. */
enum outcome {
    COMPLETE,
    FAILED,       /* its command has exited with another status than 0 */
    NOT_EXECUTED, /* its command could not be executed */
    NOT_FOUND,    /* its command is not there */
    KILLED,       /* its command died of a signal */
    TIMED_OUT,    /* it ran out of its time */
    INCOMPLETE,   /* its client went away, or it could not be written */
    UNSTARTED,    /* no client ever had it */
    OUTCOMES
};

struct block;
struct claim;

/* One item of the list: what one call of a cursor delivers. */
struct item {
    /* Read by anybody; written by who made it. */
    uint32_t which; /* its number, from 0 */
    char *text;     /* what the list says, malloc()ed by next(); or NULL */
    size_t length;  /* of the text, without its NUL */

    /* Its latest try.  These are lib/items.c's and lib/exchange.c's. */
    enum item_state state;
    enum outcome outcome;
    uint32_t value; /* FAILED: the exit status; KILLED: the signal */
    char *reason;   /* the client's words for that, printable, or NULL */
    int tries;      /* how often it was begun */
    double pause;   /* seconds until it runs again, if it does */
    double due;     /* DELAYED: when (of now()) that is over; else 0 */
    pid_t pid;      /* the child that ran it; 0: a client from elsewhere */
    struct in_addr peer; /* where that was */
    double began, took;  /* when (of now()) and how long, in seconds */
    uint64_t bytes;      /* that have arrived */
    struct item *previous, *next;             /* of all that are open */
    struct item *queue_previous, *queue_next; /* of those that are QUEUED */

    /* Its bytes.  These are lib/output.c's, turn.c's and files.c's. */
    unsigned char *array;     /* TO_ARRAYS: all of them; the callback done()
                               * may take it and set this to NULL */
    struct block *blocks;     /* else: those not written yet, in order */
    struct block *last;       /* the last of these blocks */
    struct claim *claim;      /* its place in the line for memory, or NULL */
    int block_count;          /* how many they are */
    uint64_t unwritten;       /* the bytes in them */
    bool written;             /* some went to standard output */
    bool in_line;             /* tagged: what went out ends within a line */
    bool in_output;           /* it is in the queue for standard output */
    struct item *output_next; /* the next one there */
    int fd;                   /* TO_FILES: its file, or -1 */
    char *name, *part;        /* the file's names: final, and until then */
};

/* --- What server() calls.  None of these is called by two threads at a time,
 * but one may be called beside another.  All are called without a lock, so
 * they may block; who blocks in done() holds up the output. */

struct progress {
    uint64_t complete; /* items */
    uint64_t total;    /* items, as far as is known */
    bool is_total;     /* there are no more than these */
    uint64_t bytes;    /* received */
    bool waiting;      /* the output waits for an item, namely */
    uint32_t turn;     /* for this one */
    bool slow;         /* standard output takes nothing just now */
    bool midline;      /* the output has stopped within a line */
    bool writing;      /* output goes to the terminal now: make way */
};

struct callbacks {
    /* The next item of the list: fills in text and length, of an item whose
     * number is there already.  Returns 1; 0 at the end of the list; -1 when
     * it has failed, which it has said. */
    int (*next)(struct item *item);
    /* An item is about to be retired: all is known of it, and its bytes are
     * where they belong, if its outcome is COMPLETE. */
    void (*done)(struct item *item);
    /* Often, and before a terminal gets output; or NULL. */
    void (*tick)(const struct progress *progress);
};

/* --- What server() leaves behind */

struct result {
    bool failed;    /* something went wrong in the parent, which said it */
    bool aborted;   /* the run was ended early */
    int signal;     /* by this signal, or 0 */
    bool stuck;     /* a thread is still within done(), and was left there */
    bool listed;    /* the list is at its end */
    uint64_t given; /* items taken from it */
    uint64_t count[OUTCOMES]; /* of these: what became of them */
    uint64_t bytes;           /* received */
};

/* --- Functions of the parent */

int server_open(const char *port);
int server(const struct config *config, const struct callbacks *callbacks,
    struct result *result);

/* --- Functions of a client */

/* How an item ended, for its end message.  The text is a string. */
struct ending {
    enum ending_kind kind;
    uint32_t value;
    char reason[REASON_MAX + 1];
};

/* A cursor runs one item in a client: it passes what it finds to xclient(), as
 * often as it likes.  A short piece may wait there for the next one, or the
 * end; xclient(NULL, 0) sends it at once.  *ending is success unless it says
 * otherwise.  Returns 0, or -1 when xclient() has: the server is gone. */
typedef int cursor(
    uint32_t item, const char *text, struct ending *ending, void *arg);

/* Who a client is. */
enum client_kind {
    CLIENT_CHILD,     /* a child of the server; `number` says which */
    CLIENT_ELSEWHERE, /* it takes any item */
    CLIENT_WANTS_ONE  /* it wants item `number` and no other */
};
struct identity {
    enum client_kind kind;
    uint32_t number;
    const unsigned char *secret; /* SECRET_SIZE bytes */
    const char *port;            /* a service or a number, of the server on
                                  * host hname; of a child NULL */
};

/* How the life of a client ended. */
enum client_end {
    CLIENT_CONNECTED,   /* not at all yet: it goes on */
    CLIENT_DONE,        /* the server has received everything */
    CLIENT_IDLE,        /* the same, but there was no item for it */
    CLIENT_LOST,        /* the connection was lost */
    CLIENT_REFUTED,     /* who answered is not our server, which it has said */
    CLIENT_UNCONNECTED, /* there was none, which it has said */
    CLIENT_SIGNALLED    /* a signal has ended it */
};

enum client_end client(const struct identity *me, cursor *run, void *arg);
int xclient(const void *data, size_t bytes);

/* --- Secrets (lib/secret.c) */

int secret_make(unsigned char *secret);

/* --- Signals and children (signals.c) */

int signals_init(void);
int signals_fd(void);
int signals_next(void);
void signals_wake(void);
void signals_default(void);
void signals_die(int sig);
int child_fork(void);
bool signals_pending(void);
bool signals_have_news(void);
bool child_gave_up(void);
bool child_is_orphan(void);
void child_give_up(void);
int child_reap(int *status);
void child_kill_idle(void);
void child_kill(int from);
pid_t child_pid(uint32_t k);
int command_begin(pid_t child);
void command_over(void);

/* --- Messages (lib/say.c) */

void say(const char *format, ...);

#endif
