/*
 * model_codec.c -- what the encoders write, the decoders read (net/encode.h, net/decode.h).
 *
 * The twin of a packet is the view it was made from. Each step makes a random view of a random type
 * in a random version, encodes it into an allocation of exactly the announced size, reads the frame
 * and decodes it. Invariants:
 *   - the announced size is what is written, and the frame is as long;
 *   - every prefix is FRAME_MORE, the whole is FRAME_OK;
 *   - the decoded view says the same as the twin, less what the version cannot say;
 *   - above the receiver's limit the user properties go first, then the reason string, then the
 *     packet: which of the four it is follows from the sizes without a limit.
 */
#include "../model_args.h"
#include "decode.h"
#include "encode.h"
#include "props.h"

#define MODEL_TEXTS_LEN 65536

static struct model_args args;
static enum mqtt_version version;
static uint8_t texts[MODEL_TEXTS_LEN]; /* what the strings of this step point to */
static uint32_t texts_len;

/* A packet in an allocation of its own. */
struct model_packet {
    uint8_t *bytes;
    struct frame frame;
};

static bool coin(void)
{
    return model_below(&args, 2) == 0;
}

/* UTF-8 of up to `len_max` bytes: mostly letters, at times longer sequences. */
static struct bytes random_text(uint32_t len_max)
{
    static const char *const letters[] = {
        "a",    "b",   "/", "0", "\xC3\xA9", "\xE2\x82\xAC", "\xEF\xBB\xBF", "\xF0\x9F\x98\x80",
        "\x01", "\x7F"};
    CHECK(texts_len + len_max <= MODEL_TEXTS_LEN);
    struct bytes text = {.ptr = texts + texts_len, .len = 0};
    uint32_t len = model_below(&args, len_max + 1);
    uint32_t kinds = coin() ? 4 : ARRAY_LEN(letters);
    for (;;) {
        const char *letter = letters[model_below(&args, kinds)];
        uint32_t letter_len = (uint32_t)strlen(letter);
        if (text.len + letter_len > len)
            break;
        memcpy(texts + texts_len, letter, letter_len);
        texts_len += letter_len;
        text.len += letter_len;
    }
    return text;
}

static struct bytes random_data(uint32_t len_max)
{
    CHECK(texts_len + len_max <= MODEL_TEXTS_LEN);
    struct bytes data = {.ptr = texts + texts_len, .len = model_below(&args, len_max + 1)};
    for (uint32_t i = 0; i < data.len; i++)
        texts[texts_len++] = (uint8_t)model_random(&args);
    return data;
}

static struct bytes maybe(struct bytes text)
{
    return coin() ? text : (struct bytes){.ptr = NULL, .len = 0};
}

static struct bytes random_user_props(void)
{
    struct bytes props = {.ptr = NULL, .len = 0};
    uint8_t block[512];
    uint32_t len = 0;
    for (uint32_t num = model_below(&args, 4); num > 0; num--) {
        struct bytes key = random_text(20), value = random_text(20);
        len += props_user_write(key, value, block + len);
    }
    if (len == 0)
        return props;
    CHECK(texts_len + len <= MODEL_TEXTS_LEN);
    memcpy(texts + texts_len, block, len);
    props = (struct bytes){.ptr = texts + texts_len, .len = len};
    texts_len += len;
    return props;
}

static uint32_t random_u32(void)
{
    return (uint32_t)(model_random(&args) >> (32 + model_below(&args, 32)));
}

static uint16_t random_packet_id(void)
{
    return (uint16_t)(1 + model_below(&args, UINT16_MAX));
}

/* A code that the packet may carry; before MQTT 5.0 success, the only thing that can be said. */
static enum reason random_reason(enum reason_packet packet)
{
    for (;;) {
        enum reason reason = (enum reason)model_below(&args, 256);
        if (version != MQTT_50)
            return REASON_SUCCESS;
        if (reason_is_legal(reason, packet))
            return reason;
    }
}

