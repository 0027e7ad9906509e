/* base.c - the one thing of base.h that cannot be inline: the end of a program which found itself
 * wrong.
 *
 * Promises: works anywhere, also in a signal handler or with the heap in pieces: no stdio, no
 *           malloc, no locks. The message is one write(2), so that lines of threads that fail at
 *           the same moment do not mix. */
#include "core/base.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A condition is source text: longer ones are cut, the place of the failure comes first. */
#define MESSAGE_MAX 512

struct message {
    char text[MESSAGE_MAX];
    size_t n;
};

static void message_add(struct message *message, const char *text) {
    /* One byte is kept for the line's end. */
    size_t n = min_size(strlen(text), MESSAGE_MAX - 1 - message->n);
    memcpy(message->text + message->n, text, n);
    message->n += n;
}

static void message_add_number(struct message *message, unsigned number) {
    char digits[16], *p = digits + sizeof digits;
    *--p = 0;
    do {
        *--p = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    message_add(message, p);
}

_Noreturn void base_check_failed(const char *file, int line, const char *condition) {
    struct message message = {.n = 0};
    message_add(&message, file);
    message_add(&message, ":");
    message_add_number(&message, (unsigned)line);
    message_add(&message, ": CHECK failed: ");
    message_add(&message, condition);
    message.text[message.n++] = '\n';
    /* Where standard error is gone there is nobody left to tell; the core dump says the rest. */
    if (write(STDERR_FILENO, message.text, message.n) < 0)
        abort();
    abort();
}
