/*
 * memory.c - the account and the pool; memory.h draws a block.  Whether an
 * item may take a block is not decided here but by the admission rule in
 * turn.c.
 */
#include "memory.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Blocks that are asked of the system at a time. */
#define SLAB_BLOCKS 16
/* Blocks that only the item with the turn may have, lest it starves when the
 * system has no memory. */
#define SPARE_BLOCKS 2

static struct {
    uint64_t limit;      /* bytes that items shall take, at most */
    uint64_t held;       /* bytes that they take now */
    struct block *spare; /* for the item with the turn, which cannot wait */
    int spare_count;
    bool is_short; /* the system has refused memory since a block came back */
    struct block *free; /* blocks of the pool that nobody has.  They are never
                         * given back to the system: fresh memory is what
                         * costs, since each page of it is a fault. */
} memory;

/* Is there room for n more bytes within the limit? */
bool memory_has_room(uint64_t n) {
    return memory.held <= memory.limit && n <= memory.limit - memory.held;
}

/* Has the system refused memory that the limit allows? */
bool memory_is_short(void) {
    return memory.is_short;
}

/* Bytes that items take. */
uint64_t memory_held(void) {
    return memory.held;
}

/* Puts n bytes to the account, and takes them off it. */
void memory_charge(uint64_t n) {
    memory.held += n;
}

void memory_refund(uint64_t n) {
    assert(n <= memory.held);
    memory.held -= n;
}

/* Makes blocks, `count` of them in one piece of memory.  Returns false if the
 * system has none. */
static bool make_blocks(size_t count) {
    struct block *blocks = calloc(count, sizeof(*blocks));
    unsigned char *bytes = malloc(count * BLOCK_SIZE);
    if (blocks == NULL || bytes == NULL) {
        free(blocks);
        free(bytes);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        blocks[i].capacity = BLOCK_SIZE;
        blocks[i].bytes = bytes + i * BLOCK_SIZE;
        blocks[i].next = memory.free;
        memory.free = &blocks[i];
    }
    return true;
}

/* Puts a block where it will be taken from again; first of all, the spare ones
 * are filled up. */
static void put_back(struct block *block) {
    struct block **list = &memory.free;
    if (memory.spare_count < SPARE_BLOCKS) {
        memory.spare_count++;
        list = &memory.spare;
    }
    block->next = *list;
    *list = block;
}

/* Prepares the pool and its spare blocks.  Returns 0, or -1 with errno set. */
int memory_init(uint64_t limit) {
    memory.limit = limit;
    if (!make_blocks(SPARE_BLOCKS))
        return -1;
    while (memory.free != NULL) {
        struct block *block = memory.free;
        memory.free = block->next;
        put_back(block);
    }
    return 0;
}

/* Takes an empty block out of the pool or, if the system has no more memory,
 * one of the spare ones; charges it.  Returns NULL if there is none. */
struct block *block_take(bool may_use_spare) {
    struct block **list = &memory.free;
    if (memory.free == NULL && !make_blocks(SLAB_BLOCKS) && !make_blocks(1)) {
        memory.is_short = true;
        if (!may_use_spare || memory.spare == NULL)
            return NULL;
        memory.spare_count--;
        list = &memory.spare;
    }
    struct block *block = *list;
    *list = block->next;
    block->next = NULL;
    block->written = 0;
    block->length = 0;
    memory_charge(BLOCK_SIZE);
    return block;
}

/* Moves what a block holds, and nothing of it has been written, into a block
 * of its own that is just large enough, and gives the first one back.  Returns
 * the new one or, if there is no memory, the old one. */
struct block *block_shrink(struct block *block) {
    assert(block->written == 0 && block->next == NULL);
    struct block *exact = malloc(sizeof(*exact) + block->length);
    if (exact == NULL)
        return block;
    exact->next = NULL;
    exact->written = 0;
    exact->length = block->length;
    exact->capacity = block->length;
    exact->bytes = (unsigned char *)(exact + 1);
    memcpy(exact->bytes, block->bytes, block->length);
    memory_charge(sizeof(*exact) + exact->capacity);
    block_give_back(block);
    return exact;
}

/* Gives back a block of either kind. */
void block_give_back(struct block *block) {
    if (block->capacity == BLOCK_SIZE) {
        memory_refund(BLOCK_SIZE);
        memory.is_short = false;
        put_back(block);
    } else {
        memory_refund(sizeof(*block) + block->capacity);
        free(block);
    }
}
