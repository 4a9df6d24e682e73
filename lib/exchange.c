/*
 * exchange.c - one item over one connection: the server hands it out, receives
 * its bytes and its end, and decides what follows.  By the thread of the
 * connection.  It stands on conn.c, items.c, output.c, files.c, report.c,
 * monitor.c, signals.c and text.c.  One run of an item is called a try.
 */
#include "exchange.h"
#include "files.h"
#include "report.h"
#include "text.h"
#include <stdlib.h>

/* Lines about items that failed, and about those that are tried again. */
#define REPORTS_MAX 100

/* Is the time limited that a client may take for its item? */
static bool is_limited(const struct conn *conn) {
    return conn->taker.kind != CLIENT_CHILD && run.config->seconds > 0;
}

/* Charges a client from elsewhere for the time since then. */
static void charge_time(struct conn *conn, double since) {
    if (is_limited(conn))
        conn->seconds_left -= now() - since;
}

/* Reads n bytes from a client; one from elsewhere has a limited time for its
 * item.  Returns how many there were; 0 after an abort, whatever came. */
static size_t read_client(struct conn *conn, void *buffer, size_t n) {
    bool limited = is_limited(conn);
    double started = now();
    if (limited && conn->seconds_left <= 0)
        return 0;
    unlock();
    size_t got =
        readn(conn->fd, buffer, n, limited ? started + conn->seconds_left : 0);
    lock();
    charge_time(conn, started);
    return run_goes_on() ? got : 0;
}

/* Receives the n bytes of a data message.  Returns false if not all could be
 * had, or the run was aborted. */
static bool receive_data(struct conn *conn, struct item *item, size_t n) {
    while (n > 0) {
        size_t got = 0;
        if (conn->taker.kind == CLIENT_CHILD)
            got = output_relay(item, conn->fd, n);
        if (got == 0) {
            if (!run_goes_on())
                return false;
            size_t room = n;
            unsigned char *to = output_room(&conn->claim, item, &room);
            if (to == NULL)
                return false;
            got = read_client(conn, to, room);
            if (run.phase == RUN_LEFT || !output_received(item, got) ||
                got < room)
                return false;
        }
        n -= got;
    }
    return true;
}

/* Receives the payload of an end, n bytes, into the item.  Returns false if it
 * cannot be had or makes no sense, such as a wrong count of bytes. */
static bool receive_end(struct conn *conn, struct item *item, size_t n) {
    unsigned char payload[END_SIZE + REASON_MAX];
    if (n < END_SIZE || n > sizeof(payload) ||
        read_client(conn, payload, n) < n)
        return false;
    uint32_t kind = get_u32(payload);
    uint32_t value = get_u32(payload + 4);
    uint64_t bytes =
        (uint64_t)get_u32(payload + 8) << 32 | get_u32(payload + 12);
    uint32_t value_max = kind == END_EXIT ? EXIT_MAX : SIGNAL_VALUE_MAX;
    if (kind >= END_KINDS || value > value_max || bytes != item->bytes)
        return false;
    item->value = value;
    item->outcome = outcome_of((enum ending_kind)kind, value);
    item->reason = printable_copy((char *)payload + END_SIZE, n - END_SIZE);
    return true;
}

/* Receives an item: data messages, then its end.  Returns false if that does
 * not come. */
static bool receive_item(struct conn *conn, struct item *item) {
    unsigned char header[HEADER_SIZE];
    while (read_client(conn, header, sizeof(header)) == sizeof(header)) {
        uint32_t number = get_u32(header);
        uint32_t n = get_u32(header + 4);
        if (number == (item->which | END))
            return receive_end(conn, item, n);
        if (number != item->which || n == 0 || n > DATA_MAX ||
            !receive_data(conn, item, n))
            return false;
    }
    return false;
}

/* Sends an item.  Returns false if the client is gone, or does not take it in
 * its time. */
static bool send_item(struct conn *conn, const struct item *item) {
    bool limited = is_limited(conn);
    double started = now();
    unlock();
    bool sent = send_message(conn->fd, item->which, item->text, item->length,
        limited ? started + conn->seconds_left : 0);
    lock();
    charge_time(conn, started);
    return sent;
}

