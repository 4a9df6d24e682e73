/*
 * conn.h - a connection of the server, whose other end has proved who it is.
 * All of it is called with the lock held.
 */
#ifndef CONN_H
#define CONN_H

#include "gather.h"
#include "items.h"
#include "output.h"

struct conn {
    int fd;              /* closed by conn_free() */
    struct in_addr from; /* where the other end is */
    double seconds_left; /* that a client from elsewhere has for its item */
    struct taker taker;  /* for its next item; says who is at the other end */
    struct claim claim;  /* for memory, of the item that it runs */
    struct conn *previous, *next; /* of all connections, in any order */
};

struct conn *conn_new(
    int fd, struct in_addr from, enum client_kind kind, uint32_t number);
void conn_free(struct conn *conn);
int conn_count(void);
int conn_count_children(void);
void conn_hang_up(struct conn *conn);
void conn_hang_up_all(void);

#endif
