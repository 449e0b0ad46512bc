/*
 * jwt_key.c -- see jwt_key.h. Public keys are BoringSSL's; this is their door.
 *
 * A signature of ECDSA in a token is r and s side by side, each as long as the curve's order; RSA's
 * and Ed25519's are as the algorithms make them.
 *
 * Threads: see jwt_key.h; verification only reads the keys.
 */
#include "jwt_key.h"

#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/curve25519.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "alloc.h"
#include "digest.h"

#define JWT_KEYS_MAGIC    0x4a57544bu
#define JWT_RSA_BITS_MIN  2048
#define JWT_RSA_BITS_MAX  16384 /* more takes longer to verify than a client is worth */
#define JWT_FIELD_LEN_MAX 2048  /* of a number in a JWK: 16384 bits */

enum jwt_family { JWT_HMAC, JWT_RSA, JWT_EC, JWT_ED };

struct jwt_alg_info {
    const char *name;
    enum jwt_family family;
    enum digest digest;
    int nid; /* of the digest for RSA, of the curve for EC */
};

static const struct jwt_alg_info jwt_algs[] = {
    [JWT_HS256] = {"HS256", JWT_HMAC, DIGEST_SHA256, 0},
    [JWT_HS384] = {"HS384", JWT_HMAC, DIGEST_SHA384, 0},
    [JWT_HS512] = {"HS512", JWT_HMAC, DIGEST_SHA512, 0},
    [JWT_RS256] = {"RS256", JWT_RSA, DIGEST_SHA256, NID_sha256},
    [JWT_RS384] = {"RS384", JWT_RSA, DIGEST_SHA384, NID_sha384},
    [JWT_RS512] = {"RS512", JWT_RSA, DIGEST_SHA512, NID_sha512},
    [JWT_ES256] = {"ES256", JWT_EC, DIGEST_SHA256, NID_X9_62_prime256v1},
    [JWT_ES384] = {"ES384", JWT_EC, DIGEST_SHA384, NID_secp384r1},
    [JWT_ES512] = {"ES512", JWT_EC, DIGEST_SHA512, NID_secp521r1},
    [JWT_EDDSA] = {"EdDSA", JWT_ED, DIGEST_SHA512, 0},
};

STATIC_CHECK(ARRAY_LEN(jwt_algs) == JWT_ALG_COUNT, "a row for each algorithm");

struct jwt_key {
    EVP_PKEY *public; /* NULL: a secret */
    struct bytes secret;
    struct bytes kid; /* ptr NULL: none */
    enum jwt_family family;
    int only; /* enum jwt_alg that the key is for, or -1 */
};

struct jwt_keys {
    uint32_t magic;
    uint32_t refs;
    uint32_t num;
    struct jwt_key keys[JWT_KEYS_MAX];
};

bool jwt_alg_find(struct bytes name, enum jwt_alg *out)
{
    CHECK(out != NULL);
    for (unsigned i = 0; i < JWT_ALG_COUNT; i++) {
        if (bytes_equal(bytes_of_text(jwt_algs[i].name), name)) {
            *out = (enum jwt_alg)i;
            return true;
        }
    }
    return false;
}

static struct jwt_keys *jwt_keys_create(void)
{
    struct jwt_keys *keys = alloc_zeroed(sizeof(*keys));
    if (keys == NULL)
        return NULL;
    keys->magic = JWT_KEYS_MAGIC;
    keys->refs = 1;
    return keys;
}

struct jwt_keys *jwt_keys_ref(struct jwt_keys *keys)
{
    CHECK_OBJ(keys, JWT_KEYS_MAGIC);
    uint32_t before = __atomic_fetch_add(&keys->refs, 1, __ATOMIC_RELAXED);
    CHECK(before > 0);
    return keys;
}

static void jwt_key_fini(struct jwt_key *key)
{
    EVP_PKEY_free(key->public);
    digest_wipe((void *)(uintptr_t)key->secret.ptr, key->secret.len);
    mem_free((void *)(uintptr_t)key->secret.ptr);
    mem_free((void *)(uintptr_t)key->kid.ptr);
}

