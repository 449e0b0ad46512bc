/*
 * jwt.c -- see jwt.h.
 *
 * Threads: see jwt.h.
 */
#include "jwt.h"

#include <string.h>

#include "digest.h"
#include "mem.h"

/* Takes what stands before the next dot off `rest`, or all of it for the last part. */
static bool jwt_part(struct bytes *rest, bool is_last, struct bytes *out)
{
    const uint8_t *dot = rest->len == 0 ? NULL : memchr(rest->ptr, '.', rest->len);
    if ((dot == NULL) != is_last)
        return false;
    *out = bytes_of(rest->ptr, is_last ? rest->len : (size_t)(dot - rest->ptr));
    uint32_t used = out->len + !is_last;
    rest->ptr += used;
    rest->len -= used;
    return out->len > 0;
}

/* A part that is an object in JSON. NULL: it is none, or there is no memory. */
static json_t *jwt_object(struct bytes part)
{
    uint32_t len = 0;
    uint8_t *raw = mem_alloc(part.len);
    json_t *object = NULL;
    if (raw != NULL && digest_base64url_read(part, raw, part.len, &len))
        object = json_loadb((const char *)raw, len, JSON_REJECT_DUPLICATES, NULL);
    mem_free(raw);
    if (object != NULL && !json_is_object(object)) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

static bool jwt_header(struct jwt *jwt)
{
    const json_t *alg = json_object_get(jwt->header, "alg");
    const json_t *kid = json_object_get(jwt->header, "kid");
    const json_t *typ = json_object_get(jwt->header, "typ");
    if (!json_is_string(alg) || json_object_get(jwt->header, "crit") != NULL ||
        (kid != NULL && !json_is_string(kid)) || (typ != NULL && !json_is_string(typ)))
        return false;
    if (kid != NULL)
        jwt->kid = bytes_of(json_string_value(kid), json_string_length(kid));
    return jwt_alg_find(bytes_of(json_string_value(alg), json_string_length(alg)), &jwt->alg);
}

enum rc jwt_read(struct bytes token, struct jwt *out)
{
    CHECK(out != NULL);
    struct bytes rest = token;
    struct bytes parts[3];
    memset(out, 0, sizeof(*out));
    if (token.len > JWT_LEN_MAX)
        return RC_INVALID;
    for (unsigned i = 0; i < ARRAY_LEN(parts); i++)
        if (!jwt_part(&rest, i == 2, &parts[i]))
            return RC_INVALID;
    out->text = bytes_of(token.ptr, parts[0].len + 1 + parts[1].len);
    bool right = digest_base64url_read(parts[2], out->signature, sizeof(out->signature),
                                       &out->signature_len);
    out->header = right ? jwt_object(parts[0]) : NULL;
    out->claims = out->header != NULL ? jwt_object(parts[1]) : NULL;
    if (out->claims != NULL && jwt_header(out))
        return RC_OK;
    jwt_fini(out);
    return RC_INVALID;
}

void jwt_fini(struct jwt *jwt)
{
    json_decref(jwt->header);
    json_decref(jwt->claims);
    jwt->header = NULL;
    jwt->claims = NULL;
}

bool jwt_check(const struct jwt *jwt, const struct jwt_keys *keys)
{
    CHECK(jwt->header != NULL && jwt->claims != NULL);
    return jwt_keys_verify(keys, jwt->alg, jwt->kid, jwt->text,
                           bytes_of(jwt->signature, jwt->signature_len));
}

/* A time in seconds; absent: false. A number that is none is told by *out_wrong. */
static bool jwt_time(const struct jwt *jwt, const char *name, double *out, bool *out_wrong)
{
    const json_t *value = json_object_get(jwt->claims, name);
    if (value == NULL)
        return false;
    *out = json_number_value(value);
    if (!json_is_number(value) || !(*out >= 0 && *out < 1e15))
        *out_wrong = true;
    return true;
}

enum jwt_time jwt_time_check(const struct jwt *jwt, uint64_t now_s, uint64_t leeway_s)
{
    CHECK(jwt->claims != NULL);
    double at = 0;
    bool wrong = false;
    double now = (double)now_s;
    double leeway = (double)leeway_s;
    enum jwt_time found = JWT_TIME_OK;
    if (jwt_time(jwt, "iat", &at, &wrong) && at > now + leeway)
        found = JWT_TIME_FUTURE;
    if (jwt_time(jwt, "nbf", &at, &wrong) && at > now + leeway)
        found = JWT_TIME_EARLY;
    if (jwt_time(jwt, "exp", &at, &wrong) && at + leeway <= now)
        found = JWT_TIME_EXPIRED;
    return wrong ? JWT_TIME_WRONG : found;
}
