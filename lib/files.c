/*
 * files.c - a file for each item (TO_FILES).  It is called NAME.part until the
 * item is complete, then NAME; an item that is not complete leaves none.  It
 * stands on monitor.c, inuse.c and text.c.
 *
 * An item's file belongs to the thread of its connection.  So no lock is held
 * during calls that may wait for the file system.
 */
#include "files.h"
#include "inuse.h"
#include "monitor.h"
#include "text.h"
#include <fcntl.h>
#include <stdio.h>

/* Makes the names of an item's file, unless an earlier try has. */
static bool make_names(struct item *item) {
    char digits[16];
    snprintf(digits, sizeof(digits), "%lu", (unsigned long)item->which);
    if (item->name == NULL)
        item->name = substitute(run.config->files, digits);
    if (item->part == NULL && item->name != NULL)
        item->part = substitute("{}.part", item->name);
    return item->part != NULL;
}

/* Creates the file.  What an earlier run has left there goes first: so nobody
 * else's file, link or FIFO is written to.  Returns false if the run was
 * aborted, for instance by this. */
bool file_open(struct item *item) {
    if (!make_names(item)) {
        fail_run("create the file of item %lu: %s", (unsigned long)item->which,
            strerror(errno));
        return false;
    }
    unlock();
    const char *use = inuse_as(item->name);
    if (use == NULL)
        use = inuse_as(item->part);
    int fd = -1;
    if (use == NULL) {
        unlink(item->part); /* if that fails, so does what follows */
        fd = open(item->part, O_WRONLY | O_CREAT | O_EXCL, 0666);
    }
    int error = errno;
    if (fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        error = errno; /* harmless: the parent executes nothing */
    lock();
    if (run.phase == RUN_LEFT) {
        unlock();
        if (fd >= 0) { /* too late: nobody else removes it */
            unlink(item->part);
            close(fd);
        }
        lock();
        return false;
    }
    item->fd = fd;
    if (fd < 0)
        fail_run(
            "create %s: %s", item->part, use != NULL ? use : strerror(error));
    return fd >= 0 && run_goes_on();
}

/* Writes bytes to the file.  Returns false if the run was aborted. */
bool file_write(struct item *item, const unsigned char *bytes, size_t n) {
    unlock();
    int error = writen(item->fd, bytes, n) < n ? errno : 0;
    lock();
    if (error != 0)
        fail_run("write %s: %s", item->name, strerror(error));
    return run_goes_on();
}

/* Closes the file, which gets its name if the item is complete, or else goes.
 * Returns false if that failed, which ends the run. */
bool file_close(struct item *item) {
    bool complete = item->outcome == COMPLETE;
    int fd = item->fd;
    unlock();
    int error = close(fd) < 0 ? errno : 0;
    if (complete && error == 0 && rename(item->part, item->name) < 0)
        error = errno;
    if (!complete || error != 0)
        unlink(
            item->part); /* it is worth nothing, and nothing depends on it */
    lock();
    if (run.phase == RUN_LEFT)
        return true; /* the item is the main thread's */
    item->fd = -1;   /* not before, see file_abandon() */
    if (!complete || error == 0)
        return true;
    fail_run("write %s: %s", item->name, strerror(error));
    return false;
}

/* Removes the file of an item that the end of the run has cut short.  Its
 * descriptor is left to the end of the process. */
void file_abandon(struct item *item) {
    if (item->fd < 0)
        return;
    unlock();
    unlink(item->part);
    lock();
}