/* The same, present or absent. */
static bool same(struct bytes a, struct bytes b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && bytes_equal(a, b);
}

/* Optional strings of MQTT 5.0: absent after decoding an older version. */
static bool same_5(struct bytes got, struct bytes want)
{
    return version == MQTT_50 ? same(got, want) : got.ptr == NULL;
}

static bool same_user_props(struct bytes got, struct bytes want)
{
    uint8_t got_copy[1024], want_copy[1024];
    CHECK(got.len <= sizeof(got_copy) && want.len <= sizeof(want_copy));
    struct bytes a = {.ptr = got_copy, .len = props_copy_user(got, got_copy)};
    struct bytes b = {.ptr = want_copy, .len = props_copy_user(want, want_copy)};
    return version == MQTT_50 ? bytes_equal(a, b) : a.len == 0;
}

static void packet_alloc(struct model_packet *packet, uint32_t size)
{
    packet->bytes = malloc(size);
    CHECK(packet->bytes != NULL);
}

/* Reads the frame of a packet of `size` bytes and checks every way in which it can be cut. */
static void packet_frame(struct model_packet *packet, uint32_t size, enum packet_type type)
{
    uint32_t cut = model_below(&args, size);
    struct bytes in = {.ptr = packet->bytes, .len = cut};
    CHECK(frame_read(in, PACKET_SIZE_UNLIMITED, version, &packet->frame) == FRAME_MORE);
    CHECK(packet->frame.len == 0 || packet->frame.len == size);
    in.len = size;
    CHECK(frame_read(in, size, version, &packet->frame) == FRAME_OK);
    CHECK(packet->frame.len == size && frame_type(&packet->frame) == type);
    CHECK(frame_is_minimal(&packet->frame));
    CHECK(frame_read(in, size - 1, version, &packet->frame) == FRAME_TOO_LARGE);
    CHECK(frame_read(in, size, version, &packet->frame) == FRAME_OK);
}

static void step_connect(void)
{
    struct connect_view want = {
        .version = version,
        .clean_start = true,
        .bridge = version != MQTT_50 && coin(),
        .keep_alive_s = (uint16_t)random_u32(),
        .client_id = random_text(40),
        .has_will = coin(),
        .username = maybe(random_text(30)),
        .props = random_user_props(),
        .auth_method = maybe(random_text(10)),
        .session_expiry_s = version == MQTT_50 ? random_u32() : 0,
        .packet_size_max = coin() ? PACKET_SIZE_UNLIMITED : 1 + random_u32() / 2,
        .receive_max = (uint16_t)(1 + model_below(&args, UINT16_MAX)),
        .topic_alias_max = (uint16_t)random_u32(),
        .request_response_info = coin(),
        .request_problem_info = coin(),
    };
    if (version == MQTT_31 && want.client_id.len == 0)
        want.client_id = bytes_of_text("x");
    if (want.username.ptr != NULL || version == MQTT_50)
        want.password = maybe(random_data(30));
    if (want.auth_method.ptr != NULL)
        want.auth_data = maybe(random_data(30));
    if (want.has_will) {
        want.will = (struct will_view){.topic = random_text(40),
                                       .payload = random_data(100),
                                       .props = random_user_props(),
                                       .qos = (uint8_t)model_below(&args, 3),
                                       .retain = coin(),
                                       .delay_s = version == MQTT_50 ? random_u32() : 0,
                                       .has_expiry = version == MQTT_50 && coin()};
        want.will.expiry_s = want.will.has_expiry ? random_u32() : 0;
    }
    uint32_t size = encode_connect_size(&want);
    struct model_packet packet;
    packet_alloc(&packet, size);
    CHECK(encode_connect(&want, packet.bytes) == size);
    packet_frame(&packet, size, PACKET_CONNECT);
    struct connect_view got;
    CHECK(decode_connect(&packet.frame, &got) == REASON_SUCCESS);
    CHECK(got.version == version && got.bridge == want.bridge && got.clean_start);
    CHECK(got.keep_alive_s == want.keep_alive_s && same(got.client_id, want.client_id));
    CHECK(same(got.username, want.username) && same(got.password, want.password));
    CHECK(got.has_will == want.has_will && got.will.qos == want.will.qos);
    CHECK(got.will.retain == want.will.retain && same(got.will.topic, want.will.topic));
    CHECK(same(got.will.payload, want.will.payload) && got.will.delay_s == want.will.delay_s);
    CHECK(got.will.has_expiry == want.will.has_expiry && got.will.expiry_s == want.will.expiry_s);
    CHECK(!want.has_will || same_user_props(got.will.props, want.will.props));
    CHECK(same_user_props(got.props, want.props) && same_5(got.auth_method, want.auth_method));
    CHECK(same_5(got.auth_data, want.auth_data) && got.session_expiry_s == want.session_expiry_s);
    if (version == MQTT_50) {
        CHECK(got.packet_size_max == want.packet_size_max && got.receive_max == want.receive_max);
        CHECK(got.topic_alias_max == want.topic_alias_max);
        CHECK(got.request_response_info == want.request_response_info);
        CHECK(got.request_problem_info == want.request_problem_info);
    }
    free(packet.bytes);
}

