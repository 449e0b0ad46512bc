/*
 * test_store_record.c -- records of the log: what is encoded comes back, what is not a record does
 * not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store_record.h"

#define TEXT(s) bytes_of_text(s)

static uint8_t flat[4096];
static uint32_t id_space[STORE_IDS_MAX];

static struct bytes flatten(const struct store_parts *parts)
{
    size_t len = 0;
    for (unsigned i = 0; i < parts->num; i++) {
        assert_true(len + parts->parts[i].len <= sizeof(flat));
        memcpy(flat + len, parts->parts[i].ptr, parts->parts[i].len);
        len += parts->parts[i].len;
    }
    return bytes_of(flat, len);
}

static struct bytes encode(const struct store_record *record)
{
    static struct store_parts parts;
    store_encode(record, &parts);
    return flatten(&parts);
}

static void assert_bytes(struct bytes got, struct bytes want)
{
    assert_true(bytes_equal(got, want));
}

/* Decodes, and encodes again to the same bytes. Every cut and every byte more is refused. */
static struct store_record round_trip(const struct store_record *record)
{
    struct bytes body = encode(record);
    uint8_t *copy = malloc(body.len + 1);
    memcpy(copy, body.ptr, body.len);
    copy[body.len] = 0;
    struct store_record out;
    for (uint32_t len = 0; len < body.len; len++) {
        /* A snapshot's entries may end anywhere between two of them. */
        if (record->type != STORE_SNAP_ENTRIES)
            assert_int_equal(store_decode(record->type, bytes_of(copy, len), id_space, &out),
                             RC_INVALID);
    }
    if (record->type != STORE_SNAP_ENTRIES)
        assert_int_equal(store_decode(record->type, bytes_of(copy, body.len + 1), id_space, &out),
                         RC_INVALID);
    static uint8_t kept[4096];
    memcpy(kept, body.ptr, body.len);
    assert_int_equal(store_decode(record->type, bytes_of(kept, body.len), id_space, &out), RC_OK);
    assert_bytes(encode(&out), bytes_of(kept, body.len));
    free(copy);
    return out;
}

static const struct store_message message = {.topic = {(const uint8_t *)"a/b", 3},
                                             .props = {(const uint8_t *)"\x03\x00\x01t", 4},
                                             .payload = {(const uint8_t *)"hello", 5},
                                             .expires_wall_ms = 1700000000123,
                                             .publisher_hash = 0x8877665544332211,
                                             .qos = 2,
                                             .retain = true};

static void test_session(void **state)
{
    (void)state;
    struct store_record in = {.type = STORE_SESSION,
                              .session = 300,
                              .client_id = TEXT("meter-7"),
                              .expiry_s = UINT32_MAX,
                              .version = 5,
                              .is_bridge = true,
                              .wall_ms = 1700000000000};
    struct store_record out = round_trip(&in);
    assert_int_equal(out.session, 300);
    assert_bytes(out.client_id, in.client_id);
    assert_int_equal(out.expiry_s, UINT32_MAX);
    assert_int_equal(out.version, 5);
    assert_true(out.is_bridge && !out.connected);
    assert_int_equal(out.wall_ms, in.wall_ms);
    in.type = STORE_SNAP_BEGIN;
    in.number = UINT64_MAX;
    in.packet_id = 65535;
    in.connected = true;
    out = round_trip(&in);
    assert_true(out.connected);
    assert_true(out.owner == 0);
    in.owner = 0x8877665544332211;
    out = round_trip(&in);
    assert_true(out.owner == in.owner);
    assert_true(out.number == UINT64_MAX && out.packet_id == 65535);
}

static void test_enqueue_with_message(void **state)
{
    (void)state;
    const uint32_t ids[] = {1, SUB_ID_MAX};
    struct store_record in = {.type = STORE_ENQUEUE,
                              .session = 1,
                              .has_message = true,
                              .message = message,
                              .entry = {.number = 9,
                                        .qos = 2,
                                        .state = STORE_WAIT_PUBREC,
                                        .packet_id = 17,
                                        .priority = 255,
                                        .retain = true,
                                        .bytes = 400,
                                        .ids = ids,
                                        .ids_count = 2}};
    struct store_record out = round_trip(&in);
    assert_true(out.has_message);
    assert_bytes(out.message.topic, message.topic);
    assert_bytes(out.message.props, message.props);
    assert_bytes(out.message.payload, message.payload);
    assert_int_equal(out.message.expires_wall_ms, message.expires_wall_ms);
    assert_true(out.message.publisher_hash == message.publisher_hash);
    assert_int_equal(out.message.qos, 2);
    assert_true(out.message.retain && out.entry.retain);
    assert_int_equal(out.entry.number, 9);
    assert_int_equal(out.entry.packet_id, 17);
    assert_int_equal(out.entry.priority, 255);
    assert_int_equal(out.entry.ids_count, 2);
    assert_int_equal(out.entry.ids[1], SUB_ID_MAX);
    struct store_message alone;
    assert_int_equal(store_decode_message(encode(&in), &alone), RC_OK);
    assert_bytes(alone.payload, message.payload);
}

