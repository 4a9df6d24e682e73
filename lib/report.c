/*
 * report.c - what people read: how items failed, the ledger, the progress, the
 * closing line; and the exit status that goes with them.  It stands on say.c
 * and text.c.
 *
 * Messages and exit statuses are an interface: the manual has them, and each
 * has a test.  report_failure() may be called by any thread, without a lock;
 * the rest by one thread at a time, which is what server() does.
 */
#include "report.h"
#include "say.h"
#include "text.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LABEL_SIZE 64     /* bytes for an item's number and its text, */
#define LABEL_TEXT_MAX 40 /* of which so many are shown */

/* The ledger's word for an outcome, and the exit status that it makes. */
static const struct {
    const char *word;
    int status;
} outcomes[OUTCOMES] = {
    [COMPLETE] = {"complete", 0},
    [FAILED] = {"failed", 123},
    [NOT_EXECUTED] = {"failed", 126},
    [NOT_FOUND] = {"failed", 127},
    [KILLED] = {"killed", 125},
    [TIMED_OUT] = {"timeout", 124},
    [INCOMPLETE] = {"incomplete", 123},
    [UNSTARTED] = {"unstarted", 0},
};

static struct {
    int status; /* the exit status so far */
    int ledger; /* the ledger's descriptor, or -1 */
    const char *ledger_path;
    char *const *command; /* as given, for the ledger */
} report = {.ledger = -1};

/* --- How an item failed */

enum outcome outcome_of(enum ending_kind kind, uint32_t value) {
    static const enum outcome by_kind[END_KINDS] = {
        [END_EXIT] = FAILED,
        [END_SIGNAL] = KILLED,
        [END_TIMEOUT] = TIMED_OUT,
        [END_NOT_EXECUTED] = NOT_EXECUTED,
        [END_NOT_FOUND] = NOT_FOUND,
    };
    return kind == END_EXIT && value == 0 ? COMPLETE : by_kind[kind];
}

/* Puts an item's number and, if it says more, its text into a label. */
static void make_label(char *label, const struct item *item) {
    char text[LABEL_TEXT_MAX + 4];
    int n =
        snprintf(label, LABEL_SIZE, "item %lu", (unsigned long)item->which);
    if (item->length == 0 || strcmp(item->text, label + strlen("item ")) == 0)
        return;
    make_printable(text, sizeof(text), item->text, item->length);
    snprintf(label + n, LABEL_SIZE - (size_t)n, " (%s)", text);
}

/* Says how an item failed, and whether it will run again. */
void report_failure(const struct item *item, bool again) {
    char label[LABEL_SIZE];
    const char *then = again ? ", trying again" : "";
    make_label(label, item);
    if (item->outcome == INCOMPLETE)
        say("%s: incomplete: its client went away after %ju bytes%s", label,
            (uintmax_t)item->bytes, then);
    else if (item->outcome == TIMED_OUT)
        say("%s: timed out%s", label, then);
    else if (item->outcome == KILLED)
        say("%s: signal %lu%s", label, (unsigned long)item->value, then);
    else if (item->outcome == FAILED)
        say("%s: exit %lu%s", label, (unsigned long)item->value, then);
    else
        say("%s: unable to execute %s%s", label,
            item->reason != NULL ? item->reason : "its command", then);
}

/* --- The exit status */

/* Lets an exit status count, if it matters more than what was so far. */
void report_status(int status) {
    static const int order[] = {0, 123, 125, 124, 126, 127, 1};
    int old = 0, new = 0;
    for (int i = 0; i < 7; i++) {
        if (order[i] == report.status)
            old = i;
        if (order[i] == status)
            new = i;
    }
    if (new > old)
        report.status = status;
}

int report_exit_status(void) {
    return report.status;
}

/* Something cannot be written.  The run goes on, but has failed. */
void report_unwritable(const char *name) {
    say("fatal: unable to write %s: %s", name, strerror(errno));
    report_status(1);
}

/* --- The ledger */

/* A text that grows. */
struct text {
    char *bytes;
    size_t length, room;
    bool failed; /* there was no memory for all of it */
};

static void text_add(struct text *text, const char *bytes, size_t n) {
    if (n == 0)
        return;
    if (text->room - text->length < n) {
        size_t room = 2 * text->room + n;
        char *more = realloc(text->bytes, room);
        text->failed = text->failed || more == NULL;
        if (more == NULL)
            return;
        text->bytes = more;
        text->room = room;
    }
    memcpy(text->bytes + text->length, bytes, n);
    text->length += n;
}

static void text_format(struct text *text, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    text_add(text, line, strlen(line));
}

/* Adds a word of the command, with blanks for what is not printable, since
 * that might end a line or a column. */
static void text_add_word(struct text *text, const char *word) {
    size_t n = strlen(word);
    while (n > 0) {
        size_t width = character_width(word, n);
        size_t bytes = width > 0 ? width : 1;
        text_add(text, width > 0 ? word : " ", bytes);
        word += bytes;
        n -= bytes;
    }
}

