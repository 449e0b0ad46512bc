/*
 * acl_load.h -- from the configuration to the access rules in force (route/acl_set.h).
 *
 * Without a file the built-in rules hold: what EMQX's own file says, except that no user name is
 * special and that $SYS/# cannot be published to either.
 *
 * Threads: main and the ops thread.
 */
#ifndef SLUICE_ACL_LOAD_H
#define SLUICE_ACL_LOAD_H

#include "acl_set.h"
#include "config.h"

/* The rules, or NULL: *errors has at least one message more, with file, line and column. */
MUST_USE struct acl_set *acl_load(const struct config *config, struct error_list *errors);

#endif
