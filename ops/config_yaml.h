/*
 * config_yaml.h -- a configuration file, in YAML.
 *
 * Of YAML only what a configuration needs: one document of maps, sequences and scalars. Anchors,
 * aliases, tags and a second document are refused, so are files that are nested deeper than
 * CONFIG_YAML_DEPTH_MAX or have more than CONFIG_YAML_NODES_MAX nodes: no key needs them, and
 * nobody can then make a small file expand into a large one.
 *
 * Threads: on a struct config that is being built, by its builder.
 */
#ifndef SLUICE_CONFIG_YAML_H
#define SLUICE_CONFIG_YAML_H

#include "config.h"

#define CONFIG_YAML_DEPTH_MAX 16
#define CONFIG_YAML_NODES_MAX 16384

/*
 * Applies the file's `text` to `config`, which holds at least the defaults. Every error is added
 * with `name`, line and column, both counted from 1; what was right is applied nevertheless, so the
 * caller looks at `errors` to know.
 */
void config_yaml_apply(struct config *config, const char *name, const char *text, size_t text_len,
                       struct error_list *errors);

#endif
