/*
 * items.c - every item from the list to its last word: its states, who runs
 * what, and retries.  No bytes are moved here.  It stands on monitor.c,
 * signals.c, memory.c and itemlist.c.
 *
 *     state     may become
 *     --------  ------------------------------------------------------------
 *     LISTED    RESERVED: for a child that has not asked yet;
 *               HANDED: who has read it takes it;
 *               QUEUED: who has read it wants another one, or none
 *     RESERVED  HANDED: its child asks;  QUEUED: its child has died
 *     QUEUED    HANDED: to whoever stands first in line
 *     HANDED    RUNNING: a try begins;  QUEUED: its client was gone
 *     RUNNING   ENDED;  QUEUED, DELAYED: it has failed, but may run again
 *     DELAYED   QUEUED: the pause is over
 *     ENDED     RETIRED: all of it is written, and it was reported
 *
 * Whoever wants an item stands in a line, first come, first served, and is
 * handed one; or the list, to read the next item from it; or the word that
 * there is nothing more.  Clients that want one particular item have a line of
 * their own, so that they keep nobody.
 */
#include "items.h"
#include "itemlist.h"
#include "memory.h"
#include <assert.h>
#include <stdlib.h>

static const bool change_is_legal[ITEM_STATES][ITEM_STATES] = {
    [ITEM_LISTED] =
        {[ITEM_RESERVED] = true, [ITEM_QUEUED] = true, [ITEM_HANDED] = true},
    [ITEM_RESERVED] = {[ITEM_QUEUED] = true, [ITEM_HANDED] = true},
    [ITEM_QUEUED] = {[ITEM_HANDED] = true},
    [ITEM_HANDED] = {[ITEM_QUEUED] = true, [ITEM_RUNNING] = true},
    [ITEM_RUNNING] =
        {[ITEM_QUEUED] = true, [ITEM_DELAYED] = true, [ITEM_ENDED] = true},
    [ITEM_DELAYED] = {[ITEM_QUEUED] = true},
    [ITEM_ENDED] = {[ITEM_RETIRED] = true},
};

static struct {
    struct item_list open;    /* all that are not RETIRED, in order */
    struct item_list queue;   /* those that are QUEUED, in order */
    struct item_list delayed; /* those that are DELAYED, as they are due */
    struct item **reserved;   /* by child; NULL if there is none for it */
    uint64_t count[ITEM_STATES];
    uint64_t clients;       /* that have proved who they are, and are there */
    bool list_is_read;      /* by a thread that is within next() */
    struct line any;        /* takers that want any item */
    struct line particular; /* takers that want one and no other */
} items;

/* How many items are open. */
static uint64_t open_count(void) {
    uint64_t count = 0;
    for (int state = 0; state < ITEM_RETIRED; state++)
        count += items.count[state];
    return count;
}

/* Makes room for what is reserved.  Returns 0, or -1 with errno set. */
int items_init(void) {
    size_t jobs = (size_t)run.config->jobs;
    items.reserved = calloc(jobs + 1, sizeof(*items.reserved));
    return items.reserved != NULL ? 0 : -1;
}

/* --- The state of an item */

/* A try begins.  Should the item have to run again, there is a pause before
 * that, which is doubled each time, up to a minute. */
static void set_pause(struct item *item) {
    double pause = item->tries > 0 ? 2 * item->pause : run.config->pause;
    item->pause = pause < PAUSE_MAX ? pause : PAUSE_MAX;
}

/* Changes the state of an item: the only place where that is done, once it is
 * LISTED.  Keeps the counts and the queue, and serves those who wait for such
 * a change. */
void items_change(struct item *item, enum item_state state) {
    enum item_state old = item->state;
    bool is_legal = change_is_legal[old][state];
    assert(is_legal);
    (void)is_legal;
    items.count[old]--;
    items.count[state]++;
    item->state = state;
    if (old == ITEM_QUEUED)
        queue_remove(&items.queue, item);
    if (old == ITEM_DELAYED)
        queue_remove(&items.delayed, item);
    if (state == ITEM_QUEUED)
        queue_add(&items.queue, item);
    if (state == ITEM_DELAYED)
        queue_add(&items.delayed, item);
    if (state == ITEM_RUNNING)
        set_pause(item);
    if (old == ITEM_RUNNING && items.delayed.first != NULL)
        signals_wake(); /* when that is due may be sooner; and whoever could
                         * run it may be dead: look_for_clients() */
    if (old != ITEM_QUEUED)
        items_dispatch(); /* or else the caller looks again */
}

/* A try of an item has failed.  It may run again, after its pause. */
void items_try_again(struct item *item) {
    if (item->pause <= 0) {
        items_change(item, ITEM_QUEUED);
        return;
    }
    item->due = now() + item->pause;
    items_change(item, ITEM_DELAYED);
}

/* Queues what is due.  Returns when (of now()) the next item is, 0: never. */
double items_queue_due(void) {
    struct item *item;
    while ((item = items.delayed.first) != NULL && item->due <= now()) {
        item->due = 0;
        items_change(item, ITEM_QUEUED);
    }
    return item != NULL ? item->due : 0;
}

