/*
 * interrupt.c -- see interrupt.h.
 *
 * Threads: the handler runs in any.
 */
#include "interrupt.h"

#include <signal.h>

static volatile sig_atomic_t interrupt_flag;

static void interrupt_handler(int signal_number)
{
    (void)signal_number;
    interrupt_flag = 1;
}

void interrupt_install(void)
{
    struct sigaction action = {.sa_handler = interrupt_handler, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool interrupt_came(void)
{
    return interrupt_flag != 0;
}