/*
 * What may be left of the reason string and the user properties below a limit, from the sizes with
 * both, with the string, and with neither. False: the packet cannot be sent.
 */
static bool limit_extras(const uint32_t sizes[3], uint32_t size_max, struct bytes *reason_string,
                         struct bytes *props, uint32_t *out_size)
{
    static const struct bytes absent = {.ptr = NULL, .len = 0};
    for (unsigned i = 0; i < 3; i++) {
        *props = i >= 1 ? absent : *props;
        *reason_string = i >= 2 ? absent : *reason_string;
        *out_size = sizes[i];
        if (sizes[i] <= size_max)
            return true;
    }
    *out_size = 0;
    return false;
}

/* A limit somewhere about the size, or none. */
static uint32_t random_limit(uint32_t size)
{
    return coin() ? PACKET_SIZE_UNLIMITED : model_below(&args, size + 2);
}

static struct connack_view random_connack(void)
{
    struct connack_view view = {
        .reason = random_reason(REASON_IN_CONNACK),
        .has_session_expiry = coin(),
        .has_server_keep_alive = coin(),
        .retain_available = coin(),
        .wildcard_available = coin(),
        .sub_id_available = coin(),
        .shared_available = coin(),
        .qos_max = (uint8_t)model_below(&args, 3),
        .receive_max = (uint16_t)(1 + model_below(&args, UINT16_MAX)),
        .topic_alias_max = (uint16_t)random_u32(),
        .packet_size_max = coin() ? PACKET_SIZE_UNLIMITED : 1 + random_u32() / 2,
        .assigned_client_id = maybe(random_text(30)),
        .reason_string = maybe(random_text(30)),
        .response_info = maybe(random_text(30)),
        .server_reference = maybe(random_text(30)),
        .auth_method = maybe(random_text(30)),
        .auth_data = maybe(random_data(30)),
        .props = random_user_props(),
    };
    view.session_present = view.reason == REASON_SUCCESS && version != MQTT_31 && coin();
    view.session_expiry_s = view.has_session_expiry ? random_u32() : 0;
    view.server_keep_alive_s = view.has_server_keep_alive ? (uint16_t)random_u32() : 0;
    return view;
}

