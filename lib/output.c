/*
 * output.c - where the bytes of items go: into blocks, and from there to
 * standard output, when it is their turn; or into a file or an array for each
 * item.  While server() runs nobody else writes to standard output.  It stands
 * on turn.c, items.c, memory.c, files.c, tag.c, signals.c and monitor.c.
 *
 * The role.  One thread at a time writes, reports, or draws the progress on
 * the terminal that the output goes to.  It has the role, and nobody waits for
 * that: whoever has something to write calls output_advance(), which returns
 * at once if somebody else has the role, as that thread looks again when it is
 * through with what it does.
 */
#include "output.h"
#include "files.h"
#include "items.h"
#include "memory.h"
#include "system.h"
#include "tag.h"
#include "turn.h"
#include <assert.h>
#include <signal.h>
#include <stdlib.h>

#define RELAY_MIN (BLOCK_SIZE / 8) /* bytes; below, splice() does not pay */

#define SPLICE_PATIENCE 1.0 /* seconds; then the bytes are read at least */

enum role {
    ROLE_FREE,
    ROLE_WRITES,  /* to standard output */
    ROLE_REPORTS, /* within done() */
    ROLE_DRAWS    /* within tick(), on the terminal of the output */
};

static struct {
    enum role role;
    struct item *busy_item; /* that is being written or reported */
    bool terminal;          /* standard output is one, and there is progress */
    bool midline;           /* what went there has not ended in a newline */
    bool can_splice;        /* until the system has refused it */
} output;

/* Prepares standard output.  Returns 0, or -1 with errno set. */
int output_init(void) {
    bool limited = run.config->destination == TO_OUTPUT ||
        run.config->destination == TO_OUTPUT_AS_COMPLETED;
    if (memory_init(limited ? run.config->memory_limit : UINT64_MAX) < 0)
        return -1;
    output.terminal = run.callbacks->tick != NULL && isatty(1);
    output.can_splice = limited && !output.terminal && !run.config->tagged;
    system_pipe_size(1, 1 << 18); /* all may have that */
    system_pipe_size(1, 1 << 20); /* refused to some: then it stays at that */
    return items_init();
}

/* --- Receiving, by the thread of the item's connection */

/* Makes an array larger.  What it has is the item's from now on. */
static unsigned char *array_room(struct item *item, size_t n) {
    unsigned char *array = NULL;
    if (item->bytes <= SIZE_MAX - n)
        array = realloc(item->array, (size_t)item->bytes + n);
    if (array == NULL) {
        fail_run("hold an item: %s", strerror(ENOMEM));
        return NULL;
    }
    item->array = array;
    return array + item->bytes;
}

/* Finds a place for the next bytes of an item, up to *room of them, and sets
 * that to how many fit there.  Waits for memory if need be.  Returns NULL if
 * the run was aborted. */
unsigned char *output_room(
    struct claim *claim, struct item *item, size_t *room) {
    if (run.config->destination == TO_ARRAYS)
        return array_room(item, *room);
    struct block *block = item->last;
    bool all_written = block != NULL && block->written == block->length;
    if (all_written && output.busy_item != item) {
        block->written = 0; /* nobody is at it: it is as good as new */
        block->length = 0;
    }
    if (block == NULL || block->length == block->capacity) {
        claim_block(claim, item);
        output_advance(); /* the item may have the turn now */
        block = wait_for_block(claim);
    }
    if (block == NULL)
        return NULL;
    if (*room > block->capacity - block->length)
        *room = block->capacity - block->length;
    return block->bytes + block->length;
}

/* Bytes of an item have arrived where output_room() said.  Moves the output
 * on.  Returns false if the run was aborted. */
bool output_received(struct item *item, size_t n) {
    item->bytes += n;
    run.result->bytes += n;
    if (run.config->destination == TO_ARRAYS)
        return run_goes_on();
    struct block *block = item->last;
    if (run.config->destination == TO_FILES && run.config->tagged) {
        if (!tag_lines(item, block->bytes, n, file_write) && run_goes_on())
            fail_run("write %s: %s", item->name, strerror(errno));
        return run_goes_on();
    }
    if (run.config->destination == TO_FILES)
        return file_write(item, block->bytes, n);
    block->length += n;
    item->unwritten += n;
    output_advance();
    return run_goes_on();
}

/* Moves up to n bytes of the item with the turn from its connection to
 * standard output without a copy, if that is possible and pays.  Returns how
 * many; 0 if the caller has to receive them.  It waits in poll(), not in
 * splice(), which may lock the pipe against its reader.  It has the role while
 * it waits for the client, which keeps nobody: only the item with the turn
 * could be written, and that is this one. */
