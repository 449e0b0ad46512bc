/*
 * limits.h -- every compile-time bound of the process, each with its reason.
 *
 * Numbers only; limits that an operator can set are rows of ops/config_table.h, whose ranges end
 * here. The one file of the ground floor that may name MQTT things, because the bounds of the upper
 * floors stand beside those they derive from.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_LIMITS_H
#define SLUICE_LIMITS_H

/* Shards: two words of a shard set; more cores than this in one process are a second broker. */
#define SHARDS_MAX 128

/* MQTT 5.0 section 1.5.5, 3.1.1 section 2.2.3: four bytes of seven bits. */
#define PACKET_LEN_MAX 268435455

/* Fixed header: one byte of type and flags, up to four of remaining length. */
#define FIXED_HEADER_LEN_MAX 5

/* MQTT strings carry a two-byte length. */
#define STRING_LEN_MAX 65535

/* A topic of 65535 bytes has at most 65536 levels; the default is mqtt.max_topic_levels = 128. */
#define TOPIC_LEVELS_MAX 65535

/* MQTT 5.0 section 3.8.2.1.2: subscription identifiers are 1 to this. */
#define SUB_ID_MAX 268435455

#endif
