/*
 * test_jwt.c -- tokens against the examples of RFC 7515, 7519 and 8037 (route/jwt.h, jwt_key.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jwt.h"

/* RFC 7515 appendix A.1, its key as a JWK set. */
#define HS256                                                                                      \
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."                                                    \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define OCT                                                                                        \
    "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"                       \
    "1qS0gZH75aKtMN3Yj0iPS4h"                                                                      \
    "cgUuTwjAzZr1Z9CAow\"}"

/* RFC 7515 appendix A.3. */
#define ES256                                                                                      \
    "eyJhbGciOiJFUzI1NiJ9."                                                                        \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define EC                                                                                         \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","     \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"

/* RFC 8037 appendix A.4: what is signed is no token, so only the key is taken from there. */
#define OKP                                                                                        \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define ED_TEXT "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"

static struct jwt_keys *set_of(const char *one, const char *two)
{
    char text[1024];
    struct jwt_keys *keys = NULL;
    snprintf(text, sizeof(text), "{\"keys\":[%s%s%s]}", one, two[0] != '\0' ? "," : "", two);
    assert_int_equal(jwt_keys_of_jwks(bytes_of_text(text), &keys), RC_OK);
    return keys;
}

static bool check(const char *token, const struct jwt_keys *keys)
{
    struct jwt jwt;
    assert_int_equal(jwt_read(bytes_of_text(token), &jwt), RC_OK);
    bool right = jwt_check(&jwt, keys);
    jwt_fini(&jwt);
    return right;
}

static void the_examples_of_the_standards(void **state)
{
    (void)state;
    struct jwt_keys *hmac = set_of(OCT, "");
    struct jwt_keys *ec = set_of(EC, "");
    struct jwt_keys *both = set_of(OCT, EC);
    assert_int_equal(jwt_keys_count(both), 2);
    assert_true(check(HS256, hmac));
    assert_true(check(ES256, ec));
    assert_true(check(HS256, both));
    assert_true(check(ES256, both));
    assert_false(check(HS256, ec));
    assert_false(check(ES256, hmac));
    jwt_keys_unref(hmac);
    jwt_keys_unref(ec);
    jwt_keys_unref(both);
}

static void ed25519_of_the_standard(void **state)
{
    (void)state;
    static const uint8_t signature[64] = {
        0x86, 0x0c, 0x98, 0xd2, 0x29, 0x7f, 0x30, 0x60, 0xa3, 0x3f, 0x42, 0x73, 0x96,
        0x72, 0xd6, 0x1b, 0x53, 0xcf, 0x3a, 0xde, 0xfe, 0xd3, 0xd3, 0xc6, 0x72, 0xf3,
        0x20, 0xdc, 0x02, 0x1b, 0x41, 0x1e, 0x9d, 0x59, 0xb8, 0x62, 0x8d, 0xc3, 0x51,
        0xe2, 0x48, 0xb8, 0x8b, 0x29, 0x46, 0x8e, 0x0e, 0x41, 0x85, 0x5b, 0x0f, 0xb7,
        0xd8, 0x3b, 0xb1, 0x5b, 0xe9, 0x02, 0xbf, 0xcc, 0xb8, 0xcd, 0x0a, 0x02};
    struct jwt_keys *keys = set_of(OKP, "");
    struct bytes none = bytes_of(NULL, 0);
    struct bytes made = bytes_of(signature, sizeof(signature));
    assert_true(jwt_keys_verify(keys, JWT_EDDSA, none, bytes_of_text(ED_TEXT), made));
    assert_false(jwt_keys_verify(keys, JWT_EDDSA, none, bytes_of_text(ED_TEXT "x"), made));
    made.len--;
    assert_false(jwt_keys_verify(keys, JWT_EDDSA, none, bytes_of_text(ED_TEXT), made));
    jwt_keys_unref(keys);
}

static void times(void **state)
{
    (void)state;
    struct jwt jwt;
    assert_int_equal(jwt_read(bytes_of_text(HS256), &jwt), RC_OK);
    assert_int_equal(jwt_time_check(&jwt, 1300819379, 0), JWT_TIME_OK);
    assert_int_equal(jwt_time_check(&jwt, 1300819380, 0), JWT_TIME_EXPIRED);
    assert_int_equal(jwt_time_check(&jwt, 1300819389, 10), JWT_TIME_OK);
    assert_int_equal(jwt_time_check(&jwt, 1300819390, 10), JWT_TIME_EXPIRED);
    jwt_fini(&jwt);
}

static void sets_that_are_none(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "{}",
        "[]",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[7]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"\"}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"use\":\"enc\"}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"alg\":\"RS256\"}]}",
    };
    struct jwt_keys *keys = NULL;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(jwt_keys_of_jwks(bytes_of_text(rows[i]), &keys), RC_INVALID);
    assert_int_equal(jwt_keys_of_pem(bytes_of_text("no key"), &keys), RC_INVALID);
}

static void tokens_that_are_none(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        ".",
        "..",
        "e30.e30.AA",                               /* no algorithm */
        "eyJhbGciOiJub25lIn0.e30.AA",               /* none */
        "eyJhbGciOiJIUzI1NiJ9.e30",                 /* no signature */
        "eyJhbGciOiJIUzI1NiJ9.e30.",                /* an empty one */
        "eyJhbGciOiJIUzI1NiJ9.W10.AA",              /* claims that are a list */
        "eyJhbGciOiJIUzI1NiJ9.e30.AA.AA",           /* four parts */
        "eyJhbGciOiJIUzI1NiJ9.e30.A",               /* no base64 */
        "eyJhbGciOiJIUzI1NiIsImNyaXQiOltdfQ.e30.AA" /* crit */
    };
    struct jwt jwt;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(jwt_read(bytes_of_text(rows[i]), &jwt), RC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_standards),
        cmocka_unit_test(ed25519_of_the_standard),
        cmocka_unit_test(times),
        cmocka_unit_test(sets_that_are_none),
        cmocka_unit_test(tokens_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
