/*
 * memory.h - the account of the memory that items take in the parent, and the
 * pool of blocks that hold their bytes.  For turn.c, output.c and items.c,
 * with the lock held.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_SIZE ((size_t)1 << 17) /* bytes in a block of the pool */

/*
 * A place for bytes of one item.
 *
 *     0         written        length      capacity
 *     +------------+--------------+------------+
 *     | went out   | to go out    | free       |
 *     +------------+--------------+------------+
 *
 * The thread of the item's connection reads into the bytes above `length`; the
 * writer takes what lies between the two others.  Bytes below `length` do not
 * change before all of them are written: then the block may begin anew.  So no
 * byte is ever touched by two threads at a time, and all three numbers change
 * with the lock held.
 */
struct block {
    struct block *next; /* of an item, or in the pool */
    size_t written, length, capacity;
    unsigned char *bytes;
};

int memory_init(uint64_t limit);
bool memory_has_room(uint64_t n);
bool memory_is_short(void);
uint64_t memory_held(void);
void memory_charge(uint64_t n);
void memory_refund(uint64_t n);
struct block *block_take(bool may_use_spare);
struct block *block_shrink(struct block *block);
void block_give_back(struct block *block);

#endif
