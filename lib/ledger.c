/*
 * ledger.c - the ledger: a line for each item that has come to its end, with
 * the columns of GNU parallel's job log, so that its tools work, and the state
 * as a last one.  It stands on report.c, inuse.c, say.c, secret.c, signals.c
 * and text.c.
 *
 * The manual has the columns; they are an interface.  One thread at a time
 * calls these functions, which is what server() does.
 */
#include "ledger.h"
#include "inuse.h"
#include "report.h"
#include "say.h"
#include "secret.h"
#include "text.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static struct {
    int fd; /* -1: there is none, or it is lost */
    const char *path;
    char *const *command; /* as given */
} ledger = {.fd = -1};

/* The ledger's word for an outcome. */
static const char *const words[OUTCOMES] = {
    [COMPLETE] = "complete",
    [FAILED] = "failed",
    [NOT_EXECUTED] = "failed",
    [NOT_FOUND] = "failed",
    [KILLED] = "killed",
    [TIMED_OUT] = "timeout",
    [INCOMPLETE] = "incomplete",
    [UNSTARTED] = "unstarted",
};

/* --- Creating it */

/* Is this one of the names that the system itself provides? */
static bool is_of_system(const char *path) {
    return (strncmp(path, "/dev/", 5) == 0 && strchr(path + 5, '/') == NULL) ||
        strncmp(path, "/dev/fd/", 8) == 0 ||
        strncmp(path, "/proc/self/fd/", 14) == 0;
}

/* Does something that is not a regular file belong to us, or to the system?
 * Only then it is meant: anybody may put a link or a FIFO into /tmp.  The
 * system is whoever owns the root directory; in a user namespace that is not
 * user 0, but who all strangers seem to be. */
static bool is_trusted(const char *path, const struct stat *status) {
    struct stat root;
    if (status->st_uid == geteuid() || status->st_uid == 0)
        return true;
    return is_of_system(path) && stat("/", &root) == 0 &&
        status->st_uid == root.st_uid;
}

/* Opens a device, a FIFO or a link to something; this may wait until a FIFO
 * has a reader, but not beyond a signal that ends this process. */
static int open_special(const char *path) {
    struct stat status;
    int fd;
    do
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    while (fd < 0 && errno == EINTR && !signals_pending());
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode))
        fcntl(fd, F_SETFL, O_WRONLY | O_NONBLOCK); /* or write() may wait */
    return fd;
}

/* Makes a name in the directory of that file which nobody can guess.  The
 * caller frees it; NULL if there is no memory. */
static char *make_secret_name(const char *path) {
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    unsigned char nonce[NONCE_SIZE];
    char *name = malloc(length + sizeof(".gather-") + (size_t)2 * NONCE_SIZE);
    if (name == NULL)
        return NULL;
    memcpy(name, path, length);
    strcpy(name + length, ".gather-");
    secret_nonce(nonce);
    for (int i = 0; i < NONCE_SIZE; i++)
        sprintf(name + strlen(name), "%02x", nonce[i]);
    return name;
}

/* Creates a regular file, in the place of another one if there is one, which
 * stays if that fails.  Under the name itself somebody else could be there
 * first, as soon as the old one was gone.  Returns a descriptor, or -1 with
 * errno set. */
static int create_regular(const char *path) {
    char *name = make_secret_name(path);
    if (name == NULL)
        return -1;
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0666);
    int error = errno;
    if (fd >= 0 && rename(name, path) < 0) {
        error = errno;
        unlink(name);
        close(fd);
        fd = -1;
    }
    free(name);
    errno = error;
    return fd;
}

/* Opens the ledger.  A regular file is replaced by a new one, as it may be
 * somebody else's.  Returns a descriptor; or -1, with *reason set. */
