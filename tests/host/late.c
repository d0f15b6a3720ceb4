/* A constructor that is linked last: anyfork's own, which removes the variable, comes before it. */
#include <stdlib.h>

int late_ran;
int late_saw_handover;

__attribute__((constructor)) static void late(void) {
    late_ran++;
    late_saw_handover = getenv("ANYFORK_HANDOVER") != 0;
}