/* Says goodbye: everything has been received.  The client may be gone. */
void exchange_goodbye(struct conn *conn) {
    unlock();
    send_message(conn->fd, NONE, NULL, 0, 0);
    lock();
}

/* A client has nothing to say before it gets its item; if there is something,
 * it is gone. */
static bool is_gone(const struct conn *conn) {
    return wait_ready(conn->fd, POLLIN, now()) != 0;
}

/* A try begins: what was left of the last one is forgotten. */
static void begin_try(struct conn *conn, struct item *item) {
    bool is_child = conn->taker.kind == CLIENT_CHILD;
    items_change(item, ITEM_RUNNING);
    item->tries++;
    item->outcome = INCOMPLETE;
    item->pid = is_child ? child_pid(conn->taker.number) : 0;
    item->peer = conn->from;
    item->began = now();
    item->bytes = 0;
    free(item->reason);
    item->reason = NULL;
    conn->seconds_left = run.config->seconds;
}

/* Reports a failure, unless there were too many: the ledger has them all. */
static void report_unlocked(const struct item *item, bool again) {
    static int said[2]; /* tries that are not the last one; and last ones */
    char text[FAILURE_SIZE];
    int count = said[again ? 0 : 1];
    if (count > REPORTS_MAX)
        return;
    said[again ? 0 : 1] = count + 1;
    if (count < REPORTS_MAX) {
        report_failure(text, item, again);
        say_unlocked("%s", text);
    } else {
        say_unlocked("warning: more %s are not shown",
            again ? "items that are tried again" : "items that failed");
    }
}

/* Takes back what an item has delivered.  That comes before it is reported,
 * which gives up the lock, lest somebody writes it meanwhile. */
static void take_back(struct item *item) {
    output_withdraw(item);
    output_advance();
}

/* Has an item that has failed run again, by whoever is free; the output learns
 * nothing of this try. */
static void try_again(struct item *item) {
    take_back(item);
    report_unlocked(item, true);
    if (run.phase == RUN_LEFT)
        return;
    items_try_again(item);
    output_advance();
}

/* The last try of an item has failed, which ends the run. */
static void abort_for(struct item *item) {
    items_change(item, ITEM_ENDED);
    abort_run(0);
    report_unlocked(item, false); /* after an abort nobody frees it */
}

/* Decides how a try ended, and closes its file. */
static void judge_try(struct conn *conn, struct item *item, bool answered) {
    bool late = is_limited(conn) && conn->seconds_left <= 0;
    item->took = now() - item->began;
    if (!answered)
        item->outcome = late ? TIMED_OUT : INCOMPLETE;
    if (item->fd >= 0 && !file_close(item) && run.phase != RUN_LEFT)
        item->outcome = INCOMPLETE;
}

/* A try has ended: decides what follows.  Returns false if the connection is
 * not to be used for another item. */
static bool finish_try(struct conn *conn, struct item *item, bool answered) {
    judge_try(conn, item, answered);
    if (run.phase == RUN_LEFT)
        return false;
    bool fails_now = item->outcome != COMPLETE && run_goes_on();
    if (fails_now && !item->written && item->tries <= run.config->retries) {
        try_again(item);
        return answered && conn->taker.kind != CLIENT_WANTS_ONE;
    }
    if (fails_now && !run.config->keep_going) {
        abort_for(item);
        return false;
    }
    if (item->outcome != COMPLETE && (!answered || run.config->retries > 0))
        take_back(item); /* it is not whole, or is not to be seen */
    if (fails_now)
        report_unlocked(item, false);
    if (run.phase == RUN_LEFT)
        return false;
    items_change(item, ITEM_ENDED);
    output_end(item);
    return answered;
}

/* Has the client run an item, which is HANDED.  Returns true if it may have
 * another one. */
bool exchange_item(struct conn *conn, struct item *item) {
    if (is_gone(conn)) { /* it has not got it, so this is no try */
        items_change(item, ITEM_QUEUED);
        output_advance();
        return false;
    }
    begin_try(conn, item);
    if (run.config->destination == TO_FILES && !file_open(item))
        return false;
    bool answered = send_item(conn, item) && receive_item(conn, item);
    return run.phase != RUN_LEFT && finish_try(conn, item, answered);
}
