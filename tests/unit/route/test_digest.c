/*
 * test_digest.c -- hashes, HMAC, PBKDF2 and base64 (route/digest.h) against published vectors.
 */
#include "digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void same(const uint8_t *got, const char *hex)
{
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        unsigned want = 0;
        for (unsigned j = 0; j < 2; j++) {
            char c = hex[2 * i + j];
            want = want * 16 + (unsigned)(c >= 'a' ? c - 'a' + 10 : c - '0');
        }
        assert_int_equal(got[i], want);
    }
}

/* FIPS 180-4: "abc"; and its pieces are the whole. */
static void digests_are_those_of_the_standard(void **state)
{
    (void)state;
    uint8_t out[DIGEST_LEN_MAX];
    digest_of(DIGEST_SHA256, bytes_of_text("a"), bytes_of_text("bc"), out);
    same(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_of(DIGEST_SHA384, bytes_of_text("abc"), bytes_of(NULL, 0), out);
    same(out, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed");
    digest_of(DIGEST_SHA512, bytes_of(NULL, 0), bytes_of_text("abc"), out);
    same(out, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a");
}

/* RFC 4231 case 2, RFC 7914 section 11. */
static void keyed_digests_are_those_of_the_standards(void **state)
{
    (void)state;
    uint8_t out[DIGEST_LEN_MAX];
    digest_hmac(DIGEST_SHA256, bytes_of_text("Jefe"), bytes_of_text("what do ya want for nothing?"),
                out);
    same(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_true(
        digest_pbkdf2(DIGEST_SHA256, bytes_of_text("passwd"), bytes_of_text("salt"), 1, out, 64));
    same(out, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
              "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
}

static void base64_is_canonical_or_refused(void **state)
{
    (void)state;
    char text[DIGEST_BASE64_LEN(5)];
    uint8_t out[8];
    uint32_t len = 0;
    digest_base64(bytes_of_text("hello"), text, sizeof(text));
    assert_string_equal(text, "aGVsbG8=");
    assert_true(digest_base64_read(bytes_of_text(text), out, sizeof(out), &len));
    assert_int_equal(len, 5);
    assert_memory_equal(out, "hello", 5);
    assert_true(digest_base64url_read(bytes_of_text("-_8"), out, sizeof(out), &len));
    assert_int_equal(len, 2);
    static const char *const wrong[] = {"aGVsbG8", "aGVsbG9=", "aGVs bG8=", "aGVsbG8=x", "=", "a"};
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(digest_base64_read(bytes_of_text(wrong[i]), out, sizeof(out), &len));
    assert_false(digest_base64url_read(bytes_of_text("aGVsbG8="), out, sizeof(out), &len));
    assert_false(digest_base64url_read(bytes_of_text("+/8"), out, sizeof(out), &len));
    assert_false(digest_base64_read(bytes_of_text("aGVsbG8gaGVsbG8="), out, sizeof(out), &len));
}

static void comparison_looks_at_length_and_content(void **state)
{
    (void)state;
    assert_true(digest_equal(bytes_of_text("abc"), bytes_of_text("abc")));
    assert_false(digest_equal(bytes_of_text("abc"), bytes_of_text("abd")));
    assert_false(digest_equal(bytes_of_text("abc"), bytes_of_text("ab")));
    assert_true(digest_equal(bytes_of(NULL, 0), bytes_of(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_the_standard),
        cmocka_unit_test(keyed_digests_are_those_of_the_standards),
        cmocka_unit_test(base64_is_canonical_or_refused),
        cmocka_unit_test(comparison_looks_at_length_and_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
