/*
 * report.c - what people read: how items failed, the progress, the closing
 * line; and the exit status that goes with them.  It stands on say.c and
 * text.c.
 *
 * Messages and exit statuses are an interface: the manual has them, and each
 * has a test.  report_failure() may be called by any thread, without a lock;
 * the rest by one thread at a time, which is what server() does.
 */
#include "report.h"
#include "say.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>

#define LABEL_SIZE 64     /* bytes for an item's number and its text, */
#define LABEL_TEXT_MAX 40 /* of which so many are shown */
#define DETAILS_SIZE 120  /* bytes for the circumstances of a failure */
#define COMMAND_MAX 70    /* bytes of a command that are shown */

/* The words of the closing line for an outcome, and the exit status that it
 * makes. */
static const struct {
    const char *words;
    int status;
} outcomes[OUTCOMES] = {
    [COMPLETE] = {"complete", 0},
    [FAILED] = {"failed", 123},
    [NOT_EXECUTED] = {"failed", 126},
    [NOT_FOUND] = {"failed", 127},
    [KILLED] = {"killed by a signal", 125},
    [TIMED_OUT] = {"timed out", 124},
    [INCOMPLETE] = {"incomplete", 123},
    [UNSTARTED] = {"not started", 0},
};

static struct {
    int status;           /* the exit status so far */
    char *const *command; /* as given; NULL: there is none */
    const char *ledger;   /* the path of the ledger, or NULL */
} report;

/* Before a run: the command as given, NULL if there is none; the path of the
 * ledger, NULL if there is none. */
void report_begin(char *const *command, const char *ledger) {
    report.command = command;
    report.ledger = ledger;
}

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

/* Puts into details how long an item ran and where: its command, or the
 * address of a client elsewhere, whose command is not known here. */
static void describe_try(char *details, const struct item *item) {
    char text[COMMAND_MAX + 8]; /* more of an item would not be seen */
    bool is_local = item->pid != 0;
    char *line = NULL;
    char command[COMMAND_MAX + 4] = "";
    char address[INET_ADDRSTRLEN] = "";
    snprintf(text, sizeof(text), "%s", item->text != NULL ? item->text : "");
    if (is_local && report.command != NULL)
        line = command_text(report.command, text);
    if (line != NULL)
        make_printable(command, sizeof(command), line, strlen(line));
    free(line);
    if (!is_local)
        inet_ntop(AF_INET, &item->peer, address, sizeof(address));
    snprintf(details, DETAILS_SIZE, "after %.3f s%s%s%s%s", item->took,
        is_local ? "" : " at ", address, command[0] != '\0' ? ": " : "",
        command);
}

/* Puts into `text`, of FAILURE_SIZE bytes, how an item failed, and whether it
 * will run again. */
void report_failure(char *text, const struct item *item, bool again) {
    char label[LABEL_SIZE], details[DETAILS_SIZE], then[40] = "";
    if (again && item->pause > 0)
        snprintf(then, sizeof(then), ", trying again in %.3g s", item->pause);
    else if (again)
        strcpy(then, ", trying again");
    make_label(label, item);
    describe_try(details, item);
    int n = snprintf(text, FAILURE_SIZE, "%s: ", label);
    char *to = text + n;
    size_t room = FAILURE_SIZE - (size_t)n;
    if (item->outcome == INCOMPLETE)
        n = snprintf(to, room,
            "incomplete: its client went away after %ju bytes",
            (uintmax_t)item->bytes);
    else if (item->outcome == TIMED_OUT)
        n = snprintf(to, room, "timed out");
    else if (item->outcome == KILLED)
        n = snprintf(to, room, "signal %lu", (unsigned long)item->value);
    else if (item->outcome == FAILED)
        n = snprintf(to, room, "exit %lu", (unsigned long)item->value);
    else
        n = snprintf(to, room, "unable to execute %s",
            item->reason != NULL ? item->reason : "its command");
    snprintf(to + n, room - (size_t)n, "%s [%s]", then, details);
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

/* The exit status that an outcome makes. */
int report_outcome_status(enum outcome outcome) {
    return outcomes[outcome].status;
}

/* Something cannot be written.  The run goes on, but has failed. */
void report_unwritable(const char *name) {
    char words[ERROR_SIZE];
    say("fatal: unable to write %s: %s", name, error_words(errno, words));
    report_status(1);
}

/* --- The end */

/* Says what is missing of the items, and where to look. */
static void report_missing(const struct result *result) {
    uint64_t count[OUTCOMES];
    char line[400];
    memcpy(count, result->count, sizeof(count));
    count[FAILED] += count[NOT_EXECUTED] + count[NOT_FOUND];
    count[NOT_EXECUTED] = 0;
    count[NOT_FOUND] = 0;
    size_t n = (size_t)snprintf(
        line, sizeof(line), "%ju", (uintmax_t)count[COMPLETE]);
    if (result->listed)
        n += (size_t)snprintf(
            line + n, sizeof(line) - n, " of %ju", (uintmax_t)result->given);
    n += (size_t)snprintf(line + n, sizeof(line) - n, " complete");
    for (int i = COMPLETE + 1; i < OUTCOMES; i++)
        if (count[i] > 0)
            n += (size_t)snprintf(line + n, sizeof(line) - n, ", %ju %s",
                (uintmax_t)count[i], outcomes[i].words);
    if (!result->listed)
        snprintf(
            line + n, sizeof(line) - n, "; the list was not read to its end");
    if (report.ledger != NULL)
        say("%s; see %s", line, report.ledger);
    else if (report.command != NULL)
        say("%s; a ledger (-l) would tell which", line);
    else
        say("%s", line);
}

/* The last line, if not all items are complete, or it is wanted; and what they
 * mean for the exit status. */
void report_closing(const struct result *result, bool always) {
    const uint64_t *count = result->count;
    for (int i = 0; i < OUTCOMES; i++)
        if (count[i] > 0)
            report_status(outcomes[i].status);
    if (count[COMPLETE] < result->given || !result->listed)
        report_missing(result);
    else if (always)
        say("all %ju complete", (uintmax_t)result->given);
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
