/*
 * report.h - what people read: how items failed, the progress, the closing
 * line; and the exit status that goes with them.
 */
#ifndef REPORT_H
#define REPORT_H

#include "gather.h"

void report_begin(char *const *command, const char *ledger);
enum outcome outcome_of(enum ending_kind kind, uint32_t value);
#define FAILURE_SIZE 800 /* bytes for the text of report_failure() */
void report_failure(char *text, const struct item *item, bool again);

void report_progress(const struct progress *progress);
void report_closing(const struct result *result, bool always);
void report_unwritable(const char *name);
void report_status(int status);
int report_exit_status(void);
int report_outcome_status(enum outcome outcome);

#endif
