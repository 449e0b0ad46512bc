/*
 * scram_keys.c -- see scram_keys.h.
 *
 * RFC 5802 section 3: SaltedPassword is PBKDF2 of the password; ClientKey and ServerKey are HMACs
 * of two fixed texts under it, StoredKey is the digest of ClientKey. Passwords are taken as the
 * bytes they are: SASLprep changes no password of ASCII, and clients do not agree on the others.
 *
 * Threads: see scram_keys.h.
 */
#include "scram_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRAM_SALT_LEN 16

static const char *const scram_names[] = {
#define SCRAM_ROW(constant, name, digest) [constant] = name,
    SCRAM_TABLE(SCRAM_ROW)
#undef SCRAM_ROW
};

static const enum digest scram_digests[] = {
#define SCRAM_ROW(constant, name, digest) [constant] = digest,
    SCRAM_TABLE(SCRAM_ROW)
#undef SCRAM_ROW
};

const char *scram_name(enum scram_mechanism mechanism)
{
    CHECK((unsigned)mechanism < SCRAM_COUNT);
    return scram_names[mechanism];
}

enum digest scram_digest(enum scram_mechanism mechanism)
{
    CHECK((unsigned)mechanism < SCRAM_COUNT);
    return scram_digests[mechanism];
}

bool scram_find(struct bytes name, enum scram_mechanism *out)
{
    CHECK(out != NULL);
    for (unsigned i = 0; i < SCRAM_COUNT; i++) {
        if (bytes_equal(bytes_of_text(scram_names[i]), name)) {
            *out = (enum scram_mechanism)i;
            return true;
        }
    }
    return false;
}

enum rc scram_keys_make(enum scram_mechanism mechanism, struct bytes password, uint32_t rounds,
                        struct scram_keys *out)
{
    CHECK(out != NULL && rounds >= SCRAM_ROUNDS_MIN && rounds <= SCRAM_ROUNDS_MAX);
    enum digest digest = scram_digest(mechanism);
    uint32_t len = digest_len(digest);
    uint8_t salted[DIGEST_LEN_MAX];
    uint8_t client[DIGEST_LEN_MAX];
    memset(out, 0, sizeof(*out));
    out->rounds = rounds;
    out->salt_len = SCRAM_SALT_LEN;
    digest_random(out->salt, out->salt_len);
    if (!digest_pbkdf2(digest, password, bytes_of(out->salt, out->salt_len), rounds, salted, len))
        return RC_NO_MEMORY;
    struct bytes key = bytes_of(salted, len);
    digest_hmac(digest, key, bytes_of_text("Client Key"), client);
    digest_hmac(digest, key, bytes_of_text("Server Key"), out->server);
    digest_of(digest, bytes_of(client, len), bytes_of(NULL, 0), out->stored);
    digest_wipe(salted, sizeof(salted));
    digest_wipe(client, sizeof(client));
    return RC_OK;
}

bool scram_keys_kind(const char *text, enum scram_mechanism *out)
{
    CHECK(text != NULL && out != NULL);
    const char *dollar = strchr(text, '$');
    return dollar != NULL && scram_find(bytes_of(text, (size_t)(dollar - text)), out);
}

/* Reads base64 up to `end` into `out`; false unless it has `want` bytes (0: at least one). */
static bool scram_field(const char **text, char end, uint8_t *out, uint32_t size, uint32_t want,
                        uint32_t *out_len)
{
    size_t len = strcspn(*text, end == '\0' ? "" : (const char[]){end, '\0'});
    struct bytes field = bytes_of(*text, len);
    if ((*text)[len] != end || !digest_base64_read(field, out, size, out_len))
        return false;
    *text += len + (end != '\0');
    return want == 0 ? *out_len > 0 : *out_len == want;
}

enum rc scram_keys_read(const char *text, enum scram_mechanism mechanism, struct scram_keys *out)
{
    enum scram_mechanism found;
    if (!scram_keys_kind(text, &found) || found != mechanism)
        return RC_INVALID;
    struct scram_keys keys;
    memset(&keys, 0, sizeof(keys));
    char *end = NULL;
    const char *at = text + strlen(scram_name(mechanism)) + 1;
    unsigned long rounds = strtoul(at, &end, 10);
    if (*at < '0' || *at > '9' || *end != ':' || rounds < SCRAM_ROUNDS_MIN ||
        rounds > SCRAM_ROUNDS_MAX)
        return RC_INVALID;
    at = end + 1;
    keys.rounds = (uint32_t)rounds;
    uint32_t want = digest_len(scram_digest(mechanism));
    uint32_t len = 0;
    if (!scram_field(&at, '$', keys.salt, sizeof(keys.salt), 0, &keys.salt_len) ||
        !scram_field(&at, ':', keys.stored, sizeof(keys.stored), want, &len) ||
        !scram_field(&at, '\0', keys.server, sizeof(keys.server), want, &len))
        return RC_INVALID;
    *out = keys;
    return RC_OK;
}

void scram_keys_write(enum scram_mechanism mechanism, const struct scram_keys *keys, char *out)
{
    char salt[DIGEST_BASE64_LEN(SCRAM_SALT_LEN_MAX)];
    char stored[DIGEST_BASE64_LEN(DIGEST_LEN_MAX)];
    char server[DIGEST_BASE64_LEN(DIGEST_LEN_MAX)];
    uint32_t len = digest_len(scram_digest(mechanism));
    CHECK(keys->salt_len <= SCRAM_SALT_LEN_MAX && out != NULL);
    digest_base64(bytes_of(keys->salt, keys->salt_len), salt, sizeof(salt));
    digest_base64(bytes_of(keys->stored, len), stored, sizeof(stored));
    digest_base64(bytes_of(keys->server, len), server, sizeof(server));
    snprintf(out, SCRAM_TEXT_LEN_MAX + 1, "%s$%u:%s$%s:%s", scram_name(mechanism), keys->rounds,
             salt, stored, server);
}