size_t output_relay(struct item *item, int fd, size_t n) {
    if (!output.can_splice || n < RELAY_MIN || item != turn_item() ||
        item->unwritten > 0 || is_held_back(item) ||
        output.role != ROLE_FREE || !run_goes_on())
        return 0;
    output.role = ROLE_WRITES;
    output.busy_item = item;
    item->bytes += n; /* first, so that never more is out than is counted */
    unlock();
    wait_ready(fd, POLLIN, 0);
    wait_ready(1, POLLOUT, now() + SPLICE_PATIENCE);
    ssize_t moved = system_splice(fd, 1, n);
    bool refused = moved < 0 && errno == EINVAL;
    lock();
    output.role = ROLE_FREE;
    output.busy_item = NULL;
    if (run.phase == RUN_LEFT)
        return 0;
    output.can_splice = output.can_splice && !refused;
    size_t put = moved > 0 ? (size_t)moved : 0;
    item->bytes -= n - put;
    run.result->bytes += put;
    item->written = item->written || put > 0;
    output_advance();
    return put;
}

/* Takes back what an item has delivered and nobody has written.  A block that
 * is being written stays, and is written to its end. */
void output_withdraw(struct item *item) {
    struct block *busy = output.busy_item == item ? item->blocks : NULL;
    if (busy != NULL)
        item->blocks = busy->next;
    while (item->blocks != NULL)
        give_back_first(item);
    if (busy != NULL) {
        busy->next = NULL;
        item->blocks = busy;
        item->last = busy;
    }
    free(item->array);
    item->array = NULL;
    if (busy == NULL)
        item->in_line = false; /* or else the writer's, who has no lock */
    if (item->state == ITEM_RUNNING && !item->written)
        turn_leave(item); /* what was begun is finished before others */
    turn_end_exemption(item);
    turn_dispatch();
}

/* An item has ended: what there is of it may go out.  If that is little, it
 * needs no whole block. */
void output_end(struct item *item) {
    struct block *block = item->blocks;
    turn_end_exemption(item);
    if (block != NULL && item->unwritten == 0) {
        give_back_first(item);
    } else if (block != NULL && block == item->last && item != turn_item() &&
        block->length <= BLOCK_SIZE / 4) {
        item->blocks = block_shrink(block);
        item->last = item->blocks;
    }
    turn_join(item);
    output_advance();
}

/* --- Writing, by whoever has the role */

/* Has the progress make way on a terminal that gets output next. */
static void clear_progress(void) {
    struct progress progress = {.writing = true};
    if (output.terminal)
        run.callbacks->tick(&progress);
}

/* Writes n bytes to standard output.  Returns false if not all went out; errno
 * says why.  In the main thread a signal that ends the run ends this, too,
 * with EINTR, or on_alarm() does if it waits for a descriptor that does not
 * block; other threads get no signals. */
static bool write_output(
    struct item *item, const unsigned char *bytes, size_t n) {
    size_t done = 0;
    (void)item;
    while (done < n) {
        ssize_t put = write(1, bytes + done, n - done);
        if (put > 0)
            done += (size_t)put;
        if (put == 0)
            errno = EIO;
        if (put == 0 || (put < 0 && !must_wait() && errno != EINTR))
            break;
        if (put < 0 && errno == EINTR && signals_pending())
            break;
        if (put < 0 && must_wait() && wait_ready(1, POLLOUT, 0) == 0)
            break;
    }
    return done == n;
}

/* Writes n bytes of an item, tagged if that is wanted; else as above.  A line
 * that another item has left without a newline gets one before the tag. */
static bool write_item(
    struct item *item, const unsigned char *bytes, size_t n) {
    static const unsigned char newline = '\n';
    if (!run.config->tagged)
        return write_output(item, bytes, n);
    if (output.midline && !item->in_line && !write_output(item, &newline, 1))
        return false;
    return tag_lines(item, bytes, n, write_output);
}

/* Writes what the first block of an item has; gives it back if nothing will be
 * added to it. */
static void write_block(struct item *item) {
    struct block *block = item->blocks;
    size_t n = block->length - block->written;
    const unsigned char *bytes = block->bytes + block->written;
    output.role = ROLE_WRITES;
    output.busy_item = item;
    item->written = item->written || n > 0;
    unlock();
    clear_progress();
    int error = write_item(item, bytes, n) ? 0 : errno;
    lock();
    output.role = ROLE_FREE;
    output.busy_item = NULL;
    if (run.phase == RUN_LEFT)
        return;
    if (error == 0 && n > 0) {
        output.midline = bytes[n - 1] != '\n';
        block->written += n;
        item->unwritten -= n;
    }
    bool is_full = block->length == block->capacity;
    if (error == 0 && block->written == block->length &&
        (is_full || item->state == ITEM_ENDED))
        give_back_first(item);
    if (error == EPIPE || error == ECONNRESET)
        abort_run(SIGPIPE);
    else if (error == EINTR)
        abort_run(signals_next()); /* this is the main thread */
    else if (error != 0)
        fail_run("write standard output: %s", strerror(error));
}

/* Reports an item that has the turn, has ended, and is written: its last. */
static void retire(struct item *item) {
    output.role = ROLE_REPORTS;
    output.busy_item = item;
    unlock();
    run.callbacks->done(item);
    lock();
    output.role = ROLE_FREE;
    output.busy_item = NULL;
    if (run.phase == RUN_LEFT)
        return;
    turn_leave(item);
    items_retire(item);
}

