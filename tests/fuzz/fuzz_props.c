/*
 * fuzz_props.c -- property blocks of any bytes (net/props.h).
 *
 * The first byte of the input chooses the packet, the rest is a block with its length. Invariants:
 *   - a block that is read is walked to its end, and every property in it may be in that packet;
 *   - what is forwarded is accepted in a PUBLISH, and forwarding it again changes nothing;
 *   - counting and copying agree;
 *   - walking bytes that nobody has checked ends, inside them.
 */
#include "props.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Walks and returns how many properties there are; the cursor ends at the block's end. */
static uint32_t fuzz_props_walk(struct bytes raw, uint32_t packets, bool checked)
{
    struct bytes cursor = raw;
    struct prop prop;
    uint32_t num = 0;
    while (props_next(&cursor, &prop)) {
        CHECK(prop_kind((uint8_t)prop.id) != PROP_KIND_NONE);
        CHECK(!checked || (prop_packets((uint8_t)prop.id) & packets) != 0);
        CHECK(cursor.ptr > raw.ptr && cursor.ptr + cursor.len <= raw.ptr + raw.len);
        num++;
    }
    CHECK(cursor.len == 0 && (!checked || num == 0 || cursor.ptr == raw.ptr + raw.len));
    return num;
}

static void fuzz_props_copies(struct bytes raw)
{
    uint32_t len = props_copy_forwardable(raw, NULL);
    CHECK(len <= raw.len);
    uint8_t *once = malloc(len + 1), *twice = malloc(len + 1);
    CHECK(props_copy_forwardable(raw, once) == len);
    CHECK(props_copy_forwardable((struct bytes){.ptr = once, .len = len}, twice) == len);
    CHECK(memcmp(once, twice, len) == 0);

    struct byte_reader reader = byte_reader_of((struct bytes){.ptr = once, .len = len});
    struct prop prop;
    while (byte_reader_left(&reader) > 0)
        CHECK(prop_read(&reader, PROP_IN(PACKET_PUBLISH), &prop) == REASON_SUCCESS);

    uint32_t user_len = props_copy_user(raw, NULL), sum = 0;
    struct bytes cursor = raw, key, value;
    while (props_next_user(&cursor, &key, &value))
        sum += props_user_size(key, value);
    CHECK(sum == user_len && user_len <= raw.len);
    free(once);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1)
        return 0;
    uint32_t packet = 1u << (data[0] & 15);
    struct bytes in = bytes_of(data + 1, len - 1);
    struct byte_reader reader = byte_reader_of(in);
    struct props props;
    enum reason reason = props_read(&reader, packet, &props);
    CHECK(reason == REASON_SUCCESS || reason_is_failure(reason));
    if (reason == REASON_SUCCESS) {
        uint32_t num = fuzz_props_walk(props.raw, packet, true);
        CHECK((num > 0) == (props.present != 0));
        fuzz_props_copies(props.raw);
    }
    fuzz_props_walk(in, packet, false);
    CHECK(props_copy_forwardable(in, NULL) <= in.len && props_copy_user(in, NULL) <= in.len);
    return 0;
}
