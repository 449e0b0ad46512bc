/*
 * props.h -- MQTT 5.0 properties: reading, walking and copying property blocks.
 *
 * A property block is a length (variable byte integer) and then properties, each an identifier byte
 * (by the encoding a variable byte integer, but every identifier is below 0x80) and a value of the
 * kind that prop_table.h says. "Raw block" here means the properties without the length before
 * them.
 *
 * Two ways in: props_read takes the block of a packet that has just arrived, checks everything that
 * can be checked without a connection's state, and leaves the values in a struct props; the walkers
 * (props_next and its kin) go through a raw block that has been checked before.
 *
 * Threads: pure functions, any. No allocation; all views point into the input.
 */
#ifndef SLUICE_PROPS_H
#define SLUICE_PROPS_H

#include "bytes.h"
#include "limits.h"
#include "prop_table.h"
#include "reason.h"

/* One property. */
struct prop {
    enum prop_id id;
    uint32_t number;    /* kinds BYTE, U16, U32, VARINT */
    struct bytes key;   /* kind PAIR */
    struct bytes value; /* kinds TEXT, DATA, PAIR */
};

/* The properties of one packet, user properties aside. Only what `present` names is set. */
struct props {
    uint64_t present; /* bit n: the property with identifier n */
    struct bytes raw;
    uint32_t numbers[PROP_ID_COUNT];
    struct bytes values[PROP_ID_COUNT];
};

static inline bool props_has(const struct props *props, enum prop_id id)
{
    return (props->present >> id) & 1;
}

/* The number of a property, or `otherwise` if it is absent. */
static inline uint32_t props_number(const struct props *props, enum prop_id id, uint32_t otherwise)
{
    return props_has(props, id) ? props->numbers[id] : otherwise;
}

/* The text or data of a property; {NULL, 0} if absent, a non-NULL pointer if present and empty. */
static inline struct bytes props_value(const struct props *props, enum prop_id id)
{
    return props_has(props, id) ? props->values[id] : (struct bytes){.ptr = NULL, .len = 0};
}

/* Kind of value, and the packets in which a property may stand; `id` may be any byte of a peer. */
enum prop_kind prop_kind(uint8_t id);
uint32_t prop_packets(uint8_t id);

/*
 * props_varint reads a variable byte integer. False, and the reader failed, if it is truncated,
 * longer than four bytes, or not minimal [MQTT-1.5.5-1].
 */
bool props_varint(struct byte_reader *reader, uint32_t *out) MUST_USE;

/*
 * prop_read reads one property and checks its value by itself. REASON_MALFORMED_PACKET: truncated,
 * unknown, not in `packets` (a set of PROP_IN bits), or not UTF-8. REASON_PROTOCOL_ERROR: a number
 * out of its range, or a response topic with wildcards [MQTT-3.3.2-14].
 * REASON_TOPIC_ALIAS_INVALID: alias 0 [MQTT-3.3.2-8].
 */
enum reason prop_read(struct byte_reader *reader, uint32_t packets, struct prop *out) MUST_USE;

/*
 * props_block reads the length of a block and takes the raw block out of the reader. False, and the
 * reader failed, if that length is no valid one or more than there is.
 */
bool props_block(struct byte_reader *reader, struct bytes *out_raw) MUST_USE;

/*
 * props_read reads a whole block of a packet, length included: prop_read for each, and
 * REASON_PROTOCOL_ERROR if a property stands twice that must not. `packet` is one PROP_IN bit. On a
 * failure `out` holds what came before it.
 */
enum reason props_read(struct byte_reader *reader, uint32_t packet, struct props *out) MUST_USE;

/*
 * props_next takes the first property off a raw block that was checked when it arrived; false at
 * the end. A block that was not checked is walked safely, but ends at its first error.
 */
bool props_next(struct bytes *cursor, struct prop *out);

/* The same for user properties only, in their order, which is part of their meaning. */
bool props_next_user(struct bytes *cursor, struct bytes *out_key, struct bytes *out_value);

/* The same for the subscription identifiers of a PUBLISH that a server sent. */
bool props_next_sub_id(struct bytes *cursor, uint32_t *out_id);

/*
 * props_copy_forwardable copies what a server passes on from a PUBLISH or a will to subscribers,
 * unaltered and in order: payload format, content type, response topic, correlation data and user
 * properties (3.3.2.3, [MQTT-3.3.2-4, -15, -16, -17, -18, -20]). What belongs to one hop only
 * (topic alias, expiry, will delay, subscription identifiers) is left out. `out` has room for
 * raw.len bytes, or is NULL to count only. Returns the bytes.
 */
uint32_t props_copy_forwardable(struct bytes raw, uint8_t *out);

/* The user properties alone, copied in order into `out` (NULL: only counted). Returns the bytes. */
uint32_t props_copy_user(struct bytes raw, uint8_t *out);

/*
 * props_user_size is the encoded size of one user property, props_user_write writes it and returns
 * the same number. Key and value are at most STRING_LEN_MAX bytes of UTF-8.
 */
uint32_t props_user_size(struct bytes key, struct bytes value);
uint32_t props_user_write(struct bytes key, struct bytes value, uint8_t *out);

#endif
