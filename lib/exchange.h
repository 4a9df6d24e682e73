/*
 * exchange.h - one item over one connection.  Called with the lock held.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "conn.h"

bool exchange_item(struct conn *conn, struct item *item);
void exchange_goodbye(struct conn *conn);

#endif