static int create(const char *path, const char **reason) {
    struct stat status;
    *reason = inuse_as(path);
    if (*reason != NULL)
        return -1;
    bool is_there = lstat(path, &status) == 0;
    int fd = -1;
    if (is_there && S_ISDIR(status.st_mode))
        errno = EISDIR;
    else if (is_there && !S_ISREG(status.st_mode) && is_trusted(path, &status))
        fd = open_special(path);
    else if (is_there && !S_ISREG(status.st_mode))
        *reason = "it belongs to somebody else";
    else
        fd = create_regular(path);
    if (fd < 0 && *reason == NULL)
        *reason = strerror(errno);
    return fd;
}

/* --- Writing it */

/* Writes a line.  Gives the ledger up if that fails, or if there
 * was no memory for the line, which then is NULL. */
static void write_line(const char *line) {
    if (line == NULL)
        errno = ENOMEM;
    if (line != NULL && write_unless_hurried(ledger.fd, line, strlen(line)))
        return;
    report_unwritable(ledger.path);
    close(ledger.fd); /* it is lost in any case */
    ledger.fd = -1;
}

/* Creates the ledger, with its header.  Commands are shown as the words of
 * `command` with the item in place of {}.  The last thing before a run begins:
 * whatever fails before leaves an old ledger as it is.  Returns false if it
 * cannot be created, which it has said, or a signal has come. */
bool ledger_open(const char *path, char *const *command) {
    const char *reason = NULL;
    ledger.fd = create(path, &reason);
    if (ledger.fd < 0 && !signals_pending())
        say("fatal: unable to create %s: %s", path, reason);
    if (ledger.fd < 0)
        return false;
    fcntl(ledger.fd, F_SETFD, FD_CLOEXEC); /* fails for no descriptor */
    inuse_note(ledger.fd, "it is the ledger", true);
    ledger.path = path;
    ledger.command = command;
    write_line("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\t"
               "Exitval\tSignal\tCommand\tState\n");
    return true;
}

/* The value in the column Exitval. */
static int exit_value(const struct item *item) {
    if (item->outcome == COMPLETE || item->outcome == FAILED)
        return (int)item->value;
    if (item->outcome == NOT_EXECUTED || item->outcome == NOT_FOUND)
        return report_outcome_status(item->outcome);
    return -1;
}

/* When an item began, in seconds since 1970. */
static double started_at(const struct item *item) {
    static double epoch; /* what now() has to be added to */
    struct timespec t;
    if (epoch <= 0 && clock_gettime(CLOCK_REALTIME, &t) == 0)
        epoch = (double)t.tv_sec + (double)t.tv_nsec / 1e9 - now();
    return item->tries > 0 ? item->began + epoch : 0;
}

/* Makes the line of an item, which the caller frees; NULL if there is no
 * memory. */
static char *make_line(const struct item *item) {
    char host[INET_ADDRSTRLEN] = ":";
    char columns[200];
    char *const none[] = {NULL};
    char *const *command_words =
        ledger.command != NULL ? ledger.command : none;
    char *command =
        command_text(command_words, item->text != NULL ? item->text : "");
    if (command == NULL)
        return NULL;
    if (item->tries > 0 && item->pid == 0)
        inet_ntop(AF_INET, &item->peer, host, sizeof(host));
    int n = snprintf(columns, sizeof(columns),
        "%lu\t%s\t%.3f\t%.3f\t0\t%ju\t%d\t%lu\t", (unsigned long)item->which,
        host, started_at(item), item->took, (uintmax_t)item->bytes,
        exit_value(item),
        item->outcome == KILLED ? (unsigned long)item->value : 0ul);
    size_t room = (size_t)n + strlen(command) + 16; /* for the state */
    char *line = malloc(room);
    if (line != NULL)
        snprintf(
            line, room, "%s%s\t%s\n", columns, command, words[item->outcome]);
    free(command);
    return line;
}

/* An item has come to its end: writes its line, if there is a ledger. */
void ledger_item(struct item *item) {
    if (ledger.fd < 0)
        return;
    char *line = make_line(item);
    write_line(line);
    free(line);
}

/* Closes the ledger.  Returns false, with errno set, if that fails. */
bool ledger_close(void) {
    int fd = ledger.fd;
    ledger.fd = -1;
    return fd < 0 || close(fd) == 0;
}
