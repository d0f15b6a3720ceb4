/* The limit without help: one small process forks a child that ends, sees end-of-file on a socket that the child had, and waits for it.
   Prints creations per second. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

static void create_one(void) {
    int ends[2];
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) _exit(0);
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 0) fail("read");
    close(ends[0]);
    if (waitpid(child, NULL, 0) != child) fail("waitpid");
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 1000;
    double start = seconds();
    for (int n = 0; n < count; n++) create_one();
    printf("%.0f\n", count / (seconds() - start));
    return 0;
}
