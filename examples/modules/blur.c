/* A module in C, for the example `modules`: each pixel becomes the mean of itself and its neighbours. */
#include "anyfork.h"

#include <stdlib.h>
#include <unistd.h>

/* How far a neighbour may be. */
#define RADIUS 2

/* The inputs are the width, as text, and the pixels. What is refused here is an error of the caller's start. */
static int check(struct anyfork_call *call)
{
    char width[21] = "";
    size_t at;

    if (call->count != 2 || call->inputs[0].fd >= 0 || call->inputs[1].fd >= 0)
        return anyfork_error(call, "expected a width and pixels");
    if (call->inputs[0].length >= sizeof width)
        return anyfork_error(call, "input 1: expected a width");
    for (at = 0; at < call->inputs[0].length; at++)
        width[at] = ((const char *)call->inputs[0].octets)[at];
    call->kept = (void *)strtoul(width, NULL, 10);
    if (call->kept == NULL || call->inputs[1].length % (size_t)call->kept != 0)
        return anyfork_error(call, "input 2: expected whole rows of pixels");
    return 0;
}

static unsigned char mean(const unsigned char *pixels, size_t width, size_t height, size_t x, size_t y)
{
    size_t from_x = x < RADIUS ? 0 : x - RADIUS, to_x = x + RADIUS < width ? x + RADIUS : width - 1;
    size_t from_y = y < RADIUS ? 0 : y - RADIUS, to_y = y + RADIUS < height ? y + RADIUS : height - 1;
    unsigned long sum = 0, count = 0;

    for (y = from_y; y <= to_y; y++)
        for (x = from_x; x <= to_x; x++) {
            sum += pixels[y * width + x];
            count++;
        }
    return (unsigned char)(sum / count);
}

static int filter(struct anyfork_call *call)
{
    const unsigned char *pixels = call->inputs[1].octets;
    size_t length = call->inputs[1].length, width = (size_t)call->kept, at, written = 0;
    unsigned char *blurred = malloc(length + 1);

    if (blurred == NULL)
        return anyfork_error(call, "no memory");
    for (at = 0; at < length; at++)
        blurred[at] = mean(pixels, width, length / width, at % width, at / width);
    while (written < length) {
        ssize_t count = write(call->socket, blurred + written, length - written);
        if (count < 0)
            return anyfork_error(call, "the socket does not take the pixels");
        written += (size_t)count;
    }
    free(blurred);
    return 0;
}

static const struct anyfork_entry entries[] = { { "filter", check, filter, NULL } };
ANYFORK_MODULE("blur", entries)
