/*
 * codec.h -- the generator's own MQTT bytes.
 *
 * It does not share the broker's encoder and decoder on purpose: a misunderstanding in both would
 * cancel out, and a load generator's needs are few. A PUBLISH is encoded once into a template and
 * then copied and patched (packet id, stamp), many to a buffer; incoming bytes are cut into frames
 * in place.
 *
 * Formats: MQTT 3.1.1 and 5.0, sections 2 and 3. Outgoing packets carry no v5 properties (a length
 * of zero), incoming properties are skipped except those of CONNACK.
 *
 * Threads: pure functions of bytes, any.
 */
#ifndef BENCH_CODEC_H
#define BENCH_CODEC_H

#include "bytes.h"
#include "rc.h"

enum codec_type {
    CODEC_CONNECT = 1,
    CODEC_CONNACK = 2,
    CODEC_PUBLISH = 3,
    CODEC_PUBACK = 4,
    CODEC_PUBREC = 5,
    CODEC_PUBREL = 6,
    CODEC_PUBCOMP = 7,
    CODEC_SUBSCRIBE = 8,
    CODEC_SUBACK = 9,
    CODEC_DISCONNECT = 14,
};

#define CODEC_ACK_LEN          4
#define CODEC_HEADER_LEN_MAX   5
#define CODEC_REASON_ERROR_MIN 0x80

/* What every payload begins with: publisher and number (40 bits) in one word, and the send time. */
#define CODEC_STAMP_LEN      16
#define CODEC_NUMBER_BITS    40
#define CODEC_PUBLISHERS_MAX (1u << 24)

struct codec_frame {
    struct bytes body; /* what follows the fixed header */
    uint32_t len;      /* of the whole packet */
    uint8_t type;      /* enum codec_type, or a value that is none */
    uint8_t flags;
};

/*
 * The first packet of `len` bytes at `at`. RC_MORE: not all of it is there; out->len is its length
 * if that is known already, else 0. RC_INVALID: a length field of more than four bytes.
 */
static inline enum rc codec_frame_next(const uint8_t *at, size_t len, struct codec_frame *out)
{
    uint32_t body_len = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (UNLIKELY(len < 2 + i)) {
            out->len = 0;
            return RC_MORE;
        }
        uint8_t byte = at[1 + i];
        body_len |= (uint32_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            out->type = at[0] >> 4;
            out->flags = at[0] & 15;
            out->len = 2 + i + body_len;
            out->body = (struct bytes){.ptr = at + 2 + i, .len = body_len};
            return LIKELY(len >= out->len) ? RC_OK : RC_MORE;
        }
    }
    return RC_INVALID;
}

struct codec_publish {
    struct bytes payload;
    uint16_t packet_id; /* 0 at QoS 0 */
    uint8_t qos;
};

/* RC_INVALID if the frame's body is not a PUBLISH. */
static inline enum rc codec_publish_parse(const struct codec_frame *frame, unsigned version,
                                          struct codec_publish *out)
{
    struct byte_reader in = byte_reader_of(frame->body);
    byte_reader_take16(&in);
    out->qos = (frame->flags >> 1) & 3;
    out->packet_id = 0;
    if (out->qos > 0)
        out->packet_id = byte_reader_u16(&in);
    if (version == 5) {
        uint32_t properties_len = byte_reader_u8(&in);
        for (unsigned shift = 7; UNLIKELY(properties_len >> shift); shift += 7) {
            if (shift > 21)
                return RC_INVALID;
            properties_len &= (1u << shift) - 1;
            properties_len |= (uint32_t)byte_reader_u8(&in) << shift;
        }
        byte_reader_take(&in, properties_len);
    }
    out->payload = byte_reader_take(&in, byte_reader_left(&in));
    return UNLIKELY(in.failed) ? RC_INVALID : RC_OK;
}

struct codec_stamp {
    uint32_t publisher;
    uint64_t number;
    uint64_t sent_ns;
};