static void test_enqueue_refers(void **state)
{
    (void)state;
    struct store_record in = {.type = STORE_ENQUEUE,
                              .session = 1,
                              .entry = {.number = 1,
                                        .qos = 1,
                                        .location = 0x1234567890,
                                        .attempts = 3,
                                        .group = TEXT("$share/g/a/+")}};
    struct store_record out = round_trip(&in);
    assert_false(out.has_message);
    assert_true(out.entry.location == 0x1234567890);
    assert_bytes(out.entry.group, in.entry.group);
    assert_int_equal(out.entry.attempts, 3);
    struct store_message alone;
    assert_int_equal(store_decode_message(encode(&in), &alone), RC_INVALID);
}

static void test_small_ones(void **state)
{
    (void)state;
    struct store_record in = {.type = STORE_SUBSCRIBE,
                              .session = 5,
                              .sub_id = 77,
                              .options = 9,
                              .filter = TEXT("$share/g/x/#")};
    assert_bytes(round_trip(&in).filter, in.filter);
    in.type = STORE_UNSUBSCRIBE;
    round_trip(&in);
    in = (struct store_record){.type = STORE_DETACHED, .session = 5, .wall_ms = 9, .expiry_s = 60};
    assert_int_equal(round_trip(&in).expiry_s, 60);
    in = (struct store_record){
        .type = STORE_INBOUND, .session = 5, .packet_id = 1, .number = 0xfedcba9876543210};
    assert_true(round_trip(&in).number == in.number);
    for (uint8_t type = STORE_RECEIVED; type <= STORE_DONE; type++) {
        in = (struct store_record){.type = type, .session = 1u << 20, .packet_id = 65535};
        assert_int_equal(round_trip(&in).packet_id, 65535);
    }
    in = (struct store_record){.type = STORE_DROPPED, .session = 1, .number = 1u << 30};
    assert_int_equal(round_trip(&in).number, 1u << 30);
    in = (struct store_record){.type = STORE_WILL,
                               .session = 1,
                               .number = 2,
                               .delay_s = 30,
                               .expiry_s = 40,
                               .message = message};
    assert_int_equal(round_trip(&in).delay_s, 30);
    in = (struct store_record){.type = STORE_RETAIN, .number = 12, .message = message};
    assert_bytes(round_trip(&in).message.topic, message.topic);
    assert_int_equal(round_trip(&in).message.owner, 0);
    in.message.owner = 0x8877665544332211;
    assert_true(round_trip(&in).message.owner == in.message.owner);
    assert_int_equal(round_trip(&in).message.expires_wall_ms, message.expires_wall_ms);
    in.message.owner = 0;
    in.type = STORE_COPY;
    round_trip(&in);
    struct store_message alone;
    assert_int_equal(store_decode_message(encode(&in), &alone), RC_OK);
    in = (struct store_record){.type = STORE_UNRETAIN, .number = 12, .message.topic = TEXT("t")};
    round_trip(&in);
    in = (struct store_record){.type = STORE_SEEN, .session = 300, .packet_id = 9, .number = 3};
    assert_int_equal(round_trip(&in).number, 3);
    in.type = STORE_UNSEEN;
    round_trip(&in);
    in.type = STORE_SEEN_BY;
    in.by = (struct store_class){.number = 2, .shards = 128};
    assert_int_equal(round_trip(&in).by.shards, 128);
    in = (struct store_record){
        .type = STORE_TAKEN, .session = 300, .number = UINT64_C(1) << 40, .home = 127};
    assert_true(round_trip(&in).home == 127 && round_trip(&in).number == UINT64_C(1) << 40);
    in.type = STORE_UNTAKEN;
    assert_int_equal(round_trip(&in).home, 127);
    in = (struct store_record){.type = STORE_KEYED,
                               .number = 3,
                               .kept = true,
                               .table = TEXT("bans"),
                               .key = TEXT("client:x"),
                               .value = TEXT("1")};
    assert_bytes(round_trip(&in).value, in.value);
}

