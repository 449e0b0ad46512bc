/*
 * access_jwt.c -- see access_jwt.h.
 *
 * Exactly one of the keys that say where the keys are must be there. A secret stands in a file of
 * its own, so that a configuration can be shown to others.
 *
 * Threads: see access_jwt.h.
 */
#include "access_jwt.h"

#include <stdlib.h>
#include <string.h>

#include "access_file.h"
#include "authn_jwt.h"
#include "digest.h"
#include "jwt.h"

#define ACCESS_KEY_BYTES_MAX (1024 * 1024)

STATIC_CHECK((int)CONFIG_JWT_EDDSA == (int)JWT_EDDSA + 1, "`any`, then the algorithms");
STATIC_CHECK(CONFIG_FIELDS_MAX <= AUTHN_JWT_CLAIMS_MAX, "what can be configured can be verified");

/* The keys that the file's content makes, by the kind that the step asks for. */
typedef enum rc (*access_jwt_fn)(const struct config_authn *from, struct bytes text,
                                 struct jwt_keys **out);

static enum rc access_jwt_secret(const struct config_authn *from, struct bytes text,
                                 struct jwt_keys **out)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    if (!from->secret_base64) {
        *out = text.len > 0 ? jwt_keys_of_secret(text) : NULL;
        return *out != NULL ? RC_OK : text.len > 0 ? RC_NO_MEMORY : RC_INVALID;
    }
    uint32_t len = 0;
    uint8_t *raw = malloc(text.len + 1);
    enum rc rc = raw == NULL ? RC_NO_MEMORY : RC_INVALID;
    if (raw != NULL && digest_base64_read(text, raw, text.len, &len) && len > 0) {
        *out = jwt_keys_of_secret(bytes_of(raw, len));
        rc = *out != NULL ? RC_OK : RC_NO_MEMORY;
    }
    if (raw != NULL)
        digest_wipe(raw, text.len);
    free(raw);
    return rc;
}

static enum rc access_jwt_pem(const struct config_authn *from, struct bytes text,
                              struct jwt_keys **out)
{
    (void)from;
    return jwt_keys_of_pem(text, out);
}

static enum rc access_jwt_jwks(const struct config_authn *from, struct bytes text,
                               struct jwt_keys **out)
{
    (void)from;
    return jwt_keys_of_jwks(text, out);
}

static bool access_jwt_keys(const struct config_authn *from, struct jwt_keys **out,
                            const struct config_report *report)
{
    const struct {
        const char *path;
        access_jwt_fn read;
        const char *what;
    } sources[] = {{from->secret_file, access_jwt_secret, "a secret"},
                   {from->public_key, access_jwt_pem, "a public key that can be used"},
                   {from->jwks_file, access_jwt_jwks, "a JWK set with a key that can be used"}};
    unsigned found = 0;
    unsigned num = from->jwks_url[0] != '\0';
    for (unsigned i = 0; i < ARRAY_LEN(sources); i++) {
        num += sources[i].path[0] != '\0';
        found = sources[i].path[0] != '\0' ? i : found;
    }
    if (num != 1)
        return config_refuse(report,
                             "the step needs one of `secret_file`, `public_key`, `jwks_file` "
                             "and `jwks_url`");
    *out = NULL;
    if (from->jwks_url[0] != '\0')
        return strncmp(from->jwks_url, "http://", 7) == 0 ||
               strncmp(from->jwks_url, "https://", 8) == 0 ||
               config_refuse(report, "`jwks_url` begins with http:// or https://");
    size_t len = 0;
    const char *path = sources[found].path;
    uint8_t *text = access_file_read(path, ACCESS_KEY_BYTES_MAX, &len, report);
    if (text == NULL)
        return false;
    enum rc rc = sources[found].read(from, bytes_of(text, len), out);
    digest_wipe(text, len);
    free(text);
    if (rc == RC_INVALID)
        return config_refuse(report, "%s is not %s", path, sources[found].what);
    return rc == RC_OK || config_refuse(report, "%s", rc_text(rc));
}

struct authn_step *access_jwt(const struct config_authn *from, const struct config_report *report)
{
    struct jwt_keys *keys = NULL;
    if (!access_jwt_keys(from, &keys, report))
        return NULL;
    struct authn_jwt_claim claims[AUTHN_JWT_CLAIMS_MAX];
    for (uint32_t i = 0; i < from->verify_claims.num; i++)
        claims[i] = (struct authn_jwt_claim){
            .name = bytes_of_text(from->verify_claims.items[i].name),
            .value = bytes_of_text(from->verify_claims.items[i].value)};
    struct authn_jwt_options options = {
        .from_username = from->from == CONFIG_FROM_USERNAME,
        .disconnect_after_expire = from->disconnect_after_expire,
        .only = (int)from->algorithm - 1,
        .leeway_s = from->leeway_s,
        .acl_name = bytes_of_text(from->acl_claim),
        .url = bytes_of_text(from->jwks_url),
        .ca_file = bytes_of_text(from->ca),
        .insecure = !from->verify,
        .refresh_s = from->jwks_refresh_s,
        .claims = claims,
        .claims_num = from->verify_claims.num,
    };
    struct authn_step *step = authn_jwt_create(&options, keys);
    if (step == NULL) {
        jwt_keys_unref(keys);
        config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
    }
    return step;
}
