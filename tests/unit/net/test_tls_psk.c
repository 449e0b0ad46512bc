/*
 * test_tls_psk.c -- files of pre-shared keys (net/tls_psk.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tls_psk.h"

static char reason[200];

static struct tls_psk *read_psk(const char *text)
{
    struct tls_psk *psk = NULL;
    assert_int_equal(tls_psk_create(bytes_of_text(text), &psk, reason, sizeof(reason)), RC_OK);
    return psk;
}

static void refuses(const char *text, const char *why)
{
    struct tls_psk *psk = NULL;
    assert_int_equal(tls_psk_create(bytes_of_text(text), &psk, reason, sizeof(reason)), RC_INVALID);
    assert_null(psk);
    if (strstr(reason, why) == NULL)
        fail_msg("%s: %s", why, reason);
}

static void keys_are_found_by_identity(void **state)
{
    (void)state;
    struct tls_psk *psk = read_psk("# comment\r\n\nb:000102030405060708090a0b0c0d0e0F\r\n"
                                   "a:ffffffffffffffffffffffffffffffffff\n"
                                   "c c:00112233445566778899aabbccddeeff");
    uint8_t key[TLS_PSK_KEY_LEN_MAX];
    assert_int_equal(tls_psk_find(psk, "b", key, sizeof(key)), 16);
    for (uint8_t i = 0; i < 16; i++)
        assert_int_equal(key[i], i);
    assert_int_equal(tls_psk_find(psk, "a", key, sizeof(key)), 17);
    assert_int_equal(tls_psk_find(psk, "c c", key, sizeof(key)), 16);
    assert_int_equal(tls_psk_find(psk, "a", key, 16), 0);
    assert_int_equal(tls_psk_find(psk, "", key, sizeof(key)), 0);
    assert_int_equal(tls_psk_find(psk, "d", key, sizeof(key)), 0);
    char long_one[300];
    memset(long_one, 'x', sizeof(long_one) - 1);
    long_one[sizeof(long_one) - 1] = '\0';
    assert_int_equal(tls_psk_find(psk, long_one, key, sizeof(key)), 0);
    tls_psk_destroy(psk);
    tls_psk_destroy(NULL);
}

static void slips_are_told_by_line(void **state)
{
    (void)state;
    refuses("", "no key");
    refuses("# nothing\n", "no key");
    refuses("a:000102030405060708090a0b0c0d0e0f\nb\n", "line 2: there is no colon");
    refuses(":000102030405060708090a0b0c0d0e0f\n", "1 to 128 bytes");
    refuses("a:00010203\n", "32 to 128 hexadecimal digits");
    refuses("a:000102030405060708090a0b0c0d0e0\n", "32 to 128 hexadecimal digits");
    refuses("a:000102030405060708090a0b0c0d0e0g\n", "more in it than hexadecimal");
    refuses("a:000102030405060708090a0b0c0d0e0f \n", "32 to 128 hexadecimal digits");
    refuses("x:000102030405060708090a0b0c0d0e0f\ny:000102030405060708090a0b0c0d0e0f\n"
            "x:100102030405060708090a0b0c0d0e0f\n",
            "lines ");
    char text[400];
    snprintf(text, sizeof(text), "%0129d:000102030405060708090a0b0c0d0e0f", 1);
    refuses(text, "1 to 128 bytes");
    snprintf(text, sizeof(text), "a:%0130d", 1);
    refuses(text, "32 to 128 hexadecimal digits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_by_identity),
        cmocka_unit_test(slips_are_told_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
