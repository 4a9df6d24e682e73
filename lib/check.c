/*
 * check.c - what a build with -DCHECK looks at: see check.h.
 */
#include "check.h"
#ifdef CHECK
#include "items.h"
#include "output.h"
#include "turn.h"

void check_everything(void) {
    if (run.config == NULL)
        return;
    items_check();
    turn_check();
    output_check();
}
#else
typedef int check_is_off; /* C99 wants something to be here */
#endif
