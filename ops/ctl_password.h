/*
 * ctl_password.h -- a password from whoever runs sluicectl: from the terminal without echo and
 * twice, or from standard input's first line.
 *
 * Threads: one.
 */
#ifndef SLUICE_CTL_PASSWORD_H
#define SLUICE_CTL_PASSWORD_H

#include "check.h"

#define CTL_PASSWORD_MAX 1024

/* Into `out` (CTL_PASSWORD_MAX + 1 bytes). False after saying, for subcommand `name`, why not. */
MUST_USE bool ctl_password_ask(const char *name, char *out);

#endif
