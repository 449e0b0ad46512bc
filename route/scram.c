/*
 * scram.c -- see scram.h.
 *
 * Attributes are a letter, `=`, and a value without commas. Their order is fixed by the RFC;
 * extensions that a client appends are part of what is signed and otherwise passed over, mandatory
 * ones (m=) are refused.
 *
 * Threads: see scram.h.
 */
#include "scram.h"

#include <stdio.h>
#include <string.h>

/* Takes "x=value" up to the next comma or the end off `rest`. False: it is another attribute. */
static bool scram_take(struct bytes *rest, char name, struct bytes *out)
{
    if (rest->len < 2 || rest->ptr[0] != (uint8_t)name || rest->ptr[1] != '=')
        return false;
    const uint8_t *from = rest->ptr + 2;
    const uint8_t *comma = memchr(from, ',', rest->len - 2);
    uint32_t len = comma == NULL ? rest->len - 2 : (uint32_t)(comma - from);
    *out = bytes_of(from, len);
    uint32_t used = 2 + len + (comma != NULL);
    rest->ptr += used;
    rest->len -= used;
    return true;
}

/* The GS2 header: "n," or "y,", then perhaps "a=name", then ",". */
static bool scram_take_header(struct bytes *rest, struct scram_first *out)
{
    const uint8_t *from = rest->ptr;
    if (rest->len < 3 || (from[0] != 'n' && from[0] != 'y') || from[1] != ',')
        return false;
    rest->ptr += 2;
    rest->len -= 2;
    out->authz = bytes_of(rest->ptr, 0);
    bool has_comma = true;
    if (rest->ptr[0] == ',') {
        rest->ptr++;
        rest->len--;
    } else {
        has_comma = scram_take(rest, 'a', &out->authz) && rest->ptr[-1] == ',' && rest->len > 0;
    }
    out->header = bytes_of(from, (size_t)(rest->ptr - from));
    return has_comma;
}

/* RFC 5802: printable ASCII without commas. */
static bool scram_nonce_is_right(struct bytes nonce)
{
    for (uint32_t i = 0; i < nonce.len; i++)
        if (nonce.ptr[i] < 0x21 || nonce.ptr[i] > 0x7e || nonce.ptr[i] == ',')
            return false;
    return nonce.len > 0 && nonce.len <= SCRAM_NONCE_LEN_MAX;
}

bool scram_first_read(struct bytes message, struct scram_first *out)
{
    CHECK(out != NULL);
    struct bytes rest = message;
    struct scram_first first;
    memset(&first, 0, sizeof(first));
    if (message.len > SCRAM_FIRST_LEN_MAX || !scram_take_header(&rest, &first))
        return false;
    first.bare = rest;
    /* A mandatory extension would stand here (m=), and is not known. */
    if (!scram_take(&rest, 'n', &first.user) || !scram_take(&rest, 'r', &first.nonce) ||
        !scram_nonce_is_right(first.nonce))
        return false;
    *out = first;
    return true;
}

bool scram_name_read(struct bytes escaped, uint8_t *out, uint32_t *out_len)
{
    CHECK(out != NULL && out_len != NULL);
    uint32_t len = 0;
    for (uint32_t i = 0; i < escaped.len; i++) {
        uint8_t c = escaped.ptr[i];
        if (c == '=') {
            bool comma = escaped.len - i >= 3 && memcmp(escaped.ptr + i, "=2C", 3) == 0;
            bool equals = escaped.len - i >= 3 && memcmp(escaped.ptr + i, "=3D", 3) == 0;
            if (!comma && !equals)
                return false;
            c = comma ? ',' : '=';
            i += 2;
        }
        if (c == '\0' || len == SCRAM_USER_LEN_MAX)
            return false;
        out[len++] = c;
    }
    *out_len = len;
    return len > 0;
}

void scram_begin(struct scram *scram, enum scram_mechanism mechanism, const struct scram_keys *keys,
                 const struct scram_first *first, const char *nonce)
{
    CHECK(strlen(nonce) == SCRAM_OUR_NONCE_LEN && keys->salt_len <= SCRAM_SALT_LEN_MAX);
    CHECK(first->header.len + first->bare.len <= sizeof(scram->first));
    char salt[DIGEST_BASE64_LEN(SCRAM_SALT_LEN_MAX)];
    memset(scram, 0, sizeof(*scram));
    scram->mechanism = mechanism;
    scram->keys = *keys;
    scram->header_len = first->header.len;
    scram->bare_len = first->bare.len;
    memcpy(scram->first, first->header.ptr, first->header.len);
    memcpy(scram->first + first->header.len, first->bare.ptr, first->bare.len);
    scram->nonce_len = first->nonce.len + SCRAM_OUR_NONCE_LEN;
    digest_base64(bytes_of(keys->salt, keys->salt_len), salt, sizeof(salt));
    int len = snprintf(scram->server, sizeof(scram->server), "r=%.*s%s,s=%s,i=%u",
                       (int)first->nonce.len, (const char *)first->nonce.ptr, nonce, salt,
                       keys->rounds);
    CHECK(len > 0 && (size_t)len < sizeof(scram->server));
    scram->server_len = (uint32_t)len;
}

