/*
 * check.c -- what happens when an assertion fails.
 *
 * The process stops at once with one line on standard error and a core dump: a broker that goes on
 * with a broken invariant would answer for messages that it no longer holds. Nothing is allocated,
 * no lock is taken, no buffered stream is touched, because any of these may be what is broken.
 *
 * Threads: any.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void check_failed(const char *file, int line, const char *condition)
{
    char text[512];
    int len = snprintf(text, sizeof(text), "sluice: %s:%d: assertion failed: %s\n", file, line,
                       condition);
    if (len > 0) {
        size_t size = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
        ssize_t done = write(STDERR_FILENO, text, size);
        (void)done;
    }
    abort();
}
