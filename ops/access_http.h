/*
 * access_http.h -- from the configuration to a step that asks a server by HTTP.
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_ACCESS_HTTP_H
#define SLUICE_ACCESS_HTTP_H

#include "authn.h"
#include "config.h"
#include "config_report.h"

/* NULL, with a message added: an address or a placeholder is not right, or there is no memory. */
MUST_USE struct authn_step *access_http(const struct config_authn *from,
                                        const struct config_report *report);

#endif
