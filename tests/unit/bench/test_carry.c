/*
 * test_carry.c -- packets out of pieces (bench/load/carry.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "carry.h"

/* A PUBACK, a packet of 200 bytes (two length bytes), an empty one, and another PUBACK. */
static uint32_t packets_put(uint8_t *to)
{
    uint32_t len = 0;
    codec_ack_put(to, CODEC_PUBACK, 1);
    len += CODEC_ACK_LEN;
    const uint8_t head[] = {CODEC_PUBLISH << 4, 0x80 | (197 & 0x7f), 197 >> 7};
    memcpy(to + len, head, sizeof(head));
    memset(to + len + sizeof(head), 'x', 197);
    len += 200;
    to[len++] = CODEC_DISCONNECT << 4;
    to[len++] = 0;
    codec_ack_put(to + len, CODEC_PUBACK, 2);
    return len + CODEC_ACK_LEN;
}

static void packets_check(const uint8_t *all, const struct codec_frame *frames, unsigned num)
{
    static const uint32_t lens[] = {4, 200, 2, 4};
    uint32_t at = 0;
    assert_int_equal(num, 4);
    for (unsigned i = 0; i < num; i++) {
        assert_int_equal(frames[i].len, lens[i]);
        assert_int_equal(frames[i].type, all[at] >> 4);
        at += lens[i];
    }
}

static void pieces_of_any_size_give_the_same_packets(void **state)
{
    (void)state;
    uint8_t all[300];
    uint32_t len = packets_put(all);
    for (uint32_t piece = 1; piece <= len; piece++) {
        struct carry carry = {.data = NULL};
        struct codec_frame frames[8];
        unsigned num = 0;
        uint32_t at = 0;
        while (at < len) {
            struct bytes input = bytes_of(all + at, len - at < piece ? len - at : piece);
            struct codec_frame frame;
            enum rc rc;
            at += input.len;
            while ((rc = carry_next(&carry, &input, &frame)) == RC_OK) {
                assert_true(num < 8);
                const uint8_t *begin = frame.body.ptr + frame.body.len - frame.len;
                uint32_t before = num == 0 ? 0 : num == 1 ? 4 : num == 2 ? 204 : 206;
                assert_memory_equal(begin, all + before, frame.len);
                frames[num++] = frame;
            }
            assert_int_equal(rc, RC_MORE);
            assert_int_equal(input.len, 0);
        }
        packets_check(all, frames, num);
        carry_fini(&carry);
    }
}

static void memory_grows_with_what_has_come(void **state)
{
    (void)state;
    const uint8_t huge[] = {CODEC_PUBLISH << 4, 0xff, 0xff, 0xff, 0x7f, 'a'};
    struct carry carry = {.data = NULL};
    struct bytes input = bytes_of(huge, sizeof(huge));
    struct codec_frame frame;
    assert_int_equal(carry_next(&carry, &input, &frame), RC_MORE);
    assert_in_range(carry.capacity, sizeof(huge), 4 * sizeof(huge));
    carry_fini(&carry);
}

static void a_fifth_length_byte_is_refused(void **state)
{
    (void)state;
    const uint8_t bad[] = {CODEC_PUBLISH << 4, 0xff, 0xff, 0xff, 0xff, 0x01};
    for (uint32_t first = 1; first <= 5; first++) {
        struct carry carry = {.data = NULL};
        struct bytes input = bytes_of(bad, first);
        struct codec_frame frame;
        enum rc rc = carry_next(&carry, &input, &frame);
        if (rc == RC_MORE) {
            input = bytes_of(bad + first, sizeof(bad) - first);
            rc = carry_next(&carry, &input, &frame);
        }
        assert_int_equal(rc, RC_INVALID);
        carry_fini(&carry);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_size_give_the_same_packets),
        cmocka_unit_test(memory_grows_with_what_has_come),
        cmocka_unit_test(a_fifth_length_byte_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
