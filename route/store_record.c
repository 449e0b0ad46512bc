/*
 * store_record.c -- encoding and decoding of the bodies, each kind in one place.
 *
 * The format stands at the head of store_record.h. The encoder writes numbers into one buffer and
 * leaves strings where they are: the parts alternate between the two until the log copies them. The
 * decoder reads through a bounded cursor that fails once and for all, and takes a record only if
 * nothing is left over.
 *
 * Threads: see store_record.h.
 */
#include "store_record.h"

#include "msg.h"

#define STORE_FORM_REFERS  0
#define STORE_FORM_MESSAGE 1
#define STORE_FORM_COPY    2

#define STORE_MESSAGE_RETAIN 0x04u
#define STORE_MESSAGE_EXPIRY 0x08u
#define STORE_MESSAGE_OWNER  0x10u

#define STORE_ENTRY_RETAIN      0x04u
#define STORE_ENTRY_STATE_SHIFT 3
#define STORE_ENTRY_IDS         0x20u
#define STORE_ENTRY_SHARED      0x40u
#define STORE_ENTRY_PRIORITY    0x80u

#define STORE_SESSION_BRIDGE    0x01u
#define STORE_SESSION_CONNECTED 0x02u
#define STORE_SESSION_OWNER     0x04u /* of logs since sessions have owners in them */

#define STORE_NAME(id, number, name, text) [number] = (name),
static const char *const store_names[STORE_TYPE_END] = {STORE_RECORDS(STORE_NAME)};

const char *store_type_name(uint8_t type)
{
    return type < STORE_TYPE_END ? store_names[type] : NULL;
}

/* ---- writing ---- */

/* Where the encoder stands: `open` is the first byte of the head that no part covers yet. */
struct store_writer {
    struct store_parts *out;
    uint8_t *open;
    uint8_t *at;
};

static struct store_writer writer_of(struct store_parts *out)
{
    out->num = 0;
    return (struct store_writer){.out = out, .open = out->head, .at = out->head};
}

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_u64(uint8_t *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    return at + 8;
}

static void write_u8(struct store_writer *writer, unsigned value)
{
    *writer->at++ = (uint8_t)value;
}

static void write_varint(struct store_writer *writer, uint64_t value)
{
    writer->at = put_varint(writer->at, value);
}

/* What the head holds since the last part becomes a part. */
static void write_flush(struct store_writer *writer)
{
    if (writer->at == writer->open)
        return;
    CHECK(writer->out->num < STORE_PARTS_MAX);
    CHECK(writer->at <= writer->out->head + sizeof(writer->out->head));
    writer->out->parts[writer->out->num++] = bytes_of(writer->open,
                                                      (size_t)(writer->at - writer->open));
    writer->open = writer->at;
}

/* Bytes without their length. */
static void write_raw(struct store_writer *writer, struct bytes bytes)
{
    if (bytes.len == 0)
        return;
    write_flush(writer);
    CHECK(writer->out->num < STORE_PARTS_MAX);
    writer->out->parts[writer->out->num++] = bytes;
}

static void write_bytes(struct store_writer *writer, struct bytes bytes)
{
    write_varint(writer, bytes.len);
    write_raw(writer, bytes);
}

static void write_message(struct store_writer *writer, const struct store_message *message)
{
    CHECK(message->qos <= 2);
    unsigned flags = message->qos;
    if (message->retain)
        flags |= STORE_MESSAGE_RETAIN;
    if (message->expires_wall_ms != 0)
        flags |= STORE_MESSAGE_EXPIRY;
    if (message->owner != 0)
        flags |= STORE_MESSAGE_OWNER;
    write_u8(writer, flags);
    if (message->expires_wall_ms != 0)
        write_varint(writer, message->expires_wall_ms);
    if (message->owner != 0)
        writer->at = put_u64(writer->at, message->owner);
    writer->at = put_u64(writer->at, message->publisher_hash);
    write_varint(writer, message->topic.len);
    write_varint(writer, message->props.len);
    write_varint(writer, message->payload.len);
    write_raw(writer, message->topic);
    write_raw(writer, message->props);
    write_raw(writer, message->payload);
}

