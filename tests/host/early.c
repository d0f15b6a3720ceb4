/* A constructor with a priority: the loader runs it before all that have none. */
#include <stdlib.h>

int early_ran;
int early_saw_handover;

__attribute__((constructor(101))) static void early(void) {
    early_ran++;
    early_saw_handover = getenv("ANYFORK_HANDOVER") != 0;
}