/* Adds the command of an item. */
static void text_add_command(struct text *text, const struct item *item) {
    const char *item_text = item->text != NULL ? item->text : "";
    for (int i = 0; report.command != NULL && report.command[i]; i++) {
        char *word = substitute(report.command[i], item_text);
        text->failed = text->failed || word == NULL;
        if (i > 0)
            text_add(text, " ", 1);
        if (word != NULL)
            text_add_word(text, word);
        free(word);
    }
}

/* Writes a line of the ledger, in one write; gives the ledger up if that
 * fails. */
static void ledger_write(struct text *text) {
    if (text->failed)
        errno = ENOMEM;
    if (text->failed ||
        !write_unless_hurried(report.ledger, text->bytes, text->length)) {
        report_unwritable(report.ledger_path);
        close(report.ledger); /* it is lost in any case */
        report.ledger = -1;
    }
    free(text->bytes);
}

/* Writes the line of an item. */
static void ledger_item(const struct item *item) {
    static double epoch; /* what now() has to be added to, in seconds */
    struct text text = {.bytes = NULL};
    struct timespec t;
    bool ran = item->tries > 0;
    char host[INET_ADDRSTRLEN] = ":";
    int value = -1;
    if (item->outcome == COMPLETE || item->outcome == FAILED)
        value = (int)item->value;
    if (item->outcome == NOT_EXECUTED || item->outcome == NOT_FOUND)
        value = outcomes[item->outcome].status;
    if (epoch <= 0 && clock_gettime(CLOCK_REALTIME, &t) == 0)
        epoch = (double)t.tv_sec + (double)t.tv_nsec / 1e9 - now();
    if (ran && item->pid == 0)
        inet_ntop(AF_INET, &item->peer, host, sizeof(host));
    text_format(&text, "%lu\t%s\t%.3f\t%.3f\t0\t%ju\t%d\t%lu\t",
        (unsigned long)item->which, host, ran ? item->began + epoch : 0,
        item->took, (uintmax_t)item->bytes, value,
        item->outcome == KILLED ? (unsigned long)item->value : 0ul);
    text_add_command(&text, item);
    text_format(&text, "\t%s\n", outcomes[item->outcome].word);
    ledger_write(&text);
}

/* Creates the ledger, with its header.  Commands are shown as the words of
 * `command` with the item in place of {}.  Returns false, with errno set, if
 * it cannot be created. */
bool ledger_open(const char *path, char *const *command) {
    struct text text = {.bytes = NULL};
    report.ledger = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (report.ledger < 0)
        return false;
    fcntl(report.ledger, F_SETFD, FD_CLOEXEC); /* fails for no descriptor */
    report.ledger_path = path;
    report.command = command;
    text_format(&text,
        "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\t"
        "Exitval\tSignal\tCommand\tState\n");
    ledger_write(&text);
    return true;
}

/* Closes the ledger.  Returns false, with errno set, if that fails. */
bool ledger_close(void) {
    int fd = report.ledger;
    report.ledger = -1;
    return fd < 0 || close(fd) == 0;
}

/* An item has come to its end: writes its line. */
void report_item(struct item *item) {
    if (report.ledger >= 0)
        ledger_item(item);
}

/* --- The end */

/* The last line, if not all items are complete, or it is wanted; and what they
 * mean for the exit status. */
void report_closing(const struct result *result, bool always) {
    const uint64_t *count = result->count;
    for (int i = 0; i < OUTCOMES; i++)
        if (count[i] > 0)
            report_status(outcomes[i].status);
    if (count[COMPLETE] == result->given && !always)
        return;
    say("%ju complete, %ju failed, %ju killed, %ju timeout, %ju incomplete, "
        "%ju unstarted",
        (uintmax_t)count[COMPLETE],
        (uintmax_t)(count[FAILED] + count[NOT_EXECUTED] + count[NOT_FOUND]),
        (uintmax_t)count[KILLED], (uintmax_t)count[TIMED_OUT],
        (uintmax_t)count[INCOMPLETE], (uintmax_t)count[UNSTARTED]);
}

/* --- The progress */

/* Shows a line on the terminal that is standard error, at most ten times a
 * second; or wipes it, as output follows.  The terminal is told not to wrap
 * it.  A process in the background keeps quiet. */
void report_progress(const struct progress *progress) {
    static double last;
    static uint64_t bytes_before;
    static bool shown;
    char line[256], note[40] = "";
    double t = now();
    if (progress->writing || progress->midline) {
        if (shown)
            write_unless_hurried(2, "\033[K", 3);
        shown = false;
        return;
    }
    if (t - last < 0.1 || tcgetpgrp(2) != getpgrp())
        return;
    if (progress->slow)
        snprintf(note, sizeof(note), ", output is slow");
    else if (progress->waiting)
        snprintf(note, sizeof(note), ", waiting for item %lu",
            (unsigned long)progress->turn);
    snprintf(line, sizeof(line),
        "\033[?7l%ju/%ju%s items, %.1f MB, %.1f MB/s%s\033[K\033[?7h\r",
        (uintmax_t)progress->complete, (uintmax_t)progress->total,
        progress->is_total ? "" : "+", (double)progress->bytes / 1e6,
        (double)(progress->bytes - bytes_before) / 1e6 / (t - last), note);
    write_unless_hurried(2, line, strlen(line));
    bytes_before = progress->bytes;
    last = t;
    shown = true;
}
