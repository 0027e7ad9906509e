/* scrape.c - see scrape.h. */
#include "bench/yard/scrape.h"

#include "bench/bytes.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { READ_SIZE = 16384, TIMEOUT_S = 5 };

/* The whole answer, until the other side closes; empty if it cannot be had. */
static void page_get(uint16_t port, struct bytes *page) {
    static const char REQUEST[] =
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    ssize_t got = -1;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL) == (ssize_t)sizeof REQUEST - 1)
        while ((got = recv(fd, bytes_room(page, READ_SIZE), READ_SIZE, 0)) > 0)
            page->end += (size_t)got;
    close(fd);
}

double scrape_sum(uint16_t port, const char *name) {
    struct bytes page = {0};
    size_t length = strlen(name);
    double sum = 0;
    unsigned samples = 0;
    page_get(port, &page);
    for (const char *line = bytes_text(&page); (line = strchr(line, '\n'));) {
        line++;
        if (strncmp(line, name, length) || (line[length] != '{' && line[length] != ' '))
            continue;
        const char *labels_end = line[length] == '{' ? strstr(line, "} ") : NULL;
        sum += strtod(labels_end ? labels_end + 1 : line + length, NULL);
        samples++;
    }
    bytes_free(&page);
    return samples ? sum : -1;
}