/* In the machine's own byte order: the same process reads it. */
static inline void codec_stamp_put(uint8_t *to, uint32_t publisher, uint64_t number, uint64_t now)
{
    uint64_t words[2] = {(uint64_t)publisher << CODEC_NUMBER_BITS | number, now};
    memcpy(to, words, sizeof(words));
}

static inline struct codec_stamp codec_stamp_get(const uint8_t *from)
{
    uint64_t words[2];
    memcpy(words, from, sizeof(words));
    return (struct codec_stamp){
        .publisher = (uint32_t)(words[0] >> CODEC_NUMBER_BITS),
        .number = words[0] & ((UINT64_C(1) << CODEC_NUMBER_BITS) - 1),
        .sent_ns = words[1],
    };
}

/* A PUBLISH ready to be copied; packet id and stamp are to be written at the offsets. */
struct codec_template {
    uint8_t *data; /* owned */
    uint32_t len;
    uint32_t packet_id_at; /* 0 at QoS 0 */
    uint32_t stamp_at;
};

/* The template's payload is the stamp's room and then a pattern; or nothing, without a stamp. */
void codec_template_init(struct codec_template *out, unsigned version, unsigned qos,
                         const char *topic, uint32_t payload_len);
void codec_template_fini(struct codec_template *template);

static inline void codec_u16_put(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

/* PUBACK, PUBREC, PUBREL or PUBCOMP: CODEC_ACK_LEN bytes, the short form in both versions. */
static inline void codec_ack_put(uint8_t *to, enum codec_type type, uint16_t packet_id)
{
    /* Only PUBREL has flags: 0010. */
    to[0] = (uint8_t)((unsigned)type << 4 | (type == CODEC_PUBREL ? 2u : 0u));
    to[1] = 2;
    codec_u16_put(to + 2, packet_id);
}

struct codec_ack {
    uint16_t packet_id;
    uint8_t reason; /* 0 where the packet has none */
};

/* RC_INVALID if the body is too short for an acknowledgement. */
static inline enum rc codec_ack_parse(const struct codec_frame *frame, struct codec_ack *out)
{
    if (UNLIKELY(frame->body.len < 2))
        return RC_INVALID;
    out->packet_id = (uint16_t)(frame->body.ptr[0] << 8 | frame->body.ptr[1]);
    out->reason = frame->body.len > 2 ? frame->body.ptr[2] : 0;
    return RC_OK;
}

/* The property Session Expiry Interval of a durable session: an hour. */
#define CODEC_SESSION_EXPIRY_LEN 5
#define CODEC_SESSION_EXPIRY_S   3600u

struct codec_connect {
    unsigned version;
    uint16_t keep_alive_s;
    const char *client_id;
    const char *username; /* NULL: none */
    const char *password; /* NULL: none */
    bool durable;         /* a session that outlives its connection */
};

/* Both return the length written, or 0 if `room` is too small. Without a will. */
uint32_t codec_connect_put(uint8_t *to, uint32_t room, const struct codec_connect *connect);
uint32_t codec_subscribe_put(uint8_t *to, uint32_t room, unsigned version, uint16_t packet_id,
                             const char *filter, unsigned qos);

/* The same with `num` filters, all at the same QoS. */
uint32_t codec_subscribe_many_put(uint8_t *to, uint32_t room, unsigned version, uint16_t packet_id,
                                  const char *const *filters, uint32_t num, unsigned qos);

struct codec_connack {
    uint8_t reason;           /* 0: accepted */
    uint8_t qos_max;          /* 2 unless the broker says less (5.0 section 3.2.2.3.4) */
    uint16_t receive_maximum; /* 65535 unless the broker says less (5.0 section 3.2.2.3.3) */
};

enum rc codec_connack_parse(const struct codec_frame *frame, unsigned version,
                            struct codec_connack *out);

/* All reason codes of a SUBACK, one byte each, at least one. */
enum rc codec_suback_reasons(const struct codec_frame *frame, unsigned version,
                             struct bytes *out_reasons);

/* The first reason code of a SUBACK: the QoS granted, or an error. */
enum rc codec_suback_parse(const struct codec_frame *frame, unsigned version, uint8_t *out_reason);

#endif