static void step_connack(void)
{
    struct connack_view want = random_connack();
    uint32_t sizes[3], size;
    struct connack_view less = want;
    sizes[0] = encode_connack_size(version, &less, PACKET_SIZE_UNLIMITED);
    less.props.ptr = NULL, less.props.len = 0;
    sizes[1] = encode_connack_size(version, &less, PACKET_SIZE_UNLIMITED);
    less.reason_string.ptr = NULL, less.reason_string.len = 0;
    sizes[2] = encode_connack_size(version, &less, PACKET_SIZE_UNLIMITED);
    uint32_t size_max = random_limit(sizes[0]);
    const struct connack_view whole = want;
    bool fits = limit_extras(sizes, size_max, &want.reason_string, &want.props, &size);
    CHECK(encode_connack_size(version, &whole, size_max) == size);
    if (!fits)
        return;
    struct model_packet packet;
    packet_alloc(&packet, size);
    CHECK(encode_connack(version, &whole, size_max, packet.bytes) == size);
    packet_frame(&packet, size, PACKET_CONNACK);
    struct connack_view got;
    CHECK(decode_connack(version, &packet.frame, &got) == REASON_SUCCESS);
    CHECK(got.reason == want.reason && got.session_present == want.session_present);
    CHECK(same_5(got.assigned_client_id, want.assigned_client_id));
    CHECK(same_5(got.reason_string, want.reason_string));
    CHECK(same_5(got.response_info, want.response_info));
    CHECK(same_5(got.server_reference, want.server_reference));
    CHECK(same_5(got.auth_method, want.auth_method) && same_5(got.auth_data, want.auth_data));
    CHECK(same_user_props(got.props, want.props));
    if (version == MQTT_50) {
        CHECK(got.has_session_expiry == want.has_session_expiry);
        CHECK(got.session_expiry_s == want.session_expiry_s);
        CHECK(got.has_server_keep_alive == want.has_server_keep_alive);
        CHECK(got.server_keep_alive_s == want.server_keep_alive_s);
        CHECK(got.retain_available == want.retain_available);
        CHECK(got.wildcard_available == want.wildcard_available);
        CHECK(got.sub_id_available == want.sub_id_available);
        CHECK(got.shared_available == want.shared_available && got.qos_max == want.qos_max);
        CHECK(got.receive_max == want.receive_max);
        CHECK(got.topic_alias_max == want.topic_alias_max);
        CHECK(got.packet_size_max == want.packet_size_max);
    }
    free(packet.bytes);
}

static void publish_compare(const struct publish_view *got, const struct publish_out *want,
                            struct bytes payload, bool from_client)
{
    CHECK(bytes_equal(got->topic, want->topic) && bytes_equal(got->payload, payload));
    CHECK(got->qos == want->qos && got->dup == want->dup && got->retain == want->retain);
    CHECK(got->packet_id == (want->qos != 0 ? want->packet_id : 0));
    CHECK(same_user_props(got->props, want->props));
    if (version != MQTT_50) {
        CHECK(got->alias == 0 && !got->has_expiry && got->props_plain && got->props.len == 0);
        return;
    }
    CHECK(got->alias == want->alias && got->has_expiry == want->has_expiry);
    CHECK(!want->has_expiry || got->expiry_s == want->expiry_s);
    bool plain = want->alias == 0 && !want->has_expiry && want->sub_ids_num == 0;
    CHECK(got->props_plain == plain);
    uint8_t forwarded[1024];
    struct bytes copy = {.ptr = forwarded};
    copy.len = props_copy_forwardable(got->props, forwarded);
    CHECK(bytes_equal(copy, want->props) && (!plain || bytes_equal(got->props, want->props)));
    struct bytes cursor = got->props;
    uint32_t sub_id;
    for (uint32_t i = 0; i < want->sub_ids_num; i++)
        CHECK(props_next_sub_id(&cursor, &sub_id) && sub_id == want->sub_ids[i]);
    CHECK(!props_next_sub_id(&cursor, &sub_id));
    CHECK(!from_client || want->sub_ids_num == 0);
}

