/*
 * conn.c - the connections of the server: those whose other end has proved who
 * it is.  It stands on items.c and monitor.c.
 */
#include "conn.h"
#include <stdlib.h>

static struct conn *first; /* of all connections */
static int count;
static int children_count; /* of these, connections of children */

/* Initializes the parts of a connection that may fail.  Returns 0, or an
 * error. */
static int prepare(struct conn *conn) {
    int error = waiter_init(&conn->taker.waiter);
    if (error != 0)
        return error;
    error = waiter_init(&conn->claim.waiter);
    if (error != 0)
        waiter_destroy(&conn->taker.waiter);
    return error;
}

/* Makes a connection for a client that has proved that it is of this kind; see
 * struct identity.  It owns fd from then on.  Returns NULL, with errno set, if
 * there are no means; fd is closed then. */
struct conn *conn_new(
    int fd, struct in_addr from, enum client_kind kind, uint32_t number) {
    struct conn *conn = calloc(1, sizeof(*conn));
    int error = conn != NULL ? prepare(conn) : ENOMEM;
    if (error != 0) {
        free(conn);
        close(fd); /* nothing was sent but the proof */
        errno = error;
        return NULL;
    }
    conn->fd = fd;
    conn->from = from;
    conn->taker.kind = kind;
    conn->taker.number = number;
    conn->next = first;
    if (first != NULL)
        first->previous = conn;
    first = conn;
    count++;
    children_count += kind == CLIENT_CHILD;
    return conn;
}

/* The end of a connection, which is closed, and of what belongs to it. */
void conn_free(struct conn *conn) {
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        first = conn->next;
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    count--;
    children_count -= conn->taker.kind == CLIENT_CHILD;
    close(conn->fd); /* nothing that follows depends on it */
    waiter_destroy(&conn->taker.waiter);
    waiter_destroy(&conn->claim.waiter);
    free(conn);
}

int conn_count(void) {
    return count;
}

int conn_count_children(void) {
    return children_count;
}

/* Ends a conversation: the next read or write of either side fails. */
void conn_hang_up(struct conn *conn) {
    shutdown(conn->fd, SHUT_RDWR); /* fails if it is over already */
}

void conn_hang_up_all(void) {
    for (struct conn *conn = first; conn != NULL; conn = conn->next)
        conn_hang_up(conn);
}
