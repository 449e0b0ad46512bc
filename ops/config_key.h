/*
 * config_key.h -- the rows of config_table.h as data that can be searched.
 *
 * What is generic over keys (reading, checking, printing, documenting) works on struct config_key
 * and a base pointer: the struct config for keys of sections and the root, the struct
 * config_listener for keys of a listener.
 *
 * Threads: constant data and pure functions, any.
 */
#ifndef SLUICE_CONFIG_KEY_H
#define SLUICE_CONFIG_KEY_H

#include "config.h"

enum config_type {
    CONFIG_TYPE_BOOL,
    CONFIG_TYPE_COUNT,
    CONFIG_TYPE_SIZE,
    CONFIG_TYPE_DURATION,
    CONFIG_TYPE_SECONDS,
    CONFIG_TYPE_FACTOR,
    CONFIG_TYPE_TEXT,
    CONFIG_TYPE_LIST,
    CONFIG_TYPE_CHOICE,
    CONFIG_TYPE_CPUS,
    CONFIG_TYPE_PRIORITIES,
    CONFIG_TYPE_FIELDS,
    CONFIG_TYPE_BIND,
    CONFIG_TYPE_KEEPALIVE,
    CONFIG_TYPE_ENDPOINT,
    CONFIG_TYPE_RATE,
    CONFIG_TYPE_BYTE_RATE,
    CONFIG_TYPE_COUNT_OF
};

enum config_words {
    CONFIG_WORDS_NUMBER,
    CONFIG_WORDS_INFINITE,
    CONFIG_WORDS_ZERO_INFINITE,
    CONFIG_WORDS_DISABLED
};

/* One allowed text of an enumeration; a list of them ends with text NULL. */
struct config_choice {
    const char *text;
    uint32_t value;
    bool is_alias; /* read, but never written: another row has the same value */
};

struct config_key {
    const char *section; /* "" for the root; for a listener "listeners", "listeners.tls" */
    const char *name;
    const char *path; /* "mqtt.max_inflight", "data_dir"; for a listener "bind", "tls.key" */
    enum config_type type;
    enum config_words words;
    bool reloadable;
    uint64_t min;
    uint64_t max;
    const char *initial; /* the default as text */
    const char *text;
    const struct config_choice *choices; /* for CONFIG_TYPE_CHOICE, else NULL */
    size_t offset;                       /* of the field from the base */
    size_t size;                         /* of the field */
};

struct config_section {
    const char *name;
    const char *text;
};

#define CONFIG_SECTION_LISTENERS "listeners"
#define CONFIG_SECTION_AUTHN     "authentication"
#define CONFIG_SECTION_ZONES     "zones"

/* All keys but those of listeners, in the table's order; and those of listeners. */
const struct config_key *config_keys(uint32_t *out_num);
const struct config_key *config_listener_keys(uint32_t *out_num);

/* Those of one step of authentication. */
const struct config_key *config_authn_keys(uint32_t *out_num);

/* All sections that are maps, in the table's order. `listeners` is not one of them. */
const struct config_section *config_sections(uint32_t *out_num);

/* All maps inside a listener, by their names in it ("tls"). */
const struct config_section *config_listener_sections(uint32_t *out_num);

/* "listeners.tls" for "tls", or NULL: there is no such map in a listener. */
const char *config_listener_section_find(const char *name);

/* The key of a listener with that path, "bind" or "tls.key", or NULL. */
const struct config_key *config_listener_key_find(const char *path);

/* The key with that name in that section ("" is the root), or NULL. */
const struct config_key *config_key_find(const char *section, const char *name);

/* The key with that path, "mqtt.max_inflight" or "data_dir", or NULL. Not for keys of listeners. */
const struct config_key *config_key_find_path(const char *path);

/* The name as it stands in the table (or CONFIG_SECTION_LISTENERS), or NULL: no such section. */
const char *config_section_find(const char *name);

/*
 * What somebody may have meant by `name` in `section`: a key of the same section by its name, a
 * section if `section` is "", a key of another section by its path. NULL if nothing is near.
 */
const char *config_key_nearest(const char *section, const char *name);

/* The key's field. `base` is the struct config or struct config_listener. */
void *config_key_field(const struct config_key *key, void *base);

#endif