/* The last of an item, whose bytes are gone: it is freed. */
void items_retire(struct item *item) {
    open_list_remove(&items.open, item);
    memory_refund(sizeof(*item) + item->length);
    run.result->count[item->outcome]++;
    items_change(item, ITEM_RETIRED);
    free(item->text);
    free(item->reason);
    free(item->array);
    free(item->name);
    free(item->part);
    free(item);
    if (open_count() == 0)
        signals_wake();
}

/* --- Who gets what */

/* May one more item be taken from the list?  One for each client always; more
 * if there is memory for what waits. */
static bool may_read_list(void) {
    return !run.result->listed && !items.list_is_read &&
        (open_count() < items.clients || memory_has_room(sizeof(struct item)));
}

/* Will no item wait for a client any more? */
static bool nothing_will_come(void) {
    bool may_fail = run.config->retries > 0 && items.count[ITEM_RUNNING] > 0;
    return run.result->listed && items.queue.first == NULL &&
        items.count[ITEM_RESERVED] == 0 && items.count[ITEM_HANDED] == 0 &&
        items.count[ITEM_DELAYED] == 0 && !may_fail;
}

/* What a client is told that wants any item. */
static enum answer answer_any(struct item **item) {
    *item = items.queue.first;
    if (*item != NULL)
        return HAS_ITEM;
    if (nothing_will_come())
        return HAS_NOTHING;
    return may_read_list() ? READS_LIST : NO_ANSWER;
}

/* What a client is told that wants one item only.  It may read the list up to
 * there even if memory is short, as it may take nothing else. */
static enum answer answer_particular(uint32_t number, struct item **item) {
    *item = NULL;
    if (number < run.result->given) /* or else it is in no queue */
        *item = queue_find(&items.queue, number);
    if (*item != NULL)
        return HAS_ITEM;
    if (queue_find(&items.delayed, number) != NULL)
        return NO_ANSWER; /* it will be queued */
    if (number < run.result->given || run.result->listed)
        return HAS_NOTHING; /* somebody else has it, or nobody ever will */
    return items.list_is_read ? NO_ANSWER : READS_LIST;
}

/* Hands an answer to a taker, and wakes it. */
static void hand(struct taker *taker, enum answer answer, struct item *item) {
    taker->answer = answer;
    taker->item = item;
    if (answer == HAS_ITEM)
        items_change(item, ITEM_HANDED);
    if (answer == READS_LIST)
        items.list_is_read = true;
    call(&taker->waiter);
}

/* Serves who stands in line, as far as there is something for them. */
void items_dispatch(void) {
    if (!run_goes_on())
        return; /* nobody gets anything any more */
    struct item *item;
    enum answer answer;
    struct taker *before = NULL, *next;
    for (struct taker *taker = items.particular.first; taker; taker = next) {
        next = taker->next;
        answer = answer_particular(taker->number, &item);
        if (answer != NO_ANSWER) {
            line_remove(&items.particular, before);
            hand(taker, answer, item);
        } else {
            before = taker;
        }
    }
    while (items.any.first != NULL) {
        struct taker *taker = items.any.first;
        answer = answer_any(&item);
        if (answer == NO_ANSWER)
            break;
        line_remove(&items.any, NULL);
        hand(taker, answer, item);
    }
}

/* Asks for an answer, and waits until there is one.  After an abort there may
 * be none. */
static enum answer ask(struct taker *taker) {
    bool one = taker->kind == CLIENT_WANTS_ONE;
    struct line *line = one ? &items.particular : &items.any;
    taker->answer = NO_ANSWER;
    line_add(line, taker);
    items_dispatch();
    if (!wait_for_call(&taker->waiter)) { /* an abort: leave the line */
        struct taker *before = NULL;
        for (struct taker *t = line->first; t != taker; t = t->next)
            before = t;
        line_remove(line, before);
    }
    return taker->answer;
}

/* Takes note of what next() has said: of an item, or that there is none. */
static void end_read(struct item *item, int got) {
    items.list_is_read = false;
    if (got > 0) {
        run.result->given++;
        if (run.config->list_speed == LIST_KNOWN)
            run.result->listed = run.result->given == run.config->list_length;
        items.count[ITEM_LISTED]++;
        open_list_add(&items.open, item);
        memory_charge(sizeof(*item) + item->length);
        return;
    }
    run.result->listed = got == 0;
    if (got < 0) {
        run.result->failed = true; /* as it has said */
        abort_run(0);
    }
    signals_wake(); /* the main thread may be waiting for this */
}

/* Takes an item from the list, which nobody else reads.  Returns NULL
 * at its end, if it failed, or after an abort. */
static struct item *read_list(void) {
    if (!run_goes_on()) {
        items.list_is_read = false;
        return NULL;
    }
    struct item *item = calloc(1, sizeof(*item));
    if (item == NULL) {
        items.list_is_read = false;
        fail_run("hold an item: %s", strerror(ENOMEM));
        return NULL;
    }
    item->which = (uint32_t)run.result->given;
    item->fd = -1;
    item->outcome = UNSTARTED;
    unlock();
    int got = run.callbacks->next(item);
    lock();
    if (run.phase != RUN_LEFT)
        end_read(item, got);
    if (got > 0)
        return item;
    free(item);
    return NULL;
}