/* An entry up to its group. */
static uint8_t *put_entry(uint8_t *at, const struct store_entry *entry)
{
    CHECK(entry->qos <= 2 && entry->state <= STORE_WAIT_PUBCOMP);
    CHECK(entry->ids_count <= STORE_IDS_MAX);
    unsigned flags = entry->qos | (unsigned)entry->state << STORE_ENTRY_STATE_SHIFT;
    if (entry->retain)
        flags |= STORE_ENTRY_RETAIN;
    if (entry->ids_count > 0)
        flags |= STORE_ENTRY_IDS;
    if (entry->group.len > 0)
        flags |= STORE_ENTRY_SHARED;
    if (entry->priority > 0)
        flags |= STORE_ENTRY_PRIORITY;
    at = put_varint(at, entry->number);
    *at++ = (uint8_t)flags;
    at = put_varint(at, entry->location);
    at = put_varint(at, entry->bytes);
    if (entry->priority > 0)
        *at++ = entry->priority;
    if (entry->state != STORE_QUEUED)
        at = put_varint(at, entry->packet_id);
    if (entry->ids_count > 0) {
        at = put_varint(at, entry->ids_count);
        for (uint32_t i = 0; i < entry->ids_count; i++)
            at = put_varint(at, entry->ids[i]);
    }
    if (entry->group.len > 0) {
        at = put_varint(at, entry->attempts);
        at = put_varint(at, entry->group.len);
    }
    return at;
}

static void write_entry(struct store_writer *writer, const struct store_entry *entry)
{
    writer->at = put_entry(writer->at, entry);
    write_raw(writer, entry->group);
}

uint32_t store_entry_put(const struct store_entry *entry, uint8_t *out)
{
    uint8_t *at = put_entry(out, entry);
    if (entry->group.len > 0)
        memcpy(at, entry->group.ptr, entry->group.len);
    return (uint32_t)(at - out) + entry->group.len;
}

void store_encode_entry(enum store_type type, uint64_t session, const struct store_entry *entry,
                        const struct store_message *message, struct store_parts *out)
{
    struct store_writer writer = writer_of(out);
    if (type == STORE_ENQUEUE)
        write_u8(&writer, message != NULL ? STORE_FORM_MESSAGE : STORE_FORM_REFERS);
    write_varint(&writer, session);
    write_entry(&writer, entry);
    if (message != NULL)
        write_message(&writer, message);
    write_flush(&writer);
}

void store_encode_pair(uint64_t session, uint64_t number, struct store_parts *out)
{
    struct store_writer writer = writer_of(out);
    write_varint(&writer, session);
    write_varint(&writer, number);
    write_flush(&writer);
}

void store_encode_one(uint64_t session, struct store_parts *out)
{
    struct store_writer writer = writer_of(out);
    write_varint(&writer, session);
    write_flush(&writer);
}

static void write_session(struct store_writer *writer, const struct store_record *record)
{
    write_varint(writer, record->session);
    write_bytes(writer, record->client_id);
    write_varint(writer, record->expiry_s);
    write_u8(writer, record->version);
    write_u8(writer, (record->is_bridge ? STORE_SESSION_BRIDGE : 0) |
                         (record->connected ? STORE_SESSION_CONNECTED : 0) |
                         (record->owner != 0 ? STORE_SESSION_OWNER : 0));
    write_varint(writer, record->wall_ms);
    if (record->owner != 0)
        writer->at = put_u64(writer->at, record->owner);
    if (record->type != STORE_SNAP_BEGIN)
        return;
    write_varint(writer, record->number);
    write_varint(writer, record->packet_id);
}

static void write_keyed(struct store_writer *writer, const struct store_record *record)
{
    write_bytes(writer, record->table);
    write_bytes(writer, record->key);
    write_varint(writer, record->number);
    write_u8(writer, record->kept ? 1 : 0);
    write_bytes(writer, record->value);
}

static void write_seen(struct store_writer *writer, const struct store_record *record)
{
    write_varint(writer, record->packet_id);
    write_varint(writer, record->number);
    if (record->type != STORE_SEEN_BY)
        return;
    CHECK(record->by.number < record->by.shards);
    write_varint(writer, record->by.number);
    write_varint(writer, record->by.shards);
}