void jwt_keys_unref(struct jwt_keys *keys)
{
    if (keys == NULL)
        return;
    CHECK_OBJ(keys, JWT_KEYS_MAGIC);
    if (__atomic_fetch_sub(&keys->refs, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    for (uint32_t i = 0; i < keys->num; i++)
        jwt_key_fini(&keys->keys[i]);
    keys->magic = 0;
    mem_free(keys);
}

uint32_t jwt_keys_count(const struct jwt_keys *keys)
{
    CHECK_OBJ(keys, JWT_KEYS_MAGIC);
    return keys->num;
}

static bool jwt_copy(struct bytes from, struct bytes *out)
{
    uint8_t *copy = mem_alloc(from.len + 1);
    if (copy == NULL)
        return false;
    if (from.len > 0)
        memcpy(copy, from.ptr, from.len);
    *out = bytes_of(copy, from.len);
    return true;
}

struct jwt_keys *jwt_keys_of_secret(struct bytes secret)
{
    CHECK(secret.len > 0);
    struct jwt_keys *keys = jwt_keys_create();
    if (keys == NULL)
        return NULL;
    struct jwt_key *key = &keys->keys[keys->num++];
    *key = (struct jwt_key){.family = JWT_HMAC, .only = -1};
    if (jwt_copy(secret, &key->secret))
        return keys;
    jwt_keys_unref(keys);
    return NULL;
}

/* Is it a key of one of the families, and long enough? Fills in which. */
static bool jwt_key_judge(struct jwt_key *key)
{
    key->only = -1;
    switch (EVP_PKEY_id(key->public)) {
    case EVP_PKEY_RSA:
        key->family = JWT_RSA;
        return EVP_PKEY_bits(key->public) >= JWT_RSA_BITS_MIN &&
               EVP_PKEY_bits(key->public) <= JWT_RSA_BITS_MAX;
    case EVP_PKEY_ED25519:
        key->family = JWT_ED;
        key->only = JWT_EDDSA;
        return true;
    case EVP_PKEY_EC: {
        const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key->public);
        int nid = EC_GROUP_get_curve_name(EC_KEY_get0_group(ec));
        key->family = JWT_EC;
        for (int i = JWT_ES256; i <= JWT_ES512; i++)
            key->only = jwt_algs[i].nid == nid ? i : key->only;
        return key->only >= 0;
    }
    default:
        return false;
    }
}

static EVP_PKEY *jwt_pem_read(struct bytes text)
{
    BIO *bio = BIO_new_mem_buf(text.ptr, text.len);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (key != NULL)
        return key;
    bio = BIO_new_mem_buf(text.ptr, text.len);
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (certificate != NULL)
        key = X509_get_pubkey(certificate);
    X509_free(certificate);
    return key;
}

enum rc jwt_keys_of_pem(struct bytes text, struct jwt_keys **out)
{
    CHECK(out != NULL);
    struct jwt_keys *keys = jwt_keys_create();
    if (keys == NULL)
        return RC_NO_MEMORY;
    struct jwt_key *key = &keys->keys[0];
    key->public = jwt_pem_read(text);
    keys->num = 1;
    bool right = key->public != NULL && jwt_key_judge(key);
    ERR_clear_error();
    if (!right) {
        jwt_keys_unref(keys);
        return RC_INVALID;
    }
    *out = keys;
    return RC_OK;
}

/* ---- JWK sets ---- */

static struct bytes jwt_member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value))
        return bytes_of(NULL, 0);
    return bytes_of(json_string_value(value), json_string_length(value));
}

/* A base64url member as a number; NULL if it is none. */
static BIGNUM *jwt_number(const json_t *object, const char *name)
{
    uint8_t raw[JWT_FIELD_LEN_MAX];
    uint32_t len = 0;
    struct bytes text = jwt_member(object, name);
    if (text.len == 0 || !digest_base64url_read(text, raw, sizeof(raw), &len) || len == 0)
        return NULL;
    return BN_bin2bn(raw, len, NULL);
}

