/*
 * digest.c -- see digest.h.
 *
 * BoringSSL for digests (its assembly is the fastest there is), libsodium for comparison, wiping
 * and base64, whose time does not depend on what is decoded.
 *
 * Threads: see digest.h.
 */
#include "digest.h"

#include <openssl/digest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

uint32_t digest_len(enum digest digest)
{
    static const uint8_t lens[] = {
#define DIGEST_ROW(name, len, text) [name] = (len),
        DIGEST_TABLE(DIGEST_ROW)
#undef DIGEST_ROW
    };
    CHECK((unsigned)digest < DIGEST_COUNT);
    STATIC_CHECK(DIGEST_LEN_MAX == EVP_MAX_MD_SIZE, "the longest digest is SHA-512");
    return lens[digest];
}

static const EVP_MD *digest_evp(enum digest digest)
{
    CHECK((unsigned)digest < DIGEST_COUNT);
    return digest == DIGEST_SHA256   ? EVP_sha256()
           : digest == DIGEST_SHA384 ? EVP_sha384()
                                     : EVP_sha512();
}

void digest_of(enum digest digest, struct bytes first, struct bytes second, uint8_t *out)
{
    EVP_MD_CTX context;
    EVP_MD_CTX_init(&context);
    unsigned len = 0;
    /* SHA-2 into a context on the stack fails only for want of memory, of which it takes little. */
    bool done = EVP_DigestInit_ex(&context, digest_evp(digest), NULL) == 1 &&
                EVP_DigestUpdate(&context, first.ptr, first.len) == 1 &&
                EVP_DigestUpdate(&context, second.ptr, second.len) == 1 &&
                EVP_DigestFinal_ex(&context, out, &len) == 1;
    EVP_MD_CTX_cleanup(&context);
    CHECK(done && len == digest_len(digest));
}

void digest_hmac(enum digest digest, struct bytes key, struct bytes data, uint8_t *out)
{
    static const uint8_t none[1];
    unsigned len = 0;
    const uint8_t *key_ptr = key.len > 0 ? key.ptr : none;
    bool done = HMAC(digest_evp(digest), key_ptr, key.len, data.ptr, data.len, out, &len) != NULL;
    CHECK(done && len == digest_len(digest));
}

bool digest_pbkdf2(enum digest digest, struct bytes password, struct bytes salt,
                   uint32_t iterations, uint8_t *out, uint32_t out_len)
{
    CHECK(iterations > 0 && out_len > 0);
    return PKCS5_PBKDF2_HMAC((const char *)password.ptr, password.len, salt.ptr, salt.len,
                             iterations, digest_evp(digest), out_len, out) == 1;
}

bool digest_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || sodium_memcmp(a.ptr, b.ptr, a.len) == 0);
}

void digest_wipe(void *ptr, size_t len)
{
    if (len > 0)
        sodium_memzero(ptr, len);
}

void digest_random(void *out, size_t len)
{
    randombytes_buf(out, len);
}

void digest_base64(struct bytes in, char *out, size_t size)
{
    CHECK(size >= DIGEST_BASE64_LEN((size_t)in.len));
    sodium_bin2base64(out, size, in.ptr, in.len, sodium_base64_VARIANT_ORIGINAL);
}

static bool digest_base64_decode(struct bytes text, uint8_t *out, uint32_t size, int variant,
                                 uint32_t *out_len)
{
    size_t len = 0;
    const char *end = NULL;
    const char *from = (const char *)text.ptr;
    if (sodium_base642bin(out, size, from, text.len, NULL, &len, &end, variant) != 0)
        return false;
    *out_len = (uint32_t)len;
    return end == from + text.len;
}

bool digest_base64_read(struct bytes text, uint8_t *out, uint32_t size, uint32_t *out_len)
{
    return digest_base64_decode(text, out, size, sodium_base64_VARIANT_ORIGINAL, out_len);
}

bool digest_base64url_read(struct bytes text, uint8_t *out, uint32_t size, uint32_t *out_len)
{
    return digest_base64_decode(text, out, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING, out_len);
}
