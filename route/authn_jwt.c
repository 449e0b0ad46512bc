/*
 * authn_jwt.c -- see authn_jwt.h.
 *
 * Threads: see authn_jwt.h.
 */
#include "authn_jwt.h"

#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "claims.h"
#include "clock.h"
#include "jwt.h"

struct authn_jwt {
    struct authn_step step;
    struct jwt_keys *keys; /* counted; NULL: none yet */
    struct authn_jwt_options options;
    struct authn_jwt_claim claims[AUTHN_JWT_CLAIMS_MAX];
    uint32_t texts_len;
    uint8_t texts[]; /* what the views of options and claims show, each terminated */
};

/* ---- claims that must fit ---- */

/* Takes the placeholder at `text` off; its value, ptr NULL if there is none at this place. */
static struct bytes authn_jwt_placeholder(struct bytes text, const struct authn_asked *asked,
                                          uint32_t *out_len)
{
    static const char client_id[] = "${clientid}";
    static const char username[] = "${username}";
    STATIC_CHECK(sizeof(client_id) == sizeof(username), "both are taken off alike");
    *out_len = sizeof(client_id) - 1;
    if (text.len >= *out_len && memcmp(text.ptr, client_id, *out_len) == 0)
        return asked->client_id.ptr != NULL ? asked->client_id : bytes_of("", 0);
    if (text.len >= *out_len && memcmp(text.ptr, username, *out_len) == 0)
        return asked->username.ptr != NULL ? asked->username : bytes_of("", 0);
    return bytes_of(NULL, 0);
}

/* Is `value` what `pattern` says, with its placeholders filled in? */
static bool authn_jwt_fits(struct bytes pattern, const struct authn_asked *asked,
                           struct bytes value)
{
    while (pattern.len > 0) {
        uint32_t used = 0;
        struct bytes part = authn_jwt_placeholder(pattern, asked, &used);
        if (part.ptr == NULL) {
            part = bytes_of(pattern.ptr, 1);
            used = 1;
        }
        if (value.len < part.len || (part.len > 0 && memcmp(value.ptr, part.ptr, part.len) != 0))
            return false;
        value.ptr += part.len;
        value.len -= part.len;
        pattern.ptr += used;
        pattern.len -= used;
    }
    return value.len == 0;
}

/* A text, number or truth as the text that an operator would write. */
static bool authn_jwt_fits_one(struct bytes pattern, const struct authn_asked *asked,
                               const json_t *value)
{
    char text[32];
    if (json_is_string(value))
        return authn_jwt_fits(pattern, asked,
                              bytes_of(json_string_value(value), json_string_length(value)));
    if (json_is_integer(value))
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        snprintf(text, sizeof(text), "%s", json_is_true(value) ? "true" : "false");
    else
        return false;
    return authn_jwt_fits(pattern, asked, bytes_of_text(text));
}

static bool authn_jwt_claim_fits(const struct authn_jwt_claim *claim,
                                 const struct authn_asked *asked, const json_t *document)
{
    const json_t *value = json_object_get(document, (const char *)claim->name.ptr);
    if (!json_is_array(value))
        return authn_jwt_fits_one(claim->value, asked, value);
    bool fits = false;
    for (size_t i = 0; i < json_array_size(value) && !fits; i++)
        fits = authn_jwt_fits_one(claim->value, asked, json_array_get(value, i));
    return fits;
}

/* ---- the step ---- */

static enum authn_verdict authn_jwt_admit(const struct authn_jwt *self, struct authn_job *job,
                                          const struct jwt *jwt)
{
    const struct authn_jwt_options *options = &self->options;
    if (jwt_time_check(jwt, clock_wall_ms() / 1000, options->leeway_s) != JWT_TIME_OK)
        return AUTHN_DENY;
    for (uint32_t i = 0; i < options->claims_num; i++)
        if (!authn_jwt_claim_fits(&self->claims[i], &job->asked, jwt->claims))
            return AUTHN_DENY;
    struct claims *claims = mem_alloc(sizeof(*claims));
    if (claims == NULL) {
        job->reason = REASON_SERVER_BUSY;
        return AUTHN_DENY;
    }
    enum authn_verdict verdict = AUTHN_DENY;
    if (claims_read(jwt->claims, (const char *)options->acl_name.ptr, "exp", claims) == RC_OK) {
        if (!options->disconnect_after_expire)
            claims->draft.expires_s = 0;
        else if (claims->draft.expires_s != 0)
            claims->draft.expires_s += options->leeway_s;
        const json_t *sub = json_object_get(jwt->claims, "sub");
        if (options->from_username)
            claims->draft.username = json_is_string(sub)
                                         ? bytes_of(json_string_value(sub), json_string_length(sub))
                                         : bytes_of("", 0);
        verdict = authn_allow(job, &claims->draft);
    }
    mem_free(claims);
    return verdict;
}

