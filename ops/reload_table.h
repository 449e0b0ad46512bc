/*
 * reload_table.h -- the parts of the broker that take a new configuration while it runs, in the
 * order in which they prepare and commit (reload.h). A row `x` is `reload_part_x`.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_RELOAD_TABLE_H
#define SLUICE_RELOAD_TABLE_H

#include "reload.h"

#define RELOAD_PART_TABLE(X)                                                                       \
    X(process)                                                                                     \
    X(settings)                                                                                    \
    X(listeners)                                                                                   \
    X(tls)                                                                                         \
    X(access)                                                                                      \
    X(bans)                                                                                        \
    X(acl)

#define RELOAD_PART_DECLARE(name) extern const struct reload_part reload_part_##name;
RELOAD_PART_TABLE(RELOAD_PART_DECLARE)
#undef RELOAD_PART_DECLARE

#endif
