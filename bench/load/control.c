/*
 * control.c -- see control.h.
 *
 * Threads: any.
 */
#include "control.h"

#include <stdarg.h>
#include <stdio.h>

void control_init(struct control *control)
{
    *control = (struct control){.phase = CONTROL_CONNECT};
    pthread_mutex_init(&control->mutex, NULL);
}

void control_fini(struct control *control)
{
    pthread_mutex_destroy(&control->mutex);
}

void control_fail(struct control *control, const char *format, ...)
{
    pthread_mutex_lock(&control->mutex);
    if (!control_has_failed(control)) {
        va_list args;
        va_start(args, format);
        vsnprintf(control->failure, sizeof(control->failure), format, args);
        va_end(args);
        atomic_store_explicit(&control->has_failed, true, memory_order_release);
    }
    pthread_mutex_unlock(&control->mutex);
}
