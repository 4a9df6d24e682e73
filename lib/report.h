/*
 * report.h - what people read: how items failed, the ledger, the progress, the
 * closing line; and the exit status that goes with them.
 */
#ifndef REPORT_H
#define REPORT_H

#include "gather.h"

enum outcome outcome_of(enum ending_kind kind, uint32_t value);
void report_failure(const struct item *item, bool again);

bool ledger_open(const char *path, char *const *command);
bool ledger_close(void);
void report_item(struct item *item);
void report_progress(const struct progress *progress);
void report_closing(const struct result *result, bool always);
void report_unwritable(const char *name);
void report_status(int status);
int report_exit_status(void);

#endif
