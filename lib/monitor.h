/*
 * monitor.h - the one lock of the parent's threads, how they wait for each
 * other, and how a run is ended early.
 *
 * One lock.  All that the threads share (items, output, connections, `run`) is
 * touched with the lock held.  It is given up around every call that may wait
 * for somebody else for long: read(), write(), splice(), poll(), open(),
 * close() of files, rename(), messages, and the callbacks of lib/gather.h.
 *
 * Who waits, on what, until when, and who wakes:
 *
 *     A client's thread that wants an item (items_take(), lib/items.c)
 *         stands in a line of takers, and sleeps on its taker's waiter;
 *         until an answer was handed to it: an item, or the list to read the
 *         next one from, or the word that there is nothing for it;
 *         woken by items_dispatch(): an item was queued, began, ended or was
 *         retired, a client came, the list was given back or has ended,
 *         memory became free.
 *
 *     A client's thread whose item needs memory (wait_for_block(), lib/turn.c)
 *         stands in the line for memory, and sleeps on its claim's waiter;
 *         until a block was handed to it;
 *         woken by turn_dispatch(): memory was given back, the turn was passed
 *         on or lost its client, the item with the turn was written.
 *
 *     The main thread (server(), server.c)
 *         sleeps in poll() on the self-pipe, the listener and the visitors;
 *         until a signal, the end of a child, a connection, a word of a
 *         visitor, a deadline;
 *         woken by signals_wake() if there is another reason to look: all
 *         items are retired, one is delayed, a read of the list has ended,
 *         there is more output for this thread, a thread has ended, the run
 *         was aborted.
 *
 * A thread waits for one thing at a time.  What it waits for is handed to it,
 * first come, first served: whoever hands it over takes the waiter out of its
 * line and calls it, so nothing is offered to whoever happens to wake up.  An
 * abort wakes everybody without a call.  Whoever waits holds nothing that
 * another one needs, but for the memory of its item; and of that, see the
 * admission rule in lib/turn.c.
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
    RUN_LEFT     /* server() is at its end: no thread but the main one changes
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
    struct waiter *previous, *next; /* which an abort wakes */
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
