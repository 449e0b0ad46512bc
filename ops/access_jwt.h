/*
 * access_jwt.h -- from the configuration to a step that verifies tokens.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_ACCESS_JWT_H
#define SLUICE_ACCESS_JWT_H

#include "authn.h"
#include "config.h"
#include "config_report.h"

/* NULL, with a message added: a key cannot be read or is of no use, or there is no memory. */
MUST_USE struct authn_step *access_jwt(const struct config_authn *from,
                                       const struct config_report *report);

#endif
