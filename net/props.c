/*
 * props.c -- reading, walking and copying MQTT 5.0 property blocks.
 *
 * One function parses (prop_take: identifier, then a value of the kind the table says), one judges
 * what was parsed (prop_judge: ranges, UTF-8), and everything else is a loop over them: readers of
 * new packets take and judge, walkers over blocks that were judged when they arrived only take.
 *
 * Threads: pure functions, any.
 */
#include "props.h"

#include "utf8.h"

struct prop_row {
    uint8_t kind; /* enum prop_kind */
    uint8_t least;
    uint16_t packets; /* PROP_IN bits */
};

#define PROP_ROW(name, id, kind_word, least_number, where)                                         \
    [id] = {.kind = PROP_KIND_##kind_word, .least = (least_number), .packets = (where)},
static const struct prop_row prop_rows[PROP_ID_COUNT] = {PROP_TABLE(PROP_ROW)};
#undef PROP_ROW

STATIC_CHECK(PACKET_TYPE_COUNT <= 16, "the packets of a property fit 16 bits");
STATIC_CHECK(PROP_ID_COUNT <= 64, "the set of properties present fits 64 bits");

/* What a server passes on to subscribers. */
#define PROPS_FORWARDABLE                                                                          \
    ((UINT64_C(1) << PROP_PAYLOAD_FORMAT) | (UINT64_C(1) << PROP_CONTENT_TYPE) |                   \
     (UINT64_C(1) << PROP_RESPONSE_TOPIC) | (UINT64_C(1) << PROP_CORRELATION_DATA) |               \
     (UINT64_C(1) << PROP_USER_PROPERTY))

enum prop_kind prop_kind(uint8_t id)
{
    return id < PROP_ID_COUNT ? (enum prop_kind)prop_rows[id].kind : PROP_KIND_NONE;
}

uint32_t prop_packets(uint8_t id)
{
    return id < PROP_ID_COUNT ? prop_rows[id].packets : 0;
}

bool props_varint(struct byte_reader *reader, uint32_t *out)
{
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        uint8_t byte = byte_reader_u8(reader);
        if (reader->failed)
            return false;
        value |= (uint32_t)(byte & 0x7F) << shift;
        if (byte & 0x80)
            continue;
        if (byte == 0 && shift > 0)
            break; /* one byte less would have said the same */
        *out = value;
        return true;
    }
    reader->failed = true;
    return false;
}

/* Parses one property; false if it is truncated, unknown, or in none of `packets`. */
static bool prop_take(struct byte_reader *reader, uint32_t packets, struct prop *out)
{
    uint8_t id = byte_reader_u8(reader);
    if (reader->failed || (prop_packets(id) & packets) == 0)
        return false;
    *out = (struct prop){.id = (enum prop_id)id};
    switch (prop_kind(id)) {
    case PROP_KIND_BYTE:
        out->number = byte_reader_u8(reader);
        break;
    case PROP_KIND_U16:
        out->number = byte_reader_u16(reader);
        break;
    case PROP_KIND_U32:
        out->number = byte_reader_u32(reader);
        break;
    case PROP_KIND_VARINT:
        return props_varint(reader, &out->number);
    case PROP_KIND_PAIR:
        out->key = byte_reader_take16(reader);
        out->value = byte_reader_take16(reader);
        break;
    case PROP_KIND_TEXT:
    case PROP_KIND_DATA:
        out->value = byte_reader_take16(reader);
        break;
    case PROP_KIND_NONE:
        UNREACHABLE(); /* such an id is in no packet */
    }
    return !reader->failed;
}

static bool prop_has_wildcard(struct bytes topic)
{
    return topic.len > 0 &&
           (memchr(topic.ptr, '+', topic.len) != NULL || memchr(topic.ptr, '#', topic.len) != NULL);
}

static enum reason prop_judge(const struct prop *prop)
{
    enum prop_kind kind = prop_kind((uint8_t)prop->id);
    CHECK(kind != PROP_KIND_NONE);
    switch (kind) {
    case PROP_KIND_BYTE:
        return prop->number <= 1 ? REASON_SUCCESS : REASON_PROTOCOL_ERROR;
    case PROP_KIND_PAIR:
        if (!utf8_check(prop->key.ptr, prop->key.len))
            return REASON_MALFORMED_PACKET;
        /* fall through */
    case PROP_KIND_TEXT:
        if (!utf8_check(prop->value.ptr, prop->value.len))
            return REASON_MALFORMED_PACKET;
        if (prop->id == PROP_RESPONSE_TOPIC && prop_has_wildcard(prop->value))
            return REASON_PROTOCOL_ERROR;
        return REASON_SUCCESS;
    case PROP_KIND_DATA:
        return REASON_SUCCESS;
    default:
        if (prop->number >= prop_rows[prop->id].least)
            return REASON_SUCCESS;
        return prop->id == PROP_TOPIC_ALIAS ? REASON_TOPIC_ALIAS_INVALID : REASON_PROTOCOL_ERROR;
    }
}