/* Does a taker that has read this item want it?  (It runs it then, unless an
 * earlier one has come back to the queue meanwhile.) */
static bool is_for(const struct taker *taker, const struct item *item) {
    return taker->kind != CLIENT_WANTS_ONE || taker->number == item->which;
}

/* Gives a client its next item, which is HANDED then.  Returns NULL if there
 * is none for it, or the run was aborted. */
struct item *items_take(struct taker *taker) {
    struct item *item = NULL;
    if (!run_goes_on())
        return NULL;
    if (taker->kind == CLIENT_CHILD) {
        item = items.reserved[taker->number];
        items.reserved[taker->number] = NULL;
    }
    if (item != NULL) {
        items_change(item, ITEM_HANDED);
        return item;
    }
    while (ask(taker) == READS_LIST) {
        item = read_list();
        if (!run_goes_on())
            return NULL; /* the item, if there is one, stays LISTED */
        if (item == NULL) {
            items_dispatch(); /* others may learn that the list has ended */
        } else if (is_for(taker, item) && items.queue.first == NULL) {
            items_change(item, ITEM_HANDED);
            return item;
        } else {
            items_change(item, ITEM_QUEUED);
        }
    }
    if (!run_goes_on() || taker->answer != HAS_ITEM)
        return NULL;
    return taker->item;
}

/* Child k is to begin with item k, as in the article: takes so many from the
 * list before the first child has asked, if that takes no time, and nobody
 * from elsewhere can keep a child out. */
void items_reserve(void) {
    if (run.config->list_speed != LIST_KNOWN || run.config->token != NULL)
        return;
    for (int k = 0; k < run.config->jobs && !run.result->listed; k++) {
        struct item *item = read_list();
        if (item == NULL)
            return;
        items.reserved[k] = item;
        items_change(item, ITEM_RESERVED);
    }
}

/* A child has died, or may never be served: what it was to begin with is for
 * others. */
void items_unreserve(uint32_t child) {
    struct item *item = items.reserved[child];
    items.reserved[child] = NULL;
    if (item != NULL)
        items_change(item, ITEM_QUEUED);
}

/* A client has proved who it is. */
void items_client_came(void) {
    items.clients++;
    items_dispatch();
}

/* A client is gone. */
void items_client_left(void) {
    items.clients--;
}

/* Are there items that wait for a client, or will? */
static bool items_are_waiting(void) {
    return items.queue.first != NULL || items.delayed.first != NULL ||
        items.count[ITEM_RESERVED] > 0;
}

/* Looks whether there is more in the list, if there is nothing else to do:
 * perhaps no client will ever come to find that the list is at its end. */
void items_look_ahead(void) {
    if (!run_goes_on() || run.result->listed || items.list_is_read ||
        items_are_waiting() || items_any_running())
        return;
    items.list_is_read = true;
    struct item *item = read_list();
    if (item != NULL && run_goes_on())
        items_change(item, ITEM_QUEUED);
    else
        items_dispatch(); /* others may learn that the list has ended */
}

/* --- What others want to know */

/* Has every item come to its end? */
bool items_finished(void) {
    return run.result->listed && open_count() == 0;
}

/* Is there something to do that needs a client? */
bool items_want_client(void) {
    return !run.result->listed || items_are_waiting();
}

/* Is there an item that a client has, or will be sent? */
bool items_any_running(void) {
    return items.count[ITEM_HANDED] > 0 || items.count[ITEM_RUNNING] > 0;
}

/* Is a thread within next()? */
bool items_list_is_read(void) {
    return items.list_is_read;
}

/* The first of all that are open; the others follow by `next`. */
struct item *items_first(void) {
    return items.open.first;
}

#ifdef CHECK
/* Compares the counts with the lists. */
void items_check(void) {
    uint64_t count[ITEM_STATES] = {0}, queued = 0;
    const struct item *last = NULL;
    for (struct item *item = items.open.first; item; item = item->next) {
        assert(item->previous == last);
        assert(last == NULL || last->which < item->which);
        count[item->state]++;
        last = item;
    }
    assert(items.open.last == last);
    for (int state = 0; state < ITEM_RETIRED; state++)
        assert(count[state] == items.count[state]);
    last = NULL;
    for (struct item *item = items.queue.first; item;
         item = item->queue_next) {
        assert(item->state == ITEM_QUEUED && item->queue_previous == last);
        last = item;
        queued++;
    }
    assert(items.queue.last == last && queued == items.count[ITEM_QUEUED]);
    if (run_goes_on()) { /* nobody stands in line for what is there */
        struct item *item;
        assert(items.any.first == NULL || answer_any(&item) == NO_ANSWER);
        for (struct taker *t = items.particular.first; t; t = t->next)
            assert(answer_particular(t->number, &item) == NO_ANSWER);
    }
}
#endif