/* The short encoders write what the general one writes. */
static void test_short_forms(void **state)
{
    (void)state;
    static struct store_parts parts;
    struct store_record in = {.type = STORE_DONE, .session = 4000, .packet_id = 129};
    struct bytes want = encode(&in);
    uint8_t kept[16];
    memcpy(kept, want.ptr, want.len);
    store_encode_pair(4000, 129, &parts);
    assert_bytes(flatten(&parts), bytes_of(kept, want.len));
    in = (struct store_record){.type = STORE_SESSION_END, .session = 4000};
    want = encode(&in);
    memcpy(kept, want.ptr, want.len);
    store_encode_one(4000, &parts);
    assert_bytes(flatten(&parts), bytes_of(kept, want.len));
}

static void test_snapshot_entries(void **state)
{
    (void)state;
    uint8_t chunk[256];
    struct store_entry a = {.number = 1, .qos = 1, .location = 5, .bytes = 10};
    struct store_entry b = {.number = 200,
                            .qos = 2,
                            .state = STORE_WAIT_PUBCOMP,
                            .packet_id = 3,
                            .group = TEXT("$share/g/t")};
    uint32_t used = store_entry_put(&a, chunk);
    assert_true(used <= store_entry_room(&a));
    used += store_entry_put(&b, chunk + used);
    struct store_record in = {
        .type = STORE_SNAP_ENTRIES, .session = 8, .entries = bytes_of(chunk, used)};
    struct store_record out = round_trip(&in);
    struct bytes rest = out.entries;
    struct store_entry entry;
    assert_int_equal(store_entry_next(&rest, id_space, &entry), RC_OK);
    assert_int_equal(entry.number, 1);
    assert_int_equal(store_entry_next(&rest, id_space, &entry), RC_OK);
    assert_int_equal(entry.packet_id, 3);
    assert_bytes(entry.group, b.group);
    assert_int_equal(store_entry_next(&rest, id_space, &entry), RC_NOT_FOUND);
    rest = bytes_of(chunk, used - 1);
    assert_int_equal(store_entry_next(&rest, id_space, &entry), RC_OK);
    assert_int_equal(store_entry_next(&rest, id_space, &entry), RC_INVALID);
}

static void test_not_a_record(void **state)
{
    (void)state;
    struct store_record out;
    static const uint8_t no_class[] = {5, 9, 0, 3, 3};
    assert_int_equal(store_decode(STORE_SEEN_BY, bytes_of(no_class, 5), id_space, &out),
                     RC_INVALID);
    /* A message with an owner of 0, and one with a flag that means nothing yet. */
    static const uint8_t no_owner[] = {1, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                       0, 0,    0, 0, 0, 0, 0, 1, 0, 0, 't'};
    static const uint8_t no_flag[] = {1, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 't'};
    assert_int_equal(
        store_decode(STORE_RETAIN, bytes_of(no_owner, sizeof(no_owner)), id_space, &out),
        RC_INVALID);
    assert_int_equal(store_decode(STORE_RETAIN, bytes_of(no_flag, sizeof(no_flag)), id_space, &out),
                     RC_INVALID);
    static const uint8_t long_varint[] = {0x81, 0x00};
    static const uint8_t wide[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    assert_int_equal(store_decode(0, TEXT("x"), id_space, &out), RC_INVALID);
    assert_int_equal(store_decode(STORE_TYPE_END, TEXT("x"), id_space, &out), RC_INVALID);
    assert_int_equal(store_decode(STORE_SESSION_END, bytes_of(long_varint, 2), id_space, &out),
                     RC_INVALID);
    assert_int_equal(store_decode(STORE_SESSION_END, bytes_of(wide, sizeof(wide)), id_space, &out),
                     RC_INVALID);
    for (unsigned type = 1; type < STORE_TYPE_END; type++)
        assert_non_null(store_type_name((uint8_t)type));
    assert_null(store_type_name(0));
    assert_null(store_type_name(STORE_TYPE_END));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session),        cmocka_unit_test(test_enqueue_with_message),
        cmocka_unit_test(test_enqueue_refers), cmocka_unit_test(test_small_ones),
        cmocka_unit_test(test_short_forms),    cmocka_unit_test(test_snapshot_entries),
        cmocka_unit_test(test_not_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
