/*
 * authn_scram.c -- see authn_scram.h.
 *
 * The salt of nobody is an HMAC of the name under a secret of the step, so that asking twice gives
 * the same one; its rounds and length are those of a user of the table.
 *
 * Threads: see authn_scram.h.
 */
#include "authn_scram.h"

#include "alloc.h"
#include "scram.h"

struct authn_scram {
    struct authn_step step;
    struct user_table *users;
    enum scram_mechanism mechanism;
    uint8_t secret[32];
};

/* What is remembered between the client's two words. */
struct authn_scram_exchange {
    struct scram scram;
    bool is_known;
    bool is_superuser;
    uint32_t user_len;
    uint8_t user[SCRAM_USER_LEN_MAX];
};

STATIC_CHECK(SCRAM_SERVER_LEN_MAX <= AUTHN_ANSWER_MAX, "our messages fit into an answer");
STATIC_CHECK(SCRAM_USER_LEN_MAX == USER_NAME_LEN_MAX, "both are names of users");

static bool authn_scram_takes(const struct authn_step *step, struct bytes method)
{
    const struct authn_scram *self = CONTAINER_OF(step, struct authn_scram, step);
    return bytes_equal(method, bytes_of_text(scram_name(self->mechanism)));
}

/* Keys with which nobody can prove anything. */
static void authn_scram_decoy(const struct authn_scram *self, struct bytes user,
                              struct scram_keys *out)
{
    uint8_t made[DIGEST_LEN_MAX];
    const char *other = user_table_decoy_scram(self->users, user, self->mechanism);
    if (other == NULL || scram_keys_read(other, self->mechanism, out) != RC_OK)
        *out = (struct scram_keys){.rounds = SCRAM_ROUNDS, .salt_len = 16};
    digest_hmac(DIGEST_SHA512, bytes_of(self->secret, sizeof(self->secret)), user, made);
    memcpy(out->salt, made, out->salt_len);
    digest_random(out->stored, sizeof(out->stored));
    digest_random(out->server, sizeof(out->server));
}

static void authn_scram_nonce(char *out)
{
    uint8_t random[18];
    STATIC_CHECK(SCRAM_OUR_NONCE_LEN + 1 == DIGEST_BASE64_LEN(sizeof(random)), "one nonce");
    digest_random(random, sizeof(random));
    digest_base64(bytes_of(random, sizeof(random)), out, SCRAM_OUR_NONCE_LEN + 1);
}

static enum authn_verdict authn_scram_first(const struct authn_scram *self, struct authn_job *job)
{
    struct scram_first first;
    struct scram_keys keys;
    struct authn_scram_exchange *exchange = mem_alloc(sizeof(*exchange));
    if (exchange == NULL) {
        job->reason = REASON_SERVER_BUSY;
        return AUTHN_DENY;
    }
    job->exchange = exchange;
    job->exchange_free = mem_free;
    if (!scram_first_read(job->asked.data, &first) ||
        !scram_name_read(first.user, exchange->user, &exchange->user_len) ||
        (first.authz.len > 0 && !bytes_equal(first.authz, first.user)))
        return AUTHN_DENY;
    struct bytes name = bytes_of(exchange->user, exchange->user_len);
    const struct user *user = user_table_find(self->users, name);
    const char *text = user == NULL ? NULL : user->scram[self->mechanism];
    exchange->is_known = text != NULL && scram_keys_read(text, self->mechanism, &keys) == RC_OK;
    exchange->is_superuser = exchange->is_known && user->is_superuser;
    if (!exchange->is_known)
        authn_scram_decoy(self, name, &keys);
    char nonce[SCRAM_OUR_NONCE_LEN + 1];
    authn_scram_nonce(nonce);
    scram_begin(&exchange->scram, self->mechanism, &keys, &first, nonce);
    memcpy(job->answer, exchange->scram.server, exchange->scram.server_len);
    job->answer_len = exchange->scram.server_len;
    return AUTHN_ASK;
}

static enum authn_verdict authn_scram_final(struct authn_job *job)
{
    const struct authn_scram_exchange *exchange = job->exchange;
    uint32_t len = 0;
    bool proven = scram_finish(&exchange->scram, job->asked.data, (char *)job->answer, &len);
    if (!proven || !exchange->is_known)
        return AUTHN_DENY;
    job->answer_len = len;
    struct identity_draft draft = {.username = bytes_of(exchange->user, exchange->user_len),
                                   .is_superuser = exchange->is_superuser};
    return authn_allow(job, &draft);
}

static enum authn_verdict authn_scram_run(const struct authn_step *step, struct authn_job *job)
{
    const struct authn_scram *self = CONTAINER_OF(step, struct authn_scram, step);
    return job->exchange == NULL ? authn_scram_first(self, job) : authn_scram_final(job);
}

static void authn_scram_destroy(struct authn_step *step)
{
    struct authn_scram *self = CONTAINER_OF(step, struct authn_scram, step);
    user_table_unref(self->users);
    digest_wipe(self->secret, sizeof(self->secret));
    mem_free(self);
}

struct authn_step *authn_scram_create(struct user_table *users, enum scram_mechanism mechanism)
{
    static const struct authn_step_ops ops = {.name = "scram",
                                              .place = AUTHN_ON_SHARD,
                                              .takes_method = authn_scram_takes,
                                              .run = authn_scram_run,
                                              .destroy = authn_scram_destroy};
    CHECK(users != NULL && (unsigned)mechanism < SCRAM_COUNT);
    struct authn_scram *self = alloc_zeroed(sizeof(*self));
    if (self == NULL)
        return NULL;
    self->step = (struct authn_step){.ops = &ops, .refs = 1};
    self->users = users;
    self->mechanism = mechanism;
    digest_random(self->secret, sizeof(self->secret));
    return &self->step;
}