static enum authn_verdict authn_jwt_run(const struct authn_step *step, struct authn_job *job)
{
    const struct authn_jwt *self = CONTAINER_OF(step, struct authn_jwt, step);
    struct bytes token = self->options.from_username ? job->asked.username : job->asked.password;
    if (token.ptr == NULL || self->keys == NULL)
        return AUTHN_IGNORE;
    struct jwt *jwt = mem_alloc(sizeof(*jwt));
    if (jwt == NULL) {
        job->reason = REASON_SERVER_BUSY;
        return AUTHN_DENY;
    }
    enum authn_verdict verdict = AUTHN_IGNORE;
    if (jwt_read(token, jwt) == RC_OK) {
        bool wanted = self->options.only < 0 || self->options.only == (int)jwt->alg;
        if (wanted && jwt_check(jwt, self->keys))
            verdict = authn_jwt_admit(self, job, jwt);
        jwt_fini(jwt);
    }
    mem_free(jwt);
    return verdict;
}

static void authn_jwt_destroy(struct authn_step *step)
{
    struct authn_jwt *self = CONTAINER_OF(step, struct authn_jwt, step);
    jwt_keys_unref(self->keys);
    mem_free(self);
}

static const struct authn_step_ops authn_jwt_ops = {
    .name = "jwt", .place = AUTHN_ON_WORKER, .run = authn_jwt_run, .destroy = authn_jwt_destroy};

/* Moves the view to a terminated copy at *at. */
static void authn_jwt_text(struct bytes *view, uint8_t **at)
{
    if (view->len > 0)
        memcpy(*at, view->ptr, view->len);
    (*at)[view->len] = '\0';
    view->ptr = *at;
    *at += view->len + 1;
}

struct authn_step *authn_jwt_create(const struct authn_jwt_options *options, struct jwt_keys *keys)
{
    CHECK(options->claims_num <= AUTHN_JWT_CLAIMS_MAX);
    size_t len = options->acl_name.len + options->url.len + options->ca_file.len + 3;
    for (uint32_t i = 0; i < options->claims_num; i++)
        len += options->claims[i].name.len + options->claims[i].value.len + 2;
    struct authn_jwt *self = alloc_zeroed(sizeof(*self) + len);
    if (self == NULL)
        return NULL;
    self->step = (struct authn_step){.ops = &authn_jwt_ops, .refs = 1};
    self->keys = keys;
    self->options = *options;
    self->options.claims = self->claims;
    self->texts_len = (uint32_t)len;
    uint8_t *at = self->texts;
    authn_jwt_text(&self->options.acl_name, &at);
    authn_jwt_text(&self->options.url, &at);
    authn_jwt_text(&self->options.ca_file, &at);
    for (uint32_t i = 0; i < options->claims_num; i++) {
        self->claims[i] = options->claims[i];
        authn_jwt_text(&self->claims[i].name, &at);
        authn_jwt_text(&self->claims[i].value, &at);
    }
    CHECK(at == self->texts + len);
    return &self->step;
}

const struct authn_jwt_options *authn_jwt_options_of(const struct authn_step *step)
{
    if (step->ops != &authn_jwt_ops)
        return NULL;
    return &CONTAINER_OF(step, struct authn_jwt, step)->options;
}

struct jwt_keys *authn_jwt_keys(const struct authn_step *step)
{
    if (step->ops != &authn_jwt_ops)
        return NULL;
    return CONTAINER_OF(step, struct authn_jwt, step)->keys;
}

struct authn_step *authn_jwt_with(const struct authn_step *step, struct jwt_keys *keys)
{
    const struct authn_jwt_options *options = authn_jwt_options_of(step);
    CHECK(options != NULL && keys != NULL);
    return authn_jwt_create(options, keys);
}
