/*
 * progress.c -- see progress.h.
 *
 * Threads: the main thread.
 */
#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static bool progress_is_on;

void progress_init(bool is_quiet)
{
    progress_is_on = !is_quiet && isatty(STDERR_FILENO) == 1;
}

void progress_clear(void)
{
    /* Carriage return, erase to the end of the line. */
    if (progress_is_on)
        fputs("\r\033[K", stderr);
}

void progress_show(const char *format, ...)
{
    if (!progress_is_on)
        return;
    progress_clear();
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
}
