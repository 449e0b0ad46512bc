/*
 * packet.c -- names of packets, and the walks over the filters of SUBSCRIBE and UNSUBSCRIBE.
 *
 * The filters of a packet are not copied into an array: the decoder has checked them all, and the
 * walks read them again where they stand. Two passes over bytes that are in the cache cost less
 * than memory for a number of filters that only the client bounds.
 *
 * Threads: pure functions, any.
 */
#include "packet.h"

#define PACKET_SENDER_C  1
#define PACKET_SENDER_S  2
#define PACKET_SENDER_CS (PACKET_SENDER_C | PACKET_SENDER_S)

#define PACKET_TEXT(name, type, flags, from)   [type] = #name,
#define PACKET_SENDER(name, type, flags, from) [type] = PACKET_SENDER_##from,
static const char *const packet_texts[PACKET_TYPE_COUNT] = {PACKET_TABLE(PACKET_TEXT)};
static const uint8_t packet_senders[PACKET_TYPE_COUNT] = {PACKET_TABLE(PACKET_SENDER)};
#undef PACKET_TEXT
#undef PACKET_SENDER

const char *packet_text(enum packet_type type)
{
    if ((unsigned)type >= PACKET_TYPE_COUNT || packet_texts[type] == NULL)
        return "RESERVED";
    return packet_texts[type];
}

bool packet_from_client(enum packet_type type)
{
    return (unsigned)type < PACKET_TYPE_COUNT && (packet_senders[type] & PACKET_SENDER_C) != 0;
}

bool packet_from_server(enum packet_type type)
{
    return (unsigned)type < PACKET_TYPE_COUNT && (packet_senders[type] & PACKET_SENDER_S) != 0;
}

bool subscribe_next(struct subscribe_view *view, struct subscribe_item *out)
{
    if (view->filters.len == 0)
        return false;
    struct byte_reader reader = byte_reader_of(view->filters);
    struct bytes filter = byte_reader_take16(&reader);
    uint8_t options = byte_reader_u8(&reader) & view->options_mask;
    CHECK(!reader.failed); /* the decoder has walked the same bytes */
    *out = (struct subscribe_item){
        .filter = filter,
        .qos = options & 3,
        .no_local = (options >> 2) & 1,
        .retain_as_published = (options >> 3) & 1,
        .retain_handling = (options >> 4) & 3,
    };
    CHECK(out->qos <= MQTT_QOS_2 && out->retain_handling <= MQTT_RETAIN_SEND_NEVER);
    view->filters = (struct bytes){.ptr = reader.at, .len = byte_reader_left(&reader)};
    return true;
}

bool unsubscribe_next(struct unsubscribe_view *view, struct bytes *out_filter)
{
    if (view->filters.len == 0)
        return false;
    struct byte_reader reader = byte_reader_of(view->filters);
    *out_filter = byte_reader_take16(&reader);
    CHECK(!reader.failed); /* the decoder has walked the same bytes */
    view->filters = (struct bytes){.ptr = reader.at, .len = byte_reader_left(&reader)};
    return true;
}