/* The kinds that begin with a session and go on with little. */
static void write_small(struct store_writer *writer, const struct store_record *record)
{
    write_varint(writer, record->session);
    switch (record->type) {
    case STORE_DETACHED:
        write_varint(writer, record->wall_ms);
        write_varint(writer, record->expiry_s);
        return;
    case STORE_SUBSCRIBE:
        write_varint(writer, record->sub_id);
        write_u8(writer, record->options);
        write_bytes(writer, record->filter);
        return;
    case STORE_UNSUBSCRIBE:
        write_bytes(writer, record->filter);
        return;
    case STORE_DROPPED:
        write_varint(writer, record->number);
        return;
    case STORE_INBOUND:
        write_varint(writer, record->packet_id);
        writer->at = put_u64(writer->at, record->number);
        return;
    case STORE_SEEN:
    case STORE_UNSEEN:
    case STORE_SEEN_BY:
        write_seen(writer, record);
        return;
    case STORE_TAKEN:
    case STORE_UNTAKEN:
        write_varint(writer, record->number);
        write_varint(writer, record->home);
        return;
    case STORE_RECEIVED:
    case STORE_DONE:
    case STORE_RELEASED:
        write_varint(writer, record->packet_id);
        return;
    case STORE_WILL:
        write_varint(writer, record->number);
        write_varint(writer, record->delay_s);
        write_varint(writer, record->expiry_s);
        write_message(writer, &record->message);
        return;
    case STORE_SNAP_ENTRIES:
        write_raw(writer, record->entries);
        return;
    default:
        CHECK(record->type == STORE_SESSION_END || record->type == STORE_SNAP_END);
    }
}

struct store_message store_message_from(const struct pub *pub, uint64_t expires_wall_ms)
{
    return (struct store_message){.topic = pub->topic,
                                  .props = pub->props,
                                  .payload = pub->payload,
                                  .expires_wall_ms = expires_wall_ms,
                                  .publisher_hash = pub->publisher_hash,
                                  .qos = pub->qos,
                                  .retain = pub->retain};
}

void store_encode(const struct store_record *record, struct store_parts *out)
{
    if (record->type == STORE_ENQUEUE || record->type == STORE_SENT) {
        store_encode_entry((enum store_type)record->type, record->session, &record->entry,
                           record->has_message ? &record->message : NULL, out);
        return;
    }
    struct store_writer writer = writer_of(out);
    switch (record->type) {
    case STORE_SESSION:
    case STORE_SNAP_BEGIN:
        write_session(&writer, record);
        break;
    case STORE_RETAIN:
        write_varint(&writer, record->number);
        write_message(&writer, &record->message);
        break;
    case STORE_UNRETAIN:
        write_varint(&writer, record->number);
        write_bytes(&writer, record->message.topic);
        break;
    case STORE_COPY:
        write_u8(&writer, STORE_FORM_COPY);
        write_varint(&writer, record->number);
        write_message(&writer, &record->message);
        break;
    case STORE_WILL_GONE:
        write_varint(&writer, record->number);
        break;
    case STORE_KEYED:
        write_keyed(&writer, record);
        break;
    default:
        write_small(&writer, record);
    }
    write_flush(&writer);
}

/* ---- reading ---- */

static uint64_t read_varint(struct byte_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = byte_reader_u8(reader);
        uint64_t bits = byte & 0x7f;
        /* Only one bit of the tenth byte fits, and a last byte of 0 would be one too many. */
        if ((shift == 63 && bits > 1) || (shift > 0 && byte == 0))
            break;
        value |= bits << shift;
        if (byte < 0x80)
            return value;
    }
    reader->failed = true;
    return 0;
}

static uint32_t read_varint_max(struct byte_reader *reader, uint32_t max)
{
    uint64_t value = read_varint(reader);
    if (value > max)
        reader->failed = true;
    return value > max ? 0 : (uint32_t)value;
}

static uint64_t read_u64(struct byte_reader *reader)
{
    struct bytes raw = byte_reader_take(reader, 8);
    uint64_t value = 0;
    for (unsigned i = 0; i < raw.len; i++)
        value |= (uint64_t)raw.ptr[i] << (8 * i);
    return value;
}

static struct bytes read_bytes(struct byte_reader *reader, uint32_t max)
{
    return byte_reader_take(reader, read_varint_max(reader, max));
}

static void read_message(struct byte_reader *reader, struct store_message *out)
{
    unsigned flags = byte_reader_u8(reader);
    out->qos = flags & 3;
    out->retain = (flags & STORE_MESSAGE_RETAIN) != 0;
    if (out->qos > 2 || flags >= STORE_MESSAGE_OWNER << 1)
        reader->failed = true;
    out->expires_wall_ms = 0;
    if ((flags & STORE_MESSAGE_EXPIRY) != 0 && (out->expires_wall_ms = read_varint(reader)) == 0)
        reader->failed = true;
    out->owner = 0;
    if ((flags & STORE_MESSAGE_OWNER) != 0 && (out->owner = read_u64(reader)) == 0)
        reader->failed = true;
    out->publisher_hash = read_u64(reader);
    uint32_t topic_len = read_varint_max(reader, STRING_LEN_MAX);
    uint32_t props_len = read_varint_max(reader, PACKET_LEN_MAX);
    uint32_t payload_len = read_varint_max(reader, PACKET_LEN_MAX);
    out->topic = byte_reader_take(reader, topic_len);
    out->props = byte_reader_take(reader, props_len);
    out->payload = byte_reader_take(reader, payload_len);
    if (topic_len == 0)
        reader->failed = true;
}

