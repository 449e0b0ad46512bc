/*
 * test_parcel.c -- many letters in one piece of memory (engine/parcel.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "mem.h"
#include "parcel.h"

static void letters_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct parcel *parcel = parcel_create(4096);
    assert_non_null(parcel);
    for (uint32_t len = 0; len < 60; len++) {
        uint8_t *bytes = parcel_add(parcel, (uint8_t)(len % 7), len);
        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % 8, 0);
        memset(bytes, (int)len, len);
    }
    assert_int_equal(parcel->count, 60);
    uint32_t at = 0;
    uint32_t num = 0;
    struct parcel_letter letter;
    for (const uint8_t *bytes; (bytes = parcel_next(parcel, &at, &letter)) != NULL; num++) {
        assert_int_equal(letter.len, num);
        assert_int_equal(letter.kind, num % 7);
        for (uint32_t i = 0; i < letter.len; i++)
            assert_int_equal(bytes[i], num);
    }
    assert_int_equal(num, 60);
    mem_free(parcel);
}

static void what_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    struct parcel *parcel = parcel_create(sizeof(struct parcel) + 3 * parcel_room(8));
    assert_non_null(parcel_add(parcel, 1, 8));
    assert_null(parcel_add(parcel, 1, 41));
    assert_null(parcel_add(parcel, 1, UINT32_MAX - 16));
    assert_non_null(parcel_add(parcel, 2, 5));
    assert_non_null(parcel_add(parcel, 3, 8)); /* to the last byte */
    assert_null(parcel_add(parcel, 4, 0));
    assert_int_equal(parcel->count, 3);
    assert_int_equal(parcel->used, parcel->capacity);
    uint32_t at = 0;
    struct parcel_letter letter;
    for (uint32_t kind = 1; kind <= 3; kind++) {
        assert_non_null(parcel_next(parcel, &at, &letter));
        assert_int_equal(letter.kind, kind);
    }
    assert_null(parcel_next(parcel, &at, &letter));
    mem_free(parcel);
}

static void an_empty_one_has_no_letter(void **state)
{
    (void)state;
    struct parcel *parcel = parcel_create(64);
    struct parcel_letter letter;
    uint32_t at = 0;
    assert_null(parcel_next(parcel, &at, &letter));
    assert_null(parcel_next(parcel, &at, &letter));
    mem_free(parcel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_come_out_as_they_went_in),
        cmocka_unit_test(what_does_not_fit_changes_nothing),
        cmocka_unit_test(an_empty_one_has_no_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
