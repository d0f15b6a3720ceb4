/* A module with an entry that returns at once. */
#include "anyfork.h"

static int finish(struct anyfork_call *call)
{
    (void)call;
    return 0;
}

static const struct anyfork_entry entries[] = { { "finish", NULL, finish, NULL } };
ANYFORK_MODULE("in_c", entries)