static void step_publish(void)
{
    uint32_t sub_ids[3];
    for (unsigned i = 0; i < 3; i++)
        sub_ids[i] = 1 + random_u32() % SUB_ID_MAX;
    bool from_client = coin();
    struct bytes payload = random_data(coin() ? 60 : 20000);
    struct publish_out want = {
        .topic = random_text(coin() ? 15 : 200),
        .props = random_user_props(),
        .sub_ids = sub_ids,
        .sub_ids_num = from_client ? 0 : model_below(&args, 4),
        .payload_len = payload.len,
        .expiry_s = random_u32(),
        .packet_id = random_packet_id(),
        .alias = coin() ? 0 : (uint16_t)(1 + model_below(&args, UINT16_MAX)),
        .qos = (uint8_t)model_below(&args, 3),
        .retain = coin(),
        .has_expiry = coin(),
    };
    want.dup = want.qos != 0 && coin();
    if (want.topic.len == 0 && (version != MQTT_50 || want.alias == 0))
        want.topic = bytes_of_text("t");
    uint32_t head_size = encode_publish_head_size(version, &want);
    struct model_packet packet;
    packet_alloc(&packet, head_size + payload.len);
    CHECK(encode_publish_head(version, &want, packet.bytes) == head_size);
    memcpy(packet.bytes + head_size, payload.ptr, payload.len);
    if (want.qos != 0) {
        const uint8_t *at = packet.bytes + encode_publish_packet_id_offset(packet.bytes);
        CHECK((at[0] << 8 | at[1]) == want.packet_id);
    }
    packet_frame(&packet, head_size + payload.len, PACKET_PUBLISH);
    struct publish_view got;
    enum decode_from from = from_client ? DECODE_FROM_CLIENT : DECODE_FROM_SERVER;
    CHECK(decode_publish_from(version, from, &packet.frame, &got) == REASON_SUCCESS);
    publish_compare(&got, &want, payload, from_client);
    free(packet.bytes);
}

static void step_ack(void)
{
    enum packet_type type = (enum packet_type)(PACKET_PUBACK + model_below(&args, 4));
    bool first_half = type == PACKET_PUBACK || type == PACKET_PUBREC;
    struct ack_view want = {
        .packet_id = random_packet_id(),
        .reason = random_reason(first_half ? REASON_IN_PUBACK : REASON_IN_PUBREL),
        .reason_string = maybe(random_text(30)),
        .props = random_user_props(),
    };
    uint32_t sizes[3], size;
    struct ack_view less = want;
    sizes[0] = encode_ack_size(version, type, &less, PACKET_SIZE_UNLIMITED);
    less.props.ptr = NULL, less.props.len = 0;
    sizes[1] = encode_ack_size(version, type, &less, PACKET_SIZE_UNLIMITED);
    less.reason_string.ptr = NULL, less.reason_string.len = 0;
    sizes[2] = encode_ack_size(version, type, &less, PACKET_SIZE_UNLIMITED);
    uint32_t size_max = random_limit(sizes[0]);
    const struct ack_view whole = want;
    bool fits = limit_extras(sizes, size_max, &want.reason_string, &want.props, &size);
    CHECK(encode_ack_size(version, type, &whole, size_max) == size);
    if (!fits)
        return;
    struct model_packet packet;
    packet_alloc(&packet, size);
    CHECK(encode_ack(version, type, &whole, size_max, packet.bytes) == size);
    packet_frame(&packet, size, type);
    if (size == ENCODE_ACK_SHORT_SIZE) {
        uint8_t inlined[ENCODE_ACK_SHORT_SIZE];
        encode_ack_short(type, want.packet_id, inlined);
        CHECK(memcmp(inlined, packet.bytes, size) == 0);
    }
    struct ack_view got;
    CHECK(decode_ack(version, &packet.frame, &got) == REASON_SUCCESS);
    CHECK(got.packet_id == want.packet_id && got.reason == want.reason);
    CHECK(same_5(got.reason_string, want.reason_string) && same_user_props(got.props, want.props));
    free(packet.bytes);
}

