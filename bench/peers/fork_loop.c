/*
 * The bare loop that a forking server is compared with: a child for each connection, and nothing
 * else: no signal, no limit, no log. It echoes lines.
 *
 *     cc -O2 -o fork_loop fork_loop.c && ./fork_loop      prints its port
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int write_all(int connection, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(connection, bytes, count);
        if (written < 0)
            return -1;
        bytes += written;
        count -= (size_t)written;
    }
    return 0;
}

/* Each line goes back in one write, as the peers in Rust do it; the last may have no newline. */
static void echo(int connection)
{
    static char buffer[8192];
    size_t filled = 0;
    ssize_t count;

    while ((count = read(connection, buffer + filled, sizeof buffer - filled)) > 0) {
        char *line = buffer, *newline;

        filled += (size_t)count;
        while ((newline = memchr(line, '\n', filled - (size_t)(line - buffer))) != NULL) {
            if (write_all(connection, line, (size_t)(newline + 1 - line)) < 0)
                return;
            line = newline + 1;
        }
        filled -= (size_t)(line - buffer);
        memmove(buffer, line, filled);
        if (filled == sizeof buffer) {
            if (write_all(connection, buffer, filled) < 0)
                return;
            filled = 0;
        }
    }
    write_all(connection, buffer, filled);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0
        || listen(listener, 128) < 0
        || getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        fail("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        pid_t child;

        if (connection < 0)
            fail("accept");
        child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0) {
            echo(connection);
            _exit(0);
        }
        close(connection);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
    }
}