/* client-final in its parts, views into it; a value. */
struct scram_final {
    struct bytes binding;
    struct bytes nonce;
    struct bytes proof;
    struct bytes unproven; /* everything before ",p=" */
};

static bool scram_final_read(struct bytes message, struct scram_final *out)
{
    struct bytes rest = message;
    memset(out, 0, sizeof(*out));
    if (message.len > SCRAM_FIRST_LEN_MAX || !scram_take(&rest, 'c', &out->binding) ||
        !scram_take(&rest, 'r', &out->nonce))
        return false;
    /* Extensions stand between the nonce and the proof, which is the last. */
    while (rest.len > 0 && rest.ptr[0] != 'p') {
        struct bytes ignored;
        if (rest.ptr[0] == 'm' || !scram_take(&rest, (char)rest.ptr[0], &ignored))
            return false;
    }
    const uint8_t *proof = rest.ptr;
    if (!scram_take(&rest, 'p', &out->proof) || rest.len > 0 || rest.ptr[-1] == ',')
        return false;
    out->unproven = bytes_of(message.ptr, (size_t)(proof - message.ptr) - 1);
    return true;
}

/* Are nonce and channel binding those of this exchange? */
static bool scram_final_fits(const struct scram *scram, const struct scram_final *final)
{
    uint8_t header[SCRAM_FIRST_LEN_MAX];
    uint32_t len = 0;
    return bytes_equal(final->nonce, bytes_of(scram->server + 2, scram->nonce_len)) &&
           digest_base64_read(final->binding, header, sizeof(header), &len) &&
           bytes_equal(bytes_of(header, len), bytes_of(scram->first, scram->header_len));
}

/* client-first-bare,server-first,client-final-without-proof; returns its length. */
static uint32_t scram_auth_message(const struct scram *scram, struct bytes unproven, uint8_t *out)
{
    uint8_t *at = out;
    memcpy(at, scram->first + scram->header_len, scram->bare_len);
    at += scram->bare_len;
    *at++ = ',';
    memcpy(at, scram->server, scram->server_len);
    at += scram->server_len;
    *at++ = ',';
    memcpy(at, unproven.ptr, unproven.len);
    return (uint32_t)(at - out) + unproven.len;
}

bool scram_finish(const struct scram *scram, struct bytes message, char *out, uint32_t *out_len)
{
    struct scram_final final;
    uint8_t auth[2 * SCRAM_FIRST_LEN_MAX + SCRAM_SERVER_LEN_MAX + 2];
    uint8_t proof[DIGEST_LEN_MAX];
    uint8_t key[DIGEST_LEN_MAX];
    uint32_t proof_len = 0;
    enum digest digest = scram_digest(scram->mechanism);
    uint32_t len = digest_len(digest);
    if (!scram_final_read(message, &final) || !scram_final_fits(scram, &final) ||
        !digest_base64_read(final.proof, proof, sizeof(proof), &proof_len) || proof_len != len)
        return false;
    struct bytes text = bytes_of(auth, scram_auth_message(scram, final.unproven, auth));
    digest_hmac(digest, bytes_of(scram->keys.stored, len), text, key);
    for (uint32_t i = 0; i < len; i++)
        key[i] ^= proof[i];
    digest_of(digest, bytes_of(key, len), bytes_of(NULL, 0), proof);
    digest_wipe(key, sizeof(key));
    if (!digest_equal(bytes_of(proof, len), bytes_of(scram->keys.stored, len)))
        return false;
    digest_hmac(digest, bytes_of(scram->keys.server, len), text, key);
    char signature[DIGEST_BASE64_LEN(DIGEST_LEN_MAX)];
    digest_base64(bytes_of(key, len), signature, sizeof(signature));
    int made = snprintf(out, SCRAM_SERVER_LEN_MAX, "v=%s", signature);
    CHECK(made > 0 && made < SCRAM_SERVER_LEN_MAX);
    *out_len = (uint32_t)made;
    return true;
}