static uint16_t read_packet_id(struct byte_reader *reader)
{
    uint32_t id = read_varint_max(reader, UINT16_MAX);
    if (id == 0)
        reader->failed = true;
    return (uint16_t)id;
}

static void read_entry(struct byte_reader *reader, uint32_t *id_space, struct store_entry *out)
{
    *out = (struct store_entry){.number = read_varint(reader), .ids = id_space};
    unsigned flags = byte_reader_u8(reader);
    out->qos = flags & 3;
    out->retain = (flags & STORE_ENTRY_RETAIN) != 0;
    out->state = (flags >> STORE_ENTRY_STATE_SHIFT) & 3;
    out->location = read_varint(reader);
    out->bytes = read_varint_max(reader, UINT32_MAX);
    if ((flags & STORE_ENTRY_PRIORITY) != 0 && (out->priority = byte_reader_u8(reader)) == 0)
        reader->failed = true;
    if (out->state != STORE_QUEUED)
        out->packet_id = read_packet_id(reader);
    if ((flags & STORE_ENTRY_IDS) != 0) {
        out->ids_count = read_varint_max(reader, STORE_IDS_MAX);
        if (out->ids_count == 0)
            reader->failed = true;
        for (uint32_t i = 0; i < out->ids_count; i++) {
            id_space[i] = read_varint_max(reader, SUB_ID_MAX);
            if (id_space[i] == 0)
                reader->failed = true;
        }
    }
    if ((flags & STORE_ENTRY_SHARED) != 0) {
        out->attempts = read_varint_max(reader, UINT32_MAX);
        out->group = read_bytes(reader, STRING_LEN_MAX);
        if (out->group.len == 0)
            reader->failed = true;
    }
    bool qos1 = out->qos == 1 && out->state <= STORE_WAIT_PUBACK;
    bool qos2 = out->qos == 2 && out->state != STORE_WAIT_PUBACK;
    if (!qos1 && !qos2)
        reader->failed = true;
}

enum rc store_entry_next(struct bytes *entries, uint32_t *id_space, struct store_entry *out)
{
    if (entries->len == 0)
        return RC_NOT_FOUND;
    struct byte_reader reader = byte_reader_of(*entries);
    read_entry(&reader, id_space, out);
    if (reader.failed)
        return RC_INVALID;
    *entries = bytes_of(reader.at, byte_reader_left(&reader));
    return RC_OK;
}

static void read_session(struct byte_reader *reader, struct store_record *out)
{
    out->session = read_varint(reader);
    out->client_id = read_bytes(reader, STRING_LEN_MAX);
    out->expiry_s = read_varint_max(reader, UINT32_MAX);
    out->version = byte_reader_u8(reader);
    unsigned flags = byte_reader_u8(reader);
    out->is_bridge = (flags & STORE_SESSION_BRIDGE) != 0;
    out->connected = (flags & STORE_SESSION_CONNECTED) != 0;
    if (flags > (STORE_SESSION_BRIDGE | STORE_SESSION_CONNECTED | STORE_SESSION_OWNER))
        reader->failed = true;
    out->wall_ms = read_varint(reader);
    if ((flags & STORE_SESSION_OWNER) != 0) {
        out->owner = read_u64(reader);
        reader->failed |= out->owner == 0;
    }
    if (out->type != STORE_SNAP_BEGIN)
        return;
    out->number = read_varint(reader);
    out->packet_id = (uint16_t)read_varint_max(reader, UINT16_MAX);
}

static void read_enqueue(struct byte_reader *reader, uint32_t *id_space, struct store_record *out)
{
    unsigned form = byte_reader_u8(reader);
    if (form > STORE_FORM_MESSAGE)
        reader->failed = true;
    out->has_message = form == STORE_FORM_MESSAGE;
    out->session = read_varint(reader);
    read_entry(reader, id_space, &out->entry);
    if (out->has_message)
        read_message(reader, &out->message);
    /* Either the message is here or it is elsewhere. */
    if (out->has_message != (out->entry.location == 0))
        reader->failed = true;
}

