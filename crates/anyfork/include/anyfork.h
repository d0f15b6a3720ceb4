/*
 * Modules for anyfork in C, C++, Zig and the like: shared libraries that Process::load brings into a process. Their entries are then run, as those of
 * the program itself are: Process::load("libresize.so"), Process::run("resize::thumbnail").
 *
 *     #include "anyfork.h"
 *
 *     static int thumbnail(struct anyfork_call *call)
 *     {
 *         if (call->count != 1 || call->inputs[0].fd < 0)
 *             return anyfork_error(call, "expected a file");
 *         ...
 *         return 0;
 *     }
 *
 *     static const struct anyfork_entry entries[] = { { "thumbnail", NULL, thumbnail, NULL } };
 *     ANYFORK_MODULE("resize", entries)
 *
 *     cc -shared -fPIC -o libresize.so resize.c
 *
 * Constructors of the library must leave no thread and no open descriptor: the library is loaded in a process that is to be forked. An entry that runs in a
 * worker may have both.
 */
#ifndef ANYFORK_H
#define ANYFORK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Raised by any change of what stands below. A module of another version is refused. */
#define ANYFORK_VERSION 1

/* One argument or one descriptor, in the order in which they were sent. */
struct anyfork_input {
    /* A descriptor, close-on-exec, which belongs to the entry from now on; -1: this is an argument. */
    int fd;
    /* An argument: any octets, not terminated, not aligned. They stay until the entry has returned. NULL if there are none. */
    const void *octets;
    size_t length;
};

/* One run of an entry. */
struct anyfork_call {
    /* The process's own socket, blocking, close-on-exec, which belongs to the entry; -1 in a preparation (Process::call). */
    int socket;
    size_t count;
    const struct anyfork_input *inputs;
    /* The entry's own, from its table. */
    const void *context;
    /* From `check` to `run`. NULL at first. */
    void *kept;
    /* Room for the text of an error, in UTF-8, with its NUL. Empty at first. */
    char *message;
    size_t room;
};

struct anyfork_entry {
    /* In UTF-8, without the module's name. */
    const char *name;
    /*
     * Looks at the inputs, before the caller is told that the process has started. Not 0: they do not fit, and the caller gets an error of the kind Inputs
     * with the message. May be NULL: then any inputs will do.
     */
    int (*check)(struct anyfork_call *call);
    /*
     * The exit status of the process, 0 to 255 (any other number is an error). It must not be left by a C++ exception. With a message it is an error: in a worker it is written to standard error, in a preparation the
     * caller gets it.
     */
    int (*run)(struct anyfork_call *call);
    const void *context;
};

struct anyfork_table {
    uint32_t version;
    /* What stands before each name, with "::" in between. */
    const char *name;
    size_t count;
    const struct anyfork_entry *entries;
    /*
     * Called in each fork, before its first order: to reseed random generators and the like. Not 0 ends the fork, and the caller gets the message.
     * May be NULL.
     */
    int (*after_fork)(char *message, size_t room);
};

/* What a module exports. It is called once in each process that loads the module, and what it returns has to stay. */
#ifdef __cplusplus
extern "C"
#endif
__attribute__((visibility("default"))) const struct anyfork_table *anyfork_module(void);

/* Defines it, for an array of entries, and a function for new forks. */
#define ANYFORK_MODULE_WITH_HOOK(module_name, module_entries, module_after_fork)                        \
    const struct anyfork_table *anyfork_module(void)                                                    \
    {                                                                                                   \
        static const struct anyfork_table anyfork_own_table = {                                         \
            ANYFORK_VERSION,  (module_name),       sizeof (module_entries) / sizeof *(module_entries),  \
            (module_entries), (module_after_fork),                                                      \
        };                                                                                              \
        return &anyfork_own_table;                                                                      \
    }

/* The same without such a function. */
#define ANYFORK_MODULE(module_name, module_entries) ANYFORK_MODULE_WITH_HOOK(module_name, module_entries, NULL)

/* Writes the message of an error, and returns 1. */
static inline int anyfork_error(struct anyfork_call *call, const char *text)
{
    snprintf(call->message, call->room, "%s", text);
    return 1;
}

#endif
