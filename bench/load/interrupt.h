/*
 * interrupt.h -- SIGINT and SIGTERM as a flag.
 *
 * The first signal asks for an early but orderly end; the default action is back in place after it,
 * so that the second one kills.
 *
 * Threads: main installs, any may ask.
 */
#ifndef BENCH_INTERRUPT_H
#define BENCH_INTERRUPT_H

#include "check.h"

void interrupt_install(void);
bool interrupt_came(void);

#endif
