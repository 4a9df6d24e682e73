/*
 * turn.c - whose turn it is to be written, and who may hold memory until then.
 * It stands on items.c, memory.c and monitor.c.
 *
 * The queue.  Items are written one after the other.  The queue is the list of
 * all open items, or with TO_OUTPUT_AS_COMPLETED the items that have ended, in
 * that order.  The item at its head has the turn.  TO_FILES and TO_ARRAYS have
 * the second kind of queue, too: nothing is written, but done() is called for
 * one item at a time.  When memory is used up, and nobody has the turn, it
 * goes to who has waited longest for memory.
 *
 * Memory.  Whoever needs a block stands in a line, first come, first served.
 * admitted() is the one rule that says who may have one.  The item with the
 * turn never waits for another one: it may have a block, unless two of its own
 * are about to be written; and these come back.  So the run cannot lock itself
 * up.
 */
#include "turn.h"
#include "items.h"
#include "memory.h"
#include <assert.h>

/* How many blocks an item that is written as it comes may have beyond the
 * limit: one is written while the other one is filled. */
#define STREAM_BLOCKS 2

static struct {
    struct item *first, *last; /* the queue, if it is not the list */
    struct claim *line_first, *line_last; /* who waits for memory */
    struct item *exempt; /* the item that may exceed the limit: admitted() */
} turn;

/* The item whose turn it is, or NULL. */
struct item *turn_item(void) {
    return run.config->destination == TO_OUTPUT ? items_first() : turn.first;
}

/* Puts an item at the end of the queue, if it is not there. */
void turn_join(struct item *item) {
    if (run.config->destination == TO_OUTPUT || item->in_output)
        return;
    item->in_output = true;
    item->output_next = NULL;
    if (turn.last != NULL)
        turn.last->output_next = item;
    else
        turn.first = item;
    turn.last = item;
}

/* Takes out an item that has the turn, if it is there. */
void turn_leave(struct item *item) {
    if (!item->in_output)
        return;
    assert(turn.first == item);
    item->in_output = false;
    turn.first = item->output_next;
    if (turn.first == NULL)
        turn.last = NULL;
}

/* Is an item held back, even if it has the turn, so that nothing is seen of a
 * try that fails?  No more once it alone outgrows the limit. */
bool is_held_back(const struct item *item) {
    return run.config->retries > 0 && !item->written &&
        item->unwritten <= run.config->memory_limit;
}

/* --- The line for memory */

/* Does the item with the turn wait for a client?  Then none is idle: an idle
 * one would have been handed it by items_dispatch(). */
static bool turn_lacks_client(void) {
    const struct item *item = turn_item();
    return item != NULL && item->state == ITEM_QUEUED;
}

/*
 * The admission rule: may this item hold one more block?
 *
 * Within the limit anybody may.  Beyond it, the item with the turn may: two
 * blocks if it is written as it comes; or, while it is held back, blocks until
 * it alone holds as much as the limit.  And, the one exception, if the item
 * with the turn waits for a client, a single other one may (`exempt`): clients
 * stand still until there is memory, memory comes back when the item with the
 * turn has been written, and for that one of these clients has to be through
 * with its item.  So blocks take at most twice the limit and two more; and,
 * in the case of the exception, what the exempt item has to say besides; and
 * each time that the turn loses its client again another item may be exempt.
 */
static bool admitted(const struct item *item) {
    if (memory_has_room(BLOCK_SIZE))
        return true;
    if (item == turn_item())
        return item->block_count < STREAM_BLOCKS || is_held_back(item);
    return item == turn.exempt && turn_lacks_client();
}

static void claims_add(struct claim *claim) {
    claim->next = NULL;
    claim->previous = turn.line_last;
    if (turn.line_last != NULL)
        turn.line_last->next = claim;
    else
        turn.line_first = claim;
    turn.line_last = claim;
    claim->item->claim = claim;
}

