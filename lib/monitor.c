/*
 * monitor.c - the lock, the waiters and the abort; monitor.h has the rules.
 * It stands on signals.c and lib/say.c.
 */
#include "monitor.h"
#include "check.h"
#include "say.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

struct run run;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct waiter *sleepers; /* all that sleep in wait_for_call() */

/* Takes the lock.  It is held for short times only, so this does not count as
 * waiting.  A mutex that is neither destroyed nor held by the caller cannot
 * fail, so a failure is a mistake in this program. */
void lock(void) {
    int error = pthread_mutex_lock(&mutex);
    assert(error == 0);
    (void)error;
}

void unlock(void) {
    CHECK_EVERYTHING();
    int error = pthread_mutex_unlock(&mutex);
    assert(error == 0);
    (void)error;
}

bool run_goes_on(void) {
    return run.phase == RUN_GOES_ON;
}

/* Returns 0, or the error of pthread_cond_init(). */
int waiter_init(struct waiter *waiter) {
    waiter->called = false;
    waiter->sleeping = false;
    return pthread_cond_init(&waiter->condition, NULL);
}

void waiter_destroy(struct waiter *waiter) {
    assert(!waiter->sleeping);
    int error = pthread_cond_destroy(&waiter->condition);
    assert(error == 0);
    (void)error;
}

static void sleepers_add(struct waiter *waiter) {
    waiter->sleeping = true;
    waiter->previous = NULL;
    waiter->next = sleepers;
    if (sleepers != NULL)
        sleepers->previous = waiter;
    sleepers = waiter;
}

static void sleepers_remove(struct waiter *waiter) {
    waiter->sleeping = false;
    if (waiter->previous != NULL)
        waiter->previous->next = waiter->next;
    else
        sleepers = waiter->next;
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
}

/* Sleeps until somebody calls, which may have happened before.  Returns false
 * if the run was aborted instead. */
bool wait_for_call(struct waiter *waiter) {
    sleepers_add(waiter);
    while (!waiter->called && run_goes_on()) {
        CHECK_EVERYTHING();
        int error = pthread_cond_wait(&waiter->condition, &mutex);
        assert(error == 0);
        (void)error;
    }
    sleepers_remove(waiter);
    bool called = waiter->called;
    waiter->called = false;
    return called;
}

/* Wakes the thread of the waiter, for which something is there now. */
void call(struct waiter *waiter) {
    waiter->called = true;
    int error = pthread_cond_signal(&waiter->condition);
    assert(error == 0);
    (void)error;
}

/* Ends the run early, because of a signal or, if that is 0, of something that
 * was said.  The main thread, which this wakes, hangs up on all clients. */
void abort_run(int signal) {
    if (run.phase == RUN_LEFT)
        return; /* the result is the caller's of server() again */
    if (run.result->signal == 0)
        run.result->signal = signal;
    if (signal != 0)
        say_hurry_all();
    if (!run_goes_on())
        return;
    run.phase = RUN_ABORTED;
    run.result->aborted = true;
    for (struct waiter *waiter = sleepers; waiter != NULL;
         waiter = waiter->next)
        pthread_cond_signal(&waiter->condition); /* cannot fail: call() */
    signals_wake();
}

/* The same, since the parent itself was unable to do something.  Only the
 * first of such messages is said.  Gives up the lock meanwhile. */
void fail_run(const char *format, ...) {
    char text[512];
    va_list arguments;
    bool first = !run.result->failed;
    if (run.phase == RUN_LEFT)
        return;
    run.result->failed = true;
    abort_run(0);
    if (!first)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    say_unlocked("fatal: unable to %s", text);
}

/* Says something without the lock, which the caller holds. */
void say_unlocked(const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    unlock();
    say("%s", text);
    lock();
}
