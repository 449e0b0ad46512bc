/*
 * test_sub_ids.c -- what a kept delivery carries beside its message (route/sub_ids.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limits.h"
#include "mem.h"
#include "sub_ids.h"

static const struct filter_id filter = {.slot = 7, .generation = 8};

static void no_identifier_is_nothing(void **state)
{
    (void)state;
    void *aux = &aux;
    assert_true(sub_ids_pack(NULL, 0, &aux));
    assert_null(aux);
    uint32_t scratch;
    const uint32_t *ids;
    assert_int_equal(sub_ids_view(aux, &scratch, &ids), 0);
    assert_null(sub_ids_extra(aux));
    sub_ids_free(aux);
}

/* A single identifier needs no memory. */
static void one_identifier_fits_into_the_field(void **state)
{
    (void)state;
    static const uint32_t values[] = {1, 2, 3, 4, 127, 128, 65535, SUB_ID_MAX - 1, SUB_ID_MAX};
    bool forced = mem_fail_after(0);
    for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
        void *aux;
        assert_true(sub_ids_pack(&values[i], 1, &aux));
        uint32_t scratch;
        const uint32_t *ids;
        assert_int_equal(sub_ids_view(aux, &scratch, &ids), 1);
        assert_int_equal(ids[0], values[i]);
        assert_null(sub_ids_extra(aux));
        sub_ids_free(aux);
    }
    if (forced)
        (void)mem_fail_after(UINT64_MAX);
}

static void several_identifiers_keep_their_order(void **state)
{
    (void)state;
    uint32_t values[300];
    for (uint32_t i = 0; i < ARRAY_LEN(values); i++)
        values[i] = SUB_ID_MAX - i;
    void *aux;
    assert_true(sub_ids_pack(values, ARRAY_LEN(values), &aux));
    uint32_t scratch;
    const uint32_t *ids;
    assert_int_equal(sub_ids_view(aux, &scratch, &ids), ARRAY_LEN(values));
    assert_memory_equal(ids, values, sizeof(values));
    struct delivery_extra *extra = sub_ids_extra(aux);
    assert_non_null(extra);
    assert_int_equal(extra->group, 0); /* not a shared delivery */
    sub_ids_free(aux);
}

static void a_shared_delivery_knows_where_it_came_from(void **state)
{
    (void)state;
    struct delivery_extra *extra = sub_ids_pack_shared(9, filter, 77, 3);
    assert_non_null(extra);
    assert_ptr_equal(sub_ids_extra(extra), extra);
    assert_int_equal(extra->group, 77);
    assert_int_equal(extra->attempts, 3);
    assert_true(filter_id_equal(extra->filter, filter));
    uint32_t scratch;
    const uint32_t *ids;
    assert_int_equal(sub_ids_view(extra, &scratch, &ids), 1);
    assert_int_equal(ids[0], 9);
    sub_ids_free(extra);
    extra = sub_ids_pack_shared(0, filter, 1, 0);
    assert_non_null(extra);
    assert_int_equal(sub_ids_view(extra, &scratch, &ids), 0);
    sub_ids_free(extra);
}

static void without_memory_there_is_nothing_to_free(void **state)
{
    (void)state;
    static const uint32_t two[] = {1, 2};
    if (!mem_fail_after(0))
        skip();
    void *aux = &aux;
    assert_false(sub_ids_pack(two, 2, &aux));
    assert_null(aux);
    assert_true(mem_fail_after(0));
    assert_null(sub_ids_pack_shared(1, filter, 1, 0));
    (void)mem_fail_after(UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_identifier_is_nothing),
        cmocka_unit_test(one_identifier_fits_into_the_field),
        cmocka_unit_test(several_identifiers_keep_their_order),
        cmocka_unit_test(a_shared_delivery_knows_where_it_came_from),
        cmocka_unit_test(without_memory_there_is_nothing_to_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
