/*
 * fuzz_decode.c -- the decoders on any bytes (net/decode.h), with the encoders as their mirror.
 *
 * The first byte of the input chooses version and sender, the rest is a stream of packets, each in
 * turn read and decoded. Invariants:
 *   - every answer is REASON_SUCCESS or one that DISCONNECT or CONNACK can carry;
 *   - what was decoded encodes; that decodes again, to something that encodes to the same bytes:
 *     one round makes a packet canonical, a second changes nothing. A field that gets lost or
 *     garbled on the way shows as a difference;
 *   - the walks over filters and properties end, and hand out as many filters as were counted.
 */
#include "decode.h"
#include "encode.h"
#include "props.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* One view of any type, by the packet's type. */
struct fuzz_view {
    union {
        struct connect_view connect;
        struct connack_view connack;
        struct publish_view publish;
        struct ack_view ack;
        struct subscribe_view subscribe;
        struct unsubscribe_view unsubscribe;
        struct suback_view suback;
        struct disconnect_view disconnect;
        struct auth_view auth;
    };
};

static enum reason fuzz_decode_frame(enum mqtt_version version, enum decode_from from,
                                     const struct frame *frame, struct fuzz_view *out)
{
    switch (frame_type(frame)) {
    case PACKET_CONNECT:
        return decode_connect(frame, &out->connect);
    case PACKET_CONNACK:
        return decode_connack(version, frame, &out->connack);
    case PACKET_PUBLISH:
        return decode_publish_from(version, from, frame, &out->publish);
    case PACKET_PUBACK:
    case PACKET_PUBREC:
    case PACKET_PUBREL:
    case PACKET_PUBCOMP:
        return decode_ack(version, frame, &out->ack);
    case PACKET_SUBSCRIBE:
        return decode_subscribe(version, frame, &out->subscribe);
    case PACKET_UNSUBSCRIBE:
        return decode_unsubscribe(version, frame, &out->unsubscribe);
    case PACKET_SUBACK:
    case PACKET_UNSUBACK:
        return decode_suback(version, frame, &out->suback);
    case PACKET_PINGREQ:
    case PACKET_PINGRESP:
        return decode_ping(frame);
    case PACKET_DISCONNECT:
        return decode_disconnect(version, from, frame, &out->disconnect);
    case PACKET_AUTH:
        return decode_auth(version, from, frame, &out->auth);
    default:
        UNREACHABLE();
    }
    return REASON_SUCCESS;
}

/* Encodes with `call`, which sees `out` as NULL to measure; into memory of exactly the size. */
#define FUZZ_ENCODE(size_call, write_call)                                                         \
    do {                                                                                           \
        uint32_t size = (size_call);                                                               \
        CHECK(size > 0);                                                                           \
        uint8_t *out = malloc(size);                                                               \
        CHECK((write_call) == size);                                                               \
        return (struct bytes){.ptr = out, .len = size};                                            \
    } while (0)

static struct bytes fuzz_encode_publish(enum mqtt_version version, const struct publish_view *view)
{
    uint32_t sub_ids_num = 0, sub_id;
    struct bytes cursor = view->props;
    while (props_next_sub_id(&cursor, &sub_id))
        sub_ids_num++;
    uint32_t *sub_ids = malloc((sub_ids_num + 1) * sizeof(*sub_ids));
    cursor = view->props;
    for (uint32_t i = 0; props_next_sub_id(&cursor, &sub_id); i++)
        sub_ids[i] = sub_id;
    uint8_t *props = malloc(view->props.len + 1);
    struct publish_out publish = {
        .topic = view->topic,
        .props = {.ptr = props, .len = props_copy_forwardable(view->props, props)},
        .sub_ids = sub_ids,
        .sub_ids_num = sub_ids_num,
        .payload_len = view->payload.len,
        .expiry_s = view->expiry_s,
        .packet_id = view->packet_id,
        .alias = view->alias,
        .qos = view->qos,
        .dup = view->dup,
        .retain = view->retain,
        .has_expiry = view->has_expiry,
    };
    CHECK(!view->props_plain || bytes_equal(publish.props, view->props));
    uint32_t head_size = encode_publish_head_size(version, &publish);
    CHECK(head_size > 0);
    uint8_t *out = malloc(head_size + view->payload.len);
    CHECK(encode_publish_head(version, &publish, out) == head_size);
    if (view->payload.len > 0)
        memcpy(out + head_size, view->payload.ptr, view->payload.len);
    free(props);
    free(sub_ids);
    return (struct bytes){.ptr = out, .len = head_size + view->payload.len};
}

static struct bytes fuzz_encode_subscribe(enum mqtt_version version, struct subscribe_view view)
{
    struct subscribe_item *items = malloc(view.filters_num * sizeof(*items));
    struct subscribe_out subscribe = {.packet_id = view.packet_id,
                                      .sub_id = view.sub_id,
                                      .items = items,
                                      .items_num = view.filters_num,
                                      .props = view.props};
    for (uint32_t i = 0; i < subscribe.items_num; i++)
        CHECK(subscribe_next(&view, &items[i]));
    struct subscribe_item none;
    CHECK(!subscribe_next(&view, &none));
    uint32_t size = encode_subscribe_size(version, &subscribe);
    uint8_t *out = malloc(size);
    CHECK(encode_subscribe(version, &subscribe, out) == size);
    free(items);
    return (struct bytes){.ptr = out, .len = size};
}

