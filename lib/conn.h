/*
 * conn.h - a connection of the server, and who is at its other end.  All of it
 * is called with the lock held.
 */
#ifndef CONN_H
#define CONN_H

#include "gather.h"
#include "items.h"
#include "output.h"

/* Who is at the other end. */
enum peer {
    PEER_UNKNOWN,  /* it has not proved anything yet */
    PEER_DROPPED,  /* the same, and hung up on, as there were too many */
    PEER_CHILD,    /* a child of this process; taker.number says which */
    PEER_ELSEWHERE /* somebody who knows the token */
};

struct conn {
    int fd;              /* closed by conn_free() */
    struct in_addr from; /* where the other end is */
    double came;         /* when (of now()) */
    enum peer peer;
    unsigned char nonce[NONCE_SIZE]; /* of this side */
    char reason[64];                 /* why it was refused */
    double seconds_left; /* that a client from elsewhere has for its item */
    struct taker taker;  /* for its next item */
    struct claim claim;  /* for memory, of the item that it runs */
    struct conn *previous, *next; /* of all connections, oldest first */
};

struct conn *conn_new(int fd, struct in_addr from);
void conn_free(struct conn *conn);
void conn_refuse(struct conn *conn, int error);
void conn_rest(int error);
int conn_count(void);
int conn_count_known(void);
void conn_hang_up(struct conn *conn);
void conn_hang_up_all(void);
void conn_limit_unknown(void);
bool conn_has_room(void);
void conn_turn_away(int listening);
bool conn_authenticate(struct conn *conn);

#endif
