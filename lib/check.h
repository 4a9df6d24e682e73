/*
 * check.h - a build with -DCHECK looks at every count and every list each time
 * the lock is given up, and ends by abort() if one is wrong.
 */
#ifndef CHECK_H
#define CHECK_H

#ifdef CHECK
void check_everything(void); /* lib/check.c, above items, turn and output */
#define CHECK_EVERYTHING() check_everything()
#else
#define CHECK_EVERYTHING() ((void)0)
#endif

#endif
