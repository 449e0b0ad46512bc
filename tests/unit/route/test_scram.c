/*
 * test_scram.c -- SCRAM's server side (route/scram.h): the example of RFC 7677, and what is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scram.h"

#define KEYS                                                                                       \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"    \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define NONCE "%hvYDpWUa2RaTCAfuxFIlj)h" /* as long as ours are */
#define FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"

static void begin(struct scram *scram, const char *message)
{
    struct scram_keys keys;
    struct scram_first first;
    assert_int_equal(scram_keys_read(KEYS, SCRAM_SHA256, &keys), RC_OK);
    assert_true(scram_first_read(bytes_of_text(message), &first));
    scram_begin(scram, SCRAM_SHA256, &keys, &first, NONCE);
}

/*
 * RFC 7677 section 3, with its nonce of 31 characters put in the place of ours: ours are of one
 * length, which the arithmetic does not depend on.
 */
static void the_example_of_the_standard(void **state)
{
    (void)state;
    static const char server[] = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                 "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    static const char final[] = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    struct scram scram;
    char out[SCRAM_SERVER_LEN_MAX];
    uint32_t len = 0;
    begin(&scram, FIRST);
    memcpy(scram.server, server, sizeof(server));
    scram.server_len = sizeof(server) - 1;
    scram.nonce_len = strlen("rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    assert_true(scram_finish(&scram, bytes_of_text(final), out, &len));
    assert_string_equal(out, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert_int_equal(len, strlen(out));
    static const char other[] = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                "p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert_false(scram_finish(&scram, bytes_of_text(other), out, &len));
}

static void the_challenge_has_both_nonces(void **state)
{
    (void)state;
    struct scram scram;
    begin(&scram, FIRST);
    assert_string_equal(scram.server,
                        "r=rOprNGfwEbeRWgbNEkqO" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
}

static void first_messages(void **state)
{
    (void)state;
    struct scram_first first;
    static const char *const right[] = {"n,,n=u,r=x", "y,,n=u,r=x", "n,a=u,n=u,r=x",
                                        "n,,n=u,r=x,e=xtension"};
    static const char *const wrong[] = {"",
                                        "n",
                                        "n,",
                                        "n,,",
                                        "n,,n=u",
                                        "n,,n=u,r=",
                                        "n,,r=x,n=u",
                                        "p=x,,n=u,r=x",
                                        "n,x,n=u,r=x",
                                        "n,,m=1,n=u,r=x",
                                        "n,a=u",
                                        "n,,n=u,r=\x80"};
    for (unsigned i = 0; i < ARRAY_LEN(right); i++) {
        assert_true(scram_first_read(bytes_of_text(right[i]), &first));
        assert_true(bytes_equal(first.user, bytes_of_text("u")));
        assert_true(bytes_equal(first.nonce, bytes_of_text("x")));
        assert_int_equal(first.header.len + first.bare.len, strlen(right[i]));
    }
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(scram_first_read(bytes_of_text(wrong[i]), &first));
}

static void names_are_unescaped(void **state)
{
    (void)state;
    uint8_t out[SCRAM_USER_LEN_MAX];
    uint32_t len = 0;
    assert_true(scram_name_read(bytes_of_text("a=2Cb=3D"), out, &len));
    assert_true(bytes_equal(bytes_of(out, len), bytes_of_text("a,b=")));
    static const char *const wrong[] = {"", "=", "=2", "=2c", "a=", "=3", "=41"};
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(scram_name_read(bytes_of_text(wrong[i]), out, &len));
    static char longer[SCRAM_USER_LEN_MAX + 2];
    memset(longer, 'x', sizeof(longer) - 1);
    assert_false(scram_name_read(bytes_of_text(longer), out, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_standard),
        cmocka_unit_test(the_challenge_has_both_nonces),
        cmocka_unit_test(first_messages),
        cmocka_unit_test(names_are_unescaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
