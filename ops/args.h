/*
 * args.h -- the command line of sluiced.
 *
 *   sluiced [--config FILE] [--check-config] [--listen URI]... [--data DIR] [--shards N]
 *           [--tls-cert FILE] [--tls-key FILE] [--tls-ca FILE]
 *           [--cpus LIST] [--admin URI] [--recover HOW] [--log-level LEVEL] [--version] [--help]
 *
 * Stable: scripts depend on it. `--option value` and `--option=value` are the same. Only --listen
 * may be repeated. Values are not looked into here: they become overrides of configuration keys
 * and are checked by config_load with all others. --help wins over --version, and both over the
 * rest, but a line with an error in it is an error (exit status 2, ARGS_EXIT_USAGE).
 *
 * Threads: main only, at start.
 */
#ifndef SLUICE_ARGS_H
#define SLUICE_ARGS_H

#include "check.h"
#include "config.h"
#include "error_list.h"
#include "rc.h"

#include <stdio.h>

/* Exit status for a bad command line or configuration. */
#define ARGS_EXIT_USAGE 2

#define ARGS_OVERRIDES_MAX        8
#define ARGS_LISTEN_OVERRIDES_MAX 4

enum args_mode { ARGS_RUN, ARGS_CHECK_CONFIG, ARGS_VERSION, ARGS_HELP };

/* All texts are borrowed from argv. */
struct args {
    enum args_mode mode;
    const char *config_file; /* NULL: none was named */
    struct config_override overrides[ARGS_OVERRIDES_MAX];
    uint32_t num_overrides;
    const char *listen[CONFIG_LISTENERS_MAX];
    uint32_t num_listen;
    struct config_override listen_overrides[ARGS_LISTEN_OVERRIDES_MAX];
    uint32_t num_listen_overrides;
};

/*
 * RC_OK: *out is filled. RC_INVALID: *out is all zero and *errors (initialised by the caller) says
 * what is wrong. Prints nothing, changes nothing.
 */
MUST_USE enum rc args_parse(struct args *out, int argc, char *const *argv,
                            struct error_list *errors);

/* The sources for config_load: borrows from `args`, which has to live as long. */
struct config_sources args_sources(const struct args *args, char *const *environment);

/* The text of --help. */
void args_print_help(FILE *out);

#endif
