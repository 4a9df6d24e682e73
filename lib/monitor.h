/*
 * monitor.h - the one lock of the parent's threads, how they wait for each
 * other, and how a run is ended early.
 *
 * One lock.  All that the threads share (items, output, connections, `run`) is
 * touched with the lock held.  It is given up around every call that may wait
 * for somebody else: read(), write(), splice(), poll(), open(), close(),
 * rename(), messages, and the callbacks of lib/gather.h.
 *
 * Who waits, on what, until when, and who wakes:
 *
 *     who               where           until                 woken by
 *     ----------------- --------------- --------------------- ----------------
 *     a client's thread its taker's     an answer was handed items_dispatch():
 *     that wants an     waiter, in a    to it: an item; the   an item became
 *     item              line of takers  list, to read it; or  QUEUED, or
 *                       (lib/items.c)   that there is nothing retired; the
 * list for it                was given back or ended; memory became free a
 * client's thread its claim's     a block was handed to turn_dispatch(): a
 *     whose item needs  waiter, in the  it                    block was given
 *     memory            line for memory                       back, or the
 * turn (lib/turn.c)                          was passed on the main thread
 * poll() on the   a signal, a child's   signals_wake(): an self-pipe and end,
 * a connection, a  item was retired, the listener    deadline, or a reason a
 * thread has (server.c)      to look again         ended, the run was aborted
 *
 * A thread waits for one thing at a time.  What it waits for is handed to it,
 * first come, first served: whoever hands it over takes the waiter out of its
 * line and calls it, so nothing is offered to whoever happens to wake up.  An
 * abort calls everybody.  Whoever waits holds nothing that another one needs,
 * but for the memory of its item; and of that, see the admission rule in
 * lib/turn.c.
 */
#ifndef MONITOR_H
#define MONITOR_H

#include "gather.h"
#include <pthread.h>
#include <stdbool.h>

/* The phases of a run; there is no way back. */
enum phase {
    RUN_GOES_ON,
    RUN_ABORTED, /* every thread unwinds: its next read or write fails */
    RUN_LEFT     /* server() is at its end: no thread but the main one touches
                  * an item or calls a callback any more */
};

struct run {
    const struct config *config;
    const struct callbacks *callbacks;
    struct result *result;
    enum phase phase;
};
extern struct run run;

/* What one thread sleeps on.  Whoever made it destroys it, when nobody can
 * call it any more. */
struct waiter {
    pthread_cond_t condition;
    bool called;
    bool sleeping; /* it is in the list of those that sleep, */
    struct waiter *previous, *next; /* which an abort calls */
};

void lock(void);
void unlock(void);
bool run_goes_on(void);
int waiter_init(struct waiter *waiter);
void waiter_destroy(struct waiter *waiter);
bool wait_for_call(struct waiter *waiter);
void call(struct waiter *waiter);
void abort_run(int signal);
void fail_run(const char *format, ...);
void say_unlocked(const char *format, ...);

#endif
