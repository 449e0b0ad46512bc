/*
 * test_scram_keys.c -- SCRAM keys of a password (route/scram_keys.h).
 */
#include "scram_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void keys_survive_their_text(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SCRAM_COUNT; i++) {
        enum scram_mechanism mechanism = (enum scram_mechanism)i;
        enum scram_mechanism found;
        struct scram_keys keys;
        struct scram_keys again;
        char text[SCRAM_TEXT_LEN_MAX + 1];
        assert_int_equal(scram_keys_make(mechanism, bytes_of_text("pencil"), SCRAM_ROUNDS, &keys),
                         RC_OK);
        scram_keys_write(mechanism, &keys, text);
        assert_true(scram_keys_kind(text, &found));
        assert_int_equal(found, mechanism);
        assert_int_equal(scram_keys_read(text, mechanism, &again), RC_OK);
        assert_memory_equal(&keys, &again, sizeof(keys));
        assert_int_equal(scram_keys_read(text, (enum scram_mechanism)(1 - i), &again), RC_INVALID);
    }
}

/* The keys in the last text are of "pencil" with the salt of RFC 7677. */
static void texts_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "SCRAM-SHA-256",
        "SCRAM-SHA-256$",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$",
        "SCRAM-SHA-256$1:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2d",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:AAAA",
        "SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$AAAA:AAAA",
    };
    struct scram_keys keys;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(scram_keys_read(rows[i], SCRAM_SHA256, &keys), RC_INVALID);
    assert_int_equal(scram_keys_read("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
                                     "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
                                     "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
                                     SCRAM_SHA256, &keys),
                     RC_OK);
    assert_int_equal(keys.rounds, 4096);
    assert_int_equal(keys.salt_len, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_survive_their_text),
        cmocka_unit_test(texts_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