static EVP_PKEY *jwt_rsa(const json_t *object)
{
    BIGNUM *n = jwt_number(object, "n");
    BIGNUM *e = jwt_number(object, "e");
    RSA *rsa = n == NULL || e == NULL ? NULL : RSA_new();
    EVP_PKEY *key = rsa == NULL ? NULL : EVP_PKEY_new();
    if (key == NULL || RSA_set0_key(rsa, n, e, NULL) != 1) {
        BN_free(n);
        BN_free(e);
        RSA_free(rsa);
        EVP_PKEY_free(key);
        return NULL;
    }
    if (EVP_PKEY_assign_RSA(key, rsa) == 1)
        return key;
    RSA_free(rsa);
    EVP_PKEY_free(key);
    return NULL;
}

static EVP_PKEY *jwt_ec(const json_t *object)
{
    static const struct {
        const char *name;
        int nid;
    } curves[] = {
        {"P-256", NID_X9_62_prime256v1}, {"P-384", NID_secp384r1}, {"P-521", NID_secp521r1}};
    struct bytes crv = jwt_member(object, "crv");
    EC_KEY *ec = NULL;
    for (unsigned i = 0; i < ARRAY_LEN(curves); i++)
        if (bytes_equal(crv, bytes_of_text(curves[i].name)))
            ec = EC_KEY_new_by_curve_name(curves[i].nid);
    BIGNUM *x = ec == NULL ? NULL : jwt_number(object, "x");
    BIGNUM *y = ec == NULL ? NULL : jwt_number(object, "y");
    EVP_PKEY *key = NULL;
    /* Refuses a point that is not on the curve. */
    if (x != NULL && y != NULL && EC_KEY_set_public_key_affine_coordinates(ec, x, y) == 1)
        key = EVP_PKEY_new();
    if (key != NULL && EVP_PKEY_set1_EC_KEY(key, ec) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    BN_free(x);
    BN_free(y);
    EC_KEY_free(ec);
    return key;
}

static EVP_PKEY *jwt_ed(const json_t *object)
{
    uint8_t raw[ED25519_PUBLIC_KEY_LEN];
    uint32_t len = 0;
    if (!bytes_equal(jwt_member(object, "crv"), bytes_of_text("Ed25519")) ||
        !digest_base64url_read(jwt_member(object, "x"), raw, sizeof(raw), &len) ||
        len != sizeof(raw))
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof(raw));
}

static bool jwt_oct(const json_t *object, struct jwt_key *key)
{
    uint8_t raw[JWT_FIELD_LEN_MAX];
    uint32_t len = 0;
    if (!digest_base64url_read(jwt_member(object, "k"), raw, sizeof(raw), &len) || len == 0)
        return false;
    bool done = jwt_copy(bytes_of(raw, len), &key->secret);
    digest_wipe(raw, sizeof(raw));
    key->family = JWT_HMAC;
    key->only = -1;
    return done;
}

/* One key of a set into `key`, which is zero; false if it is of no use here. */
static bool jwt_jwk(const json_t *object, struct jwt_key *key)
{
    struct bytes kty = jwt_member(object, "kty");
    struct bytes use = jwt_member(object, "use");
    struct bytes alg = jwt_member(object, "alg");
    struct bytes kid = jwt_member(object, "kid");
    if (!json_is_object(object) || (use.ptr != NULL && !bytes_equal(use, bytes_of_text("sig"))))
        return false;
    if (bytes_equal(kty, bytes_of_text("oct"))) {
        if (!jwt_oct(object, key))
            return false;
    } else {
        key->public = bytes_equal(kty, bytes_of_text("RSA"))   ? jwt_rsa(object)
                      : bytes_equal(kty, bytes_of_text("EC"))  ? jwt_ec(object)
                      : bytes_equal(kty, bytes_of_text("OKP")) ? jwt_ed(object)
                                                               : NULL;
        if (key->public == NULL || !jwt_key_judge(key))
            return false;
    }
    enum jwt_alg only;
    if (alg.ptr != NULL) {
        if (!jwt_alg_find(alg, &only) || jwt_algs[only].family != key->family ||
            (key->only >= 0 && key->only != (int)only))
            return false;
        key->only = only;
    }
    return kid.ptr == NULL || jwt_copy(kid, &key->kid);
}