static void step_subscribe(void)
{
    struct subscribe_item items[5];
    struct subscribe_out want = {.packet_id = random_packet_id(),
                                 .sub_id = coin() ? 0 : 1 + random_u32() % SUB_ID_MAX,
                                 .items = items,
                                 .items_num = 1 + model_below(&args, ARRAY_LEN(items)),
                                 .props = random_user_props()};
    for (uint32_t i = 0; i < want.items_num; i++) {
        items[i] = (struct subscribe_item){.filter = random_text(40),
                                           .qos = (uint8_t)model_below(&args, 3),
                                           .retain_handling = (uint8_t)model_below(&args, 3),
                                           .no_local = coin(),
                                           .retain_as_published = coin()};
    }
    uint32_t size = encode_subscribe_size(version, &want);
    struct model_packet packet;
    packet_alloc(&packet, size);
    CHECK(encode_subscribe(version, &want, packet.bytes) == size);
    packet_frame(&packet, size, PACKET_SUBSCRIBE);
    struct subscribe_view got;
    CHECK(decode_subscribe(version, &packet.frame, &got) == REASON_SUCCESS);
    CHECK(got.packet_id == want.packet_id && got.filters_num == want.items_num);
    CHECK(got.sub_id == (version == MQTT_50 ? want.sub_id : 0));
    CHECK(same_user_props(got.props, want.props));
    struct subscribe_item item;
    for (uint32_t i = 0; i < want.items_num; i++) {
        CHECK(subscribe_next(&got, &item));
        CHECK(bytes_equal(item.filter, items[i].filter) && item.qos == items[i].qos);
        if (version != MQTT_50)
            items[i] = (struct subscribe_item){.qos = items[i].qos};
        CHECK(item.retain_handling == items[i].retain_handling);
        CHECK(item.no_local == items[i].no_local);
        CHECK(item.retain_as_published == items[i].retain_as_published);
    }
    CHECK(!subscribe_next(&got, &item));
    free(packet.bytes);
}

static void step_unsubscribe(void)
{
    struct bytes filters[5];
    struct unsubscribe_out want = {.packet_id = random_packet_id(),
                                   .filters = filters,
                                   .filters_num = 1 + model_below(&args, ARRAY_LEN(filters)),
                                   .props = random_user_props()};
    for (uint32_t i = 0; i < want.filters_num; i++)
        filters[i] = random_text(40);
    uint32_t size = encode_unsubscribe_size(version, &want);
    struct model_packet packet;
    packet_alloc(&packet, size);
    CHECK(encode_unsubscribe(version, &want, packet.bytes) == size);
    packet_frame(&packet, size, PACKET_UNSUBSCRIBE);
    struct unsubscribe_view got;
    CHECK(decode_unsubscribe(version, &packet.frame, &got) == REASON_SUCCESS);
    CHECK(got.packet_id == want.packet_id && got.filters_num == want.filters_num);
    CHECK(same_user_props(got.props, want.props));
    struct bytes filter;
    for (uint32_t i = 0; i < want.filters_num; i++)
        CHECK(unsubscribe_next(&got, &filter) && bytes_equal(filter, filters[i]));
    CHECK(!unsubscribe_next(&got, &filter));
    free(packet.bytes);
}

static void step_suback(void)
{
    enum packet_type type = coin() ? PACKET_SUBACK : PACKET_UNSUBACK;
    uint8_t codes[6];
    struct suback_view want = {.packet_id = random_packet_id(),
                               .codes = {.ptr = codes, .len = 1 + model_below(&args, 6)},
                               .reason_string = maybe(random_text(30)),
                               .props = random_user_props()};
    for (uint32_t i = 0; i < want.codes.len; i++)
        codes[i] = (uint8_t)random_reason(type == PACKET_SUBACK ? REASON_IN_SUBACK
                                                                : REASON_IN_UNSUBACK);
    uint32_t size = encode_suback_size(version, type, &want, PACKET_SIZE_UNLIMITED);
    struct model_packet packet;
    packet_alloc(&packet, size);
    CHECK(encode_suback(version, type, &want, PACKET_SIZE_UNLIMITED, packet.bytes) == size);
    packet_frame(&packet, size, type);
    struct suback_view got;
    CHECK(decode_suback(version, &packet.frame, &got) == REASON_SUCCESS);
    CHECK(got.packet_id == want.packet_id);
    if (type == PACKET_UNSUBACK && version != MQTT_50)
        CHECK(got.codes.len == 0);
    else
        CHECK(bytes_equal(got.codes, want.codes));
    CHECK(same_5(got.reason_string, want.reason_string) && same_user_props(got.props, want.props));
    free(packet.bytes);
}

