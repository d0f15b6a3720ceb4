/*
 * A small module, made to be what a test wants of it:
 * -DNAME="..." its name, -DENTRY="..." that of its first entry, -DANSWER="..." what that answers, and one of what stands below.
 */
#include "anyfork.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef NAME
#define NAME "small"
#endif
#ifndef ENTRY
#define ENTRY "answer"
#endif
#ifndef ANSWER
#define ANSWER "1"
#endif

/* A function of this name is in another module too. */
const char *who(void);
const char *who(void)
{
    return ANSWER;
}

static int answer(struct anyfork_call *call)
{
    return write(call->socket, who(), strlen(who())) < 0;
}

/* Answers when it is told to go on. */
static int answer_later(struct anyfork_call *call)
{
    char octet;
    return read(call->socket, &octet, 1) != 1 || answer(call);
}

/* Says more than there is room for, and does not end it. */
static int check_never(struct anyfork_call *call)
{
    memset(call->message, 'x', call->room);
    return 1;
}

#ifdef CALLS_WHAT_IS_NOT_THERE
int is_not_there(void);
static int calls(struct anyfork_call *call)
{
    (void)call;
    return is_not_there();
}
#else
#define calls answer
#endif

static const struct anyfork_entry entries[] = {
    { ENTRY, NULL, answer, NULL },
    { "answer_later", NULL, answer_later, NULL },
    { "calls", NULL, calls, NULL },
    { "never", check_never, answer, NULL },
#ifdef TWICE
    { ENTRY, NULL, calls, NULL },
#endif
#ifdef ENTRY_WITHOUT_NAME
    { NULL, NULL, answer, NULL },
#endif
#ifdef ENTRY_WITHOUT_FUNCTION
    { "nothing", NULL, NULL, NULL },
#endif
};

#if defined(HOOK)
static int forks;

static int hook(char *message, size_t room)
{
    forks++;
    if (forks <= HOOK)
        return 0;
    snprintf(message, room, "%s", MESSAGE);
    return 9;
}
#else
#define hook NULL
#endif

#ifdef VERSION
static const uint32_t version = VERSION;
#else
static const uint32_t version = ANYFORK_VERSION;
#endif

#if defined(NO_MODULE)
int some_function(void);
int some_function(void)
{
    return (int)(size_t)entries + (hook != NULL) + (int)version;
}
#elif defined(NO_TABLE)
const struct anyfork_table *anyfork_module(void)
{
    return NULL;
}
#elif defined(NO_NAME)
const struct anyfork_table *anyfork_module(void)
{
    static struct anyfork_table module = { 1, NULL, 4, entries, hook };
    return &module;
}
#elif defined(NO_ENTRIES)
const struct anyfork_table *anyfork_module(void)
{
    static struct anyfork_table module = { 1, NAME, 0, NULL, hook };
    return &module;
}
#elif defined(ENTRIES_NOWHERE)
const struct anyfork_table *anyfork_module(void)
{
    static struct anyfork_table module = { 1, NAME, 3, NULL, hook };
    return &module;
}
#else
const struct anyfork_table *anyfork_module(void)
{
    static struct anyfork_table module = { 0, NAME, sizeof entries / sizeof *entries, entries, hook };
    module.version = version;
    return &module;
}
#endif

#ifdef THREAD
static void *stays(void *nothing)
{
    pause();
    return nothing;
}
#endif

/* What the library does when it is loaded. */
__attribute__((constructor)) static void constructor(void)
{
#if defined(CRASHES)
    abort();
#elif defined(EXITS)
    exit(5);
#elif defined(HANGS)
    for (;;)
        pause();
#elif defined(THREAD)
    pthread_t thread;
    pthread_create(&thread, NULL, stays, NULL);
#elif defined(DESCRIPTOR)
    open("/dev/zero", O_RDONLY | O_CLOEXEC);
#elif defined(CLOSES_WHAT_IT_OPENS)
    close(open("/dev/zero", O_RDONLY | O_CLOEXEC));
#elif defined(REPLACES)
    close(0);
    open("/dev/zero", O_RDONLY);
#endif
}
