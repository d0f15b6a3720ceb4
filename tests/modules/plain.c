/* A module that is strict C99: entries that look at what they were given, that end in each way, that prepare. */
#include "anyfork.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* FNV-1a. */
static uint64_t hash(const unsigned char *octets, size_t length)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    size_t at;
    for (at = 0; at < length; at++)
        sum = (sum ^ octets[at]) * UINT64_C(0x100000001b3);
    return sum;
}

static int tell(struct anyfork_call *call, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(call->socket, text, length);
        if (written <= 0)
            return anyfork_error(call, "the socket does not take it");
        text += written;
        length -= (size_t)written;
    }
    return 0;
}

/* An argument as a string, to be freed. */
static char *string(struct anyfork_call *call, size_t at)
{
    char *copy = calloc(1, call->inputs[at].length + 1);
    if (call->inputs[at].length > 0)
        memcpy(copy, call->inputs[at].octets, call->inputs[at].length);
    return copy;
}

/* Tells the length and a hash of each argument, and the length of each file. */
static int describe(struct anyfork_call *call)
{
    size_t at;
    for (at = 0; at < call->count; at++) {
        const struct anyfork_input *input = &call->inputs[at];
        char text[64];
        if (input->fd >= 0)
            sprintf(text, "fd:%ld ", (long)lseek(input->fd, 0, SEEK_END));
        else
            sprintf(text, "%lu:%" PRIx64 " ", (unsigned long)input->length, hash(input->octets, input->length));
        if (input->fd < 0 && (input->octets == NULL) != (input->length == 0))
            return anyfork_error(call, "octets and length do not agree");
        if (tell(call, text, strlen(text)) != 0)
            return 1;
    }
    return 0;
}

/* Wants a descriptor and an argument. */
static int check_serve(struct anyfork_call *call)
{
    if (call->kept != NULL || call->message[0] != 0)
        return anyfork_error(call, "nothing is kept, and nothing said, at first");
    if (call->count < 1 || call->inputs[0].fd < 0)
        return anyfork_error(call, "input 1: expected a descriptor");
    if (call->count != 2 || call->inputs[1].fd >= 0)
        return anyfork_error(call, "input 2: expected an argument");
    call->kept = string(call, 1);
    return 0;
}

static int serve(struct anyfork_call *call)
{
    const char *context = call->context;
    char *kept = call->kept;
    int failed = tell(call, kept, strlen(kept)) || tell(call, context, strlen(context));
    free(kept);
    return failed;
}

static int refuse(struct anyfork_call *call)
{
    (void)call;
    return 7;
}

/* Stays until end-of-file. */
static int park(struct anyfork_call *call)
{
    char octet;
    if (tell(call, ".", 1) != 0)
        return 1;
    return read(call->socket, &octet, 1) < 0;
}

static int code(struct anyfork_call *call)
{
    char *text = string(call, 0);
    int number = atoi(text);
    free(text);
    return number;
}

static int error(struct anyfork_call *call)
{
    char *text = string(call, 0);
    anyfork_error(call, text);
    free(text);
    return 3;
}

static int exits(struct anyfork_call *call)
{
    printf("[exits]");
    exit(code(call));
}

static int aborts(struct anyfork_call *call)
{
    (void)call;
    abort();
}

static int half_written(struct anyfork_call *call)
{
    char *text = string(call, 0);
    printf("[half-%s]", text);
    free(text);
    return 0;
}

static int says(struct anyfork_call *call)
{
    char *text = string(call, 0);
    printf("[says-%s]", text);
    free(text);
    return 0;
}

static char words[256];

static int keep(struct anyfork_call *call)
{
    char *text = string(call, 0);
    if (words[0] != 0)
        strcat(words, ",");
    strcat(words, text);
    free(text);
    return call->socket == -1 ? 0 : anyfork_error(call, "a preparation has no socket");
}

static int kept(struct anyfork_call *call)
{
    return tell(call, words, strlen(words));
}

/* Pages that are shared as long as nobody writes to them. */
static unsigned char table[32 << 20];

static int fill(struct anyfork_call *call)
{
    size_t at;
    (void)call;
    for (at = 0; at < sizeof table; at++)
        table[at] = (unsigned char)at;
    return 0;
}

static int add_up(struct anyfork_call *call)
{
    unsigned long sum = 0;
    char text[32];
    size_t at;
    for (at = 0; at < sizeof table; at++)
        sum += table[at];
    sprintf(text, "%lu\n", sum);
    return tell(call, text, strlen(text)) || park(call);
}

/* A function of this name is in another module too. */
const char *who(void);
const char *who(void)
{
    return "plain";
}

static int tells_who(struct anyfork_call *call)
{
    return tell(call, who(), strlen(who()));
}

static const char context[] = " by its context";

static const struct anyfork_entry entries[] = {
    { "describe", NULL, describe, NULL },
    { "serve", check_serve, serve, context },
    { "refuse", refuse, describe, NULL },
    { "park", NULL, park, NULL },
    { "endings::code", NULL, code, NULL },
    { "endings::error", NULL, error, NULL },
    { "endings::exits", NULL, exits, NULL },
    { "endings::aborts", NULL, aborts, NULL },
    { "endings::stays", NULL, park, NULL },
    { "endings::half_written", NULL, half_written, NULL },
    { "endings::says", NULL, says, NULL },
    { "keep", NULL, keep, NULL },
    { "kept", NULL, kept, NULL },
    { "fill", NULL, fill, NULL },
    { "add_up", NULL, add_up, NULL },
    { "who", NULL, tells_who, NULL },
};
ANYFORK_MODULE("plain", entries)
