/*
 * test_edit_distance.c -- the distance against its definition, written out slowly, and the rule of
 * what is near.
 */
#include "edit_distance.h"

#include "check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The definition by recursion, on the first `a_len` and `b_len` characters. */
static uint32_t slow_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len == 0 || b_len == 0)
        return (uint32_t)(a_len + b_len);
    uint32_t best = slow_distance(a, a_len - 1, b, b_len) + 1;
    best = least(best, slow_distance(a, a_len, b, b_len - 1) + 1);
    best = least(best, slow_distance(a, a_len - 1, b, b_len - 1) + (a[a_len - 1] != b[b_len - 1]));
    if (a_len > 1 && b_len > 1 && a[a_len - 1] == b[b_len - 2] && a[a_len - 2] == b[b_len - 1])
        best = least(best, slow_distance(a, a_len - 2, b, b_len - 2) + 1);
    return best;
}

static void known_distances(void **state)
{
    (void)state;
    assert_int_equal(edit_distance("", ""), 0);
    assert_int_equal(edit_distance("abc", "abc"), 0);
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("max_inflght", "max_inflight"), 1);
    assert_int_equal(edit_distance("max_infilght", "max_inflight"), 1);
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
}

static void random_names_agree_with_the_definition(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 300; round++) {
        char names[2][8] = {"", ""};
        for (int n = 0; n < 2; n++) {
            int len = rand_r(&seed) % 7;
            for (int i = 0; i < len; i++)
                names[n][i] = (char)('a' + rand_r(&seed) % 3);
        }
        uint32_t expected = slow_distance(names[0], strlen(names[0]), names[1], strlen(names[1]));
        if (edit_distance(names[0], names[1]) != expected)
            fail_msg("\"%s\" to \"%s\" should be %u", names[0], names[1], expected);
    }
}

static void long_names_are_near_nothing(void **state)
{
    (void)state;
    char name[EDIT_NAME_LEN_MAX + 2];
    uint32_t distance = 77;
    memset(name, 'a', sizeof(name));
    name[EDIT_NAME_LEN_MAX] = '\0';
    assert_int_equal(edit_distance(name, name), 0);
    name[EDIT_NAME_LEN_MAX] = 'a';
    name[EDIT_NAME_LEN_MAX + 1] = '\0';
    assert_int_equal(edit_distance(name, name), UINT32_MAX);
    assert_false(edit_distance_is_near(name, name, &distance));
    assert_int_equal(distance, 77);
}

static void near_is_a_third(void **state)
{
    (void)state;
    uint32_t distance = 77;
    assert_true(edit_distance_is_near("ab", "ac", &distance));
    assert_int_equal(distance, 1);
    assert_false(edit_distance_is_near("ab", "cd", &distance));
    assert_true(edit_distance_is_near("abcdef", "abcdxy", &distance));
    assert_int_equal(distance, 2);
    assert_false(edit_distance_is_near("abcdef", "abcxyz", &distance));
    assert_int_equal(distance, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_distances),
        cmocka_unit_test(random_names_agree_with_the_definition),
        cmocka_unit_test(long_names_are_near_nothing),
        cmocka_unit_test(near_is_a_third),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