static void claims_remove(struct claim *claim) {
    if (claim->previous != NULL)
        claim->previous->next = claim->next;
    else
        turn.line_first = claim->next;
    if (claim->next != NULL)
        claim->next->previous = claim->previous;
    else
        turn.line_last = claim->previous;
    claim->item->claim = NULL;
}

/* If the system has no memory, is it useless that this item waits for some?
 * That of others does not come back before the item with the turn is through,
 * or the exempt one; but what the former has may be on its way out. */
static bool cannot_wait(const struct item *item) {
    bool will_be_written = item->unwritten > 0 && !is_held_back(item);
    if (item == turn_item())
        return !will_be_written;
    return item == turn.exempt && turn_lacks_client();
}

/* Hands a block to who stands in line for it, if that is admitted and there is
 * one.  Who cannot wait is called without one if the system has none, and
 * then ends the run. */
static bool hand_block(struct claim *claim) {
    if (claim == NULL)
        return false;
    struct item *item = claim->item;
    assert(item != NULL);
    if (!admitted(item))
        return false;
    claim->block = block_take(item == turn_item());
    if (claim->block == NULL && !cannot_wait(item))
        return false;
    claims_remove(claim);
    call(&claim->waiter);
    return true;
}

/* Serves the line for memory: the item with the turn and the exempt one first,
 * wherever they stand; then who came first.  If nobody has the turn, and there
 * is no memory for who came first, the turn is its own. */
void turn_dispatch(void) {
    if (run.phase == RUN_LEFT)
        return;
    struct item *item = turn_item();
    if (item != NULL)
        hand_block(item->claim);
    if (turn.exempt == NULL && turn_lacks_client() && turn.line_first != NULL)
        turn.exempt = turn.line_first->item;
    if (turn.exempt != NULL)
        hand_block(turn.exempt->claim);
    while (hand_block(turn.line_first))
        continue;
    if (turn.line_first != NULL && turn_item() == NULL) {
        turn_join(turn.line_first->item);
        hand_block(turn.line_first);
    }
    items_dispatch(); /* the list may be read on, if memory was short */
}

/* Stands in line for a block.  That may bring the item the turn, so that the
 * output may be able to move on. */
void claim_block(struct claim *claim, struct item *item) {
    claim->item = item;
    claim->block = NULL;
    claims_add(claim);
    turn_dispatch();
}

/* Waits until the block that was claimed is there, and adds it to the item.
 * Returns NULL after an abort, which it causes itself if the system has no
 * memory. */
struct block *wait_for_block(struct claim *claim) {
    struct item *item = claim->item;
    if (!wait_for_call(&claim->waiter)) {
        claims_remove(claim);
        return NULL;
    }
    if (claim->block == NULL) {
        fail_run("hold an item: %s", strerror(ENOMEM));
        return NULL;
    }
    if (item->last != NULL)
        item->last->next = claim->block;
    else
        item->blocks = claim->block;
    item->last = claim->block;
    item->block_count++;
    return claim->block;
}

/* Gives back the first block of an item. */
void give_back_first(struct item *item) {
    struct block *block = item->blocks;
    item->blocks = block->next;
    if (item->blocks == NULL)
        item->last = NULL;
    item->block_count--;
    item->unwritten -= block->length - block->written;
    block_give_back(block);
}

/* An item has ended, or is to run again: it exceeds the limit no more. */
void turn_end_exemption(const struct item *item) {
    if (turn.exempt == item)
        turn.exempt = NULL;
}

#ifdef CHECK
/* Nobody waits for what is there, and the lists are sound. */
void turn_check(void) {
    for (struct claim *claim = turn.line_first; claim; claim = claim->next) {
        assert(claim->item->claim == claim);
        assert(!run_goes_on() || memory_is_short() || !admitted(claim->item));
    }
    for (struct item *item = turn.first; item; item = item->output_next)
        assert(item->in_output);
}
#endif
