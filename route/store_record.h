/*
 * store_record.h -- what route writes into the log: kinds of records and their bytes.
 *
 * A record has a type (kept by the log itself) and a body. Bodies are made of these parts:
 *
 *   varint   unsigned, seven bits a byte, lowest first, the highest bit set in all but the last;
 *            never longer than needed
 *   bytes    varint length, then so many bytes
 *   u8, u64  one byte; eight bytes, lowest first
 *
 *   message  u8 flags (bits 0-1 QoS, 2 retain, 3 expiry follows, 4 owner follows), [varint expiry,
 *            ms since 1970], [u64 owner, as in SESSION: of a retained one and a will, from version
 *            2 of the log on], u64 hash of the publisher's client id, varint lengths of topic,
 *            properties, payload, then topic, properties (MQTT 5.0 wire form, forwardable ones),
 *            payload
 *   entry    varint number, u8 flags (bits 0-1 QoS, 2 retain, 3-4 state, 5 identifiers, 6 shared,
 *            7 priority), varint location of the message, varint weight in memory,
 *            [u8 priority], [varint packet id, unless it waits in the queue],
 *            [varint count, varint identifiers], [varint attempts, bytes filter of the group]
 *
 *   SESSION      varint session, bytes client id, varint expiry in s, u8 MQTT version, u8 flags
 *                (bit 0 bridge, 1 connected, 2 owner follows), varint ms since 1970 of the
 *                disconnection, [u64 owner: keyed hash of the user name that it belongs to]
 *   DETACHED     varint session, varint ms since 1970, varint expiry in s
 *   SESSION_END  varint session; at the beginning of a checkpoint of one that never was, so that no
 *                number is used again which ended before
 *   SUBSCRIBE    varint session, varint identifier, u8 options, bytes filter with its $share/group/
 *   UNSUBSCRIBE  varint session, bytes filter
 *   ENQUEUE      u8 form, varint session, entry, [message: form 1]. Form 1 brings the message, form
 *                0 names the location of one that was logged before
 *   SENT         varint session, entry: it left the queue and has a packet id now
 *   RECEIVED     varint session, varint packet id: PUBREC came
 *   DONE         varint session, varint packet id: completed, or given up
 *   DROPPED      varint session, varint entry number: left the queue otherwise
 *   INBOUND      varint session, varint packet id, u64 message id: QoS 2 received, PUBREL not yet
 *   RELEASED     varint session, varint packet id: PUBREL came, or its time was up
 *   WILL         varint session, varint will, varint delay in s, varint expiry in s, message
 *   WILL_GONE    varint will: published or deleted
 *   RETAIN       varint version, message
 *   UNRETAIN     varint version, bytes topic
 *   COPY         u8 form 2, varint old location, message: the message was copied here. Location
 *                0: from another log
 *   SNAP_BEGIN   as SESSION, then varint next entry number, varint packet id drawn last
 *   SNAP_ENTRIES varint session, entries: of the window, then of the queue, in their order
 *   SNAP_END     varint session
 *   SEEN         varint session, varint packet id, varint home shard of that session
 *   UNSEEN       the same
 *   SEEN_BY      the same, then varint class, varint shards: which sessions have it
 *   TAKEN        varint session, varint entry number, varint home shard of that session: it is here
 *   UNTAKEN      the same
 *   KEYED        bytes table, bytes key, varint version, u8 kept, bytes value. kept 0: deleted
 *
 * Sessions and wills have numbers that are never used again in the same log. The deliveries of a
 * session are numbered, too. The snapshot of a session stands between SNAP_BEGIN and SNAP_END, with
 * records of the kinds above for what it says of subscriptions, will and received ids; see
 * store_image.h for what is true meanwhile.
 *
 * Decoding takes any bytes: what is not exactly a record of its kind is RC_INVALID.
 *
 * Bounds: STORE_IDS_MAX identifiers on an entry; heads of records fit STORE_HEAD_MAX.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_STORE_RECORD_H
#define SLUICE_STORE_RECORD_H

#include "bytes.h"
#include "limits.h"
#include "rc.h"
#include "types.h"

#define STORE_IDS_MAX  256
#define STORE_HEAD_MAX (STORE_IDS_MAX * 4 + 256)

/* Number, name, text. A number is never used again for something else. */
#define STORE_RECORDS(X)                                                                           \
    X(STORE_SESSION, 1, "session", "a session connects")                                           \
    X(STORE_SESSION_END, 2, "session-end", "a session ends")                                       \
    X(STORE_DETACHED, 3, "detached", "a session lost its connection")                              \
    X(STORE_SUBSCRIBE, 4, "subscribe", "a filter, new or with other options")                      \
    X(STORE_UNSUBSCRIBE, 5, "unsubscribe", "a filter is gone")                                     \
    X(STORE_ENQUEUE, 6, "enqueue", "a delivery to a session")                                      \
    X(STORE_SENT, 7, "sent", "a delivery got its packet id")                                       \
    X(STORE_RECEIVED, 8, "received", "PUBREC came from the subscriber")                            \
    X(STORE_DONE, 9, "done", "a delivery is completed")                                            \
    X(STORE_DROPPED, 10, "dropped", "a delivery left the queue")                                   \
    X(STORE_INBOUND, 11, "inbound", "QoS 2 came from a publisher")                                 \
    X(STORE_RELEASED, 12, "released", "PUBREL came from a publisher")                              \
    X(STORE_WILL, 13, "will", "the will of a session")                                             \
    X(STORE_WILL_GONE, 14, "will-gone", "the will was published or deleted")                       \
    X(STORE_RETAIN, 15, "retain", "a retained message")                                            \
    X(STORE_UNRETAIN, 16, "unretain", "a retained message is gone")                                \
    X(STORE_COPY, 17, "copy", "a message was copied forward")                                      \
    X(STORE_SNAP_BEGIN, 18, "snap-begin", "the snapshot of a session begins")                      \
    X(STORE_SNAP_ENTRIES, 19, "snap-entries", "deliveries of the snapshot")                        \
    X(STORE_SNAP_END, 20, "snap-end", "the snapshot of a session is complete")                     \
    X(STORE_KEYED, 21, "keyed", "a row of a table of another part")                                \
    X(STORE_SEEN, 22, "seen", "QoS 2 of another shard's publisher is stored")                      \
    X(STORE_UNSEEN, 23, "unseen", "it was released")                                               \
    X(STORE_SEEN_BY, 24, "seen-by", "some sessions have such a message")                           \
    X(STORE_TAKEN, 25, "taken", "a delivery of another shard's session came here")                 \
    X(STORE_UNTAKEN, 26, "untaken", "its giver has it no more")