enum rc jwt_keys_of_jwks(struct bytes text, struct jwt_keys **out)
{
    CHECK(out != NULL);
    json_t *document = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *list = json_object_get(document, "keys");
    struct jwt_keys *keys = json_is_array(list) ? jwt_keys_create() : NULL;
    enum rc rc = keys != NULL ? RC_OK : json_is_array(list) ? RC_NO_MEMORY : RC_INVALID;
    for (size_t i = 0; rc == RC_OK && i < json_array_size(list); i++) {
        if (keys->num == JWT_KEYS_MAX) {
            rc = RC_INVALID;
            break;
        }
        struct jwt_key *key = &keys->keys[keys->num];
        if (jwt_jwk(json_array_get(list, i), key)) {
            keys->num++;
        } else {
            jwt_key_fini(key);
            memset(key, 0, sizeof(*key));
        }
    }
    json_decref(document);
    ERR_clear_error();
    if (rc == RC_OK && keys->num == 0)
        rc = RC_INVALID;
    if (rc != RC_OK) {
        jwt_keys_unref(keys);
        return rc;
    }
    *out = keys;
    return RC_OK;
}

/* ---- verification ---- */

static bool jwt_verify_ec(const struct jwt_key *key, struct bytes hash, struct bytes signature)
{
    EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key->public);
    size_t half = ((size_t)EC_GROUP_get_degree(EC_KEY_get0_group(ec)) + 7) / 8;
    if (signature.len != 2 * half)
        return false;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature.ptr, half, NULL);
    BIGNUM *s = BN_bin2bn(signature.ptr + half, half, NULL);
    bool right = false;
    if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
        right = ECDSA_do_verify(hash.ptr, hash.len, sig, ec) == 1;
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(sig);
    return right;
}

static bool jwt_verify_ed(const struct jwt_key *key, struct bytes text, struct bytes signature)
{
    uint8_t raw[ED25519_PUBLIC_KEY_LEN];
    size_t len = sizeof(raw);
    return signature.len == ED25519_SIGNATURE_LEN &&
           EVP_PKEY_get_raw_public_key(key->public, raw, &len) == 1 && len == sizeof(raw) &&
           ED25519_verify(text.ptr, text.len, signature.ptr, raw) == 1;
}

static bool jwt_verify(const struct jwt_key *key, const struct jwt_alg_info *info,
                       struct bytes text, struct bytes signature)
{
    uint8_t made[DIGEST_LEN_MAX];
    struct bytes hash = bytes_of(made, digest_len(info->digest));
    switch (info->family) {
    case JWT_HMAC:
        digest_hmac(info->digest, key->secret, text, made);
        return digest_equal(hash, signature);
    case JWT_ED:
        return jwt_verify_ed(key, text, signature);
    case JWT_RSA:
        digest_of(info->digest, text, bytes_of(NULL, 0), made);
        return RSA_verify(info->nid, hash.ptr, hash.len, signature.ptr, signature.len,
                          EVP_PKEY_get0_RSA(key->public)) == 1;
    case JWT_EC:
        digest_of(info->digest, text, bytes_of(NULL, 0), made);
        return jwt_verify_ec(key, hash, signature);
    }
    UNREACHABLE();
}

bool jwt_keys_verify(const struct jwt_keys *keys, enum jwt_alg alg, struct bytes kid,
                     struct bytes text, struct bytes signature)
{
    CHECK_OBJ(keys, JWT_KEYS_MAGIC);
    CHECK((unsigned)alg < JWT_ALG_COUNT);
    bool right = false;
    for (uint32_t i = 0; i < keys->num && !right; i++) {
        const struct jwt_key *key = &keys->keys[i];
        if (key->family != jwt_algs[alg].family || (key->only >= 0 && key->only != (int)alg))
            continue;
        if (kid.ptr != NULL && key->kid.ptr != NULL && !bytes_equal(kid, key->kid))
            continue;
        right = jwt_verify(key, &jwt_algs[alg], text, signature);
    }
    ERR_clear_error();
    return right;
}
