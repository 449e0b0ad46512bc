/*
 * test_filter_shape.c -- shapes are counted by depth and bounded (route/filter_shape.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "filter_shape.h"

static struct filter_shapes shapes;

static int set_up(void **state)
{
    (void)state;
    return filter_shapes_init(&shapes, 4) != RC_OK;
}

static int tear_down(void **state)
{
    (void)state;
    filter_shapes_fini(&shapes);
    return 0;
}

static struct filter_shape *take(const struct filter_shape *parent, bool is_plus)
{
    struct filter_shape *shape = NULL;
    assert_int_equal(filter_shapes_take(&shapes, parent, is_plus, &shape), RC_OK);
    return shape;
}

static void equal_patterns_share_a_shape(void **state)
{
    (void)state;
    struct filter_shape *literal = take(NULL, false);
    assert_ptr_equal(take(NULL, false), literal);
    assert_int_equal(literal->nodes, 2);
    assert_int_equal(literal->depth, 1);
    struct filter_shape *plus = take(NULL, true);
    assert_ptr_not_equal(plus, literal);
    struct filter_shape *below = take(literal, true);
    assert_int_equal(below->depth, 2);
    assert_ptr_not_equal(take(plus, true), below);
    assert_int_equal(shapes.len, 4);
}

static void a_depth_has_a_bound_of_its_own(void **state)
{
    (void)state;
    struct filter_shape *level[2] = {take(NULL, false), take(NULL, true)};
    struct filter_shape *second[4];
    for (int i = 0; i < 4; i++)
        second[i] = take(level[i / 2], i % 2);
    struct filter_shape *third[4];
    for (int i = 0; i < 4; i++)
        third[i] = take(second[i], false);
    struct filter_shape *none = NULL;
    assert_int_equal(filter_shapes_take(&shapes, second[0], true, &none), RC_FULL);
    assert_null(none);
    assert_ptr_equal(take(second[3], false), third[3]);
    filter_shapes_give(&shapes, third[3]);
    filter_shapes_give(&shapes, third[3]);
    (void)take(second[0], true);
}

/* More shapes than chains at first, so that the table doubles on the way. */
static void many_shapes_come_and_go(void **state)
{
    (void)state;
    static struct filter_shape *chain[3000];
    uint64_t before = shapes.bytes;
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 3000; i++)
            chain[i] = take(i == 0 ? NULL : chain[i - 1], i % 3 == 0);
        assert_int_equal(shapes.len, 3000);
        for (uint32_t i = 3000; i-- > 0;)
            filter_shapes_give(&shapes, chain[i]);
        assert_int_equal(shapes.len, 0);
    }
    assert_true(shapes.bytes > before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(equal_patterns_share_a_shape),
        TEST(a_depth_has_a_bound_of_its_own),
        TEST(many_shapes_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