static void step_disconnect(void)
{
    bool client = version != MQTT_50 || coin();
    struct disconnect_view want = {
        .reason = random_reason(client ? REASON_IN_DISCONNECT_CLIENT : REASON_IN_DISCONNECT_SERVER),
        .has_session_expiry = version == MQTT_50 && client && coin(),
        .reason_string = maybe(random_text(30)),
        .props = random_user_props()};
    want.session_expiry_s = want.has_session_expiry ? random_u32() : 0;
    if (!client)
        want.server_reference = maybe(random_text(30));
    uint32_t size = encode_disconnect_size(version, &want, PACKET_SIZE_UNLIMITED);
    struct model_packet packet;
    packet_alloc(&packet, size);
    CHECK(encode_disconnect(version, &want, PACKET_SIZE_UNLIMITED, packet.bytes) == size);
    packet_frame(&packet, size, PACKET_DISCONNECT);
    struct disconnect_view got;
    CHECK(decode_disconnect(version, client ? DECODE_FROM_CLIENT : DECODE_FROM_SERVER,
                            &packet.frame, &got) == REASON_SUCCESS);
    CHECK(got.reason == want.reason && got.has_session_expiry == want.has_session_expiry);
    CHECK(got.session_expiry_s == want.session_expiry_s);
    CHECK(same_5(got.reason_string, want.reason_string) && same_user_props(got.props, want.props));
    CHECK(same_5(got.server_reference, want.server_reference));
    free(packet.bytes);
}

static void step_auth(void)
{
    version = MQTT_50;
    bool client = coin();
    struct auth_view want = {
        .reason = random_reason(client ? REASON_IN_AUTH_CLIENT : REASON_IN_AUTH_SERVER),
        .auth_method = random_text(30),
        .auth_data = maybe(random_data(30)),
        .reason_string = maybe(random_text(30)),
        .props = random_user_props()};
    uint32_t size = encode_auth_size(&want, PACKET_SIZE_UNLIMITED);
    struct model_packet packet;
    packet_alloc(&packet, size);
    CHECK(encode_auth(&want, PACKET_SIZE_UNLIMITED, packet.bytes) == size);
    packet_frame(&packet, size, PACKET_AUTH);
    struct auth_view got;
    CHECK(decode_auth(version, client ? DECODE_FROM_CLIENT : DECODE_FROM_SERVER, &packet.frame,
                      &got) == REASON_SUCCESS);
    CHECK(got.reason == want.reason && same(got.auth_method, want.auth_method));
    CHECK(same(got.auth_data, want.auth_data) && same(got.reason_string, want.reason_string));
    CHECK(same_user_props(got.props, want.props));
    free(packet.bytes);
}

int main(int argc, char **argv)
{
    static void (*const steps[])(void) = {
        step_connect,     step_connack, step_publish,    step_ack,  step_subscribe,
        step_unsubscribe, step_suback,  step_disconnect, step_auth,
    };
    static const enum mqtt_version versions[] = {MQTT_31, MQTT_311, MQTT_50, MQTT_50};
    args = model_args_of(argc, argv, 60000);
    for (uint64_t i = 0; i < args.steps; i++) {
        texts_len = 0;
        version = versions[model_below(&args, ARRAY_LEN(versions))];
        steps[model_below(&args, ARRAY_LEN(steps))]();
    }
    printf("ok\n");
    return 0;
}