#define STORE_ENUM(id, number, name, text) id = (number),
enum store_type { STORE_RECORDS(STORE_ENUM) STORE_TYPE_END };
#undef STORE_ENUM

/* A message as it lies in a record; views into the record. A value. */
struct store_message {
    struct bytes topic;
    struct bytes props;
    struct bytes payload;
    uint64_t expires_wall_ms; /* 0: never */
    uint64_t publisher_hash;
    uint64_t owner; /* 0: not known, or of no interest */
    uint8_t qos;
    bool retain;
};

/* Where a delivery stands: in the queue, or as in inflight.h. */
enum store_state { STORE_QUEUED, STORE_WAIT_PUBACK, STORE_WAIT_PUBREC, STORE_WAIT_PUBCOMP };

/* A delivery as it lies in a record, a value. */
struct store_entry {
    uint64_t number;
    uint64_t location; /* of the message; 0: it follows, or is not needed any more */
    const uint32_t *ids;
    struct bytes group; /* filter of the shared subscription; empty: an ordinary delivery */
    uint32_t ids_count;
    uint32_t attempts;
    uint32_t bytes; /* weight in a queue */
    uint16_t packet_id;
    uint8_t qos;
    uint8_t state; /* enum store_state */
    uint8_t priority;
    bool retain;
};

/*
 * A part of all sessions: those whose client ids hash to `number` of `shards`, which were on one
 * shard when there were so many. shards 0: all of the log in which it stands. A value.
 */
struct store_class {
    uint16_t number;
    uint16_t shards;
};

/* Any record; which members mean something follows from its type. A value, views borrowed. */
struct store_record {
    uint8_t type; /* enum store_type */
    uint8_t version;
    uint8_t options;
    bool is_bridge;
    bool connected;
    bool kept;
    bool has_message;
    uint16_t packet_id;
    shard_id home; /* of TAKEN and UNTAKEN */
    uint32_t expiry_s;
    uint32_t delay_s;
    uint32_t sub_id;
    uint64_t session;
    uint64_t wall_ms;
    uint64_t owner;  /* 0: not known */
    uint64_t number; /* version, will, message id, entry number, old location, next entry number */
    struct store_class by; /* of SEEN_BY */
    struct bytes client_id;
    struct bytes filter;
    struct bytes table;
    struct bytes key;
    struct bytes value;
    struct bytes entries; /* of SNAP_ENTRIES; read with store_entry_next */
    struct store_entry entry;
    struct store_message message;
};

/* The bytes of a record in parts, as the log takes them. */
#define STORE_PARTS_MAX 8

struct store_parts {
    struct bytes parts[STORE_PARTS_MAX]; /* [O] */
    unsigned num;                        /* [O] */
    uint8_t head[STORE_HEAD_MAX];        /* [O] what lies between the views of others */
};

struct pub;

/* What a record says of a publication, with views into it. 0: it never expires. */
struct store_message store_message_from(const struct pub *pub, uint64_t expires_wall_ms);

/* Puts a record into parts, which refer to what the record refers to. */
void store_encode(const struct store_record *record, struct store_parts *out);

/*
 * The same for the frequent one, without a record around it: `message` NULL for form 0. For SENT
 * with `type` STORE_SENT.
 */
void store_encode_entry(enum store_type type, uint64_t session, const struct store_entry *entry,
                        const struct store_message *message, struct store_parts *out);

/* The same for a session and one number (RECEIVED, DONE, DROPPED, RELEASED), and for one alone. */
void store_encode_pair(uint64_t session, uint64_t number, struct store_parts *out);
void store_encode_one(uint64_t session, struct store_parts *out);

/* Writes one entry to `out` (store_entry_room(entry) bytes of room); returns its length. */
uint32_t store_entry_put(const struct store_entry *entry, uint8_t *out);

static inline uint32_t store_entry_room(const struct store_entry *entry)
{
    return 64 + entry->ids_count * 4 + entry->group.len;
}

/* `id_space` has room for STORE_IDS_MAX and backs entry.ids. RC_INVALID. */
MUST_USE enum rc store_decode(uint8_t type, struct bytes body, uint32_t *id_space,
                              struct store_record *out);

/* Takes the next of record.entries; RC_NOT_FOUND at the end. */
MUST_USE enum rc store_entry_next(struct bytes *entries, uint32_t *id_space,
                                  struct store_entry *out);

/* The message of an ENQUEUE or COPY whose type is not known any more. RC_INVALID. */
MUST_USE enum rc store_decode_message(struct bytes body, struct store_message *out);

/* "enqueue"; NULL for a number that means nothing. */
const char *store_type_name(uint8_t type);

#endif
