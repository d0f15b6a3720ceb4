/* The limit of a template: a small server forks once for each socket that it is sent; the child reads one byte from it and ends; the client
   sees end-of-file. Arguments: how many, how many in flight, MB resident in the client. Prints creations per second. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

enum { MOST = 1024 };

struct message {
    struct msghdr header;
    struct iovec data;
    char byte;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
};

static void prepare(struct message *message) {
    memset(message, 0, sizeof *message);
    message->data = (struct iovec){&message->byte, 1};
    message->header.msg_iov = &message->data;
    message->header.msg_iovlen = 1;
    message->header.msg_control = message->control.bytes;
    message->header.msg_controllen = sizeof message->control.bytes;
}

static void give(int to, int descriptor) {
    struct message message;
    prepare(&message);
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message.header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
    if (sendmsg(to, &message.header, 0) != 1) fail("sendmsg");
}

static int take(int from) {
    struct message message;
    int descriptor;
    prepare(&message);
    if (recvmsg(from, &message.header, MSG_CMSG_CLOEXEC) != 1) return -1;
    memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message.header)), sizeof descriptor);
    return descriptor;
}

static void serve(int control) {
    signal(SIGCHLD, SIG_IGN);
    for (int descriptor; (descriptor = take(control)) >= 0; close(descriptor)) {
        pid_t child = fork();
        if (child < 0) fail("fork");
        if (child == 0) {
            char byte;
            close(control);
            _exit(read(descriptor, &byte, 1) == 1 ? 0 : 1);
        }
    }
    _exit(0);
}

static int start_one(int control) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
    give(control, ends[1]);
    close(ends[1]);
    if (write(ends[0], "r", 1) != 1) fail("write");
    return ends[0];
}

static void see_end(int socket) {
    char byte;
    if (read(socket, &byte, 1) != 0) fail("read");
    close(socket);
}

static void fill(size_t size) {
    if (size == 0) return;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    madvise(memory, size, MADV_NOHUGEPAGE);
    for (size_t n = 0; n < size; n += 4096) memory[n] = 1;
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 1000, in_flight = argc > 2 ? atoi(argv[2]) : 1;
    int control[2], sockets[MOST];
    if (in_flight < 1 || in_flight > MOST) return 2;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0) fail("socketpair");
    pid_t server = fork();
    if (server < 0) fail("fork");
    if (server == 0) {
        close(control[0]);
        serve(control[1]);
    }
    close(control[1]);
    fill((argc > 3 ? strtoul(argv[3], NULL, 10) : 0) << 20);
    double start = seconds();
    int done = 0;
    for (; done < count; done += in_flight) {
        for (int n = 0; n < in_flight; n++) sockets[n] = start_one(control[0]);
        for (int n = 0; n < in_flight; n++) see_end(sockets[n]);
    }
    printf("%.0f\n", done / (seconds() - start));
    return 0;
}
