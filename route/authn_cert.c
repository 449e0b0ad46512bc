/*
 * authn_cert.c -- see authn_cert.h.
 *
 * Threads: see authn_cert.h.
 */
#include "authn_cert.h"

#include "alloc.h"

struct authn_cert {
    struct authn_step step;
    enum authn_cert_is is;
};

static enum authn_verdict authn_cert_run(const struct authn_step *step, struct authn_job *job)
{
    const struct authn_cert *self = CONTAINER_OF(step, struct authn_cert, step);
    const struct authn_asked *asked = &job->asked;
    if (asked->cert_common_name.ptr == NULL && asked->cert_subject.ptr == NULL)
        return AUTHN_IGNORE;
    struct bytes name = self->is == AUTHN_CERT_IS_USERNAME ? asked->username : asked->client_id;
    bool fits = self->is == AUTHN_CERT_IS_ANY ||
                (asked->cert_common_name.ptr != NULL && name.ptr != NULL &&
                 bytes_equal(asked->cert_common_name, name));
    if (!fits) {
        job->reason = REASON_NOT_AUTHORIZED;
        return AUTHN_DENY;
    }
    struct identity_draft draft = {.is_superuser = false};
    return authn_allow(job, &draft);
}

static void authn_cert_destroy(struct authn_step *step)
{
    mem_free(CONTAINER_OF(step, struct authn_cert, step));
}

struct authn_step *authn_cert_create(enum authn_cert_is is)
{
    static const struct authn_step_ops ops = {.name = "certificate",
                                              .place = AUTHN_ON_SHARD,
                                              .run = authn_cert_run,
                                              .destroy = authn_cert_destroy};
    CHECK((unsigned)is <= AUTHN_CERT_IS_CLIENT_ID);
    struct authn_cert *self = alloc_zeroed(sizeof(*self));
    if (self == NULL)
        return NULL;
    self->step = (struct authn_step){.ops = &ops, .refs = 1};
    self->is = is;
    return &self->step;
}