/* Is an item with the turn to be written as it comes? */
static bool is_streamed(const struct item *item) {
    return item->state == ITEM_RUNNING && item->unwritten > 0 &&
        !is_held_back(item);
}

/* Makes one step: writes a block of the item with the turn, or reports it when
 * it has ended, which passes the turn.  Returns false if there is nothing to
 * do, or somebody else does it. */
static bool step(void) {
    if (!run_goes_on() || output.role != ROLE_FREE)
        return false;
    struct item *item = turn_item();
    if (item == NULL)
        return false;
    bool ended = item->state == ITEM_ENDED;
    if ((ended && item->blocks != NULL) || is_streamed(item))
        write_block(item);
    else if (ended)
        retire(item);
    else
        return false;
    turn_dispatch();
    return true;
}

/* Moves the output on, as far as it gets, and hands on the memory that becomes
 * free. */
void output_advance(void) {
    turn_dispatch();
    while (step())
        continue;
}

/* The same for the main thread, which has other things to do: it makes one
 * step, and comes back for the next one. */
void output_advance_once(void) {
    turn_dispatch();
    if (step())
        signals_wake();
}

/* Shows the progress, unless the output is in the middle of something on the
 * same terminal. */
void output_tick(void) {
    const struct item *item = turn_item();
    struct progress progress = {
        .complete = run.result->count[COMPLETE],
        .total = run.result->given,
        .is_total = run.result->listed,
        .bytes = run.result->bytes,
        .midline = output.terminal && output.midline,
    };
    if (run.callbacks->tick == NULL)
        return;
    if (run.config->list_speed == LIST_KNOWN) {
        progress.total = run.config->list_length;
        progress.is_total = true;
    }
    if (output.terminal && output.role != ROLE_FREE)
        return;
    progress.slow = run.config->destination != TO_FILES &&
        wait_ready(1, POLLOUT, now()) == 0;
    progress.waiting = item != NULL;
    progress.turn = item != NULL ? item->which : 0;
    if (output.terminal)
        output.role = ROLE_DRAWS;
    unlock();
    run.callbacks->tick(&progress);
    lock();
    if (output.terminal)
        output.role = ROLE_FREE;
    output_advance_once();
}

/* --- The end of an aborted run, by the main thread */

/* Has all of an item arrived where it belongs?  It has ended. */
static bool is_delivered(const struct item *item) {
    if (run.config->destination == TO_FILES ||
        run.config->destination == TO_ARRAYS)
        return true;
    return item == turn_item() && item->unwritten == 0;
}

/* Decides what has become of an item that the end of the run has cut short. */
static void close_account(struct item *item) {
    if (item->state == ITEM_RUNNING) {
        item->took = now() - item->began;
        item->outcome = INCOMPLETE;
        file_abandon(item);
    }
    if (item->state == ITEM_ENDED && item->outcome == COMPLETE &&
        !is_delivered(item))
        item->outcome = INCOMPLETE;
}

/* Accounts for all items that are still open, and reports them; no other
 * thread touches one any more.  If one is stuck within done(), that will not
 * be called again. */
void output_leave(void) {
    bool is_stuck = output.role == ROLE_REPORTS;
    run.phase = RUN_LEFT;
    run.result->stuck = is_stuck;
    for (struct item *item = items_first(); item; item = item->next) {
        if (!is_stuck || output.busy_item != item)
            close_account(item);
        run.result->count[item->outcome]++;
        if (is_stuck)
            continue;
        signals_next(); /* shows that we are not stuck */
        unlock();
        run.callbacks->done(item);
        lock();
    }
}

#ifdef CHECK
/* Compares the account and the counts with the lists. */
void output_check(void) {
    uint64_t held = 0;
    for (struct item *item = items_first(); item; item = item->next) {
        int count = 0;
        uint64_t unwritten = 0;
        struct block *last = NULL;
        held += sizeof(*item) + item->length;
        for (struct block *block = item->blocks; block; block = block->next) {
            assert(block->written <= block->length);
            assert(block->length <= block->capacity);
            bool exact = block->capacity < BLOCK_SIZE;
            held += block->capacity + (exact ? sizeof(*block) : 0);
            unwritten += block->length - block->written;
            count++;
            last = block;
        }
        assert(item->last == last && item->block_count == count);
        assert(item->unwritten == unwritten);
        assert(item->claim == NULL || item->claim->item == item);
        assert(item->blocks == NULL || item->state == ITEM_RUNNING ||
            item->state == ITEM_ENDED);
    }
    assert(memory_held() >= held);
    if (run_goes_on() && output.role == ROLE_FREE) { /* nothing is left over */
        const struct item *item = turn_item();
        assert(item == NULL || item->state != ITEM_ENDED);
        assert(item == NULL || !is_streamed(item));
    }
}
#endif
