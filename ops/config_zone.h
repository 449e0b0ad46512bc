/*
 * config_zone.h -- zones: named sets of values that the clients of some listeners have instead of
 * everybody's.
 *
 *   zones: {plant: {mqtt: {max_qos: 1}, authorization: {deny_action: disconnect}}}
 *
 * What a zone may change is what is looked at for one client (config_zone_allows). What it does not
 * say is as in the sections. A zone's place in the list is the number by which sessions know it: it
 * stays the same over reloads, also when the zone has gone and comes again. `default` is no zone
 * but a word for none.
 *
 * Threads: on a struct config that is being built, by its builder; the rest any.
 */
#ifndef SLUICE_CONFIG_ZONE_H
#define SLUICE_CONFIG_ZONE_H

#include "config_key.h"

#define CONFIG_ZONES_MAX  64
#define CONFIG_ZONE_WORDS 2 /* of 64 keys each */

/* A name for listeners to share, and the values that their clients have instead of everybody's. */
struct config_zone {
    char *name;
    char *place;                     /* as in struct config_listener */
    struct config *over;             /* only what is marked; the rest is all zero */
    uint64_t set[CONFIG_ZONE_WORDS]; /* a bit for each key of config_keys, by its place there */
};

/* May the key stand in a zone? */
bool config_zone_allows(const struct config_key *key);

/*
 * Appends a zone that changes nothing; name and place are copied. NULL, with a message added. The
 * pointer holds until the next zone is added.
 */
struct config_zone *config_zone_add(struct config *config, const char *name, const char *place,
                                    struct error_list *errors);

/* The key's value, which has been read into zone->over, counts. */
void config_zone_mark(struct config_zone *zone, const struct config_key *key);

/* The values of the zone's clients: a copy that owns nothing and lives as long as both. */
void config_zone_values(const struct config *config, const struct config_zone *zone,
                        struct config *out);

/* 0 for no zone ("" or `default`), else 1 and up; UINT32_MAX: there is none of that name. */
uint32_t config_zone_number(const struct config *config, const char *name);

/* When all is read: adds a message for each listener in a zone that does not exist. */
void config_zones_finish(struct config *config, struct error_list *errors);

/* Gives the zones of `next` the places that they have in `current`. False, with a message. */
MUST_USE bool config_zones_align(const struct config *current, struct config *next,
                                 struct error_list *errors);

/* Calls `visit` for each key on which the zones differ; from or to is NULL where it is not set. */
typedef void (*config_zone_visit_fn)(void *context, const char *path, const char *from,
                                     const char *to);
void config_zones_compare(const struct config *current, const struct config *next,
                          config_zone_visit_fn visit, void *context);

/* Removes and frees all zones. */
void config_zones_fini(struct config *config);

#endif