static void read_seen(struct byte_reader *reader, struct store_record *out)
{
    out->packet_id = read_packet_id(reader);
    out->number = read_varint_max(reader, SHARDS_MAX - 1);
    if (out->type != STORE_SEEN_BY)
        return;
    out->by.number = (uint16_t)read_varint_max(reader, SHARDS_MAX - 1);
    out->by.shards = (uint16_t)read_varint_max(reader, SHARDS_MAX);
    if (out->by.number >= out->by.shards)
        reader->failed = true;
}

static void read_small(struct byte_reader *reader, struct store_record *out)
{
    out->session = read_varint(reader);
    switch (out->type) {
    case STORE_DETACHED:
        out->wall_ms = read_varint(reader);
        out->expiry_s = read_varint_max(reader, UINT32_MAX);
        return;
    case STORE_SUBSCRIBE:
        out->sub_id = read_varint_max(reader, SUB_ID_MAX);
        out->options = byte_reader_u8(reader);
        out->filter = read_bytes(reader, STRING_LEN_MAX);
        return;
    case STORE_UNSUBSCRIBE:
        out->filter = read_bytes(reader, STRING_LEN_MAX);
        return;
    case STORE_DROPPED:
        out->number = read_varint(reader);
        return;
    case STORE_INBOUND:
        out->packet_id = read_packet_id(reader);
        out->number = read_u64(reader);
        return;
    case STORE_SEEN:
    case STORE_UNSEEN:
    case STORE_SEEN_BY:
        read_seen(reader, out);
        return;
    case STORE_TAKEN:
    case STORE_UNTAKEN:
        out->number = read_varint(reader);
        out->home = (shard_id)read_varint_max(reader, SHARDS_MAX - 1);
        return;
    case STORE_RECEIVED:
    case STORE_DONE:
    case STORE_RELEASED:
        out->packet_id = read_packet_id(reader);
        return;
    case STORE_WILL:
        out->number = read_varint(reader);
        out->delay_s = read_varint_max(reader, UINT32_MAX);
        out->expiry_s = read_varint_max(reader, UINT32_MAX);
        read_message(reader, &out->message);
        return;
    case STORE_SNAP_ENTRIES:
        out->entries = byte_reader_take(reader, byte_reader_left(reader));
        return;
    default:
        return; /* the session alone */
    }
}

static void read_keyed(struct byte_reader *reader, struct store_record *out)
{
    out->table = read_bytes(reader, STRING_LEN_MAX);
    out->key = read_bytes(reader, STRING_LEN_MAX);
    out->number = read_varint(reader);
    uint8_t kept = byte_reader_u8(reader);
    out->kept = kept == 1;
    if (kept > 1)
        reader->failed = true;
    out->value = read_bytes(reader, PACKET_LEN_MAX);
}

enum rc store_decode(uint8_t type, struct bytes body, uint32_t *id_space, struct store_record *out)
{
    if (store_type_name(type) == NULL)
        return RC_INVALID;
    struct byte_reader reader = byte_reader_of(body);
    *out = (struct store_record){.type = type};
    switch (type) {
    case STORE_SESSION:
    case STORE_SNAP_BEGIN:
        read_session(&reader, out);
        break;
    case STORE_ENQUEUE:
        read_enqueue(&reader, id_space, out);
        break;
    case STORE_SENT:
        out->session = read_varint(&reader);
        read_entry(&reader, id_space, &out->entry);
        if (out->entry.state == STORE_QUEUED)
            return RC_INVALID;
        break;
    case STORE_RETAIN:
        out->number = read_varint(&reader);
        read_message(&reader, &out->message);
        break;
    case STORE_UNRETAIN:
        out->number = read_varint(&reader);
        out->message.topic = read_bytes(&reader, STRING_LEN_MAX);
        break;
    case STORE_COPY:
        if (byte_reader_u8(&reader) != STORE_FORM_COPY)
            return RC_INVALID;
        out->number = read_varint(&reader);
        read_message(&reader, &out->message);
        break;
    case STORE_WILL_GONE:
        out->number = read_varint(&reader);
        break;
    case STORE_KEYED:
        read_keyed(&reader, out);
        break;
    default:
        read_small(&reader, out);
    }
    return reader.failed || byte_reader_left(&reader) > 0 ? RC_INVALID : RC_OK;
}

enum rc store_decode_message(struct bytes body, struct store_message *out)
{
    uint32_t id_space[STORE_IDS_MAX];
    struct store_record record;
    uint8_t type = body.len > 0 && body.ptr[0] == STORE_FORM_COPY ? STORE_COPY : STORE_ENQUEUE;
    if (store_decode(type, body, id_space, &record) != RC_OK ||
        (type == STORE_ENQUEUE && !record.has_message))
        return RC_INVALID;
    *out = record.message;
    return RC_OK;
}
