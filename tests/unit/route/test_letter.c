/*
 * test_letter.c -- a publication as bytes of a parcel (route/letter.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "letter.h"
#include "mail.h"

static uint64_t room[MAIL_POST_LEN_MAX / 8];

static struct pub sample(void)
{
    static uint8_t payload[MAIL_POST_LEN_MAX];
    memset(payload, 'p', sizeof(payload));
    return (struct pub){
        .topic = bytes_of_text("a/topic"),
        .props = bytes_of_text("props"),
        .payload = bytes_of(payload, 64),
        .topic_hash = 1,
        .expires_at_ms = 2,
        .received_ns = 3,
        .publisher_hash = 4,
        .publisher = {.slot = 5, .generation = 6, .shard = 7},
        .stored_at = 8, /* of another shard's log */
        .qos = 2,
        .retain = true,
    };
}

static void a_publication_arrives_as_it_was(void **state)
{
    (void)state;
    struct pub pub = sample();
    uint32_t len = letter_len(&pub, 3);
    assert_true(len > 0);
    struct filter_id *ids = letter_write(room, &pub, 3);
    const struct filter_id sent[] = {{.slot = 11, .generation = 1}, {.slot = 12, .generation = 2}};
    memcpy(ids, sent, sizeof(sent));
    letter_ids_set(room, 2);
    struct pub got;
    uint32_t count;
    const struct filter_id *read = letter_read(room, len, &got, &count);
    assert_int_equal(count, 2);
    assert_memory_equal(read, sent, sizeof(sent));
    assert_true(bytes_equal(got.topic, pub.topic));
    assert_true(bytes_equal(got.props, pub.props));
    assert_true(bytes_equal(got.payload, pub.payload));
    assert_int_equal(got.topic_hash, 1);
    assert_int_equal(got.expires_at_ms, 2);
    assert_int_equal(got.received_ns, 3);
    assert_int_equal(got.publisher_hash, 4);
    assert_true(handle_equal(got.publisher, pub.publisher));
    assert_int_equal(got.qos, 2);
    assert_true(got.retain);
    /* Nothing of the sender's own. */
    assert_null(got.msg);
    assert_int_equal(got.stored_at, 0);
    assert_int_equal(got.stored_id, 0);
    assert_true(hold_ticket_is_none(&got.ticket));
    assert_true(got.payload.ptr + got.payload.len == (const uint8_t *)room + len);
}

static void empty_parts_are_no_parts(void **state)
{
    (void)state;
    struct pub pub = {.topic = bytes_of_text("t")};
    uint32_t len = letter_len(&pub, 0);
    letter_write(room, &pub, 0);
    letter_ids_set(room, 0);
    struct pub got;
    uint32_t count;
    letter_read(room, len, &got, &count);
    assert_int_equal(count, 0);
    assert_true(bytes_equal(got.topic, pub.topic));
    assert_int_equal(got.props.len + got.payload.len, 0);
    assert_int_equal(got.qos, 0);
    assert_false(got.retain);
}

static void what_is_long_or_has_an_identity_is_none(void **state)
{
    (void)state;
    struct pub pub = sample();
    uint32_t rest = MAIL_POST_LEN_MAX - letter_len(&pub, 1);
    pub.payload.len += rest;
    assert_int_equal(letter_len(&pub, 1), MAIL_POST_LEN_MAX);
    pub.payload.len++;
    assert_int_equal(letter_len(&pub, 1), 0);
    pub.payload.len = UINT32_MAX;
    assert_int_equal(letter_len(&pub, 1), 0);
    pub = sample();
    assert_int_equal(letter_len(&pub, 1000), 0);
    assert_int_equal(letter_len(&pub, UINT32_MAX), 0);
    pub.stored_id = 1;
    assert_int_equal(letter_len(&pub, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publication_arrives_as_it_was),
        cmocka_unit_test(empty_parts_are_no_parts),
        cmocka_unit_test(what_is_long_or_has_an_identity_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
