/*
 * ledger.h - the ledger: a line for each item that has come to its end.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "gather.h"

bool ledger_open(const char *path, char *const *command);
void ledger_item(struct item *item);
bool ledger_close(void);

#endif