static struct bytes fuzz_encode_unsubscribe(enum mqtt_version version, struct unsubscribe_view view)
{
    struct bytes *filters = malloc(view.filters_num * sizeof(*filters));
    struct unsubscribe_out unsubscribe = {.packet_id = view.packet_id,
                                          .filters = filters,
                                          .filters_num = view.filters_num,
                                          .props = view.props};
    for (uint32_t i = 0; i < unsubscribe.filters_num; i++)
        CHECK(unsubscribe_next(&view, &filters[i]));
    struct bytes none;
    CHECK(!unsubscribe_next(&view, &none));
    uint32_t size = encode_unsubscribe_size(version, &unsubscribe);
    uint8_t *out = malloc(size);
    CHECK(encode_unsubscribe(version, &unsubscribe, out) == size);
    free(filters);
    return (struct bytes){.ptr = out, .len = size};
}

/* The packet that says what the view says; freed by the caller. */
static struct bytes fuzz_encode(enum mqtt_version version, enum packet_type type,
                                const struct fuzz_view *view)
{
    const uint32_t max = PACKET_SIZE_UNLIMITED;
    switch (type) {
    case PACKET_CONNECT:
        FUZZ_ENCODE(encode_connect_size(&view->connect), encode_connect(&view->connect, out));
    case PACKET_CONNACK:
        FUZZ_ENCODE(encode_connack_size(version, &view->connack, max),
                    encode_connack(version, &view->connack, max, out));
    case PACKET_PUBLISH:
        return fuzz_encode_publish(version, &view->publish);
    case PACKET_PUBACK:
    case PACKET_PUBREC:
    case PACKET_PUBREL:
    case PACKET_PUBCOMP:
        FUZZ_ENCODE(encode_ack_size(version, type, &view->ack, max),
                    encode_ack(version, type, &view->ack, max, out));
    case PACKET_SUBSCRIBE:
        return fuzz_encode_subscribe(version, view->subscribe);
    case PACKET_UNSUBSCRIBE:
        return fuzz_encode_unsubscribe(version, view->unsubscribe);
    case PACKET_SUBACK:
    case PACKET_UNSUBACK:
        FUZZ_ENCODE(encode_suback_size(version, type, &view->suback, max),
                    encode_suback(version, type, &view->suback, max, out));
    case PACKET_DISCONNECT:
        FUZZ_ENCODE(encode_disconnect_size(version, &view->disconnect, max),
                    encode_disconnect(version, &view->disconnect, max, out));
    case PACKET_AUTH:
        FUZZ_ENCODE(encode_auth_size(&view->auth, max), encode_auth(&view->auth, max, out));
    default: {
        uint8_t *out = malloc(ENCODE_PING_SIZE);
        encode_ping(type, out);
        return (struct bytes){.ptr = out, .len = ENCODE_PING_SIZE};
    }
    }
}

/* Decodes a packet that an encoder of ours has written: it must be right. */
static void fuzz_decode_ours(enum mqtt_version version, enum decode_from from, struct bytes packet,
                             enum packet_type type, struct fuzz_view *out)
{
    struct frame frame;
    CHECK(frame_read(packet, PACKET_SIZE_UNLIMITED, version, &frame) == FRAME_OK);
    CHECK(frame.len == packet.len && frame_type(&frame) == type);
    CHECK(fuzz_decode_frame(version, from, &frame, out) == REASON_SUCCESS);
}

static void fuzz_round_trip(enum mqtt_version version, enum decode_from from, enum packet_type type,
                            const struct fuzz_view *view)
{
    struct fuzz_view again;
    struct bytes once = fuzz_encode(version, type, view);
    fuzz_decode_ours(version, from, once, type, &again);
    struct bytes twice = fuzz_encode(version, type, &again);
    CHECK(bytes_equal(once, twice));
    free((void *)(uintptr_t)once.ptr);
    free((void *)(uintptr_t)twice.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum mqtt_version versions[] = {MQTT_50, MQTT_31, MQTT_311, MQTT_50};
    if (len < 1)
        return 0;
    enum mqtt_version version = versions[data[0] & 3];
    enum decode_from from = data[0] & 4 ? DECODE_FROM_SERVER : DECODE_FROM_CLIENT;
    struct bytes in = bytes_of(data + 1, len - 1);
    struct frame frame;
    while (frame_read(in, PACKET_SIZE_UNLIMITED, version, &frame) == FRAME_OK) {
        struct fuzz_view view;
        enum reason reason = fuzz_decode_frame(version, from, &frame, &view);
        CHECK(reason == REASON_SUCCESS || reason_is_failure(reason));
        CHECK(reason_is_legal(reason, REASON_IN_DISCONNECT_SERVER) ||
              (frame_type(&frame) == PACKET_CONNECT && reason_is_legal(reason, REASON_IN_CONNACK)));
        if (reason == REASON_SUCCESS) {
            if (frame_type(&frame) == PACKET_CONNECT)
                version = view.connect.version;
            fuzz_round_trip(version, from, frame_type(&frame), &view);
        }
        in.ptr += frame.len;
        in.len -= frame.len;
    }
    return 0;
}
