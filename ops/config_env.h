/*
 * config_env.h -- the environment as a source of configuration.
 *
 *   SLUICE_MQTT__MAX_INFLIGHT=64             mqtt.max_inflight
 *   SLUICE_DATA_DIR=/var/lib/sluice          data_dir
 *   SLUICE_LISTENERS__1__BIND=tcp://:1884    bind of the first listener
 *
 * Upper case, `__` for the dot. Listeners count from 1 in the order of the file; the number behind
 * the last adds one. A variable that begins with SLUICE_ and has `__` in it is meant for us and has
 * to be a key. Others may belong to somebody else (container managers put SLUICE_PORT and the like
 * into the environment of a service of that name) and are passed over, unless the name is so near
 * to one of ours that it must be a slip, such as a single `_`.
 *
 * Threads: on a struct config that is being built, by its builder.
 */
#ifndef SLUICE_CONFIG_ENV_H
#define SLUICE_CONFIG_ENV_H

#include "config.h"

/*
 * Applies `environment` (as `environ`) to `config`. Every error is added with the variable's name;
 * what was right is applied nevertheless.
 */
void config_env_apply(struct config *config, char *const *environment, struct error_list *errors);

/* Writes the variable's name for a key's path ("mqtt.max_inflight"); at most `size` bytes. */
const char *config_env_name(const char *path, char *out, size_t size);

#endif
