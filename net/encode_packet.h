/*
 * encode_packet.h -- how an encoder measures and writes with the same code. For encode_*.c only.
 *
 * A struct encode_writer either counts (`at` is NULL) or counts and writes. A packet's body is one
 * function over a writer, run once to measure and once more to write, so the two cannot disagree.
 * That costs a second pass, which is why PUBLISH and the short acknowledgements, the packets that
 * come in millions, are encoded by hand instead.
 *
 * Threads: pure functions on values of the caller, any.
 */
#ifndef SLUICE_ENCODE_PACKET_H
#define SLUICE_ENCODE_PACKET_H

#include "encode.h"
#include "props.h"

struct encode_writer {
    uint8_t *at; /* NULL: count only */
    uint32_t len;
};

/* What a packet may leave out to stay below the receiver's limit, in the order of trying. */
enum encode_extras { ENCODE_EXTRAS_ALL, ENCODE_EXTRAS_STRING, ENCODE_EXTRAS_NONE };

/* Everything that the body and the properties of one packet are made from. */
struct encode_job {
    enum mqtt_version version;
    enum packet_type type;
    enum encode_extras extras;
    const void *view; /* the type's view; each body function knows which */
};

/* Writes (or counts) the body, or the properties, of one type of packet. */
typedef void encode_fn(struct encode_writer *writer, const struct encode_job *job);

/* Bytes of a variable byte integer (1.5.5), of which none has more than four. */
static inline uint32_t encode_varint_size(uint32_t value)
{
    return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

/* Writes a variable byte integer and returns where the next field stands. */
static inline uint8_t *encode_varint(uint8_t *at, uint32_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static inline void encode_put(struct encode_writer *writer, const void *ptr, uint32_t len)
{
    CHECK(len <= UINT32_MAX - FIXED_HEADER_LEN_MAX - writer->len);
    if (writer->at != NULL && len > 0) {
        memcpy(writer->at, ptr, len);
        writer->at += len;
    }
    writer->len += len;
}

static inline void encode_put_u8(struct encode_writer *writer, uint8_t value)
{
    encode_put(writer, &value, 1);
}

static inline void encode_put_u16(struct encode_writer *writer, uint16_t value)
{
    uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    encode_put(writer, bytes, 2);
}

static inline void encode_put_u32(struct encode_writer *writer, uint32_t value)
{
    encode_put_u16(writer, (uint16_t)(value >> 16));
    encode_put_u16(writer, (uint16_t)value);
}

static inline void encode_put_varint(struct encode_writer *writer, uint32_t value)
{
    CHECK(value <= PACKET_LEN_MAX);
    uint8_t bytes[4];
    encode_put(writer, bytes, (uint32_t)(encode_varint(bytes, value) - bytes));
}

/* Bytes with a two-byte length before them. */
static inline void encode_put16(struct encode_writer *writer, struct bytes text)
{
    CHECK(text.len <= STRING_LEN_MAX);
    encode_put_u16(writer, (uint16_t)text.len);
    encode_put(writer, text.ptr, text.len);
}

/* One property: the identifier, and the number in the width that the table has for it. */
void encode_put_prop(struct encode_writer *writer, enum prop_id id, uint32_t number);

/* The same, unless the number is the one that is meant when the property is absent. */
void encode_put_prop_unless(struct encode_writer *writer, enum prop_id id, uint32_t number,
                            uint32_t absent);

/* One property of kind TEXT or DATA, unless `value` is absent (NULL). */
void encode_put_prop_value(struct encode_writer *writer, enum prop_id id, struct bytes value);

/* Reason string and user properties, as far as job->extras lets them be. */
void encode_put_extras(struct encode_writer *writer, const struct encode_job *job,
                       struct bytes reason_string, struct bytes props);

/* How many bytes `fn` writes for this job. */
uint32_t encode_count(encode_fn *fn, const struct encode_job *job);

/* A property block: its length and what `props_fn` writes. Nothing before MQTT 5.0. */
void encode_put_block(struct encode_writer *writer, encode_fn *props_fn,
                      const struct encode_job *job);

/*
 * encode_packet makes a packet with the fixed header of job->type and the body that `body_fn`
 * writes, leaving out extras as `size_max` demands (job->extras is where it starts). Returns the
 * packet's bytes, or 0 if it does not fit; writes them to `out` unless that is NULL.
 */
uint32_t encode_packet(encode_fn *body_fn, struct encode_job job, uint32_t size_max, uint8_t *out);

#endif