enum reason prop_read(struct byte_reader *reader, uint32_t packets, struct prop *out)
{
    if (!prop_take(reader, packets, out))
        return REASON_MALFORMED_PACKET;
    return prop_judge(out);
}

bool props_block(struct byte_reader *reader, struct bytes *out_raw)
{
    uint32_t len;
    if (!props_varint(reader, &len))
        return false;
    *out_raw = byte_reader_take(reader, len);
    return !reader->failed;
}

enum reason props_read(struct byte_reader *reader, uint32_t packet, struct props *out)
{
    CHECK(packet != 0 && (packet & (packet - 1)) == 0);
    out->present = 0;
    out->raw = (struct bytes){.ptr = reader->at, .len = 0};
    if (!props_block(reader, &out->raw))
        return REASON_MALFORMED_PACKET;

    struct byte_reader block = byte_reader_of(out->raw);
    while (byte_reader_left(&block) > 0) {
        struct prop prop;
        enum reason reason = prop_read(&block, packet, &prop);
        if (reason != REASON_SUCCESS)
            return reason;
        bool repeats = prop.id == PROP_USER_PROPERTY ||
                       (prop.id == PROP_SUBSCRIPTION_ID && packet == PROP_IN(PACKET_PUBLISH));
        if (props_has(out, prop.id) && !repeats)
            return REASON_PROTOCOL_ERROR;
        out->present |= UINT64_C(1) << prop.id;
        out->numbers[prop.id] = prop.number;
        out->values[prop.id] = prop.value;
    }
    return REASON_SUCCESS;
}

bool props_next(struct bytes *cursor, struct prop *out)
{
    if (cursor->len == 0)
        return false;
    struct byte_reader reader = byte_reader_of(*cursor);
    if (!prop_take(&reader, UINT32_MAX, out)) {
        cursor->len = 0;
        return false;
    }
    *cursor = (struct bytes){.ptr = reader.at, .len = byte_reader_left(&reader)};
    return true;
}

bool props_next_user(struct bytes *cursor, struct bytes *out_key, struct bytes *out_value)
{
    struct prop prop;
    while (props_next(cursor, &prop)) {
        if (prop.id == PROP_USER_PROPERTY) {
            *out_key = prop.key;
            *out_value = prop.value;
            return true;
        }
    }
    return false;
}

bool props_next_sub_id(struct bytes *cursor, uint32_t *out_id)
{
    struct prop prop;
    while (props_next(cursor, &prop)) {
        if (prop.id == PROP_SUBSCRIPTION_ID) {
            *out_id = prop.number;
            return true;
        }
    }
    return false;
}

/* Copies the properties of the set `wanted` as they stand; `out` may be NULL to count only. */
static uint32_t props_copy(struct bytes raw, uint64_t wanted, uint8_t *out)
{
    uint32_t written = 0;
    struct bytes rest = raw;
    struct prop prop;
    for (const uint8_t *from = raw.ptr; props_next(&rest, &prop); from = rest.ptr) {
        if (((wanted >> prop.id) & 1) == 0)
            continue;
        uint32_t len = (uint32_t)(rest.ptr - from);
        if (out != NULL)
            memcpy(out + written, from, len);
        written += len;
    }
    CHECK(written <= raw.len);
    return written;
}

uint32_t props_copy_forwardable(struct bytes raw, uint8_t *out)
{
    return props_copy(raw, PROPS_FORWARDABLE, out);
}

uint32_t props_copy_user(struct bytes raw, uint8_t *out)
{
    return props_copy(raw, UINT64_C(1) << PROP_USER_PROPERTY, out);
}

uint32_t props_user_size(struct bytes key, struct bytes value)
{
    CHECK(key.len <= STRING_LEN_MAX && value.len <= STRING_LEN_MAX);
    return 1 + 2 + key.len + 2 + value.len;
}

/* A length of two bytes and the bytes; returns where the next field stands. */
static uint8_t *props_put16(uint8_t *at, struct bytes text)
{
    at[0] = (uint8_t)(text.len >> 8);
    at[1] = (uint8_t)text.len;
    if (text.len > 0)
        memcpy(at + 2, text.ptr, text.len);
    return at + 2 + text.len;
}

uint32_t props_user_write(struct bytes key, struct bytes value, uint8_t *out)
{
    uint32_t size = props_user_size(key, value);
    out[0] = PROP_USER_PROPERTY;
    uint8_t *end = props_put16(props_put16(out + 1, key), value);
    CHECK((uint32_t)(end - out) == size);
    return size;
}
