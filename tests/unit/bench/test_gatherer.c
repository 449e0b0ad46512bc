/*
 * test_gatherer.c -- filters that match nothing (bench/load/gatherer.h) and packets of many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gatherer.h"

static void filters_differ_have_wildcards_and_match_no_topic(void **state)
{
    (void)state;
    static char texts[64][GATHERER_FILTER_LEN_MAX];
    for (unsigned i = 0; i < 64; i++) {
        gatherer_filter(texts[i], "some/where", "run", 1000000 + i);
        assert_non_null(strpbrk(texts[i], "+#"));
        /* Topics are PREFIX/RUN/NUMBER, and no number is called f. */
        assert_non_null(strstr(texts[i], "/run/f/"));
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(texts[i], texts[j]);
    }
}

static void a_long_prefix_is_cut_and_does_no_harm(void **state)
{
    (void)state;
    static char prefix[2000], text[GATHERER_FILTER_LEN_MAX];
    memset(prefix, 'x', sizeof(prefix) - 1);
    gatherer_filter(text, prefix, "run", 1);
    assert_int_equal(strlen(text), GATHERER_FILTER_LEN_MAX - 1);
}

static void many_filters_go_in_one_packet(void **state)
{
    (void)state;
    uint8_t packet[64];
    const char *const filters[] = {"a/+", "b/#"};
    static const uint8_t expected[] = {0x82, 14, 0, 7, 0,   3,   'a', '/',
                                       '+',  1,  0, 3, 'b', '/', '#', 1};
    uint32_t len = codec_subscribe_many_put(packet, sizeof(packet), 4, 7, filters, 2, 1);
    assert_int_equal(len, sizeof(expected));
    assert_memory_equal(packet, expected, sizeof(expected));
    assert_int_equal(codec_subscribe_many_put(packet, 15, 4, 7, filters, 2, 1), 0);
    assert_int_equal(codec_subscribe_many_put(packet, sizeof(packet), 5, 7, filters, 2, 1), 17);
}

static void all_reasons_of_a_suback_are_seen(void **state)
{
    (void)state;
    static const uint8_t packet4[] = {0x90, 5, 0, 7, 0, 0x80, 2};
    static const uint8_t packet5[] = {0x90, 4, 0, 7, 0, 0x97};
    static const uint8_t none[] = {0x90, 3, 0, 7, 0};
    struct codec_frame frame;
    struct bytes reasons;
    assert_int_equal(codec_frame_next(packet4, sizeof(packet4), &frame), RC_OK);
    assert_int_equal(codec_suback_reasons(&frame, 4, &reasons), RC_OK);
    assert_int_equal(reasons.len, 3);
    assert_int_equal(reasons.ptr[1], 0x80);
    assert_int_equal(codec_frame_next(packet5, sizeof(packet5), &frame), RC_OK);
    assert_int_equal(codec_suback_reasons(&frame, 5, &reasons), RC_OK);
    assert_int_equal(reasons.len, 1);
    assert_int_equal(reasons.ptr[0], 0x97);
    assert_int_equal(codec_frame_next(none, sizeof(none), &frame), RC_OK);
    assert_int_equal(codec_suback_reasons(&frame, 5, &reasons), RC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_differ_have_wildcards_and_match_no_topic),
        cmocka_unit_test(a_long_prefix_is_cut_and_does_no_harm),
        cmocka_unit_test(many_filters_go_in_one_packet),
        cmocka_unit_test(all_reasons_of_a_suback_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
