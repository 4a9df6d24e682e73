/*
 * say.c - messages: each one line on standard error, in one write, so that
 * those of several processes and threads do not mix.  The lowest floor: it
 * stands on protocol.h and text.c alone.
 */
#include "say.h"
#include "../protocol.h"
#include "system.h"
#include "text.h"
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_SIZE 1024
#define SLICE 0.1 /* seconds between looks at `hurried` */

/* Of the main thread, whose signal handlers set it. */
static volatile sig_atomic_t hurried;
/* Of the other threads; behind the mutex. */
static bool threads_hurried;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* From now on nothing here waits for a reader that stands still.  For handlers
 * of signals, which run in the main thread. */
void say_hurry(void) {
    hurried = 1;
}

/* The same for all threads; not for handlers. */
void say_hurry_all(void) {
    pthread_mutex_lock(&mutex); /* cannot fail: see lib/monitor.c */
    threads_hurried = true;
    pthread_mutex_unlock(&mutex);
}

/* Is this the main thread?  In the others signals are blocked. */
static bool signals_are_mine(void) {
    sigset_t blocked;
    sigemptyset(&blocked);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked); /* only asks */
    return sigismember(&blocked, SIGTERM) == 0;
}

static bool is_hurried(void) {
    pthread_mutex_lock(&mutex);
    bool hurry = threads_hurried;
    pthread_mutex_unlock(&mutex);
    return hurry || (signals_are_mine() && hurried);
}

/* Waits until fd takes bytes.  Returns false if it does not, and there is a
 * hurry. */
static bool wait_writable(int fd) {
    while (wait_ready(fd, POLLOUT, now() + SLICE) == 0) {
        if (errno == ETIMEDOUT && !is_hurried())
            continue;
        errno = EAGAIN; /* it would have to wait */
        return false;
    }
    return true;
}

/* Naps, since fd takes nothing although poll() says that it does: some systems
 * say so of a pipe that has room for less than is to be written.  Returns
 * false instead, with errno set, if there is a hurry. */
static bool nap_unless_hurried(void) {
    if (is_hurried()) {
        errno = EAGAIN;
        return false;
    }
    nanosleep(&(struct timespec){.tv_nsec = (long)(SLICE * 1e9)}, NULL);
    return true;
}

/* Writes n bytes to fd, whatever signals arrive; no more at a time than a pipe
 * takes at once when poll() says that it takes something.  Returns false, with
 * errno set, if it cannot; or if fd takes nothing after say_hurry(). */
bool write_unless_hurried(int fd, const char *bytes, size_t n) {
    size_t done = 0;
    while (done < n) {
        if (!wait_writable(fd))
            return false;
        size_t chunk = n - done < PIPE_BUF ? n - done : PIPE_BUF;
        ssize_t put = write(fd, bytes + done, chunk);
        if (put > 0)
            done += (size_t)put;
        else if (put == 0)
            errno = EIO;
        if (put == 0 || (put < 0 && errno != EINTR && errno != EAGAIN))
            return false;
        if (put < 0 && errno == EAGAIN && !nap_unless_hurried())
            return false;
    }
    return true;
}

/* Is standard error a terminal that knows escape sequences? */
bool terminal_has_escapes(void) {
    const char *term = getenv("TERM");
    return isatty(2) && term != NULL && strcmp(term, "dumb") != 0;
}

/* Says a line after "gather: ", made printable, as names of files and the like
 * may contain anything; wipes what a terminal may show of the progress behind
 * it.  Keeps errno. */
void say(const char *format, ...) {
    char text[LINE_SIZE];
    char line[LINE_SIZE] = "gather: ";
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    make_printable(line + 8, sizeof(line) - 16, text, strlen(text));
    strcat(line, terminal_has_escapes() ? "\033[K\n" : "\n");
    write_unless_hurried(2, line, strlen(line));
    errno = error;
}
