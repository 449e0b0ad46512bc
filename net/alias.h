/*
 * alias.h -- topic aliases of one connection, in both directions (MQTT 5.0 section 3.3.2.3.4).
 *
 * From the client: an array of topics by alias, grown to the highest alias used, with the bytes of
 * all topics bounded by ALIAS_IN_BYTES_MAX. The hash is kept with the topic, so that a PUBLISH by
 * alias goes straight to the match cache.
 *
 * Towards the client: a direct-mapped table of as many places as aliases are used. A topic has the
 * alias of its place; the topic that is sent takes the place over. So steady topics shrink to two
 * bytes, and two topics that share a place only cost what they would without aliases.
 *
 * Aliases live as long as the connection [MQTT-3.3.2-7].
 *
 * Threads: the owner shard.
 */
#ifndef SLUICE_ALIAS_H
#define SLUICE_ALIAS_H

#include "conn.h"

/* 65,535 aliases with topics of 64 KiB each would be 4 GiB a client. */
#define ALIAS_IN_BYTES_MAX (1024 * 1024)

/*
 * The client binds `alias` (1 to the announced maximum) to `topic`, which is valid. RC_FULL over
 * the bound, RC_NO_MEMORY: nothing happened.
 */
MUST_USE enum rc alias_in_set(struct conn *conn, uint16_t alias, struct bytes topic, uint64_t hash);

/* The topic bound to `alias`; false if there is none. */
bool alias_in_get(const struct conn *conn, uint16_t alias, struct bytes *out_topic,
                  uint64_t *out_hash);

/*
 * The alias to send for a topic, 0 for none; *out_known says that the client knows it, so that the
 * topic itself may stay away. alias_out_commit makes a new binding known once it is in the output.
 */
uint16_t alias_out_find(struct conn *conn, struct bytes topic, uint64_t hash, bool *out_known);
void alias_out_commit(struct conn *conn, uint16_t alias, struct bytes topic, uint64_t hash);

void aliases_free(struct conn *conn);

#endif
